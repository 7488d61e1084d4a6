/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hw/nic/nic.c hw/nic/intel/intel.c hw/nic/intel/intel_tx.c hw/nic/intel/intel_rx.c hw/nic/intel/intel_desc.c */
/* sources: hw/nic/intel/intel_mac.c hw/nic/intel/intel_phy.c hw/nic/intel/e1000.c hw/nic/intel/e1000_pci.c */
/* sources: hw/nic/intel/e1000e.c hw/nic/intel/pch.c hw/nic/intel/pch_speed.c hw/nic/intel/e1000e_pci.c */
/* sources: hw/nic/intel/igb.c hw/nic/intel/igb_desc.c */
/* sources: hw/nic/intel/igb_pci.c hw/nic/intel/intel_rx_long.c */
/* Intel's drivers: stop, transmitters that hang, and the PHY and the management engine of PCH chipsets. */
#include <veneer/err.h>
#include "intel_fixture.h"

/* --- stop --- */

TEST(nothing_is_touched_after_stop)
{
	for (unsigned i = 0; i < ARRAY_SIZE(all_kinds); i++) {
		uint64_t ram = host_guest_ram(2048 * 64), fresh = host_guest_ram(2048 * 4);

		up(all_kinds[i]);
		nic_rx_post(nic, 0, ALIGN_UP(ram, 4096ull), 2048, TOKEN(1));
		nic_rx_post(nic, 0, ALIGN_UP(ram, 4096ull) + 4096, 2048, TOKEN(2));
		nic_rx_kick(nic, 0);
		CHECK(c->ncached > 0);
		c->tx_hang = true;
		CHECK_EQ(send_at(ram, 64, 3), 0);
		nic_tx_kick(nic, 0);
		nic_stop(nic);
		host_guest_ram_drop();		/* from here on a stray DMA access faults */
		CHECK(!wire(64, 1));
		c->tx_hang = false;
		chip_send(c);
		CHECK_EQ(c->nsent, 0);
		CHECK_EQ(hw->ops->poll(hw), 0);
		CHECK_EQ(got.ntx + got.nrx, 0);		/* dropped, not returned */
		CHECK_EQ(nic_rx_post(nic, 0, ram, 2048, NULL), -ERR_BUSY);
		fresh = host_guest_ram(2048 * 4);
		CHECK_EQ(nic_start(nic), 0);
		CHECK(R(REG_IMS) == (INTEL_CAUSES | (c->igb ? INT_FER | INT_DRSTA : 0)));
		CHECK_EQ(nic_rx_post(nic, 0, fresh, 2048, TOKEN(4)), 0);
		nic_rx_kick(nic, 0);
		CHECK(wire(64, 1));
		CHECK_EQ(hw->ops->poll(hw), 1);
		CHECK_EQ((uintptr_t)got.rx[0], (uintptr_t)TOKEN(4));
	}
}

TEST_BOTH(stop_ends_whatever_is_stuck)
{
	uint64_t ram = host_guest_ram(8192);

	up(device);
	c->master_stuck = true;
	uint64_t t = host_now_us;

	nic_stop(nic);
	CHECK(host_now_us - t < 200000);
	CHECK(host_log_has("bus requests do not end"));
	CHECK_EQ(nic_start(nic), 0);
	post(ram, 0, 2);
	c->reset_stuck = true;
	t = host_now_us;
	nic_stop(nic);
	CHECK(host_now_us - t < 300000);
	CHECK(!(c->cfg[PCI_COMMAND] & PCI_CMD_MASTER));
	CHECK_EQ(nic_start(nic), -ERR_TIMEOUT);
	CHECK(!(c->cfg[PCI_COMMAND] & PCI_CMD_MASTER));
	c->reset_stuck = c->master_stuck = false;
	CHECK_EQ(nic_start(nic), 0);
	post(ram, 0, 2);
	CHECK(wire(64, 0));
}

static void stop_it(void)
{
	nic_stop(nic);
}

TEST_BOTH(client_may_stop_in_a_callback)
{
	uint64_t ram = host_guest_ram(2048 * 16);

	up(device);
	post(ram, 0, 16);
	for (unsigned i = 0; i < 8; i++) {
		CHECK(wire(64, 0));
		CHECK_EQ(send_at(ram, 64, i), 0);
	}
	nic_tx_kick(nic, 0);
	got.in_rx = stop_it;
	hw->ops->poll(hw);
	CHECK_EQ(got.nrx, 1);
	CHECK_EQ(got.ntx, 0);
	CHECK_EQ(got.flushes, 0);
}

