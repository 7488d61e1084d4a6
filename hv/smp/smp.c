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
#include "hv/smp/gather.h"
#include "hv/smp/lapic_state.h"
#include "hv/smp/smp.h"
#include "hv/cpu/vcpu.h"
#include "hv/dev/power.h"
#include "hv/irq/doorbell.h"
#include "hv/irq/intx.h"
#include "hv/irq/ioapic.h"
#include "hv/cpu/lapic.h"
#include "hv/mem/nested.h"

/* How late a poke's NMI may come after another NMI has taken the poke's flag: an emulator may delay the sender. */
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
/* While the watch is on, the guest's INITs, SIPIs and NMIs are emulated; while it ends they still are. */
enum { WATCH_OFF, WATCH_ON, WATCH_ENDS };
static uint32_t watched;	/* shared */
static bool messages_hidden;
static bool unused;		/* there are processors that are not Veneer's */
static bool lifted;		/* parked processors notice an INIT themselves: no watch until one comes */
static uint64_t cnt_starts, cnt_inits, cnt_nmis, cnt_late, cnt_pmis;

/* True, once, if this NMI, which has no other cause, is the late poke. */
static bool is_late_poke(struct cpu *c)
{
	if (!c->late_poke_until || time_us() >= c->late_poke_until)
		return false;
	c->late_poke_until = 0;
	counter_add(&cnt_late, 1);
	return true;
}

/*
 * True if the guest's performance counters have sent an NMI that the guest has not got.  NMIs carry no vector, and two that
 * come together are one: a doorbell's NMI hides the guest's.  On Intel's processors the counters' NMI leaves a trace: it masks
 * their entry (SDM vol. 3, 11.5.1), and the status shows the counters that the guest has not handled.  Without that NMI the
 * entry would stay masked for ever.  A handler that still runs has not unmasked the entry yet.
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
 * A poke's flag is set before its NMI is sent.  The NMI of a doorbell that comes in between takes the flag, and the poke's own
 * NMI comes later, without flag and without work.  That NMI must not become the guest's.
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

/* The next entry checks for requests in any case; the poke's NMI may still come. */
void smp_nmis_lost(struct cpu *c)
{
	if (cpu_take_poke(c))
		c->late_poke_until = time_us() + LATE_POKE_US;
	doorbell_ring();
	doorbell_credit(NULL, 1);
}

/* --- the life of a guest processor --- */

/* Set the state after INIT and a SIPI (SDM vol. 3, table 9-1 and 9.4.4; APM vol. 2, 14.1.3 and 14.6). */
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
	/* INIT does not change CD and NW; after power-on both are 1. */
	r.cr0 = CR0_ET | (c->started ? old.cr0 & (CR0_CD | CR0_NW) : CR0_CD | CR0_NW);
	vcpu_ops->init_state(c->v);
	vcpu_ops->set(c->v, &r);
}

/* True if the watch has to emulate this processor's SIPI: it waits, or is about to. */
static bool sipi_is_due(struct cpu *c)
{
	if (__atomic_load_n(&c->requests, __ATOMIC_SEQ_CST) & REQ_INIT)
		return true;
	return __atomic_load_n(&c->state, __ATOMIC_SEQ_CST) == CPU_WAITS &&
	       (!lifted || __atomic_load_n(&c->init_taken, __ATOMIC_SEQ_CST));
}

static bool no_sipi_due(void)
{
	for (unsigned i = 0; i < ncpus; i++)
		if (sipi_is_due(cpus[i]))
			return false;
	return true;
}

static bool foreign_cpus(void)
{
	for (unsigned i = 0; i < ncpus; i++)
		if (cpus[i]->state == CPU_ABSENT)
			return true;
	return false;
}

static void open_lapic(void)
{
	vcpu_ops->trap_msr_write(MSR_X2APIC_ICR, false);
	nested_writable(lapic_addr(), PAGE_SIZE);
	if (IS_ENABLED(CONFIG_INTX))
		ioapic_hold_inits(false);
	log_info("cpu: no SIPI is due: local APIC unwatched");
}

/*
 * End the watch if possible: make the page writable again and untrap the MSR, on every processor.  If a processor began to wait
 * since the last one started, its SIPI has to be emulated: either this function sees that processor, or the emulation of its
 * INIT sees that the watch is over (smp_watch()).
 */
static void end_watch(void)
{
	/* A processor that never came to Veneer waits for the SIPI itself, outside. */
	if (config.ap_trap == AP_TRAP_ALWAYS || unused)
		return;
	/* An unsafe INIT takes a processor away from Veneer: the guest's own only if configured, another's never. */
	if ((config.ap_trap == AP_TRAP_AUTO || foreign_cpus()) && !vcpu_ops->init_is_safe())
		return;
	lock_acquire(&watch_lock);
	if (watched == WATCH_ON) {
		/* The emulation of a later INIT sees WATCH_ENDS; no_sipi_due() sees an earlier INIT. */
		__atomic_store_n(&watched, WATCH_ENDS, __ATOMIC_SEQ_CST);
		bool all = no_sipi_due();

		if (all)
			open_lapic();
		__atomic_store_n(&watched, all ? WATCH_OFF : WATCH_ON, __ATOMIC_SEQ_CST);
	}
	lock_release(&watch_lock);
}

