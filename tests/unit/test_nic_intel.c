/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hw/nic/intel_ring.c hw/nic/intel_mac.c hw/nic/intel_phy.c hw/nic/intel_nic.c hw/nic/e1000.c hw/nic/e1000_pci.c hw/nic/e1000e.c hw/nic/e1000e_pci.c */
#include <veneer/clock.h>
#include <veneer/err.h>
#include "intel_model.h"

static struct chip chip, *const c = &chip;
static struct hw_dev *hw;
static struct nic *nic;
static int clock_holds;

#define R(off)	(*chip_reg(c, off))
#define DEV_82540	0x100e
#define DEV_82545EM	0x100f
#define DEV_82545GM	0x1026
#define DEV_82541	0x107c
#define DEV_82574	0x10d3
#define DEV_I217	0x153a
#define DEV_I218	0x155a
#define DEV_I219	0x156f
#define DEV_I219_16	0x1a1e

void clock_hold(void) { clock_holds++; }
void clock_release(void) { clock_holds--; }

/* --- the client --- */

static struct {
	void *tx[4096], *rx[4096];
	uint32_t rx_len[4096], rx_flags[4096];
	unsigned ntx, nrx, flushes, links;
	void (*in_rx)(void), (*in_tx)(void);
} got;

static void on_tx(void *ctx, unsigned q, void *token)
{
	got.tx[got.ntx++] = token;
	if (got.in_tx)
		got.in_tx();
}

static void on_rx(void *ctx, unsigned q, void *token, uint32_t len, uint32_t flags)
{
	got.rx_len[got.nrx] = len;
	got.rx_flags[got.nrx] = flags;
	got.rx[got.nrx++] = token;
	if (got.in_rx)
		got.in_rx();
}

static void on_flush(void *ctx, unsigned q) { got.flushes++; }
static void on_link(void *ctx) { got.links++; }

static const struct nic_client_ops client = {
	.tx_done = on_tx, .rx_done = on_rx, .flush = on_flush, .link_changed = on_link,
};

/* --- making a NIC --- */

extern const struct hw_driver *const __start_veneer_drivers[], *const __stop_veneer_drivers[];

static const struct hw_driver *find(uint16_t device, const struct hw_id **id)
{
	for (const struct hw_driver *const *d = __start_veneer_drivers; d < __stop_veneer_drivers; d++)
		for (unsigned i = 0; i < (*d)->nids; i++)
			if ((*d)->ids[i].vendor == 0x8086 && (*d)->ids[i].device == device) {
				*id = &(*d)->ids[i];
				return *d;
			}
	host_fail(__FILE__, __LINE__, "no driver for %04x", device);
}

static void make(uint16_t device)
{
	static const uint8_t mac[6] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 };
	static struct pci_dev functions[32];
	static unsigned nfunctions;
	const struct hw_id *id;

	(void)find(device, &id);
	memset(c, 0, sizeof(*c));
	uint16_t io = (uint16_t)(0xc000 + 64 * (nfunctions % ARRAY_SIZE(functions)));

	c->pci = &functions[nfunctions++ % ARRAY_SIZE(functions)];
	memset(c->pci, 0, sizeof(*c->pci));
	memset(&got, 0, sizeof(got));
	clock_holds = 0;
	memcpy(c->nvm_mac, mac, 6);
	c->pci->vendor = 0x8086;
	c->pci->device = device;
	c->pci->bdf = PCI_BDF(0, 2, 0);
	c->bar = host_mmio_new(CHIP_SPACE, &chip_model, c);
	c->pci->bar[0] = (struct pci_bar) { .addr = c->bar, .size = CHIP_SPACE };
	c->pci->bar[2] = (struct pci_bar) { .addr = io, .size = 64, .io = true };
	host_pio_model(io, 64, &chip_io_model, c);
	c->cfg = host_pci_config(c->pci);
	c->eerd_old = id->quirks & INTEL_Q_EERD_8254X;
	c->boundary = id->quirks & INTEL_Q_64K;
	c->io_reset = id->quirks & INTEL_Q_IO_RESET;
	c->dup_reset = id->quirks & INTEL_Q_DUP_RESET;
	c->needs_mdio = id->quirks & INTEL_Q_82574;
	c->pch = id->quirks & INTEL_Q_PCH;
	c->pcie = c->pch || c->needs_mdio;
	c->link = true;
	c->speed = 2;
	R(REG_RCTL) = RCTL_EN;		/* as a boot ROM leaves it */
	R(REG_TCTL) = TCTL_EN;
	R(REG_IMS) = INTEL_CAUSES;
}

