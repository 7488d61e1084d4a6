/* SPDX-License-Identifier: BSD-2-Clause */
/* For the tests of virtio-blk: a fake drive below hw/disk.c, and the device that uses this drive. */
#ifndef BLK_FIXTURE_H
#define BLK_FIXTURE_H

#include <string.h>
#include <veneer/disk.h>
#include <veneer/err.h>
#include "host/host.h"
#include "host/twin.h"
#include "virtio/blk/blk.h"

/* --- a drive that keeps commands until it is told to do them --- */

#define BLOCKS	4096u

static struct {
	struct disk disk;
	struct disk_cmd *cmd[64];
	unsigned ncmd, kicks, aborts, flushes;
	uint8_t data[BLOCKS * 512];
	uint8_t stable[BLOCKS * 512];		/* contents at the last flush */
	enum disk_op last_op;
	bool last_unmap;
	uint64_t last_lba;
	uint32_t last_n;
} hw;

static int drive_start(struct disk *d, unsigned q, struct disk_cmd *cmd)
{
	if (hw.ncmd == ARRAY_SIZE(hw.cmd))
		return -ERR_BUSY;
	hw.cmd[hw.ncmd++] = cmd;
	return 0;
}

static void drive_kick(struct disk *d, unsigned q) { hw.kicks++; }
static void drive_abort(struct disk *d) { hw.ncmd = 0; hw.aborts++; }

static const struct disk_ops ops = { .start = drive_start, .kick = drive_kick, .abort_all = drive_abort };

static void perform(struct disk_cmd *c)
{
	uint8_t *at = hw.data + c->lba * hw.disk.block_size;
	size_t len = (size_t)c->nblocks * hw.disk.block_size;

	hw.last_op = c->op;
	hw.last_unmap = c->unmap;
	hw.last_lba = c->lba;
	hw.last_n = c->nblocks;
	if (c->op == DISK_READ)
		sg_copy_to(c->sg, c->nsg, 0, at, len);
	else if (c->op == DISK_WRITE)
		sg_copy_from(c->sg, c->nsg, 0, at, len);
	else if (c->op == DISK_WRITE_ZEROES)
		memset(at, 0, len);
	else if (c->op == DISK_FLUSH) {
		hw.flushes++;
		memcpy(hw.stable, hw.data, sizeof(hw.data));
	}
}

/* Complete the first @n commands, in one poll. */
static void complete(unsigned n, int status)
{
	struct disk_cmd *cmd[64];

	CHECK(n <= hw.ncmd);
	memcpy(cmd, hw.cmd, n * sizeof(cmd[0]));
	hw.ncmd -= n;
	memmove(hw.cmd, hw.cmd + n, hw.ncmd * sizeof(hw.cmd[0]));
	for (unsigned i = 0; i < n; i++) {
		if (!status)
			perform(cmd[i]);
		disk_cmd_done(&hw.disk, cmd[i], status);
	}
	disk_run(&hw.disk);
}

/* --- */

static struct vblk *vb;
static struct ring ring;
static uint8_t *mem;
static struct virtio_blk_hdr *hdr;
static volatile uint8_t *status;

static void make_disk(uint32_t block_size)
{
	memset(&hw, 0, sizeof(hw));
	hw.disk = (struct disk) {
		.ops = &ops, .name = "fake0", .serial = "SERIAL-0123456789", .block_size = block_size,
		.nblocks = BLOCKS * 512 / block_size, .write_cache = true, .flush = true, .nqueues = 1, .phys_exp = 3,
		.limits = { .max_bytes = 1 << 20, .max_segs = 128, .max_seg_len = 1 << 22, .addr_align = 2, .len_align = 2,
			    .dma_mask = ~0ull, .max_discard_blocks = 1024, .max_zero_blocks = 512, .tags = 64 },
	};
	CHECK_EQ(disk_init(&hw.disk), 0);
	for (unsigned i = 0; i < sizeof(hw.data); i++)
		hw.data[i] = (uint8_t)(i / 512 * 3 + i);
}

static void make(bool writable)
{
	struct virtio_place place = twin_place();
	struct virtio_blk_conf conf = { .disk = &hw.disk, .writable = writable };

	twin_reset();
	struct virtio_dev *dev = virtio_blk_new("blk0", &conf, &place);

	CHECK(dev != NULL);
	vb = container_of(dev, struct vblk, dev);
	mem = guest_alloc(1 << 20);
	hdr = (struct virtio_blk_hdr *)(void *)(mem + (1 << 20) - 4096);
	status = mem + (1 << 20) - 2048;
	*status = 0xaa;
}

#define NO_EVENT	(~0ull & ~VIRTIO_F_EVENT_IDX)
static void up(uint64_t features)
{
	make_disk(512);
	make(true);
	modern_up(&ring, 1, features, 256);
}

/* Add a request with a descriptor each for header, data and status, without a kick. */
static void request(uint32_t type, uint64_t sector, void *data, uint32_t len, bool in)
{
	*hdr = (struct virtio_blk_hdr) { .type = type, .sector = sector };
	*status = 0xaa;
	ring_add(&ring, (struct piece[]) { { hdr, 16, false }, { data, len, in }, { status, 1, true } }, 3);
}

static inline void quick(uint32_t type, uint64_t sector, uint32_t len, bool in)
{
	request(type, sector, mem, len, in);
	modern_kick(0);
	if (hw.ncmd)
		complete(hw.ncmd, 0);
}

static inline uint64_t cfg(unsigned off, unsigned width) { return guest_read(TWIN_BAR4 + BAR4_DEVICE + off, width); }

#endif
