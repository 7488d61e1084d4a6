/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The polling core.  One processor that does not run the guest looks at the rings and controllers that have traffic; these have
 * kicks and device interrupts off.  It runs in smp_serve(), in the place of the sleep, so that requests, a SIPI and the end of
 * the machine reach it as ever.  It owns a controller only while it looks at it.  What a look does is not here but in the works
 * of the controller's owner (<veneer/owner.h>).
 *
 * What brings the traffic back once polling ends, in this order: the device's interrupts on; each queue run, which stores the
 * wish for a kick, then loads the guest's index; the device polled once more.  A guest that queues something stores its index,
 * then loads the wish: one of the two sees the other.  A completion before the interrupts were on is found by that last poll, a
 * later one rings.
 */
#include <veneer/doorbell.h>
#include <veneer/owner.h>
#include <veneer/time.h>
#include "hv/cpu/cpus.h"
#include "hv/cpu/lapic.h"
#include "hv/dev/clock.h"
#include "hv/smp/poll.h"
#include "hv/smp/smp.h"
#include "hv/x86.h"

/* How often registers are read: errors, the link, what peek() missed.  Also how often an INIT is looked for. */
#define LOOK_US			1000u

/* A controller that cannot be polled now (INTx) rings as ever; traffic after this time tries again. */
#define AGAIN_US		1000000u

/* Work that makes no progress for so long, such as frames while the cable is out, is left to the doorbell and the clock. */
#define BUSY_US			1000000u

struct poll poll;

static unsigned npolled;
static uint64_t init_us;

/* --- one controller, as its owner --- */

/* Interrupts of the devices off or on; false, and nothing is changed, if that is impossible. */
static bool quiet(struct owner *o, bool on)
{
	bool any = false;

	for (struct owner_work *w = o->works; w; w = w->next) {
		if (!w->quiet)
			continue;
		if (!w->quiet(w->ctx, on))
			return false;
		any = true;
	}
	return any;
}

/* The queues before the device: what the device completes then is published at once, and rings or is found. */
static void run_all(struct owner *o)
{
	for (struct owner_work *w = o->works; w; w = w->next)
		if (!w->quiet && w->all)
			w->run(w->ctx, w->all);
	for (struct owner_work *w = o->works; w; w = w->next)
		if (w->quiet)
			w->run(w->ctx, w->all);
}

/* All of peek()'s answers; OWNER_NO if one of them has it. */
static uint32_t peek_all(struct owner *o, bool *busy)
{
	uint32_t all = 0;

	for (struct owner_work *w = o->works; w; w = w->next)
		all |= w->peek ? w->peek(w->ctx, busy) : 0;
	return all;
}

static void end(struct owner *o)
{
	__atomic_store_n(&o->polled, false, __ATOMIC_RELAXED);
	(void)quiet(o, false);
	run_all(o);
	/* A message that was held back comes now, though its work is done. */
	doorbell_credit(o, 1);
	npolled--;
	poll.ends++;
}

static void begin(struct owner *o, uint64_t now)
{
	bool busy = false;

	__atomic_store_n(&o->traffic, 0, __ATOMIC_SEQ_CST);
	if ((peek_all(o, &busy) & OWNER_NO) || !quiet(o, true)) {
		__atomic_store_n(&o->again_us, now + AGAIN_US, __ATOMIC_RELAXED);
		return;
	}
	__atomic_store_n(&o->polled, true, __ATOMIC_RELAXED);
	/* A message that is on its way finds its work done. */
	doorbell_credit(o, 1);
	o->found_us = o->looked_us = now;
	npolled++;
	poll.begins++;
	run_all(o);
}

/* Run what peek() finds.  A work of the same controller may have run by then: running one that has nothing does no harm. */
static void visit(struct owner *o, uint64_t now)
{
	bool busy = false, found = false, no = false, look = now - o->looked_us >= LOOK_US;

	for (struct owner_work *w = o->works; w; w = w->next) {
		uint32_t bits = w->peek ? w->peek(w->ctx, &busy) : 0;

		no |= !!(bits & OWNER_NO);
		bits &= ~OWNER_NO;
		found |= bits != 0;
		if (look && w->quiet)
			bits |= w->all;
		if (bits)
			w->run(w->ctx, bits);
	}
	if (look) {
		o->looked_us = now;
		poll.looks++;
	}
	if (found) {
		o->found_us = now;
		poll.found++;
	}
	if (no || (!found && now - o->found_us >= (busy ? BUSY_US : poll.idle_us)))
		end(o);
}

/* --- all of them --- */

/* The guest's interrupts are sent from here: in the mode in which its processors have their local APICs. */
static bool same_mode(void)
{
	bool x2 = lapic_x2apic(), guest_x2 = __atomic_load_n(&cpus[0]->x2apic, __ATOMIC_SEQ_CST);

	if (!x2 && guest_x2)
		wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_X2APIC);
	return guest_x2 || !x2;
}

static void poll_round(void)
{
	uint64_t now = time_us();

	for (struct owner *o = owner_first(); o; o = o->next) {
		if (!o->polled && !__atomic_load_n(&o->traffic, __ATOMIC_SEQ_CST))
			continue;
		owner_acquire(o);
		if (!o->polled)
			begin(o, now);
		else
			visit(o, now);
		owner_release(o);
	}
	clock_check(true);
}

static void end_all(void)
{
	for (struct owner *o = owner_first(); o; o = o->next) {
		if (!o->polled)
			continue;
		owner_acquire(o);
		end(o);
		owner_release(o);
	}
}

static bool is_requested(const struct cpu *c)
{
	return __atomic_load_n(&c->requests, __ATOMIC_SEQ_CST);
}

/* True if the guest wants the processor itself: whatever it polls has to be given back first. */
static bool is_wanted(struct cpu *c)
{
	uint64_t now = time_us();

	if (c->state == CPU_RUNS || c->init_seen || (__atomic_load_n(&c->requests, __ATOMIC_SEQ_CST) & (REQ_INIT | REQ_SIPI)))
		return true;
	if (now - init_us < LOOK_US)
		return false;
	init_us = now;
	return smp_init_came(c);
}

/*
 * Between two rounds no controller is owned: a processor that has been stopped halts there.  Requests other than the guest's
 * are served by the caller, who comes back.
 */
bool poll_run(struct cpu *c)
{
	bool some = npolled;

	if (c->state == CPU_RUNS && !npolled)
		return false;
	clock_by_poller(true);
	for (smp_round(true); !is_requested(c) && !is_wanted(c) && same_mode(); smp_round(true)) {
		poll_round();
		if (vcpu_ops->breathe)
			vcpu_ops->breathe();
		if (!npolled)
			break;
		some = true;
		cpu_relax();
	}
	if (is_wanted(c) || !same_mode())
		end_all();
	smp_round(false);
	if (!npolled)
		clock_by_poller(false);
	return some;
}

/* Traffic on a controller that is not polled.  While the guest runs on the core the request would only make it exit. */
void poll_wake(void)
{
	if (__atomic_load_n(&poll.core->state, __ATOMIC_SEQ_CST) != CPU_RUNS)
		smp_request(poll.core, REQ_POLL);
}
