/* SPDX-License-Identifier: BSD-2-Clause */
/* The report of a failed VM entry in builds without VMX_CHECK: the processor's error numbers.  vmx_check.c names the fields. */
#include <veneer/log.h>
#include "hv/vmx/vmx.h"
#include "hv/vmx/vmx_insn.h"

void vmx_explain(uint32_t reason, uint32_t insn_error)
{
	log_err("vmx: the VM entry failed: exit reason %#x, VM-instruction error %u, qualification %#lx (a build with "
		"VMX_CHECK says more)", reason, insn_error, vmcs_read(VMCS_QUALIFICATION));
}
