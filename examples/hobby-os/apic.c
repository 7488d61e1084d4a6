/* SPDX-License-Identifier: BSD-2-Clause */
/* The local APIC, by its page or, if firmware left it in x2APIC mode, by its MSRs. */
#include "hobby.h"

#define MSR_APIC_BASE		0x1b
#define APIC_BASE_X2		(1u << 10)
#define APIC_BASE_ENABLE	(1u << 11)
#define MSR_X2APIC		0x800

/* Offsets in the page; an x2APIC has the same register at MSR 0x800 + offset / 16. */
#define APIC_ID			0x020
#define APIC_TPR		0x080
#define APIC_EOI		0x0b0
#define APIC_SVR		0x0f0
#define APIC_LVT_TIMER		0x320
#define APIC_TIMER_INITIAL	0x380
#define APIC_TIMER_CURRENT	0x390
#define APIC_TIMER_DIVIDE	0x3e0

#define SVR_ENABLE		(1u << 8)
#define SPURIOUS_VECTOR		0xff
#define LVT_MASKED		(1u << 16)
#define LVT_PERIODIC		(1u << 17)
#define DIVIDE_BY_16		3

static bool ready, x2apic;
static volatile uint8_t *page;
static uint32_t timer_hz;		/* after the divider */
static uint8_t timer_vector;
static irq_handler timer_handler;
static void *timer_ctx;

static uint32_t apic_read(uint32_t reg)
{
	return x2apic ? (uint32_t)rdmsr(MSR_X2APIC + reg / 16) : *(volatile uint32_t *)(page + reg);
}

static void apic_write(uint32_t reg, uint32_t v)
{
	if (x2apic)
		wrmsr(MSR_X2APIC + reg / 16, v);
	else
		*(volatile uint32_t *)(page + reg) = v;
}

static void timer_interrupt(void *ctx)
{
	timer_handler(timer_ctx);
}

static uint32_t timer_measure(void)
{
	uint64_t t0, t1;
	uint32_t counted;

	apic_write(APIC_LVT_TIMER, LVT_MASKED);
	apic_write(APIC_TIMER_INITIAL, ~0u);
	t0 = time_us();
	delay_us(20000);
	counted = ~0u - apic_read(APIC_TIMER_CURRENT);
	t1 = time_us();
	apic_write(APIC_TIMER_INITIAL, 0);
	return divide((uint64_t)counted * 1000000, t1 - t0, NULL);
}

void apic_init(void)
{
	uint64_t base = rdmsr(MSR_APIC_BASE);

	x2apic = base & APIC_BASE_X2;
	if (ready)
		return;
	if (!(base & APIC_BASE_ENABLE))
		wrmsr(MSR_APIC_BASE, base | APIC_BASE_ENABLE);
	page = (volatile uint8_t *)((uint32_t)base & ~0xfffu);
	apic_write(APIC_TPR, 0);
	apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS_VECTOR);
	apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_16);
	timer_vector = irq_alloc(timer_interrupt, NULL);
	timer_hz = timer_measure();
	ready = true;
}

uint32_t apic_id(void)
{
	return x2apic ? apic_read(APIC_ID) : apic_read(APIC_ID) >> 24;
}

void apic_eoi(void)
{
	apic_write(APIC_EOI, 0);
}

static void timer_start(uint32_t mode, uint64_t count, irq_handler handler, void *ctx)
{
	apic_init();
	timer_handler = handler;
	timer_ctx = ctx;
	apic_write(APIC_LVT_TIMER, mode | timer_vector);
	apic_write(APIC_TIMER_INITIAL, count > ~0u ? ~0u : count ? count : 1);
}

void apic_timer_periodic(uint32_t hz, irq_handler handler, void *ctx)
{
	apic_init();
	timer_start(LVT_PERIODIC, timer_hz / hz, handler, ctx);
}

void apic_timer_once(uint32_t ms, irq_handler handler, void *ctx)
{
	apic_init();
	timer_start(0, divide((uint64_t)timer_hz * ms, 1000, NULL), handler, ctx);
}

void apic_timer_stop(void)
{
	if (!ready)
		return;
	apic_write(APIC_LVT_TIMER, LVT_MASKED);
	apic_write(APIC_TIMER_INITIAL, 0);
}
