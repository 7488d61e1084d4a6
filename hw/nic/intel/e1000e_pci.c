/* SPDX-License-Identifier: BSD-2-Clause */
/* Ids of 82574, 82583 and the NICs of PCH chipsets. */
#include "intel.h"

/* I217, and the I218-LM and I218-V with ids 15a0 and 15a1, have no ULP. */
#define I82579	(INTEL_Q_PCH | INTEL_Q_82579)
#define I217	INTEL_Q_PCH
#define I218	(INTEL_Q_PCH | INTEL_Q_ULP)
#define I219	(I218 | INTEL_Q_FLUSH)
#define I219_1	(I219 | INTEL_Q_SPT)
#define I219_T	(I219 | INTEL_Q_TGP)
#define I219_M	(I219_T | INTEL_Q_MTL)
#define ID(dev, name, q) { .vendor = 0x8086, .device = dev, .model = name, .quirks = q }
#define MODELLED(dev, name, q) { .vendor = 0x8086, .device = dev, .model = name, .quirks = q, .modelled = true }

static const struct hw_id ids[] = {
	{ .vendor = 0x8086, .device = 0x10d3, .model = "82574L", .quirks = INTEL_Q_82574, .emulated = true },
	ID(0x10f6, "82574LA", INTEL_Q_82574),
	ID(0x150c, "82583V", INTEL_Q_82574 | INTEL_Q_NO_JUMBO),
	MODELLED(0x1502, "82579LM", I82579),
	MODELLED(0x1503, "82579V", I82579),
	MODELLED(0x153a, "I217-LM", I217),
	MODELLED(0x153b, "I217-V", I217),
	MODELLED(0x155a, "I218-LM", I218),
	MODELLED(0x1559, "I218-V", I218),
	MODELLED(0x15a0, "I218-LM (2)", I217),
	MODELLED(0x15a1, "I218-V (2)", I217),
	MODELLED(0x15a2, "I218-LM (3)", I218),
	MODELLED(0x15a3, "I218-V (3)", I218),
	MODELLED(0x156f, "I219-LM", I219_1),
	MODELLED(0x1570, "I219-V", I219_1),
	MODELLED(0x15b7, "I219-LM (2)", I219_1),
	MODELLED(0x15b8, "I219-V (2)", I219_1),
	MODELLED(0x15b9, "I219-LM (3)", I219_1),
	MODELLED(0x15d7, "I219-LM (4)", I219_1),
	MODELLED(0x15d8, "I219-V (4)", I219_1),
	MODELLED(0x15e3, "I219-LM (5)", I219_1),
	MODELLED(0x15d6, "I219-V (5)", I219_1),
	MODELLED(0x15bd, "I219-LM (6)", I219),
	MODELLED(0x15be, "I219-V (6)", I219),
	MODELLED(0x15bb, "I219-LM (7)", I219),
	MODELLED(0x15bc, "I219-V (7)", I219),
	MODELLED(0x15df, "I219-LM (8)", I219),
	MODELLED(0x15e0, "I219-V (8)", I219),
	MODELLED(0x15e1, "I219-LM (9)", I219),
	MODELLED(0x15e2, "I219-V (9)", I219),
	MODELLED(0x0d4e, "I219-LM (10)", I219),
	MODELLED(0x0d4f, "I219-V (10)", I219),
	MODELLED(0x0d4c, "I219-LM (11)", I219),
	MODELLED(0x0d4d, "I219-V (11)", I219),
	MODELLED(0x0d53, "I219-LM (12)", I219),
	MODELLED(0x0d55, "I219-V (12)", I219),
	MODELLED(0x15fb, "I219-LM (13)", I219_T),
	MODELLED(0x15fc, "I219-V (13)", I219_T),
	MODELLED(0x15f9, "I219-LM (14)", I219_T),
	MODELLED(0x15fa, "I219-V (14)", I219_T),
	MODELLED(0x15f4, "I219-LM (15)", I219_T),
	MODELLED(0x15f5, "I219-V (15)", I219_T),
	MODELLED(0x1a1e, "I219-LM (16)", I219_T),
	MODELLED(0x1a1f, "I219-V (16)", I219_T),
	MODELLED(0x1a1c, "I219-LM (17)", I219_T),
	MODELLED(0x1a1d, "I219-V (17)", I219_T),
	MODELLED(0x550a, "I219-LM (18)", I219_M),
	MODELLED(0x550b, "I219-V (18)", I219_M),
	MODELLED(0x550c, "I219-LM (19)", I219_M),
	MODELLED(0x550d, "I219-V (19)", I219_M),
	MODELLED(0x550e, "I219-LM (20)", I219_M),
	MODELLED(0x550f, "I219-V (20)", I219_M),
	MODELLED(0x5510, "I219-LM (21)", I219_M),
	MODELLED(0x5511, "I219-V (21)", I219_M),
	MODELLED(0x0dc7, "I219-LM (22)", I219_T),
	MODELLED(0x0dc8, "I219-V (22)", I219_T),
	MODELLED(0x0dc5, "I219-LM (23)", I219_T),
	MODELLED(0x0dc6, "I219-V (23)", I219_T),
};

START_ONLY_CODE static int attach(struct nic *nic) { return intel_attach(nic, e1000e_prepare); }

static int e1000e_probe(const struct pci_dev *pci, const struct hw_id *id, unsigned unit, struct hw_dev **out)
{
	return intel_probe(pci, id, unit, &e1000e_family, attach, out);
}

static const struct hw_driver e1000e_driver = {
	.name = "e1000e",
	.class = HW_NIC,
	.ids = ids,
	.nids = ARRAY_SIZE(ids),
	.memory = INTEL_MEMORY,
	.probe = e1000e_probe,
};

HW_DRIVER(e1000e_driver);
