/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A lock between processors: fair (they get it in the order in which they asked), never nested in itself, never taken in an NMI
 * handler.  Whoever holds one may wait for guest_pause() (hv/cpu/cpus.h), since that waits only for processors that run
 * the guest, and these hold none.
 *
 * The order, outermost first: the BIOS services (hv/bios/bios.c), a controller's owner (<veneer/owner.h>), traps, nested
 * paging, the pause; beside them the leaves (heap, log, counters), under which no other is taken.
 */
#ifndef VENEER_LOCK_H
#define VENEER_LOCK_H

#include <veneer/io.h>
#include <veneer/types.h>

struct lock {
	uint32_t next, serving;		/* tickets; all zero is a free lock */
};

static inline void lock_acquire(struct lock *l)
{
	uint32_t ticket = __atomic_fetch_add(&l->next, 1, __ATOMIC_RELAXED);

	while (__atomic_load_n(&l->serving, __ATOMIC_ACQUIRE) != ticket)
		cpu_relax();
}

/* Take it when it is free and nobody waits. */
static inline bool lock_try(struct lock *l)
{
	uint32_t serving = __atomic_load_n(&l->serving, __ATOMIC_SEQ_CST), ticket = serving;

	return __atomic_compare_exchange_n(&l->next, &ticket, serving + 1, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

/* Sequentially consistent: reads after the release (owner.h) happen with the lock free. */
static inline void lock_release(struct lock *l)
{
	__atomic_store_n(&l->serving, l->serving + 1, __ATOMIC_SEQ_CST);
}

#endif
