/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MSRs that exit and that all vendors have; vcpu_ops handles those that differ.  A guest reads what a processor without
 * virtualization would return, and cannot move the local APIC.
 */
#include <veneer/log.h>
#include "hv/cpu/features.h"
#include "hv/cpu/percpu.h"
#include "hv/cpu/vcpu.h"
#include "hv/exit/exit.h"
#include "hv/cpu/lapic.h"

bool exit_rdmsr(struct vcpu *v)
{
	uint32_t msr = (uint32_t)v->gpr[GPR_RCX];
	struct vcpu_regs r;
	uint64_t value;

	switch (msr) {
	case MSR_EFER:
		vcpu_ops->get(v, &r);
		value = r.efer;
		break;
	case MSR_APIC_BASE:
		value = lapic_guest_base_read();
		break;
	case MSR_TSC_ADJUST:
		value = this_cpu()->tsc_adjust;
		break;
	default:
		if (!vcpu_ops->rdmsr(v, msr, &value))
			return false;
		break;
	}
	v->gpr[GPR_RAX] = (uint32_t)value;
	v->gpr[GPR_RDX] = value >> 32;
	return true;
}

/*
 * An EFER bit that the processor does not know would make the next VMRUN fail (APM vol. 2, 15.5.1): return false, for #GP.  The
 * same for reserved bits and a change of LME under paging; the processor sets LMA (3.1.7).
 */
static bool write_efer(struct vcpu *v, uint64_t value)
{
	struct vcpu_regs r;

	vcpu_ops->get(v, &r);
	if (value & ~features.efer)
		return false;
	if ((r.cr0 & CR0_PG) && ((value ^ r.efer) & EFER_LME))
		return false;
	r.efer = (value & ~(uint64_t)EFER_LMA) | (r.efer & EFER_LMA);
	vcpu_ops->set(v, &r);
	return true;
}

/*
 * The local APIC's deadline counts in the host's TSC (SDM vol. 3, 26.3).  Once the guest's TSC differs, the guest's writes of
 * the deadline exit and are translated, and a deadline that is set moves along.  (On other CPUs, whose offsets are 0, the
 * writes may exit or not.)
 */
void exit_set_tsc_offset(struct vcpu *v, uint64_t offset)
{
	uint64_t old = vcpu_ops->get_tsc_offset(v), deadline;

	vcpu_ops->set_tsc_offset(v, offset);
	if (offset == old || !features.deadline)
		return;
	vcpu_ops->trap_msr_write(MSR_TSC_DEADLINE, true);
	vcpu_ops->flush(v);
	deadline = rdmsr(MSR_TSC_DEADLINE);
	if (deadline)
		wrmsr(MSR_TSC_DEADLINE, deadline + old - offset);
}

static bool write_deadline(struct vcpu *v, uint64_t value)
{
	if (!features.deadline)
		return false;
	wrmsr(MSR_TSC_DEADLINE, value ? value - vcpu_ops->get_tsc_offset(v) : 0);
	return true;
}

bool exit_wrmsr(struct vcpu *v)
{
	uint32_t msr = (uint32_t)v->gpr[GPR_RCX];
	uint64_t value = (uint32_t)v->gpr[GPR_RAX] | v->gpr[GPR_RDX] << 32;

	switch (msr) {
	case MSR_EFER:
		return write_efer(v, value);
	case MSR_APIC_BASE:
		return lapic_guest_base_write(value);
	case MSR_TSC:
		exit_set_tsc_offset(v, value - rdtsc());
		return true;
	case MSR_TSC_ADJUST:
		/* The host's TSC is Veneer's clock: the adjustment becomes the guest's offset. */
		exit_set_tsc_offset(v, vcpu_ops->get_tsc_offset(v) + value - this_cpu()->tsc_adjust);
		this_cpu()->tsc_adjust = value;
		return true;
	case MSR_TSC_DEADLINE:
		return write_deadline(v, value);
	case MSR_X2APIC_ICR:
		return lapic_guest_x2apic_icr(value);
	default:
		return vcpu_ops->wrmsr(v, msr, value);
	}
}