static int probe(void)
{
	const struct hw_id *id;
	const struct hw_driver *d = find(c->pci->device, &id);
	int err = d->probe(c->pci, id, 0, &hw);

	nic = err ? NULL : hw->nic;
	if (nic)
		nic->client = &client;
	return err;
}

static void up(uint16_t device)
{
	make(device);
	CHECK_EQ(probe(), 0);
	CHECK_EQ(nic->ops->start(nic), 0);
	hw->ops->irq_enable(hw, true);
}

#define TOKEN(i) ((void *)(uintptr_t)(0x1000 + (i)))

static void frame_to(uint8_t *f, const uint8_t mac[6], uint32_t len, uint8_t seed)
{
	for (uint32_t i = 0; i < len; i++)
		f[i] = (uint8_t)(i * 7 + seed);
	memcpy(f, mac, 6);
	f[12] = 8;
	f[13] = 0;
}

static bool wire(uint32_t len, uint8_t seed)
{
	uint8_t f[NIC_FRAME_MAX];

	frame_to(f, nic->mac, len, seed);
	return chip_receive(c, f, len);
}

static int send_at(uint64_t addr, uint32_t len, unsigned token)
{
	struct sg sg = { addr, len };
	struct nic_tx t = { .frag = &sg, .nfrag = 1, .len = len, .token = TOKEN(token) };

	return nic->ops->tx(nic, 0, &t);
}

static void post(uint64_t base, unsigned from, unsigned n)
{
	for (unsigned i = from; i < from + n; i++)
		CHECK_EQ(nic->ops->rx_post(nic, 0, base + 2048ull * i + i % 3, NIC_FRAME_MAX, TOKEN(i)), 0);
	nic->ops->rx_kick(nic, 0);
}

/* --- probe --- */

static const uint16_t all_kinds[] = { DEV_82540, DEV_82545EM, DEV_82545GM, DEV_82541, DEV_82574, DEV_I217, DEV_I218, DEV_I219,
	DEV_I219_16 };

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
		nic->ops->link(nic, &l);
		CHECK(l.up);
		CHECK_EQ(l.mbps, mbps[i]);
		CHECK_EQ(l.full_duplex, !(i & 1));
	}
	chip_link(c, false);
	CHECK(hw->ops->poll(hw) > 0);
	CHECK_EQ(got.links, 1);
	CHECK_EQ(got.flushes, 0);
	nic->ops->link(nic, &l);
	CHECK(!l.up);
	CHECK(host_log_has("e1000e0: link down"));
}

/* --- transmit --- */

TEST(frames_of_many_fragments_go_out_whole)
{
	uint64_t ram = host_guest_ram(1 << 16);
	uint8_t *p = (uint8_t *)(uintptr_t)ram, want[NIC_FRAME_MAX];

	for (unsigned i = 0; i < 1 << 16; i++)
		p[i] = (uint8_t)(i * 31 >> 3);
	up(DEV_82574);
	for (unsigned round = 0; round < 300; round++) {
		struct sg sg[NIC_MAX_FRAGS];
		uint32_t len = 0;
		unsigned n = 1 + round % NIC_MAX_FRAGS;

		for (unsigned i = 0; i < n; i++) {
			sg[i] = (struct sg) { ram + (round * 977 + i * 1501) % 60000, i ? 1 + (round * i) % 70 : 20 };
			memcpy(want + len, (void *)(uintptr_t)sg[i].addr, sg[i].len);
			len += sg[i].len;
		}
		if (len < 60)
			memset(want + len, 0, 60 - len);
		struct nic_tx t = { .frag = sg, .nfrag = n, .len = len, .token = TOKEN(round) };

		CHECK_EQ(nic->ops->tx(nic, 0, &t), 0);
		CHECK_EQ(c->nsent, round);		/* not before the kick */
		nic->ops->tx_kick(nic, 0);
		CHECK_EQ(c->nsent, round + 1);
		CHECK_EQ(c->sent[round].len, MAX(len, 60u));
		CHECK(!memcmp(c->sent[round].data, want, c->sent[round].len));
		CHECK_EQ(hw->ops->poll(hw), 1);
		CHECK_EQ((uintptr_t)got.tx[round], (uintptr_t)TOKEN(round));
	}
	CHECK_EQ(got.ntx, 300);
	CHECK_EQ(got.flushes, 300);
	CHECK_EQ(hw->ops->poll(hw), 0);
}

