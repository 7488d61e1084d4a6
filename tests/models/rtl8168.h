/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Model of Realtek's gigabit family: RTL8169 (PCI), RTL8168B to H, and the RTL8125, which has 2.5 Gb/s, and other offsets of
 * interrupt registers and doorbell.  Registers are from the datasheets of the RTL8169 and RTL8168; undocumented ones (ERI, OCP,
 * out-of-band mode, the gate before the receiver) are those on which the public drivers agree.
 *
 * Unit tests may set the fields below; veneer-model sets them by name (rtl8168_set()).
 */
#ifndef RTL8168_MODEL_H
#define RTL8168_MODEL_H

#include "model.h"

enum rtl8168_reg {
	R_IDR = 0x00, R_MAR = 0x08, R_DTCCR = 0x10, R_TNPDS = 0x20, R_CR = 0x37, R_TPPOLL = 0x38, R_IMR = 0x3c, R_ISR = 0x3e,
	R_TCR = 0x40, R_RCR = 0x44, R_TCTR = 0x48, R_9346CR = 0x50, R_CONFIG0 = 0x51, R_CONFIG5 = 0x56, R_TIMERINT = 0x58,
	R_PHYAR = 0x60, R_CSIDR = 0x64, R_CSIAR = 0x68, R_PHYSTATUS = 0x6c, R_ERIDR = 0x70, R_ERIAR = 0x74,
	R_SC_CLOCK = 0x7c, R_EPHYAR = 0x80,
	R_OCPDR = 0xb0, R_OCPAR = 0xb4, R_PHYOCP = 0xb8, R_MCU = 0xd3, R_RMS = 0xda, R_EFUSEAR = 0xdc, R_CPCR = 0xe0,
	R_RDSAR = 0xe4, R_MTPS = 0xec, R_MISC = 0xf0,
	/* RTL8125 */
	R_INT_CFG0_25 = 0x34, R_IMR_25 = 0x38, R_ISR_25 = 0x3c, R_INT_CFG1_25 = 0x7a, R_TPPOLL_25 = 0x90,
	R_EMPTY_25 = 0xe2, R_MAC_25 = 0x19e0,
	R_D8_26 = 0xd8,
};

#define M_CR_TE		0x04u
#define M_CR_RE		0x08u
#define M_CR_RST	0x10u
#define M_POLL_NPQ	0x40u
#define M_POLL_SWI	0x01u
#define M_INT_ROK	0x0001u
#define M_INT_RER	0x0002u
#define M_INT_TOK	0x0004u
#define M_INT_RDU	0x0010u
#define M_INT_LINK	0x0020u
#define M_INT_FOVW	0x0040u
#define M_INT_TDU	0x0080u
#define M_INT_SWI	0x0100u
#define M_INT_TIMEOUT	0x4000u
#define M_INT_SERR	0x8000u
#define M_RCR_ACCEPT	0x3fu
#define M_TCR_EMPTY	0x800u
#define M_MISC_GATE	0x80000u
#define M_MCU_OOB	0x80u
#define M_MCU_TX_EMPTY	0x20u
#define M_MCU_RX_EMPTY	0x10u
#define M_MCU_LIST_READY 0x02u

#define M_OCP_PHY	0xa400u		/* address of the MII registers among the PHY's */
#define M_OCP_LIST	0xe8deu
#define M_OCP_BUILD_25	0xc01eu		/* RTL8125: 5555h builds the list */

struct rtl8168_chip {
	const char *name;
	uint32_t tcr;			/* the version: bits 31:20 of TCR */
	uint16_t device;
	uint8_t revision;
	uint32_t phy_id;
	bool pcie, msi, msix;
	bool eri;			/* 8168E-VL and later: has ERI, which also holds the address */
	bool ocp;			/* 8168G and later: OCP, out-of-band mode, the gate */
	bool csum2;			/* the descriptor's second word requests checksums */
	bool fast;			/* 100 Mb/s only */
	bool g25;			/* RTL8125, RTL8126 */
	bool g50;			/* RTL8126 */
	bool deaf_by_fovw;		/* the first 8168B: receives nothing after a FIFO overflow */
	bool oob;			/* 8402: out-of-band mode, but no list */
	bool cpcr14;			/* 8169S: moves no frame without bits 3 and 14 of C+CR */
};

/* An indirect access, which takes time: bit 31 of its register inverts when the access is complete. */
struct rtl8168_slow {
	uint64_t done_us;
	uint32_t before, after;
};

