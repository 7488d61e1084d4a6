/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/pci/vpci.c hv/pci/guard.c hv/pci/vbridge.c hv/dev/trap.c */
/* sources: hv/mem/nested.c hv/mem/mtrr.c hv/mem/ptree.c hv/mem/gmem.c tests/unit/host/cpu.c */
/* The guest's view of configuration space, by ports and by ECAM, and the addresses that traps may have. */
#include <string.h>
#include <veneer/err.h>
#include <veneer/vpci.h>
#include "host/cpu.h"
#include "host/host.h"
#include "hv/boot/bootinfo.h"
#include "hv/dev/acpi.h"
#include "hv/dev/power.h"
#include "hv/mem/nested.h"
#include "hv/mem/paging.h"
#include "hv/mem/ptree.h"
#include "hv/mem/ram.h"
#include "hv/pci/pci.h"
#include "hv/dev/ports.h"
#include "hv/dev/trap.h"

/* In the place of hv/pci/pci.c. */
uint32_t pci_port_read(uint32_t address, uint16_t port, unsigned width)
{
	pio_write32(0xcf8, address);
	return port_in(port, width);
}

void pci_port_write(uint32_t address, uint16_t port, unsigned width, uint32_t v)
{
	pio_write32(0xcf8, address);
	port_out(port, width, v);
}

#define HIDDEN	PCI_BDF(0, 4, 0)
#define TWIN	PCI_BDF(0, 5, 0)
#define OPEN	PCI_BDF(0, 6, 0)
#define HOST	PCI_BDF(0, 0, 0)
#define FROZEN	PCI_BDF(0, 7, 0)
#define BRIDGE	PCI_BDF(0, 8, 0)
#define LPC	PCI_BDF(0, 31, 0)
#define NOBODY	PCI_BDF(0, 12, 0)
#define ARRIVED	PCI_BDF(0, 13, 0)
#define OTHER_ECAM	0xd0000000ull
#define ECAM	0xe0000000ull

static uint8_t real[256][4096];		/* by device and function of bus 0 */
static uint32_t latch;
static unsigned writes, stops;
static uint8_t port_cf9;

struct acpi_info acpi = { .necam = 2, .ecam = { { ECAM, 0, 0, 1 }, { OTHER_ECAM, 7, 0, 3 } } };

static bool secret(uint16_t bdf) { return bdf == HIDDEN || bdf == TWIN; }

/* The chipset: a dword at CF8 is the address latch; other accesses there are to ports; CFC to CFF are configuration space. */
static uint8_t *config_byte(uint32_t off)
{
	uint16_t bdf = (uint16_t)(latch >> 8);

	if (!(latch & BIT(31)))
		return NULL;
	if (secret(bdf))
		host_fail(__FILE__, __LINE__, "configuration access with the latch at %#x", latch);
	return &real[bdf & 255][(latch & 0xfc) + off - 4];
}

static uint64_t chipset_read(void *ctx, uint32_t off, unsigned width)
{
	uint64_t v = 0;

	if (!off && width == 4)
		return latch;
	CHECK(off >= 4 || off + width <= 4);
	for (unsigned i = 0; i < width && off + i < 8; i++)
		v |= (uint64_t)(off + i >= 4 && config_byte(off + i) ? *config_byte(off + i) : 0xff) << (8 * i);
	return v;
}

static void chipset_write(void *ctx, uint32_t off, unsigned width, uint64_t v)
{
	if (!off && width == 4) {
		latch = (uint32_t)v;
		return;
	}
	CHECK(off >= 4 || off + width <= 4);
	for (unsigned i = 0; i < width && off + i < 8; i++) {
		if (off + i == 1)
			port_cf9 = (uint8_t)(v >> (8 * i));
		if (off + i >= 4 && config_byte(off + i)) {
			*config_byte(off + i) = (uint8_t)(v >> (8 * i));
			writes++;
		}
	}
}

static const struct host_model chipset = { chipset_read, chipset_write };

static struct pci_dev devices[] = {
	{ .bdf = HOST, .class_code = 0x060000 }, { .bdf = HIDDEN, .class_code = 0x020000 },
	{ .bdf = OPEN, .class_code = 0x030000,
	  .bar = { { .size = 0x10000 }, { .size = 0x100, .io = true }, { .size = 0x100000, .is64 = true } },
	  .rom_size = 0x8000 },
	{ .bdf = FROZEN, .class_code = 0x060400, .header_type = 1, .cap_exp = 0x40,
	  .bar = { { .addr = 0xfea80000, .size = 0x1000 } } },
	{ .bdf = BRIDGE, .class_code = 0x060400, .header_type = 1 },
	{ .bdf = LPC, .class_code = 0x060100, .vendor = 0x8086 },
};

const struct pci_dev *pci_get(unsigned n) { return n < ARRAY_SIZE(devices) ? &devices[n] : NULL; }
uint64_t pci_ecam_page(uint16_t bdf) { return PCI_BUS(bdf) < 2 ? ECAM + ((uint64_t)bdf << 12) : 0; }
uint32_t lapic_addr(void) { return 0xfee00000; }
void machine_stopping(void) { stops++; }

/* As Veneer's own access: the latch keeps that address. */
uint32_t pci_cfg_read(uint16_t bdf, uint16_t off, unsigned width)
{
	uint32_t v;

	latch = BIT(31) | (uint32_t)bdf << 8 | (off & 0xfc);
	memcpy(&v, &real[bdf & 255][off & 0xffc], 4);
	v >>= 8 * (off & 3);
	return width == 4 ? v : v & ((1u << (8 * width)) - 1);
}

