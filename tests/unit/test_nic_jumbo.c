/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hw/nic/nic.c hw/nic/intel/intel.c hw/nic/intel/intel_tx.c hw/nic/intel/intel_rx.c hw/nic/intel/intel_desc.c */
/* sources: hw/nic/intel/intel_mac.c hw/nic/intel/intel_phy.c hw/nic/intel/e1000.c hw/nic/intel/e1000_pci.c */
/* sources: hw/nic/intel/e1000e.c hw/nic/intel/pch.c hw/nic/intel/pch_speed.c hw/nic/intel/e1000e_pci.c */
/* sources: hw/nic/intel/igb.c hw/nic/intel/igb_desc.c hw/nic/intel/igb_pci.c hw/nic/intel/intel_rx_long.c */
/* Frames of up to 9018 bytes on Intel's NICs: which chips, their registers, and frames over several receive buffers. */
#include "intel_fixture.h"

#define DEV_82583	0x150c
#define BUFFERS		64u

static const uint16_t jumbo_kinds[] = { DEV_82540, DEV_82545EM, DEV_82541, DEV_82574, DEV_82576, DEV_I350, DEV_I210 };
static uint8_t sent[16384];
static uint8_t *ram;

static void up_jumbo(uint16_t device)
{
	make(device);
	CHECK_EQ(probe(), 0);
	c->jumbo = true;
	nic_set_frame_max(nic, NIC_FRAME_JUMBO);
	rig_start();
	ram = (uint8_t *)(uintptr_t)host_guest_ram(BUFFERS * 2048);
	for (unsigned i = 0; i < BUFFERS; i++)
		CHECK_EQ(nic_rx_post(nic, 0, (uintptr_t)ram + 2048 * i, 2048, TOKEN(i)), 0);
	nic_rx_kick(nic, 0);
}

static bool wire_long(uint32_t len, uint8_t seed)
{
	frame_to(sent, nic->mac, len, seed);
	return chip_receive(c, sent, len);
}

/* The frame in the buffers from @first on is what was sent. */
static void check_frame(unsigned first, uint32_t len)
{
	for (uint32_t at = 0; at < len; at += 2048, first++) {
		uint32_t n = MIN(len - at, 2048u);

		CHECK_EQ(got.rx_len[first], n);
		CHECK_EQ(memcmp(ram + 2048 * ((uintptr_t)got.rx[first] - (uintptr_t)TOKEN(0)), sent + at, n), 0);
	}
}

TEST(which_chips_can)
{
	static const uint16_t cannot[] = { DEV_82583, DEV_I217, DEV_I218, DEV_I219, DEV_I219_16 };

	for (unsigned i = 0; i < ARRAY_SIZE(jumbo_kinds); i++) {
		make(jumbo_kinds[i]);
		CHECK_EQ(probe(), 0);
		CHECK_EQ(nic->frame_limit, NIC_FRAME_JUMBO);
		CHECK_EQ(nic->frame_max, NIC_FRAME_MAX);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(cannot); i++) {
		make(cannot[i]);
		CHECK_EQ(probe(), 0);
		CHECK_EQ(nic->frame_limit, NIC_FRAME_MAX);
	}
}

TEST(frames_of_every_number_of_buffers_on_every_chip)
{
	static const uint32_t lens[] = {
		60, 2047, 2048, 2049, 4096, 4097, 6144, 8192, 8193, NIC_FRAME_JUMBO - 1, NIC_FRAME_JUMBO,
	};

	for (unsigned k = 0; k < ARRAY_SIZE(jumbo_kinds); k++) {
		up_jumbo(jumbo_kinds[k]);
		for (unsigned i = 0; i < ARRAY_SIZE(lens); i++) {
			unsigned n = (lens[i] + 2047) / 2048, nlong = got.nlong;

			got.nrx = 0;
			CHECK(wire_long(lens[i], (uint8_t)i));
			CHECK_EQ(hw->ops->poll(hw), 1);
			CHECK_EQ(got.nrx, n);
			CHECK_EQ(got.nlong, nlong + (n > 1));
			check_frame(0, lens[i]);
		}
		CHECK_EQ(nic->count.rx_packets, ARRAY_SIZE(lens));
		CHECK_EQ(nic->count.rx_dropped, 0);
		host_guest_ram_drop();
	}
}

TEST(a_longer_frame_is_dropped_and_its_buffers_return)
{
	/* PCI Express chips drop the frame themselves (RLPML); 8254x receive up to 16 KiB. */
	up_jumbo(DEV_82574);
	CHECK_EQ(R(REG_RLPML), NIC_FRAME_JUMBO + 4);
	CHECK(!wire_long(NIC_FRAME_JUMBO + 1, 0));
	host_guest_ram_drop();
	up_jumbo(DEV_82540);
	for (unsigned i = 0; i < 30; i++) {
		CHECK(wire_long(NIC_FRAME_JUMBO + 1, 0));
		CHECK(wire_long(16380, 0));
		CHECK(wire_long(100, 1));
		CHECK_EQ(hw->ops->poll(hw), 1);
	}
	CHECK_EQ(got.nrx, 30);
	CHECK_EQ(got.nlong, 0);
	CHECK_EQ(nic->count.rx_dropped, 60);
	CHECK_EQ((nic->count.rx_packets), 30);
	host_guest_ram_drop();
}

