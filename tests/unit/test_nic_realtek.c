/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hw/nic/nic.c hw/nic/realtek/realtek.c hw/nic/realtek/realtek_chip.c hw/nic/realtek/realtek_rings.c */
/* sources: hw/nic/realtek/realtek_pci.c hv/lib/sg.c */
/* sources: tests/models/model.c tests/models/rtl8168.c tests/models/rtl8168_phy.c tests/models/rtl8168_rings.c */
/* The driver of Realtek's gigabit family on the register model of tests/models. */
#include "realtek_fixture.h"

static const char *const chips[] = {
	"8169", "8169sce", "8169s", "8110s", "8105e", "8402", "8168b", "8168b1",
	"8168c", "8168d", "8168evl", "8168f", "8168g", "8168h", "8168m", "8106e", "8125a", "8125b",
	"8125d", "8126a",
};

static unsigned fastest(void)
{
	return c->m.chip->fast ? 100 : c->m.chip->g50 ? 5000 : c->m.chip->g25 ? 2500 : 1000;
}

#define FOR_EACH_CHIP(name) for (const char *const *name = chips; name < chips + ARRAY_SIZE(chips); name++)

static int probe(void) { return rig_probe(c->pci); }

static void start(void)
{
	CHECK_EQ(probe(), 0);
	rig_start();
}

static void up(const char *name)
{
	make(name);
	start();
}

static uint8_t *frame_to(const uint8_t mac[6], uint32_t len, unsigned seed)
{
	static uint8_t f[16384];

	for (uint32_t i = 0; i < len; i++)
		f[i] = (uint8_t)(i * 7 + seed * 13);
	memcpy(f, mac, 6);
	return f;
}

static bool wire(uint32_t len, unsigned seed)
{
	return chip_receive(frame_to(nic->mac, len, seed), len);
}

/* --- probe --- */

TEST(each_chip_is_known_and_moves_frames)
{
	FOR_EACH_CHIP(name) {
		uint64_t ram = host_guest_ram(4096);
		struct nic_link l;

		up(*name);
		CHECK(!memcmp(nic->mac, c->m.mac, 6));
		nic_link(nic, &l);
		CHECK(l.up && l.full_duplex && l.mbps == fastest());
		CHECK_EQ(send_at(ram, 1000, 1), 0);
		kick();
		CHECK_EQ(c->nsent, 1);
		CHECK(wire(1000, 3));
		CHECK(c->line);
		CHECK_EQ(hw->ops->poll(hw), 2);
		CHECK_EQ(got.ntx, 1);
		CHECK_EQ(got.rx_sum[0], sum_bytes(frame_to(nic->mac, 1000, 3), 1000));
		CHECK(!c->line);
		CHECK_EQ(nic->caps, NIC_CAP_RX_COPY);
		CHECK_EQ(nic->dma_mask, c->m.chip->csum2 ? ~0ull : 0xffffffffull);
		CHECK_EQ(nic->level, !c->m.chip->msi);
		CHECK_EQ(hw->by_pin, !c->m.chip->pcie);
		nic_stop(nic);
		CHECK(!wire(100, 1));
		CHECK_EQ(c->m.r[R_CR], 0);
		host_guest_ram_drop();
	}
	CHECK(host_log_has("realtek0: RTL8168/8111/8411 at 02:00.0, 8168H (541), MAC 52:54:00:81:68:01, link up 1000 Mb/s"));
	CHECK(host_log_has("8169SC (180)"));
	CHECK(host_log_has("8168M (6c0)"));
	CHECK(host_log_has("8106E (448)"));
	CHECK(host_log_has("RTL8126 at 02:00.0, 8126A (64a), MAC 52:54:00:81:68:01, link up 5000 Mb/s"));
	CHECK(host_log_has("8125D (688)"));
}

TEST(ids_are_known_once)
{
	const struct hw_driver *d = __start_veneer_drivers[0];

	for (unsigned i = 0; i < d->nids; i++)
		for (unsigned k = 0; k < i; k++)
			CHECK(d->ids[i].vendor != d->ids[k].vendor || d->ids[i].device != d->ids[k].device);
}

