/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests to a disk whose client is at rest, for snapshots (CONFIG_STATE): one after the other, and the caller waits. */
#include <veneer/err.h>
#include <veneer/hwdev.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/time.h>
#include "disk_queue.h"

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

static int run(struct disk *disk, struct waiter *w, unsigned *found)
{
	/* The driver's own deadline is shorter, and the driver recovers then; this deadline is for a driver that does not. */
	uint64_t end = time_us() + 2ull * disk->timeout_us;

	disk_submit(disk, 0, &w->req);
	disk_kick(disk, 0);
	while (!w->done && time_us() < end) {
		*found += disk->ctrl->ops->poll(disk->ctrl);
		if (!w->done && disk->ctrl->ops->tick)
			*found += disk->ctrl->ops->tick(disk->ctrl, time_us());
	}
	if (w->done)
		return w->status;
	log_err("%s: a request of the snapshot at block %#lx did not end within %u ms", disk->name, w->req.lba,
		2 * (disk->timeout_us / 1000));
	disk_reset(disk);
	return -ERR_TIMEOUT;
}

int disk_at_rest(struct disk *disk, const struct disk_range *range, enum disk_op op, uint64_t lba, void *buf, uint32_t n,
		 unsigned *found)
{
	struct sg sg = { mem_phys(buf), n * disk->block_size };
	struct waiter w = { .req = { .op = op, .lba = lba, .nblocks = n, .sg = &sg, .nsg = 1, .done = waiter_done } };
	struct disk_range window = { disk->first_block, disk->nblocks };
	void (*batch_end)(struct disk *disk) = disk->client_batch_end;
	int err;

	if (disk_outstanding(disk))
		return -ERR_BUSY;
	disk->first_block = range->first;
	disk->nblocks = range->nblocks;
	disk->client_batch_end = NULL;
	disk->patient = false;	/* if the request must be given up the device has to be done with @buf */
	err = run(disk, &w, found);
	disk->first_block = window.first;
	disk->nblocks = window.nblocks;
	disk->client_batch_end = batch_end;
	return err;
}