void pci_cfg_write(uint16_t bdf, uint16_t off, unsigned width, uint32_t v)
{
	CHECK(!secret(bdf) && (off & 3) + width <= 4);
	memcpy(&real[bdf & 255][off], &v, width);
	writes++;
}

uint8_t pci_read8(const struct pci_dev *d, uint16_t off) { return (uint8_t)pci_cfg_read(d->bdf, off, 1); }
uint16_t pci_read16(const struct pci_dev *d, uint16_t off) { return (uint16_t)pci_cfg_read(d->bdf, off, 2); }
uint32_t pci_read32(const struct pci_dev *d, uint16_t off) { return pci_cfg_read(d->bdf, off, 4); }

static uint16_t ext_cap, ext_at;
static uint8_t cap, cap_at;
uint16_t pci_ext_cap_at(const struct pci_dev *d, uint16_t off, uint16_t *at) { *at = ext_at; return ext_cap; }
uint8_t pci_find_cap(const struct pci_dev *d, uint8_t id) { return 0; }
uint8_t pci_cap_at(const struct pci_dev *d, uint16_t off, uint16_t *at) { *at = cap_at; return cap; }

/* The twin checks the contract: an access never crosses a dword. */
static uint8_t twin[4096];

static uint32_t twin_read(void *ctx, uint16_t off, unsigned width)
{
	uint32_t v = 0;

	CHECK(width == 1 || width == 2 || width == 4);
	CHECK((off & 3) + width <= 4);
	CHECK(ctx == twin);
	memcpy(&v, twin + off, width);
	return v;
}

static void twin_write(void *ctx, uint16_t off, unsigned width, uint32_t v)
{
	CHECK((width == 1 || width == 2 || width == 4) && (off & 3) + width <= 4);
	CHECK(width == 4 || v < 1u << (8 * width));
	memcpy(twin + off, &v, width);
}

static const struct vpci_ops twin_ops = { twin_read, twin_write };

static struct boot_info boot = { .range = { { 0x100000, 0x7ff00000, MEM_USABLE } }, .nranges = 1,
				 .self_base = 0x7000000, .self_size = 0x400000 };

static void identify(const struct pci_dev *d)
{
	uint32_t id = (uint32_t)d->device << 16 | d->vendor, class = d->class_code << 8 | 5;

	memcpy(&real[d->bdf & 255][PCI_VENDOR_ID], &id, 4);
	memcpy(&real[d->bdf & 255][PCI_REVISION], &class, 4);
}

static void start(void)
{
	host_pio_model(0xcf8, 8, &chipset, NULL);
	host_cpu_reset();
	gmem_init(&boot);
	memset(real, 0, sizeof(real));
	for (unsigned i = 0; i < 256; i++)
		real[0][i] = (uint8_t)(i * 7 + 1);
	for (unsigned i = 1; i < ARRAY_SIZE(real); i++)
		memcpy(real[i], real[0], 256);
	for (unsigned i = 0; i < ARRAY_SIZE(devices); i++)
		identify(&devices[i]);
	CHECK_EQ(nested_init(&boot, &pt_format_x86, false), 0);
	CHECK_EQ(vpci_init(), 0);
	CHECK_EQ(vpci_set(HIDDEN, NULL, NULL), 0);
	CHECK_EQ(vpci_set(TWIN, &twin_ops, twin), 0);
	CHECK_EQ(vpci_freeze(&devices[3]), 0);
	CHECK_EQ(vpci_protect(0xfea00000, 0x4000, false), 0);
	CHECK_EQ(vpci_protect(0xd000, 0x20, true), 0);
	CHECK_EQ(vpci_protect(0x3800004000ull, 0x4000, false), 0);
	for (unsigned i = 0; i < sizeof(twin); i++)
		twin[i] = (uint8_t)(i * 5 + 3);
	vpci_port_write(0xcf8, 4, 0);
	latch = BIT(31) | HIDDEN << 8 | 4;
	writes = stops = port_cf9 = 0;
}

static uint32_t address(uint16_t bdf, unsigned off) { return BIT(31) | (uint32_t)bdf << 8 | off; }
static uint32_t mask(unsigned width) { return width == 4 ? ~0u : (1u << (8 * width)) - 1; }

TEST(hidden_reads_as_ones_by_every_access)
{
	start();
	vpci_port_write(0xcf8, 4, address(HIDDEN, 0));
	CHECK_EQ(vpci_port_read(0xcf8, 4), address(HIDDEN, 0));
	for (uint16_t port = 0xcfc; port < 0xd00; port++)
		for (unsigned width = 1; width <= 4; width *= 2) {
			CHECK_EQ(vpci_port_read(port, width), mask(width));
			vpci_port_write(port, width, 0x12345678);
		}
	CHECK_EQ(writes, 0);
}

TEST(twin_answers_by_every_port_and_width)
{
	start();
	for (unsigned off = 0; off < 256; off += 4) {
		vpci_port_write(0xcf8, 4, address(TWIN, off));
		for (unsigned b = 0; b < 4; b++)
			for (unsigned width = 1; width <= 4; width *= 2) {
				uint32_t v = 0;

				for (unsigned i = 0; i < width; i++)
					v |= (b + i < 4 ? twin[off + b + i] : 0xffu) << (8 * i);
				CHECK_EQ(vpci_port_read((uint16_t)(0xcfc + b), width), v);
			}
	}
}

