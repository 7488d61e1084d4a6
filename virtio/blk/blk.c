/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtio-blk device: make, start, stop, and its configuration space.  Requests are in request.c. */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include "blk.h"

#define CLASS_STORAGE	0x010000u	/* SCSI controller, as with every virtio-blk device */

static void blkcfg_put(struct vblk *vb, unsigned off, unsigned width, uint64_t v)
{
	bytes_set(vb->dev.st.cfg, BLKCFG_SIZE, off, width, (uint32_t)v);
}

/* Convert a count of logical blocks to sectors, at most what the 32-bit field holds. */
static uint32_t blocks_to_sectors(const struct vblk *vb, uint64_t blocks)
{
	uint64_t n = blocks * vb->sector_blocks;

	return n > UINT32_MAX ? ALIGN_DOWN(UINT32_MAX, vb->sector_blocks) : (uint32_t)n;
}

static void show_writeback(struct vblk *vb)
{
	blkcfg_put(vb, BLKCFG_WRITEBACK, 1, vb->disk->flush && vb->disk->write_cache && !vb->st.write_through);
}

/*
 * 5.2.6.2: a driver that did not accept FLUSH cannot request stability, so every write must be stable when it completes: send
 * a flush after the writes.  Switching the drive's cache off instead would cost as much per write, and that command first
 * writes the cache out, which can take seconds: too long for an exit.
 */
static int vblk_start(struct virtio_dev *dev)
{
	struct vblk *vb = to_vblk(dev);

	vblk_forget(vb);
	if (!virtio_has(dev, VIRTIO_BLK_F_FLUSH))
		vb->st.write_through = vb->disk->flush && vb->disk->write_cache && vb->writable;
	else if (!virtio_has(dev, VIRTIO_BLK_F_CONFIG_WCE))
		vb->st.write_through = false;
	show_writeback(vb);
	return 0;
}

static void vblk_stop(struct virtio_dev *dev, bool patient)
{
	struct vblk *vb = to_vblk(dev);

	vb->disk->patient = patient;
	disk_reset(vb->disk);
	vblk_forget(vb);
}

static bool vblk_stopped(struct virtio_dev *dev)
{
	return disk_quiet(to_vblk(dev)->disk);
}

static void vblk_reset(struct virtio_dev *dev)
{
	struct vblk *vb = to_vblk(dev);

	vb->st.write_through = false;
	show_writeback(vb);
}

static void vblk_kicked(struct virtio_dev *dev, unsigned q)
{
	struct vblk *vb = to_vblk(dev);

	histogram_add(&vb->at_kick, vb->inflight);
	vblk_run(vb);
}

/*
 * Only the cache mode can be written (5.2.5.2).  Writes in flight get the mode in force when they complete.  After a change to
 * writethrough the driver takes completed writes for stable: send a flush for them.
 */
static void vblk_config_write(struct virtio_dev *dev, uint32_t off, unsigned width, uint32_t v)
{
	struct vblk *vb = to_vblk(dev);
	bool was = vb->st.write_through;

	if (off != BLKCFG_WRITEBACK || !virtio_has(dev, VIRTIO_BLK_F_CONFIG_WCE))
		return;
	vb->st.write_through = !(v & 0xff);
	show_writeback(vb);
	if (vb->st.write_through && !was && vb->disk->write_cache && vb->st.cached && dev->st.running) {
		vb->flush_due = true;
		vblk_run(vb);
	}
}

static bool vblk_busy(struct virtio_dev *dev)
{
	return to_vblk(dev)->inflight;
}

static const struct virtio_type blk_type = {
	.id = VIRTIO_ID_BLK,
	.class_code = CLASS_STORAGE,
	.nqueues = 1,
	.io_size = VIRTIO_BAR0_SIZE_BLK,
	.cfg_len = BLKCFG_SIZE,
	.early = BIT(0),
	.start = vblk_start,
	.stop = vblk_stop,
	.stopped = vblk_stopped,
	.reset = vblk_reset,
	.run = vblk_kicked,
	.busy = vblk_busy,
	.config_write = vblk_config_write,
};

static uint64_t blk_features(const struct vblk *vb)
{
	const struct disk *d = vb->disk;
	uint64_t f = VIRTIO_BLK_F_SEG_MAX | VIRTIO_BLK_F_BLK_SIZE | VIRTIO_BLK_F_TOPOLOGY;

	if (d->limits.max_seg_len >= PAGE_SIZE)
		f |= VIRTIO_BLK_F_SIZE_MAX;
	if (!vb->writable)
		f |= VIRTIO_BLK_F_RO;
	if (d->flush)
		f |= VIRTIO_BLK_F_FLUSH | VIRTIO_BLK_F_CONFIG_WCE;
	if (d->limits.max_discard_blocks && vb->writable)
		f |= VIRTIO_BLK_F_DISCARD;
	if (d->limits.max_zero_blocks && vb->writable)
		f |= VIRTIO_BLK_F_WRITE_ZEROES;
	return f;
}

