/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hw/nic/nic.c hw/nic/rtl8139/rtl8139.c hw/nic/rtl8139/rtl8139_rings.c hw/nic/rtl8139/rtl8139_pci.c */
/* sources: hv/lib/sg.c */
/* The RTL8139 driver on its register model. */
#include "rtl8139_fixture.h"


static int probe(void) { return rig_probe(c->pci); }

static void start(void)
{
	CHECK_EQ(probe(), 0);
	rig_start();
}

static void up(void)
{
	make();
	start();
}

static uint8_t *frame_to(const uint8_t mac[6], uint32_t len, unsigned seed)
{
	static uint8_t f[8192];

	for (uint32_t i = 0; i < len; i++)
		f[i] = (uint8_t)(i * 7 + seed * 13);
	memcpy(f, mac, 6);
	return f;
}

static bool wire(uint32_t len, unsigned seed)
{
	return chip_receive(c, frame_to(nic->mac, len, seed), len);
}

/* --- probe --- */

TEST(probe_takes_it_over)
{
	make();
	CHECK_EQ(probe(), 0);
	CHECK_EQ(c->resets, 1);
	CHECK(!memcmp(nic->mac, c->eeprom_mac, 6));
	CHECK_EQ(chip_get(c, RTL_IMR, 2), 0);
	CHECK_EQ(c->r[RTL_CR], 0);
	CHECK_EQ(chip_get(c, RTL_MULINT, 2), 0);
	CHECK_EQ(nic->caps, NIC_CAP_RX_COPY | NIC_CAP_TX_COPY);
	CHECK(host_heap_used() < 48 * 1024);
	CHECK(host_log_has("rtl8139-0: RTL8139 at 00:03.0, version 74000000, MAC 52:54:00:12:34:56, link up 100 Mb/s full"));
}

TEST(ids_are_known_once)
{
	const struct hw_driver *d = __start_veneer_drivers[0];

	for (unsigned i = 0; i < d->nids; i++)
		for (unsigned k = 0; k < i; k++)
			CHECK(d->ids[i].vendor != d->ids[k].vendor || d->ids[i].device != d->ids[k].device);
}

TEST(registers_are_found_whatever_the_bar)
{
	make();
	c->pci->bar[0] = c->pci->bar[1];
	c->pci->bar[1] = (struct pci_bar) { .addr = 0xc000, .size = 256, .io = true };
	CHECK_EQ(probe(), 0);
	make();
	c->pci->bar[1].addr = 0;
	CHECK_EQ(probe(), -ERR_NODEV);
	c->pci->bar[1].size = 0;
	CHECK_EQ(probe(), -ERR_NODEV);
}

TEST(probe_fails_cleanly)
{
	for (unsigned n = 1; n <= 3; n++) {
		make();
		host_heap_fail_at(n);
		CHECK_EQ(probe(), -ERR_NOMEM);
		host_heap_fail_at(0);
		CHECK_EQ(host_heap_used(), 0);
	}
	make();
	c->reset_stuck = true;
	CHECK_EQ(probe(), -ERR_TIMEOUT);
	CHECK_EQ(host_heap_used(), 0);
	CHECK(!chip_master(c));
	CHECK_EQ(chip_get(c, RTL_IMR, 2), 0);
	CHECK(host_log_has("rtl8139-0: reset does not end, CR 1d"));
	make();
	c->gone = true;
	CHECK_EQ(probe(), -ERR_NODEV);
	CHECK_EQ(host_heap_used(), 0);
}

TEST(a_nic_that_cannot_be_watched_is_not_taken_over)
{
	make();
	rig_no_watch = true;
	CHECK_EQ(probe(), -ERR_NOMEM);
	CHECK_EQ(host_heap_used(), 0);
	CHECK(!chip_master(c));
	rig_no_watch = false;
	CHECK_EQ(probe(), 0);
}

