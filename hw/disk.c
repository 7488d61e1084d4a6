/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The queues between the client's requests and the controller's commands.  All state is per queue, and a queue belongs to one
 * CPU at a time, so there is no lock.  Cutting and bouncing are in disk_cut.c.
 *
 * A request waits in its queue's FIFO until its last command is started.  If the driver refuses a command with -ERR_BUSY, the
 * command stays built ("parked") and keeps its place at the head, so that no command overtakes it: otherwise a steady stream
 * of reads would keep an AHCI port from draining for a FLUSH.
 */
#include <veneer/err.h>
#include <veneer/hwdev.h>
#include <veneer/log.h>
#include <veneer/time.h>
#include "disk_queue.h"

/* --- lists --- */

static void req_list_add(struct req_list *l, struct disk_req *req)
{
	req->priv.next = NULL;
	if (l->tail)
		l->tail->priv.next = req;
	else
		l->head = req;
	l->tail = req;
}

static void list_pop(struct req_list *l)
{
	l->head = l->head->priv.next;
	if (!l->head)
		l->tail = NULL;
}

/*
 * Queue completions that come from inside a done(), so that done() -> disk_submit() -> done() does not nest: otherwise the
 * guest's requests would decide how deep the stack grows.
 */
static void req_finish(struct disk_queue *q, struct disk_req *req, int status)
{
	req->priv.status = status;
	q->completed = true;
	if (q->finishing) {
		req_list_add(&q->finished, req);
		return;
	}
	q->finishing = true;
	for (;;) {
		q->outstanding--;
		req->done(req, req->priv.status);
		req = q->finished.head;
		if (!req)
			break;
		list_pop(&q->finished);
	}
	q->finishing = false;
}

/* --- commands --- */

static struct disk_slot *disk_slot_get(struct disk_queue *q)
{
	return q->nfree ? &q->slots[q->free[--q->nfree]] : NULL;
}

static void slot_put(struct disk_slot *s)
{
	struct disk_queue *q = s->q;

	if (s->nchunks)
		disk_bounce_put(q, s->first, s->nchunks);
	s->nchunks = 0;
	s->req = NULL;
	q->free[q->nfree++] = s->cmd.tag;
}

/* Complete the request if none of its commands is in flight or still to be started. */
static void req_settle(struct disk_queue *q, struct disk_req *req)
{
	bool all_issued = req->priv.status || req->op == DISK_FLUSH || req->priv.issued_blocks == req->nblocks;

	if (req->priv.inflight || !all_issued || q->waiting.head == req)
		return;
	req_finish(q, req, req->priv.status);
}

/* Give @s to the driver.  False if the driver is busy; @s is then parked. */
static bool slot_start(struct disk_slot *s)
{
	struct disk_queue *q = s->q;
	struct disk *disk = q->disk;
	struct disk_req *req = s->req;

	/* Read the clock once for all commands of one kick. */
	if (!q->rings)
		q->deadline_us = time_us() + disk->timeout_us;
	s->cmd.deadline_us = q->deadline_us;
	int err = disk->ops->start(disk, q->index, &s->cmd);

	if (err == -ERR_BUSY) {
		q->parked = s;
		return false;
	}
	q->parked = NULL;
	if (err) {
		req->priv.status = err;
		disk->cnt_errors++;
		slot_put(s);
		return true;
	}
	disk->cnt_commands++;
	disk->cnt_splits += req->priv.issued_blocks != 0;
	req->priv.issued_blocks += s->cmd.nblocks;
	req->priv.inflight++;
	q->rings = true;
	return true;
}

/* --- most requests: one command, not split --- */

static void submit_any(struct disk_queue *q, struct disk_req *req);
static void queue_run(struct disk_queue *q);

static bool on_disk(const struct disk *disk, const struct disk_req *req)
{
	return req->nblocks && req->lba < disk->nblocks && req->nblocks <= disk->nblocks - req->lba;
}

/* True for a valid read or write that can be one command: the request's own pieces keep every rule of the controller. */
static bool req_is_plain(const struct disk_queue *q, const struct disk_req *req)
{
	const struct disk *disk = q->disk;
	const struct disk_limits *l = &disk->limits;
	uint64_t bytes = (uint64_t)req->nblocks << q->block_shift, sum = 0;
	uint64_t page = l->page_rule ? l->page_rule - 1 : 0, start = l->addr_align - 1;
	uint64_t room = l->max_seg_len - page;		/* every piece may have this many bytes, wherever it begins */

	if (req->op > DISK_WRITE || disk->gone || (req->op == DISK_WRITE && disk->hw_read_only) || !on_disk(disk, req))
		return false;
	if (!req->nsg || req->nsg > q->sg_cap || bytes > l->max_bytes)
		return false;
	for (const struct sg *p = req->sg, *last = p + req->nsg - 1; ; p++) {
		uint64_t end = p->addr + p->len;

		if ((p->addr & start) || (p->len & (l->len_align - 1)) || p->len > room || end - 1 > l->dma_mask)
			return false;
		sum += p->len;
		if (p == last)
			return sum == bytes;
		if (end & page)
			return false;
		start |= page;
	}
}

