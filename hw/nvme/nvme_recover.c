/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bring a controller up, at the start and after failures; deadlines, abort, shutdown.  No command is built here.
 *
 *   DISABLING -> ENABLING -> SETUP -> LIVE,   LIVE -> DISABLING on a reset,   any -> GONE when a step fails.
 *
 * The machine advances in poll and tick only.  Ticks come while requests are outstanding.  A reset without outstanding requests
 * pauses until the next request; start() refuses requests with -ERR_BUSY until the machine is LIVE again.
 *
 * If a command passes its deadline, the driver tries Abort for NVME_ABORT_US, which disturbs no other command.  Then it resets
 * the controller.  DMA has ended only when CSTS.RDY reads 0 (section 7.3.2), so the command fails only then; the other commands
 * go into the new queue.
 */
#include <veneer/err.h>
#include <veneer/io.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include <veneer/time.h>
#include "nvme.h"

#define DELAY_RDY_US	2300000u	/* NVME_Q_DELAY_RDY */
#define DRAIN_US	250000u		/* inside an exit: a healthy drive finishes its commands in this time */
#define SHUTDOWN_US	5000000u	/* for each of drain, flush, and CC.SHN if RTD3E is 0 */
#define RTD3E_MAX_US	30000000u

/* --- losing the controller --- */

static void master_off(struct nvme *n)
{
	pci_master_off(n->dev.pci);
	/* The completion of a read pushes the device's earlier writes to memory (PCI Express 4.0 section 2.4.1). */
	(void)pci_read16(n->dev.pci, PCI_COMMAND);
	n->master_is_off = true;
}

void nvme_give_up(struct nvme *n)
{
	if (n->state == NVME_GONE)
		return;
	log_err("%s: given up; its disks are gone", n->dev.name);
	master_off(n);
	n->state = NVME_GONE;
	memset(n->admin_cmd, 0, sizeof(n->admin_cmd));
	for (unsigned i = 0; i < n->dev.ndisk; i++) {
		n->ns[i]->disk.gone = true;
		n->ns[i]->flush_due = false;
	}
	for (unsigned i = 0; i < n->nslots; i++) {
		struct nvme_slot *s = &n->slot[i];

		if (s->state == SLOT_HW || s->state == SLOT_HELD)
			nvme_slot_finish(n, s, s->timed_out ? -ERR_TIMEOUT : -ERR_NODEV);
	}
	n->offer = true;
}

/* --- the state machine --- */

void nvme_disable(struct nvme *n, uint64_t now)
{
	n->state = NVME_DISABLING;
	n->check_after_us = now + (n->quirks & NVME_Q_DELAY_RDY ? DELAY_RDY_US : 0);
	n->state_deadline_us = n->check_after_us + n->ready_us;
	memset(n->admin_cmd, 0, sizeof(n->admin_cmd));
	n->abort.cid = NVME_NO_SLOT;
	n->abort.busy = n->vwc_busy = false;
	nvme_write(n, NVME_CC, nvme_read(n, NVME_CC) & ~(NVME_CC_EN | NVME_CC_SHN));
	(void)nvme_read(n, NVME_CSTS);		/* flush the posted write */
}

/* CSTS.RDY is 0, so the controller has no command any more: decide for each slot whether it fails or is sent again. */
static void sort_out_slots(struct nvme *n, uint64_t now)
{
	nvme_reap_disabled(n);		/* completions from before the reset are valid */
	for (unsigned i = 0; i < n->nslots; i++) {
		struct nvme_slot *s = &n->slot[i];

		if (s->state != SLOT_HW)
			continue;
		if (!s->cmd && !s->own) {
			s->state = SLOT_FREE;
		} else if (s->timed_out) {
			nvme_slot_finish(n, s, -ERR_TIMEOUT);
		} else if (s->resubmits++ == NVME_MAX_RESUBMITS) {
			log_err("%s: opcode %02x was in flight in %u resets: not sent again", s->ns->disk.name,
				FIELD_GET(NVME_CDW0_OPC, s->sqe.cdw0), NVME_MAX_RESUBMITS + 1);
			nvme_slot_finish(n, s, -ERR_IO);
		} else {
			s->state = SLOT_HELD;
			s->not_before_us = now;
		}
	}
}

