/* SPDX-License-Identifier: BSD-2-Clause */
/* An RTL8139 as firmware leaves it, for the tests of its driver; each test program includes this file once. */
#ifndef RTL8139_FIXTURE_H
#define RTL8139_FIXTURE_H

#include "rtl8139_model.h"
#include "nic_rig.h"

static struct chip chip, *const c = &chip;

static void make(void)
{
	static const uint8_t mac[6] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 };
	static struct pci_dev functions[48];
	static unsigned nfunctions;

	memset(c, 0, sizeof(*c));
	rig_reset();
	c->pci = &functions[nfunctions++ % ARRAY_SIZE(functions)];
	memset(c->pci, 0, sizeof(*c->pci));
	c->pci->vendor = 0x10ec;
	c->pci->device = 0x8139;
	c->pci->revision = 0x10;
	c->pci->bdf = PCI_BDF(0, 3, 0);
	c->pci->bar[0] = (struct pci_bar) { .addr = 0xc000, .size = 256, .io = true };
	c->pci->bar[1] = (struct pci_bar) { .addr = host_mmio_new(RTL_REG_SPACE, &chip_model, c), .size = RTL_REG_SPACE };
	c->cfg = host_pci_config(c->pci);
	c->version = 0x74000000;
	c->link = true;
	memcpy(c->eeprom_mac, mac, 6);
	memcpy(c->r + RTL_IDR, mac, 6);
	chip_reset(c);
	c->resets = 0;
	/* as a boot ROM leaves it */
	c->r[RTL_CR] = CR_RE | CR_TE;
	chip_put(c, RTL_IMR, 2, 0x7f);
}

#endif