struct rtl8168 {
	struct model m;
	const struct rtl8168_chip *chip;

	/* the chip, and its surroundings */
	uint8_t mac[6];
	bool cable, partner_half;
	unsigned mbps;			/* the partner's highest speed */
	uint64_t autoneg_us;		/* from the start of negotiation to a link */
	bool warm_oob;			/* firmware leaves the chip in out-of-band mode at power-on and after each bus reset */
	bool phy_off;			/* ... and with its PHY powered down */

	/* faults */
	bool reset_stuck, gone, phy_dead, eri_dead, list_stuck;
	bool tx_hang;			/* the chip sends nothing */
	bool tx_stuck;			/* ... until a reset */
	unsigned lose_irqs;		/* this many interrupts get lost */
	unsigned lose_polls;		/* this many TPPoll writes get lost */
	uint32_t bad_rx;		/* inverts these bits in the next frame's descriptor */

	/* state */
	uint8_t r[0x10000];
	uint16_t mac_ocp[0x8000], phy[0x8000];
	uint32_t eri[0x400], csi[0x400];
	uint16_t ephy[0x80];
	unsigned phy_page;
	struct rtl8168_slow phyar, phyocp, csiar, eriar, ephyar;
	uint64_t reset_us, list_us, link_us, timer_us;
	uint64_t gate_us, cr_us;	/* time of closing the gate, and of the last write to CR; 0: not since power-on */
	bool timer_on, link_told, irq_told, polled;
	bool deaf;			/* after an error on the bus, until a reset */
	uint32_t tx_at, rx_at;		/* index of the next descriptor */

	/* observations */
	unsigned resets, nsent, nreceived, missed, refused_dma, wakes;
	unsigned astray;		/* writes to A80h to AFFh, which an 8125B and an 8126 do not have */
	uint64_t gate_to_reset_us;	/* the last time */
	uint32_t sent_len;		/* of the last frame */
	uint8_t sent[MODEL_FRAME_MAX];
};

/* Make @c the chip of this name, at power-on; the caller then sets the host's functions.  False if there is no such chip. */
bool rtl8168_init(struct rtl8168 *c, const char *chip);
/* Plug or pull the cable. */
void rtl8168_cable(struct rtl8168 *c, bool in);
bool rtl8168_has_link(const struct rtl8168 *c);

/* --- among the files of the model --- */

static inline uint32_t rtl8168_get(const struct rtl8168 *c, unsigned off, unsigned width)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < width; i++)
		value |= (uint32_t)c->r[off + i] << (8 * i);
	return value;
}

static inline void rtl8168_put(struct rtl8168 *c, unsigned off, unsigned width, uint32_t value)
{
	for (unsigned i = 0; i < width; i++)
		c->r[off + i] = (uint8_t)(value >> (8 * i));
}

static inline uint64_t rtl8168_now(const struct rtl8168 *c)
{
	return c->m.host.now_us(c->m.host.ctx);
}

static inline bool rtl8168_master(const struct rtl8168 *c)
{
	return c->m.host.master(c->m.host.ctx);
}

#define rtl8168_broken(chip, ...)	model_broken(&(chip)->m, __VA_ARGS__)
void rtl8168_cause(struct rtl8168 *c, uint16_t bits);

/* rtl8168_phy.c */
void rtl8168_phy_power_on(struct rtl8168 *c);
uint16_t rtl8168_phy_read(struct rtl8168 *c, unsigned reg);	/* as PHYAR does: of the selected page */
void rtl8168_phy_write(struct rtl8168 *c, unsigned reg, uint16_t value);
uint16_t rtl8168_phy_ocp_read(struct rtl8168 *c, unsigned addr);
void rtl8168_phy_ocp_write(struct rtl8168 *c, unsigned addr, uint16_t value);
uint16_t rtl8168_phystatus(const struct rtl8168 *c);
/* Report the link if it has changed.  Returns the time of its next change, or MODEL_NEVER. */
uint64_t rtl8168_phy_run(struct rtl8168 *c);

/* rtl8168_rings.c */
void rtl8168_send(struct rtl8168 *c);
void rtl8168_receive(struct rtl8168 *c, const uint8_t *frame, size_t len);
bool rtl8168_tx_idle(const struct rtl8168 *c);
bool rtl8168_rx_full(struct rtl8168 *c);
/* True if the driver has made the settings without which an 8169S moves no frame. */
bool rtl8168_is_set_up(const struct rtl8168 *c);

#endif
