/* SPDX-License-Identifier: BSD-2-Clause */
/* A piece of physical memory in a scatter-gather list: already checked by gmem, or our own. */
#ifndef VENEER_SG_H
#define VENEER_SG_H

#include <veneer/types.h>

struct sg {
	uint64_t addr;		/* physical, any alignment */
	uint32_t len;		/* bytes, never 0 */
};

/* Copy between an sg list and flat memory, starting @skip bytes into the list; returns the bytes copied. */
size_t sg_copy_to(const struct sg *sg, unsigned nsg, size_t skip, const void *src, size_t len);
size_t sg_copy_from(const struct sg *sg, unsigned nsg, size_t skip, void *dst, size_t len);

/*
 * The sub-list [@skip, @skip + @len) of @sg into @out (room for @max); returns the number of pieces, or -ERR_NOMEM
 * when @max is too small, -ERR_INVAL when @sg is shorter.
 */
int sg_slice(const struct sg *sg, unsigned nsg, uint64_t skip, uint64_t len, struct sg *out, unsigned max);

uint64_t sg_bytes(const struct sg *sg, unsigned nsg);

#endif
