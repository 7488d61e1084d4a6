/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The heap: a first-fit list of free blocks, over the rest of Veneer's image and the memory that own.c takes beside the image.
 * Used while devices start; speed does not matter, but an unwind has to give everything back.
 *
 * Whole pages come from the highest block and have no head before them, so that they lie side by side; a list elsewhere holds
 * their addresses.  All other allocations have a head and come from the lowest block that fits.
 */
#include <veneer/lock.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include "hv/mem/heap.h"

/* The head directly before each allocated block that is not whole pages. */
struct head {
	uint64_t magic;
	size_t size;		/* from start on, everything included */
	void *start;		/* of the free block from which this block was cut */
	uint64_t pad;
};
_Static_assert(sizeof(struct head) == MEM_HEAD, "MEM_COST() counts it");

struct free_block {
	struct free_block *next;	/* by address */
	size_t size;
};

/* Allocated whole pages. */
struct pages {
	struct pages *next;
	uint8_t *base;
	size_t size;
};
_Static_assert(sizeof(struct pages) <= 32, "MEM_COST_PAGES() counts it");

#define HEAD_MAGIC	0x56656e6565724d65ull
#define CUT_MIN		64u		/* a smaller rest stays with the block */

static struct lock lock;
static struct free_block *free_list;
static struct pages *pages_list;
static uint64_t heap_used, heap_total;
static heap_grow_fn *grow;
static struct { const char *from, *to; } range[HEAP_RANGES];
static unsigned nranges;			/* if more than HEAP_RANGES, range[] lacks the others */

/* Put a block into the list, and join it with adjacent free blocks. */
static void heap_put(void *start, size_t size)
{
	struct free_block *b = start, *before = NULL, *next = free_list;

	while (next && next < b) {
		before = next;
		next = next->next;
	}
	b->next = next;
	b->size = size;
	if (next && (char *)b + size == (char *)next) {
		b->size += next->size;
		b->next = next->next;
	}
	if (!before) {
		free_list = b;
	} else if ((char *)before + before->size == (char *)b) {
		before->size += b->size;
		before->next = b->next;
	} else {
		before->next = b;
	}
}

void heap_init(void *base, size_t size)
{
	free_list = NULL;
	pages_list = NULL;
	grow = NULL;
	heap_used = heap_total = 0;
	nranges = 0;
	heap_add(base, size);
}

void heap_add(void *base, size_t size)
{
	lock_acquire(&lock);
	heap_put(base, size);
	heap_total += size;
	if (nranges++ < HEAP_RANGES) {
		range[nranges - 1].from = base;
		range[nranges - 1].to = (const char *)base + size;
	}
	lock_release(&lock);
}

void heap_set_grow(heap_grow_fn *fn)
{
	grow = fn;
}

static void take_out(struct free_block *b)
{
	struct free_block **at = &free_list;

	while (*at != b)
		at = &(*at)->next;
	*at = b->next;
}

/* Cut [at, at + size) out of a free block; the rest on both sides stays free. */
static void block_cut(struct free_block *b, uintptr_t at, size_t size)
{
	uintptr_t start = (uintptr_t)b, end = start + b->size;

	take_out(b);
	if (at > start)
		heap_put((void *)start, at - start);
	if (end > at + size)
		heap_put((void *)(at + size), end - at - size);
	memset((void *)at, 0, size);
	heap_used += size;
}

static void *alloc(size_t size, size_t align)
{
	align = MAX(align, (size_t)32);
	size = ALIGN_UP(size, (size_t)32);
	for (struct free_block *b = free_list; b; b = b->next) {
		uintptr_t start = (uintptr_t)b, end = start + b->size, at, stop;
		uintptr_t user = ALIGN_UP(start + sizeof(struct head), align);

		if (user < start || user > end || size > end - user)
			continue;
		at = user - sizeof(struct head) - start < CUT_MIN ? start : user - sizeof(struct head);
		stop = end - user - size < CUT_MIN ? end : user + size;
		block_cut(b, at, stop - at);

		struct head *h = (struct head *)(user - sizeof(*h));

		h->magic = HEAD_MAGIC;
		h->size = stop - at;
		h->start = (void *)at;
		return (void *)user;
	}
	return NULL;
}

