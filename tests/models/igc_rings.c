// SPDX-License-Identifier: BSD-2-Clause
/*
 * The queues of I210, I211, I350, I225 and I226: advanced descriptors by the I210's datasheet (7.1 and 7.2), legacy descriptors
 * for drivers that use these only, frames to send in several pieces, received frames over several buffers, the receive filter.
 * The model reports a descriptor that breaks a rule, and stops its queue until a reset.  Not here: header split, head
 * write-back, VLAN tags apart from their frame, launch times.
 */
#include <string.h>
#include "igc.h"

#define DD		0x1ull
#define EOP		0x2ull
/* Transmit, second quadword. */
#define TX_EOP		(1ull << 24)
#define TX_IFCS		(1ull << 25)
#define TX_IC		(1ull << 26)	/* legacy */
#define TX_RS		(1ull << 27)
#define TX_DEXT		(1ull << 29)
#define TX_VLE		(1ull << 30)
#define TX_TSE		(1ull << 31)
#define TX_DONE		(1ull << 32)
#define TX_IDX		4		/* the context's index: bits 38:36, as bits of the upper half */
#define TX_IXSM		(1ull << 40)
#define TX_TXSM		(1ull << 41)
#define DTYP_CONTEXT	2u
#define DTYP_DATA	3u
#define L4T_TCP		1u
/* The same of PCH: the 8254x's descriptors. */
#define PCH_TX_TSE	(1ull << 26)
#define PCH_TX_LEN	0xfffffu
#define PCH_TX_TCP	(1ull << 24)	/* in a context, as the next */
#define PCH_TX_IP	(1ull << 25)
#define PCH_DTYP_CONTEXT 0u
#define PCH_DTYP_DATA	1u
#define PCH_EXTENDED	0x8000u		/* RFCTL: how received frames are reported */
#define SRRCTL_KIB	0x7fu
#define SRRCTL_ONE	(1u << 25)	/* of DESCTYPE, bits 27:25 */
#define SRRCTL_TYPE	(7u << 25)
#define FCS		4u
#define LONGEST		1522u		/* longest frame on the wire without LPE */

struct desc {
	uint64_t q[2];
};

static void bus_error(struct igc *c)
{
	c->refused_dma++;
	c->dead = true;
	igc_cause(c, I_INT_FER);
}

static struct desc *desc_at(struct igc *c, uint32_t ring, uint32_t index)
{
	uint64_t base = igc_get(c, ring + RING_BAL) | (uint64_t)igc_get(c, ring + RING_BAH) << 32;
	void *p = c->m.host.dma(c->m.host.ctx, base + 16ull * index, 16, true);

	if (!p)
		bus_error(c);
	return p;
}

/* Write the quadword with "done" last. */
static void give_back(struct desc *d, uint64_t q0, uint64_t q1)
{
	d->q[0] = q0;
	__atomic_store_n(&d->q[1], q1, __ATOMIC_RELEASE);
}

static uint32_t ring_size(const struct igc *c, uint32_t ring) { return igc_get(c, ring + RING_LEN) / 16; }
static uint32_t next(const struct igc *c, uint32_t ring, uint32_t i) { return i + 1 < ring_size(c, ring) ? i + 1 : 0; }

bool igc_queue_on(const struct igc *c, const struct igc_queue *q)
{
	return igc_is(c, IGC_PCH) || (q->on_us != MODEL_NEVER && igc_now(c) >= q->on_us);
}

/* --- transmit --- */

static void stuck(struct igc *c, uint32_t i, const struct desc *d, const char *why)
{
	igc_broken(c, "transmit descriptor %u: %s: %016llx %016llx", i, why, (unsigned long long)d->q[0],
		   (unsigned long long)d->q[1]);
	c->tx_stuck = true;	/* like silicon after a bad descriptor */
}

static bool is_context(const struct igc *c, const struct desc *d)
{
	return (d->q[1] & TX_DEXT) && (d->q[1] >> 20 & 15) == (igc_is(c, IGC_PCH) ? PCH_DTYP_CONTEXT : DTYP_CONTEXT);
}

