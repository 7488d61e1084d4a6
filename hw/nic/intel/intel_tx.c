/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The transmit ring of Intel's NICs, for all descriptor formats: encode a frame, write the tail, report the frames that are
 * sent.  One entry always stays free, because a tail that equals the head means "empty" to the chip.  Nothing here waits for
 * the chip, but on PCH a tail is read back (tail_checked()).
 */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include "intel.h"

#define TSO_SENTINEL	4u
#define TSO_PIECE_MAX	4096u
#define TSO_PIECE_MSS	4u	/* the room of the chip's FIFO allows for so many segments a descriptor */
#define TSO_MSS_MIN	256u	/* a smaller MSS would need more descriptors than the ring has */
#define TAIL_TRIES	10u
#define NO_CONTEXT	~0u

/* Page alignment keeps the ring within one block of 64 KiB, as the boundary erratum requires of descriptors, too. */
int intel_tx_alloc(struct intel_nic *n)
{
	n->tx.desc = mem_alloc(INTEL_RING_BYTES + INTEL_PAD_LEN, PAGE_SIZE);
	if (!n->tx.desc)
		return -ERR_NOMEM;
	n->tx.pad = mem_phys(n->tx.desc + INTEL_RING_SIZE);
	return 0;
}

void intel_tx_empty(struct intel_nic *n)
{
	struct intel_tx_ring *r = &n->tx;

	memset((void *)r->desc, 0, INTEL_RING_BYTES);
	r->head = r->tail = r->told = r->since = 0;
	r->after_tso = false;
	r->context = NO_CONTEXT;	/* a reset clears the chip's context */
}

/* --- a frame --- */

/* Return how many of @len bytes at @addr, at most @most, one descriptor may have. */
static uint32_t piece_len(const struct intel_nic *n, uint64_t addr, uint32_t len, uint32_t most)
{
	len = MIN(len, most);
	if (!n->boundary)
		return len;
	return MIN(len, n->boundary - (uint32_t)(addr & (n->boundary - 1)));
}

/*
 * Put the frame's data into the entries from @at on, with the flags @end in the last.  Return the entry behind the frame, or
 * -ERR_BUSY.  The chip does not read entries behind the tail, so a frame that does not fit has no effect.
 *
 * 8254x write back the last descriptor of a frame that they segment, and that of the next frame, before they have read all its
 * data (82546GB erratum 1).  So the last bytes get a descriptor of their own, which is written back in time.
 */
static int put_data(struct intel_nic *n, unsigned at, unsigned room, const struct nic_tx *pkt, uint32_t end)
{
	struct intel_tx_ring *r = &n->tx;
	uint32_t left = pkt->len, flags = pkt->flags & NIC_TX_CSUM ? INTEL_TX_CSUM : 0, most = left;
	bool tso = pkt->flags & NIC_TX_TSO, sentinel = r->sentinel && (tso || r->after_tso);
	uint32_t last = left < INTEL_PAD_LEN ? 0 : end;

	if (tso) {
		flags |= pkt->flags & NIC_TX_IPV6 ? INTEL_TX_TSE : INTEL_TX_TSE | INTEL_TX_IPSUM;
		most = MIN(TSO_PIECE_MAX, TSO_PIECE_MSS * pkt->mss);
	}
	for (const struct sg *frag = pkt->frag, *behind = frag + pkt->nfrag; frag < behind; frag++) {
		uint64_t addr = frag->addr;
		uint32_t len = frag->len, part;

		for (; len; addr += part, len -= part) {
			if (!room--)
				return -ERR_BUSY;
			part = piece_len(n, addr, len, most);
			if (sentinel && part == left && part > 2 * TSO_SENTINEL)
				part -= TSO_SENTINEL;
			left -= part;
			n->fam->desc->tx_data(&r->desc[at], addr, part, left ? flags : flags | last, pkt);
			at = intel_ring_next(at);
		}
	}
	if (last)
		return (int)at;
	/*
	 * The chip's own padding (TCTL.PSP) needs 17 bytes.  Add no more than that: for TCP's pseudo header emulators take the
	 * length of the given data, and silicon the partial checksum that the guest wrote into the frame.
	 */
	if (!room)
		return -ERR_BUSY;
	n->fam->desc->tx_data(&r->desc[at], r->pad, INTEL_PAD_LEN - pkt->len, flags | end, pkt);
	return (int)intel_ring_next(at);
}

/* True if one descriptor can describe the frame as it is, as for most frames. */
static bool frame_is_plain(const struct intel_nic *n, const struct nic_tx *pkt)
{
	return pkt->nfrag == 1 && !n->boundary && !pkt->flags && !(n->tx.sentinel && n->tx.after_tso) &&
	       pkt->len >= INTEL_PAD_LEN;
}

/*
 * How the frame ends.  Kicks are off only while a frame in flight interrupts at once (nic_tx_rings()), so among many
 * descriptors in flight there has to be one such frame, too: without it a full ring would wait for the chip's timer.
 */
