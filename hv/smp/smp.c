/* SPDX-License-Identifier: BSD-2-Clause */
/* The life of a guest's processor: its NMIs, INIT and SIPI, the watch on its local APIC, its sleep in the host. */
#include <veneer/config.h>
#include <veneer/counters.h>
#include <veneer/doorbell.h>
#include <veneer/lock.h>
#include <veneer/log.h>
#include <veneer/owner.h>
#include <veneer/time.h>
#include "hv/cpu/cpus.h"
#include "hv/cpu/features.h"
#include "hv/cpu/msr.h"
#include "hv/smp/smp.h"
#include "hv/cpu/vcpu.h"
#include "hv/dev/power.h"
#include "hv/irq/doorbell.h"
#include "hv/irq/intx.h"
#include "hv/irq/ioapic.h"
#include "hv/cpu/lapic.h"
#include "hv/mem/nested.h"

/* How long a poke may stay away whose flag was taken by another NMI: a sender that an emulator holds up. */
#define LATE_POKE_US	1000000u
/* How long a guest may be in its handler of an NMI before its counters' entry is unmasked. */
#define PMI_HANDLER_US	10000u
/* An entry that is masked for so long after the guest was told has been masked anew. */
#define PMI_AGAIN_US	1000000u
#define MSR_PERF_GLOBAL_STATUS	0x38eu
#define PERF_COUNTERS	GENMASK64(47, 0)
#define MESSAGES	0xfee00000ull
#define MESSAGES_SIZE	0x100000ull

static struct lock watch_lock;	/* outermost: the watch begins and ends under it */
/* Whether INIT, SIPI and NMIs of the guest's are emulated; while it ends they still are. */
enum { WATCH_OFF, WATCH_ON, WATCH_ENDS };
static uint32_t watched;	/* shared */
static bool messages_hidden;
static bool unused;		/* processors that are not ours */
static uint64_t cnt_starts, cnt_inits, cnt_nmis, cnt_late, cnt_pmis;

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
 * Whether the guest's performance counters have sent an NMI that it has not had.  NMIs carry no vector, and of two that come
 * together there is one: a doorbell's hides the guest's.  On Intel's processors that of the counters leaves a trace: it masks
 * their entry (SDM vol. 3, 11.5.1), and counters of which the guest has not heard are in the status.  Without that NMI the
 * entry would stay masked for ever.  A handler that is at work has not unmasked the entry yet.
 */
static bool pmi_waits(struct cpu *c)
{
	uint64_t status;
	bool masked;

	/* One that the host took meanwhile may be that of the counters: its own exit tells. */
	if (!features.pmi_masks || c->nmi_count != c->nmis_reported || !lapic_pmi_is_nmi(&masked))
		return false;
	if (!masked || time_us() - c->nmi_us >= PMI_AGAIN_US)
		c->pmi_given = false;
	if (!masked || c->pmi_given || time_us() - c->nmi_us < PMI_HANDLER_US ||
	    !rdmsr_safe(MSR_PERF_GLOBAL_STATUS, &status) || !(status & PERF_COUNTERS))
		return false;
	c->pmi_given = true;
	counter_add(&cnt_pmis, 1);
	return true;
}

static void give_nmi(struct cpu *c)
{
	c->nmi_us = time_us();
	vcpu_ops->inject_nmi(c->v);
}

/*
 * A poke's flag is set before its NMI is sent: a doorbell that comes between finds it, and the poke's own NMI comes later, with
 * no flag and no work.  It must not become the guest's.
 */
void smp_nmi(struct cpu *c)
{
	bool poked = cpu_take_poke(c), rang = doorbell_ring(), ours = poked || rang;

	if (poked && rang)
		c->late_poke_until = time_us() + LATE_POKE_US;
	else if (!ours)
		ours = is_late_poke(c) || cpu_was_poked_with_all();
	/* One that waits for its SIPI has NMIs blocked. */
	if (c->state != CPU_RUNS)
		return;
	if (!ours)
		c->pmi_given = false;
	if (!ours || pmi_waits(c))
		give_nmi(c);
}

