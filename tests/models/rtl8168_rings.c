// SPDX-License-Identifier: BSD-2-Clause
/*
 * The rings of Realtek's gigabit chips, by the datasheet: descriptors of 16 bytes, OWN and EOR, frames to send in several
 * pieces, received frames over several buffers, the receive filter, checksums.  The model reports a descriptor that breaks a
 * rule.  Not here: segmentation of TCP, the high-priority ring, VLAN tags apart from their frame.
 */
#include <string.h>
#include "rtl8168.h"

#define OWN		0x80000000u
#define EOR		0x40000000u
#define FS		0x20000000u
#define LS		0x10000000u
#define TX_LSO		0x08000000u
#define TX_LEN		0x0000ffffu
#define RX_MCAST	0x08000000u
#define RX_MINE		0x04000000u
#define RX_BCAST	0x02000000u
#define RX_RWT		0x00400000u
#define RX_RES		0x00200000u
#define RX_LEN		0x00003fffu
#define RING_MAX	1024u
#define FCS		4u

struct desc {
	uint32_t opts1, opts2, addr_lo, addr_hi;
};

static void bus_error(struct rtl8168 *c)
{
	c->refused_dma++;
	c->deaf = true;
	rtl8168_cause(c, M_INT_SERR);
}

/* Driver and chip write OWN last: read opts1 once. */
static struct desc *desc_at(struct rtl8168 *c, unsigned base_reg, uint32_t index)
{
	uint64_t base = rtl8168_get(c, base_reg, 4) | (uint64_t)rtl8168_get(c, base_reg + 4, 4) << 32;
	void *p = c->m.host.dma(c->m.host.ctx, base + 16ull * index, 16, true);

	if (!p) {
		bus_error(c);
	}
	return p;
}

static uint64_t buffer_of(const struct desc *d)
{
	return d->addr_lo | (uint64_t)d->addr_hi << 32;
}

static uint32_t owned(const struct desc *d)
{
	return __atomic_load_n(&d->opts1, __ATOMIC_ACQUIRE);
}

static void give_back(struct desc *d, uint32_t opts1)
{
	__atomic_store_n(&d->opts1, opts1, __ATOMIC_RELEASE);
}

static uint32_t next(struct rtl8168 *c, uint32_t index, uint32_t opts1, const char *ring)
{
	if (opts1 & EOR)
		return 0;
	if (index + 1 < RING_MAX)
		return index + 1;
	rtl8168_broken(c, "the %s ring has no end", ring);
	return 0;
}

bool rtl8168_is_set_up(const struct rtl8168 *c)
{
	return !c->chip->cpcr14 || (rtl8168_get(c, R_CPCR, 2) & 0x4008) == 0x4008;
}

/* --- transmit --- */

