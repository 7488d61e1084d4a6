/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: virtio/net/net.c virtio/net/tx.c virtio/net/tso.c virtio/net/rx.c virtio/net/ctrl.c virtio/transport.c */
/* sources: virtio/pci_config.c virtio/msix.c virtio/legacy.c virtio/modern.c virtio/queue.c hv/lib/sg.c */
/* sources: virtio/access.c tests/unit/host/twin.c hw/nic/nic.c */
/* sources: hw/nic/intel/intel.c hw/nic/intel/intel_tx.c hw/nic/intel/intel_rx.c hw/nic/intel/intel_desc.c */
/* sources: hw/nic/intel/intel_mac.c hw/nic/intel/intel_phy.c hw/nic/intel/e1000.c hw/nic/intel/e1000_pci.c */
/* sources: hw/nic/intel/e1000e.c hw/nic/intel/pch.c hw/nic/intel/pch_speed.c hw/nic/intel/e1000e_pci.c */
/* sources: hw/nic/intel/igb.c hw/nic/intel/igb_desc.c hw/nic/intel/igb_pci.c */
/* sources: virtio/net/merge.c hw/nic/intel/intel_rx_long.c */
/*
 * Sent frames whose interrupts come late (nic.lazy), on chips whose timers run (chip.timers): who finds them, and that no guest
 * waits for one for ever.  No guest here has a timer of its own, so no tick comes unless a test calls one.
 */
#include "host/twin.h"
#include "virtio/net/net.h"
#include "intel_fixture.h"

static struct ring rings[3];
static uint8_t *mem;
static unsigned sent, msis;

static bool rang(void)
{
	bool new = c->msis + c->edges != msis;

	msis = c->msis + c->edges;
	return new;
}

/* All interrupts that have come by now are served. */
static void serve(void)
{
	while (rang())
		hw->ops->poll(hw);
}

static void pass(unsigned us)
{
	host_now_us += us;
	chip_late(c);
	serve();
}

static void net_up(uint16_t device)
{
	struct virtio_place place = twin_place();

	twin_reset();
	make(device);
	msis = 0;
	CHECK_EQ(rig_probe(c->pci), 0);

	struct virtio_net_conf conf = { .nic = nic };

	CHECK(virtio_net_new("net0", &conf, &place) != NULL);
	hw->ops->irq_enable(hw, true);
	mem = guest_alloc(1 << 16);
	mem[12] = 2;
	sent = 0;
	modern_up(rings, 3, ~0ull & ~VIRTIO_F_EVENT_IDX, 64);
	c->timers = true;
	(void)rang();
}

static bool kicks_off(void) { return rings[VNET_TX].used->flags & VRING_USED_NO_NOTIFY; }
static unsigned done(void) { return rings[VNET_TX].used->idx; }

static void send_one(void)
{
	ring_add(&rings[VNET_TX], (struct piece[]) { { mem, 12 + 100 + sent % 1000 } }, 1);
	sent++;
	if (!kicks_off())
		modern_kick(VNET_TX);
}

/* A sender with a small socket buffer: it waits for the ends of its two frames, receives nothing, and has no timer. */
TEST(a_sender_that_waits_for_two_frames_goes_on)
{
	net_up(DEV_82574);
	for (unsigned round = 0; round < 50; round++) {
		send_one();
		send_one();
		serve();
		if (done() != (uint16_t)sent)
			pass(2100);
		CHECK_EQ(done(), (uint16_t)sent);
	}
	CHECK(!clock_runs());
	CHECK_EQ(nic->count.tx_late, 0);
}

/* After one late interrupt the next frames interrupt at once, so that such a sender does not wait each time. */
TEST(a_late_interrupt_makes_the_next_ones_prompt)
{
	net_up(DEV_82574);
	send_one();
	serve();
	CHECK_EQ(done(), 0);
	pass(1900);
	CHECK_EQ(done(), 0);
	pass(200);
	CHECK_EQ(done(), 1);
	for (unsigned i = 0; i < NIC_EAGER_FRAMES; i++) {
		send_one();
		serve();
		CHECK_EQ(done(), i + 2);
	}
	send_one();
	serve();
	CHECK_EQ(done(), sent - 1);
	pass(2100);
	CHECK_EQ(done(), sent);
}

