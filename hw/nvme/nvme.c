/* SPDX-License-Identifier: BSD-2-Clause */
/* NVMe queues at run time: submit commands, reap completions, interrupts.  Deadlines and resets are in nvme_recover.c. */
#include <veneer/err.h>
#include <veneer/io.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include <veneer/time.h>
#include "nvme.h"

/* --- registers --- */

uint32_t nvme_read(const struct nvme *n, uint32_t reg)
{
	return mmio_read32(n->regs + reg);
}

void nvme_write(struct nvme *n, uint32_t reg, uint32_t v)
{
	mmio_write32(n->regs + reg, v);
}

/* Access the halves, the low one first (section 3.1): not every bridge passes 64-bit accesses. */
uint64_t nvme_read_64(const struct nvme *n, uint32_t reg)
{
	uint64_t low = nvme_read(n, reg);

	return low | (uint64_t)nvme_read(n, reg + 4) << 32;
}

void nvme_write_64(struct nvme *n, uint32_t reg, uint64_t v)
{
	nvme_write(n, reg, (uint32_t)v);
	nvme_write(n, reg + 4, (uint32_t)(v >> 32));
}

/* --- queues --- */

void nvme_queue_clear(struct nvme_queue *q)
{
	memset(q->sq, 0, q->size * sizeof(q->sq[0]));
	memset((void *)(uintptr_t)q->cq, 0, q->size * sizeof(q->cq[0]));
	q->tail = q->rung = q->head = q->acked = 0;
	q->phase = NVME_DW3_PHASE;
}

static void sq_push(struct nvme_queue *q, const struct nvme_sqe *sqe)
{
	q->sq[q->tail] = *sqe;
	q->tail = q->tail + 1u == q->size ? 0 : (uint16_t)(q->tail + 1);
}

void nvme_ring(struct nvme_queue *q)
{
	if (q->tail == q->rung)
		return;
	q->rung = q->tail;
	dma_wmb();
	mmio_write32(q->sq_db, q->tail);
}

/* The phase bit tells whether the entry is new; read it before the rest of the entry. */
static bool cq_next(struct nvme_queue *q, struct nvme_cqe *out)
{
	volatile struct nvme_cqe *e = &q->cq[q->head];

	out->dw3 = e->dw3;
	if ((out->dw3 & NVME_DW3_PHASE) != q->phase)
		return false;
	dma_rmb();
	out->dw0 = e->dw0;
	out->dw2 = e->dw2;
	if (++q->head == q->size) {
		q->head = 0;
		q->phase ^= NVME_DW3_PHASE;
	}
	return true;
}

static void cq_ack(struct nvme_queue *q)
{
	if (q->head == q->acked)
		return;
	q->acked = q->head;
	mmio_write32(q->cq_db, q->head);
}

/* --- admin commands --- */

RARE int nvme_admin_submit(struct nvme *n, struct nvme_sqe *sqe, void (*done)(struct nvme *n, unsigned status, uint32_t dw0))
{
	for (unsigned i = 0; i < NVME_ADMIN_CMDS; i++) {
		if (n->admin_cmd[i].done)
			continue;
		n->admin_cmd[i].done = done;
		n->admin_cmd[i].deadline_us = time_us() + NVME_ADMIN_US;
		sqe->cdw0 = (sqe->cdw0 & ~NVME_CDW0_CID) | FIELD_PREP(NVME_CDW0_CID, i);
		sq_push(&n->admin, sqe);
		nvme_ring(&n->admin);
		return 0;
	}
	return -ERR_BUSY;
}

static void sync_done(struct nvme *n, unsigned status, uint32_t dw0)
{
	n->sync.done = true;
	n->sync.status = status;
	n->sync.dw0 = dw0;
}

/* True if the command has completed (n->sync.done), or if it never can. */
static bool sync_over(struct nvme *n)
{
	nvme_reap(n);
	return n->sync.done || (nvme_read(n, NVME_CSTS) & NVME_CSTS_CFS);	/* all ones have the bit, too */
}

