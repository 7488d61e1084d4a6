/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Load and save the guest's general registers from and to gpr[16] at RDI, for the vendors' entry code, in the order of enum
 * gpr.  RAX and RSP are not among them: each vendor's code moves them itself.
 */
#ifndef HV_GPRS_H
#define HV_GPRS_H

#ifdef __ASSEMBLER__

/* Load RDI last: afterwards the address of gpr[] is gone. */
.macro load_guest_gprs
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
.endm

/* Save to gpr[] at RDI.  The guest's RDI itself is on the stack, and is popped. */
.macro store_guest_gprs
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
.endm

#endif

#endif
