/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Veneer's own memory.  Everything is mapped at its physical address (virtual = physical) and lies below 4 GiB, so a
 * pointer into it can be given to any device with at least 32-bit addressing.
 */
#ifndef VENEER_MEM_H
#define VENEER_MEM_H

#include <veneer/types.h>

/*
 * @size bytes, physically contiguous, zeroed, aligned to @align (a power of two; at least 16 is given).
 * NULL when the heap is full: the caller logs what it was for.  Start and the opening of devices only, never on a data path.
 * While devices start the heap grows at the guest's cost, so NULL means that the machine has no more.
 */
void *mem_alloc(size_t size, size_t align);

/* What mem_alloc() takes out of the heap for @size bytes, aligned to 64 at most; and for whole pages, aligned to one. */
#define MEM_HEAD		32u
#define MEM_COST(size)		(ALIGN_UP((size_t)(size), 64u) + 2 * MEM_HEAD)
#define MEM_COST_PAGES(size)	(ALIGN_UP((size_t)(size), (size_t)PAGE_SIZE) + MEM_HEAD + 32u)

/* Give back what mem_alloc() gave; NULL is ignored. */
void mem_free(void *p);

/* The bus address of memory of our own. */
static inline uint64_t mem_phys(const volatile void *p)
{
	return (uint64_t)(uintptr_t)p;
}

/*
 * Map device registers at @phys, @size bytes, uncached.  NULL when the page tables cannot hold them.
 * Mappings live for ever.
 */
volatile void *mem_map_mmio(uint64_t phys, uint64_t size);

/*
 * At the start: the machine has what the part of the image that holds this function is for (hv/boot/segments).  A part of which
 * no function is named so is unmapped before the guest runs.  A function that belongs to none is ignored.
 */
void segment_use(const void *code);

#endif
