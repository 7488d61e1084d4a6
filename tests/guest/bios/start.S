/* SPDX-License-Identifier: BSD-2-Clause */
/* A boot sector that loads the sectors behind it, and the door to the BIOS.  Real mode, all segments 0. */
#define LOADED		0x7e00		/* LBA 1 */

	.code16
	.section .boot, "ax"
	.globl _start
_start:	pushw	%cs
	pushw	%ss
	pushw	%dx
	ljmpw	$0, $1f
1:	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %es
	popw	entry_dx
	popw	entry_ss
	popw	entry_cs
	movw	%sp, entry_sp
	cli
	movw	%ax, %ss
	movl	$_start, %esp
	sti
	cld
	movw	$packet, %si
	movb	$0x42, %ah
	movb	$0x80, %dl
	int	$0x13
	jc	2f
	movw	$bss_start, %di
	movw	$bss_size, %cx
	xorw	%ax, %ax
	rep stosb
	calll	bios_main
2:	hlt
	jmp	2b

	.balign	4
packet:	.byte	16, 0
	.word	load_sectors, LOADED, 0
	.quad	1

	.globl	entry_dx, entry_ss, entry_cs, entry_sp
entry_dx: .word	0
entry_ss: .word	0
entry_cs: .word	0
entry_sp: .word	0

	.text
	/* void bios_int(uint32_t vector): with the registers in "regs", whose order is that of struct regs. */
	.globl	bios_int
bios_int:
	pushal
	movl	36(%esp), %eax
	movb	%al, 1f + 1
	movl	%esp, stack
	movl	regs + 4, %ebx
	movl	regs + 8, %ecx
	movl	regs + 12, %edx
	movl	regs + 16, %esi
	movl	regs + 20, %edi
	movl	regs + 24, %ebp
	movw	regs + 34, %es
	pushl	regs + 28
	movl	regs, %eax
	movw	regs + 32, %ds
	popfl
1:	int	$0
	pushfl
	popl	%cs:regs + 28
	movl	%eax, %cs:regs
	movl	%ebx, %cs:regs + 4
	movl	%ecx, %cs:regs + 8
	movl	%edx, %cs:regs + 12
	movl	%esi, %cs:regs + 16
	movl	%edi, %cs:regs + 20
	movl	%ebp, %cs:regs + 24
	movw	%ds, %cs:regs + 32
	movw	%es, %cs:regs + 34
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %es
	cld
	sti
	movl	%esp, %eax
	subl	stack, %eax
	movl	%eax, stack_lost
	movl	stack, %esp
	popal
	retl

	/* The timer's user interrupt: to bios_tick(), with the caller's segments and registers kept. */
	.globl	tick_entry
	.weak	bios_tick, tick_buffer, regs
tick_entry:
	pushal
	pushw	%ds
	pushw	%es
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ss, old_ss
	movl	%esp, old_sp
	movw	%ax, %ss
	movl	$tick_stack, %esp
	cld
	calll	bios_tick
	movw	old_ss, %ss
	movl	old_sp, %esp
	popw	%es
	popw	%ds
	popal
	iretw

	/* void tick_read(void): one sector of drive 80h, to tick_buffer; the status to tick_status */
	.globl	tick_read
tick_read:
	pushal
	movw	$0x0201, %ax
	movw	$0x0003, %cx
	movw	$0x0080, %dx
	movw	$tick_buffer, %bx
	int	$0x13
	movb	%ah, tick_status
	popal
	retl

	/* void unreal(void): DS and ES reach all 4 GiB. */
	.globl	unreal
unreal:	pushl	%eax
	cli
	lgdt	gdt_pointer
	movl	%cr0, %eax
	orb	$1, %al
	movl	%eax, %cr0
	jmp	1f
1:	pushw	$8
	popw	%ds
	pushw	$8
	popw	%es
	andb	$0xfe, %al
	movl	%eax, %cr0
	ljmpw	$0, $2f
2:	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %es
	sti
	popl	%eax
	retl

	/* uint32_t protected16(uint32_t address): a word read in 16-bit protected mode. */
	.globl	protected16
protected16:
	cli
	movl	4(%esp), %edx
	lgdt	gdt_pointer
	movl	%cr0, %eax
	orb	$1, %al
	movl	%eax, %cr0
	ljmpw	$0x10, $1f
1:	pushw	$8
	popw	%es
	movl	%es:(%edx), %edx
	andb	$0xfe, %al
	movl	%eax, %cr0
	ljmpw	$0, $2f
2:	xorw	%ax, %ax
	movw	%ax, %es
	movl	%edx, %eax
	sti
	retl

	/* uint32_t read_sectors(struct packet *p): INT 13h, AH = 42h, of drive 81h: the status.  On any processor. */
	.globl	read_sectors
read_sectors:
	pushal
	movl	36(%esp), %esi
	movb	$0x42, %ah
	movb	$0x81, %dl
	int	$0x13
	movzbl	%ah, %eax
	movl	%eax, 28(%esp)
	popal
	retl

	/* Copied to a page for the SIPI: a processor that starts goes to ap_main(), with all segments 0. */
	.globl	ap_code, ap_code_end
	.weak	ap_main
ap_code:
	cli
	cld
	ljmpw	$0, $1f
ap_code_end:
1:	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movl	$ap_stack, %esp
	calll	ap_main

	.data
	.balign	8
gdt:	.quad	0
	.quad	0x00cf93000000ffff	/* 8: data, 4 GiB */
	.quad	0x00009b000000ffff	/* 16: code, 16-bit, 64 KiB */
gdt_pointer:
	.short	. - gdt - 1
	.long	gdt
	.balign	4
stack:	.long	0
old_sp:	.long	0
old_ss:	.word	0
	.globl	stack_lost, tick_status
	.balign	4
stack_lost: .long 0
tick_status: .byte 0

	.bss
	.balign	16
	.space	512
tick_stack:
	.space	1024
ap_stack:
	.section .note.GNU-stack, "", @progbits