/* The polling core: no interrupt, by message or by line, whatever irq_enable() and poll() do; causes wait in the chip. */
TEST(masked_and_peeked_at)
{
	static const char *const some[] = { "8168h", "8168b", "8169", "8125b" };

	for (unsigned i = 0; i < ARRAY_SIZE(some); i++) {
		uint64_t ram = host_guest_ram(4096);

		up(some[i]);
		CHECK_EQ(hw->ops->poll(hw), 0);
		CHECK(hw->ops->mask(hw, true) && !hw->ops->peek(hw));
		unsigned before = c->edges;

		hw->ops->irq_enable(hw, true);
		CHECK(wire(100, 0));
		unsigned reads = host_accesses;

		CHECK(hw->ops->peek(hw));
		CHECK_EQ(host_accesses, reads);
		CHECK_EQ(hw->ops->poll(hw), 1);
		CHECK(!hw->ops->peek(hw));
		CHECK_EQ(send_at(ram, 100, 1), 0);
		kick();
		CHECK(hw->ops->peek(hw));
		hw->ops->tick(hw, host_now_us);
		CHECK_EQ(hw->ops->poll(hw), 1);
		CHECK(!hw->ops->peek(hw));
		CHECK(wire(100, 2));
		hw->ops->tick(hw, host_now_us);
		CHECK(!c->line && c->edges == before);
		CHECK(hw->ops->mask(hw, false));
		CHECK_EQ(c->edges, before + 1);
		CHECK_EQ(hw->ops->poll(hw), 1);
		CHECK(!c->line);
		nic_stop(nic);
		CHECK(!hw->ops->peek(hw));
		host_guest_ram_drop();
	}
}

static void with_version(uint32_t tcr)
{
	static struct rtl8168_chip other;

	make("8168d");
	other = *c->m.chip;
	other.tcr = tcr;
	c->m.chip = &other;
	CHECK_EQ(probe(), -ERR_NODEV);
	CHECK_EQ(host_heap_used(), 0);
	CHECK_EQ(c->m.resets, 0);
}

TEST(a_version_that_nobody_knows_is_not_touched)
{
	static struct rtl8168_chip other;

	with_version(0x77c00000);
	CHECK(host_log_has("TCR 77c00800: a version that this driver does not know") ||
	      host_log_has("TCR 77c00000: a version that this driver does not know"));
	with_version(0x28a00000);
	CHECK(host_log_has("TCR 28a00000: a chip with a management processor, not supported"));
	make("8125d");
	other = *c->m.chip;
	other.tcr = 0x68100000;
	c->m.chip = &other;
	CHECK_EQ(probe(), -ERR_NODEV);
	CHECK(host_log_has("TCR 68100000: a chip with a management processor, not supported"));
	make("8168h");
	c->m.gone = true;
	CHECK_EQ(probe(), -ERR_NODEV);
	CHECK(host_log_has("TCR ffffffff: no answer"));
	CHECK_EQ(host_heap_used(), 0);
}

TEST(probe_fails_cleanly)
{
	for (unsigned n = 1; n <= 6; n++) {
		make("8168h");
		host_heap_fail_at(n);
		CHECK_EQ(probe(), -ERR_NOMEM);
		host_heap_fail_at(0);
		CHECK_EQ(host_heap_used(), 0);
	}
	make("8168h");
	c->m.reset_stuck = true;
	CHECK_EQ(probe(), -ERR_TIMEOUT);
	CHECK_EQ(host_heap_used(), 0);
	CHECK(!chip_master(c));
	CHECK(host_log_has("realtek0: reset does not end, CR 1c"));
	make("8168h");
	c->pci->bar[2].addr = 0;
	CHECK_EQ(probe(), -ERR_NODEV);
	CHECK_EQ(host_heap_used(), 0);
}

TEST(a_reset_ends_in_time_whatever_hangs)
{
	uint64_t before;

	up("8168g");
	c->m.list_stuck = true;
	c->m.tx_stuck = c->tx_stuck = false;
	before = host_now_us;
	nic_stop(nic);
	CHECK(host_now_us - before < 30000);
	CHECK(host_log_has("the list of the shared buffer does not become ready, MCU 30"));
	CHECK_EQ(c->m.r[R_CR], 0);
	up("8168g");
	c->m.reset_stuck = true;
	before = host_now_us;
	nic_stop(nic);
	CHECK(host_now_us - before < 30000);
	CHECK(!chip_master(c));
}