void disk_submit(struct disk *disk, unsigned index, struct disk_req *req)
{
	struct disk_queues *qs = disk->queue;
	struct disk_queue *q = &qs->q[index < qs->n ? index : 0];
	struct disk_slot *s;

	req->priv.issued_blocks = 0;
	req->priv.inflight = 0;
	req->priv.status = 0;
	q->outstanding++;
	if (q->waiting.head || !q->nfree || !req_is_plain(q, req)) {
		submit_any(q, req);
		return;
	}
	/* One command, of the request's own pieces. */
	s = disk_slot_get(q);
	s->req = req;
	s->skip = 0;
	s->cmd.op = req->op;
	s->cmd.unmap = false;
	s->cmd.lba = disk->first_block + req->lba;
	s->cmd.nblocks = req->nblocks;
	s->cmd.sg = req->sg;
	s->cmd.nsg = req->nsg;
	if (!slot_start(s))
		req_list_add(&q->waiting, req);	/* with its command parked */
	else if (req->priv.status)
		req_finish(q, req, req->priv.status);
}

static void queue_kick(struct disk_queue *q)
{
	if (!q->rings)
		return;
	q->rings = false;
	q->disk->ops->kick(q->disk, q->index);
}

void disk_kick(struct disk *disk, unsigned q)
{
	struct disk_queues *qs = disk->queue;

	if (q < qs->n)
		queue_kick(&qs->q[q]);
}

void disk_cmd_done(struct disk *disk, struct disk_cmd *cmd, int status)
{
	struct disk_slot *s = cmd->req;
	struct disk_queue *q = s->q;
	struct disk_req *req = s->req;

	if (!req) {
		log_err("%s: command tag %u completed twice", disk->name, cmd->tag);
		return;
	}
	disk->cnt_errors += status != 0;
	disk->cnt_timeouts += status == -ERR_TIMEOUT;
	if (!status && cmd->op == DISK_READ && s->nchunks)
		sg_copy_to(req->sg, req->nsg, s->skip, disk_slot_bounce(s), s->sg[0].len);
	if (!req->priv.status)
		req->priv.status = status;
	req->priv.inflight--;
	slot_put(s);
	req_settle(q, req);
	if (q->waiting.head)
		queue_run(q);
}

/* --- requests that are split or must wait --- */

/* Start the waiting requests' commands in order, until the driver is busy or no tag or bounce memory is free. */
static void queue_run(struct disk_queue *q)
{
	struct disk_req *req;

	while ((req = q->waiting.head)) {
		struct disk_slot *s = q->parked;

		if (q->disk->gone && !req->priv.status)
			req->priv.status = -ERR_NODEV;
		if (!req->priv.status) {
			if (!s) {
				s = disk_slot_get(q);
				if (!s)
					return;
				if (!disk_cut_next(s, req)) {
					slot_put(s);
					return;
				}
			}
			if (!slot_start(s))
				return;
			if (!req->priv.status && req->op != DISK_FLUSH && req->priv.issued_blocks < req->nblocks)
				continue;
		} else if (s) {
			slot_put(s);
			q->parked = NULL;
		}
		list_pop(&q->waiting);
		req_settle(q, req);
	}
}

/* Check a request.  0: queue it; 1: nothing to do; negative: the error. */
static int req_check(const struct disk_queue *q, const struct disk_req *req)
{
	const struct disk *disk = q->disk;
	bool range = req->op == DISK_DISCARD || req->op == DISK_WRITE_ZEROES;

	if (disk->gone)
		return -ERR_NODEV;
	if (req->op == DISK_FLUSH)
		return disk->flush ? 0 : disk->write_cache ? -ERR_NOTSUP : 1;
	if (req->op > DISK_WRITE_ZEROES || !disk_op_max_blocks(disk, req->op))
		return -ERR_NOTSUP;
	if ((range || req->op == DISK_WRITE) && disk->hw_read_only)
		return -ERR_ROFS;
	if (!on_disk(disk, req))
		return -ERR_INVAL;
	if (range)
		return 0;
	if (req->nsg > DISK_MAX_SEGS || sg_bytes(req->sg, req->nsg) != (uint64_t)req->nblocks << q->block_shift)
		return -ERR_INVAL;
	return 0;
}

/* Queue a request that is split or must wait. */
static __attribute__((noinline)) void submit_any(struct disk_queue *q, struct disk_req *req)
{
	int status = req_check(q, req);

	if (status) {
		req_finish(q, req, status < 0 ? status : 0);
		return;
	}
	req_list_add(&q->waiting, req);
	if (q->waiting.head == req)
		queue_run(q);
}

/* --- all queues --- */

void disk_run(struct disk *disk)
{
	struct disk_queues *qs = disk->queue;
	bool completed = false;

	for (unsigned i = 0; i < qs->n; i++) {
		queue_run(&qs->q[i]);
		queue_kick(&qs->q[i]);
		completed |= qs->q[i].completed;
		qs->q[i].completed = false;
	}
	if (completed && disk->client_batch_end)
		disk->client_batch_end(disk);
}

RARE void disk_queue_forget(struct disk_queue *q)
{
	q->nfree = 0;
	for (unsigned i = q->disk->limits.tags; i-- > 0; ) {
		q->slots[i].req = NULL;
		q->slots[i].nchunks = 0;
		q->free[q->nfree++] = (uint16_t)i;
	}
	q->parked = NULL;
	q->chunks_busy = 0;
	q->waiting = q->finished = (struct req_list) { NULL, NULL };
	q->rings = q->completed = false;
	q->outstanding = 0;
}

RARE void disk_reset(struct disk *disk)
{
	struct disk_queues *qs = disk->queue;

	disk->ops->abort_all(disk);
	disk->resets++;
	for (unsigned i = 0; i < qs->n; i++)
		disk_queue_forget(&qs->q[i]);
}

unsigned disk_outstanding(const struct disk *disk)
{
	const struct disk_queues *qs = disk->queue;
	unsigned sum = 0;

	for (unsigned i = 0; i < qs->n; i++)
		sum += qs->q[i].outstanding;
	return sum;
}
