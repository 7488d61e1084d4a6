/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The gathering of the guest's processors: each waits in the host between two exits, owns nothing and holds no lock, and does
 * for the gatherer what only the processor itself can do.  guest_pause() is not enough for that: a processor may be in the
 * middle of an exit then, with an instruction half carried out.
 */
#include <veneer/io.h>
#include <veneer/log.h>
#include <veneer/time.h>
#include "hv/cpu/cpus.h"
#include "hv/cpu/vcpu.h"
#include "hv/smp/gather.h"
#include "hv/smp/lapic_state.h"

/* An exit takes microseconds; in an emulator whose threads wait for a processor, seconds. */
#define GATHER_US	20000000u
/* A save may take minutes, and SMIs must not wait so long for any processor. */
#define BREATH_US	1000u

static uint32_t here[MAX_CPUS];		/* shared: by index, the gathering for which the processor waits in state_wait() */
static uint32_t closed;			/* shared: between state_gather() and state_scatter() the gathering's number, else 0 */
static uint32_t last;			/* the gatherer's */
static struct cpu *target;		/* shared: this processor is to call fn */
static void (*fn)(struct cpu *c, void *ctx);
static void *fn_ctx;

static bool is_here(const struct cpu *c)
{
	uint32_t now = __atomic_load_n(&closed, __ATOMIC_SEQ_CST);

	return now && __atomic_load_n(&here[c->index], __ATOMIC_SEQ_CST) == now;
}

/* One that waits for a real SIPI takes no request, and is in nobody's way: state_leave_wait() keeps it there. */
static bool comes(const struct cpu *c)
{
	return c != this_cpu() && c->state != CPU_ABSENT && !__atomic_load_n(&c->waits_itself, __ATOMIC_SEQ_CST);
}

bool state_has(const struct cpu *c)
{
	return c == this_cpu() || is_here(c);
}

void state_gather(void)
{
	uint64_t end = time_us() + GATHER_US;

	last = last + 1 ?: 1;
	__atomic_store_n(&closed, last, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < ncpus; i++)
		if (comes(cpus[i]))
			smp_request(cpus[i], REQ_STATE);
	for (unsigned i = 0; i < ncpus; i++)
		while (comes(cpus[i]) && !is_here(cpus[i])) {
			if (time_us() > end)
				panic("state: cpu %u does not come to rest within %u s: asked by %#x", i, GATHER_US / 1000000,
				      __atomic_load_n(&cpus[i]->requests, __ATOMIC_SEQ_CST));
			cpu_relax();
		}
}

void state_on(struct cpu *c, void (*call)(struct cpu *c, void *ctx), void *ctx)
{
	uint64_t end = time_us() + GATHER_US;

	if (c == this_cpu()) {
		call(c, ctx);
		return;
	}
	fn = call;
	fn_ctx = ctx;
	__atomic_store_n(&target, c, __ATOMIC_RELEASE);
	while (__atomic_load_n(&target, __ATOMIC_ACQUIRE)) {
		if (time_us() > end)
			panic("state: cpu %u does not answer within %u s", c->index, GATHER_US / 1000000);
		cpu_relax();
	}
}

void state_scatter(void)
{
	__atomic_store_n(&closed, 0, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < ncpus; i++)
		while (__atomic_load_n(&here[cpus[i]->index], __ATOMIC_SEQ_CST) == last)
			cpu_relax();
}

/* Let in what is held back here, if that is due at *@next.  NMIs that come so must have their exit later. */
static void breathe(struct cpu *c, uint64_t *next)
{
	uint64_t nmis = c->nmi_count;

	if (!vcpu_ops->breathe || time_us() < *next)
		return;
	vcpu_ops->breathe();
	*next = time_us() + BREATH_US;
	if (c->nmi_count != nmis)
		lapic_state_nmis(c);
}

void state_breathe(void)
{
	static uint64_t next;	/* the gatherer's */

	breathe(this_cpu(), &next);
}

/*
 * The mark is the number that this processor has seen: one that comes for the last gathering is not taken for gathered by the
 * next, and leaves only when it has seen that its own is over.
 */
void state_wait(struct cpu *c)
{
	uint64_t next = time_us() + BREATH_US;
	uint32_t now;

	while ((now = __atomic_load_n(&closed, __ATOMIC_SEQ_CST))) {
		__atomic_store_n(&here[c->index], now, __ATOMIC_SEQ_CST);
		if (__atomic_load_n(&target, __ATOMIC_ACQUIRE) == c) {
			fn(c, fn_ctx);
			__atomic_store_n(&target, NULL, __ATOMIC_RELEASE);
		}
		breathe(c, &next);
		cpu_relax();
	}
	__atomic_store_n(&here[c->index], 0, __ATOMIC_SEQ_CST);
}

/*
 * Dekker's algorithm: a gatherer closes, then looks whether the processor waits by itself; this processor does not wait any
 * more, then looks whether it is closed.  Either the gatherer asks it, or it waits here until the gathering is over.
 */
void state_leave_wait(struct cpu *c)
{
	for (;;) {
		__atomic_store_n(&c->waits_itself, 0, __ATOMIC_SEQ_CST);
		if (!__atomic_load_n(&closed, __ATOMIC_SEQ_CST))
			return;
		__atomic_store_n(&c->waits_itself, 1, __ATOMIC_SEQ_CST);
		while (__atomic_load_n(&closed, __ATOMIC_SEQ_CST))
			cpu_relax();
	}
}
