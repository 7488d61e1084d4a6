/* SPDX-License-Identifier: BSD-2-Clause */
/* The chosen vendor, and the state in which most guests start. */
#include <veneer/string.h>
#include "hv/cpu/vcpu.h"

#define SEG_ATTR_CODE32	0xc9b	/* present, code, readable, accessed; 32-bit, page granular */
#define SEG_ATTR_DATA32	0xc93
#define SEG_ATTR_LDT	0x082
#define SEG_ATTR_TSS	0x08b	/* busy: VMX accepts no other (SDM 26.3.1.2) */

const struct vcpu_ops *vcpu_ops;
bool (*vcpu_own_hypercall)(struct vcpu *v, const struct vcpu_regs *r);

void vcpu_flat32(struct vcpu_regs *regs)
{
	struct vcpu_seg data = { .selector = 0x18, .attr = SEG_ATTR_DATA32, .limit = 0xffffffff };

	memset(regs, 0, sizeof(*regs));
	for (unsigned i = SEG_ES; i <= SEG_GS; i++)
		regs->seg[i] = data;
	regs->seg[SEG_CS] = (struct vcpu_seg){ .selector = 0x10, .attr = SEG_ATTR_CODE32, .limit = 0xffffffff };
	regs->seg[SEG_LDTR] = (struct vcpu_seg){ .attr = SEG_ATTR_LDT, .limit = 0xffff };
	regs->seg[SEG_TR] = (struct vcpu_seg){ .attr = SEG_ATTR_TSS, .limit = 0xffff };
	regs->cr0 = CR0_PE | BIT(4);	/* ET is fixed to 1 */
	regs->rflags = BIT(1);
}
