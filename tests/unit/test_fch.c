/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/pci/fch.c tests/unit/host/cpu.c */
/* AMD's southbridges: the guest cannot change the bases of ACPI's ports, by ports or in memory; other accesses pass. */
#include <string.h>
#include <veneer/err.h>
#include "host/host.h"
#include "hv/dev/power.h"
#include "hv/dev/trap.h"
#include "hv/pci/pci.h"

static struct pci_dev devs[2];
static unsigned ndevs;
const struct pci_dev *pci_get(unsigned n) { return n < ndevs ? &devs[n] : NULL; }

static unsigned stops, refusals;
void machine_stopping(void) { stops++; }
bool power_pm1_allowed(uint32_t pm1)
{
	refusals += (pm1 >> 13) & 1;
	return !(pm1 & BIT(13));
}

static uint64_t asked_at, asked_value;
static unsigned asked_width;
bool power_memory_allowed(uint64_t at, unsigned width, uint64_t value)
{
	asked_at = at;
	asked_width = width;
	asked_value = value;
	return at != 0xfed80c20;
}

static const struct trap_ops *pio, *mmio;
static uint64_t pio_at, mmio_at, base;
static bool no_room;
struct trap *trap_new_pio(const char *name, uint32_t size, const struct trap_ops *ops, void *ctx)
{
	CHECK_EQ(size, 2);
	pio = ops;
	return (struct trap *)&pio;
}
struct trap *trap_new_mmio(const char *name, uint32_t size, const struct trap_ops *ops, void *ctx)
{
	CHECK_EQ(size, 4096);
	mmio = ops;
	return no_room ? NULL : (struct trap *)&mmio;
}
int trap_place(struct trap *t, uint64_t at) { pio_at = at; return 0; }
int trap_place_system(struct trap *t, uint64_t at) { mmio_at = at; return 0; }

/* --- the chip --- */

static uint8_t pm[256], page[4096], pm_index;
static bool index_unreadable;

static uint64_t chip_in(void *ctx, uint32_t off, unsigned width)
{
	CHECK(width == 1);
	if (off)
		return pm[pm_index];
	return index_unreadable ? 0xff : pm_index;
}

static void chip_out(void *ctx, uint32_t off, unsigned width, uint64_t v)
{
	CHECK(width == 1);
	if (off)
		pm[pm_index] = (uint8_t)v;
	else
		pm_index = (uint8_t)v;
}

static uint64_t page_in(void *ctx, uint32_t off, unsigned width)
{
	uint64_t v = 0;

	memcpy(&v, page + off, width);
	return v;
}

static void page_out(void *ctx, uint32_t off, unsigned width, uint64_t v) { memcpy(page + off, &v, width); }

volatile void *mem_map_mmio(uint64_t phys, uint64_t size) { return (volatile void *)(uintptr_t)base; }

static int start(uint16_t vendor, uint16_t device, uint8_t revision)
{
	static const struct host_model ports = { chip_in, chip_out }, memory = { page_in, page_out };

	memset(pm, 0, sizeof(pm));
	memset(page, 0, sizeof(page));
	index_unreadable = no_room = false;
	pio = mmio = NULL;
	pio_at = mmio_at = stops = refusals = 0;
	host_pio_model(0xcd6, 2, &ports, NULL);
	base = host_mmio_new(4096, &memory, NULL);
	devs[0] = (struct pci_dev){ .vendor = 0x1022, .device = 0x1450, .class_code = 0x060000 };
	devs[1] = (struct pci_dev){ .vendor = vendor, .device = device, .revision = revision, .class_code = 0x0c0500 };
	ndevs = 2;
	return 0;
}

static void out(uint8_t index, uint8_t value)
{
	pio->write(NULL, 0, 1, index);
	pio->write(NULL, 1, 1, value);
}

TEST(the_ports)
{
	start(0x1022, 0x790b, 0x51);
	CHECK_EQ(fch_init(), 0);
	CHECK_EQ(pio_at, 0xcd6);
	for (unsigned i = 0x60; i <= 0x6f; i++) {
		out((uint8_t)i, 0x5a);
		CHECK_EQ(pm[i], 0);
	}
	CHECK(host_log_has("fch: the guest's 0x5a to PM register 0x60"));
	out(0x24, 1);
	out(0x35, 1);
	CHECK(!pm[0x24] && !pm[0x35]);
	out(0x48, 3);
	out(0x70, 7);
	CHECK(pm[0x48] == 3 && pm[0x70] == 7);
	/* Index and data in one access, and a read of both. */
	pio->write(NULL, 0, 2, 0x1162);
	CHECK_EQ(pm[0x62], 0);
	pio->write(NULL, 0, 2, 0x1171);
	CHECK(pm[0x71] == 0x11 && pio->read(NULL, 1, 1) == 0x11);
}

