/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: virtio/blk/blk.c virtio/blk/request.c virtio/transport.c virtio/pci_config.c virtio/msix.c virtio/legacy.c */
/* sources: virtio/modern.c virtio/queue.c hv/lib/sg.c hw/disk.c hw/disk_cut.c hw/disk_start.c tests/unit/host/twin.c */
/* sources: virtio/access.c tests/fuzz/lib/fuzz.c */
/* quick: 6000 */
/* virtio-blk and the disk core, in front of a driver that is busy, completes late, out of order or with errors. */
#include <veneer/disk.h>
#include <veneer/err.h>
#include <veneer/gmem.h>
#include "virtio/blk/blk.h"
#include "blk_reads.h"

#define SLOTS	32u

static struct disk disk;
static struct disk_cmd *cmd[SLOTS];
static unsigned ncmd;
static const struct vblk *vb;
static uint8_t mood;

static int drive_start(struct disk *d, unsigned q, struct disk_cmd *c)
{
	for (unsigned i = 0; i < c->nsg; i++) {
		CHECK(c->sg[i].len);
		CHECK(gmem_valid(c->sg[i].addr, c->sg[i].len) || c->nsg == 1);
		CHECK(c->sg[i].addr % d->limits.addr_align == 0 && c->sg[i].len % d->limits.len_align == 0);
		CHECK(c->sg[i].addr + c->sg[i].len - 1 <= d->limits.dma_mask);
		if (c->op == DISK_READ)
			memset((void *)(uintptr_t)c->sg[i].addr, 0x5a, c->sg[i].len);
	}
	CHECK(c->nsg <= d->limits.max_segs);
	if (c->op != DISK_FLUSH)
		CHECK(c->nblocks && c->lba + c->nblocks <= d->nblocks && c->lba < d->nblocks);
	if (c->op == DISK_READ || c->op == DISK_WRITE)
		CHECK_EQ(sg_bytes(c->sg, c->nsg), (uint64_t)c->nblocks * d->block_size);
	if (ncmd == SLOTS || mood & 1)
		return -ERR_BUSY;
	cmd[ncmd++] = c;
	return 0;
}

static void drive_kick(struct disk *d, unsigned q) { }
static void drive_abort(struct disk *d) { ncmd = 0; }
static const struct disk_ops ops = { .start = drive_start, .kick = drive_kick, .abort_all = drive_abort };

static void finish(unsigned i, int result)
{
	struct disk_cmd *c = cmd[i];

	cmd[i] = cmd[--ncmd];
	disk_cmd_done(&disk, c, result);
}

static void finish_all(void)
{
	while (ncmd)
		finish(0, 0);
}

static uint8_t *any_data(void) { return ram + DATA + fuzz16() % 0xe000u; }

static uint64_t any_sector(void)
{
	uint8_t kind = fuzz8();

	switch (kind % 4) {
	case 0:
		return vb->capacity - kind / 4u;
	case 1:
		return fuzz16();
	case 2:
		return (uint64_t)kind / 4 * vb->sector_blocks;
	default:
		return fuzz64();
	}
}

/* A request as drivers make them: header, whole sectors or a range, status. */
static void request(void)
{
	static const uint8_t types[] = { VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES,
					 VIRTIO_BLK_T_FLUSH, VIRTIO_BLK_T_GET_ID };
	struct virtio_blk_hdr h = { .type = types[fuzz8() % ARRAY_SIZE(types)], .sector = any_sector() };
	struct virtio_blk_range range = { .sector = h.sector, .flags = h.sector & 1 };
	uint16_t head = (uint16_t)(next_desc[0] % 256), in = h.type == VIRTIO_BLK_T_IN ? VRING_DESC_WRITE : 0;
	unsigned n = fuzz8() % 4;
	uint8_t *at = any_data();

	memcpy(at, &h, sizeof(h));
	add_piece(0, (uintptr_t)at, sizeof(h), VRING_DESC_NEXT);
	if (h.type == VIRTIO_BLK_T_DISCARD || h.type == VIRTIO_BLK_T_WRITE_ZEROES) {
		at = any_data();
		range.num_sectors = fuzz8() & 1 ? fuzz8() : fuzz32();
		memcpy(at, &range, sizeof(range));
		add_piece(0, (uintptr_t)at, sizeof(range), VRING_DESC_NEXT);
	} else if (h.type != VIRTIO_BLK_T_FLUSH) {
		for (unsigned i = 0; i < n; i++)
			add_piece(0, (uintptr_t)any_data() & ~3ull, VIRTIO_BLK_SECTOR * (fuzz8() % 16u), in | VRING_DESC_NEXT);
	}
	add_piece(0, (uintptr_t)any_data(), 1, VRING_DESC_WRITE);
	offer(0, head);
	modern_kick(0);
}

static void poll(void)
{
	uint8_t what = fuzz8();

	if (what & 1)
		mood = fuzz8();
	if (what & 2 && ncmd)
		finish(fuzz8() % ncmd, what & 4 ? -ERR_IO : 0);
	if (what & 8)
		finish_all();
	if (what & 16)
		request();
	disk_run(&disk);
	CHECK(twin_clock_holds == (vb->inflight ? 1 : 0));
	CHECK(vb->inflight <= VBLK_REQS);
}

static void fuzz(void)
{
	struct virtio_place place = twin_place();
	uint8_t how = fuzz8();
	struct virtio_blk_conf conf = { .disk = &disk, .writable = how & 1 };
	struct virtio_dev *d;

	twin_reset();
	ncmd = 0;
	mood = 0;
	disk = (struct disk) {
		.ops = &ops, .name = "fake0", .block_size = how & 2 ? 4096 : 512, .nblocks = 1500, .write_cache = how & 4,
		.flush = how & 4, .nqueues = 1,
		.limits = { .max_bytes = 65536, .max_segs = how & 8 ? 2 : 16, .max_seg_len = 65536,
			    .addr_align = how & 16 ? 4 : 2, .len_align = 2,
			    .dma_mask = ~0ull, .max_discard_blocks = 100, .max_zero_blocks = 100, .tags = 8 },
	};
	CHECK_EQ(disk_init(&disk), 0);
	d = virtio_blk_new("blk0", &conf, &place);
	CHECK(d != NULL);
	vb = container_of(d, struct vblk, dev);
	guest_acts(1, poll);
	mood = 0;
	new_driver_reads(&disk, finish_all);
}

FUZZ(fuzz)
