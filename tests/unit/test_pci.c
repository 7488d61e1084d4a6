/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/pci/pci.c hv/pci/pci_space.c */
/* Enumeration over 0xCF8, BAR sizes, capability lists, and free space for the BARs of twins. */
#include <string.h>
#include <veneer/err.h>
#include "host/host.h"
#include "hv/boot/bootinfo.h"
#include "hv/dev/acpi.h"
#include "hv/pci/pci.h"

#define MAX_FN	320

struct fn {
	uint16_t bdf;
	uint8_t cfg[256];
	uint32_t bar_mask[6];	/* writable bits of a BAR */
	bool decoded_while_sized;
};

struct acpi_info acpi;
static struct fn fns[MAX_FN];
static unsigned nfns;
static uint32_t latch;

static struct fn *at(uint16_t bdf)
{
	for (unsigned i = 0; i < nfns; i++)
		if (fns[i].bdf == bdf)
			return &fns[i];
	return NULL;
}

static uint64_t cf8_read(void *ctx, uint32_t off, unsigned width)
{
	struct fn *f = at((uint16_t)(latch >> 8));
	uint64_t v = ~0ull;

	if (off >= 4 && (latch & BIT(31)) && f)
		memcpy(&v, f->cfg + (latch & 0xfc) + off - 4, width);
	return v;
}

static void cf8_write(void *ctx, uint32_t off, unsigned width, uint64_t v)
{
	struct fn *f = at((uint16_t)(latch >> 8));
	unsigned reg = (latch & 0xfc) + off - 4, n = (reg - 0x10) / 4;

	if (off < 4) {
		latch = (uint32_t)v;
		return;
	}
	if (!f)
		return;
	if (reg >= 0x10 && n < 6) {
		uint32_t fixed, low;

		CHECK_EQ(width, 4);
		f->decoded_while_sized |= f->cfg[PCI_COMMAND] & 3;
		memcpy(&fixed, f->cfg + reg, 4);
		low = fixed & (fixed & 1 ? 3 : 15);
		if (n && (f->cfg[0x10 + 4 * (n - 1)] & 7) == 4)
			low = 0;
		v = ((uint32_t)v & f->bar_mask[n]) | low;
	}
	memcpy(f->cfg + reg, &v, width);
}

static const struct host_model cf8 = { cf8_read, cf8_write };

static void put16(struct fn *f, unsigned off, uint16_t v) { memcpy(f->cfg + off, &v, 2); }
static void put32(struct fn *f, unsigned off, uint32_t v) { memcpy(f->cfg + off, &v, 4); }

static struct fn *add(uint16_t bdf, uint32_t class, uint8_t header)
{
	struct fn *f = &fns[nfns++];

	memset(f, 0, sizeof(*f));
	f->bdf = bdf;
	put32(f, 0, 0x12348086);
	put32(f, PCI_REVISION, class << 8);
	f->cfg[PCI_HEADER_TYPE] = header;
	put16(f, PCI_COMMAND, 7);
	return f;
}

static void bar(struct fn *f, unsigned n, uint32_t value, uint32_t size)
{
	put32(f, PCI_BAR(n), value);
	f->bar_mask[n] = ~(size - 1);
}

static void bridge(struct fn *f, uint8_t secondary, uint16_t io, uint32_t mem)
{
	f->cfg[0x19] = secondary;
	put16(f, 0x1c, io);
	put32(f, 0x20, mem);
}

static void start(void)
{
	host_pio_model(0xcf8, 8, &cf8, NULL);
	nfns = 0;
	memset(&acpi, 0, sizeof(acpi));
	add(PCI_BDF(0, 0, 0), 0x060000, 0);
}

static unsigned known;

static const struct pci_dev *scan(unsigned n)
{
	CHECK_EQ(pci_init(true), 0);
	for (known = 0; pci_get(known); known++)
		;
	return pci_get(n);
}

