/* SPDX-License-Identifier: BSD-2-Clause */
/* Received frames, from the NIC to the guest's receive queue, one chain for each.  Several for one: merge.c. */
#include <veneer/err.h>
#include <veneer/string.h>
#include "net.h"

static bool loose(const struct vnet *vn)
{
	return IS_ENABLED(CONFIG_NET_JUMBO) && vn->loose;
}

/*
 * True if the hardware can write the frame directly into the guest's buffer: the virtio header lies in one piece, and behind
 * it, in the same piece or the next, there is room for the largest frame.
 */
static bool in_place(const struct vnet *vn, const struct virtq_chain *c, struct vnet_rx_slot *s)
{
	const struct sg *data = c->in;
	uint32_t skip = vn->hdr_len;

	if (data->len < skip)
		return false;
	if (data->len == skip && c->nin > 1) {
		data++;
		skip = 0;
	}
	if (data->len - skip < NIC_FRAME_MAX || !vnet_reaches(vn->nic, data->addr, data->len))
		return false;
	s->hdr = (uint8_t *)(uintptr_t)c->in->addr;
	s->buf = (uint8_t *)(uintptr_t)(data->addr + skip);
	s->room = data->len - skip;
	s->bounce = false;
	return true;
}

static int post(struct vnet *vn, struct vnet_rx_slot *s)
{
	int err = nic_rx_post(vn->nic, 0, (uintptr_t)s->buf, s->room, s);

	if (!err)
		vn->rx_posted++;
	return err;
}

static int post_bounced(struct vnet *vn, struct vnet_rx_slot *s)
{
	int i = vnet_pool_get(&vn->rx_pool), err;

	if (i < 0)
		return -ERR_BUSY;
	s->buf = vnet_pool_buf(&vn->rx_pool, (unsigned)i);
	s->room = VNET_BOUNCE_SIZE;
	s->bounce = true;
	err = post(vn, s);
	if (err)
		vnet_pool_put(&vn->rx_pool, (unsigned)i);
	return err;
}

/* Give the NIC at most *@left waiting chains, and count these down; true if the NIC or the pool is full. */
static bool refill(struct vnet *vn, struct virtq *q, unsigned *left)
{
	struct virtq_chain *c = &q->chain;
	unsigned before = vn->rx_posted;
	bool full = false;

	while (!full && *left && virtq_pop(q, c)) {
		struct vnet_rx_slot *s = &vn->rx_slot[c->head];
		int err = -ERR_INVAL;

		--*left;
		if (c->in_len < vn->hdr_len + NIC_FRAME_MIN) {
			virtq_push(q, c->head, 0);	/* too small for any frame */
			continue;
		}
		s->head = c->head;
		if (in_place(vn, c, s))
			err = post(vn, s);
		if (err == -ERR_INVAL)
			err = post_bounced(vn, s);
		full = err < 0;
		if (full)
			virtq_unpop(q, c);
	}
	if (vn->rx_posted != before)
		nic_rx_kick(vn->nic, 0);
	return full;
}

/*
 * While the hardware has enough buffers kicks are off: the next received frames lead here again.  With few buffers left kicks
 * are on, since no frame may come; switching them on requires one more look at the ring.
 */
void vnet_rx_run(struct vnet *vn)
{
	struct virtq *q = &vn->vq[VNET_RX];
	unsigned left = VIRTIO_RUN_MAX;
	bool full = false, again;

	if (vn->rx_running)
		return;
	if ((vn->nic->caps & NIC_CAP_RX_COPY) || loose(vn)) {
		/* The guest's chains are taken when a frame has arrived. */
		if (loose(vn))
			vn->merge_ops->post(vn);
		virtq_kicks_off(q);
		return;
	}
	vn->rx_running = true;
	do {
		full = refill(vn, q, &left);
	} while (!full && left && vn->rx_posted < vn->rx_low && virtq_kicks_on(q));
	/* Chains without room for a frame come back at once, and the ring may hold more of them. */
	again = !full && !left && vn->rx_posted < vn->rx_low;
	if (again)
		virtio_run_again(&vn->dev, VNET_RX);
	if (again || vn->rx_posted >= vn->rx_low || (full && vn->rx_posted))
		virtq_kicks_off(q);
	else if (full)
		virtq_kicks_on(q);
	virtq_flush(q);
	vn->rx_running = false;
}

