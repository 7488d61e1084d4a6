/* SPDX-License-Identifier: BSD-2-Clause */
/* Sleep, soft-off and reset: stops concealed devices before the machine goes down.  Suspend to RAM or disk is refused. */
#include <veneer/io.h>
#include <veneer/lock.h>
#include <veneer/log.h>
#include <veneer/time.h>
#include "hv/cpu/cpus.h"
#include "hv/dev/acpi.h"
#include "hv/dev/power.h"
#include "hv/dev/trap.h"
#include "hv/x86.h"

#define PM1_SLP_TYP	GENMASK(12, 10)
#define PM1_SLP_EN	BIT(13)
#define PM1_PORTS	4u
#define SLEEP_TYP	GENMASK(4, 2)	/* of the sleep control register (ACPI 6.4, 4.8.3.7) */
#define SLEEP_EN	BIT(5)

#define RESET_CONTROL	0xcf9
/* The keyboard's controller and the system control port A (82801 datasheets, "Processor interface"). */
#define KBC_DATA	0x60
#define KBC_COMMAND	0x64
#define  KBC_OUTPUT	0xd1		/* the next byte of data is for the output port */
#define  KBC_A20_OFF	0xdd
#define  KBC_PULSE	0xf0		/* pulses the lines of the output port whose bits are 0 */
#define  KBC_RESET	0xfe
#define  OUTPUT_RUN	BIT(0)		/* 0 resets */
#define  OUTPUT_A20	BIT(1)
#define CONTROL_A	0x92
#define  CONTROL_RESET	BIT(0)
#define  CONTROL_A20	BIT(1)

static void watch_pages(void);

/* PM1 control by the FADT's fields of 32 and of 64 bits. */
static uint16_t pm1_port(unsigned n)
{
	return n == 0 ? acpi.pm1a_cnt : n == 1 ? acpi.pm1b_cnt : acpi.pm1_also[n - 2];
}

void power_init(void)
{
	for (unsigned n = 0; n < PM1_PORTS; n++)
		if (pm1_port(n))
			trap_intercept_ports(pm1_port(n), 2);
	if (acpi.reset_port && acpi.reset_port != RESET_CONTROL)
		trap_intercept_ports(acpi.reset_port, 1);
	if (acpi.sleep_port)
		trap_intercept_ports(acpi.sleep_port, 1);
	watch_pages();
	trap_intercept_ports(KBC_DATA, 1);
	trap_intercept_ports(KBC_COMMAND, 1);
	trap_intercept_ports(CONTROL_A, 1);
}

static void (*stop_devices)(void);

void machine_on_stop(void (*fn)(void))
{
	stop_devices = fn;
}

static bool devices_left;

void machine_leave_devices(void)
{
	devices_left = true;
}

void machine_stopping(void)
{
	smp_stop_others();
	if (!devices_left && stop_devices)
		stop_devices();
	devices_left = true;
}

/* ACPI 6.4, 4.8.3.2.1 and 4.8.3.7: the type of each block, and the enable bit. */
void machine_off(void)
{
	machine_stopping();
	for (unsigned n = 0; acpi.has_s5 && n < PM1_PORTS; n++)
		if (pm1_port(n))
			pio_write16(pm1_port(n), (uint16_t)((pio_read16(pm1_port(n)) & ~PM1_SLP_TYP) | PM1_SLP_EN |
				    FIELD_PREP(PM1_SLP_TYP, n & 1 ? acpi.s5_typ_b : acpi.s5_typ_a)));
	for (unsigned n = 0; acpi.has_s5 && n < ARRAY_SIZE(acpi.pm1_addr); n++) {
		volatile void *reg = (volatile void *)(uintptr_t)acpi.pm1_addr[n];

		if (reg)
			mmio_write16(reg, (uint16_t)((mmio_read16(reg) & ~PM1_SLP_TYP) | PM1_SLP_EN |
				     FIELD_PREP(PM1_SLP_TYP, n & 1 ? acpi.s5_typ_b : acpi.s5_typ_a)));
	}
	if (acpi.has_s5 && acpi.sleep_port)
		pio_write8(acpi.sleep_port, (uint8_t)(FIELD_PREP(SLEEP_TYP, acpi.s5_typ_a) | SLEEP_EN));
	if (acpi.has_s5 && acpi.sleep_addr)
		mmio_write8((volatile void *)(uintptr_t)acpi.sleep_addr,
			    (uint8_t)(FIELD_PREP(SLEEP_TYP, acpi.s5_typ_a) | SLEEP_EN));
	delay_us(1000000);
}

