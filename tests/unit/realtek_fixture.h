/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Realtek's gigabit family for the tests of its driver: the register model of tests/models, which is also a device of an
 * emulated machine and which Linux's own driver has accepted, behind a fake PCI function.
 */
#ifndef REALTEK_FIXTURE_H
#define REALTEK_FIXTURE_H

#include "tests/models/rtl8168.h"
#include "nic_rig.h"

#define MAX_SENT	512
#define CAP_MSI		0x50
#define CAP_EXP		0x70

static struct chip {
	struct rtl8168 m;
	/* nic_net.c sets and reads these */
	bool tx_hang, tx_stuck, tx_lost_irq;
	unsigned nsent;
	struct pci_dev *pci;
	/* a cause that comes once between the read of ISR and the acknowledgement */
	uint16_t late_cause;
	bool no_dma;			/* no address is memory */
	/* seen */
	bool line;
	unsigned edges;
	uint8_t *cfg;
	struct { uint32_t len, sum; } sent[MAX_SENT];
} chip, *const c = &chip;

static void *chip_dma(void *ctx, uint64_t addr, size_t len, bool write)
{
	return c->no_dma ? NULL : (void *)(uintptr_t)addr;	/* the sanitizer reports other addresses */
}

static bool chip_master(void *ctx) { return c->cfg[PCI_COMMAND] & PCI_CMD_MASTER; }

static void chip_irq(void *ctx, bool on)
{
	c->edges += on && !c->line;
	c->line = on;
}

static bool chip_sent(void *ctx, const void *frame, size_t len)
{
	c->sent[c->nsent % MAX_SENT].len = (uint32_t)len;
	c->sent[c->nsent++ % MAX_SENT].sum = sum_bytes(frame, (uint32_t)len);
	return true;
}

static void chip_broken(void *ctx, const char *text) { host_fail(__FILE__, __LINE__, "%s", text); }
static uint64_t chip_now(void *ctx) { return host_now_us; }

static void chip_in(void)
{
	c->m.tx_hang = c->tx_hang;
	c->m.tx_stuck = c->tx_stuck;
	c->m.lose_irqs = c->tx_lost_irq ? ~0u : 0;
}

static void chip_out(void) { c->tx_stuck = c->m.tx_stuck; }

static uint64_t chip_read(void *ctx, uint32_t off, unsigned width)
{
	uint32_t v;

	chip_in();
	v = c->m.m.ops->read(&c->m.m, 2, off, width);
	chip_out();
	return v;
}

static void chip_write(void *ctx, uint32_t off, unsigned width, uint64_t value)
{
	chip_in();
	if (off == (c->m.chip->g25 ? R_ISR_25 : R_ISR) && c->late_cause) {
		uint16_t cause = c->late_cause;

		c->late_cause = 0;
		rtl8168_cause(&c->m, cause);
	}
	c->m.m.ops->write(&c->m.m, 2, off, width, (uint32_t)value);
	chip_out();
}

static const struct host_model chip_model = { chip_read, chip_write };

/* Let the chip work for a time without a register access. */
static inline void chip_run(void)
{
	chip_in();
	c->m.m.ops->run(&c->m.m);
	chip_out();
}

static inline void chip_link(struct chip *x, bool up)
{
	chip_in();
	rtl8168_cable(&x->m, up);
	chip_out();
}

/* Receive a frame from the wire.  True if the chip wrote it to memory. */
static inline bool chip_receive(const void *frame, uint32_t len)
{
	unsigned before = c->m.nreceived;

	c->m.m.ops->receive(&c->m.m, frame, len);
	return c->m.nreceived != before;
}

static void make_pci_dev(void)
{
	static struct pci_dev functions[64];
	static unsigned nfunctions;
	const struct model_pci *p = &c->m.m.pci;
	unsigned bar = p->pcie ? 2 : 1;
	uint32_t size = p->bar[bar].size;

	c->pci = &functions[nfunctions++ % ARRAY_SIZE(functions)];
	memset(c->pci, 0, sizeof(*c->pci));
	c->pci->vendor = p->vendor;
	c->pci->device = p->device;
	c->pci->revision = p->revision;
	c->pci->bdf = PCI_BDF(2, 0, 0);
	c->pci->bar[0] = (struct pci_bar) { .addr = 0xc000, .size = 256, .io = true };
	c->pci->bar[bar] = (struct pci_bar) { .addr = host_mmio_new(size, &chip_model, c), .size = size };
	c->pci->cap_msi = p->msi ? CAP_MSI : 0;
	c->pci->cap_exp = p->pcie ? CAP_EXP : 0;
	c->cfg = host_pci_config(c->pci);
	c->cfg[CAP_EXP + 16] = 0x43;
	c->cfg[CAP_EXP + 17] = 0x01;
}

/* Make the chip of that name at power-on, with a link. */
static inline void make_off(const char *name)
{
	memset(c, 0, sizeof(*c));
	rig_reset();
	CHECK(rtl8168_init(&c->m, name));
	c->m.m.host = (struct model_host) { c, chip_dma, chip_master, chip_irq, chip_sent, chip_broken, chip_now, NULL };
	c->m.autoneg_us = 0;
	make_pci_dev();
}

static inline void make(const char *name)
{
	make_off(name);
	c->m.m.ops->power_on(&c->m.m);
	/* as a boot ROM leaves it */
	rtl8168_put(&c->m, c->m.chip->g25 ? R_IMR_25 : R_IMR, 2, 0x25);
	c->m.r[R_CR] = M_CR_TE | M_CR_RE;
}

#endif