/* Requests are looked at before the next entry in any case; the NMI may come all the same. */
void smp_nmis_lost(struct cpu *c)
{
	if (cpu_take_poke(c))
		c->late_poke_until = time_us() + LATE_POKE_US;
	doorbell_ring();
	doorbell_credit(NULL);
}

/* --- the life of a guest processor --- */

/* After INIT and a SIPI (SDM vol. 3, table 9-1 and 9.4.4; APM vol. 2, 14.1.3 and 14.6). */
static void set_start_state(struct cpu *c, uint8_t vector)
{
	struct vcpu_regs old, r = { .rflags = BIT(1) };

	vcpu_ops->get(c->v, &old);
	for (unsigned i = 0; i < SEG_COUNT; i++)
		r.seg[i] = (struct vcpu_seg){ .limit = 0xffff, .attr = 0x93 };
	r.seg[SEG_CS] = (struct vcpu_seg){ (uint16_t)(vector << 8), 0x9b, 0xffff, (uint64_t)vector << 12 };
	r.seg[SEG_LDTR].attr = 0x82;
	r.seg[SEG_TR].attr = 0x8b;
	r.gdtr.limit = r.idtr.limit = 0xffff;
	r.gpr[GPR_RDX] = cpuid(1, 0).eax;
	/* Caching disabled stays as it is; after power-on it is. */
	r.cr0 = CR0_ET | (c->started ? old.cr0 & (CR0_CD | CR0_NW) : CR0_CD | CR0_NW);
	vcpu_ops->init_state(c->v);
	vcpu_ops->set(c->v, &r);
}

