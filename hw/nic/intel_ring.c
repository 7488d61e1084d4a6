/* SPDX-License-Identifier: BSD-2-Clause */
#include <veneer/err.h>
#include <veneer/io.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include "intel_regs.h"
#include "intel_ring.h"

#define RING_MASK	(INTEL_RING_SIZE - 1)
#define RING_BYTES	(INTEL_RING_SIZE * sizeof(struct intel_desc))
#define CSUM_OFFSET_TCP	16u
#define IP4_SUM		10u
#define TSO_SENTINEL	4u
#define TSO_PIECE_MAX	4096u
#define TSO_PIECE_MSS	4u	/* the FIFO's room is reckoned with so many segments a piece */
#define TSO_MSS_MIN	256u	/* less would need more pieces than the ring has */

static unsigned ring_next(unsigned i)
{
	return (i + 1) & RING_MASK;
}

static unsigned ring_room(unsigned head, unsigned tail)
{
	return (head - tail - 1) & RING_MASK;
}

/* --- the format of 8254x and its descendants --- */

static bool legacy_tx_can(const struct nic_tx *pkt)
{
	return (uint32_t)pkt->csum_start + pkt->csum_offset <= TXC_CSUM_REACH;
}

static void legacy_tx_data(struct intel_desc *d, uint64_t addr, uint32_t len, uint32_t flags, const struct nic_tx *pkt)
{
	uint64_t cmd = FIELD_PREP(TXD_LENGTH, len) | FIELD_PREP(TXD_DTYP, TXD_DTYP_DATA) | TXD_DEXT | TXD_IFCS;

	if (flags & INTEL_TX_LAST)
		cmd |= TXD_EOP | TXD_RS | TXD_IDE;
	if (flags & INTEL_TX_CSUM)
		cmd |= TXD_TXSM;
	if (flags & INTEL_TX_TSE)
		cmd |= TXD_TSE;
	if (flags & INTEL_TX_IPSUM)
		cmd |= TXD_IXSM;
	d->q[0] = addr;
	d->q[1] = cmd;
}

static void legacy_tx_context(struct intel_desc *d, const struct nic_tx *pkt)
{
	uint32_t start = pkt->csum_start, at = start + pkt->csum_offset, ip = pkt->ip_start;

	d->q[0] = FIELD_PREP(TXC_TUCSS, start) | FIELD_PREP(TXC_TUCSO, at) | FIELD_PREP(TXC_TUCSE, 0);
	d->q[1] = FIELD_PREP(TXD_DTYP, TXD_DTYP_CONTEXT) | TXD_DEXT | (pkt->csum_offset == CSUM_OFFSET_TCP ? TXD_TUCMD_TCP : 0);
	if (!(pkt->flags & NIC_TX_TSO))
		return;
	d->q[0] |= FIELD_PREP(TXC_IPCSS, ip) | FIELD_PREP(TXC_IPCSO, ip + IP4_SUM);
	d->q[1] |= TXD_TSE | FIELD_PREP(TXD_LENGTH, pkt->len - pkt->hdr_len) | FIELD_PREP(TXC_HDRLEN, pkt->hdr_len) |
		   FIELD_PREP(TXC_MSS, pkt->mss);
	if (!(pkt->flags & NIC_TX_IPV6)) {
		d->q[0] |= FIELD_PREP(TXC_IPCSE, start - 1);
		d->q[1] |= TXD_TUCMD_IP;
	}
}

static bool legacy_tx_done(const struct intel_desc *d)
{
	return d->q[1] & TXD_DD;
}

static bool legacy_rx_done(const struct intel_desc *d)
{
	return d->q[1] & RXD_DD;
}