TEST(no_more_frames_are_taken_than_there_are_tokens)
{
	uint64_t ram = host_guest_ram(4096);

	up();
	c->tx_hang = true;
	for (unsigned i = 0; i < RTL_TX_SLOTS; i++)
		CHECK_EQ(send_at(ram, 100, i), 0);
	CHECK_EQ(send_at(ram, 100, 9), -ERR_BUSY);
	CHECK_EQ(nic->count.tx_busy, 1);
	kick();
	c->tx_hang = false;
	chip_send(c);
	CHECK_EQ(hw->ops->poll(hw), RTL_TX_SLOTS);
	CHECK_EQ(send_at(ram, 100, 9), 0);
}

TEST(mac_is_loaded_from_the_eeprom_when_it_is_missing)
{
	make();
	memset(c->r + RTL_IDR, 0, 6);
	CHECK_EQ(probe(), 0);
	CHECK_EQ(c->autoloads, 1);
	CHECK(!memcmp(nic->mac, c->eeprom_mac, 6));
	make();
	c->r[RTL_IDR] |= 1;
	c->autoload_stuck = true;
	CHECK_EQ(probe(), -ERR_INVAL);
	CHECK(host_log_has("the EEPROM is not loaded, 9346CR 40"));
	CHECK(host_log_has("no valid MAC address (IDR 12005453 00005634)"));
}

TEST(an_old_chip_is_woken)
{
	make();
	c->version = HWVER_8139A;
	c->sleeping = true;
	c->r[RTL_CONFIG1] = CONFIG1_SLEEP | CONFIG1_PWRDN | 0x0c;
	CHECK_EQ(probe(), 0);
	CHECK(!c->sleeping);
	make();
	c->r[RTL_CONFIG1] = BIT(0);		/* power management of later chips: a write would fail in the model */
	CHECK_EQ(probe(), 0);
}

TEST(a_cplus_chip_is_put_into_classic_mode)
{
	make();
	c->pci->revision = 0x20;
	CHECK_EQ(probe(), 0);
	CHECK_EQ(c->cpcr_writes, 0);
	make();
	c->pci->revision = 0x20;
	c->cplus_stays = true;
	chip_put(c, RTL_CPCR, 2, CPCR_TX | CPCR_RX);
	CHECK_EQ(probe(), 0);
	CHECK_EQ(c->cpcr_writes, 1);
	CHECK_EQ(chip_get(c, RTL_CPCR, 2), 0);
}

TEST(link_is_decoded)
{
	struct nic_link l;

	up();
	nic_link(nic, &l);
	CHECK(l.up && l.full_duplex && l.mbps == 100);
	c->slow = true;
	nic_link(nic, &l);
	CHECK(l.up && l.full_duplex && l.mbps == 10);
	c->slow = false;
	c->partner_half = true;
	nic_link(nic, &l);
	CHECK(l.up && !l.full_duplex);
	c->partner_half = false;
	c->partner_mute = true;
	nic_link(nic, &l);
	CHECK(l.up && !l.full_duplex);
	chip_put(c, RTL_BMCR, 2, BMCR_FULL);
	nic_link(nic, &l);
	CHECK(l.full_duplex);
	c->link = false;
	nic_link(nic, &l);
	CHECK(!l.up && !l.mbps);
}

TEST(a_link_change_is_told_once)
{
	up();
	chip_link(c, false);
	CHECK(c->line);
	CHECK_EQ(hw->ops->poll(hw), 1);
	CHECK(!c->line);
	CHECK_EQ(got.links, 1);
	CHECK(host_log_has("rtl8139-0: link down"));
	chip_cause(c, INT_PUN);			/* the same cause, for a write to CAPR while the ring is empty */
	CHECK_EQ(hw->ops->poll(hw), 1);
	CHECK_EQ(got.links, 1);
	chip_link(c, true);
	hw->ops->poll(hw);
	CHECK_EQ(got.links, 2);
	CHECK_EQ(got.flushes, 0);
}

