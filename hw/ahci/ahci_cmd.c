/* SPDX-License-Identifier: BSD-2-Clause */
/* AHCI commands: build, issue and complete them.  What happens after an error is in ahci_error.c. */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include <veneer/time.h>
#include "hw/ahci/ahci.h"

/* The contents of a register FIS, of disk commands and of the driver's own. */
struct ata_taskfile {
	uint8_t command, device;
	uint16_t features, count;
	uint64_t lba;
};

/* The FIS as five dwords (Serial ATA 3.2 section 10.5.5). */
static void fill_fis(uint8_t *cfis, const struct ata_taskfile *tf)
{
	const uint32_t dw[FIS_H2D_DWORDS] = {
		FIS_H2D | FIS_H2D_COMMAND << 8 | (uint32_t)tf->command << 16 | (uint32_t)(tf->features & 0xff) << 24,
		(uint32_t)(tf->lba & 0xffffff) | (uint32_t)tf->device << 24,
		(uint32_t)(tf->lba >> 24 & 0xffffff) | (uint32_t)(tf->features >> 8) << 24,
		tf->count,
	};

	__builtin_memcpy(cfis, dw, sizeof(dw));
}

static void fill_prd(struct ahci_prd *prd, uint64_t addr, uint32_t len)
{
	prd->dba = (uint32_t)addr;
	prd->dbau = (uint32_t)(addr >> 32);
	prd->reserved = 0;
	prd->dbc = FIELD_PREP(AHCI_PRD_DBC, len - 1);
}

static void fill_header(struct ahci_port *p, unsigned slot, const void *table, unsigned nprd, bool write)
{
	struct ahci_header *h = &p->mem->header[slot];
	uint64_t addr = mem_phys(table);

	h->opts = FIELD_PREP(AHCI_HDR_PRDTL, nprd) | FIELD_PREP(AHCI_HDR_CFL, FIS_H2D_DWORDS) | (write ? AHCI_HDR_WRITE : 0);
	h->prdbc = 0;
	h->ctba = (uint32_t)addr;
	h->ctbau = (uint32_t)(addr >> 32);
}

/* --- disk commands --- */

static bool op_queued(const struct ahci_port *p, enum disk_op op)
{
	return p->ncq && (op == DISK_READ || op == DISK_WRITE);
}

static void taskfile_rw(const struct ahci_port *p, const struct disk_cmd *cmd, struct ata_taskfile *tf)
{
	bool write = cmd->op == DISK_WRITE;

	tf->lba = cmd->lba;
	tf->count = (uint16_t)cmd->nblocks;	/* 65536, or 256 with LBA28, is encoded as 0 */
	tf->device = ATA_DEV_LBA;
	if (p->ncq) {
		tf->command = write ? ATA_WRITE_FPDMA : ATA_READ_FPDMA;
		tf->features = tf->count;
		tf->count = (uint16_t)FIELD_PREP(ATA_NCQ_TAG, cmd->tag);
		if (write && p->fua)
			tf->device |= ATA_DEV_FUA;
	} else if (p->lba48) {
		tf->command = write ? ATA_WRITE_DMA_EXT : ATA_READ_DMA_EXT;
	} else {
		tf->command = write ? ATA_WRITE_DMA : ATA_READ_DMA;
		tf->device |= (uint8_t)(cmd->lba >> 24 & 0xf);
		tf->lba = cmd->lba & 0xffffff;
		tf->count &= 0xff;
	}
}

/* The ranges of a TRIM; non-queued commands run alone, so one buffer is enough. */
static void fill_trim(struct ahci_port *p, const struct disk_cmd *cmd)
{
	uint64_t lba = cmd->lba;
	uint32_t left = cmd->nblocks;

	for (unsigned i = 0; i < ATA_TRIM_RANGES; i++) {
		uint32_t n = MIN(left, ATA_TRIM_RANGE_MAX);

		p->mem->trim[i] = n ? FIELD_PREP(ATA_TRIM_LBA, lba) | FIELD_PREP(ATA_TRIM_COUNT, n) : 0;
		lba += n;
		left -= n;
	}
}

