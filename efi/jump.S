/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the firmware's long mode to Veneer's 32-bit entry with paging off, as a multiboot2 loader enters it.  Paging has to be
 * off for a moment: the firmware may run with five levels of page tables, a bit that cannot change in long mode, and may have
 * made the memory that Veneer lies in not executable.
 *
 * The code is copied to a page below 4 GiB, where it is on its own address with paging on and off.
 */
#define MB2_BOOT_MAGIC	0x36d76289

	.text
	.globl jump_code, jump_gdt, jump_gdtr, jump_end
	.hidden jump_code, jump_gdt, jump_gdtr, jump_end
	.code64
	/* rdi: the entry, rsi: the information, rdx: the copy of this code; all below 4 GiB.  Boot services have ended. */
jump_code:
	cli
	cld
	lgdt (jump_gdtr - jump_code)(%rdx)
	leaq (jump32 - jump_code)(%rdx), %rax
	pushq $8
	pushq %rax
	lretq
	.code32
jump32:
	movl $16, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %fs
	movl %eax, %gs
	movl %eax, %ss
	movl %cr0, %eax
	andl $0x7fffffff, %eax			/* PG */
	movl %eax, %cr0
	movl $0xc0000080, %ecx
	rdmsr
	andl $0xfffffeff, %eax			/* LME */
	wrmsr
	movl %cr4, %eax
	andl $0x640, %eax			/* all off but machine checks and SSE: LA57 and PCIDE go with paging only */
	movl %eax, %cr4
	movl $MB2_BOOT_MAGIC, %eax
	movl %esi, %ebx
	jmp *%edi
	.balign 8
jump_gdt:
	.quad 0
	.quad 0x00cf9b000000ffff
	.quad 0x00cf93000000ffff
jump_gdtr:
	.short 23
	.quad 0					/* the address of the copy of jump_gdt */
jump_end:

	.section .note.GNU-stack, "", @progbits
