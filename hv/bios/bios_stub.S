/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's part of Veneer's BIOS services: real-mode code, copied to a 16-byte boundary in conventional memory, where it
 * begins at offset 0 of its segment.  Veneer fills in the data and the third byte of each CALL (VMMCALL or VMCALL).
 *
 * At a CALL the caller's registers are as it set them.  Veneer answers by changing them, and lets the stub go on at done,
 * failed, wait or chain13.
 */
	.macro CALL
	.byte 0x0f, 0x01, 0x00
	.endm

#define OFF(label)	((label) - bios_stub)
#define VECTOR(n)	(4 * (n))
#define BDA_MEMORY	0x413		/* KiB of conventional memory */
#define BDA_DRIVES	0x475		/* hard disks */
#define BOOT_SECTOR	0x7c00

	.globl bios_stub, bios_stub_end, bios_stub_data, bios_stub_start
	.hidden bios_stub, bios_stub_end, bios_stub_data, bios_stub_start
	.globl bios_call13, bios_poll13, bios_call15, bios_call18
	.hidden bios_call13, bios_poll13, bios_call15, bios_call18
	.globl bios_done, bios_failed, bios_wait, bios_chain13
	.hidden bios_done, bios_failed, bios_wait, bios_chain13

	.section .rodata
	.code16
	.balign 16
bios_stub:
old13:	.long 0
old15:	.long 0
bios_stub_data:				/* struct stub_data of bios.c */
memory:	.word 0
entry:	.word 0, 0			/* IP, CS: of a kernel */
stack:	.word 0, 0			/* SP, SS */
data:	.word 0				/* DS, ES, FS, GS */
drives:	.byte 0
text:	.byte 0				/* set the text mode first */
kernel:	.byte 0				/* go to entry, not to the boot sector */
	.byte 0

bios_stub_start:
	cli
	cld
	xorw %ax, %ax
	movw %ax, %ss
	movw $BOOT_SECTOR, %sp
	movw %ax, %es
	movw %cs, %ax
	movw %ax, %ds
	movl %es:VECTOR(0x13), %eax
	movl %eax, OFF(old13)
	movl %es:VECTOR(0x15), %eax
	movl %eax, OFF(old15)
	movw $OFF(int13), %es:VECTOR(0x13)
	movw %cs, %es:VECTOR(0x13) + 2
	movw $OFF(int15), %es:VECTOR(0x15)
	movw %cs, %es:VECTOR(0x15) + 2
	movw $OFF(int18), %es:VECTOR(0x18)
	movw %cs, %es:VECTOR(0x18) + 2
	movw $OFF(int19), %es:VECTOR(0x19)
	movw %cs, %es:VECTOR(0x19) + 2
	movw OFF(memory), %ax
	movw %ax, %es:BDA_MEMORY
	movb OFF(drives), %al
	movb %al, %es:BDA_DRIVES
	sti
	cmpb $0, OFF(text)
	je 1f
	movw $3, %ax
	int $0x10
1:	cmpb $0, OFF(kernel)
	je int19
	cli
	movw OFF(data), %ax
	movw %ax, %es
	movw %ax, %fs
	movw %ax, %gs
	lssw OFF(stack), %sp
	pushw OFF(entry) + 2
	pushw OFF(entry)
	movw %ax, %ds
	lretw

	/* Boot: the first sector of drive 80h, as a BIOS does it. */
int19:	cli
	xorw %ax, %ax
	movw %ax, %ss
	movw $BOOT_SECTOR, %sp
	movw %ax, %ds
	movw %ax, %es
	sti
	cld
	movw $0x0201, %ax
	movw $0x0001, %cx
	movw $0x0080, %dx
	movw $BOOT_SECTOR, %bx
	int $0x13
	jc 1f
	cmpw $0xaa55, BOOT_SECTOR + 510
	jne 1f
	movw $0xaa55, %ax
	movw $0x0080, %dx
	ljmpw $0, $BOOT_SECTOR
1:	int $0x18

	/* INT 18h: a boot sector that fails comes here. */
int18:
bios_call18:
	CALL
1:	sti
	hlt
	jmp 1b

int13:	cmpb $0x80, %dl
	jb bios_chain13
bios_call13:
	CALL
bios_wait:
	sti
	pause
	cli
bios_poll13:
	CALL
bios_chain13:
	ljmpw *%cs:OFF(old13)

int15:	cmpw $0xe820, %ax
	je bios_call15
	cmpw $0xe801, %ax
	je bios_call15
	cmpw $0xe881, %ax
	je bios_call15
	cmpw $0xda88, %ax
	je bios_call15
	cmpb $0x88, %ah
	je bios_call15
	cmpb $0x8a, %ah
	je bios_call15
	ljmpw *%cs:OFF(old15)
bios_call15:
	CALL

	/* Back to the caller, whose flags are on the stack. */
bios_done:
	pushw %bp
	movw %sp, %bp
	andb $0xfe, 6(%bp)
	popw %bp
	iretw
bios_failed:
	pushw %bp
	movw %sp, %bp
	orb $1, 6(%bp)
	popw %bp
	iretw
bios_stub_end:

	.section .note.GNU-stack, "", @progbits
