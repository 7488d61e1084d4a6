/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hw/nic/nic.c hw/nic/intel/intel.c hw/nic/intel/intel_tx.c hw/nic/intel/intel_rx.c hw/nic/intel/intel_desc.c */
/* sources: hw/nic/intel/intel_mac.c hw/nic/intel/intel_phy.c hw/nic/intel/e1000.c hw/nic/intel/e1000_pci.c */
/* sources: hw/nic/intel/e1000e.c hw/nic/intel/pch.c hw/nic/intel/pch_speed.c hw/nic/intel/e1000e_pci.c */
/* sources: hw/nic/intel/igb.c hw/nic/intel/igb_desc.c */
/* sources: hw/nic/intel/igb_pci.c hw/nic/intel/intel_rx_long.c */
/* Intel's drivers: TCP segmentation, contexts, and the errata around them. */
#include <veneer/err.h>
#include "inet.h"
#include "intel_fixture.h"

#define PAYLOAD	20000u
#define IP	14u
#define HDR4	54u
#define HDR6	74u

static uint8_t *mem;

static uint8_t pattern(unsigned i) { return (uint8_t)(i * 29 + i / 253); }

/* As nic.h demands: the headers, with some payload, are a piece of their own. */
static int send_tso(bool v6, unsigned payload, unsigned mss, unsigned npieces)
{
	unsigned hdr = v6 ? HDR6 : HDR4, tcp = hdr - 20, left = payload, at = 65536;
	struct sg sg[NIC_MAX_FRAGS];
	struct nic_tx t = { .frag = sg, .len = hdr + payload, .flags = NIC_TX_CSUM | NIC_TX_TSO | (v6 ? NIC_TX_IPV6 : 0),
			    .csum_start = (uint16_t)tcp, .csum_offset = 16, .ip_start = IP, .hdr_len = (uint8_t)hdr,
			    .mss = (uint16_t)mss, .token = TOKEN(7) };

	for (unsigned i = 0; i < hdr; i++)
		mem[i] = (uint8_t)(i * 3);
	set16(mem + 12, v6 ? 0x86dd : 0x0800);
	mem[IP] = v6 ? 0x60 : 0x45;
	if (v6) {
		memset(mem + IP + 4, 0, 2);
	} else {
		memset(mem + IP + 2, 0, 2);
		memset(mem + IP + 10, 0, 2);
		mem[IP + 9] = 6;
	}
	mem[tcp + 12] = 0x50;
	mem[tcp + 13] = 0x19;	/* ACK, PSH, FIN */
	set16(mem + tcp + 16, pseudo(mem + IP, v6, 0));
	for (unsigned i = 0; i < payload; i++)
		mem[i < NIC_TSO_PULL ? hdr + i : at + i] = pattern(i);
	sg[t.nfrag++] = (struct sg) { (uintptr_t)mem, hdr + NIC_TSO_PULL };
	at += NIC_TSO_PULL;
	left -= NIC_TSO_PULL;
	for (; npieces; npieces--) {
		unsigned n = npieces > 1 ? left / npieces : left;

		sg[t.nfrag++] = (struct sg) { (uintptr_t)mem + at, n };
		at += n;
		left -= n;
	}
	int err = nic_tx(nic, 0, &t);

	nic_tx_kick(nic, 0);
	return err;
}

static void check_sent(bool v6, unsigned payload, unsigned mss)
{
	unsigned hdr = v6 ? HDR6 : HDR4, tcp = hdr - 20, n = (payload + mss - 1) / mss;

	CHECK_EQ(c->nsent, n);
	for (unsigned i = 0; i < n; i++) {
		unsigned len = MIN(mss, payload - i * mss);
		const uint8_t *f = c->sent[i].data;

		CHECK_EQ(c->sent[i].len, hdr + len);
		if (!v6)
			CHECK_EQ(sum16(f + IP, 20, 0), 0xffff);
		CHECK_EQ(at16(f + IP + (v6 ? 4 : 2)), len + (v6 ? 20 : 40));
		CHECK_EQ(sum16(f + tcp, 20 + len, pseudo(f + IP, v6, 20 + len)), 0xffff);
		CHECK_EQ(f[tcp + 13], i + 1 < n ? 0x10 : 0x19);
		for (unsigned k = 0; k < len; k++)
			CHECK_EQ(f[hdr + k], pattern(i * mss + k));
	}
}

