/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One NIC of Realtek's gigabit family.  The driver copies every received frame out of buffers of its own.  The chip sends a
 * frame from the client's memory if the frame is one piece of at least 60 bytes, else from the buffer of its slot.
 */
#ifndef REALTEK_H
#define REALTEK_H

#include <veneer/io.h>
#include <veneer/nic.h>
#include "realtek_regs.h"

#define RTK_TX_SLOTS		64u	/* descriptors, one per frame */
#define RTK_TX_BUF		2048u
#define RTK_RX_SLOTS		128u
#define RTK_RX_BUF		2048u
#define RTK_RX_LEN		2040u	/* a buffer's length in its descriptor, and RMS */
#define RTK_FCS			4u
#define RTK_RING_BYTES(slots)	((slots) * sizeof(struct rtk_desc))
#define RTK_CAUSES		(INT_ROK | INT_RER | INT_TOK | INT_TER | INT_RDU | INT_LINK | INT_TIMEOUT | INT_SERR)

/* hw_id.quirks */
#define RTK_Q_25		BIT(0)	/* an RTL8125 or RTL8126, whose registers need more room */

/* struct rtk_chip.flags */
#define CHIP_PCIE		BIT(0)
#define CHIP_DMA64		BIT(1)
#define CHIP_PM			BIT(2)	/* 8168E on: CONFIG2 and CONFIG5 control ASPM and clock requests, too */
#define CHIP_EVL		BIT(3)	/* 8168E-VL on, gigabit: ERI, FIFOs in one memory, a bit "transmitter empty" */
#define CHIP_MAC_ERI		BIT(4)	/* the burnt-in address is in ERI */
#define CHIP_MAC_BOTH		BIT(5)	/* 8168E-VL: its filter has a copy of the address in ERI */
#define CHIP_OCP		BIT(6)	/* 8168G on: OCP, out-of-band mode, the gate */
#define CHIP_L1_2		BIT(7)	/* 8168H */
#define CHIP_ALLMULTI		BIT(8)	/* the multicast hash does not work */
#define CHIP_JUMBO_B		BIT(9)	/* has CONFIG4_JUMBO_B, which firmware may have left set */
#define CHIP_JUMBO_C		BIT(10)	/* has CONFIG4_JUMBO_C, which firmware may have left set */
#define CHIP_25			BIT(11)	/* RTL8125, RTL8126 */
#define CHIP_25B		BIT(12)
#define CHIP_CPCR_14		BIT(13)	/* bit 14 of C+CR must be 1 */
#define CHIP_SC_D		BIT(14)	/* 8169SC: an undocumented register needs a value that depends on the bus clock */
#define CHIP_SC_E		BIT(15)
#define CHIP_8402		BIT(16)
#define CHIP_8106		BIT(17)
#define CHIP_NDP		BIT(18)	/* 8105E, 8106E */
#define CHIP_PIN		BIT(19)	/* PCI: interrupts by its line, even if configuration space offers messages */
#define CHIP_FOVW		BIT(20)	/* first 8168B: receives nothing after a FIFO overflow */
#define CHIP_25D		BIT(21)
#define CHIP_26			BIT(22)	/* RTL8126: 5 Gb/s */

struct rtk_chip {
	uint16_t mask, version;		/* of TCR's upper 12 bits */
	uint32_t flags;
	uint32_t rcr;			/* bursts and thresholds */
	const char *name;
};

struct rtk_desc {
	uint32_t opts, vlan;
	uint32_t addr_lo, addr_hi;
};

struct rtk {
	struct nic nic;
	volatile uint8_t *regs;
	const struct rtk_chip *chip;
	uint32_t flags;			/* copy of chip->flags: the table is unmapped when the guest runs */
	uint32_t rcr_fixed;
	volatile struct rtk_desc *tx, *rx;
	uint8_t *tx_buf, *rx_buf;
	uint32_t tx_opts[RTK_TX_SLOTS];	/* of frames that were not kicked yet */
	uint32_t rx_at;
	uint32_t rcr, mar[2];		/* for the present filter */
	bool serr_said, list_said, fifo_said, ready_said;
	bool eri_dead;			/* ERI did not answer once: the driver does not use it any more */
	uint64_t rx_overflows, tx_copied;
};

