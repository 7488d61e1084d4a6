/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * void svm_enter(uint64_t gpr[16], uint64_t vmcb, uint64_t host_vmcb): one VMRUN with GIF = 0.
 * The order of gpr[] is that of enum gpr; RAX and RSP travel in the VMCB (svm.c).
 *
 * FS, GS, TR, LDTR, KernelGSBase and the syscall MSRs are the guest's after an exit (APM vol. 2, 15.5.1): VMSAVE and
 * VMLOAD exchange them before any C code runs, which reads the stack protector's canary by FS.
 */
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
	movq 8(%rdi), %rcx
	movq 16(%rdi), %rdx
	movq 24(%rdi), %rbx
	movq 40(%rdi), %rbp
	movq 48(%rdi), %rsi
	movq 64(%rdi), %r8
	movq 72(%rdi), %r9
	movq 80(%rdi), %r10
	movq 88(%rdi), %r11
	movq 96(%rdi), %r12
	movq 104(%rdi), %r13
	movq 112(%rdi), %r14
	movq 120(%rdi), %r15
	movq 56(%rdi), %rdi
	vmload %rax
	vmrun %rax
	vmsave %rax
	pushq %rdi
	movq 8(%rsp), %rdi
	movq %rcx, 8(%rdi)
	movq %rdx, 16(%rdi)
	movq %rbx, 24(%rdi)
	movq %rbp, 40(%rdi)
	movq %rsi, 48(%rdi)
	popq 56(%rdi)
	movq %r8, 64(%rdi)
	movq %r9, 72(%rdi)
	movq %r10, 80(%rdi)
	movq %r11, 88(%rdi)
	movq %r12, 96(%rdi)
	movq %r13, 104(%rdi)
	movq %r14, 112(%rdi)
	movq %r15, 120(%rdi)
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