static void legacy_rx_read(const struct intel_desc *d, struct intel_rx_status *s)
{
	uint64_t q = d->q[1];

	s->len = (uint32_t)FIELD_GET(RXD_LENGTH, q);
	s->last = q & RXD_EOP;
	s->bad = q & (RXD_CE | RXD_SE | RXD_SEQ | RXD_CXE | RXD_RXE);
	s->csum_ok = (q & RXD_TCPCS) && !(q & (RXD_IXSM | RXD_TCPE | RXD_IPE));
}

const struct intel_desc_ops intel_desc_legacy = {
	.tx_can = legacy_tx_can,
	.tx_data = legacy_tx_data,
	.tx_context = legacy_tx_context,
	.tx_done = legacy_tx_done,
	.rx_done = legacy_rx_done,
	.rx_read = legacy_rx_read,
};

/* --- memory --- */

/* Page alignment keeps a ring within one 64 KiB block, which the boundary erratum asks of descriptors, too. */
int intel_tx_alloc(struct intel_tx_ring *r, const struct intel_desc_ops *fmt)
{
	r->desc = mem_alloc(RING_BYTES + INTEL_PAD_LEN, PAGE_SIZE);
	if (!r->desc)
		return -ERR_NOMEM;
	r->slot = mem_alloc(INTEL_RING_SIZE * sizeof(*r->slot), 16);
	if (!r->slot)
		goto free_desc;
	r->fmt = fmt;
	r->pad = mem_phys(r->desc + INTEL_RING_SIZE);
	intel_tx_forget(r);
	return 0;

free_desc:
	mem_free(r->desc);
	r->desc = NULL;
	return -ERR_NOMEM;
}

int intel_rx_alloc(struct intel_rx_ring *r, const struct intel_desc_ops *fmt)
{
	r->desc = mem_alloc(RING_BYTES, PAGE_SIZE);
	if (!r->desc)
		return -ERR_NOMEM;
	r->slot = mem_alloc(INTEL_RING_SIZE * sizeof(*r->slot), 16);
	if (!r->slot)
		goto free_desc;
	r->fmt = fmt;
	intel_rx_forget(r);
	return 0;

free_desc:
	mem_free(r->desc);
	r->desc = NULL;
	return -ERR_NOMEM;
}

void intel_tx_free(struct intel_tx_ring *r)
{
	mem_free(r->slot);
	mem_free(r->desc);
	r->slot = NULL;
	r->desc = NULL;
}

void intel_rx_free(struct intel_rx_ring *r)
{
	mem_free(r->slot);
	mem_free(r->desc);
	r->slot = NULL;
	r->desc = NULL;
}

void intel_tx_forget(struct intel_tx_ring *r)
{
	memset((void *)r->desc, 0, RING_BYTES);
	r->head = r->tail = r->kicked = 0;
	r->after_tso = false;
	r->context = TX_NO_CONTEXT;	/* the chip forgets its context with a reset */
}

void intel_rx_forget(struct intel_rx_ring *r)
{
	memset((void *)r->desc, 0, RING_BYTES);
	r->head = r->tail = r->kicked = 0;
}

/* --- transmit --- */

/* How much of @len bytes at @addr one descriptor may carry, of which @most at once. */
static uint32_t piece_len(const struct intel_tx_ring *r, uint64_t addr, uint32_t len, uint32_t most)
{
	len = MIN(len, most);
	if (!r->boundary)
		return len;
	return MIN(len, r->boundary - (uint32_t)(addr & (r->boundary - 1)));
}

static unsigned tx_put_context(struct intel_tx_ring *r, unsigned at, const struct nic_tx *pkt)
{
	r->fmt->tx_context(&r->desc[at], pkt);
	return ring_next(at);
}

static uint32_t tx_flags(const struct nic_tx *pkt)
{
	uint32_t flags = pkt->flags & NIC_TX_CSUM ? INTEL_TX_CSUM : 0;

	if (pkt->flags & NIC_TX_TSO)
		flags |= pkt->flags & NIC_TX_IPV6 ? INTEL_TX_TSE : INTEL_TX_TSE | INTEL_TX_IPSUM;
	return flags;
}

