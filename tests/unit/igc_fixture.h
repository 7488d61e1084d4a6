/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * I225 and I226 for the tests of their driver: the register model of tests/models, which is also a device of an emulated
 * machine and which Linux's own driver has accepted, behind a fake PCI function that rings by MSI.
 */
#ifndef IGC_FIXTURE_H
#define IGC_FIXTURE_H

#include "tests/models/igc.h"
#include "nic_rig.h"

#define MAX_SENT	512
#define CAP_MSI		0x50
#define CAP_EXP		0x70

static struct chip {
	struct igc m;
	/* nic_net.c sets and reads these */
	bool tx_hang, tx_stuck, tx_lost_irq;
	unsigned nsent;
	struct pci_dev *pci;
	/* seen */
	unsigned msis;
	uint8_t *cfg;
	struct { uint32_t len, sum; } sent[MAX_SENT];
} chip, *const c = &chip;

static void *to_memory(void *ctx, uint64_t addr, size_t len, bool write) { return (void *)(uintptr_t)addr; }
static bool masters(void *ctx) { return c->cfg[PCI_COMMAND] & PCI_CMD_MASTER; }
static void msi(void *ctx, bool on) { c->msis += on; }
static void rule_broken(void *ctx, const char *text) { host_fail(__FILE__, __LINE__, "%s", text); }
static uint64_t model_now(void *ctx) { return host_now_us; }
static void no_vector(void *ctx, unsigned n) { host_fail(__FILE__, __LINE__, "vector %u of MSI-X", n); }

static bool on_wire(void *ctx, const void *frame, size_t len)
{
	c->sent[c->nsent % MAX_SENT].len = (uint32_t)len;
	c->sent[c->nsent++ % MAX_SENT].sum = sum_bytes(frame, (uint32_t)len);
	return true;
}

static void faults_in(void)
{
	c->m.tx_hang = c->tx_hang;
	c->m.tx_stuck = c->tx_stuck;
	if (c->tx_lost_irq)
		c->m.lose_irqs = ~0u;
	else if (c->m.lose_irqs > 1000)
		c->m.lose_irqs = 0;
}

static uint64_t bar_read(void *ctx, uint32_t off, unsigned width)
{
	uint32_t v;

	faults_in();
	v = c->m.m.ops->read(&c->m.m, 0, off, width);
	c->tx_stuck = c->m.tx_stuck;
	return v;
}

static void bar_write(void *ctx, uint32_t off, unsigned width, uint64_t value)
{
	faults_in();
	c->m.m.ops->write(&c->m.m, 0, off, width, (uint32_t)value);
	c->tx_stuck = c->m.tx_stuck;
}

static const struct host_model bar_model = { bar_read, bar_write };

static inline uint32_t *reg(uint32_t off) { return &c->m.r[off / 4]; }

static inline void chip_link(struct chip *x, bool up)
{
	faults_in();
	igc_cable(&x->m, up);
}

/* Receive a frame from the wire.  True if the chip wrote it to memory. */
static inline bool wire_frame(const void *frame, uint32_t len)
{
	unsigned before = c->m.nreceived;

	c->m.m.ops->receive(&c->m.m, frame, len);
	return c->m.nreceived != before;
}

/* Make the chip of that name, with a link; call power_on() after it. */
static inline void make_off(const char *name)
{
	static struct pci_dev functions[64];
	static unsigned nfunctions;

	memset(c, 0, sizeof(*c));
	rig_reset();
	CHECK(igc_init(&c->m, name));
	c->m.m.host = (struct model_host) { c, to_memory, masters, msi, on_wire, rule_broken, model_now, no_vector };
	c->m.autoneg_us = 0;
	c->pci = &functions[nfunctions++ % ARRAY_SIZE(functions)];
	*c->pci = (struct pci_dev) {
		.vendor = c->m.m.pci.vendor, .device = c->m.m.pci.device, .revision = c->m.m.pci.revision,
		.bdf = PCI_BDF(3, 0, 0), .cap_msi = CAP_MSI, .cap_exp = CAP_EXP,
	};
	c->pci->bar[0] = (struct pci_bar) { .addr = host_mmio_new(I_SPACE, &bar_model, c), .size = I_SPACE };
	c->cfg = host_pci_config(c->pci);
	c->cfg[CAP_EXP + 16] = 0x43;
}

static inline void power_on(void)
{
	c->m.m.ops->power_on(&c->m.m);
	/* as a boot ROM leaves it */
	*reg(I_RCTL) = *reg(I_TCTL) = I_EN;
	*reg(I_IMS) = I_INT_RXDW | I_INT_TXDW;
	*reg(I_CTRL) |= I_CTRL_SLU;
}

static inline void make(const char *name)
{
	make_off(name);
	power_on();
}

#endif
