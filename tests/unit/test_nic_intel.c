/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hw/nic/nic.c hw/nic/intel/intel.c hw/nic/intel/intel_tx.c hw/nic/intel/intel_rx.c hw/nic/intel/intel_desc.c */
/* sources: hw/nic/intel/intel_mac.c hw/nic/intel/intel_phy.c hw/nic/intel/e1000.c hw/nic/intel/e1000_pci.c */
/* sources: hw/nic/intel/e1000e.c hw/nic/intel/pch.c hw/nic/intel/pch_speed.c hw/nic/intel/e1000e_pci.c */
/* sources: hw/nic/intel/igb.c hw/nic/intel/igb_desc.c */
/* sources: hw/nic/intel/igb_pci.c hw/nic/intel/intel_rx_long.c */
/* Intel's drivers e1000 and e1000e, and igb for the shared parts: probe, frames, interrupts, filter. */
#include <veneer/err.h>
#include "intel_fixture.h"

/* --- probe --- */

TEST(probe_takes_every_kind_over)
{
	for (unsigned i = 0; i < ARRAY_SIZE(all_kinds); i++) {
		make(all_kinds[i]);
		CHECK_EQ(probe(), 0);
		CHECK_EQ(c->resets, 1);
		CHECK(!memcmp(nic->mac, c->nvm_mac, 6));
		CHECK_EQ(R(REG_IMS), 0);
		CHECK(!(R(REG_RCTL) & RCTL_EN) && !(R(REG_TCTL) & TCTL_EN));
		CHECK(R(REG_CTRL) & CTRL_SLU);
		CHECK(!(R(REG_CTRL) & CTRL_GIO_MASTER_OFF));
		CHECK_EQ(!!(R(REG_CTRL_EXT) & CTRL_EXT_DRV_LOAD), c->pcie);
		CHECK(host_heap_used() <= 40u * 1024 * (i + 1));
		CHECK_EQ(nic->dma_mask, c->pcie ? ~0ull : 0xffffffffull);
	}
	CHECK(host_log_has("e1000e0: 82574L at 00:02.0, MAC 52:54:00:12:34:56, link up 1000 Mb/s full duplex"));
	CHECK(host_log_has("e10000: 82540EM at 00:02.0"));
}

TEST(probe_fails_cleanly_without_memory)
{
	for (unsigned n = 1; n <= 5; n++) {
		make(DEV_82574);
		host_heap_fail_at(n);
		CHECK_EQ(probe(), -ERR_NOMEM);
		host_heap_fail_at(0);
		CHECK_EQ(host_heap_used(), 0);
		CHECK(host_log_has("not taken over"));
	}
	CHECK_EQ(probe(), 0);
}

TEST(probe_fails_cleanly_when_reset_hangs)
{
	for (unsigned i = 0; i < ARRAY_SIZE(all_kinds); i++) {
		make(all_kinds[i]);
		c->reset_stuck = true;
		CHECK_EQ(probe(), -ERR_TIMEOUT);
		CHECK_EQ(host_heap_used(), 0);
		CHECK(!chip_master(c));
		CHECK_EQ(R(REG_IMS), 0);
	}
	CHECK(host_log_has("reset does not end, CTRL"));
	CHECK(host_log_has(" RST"));
}

TEST(probe_refuses_what_does_not_answer)
{
	make(DEV_82574);
	c->gone = true;
	CHECK_EQ(probe(), -ERR_NODEV);
	make(DEV_82574);
	c->pci->bar[0].addr = 0;
	CHECK_EQ(probe(), -ERR_NODEV);
	CHECK_EQ(host_heap_used(), 0);
}

TEST(mac_comes_from_eeprom_when_reset_did_not_load_it)
{
	static const uint16_t kinds[] = { DEV_82540, DEV_82541, DEV_82574 };

	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		make(kinds[i]);
		c->no_autoload = true;
		CHECK_EQ(probe(), 0);
		CHECK(!memcmp(nic->mac, c->nvm_mac, 6));
		CHECK(!memcmp(chip_reg(c, REG_RAL(0)), c->nvm_mac, 4));
		CHECK(R(REG_RAH(0)) & RAH_AV);
	}
}

