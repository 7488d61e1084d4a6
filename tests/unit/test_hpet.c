/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/dev/hpet.c */
/* An HPET's comparators send interrupts that a guest may send, and write nothing else anywhere. */
#include <string.h>
#include <veneer/err.h>
#include <veneer/mem.h>
#include "host/host.h"
#include "hv/dev/acpi.h"
#include "hv/dev/hpet.h"
#include "hv/dev/hpet_state.h"
#include "hv/dev/trap.h"
#include "hv/mem/nested.h"

#define BLOCK	0xfed00000u
#define FSB	BIT(14)
#define GOOD	0x4031u
#define LAPIC	0xfee01000u

struct acpi_info acpi;

static uint8_t page[4 * PAGE_SIZE];
static unsigned writes;

static uint64_t chip_in(void *ctx, uint32_t off, unsigned width)
{
	uint64_t v = 0;

	memcpy(&v, page + off, width);
	return v;
}

static void chip_out(void *ctx, uint32_t off, unsigned width, uint64_t v)
{
	memcpy(page + off, &v, width);
	writes++;
}

static uint64_t base;
static unsigned watched, readonly;
static uint64_t where[9];
static bool no_room;
static const struct trap_ops *ops;
static void *ctx;

volatile void *mem_map_mmio(uint64_t phys, uint64_t size) { return (volatile void *)(uintptr_t)base; }
int nested_readonly(uint64_t gpa, uint64_t size) { readonly++; return no_room ? -ERR_NOMEM : 0; }
void trap_place_mapped(struct trap *t, uint64_t at) { where[watched++] = at; }
struct trap *trap_new_mmio(const char *name, uint32_t size, const struct trap_ops *o, void *c)
{
	ops = o;
	ctx = c;
	return (struct trap *)&ops;
}

/* Has a test of its own. */
void hpet_state_of(unsigned i, volatile uint8_t *reg) { }
void hpet_state_wrote(const volatile uint8_t *reg, unsigned width, uint64_t value) { }

static int start(void)
{
	static const struct host_model model = { chip_in, chip_out };

	base = host_mmio_new(sizeof(page), &model, NULL);
	watched = readonly = 0;
	return hpet_init();
}

static void clear(void)
{
	memset(&acpi, 0, sizeof(acpi));
	memset(page, 0, sizeof(page));
	no_room = false;
	CHECK_EQ(start(), 0);
	writes = 0;
}

/* Capabilities of a block with @n comparators. */
static void block_at(uint32_t off, unsigned n)
{
	memcpy(page + off, (uint32_t[]){ 0x8086a001 | (n - 1) << 8, 0x0429b17f }, 8);
}

static uint32_t at(uint32_t off) { return (uint32_t)chip_in(NULL, off, 4); }

/* Write to comparator 2 and return whether that reached the hardware. */
static bool put(uint32_t reg, unsigned width, uint64_t v)
{
	unsigned before = writes;

	ops->write(ctx, 0x140 + reg, width, v);
	return writes != before;
}

TEST(messages_that_a_guest_may_send)
{
	clear();
	CHECK(put(0x10, 4, GOOD) && put(0x14, 4, LAPIC) && at(0x150) == GOOD && at(0x154) == LAPIC);
	CHECK(put(0x10, 4, 0x0131) && put(0x10, 8, (uint64_t)(LAPIC + 0xf0000) << 32 | 0x10));
	CHECK(put(0, 4, FSB | 4) && at(0x140) == (FSB | 4));
	CHECK(!host_log_has("dropped"));
	/* Its value and address change while it is on: each by itself is good. */
	CHECK(put(0x10, 4, 0xff) && put(0x14, 4, 0xfeeff00c));
}

TEST(all_others_are_dropped)
{
	static const uint32_t values[] = { 0x0f, 0x231, 0x331, 0x400, 0x531, 0x631, 0x731, 0 };
	static const uint32_t addrs[] = { 0x600000, 0xfed00000, 0xfef00000, 0xfedfffff, 0 };

	clear();
	for (unsigned i = 0; i < ARRAY_SIZE(values); i++)
		CHECK(!put(0x10, 4, values[i]) && !put(0x10, 8, (uint64_t)LAPIC << 32 | values[i]));
	for (unsigned i = 0; i < ARRAY_SIZE(addrs); i++)
		CHECK(!put(0x14, 4, addrs[i]) && !put(0x10, 8, (uint64_t)addrs[i] << 32 | GOOD));
	CHECK(host_log_has("hpet: the guest's"));
	/* By odd accesses, in parts. */
	CHECK(!put(0x10, 1, 0x31) && !put(0x10, 2, 0x31) && !put(0x12, 4, 0) && !put(0x0c, 8, GOOD) && !put(1, 1, 0x40));
	/* Switched on with what reset or firmware has left there: the rest of the write passes. */
	CHECK(put(0, 4, FSB | 4) && at(0x140) == 4);
	CHECK(put(0x14, 4, LAPIC) && put(0, 8, FSB | 4) && at(0x140) == 4);
	CHECK(put(0x10, 4, GOOD) && put(0, 8, FSB | 4) && at(0x140) == (FSB | 4));
}

