/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Realtek's gigabit family: the two rings.  Each frame takes one descriptor: the public drivers report transmitters that hang
 * on frames of many pieces.
 *
 * The chip can lose a write to TPPoll while it is finishing the frames before; so each drain that finds frames in flight writes
 * TPPoll again.
 */
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include "realtek.h"

#define FRAME_PADDED	60u

static void point(volatile struct rtk_desc *d, uint64_t addr)
{
	d->vlan = 0;
	d->addr_lo = (uint32_t)addr;
	d->addr_hi = (uint32_t)(addr >> 32);
}

/* --- transmit --- */

/* The core has as many tokens as there are descriptors, so a descriptor is free. */
int rtk_tx(struct nic *nic, unsigned q, const struct nic_tx *pkt)
{
	struct rtk *r = rtk_of(nic);
	unsigned slot = (nic->txq[q].sent - 1) % RTK_TX_SLOTS;
	uint64_t addr = pkt->frag->addr;
	uint32_t len = pkt->len;

	if (pkt->nfrag != 1 || len < FRAME_PADDED) {
		uint8_t *buf = r->tx_buf + slot * RTK_TX_BUF;

		sg_copy_from(pkt->frag, pkt->nfrag, 0, buf, len);
		/* Not every chip of the family pads: pad with zeros, so that no bytes of an earlier frame go out. */
		if (len < FRAME_PADDED)
			memset(buf + len, 0, FRAME_PADDED - len);
		len = MAX(len, FRAME_PADDED);
		addr = mem_phys(buf);
		r->tx_copied++;
	}
	point(&r->tx[slot], addr);
	r->tx_opts[slot] = DESC_OWN | DESC_FIRST | DESC_LAST | len | (slot == RTK_TX_SLOTS - 1 ? DESC_EOR : 0);
	return 0;
}

void rtk_tx_kick(struct nic *nic, unsigned q)
{
	struct rtk *r = rtk_of(nic);

	dma_wmb();
	for (uint32_t i = nic->txq[q].kicked; i != nic->txq[q].sent; i++)
		r->tx[i % RTK_TX_SLOTS].opts = r->tx_opts[i % RTK_TX_SLOTS];
	dma_wmb();
	rtk_tx_poll(r);
}

/* --- receive --- */

static void rx_give(struct rtk *r, unsigned slot)
{
	volatile struct rtk_desc *d = &r->rx[slot];

	point(d, mem_phys(r->rx_buf + slot * RTK_RX_BUF));
	dma_wmb();
	d->opts = DESC_OWN | RTK_RX_LEN | (slot == RTK_RX_SLOTS - 1 ? DESC_EOR : 0);
}

unsigned rtk_drain(struct nic *nic, unsigned q, bool *more)
{
	struct rtk *r = rtk_of(nic);
	struct nic_txq *t = &nic->txq[0];
	unsigned n = 0, sent = 0;

	for (; n < RTK_RX_SLOTS; n++) {
		unsigned slot = r->rx_at;
		uint32_t opts = r->rx[slot].opts, len = FIELD_GET(RX_LENGTH, opts), whole = DESC_FIRST | DESC_LAST;

		if (opts & DESC_OWN)
			break;
		dma_rmb();
		/* Pass on frames that are whole, without errors and not longer than a buffer. */
		if ((opts & whole) != whole || (opts & RX_ERRORS) || len < NIC_FRAME_MIN + RTK_FCS || len > RTK_RX_LEN)
			nic->count.rx_dropped++;
		else
			nic_rx_frame(nic, 0, r->rx_buf + slot * RTK_RX_BUF, len - RTK_FCS, 0);
		if (!nic_runs(nic))
			return n;	/* the client's callback has called nic_stop() */
		rx_give(r, slot);
		r->rx_at = (slot + 1) % RTK_RX_SLOTS;
	}
	*more |= n == RTK_RX_SLOTS;
	for (; sent < RTK_TX_SLOTS && t->done != t->kicked && !(r->tx[t->done % RTK_TX_SLOTS].opts & DESC_OWN); sent++)
		nic_tx_done(nic, 0);
	if (nic_runs(nic) && t->done != t->kicked)
		rtk_tx_poll(r);
	return n + sent;
}

bool rtk_peek(struct nic *nic)
{
	const struct rtk *r = rtk_of(nic);
	const struct nic_txq *t = &nic->txq[0];

	return !(r->rx[r->rx_at].opts & DESC_OWN) ||
	       (t->done != t->kicked && !(r->tx[t->done % RTK_TX_SLOTS].opts & DESC_OWN));
}

void rtk_rings_empty(struct rtk *r)
{
	memset((void *)r->tx, 0, RTK_RING_BYTES(RTK_TX_SLOTS));
	r->tx[RTK_TX_SLOTS - 1].opts = DESC_EOR;
	for (unsigned i = 0; i < RTK_RX_SLOTS; i++)
		rx_give(r, i);
	r->rx_at = 0;
}