/* --- transmit --- */

TEST(frames_of_many_fragments_go_out_whole)
{
	uint64_t ram = host_guest_ram(1 << 16);
	uint8_t *p = (uint8_t *)(uintptr_t)ram, want[NIC_FRAME_MAX];

	for (unsigned i = 0; i < 1 << 16; i++)
		p[i] = (uint8_t)(i * 31 >> 3);
	up();
	for (unsigned round = 0; round < 200; round++) {
		unsigned n = 1 + round % NIC_MAX_FRAGS;
		struct sg sg[NIC_MAX_FRAGS];
		uint32_t len = 0;

		for (unsigned i = 0; i < n; i++) {
			sg[i] = (struct sg) { ram + (round * 977 + i * 1501) % 60000, i ? 1 + (round * i) % 70 : 14 + round };
			memcpy(want + len, (void *)(uintptr_t)sg[i].addr, sg[i].len);
			len += sg[i].len;
		}
		struct nic_tx t = { .frag = sg, .nfrag = n, .len = len, .token = TOKEN(round) };

		CHECK_EQ(nic_tx(nic, 0, &t), 0);
		CHECK_EQ(c->nsent, round);		/* nothing before the kick */
		kick();
		CHECK_EQ(c->nsent, round + 1);
		CHECK_EQ(c->sent[round].len, MAX(len, 60u));
		CHECK(!memcmp(c->sent[round].data, want, len));
		for (uint32_t i = len; i < 60; i++)
			CHECK_EQ(c->sent[round].data[i], 0);
		hw->ops->poll(hw);
		CHECK_EQ(got.ntx, round + 1);
		CHECK(got.tx[round] == TOKEN(round));
	}
}

TEST(a_full_ring_is_busy_and_frees_in_order)
{
	uint64_t ram = host_guest_ram(4096);
	unsigned sent = 0;

	up();
	for (unsigned round = 0; round < 40; round++) {
		c->tx_hang = true;
		while (!send_at(ram, 100, sent))
			sent++;
		CHECK_EQ(sent - got.ntx, RTL_TX_SLOTS);
		CHECK_EQ(clock_holds, 1);
		kick();
		hw->ops->poll(hw);
		CHECK_EQ(got.ntx, round * RTL_TX_SLOTS);
		c->tx_hang = false;
		chip_send(c);
		CHECK(hw->ops->poll(hw) == RTL_TX_SLOTS);
		CHECK_EQ(clock_holds, 0);
	}
	for (unsigned i = 0; i < sent; i++)
		CHECK(got.tx[i] == TOKEN(i));
	CHECK_EQ(got.flushes, 40);
}

TEST(bad_frames_are_refused)
{
	uint64_t ram = host_guest_ram(4096);
	struct sg two[2] = { { ram, 60 }, { ram, 60 } };
	struct nic_tx t = { .frag = two, .nfrag = 2, .len = 119, .token = TOKEN(0) };

	up();
	CHECK_EQ(send_at(ram, 13, 0), -ERR_INVAL);
	CHECK_EQ(send_at(ram, NIC_FRAME_MAX + 1, 0), -ERR_INVAL);
	CHECK_EQ(nic_tx(nic, 0, &t), -ERR_INVAL);
	t.len = 120;
	t.flags = NIC_TX_CSUM;
	CHECK_EQ(nic_tx(nic, 0, &t), -ERR_INVAL);
	t.flags = 0;
	CHECK_EQ(nic_tx(nic, 0, &t), 0);
	kick();
	CHECK_EQ(c->nsent, 1);
	nic_stop(nic);
	CHECK_EQ(send_at(ram, 60, 0), -ERR_BUSY);
}