TEST(an_index_that_cannot_be_read)
{
	start(0x1022, 0x780b, 0x14);
	CHECK_EQ(fch_init(), 0);
	index_unreadable = true;
	out(0x62, 1);
	CHECK_EQ(pm[0x62], 0);
	out(0x70, 1);
	CHECK_EQ(pm[0x70], 1);
	/* Firmware may have changed the index since the last write. */
	index_unreadable = false;
	pio->write(NULL, 0, 1, 0x70);
	pm_index = 0x62;
	pio->write(NULL, 1, 1, 9);
	CHECK_EQ(pm[0x62], 0);
}

TEST(a_reset_by_the_shadow_of_cf9_stops_the_devices)
{
	start(0x1022, 0x790b, 0x51);
	CHECK_EQ(fch_init(), 0);
	out(0xc5, 0x02);
	CHECK(pm[0xc5] == 2 && !stops);
	out(0xc5, 0x06);
	CHECK(pm[0xc5] == 6 && stops == 1);
	mmio->write(NULL, 0x3c4, 4, 0x0600);
	CHECK_EQ(stops, 2);
}

TEST(the_page)
{
	start(0x1022, 0x790b, 0x51);
	CHECK_EQ(fch_init(), 0);
	CHECK_EQ(mmio_at, 0xfed80000);
	mmio->write(NULL, 0x360, 8, ~0ull);
	mmio->write(NULL, 0x35e, 4, ~0u);	/* extends into the bases */
	mmio->write(NULL, 0x90, 4, ~0u);	/* the SMBus function's own bases */
	for (unsigned i = 0; i < 0x400; i++)
		CHECK_EQ(page[i], 0);
	mmio->write(NULL, 0x370, 4, 0x12345678);
	mmio->write(NULL, 0xe00, 2, 0x1234);
	CHECK(mmio->read(NULL, 0x370, 4) == 0x12345678 && mmio->read(NULL, 0xe00, 2) == 0x1234);
	/* PM1 control is there, too. */
	mmio->write(NULL, 0x804, 2, 0x2000 | 5 << 10);
	mmio->write(NULL, 0x805, 1, 0x20);
	mmio->write(NULL, 0x800, 8, 0x2000ull << 32);
	CHECK(refusals == 3 && !mmio->read(NULL, 0x800, 8));
	mmio->write(NULL, 0x804, 2, 1);
	CHECK_EQ(mmio->read(NULL, 0x804, 2), 1);
}

TEST(older_ones)
{
	/* SB700: only ports. */
	start(0x1002, 0x4385, 0x3a);
	CHECK(!fch_init() && pio && !mmio);
	out(0x22, 1);
	CHECK_EQ(pm[0x22], 0);
	/* SB800: at the address in its register. */
	start(0x1002, 0x4385, 0x41);
	pm[0x24] = 1;
	pm[0x26] = 0xd4;
	pm[0x27] = 0xfe;
	CHECK(!fch_init() && mmio_at == 0xfed40000);
	start(0x1002, 0x4385, 0x41);
	CHECK(!fch_init() && !mmio);
	/* The ports do not answer: no page is trapped at the end of the address space. */
	start(0x1002, 0x4385, 0x41);
	memset(pm, 0xff, sizeof(pm));
	CHECK(!fch_init() && !mmio);
}

/*
 * SP5100: the registers that hold bases in later chips are others here, so writes pass; writes to its own base registers do
 * not.
 */
TEST(the_layout_before_the_sb800)
{
	static const uint8_t open[] = { 0x01, 0x34, 0x36, 0x37, 0x49, 0x53, 0x60, 0x65, 0x68, 0x69, 0x6b, 0x70 };
	static const uint8_t bases[] = { 0x20, 0x22, 0x2a, 0x2c, 0x2e, 0x2f, 0x6c, 0x6f };

	start(0x1002, 0x4385, 0x3d);
	CHECK_EQ(fch_init(), 0);
	for (unsigned i = 0; i < sizeof(open); i++) {
		out(open[i], 0x5a);
		CHECK_EQ(pm[open[i]], 0x5a);
	}
	for (unsigned i = 0; i < sizeof(bases); i++) {
		out(bases[i], 0x06);
		CHECK_EQ(pm[bases[i]], 0);
	}
}

