/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One Intel NIC. intel.c implements nic_ops for all of them; e1000.c, e1000e.c, igb.c and igc.c implement what differs between
 * the families (struct intel_family); the tables in *_pci.c name what differs between chips (the quirks).
 */
#ifndef INTEL_H
#define INTEL_H

#include <veneer/io.h>
#include <veneer/mem.h>
#include <veneer/nic.h>
#include "intel_regs.h"

/* hw_id.quirks */
#define INTEL_Q_64K		BIT(0)	/* no memory access may cross 64 KiB (82545EM/82546EB, erratum 23) */
#define INTEL_Q_EERD_8254X	BIT(1)	/* EERD: the done bit is bit 4, the address begins at bit 8 */
#define INTEL_Q_IO_RESET	BIT(2)	/* a 64-bit write that resets gets no acknowledge: reset through the I/O BAR */
#define INTEL_Q_DUP_RESET	BIT(3)	/* reset through CTRL_DUP, the shadow of CTRL */
#define INTEL_Q_82574		BIT(4)	/* MDIO ownership around a reset, GCR and CTRL_EXT fixes */
#define INTEL_Q_PCH		BIT(5)	/* shares PHY, NVM and register path with a management engine */
#define INTEL_Q_ULP		BIT(6)	/* the PHY may be left in ultra low power mode */
#define INTEL_Q_FLUSH		BIT(7)	/* flush the rings before a reset, or the chip hangs (I219) */
#define INTEL_Q_SPT		BIT(8)	/* first I219 generation: transmit hang and corruption errata */
#define INTEL_Q_VFTA		BIT(9)	/* the chip may drop a write to VFTA: repeat each (I350) */
#define INTEL_Q_82579		BIT(11)	/* loses frames with K1 on */
#define INTEL_Q_TGP		BIT(12)	/* I219 that loses frames when its DMA clock is gated */
#define INTEL_Q_MTL		BIT(13)	/* I219 of Meteor Lake and later: the PHY's clock starts slowly */
#define INTEL_Q_NO_JUMBO	BIT(14)	/* no frames over 1522 bytes (82583) */
#define INTEL_Q_I210		BIT(10)	/* the PHY's page select is register 22; the PHY's clock may fail at power-on */

#define INTEL_RING_SIZE	256u		/* descriptors; RDLEN and TDLEN are multiples of 128 bytes, 8 descriptors */
#define INTEL_RING_MASK	(INTEL_RING_SIZE - 1)
#define INTEL_RING_BYTES	(INTEL_RING_SIZE * sizeof(struct intel_desc))
#define INTEL_PAD_LEN	17u		/* the shortest frame that TCTL.PSP can pad to the minimum of Ethernet */

/* All formats have 16 bytes. */
struct intel_desc {
	volatile uint64_t q[2];
};

/* Flags of a piece to send.  Arguments, not a structure: this runs for every frame. */
#define INTEL_TX_LAST	BIT(0)	/* end of the frame: report status, interrupt */
#define INTEL_TX_CSUM	BIT(1)	/* insert the TCP or UDP checksum, by the current context */
#define INTEL_TX_IPSUM	BIT(2)	/* insert the IPv4 checksum, too */
#define INTEL_TX_TSE	BIT(3)	/* segment */
#define INTEL_TX_LATE	BIT(4)	/* with LAST: the interrupt may come late */

struct intel_rx_status {
	uint32_t len;
	bool last;		/* the frame ends here */
	bool bad;		/* bad FCS, or another error on the wire */
	bool csum_ok;		/* the chip has checked the TCP or UDP checksum: correct */
};

/*
 * One descriptor format.  These functions only encode and decode; the rings' code has the memory barriers.  All formats
 * begin with the buffer's address; the second quadword of a receive buffer is zero.
 */
struct intel_desc_ops {
	/*
	 * What runs for every frame is data, not functions.  The second quadword of a descriptor that is a whole frame without
	 * flags: @plain plus the frame's length times @plain_unit, and @late for INTEL_TX_LATE.  At least INTEL_PAD_LEN bytes.
	 */
	uint64_t plain, plain_unit, late;
	uint64_t tx_dd;		/* the chip has sent it: in the second quadword of descriptors with INTEL_TX_LAST only */
	uint64_t rx_dd;		/* the chip has filled it */
	bool (*tx_can)(const struct nic_tx *pkt);	/* true if a context can describe this frame, which has NIC_TX_CSUM */
	/* @flags: INTEL_TX_*; @pkt: the frame to which the piece belongs. */
	void (*tx_data)(struct intel_desc *d, uint64_t addr, uint32_t len, uint32_t flags, const struct nic_tx *pkt);
	void (*tx_context)(struct intel_desc *d, const struct nic_tx *pkt);
	void (*rx_read)(const struct intel_desc *d, struct intel_rx_status *s);	/* only if rx_dd is set */
};

