/* SPDX-License-Identifier: BSD-2-Clause */
/* The heap behind <veneer/mem.h>. */
#ifndef HV_HEAP_H
#define HV_HEAP_H

#include <veneer/types.h>

/* Give the heap its memory: once, before the first mem_alloc(). */
void heap_init(void *base, size_t size);

/* Give the heap more memory, for ever: page-aligned, in whole pages. */
void heap_add(void *base, size_t size);

/* Called without the heap's lock if mem_alloc() finds no room: 0 after a heap_add() of @need bytes or more.  NULL: none set. */
typedef int heap_grow_fn(size_t need);
void heap_set_grow(heap_grow_fn *fn);

/*
 * True if @match is true for an allocated block, [from, to).  Also true if heap_add() has added more than HEAP_RANGES ranges:
 * the heap then does not know all of them.
 */
#define HEAP_RANGES	32u
bool heap_find(bool (*match)(const uint64_t *from, const uint64_t *to));

/* Allocation @n of whole pages that is in use, in any order; false behind the last.  Start only. */
bool heap_pages(unsigned n, uint64_t *base, uint64_t *size);

/* Return the bytes that are allocated now, and all bytes of the heap. */
uint64_t heap_in_use(void);
uint64_t heap_size(void);

#endif