TEST_BOTH(shutdown_hands_over_to_firmware)
{
	uint64_t ram = host_guest_ram(8192);

	up(device);
	post(ram, 0, 2);
	hw->ops->shutdown(hw);
	CHECK(!(R(REG_CTRL_EXT) & CTRL_EXT_DRV_LOAD));
	CHECK(!chip_master(c));
	CHECK_EQ(R(REG_IMS), 0);
	CHECK(!wire(64, 0));
	unsigned n = c->resets;

	hw->ops->shutdown(hw);
	nic_stop(nic);
	CHECK_EQ(c->resets, n);
	CHECK_EQ(nic_start(nic), -ERR_NODEV);
}

/* --- a transmitter that hangs --- */

static void hang(uint16_t device)
{
	uint64_t ram = host_guest_ram(2048 * 256);

	up(device);
	for (unsigned i = 0; i < 240; i++) {		/* so that the buffers wrap around the ring's end */
		post(ram, 200, 1);
		CHECK(wire(64, 0));
		CHECK_EQ(hw->ops->poll(hw), 1);
	}
	got.nrx = 0;
	post(ram, 0, 50);
	c->tx_hang = true;
	for (unsigned i = 0; i < 20; i++)
		CHECK_EQ(send_at(ram, 64, i), 0);
	nic_tx_kick(nic, 0);
	unsigned resets = c->resets;

	tick(1500);
	CHECK_EQ(c->resets, resets);
	if (c->pch)
		c->cfg[PCI_DESC_RING_STATUS + 1] = 1, c->tx_hang = false;
	else
		c->tx_hang = false;
	tick(1000);
	CHECK_EQ(c->resets, resets + 1);
	CHECK(host_log_has("transmitter hangs"));
	CHECK_EQ(got.ntx, 20);
	for (unsigned i = 0; i < 20; i++)
		CHECK_EQ((uintptr_t)got.tx[i], (uintptr_t)TOKEN(i));
	CHECK_EQ(c->ncached, PREFETCH);
	for (unsigned i = 0; i < 50; i++)
		CHECK(wire(64, 0));
	CHECK_EQ(send_at(ram, 64, 99), 0);
	nic_tx_kick(nic, 0);
	CHECK_EQ(hw->ops->poll(hw), 51);
	for (unsigned i = 0; i < 50; i++)
		CHECK_EQ((uintptr_t)got.rx[i], (uintptr_t)TOKEN(i));
}

TEST(a_hung_transmitter_is_reset_on_8254x) { hang(DEV_82540); }
TEST(a_hung_transmitter_is_reset_on_82574) { hang(DEV_82574); }
TEST(a_hung_transmitter_is_reset_on_82576) { hang(DEV_82576); }
TEST(a_hung_transmitter_is_reset_on_i210) { hang(DEV_I210); }
TEST(a_hung_transmitter_is_flushed_and_reset_on_i219) { hang(DEV_I219); }

TEST_BOTH(what_is_no_hang)
{
	uint64_t ram = host_guest_ram(8192);

	up(device);
	unsigned resets = c->resets;

	chip_link(c, false);
	CHECK(hw->ops->poll(hw) > 0);
	CHECK_EQ(send_at(ram, 64, 0), 0);
	nic_tx_kick(nic, 0);
	tick(5000);				/* no link: the frame waits */
	CHECK_EQ(c->resets, resets);
	chip_link(c, true);
	CHECK_EQ(hw->ops->poll(hw), 1);
	CHECK_EQ(send_at(ram, 64, 1), 0);	/* never kicked */
	tick(5000);
	CHECK_EQ(c->resets, resets);
	c->tx_lost_irq = true;
	nic_tx_kick(nic, 0);
	tick(5000);				/* sent, but the interrupt was lost */
	CHECK_EQ(c->resets, resets);
	CHECK_EQ(got.ntx, 2);
	CHECK(host_log_has("without an interrupt"));
}

