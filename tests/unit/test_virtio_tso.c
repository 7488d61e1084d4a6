/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: virtio/net/net.c virtio/net/tx.c virtio/net/tso.c virtio/net/rx.c virtio/net/ctrl.c virtio/transport.c */
/* sources: virtio/pci_config.c virtio/msix.c virtio/legacy.c virtio/modern.c virtio/queue.c hv/lib/sg.c */
/* sources: virtio/access.c tests/unit/host/twin.c virtio/net/merge.c */
/* TCP segmentation in virtio-net: what the NIC cannot segment, and the checks of a guest's frames. */
#include "inet.h"
#include "net_fixture.h"

#define PAYLOAD_MAX	65000u
#define CAPS		(NIC_CAP_TX_CSUM | NIC_CAP_TX_TSO | NIC_CAP_TX_TSO6)
#define FIN		0x01u
#define PSH		0x08u
#define ACK		0x10u
#define ECE		0x40u
#define CWR		0x80u

/* The frame that the guest sends. */
struct shape {
	bool v6, vlan, legacy;
	unsigned ip_options, tcp_options;	/* bytes; IPv6: an extension header, followed by TCP */
	unsigned payload, mss, flags;
	unsigned pieces;	/* of the chain; 0: one */
};

/* Start with a NIC that refuses segmentation. */
static void up_cut(void)
{
	up(CAPS);
	hw.no_tso = true;
}

static unsigned ip_at, tcp_at, hdr_len;

static unsigned long at32(const uint8_t *p) { return (unsigned long)at16(p) << 16 | at16(p + 2); }
static uint8_t pattern(unsigned i) { return (uint8_t)(i * 31 + i / 251); }

static void make_headers(uint8_t *f, const struct shape *s)
{
	ip_at = s->vlan ? 18 : 14;
	tcp_at = ip_at + (s->v6 ? 40 : 20) + s->ip_options;
	hdr_len = tcp_at + 20 + s->tcp_options;
	unsigned tcp_len = hdr_len - tcp_at + s->payload;
	uint8_t *ip = f + ip_at, *tcp = f + tcp_at;

	memset(f, 0, hdr_len);
	for (unsigned i = 0; i < 12; i++)
		f[i] = (uint8_t)(0x40 + i);
	if (s->vlan)
		memcpy(f + 12, (uint8_t[]) { 0x81, 0x00, 0x20, 0x05 }, 4);
	set16(ip - 2, s->v6 ? 0x86dd : 0x0800);
	for (unsigned i = 0; i < 40; i++)
		ip[i] = (uint8_t)(0x90 + 3 * i);
	if (s->v6) {
		ip[0] = 0x60;
		set16(ip + 4, s->ip_options + tcp_len);
		ip[6] = s->ip_options ? 60 : 6;
		if (s->ip_options)
			memcpy(ip + 40, (uint8_t[]) { 6, (uint8_t)(s->ip_options / 8 - 1), 1, 4 }, 4);
	} else {
		ip[0] = (uint8_t)(0x45 + s->ip_options / 4);
		set16(ip + 2, 20 + s->ip_options + tcp_len);
		set16(ip + 4, 0xfffe);		/* the identification wraps */
		ip[9] = 6;
		memset(ip + 20, 1, s->ip_options);
	}
	for (unsigned i = 0; i < 20; i++)
		tcp[i] = (uint8_t)(0x11 * i);
	memcpy(tcp + 4, (uint8_t[]) { 0xff, 0xff, 0xf0, 0x00 }, 4);	/* so does the sequence number */
	tcp[12] = (uint8_t)((20 + s->tcp_options) / 4 << 4);
	tcp[13] = (uint8_t)s->flags;
	memset(tcp + 20, 1, s->tcp_options);
	set16(tcp + 16, pseudo(ip, s->v6, tcp_len));
}

