/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's own NMIs on SVM.  A processor with NMI virtualization (APM vol.  2, 15.21.10) tracks their blocking.  On others
 * this file does: it injects one NMI and holds the next until the handler's IRET, which exits before it executes (15.9).  If an
 * NMI is held then, the guest executes the IRET alone, by TF; the #DB after it exits, and the held NMI is injected, at any
 * RFLAGS.IF.
 *
 * The guest must not notice the step.  So no event that would push RFLAGS with our TF is delivered during it: physical
 * interrupts wait (V_INTR_MASKING, with the host's IF 0), and faults of the IRET exit and are re-injected with the guest's
 * RFLAGS.
 */
#include "hv/svm/svm.h"

#define VECTOR_DB	1u
#define VECTOR_PF	14u
/* #DB, #UD, #TS, #NP, #SS, #GP, #PF, #AC, #CP; the last seven have error codes. */
#define WITH_ERROR	(GENMASK(14, 10) | BIT(17) | BIT(21))
#define STEP_FAULTS	(BIT(1) | BIT(6) | WITH_ERROR)

void svm_nmi_init(struct svm_vcpu *s, bool vnmi)
{
	struct vmcb *c = s->vmcb;

	s->vnmi = vnmi;
	s->nmi = SVM_NMI_OPEN;
	s->nmi_wanted = false;
	c->intercept1 &= ~ICPT_IRET;
	c->vintr &= ~(VINTR_NMI | VINTR_NMI_MASK);
	if (vnmi)
		c->vintr |= VINTR_NMI_ENABLE;
	c->clean &= ~(CLEAN_INTERCEPTS | CLEAN_VINTR);
}

static void intercept_iret(struct svm_vcpu *s, bool on)
{
	struct vmcb *c = s->vmcb;

	if (on == !!(c->intercept1 & ICPT_IRET))
		return;
	c->intercept1 ^= ICPT_IRET;
	c->clean &= ~CLEAN_INTERCEPTS;
}

static void step_intercepts(struct vmcb *c, uint32_t exceptions)
{
	c->exc_icpt = exceptions;
	c->vintr ^= VINTR_MASKING;
	c->clean &= ~(CLEAN_INTERCEPTS | CLEAN_VINTR | CLEAN_DR);
}

static void begin_step(struct svm_vcpu *s)
{
	struct vmcb *c = s->vmcb;

	s->stepping = true;
	s->step_flags = s->v.rflags;
	s->step_dr6 = c->dr6;
	s->v.rflags |= RFLAGS_TF;
	c->dr6 &= ~(DR6_B | DR6_BD | DR6_BS | DR6_BT);
	s->step_icpt = c->exc_icpt;
	step_intercepts(c, c->exc_icpt | STEP_FAULTS);
}

static void inject_nmi(struct svm_vcpu *s)
{
	s->nmi_wanted = false;
	if (s->vnmi) {
		s->vmcb->vintr |= VINTR_NMI;
		s->vmcb->clean &= ~CLEAN_VINTR;
		return;
	}
	s->pending_event = svm_event(EVENT_NMI, 2);
	s->nmi = SVM_NMI_BLOCKED;
}

bool svm_nmi_before(struct svm_vcpu *s)
{
	bool late = false;

	if (s->nmi == SVM_NMI_IRET && s->v.rip != s->iret_rip)
		s->nmi = SVM_NMI_OPEN;
	/* Another event is injected before that IRET: the IRET of its handler ends the blocking. */
	if (s->nmi == SVM_NMI_IRET && s->pending_event)
		s->nmi = SVM_NMI_BLOCKED;
	if (s->nmi_wanted && s->nmi == SVM_NMI_IRET)
		begin_step(s);
	else if (s->nmi_wanted && s->nmi == SVM_NMI_OPEN && (s->vnmi || !s->pending_event))
		inject_nmi(s);
	else
		/* The NMI could follow the other event at once, but no exit tells when that has been delivered. */
		late = s->nmi_wanted && s->nmi == SVM_NMI_OPEN;
	intercept_iret(s, s->nmi == SVM_NMI_BLOCKED || late);
	return late;
}

static uint64_t enabled_breakpoints(const struct vmcb *c)
{
	uint64_t set = 0;

	for (unsigned i = 0; i < 4; i++)
		if (c->dr7 & DR7_ENABLED(i))
			set |= BIT64(i);
	return set;
}

/* The #DB of our step; also the guest's, if it had TF set or the IRET hit a breakpoint. */
static void step_trap(struct svm_vcpu *s, bool done)
{
	struct vmcb *c = s->vmcb;
	uint64_t causes = c->dr6 & (enabled_breakpoints(c) | DR6_BD | DR6_BT);

	if (done && (s->step_flags & RFLAGS_TF))
		causes |= DR6_BS;
	c->dr6 = s->step_dr6 | causes;
	if (causes)
		s->pending_event = svm_event(EVENT_EXCEPTION, VECTOR_DB);
}

/* An intercepted #PF has not written CR2 (15.12.15). */
static void step_fault(struct svm_vcpu *s, unsigned vector)
{
	struct vmcb *c = s->vmcb;

	s->pending_event = svm_event(EVENT_EXCEPTION, (uint8_t)vector);
	/* In real mode exceptions have no error codes. */
	if ((WITH_ERROR & BIT(vector)) && (c->cr0 & CR0_PE))
		s->pending_event |= EVENT_HAS_ERROR | FIELD_PREP(EVENT_ERROR, (uint32_t)c->exitinfo1);
	if (vector == VECTOR_PF) {
		c->cr2 = c->exitinfo2;
		c->clean &= ~CLEAN_CR2;
	}
}

static void end_step(struct svm_vcpu *s, struct vmexit *x)
{
	struct vmcb *c = s->vmcb;
	uint64_t vector = c->exitcode - VMEXIT_EXCP;
	bool trap = vector == VECTOR_DB, done = trap && (c->dr6 & DR6_BS);

	s->stepping = false;
	step_intercepts(c, s->step_icpt);
	/* The IRET has executed and loaded the guest's own RFLAGS. */
	if (!done && s->v.rip == s->iret_rip)
		s->v.rflags = s->step_flags;
	if (trap)
		step_trap(s, done);
	else
		c->dr6 = s->step_dr6;
	if (!trap && vector < 32 && (STEP_FAULTS & BIT(vector)))
		step_fault(s, (unsigned)vector);
	else if (!trap)
		return;
	if (done)
		s->nmi = SVM_NMI_OPEN;
	x->kind = EXIT_IRET;
}

void svm_nmi_after(struct svm_vcpu *s, struct vmexit *x)
{
	if (s->stepping)
		end_step(s, x);
	if (s->vmcb->exitcode != VMEXIT_IRET || s->nmi != SVM_NMI_BLOCKED)
		return;
	s->nmi = SVM_NMI_IRET;
	s->iret_rip = s->v.rip;
}