TEST(mac_falls_back_to_firmwares_and_is_checked)
{
	make(DEV_I217);
	c->no_autoload = true;
	R(REG_RAL(0)) = 0x33221102;
	R(REG_RAH(0)) = 0x5544;
	CHECK_EQ(probe(), 0);
	CHECK_EQ(nic->mac[0], 0x02);
	CHECK_EQ(nic->mac[5], 0x55);
	make(DEV_82574);
	c->nvm_mac[0] |= 1;
	CHECK_EQ(probe(), -ERR_INVAL);
	CHECK(host_log_has("no valid MAC"));
	make(DEV_82540);
	c->no_autoload = c->eerd_dead = true;
	CHECK_EQ(probe(), -ERR_INVAL);
	CHECK(host_log_has("EEPROM word 0 not read"));
}

TEST(second_port_of_a_dual_nic_has_its_own_mac)
{
	make(DEV_82540);
	c->no_autoload = true;
	c->pci->bdf = PCI_BDF(0, 2, 1);
	CHECK_EQ(probe(), 0);
	CHECK_EQ(nic->mac[5], c->nvm_mac[5] ^ 1);
}

TEST(link_is_decoded)
{
	static const unsigned mbps[] = { 10, 100, 1000, 1000 };
	struct nic_link l;

	up(DEV_82574);
	for (unsigned i = 0; i < 4; i++) {
		c->speed = i;
		c->half = i & 1;
		nic_link(nic, &l);
		CHECK(l.up);
		CHECK_EQ(l.mbps, mbps[i]);
		CHECK_EQ(l.full_duplex, !(i & 1));
	}
	chip_link(c, false);
	CHECK(hw->ops->poll(hw) > 0);
	CHECK_EQ(got.links, 1);
	CHECK_EQ(got.flushes, 0);
	nic_link(nic, &l);
	CHECK(!l.up);
	CHECK(host_log_has("e1000e0: link down"));
}

/* --- transmit --- */

TEST_BOTH(frames_of_many_fragments_go_out_whole)
{
	uint64_t ram = host_guest_ram(1 << 16);
	uint8_t *p = (uint8_t *)(uintptr_t)ram, want[NIC_FRAME_MAX];

	for (unsigned i = 0; i < 1 << 16; i++)
		p[i] = (uint8_t)(i * 31 >> 3);
	up(device);
	for (unsigned round = 0; round < 300; round++) {
		struct sg sg[NIC_MAX_FRAGS];
		uint32_t len = 0;
		unsigned n = 1 + round % NIC_MAX_FRAGS;

		for (unsigned i = 0; i < n; i++) {
			sg[i] = (struct sg) { ram + (round * 977 + i * 1501) % 60000, i ? 1 + (round * i) % 70 : 20 };
			memcpy(want + len, (void *)(uintptr_t)sg[i].addr, sg[i].len);
			len += sg[i].len;
		}
		if (len < 17)
			memset(want + len, 0, 17 - len);
		struct nic_tx t = { .frag = sg, .nfrag = n, .len = len, .token = TOKEN(round) };

		CHECK_EQ(nic_tx(nic, 0, &t), 0);
		CHECK_EQ(c->nsent, round);		/* not before the kick */
		nic_tx_kick(nic, 0);
		CHECK_EQ(c->nsent, round + 1);
		CHECK_EQ(c->sent[round].len, MAX(len, 17u));
		CHECK(!memcmp(c->sent[round].data, want, c->sent[round].len));
		CHECK_EQ(hw->ops->poll(hw), 1);
		CHECK_EQ((uintptr_t)got.tx[round], (uintptr_t)TOKEN(round));
	}
	CHECK_EQ(got.ntx, 300);
	CHECK_EQ(got.flushes, 300);
	CHECK_EQ(hw->ops->poll(hw), 0);
}