TEST(an_aborted_frame_is_sent_again)
{
	uint64_t ram = host_guest_ram(4096);

	up();
	c->aborts = 3;
	for (unsigned i = 0; i < 3; i++)
		CHECK_EQ(send_at(ram, 200 + i, i), 0);
	kick();
	CHECK_EQ(c->nsent, 0);
	for (unsigned i = 0; i < 4; i++)
		hw->ops->poll(hw);
	CHECK_EQ(c->retries, 3);
	CHECK_EQ(c->nsent, 3);
	CHECK_EQ(got.ntx, 3);
	for (unsigned i = 0; i < 3; i++)
		CHECK_EQ(c->sent[i].len, 200 + i);
}

TEST(underruns_raise_the_threshold)
{
	uint64_t ram = host_guest_ram(4096);

	up();
	c->underrun = true;
	for (unsigned i = 0; i < 5; i++) {
		CHECK_EQ(send_at(ram, 1000, i), 0);
		kick();
		hw->ops->poll(hw);
		CHECK_EQ(got.ntx, i + 1);
	}
	CHECK_EQ(c->nsent, 4);		/* one frame is lost, as frames may be */
}

TEST(a_hanging_transmitter_is_reset_and_gives_its_tokens_back)
{
	uint64_t ram = host_guest_ram(4096);

	up();
	c->tx_hang = true;
	for (unsigned i = 0; i < 5; i++)
		(void)send_at(ram, 100, i);
	kick();
	hw->ops->tick(hw, host_now_us);
	hw->ops->tick(hw, host_now_us + NIC_HANG_US - 1);
	CHECK_EQ(got.ntx, 0);
	hw->ops->tick(hw, host_now_us + NIC_HANG_US);
	CHECK_EQ(got.ntx, 4);
	CHECK_EQ(clock_holds, 0);
	CHECK(host_log_has("transmitter hangs: TSD0 00080064"));
	c->tx_hang = false;
	CHECK_EQ(send_at(ram, 100, 9), 0);
	kick();
	CHECK_EQ(c->nsent, 1);
	CHECK(wire(100, 1));
	CHECK_EQ(hw->ops->poll(hw), 2);
	CHECK_EQ(got.nrx, 1);
}

TEST(a_lost_interrupt_and_a_missing_link_are_no_hang)
{
	uint64_t ram = host_guest_ram(4096);

	up();
	c->tx_lost_irq = true;
	CHECK_EQ(send_at(ram, 100, 0), 0);
	kick();
	hw->ops->tick(hw, host_now_us);
	hw->ops->tick(hw, host_now_us + 2 * NIC_HANG_US);
	CHECK_EQ(got.ntx, 1);
	CHECK(host_log_has("frames were completed without an interrupt"));
	c->tx_lost_irq = false;
	chip_link(c, false);
	hw->ops->poll(hw);
	unsigned resets = c->resets;
	CHECK_EQ(send_at(ram, 100, 1), 0);
	kick();
	hw->ops->tick(hw, host_now_us);
	hw->ops->tick(hw, host_now_us + 2 * NIC_HANG_US);
	CHECK_EQ(c->resets, resets);
	chip_link(c, true);
	hw->ops->poll(hw);
	CHECK_EQ(got.ntx, 2);
}

/* --- receive --- */

TEST(frames_arrive_in_order_around_the_ring)
{
	unsigned n = 0;

	up();
	for (unsigned round = 0; round < 150; round++) {
		for (unsigned i = 0; i < 1 + round % 12; i++, n++)
			CHECK(wire(60 + (n * 397) % (NIC_FRAME_MAX - 59), n));
		hw->ops->poll(hw);
		CHECK_EQ(got.nrx, n);
	}
	for (unsigned i = 0; i < n; i++) {
		uint32_t len = 60 + (i * 397) % (NIC_FRAME_MAX - 59);

		CHECK_EQ(got.rx_len[i], len);
		CHECK_EQ(got.rx_sum[i], sum_bytes(frame_to(nic->mac, len, i), len));
	}
	CHECK_EQ(c->missed, 0);
	CHECK_EQ(c->restarts, 1);
}

