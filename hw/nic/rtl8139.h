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
#define RTL_TCR_FIXED		(TCR_IFG | FIELD_PREP(TCR_MXDMA, 6u))
#define RTL_RX_BUDGET		256u	/* frames per poll */
#define RTL_TX_HANG_US		2000000u

struct rtl8139_counters {
	uint64_t tx_packets, tx_bytes, tx_busy, tx_invalid, tx_underruns, tx_aborts, tx_hangs;
	uint64_t rx_packets, rx_bytes, rx_dropped, rx_overflows, rx_resets, polls;
};

struct rtl8139 {
	struct hw_dev hw;
	struct nic nic;
	const struct pci_dev *pci;
	uint32_t quirks;		/* hw_id.quirks */
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

static inline uint8_t rd8(const struct rtl8139 *r, uint32_t reg) { return mmio_read8(r->regs + reg); }
static inline uint16_t rd16(const struct rtl8139 *r, uint32_t reg) { return mmio_read16(r->regs + reg); }
static inline uint32_t rd32(const struct rtl8139 *r, uint32_t reg) { return mmio_read32(r->regs + reg); }
static inline void wr8(struct rtl8139 *r, uint32_t reg, uint8_t v) { mmio_write8(r->regs + reg, v); }
static inline void wr16(struct rtl8139 *r, uint32_t reg, uint16_t v) { mmio_write16(r->regs + reg, v); }
static inline void wr32(struct rtl8139 *r, uint32_t reg, uint32_t v) { mmio_write32(r->regs + reg, v); }

static inline struct rtl8139 *rtl8139_of(struct nic *nic)
{
	return container_of(nic, struct rtl8139, nic);
}

/* Push posted writes out: a read from the same chip that has no effect. */
static inline void flush_writes(const struct rtl8139 *r)
{
	(void)rd8(r, RTL_CR);
}

/* All of the below: as the owner of the device. */

/* rtl8139_mac.c: the address (the permanent one is nic.mac), what is received, the link; nic_ops in part. */

/* CONFIG registers, and on some revisions the addresses, take writes between the two. */
void rtl8139_config_unlock(struct rtl8139 *r);
void rtl8139_config_lock(struct rtl8139 *r);
/* Read nic.mac, from the EEPROM anew where the chip has none.  0, or negative with a log line. */
int rtl8139_read_mac(struct rtl8139 *r);
/* Tell the chip r->mac and r->mar, or make r->rcr and r->mar of a filter (which the chip is not told). */
void rtl8139_address_write(struct rtl8139 *r);
void rtl8139_filter_make(struct rtl8139 *r, const struct nic_rx_filter *f);
void rtl8139_link(struct nic *nic, struct nic_link *out);
/* Log and tell the client, if it is another one than r->seen. */
void rtl8139_link_look(struct rtl8139 *r);

/* rtl8139_tx.c: nic_ops in part. */
int rtl8139_tx(struct nic *nic, unsigned q, const struct nic_tx *pkt);
void rtl8139_tx_kick(struct nic *nic, unsigned q);
/* Frames that are sent go back to the client, with @force all.  How many.  The client may stop the device meanwhile. */
unsigned rtl8139_tx_drain(struct rtl8139 *r, bool force);
/* Frames given up after too many collisions are sent again. */
void rtl8139_tx_retry(struct rtl8139 *r);
/* No frame is under way any more, and none goes back. */
void rtl8139_tx_forget(struct rtl8139 *r);
/* The clock is held only while a client waits for room, so that a transmitter that hangs then is found. */
void rtl8139_hold_clock(struct rtl8139 *r, bool hold);

/* rtl8139_rx.c: frames for the client, up to a budget.  How many were taken out.  The client may stop the device meanwhile. */
unsigned rtl8139_rx_drain(struct rtl8139 *r);
/* The receiver off and on again, with r->rcr and an empty ring.  What was in it is lost; the transmitter goes on. */
void rtl8139_rx_restart(struct rtl8139 *r);

/* rtl8139.c: nic_ops, hw_dev_ops. */
void rtl8139_set_irq_mask(struct rtl8139 *r, uint16_t mask);
/*
 * Of a device whose registers are mapped: sets its ops and all that they need, resets it, with its permanent address, link
 * and the default filter.  0, or negative with a log line.
 */
int rtl8139_take_over(struct rtl8139 *r);

/* rtl8139_probe.c: everything of a probe, see struct hw_driver. */
int rtl8139_probe(const struct pci_dev *pci, const struct hw_id *id, unsigned unit, struct hw_dev **out);

#endif