/* None waits for a SIPI, nor is about to. */
static bool all_run(void)
{
	for (unsigned i = 0; i < ncpus; i++)
		if ((__atomic_load_n(&cpus[i]->requests, __ATOMIC_SEQ_CST) & REQ_INIT) ||
		    __atomic_load_n(&cpus[i]->state, __ATOMIC_SEQ_CST) == CPU_WAITS)
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

static void open_lapic(void)
{
	vcpu_ops->trap_msr_write(MSR_X2APIC_ICR, false);
	nested_writable(lapic_addr(), PAGE_SIZE);
	if (IS_ENABLED(CONFIG_INTX))
		ioapic_hold_inits(false);
	log_info("cpu: all processors of the guest run: the local APIC is no longer watched");
}

/*
 * The page is writable again, the MSR untrapped, on every processor.  One that came to wait since the last of them started has
 * its SIPI emulated: either that is seen here, or it sees that the watch is over (smp_watch()).
 */
static void end_watch(void)
{
	if (config.ap_trap == AP_TRAP_ALWAYS)
		return;
	/* An INIT would take a processor away from Veneer: one that is not the guest's never, the guest's own on request. */
	if ((config.ap_trap == AP_TRAP_AUTO || foreign_cpus()) && !vcpu_ops->init_is_safe())
		return;
	lock_acquire(&watch_lock);
	if (watched == WATCH_ON) {
		/* Whoever has an INIT emulated from now on sees this; one of before is seen by all_run(). */
		__atomic_store_n(&watched, WATCH_ENDS, __ATOMIC_SEQ_CST);
		bool all = all_run();

		if (all)
			open_lapic();
		__atomic_store_n(&watched, all ? WATCH_OFF : WATCH_ON, __ATOMIC_SEQ_CST);
	}
	lock_release(&watch_lock);
}

/*
 * A processor's store to FEExxxxxh beside the local APIC's page is no message on most silicon, and no system makes one.  If it
 * is a message, as in emulators, it would send INIT past the watch.
 */
static int hide_messages(void)
{
	uint64_t page = lapic_addr(), first = MESSAGES, end = MESSAGES + MESSAGES_SIZE;
	bool inside = page >= first && page < end;
	int err = inside && page == first ? 0 : nested_hide(first, (inside ? page : end) - first);

	if (!err && inside && page + PAGE_SIZE < end)
		err = nested_hide(page + PAGE_SIZE, end - page - PAGE_SIZE);
	messages_hidden = !err;
	return err;
}

int smp_watch(void)
{
	int err = 0;

	lock_acquire(&watch_lock);
	if (!messages_hidden)
		err = hide_messages();
	if (!watched && !err) {
		vcpu_ops->trap_msr_write(MSR_X2APIC_ICR, true);
		err = nested_readonly(lapic_addr(), PAGE_SIZE);
		if (IS_ENABLED(CONFIG_INTX))
			ioapic_hold_inits(true);
		__atomic_store_n(&watched, WATCH_ON, __ATOMIC_SEQ_CST);
	}
	lock_release(&watch_lock);
	return err;
}

void smp_unused_cpu(void)
{
	unused = true;
}

static void watch_again(void)
{
	if (smp_watch())
		panic("cpu: no memory to watch the local APIC again");
}

/*
 * An INIT has been emulated, and the watch may have ended at that very moment, since all ran: the SIPI that follows it would
 * reach a processor that does not wait for it itself.  This is the processor that sends it.
 */
static void init_sent(void)
{
	if (__atomic_load_n(&watched, __ATOMIC_SEQ_CST) != WATCH_ON)
		watch_again();
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

/*
 * INIT: out of the guest, whatever it did.  The boot processor's starts the firmware: the machine is reset.  If a SIPI will be
 * emulated, that begins first: on silicon it can follow within microseconds.
 */
static void guest_init(struct cpu *c, bool emulated)
{
	uint64_t nmis = c->nmi_count;

	if (!c->index) {
		log_err("guest: INIT on the boot processor: resetting the machine");
		machine_reset();
	}
	__atomic_store_n(&c->state, CPU_WAITS, __ATOMIC_SEQ_CST);
	if (emulated)
		watch_again();
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
	int vector = -1;

	/* Before the look: another processor may begin to watch at any time, and then sends the SIPI that it emulates, too. */
	__atomic_store_n(&c->waits_itself, 1, __ATOMIC_SEQ_CST);
	if (vcpu_ops->wait_sipi && __atomic_load_n(&watched, __ATOMIC_SEQ_CST) == WATCH_OFF)
		vector = vcpu_ops->wait_sipi(c->v);
	__atomic_store_n(&c->waits_itself, 0, __ATOMIC_SEQ_CST);
	if (vector < 0)
		return false;
	/* The NMI of a poke from before the INIT has come meanwhile; its request is still there. */
	cpu_take_poke(c);
	start_guest(c, (uint8_t)vector);
	return true;
}

/*
 * One that reached the processor, and was not executed there: silicon hands it over (#SX, or an exit, at once or at the next
 * entry), emulators reset the processor instead and never come here.  Where the processor cannot wait for the SIPI itself, that
 * would find nobody who waits for one: from now on they are emulated again.
 */
void smp_real_init(struct cpu *c)
{
	c->init_seen = 0;
	guest_init(c, !vcpu_ops->wait_sipi);
	/* Others count on it that it goes on with what they left, and it may hear of no request for long. */
	if (__atomic_fetch_and(&c->requests, ~REQ_WORK, __ATOMIC_SEQ_CST) & REQ_WORK)
		owner_continue();
	if (!wait_as_silicon(c))
		watch_again();
}

/* Nothing to run: asleep until somebody wants something. */
static void wait_in_host(struct cpu *c)
{
	uint64_t nmis = c->nmi_count;

	__atomic_store_n(&c->asleep, 1, __ATOMIC_SEQ_CST);
	/* Its NMI, where it is latched, is taken before the sleep begins: with the flag left nobody would send another one. */
	if (cpu_take_poke(c))
		c->late_poke_until = time_us() + LATE_POKE_US;
	vcpu_ops->sleep(&c->requests);
	__atomic_store_n(&c->asleep, 0, __ATOMIC_SEQ_CST);
	/* A poke that has not come yet will come in the guest, and must be known there. */
	if (c->nmi_count != nmis)
		smp_nmi(c);
}

/* The processor's own look at its id, which the guest may have changed. */
void smp_look_at_id(struct cpu *c)
{
	static bool said;
	uint32_t id = lapic_id();

	if (id == c->apic_id)
		return;
	log_err_once(said, "cpu %u: the guest has changed its APIC id from %u to %u", c->index, c->apic_id, id);
	__atomic_store_n(&c->apic_id, id, __ATOMIC_SEQ_CST);
	doorbell_aim(c->index);
}

/* Whoever sends INIT takes back the SIPI from before: one that stands beside an INIT came after it. */
static bool take_sipi(struct cpu *c)
{
	uint32_t r = __atomic_load_n(&c->requests, __ATOMIC_SEQ_CST);

	do {
		if (!(r & REQ_SIPI) || (r & REQ_INIT))
			return false;
	} while (!__atomic_compare_exchange_n(&c->requests, &r, r & ~REQ_SIPI, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
	return true;
}

/*
 * INIT, then SIPI.  An INIT stays requested until this processor says that it waits: between the two a SIPI would be sent to
 * nobody.  More of them may come at any moment; what is not taken here is left for the next round.
 */
static void start_up(struct cpu *c)
{
	if (__atomic_load_n(&c->requests, __ATOMIC_SEQ_CST) & REQ_INIT) {
		if (c->state == CPU_RUNS)
			guest_init(c, true);
		__atomic_fetch_and(&c->requests, ~REQ_INIT, __ATOMIC_SEQ_CST);
	}
	if (take_sipi(c) && c->state == CPU_WAITS)
		start_guest(c, (uint8_t)__atomic_load_n(&c->sipi, __ATOMIC_SEQ_CST));
}

static void serve(struct cpu *c, uint32_t what)
{
	if ((what & REQ_FLUSH) && c->v)
		vcpu_ops->flush(c->v);
	if (what & REQ_HOST_TLB) {
		flush_tlb();
		__atomic_store_n(&c->host_flushed, 1, __ATOMIC_SEQ_CST);
	}
	if (what & REQ_LDR) {
		__atomic_store_n(&c->dfr, lapic_dfr(), __ATOMIC_RELAXED);
		__atomic_store_n(&c->ldr, lapic_ldr(), __ATOMIC_RELAXED);
	}
	if (what & REQ_ID)
		smp_look_at_id(c);
	if (IS_ENABLED(CONFIG_INTX) && (what & REQ_INTX))
		intx_answer();
	if (what & REQ_WORK)
		owner_continue();
	start_up(c);
	if ((what & REQ_NMI) && c->state == CPU_RUNS) {
		counter_add(&cnt_nmis, 1);
		give_nmi(c);
	}
}

void smp_serve(struct cpu *c)
{
	for (;;) {
		serve(c, __atomic_fetch_and(&c->requests, REQ_INIT | REQ_SIPI, __ATOMIC_SEQ_CST));
		if (c->init_seen)
			smp_real_init(c);
		if (c->state == CPU_RUNS)
			return;
		wait_in_host(c);
	}
}

void smp_init(void)
{
	ipi_on_init(init_sent);
	counter_register("cpu", "starts", &cnt_starts);
	counter_register("cpu", "inits", &cnt_inits);
	counter_register("nmi", "by_ipi", &cnt_nmis);
	counter_register("nmi", "late_pokes", &cnt_late);
	counter_register("nmi", "of_counters", &cnt_pmis);
}