TEST(writes_reach_only_the_bytes_meant)
{
	start();
	vpci_port_write(0xcf8, 4, address(TWIN, 0x40));
	for (unsigned b = 0; b < 4; b++)
		for (unsigned width = 1; width <= 4; width *= 2) {
			memset(twin + 0x3c, 0, 12);
			vpci_port_write((uint16_t)(0xcfc + b), width, 0xa4a3a2a1);
			for (unsigned i = 0; i < 12; i++) {
				bool hit = i >= 4 + b && i < 4 + MIN(b + width, 4u);

				CHECK_EQ(twin[0x3c + i], hit ? 0xa1 + (i - 4 - b) : 0);
			}
		}
}

TEST(others_are_the_machines_own)
{
	start();
	vpci_port_write(0xcf8, 4, address(OPEN, 0x10));
	CHECK_EQ(vpci_port_read(0xcfe, 2), *(uint16_t *)&real[OPEN][0x12]);
	vpci_port_write(0xcfd, 1, 0x77);
	CHECK_EQ(real[OPEN][0x11], 0x77);
	CHECK_EQ(writes, 1);
}

TEST(veneers_own_address_in_the_latch_is_of_no_use)
{
	start();
	/* Without the enable bit, and after Veneer's own access to a hidden function. */
	for (unsigned width = 1; width <= 4; width *= 2) {
		vpci_port_write(0xcf8, 4, HIDDEN << 8 | 4);
		pci_cfg_read(HIDDEN, 4, 4);
		CHECK_EQ(vpci_port_read(0xcfc, width), mask(width));
		pci_cfg_read(HIDDEN, 4, 4);
		vpci_port_write(0xcfc, width, 0);
	}
	/* Accesses that begin below the data port and extend into it. */
	for (uint32_t a = 0; a < 2; a++)
		for (uint16_t port = 0xcf9; port < 0xcfc; port++) {
			vpci_port_write(0xcf8, 4, a ? address(HIDDEN, 4) : 0);
			pci_cfg_read(HIDDEN, 4, 4);
			(void)vpci_port_read(port, 4);
			pci_cfg_read(HIDDEN, 4, 4);
			vpci_port_write(port, 4, 0);
		}
	CHECK_EQ(writes, 0);
}

TEST(reset_control_stops_the_devices_first)
{
	start();
	vpci_port_write(0xcf9, 1, 0x02);
	CHECK_EQ(stops, 0);
	vpci_port_write(0xcf9, 1, 0x06);
	CHECK_EQ(stops, 1);
	CHECK_EQ(port_cf9, 6);
	vpci_port_write(0xcf8, 2, 0x0e00);
	CHECK_EQ(stops, 2);
	vpci_port_write(0xcf9, 2, 0x0006);
	CHECK_EQ(stops, 3);
	vpci_port_write(0xcf9, 4, 0x0006);
	CHECK_EQ(stops, 4);
}

static uint32_t get(uint16_t bdf, unsigned off)
{
	vpci_port_write(0xcf8, 4, address(bdf, off & 0xfc));
	return vpci_port_read(0xcfc, 4);
}

static void set(uint16_t bdf, unsigned off, unsigned width, uint32_t v)
{
	vpci_port_write(0xcf8, 4, address(bdf, off & 0xfc));
	vpci_port_write((uint16_t)(0xcfc + (off & 3)), width, v);
}

static uint32_t raw(uint16_t bdf, unsigned off)
{
	uint32_t v;

	memcpy(&v, &real[bdf & 255][off], 4);
	return v;
}

static void put_raw(uint16_t bdf, unsigned off, uint32_t v) { memcpy(&real[bdf & 255][off], &v, 4); }

TEST(host_bridges_can_only_be_read)
{
	uint8_t before[256];

	start();
	memcpy(before, real[HOST], 256);
	for (unsigned off = 0; off < 256; off += 4) {
		CHECK_EQ(get(HOST, off), raw(HOST, off));
		for (unsigned width = 1; width <= 4; width *= 2)
			vpci_port_write(0xcfc, width, 0);
	}
	CHECK(!memcmp(before, real[HOST], 256));
}

/* A bridge above a concealed device: the hardware's registers stay, and the guest reads what it wrote. */
TEST(a_frozen_bridge_reads_back_what_was_written)
{
	uint8_t before[256];

	start();
	memcpy(before, real[FROZEN], 256);
	uint32_t id = get(FROZEN, 0), buses = get(FROZEN, 0x18);
	for (unsigned off = 0; off < 256; off += 4)
		for (unsigned width = 1; width <= 4; width *= 2)
			set(FROZEN, off, width, 0xffffffff);
	CHECK(!memcmp(before, real[FROZEN], 256));
	CHECK_EQ(writes, 0);
	CHECK_EQ(get(FROZEN, 0), id);
	/* The guest reads the hardware's bus numbers, whatever it writes; also the latency timer beside them. */
	CHECK_EQ(get(FROZEN, 0x18), buses);
	/* A BAR can be sized and set. */
	CHECK_EQ(get(FROZEN, 0x10) & 0xfffff000, 0xfffff000);
	set(FROZEN, 0x10, 4, 0xfe123000);
	CHECK_EQ(get(FROZEN, 0x10) & 0xfffff000, 0xfe123000);
	set(FROZEN, 0x20, 4, 0xfe50fe40);
	CHECK_EQ(get(FROZEN, 0x20) & 0xfff0fff0, 0xfe50fe40);
	set(FROZEN, PCI_COMMAND, 2, 0);
	CHECK_EQ(get(FROZEN, PCI_COMMAND) & 7, 0);
	set(FROZEN, PCI_COMMAND, 2, 6);
	CHECK_EQ(get(FROZEN, PCI_COMMAND) & 7, 6);
	/* The guest must not control the slot. */
	CHECK_EQ(get(FROZEN, 0x54) & 0x7f, 0);
	/* The bridge's own BAR is hidden. */
	CHECK(nested_is_hidden(0xfea80000));
}

