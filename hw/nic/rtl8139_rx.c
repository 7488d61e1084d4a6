/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RTL8139: receive, out of the chip's one ring.
 *
 * Emulated chips set the receive pointers back at each write to RCR, silicon where RE rises.  So RCR is written with RE just
 * risen and at no other time: rtl8139_rx_restart().
 */
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include <veneer/time.h>
#include "rtl8139.h"

#define RX_OFF_US		1000u
#define CAPR_LAG		16u
#define RCR_FIXED		(RCR_WRAP | RCR_MXDMA | FIELD_PREP(RCR_RBLEN, RTL_RX_LEN) | RCR_RXFTH)

/*
 * The receiver off and on again, the ring empty.  What was in it is lost; the transmitter goes on.  RCR takes its thresholds
 * only while RE is on.
 */
void rtl8139_rx_restart(struct rtl8139 *r)
{
	uint8_t cr = 0;

	wr8(r, RTL_CR, CR_TE);
	if (!wait_until(!((cr = rd8(r, RTL_CR)) & CR_RE), RX_OFF_US))
		log_err("%s: the receiver does not stop, CR %02x", r->hw.name, cr);
	wr32(r, RTL_RBSTART, (uint32_t)mem_phys(r->rx));
	wr8(r, RTL_CR, CR_TE | CR_RE);
	wr32(r, RTL_RCR, RCR_FIXED | r->rcr);
	r->rx_at = 0;
	/* Written to an empty ring it makes an interrupt. */
	if (rd16(r, RTL_CAPR) != (uint16_t)(0u - CAPR_LAG))
		wr16(r, RTL_CAPR, (uint16_t)(0u - CAPR_LAG));
	flush_writes(r);
}

/* The ring cannot be trusted any more: where the next header is, is known from the last one only. */
static void rx_lost(struct rtl8139 *r, uint16_t status, uint16_t len)
{
	r->count.rx_resets++;
	log_warn("%s: no frame at %#x of the ring (status %04x, length %u), CBR %04x: receiver restarted", r->hw.name, r->rx_at,
		 status, len, rd16(r, RTL_CBR));
	rtl8139_rx_restart(r);
}

static void rx_one(struct rtl8139 *r, const uint8_t *frame, uint32_t len)
{
	if (len < NIC_FRAME_MIN || len > NIC_FRAME_MAX || !r->nic.client->rx_frame(r->nic.client_ctx, 0, frame, len, 0)) {
		r->count.rx_dropped++;
		return;
	}
	r->count.rx_packets++;
	r->count.rx_bytes += len;
}

/* One frame out of the ring; false when there is none, or the ring had to be emptied. */
static bool rx_next(struct rtl8139 *r)
{
	uint16_t header[2];

	if (rd8(r, RTL_CR) & CR_BUFE)
		return false;
	dma_rmb();
	memcpy(header, r->rx + r->rx_at, sizeof(header));	/* once: the chip may write what it likes */
	if (header[1] == RX_UNFINISHED)
		return false;
	if (!(header[0] & RX_ROK) || (header[0] & RX_ERRORS) || header[1] < NIC_FRAME_MIN + RTL_FCS ||
	    header[1] > RTL_RX_LONGEST) {
		rx_lost(r, header[0], header[1]);
		return false;
	}
	rx_one(r, r->rx + r->rx_at + RX_HEADER, header[1] - RTL_FCS);
	if (!r->running)
		return false;		/* the client has stopped us from its callback */
	r->rx_at = ALIGN_UP(r->rx_at + RX_HEADER + header[1], 4u) % RTL_RX_RING;
	wr16(r, RTL_CAPR, (uint16_t)(r->rx_at - CAPR_LAG));
	return true;
}

unsigned rtl8139_rx_drain(struct rtl8139 *r)
{
	unsigned n = 0;

	while (n < RTL_RX_BUDGET && rx_next(r))
		n++;
	return n;
}
