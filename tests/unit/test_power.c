/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/dev/power.c tests/unit/host/cpu.c */
/* Resets other than ACPI's, which stop the devices first, and the A20 gate, which stays on. */
#include "host/cpu.h"
#include "host/host.h"
#include "hv/dev/acpi.h"
#include "hv/dev/power.h"
#include "hv/dev/trap.h"

struct acpi_info acpi;
static unsigned stops, ends, traps;
static uint8_t last[0x100];
static unsigned writes;

void trap_intercept_ports(uint16_t base, unsigned n) { traps++; }
static const struct trap_ops *page_ops;
static void *page;
struct trap *trap_new_mmio(const char *name, uint32_t size, const struct trap_ops *ops, void *ctx)
{
	page_ops = ops;
	page = ctx;
	return (struct trap *)&page_ops;
}
int trap_place_system(struct trap *t, uint64_t base) { return 0; }
static uint64_t answered;
struct trap *trap_find_mmio(uint64_t gpa, uint32_t *off) { return gpa == answered ? (struct trap *)&page_ops : NULL; }
static void stop(void) { stops++; }
void smp_stop_others(void) { ends++; }
static uint64_t port_read(void *ctx, uint32_t off, unsigned width) { return 0xff; }
static void port_write(void *ctx, uint32_t off, unsigned width, uint64_t v)
{
	CHECK_EQ(width, 1);
	last[off] = (uint8_t)v;
	writes++;
}
static const struct host_model ports = { port_read, port_write };

/* Write a byte to @port.  Return the value that reaches the port; 0x100: none. */
static unsigned out(uint16_t port, uint8_t v)
{
	unsigned before = writes;

	CHECK(!power_port_write(port, 1, v));
	return writes == before ? 0x100 : last[port];
}

TEST(a20_stays_on)
{
	host_pio_model(0, 0x100, &ports, NULL);
	machine_on_stop(stop);
	power_init();
	CHECK_EQ(traps, 3);
	CHECK_EQ(out(0x92, 0), 2);
	CHECK_EQ(out(0x92, 0x30), 0x32);
	CHECK_EQ(out(0x64, 0xdd), 0x100);
	CHECK_EQ(out(0x64, 0xdf), 0xdf);
	CHECK_EQ(out(0x64, 0xd1), 0xd1);
	CHECK_EQ(out(0x60, 0xdd), 0xdf);
	/* The next byte, and a byte after another command, are for the keyboard. */
	CHECK_EQ(out(0x60, 0xed), 0xed);
	CHECK_EQ(out(0x64, 0xd1), 0xd1);
	CHECK_EQ(out(0x64, 0xaa), 0xaa);
	CHECK_EQ(out(0x60, 0xdd), 0xdd);
	for (unsigned pulse = 0xf1; pulse < 0x100; pulse += 2)
		CHECK_EQ(out(0x64, (uint8_t)pulse), pulse | 2);
	CHECK_EQ(stops, 0);
	/* The other bytes of a wide access pass. */
	CHECK(!power_port_write(0x60, 2, 0x5511));
	CHECK(last[0x60] == 0x11 && last[0x61] == 0x55);
}

TEST(resets_stop_the_devices)
{
	host_pio_model(0, 0x100, &ports, NULL);
	ends = 0;
	CHECK_EQ(out(0x64, 0xd1), 0xd1);
	CHECK_EQ(out(0x60, 0xfe), 0xfe);
	CHECK_EQ(ends, 1);
	CHECK_EQ(out(0x64, 0xfe), 0xfe);
	CHECK_EQ(out(0x64, 0xf0), 0xf2);
	CHECK_EQ(ends, 3);
	CHECK_EQ(out(0x92, 1), 3);
	CHECK_EQ(ends, 4);
	/* The devices are stopped once. */
	CHECK_EQ(stops, 1);
}

static uint8_t memory[PAGE_SIZE];
static uint64_t mem_read(void *ctx, uint32_t off, unsigned width) { return memory[off]; }
static void mem_write(void *ctx, uint32_t off, unsigned width, uint64_t v) { memory[off] = (uint8_t)v; }
static const struct host_model mem_model = { mem_read, mem_write };

