/* SPDX-License-Identifier: BSD-2-Clause */
/* RTL8139: transmit, from four buffers by copy. */
#include <veneer/clock.h>
#include <veneer/err.h>
#include <veneer/string.h>
#include "rtl8139.h"

#define FRAME_PADDED		60u
#define TX_EARLY_STEP		8u
#define TX_EARLY_MOST		63u	/* 2016 bytes: more than a frame has, less than the FIFO holds */

/* The clock is held only while a client waits for room, so that a transmitter that hangs then is found. */
void rtl8139_hold_clock(struct rtl8139 *r, bool hold)
{
	if (r->clock_held == hold)
		return;
	r->clock_held = hold;
	if (hold)
		clock_hold();
	else
		clock_release();
}

void rtl8139_tx_forget(struct rtl8139 *r)
{
	r->tx_head = r->tx_kicked = r->tx_tail = 0;
	memset(r->token, 0, sizeof(r->token));
	r->tx_watched = false;
}

static uint8_t *tx_buf(const struct rtl8139 *r, unsigned slot)
{
	return r->tx + slot * RTL_TX_BUF;
}

static bool tx_good(const struct nic_tx *pkt)
{
	return pkt->nfrag >= 1 && pkt->nfrag <= NIC_MAX_FRAGS && pkt->len >= NIC_FRAME_MIN && pkt->len <= NIC_FRAME_MAX &&
	       !pkt->flags && sg_bytes(pkt->frag, pkt->nfrag) == pkt->len;
}

int rtl8139_tx(struct nic *nic, unsigned q, const struct nic_tx *pkt)
{
	struct rtl8139 *r = rtl8139_of(nic);
	unsigned slot = r->tx_tail % RTL_TX_SLOTS;

	if (!tx_good(pkt)) {
		r->count.tx_invalid++;
		return -ERR_INVAL;
	}
	if (!r->running || r->recovering || r->tx_tail - r->tx_head == RTL_TX_SLOTS) {
		r->count.tx_busy++;
		if (r->running && !r->clock_held)
			rtl8139_hold_clock(r, r->seen.up);
		return -ERR_BUSY;
	}
	sg_copy_from(pkt->frag, pkt->nfrag, 0, tx_buf(r, slot), pkt->len);
	/* The chip does not pad; what an earlier frame left in the buffer is nobody's business. */
	if (pkt->len < FRAME_PADDED)
		memset(tx_buf(r, slot) + pkt->len, 0, FRAME_PADDED - pkt->len);
	r->tx_len[slot] = (uint16_t)MAX(pkt->len, FRAME_PADDED);
	r->token[slot] = pkt->token;
	r->tx_tail++;
	r->count.tx_bytes += pkt->len;
	return 0;
}

void rtl8139_tx_kick(struct nic *nic, unsigned q)
{
	struct rtl8139 *r = rtl8139_of(nic);

	if (!r->running || r->recovering)
		return;
	dma_wmb();
	for (; r->tx_kicked != r->tx_tail; r->tx_kicked++) {
		unsigned slot = r->tx_kicked % RTL_TX_SLOTS;

		wr32(r, RTL_TSD(slot), FIELD_PREP(TSD_ERTXTH, r->tx_early) | r->tx_len[slot]);
	}
}

/* Sent, or as good as sent: a frame whose FIFO ran dry is not sent again by anybody. */
static bool tx_done(struct rtl8139 *r, unsigned slot)
{
	uint32_t tsd = rd32(r, RTL_TSD(slot));

	if (!(tsd & TSD_OWN) || !(tsd & (TSD_TOK | TSD_TUN)))
		return false;
	if (tsd & TSD_TUN) {
		r->count.tx_underruns++;
		r->tx_early = (uint8_t)MIN(r->tx_early + TX_EARLY_STEP, TX_EARLY_MOST);
	}
	return true;
}

/* Returns how many tokens went back; with @force all do. */
unsigned rtl8139_tx_drain(struct rtl8139 *r, bool force)
{
	unsigned done = 0;

	while (r->tx_head != (force ? r->tx_tail : r->tx_kicked) && (force || tx_done(r, r->tx_head % RTL_TX_SLOTS))) {
		void *token = r->token[r->tx_head % RTL_TX_SLOTS];

		r->tx_head++;
		done++;
		r->count.tx_packets++;
		r->nic.client->tx_done(r->nic.client_ctx, 0, token);
	}
	if (done)
		rtl8139_hold_clock(r, false);
	return done;
}

/* Given up after 16 collisions: the chip stands until it is told to try the same frame again. */
void rtl8139_tx_retry(struct rtl8139 *r)
{
	for (uint32_t i = r->tx_head; i != r->tx_kicked; i++) {
		if (!(rd32(r, RTL_TSD(i % RTL_TX_SLOTS)) & TSD_TABT))
			continue;
		r->count.tx_aborts++;
		wr32(r, RTL_TCR, RTL_TCR_FIXED | TCR_CLRABT);
		return;
	}
}
