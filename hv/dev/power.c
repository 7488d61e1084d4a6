/* SPDX-License-Identifier: BSD-2-Clause */
/* Sleep, soft-off and reset: stops concealed devices before the machine goes down.  Suspend to RAM or disk is refused. */
#include <veneer/io.h>
#include <veneer/log.h>
#include <veneer/time.h>
#include "hv/cpu/cpus.h"
#include "hv/dev/acpi.h"
#include "hv/dev/power.h"
#include "hv/dev/trap.h"
#include "hv/x86.h"

#define PM1_SLP_TYP	GENMASK(12, 10)
#define PM1_SLP_EN	BIT(13)

#define RESET_CONTROL	0xcf9
#define KBC_COMMAND	0x64
#define  KBC_RESET	0xfe

void power_init(void)
{
	if (acpi.pm1a_cnt)
		trap_intercept_ports(acpi.pm1a_cnt, 2);
	if (acpi.pm1b_cnt)
		trap_intercept_ports(acpi.pm1b_cnt, 2);
	if (acpi.reset_port && acpi.reset_port != RESET_CONTROL)
		trap_intercept_ports(acpi.reset_port, 1);
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

void machine_reset(void)
{
	machine_stopping();
	if (acpi.reset_port) {
		pio_write8(acpi.reset_port, acpi.reset_value);
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
	return (acpi.pm1a_cnt && (port & ~1u) == acpi.pm1a_cnt) || (acpi.pm1b_cnt && (port & ~1u) == acpi.pm1b_cnt);
}

static bool sleep_allowed(uint32_t pm1)
{
	uint32_t typ = FIELD_GET(PM1_SLP_TYP, pm1);

	/* A machine that wakes up would run the guest without Veneer.  Not knowing which type soft-off is we trust none. */
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

bool power_port_write(uint16_t port, unsigned width, uint32_t value)
{
	if (is_pm1(port)) {
		uint32_t pm1 = port & 1 ? value << 8 : value;

		return !(pm1 & PM1_SLP_EN) || sleep_allowed(pm1);
	}
	if (acpi.reset_port && port == acpi.reset_port && (uint8_t)value == acpi.reset_value)
		machine_stopping();
	return true;
}
