/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Veneer's own memory: the image with the first heap, and the ranges by which the heap grows while the devices start.  Start
 * only.
 */
#ifndef HV_BOOT_OWN_H
#define HV_BOOT_OWN_H

#include <veneer/types.h>

struct boot_info;

/*
 * Remove the image's range from the memory map @b, and a remainder of less than 2 MiB behind it.  From now on a full heap grows
 * by further ranges.  0, or -ERR_INVAL after a line: the boot loader put Veneer into memory that is not usable.  Call before
 * the first page table is made.
 */
int own_init(struct boot_info *b);

/*
 * Take the memory that this machine needs, in one piece if possible: @need free bytes of heap, @total bytes of Veneer's memory
 * in all.  Logs all ranges.  If memory is missing, mem_alloc() tries again, and own_close() reports it.
 */
#define OWN_MIN		0x400000u		/* the least that is hidden */
void own_size(uint64_t need, uint64_t total);

/*
 * End the growth: hide all of Veneer's ranges from the guest, with @bytes of heap still free for later.  0, or -ERR_NOMEM after
 * a line with the bytes needed and present: an allocation failed before, or a range cannot be hidden.  Call after the devices'
 * start and before the guest is loaded.
 */
int own_close(uint64_t bytes);

/* Get range @n, from 0 on, of Veneer's present memory; false behind the last. */
bool own_piece(unsigned n, uint64_t *base, uint64_t *size);

/* Get the part of the image without the heap: code, constants, variables. */
void own_image(uint64_t *base, uint64_t *size);

/*
 * Until own_close(): call @fn with each range that Veneer takes, before the heap has it.  If @fn fails the range is not used,
 * and the start stops as if memory were missing.
 */
void own_on_take(int (*fn)(uint64_t base, uint64_t size));

/* True if physical address @addr is in Veneer's memory. */
bool own_memory(uint64_t addr);

#endif