/* Kicks stay on until so many frames are in flight that one of them interrupts promptly. */
TEST(kicks_are_on_while_no_frame_rings)
{
	net_up(DEV_82574);
	c->tx_hang = true;
	for (unsigned i = 1; i < 20; i++) {
		send_one();
		CHECK_EQ(kicks_off(), i >= NIC_LAZY_FRAMES);
	}
	c->tx_hang = false;
	chip_send(c);
	serve();
	CHECK_EQ(done(), 19);
	CHECK(!kicks_off());
	CHECK(!clock_runs());
}

/* Whatever order things come in: kicks that are off have an interrupt ahead, and all frames end by interrupts alone. */
static void random_life(uint16_t device, unsigned seed)
{
	net_up(device);
	srand(seed);
	for (unsigned step = 0; step < 20000; step++) {
		switch (rand() % 6) {
		case 0: case 1:
			for (unsigned n = (unsigned)rand() % 12; n && (uint16_t)(sent - done()) < 60; n--)
				send_one();
			break;
		case 2:
			c->tx_hang = !c->tx_hang;
			chip_send(c);
			break;
		case 3:
			c->at_once = rand() % 2;
			break;
		case 4:
			serve();
			break;
		case 5:
			pass((unsigned)rand() % 3000);
			break;
		}
		if (!kicks_off())
			continue;
		CHECK(!nic_tx_empty(nic, 0) && nic_tx_rings(nic, 0));
	}
	c->tx_hang = false;
	chip_send(c);
	pass(2100);
	pass(2100);
	CHECK_EQ(done(), (uint16_t)sent);
	CHECK(!clock_runs());
	CHECK_EQ(nic->count.tx_hangs, 0);
}

TEST(no_order_of_events_leaves_a_frame_behind_on_8254x) { random_life(DEV_82540, 1); }
TEST(no_order_of_events_leaves_a_frame_behind_on_82574) { random_life(DEV_82574, 2); }
TEST(no_order_of_events_leaves_a_frame_behind_on_i219) { random_life(DEV_I219, 3); }
TEST(no_order_of_events_leaves_a_frame_behind_on_82576) { random_life(DEV_82576, 4); }

/* Few large frames fill the ring; the client then stops kicks, so one of them has to interrupt promptly. */
TEST(a_ring_full_of_few_large_frames_rings)
{
	uint64_t ram = host_guest_ram(65536);
	struct sg sg[2] = { { ram, 58 }, { ram + 58, 60000 } };
	struct nic_tx t = { .frag = sg, .nfrag = 2, .len = 60058, .flags = NIC_TX_CSUM | NIC_TX_TSO, .csum_start = 34,
			    .csum_offset = 16, .ip_start = 14, .hdr_len = 54, .mss = 256 };
	unsigned n = 0;

	up(DEV_82574);
	c->timers = c->tx_hang = true;
	while (!nic_tx(nic, 0, &t))
		n++;
	CHECK(n > 2 && n < NIC_LAZY_FRAMES);
	CHECK(nic_tx_rings(nic, 0));
}

/* A refused frame must not count as the one that rings. */
TEST(a_refused_frame_does_not_ring)
{
	uint64_t ram = host_guest_ram(65536);
	struct sg sg = { ram, 100 };
	struct nic_tx bad = { .frag = &sg, .nfrag = 1, .len = 100, .flags = NIC_TX_CSUM, .csum_start = 80, .csum_offset = 250 };

	up(DEV_82574);
	c->timers = c->tx_hang = true;
	for (unsigned i = 1; i < NIC_LAZY_FRAMES; i++)
		CHECK_EQ(send_at(ram, 100, i), 0);
	CHECK(nic_tx(nic, 0, &bad) < 0);
	CHECK(!nic_tx_rings(nic, 0));
	CHECK_EQ(send_at(ram, 100, 9), 0);
	CHECK(nic_tx_rings(nic, 0));
}

