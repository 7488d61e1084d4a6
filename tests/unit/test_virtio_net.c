/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: virtio/net/net.c virtio/net/tx.c virtio/net/tso.c virtio/net/rx.c virtio/net/ctrl.c virtio/transport.c */
/* sources: virtio/pci_config.c virtio/msix.c virtio/legacy.c virtio/modern.c virtio/queue.c hv/lib/sg.c */
/* sources: virtio/access.c tests/unit/host/twin.c virtio/net/merge.c */
/* virtio-net over a fake NIC: frames both ways, copies, kicks, filters.  Segmentation: test_virtio_tso.c. */
#include <veneer/owner.h>
#include "net_fixture.h"

/* Receive a frame into the oldest buffer. */
static void receive(const void *what, uint32_t len, uint32_t flags)
{
	void *token = hw.rx[0].token;

	CHECK(hw.nrx > 0);
	memcpy((void *)(uintptr_t)hw.rx[0].addr, what, len);
	hw.nrx--;
	memmove(hw.rx, hw.rx + 1, hw.nrx * sizeof(hw.rx[0]));
	hw.nic.client->rx_done(hw.nic.client_ctx, 0, token, len, flags);
}

static void nic_flush(void) { hw.nic.client->flush(hw.nic.client_ctx, 0); }

static void up_legacy(uint32_t caps) { make(caps); legacy_up(rings, 3, ~(uint32_t)VIRTIO_F_EVENT_IDX); }

/* Send a frame of @len bytes, in one descriptor with its header. */
static unsigned send(unsigned at, unsigned len)
{
	memset(mem + at, 0, 12);
	memcpy(mem + at + 12, frame, len);
	return ring_add(&rings[1], (struct piece[]) { { mem + at, 12 + len } }, 1);
}

TEST(configuration)
{
	make(NIC_CAP_TX_CSUM | NIC_CAP_TX_TSO | NIC_CAP_TX_TSO6);
	CHECK_EQ(guest_in(TWIN_IO + 20, 1), 2);
	CHECK_EQ(guest_in(TWIN_IO + 25, 1), 9);
	CHECK_EQ(guest_in(TWIN_IO + 26, 2), 1);
	hw.link = false;
	CHECK_EQ(guest_read(TWIN_BAR4 + BAR4_DEVICE + 6, 2), 0);
	CHECK_EQ(guest_read(TWIN_BAR4 + BAR4_DEVICE + NETCFG_MTU, 2), 1500);
	CHECK_EQ(cfg_read(0, 4), 0x10001af4);
	CHECK_EQ(cfg_read(8, 4), 0x02000000);
	uint32_t f = (uint32_t)guest_in(TWIN_IO, 4);

	CHECK_EQ(f, 0x38000000 | BIT(0) | BIT(3) | BIT(5) | 7u << 11 | 31u << 16 | BIT(23));
	CHECK_EQ(guest_read(TWIN_BAR4 + COMMON_NUM_QUEUES, 2), 3);
}

TEST(sends_from_the_guests_pages_in_any_framing)
{
	static const unsigned cuts[][3] = {
		{ 12, 0, 0 }, { 5, 12, 0 }, { 1, 2, 3 }, { 12, 26, 100 }, { 11, 13, 90 }, { 30, 60, 0 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cuts); i++) {
		struct piece p[4];
		unsigned n = 0, at = 0;

		up(0);
		memcpy(mem + 12, frame, 1000);
		for (unsigned k = 0; k < 3; k++)
			if (cuts[i][k]) {
				p[n++] = (struct piece) { mem + at, cuts[i][k] - at };
				at = cuts[i][k];
			}
		p[n++] = (struct piece) { mem + at, 1012 - at };
		unsigned head = ring_add(&rings[1], p, n), got;

		modern_kick(1);
		CHECK_EQ(hw.ntx, 1);
		CHECK_EQ(hw.last.len, 1000);
		CHECK_EQ(memcmp(hw.frame, frame, 1000), 0);
		CHECK_EQ(hw.frag[0].addr, (uintptr_t)mem + 12);
		CHECK_EQ(vn->cnt_tx_zero_copy, 1);
		CHECK(!ring_take(&rings[1], &got, NULL));
		tx_complete(1);
		CHECK(ring_take(&rings[1], &got, NULL));
		CHECK_EQ(got, head);
		host_guest_ram_drop();
	}
}

