/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The headers of one small kernel that looks at what its loader gave it, and its entries.  The code runs wherever it is put.
 * One of: MB1, MB2, PVH.  With MB1 or MB2 also FLAT: addresses in the header, the file is no ELF.  With MB2 also RELOCATABLE
 * (linked at 1 MiB, wanted from 64 MiB on), EFI_ENTRY (asks for boot services, optionally).  With MB1 or MB2 also SCREEN (a
 * mode of pixels, with MB2 optionally).
 */
#define MB1_MAGIC	0x1badb002
#define MB2_MAGIC	0xe85250d6
#define PVH_MAGIC	0x336ec578

	.section .multiboot, "a"
#ifdef MB1
	.align	4
#ifdef FLAT
#define MB1_FLAGS	0x00010007
#else
#define MB1_FLAGS	0x00000007	/* modules on pages, memory map, video */
#endif
mb1:	.long	MB1_MAGIC, MB1_FLAGS, -(MB1_MAGIC + MB1_FLAGS)
#ifdef FLAT
	.long	mb1, image_start, image_end, bss_end, _start
#else
	.long	0, 0, 0, 0, 0
#endif
#ifdef SCREEN
	.long	0, 1024, 768, 32
#else
	.long	1, 80, 25, 0
#endif
#endif
#ifdef MB2
	.align	8
mb2:	.long	MB2_MAGIC, 0, mb2_end - mb2, -(MB2_MAGIC + mb2_end - mb2)
	.short	1, 0			/* information that a loader has to know of */
	.long	8 + 4 * 8, 1, 2, 3, 4, 6, 8, 9, 15
	.align	8
	.short	1, 1			/* and some that it need not */
	.long	8 + 4 * 4, 7, 10, 16, 0x4711
	.align	8
	.short	4, 1			/* console: EGA text is understood */
	.long	12, 2
	.align	8
#ifdef SCREEN
	.short	5, 1
	.long	20, 1024, 768, 32
	.align	8
#endif
	.short	6, 1			/* modules on pages */
	.long	8
	.short	0x7777, 1		/* nobody knows it, nobody needs to */
	.long	24, 1, 2, 3, 4
#ifdef FLAT
	.short	2, 0
	.long	24, mb2, image_start, image_end, bss_end
	.short	3, 0
	.long	12, _start
	.align	8
#endif
#ifdef RELOCATABLE
	.short	10, 0
	.long	24, 0x04000000, 0x0fffffff, 0x200000, RELOCATABLE
#endif
#ifdef EFI_ENTRY
	.short	7, 1
	.long	8
	.short	9, 1
	.long	12, efi_entry
	.align	8
#endif
	.short	0, 0
	.long	8
mb2_end:
#endif

	.text
	.globl	_start
	/* There is no stack yet.  A CALL needs one: the boot sector's old place will do, with what was there put back. */
_start:	movl	0x7bfc, %ecx
	movl	%esp, %edi
	movl	$0x7c00, %esp
	call	1f
1:	popl	%edx
	movl	%ecx, 0x7bfc
	leal	stack_top - 1b(%edx), %esp
	subl	$1b, %edx		/* how far we were moved */
	pushfl
	popl	%ecx
	xorl	%ebp, %ebp
	pushl	%ecx
	pushl	%edx
	pushl	%ebx
#ifdef PVH
	movl	$PVH_MAGIC, %eax
#endif
	pushl	%eax
	call	mb_main
2:	cli
	hlt
	jmp	2b

#ifdef EFI_ENTRY
	/* There are no boot services: nobody may come here. */
efi_entry: .byte 0x0f, 0x0b
#endif

#ifdef PVH
	.section .note.pvh, "a", @note
	.long	4, 4, 18
	.asciz	"Xen"
	.long	_start
#endif

	.bss
	.align	16
	.space	16384
stack_top:
	.section .note.GNU-stack, "", @progbits
