/* SPDX-License-Identifier: BSD-2-Clause */
/* Ids of I225, I226 and I221.  Not supported: chips whose NVM is blank (15fd, 125f), which have no address. */
#include "intel.h"

#define ID(dev, name) { .vendor = 0x8086, .device = dev, .model = name }
#define MODELLED(dev, name) { .vendor = 0x8086, .device = dev, .model = name, .modelled = true }

static const struct hw_id ids[] = {
	MODELLED(0x15f2, "I225-LM"),
	MODELLED(0x15f3, "I225-V"),
	ID(0x15f8, "I225-I"),
	ID(0x3100, "I225-K"),
	ID(0x3101, "I225-K (2)"),
	ID(0x5502, "I225-LMVP"),
	ID(0x0d9f, "I225-IT"),
	MODELLED(0x125b, "I226-LM"),
	MODELLED(0x125c, "I226-V"),
	ID(0x125d, "I226-IT"),
	ID(0x3102, "I226-K"),
	ID(0x5503, "I226-LMVP"),
	ID(0x125e, "I221-V"),
};

START_ONLY_CODE static int attach(struct nic *nic) { return intel_attach(nic, intel_aspm_off); }

static int igc_probe(const struct pci_dev *pci, const struct hw_id *id, unsigned unit, struct hw_dev **out)
{
	return intel_probe(pci, id, unit, &igc_family, attach, out);
}

static const struct hw_driver igc_driver = {
	.name = "igc",
	.class = HW_NIC,
	.ids = ids,
	.nids = ARRAY_SIZE(ids),
	.memory = INTEL_MEMORY,
	.probe = igc_probe,
};

HW_DRIVER(igc_driver);