static void ctrl_enable(struct nvme *n, uint64_t now)
{
	sort_out_slots(n, now);
	memset(n->admin_cmd, 0, sizeof(n->admin_cmd));
	if (n->master_is_off)
		pci_enable(n->dev.pci);
	n->master_is_off = false;
	nvme_queue_clear(&n->admin);
	nvme_queue_clear(&n->io);
	nvme_write(n, NVME_AQA, FIELD_PREP(NVME_AQA_ASQS, n->admin.size - 1) | FIELD_PREP(NVME_AQA_ACQS, n->admin.size - 1));
	nvme_write_64(n, NVME_ASQ, mem_phys(n->admin.sq));
	nvme_write_64(n, NVME_ACQ, mem_phys(n->admin.cq));
	dma_wmb();
	nvme_write(n, NVME_CC, n->cc | NVME_CC_EN);
	n->state = NVME_ENABLING;
	n->state_deadline_us = now + n->ready_us;
}

static bool admin_overdue(const struct nvme *n, uint64_t now)
{
	for (unsigned i = 0; i < NVME_ADMIN_CMDS; i++)
		if (n->admin_cmd[i].done && now >= n->admin_cmd[i].deadline_us)
			return true;
	return false;
}

static void ctrl_reset(struct nvme *n, uint64_t now, const char *why, uint32_t csts)
{
	log_err("%s: %s, CSTS %08x: controller reset", n->dev.name, why, csts);
	nvme_disable(n, now);
}

static void check_deadlines(struct nvme *n, uint64_t now, uint32_t csts);

static void held_resubmit(struct nvme *n, uint64_t now)
{
	for (unsigned i = 0; i < n->nslots; i++) {
		struct nvme_slot *s = &n->slot[i];

		if (s->state != SLOT_HELD)
			continue;
		if (now >= s->deadline_us)
			nvme_slot_finish(n, s, -ERR_TIMEOUT);
		else if (now >= s->not_before_us)
			nvme_slot_push(n, s);
	}
	nvme_ring(&n->io);
}

/*
 * Registers of a removed device read all ones.  With some bridges and emulators they read zeroes, like those of a controller
 * that waits to be enabled; the configuration space tells the difference.
 */
static bool ctrl_removed(const struct nvme *n, uint32_t csts)
{
	if (csts == NVME_ALL_ONES)
		return true;
	return !csts && n->state != NVME_DISABLING && pci_read16(n->dev.pci, PCI_VENDOR_ID) == 0xffff;
}

enum { SETUP_NUM_QUEUES, SETUP_CQ, SETUP_SQ, SETUP_EVENTS, SETUP_VWC, SETUP_STEPS };

/* A step of the setup got no answer.  If the step is optional, reset the controller and go on without this step. */
static void setup_silent(struct nvme *n, uint64_t now)
{
	if (n->setup_step < SETUP_EVENTS) {
		nvme_give_up(n);
		return;
	}
	n->skip_steps |= BIT(n->setup_step);
	nvme_disable(n, now);
}

/* The event that is still pending would send the same command after the reset: request no more events. */
static void live_silent(struct nvme *n, uint64_t now, uint32_t csts)
{
	n->event.off |= n->event.busy;
	ctrl_reset(n, now, "an admin command was not completed", csts);
}

