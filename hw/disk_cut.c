/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Split a request into commands within the controller's limits, and copy data that the controller cannot reach through bounce
 * memory.  Requests that can be one command do not pass through this file (disk.c: is_plain()).
 */
#include <veneer/mem.h>
#include <veneer/types.h>
#include "disk_queue.h"

/* --- bounce memory --- */

/* Allocate up to @want contiguous chunks.  Return their number, 0 if all are in use. */
static unsigned bounce_get(struct disk_queue *q, unsigned want, unsigned *first)
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

void disk_bounce_put(struct disk_queue *q, unsigned first, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		q->chunks_busy &= ~BIT(first + i);
}

uint8_t *disk_slot_bounce(const struct disk_slot *s)
{
	return s->q->bounce + (size_t)s->first * BOUNCE_CHUNK;
}

/* --- cutting --- */

/* A position in a request's data. */
struct cursor {
	const struct sg *sg;
	unsigned left;		/* pieces from sg on */
	uint32_t off;		/* offset in the first of them */
};

/* A command's list under construction.  "good" is the longest prefix that has whole blocks and keeps every rule. */
struct cut {
	const struct disk_limits *l;
	uint32_t block_size;
	struct sg *out;
	unsigned n, cap;
	uint64_t total;
	uint64_t good;
	unsigned good_n;
	uint32_t good_last;	/* length of the last piece of that prefix */
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

/* Return the number of bytes by which the piece can still grow. */
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

/* Append as much of [addr, addr + len) as the rules allow.  Return the bytes appended, 0 if the command is full. */
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

/* Build a list for at most @want bytes from @from on.  Return the bytes that need no bounce memory: whole blocks, or 0. */
static uint64_t cut_build(struct disk_queue *q, struct sg *out, struct cursor from, uint64_t want, unsigned *nsg)
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

/* Return the bytes from @at on, at most @max, that need bounce memory: none of their blocks can be transferred directly. */
static uint64_t bounce_span(struct disk_queue *q, struct sg *scratch, struct cursor at, uint64_t max)
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

/* Give the slot bounce memory for data that cannot be transferred directly.  Return the bytes, 0 if no memory is free. */
static uint64_t build_bounced(struct disk_slot *s, struct cursor at, uint64_t want)
{
	struct disk_queue *q = s->q;
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
	s->sg[0].addr = mem_phys(disk_slot_bounce(s));
	s->sg[0].len = (uint32_t)span;
	s->cmd.nsg = 1;
	if (s->cmd.op == DISK_WRITE)
		sg_copy_from(s->req->sg, s->req->nsg, s->skip, disk_slot_bounce(s), span);
	disk->cnt_bounced++;
	disk->cnt_bounced_bytes += span;
	return span;
}

/* --- commands --- */

uint32_t disk_op_max_blocks(const struct disk *disk, enum disk_op op)
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

bool disk_cut_next(struct disk_slot *s, struct disk_req *req)
{
	struct disk_queue *q = s->q;
	struct disk *disk = q->disk;
	uint32_t bs = disk->block_size;
	uint64_t blocks = MIN(req->nblocks - req->priv.issued_blocks, (uint64_t)disk_op_max_blocks(disk, req->op));

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