TEST(legacy_headers_have_10_bytes)
{
	up_legacy(0);
	memcpy(mem + 10, frame, 60);
	ring_add(&rings[1], (struct piece[]) { { mem, 70 } }, 1);
	guest_out(TWIN_IO + LEGACY_QUEUE_NOTIFY, 2, 1);
	CHECK_EQ(hw.last.len, 60);
	CHECK_EQ(memcmp(hw.frame, frame, 60), 0);
	/* Also on the modern transport without VERSION_1. */
	make(0);
	modern_up(rings, 3, NO_EVENT & ~VIRTIO_F_VERSION_1, 64);
	memcpy(mem + 10, frame, 60);
	ring_add(&rings[1], (struct piece[]) { { mem, 70 } }, 1);
	modern_kick(1);
	CHECK_EQ(memcmp(hw.frame, frame, 60), 0);
	CHECK_EQ(hw.last.len, 60);
}

TEST(one_doorbell_a_batch_and_no_kick_while_in_flight)
{
	up(0);
	memset(&vn->at_kick, 0, sizeof(vn->at_kick));	/* DRIVER_OK has run the queue */
	for (unsigned i = 0; i < 5; i++)
		send(i * 2048, 100);
	modern_kick(1);
	CHECK_EQ(hw.ntx, 5);
	CHECK_EQ(hw.tx_kicks, 1);
	CHECK_EQ(rings[1].used->flags, VRING_USED_NO_NOTIFY);
	send(6 * 2048, 100);		/* no kick */
	tx_complete(3);
	CHECK_EQ(hw.ntx, 3);		/* sent nevertheless */
	CHECK_EQ(rings[1].used->flags, VRING_USED_NO_NOTIFY);
	tx_complete(3);
	CHECK_EQ(rings[1].used->flags, 0);
	CHECK_EQ(rings[1].used->idx, 6);
	CHECK_EQ(vn->vq[VNET_TX].cnt_interrupts, 2);
	CHECK_EQ(vn->at_kick.n[0], 1);
	CHECK_EQ(vn->taken.n[3], 1);
	CHECK_EQ(vn->taken.n[1], 1);
}

TEST(a_full_ring_keeps_the_order)
{
	up(0);
	hw.room = 2;
	for (unsigned i = 0; i < 5; i++)
		send(i * 2048, 100 + i);
	modern_kick(1);
	for (unsigned i = 2; i < 5; i++) {
		CHECK_EQ(hw.ntx, 2);
		CHECK_EQ(hw.last.len, 99 + i);
		tx_complete(1);
	}
	CHECK_EQ(hw.last.len, 104);
	tx_complete(2);
	CHECK_EQ(rings[1].used->idx, 5);
}

TEST(a_nic_that_completes_at_once)
{
	up(0);
	hw.room = 2;
	hw.sync = true;
	for (unsigned i = 0; i < 7; i++)
		send(i * 2048, 100);
	modern_kick(1);
	CHECK_EQ(rings[1].used->idx, 7);
	CHECK_EQ(rings[1].used->flags, 0);
}

/* --- a guest that refills on another processor what this one serves --- */

static unsigned refills, limit;

static void refill_tx(void)
{
	if (refills++ < limit)
		send(0, 100);
}

/* As the other processor, continue the work that was handed on, until none is left. */
static void others_continue(void)
{
	for (unsigned before = 0; before != host_handed_on; ) {
		before = host_handed_on;
		owner_continue();
	}
}

static void refilling(unsigned n, void (*fn)(void))
{
	refills = 0;
	limit = n;
	hw.refill = fn;
	host_handed_on = 0;
}

TEST(frames_that_come_as_fast_as_they_are_sent)
{
	up(0);
	hw.sync = true;
	hw.room = 8;
	refilling(20000, refill_tx);
	send(0, 100);
	modern_kick(1);
	/* Not all in one run: another processor continues with the rest. */
	CHECK(hw.nsent < 2000 && host_handed_on == 1);
	CHECK_EQ(rings[1].used->idx, hw.nsent);
	CHECK_EQ(rings[1].used->flags, VRING_USED_NO_NOTIFY);
	others_continue();
	CHECK(hw.nsent == 20001 && host_handed_on > 10);
	CHECK_EQ(rings[1].used->idx, 20001);
	CHECK_EQ(rings[1].used->flags, 0);
}

