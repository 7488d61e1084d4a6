/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The descriptor rings of Intel's NICs: software state and bookkeeping, common to all chips.  What a descriptor looks like
 * is behind struct intel_desc_ops, so a chip with other descriptors (igb) adds a format and no ring.
 *
 * The ring never touches a register.  Its owner writes ring->tail to the chip after a batch.  One entry always stays
 * free: a tail that equals the head means "empty" to the chip, whatever was meant.
 */
#ifndef INTEL_RING_H
#define INTEL_RING_H

#include <veneer/nic.h>
#include <veneer/types.h>

#define INTEL_RING_SIZE	256u		/* descriptors; RDLEN and TDLEN are multiples of 128 bytes, 8 descriptors */
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

struct intel_tx_slot {
	void *token;
	uint16_t last;		/* of the frame's first descriptor: where it ends */
};

struct intel_tx_ring {
	const struct intel_desc_ops *fmt;
	struct intel_desc *desc;
	struct intel_tx_slot *slot;
	uint64_t pad;		/* INTEL_PAD_LEN zero bytes, appended to short frames */
	uint64_t dma_mask;
	uint32_t boundary;	/* 0, or a power of two that no piece may cross */
	uint16_t head, tail;	/* [head, tail) is with the chip */
	uint16_t kicked;	/* the tail that the chip knows */
	bool tso;		/* frames may be cut now */
	bool sentinel;		/* descriptors come back too early with or after such a frame: see tx_put_data() */
	bool after_tso;
	uint32_t context;	/* csum_start << 16 | csum_offset that the chip remembers, or TX_NO_CONTEXT */
};

#define TX_NO_CONTEXT	~0u

struct intel_rx_slot {
	uint64_t addr;
	void *token;
	uint32_t len;
};

struct intel_rx_ring {
	const struct intel_desc_ops *fmt;
	struct intel_desc *desc;
	struct intel_rx_slot *slot;
	uint64_t dma_mask;
	uint32_t boundary;
	uint32_t reserved;	/* address bits that must be 0 */
	uint16_t head, tail, kicked;
};

/* 0 or -ERR_NOMEM with nothing allocated.  The rings are empty. */
int intel_tx_alloc(struct intel_tx_ring *r, const struct intel_desc_ops *fmt);
int intel_rx_alloc(struct intel_rx_ring *r, const struct intel_desc_ops *fmt);
void intel_tx_free(struct intel_tx_ring *r);
void intel_rx_free(struct intel_rx_ring *r);

/* Empty, tail at 0, all descriptors zero.  The chip must not be using the ring. */
void intel_tx_forget(struct intel_tx_ring *r);
void intel_rx_forget(struct intel_rx_ring *r);

/* nic_ops.tx and its errors; ring->tail moves past the frame. */
int intel_tx_add(struct intel_tx_ring *r, const struct nic_tx *pkt);

/* Take the oldest frame back if the chip is through with it (@force: whether or not). */
bool intel_tx_take(struct intel_tx_ring *r, bool force, void **token);
bool intel_tx_ready(const struct intel_tx_ring *r);

static inline bool intel_tx_empty(const struct intel_tx_ring *r)
{
	return r->head == r->tail;
}

/* nic_ops.rx_post and its errors. */
int intel_rx_add(struct intel_rx_ring *r, uint64_t addr, uint32_t len, void *token);

/* Take the oldest buffer back when the chip has filled it. */
bool intel_rx_take(struct intel_rx_ring *r, struct intel_rx_slot *slot, struct intel_rx_status *s);
bool intel_rx_ready(const struct intel_rx_ring *r);

/* After a reset of the chip: the buffers that it still had stand at entries 0.. in their order, ready to be kicked. */
void intel_rx_renew(struct intel_rx_ring *r);

#endif
