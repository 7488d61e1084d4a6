/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Enter a kernel of the Limine protocol.  load_limine.c copies this page below 1 MiB and fills in struct limine_start at its
 * beginning; the kernel's page tables map the page at its own address.  limine_stub_code runs on the guest's boot processor, in
 * 64-bit mode: it sets the PAT, masks the 8259s and I/O APICs, starts the other processors if the kernel asks for them, and
 * jumps to the kernel.  Each other processor begins at the page's first byte in real mode and waits for its goto_address.
 * All of this is the guest's: INIT and SIPI go the way that a guest's go.
 */
#include "hv/load/limine.h"

#define MSR_APIC_BASE		0x1b
#define MSR_PAT			0x277
#define MSR_EFER		0xc0000080
#define X2APIC			0x400
#define MODES			0xc00
#define LVT_MASKED		0x10000
#define LVT_READ_ONLY		0x5000		/* delivery status, remote IRR */
/* A bit for each delivery mode: fixed, lowest priority, NMI, ExtINT; the last two are of revision 5 on. */
#define MASK_MODES		0x93
#define MASK_MODES_OLD		0x03
#define DATA32			0x20
#define DATA64			0x30
#define CPU_LAPIC_ID		4
#define CPU_STACK		8
#define CPU_GOTO		16
#define MP_BSP			12
#define MP_COUNT		16
#define MP_CPUS			24

/* All but rdi and the stack pointer. */
	.macro clear_registers
	xorl %eax, %eax
	xorl %ebx, %ebx
	xorl %ecx, %ecx
	xorl %edx, %edx
	xorl %esi, %esi
	xorl %ebp, %ebp
	xorl %r8d, %r8d
	xorl %r9d, %r9d
	xorl %r10d, %r10d
	xorl %r11d, %r11d
	xorl %r12d, %r12d
	xorl %r13d, %r13d
	xorl %r14d, %r14d
	xorl %r15d, %r15d
	.endm

	.section .rodata
	.globl limine_stub, limine_stub_size
	.hidden limine_stub, limine_stub_size
	.balign 16
	.code16
limine_stub:
page:
	jmp limine_stub_ap16
	.org page + LIMINE_STUB_AP, 0
limine_stub_ap16:
	cli
	cld
	movw %cs, %ax
	movw %ax, %ds
	movzwl %ax, %ebp
	shll $4, %ebp				/* the page's address, until the end */
	lgdtl LS_GDTR_LOW
	movl $0x11, %eax			/* ET, PE; caches on: INIT left CD and NW set */
	movl %eax, %cr0
	ljmpl *LS_FAR32
	.org page + LIMINE_STUB_CODE, 0

	.code64
limine_stub_code:
	leaq page(%rip), %rbp
	movb $0xff, %al
	outb %al, $0x21
	outb %al, $0xa1
	call mask_ioapics
	call set_processor
	cmpq $0, LS_MP(%rbp)
	je 1f
	call start_others
1:	movq LS_STACK(%rbp), %rsp
	pushq $0
	lidt no_idt(%rip)
	clear_registers
	xorl %edi, %edi
	pushq $2				/* the flags: the bit that is always set */
	popfq
	jmp *page + LS_ENTRY(%rip)

/* Mask each entry of the delivery modes that the revision names; SMI, INIT and the firmware's others stay. */
mask_ioapics:
	movl $MASK_MODES_OLD, %r12d
	cmpl $0, LS_IOAPIC_ALL(%rbp)
	je 1f
	movl $MASK_MODES, %r12d
1:	xorl %esi, %esi
1:	cmpl LS_NIOAPICS(%rbp), %esi
	jae 9f
	movl LS_IOAPIC(%rbp,%rsi,4), %edi
	movl $1, (%rdi)				/* the version register has the count */
	movl 16(%rdi), %ebx
	shrl $16, %ebx
	movzbl %bl, %ebx
	movl $0x10, %ecx
2:	movl %ecx, (%rdi)
	movl 16(%rdi), %eax
	movl %eax, %edx
	shrl $8, %edx
	andl $7, %edx
	btl %edx, %r12d
	jnc 4f
	orl $LVT_MASKED, %eax
	movl %ecx, (%rdi)
	movl %eax, 16(%rdi)