/* Chains wait for frames whose completion interrupts: no other processor is needed. */
TEST(frames_under_way_are_not_handed_on)
{
	up(0);
	hw.room = 40;
	refilling(20000, refill_tx);
	send(0, 100);
	modern_kick(1);
	CHECK(hw.ntx == 40 && !host_handed_on);
	CHECK_EQ(rings[1].used->flags, VRING_USED_NO_NOTIFY);
}

TEST(an_idle_nic_without_room_is_tried_again_at_the_next_kick)
{
	up(0);
	hw.room = 0;
	send(0, 100);
	modern_kick(1);
	CHECK_EQ(rings[1].used->flags, 0);
	hw.room = 4;
	modern_kick(1);
	CHECK_EQ(hw.ntx, 1);
}

TEST(an_idle_nic_without_room_hears_the_next_kick_by_avail_event)
{
	make(NIC_CAP_TX_CSUM);
	modern_up(rings, 3, ~0ull, 64);
	hw.room = 0;
	send(0, 100);
	modern_kick(1);
	CHECK_EQ(hw.ntx, 0);
	/* The driver kicks with the next frame (2.7.7.2). */
	CHECK_EQ(*ring_avail_event(&rings[1]), rings[1].avail->idx);
	hw.room = SLOTS;
	send(4096, 100);
	modern_kick(1);
	CHECK_EQ(hw.ntx, 2);
}

TEST(what_cannot_be_sent_is_dropped_and_returned)
{
	up(NIC_CAP_TX_CSUM);
	send(0, 13);
	send(2048, 1519);
	send(4096, 100);
	mem[4096 + 1] = 1;		/* segmentation, never offered */
	ring_add(&rings[1], (struct piece[]) { { mem, 3 } }, 1);
	ring_add(&rings[1], (struct piece[]) { { mem, 100, true } }, 1);
	send(8192, 100);
	mem[8192] = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	mem[8192 + 6] = 99;		/* csum_start 99, offset 0: two bytes do not fit */
	send(12288, 1518);
	modern_kick(1);
	CHECK_EQ(hw.ntx, 1);
	CHECK_EQ(vn->cnt_tx_dropped, 6);
	CHECK_EQ(rings[1].used->idx, 6);
	CHECK_EQ(modern_status(), 15);
}

TEST(checksums_are_passed_on)
{
	up(NIC_CAP_TX_CSUM);
	send(0, 100);
	mem[0] = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	mem[6] = 34;
	mem[8] = 16;
	modern_kick(1);
	CHECK_EQ(hw.last.flags, NIC_TX_CSUM);
	CHECK_EQ(hw.last.csum_start, 34);
	CHECK_EQ(hw.last.csum_offset, 16);
}

TEST(checksums_that_the_nic_cannot_place_are_made_in_a_copy)
{
	static const unsigned lens[] = { 100, 101 };

	up(NIC_CAP_TX_CSUM);
	hw.no_csum = true;
	for (unsigned i = 0; i < ARRAY_SIZE(lens); i++) {
		uint32_t sum = 0;
		uint8_t *f;

		send(4096 * i, lens[i]);
		mem[4096 * i] = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		mem[4096 * i + 6] = 34;
		mem[4096 * i + 8] = 10;
		modern_kick(1);
		CHECK_EQ(hw.nsent, i + 1);
		CHECK_EQ(hw.last.flags, 0);
		f = hw.sent[i];
		for (unsigned k = 34; k < lens[i]; k++) {
			uint8_t v = k == 44 || k == 45 ? mem[4096 * i + 12 + k] : f[k];

			sum += (k - 34) & 1 ? v : (uint32_t)v << 8;
		}
		while (sum >> 16)
			sum = (sum & 0xffff) + (sum >> 16);
		CHECK_EQ((uint32_t)(f[44] << 8 | f[45]), ~sum & 0xffff);
		CHECK(!memcmp(f, mem + 4096 * i + 12, 44));
	}
	CHECK_EQ(vn->cnt_tx_bounced, 2);
	CHECK_EQ(vn->cnt_tx_dropped, 0);
}

