/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hw/nic/nic.c hw/nic/intel/intel.c hw/nic/intel/intel_tx.c hw/nic/intel/intel_rx.c hw/nic/intel/intel_mac.c */
/* sources: hw/nic/intel/intel_phy.c hw/nic/intel/igb.c hw/nic/intel/igb_desc.c hw/nic/intel/igb_pci.c hw/nic/intel/igc.c */
/* sources: hw/nic/intel/igc_pci.c hv/lib/sg.c */
/* sources: tests/models/model.c tests/models/igc.c tests/models/igc_phy.c tests/models/igc_rings.c */
/* sources: tests/models/igc_offload.c tests/models/pch.c tests/models/pch_phy.c hw/nic/intel/intel_rx_long.c */
/*
 * The driver on I225 and I226, from probe to close, on the model that Linux's driver accepts, and where these chips differ from
 * igb.
 */
#include "igc_fixture.h"

static const char *const all[] = { "i225", "i225lm", "i226", "i226lm" };
static uint8_t *ram;

/* Start the driver, after power_on(). */
static void start(void)
{
	CHECK_EQ(rig_probe(c->pci), 0);
	rig_start();
	hw->ops->poll(hw);		/* acknowledge that the link came up */
	ram = (uint8_t *)(uintptr_t)host_guest_ram(1 << 16);
}

static void up(const char *name)
{
	make(name);
	start();
}

static void send(uint32_t len, void *token)
{
	struct sg sg = { (uintptr_t)ram, len };
	struct nic_tx t = { .frag = &sg, .nfrag = 1, .len = len, .token = token };

	CHECK_EQ(nic_tx(nic, 0, &t), 0);
	nic_tx_kick(nic, 0);
}

static void post(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		CHECK_EQ(nic_rx_post(nic, 0, (uintptr_t)ram + 2048 * i, NIC_FRAME_MAX, (void *)(uintptr_t)(i + 1)), 0);
	nic_rx_kick(nic, 0);
}

static bool hear(uint32_t len)
{
	static uint8_t frame[2048];

	memset(frame, 7, sizeof(frame));
	memcpy(frame, nic->mac, 6);
	return wire_frame(frame, len);
}

/* --- probe --- */

TEST(all_chips_have_an_address_a_link_of_2500_and_one_vector)
{
	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		up(all[i]);
		CHECK(!memcmp(nic->mac, c->m.mac, 6));
		CHECK_EQ(*reg(I_GPIE), 0);
		CHECK(!(*reg(I_RCTL) & I_RCTL_LPE));
		CHECK(*reg(I_CTRL_EXT) & 0x10000000);
		CHECK_EQ(*reg(I_EEER) & 0x70000, 0);
		CHECK_EQ(*reg(I_IPCNFG) & 0x1c, 0);
		CHECK_EQ(c->m.phy_resets, 0);
		CHECK_EQ(*reg(I_SW_FW_SYNC), 0);
		CHECK_EQ(c->cfg[CAP_EXP + 16], 0x40);
	}
	CHECK(host_log_has("igc0: I225-V at 03:00.0, MAC 52:54:00:02:25:01, link up 2500 Mb/s full duplex"));
	CHECK(host_log_has("igc0: ASPM off, Link Control was 0043"));
}

TEST(speeds_are_told_apart)
{
	static const unsigned speeds[] = { 10, 100, 1000, 2500 };
	struct nic_link link;

	for (unsigned i = 0; i < ARRAY_SIZE(speeds); i++) {
		make_off("i226");
		c->m.mbps = speeds[i];
		power_on();
		CHECK_EQ(rig_probe(c->pci), 0);
		nic_link(nic, &link);
		CHECK(link.up);
		CHECK_EQ(link.mbps, speeds[i]);
	}
}

TEST(packet_buffers_that_another_driver_left_small_are_mended)
{
	make_off("i225");
	c->m.pbs_left = true;
	power_on();
	start();
	send(1500, ram);
	CHECK_EQ(c->nsent, 1);
	post(4);
	CHECK(hear(1514));
	CHECK_EQ(*reg(I_RXPBS), I_RXPBS_DEFAULT);
	CHECK_EQ(*reg(I_TXPBS), I_TXPBS_DEFAULT);
}

TEST(a_phy_that_was_left_off_is_woken_and_a_late_link_is_told)
{
	make_off("i225");
	c->m.phy_off = true;
	c->m.autoneg_us = 3000000;
	power_on();
	CHECK_EQ(rig_probe(c->pci), 0);
	CHECK(host_log_has("igc0: PHY was powered down, BMCR"));
	rig_start();
	CHECK_EQ(got.links, 0);
	host_now_us += 3100000;
	c->m.m.ops->run(&c->m.m);
	CHECK_EQ(c->msis, 1);
	hw->ops->poll(hw);
	CHECK_EQ(got.links, 1);
	chip_link(c, false);
	hw->ops->poll(hw);
	CHECK_EQ(got.links, 2);
}

