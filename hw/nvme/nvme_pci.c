/* SPDX-License-Identifier: BSD-2-Clause */
/* NVMe on PCI: match a controller, take it over from the firmware, undo that if the start fails. */
#include <veneer/err.h>
#include <veneer/io.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/time.h>
#include "nvme.h"

#define CLASS_NVME	0x010802u
#define READY_UNIT_US	500000ull	/* the unit of CAP.TO and CRTO */
#define MPS_MAX		4u		/* 64 KiB: queues with larger pages would take too much memory */

/* Quirks that makers or authors of other drivers published; all other controllers match the class. */
static const struct hw_id ids[] = {
	{ 0x8086, 0x0953, 0, 0, "Intel DC P3500/P3600/P3700", NVME_Q_STRIPE },
	{ 0x8086, 0x0a53, 0, 0, "Intel DC P3520", NVME_Q_STRIPE },
	{ 0x8086, 0x0a54, 0, 0, "Intel DC P4500/P4600", NVME_Q_STRIPE },
	{ 0x8086, 0x0a55, 0, 0, "Intel DC P4600", NVME_Q_STRIPE },
	{ 0x8086, 0xf1a5, 0, 0, "Intel 600p", NVME_Q_MEDIUM_PRIO | NVME_Q_NO_WRITE_ZEROES },
	{ 0x8086, 0x5845, 0, 0, "QEMU NVMe before 5.2", NVME_Q_NO_NS_LIST | NVME_Q_NO_WRITE_ZEROES | NVME_Q_DRAINS },
	{ 0x1b36, 0x0010, 0, 0, "QEMU NVMe", NVME_Q_DRAINS, true },
	{ 0x144d, 0xa821, 0, 0, "Samsung PM1725", NVME_Q_DELAY_RDY | NVME_Q_MQES_LIES },
	{ 0x144d, 0xa822, 0, 0, "Samsung PM1725a", NVME_Q_DELAY_RDY | NVME_Q_MQES_LIES | NVME_Q_NO_WRITE_ZEROES },
	{ 0x144d, 0xa809, 0, 0, "Samsung MZALQ256", NVME_Q_NO_WRITE_ZEROES },
	{ 0x144d, 0xa80b, 0, 0, "Samsung PM9B1", NVME_Q_NO_WRITE_ZEROES },
	{ 0x15b7, 0x2001, 0, 0, "SanDisk Skyhawk", NVME_Q_NO_WRITE_ZEROES },
	{ 0x1bb1, 0x0100, 0, 0, "Seagate Nytro", NVME_Q_DELAY_RDY },
	{ 0x1c58, 0x0003, 0, 0, "HGST SN100", NVME_Q_DELAY_RDY },
	{ 0x1c58, 0x0023, 0, 0, "WDC SN200", NVME_Q_DELAY_RDY },
	{ 0x1c5c, 0x1504, 0, 0, "SK Hynix PC400", NVME_Q_NO_WRITE_ZEROES },
	{ 0x1c5c, 0x1d59, 0, 0, "SK Hynix BC901", NVME_Q_NO_WRITE_ZEROES },
	{ 0x1c5f, 0x0540, 0, 0, "Memblaze PBlaze4", NVME_Q_DELAY_RDY },
	{ 0x1cc4, 0x6302, 0, 0, "UMIS RPJTJ256", NVME_Q_NO_WRITE_ZEROES },
	{ 0x1cc4, 0x6303, 0, 0, "UMIS RPJTJ512", NVME_Q_NO_WRITE_ZEROES },
	{ 0x1d97, 0x2263, 0, 0, "SPCC, Lexar NM610", NVME_Q_NO_WRITE_ZEROES },
	{ 0x2646, 0x5016, 0, 0, "Kingston OM3PGP4", NVME_Q_NO_WRITE_ZEROES },
	{ 0x2646, 0x5018, 0, 0, "Kingston OM8SFP4", NVME_Q_NO_WRITE_ZEROES },
	{ 0x2646, 0x501a, 0, 0, "Kingston OM8PGP4", NVME_Q_NO_WRITE_ZEROES },
	{ 0x2646, 0x501b, 0, 0, "Kingston OM8PGP4", NVME_Q_NO_WRITE_ZEROES },
	{ 0x2646, 0x501e, 0, 0, "Kingston OM3PGP4", NVME_Q_NO_WRITE_ZEROES },
	{ 0x106b, 0x2001, 0, 0, "Apple S1X", NVME_Q_QDEPTH_2 },	/* has another class code */
	{ HW_ANY, HW_ANY, CLASS_NVME, 0xffffff, "NVM Express", 0 },
};

static const struct hw_dev_ops nvme_ops = {
	.poll = nvme_poll,
	.peek = nvme_peek,
	.mask = nvme_mask,
	.irq_enable = nvme_irq_enable,
	.intx_test = nvme_intx_test,
	.tick = nvme_tick,
	.shutdown = nvme_shutdown,
};

/* --- capabilities --- */

