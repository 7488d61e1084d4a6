/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hw/nic/nic.c hw/nic/intel/intel.c hw/nic/intel/intel_tx.c hw/nic/intel/intel_rx.c hw/nic/intel/intel_desc.c */
/* sources: hw/nic/intel/intel_mac.c hw/nic/intel/intel_phy.c hw/nic/intel/e1000.c hw/nic/intel/e1000_pci.c */
/* sources: hw/nic/intel/e1000e.c hw/nic/intel/pch.c hw/nic/intel/pch_speed.c hw/nic/intel/e1000e_pci.c */
/* sources: hw/nic/intel/igb.c hw/nic/intel/igb_desc.c */
/* sources: hw/nic/intel/igb_pci.c hw/nic/intel/intel_rx_long.c */
/* The parts of the driver that only igb has. test_nic_intel*.c tests the shared parts. */
#include <veneer/err.h>
#include "intel_fixture.h"

static const uint16_t igbs[] = { DEV_82576, DEV_I350, DEV_I210, DEV_I211 };

/* --- probe --- */

TEST(one_vector_and_bounded_frames)
{
	for (unsigned i = 0; i < ARRAY_SIZE(igbs); i++) {
		up(igbs[i]);
		CHECK_EQ(R(REG_IVAR0), 0x8080);
		CHECK_EQ(R(REG_GPIE), 0);
		CHECK_EQ(FIELD_GET(EITR_INTERVAL, R(REG_EITR0)), 50);
		CHECK_EQ(R(REG_RLPML), 1522);
		CHECK(!(R(REG_RCTL) & RCTL_LPE));
		CHECK(!(R(REG_CTRL_EXT) & CTRL_EXT_EXT_VLAN));
		CHECK(R(REG_CTRL_EXT) & CTRL_EXT_DRV_LOAD);
		CHECK_EQ(c->phy_resets, 0);
	}
	CHECK(host_log_has("igb0: 82576 at 00:02.0, MAC 52:54:00:12:34:56, link up 1000 Mb/s full duplex"));
}

TEST(mac_is_what_the_reset_loads_or_what_firmware_had)
{
	make(DEV_I210);
	c->no_autoload = true;
	c->eerd_dead = true;
	R(REG_RAL(0)) = 0x33221102;
	R(REG_RAH(0)) = 0x5544;
	CHECK_EQ(probe(), 0);
	CHECK_EQ(nic->mac[0], 0x02);
	CHECK_EQ(nic->mac[5], 0x55);
	make(DEV_82576);
	c->pci->bdf = PCI_BDF(0, 2, 1);		/* each port has an address of its own */
	CHECK_EQ(probe(), 0);
	CHECK_EQ(nic->mac[5], c->nvm_mac[5]);
	make(DEV_82576);
	c->no_autoload = true;
	CHECK_EQ(probe(), -ERR_INVAL);
	CHECK(host_log_has("no valid MAC"));
}

TEST(an_eeprom_that_never_says_read_is_not_waited_for)
{
	make(DEV_82576);
	c->never_says_read = true;
	R(REG_EECD) = 0;
	uint64_t t = host_now_us;

	CHECK_EQ(probe(), 0);
	CHECK(host_now_us - t < 50000);
	CHECK(!host_log_has("EEPROM is not read"));
	make(DEV_82576);
	c->never_says_read = true;		/* EEC reported it before the reset, not afterwards */
	CHECK_EQ(probe(), 0);
	CHECK(host_log_has("EEPROM is not read after reset, EEC 00000000"));
}

TEST(a_queue_that_stays_off_is_said)
{
	make(DEV_I210);
	CHECK_EQ(probe(), 0);
	c->queue_stuck = true;
	uint64_t t = host_now_us;

	CHECK_EQ(nic_start(nic), 0);
	CHECK(host_now_us - t < 10000);
	CHECK(host_log_has("queue is not on within 1000 us, TXDCTL 00010108"));
	CHECK(host_log_has("queue is not on within 1000 us, RXDCTL 00010108"));
}

/* --- the PHY --- */

TEST(phy_is_waited_for_and_given_back)
{
	make(DEV_I350);
	c->fw_has_phy = 3;
	CHECK_EQ(probe(), 0);			/* the model fails on an access to MDIC without ownership */
	CHECK_EQ(c->fw_has_phy, 0);
	CHECK_EQ(R(REG_SW_FW_SYNC), 0);
	CHECK(!(R(REG_SWSM) & SWSM_SWESMBI));
	make(DEV_I350);
	c->fw_has_phy = 100000;
	uint64_t t = host_now_us;

	CHECK_EQ(probe(), 0);
	CHECK(host_now_us - t < 600000);
	CHECK(host_log_has("the PHY stays taken, SW_FW_SYNC 00020000"));
	make(DEV_I350);
	c->fw_keeps_swsm = true;
	CHECK_EQ(probe(), 0);
	CHECK(host_log_has("firmware does not give its semaphore, SWSM 00000001"));
	make(DEV_82576);
	R(REG_SWSM) = SWSM_SMBI;
	CHECK_EQ(probe(), 0);
	CHECK(host_log_has("semaphore was left taken, SWSM 00000001"));
	CHECK_EQ(R(REG_SW_FW_SYNC), 0);
}

