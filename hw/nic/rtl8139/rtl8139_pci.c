/* SPDX-License-Identifier: BSD-2-Clause */
/* PCI ids of the RTL8139 and of cards that carry it under an id of their own.  All revisions; C+ (20h on) in classic mode. */
#include <veneer/mem.h>
#include "rtl8139.h"

#define ID(ven, dev, name) { .vendor = ven, .device = dev, .model = name }

static const struct hw_id ids[] = {
	{ .vendor = 0x10ec, .device = 0x8139, .model = "RTL8139", .quirks = RTL_Q_CPLUS, .emulated = true },
	ID(0x10ec, 0x8138, "RTL8139 CardBus"),
	ID(0x1113, 0x1211, "SMC1211TX"),
	ID(0x1186, 0x1300, "D-Link DFE-538TX"),
	ID(0x1186, 0x1340, "D-Link DFE-690TXD"),
	ID(0x1500, 0x1360, "Delta 8139"),
	ID(0x4033, 0x1360, "Addtron 8139"),
	ID(0x13d1, 0xab06, "AboCom FE2000VX"),
	ID(0x1259, 0xa117, "Allied Telesyn 8139"),
	ID(0x1259, 0xa11e, "Allied Telesyn 8139"),
	ID(0x14ea, 0xab06, "Planex FNW-3603-TX"),
	ID(0x14ea, 0xab07, "Planex FNW-3800-TX"),
	ID(0x1432, 0x9130, "Edimax 8139"),
	ID(0x126c, 0x1211, "Nortel 8139"),
	ID(0x1743, 0x8139, "ROL/F-100"),
	ID(0x16ec, 0x00ed, "U.S. Robotics 8139"),
};

static int rtl8139_probe(const struct pci_dev *pci, const struct hw_id *id, unsigned unit, struct hw_dev **out)
{
	START_ONLY_TABLE static const struct nic_driver drv = {
		"rtl8139-", sizeof(struct rtl8139), RTL_TX_SLOTS, rtl8139_attach, rtl8139_detach, NULL
	};

	return nic_probe(&drv, &rtl8139_ops, pci, id, unit, out);
}

static const struct hw_driver rtl8139_driver = {
	.name = "rtl8139",
	.class = HW_NIC,
	.ids = ids,
	.nids = ARRAY_SIZE(ids),
	.memory = MEM_COST(sizeof(struct rtl8139)) + MEM_COST(RTL_RX_ROOM) + MEM_COST(RTL_TX_SLOTS * RTL_TX_BUF) + 512,
	.probe = rtl8139_probe,
};

HW_DRIVER(rtl8139_driver);
