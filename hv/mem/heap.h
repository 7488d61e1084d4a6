/* SPDX-License-Identifier: BSD-2-Clause */
/* The heap behind <veneer/mem.h>. */
#ifndef HV_HEAP_H
#define HV_HEAP_H

#include <veneer/types.h>

/* Give the heap its memory: once, before the first mem_alloc(). */
void heap_init(void *base, size_t size);

/* More memory for the heap, for ever: page-aligned, in whole pages. */
void heap_add(void *base, size_t size);

/* Called without the heap's lock when mem_alloc() finds no room: 0 after a heap_add() of @need bytes or more.  NULL: nobody. */
typedef int heap_grow_fn(size_t need);
void heap_set_grow(heap_grow_fn *fn);

/*
 * Whether @match is true of what is allocated, block by block: [from, to).  True, too, if heap_add() has given more than
 * HEAP_RANGES stretches, which are then not all known.
 */
#define HEAP_RANGES	32u
bool heap_find(bool (*match)(const uint64_t *from, const uint64_t *to));

/* Bytes that are allocated now, and of all that the heap has. */
uint64_t heap_in_use(void);
uint64_t heap_size(void);

#endif
