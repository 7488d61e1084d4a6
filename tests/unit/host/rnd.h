/* SPDX-License-Identifier: BSD-2-Clause */
/* Pseudo-random numbers, the same in each run.  A test sets the seed. */
#ifndef HOST_RND_H
#define HOST_RND_H

#include <veneer/types.h>

static uint64_t seed;

/* 0 to @n - 1. */
static inline uint32_t rnd(uint32_t n)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(seed >> 33) % n;
}

static inline uint64_t rnd64(void) { return (uint64_t)rnd(~0u) << 32 | rnd(~0u); }

#endif
