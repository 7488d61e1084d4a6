/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests to a disk whose client is at rest, for snapshots (CONFIG_STATE): one after the other, and the caller waits. */
#include <veneer/err.h>
#include <veneer/mem.h>
#include "disk_queue.h"

int disk_at_rest(struct disk *disk, const struct disk_range *range, enum disk_op op, uint64_t lba, void *buf, uint32_t n,
		 unsigned *found)
{
	struct sg sg = { mem_phys(buf), n * disk->block_size };
	struct disk_waiter w = { .req = { .op = op, .lba = lba, .nblocks = n, .sg = &sg, .nsg = 1 } };
	struct disk_range window = { disk->first_block, disk->nblocks };
	void (*batch_end)(struct disk *disk) = disk->client_batch_end;
	int err;

	if (disk_outstanding(disk))
		return -ERR_BUSY;
	disk->first_block = range->first;
	disk->nblocks = range->nblocks;
	disk->client_batch_end = NULL;
	disk->patient = false;	/* if the request must be given up the device has to be done with @buf */
	err = disk_wait(disk, &w, "a request of the snapshot at", found);
	disk->first_block = window.first;
	disk->nblocks = window.nblocks;
	disk->client_batch_end = batch_end;
	return err;
}