TEST(bar_sizes)
{
	const struct pci_dev *d;

	start();
	struct fn *f = add(PCI_BDF(0, 3, 0), 0x020000, 0);
	bar(f, 0, 0xfeb80000, 0x20000);
	bar(f, 1, 0xc001, 0x40);
	bar(f, 2, 0x0000000c, 0x4000);
	put32(f, PCI_BAR(3), 0x38);
	f->bar_mask[3] = ~0u;
	bar(f, 4, 0x0000000c, 0);		/* 16 GiB, 64-bit */
	f->bar_mask[4] = 0;
	put32(f, PCI_BAR(5), 0x40);
	f->bar_mask[5] = ~3u;
	d = scan(1);
	CHECK_EQ(d->bdf, PCI_BDF(0, 3, 0));
	CHECK(d->bar[0].addr == 0xfeb80000 && d->bar[0].size == 0x20000 && !d->bar[0].io && !d->bar[0].is64);
	CHECK(d->bar[1].addr == 0xc000 && d->bar[1].size == 0x40 && d->bar[1].io);
	CHECK(d->bar[2].addr == 0x3800000000ull && d->bar[2].size == 0x4000 && d->bar[2].is64);
	CHECK(!d->bar[3].size && !d->bar[3].addr);
	CHECK(d->bar[4].addr == 0x4000000000ull && d->bar[4].size == 0x400000000ull && d->bar[4].is64);
	CHECK(!d->bar[5].size);
	/* Decoding was off during sizing, and everything is as before. */
	CHECK(!f->decoded_while_sized);
	CHECK(f->cfg[PCI_COMMAND] == 7 && f->cfg[0x10 + 2] == 0xb8 && f->cfg[0x1c] == 0x38);
}

TEST(io_bar_of_16_bits)
{
	start();
	struct fn *f = add(PCI_BDF(0, 3, 0), 0x010000, 0);
	bar(f, 0, 0xc081, 0x20);
	f->bar_mask[0] = 0xffe0;
	CHECK_EQ(scan(1)->bar[0].size, 0x20);
}

TEST(host_bridges_are_not_sized)
{
	start();
	bar(&fns[0], 0, 0xf0000000, 0x10000000);
	const struct pci_dev *d = scan(0);
	CHECK(d && !d->bar[0].size && !fns[0].decoded_while_sized);
}

/* A single-function device may answer for all eight functions, with the same BARs.  With other BARs it is another function. */
TEST(aliases_are_no_functions)
{
	start();
	bar(add(PCI_BDF(0, 4, 0), 0x020000, 0), 0, 0xfe000000, 0x1000);
	bar(add(PCI_BDF(0, 4, 1), 0x020000, 0), 0, 0xfe000000, 0x1000);
	bar(add(PCI_BDF(0, 4, 2), 0x020000, 0), 0, 0xfe001000, 0x1000);
	add(PCI_BDF(0, 5, 0), 0x020000, 0x80);
	add(PCI_BDF(0, 5, 7), 0x020000, 0);
	CHECK_EQ(scan(1)->bdf, PCI_BDF(0, 4, 0));
	CHECK_EQ(known, 5);
	CHECK_EQ(pci_get(2)->bdf, PCI_BDF(0, 4, 2));
	CHECK_EQ(pci_get(3)->bdf, PCI_BDF(0, 5, 0));
	CHECK_EQ(pci_get(4)->bdf, PCI_BDF(0, 5, 7));
	CHECK_EQ(pci_get(3)->header_type, 0);
}

TEST(a_function_without_a_function_0_is_found)
{
	start();
	add(PCI_BDF(0, 4, 1), 0x010802, 0);
	add(PCI_BDF(3, 31, 7), 0x010601, 0);
	CHECK_EQ(scan(1)->bdf, PCI_BDF(0, 4, 1));
	CHECK_EQ(pci_get(2)->bdf, PCI_BDF(3, 31, 7));
	CHECK(pci_find(PCI_BDF(0, 4, 1)) == pci_get(1) && !pci_find(PCI_BDF(0, 4, 0)));
}

/* Any number of functions: otherwise the guest would get the last ones unchecked. */
TEST(more_functions_than_any_table_has)
{
	start();
	for (unsigned i = 0; i < 300; i++)
		add((uint16_t)(0x100 + i), 0x088000, 0x80);
	add(PCI_BDF(200, 0, 0), 0x010802, 0);
	scan(0);
	CHECK_EQ(known, 302);
	CHECK_EQ(pci_get(301)->bdf, PCI_BDF(200, 0, 0));
	CHECK_EQ(pci_get(301)->class_code, 0x010802);
	for (unsigned i = 0; i < 300; i++)
		CHECK_EQ(pci_get(1 + i)->bdf, 0x100 + i);
}

TEST(functions_that_cannot_be_recorded_are_an_error)
{
	start();
	for (unsigned i = 0; i < 40; i++)
		add((uint16_t)(0x100 + i), 0x088000, 0x80);
	host_heap_fail_at(1);
	CHECK_EQ(pci_init(true), -ERR_NOMEM);
	CHECK(host_log_has("no memory to record this function; 32 are"));
}

TEST(the_rom_is_sized)
{
	start();
	struct fn *f = add(PCI_BDF(0, 4, 0), 0x020000, 0);
	put32(f, PCI_ROM, 0xfeb00001);
	CHECK_EQ(scan(1)->rom_size, 0x800);
	CHECK_EQ(f->cfg[PCI_ROM], 1);
}