/* Copy a frame into a chain and push the chain; false if the frame does not fit. */
static RARE bool copy_out(struct vnet *vn, struct virtq *q, const struct virtq_chain *c, const void *frame, uint32_t len,
		     uint32_t flags)
{
	uint8_t hdr[VIRTIO_NET_HDR_MODERN];

	if (c->in_len < vn->hdr_len + (uint64_t)len)
		return false;
	vnet_rx_header(vn, hdr, flags, 1);
	sg_copy_to(c->in, c->nin, 0, hdr, vn->hdr_len);
	sg_copy_to(c->in, c->nin, vn->hdr_len, frame, len);
	virtq_push(q, c->head, vn->hdr_len + len);
	vn->cnt_rx_bounced++;
	vn->cnt_rx_bounced_bytes += len;
	return true;
}

/* Drop the frame: give its buffer to the NIC again or, if the NIC refuses, return the chain empty. */
static RARE void drop(struct vnet *vn, struct virtq *q, struct vnet_rx_slot *s)
{
	vn->cnt_rx_dropped++;
	if (!post(vn, s)) {
		nic_rx_kick(vn->nic, 0);
		return;
	}
	if (s->bounce)
		vnet_pool_put(&vn->rx_pool, (unsigned)vnet_pool_index(&vn->rx_pool, s->buf));
	virtq_push(q, s->head, 0);
}

void vnet_rx_done(void *ctx, unsigned queue, void *token, uint32_t len, uint32_t flags)
{
	struct vnet *vn = ctx;
	struct virtq *q = &vn->vq[VNET_RX];
	struct vnet_rx_slot *s = token;

	if (loose(vn)) {
		vn->merge_ops->rx_long(vn, &(struct nic_rx_part){ token, len }, 1, flags);
		return;
	}
	vn->rx_posted--;
	if (len > s->room || vnet_rx_unwanted(vn, s->buf)) {
		drop(vn, q, s);
		return;
	}
	if (!s->bounce) {
		vnet_rx_header(vn, s->hdr, flags, 1);
		virtq_push(q, s->head, vn->hdr_len + len);
		vn->cnt_rx_zero_copy++;
		return;
	}
	/* The list of pieces was not kept: read and check the chain again. */
	if (virtq_refetch(q, s->head, &q->chain) && !copy_out(vn, q, &q->chain, s->buf, len, flags)) {
		drop(vn, q, s);
		return;
	}
	vnet_pool_put(&vn->rx_pool, (unsigned)vnet_pool_index(&vn->rx_pool, s->buf));
}

void vnet_rx_long(void *ctx, unsigned queue, const struct nic_rx_part *part, unsigned n, uint32_t flags)
{
	struct vnet *vn = ctx;

	if (loose(vn))
		vn->merge_ops->rx_long(vn, part, n, flags);
}

bool vnet_rx_frame(void *ctx, unsigned queue, const void *frame, uint32_t len, uint32_t flags)
{
	struct vnet *vn = ctx;
	struct virtq *q = &vn->vq[VNET_RX];
	struct virtq_chain *c = &q->chain;

	if (vnet_rx_unwanted(vn, frame)) {
		vn->cnt_rx_dropped++;
		return true;
	}
	if (IS_ENABLED(CONFIG_NET_JUMBO) && vn->merge)
		return vn->merge_ops->rx_frame(vn, frame, len, flags);
	while (vn->rx_useless < VIRTIO_RUN_MAX && virtq_pop(q, c)) {
		if (c->in_len < vn->hdr_len + NIC_FRAME_MIN) {
			vn->rx_useless++;
			virtq_push(q, c->head, 0);
			continue;
		}
		if (copy_out(vn, q, c, frame, len, flags))
			return true;
		virtq_unpop(q, c);
		break;
	}
	vn->cnt_rx_dropped++;
	return false;
}
