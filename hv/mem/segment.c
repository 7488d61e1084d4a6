/* SPDX-License-Identifier: BSD-2-Clause */
/* Drops the parts of the image that only the start needs, or another machine (contract in segment.h, layout in veneer.lds). */
#include <veneer/err.h>
#include <veneer/lock.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include "hv/mem/heap.h"
#include "hv/mem/paging.h"
#include "hv/mem/segment.h"

/* A row of the table that scripts/segments writes. */
struct segment {
	char name[8];
	uint32_t start, end;		/* offsets from veneer_start; the rows are in this order */
	uint32_t bit;			/* of the part; 0: the start's */
	uint32_t users;			/* the bits of the parts that need it, its own included */
};

extern const struct segment veneer_segments[], veneer_segments_end[];
extern const uint64_t veneer_data_end[], veneer_variables[], veneer_start_bss_start[];

static uint32_t used;			/* bits */
static bool dropped;

static struct lock lock;
static const struct segment *reserve;	/* under the lock: the next row whose pages the heap has not got */

static bool goes(const struct segment *s)
{
	return !(s->users & used);
}

static const struct segment *find_segment(uint64_t addr)
{
	uint64_t off = addr - mem_phys(veneer_start);

	for (const struct segment *s = veneer_segments; s < veneer_segments_end; s++)
		if (off >= s->start && off < s->end)
			return s;
	return NULL;
}

void segment_use(const void *code)
{
	const struct segment *s = find_segment(mem_phys(code));

	if (s)
		used |= s->bit;
}

const char *segment_gone(uint64_t addr)
{
	const struct segment *s = dropped ? find_segment(addr) : NULL;

	return s && goes(s) ? s->name : NULL;
}

/*
 * True if there is a pointer into a part that goes.  The address of the image's very first byte does not count: Veneer's range
 * begins there, and lists of ranges hold this address.
 */
static bool points_there(const uint64_t *from, const uint64_t *to)
{
	uint64_t first = mem_phys(veneer_start), size = (uint64_t)(veneer_heap - veneer_start);

	for (; from < to; from++) {
		if (*from - first - 1 >= size - 1)
			continue;
		const struct segment *s = find_segment(*from);

		/* A page shared with a part that stays is still mapped, and its page table entry looks like a pointer. */
		if (s && goes(s) && !paging_is_mapped(*from)) {
			log_warn("memory: %p holds %#lx (image + %#lx), which is for the start only: it all stays mapped", from,
				 *from, *from - first);
			return true;
		}
	}
	return false;
}

/* Do not search the boot processor's stack: its contents are the start's. */
static bool is_pointed_at(void)
{
	return points_there((const uint64_t *)veneer_data, veneer_data_end) ||
	       points_there(veneer_variables, veneer_start_bss_start) || heap_find(points_there);
}

/* Get the pages of the next adjacent rows that go, from *@at on, and set *@at behind these rows.  False: there are none. */
static bool next_stretch(const struct segment **at, uint64_t *base, uint64_t *size)
{
	for (const struct segment *s = *at; s < veneer_segments_end; s = *at) {
		uint64_t start = s->start, end = s->start;

		for (; s < veneer_segments_end && goes(s) && s->start == end; s++)
			end = s->end;
		*at = MAX(s, *at + 1);
		start = ALIGN_UP(start, (uint64_t)PAGE_SIZE);
		end = ALIGN_DOWN(end, (uint64_t)PAGE_SIZE);
		if (start >= end)
			continue;
		*base = mem_phys(veneer_start) + start;
		*size = end - start;
		return true;
	}
	return false;
}

/* 0; or negative, and some pages may be unmapped. */
static int unmap(void)
{
	const struct segment *at = veneer_segments;
	uint64_t base, size;
	int err = 0;

	while (!err && next_stretch(&at, &base, &size))
		err = paging_unmap(base, size);
	return err;
}

static void segment_report(void)
{
	uint64_t stays = (uint64_t)(veneer_data - veneer_start), gone = 0, base, size;
	const struct segment *at = veneer_segments;

	while (dropped && next_stretch(&at, &base, &size)) {
		gone += size;
		if (base < mem_phys(veneer_data))
			stays -= size;
	}
	log_info("memory: %lu KiB of code and constants stay mapped, %lu KiB were for the start only",
		 stays / 1024, gone / 1024);
}

/*
 * Give the unmapped pages to the full heap, one range after the other.  Until then a stray access to them faults.  A page that
 * was not mapped is in no TLB, so no flush is needed.
 */
static int grow(size_t need)
{
	bool enough = false;
	uint64_t base, size;

	lock_acquire(&lock);
	while (!enough && next_stretch(&reserve, &base, &size)) {
		if (paging_map_plain(base, size))
			continue;
		memset((void *)(uintptr_t)base, 0, size);
		heap_add((void *)(uintptr_t)base, size);
		enough = size >= need;
	}
	lock_release(&lock);
	return enough ? 0 : -ERR_NOMEM;
}

void segment_drop(void (*flush)(void))
{
	/* Unmap the pages first, or the search would take their page table entries for pointers. */
	int err = unmap();

	flush();
	if (err || is_pointed_at()) {
		/* Cannot fail: the tables for these pages exist.  And mapping an unmapped page needs no flush. */
		paging_map_image();
	} else {
		dropped = true;
		reserve = veneer_segments;
		heap_set_grow(grow);
	}
	segment_report();
}
