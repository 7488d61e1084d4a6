/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the IOMMUs refused: counted, and one line for each device.  The only part of the IOMMUs' code that stays while the guest
 * runs.
 *
 * A unit reports by its own message, which is an NMI as the doorbells are: polling at exits would cost each exit a read of a
 * register, and an idle guest has no exits.  An NMI that comes together with a doorbell is taken for the doorbell's, so the
 * clock's ticks look, too.  After MESSAGES faults the message stays off, and the ticks alone look: a device that goes on
 * and on must not keep the guest from running.
 */
#include <veneer/clock.h>
#include <veneer/counters.h>
#include <veneer/io.h>
#include <veneer/lock.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/pci.h>
#include "hv/cpu/lapic.h"
#include "hv/iommu/confine.h"
#include "hv/iommu/iommu_regs.h"

#define MESSAGES	1024u
#define MAX_NAMED	32u
#define ROUNDS		4u
#define MSI_ADDRESS	0xfee00000u
#define MSI_DATA_NMI	0x400u

static struct watch {
	volatile uint8_t *base;
	unsigned n, records, count;
} watch[IOMMU_MAX_UNITS];
static unsigned nwatches, nnamed;
static uint16_t named[MAX_NAMED];
static uint64_t cnt_faults, cnt_lost;
static struct lock lock;

/* Count a fault, and name the device if the fault is its first.  MAX_NAMED devices have names.  Under the lock. */
static void report(unsigned n, uint16_t id, bool write, uint64_t addr, unsigned reason)
{
	counter_add(&cnt_faults, 1);
	for (unsigned i = 0; i < nnamed; i++)
		if (named[i] == id)
			return;
	if (nnamed == MAX_NAMED)
		return;
	named[nnamed++] = id;
	log_err("iommu%u: " PCI_FMT ": DMA %s at %#lx refused: reason %#x", n, PCI_ARGS(id), write ? "write" : "read", addr,
		reason);
}

/* The records are a ring that begins anywhere: take all that are not empty (7.2). */
static void take_records(const struct watch *w, unsigned at)
{
	for (unsigned i = 0; i < w->count; i++, at++) {
		volatile uint8_t *r = w->base + w->records + 16 * (at % w->count);
		uint64_t info = mmio_read64(r + VTD_FRCD_INFO), addr = mmio_read64(r + VTD_FRCD_ADDR);

		if (!(info & VTD_FRCD_F))
			continue;
		report(w->n, (uint16_t)FIELD_GET(VTD_FRCD_SOURCE, info), !(info & VTD_FRCD_READ), addr,
		       (unsigned)FIELD_GET(VTD_FRCD_REASON, info));
		mmio_write32(r + VTD_FRCD_INFO + 4, (uint32_t)(VTD_FRCD_F >> 32));
	}
}

/*
 * The unit sends its message when the first record fills, and the next message when all have been empty in between: look again
 * after the records are taken, but not for ever.
 */
static bool look_at(const struct watch *w)
{
	bool found = false;
	uint32_t fsts;

	for (unsigned round = 0; round < ROUNDS; round++) {
		fsts = mmio_read32(w->base + VTD_FSTS);
		if (!(fsts & (VTD_FSTS_PPF | VTD_FSTS_PFO)))
			break;
		found = true;
		take_records(w, (unsigned)FIELD_GET(VTD_FSTS_FRI, fsts));
		if (fsts & VTD_FSTS_PFO) {
			counter_add(&cnt_lost, 1);
			mmio_write32(w->base + VTD_FSTS, VTD_FSTS_PFO);
		}
	}
	if (found && cnt_faults > MESSAGES)
		mmio_write32(w->base + VTD_FECTL, VTD_FECTL_IM);
	return found;
}

bool iommu_faults(void)
{
	bool found = false;

	/* Another processor looks: it takes what there is. */
	if (!nwatches || !lock_try(&lock))
		return false;
	for (unsigned i = 0; i < nwatches; i++)
		found |= look_at(&watch[i]);
	lock_release(&lock);
	return found;
}

static void tick(void *ctx, uint64_t now_us)
{
	iommu_faults();
}

void fault_counters(void)
{
	counter_register("iommu", "faults", &cnt_faults);
	counter_register("iommu", "lost", &cnt_lost);
}

void fault_watch_vtd(unsigned n, const struct iommu_unit *u, unsigned records, unsigned count)
{
	uint32_t id = lapic_id();

	if (!nwatches && clock_register(tick, NULL))
		log_warn("iommu: no room for its clock: faults are found by their message alone");
	segment_use(iommu_faults);
	watch[nwatches++] = (struct watch){ iommu_reg(u, 0), n, records, count };
	/* Longer ids need interrupt remapping. */
	if (id > 0xff)
		return;
	mmio_write32(iommu_reg(u, VTD_FEDATA), MSI_DATA_NMI);
	mmio_write32(iommu_reg(u, VTD_FEADDR), MSI_ADDRESS | id << 12);
	mmio_write32(iommu_reg(u, VTD_FEUADDR), 0);
	mmio_write32(iommu_reg(u, VTD_FECTL), 0);
}

void fault_watch_none(void)
{
	nwatches = 0;
}

bool iommu_watched(void)
{
	return nwatches;
}
