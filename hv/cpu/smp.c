/* SPDX-License-Identifier: BSD-2-Clause */
#include <veneer/config.h>
#include <veneer/counters.h>
#include <veneer/irq.h>
#include <veneer/lock.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/time.h>
#include "hv/cpu/smp.h"
#include "hv/cpu/vendor.h"
#include "hv/irq/doorbell.h"
#include "hv/irq/intx.h"
#include "hv/irq/lapic.h"
#include "hv/hv.h"
#include "hv/mem/mem_internal.h"

/* An exit takes microseconds, on an emulator whose threads wait for a processor up to seconds. */
#define PAUSE_US	20000000u
#define STOP_US		2000000u
/* How long a poke may stay away whose flag was taken by another NMI: a sender that an emulator holds up. */
#define LATE_POKE_US	1000000u

static struct cpu boot_cpu;
struct cpu *cpus[MAX_CPUS] = { &boot_cpu };
unsigned ncpus = 1;

static struct lock pause_lock;
static struct lock watch_lock;	/* outermost: the watch begins and ends under it */
static uint32_t watched;	/* INIT, SIPI and NMIs of the guest's are emulated */
static bool unused;		/* processors that are not ours */
static uint64_t cnt_starts, cnt_inits, cnt_nmis, cnt_late;
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

void smp_init(void)
{
	boot_cpu.apic_id = lapic_id();
	counter_register("cpu", "starts", &cnt_starts);
	counter_register("cpu", "inits", &cnt_inits);
	counter_register("nmi", "by_ipi", &cnt_nmis);
	counter_register("nmi", "late_pokes", &cnt_late);
}

static void poke(struct cpu *c)
{
	if (!__atomic_exchange_n(&c->poke, 1, __ATOMIC_SEQ_CST))
		lapic_send(c->apic_id, ICR_ASSERT | FIELD_PREP(ICR_MODE, ICR_MODE_NMI));
}

static bool take_poke(struct cpu *c)
{
	return __atomic_exchange_n(&c->poke, 0, __ATOMIC_SEQ_CST);
}

/* Whether this NMI, which nothing explains, is the late poke: once. */
static bool is_late_poke(struct cpu *c)
{
	if (!c->late_poke_until || time_us() >= c->late_poke_until)
		return false;
	c->late_poke_until = 0;
	counter_add(&cnt_late, 1);
	return true;
}

/*
 * A poke's flag is set before its NMI is sent: a doorbell that comes between finds it, and the poke's own NMI comes later, with
 * no flag and no work.  It must not become the guest's.
 */
void smp_nmi(struct cpu *c)
{
	bool poked = take_poke(c), rang = doorbell_ring();

	if (poked && rang)
		c->late_poke_until = time_us() + LATE_POKE_US;
	/* One that waits for its SIPI has NMIs blocked. */
	else if (!poked && !rang && !is_late_poke(c) && c->state == CPU_RUNS)
		vendor->inject_nmi(c->v);
}

