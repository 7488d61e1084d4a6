/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Veneer's own memory.  Everything is mapped at its physical address (virtual = physical) and lies below 4 GiB, so a
 * pointer into it can be given to any device with at least 32-bit addressing.
 */
#ifndef VENEER_MEM_H
#define VENEER_MEM_H

#include <veneer/types.h>

/*
 * Allocate @size bytes, physically contiguous, zeroed, aligned to @align (a power of two) and to at least 16.  Returns NULL if
 * the heap is full: the caller logs the purpose.  Only at the start and while devices start, never on a data path.  While
 * devices start, the heap grows at the guest's cost, so NULL means that the machine has no more memory.
 */
void *mem_alloc(size_t size, size_t align);

/* The heap memory that mem_alloc() takes for @size bytes, aligned to 64 at most; and for whole pages, aligned to a page. */
#define MEM_HEAD		32u
#define MEM_COST(size)		(ALIGN_UP((size_t)(size), 64u) + 2 * MEM_HEAD)
#define MEM_COST_PAGES(size)	(ALIGN_UP((size_t)(size), (size_t)PAGE_SIZE) + MEM_HEAD + 32u)

/* Free memory of mem_alloc(); NULL is ignored. */
void mem_free(void *p);

/* Return the bus address of Veneer's own memory. */
static inline uint64_t mem_phys(const volatile void *p)
{
	return (uint64_t)(uintptr_t)p;
}

/*
 * Map @size bytes of device registers at @phys, uncached.  Returns NULL if there is no memory for page tables.  Mappings
 * live for ever.
 */
volatile void *mem_map_mmio(uint64_t phys, uint64_t size);

/*
 * Keep the part of the image that holds this function mapped (hv/boot/segments): the machine has the device or processor
 * of that part.  Parts without such a call are unmapped before the guest runs.  A function in no part is ignored.  Start only.
 */
void segment_use(const void *code);

#endif