/* --- what the system before us left --- */

TEST(out_of_band_mode_is_left)
{
	static const char *const with_oob[] = { "8168g", "8168h", "8125a", "8125b", "8125d", "8126a", "8402" };

	for (unsigned i = 0; i < ARRAY_SIZE(with_oob); i++) {
		make_off(with_oob[i]);
		c->m.warm_oob = true;
		c->m.m.ops->power_on(&c->m.m);
		CHECK(c->m.r[R_MCU] & M_MCU_OOB);
		start();
		CHECK(!(c->m.r[R_MCU] & M_MCU_OOB));
		CHECK(!(rtl8168_get(&c->m, R_MISC, 4) & M_MISC_GATE));
		CHECK(wire(500, 1));
		CHECK_EQ(hw->ops->poll(hw), 1);
	}
	make_off("8168h");
	c->m.warm_oob = c->m.list_stuck = true;
	c->m.m.ops->power_on(&c->m.m);
	host_log_clear();
	start();
	CHECK(host_log_has("the list of the shared buffer does not become ready"));
}

/* One log line only; a card that works without the list works through every reset.  Public drivers do the same. */
TEST(a_list_that_does_not_get_ready_is_said_once_and_is_no_reason_to_stop)
{
	uint64_t ram = host_guest_ram(4096);

	make("8168h");
	c->m.list_stuck = true;
	start();
	host_log_clear();
	for (unsigned i = 0; i < 3; i++) {
		nic_stop(nic);
		CHECK_EQ(nic_start(nic), 0);
		CHECK_EQ(send_at(ram, 100, i), 0);
		kick();
		CHECK_EQ(c->nsent, i + 1);
		CHECK(wire(100, i));
	}
	CHECK(!host_log_has("the list of the shared buffer"));
}

/* However often the guest resets: no reset waits for the dead ERI a second time, and there is no second line. */
TEST(an_eri_that_died_is_waited_for_once)
{
	static const char *const names[] = { "8168evl", "8168h" };
	uint64_t before, usual;

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		up(names[i]);
		before = host_now_us;
		nic_stop(nic);
		usual = host_now_us - before;
		c->m.eri_dead = true;
		before = host_now_us;
		nic_stop(nic);
		CHECK(host_now_us - before < usual + 5500);
		CHECK(host_log_has("ERI does not answer"));
		host_log_clear();
		before = host_now_us;
		nic_stop(nic);
		CHECK(host_now_us - before <= usual);
		CHECK(!host_log_has("ERI"));
	}
}

TEST(the_burnt_in_address_counts_not_the_last_one)
{
	size_t used;

	make("8168h");
	c->m.r[R_IDR + 5] ^= 0x55;
	CHECK_EQ(probe(), 0);
	CHECK(!memcmp(nic->mac, c->m.mac, 6));
	/* No address there: IDR's counts. */
	make("8168h");
	c->m.eri[0xe0 / 4] = c->m.eri[0xe4 / 4] = 0;
	CHECK_EQ(probe(), 0);
	CHECK(!memcmp(nic->mac, c->m.mac, 6));
	make("8168h");
	c->m.eri_dead = true;
	CHECK_EQ(probe(), 0);
	CHECK(host_log_has("realtek0: ERI does not answer, ERIAR 0000f0e0"));
	make("8168c");
	used = host_heap_used();
	memset(c->m.r + R_IDR, 0xff, 6);
	CHECK_EQ(probe(), -ERR_INVAL);
	CHECK(host_log_has("no valid MAC address: ff:ff:ff:ff:ff:ff"));
	CHECK_EQ(host_heap_used(), used);
}

