/* SPDX-License-Identifier: BSD-2-Clause */
/* Ids of 82576, I350, I210 and I211 with copper ports.  Not supported: 82575, 82580, I354, and SerDes, SGMII or fibre ports. */
#include "intel.h"

#define ID(dev, name, q) { .vendor = 0x8086, .device = dev, .model = name, .quirks = q }
#define MODELLED(dev, name, q) { .vendor = 0x8086, .device = dev, .model = name, .quirks = q, .modelled = true }

static const struct hw_id ids[] = {
	{ .vendor = 0x8086, .device = 0x10c9, .model = "82576", .emulated = true },
	ID(0x10e8, "82576 quad", 0),
	ID(0x150a, "82576NS", 0),
	ID(0x1526, "82576 quad (ET2)", 0),
	MODELLED(0x1521, "I350", INTEL_Q_VFTA),
	MODELLED(0x1533, "I210", INTEL_Q_I210),
	MODELLED(0x157b, "I210 without flash", INTEL_Q_I210),
	MODELLED(0x1539, "I211", INTEL_Q_I210),
};

START_ONLY_CODE static int attach(struct nic *nic) { return intel_attach(nic, igb_prepare); }

static int igb_probe(const struct pci_dev *pci, const struct hw_id *id, unsigned unit, struct hw_dev **out)
{
	return intel_probe(pci, id, unit, &igb_family, attach, out);
}

static const struct hw_driver igb_driver = {
	.name = "igb",
	.class = HW_NIC,
	.ids = ids,
	.nids = ARRAY_SIZE(ids),
	.memory = INTEL_MEMORY,
	.probe = igb_probe,
};

HW_DRIVER(igb_driver);
