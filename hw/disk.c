/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Between the client's requests and the controller's commands: cuts, bounces and queues.  Everything is per queue, and
 * a queue belongs to one CPU at a time, so there is no lock.
 *
 * A request waits in its queue's FIFO until the last of its commands is started.  A command that the driver refused
 * with -ERR_BUSY stays built ("parked") and keeps its place at the head, so nothing overtakes it: that alone is what lets
 * an AHCI port drain for a FLUSH under a steady stream of reads.
 */
#include <veneer/counters.h>
#include <veneer/disk.h>
#include <veneer/err.h>
#include <veneer/hwdev.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include <veneer/time.h>

#define BOUNCE_CHUNK	4096u		/* no logical block is larger */
#define BOUNCE_CHUNKS	16u		/* 64 KiB for a disk; shared out among its queues, but */
#define BOUNCE_MIN	4u		/* not less than this for each */
#define DEFAULT_TIMEOUT	30000000u

/* One command and what belongs to it. */
struct slot {
	struct disk_cmd cmd;
	struct disk_req *req;		/* NULL while the slot is free */
	struct queue *q;
	struct sg *sg;			/* q->sg_cap pieces */
	uint64_t skip;			/* where in the request's data the command begins, bytes */
	uint16_t first, nchunks;	/* bounce memory; nchunks 0 when the data goes directly */
};

struct req_list {
	struct disk_req *head, *tail;
};

struct queue {
	struct disk *disk;
	unsigned index;
	struct slot *slots;		/* limits.tags, the index is the tag */
	uint16_t *free;			/* a stack of free tags */
	unsigned nfree;
	struct slot *parked;		/* built, refused with -ERR_BUSY */
	unsigned sg_cap;
	unsigned block_shift;		/* log2 of the block size */
	uint64_t deadline_us;		/* of what is started before the next kick */
	uint8_t *bounce;
	unsigned nchunks;
	uint32_t chunks_busy;		/* bit n: chunk n */
	struct req_list waiting, finished;
	bool finishing;			/* done() runs further up the stack */
	bool rings;			/* started, not kicked */
	bool completed;			/* a done() since disk_run() last told the client */
	unsigned outstanding;
};

struct disk_queues {
	unsigned n;
	bool counted;
	struct queue q[];
};

/* --- lists --- */

static void list_add(struct req_list *l, struct disk_req *req)
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
 * Completions from inside a done() pass through a list, so that done() -> disk_submit() -> done() does not nest: a guest's
 * requests would else decide how deep the stack grows.
 */
