/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: virtio/net/net.c virtio/net/tx.c virtio/net/tso.c virtio/net/rx.c virtio/net/merge.c virtio/net/ctrl.c */
/* sources: virtio/transport.c virtio/pci_config.c virtio/msix.c virtio/legacy.c virtio/modern.c virtio/queue.c */
/* sources: hv/lib/sg.c virtio/access.c tests/unit/host/twin.c */
/* virtio-net with MTUs above 1500, and with receive buffers that are merged. */
#include "net_fixture.h"

#define NO_MRG	(NO_EVENT & ~VIRTIO_NET_F_MRG_RXBUF)
#define NO_MTU	(NO_EVENT & ~VIRTIO_NET_F_MTU)
#define OLD	(NO_EVENT & ~VIRTIO_F_VERSION_1)

static uint8_t wire[NIC_FRAME_JUMBO];

static void make_mtu(uint16_t mtu, uint32_t limit, uint32_t caps)
{
	net_mtu = mtu;
	net_limit = limit;
	make(caps);
	net_mtu = 0;
	net_limit = 0;
	memset(mem, 0xee, 1 << 20);
	for (unsigned i = 0; i < sizeof(wire); i++)
		wire[i] = (uint8_t)(i * 7 + i / 256);
	wire[0] = 2;
}

static void up_mtu(uint16_t mtu, uint64_t features)
{
	make_mtu(mtu, NIC_FRAME_JUMBO, NIC_CAP_RX_CSUM);
	modern_up(rings, 3, features, 256);
}

/* Receive a frame as a chip does: in buffers of 2048 bytes. */
static void receive(uint32_t len, uint32_t flags)
{
	struct nic_rx_part part[NIC_RX_PARTS];
	unsigned n = 0;

	for (uint32_t at = 0; at < len; at += part[n++].len) {
		CHECK(n < hw.nrx && hw.rx[n].len >= NIC_RX_PART);
		part[n] = (struct nic_rx_part) { hw.rx[n].token, MIN(len - at, NIC_RX_PART) };
		memcpy((void *)(uintptr_t)hw.rx[n].addr, wire + at, part[n].len);
	}
	hw.nrx -= n;
	memmove(hw.rx, hw.rx + n, hw.nrx * sizeof(hw.rx[0]));
	if (n > 1)
		hw.nic.client->rx_long(hw.nic.client_ctx, 0, part, n, flags);
	else
		hw.nic.client->rx_done(hw.nic.client_ctx, 0, part->token, len, flags);
	hw.nic.client->flush(hw.nic.client_ctx, 0);
}

static void give(unsigned at, unsigned len) { ring_add(&rings[0], (struct piece[]) { { mem + at, len, true } }, 1); }

/* The next @n used elements are a frame of @len bytes in chains of @size bytes, 0x1000 apart from @at on. */
static void check_merged(unsigned at, unsigned size, uint32_t len, unsigned n)
{
	uint32_t left = len + 12, used, done = 0;

	CHECK_EQ(mem[at + 10] | mem[at + 11] << 8, (int)n);
	for (unsigned i = 0; i < n; i++, at += 0x1000) {
		uint32_t want = MIN(left, size), hdr = i ? 0 : 12;

		CHECK(ring_take(&rings[0], NULL, &used));
		CHECK_EQ(used, want);
		CHECK_EQ(memcmp(mem + at + hdr, wire + done, want - hdr), 0);
		if (want < 0x1000)
			CHECK_EQ(mem[at + want], 0xee);
		done += want - hdr;
		left -= want;
	}
	CHECK_EQ(done, len);
}

/* Nothing of the pool is lost: the NIC has all of it, up to its number of slots. */
static void check_pool(void)
{
	CHECK_EQ(vn->rx_posted, hw.nrx);
	CHECK_EQ(vn->rx_posted + vn->rx_pool.nfree, VNET_RX_LOOSE);
	CHECK_EQ(hw.nrx, hw.nic.rx_slots);
}

