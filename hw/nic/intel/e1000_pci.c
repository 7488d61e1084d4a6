/* SPDX-License-Identifier: BSD-2-Clause */
/* Ids of copper 8254x NICs.  Not supported: 82542 to 82544 (other descriptors and errata), 82547 (CSA bus), fibre models. */
#include "intel.h"

#define EM	(INTEL_Q_EERD_8254X | INTEL_Q_IO_RESET)
#define GM	(INTEL_Q_EERD_8254X | INTEL_Q_DUP_RESET)
#define ID(dev, name, q) { .vendor = 0x8086, .device = dev, .model = name, .quirks = q }

static const struct hw_id ids[] = {
	{ .vendor = 0x8086, .device = 0x100e, .model = "82540EM", .quirks = EM, .emulated = true },
	ID(0x1015, "82540EM LOM", EM),
	ID(0x1016, "82540EP LOM", EM),
	ID(0x1017, "82540EP", EM),
	ID(0x101e, "82540EP LP", EM),
	ID(0x100f, "82545EM", EM | INTEL_Q_64K),
	ID(0x1010, "82546EB", EM | INTEL_Q_64K),
	ID(0x1026, "82545GM", GM),
	ID(0x1079, "82546GB", GM),
	ID(0x1013, "82541EI", INTEL_Q_IO_RESET),
	ID(0x1018, "82541EI mobile", INTEL_Q_IO_RESET),
	ID(0x1076, "82541GI", INTEL_Q_IO_RESET),
	ID(0x1077, "82541GI mobile", INTEL_Q_IO_RESET),
	ID(0x1078, "82541ER", INTEL_Q_IO_RESET),
	ID(0x107c, "82541PI", INTEL_Q_IO_RESET),
};

START_ONLY_CODE static int attach(struct nic *nic) { return intel_attach(nic, NULL); }

static int e1000_probe(const struct pci_dev *pci, const struct hw_id *id, unsigned unit, struct hw_dev **out)
{
	return intel_probe(pci, id, unit, &e1000_family, attach, out);
}

static const struct hw_driver e1000_driver = {
	.name = "e1000",
	.class = HW_NIC,
	.ids = ids,
	.nids = ARRAY_SIZE(ids),
	.memory = INTEL_MEMORY,
	.probe = e1000_probe,
};

HW_DRIVER(e1000_driver);
