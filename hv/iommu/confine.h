/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * DMA confined: two domains, and what the files that drive the units (vtd.c, amdvi.c) do for them.  All of the start but
 * iommu_faults() and what that calls.
 */
#ifndef HV_CONFINE_H
#define HV_CONFINE_H

#include "hv/iommu/dma_table.h"
#include "hv/iommu/iommu.h"

/* The numbers are the domain ids that the units' caches know; VT-d reserves 0 (CAP.CM). */
enum dma_domain {
	DMA_NONE,		/* every access is blocked, and reported as a fault */
	DMA_GUEST,		/* devices that stay the guest's: all memory but Veneer's, no registers of hidden devices */
	DMA_OWN,		/* concealed devices: the guest's RAM and Veneer's heap */
	DMA_DOMAINS
};

/* What all units can do. */
struct dma_traits {
	unsigned largest;	/* leaf, as struct dma_table has it */
	unsigned levels;	/* of the walk, 3 or 4 */
	uint32_t widths;	/* the bits of CAP.SAGAW that all units have (VT-d) */
	bool coherent;		/* they snoop when they read tables */
};

/* A kind of units.  One root (device) table serves all units of segment 0; others get an empty one, which blocks everything. */
struct dma_ops {
	const struct dma_format *format;

	/* Narrow @traits to what unit @n can do too, for addresses below @top.  False after a line: it cannot be used. */
	bool (*traits)(unsigned n, const struct iommu_unit *u, uint64_t top, struct dma_traits *traits);

	/* The pages that begin() and enable() take, for devices on @buses buses, the highest @last, and @units units. */
	unsigned (*pages)(unsigned buses, unsigned last, unsigned units);

	/* Make the tables, with every device in DMA_NONE; @last is the highest bus.  0 or -ERR_NOMEM. */
	int (*begin)(struct dma_arena *arena, unsigned last);

	/* Put the requester id @id into @domain, whose table has this @root.  0 or -ERR_NOMEM. */
	int (*assign)(uint16_t id, enum dma_domain domain, uint64_t root, unsigned levels);
	enum dma_domain (*domain_of)(uint16_t id);

	/*
	 * Switch translation on: the tables are in memory.  0, or -ERR_TIMEOUT, -ERR_NOMEM after a line.  Whoever calls then
	 * switches off by disable() what is half on: 0 or -ERR_TIMEOUT after a line.
	 */
	int (*enable)(unsigned n, const struct iommu_unit *u, struct dma_arena *arena);
	int (*disable)(unsigned n, const struct iommu_unit *u);

	/* Make the unit forget all that it has cached; returns when it has.  0 or -ERR_TIMEOUT after a line. */
	int (*flush)(unsigned n, const struct iommu_unit *u);
};
extern const struct dma_ops vtd_ops, amdvi_ops;

/*
 * Set or clear one bit of a unit's command register, and wait until the status follows.  0 or -ERR_TIMEOUT after a line.
 */
int vtd_switch(unsigned n, const struct iommu_unit *u, uint32_t bit, bool on, const char *what);
#define DMA_WAIT_US	1000000u

/* A unit's register at @off. */
volatile uint8_t *iommu_reg(const struct iommu_unit *u, unsigned off);

/*
 * The table that @domain has now: its root, its levels, and whether its format is AMD's.  False if DMA is not confined.  Start
 * only.
 */
bool confine_root(enum dma_domain domain, uint64_t *root, unsigned *levels, bool *amd);

/* --- faults (fault.c) --- */

/* Register the counters, once. */
void fault_counters(void);

/*
 * Let iommu_faults() look at unit @n from now on, and aim the unit's message, an NMI, at the calling processor.  VT-d: the
 * fault records begin at @records, @count of them.  AMD-Vi, before the unit is on: @events is the log, empty; the message is
 * the MSI of the unit's PCI function.  fault_watch_none(): look at no unit.
 */
#define EVENT_LOG_SIZE	256u		/* entries of 16 bytes */
void fault_watch_vtd(unsigned n, const struct iommu_unit *u, unsigned records, unsigned count);
void fault_watch_amdvi(unsigned n, const struct iommu_unit *u, void *events);
void fault_watch_none(void);

#endif