/* For every bridge, whether it is left to the guest or not. */
TEST(bus_numbers_are_held)
{
	start();
	uint32_t buses = get(BRIDGE, 0x18);
	set(BRIDGE, 0x18, 4, 0x40050403);
	CHECK_EQ(get(BRIDGE, 0x18), (buses & 0xffffff) | 0x40000000);
	for (unsigned i = 0; i < 3; i++)
		set(BRIDGE, 0x18 + i, 1, ~buses >> (8 * i));
	set(BRIDGE, 0x18, 2, ~buses);
	CHECK_EQ(get(BRIDGE, 0x18) & 0xffffff, buses & 0xffffff);
	/* All else is the guest's. */
	set(BRIDGE, 0x3e, 2, 0x40);
	CHECK_EQ(real[BRIDGE][0x3e], 0x40);
}

TEST(what_was_never_seen_is_closed)
{
	start();
	memset(real[NOBODY], 0xff, 2);
	CHECK_EQ(get(NOBODY, 0), ~0u);
	CHECK(!host_log_has("was not there"));
	/* A function has appeared: it is closed, and logged once. */
	put_raw(ARRIVED, 0, 0x56781234);
	real[ARRIVED][PCI_HEADER_TYPE] = 0;
	for (unsigned i = 0; i < 5; i++)
		CHECK_EQ(get(ARRIVED, 4 * i), ~0u);
	CHECK(host_log_has("00:0d.0: 1234:5678 was not there at the start"));
	host_log_clear();
	CHECK_EQ(get(ARRIVED, 0), ~0u);
	CHECK(!host_log_has("was not there"));
	set(ARRIVED, 4, 4, 7);
	CHECK_EQ(writes, 0);
	/* Also on other buses; the number of log lines is bounded. */
	for (unsigned slot = 1; slot < 32; slot++) {
		memset(real[PCI_BDF(0, slot, 1)], 0, 16);
		real[PCI_BDF(0, slot, 0)][PCI_HEADER_TYPE] = 0x80;
		CHECK_EQ(get(PCI_BDF(9, slot, 1), 0), ~0u);
	}
	CHECK(host_log_has("closed to the guest; further ones do, too, without a line"));
	host_log_clear();
	CHECK_EQ(get(PCI_BDF(10, 1, 0), 0), ~0u);
	CHECK(!host_log_has("was not there"));
}

/* A card that was left to the guest is pulled, and a disk put into its slot. */
TEST(another_function_in_the_place_of_one_that_was_left_is_closed)
{
	start();
	put_raw(OPEN, 0, ~0u);
	CHECK_EQ(get(OPEN, 0), ~0u);
	set(OPEN, 0x44, 4, 5);
	CHECK_EQ(raw(OPEN, 0x44), 5);
	/* Noticed at the first read by CF8. */
	put_raw(OPEN, 0, 0x00101b36);
	CHECK_EQ(get(OPEN, 0), ~0u);
	CHECK(host_log_has("00:06.0: 1b36:0010 came in the place of what was left"));
	CHECK_EQ(get(OPEN, 0x44), ~0u);
	/* Noticed at the first write by ECAM. */
	start();
	uint32_t off;
	struct trap *t = trap_find_mmio(ECAM + (OPEN << 12), &off);
	put_raw(OPEN, 8, 0x01080200);
	trap_write(t, off + 0x10, 4, 0xfe000000);
	CHECK_EQ(writes, 0);
	CHECK_EQ(trap_read(t, off, 4), 0xffffffff);
	/* Also if a bridge appears. */
	start();
	put_raw(BRIDGE, 0, 0x00101b36);
	set(BRIDGE, 0x44, 4, 5);
	CHECK_EQ(writes, 0);
	CHECK_EQ(get(BRIDGE, 0), ~0u);
}

TEST(registers_behind_the_reserved_bits_are_closed)
{
	start();
	vpci_port_write(0xcf8, 4, address(OPEN, 0x10) | 0x01000000);
	CHECK_EQ(vpci_port_read(0xcfc, 4), ~0u);
	vpci_port_write(0xcfc, 4, 0);
	CHECK_EQ(writes, 0);
}

/* PMBASE, GPIOBASE, RCBA and their neighbours; interrupt routing is the guest's. */
TEST(bases_of_the_chipset_are_held)
{
	static const uint8_t kept[] = { 0x40, 0x44, 0x48, 0x4c, 0x64, 0x80, 0x84, 0xa0, 0xdc, 0xf0 };

	start();
	for (unsigned i = 0; i < ARRAY_SIZE(kept); i++) {
		uint32_t v = get(LPC, kept[i]);

		set(LPC, kept[i], 4, 0xfed1c001);
		CHECK_EQ(get(LPC, kept[i]), v);
	}
	CHECK_EQ(writes, 0);
	set(LPC, 0x60, 1, 0x0b);
	set(LPC, 0x6b, 1, 0x0a);
	CHECK_EQ(real[LPC][0x60], 0x0b);
	CHECK_EQ(real[LPC][0x6b], 0x0a);
}

/*
 * The FCH's SMBus function has the southbridge's bases, whatever its vendor id is; the size of Intel's graphics aperture; the
 * ports of the TCO and of 16-bit cards.
 */