TEST(a_phy_that_is_off_or_slow_negotiates_anew)
{
	static const char *const names[] = { "8168c", "8168h", "8125b", "8126a" };	/* by PHYAR, by OCP */
	struct nic_link l;

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		make_off(names[i]);
		unsigned most = fastest();

		c->m.phy_off = true;
		c->m.m.ops->power_on(&c->m.m);
		CHECK(!rtl8168_has_link(&c->m));
		start();
		chip_run();
		hw->ops->poll(hw);
		nic_link(nic, &l);
		CHECK(l.up && l.mbps == most);

		make(names[i]);
		c->m.phy[(M_OCP_PHY + 2 * 4) / 2] = 0x0061;	/* left at 10 Mb/s, for wake-up */
		c->m.phy[(M_OCP_PHY + 2 * 9) / 2] = c->m.phy[0xa5d4 / 2] = 0;
		start();
		nic_link(nic, &l);
		CHECK(l.up && l.mbps == most);
	}
	make("8168h");
	host_log_clear();
	c->m.phy_dead = true;
	CHECK_EQ(probe(), 0);
	CHECK(host_log_has("the PHY does not answer, register b8"));
	make("8168f");
	host_log_clear();
	start();
	CHECK(!host_log_has("negotiating again"));	/* a PHY in order is left alone */
}

TEST(an_id_that_names_another_chip_is_not_believed)
{
	make("8168h");
	c->pci->device = 0x8125;
	c->pci->bar[2].size = 0x8000;
	CHECK_EQ(probe(), -ERR_NODEV);
	CHECK(host_log_has("TCR 54100800: not the chip that the PCI id names") ||
	      host_log_has("TCR 54100000: not the chip that the PCI id names"));
	make("8125b");
	c->pci->device = 0x8168;
	CHECK_EQ(probe(), -ERR_NODEV);
	CHECK_EQ(host_heap_used(), 0);
}

TEST(aspm_and_clock_requests_are_off)
{
	make("8168h");
	c->m.r[R_CONFIG5] = 1;
	c->m.r[0x53] = 0x80;
	start();
	CHECK_EQ(c->cfg[CAP_EXP + 16], 0x40);
	CHECK_EQ(c->cfg[CAP_EXP + 17], 0);
	CHECK_EQ(c->m.r[R_CONFIG5], 0);
	CHECK_EQ(c->m.r[0x53], 0);
}

TEST(the_link_of_an_rtl8126_does_not_time_out)
{
	make("8126a");
	c->cfg[0x890] = 0x03;
	start();
	CHECK_EQ(c->cfg[0x890], 0x02);
	CHECK_EQ(c->m.r[R_D8_26], 0x01);
	make("8125b");
	c->cfg[0x890] = 0x03;
	start();
	CHECK_EQ(c->cfg[0x890], 0x03);
}

TEST(jumbo_frames_are_switched_off)
{
	make("8168d");
	c->m.r[0x54] = 0x04;
	c->m.r[0x55] = 0x02;
	start();
	CHECK_EQ(c->m.r[0x54], 0);
	CHECK_EQ(c->m.r[0x55], 0);
}

/* Another system's driver may have selected the other layout of causes, which a reset does not change back. */
TEST(an_rtl8125_rings_whatever_layout_of_causes_was_left)
{
	static const char *const names[] = { "8125a", "8125d", "8125b", "8126a" };

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		make(names[i]);
		c->m.r[R_INT_CFG0_25] = 0x09;
		rtl8168_put(&c->m, R_INT_CFG1_25, 2, 0xffff);
		start();
		CHECK_EQ(c->m.r[R_INT_CFG0_25], 0);
		CHECK_EQ(rtl8168_get(&c->m, R_INT_CFG1_25, 2), i >= 2 ? 0 : 0xffff);	/* only the last two have it */
		CHECK_EQ(c->m.astray, 0);
		CHECK(wire(100, 1));
		CHECK(c->line);
		CHECK_EQ(hw->ops->poll(hw), 1);
	}
}

/* The model fails if the waits are too short; only this test checks the second wait. */
TEST(what_is_behind_the_gate_has_time_before_a_reset)
{
	static const char *const names[] = { "8168g", "8168h", "8125a", "8125b", "8125d", "8126a" };

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		up(names[i]);
		nic_stop(nic);
		CHECK(c->m.gate_to_reset_us >= 4000);
	}
}

