/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: virtio/blk/blk.c virtio/blk/request.c virtio/blk/state.c virtio/transport.c virtio/pci_config.c virtio/msix.c */
/* sources: virtio/legacy.c virtio/modern.c virtio/queue.c virtio/state.c hv/lib/sg.c hw/disk.c hw/disk_cut.c */
/* sources: hw/disk_start.c tests/unit/host/twin.c virtio/access.c hv/state/state.c hv/lib/crc32.c tests/fuzz/lib/fuzz.c */
/* quick: 3000 */
/*
 * A saved state: a virtio-blk device that a random guest drives is saved; the bytes are patched as the input says, sealed with
 * a checksum that fits, and loaded.  They are refused, and nothing changes, or taken as they are; the device then goes on.
 */
#include <veneer/disk.h>
#include <veneer/err.h>
#include <veneer/hwdev.h>
#include "hv/state/format.h"
#include "hv/state/state.h"
#include "virtio/blk/blk.h"
#include "blk_reads.h"

#define SLOTS	32u

static struct disk disk;
static struct hw_dev ctrl;
static struct disk_cmd *cmd[SLOTS];
static unsigned ncmd;
static const struct vblk *vb;
static bool quick;		/* a poll completes what is in flight */

static int drive_start(struct disk *d, unsigned q, struct disk_cmd *c)
{
	if (ncmd == SLOTS)
		return -ERR_BUSY;
	cmd[ncmd++] = c;
	return 0;
}

static void drive_kick(struct disk *d, unsigned q) { }
static void drive_abort(struct disk *d) { ncmd = 0; }
static const struct disk_ops ops = { .start = drive_start, .kick = drive_kick, .abort_all = drive_abort };

static void finish_all(void)
{
	while (ncmd) {
		struct disk_cmd *c = cmd[--ncmd];

		if (c->op == DISK_READ)
			memset((void *)(uintptr_t)c->sg[0].addr, 0x5a, c->sg[0].len);
		disk_cmd_done(&disk, c, 0);
	}
	disk_run(&disk);
}

static unsigned ctrl_poll(struct hw_dev *d)
{
	if (quick)
		finish_all();
	return 0;
}

static const struct hw_dev_ops ctrl_ops = { .poll = ctrl_poll };

static void patch(uint8_t *image, uint64_t size)
{
	uint64_t at = fuzz16() % size;
	unsigned n = fuzz8() % 9u;

	fuzz_bytes(image + at, MIN(n, size - at));
}

static void save_and_load(void)
{
	uint64_t size = state_size(), len = size;
	uint8_t *image = aligned_alloc(16, size), *before = aligned_alloc(16, size), *after = aligned_alloc(16, size);
	uint8_t how = fuzz8();
	struct state_header *h = (struct state_header *)(void *)image;

	quick = how & 1;
	state_hold();
	state_rest(how & 2 ? 3 : 0);
	quick = false;
	state_save(before);
	memcpy(image, before, size);
	for (unsigned i = how >> 6; i; i--)
		patch(image, size);
	if (how & 4) {
		h->crc = 0;
		h->crc = fuzz_crc32(image, size);
	}
	if ((how & 24) == 24)
		len = fuzz16() % (size + 1);
	int result = state_load(image, len);

	CHECK(result == 0 || result == -ERR_INVAL);
	CHECK(result == 0 || how >> 6 || len != size);	/* what was saved is loaded */
	state_save(after);
	CHECK(!memcmp(after, result ? before : image, size));
	state_go_on();
	state_let_go();
	CHECK(twin_clock_holds == (vb->inflight ? 1 : 0));
	free(image);
	free(before);
	free(after);
}

static void poll(void)
{
	uint8_t what = fuzz8();

	if (what & 1)
		finish_all();
	if (what & 2)
		save_and_load();
}

static void fuzz(void)
{
	struct virtio_place place = twin_place();
	uint8_t how = fuzz8();
	struct virtio_blk_conf conf = { .disk = &disk, .writable = how & 1 };
	struct virtio_dev *d;

	twin_reset();
	ncmd = 0;
	ctrl.ops = &ctrl_ops;
	disk = (struct disk) {
		.ops = &ops, .name = "fake0", .block_size = how & 2 ? 4096 : 512, .nblocks = 1500, .write_cache = how & 4,
		.flush = how & 4, .nqueues = 1, .ctrl = &ctrl,
		.limits = { .max_bytes = 65536, .max_segs = 16, .max_seg_len = 65536, .addr_align = 2, .len_align = 2,
			    .dma_mask = ~0ull, .max_discard_blocks = 100, .max_zero_blocks = 100, .tags = 8 },
	};
	CHECK_EQ(disk_init(&disk), 0);
	d = virtio_blk_new("blk0", &conf, &place);
	CHECK(d != NULL);
	virtio_blk_keep(d);
	vb = container_of(d, struct vblk, dev);
	guest_acts(1, poll);
	new_driver_reads(&disk, finish_all);
}

FUZZ(fuzz)
