/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One Intel NIC.  intel.c implements nic_ops for all of them; e1000.c, e1000e.c and igb.c give what differs
 * between the families (struct intel_family), the tables in *_pci.c what differs between chips (the quirks).
 */
#ifndef INTEL_H
#define INTEL_H

#include <veneer/io.h>
#include <veneer/mem.h>
#include <veneer/nic.h>
#include "intel_regs.h"

/* hw_id.quirks */
#define INTEL_Q_64K		BIT(0)	/* no memory access may cross 64 KiB (82545EM/82546EB, erratum 23) */
#define INTEL_Q_EERD_8254X	BIT(1)	/* EERD has its done bit at 4 and the address at 8 */
#define INTEL_Q_IO_RESET	BIT(2)	/* cannot acknowledge a 64-bit write that resets: reset through the I/O BAR */
#define INTEL_Q_DUP_RESET	BIT(3)	/* reset through the shadow of CTRL */
#define INTEL_Q_82574		BIT(4)	/* MDIO ownership around a reset, GCR and CTRL_EXT fixes */
#define INTEL_Q_PCH		BIT(5)	/* shares PHY, NVM and register path with a management engine */
#define INTEL_Q_ULP		BIT(6)	/* the PHY may be left in ultra low power mode */
#define INTEL_Q_FLUSH		BIT(7)	/* rings are flushed before a reset, or the chip hangs (I219) */
#define INTEL_Q_SPT		BIT(8)	/* first I219 generation: transmit hang and corruption errata */
#define INTEL_Q_VFTA		BIT(9)	/* a write to VFTA may be dropped: each is repeated (I350) */
#define INTEL_Q_I210		BIT(10)	/* PHY with its page select at 22; its clock may be left unset */

#define INTEL_RING_SIZE	256u		/* descriptors; RDLEN and TDLEN are multiples of 128 bytes, 8 descriptors */
#define INTEL_RING_MASK	(INTEL_RING_SIZE - 1)
#define INTEL_RING_BYTES	(INTEL_RING_SIZE * sizeof(struct intel_desc))
#define INTEL_PAD_LEN	17u		/* the least that TCTL.PSP can pad to what the wire wants */

/* All formats have 16 bytes. */
struct intel_desc {
	volatile uint64_t q[2];
};

/* A piece to send; as arguments, since this is done for every frame */
#define INTEL_TX_LAST	BIT(0)	/* end of the frame: report status, delayed interrupt */
#define INTEL_TX_CSUM	BIT(1)	/* apply the current context: TCP's or UDP's sum */
#define INTEL_TX_IPSUM	BIT(2)	/* and IPv4's */
#define INTEL_TX_TSE	BIT(3)	/* and cut */

struct intel_rx_status {
	uint32_t len;
	bool last;		/* the frame ends here */
	bool bad;		/* FCS or other error of the wire */
	bool csum_ok;		/* TCP or UDP checksum was checked and is right */
};

/*
 * One descriptor format.  The rings order memory; these only encode and decode.  All take a receive buffer as its address, with
 * zero behind it.
 */
struct intel_desc_ops {
	bool (*tx_can)(const struct nic_tx *pkt);	/* frames with NIC_TX_CSUM: whether a context can say this */
	/* @flags: INTEL_TX_; @pkt: the frame of which this is a piece. */
	void (*tx_data)(struct intel_desc *d, uint64_t addr, uint32_t len, uint32_t flags, const struct nic_tx *pkt);
	void (*tx_context)(struct intel_desc *d, const struct nic_tx *pkt);
	bool (*tx_done)(const struct intel_desc *d);		/* for descriptors with INTEL_TX_LAST only */
	bool (*rx_done)(const struct intel_desc *d);
	void (*rx_read)(const struct intel_desc *d, struct intel_rx_status *s);	/* once rx_done() */
};

/* 8254x, 8257x, ICH, PCH: extended transmit and legacy receive descriptors. */
extern const struct intel_desc_ops intel_desc_legacy;

/* 82576 and later: advanced transmit and one-buffer receive descriptors. */
extern const struct intel_desc_ops intel_desc_advanced;

/*
 * Interrupt moderation.  Each doorbell costs a VM exit, so the chip collects: at most 20000 a second, and a transmit
 * completion waits for more of its kind, 33 us after the last and 66 us after the first frame.  No longer: with
 * EVENT_IDX the guest's next frames may be waiting for that doorbell.
 */
