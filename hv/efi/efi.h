/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest that is the machine's own UEFI firmware, with boot services, and what that starts.  veneer.efi has handed over its
 * state (<veneer/efi_guest.h>), goes on as the guest behind its call, and reaches the virtual disks by hypercalls.
 */
#ifndef HV_EFI_H
#define HV_EFI_H

#include "hv/boot/bootinfo.h"
#include "hv/cpu/vcpu.h"

/* Set the guest's first state, and answer its calls from now on.  0 or negative after a line. */
int efi_start(const struct boot_info *b, struct vcpu_regs *regs);

/* The state that veneer.efi has handed over, as a vCPU's. */
void efi_first_state(const struct efi_launch *l, struct vcpu_regs *regs);

/* Handle a VMMCALL or VMCALL: true if it was veneer.efi's.  Any processor may call. */
bool efi_hypercall(struct vcpu *v, const struct vcpu_regs *r);

#endif
