/* SPDX-License-Identifier: BSD-2-Clause */
/* CPUID: the processor's own, less virtualization, plus the leaf by which a guest finds Veneer. */
#include <veneer/string.h>
#include "hv/cpu/vendor.h"
#include "hv/x86.h"

#define LEAF_HYPERVISOR		0x40000000u
#define LEAF_HYPERVISOR_MAX	0x40000000u

static void fix_feature_leaf(struct cpuid_regs *c, const struct vcpu_regs *r)
{
	c->ecx &= ~BIT(5);			/* VMX */
	c->ecx |= BIT(31);			/* a hypervisor is there */
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
		vendor->get(v, &r);
		fix_feature_leaf(&c, &r);
		break;
	case 7:
		vendor->get(v, &r);
		if (sub == 0) {
			c.ecx &= ~BIT(4);	/* OSPKE */
			if (r.cr4 & CR4_PKE)
				c.ecx |= BIT(4);
		}
		break;
	case LEAF_HYPERVISOR:
		c.eax = LEAF_HYPERVISOR_MAX;
		memcpy(&c.ebx, "Vene", 4);
		memcpy(&c.ecx, "erVe", 4);
		memcpy(&c.edx, "neer", 4);
		break;
	case 0x80000001:
		c.ecx &= ~(BIT(2) | BIT(12));	/* SVM, SKINIT */
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