/* PCH: one for checksums, one for segments.  Offsets of bytes; an end is that of the last byte. */
static bool pch_context(struct igc *c, unsigned queue, const struct desc *d)
{
	uint64_t a = d->q[0], b = d->q[1];
	struct igc_context *x = &c->context[queue][!!(b & PCH_TX_TSE)];

	*x = (struct igc_context) {
		.valid = true, .can_cut = (b & PCH_TX_TSE) && (b & PCH_TX_TCP), .ip = a & 0xff, .ip_sum = a >> 8 & 0xff,
		.ip_end = (a >> 16 & 0xffff) + 1, .l4 = a >> 32 & 0xff, .l4_sum = a >> 40 & 0xff, .head = b >> 40 & 0xff,
		.mss = b >> 48 & 0xffff, .payload = b & PCH_TX_LEN, .ipv4 = b & PCH_TX_IP, .udp = !(b & PCH_TX_TCP),
	};
	return !(a >> 48);	/* the sum ends with the frame */
}

static bool take_context(struct igc *c, unsigned queue, const struct desc *d)
{
	unsigned idx = (unsigned)(d->q[1] >> (32 + TX_IDX)) & 7;
	uint32_t iplen = d->q[0] & 0x1ff, maclen = d->q[0] >> 9 & 0x7f, l4 = maclen + iplen, l4t = d->q[1] >> 11 & 3;
	bool ipv4 = d->q[1] >> 10 & 1;

	if (igc_is(c, IGC_PCH))
		return pch_context(c, queue, d);
	if (idx > 1)
		return false;
	c->context[queue][idx] = (struct igc_context) {
		.valid = true, .can_cut = l4t == L4T_TCP, .ip = maclen, .ip_end = l4,
		.ip_sum = ipv4 && iplen >= 20 ? maclen + 10 : 0, .l4 = l4,
		.l4_sum = l4t > L4T_TCP ? 0 : l4 + (l4t == L4T_TCP ? 16 : 6), .head = l4 + (d->q[1] >> 40 & 0xff),
		.mss = d->q[1] >> 48 & 0xffff, .ipv4 = ipv4, .udp = l4t != L4T_TCP,
	};
	return maclen >= 14;
}

/* Take the requests in the frame's first data descriptor. */
static bool take_wishes(struct igc *c, unsigned queue, uint64_t q1)
{
	bool pch = igc_is(c, IGC_PCH), cut = q1 & (pch ? PCH_TX_TSE : TX_TSE);
	unsigned idx = pch ? cut : (unsigned)(q1 >> (32 + TX_IDX)) & 7;

	c->sum_l4 = q1 & TX_TXSM;
	c->sum_ip = q1 & TX_IXSM;
	c->cut = 0;
	if (!c->sum_l4 && !c->sum_ip && !cut)
		return true;
	if (idx > 1 || !c->context[queue][idx].valid)
		return false;
	c->how = c->context[queue][idx];
	if (!cut)
		return true;
	c->cut = c->how.mss;
	return c->cut && c->sum_l4 && c->how.can_cut && c->how.head >= c->how.l4 + 20 && (!c->how.ipv4 || c->sum_ip);
}

static bool copy_piece(struct igc *c, uint64_t addr, uint32_t len)
{
	const void *p = c->m.host.dma(c->m.host.ctx, addr, len, false);

	if (!p) {
		bus_error(c);
		return false;
	}
	memcpy(c->frame + c->frame_len, p, len);
	c->frame_len += len;
	return true;
}

static uint32_t piece_len(const struct igc *c, const struct desc *d)
{
	return d->q[1] & (igc_is(c, IGC_PCH) && (d->q[1] & TX_DEXT) ? PCH_TX_LEN : 0xffff);
}

