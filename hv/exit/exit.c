/* SPDX-License-Identifier: BSD-2-Clause */
/* The single switch over exits.  No vendor is known here. */
#include <veneer/counters.h>
#include <veneer/doorbell.h>
#include <veneer/err.h>
#include <veneer/gmem.h>
#include <veneer/hypercall.h>
#include <veneer/log.h>
#include <veneer/string.h>
#include "hv/cpu/vcpu.h"
#include "hv/emul/access.h"
#include "hv/emul/decode.h"
#include "hv/cpu/cpus.h"
#include "hv/smp/lapic_state.h"
#include "hv/smp/smp.h"
#include "hv/dev/clock.h"
#include "hv/emul/walk.h"
#include "hv/exit/exit.h"
#include "hv/lib/counters.h"
#include "hv/irq/doorbell.h"
#include "hv/irq/intx.h"
#include "hv/lib/logring.h"
#include "hv/mem/segment.h"
#include "hv/state/snapshot.h"
#include "hv/state/state.h"
#include "hv/x86.h"

#define HYPERCALL_ABI	1

uint64_t exit_count[EXIT_KINDS];

static const char *const kind_names[EXIT_KINDS] = {
	[EXIT_INVALID] = "invalid", [EXIT_NMI] = "nmi", [EXIT_SMI] = "smi", [EXIT_INTR] = "intr", [EXIT_CLOCK] = "clock",
	[EXIT_CPUID] = "cpuid", [EXIT_RDMSR] = "rdmsr", [EXIT_WRMSR] = "wrmsr", [EXIT_PIO] = "pio", [EXIT_NPF] = "npf",
	[EXIT_HYPERCALL] = "hypercall", [EXIT_SHUTDOWN] = "shutdown", [EXIT_UD] = "ud", [EXIT_INVD] = "invd",
	[EXIT_XSETBV] = "xsetbv", [EXIT_IRET] = "iret", [EXIT_WINDOW] = "window", [EXIT_CR] = "cr",
	[EXIT_TASK_SWITCH] = "task_switch", [EXIT_INIT] = "init",
	[EXIT_DOUBLE_FAULT] = "double_fault", [EXIT_EXCEPTION] = "exception", [EXIT_OTHER] = "other",
};

/* Skip an instruction that has been carried out; inject #UD if its length is unknown. */
static void skip(struct vcpu *v, const struct vmexit *x)
{
	uint64_t next = exit_next_rip(v, x);

	if (next)
		vcpu_ops->skip(v, next);
	else
		vcpu_ops->inject_exception(v, VCPU_EVENT_UD, false, 0);
}

static int64_t call_counter(struct vcpu *v)
{
	struct veneer_counter c, *out = gmem_ptr(v->gpr[GPR_RCX], sizeof(c));

	if (!out || !counters_get(v->gpr[GPR_RBX], &c))
		return -1;
	memcpy(out, &c, sizeof(c));
	return 0;
}

static int64_t call_log(struct vcpu *v)
{
	char *out = gmem_ptr(v->gpr[GPR_RCX], PAGE_SIZE);

	if (!out)
		return -1;
	v->gpr[GPR_RBX] = log_read(v->gpr[GPR_RBX], out, PAGE_SIZE);
	return 0;
}

static void exit_hypercall(struct vcpu *v, const struct vmexit *x)
{
	uint32_t call = (uint32_t)v->gpr[GPR_RAX];
	struct vcpu_regs r;
	int64_t result = -1;

	vcpu_ops->get(v, &r);
	if (vcpu_own_hypercall && vcpu_own_hypercall(v, &r))
		return;
	if ((call & 0xffff0000) != VENEER_CALL || r.cpl) {
		vcpu_ops->inject_exception(v, VCPU_EVENT_UD, false, 0);
		return;
	}
	switch (call & 0xffff) {
	case VENEER_CALL_VERSION:
		v->gpr[GPR_RBX] = HYPERCALL_ABI;
		v->gpr[GPR_RCX] = counters_count();
		result = 0;
		break;
	case VENEER_CALL_COUNTER:
		result = call_counter(v);
		break;
	case VENEER_CALL_LOG:
		result = call_log(v);
		break;
	case VENEER_CALL_SNAPSHOT:
		if (IS_ENABLED(CONFIG_STATE))
			result = snapshot_ask(v->gpr[GPR_RBX]);
		/* Without snapshots, too: 1 would say that the machine was resumed. */
		v->gpr[GPR_RBX] = 0;
		break;
	}
	v->gpr[GPR_RAX] = (uint64_t)result;
	skip(v, x);
}

/*
 * The clock's exit: acknowledge the interrupt and inject it; the guest's IF was 1, or the interrupt would not have exited.
 * Veneer's own handler, which only counts, takes an NMI that comes while interrupts are open.  If another event has to be
 * injected first, the interrupt waits, unacknowledged, and exits again.
 */
static void exit_intr(struct vcpu *v)
{
	uint64_t nmis = this_cpu()->nmi_count;
	int vector = vcpu_ops->can_interrupt(v) ? vcpu_ops->acknowledge_interrupt() : -1;

	if (vector >= 0)
		vcpu_ops->inject_interrupt(v, (uint8_t)vector);
	if (this_cpu()->nmi_count != nmis)
		smp_nmi(this_cpu());
	smp_look_at_id(this_cpu());
}

/*
 * An interrupt that this exit sent to its own processor would exit again at once, if interrupts exit for the clock: inject the
 * interrupt at this entry.
 */
static void take_own_interrupt(struct cpu *c)
{
	c->sent_interrupt = false;
	if (vcpu_ops->clock_is_intr && c->clock_armed && c->state == CPU_RUNS && vcpu_ops->can_interrupt(c->v))
		exit_intr(c->v);
}