TEST(too_many_pieces_are_copied_once)
{
	struct piece p[32];

	up(0);
	memcpy(mem + 12, frame, 300);
	for (unsigned i = 0; i < 31; i++)
		p[i] = (struct piece) { mem + 10 * i, 10 };
	ring_add(&rings[1], p, 31);
	modern_kick(1);
	CHECK_EQ(hw.last.nfrag, 1);
	CHECK_EQ(hw.last.len, 298);
	CHECK_EQ(memcmp(hw.frame, frame, 298), 0);
	CHECK_EQ(vn->cnt_tx_bounced, 1);
	CHECK_EQ(vn->cnt_tx_bounced_bytes, 298);
	tx_complete(1);
	CHECK_EQ(rings[1].used->idx, 1);
}

TEST(the_bounce_pool_is_bounded_and_comes_back)
{
	make(0);
	modern_up(rings, 3, NO_EVENT, 128);
	hw.align = 64;
	for (unsigned i = 0; i < 90; i++)
		send(i * 2048, 60 + i);
	modern_kick(1);
	CHECK_EQ(hw.ntx, VNET_TX_BOUNCE);
	CHECK_EQ(hw.tx_waits, 1);
	while (hw.ntx)
		tx_complete(1);
	CHECK_EQ(rings[1].used->idx, 90);
	CHECK_EQ(hw.last.len, 149);
	CHECK_EQ(vn->cnt_tx_bounced, 90);
	CHECK_EQ(vn->tx_pool.nfree, VNET_TX_BOUNCE);
	/* The same heads again, without a copy: they own no bounce buffer any more. */
	hw.align = 0;
	for (unsigned i = 0; i < 40; i++)
		send(i * 2048, 60 + i);
	modern_kick(1);
	tx_complete(40);
	CHECK_EQ(vn->cnt_tx_bounced, 90);
	CHECK_EQ(vn->tx_pool.nfree, VNET_TX_BOUNCE);
}

TEST(pieces_out_of_reach_are_copied)
{
	up(0);

	/* The host may map memory anywhere: use the lower of two blocks as the pool, the higher as the guest's. */
	uint8_t *a = guest_alloc(VNET_TX_BOUNCE * VNET_BOUNCE_SIZE), *b = guest_alloc(VNET_TX_BOUNCE * VNET_BOUNCE_SIZE);

	vn->tx_pool.mem = MIN(a, b);
	mem = MAX(a, b);
	hw.nic.dma_mask = (uintptr_t)mem - 1;
	send(0, 100);
	modern_kick(1);
	CHECK_EQ(hw.ntx, 1);
	CHECK_EQ(vn->cnt_tx_bounced, 1);
	CHECK_EQ(vn->cnt_tx_zero_copy, 0);
	CHECK_EQ(memcmp(hw.frame, frame, 100), 0);
	/* A frame that ends at the last byte within the DMA mask is not copied; one byte more is. */
	hw.nic.dma_mask = (uintptr_t)mem + 111;
	send(0, 100);
	modern_kick(1);
	tx_complete(1);
	CHECK_EQ(vn->cnt_tx_zero_copy, 1);
	hw.nic.dma_mask--;
	send(0, 100);
	modern_kick(1);
	tx_complete(1);
	CHECK_EQ(vn->cnt_tx_zero_copy, 1);
	CHECK_EQ(vn->cnt_tx_bounced, 2);
}

TEST(a_nic_that_copies_what_it_sends_is_counted_so)
{
	up(NIC_CAP_TX_COPY);
	send(0, 100);
	modern_kick(1);
	CHECK_EQ(hw.ntx, 1);
	tx_complete(1);
	CHECK_EQ(vn->cnt_tx_zero_copy, 0);
	CHECK_EQ(vn->cnt_tx_bounced, 1);
	CHECK_EQ(vn->cnt_tx_bounced_bytes, 100);
}

/* --- receive --- */

static unsigned give(unsigned at, unsigned len)
{
	memset(mem + at, 0xee, len);
	return ring_add(&rings[0], (struct piece[]) { { mem + at, len, true } }, 1);
}

