/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupts and exceptions: some are expected, all others end the probe.  An unexpected NMI is a doorbell that Veneer gave to
 * the guest.
 */
#include "guest.h"

#define FIRST_VECTOR	0x40
#define LAST_VECTOR	0xef
#define STUB_SIZE	16
#define PIC1_DATA	0x21
#define PIC2_DATA	0xa1
#define VECTOR_NMI	2

struct gate {
	uint16_t low, selector, attr, high;
};

struct idt_pointer {
	uint16_t limit;
	uint32_t base;
} __attribute__((packed));

extern const uint8_t irq_stubs[];

enum irq_mode irq_mode;
volatile uint32_t trap_resume;
void (*volatile nmi_handler)(void);
volatile struct trap_info trap_last;

static struct gate idt[256];
static struct { irq_handler handler; void *ctx; } handlers[256];
static unsigned int next_vector = FIRST_VECTOR;

void trap_load(void)
{
	struct idt_pointer p = { sizeof(idt) - 1, (uint32_t)idt };

	__asm__ volatile("lidt %0" : : "m"(p));
}

void trap_init(void)
{
	for (unsigned int i = 0; i < 256; i++) {
		uint32_t stub = (uint32_t)irq_stubs + i * STUB_SIZE;

		idt[i] = (struct gate){ stub & 0xffff, 0x08, 0x8e00, stub >> 16 };
	}
	trap_load();
	outb(PIC1_DATA, 0xff);
	outb(PIC2_DATA, 0xff);
}

uint8_t irq_alloc(irq_handler handler, void *ctx)
{
	if (next_vector > LAST_VECTOR)
		return 0;
	handlers[next_vector].handler = handler;
	handlers[next_vector].ctx = ctx;
	return next_vector++;
}

static void exception(struct irq_frame *f)
{
	uint32_t cr2;

	if (!trap_resume) {
		check(f->vector, (uint32_t)NO_TRAP, "exception at %08x, error %x: the probe cannot go on", f->eip, f->error);
		probe_exit();
	}
	trap_last.vector = f->vector;
	trap_last.error = f->error;
	trap_last.eip = f->eip;
	__asm__ volatile("movl %%cr2, %0" : "=r"(cr2));
	trap_last.cr2 = cr2;
	trap_last.eflags = f->eflags;
	f->eip = trap_resume;
	trap_resume = 0;
}

void irq_dispatch(struct irq_frame *f)
{
	if (f->vector == VECTOR_NMI && nmi_handler) {
		nmi_handler();
	} else if (f->vector == VECTOR_NMI) {
		check(VECTOR_NMI, (uint32_t)NO_TRAP, "an NMI reached the guest");
	} else if (f->vector < 32) {
		exception(f);
	} else if (handlers[f->vector].handler) {
		handlers[f->vector].handler(handlers[f->vector].ctx);
		apic_eoi();
	}
}

bool try_rdmsr(uint32_t msr, uint64_t *out)
{
	static volatile uint32_t low, high;

	if (TRY("rdmsr; movl %%eax, %0; movl %%edx, %1", "m"(low), "m"(high), "c"(msr) : "eax", "edx", "memory") != NO_TRAP)
		return false;
	*out = (uint64_t)high << 32 | low;
	return true;
}

bool try_wrmsr(uint32_t msr, uint64_t v)
{
	return TRY("wrmsr", "A"(v), "c"(msr) : "memory") == NO_TRAP;
}

static bool cpu_is_amd(void)
{
	uint32_t r[4];

	cpuid(0, r);
	return r[1] == 0x68747541 || r[1] == 0x6f677948;
}

/* The registers go through memory, so that their values are defined if the call faults. */
int try_hypercall(uint32_t *a, uint32_t *b, uint32_t *c)
{
	static volatile uint32_t regs[3];
	int vector;

	regs[0] = *a;
	regs[1] = *b;
	regs[2] = *c;
	if (cpu_is_amd())
		vector = TRY("movl (%%esi), %%eax; movl 4(%%esi), %%ebx; movl 8(%%esi), %%ecx; vmmcall;"
			     "movl %%eax, (%%esi); movl %%ebx, 4(%%esi); movl %%ecx, 8(%%esi)",
			     "S"(regs) : "eax", "ebx", "ecx", "memory");
	else
		vector = TRY("movl (%%esi), %%eax; movl 4(%%esi), %%ebx; movl 8(%%esi), %%ecx; vmcall;"
			     "movl %%eax, (%%esi); movl %%ebx, 4(%%esi); movl %%ecx, 8(%%esi)",
			     "S"(regs) : "eax", "ebx", "ecx", "memory");
	*a = regs[0];
	*b = regs[1];
	*c = regs[2];
	return vector;
}
