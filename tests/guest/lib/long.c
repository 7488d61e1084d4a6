/* SPDX-License-Identifier: BSD-2-Clause */
/* Accesses of 64 bits, for which the processor enters long mode and leaves it again each time. */
#include "guest.h"

#define PAGE_PRESENT	0x003u		/* writable */
#define PAGE_LARGE	0x080u

struct {
	uint16_t limit;
	uint32_t base;
} __attribute__((packed)) long_gdt_old;

static const uint64_t gdt[] = { 0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00af9b000000ffff };	/* 0x18: 64-bit code */

const struct {
	uint16_t limit;
	const uint64_t *base;
} __attribute__((packed)) long_gdt_new = { sizeof(gdt) - 1, gdt };

uint64_t long_pml4[512] __attribute__((aligned(4096)));
static uint64_t pdpt[512] __attribute__((aligned(4096))), pd[4][512] __attribute__((aligned(4096)));

/* long_access(address, 8 bytes of ours, write) */
void long_access(uint32_t at, uint64_t *value, uint32_t write);
__asm__(".text\n.globl long_access\nlong_access:\n\t"
	"pushl %ebx; pushl %esi; pushl %edi\n\t"
	"movl 16(%esp), %edi; movl 20(%esp), %esi; movl 24(%esp), %ebx\n\t"
	"sgdt long_gdt_old; lgdt long_gdt_new\n\t"
	"movl %cr4, %eax; orl $0x20, %eax; movl %eax, %cr4\n\t"			/* PAE */
	"movl $long_pml4, %eax; movl %eax, %cr3\n\t"
	"movl $0xc0000080, %ecx; rdmsr; orl $0x100, %eax; wrmsr\n\t"		/* EFER.LME */
	"movl %cr0, %eax; orl $0x80000000, %eax; movl %eax, %cr0\n\t"		/* PG */
	"movl $5f, %edx; ljmp $0x18, $1f\n\t"
	".code64\n"
	"1:	movl %edi, %edi; movl %esi, %esi; movl %edx, %edx\n\t"
	"testl %ebx, %ebx; jnz 2f\n\t"
	"movq (%rdi), %rax; movq %rax, (%rsi); jmp 3f\n"
	"2:	movq (%rsi), %rax; movq %rax, (%rdi)\n"
	"3:	ljmp *(%rdx)\n\t"
	".code32\n"
	"4:	movl %cr0, %eax; andl $0x7fffffff, %eax; movl %eax, %cr0\n\t"
	"movl $0xc0000080, %ecx; rdmsr; andl $~0x100, %eax; wrmsr\n\t"
	"movl %cr4, %eax; andl $~0x20, %eax; movl %eax, %cr4\n\t"
	"lgdt long_gdt_old; ljmp $0x08, $6f\n"
	"5:	.long 4b; .short 0x08\n"
	"6:	popl %edi; popl %esi; popl %ebx; ret\n");

static void map_all(void)
{
	long_pml4[0] = (uint32_t)pdpt | PAGE_PRESENT;
	for (unsigned int i = 0; i < 4; i++) {
		pdpt[i] = (uint32_t)pd[i] | PAGE_PRESENT;
		for (unsigned int k = 0; k < 512; k++)
			pd[i][k] = (uint64_t)(i * 512 + k) << 21 | PAGE_LARGE | PAGE_PRESENT;
	}
}

uint64_t read64(volatile const void *p)
{
	static uint64_t value;

	map_all();
	long_access((uint32_t)p, &value, 0);
	return *(volatile uint64_t *)&value;
}

void write64(volatile void *p, uint64_t v)
{
	static uint64_t value;

	map_all();
	*(volatile uint64_t *)&value = v;
	long_access((uint32_t)p, &value, 1);
}