#define INTEL_ITR		195u	/* x 256 ns = 50 us */
#define INTEL_TIDV		32u	/* x 1.024 us */
#define INTEL_TADV		64u

#define INTEL_CAUSES		(INT_TXDW | INT_LSC | INT_RXT0)
#define INTEL_MAX_RARS		16u

struct intel_nic;

struct intel_family {
	const char *name;
	bool level;		/* rings by an INTx line that must fall before it rings again */
	bool pcie;
	bool eitr;		/* has neither ITR nor receive and transmit timers: setup() moderates */
	bool phy_at_0;		/* the PHY's address at MDIC; else 1 */
	bool has_2500;		/* STATUS tells 2.5 Gb/s */
	bool rar_only;		/* the reset loads RAR 0, whatever kind of NVM there is */
	uint32_t space;		/* what the driver needs of BAR 0; 0: REG_SPACE */
	uint32_t rx_reserved;	/* bits that must be 0 in the address of a receive buffer */
	const struct intel_desc_ops *desc;
	unsigned rars, rars_pch;	/* address registers that are surely ours, own address included */

	/*
	 * Stop all DMA and reset the MAC: on return receiver, transmitter and interrupts are off.  0, or negative with a log
	 * line.  Sleeps up to some 30 ms; the link stays.  Works from any state.
	 */
	int (*reset)(struct intel_nic *n);

	/* What the chip wants after a reset beyond the common registers, receiver and transmitter still off. */
	void (*setup)(struct intel_nic *n);

	/* Once at probe, before the first reset: link power saving, PHY reachable and awake.  May be NULL. */
	void (*prepare)(struct intel_nic *n);

	/* The rings stand in the registers: switch the queues on.  NULL where TCTL.EN and RCTL.EN are enough. */
	void (*queues_on)(struct intel_nic *n);

	/* Keep others from the PHY; see intel_swflag_take().  May be NULL. */
	int (*phy_take)(struct intel_nic *n);
	void (*phy_give)(struct intel_nic *n);
};

struct intel_filter {
	uint32_t rctl;				/* UPE, MPE, BAM, VFE */
	bool own;				/* the own address is accepted */
	unsigned nmac;
	uint8_t mac[INTEL_MAX_RARS - 1][6];	/* for RAR 1.. */
	uint32_t mta[MTA_WORDS];
	uint32_t vfta[VFTA_WORDS];
};

struct intel_tx_ring {
	struct intel_desc *desc;
	uint16_t last[INTEL_RING_SIZE];	/* by a frame's first descriptor: where the frame ends */
	uint64_t pad;			/* INTEL_PAD_LEN zero bytes, appended to short frames */
	uint16_t head, tail;		/* [head, tail) is with the chip */
	uint16_t told;			/* the tail that the chip knows */
	bool tso;			/* frames may be cut now */
	bool sentinel;			/* descriptors come back too early with or after such a frame: see put_data() */
	bool after_tso;
	uint32_t context;		/* csum_start << 16 | csum_offset that the chip remembers */
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
	bool skip;			/* dropping a frame up to its last descriptor */
};

struct intel_nic {
	struct nic nic;
	const struct intel_family *fam;
	volatile uint8_t *regs;
	struct intel_tx_ring tx;
	struct intel_rx_ring rx;
	struct intel_filter filter;
	uint32_t boundary;		/* 0, or a power of two that no memory access may cross */
	bool me_arbiter;		/* register writes may get lost while the management engine is at the registers */
	bool tail_said;
};

static inline struct intel_nic *to_intel(struct nic *nic)
{
	return container_of(nic, struct intel_nic, nic);
}

static inline unsigned intel_ring_next(unsigned i)
{
	return (i + 1) & INTEL_RING_MASK;
}

static inline unsigned intel_ring_room(unsigned head, unsigned tail)
{
	return (head - tail - 1) & INTEL_RING_MASK;
}

/* What a card takes of the heap, with the core's tokens. */
#define INTEL_MEMORY	(MEM_COST(sizeof(struct intel_nic)) + \
			 2 * MEM_COST_PAGES(INTEL_RING_SIZE * sizeof(struct intel_desc) + INTEL_PAD_LEN) + \
			 MEM_COST(INTEL_RING_SIZE * sizeof(void *)) + \
			 MEM_COST(INTEL_RING_SIZE * sizeof(struct intel_rx_slot)))