/* A new start has no frame of the last life that rings. */
TEST(a_stop_forgets_what_rings)
{
	uint64_t ram = host_guest_ram(4096);

	up(DEV_82574);
	c->timers = c->tx_hang = true;
	for (unsigned i = 0; i < 3 * NIC_LAZY_FRAMES; i++)
		CHECK_EQ(send_at(ram, 100, i), 0);
	CHECK(nic_tx_rings(nic, 0));
	nic_stop(nic);
	CHECK_EQ(nic_start(nic), 0);
	CHECK_EQ(send_at(ram, 100, 1), 0);
	CHECK(!nic_tx_rings(nic, 0));
}

/* QEMU's chips send within the write of the tail: the kick itself returns the frame, and no interrupt comes for it. */
TEST(a_kick_returns_what_is_sent)
{
	net_up(DEV_82574);
	c->at_once = true;
	for (unsigned i = 1; i <= 100; i++) {
		send_one();
		CHECK_EQ(done(), i);
		CHECK(clock_runs());		/* the interrupt may be lost */
	}
	CHECK(!rang());
	CHECK_EQ(nic->count.tx_packets, 100);
	/* The timer runs out once; its cause explains the interrupt. */
	host_now_us += 3000;
	chip_late(c);
	CHECK(rang());
	CHECK(hw->ops->poll(hw) > 0);
	CHECK(!clock_runs());
	CHECK_EQ(nic->count.tx_late, 0);
}

/* Messages of a received frame and of sent ones are lost: their causes are set, so the chip sends no further message. */
static void lose_both(void)
{
	net_up(DEV_82574);
	for (unsigned i = 0; i < 16; i++)
		ring_add(&rings[VNET_RX], (struct piece[]) { { mem + 4096 + 2048 * i, 2048, true } }, 1);
	modern_kick(VNET_RX);
	c->lose = INT_RXT0 | INT_TXDW;
	CHECK(wire(100, 0));
	send_one();
	pass(2100);
	CHECK(!c->lose && c->msis == 0);
}

/* The guest's ticks, which come while the clock runs, return each sent frame early, and still see that a message is missing. */
TEST(a_lost_message_is_made_up_for_by_a_tick)
{
	lose_both();
	for (unsigned i = 0; i < 100; i++) {
		uint64_t late = nic->count.tx_late;
		unsigned found = clock_runs() ? hw->ops->tick(hw, host_now_us) : 0;

		CHECK_EQ(found > 0, nic->count.tx_late > late);
		if (i % 4 == 0)
			send_one();
		if (i % 4 == 0 && i < 60)
			CHECK(wire(100, 0));
		pass(4000);
	}
	CHECK_EQ(rings[VNET_RX].used->idx, 16);
	CHECK_EQ(done(), sent);
	CHECK_EQ(nic->count.tx_late, 1);
	CHECK(!clock_runs());
}

/* So do the kicks of a guest that gets no tick. */
TEST(a_lost_message_is_made_up_for_by_a_kick)
{
	lose_both();
	for (unsigned i = 0; i < 15; i++) {
		send_one();
		CHECK(wire(100, 0));
		pass(10000);
	}
	CHECK_EQ(rings[VNET_RX].used->idx, 16);
	CHECK_EQ(nic->count.tx_late, 1);
}

/* A sender that keeps the chip's timer from running out misses no message. */
TEST(steady_sending_is_not_late)
{
	net_up(DEV_82574);
	c->at_once = true;
	for (unsigned i = 0; i < 100; i++) {
		send_one();
		pass(1000);
		hw->ops->tick(hw, host_now_us);
	}
	CHECK_EQ(nic->count.tx_late, 0);
	CHECK(nic->count.polls > 0 && nic->count.polls < 10);
	pass(2100);
	CHECK(!clock_runs());
}

