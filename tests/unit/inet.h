/* SPDX-License-Identifier: BSD-2-Clause */
/* TCP/IP for the tests of checksums and segmentation. */
#ifndef INET_H
#define INET_H

#include <veneer/types.h>

static inline void set16(uint8_t *p, unsigned v) { p[0] = (uint8_t)(v >> 8); p[1] = (uint8_t)v; }
static inline unsigned at16(const uint8_t *p) { return p[0] * 256u + p[1]; }

/* The checksum of RFC 1071, calculated byte by byte. */
static inline unsigned sum16(const uint8_t *p, unsigned len, unsigned long sum)
{
	for (unsigned i = 0; i < len; i++)
		sum += i & 1 ? p[i] : (unsigned long)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (unsigned)sum;
}

/* Return the checksum of TCP's pseudo header, from an IP header and @len bytes of TCP. */
static inline unsigned pseudo(const uint8_t *ip, bool v6, unsigned len)
{
	return sum16(v6 ? ip + 8 : ip + 12, v6 ? 32 : 8, 6 + len);
}

#endif