TEST(receives_in_place)
{
	unsigned head, got;
	uint32_t len;

	up(NIC_CAP_RX_CSUM);
	head = give(0, 1530);
	modern_kick(0);
	CHECK_EQ(hw.nrx, 1);
	CHECK_EQ(hw.rx[0].addr, (uintptr_t)mem + 12);
	CHECK_EQ(hw.rx[0].len, 1518);
	receive(frame, 777, NIC_RX_CSUM_OK);
	nic_flush();
	CHECK(ring_take(&rings[0], &got, &len));
	CHECK_EQ(got, head);
	CHECK_EQ(len, 789);
	CHECK_EQ(mem[0], VIRTIO_NET_HDR_F_DATA_VALID);
	CHECK_EQ(mem[1], 0);
	CHECK_EQ(mem[10], 1);
	CHECK_EQ(memcmp(mem + 12, frame, 777), 0);
	CHECK_EQ(vn->cnt_rx_zero_copy, 1);
}

TEST(receives_in_place_behind_a_header_of_its_own)
{
	uint32_t len;

	up_legacy(0);
	memset(mem, 0xee, 4096);
	ring_add(&rings[0], (struct piece[]) { { mem, 10, true }, { mem + 2048, 1518, true } }, 2);
	guest_out(TWIN_IO + LEGACY_QUEUE_NOTIFY, 2, 0);
	CHECK_EQ(hw.rx[0].addr, (uintptr_t)mem + 2048);
	receive(frame, 60, NIC_RX_CSUM_OK);	/* not negotiated, so not reported */
	nic_flush();
	CHECK(ring_take(&rings[0], NULL, &len));
	CHECK_EQ(len, 70);
	CHECK_EQ(mem[0], 0);
	CHECK_EQ(mem[9], 0);
	CHECK_EQ(mem[10], 0xee);
	CHECK_EQ(memcmp(mem + 2048, frame, 60), 0);
}

TEST(receives_by_copy_into_any_framing)
{
	static const unsigned cuts[][3] = { { 12, 100, 0 }, { 5, 12, 1514 }, { 1, 2, 3 }, { 700, 0, 0 } };

	for (unsigned i = 0; i < ARRAY_SIZE(cuts); i++) {
		struct piece p[4];
		unsigned n = 0, at = 0;
		uint32_t len;

		up(0);
		for (unsigned k = 0; k < 3; k++)
			if (cuts[i][k]) {
				p[n++] = (struct piece) { mem + at, cuts[i][k] - at, true };
				at = cuts[i][k];
			}
		p[n++] = (struct piece) { mem + at, 1526 - at, true };
		ring_add(&rings[0], p, n);
		modern_kick(0);
		CHECK_EQ(hw.nrx, 1);
		receive(frame, 1514, 0);
		nic_flush();
		CHECK(ring_take(&rings[0], NULL, &len));
		CHECK_EQ(len, 1526);
		CHECK_EQ(memcmp(mem + 12, frame, 1514), 0);
		CHECK_EQ(vn->cnt_rx_bounced, 1);
		CHECK_EQ(vn->rx_pool.nfree, VNET_RX_BOUNCE);
		host_guest_ram_drop();
	}
}

TEST(a_frame_too_long_for_its_buffer_is_dropped_and_the_buffer_kept)
{
	uint32_t len;

	up(0);
	give(0, 300);
	modern_kick(0);
	receive(frame, 500, 0);
	nic_flush();
	CHECK(!ring_take(&rings[0], NULL, NULL));
	CHECK_EQ(vn->cnt_rx_dropped, 1);
	CHECK_EQ(mem[0], 0xee);
	CHECK_EQ(hw.nrx, 1);
	receive(frame, 288, 0);
	nic_flush();
	CHECK(ring_take(&rings[0], NULL, &len));
	CHECK_EQ(len, 300);
}