/* 8254x, 8257x, ICH, PCH: extended transmit and legacy receive descriptors. */
extern const struct intel_desc_ops intel_desc_legacy;

/* 82576 and later: advanced transmit and one-buffer receive descriptors. */
extern const struct intel_desc_ops intel_desc_advanced;

/*
 * Interrupt moderation.  Each doorbell costs a VM exit, so the chip collects causes: it sends at most 20000 interrupts a
 * second.  A sent frame interrupts 2 ms after the last one only (IDE), since the next kick or the next received frame finds
 * it earlier; there is no absolute timer, which would run out in the midst of traffic.  But while kicks are off, the guest's
 * next frames wait for a doorbell: from NIC_LAZY_FRAMES frames or INTEL_LAZY_DESCS descriptors in flight on, one in so many
 * interrupts as soon as it is sent.  igb and igc have no such timer: each sent frame interrupts there.
 */
#define INTEL_ITR		195u	/* x 256 ns = 50 us */
#define INTEL_TIDV		1953u	/* x 1.024 us */
#define INTEL_TADV		0u	/* off */
#define INTEL_LAZY_DESCS	64u

#define INTEL_CAUSES		(INT_TXDW | INT_LSC | INT_RXT0)
#define INTEL_MAX_RARS		16u

struct intel_nic;

struct intel_family {
	const char *name;
	bool level;		/* the doorbell is an INTx line: only after the line falls can it ring again */
	bool pcie;
	bool eitr;		/* no ITR and no receive and transmit timers: setup() sets up moderation */
	bool phy_at_0;		/* the PHY's address in MDIC is 0, else 1 */
	bool has_2500;		/* STATUS has a bit for 2.5 Gb/s */
	bool rar_only;		/* the reset loads RAR 0 from any kind of NVM */
	uint32_t space;		/* bytes of BAR 0 that the driver maps; 0: REG_SPACE */
	uint32_t error_causes;	/* of ICR: the chip works again only after a reset */
	uint32_t rx_reserved;	/* bits that must be 0 in the address of a receive buffer */
	const struct intel_desc_ops *desc;
	unsigned rars, rars_pch;	/* receive address registers that no firmware uses, RAR 0 included */

	/*
	 * Stop all DMA and reset the MAC: on return receiver, transmitter and interrupts are off, and the link is unchanged. 0,
	 * or a negative error after a log line.  Waits up to some 30 ms.  Works from any state.
	 */
	int (*reset)(struct intel_nic *n);

	/* After a reset, set the registers that the families do not share.  Receiver and transmitter are still off. */
	void (*setup)(struct intel_nic *n);

	/* Enable the queues, whose registers are set.  NULL if TCTL.EN and RCTL.EN are enough. */
	void (*queues_on)(struct intel_nic *n);

	/* Keep firmware and other drivers from the PHY; see intel_swflag_take().  May be NULL. */
	int (*phy_take)(struct intel_nic *n);
	void (*phy_give)(struct intel_nic *n);
};

struct intel_filter {
	uint32_t rctl;				/* UPE, MPE, BAM, VFE */
	bool own;				/* accept frames for the own address */
	unsigned nmac;
	uint8_t mac[INTEL_MAX_RARS - 1][6];	/* for RAR 1.. */
	uint32_t mta[MTA_WORDS];
	uint32_t vfta[VFTA_WORDS];
};

struct intel_tx_ring {
	struct intel_desc *desc;
	uint16_t last[INTEL_RING_SIZE];	/* index: a frame's first descriptor; value: the frame's last descriptor */
	uint64_t pad;			/* INTEL_PAD_LEN zero bytes, appended to short frames */
	uint16_t head, tail;		/* the chip owns [head, tail) */
	uint16_t told;			/* the last tail written to the chip */
	uint16_t since;			/* descriptors behind the last frame that interrupts at once; at most the ring's size */
	bool tso;			/* segmentation is allowed now */
	bool sentinel;			/* segmentation needs the workaround of put_data() */
	bool after_tso;
	uint32_t context;		/* of the chip's present context: csum_start << 16 | csum_offset */
};

