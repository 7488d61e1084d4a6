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
#include <veneer/time.h>
#include "hv/cpu/lapic.h"
#include "hv/iommu/confine.h"
#include "hv/iommu/iommu_regs.h"

#define MESSAGES	1024u
#define MAX_NAMED	32u
#define ROUNDS		4u
#define LATE_US		100000u		/* so late may the message of a record come that was taken early */
#define MSI_ADDRESS	0xfee00000u
#define MSI_DATA_NMI	0x400u

static struct watch {
	volatile uint8_t *base;
	unsigned n, records, count;	/* VT-d */
	volatile uint64_t *events;	/* AMD-Vi: the log, NULL otherwise */
	unsigned next;
	const struct pci_dev *function;	/* AMD-Vi: the unit's, if it has a message */
} watch[IOMMU_MAX_UNITS];
static unsigned nwatches, nnamed;
static uint16_t named[MAX_NAMED];
static uint64_t cnt_faults, cnt_lost;
static uint64_t message_until;		/* until then one message without a record is a unit's */
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
static bool look_at_vtd(const struct watch *w)
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

/*
 * The log has overflowed and stands: empty, it begins again, when the unit has let go of it (AMD 3.08, 2.5.1).  If it has not
 * yet, the next look continues.
 */
static void restart_log(struct watch *w)
{
	uint64_t control = mmio_read64(w->base + AMDVI_CONTROL);

	if (control & AMDVI_EVENT_LOG) {
		counter_add(&cnt_lost, 1);
		mmio_write64(w->base + AMDVI_CONTROL, control & ~(uint64_t)AMDVI_EVENT_LOG);
	}
	if (mmio_read64(w->base + AMDVI_STATUS) & AMDVI_LOG_RUNS)
		return;
	mmio_write64(w->base + AMDVI_EVENT_HEAD, 0);
	mmio_write64(w->base + AMDVI_EVENT_TAIL, 0);
	w->next = 0;
	mmio_write64(w->base + AMDVI_STATUS, AMDVI_EVENTS_LOST);
	mmio_write64(w->base + AMDVI_CONTROL, control | AMDVI_EVENT_LOG);
}

/*
 * By the entries, not by the tail: the tail may move before the entry is in memory.  Each is cleared for its next use.  The
 * status first: an event that comes later sends another message.
 */
static bool look_at_amdvi(struct watch *w)
{
	uint64_t status = mmio_read64(w->base + AMDVI_STATUS), e;
	unsigned taken = 0;

	if (!(status & (AMDVI_EVENT | AMDVI_EVENTS_LOST)) && !(w->events[2 * w->next] & EVENT_CODE))
		return false;
	mmio_write64(w->base + AMDVI_STATUS, AMDVI_EVENT);
	while (taken < EVENT_LOG_SIZE && (e = w->events[2 * w->next]) & EVENT_CODE) {
		dma_rmb();
		report(w->n, (uint16_t)FIELD_GET(EVENT_ID, e), e & EVENT_WRITE, w->events[2 * w->next + 1],
		       (unsigned)FIELD_GET(EVENT_CODE, e));
		w->events[2 * w->next] = 0;
		w->next = (w->next + 1) % EVENT_LOG_SIZE;
		taken++;
	}
	dma_wmb();
	mmio_write64(w->base + AMDVI_EVENT_HEAD, w->next * 16ull);
	if (status & AMDVI_EVENTS_LOST)
		restart_log(w);
	if (cnt_faults > MESSAGES)
		mmio_write64(w->base + AMDVI_CONTROL, mmio_read64(w->base + AMDVI_CONTROL) & ~(uint64_t)AMDVI_EVENT_INT);
	return true;
}

/* As holder of the lock.  True if there was a record. */
static bool take_all(void)
{
	bool found = false;

	for (unsigned i = 0; i < nwatches; i++)
		found |= watch[i].events ? look_at_amdvi(&watch[i]) : look_at_vtd(&watch[i]);
	return found;
}