TEST(receive_kicks_are_on_while_buffers_run_low)
{
	up(0);
	for (unsigned i = 0; i < 8; i++)
		give(i * 2048, 2048);
	modern_kick(0);
	CHECK_EQ(hw.nrx, 8);
	CHECK_EQ(rings[0].used->flags, 0);
	for (unsigned i = 8; i < 40; i++)
		give(i * 2048, 2048);
	modern_kick(0);
	CHECK_EQ(hw.nrx, 32);			/* as many as the NIC takes; 8 wait */
	CHECK_EQ(rings[0].used->flags, VRING_USED_NO_NOTIFY);
	receive(frame, 60, 0);
	receive(frame, 60, 0);
	nic_flush();
	CHECK_EQ(hw.nrx, 32);
	CHECK_EQ(rings[0].used->idx, 2);
	CHECK_EQ(vn->vq[VNET_RX].cnt_interrupts, 1);
	for (unsigned i = 0; i < 24; i++)
		receive(frame, 60, 0);
	nic_flush();
	CHECK_EQ(hw.nrx, 14);
	CHECK_EQ(rings[0].used->flags, 0);
}

TEST(a_nic_that_always_copies)
{
	uint32_t len;

	up(NIC_CAP_RX_COPY);
	CHECK(!hw.nic.client->rx_frame(hw.nic.client_ctx, 0, frame, 100, 0));
	ring_add(&rings[0], (struct piece[]) { { mem, 12, true }, { mem + 100, 50, true }, { mem + 200, 1600, true } }, 3);
	give(8192, 60);
	modern_kick(0);
	CHECK_EQ(hw.nrx, 0);
	CHECK(hw.nic.client->rx_frame(hw.nic.client_ctx, 0, frame, 1000, 0));
	CHECK(!hw.nic.client->rx_frame(hw.nic.client_ctx, 0, frame, 1000, 0));	/* too long for the next */
	CHECK(hw.nic.client->rx_frame(hw.nic.client_ctx, 0, frame, 48, 0));
	nic_flush();
	CHECK(ring_take(&rings[0], NULL, &len));
	CHECK_EQ(len, 1012);
	CHECK_EQ(memcmp(mem + 100, frame, 50), 0);
	CHECK_EQ(memcmp(mem + 200, frame + 50, 950), 0);
	CHECK(ring_take(&rings[0], NULL, &len));
	CHECK_EQ(len, 60);
}

TEST(a_chain_changed_while_its_frame_is_copied)
{
	up(0);
	unsigned head = give(0, 300);

	modern_kick(0);
	rings[0].desc[head].addr = 0x1000;
	receive(frame, 100, 0);
	nic_flush();
	CHECK(modern_status() & VIRTIO_STATUS_NEEDS_RESET);
	CHECK_EQ(vn->rx_pool.nfree, VNET_RX_BOUNCE);
	modern_up(rings, 3, NO_EVENT, 64);
	CHECK_EQ(hw.stops, 1);
	CHECK_EQ(modern_status(), 15);
}

/* --- control --- */

static uint8_t command(const void *cmd, unsigned len)
{
	memcpy(mem, cmd, len);
	mem[4096] = 0xaa;
	/* Header and data are split at an odd place. */
	ring_add(&rings[2], (struct piece[]) { { mem, 1 }, { mem + 1, len - 1 }, { mem + 4096, 1, true } }, 3);
	modern_kick(2);
	CHECK(ring_take(&rings[2], NULL, NULL));
	return mem[4096];
}

TEST(the_filter_is_open_until_the_driver_narrows_it)
{
	up(0);
	CHECK(hw.filter.promisc);
	CHECK_EQ(command((uint8_t[]) { 0, 0, 0 }, 3), VIRTIO_NET_OK);
	CHECK(!hw.filter.promisc && !hw.filter.allmulti);
	CHECK_EQ(command((uint8_t[]) { 0, 1, 1 }, 3), VIRTIO_NET_OK);
	CHECK(hw.filter.allmulti);
	CHECK_EQ(command((uint8_t[]) { 0, 2, 1 }, 3), VIRTIO_NET_OK);
	CHECK(hw.filter.promisc);
	CHECK_EQ(command((uint8_t[]) { 0, 5, 1 }, 3), VIRTIO_NET_OK);
	CHECK(hw.filter.nobcast);
	guest_write(TWIN_BAR4 + COMMON_STATUS, 1, 0);
	modern_up(rings, 3, NO_EVENT, 64);
	CHECK(hw.filter.promisc && !hw.filter.allmulti && !hw.filter.nobcast);
}

