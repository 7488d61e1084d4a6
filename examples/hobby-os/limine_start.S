/* SPDX-License-Identifier: BSD-2-Clause */
/* The 64-bit part that the Limine protocol starts: it contains the hobby OS's file, and enters its 32-bit entry. */
#define PVH_MAGIC	0x336ec578
#define CODE32		0x08
#define DATA32		0x10
#define TABLES		0x2000		/* offset in the memory that limine.c has prepared */
#define IMAGE		0x8000

	.section .rodata
	.globl hobby_file, tramp_start, tramp_end
	.balign 16
hobby_file:
	.incbin HOBBY_FILE

	/*
	 * Runs at its own physical address.  rdi: the place; rsi: where the image goes, rdx: its size; rcx: the entry; r8: the
	 * start information.
	 */
	.balign 16
tramp_start:
	leaq	0x1000(%rdi), %rsp
	leaq	gdt(%rip), %rax
	movq	%rax, gdtr + 2(%rip)
	lgdt	gdtr(%rip)
	movl	%ecx, %ebp
	movl	%r8d, %ebx
	leaq	tramp32(%rip), %rax
	movq	%rdx, %rcx
	leaq	IMAGE(%rdi), %rdx
	movq	%rsi, %rdi
	movq	%rdx, %rsi
	cld
	rep movsb
	pushq	$CODE32
	pushq	%rax
	lretq

	.code32
tramp32:
	movl	$DATA32, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	movl	%cr0, %eax
	andl	$0x7fffffff, %eax
	movl	%eax, %cr0
	movl	$0xc0000080, %ecx
	xorl	%eax, %eax
	xorl	%edx, %edx
	wrmsr
	movl	%eax, %cr4
	movl	$PVH_MAGIC, %eax
	jmp	*%ebp

	.balign 8
gdt:	.quad	0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdtr:	.short	23
	.quad	0
tramp_end:

	.text
	.code64
	.globl start, go_down
start:	call	limine_main
1:	cli
	hlt
	jmp	1b

go_down:
	leaq	TABLES(%rdi), %rax
	movq	%rax, %cr3
	jmp	*%rdi
	.section .note.GNU-stack, "", @progbits