static int send_once(struct nvme *n, struct nvme_sqe *sqe, const char *what)
{
	n->sync.done = false;
	n->sync.status = 0;
	if (nvme_admin_submit(n, sqe, sync_done))
		return -ERR_BUSY;
	(void)wait_until(sync_over(n), NVME_ADMIN_US);
	if (!n->sync.done) {
		log_err("%s: %s not completed within %u ms, CSTS %08x", n->dev.name, what, NVME_ADMIN_US / 1000,
			nvme_read(n, NVME_CSTS));
		return -ERR_TIMEOUT;
	}
	if (n->sync.status) {
		log_info("%s: %s failed, status %03x", n->dev.name, what, n->sync.status);
		return -ERR_IO;
	}
	return 0;
}

/* Reset a controller that did not answer; -ERR_TIMEOUT if it does not come back, or is silent too often. */
static int reset_silent(struct nvme *n)
{
	if (n->sync.silences++ == NVME_MAX_SILENCES)
		return -ERR_TIMEOUT;
	nvme_disable(n, time_us());
	return nvme_wait_state(n, NVME_SETUP) ? -ERR_TIMEOUT : 0;
}

int nvme_admin_sync(struct nvme *n, struct nvme_sqe *sqe, const char *what)
{
	int err = send_once(n, sqe, what);

	if (err != -ERR_TIMEOUT || reset_silent(n))
		return err;
	return send_once(n, sqe, what);
}

int nvme_admin_optional(struct nvme *n, struct nvme_sqe *sqe, const char *what)
{
	int err = send_once(n, sqe, what);

	if (err != -ERR_TIMEOUT)
		return err;
	return reset_silent(n) ? -ERR_TIMEOUT : -ERR_IO;
}

static void bad_cqe(struct nvme *n, const char *queue, const struct nvme_cqe *e)
{
	log_err_once(n->said_bad_cqe, "%s %s: completion without a command: cid %04x sqid %04x status %03x; ignored",
		     n->dev.name, queue, FIELD_GET(NVME_DW3_CID, e->dw3), FIELD_GET(NVME_DW2_SQID, e->dw2),
		     FIELD_GET(NVME_DW3_STATUS, e->dw3));
}

static RARE void admin_complete(struct nvme *n, const struct nvme_cqe *e)
{
	uint32_t cid = FIELD_GET(NVME_DW3_CID, e->dw3);

	if (cid >= NVME_ADMIN_CMDS || !n->admin_cmd[cid].done || FIELD_GET(NVME_DW2_SQID, e->dw2) != 0) {
		bad_cqe(n, "admin", e);
		return;
	}
	void (*done)(struct nvme *n, unsigned status, uint32_t dw0) = n->admin_cmd[cid].done;

	n->admin_cmd[cid].done = NULL;
	done(n, FIELD_GET(NVME_DW3_STATUS, e->dw3), e->dw0);
}

/* --- commands --- */

void nvme_slot_push(struct nvme *n, struct nvme_slot *s)
{
	/* The queue cannot be full: it has one entry more than there are slots. */
	s->state = SLOT_HW;
	sq_push(&n->io, &s->sqe);
}

void nvme_slot_finish(struct nvme *n, struct nvme_slot *s, int status)
{
	s->state = SLOT_DONE;
	s->status = status;
	n->finished[n->fin_tail++ % ARRAY_SIZE(n->finished)] = (uint16_t)FIELD_GET(NVME_CDW0_CID, s->sqe.cdw0);
}

static struct nvme_slot *nvme_slot_get(struct nvme *n, struct nvme_ns *ns)
{
	for (unsigned i = 0; i < n->nslots; i++) {
		unsigned cid = n->next_slot;
		struct nvme_slot *s = &n->slot[cid];

		n->next_slot = cid + 1 == n->nslots ? 0 : cid + 1;
		if (s->state != SLOT_FREE)
			continue;
		s->sqe = (struct nvme_sqe){ .cdw0 = FIELD_PREP(NVME_CDW0_CID, cid), .nsid = ns->disk.index };
		s->ns = ns;
		s->cmd = NULL;
		s->own = s->timed_out = false;
		s->resubmits = 0;
		return s;
	}
	return NULL;
}