TEST(frames_of_an_unwanted_kind_are_dropped)
{
	uint8_t bcast[60] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	up(0);
	CHECK_EQ(command((uint8_t[]) { 0, 5, 1 }, 3), VIRTIO_NET_OK);
	give(8192, 2048);
	modern_kick(0);
	receive(bcast, 60, 0);
	receive(frame, 60, 0);
	nic_flush();
	CHECK_EQ(rings[0].used->idx, 1);
	CHECK_EQ(vn->cnt_rx_dropped, 1);
}

static void refill_commands(void)
{
	if (refills++ < limit)
		ring_add(&rings[2], (struct piece[]) { { mem, 3 }, { mem + 4096, 1, true } }, 2);
}

TEST(commands_that_come_as_fast_as_they_are_carried_out)
{
	up(0);
	refilling(1000, refill_commands);
	CHECK_EQ(command((uint8_t[]) { 0, 1, 1 }, 3), VIRTIO_NET_OK);
	CHECK(refills < 100 && host_handed_on == 1);
	others_continue();
	CHECK_EQ(rings[2].used->idx, 1001);
	CHECK_EQ(rings[2].used->flags, 0);
}

/* As the guest's other processor, add a buffer, which is filled at once, and a chain that cannot hold a frame. */
static void refill_buffers(void)
{
	if (refills++ >= limit)
		return;
	for (; hw.nrx; hw.nrx--)
		hw.nic.client->rx_done(hw.nic.client_ctx, 0, hw.rx[0].token, 100, 0);
	give(0, 20);
	give(4096, 2048);
}

TEST(receive_buffers_that_come_as_fast_as_they_are_filled)
{
	up(0);
	refilling(5000, refill_buffers);
	give(4096, 2048);
	modern_kick(0);
	CHECK(refills < 1000 && host_handed_on == 1);
	others_continue();
	CHECK(refills > limit);
	CHECK_EQ(rings[0].used->flags, 0);
}

TEST(chains_without_room_for_a_frame)
{
	up(NIC_CAP_RX_COPY);
	vn->rx_useless = VIRTIO_RUN_MAX - 2;		/* the number in this poll */
	for (unsigned i = 0; i < 3; i++)
		give(0, 20);
	CHECK(!hw.nic.client->rx_frame(hw.nic.client_ctx, 0, frame, 100, 0));
	nic_flush();
	CHECK_EQ(rings[0].used->idx, 2);
	give(4096, 2048);
	CHECK(hw.nic.client->rx_frame(hw.nic.client_ctx, 0, frame, 100, 0));
	nic_flush();
	CHECK_EQ(rings[0].used->idx, 4);
}

TEST(address_tables)
{
	uint8_t cmd[2 + 4 + 6 + 4 + 12] = { 1, 0, 1, 0, 0, 0, 2, 3, 4, 5, 6, 7, 2, 0, 0, 0, 1, 0, 0x5e, 0, 0, 1 };
	uint8_t many[2 + 4 + 16 * 6 + 4] = { 1, 0, 16 };

	up(0);
	CHECK_EQ(command(cmd, sizeof(cmd)), VIRTIO_NET_OK);
	CHECK_EQ(hw.filter.nmac, 1);
	CHECK_EQ(hw.filter.nmcast, 2);
	CHECK_EQ(memcmp(hw.mac0, cmd + 6, 6), 0);
	CHECK_EQ(memcmp(hw.mcast0, cmd + 16, 6), 0);
	CHECK_EQ(command((uint8_t[]) { 0, 0, 0 }, 3), VIRTIO_NET_OK);
	CHECK(!hw.filter.promisc);
	CHECK_EQ(command(many, sizeof(many)), VIRTIO_NET_OK);
	CHECK(hw.filter.promisc);		/* may pass more frames than asked for, never fewer */
	CHECK_EQ(command(cmd, sizeof(cmd) - 1), VIRTIO_NET_ERR);
	cmd[2] = cmd[3] = cmd[4] = cmd[5] = 0xff;
	CHECK_EQ(command(cmd, sizeof(cmd)), VIRTIO_NET_ERR);
	CHECK_EQ(command((uint8_t[]) { 1, 1, 2, 0, 0, 0, 0, 5 }, 8), VIRTIO_NET_OK);
	CHECK_EQ(hw.mac[5], 5);
	CHECK_EQ(guest_read(TWIN_BAR4 + BAR4_DEVICE + 5, 1), 5);
	guest_write(TWIN_BAR4 + COMMON_STATUS, 1, 0);
	CHECK_EQ(guest_read(TWIN_BAR4 + BAR4_DEVICE + 5, 1), 9);
}

