/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/mem/heap.c */
/* Veneer's heap in the place of the harness's: alignment, zeroed memory, reuse, joining of free blocks, and random use. */
#include <string.h>
#include <veneer/err.h>
#include <veneer/mem.h>
#include "host/host.h"
#include "hv/mem/heap.h"

#define SIZE	(1u << 20)
#define SLOTS	64u

static uint8_t arena[SIZE + 64] ALIGNED(4096);

static void start(void)
{
	static uint64_t before;

	memset(arena, 0xa5, sizeof(arena));
	heap_init(arena, SIZE);
	CHECK_EQ(heap_in_use(), before);
}

static bool filled(const uint8_t *p, size_t n, uint8_t v)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != v)
			return false;
	return true;
}

TEST(aligned_zeroed_and_inside)
{
	start();
	for (size_t align = 1; align <= 65536; align *= 2) {
		uint8_t *p = mem_alloc(100, align);

		CHECK(p && IS_ALIGNED((uintptr_t)p, MAX(align, 16)));
		CHECK(p >= arena && p + 100 <= arena + SIZE);
		CHECK(filled(p, 100, 0));
		memset(p, 0x5a, 100);
		mem_free(p);
	}
	CHECK_EQ(heap_in_use(), 0);
}

TEST(full_and_all_of_it_again)
{
	void *p[300];
	unsigned n = 0;

	start();
	while (n < ARRAY_SIZE(p) && (p[n] = mem_alloc(4000, 32)))
		n++;
	CHECK(n > 250 && n < 262);
	CHECK(!mem_alloc(4000, 32));
	/* Free in an order in which blocks join with the block before, with the block behind, and with both. */
	for (unsigned i = 0; i < n; i += 3)
		mem_free(p[i]);
	for (unsigned i = 1; i < n; i += 3)
		mem_free(p[i]);
	for (unsigned i = 2; i < n; i += 3)
		mem_free(p[i]);
	CHECK_EQ(heap_in_use(), 0);
	void *all = mem_alloc(SIZE - 64, 32);
	CHECK(all);
	mem_free(all);
}

TEST(sizes_that_cannot_be)
{
	start();
	CHECK(!mem_alloc(SIZE, 32));
	CHECK(!mem_alloc(2 * SIZE, 4096));
	CHECK(!mem_alloc(1, 64u << 20) || IS_ALIGNED((uintptr_t)arena, 64u << 20));
	mem_free(NULL);
	CHECK_EQ(heap_in_use(), 0);
}

TEST(pages_lie_side_by_side)
{
	void *p[200], *small;

	start();
	for (unsigned i = 0; i < ARRAY_SIZE(p); i++) {
		p[i] = mem_alloc(4096, 4096);
		CHECK(p[i] && IS_ALIGNED((uintptr_t)p[i], 4096));
	}
	CHECK_EQ(heap_in_use(), ARRAY_SIZE(p) * MEM_COST_PAGES(4096));
	/* The 32 bytes before the next multiple of 64 cannot be used. */
	small = mem_alloc(100, 64);
	CHECK(heap_in_use() <= ARRAY_SIZE(p) * MEM_COST_PAGES(4096) + MEM_COST(100));
	mem_free(small);
	for (unsigned i = 0; i < ARRAY_SIZE(p); i += 2)
		mem_free(p[i]);
	for (unsigned i = 1; i < ARRAY_SIZE(p); i += 2)
		mem_free(p[i]);
	CHECK_EQ(heap_in_use(), 0);
	CHECK(mem_alloc(SIZE - 64, 32));
}

static size_t asked;

static int grow(size_t need)
{
	asked = need;
	if (need > SIZE / 2)
		return -ERR_NOMEM;
	heap_add(arena + SIZE / 2, SIZE / 2);
	return 0;
}

TEST(a_full_heap_grows)
{
	start();
	heap_init(arena, SIZE / 4);
	CHECK(!mem_alloc(SIZE / 4, 4096));
	heap_set_grow(grow);
	CHECK(!mem_alloc(SIZE, 4096));
	CHECK(asked > SIZE);
	uint8_t *p = mem_alloc(SIZE / 4, 4096);
	CHECK(p >= arena + SIZE / 2 && filled(p, SIZE / 4, 0));
	CHECK_EQ(heap_size(), SIZE / 4 + SIZE / 2);
	mem_free(p);
	CHECK_EQ(heap_in_use(), 0);
}

static uint32_t rng = 12345;

static uint32_t rnd(uint32_t n)
{
	rng = rng * 1664525 + 1013904223;
	return (rng >> 8) % n;
}

TEST(random_life)
{
	struct { uint8_t *p; size_t size; uint8_t tag; } slot[SLOTS] = { 0 };

	start();
	for (unsigned round = 0; round < 20000; round++) {
		unsigned i = rnd(SLOTS);

		if (slot[i].p) {
			CHECK(filled(slot[i].p, slot[i].size, slot[i].tag));
			mem_free(slot[i].p);
			slot[i].p = NULL;
			continue;
		}
		slot[i].size = 1 + rnd(rnd(8) ? 3000 : 60000);
		slot[i].p = mem_alloc(slot[i].size, 1u << rnd(14));
		slot[i].tag = (uint8_t)round;
		if (slot[i].p) {
			CHECK(filled(slot[i].p, slot[i].size, 0));
			memset(slot[i].p, slot[i].tag, slot[i].size);
		}
	}
	for (unsigned i = 0; i < SLOTS; i++)
		mem_free(slot[i].p);
	CHECK_EQ(heap_in_use(), 0);
	CHECK(filled(arena + SIZE, 64, 0xa5));
}

static unsigned panics;

/* panic() must not return, and the harness would count a panic as a failure: jump back into the test. */
static void *jump[5];

void panic(const char *fmt, ...)
{
	panics++;
	__builtin_longjmp(jump, 1);
}

TEST(a_free_of_something_else_stops_veneer)
{
	start();
	uint8_t *p = mem_alloc(256, 32);

	panics = 0;
	if (!__builtin_setjmp(jump))
		mem_free(p + 64);
	CHECK_EQ(panics, 1);
	mem_free(p);
	if (!__builtin_setjmp(jump))
		mem_free(p);
	CHECK_EQ(panics, 2);
}

TEST_MAIN