TEST(all_else_passes)
{
	clear();
	CHECK(put(8, 8, 0x123456789abcull) && chip_in(NULL, 0x148, 8) == 0x123456789abcull);
	CHECK(put(0, 4, 0x13c));
	ops->write(ctx, 0x10, 4, 3);
	ops->write(ctx, 0x20, 8, 1);
	ops->write(ctx, 0xf0, 4, 0x55);
	CHECK(at(0x10) == 3 && at(0x20) == 1 && at(0xf0) == 0x55);
	CHECK_EQ(ops->read(ctx, 0x148, 8), 0x123456789abcull);
	CHECK_EQ(ops->read(ctx, 0x10, 2), 3);
	CHECK_EQ(ops->read(ctx, 0x10, 1), 3);
	CHECK_EQ(ops->read(ctx, 0x10, 4), 3);
	/* The other pages have comparators in the same place. */
	ops->write(ctx, 0x3154, 4, 0x600000);
	CHECK_EQ(at(0x3154), 0);
}

/* A page has room for four blocks, or for one with 32 comparators. */
TEST(further_blocks)
{
	clear();
	for (uint32_t block = 0x400; block < 0x1000; block += 0x400) {
		CHECK(!put(block - 0x140 + 0x114, 4, 0x600000));
		ops->write(ctx, block + 0x010, 4, 1);
		CHECK(!at(block + 0x114) && at(block + 0x010) == 1);
	}
	block_at(0, 24);
	ops->write(ctx, 0x410, 4, 3);
	CHECK_EQ(at(0x410), 3);
	block_at(0, 25);
	ops->write(ctx, 0x410, 4, 1);
	ops->write(ctx, 0x414, 4, 0x600000);
	ops->write(ctx, 0x810, 4, 1);
	CHECK(at(0x410) == 3 && !at(0x414) && at(0x810) == 1);
}

TEST(what_firmware_left_on)
{
	clear();
	memcpy(page + 0x100, &(uint32_t){ FSB | 4 }, 4);
	memcpy(page + 0x2120, &(uint32_t){ FSB | 4 }, 4);
	memcpy(page + 0x2130, &(uint32_t[]){ GOOD, LAPIC }, 8);
	memset(page + 0x1000, 0xff, 0x1000);
	block_at(0, 1);
	block_at(0x2000, 2);
	writes = 0;
	CHECK_EQ(start(), 0);
	CHECK(at(0x100) == 4 && at(0x2120) == (FSB | 4) && writes == 1);
	/* The last of 32 comparators, and that of a second block. */
	block_at(0, 32);
	memcpy(page + 0x4e0, &(uint32_t){ FSB }, 4);
	block_at(0x2400, 3);
	memcpy(page + 0x2540, &(uint32_t){ FSB }, 4);
	CHECK_EQ(start(), 0);
	CHECK(!at(0x4e0) && !at(0x2540) && writes == 3);
}

TEST(what_is_no_hpet_is_not_written)
{
	static const uint32_t none[][2] = {
		{ 0, 0 }, { 0x8086a200, 0x0429b17f }, { 0x8086a201, 0 }, { 0x8086a201, 0x05f5e101 }, { ~0u, ~0u },
	};

	clear();
	for (unsigned i = 0; i < ARRAY_SIZE(none); i++) {
		memcpy(page, none[i], 8);
		memcpy(page + 0x100, &(uint32_t){ FSB }, 4);
		CHECK_EQ(start(), 0);
		CHECK(at(0x100) == FSB && !writes);
	}
}

TEST(where_it_is)
{
	clear();
	CHECK(watched == 1 && where[0] == BLOCK && readonly == 1);
	acpi.nhpets = 3;
	acpi.hpet[0] = BLOCK;
	acpi.hpet[1] = BLOCK + 0x4000;
	acpi.hpet[2] = 0xfec10000;
	CHECK_EQ(start(), 0);
	CHECK(watched == 3 && where[1] == BLOCK + 0x4000 && where[2] == 0xfec10000);
	no_room = true;
	CHECK_EQ(start(), -ERR_NOMEM);
	CHECK(!watched && host_log_has("hpet: no memory"));
}

TEST_MAIN