TEST(all_kinds_cut)
{
	for (unsigned k = 0; k < ARRAY_SIZE(all_kinds); k++) {
		for (unsigned v6 = 0; v6 < 2; v6++) {
			up(all_kinds[k]);
			mem = (uint8_t *)(uintptr_t)host_guest_ram(1 << 20);
			CHECK_EQ(!!(nic->caps & NIC_CAP_TX_TSO), all_kinds[k] != DEV_I219);
			CHECK_EQ(!!(nic->caps & NIC_CAP_TX_TSO6), c->pcie && all_kinds[k] != DEV_I219);
			if (!(nic->caps & NIC_CAP_TX_TSO) || (v6 && !(nic->caps & NIC_CAP_TX_TSO6))) {
				if (!(nic->caps & NIC_CAP_TX_TSO))
					CHECK_EQ(send_tso(v6, PAYLOAD, 1428, 5), -ERR_INVAL);
				continue;
			}
			CHECK_EQ(send_tso(v6, PAYLOAD, 1428, 5), 0);
			check_sent(v6, PAYLOAD, 1428);
			CHECK_EQ(hw->ops->poll(hw), 1);
			CHECK_EQ(got.ntx, 1);
			CHECK(got.tx[0] == TOKEN(7));
			host_guest_ram_drop();
		}
	}
}

TEST(sizes_and_pieces)
{
	static const unsigned v[][3] = { { 5, 1460, 1 }, { 1460, 1460, 1 }, { 1461, 1460, 1 }, { 65000, 1448, 19 },
					 { 65000, 256, 19 }, { 300, 256, 19 }, { 4100, 256, 1 } };

	for (unsigned i = 0; i < ARRAY_SIZE(v); i++) {
		static const uint16_t kinds[] = { DEV_82540, DEV_82545EM, DEV_82574, DEV_82576 };

		for (unsigned k = 0; k < ARRAY_SIZE(kinds); k++) {
			up(kinds[k]);
			mem = (uint8_t *)(uintptr_t)host_guest_ram(1 << 20);
			CHECK_EQ(send_tso(false, v[i][0], v[i][1], v[i][2]), 0);
			check_sent(false, v[i][0], v[i][1]);
			host_guest_ram_drop();
		}
	}
}

TEST(the_frame_behind_has_a_sentinel_too)
{
	up(DEV_82540);
	mem = (uint8_t *)(uintptr_t)host_guest_ram(1 << 20);
	CHECK_EQ(send_tso(false, 4000, 1448, 1), 0);
	unsigned n = c->descs;

	CHECK_EQ(send_at((uintptr_t)mem, 100, 1), 0);
	nic_tx_kick(nic, 0);
	CHECK_EQ(c->descs, n + 2);
	CHECK_EQ(send_at((uintptr_t)mem, 100, 1), 0);
	nic_tx_kick(nic, 0);
	CHECK_EQ(c->descs, n + 3);
	/* After a reset there is no earlier frame with segmentation. */
	CHECK_EQ(send_tso(false, 4000, 1448, 1), 0);
	nic_stop(nic);
	CHECK_EQ(nic_start(nic), 0);
	c->after_tso = false;
	n = c->descs;
	CHECK_EQ(send_at((uintptr_t)mem, 100, 1), 0);
	nic_tx_kick(nic, 0);
	CHECK_EQ(c->descs, n + 1);
}

TEST(pci_express_needs_no_sentinel)
{
	up(DEV_82574);
	mem = (uint8_t *)(uintptr_t)host_guest_ram(1 << 20);
	CHECK_EQ(send_tso(false, 4000, 1448, 1), 0);
	CHECK_EQ(c->descs, 3);
	CHECK_EQ(send_at((uintptr_t)mem, 100, 1), 0);
	nic_tx_kick(nic, 0);
	CHECK_EQ(c->descs, 4);
}

TEST(none_cuts_below_a_gigabit)
{
	static const uint16_t kinds[] = { DEV_82540, DEV_82574 };

	for (unsigned k = 0; k < ARRAY_SIZE(kinds); k++) {
		up(kinds[k]);
		mem = (uint8_t *)(uintptr_t)host_guest_ram(1 << 20);
		CHECK_EQ(send_tso(false, 4000, 1448, 1), 0);
		c->speed = 1;
		chip_cause(c, INT_LSC);
		hw->ops->poll(hw);
		CHECK_EQ(got.links, 1);
		CHECK_EQ(send_tso(false, 4000, 1448, 1), -ERR_INVAL);
		nic_stop(nic);
		CHECK_EQ(nic_start(nic), 0);
		CHECK_EQ(send_tso(false, 4000, 1448, 1), -ERR_INVAL);
		c->speed = 2;
		chip_cause(c, INT_LSC);
		hw->ops->poll(hw);
		CHECK_EQ(send_tso(false, 4000, 1448, 1), 0);
		host_guest_ram_drop();
	}
}