/* Put the virtio header at mem, the frame behind it, and the chain into the queue. */
static void give(const struct shape *s)
{
	unsigned at = s->legacy ? 10 : 12, all, n = s->pieces ? s->pieces : 1;
	struct piece p[64];

	memset(mem, 0, 12);
	mem[0] = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	mem[1] = s->v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
	if (s->flags & CWR)
		mem[1] |= VIRTIO_NET_HDR_GSO_ECN;
	make_headers(mem + at, s);
	mem[2] = 7;		/* hdr_len is a hint, and wrong here */
	mem[4] = (uint8_t)s->mss;
	mem[5] = (uint8_t)(s->mss >> 8);
	mem[6] = (uint8_t)tcp_at;
	mem[8] = 16;
	for (unsigned i = 0; i < s->payload; i++)
		mem[at + hdr_len + i] = pattern(i);
	all = at + hdr_len + s->payload;
	for (unsigned i = 0; i < n; i++)
		p[i] = (struct piece) { mem + all / n * i, i + 1 < n ? all / n : all - all / n * i };
	ring_add(&rings[1], p, n);
}

/* Check segment @i as it is on the wire, with the checksum that the NIC inserts. */
static void check_segment(const struct shape *s, unsigned i)
{
	uint8_t *f = hw.sent[i], *ip = f + ip_at, *tcp = f + tcp_at, sent[192];
	unsigned off = i * s->mss, n = MIN(s->mss, s->payload - off), tcp_len = hdr_len - tcp_at + n;
	bool last = off + n == s->payload;
	unsigned flags = s->flags;

	CHECK_EQ(hw.sent_len[i], hdr_len + n);
	make_headers(sent, s);
	CHECK_EQ(memcmp(f, sent, ip_at), 0);
	if (s->v6) {
		CHECK_EQ(at16(ip + 4), s->ip_options + tcp_len);
		CHECK_EQ(memcmp(ip + 6, sent + ip_at + 6, tcp_at - ip_at - 6), 0);
	} else {
		CHECK_EQ(at16(ip + 2), tcp_at - ip_at + tcp_len);
		CHECK_EQ(at16(ip + 4), (0xfffe + i) & 0xffff);
		CHECK_EQ(sum16(ip, tcp_at - ip_at, 0), 0xffff);
		CHECK_EQ(memcmp(ip + 12, sent + ip_at + 12, tcp_at - ip_at - 12), 0);
	}
	CHECK_EQ(at32(tcp + 4), (0xfffff000ul + off) & 0xffffffff);
	if (i)
		flags &= ~CWR;
	if (!last)
		flags &= ~(FIN | PSH);
	CHECK_EQ(tcp[13], flags);
	CHECK_EQ(memcmp(tcp + 20, sent + tcp_at + 20, s->tcp_options), 0);
	set16(tcp + 16, ~sum16(tcp, tcp_len, 0) & 0xffff);
	CHECK_EQ(sum16(tcp, tcp_len, pseudo(ip, s->v6, tcp_len)), 0xffff);
	for (unsigned k = 0; k < n; k++)
		CHECK_EQ(f[hdr_len + k], pattern(off + k));
}

static void check_all(const struct shape *s)
{
	unsigned n = (s->payload + s->mss - 1) / s->mss;

	CHECK_EQ(hw.nsent, n);
	for (unsigned i = 0; i < n; i++)
		check_segment(s, i);
	CHECK_EQ(vn->cnt_tx_segments, n);
	CHECK_EQ(vn->cnt_tx_dropped, 0);
	CHECK_EQ(vn->cnt_tx_zero_copy + vn->cnt_tx_bounced, n);
}

static void done(void)
{
	while (hw.ntx)
		tx_complete(1);
	CHECK_EQ(rings[1].used->idx, 1);
	CHECK_EQ(vn->tx_inflight, 0);
	CHECK_EQ(vn->tx_pool.nfree, VNET_TX_BOUNCE);
	CHECK(!vn->tso.active);
	CHECK_EQ(modern_status(), 15);
}