TEST(one_doorbell_per_batch_and_tokens_in_order)
{
	uint64_t ram = host_guest_ram(4096);

	up(DEV_82574);
	unsigned before = c->tdt_writes, msis = c->msis;

	for (unsigned i = 0; i < 100; i++)
		CHECK_EQ(send_at(ram, 100, i), 0);
	nic->ops->tx_kick(nic, 0);
	nic->ops->tx_kick(nic, 0);
	CHECK_EQ(c->tdt_writes, before + 1);
	CHECK_EQ(c->msis, msis + 1);
	CHECK_EQ(hw->ops->poll(hw), 100);
	CHECK_EQ(got.flushes, 1);
	for (unsigned i = 0; i < 100; i++)
		CHECK_EQ((uintptr_t)got.tx[i], (uintptr_t)TOKEN(i));
}

TEST(full_ring_is_busy_and_never_ambiguous)
{
	uint64_t ram = host_guest_ram(4096);

	up(DEV_82574);
	c->tx_hang = true;
	for (unsigned i = 0; i < nic->tx_slots; i++)
		CHECK_EQ(send_at(ram, 60, i), 0);
	CHECK_EQ(send_at(ram, 60, 999), 0);		/* the context's place */
	CHECK_EQ(send_at(ram, 60, 999), -ERR_BUSY);
	CHECK_EQ(clock_holds, 1);
	nic->ops->tx_kick(nic, 0);
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
	CHECK_EQ(nic->ops->tx(nic, 0, &t), -ERR_INVAL);		/* 10 bytes do not make 100 */
	t.nfrag = 0;
	CHECK_EQ(nic->ops->tx(nic, 0, &t), -ERR_INVAL);
	t.nfrag = NIC_MAX_FRAGS + 1;
	t.len = 210;
	CHECK_EQ(nic->ops->tx(nic, 0, &t), -ERR_INVAL);
	CHECK_EQ(send_at(ram, NIC_FRAME_MIN - 1, 0), -ERR_INVAL);
	CHECK_EQ(send_at(ram, NIC_FRAME_MAX + 1, 0), -ERR_INVAL);
	CHECK_EQ(send_at(0xffffffff, 100, 0), -ERR_INVAL);	/* beyond what this one reaches */
	CHECK_EQ(send_at(~0ull - 10, 100, 0), -ERR_INVAL);
	sg[0].len = ~0u;
	t = (struct nic_tx) { .frag = sg, .nfrag = 1, .len = 100 };
	CHECK_EQ(nic->ops->tx(nic, 0, &t), -ERR_INVAL);
	nic->ops->tx_kick(nic, 0);
	CHECK_EQ(R(REG_TDT), 0);
}

static int send_csum(uint64_t ram, uint16_t start, uint16_t offset)
{
	struct sg sg = { ram, 100 };
	struct nic_tx t = { .frag = &sg, .nfrag = 1, .len = 100, .flags = NIC_TX_CSUM, .csum_start = start,
			    .csum_offset = offset };
	int err = nic->ops->tx(nic, 0, &t);

	nic->ops->tx_kick(nic, 0);
	return err;
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

		CHECK_EQ(send_csum(ram, start, where[k][1]), 0);
		for (unsigned i = start; i < 100; i++)
			sum += (i - start) & 1 ? c->sent[k].data[i] : c->sent[k].data[i] << 8;
		uint32_t there = (uint32_t)(c->sent[k].data[at] << 8 | c->sent[k].data[at + 1]);
		uint32_t was = (uint32_t)(p[at] << 8 | p[at + 1]);

		/* At an odd distance both bytes count swapped. */
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
	CHECK_EQ(send_csum(ram, 34, 60), 0);
	CHECK_EQ(send_csum(ram, 34, 60), 0);
	CHECK_EQ(send_csum(ram, 34, 16), 0);
	CHECK_EQ(c->contexts, 6);
	CHECK_EQ(send_csum(ram, 98, 1), -ERR_INVAL);	/* would lie outside of the frame */
	CHECK_EQ(send_csum(ram, 250, 6), -ERR_INVAL);	/* and outside of what a context holds */
	CHECK_EQ(hw->ops->poll(hw), 9);
	nic->ops->stop(nic);
	CHECK_EQ(nic->ops->start(nic), 0);
	CHECK_EQ(send_csum(ram, 34, 16), 0);		/* a reset forgets the context */
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
	nic->ops->tx_kick(nic, 0);
	CHECK_EQ(c->nsent, 1);
	CHECK_EQ(c->descs, 2);
	CHECK(!memcmp(c->sent[0].data, (void *)(uintptr_t)(edge - 100), 1000));
	CHECK_EQ(nic->ops->rx_post(nic, 0, edge - NIC_FRAME_MAX + 1, 2048, NULL), -ERR_INVAL);
	CHECK_EQ(nic->ops->rx_post(nic, 0, edge - NIC_FRAME_MAX, NIC_FRAME_MAX, NULL), 0);
	nic->ops->rx_kick(nic, 0);
	CHECK(wire(NIC_FRAME_MAX, 3));
	up(DEV_82540);
	CHECK_EQ(nic->ops->rx_post(nic, 0, edge - 100, 2048, NULL), 0);
}

