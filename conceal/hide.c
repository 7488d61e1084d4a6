/* SPDX-License-Identifier: BSD-2-Clause */
/* Take one PCI function out of the guest's reach: configuration space, BARs, the bridges above.  This file decides nothing. */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/trap.h>
#include <veneer/vpci.h>
#include "conceal/conceal.h"
#include "hv/mem/nested.h"

static uint64_t ones_read(void *ctx, uint32_t off, unsigned width)
{
	return ~0ull;
}

static void ones_write(void *ctx, uint32_t off, unsigned width, uint64_t value)
{
}

static const struct trap_ops nothing = { ones_read, ones_write };

/*
 * Hide whole pages of a memory BAR: other BARs in the page of a small BAR are hidden, too.  PCI asks for 4 KiB between BARs,
 * but firmware may place them closer.
 */
static int hide_bar(const struct pci_bar *b)
{
	uint64_t base = ALIGN_DOWN(b->addr, (uint64_t)PAGE_SIZE), end = ALIGN_UP(b->addr + b->size, (uint64_t)PAGE_SIZE);
	struct trap *t;

	if (!b->io)
		return nested_hide(base, end - base) ?: vpci_protect(base, end - base, false);
	t = trap_new_pio("hidden", (uint32_t)b->size, &nothing, NULL);
	return t ? trap_place(t, b->addr) ?: vpci_protect(b->addr, b->size, true) : -ERR_NOMEM;
}

int hide_function(const struct pci_dev *pci)
{
	const struct pci_dev *bridge;
	int err = vpci_set(pci->bdf, NULL, NULL);

	for (unsigned n = 0; !err && n < 6; n++)
		if (pci->bar[n].size && pci->bar[n].addr)
			err = hide_bar(&pci->bar[n]);
	for (uint16_t up = pci->parent; !err && up != 0xffff && (bridge = pci_find(up)); up = bridge->parent)
		err = vpci_freeze(bridge);
	if (err)
		log_err("pci " PCI_FMT ": cannot be hidden (%s): its registers would stay reachable", PCI_ARGS(pci->bdf),
			err_name(err));
	return err;
}
