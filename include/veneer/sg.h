/* SPDX-License-Identifier: BSD-2-Clause */
/* A piece of physical memory in a scatter-gather list: guest memory that gmem has checked, or Veneer's own. */
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
 * Write the sub-list [@skip, @skip + @len) of @sg to @out, which has room for @max pieces.  Returns the number of pieces,
 * -ERR_NOMEM if @max is too small, or -ERR_INVAL if @sg is shorter.
 */
int sg_slice(const struct sg *sg, unsigned nsg, uint64_t skip, uint64_t len, struct sg *out, unsigned max);

uint64_t sg_bytes(const struct sg *sg, unsigned nsg);

#endif