TEST(capabilities)
{
	start();
	uint16_t start_of;
	struct fn *f = add(PCI_BDF(0, 4, 0), 0x020000, 0);
	put16(f, PCI_STATUS, PCI_STATUS_CAPS);
	f->cfg[PCI_CAP_PTR] = 0x43;		/* the low bits are reserved */
	put16(f, 0x40, 0x5000 | PCI_CAP_PM);
	put16(f, 0x50, 0xe000 | PCI_CAP_MSIX);
	put16(f, 0xe0, 0x0000 | PCI_CAP_EXP);
	const struct pci_dev *d = scan(1);
	CHECK(d->cap_pm == 0x40 && d->cap_msix == 0x50 && d->cap_exp == 0xe0 && !d->cap_msi);
	CHECK_EQ(pci_cap_at(d, 0x3c, &start_of), 0);
	CHECK_EQ(pci_cap_at(d, 0x40, &start_of), PCI_CAP_PM);
	CHECK(pci_cap_at(d, 0xdc, &start_of) == PCI_CAP_MSIX && start_of == 0x50);
	CHECK(pci_cap_at(d, 0xfc, &start_of) == PCI_CAP_EXP && start_of == 0xe0);
	/* A loop, and a list that points into the header. */
	put16(f, 0xe0, 0x4000 | PCI_CAP_EXP);
	CHECK(pci_cap_at(d, 0xfc, &start_of) == PCI_CAP_EXP && start_of == 0xe0);
	CHECK_EQ(pci_find_cap(d, PCI_CAP_MSI), 0);
	put16(f, 0x40, 0x1000 | PCI_CAP_PM);
	CHECK_EQ(pci_find_cap(d, PCI_CAP_MSIX), 0);
	put16(f, PCI_STATUS, 0);
	CHECK_EQ(pci_find_cap(d, PCI_CAP_PM), 0);
}

TEST(waking_restores_the_bars)
{
	start();
	struct fn *f = add(PCI_BDF(0, 4, 0), 0x020000, 0);
	bar(f, 0, 0xfeb80000, 0x20000);
	bar(f, 2, 0x0000000c, 0x4000);
	put32(f, PCI_BAR(3), 0x38);
	f->bar_mask[3] = ~0u;
	put16(f, PCI_STATUS, PCI_STATUS_CAPS);
	f->cfg[PCI_CAP_PTR] = 0x40;
	f->cfg[0x40] = PCI_CAP_PM;
	const struct pci_dev *d = scan(1);
	/* In D0 nothing is written. */
	put32(f, PCI_BAR(0), 0);
	pci_power_on(d);
	CHECK_EQ(f->cfg[0x13], 0);
	f->cfg[0x44] = 3;
	put32(f, PCI_BAR(3), 0);
	pci_power_on(d);
	CHECK_EQ(f->cfg[0x44] & 3, 0);
	CHECK(f->cfg[0x13] == 0xfe && f->cfg[0x12] == 0xb8 && f->cfg[0x1c] == 0x38);
}

TEST(parents)
{
	start();
	bridge(add(PCI_BDF(0, 1, 0), 0x060400, 1), 1, 0, 0);
	bridge(add(PCI_BDF(0, 2, 0), 0x060400, 1), 0, 0, 0);	/* claims to be above itself */
	add(PCI_BDF(1, 0, 0), 0x020000, 0);
	CHECK_EQ(scan(0)->parent, 0xffff);
	CHECK_EQ(pci_get(known - 1)->bdf, PCI_BDF(1, 0, 0));
	CHECK_EQ(pci_get(known - 1)->parent, PCI_BDF(0, 1, 0));
	CHECK_EQ(pci_get(known - 2)->parent, 0xffff);
}

TEST(ecam_is_counted_from_bus_0)
{
	start();
	acpi.necam = 2;
	acpi.ecam[0].addr = 0xe0000000;
	acpi.ecam[0].bus_last = 0x3f;
	acpi.ecam[1].addr = 0xe0000000;
	acpi.ecam[1].bus_first = 0x80;
	acpi.ecam[1].bus_last = 0xff;
	CHECK_EQ(pci_ecam_page(PCI_BDF(1, 2, 3)), 0xe0000000 + 0x113000);
	CHECK_EQ(pci_ecam_page(PCI_BDF(0x81, 0, 0)), 0xe0000000 + 0x8100000);
	CHECK_EQ(pci_ecam_page(PCI_BDF(0x40, 0, 0)), 0);
	acpi.ecam[0].segment = 1;
	CHECK_EQ(pci_ecam_page(PCI_BDF(1, 2, 3)), 0);
	acpi.necam = 0;
	CHECK_EQ(pci_cfg_read(PCI_BDF(0, 0, 0), 0x100, 4), 0xffffffff);
}

/* --- space --- */

