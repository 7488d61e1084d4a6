/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/smp/poll.c hv/smp/poll_start.c hv/cpu/owner.c tests/unit/host/cpu.c */
/*
 * The polling core: how it begins and ends, and that nothing is lost then.  The controller is a model with one queue: the guest
 * stores its index, then reads the wish for a kick; the device completes, then looks at the mask of its interrupts.
 */
#include <setjmp.h>
#include <string.h>
#include <veneer/config.h>
#include <veneer/doorbell.h>
#include <veneer/owner.h>
#include "hv/cpu/cpus.h"
#include "hv/cpu/features.h"
#include "hv/cpu/lapic.h"
#include "hv/cpu/vcpu.h"
#include "hv/dev/clock.h"
#include "hv/smp/poll.h"
#include "hv/smp/smp.h"
#include "host/cpu.h"
#include "host/host.h"

#define X2	APIC_BASE_X2APIC

extern __thread struct cpu host_cpu;
__typeof__(config) config;
struct cpu_features features;
unsigned ncpus = 2;
static struct cpu boot = { .state = CPU_RUNS }, *core;
struct cpu *cpus[MAX_CPUS] = { &boot };

static struct owner owner;
static struct owner_work queue, device;
static uint16_t idx, seen, peeked;	/* the queue: the guest's index, what has been taken, what the last peek saw */
static unsigned given, done, reaped;	/* the device: requests it has, has completed, that were taken from it */
static bool wish, masked, can_mask, intx;
static unsigned kicks, rings, device_polls, credits, clock_calls, wakes, used;
static bool clock_on, on_idle_set;
static unsigned step, kick_at, done_at;
static jmp_buf stopped;
static bool stop;

/* What the guest and the device do at this moment, if it is the one of the test. */
static void moment(void)
{
	step++;
	if (step == kick_at) {
		idx++;
		kicks += wish;
	}
	if (step == done_at && given > done) {
		done++;
		rings += !masked;
	}
}

static uint32_t peek_queue(void *ctx, bool *busy)
{
	uint16_t now = idx;
	bool found = now != peeked;

	moment();
	peeked = now;
	*busy |= given > reaped;
	return intx ? OWNER_NO : found;
}

static void run_queue(void *ctx, uint32_t bits)
{
	do {
		wish = false;
		moment();
		for (; seen != idx; seen++)
			given++;
		moment();
		if (owner.polled)
			return;
		wish = true;
		moment();
	} while (seen != idx);
}

static uint32_t peek_device(void *ctx, bool *busy)
{
	moment();
	return done > reaped;
}

static void run_device(void *ctx, uint32_t bits)
{
	device_polls++;
	moment();
	reaped = done;
	moment();
}

static bool quiet(void *ctx, bool on)
{
	if (!can_mask)
		return false;
	moment();
	masked = on;
	moment();
	return true;
}

void doorbell_credit(struct owner *o, unsigned n) { credits += n; }
void clock_by_poller(bool on) { clock_on = on; }
static unsigned rounds, rounds_left;
void (*in_round)(void);
void clock_check(bool own_exit)
{
	CHECK(own_exit && clock_on);
	clock_calls++;
	host_now_us += 10;
	rounds++;
	if (in_round)
		in_round();
	if (rounds_left && !--rounds_left)
		core->requests |= REQ_FLUSH;
}
bool lapic_x2apic(void) { return rdmsr(MSR_APIC_BASE) & X2; }
void smp_request(struct cpu *c, uint32_t what)
{
	CHECK(c == core && what == REQ_POLL);
	c->requests |= what;
	wakes++;
}
void smp_hand_on(void) { }
void smp_round(bool begins)
{
	CHECK_EQ(owner.lock.next, owner.lock.serving);
	core->in_round = begins;
	if (stop)
		longjmp(stopped, 1);
}
bool smp_init_came(struct cpu *c) { return c->init_seen; }
void smp_on_idle(bool (*fn)(struct cpu *c)) { on_idle_set = fn == poll_run; }
void segment_use(const void *code) { used++; }
static unsigned breaths;
static void breathe(void) { breaths++; }
static const struct vcpu_ops ops = { .breathe = breathe };
const struct vcpu_ops *vcpu_ops = &ops;

