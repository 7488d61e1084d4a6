/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The heap: a first-fit list of free blocks over the rest of Veneer's 4 MiB.  Used while devices start; speed is no matter,
 * that an unwind gives everything back is.
 */
#include <veneer/lock.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include "hv/mem/heap.h"

/* Stands directly before each block that was given out. */
struct head {
	uint64_t magic;
	size_t size;		/* of everything from start on */
	void *start;		/* of the free block that it was cut from */
	uint64_t pad;
};

struct free_block {
	struct free_block *next;	/* by address */
	size_t size;
};

#define HEAD_MAGIC	0x56656e6565724d65ull

static struct lock lock;
static struct free_block *free_list;
static uint64_t heap_used, heap_peak;

void heap_init(void *base, size_t size)
{
	free_list = base;
	free_list->next = NULL;
	free_list->size = size;
}

static void *alloc(size_t size, size_t align)
{
	if (align < 32)
		align = 32;
	size = ALIGN_UP(size, (size_t)32);
	for (struct free_block **at = &free_list; *at; at = &(*at)->next) {
		struct free_block *b = *at;
		uintptr_t start = (uintptr_t)b, user = ALIGN_UP(start + sizeof(struct head), align);
		size_t need = user - start + size, bsize = b->size;

		if (need > bsize)
			continue;
		if (bsize - need >= 64) {
			struct free_block *rest = (struct free_block *)(start + need);

			rest->next = b->next;
			rest->size = bsize - need;
			*at = rest;
		} else {
			need = bsize;
			*at = b->next;
		}
		struct head *h = (struct head *)(user - sizeof(*h));
		memset((void *)start, 0, need);
		h->magic = HEAD_MAGIC;
		h->size = need;
		h->start = (void *)start;
		heap_used += need;
		heap_peak = MAX(heap_peak, heap_used);
		return (void *)user;
	}
	return NULL;
}

static void give_back(struct head *h)
{
	struct free_block *b = h->start, **at = &free_list;
	size_t size = h->size;

	heap_used -= size;
	h->magic = 0;
	while (*at && *at < b)
		at = &(*at)->next;
	b->next = *at;
	b->size = size;
	*at = b;
	/* Join with what lies behind, and with what lies before. */
	for (b = free_list; b && b->next; ) {
		if ((char *)b + b->size == (char *)b->next) {
			b->size += b->next->size;
			b->next = b->next->next;
		} else {
			b = b->next;
		}
	}
}

void *mem_alloc(size_t size, size_t align)
{
	lock_acquire(&lock);
	void *p = alloc(size, align);
	lock_release(&lock);
	return p;
}

void mem_free(void *p)
{
	if (!p)
		return;
	struct head *h = (struct head *)((uintptr_t)p - sizeof(*h));
	if (h->magic != HEAD_MAGIC)
		panic("heap: free of %p, which the heap did not give", p);
	lock_acquire(&lock);
	give_back(h);
	lock_release(&lock);
}

uint64_t heap_in_use(void)
{
	return heap_used;
}
