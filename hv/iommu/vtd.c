/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Drives VT-d units in legacy mode (VT-d 4.1, chapters 6, 9 and 11): root and context tables, translation on, caches flushed.
 * Who may reach what is decided in confine.c; faults are read in fault.c.  Interrupts are not remapped.
 *
 * Context entries of type 0 translate plain requests alone: a translation request by ATS gets an error, and a translated
 * request is a fault (3.4.3, 9.3).
 */
#include <veneer/err.h>
#include <veneer/io.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/pci.h>
#include <veneer/time.h>
#include "hv/iommu/confine.h"
#include "hv/iommu/iommu_regs.h"

#define ADDR		GENMASK64(51, 12)
#define QUEUE_SIZE	256u			/* descriptors of 16 bytes in a page */

struct entry { uint64_t low, high; };

static struct entry *root, *empty_root;		/* by bus; the second for units of other segments */
static struct dma_arena *pages;			/* for context tables */
static struct queue { struct entry *ring; unsigned tail; volatile uint32_t *status; } queue[IOMMU_MAX_UNITS];

static bool vtd_traits(unsigned n, const struct iommu_unit *u, uint64_t top, struct dma_traits *t)
{
	const char *why = NULL;

	t->widths &= (uint32_t)u->cap & (VTD_CAP_SAGAW_39 | VTD_CAP_SAGAW_48);
	t->levels = t->widths & VTD_CAP_SAGAW_48 ? 4 : 3;
	if (!t->widths)
		why = "no tables of three or four levels, or not those of the units before";
	else if (top > 1ull << MIN(FIELD_GET(VTD_CAP_MGAW, u->cap) + 1u, t->levels == 3 ? 39u : 48u))
		why = "addresses too short for this machine's memory";
	else if (vtd_end(u->cap, u->ecap) > u->size)
		why = "registers where none can be";
	if (why) {
		log_warn("iommu%u: %s (CAP %#lx)", n, why, u->cap);
		return false;
	}
	t->largest = MIN(t->largest, !(u->cap & VTD_CAP_2M) ? 1u : !(u->cap & VTD_CAP_1G) ? 2u : 3u);
	t->coherent &= !!(u->ecap & VTD_ECAP_C);
	return true;
}

/* Two root tables, a context table for each bus; for each unit a queue and the word where its descriptors report. */
static unsigned vtd_pages(unsigned buses, unsigned last, unsigned units)
{
	return 2 + buses + 2 * units;
}

static int vtd_begin(struct dma_arena *arena, unsigned last)
{
	pages = arena;
	root = dma_arena_take(arena, 1);
	empty_root = dma_arena_take(arena, 1);
	for (unsigned i = 0; i < IOMMU_MAX_UNITS; i++)
		queue[i] = (struct queue){ 0 };
	return root && empty_root ? 0 : -ERR_NOMEM;
}

static struct entry *contexts(uint16_t id)
{
	return (struct entry *)(uintptr_t)(root[PCI_BUS(id)].low & ADDR);
}

static int vtd_assign(uint16_t id, enum dma_domain domain, uint64_t table, unsigned levels)
{
	struct entry *c = contexts(id);

	if (!c) {
		c = dma_arena_take(pages, 1);
		if (!c)
			return -ERR_NOMEM;
		root[PCI_BUS(id)].low = mem_phys(c) | VTD_ENTRY_P;
	}
	c += id & 0xff;
	c->high = FIELD_PREP(VTD_CONTEXT_DOMAIN, domain) | FIELD_PREP(VTD_CONTEXT_WIDTH, levels - 2);
	dma_wmb();
	c->low = table | VTD_ENTRY_P;
	return 0;
}

static enum dma_domain vtd_domain_of(uint16_t id)
{
	const struct entry *c = contexts(id);

	c = c ? c + (id & 0xff) : c;
	return c && c->low & VTD_ENTRY_P ? (enum dma_domain)FIELD_GET(VTD_CONTEXT_DOMAIN, c->high) : DMA_NONE;
}

/* --- invalidation: by queue if the unit has one, for units of version 6 and later know nothing else (6.5) --- */

static int queue_on(unsigned n, const struct iommu_unit *u, struct dma_arena *arena)
{
	struct queue *q = &queue[n];

	q->ring = dma_arena_take(arena, 1);
	q->status = dma_arena_take(arena, 1);
	if (!q->ring || !q->status)
		return -ERR_NOMEM;
	q->tail = 0;
	mmio_write64(iommu_reg(u, VTD_IQT), 0);
	mmio_write64(iommu_reg(u, VTD_IQA), mem_phys(q->ring));
	return vtd_switch(n, u, VTD_QIE, true, "the invalidation queue");
}

