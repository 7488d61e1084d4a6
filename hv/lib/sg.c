/* SPDX-License-Identifier: BSD-2-Clause */
/* Scatter-gather lists.  Memory is mapped at its physical address, ours as well as the guest's. */
#include <veneer/err.h>
#include <veneer/sg.h>
#include <veneer/string.h>

/* Copy between [skip, skip + len) of the list and @flat; @to: the list is the destination. */
static size_t sg_copy(const struct sg *sg, unsigned nsg, size_t skip, void *flat, size_t len, bool to)
{
	size_t done = 0;

	for (unsigned i = 0; i < nsg && done < len; i++) {
		if (skip >= sg[i].len) {
			skip -= sg[i].len;
			continue;
		}
		void *piece = (void *)(uintptr_t)(sg[i].addr + skip);
		size_t n = MIN(sg[i].len - skip, len - done);

		if (to)
			memcpy(piece, (const char *)flat + done, n);
		else
			memcpy((char *)flat + done, piece, n);
		done += n;
		skip = 0;
	}
	return done;
}

size_t sg_copy_to(const struct sg *sg, unsigned nsg, size_t skip, const void *src, size_t len)
{
	return sg_copy(sg, nsg, skip, (void *)(uintptr_t)src, len, true);
}

size_t sg_copy_from(const struct sg *sg, unsigned nsg, size_t skip, void *dst, size_t len)
{
	return sg_copy(sg, nsg, skip, dst, len, false);
}

int sg_slice(const struct sg *sg, unsigned nsg, uint64_t skip, uint64_t len, struct sg *out, unsigned max)
{
	unsigned n = 0;

	for (unsigned i = 0; i < nsg && len; i++) {
		if (skip >= sg[i].len) {
			skip -= sg[i].len;
			continue;
		}
		if (n == max)
			return -ERR_NOMEM;
		out[n].addr = sg[i].addr + skip;
		out[n].len = (uint32_t)MIN(sg[i].len - skip, len);
		len -= out[n].len;
		skip = 0;
		n++;
	}
	return len ? -ERR_INVAL : (int)n;
}

uint64_t sg_bytes(const struct sg *sg, unsigned nsg)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < nsg; i++)
		sum += sg[i].len;
	return sum;
}
