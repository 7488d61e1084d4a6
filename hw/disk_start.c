/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The disk layer at the start: a disk's queues and their memory, its window, synchronous reads.  Requests are in disk.c.
 * disk_wait() alone serves snapshots, too (disk_rest.c).
 */
#include <veneer/counters.h>
#include <veneer/err.h>
#include <veneer/hwdev.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/time.h>
#include "disk_queue.h"

#define BOUNCE_CHUNKS	16u		/* per disk, 64 KiB, divided among its queues */
#define BOUNCE_MIN	4u		/* per queue, the minimum */
#define DEFAULT_TIMEOUT	30000000u

_Static_assert(sizeof(struct disk_slot) + sizeof(uint16_t) <= DISK_SLOT, "DISK_MEMORY() counts it");
_Static_assert(BOUNCE_CHUNKS * BOUNCE_CHUNK <= DISK_BOUNCE, "DISK_MEMORY() counts it");

static bool limits_ok(const struct disk *disk)
{
	const struct disk_limits *l = &disk->limits;

	return l->tags && l->max_segs && disk->nqueues && disk->block_size && disk->block_size <= BOUNCE_CHUNK &&
	       !(disk->block_size & (disk->block_size - 1)) &&
	       IS_ALIGNED(l->max_bytes, disk->block_size) && l->max_bytes && l->addr_align && l->len_align &&
	       l->max_seg_len >= MAX(2 * l->page_rule, BOUNCE_CHUNK) && l->dma_mask >= 0xffffffff;
}

static int queue_init(struct disk_queue *q, struct disk *disk, unsigned index)
{
	unsigned tags = disk->limits.tags;

	q->disk = disk;
	q->index = index;
	q->sg_cap = MIN(disk->limits.max_segs, DISK_MAX_SEGS);
	q->block_shift = (unsigned)__builtin_ctz(disk->block_size);
	q->nchunks = MAX(MIN(BOUNCE_CHUNKS / disk->nqueues, tags), BOUNCE_MIN);
	size_t each = sizeof(struct disk_slot) + q->sg_cap * sizeof(struct sg) + sizeof(uint16_t);
	uint8_t *mem = mem_alloc(tags * each, 16);

	q->bounce = mem_alloc((size_t)q->nchunks * BOUNCE_CHUNK, PAGE_SIZE);
	q->slots = (struct disk_slot *)(void *)mem;
	if (!mem || !q->bounce)
		return -ERR_NOMEM;
	struct sg *sg = (struct sg *)(void *)(mem + tags * sizeof(struct disk_slot));

	q->free = (uint16_t *)(void *)(sg + (size_t)tags * q->sg_cap);
	for (unsigned i = 0; i < tags; i++) {
		q->slots[i].q = q;
		q->slots[i].sg = sg + (size_t)i * q->sg_cap;
		q->slots[i].cmd.tag = (uint16_t)i;
		q->slots[i].cmd.req = &q->slots[i];
	}
	disk_queue_forget(q);
	return 0;
}

int disk_init(struct disk *disk)
{
	if (!limits_ok(disk)) {
		log_err("%s: no command can keep the controller's limits (block size %u)", disk->name, disk->block_size);
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

int disk_set_window(struct disk *disk, uint64_t first, uint64_t n)
{
	uint32_t phys = 1u << disk->phys_exp;

	if (!n || first >= disk->nblocks || n > disk->nblocks - first)
		return -ERR_INVAL;
	disk->first_block = first;
	disk->nblocks = n;
	/* The alignment counts from the window's first block. */
	disk->align_offset = (uint16_t)((disk->align_offset + phys - first % phys) % phys);
	return 0;
}

static void waiter_done(struct disk_req *req, int status)
{
	struct disk_waiter *w = container_of(req, struct disk_waiter, req);

	w->done = true;
	w->status = status;
}

int disk_wait(struct disk *disk, struct disk_waiter *w, const char *what, unsigned *found)
{
	/* The driver's own deadline is shorter, and the driver recovers then; this deadline is for a driver that does not. */
	uint64_t end = time_us() + 2ull * disk->timeout_us;

	w->req.done = waiter_done;
	disk_submit(disk, 0, &w->req);
	disk_kick(disk, 0);
	while (!w->done && time_us() < end) {
		*found += disk->ctrl->ops->poll(disk->ctrl);
		if (!w->done && disk->ctrl->ops->tick)
			*found += disk->ctrl->ops->tick(disk->ctrl, time_us());
	}
	if (w->done)
		return w->status;
	log_err("%s: %s block %#lx did not end within %u ms", disk->name, what, w->req.lba, 2 * (disk->timeout_us / 1000));
	disk_reset(disk);
	return -ERR_TIMEOUT;
}

int disk_read_now(struct disk *disk, uint64_t lba, void *buf, uint32_t n)
{
	struct sg sg = { mem_phys(buf), n * disk->block_size };
	struct disk_waiter w = { .req = { .op = DISK_READ, .lba = lba, .nblocks = n, .sg = &sg, .nsg = 1 } };
	unsigned found = 0;

	return disk_wait(disk, &w, "a read of", &found);
}