void nvme_advance(struct nvme *n, uint64_t now)
{
	uint32_t csts;

	if (n->state == NVME_GONE || n->state == NVME_STOPPED)
		return;
	csts = nvme_read(n, NVME_CSTS);
	if (ctrl_removed(n, csts)) {
		log_err("%s: removed: nothing answers, CSTS %08x", n->dev.name, csts);
		nvme_give_up(n);
		return;
	}
	switch (n->state) {
	case NVME_DISABLING:
		if (now < n->check_after_us)
			return;
		if (!(csts & NVME_CSTS_RDY)) {
			ctrl_enable(n, now);
		} else if (now >= n->state_deadline_us) {
			log_err("%s: CSTS.RDY = 0 awaited for %u ms after CC.EN = 0, CSTS %08x", n->dev.name,
				(unsigned)(n->ready_us / 1000), csts);
			nvme_give_up(n);
		}
		return;
	case NVME_ENABLING:
		if (csts & NVME_CSTS_CFS) {
			log_err("%s: fatal status while it was enabled, CSTS %08x", n->dev.name, csts);
			nvme_give_up(n);
		} else if (csts & NVME_CSTS_RDY) {
			/* The reset has unmasked the vectors (section 7.3.2). */
			nvme_irq_enable(&n->dev, n->irq_on);
			n->state = NVME_SETUP;
			n->setup_step = 0;
			if (n->dev.disk)	/* at the start nvme_wait_state() ends here, for Identify */
				nvme_setup_next(n);
		} else if (now >= n->state_deadline_us) {
			log_err("%s: CSTS.RDY = 1 awaited for %u ms after CC.EN = 1, CSTS %08x", n->dev.name,
				(unsigned)(n->ready_us / 1000), csts);
			nvme_give_up(n);
		}
		return;
	case NVME_SETUP:
		nvme_reap(n);
		if (n->state == NVME_SETUP && ((csts & NVME_CSTS_CFS) || admin_overdue(n, now))) {
			log_err("%s: creating the I/O queues, step %u not completed, CSTS %08x", n->dev.name, n->setup_step,
				csts);
			setup_silent(n, now);
		}
		return;
	default:
		nvme_reap(n);
		if (csts & NVME_CSTS_CFS)
			ctrl_reset(n, now, "fatal status", csts);
		else if (!(csts & NVME_CSTS_RDY))
			ctrl_reset(n, now, "it is no longer ready", csts);	/* its power was off for a moment */
		else if (admin_overdue(n, now))
			live_silent(n, now, csts);
		else
			check_deadlines(n, now, csts);
		if (n->state == NVME_LIVE)
			held_resubmit(n, now);
	}
}

static bool state_reached(struct nvme *n, enum nvme_state state)
{
	nvme_advance(n, time_us());
	return n->state == state || n->state == NVME_GONE;
}

int nvme_wait_state(struct nvme *n, enum nvme_state state)
{
	/* Each state has a deadline; the limit here is their sum. */
	(void)wait_until(state_reached(n, state), 2 * n->ready_us + DELAY_RDY_US + 4ull * NVME_ADMIN_US);
	return n->state == state ? 0 : n->state == NVME_GONE ? -ERR_NODEV : -ERR_TIMEOUT;
}

/* --- setup: the I/O queues --- */

static void setup_done(struct nvme *n, unsigned status, uint32_t dw0);

static void go_live(struct nvme *n)
{
	uint64_t now = time_us();
	unsigned again = 0;

	for (unsigned i = 0; i < n->nslots; i++) {
		struct nvme_slot *s = &n->slot[i];

		if (s->state != SLOT_HELD)
			continue;
		s->deadline_us = now + s->ns->disk.timeout_us;	/* other commands caused the reset */
		again++;
	}
	n->state = NVME_LIVE;
	n->settled_us = now + n->ready_us;
	n->offer = true;
	if (n->was_live)
		log_info("%s: ready after the reset, %u commands sent again", n->dev.name, again);
	n->was_live = true;
	held_resubmit(n, now);
	nvme_event_request(n);
}

