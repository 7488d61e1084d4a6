/* SPDX-License-Identifier: BSD-2-Clause */
/* What every virtio-blk device can do after a fuzzer's guest: serve a new driver. */
#ifndef FUZZ_BLK_READS_H
#define FUZZ_BLK_READS_H

#include <veneer/disk.h>
#include "virtio_ops.h"

/* A new driver reads a block of @disk: bytes 5ah, when @finish_all has completed the commands that have begun. */
static void new_driver_reads(struct disk *disk, void (*finish_all)(void))
{
	bring_up(false, VIRTIO_F_VERSION_1);
	CHECK_EQ(modern_status(), 15);
	struct vring_desc *t = (struct vring_desc *)(void *)RING(0);

	memset(ram + DATA, 0, 16);
	t[0] = (struct vring_desc){ (uintptr_t)ram + DATA, 16, VRING_DESC_NEXT, 1 };
	t[1] = (struct vring_desc){ (uintptr_t)ram + DATA + 4096, disk->block_size, VRING_DESC_NEXT | VRING_DESC_WRITE, 2 };
	t[2] = (struct vring_desc){ (uintptr_t)ram + DATA + 16, 1, VRING_DESC_WRITE, 0 };
	ram[DATA + 16] = 0xff;
	offer(0, 0);
	modern_kick(0);
	finish_all();
	disk_run(disk);
	CHECK_EQ(((struct vring_used *)(void *)(RING(0) + RING_USED))->idx, 1);
	CHECK_EQ(ram[DATA + 16], 0);
	CHECK_EQ(ram[DATA + 4096], 0x5a);
}

#endif
