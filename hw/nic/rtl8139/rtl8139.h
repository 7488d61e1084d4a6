/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One RTL8139.  The chip addresses 4 GiB, writes received frames back to back into one ring and sends from four buffers: the
 * driver copies every frame once, and the chip never accesses the client's memory.
 */
#ifndef RTL8139_H
#define RTL8139_H

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
 * Behind the ring: 16 bytes that the datasheet requires, and with WRAP the rest of a frame that began before the end.  The
 * chip receives up to 4 KiB before it reports a frame as too long.
 */
#define RTL_RX_ROOM		(RTL_RX_RING + 16u + 4096u + 64u)
#define RTL_RX_LONGEST		(4096u + RTL_FCS)
#define RTL_CAUSES		(INT_ROK | INT_RER | INT_TOK | INT_TER | INT_RXOVW | INT_PUN | INT_FOVW | INT_TIMEOUT | \
				 INT_SERR)
#define RTL_TCR_FIXED		(TCR_IFG | FIELD_PREP(TCR_MXDMA, 6u))
#define RTL_RX_BUDGET		256u	/* frames per poll */

struct rtl8139 {
	struct nic nic;
	volatile uint8_t *regs;
	uint8_t *rx;			/* RTL_RX_ROOM bytes */
	uint8_t *tx;			/* RTL_TX_SLOTS buffers: frame n is in n % RTL_TX_SLOTS, as counted by nic_txq */
	uint32_t rx_at;			/* offset of the next frame's header */
	uint16_t tx_len[RTL_TX_SLOTS];
	uint8_t tx_early;		/* TSD_ERTXTH */
	uint32_t rcr, rcr_told;		/* AAP, APM, AM, AB: for the present filter, and as written to the chip */
	uint32_t mar[2];
	bool serr_said;
	uint64_t tx_underruns, tx_aborts, rx_overflows, rx_resets;
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

/* Flush posted writes by a read from the same chip that has no side effect. */
static inline void flush_writes(const struct rtl8139 *r)
{
	(void)rd8(r, RTL_CR);
}

extern const struct nic_ops rtl8139_ops;
int rtl8139_attach(struct nic *nic);
void rtl8139_detach(struct nic *nic);

/* rtl8139_rings.c: some of nic_ops. */
int rtl8139_tx(struct nic *nic, unsigned q, const struct nic_tx *pkt);
void rtl8139_tx_kick(struct nic *nic, unsigned q);
unsigned rtl8139_drain(struct nic *nic, unsigned q, bool *more);
/* Send a frame again that the chip gave up after too many collisions. */
void rtl8139_tx_retry(struct rtl8139 *r);
/*
 * Disable the receiver and enable it with r->rcr and an empty ring.  Frames in the ring are lost; the transmitter keeps
 * running.
 */
void rtl8139_rx_restart(struct rtl8139 *r);

#endif
