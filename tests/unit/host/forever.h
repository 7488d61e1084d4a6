/* SPDX-License-Identifier: BSD-2-Clause */
/* A heap for what lives for ever, longer than a test's heap.  Define FOREVER before, its bytes, if they are not these. */
#ifndef HOST_FOREVER_H
#define HOST_FOREVER_H

#include <veneer/mem.h>
#include "host/host.h"

#ifndef FOREVER
#define FOREVER	8192
#endif

void *mem_alloc(size_t n, size_t align)
{
	static uint8_t heap[FOREVER] __attribute__((aligned(64)));
	static size_t used;
	void *p = heap + ALIGN_UP(used, align);

	used = ALIGN_UP(used, align) + n;
	CHECK(used <= sizeof(heap));
	return p;
}

void mem_free(void *p)
{
	CHECK(!p);
}

#endif