TEST_BOTH(one_doorbell_per_batch_and_tokens_in_order)
{
	uint64_t ram = host_guest_ram(4096);

	up(device);
	unsigned before = c->tdt_writes, msis = c->msis;

	for (unsigned i = 0; i < 100; i++)
		CHECK_EQ(send_at(ram, 100, i), 0);
	nic_tx_kick(nic, 0);
	nic_tx_kick(nic, 0);
	CHECK_EQ(c->tdt_writes, before + 1);
	CHECK_EQ(c->msis, msis + 1);
	CHECK_EQ(hw->ops->poll(hw), 100);
	CHECK_EQ(got.flushes, 1);
	for (unsigned i = 0; i < 100; i++)
		CHECK_EQ((uintptr_t)got.tx[i], (uintptr_t)TOKEN(i));
}

TEST_BOTH(full_ring_is_busy_and_never_ambiguous)
{
	uint64_t ram = host_guest_ram(4096);

	up(device);
	c->tx_hang = true;
	for (unsigned i = 0; i < nic->tx_slots; i++)
		CHECK_EQ(send_at(ram, 60, i), 0);
	CHECK_EQ(send_at(ram, 60, 999), 0);		/* the place of the context */
	CHECK_EQ(send_at(ram, 60, 999), -ERR_BUSY);
	CHECK_EQ(clock_holds, 1);
	nic_tx_kick(nic, 0);
	CHECK(R(REG_TDT) != R(REG_TDH));
	c->tx_hang = false;
	chip_send(c);
	CHECK_EQ(hw->ops->poll(hw), INTEL_RING_SIZE - 1);
	CHECK_EQ(clock_holds, 0);
	CHECK_EQ(send_at(ram, 60, 1), 0);
}

TEST(bad_frames_are_refused)
{
	uint64_t ram = host_guest_ram(4096);
	struct sg sg[NIC_MAX_FRAGS + 1];
	struct nic_tx t = { .frag = sg, .nfrag = 1, .len = 100 };

	up(DEV_82540);
	for (unsigned i = 0; i < ARRAY_SIZE(sg); i++)
		sg[i] = (struct sg) { ram, 10 };
	CHECK_EQ(nic_tx(nic, 0, &t), -ERR_INVAL);		/* the pieces are 10 bytes, the frame 100 */
	t.nfrag = 0;
	CHECK_EQ(nic_tx(nic, 0, &t), -ERR_INVAL);
	t.nfrag = NIC_MAX_FRAGS + 1;
	t.len = 210;
	CHECK_EQ(nic_tx(nic, 0, &t), -ERR_INVAL);
	CHECK_EQ(send_at(ram, NIC_FRAME_MIN - 1, 0), -ERR_INVAL);
	CHECK_EQ(send_at(ram, NIC_FRAME_MAX + 1, 0), -ERR_INVAL);
	CHECK_EQ(send_at(0xffffffff, 100, 0), -ERR_INVAL);	/* beyond the chip's DMA mask */
	CHECK_EQ(send_at(~0ull - 10, 100, 0), -ERR_INVAL);
	sg[0].len = ~0u;
	t = (struct nic_tx) { .frag = sg, .nfrag = 1, .len = 100 };
	CHECK_EQ(nic_tx(nic, 0, &t), -ERR_INVAL);
	/* Good pieces before a bad one: none of them stays in the ring. */
	sg[0] = (struct sg) { ram, 50 };
	sg[1] = (struct sg) { 0xfffffff0, 50 };
	t.nfrag = 2;
	CHECK_EQ(nic_tx(nic, 0, &t), -ERR_INVAL);
	sg[1] = (struct sg) { ram + 50, 49 };
	CHECK_EQ(nic_tx(nic, 0, &t), -ERR_INVAL);
	sg[1].len = 51;
	CHECK_EQ(nic_tx(nic, 0, &t), -ERR_INVAL);
	nic_tx_kick(nic, 0);
	CHECK_EQ(R(REG_TDT), 0);
	sg[1].len = 50;
	CHECK_EQ(nic_tx(nic, 0, &t), 0);
	nic_tx_kick(nic, 0);
	CHECK_EQ(R(REG_TDT), 2);
}

