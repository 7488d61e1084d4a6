/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The list of processors; how one processor makes another, or all others, leave the guest.  The handling of INIT, SIPI and NMIs
 * for the guest's processors is not here but in hv/smp.
 */
#include <veneer/counters.h>
#include <veneer/lock.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/time.h>
#include "hv/cpu/cpus.h"
#include "hv/cpu/entry.h"
#include "hv/cpu/lapic.h"
#include "hv/mem/nested.h"

/* An exit takes microseconds; on an emulator whose threads wait for a processor, up to seconds. */
#define PAUSE_US	20000000u
#define STOP_US		2000000u
/* After this time a processor that does not come is poked whatever its id: longer than an SMI lasts. */
#define REPEAT_US	100000u
/* How late an NMI to all may come. */
#define LATE_US		1000000u

static struct cpu boot_cpu;
struct cpu *cpus[MAX_CPUS] = { &boot_cpu };
unsigned ncpus = 1;

static struct lock pause_lock;
static void (*on_silence)(void);
static uint64_t all_poked_us;	/* shared: when all were poked last, 0: never */
static uint64_t cnt_repeated;
static uint32_t closed;		/* no processor enters the guest */
static struct cpu *stopper;	/* if set, only this processor ever enters it again */

void smp_boot_cpu(void)
{
	uint8_t *stacks;

	boot_cpu.self = &boot_cpu;
	wrmsr(MSR_GS_BASE, (uintptr_t)&boot_cpu);
	idt_init();
	stacks = mem_alloc(EXCEPTION_STACKS, 64);
	if (!stacks)
		panic("cpu: no memory for the exception stacks");
	cpu_tables_load(&boot_cpu, stacks);
}

void cpus_init(void)
{
	boot_cpu.apic_id = lapic_id();
	boot_cpu.x2apic = lapic_x2apic();
	nested_pause_by(guest_pause, guest_resume);
	counter_register("nmi", "repeated_pokes", &cnt_repeated);
}

void cpus_on_silence(void (*fn)(void))
{
	on_silence = fn;
}

static void poke(struct cpu *c)
{
	if (!__atomic_exchange_n(&c->poke, 1, __ATOMIC_SEQ_CST))
		lapic_send(c->apic_id, ICR_ASSERT | FIELD_PREP(ICR_MODE, ICR_MODE_NMI));
}

/*
 * A guest can write its local APIC's id; an NMI to the id that Veneer knows then reaches no processor, or another one.  Send an
 * NMI to all processors, which does not depend on ids, and request their ids.  For a while an NMI without a cause counts as one
 * of these.
 */
static void poke_all(void)
{
	for (unsigned i = 0; i < ncpus; i++)
		if (cpus[i] != this_cpu())
			__atomic_fetch_or(&cpus[i]->requests, REQ_ID, __ATOMIC_SEQ_CST);
	__atomic_store_n(&all_poked_us, time_us(), __ATOMIC_SEQ_CST);
	lapic_send(0, ICR_ASSERT | FIELD_PREP(ICR_MODE, ICR_MODE_NMI) | FIELD_PREP(ICR_SHORTHAND, ICR_OTHERS));
	counter_add(&cnt_repeated, 1);
}

bool cpu_was_poked_with_all(void)
{
	uint64_t at = __atomic_load_n(&all_poked_us, __ATOMIC_SEQ_CST);

	return at && time_us() - at < LATE_US;
}

bool cpu_take_poke(struct cpu *c)
{
	return __atomic_exchange_n(&c->poke, 0, __ATOMIC_SEQ_CST);
}

/*
 * Dekker's algorithm: this processor sets in_guest, then checks whether it may enter; a processor that wants it out sets its
 * request, then checks in_guest.  An NMI between here and the entry ends the run at once.
 */
bool smp_enter(struct cpu *c)
{
	for (;;) {
		__atomic_store_n(&c->in_guest, 1, __ATOMIC_SEQ_CST);
		bool wanted = __atomic_load_n(&c->requests, __ATOMIC_SEQ_CST) || c->state != CPU_RUNS || c->init_seen;

		bool may = !__atomic_load_n(&closed, __ATOMIC_SEQ_CST);
		struct cpu *last = __atomic_load_n(&stopper, __ATOMIC_SEQ_CST);

		if (!wanted && (may || last == c))
			return true;
		smp_left(c);
		if (last && last != c)
			halt_forever();
		if (wanted)
			return false;
		cpu_relax();
	}
}

void smp_left(struct cpu *c)
{
	__atomic_store_n(&c->in_guest, 0, __ATOMIC_SEQ_CST);
}

void smp_request(struct cpu *c, uint32_t what)
{
	__atomic_fetch_or(&c->requests, what, __ATOMIC_SEQ_CST);
	if (c != this_cpu() &&
	    (__atomic_load_n(&c->in_guest, __ATOMIC_SEQ_CST) || __atomic_load_n(&c->asleep, __ATOMIC_SEQ_CST)))
		poke(c);
}

void smp_want_clock(void)
{
	for (unsigned i = 0; i < ncpus; i++)
		if (cpus[i] != this_cpu() && __atomic_load_n(&cpus[i]->in_guest, __ATOMIC_SEQ_CST) &&
		    !__atomic_load_n(&cpus[i]->clock_armed, __ATOMIC_RELAXED))
			smp_request(cpus[i], REQ_CLOCK);
}

