/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A chip's model behind virtio-net, and a guest that sends: tests of a transmitter that stops.  As on a machine, the guest
 * kicks only if the device asks for kicks, and a tick comes only while the clock runs.  The test that includes this has the
 * chip's fixture before it, before that host/twin.h and virtio/net/net.h, and:
 *   static void net_chip(void)	make the chip (not probed yet)
 *   static bool net_rings(void)	the chip has interrupted since the last call
 */

#define NO_EVENT	(~0ull & ~VIRTIO_F_EVENT_IDX)

static struct ring rings[3];
static uint8_t *mem;
static unsigned sent, net_credits;

static void net_chip(void);
static bool net_rings(void);

/* Messages that may come though their work is done. */
void doorbell_credit(struct owner *o, unsigned n) { net_credits += n; }

static void net_up(void)
{
	struct virtio_place place = twin_place();

	twin_reset();
	net_chip();
	CHECK_EQ(rig_probe(c->pci), 0);

	struct virtio_net_conf conf = { .nic = nic };
	struct virtio_dev *dev = virtio_net_new("net0", &conf, &place);

	CHECK(dev != NULL);
	hw->ops->irq_enable(hw, true);
	mem = guest_alloc(1 << 16);
	mem[12] = 2;
	sent = 0;
	modern_up(rings, 3, NO_EVENT, 64);
	(void)net_rings();
}

static void net_poll(void)
{
	while (net_rings())
		hw->ops->poll(hw);
}

static void net_send(bool kick_always)
{
	ring_add(&rings[VNET_TX], (struct piece[]) { { mem, 12 + 100 + sent % 1000 } }, 1);
	sent++;
	if (kick_always || !(rings[VNET_TX].used->flags & VRING_USED_NO_NOTIFY))
		modern_kick(VNET_TX);
}

static unsigned net_done(void) { return rings[VNET_TX].used->idx; }

static bool net_clock_runs(void) { return twin_clock_holds || *nic->watch; }

/* Halt the guest for this time: it takes interrupts of its timer and its NIC. */
static void net_wait(unsigned ms)
{
	for (unsigned i = 0; i < ms; i += 4) {
		host_now_us += 4000;
		if (rig_time)
			rig_time();
		if (net_clock_runs())
			hw->ops->tick(hw, host_now_us);
		net_poll();
	}
}

static void net_works(void)
{
	unsigned before = c->nsent;

	for (unsigned i = 0; i < 10; i++) {
		net_send(false);
		net_poll();
		net_wait(4);
	}
	CHECK_EQ(net_done(), (uint16_t)sent);
	CHECK(c->nsent >= before + 10);
	CHECK(!net_clock_runs());		/* an idle guest has no exits */
}

/* One frame is in flight, and the guest waits for it: neither a kick nor an interrupt will come. */
TEST(a_transmitter_that_hangs_with_one_frame_under_way_is_found)
{
	net_up();
	c->tx_hang = true;
	net_send(false);
	net_wait(1900);
	CHECK_EQ(net_done(), 0);
	c->tx_hang = false;			/* the reset ends the hang; the frames that hung are not sent */
	c->tx_stuck = true;
	net_wait(1000);
	CHECK_EQ(net_done(), 1);
	CHECK(host_log_has("transmitter hangs"));
	net_works();
}

/* The guest sends until its queue is full; the hardware's ring still has room. */
TEST(a_full_queue_before_a_ring_with_room_is_found)
{
	net_up();
	c->tx_stuck = true;
	for (unsigned i = 0; i < 40; i++) {
		net_send(false);
		net_poll();
	}
	net_wait(5000);
	CHECK_EQ(net_done(), 40);
	CHECK(host_log_has("transmitter hangs"));
	net_works();
}

/* The hang comes after many good frames, and the guest retries as TFTP does. */
TEST(a_chip_that_hangs_after_many_frames_recovers)
{
	net_up();
	for (unsigned i = 0; i < 20; i++)
		net_works();
	c->tx_stuck = true;
	for (unsigned i = 0; i < 3; i++) {
		net_send(false);
		net_wait(1000);
	}
	CHECK(host_log_has("transmitter hangs"));
	CHECK(!host_log_has("does not recover"));
	net_works();
}

TEST(a_lost_doorbell_is_made_up_for)
{
	net_up();
	c->tx_lost_irq = true;
	net_send(false);
	net_poll();
	CHECK_EQ(net_done(), 0);
	net_wait(60);
	CHECK_EQ(net_done(), 1);
	CHECK(host_log_has("without an interrupt"));
	CHECK(!host_log_has("hangs"));
	c->tx_lost_irq = false;
	net_works();
}

/* If the guest takes no interrupts there is no tick: a kick checks the age of the oldest frame. */
TEST(a_kick_finds_what_no_tick_can)
{
	net_up();
	c->tx_stuck = true;
	for (unsigned i = 0; i < 5; i++) {
		net_send(true);
		host_now_us += 1000000;
	}
	CHECK(host_log_has("transmitter hangs"));
	net_works();
}

/* The frames are sent, but the interrupt is late: a kick finds them, and the interrupt then finds nothing. */
TEST(a_kick_that_finds_frames_expects_their_interrupt)
{
	net_up();
	net_credits = 0;
	net_send(true);
	host_now_us += 30000;
	net_send(true);
	host_now_us += 30000;
	net_send(true);
	CHECK(net_done() >= 2);
	CHECK_EQ(net_credits, net_done());
	net_poll();
	net_works();
}

/* Without a link frames are not watched; from the link's return on they are. */
TEST(a_hang_behind_a_lost_link_is_found_when_the_link_returns)
{
	net_up();
	chip_link(c, false);
	net_poll();
	net_send(false);
	CHECK(!net_clock_runs());
	net_wait(4000);
	CHECK(!host_log_has("hangs"));
	c->tx_stuck = true;
	chip_link(c, true);
	net_poll();
	CHECK(net_clock_runs());
	net_wait(3000);
	CHECK(host_log_has("transmitter hangs"));
	CHECK_EQ(net_done(), 1);
	net_works();
}

TEST(a_stopped_device_leaves_no_clock_running)
{
	net_up();
	c->tx_stuck = true;
	net_send(false);
	CHECK(net_clock_runs());
	guest_write(TWIN_BAR4 + COMMON_STATUS, 1, 0);
	CHECK(!net_clock_runs());
}

TEST_MAIN
