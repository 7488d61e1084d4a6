/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Into crash_main() with paging on and an IDT that fails: multiboot1 and 32-bit code, or multiboot2 and 64-bit code.  Page
 * tables map the first 4 MiB, or GiB, to itself; nothing else.
 */
#define PF_GATE		14

#ifdef __x86_64__
#define MB2_MAGIC	0xe85250d6
	.section .multiboot, "a"
	.align 8
mb2:	.long	MB2_MAGIC, 0, mb2_end - mb2, -(MB2_MAGIC + mb2_end - mb2)
	.short	0, 0
	.long	8
mb2_end:
#else
#define MB1_MAGIC	0x1badb002
	.section .multiboot, "a"
	.align 4
	.long	MB1_MAGIC, 0, -MB1_MAGIC
#endif

	.code32
	.text
	.globl _start
	.type _start, @function
_start:	movl	$stack_top, %esp
	xorl	%ebp, %ebp
#ifdef __x86_64__
	/* 512 pages of 2 MiB */
	movl	$pd, %edi
	movl	$0x83, %eax
1:	movl	%eax, (%edi)
	addl	$0x200000, %eax
	addl	$8, %edi
	cmpl	$pd + 4096, %edi
	jne	1b
	movl	$pd + 3, pdpt
	movl	$pdpt + 3, pml4
	movl	$pml4, %eax
	movl	%eax, %cr3
	movl	$0x20, %eax		/* PAE */
	movl	%eax, %cr4
	movl	$0xc0000080, %ecx	/* EFER.LME */
	rdmsr
	orl	$0x100, %eax
	wrmsr
#else
	/* One page of 4 MiB. */
	movl	$0x83, pd
	movl	$pd, %eax
	movl	%eax, %cr3
	movl	$0x10, %eax		/* PSE */
	movl	%eax, %cr4
#endif
	movl	%cr0, %eax
	orl	$0x80000000, %eax
	movl	%eax, %cr0
	lgdt	gdt_pointer
	ljmp	$0x08, $entered
	.size _start, . - _start

#ifdef __x86_64__
	.code64
#endif
	.type entered, @function
entered: movw	$0x10, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	lidt	idt_pointer
	call	crash_main
	hlt
	.size entered, . - entered

	.data
	.align 8
gdt:	.quad	0
#ifdef __x86_64__
	.quad	0x00af9b000000ffff
#else
	.quad	0x00cf9b000000ffff
#endif
	.quad	0x00cf93000000ffff
gdt_pointer:
	.short	. - gdt - 1
#ifdef __x86_64__
	.quad	gdt
#else
	.long	gdt
#endif

	/* 64-bit: the page fault's gate is not present.  32-bit: it names no segment. */
	.align 16
idt:
#ifdef __x86_64__
	.skip	16 * PF_GATE
	.quad	0x00000e0000080000, 0
#else
	.skip	8 * PF_GATE
	.quad	0x00108e0000200000
#endif
idt_pointer:
	.short	. - idt - 1
#ifdef __x86_64__
	.quad	idt
#else
	.long	idt
#endif

	.bss
	.align 4096
pml4:	.skip	4096
pdpt:	.skip	4096
pd:	.skip	4096
	.skip	4096
stack_top:
	.section .note.GNU-stack, "", @progbits
