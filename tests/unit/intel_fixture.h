/* SPDX-License-Identifier: BSD-2-Clause */
/* A client and an Intel NIC of any kind, for the tests of the drivers; each test program includes this file once. */
#ifndef INTEL_FIXTURE_H
#define INTEL_FIXTURE_H

#include "intel_model.h"
#include "nic_rig.h"

static struct chip chip, *const c = &chip;

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
#define DEV_82576	0x10c9
#define DEV_I350	0x1521
#define DEV_I210	0x1533
#define DEV_I211	0x1539

/* --- making a NIC --- */

static void chip_time(void)
{
	if (R(REG_TDLEN))
		chip_write_back(c);
	chip_late(c);
}

static void make(uint16_t device)
{
	static const uint8_t mac[6] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 };
	static struct pci_dev functions[32];
	static unsigned nfunctions;
	const struct hw_id *id;
	const struct hw_driver *d = rig_find(0x8086, device, &id);

	memset(c, 0, sizeof(*c));
	rig_reset();
	uint16_t io = (uint16_t)(0xc000 + 64 * (nfunctions % ARRAY_SIZE(functions)));

	c->pci = &functions[nfunctions++ % ARRAY_SIZE(functions)];
	memset(c->pci, 0, sizeof(*c->pci));
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
	c->igb = !strcmp(d->name, "igb");
	c->i210 = id->quirks & INTEL_Q_I210;
	c->vfta_drops = id->quirks & INTEL_Q_VFTA;
	c->pcie = c->pch || c->needs_mdio || c->igb;
	if (c->igb) {
		R(REG_RXDCTL) = R(REG_TXDCTL) = DCTL_ENABLE;
		R(REG_EECD) = EECD_AUTO_RD | EECD_FLASH_I210;
	}
	rig_time = chip_time;
	c->link = true;
	c->speed = 2;
	R(REG_RCTL) = RCTL_EN;		/* as a boot ROM leaves it */
	R(REG_TCTL) = TCTL_EN;
	R(REG_IMS) = INTEL_CAUSES;
}

static int probe(void) { return rig_probe(c->pci); }

static inline void up(uint16_t device)
{
	make(device);
	CHECK_EQ(probe(), 0);
	rig_start();
}

static inline void frame_to(uint8_t *f, const uint8_t mac[6], uint32_t len, uint8_t seed)
{
	for (uint32_t i = 0; i < len; i++)
		f[i] = (uint8_t)(i * 7 + seed);
	memcpy(f, mac, 6);
	f[12] = 8;
	f[13] = 0;
}

static inline bool wire(uint32_t len, uint8_t seed)
{
	uint8_t f[NIC_FRAME_MAX];

	frame_to(f, nic->mac, len, seed);
	return chip_receive(c, f, len);
}

/* Return the address of a buffer: odd, unless bit 0 is reserved. */
static inline uint64_t place(uint64_t base, unsigned i)
{
	return base + 2048ull * i + i % 3 * (c->igb ? 2 : 1);
}

static inline void post(uint64_t base, unsigned from, unsigned n)
{
	for (unsigned i = from; i < from + n; i++)
		CHECK_EQ(nic_rx_post(nic, 0, place(base, i), NIC_FRAME_MAX, TOKEN(i)), 0);
	nic_rx_kick(nic, 0);
}

/* Send a frame whose checksum, at @start + @offset, the chip inserts. */
static inline int send_csum(uint64_t addr, uint32_t len, uint16_t start, uint16_t offset)
{
	struct sg sg = { addr, len };
	struct nic_tx t = { .frag = &sg, .nfrag = 1, .len = len, .flags = NIC_TX_CSUM, .csum_start = start,
			    .csum_offset = offset };
	int err = nic_tx(nic, 0, &t);

	nic_tx_kick(nic, 0);
	return err;
}

/* For each of @bits, receive a frame with these status bits. */
static inline void wire_marked(const uint64_t *bits, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		c->rx_status = bits[i];
		CHECK(wire(100, 0));
	}
	c->rx_status = 0;
}

/* The status bits of a frame, and what the client learns about its checksum. */
struct sum_verdict { uint64_t bits; bool ok; };

static inline void check_verdicts(const struct sum_verdict *v, unsigned n)
{
	post(host_guest_ram(2048 * 8), 0, n);
	for (unsigned i = 0; i < n; i++)
		wire_marked(&v[i].bits, 1);
	CHECK_EQ(hw->ops->poll(hw), n);
	for (unsigned i = 0; i < n; i++)
		CHECK_EQ(got.rx_flags[i], v[i].ok ? NIC_RX_CSUM_OK : 0);
}

static const uint16_t all_kinds[] = { DEV_82540, DEV_82545EM, DEV_82545GM, DEV_82541, DEV_82574, DEV_I217, DEV_I218, DEV_I219,
	DEV_I219_16, DEV_82576, DEV_I350, DEV_I210, DEV_I211 };

/* Run a test on an 82574 and on an I210. */
#define TEST_BOTH(name) \
	static void name##_on(uint16_t device); \
	TEST(name) { name##_on(DEV_82574); } \
	TEST(name##_on_igb) { name##_on(DEV_I210); } \
	static void name##_on(uint16_t device)

#endif