/*
 * On most silicon a processor's store to FEExxxxxh beside the local APIC's page is no message, and no system makes such stores.
 * If the store is a message, as in emulators, it could send INIT past the watch: hide this range.
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

/* Some processors have not been started by the guest, and most guests start none: the watch can wait for an INIT. */
static bool may_lift(void)
{
	return (config.ap_trap == AP_TRAP_AUTO || config.ap_trap == AP_TRAP_START) && !unused && vcpu_ops->init_is_safe();
}

int smp_watch_begin(void)
{
	int err;

	lifted = may_lift();
	if (config.ap_trap == AP_TRAP_NEVER)
		log_warn("cpu: veneer,ap-trap is \"never\": a processor that the guest starts may run without Veneer");
	else if (!lifted)
		return smp_watch();
	lock_acquire(&watch_lock);
	err = messages_hidden ? 0 : hide_messages();
	lock_release(&watch_lock);
	if (!lifted || err)
		return err;
	lapic_keep_sipis();
	log_info("cpu: INIT reaches Veneer: the local APIC is not watched before one comes");
	return 0;
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
 * This processor has sent an INIT, which was emulated.  The watch may have ended at that very moment, since all processors
 * ran; the SIPI that this processor sends next would then reach a processor that does not wait for it itself.
 */
static void init_sent(void)
{
	if (__atomic_load_n(&watched, __ATOMIC_SEQ_CST) != WATCH_ON)
		watch_again();
}

static void start_guest(struct cpu *c, uint8_t vector)
{
	set_start_state(c, vector);
	/* A kernel starts, perhaps another one than before: forget the logical ids. */
	for (unsigned i = 0; i < ncpus; i++)
		__atomic_store_n(&cpus[i]->ldr, 0, __ATOMIC_RELAXED);
	c->started = true;
	__atomic_store_n(&c->state, CPU_RUNS, __ATOMIC_SEQ_CST);
	__atomic_store_n(&c->init_taken, 0, __ATOMIC_SEQ_CST);
	counter_add(&cnt_starts, 1);
	if (no_sipi_due())
		end_watch();
}

/*
 * Carry out an INIT: the processor leaves the guest, whatever it did.  On the boot processor INIT starts the firmware: reset
 * the machine.  If the SIPI will be emulated, begin the watch first: on silicon the SIPI can follow within microseconds.
 */
static void guest_init(struct cpu *c, bool emulated)
{
	uint64_t nmis = c->nmi_count;

	if (!c->index) {
		log_err("guest: INIT on the boot processor: resetting the machine");
		machine_reset();
	}
	__atomic_store_n(&c->init_taken, 1, __ATOMIC_SEQ_CST);
	__atomic_store_n(&c->state, CPU_WAITS, __ATOMIC_SEQ_CST);
	if (emulated)
		watch_again();
	counter_add(&cnt_inits, 1);
	c->df_seen = false;
	/* Move its doorbells: the processor may sleep for ever, and nobody would hear what rang on it meanwhile. */
	doorbell_leave(c->index);
	lapic_reset();
	if (c->nmi_count != nmis)
		smp_nmi(c);
}

/*
 * Let the processor itself wait for the SIPI, as it would without Veneer.  The processor is out of the guest, so who wants it
 * out need not wait for it; but it takes no NMI: no doorbell may ring on it any more.  Begin quickly: a SIPI that comes before
 * the processor waits is dropped, as silicon drops it.
 */
static bool wait_as_silicon(struct cpu *c)
{
	int vector = -1;

	/* Set before the read of watched: another processor may begin to watch at any time, and then also sends its SIPI. */
	__atomic_store_n(&c->waits_itself, 1, __ATOMIC_SEQ_CST);
	if (vcpu_ops->wait_sipi && __atomic_load_n(&watched, __ATOMIC_SEQ_CST) == WATCH_OFF)
		vector = vcpu_ops->wait_sipi(c->v);
	if (IS_ENABLED(CONFIG_STATE))
		state_leave_wait(c);
	else
		__atomic_store_n(&c->waits_itself, 0, __ATOMIC_SEQ_CST);
	if (vector < 0)
		return false;
	/* The NMI of a poke from before the INIT has come meanwhile; the poke's request is still set. */
	cpu_take_poke(c);
	start_guest(c, (uint8_t)vector);
	return true;
}

/*
 * A parked processor has come out of its sleep, and the watch has begun: tens of microseconds, in which many guests have sent
 * the SIPI.  The senders look for it; a guest that sends a second one has it emulated, and one of the two is dropped.
 */
static void look_back(void)
{
	for (unsigned i = 0; i < ncpus; i++)
		if (__atomic_load_n(&cpus[i]->state, __ATOMIC_SEQ_CST) == CPU_RUNS)
			smp_request(cpus[i], REQ_SENT);
}

/*
 * Handle an INIT that reached the processor but did not reset it.  Silicon hands the INIT over (#SX, or an exit, at once or at
 * the next entry); emulators reset the processor instead and never come here.  If the processor cannot wait for the SIPI
 * itself, the SIPI would find no processor that waits: from now on INITs and SIPIs are emulated again.
 */
void smp_real_init(struct cpu *c)
{
	bool first = !c->started;

	c->init_seen = 0;
	if (c->state == CPU_ABSENT)
		return;
	guest_init(c, first || !vcpu_ops->wait_sipi);
	if (first) {
		look_back();
		return;
	}
	/* Others rely on this processor for posted work, and it may take no request for a long time. */
	if (__atomic_fetch_and(&c->requests, ~REQ_WORK, __ATOMIC_SEQ_CST) & REQ_WORK)
		owner_continue();
	if (!wait_as_silicon(c))
		watch_again();
}

static int park_in_guest(struct cpu *c, const volatile uint32_t *wake)
{
	set_start_state(c, 0);
	return vcpu_ops->park(c->v, wake);
}

/* True if nobody watches for the INIT of this processor. */
static bool awaits_init(const struct cpu *c)
{
	return lifted && c->state == CPU_WAITS && !c->init_taken && vcpu_ops->park;
}

/* Sleep so that an INIT is noticed. */
static void park(struct cpu *c)
{
	if (!awaits_init(c)) {
		vcpu_ops->sleep(&c->requests);
	} else if (park_in_guest(c, &c->requests)) {
		/* No processor can sleep so: from now on the watch emulates the first INIT and SIPI, too. */
		__atomic_store_n(&lifted, false, __ATOMIC_SEQ_CST);
		watch_again();
	}
}

static bool (*on_idle)(struct cpu *c);

void smp_on_idle(bool (*fn)(struct cpu *c))
{
	on_idle = fn;
}

bool smp_init_came(struct cpu *c)
{
	if (awaits_init(c) && park_in_guest(c, NULL)) {
		__atomic_store_n(&lifted, false, __ATOMIC_SEQ_CST);
		watch_again();
	}
	return c->init_seen;
}

/* Sleep until another processor makes a request: there is nothing to run. */
static void wait_in_host(struct cpu *c)
{
	__atomic_store_n(&c->asleep, 1, __ATOMIC_SEQ_CST);
	/* A latched poke is taken before the sleep begins; if its flag stayed set, nobody would send another NMI. */
	if (cpu_take_poke(c))
		c->late_poke_until = time_us() + LATE_POKE_US;
	park(c);
	__atomic_store_n(&c->asleep, 0, __ATOMIC_SEQ_CST);
}

/* There is nothing to run: poll, or sleep. */
static void idle(struct cpu *c)
{
	uint64_t nmis = c->nmi_count;

	if (!c->polls || !on_idle(c))
		wait_in_host(c);
	/* A poke whose NMI has not come yet will come in the guest, and must be recognized there. */
	if (c->nmi_count != nmis)
		smp_nmi(c);
}

/* Read the processor's own APIC id, which the guest may have changed. */
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

/* The sender of an INIT takes back an earlier SIPI, so a SIPI that is requested beside an INIT came after it. */
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
 * Carry out INIT, then SIPI.  The INIT stays requested until this processor says that it waits: a SIPI in between would have no
 * receiver.  More of both may come at any moment; those that are not taken here are left for the next round.
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
	if (what & REQ_SENT)
		ipi_look_back();
	if (IS_ENABLED(CONFIG_INTX) && (what & REQ_INTX))
		intx_answer();
	if (what & REQ_WORK)
		owner_continue();
	start_up(c);
	if ((what & REQ_NMI) && c->state == CPU_RUNS) {
		counter_add(&cnt_nmis, 1);
		give_nmi(c);
	}
	/* Last: all that was requested is done. */
	if (IS_ENABLED(CONFIG_STATE) && (what & REQ_STATE)) {
		state_wait(c);
		/* One that waits for its SIPI sleeps next. */
		lapic_state_settle(c);
	}
}

void smp_serve(struct cpu *c)
{
	for (;;) {
		/* The polling core gives back what it polls: after this it may not look for a long time. */
		if (c->polls && c->init_seen)
			on_idle(c);
		/* A processor that was parked has its INIT before its SIPI. */
		if (c->init_seen && c->state != CPU_RUNS)
			smp_real_init(c);
		serve(c, __atomic_fetch_and(&c->requests, REQ_INIT | REQ_SIPI, __ATOMIC_SEQ_CST));
		if (c->init_seen)
			smp_real_init(c);
		if (c->state != CPU_RUNS) {
			idle(c);
			continue;
		}
		/* The SIPI may have come after the last look of the polling. */
		if (c->polls)
			on_idle(c);
		return;
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
