/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Drives AMD-Vi units (AMD I/O Virtualization Technology 3.08, chapters 2 and 3): device table, command buffer, event log,
 * translation on, caches flushed.  Who may reach what is decided in confine.c; events are read in fault.c.  Interrupts are not
 * remapped.
 *
 * An entry of the device table that is not valid would let its device pass untranslated, so all are valid, and those of no
 * domain allow nothing (2.2.2.1).  No entry allows ATS (its bit I): translation requests and translated requests fail.
 */
#include <veneer/err.h>
#include <veneer/io.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/pci.h>
#include <veneer/time.h>
#include "hv/iommu/confine.h"
#include "hv/iommu/iommu_regs.h"

#define IDS_PER_PAGE	(PAGE_SIZE / sizeof(struct dte))
#define COMMANDS	256u			/* of 16 bytes, in a page */

/* 2.2.2.2 */
struct dte { uint64_t low, domain, interrupts, rest; };
struct command { uint64_t low, high; };

static struct dte *devices, *no_devices;	/* the second for units of other segments */
static unsigned nids;
static struct ring { struct command *at; unsigned tail; volatile uint64_t *status; } ring[IOMMU_MAX_UNITS];

static bool amdvi_traits(unsigned n, const struct iommu_unit *u, uint64_t top, struct dma_traits *t)
{
	/* Each size of pages and four levels are there always (2.2.3); tables are read with snoop, as CONTROL says. */
	return true;
}

static unsigned table_pages(unsigned last)
{
	return DIV_ROUND_UP((last + 1) * 256u, (unsigned)IDS_PER_PAGE);
}

/* The device table, one page for units of other segments; for each unit commands, events, and a word to report to. */
static unsigned amdvi_pages(unsigned buses, unsigned last, unsigned units)
{
	return table_pages(last) + 1 + 3 * units;
}

/* All are valid, and reach nothing.  Interrupt messages pass as without IOMMU, the doorbells' NMIs among them. */
static void fill(struct dte *t, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		t[i] = (struct dte){ .low = DTE_V | DTE_TV, .domain = DTE_SYSMGT_INTX, .interrupts = DTE_PASS };
}

static int amdvi_begin(struct dma_arena *arena, unsigned last)
{
	devices = dma_arena_take(arena, table_pages(last));
	no_devices = dma_arena_take(arena, 1);
	if (!devices || !no_devices)
		return -ERR_NOMEM;
	nids = (last + 1) * 256;
	fill(devices, nids);
	fill(no_devices, IDS_PER_PAGE);
	for (unsigned i = 0; i < IOMMU_MAX_UNITS; i++)
		ring[i] = (struct ring){ 0 };
	return 0;
}

static int amdvi_assign(uint16_t id, enum dma_domain domain, uint64_t root, unsigned levels)
{
	if (id >= nids)
		return -ERR_NOMEM;
	devices[id].domain = DTE_SYSMGT_INTX | domain;
	dma_wmb();
	devices[id].low = DTE_V | DTE_TV | FIELD_PREP(DTE_MODE, levels) | root | DTE_IR | DTE_IW;
	return 0;
}

static enum dma_domain amdvi_domain_of(uint16_t id)
{
	return id < nids ? (enum dma_domain)FIELD_GET(DTE_DOMAIN, devices[id].domain) : DMA_NONE;
}

/* --- commands, 2.4 --- */

static void submit(struct ring *r, uint64_t low, uint64_t high)
{
	r->at[r->tail] = (struct command){ low, high };
	r->tail = (r->tail + 1) % COMMANDS;
}

/* Let the unit run what was submitted, and wait for its store. */
static int run(unsigned n, const struct iommu_unit *u)
{
	struct ring *r = &ring[n];

	*r->status = 0;
	submit(r, CMD_WAIT | mem_phys(r->status), 1);
	dma_wmb();
	mmio_write64(iommu_reg(u, AMDVI_CMD_TAIL), r->tail * sizeof(struct command));
	if (wait_until(*r->status, DMA_WAIT_US))
		return 0;
	log_err("iommu%u: its caches are not flushed after %u ms (head %#lx, tail %#lx, status %#lx)", n, DMA_WAIT_US / 1000,
		mmio_read64(iommu_reg(u, AMDVI_CMD_HEAD)), mmio_read64(iommu_reg(u, AMDVI_CMD_TAIL)),
		mmio_read64(iommu_reg(u, AMDVI_STATUS)));
	return -ERR_TIMEOUT;
}

/* Entry by entry: at first, and for units without the command that means all; as many as the buffer holds at a time. */
static int flush_entries(unsigned n, const struct iommu_unit *u)
{
	int err = 0;

	for (unsigned id = 0; !err && id < (u->segment ? IDS_PER_PAGE : nids); id++) {
		submit(&ring[n], CMD_DEVICE | id, 0);
		if (id % (COMMANDS / 2) == COMMANDS / 2 - 1)
			err = run(n, u);
	}
	for (unsigned d = DMA_GUEST; !err && d < DMA_DOMAINS; d++)
		submit(&ring[n], CMD_PAGES | FIELD_PREP(CMD_DOMAIN, d), CMD_ALL_PAGES);
	return err ?: run(n, u);
}

