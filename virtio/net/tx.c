/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames to send, from the guest's transmit queue to the NIC.  tso.c segments what the NIC cannot. */
#include <veneer/err.h>
#include <veneer/string.h>
#include "inet.h"
#include "net.h"

int vnet_tx_buf(struct vnet *vn)
{
	int i = vnet_pool_get(&vn->tx_pool);

	if (i < 0)
		nic_tx_wait(vn->nic, 0);
	return i;
}

/* Send a copy: the frame has too many pieces, is out of reach, or has a checksum offset that the chip does not support. */
static int send_copied(struct vnet *vn, const struct virtq_chain *c, struct nic_tx *pkt)
{
	int i = vnet_tx_buf(vn), err;
	struct sg whole;
	uint8_t *frame;

	if (i < 0)
		return -ERR_BUSY;
	frame = vnet_pool_buf(&vn->tx_pool, (unsigned)i);
	whole.addr = (uintptr_t)frame;
	whole.len = pkt->len;
	sg_copy_from(c->out, c->nout, 0, frame, pkt->len);
	pkt->frag = &whole;
	pkt->nfrag = 1;
	pkt->token = vnet_tx_token(c->head, i);
	err = nic_tx(vn->nic, 0, pkt);
	if (err == -ERR_INVAL && (pkt->flags & NIC_TX_CSUM)) {
		/* This NIC cannot write a checksum at that offset: calculate it here. */
		uint8_t *from = frame + pkt->csum_start;

		put16(from + pkt->csum_offset, ~sum_of(from, pkt->len - pkt->csum_start));
		pkt->flags &= ~NIC_TX_CSUM;
		err = nic_tx(vn->nic, 0, pkt);
	}
	if (err) {
		vnet_pool_put(&vn->tx_pool, (unsigned)i);
		return err;
	}
	vnet_count_copied(vn, pkt->len);
	return 0;
}

/*
 * Give the chain's frame to the NIC.  Returns -ERR_BUSY if the NIC has no room for the frame, or for the rest of it
 * (vn->tso.active); another error if the frame cannot be sent.
 */
static int send_frame(struct vnet *vn, struct virtq *q, struct virtq_chain *c)
{
	struct virtio_net_hdr hdr;
	struct nic_tx pkt = { 0 };
	int err;

	if (c->out_len < vn->hdr_len + NIC_FRAME_MIN)
		return -ERR_INVAL;
	virtq_chain_read(c, &hdr, VIRTIO_NET_HDR_LEGACY);
	virtq_chain_skip(c, vn->hdr_len);
	if (hdr.gso_type != VIRTIO_NET_HDR_GSO_NONE)
		return vnet_tso_begin(vn, c, &hdr) ? vnet_tso_run(vn, q, c) : -ERR_INVAL;
	if (c->out_len > vn->frame_max)
		return -ERR_INVAL;
	pkt.len = (uint32_t)c->out_len;
	if ((hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) && vn->tx_csum) {
		if ((uint32_t)hdr.csum_start + hdr.csum_offset + 2 > pkt.len)
			return -ERR_INVAL;
		pkt.flags = NIC_TX_CSUM;
		pkt.csum_start = hdr.csum_start;
		pkt.csum_offset = hdr.csum_offset;
	}
	pkt.frag = c->out;
	pkt.nfrag = c->nout;
	pkt.token = vnet_tx_token(c->head, -1);
	vn->tx_inflight++;	/* set before nic_tx(): the NIC may complete from inside */
	err = nic_tx(vn->nic, 0, &pkt);
	if (!err) {
		if (vn->nic->caps & NIC_CAP_TX_COPY)
			vnet_count_copied(vn, pkt.len);
		else
			vn->cnt_tx_zero_copy++;
		return 0;
	}
	if (err == -ERR_INVAL)
		err = send_copied(vn, c, &pkt);
	if (err)
		vn->tx_inflight--;
	return err;
}

/*
 * Send waiting frames until these and the segments made here are @max or more together.  Returns their number.  Sets *@full if
 * the NIC has no room for the next.
 */
static unsigned send_batch(struct vnet *vn, struct virtq *q, unsigned max, bool *full)
{
	struct virtq_chain *c = &q->chain;
	uint64_t before = vn->cnt_tx_segments;
	unsigned n = 0;

	*full = false;
	while (n + (vn->cnt_tx_segments - before) < max && (vn->tso.active ? q->live : virtq_pop(q, c))) {
		int err = vn->tso.active ? vnet_tso_run(vn, q, c) : send_frame(vn, q, c);

		if (err == -ERR_BUSY) {
			if (!vn->tso.active)
				virtq_unpop(q, c);
			*full = true;
			break;
		}
		if (err) {
			vn->cnt_tx_dropped++;
			virtq_push(q, c->head, 0);
		}
		n++;
	}
	n += (unsigned)(vn->cnt_tx_segments - before);
	if (n)
		nic_tx_kick(vn->nic, 0);
	return n;
}

/*
 * While a frame in flight rings when it is sent, kicks are off: its completion serves the ring again.  Else kicks are on;
 * switching them on requires one more look at the ring.  If the NIC completes at once, or frames are dropped, none are in
 * flight.
 */
void vnet_tx_run(struct vnet *vn)
{
	struct virtq *q = &vn->vq[VNET_TX];
	unsigned n, left = VIRTIO_RUN_MAX;
	bool full;

	if (vn->tx_running)
		return;
	vn->tx_running = true;
	for (;;) {
		n = send_batch(vn, q, left, &full);
		left -= MIN(n, left);
		if (vn->tx_inflight && nic_tx_rings(vn->nic, 0)) {
			virtq_kicks_off(q);
			break;
		}
		if (full && !n) {
			/* The NIC refused, though no frame rings: the next kick, or the end of its recovery, tries again. */
			virtq_kicks_on(q);
			break;
		}
		if (!left) {
			virtq_kicks_off(q);
			virtio_run_again(&vn->dev, VNET_TX);
			break;
		}
		if (!full && !virtq_kicks_on(q))
			break;
	}
	if (left != VIRTIO_RUN_MAX)
		histogram_add(&vn->taken, VIRTIO_RUN_MAX - left);
	virtq_flush(q);
	vn->tx_running = false;
}

void vnet_tx_done(void *ctx, unsigned queue, void *token)
{
	struct vnet *vn = ctx;
	uint32_t head = (uint32_t)(uintptr_t)token & 0xffff, buf = (uint32_t)((uintptr_t)token >> 16);

	vn->tx_inflight--;
	if (buf)
		vnet_pool_put(&vn->tx_pool, buf - 1);
	if (head)
		virtq_push(&vn->vq[VNET_TX], (uint16_t)(head - 1), 0);
}