static uint32_t sum16(const uint8_t *p, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i++)
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void store16(uint8_t *p, uint16_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

/* IPv4 only: report other requests. */
static void checksum(struct rtl8168 *c, uint32_t opts1, uint32_t opts2)
{
	bool tcp = c->chip->csum2 ? opts2 & 0x40000000u : opts1 & 0x00010000u;
	bool udp = c->chip->csum2 ? opts2 & 0x80000000u : opts1 & 0x00020000u;
	bool ip = c->chip->csum2 ? opts2 & 0x20000000u : opts1 & 0x00040000u;
	uint8_t *p = c->sent + 14;
	unsigned head = (p[0] & 15u) * 4, total = p[2] * 256u + p[3], at = tcp ? 16 : 6;
	uint32_t pseudo;

	if (!tcp && !udp && !ip)
		return;
	if (c->sent[12] != 8 || c->sent[13] || head < 20 || total < head + at + 2 || 14 + total > c->sent_len) {
		rtl8168_broken(c, "a checksum is asked for in what is no IPv4 frame (%08x %08x)", opts1, opts2);
		return;
	}
	if (ip) {
		store16(p + 10, 0);
		store16(p + 10, fold(sum16(p, head, 0)));
	}
	if (!tcp && !udp)
		return;
	pseudo = sum16(p + 12, 8, 0) + p[9] + (total - head);
	store16(p + head + at, 0);
	store16(p + head + at, fold(sum16(p + head, total - head, pseudo)));
}

/* Copy the frame that begins at descriptor @from into c->sent.  False if it is not whole, or cannot be read. */
static bool gather(struct rtl8168 *c, uint32_t from, uint32_t *end)
{
	uint32_t first1 = 0, first2 = 0;

	c->sent_len = 0;
	for (uint32_t i = from;;) {
		struct desc *d = desc_at(c, R_TNPDS, i);
		uint32_t opts1 = d ? owned(d) : 0, len = opts1 & TX_LEN;
		const void *p;

		if (!d || !(opts1 & OWN)) {
			if (d)
				rtl8168_broken(c, "transmit descriptor %u ends a frame without LS", i);
			return false;
		}
		if (i == from) {
			first1 = opts1;
			first2 = d->opts2;
		}
		if (!(opts1 & FS) != (i != from) || !len || (opts1 & TX_LSO) || c->sent_len + len > sizeof(c->sent)) {
			rtl8168_broken(c, "transmit descriptor %u: %08x %08x", i, opts1, d->opts2);
			return false;
		}
		p = c->m.host.dma(c->m.host.ctx, buffer_of(d), len, false);
		if (!p) {
			bus_error(c);
			return false;
		}
		memcpy(c->sent + c->sent_len, p, len);
		c->sent_len += len;
		i = next(c, i, opts1, "transmit");
		if (opts1 & LS) {
			*end = i;
			checksum(c, first1, first2);
			return true;
		}
	}
}

static void release(struct rtl8168 *c, uint32_t from, uint32_t end)
{
	do {
		struct desc *d = desc_at(c, R_TNPDS, from);
		uint32_t opts1;

		if (!d)
			return;
		opts1 = d->opts1;
		give_back(d, opts1 & ~OWN);
		from = next(c, from, opts1, "transmit");
	} while (from != end);
}

bool rtl8168_tx_idle(const struct rtl8168 *c)
{
	return !c->polled || c->tx_hang || c->tx_stuck;
}

void rtl8168_send(struct rtl8168 *c)
{
	while (c->polled && (c->r[R_CR] & M_CR_TE) && !c->tx_hang && !c->tx_stuck && rtl8168_has_link(c) &&
	       rtl8168_master(c) && rtl8168_is_set_up(c)) {
		struct desc *d = desc_at(c, R_TNPDS, c->tx_at);
		uint32_t end;

		if (!d || !(owned(d) & OWN)) {
			c->polled = false;
			if (d)
				rtl8168_cause(c, M_INT_TDU);
			return;
		}
		if (!gather(c, c->tx_at, &end)) {
			c->tx_stuck = true;	/* like silicon after a bad descriptor */
			return;
		}
		if (c->sent_len < 60) {
			memset(c->sent + c->sent_len, 0, 60 - c->sent_len);
			c->sent_len = 60;
		}
		if (c->sent_len > rtl8168_get(c, R_MTPS, 1) * 128u && c->chip->pcie)
			rtl8168_broken(c, "a frame of %u bytes, MTPS %02x", c->sent_len, c->r[R_MTPS]);
		if (!c->m.host.send(c->m.host.ctx, c->sent, c->sent_len))
			return;
		c->nsent++;
		release(c, c->tx_at, end);
		c->tx_at = end;
		rtl8168_cause(c, M_INT_TOK);
	}
}

/* --- receive --- */

/* The hash of a group address: the first six bits of its CRC as on the wire.  PCIe chips reverse the eight bytes. */
static bool hashed(const struct rtl8168 *c, const uint8_t *mac)
{
	uint32_t crc = ~0u, h = 0;

	for (unsigned i = 0; i < 6; i++) {
		crc ^= mac[i];
		for (unsigned k = 0; k < 8; k++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	for (unsigned i = 0; i < 6; i++)
		h |= (crc >> i & 1) << (5 - i);
	return c->r[R_MAR + (c->chip->pcie ? 7 - h / 8 : h / 8)] & (1u << (h % 8));
}

static uint32_t accepts(const struct rtl8168 *c, const uint8_t *frame)
{
	static const uint8_t all[6] = { 255, 255, 255, 255, 255, 255 };
	uint32_t rcr = rtl8168_get(c, R_RCR, 4);

	if (!memcmp(frame, all, 6))
		return rcr & 0x08 ? RX_BCAST : 0;
	if (frame[0] & 1)
		return (rcr & 0x04) && hashed(c, frame) ? RX_MCAST : 0;
	if ((rcr & 0x02) && !memcmp(frame, c->r + R_IDR, 6))
		return RX_MINE;
	return rcr & 0x01 ? RX_MINE : 0;
}

static bool receiver_open(struct rtl8168 *c)
{
	if (!(c->r[R_CR] & M_CR_RE) || !rtl8168_has_link(c) || !rtl8168_master(c) || !rtl8168_is_set_up(c))
		return false;
	if (c->deaf)
		return false;
	if (c->chip->oob && (c->r[R_MCU] & M_MCU_OOB))
		return false;
	/* In out-of-band mode management takes the frames; a closed gate drops them. */
	if (c->chip->ocp && ((c->r[R_MCU] & M_MCU_OOB) || (rtl8168_get(c, R_MISC, 4) & M_MISC_GATE) ||
			     rtl8168_now(c) < c->list_us))
		return false;
	return true;
}

bool rtl8168_rx_full(struct rtl8168 *c)
{
	struct desc *d = receiver_open(c) ? desc_at(c, R_RDSAR, c->rx_at) : NULL;

	return d && !(owned(d) & OWN);
}

/* Write @len bytes of the frame into one buffer, rounded up to the chip's eight, but not past the buffer's end. */
static bool fill(struct rtl8168 *c, struct desc *d, uint32_t room, const uint8_t *from, uint32_t len)
{
	uint64_t addr = buffer_of(d);
	uint32_t whole = (len + 7) & ~7u;
	uint8_t *p;

	if (addr & 7)
		rtl8168_broken(c, "receive buffer at %#llx", (unsigned long long)addr);
	p = c->m.host.dma(c->m.host.ctx, addr, room, true);
	if (!p) {
		bus_error(c);
		return false;
	}
	memcpy(p, from, len);
	memset(p + len, 0xee, (whole < room ? whole : room) - len);
	return true;
}

void rtl8168_receive(struct rtl8168 *c, const uint8_t *frame, size_t size)
{
	static uint8_t buf[MODEL_FRAME_MAX + FCS];
	uint32_t kind, rms = rtl8168_get(c, R_RMS, 2), len = (uint32_t)size + FCS, at = 0, status = 0;

	if (size < 14 || size > MODEL_FRAME_MAX || !receiver_open(c))
		return;
	kind = accepts(c, frame);
	if (!kind)
		return;
	memcpy(buf, frame, size);
	memset(buf + size, 0xfc, FCS);
	if (len < 64) {
		memset(buf + size, 0, 64 - size);
		len = 64;
	}
	if (len > rms) {
		len = rms;
		status = RX_RWT | RX_RES;
	}
	while (at < len) {
		struct desc *d = desc_at(c, R_RDSAR, c->rx_at);
		uint32_t opts1 = d ? owned(d) : 0, room = opts1 & RX_LEN & ~7u, part = len - at < room ? len - at : room;

		if (!d || !(opts1 & OWN) || !room) {
			c->missed++;
			c->deaf |= c->chip->deaf_by_fovw;
			rtl8168_cause(c, (uint16_t)(M_INT_RDU | (c->chip->csum2 ? 0 : M_INT_FOVW)));
			return;
		}
		if (!fill(c, d, room, buf + at, part))
			return;
		d->opts2 = 0;
		at += part;
		opts1 = (opts1 & EOR) | (at == part ? FS : 0) | (at == len ? LS : 0) | kind | status | (at & RX_LEN);
		give_back(d, opts1 ^ c->bad_rx);
		c->rx_at = next(c, c->rx_at, opts1, "receive");
	}
	c->bad_rx = 0;
	c->nreceived++;
	rtl8168_cause(c, status ? M_INT_RER | M_INT_ROK : M_INT_ROK);
}
