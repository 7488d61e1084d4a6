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

#endif