static int amdvi_flush(unsigned n, const struct iommu_unit *u)
{
	if (!(u->ecap & AMDVI_EFR_IA))
		return flush_entries(n, u);
	submit(&ring[n], CMD_ALL, 0);
	return run(n, u);
}

/* --- on and off --- */

/* How the unit speaks with its bus is what the table says of the machine (5.2.2.1); all else that firmware used ends. */
static uint64_t control_for(const struct iommu_unit *u)
{
	static const uint32_t bits[][2] = {
		{ IVHD_HT_TUNNEL, BIT(1) }, { IVHD_PASS_PW, BIT(8) }, { IVHD_RES_PASS_PW, BIT(9) }, { IVHD_ISOC, BIT(11) },
	};
	uint64_t control = AMDVI_COHERENT;

	for (unsigned i = 0; i < ARRAY_SIZE(bits); i++)
		if (u->flags & bits[i][0])
			control |= bits[i][1];
	return control;
}

static int amdvi_disable(unsigned n, const struct iommu_unit *u)
{
	uint64_t control = mmio_read64(iommu_reg(u, AMDVI_CONTROL));

	/* Translation first: what the log and the commands still do needs no devices. */
	mmio_write64(iommu_reg(u, AMDVI_CONTROL), control & ~(uint64_t)AMDVI_ENABLE);
	mmio_write64(iommu_reg(u, AMDVI_CONTROL), control & AMDVI_BUS);
	if (wait_until(!((control = mmio_read64(iommu_reg(u, AMDVI_CONTROL))) & AMDVI_ENABLE) &&
		       !(mmio_read64(iommu_reg(u, AMDVI_STATUS)) & (AMDVI_CMD_RUNS | AMDVI_LOG_RUNS)), DMA_WAIT_US))
		return 0;
	log_err("iommu%u: translation is still on %u ms after it was switched off (control %#lx, status %#lx)", n,
		DMA_WAIT_US / 1000, control, mmio_read64(iommu_reg(u, AMDVI_STATUS)));
	return -ERR_TIMEOUT;
}

static void set_up(const struct iommu_unit *u, const struct ring *r, const void *events)
{
	unsigned size = u->segment ? 1 : table_pages(nids / 256 - 1);

	mmio_write64(iommu_reg(u, AMDVI_DEVICES), mem_phys(u->segment ? no_devices : devices) | (size - 1));
	mmio_write64(iommu_reg(u, AMDVI_COMMANDS), mem_phys(r->at) | FIELD_PREP(AMDVI_LENGTH, 8));
	mmio_write64(iommu_reg(u, AMDVI_CMD_HEAD), 0);
	mmio_write64(iommu_reg(u, AMDVI_CMD_TAIL), 0);
	mmio_write64(iommu_reg(u, AMDVI_EXCLUSION), 0);
	mmio_write64(iommu_reg(u, AMDVI_EVENTS), mem_phys(events) | FIELD_PREP(AMDVI_LENGTH, 8));
	mmio_write64(iommu_reg(u, AMDVI_EVENT_HEAD), 0);
	mmio_write64(iommu_reg(u, AMDVI_EVENT_TAIL), 0);
	mmio_write64(iommu_reg(u, AMDVI_STATUS), AMDVI_EVENTS_LOST | AMDVI_EVENT);
}

/*
 * Commands run only if the unit is on (3.4.2): it is switched on with tables that hold, and forgets at once what it may have
 * kept of firmware's.
 */
static int amdvi_enable(unsigned n, const struct iommu_unit *u, struct dma_arena *arena)
{
	uint64_t control = control_for(u) | AMDVI_EVENT_LOG | AMDVI_EVENT_INT | AMDVI_ENABLE;
	void *events = dma_arena_take(arena, 1);
	struct ring *r = &ring[n];

	r->at = dma_arena_take(arena, 1);
	r->status = dma_arena_take(arena, 1);
	if (!r->at || !r->status || !events)
		return -ERR_NOMEM;
	int err = amdvi_disable(n, u);

	if (err)
		return err;
	set_up(u, r, events);
	fault_watch_amdvi(n, u, events);
	mmio_write64(iommu_reg(u, AMDVI_CONTROL), control);
	mmio_write64(iommu_reg(u, AMDVI_CONTROL), control | AMDVI_RUN_COMMANDS);
	/* Entry by entry, too: QEMU 11 takes a new entry over by the command for this entry alone. */
	err = flush_entries(n, u);
	return !err && u->ecap & AMDVI_EFR_IA ? amdvi_flush(n, u) : err;
}

const struct dma_ops amdvi_ops = {
	&dma_format_amdvi, amdvi_traits, amdvi_pages, amdvi_begin, amdvi_assign, amdvi_domain_of, amdvi_enable, amdvi_disable,
	amdvi_flush,
};
