/* SPDX-License-Identifier: BSD-2-Clause */
/* Start of the machine's other processors by a trampoline in low memory, and IPIs.  Contract in smp.h. */
#include "smp.h"

#define TRAMPOLINE	0x8000u
#define ICR_LOW		0x300
#define ICR_HIGH	0x310
#define ICR_PENDING	0x1000u
#define ICR_STARTUP	(0x00004600u | TRAMPOLINE >> 12)
#define START_MS	20000u

/*
 * 16-bit code: cli; lgdt [0x40]; mov eax, cr0; or al, 1; mov cr0, eax; jmp 8:0x8020.  32-bit code at 0x20: segments, then eax =
 * lock xadd [0x48], 1: the number of this processor; esp = [0x4c + 4 * eax]; call [0x80].
 */
static const uint8_t code[] = {
	0xfa, 0x31, 0xc0, 0x8e, 0xd8, 0x0f, 0x01, 0x16, 0x40, 0x80, 0x0f, 0x20, 0xc0, 0x0c, 0x01, 0x0f, 0x22, 0xc0,
	0xea, 0x20, 0x80, 0x08, 0x00, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0x66, 0xb8, 0x10, 0x00, 0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0,			/* mov ax, 0x10; ds, es, ss */
	0xb8, 0x01, 0x00, 0x00, 0x00,							/* mov eax, 1 */
	0xf0, 0x0f, 0xc1, 0x05, 0x48, 0x80, 0x00, 0x00,					/* lock xadd [0x8048], eax */
	0x8b, 0x24, 0x85, 0x4c, 0x80, 0x00, 0x00,					/* mov esp, [0x804c + 4 * eax] */
	0xeb, 0x00,
};
/* From 0x40 on: the GDT pointer; at 0x48 the counter, at 0x4c the stacks, at 0x80 the rest of the code. */
static const uint8_t tail[] = { 0x50, 0xff, 0x15, 0x90, 0x80, 0x00, 0x00 };	/* push eax; call [0x8090] */

static uint8_t stacks[SMP_MAX][8192] __attribute__((aligned(16)));
static void (*user)(unsigned int cpu);
static volatile bool began[SMP_MAX];

/* Return an address in the trampoline, below 64 KiB.  For the compiler a constant there would be a NULL pointer. */
static uint8_t *trampoline(uint32_t off)
{
	uint32_t at = TRAMPOLINE + off;

	__asm__("" : "+r"(at));
	return (uint8_t *)at;
}

static void __attribute__((noreturn)) begin(unsigned int cpu)
{
	trap_load();
	began[cpu] = true;
	user(cpu);
	for (;;)
		__asm__ volatile("cli; hlt");
}

void smp_prepare(void (*entry)(unsigned int cpu))
{
	struct { uint16_t limit; uint32_t base; } __attribute__((packed)) gdt;

	user = entry;
	__asm__ volatile("sgdt %0" : "=m"(gdt));
	memcpy(trampoline(0), code, sizeof(code));
	memcpy(trampoline(0x40), &gdt, sizeof(gdt));
	write32(trampoline(0x48), 1);
	for (unsigned int i = 0; i < SMP_MAX; i++)
		write32(trampoline(0x4c + 4 * i), (uint32_t)stacks[i] + sizeof(stacks[i]));
	memcpy(trampoline(0x80), tail, sizeof(tail));
	write32(trampoline(0x90), (uint32_t)begin);
	/* jump to the tail after the load of the stack */
	write8(trampoline(sizeof(code) - 1), (uint8_t)(0x80 - sizeof(code)));
}

bool smp_x2apic(void)
{
	return rdmsr(MSR_APIC_BASE) & APIC_X2;
}

uint32_t smp_lapic_read(uint32_t off)
{
	return smp_x2apic() ? (uint32_t)rdmsr(MSR_X2APIC + off / 16) : read32((void *)(LAPIC + off));
}

void smp_lapic_write(uint32_t off, uint32_t v)
{
	if (smp_x2apic())
		wrmsr(MSR_X2APIC + off / 16, v);
	else
		write32((void *)(LAPIC + off), v);
}

void smp_ipi(uint32_t dest, uint32_t low)
{
	struct deadline end = deadline_in_ms(1000);

	if (smp_x2apic()) {
		wrmsr(MSR_X2APIC + ICR_LOW / 16, (uint64_t)dest << 32 | low);
		return;
	}
	write32((void *)(LAPIC + ICR_HIGH), dest << 24);
	write32((void *)(LAPIC + ICR_LOW), low);
	while ((read32((void *)(LAPIC + ICR_LOW)) & ICR_PENDING) && !deadline_passed(end))
		pause();
}

static void start(uint32_t dest, uint32_t shorthand)
{
	smp_ipi(dest, IPI_INIT | shorthand);
	delay_us(10000);
	for (unsigned int i = 0; i < 2; i++) {
		smp_ipi(dest, ICR_STARTUP | shorthand);
		delay_us(200);
	}
}

void smp_start_others(void)
{
	start(0, IPI_OTHERS);
}

bool smp_start(unsigned int cpu)
{
	struct deadline end = deadline_in_ms(START_MS);

	began[cpu] = false;
	write32(trampoline(0x48), cpu);
	start(cpu, 0);
	while (!began[cpu] && !deadline_passed(end))
		pause();
	return began[cpu];
}