TEST(a_chip_that_hung_cuts_no_more)
{
	static const uint16_t kinds[] = { DEV_82540, DEV_82574, DEV_I217, DEV_82576, DEV_I210 };

	for (unsigned k = 0; k < ARRAY_SIZE(kinds); k++) {
		up(kinds[k]);
		mem = (uint8_t *)(uintptr_t)host_guest_ram(1 << 20);
		c->tx_hang = true;
		CHECK_EQ(send_tso(false, 4000, 1448, 1), 0);
		hw->ops->tick(hw, host_now_us);
		hw->ops->tick(hw, host_now_us + 2 * NIC_HANG_US);
		CHECK_EQ(got.ntx, 1);
		CHECK(host_log_has("no more segmentation"));
		c->tx_hang = false;
		CHECK_EQ(send_tso(false, 4000, 1448, 1), -ERR_INVAL);
		CHECK_EQ(send_at((uintptr_t)mem, 100, 1), 0);
		nic_stop(nic);
		CHECK_EQ(nic_start(nic), 0);
		chip_link(c, true);
		hw->ops->poll(hw);
		CHECK_EQ(send_tso(false, 4000, 1448, 1), -ERR_INVAL);
		host_guest_ram_drop();
	}
}

TEST_BOTH(what_is_not_for_the_chip)
{
	up(device);
	mem = (uint8_t *)(uintptr_t)host_guest_ram(1 << 20);
	CHECK_EQ(send_tso(false, 4000, 255, 1), -ERR_INVAL);	/* tiny segments need too many descriptors */
	CHECK_EQ(send_tso(false, NIC_TSO_MAX - HDR4 + 1, 1448, 1), -ERR_INVAL);
	CHECK_EQ(send_tso(false, NIC_TSO_MAX - HDR4, 1448, 1), 0);
	CHECK_EQ(send_at((uintptr_t)mem, NIC_FRAME_MAX + 1, 1), -ERR_INVAL);
	/* A frame without segmentation needs a context of its own. */
	unsigned n = c->contexts;
	struct sg sg = { (uintptr_t)mem, 100 };
	struct nic_tx t = { .frag = &sg, .nfrag = 1, .len = 100, .flags = NIC_TX_CSUM, .csum_start = 34, .csum_offset = 16 };

	CHECK_EQ(nic_tx(nic, 0, &t), 0);
	CHECK_EQ(nic_tx(nic, 0, &t), 0);
	nic_tx_kick(nic, 0);
	CHECK_EQ(c->contexts, n + 1);
	/* So does a frame with segmentation, although the checksum has the same place. */
	CHECK_EQ(send_tso(false, 4000, 1448, 1), 0);
	CHECK_EQ(c->contexts, n + 2);
}

/* A context and two pieces need three entries; one more stays free, since a full ring would look empty. */
TEST(the_context_counts)
{
	for (unsigned room = 0; room <= 3; room++) {
		up(DEV_82574);
		mem = (uint8_t *)(uintptr_t)host_guest_ram(1 << 20);

		struct sg sg = { (uintptr_t)mem, 100 };
		struct nic_tx t = { .frag = &sg, .nfrag = 1, .len = 100, .flags = NIC_TX_CSUM, .csum_start = 34,
				    .csum_offset = 16, .token = TOKEN(9) };

		c->tx_hang = true;
		for (unsigned i = 0; i + room < INTEL_RING_SIZE - 1; i++)
			CHECK_EQ(send_at((uintptr_t)mem, 100, 1), 0);
		if (room < 2)
			CHECK_EQ(nic_tx(nic, 0, &t), -ERR_BUSY);
		CHECK_EQ(send_tso(false, 4000, 1448, 1), room < 3 ? -ERR_BUSY : 0);
		if (room == 2)
			CHECK_EQ(nic_tx(nic, 0, &t), 0);
		nic_tx_kick(nic, 0);
		c->tx_hang = false;
		chip_send(c);
		hw->ops->poll(hw);
		CHECK_EQ(got.ntx, INTEL_RING_SIZE - 1 - room + (room >= 2));
		/* The refused frame has left nothing in the ring. */
		CHECK_EQ(nic_tx(nic, 0, &t), 0);
		nic_tx_kick(nic, 0);
		CHECK_EQ(c->contexts, room < 3 ? 1 : 2);
		host_guest_ram_drop();
	}
}

TEST_BOTH(a_full_ring_is_busy_and_recovers)
{
	unsigned n = 0;

	up(device);
	mem = (uint8_t *)(uintptr_t)host_guest_ram(1 << 20);
	c->tx_hang = true;
	while (!send_tso(false, 65000, 1448, 1))
		n++;
	CHECK(n >= 10 && n < 20);
	CHECK_EQ(send_tso(false, 65000, 1448, 1), -ERR_BUSY);
	c->tx_hang = false;
	chip_send(c);
	CHECK_EQ(hw->ops->poll(hw), n);
	CHECK_EQ(send_tso(false, 65000, 1448, 1), 0);
}

TEST_MAIN
