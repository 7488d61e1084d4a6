/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hw/nic/nic.c hw/nic/intel/intel.c hw/nic/intel/intel_tx.c hw/nic/intel/intel_rx.c hw/nic/intel/intel_desc.c */
/* sources: hw/nic/intel/intel_mac.c hw/nic/intel/intel_phy.c hw/nic/intel/e1000e.c hw/nic/intel/pch.c */
/* sources: hw/nic/intel/pch_speed.c */
/* sources: hw/nic/intel/e1000e_pci.c hv/lib/sg.c */
/* sources: tests/models/model.c tests/models/igc.c tests/models/igc_phy.c tests/models/igc_rings.c */
/* sources: tests/models/igc_offload.c tests/models/pch.c tests/models/pch_phy.c hw/nic/intel/intel_rx_long.c */
/* 82579, I217, I218 and I219 on the model that Linux's driver accepts: states that the system before left, and errata. */
#include "igc_fixture.h"

static const char *const all[] = {
	"82579lm", "82579v", "i217lm", "i217v", "i218lm", "i218v", "i218lm2", "i218v2", "i218lm3", "i218v3", "i219lm",
	"i219v", "i219lm2", "i219v2", "i219lm3", "i219lm4", "i219v4", "i219lm5", "i219v5", "i219lm6", "i219v6",
	"i219lm7", "i219v7", "i219lm8", "i219v8", "i219lm9", "i219v9", "i219lm10", "i219v10", "i219lm11", "i219v11",
	"i219lm12", "i219v12", "i219lm13", "i219v13", "i219lm14", "i219v14", "i219lm15", "i219v15", "i219lm16",
	"i219v16", "i219lm17", "i219v17", "i219lm18", "i219v18", "i219lm19", "i219v19", "i219lm20", "i219v20",
	"i219lm21", "i219v21", "i219lm22", "i219v22", "i219lm23", "i219v23",
};
/* One of each kind. */
static const char *const kinds[] = { "82579lm", "82579v", "i217lm", "i218v", "i218v2", "i219v2", "i219v7", "i219v17" };
static uint8_t *ram;

static void start(void)
{
	CHECK_EQ(rig_probe(c->pci), 0);
	/* The PHY may have been reset: its link comes again, later. */
	host_now_us += 100000;
	c->m.m.ops->run(&c->m.m);
	rig_start();
	hw->ops->poll(hw);
	ram = (uint8_t *)(uintptr_t)host_guest_ram(1 << 16);
}

static unsigned mbps(void)
{
	struct nic_link link;

	nic_link(nic, &link);
	return link.up ? link.mbps : 0;
}

static void hear(unsigned frames)
{
	static uint8_t frame[1514];

	memcpy(frame, nic->mac, 6);
	for (unsigned i = 0; i < frames; i++) {
		CHECK_EQ(nic_rx_post(nic, 0, (uintptr_t)ram + 2048 * (i % 16), NIC_FRAME_MAX, TOKEN(i)), 0);
		nic_rx_kick(nic, 0);
		CHECK(wire_frame(frame, sizeof(frame)));
		hw->ops->poll(hw);
	}
}

/* --- all that is well --- */

static void an_address_a_link_and_the_phy_kept(unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		make(all[i]);
		start();
		CHECK(!memcmp(nic->mac, c->m.mac, 6));
		CHECK_EQ(mbps(), 1000);
		CHECK_EQ(c->m.phy_resets, 0);
		CHECK_EQ(c->m.pch.power_cycles, 0);
		CHECK(!pch_has_flag(&c->m));
		hear(300);		/* errata: see below */
	}
}

TEST(ids_have_an_address_and_a_link_and_keep_their_phy_1) { an_address_a_link_and_the_phy_kept(0, 14); }
TEST(ids_have_an_address_and_a_link_and_keep_their_phy_2) { an_address_a_link_and_the_phy_kept(14, 28); }
TEST(ids_have_an_address_and_a_link_and_keep_their_phy_3) { an_address_a_link_and_the_phy_kept(28, 42); }
TEST(ids_have_an_address_and_a_link_and_keep_their_phy_4) { an_address_a_link_and_the_phy_kept(42, ARRAY_SIZE(all)); }

/* The model names K1, the beacon's duration, the clocks, the gaps, and what else depends on the speed, after 256 frames. */
static const struct { unsigned mbps; bool half; } speeds[] = {
	{ 1000, false }, { 100, false }, { 100, true }, { 10, false }, { 10, true },
};

static void partner(unsigned i)
{
	c->m.mbps = speeds[i].mbps;
	c->m.partner_half = speeds[i].half;
}

static void errata_at_each_speed(unsigned from, unsigned to)
{
	for (unsigned i = from * ARRAY_SIZE(speeds); i < to * ARRAY_SIZE(speeds); i++) {
		make_off(kinds[i / ARRAY_SIZE(speeds)]);
		partner(i % ARRAY_SIZE(speeds));
		power_on();
		start();
		CHECK_EQ(mbps(), c->m.mbps);
		hear(300);
		nic_stop(nic);
		CHECK_EQ(nic_start(nic), 0);
		hear(300);
		CHECK_EQ(c->m.pch.troubled, 0);
		CHECK(!pch_has_flag(&c->m));
	}
}

TEST(what_errata_ask_for_is_done_at_each_speed_and_after_a_reset_1) { errata_at_each_speed(0, 3); }
TEST(what_errata_ask_for_is_done_at_each_speed_and_after_a_reset_2) { errata_at_each_speed(3, 6); }
TEST(what_errata_ask_for_is_done_at_each_speed_and_after_a_reset_3) { errata_at_each_speed(6, ARRAY_SIZE(kinds)); }