/*
 * Physical Region Pages, section 4.3: the first entry may have an offset (dword aligned), all others are whole pages;
 * the command holds two entries, a list holds more.  hw/disk_cut.c cuts by these rules; check them nevertheless, because a
 * wrong entry makes the controller write to other memory.
 */
static int fill_prps(const struct nvme *n, struct nvme_slot *s, const struct disk_cmd *cmd)
{
	uint64_t page = n->page_size, all = (uint64_t)cmd->nblocks * s->ns->disk.block_size, bytes = 0;
	unsigned count = 0;

	/* Most transfers: one piece on one or two pages, which needs no list. */
	if (cmd->nsg == 1 && cmd->sg->len == all && IS_ALIGNED(cmd->sg->addr, 4)) {
		uint64_t start = cmd->sg->addr, first = page - (start & (page - 1));

		if (all <= first + page) {
			s->sqe.prp1 = start;
			s->sqe.prp2 = all > first ? start + first : 0;
			return 0;
		}
	}
	for (unsigned i = 0; i < cmd->nsg; i++) {
		uint64_t at = cmd->sg[i].addr, end = at + cmd->sg[i].len;

		if (!IS_ALIGNED(at, i ? page : 4) || end <= at || (i + 1 < cmd->nsg && !IS_ALIGNED(end, page)))
			return -ERR_INVAL;
		bytes += end - at;
		for (; at < end; at = ALIGN_DOWN(at, page) + page) {
			if (count > NVME_PRP_LIST)
				return -ERR_INVAL;
			if (count)
				s->prp[count - 1] = at;
			else
				s->sqe.prp1 = at;
			count++;
		}
	}
	if (bytes != all)
		return -ERR_INVAL;
	if (count == 2)
		s->sqe.prp2 = s->prp[0];
	else if (count > 2)
		s->sqe.prp2 = mem_phys(s->prp);
	return 0;
}

static int slot_fill(const struct nvme *n, struct nvme_slot *s, const struct disk_cmd *cmd)
{
	struct nvme_dsm_range *range = (struct nvme_dsm_range *)s->prp;	/* a discard has no PRP list */
	uint32_t fua = s->ns->fua ? NVME_RW_FUA : 0;

	if (cmd->op == DISK_FLUSH) {
		s->sqe.cdw0 |= NVME_IO_FLUSH;
		return 0;
	}
	if (cmd->op == DISK_DISCARD) {
		range->attributes = 0;
		range->nblocks = cmd->nblocks;
		range->slba = cmd->lba;
		s->sqe.cdw0 |= NVME_IO_DSM;
		s->sqe.prp1 = mem_phys(range);
		s->sqe.cdw11 = NVME_DSM_AD;
		return 0;
	}
	if (!cmd->nblocks || cmd->nblocks > NVME_MAX_NLB)
		return -ERR_INVAL;
	s->sqe.cdw10 = (uint32_t)cmd->lba;
	s->sqe.cdw11 = (uint32_t)(cmd->lba >> 32);
	s->sqe.cdw12 = FIELD_PREP(NVME_RW_NLB, cmd->nblocks - 1);
	switch (cmd->op) {
	case DISK_READ:
		s->sqe.cdw0 |= NVME_IO_READ;
		return fill_prps(n, s, cmd);
	case DISK_WRITE:
		s->sqe.cdw0 |= NVME_IO_WRITE;
		s->sqe.cdw12 |= fua;
		return fill_prps(n, s, cmd);
	case DISK_WRITE_ZEROES:
		s->sqe.cdw0 |= NVME_IO_WRITE_ZEROES;
		s->sqe.cdw12 |= fua | (cmd->unmap && s->ns->deac ? NVME_RW_DEAC : 0);
		return 0;
	default:
		return -ERR_NOTSUP;
	}
}

