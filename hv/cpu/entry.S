/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entries of Veneer's own IDT.  While intr_window is set, every vector but the NMI is a physical interrupt: with an unremapped
 * 8259 those are 8 to 15, where else #DF and its neighbours live, so the vector number alone cannot tell.
 */
#include "hv/cpu/entry.h"
#include "hv/cpu/percpu.h"

	.text
	.globl trap_stubs, nmi_entry, sx_entry, intr_acknowledge, host_sleep, rdmsr_safe, wrmsr_safe
	.hidden trap_stubs, nmi_entry, sx_entry, intr_acknowledge, host_sleep, rdmsr_safe, wrmsr_safe

	.balign 16
trap_stubs:
	.set vector, 0
	.rept 256
	.balign TRAP_STUB_SIZE
	pushq $(vector - 128)		/* one byte for each vector: all stubs together take 2 KiB */
	jmp trap_common
	.set vector, vector + 1
	.endr

	.balign 16
trap_common:
	addq $128, (%rsp)
	cmpb $0, %gs:CPU_INTR_WINDOW
	jne window
	/* #GP of an MSR that is only tried: the function says so. */
	cmpq $13, (%rsp)
	jne 6f
	pushq %rax
	leaq msr_read(%rip), %rax
	cmpq %rax, 24(%rsp)
	je 5f
	leaq msr_write(%rip), %rax
	cmpq %rax, 24(%rsp)
	je 5f
	popq %rax
	jmp 6f
5:	leaq msr_failed(%rip), %rax
	movq %rax, 24(%rsp)
	popq %rax
	addq $16, %rsp
	iretq
6:
	/* Vectors that push an error code: 8, 10-14, 17, 21, 29, 30. */
	pushq %rax
	movq 8(%rsp), %rax
	cmpq $31, %rax
	ja 1f
	btq %rax, errors(%rip)
	jc 2f
1:	popq %rax
	pushq (%rsp)			/* no error code: make room, vector on top */
	movq $0, 8(%rsp)
	jmp 3f
2:	popq %rax
3:	pushq %rax
	pushq %rcx
	pushq %rdx
	pushq %rbx
	pushq %rbp
	pushq %rsi
	pushq %rdi
	pushq %r8
	pushq %r9
	pushq %r10
	pushq %r11
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movq %rsp, %rdi
	andq $-16, %rsp
	cld
	call host_exception
4:	hlt
	jmp 4b

	/* vector, rip, cs, rflags, rsp, ss: remember the vector, return with interrupts off. */
window:
	popq %gs:CPU_INTR_VECTOR
	andl $~0x200, 16(%rsp)
	movb $0, %gs:CPU_INTR_WINDOW
	iretq

	/*
	 * The NMI handler only counts, ends host_sleep(), and cancels a VM entry that was about to begin (cpu.window): it takes
	 * no lock and changes no register.
	 */
	.balign 16
nmi_entry:
	incq %gs:CPU_NMI_COUNT
awake:	pushq %rax
	movq 8(%rsp), %rax
	subq %gs:CPU_WINDOW, %rax
	cmpq %gs:CPU_WINDOW_SIZE, %rax
	jae 2f
	movq %gs:CPU_WINDOW_LEFT, %rax
	movq %rax, 8(%rsp)
2:
	leaq host_sleep(%rip), %rax
	cmpq %rax, 8(%rsp)
	jb 1f
	leaq sleep_end(%rip), %rax
	cmpq %rax, 8(%rsp)
	ja 1f
	movq %rax, 8(%rsp)
1:	popq %rax
	iretq

	/* #SX with its error code: an INIT that the processor has redirected (VM_CR.R_INIT).  Note it for the exit loop. */
	.balign 16
sx_entry:
	cmpb $0, %gs:CPU_INTR_WINDOW
	jne trap_stubs + 30 * TRAP_STUB_SIZE	/* a device's interrupt by this number */
	addq $8, %rsp
	movq $1, %gs:CPU_INIT_SEEN
	jmp awake

	/*
	 * void host_sleep(const volatile uint32_t *wake): sleep, with ordinary interrupts off, until the next NMI, unless
	 * *wake is not 0.  Who sets *wake sends an NMI afterwards; if it comes after the check of *wake, the handler skips the
	 * HLT.
	 */
	.balign 16
host_sleep:
	cmpl $0, (%rdi)
	jne sleep_end
	hlt
sleep_end:
	ret

	/*
	 * int intr_acknowledge(void): take the pending physical interrupt, by the 8259's or the LAPIC's own protocol.
	 */
	.balign 16
intr_acknowledge:
	movq $-1, %gs:CPU_INTR_VECTOR
	movb $1, %gs:CPU_INTR_WINDOW
	sti
	nop
	nop
	cli
	movb $0, %gs:CPU_INTR_WINDOW
	movl %gs:CPU_INTR_VECTOR, %eax
	ret

	/* bool rdmsr_safe(uint32_t msr, uint64_t *value), bool wrmsr_safe(uint32_t msr, uint64_t value) */
	.balign 16
rdmsr_safe:
	movl %edi, %ecx
msr_read:
	rdmsr
	shlq $32, %rdx
	orq %rdx, %rax
	movq %rax, (%rsi)
	movl $1, %eax
	ret
wrmsr_safe:
	movl %edi, %ecx
	movl %esi, %eax
	movq %rsi, %rdx
	shrq $32, %rdx
msr_write:
	wrmsr
	movl $1, %eax
	ret
msr_failed:
	xorl %eax, %eax
	ret

	.section .rodata
	.balign 8
errors:
	.quad 0x60227d00

	.section .note.GNU-stack, "", @progbits