TEST_BOTH(a_frame_that_is_not_whole_yet_waits)
{
	up_jumbo(device);
	c->rx_stop = 2;
	CHECK(wire_long(9000, 3));
	CHECK_EQ(hw->ops->poll(hw), 0);
	CHECK_EQ(hw->ops->poll(hw), 0);
	chip_receive_rest(c);
	CHECK_EQ(hw->ops->poll(hw), 0);
	CHECK_EQ(got.nrx, 0);
	c->rx_stop = 0;
	chip_receive_rest(c);
	CHECK_EQ(hw->ops->poll(hw), 1);
	CHECK_EQ(got.nrx, 5);
	check_frame(0, 9000);
	host_guest_ram_drop();
}

TEST_BOTH(a_reset_amid_a_frame_loses_no_buffer)
{
	up_jumbo(device);
	c->rx_stop = 3;
	CHECK(wire_long(9000, 3));
	CHECK_EQ(hw->ops->poll(hw), 0);
	c->rx_stop = 0;
	nic_want_recovery(nic);
	(void)hw->ops->poll(hw);
	c->rest_len = 0;
	for (unsigned i = 0; i < BUFFERS / 5; i++)
		CHECK(wire_long(9000, 4));
	CHECK_EQ(hw->ops->poll(hw), BUFFERS / 5);
	check_frame(0, 9000);
	CHECK_EQ(got.rx[0], TOKEN(0));
	host_guest_ram_drop();
}

TEST_BOTH(a_bad_long_frame_stays_inside)
{
	static const uint64_t bad[2] = { RXD_CE, ARXD_RXE };

	up_jumbo(device);
	for (unsigned i = 0; i < 40; i++) {
		c->rx_status = bad[c->igb];
		CHECK(wire_long(5000, 0));
		c->rx_status = 0;
		c->rx_claim = 2049;		/* more than a buffer holds */
		CHECK(wire_long(5000, 0));
		c->rx_claim = 0;
		c->rx_no_eop = true;		/* never ends */
		CHECK(wire_long(5000, 0));
		CHECK(wire_long(9000, 0));
		c->rx_no_eop = false;
		CHECK(wire_long(300, 0));
		(void)hw->ops->poll(hw);
		CHECK_EQ(got.nrx, 0);
	}
	CHECK(wire_long(9000, 7));
	CHECK_EQ(hw->ops->poll(hw), 1);
	check_frame(0, 9000);
	host_guest_ram_drop();
}

static void stop(void) { nic_stop(nic); }

TEST_BOTH(a_client_that_stops_the_nic_from_a_long_frame)
{
	up_jumbo(device);
	got.in_rx = stop;
	CHECK(wire_long(9000, 0));
	CHECK(wire_long(9000, 0));
	(void)hw->ops->poll(hw);
	CHECK_EQ(got.nlong, 1);
	CHECK(!nic_runs(nic));
	host_guest_ram_drop();
}

TEST(a_short_buffer_is_refused_and_the_standard_size_returns)
{
	for (unsigned i = 0; i < ARRAY_SIZE(jumbo_kinds); i++) {
		up_jumbo(jumbo_kinds[i]);
		CHECK_EQ(nic_rx_post(nic, 0, (uintptr_t)ram, 2047, NULL), -ERR_INVAL);
		CHECK(R(REG_RCTL) & RCTL_LPE);
		nic_stop(nic);
		nic_set_frame_max(nic, NIC_FRAME_MAX);
		CHECK_EQ(nic_start(nic), 0);
		c->jumbo = false;
		CHECK(!(R(REG_RCTL) & RCTL_LPE));
		CHECK_EQ(nic_rx_post(nic, 0, (uintptr_t)ram, NIC_FRAME_MAX, TOKEN(0)), 0);
		nic_rx_kick(nic, 0);
		CHECK(!wire_long(NIC_FRAME_MAX + 1, 0));
		CHECK(wire_long(NIC_FRAME_MAX, 0));
		CHECK_EQ(hw->ops->poll(hw), 1);
		host_guest_ram_drop();
	}
}

TEST(long_frames_are_sent)
{
	for (unsigned i = 0; i < ARRAY_SIZE(jumbo_kinds); i++) {
		up_jumbo(jumbo_kinds[i]);
		for (unsigned k = 0; k < NIC_FRAME_JUMBO; k++)
			ram[k] = (uint8_t)(k * 3 + i);
		CHECK_EQ(send_at((uintptr_t)ram, NIC_FRAME_JUMBO, 0), 0);
		CHECK_EQ(send_at((uintptr_t)ram, NIC_FRAME_JUMBO + 1, 0), -ERR_INVAL);
		CHECK_EQ(send_csum((uintptr_t)ram, NIC_FRAME_JUMBO, 34, 16), 0);
		nic_tx_kick(nic, 0);
		CHECK_EQ(c->nsent, 2);
		CHECK_EQ(c->sent[0].len, NIC_FRAME_JUMBO);
		CHECK_EQ(memcmp(c->sent[0].data, ram, NIC_FRAME_JUMBO), 0);
		CHECK_EQ(memcmp(c->sent[1].data + 52, ram + 52, NIC_FRAME_JUMBO - 52), 0);
		host_guest_ram_drop();
	}
}

TEST_MAIN