static void start(int how)
{
	static bool added;

	/* What the test before has left polled. */
	stop = false;
	in_round = NULL;
	if (core && owner.polled) {
		core->state = CPU_RUNS;
		poll_run(core);
	}
	core = &host_cpu;
	memset(core, 0, sizeof(*core));
	*core = (struct cpu){ .index = 1, .apic_id = 1, .state = CPU_WAITS, .parked = true };
	cpus[1] = core;
	ncpus = 2;
	boot = (struct cpu){ .state = CPU_RUNS };
	if (!added) {
		queue = (struct owner_work){ .run = run_queue, .peek = peek_queue, .all = 1 };
		device = (struct owner_work){ .run = run_device, .peek = peek_device, .quiet = quiet, .all = 1 };
		owner_add(&owner, &device);
		owner_add(&owner, &queue);
		added = true;
	}
	owner.polled = false;
	owner.traffic = 0;
	owner.again_us = 0;
	idx = seen = peeked = 0;
	given = done = reaped = kicks = rings = device_polls = credits = clock_calls = wakes = used = 0;
	wish = can_mask = true;
	masked = intx = clock_on = on_idle_set = stop = false;
	breaths = 0;
	step = kick_at = done_at = rounds = rounds_left = 0;
	in_round = NULL;
	host_now_us = 10000000;
	host_msr_set(MSR_APIC_BASE, 0xfee00800);
	config.poll = how;
	features.hypervisor = false;
	poll = (struct poll){ 0 };
	owner_on_traffic(NULL);
	poll_init();
}

/* The guest's kick, as the exit's handler serves it. */
static void kick(void)
{
	idx++;
	if (wish)
		run_queue(NULL, 1);
	owner_traffic(&owner);
}

/* The core serves its requests, then polls for so many rounds, or (0) until it has nothing to do. */
static bool polls(unsigned n)
{
	core->requests = 0;
	rounds_left = n;
	return poll_run(core);
}

TEST(traffic_wakes_it_once)
{
	start(CONFIG_POLL_AUTO);
	CHECK(on_idle_set && poll.core == core && core->polls && used);
	CHECK(host_log_has("cpu 1: polls rings and controllers while there is traffic, until the guest starts it"));
	CHECK(!polls(0));			/* nothing yet: it sleeps */
	CHECK(!clock_on && !core->in_round);
	kick();
	kick();
	CHECK(wakes == 1 && owner.traffic && core->requests == REQ_POLL);
	CHECK(polls(3));
	CHECK(owner.polled && masked && !wish && !owner.traffic && clock_on);
	CHECK(breaths >= 4);			/* SMIs are let in after each round */
	CHECK(clock_calls == 4 && poll.begins == 1 && credits == 1);
	/* No kick, no wake: it looks by itself. */
	kick();
	CHECK(wakes == 1 && seen == 2);
	polls(1);
	CHECK(seen == 3 && given == 3);
	done = 3;
	polls(1);
	CHECK_EQ(reaped, 3);
}

/* As frames do while the cable is out: the doorbell and the clock are enough for these. */
TEST(work_without_progress_is_left_to_the_doorbell)
{
	start(CONFIG_POLL_AUTO);
	kick();
	polls(50000);
	CHECK(owner.polled);
	polls(0);
	CHECK(!owner.polled && !masked && wish && given == 1 && !done);
	done = 1;
	run_device(NULL, 1);
	CHECK_EQ(reaped, 1);
}

TEST(while_the_guest_runs_there_nobody_disturbs_it)
{
	start(CONFIG_POLL_AUTO);
	core->state = CPU_RUNS;
	kick();
	CHECK(!wakes && !core->requests && owner.traffic);
	CHECK(!poll_run(core) && !clock_on && !owner.polled);
	/* It is there when the core comes back. */
	core->state = CPU_WAITS;
	polls(1);
	CHECK(owner.polled);
}

TEST(it_sleeps_when_nothing_is_under_way_and_nothing_comes)
{
	start(CONFIG_POLL_AUTO);
	kick();
	polls(2);
	/* A request is in the device: it goes on, however long that takes. */
	host_now_us += 10 * poll.idle_us;
	polls(2);
	CHECK(owner.polled && given == 1);
	done = 1;
	polls(1);
	CHECK(owner.polled && reaped == 1);
	uint64_t found = host_now_us;
	CHECK(polls(0));
	CHECK(host_now_us - found >= poll.idle_us && host_now_us - found < poll.idle_us + 100);
	CHECK(!owner.polled && !masked && wish && !clock_on && !core->in_round && poll.ends == 1 && credits == 2);
	CHECK(!polls(0));			/* now it halts */
	kick();
	CHECK(wakes == 2);
}

/* At each moment of an end, something comes: a kick or a ring tells of it, or it has been served. */
TEST(nothing_is_lost_at_the_end)
{
	unsigned kicked = 0, rang = 0;

	for (unsigned at = 1; at < 40; at++) {
		for (unsigned both = 0; both < 3; both++) {
			start(CONFIG_POLL_AUTO);
			kick();
			polls(2);
			step = 0;
			kick_at = both != 1 ? at : 0;
			done_at = both ? at : 0;
			core->requests = REQ_SIPI;
			poll_run(core);
			CHECK(!owner.polled && !masked && wish);
			CHECK(seen == idx || kicks);
			CHECK(reaped == done || rings);
			kicked += kicks;
			rang += rings;
		}
	}
	/* The moments reach beyond the end. */
	CHECK(kicked && rang);
}