/* --- receive --- */

TEST(buffers_are_filled_in_order)
{
	uint64_t ram = host_guest_ram(2048 * 300);
	uint8_t f[NIC_FRAME_MAX];

	up(DEV_82574);
	for (unsigned round = 0; round < 6; round++) {
		post(ram, 0, 200);
		for (unsigned i = 0; i < 200; i++)
			CHECK(wire(60 + i * 7, (uint8_t)i));
		CHECK_EQ(hw->ops->poll(hw), 200);
		for (unsigned i = 0; i < 200; i++) {
			frame_to(f, nic->mac, 60 + i * 7, (uint8_t)i);
			CHECK_EQ((uintptr_t)got.rx[i], (uintptr_t)TOKEN(i));
			CHECK_EQ(got.rx_len[i], 60 + i * 7);
			CHECK(!memcmp((void *)(uintptr_t)(ram + 2048ull * i + i % 3), f, 60 + i * 7));
		}
		got.nrx = 0;
	}
	CHECK_EQ(got.flushes, 6);
}

TEST(receive_ring_leaves_one_free)
{
	uint64_t ram = host_guest_ram(2048 * 300);

	up(DEV_82574);
	CHECK_EQ(nic->rx_slots, INTEL_RING_SIZE - 1);
	post(ram, 0, nic->rx_slots);
	CHECK_EQ(nic->ops->rx_post(nic, 0, ram, 2048, NULL), -ERR_BUSY);
	CHECK(R(REG_RDT) != R(REG_RDH));
	CHECK_EQ(nic->ops->rx_post(nic, 0, ram, NIC_FRAME_MAX - 1, NULL), -ERR_INVAL);
	for (unsigned i = 0; i < nic->rx_slots; i++)
		CHECK(wire(64, 1));
	CHECK(!wire(64, 1));
	CHECK_EQ(c->missed, 1);
	CHECK_EQ(hw->ops->poll(hw), nic->rx_slots);
}

TEST(checksum_verdicts)
{
	static const struct { uint64_t bits; bool ok; } v[] = {
		{ 0, false }, { RXD_TCPCS, true }, { RXD_TCPCS | RXD_TCPE, false }, { RXD_TCPCS | RXD_IXSM, false },
		{ RXD_TCPCS | RXD_IPE, false },
	};
	uint64_t ram = host_guest_ram(2048 * 8);

	up(DEV_82574);
	post(ram, 0, ARRAY_SIZE(v));
	for (unsigned i = 0; i < ARRAY_SIZE(v); i++) {
		c->rx_status = v[i].bits;
		CHECK(wire(100, 0));
	}
	CHECK_EQ(hw->ops->poll(hw), ARRAY_SIZE(v));
	for (unsigned i = 0; i < ARRAY_SIZE(v); i++)
		CHECK_EQ(got.rx_flags[i], v[i].ok ? NIC_RX_CSUM_OK : 0);
}

TEST(bad_frames_stay_inside_and_their_buffers_return_to_the_ring)
{
	static const uint64_t bad[] = { RXD_CE, RXD_SE, RXD_SEQ, RXD_CXE, RXD_RXE };
	uint64_t ram = host_guest_ram(2048 * 32);

	up(DEV_82574);
	post(ram, 0, 20);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		c->rx_status = bad[i];
		CHECK(wire(100, 0));
	}
	c->rx_status = 0;
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
	CHECK(wire(200, 0));		/* into buffer 11 */
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
	for (unsigned i = 0; i < 19; i++)	/* 12..19, then the dropped ones in their order */
		CHECK_EQ((uintptr_t)got.rx[1 + i], (uintptr_t)TOKEN(i < 8 ? 12 + i : i - 8));
}

