/* SPDX-License-Identifier: BSD-2-Clause */
/* The clock without a timer: the vendor's intercept follows the number of holds, exits call clock_check(). */
#include <veneer/clock.h>
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/time.h>
#include "hv/dev/clock_internal.h"

#define MAX_TICKS	32u
#define TICK_US		1000u

static struct { void (*fn)(void *, uint64_t); void *ctx; } ticks[MAX_TICKS];
static unsigned nticks, holds;
static uint64_t last_us;

void clock_hold(void)
{
	holds++;
}

void clock_release(void)
{
	if (holds)
		holds--;
}

int clock_register(void (*tick)(void *ctx, uint64_t now_us), void *ctx)
{
	if (nticks == MAX_TICKS)
		return -ERR_NOMEM;
	ticks[nticks].fn = tick;
	ticks[nticks++].ctx = ctx;
	return 0;
}

bool clock_held(void)
{
	return holds != 0;
}

void clock_check(void)
{
	if (!holds)
		return;
	uint64_t now = time_us();

	if (now - last_us < TICK_US)
		return;
	last_us = now;
	for (unsigned i = 0; i < nticks; i++)
		ticks[i].fn(ticks[i].ctx, now);
}