static const char *const setup_names[SETUP_STEPS] = {
	[SETUP_NUM_QUEUES] = "Set Features (number of queues)",
	[SETUP_CQ] = "Create I/O Completion Queue",
	[SETUP_SQ] = "Create I/O Submission Queue",
	[SETUP_EVENTS] = "Set Features (asynchronous events)",
	[SETUP_VWC] = "Set Features (volatile write cache)",
};

/* Send the next command.  One is outstanding at a time, so there is always room for it. */
void nvme_setup_next(struct nvme *n)
{
	uint32_t prio = n->quirks & NVME_Q_MEDIUM_PRIO ? NVME_QPRIO_MEDIUM : 0;
	struct nvme_sqe sqe = { .cdw10 = FIELD_PREP(NVME_QUEUE_QID, 1) | FIELD_PREP(NVME_QUEUE_QSIZE, n->io.size - 1) };

	while (n->skip_steps & BIT(n->setup_step))
		n->setup_step++;
	switch (n->setup_step) {
	case SETUP_NUM_QUEUES:
		sqe.cdw0 = NVME_ADM_SET_FEATURES;
		sqe.cdw10 = NVME_FEAT_NUM_QUEUES;
		break;
	case SETUP_CQ:
		sqe.cdw0 = NVME_ADM_CREATE_CQ;
		sqe.prp1 = mem_phys(n->io.cq);
		sqe.cdw11 = NVME_CQ_PC | NVME_CQ_IEN | FIELD_PREP(NVME_CQ_IV, 0);
		break;
	case SETUP_SQ:
		sqe.cdw0 = NVME_ADM_CREATE_SQ;
		sqe.prp1 = mem_phys(n->io.sq);
		sqe.cdw11 = NVME_SQ_PC | FIELD_PREP(NVME_SQ_QPRIO, prio) | FIELD_PREP(NVME_SQ_CQID, 1);
		break;
	case SETUP_EVENTS:
		(void)nvme_send_events(n, setup_done);
		return;
	case SETUP_VWC:
		/* A reset restores the feature's saved value.  At the start the disks have the present value. */
		if (n->vwc && n->was_live) {
			n->vwc_due = false;
			(void)nvme_send_vwc(n, setup_done);
			return;
		}
		/* fall through */
	default:
		go_live(n);
		return;
	}
	(void)nvme_admin_submit(n, &sqe, setup_done);
}

static void setup_done(struct nvme *n, unsigned status, uint32_t dw0)
{
	if (status) {
		log_err("%s: %s failed, status %03x", n->dev.name, setup_names[n->setup_step], status);
		if (n->setup_step < SETUP_EVENTS) {
			nvme_give_up(n);
			return;
		}
	}
	n->setup_step++;
	nvme_setup_next(n);
}

/* --- deadlines --- */

static void abort_done(struct nvme *n, unsigned status, uint32_t dw0)
{
	n->abort.busy = false;
	if (status || (dw0 & NVME_ABORT_NOT))
		n->abort.until_us = 0;
}

static void send_abort(struct nvme *n, struct nvme_slot *s, uint64_t now)
{
	uint32_t cid = (uint32_t)(s - n->slot);
	struct nvme_sqe sqe = {
		.cdw0 = NVME_ADM_ABORT,
		.cdw10 = FIELD_PREP(NVME_ABORT_SQID, 1) | FIELD_PREP(NVME_ABORT_CID, cid),
	};

	n->abort.cid = (uint16_t)cid;
	n->abort.until_us = now + NVME_ABORT_US;
	n->abort.busy = !nvme_admin_submit(n, &sqe, abort_done);
}

/* Mark the commands past their deadline, and return the first of them. */
static struct nvme_slot *find_overdue(struct nvme *n, uint64_t now)
{
	struct nvme_slot *first = NULL, *news = NULL;
	unsigned count = 0;