static inline uint8_t rd8(const struct rtk *r, uint32_t reg) { return mmio_read8(r->regs + reg); }
static inline uint16_t rd16(const struct rtk *r, uint32_t reg) { return mmio_read16(r->regs + reg); }
static inline uint32_t rd32(const struct rtk *r, uint32_t reg) { return mmio_read32(r->regs + reg); }
static inline void wr8(struct rtk *r, uint32_t reg, uint8_t v) { mmio_write8(r->regs + reg, v); }
static inline void wr16(struct rtk *r, uint32_t reg, uint16_t v) { mmio_write16(r->regs + reg, v); }
static inline void wr32(struct rtk *r, uint32_t reg, uint32_t v) { mmio_write32(r->regs + reg, v); }

static inline void set8(struct rtk *r, uint32_t reg, uint8_t clear, uint8_t set)
{
	wr8(r, reg, (rd8(r, reg) & (uint8_t)~clear) | set);
}

static inline void set32(struct rtk *r, uint32_t reg, uint32_t clear, uint32_t set)
{
	wr32(r, reg, (rd32(r, reg) & ~clear) | set);
}

static inline struct rtk *rtk_of(struct nic *nic)
{
	return container_of(nic, struct rtk, nic);
}

/* Flush posted writes by a read that has no side effect. */
static inline void rtk_flush(const struct rtk *r)
{
	(void)rd8(r, RTK_CR);
}

/* Causes of interrupts and their mask: words; on the RTL8125 dwords, at other offsets. */
static inline uint32_t rtk_isr(const struct rtk *r)
{
	return r->flags & CHIP_25 ? rd32(r, RTK25_ISR) : rd16(r, RTK_ISR);
}

static inline void rtk_isr_clear(struct rtk *r, uint32_t causes)
{
	if (r->flags & CHIP_25)
		wr32(r, RTK25_ISR, causes);
	else
		wr16(r, RTK_ISR, (uint16_t)causes);
}

static inline void rtk_imr(struct rtk *r, uint32_t causes)
{
	if (r->flags & CHIP_25)
		wr32(r, RTK25_IMR, causes);
	else
		wr16(r, RTK_IMR, (uint16_t)causes);
}

static inline uint32_t rtk_causes(const struct rtk *r)
{
	return RTK_CAUSES | (r->flags & CHIP_FOVW ? INT_FOVW : 0);
}

static inline void rtk_tx_poll(struct rtk *r)
{
	if (r->flags & CHIP_25)
		wr16(r, RTK25_TPPOLL, TPPOLL25_Q0);
	else
		wr8(r, RTK_TPPOLL, TPPOLL_NPQ);
}

/* Lock or unlock IDR and the CONFIG registers: they accept writes only while unlocked. */
static inline void rtk_lock(struct rtk *r, bool lock)
{
	wr8(r, RTK_9346CR, FIELD_PREP(EEM, lock ? EEM_LOCKED : EEM_CONFIG));
}

extern const struct nic_ops rtk_ops;
int rtk_attach(struct nic *nic);
void rtk_detach(struct nic *nic);

/* realtek_chip.c: the differences between chips.  Each wait has a deadline and a log line. */

/* Set r->chip, r->flags, r->rcr_fixed.  Return -ERR_NODEV, with a log line, if the driver does not support this chip. */
int rtk_identify(struct rtk *r);
/* Read the factory address, valid or not. */
void rtk_read_mac(struct rtk *r, uint8_t mac[6]);
void rtk_write_mac(struct rtk *r, const uint8_t mac[6]);
/* Stop receiver and transmitter, and wait for empty FIFOs if the chip reports their state. */
void rtk_quiesce(struct rtk *r);
/* Leave out-of-band mode. */
void rtk_leave_oob(struct rtk *r);
/* After each reset: set up the FIFOs, disable power saving and jumbo frames. */
void rtk_chip_setup(struct rtk *r);
/* Power up a PHY that was left off or limited to a low speed, and restart its negotiation; else do nothing.  Start only. */
void rtk_phy_wake(struct rtk *r);

/* realtek_rings.c: some of nic_ops. */
int rtk_tx(struct nic *nic, unsigned q, const struct nic_tx *pkt);
void rtk_tx_kick(struct nic *nic, unsigned q);
unsigned rtk_drain(struct nic *nic, unsigned q, bool *more);
bool rtk_peek(struct nic *nic);
void rtk_rings_empty(struct rtk *r);

#endif