/*
 * The frame's data from entry @at on, each piece looked at once; where it ends, or an error.  What stands behind the tail is
 * nothing to the chip yet, so a frame that turns out to be wrong has done no harm.
 *
 * 8254x hand the last descriptor of a frame that they cut back before they have read all of it (82546GB erratum 1), and that of
 * the frame behind it: its last bytes get a descriptor of their own, which comes back in time.
 */
static int tx_put_data(struct intel_tx_ring *r, unsigned at, unsigned room, const struct nic_tx *pkt)
{
	uint32_t left = pkt->len, flags = tx_flags(pkt), most = left;
	bool tso = pkt->flags & NIC_TX_TSO, sentinel = r->sentinel && (tso || r->after_tso);
	uint32_t last = left < INTEL_PAD_LEN ? 0 : INTEL_TX_LAST;

	if (tso)
		most = MIN(TSO_PIECE_MAX, TSO_PIECE_MSS * pkt->mss);
	for (const struct sg *frag = pkt->frag, *end = frag + pkt->nfrag; frag < end; frag++) {
		uint64_t addr = frag->addr;
		uint32_t len = frag->len, part;

		if (!len || len > left || addr > r->dma_mask || len - 1 > r->dma_mask - addr)
			return -ERR_INVAL;
		for (; len; addr += part, len -= part) {
			if (!room--)
				return -ERR_BUSY;
			part = piece_len(r, addr, len, most);
			if (sentinel && part == left && part > 2 * TSO_SENTINEL)
				part -= TSO_SENTINEL;
			left -= part;
			r->fmt->tx_data(&r->desc[at], addr, part, left ? flags : flags | last, pkt);
			at = ring_next(at);
		}
	}
	if (left)
		return -ERR_INVAL;
	if (last)
		return (int)at;
	/*
	 * The chip's own padding (TCTL.PSP) needs 17 bytes to start from.  No more than those: emulators take the length for
	 * TCP's pseudo header from what they are given, where silicon takes it from the sum that the guest put there.
	 */
	if (!room)
		return -ERR_BUSY;
	r->fmt->tx_data(&r->desc[at], r->pad, INTEL_PAD_LEN - pkt->len, flags | INTEL_TX_LAST, pkt);
	return (int)ring_next(at);
}

/* A frame in one piece that goes into one descriptor as it is: most. */
static bool is_plain(const struct intel_tx_ring *r, const struct nic_tx *pkt)
{
	const struct sg *p = pkt->frag;

	return pkt->nfrag == 1 && !r->boundary && !pkt->flags && !(r->sentinel && r->after_tso) && p->len == pkt->len &&
	       pkt->len >= INTEL_PAD_LEN && pkt->len <= NIC_FRAME_MAX && p->addr <= r->dma_mask &&
	       pkt->len - 1 <= r->dma_mask - p->addr;
}

int intel_tx_add(struct intel_tx_ring *r, const struct nic_tx *pkt)
{
	uint32_t context = (uint32_t)pkt->csum_start << 16 | pkt->csum_offset;
	unsigned first = r->tail, at = first, room = ring_room(r->head, first);
	bool new_context = false, tso = pkt->flags & NIC_TX_TSO;
	int end;

	if (room && is_plain(r, pkt)) {
		r->fmt->tx_data(&r->desc[at], pkt->frag->addr, pkt->len, INTEL_TX_LAST, pkt);
		r->slot[at] = (struct intel_tx_slot){ pkt->token, (uint16_t)at };
		r->tail = (uint16_t)ring_next(at);
		return 0;
	}
	if (pkt->nfrag < 1 || pkt->nfrag > NIC_MAX_FRAGS || pkt->len < NIC_FRAME_MIN)
		return -ERR_INVAL;
	if (pkt->len > NIC_FRAME_MAX && !tso)
		return -ERR_INVAL;
	if (tso && (!r->tso || pkt->mss < TSO_MSS_MIN || pkt->len > NIC_TSO_MAX))
		return -ERR_INVAL;
	if (pkt->flags & NIC_TX_CSUM) {
		if ((uint32_t)pkt->csum_start + pkt->csum_offset + 2 > pkt->len || !r->fmt->tx_can(pkt))
			return -ERR_INVAL;
		new_context = tso || context != r->context;
		if (new_context && !room)
			return -ERR_BUSY;
		if (new_context) {
			at = tx_put_context(r, at, pkt);
			room--;
		}
	}
	end = tx_put_data(r, at, room, pkt);
	if (end < 0)
		return end;
	if (new_context)
		r->context = tso ? TX_NO_CONTEXT : context;
	r->after_tso = tso;
	r->tail = (uint16_t)end;
	r->slot[first].token = pkt->token;
	r->slot[first].last = (uint16_t)((r->tail - 1) & RING_MASK);
	return 0;
}