void machine_reset(void)
{
	machine_stopping();
	if (acpi.reset_port) {
		pio_write8(acpi.reset_port, acpi.reset_value);
		delay_us(50000);
	}
	if (acpi.reset_addr) {
		mmio_write8((volatile void *)(uintptr_t)acpi.reset_addr, acpi.reset_value);
		delay_us(50000);
	}
	pio_write8(RESET_CONTROL, 0x02);
	pio_write8(RESET_CONTROL, 0x06);
	delay_us(50000);
	pio_write8(KBC_COMMAND, KBC_RESET);
	delay_us(50000);
	log_err("reset: the machine does not reset itself; switch it off");
	halt_forever();
}

static bool is_pm1(uint16_t port)
{
	for (unsigned n = 0; n < PM1_PORTS; n++)
		if (pm1_port(n) && (port & ~1u) == pm1_port(n))
			return true;
	return false;
}

static bool sleep_allowed(uint32_t typ)
{
	/* A machine that wakes up would run the guest without Veneer.  If soft-off's type is unknown, allow no type. */
	if (!acpi.has_s5) {
		log_err("power: the guest asked for sleep type %u, refused: the firmware's tables do not say what it is", typ);
		return false;
	}
	if (typ != acpi.s5_typ_a && typ != acpi.s5_typ_b) {
		log_err("power: the guest asked for sleep type %u, refused: only soft-off (type %u) is supported", typ,
			acpi.s5_typ_a);
		return false;
	}
	machine_stopping();
	return true;
}

bool power_pm1_allowed(uint32_t pm1)
{
	return !(pm1 & PM1_SLP_EN) || sleep_allowed(FIELD_GET(PM1_SLP_TYP, pm1));
}

/* --- resets beside ACPI, and the gate of A20 --- */

static struct lock gate_lock;		/* held over output_next and the write that follows from it */
static bool output_next;

/*
 * In VMX operation, and with VM_CR.DIS_A20M, the processor ignores a masked A20.  An emulator that does not would let Veneer's
 * own accesses go to other addresses.  So keep A20 on, whatever the guest writes, and leave it out of pulses.
 */
static void kbc_command(uint8_t command)
{
	output_next = command == KBC_OUTPUT;
	if (command == KBC_A20_OFF)
		return;
	if (command >= KBC_PULSE) {
		if (!(command & OUTPUT_RUN))
			machine_stopping();
		command |= OUTPUT_A20;
	}
	pio_write8(KBC_COMMAND, command);
}

static void kbc_data(uint8_t data)
{
	if (output_next) {
		if (!(data & OUTPUT_RUN))
			machine_stopping();
		data |= OUTPUT_A20;
	}
	output_next = false;
	pio_write8(KBC_DATA, data);
}

/* If the port resets only the processor, INIT comes, which resets the machine (hv/smp/smp.c). */
static void control_a(uint8_t value)
{
	if (value & CONTROL_RESET)
		machine_stopping();
	pio_write8(CONTROL_A, value | CONTROL_A20);
}

static bool gate_write(uint16_t port, uint8_t value)
{
	if (port != KBC_DATA && port != KBC_COMMAND && port != CONTROL_A)
		return false;
	lock_acquire(&gate_lock);
	if (port == KBC_COMMAND)
		kbc_command(value);
	else if (port == KBC_DATA)
		kbc_data(value);
	else
		control_a(value);
	lock_release(&gate_lock);
	return true;
}