struct intel_rx_slot {
	uint64_t addr;
	void *token;
	uint32_t len;
};

struct intel_rx_ring {
	struct intel_desc *desc;
	struct intel_rx_slot *slot;
	uint16_t head, tail, told;
	bool skip;			/* drop descriptors up to the last of this frame */
};

struct intel_nic {
	struct nic nic;
	const struct intel_family *fam;
	volatile uint8_t *regs;
	struct intel_tx_ring tx;
	struct intel_rx_ring rx;
	struct intel_filter filter;
	uint32_t boundary;		/* a power of two that no memory access may cross; 0: none */
	bool me_arbiter;		/* a write is lost if the management engine accesses the registers meanwhile */
	bool tail_said;
	/* PCH: called when the link has come up, or has another speed; the gap for that speed, 0: there was no link yet. */
	void (*linked)(struct intel_nic *n);
	struct nic_link set_up;		/* the link for which linked() was called last; 0 Mb/s: none */
	uint8_t gap;
};

static inline struct intel_nic *to_intel(struct nic *nic)
{
	return container_of(nic, struct intel_nic, nic);
}

/* True if the chip has sent the oldest frame in its ring, which holds one. */
static inline bool intel_tx_sent(const struct intel_nic *n)
{
	return n->tx.desc[n->tx.last[n->tx.head]].q[1] & n->fam->desc->tx_dd;
}

/* The same of the oldest receive buffer. */
static inline bool intel_rx_filled(const struct intel_nic *n)
{
	return n->rx.desc[n->rx.head].q[1] & n->fam->desc->rx_dd;
}

static inline unsigned intel_ring_next(unsigned i)
{
	return (i + 1) & INTEL_RING_MASK;
}

static inline unsigned intel_ring_room(unsigned head, unsigned tail)
{
	return (head - tail - 1) & INTEL_RING_MASK;
}

/* Bytes of the heap that a card takes, with the core's tokens. */
#define INTEL_MEMORY	(MEM_COST(sizeof(struct intel_nic)) + \
			 2 * MEM_COST_PAGES(INTEL_RING_SIZE * sizeof(struct intel_desc) + INTEL_PAD_LEN) + \
			 MEM_COST(INTEL_RING_SIZE * sizeof(void *)) + \
			 MEM_COST(INTEL_RING_SIZE * sizeof(struct intel_rx_slot)))

static inline uint32_t intel_rd(const struct intel_nic *n, uint32_t reg)
{
	return mmio_read32(n->regs + reg);
}

/* Wait, at most half a millisecond, until the management engine does not access the registers (intel_mac.c). */
void intel_arbiter_wait(const struct intel_nic *n);

static inline void intel_wr(struct intel_nic *n, uint32_t reg, uint32_t v)
{
	if (n->me_arbiter)
		intel_arbiter_wait(n);
	mmio_write32(n->regs + reg, v);
}

static inline void intel_set(struct intel_nic *n, uint32_t reg, uint32_t clear, uint32_t set)
{
	intel_wr(n, reg, (intel_rd(n, reg) & ~clear) | set);
}

/* Flush posted writes by a read from the same chip. */
static inline void intel_flush(const struct intel_nic *n)
{
	(void)intel_rd(n, REG_STATUS);
}

static inline bool intel_quirk(const struct intel_nic *n, uint32_t q)
{
	return n->nic.quirks & q;
}

/*
 * The families, for the tables in *_pci.c.  intel_probe() (intel.c) is the whole probe, see struct hw_driver.  @attach calls
 * intel_attach() with what the family wants once, at probe, before the first reset (or NULL): it switches the link's power
 * saving off, makes the PHY reachable and wakes it.  It is no field of the family, because it is unmapped when the guest
 * runs.
 */
extern const struct intel_family e1000_family, e1000e_family, igb_family, igc_family;
int intel_attach(struct nic *nic, void (*prepare)(struct intel_nic *n));
int intel_probe(const struct pci_dev *pci, const struct hw_id *id, unsigned unit, const struct intel_family *fam,
		int (*attach)(struct nic *nic), struct hw_dev **out);
void e1000e_prepare(struct intel_nic *n);
void igb_prepare(struct intel_nic *n);

