/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counters, read by the guest through <veneer/hypercall.h>.  A counter is a plain uint64_t that its owner increments; it is
 * registered once with a name "object.what": "nvme0n1.bounced_bytes", "exit.npf".
 */
#ifndef VENEER_COUNTERS_H
#define VENEER_COUNTERS_H

#include <veneer/types.h>

/* Remember @value under "@object.@what" (strings live for ever).  A full table drops it with a warning.  Start only. */
void counter_register(const char *object, const char *what, const uint64_t *value);

/* Add to a counter that several processors change.  If an owner or a lock protects a counter, use a plain addition. */
static inline void counter_add(uint64_t *value, uint64_t n)
{
	__atomic_fetch_add(value, n, __ATOMIC_RELAXED);
}

/*
 * A histogram: how often the value was 0, 1, 2 to 3, 4 to 7, 8 to 15, 16 or more.  Six counters, whose names end in the least
 * value of each: "blk0.kick_at_0", "blk0.kick_at_1", "blk0.kick_at_2", "blk0.kick_at_4" ...
 */
struct histogram {
	uint64_t n[6];
};

/* As owner. */
static inline void histogram_add(struct histogram *h, unsigned value)
{
	h->n[value ? MIN(32u - (unsigned)__builtin_clz(value), 5u) : 0]++;
}

/* @what is a string literal. */
#define histogram_register(object, what, h)		\
	do {						\
		counter_register(object, what "_0", &(h)->n[0]);	\
		counter_register(object, what "_1", &(h)->n[1]);	\
		counter_register(object, what "_2", &(h)->n[2]);	\
		counter_register(object, what "_4", &(h)->n[3]);	\
		counter_register(object, what "_8", &(h)->n[4]);	\
		counter_register(object, what "_16", &(h)->n[5]);	\
	} while (0)

#endif