TEST(an_overflow_is_recovered_from)
{
	up();
	for (unsigned round = 0; round < 10; round++) {
		unsigned before = got.nrx, n = 0;

		while (wire(1000, n))
			n++;
		CHECK(n > 30);
		CHECK_EQ(hw->ops->poll(hw), n);
		CHECK_EQ(got.nrx, before + n);
		CHECK_EQ(chip_get(c, RTL_ISR, 2) & RTL_CAUSES, 0);
		CHECK(!c->line);
	}
	CHECK_EQ(c->missed, 10);
}

TEST(a_bad_header_restarts_the_receiver)
{
	static const uint16_t bad[][2] = {
		{ RX_ROK, 5 }, { RX_ROK, 0x7000 }, { 0x0003, 64 }, { 0, 64 }, { RX_ROK | BIT(2), 100 },
	};

	for (unsigned kind = 0; kind < 2; kind++) {
		make();
		c->emulated = kind;
		start();
		for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
			unsigned before = got.nrx, restarts = c->restarts;

			CHECK(wire(100, i));
			c->bad_status = bad[i][0];
			c->bad_len = bad[i][1];
			CHECK(wire(200, i));
			CHECK(wire(300, i));
			hw->ops->poll(hw);
			CHECK_EQ(got.nrx, before + 1);
			CHECK_EQ(c->restarts, restarts + 1);
			CHECK(wire(400, i));
			hw->ops->poll(hw);
			CHECK_EQ(got.nrx, before + 2);
			CHECK_EQ(got.rx_len[got.nrx - 1], 400);
		}
	}
	CHECK(host_log_has("no valid frame at 0x"));
}

TEST(an_unfinished_frame_waits)
{
	up();
	c->bad_status = RX_ROK;
	c->bad_len = RX_UNFINISHED;
	CHECK(wire(100, 1));
	hw->ops->poll(hw);
	CHECK_EQ(got.nrx, 0);
	CHECK_EQ(c->restarts, 1);
	((uint16_t *)(uintptr_t)chip_get(c, RTL_RBSTART, 4))[1] = 104;
	host_now_us += 100;
	chip_time(c);
	CHECK(c->line);			/* the poll has asked for another interrupt */
	hw->ops->poll(hw);
	CHECK_EQ(got.nrx, 1);
}

TEST(frames_too_long_for_the_client_are_dropped_whole)
{
	up();
	for (unsigned i = 0; i < 100; i++) {
		CHECK(wire(i & 1 ? 100 : 1519 + i * 25, i));
		hw->ops->poll(hw);
	}
	CHECK_EQ(got.nrx, 50);
	CHECK_EQ(c->restarts, 1);
}

TEST(a_client_without_buffers_loses_frames_only)
{
	up();
	got.refuse = true;
	for (unsigned i = 0; i < 200; i++) {
		CHECK(wire(1000, i));
		hw->ops->poll(hw);
	}
	got.refuse = false;
	CHECK(wire(1000, 0));
	hw->ops->poll(hw);
	CHECK_EQ(got.nrx, 1);
}

/* --- the line --- */

TEST(a_line_has_fallen_after_every_poll)
{
	uint64_t ram = host_guest_ram(4096);

	up();
	for (unsigned i = 0; i < 50; i++) {
		unsigned edges = c->edges;

		CHECK(wire(100, i));
		CHECK_EQ(c->edges, edges + 1);
		CHECK_EQ(send_at(ram, 100, i), 0);
		kick();
		CHECK(hw->ops->poll(hw) > 0);
		CHECK(!c->line);
		CHECK_EQ(hw->ops->poll(hw), 0);
	}
}

static unsigned storm;

static void more_frames(void)
{
	if (storm) {
		storm--;
		wire(64, 1);
	}
}

