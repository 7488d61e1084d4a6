/* SPDX-License-Identifier: BSD-2-Clause */
/* Shadows hv/cpu/vmx_insn.h under the unit tests, which have a VMCS of their own. */
#ifndef HOST_VMX_INSN_H
#define HOST_VMX_INSN_H

#include "hv/cpu/vmx_regs.h"

uint64_t vmcs_read(uint32_t field);

#endif
