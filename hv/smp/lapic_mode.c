/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local APIC after INIT, and the guest's switches of its mode (SDM vol. 3, 11.4.7 and 11.12.5; APM vol. 2, 16.3 and 16.9).
 * An APIC that the guest switches off stays on for doorbells and pokes: these are NMIs, and reach an APIC switched off by SVR.
 */
#include <veneer/log.h>
#include "hv/cpu/cpus.h"
#include "hv/cpu/features.h"
#include "hv/smp/smp.h"
#include "hv/cpu/vcpu.h"
#include "hv/cpu/lapic.h"
#include "hv/mem/ram.h"
#include "hv/x86.h"

#define MODES		(APIC_BASE_ENABLE | APIC_BASE_X2APIC)
#define RESERVED	(GENMASK64(7, 0) | BIT64(9))
#define XAPIC_IDS	255u		/* 255 is the broadcast */

/*
 * Not every processor has the CMCI, thermal and performance entries: the number of entries tells (11.4.8).  x2APIC mode has no
 * DFR, and its LDR is read-only.  In x2APIC mode an access to a missing register is #GP.
 */
static const struct { uint16_t off; uint8_t last; bool xapic; uint32_t v; } after_init[] = {
	{ LAPIC_TPR, 0, false, 0 }, { LAPIC_LDR, 0, true, 0 }, { LAPIC_DFR, 0, true, ~0u },
	{ LAPIC_LVT_CMCI, 6, false, LVT_MASKED }, { LAPIC_LVT_TIMER, 0, false, LVT_MASKED },
	{ LAPIC_LVT_THERMAL, 5, false, LVT_MASKED }, { LAPIC_LVT_PMC, 4, false, LVT_MASKED },
	{ LAPIC_LVT_LINT0, 0, false, LVT_MASKED }, { LAPIC_LVT_LINT1, 0, false, LVT_MASKED },
	{ LAPIC_LVT_ERROR, 0, false, LVT_MASKED }, { LAPIC_TIMER_INIT, 0, false, 0 }, { LAPIC_TIMER_DIV, 0, false, 0 },
};

static bool any(uint32_t set)
{
	bool some = false;

	for (unsigned n = 0; n < 8; n++)
		some |= lapic_read(set + n * LAPIC_STRIDE) != 0;
	return some;
}

/*
 * INIT drops interrupts in service and pending interrupts; software can only end the former and take the latter, with the APIC
 * switched on and nothing masked by priority.  Bounded: 256 vectors in service, 240 that wait, each twice.
 */
static void forget_interrupts(void)
{
	static bool said;

	for (unsigned i = 0; i < 1024; i++) {
		if (any(LAPIC_ISR))
			lapic_write(LAPIC_EOI, 0);
		else if (!any(LAPIC_IRR) || vcpu_ops->acknowledge_interrupt() < 0)
			break;
	}
	if (any(LAPIC_IRR))
		log_err_once(said, "lapic: interrupts still pending after INIT");
}

void lapic_reset(void)
{
	unsigned last = FIELD_GET(VERSION_MAX_LVT, lapic_read(LAPIC_VERSION));
	bool x2 = lapic_x2apic();
	struct cpu *c = this_cpu();

	for (unsigned i = 0; i < ARRAY_SIZE(after_init); i++)
		if (last >= after_init[i].last && !(x2 && after_init[i].xapic))
			lapic_write(after_init[i].off, after_init[i].v);
	lapic_write(LAPIC_SVR, SVR_ENABLE | SVR_VECTOR);
	forget_interrupts();
	lapic_write(LAPIC_SVR, SVR_VECTOR);
	__atomic_store_n(&c->dfr, lapic_dfr(), __ATOMIC_RELAXED);
	__atomic_store_n(&c->ldr, lapic_ldr(), __ATOMIC_RELAXED);
}

/* --- modes --- */

/* Without a local APIC its pins are INTR and NMI.  INTR goes to the boot processor only. */
static void pins_through(const struct cpu *c)
{
	lapic_write(LAPIC_SVR, SVR_ENABLE | SVR_VECTOR);
	if (!c->index)
		lapic_write(LAPIC_LVT_LINT0, FIELD_PREP(ICR_MODE, ICR_MODE_EXTINT));
	lapic_write(LAPIC_LVT_LINT1, FIELD_PREP(ICR_MODE, ICR_MODE_NMI));
}

/* From x2APIC mode the way leads through the disabled state, in which NMIs by message are lost. */
static void switch_off(struct cpu *c, uint64_t now)
{
	if (now & APIC_BASE_X2APIC) {
		wrmsr(MSR_APIC_BASE, now & ~MODES);
		wrmsr(MSR_APIC_BASE, (now & ~MODES) | APIC_BASE_ENABLE);
	}
	lapic_reset();
	pins_through(c);
	c->apic_off = true;
}

/* True if a processor can be addressed in x2APIC mode only: leaving the mode is #GP, as if silicon had locked it. */
static bool must_stay_x2apic(void)
{
	for (unsigned i = 0; i < ncpus; i++)
		if (cpus[i]->apic_id >= XAPIC_IDS)
			return true;
	return false;
}

static bool valid_switch(uint64_t from, uint64_t to)
{
	if (to & APIC_BASE_X2APIC)
		return (to & APIC_BASE_ENABLE) && from && features.x2apic;
	return !(from & APIC_BASE_X2APIC) || (!to && !must_stay_x2apic());
}

bool lapic_switch(uint64_t value, bool *nmis_lost)
{
	static bool said;
	struct cpu *c = this_cpu();
	uint64_t now = rdmsr(MSR_APIC_BASE), from = c->apic_off ? 0 : now & MODES, to = value & MODES;

	if (value & (RESERVED | ~(phys_limit() - 1)))
		return false;
	if ((value ^ now) & ~(MODES | APIC_BASE_BSP))
		log_err_once(said, "msr: the guest would move the local APIC from %#lx to %#lx: ignored", now, value);
	if (!valid_switch(from, to))
		return false;
	if (from == to)
		return true;
	__atomic_store_n(&c->x2apic, !!(to & APIC_BASE_X2APIC), __ATOMIC_SEQ_CST);
	*nmis_lost |= !(to & APIC_BASE_X2APIC);
	if (!to) {
		switch_off(c, now);
	} else if (to & APIC_BASE_X2APIC) {
		wrmsr(MSR_APIC_BASE, now | APIC_BASE_X2APIC);
	} else {
		lapic_reset();
		c->apic_off = false;
	}
	return true;
}

bool lapic_guest_base_write(uint64_t value)
{
	bool lost = false, ok = lapic_switch(value, &lost);

	if (lost)
		smp_nmis_lost(this_cpu());
	return ok;
}

uint64_t lapic_guest_base_read(void)
{
	return rdmsr(MSR_APIC_BASE) & ~(this_cpu()->apic_off ? MODES : 0);
}