static void start_sb800(void)
{
	start(0x1002, 0x4385, 0x42);
	pm[0x24] = 1;
	pm[0x26] = 0xd8;
	pm[0x27] = 0xfe;
	CHECK(!fch_init() && mmio);
	pm[0x2c] = page[0x32c] = 0x01;
	pm[0x2d] = page[0x32d] = 0x0b;
}

/* A guest may write the SMBus's port select, and no bit of the base. */
TEST(the_smbus_port_select)
{
	start_sb800();
	out(0x2e, 0x04);
	CHECK_EQ(pm[0x2e], 0x04);
	out(0x2c, 0x05);
	CHECK_EQ(pm[0x2c], 0x05);
	out(0x2c, 0x01);
	CHECK_EQ(pm[0x2c], 0x01);
	for (unsigned bit = 0; bit < 8; bit++) {
		out(0x2c, 0x01 ^ (uint8_t)(1u << bit));
		CHECK_EQ(pm[0x2c], bit == 1 || bit == 2 ? 0x01 ^ 1u << bit : 0x01);
		out(0x2c, 0x01);
	}
	out(0x2d, 0x0c);
	out(0x2f, 0x01);
	CHECK(pm[0x2d] == 0x0b && !pm[0x2f]);
	/* In memory. */
	mmio->write(NULL, 0x32c, 1, 0x07);
	mmio->write(NULL, 0x32e, 1, 0x02);
	CHECK(page[0x32c] == 0x07 && page[0x32e] == 0x02);
	mmio->write(NULL, 0x32c, 1, 0x21);
	mmio->write(NULL, 0x32c, 2, 0x0c01);
	CHECK(page[0x32c] == 0x07 && page[0x32d] == 0x0b);
	/* An index that cannot be read. */
	index_unreadable = true;
	out(0x2c, 0x03);
	CHECK_EQ(pm[0x2c], 0x03);
	out(0x2c, 0x43);
	CHECK_EQ(pm[0x2c], 0x03);
}

/* Later chips have the SMBus's base in PM 01h, and its port select in 02h. */
TEST(the_smbus_base_in_decode_enable)
{
	static const struct { uint16_t vendor, device; uint8_t revision; bool held; } chips[] = {
		{ 0x1022, 0x790b, 0x49, true }, { 0x1022, 0x790b, 0x71, true }, { 0x1d94, 0x790b, 0x40, true },
		{ 0x1022, 0x780b, 0x42, true }, { 0x1022, 0x780b, 0x14, false }, { 0x1002, 0x4385, 0x42, false },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(chips); i++) {
		start(chips[i].vendor, chips[i].device, chips[i].revision);
		CHECK_EQ(fch_init(), 0);
		out(0x01, 0x0b);
		CHECK_EQ(pm[0x01], chips[i].held ? 0 : 0x0b);
		out(0x02, 0x08);
		CHECK_EQ(pm[0x02], 0x08);
		if (!mmio)
			continue;
		mmio->write(NULL, 0x301, 1, 0x0b);
		mmio->write(NULL, 0x302, 1, 0x10);
		CHECK(page[0x301] == (chips[i].held ? 0 : 0x0b) && page[0x302] == 0x10);
	}
}

TEST(none_and_no_room)
{
	start(0x8086, 0xa123, 0);
	CHECK(!fch_init() && !pio && !mmio);
	start(0x1d94, 0x790b, 0x51);
	no_room = true;
	CHECK_EQ(fch_init(), -ERR_NOMEM);
}

/* Reset and sleep of the FADT may be in this page, too. */
TEST(registers_of_acpi_in_the_page)
{
	start(0x1022, 0x790b, 0x51);
	CHECK_EQ(fch_init(), 0);
	mmio->write(NULL, 0xc1e, 4, 0x00280000);
	CHECK(asked_at == 0xfed80c1e && asked_width == 4 && asked_value == 0x00280000 && page[0xc20] == 0x28);
	mmio->write(NULL, 0xc20, 1, 0x2c);
	CHECK(asked_at == 0xfed80c20 && asked_width == 1 && asked_value == 0x2c && page[0xc20] == 0x28);
}

TEST_MAIN
