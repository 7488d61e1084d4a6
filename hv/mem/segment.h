/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What of Veneer's image is needed no more once the guest runs.  hv/boot/segments names the parts, scripts/segments lays them
 * out one behind the other and proves that what stays does not name what goes.
 */
#ifndef HV_SEGMENT_H
#define HV_SEGMENT_H

#include <veneer/types.h>

/*
 * Unmap what the start alone needed, and the optional parts of which segment_use() saw none; the heap gets the pages,
 * zeroed, once it is full.  The last thing that the start does, on the boot processor, before the guest's first instruction;
 * the others are parked.  @flush drops the old translations on every processor.  A pointer in Veneer's variables or heap
 * that leads into what goes keeps all of it mapped, after a warning.  Says in the log what stays.
 */
void segment_drop(void (*flush)(void));

/* The part that was unmapped and @addr belongs to; NULL when it was none. */
const char *segment_gone(uint64_t addr);

#endif
