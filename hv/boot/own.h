/* SPDX-License-Identifier: BSD-2-Clause */
/* Veneer's own memory: the image with the first heap, and what the heap grows by while the devices start.  Start only. */
#ifndef HV_BOOT_OWN_H
#define HV_BOOT_OWN_H

#include <veneer/types.h>

struct boot_info;

/*
 * Take the image's range out of the memory map @b, and a rest of less than 2 MiB behind it.  From now on the heap grows by
 * further ranges when it is full.  0, or -ERR_INVAL after a line: the boot loader put Veneer over what is no usable memory.
 * Before the first page table.
 */
int own_init(struct boot_info *b);

/*
 * Take what the machine needs, in one piece if possible: @need free bytes of heap, and @total of Veneer's own memory in all.
 * Says where all is.  What could not be had is asked for again by mem_alloc(), and told by own_close().
 */
#define OWN_MIN		0x400000u		/* the least that is hidden */
void own_size(uint64_t need, uint64_t total);

/*
 * Nothing is taken from now on: hide all that was taken from the guest, and leave @bytes free for what comes.  0, or
 * -ERR_NOMEM after a line with need and have: something was left out for want of memory, or a range cannot be hidden.
 * After the devices' start, before the guest is loaded.
 */
int own_close(uint64_t bytes);

/* Whether physical address @addr is Veneer's. */
bool own_memory(uint64_t addr);

#endif
