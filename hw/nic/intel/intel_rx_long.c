/* SPDX-License-Identifier: BSD-2-Clause */
/* Received frames that fill several buffers of the ring: jumbo frames.  All others are in intel_rx.c. */
#include "intel.h"

/* Read the frame that begins at the head into @part.  The number of its descriptors; 0: the chip still writes; -1: too many. */
static int read_long(const struct intel_nic *n, struct nic_rx_part *part, struct intel_rx_status *st, bool *good)
{
	const struct intel_rx_ring *r = &n->rx;
	unsigned i = r->head;

	*good = true;
	for (unsigned k = 0; k < NIC_RX_PARTS; k++, i = intel_ring_next(i)) {
		if (i == r->tail || !(r->desc[i].q[1] & n->fam->desc->rx_dd))
			return 0;
		dma_rmb();
		n->fam->desc->rx_read(&r->desc[i], st);
		/* Only the last descriptor has valid error bits. */
		*good &= !(st->last && st->bad) && st->len && st->len <= r->slot[i].len;
		part[k] = (struct nic_rx_part) { r->slot[i].token, st->len };
		if (st->last)
			return (int)k + 1;
	}
	return -1;
}

/*
 * Take a frame that fills more than one buffer.  The descriptors stay in the ring until the last of them is written, so that a
 * reset meanwhile leaves nothing half taken.  Returns as read_long(); *@done counts frames that the client got.
 */
static int take_long(struct intel_nic *n, unsigned *done)
{
	struct intel_rx_ring *r = &n->rx;
	struct nic_rx_part part[NIC_RX_PARTS];
	struct intel_rx_slot slot[NIC_RX_PARTS];
	struct intel_rx_status st;
	bool good;
	int k = read_long(n, part, &st, &good);

	if (k <= 0)
		return k;
	for (int i = 0; i < k; i++) {
		slot[i] = r->slot[r->head];
		r->head = (uint16_t)intel_ring_next(r->head);
	}
	if (good && nic_rx_long(&n->nic, 0, part, (unsigned)k, st.csum_ok ? NIC_RX_CSUM_OK : 0)) {
		++*done;
		return k;
	}
	n->nic.count.rx_dropped++;
	for (int i = 0; i < k; i++)
		(void)intel_rx_post(&n->nic, 0, slot[i].addr, slot[i].len, slot[i].token);
	return k;
}

const struct intel_rx_long_ops intel_rx_long_ops = { .take = take_long };