static uint32_t end_flags(const struct intel_nic *n)
{
	const struct intel_tx_ring *r = &n->tx;
	unsigned used = (r->tail - r->head) & INTEL_RING_MASK;

	if (!n->nic.lazy || nic_tx_is_prompt(&n->nic, 0) || (used >= INTEL_LAZY_DESCS && r->since >= INTEL_LAZY_DESCS))
		return INTEL_TX_LAST;
	return INTEL_TX_LAST | INTEL_TX_LATE;
}

/* The frame in the entries up to @next is whole. */
static void put_frame(struct intel_nic *n, unsigned first, unsigned next, uint32_t end)
{
	struct intel_tx_ring *r = &n->tx;
	unsigned count = (next - first) & INTEL_RING_MASK;

	r->last[first] = (uint16_t)((next - 1) & INTEL_RING_MASK);
	r->tail = (uint16_t)next;
	if (end & INTEL_TX_LATE) {
		r->since = (uint16_t)MIN(r->since + count, INTEL_RING_SIZE);
		return;
	}
	r->since = 0;
	nic_tx_prompt(&n->nic, 0);
}

/* A frame of several descriptors, perhaps with a context before them. */
static __attribute__((noinline)) int put_any(struct intel_nic *n, const struct nic_tx *pkt, uint32_t end)
{
	struct intel_tx_ring *r = &n->tx;
	uint32_t context = (uint32_t)pkt->csum_start << 16 | pkt->csum_offset;
	unsigned first = r->tail, at = first, room = intel_ring_room(r->head, first);
	bool new_context = false, tso = pkt->flags & NIC_TX_TSO;
	int next;

	if (tso && (!r->tso || pkt->mss < TSO_MSS_MIN))
		return -ERR_INVAL;
	if (pkt->flags & NIC_TX_CSUM) {
		if (!n->fam->desc->tx_can(pkt))
			return -ERR_INVAL;
		new_context = tso || context != r->context;
		if (new_context && !room)
			return -ERR_BUSY;
		if (new_context) {
			n->fam->desc->tx_context(&r->desc[at], pkt);
			at = intel_ring_next(at);
			room--;
		}
	}
	next = put_data(n, at, room, pkt, end);
	if (next < 0)
		return next;
	if (new_context)
		r->context = tso ? NO_CONTEXT : context;
	r->after_tso = tso;
	put_frame(n, first, (unsigned)next, end);
	return 0;
}

int intel_tx(struct nic *nic, unsigned q, const struct nic_tx *pkt)
{
	struct intel_nic *n = to_intel(nic);
	struct intel_tx_ring *r = &n->tx;
	const struct intel_desc_ops *format = n->fam->desc;
	unsigned first = r->tail;
	uint32_t end = end_flags(n);

	if (!intel_ring_room(r->head, first) || !frame_is_plain(n, pkt))
		return put_any(n, pkt, end);
	r->desc[first].q[0] = pkt->frag->addr;
	r->desc[first].q[1] = format->plain + pkt->len * format->plain_unit + (end & INTEL_TX_LATE ? format->late : 0);
	put_frame(n, first, intel_ring_next(first), end);
	return 0;
}

/* --- the tail --- */

/*
 * On PCH chipsets a write is lost if the management engine accesses the registers meanwhile. intel_wr() waits for the engine;
 * read a tail back, too, and write it again if it was lost.  Bounded to some milliseconds: if the tail is still wrong, the next
 * kick or tick writes it.
 */
static bool tail_checked(struct intel_nic *n, uint32_t reg, uint32_t tail)
{
	for (unsigned i = 0; i < TAIL_TRIES; i++) {
		intel_wr(n, reg, tail);
		if (intel_rd(n, reg) == tail)
			return true;
	}
	nic_want_tick(&n->nic);
	log_err_once(n->tail_said, "%s: ring tail %#x does not take the value %u (%u read), FWSM %08x", n->nic.name, reg, tail,
		     intel_rd(n, reg), intel_rd(n, REG_FWSM));
	return false;
}

void intel_tail_write(struct intel_nic *n, uint32_t reg, uint16_t tail, uint16_t *told)
{
	if (tail == *told)
		return;
	dma_wmb();
	if (!n->me_arbiter)
		intel_wr(n, reg, tail);
	else if (!tail_checked(n, reg, tail))
		return;
	*told = tail;
}

void intel_tx_kick(struct nic *nic, unsigned q)
{
	struct intel_nic *n = to_intel(nic);

	intel_tail_write(n, REG_TDT, n->tx.tail, &n->tx.told);
}

/* --- frames that are sent --- */

unsigned intel_tx_drain(struct intel_nic *n, bool *more)
{
	struct intel_tx_ring *r = &n->tx;
	unsigned done = 0;

	while (!nic_tx_empty(&n->nic, 0) && intel_tx_sent(n)) {
		if (done == INTEL_RING_SIZE) {
			*more = true;
			break;
		}
		dma_rmb();
		r->head = (uint16_t)intel_ring_next(r->last[r->head]);
		done++;
		nic_tx_done(&n->nic, 0);
	}
	return done;
}

void intel_tx_reap(struct nic *nic, unsigned q)
{
	bool more;

	(void)intel_tx_drain(to_intel(nic), &more);
}
