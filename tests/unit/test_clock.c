/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/dev/clock.c */
/* When the guest's interrupts exit, and when ticks come. */
#include <veneer/clock.h>
#include <veneer/err.h>
#include "hv/cpu/cpus.h"
#include "hv/dev/clock.h"
#include "host/host.h"

unsigned ncpus = 1;
static unsigned wanted, nticks;
static struct cpu cpu;

void smp_want_clock(void) { wanted++; }
static void on_tick(void *ctx, uint64_t now_us) { nticks++; }

static void exit_after(unsigned ms, bool own)
{
	host_now_us += 1000ull * ms;
	clock_check(own);
}

TEST(a_hold_ticks_at_each_exit_and_calls_the_others)
{
	wanted = nticks = 0;
	CHECK_EQ(clock_register(on_tick, NULL), 0);
	CHECK(!clock_wanted(&cpu));
	exit_after(5, true);
	CHECK_EQ(nticks, 0);
	clock_hold();
	CHECK_EQ(wanted, 1);
	CHECK(clock_wanted(&cpu));
	exit_after(5, false);
	exit_after(0, false);		/* at most once a millisecond */
	CHECK_EQ(nticks, 1);
	clock_release();
	exit_after(5, true);
	CHECK_EQ(nticks, 1);
	CHECK(!clock_wanted(&cpu));
}

TEST(a_watch_ticks_at_the_clocks_own_exits_and_calls_nobody)
{
	uint8_t *w[CLOCK_WATCHES];

	wanted = nticks = 0;
	for (unsigned i = 0; i < CLOCK_WATCHES; i++) {
		w[i] = clock_watch();
		CHECK(w[i] && !*w[i]);
		*w[i] = 1;
		CHECK(clock_wanted(&cpu));
		exit_after(5, false);
		CHECK_EQ(nticks, i);
		exit_after(5, true);
		CHECK_EQ(nticks, i + 1);
		*w[i] = 0;
		CHECK(!clock_wanted(&cpu));
	}
	CHECK(!clock_watch());		/* none is left */
	CHECK(host_log_has("limit: more than 64 network cards"));
	CHECK_EQ(wanted, 0);
}

/* The polling core calls the ticks; nobody else exits for them, and at its end those that hold are called. */
TEST(the_polling_core_is_the_clock)
{
	wanted = nticks = 0;
	clock_by_poller(true);
	clock_hold();
	CHECK(!wanted && !clock_wanted(&cpu));
	exit_after(5, true);			/* the core itself */
	CHECK_EQ(nticks, 1);
	clock_by_poller(false);
	CHECK_EQ(wanted, 1);
	CHECK(clock_wanted(&cpu));
	clock_by_poller(true);
	CHECK(!clock_wanted(&cpu));
	clock_release();
	clock_by_poller(false);
	CHECK(wanted == 1 && !clock_wanted(&cpu));
}

TEST_MAIN