TEST(nothing_is_lost_at_the_begin)
{
	for (unsigned at = 1; at < 40; at++) {
		start(CONFIG_POLL_AUTO);
		kick();
		step = 0;
		kick_at = done_at = at;
		polls(30);
		CHECK(owner.polled && seen == idx && reaped == done);
	}
}

TEST(registers_are_read_each_millisecond)
{
	start(CONFIG_POLL_AUTO);
	kick();
	polls(1);
	unsigned before = device_polls;
	polls(250);				/* of 10 us */
	CHECK(device_polls - before >= 2 && device_polls - before <= 3);
	CHECK_EQ(poll.looks, device_polls - before);
}

TEST(a_sipi_gets_the_core)
{
	start(CONFIG_POLL_AUTO);
	kick();
	polls(2);
	core->requests = REQ_INIT;
	CHECK(poll_run(core));
	CHECK(!owner.polled && !clock_on && !core->in_round);
	CHECK_EQ(core->requests, REQ_INIT);
	/* It came after the last look: the caller has started the guest. */
	kick();
	polls(2);
	CHECK(owner.polled);
	core->state = CPU_RUNS;
	poll_run(core);
	CHECK(!owner.polled && !masked && wish && !clock_on);
}

TEST(an_init_that_the_processor_hands_over)
{
	start(CONFIG_POLL_AUTO);
	kick();
	polls(2);
	core->init_seen = 1;
	polls(0);
	CHECK(!owner.polled && !clock_on);
}

TEST(other_requests_are_served_between_rounds)
{
	start(CONFIG_POLL_AUTO);
	kick();
	polls(2);
	core->requests = REQ_HOST_TLB;
	unsigned before = rounds;
	CHECK(poll_run(core));
	CHECK(rounds == before && owner.polled && clock_on);
}

TEST(intx_rings_as_ever)
{
	start(CONFIG_POLL_AUTO);
	intx = true;
	kick();
	polls(0);
	CHECK(!owner.polled && !masked && wish && !clock_on && wakes == 1);
	/* Its kicks do not wake the core for a second. */
	kick();
	kick();
	CHECK(wakes == 1 && seen == 3);
	host_now_us += 1000000;
	kick();
	CHECK_EQ(wakes, 2);
	/* The driver takes messages, and later INTx again. */
	intx = false;
	polls(2);
	CHECK(owner.polled);
	intx = true;
	polls(0);
	CHECK(!owner.polled && wish && !masked);
}

TEST(a_device_that_cannot_be_masked)
{
	start(CONFIG_POLL_AUTO);
	can_mask = false;
	kick();
	CHECK(!polls(0));
	CHECK(!owner.polled && wish && !poll.begins);
}

TEST(the_mode_of_the_guests_local_apics)
{
	start(CONFIG_POLL_AUTO);
	boot.x2apic = 1;
	kick();
	polls(2);
	CHECK(owner.polled && (rdmsr(MSR_APIC_BASE) & X2));
	/* A processor leaves x2APIC mode by a detour that would cost it its state: the core stops to poll. */
	boot.x2apic = 0;
	polls(0);
	CHECK(!owner.polled && !clock_on && wish);
	CHECK(!polls(0));
}

TEST(the_machine_ends)
{
	start(CONFIG_POLL_AUTO);
	kick();
	polls(2);
	stop = true;
	core->requests = 0;
	unsigned before = device_polls;
	if (!setjmp(stopped)) {
		poll_run(core);
		CHECK(false);
	}
	CHECK_EQ(device_polls, before);
}

static void guest_waits_for_it(void)
{
	CHECK_EQ(owner.lock.next, owner.lock.serving);
}

TEST(it_owns_nothing_between_rounds)
{
	start(CONFIG_POLL_AUTO);
	in_round = guest_waits_for_it;
	kick();
	CHECK(polls(5) && rounds >= 5);
}

/* --- which processor --- */

TEST(never)
{
	start(CONFIG_POLL_NEVER);
	kick();
	CHECK(!poll.core && !on_idle_set && !core->polls && !wakes && !used);
}

TEST(the_last_one_that_is_not_the_guests)
{
	struct cpu third = { .index = 2, .state = CPU_ABSENT, .parked = true },
		   fourth = { .index = 3, .state = CPU_WAITS, .parked = true };

	start(CONFIG_POLL_NEVER);
	cpus[2] = &third;
	cpus[3] = &fourth;
	ncpus = 4;
	config.poll = CONFIG_POLL_AUTO;
	poll_init();
	CHECK(poll.core == &third);
	third.state = CPU_WAITS;
	poll_init();
	CHECK(poll.core == &fourth);
	fourth.parked = false;			/* it never came to Veneer */
	poll_init();
	CHECK(poll.core == &third);
	config.poll = 1;
	poll_init();
	CHECK(poll.core == core);
}

TEST(there_is_none)
{
	start(CONFIG_POLL_NEVER);
	config.poll = 7;
	poll_init();
	CHECK(!poll.core && host_log_has("poll: no processor for it: veneer,poll has no effect"));
}

TEST_MAIN