void ahci_build(struct ahci_port *p, struct disk_cmd *cmd)
{
	struct ahci_table *t = (struct ahci_table *)(void *)(p->tables + cmd->tag * p->table_size);
	struct ata_taskfile tf = { .device = ATA_DEV_LBA };
	unsigned nprd = 0;

	switch (cmd->op) {
	case DISK_FLUSH:
		tf.command = p->flush_ext ? ATA_FLUSH_EXT : ATA_FLUSH;
		break;
	case DISK_DISCARD:
		tf.command = ATA_DSM;
		tf.features = ATA_DSM_TRIM;
		tf.count = 1;
		fill_trim(p, cmd);
		fill_prd(&t->prd[nprd++], mem_phys(p->mem->trim), sizeof(p->mem->trim));
		break;
	default:
		taskfile_rw(p, cmd, &tf);
		for (; nprd < cmd->nsg; nprd++)
			fill_prd(&t->prd[nprd], cmd->sg[nprd].addr, cmd->sg[nprd].len);
	}
	fill_fis(t->cfis, &tf);
	fill_header(p, cmd->tag, t, nprd, cmd->op != DISK_READ && nprd);
	p->queued = op_queued(p, cmd->op);
	p->fresh |= BIT(cmd->tag);
}

static int ahci_start(struct disk *disk, unsigned q, struct disk_cmd *cmd)
{
	struct ahci_port *p = container_of(disk, struct ahci_port, disk);

	if (p->state == AHCI_DEAD)
		return -ERR_NODEV;
	if (p->state != AHCI_RUN || p->wants || p->internal || p->suspects || p->requeue)
		return -ERR_BUSY;
	/* Serial ATA 3.2 section 13.6.3: a non-queued command among queued ones aborts them all. */
	if ((p->issued | p->fresh) && !(p->queued && op_queued(p, cmd->op)))
		return -ERR_BUSY;
	p->cmd[cmd->tag] = cmd;
	p->retried &= ~BIT(cmd->tag);
	ahci_build(p, cmd);
	return 0;
}

void ahci_ring(struct ahci_port *p)
{
	if (!p->fresh || p->state != AHCI_RUN)
		return;
	dma_wmb();
	if (p->queued)
		port_write(p, AHCI_PXSACT, p->fresh);	/* before PxCI, AHCI 1.3.1 section 5.5.1 */
	port_write(p, AHCI_PXCI, p->fresh);
	p->issued |= p->fresh;
	p->fresh = 0;
}

static void ahci_kick(struct disk *disk, unsigned q)
{
	ahci_ring(container_of(disk, struct ahci_port, disk));
}

/*
 * Do not wait: the command runs alone as soon as the port is drained, and no later write overtakes it, since start() refuses
 * writes until the command is over.  write_cache is never false while the cache is on: it becomes true at once, and false
 * when the device has confirmed.
 */
static RARE int ahci_set_cache(struct disk *disk, bool on)
{
	struct ahci_port *p = container_of(disk, struct ahci_port, disk);

	if (p->state == AHCI_DEAD)
		return -ERR_NODEV;
	if (on == disk->write_cache && !p->cache_set)
		return 0;
	p->cache_on = on;
	p->cache_set = true;
	p->wants |= AHCI_WANT_CACHE;
	if (on)
		disk->write_cache = true;
	ahci_port_advance(p);
	return 0;
}

const struct disk_ops ahci_disk_ops = {
	.start = ahci_start,
	.kick = ahci_kick,
	.abort_all = ahci_abort_all,
	.set_cache = ahci_set_cache,
};

const struct disk_ops ahci_disk_ops_fixed_cache = {
	.start = ahci_start,
	.kick = ahci_kick,
	.abort_all = ahci_abort_all,
};

/* --- completions --- */

void ahci_port_over(struct ahci_port *p, uint32_t slots, int status)
{
	p->over |= slots;
	for (; slots; slots &= slots - 1)
		p->status[__builtin_ctz(slots)] = (int8_t)status;
}

unsigned ahci_port_deliver(struct ahci_port *p)
{
	unsigned n = 0;

	/* Read p->over in every round: done() may reset the disk, which clears it. */
	while (p->over) {
		unsigned slot = (unsigned)__builtin_ctz(p->over);
		struct disk_cmd *cmd = p->cmd[slot];

		p->over &= ~BIT(slot);
		p->cmd[slot] = NULL;
		disk_cmd_done(&p->disk, cmd, p->status[slot]);
		n++;
	}
	return n;
}