TEST(checksums_are_filled_in_and_contexts_reused)
{
	uint64_t ram = host_guest_ram(4096);
	uint8_t *p = (uint8_t *)(uintptr_t)ram;
	static const uint16_t where[][2] = { { 34, 16 }, { 34, 16 }, { 34, 6 }, { 15, 1 }, { 54, 16 }, { 54, 16 } };

	for (unsigned i = 0; i < 100; i++)
		p[i] = (uint8_t)(i * 13);
	up(DEV_82574);
	for (unsigned k = 0; k < ARRAY_SIZE(where); k++) {
		uint16_t start = where[k][0], at = (uint16_t)(start + where[k][1]);
		uint32_t sum = 0;

		CHECK_EQ(send_csum(ram, 100, start, where[k][1]), 0);
		for (unsigned i = start; i < 100; i++)
			sum += (i - start) & 1 ? c->sent[k].data[i] : c->sent[k].data[i] << 8;
		uint32_t there = (uint32_t)(c->sent[k].data[at] << 8 | c->sent[k].data[at + 1]);
		uint32_t was = (uint32_t)(p[at] << 8 | p[at + 1]);

		/* At an odd offset the two bytes are swapped. */
		if ((at - start) & 1) {
			there = (there >> 8 | there << 8) & 0xffff;
			was = (was >> 8 | was << 8) & 0xffff;
		}
		sum = sum - there + was;
		while (sum >> 16)
			sum = (sum & 0xffff) + (sum >> 16);
		CHECK_EQ((uint32_t)(c->sent[k].data[at] << 8 | c->sent[k].data[at + 1]), ~sum & 0xffff);
	}
	CHECK_EQ(c->contexts, 4);
	CHECK_EQ(send_csum(ram, 100, 34, 60), 0);
	CHECK_EQ(send_csum(ram, 100, 34, 60), 0);
	CHECK_EQ(send_csum(ram, 100, 34, 16), 0);
	CHECK_EQ(c->contexts, 6);
	CHECK_EQ(send_csum(ram, 100, 98, 1), -ERR_INVAL);	/* the checksum would be outside of the frame */
	CHECK_EQ(send_csum(ram, 100, 250, 6), -ERR_INVAL);	/* and beyond the reach of a context */
	CHECK_EQ(hw->ops->poll(hw), 9);
	nic_stop(nic);
	CHECK_EQ(nic_start(nic), 0);
	CHECK_EQ(send_csum(ram, 100, 34, 16), 0);		/* a reset clears the context */
	CHECK_EQ(c->contexts, 7);
}

TEST(nothing_crosses_64k_where_that_is_an_erratum)
{
	uint64_t ram = host_guest_ram(3 << 16), edge = ALIGN_UP(ram, 0x10000ull) + 0x10000;
	uint8_t *p = (uint8_t *)(uintptr_t)ram;

	for (unsigned i = 0; i < 3 << 16; i++)
		p[i] = (uint8_t)(i * 5 >> 2);
	up(DEV_82545EM);
	CHECK_EQ(send_at(edge - 100, 1000, 1), 0);
	nic_tx_kick(nic, 0);
	CHECK_EQ(c->nsent, 1);
	CHECK_EQ(c->descs, 2);
	CHECK(!memcmp(c->sent[0].data, (void *)(uintptr_t)(edge - 100), 1000));
	CHECK_EQ(nic_rx_post(nic, 0, edge - NIC_FRAME_MAX + 1, 2048, NULL), -ERR_INVAL);
	CHECK_EQ(nic_rx_post(nic, 0, edge - NIC_FRAME_MAX, NIC_FRAME_MAX, NULL), 0);
	nic_rx_kick(nic, 0);
	CHECK(wire(NIC_FRAME_MAX, 3));
	up(DEV_82540);
	CHECK_EQ(nic_rx_post(nic, 0, edge - 100, 2048, NULL), 0);
}

/* --- receive --- */