/*
 * intel_tx.c, intel_rx.c.  The _alloc() functions return 0 or -ERR_NOMEM; detach() frees.  Call the _empty() functions only
 * while the chip does not use the ring.
 */
int intel_tx_alloc(struct intel_nic *n);
int intel_rx_alloc(struct intel_nic *n);
void intel_tx_empty(struct intel_nic *n);
void intel_rx_empty(struct intel_nic *n);
/*
 * After a reset, put the buffers that the chip still owned into the entries from 0 on, in their order.  The tail is not
 * written.
 */
void intel_rx_renew(struct intel_nic *n);
int intel_tx(struct nic *nic, unsigned q, const struct nic_tx *pkt);
void intel_tx_kick(struct nic *nic, unsigned q);
void intel_tx_reap(struct nic *nic, unsigned q);
unsigned intel_tx_drain(struct intel_nic *n, bool *more);
int intel_rx_post(struct nic *nic, unsigned q, uint64_t addr, uint32_t len, void *token);
void intel_rx_kick(struct nic *nic, unsigned q);
unsigned intel_rx_drain(struct intel_nic *n, bool *more);
/*
 * intel_rx_long.c (CONFIG_NET_JUMBO), a part of the image that stays only if a card has an MTU of its own: called by this
 * table.
 * take(): the frame that begins at the head and continues in the next buffer.  Returns the number of descriptors that it has
 * taken from the ring; 0: the chip still writes the frame; -1: the frame is too long, and the caller drops its descriptors.
 */
struct intel_rx_long_ops {
	int (*take)(struct intel_nic *n, unsigned *done);
};
extern const struct intel_rx_long_ops intel_rx_long_ops;
/* If @tail is not *@told, write it to the chip, after all earlier writes to memory. */
void intel_tail_write(struct intel_nic *n, uint32_t reg, uint16_t tail, uint16_t *told);

/* intel_mac.c */
void intel_units_off(struct intel_nic *n);		/* interrupts, receiver, transmitter */
void intel_master_off(struct intel_nic *n);		/* PCI Express: stop bus requests; bounded; logs a failure */
unsigned intel_mta_words(const struct intel_nic *n);
void intel_rar_read(const struct intel_nic *n, unsigned i, uint8_t mac[6]);
void intel_mac_read(struct intel_nic *n, const uint8_t before[6]);	/* sets nic.mac; @before: RAR 0 before the reset */
void intel_filter_make(struct nic *nic, const struct nic_rx_filter *f);
void intel_filter_write(struct nic *nic);
uint32_t intel_rctl(const struct intel_nic *n);		/* RCTL for the present filter, without EN */
void intel_link(struct nic *nic, struct nic_link *out);
void intel_aspm_off(struct intel_nic *n);		/* logs if ASPM was on */
void intel_dump(const struct intel_nic *n);		/* log the registers by name; no side effects */

/* intel_phy.c.  0 or -ERR_TIMEOUT, -ERR_IO. */
int intel_phy_read(struct intel_nic *n, uint32_t reg, uint16_t *v);
int intel_phy_write(struct intel_nic *n, uint32_t reg, uint16_t v);
int intel_phy_power_up(struct intel_nic *n);
int intel_swflag_take(struct intel_nic *n);		/* guards PHY and NVM (PCH), MDIO (82574), the PHY (igb) */
void intel_swflag_give(struct intel_nic *n);

/* pch.c: once at probe, before the first reset; does nothing on other chips.  Sleeps up to some 3 s; logs. */
void pch_prepare(struct intel_nic *n);

/*
 * pch_speed.c.  Set what depends on the speed of the link, which is up; PHY accesses of a few milliseconds, at most 1.2 s if
 * firmware holds the PHY; a failure is logged.  Setup after a reset writes n->gap again.
 */
void pch_at_speed(struct intel_nic *n);

/*
 * igb.c, for igc. igb_one_queue() sets up the first queue, which stays off, one vector, and the longest frame; @srrctl is the
 * offset of SRRCTL. The other functions are those of struct intel_family.
 */
int igb_reset(struct intel_nic *n);
void igb_one_queue(struct intel_nic *n, uint32_t srrctl);
void igb_queues_on(struct intel_nic *n);
int igb_phy_take(struct intel_nic *n);
void igb_phy_give(struct intel_nic *n);

#endif