static int nvme_start(struct disk *disk, unsigned q, struct disk_cmd *cmd)
{
	struct nvme_ns *ns = container_of(disk, struct nvme_ns, disk);
	struct nvme *n = ns->n;

	if (n->state == NVME_GONE || disk->gone)
		return -ERR_NODEV;

	bool wait = n->state != NVME_LIVE || ns->flush_due || ns->flushing ||
		    (ns->draining && !nvme_quiet(disk));
	struct nvme_slot *s = wait ? NULL : nvme_slot_get(n, ns);

	if (!s) {
		n->offer = true;
		return -ERR_BUSY;
	}
	int err = slot_fill(n, s, cmd);

	if (err) {
		log_err_once(n->said_bad_prp, "%s: command %u of %u blocks in %u pieces breaks the rules; refused", disk->name,
			     cmd->op, cmd->nblocks, cmd->nsg);
		return err;
	}
	s->cmd = cmd;
	s->deadline_us = cmd->deadline_us;
	nvme_slot_push(n, s);
	return 0;
}

static void nvme_kick(struct disk *disk, unsigned q)
{
	struct nvme *n = container_of(disk, struct nvme_ns, disk)->n;

	if (n->state == NVME_LIVE)
		nvme_ring(&n->io);
}

/* --- completions --- */

static int status_to_err(unsigned status)
{
	switch (status) {
	case 0:
		return 0;
	case NVME_SC_OPCODE:
		return -ERR_NOTSUP;
	case NVME_SC_LBA_RANGE:
		return -ERR_INVAL;
	case NVME_SC_NS_WRITE_PROT:
	case NVME_SC_READ_ONLY:
		return -ERR_ROFS;
	default:
		return -ERR_IO;
	}
}

/*
 * A command that did not cause its failure is sent again: its queue was deleted, or its namespace is still starting after a
 * reset.  The command keeps its deadline, which ends the attempts.
 */
static RARE void slot_failed(struct nvme *n, struct nvme_slot *s, unsigned status)
{
	uint64_t now = time_us();
	bool starting = status == NVME_SC_NS_NOT_READY && now < n->settled_us;
	int err = status_to_err(status);

	if (!s->timed_out && now < s->deadline_us && (status == NVME_SC_ABORT_SQ || starting)) {
		s->state = SLOT_HELD;
		s->not_before_us = now + NVME_NOT_READY_US;
		return;
	}
	if (status == NVME_SC_ABORT_REQ && s->timed_out)
		err = -ERR_TIMEOUT;
	log_warn("%s: opcode %02x lba %u:%08x failed, status %03x", s->ns->disk.name,
		 FIELD_GET(NVME_CDW0_OPC, s->sqe.cdw0), s->sqe.cdw11, s->sqe.cdw10, status);
	nvme_slot_finish(n, s, err);
}

static void io_complete(struct nvme *n, const struct nvme_cqe *e)
{
	uint32_t cid = FIELD_GET(NVME_DW3_CID, e->dw3);
	struct nvme_slot *s;
	unsigned status;

	if (cid >= n->nslots || n->slot[cid].state != SLOT_HW || FIELD_GET(NVME_DW2_SQID, e->dw2) != 1) {
		bad_cqe(n, "cq1", e);
		return;
	}
	s = &n->slot[cid];
	status = FIELD_GET(NVME_DW3_STATUS, e->dw3);
	if (n->abort.cid == cid)
		n->abort.cid = NVME_NO_SLOT;
	if (!s->cmd && !s->own)
		s->state = SLOT_FREE;	/* the client has dropped the command */
	else if (status)
		slot_failed(n, s, status);
	else
		nvme_slot_finish(n, s, 0);
}

/*
 * All commands that were outstanding at the call fit into one round of each ring.  Commands that are submitted meanwhile
 * interrupt again, because their entries are posted after the head that this function writes.
 */
unsigned nvme_reap(struct nvme *n)
{
	struct nvme_cqe e;
	unsigned count = 0;

	for (unsigned i = 0; i < n->io.size && cq_next(&n->io, &e); i++, count++)
		io_complete(n, &e);
	cq_ack(&n->io);
	for (unsigned i = 0; i < n->admin.size && cq_next(&n->admin, &e); i++, count++)
		admin_complete(n, &e);
	cq_ack(&n->admin);
	return count;
}