TEST(bases_in_functions_of_other_kinds_are_held)
{
	static const struct { uint16_t vendor; uint32_t class; uint8_t off; } row[] = {
		{ 0x1002, 0x0c0500, 0x90 }, { 0x1022, 0x0c0500, 0x90 }, { 0x1d94, 0x0c0500, 0x90 },
		{ 0x8086, 0x030000, 0x62 }, { 0x8086, 0x0c0500, 0x50 }, { 0x8086, 0x0c0500, 0x54 }, { 0x104c, 0x060700, 0x44 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		devices[2].vendor = row[i].vendor;
		devices[2].class_code = row[i].class;
		start();
		uint32_t v = get(OPEN, row[i].off);
		set(OPEN, row[i].off, row[i].off & 2 ? 1 : 4, 0xb06);
		uint32_t now = get(OPEN, row[i].off);
		set(OPEN, 0x3c, 1, 0x0b);
		devices[2].vendor = 0;
		devices[2].class_code = 0x030000;
		CHECK_EQ(now, v);
		CHECK_EQ(real[OPEN][0x3c], 0x0b);
	}
}

static void place_open(uint16_t command, uint32_t bar0)
{
	memset(real[OPEN] + 4, 0, 2);
	memset(real[OPEN] + 0x10, 0, 0x24);
	put_raw(OPEN, PCI_COMMAND, command);
	put_raw(OPEN, PCI_BAR(0), bar0);
	put_raw(OPEN, PCI_BAR(1), 0xc001);
	put_raw(OPEN, PCI_BAR(2), 0x0000000c);
	put_raw(OPEN, PCI_BAR(3), 0x40);
}

TEST(no_bar_gets_over_what_is_hidden)
{
	start();
	place_open(3, 0xfe000000);
	set(OPEN, PCI_BAR(0), 4, 0xfe9f0000);
	CHECK_EQ(raw(OPEN, PCI_BAR(0)), 0xfe9f0000);
	set(OPEN, PCI_BAR(0), 4, 0xfea00000);
	CHECK_EQ(raw(OPEN, PCI_BAR(0)), 0xfe9f0000);
	CHECK(host_log_has("00:06.0: the guest's 0xfea00000 to register 0x10: it would answer where a hidden device is"));
	/* By single bytes; sizing passes. */
	set(OPEN, PCI_BAR(0) + 2, 1, 0xa0);
	CHECK_EQ(raw(OPEN, PCI_BAR(0)), 0xfe9f0000);
	set(OPEN, PCI_BAR(0), 4, ~0u);
	CHECK_EQ(raw(OPEN, PCI_BAR(0)), ~0u);
	set(OPEN, PCI_BAR(0), 4, 0xfe9f0000);
	/* Ports. */
	set(OPEN, PCI_BAR(1), 4, 0xd001);
	CHECK_EQ(raw(OPEN, PCI_BAR(1)), 0xc001);
	/* Above 4 GiB: the half that is written last counts. */
	set(OPEN, PCI_BAR(3), 4, 0x38);
	CHECK_EQ(raw(OPEN, PCI_BAR(3)), 0x40);
	/* The expansion ROM, once it is enabled. */
	set(OPEN, PCI_ROM, 4, 0xfea00000);
	CHECK_EQ(raw(OPEN, PCI_ROM), 0xfea00000);
	set(OPEN, PCI_ROM, 4, 0xfea00001);
	CHECK_EQ(raw(OPEN, PCI_ROM), 0xfea00000);
}

TEST(decoding_is_not_switched_on_over_what_is_hidden)
{
	start();
	place_open(0, 0);
	set(OPEN, PCI_BAR(0), 4, 0xfea00000);
	CHECK_EQ(raw(OPEN, PCI_BAR(0)), 0xfea00000);
	set(OPEN, PCI_COMMAND, 2, 7);
	CHECK_EQ(real[OPEN][PCI_COMMAND], 4);
	set(OPEN, PCI_BAR(0), 4, 0xfe000000);
	set(OPEN, PCI_COMMAND, 4, 7);
	CHECK_EQ(real[OPEN][PCI_COMMAND], 7);
}

TEST(no_window_gets_over_what_is_hidden)
{
	start();
	memset(real[BRIDGE], 0, 64);
	identify(&devices[4]);
	real[BRIDGE][PCI_COMMAND] = 7;
	put_raw(BRIDGE, 0x1c, 0x00000010);
	put_raw(BRIDGE, 0x20, 0x0000fff0);
	put_raw(BRIDGE, 0x24, 0x0001fff1);
	set(BRIDGE, 0x20, 4, 0xfe90fe80);
	CHECK_EQ(raw(BRIDGE, 0x20), 0xfe90fe80);
	set(BRIDGE, 0x20, 4, 0xfea0fe80);
	CHECK_EQ(raw(BRIDGE, 0x20), 0xfe90fe80);
	set(BRIDGE, 0x1c, 2, 0xd0d0);
	CHECK_EQ(raw(BRIDGE, 0x1c) & 0xffff, 0x10);
	set(BRIDGE, 0x24, 4, 0xfff10001);
	set(BRIDGE, 0x28, 4, 0x37);
	set(BRIDGE, 0x2c, 4, 0x38);
	CHECK_EQ(raw(BRIDGE, 0x2c), 0);
	set(BRIDGE, 0x28, 4, 0x39);
	set(BRIDGE, 0x2c, 4, 0x39);
	CHECK_EQ(raw(BRIDGE, 0x2c), 0x39);
}

/*
 * For a guest that renumbers buses: Enhanced Allocation says that bus numbers are fixed, if the function has room for the
 * capability.
 */
TEST(a_bridge_says_that_its_bus_numbers_are_fixed)
{
	uint32_t off;

	start();
	memset(real[BRIDGE], 0, 256);
	identify(&devices[4]);
	put_raw(BRIDGE, 0x18, 0x00060503);
	real[BRIDGE][PCI_STATUS] = PCI_STATUS_CAPS;
	real[BRIDGE][PCI_CAP_PTR] = 0x40;
	put_raw(BRIDGE, 0x40, 0x0000e005);		/* MSI at 40h, then PCI Express at E0h, beyond the model */
	put_raw(BRIDGE, 0xe0, 0x00000010);
	CHECK_EQ(vbridge_open(&devices[4]), 0);
	uint8_t at = (uint8_t)get(BRIDGE, PCI_CAP_PTR);
	CHECK_EQ(at, 0xd8);
	CHECK_EQ(get(BRIDGE, at), 0x00004014);
	CHECK_EQ(get(BRIDGE, at + 4u), 0x0605);
	CHECK(get(BRIDGE, PCI_COMMAND) >> 16 & PCI_STATUS_CAPS);
	set(BRIDGE, at, 4, ~0u);
	set(BRIDGE, at + 4u, 4, ~0u);
	CHECK_EQ(get(BRIDGE, at), 0x00004014);
	CHECK_EQ(writes, 0);
	/* All other registers are unchanged. */
	set(BRIDGE, 0x18, 4, 0);
	CHECK_EQ(get(BRIDGE, 0x18), 0x00060503);
	set(BRIDGE, 0x44, 4, 0xfee00000);
	CHECK_EQ(raw(BRIDGE, 0x44), 0xfee00000);
	CHECK(trap_find_mmio(ECAM + (BRIDGE << 12), &off));
	CHECK_EQ(vpci_freeze(&devices[4]), 0);
	CHECK_EQ((uint8_t)get(BRIDGE, PCI_CAP_PTR), 0xd8);
	CHECK_EQ(get(BRIDGE, 0xdc), 0x0605);
	set(BRIDGE, 0x20, 4, 0xfe50fe40);
	CHECK_EQ(raw(BRIDGE, 0x20), 0);
}

TEST(virtual_functions_stay_closed)
{
	uint32_t off;

	start();
	struct trap *t = trap_find_mmio(ECAM + (OPEN << 12), &off);
	ext_cap = 0x10;
	ext_at = 0x80;			/* pretended: the model has 256 bytes */
	CHECK(t);
	/* The capability's control register is at 08h; in the model nothing beyond 100h is written. */
	unsigned before = writes;
	ext_at = 0x160;
	trap_write(t, off + 0x168, 2, 9);
	CHECK_EQ(writes, before);
	CHECK(host_log_has("its virtual functions stay closed"));
	ext_cap = 0x15;
	trap_write(t, off + 0x168, 4, 0x800);
	CHECK_EQ(writes, before);
	/* Multicast: windows whose writes other ports get, too, at other addresses. */
	ext_cap = 0x12;
	trap_write(t, off + 0x168, 4, 0xfea00000);
	CHECK_EQ(writes, before);
	ext_cap = 0;
}

/* Enhanced Allocation; a flattening portal's vectors of buses and memory; the first unit id of a HyperTransport device. */
TEST(capabilities_that_move_addresses_are_held)
{
	static const struct { uint8_t cap; uint16_t type; uint8_t off; bool held; } row[] = {
		{ 0x14, 0, 0x08, true }, { 0x14, 0, 0x18, false }, { 0x15, 0, 0x08, true }, { 0x15, 0, 0x20, true },
		{ 0x15, 0, 0x24, false }, { 0x08, 0x0060, 0x00, true }, { 0x08, 0x2000, 0x00, true },
		{ 0x08, 0x0060, 0x1c, false }, { 0x08, 0xa800, 0x00, false },	/* the last one: MSI mapping */
		{ 0x05, 0, 0x04, false }, { 0x14, 2, 0x18, true }, { 0x14, 2, 0x1c, false }, { 0x14, 63, 0x7c, true },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		start();
		cap = row[i].cap;
		cap_at = 0x80;
		put_raw(OPEN, 0x80, (uint32_t)row[i].type << 16 | 0x9000u | cap);
		put_raw(OPEN, 0x84, 4);		/* an entry of five dwords; the others have one */
		memset(&real[OPEN & 255][0x98], 0, 0x68);
		unsigned before = writes;
		set(OPEN, (uint8_t)(0x80 + row[i].off), 4, 0xfea00000);
		cap = 0;
		CHECK_EQ(writes == before, row[i].held);
	}
}

TEST(ecam_says_the_same)
{
	uint32_t off;
	struct trap *t;

	start();
	t = trap_find_mmio(ECAM + (TWIN << 12), &off);
	CHECK(t && off == TWIN << 12);
	for (unsigned at = 0; at < 4096; at += 13)
		for (unsigned width = 1; width <= 8; width *= 2) {
			uint64_t v = 0, m = width == 8 ? ~0ull : mask(width);

			for (unsigned i = 0; i < width; i++)
				v |= (uint64_t)(at + i < 4096 ? twin[at + i] : 0xff) << (8 * i);
			CHECK_EQ(trap_read(t, off + at, width) & m, v);
			for (unsigned i = 0; i < width && at + i < 4096; i++)
				twin[at + i] = 0;
			trap_write(t, off + at, width, v);
			CHECK_EQ(trap_read(t, off + at, width) & m, v);
		}
	t = trap_find_mmio(ECAM + (HIDDEN << 12) + 0x123, &off);
	CHECK(t && off == (HIDDEN << 12) + 0x123);
	CHECK_EQ(trap_read(t, off, 4), 0xffffffff);
	CHECK_EQ(trap_read(t, off - 0x123, 8), ~0ull);
	trap_write(t, off - 0x123, 4, 0);
	CHECK_EQ(writes, 0);
	/* Writes to functions that are left to the guest exit, too, and are checked. */
	CHECK(trap_find_mmio(ECAM + (OPEN << 12), &off) == t);
	trap_write(t, off + 0x41, 4, 0x44332211);
	CHECK(real[OPEN][0x41] == 0x11 && real[OPEN][0x44] == 0x44);
}

#define ENTRY(gpa)	pt_get_nested(gpa)
static uint64_t pt_get_nested(uint64_t gpa)
{
	const struct pt_tree t = { &pt_format_x86, (uint64_t *)(uintptr_t)nested_root(), 2, 0 };

	return pt_get(&t, gpa);
}

/* Reads of closed functions and of those left to the guest do not exit; reads of twins and frozen bridges do. */
TEST(any_number_of_functions_is_hidden_or_answered)
{
	start();
	for (unsigned i = 0; i < 600; i++)
		CHECK_EQ(vpci_set((uint16_t)(0x1000 + i), i & 1 ? &twin_ops : NULL, twin), 0);
	for (unsigned i = 0; i < 600; i += 7)
		CHECK_EQ(get((uint16_t)(0x1000 + i), 0x40), i & 1 ? *(uint32_t *)(twin + 0x40) : ~0u);
	/* Without memory there is an error, and the function is no longer open. */
	host_heap_fail_at(1);
	CHECK_EQ(vpci_set(0x2000, &twin_ops, twin), -ERR_NOMEM);
}

TEST(ecam_pages)
{
	const uint64_t addr = GENMASK64(51, 12);

	start();
	uint64_t page = ENTRY(ECAM + (HIDDEN << 12));
	CHECK((page & 3) == 1 && (page & addr) != ECAM + (HIDDEN << 12));
	CHECK_EQ(*(uint64_t *)(uintptr_t)(page & addr), ~0ull);
	CHECK_EQ(ENTRY(ECAM + (NOBODY << 12)), page);
	CHECK_EQ(ENTRY(ECAM + 0x1ff000), page);
	CHECK_EQ(ENTRY(ECAM + (TWIN << 12)), 0);
	CHECK_EQ(ENTRY(ECAM + (FROZEN << 12)), 0);
	CHECK_EQ(ENTRY(ECAM + (OPEN << 12)) & (addr | 3), (ECAM + (OPEN << 12)) | 1);
	CHECK_EQ(ENTRY(ECAM + (HOST << 12)) & (addr | 3), (ECAM + (HOST << 12)) | 1);
	/* The whole range of another segment is closed, and nothing around it. */
	for (uint64_t at = OTHER_ECAM; at < OTHER_ECAM + 0x400000; at += 0x1000)
		CHECK_EQ(ENTRY(at), page);
	CHECK(nested_is_hidden(OTHER_ECAM + 0x3fffff) && !nested_is_hidden(OTHER_ECAM + 0x400000));
	CHECK((ENTRY(OTHER_ECAM + 0x400000) & 3) == 3 && (ENTRY(ECAM + 0x200000) & 3) == 3);
	CHECK_EQ(ENTRY(OTHER_ECAM), page);
}

/* --- where BARs may go --- */

static uint64_t nothing_read(void *ctx, uint32_t off, unsigned width) { return 0x5a; }
static void nothing_write(void *ctx, uint32_t off, unsigned width, uint64_t v) { }
static const struct trap_ops nothing = { nothing_read, nothing_write };
static uint8_t iopm[3 * PAGE_SIZE];

static bool intercepted(unsigned port) { return iopm[port / 8] >> (port % 8) & 1; }

volatile void *mem_map_mmio(uint64_t phys, uint64_t size) { return NULL; }

static uint64_t space_held, space_size;

int pci_space_hold(uint64_t base, uint64_t size)
{
	space_held = base;
	space_size = size;
	return 0;
}

static int with_pciexbar(uint64_t reg)
{
	space_held = space_size = 0;
	host_pio_model(0xcf8, 8, &chipset, NULL);
	host_cpu_reset();
	gmem_init(&boot);
	memset(real, 0, sizeof(real));
	devices[0].vendor = 0x8086;
	for (unsigned i = 0; i < ARRAY_SIZE(devices); i++)
		identify(&devices[i]);
	memcpy(&real[HOST][0x60], &reg, 8);
	CHECK_EQ(nested_init(&boot, &pt_format_x86, false), 0);
	int err = vpci_init();

	devices[0].vendor = 0;
	return err;
}

/*
 * Buses that an Intel chipset decodes beyond those of the firmware's table are closed.  The register counts only if it has the
 * table's address: on other chips the register is another one.
 */
TEST(ecam_beyond_what_the_table_names)
{
	const unsigned buses_64 = 2 << 1, on = 1;

	CHECK_EQ(with_pciexbar(ECAM | buses_64 | on), 0);
	CHECK(nested_is_hidden(ECAM + (2 << 20)) && nested_is_hidden(ECAM + (63 << 20)));
	CHECK(!nested_is_hidden(ECAM + (64 << 20)));
	/* A twin's BAR cannot be there, either. */
	CHECK(space_held == ECAM && space_size == 64 << 20);
	CHECK_EQ(with_pciexbar(ECAM | buses_64), 0);
	CHECK_EQ(space_size, 0);
	CHECK(nested_is_hidden(ECAM + (1 << 20)) && !nested_is_hidden(ECAM + (2 << 20)));
	CHECK_EQ(with_pciexbar(0xc0000000 | buses_64 | on), 0);
	CHECK(!nested_is_hidden(0xc0000000) && nested_is_hidden(ECAM));
}

TEST(bars_keep_off_what_is_not_theirs)
{
	static uint64_t bad[] = { 0, 0x1000, 0xa0000, 0x100000, 0x7000000, 0x7ffff000, 0xfec00000, 0xfee00000, 0xfebff000,
				  ECAM + (TWIN << 12), ECAM + (NOBODY << 12),
				  ECAM + (HOST << 12) - 0x1000, 0xfeb00800, 1ull << 48, ~0ull << 12,
				  (1ull << 48) - 0x1000 };
	struct trap *t = trap_new_mmio("bar", 0x2000, &nothing, NULL), *u = trap_new_mmio("bar", 0x1000, &nothing, NULL);
	uint32_t off;

	start();
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_EQ(trap_place(t, 0xfeb00000), 0);
		CHECK_EQ(trap_place(t, bad[i]), -ERR_BUSY);
		/* The BAR is off then, and its old address belongs to the machine again. */
		CHECK(!trap_find_mmio(0xfeb00000, &off) && !nested_is_hidden(0xfeb00000));
	}
	CHECK_EQ(trap_place(t, (uint64_t)(uintptr_t)veneer_start), -ERR_BUSY);
	CHECK_EQ(trap_place(t, 0xfeb00000), 0);
	CHECK_EQ(trap_place(u, 0xfeb01000), -ERR_BUSY);
	CHECK_EQ(trap_place(u, 0xfeb02000), 0);
	CHECK(trap_find_mmio(0xfeb01fff, &off) == t && off == 0x1fff);
	CHECK(trap_find_mmio(0xfeb02000, &off) == u && off == 0);
	trap_remove(t);
	trap_remove(u);
	CHECK(!trap_find_mmio(0xfeb02000, &off));
}