static uint64_t ready_us(const struct nvme *n)
{
	uint64_t units = FIELD_GET(NVME_CAP_TO, n->cap) + 1;	/* some controllers report 0, and take time nevertheless */

	if (n->cap & NVME_CAP_CRWMS)
		units = MAX(units, (uint64_t)FIELD_GET(NVME_CRTO_CRWMT, nvme_read(n, NVME_CRTO)));
	return units * READY_UNIT_US;
}

static unsigned io_entries(const struct nvme *n)
{
	unsigned mqes = (unsigned)FIELD_GET(NVME_CAP_MQES, n->cap);

	if (n->quirks & NVME_Q_QDEPTH_2)
		return 2;
	if (!mqes && (n->quirks & NVME_Q_MQES_LIES))
		mqes = NVME_IO_ENTRIES - 1;
	return MAX(MIN(mqes + 1, NVME_IO_ENTRIES), 2u);
}

static int read_cap(struct nvme *n)
{
	const char *name = n->dev.name;

	n->cap = nvme_read_64(n, NVME_CAP);
	n->vs = nvme_read(n, NVME_VS);
	if (n->vs == NVME_ALL_ONES) {
		log_err("%s: registers read all ones", name);
		return -ERR_NODEV;
	}

	unsigned mps = (unsigned)FIELD_GET(NVME_CAP_MPSMIN, n->cap);
	uint64_t stride = 4ull << FIELD_GET(NVME_CAP_DSTRD, n->cap);

	/* Old controllers may name no command set at all. */
	bool others = n->cap & (NVME_CAP_CSS_IOCSS | NVME_CAP_CSS_NOIO);

	if ((!(n->cap & NVME_CAP_CSS_NVM) && others) || mps > MPS_MAX) {
		log_err("%s: no NVM command set, or pages of %u KiB, CAP %016llx", name, 4u << mps, (unsigned long long)n->cap);
		return -ERR_NOTSUP;
	}
	if (n->dev.pci->bar[0].size < NVME_DOORBELLS + 4 * stride) {
		log_err("%s: BAR0 has no room for doorbells %u bytes apart", name, (unsigned)stride);
		return -ERR_INVAL;
	}
	n->page_size = 4096u << mps;	/* the controller's smallest, nearly always 4 KiB */
	n->cc = FIELD_PREP(NVME_CC_MPS, mps) | FIELD_PREP(NVME_CC_IOSQES, NVME_SQES) | FIELD_PREP(NVME_CC_IOCQES, NVME_CQES);
	n->ready_us = ready_us(n);
	return 0;
}

/* --- memory --- */

static int alloc_queue(struct nvme *n, struct nvme_queue *q, unsigned id, unsigned size)
{
	uint64_t stride = 4ull << FIELD_GET(NVME_CAP_DSTRD, n->cap);

	q->size = (uint16_t)size;
	q->sq_db = n->regs + NVME_DOORBELLS + 2 * id * stride;
	q->cq_db = n->regs + NVME_DOORBELLS + (2 * id + 1) * stride;
	q->sq = mem_alloc(size * sizeof(q->sq[0]), n->page_size);
	q->cq = mem_alloc(size * sizeof(q->cq[0]), n->page_size);
	if (!q->sq || !q->cq)
		return -ERR_NOMEM;
	nvme_queue_clear(q);
	return 0;
}

static int alloc_memory(struct nvme *n)
{
	unsigned entries = io_entries(n);

	n->nslots = entries - 1;
	n->id_buf = mem_alloc(4096, 4096);
	n->slot = mem_alloc(n->nslots * sizeof(n->slot[0]), 16);
	n->prp_mem = mem_alloc(n->nslots * NVME_PRP_LIST * sizeof(uint64_t), 4096);
	if (!n->id_buf || !n->slot || !n->prp_mem || alloc_queue(n, &n->admin, 0, NVME_ADMIN_ENTRIES) ||
	    alloc_queue(n, &n->io, 1, entries)) {
		log_err("%s: no memory for queues of %u entries", n->dev.name, entries);
		return -ERR_NOMEM;
	}
	for (unsigned i = 0; i < n->nslots; i++)
		n->slot[i].prp = n->prp_mem + i * NVME_PRP_LIST;
	return 0;
}

/* Undo alloc_memory(), nvme_scan() and init_disks(), even if they failed half-way. */
static void free_all(struct nvme *n)
{
	for (unsigned i = 0; i < n->dev.ndisk; i++) {
		if (n->disks[i]->queue)
			disk_fini(n->disks[i]);
		mem_free(n->ns[i]);
	}
	mem_free(n->admin.sq);
	mem_free((void *)(uintptr_t)n->admin.cq);
	mem_free(n->io.sq);
	mem_free((void *)(uintptr_t)n->io.cq);
	mem_free(n->prp_mem);
	mem_free(n->slot);
	mem_free(n->id_buf);
	mem_free(n);
}

/* --- probe --- */

static bool ready_or_failed(const struct nvme *n)
{
	return nvme_read(n, NVME_CSTS) & (NVME_CSTS_RDY | NVME_CSTS_CFS);
}

