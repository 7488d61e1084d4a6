/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first instructions, and the interrupt stubs.
 *
 * The loader enters _start in 32-bit protected mode, paging off, EAX a magic number, EBX the address of its information.
 * This code provides everything else: the stack, and the GDT behind the segment registers.
 */
#define MB1_MAGIC	0x1badb002
#define MB1_FLAGS	0x00000003	/* modules on pages, memory map wanted */
#define MB2_MAGIC	0xe85250d6
#define PVH_MAGIC	0x336ec578	/* in the information, not in EAX */
#define PVH_NOTE	18

	.section .multiboot, "a"
	.align 4
	.long	MB1_MAGIC, MB1_FLAGS, -(MB1_MAGIC + MB1_FLAGS)

	.align 8
mb2:	.long	MB2_MAGIC, 0, mb2_end - mb2, -(MB2_MAGIC + 0 + (mb2_end - mb2))
	.short	4, 1			/* console, optional: */
	.long	12, 2			/* this kernel supports EGA text */
	.align 8
	.short	6, 1			/* modules on pages */
	.long	8
	.short	0, 0
	.long	8
mb2_end:

	/* The third entry, for loaders that read Xen's note; a 32-bit entry, too. */
	.section .note.pvh, "a", @note
	.long	4, 4, PVH_NOTE
	.asciz	"Xen"
	.long	pvh_start

	.text
pvh_start:
	movl	$PVH_MAGIC, %eax
	.globl _start
_start:	cli
	cld
	lgdt	gdt_pointer
	ljmp	$0x08, $1f
1:	movw	$0x10, %cx
	movw	%cx, %ds
	movw	%cx, %es
	movw	%cx, %fs
	movw	%cx, %gs
	movw	%cx, %ss
	movl	$stack_top, %esp
	xorl	%ebp, %ebp		/* the end of every stack trace */
	pushl	%ebx
	pushl	%eax
	call	hobby_main
2:	cli
	hlt
	jmp	2b

/*
 * One stub per vector: each pushes its number (and a zero where the CPU pushes no error code), so that all 256 leave the
 * same struct irq_frame.  Exceptions 8, 10-14, 17, 21, 29 and 30 come with an error code.
 */
	.macro STUB vector
	.align 8
	.if (\vector == 8) || (\vector >= 10 && \vector <= 14) || (\vector == 17) || (\vector == 21) || \
	    (\vector == 29) || (\vector == 30)
	.else
	pushl	$0
	.endif
	pushl	$\vector
	jmp	irq_common
	.endm

	.globl irq_stubs
	.align 16
irq_stubs:
	.set	i, 0
	.rept	256
	.align	16
	STUB	i
	.set	i, i + 1
	.endr

irq_common:
	pushal
	cld
	pushl	%esp
	call	irq_dispatch
	addl	$4, %esp
	popal
	addl	$8, %esp
	iret

	.section .rodata
	.align 8
gdt:	.quad	0
	.quad	0x00cf9b000000ffff	/* 0x08: code, flat, 32-bit */
	.quad	0x00cf93000000ffff	/* 0x10: data, flat */
gdt_pointer:
	.short	. - gdt - 1
	.long	gdt

	.bss
	.align 16
	.space	65536
stack_top:
	.section .note.GNU-stack, "", @progbits
