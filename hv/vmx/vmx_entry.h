/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/vmx/vmx_entry.S */
#ifndef HV_VMX_ENTRY_H
#define HV_VMX_ENTRY_H

#define VMX_EXITED	0
#define VMX_FAILED	1
#define VMX_NMI		2

#ifndef __ASSEMBLER__

#include "hv/cpu/vcpu.h"

int vmx_enter(uint64_t gpr[GPR_COUNT], bool launched, uint64_t nmis);
extern const char vmx_exited[];

/* After an NMI between these two addresses no entry may follow: its handler returns to vmx_window_left (struct cpu, window). */
extern const char vmx_window[], vmx_window_end[], vmx_window_left[];

#endif
#endif