/*
 * Reset the controller from the state that firmware left.  CC.EN must not be cleared while the controller is becoming ready
 * (section 3.1.5), so wait for the end of that first.
 */
static int ctrl_bring_up(struct nvme *n)
{
	if ((nvme_read(n, NVME_CC) & NVME_CC_EN) && !wait_until(ready_or_failed(n), n->ready_us))
		log_warn("%s: enabled by firmware, but never ready, CSTS %08x", n->dev.name, nvme_read(n, NVME_CSTS));
	nvme_disable(n, time_us());
	return nvme_wait_state(n, NVME_SETUP);
}

static void drop_ns(struct nvme *n, unsigned i)
{
	mem_free(n->ns[i]);
	for (n->dev.ndisk--; i < n->dev.ndisk; i++) {
		n->ns[i] = n->ns[i + 1];
		n->disks[i] = n->disks[i + 1];
	}
}

/* Drop a namespace for which there is no memory, and keep the others. */
static int init_disks(struct nvme *n)
{
	for (unsigned i = 0; i < n->dev.ndisk; ) {
		struct disk *d = n->disks[i];

		if (disk_init(d)) {
			log_err("%s: no memory for its commands: left out", d->name);
			drop_ns(n, i);
			continue;
		}
		log_info("%s: %llu blocks of %u bytes%s", d->name, (unsigned long long)d->nblocks, d->block_size,
			 d->hw_read_only ? ", write protected" : "");
		i++;
	}
	return n->dev.ndisk ? 0 : -ERR_NOMEM;
}

static int ctrl_start(struct nvme *n)
{
	int err = ctrl_bring_up(n);

	if (!err)
		err = nvme_identify_ctrl(n);
	if (!err)
		err = nvme_scan(n);
	if (!err)
		err = init_disks(n);
	if (err)
		return err;
	n->dev.disk = n->disks;
	nvme_setup_next(n);
	return nvme_wait_state(n, NVME_LIVE);
}

static bool ctrl_is_off(const struct nvme *n)
{
	uint32_t csts = nvme_read(n, NVME_CSTS);

	return csts == NVME_ALL_ONES || !(csts & NVME_CSTS_RDY);
}

/* Stop all DMA before the memory goes back to the heap. */
static void ctrl_stop(struct nvme *n)
{
	nvme_disable(n, time_us());
	if (!wait_until(ctrl_is_off(n), n->ready_us))
		log_err("%s: CSTS.RDY = 0 awaited for %u ms, CSTS %08x", n->dev.name, (unsigned)(n->ready_us / 1000),
			nvme_read(n, NVME_CSTS));
	pci_master_off(n->dev.pci);
}

static int nvme_probe(const struct pci_dev *pci, const struct hw_id *id, unsigned unit, struct hw_dev **out)
{
	struct nvme *n = mem_alloc(sizeof(*n), 16);
	int err = -ERR_NOMEM;

	if (!n) {
		log_err("nvme%u: no memory", unit);
		return err;
	}
	n->dev.ops = &nvme_ops;
	n->dev.pci = pci;
	n->quirks = id->quirks;
	n->abort.cid = NVME_NO_SLOT;
	fmt_string(n->dev.name, sizeof(n->dev.name), "nvme%u", unit);
	log_info("%s: " PCI_FMT " %04x:%04x %s", n->dev.name, PCI_ARGS(pci->bdf), pci->vendor, pci->device, id->model);
	pci_power_on(pci);
	n->regs = pci_map_bar(pci, 0, NVME_DOORBELLS + 16);
	if (!n->regs) {
		err = -ERR_NODEV;
		goto err_free;
	}
	pci_enable(pci);
	err = read_cap(n);
	if (err)
		goto err_master;
	err = alloc_memory(n);
	if (err)
		goto err_master;
	err = ctrl_start(n);
	if (err)
		goto err_stop;
	*out = &n->dev;
	return 0;

err_stop:
	ctrl_stop(n);
err_master:
	pci_master_off(pci);
err_free:
	free_all(n);
	return err;
}

/* All namespaces of a controller share these slots. */
#define SLOTS_MEMORY	(MEM_COST(NVME_IO_ENTRIES * sizeof(struct nvme_slot)) + \
			 MEM_COST_PAGES(NVME_IO_ENTRIES * NVME_PRP_LIST * sizeof(uint64_t)) + \
			 DISK_MEMORY(NVME_IO_ENTRIES) - DISK_MEMORY(0))

static const struct hw_driver nvme_driver = {
	.name = "nvme",
	.class = HW_STORAGE,
	.ids = ids,
	.nids = ARRAY_SIZE(ids),
	.memory = MEM_COST(sizeof(struct nvme)) + 5 * MEM_COST_PAGES(PAGE_SIZE) + SLOTS_MEMORY,
	.disk_memory = MEM_COST(sizeof(struct nvme_ns)) + DISK_MEMORY(0),
	.disk_tags = NVME_IO_ENTRIES,
	.shared_tags = true,
	.probe = nvme_probe,
};
HW_DRIVER(nvme_driver);