	for (unsigned i = 0; i < n->nslots; i++) {
		struct nvme_slot *s = &n->slot[i];

		if (s->state != SLOT_HW || now < s->deadline_us)
			continue;
		if (!first)
			first = s;
		if (s->timed_out)
			continue;
		s->timed_out = true;
		count++;
		if (!news)
			news = s;
	}
	if (news)
		log_err("%s: opcode %02x lba %u:%08x and %u more not completed by their deadline", news->ns->disk.name,
			FIELD_GET(NVME_CDW0_OPC, news->sqe.cdw0), news->sqe.cdw11, news->sqe.cdw10, count - 1);
	return first;
}

/*
 * Send one Abort at a time: ACL may be 0.  Give up a controller that drains when it is disabled (NVME_Q_DRAINS): disabling it
 * would stop this CPU for as long as the command hangs.
 */
static void check_deadlines(struct nvme *n, uint64_t now, uint32_t csts)
{
	struct nvme_slot *s = find_overdue(n, now);

	if (!s)
		return;
	if (n->abort.cid != s - n->slot && !n->abort.busy)
		send_abort(n, s, now);
	else if (now < n->abort.until_us)
		return;
	else if (n->quirks & NVME_Q_DRAINS)
		nvme_give_up(n);
	else
		ctrl_reset(n, now, "Abort did not help", csts);
}

unsigned nvme_tick(struct hw_dev *dev, uint64_t now)
{
	struct nvme *n = nvme_of(dev);

	nvme_advance(n, now);
	unsigned delivered = nvme_deliver(n);

	nvme_background(n);
	if (n->state != NVME_STOPPED)
		nvme_run_disks(n);
	return delivered;
}

/* --- abort --- */

/* True if the controller has a command; with @ns, one of that namespace's client. */
static bool in_hw(const struct nvme *n, const struct nvme_ns *ns)
{
	for (unsigned i = 0; i < n->nslots; i++) {
		const struct nvme_slot *s = &n->slot[i];

		if (s->state == SLOT_HW && (!ns || (s->ns == ns && !s->own)))
			return true;
	}
	return false;
}

static void ns_forget(struct nvme *n, const struct nvme_ns *ns)
{
	for (unsigned i = 0; i < n->nslots; i++) {
		struct nvme_slot *s = &n->slot[i];

		if (s->ns != ns || s->own)
			continue;
		s->cmd = NULL;
		if (s->state == SLOT_HELD)
			s->state = SLOT_FREE;
	}
}

static bool ns_drained(struct nvme *n, const struct nvme_ns *ns)
{
	nvme_reap(n);
	return !in_hw(n, ns);
}

static bool off_or_removed(const struct nvme *n)
{
	uint32_t csts = nvme_read(n, NVME_CSTS);

	return csts == NVME_ALL_ONES || (!(csts & NVME_CSTS_RDY) && time_us() >= n->check_after_us);
}

/*
 * This runs inside an exit, so it takes three bounded steps, each stronger than the one before.  First it gives the commands
 * the time in which a healthy drive finishes them, which affects no other disk.  Then it disables the controller; the other
 * disks' commands are sent again later.  If CSTS.RDY stays 1, it disables bus mastering, which ends all DMA, and leaves the
 * rest to the state machine.  Deleting the submission queue would be no better: this admin command has no time limit, and
 * affects all namespaces, too.
 *
 * A controller that drains (NVME_Q_DRAINS) cannot be disabled while a command hangs.  If the client can wait, it does: the
 * commands end, or pass their deadline, and then the controller is given up.  If the client cannot wait, it loses the disk.
 *
 * This function calls no client: completions of other disks stay in the list of finished slots until the next poll or tick.
 */