RARE void nvme_reap_disabled(struct nvme *n)
{
	struct nvme_cqe e;

	for (unsigned i = 0; i < n->io.size && cq_next(&n->io, &e); i++)
		io_complete(n, &e);
}

unsigned nvme_deliver(struct nvme *n)
{
	unsigned count = 0;

	while (n->fin_head != n->fin_tail) {
		struct nvme_slot *s = &n->slot[n->finished[n->fin_head++ % ARRAY_SIZE(n->finished)]];
		struct disk_cmd *cmd = s->cmd;

		s->state = SLOT_FREE;	/* before the call: the client may submit from inside */
		count++;
		if (s->own) {
			s->ns->flushing = false;
			n->offer = true;
			if (s->status)
				log_err("%s: flush of the write cache failed: %s", s->ns->disk.name, err_name(s->status));
		} else if (cmd) {
			disk_cmd_done(&s->ns->disk, cmd, s->status);
		}
	}
	return count;
}

void nvme_run_disks(struct nvme *n)
{
	n->offer = false;
	for (unsigned i = 0; i < n->dev.ndisk; i++) {
		struct disk *d = n->dev.disk[i];

		if (n->ns[i]->resized && d->client_resized)
			d->client_resized(d);
		n->ns[i]->resized = false;
		disk_run(d);
	}
}

unsigned nvme_poll(struct hw_dev *dev)
{
	struct nvme *n = nvme_of(dev);
	unsigned reaped = 0, delivered;

	if (n->state == NVME_LIVE || n->state == NVME_SETUP)
		reaped = nvme_reap(n);
	/*
	 * Writing the heads lowers the line only if no completion came meanwhile.  Veneer's I/O APIC entry is edge triggered,
	 * so such a completion needs a new edge.
	 */
	if (reaped && n->irq_on && n->irq_pin) {
		nvme_write(n, NVME_INTMS, 1);
		nvme_write(n, NVME_INTMC, 1);
	}
	delivered = nvme_deliver(n);
	nvme_background(n);
	if (delivered || n->offer)
		nvme_run_disks(n);
	return MAX(reaped, delivered);
}

/* --- the write cache --- */

static RARE void send_flush(struct nvme *n, struct nvme_ns *ns)
{
	struct nvme_slot *s = nvme_slot_get(n, ns);

	if (!s)
		return;
	s->own = true;
	s->sqe.cdw0 |= NVME_IO_FLUSH;
	s->deadline_us = time_us() + ns->disk.timeout_us;
	nvme_slot_push(n, s);
	nvme_ring(&n->io);
	ns->flush_due = false;
	ns->flushing = true;
}

RARE int nvme_send_vwc(struct nvme *n, void (*done)(struct nvme *n, unsigned status, uint32_t dw0))
{
	struct nvme_sqe sqe = { .cdw0 = NVME_ADM_SET_FEATURES, .cdw10 = NVME_FEAT_VWC };

	for (unsigned i = 0; i < n->dev.ndisk; i++)
		if (n->ns[i]->disk.write_cache)
			sqe.cdw11 = NVME_VWC_WCE;
	return nvme_admin_submit(n, &sqe, done);
}

static void vwc_done(struct nvme *n, unsigned status, uint32_t dw0)
{
	n->vwc_busy = false;
	if (status)	/* no data is at risk: if the client wants no cache, its writes carry FUA */
		log_warn("%s: Set Features (volatile write cache) failed, status %03x", n->dev.name, status);
}

RARE void nvme_background(struct nvme *n)
{
	if (n->state != NVME_LIVE)
		return;
	for (unsigned i = 0; i < n->dev.ndisk; i++)
		if (n->ns[i]->flush_due && !n->ns[i]->flushing)
			send_flush(n, n->ns[i]);
	if (n->vwc_due && !n->vwc_busy && !nvme_send_vwc(n, vwc_done)) {
		n->vwc_due = false;
		n->vwc_busy = true;
	}
}