/* A non-queued command left PxCI: only the task file tells how the command ended. */
static void drain_single(struct ahci_port *p)
{
	uint32_t ci = port_read(p, AHCI_PXCI);
	uint32_t mine = p->internal ? BIT(0) : p->issued;

	if (!mine || (ci & mine))
		return;
	dma_rmb();
	if (FIELD_GET(AHCI_PXTFD_STS, port_read(p, AHCI_PXTFD)) & (ATA_ERR | ATA_DF)) {
		ahci_port_fault(p, AHCI_FAULT_TASK);
	} else if (p->internal) {
		ahci_internal_end(p, true);
	} else {
		p->issued = 0;
		ahci_port_over(p, mine, 0);
	}
}

/* For ahci_peek().  Cleared, then PxSACT and PxCI are read: a FIS that comes later sets its type again. */
static void forget_fis(struct ahci_port *p)
{
	volatile struct ahci_rfis *f = &p->mem->rfis;

	f->sdbfis[0] = f->rfis[0] = 0;
	full_mb();
}

void ahci_port_drain(struct ahci_port *p)
{
	uint32_t events = p->events, done;
	/* Not every controller raises TFES for an error in a set device bits FIS: check the FIS itself. */
	bool sdb_error = (events & AHCI_PXIS_SDBS) && (p->mem->rfis.sdbfis[2] & (ATA_ERR | ATA_DF));

	if (p->hba->masked)
		forget_fis(p);
	if (events & AHCI_PXIS_LINK) {
		ahci_port_fault(p, AHCI_FAULT_LINK);
	} else if (events & AHCI_PXIS_FATAL) {
		ahci_port_fault(p, AHCI_FAULT_LINE);
	} else if ((events & AHCI_PXIS_TFES) || sdb_error) {
		ahci_port_fault(p, AHCI_FAULT_TASK);
	} else if (p->issued && p->queued) {
		/* A queued command that succeeded leaves PxSACT; a failed one stays. */
		done = p->issued & ~port_read(p, AHCI_PXSACT);
		dma_rmb();
		p->issued &= ~done;
		ahci_port_over(p, done, 0);
	} else if (p->issued || p->internal) {
		drain_single(p);
	}
	p->events = 0;
}

/* --- the driver's own commands --- */

RARE void ahci_issue_own(struct ahci_port *p, uint8_t command, uint16_t features, uint16_t count, uint64_t lba, bool data)
{
	struct ahci_table *t = (struct ahci_table *)(void *)p->mem->table;
	struct ata_taskfile tf = { .command = command, .features = features, .count = count, .lba = lba };

	fill_fis(t->cfis, &tf);
	if (data) {
		memset(p->mem->data, 0, sizeof(p->mem->data));
		fill_prd(&t->prd[0], mem_phys(p->mem->data), sizeof(p->mem->data));
	}
	fill_header(p, 0, t, data, false);
	dma_wmb();
	port_write(p, AHCI_PXCI, BIT(0));
}

RARE void ahci_defuse(struct ahci_port *p, uint32_t slots)
{
	struct ahci_table *t = (struct ahci_table *)(void *)p->mem->table;
	struct ata_taskfile tf = { .command = ATA_CHECK_POWER_MODE };

	fill_fis(t->cfis, &tf);
	for (; slots; slots &= slots - 1)
		fill_header(p, (unsigned)__builtin_ctz(slots), t, 0, false);
	dma_wmb();
}

RARE int ahci_exec(struct ahci_port *p, uint8_t command, uint16_t features, uint16_t count, uint64_t lba, bool data,
		   uint32_t us)
{
	const uint32_t bad = AHCI_PXIS_TFES | AHCI_PXIS_FATAL;
	uint32_t is = 0;

	ahci_port_clear(p);
	ahci_issue_own(p, command, features, count, lba, data);
	bool over = wait_until(((is = port_read(p, AHCI_PXIS)) & bad) || !(port_read(p, AHCI_PXCI) & BIT(0)), us);
	int err = !over ? -ERR_TIMEOUT : (is & bad) ? -ERR_IO : 0;

	if (!err && (FIELD_GET(AHCI_PXTFD_STS, port_read(p, AHCI_PXTFD)) & (ATA_ERR | ATA_DF)))
		err = -ERR_IO;
	dma_rmb();
	if (err)
		ahci_port_stop(p);
	return err;
}
