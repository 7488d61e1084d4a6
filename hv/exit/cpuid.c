/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CPUID: the processor's own, less virtualization and features that bypass it, plus the leaf by which a guest detects Veneer.
 * XSETBV, which always exits under VMX.
 */
#include <veneer/string.h>
#include "hv/cpu/features.h"
#include "hv/cpu/percpu.h"
#include "hv/cpu/vcpu.h"
#include "hv/exit/exit.h"
#include "hv/x86.h"

#define CPUID_APIC		BIT(9)		/* 1h EDX, and 80000001h EDX */
#define LEAF_HYPERVISOR		0x40000000u
#define LEAF_HYPERVISOR_MAX	0x40000000u

static void fix_feature_leaf(struct cpuid_regs *c, const struct vcpu_regs *r)
{
	c->ecx &= ~(BIT(5) | BIT(6));		/* VMX, SMX */
	/* Debug store: PEBS also runs in the host, and would write to a linear address by the host's page tables. */
	c->edx &= ~BIT(21);
	c->ecx &= ~(BIT(2) | BIT(4));
	if (this_cpu()->apic_off)
		c->edx &= ~CPUID_APIC;
	c->ecx |= BIT(31);			/* a hypervisor is present */
	c->ecx &= ~BIT(27);			/* OSXSAVE follows the guest's CR4, not ours */
	if (r->cr4 & CR4_OSXSAVE)
		c->ecx |= BIT(27);
}

void exit_cpuid(struct vcpu *v)
{
	uint32_t leaf = (uint32_t)v->gpr[GPR_RAX], sub = (uint32_t)v->gpr[GPR_RCX];
	struct cpuid_regs c = cpuid(leaf, sub);
	struct vcpu_regs r;

	switch (leaf) {
	case 1:
		vcpu_ops->get(v, &r);
		fix_feature_leaf(&c, &r);
		break;
	case 7:
		vcpu_ops->get(v, &r);
		if (sub == 0) {
			c.ebx &= ~BIT(25);	/* Intel PT: its output bypasses nested paging */
			/* PCONFIG: keys of all memory; last branches; user interrupts, whose MSRs are held back */
			c.edx &= ~(BIT(18) | BIT(19) | BIT(5));
			c.ecx &= ~(BIT(4) | BIT(29));	/* OSPKE; ENQCMD, whose MSR is held back */
			if (r.cr4 & CR4_PKE)
				c.ecx |= BIT(4);
		} else if (sub == 1) {
			/* FRED, whose MSRs are held back; lists of MSRs, PBNDKB, MSRs of ring 3: VMX has them off */
			c.eax &= ~(BIT(17) | BIT(27));
			c.ebx &= ~BIT(1);
			c.edx &= ~BIT(15);
		}
		break;
	case 0x23:			/* performance monitoring: no architectural PEBS, as with the debug store */
		if (sub == 0)
			c.eax &= ~(BIT(4) | BIT(5));
		else if (sub == 4 || sub == 5)
			c = (struct cpuid_regs){ 0 };
		break;
	case 6:				/* hardware feedback: a table that the processor writes to a physical address */
		c.eax &= ~(BIT(19) | BIT(23));
		c.edx = 0;
		break;
	case 0x14:			/* Intel PT */
	case 0x1c:			/* last branches, whose MSRs are held back */
	case 0x1b:			/* PCONFIG */
		c = (struct cpuid_regs){ 0 };
		break;
	case LEAF_HYPERVISOR:
		c.eax = LEAF_HYPERVISOR_MAX;
		memcpy(&c.ebx, "Vene", 4);
		memcpy(&c.ecx, "erVe", 4);
		memcpy(&c.edx, "neer", 4);
		break;
	case 0x80000001:
		c.ecx &= ~(BIT(2) | BIT(12));	/* SVM, SKINIT */
		if (this_cpu()->apic_off)
			c.edx &= ~CPUID_APIC;	/* AMD reports the APIC here, too */
		break;
	case 0x8000000a:
		c = (struct cpuid_regs){ 0 };
		break;
	default:
		if (leaf > LEAF_HYPERVISOR && leaf <= LEAF_HYPERVISOR + 0xffff)
			c = (struct cpuid_regs){ 0 };
		break;
	}
	v->gpr[GPR_RAX] = c.eax;
	v->gpr[GPR_RBX] = c.ebx;
	v->gpr[GPR_RCX] = c.ecx;
	v->gpr[GPR_RDX] = c.edx;
}

#define XCR0_X87	BIT64(0)
#define XCR0_SSE	BIT64(1)
#define XCR0_AVX	BIT64(2)
#define XCR0_BOUNDS	(BIT64(3) | BIT64(4))
#define XCR0_AVX512	(BIT64(5) | BIT64(6) | BIT64(7))
#define XCR0_AMX	(BIT64(17) | BIT64(18))

/* True if @value has some bits of @group, but not all. */
static bool split(uint64_t value, uint64_t group)
{
	return (value & group) && (value & group) != group;
}

bool xcr0_valid(uint64_t value)
{
	if ((value & ~features.xcr0) || !(value & XCR0_X87))
		return false;
	if (split(value, XCR0_BOUNDS) || split(value, XCR0_AVX512) || split(value, XCR0_AMX))
		return false;
	return !((value & XCR0_AVX) && !(value & XCR0_SSE)) && !((value & XCR0_AVX512) && !(value & XCR0_AVX));
}

/*
 * The processor has checked CR4.OSXSAVE before the exit, and by the manual also the privilege (26.1.1).  Bochs has not: there
 * XSETBV exits in ring 3, too.
 */
bool exit_xsetbv(struct vcpu *v)
{
	uint64_t value = (uint32_t)v->gpr[GPR_RAX] | v->gpr[GPR_RDX] << 32;
	struct vcpu_regs r;

	vcpu_ops->get(v, &r);
	if (r.cpl || (uint32_t)v->gpr[GPR_RCX] || !xcr0_valid(value))
		return false;
	xsetbv(0, value);
	return true;
}
