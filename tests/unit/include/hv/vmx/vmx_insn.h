/* SPDX-License-Identifier: BSD-2-Clause */
/* Shadows hv/vmx/vmx_insn.h under the unit tests, which have a VMCS of their own. */
#ifndef HOST_VMX_INSN_H
#define HOST_VMX_INSN_H

#include "hv/vmx/vmx_regs.h"

uint64_t vmcs_read(uint32_t field);
void vmcs_write(uint32_t field, uint64_t v);
bool vmx_on(uint64_t region);
void vmx_off(void);
bool vmcs_clear(uint64_t vmcs);
bool vmcs_load(uint64_t vmcs);
void invept_all(void);
void invvpid_all(void);

#endif
