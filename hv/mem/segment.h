/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parts of Veneer's image that are not needed once the guest runs.  hv/boot/segments names the parts; scripts/segments lays
 * them out one behind the other and proves that no part that stays refers to a part that goes.
 */
#ifndef HV_SEGMENT_H
#define HV_SEGMENT_H

#include <veneer/types.h>

/*
 * Unmap what the start alone needed, and the optional parts for which segment_use() was not called.  The heap gets the pages,
 * zeroed, once it is full.  The last step of the start, on the boot processor, before the guest's first instruction; the other
 * processors are parked.  @flush flushes the old translations on every processor.  A pointer in Veneer's variables or heap
 * into one of these pages keeps them all mapped, after a warning.  The log says what stays.
 */
void segment_drop(void (*flush)(void));

/* Return the unmapped part that holds @addr; NULL if none does. */
const char *segment_gone(uint64_t addr);

#endif