bool iommu_faults(void)
{
	bool found;

	if (!nwatches)
		return false;
	/* Another processor takes the records of this message. */
	if (!lock_try(&lock))
		return true;
	found = take_all() || time_us() < message_until;
	message_until = 0;
	lock_release(&lock);
	return found;
}

/* Only the destination changes, in one write.  Longer ids need interrupt remapping. */
static void aim(const struct watch *w, uint32_t id)
{
	if (id > 0xff)
		return;
	if (!w->events)
		mmio_write32(w->base + VTD_FEADDR, MSI_ADDRESS | id << 12);
	else if (w->function)
		pci_write32(w->function, w->function->cap_msi + 4u, MSI_ADDRESS | id << 12);
}

/* Take what no message has announced yet: that message may still come. */
static void take_early(void)
{
	if (!lock_try(&lock))
		return;
	if (take_all() && cnt_faults <= MESSAGES)
		message_until = time_us() + LATE_US;
	lock_release(&lock);
}

/*
 * A unit sends no further message before what an earlier one, sent to the old id, announced is taken.  A message that was sent
 * to the new id at that moment finds nothing.
 */
void iommu_aim(uint32_t id)
{
	for (unsigned i = 0; i < nwatches; i++)
		aim(&watch[i], id);
	take_early();
}

static void tick(void *ctx, uint64_t now_us)
{
	take_early();
}

void fault_counters(void)
{
	counter_register("iommu", "faults", &cnt_faults);
	counter_register("iommu", "lost", &cnt_lost);
}

static struct watch *new_watch(unsigned n, const struct iommu_unit *u)
{
	if (!nwatches && clock_register(tick, NULL))
		log_warn("iommu: no room for its clock: faults are found by their message alone");
	segment_use(iommu_faults);
	watch[nwatches] = (struct watch){ .base = iommu_reg(u, 0), .n = n };
	return &watch[nwatches++];
}

void fault_watch_vtd(unsigned n, const struct iommu_unit *u, unsigned records, unsigned count)
{
	struct watch *w = new_watch(n, u);
	uint32_t id = lapic_id();

	w->records = records;
	w->count = count;
	/* Longer ids need interrupt remapping. */
	if (id > 0xff)
		return;
	mmio_write32(iommu_reg(u, VTD_FEDATA), MSI_DATA_NMI);
	aim(w, id);
	mmio_write32(iommu_reg(u, VTD_FEUADDR), 0);
	mmio_write32(iommu_reg(u, VTD_FECTL), 0);
}

/* PCI 3.0, 6.8.1.  The capability of an AMD-Vi unit has 64-bit addresses and no mask bits (3.3). */
#define MSI_CONTROL	2
#define  MSI_ENABLE	BIT(0)
#define  MSI_64		BIT(7)

void fault_watch_amdvi(unsigned n, const struct iommu_unit *u, void *events)
{
	const struct pci_dev *d = u->segment ? NULL : pci_find(u->bdf);
	struct watch *w = new_watch(n, u);
	uint32_t id = lapic_id();

	w->events = events;
	if (!d || !d->cap_msi || id > 0xff) {
		log_info("iommu%u: has no message: what it refuses is found while devices of Veneer's work", n);
		return;
	}
	uint16_t cap = d->cap_msi, control = pci_read16(d, cap + MSI_CONTROL);

	w->function = d;
	aim(w, id);
	if (control & MSI_64)
		pci_write32(d, cap + 8u, 0);
	pci_write16(d, cap + (control & MSI_64 ? 12u : 8u), MSI_DATA_NMI);
	pci_write16(d, cap + MSI_CONTROL, (control & 0xff8f) | MSI_ENABLE);
}

void fault_watch_none(void)
{
	nwatches = 0;
}

bool iommu_watched(void)
{
	return nwatches;
}