static void show_capacity(struct vblk *vb)
{
	vb->capacity = vb->disk->nblocks * vb->sector_blocks;
	blkcfg_put(vb, BLKCFG_CAPACITY, 4, vb->capacity);
	blkcfg_put(vb, BLKCFG_CAPACITY + 4, 4, vb->capacity >> 32);
}

static void blkcfg_fill(struct vblk *vb)
{
	const struct disk *d = vb->disk;
	const struct disk_limits *l = &d->limits;

	show_capacity(vb);
	blkcfg_put(vb, BLKCFG_SIZE_MAX, 4, ALIGN_DOWN(l->max_seg_len, PAGE_SIZE));
	blkcfg_put(vb, BLKCFG_SEG_MAX, 4, DISK_MAX_SEGS);
	blkcfg_put(vb, BLKCFG_BLK_SIZE, 4, d->block_size);
	blkcfg_put(vb, BLKCFG_PHYS_EXP, 1, d->phys_exp);
	blkcfg_put(vb, BLKCFG_ALIGN_OFFSET, 1, MIN(d->align_offset, 255));
	blkcfg_put(vb, BLKCFG_MIN_IO, 2, MIN(d->min_io_blocks, 65535u));
	blkcfg_put(vb, BLKCFG_OPT_IO, 4, d->opt_io_blocks);
	blkcfg_put(vb, BLKCFG_NUM_QUEUES, 2, 1);
	if (l->max_discard_blocks) {
		blkcfg_put(vb, BLKCFG_MAX_DISCARD, 4, blocks_to_sectors(vb, l->max_discard_blocks));
		blkcfg_put(vb, BLKCFG_MAX_DISCARD_SEG, 4, 1);
		blkcfg_put(vb, BLKCFG_DISCARD_ALIGN, 4, vb->sector_blocks);
	}
	if (l->max_zero_blocks) {
		blkcfg_put(vb, BLKCFG_MAX_ZEROES, 4, blocks_to_sectors(vb, l->max_zero_blocks));
		blkcfg_put(vb, BLKCFG_MAX_ZEROES_SEG, 4, 1);
		blkcfg_put(vb, BLKCFG_ZEROES_UNMAP, 1, l->max_discard_blocks != 0);
	}
}

/* 5.2.4: the driver reads the capacity again. */
static void vblk_resized(struct disk *disk)
{
	struct vblk *vb = disk->client_ctx;

	show_capacity(vb);
	virtio_config_changed(&vb->dev);
}

static void vblk_booted(struct disk *disk)
{
	struct vblk *vb = disk->client_ctx;

	virtio_master_set(&vb->dev);
}

static void blk_counters(const struct vblk *vb, const char *name)
{
	counter_register(name, "reads", &vb->cnt_reads);
	counter_register(name, "writes", &vb->cnt_writes);
	counter_register(name, "flushes", &vb->cnt_flushes);
	counter_register(name, "other", &vb->cnt_other);
	counter_register(name, "errors", &vb->cnt_errors);
	histogram_register(name, "kick_at", &vb->at_kick);
	histogram_register(name, "taken", &vb->taken);
}

static void blk_setup(struct vblk *vb, const struct virtio_blk_conf *conf)
{
	struct disk *disk = conf->disk;

	vb->disk = disk;
	vb->writable = conf->writable && !disk->hw_read_only;
	vb->sector_blocks = disk->block_size / VIRTIO_BLK_SECTOR;
	vb->sector_shift = (unsigned)__builtin_ctz(vb->sector_blocks);
	vb->dev.type = &blk_type;
	vb->dev.vq = &vb->vq;
	vb->dev.type_state = &vb->st;
	vb->dev.offered = blk_features(vb);
	vblk_forget(vb);
	blkcfg_fill(vb);
}

struct virtio_dev *virtio_blk_new(const char *name, const struct virtio_blk_conf *conf, const struct virtio_place *place)
{
	struct vblk *vb;

	if (conf->disk->block_size < VIRTIO_BLK_SECTOR || conf->disk->nblocks > UINT64_MAX / conf->disk->block_size) {
		log_err("%s: %s has impossible blocks (%u bytes, %llu of them)", name, conf->disk->name, conf->disk->block_size,
			(unsigned long long)conf->disk->nblocks);
		return NULL;
	}
	vb = mem_alloc(sizeof(*vb), 64);
	if (!vb)
		goto fail;
	vb->nreqs = MAX(MIN(VBLK_REQS, (unsigned)conf->disk->limits.tags), VBLK_REQS_MIN);
	vb->reqs = mem_alloc(vb->nreqs * sizeof(*vb->reqs), 64);
	if (!vb->reqs)
		goto fail_vb;
	blk_setup(vb, conf);
	if (virtio_dev_init(&vb->dev, name, place))
		goto fail_reqs;
	conf->disk->client_ctx = vb;
	conf->disk->client_batch_end = vblk_batch_end;
	conf->disk->client_booted = vblk_booted;
	conf->disk->client_resized = vblk_resized;
	blk_counters(vb, name);
	return &vb->dev;

fail_reqs:
	mem_free(vb->reqs);
fail_vb:
	mem_free(vb);
fail:
	log_err("%s: cannot make the virtio-blk device", name);
	return NULL;
}
