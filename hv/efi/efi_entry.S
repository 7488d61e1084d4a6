/* SPDX-License-Identifier: BSD-2-Clause */
/* A processor that the firmware hands over: from 32 bits with paging off (efi/jump.S) to long mode and hv/smp/ap_entry.S. */
	.text
	.globl efi_entry32
	.hidden efi_entry32
	.code32
	/* edi: this address; the stack is the firmware's, perhaps above 4 GiB: not used */
efi_entry32:
	movl (ap_stack - efi_entry32)(%edi), %esp
	movl %cr4, %eax
	orl $0x20, %eax				/* PAE */
	movl %eax, %cr4
	leal (boot_pml4 - efi_entry32)(%edi), %eax
	movl %eax, %cr3
	movl $0xc0000080, %ecx
	rdmsr
	orl $0x900, %eax			/* LME, NXE */
	wrmsr
	movl %cr0, %eax
	andl $0x9fffffff, %eax			/* caches on: CD, NW off */
	orl $0x80010001, %eax			/* PG, WP, PE */
	movl %eax, %cr0
	leal (gdt - efi_entry32)(%edi), %eax
	pushl %eax
	pushw $23
	lgdt (%esp)
	leal (ap_entry64 - efi_entry32)(%edi), %eax
	pushl $8
	pushl %eax
	lret
	.balign 8
gdt:
	.quad 0
	.quad 0x00af9b000000ffff
	.quad 0x00cf93000000ffff

	.section .note.GNU-stack, "", @progbits
