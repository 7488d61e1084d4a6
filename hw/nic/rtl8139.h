/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One RTL8139.  It reaches 4 GiB, writes received frames back to back into one ring and sends from four buffers: every frame
 * is copied, once each way, and no memory of the client is ever the chip's.
 */
#ifndef RTL8139_H
#define RTL8139_H

#include <veneer/hwdev.h>
#include <veneer/io.h>
#include <veneer/nic.h>
#include "rtl8139_regs.h"

/* hw_id.quirks */
#define RTL_Q_CPLUS		BIT(0)	/* may be a C+ chip (revision 20h on), which firmware may have left in C+ mode */

#define RTL_TX_SLOTS		4u
#define RTL_TX_BUF		2048u	/* of one slot; a frame has 1518 bytes at most */
#define RTL_FCS			4u
#define RTL_RX_LEN		2u	/* RBLEN: 32 KiB */
#define RTL_RX_RING		(8192u << RTL_RX_LEN)
/*
 * Behind the ring: 16 bytes that the datasheet wants, and with WRAP the rest of a frame that began before the end.  The chip
 * accepts up to 4 KiB before it calls a frame too long.
 */
#define RTL_RX_ROOM		(RTL_RX_RING + 16u + 4096u + 64u)
#define RTL_RX_LONGEST		(4096u + RTL_FCS)
#define RTL_CAUSES		(INT_ROK | INT_RER | INT_TOK | INT_TER | INT_RXOVW | INT_PUN | INT_FOVW | INT_TIMEOUT | \
				 INT_SERR)
#define RTL_TX_HANG_US		2000000u

struct rtl8139_counters {
	uint64_t tx_packets, tx_bytes, tx_busy, tx_invalid, tx_underruns, tx_aborts, tx_hangs;
	uint64_t rx_packets, rx_bytes, rx_dropped, rx_overflows, rx_resets, polls;
};

struct rtl8139 {
	struct hw_dev hw;
	struct nic nic;
	const struct pci_dev *pci;
	const struct hw_id *id;
	volatile uint8_t *regs;
	uint8_t *rx;			/* RTL_RX_ROOM bytes */
	uint8_t *tx;			/* RTL_TX_SLOTS buffers */
	uint32_t rx_at;			/* offset of the next frame's header */
	/* Frames taken, told to the chip, done: counted, never wrapped; slot = count % RTL_TX_SLOTS. */
	uint32_t tx_tail, tx_kicked, tx_head;
	void *token[RTL_TX_SLOTS];
	uint16_t tx_len[RTL_TX_SLOTS];
	uint8_t tx_early;		/* TSD_ERTXTH */
	uint8_t mac[6];			/* as last set; nic.mac is the permanent one */
	uint32_t rcr;			/* AAP, APM, AM, AB for the present filter */
	uint32_t mar[2];
	struct nic_link seen;		/* as last told */
	bool irq_on;
	bool running;			/* between start() and stop() */
	bool broken;			/* a reset failed: bus mastering is off */
	bool recovering;		/* tokens are being given back, nothing is taken */
	bool clock_held;
	bool shut;			/* for good */
	bool gone_said, serr_said;
	bool tx_watched;		/* frames were under way at the last tick */
	uint64_t tx_seen, tx_seen_us;	/* frames sent by then, and since when that stands */
	struct rtl8139_counters count;
};

/* rtl8139.c: everything of a probe, see struct hw_driver. */
int rtl8139_probe(const struct pci_dev *pci, const struct hw_id *id, unsigned unit, struct hw_dev **out);

#endif