/* --- interrupts --- */

TEST(an_msi_rings_again_after_every_poll)
{
	uint64_t ram = host_guest_ram(2048 * 64);

	up(DEV_82574);
	post(ram, 0, 64);
	CHECK_EQ(hw->ops->poll(hw), 0);
	for (unsigned i = 0; i < 50; i++) {
		unsigned before = c->msis;

		CHECK(wire(64, 0));
		CHECK_EQ(c->msis, before + 1);
		CHECK_EQ(hw->ops->poll(hw), 1);
	}
	chip_cause(c, INT_TXDW);		/* rang, with nothing there: drained before */
	CHECK_EQ(hw->ops->poll(hw), 1);
	CHECK_EQ(hw->ops->poll(hw), 0);
	hw->ops->irq_enable(hw, false);
	unsigned before = c->msis;

	CHECK(wire(64, 0));
	CHECK_EQ(c->msis, before);
	hw->ops->irq_enable(hw, true);		/* what came meanwhile rings now */
	CHECK_EQ(c->msis, before + 1);
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

		late = i;		/* frames that come while we drain */
		CHECK(wire(64, 0));
		CHECK_EQ(c->edges > before, 1);
		CHECK_EQ(hw->ops->poll(hw), 1 + i);
		CHECK(!c->line);
	}
	CHECK_EQ(hw->ops->poll(hw), 0);
}

static uint64_t storm_ram;

static void storm(void)
{
	CHECK_EQ(nic->ops->rx_post(nic, 0, storm_ram, 2048, NULL), 0);
	nic->ops->rx_kick(nic, 0);
	CHECK(wire(64, 0));
}