/* Carry out an instruction, or inject #GP if this guest may not execute it so. */
static void exit_checked(struct vcpu *v, const struct vmexit *x, bool (*access)(struct vcpu *))
{
	if (access(v))
		skip(v, x);
	else
		vcpu_ops->inject_exception(v, VCPU_EVENT_GP, true, 0);
}

/*
 * The processor cannot access the IDT, a descriptor or the stack, to deliver an event.  If the event were injected again, it
 * would exit here for ever.  Do as the processor does without a handler: #DF, then the end.
 */
static void not_delivered(struct vcpu *v, const struct vmexit *x)
{
	if (x->delivered.vector == VCPU_EVENT_DF)
		guest_crash(v, x, "an exception that cannot be delivered, nor can #DF: "
			    "the IDT, a descriptor or the stack is hidden");
	guest_crash_remember(v, x);
	vcpu_ops->inject_exception(v, VCPU_EVENT_DF, true, 0);
}

static void dispatch(struct vcpu *v, const struct vmexit *x)
{
	switch (x->kind) {
	case EXIT_NMI:
		smp_nmi(this_cpu());
		break;
	case EXIT_INTR:
		exit_intr(v);
		break;
	case EXIT_CPUID:
		exit_cpuid(v);
		skip(v, x);
		break;
	case EXIT_RDMSR:
		exit_checked(v, x, exit_rdmsr);
		break;
	case EXIT_WRMSR:
		exit_checked(v, x, exit_wrmsr);
		break;
	case EXIT_PIO:
		exit_pio(v, x);
		break;
	case EXIT_NPF:
		if (!exit_mmio(v, x))
			not_delivered(v, x);
		break;
	case EXIT_HYPERCALL:
		exit_hypercall(v, x);
		break;
	case EXIT_INVD:
		/* INVD would drop Veneer's dirty cache lines, too. */
		wbinvd();
		skip(v, x);
		break;
	case EXIT_XSETBV:
		exit_checked(v, x, exit_xsetbv);
		break;
	case EXIT_UD:
		vcpu_ops->inject_exception(v, VCPU_EVENT_UD, false, 0);
		break;
	case EXIT_EXCEPTION:
		vcpu_ops->inject_exception(v, x->exception.vector, x->exception.has_error, x->exception.error);
		break;
	case EXIT_DOUBLE_FAULT:
		guest_crash_remember(v, x);
		vcpu_ops->inject_exception(v, VCPU_EVENT_DF, true, 0);
		break;
	case EXIT_CLOCK:
		smp_look_at_id(this_cpu());
		break;
	case EXIT_SMI:
	case EXIT_IRET:
	case EXIT_WINDOW:
	case EXIT_CR:
		break;
	case EXIT_TASK_SWITCH:
		if (x->cannot)
			guest_crash(v, x, x->cannot);
		break;
	case EXIT_INIT:
		smp_real_init(this_cpu());
		break;
	case EXIT_SHUTDOWN:
		guest_crash(v, x, "triple fault");
	case EXIT_INVALID:
		guest_crash(v, x, "a state that the processor does not enter");
	default:
		panic("exit %#lx (info %#lx %#lx) at guest rip %#lx: not expected", x->code, x->info1, x->info2, v->rip);
	}
}

/* Deliver the twins' INTx: by the I/O APIC's entries at once, by the 8259s when the guest can take the interrupt. */
static void deliver_intx(struct cpu *c)
{
	struct vcpu *v = c->v;
	int vector;

	if (!c->intx_waits && !intx_wants_check())
		return;
	c->intx_waits = intx_check(vcpu_ops->can_interrupt(v), &vector);
	if (vector >= 0)
		vcpu_ops->inject_interrupt(v, (uint8_t)vector);
	vcpu_ops->interrupt_window(v, c->intx_waits);
}

void exit_counters(void)
{
	for (unsigned i = 0; i < EXIT_KINDS; i++)
		if (kind_names[i])
			counter_register("exit", kind_names[i], &exit_count[i]);
}

/* Never return: the caller is in a part of the image that is unmapped here. */
void exit_run_guest(void)
{
	segment_drop(smp_flush_host);
	log_guest_runs();
	cpus_on_silence(guest_crash_silent);
	if (IS_ENABLED(CONFIG_STATE_TEST))
		state_test_start();
	exit_loop();
}

void exit_loop(void)
{
	struct cpu *c = this_cpu();
	struct vmexit x;

	/* Veneer's own NMI handler took the rings since the start of the devices: check all once. */
	if (!c->index) {
		doorbell_ring();
		doorbell_credit(NULL, 1);
	}
	for (;;) {
		if (IS_ENABLED(CONFIG_STATE))
			lapic_state_settle(c);
		if (IS_ENABLED(CONFIG_INTX) && c->state == CPU_RUNS)
			deliver_intx(c);
		if (!smp_enter(c)) {
			smp_serve(c);
			continue;
		}
		vcpu_ops->clock_exits(c->v, clock_wanted(c) || (IS_ENABLED(CONFIG_STATE) && lapic_state_waits(c)));
		vcpu_ops->run(c->v, &x);
		smp_left(c);
		counter_add(&exit_count[x.kind], 1);
		dispatch(c->v, &x);
		clock_check(x.kind == EXIT_INTR || x.kind == EXIT_CLOCK);
		if (c->sent_interrupt)
			take_own_interrupt(c);
		if (IS_ENABLED(CONFIG_STATE) && x.kind == EXIT_HYPERCALL)
			snapshot_run(c->v);
		if (IS_ENABLED(CONFIG_STATE_TEST))
			state_test(&x);
	}
}
