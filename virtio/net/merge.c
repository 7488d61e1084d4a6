/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Received frames that need not fit into one buffer (MRG_RXBUF, virtio 1.2 section 5.1.6.4; MTUs above 1500): copied into
 * chains that are taken from the guest's ring when the frame has arrived.  Frames received in place are in rx.c.
 */
#include <veneer/string.h>
#include "net.h"

/* A received frame: its parts in Veneer's memory. */
struct frame {
	const struct sg *part;
	unsigned n;
	uint32_t len, flags;
};

/* Copy a frame behind its header into the pieces of @nbuffers chains, which have room for both. */
static void copy_out(struct vnet *vn, const struct sg *to, unsigned nto, unsigned nbuffers, const struct frame *f)
{
	uint8_t hdr[VIRTIO_NET_HDR_MODERN];
	uint64_t at = vn->hdr_len;

	vnet_rx_header(vn, hdr, f->flags, nbuffers);
	sg_copy_to(to, nto, 0, hdr, vn->hdr_len);
	for (unsigned i = 0; i < f->n; at += f->part[i++].len)
		sg_copy_to(to, nto, at, (const void *)(uintptr_t)f->part[i].addr, f->part[i].len);
	vn->cnt_rx_bounced++;
	vn->cnt_rx_bounced_bytes += f->len;
}

/* Put the chains that were taken back, or, if a further one was pushed already, return them empty. */
static void give_back(struct virtq *q, struct vnet_merge *m, bool empty)
{
	for (unsigned i = 0; empty && i < m->n; i++)
		virtq_push(q, m->chain[i].head, 0);
	for (unsigned i = m->n; !empty && i--;) {
		q->chain.head = m->chain[i].head;
		q->popped_carried = m->chain[i].carried;
		virtq_unpop(q, &q->chain);
	}
}

/* Add the chain just popped, for @need bytes at most.  False if the frame has too many chains or pieces already. */
static bool take_chain(struct virtq *q, struct vnet_merge *m, uint32_t need)
{
	const struct virtq_chain *c = &q->chain;
	bool alone = !m->n && c->in_len >= need;

	if (m->n == VNET_MERGE_CHAINS || (!alone && m->npieces + c->nin > VNET_MERGE_PIECES))
		return false;
	m->chain[m->n].head = c->head;
	m->chain[m->n].carried = q->popped_carried;
	m->chain[m->n++].len = (uint32_t)MIN(c->in_len, need);
	for (unsigned i = 0; !alone && i < c->nin; i++)
		m->piece[m->npieces++] = c->in[i];
	return true;
}

/*
 * Take chains for @need bytes: one, or with MRG_RXBUF as many as it takes.  False if the ring has too few, or too small ones;
 * they stay there.  A chain that is too small for any frame, or for a header (5.1.6.3.1), goes back empty, and so do those
 * before, as the ring can be wound back no further.
 */
static bool take_chains(struct vnet *vn, struct virtq *q, uint32_t need)
{
	uint32_t least = vn->merge ? vn->hdr_len : vn->hdr_len + NIC_FRAME_MIN;
	struct vnet_merge *m = &vn->merged;
	bool useless = false;

	m->n = m->npieces = 0;
	while (vn->rx_useless < VIRTIO_RUN_MAX && virtq_pop(q, &q->chain)) {
		if (q->chain.in_len < least) {
			vn->rx_useless++;
			useless = m->n;
			virtq_push(q, q->chain.head, 0);
			if (useless)
				break;
			continue;
		}
		if ((!vn->merge && q->chain.in_len < need) || !take_chain(q, m, need)) {
			virtq_unpop(q, &q->chain);
			break;
		}
		need -= m->chain[m->n - 1].len;
		if (!need)
			return true;
	}
	give_back(q, m, useless);
	return false;
}

/* Give the guest a frame; false if its chains have no room. */
static bool deliver(struct vnet *vn, struct virtq *q, const struct frame *f)
{
	struct vnet_merge *m = &vn->merged;

	if (!take_chains(vn, q, vn->hdr_len + f->len))
		return false;
	if (m->npieces)
		copy_out(vn, m->piece, m->npieces, m->n, f);
	else
		copy_out(vn, q->chain.in, q->chain.nin, 1, f);
	for (unsigned i = 0; i < m->n; i++)
		virtq_push(q, m->chain[i].head, m->chain[i].len);
	return true;
}

static void merge_rx_long(struct vnet *vn, const struct nic_rx_part *part, unsigned n, uint32_t flags)
{
	struct virtq *q = &vn->vq[VNET_RX];
	struct sg piece[NIC_RX_PARTS];
	struct frame f = { piece, n, 0, flags };

	for (unsigned i = 0; i < n; i++) {
		piece[i] = (struct sg){ (uintptr_t)part[i].token, part[i].len };
		f.len += part[i].len;
	}
	/* Not every chip knows the limit: one buffer can hold a longer frame (5.1.4.1). */
	if (f.len > vn->frame_max || vnet_rx_unwanted(vn, part->token) || !deliver(vn, q, &f))
		vn->cnt_rx_dropped++;
	vn->rx_posted -= n;
	for (unsigned i = 0; i < n; i++)	/* flush() posts them again */
		vnet_pool_put(&vn->rx_pool, (unsigned)vnet_pool_index(&vn->rx_pool, part[i].token));
}

static bool merge_rx_frame(struct vnet *vn, const void *frame, uint32_t len, uint32_t flags)
{
	struct sg piece = { (uintptr_t)frame, len };

	if (deliver(vn, &vn->vq[VNET_RX], &(struct frame){ &piece, 1, len, flags }))
		return true;
	vn->cnt_rx_dropped++;
	return false;
}

static void merge_post(struct vnet *vn)
{
	unsigned before = vn->rx_posted;
	int i;

	while ((i = vnet_pool_get(&vn->rx_pool)) >= 0) {
		uint8_t *buf = vnet_pool_buf(&vn->rx_pool, (unsigned)i);

		if (nic_rx_post(vn->nic, 0, (uintptr_t)buf, VNET_BOUNCE_SIZE, buf)) {
			vnet_pool_put(&vn->rx_pool, (unsigned)i);
			break;
		}
		vn->rx_posted++;
	}
	if (vn->rx_posted != before)
		nic_rx_kick(vn->nic, 0);
}

const struct vnet_merge_ops vnet_merge_ops = {
	.post = merge_post,
	.rx_long = merge_rx_long,
	.rx_frame = merge_rx_frame,
};