4:	addl $2, %ecx
	decl %ebx
	jns 2b
	incl %esi
	jmp 1b
9:	ret

/* PAT, the local APIC's mode; of revision 5 on enable it and mask its LVTs.  Leaves r14 and r15 as apic_mode does. */
set_processor:
	movl LS_PAT(%rbp), %eax
	movl LS_PAT+4(%rbp), %edx
	movl $MSR_PAT, %ecx
	wrmsr
	call apic_mode
	cmpl $0, LS_LVT(%rbp)
	je 9f
	movl $0x1ff, %eax			/* INIT has disabled it */
	movl $0xf0, %ecx
	call apic_write
	xorl %eax, %eax
	movl $0x80, %ecx
	call apic_write
	movl $0x30, %ecx
	call apic_read
	shrl $16, %eax
	movzbl %al, %r12d			/* the last entry's number */
	movl $LVT_MASKED, %r13d
	movl $0x320, %ecx
	call mask_lvt
	movl $0x370, %ecx
	call mask_lvt
	cmpl $4, %r12d
	jb 1f
	movl $0x340, %ecx
	call mask_lvt
	cmpl $5, %r12d
	jb 1f
	movl $0x330, %ecx
	call mask_lvt
	cmpl $6, %r12d
	jb 1f
	movl $0x2f0, %ecx
	call mask_lvt
1:	movl LS_LINT_NOW(%rbp), %r13d
	movl $0x350, %ecx
	call mask_lvt
	movl LS_LINT_NOW+4(%rbp), %r13d
	movl $0x360, %ecx
	call mask_lvt
9:	ret

/* Mask the LVT at ecx, if its mode is one of MASK_MODES; the rest stays, or r13d replaces all if that is more than the mask. */
mask_lvt:
	movl %ecx, %r11d
	call apic_read
	movl %eax, %ecx
	shrl $8, %ecx
	andl $7, %ecx
	movl $MASK_MODES, %edx
	btl %ecx, %edx
	jnc 9f
	andl $~LVT_READ_ONLY, %eax
	orl $LVT_MASKED, %eax
	cmpl $LVT_MASKED, %r13d
	cmovnel %r13d, %eax
	movl %r11d, %ecx
	call apic_write
9:	ret

/* r15d becomes 1 in x2APIC mode, else 0; r14 the address of the registers in xAPIC mode. */
apic_mode:
	movq LS_LAPIC(%rbp), %r14
	movl $MSR_APIC_BASE, %ecx
	rdmsr
	cmpl $LIMINE_APIC_X2APIC, LS_APIC_MODE(%rbp)
	je 2f
	cmpl $LIMINE_APIC_XAPIC, LS_APIC_MODE(%rbp)
	jne 3f
	testl $X2APIC, %eax
	jz 3f
	andl $~MODES, %eax			/* from x2APIC mode the way leads through "off" */
	wrmsr
	orl $MODES & ~X2APIC, %eax
	wrmsr
	jmp 3f
2:	orl $MODES, %eax
	wrmsr
3:	xorl %r15d, %r15d
	testl $X2APIC, %eax
	setnz %r15b
	ret

apic_read:					/* ecx: the register's offset; to eax */
	testl %r15d, %r15d
	jnz 1f
	movl (%r14,%rcx), %eax
	ret
1:	shrl $4, %ecx
	addl $0x800, %ecx
	rdmsr
	ret

apic_write:					/* eax to the register at ecx; eax is kept */
	testl %r15d, %r15d
	jnz 1f
	movl %eax, (%r14,%rcx)
	ret
1:	shrl $4, %ecx
	addl $0x800, %ecx
	xorl %edx, %edx
	wrmsr
	ret

/* eax, an ICR's low half, to the processor edi. */
send_ipi:
	testl %r15d, %r15d
	jnz 1f
	shll $24, %edi
	movl %edi, 0x310(%r14)
	movl %eax, 0x300(%r14)
	ret
1:	movl %edi, %edx
	movl $0x830, %ecx
	wrmsr
	ret

/* Wait ecx milliseconds, or until the processor rbx has arrived. */
wait_ms:
	movl %ecx, %ecx
	imulq LS_TSC_MS(%rbp), %rcx
	rdtsc
	shlq $32, %rdx
	orq %rdx, %rax
	addq %rax, %rcx
