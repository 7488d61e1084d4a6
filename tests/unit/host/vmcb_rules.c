/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rules of APM vol. 2, 15.5.1 ("canonicalization and consistency checks") and of 15.20 (illegal event injection), one by
 * one.  Written from the manual, not from hv/svm, whose svm_check.c has a shorter form for the log.
 */
#include "host/vmcb_rules.h"
#include "hv/cpu/vcpu.h"

#define CR4_KNOWN	0x017fdfffu	/* VME to OSFXSR, UMIP, LA57, FSGSBASE to SMAP, PKE, CET */
#define EFER_KNOWN	0x0036fd01u	/* SCE, LME, LMA, NXE, SVME, LMSLE, FFXSR, TCE, MCOMMIT, INTWB, UAIE, AIBRSE */
#define IOPM_BYTES	(3 * PAGE_SIZE)
#define MSRPM_BYTES	(2 * PAGE_SIZE)

static bool high(uint64_t v) { return v >> 32; }

static const char *registers(const struct vmcb *c, uint64_t phys_end)
{
	bool paging = c->cr0 & CR0_PG, lme = c->efer & EFER_LME;

	if (!(c->efer & EFER_SVME))
		return "EFER.SVME is 0 (15.5.1)";
	if ((c->cr0 & CR0_NW) && !(c->cr0 & CR0_CD))
		return "CR0.CD is 0 and CR0.NW is 1 (15.5.1)";
	if (high(c->cr0))
		return "CR0[63:32] is not 0 (15.5.1)";
	if (c->cr3 >= phys_end)
		return "CR3 has bits that must be 0 (15.5.1)";
	if (c->cr4 & ~(uint64_t)CR4_KNOWN)
		return "CR4 has bits that must be 0 (15.5.1)";
	if (high(c->dr6) || high(c->dr7))
		return "DR6[63:32] or DR7[63:32] is not 0 (15.5.1)";
	if (c->efer & ~(uint64_t)EFER_KNOWN)
		return "EFER has bits that must be 0 (15.5.1)";
	if (lme && paging && !(c->cr4 & CR4_PAE))
		return "EFER.LME and CR0.PG are set and CR4.PAE is 0 (15.5.1)";
	if (lme && paging && !(c->cr0 & CR0_PE))
		return "EFER.LME and CR0.PG are set and CR0.PE is 0 (15.5.1)";
	if (lme && paging && (c->cs.attr & SEG_ATTR_L) && (c->cs.attr & SEG_ATTR_DB))
		return "EFER.LME, CR0.PG, CR4.PAE, CS.L and CS.D are all set (15.5.1)";
	if ((c->cr4 & CR4_CET) && !(c->cr0 & CR0_WP))
		return "CR4.CET is set and CR0.WP is 0 (15.5.1)";
	return NULL;
}

static const char *controls(const struct vmcb *c, uint64_t phys_end)
{
	if (!(c->intercept2 & ICPT_VMRUN))
		return "the VMRUN intercept is clear (15.5.1)";
	if (c->iopm >= phys_end || phys_end - c->iopm < IOPM_BYTES)
		return "the I/O permission map reaches beyond the physical addresses (15.5.1)";
	if (c->msrpm >= phys_end || phys_end - c->msrpm < MSRPM_BYTES)
		return "the MSR permission map reaches beyond the physical addresses (15.5.1)";
	if (!c->asid)
		return "the ASID is 0 (15.5.1)";
	if (c->np_enable & 1 && (c->ncr3 >= phys_end || c->ncr3 % PAGE_SIZE))
		return "nCR3 has bits that must be 0 (15.25.3)";
	return NULL;
}

/* True for the vectors of exceptions: #DE, #DB, #BP to #TS, #NP to #PF, #MF to #XF, #CP, #HV, #VC, #SX. */
static bool is_exception(unsigned vector)
{
	return vector < 32 && (0x702f7dfbu & (1u << vector));
}

/* True for the exceptions that push an error code: #DF, #TS, #NP, #SS, #GP, #PF, #AC, #CP, #VC, #SX. */
static bool has_code(unsigned vector)
{
	return vector < 32 && (0x60227d00u & (1u << vector));
}

static const char *event(const struct vmcb *c)
{
	unsigned type = (unsigned)FIELD_GET(EVENT_TYPE, c->eventinj), vector = (unsigned)FIELD_GET(EVENT_VECTOR, c->eventinj);
	bool real = !(c->cr0 & CR0_PE);

	if (!(c->eventinj & EVENT_VALID))
		return NULL;
	if (type == 1 || type > EVENT_SOFT)
		return "EVENTINJ has a reserved type (15.20)";
	if (type == EVENT_EXCEPTION && !is_exception(vector))
		return "EVENTINJ is an exception with a vector that is none (15.20)";
	/* The processor does not check this, but the guest's handler would find another stack than it expects. */
	if (type == EVENT_EXCEPTION && !!(c->eventinj & EVENT_HAS_ERROR) != (has_code(vector) && !real))
		return "EVENTINJ has an error code that this exception has not, or has not the code that it has (15.20)";
	if (type != EVENT_EXCEPTION && (c->eventinj & EVENT_HAS_ERROR))
		return "EVENTINJ has an error code and is no exception (15.20)";
	if (type == EVENT_INTR && !(c->rflags & RFLAGS_IF))
		return "EVENTINJ is an interrupt while RFLAGS.IF is 0";
	return NULL;
}

const char *vmcb_rule_broken(const struct vmcb *c, unsigned phys_bits)
{
	uint64_t phys_end = 1ull << phys_bits;
	const char *why = registers(c, phys_end);

	if (!why)
		why = controls(c, phys_end);
	return why ? why : event(c);
}
