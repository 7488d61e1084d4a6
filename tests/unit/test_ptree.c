/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/mem/ptree.c hv/mem/nested.c hv/mem/mtrr.c hv/mem/gmem.c tests/unit/host/cpu.c */
/* Page tables of the host and the guest's nested tables: largest pages, splits, holes that stay holes. */
#include <string.h>
#include <veneer/err.h>
#include <veneer/gmem.h>
#include <veneer/mem.h>
#include "host/cpu.h"
#include "host/host.h"
#include "hv/boot/bootinfo.h"
#include "hv/cpu/cpus.h"
#include "hv/mem/nested.h"
#include "hv/mem/ptree.h"
#include "hv/mem/ram.h"

#define MIB	0x100000ull
#define GIB	0x40000000ull
#define RW	(MAP_R | MAP_W)
#define LARGE	0x80u
#define P	1u
#define W	2u
#define NX	BIT64(63)
#define ADDR	GENMASK64(51, 12)

static void tree(struct pt_tree *t, bool pages_1g)
{
	CHECK_EQ(pt_tree_init(t, &pt_format_x86, pages_1g), 0);
}

TEST(largest_pages)
{
	struct pt_tree t;

	tree(&t, true);
	CHECK_EQ(pt_set(&t, 0, 4 * GIB, RW), 0);
	CHECK_EQ(t.tables, 2);
	CHECK_EQ(pt_get(&t, 3 * GIB + 5) & ADDR, 3 * GIB);
	CHECK(pt_get(&t, 0) & LARGE);
	tree(&t, false);
	CHECK_EQ(pt_set(&t, 0, 4 * GIB, RW), 0);
	CHECK_EQ(t.tables, 6);
	CHECK_EQ(pt_get(&t, 3 * GIB + 5 * MIB) & ADDR, 3 * GIB + 4 * MIB);
}

TEST(unaligned_range_takes_pages_of_each_size)
{
	struct pt_tree t;

	tree(&t, true);
	CHECK_EQ(pt_set(&t, GIB - 2 * MIB - PAGE_SIZE, GIB + 2 * MIB + 2 * PAGE_SIZE, RW), 0);
	CHECK_EQ(pt_get(&t, GIB - 2 * MIB - PAGE_SIZE - 1), 0);
	CHECK(!(pt_get(&t, GIB - 2 * MIB - 1) & LARGE));
	CHECK_EQ(pt_get(&t, GIB - 1) & (ADDR | LARGE), (GIB - 2 * MIB) | LARGE);
	CHECK_EQ(pt_get(&t, 2 * GIB - 1) & (ADDR | LARGE), GIB | LARGE);
	CHECK_EQ(pt_get(&t, 2 * GIB) & (ADDR | LARGE | P), 2 * GIB | P);
	CHECK_EQ(pt_get(&t, 2 * GIB + PAGE_SIZE), 0);
}

TEST(split_keeps_all_around)
{
	struct pt_tree t;
	uint64_t hole = GIB + 37 * PAGE_SIZE;

	tree(&t, true);
	CHECK_EQ(pt_set(&t, 0, 4 * GIB, RW), 0);
	CHECK_EQ(pt_set(&t, hole, PAGE_SIZE, 0), 0);
	CHECK_EQ(pt_get(&t, hole), 0);
	for (uint64_t a = 0; a < 4 * GIB; a += a / MIB == GIB / MIB ? PAGE_SIZE : MIB) {
		uint64_t e = pt_get(&t, a), size = a < GIB || a >= 2 * GIB ? GIB : a < GIB + 2 * MIB ? PAGE_SIZE : 2 * MIB;

		if (a == hole)
			continue;
		CHECK_EQ(e & ADDR, ALIGN_DOWN(a, size));
		CHECK_EQ(!!(e & LARGE), size != PAGE_SIZE);
		CHECK((e & W) && (e & NX));
	}
}

TEST(permissions)
{
	struct pt_tree t;

	tree(&t, true);
	CHECK_EQ(pt_set(&t, 0, GIB, RW), 0);
	CHECK_EQ(pt_set(&t, 4 * MIB, PAGE_SIZE, MAP_R | MAP_X), 0);
	CHECK(!(pt_get(&t, 4 * MIB) & (W | NX)));
	CHECK_EQ(pt_set(&t, 4 * MIB + PAGE_SIZE, PAGE_SIZE, MAP_R), 0);
	CHECK_EQ(pt_get(&t, 4 * MIB + PAGE_SIZE) & (W | NX), NX);
	CHECK_EQ(pt_set(&t, 4 * MIB, 2 * PAGE_SIZE, RW | MAP_UC), 0);
	CHECK_EQ(pt_get(&t, 4 * MIB) & (W | NX | 0x18), W | NX | 0x18);
}