TEST(registers_in_memory)
{
	uint64_t base = host_mmio_new(PAGE_SIZE, &mem_model, NULL);

	acpi = (struct acpi_info){
		.reset_addr = (uint32_t)base + 0x10, .reset_value = 0x0f, .sleep_addr = (uint32_t)base + 0x20,
		.has_s5 = true, .s5_typ_a = 5, .s5_typ_b = 5,
	};
	power_init();
	CHECK_EQ((uintptr_t)page, base);
	ends = 0;
	/* Neighbouring addresses, and other values. */
	page_ops->write(page, 0x14, 1, 0x0f);
	page_ops->write(page, 0x10, 1, 0x01);
	page_ops->write(page, 0x20, 1, 3 << 2);
	CHECK(!ends && memory[0x14] == 0x0f && memory[0x10] == 1 && memory[0x20] == 3 << 2);
	CHECK_EQ(page_ops->read(page, 0x14, 1), 0x0f);
	/* The reset, also by a wide access that begins below. */
	page_ops->write(page, 0x10, 1, 0x0f);
	CHECK(ends == 1 && memory[0x10] == 0x0f);
	page_ops->write(page, 0x0e, 4, 0x000f0000);
	CHECK_EQ(ends, 2);
	/* Sleep is refused, soft-off is not. */
	page_ops->write(page, 0x20, 1, 3 << 2 | BIT(5));
	CHECK(ends == 2 && memory[0x20] == 3 << 2);
	page_ops->write(page, 0x20, 1, 5 << 2 | BIT(5));
	CHECK(ends == 3 && memory[0x20] == (5 << 2 | BIT(5)));
	/* The same by a port. */
	acpi.sleep_port = 0x80;
	CHECK(!power_port_write(0x80, 1, 3 << 2 | BIT(5)) && power_port_write(0x80, 1, 3 << 2));
	CHECK(power_port_write(0x80, 1, 5 << 2 | BIT(5)) && ends == 4);
}

/* PM1 control where the FADT's 64-bit fields have it: by another port than the 32-bit field's, and in memory. */
TEST(pm1_by_both_fields)
{
	uint64_t base = host_mmio_new(PAGE_SIZE, &mem_model, NULL);
	const uint16_t port[] = { 0x404, 0x504, 0x604 };

	acpi = (struct acpi_info){
		.pm1a_cnt = port[0], .pm1_also = { port[1], port[2] }, .pm1_addr = { 0, (uint32_t)base + 0x44 },
		.has_s5 = true, .s5_typ_a = 5, .s5_typ_b = 5,
	};
	traps = ends = 0;
	power_init();
	CHECK(traps == 3 + 3 && (uintptr_t)page == base);
	for (unsigned i = 0; i < 3; i++) {
		CHECK(!power_port_write(port[i], 2, BIT(13) | 3 << 10) && power_port_write(port[i], 2, 3 << 10));
		CHECK(!power_port_write(port[i] + 1, 1, BIT(5) | 3 << 2));
		CHECK_EQ(ends, i);
		CHECK(power_port_write(port[i], 2, BIT(13) | 5 << 10));
	}
	memory[0x44] = memory[0x45] = 0;
	page_ops->write(page, 0x44, 2, BIT(13) | 3 << 10);
	page_ops->write(page, 0x45, 1, BIT(5) | 3 << 2);
	CHECK(ends == 3 && !memory[0x45]);
	page_ops->write(page, 0x45, 1, BIT(5) | 5 << 2);
	CHECK(ends == 4 && memory[0x45] == (BIT(5) | 5 << 2));
	/* A page that something else answers stays as it is. */
	page = NULL;
	answered = base;
	power_init();
	CHECK(!page);
	answered = 0;
	/* Its trap asks. */
	CHECK(!power_memory_allowed(base + 0x44, 2, BIT(13) | 3 << 10) && power_memory_allowed(base + 0x44, 2, 3 << 10));
	CHECK(power_memory_allowed(base + 0x45, 1, BIT(5) | 5 << 2) && ends == 5);
	CHECK(power_memory_allowed(base + 0x46, 2, BIT(13) | 3 << 10));
}

TEST_MAIN
