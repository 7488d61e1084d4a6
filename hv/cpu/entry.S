/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entries of Veneer's own IDT.  While intr_window is set, every vector but the NMI is a physical interrupt: with an unremapped
 * 8259 those are 8 to 15, where else #DF and its neighbours live, so the vector number alone cannot tell.
 */
#include "hv/cpu/entry.h"

	.text
	.globl trap_stubs, nmi_entry, intr_acknowledge
	.hidden trap_stubs, nmi_entry, intr_acknowledge

	.balign 16
trap_stubs:
	.set vector, 0
	.rept 256
	.balign TRAP_STUB_SIZE
	pushq $vector
	jmp trap_common
	.set vector, vector + 1
	.endr

	.balign 16
trap_common:
	cmpb $0, intr_window(%rip)
	jne window
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
	popq intr_vector(%rip)
	andl $~0x200, 16(%rsp)
	movb $0, intr_window(%rip)
	iretq

	/* Counts, and nothing else: it takes no lock and touches no register. */
	.balign 16
nmi_entry:
	lock incq nmi_count(%rip)
	iretq

	/*
	 * int intr_acknowledge(void): the physical interrupt that is pending, through the 8259's or the LAPIC's own protocol.
	 */
	.balign 16
intr_acknowledge:
	movq $-1, intr_vector(%rip)
	movb $1, intr_window(%rip)
	sti
	nop
	nop
	cli
	movb $0, intr_window(%rip)
	movl intr_vector(%rip), %eax
	ret

	.section .rodata
	.balign 8
errors:
	.quad 0x60227d00

	.bss
	.balign 8
intr_vector:
	.skip 8
intr_window:
	.skip 8

	.section .note.GNU-stack, "", @progbits
