/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rest of a processor's state with VMX: the VMCS, which is loaded on the vCPU's own processor only, and the registers that
 * no exit stores (SDM vol. 3, 28.3).
 */
#include <veneer/log.h>
#include "hv/cpu/msr.h"
#include "hv/cpu/percpu.h"
#include "hv/state/vcpu_state.h"
#include "hv/vmx/vmx.h"
#include "hv/vmx/vmx_insn.h"
#include "hv/x86.h"

#define MSR_S_CET		0x6a2u
#define MSR_ISST		0x6a8u
#define MSR_STAR		0xc0000081u
#define MSR_LSTAR		0xc0000082u
#define MSR_CSTAR		0xc0000083u
#define MSR_SFMASK		0xc0000084u
#define MSR_KERNEL_GS_BASE	0xc0000102u

/* By enum vcpu_msr: the field of the VMCS, or the MSR, which is live. */
static const struct { uint32_t field, msr; } places[VCPU_MSRS] = {
	[VCPU_KERNEL_GS_BASE] = { 0, MSR_KERNEL_GS_BASE }, [VCPU_STAR] = { 0, MSR_STAR }, [VCPU_LSTAR] = { 0, MSR_LSTAR },
	[VCPU_CSTAR] = { 0, MSR_CSTAR }, [VCPU_SFMASK] = { 0, MSR_SFMASK },
	[VCPU_SYSENTER_CS] = { VMCS_GUEST_SYSENTER_CS, 0 }, [VCPU_SYSENTER_ESP] = { VMCS_GUEST_SYSENTER_ESP, 0 },
	[VCPU_SYSENTER_EIP] = { VMCS_GUEST_SYSENTER_EIP, 0 }, [VCPU_PAT] = { VMCS_GUEST_PAT, 0 },
	[VCPU_DEBUGCTL] = { VMCS_GUEST_DEBUGCTL, 0 }, [VCPU_S_CET] = { 0, MSR_S_CET }, [VCPU_ISST] = { 0, MSR_ISST },
};

static void get_event(const struct vmx_vcpu *s, struct vcpu_more *out)
{
	if (!(s->event & EVENT_INFO_VALID))
		return;
	out->event = 1;
	out->event_type = (uint8_t)FIELD_GET(EVENT_INFO_TYPE, s->event);
	out->event_vector = (uint8_t)FIELD_GET(EVENT_INFO_VECTOR, s->event);
	out->event_has_error = !!(s->event & EVENT_INFO_ERROR);
	out->event_error = out->event_has_error ? s->error : 0;
}

static void vmx_more_get(struct vcpu *v, struct vcpu_more *out)
{
	const struct vmx_vcpu *s = container_of(v, struct vmx_vcpu, v);
	uint64_t blocking = vmcs_read(VMCS_GUEST_BLOCKING);

	*out = (struct vcpu_more){
		.dr6 = read_dr6(), .dr7 = vmcs_read(VMCS_GUEST_DR7), .pending_db = vmcs_read(VMCS_GUEST_PENDING_DB),
		.blocks = (uint8_t)((blocking & BLOCKING_STI ? VCPU_BLOCK_STI : 0) |
				    (blocking & BLOCKING_MOV_SS ? VCPU_BLOCK_MOV_SS : 0) |
				    (blocking & BLOCKING_NMI ? VCPU_BLOCK_NMI : 0)),
		.nmi_wanted = s->nmi_wanted,
		.activity = (uint8_t)vmcs_read(VMCS_GUEST_ACTIVITY),
	};
	for (unsigned i = 0; i < VCPU_MSRS; i++)
		if (places[i].field)
			out->msr[i] = vmcs_read(places[i].field);
		else if (places[i].msr)
			(void)rdmsr_safe(places[i].msr, &out->msr[i]);
	for (unsigned i = 0; i < 4; i++)
		out->pdpte[i] = vmcs_read(VMCS_GUEST_PDPTE0 + i * VMCS_PDPTE_STEP);
	get_event(s, out);
}

/* vmx_set_state() has read the PDPTEs from memory, and made the processor active: both are the saved ones after this. */
static void vmx_more_set(struct vcpu *v, const struct vcpu_more *in)
{
	struct vmx_vcpu *s = container_of(v, struct vmx_vcpu, v);

	for (unsigned i = 0; i < VCPU_MSRS; i++) {
		if (places[i].field)
			vmcs_write(places[i].field, in->msr[i]);
		else if (places[i].msr && !wrmsr_safe(places[i].msr, in->msr[i]) && in->msr[i])
			log_err("cpu %u: MSR %#x does not take the state's %#lx", this_cpu()->index, places[i].msr, in->msr[i]);
	}
	for (unsigned i = 0; i < 4; i++)
		vmcs_write(VMCS_GUEST_PDPTE0 + i * VMCS_PDPTE_STEP, in->pdpte[i]);
	write_dr6(in->dr6);
	vmcs_write(VMCS_GUEST_DR7, in->dr7);
	vmcs_write(VMCS_GUEST_PENDING_DB, in->pending_db);
	vmcs_write(VMCS_GUEST_BLOCKING, (in->blocks & VCPU_BLOCK_STI ? BLOCKING_STI : 0) |
		   (in->blocks & VCPU_BLOCK_MOV_SS ? BLOCKING_MOV_SS : 0) | (in->blocks & VCPU_BLOCK_NMI ? BLOCKING_NMI : 0));
	vmcs_write(VMCS_GUEST_ACTIVITY, in->activity);
	s->nmi_wanted = in->nmi_wanted;
	s->event = 0;
	if (in->event)
		s->event = EVENT_INFO_VALID | FIELD_PREP(EVENT_INFO_TYPE, (uint32_t)in->event_type) | in->event_vector |
			(in->event_has_error ? EVENT_INFO_ERROR : 0);
	s->error = in->event_error;
	s->flush = true;
}

const struct vcpu_state_ops vmx_state_ops = {
	.of = &vmx_ops, .id = 2, .blocks = VCPU_BLOCK_STI | VCPU_BLOCK_MOV_SS | VCPU_BLOCK_NMI, .activity = ACTIVITY_HLT,
	.without = VCPU_WITHOUT_SSP, .get = vmx_more_get, .set = vmx_more_set,
};