/* Check a data descriptor of either kind.  Return NULL, or the broken rule. */
static const char *check_piece(struct igc *c, unsigned queue, const struct desc *d, bool first)
{
	bool advanced = d->q[1] & TX_DEXT;
	unsigned dtyp = (unsigned)(d->q[1] >> 20) & 15;
	uint32_t len = piece_len(c, d);

	if (!len)
		return "no length";
	if (!(d->q[1] & TX_IFCS))
		return "no FCS";
	if (d->q[1] & TX_VLE)
		return "a VLAN tag";
	if (c->frame_len + len > sizeof(c->frame))
		return "the frame has no end";
	if (!advanced)
		return d->q[1] & (TX_IC | (igc_is(c, IGC_PCH) ? 0 : TX_TSE)) ? "checksums by a legacy descriptor" : NULL;
	if (dtyp != (igc_is(c, IGC_PCH) ? PCH_DTYP_DATA : DTYP_DATA))
		return "of no known type";
	return first && !take_wishes(c, queue, d->q[1]) ? "no context, or not what segmentation wants" : NULL;
}

/* True if PAYLEN is the frame's length, or with segmentation that of the payload. */
static bool paylen_right(const struct igc *c, uint64_t q1)
{
	uint32_t head = c->cut ? c->how.head : 0;

	if (igc_is(c, IGC_PCH))
		return !c->cut || c->frame_len - head == c->how.payload;
	return !(q1 & TX_DEXT) || c->frame_len - head == q1 >> 46;
}

static void context_done(struct igc *c, uint32_t ring, uint32_t i, struct desc *d)
{
	if (d->q[1] & TX_RS)
		give_back(d, igc_is(c, IGC_PCH) ? d->q[0] : 0, igc_is(c, IGC_PCH) ? d->q[1] | TX_DONE : TX_DONE);
	*igc_r(c, ring + RING_HEAD) = next(c, ring, i);
}

/* Copy the frame at the head into c->frame.  False if there is none, or it cannot be read. */
static bool gather(struct igc *c, unsigned queue)
{
	uint32_t ring = I_TX + 0x40 * queue, i = igc_get(c, ring + RING_HEAD), tail = igc_get(c, ring + RING_TAIL);
	uint64_t first = 0;
	bool begun = false;

	c->frame_len = c->frame_at = c->cut = 0;
	c->sum_l4 = c->sum_ip = false;
	while (i != tail) {
		struct desc *d = desc_at(c, ring, i);
		const char *why;

		if (!d)
			return false;
		if (is_context(c, d)) {
			if (begun || !take_context(c, queue, d)) {
				stuck(c, i, d, "a context");
				return false;
			}
			context_done(c, ring, i, d);
			i = next(c, ring, i);
			continue;
		}
		why = check_piece(c, queue, d, !begun);
		if (why) {
			stuck(c, i, d, why);
			return false;
		}
		if (!begun)
			first = d->q[1];
		begun = true;
		if (!copy_piece(c, d->q[0], piece_len(c, d)))
			return false;
		i = next(c, ring, i);
		if (d->q[1] & TX_EOP) {
			if (!paylen_right(c, first))
				stuck(c, i, d, "PAYLEN is wrong");
			c->busy_end = i;
			return !c->tx_stuck;
		}
	}
	/* The rest of the frame may come with the next write of the tail. */
	return false;
}

static void finish(struct igc *c)
{
	uint32_t ring = I_TX + 0x40 * c->busy_queue, i = igc_get(c, ring + RING_HEAD);
	bool report = false;

	for (; i != c->busy_end; i = next(c, ring, i)) {
		struct desc *d = desc_at(c, ring, i);
		bool gone = d && (d->q[1] & TX_DEXT) && !igc_is(c, IGC_PCH);

		if (!d)
			return;
		if (!(d->q[1] & TX_RS))
			continue;
		report = true;
		/* A descriptor keeps what it was; of an advanced one nothing is left. */
		give_back(d, gone ? 0 : d->q[0], gone ? TX_DONE : d->q[1] | TX_DONE);
	}
	*igc_r(c, ring + RING_HEAD) = i;
	c->busy = false;
	if (report)
		igc_queue_cause(c, c->busy_queue, true);
}

/* True if the packet buffer can hold the frame. */
static bool fits(struct igc *c, uint32_t reg, uint32_t len)
{
	if (igc_is(c, IGC_PCH))
		return true;		/* 26 KiB and more, whoever was there before */
	/* An I350's receive buffer: 36 KiB, the only size that the model has. */
	return len <= (igc_is(c, IGC_I350) && reg == I_RXPBS ? 36 : igc_get(c, reg) & 0x3f) * 1024;
}

