/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/mem/segment.c */
/* Which pages are unmapped, when all stay mapped, and which pages the heap gets. */
#include "host/host.h"
#include <veneer/err.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include "hv/mem/heap.h"
#include "hv/mem/paging.h"
#include "hv/mem/segment.h"

#define PAGE	4096

/* An image: a page of the start, a page for each of two parts (the second needs the first), more parts, the rest, variables. */
__asm__(".data\n.balign 4096\n.globl veneer_start\nveneer_start: .skip 6 * 4096\n"
	".globl veneer_data, veneer_variables\nveneer_data: veneer_variables: .skip 4096\n"
	".globl veneer_data_end, veneer_start_bss_start, veneer_heap\n"
	"veneer_data_end: veneer_start_bss_start: veneer_heap: .skip 8\n"
	".section .rodata\n.globl veneer_segments, veneer_segments_end\nveneer_segments:\n"
	".ascii \"start\\0\\0\\0\"\n.long 0, 4096, 0, 0\n"
	".ascii \"first\\0\\0\\0\"\n.long 4096, 2 * 4096, 1, 3\n"
	".ascii \"second\\0\\0\"\n.long 2 * 4096, 3 * 4096, 2, 2\n"
	/* Three parts in two pages: the middle part is in both. */
	".ascii \"third\\0\\0\\0\"\n.long 3 * 4096, 3 * 4096 + 64, 4, 4\n"
	".ascii \"fourth\\0\\0\"\n.long 3 * 4096 + 64, 4 * 4096 + 64, 8, 8\n"
	".ascii \"fifth\\0\\0\\0\"\n.long 4 * 4096 + 64, 5 * 4096, 16, 16\n"
	"veneer_segments_end:\n.text");

static unsigned unmapped, flushed, added;	/* a bit for each page */
static unsigned restored;
static bool unmap_fails;
static heap_grow_fn *grow;
static uint64_t heap_word;

static unsigned pages(uint64_t base, uint64_t size)
{
	unsigned set = 0;

	for (uint64_t p = base; p < base + size; p += PAGE)
		set |= 1u << (p - mem_phys(veneer_start)) / PAGE;
	return set;
}

int paging_unmap(uint64_t base, uint64_t size)
{
	if (unmap_fails)
		return -ERR_NOMEM;
	unmapped |= pages(base, size);
	return 0;
}

int paging_map_plain(uint64_t base, uint64_t size)
{
	unmapped &= ~pages(base, size);
	return 0;
}

int paging_map_image(void)
{
	unmapped = 0;
	restored++;
	return 0;
}

bool paging_is_mapped(uint64_t addr) { return !(unmapped & pages(ALIGN_DOWN(addr, (uint64_t)PAGE), 1)); }

void heap_add(void *base, size_t size)
{
	for (size_t i = 0; i < size; i++)
		CHECK_EQ(((char *)base)[i], 0);
	added |= pages(mem_phys(base), size);
}

void heap_set_grow(heap_grow_fn *fn) { grow = fn; }
bool heap_find(bool (*match)(const uint64_t *from, const uint64_t *to)) { return match(&heap_word, &heap_word + 1); }

static void flush(void) { flushed = unmapped; }

static void restores(const char *what, unsigned times)
{
	segment_drop(flush);
	if (unmapped || restored != times || grow)
		host_fail(__FILE__, __LINE__, "%s: all does not stay mapped", what);
}

TEST(what_is_pointed_at_keeps_it_all_mapped)
{
	uint64_t *variables = (uint64_t *)veneer_data;

	variables[7] = mem_phys(veneer_start) + 12;
	restores("a pointer in a variable", 1);
	CHECK(!segment_gone(variables[7]));
	variables[7] = 0;

	heap_word = mem_phys(veneer_start) + 2 * PAGE - 1;
	restores("a pointer in the heap", 2);
	heap_word = 0;

	unmap_fails = true;
	restores("no memory for page tables", 3);
	unmap_fails = false;
}

/* From here on the tests depend on their order. */
TEST(drops_the_start_and_unused_parts)
{
	uint64_t start = mem_phys(veneer_start);

	memset(veneer_start, 0x5a, 6 * PAGE);
	/* These stay: the second part, which needs the first; the fifth, whose page the fourth shares; and pages of no part. */
	segment_use(veneer_start + 2 * PAGE + 5);
	segment_use(veneer_start + 5 * PAGE - 5);
	segment_use(veneer_start + 5 * PAGE + 5);
	heap_word = start + 2 * PAGE;
	((uint64_t *)veneer_data)[0] = start;	/* the image's beginning: an address range, not a pointer */
	((uint64_t *)veneer_data)[1] = start + 5 * PAGE;
	/* The unused fourth part shares this page with the fifth: the page table entry stays. */
	((uint64_t *)veneer_data)[2] = start + 4 * PAGE + 0x21;
	segment_drop(flush);
	CHECK_EQ(unmapped, 1 | 8);
	CHECK_EQ(flushed, 1 | 8);
	CHECK(segment_gone(start + 5) && !strcmp(segment_gone(start + 5), "start"));
	CHECK(!segment_gone(start + PAGE));
	CHECK(!segment_gone(start + 2 * PAGE));
	CHECK(segment_gone(start + 3 * PAGE) && !strcmp(segment_gone(start + 3 * PAGE), "third"));
	CHECK(!segment_gone(start + 5 * PAGE));
	CHECK(!segment_gone(start - 1));
}

TEST(heap_gets_the_pages_when_it_is_full)
{
	CHECK_EQ(added, 0);
	CHECK_EQ(grow(PAGE), 0);
	CHECK_EQ(added, 1);
	CHECK_EQ(unmapped, 8);
	CHECK_EQ(grow(2 * PAGE), -ERR_NOMEM);
	CHECK_EQ(added, 1 | 8);
	CHECK_EQ(unmapped, 0);
	CHECK_EQ(grow(1), -ERR_NOMEM);
}

TEST_MAIN
