/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * int vmx_enter(uint64_t gpr[16], bool launched, uint64_t nmis): one VM entry, unless the host has taken an NMI since @nmis
 * were counted.  VMX_EXITED, VMX_FAILED (the entry instruction refused) or VMX_NMI (not entered).
 * The order of gpr[] is that of enum gpr; RSP travels in the VMCS.
 *
 * There is no GIF: an NMI between the last look for work and the entry is taken by the host's handler, and the work would
 * wait for the next exit.  The handler (entry.S) sends a return into this window to vmx_window_left instead.  One that comes
 * during the entry itself is pending when the guest runs, and exits at once.
 */
#include "hv/cpu/gprs.h"
#include "hv/cpu/percpu.h"
#include "hv/vmx/vmx_entry.h"
#include "hv/vmx/vmx_regs.h"

	.text
	.globl vmx_enter, vmx_window, vmx_window_end, vmx_window_left, vmx_exited
	.hidden vmx_enter, vmx_window, vmx_window_end, vmx_window_left, vmx_exited
	.balign 16
vmx_enter:
	pushq %rbx
	pushq %rbp
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	pushq %rdi
	movl $VMCS_HOST_RSP, %eax
	vmwrite %rsp, %rax
vmx_window:
	cmpq %gs:CPU_NMI_COUNT, %rdx
	jne vmx_window_left
	testl %esi, %esi
	movq (%rdi), %rax			/* no MOV changes the flags */
	load_guest_gprs
	jz 1f
	vmresume
	jmp 2f
1:	vmlaunch
2:
vmx_window_end:
	movl $VMX_FAILED, %eax
	jmp 3f

vmx_window_left:
	movl $VMX_NMI, %eax
	jmp 3f

	.balign 16
vmx_exited:
	pushq %rdi
	movq 8(%rsp), %rdi
	movq %rax, (%rdi)
	store_guest_gprs
	movl $VMX_EXITED, %eax
3:	popq %rdi
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	ret

	.section .note.GNU-stack, "", @progbits