TEST(frames_of_all_shapes_are_cut)
{
	static const struct shape shapes[] = {
		{ .payload = 4000, .mss = 1460, .flags = ACK | PSH },
		{ .payload = 2920, .mss = 1460, .flags = ACK | PSH | FIN },	/* only full segments */
		{ .payload = 2921, .mss = 1460, .flags = ACK },
		{ .payload = 100, .mss = 1460, .flags = ACK | FIN },		/* nothing to cut */
		{ .payload = 1, .mss = 1, .flags = ACK },
		{ .payload = 60, .mss = 1, .flags = ACK },
		{ .payload = 62000, .mss = 1448, .tcp_options = 12, .flags = ACK | PSH, .pieces = 17 },
		{ .payload = 20000, .mss = 1001, .tcp_options = 40, .ip_options = 40, .flags = ACK | PSH, .pieces = 64 },
		{ .payload = 9000, .mss = 1448, .tcp_options = 12, .flags = ACK | PSH | CWR | ECE, .pieces = 3 },
		{ .v6 = true, .payload = 4000, .mss = 1440, .flags = ACK | PSH },
		{ .v6 = true, .payload = 60000, .mss = 1428, .tcp_options = 12, .flags = ACK | PSH | FIN, .pieces = 17 },
		{ .v6 = true, .payload = 5000, .mss = 1300, .ip_options = 24, .flags = ACK | PSH | CWR },
		{ .vlan = true, .payload = 4001, .mss = 1460, .flags = ACK | PSH, .pieces = 5 },
		{ .vlan = true, .v6 = true, .payload = 4001, .mss = 1439, .flags = ACK | PSH, .pieces = 7 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(shapes); i++) {
		up_cut();
		give(&shapes[i]);
		modern_kick(1);
		CHECK_EQ(hw.last.flags, NIC_TX_CSUM);
		CHECK_EQ(hw.last.csum_start, tcp_at);
		CHECK_EQ(hw.last.csum_offset, 16);
		CHECK_EQ(rings[1].used->idx, 0);
		check_all(&shapes[i]);
		CHECK_EQ(vn->cnt_tx_bounced, 0);
		CHECK_EQ(hw.tx_kicks, 1);
		done();
		host_guest_ram_drop();
	}
}

TEST(a_legacy_driver_has_them_cut_too)
{
	static const struct shape s = { .legacy = true, .payload = 4000, .mss = 1460, .flags = ACK | PSH };

	make(CAPS);
	hw.no_tso = true;
	legacy_up(rings, 3, ~(uint32_t)VIRTIO_F_EVENT_IDX);
	give(&s);
	guest_out(TWIN_IO + LEGACY_QUEUE_NOTIFY, 2, 1);
	check_all(&s);
	while (hw.ntx)
		tx_complete(1);
	CHECK_EQ(rings[1].used->idx, 1);
}

/* The payload is sent from the guest's pages: a change after the kick is sent. */
TEST(the_payload_is_not_copied)
{
	static const struct shape s = { .payload = 2000, .mss = 1460, .flags = ACK };

	up_cut();
	give(&s);
	modern_kick(1);
	CHECK_EQ(hw.last.nfrag, 2);
	CHECK_EQ(hw.frag[1].addr, (uintptr_t)mem + 12 + hdr_len + 1460);
	CHECK_EQ(vn->cnt_tx_zero_copy, 2);
}

TEST(a_nic_with_little_room_gets_them_in_order)
{
	static const struct shape s = { .payload = 50000, .mss = 1000, .flags = ACK | PSH, .pieces = 9 };

	for (unsigned room = 1; room < 8; room++) {
		up_cut();
		hw.room = room;
		give(&s);
		memcpy(mem + 80000, mem, 12 + 60);		/* followed by a plain frame */
		memset(mem + 80000, 0, 12);
		ring_add(&rings[1], (struct piece[]) { { mem + 80000, 72 } }, 1);
		modern_kick(1);
		CHECK_EQ(hw.ntx, room);
		for (unsigned i = 0; i < 50; i++) {
			CHECK_EQ(rings[1].used->idx, 0);
			tx_complete(1);
		}
		CHECK_EQ(rings[1].used->idx, 1);
		CHECK_EQ(hw.nsent, 51);
		for (unsigned i = 0; i < 50; i++)
			check_segment(&s, i);
		CHECK_EQ(hw.sent_len[50], 60);
		tx_complete(1);
		CHECK_EQ(rings[1].used->idx, 2);
		CHECK_EQ(vn->tx_pool.nfree, VNET_TX_BOUNCE);
		host_guest_ram_drop();
	}
}

TEST(an_idle_nic_without_room_goes_on_at_the_next_kick)
{
	static const struct shape s = { .payload = 5000, .mss = 1000, .flags = ACK | PSH };

	up_cut();
	hw.room = 0;
	give(&s);
	modern_kick(1);
	CHECK_EQ(hw.nsent, 0);
	CHECK_EQ(rings[1].used->flags, 0);
	hw.room = SLOTS;
	modern_kick(1);
	check_all(&s);
	done();
}

TEST(more_segments_than_header_buffers)
{
	static const struct shape s = { .payload = 90, .mss = 1, .flags = ACK };

	up_cut();
	give(&s);
	modern_kick(1);
	CHECK_EQ(hw.ntx, VNET_TX_BOUNCE);
	CHECK_EQ(hw.tx_waits, 1);	/* the NIC has room, but must watch its transmitter */
	tx_complete(VNET_TX_BOUNCE);
	CHECK_EQ(hw.tx_waits, 1);
	check_all(&s);
	done();
	/* If the NIC completes at once all segments go in one run. */
	up_cut();
	hw.sync = true;
	give(&s);
	modern_kick(1);
	check_all(&s);
	done();
}

TEST(what_the_nic_cannot_take_from_there_is_copied)
{
	static const struct shape s = { .payload = 6000, .mss = 1460, .flags = ACK, .pieces = 5 };
	static const struct shape dust = { .payload = 300, .mss = 290, .flags = ACK, .pieces = 60 };

	up_cut();
	hw.one_piece = true;
	give(&s);
	modern_kick(1);
	check_all(&s);
	CHECK_EQ(vn->cnt_tx_bounced, 5);
	CHECK_EQ(vn->cnt_tx_bounced_bytes, 6000 + 5 * hdr_len);
	done();
	/* More pieces than a frame may have. */
	up_cut();
	give(&dust);
	modern_kick(1);
	check_all(&dust);
	CHECK_EQ(vn->cnt_tx_bounced, 1);
	CHECK_EQ(vn->cnt_tx_zero_copy, 1);
	done();
}

TEST(payload_out_of_reach_is_copied)
{
	static const struct shape s = { .payload = 6000, .mss = 1460, .flags = ACK };

	up_cut();

	uint8_t *a = guest_alloc(1 << 20), *b = guest_alloc(1 << 20);

	vn->tx_pool.mem = MIN(a, b);
	mem = MAX(a, b);
	hw.nic.dma_mask = (uintptr_t)mem - 1;
	give(&s);
	modern_kick(1);
	check_all(&s);
	CHECK_EQ(vn->cnt_tx_zero_copy, 0);
	done();
}

TEST(a_reset_in_the_middle)
{
	static const struct shape s = { .payload = 50000, .mss = 1000, .flags = ACK };

	up_cut();
	hw.room = 3;
	give(&s);
	modern_kick(1);
	CHECK(vn->tso.active);
	guest_write(TWIN_BAR4 + COMMON_STATUS, 1, 0);
	CHECK(!vn->tso.active);
	CHECK_EQ(hw.running, false);
	hw.nsent = 0;
	hw.room = SLOTS;
	modern_up(rings, 3, NO_EVENT, 64);
	vn->cnt_tx_segments = vn->cnt_tx_zero_copy = 0;
	give(&s);
	modern_kick(1);
	check_all(&s);
	done();
}

TEST(a_device_that_breaks_in_the_middle_sends_no_more)
{
	static const struct shape s = { .payload = 50000, .mss = 1000, .flags = ACK };

	up_cut();
	hw.room = 3;
	give(&s);
	modern_kick(1);
	CHECK_EQ(hw.nsent, 3);
	rings[0].avail->idx = 0x4000;
	modern_kick(0);
	CHECK_EQ(modern_status(), 15 | VIRTIO_STATUS_NEEDS_RESET);
	while (hw.ntx)
		tx_complete(1);
	CHECK_EQ(hw.nsent, 3);
	CHECK_EQ(vn->tx_inflight, 0);
	CHECK_EQ(rings[1].used->idx, 0);
	guest_write(TWIN_BAR4 + COMMON_STATUS, 1, 0);
	modern_up(rings, 3, NO_EVENT, 64);
	hw.nsent = 0;
	hw.room = SLOTS;
	vn->cnt_tx_segments = vn->cnt_tx_zero_copy = 0;
	give(&s);
	modern_kick(1);
	check_all(&s);
	done();
}

TEST(a_nic_that_refuses_a_later_part_stops_the_device_alone)
{
	static const struct shape s = { .payload = 5000, .mss = 1000, .flags = ACK };

	up_cut();
	hw.room = 2;
	give(&s);
	modern_kick(1);
	hw.align = 1u << 30;
	tx_complete(1);
	CHECK_EQ(modern_status(), 15 | VIRTIO_STATUS_NEEDS_RESET);
	CHECK_EQ(rings[1].used->idx, 0);
	CHECK(!vn->tso.active);
	/* If the NIC refuses the first segment the frame is dropped. */
	up_cut();
	hw.align = 1u << 30;
	give(&s);
	modern_kick(1);
	CHECK_EQ(modern_status(), 15);
	CHECK_EQ(rings[1].used->idx, 1);
	CHECK_EQ(vn->cnt_tx_dropped, 1);
	CHECK_EQ(vn->tx_pool.nfree, VNET_TX_BOUNCE);
}

/* One byte of a good frame is wrong: the frame is dropped, the next frame is sent. */
TEST(bad_ones_are_dropped_and_returned)
{
	static const struct { bool v6; unsigned at; uint8_t v; } bad[] = {
		{ false, 0, 0 },			/* no checksum requested */
		{ false, 1, 3 },			/* UDP, not offered */
		{ false, 1, 4 },			/* type: IPv6 */
		{ true, 1, 1 },
		{ false, 1, 0x80 },			/* ECN alone */
		{ false, 4, 0 },			/* segments of 0 bytes */
		{ false, 5, 0x7f },			/* segments longer than a frame */
		{ false, 6, 33 }, { false, 6, 35 },	/* TCP does not begin at the end of IP */
		{ false, 6, 0xff }, { false, 7, 0xff },
		{ true, 6, 53 }, { true, 6, 10 },
		{ false, 8, 6 },			/* the checksum's place is UDP's */
		{ false, 12 + 13, 6 }, { true, 12 + 13, 0 },	/* ARP, unknown */
		{ false, 12 + 14, 0x65 }, { true, 12 + 14, 0x45 },
		{ false, 12 + 14, 0x44 }, { false, 12 + 14, 0x46 },	/* IHL */
		{ false, 12 + 23, 17 },			/* UDP */
		{ false, 12 + 34 + 12, 0x40 },		/* TCP's header length: too short, too long */
		{ true, 12 + 54 + 12, 0x4f },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		struct shape s = { .v6 = bad[i].v6, .payload = 2000, .mss = 255, .flags = ACK };

		up_cut();
		give(&s);
		mem[bad[i].at] = bad[i].v;
		memset(mem + 8192, 0, 112);
		ring_add(&rings[1], (struct piece[]) { { mem + 8192, 112 } }, 1);
		modern_kick(1);
		CHECK_EQ(hw.nsent, 1);
		CHECK_EQ(hw.last.len, 100);
		CHECK_EQ(vn->cnt_tx_dropped, 1);
		CHECK_EQ(rings[1].used->idx, 1);
		tx_complete(1);
		CHECK_EQ(modern_status(), 15);
		host_guest_ram_drop();
	}
}

/* Check that a frame with such headers is dropped. */
static void drops(const struct shape *s, unsigned len)
{
	give(s);
	if (len)
		rings[1].desc[0].len = 12 + len;
	modern_kick(1);
	CHECK_EQ(hw.ntx, 0);
	CHECK_EQ(vn->cnt_tx_dropped, 1);
	CHECK_EQ(rings[1].used->idx, 1);
	host_guest_ram_drop();
}

TEST(headers_at_the_limits)
{
	struct shape s = { .v6 = true, .ip_options = 78, .tcp_options = 40, .payload = 3000, .mss = 1326, .flags = ACK };

	/* Headers as long as the copy of them. */
	for (unsigned whole = 0; whole < 2; whole++) {
		up(CAPS);
		hw.no_tso = !whole;
		give(&s);
		CHECK_EQ(hdr_len, VNET_TSO_HDR);
		modern_kick(1);
		if (whole)
			CHECK_EQ(hw.last.hdr_len, VNET_TSO_HDR);
		else
			check_all(&s);
		done();
	}
	/* A segment one byte longer than a frame, then the next longer headers. */
	up(CAPS);
	s.mss++;
	drops(&s, 0);
	up_cut();
	s.mss = 1000;
	s.ip_options += 2;
	drops(&s, 0);
	/* TCP's options end beyond the frame, or with it. */
	for (unsigned len = 60; len <= 94; len++) {
		s = (struct shape) { .tcp_options = 40, .payload = 0, .mss = 1000, .flags = ACK };
		up_cut();
		drops(&s, len);
	}
	/* TCP's header is beyond the copied headers, but inside of the frame. */
	up_cut();
	s = (struct shape) { .payload = 65000, .mss = 1000, .flags = ACK };
	give(&s);
	mem[6] = 0x00;
	mem[7] = 0xf0;
	modern_kick(1);
	CHECK_EQ(hw.ntx, 0);
	CHECK_EQ(vn->cnt_tx_dropped, 1);
	/* A VLAN tag makes the IP header too short. */
	up_cut();
	s = (struct shape) { .vlan = true, .payload = 2000, .mss = 1000, .flags = ACK };
	give(&s);
	mem[6] = 34;
	mem[12 + 18] = 0x44;
	mem[12 + 34 + 12] = 0x50;
	modern_kick(1);
	CHECK_EQ(hw.ntx, 0);
	CHECK_EQ(vn->cnt_tx_dropped, 1);
}

TEST(lengths_at_the_limits)
{
	struct shape s = { .payload = 65535 + 18 - 54, .mss = 1464, .flags = ACK, .pieces = 40 };

	up_cut();
	give(&s);
	modern_kick(1);
	check_all(&s);
	CHECK_EQ(hw.sent_len[0], NIC_FRAME_MAX);
	done();
	s.payload++;
	up_cut();
	give(&s);
	modern_kick(1);
	CHECK_EQ(vn->cnt_tx_dropped, 1);
	/* Headers without payload, and headers that are cut off. */
	for (unsigned cut = 0; cut <= 54; cut += 6) {
		s = (struct shape) { .payload = 0, .mss = 1000, .flags = ACK };
		up_cut();
		give(&s);
		rings[1].desc[0].len = 12 + 54 - cut;
		modern_kick(1);
		CHECK_EQ(vn->cnt_tx_dropped, 1);
		CHECK_EQ(hw.nsent, 0);
		host_guest_ram_drop();
	}
}

TEST(only_what_was_negotiated)
{
	static const struct { uint64_t without; struct shape s; } t[] = {
		{ VIRTIO_NET_F_HOST_TSO4, { .payload = 2000, .mss = 1000, .flags = ACK } },
		{ VIRTIO_NET_F_HOST_TSO6, { .v6 = true, .payload = 2000, .mss = 1000, .flags = ACK } },
		{ VIRTIO_NET_F_HOST_ECN, { .payload = 2000, .mss = 1000, .flags = ACK | CWR } },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		make(CAPS);
		modern_up(rings, 3, NO_EVENT & ~t[i].without, 64);
		give(&t[i].s);
		modern_kick(1);
		CHECK_EQ(hw.nsent, 0);
		CHECK_EQ(vn->cnt_tx_dropped, 1);
	}
	/* Neither features that the NIC lacks. */
	make(NIC_CAP_TX_CSUM);
	CHECK_EQ(guest_in(TWIN_IO, 4) & (7u << 11), 0);
	make(NIC_CAP_TX_CSUM | NIC_CAP_TX_TSO);
	CHECK_EQ(guest_in(TWIN_IO, 4) & (7u << 11), 5u << 11);
}

TEST(a_nic_that_cuts_gets_it_whole)
{
	static const struct shape shapes[] = {
		{ .payload = 4000, .mss = 1460, .flags = ACK | PSH },
		{ .payload = 62000, .mss = 1448, .tcp_options = 12, .flags = ACK | PSH | FIN, .pieces = 17 },
		{ .payload = 9000, .mss = 1448, .ip_options = 8, .flags = ACK | ECE, .pieces = 3, .vlan = true },
		{ .payload = 1449, .mss = 1448, .flags = ACK },
		{ .payload = 30000, .mss = 1448, .flags = ACK, .pieces = NIC_MAX_FRAGS - 1 },
		{ .v6 = true, .payload = 60000, .mss = 1428, .tcp_options = 12, .flags = ACK | PSH, .pieces = 17 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(shapes); i++) {
		const struct shape *s = &shapes[i];
		uint8_t *ip = hw.big, *tcp, want[192];

		up(CAPS);
		give(s);
		modern_kick(1);
		make_headers(want, s);
		ip = hw.big + ip_at;
		tcp = hw.big + tcp_at;
		CHECK_EQ(hw.ntx, 1);
		CHECK_EQ(hw.nsent, 0);
		CHECK_EQ(hw.last.flags, NIC_TX_CSUM | NIC_TX_TSO | (s->v6 ? NIC_TX_IPV6 : 0));
		CHECK_EQ(hw.last.len, hdr_len + s->payload);
		CHECK_EQ(hw.last.mss, s->mss);
		CHECK_EQ(hw.last.hdr_len, hdr_len);
		CHECK_EQ(hw.last.ip_start, ip_at);
		CHECK_EQ(hw.last.csum_start, tcp_at);
		CHECK_EQ(hw.frag[0].len, hdr_len + NIC_TSO_PULL);
		/* Fill in the fields that the hardware changes; the others are the guest's. */
		if (s->v6) {
			CHECK_EQ(at16(ip + 4), 0);
			set16(want + ip_at + 4, 0);
		} else {
			CHECK_EQ(at16(ip + 2) + at16(ip + 10), 0);
			memcpy(want + ip_at + 2, ip + 2, 2);
			memcpy(want + ip_at + 10, ip + 10, 2);
		}
		CHECK_EQ(at16(tcp + 16) % 0xffff, pseudo(ip, s->v6, 0) % 0xffff);
		memcpy(want + tcp_at + 16, tcp + 16, 2);
		CHECK_EQ(memcmp(hw.big, want, hdr_len), 0);
		for (unsigned k = 0; k < s->payload; k++)
			CHECK_EQ(hw.big[hdr_len + k], pattern(k));
		CHECK_EQ(vn->cnt_tx_tso, 1);
		CHECK_EQ(vn->cnt_tx_segments, 0);
		CHECK_EQ(rings[1].used->idx, 0);
		done();
		host_guest_ram_drop();
	}
}

TEST(a_nic_that_cuts_and_is_busy_gets_it_later)
{
	static const struct shape s = { .payload = 4000, .mss = 1460, .flags = ACK | PSH };

	up(CAPS);
	hw.room = 0;
	give(&s);
	modern_kick(1);
	CHECK(vn->tso.active);
	hw.room = 1;
	modern_kick(1);
	CHECK_EQ(hw.last.len, hdr_len + 4000);
	CHECK_EQ(vn->cnt_tx_tso, 1);
	done();
}

/* The link became slower while the frame waited. */
TEST(a_nic_that_cuts_no_more_by_the_time_it_has_room)
{
	static const struct shape s = { .payload = 4000, .mss = 1460, .flags = ACK | PSH };

	up(CAPS);
	hw.room = 0;
	give(&s);
	modern_kick(1);
	CHECK(vn->tso.active && !vn->tso.cut);
	hw.room = SLOTS;
	hw.no_tso = true;
	modern_kick(1);
	check_all(&s);
	CHECK_EQ(vn->cnt_tx_tso, 0);
	done();
}

/* More pieces than the NIC takes; a single segment; CWR, which the NIC would set in all segments; headers only. */
TEST(what_a_nic_that_cuts_would_do_wrong_is_cut_here)
{
	static const struct shape shapes[] = {
		{ .payload = 9000, .mss = 1448, .flags = ACK, .pieces = NIC_MAX_FRAGS },
		{ .payload = 1448, .mss = 1448, .flags = ACK },
		{ .payload = 9000, .mss = 1448, .flags = ACK | CWR },
		{ .v6 = true, .payload = 9000, .mss = 1428, .flags = ACK | CWR | ECE, .pieces = 5 },
		{ .payload = 4, .mss = 1448, .flags = ACK },
		{ .payload = NIC_TSO_PULL, .mss = 3, .flags = ACK },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(shapes); i++) {
		up(CAPS);
		give(&shapes[i]);
		modern_kick(1);
		check_all(&shapes[i]);
		CHECK_EQ(vn->cnt_tx_tso, 0);
		done();
		host_guest_ram_drop();
	}
}

TEST_MAIN