/* The cable goes to another partner while the card works. */
TEST(errata_follow_the_link)
{
	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		make(kinds[i]);
		start();
		for (unsigned k = 1; k <= ARRAY_SIZE(speeds); k++) {
			chip_link(c, false);
			hw->ops->poll(hw);
			partner(k % ARRAY_SIZE(speeds));
			chip_link(c, true);
			hw->ops->poll(hw);
			CHECK_EQ(mbps(), c->m.mbps);
			hear(300);
			CHECK_EQ(c->m.pch.troubled, 0);
		}
	}
}

/* Meteor Lake's I219 get another clock gate at 1000 Mb/s, which the model does not ask for. */
TEST(the_clock_gate_of_meteor_lake)
{
	make("i219v17");
	start();
	CHECK_EQ(pch_page(&c->m, 772, 28), 0x0fa);
	make("i219v18");
	start();
	CHECK_EQ(pch_page(&c->m, 772, 28), 0x1d5);
}

/* Firmware does not give the PHY: a line, and the card works. */
TEST(a_flag_that_firmware_keeps)
{
	make("i219v2");
	start();
	chip_link(c, false);
	hw->ops->poll(hw);
	c->m.fw_has_phy = ~0u;
	chip_link(c, true);
	hw->ops->poll(hw);
	CHECK_EQ(mbps(), 1000);
	CHECK(host_log_has("firmware does not give the software flag"));
	hear(200);
}

TEST(frames_and_segments_leave)
{
	make("i219v7");
	start();
	struct sg sg = { (uintptr_t)ram, 1514 };
	struct nic_tx t = { .frag = &sg, .nfrag = 1, .len = 1514, .token = ram };

	for (unsigned i = 0; i < 300; i++) {
		CHECK_EQ(nic_tx(nic, 0, &t), 0);
		nic_tx_kick(nic, 0);
		hw->ops->poll(hw);
	}
	CHECK_EQ(c->nsent, 300);
}

/* --- what the system before left --- */

TEST(a_phy_in_ulp_is_woken_by_software)
{
	make_off("i219v2");
	c->m.pch.ulp_left = true;
	power_on();
	start();
	CHECK_EQ(mbps(), 1000);
	CHECK_EQ(c->m.phy_resets, 1);
	CHECK(!c->m.pch.ulp);
	CHECK(!c->m.pch.smbus);
	hear(300);
}

TEST(a_phy_in_ulp_is_woken_by_the_engine)
{
	make_off("i219lm2");
	c->m.pch.ulp_left = c->m.pch.me = c->m.pch.me_blocks = true;
	power_on();
	start();
	CHECK_EQ(mbps(), 1000);
	CHECK_EQ(c->m.phy_resets, 0);
	CHECK(!c->m.pch.ulp);
}

TEST(a_phy_out_of_reach_gets_its_power_switched)
{
	static const char *const some[] = { "82579lm", "i217v", "i219v17" };

	for (unsigned i = 0; i < ARRAY_SIZE(some); i++) {
		make_off(some[i]);
		c->m.pch.phy_lost = true;
		power_on();
		start();
		CHECK_EQ(c->m.pch.power_cycles, 1);
		CHECK_EQ(mbps(), 1000);
		CHECK(!(*reg(I_CTRL) & 0x30000));
		hear(300);
	}
	CHECK(host_log_has("e1000e0: the PHY does not answer: switching its power"));
}

TEST(a_phy_out_of_reach_that_may_not_be_reset_is_said)
{
	make_off("i217lm");
	c->m.pch.phy_lost = c->m.pch.me = c->m.pch.me_blocks = true;
	power_on();
	CHECK_EQ(rig_probe(c->pci), 0);
	CHECK_EQ(c->m.pch.power_cycles, 0);
	CHECK(host_log_has("e1000e0: the PHY does not answer, and the management engine forbids to reset it, FWSM 00008000"));
	make_off("i217lm");
	c->m.phy_dead = true;
	power_on();
	CHECK_EQ(rig_probe(c->pci), 0);
	CHECK(host_log_has("e1000e0: the PHY does not answer after its power was switched"));
}

TEST(a_phy_that_was_kept_slow_is_told_to_be_fast)
{
	make_off("i219v2");
	c->m.pch.lplu_left = true;
	power_on();
	CHECK_EQ(igc_speed(&c->m), 10);
	start();
	CHECK_EQ(mbps(), 1000);
	CHECK(host_log_has("e1000e0: PHY was kept to a slower link, OEM bits 0004"));
}

/* Idle of low power is switched off with the link of before; K1 stays on where it is harmless. */
TEST(low_power_idle_is_off)
{
	make("i217v");
	c->m.pch.page[772 - 768][20] = 0x6080;
	CHECK_EQ(rig_probe(c->pci), 0);
	CHECK_EQ(c->m.pch.page[772 - 768][20], 0x0080);
	CHECK(pch_k1(&c->m));
	make("82579v");
	CHECK(pch_k1(&c->m));
	CHECK_EQ(rig_probe(c->pci), 0);
	CHECK(!pch_k1(&c->m));
}

TEST(writes_wait_for_the_engine_at_the_registers)
{
	make_off("82579lm");
	c->m.pch.me = true;
	c->m.pch.engine_us = 5;
	power_on();
	start();
	CHECK_EQ(mbps(), 1000);
	hear(300);
	CHECK_EQ(c->m.nreceived, 300);
}

TEST(firmware_that_holds_the_flag_is_waited_for)
{
	make_off("i219v");
	c->m.fw_has_phy = 3;
	power_on();
	start();
	CHECK_EQ(mbps(), 1000);
	CHECK_EQ(c->m.fw_has_phy, 0);
}

TEST_MAIN
