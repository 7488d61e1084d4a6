/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AMD's southbridges, from the SB600 to today's FCH, keep the bases of ACPI's ports in registers of their own: the PM registers
 * (SB800 Register Reference Guide, 2.3.3; BKDG for family 16h, 3.26.13), by index and data at CD6h and CD7h, and from the SB800
 * on in memory, in one page with ACPI's own registers.  A base that moved would take sleep and soft-off from under the watch of
 * hv/dev/power.c.  What is no base goes to the hardware: systems and their AML use these registers.
 */
#include <veneer/err.h>
#include <veneer/io.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include "hv/dev/power.h"
#include "hv/dev/ports.h"
#include "hv/dev/trap.h"
#include "hv/pci/pci.h"

#define ATI		0x1002
#define AMD		0x1022
#define HYGON		0x1d94
#define CLASS_SMBUS	0x0c05		/* the function that all of them have */
#define SB600_TO_900	0x4385
#define SB800_REVISION	0x40
#define HUDSON2		0x780b
#define HUDSON2_DECODE_EN_REVISION	0x41
#define KERNCZ		0x790b
#define KERNCZ_DECODE_EN_REVISION	0x49

#define PM_INDEX	0xcd6
#define PM_PORTS	2u
#define PM_DECODE_EN1	0x01		/* later ones: bits 15:8 of the SMBus's base */
#define PM_MMIO_BASE	0x24		/* SB800, SB900: where the page is; later ones do not move it */
#define PM_SMBUS_EN	0x2c		/* SB800 to Hudson-2: the low byte of the SMBus's base */
#define  SMBUS_PORT	GENMASK(2, 1)	/* no base: which of the SMBus's ports the next transfer goes to */
#define PM_CF9		0xc5		/* as port CF9h */
#define  CF9_RESET	BIT(2)

#define PAGE_AT		0xfed80000u
#define PAGE_SMBUS_END	0x100u		/* the SMBus function's configuration space once more, which guard.c holds */
#define PAGE_PM		0x300u
#define PAGE_PM_END	0x400u
#define PAGE_PM1_CNT	0x804u		/* PM1 control, wherever its port is */

#define MAX_LINES	8u

struct span { uint8_t first, last; };

/* SB600, SB700, SP5100: ACPI's ports; the watchdog's base.  Between are trigger levels, USB, the watchdog's control. */
static const struct span sb600_bases[] = {
	{ 0x20, 0x2f }, { 0x6c, 0x6f },
};

/*
 * From the SB800 on: bases of the page and the SMBus, but for 2Eh, its other port select; the I/O APIC's, the watchdog's and
 * the HPET's, but for the byte with their enables; ACPI's ports.
 */
static const struct span sb800_bases[] = {
	{ 0x20, 0x2d }, { 0x2f, 0x2f }, { 0x34, 0x37 }, { 0x49, 0x4b }, { 0x51, 0x53 }, { 0x60, 0x6f },
};

static bool is_sb800;		/* or a later one */
static bool has_decode_en;	/* PM_DECODE_EN1 holds a base */
static volatile uint8_t *page;
static uint32_t page_phys;
static uint8_t written_index;
static unsigned lines;

static bool is_in(const struct span *spans, unsigned n, uint8_t reg)
{
	for (unsigned i = 0; i < n; i++)
		if (reg >= spans[i].first && reg <= spans[i].last)
			return true;
	return false;
}

static bool is_held(uint8_t reg)
{
	if (!is_sb800)
		return is_in(sb600_bases, ARRAY_SIZE(sb600_bases), reg);
	return (has_decode_en && reg == PM_DECODE_EN1) || is_in(sb800_bases, ARRAY_SIZE(sb800_bases), reg);
}

/*
 * Whether @value in PM register @reg could move a base.  The register is at @mapped; NULL: it is the one that the hardware's
 * index selects.  Drivers write the port select before each transfer and do not look whether the write took.
 */
static bool moves_base(uint8_t reg, uint8_t value, const volatile uint8_t *mapped)
{
	uint8_t now;

	if (!is_held(reg))
		return false;
	if (!is_sb800 || reg != PM_SMBUS_EN)
		return true;
	now = mapped ? mmio_read8(mapped) : pio_read8(PM_INDEX + 1);
	return (value ^ now) & ~SMBUS_PORT;
}

/* False: the byte is lost.  @mapped as above. */
static bool pm_write_allowed(uint8_t reg, uint8_t value, const volatile uint8_t *mapped)
{
	if (moves_base(reg, value, mapped)) {
		if (lines < MAX_LINES && ++lines)
			log_warn("fch: the guest's %#x to PM register %#x, which holds a base: dropped", value, reg);
		return false;
	}
	if (reg == PM_CF9 && (value & CF9_RESET))
		machine_stopping();
	return true;
}