/* The client has frames but no buffers left: its transmitter is watched as if the ring were full. */
TEST(a_client_that_waits_is_not_forgotten)
{
	uint64_t ram = host_guest_ram(8192);

	up(DEV_82574);
	c->tx_hang = true;
	CHECK_EQ(send_at(ram, 64, 0), 0);
	nic_tx_kick(nic, 0);
	CHECK_EQ(clock_holds, 0);
	nic_tx_wait(nic, 0);
	nic_tx_wait(nic, 0);
	CHECK_EQ(clock_holds, 1);
	unsigned resets = c->resets;

	tick(3000);
	CHECK_EQ(c->resets, resets + 1);
	CHECK_EQ(got.ntx, 1);
	CHECK_EQ(clock_holds, 0);
	nic_stop(nic);
	nic_tx_wait(nic, 0);
	CHECK_EQ(clock_holds, 0);
}

/* Without a link there is no tick, and the time without a link does not count. */
TEST(what_waited_for_the_link_is_watched_from_then_on)
{
	uint64_t ram = host_guest_ram(8192);

	up(DEV_82574);
	c->tx_hang = true;
	CHECK_EQ(send_at(ram, 64, 0), 0);
	nic_tx_kick(nic, 0);
	nic_tx_wait(nic, 0);
	tick(8);
	chip_link(c, false);
	hw->ops->poll(hw);
	CHECK_EQ(clock_holds, 0);
	nic_tx_wait(nic, 0);
	CHECK_EQ(clock_holds, 0);
	host_now_us += 10000000;
	unsigned resets = c->resets;

	chip_link(c, true);
	hw->ops->poll(hw);
	CHECK_EQ(clock_holds, 1);
	tick(1900);
	CHECK_EQ(c->resets, resets);
	tick(200);
	CHECK_EQ(c->resets, resets + 1);
	CHECK_EQ(clock_holds, 0);
	chip_link(c, true);			/* with nothing in flight */
	hw->ops->poll(hw);
	CHECK_EQ(clock_holds, 0);
}

TEST_BOTH(stop_in_the_callback_of_a_recovery)
{
	uint64_t ram = host_guest_ram(8192);

	up(device);
	c->tx_hang = true;
	for (unsigned i = 0; i < 4; i++)
		CHECK_EQ(send_at(ram, 64, i), 0);
	nic_tx_kick(nic, 0);
	got.in_tx = stop_it;
	tick(3000);
	CHECK_EQ(got.ntx, 1);
	CHECK(!(R(REG_RCTL) & RCTL_EN));
	CHECK_EQ(nic_start(nic), 0);
}

/* --- PCH --- */

TEST(ulp_is_ended_by_the_engine)
{
	make(DEV_I219);
	R(REG_FWSM) = FWSM_FW_VALID;
	R(REG_H2ME) = H2ME_ULP;
	CHECK_EQ(probe(), 0);
	CHECK_EQ(c->ulp_asked, 1);
	CHECK_EQ(c->phy_resets, 0);		/* the management engine's PHY is not reset */
	make(DEV_I217);
	R(REG_FWSM) = FWSM_FW_VALID;
	CHECK_EQ(probe(), 0);
	CHECK_EQ(c->ulp_asked, 0);
}

TEST(ulp_is_ended_in_the_phy)
{
	make(DEV_I219);
	R(REG_FWSM) = FWSM_RSPCIPHY;
	c->paged[769][23] = SMB_CTRL_FORCE | 0x100;
	c->paged[779][16] = ULP_STICKY | ULP_IND | 2;
	CHECK_EQ(probe(), 0);
	CHECK_EQ(c->paged[769][23], 0x100);
	CHECK_EQ(c->paged[779][16], ULP_START | 2);
	CHECK_EQ(c->paged[770][17], PM_CTRL_K1 | PM_CTRL_CLK_REQ);
	CHECK_EQ(c->phy_resets, 1);
	make(DEV_I219);
	CHECK_EQ(probe(), 0);
	CHECK_EQ(c->phy_resets, 0);		/* the PHY is not in ULP: the link stays */
	make(DEV_I219);
	c->paged[779][16] = ULP_STICKY;
	CHECK_EQ(probe(), 0);			/* the model fails on a reset that FWSM forbids */
	CHECK_EQ(c->paged[779][16], ULP_START);
	CHECK(host_log_has("resets of it are forbidden"));
}

TEST(a_dead_phy_or_engine_is_said_and_survived)
{
	make(DEV_I219);
	c->mdic_dead = true;
	R(REG_FWSM) = FWSM_RSPCIPHY;
	CHECK_EQ(probe(), 0);
	CHECK(host_log_has("did not answer"));
	CHECK(host_log_has("cannot reach the PHY"));
	make(DEV_I219);
	c->swflag_denied = true;
	CHECK_EQ(probe(), 0);
	CHECK(host_log_has("does not give the software flag"));
}