void nvme_abort_all(struct disk *disk)
{
	struct nvme_ns *ns = container_of(disk, struct nvme_ns, disk);
	struct nvme *n = ns->n;

	ns_forget(n, ns);
	if (!in_hw(n, ns) || n->state == NVME_GONE || n->state == NVME_STOPPED)
		return;
	if (n->state == NVME_LIVE && wait_until(ns_drained(n, ns), DRAIN_US))
		return;
	if (n->state == NVME_LIVE && (n->quirks & NVME_Q_DRAINS) && disk->patient) {
		ns->draining = true;
		return;
	}
	if (n->state == NVME_LIVE && (n->quirks & NVME_Q_DRAINS)) {
		log_err("%s: commands do not end and cannot be aborted", disk->name);
		nvme_give_up(n);
		return;
	}
	if (n->state == NVME_LIVE)
		ctrl_reset(n, time_us(), "commands to forget do not end", nvme_read(n, NVME_CSTS));
	if (!wait_until(off_or_removed(n), DRAIN_US) && !n->master_is_off) {
		log_warn("%s: CSTS.RDY = 0 awaited for %u ms, CSTS %08x: bus mastering off meanwhile", n->dev.name,
			 DRAIN_US / 1000, nvme_read(n, NVME_CSTS));
		master_off(n);
	}
}

bool nvme_quiet(struct disk *disk)
{
	struct nvme_ns *ns = container_of(disk, struct nvme_ns, disk);
	struct nvme *n = ns->n;

	if (!ns->draining)
		return true;
	nvme_advance(n, time_us());
	ns->draining = n->state == NVME_LIVE && in_hw(n, ns);
	return !ns->draining;
}

/* --- shutdown --- */

static void drop_finished(struct nvme *n)
{
	for (; n->fin_head != n->fin_tail; n->fin_head++) {
		struct nvme_slot *s = &n->slot[n->finished[n->fin_head % ARRAY_SIZE(n->finished)]];

		s->state = SLOT_FREE;
		if (s->own)
			s->ns->flushing = false;
	}
}

static bool flushes_over(struct nvme *n)
{
	bool waiting = false;

	drop_finished(n);
	nvme_background(n);
	nvme_reap(n);
	for (unsigned i = 0; i < n->dev.ndisk; i++)
		waiting |= n->ns[i]->flush_due;
	return !waiting && !in_hw(n, NULL);
}

static bool shutdown_over(const struct nvme *n)
{
	uint32_t csts = nvme_read(n, NVME_CSTS);

	return csts == NVME_ALL_ONES || FIELD_GET(NVME_CSTS_SHST, csts) == NVME_SHST_DONE;
}

static void shutdown_notify(struct nvme *n)
{
	uint64_t us = n->rtd3e_us ? MIN(n->rtd3e_us, RTD3E_MAX_US) : SHUTDOWN_US;
	uint32_t cc = nvme_read(n, NVME_CC) & ~NVME_CC_SHN;

	nvme_write(n, NVME_CC, cc | FIELD_PREP(NVME_CC_SHN, NVME_SHN_NORMAL));
	if (!wait_until(shutdown_over(n), us))
		log_err("%s: CSTS.SHST = %u awaited for %u ms, CSTS %08x", n->dev.name, NVME_SHST_DONE, (unsigned)(us / 1000),
			nvme_read(n, NVME_CSTS));
}

/*
 * Prepare for power-off (section 7.6.2): wait for the commands, flush the caches, set CC.SHN.  If commands hang, skip the
 * flush, which would hang, too, and CC.SHN.  Call no client; start nothing afterwards.
 */
void nvme_shutdown(struct hw_dev *dev)
{
	struct nvme *n = nvme_of(dev);

	if (n->state == NVME_GONE || n->state == NVME_STOPPED)
		return;
	if (n->state == NVME_LIVE && wait_until(ns_drained(n, NULL), SHUTDOWN_US)) {
		for (unsigned i = 0; i < n->dev.ndisk; i++)
			n->ns[i]->flush_due = n->vwc && !n->ns[i]->disk.gone;
		if (!wait_until(flushes_over(n), SHUTDOWN_US))
			log_err("%s: Flush not completed within %u ms", dev->name, SHUTDOWN_US / 1000);
		shutdown_notify(n);
	} else {
		log_err("%s: commands do not end; shut down without a flush", dev->name);
	}
	master_off(n);
	n->state = NVME_STOPPED;
}