static inline uint32_t intel_rd(const struct intel_nic *n, uint32_t reg)
{
	return mmio_read32(n->regs + reg);
}

/* Wait, at most half a millisecond, until the management engine is not at the registers.  intel_mac.c. */
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

/* Push posted writes out: a read from the same chip. */
static inline void intel_flush(const struct intel_nic *n)
{
	(void)intel_rd(n, REG_STATUS);
}

static inline bool intel_quirk(const struct intel_nic *n, uint32_t q)
{
	return n->nic.quirks & q;
}

/* The families, for their tables in *_pci.c; intel.c: everything of a probe, see struct hw_driver. */
extern const struct intel_family e1000_family, e1000e_family, igb_family, igc_family;
int intel_probe(const struct pci_dev *pci, const struct hw_id *id, unsigned unit, const struct intel_family *fam,
		struct hw_dev **out);

/* intel_tx.c, intel_rx.c.  Alloc: 0 or -ERR_NOMEM; attach() frees.  Empty: the chip must not be using the ring. */
int intel_tx_alloc(struct intel_nic *n);
int intel_rx_alloc(struct intel_nic *n);
void intel_tx_empty(struct intel_nic *n);
void intel_rx_empty(struct intel_nic *n);
/* After a reset: the buffers that the chip still had stand at entries 0.. in their order, not told yet. */
void intel_rx_renew(struct intel_nic *n);
int intel_tx(struct nic *nic, unsigned q, const struct nic_tx *pkt);
void intel_tx_kick(struct nic *nic, unsigned q);
unsigned intel_tx_drain(struct intel_nic *n, bool *more);
int intel_rx_post(struct nic *nic, unsigned q, uint64_t addr, uint32_t len, void *token);
void intel_rx_kick(struct nic *nic, unsigned q);
unsigned intel_rx_drain(struct intel_nic *n, bool *more);
/* Tell the chip a tail that is not *@told, all before it in memory. */
void intel_tail_write(struct intel_nic *n, uint32_t reg, uint16_t tail, uint16_t *told);

/* intel_mac.c */
void intel_units_off(struct intel_nic *n);		/* interrupts, receiver, transmitter */
void intel_master_off(struct intel_nic *n);		/* PCI Express: no further bus request; bounded, logs */
unsigned intel_mta_words(const struct intel_nic *n);
void intel_rar_read(const struct intel_nic *n, unsigned i, uint8_t mac[6]);
void intel_mac_read(struct intel_nic *n, const uint8_t before[6]);	/* into nic.mac; @before: RAR 0 before the reset */
void intel_filter_make(struct nic *nic, const struct nic_rx_filter *f);
void intel_filter_write(struct nic *nic);
uint32_t intel_rctl(const struct intel_nic *n);		/* RCTL for the present filter, without EN */
void intel_link(struct nic *nic, struct nic_link *out);
void intel_aspm_off(struct intel_nic *n);		/* says so if it was on */
void intel_dump(const struct intel_nic *n);		/* registers by name to the log; no side effects */

/* intel_phy.c.  0 or -ERR_TIMEOUT, -ERR_IO. */
int intel_phy_read(struct intel_nic *n, uint32_t reg, uint16_t *v);
int intel_phy_write(struct intel_nic *n, uint32_t reg, uint16_t v);
int intel_phy_power_up(struct intel_nic *n);
int intel_swflag_take(struct intel_nic *n);		/* PCH: PHY and NVM, 82574: MDIO, igb: PHY */
void intel_swflag_give(struct intel_nic *n);
void intel_ulp_off(struct intel_nic *n);

/*
 * igb.c, for igc: igb_one_queue() sets up the first queue, off as yet, with one vector and bounded frames; @srrctl: where the
 * chip has SRRCTL.  The others are as struct intel_family has them.
 */
int igb_reset(struct intel_nic *n);
void igb_one_queue(struct intel_nic *n, uint32_t srrctl);
void igb_queues_on(struct intel_nic *n);
int igb_phy_take(struct intel_nic *n);
void igb_phy_give(struct intel_nic *n);

#endif
