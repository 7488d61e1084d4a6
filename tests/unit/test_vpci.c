/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/pci/vpci.c hv/dev/trap.c hv/mem/nested.c hv/mem/mtrr.c hv/mem/ptree.c hv/mem/gmem.c tests/unit/host/cpu.c */
/* What a guest can see and touch of configuration space, by ports and by ECAM, and where traps may be put. */
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

/* hv/pci/pci.c's, which is not here. */
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
#define ECAM	0xe0000000ull

static uint8_t real[256][256];		/* by device and function of bus 0 */
static uint32_t latch;
static unsigned writes, stops;
static uint8_t port_cf9;

static bool secret(uint16_t bdf) { return bdf == HIDDEN || bdf == TWIN; }

/* The chipset: a whole dword at CF8 is the latch; other bytes are ports, and those from CFC on configuration space. */
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

static const struct pci_dev devices[] = {
	{ .bdf = HOST, .class_code = 0x060000 }, { .bdf = HIDDEN, .class_code = 0x020000 },
	{ .bdf = OPEN, .class_code = 0x030000 }, { .bdf = FROZEN, .class_code = 0x060400 },
};

const struct pci_dev *pci_get(unsigned n) { return n < ARRAY_SIZE(devices) ? &devices[n] : NULL; }
uint64_t pci_ecam_page(uint16_t bdf) { return ECAM + ((uint64_t)bdf << 12); }
uint32_t lapic_addr(void) { return 0xfee00000; }
void machine_stopping(void) { stops++; }

/* As Veneer's own: it leaves the latch at its own address. */
uint32_t pci_cfg_read(uint16_t bdf, uint16_t off, unsigned width)
{
	uint32_t v;

	latch = BIT(31) | (uint32_t)bdf << 8 | (off & 0xfc);
	memcpy(&v, &real[bdf & 255][off & 0xfc], 4);
	v >>= 8 * (off & 3);
	return width == 4 ? v : v & ((1u << (8 * width)) - 1);
}

void pci_cfg_write(uint16_t bdf, uint16_t off, unsigned width, uint32_t v) { host_fail(__FILE__, __LINE__, "unexpected"); }

/* The twin checks what the contract says: never across a dword. */
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

static void start(void)
{
	static bool done;

	host_pio_model(0xcf8, 8, &chipset, NULL);
	if (!done) {
		host_cpu_reset();
		gmem_init(&boot);
	}
	CHECK_EQ(nested_init(&boot, &pt_format_x86, false), 0);
	if (!done) {
		vpci_init();
		CHECK_EQ(vpci_set(HIDDEN, NULL, NULL), 0);
		CHECK_EQ(vpci_set(TWIN, &twin_ops, twin), 0);
		vpci_freeze(&devices[3]);
	}
	done = true;
	for (unsigned i = 0; i < sizeof(real); i++)
		((uint8_t *)real)[i] = (uint8_t)(i * 7 + 1);
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
	/* Accesses that begin below the data port and run into it. */
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

TEST(host_bridges_and_frozen_functions_can_only_be_read)
{
	static const uint16_t kept[] = { HOST, FROZEN };

	start();
	for (unsigned i = 0; i < ARRAY_SIZE(kept); i++) {
		uint8_t before[256];

		memcpy(before, real[kept[i]], 256);
		for (unsigned off = 0; off < 256; off += 4) {
			vpci_port_write(0xcf8, 4, address(kept[i], off));
			CHECK_EQ(vpci_port_read(0xcfc, 4), *(uint32_t *)&real[kept[i]][off]);
			for (unsigned width = 1; width <= 4; width *= 2)
				vpci_port_write(0xcfc, width, 0);
		}
		CHECK(!memcmp(before, real[kept[i]], 256));
	}
}

TEST(ecam_says_the_same)
{
	uint32_t off;
	struct trap *t;

	start();
	t = trap_find_mmio(ECAM + (TWIN << 12), &off);
	CHECK(t && !off);
	for (unsigned at = 0; at < 4096; at += 13)
		for (unsigned width = 1; width <= 8; width *= 2) {
			uint64_t v = 0, m = width == 8 ? ~0ull : mask(width);

			for (unsigned i = 0; i < width; i++)
				v |= (uint64_t)(at + i < 4096 ? twin[at + i] : 0xff) << (8 * i);
			CHECK_EQ(trap_read(t, at, width) & m, v);
			for (unsigned i = 0; i < width && at + i < 4096; i++)
				twin[at + i] = 0;
			trap_write(t, at, width, v);
			CHECK_EQ(trap_read(t, at, width) & m, v);
		}
	t = trap_find_mmio(ECAM + (HIDDEN << 12) + 0x123, &off);
	CHECK(t && off == 0x123);
	CHECK_EQ(trap_read(t, off, 4), 0xffffffff);
	CHECK_EQ(trap_read(t, 0, 8), ~0ull);
	CHECK(trap_find_mmio(ECAM + (HOST << 12), &off));
	CHECK(!trap_find_mmio(ECAM + (OPEN << 12), &off));
}

/* --- where BARs may go --- */

static uint64_t nothing_read(void *ctx, uint32_t off, unsigned width) { return 0x5a; }
static void nothing_write(void *ctx, uint32_t off, unsigned width, uint64_t v) { }
static const struct trap_ops nothing = { nothing_read, nothing_write };
static uint8_t iopm[3 * PAGE_SIZE];

static bool intercepted(unsigned port) { return iopm[port / 8] >> (port % 8) & 1; }

TEST(bars_keep_off_what_is_not_theirs)
{
	static uint64_t bad[] = { 0, 0x1000, 0xa0000, 0x100000, 0x7000000, 0x7ffff000, 0xfec00000, 0xfee00000, 0xfebff000,
				  ECAM + (TWIN << 12), ECAM + (HOST << 12) - 0x1000, 0xfeb00800, 1ull << 48, ~0ull << 12,
				  (1ull << 48) - 0x1000 };
	struct trap *t = trap_new_mmio("bar", 0x2000, &nothing, NULL), *u = trap_new_mmio("bar", 0x1000, &nothing, NULL);
	uint32_t off;

	start();
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_EQ(trap_place(t, 0xfeb00000), 0);
		CHECK_EQ(trap_place(t, bad[i]), -ERR_BUSY);
		/* It is off then, and its old place the machine's. */
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

/* Guests that deal BARs out anew write one after the other: for a moment two may lie in one place. */
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
	/* Not one that went elsewhere, or away, meanwhile. */
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
	/* Over the ports that must exit for ever: refused, or a move away would end it. */
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
