/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: virtio/net/net.c virtio/net/tx.c virtio/net/tso.c virtio/net/rx.c virtio/net/ctrl.c virtio/net/state.c */
/* sources: virtio/transport.c virtio/pci_config.c virtio/msix.c virtio/legacy.c virtio/modern.c virtio/queue.c */
/* sources: virtio/state.c hv/lib/sg.c virtio/access.c tests/unit/host/twin.c virtio/net/merge.c */
/* Save and load of virtio-net: frames under way, receive buffers, filter and address, and images that are damaged. */
#include <veneer/owner.h>
#include "net_fixture.h"

static unsigned polls, poll_sends;	/* a poll completes so many frames */
static unsigned poll_receives;		/* ... and receives so many */

static void receive_one(void)
{
	void *token = hw.rx[0].token;

	CHECK(hw.nrx > 0);
	memcpy((void *)(uintptr_t)hw.rx[0].addr, frame, 64);
	hw.nrx--;
	memmove(hw.rx, hw.rx + 1, hw.nrx * sizeof(hw.rx[0]));
	hw.nic.client->rx_done(hw.nic.client_ctx, 0, token, 64, 0);
}

static unsigned poll(struct hw_dev *d)
{
	unsigned n = MIN(poll_sends, hw.ntx), all = n + poll_receives;

	polls++;
	if (!hw.running)
		return 0;
	for (; poll_receives; poll_receives--)
		receive_one();
	if (n)
		tx_complete(n);
	return all;
}

static const struct hw_dev_ops nic_hw_ops = { .poll = poll };
static struct state_part *part;
void state_add(struct state_part *p) { part = p; }

static void start(uint32_t caps, uint64_t features)
{
	make(caps);
	hw.nic.hw.ops = &nic_hw_ops;
	polls = poll_sends = poll_receives = 0;
	virtio_net_keep(&vn->dev);
	CHECK(part == &vn->dev.part);
	modern_up(rings, 3, features, 64);
}

static void in_place(void)
{
	struct virtio_image one, two;

	virtio_save(&vn->dev, &one);
	CHECK(!virtio_image_bad(&vn->dev, &one));
	virtio_load(&vn->dev, &one);
	virtio_save(&vn->dev, &two);
	CHECK(!memcmp(&one, &two, sizeof(one)));
}

static unsigned send(unsigned at, unsigned len)
{
	memset(mem + at, 0, 12);
	memcpy(mem + at + 12, frame, len);
	return ring_add(&rings[1], (struct piece[]) { { mem + at, 12 + len } }, 1);
}

static void give_buffers(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		ring_add(&rings[0], (struct piece[]) { { mem + 0x10000 + i * 2048, 1600, true } }, 1);
	modern_kick(0);
}

TEST(frames_under_way_go_out_before_the_save)
{
	start(0, NO_EVENT);
	poll_sends = 1;
	send(0, 60);
	send(2048, 60);
	modern_kick(1);
	CHECK_EQ(hw.ntx, 2);
	send(4096, 60);
	virtio_rest(&vn->dev, 1000);
	CHECK(!hw.running);
	CHECK_EQ(rings[1].used->idx, 2);
	CHECK_EQ(hw.nsent, 2);		/* the third waits in the ring */
	in_place();
	CHECK(!hw.running);
	virtio_go_on(&vn->dev);
	CHECK(hw.running);
	CHECK_EQ(hw.nsent, 3);
	tx_complete(hw.ntx);
	CHECK_EQ(rings[1].used->idx, 3);
}

TEST(no_frame_is_sent_twice)
{
	start(0, NO_EVENT);
	send(0, 60);
	send(2048, 60);
	modern_kick(1);
	virtio_rest(&vn->dev, 1000);	/* nothing is sent meanwhile */
	CHECK(polls > 2);
	CHECK_EQ(rings[1].used->idx, 2);
	CHECK_EQ(vn->tx_inflight, 0);
	in_place();
	virtio_go_on(&vn->dev);
	CHECK_EQ(hw.ntx, 0);
	CHECK_EQ(hw.nsent, 2);
	CHECK_EQ(vn->tx_pool.nfree, VNET_TX_BOUNCE);
}

