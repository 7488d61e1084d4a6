/* SPDX-License-Identifier: BSD-2-Clause */
/* Message-signalled interrupts for the guest, sent by the local APIC of the processor that handles the exit. */
#include <veneer/counters.h>
#include <veneer/msi.h>
#include "hv/cpu/cpus.h"
#include "hv/cpu/lapic.h"
#include "hv/irq/msi.h"

#define MSI_ADDR_BASE		0xfee00000u
#define MSI_ADDR_DEST		GENMASK(19, 12)
#define MSI_ADDR_LOGICAL	BIT(2)
#define MSI_DATA_VECTOR		GENMASK(7, 0)
#define MSI_DATA_MODE		GENMASK(10, 8)

static uint64_t cnt_sent, cnt_refused;

void irq_init(void)
{
	counter_register("irq", "sent", &cnt_sent);
	counter_register("irq", "refused", &cnt_refused);
}

/*
 * The polling core runs no guest: its own registers say nothing about the guest's destinations.  The boot processor's format of
 * logical ids, once that is known, stands for all.
 */
static bool outside(void)
{
	return this_cpu()->state != CPU_RUNS;
}

static uint32_t guest_dfr(void)
{
	uint32_t dfr = outside() ? __atomic_load_n(&cpus[0]->dfr, __ATOMIC_RELAXED) : lapic_dfr();

	return dfr ? dfr : ~0u;
}

/* Return this processor's bit in a logical destination: by its xAPIC registers, or by its id in x2APIC mode (cluster 0). */
static uint32_t own_bits(uint32_t dest)
{
	uint32_t own = lapic_ldr() >> 24;

	if (outside())
		return 0;
	if (lapic_x2apic())
		return lapic_id() < 8 ? BIT(lapic_id()) & dest : 0;
	if (lapic_dfr() >> 28 == 0xf)
		return own & dest;
	return (own ^ dest) & 0xf0 ? 0 : own & dest & 0xf;
}

/*
 * Return one member of the set, preferably this processor, else one that is known to run.  If none is known, return the whole
 * set: better two interrupts than none.
 */
static uint32_t one_destination(uint32_t dest)
{
	uint32_t own = own_bits(dest), cluster = lapic_x2apic() || guest_dfr() >> 28 == 0xf ? 0 : dest & 0xf0;
	uint32_t set = dest & ~cluster;

	for (uint32_t rest = set; rest && !own; rest &= rest - 1)
		if (smp_find_target(MSI_ADDR_BASE | MSI_ADDR_LOGICAL | FIELD_PREP(MSI_ADDR_DEST, cluster | (rest & -rest))))
			own = rest & -rest;
	return cluster | (own ? own & -own : set);
}

/*
 * The ICR of recent processors has no lowest-priority delivery: use fixed delivery to one of the set.  Never send INIT, SMI,
 * NMI or ExtINT from a guest's table: Veneer itself would be the sender.
 */
void irq_send_msi(uint64_t addr, uint32_t data)
{
	uint32_t mode = FIELD_GET(MSI_DATA_MODE, data), vector = FIELD_GET(MSI_DATA_VECTOR, data);

	if ((addr & ~0xfffffull) != MSI_ADDR_BASE || mode > ICR_MODE_LOWEST || vector < 16) {
		counter_add(&cnt_refused, 1);
		return;
	}
	uint32_t dest = FIELD_GET(MSI_ADDR_DEST, (uint32_t)addr);
	uint32_t low = vector | ICR_ASSERT | FIELD_PREP(ICR_MODE, ICR_MODE_FIXED);
	bool logical = addr & MSI_ADDR_LOGICAL;

	counter_add(&cnt_sent, 1);
	this_cpu()->sent_interrupt = true;
	/*
	 * On a machine with one processor, every set means this processor.  So does a broadcast with lowest priority, which
	 * means "any of them".  The shorthand needs no write to a destination register.
	 */
	bool set = logical || mode == ICR_MODE_LOWEST || dest == 0xff;

	if (outside() && dest == 0xff && mode == ICR_MODE_LOWEST)
		lapic_send(cpus[0]->apic_id, low);	/* which always runs */
	else if ((set && ncpus == 1) || (dest == 0xff && mode == ICR_MODE_LOWEST) || (!logical && dest == lapic_id()))
		lapic_send_self(low | FIELD_PREP(ICR_SHORTHAND, ICR_SELF));
	else if (logical)
		lapic_send(mode == ICR_MODE_LOWEST ? one_destination(dest) : dest, low | ICR_LOGICAL);
	else
		lapic_send(dest == 0xff && lapic_x2apic() ? ~0u : dest, low);
}