TEST(energy_efficient_ethernet_is_off_on_the_later_fast_chips)
{
	static const char *const names[] = { "8402", "8106e" };

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		make(names[i]);
		c->m.eri[0x1b0 / 4] = c->m.eri[0x1d0 / 4] = 0x55555555;
		c->m.r[0x54] = 0x03;			/* beacon, ready for L2 and L3 */
		start();
		CHECK_EQ(c->m.eri[0x1b0 / 4], 0x55550000);
		CHECK_EQ(c->m.eri[0x1d0 / 4], i ? 0x55550000 : 0x55555555);
		CHECK_EQ(c->m.r[0x54], 0);
		CHECK_EQ(c->m.r[R_MCU], i ? 0x0c : 0);
	}
	/* FIFOs and filter of the chip that has them. */
	up("8402");
	CHECK_EQ(c->m.eri[0xc8 / 4], 0x00000002);
	CHECK_EQ(c->m.eri[0xe8 / 4], 0x00000006);
	CHECK_EQ(c->m.eri[0xdc / 4] & 1, 1);
	up("8105e");
	CHECK_EQ(c->m.r[R_MCU], 0x0c);
}

/* An MSI that is left enabled would disable the line. */
TEST(an_8169_keeps_no_messages_on)
{
	make("8169s");
	c->m.r[0x53] = 0x20;
	start();
	CHECK_EQ(c->m.r[0x53], 0);
}

/* By CONFIG2, which says that the bus has 66 MHz.  The model works without the value: iPXE's driver does not set it. */
TEST(an_8169sc_is_told_its_clock)
{
	static const struct { const char *name; uint8_t config2; uint32_t clock; } buses[] = {
		{ "8169", 0, 0x000fff00 }, { "8169", 1, 0x000fffff },
		{ "8169sce", 0, 0x00ffff00 }, { "8169sce", 1, 0x00ffffff },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(buses); i++) {
		make(buses[i].name);
		c->m.r[0x53] = buses[i].config2;
		start();
		CHECK_EQ(rtl8168_get(&c->m, R_SC_CLOCK, 4), buses[i].clock);
		c->m.r[R_SC_CLOCK] = 0;
		CHECK(wire(100, 1));
	}
}

/* --- link --- */

TEST(link_is_decoded)
{
	struct nic_link l;

	up("8168h");
	c->m.mbps = 100;
	c->m.partner_half = true;
	nic_link(nic, &l);
	CHECK(l.up && !l.full_duplex && l.mbps == 100);
	c->m.mbps = 10;
	c->m.partner_half = false;
	nic_link(nic, &l);
	CHECK(l.up && l.full_duplex && l.mbps == 10);
	c->m.cable = false;
	nic_link(nic, &l);
	CHECK(!l.up && !l.mbps);
}

TEST(a_link_change_is_told_once)
{
	up("8168h");
	chip_link(c, false);
	CHECK_EQ(hw->ops->poll(hw), 1);
	CHECK_EQ(got.links, 1);
	CHECK(host_log_has("realtek0: link down"));
	chip_link(c, true);
	hw->ops->poll(hw);
	CHECK_EQ(got.links, 2);
	CHECK_EQ(hw->ops->poll(hw), 0);
	CHECK_EQ(got.links, 2);
}

/* --- transmit --- */

TEST(frames_of_many_fragments_go_out_whole)
{
	uint64_t ram = host_guest_ram(1 << 16);
	uint8_t *p = (uint8_t *)(uintptr_t)ram, want[NIC_FRAME_MAX];

	for (unsigned i = 0; i < 1 << 16; i++)
		p[i] = (uint8_t)(i * 31 >> 3);
	up("8168h");
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
		memset(want + len, 0, len < 60 ? 60 - len : 0);
		kick();
		CHECK_EQ(c->nsent, round + 1);
		CHECK_EQ(c->sent[round].len, MAX(len, 60u));
		CHECK_EQ(c->sent[round].sum, sum_bytes(want, MAX(len, 60u)));
		hw->ops->poll(hw);
		CHECK_EQ(got.ntx, round + 1);
		CHECK(got.tx[round] == TOKEN(round));
	}
}