static void finish(struct queue *q, struct disk_req *req, int status)
{
	req->priv.status = status;
	q->completed = true;
	if (q->finishing) {
		list_add(&q->finished, req);
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

/* --- bounce memory --- */

/* Up to @want contiguous chunks; the number got, 0 when all are busy. */
static unsigned bounce_get(struct queue *q, unsigned want, unsigned *first)
{
	unsigned best = 0, run = 0;

	for (unsigned i = 0; i < q->nchunks && best < want; i++) {
		run = q->chunks_busy & BIT(i) ? 0 : run + 1;
		if (run > best) {
			best = run;
			*first = i + 1 - run;
		}
	}
	for (unsigned i = 0; i < best; i++)
		q->chunks_busy |= BIT(*first + i);
	return best;
}

static void bounce_put(struct queue *q, unsigned first, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		q->chunks_busy &= ~BIT(first + i);
}

static uint8_t *slot_bounce(const struct slot *s)
{
	return s->q->bounce + (size_t)s->first * BOUNCE_CHUNK;
}

/* --- cutting --- */

/* A place in a request's data. */
struct cursor {
	const struct sg *sg;
	unsigned left;		/* pieces from sg on */
	uint32_t off;		/* into the first of them */
};

/* A command's list under construction.  "good" is the longest prefix that is whole blocks and keeps every rule. */
struct cut {
	const struct disk_limits *l;
	uint32_t block_size;
	struct sg *out;
	unsigned n, cap;
	uint64_t total;
	uint64_t good;
	unsigned good_n;
	uint32_t good_last;	/* length of the last piece then */
};

static void cursor_skip(struct cursor *c, uint64_t bytes)
{
	while (c->left && bytes >= c->sg->len - c->off) {
		bytes -= c->sg->len - c->off;
		c->sg++;
		c->left--;
		c->off = 0;
	}
	if (c->left)
		c->off += (uint32_t)bytes;
}

/* Bytes by which the piece can still grow. */
static uint64_t piece_room(const struct disk_limits *l, const struct sg *p)
{
	uint64_t end = p->addr + l->max_seg_len;

	if (l->page_rule)
		end = ALIGN_DOWN(end, l->page_rule);
	else
		end = p->addr + ALIGN_DOWN(l->max_seg_len, l->len_align);
	if (end - 1 > l->dma_mask)
		end = l->dma_mask + 1;
	return end > p->addr + p->len ? end - (p->addr + p->len) : 0;
}

static bool piece_may_start(const struct cut *c, uint64_t addr)
{
	const struct disk_limits *l = c->l;

	if (c->n == c->cap || !IS_ALIGNED(addr, l->addr_align) || addr > l->dma_mask)
		return false;
	if (!c->n)
		return true;

	const struct sg *last = &c->out[c->n - 1];

	if (!IS_ALIGNED(last->len, l->len_align))
		return false;
	return !l->page_rule || (IS_ALIGNED(addr, l->page_rule) && IS_ALIGNED(last->addr + last->len, l->page_rule));
}

static void cut_mark(struct cut *c)
{
	const struct sg *last = &c->out[c->n - 1];
	uint64_t whole = ALIGN_DOWN(c->total, c->block_size);
	uint64_t tail = c->total - whole;

	if (whole <= c->good || tail >= last->len || !IS_ALIGNED(last->len - tail, c->l->len_align))
		return;
	c->good = whole;
	c->good_n = c->n;
	c->good_last = (uint32_t)(last->len - tail);
}

/* Take what the rules allow of [addr, addr + len); 0 when the command can grow no more. */
static uint32_t cut_append(struct cut *c, uint64_t addr, uint32_t len)
{
	struct sg *last = c->n ? &c->out[c->n - 1] : NULL;

	if (!last || last->addr + last->len != addr || !piece_room(c->l, last)) {
		if (!piece_may_start(c, addr))
			return 0;
		last = &c->out[c->n++];
		last->addr = addr;
		last->len = 0;
	}
	uint32_t take = (uint32_t)MIN((uint64_t)len, piece_room(c->l, last));

	last->len += take;
	c->total += take;
	if (take)
		cut_mark(c);
	return take;
}

/* Build a list for at most @want bytes from @from on; the bytes that can go directly, whole blocks, perhaps 0. */
static uint64_t cut_build(struct queue *q, struct sg *out, struct cursor from, uint64_t want, unsigned *nsg)
{
	struct cut c = {
		.l = &q->disk->limits, .block_size = q->disk->block_size, .out = out, .cap = q->sg_cap,
	};

	while (c.total < want && from.left) {
		uint32_t len = (uint32_t)MIN((uint64_t)(from.sg->len - from.off), want - c.total);
		uint32_t take = cut_append(&c, from.sg->addr + from.off, len);

		if (!take)
			break;
		cursor_skip(&from, take);
	}
	if (c.good)
		out[c.good_n - 1].len = c.good_last;
	*nsg = c.good_n;
	return c.good;
}

/* The bytes from @at on, at most @max, of which not even a single block can go directly. */
static uint64_t bounce_span(struct queue *q, struct sg *scratch, struct cursor at, uint64_t max)
{
	uint32_t bs = q->disk->block_size;
	uint64_t span = 0;
	unsigned n;

	while (span + bs <= max && (!span || !cut_build(q, scratch, at, bs, &n))) {
		span += bs;
		cursor_skip(&at, bs);
	}
	return span;
}

/* Point the slot at bounce memory for what cannot go directly; the bytes, or 0 when there is no memory now. */
static uint64_t build_bounced(struct slot *s, struct cursor at, uint64_t want)
{
	struct queue *q = s->q;
	struct disk *disk = q->disk;
	unsigned first = 0;
	uint64_t most = MIN((uint64_t)q->nchunks * BOUNCE_CHUNK, MIN(disk->limits.max_bytes, disk->limits.max_seg_len));
	uint64_t span = bounce_span(q, s->sg, at, MIN(want, most));
	unsigned n = bounce_get(q, (unsigned)DIV_ROUND_UP(span, BOUNCE_CHUNK), &first);

	if (!n)
		return 0;
	s->first = (uint16_t)first;
	s->nchunks = (uint16_t)n;
	span = MIN(span, (uint64_t)n * BOUNCE_CHUNK);
	s->sg[0].addr = mem_phys(slot_bounce(s));
	s->sg[0].len = (uint32_t)span;
	s->cmd.nsg = 1;
	if (s->cmd.op == DISK_WRITE)
		sg_copy_from(s->req->sg, s->req->nsg, s->skip, slot_bounce(s), span);
	disk->cnt_bounced++;
	disk->cnt_bounced_bytes += span;
	return span;
}

/* --- commands --- */

static struct slot *slot_get(struct queue *q)
{
	return q->nfree ? &q->slots[q->free[--q->nfree]] : NULL;
}

static void slot_put(struct slot *s)
{
	struct queue *q = s->q;

	if (s->nchunks)
		bounce_put(q, s->first, s->nchunks);
	s->nchunks = 0;
	s->req = NULL;
	q->free[q->nfree++] = s->cmd.tag;
}

static uint32_t op_max_blocks(const struct disk *disk, enum disk_op op)
{
	switch (op) {
	case DISK_DISCARD:
		return disk->limits.max_discard_blocks;
	case DISK_WRITE_ZEROES:
		return disk->limits.max_zero_blocks;
	default:
		return disk->limits.max_bytes / disk->block_size;
	}
}

/* The next command of @req into @s; false when bounce memory is out. */
static bool slot_build(struct slot *s, struct disk_req *req)
{
	struct queue *q = s->q;
	struct disk *disk = q->disk;
	uint32_t bs = disk->block_size;
	uint64_t blocks = MIN(req->nblocks - req->priv.issued_blocks, (uint64_t)op_max_blocks(disk, req->op));

	s->req = req;
	s->skip = req->priv.issued_blocks << q->block_shift;
	s->cmd.op = req->op;
	s->cmd.unmap = req->unmap;
	s->cmd.lba = disk->first_block + req->lba + req->priv.issued_blocks;
	s->cmd.sg = s->sg;
	s->cmd.nsg = 0;
	if (req->op == DISK_READ || req->op == DISK_WRITE) {
		struct cursor at = { req->sg, req->nsg, 0 };
		uint64_t bytes;

		cursor_skip(&at, s->skip);
		bytes = cut_build(q, s->sg, at, blocks * bs, &s->cmd.nsg);
		if (!bytes)
			bytes = build_bounced(s, at, blocks * bs);
		blocks = bytes >> q->block_shift;
	}
	s->cmd.nblocks = req->op == DISK_FLUSH ? 0 : (uint32_t)blocks;
	return blocks || req->op == DISK_FLUSH;
}

/* A command for the head of the FIFO, or NULL: no tag, no bounce memory. */
static struct slot *slot_next(struct queue *q, struct disk_req *req)
{
	struct slot *s = slot_get(q);

	if (s && !slot_build(s, req)) {
		slot_put(s);
		return NULL;
	}
	return s;
}

/* The command is out of the way, not started or over: settle its request. */
static void req_settle(struct queue *q, struct disk_req *req)
{
	bool all_issued = req->priv.status || req->op == DISK_FLUSH || req->priv.issued_blocks == req->nblocks;

	if (req->priv.inflight || !all_issued || q->waiting.head == req)
		return;
	finish(q, req, req->priv.status);
}

/* Give @s to the driver; false when it is busy and @s is parked. */
static bool slot_start(struct slot *s)
{
	struct queue *q = s->q;
	struct disk *disk = q->disk;
	struct disk_req *req = s->req;

	/* One look at the clock for all that one kick sends off. */
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

static void unpark(struct queue *q)
{
	if (q->parked)
		slot_put(q->parked);
	q->parked = NULL;
}

/* A request that failed in one command, or whose disk is gone, gets no more commands. */
static bool req_is_over(const struct queue *q, struct disk_req *req)
{
	if (q->disk->gone && !req->priv.status)
		req->priv.status = -ERR_NODEV;
	return req->priv.status != 0;
}

/* Start whatever can be started, in order. */
static void queue_run(struct queue *q)
{
	struct disk_req *req;

	while ((req = q->waiting.head)) {
		if (req_is_over(q, req)) {
			unpark(q);
		} else {
			struct slot *s = q->parked ? q->parked : slot_next(q, req);

			if (!s || !slot_start(s))
				return;
			if (!req->priv.status && req->op != DISK_FLUSH && req->priv.issued_blocks < req->nblocks)
				continue;
		}
		list_pop(&q->waiting);
		req_settle(q, req);
	}
}

void disk_cmd_done(struct disk *disk, struct disk_cmd *cmd, int status)
{
	struct slot *s = cmd->req;
	struct queue *q = s->q;
	struct disk_req *req = s->req;

	if (!req) {
		log_err("%s: command tag %u completed twice", disk->name, cmd->tag);
		return;
	}
	disk->cnt_errors += status != 0;
	disk->cnt_timeouts += status == -ERR_TIMEOUT;
	if (!status && cmd->op == DISK_READ && s->nchunks)
		sg_copy_to(req->sg, req->nsg, s->skip, slot_bounce(s), s->sg[0].len);
	if (!req->priv.status)
		req->priv.status = status;
	req->priv.inflight--;
	slot_put(s);
	req_settle(q, req);
	if (q->waiting.head)
		queue_run(q);
}

/* --- the client's side --- */

static bool op_writes(enum disk_op op)
{
	return op == DISK_WRITE || op == DISK_DISCARD || op == DISK_WRITE_ZEROES;
}

static bool on_disk(const struct disk *disk, const struct disk_req *req)
{
	return req->nblocks && req->lba < disk->nblocks && req->nblocks <= disk->nblocks - req->lba;
}

/* 0 when the request can be queued, 1 when there is nothing to do, or the error. */
static int req_check(const struct queue *q, const struct disk_req *req)
{
	const struct disk *disk = q->disk;

	if (disk->gone)
		return -ERR_NODEV;
	if (req->op == DISK_FLUSH)
		return disk->flush ? 0 : disk->write_cache ? -ERR_NOTSUP : 1;
	if (req->op > DISK_WRITE_ZEROES || !op_max_blocks(disk, req->op))
		return -ERR_NOTSUP;
	if (op_writes(req->op) && disk->hw_read_only)
		return -ERR_ROFS;
	if (!on_disk(disk, req))
		return -ERR_INVAL;
	if (req->op == DISK_DISCARD || req->op == DISK_WRITE_ZEROES)
		return 0;
	if (req->nsg > DISK_MAX_SEGS || sg_bytes(req->sg, req->nsg) != (uint64_t)req->nblocks << q->block_shift)
		return -ERR_INVAL;
	return 0;
}

/* Whether the pieces make @bytes and keep every rule as they are. */
static bool pieces_fit(const struct queue *q, const struct disk_req *req, uint64_t bytes)
{
	const struct disk_limits *l = &q->disk->limits;
	uint64_t page = l->page_rule ? l->page_rule - 1 : 0, start = l->addr_align - 1, sum = 0;
	uint64_t room = l->max_seg_len - page;		/* so much is there wherever a piece begins */

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

/* A read or write that nothing is wrong with, and that can be one command, uncut. */
static bool is_plain(const struct queue *q, const struct disk_req *req)
{
	const struct disk *disk = q->disk;

	if (req->op > DISK_WRITE || disk->gone || (req->op == DISK_WRITE && disk->hw_read_only) || !on_disk(disk, req))
		return false;
	return pieces_fit(q, req, (uint64_t)req->nblocks << q->block_shift);
}

/* Its command, with its own pieces. */
static void start_whole(struct queue *q, struct disk_req *req)
{
	struct slot *s = slot_get(q);

	s->req = req;
	s->skip = 0;
	s->cmd.op = req->op;
	s->cmd.unmap = false;
	s->cmd.lba = q->disk->first_block + req->lba;
	s->cmd.nblocks = req->nblocks;
	s->cmd.sg = req->sg;
	s->cmd.nsg = req->nsg;
	if (!slot_start(s))
		list_add(&q->waiting, req);	/* with its command parked */
	else if (req->priv.status)
		finish(q, req, req->priv.status);
}

/* The way of all others, and of what has to wait. */
static __attribute__((noinline)) void submit_any(struct queue *q, struct disk_req *req)
{
	int status = req_check(q, req);

	if (status) {
		finish(q, req, status < 0 ? status : 0);
		return;
	}
	list_add(&q->waiting, req);
	if (q->waiting.head == req)
		queue_run(q);
}

void disk_submit(struct disk *disk, unsigned q, struct disk_req *req)
{
	struct disk_queues *qs = disk->queue;
	struct queue *queue = &qs->q[q < qs->n ? q : 0];

	req->priv.issued_blocks = 0;
	req->priv.inflight = 0;
	req->priv.status = 0;
	queue->outstanding++;
	if (!queue->waiting.head && queue->nfree && is_plain(queue, req))
		start_whole(queue, req);
	else
		submit_any(queue, req);
}

static void queue_kick(struct queue *q)
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

static void queue_forget(struct queue *q)
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

void disk_reset(struct disk *disk)
{
	struct disk_queues *qs = disk->queue;

	disk->ops->abort_all(disk);
	disk->resets++;
	for (unsigned i = 0; i < qs->n; i++)
		queue_forget(&qs->q[i]);
}

int disk_set_window(struct disk *disk, uint64_t first, uint64_t n)
{
	uint32_t phys = 1u << disk->phys_exp;

	if (!n || first >= disk->nblocks || n > disk->nblocks - first)
		return -ERR_INVAL;
	disk->first_block = first;
	disk->nblocks = n;
	/* What is aligned on the disk lies elsewhere in the window. */
	disk->align_offset = (uint16_t)((disk->align_offset + phys - first % phys) % phys);
	return 0;
}

struct waiter {
	struct disk_req req;
	bool done;
	int status;
};

static void waiter_done(struct disk_req *req, int status)
{
	struct waiter *w = container_of(req, struct waiter, req);

	w->done = true;
	w->status = status;
}

int disk_read_now(struct disk *disk, uint64_t lba, void *buf, uint32_t n)
{
	struct sg sg = { mem_phys(buf), n * disk->block_size };
	struct waiter w = { .req = { .op = DISK_READ, .lba = lba, .nblocks = n, .sg = &sg, .nsg = 1, .done = waiter_done } };
	/* The driver has its own deadline, and recovers after it; this one is for what never comes. */
	uint64_t end = time_us() + 2ull * disk->timeout_us;

	disk_submit(disk, 0, &w.req);
	disk_kick(disk, 0);
	while (!w.done && time_us() < end) {
		disk->ctrl->ops->poll(disk->ctrl);
		if (!w.done && disk->ctrl->ops->tick)
			disk->ctrl->ops->tick(disk->ctrl, time_us());
	}
	if (!w.done) {
		log_err("%s: a read of block %#lx was not done within %u ms", disk->name, lba, 2 * (disk->timeout_us / 1000));
		disk_reset(disk);
		return -ERR_TIMEOUT;
	}
	return w.status;
}

unsigned disk_outstanding(const struct disk *disk)
{
	const struct disk_queues *qs = disk->queue;
	unsigned sum = 0;

	for (unsigned i = 0; i < qs->n; i++)
		sum += qs->q[i].outstanding;
	return sum;
}

/* --- start --- */

static bool limits_ok(const struct disk *disk)
{
	const struct disk_limits *l = &disk->limits;

	return l->tags && l->max_segs && disk->nqueues && disk->block_size && disk->block_size <= BOUNCE_CHUNK &&
	       !(disk->block_size & (disk->block_size - 1)) &&
	       IS_ALIGNED(l->max_bytes, disk->block_size) && l->max_bytes && l->addr_align && l->len_align &&
	       l->max_seg_len >= MAX(2 * l->page_rule, BOUNCE_CHUNK) && l->dma_mask >= 0xffffffff;
}

static int queue_init(struct queue *q, struct disk *disk, unsigned index)
{
	unsigned tags = disk->limits.tags;

	q->disk = disk;
	q->index = index;
	q->sg_cap = MIN(disk->limits.max_segs, DISK_MAX_SEGS);
	q->block_shift = (unsigned)__builtin_ctz(disk->block_size);
	q->nchunks = MAX(BOUNCE_CHUNKS / disk->nqueues, BOUNCE_MIN);
	size_t each = sizeof(struct slot) + q->sg_cap * sizeof(struct sg) + sizeof(uint16_t);
	uint8_t *mem = mem_alloc(tags * each, 16);

	q->bounce = mem_alloc((size_t)q->nchunks * BOUNCE_CHUNK, PAGE_SIZE);
	q->slots = (struct slot *)(void *)mem;
	if (!mem || !q->bounce)
		return -ERR_NOMEM;
	struct sg *sg = (struct sg *)(void *)(mem + tags * sizeof(struct slot));

	q->free = (uint16_t *)(void *)(sg + (size_t)tags * q->sg_cap);
	for (unsigned i = 0; i < tags; i++) {
		q->slots[i].q = q;
		q->slots[i].sg = sg + (size_t)i * q->sg_cap;
		q->slots[i].cmd.tag = (uint16_t)i;
		q->slots[i].cmd.req = &q->slots[i];
	}
	queue_forget(q);
	return 0;
}

int disk_init(struct disk *disk)
{
	if (!limits_ok(disk)) {
		log_err("%s: limits that no command can keep (block size %u)", disk->name, disk->block_size);
		return -ERR_INVAL;
	}
	struct disk_queues *qs = mem_alloc(sizeof(*qs) + disk->nqueues * sizeof(qs->q[0]), 16);

	disk->queue = qs;
	if (!qs)
		goto out_of_memory;
	if (!disk->timeout_us)
		disk->timeout_us = DEFAULT_TIMEOUT;
	qs->n = disk->nqueues;
	for (unsigned i = 0; i < qs->n; i++)
		if (queue_init(&qs->q[i], disk, i))
			goto out_of_memory;
	return 0;

out_of_memory:
	log_err("%s: no memory for %u queues of %u commands", disk->name, disk->nqueues, disk->limits.tags);
	disk_fini(disk);
	return -ERR_NOMEM;
}

void disk_fini(struct disk *disk)
{
	struct disk_queues *qs = disk->queue;

	for (unsigned i = 0; qs && i < qs->n; i++) {
		mem_free(qs->q[i].bounce);
		mem_free(qs->q[i].slots);
	}
	mem_free(qs);
	disk->queue = NULL;
}

void disk_counters(struct disk *disk)
{
	struct disk_queues *qs = disk->queue;

	if (qs->counted)
		return;
	qs->counted = true;
	counter_register(disk->name, "commands", &disk->cnt_commands);
	counter_register(disk->name, "splits", &disk->cnt_splits);
	counter_register(disk->name, "bounced", &disk->cnt_bounced);
	counter_register(disk->name, "bounced_bytes", &disk->cnt_bounced_bytes);
	counter_register(disk->name, "errors", &disk->cnt_errors);
	counter_register(disk->name, "timeouts", &disk->cnt_timeouts);
}