TEST(other_bits_of_the_semaphore_stay)
{
	make(DEV_82576);
	c->port = 1;				/* of function 0: the firmware's setup has swapped the ports */
	R(REG_SW_FW_SYNC) = BIT(1) | BIT(0) << SYNC_FW_SHIFT;	/* taken: the other port's PHY, the EEPROM */
	CHECK_EQ(probe(), 0);
	CHECK_EQ(R(REG_SW_FW_SYNC), BIT(1) | BIT(0) << SYNC_FW_SHIFT);
}

TEST(i210_pages_and_clock)
{
	make(DEV_I210);
	c->phy[1][PHY_PAGE_SELECT_I210] = 7;	/* as firmware left it */
	c->phy[1][PHY_BMCR] = BMCR_POWER_DOWN;
	CHECK_EQ(probe(), 0);
	CHECK_EQ(c->phy[1][PHY_PAGE_SELECT_I210], 0);
	CHECK_EQ(c->phy[1][PHY_BMCR], BMCR_AN_ENABLE | BMCR_AN_RESTART);
	make(DEV_I211);
	R(REG_EECD) = EECD_AUTO_RD;		/* no flash */
	c->paged[252][14] = 0x12ff;
	CHECK_EQ(probe(), 0);
	CHECK(host_log_has("the PHY's clock did not come up (PLL frequency 12ff)"));
	CHECK_EQ(c->phy[1][PHY_PAGE_SELECT_I210], 0);
}

TEST(negotiates_where_there_is_no_link)
{
	make(DEV_82576);
	c->link = false;
	c->phy[1][PHY_BMCR] = BMCR_AN_ENABLE;
	CHECK_EQ(probe(), 0);
	CHECK_EQ(c->phy[1][PHY_BMCR], BMCR_AN_ENABLE | BMCR_AN_RESTART);
	make(DEV_82576);
	c->link = false;
	c->phy[1][PHY_BMCR] = BMCR_AN_ENABLE;
	c->phy[1][PHY_BMSR] = BMSR_AN_COMPLETE;
	CHECK_EQ(probe(), 0);
	CHECK_EQ(c->phy[1][PHY_BMCR], BMCR_AN_ENABLE);
	make(DEV_82576);			/* with a link the PHY is not read */
	c->phy[1][PHY_BMCR] = BMCR_AN_ENABLE;
	CHECK_EQ(probe(), 0);
	CHECK_EQ(c->phy[1][PHY_BMCR], BMCR_AN_ENABLE);
}

TEST(i210_with_a_good_clock_says_nothing)
{
	make(DEV_I211);
	R(REG_EECD) = EECD_AUTO_RD;
	c->paged[252][14] = 0x1234;
	CHECK_EQ(probe(), 0);
	CHECK(!host_log_has("clock did not come up"));
}

/* --- receive --- */

TEST(odd_buffers_are_refused)
{
	uint64_t ram = host_guest_ram(8192);

	for (unsigned i = 0; i < ARRAY_SIZE(igbs); i++) {
		up(igbs[i]);
		CHECK_EQ(nic_rx_post(nic, 0, ram + 1, 2048, NULL), -ERR_INVAL);
		CHECK_EQ(nic_rx_post(nic, 0, ram + 2, 2048, TOKEN(1)), 0);
		nic_rx_kick(nic, 0);
		CHECK(wire(NIC_FRAME_MAX, 1));
		CHECK_EQ(hw->ops->poll(hw), 1);
		CHECK_EQ(got.rx_len[0], NIC_FRAME_MAX);
	}
	up(DEV_82574);
	CHECK_EQ(nic_rx_post(nic, 0, ram + 1, 2048, NULL), 0);
}

TEST(verdicts)
{
	static const struct sum_verdict v[] = {
		{ 0, false }, { ARXD_L4CS, true }, { ARXD_L4CS | ARXD_L4E, false }, { ARXD_L4CS | ARXD_IPE, false },
		{ ARXD_L4E, false },
	};

	up(DEV_82576);
	check_verdicts(v, ARRAY_SIZE(v));
}

TEST(bad_frames_stay_inside)
{
	static const uint64_t bad[] = { ARXD_CE, ARXD_SE, ARXD_SEQ, ARXD_CXE, ARXD_RXE };
	uint64_t ram = host_guest_ram(2048 * 32);

	up(DEV_82576);
	post(ram, 0, 20);
	wire_marked(bad, ARRAY_SIZE(bad));
	c->rx_no_eop = true;
	CHECK(wire(1000, 0));
	c->rx_no_eop = false;
	CHECK(wire(100, 0));
	c->rx_claim = NIC_FRAME_MAX + 1;
	CHECK(wire(100, 0));
	c->rx_claim = 0;
	CHECK(wire(200, 0));		/* received into buffer 8 */
	CHECK_EQ(hw->ops->poll(hw), 1);
	CHECK_EQ((uintptr_t)got.rx[0], (uintptr_t)TOKEN(8));
	CHECK(host_log_has("claims 1519 bytes in a buffer of 1518"));
	for (unsigned i = 0; i < 19; i++)
		CHECK(wire(64, 0));
	CHECK(!wire(64, 0));
	CHECK_EQ(hw->ops->poll(hw), 19);
}