TEST(a_storm_ends_a_poll_that_rings_again)
{
	up();
	storm = 3000;
	got.in_rx = more_frames;
	CHECK(wire(64, 1));
	unsigned polls = 0;

	while (storm || c->line) {
		unsigned edges = c->edges;

		CHECK(hw->ops->poll(hw) <= 3 * 256);
		host_now_us += 100;
		chip_time(c);
		CHECK(!storm || c->edges > edges);	/* without an edge the doorbell would stay silent for ever */
		got.nrx = 0;
		CHECK(++polls < 100);
	}
}

TEST(the_line_can_be_tried)
{
	up();
	hw->ops->irq_enable(hw, false);
	for (unsigned i = 0; i < 3; i++) {
		unsigned edges = c->edges;

		hw->ops->intx_test(hw, true);
		chip_time(c);
		CHECK(c->line);
		CHECK_EQ(c->edges, edges + 1);
		hw->ops->intx_test(hw, false);
		CHECK(!c->line);
	}
	host_now_us += 100000;
	chip_time(c);
	CHECK_EQ(chip_get(c, RTL_ISR, 2), 0);
	CHECK_EQ(chip_get(c, RTL_IMR, 2), 0);
}

/* --- filter --- */

static bool passes(const uint8_t mac[6])
{
	unsigned before = got.nrx;

	if (!chip_receive(c, frame_to(mac, 100, 1), 100))
		return false;
	hw->ops->poll(hw);
	CHECK_EQ(got.nrx, before + 1);
	return true;
}

TEST(filters_are_wider_never_narrower)
{
	static const uint8_t other[6] = { 2, 0, 0, 0, 0, 9 }, bcast[6] = { 255, 255, 255, 255, 255, 255 };
	static const uint8_t mcast[3][6] = {
		{ 1, 0, 0x5e, 0, 0, 1 }, { 0x33, 0x33, 0, 0, 0, 1 }, { 1, 0x80, 0xc2, 0, 0, 0x0e },
	};

	for (unsigned kind = 0; kind < 2; kind++) {
		make();
		c->emulated = kind;
		start();
		CHECK(passes(nic->mac) && passes(bcast) && !passes(other) && !passes(mcast[0]));

		nic_set_filter(nic, &(struct nic_rx_filter) { .nmcast = 3, .mcast = mcast });
		for (unsigned i = 0; i < 3; i++)
			CHECK(passes(mcast[i]));
		CHECK(passes(nic->mac) && passes(bcast) && !passes(other));

		nic_set_filter(nic, &(struct nic_rx_filter) { .promisc = true });
		CHECK(passes(mcast[0]) && passes(other));
		nic_set_filter(nic, &(struct nic_rx_filter) { .allmulti = true });
		CHECK(passes(mcast[1]) && !passes(other));
		nic_set_filter(nic, &(struct nic_rx_filter) { .nmac = 1, .mac = &other });
		CHECK(passes(other));
		nic_set_filter(nic, &(struct nic_rx_filter) { .nobcast = true, .nouni = true, .nomulti = true });
		CHECK(!passes(bcast) && !passes(nic->mac) && !passes(mcast[0]));

		/* Filter and address are the same after a reset. */
		nic_set_filter(nic, &(struct nic_rx_filter) { .nmcast = 1, .mcast = mcast });
		nic_set_mac(nic, other);
		nic_stop(nic);
		CHECK_EQ(nic_start(nic), 0);
		CHECK(passes(mcast[0]) && passes(other) && !passes(nic->mac));
	}
}

/* --- close --- */

TEST(nothing_is_touched_after_stop)
{
	uint64_t ram = host_guest_ram(4096);

	up();
	for (unsigned i = 0; i < 3; i++)
		CHECK_EQ(send_at(ram, 100, i), 0);
	CHECK(wire(100, 1));
	nic_stop(nic);
	CHECK(!wire(100, 1));
	CHECK_EQ(c->nsent, 0);
	kick();
	hw->ops->poll(hw);
	CHECK_EQ(got.ntx + got.nrx + got.flushes, 0);
	CHECK_EQ(nic_start(nic), 0);
	CHECK(wire(100, 1));
	CHECK_EQ(send_at(ram, 100, 7), 0);
	kick();
	CHECK(c->line);
	CHECK_EQ(hw->ops->poll(hw), 2);
	CHECK(got.tx[0] == TOKEN(7));
}