/* Continue with the frame that was begun.  False if the wire is busy, or the chip sends nothing. */
static bool pump(struct igc *c)
{
	while (c->busy) {
		if (!c->ready && !igc_next_frame(c)) {
			finish(c);
			return true;
		}
		if (!fits(c, I_TXPBS, c->sent_len)) {
			c->tx_stuck = true;
			return false;
		}
		if (!c->m.host.send(c->m.host.ctx, c->sent, c->sent_len))
			return false;
		c->nsent++;
		igc_count(c, true, c->sent, c->sent_len);
		c->ready = false;
	}
	return true;
}

static bool may_send(const struct igc *c)
{
	return (igc_get(c, I_TCTL) & I_EN) && !c->tx_hang && !c->tx_stuck && !c->dead && igc_has_link(c) && igc_master(c);
}

static bool send_one(struct igc *c, unsigned queue)
{
	uint32_t ring = I_TX + 0x40 * queue;

	if (!igc_queue_on(c, &c->tx[queue]) || igc_get(c, ring + RING_HEAD) == igc_get(c, ring + RING_TAIL) ||
	    !ring_size(c, ring) || !gather(c, queue))
		return false;
	c->busy = true;
	c->busy_queue = queue;
	c->ready = false;
	return true;
}

void igc_send(struct igc *c)
{
	bool some = true;

	while (some && may_send(c)) {
		some = false;
		if (c->busy && !pump(c))
			return;
		for (unsigned q = 0; q < IGC_QUEUES && may_send(c); q++) {
			if (!send_one(c, q))
				continue;
			some = true;
			if (!pump(c))
				return;
		}
	}
}

/* --- receive --- */

static bool in_table(const struct igc *c, uint32_t table, unsigned bit)
{
	return igc_get(c, table + 4 * (bit / 32)) & (1u << (bit % 32));
}

static bool hashed(const struct igc *c, const uint8_t *mac)
{
	static const unsigned shift[4] = { 4, 3, 2, 0 };	/* index: RCTL.MO */
	bool pch = igc_is(c, IGC_PCH);				/* whose table has 1024 bits */
	unsigned s = shift[igc_get(c, I_RCTL) >> 12 & 3] + (pch ? 2 : 0);

	return in_table(c, I_MTA, ((unsigned)mac[4] >> s | (unsigned)mac[5] << (8 - s)) & (pch ? 0x3ff : 0xfff));
}

static bool has_address(const struct igc *c, const uint8_t *mac)
{
	uint32_t low = mac[0] | (uint32_t)mac[1] << 8 | (uint32_t)mac[2] << 16 | (uint32_t)mac[3] << 24;
	uint32_t high = mac[4] | (uint32_t)mac[5] << 8;

	for (unsigned i = 0; i < IGC_RARS; i++) {
		uint32_t rah = igc_get(c, I_RAH + 8 * i);

		if ((rah & 0x80000000u) && (rah & 0xffff) == high && igc_get(c, I_RAL + 8 * i) == low)
			return true;
	}
	return false;
}

static bool accepts(const struct igc *c, const uint8_t *frame)
{
	static const uint8_t all[6] = { 255, 255, 255, 255, 255, 255 };
	uint32_t rctl = igc_get(c, I_RCTL);
	bool tagged = frame[12] == 0x81 && !frame[13];

	if (tagged && (rctl & I_RCTL_VFE) && !in_table(c, I_VFTA, (frame[14] * 256u + frame[15]) & 0xfff))
		return false;
	if (!memcmp(frame, all, 6))
		return rctl & I_RCTL_BAM;
	if (frame[0] & 1)
		return (rctl & I_RCTL_MPE) || hashed(c, frame) || has_address(c, frame);
	return (rctl & I_RCTL_UPE) || has_address(c, frame);
}

static bool receiver_on(const struct igc *c)
{
	return (igc_get(c, I_RCTL) & I_EN) && !c->dead && igc_has_link(c) && igc_master(c);
}

bool igc_rx_full(struct igc *c)
{
	for (uint32_t q = 0, ring = I_RX; receiver_on(c) && q < IGC_QUEUES; q++, ring += 0x40)
		if (igc_queue_on(c, &c->rx[q]) && ring_size(c, ring) &&
		    igc_get(c, ring + RING_HEAD) == igc_get(c, ring + RING_TAIL))
			return true;
	return false;
}