1:	cmpl %ebx, LS_ARRIVED(%rbp)
	je 2f
	pause
	rdtsc
	shlq $32, %rdx
	orq %rdx, %rax
	cmpq %rcx, %rax
	jb 1b
2:	ret

/*
 * One at a time.  One that does not arrive within its time is taken out of the list; if that one comes later, LS_CURRENT is not
 * its own any more.  LS_ARRIVED tells who came: the low half of LS_CURRENT, which no other processor's struct has.
 */
start_others:
	movq LS_MP(%rbp), %r8
	movq MP_CPUS(%r8), %r9
	movq LS_LINT(%rbp), %r11
	xorl %esi, %esi				/* of the list as the loader made it */
	xorl %r10d, %r10d			/* of the list as it becomes */
1:	cmpq MP_COUNT(%r8), %rsi
	jae 9f
	movq (%r9,%rsi,8), %rbx
	movl CPU_LAPIC_ID(%rbx), %r12d
	cmpl MP_BSP(%r8), %r12d
	je 3f
	movq %rbx, LS_CURRENT(%rbp)
	movl $0, LS_ARRIVED(%rbp)
	movq (%r11,%rsi,8), %rax
	movq %rax, LS_LINT_NOW(%rbp)
	movl %r12d, %edi
	movl $0x4500, %eax			/* INIT */
	call send_ipi
	movl $10, %ecx
	call wait_ms
	movl $100, %r13d
2:	movl %ebp, %eax				/* SIPI; the page is the vector */
	shrl $12, %eax
	orl $0x4600, %eax
	movl %r12d, %edi
	call send_ipi
	movl %r13d, %ecx
	call wait_ms
	cmpl %ebx, LS_ARRIVED(%rbp)
	je 3f
	cmpl $1000, %r13d
	je 4f
	movl $1000, %r13d
	jmp 2b
3:	movq %rbx, (%r9,%r10,8)
	incq %r10
4:	movq $0, LS_CURRENT(%rbp)
	incq %rsi
	jmp 1b
9:	movq %r10, MP_COUNT(%r8)
	ret

/* --- another processor --- */

	.code32
limine_stub_ap32:
	movl $DATA32, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl $0x20, %eax			/* PAE */
	movl %eax, %cr4
	movl LS_CR3(%ebp), %eax
	movl %eax, %cr3
	movl $MSR_EFER, %ecx
	xorl %edx, %edx
	movl LS_EFER(%ebp), %eax
	wrmsr
	movl $0x80010011, %eax			/* PG, WP, ET, PE */
	movl %eax, %cr0
	ljmpl *LS_FAR64(%ebp)

	.code64
limine_stub_ap64:
	lgdt LS_GDTR(%rbp)
	movl $DATA64, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl %eax, %fs
	movl %eax, %gs
	lidt no_idt(%rip)			/* INIT has left a limit of FFFFh */
	movl $MSR_APIC_BASE, %ecx		/* the own id; without a stack, which another may be on */
	rdmsr
	testl $X2APIC, %eax
	jz 1f
	movl $0x802, %ecx
	rdmsr
	jmp 2f
1:	movq LS_LAPIC(%rbp), %rax
	movl 0x20(%rax), %eax
	shrl $24, %eax
2:	movq LS_CURRENT(%rbp), %rdi
	testq %rdi, %rdi
	jz too_late
	cmpl CPU_LAPIC_ID(%rdi), %eax
	jne too_late
	movq CPU_STACK(%rdi), %rsp
	call set_processor
	pushq $0
	movl %edi, LS_ARRIVED(%rbp)
1:	pause
	cmpq $0, CPU_GOTO(%rdi)
	je 1b
	clear_registers
	pushq $2
	popfq
	jmp *CPU_GOTO(%rdi)
too_late:
	cli
	hlt
	jmp too_late
no_idt:
	.word 0
	.quad 0
limine_stub_end:
	.balign 4
limine_stub_size:
	.long limine_stub_end - page
	.globl limine_stub_ap32_at, limine_stub_ap64_at
	.hidden limine_stub_ap32_at, limine_stub_ap64_at
limine_stub_ap32_at:
	.long limine_stub_ap32 - page
limine_stub_ap64_at:
	.long limine_stub_ap64 - page

	.section .note.GNU-stack, "", @progbits