static void check_nothing(void)
{
	CHECK_EQ(rings[0].used->idx, rings[0].seen);
	for (unsigned i = 0; i < 0x40000; i++)
		CHECK_EQ(mem[i], 0xee);
}

static uint32_t offered_mtu(void) { return (uint32_t)guest_read(TWIN_BAR4 + BAR4_DEVICE + NETCFG_MTU, 2); }

TEST(what_is_offered)
{
	make_mtu(0, NIC_FRAME_JUMBO, 0);
	CHECK(!(vn->dev.offered & VIRTIO_NET_F_MRG_RXBUF));
	CHECK_EQ(offered_mtu(), 1500);
	make_mtu(1500, NIC_FRAME_JUMBO, 0);
	CHECK(vn->dev.offered & VIRTIO_NET_F_MRG_RXBUF);
	CHECK_EQ(offered_mtu(), 1500);
	make_mtu(9000, NIC_FRAME_JUMBO, 0);
	CHECK_EQ(offered_mtu(), 9000);
	CHECK(!host_log_has("MTU"));
	make_mtu(9000, 4096, 0);
	CHECK_EQ(offered_mtu(), 4078);
	CHECK(host_log_has("net0: fake0 has no frames for an MTU of 9000: 4078"));
	make_mtu(9000, NIC_FRAME_MAX, NIC_CAP_RX_COPY);
	CHECK_EQ(offered_mtu(), 1500);
	CHECK(vn->dev.offered & VIRTIO_NET_F_MRG_RXBUF);
}

TEST(what_the_accepted_features_mean)
{
	up_mtu(9000, NO_EVENT);
	CHECK_EQ(hw.nic.frame_max, NIC_FRAME_JUMBO);
	CHECK(vn->loose && vn->merge);
	modern_up(rings, 3, NO_MTU, 64);	/* a driver that has no large buffers */
	CHECK_EQ(hw.nic.frame_max, NIC_FRAME_MAX);
	CHECK(vn->loose && vn->merge);
	modern_up(rings, 3, NO_MRG, 64);
	CHECK_EQ(hw.nic.frame_max, NIC_FRAME_JUMBO);
	CHECK(vn->loose && !vn->merge);
	modern_up(rings, 3, NO_MRG & NO_MTU, 64);	/* as without the property */
	CHECK_EQ(hw.nic.frame_max, NIC_FRAME_MAX);
	CHECK(!vn->loose && !vn->merge);
	give(0, 1530);
	modern_kick(0);
	CHECK_EQ(hw.nrx, 1);
	CHECK_EQ(hw.rx[0].addr, (uintptr_t)mem + 12);
}