bool intel_tx_ready(const struct intel_tx_ring *r)
{
	return r->head != r->tail && r->fmt->tx_done(&r->desc[r->slot[r->head].last]);
}

bool intel_tx_take(struct intel_tx_ring *r, bool force, void **token)
{
	struct intel_tx_slot *s = &r->slot[r->head];

	if (r->head == r->tail || !(force || intel_tx_ready(r)))
		return false;
	dma_rmb();
	*token = s->token;
	s->token = NULL;
	r->head = (uint16_t)ring_next(s->last);
	return true;
}

/* --- receive --- */

static void rx_put(struct intel_rx_ring *r)
{
	struct intel_desc *d = &r->desc[r->tail];

	d->q[0] = r->slot[r->tail].addr;
	d->q[1] = 0;
	r->tail = (uint16_t)ring_next(r->tail);
}

int intel_rx_add(struct intel_rx_ring *r, uint64_t addr, uint32_t len, void *token)
{
	if (len < NIC_FRAME_MAX || addr > r->dma_mask || NIC_FRAME_MAX - 1 > r->dma_mask - addr)
		return -ERR_INVAL;
	if (r->boundary && (addr & (r->boundary - 1)) + NIC_FRAME_MAX > r->boundary)
		return -ERR_INVAL;
	if (addr & r->reserved)
		return -ERR_INVAL;
	if (!ring_room(r->head, r->tail))
		return -ERR_BUSY;
	r->slot[r->tail] = (struct intel_rx_slot) { .addr = addr, .len = len, .token = token };
	rx_put(r);
	return 0;
}

bool intel_rx_ready(const struct intel_rx_ring *r)
{
	return r->head != r->tail && r->fmt->rx_done(&r->desc[r->head]);
}

bool intel_rx_take(struct intel_rx_ring *r, struct intel_rx_slot *slot, struct intel_rx_status *s)
{
	if (!intel_rx_ready(r))
		return false;
	dma_rmb();
	r->fmt->rx_read(&r->desc[r->head], s);
	*slot = r->slot[r->head];
	r->slot[r->head].token = NULL;
	r->head = (uint16_t)ring_next(r->head);
	return true;
}

static void reverse(struct intel_rx_slot *slot, unsigned from, unsigned to)
{
	for (; from + 1 < to; from++, to--) {
		struct intel_rx_slot t = slot[from];

		slot[from] = slot[to - 1];
		slot[to - 1] = t;
	}
}

void intel_rx_renew(struct intel_rx_ring *r)
{
	unsigned n = (r->tail - r->head) & RING_MASK;

	/* Rotate left by head, in place: reverse both parts, then the whole. */
	reverse(r->slot, 0, r->head);
	reverse(r->slot, r->head, INTEL_RING_SIZE);
	reverse(r->slot, 0, INTEL_RING_SIZE);
	intel_rx_forget(r);
	for (unsigned i = 0; i < n; i++)
		rx_put(r);
}