TEST_BOTH(buffers_are_filled_in_order)
{
	uint64_t ram = host_guest_ram(2048 * 300);
	uint8_t f[NIC_FRAME_MAX];

	up(device);
	for (unsigned round = 0; round < 6; round++) {
		post(ram, 0, 200);
		for (unsigned i = 0; i < 200; i++)
			CHECK(wire(60 + i * 7, (uint8_t)i));
		CHECK_EQ(hw->ops->poll(hw), 200);
		for (unsigned i = 0; i < 200; i++) {
			frame_to(f, nic->mac, 60 + i * 7, (uint8_t)i);
			CHECK_EQ((uintptr_t)got.rx[i], (uintptr_t)TOKEN(i));
			CHECK_EQ(got.rx_len[i], 60 + i * 7);
			CHECK(!memcmp((void *)(uintptr_t)place(ram, i), f, 60 + i * 7));
		}
		got.nrx = 0;
	}
	CHECK_EQ(got.flushes, 6);
}

TEST_BOTH(receive_ring_leaves_one_free)
{
	uint64_t ram = host_guest_ram(2048 * 300);

	up(device);
	CHECK_EQ(nic->rx_slots, INTEL_RING_SIZE - 1);
	post(ram, 0, nic->rx_slots);
	CHECK_EQ(nic_rx_post(nic, 0, ram, 2048, NULL), -ERR_BUSY);
	CHECK(R(REG_RDT) != R(REG_RDH));
	CHECK_EQ(nic_rx_post(nic, 0, ram, NIC_FRAME_MAX - 1, NULL), -ERR_INVAL);
	for (unsigned i = 0; i < nic->rx_slots; i++)
		CHECK(wire(64, 1));
	CHECK(!wire(64, 1));
	CHECK_EQ(c->missed, 1);
	CHECK_EQ(hw->ops->poll(hw), nic->rx_slots);
}

TEST(checksum_verdicts)
{
	static const struct sum_verdict v[] = {
		{ 0, false }, { RXD_TCPCS, true }, { RXD_TCPCS | RXD_TCPE, false }, { RXD_TCPCS | RXD_IXSM, false },
		{ RXD_TCPCS | RXD_IPE, false },
	};

	up(DEV_82574);
	check_verdicts(v, ARRAY_SIZE(v));
}

TEST(bad_frames_stay_inside_and_their_buffers_return_to_the_ring)
{
	static const uint64_t bad[] = { RXD_CE, RXD_SE, RXD_SEQ, RXD_CXE, RXD_RXE };
	uint64_t ram = host_guest_ram(2048 * 32);

	up(DEV_82574);
	post(ram, 0, 20);
	wire_marked(bad, ARRAY_SIZE(bad));
	c->rx_no_eop = true;		/* a frame over three buffers */
	CHECK(wire(1000, 0));
	CHECK(wire(1000, 0));
	c->rx_no_eop = false;
	CHECK(wire(100, 0));
	c->rx_claim = NIC_FRAME_MAX + 1;
	CHECK(wire(100, 0));
	c->rx_claim = 0xffff;
	CHECK(wire(100, 0));
	c->rx_claim = NIC_FRAME_MIN - 1;
	CHECK(wire(100, 0));
	c->rx_claim = 0;
	CHECK(wire(200, 0));		/* received into buffer 11 */
	unsigned before = c->rdt_writes;

	CHECK_EQ(hw->ops->poll(hw), 1);
	CHECK_EQ(c->rdt_writes, before + 1);
	CHECK_EQ(got.nrx, 1);
	CHECK_EQ((uintptr_t)got.rx[0], (uintptr_t)TOKEN(11));
	CHECK_EQ(got.rx_len[0], 200);
	CHECK(host_log_has("claims 1519 bytes in a buffer of 1518"));
	for (unsigned i = 0; i < 19; i++)
		CHECK(wire(64, 0));
	CHECK(!wire(64, 0));
	CHECK_EQ(hw->ops->poll(hw), 19);
	for (unsigned i = 0; i < 19; i++)	/* buffers 12 to 19, then those of dropped frames, in their order */
		CHECK_EQ((uintptr_t)got.rx[1 + i], (uintptr_t)TOKEN(i < 8 ? 12 + i : i - 8));
}

/* --- interrupts --- */