TEST(a_frame_that_is_being_cut_is_finished_or_dropped_as_a_whole)
{
	struct virtio_net_hdr h = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
				    .gso_size = 1000, .csum_start = 34, .csum_offset = 16 };

	for (unsigned ends = 0; ends < 2; ends++) {
		start(NIC_CAP_TX_CSUM | NIC_CAP_TX_TSO, NO_EVENT);
		hw.no_tso = true;
		hw.room = 2;
		memset(mem, 0, 8192);
		memcpy(mem, &h, sizeof(h));
		mem[12 + 12] = 8;		/* IPv4 */
		mem[12 + 14] = 0x45;
		mem[12 + 23] = 6;		/* TCP */
		mem[12 + 46] = 5 << 4;
		ring_add(&rings[1], (struct piece[]) { { mem, 12 + 54 + 5000 } }, 1);
		modern_kick(1);
		CHECK(vn->tso.active);
		CHECK_EQ(hw.nsent, 2);
		poll_sends = ends ? 2 : 0;
		virtio_rest(&vn->dev, 1000);
		CHECK_EQ(hw.nsent, ends ? 5 : 2);
		CHECK(!vn->tso.active);
		CHECK_EQ(rings[1].used->idx, 1);
		in_place();
		virtio_go_on(&vn->dev);
		CHECK_EQ(hw.ntx, 0);
		CHECK_EQ(vn->tx_pool.nfree, VNET_TX_BOUNCE);
	}
}

TEST(receive_buffers_are_given_to_the_nic_again)
{
	start(0, NO_EVENT);
	give_buffers(20);
	CHECK_EQ(hw.nrx, 20);
	poll_receives = 3;		/* frames that the stop of the NIC would lose */
	virtio_rest(&vn->dev, 0);
	CHECK_EQ(rings[0].used->idx, 3);
	CHECK_EQ(hw.nrx, 0);
	in_place();
	virtio_go_on(&vn->dev);
	CHECK_EQ(hw.nrx, 17);
	for (unsigned i = 0; i < 17; i++)
		receive_one();
	hw.nic.client->flush(hw.nic.client_ctx, 0);
	CHECK_EQ(rings[0].used->idx, 20);
	CHECK(!vn->dev.broken);
}

TEST(address_and_filter_survive_and_a_reset_gives_the_first_address_back)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };

	start(0, NO_EVENT);
	vnet_set_mac(vn, mac);
	vn->st.promisc = 0;
	vn->st.nobcast = 1;
	virtio_rest(&vn->dev, 0);
	/* As in another machine, whose card has another address. */
	struct virtio_image image;

	virtio_save(&vn->dev, &image);
	vnet_filter_reset(vn);
	memset(vn->st.default_mac, 0x44, 6);
	virtio_load(&vn->dev, &image);
	virtio_go_on(&vn->dev);
	CHECK(!memcmp(hw.mac, mac, 6));
	CHECK(hw.filter.nobcast && !hw.filter.promisc);
	guest_write(TWIN_BAR4 + COMMON_STATUS, 1, 0);
	CHECK_EQ(guest_read(TWIN_BAR4 + BAR4_DEVICE + 5, 1), 9);
	CHECK(!hw.running);
}

TEST(a_link_that_changed_meanwhile_is_told)
{
	start(0, NO_EVENT);
	uint8_t generation = vn->dev.st.generation;

	virtio_rest(&vn->dev, 0);
	in_place();
	virtio_go_on(&vn->dev);
	CHECK_EQ(vn->dev.cnt_config_interrupts, 0);
	CHECK_EQ(vn->dev.st.generation, generation);
	virtio_rest(&vn->dev, 0);
	in_place();
	hw.link = false;
	virtio_go_on(&vn->dev);
	CHECK_EQ(vn->dev.cnt_config_interrupts, 1);
	CHECK(vn->dev.st.generation != generation);
}

