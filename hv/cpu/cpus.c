/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The processors: who they are, how one makes another leave the guest, and how all of them do.  What a guest's processor does
 * with INIT, SIPI and NMIs is not here but in hv/smp.
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

/* An exit takes microseconds, on an emulator whose threads wait for a processor up to seconds. */
#define PAUSE_US	20000000u
#define STOP_US		2000000u
/* When one who does not come is poked by whatever id it has: later than an SMI lasts. */
#define REPEAT_US	100000u
/* How long an NMI to all may stay away. */
#define LATE_US		1000000u

static struct cpu boot_cpu;
struct cpu *cpus[MAX_CPUS] = { &boot_cpu };
unsigned ncpus = 1;

static struct lock pause_lock;
static void (*on_silence)(void);
static uint64_t all_poked_us;	/* shared: when the last poke of all of them was sent, 0: never */
static uint64_t cnt_repeated;
static uint32_t closed;		/* nobody enters the guest */
static struct cpu *stopper;	/* and nobody will but this one */

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
 * A guest can write its local APIC's id, and then an NMI by the id that Veneer knows reaches nobody, or another one.  All get
 * one that reaches them whatever their ids are, and say theirs.  NMIs that nothing explains are these for a while.
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
 * Dekker's way: this processor says that it is in the guest, then looks whether it may be; one who wants it out says so, then
 * looks whether it is in.  An NMI between here and the entry ends the run at once.
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
 * In turn, so that no processor does the work of all.  One that comes to wait for a SIPI takes no more requests: it says so,
 * then looks for this one (smp.c); here the request is made, then it is looked whether the processor still runs.
 */
void smp_hand_on(void)
{
	struct cpu *self = this_cpu();

	for (unsigned i = 1; i < ncpus; i++) {
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

/* Whether all others are out within the time. */
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

void guest_resume(void)
{
	for (unsigned i = 0; i < ncpus; i++)
		if (cpus[i]->v)
			__atomic_fetch_or(&cpus[i]->requests, REQ_FLUSH, __ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&stopper, __ATOMIC_SEQ_CST))
		__atomic_store_n(&closed, 0, __ATOMIC_SEQ_CST);
	lock_release(&pause_lock);
}

/*
 * One that is not parked runs no code any more but the HLT it stands at and the NMI's handler.  Emulators drop translations far
 * more often than silicon: that one of these flushes is missing no test shows.
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

void smp_stop_others(void)
{
	struct cpu *nobody = NULL;

	/* Of two that want to be the last, the second is one of the others: it halts, here or before its next entry. */
	if (!__atomic_compare_exchange_n(&stopper, &nobody, this_cpu(), false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) &&
	    nobody != this_cpu())
		halt_forever();
	__atomic_store_n(&closed, 1, __ATOMIC_SEQ_CST);
	others_leave(STOP_US);
}