TEST(one_page_shows_another)
{
	struct pt_tree t;
	uint64_t window = GIB + 37 * PAGE_SIZE;

	tree(&t, true);
	CHECK_EQ(pt_set(&t, 0, 2 * GIB, RW), 0);
	CHECK_EQ(pt_set(&t, 0, PAGE_SIZE, 0), 0);
	CHECK_EQ(pt_redirect(&t, window, 0, RW), 0);
	CHECK_EQ(pt_get(&t, window) & (ADDR | P | W | NX), P | W | NX);
	CHECK_EQ(pt_get(&t, 0), 0);
	CHECK_EQ(pt_get(&t, window - 1) & ADDR, window - PAGE_SIZE);
	CHECK_EQ(pt_get(&t, window + PAGE_SIZE) & ADDR, window + PAGE_SIZE);
}

TEST(unmap_of_nothing_takes_no_tables)
{
	struct pt_tree t;

	tree(&t, true);
	CHECK_EQ(pt_set(&t, 0, 4 * GIB, RW), 0);
	CHECK_EQ(pt_set(&t, 100 * GIB + PAGE_SIZE, 3 * GIB, 0), 0);
	CHECK_EQ(t.tables, 2);
}

TEST(no_memory_is_said)
{
	struct pt_tree t;

	host_heap_fail_at(1);
	CHECK_EQ(pt_tree_init(&t, &pt_format_x86, true), -ERR_NOMEM);
	tree(&t, true);
	CHECK_EQ(pt_set(&t, 0, 4 * GIB, RW), 0);
	for (unsigned n = 1; n <= 2; n++) {
		host_heap_fail_at(n);
		CHECK_EQ(pt_set(&t, n * GIB + 5 * PAGE_SIZE, PAGE_SIZE, 0), -ERR_NOMEM);
		/* Earlier mappings are unchanged. */
		CHECK_EQ(pt_get(&t, n * GIB + 5 * PAGE_SIZE) & P, P);
	}
}

/* --- nested.c --- */

static struct boot_info boot = {
	.range = { { 0, 0x9f000, MEM_USABLE }, { 0x100000, 0x7ff00000, MEM_USABLE }, { 4 * GIB, 2 * GIB, MEM_USABLE } },
	.nranges = 3, .self_base = 0x7000000, .self_size = 0x400000,
};

static struct pt_tree view;	/* nested.c does not publish its tree; the root suffices */

/* The other processors are out of the guest while tables change. */
static unsigned paused, changes;

void guest_pause(void) { paused++; }
void guest_resume(void) { paused--; changes++; }

static void start(void)
{
	static bool done;

	host_cpu_reset();
	if (!done)
		gmem_init(&boot);
	done = true;
	nested_pause_by(guest_pause, guest_resume);
	CHECK_EQ(nested_init(&boot, &pt_format_x86, true), 0);
	view = (struct pt_tree){ .format = &pt_format_x86, .root = (uint64_t *)(uintptr_t)nested_root(), .max_level = 3 };
}

static bool visible(uint64_t a)
{
	return pt_get(&view, a) & P;
}

TEST(guest_memory_without_page_0)
{
	start();
	CHECK(!gmem_valid(0, 1));
	CHECK(!gmem_valid(PAGE_SIZE - 1, 1));
	CHECK(gmem_valid(PAGE_SIZE, 0x9e000));
	CHECK(!gmem_valid(PAGE_SIZE, 0x9e001));
	CHECK(!gmem_valid(5 * GIB, ~0ull));
	CHECK_EQ(gmem_top(), 6 * GIB);
}

TEST(nested_covers_all_but_veneer)
{
	start();
	CHECK(changes && !paused);
	CHECK(visible(0) && visible(boot.self_base - 1) && visible(boot.self_base + boot.self_size) && visible(6 * GIB - 1));
	CHECK(!visible(boot.self_base) && !visible(boot.self_base + boot.self_size - 1));
	CHECK(nested_is_hidden(boot.self_base + 5) && !nested_is_hidden(boot.self_base - 1));
	CHECK(!visible(6 * GIB));
}