bool power_port_write(uint16_t port, unsigned width, uint32_t value)
{
	if (gate_write(port, (uint8_t)value)) {
		/* The rest of a wide access goes to the hardware as bytes. */
		for (unsigned i = 1; i < width; i++)
			pio_write8((uint16_t)(port + i), (uint8_t)(value >> 8 * i));
		return false;
	}
	if (is_pm1(port))
		return power_pm1_allowed(port & 1 ? value << 8 : value);
	if (acpi.sleep_port && port == acpi.sleep_port)
		return !(value & SLEEP_EN) || sleep_allowed(FIELD_GET(SLEEP_TYP, value));
	if (acpi.reset_port && port == acpi.reset_port && (uint8_t)value == acpi.reset_value)
		machine_stopping();
	return true;
}

/* --- registers in memory: the page passes through, but for the writes that would also stop at a port --- */

static uint64_t power_page_read(void *ctx, uint32_t off, unsigned width)
{
	volatile uint8_t *p = (volatile uint8_t *)ctx + off;

	return width == 1 ? mmio_read8(p) : width == 2 ? mmio_read16(p) : width == 4 ? mmio_read32(p) : mmio_read64(p);
}

/* Get the byte that an access of @width at @at writes to @reg; false if the access does not cover it. */
static bool byte_of(uint64_t at, unsigned width, uint64_t value, uint32_t reg, uint8_t *byte)
{
	if (!reg || reg < at || reg - at >= width)
		return false;
	*byte = (uint8_t)(value >> 8 * (reg - at));
	return true;
}

bool power_memory_allowed(uint64_t at, unsigned width, uint64_t value)
{
	uint8_t byte;

	if (byte_of(at, width, value, acpi.sleep_addr, &byte) && (byte & SLEEP_EN) &&
	    !sleep_allowed(FIELD_GET(SLEEP_TYP, byte)))
		return false;
	for (unsigned n = 0; n < ARRAY_SIZE(acpi.pm1_addr); n++)
		if (acpi.pm1_addr[n] && byte_of(at, width, value, acpi.pm1_addr[n] + 1, &byte) &&
		    !power_pm1_allowed((uint32_t)byte << 8))
			return false;
	if (byte_of(at, width, value, acpi.reset_addr, &byte) && byte == acpi.reset_value)
		machine_stopping();
	return true;
}

static void power_page_write(void *ctx, uint32_t off, unsigned width, uint64_t value)
{
	volatile uint8_t *p = (volatile uint8_t *)ctx + off;

	if (!power_memory_allowed((uintptr_t)ctx + off, width, value))
		return;
	if (width == 1)
		mmio_write8(p, (uint8_t)value);
	else if (width == 2)
		mmio_write16(p, (uint16_t)value);
	else if (width == 4)
		mmio_write32(p, (uint32_t)value);
	else
		mmio_write64(p, value);
}

static const struct trap_ops page_ops = { .read = power_page_read, .write = power_page_write };

/* The page of an FCH has a watch of its own (hv/pci/fch.c), which asks power_memory_allowed(). */
static void watch_page(uint32_t page)
{
	uint32_t off;

	if (trap_find_mmio(page, &off))
		return;
	struct trap *t = trap_new_mmio("acpi", PAGE_SIZE, &page_ops, (void *)(uintptr_t)page);

	if (!t || trap_place_system(t, page))
		log_err("acpi: the page at %#x cannot be watched: a reset or sleep there does not stop the devices", page);
}

/* Each page once. */
static void watch_pages(void)
{
	const uint32_t addr[] = { acpi.reset_addr, acpi.sleep_addr, acpi.pm1_addr[0], acpi.pm1_addr[1] };

	for (unsigned i = 0, j; i < ARRAY_SIZE(addr); i++) {
		uint32_t page = ALIGN_DOWN(addr[i], PAGE_SIZE);

		for (j = 0; j < i && (!addr[j] || ALIGN_DOWN(addr[j], PAGE_SIZE) != page); j++)
			;
		if (addr[i] && j == i)
			watch_page(page);
	}
}
