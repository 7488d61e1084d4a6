/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rules that can be of one controller only: a twin elsewhere (veneer,slot), a MAC address.  Checked before any device has been
 * touched.
 */
#include <veneer/err.h>
#include <veneer/log.h>
#include "conceal/conceal_internal.h"

static int refuse(const struct config_rule *r, const char *what, uint16_t bdf)
{
	log_err("config: /policy/%s: veneer,slot = <%u>: %s " PCI_FMT, r->node, r->slot, what, PCI_ARGS(bdf));
	return -ERR_INVAL;
}

/* A hidden function counts, too: twins stand in the places of their own devices first. */
static int check_free(const struct config_rule *r)
{
	const struct pci_dev *d;

	for (unsigned i = 0; (d = pci_get(i)); i++)
		if (PCI_BUS(d->bdf) == 0 && PCI_SLOT(d->bdf) == r->slot)
			return refuse(r, "expected a free device number, but there is", d->bdf);
	return 0;
}

static int check_single(const struct config_rule *r, const struct verdict *verdict, unsigned n)
{
	const struct pci_dev *d;
	unsigned seen = 0;

	for (unsigned i = 0; i < n && (d = pci_get(i)); i++)
		if (verdict[i].fate == FATE_CONCEAL && verdict[i].rule == r && (r->has_slot || d->class_code >> 16 == 2) &&
		    seen++)
			break;
	if (seen < 2)
		return 0;
	if (r->has_slot)
		return refuse(r, "expected a rule that matches one controller, but it also matches", d->bdf);
	log_err("config: /policy/%s: local-mac-address: expected a rule that matches one card, but it also matches " PCI_FMT,
		r->node, PCI_ARGS(d->bdf));
	return -ERR_INVAL;
}

int slot_check(const struct verdict *verdict, unsigned n)
{
	int err = 0;

	for (unsigned i = 0; !err && i < config.nrules; i++) {
		const struct config_rule *r = &config.rule[i];

		err = r->has_slot ? check_free(r) : 0;
		if (!err && (r->has_slot || r->has_mac))
			err = check_single(r, verdict, n);
	}
	return err;
}

bool slot_wanted(unsigned slot)
{
	for (unsigned i = 0; i < config.nrules; i++)
		if (config.rule[i].has_slot && config.rule[i].slot == slot)
			return true;
	return false;
}