TEST(a_storm_ends_a_poll_that_rings_again)
{
	static const uint16_t kinds[] = { DEV_82540, DEV_82574 };

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

TEST(a_device_that_went_away_is_silent)
{
	up(DEV_82574);
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
	nic->ops->set_filter(nic, &f);
	nic->ops->stop(nic);
	CHECK_EQ(nic->ops->start(nic), 0);		/* all of it stands after a reset */
	post(ram, 0, 255);
	CHECK(hears(uni[0], 0) && hears(uni[1], 0) && hears(multi[0], 0) && hears(multi[1], 0) && !hears(other, 0));
	CHECK_EQ(hears(uni[2], 0), c->pch);		/* wider where there are no more address registers */
	for (unsigned i = 0; i < 40; i++)
		many[i][5] = (uint8_t)i;
	f = (struct nic_rx_filter) { .nmac = 40, .mac = (const uint8_t (*)[6])many, .allmulti = true };
	nic->ops->set_filter(nic, &f);
	CHECK(hears(many[39], 0) && hears(other, 0) && hears(nic->mac, 0));
	vlans[100 / 32] = BIT(100 % 32);
	f = (struct nic_rx_filter) { .vlan = vlans, .nobcast = true };
	nic->ops->set_filter(nic, &f);
	CHECK(hears(nic->mac, 0) && hears(nic->mac, 100) && !hears(nic->mac, 101) && !hears(bcast, 0));
	CHECK(!hears(uni[0], 0));
	f.promisc = true;
	nic->ops->set_filter(nic, &f);
	CHECK(hears(nic->mac, 101) && hears(uni[0], 0) && hears(other, 0));
	f.nouni = f.nomulti = true;
	nic->ops->set_filter(nic, &f);
	CHECK(!hears(nic->mac, 0) && !hears(uni[0], 0) && !hears(other, 0) && !hears(bcast, 0));
	nic->ops->set_filter(nic, &(struct nic_rx_filter) { 0 });
	nic->ops->set_mac(nic, uni[2]);
	CHECK(hears(uni[2], 0) && !hears(nic->mac, 0));
	nic->ops->stop(nic);
	CHECK_EQ(nic->ops->start(nic), 0);
	post(ram, 0, 9);
	CHECK(hears(uni[2], 0) && !hears(nic->mac, 0));
}

TEST(filter_on_8254x) { check_filter(DEV_82540); }
TEST(filter_on_82574) { check_filter(DEV_82574); }
TEST(filter_on_pch) { check_filter(DEV_I219); }

/* --- stop --- */

TEST(nothing_is_touched_after_stop)
{
	for (unsigned i = 0; i < ARRAY_SIZE(all_kinds); i++) {
		uint64_t ram = host_guest_ram(2048 * 64), fresh = host_guest_ram(2048 * 4);

		up(all_kinds[i]);
		nic->ops->rx_post(nic, 0, ALIGN_UP(ram, 4096ull), 2048, TOKEN(1));
		nic->ops->rx_post(nic, 0, ALIGN_UP(ram, 4096ull) + 4096, 2048, TOKEN(2));
		nic->ops->rx_kick(nic, 0);
		CHECK(c->ncached > 0);
		c->tx_hang = true;
		CHECK_EQ(send_at(ram, 64, 3), 0);
		nic->ops->tx_kick(nic, 0);
		nic->ops->stop(nic);
		host_guest_ram_drop();		/* from here on a stray access faults */
		CHECK(!wire(64, 1));
		c->tx_hang = false;
		chip_send(c);
		CHECK_EQ(c->nsent, 0);
		CHECK_EQ(hw->ops->poll(hw), 0);
		CHECK_EQ(got.ntx + got.nrx, 0);		/* forgotten, not returned */
		CHECK_EQ(nic->ops->rx_post(nic, 0, ram, 2048, NULL), -ERR_BUSY);
		fresh = host_guest_ram(2048 * 4);
		CHECK_EQ(nic->ops->start(nic), 0);
		CHECK(R(REG_IMS) == INTEL_CAUSES);
		CHECK_EQ(nic->ops->rx_post(nic, 0, fresh, 2048, TOKEN(4)), 0);
		nic->ops->rx_kick(nic, 0);
		CHECK(wire(64, 1));
		CHECK_EQ(hw->ops->poll(hw), 1);
		CHECK_EQ((uintptr_t)got.rx[0], (uintptr_t)TOKEN(4));
	}
}

TEST(stop_ends_whatever_is_stuck)
{
	uint64_t ram = host_guest_ram(8192);

	up(DEV_82574);
	c->master_stuck = true;
	uint64_t t = host_now_us;

	nic->ops->stop(nic);
	CHECK(host_now_us - t < 200000);
	CHECK(host_log_has("bus requests do not end"));
	CHECK_EQ(nic->ops->start(nic), 0);
	post(ram, 0, 2);
	c->reset_stuck = true;
	t = host_now_us;
	nic->ops->stop(nic);
	CHECK(host_now_us - t < 300000);
	CHECK(!chip_master(c));
	CHECK_EQ(nic->ops->start(nic), -ERR_TIMEOUT);
	CHECK(!chip_master(c));
	c->reset_stuck = c->master_stuck = false;
	CHECK_EQ(nic->ops->start(nic), 0);
	post(ram, 0, 2);
	CHECK(wire(64, 0));
}

static void stop_it(void)
{
	nic->ops->stop(nic);
}

TEST(client_may_stop_in_a_callback)
{
	uint64_t ram = host_guest_ram(2048 * 16);

	up(DEV_82574);
	post(ram, 0, 16);
	for (unsigned i = 0; i < 8; i++) {
		CHECK(wire(64, 0));
		CHECK_EQ(send_at(ram, 64, i), 0);
	}
	nic->ops->tx_kick(nic, 0);
	got.in_rx = stop_it;
	hw->ops->poll(hw);
	CHECK_EQ(got.nrx, 1);
	CHECK_EQ(got.ntx, 0);
	CHECK_EQ(got.flushes, 0);
}

TEST(shutdown_hands_over_to_firmware)
{
	uint64_t ram = host_guest_ram(8192);

	up(DEV_82574);
	post(ram, 0, 2);
	hw->ops->shutdown(hw);
	CHECK(!(R(REG_CTRL_EXT) & CTRL_EXT_DRV_LOAD));
	CHECK(!chip_master(c));
	CHECK_EQ(R(REG_IMS), 0);
	CHECK(!wire(64, 0));
	unsigned n = c->resets;

	hw->ops->shutdown(hw);
	nic->ops->stop(nic);
	CHECK_EQ(c->resets, n);
	CHECK_EQ(nic->ops->start(nic), -ERR_NODEV);
}

/* --- a transmitter that hangs --- */

static void tick(unsigned ms)
{
	for (unsigned i = 0; i < ms; i += 4) {
		host_now_us += 4000;
		hw->ops->tick(hw, host_now_us);
	}
}

static void hang(uint16_t device)
{
	uint64_t ram = host_guest_ram(2048 * 256);

	up(device);
	for (unsigned i = 0; i < 10; i++) {		/* so that the rings do not stand at 0 */
		post(ram, 200, 1);
		CHECK(wire(64, 0));
		CHECK_EQ(hw->ops->poll(hw), 1);
	}
	got.nrx = 0;
	post(ram, 0, 50);
	c->tx_hang = true;
	for (unsigned i = 0; i < 20; i++)
		CHECK_EQ(send_at(ram, 64, i), 0);
	nic->ops->tx_kick(nic, 0);
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
	nic->ops->tx_kick(nic, 0);
	CHECK_EQ(hw->ops->poll(hw), 51);
	for (unsigned i = 0; i < 50; i++)
		CHECK_EQ((uintptr_t)got.rx[i], (uintptr_t)TOKEN(i));
}

TEST(a_hung_transmitter_is_reset_on_8254x) { hang(DEV_82540); }
TEST(a_hung_transmitter_is_reset_on_82574) { hang(DEV_82574); }
TEST(a_hung_transmitter_is_flushed_and_reset_on_i219) { hang(DEV_I219); }

TEST(what_is_no_hang)
{
	uint64_t ram = host_guest_ram(8192);

	up(DEV_82574);
	unsigned resets = c->resets;

	chip_link(c, false);
	CHECK(hw->ops->poll(hw) > 0);
	CHECK_EQ(send_at(ram, 64, 0), 0);
	nic->ops->tx_kick(nic, 0);
	tick(5000);				/* no link: the frame waits */
	CHECK_EQ(c->resets, resets);
	chip_link(c, true);
	CHECK_EQ(hw->ops->poll(hw), 1);
	CHECK_EQ(send_at(ram, 64, 1), 0);	/* never kicked */
	tick(5000);
	CHECK_EQ(c->resets, resets);
	c->tx_lost_irq = true;
	nic->ops->tx_kick(nic, 0);
	tick(5000);				/* done, but the interrupt got lost */
	CHECK_EQ(c->resets, resets);
	CHECK_EQ(got.ntx, 2);
	CHECK(host_log_has("without an interrupt"));
}

TEST(stop_in_the_callback_of_a_recovery)
{
	uint64_t ram = host_guest_ram(8192);

	up(DEV_82574);
	c->tx_hang = true;
	for (unsigned i = 0; i < 4; i++)
		CHECK_EQ(send_at(ram, 64, i), 0);
	nic->ops->tx_kick(nic, 0);
	got.in_tx = stop_it;
	tick(3000);
	CHECK_EQ(got.ntx, 1);
	CHECK(!(R(REG_RCTL) & RCTL_EN));
	CHECK_EQ(nic->ops->start(nic), 0);
}

/* --- PCH --- */

TEST(ulp_is_ended_by_the_engine)
{
	make(DEV_I219);
	R(REG_FWSM) = FWSM_FW_VALID;
	R(REG_H2ME) = H2ME_ULP;
	CHECK_EQ(probe(), 0);
	CHECK_EQ(c->ulp_asked, 1);
	CHECK_EQ(c->phy_resets, 0);		/* the engine's PHY is not reset */
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
	CHECK_EQ(c->phy_resets, 1);
	make(DEV_I219);
	CHECK_EQ(probe(), 0);
	CHECK_EQ(c->phy_resets, 0);		/* nothing to end, the link stays */
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

TEST(phy_power_down_is_undone)
{
	static const uint16_t kinds[] = { DEV_82540, DEV_82574, DEV_I217 };

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
	CHECK_EQ(nic->ops->start(nic), 0);
	c->lose_tails = 3;
	CHECK_EQ(send_at(ram, 64, 0), 0);
	nic->ops->tx_kick(nic, 0);
	CHECK_EQ(c->nsent, 1);
	c->lose_tails = 1000;
	CHECK_EQ(send_at(ram, 64, 1), 0);
	nic->ops->tx_kick(nic, 0);
	CHECK_EQ(c->nsent, 1);
	CHECK(host_log_has("does not take the value"));
	CHECK_EQ(clock_holds, 1);		/* a tick will come */
	c->lose_tails = 0;
	tick(4);
	CHECK_EQ(c->nsent, 2);
}

TEST_MAIN
