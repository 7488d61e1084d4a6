/* SPDX-License-Identifier: BSD-2-Clause */
/* What conceal_start() would do, for the person who wants to know first; veneer-hwcheck says the same on a running Linux. */
#include <veneer/conceal.h>
#include <veneer/config.h>
#include <veneer/log.h>
#include <veneer/pci.h>
#include <veneer/string.h>
#include "conceal/conceal_internal.h"

#define LINE_NONE	0xffu

static bool same_slot(const struct pci_dev *a, const struct pci_dev *b)
{
	return (a->bdf & ~7) == (b->bdf & ~7);
}

static bool same_line(const struct pci_dev *a, const struct pci_dev *b)
{
	return a->int_pin && b->int_pin && a->int_line == b->int_line && a->int_line && a->int_line != LINE_NONE;
}

typedef bool (*shares_fn)(const struct pci_dev *a, const struct pci_dev *b);

static void say_shared(const struct pci_dev *p, shares_fn shares, const char *what)
{
	const struct pci_dev *other;
	char list[240] = "";
	int n = 0;

	for (unsigned i = 0; (other = pci_get(i)); i++)
		if (other->bdf != p->bdf && shares(p, other) && n < (int)sizeof(list))
			n += fmt_string(list + n, sizeof(list) - (size_t)n, "%s " PCI_FMT " (%s)", n ? "," : "",
					PCI_ARGS(other->bdf),
					decide(other).fate == FATE_CONCEAL ? "concealed" : "the guest's own");
	if (n)
		log_info("check:   shares the %s with%s", what, list);
}

static bool check(const struct pci_dev *p)
{
	struct verdict v = decide(p);

	if (v.fate == FATE_IGNORE)
		return false;
	if (!v.driver) {
		log_info("check: " PCI_FMT " %04x:%04x: %s: left to the guest as it is", PCI_ARGS(p->bdf), p->vendor, p->device,
			 no_driver_hint(p));
		return false;
	}
	log_info("check: " PCI_FMT " %04x:%04x: driver %s (%s), %s: %s", PCI_ARGS(p->bdf), p->vendor, p->device, v.driver->name,
		 v.id->model, v.id->emulated ? "tried in emulation" : "never run on silicon",
		 v.fate == FATE_LEAVE ? "left to the guest by the configuration" :
		 v.driver->class == HW_NIC ? "concealed, the guest sees virtio-net" : "concealed, the guest sees virtio-blk");
	say_shared(p, same_slot, "slot");
	log_info("check:   %s",
		 p->cap_msi || p->cap_msix ? "rings by message" : "has no message interrupts: rings by its line");
	say_shared(p, same_line, "interrupt line");
	if (v.driver->class != HW_NIC)
		log_info("check:   disks: unknown, they show when the controller is started, which this check does not do");
	return v.fate == FATE_CONCEAL;
}

int conceal_check(void)
{
	const struct pci_dev *p;
	int n = 0;

	for (unsigned i = 0; (p = pci_get(i)); i++)
		n += check(p);
	return rules_check(decide) ?: n;
}