static uint32_t buffer_size(const struct igc *c, uint32_t ring)
{
	static const uint32_t by_rctl[4] = { 2048, 1024, 512, 256 };
	uint32_t kib = igc_get(c, ring + RING_SRRCTL) & SRRCTL_KIB;

	return kib ? kib * 1024 : by_rctl[igc_get(c, I_RCTL) >> 16 & 3];
}

static bool fill(struct igc *c, uint64_t addr, const uint8_t *from, uint32_t len)
{
	uint8_t *p;

	if (addr & 1)
		igc_broken(c, "receive buffer at %#llx", (unsigned long long)addr);
	p = c->m.host.dma(c->m.host.ctx, addr, len, true);
	if (!p) {
		bus_error(c);
		return false;
	}
	memcpy(p, from, len);
	return true;
}

/* Write a descriptor back: status and errors in the lower half, the length in the upper. */
static void rx_give(struct igc *c, uint32_t ring, struct desc *d, uint32_t len, uint64_t status)
{
	bool advanced = igc_is(c, IGC_PCH) ? igc_get(c, PCH_RFCTL) & PCH_EXTENDED :
		(igc_get(c, ring + RING_SRRCTL) & SRRCTL_TYPE) == SRRCTL_ONE;

	if (advanced)
		give_back(d, 0, status | (uint64_t)len << 32);
	else
		give_back(d, d->q[0], len | (status & 0xff) << 32 | (status >> 24 & 0xff) << 40);
}

static void missed(struct igc *c)
{
	c->missed++;
	++*igc_r(c, I_MPC);
	igc_cause(c, I_INT_RXO);
}

static uint32_t longest(const struct igc *c)
{
	if (!(igc_get(c, I_RCTL) & I_RCTL_LPE))
		return LONGEST;
	return igc_is(c, IGC_PCH) ? PCH_LONGEST : igc_get(c, I_RLPML);
}

static void to_ring(struct igc *c, unsigned queue, const uint8_t *buf, uint32_t len, uint32_t sums)
{
	uint32_t ring = I_RX + 0x40 * queue, room = buffer_size(c, ring), at = 0, head = igc_get(c, ring + RING_HEAD);

	while (at < len) {
		uint32_t part = len - at < room ? len - at : room;
		uint64_t status = DD | (at + part == len ? EOP | sums : 0);
		struct desc *d;

		if (head == igc_get(c, ring + RING_TAIL)) {
			missed(c);
			return;
		}
		d = desc_at(c, ring, head);
		if (!d || !fill(c, d->q[0], buf + at, part))
			return;
		at += part;
		rx_give(c, ring, d, part, status ^ c->bad_rx);
		head = next(c, ring, head);
		*igc_r(c, ring + RING_HEAD) = head;
	}
	c->bad_rx = 0;
	c->nreceived++;
	igc_queue_cause(c, queue, false);
}

void igc_receive(struct igc *c, const uint8_t *frame, size_t size)
{
	static uint8_t buf[MODEL_FRAME_MAX + FCS];
	uint32_t len = (uint32_t)size + FCS;
	unsigned queue;

	if (size < 14 || size > MODEL_FRAME_MAX || !receiver_on(c) || !accepts(c, frame))
		return;
	memcpy(buf, frame, size);
	memset(buf + size, 0, FCS);
	if (len < 64) {
		memset(buf + size, 0, 64 - size);
		len = 64;
	}
	if (len > longest(c) || !fits(c, I_RXPBS, len)) {
		missed(c);
		return;
	}
	queue = igc_rss(c, frame, size);
	if (!igc_queue_on(c, &c->rx[queue]) || !ring_size(c, I_RX + 0x40 * queue)) {
		missed(c);
		return;
	}
	igc_count(c, false, frame, size);
	if (igc_is(c, IGC_PCH))
		pch_received(c);
	to_ring(c, queue, buf, igc_get(c, I_RCTL) & I_RCTL_SECRC ? len - FCS : len, igc_rx_sums(c, frame, size));
}
