/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The multiboot2 header and the way from the boot loader's 32-bit protected mode to C in long mode.
 * The image may stand anywhere below 4 GiB on a page boundary.
 */
#define MB2_MAGIC		0xe85250d6
#define MB2_ARCH_I386		0

#define BOOT_STACK_SIZE		32768

	.section .multiboot2, "a"
	.balign 8
mb2_header:
	.long MB2_MAGIC, MB2_ARCH_I386, mb2_end - mb2_header
	.long 0x100000000 - (MB2_MAGIC + MB2_ARCH_I386 + (mb2_end - mb2_header))

	/* Information request; all tags are optional: Veneer checks what the boot loader passes. */
	.balign 8
	.short 1, 1
	.long 1f - (. - 4)
	.long 1, 2, 3, 6, 8, 12, 14, 15, 17
1:
	/* A framebuffer of any kind, optional; without the tag GRUB on EFI warns that there will be no console. */
	.balign 8
	.short 5, 1
	.long 20
	.long 0, 0, 0

	/* Modules on page boundaries. */
	.balign 8
	.short 6, 0
	.long 8

	/*
	 * Relocatable: 1 MiB to 4 GiB, as high as possible, so that kernels linked low find their place free and little is left
	 * behind.
	 */
	.balign 8
	.short 10, 0
	.long 24
	.long 0x100000, 0xffffffff, 0x1000, 2

	.balign 8
	.short 0, 0
	.long 8
mb2_end:

	.section .text.entry, "ax"
	.code32
	.globl veneer_entry32
	.hidden veneer_entry32
veneer_entry32:
	cli
	cld
	/*
	 * There is no stack yet: to find the image's address, borrow the first dword of the information, and restore it at
	 * once.
	 */
	movl %eax, %esi
	movl (%ebx), %ecx
	leal 4(%ebx), %esp
	call ref
ref:	popl %ebp				/* all addresses below are taken relative to this place */
	movl %ecx, (%ebx)

	leal (boot_stack_top - ref)(%ebp), %esp

	/* Stop without long mode.  This code itself writes the message to screen and serial port: nothing else works yet. */
	movl $0x80000000, %eax
	pushl %ebx
	cpuid
	popl %ebx
	cmpl $0x80000001, %eax
	jb no_long_mode
	movl $0x80000001, %eax
	pushl %ebx
	cpuid
	popl %ebx
	btl $29, %edx
	jnc no_long_mode
	btl $20, %edx				/* execute-disable: W^X needs it */
	jnc no_long_mode

	/* Identity-map 4 GiB with 2 MiB pages for the first steps; hv/mem/paging.c builds the real tables. */
	leal (boot_pml4 - ref)(%ebp), %edi
	leal 0x1003(%edi), %eax
	movl %eax, (%edi)
	leal 0x1000(%edi), %edx
	leal 0x2003(%edi), %eax
	movl $4, %ecx
2:	movl %eax, (%edx)
	addl $0x1000, %eax
	addl $8, %edx
	loop 2b
	leal 0x2000(%edi), %edx
	movl $0x83, %eax
	movl $2048, %ecx
3:	movl %eax, (%edx)
	addl $0x200000, %eax
	addl $8, %edx
	loop 3b

	movl %cr4, %eax
	orl $0x20, %eax				/* PAE */
	movl %eax, %cr4
	movl %edi, %cr3
	movl $0xc0000080, %ecx
	rdmsr
	orl $0x900, %eax			/* LME, NXE */
	wrmsr
	movl %cr0, %eax
	andl $0x9fffffff, %eax			/* caches on: CD, NW off */
	orl $0x80010001, %eax			/* PG, WP, PE */
	movl %eax, %cr0

	leal (boot_gdt - ref)(%ebp), %eax
	movl %eax, 2 + (boot_gdtr - ref)(%ebp)
	lgdt (boot_gdtr - ref)(%ebp)
	leal (entry64 - ref)(%ebp), %eax
	pushl $8
	pushl %eax
	lret

no_long_mode:
	leal (no_long_mode_text - ref)(%ebp), %esi
	movl $0xb8000, %edi
4:	lodsb
	testb %al, %al
	jz 6f
	movb %al, (%edi)
	movb $0x4f, 1(%edi)
	addl $2, %edi
	movb %al, %ah
	movw $0x3fd, %dx
	movl $100000, %ecx
5:	inb %dx, %al
	testb $0x20, %al
	loopz 5b
	movb %ah, %al
	movw $0x3f8, %dx
	outb %al, %dx
	jmp 4b
6:	hlt
	jmp 6b

	.code64
entry64:
	movl $16, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	xorl %eax, %eax
	movl %eax, %fs
	movl %eax, %gs
	movl %esp, %esp
	movl %ebp, %ebp
	movl %ebx, %ebx
	movl %esi, %r12d			/* magic */

	/*
	 * Relocations in the generic ABI's RELR form: an even word is an address to relocate, an odd one a bitmap of the 63
	 * words that follow the last.  Each such word is a link address, to which the image's displacement is added.
	 */
	leaq veneer_relr(%rip), %rdi
	leaq veneer_relr_end(%rip), %rsi
	leaq veneer_start(%rip), %rdx
	subq $0x200000, %rdx			/* load address - link address */
7:	cmpq %rsi, %rdi
	jae 8f
	movq (%rdi), %rax
	addq $8, %rdi
	testb $1, %al
	jnz 10f
	leaq (%rax, %rdx), %rcx
	addq %rdx, (%rcx)
	addq $8, %rcx				/* rcx: the word that the next bitmap begins with */
	jmp 7b
10:	movq %rcx, %r8
11:	shrq $1, %rax
	jz 13f
	testb $1, %al
	jz 12f
	addq %rdx, (%r8)
12:	addq $8, %r8
	jmp 11b
13:	addq $63 * 8, %rcx
	jmp 7b
8:
	/* The stack protector reads its canary at %fs:0x28. */
	leaq fs_block(%rip), %rax
	movq %rax, %rdx
	shrq $32, %rdx
	movl $0xc0000100, %ecx
	wrmsr
	rdtsc
	shlq $32, %rdx
	orq %rdx, %rax
	movabsq $0x9e3779b97f4a7c15, %rcx
	imulq %rcx, %rax
	xorb %al, %al				/* a zero byte stops string overruns */
	movq %rax, fs_block+0x28(%rip)

	movq %r12, %rdi
	movq %rbx, %rsi
	xorl %ebp, %ebp
	call start_main
9:	hlt
	jmp 9b

	.section .rodata
no_long_mode_text:
	.asciz "Veneer: this processor has no 64-bit mode or no execute-disable. Start your kernel without Veneer.\r\n"

	.data
	.balign 16
boot_gdt:
	.quad 0
	.quad 0x00af9b000000ffff
	.quad 0x00cf93000000ffff
boot_gdtr:
	.short 23
	.long 0, 0

	.bss
	.balign 4096
	.globl boot_pml4
	.hidden boot_pml4
boot_pml4:
	.skip 4096 * 6
	.globl boot_stack_top
	.hidden boot_stack_top
boot_stack:
	.skip BOOT_STACK_SIZE
boot_stack_top:
	.balign 64
	.globl fs_block
	.hidden fs_block
fs_block:
	.skip 64

	.section .note.GNU-stack, "", @progbits