TEST(the_first_write_to_veneer_is_logged)
{
	start();
	nested_stray_write(boot.self_base - 1);
	nested_stray_write(boot.self_base + boot.self_size);
	CHECK(!host_log_has("writes to Veneer"));
	nested_stray_write(boot.self_base + boot.self_size - 1);
	CHECK(host_log_has("guest: it writes to Veneer's memory at"));
	host_log_clear();
	for (unsigned i = 0; i < 1000; i++)
		nested_stray_write(boot.self_base + i);
	CHECK(!host_log_has("Veneer"));
}

TEST(a_range_hidden_twice_is_shown_by_the_second_show)
{
	uint64_t bar = 0xfebf0000;

	start();
	CHECK_EQ(nested_hide(bar, 0x4000), 0);
	CHECK_EQ(nested_hide(bar, 0x4000), 0);
	changes = 0;
	CHECK_EQ(nested_show(bar, 0x4000), 0);
	CHECK(changes == 1 && !paused);
	CHECK(!visible(bar) && nested_is_hidden(bar));
	CHECK_EQ(nested_show(bar, 0x4000), 0);
	CHECK(visible(bar) && !nested_is_hidden(bar));
	CHECK_EQ(nested_show(bar, 0x4000), -ERR_INVAL);
}

TEST(show_leaves_overlapping_hides)
{
	start();
	CHECK_EQ(nested_hide(0xfeb01000, 0x1000), 0);
	CHECK_EQ(nested_hide(0xfeb00000, 0x4000), 0);
	CHECK_EQ(nested_show(0xfeb00000, 0x4000), 0);
	CHECK(visible(0xfeb00000) && !visible(0xfeb01000) && visible(0xfeb02000));
	CHECK_EQ(nested_show(0xfeb01000, 0x1000), 0);
}

TEST(readonly_survives_what_is_shown_around_it)
{
	start();
	CHECK_EQ(nested_readonly(0xfee00000, PAGE_SIZE), 0);
	CHECK(visible(0xfee00000) && !(pt_get(&view, 0xfee00000) & W));
	CHECK(!nested_is_hidden(0xfee00000));
	CHECK_EQ(nested_map_on_demand(0xfeb12345), 0);
	CHECK(visible(0xfee00000) && !(pt_get(&view, 0xfee00000) & W));
	CHECK_EQ(nested_hide(0xfedff000, 0x3000), 0);
	CHECK(!visible(0xfee00000));
	CHECK_EQ(nested_show(0xfedff000, 0x3000), 0);
	CHECK(visible(0xfee01000) && !(pt_get(&view, 0xfee00000) & W));
}

TEST(on_demand_maps_around_the_hidden)
{
	uint64_t bar = 0x38000004000ull;

	start();
	CHECK_EQ(nested_hide(bar, 0x4000), 0);
	CHECK_EQ(nested_map_on_demand(bar + GIB / 2), 0);
	CHECK(visible(bar - 1) && visible(bar + 0x4000) && !visible(bar) && !visible(bar + 0x3fff));
}

TEST(the_hidden_stays_so_when_tables_run_out)
{
	uint64_t bar = 0x30000004000ull;

	start();
	CHECK_EQ(nested_hide(bar, 0x4000), 0);
	/* The block is one large leaf; the hole in it takes two tables. */
	for (unsigned n = 1; n <= 2; n++) {
		host_heap_fail_at(n);
		CHECK_EQ(nested_map_on_demand(bar + 0x100000), -ERR_NOMEM);
		for (uint64_t a = bar; a < bar + 0x4000; a += PAGE_SIZE)
			CHECK(!visible(a));
	}
	host_heap_fail_at(0);
	CHECK_EQ(nested_map_on_demand(bar + 0x100000), 0);
	CHECK(visible(bar + 0x4000) && !visible(bar));
}

