/* SPDX-License-Identifier: BSD-2-Clause */
/* The first state of a processor, if that is the firmware's own. */
#include <veneer/string.h>
#include "hv/efi/efi.h"

void efi_first_state(const struct efi_launch *l, struct vcpu_regs *regs)
{
	memset(regs, 0, sizeof(*regs));
	for (unsigned i = 0; i < SEG_COUNT; i++)
		regs->seg[i] = (struct vcpu_seg){ l->seg[i].selector, l->seg[i].attr, l->seg[i].limit, l->seg[i].base };
	regs->gpr[GPR_RSP] = l->rsp;
	regs->rip = l->rip;
	regs->rflags = BIT(1);
	regs->cr0 = l->cr0;
	regs->cr3 = l->cr3;
	regs->cr4 = l->cr4 & ~(uint64_t)CR4_VMXE;
	regs->efer = l->efer;
	regs->gdtr.base = l->gdt_base;
	regs->gdtr.limit = l->gdt_limit;
	regs->idtr.base = l->idt_base;
	regs->idtr.limit = l->idt_limit;
}