/* A guest that reassigns BARs writes them one by one: for a moment two BARs may have the same address. */
TEST(a_bar_waits_for_one_that_moves_away)
{
	struct trap *t = trap_new_mmio("bar", 0x2000, &nothing, NULL), *u = trap_new_mmio("bar", 0x1000, &nothing, NULL);
	uint32_t off;

	start();
	CHECK_EQ(trap_place(t, 0xfeb00000), 0);
	CHECK_EQ(trap_place(u, 0xfeb01000), -ERR_BUSY);
	CHECK(trap_find_mmio(0xfeb01000, &off) == t);
	CHECK_EQ(trap_place(t, 0xfeb04000), 0);
	CHECK(trap_find_mmio(0xfeb01000, &off) == u && trap_find_mmio(0xfeb04000, &off) == t);
	CHECK(nested_is_hidden(0xfeb01000) && !nested_is_hidden(0xfeb00000));
	/* Not a BAR that was moved or disabled meanwhile. */
	CHECK_EQ(trap_place(u, 0xfeb05000), -ERR_BUSY);
	CHECK(!nested_is_hidden(0xfeb01000));
	trap_remove(u);
	CHECK_EQ(trap_place(t, 0xfeb00000), 0);
	CHECK(!trap_find_mmio(0xfeb05000, &off));
	CHECK_EQ(trap_place(u, 0xfeb00000), -ERR_BUSY);
	CHECK_EQ(trap_place(u, 0xfeb08000), 0);
	trap_remove(t);
	CHECK(!trap_find_mmio(0xfeb00000, &off) && trap_find_mmio(0xfeb08000, &off) == u);
	trap_remove(u);
}

