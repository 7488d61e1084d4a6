/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio-blk's part of a saved state.  Requests that do not end in time are served again: each of them may be repeated, and the
 * driver expects no order among requests in flight.  That is safe because the disk has dropped them before the state is saved.
 */
#include <veneer/hwdev.h>
#include <veneer/string.h>
#include "blk.h"

/* Behind the last write: what the guest believes to be written is to be on the medium, not in a cache that stays behind. */
static void vblk_drain(struct virtio_dev *dev)
{
	struct vblk *vb = to_vblk(dev);

	virtq_hold(&vb->vq);
	if (vb->inflight || !vb->st.cached || !vb->disk->flush || !vb->disk->write_cache)
		return;
	vb->flush_due = true;
	vblk_run(vb);
}

static unsigned vblk_poll(struct virtio_dev *dev)
{
	struct hw_dev *ctrl = to_vblk(dev)->disk->ctrl;

	return ctrl->ops->poll(ctrl);
}

static void vblk_halt(struct virtio_dev *dev)
{
	struct vblk *vb = to_vblk(dev);

	vb->st.cached |= vb->flush_busy || vb->flush_due;
	vb->disk->patient = false;
	if (vb->inflight)
		disk_reset(vb->disk);
	vblk_forget(vb);
}

static const char *vblk_check(const struct virtio_dev *dev, const struct virtio_image *in)
{
	const struct vblk *vb = container_of(dev, const struct vblk, dev);
	const struct vblk_state *st = (const void *)in->type;
	uint8_t cfg[BLKCFG_SIZE];

	if (st->write_through > 1 || st->cached > 1)
		return "an impossible cache mode";
	if (!all_zero(st->pad, sizeof(st->pad)))
		return "bytes that are not in use";
	memcpy(cfg, dev->st.cfg, sizeof(cfg));
	cfg[BLKCFG_WRITEBACK] = vb->disk->flush && vb->disk->write_cache && !st->write_through;
	if (memcmp(cfg, in->dev.cfg, sizeof(cfg)))
		return "another disk: its size or its limits differ";
	return NULL;
}

static const struct virtio_state_ops vblk_state_ops = {
	.size = sizeof(struct vblk_state),
	.drain = vblk_drain,
	.poll = vblk_poll,
	.halt = vblk_halt,
	.check = vblk_check,
};

void virtio_blk_keep(struct virtio_dev *dev)
{
	virtio_keep(dev, &vblk_state_ops);
}