/* Firmware's queue: it ends when its last descriptor is done (6.5.2). */
static int queue_off(unsigned n, const struct iommu_unit *u)
{
	if (!(mmio_read32(iommu_reg(u, VTD_GSTS)) & VTD_QIE))
		return 0;
	if (!wait_until(mmio_read64(iommu_reg(u, VTD_IQH)) == mmio_read64(iommu_reg(u, VTD_IQT)), DMA_WAIT_US))
		log_warn("iommu%u: its invalidation queue does not empty (head %#lx, tail %#lx): switched off all the same", n,
			 mmio_read64(iommu_reg(u, VTD_IQH)), mmio_read64(iommu_reg(u, VTD_IQT)));
	return vtd_switch(n, u, VTD_QIE, false, "the invalidation queue");
}

static void submit(struct queue *q, uint64_t low, uint64_t high)
{
	q->ring[q->tail] = (struct entry){ low, high };
	q->tail = (q->tail + 1) % QUEUE_SIZE;
}

static int flush_by_queue(unsigned n, const struct iommu_unit *u)
{
	struct queue *q = &queue[n];

	*q->status = 0;
	submit(q, VTD_QI_CONTEXT, 0);
	submit(q, VTD_QI_IOTLB, 0);
	submit(q, VTD_QI_WAIT | FIELD_PREP(VTD_QI_STATUS, 1), mem_phys(q->status));
	dma_wmb();
	mmio_write64(iommu_reg(u, VTD_IQT), (uint64_t)q->tail << 4);
	if (wait_until(*q->status, DMA_WAIT_US))
		return 0;
	log_err("iommu%u: its caches are not flushed after %u ms (queue head %#lx, tail %#lx, FSTS %#x)", n, DMA_WAIT_US / 1000,
		mmio_read64(iommu_reg(u, VTD_IQH)), mmio_read64(iommu_reg(u, VTD_IQT)), mmio_read32(iommu_reg(u, VTD_FSTS)));
	return -ERR_TIMEOUT;
}

static int flush_register(unsigned n, const struct iommu_unit *u, unsigned off, uint64_t go, uint64_t how, const char *what)
{
	uint64_t v;

	mmio_write64(iommu_reg(u, off), go | how);
	if (wait_until(!((v = mmio_read64(iommu_reg(u, off))) & go), DMA_WAIT_US))
		return 0;
	log_err("iommu%u: its %s is not flushed after %u ms (register %#x: %#lx)", n, what, DMA_WAIT_US / 1000, off, v);
	return -ERR_TIMEOUT;
}

static int vtd_flush(unsigned n, const struct iommu_unit *u)
{
	unsigned iotlb = (unsigned)(16 * FIELD_GET(VTD_ECAP_IRO, u->ecap)) + VTD_IOTLB;
	int err = 0;

	/* What this processor wrote to the tables may wait in the chipset (6.8). */
	if (u->cap & VTD_CAP_RWBF)
		err = vtd_switch(n, u, VTD_WBF, true, "the flush of the write buffer");
	if (err)
		return err;
	if (u->ecap & VTD_ECAP_QI)
		return flush_by_queue(n, u);
	/* In this order: the IOTLB is filled from the context cache (6.5.3). */
	return flush_register(n, u, VTD_CCMD, VTD_CCMD_ICC, VTD_CCMD_GLOBAL, "context cache") ?:
	       flush_register(n, u, iotlb, VTD_IOTLB_IVT, VTD_IOTLB_GLOBAL | VTD_IOTLB_DRAIN, "IOTLB");
}

/* --- on and off --- */

static void forget_faults(const struct iommu_unit *u, unsigned records, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		mmio_write32(iommu_reg(u, records + 16 * i + VTD_FRCD_INFO + 4), (uint32_t)(VTD_FRCD_F >> 32));
	mmio_write32(iommu_reg(u, VTD_FSTS), VTD_FSTS_PFO | VTD_FSTS_QUEUE);
}

static int vtd_enable(unsigned n, const struct iommu_unit *u, struct dma_arena *arena)
{
	unsigned records = (unsigned)(16 * FIELD_GET(VTD_CAP_FRO, u->cap));
	unsigned count = (unsigned)FIELD_GET(VTD_CAP_NFR, u->cap) + 1;
	int err = queue_off(n, u);

	mmio_write32(iommu_reg(u, VTD_FECTL), VTD_FECTL_IM);
	forget_faults(u, records, count);
	if (!err) {
		mmio_write64(iommu_reg(u, VTD_RTADDR), mem_phys(u->segment ? empty_root : root));
		err = vtd_switch(n, u, VTD_SRTP, true, "the root table");
	}
	if (!err && u->ecap & VTD_ECAP_QI)
		err = queue_on(n, u, arena);
	if (!err)
		err = vtd_flush(n, u);
	if (!err)
		fault_watch_vtd(n, u, records, count);
	return err ?: vtd_switch(n, u, VTD_TE, true, "translation");
}

static int vtd_disable(unsigned n, const struct iommu_unit *u)
{
	mmio_write32(iommu_reg(u, VTD_FECTL), VTD_FECTL_IM);
	return vtd_switch(n, u, VTD_TE, false, "translation") ?: queue_off(n, u);
}

const struct dma_ops vtd_ops = {
	&dma_format_vtd, vtd_traits, vtd_pages, vtd_begin, vtd_assign, vtd_domain_of, vtd_enable, vtd_disable, vtd_flush,
};