static void give_back(struct head *h)
{
	heap_used -= h->size;
	h->magic = 0;
	heap_put(h->start, h->size);
}

static void *alloc_pages(size_t size, size_t align)
{
	struct pages *p = alloc(sizeof(*p), 32);
	struct free_block *hit = NULL;
	uintptr_t at = 0;

	size = ALIGN_UP(size, (size_t)PAGE_SIZE);
	for (struct free_block *b = free_list; p && b; b = b->next) {
		uintptr_t start = (uintptr_t)b, end = start + b->size, low;

		if (size > b->size)
			continue;
		low = ALIGN_DOWN(end - size, align);
		if (low < start)
			continue;
		hit = b;
		at = low;
	}
	if (!hit) {
		if (p)
			give_back((struct head *)p - 1);
		return NULL;
	}
	block_cut(hit, at, size);
	*p = (struct pages){ pages_list, (uint8_t *)at, size };
	pages_list = p;
	return p->base;
}

/* Free whole pages; false if none were allocated at @base. */
static bool free_pages(uint8_t *base)
{
	struct pages **at = &pages_list, *p;

	while (*at && (*at)->base != base)
		at = &(*at)->next;
	p = *at;
	if (!p)
		return false;
	*at = p->next;
	heap_used -= p->size;
	heap_put(p->base, p->size);
	give_back((struct head *)p - 1);
	return true;
}

static bool free_block(void *p)
{
	struct head *h = (struct head *)((uintptr_t)p - sizeof(*h));

	if (h->magic != HEAD_MAGIC)
		return false;
	give_back(h);
	return true;
}

static void *try(size_t size, size_t align)
{
	lock_acquire(&lock);
	void *p = align >= PAGE_SIZE ? alloc_pages(size, align) : alloc(size, align);
	lock_release(&lock);
	return p;
}

void *mem_alloc(size_t size, size_t align)
{
	void *p = try(size, align);

	/* Ask for the worst case of alignment, and for the head or the entry of the list. */
	if (!p && grow && !grow(ALIGN_UP(size, (size_t)PAGE_SIZE) + MAX(align, (size_t)PAGE_SIZE)))
		p = try(size, align);
	return p;
}

void mem_free(void *p)
{
	if (!p)
		return;
	lock_acquire(&lock);
	bool ours = (IS_ALIGNED((uintptr_t)p, (uintptr_t)PAGE_SIZE) && free_pages(p)) || free_block(p);
	lock_release(&lock);
	if (!ours)
		panic("heap: free of %p, which the heap did not give", p);
}

static bool find_in(const char *at, const char *to, bool (*match)(const uint64_t *from, const uint64_t *to))
{
	for (const struct free_block *b = free_list; b && (const char *)b < to; b = b->next) {
		if ((const char *)b > at && match((const uint64_t *)at, (const uint64_t *)b))
			return true;
		at = MAX(at, (const char *)b + b->size);
	}
	return at < to && match((const uint64_t *)at, (const uint64_t *)to);
}

bool heap_find(bool (*match)(const uint64_t *from, const uint64_t *to))
{
	lock_acquire(&lock);
	bool found = nranges > HEAP_RANGES;
	for (unsigned i = 0; i < nranges && !found; i++)
		found = find_in(range[i].from, range[i].to, match);
	lock_release(&lock);
	return found;
}

bool heap_pages(unsigned n, uint64_t *base, uint64_t *size)
{
	lock_acquire(&lock);
	const struct pages *p = pages_list;

	while (p && n--)
		p = p->next;
	if (p) {
		*base = mem_phys(p->base);
		*size = p->size;
	}
	lock_release(&lock);
	return p;
}

uint64_t heap_in_use(void)
{
	return heap_used;
}

uint64_t heap_size(void)
{
	return heap_total;
}