/*
 * Hand on in turn, so that no processor does the work of all.  A processor that begins to wait for a SIPI takes no more
 * requests: it sets its state, then checks for REQ_WORK (smp.c).  Here the order is the reverse: make the request, then check
 * that the processor still runs.
 */
void smp_hand_on(void)
{
	struct cpu *self = this_cpu();

	/* The polling core continues by itself: no processor leaves the guest for that. */
	bool self_only = self->polls && self->state != CPU_RUNS;

	for (unsigned i = 1; i < ncpus && !self_only; i++) {
		struct cpu *c = cpus[(self->index + i) % ncpus];

		if (__atomic_load_n(&c->state, __ATOMIC_SEQ_CST) != CPU_RUNS)
			continue;
		smp_request(c, REQ_WORK);
		if (__atomic_load_n(&c->state, __ATOMIC_SEQ_CST) == CPU_RUNS)
			return;
	}
	smp_request(self, REQ_WORK);
}

/* --- everybody out --- */

/* True if all others leave the guest within the time. */
static bool others_leave(uint32_t us)
{
	uint64_t now = time_us(), end = now + us, again = now + REPEAT_US;

	for (unsigned i = 0; i < ncpus; i++)
		if (cpus[i] != this_cpu() && __atomic_load_n(&cpus[i]->in_guest, __ATOMIC_SEQ_CST))
			poke(cpus[i]);
	for (unsigned i = 0; i < ncpus; i++) {
		while (cpus[i] != this_cpu() && __atomic_load_n(&cpus[i]->in_guest, __ATOMIC_SEQ_CST)) {
			now = time_us();
			if (now > end)
				return false;
			if (now > again) {
				poke_all();
				again = now + 10 * REPEAT_US;
			}
			cpu_relax();
		}
	}
	return true;
}

void guest_pause(void)
{
	lock_acquire(&pause_lock);
	__atomic_store_n(&closed, 1, __ATOMIC_SEQ_CST);
	if (others_leave(PAUSE_US))
		return;
	if (on_silence)
		on_silence();
	panic("cpu %u: another processor does not leave the guest", this_cpu()->index);
}

static void (*on_change)(void);

void guest_on_change(void (*fn)(void))
{
	on_change = fn;
}

void guest_resume(void)
{
	if (IS_ENABLED(CONFIG_GHOST) && on_change)
		on_change();
	for (unsigned i = 0; i < ncpus; i++)
		if (cpus[i]->v)
			__atomic_fetch_or(&cpus[i]->requests, REQ_FLUSH, __ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&stopper, __ATOMIC_SEQ_CST))
		__atomic_store_n(&closed, 0, __ATOMIC_SEQ_CST);
	lock_release(&pause_lock);
}

/*
 * A processor that is not parked runs only its HLT and the NMI's handler from now on.  Emulators flush translations far more
 * often than silicon: no test can show that a flush is missing here.
 */
void smp_flush_host(void)
{
	uint64_t end = time_us() + PAUSE_US;

	flush_tlb();
	for (unsigned i = 1; i < ncpus; i++) {
		if (!cpus[i]->parked)
			continue;
		__atomic_store_n(&cpus[i]->host_flushed, 0, __ATOMIC_SEQ_CST);
		smp_request(cpus[i], REQ_HOST_TLB);
	}
	for (unsigned i = 1; i < ncpus; i++) {
		while (cpus[i]->parked && !__atomic_load_n(&cpus[i]->host_flushed, __ATOMIC_SEQ_CST)) {
			if (time_us() > end)
				panic("cpu %u: does not flush its TLB within %u ms: asked by %#x", i, PAUSE_US / 1000,
				      __atomic_load_n(&cpus[i]->requests, __ATOMIC_SEQ_CST));
			cpu_relax();
		}
	}
}

/* The same way as smp_enter(): this processor says that it works, then looks; the stopper says who it is, then waits. */
void smp_round(bool begins)
{
	struct cpu *self = this_cpu(), *last;

	__atomic_store_n(&self->in_round, begins, __ATOMIC_SEQ_CST);
	last = __atomic_load_n(&stopper, __ATOMIC_SEQ_CST);
	if (!last || last == self)
		return;
	__atomic_store_n(&self->in_round, 0, __ATOMIC_SEQ_CST);
	halt_forever();
}

/* One that waits for a controller of this processor's ends no round: the time is limited. */
static void rounds_end(void)
{
	uint64_t end = time_us() + STOP_US;

	for (unsigned i = 0; i < ncpus; i++)
		while (cpus[i] != this_cpu() && __atomic_load_n(&cpus[i]->in_round, __ATOMIC_SEQ_CST) && time_us() < end)
			cpu_relax();
}

void smp_stop_others(void)
{
	struct cpu *nobody = NULL;

	/* If two processors want to stop the others, the second halts, here or before its next entry. */
	if (!__atomic_compare_exchange_n(&stopper, &nobody, this_cpu(), false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) &&
	    nobody != this_cpu())
		halt_forever();
	__atomic_store_n(&closed, 1, __ATOMIC_SEQ_CST);
	others_leave(STOP_US);
	rounds_end();
}
