/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The receive ring of Intel's NICs, for all descriptor formats: post buffers, write the tail, take received frames.  One entry
 * always stays free, because a tail that equals the head means "empty" to the chip.  The chip's filter is not here, but in
 * intel_mac.c.
 */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include "intel.h"

int intel_rx_alloc(struct intel_nic *n)
{
	n->rx.desc = mem_alloc(INTEL_RING_BYTES, PAGE_SIZE);
	if (n->rx.desc)
		n->rx.slot = mem_alloc(INTEL_RING_SIZE * sizeof(*n->rx.slot), 16);
	return n->rx.slot ? 0 : -ERR_NOMEM;
}

void intel_rx_empty(struct intel_nic *n)
{
	memset((void *)n->rx.desc, 0, INTEL_RING_BYTES);
	n->rx.head = n->rx.tail = n->rx.told = 0;
	n->rx.skip = false;
}

/* --- buffers --- */

static void put(struct intel_rx_ring *r)
{
	struct intel_desc *d = &r->desc[r->tail];

	d->q[0] = r->slot[r->tail].addr;
	d->q[1] = 0;
	r->tail = (uint16_t)intel_ring_next(r->tail);
}

int intel_rx_post(struct nic *nic, unsigned q, uint64_t addr, uint32_t len, void *token)
{
	struct intel_nic *n = to_intel(nic);
	struct intel_rx_ring *r = &n->rx;

	if (n->boundary && (addr & (n->boundary - 1)) + nic->rx_room > n->boundary)
		return -ERR_INVAL;
	if (addr & n->fam->rx_reserved)
		return -ERR_INVAL;
	if (!intel_ring_room(r->head, r->tail))
		return -ERR_BUSY;
	r->slot[r->tail] = (struct intel_rx_slot) { .addr = addr, .len = len, .token = token };
	put(r);
	return 0;
}

void intel_rx_kick(struct nic *nic, unsigned q)
{
	struct intel_nic *n = to_intel(nic);

	intel_tail_write(n, REG_RDT, n->rx.tail, &n->rx.told);
}

static void reverse(struct intel_rx_slot *slot, unsigned from, unsigned to)
{
	for (; from + 1 < to; from++, to--) {
		struct intel_rx_slot t = slot[from];

		slot[from] = slot[to - 1];
		slot[to - 1] = t;
	}
}

void intel_rx_renew(struct intel_nic *n)
{
	struct intel_rx_ring *r = &n->rx;
	unsigned left = (r->tail - r->head) & INTEL_RING_MASK;

	/* Rotate left by head, in place: reverse both parts, then the whole. */
	reverse(r->slot, 0, r->head);
	reverse(r->slot, r->head, INTEL_RING_SIZE);
	reverse(r->slot, 0, INTEL_RING_SIZE);
	intel_rx_empty(n);
	while (left--)
		put(r);
}

/* --- frames --- */

unsigned intel_rx_drain(struct intel_nic *n, bool *more)
{
	struct intel_rx_ring *r = &n->rx;
	struct intel_rx_status st;
	unsigned done = 0, i = 0;

	while (r->head != r->tail && intel_rx_filled(n)) {
		if (i++ == INTEL_RING_SIZE) {
			*more = true;
			break;
		}
		dma_rmb();
		n->fam->desc->rx_read(&r->desc[r->head], &st);
		if (IS_ENABLED(CONFIG_NET_JUMBO) && !st.last && !r->skip && n->nic.frame_max > NIC_FRAME_MAX) {
			int taken = intel_rx_long_ops.take(n, &done);

			if (!nic_runs(&n->nic))
				return done;
			if (!taken)
				break;
			if (taken > 0)
				continue;
		}

		struct intel_rx_slot s = r->slot[r->head];
		bool whole = st.last && !r->skip;

		r->head = (uint16_t)intel_ring_next(r->head);
		r->skip = !st.last;		/* drop a frame that continues beyond this buffer */
		if (whole && st.len > s.len)
			log_err_once(n->nic.length_said, "%s: claims %u bytes in a buffer of %u", n->nic.name, st.len, s.len);
		if (whole && !st.bad && nic_rx_done(&n->nic, 0, s.token, s.len, st.len, st.csum_ok ? NIC_RX_CSUM_OK : 0)) {
			done++;
		} else {
			/* No frame for the client: return the buffer to the chip.  The entry just taken leaves room. */
			n->nic.count.rx_dropped += st.last;
			(void)intel_rx_post(&n->nic, 0, s.addr, s.len, s.token);
		}
		if (!nic_runs(&n->nic))
			return done;	/* the client's callback has called nic_stop() */
	}
	intel_rx_kick(&n->nic, 0);
	return done;
}
