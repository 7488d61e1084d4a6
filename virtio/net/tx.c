/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames from the guest. */
#include <veneer/err.h>
#include <veneer/string.h>
#include "net.h"

/* Read the header, wherever its bytes lie, and leave the frame in @c.  False: no frame that could be sent. */
static bool parse(struct vnet *vn, struct virtq_chain *c, struct nic_tx *pkt)
{
	struct virtio_net_hdr hdr;
	uint64_t len;

	if (c->out_len < vn->hdr_len + NIC_FRAME_MIN)
		return false;
	virtq_chain_read(c, &hdr, VIRTIO_NET_HDR_LEGACY);
	virtq_chain_skip(c, vn->hdr_len);
	len = c->out_len;
	if (len > NIC_FRAME_MAX || hdr.gso_type != VIRTIO_NET_HDR_GSO_NONE)
		return false;
	pkt->len = (uint32_t)len;
	if ((hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) && vn->tx_csum) {
		if ((uint32_t)hdr.csum_start + hdr.csum_offset + 2 > len)
			return false;
		pkt->flags = NIC_TX_CSUM;
		pkt->csum_start = hdr.csum_start;
		pkt->csum_offset = hdr.csum_offset;
	}
	return true;
}

static int send_bounced(struct vnet *vn, const struct virtq_chain *c, struct nic_tx *pkt)
{
	int i = vnet_pool_get(&vn->tx_pool), err;
	struct sg whole;

	if (i < 0)
		return -ERR_BUSY;
	whole.addr = (uintptr_t)vnet_pool_buf(&vn->tx_pool, (unsigned)i);
	whole.len = pkt->len;
	sg_copy_from(c->out, c->nout, 0, (void *)(uintptr_t)whole.addr, pkt->len);
	pkt->frag = &whole;
	pkt->nfrag = 1;
	err = vn->nic->ops->tx(vn->nic, 0, pkt);
	if (err) {
		vnet_pool_put(&vn->tx_pool, (unsigned)i);
		return err;
	}
	vn->tx_bounce[c->head] = (uint8_t)(i + 1);
	vn->cnt_tx_bounced++;
	vn->cnt_tx_bounced_bytes += pkt->len;
	return 0;
}

static bool direct(const struct vnet *vn, const struct virtq_chain *c)
{
	if (c->nout > NIC_MAX_FRAGS)
		return false;
	for (unsigned i = 0; i < c->nout; i++)
		if (!vnet_reaches(vn->nic, c->out[i].addr, c->out[i].len))
			return false;
	return true;
}

static void count_direct(struct vnet *vn, const struct nic_tx *pkt)
{
	if (!(vn->nic->caps & NIC_CAP_TX_COPY)) {
		vn->cnt_tx_zero_copy++;
		return;
	}
	vn->cnt_tx_bounced++;
	vn->cnt_tx_bounced_bytes += pkt->len;
}

/* 0: the frame is under way, or dropped and returned.  -ERR_BUSY: no room; the chain has not been touched. */
static int send(struct vnet *vn, struct virtq *q, struct virtq_chain *c)
{
	struct nic_tx pkt = { .token = (void *)(uintptr_t)(c->head + 1u) };
	int err = -ERR_INVAL;

	if (!parse(vn, c, &pkt))
		goto drop;
	pkt.frag = c->out;
	pkt.nfrag = c->nout;
	vn->tx_inflight++;	/* before: the NIC may complete from inside tx() */
	if (direct(vn, c)) {
		err = vn->nic->ops->tx(vn->nic, 0, &pkt);
		if (!err) {
			count_direct(vn, &pkt);
			return 0;
		}
	}
	if (err == -ERR_INVAL)
		err = send_bounced(vn, c, &pkt);
	if (!err)
		return 0;
	vn->tx_inflight--;
	if (err == -ERR_BUSY)
		return err;
drop:
	vn->cnt_tx_dropped++;
	virtq_push(q, c->head, 0);
	return 0;
}

/* Send what waits; how many chains went.  *@full says that the NIC has no room for the next. */
static unsigned batch(struct vnet *vn, struct virtq *q, bool *full)
{
	struct virtq_chain *c = &q->chain;
	unsigned n = 0;

	*full = false;
	while (virtq_pop(q, c)) {
		if (send(vn, q, c) == -ERR_BUSY) {
			virtq_unpop(q, c);
			*full = true;
			break;
		}
		n++;
	}
	if (n)
		vn->nic->ops->tx_kick(vn->nic, 0);
	return n;
}

/*
 * While anything is in flight its completion will bring us here again, so kicks are off; with nothing in flight they are on,
 * and the ring is looked at once more.
 */
void vnet_tx_run(struct vnet *vn)
{
	struct virtq *q = &vn->vq[VNET_TX];
	unsigned n;
	bool full;

	if (vn->tx_running)
		return;
	vn->tx_running = true;
	for (;;) {
		n = batch(vn, q, &full);
		if (vn->tx_inflight) {
			virtq_kicks_off(q);
			break;
		}
		if (full && !n) {
			/* An idle NIC takes nothing: the next kick, or the end of its recovery, tries again. */
			virtq_kicks_on(q);
			break;
		}
		if (!full && !virtq_kicks_on(q))
			break;
	}
	virtq_flush(q);
	vn->tx_running = false;
}

void vnet_tx_done(void *ctx, unsigned queue, void *token)
{
	struct vnet *vn = ctx;
	uint16_t head = (uint16_t)((uintptr_t)token - 1);

	vn->tx_inflight--;
	if (vn->tx_bounce[head]) {
		vnet_pool_put(&vn->tx_pool, vn->tx_bounce[head] - 1u);
		vn->tx_bounce[head] = 0;
	}
	virtq_push(&vn->vq[VNET_TX], head, 0);
}