/* --- transmit --- */

static bool sum_is_right(const uint8_t *f, const uint8_t *before, unsigned start, unsigned at, unsigned len)
{
	uint32_t sum = 0;

	for (unsigned i = start; i < len; i++)
		sum += (i - start) & 1 ? before[i] : (uint32_t)before[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint32_t)(f[at] << 8 | f[at + 1]) == (~sum & 0xffff);
}

TEST(checksums_of_tcp_and_udp_and_no_others)
{
	static const uint16_t where[][2] = { { 34, 16 }, { 34, 16 }, { 34, 6 }, { 58, 16 }, { 525, 16 }, { 34, 16 } };
	uint64_t ram = host_guest_ram(4096);
	uint8_t *p = (uint8_t *)(uintptr_t)ram;

	for (unsigned i = 0; i < 1000; i++)
		p[i] = (uint8_t)(i * 13);
	up(DEV_82576);
	for (unsigned k = 0; k < ARRAY_SIZE(where); k++) {
		CHECK_EQ(send_csum(ram, 1000, where[k][0], where[k][1]), 0);
		CHECK(sum_is_right(c->sent[k].data, p, where[k][0], where[k][0] + where[k][1], 1000));
	}
	CHECK_EQ(c->contexts, 5);
	CHECK_EQ(send_csum(ram, 1000, 34, 10), -ERR_INVAL);	/* no protocol has the checksum there */
	CHECK_EQ(send_csum(ram, 1000, 34, 60), -ERR_INVAL);
	CHECK_EQ(send_csum(ram, 1000, 33, 16), -ERR_INVAL);	/* no room for an IP header */
	CHECK_EQ(send_csum(ram, 1000, 0, 16), -ERR_INVAL);
	CHECK_EQ(send_csum(ram, 1000, 526, 16), -ERR_INVAL);	/* too large for IPLEN */
	CHECK_EQ(send_csum(ram, 40, 34, 6), -ERR_INVAL);
	CHECK_EQ(hw->ops->poll(hw), 6);
	nic_stop(nic);
	CHECK_EQ(nic_start(nic), 0);
	CHECK_EQ(send_csum(ram, 1000, 34, 16), 0);		/* a reset clears the context */
	CHECK_EQ(c->contexts, 6);
	CHECK_EQ(send_csum(ram, 16, 34, 6), -ERR_INVAL);
}

TEST(short_frames_count_with_their_padding)
{
	uint64_t ram = host_guest_ram(4096);

	up(DEV_82576);
	for (uint32_t len = NIC_FRAME_MIN; len < 20; len++)
		CHECK_EQ(send_at(ram, len, len), 0);
	nic_tx_kick(nic, 0);		/* the model compares PAYLEN with the frame */
	CHECK_EQ(c->nsent, 6);
	CHECK_EQ(c->sent[0].len, INTEL_PAD_LEN);
	CHECK_EQ(c->sent[5].len, 19);
	CHECK_EQ(hw->ops->poll(hw), 6);
}

/* FER: an error in a memory of the chip; DRSTA: another port's driver has reset all ports, this one's registers are lost. */
TEST(an_error_of_the_chip_is_a_reset)
{
	static const uint32_t errors[] = { INT_FER, INT_DRSTA };

	for (unsigned i = 0; i < ARRAY_SIZE(errors); i++) {
		uint64_t ram = host_guest_ram(4096);

		host_log_clear();
		up(DEV_I350);
		chip_cause(c, errors[i]);
		CHECK_EQ(hw->ops->poll(hw), 1);
		CHECK(host_log_has("the chip reports an error: reset"));
		CHECK_EQ(nic->count.recoveries, 1);
		CHECK_EQ(send_at(ram, 100, 1), 0);
		nic_tx_kick(nic, 0);
		CHECK_EQ(hw->ops->poll(hw), 1);
	}
}

TEST(segments_of_tcp_alone)
{
	uint64_t ram = host_guest_ram(8192);
	struct sg sg = { ram, 54 + 4 }, all[2] = { sg, { ram + 4096, 2996 } };
	struct nic_tx t = { .frag = all, .nfrag = 2, .len = 54 + 3000, .flags = NIC_TX_CSUM | NIC_TX_TSO, .csum_start = 34,
			    .csum_offset = 16, .ip_start = 14, .hdr_len = 54, .mss = 1448 };

	up(DEV_I350);
	CHECK_EQ(nic_tx(nic, 0, &t), 0);
	nic_tx_kick(nic, 0);
	CHECK_EQ(c->nsent, 3);
	t.csum_offset = 6;
	CHECK_EQ(nic_tx(nic, 0, &t), -ERR_INVAL);
}

TEST_MAIN