/* A received frame's interrupt returns the frames that are sent, and they do not count as late. */
TEST(a_received_frame_brings_the_sent_ones)
{
	net_up(DEV_82574);
	for (unsigned i = 0; i < 8; i++)
		ring_add(&rings[VNET_RX], (struct piece[]) { { mem + 4096 + 2048 * i, 2048, true } }, 1);
	modern_kick(VNET_RX);
	for (unsigned i = 1; i <= 8; i++) {
		send_one();
		CHECK(!rang());
		CHECK(wire(100, 0));
		serve();
		CHECK_EQ(done(), i);
		CHECK_EQ(rings[VNET_RX].used->idx, i);
	}
	CHECK((int32_t)(nic->txq[0].eager - nic->txq[0].sent) <= 0);
}

/* The guest's tick, if it has one, finds them earlier than the chip's timer does. */
TEST(a_tick_returns_what_is_sent)
{
	net_up(DEV_82574);
	send_one();
	CHECK(clock_runs());
	chip_write_back(c);
	host_now_us += 1000;
	/* No message is expected for it but the one that finds its cause. */
	CHECK_EQ(hw->ops->tick(hw, host_now_us), 0);
	CHECK_EQ(done(), 1);
	CHECK(clock_runs());
	pass(1100);
	CHECK(!clock_runs());
	CHECK_EQ(nic->count.tx_late, 0);
}

/* A tick each millisecond comes before the chip's timer; a sender that waits for it must not get one frame a millisecond. */
TEST(a_sender_that_waits_for_ticks_becomes_prompt)
{
	unsigned waits = 0;

	net_up(DEV_82574);
	for (unsigned i = 1; i <= NIC_EAGER_FRAMES; i++) {
		send_one();
		serve();
		for (; done() != i; waits++) {
			host_now_us += 1000;
			chip_time();
			hw->ops->tick(hw, host_now_us);
		}
	}
	CHECK_EQ(waits, 1);
}

/* Frames that answers return are not waited for, though now and then a tick comes before the answer. */
TEST(a_tick_amid_answers_makes_nothing_prompt)
{
	net_up(DEV_82574);
	for (unsigned i = 0; i < 32; i++)
		ring_add(&rings[VNET_RX], (struct piece[]) { { mem + 4096 + 1536 * i, 1536, true } }, 1);
	modern_kick(VNET_RX);
	hw->ops->tick(hw, host_now_us);
	for (unsigned i = 0; i < 32; i++) {
		send_one();
		if (i % 4 == 3) {
			chip_time();
			hw->ops->tick(hw, host_now_us);
			CHECK_EQ(done(), i + 1);
		}
		CHECK(wire(100, 0));
		pass(300);
		CHECK_EQ(done(), i + 1);
	}
	CHECK((int32_t)(nic->txq[0].eager - nic->txq[0].done) <= 0);
}

/* The numbers of prompt frames of long ago, when the counters of frames have gone round half their range. */
TEST(old_prompt_frames_are_not_those_to_come)
{
	struct nic_txq *t;

	net_up(DEV_82574);
	t = &nic->txq[0];
	for (unsigned i = 0; i < 2 * NIC_EAGER_FRAMES + 1; i++) {
		send_one();
		pass(2100);
	}
	c->at_once = true;
	for (unsigned i = 0; i < 8; i++) {
		CHECK(t->sent == t->done);
		t->sent = t->kicked = t->done = t->done + 0x40000000;
		for (unsigned k = 0; k < 3; k++) {
			send_one();
			CHECK_EQ(done(), (uint16_t)sent);
			CHECK((int32_t)(t->eager - t->sent) <= 0 && !nic_tx_rings(nic, 0));
		}
	}
}

TEST_MAIN