/* --- CD6h and CD7h --- */

static uint64_t ports_read(void *ctx, uint32_t off, unsigned width)
{
	return port_in((uint16_t)(PM_INDEX + off), width);
}

/* The index that counts is the hardware's; where that cannot be read, as last written. */
static void port_write_byte(uint32_t off, uint8_t value)
{
	uint8_t index;

	if (!off) {
		written_index = value;
		pio_write8(PM_INDEX, value);
		return;
	}
	index = pio_read8(PM_INDEX);
	if (pm_write_allowed(index, value, NULL) && (index == written_index || !moves_base(written_index, value, NULL)))
		pio_write8(PM_INDEX + 1, value);
}

static void ports_write(void *ctx, uint32_t off, unsigned width, uint64_t value)
{
	for (unsigned i = 0; i < width; i++)
		port_write_byte(off + i, (uint8_t)(value >> 8 * i));
}

/* --- the page --- */

static uint64_t fch_page_read(void *ctx, uint32_t off, unsigned width)
{
	return width == 1 ? mmio_read8(page + off) : width == 2 ? mmio_read16(page + off) :
	       width == 4 ? mmio_read32(page + off) : mmio_read64(page + off);
}

static bool byte_allowed(uint32_t off, uint8_t value)
{
	if (off < PAGE_SMBUS_END)
		return false;
	if (off >= PAGE_PM && off < PAGE_PM_END)
		return pm_write_allowed((uint8_t)(off - PAGE_PM), value, page + off);
	if (off == PAGE_PM1_CNT + 1)
		return power_pm1_allowed((uint32_t)value << 8);
	return true;
}

/* An access is carried out as it is, or not at all. */
static void fch_page_write(void *ctx, uint32_t off, unsigned width, uint64_t value)
{
	for (unsigned i = 0; i < width; i++)
		if (!byte_allowed(off + i, (uint8_t)(value >> 8 * i)))
			return;
	if (!power_memory_allowed(page_phys + off, width, value))
		return;
	if (width == 1)
		mmio_write8(page + off, (uint8_t)value);
	else if (width == 2)
		mmio_write16(page + off, (uint16_t)value);
	else if (width == 4)
		mmio_write32(page + off, (uint32_t)value);
	else
		mmio_write64(page + off, value);
}

/* --- start --- */

static const struct pci_dev *find_smbus(void)
{
	const struct pci_dev *d;

	for (unsigned i = 0; (d = pci_get(i)); i++)
		if (d->class_code >> 8 == CLASS_SMBUS && (d->vendor == AMD || d->vendor == ATI || d->vendor == HYGON))
			return d;
	return NULL;
}

static uint32_t pm_read32(uint8_t reg)
{
	uint32_t v = 0;

	for (unsigned i = 0; i < 4; i++) {
		pio_write8(PM_INDEX, (uint8_t)(reg + i));
		v |= (uint32_t)pio_read8(PM_INDEX + 1) << 8 * i;
	}
	return v;
}

static void learn_layout(const struct pci_dev *d)
{
	is_sb800 = d->vendor != ATI || d->device != SB600_TO_900 || d->revision >= SB800_REVISION;
	has_decode_en = (d->vendor == AMD && d->device == HUDSON2 && d->revision >= HUDSON2_DECODE_EN_REVISION) ||
			(d->vendor == AMD && d->device == KERNCZ && d->revision >= KERNCZ_DECODE_EN_REVISION) ||
			(d->vendor == HYGON && d->device == KERNCZ);
}

/* Where the page is, 0 if there is none.  Registers that do not answer read as ones. */
static uint32_t page_address(const struct pci_dev *d)
{
	uint32_t v;

	if (d->vendor != ATI || d->device != SB600_TO_900)
		return PAGE_AT;
	if (!is_sb800)
		return 0;
	v = pm_read32(PM_MMIO_BASE);
	return (v & 1) && v != ~0u ? ALIGN_DOWN(v, PAGE_SIZE) : 0;
}

int fch_init(void)
{
	static const struct trap_ops ports_ops = { .read = ports_read, .write = ports_write };
	static const struct trap_ops page_ops = { .read = fch_page_read, .write = fch_page_write };
	const struct pci_dev *d = find_smbus();
	struct trap *t;
	uint32_t at;

	if (!d)
		return 0;
	learn_layout(d);
	at = page_address(d);
	t = trap_new_pio("fch", PM_PORTS, &ports_ops, NULL);
	if (!t || trap_place(t, PM_INDEX))
		return -ERR_NOMEM;
	if (!at)
		return 0;
	page_phys = at;
	page = mem_map_mmio(at, PAGE_SIZE);
	t = trap_new_mmio("fch", PAGE_SIZE, &page_ops, NULL);
	return page && t && !trap_place_system(t, at) ? 0 : -ERR_NOMEM;
}