TEST(vlans)
{
	up(0);
	CHECK_EQ(command((uint8_t[]) { 2, 0, 5, 0 }, 4), VIRTIO_NET_OK);
	CHECK(hw.vlan5);
	CHECK_EQ(command((uint8_t[]) { 2, 1, 5, 0 }, 4), VIRTIO_NET_OK);
	CHECK(hw.filter.vlan && !hw.vlan5);
	CHECK_EQ(command((uint8_t[]) { 2, 0, 0, 0x10 }, 4), VIRTIO_NET_ERR);
	make(0);
	modern_up(rings, 3, NO_EVENT & ~VIRTIO_NET_F_CTRL_VLAN, 64);
	CHECK(!hw.filter.vlan);
}

TEST(malformed_commands)
{
	up(0);
	CHECK_EQ(command((uint8_t[]) { 9, 0, 0 }, 3), VIRTIO_NET_ERR);
	CHECK_EQ(command((uint8_t[]) { 0, 6, 0 }, 3), VIRTIO_NET_ERR);
	CHECK_EQ(command((uint8_t[]) { 0, 0 }, 2), VIRTIO_NET_ERR);
	CHECK_EQ(command((uint8_t[]) { 1, 1, 0, 0 }, 4), VIRTIO_NET_ERR);
	CHECK_EQ(command((uint8_t[]) { 1, 7, 0, 0, 0, 0 }, 6), VIRTIO_NET_ERR);
	CHECK_EQ(command((uint8_t[]) { 2, 2, 0, 0 }, 4), VIRTIO_NET_ERR);
	ring_add(&rings[2], (struct piece[]) { { mem, 1 } }, 1);	/* no descriptor for the answer */
	modern_kick(2);
	CHECK(ring_take(&rings[2], NULL, NULL));
	CHECK_EQ(modern_status(), 15);
}

TEST(a_legacy_driver_writes_its_address)
{
	up_legacy(0);
	guest_out(TWIN_IO + LEGACY_STATUS, 1, 0);
	for (unsigned i = 0; i < 6; i++)
		guest_out((uint16_t)(TWIN_IO + 20 + i), 1, 0x20 + i);
	CHECK_EQ(memcmp(hw.mac, (uint8_t[]) { 0x20, 0x21, 0x22, 0x23, 0x24, 0x25 }, 6), 0);
	guest_out(TWIN_IO + 26, 2, 0);		/* no descriptor for the status */
	CHECK_EQ(guest_in(TWIN_IO + 26, 2), 1);
}

TEST(the_link)
{
	up(0);
	hw.link = false;
	hw.nic.client->link_changed(hw.nic.client_ctx);
	CHECK_EQ(guest_read(TWIN_BAR4 + BAR4_ISR, 1), VIRTIO_ISR_CONFIG);
	CHECK_EQ(guest_read(TWIN_BAR4 + BAR4_DEVICE + 6, 2), 0);
}

TEST(reset_stops_the_nic_first)
{
	up(0);
	send(0, 100);
	modern_kick(1);
	give(8192, 2048);
	modern_kick(0);
	guest_write(TWIN_BAR4 + COMMON_STATUS, 1, 0);
	CHECK_EQ(modern_status(), 0);
	CHECK_EQ(hw.stops, 1);
	modern_up(rings, 3, NO_EVENT, 64);
	send(0, 100);
	modern_kick(1);
	CHECK_EQ(hw.ntx, 1);
	tx_complete(1);
	CHECK_EQ(rings[1].used->idx, 1);
}

TEST(nothing_stays_allocated_when_making_fails)
{
	struct virtio_place place = twin_place();
	struct virtio_net_conf conf = { .nic = &hw.nic };
	unsigned n = 1;

	make(0);
	size_t before = host_heap_used();

	for (;; n++) {
		twin_reset();
		host_heap_fail_at(n);
		if (virtio_net_new("net1", &conf, &place))
			break;
		CHECK_EQ(host_heap_used(), before);
		CHECK(host_log_has("net1: cannot make the virtio-net device"));
	}
	CHECK_EQ(n, 4);
}

TEST_MAIN
