/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rest of a processor's state with SVM, from the VMCB, which holds all that VMSAVE stores between two runs (APM vol. 2,
 * 15.5.2), and from what svm.c keeps beside the VMCB.
 */
#include <veneer/string.h>
#include "hv/state/vcpu_state.h"
#include "hv/svm/svm.h"

static struct svm_vcpu *svm(struct vcpu *v)
{
	return container_of(v, struct svm_vcpu, v);
}

/* An IRET that has exited and waits to be executed still blocks: after a load it exits once more. */
static bool nmi_blocked(const struct svm_vcpu *s)
{
	if (s->vnmi)
		return s->vmcb->vintr & VINTR_NMI_MASK;
	return s->nmi == SVM_NMI_BLOCKED || (s->nmi == SVM_NMI_IRET && s->v.rip == s->iret_rip);
}

static void get_event(const struct svm_vcpu *s, struct vcpu_more *out)
{
	uint64_t e = s->pending_event;

	if (!(e & EVENT_VALID))
		return;
	out->event = 1;
	out->event_type = (uint8_t)FIELD_GET(EVENT_TYPE, e);
	out->event_vector = (uint8_t)FIELD_GET(EVENT_VECTOR, e);
	out->event_has_error = !!(e & EVENT_HAS_ERROR);
	out->event_error = (uint32_t)FIELD_GET(EVENT_ERROR, e);
}

static void svm_more_get(struct vcpu *v, struct vcpu_more *out)
{
	const struct svm_vcpu *s = svm(v);
	const struct vmcb *c = s->vmcb;

	*out = (struct vcpu_more){
		.msr = {
			[VCPU_KERNEL_GS_BASE] = c->kernel_gs_base, [VCPU_STAR] = c->star, [VCPU_LSTAR] = c->lstar,
			[VCPU_CSTAR] = c->cstar, [VCPU_SFMASK] = c->sfmask, [VCPU_SYSENTER_CS] = c->sysenter_cs,
			[VCPU_SYSENTER_ESP] = c->sysenter_esp, [VCPU_SYSENTER_EIP] = c->sysenter_eip, [VCPU_PAT] = c->gpat,
			[VCPU_S_CET] = c->s_cet, [VCPU_ISST] = c->isst,
		},
		.dr6 = c->dr6, .dr7 = c->dr7, .ssp = c->ssp,
		.blocks = (uint8_t)((c->shadow & SHADOW_INTERRUPT ? VCPU_BLOCK_STI : 0) |
				    (nmi_blocked(s) ? VCPU_BLOCK_NMI : 0)),
		.nmi_wanted = s->nmi_wanted || (s->vnmi && (c->vintr & VINTR_NMI)),
	};
	get_event(s, out);
}

static void set_nmi(struct svm_vcpu *s, const struct vcpu_more *in)
{
	svm_nmi_init(s, s->vnmi);
	s->nmi_wanted = in->nmi_wanted;
	if (!(in->blocks & VCPU_BLOCK_NMI))
		return;
	if (s->vnmi)
		s->vmcb->vintr |= VINTR_NMI_MASK;
	else
		s->nmi = SVM_NMI_BLOCKED;
}

static void svm_more_set(struct vcpu *v, const struct vcpu_more *in)
{
	struct svm_vcpu *s = svm(v);
	struct vmcb *c = s->vmcb;

	c->kernel_gs_base = in->msr[VCPU_KERNEL_GS_BASE];
	c->star = in->msr[VCPU_STAR];
	c->lstar = in->msr[VCPU_LSTAR];
	c->cstar = in->msr[VCPU_CSTAR];
	c->sfmask = in->msr[VCPU_SFMASK];
	c->sysenter_cs = in->msr[VCPU_SYSENTER_CS];
	c->sysenter_esp = in->msr[VCPU_SYSENTER_ESP];
	c->sysenter_eip = in->msr[VCPU_SYSENTER_EIP];
	c->gpat = in->msr[VCPU_PAT];
	c->s_cet = in->msr[VCPU_S_CET];
	c->isst = in->msr[VCPU_ISST];
	c->ssp = in->ssp;
	c->dr6 = in->dr6;
	c->dr7 = in->dr7;
	c->shadow = in->blocks & VCPU_BLOCK_STI ? SHADOW_INTERRUPT : 0;
	s->pending_event = 0;
	if (in->event)
		s->pending_event = svm_event(in->event_type, in->event_vector) |
			(in->event_has_error ? EVENT_HAS_ERROR | FIELD_PREP(EVENT_ERROR, in->event_error) : 0);
	set_nmi(s, in);
	/* The address space is another one. */
	s->flush = s->dirty_all = true;
}

const struct vcpu_state_ops svm_state_ops = {
	.of = &svm_ops, .id = 1, .blocks = VCPU_BLOCK_STI | VCPU_BLOCK_NMI, .without = VCPU_WITHOUT_VMCS,
	.get = svm_more_get, .set = svm_more_set,
};
