/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The interrupt descriptor table: exceptions print a message, vectors 0x30 to 0x3f are the 8259's lines, and drivers get those
 * from 0x40 on.
 */
#include "hobby.h"

#define PIC_VECTOR	0x30
#define PIC_LINES	16
#define FIRST_VECTOR	0x40
#define LAST_VECTOR	0xef
#define STUB_SIZE	16
#define TICK_HZ		100

struct gate {
	uint16_t low, selector, attr, high;
};

struct idt_pointer {
	uint16_t limit;
	uint32_t base;
} __attribute__((packed));

extern const uint8_t irq_stubs[];

enum irq_mode irq_mode;

static struct gate idt[256];
static struct { irq_handler handler; void *ctx; } handlers[256];
static unsigned int next_vector = FIRST_VECTOR;
static volatile bool something_happened;

static void tick(void *ctx)
{
	/* The tick only ends irq_wait(), so that its callers check their deadlines. */
}

void irq_init(enum irq_mode mode)
{
	struct idt_pointer p = { sizeof(idt) - 1, (uint32_t)idt };

	for (unsigned int i = 0; i < 256; i++) {
		uint32_t stub = (uint32_t)irq_stubs + i * STUB_SIZE;

		idt[i] = (struct gate){ stub & 0xffff, 0x08, 0x8e00, stub >> 16 };
	}
	__asm__ volatile("lidt %0" : : "m"(p));
	if (mode == IRQ_PIC)
		pic_init(PIC_VECTOR);
	else
		pic_off();		/* firmware's vectors for the 8259s are those of exceptions */
	if (mode == IRQ_IOAPIC)
		ioapic_init();
	irq_mode = mode;
	if (mode == IRQ_POLL)
		return;
	irq_tick();
	__asm__ volatile("sti");
}

void irq_tick(void)
{
	apic_timer_periodic(TICK_HZ, tick, NULL);
}

uint8_t irq_alloc(irq_handler handler, void *ctx)
{
	if (next_vector > LAST_VECTOR)
		return 0;
	handlers[next_vector].handler = handler;
	handlers[next_vector].ctx = ctx;
	return next_vector++;
}

int irq_line(uint8_t line, irq_handler handler, void *ctx)
{
	uint8_t vector;

	if (irq_mode == IRQ_PIC) {
		handlers[PIC_VECTOR + line].handler = handler;
		handlers[PIC_VECTOR + line].ctx = ctx;
		pic_unmask(line);
		return 0;
	}
	vector = irq_alloc(handler, ctx);
	return vector ? ioapic_route(line, vector) : -1;
}

void irq_wait(void)
{
	if (irq_mode == IRQ_POLL) {
		pause();
		return;
	}
	/* sti takes effect after the next instruction, so no interrupt comes between the check and the hlt. */
	__asm__ volatile("cli");
	if (something_happened)
		__asm__ volatile("sti");
	else
		__asm__ volatile("sti; hlt");
	something_happened = false;
}

static void exception(const struct irq_frame *f)
{
	uint32_t cr2;

	__asm__ volatile("movl %%cr2, %0" : "=r"(cr2));
	printf("\nexception %u error %x at %02x:%08x eflags %08x cr2 %08x\n", f->vector, f->error, f->cs, f->eip,
	       f->eflags, cr2);
	printf("eax %08x ebx %08x ecx %08x edx %08x esi %08x edi %08x ebp %08x\n", f->eax, f->ebx, f->ecx, f->edx, f->esi,
	       f->edi, f->ebp);
	for (;;)
		__asm__ volatile("cli; hlt");
}

static void pic_interrupt(uint8_t line)
{
	if (pic_spurious(line))
		return;
	if (handlers[PIC_VECTOR + line].handler)
		handlers[PIC_VECTOR + line].handler(handlers[PIC_VECTOR + line].ctx);
	pic_eoi(line);
}

void irq_dispatch(struct irq_frame *f)
{
	if (f->vector == 2) {
		printf("irq: an NMI that nothing here explains\n");
		return;
	}
	if (f->vector < 32)
		exception(f);
	something_happened = true;
	if (f->vector >= PIC_VECTOR && f->vector < PIC_VECTOR + PIC_LINES) {
		pic_interrupt(f->vector - PIC_VECTOR);
		return;
	}
	if (!handlers[f->vector].handler)
		return;			/* the APIC's spurious vector: no EOI for it */
	handlers[f->vector].handler(handlers[f->vector].ctx);
	apic_eoi();
}
