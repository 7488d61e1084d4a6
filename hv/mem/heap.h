/* SPDX-License-Identifier: BSD-2-Clause */
/* The heap behind <veneer/mem.h>. */
#ifndef HV_HEAP_H
#define HV_HEAP_H

#include <veneer/types.h>

/* Give the heap its memory: once, before the first mem_alloc(). */
void heap_init(void *base, size_t size);
/* Bytes that are allocated now. */
uint64_t heap_in_use(void);

#endif
