/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * void svm_enter(uint64_t gpr[16], uint64_t vmcb, uint64_t host_vmcb): one VMRUN with GIF = 0.
 * The order of gpr[] is that of enum gpr; RAX and RSP travel in the VMCB (svm.c).
 *
 * FS, GS, TR, LDTR, KernelGSBase and the syscall MSRs are the guest's after an exit (APM vol. 2, 15.5.1): VMSAVE and
 * VMLOAD exchange them before any C code runs, which reads the stack protector's canary by FS.
 */
#include "hv/cpu/gprs.h"

	.text
	.globl svm_enter
	.hidden svm_enter
	.balign 16
svm_enter:
	pushq %rbx
	pushq %rbp
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	pushq %rdx
	pushq %rdi
	movq %rsi, %rax
	load_guest_gprs
	vmload %rax
	vmrun %rax
	vmsave %rax
	pushq %rdi
	movq 8(%rsp), %rdi
	store_guest_gprs
	popq %rdi
	popq %rax
	vmload %rax
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	ret

	.section .note.GNU-stack, "", @progbits