TEST(a_bar_over_a_hidden_one_uncovers_nothing)
{
	struct trap *t = trap_new_mmio("bar", 0x4000, &nothing, NULL);
	uint32_t off;

	start();
	CHECK_EQ(nested_hide(0xfea00000, 0x4000), 0);
	CHECK_EQ(trap_place(t, 0xfea00000), 0);
	CHECK(trap_find_mmio(0xfea00000, &off) == t);
	CHECK_EQ(trap_place(t, 0xfe900000), 0);
	CHECK(nested_is_hidden(0xfea00000));
	trap_remove(t);
	CHECK(nested_is_hidden(0xfea00000) && !nested_is_hidden(0xfe900000));
}

TEST(io_bars_and_their_intercepts)
{
	struct trap *t = trap_new_pio("io", 64, &nothing, NULL), *u = trap_new_pio("io", 64, &nothing, NULL);
	uint32_t off;

	start();
	trap_set_io_bitmap(iopm);
	CHECK(intercepted(0xcf8) && intercepted(0xcff) && !intercepted(0xcf7) && !intercepted(0xd00));
	trap_intercept_ports(0x604, 2);
	CHECK_EQ(trap_place(t, 0xc040), 0);
	CHECK(intercepted(0xc040) && intercepted(0xc07f) && !intercepted(0xc03f) && !intercepted(0xc080));
	CHECK_EQ(trap_place(u, 0xc040), -ERR_BUSY);
	trap_remove(u);
	CHECK(trap_find_pio(0xc07f, &off) == t && off == 63);
	/* A BAR over ports that always have to exit is refused: its removal would end these traps. */
	static const uint64_t bad[] = { 0x5c5, 0x600, 0x605, 0xcc0, 0xcff, 0xffc1, 0x10000, 0xffffffc0 };
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK_EQ(trap_place(t, bad[i]), -ERR_BUSY);
	trap_remove(t);
	CHECK(intercepted(0x604) && intercepted(0x605) && intercepted(0xcf8) && !intercepted(0xc040));
	CHECK_EQ(trap_place(t, 0xffc0), 0);
	CHECK(intercepted(0xffff));
	trap_remove(t);
}

TEST(accesses_over_the_end_are_cut)
{
	struct trap *t = trap_new_pio("io", 2, &nothing, NULL);

	start();
	CHECK_EQ(trap_read(t, 1, 4), ~0xffull | 0x5a);
	CHECK_EQ(trap_read(t, 0, 2), 0x5a);
}

TEST_MAIN
