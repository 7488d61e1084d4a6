/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From SIPI to C.  ap_trampoline is copied to a page below 1 MiB (hv/smp/ap.c, which fills in the three addresses), begins in
 * real mode with CS there, and goes to long mode in one step with the page tables that the boot processor began with.
 */
	.section .rodata
	.globl ap_trampoline, ap_trampoline_gdt, ap_trampoline_gdtr, ap_trampoline_cr3, ap_trampoline_target, ap_trampoline_end
	.hidden ap_trampoline, ap_trampoline_gdt, ap_trampoline_gdtr, ap_trampoline_cr3, ap_trampoline_target, ap_trampoline_end
	.balign 16
	.code16
ap_trampoline:
	cli
	cld
	movw %cs, %ax
	movw %ax, %ds
	lgdtl ap_trampoline_gdtr - ap_trampoline
	movl $0x20, %eax			/* PAE */
	movl %eax, %cr4
	movl ap_trampoline_cr3 - ap_trampoline, %eax
	movl %eax, %cr3
	movl $0xc0000080, %ecx
	xorl %edx, %edx
	movl $0x900, %eax			/* LME, NXE */
	wrmsr
	movl $0x80010011, %eax			/* PG, WP, ET, PE; caches on: INIT left CD and NW set */
	movl %eax, %cr0
	ljmpl *(ap_trampoline_target - ap_trampoline)

	.balign 8
ap_trampoline_gdt:
	.quad 0
	.quad 0x00af9b000000ffff
	.quad 0x00cf93000000ffff
ap_trampoline_gdtr:
	.short 23
	.long 0
	.balign 4
ap_trampoline_cr3:
	.long 0
ap_trampoline_target:
	.long 0
	.short 8
ap_trampoline_end:

	.text
	.globl ap_entry64
	.hidden ap_entry64
	.code64
ap_entry64:
	movl $16, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	xorl %eax, %eax
	movl %eax, %fs
	movl %eax, %gs
	movq ap_stack(%rip), %rsp
	/* All processors share one canary. */
	leaq fs_block(%rip), %rax
	movq %rax, %rdx
	shrq $32, %rdx
	movl $0xc0000100, %ecx
	wrmsr
	xorl %ebp, %ebp
	call ap_main
1:	hlt
	jmp 1b

	.section .note.GNU-stack, "", @progbits