TEST(short_frames_carry_nothing_old)
{
	uint64_t ram = host_guest_ram(4096);
	uint8_t want[60] = { 0 };

	up("8168h");
	memset((void *)(uintptr_t)ram, 0xff, 4096);
	memset(want, 0xff, 20);
	for (unsigned i = 0; i < 128; i++) {
		struct sg two[2] = { { ram, 14 }, { ram + 100, i < 64 ? 500 : 6 } };
		struct nic_tx t = { .frag = two, .nfrag = 2, .len = i < 64 ? 514 : 20, .token = TOKEN(i) };

		CHECK_EQ(nic_tx(nic, 0, &t), 0);
		kick();
		hw->ops->poll(hw);
		CHECK_EQ(got.ntx, i + 1);
		if (i >= 64)
			CHECK_EQ(c->sent[i].sum, sum_bytes(want, 60));
	}
}

TEST(nothing_is_sent_before_the_kick)
{
	uint64_t ram = host_guest_ram(4096);

	up("8168h");
	CHECK_EQ(send_at(ram, 100, 0), 0);
	kick();
	CHECK_EQ(send_at(ram, 100, 1), 0);
	c->m.polled = true;			/* the chip polls the ring by itself */
	chip_run();
	CHECK_EQ(c->nsent, 1);
	kick();
	CHECK_EQ(c->nsent, 2);
}

TEST(a_full_ring_is_busy_and_frees_in_order)
{
	uint64_t ram = host_guest_ram(4096);
	unsigned sent = 0;

	up("8168e" "vl");
	for (unsigned round = 0; round < 10; round++) {
		c->tx_hang = true;
		while (!send_at(ram, 100, sent))
			sent++;
		CHECK_EQ(sent - got.ntx, 64);
		kick();
		hw->ops->poll(hw);
		CHECK_EQ(got.ntx, round * 64);
		c->tx_hang = false;
		chip_run();
		CHECK_EQ(hw->ops->poll(hw), 64);
	}
	for (unsigned i = 0; i < sent; i++)
		CHECK(got.tx[i] == TOKEN(i));
	CHECK_EQ(clock_holds, 0);
}

TEST(a_kick_that_got_lost_is_made_up_for)
{
	uint64_t ram = host_guest_ram(4096);

	up("8168b");
	CHECK_EQ(send_at(ram, 100, 0), 0);
	kick();
	CHECK_EQ(send_at(ram, 100, 1), 0);
	c->m.lose_polls = 1;
	kick();
	CHECK_EQ(c->nsent, 1);
	hw->ops->poll(hw);			/* the first frame is sent, the second still in flight */
	CHECK_EQ(c->nsent, 2);
	hw->ops->poll(hw);
	CHECK_EQ(got.ntx, 2);
	/* And if it is the only one. */
	CHECK_EQ(send_at(ram, 100, 2), 0);
	c->m.lose_polls = 1;
	kick();
	tick(60);
	hw->ops->poll(hw);
	CHECK_EQ(got.ntx, 3);
	CHECK(!host_log_has("hangs"));
}

TEST(memory_that_an_old_chip_does_not_reach_is_refused)
{
	up("8169");
	CHECK_EQ(send_at(0x100000000ull, 100, 0), -ERR_INVAL);
}

TEST(a_bus_error_is_said_once)
{
	uint64_t ram = host_guest_ram(4096);

	up("8168h");
	CHECK_EQ(send_at(ram, 100, 0), 0);
	c->no_dma = true;
	kick();
	hw->ops->poll(hw);
	CHECK(host_log_has("realtek0: the chip reports an error on the bus"));
}

/* --- receive --- */

