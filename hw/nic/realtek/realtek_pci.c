/* SPDX-License-Identifier: BSD-2-Clause */
/* PCI ids of Realtek's gigabit family, other vendors' ids included.  Many chips share an id: realtek_chip.c identifies them. */
#include <veneer/mem.h>
#include "realtek.h"

#define ID(ven, dev, name) { .vendor = ven, .device = dev, .model = name }
#define MODELLED(dev, name) { .vendor = 0x10ec, .device = dev, .model = name, .modelled = true }

static const struct hw_id ids[] = {
	MODELLED(0x8168, "RTL8168/8111/8411"),
	ID(0x10ec, 0x8161, "RTL8168"),
	ID(0x10ec, 0x8162, "RTL8168"),
	ID(0x10ec, 0x2502, "RTL8111"),
	ID(0x10ec, 0x2600, "RTL8111"),
	MODELLED(0x8136, "RTL810xE"),
	MODELLED(0x8167, "RTL8169SC"),
	MODELLED(0x8169, "RTL8169"),
	{ .vendor = 0x10ec, .device = 0x8125, .model = "RTL8125", .quirks = RTK_Q_25, .modelled = true },
	{ .vendor = 0x10ec, .device = 0x8126, .model = "RTL8126", .quirks = RTK_Q_25, .modelled = true },
	{ .vendor = 0x10ec, .device = 0x3000, .model = "Killer E3000", .quirks = RTK_Q_25, .modelled = true },
	ID(0x1186, 0x4300, "D-Link DGE-528T"),
	ID(0x1186, 0x4302, "D-Link DGE-530T"),
	ID(0x1259, 0xc107, "Allied Telesyn 8169"),
	ID(0x16ec, 0x0116, "U.S. Robotics USR997902"),
	ID(0x10ff, 0x8168, "NCube 8168"),
};

static int rtk_probe(const struct pci_dev *pci, const struct hw_id *id, unsigned unit, struct hw_dev **out)
{
	START_ONLY_TABLE static const struct nic_driver drv = {
		"realtek", sizeof(struct rtk), RTK_TX_SLOTS, rtk_attach, rtk_detach, NULL
	};

	return nic_probe(&drv, &rtk_ops, pci, id, unit, out);
}

static const struct hw_driver rtk_driver = {
	.name = "realtek",
	.class = HW_NIC,
	.ids = ids,
	.nids = ARRAY_SIZE(ids),
	.memory = MEM_COST(sizeof(struct rtk)) + MEM_COST(RTK_RING_BYTES(RTK_TX_SLOTS)) +
		  MEM_COST(RTK_RING_BYTES(RTK_RX_SLOTS)) + MEM_COST(RTK_TX_SLOTS * RTK_TX_BUF) +
		  MEM_COST(RTK_RX_SLOTS * RTK_RX_BUF) + MEM_COST(RTK_TX_SLOTS * sizeof(void *)),
	.probe = rtk_probe,
};

HW_DRIVER(rtk_driver);
