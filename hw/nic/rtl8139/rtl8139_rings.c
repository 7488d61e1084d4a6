/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RTL8139: frames to send, in four buffers, and received frames, in the chip's one ring.
 *
 * Emulated chips reset the receive pointers at each write to RCR, silicon when RE rises.  So the driver writes RCR only just
 * after it has set RE: rtl8139_rx_restart().
 */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include <veneer/time.h>
#include "rtl8139.h"

#define FRAME_PADDED		60u
#define TX_EARLY_STEP		8u
#define TX_EARLY_MOST		63u	/* 2016 bytes: more than a frame, less than the FIFO */
#define RX_OFF_US		1000u
#define CAPR_LAG		16u
#define RCR_FIXED		(RCR_WRAP | RCR_MXDMA | FIELD_PREP(RCR_RBLEN, RTL_RX_LEN) | RCR_RXFTH)

/* --- transmit --- */

/* The core has as many tokens as there are buffers, so a buffer is free. */
int rtl8139_tx(struct nic *nic, unsigned q, const struct nic_tx *pkt)
{
	struct rtl8139 *r = rtl8139_of(nic);
	unsigned slot = (nic->txq[q].sent - 1) % RTL_TX_SLOTS;
	uint8_t *buf = r->tx + slot * RTL_TX_BUF;

	sg_copy_from(pkt->frag, pkt->nfrag, 0, buf, pkt->len);
	/* The chip does not pad: pad with zeros, so that no bytes of an earlier frame go out. */
	if (pkt->len < FRAME_PADDED)
		memset(buf + pkt->len, 0, FRAME_PADDED - pkt->len);
	r->tx_len[slot] = (uint16_t)MAX(pkt->len, FRAME_PADDED);
	return 0;
}

void rtl8139_tx_kick(struct nic *nic, unsigned q)
{
	struct rtl8139 *r = rtl8139_of(nic);

	dma_wmb();
	for (uint32_t i = nic->txq[q].kicked; i != nic->txq[q].sent; i++) {
		unsigned slot = i % RTL_TX_SLOTS;

		wr32(r, RTL_TSD(slot), FIELD_PREP(TSD_ERTXTH, r->tx_early) | r->tx_len[slot]);
	}
}

/* True if the frame was sent, or lost to an underrun: nobody sends such a frame again. */
static unsigned tx_drain(struct rtl8139 *r)
{
	struct nic_txq *t = &r->nic.txq[0];
	unsigned n = 0;

	for (; n < RTL_TX_SLOTS && t->done != t->kicked; n++) {
		uint32_t tsd = rd32(r, RTL_TSD(t->done % RTL_TX_SLOTS));

		if (!(tsd & TSD_OWN) || !(tsd & (TSD_TOK | TSD_TUN)))
			break;
		if (tsd & TSD_TUN) {
			r->tx_underruns++;
			r->tx_early = (uint8_t)MIN(r->tx_early + TX_EARLY_STEP, TX_EARLY_MOST);
		}
		nic_tx_done(&r->nic, 0);
	}
	return n;
}

/* After 16 collisions the chip stops until TCR_CLRABT makes it send the same frame again. */
void rtl8139_tx_retry(struct rtl8139 *r)
{
	for (uint32_t i = r->nic.txq[0].done; i != r->nic.txq[0].kicked; i++) {
		if (!(rd32(r, RTL_TSD(i % RTL_TX_SLOTS)) & TSD_TABT))
			continue;
		r->tx_aborts++;
		wr32(r, RTL_TCR, RTL_TCR_FIXED | TCR_CLRABT);
		return;
	}
}

/* --- receive --- */

/* RCR accepts its thresholds only while RE is set. */
void rtl8139_rx_restart(struct rtl8139 *r)
{
	uint8_t cr = 0;

	wr8(r, RTL_CR, CR_TE);
	if (!wait_until(!((cr = rd8(r, RTL_CR)) & CR_RE), RX_OFF_US))
		log_err("%s: the receiver does not stop, CR %02x", r->nic.name, cr);
	wr32(r, RTL_RBSTART, (uint32_t)mem_phys(r->rx));
	wr8(r, RTL_CR, CR_TE | CR_RE);
	wr32(r, RTL_RCR, RCR_FIXED | r->rcr);
	r->rcr_told = r->rcr;
	r->rx_at = 0;
	/* A write to CAPR while the ring is empty raises an interrupt. */
	if (rd16(r, RTL_CAPR) != (uint16_t)(0u - CAPR_LAG))
		wr16(r, RTL_CAPR, (uint16_t)(0u - CAPR_LAG));
	flush_writes(r);
}

/* Empty the ring: only a good header tells where the next header is. */
static void rx_lost(struct rtl8139 *r, uint16_t status, uint16_t len)
{
	r->rx_resets++;
	log_warn("%s: no valid frame at %#x of the ring (status %04x, length %u), CBR %04x: receiver restarted", r->nic.name,
		 r->rx_at, status, len, rd16(r, RTL_CBR));
	rtl8139_rx_restart(r);
}

/* Take one frame out of the ring; false if there is none, or the ring had to be emptied. */
static bool rx_next(struct rtl8139 *r, bool *more)
{
	uint16_t header[2];

	if (rd8(r, RTL_CR) & CR_BUFE)
		return false;
	dma_rmb();
	memcpy(header, r->rx + r->rx_at, sizeof(header));	/* read once: the chip may change it at any time */
	if (header[1] == RX_UNFINISHED) {
		*more = true;
		return false;
	}
	if (!(header[0] & RX_ROK) || (header[0] & RX_ERRORS) || header[1] < NIC_FRAME_MIN + RTL_FCS ||
	    header[1] > RTL_RX_LONGEST) {
		rx_lost(r, header[0], header[1]);
		return false;
	}
	nic_rx_frame(&r->nic, 0, r->rx + r->rx_at + RX_HEADER, header[1] - RTL_FCS, 0);
	if (!nic_runs(&r->nic))
		return false;		/* the client has stopped the NIC from its callback */
	r->rx_at = ALIGN_UP(r->rx_at + RX_HEADER + header[1], 4u) % RTL_RX_RING;
	wr16(r, RTL_CAPR, (uint16_t)(r->rx_at - CAPR_LAG));
	return true;
}

unsigned rtl8139_drain(struct nic *nic, unsigned q, bool *more)
{
	struct rtl8139 *r = rtl8139_of(nic);
	unsigned n = 0;

	while (n < RTL_RX_BUDGET && rx_next(r, more))
		n++;
	*more |= n == RTL_RX_BUDGET;
	return n + tx_drain(r);
}