TEST(frames_arrive_in_order_around_the_ring)
{
	unsigned n = 0;

	up("8168h");
	for (unsigned round = 0; round < 100; round++) {
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
	CHECK_EQ(c->m.missed, 0);
}

TEST(a_full_ring_loses_frames_and_goes_on)
{
	unsigned n = 0;

	up("8168h");
	while (wire(100, n))
		n++;
	CHECK_EQ(n, 128);
	CHECK_EQ(c->m.missed, 1);
	CHECK(hw->ops->poll(hw) > 0);
	hw->ops->poll(hw);
	CHECK_EQ(got.nrx, 128);
	CHECK(wire(200, 7));
	hw->ops->poll(hw);
	CHECK_EQ(got.nrx, 129);
	CHECK_EQ(got.rx_len[128], 200);
}

/* A poll takes one ring of frames: the rest interrupts again. */
TEST(a_storm_ends_a_poll_that_rings_again)
{
	unsigned edges;

	up("8168h");
	for (unsigned i = 0; i < 128; i++)
		CHECK(wire(100, i));
	hw->ops->poll(hw);
	CHECK_EQ(got.nrx, 128);
	edges = c->edges;
	host_now_us += 100;
	chip_run();
	CHECK_EQ(c->edges, edges + 1);
	hw->ops->poll(hw);
	CHECK_EQ(hw->ops->poll(hw), 0);
}

TEST(bad_frames_stay_inside_and_the_ring_goes_on)
{
	static const uint32_t bad[] = { 1u << 21, 1u << 29, 1u << 28, 0x1fff & ~104u, 104 };
	unsigned n = 0;

	up("8168h");
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		c->m.bad_rx = bad[i];			/* error, no first, no last piece, too long, no length */
		CHECK(wire(100, i));
		hw->ops->poll(hw);
		CHECK_EQ(got.nrx, n);
		CHECK(wire(100, i));
		hw->ops->poll(hw);
		CHECK_EQ(got.nrx, ++n);
	}
	/*
	 * A frame longer than a buffer: RMS bounds the write, the frame is marked and dropped.  The sanitizer checks that
	 * nothing is written beyond the buffer.
	 */
	CHECK(wire(9000, 1));
	hw->ops->poll(hw);
	CHECK_EQ(got.nrx, n);
	CHECK_EQ(nic->count.rx_dropped, ARRAY_SIZE(bad) + 1);
	got.refuse = true;
	CHECK(wire(100, 1));
	hw->ops->poll(hw);
	CHECK_EQ(nic->count.rx_dropped, ARRAY_SIZE(bad) + 2);
}

static void stop_nic(void) { nic_stop(nic); }

TEST(a_client_may_stop_from_its_callbacks)
{
	uint64_t ram = host_guest_ram(4096);

	up("8168h");
	got.in_rx = stop_nic;
	CHECK(wire(100, 1) && wire(100, 2));
	hw->ops->poll(hw);
	CHECK_EQ(got.nrx, 1);
	got.in_rx = NULL;
	CHECK_EQ(nic_start(nic), 0);
	got.in_tx = stop_nic;
	CHECK_EQ(send_at(ram, 100, 1), 0);
	CHECK_EQ(send_at(ram, 100, 2), 0);
	kick();
	hw->ops->poll(hw);
	CHECK_EQ(got.ntx, 1);
	got.in_tx = NULL;
	CHECK_EQ(nic_start(nic), 0);
	CHECK(wire(100, 1));
	hw->ops->poll(hw);
	CHECK_EQ(got.nrx, 2);
}

/* --- the filter --- */

static void filter(const struct nic_rx_filter *f) { nic_set_filter(nic, f); }

TEST(filters_are_wider_never_narrower)
{
	static const uint8_t group[6] = { 1, 0, 0x5e, 0, 0, 0xfb }, other[6] = { 1, 0, 0x5e, 1, 2, 3 };
	static const uint8_t stranger[6] = { 2, 1, 2, 3, 4, 5 }, all[6] = { 255, 255, 255, 255, 255, 255 };

	FOR_EACH_CHIP(name) {
		up(*name);
		filter(&(struct nic_rx_filter){ 0 });
		CHECK(chip_receive(frame_to(all, 100, 0), 100));
		CHECK(!chip_receive(frame_to(group, 100, 0), 100));
		CHECK(!chip_receive(frame_to(stranger, 100, 0), 100));
		filter(&(struct nic_rx_filter){ .nmcast = 1, .mcast = &group });
		CHECK(chip_receive(frame_to(group, 100, 0), 100));
		CHECK(!chip_receive(frame_to(other, 100, 0), 100));
		filter(&(struct nic_rx_filter){ .allmulti = true });
		CHECK(chip_receive(frame_to(other, 100, 0), 100));
		filter(&(struct nic_rx_filter){ .nmac = 1, .mac = &stranger });
		CHECK(chip_receive(frame_to(stranger, 100, 0), 100));
		filter(&(struct nic_rx_filter){ .promisc = true });
		CHECK(chip_receive(frame_to(stranger, 100, 0), 100) && chip_receive(frame_to(other, 100, 0), 100));
		filter(&(struct nic_rx_filter){ .nouni = true, .nobcast = true, .nomulti = true });
		CHECK(!wire(100, 0) && !chip_receive(frame_to(all, 100, 0), 100));
		/* The filter is the same after a reset. */
		filter(&(struct nic_rx_filter){ .nmcast = 1, .mcast = &group });
		nic_stop(nic);
		CHECK_EQ(nic_start(nic), 0);
		CHECK(chip_receive(frame_to(group, 100, 0), 100) && !chip_receive(frame_to(other, 100, 0), 100));
	}
}