TEST(mdio_is_asked_for_until_firmware_gives_it)
{
	make(DEV_82574);
	c->mdio_refusals = 5;
	CHECK_EQ(probe(), 0);			/* the model fails on a reset without ownership */
	CHECK_EQ(c->mdio_refusals, 0);
	CHECK(!(R(REG_EXTCNF_CTRL) & EXTCNF_SWFLAG));
}

TEST(no_write_while_the_engine_is_at_the_registers)
{
	make(DEV_I219);
	R(REG_FWSM) = FWSM_FW_VALID;
	c->engine_busy = true;			/* the model fails on a write while the engine is busy */
	CHECK_EQ(probe(), 0);
	CHECK_EQ(nic_start(nic), 0);
	nic_stop(nic);
}

TEST(aspm_is_off_on_82574)
{
	make(DEV_82574);
	c->pci->cap_exp = 0xe0;
	c->cfg[0xe0 + EXP_LINK_CONTROL] = 0x43;
	CHECK_EQ(probe(), 0);
	CHECK_EQ(c->cfg[0xe0 + EXP_LINK_CONTROL], 0x40);
	CHECK_EQ(R(REG_TARC0), BIT(26));
	make(DEV_I217);
	c->pci->cap_exp = 0xe0;
	c->cfg[0xe0 + EXP_LINK_CONTROL] = 0x43;
	CHECK_EQ(probe(), 0);
	CHECK_EQ(c->cfg[0xe0 + EXP_LINK_CONTROL], 0x43);
}

TEST(phy_power_down_is_undone)
{
	static const uint16_t kinds[] = { DEV_82540, DEV_82574, DEV_I217, DEV_82576, DEV_I210 };

	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		make(kinds[i]);
		uint16_t *bmcr = &c->phy[c->pch ? 2 : 1][PHY_BMCR];

		*bmcr = BMCR_POWER_DOWN | 0x40;
		CHECK_EQ(probe(), 0);
		CHECK_EQ(*bmcr, BMCR_AN_ENABLE | BMCR_AN_RESTART | 0x40);
	}
}

TEST(lost_tail_writes_are_repeated)
{
	uint64_t ram = host_guest_ram(8192);

	make(DEV_I219);
	R(REG_FWSM) = FWSM_FW_VALID;
	CHECK_EQ(probe(), 0);
	CHECK_EQ(nic_start(nic), 0);
	c->lose_tails = 3;
	CHECK_EQ(send_at(ram, 64, 0), 0);
	nic_tx_kick(nic, 0);
	CHECK_EQ(c->nsent, 1);
	c->lose_tails = 1000;
	CHECK_EQ(send_at(ram, 64, 1), 0);
	nic_tx_kick(nic, 0);
	CHECK_EQ(c->nsent, 1);
	CHECK(host_log_has("does not take the value"));
	CHECK_EQ(clock_holds, 1);		/* a tick will come */
	c->lose_tails = 0;
	tick(4);
	CHECK_EQ(c->nsent, 2);
	CHECK(hw->ops->poll(hw) > 0);
	CHECK_EQ(got.ntx, 2);
	CHECK_EQ(clock_holds, 0);
	c->lose_tails = 1000;
	CHECK_EQ(nic_rx_post(nic, 0, ram, 2048, NULL), 0);
	nic_rx_kick(nic, 0);
	CHECK_EQ(clock_holds, 1);
	c->lose_tails = 0;
	tick(4);
	CHECK_EQ(R(REG_RDT), 1);
	CHECK_EQ(clock_holds, 0);
}

/* The link gets another speed while the chip is broken: its next start sets MAC and PHY up for that speed. */
TEST(a_speed_that_came_while_the_chip_was_broken)
{
	struct nic_link l;
	uint32_t gap;

	make(DEV_I219);
	c->speed = 1;
	CHECK_EQ(probe(), 0);
	rig_start();
	gap = R(REG_TIPG);
	up(DEV_I219);
	CHECK(R(REG_TIPG) != gap);
	c->reset_stuck = true;
	nic_stop(nic);
	CHECK(nic->broken);
	c->speed = 1;
	nic_link(nic, &l);
	CHECK_EQ(l.mbps, 100);
	c->reset_stuck = false;
	CHECK_EQ(nic_start(nic), 0);
	CHECK_EQ(R(REG_TIPG), gap);
}

TEST_MAIN