TEST(messages_that_are_masked_stay_pending)
{
	start(0, NO_EVENT);
	cfg_write(0x40, 4, 0x80000000);		/* MSI-X on */
	guest_write(TWIN_BAR4 + COMMON_QUEUE_SELECT, 2, 0);
	guest_write(TWIN_BAR4 + COMMON_QUEUE_VECTOR, 2, 1);
	guest_write(TWIN_BAR4 + COMMON_QUEUE_SELECT, 2, 1);
	guest_write(TWIN_BAR4 + COMMON_QUEUE_VECTOR, 2, 2);
	guest_write(TWIN_BAR1 + 16, 8, 0xfee00000);
	guest_write(TWIN_BAR1 + 16 + 8, 8, 0x41);
	virtio_rest(&vn->dev, 0);
	in_place();
	CHECK_EQ(twin_msis, 0);
	virtio_go_on(&vn->dev);
	CHECK_EQ(twin_msis, 1);
	CHECK_EQ(twin_msi_data, 0x41);
	CHECK_EQ(vn->dev.st.pba, BIT(2));
}

TEST(a_reset_that_is_pending_and_a_guest_that_resets_a_device_at_rest)
{
	start(0, NO_EVENT);
	virtio_rest(&vn->dev, 0);
	virtio_reset(&vn->dev);			/* no second stop of the NIC */
	CHECK_EQ(hw.stops, 1);
	virtio_go_on(&vn->dev);
	CHECK(!hw.running);
	modern_up(rings, 3, NO_EVENT, 64);
	CHECK(hw.running);
}

TEST(frames_under_way_are_published_before_a_ring_of_another_queue_is_found_bad)
{
	start(0, NO_EVENT);
	give_buffers(4);
	send(0, 60);
	send(2048, 60);
	modern_kick(1);
	CHECK_EQ(hw.ntx, 2);
	rings[0].avail->idx += 1000;
	CHECK(!vn->dev.broken);
	virtio_rest(&vn->dev, 0);
	CHECK(vn->dev.broken);
	CHECK_EQ(rings[1].used->idx, 2);
	in_place();
	virtio_go_on(&vn->dev);
	CHECK(!hw.running);
}

TEST(buffers_of_the_pool_and_merged_chains)
{
	struct virtio_image other;
	uint32_t len;

	net_mtu = 9000;
	net_limit = NIC_FRAME_JUMBO;
	start(0, NO_EVENT);
	give_buffers(3);
	virtio_rest(&vn->dev, 1000);
	in_place();
	virtio_save(&vn->dev, &other);
	virtio_go_on(&vn->dev);
	CHECK_EQ(vn->rx_posted, hw.nic.rx_slots);
	CHECK_EQ(hw.nic.frame_max, NIC_FRAME_JUMBO);
	receive_one();
	hw.nic.client->flush(hw.nic.client_ctx, 0);
	CHECK(ring_take(&rings[0], NULL, &len));
	CHECK_EQ(len, 76);
	net_mtu = 4000;			/* a device with another MTU refuses the state */
	start(0, NO_EVENT);
	virtio_rest(&vn->dev, 1000);
	CHECK(virtio_image_bad(&vn->dev, &other) != NULL);
	net_mtu = 0;			/* and one that does not offer merging */
	start(0, NO_EVENT);
	virtio_rest(&vn->dev, 1000);
	CHECK(virtio_image_bad(&vn->dev, &other) != NULL);
	net_limit = 0;
}

TEST(damaged_images)
{
	struct virtio_image good, bad, out;
	unsigned refused = 0;

	start(0, NO_EVENT);
	give_buffers(4);
	virtio_rest(&vn->dev, 0);
	virtio_save(&vn->dev, &good);
	for (unsigned i = 0; i < 8 * sizeof(good); i++) {
		bad = good;
		((uint8_t *)&bad)[i / 8] ^= (uint8_t)BIT(i % 8);
		if (virtio_image_bad(&vn->dev, &bad)) {
			refused++;
			continue;
		}
		virtio_load(&vn->dev, &bad);
		virtio_save(&vn->dev, &out);
		CHECK(!memcmp(&out, &bad, sizeof(out)));
		virtio_load(&vn->dev, &good);
	}
	CHECK(refused > 4 * sizeof(good));
	bad = good;
	((struct vnet_state *)(void *)bad.type)->nmac = NIC_MAX_MACS + 1;
	CHECK(virtio_image_bad(&vn->dev, &bad));
	bad = good;
	((struct vnet_state *)(void *)bad.type)->nmcast = VNET_MCAST_MAX + 1;
	CHECK(virtio_image_bad(&vn->dev, &bad));
	virtio_load(&vn->dev, &good);
	virtio_go_on(&vn->dev);
	CHECK_EQ(hw.nrx, 4);
}

TEST_MAIN
