/* SPDX-License-Identifier: BSD-2-Clause */
/* The clock without a timer: the vendor's intercept follows the number of holds, exits call clock_check(). */
#include <veneer/clock.h>
#include <veneer/err.h>
#include <veneer/limit.h>
#include <veneer/log.h>
#include <veneer/time.h>
#include "hv/cpu/cpus.h"
#include "hv/dev/clock.h"

#define MAX_TICKS	65u		/* of each controller, and of the IOMMUs */
#define TICK_US		1000

/*
 * If the guest has several processors, each one that runs the guest has to exit now and then while the clock is held: the
 * processor that began a request may have no ticks when the request is late.  For LINGER_US after the last hold the processors'
 * interrupts still exit, so that a guest with one request at a time does not need a request to all processors for each.
 */
#define LINGER_US	10000u

static struct { void (*fn)(void *, uint64_t); void *ctx; } ticks[MAX_TICKS];
static union {
	uint8_t byte[CLOCK_WATCHES];
	uint64_t all[CLOCK_WATCHES / 8];
} watches;
static unsigned nwatches;
static unsigned nticks, holds;		/* shared: holds, and both times */
static uint64_t last_us, held_us;
static uint32_t by_poller;		/* shared: the polling core calls the ticks */

void clock_hold(void)
{
	if (!__atomic_fetch_add(&holds, 1, __ATOMIC_SEQ_CST) && !__atomic_load_n(&by_poller, __ATOMIC_SEQ_CST))
		smp_want_clock();
}

void clock_release(void)
{
	unsigned n = __atomic_load_n(&holds, __ATOMIC_RELAXED);

	while (n && !__atomic_compare_exchange_n(&holds, &n, n - 1, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		;
	if (n == 1 && ncpus > 1)
		__atomic_store_n(&held_us, time_us(), __ATOMIC_RELAXED);
}

uint8_t *clock_watch(void)
{
	if (nwatches < CLOCK_WATCHES)
		return &watches.byte[nwatches++];
	/* Each network card has one watch. */
	limit_reached("network cards", CLOCK_WATCHES);
	return NULL;
}

static bool watched(void)
{
	const volatile uint64_t *w = watches.all;
	uint64_t any = 0;

	/* Each exit comes here: one word for eight cards. */
	for (unsigned i = 0; i < nwatches; i += 8)
		any |= w[i / 8];
	return any;
}

int clock_register(void (*tick)(void *ctx, uint64_t now_us), void *ctx)
{
	if (nticks == MAX_TICKS) {
		limit_reached("users of the clock", MAX_TICKS);
		return -ERR_NOMEM;
	}
	ticks[nticks].fn = tick;
	ticks[nticks++].ctx = ctx;
	return 0;
}

/*
 * The end of polling and clock_hold() each store their own flag and then read the other's.  So at least one of them sees both
 * flags and makes the guest's processors look at the clock; clock_wanted() handles the rest.
 */
void clock_by_poller(bool on)
{
	__atomic_store_n(&by_poller, on, __ATOMIC_SEQ_CST);
	if (!on && (__atomic_load_n(&holds, __ATOMIC_SEQ_CST) || watched()))
		smp_want_clock();
}

/* True if a processor of the guest's has to look at the time. */
static bool guest_has_to_look(void)
{
	return !__atomic_load_n(&by_poller, __ATOMIC_SEQ_CST) && (__atomic_load_n(&holds, __ATOMIC_SEQ_CST) || watched());
}

bool clock_wanted(struct cpu *c)
{
	bool armed = guest_has_to_look();

	if (!armed && ncpus > 1 && c->clock_armed && !__atomic_load_n(&by_poller, __ATOMIC_SEQ_CST))
		armed = time_us() - __atomic_load_n(&held_us, __ATOMIC_RELAXED) < LINGER_US;
	/* As before: whoever has held the clock since this processor stored the flag has seen the flag. */
	if (armed == c->clock_armed)
		return armed;
	__atomic_store_n(&c->clock_armed, armed, __ATOMIC_SEQ_CST);
	/* A later holder of the clock sees clock_armed; an earlier one may not have, so look once more. */
	if (!armed && guest_has_to_look()) {
		armed = true;
		__atomic_store_n(&c->clock_armed, true, __ATOMIC_SEQ_CST);
	}
	return armed;
}

void clock_check(bool own_exit)
{
	if (!__atomic_load_n(&holds, __ATOMIC_RELAXED) && !(own_exit && watched()))
		return;
	uint64_t now = time_us(), last = __atomic_load_n(&last_us, __ATOMIC_RELAXED);

	/* Signed: the processors' clocks may differ a little.  If several find that time is up, one calls the ticks. */
	if ((int64_t)(now - last) < TICK_US ||
	    !__atomic_compare_exchange_n(&last_us, &last, now, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		return;
	for (unsigned i = 0; i < nticks; i++)
		ticks[i].fn(ticks[i].ctx, now);
}