TEST(a_frame_in_as_many_buffers_as_it_needs)
{
	static const struct { unsigned size; uint32_t len; unsigned n; } t[] = {
		{ 1536, 60, 1 }, { 1536, 1524, 1 }, { 1536, 1525, 2 }, { 1536, 9018, 6 }, { 4096, 9018, 3 }, { 600, 1514, 3 },
		{ 12, 60, 6 }, { 300, 9018, 31 }, { 2048, 8180, 4 }, { 2048, 8181, 5 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		up_mtu(9000, NO_EVENT);
		for (unsigned k = 0; k < 40; k++)
			give(k * 0x1000, t[i].size);
		modern_kick(0);
		check_pool();
		CHECK_EQ(rings[0].used->flags, VRING_USED_NO_NOTIFY);
		receive(t[i].len, NIC_RX_CSUM_OK);
		CHECK_EQ(mem[0], VIRTIO_NET_HDR_F_DATA_VALID);
		CHECK_EQ(vn->vq[VNET_RX].cnt_interrupts, 1);
		check_merged(0, t[i].size, t[i].len, t[i].n);
		receive(64, 0);
		check_merged(t[i].n * 0x1000, t[i].size, 64, (64 + 12 + t[i].size - 1) / t[i].size);
		check_pool();
		CHECK_EQ(vn->cnt_rx_bounced, 2);
		CHECK_EQ(vn->cnt_rx_bounced_bytes, t[i].len + 64);
		host_guest_ram_drop();
	}
}

TEST(merged_buffers_with_the_standard_mtu)
{
	up_mtu(1500, NO_EVENT);
	for (unsigned k = 0; k < 40; k++)
		give(k * 0x1000, 512);
	modern_kick(0);
	receive(1514, 0);
	check_merged(0, 512, 1514, 3);
	check_pool();
}

TEST(the_header_of_the_old_interface_has_12_bytes_too)
{
	make_mtu(9000, NIC_FRAME_JUMBO, 0);
	legacy_up(rings, 3, (uint32_t)OLD & ~(uint32_t)VIRTIO_F_EVENT_IDX);
	CHECK_EQ(vn->hdr_len, 12);
	for (unsigned k = 0; k < 8; k++)
		give(k * 0x1000, 2000);
	receive(9000, 0);
	check_merged(0, 2000, 9000, 5);
	memset(mem + 0x20000, 0, 12);
	memcpy(mem + 0x20000 + 12, wire, 100);
	ring_add(&rings[1], (struct piece[]) { { mem + 0x20000, 112 } }, 1);
	guest_out(TWIN_IO + LEGACY_QUEUE_NOTIFY, 2, 1);
	CHECK_EQ(hw.sent_len[0], 100);
	CHECK_EQ(memcmp(hw.sent[0], wire, 100), 0);
}

TEST(without_merging_a_frame_needs_one_chain)
{
	struct piece p[4];
	uint32_t len;

	up_mtu(9000, NO_MRG);
	for (unsigned i = 0; i < 4; i++)
		p[i] = (struct piece) { mem + i * 0x1000, i ? 4096 : 12, true };
	ring_add(&rings[0], p, 3);		/* room for 8192 bytes */
	modern_kick(0);
	check_pool();
	receive(9000, 0);
	CHECK_EQ(vn->cnt_rx_dropped, 1);
	check_nothing();
	receive(8192, 0);
	CHECK(ring_take(&rings[0], NULL, &len));
	CHECK_EQ(len, 8204);
	CHECK_EQ(memcmp(mem + 0x1000, wire, 8192), 0);
	CHECK_EQ(mem[10] | mem[11] << 8, 1);
	ring_add(&rings[0], p, 4);
	receive(9018, 0);
	CHECK(ring_take(&rings[0], NULL, &len));
	CHECK_EQ(len, 9030);
	CHECK_EQ(memcmp(mem + 0x1000, wire, 9018), 0);
	check_pool();
}

TEST(a_frame_without_enough_buffers_is_dropped_whole)
{
	up_mtu(9000, NO_EVENT);
	receive(60, 0);				/* no buffer at all */
	for (unsigned k = 0; k < 5; k++)
		give(k * 0x1000, 1500);
	for (unsigned i = 0; i < 3; i++) {
		receive(9000, 0);
		check_nothing();
		check_pool();
	}
	CHECK_EQ(vn->cnt_rx_dropped, 4);
	give(5 * 0x1000, 1500);
	give(6 * 0x1000, 1500);
	receive(9000, 0);
	check_merged(0, 1500, 9000, 7);
}

TEST(more_chains_or_pieces_than_a_frame_may_have)
{
	struct piece p[70];

	up_mtu(9000, NO_EVENT);
	for (unsigned k = 0; k < 100; k++)
		give(k * 0x1000, 200);
	receive(9000, 0);			/* would need 46 */
	check_nothing();
	receive(200 * VNET_MERGE_CHAINS - 12, 0);
	check_merged(0, 200, 200 * VNET_MERGE_CHAINS - 12, VNET_MERGE_CHAINS);
	receive(200 * VNET_MERGE_CHAINS - 11, 0);
	CHECK_EQ(vn->cnt_rx_dropped, 2);

	up_mtu(9000, NO_EVENT);			/* chains of many descriptors of one byte */
	for (unsigned k = 0; k < 3; k++) {
		for (unsigned i = 0; i < ARRAY_SIZE(p); i++)
			p[i] = (struct piece) { mem + k * 0x1000 + i, 1, true };
		ring_add(&rings[0], p, ARRAY_SIZE(p));
	}
	receive(59, 0);				/* one byte more than a chain has */
	check_nothing();
	receive(58, 0);
	check_merged(0, 70, 58, 1);
	check_pool();
}

TEST(buffers_without_room_for_a_header_go_back_empty)
{
	uint32_t len;

	up_mtu(9000, NO_EVENT);
	give(0, 1);
	give(0x1000, 11);
	give(0x2000, 100);
	receive(60, 0);
	for (unsigned i = 0; i < 2; i++) {
		CHECK(ring_take(&rings[0], NULL, &len));
		CHECK_EQ(len, 0);
	}
	check_merged(0x2000, 100, 60, 1);
	/* Behind one that is large enough: both go back, and the frame is dropped. */
	give(0x3000, 100);
	give(0x4000, 1);
	give(0x5000, 2000);
	receive(1000, 0);
	CHECK_EQ(vn->cnt_rx_dropped, 1);
	for (unsigned i = 0; i < 2; i++) {
		CHECK(ring_take(&rings[0], NULL, &len));
		CHECK_EQ(len, 0);
	}
	CHECK_EQ(mem[0x3000], 0xee);
	receive(1000, 0);
	check_merged(0x5000, 2000, 1000, 1);
	check_pool();
}

TEST(a_readable_chain_among_the_buffers)
{
	uint32_t len;

	up_mtu(9000, NO_EVENT);
	give(0, 100);
	ring_add(&rings[0], (struct piece[]) { { mem + 0x1000, 2000 } }, 1);
	receive(1000, 0);
	for (unsigned i = 0; i < 2; i++) {
		CHECK(ring_take(&rings[0], NULL, &len));
		CHECK_EQ(len, 0);
	}
	CHECK_EQ(mem[0], 0xee);
	CHECK_EQ(mem[0x1000], 0xee);
	CHECK(!(modern_status() & VIRTIO_STATUS_NEEDS_RESET));
}

TEST(a_chain_that_breaks_a_rule_amid_a_frame)
{
	up_mtu(9000, NO_EVENT);
	give(0, 1000);
	ring_add(&rings[0], (struct piece[]) { { mem + 0x1000, 1000, true } }, 1);
	rings[0].desc[rings[0].avail->ring[1]].addr = 0x1000;	/* no guest RAM */
	receive(1500, 0);
	CHECK(modern_status() & VIRTIO_STATUS_NEEDS_RESET);
	CHECK_EQ(mem[0], 0xee);
	/* The good chain was given back to a queue that is dead: no further frame may come to it. */
	uint64_t dropped = vn->cnt_rx_dropped;

	receive(900, 0);
	CHECK(mem[0] == 0xee && vn->cnt_rx_dropped == dropped + 1 && !vn->vq[VNET_RX].st.busy[0]);
	modern_up(rings, 3, NO_EVENT, 64);
	CHECK_EQ(modern_status(), 15);
	give(0, 1600);
	receive(1500, 0);
	check_merged(0, 1600, 1500, 1);
}

/* One buffer of the pool holds more than this MTU allows, and not every chip drops such frames. */
TEST(a_frame_over_the_mtu_in_one_buffer)
{
	up_mtu(1600, NO_EVENT);
	give(0, 4000);
	receive(2040, 0);
	CHECK(mem[0] == 0xee && vn->cnt_rx_dropped == 1);
	receive(1618, 0);
	check_merged(0, 4000, 1618, 1);
}

TEST(a_nic_that_copies_merges_too)
{
	make_mtu(9000, NIC_FRAME_MAX, NIC_CAP_RX_COPY);
	modern_up(rings, 3, NO_EVENT, 64);
	CHECK(vn->merge && !vn->loose);
	CHECK(!hw.nic.client->rx_frame(hw.nic.client_ctx, 0, wire, 1000, 0));
	for (unsigned k = 0; k < 3; k++)
		give(k * 0x1000, 512);
	CHECK(hw.nic.client->rx_frame(hw.nic.client_ctx, 0, wire, 1514, 0) == (512 * 3 >= 1514 + 12));
	hw.nic.client->flush(hw.nic.client_ctx, 0);
	check_merged(0, 512, 1514, 3);
	CHECK_EQ(vn->cnt_rx_dropped, 1);
}

static void send(uint32_t len)
{
	memset(mem + 0x8000, 0, 12);
	memcpy(mem + 0x8000 + 12, wire, len);
	uint32_t half = 12 + len / 2;

	ring_add(&rings[1], (struct piece[]) { { mem + 0x8000, half }, { mem + 0x8000 + half, len + 12 - half } }, 2);
	modern_kick(1);
}

TEST(long_frames_are_sent_in_place_or_copied)
{
	up_mtu(9000, NO_EVENT);
	send(9018);
	CHECK_EQ(vn->cnt_tx_zero_copy, 1);
	hw.one_piece = true;
	send(9018);
	CHECK_EQ(vn->cnt_tx_bounced_bytes, 9018);
	for (unsigned i = 0; i < 2; i++) {
		CHECK_EQ(hw.sent_len[i], 9018);
		CHECK_EQ(memcmp(hw.sent[i], wire, 9018), 0);
	}
	CHECK_EQ(vn->cnt_tx_dropped, 0);
	tx_complete(2);
	CHECK_EQ(vn->tx_pool.nfree, VNET_TX_BOUNCE);

	up_mtu(9000, NO_MTU);			/* such a driver has no right to more */
	send(1519);
	CHECK_EQ(vn->cnt_tx_dropped, 1);
	send(1518);
	CHECK_EQ(hw.nsent, 1);
}

TEST(all_buffers_to_send_from_are_their_own)
{
	up_mtu(9000, NO_EVENT);
	hw.one_piece = true;
	for (unsigned i = 0; i < VNET_TX_BOUNCE; i++) {
		memset(wire, (int)i, 9000);
		send(9000);
		CHECK(hw.last.frag[0].addr >= (uintptr_t)vn->tx_pool.mem || hw.frag[0].addr >= (uintptr_t)vn->tx_pool.mem);
	}
	CHECK_EQ(hw.ntx, VNET_TX_BOUNCE);
	for (unsigned i = 0; i < VNET_TX_BOUNCE; i++)
		for (unsigned k = 0; k < 9000; k += 500)
			CHECK_EQ(vnet_pool_buf(&vn->tx_pool, i)[k], vnet_pool_buf(&vn->tx_pool, i)[0]);
	tx_complete(VNET_TX_BOUNCE);
	CHECK_EQ(vn->tx_pool.nfree, VNET_TX_BOUNCE);
}

TEST(a_reset_while_the_nic_has_the_pool)
{
	up_mtu(9000, NO_EVENT);
	give(0, 2000);
	for (unsigned i = 0; i < 3; i++) {
		modern_up(rings, 3, NO_EVENT, 64);
		check_pool();
		for (unsigned k = 0; k < 5; k++)
			give(k * 0x1000, 2000);
		receive(9000, 0);
		check_merged(0, 2000, 9000, 5);
		memset(mem, 0xee, 0x10000);
	}
}

TEST(nothing_stays_allocated_when_making_fails)
{
	struct virtio_place place = twin_place();
	struct virtio_net_conf conf = { .nic = &hw.nic, .mtu = 9000 };

	make_mtu(0, NIC_FRAME_JUMBO, 0);
	size_t before = host_heap_used();

	for (unsigned n = 1;; n++) {
		twin_reset();
		host_heap_fail_at(n);
		if (virtio_net_new("net1", &conf, &place))
			break;
		CHECK_EQ(host_heap_used(), before);
	}
}

TEST_MAIN