TEST_BOTH(an_msi_rings_again_after_every_poll)
{
	uint64_t ram = host_guest_ram(2048 * 64);

	up(device);
	post(ram, 0, 64);
	CHECK_EQ(hw->ops->poll(hw), 0);
	for (unsigned i = 0; i < 50; i++) {
		unsigned before = c->msis;

		CHECK(wire(64, 0));
		CHECK_EQ(c->msis, before + 1);
		CHECK_EQ(hw->ops->poll(hw), 1);
	}
	chip_cause(c, INT_TXDW);		/* interrupted, but the frame was drained before */
	CHECK_EQ(hw->ops->poll(hw), 1);
	CHECK_EQ(hw->ops->poll(hw), 0);
	hw->ops->irq_enable(hw, false);
	unsigned before = c->msis;

	CHECK(wire(64, 0));
	CHECK_EQ(c->msis, before);
	hw->ops->irq_enable(hw, true);		/* frames that came meanwhile interrupt now */
	CHECK_EQ(c->msis, before + 1);
	CHECK_EQ(hw->ops->poll(hw), 1);
}

/* The polling core: no interrupt, whatever irq_enable() says; causes wait in the chip, frames in memory. */
TEST_BOTH(masked_and_peeked_at)
{
	uint64_t ram = host_guest_ram(2048 * 64);

	up(device);
	post(ram, 0, 64);
	CHECK_EQ(hw->ops->poll(hw), 0);
	CHECK(hw->ops->mask(hw, true) && !hw->ops->peek(hw));
	unsigned before = c->msis;

	hw->ops->irq_enable(hw, true);
	CHECK(wire(64, 0));
	unsigned reads = host_accesses;

	CHECK(hw->ops->peek(hw));
	CHECK_EQ(host_accesses, reads);
	CHECK_EQ(hw->ops->poll(hw), 1);
	CHECK(!hw->ops->peek(hw));
	CHECK(wire(64, 0));
	CHECK_EQ(c->msis, before);
	CHECK(hw->ops->mask(hw, false));
	CHECK_EQ(c->msis, before + 1);		/* what came meanwhile rings now */
	CHECK_EQ(hw->ops->poll(hw), 1);
}

static unsigned late;

static void one_more(void)
{
	if (late) {
		late--;
		CHECK(wire(64, 0));
	}
}

TEST(a_line_has_fallen_after_every_poll)
{
	uint64_t ram = host_guest_ram(2048 * 255);

	up(DEV_82540);
	post(ram, 0, 200);
	got.in_rx = one_more;
	for (unsigned i = 0; i < 10; i++) {
		unsigned before = c->edges;

		late = i;		/* frames arrive during the drain */
		CHECK(wire(64, 0));
		CHECK_EQ(c->edges > before, 1);
		CHECK_EQ(hw->ops->poll(hw), 1 + i);
		CHECK(!c->line && c->low_seen);
	}
	CHECK_EQ(hw->ops->poll(hw), 0);
}

static uint64_t storm_ram;

static void storm(void)
{
	CHECK(wire(64, 0));		/* right after the read of ICR: the line is not low long enough for an edge */
	CHECK_EQ(nic_rx_post(nic, 0, storm_ram, 2048, NULL), 0);
	nic_rx_kick(nic, 0);
}

TEST(a_storm_ends_a_poll_that_rings_again)
{
	static const uint16_t kinds[] = { DEV_82540, DEV_82574, DEV_82576 };

	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		storm_ram = host_guest_ram(2048 * 4);
		up(kinds[i]);
		post(storm_ram, 0, 4);
		got.in_rx = storm;
		CHECK(wire(64, 0));
		unsigned rings = c->edges + c->msis, n = hw->ops->poll(hw);

		CHECK(n >= INTEL_RING_SIZE && n <= 2 * INTEL_RING_SIZE);
		CHECK(c->edges + c->msis > rings);
		got.in_rx = NULL;
		CHECK(hw->ops->poll(hw) > 0);
		CHECK(!c->line);
	}
}

TEST(intx_test_asserts_and_withdraws)
{
	make(DEV_82540);
	CHECK_EQ(probe(), 0);
	hw->ops->intx_test(hw, true);
	CHECK(c->line);
	hw->ops->intx_test(hw, false);
	CHECK(!c->line);
	CHECK_EQ(R(REG_IMS), 0);
	CHECK_EQ(got.links, 0);
}

