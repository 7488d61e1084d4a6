/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest's interrupts between processors, where the ICR is watched (SDM vol. 3, 11.6). */
#include <veneer/log.h>
#include "hv/cpu/cpus.h"
#include "hv/cpu/lapic.h"

static void (*on_init)(void);

void ipi_on_init(void (*fn)(void))
{
	on_init = fn;
}

/* 11.6.2.2: flat, or clusters of four; x2APIC mode: clusters of sixteen, by the id (11.12.10.2). */
static bool logical_match(const struct cpu *c, uint32_t dest, bool x2apic)
{
	uint32_t ldr = __atomic_load_n(&c->ldr, __ATOMIC_RELAXED) >> 24, dfr = __atomic_load_n(&c->dfr, __ATOMIC_RELAXED);

	if (x2apic)
		return dest >> 16 == c->apic_id >> 4 && (dest & 0xffff & BIT(c->apic_id & 15));
	if (dfr >> 28 == 0xf)
		return ldr & dest;
	return ((ldr ^ dest) & 0xf0) == 0 && (ldr & dest & 0xf);
}

static bool by_destination(const struct cpu *c, uint32_t low, uint32_t dest, bool x2apic)
{
	if (dest == (x2apic ? ~0u : 0xff))
		return true;
	return low & ICR_LOGICAL ? logical_match(c, dest, x2apic) : c->apic_id == dest;
}

static bool is_target(const struct cpu *c, uint32_t low, uint32_t dest, bool x2apic)
{
	switch (FIELD_GET(ICR_SHORTHAND, low)) {
	case ICR_SELF:
		return c == this_cpu();
	case ICR_ALL:
		return true;
	case ICR_OTHERS:
		return c != this_cpu();
	default:
		return by_destination(c, low, dest, x2apic);
	}
}

/*
 * A SIPI has an effect on a processor that waits for one, or is about to.  Check in this order: the processor first says that
 * it waits, then takes back the request (smp.c), so at least one of the two is always visible.
 */
static bool takes_sipi(struct cpu *c)
{
	return (__atomic_load_n(&c->requests, __ATOMIC_SEQ_CST) & REQ_INIT) ||
	       __atomic_load_n(&c->state, __ATOMIC_SEQ_CST) == CPU_WAITS;
}

static void ipi_send(struct cpu *c, uint32_t low)
{
	static bool said;

	if (__atomic_load_n(&c->state, __ATOMIC_SEQ_CST) == CPU_ABSENT) {
		if (c->kept && FIELD_GET(ICR_MODE, low) == ICR_MODE_SIPI)
			log_err_once(said, "cpu %u: polls for Veneer: its SIPI is dropped", c->index);
		return;
	}
	switch (FIELD_GET(ICR_MODE, low)) {
	case ICR_MODE_INIT:
		/* An earlier SIPI has no effect: the processor will wait for the next one. */
		__atomic_fetch_and(&c->requests, ~REQ_SIPI, __ATOMIC_SEQ_CST);
		smp_request(c, REQ_INIT);
		break;
	case ICR_MODE_SIPI:
		if (!takes_sipi(c))
			break;
		__atomic_store_n(&c->sipi, low & ICR_VECTOR, __ATOMIC_SEQ_CST);
		smp_request(c, REQ_SIPI);
		if (__atomic_load_n(&c->waits_itself, __ATOMIC_SEQ_CST))
			lapic_send(c->apic_id, ICR_ASSERT | FIELD_PREP(ICR_MODE, ICR_MODE_SIPI) | (low & ICR_VECTOR));
		break;
	default:
		smp_request(c, REQ_NMI);
	}
}

bool ipi_guest_sends(uint32_t low, uint32_t dest, bool x2apic)
{
	uint32_t mode = FIELD_GET(ICR_MODE, low);

	if (mode != ICR_MODE_INIT && mode != ICR_MODE_SIPI && mode != ICR_MODE_NMI)
		return false;
	/* INIT level de-assert, which old systems send after each INIT, does nothing since the Pentium 4 (11.6.1). */
	if (mode == ICR_MODE_INIT && (low & ICR_LEVEL) && !(low & ICR_ASSERT))
		return true;
	for (unsigned i = 0; i < ncpus; i++)
		if (is_target(cpus[i], low, dest, x2apic))
			ipi_send(cpus[i], low);
	if (mode == ICR_MODE_INIT && on_init)
		on_init();
	return true;
}

/*
 * Only for processors that wait for their first SIPI: for these the ICR cannot hold an older SIPI.  A processor whose INIT came
 * after the sender's SIPI would wait for another SIPI, as on silicon.
 */
void ipi_look_back(void)
{
	uint32_t low, dest;

	if (!lapic_sipi_sent(&low, &dest))
		return;
	for (unsigned i = 0; i < ncpus; i++)
		if (__atomic_load_n(&cpus[i]->init_taken, __ATOMIC_SEQ_CST) && !cpus[i]->started &&
		    is_target(cpus[i], low, dest, lapic_x2apic()))
			ipi_send(cpus[i], low);
}

/*
 * In x2APIC mode the logical id follows from the id.  In xAPIC mode the guest sets the logical id, and only its own processor
 * can read it: if no known id matches, ask the processors, and the next call finds the id.
 */
struct cpu *smp_find_target(uint32_t msi_addr)
{
	bool logical = msi_addr & BIT(2), x2 = lapic_x2apic();
	uint32_t dest = msi_addr >> 12 & 0xff;

	for (unsigned i = 0; i < ncpus; i++) {
		struct cpu *c = cpus[i];

		if (__atomic_load_n(&c->state, __ATOMIC_SEQ_CST) == CPU_RUNS &&
		    (logical ? logical_match(c, dest, x2) : c->apic_id == dest))
			return c;
	}
	for (unsigned i = 0; i < ncpus && logical && !x2; i++)
		if (__atomic_load_n(&cpus[i]->state, __ATOMIC_SEQ_CST) == CPU_RUNS)
			smp_request(cpus[i], REQ_LDR);
	return NULL;
}