TEST(another_address_is_the_chips)
{
	static const uint8_t mac[6] = { 2, 9, 8, 7, 6, 5 };

	up("8168evl");
	nic_set_mac(nic, mac);
	CHECK(chip_receive(frame_to(mac, 100, 0), 100));
	CHECK(!wire(100, 0));
	CHECK_EQ(c->m.eri[0xe0 / 4], 0x07080902);
	CHECK_EQ(c->m.eri[0xe4 / 4], 0x0506);
	CHECK_EQ(c->m.eri[0xf0 / 4], 0x09020000);
	CHECK_EQ(c->m.eri[0xf4 / 4], 0x05060708);
}

/* --- interrupts --- */

TEST(a_message_comes_again_whatever_came_before_the_acknowledgement)
{
	unsigned edges;

	up("8168h");
	CHECK(wire(100, 1));
	edges = c->edges;
	c->late_cause = M_INT_TOK;
	hw->ops->poll(hw);
	CHECK_EQ(c->edges, edges + 1);		/* for the cause that was not acknowledged */
	hw->ops->poll(hw);
	for (unsigned i = 0; i < 20; i++) {
		edges = c->edges;
		CHECK(wire(100, 1));
		CHECK_EQ(c->edges, edges + 1);
		hw->ops->poll(hw);
		CHECK(!c->line);
	}
}

TEST(a_line_has_fallen_after_every_poll)
{
	uint64_t ram = host_guest_ram(4096);

	up("8169");
	CHECK(nic->level);
	for (unsigned i = 0; i < 50; i++) {
		CHECK(wire(100, 1));
		CHECK_EQ(send_at(ram, 100, i), 0);
		kick();
		CHECK(c->line);
		hw->ops->poll(hw);
		CHECK(!c->line);
	}
	CHECK_EQ(hw->ops->poll(hw), 0);
}

TEST(the_line_can_be_tried)
{
	make("8169");
	CHECK_EQ(probe(), 0);
	hw->ops->intx_test(hw, true);
	CHECK(c->line);
	host_now_us += 1000;
	chip_run();
	CHECK(c->line);
	hw->ops->intx_test(hw, false);
	CHECK(!c->line);
	host_now_us += 100000;
	chip_run();
	CHECK(!c->line);
	rig_start();
	CHECK(wire(100, 1));
	CHECK(c->line);
}

TEST(nothing_rings_while_interrupts_are_off)
{
	up("8168h");
	hw->ops->irq_enable(hw, false);
	CHECK(wire(100, 1));
	CHECK(!c->line);
	hw->ops->poll(hw);
	CHECK_EQ(got.nrx, 1);
	CHECK(wire(100, 1));
	CHECK(!c->line);
	hw->ops->irq_enable(hw, true);
	CHECK(c->line);
}

TEST(a_device_that_is_gone_is_said_once)
{
	up("8168h");
	c->m.gone = true;
	hw->ops->poll(hw);
	CHECK(host_log_has("registers read all ones"));
}

TEST(shutdown_leaves_no_dma)
{
	up("8168h");
	hw->ops->shutdown(hw);
	CHECK_EQ(c->m.r[R_CR], 0);
	CHECK(!wire(100, 1));
}

TEST_MAIN
