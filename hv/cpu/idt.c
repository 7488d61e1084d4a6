/* SPDX-License-Identifier: BSD-2-Clause */
/* Veneer's own GDT, TSS and IDT.  An exception of Veneer's own ends in a report and a stop. */
#include <veneer/log.h>
#include <veneer/string.h>
#include "hv/cpu/entry.h"
#include "hv/cpu/cpus.h"
#include "hv/cpu/vcpu.h"
#include "hv/lib/panic.h"
#include "hv/mem/segment.h"
#include "hv/x86.h"

#define SEL_TSS		0x18
#define VECTOR_PF	14

/* The NMI's handler pushes one register; the other two exceptions end Veneer in any case, and share a stack. */
enum { IST_NMI = 1, IST_FATAL };
#define NMI_STACK	512u

struct gate {
	uint16_t off0, sel;
	uint8_t ist, type;
	uint16_t off16;
	uint32_t off32, zero;
} PACKED;

/* What LGDT and LIDT read starts at the limit; the padding aligns the address, as packed relocations need it. */
struct table {
	uint16_t padding[3], limit;
	uint64_t base;
};

static struct gate idt[256] ALIGNED(16);

static void set_gate(unsigned vector, uint64_t target, uint8_t ist)
{
	idt[vector] = (struct gate){ (uint16_t)target, 8, ist, 0x8e, (uint16_t)(target >> 16), (uint32_t)(target >> 32), 0 };
}

static void load_tables(struct cpu *c)
{
	static const uint64_t flat[3] = { 0, 0x00af9b000000ffff, 0x00cf93000000ffff };
	struct table gdtr = { .limit = sizeof(c->gdt) - 1, .base = (uintptr_t)c->gdt };
	struct table idtr = { .limit = sizeof(idt) - 1, .base = (uintptr_t)idt };
	uint64_t base = (uintptr_t)&c->tss;

	memcpy(c->gdt, flat, sizeof(flat));
	c->gdt[3] = (sizeof(c->tss) - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24 & 0xff) << 56;
	c->gdt[4] = base >> 32;
	__asm__ volatile("lgdt %0" : : "m"(gdtr.limit), "m"(gdtr.base));
	__asm__ volatile("pushq $8; leaq 1f(%%rip), %%rax; pushq %%rax; lretq; 1:" : : : "rax", "memory");
	__asm__ volatile("movl %0, %%ds; movl %0, %%es; movl %0, %%ss" : : "r"(16) : "memory");
	__asm__ volatile("ltr %w0" : : "r"(SEL_TSS));
	__asm__ volatile("lidt %0" : : "m"(idtr.limit), "m"(idtr.base));
}

void cpu_tables_load(struct cpu *c, uint8_t *exception_stacks)
{
	c->self = c;
	c->tss.ist[IST_NMI - 1] = (uintptr_t)exception_stacks + NMI_STACK;
	c->tss.ist[IST_FATAL - 1] = (uintptr_t)exception_stacks + EXCEPTION_STACKS;
	c->tss.iopb = sizeof(c->tss);
	load_tables(c);
	wrmsr(MSR_GS_BASE, (uintptr_t)c);
}

void idt_init(void)
{
	for (unsigned i = 0; i < 256; i++)
		set_gate(i, (uintptr_t)trap_stubs + i * TRAP_STUB_SIZE, 0);
	set_gate(2, (uintptr_t)nmi_entry, IST_NMI);
	set_gate(30, (uintptr_t)sx_entry, 0);
	idt[8].ist = idt[18].ist = IST_FATAL;
}

void host_exception(const struct trap_frame *f)
{
	const char *gone = f->vector == VECTOR_PF ? segment_gone(read_cr2()) : NULL;

	if (gone)
		panic("host exception %lu error %#lx at rip %#lx: cr2 %#lx (image + %#lx) lies in the image's part \"%s\", "
		      "which was unmapped before the guest ran", f->vector, f->error, f->rip, read_cr2(),
		      read_cr2() - (uintptr_t)veneer_start, gone);
	panic("host exception %lu error %#lx at rip %#lx (image + %#lx), cr2 %#lx, rsp %#lx, rax %#lx rdi %#lx rsi %#lx",
	      f->vector, f->error, f->rip, f->rip - (uintptr_t)veneer_start, read_cr2(), f->rsp, f->rax, f->rdi, f->rsi);
}