/* Requests are looked at before the next entry in any case; the NMI may come all the same. */
void smp_nmis_lost(struct cpu *c)
{
	if (take_poke(c))
		c->late_poke_until = time_us() + LATE_POKE_US;
	doorbell_ring();
	doorbell_credit(NULL);
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

/* --- the life of a guest processor --- */

/* After INIT and a SIPI (SDM vol. 3, table 9-1 and 9.4.4; APM vol. 2, 14.1.3 and 14.6). */
static void set_start_state(struct cpu *c, uint8_t vector)
{
	struct vcpu_regs old, r = { .rflags = BIT(1) };

	vendor->get(c->v, &old);
	for (unsigned i = 0; i < SEG_COUNT; i++)
		r.seg[i] = (struct vcpu_seg){ .limit = 0xffff, .attr = 0x93 };
	r.seg[SEG_CS] = (struct vcpu_seg){ (uint16_t)(vector << 8), 0x9b, 0xffff, (uint64_t)vector << 12 };
	r.seg[SEG_LDTR].attr = 0x82;
	r.seg[SEG_TR].attr = 0x8b;
	r.gdtr.limit = r.idtr.limit = 0xffff;
	r.gpr[GPR_RDX] = cpuid(1, 0).eax;
	/* Caching disabled stays as it is; after power-on it is. */
	r.cr0 = CR0_ET | (c->started ? old.cr0 & (CR0_CD | CR0_NW) : CR0_CD | CR0_NW);
	vendor->init_state(c->v);
	vendor->set(c->v, &r);
}

static bool all_run(void)
{
	for (unsigned i = 0; i < ncpus; i++)
		if (__atomic_load_n(&cpus[i]->state, __ATOMIC_SEQ_CST) == CPU_WAITS)
			return false;
	return true;
}

static bool foreign_cpus(void)
{
	for (unsigned i = 0; i < ncpus; i++)
		if (cpus[i]->state == CPU_ABSENT)
			return true;
	return unused;
}

/*
 * The page is writable again, the MSR untrapped, on every processor.  One that came to wait since the last of them started has
 * its SIPI emulated: either that is seen here, or it sees that the watch is over (smp_watch()).
 */
static void end_watch(void)
{
	if (config.ap_trap_always || (foreign_cpus() && !vendor->init_is_safe()))
		return;
	lock_acquire(&watch_lock);
	if (watched && all_run()) {
		vendor->trap_msr_write(MSR_X2APIC_ICR, false);
		nested_writable(lapic_addr(), PAGE_SIZE);
		__atomic_store_n(&watched, 0, __ATOMIC_SEQ_CST);
		log_info("cpu: all processors of the guest run: the local APIC is no longer watched");
	}
	lock_release(&watch_lock);
}

int smp_watch(void)
{
	int err = 0;

	lock_acquire(&watch_lock);
	if (!watched) {
		vendor->trap_msr_write(MSR_X2APIC_ICR, true);
		err = nested_readonly(lapic_addr(), PAGE_SIZE);
		__atomic_store_n(&watched, 1, __ATOMIC_SEQ_CST);
	}
	lock_release(&watch_lock);
	return err;
}

void smp_unused_cpu(void)
{
	unused = true;
}

static void start_guest(struct cpu *c, uint8_t vector)
{
	set_start_state(c, vector);
	/* A kernel starts, perhaps another one: logical ids are asked for anew. */
	for (unsigned i = 0; i < ncpus; i++)
		__atomic_store_n(&cpus[i]->ldr, 0, __ATOMIC_RELAXED);
	c->started = true;
	__atomic_store_n(&c->state, CPU_RUNS, __ATOMIC_SEQ_CST);
	counter_add(&cnt_starts, 1);
	if (all_run())
		end_watch();
}

/* INIT: out of the guest, whatever it did.  The boot processor's starts the firmware: the machine is reset. */
static void guest_init(struct cpu *c)
{
	uint64_t nmis = c->nmi_count;

	if (!c->index) {
		log_err("guest: INIT on the boot processor: resetting the machine");
		machine_reset();
	}
	__atomic_store_n(&c->state, CPU_WAITS, __ATOMIC_SEQ_CST);
	counter_add(&cnt_inits, 1);
	c->df_seen = false;
	/* It may sleep for ever, and what rang while it was on its way to that would be heard by nobody. */
	doorbell_leave(c->index);
	lapic_reset();
	if (c->nmi_count != nmis)
		smp_nmi(c);
}

/*
 * The SIPI comes to the processor itself, which waits for it as it would without Veneer.  It is out of the guest, and who wants
 * it there need not wait for it; but it takes no NMI: nothing may ring on it any more.  Quickly: a SIPI that comes
 * before the processor waits is dropped, as silicon drops it.
 */
static bool wait_as_silicon(struct cpu *c)
{
	int vector;

	if (!vendor->wait_sipi || __atomic_load_n(&watched, __ATOMIC_SEQ_CST))
		return false;
	vector = vendor->wait_sipi(c->v);
	if (vector < 0)
		return false;
	/* The NMI of a poke from before the INIT has come meanwhile; its request is still there. */
	take_poke(c);
	start_guest(c, (uint8_t)vector);
	return true;
}

static void watch_again(void)
{
	if (smp_watch())
		panic("cpu: no memory to watch the local APIC again");
}

/*
 * One that reached the processor, and was not executed there: silicon hands it over (#SX, or an exit, at once or at the next
 * entry), emulators reset the processor instead and never come here.  Where the processor cannot wait for the SIPI itself, that
 * would find nobody who waits for one: from now on they are emulated again.
 */
void smp_real_init(struct cpu *c)
{
	c->init_seen = 0;
	guest_init(c);
	if (!wait_as_silicon(c))
		watch_again();
}

/* Nothing to run: asleep until somebody wants something. */
static void wait_in_host(struct cpu *c)
{
	uint64_t nmis = c->nmi_count;

	__atomic_store_n(&c->asleep, 1, __ATOMIC_SEQ_CST);
	/* Its NMI, where it is latched, is taken before the sleep begins: with the flag left nobody would send another one. */
	if (take_poke(c))
		c->late_poke_until = time_us() + LATE_POKE_US;
	vendor->sleep(&c->requests);
	__atomic_store_n(&c->asleep, 0, __ATOMIC_SEQ_CST);
	/* A poke that has not come yet will come in the guest, and must be known there. */
	if (c->nmi_count != nmis)
		smp_nmi(c);
}

static void serve(struct cpu *c, uint32_t what)
{
	bool runs = c->state == CPU_RUNS;

	if ((what & REQ_FLUSH) && c->v)
		vendor->flush(c->v);
	if (what & REQ_LDR) {
		__atomic_store_n(&c->dfr, lapic_dfr(), __ATOMIC_RELAXED);
		__atomic_store_n(&c->ldr, lapic_ldr(), __ATOMIC_RELAXED);
	}
	if (what & REQ_INTX)
		intx_answer();
	if ((what & REQ_INIT) && runs) {
		guest_init(c);
		/* Another processor's start may have ended the watch meanwhile. */
		watch_again();
	}
	if ((what & REQ_SIPI) && c->state == CPU_WAITS)
		start_guest(c, (uint8_t)__atomic_load_n(&c->sipi, __ATOMIC_SEQ_CST));
	if ((what & REQ_NMI) && c->state == CPU_RUNS) {
		counter_add(&cnt_nmis, 1);
		vendor->inject_nmi(c->v);
	}
}

void smp_serve(struct cpu *c)
{
	for (;;) {
		serve(c, __atomic_exchange_n(&c->requests, 0, __ATOMIC_SEQ_CST));
		if (c->init_seen)
			smp_real_init(c);
		if (c->state == CPU_RUNS)
			return;
		wait_in_host(c);
	}
}

/* --- everybody out --- */

/* Whether all others are out within the time. */
static bool others_leave(uint32_t us)
{
	uint64_t end = time_us() + us;

	for (unsigned i = 0; i < ncpus; i++)
		if (cpus[i] != this_cpu() && __atomic_load_n(&cpus[i]->in_guest, __ATOMIC_SEQ_CST))
			poke(cpus[i]);
	for (unsigned i = 0; i < ncpus; i++) {
		while (cpus[i] != this_cpu() && __atomic_load_n(&cpus[i]->in_guest, __ATOMIC_SEQ_CST)) {
			if (time_us() > end)
				return false;
			cpu_relax();
		}
	}
	return true;
}

void guest_pause(void)
{
	lock_acquire(&pause_lock);
	__atomic_store_n(&closed, 1, __ATOMIC_SEQ_CST);
	if (!others_leave(PAUSE_US))
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