/*
 * The feature belongs to the controller, the request to one namespace, and this function must not wait for Set Features.  So
 * "off" means: every later write of this disk carries FUA, new commands wait until one Flush has made the earlier writes
 * stable, and the feature is cleared when no disk wants a cache any more.
 */
static RARE int nvme_set_cache(struct disk *disk, bool on)
{
	struct nvme_ns *ns = container_of(disk, struct nvme_ns, disk);
	struct nvme *n = ns->n;

	if (n->state == NVME_GONE)
		return -ERR_NODEV;
	if (on == disk->write_cache)
		return 0;
	disk->write_cache = on;
	ns->fua = !on;
	ns->flush_due = !on;
	n->vwc_due = true;
	nvme_background(n);
	return 0;
}

const struct disk_ops nvme_disk_ops = {
	.start = nvme_start,
	.kick = nvme_kick,
	.abort_all = nvme_abort_all,
	.quiet = nvme_quiet,
	.set_cache = nvme_set_cache,
};

const struct disk_ops nvme_disk_ops_nocache = {
	.start = nvme_start,
	.kick = nvme_kick,
	.abort_all = nvme_abort_all,
	.quiet = nvme_quiet,
};

/* --- interrupts --- */

/*
 * INTMS and INTMC mask the vectors of INTx and MSI.  While MSI-X is enabled they must not be written (sections 3.1.3, 3.1.4):
 * the masks are then in the MSI-X table, which the doorbell code owns, and all completions go to entry 0.
 */
RARE void nvme_irq_enable(struct hw_dev *dev, bool on)
{
	struct nvme *n = nvme_of(dev);
	const struct pci_dev *pci = dev->pci;
	bool msi = pci->cap_msi && (pci_read16(pci, pci->cap_msi + 2) & BIT(0));

	n->irq_msix = pci->cap_msix && (pci_read16(pci, pci->cap_msix + 2) & BIT(15));
	n->irq_pin = !n->irq_msix && !msi;
	n->irq_on = on;
	if (!n->irq_msix)
		nvme_write(n, on && !n->masked ? NVME_INTMC : NVME_INTMS, 1);
}

bool nvme_mask(struct hw_dev *dev, bool on)
{
	struct nvme *n = nvme_of(dev);

	n->masked = on;
	if (n->irq_on && n->state != NVME_GONE) {
		nvme_irq_enable(dev, true);
		(void)nvme_read(n, NVME_CSTS);		/* flush the posted write */
	}
	return true;
}

static bool cq_has(const struct nvme_queue *q)
{
	return (q->cq[q->head].dw3 & NVME_DW3_PHASE) == q->phase;
}

/* In other states the clock drives the controller. */
bool nvme_peek(struct hw_dev *dev)
{
	const struct nvme *n = nvme_of(dev);

	return n->state == NVME_LIVE && (cq_has(&n->io) || cq_has(&n->admin));
}

static void line_test_done(struct nvme *n, unsigned status, uint32_t dw0)
{
	n->sync.done = true;
}

/* Send a harmless admin command: its completion keeps the line asserted until the head doorbell is written. */
RARE void nvme_intx_test(struct hw_dev *dev, bool assert)
{
	struct nvme *n = nvme_of(dev);
	struct nvme_sqe sqe = { .cdw0 = NVME_ADM_GET_FEATURES, .cdw10 = NVME_FEAT_NUM_QUEUES };

	if (n->state != NVME_LIVE)
		return;
	if (assert) {
		n->sync.done = false;
		nvme_write(n, NVME_INTMC, 1);
		if (nvme_admin_submit(n, &sqe, line_test_done))
			log_err("%s: no admin command free for the INTx test", dev->name);
		return;
	}
	(void)wait_until(sync_over(n), NVME_ADMIN_US);
	if (!n->sync.done)
		log_err("%s: Get Features not completed within %u ms, CSTS %08x", dev->name, NVME_ADMIN_US / 1000,
			nvme_read(n, NVME_CSTS));
	nvme_write(n, NVME_INTMS, 1);
}
