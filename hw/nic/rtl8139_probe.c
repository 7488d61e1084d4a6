/* SPDX-License-Identifier: BSD-2-Clause */
/* RTL8139: probe. */
#include <veneer/counters.h>
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include "rtl8139.h"

static void register_counters(struct rtl8139 *r)
{
	const char *name = r->hw.name;

	counter_register(name, "tx_packets", &r->count.tx_packets);
	counter_register(name, "tx_bytes", &r->count.tx_bytes);
	counter_register(name, "tx_busy", &r->count.tx_busy);
	counter_register(name, "tx_invalid", &r->count.tx_invalid);
	counter_register(name, "tx_underruns", &r->count.tx_underruns);
	counter_register(name, "tx_aborts", &r->count.tx_aborts);
	counter_register(name, "tx_hangs", &r->count.tx_hangs);
	counter_register(name, "rx_packets", &r->count.rx_packets);
	counter_register(name, "rx_bytes", &r->count.rx_bytes);
	counter_register(name, "rx_dropped", &r->count.rx_dropped);
	counter_register(name, "rx_overflows", &r->count.rx_overflows);
	counter_register(name, "rx_resets", &r->count.rx_resets);
	counter_register(name, "polls", &r->count.polls);
}

static void announce(const struct rtl8139 *r, const struct hw_id *id)
{
	const struct nic_link *l = &r->seen;
	const uint8_t *m = r->nic.mac;
	char link[40] = "link down";

	if (l->up)
		fmt_string(link, sizeof(link), "link up %u Mb/s %s duplex", l->mbps, l->full_duplex ? "full" : "half");
	log_info("%s: %s at " PCI_FMT ", version %08x, MAC %02x:%02x:%02x:%02x:%02x:%02x, %s", r->hw.name, id->model,
		 PCI_ARGS(r->pci->bdf), rd32(r, RTL_TCR) & TCR_HWVER, m[0], m[1], m[2], m[3], m[4], m[5], link);
}

/* Registers are behind an I/O BAR and a memory BAR, in this order; which index the second has differs among clones. */
static volatile uint8_t *map_registers(const struct pci_dev *pci)
{
	for (unsigned i = 0; i < ARRAY_SIZE(pci->bar); i++)
		if (!pci->bar[i].io && pci->bar[i].size)
			return pci_map_bar(pci, i, RTL_REG_SPACE);
	return NULL;
}

int rtl8139_probe(const struct pci_dev *pci, const struct hw_id *id, unsigned unit, struct hw_dev **out)
{
	struct rtl8139 *r = mem_alloc(sizeof(*r), 64);
	int err = -ERR_NOMEM;

	if (!r)
		goto no_memory;
	r->pci = pci;
	r->quirks = id->quirks;
	fmt_string(r->hw.name, sizeof(r->hw.name), "rtl8139-%u", unit);
	r->rx = mem_alloc(RTL_RX_ROOM, 256);
	if (!r->rx)
		goto free_nic;
	r->tx = mem_alloc(RTL_TX_SLOTS * RTL_TX_BUF, 256);
	if (!r->tx)
		goto free_rx;
	err = -ERR_NODEV;
	pci_power_on(pci);
	r->regs = map_registers(pci);
	if (!r->regs)
		goto free_tx;
	pci_enable(pci);
	err = rtl8139_take_over(r);
	if (err)
		goto quiet;
	register_counters(r);
	announce(r, id);
	*out = &r->hw;
	return 0;

quiet:
	rtl8139_set_irq_mask(r, 0);
	pci_master_off(pci);
free_tx:
	mem_free(r->tx);
free_rx:
	mem_free(r->rx);
free_nic:
	mem_free(r);
no_memory:
	log_err("rtl8139-%u: %s at " PCI_FMT " not taken over: %s", unit, id->model, PCI_ARGS(pci->bdf), err_name(err));
	return err;
}
