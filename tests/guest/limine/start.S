/* SPDX-License-Identifier: BSD-2-Clause */
/* Keep all registers as they are at the entry, then call C. */
	.text
	.globl start, start_asked, ap_start
start_asked:				/* by the entry point request */
	movl $1, entered_as_asked(%rip)
start:
	movq %rsp, at_entry+128(%rip)
	movq %rax, at_entry(%rip)
	movq %rcx, at_entry+8(%rip)
	movq %rdx, at_entry+16(%rip)
	movq %rbx, at_entry+24(%rip)
	movq %rbp, at_entry+32(%rip)
	movq %rsi, at_entry+40(%rip)
	movq %rdi, at_entry+48(%rip)
	movq %r8, at_entry+56(%rip)
	movq %r9, at_entry+64(%rip)
	movq %r10, at_entry+72(%rip)
	movq %r11, at_entry+80(%rip)
	movq %r12, at_entry+88(%rip)
	movq %r13, at_entry+96(%rip)
	movq %r14, at_entry+104(%rip)
	movq %r15, at_entry+112(%rip)
	pushfq
	popq at_entry+120(%rip)
	movq (%rsp), %rax
	movq %rax, at_entry+136(%rip)
	xorl %ebp, %ebp
	call limine_main
1:	cli
	hlt
	jmp 1b

ap_start:				/* rdi: struct of the processor */
	movq %rsp, %rsi
	pushfq
	movq %rax, %rdx
	orq %rbx, %rdx
	orq %rcx, %rdx
	orq %rbp, %rdx
	orq %r8, %rdx
	orq %r9, %rdx
	orq %r15, %rdx
	popq %rcx
	andq $-16, %rsp
	call ap_main
1:	cli
	hlt
	jmp 1b
	.section .note.GNU-stack, "", @progbits