TEST(shared_blocks)
{
	static uint64_t shared[512] __attribute__((aligned(4096)));
	struct pt_tree t;

	for (unsigned i = 0; i < 512; i++)
		shared[i] = 0x5000 | P;
	tree(&t, true);
	CHECK_EQ(pt_set(&t, 0, 4 * GIB, RW), 0);
	unsigned before = t.tables;
	for (uint64_t at = GIB + 4 * MIB; at < GIB + 260 * MIB; at += 2 * MIB)
		CHECK_EQ(pt_share(&t, at, shared), 0);
	/* One table for the 1 GiB page that was split. */
	CHECK_EQ(t.tables, before + 1);
	CHECK_EQ(pt_get(&t, GIB + 4 * MIB) & ADDR, 0x5000);
	CHECK_EQ(pt_get(&t, GIB + 260 * MIB - 1) & ADDR, 0x5000);
	CHECK_EQ(pt_get(&t, GIB + 260 * MIB) & ADDR, GIB + 260 * MIB);
	CHECK_EQ(pt_get(&t, GIB + 2 * MIB) & ADDR, GIB + 2 * MIB);
	/* An unshared page needs an unshared table. */
	CHECK_EQ(pt_unshare(&t, GIB + 6 * MIB, shared), 0);
	CHECK_EQ(pt_set(&t, GIB + 6 * MIB, PAGE_SIZE, RW), 0);
	CHECK_EQ(t.tables, before + 2);
	CHECK_EQ(pt_get(&t, GIB + 6 * MIB) & ADDR, GIB + 6 * MIB);
	CHECK_EQ(pt_get(&t, GIB + 6 * MIB + PAGE_SIZE) & ADDR, 0x5000);
	CHECK_EQ(pt_get(&t, GIB + 4 * MIB) & ADDR, 0x5000);
	CHECK_EQ(pt_unshare(&t, GIB + 6 * MIB, shared), 0);
	CHECK_EQ(t.tables, before + 2);
	host_heap_fail_at(1);
	CHECK_EQ(pt_unshare(&t, GIB + 8 * MIB, shared), -ERR_NOMEM);
	CHECK_EQ(pt_get(&t, GIB + 8 * MIB) & ADDR, 0x5000);
}

/* A range of ones stays: the guest's memory types, a mapping on demand, or a hole in it do not change it. */
TEST(ranges_of_ones)
{
	static struct boot_info b = { .self_base = 8 * MIB, .self_size = 4 * MIB };
	const uint64_t high = 64 * GIB, low = 0xe0100000;
	struct pt_tree t = { &pt_format_x86, NULL, 2, 0 };

	host_cpu_reset();
	gmem_init(&b);
	CHECK_EQ(nested_init(&b, &pt_format_x86, false), 0);
	t.root = (uint64_t *)(uintptr_t)nested_root();
	CHECK_EQ(nested_ones(low, 3 * MIB), 0);
	CHECK_EQ(nested_ones(high, 256 * MIB), 0);
	uint64_t page = pt_get(&t, low);
	CHECK((page & (P | W)) == P && *(uint32_t *)(uintptr_t)(page & ADDR) == 0xffffffff);
	CHECK((pt_get(&t, low - 1) & W) && (pt_get(&t, low + 3 * MIB) & W));
	CHECK_EQ(nested_ones_page(high + 0x5000, PAGE_OWN), 0);
	CHECK_EQ(nested_ones_page(high + 0x6000, PAGE_TRAPPED), 0);
	CHECK_EQ(nested_map_on_demand(high + 300 * MIB), 0);
	CHECK_EQ(nested_map_on_demand(high), 0);
	nested_retype();
	CHECK_EQ(nested_hide(low + MIB, MIB), 0);
	CHECK_EQ(nested_show(low + MIB, MIB), 0);
	for (uint64_t at = 0; at < 256 * MIB; at += PAGE_SIZE)
		if (at != 0x5000 && at != 0x6000)
			CHECK_EQ(pt_get(&t, high + at) & (ADDR | P | W), page & (ADDR | P | W));
	for (uint64_t at = low; at < low + 3 * MIB; at += PAGE_SIZE)
		CHECK_EQ(pt_get(&t, at) & (ADDR | P | W), page & (ADDR | P | W));
	CHECK_EQ(pt_get(&t, high + 0x5000) & (ADDR | P | W), (high + 0x5000) | P);
	CHECK_EQ(pt_get(&t, high + 0x6000), 0);
	CHECK_EQ(pt_get(&t, high + 300 * MIB) & (ADDR | P | W), (high + 300 * MIB) | P | W);
	CHECK_EQ(nested_ones_page(high + 0x5000, PAGE_ONES), 0);
	CHECK_EQ(pt_get(&t, high + 0x5000) & ADDR, page & ADDR);
	CHECK(nested_is_hidden(high) && nested_is_hidden(low + 3 * MIB - 1) && !nested_is_hidden(low - 1));
}

TEST_MAIN