static struct boot_info boot = { .range = { { 0x100000, 0x7ff00000, MEM_USABLE }, { 0xfeb40000, 0x40000, MEM_RESERVED } },
				 .nranges = 2 };

static bool clear_of(uint64_t base, uint32_t size, uint64_t other, uint64_t len)
{
	return base + size <= other || other + len <= base;
}

TEST(root_bus)
{
	start();
	struct fn *f = add(PCI_BDF(0, 9, 0), 0x020000, 0);
	bar(f, 0, 0xfeb80000, 0x20000);
	bar(f, 1, 0xc041, 0x40);
	scan(0);
	pci_space_init(&boot);
	uint64_t got[8];
	for (unsigned i = 0; i < ARRAY_SIZE(got); i++) {
		got[i] = pci_alloc_bar(PCI_BDF(0, 9, 0), false, 0x4000);
		CHECK(got[i] && IS_ALIGNED(got[i], 0x4000) && got[i] >= 0x80000000 && got[i] + 0x4000 <= 0xfec00000);
		CHECK(clear_of(got[i], 0x4000, 0xfeb80000, 0x20000));
		CHECK(clear_of(got[i], 0x4000, 0xfeb40000, 0x40000));
		for (unsigned k = 0; k < i; k++)
			CHECK(clear_of(got[i], 0x4000, got[k], 0x4000));
	}
	uint64_t io = pci_alloc_bar(PCI_BDF(0, 9, 0), true, 64), io2 = pci_alloc_bar(PCI_BDF(0, 31, 0), true, 64);
	CHECK(io && io2 && io != io2 && IS_ALIGNED(io | io2, 64) && io >= 0x1000 && io + 64 <= 0x10000);
	CHECK(clear_of(io, 64, 0xc040, 0x40) && clear_of(io2, 64, 0xc040, 0x40));
}

/* A twin's BAR must not be in a range that the chipset decodes apart from BARs and tables (its own ECAM). */
TEST(held_space)
{
	start();
	bar(add(PCI_BDF(0, 9, 0), 0x020000, 0), 0, 0xf8000000, 0x20000);
	scan(0);
	pci_space_init(&boot);
	CHECK_EQ(pci_alloc_bar(PCI_BDF(0, 9, 0), false, 0x4000) >> 20, 0xf80);
	CHECK_EQ(pci_space_hold(0xf8000000, 0x4000000), 0);
	CHECK_EQ(pci_alloc_bar(PCI_BDF(0, 9, 0), false, 0x4000), 0);
	for (unsigned i = 1; i < PCI_SPACE_HELD; i++)
		CHECK_EQ(pci_space_hold(i << 20, 0x100000), 0);
	CHECK_EQ(pci_space_hold(0x10000000, 0x100000), -ERR_NOMEM);
	pci_space_init(&boot);
	CHECK_EQ(pci_alloc_bar(PCI_BDF(0, 9, 0), false, 0x4000) >> 20, 0xf80);
}

TEST(behind_a_bridge)
{
	start();
	bridge(add(PCI_BDF(0, 1, 0), 0x060400, 1), 4, 0xd0d0, 0xfe50fe40);
	bar(add(PCI_BDF(4, 0, 0), 0x020000, 0), 0, 0xfe400000, 0x180000);
	scan(0);
	uint64_t a = pci_alloc_bar(PCI_BDF(4, 0, 0), false, 0x40000), b = pci_alloc_bar(PCI_BDF(4, 0, 0), false, 0x40000);
	CHECK_EQ(a, 0xfe5c0000);
	CHECK_EQ(b, 0xfe580000);
	CHECK_EQ(pci_alloc_bar(PCI_BDF(4, 0, 0), false, 0x40000), 0);
	uint64_t io = pci_alloc_bar(PCI_BDF(4, 0, 0), true, 64);
	CHECK(io >= 0xd000 && io + 64 <= 0xe000);
	/* A bridge's window must contain nothing else. */
	for (unsigned i = 0; i < 40; i++) {
		uint64_t r = pci_alloc_bar(PCI_BDF(0, 20, 0), true, 64);
		CHECK(!r || clear_of(r, 64, 0xd000, 0x1000));
	}
}

TEST(a_bridge_without_windows_gives_nothing)
{
	start();
	bridge(add(PCI_BDF(0, 1, 0), 0x060400, 1), 7, 0x00f0, 0x0000fff0);
	add(PCI_BDF(7, 0, 0), 0x010802, 0);
	scan(0);
	CHECK_EQ(pci_alloc_bar(PCI_BDF(7, 0, 0), true, 64), 0);
	CHECK_EQ(pci_alloc_bar(PCI_BDF(7, 0, 0), false, 0x4000), 0);
}

TEST_MAIN