TEST(the_phy_is_waited_for_and_given_back)
{
	make_off("i225");
	c->m.fw_has_phy = 3;
	power_on();
	CHECK_EQ(rig_probe(c->pci), 0);		/* the model fails on an access to MDIC without ownership */
	CHECK_EQ(c->m.fw_has_phy, 0);
	make_off("i225");
	c->m.fw_has_phy = 100000;
	power_on();
	CHECK_EQ(rig_probe(c->pci), 0);
	CHECK(host_log_has("the PHY stays taken, SW_FW_SYNC 00020000"));
	make_off("i225");
	c->m.swsm_left = true;
	power_on();
	CHECK_EQ(rig_probe(c->pci), 0);
	CHECK(host_log_has("semaphore was left taken"));
	make_off("i225");
	c->m.phy_dead = true;
	power_on();
	CHECK_EQ(rig_probe(c->pci), 0);
	CHECK(host_log_has("PHY 0 register 0 did not answer"));
	CHECK_EQ(*reg(I_SW_FW_SYNC), 0);
}

TEST(resets_that_fail_are_said)
{
	make_off("i225");
	c->m.reset_stuck = true;
	power_on();
	CHECK_EQ(rig_probe(c->pci), -ERR_TIMEOUT);
	CHECK(host_log_has("igc0: reset does not end, CTRL"));
	make("i225");
	c->m.never_read = true;
	CHECK_EQ(rig_probe(c->pci), 0);
	make_off("i225");
	c->m.no_autoload = true;
	power_on();
	CHECK_EQ(rig_probe(c->pci), -ERR_INVAL);
	CHECK(host_log_has("no valid MAC"));
	make("i225");
	c->m.gone = true;
	CHECK_EQ(rig_probe(c->pci), -ERR_NODEV);
	make("i225");
	c->m.master_stuck = true;
	CHECK_EQ(rig_probe(c->pci), 0);
	CHECK(host_log_has("bus requests do not end"));
	make("i225");
	CHECK_EQ(rig_probe(c->pci), 0);
	c->m.queue_stuck = true;
	CHECK_EQ(nic_start(nic), 0);
	CHECK(host_log_has("queue is not on within 1000 us, TXDCTL"));
}

/* --- frames --- */

TEST(frames_go_both_ways_and_each_way_rings)
{
	up("i226");
	for (unsigned i = 0; i < 1000; i++) {
		unsigned before = c->msis;

		send(60 + i, ram);
		CHECK_EQ(c->nsent, i + 1);
		CHECK_EQ(c->sent[i % MAX_SENT].len, 60 + i);
		CHECK_EQ(c->msis, before + 1);
		hw->ops->poll(hw);
		CHECK_EQ(got.ntx, i + 1);
	}
	post(20);
	for (unsigned i = 0; i < 20; i++)
		CHECK(hear(60 + i));
	hw->ops->poll(hw);
	CHECK_EQ(got.nrx, 20);
	CHECK_EQ(got.rx_len[19], 79);
	CHECK(!hear(60));
	CHECK_EQ(c->m.missed, 1);
}

TEST(short_frames_are_padded_and_long_ones_stay_outside)
{
	up("i225");
	send(14, ram);
	CHECK_EQ(c->nsent, 1);
	CHECK_EQ(c->sent[0].len, 60);
	post(4);
	CHECK(hear(1518));
	CHECK(!hear(1519));
}

static void bad_frame(uint64_t bits)
{
	c->m.bad_rx = bits;
	CHECK(hear(100));
	CHECK_EQ(c->m.bad_rx, 0);
	hw->ops->poll(hw);
}

TEST(bad_frames_stay_inside_and_their_buffers_return_to_the_ring)
{
	up("i225");
	post(3);
	bad_frame(1ull << 31);
	bad_frame(1ull << 24);
	CHECK_EQ(got.nrx, 0);
	for (unsigned i = 0; i < 3; i++)
		CHECK(hear(100));
	hw->ops->poll(hw);
	CHECK_EQ(got.nrx, 3);
}

/* Make a TCP frame over IPv4, without a checksum; 6000 bytes need segmentation. */
static void make_tcp(uint8_t *f, uint32_t len)
{
	static const uint8_t head[] = {
		2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 0, 0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
		0, 80, 0, 81, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x18, 1, 0, 0, 0, 0, 0,
	};

	for (uint32_t i = 0; i < len; i++)
		f[i] = (uint8_t)(i * 11);
	memcpy(f, head, sizeof(head));
}

TEST(segments_are_cut_at_the_mss)
{
	struct sg sg = { 0, 54 + 6000 };
	struct nic_tx t = {
		.frag = &sg, .nfrag = 1, .len = 54 + 6000, .flags = NIC_TX_CSUM | NIC_TX_TSO, .csum_start = 34,
		.csum_offset = 16, .ip_start = 14, .hdr_len = 54, .mss = 1460,
	};

	up("i225");
	sg.addr = (uintptr_t)ram;
	make_tcp(ram, t.len);
	CHECK_EQ(nic_tx(nic, 0, &t), 0);
	nic_tx_kick(nic, 0);
	CHECK_EQ(c->nsent, 5);
	CHECK_EQ(c->sent[0].len, 1514);
	CHECK_EQ(c->sent[4].len, 54 + 6000 - 4 * 1460);
	hw->ops->poll(hw);
	CHECK_EQ(got.ntx, 1);
}

/* --- close --- */

TEST(nothing_is_touched_after_stop)
{
	up("i225");
	post(4);
	nic_stop(nic);
	CHECK(!hear(100));
	CHECK_EQ(nic_start(nic), 0);
	hw->ops->irq_enable(hw, true);
	post(4);
	CHECK(hear(100));
}

TEST_MAIN