TEST(stop_ends_a_chip_that_does_not_reset)
{
	up();
	c->reset_stuck = true;
	nic_stop(nic);
	CHECK(!chip_master(c));
	CHECK(host_log_has("stopped by disabling its bus mastering"));
	CHECK_EQ(nic_start(nic), -ERR_TIMEOUT);
	CHECK(!chip_master(c));
	c->reset_stuck = false;
	c->r[RTL_CR] = 0;
	CHECK_EQ(nic_start(nic), 0);
	CHECK(chip_master(c));
	CHECK(wire(100, 1));
}

static void stop_it(void) { nic_stop(nic); }

TEST(a_client_may_stop_from_its_callbacks)
{
	uint64_t ram = host_guest_ram(4096);

	up();
	CHECK(wire(100, 1) && wire(100, 2));
	got.in_rx = stop_it;
	hw->ops->poll(hw);
	CHECK_EQ(got.nrx, 1);
	got.in_rx = NULL;
	got.in_tx = stop_it;
	CHECK_EQ(nic_start(nic), 0);
	for (unsigned i = 0; i < 3; i++)
		CHECK_EQ(send_at(ram, 100, i), 0);
	kick();
	hw->ops->poll(hw);
	CHECK_EQ(got.ntx, 1);
	CHECK(wire(100, 1) == false);
}

static void restart_it(void)
{
	got.in_tx = NULL;
	nic_stop(nic);
	CHECK_EQ(nic_start(nic), 0);
}

/* The ring's frame numbers start again; the counters stay. */
TEST(a_client_may_start_again_from_its_callbacks)
{
	uint64_t ram = host_guest_ram(4096);

	up();
	for (unsigned i = 0; i < 3; i++)
		CHECK_EQ(send_at(ram, 100, i), 0);
	kick();
	hw->ops->poll(hw);
	CHECK_EQ(nic->count.tx_packets, 3);
	for (unsigned i = 0; i < 2; i++)
		CHECK_EQ(send_at(ram, 100, i), 0);
	kick();
	got.in_tx = restart_it;
	hw->ops->poll(hw);
	CHECK(nic->count.tx_packets <= 5);
	CHECK_EQ(send_at(ram, 100, 9), 0);
	kick();
	hw->ops->poll(hw);
	CHECK(got.tx[got.ntx - 1] == TOKEN(9));
	CHECK(nic->count.tx_packets <= 6);
}

/* A client may also kick after frames that it could not queue. */
TEST(a_kick_without_a_frame_tells_the_chip_nothing)
{
	up();
	kick();
	CHECK_EQ(c->nsent, 0);
	CHECK(!*nic->watch);
}

/* The chip has no descriptors in memory that a peek could look at. */
TEST(the_polling_core_leaves_the_card_to_its_doorbell)
{
	up();
	CHECK(!hw->ops->peek(hw));
	CHECK(!hw->ops->mask(hw, true));
}

TEST(shutdown_is_for_good)
{
	up();
	hw->ops->shutdown(hw);
	hw->ops->shutdown(hw);
	CHECK(!chip_master(c));
	CHECK_EQ(c->r[RTL_CR], 0);
	CHECK_EQ(nic_start(nic), -ERR_NODEV);
	CHECK_EQ(hw->ops->poll(hw), 0);
}

TEST(a_device_that_is_gone_does_not_hang)
{
	up();
	c->gone = true;
	hw->ops->poll(hw);
	hw->ops->poll(hw);
	CHECK(host_log_has("registers read all ones: the device is gone"));
	nic_stop(nic);
	CHECK(host_log_has("reset does not end"));
}

TEST_MAIN
