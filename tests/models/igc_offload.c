// SPDX-License-Identifier: BSD-2-Clause
/*
 * What these chips compute: checksums of IPv4, TCP and UDP into frames that go out, segments of TCP, what a received frame's
 * checksums are worth, and the queue that it goes to (Toeplitz hash).  Not: SCTP, tunnels, UDP segments.
 */
#include <string.h>
#include "igc.h"

#define PROTO_TCP	6u
#define PROTO_UDP	17u
#define RX_UDPCS	0x10u
#define RX_L4CS		0x20u
#define RX_IPCS		0x40u
#define RX_L4E		0x20000000u
#define RX_IPE		0x40000000u
#define RXCSUM_IP	0x100u
#define RXCSUM_L4	0x200u

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
	return (uint16_t)sum;
}

static uint32_t load16(const uint8_t *p) { return p[0] * 256u + p[1]; }

static void store16(uint8_t *p, uint32_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static uint32_t load32(const uint8_t *p) { return load16(p) << 16 | load16(p + 2); }

static void store32(uint8_t *p, uint32_t value)
{
	store16(p, value >> 16);
	store16(p + 2, value);
}

/* --- out --- */

/* The frame has the checksum of the pseudo header in place: the chip continues from that value. */
static bool sum_l4(struct igc *c)
{
	uint32_t start = c->how.l4, at = c->how.l4_sum;
	uint16_t sum;

	if (!at || at < start || at + 2 > c->sent_len)
		return false;
	sum = (uint16_t)~fold(sum16(c->sent + start, c->sent_len - start, 0));
	/* In UDP 0 means "no checksum". */
	store16(c->sent + at, !sum && c->how.udp ? 0xffff : sum);
	return true;
}

static bool sum_ip(struct igc *c)
{
	uint32_t start = c->how.ip, end = c->how.ip_end, at = c->how.ip_sum;

	if (!at || at < start || at + 2 > end || end > c->sent_len)
		return false;
	store16(c->sent + at, 0);
	store16(c->sent + at, (uint16_t)~fold(sum16(c->sent + start, end - start, 0)));
	return true;
}

static void pad(struct igc *c)
{
	if (c->sent_len >= 60)
		return;
	if (!(igc_get(c, I_TCTL) & 8) || c->sent_len < 17)
		igc_broken(c, "a frame of %u bytes that is not padded", c->sent_len);
	memset(c->sent + c->sent_len, 0, 60 - c->sent_len);
	c->sent_len = 60;
}

/*
 * Make one segment: each has its own length and identification in IP, and its own sequence number and flags in TCP. The chip
 * adds the length to the driver's pseudo header, which has none.
 */
static void segment(struct igc *c, uint32_t head, uint32_t part)
{
	uint32_t mac = c->how.ip, l4 = c->how.l4, done = c->frame_at - head;
	uint8_t *ip = c->sent + mac, *tcp = c->sent + l4;

	memcpy(c->sent, c->frame, head);
	memcpy(c->sent + head, c->frame + c->frame_at, part);
	c->sent_len = head + part;
	if (c->how.ipv4) {
		store16(ip + 2, c->sent_len - mac);
		store16(ip + 4, load16(c->frame + mac + 4) + c->ncut);
	} else {
		store16(ip + 4, c->sent_len - mac - 40);
	}
	store32(tcp + 4, load32(c->frame + l4 + 4) + done);
	if (c->frame_at + part < c->frame_len)
		tcp[13] &= (uint8_t)~0x09;	/* FIN and PSH only in the last segment */
	if (done)
		tcp[13] &= 0x7f;		/* CWR only in the first */
	store16(tcp + 16, fold(load16(tcp + 16) + (c->sent_len - l4)));
	c->ncut++;
}

bool igc_next_frame(struct igc *c)
{
	uint32_t head = c->how.head, part;

	if (c->frame_at == c->frame_len)
		return false;
	if (!c->cut) {
		if (c->frame_len > sizeof(c->sent)) {
			igc_broken(c, "a frame of %u bytes", c->frame_len);
			return false;
		}
		memcpy(c->sent, c->frame, c->frame_len);
		c->sent_len = c->frame_at = c->frame_len;
	} else {
		if (!c->frame_at) {
			c->frame_at = head;
			c->ncut = 0;
		}
		part = c->frame_len - c->frame_at < c->cut ? c->frame_len - c->frame_at : c->cut;
		segment(c, head, part);
		c->frame_at += part;
	}
	if ((c->sum_ip && !sum_ip(c)) || (c->sum_l4 && !sum_l4(c)))
		igc_broken(c, "a checksum that does not fit: IP at %u to %u, its sum at %u, above at %u, sum at %u, %u bytes",
			   c->how.ip, c->how.ip_end, c->how.ip_sum, c->how.l4, c->how.l4_sum, c->sent_len);
	pad(c);
	c->ready = true;
	return true;
}

/* --- in --- */

/* Offsets of the IP and TCP or UDP headers. */
struct layers {
	bool v4;
	uint32_t ip, l4, len, proto;	/* @len: bytes behind the IP header */
};

static bool find_layers(const uint8_t *f, size_t size, struct layers *l)
{
	uint32_t type = load16(f + 12), total;

	l->ip = 14;
	if (type == 0x0800 && size >= 34 && f[14] >> 4 == 4) {
		l->v4 = true;
		l->l4 = 14 + (f[14] & 15u) * 4;
		total = 14 + load16(f + 16);
		l->proto = f[23];
		if (load16(f + 20) & 0x3fff)
			return false;
	} else if (type == 0x86dd && size >= 54) {
		l->v4 = false;
		l->l4 = 54;
		total = 54 + load16(f + 18);
		l->proto = f[20];
	} else {
		return false;
	}
	l->len = total - l->l4;
	return l->l4 >= 34 && total >= l->l4 && total <= size;
}

uint32_t igc_rx_sums(const struct igc *c, const uint8_t *f, size_t size)
{
	uint32_t rxcsum = igc_get(c, I_RXCSUM), bits = 0, pseudo;
	struct layers l;

	if (!find_layers(f, size, &l))
		return 0;
	if (l.v4 && (rxcsum & RXCSUM_IP))
		bits |= RX_IPCS | (fold(sum16(f + l.ip, l.l4 - l.ip, 0)) == 0xffff ? 0 : RX_IPE);
	if (!(rxcsum & RXCSUM_L4) || (l.proto != PROTO_TCP && l.proto != PROTO_UDP) || l.len < 8)
		return bits;
	if (l.proto == PROTO_UDP && !load16(f + l.l4 + 6))
		return bits;
	pseudo = l.v4 ? sum16(f + 26, 8, 0) : sum16(f + 22, 32, 0);
	bits |= RX_L4CS | (l.proto == PROTO_UDP ? RX_UDPCS : 0);
	return bits | (fold(sum16(f + l.l4, l.len, pseudo + l.proto + l.len)) == 0xffff ? 0 : RX_L4E);
}

/* Combine the key's bits that begin at each set bit of the input. */
static uint32_t toeplitz(const struct igc *c, const uint8_t *in, unsigned len, uint32_t hash, unsigned at)
{
	const uint8_t *key = (const uint8_t *)&c->r[I_RSSRK / 4];

	for (unsigned i = at * 8; i < (at + len) * 8; i++) {
		uint32_t window = 0;

		if (!(in[i / 8 - at] & (0x80u >> (i % 8))))
			continue;
		for (unsigned b = i; b < i + 32; b++)
			window = window << 1 | (key[b / 8 % 40] >> (7 - b % 8) & 1);
		hash ^= window;
	}
	return hash;
}

unsigned igc_rss(const struct igc *c, const uint8_t *f, size_t size)
{
	const uint8_t *table = (const uint8_t *)&c->r[I_RETA / 4];
	uint32_t mrqc = igc_get(c, I_MRQC), hash;
	struct layers l;

	if ((mrqc & 7) != 2 || !find_layers(f, size, &l))
		return 0;
	hash = l.v4 ? toeplitz(c, f + 26, 8, 0, 0) : toeplitz(c, f + 22, 32, 0, 0);
	if (l.proto == PROTO_TCP && l.len >= 4)
		hash = toeplitz(c, f + l.l4, 4, hash, l.v4 ? 8 : 32);
	return table[hash & 127] & (IGC_QUEUES - 1);
}