TEST_BOTH(a_device_that_went_away_is_silent)
{
	up(device);
	c->gone = true;
	CHECK_EQ(hw->ops->poll(hw), 0);
	CHECK(host_log_has("all ones"));
	CHECK_EQ(got.links, 0);
}

/* --- filter --- */

static bool hears(const uint8_t *mac, unsigned vlan)
{
	uint8_t f[64] = { 0 };

	memcpy(f, mac, 6);
	f[12] = vlan ? 0x81 : 0x08;
	f[14] = (uint8_t)(vlan >> 8);
	f[15] = (uint8_t)vlan;
	return chip_receive(c, f, sizeof(f));
}

static void check_filter(uint16_t device)
{
	static const uint8_t uni[3][6] = { { 2, 0, 0, 0, 0, 1 }, { 2, 0, 0, 0, 0, 2 }, { 2, 0, 0, 0, 0, 3 } };
	static const uint8_t multi[2][6] = { { 1, 0, 0x5e, 1, 0x52, 0x93 }, { 0x33, 0x33, 0, 0, 0xab, 0xcd } };
	static const uint8_t other[6] = { 1, 0, 0x5e, 9, 9, 9 }, bcast[6] = { 255, 255, 255, 255, 255, 255 };
	static uint8_t many[40][6];
	uint32_t vlans[128] = { 0 };
	struct nic_rx_filter f = { .nmac = 2, .mac = uni, .nmcast = 2, .mcast = multi };
	uint64_t ram = host_guest_ram(2048 * 255);

	up(device);
	post(ram, 0, 255);
	CHECK(hears(nic->mac, 0) && hears(bcast, 0) && !hears(uni[0], 0) && !hears(multi[0], 0));
	nic_set_filter(nic, &f);
	nic_stop(nic);
	CHECK_EQ(nic_start(nic), 0);		/* the filter is the same after a reset */
	post(ram, 0, 255);
	CHECK(hears(uni[0], 0) && hears(uni[1], 0) && hears(multi[0], 0) && hears(multi[1], 0) && !hears(other, 0));
	CHECK_EQ(hears(uni[2], 0), c->pch);		/* passes more frames if address registers are missing */
	for (unsigned i = 0; i < 40; i++)
		many[i][5] = (uint8_t)i;
	f = (struct nic_rx_filter) { .nmac = 40, .mac = (const uint8_t (*)[6])many, .allmulti = true };
	nic_set_filter(nic, &f);
	CHECK(hears(many[39], 0) && hears(other, 0) && hears(nic->mac, 0));
	vlans[100 / 32] = BIT(100 % 32);
	f = (struct nic_rx_filter) { .vlan = vlans, .nobcast = true };
	nic_set_filter(nic, &f);
	CHECK(hears(nic->mac, 0) && hears(nic->mac, 100) && !hears(nic->mac, 101) && !hears(bcast, 0));
	CHECK(!hears(uni[0], 0));
	f.promisc = true;
	nic_set_filter(nic, &f);
	CHECK(hears(nic->mac, 101) && hears(uni[0], 0) && hears(other, 0));
	f.nouni = f.nomulti = true;
	nic_set_filter(nic, &f);
	CHECK(!hears(nic->mac, 0) && !hears(uni[0], 0) && !hears(other, 0) && !hears(bcast, 0));
	nic_set_filter(nic, &(struct nic_rx_filter) { 0 });
	nic_set_mac(nic, uni[2]);
	CHECK(hears(uni[2], 0) && !hears(nic->mac, 0));
	nic_stop(nic);
	CHECK_EQ(nic_start(nic), 0);
	post(ram, 0, 9);
	CHECK(hears(uni[2], 0) && !hears(nic->mac, 0));
}

TEST(filter_on_8254x) { check_filter(DEV_82540); }
TEST(filter_on_82574) { check_filter(DEV_82574); }
TEST(filter_on_82576) { check_filter(DEV_82576); }
TEST(filter_on_i350) { check_filter(DEV_I350); }
TEST(filter_on_pch) { check_filter(DEV_I219); }

TEST_MAIN
