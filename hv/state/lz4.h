/* SPDX-License-Identifier: BSD-2-Clause */
/* One block of LZ4 (the format of liblz4's LZ4_compress_default(): tokens, literals, matches), for blocks of at most 64 KiB. */
#ifndef HV_STATE_LZ4_H
#define HV_STATE_LZ4_H

#include <veneer/types.h>

#define LZ4_TABLE	2048u		/* entries of the compressor's scratch memory */
#define LZ4_MAX		0xffffu		/* bytes of a block */

/* Compress @n bytes, LZ4_MAX at most.  Returns the bytes that are at @out, or 0: they would be more than @room. */
unsigned lz4_compress(uint16_t table[LZ4_TABLE], const uint8_t *in, unsigned n, uint8_t *out, unsigned room);

/* Expand @n bytes, which may be anything, to exactly @size bytes.  False if they are not so many; @out is then undefined. */
bool lz4_expand(const uint8_t *in, unsigned n, uint8_t *out, unsigned size);

#endif
