/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers and sums of TCP/IP, big endian and at any alignment. */
#ifndef VIRTIO_NET_INET_H
#define VIRTIO_NET_INET_H

#include <veneer/types.h>

static inline uint32_t get16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static inline void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* Fold a one's complement sum to 16 bits. */
static inline uint32_t fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/* The one's complement sum of @len bytes, at most 128 KiB (RFC 1071); an odd length is padded with a zero byte. */
static inline uint32_t sum_of(const uint8_t *p, uint32_t len)
{
	uint32_t sum = 0;

	for (; len > 1; len -= 2, p += 2)
		sum += get16(p);
	return fold(len ? sum + ((uint32_t)*p << 8) : sum);
}

#endif
