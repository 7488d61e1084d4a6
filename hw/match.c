/* SPDX-License-Identifier: BSD-2-Clause */
/* Find the driver of a PCI function among the linked drivers.  This file probes nothing. */
#include <veneer/hwdev.h>

/*
 * The linker defines these symbols around the section that HW_DRIVER() fills.  They are weak, because a build without drivers
 * has no such section, and have default visibility, so that the compiler loads their addresses from the GOT, in which an
 * undefined weak symbol is 0.
 */
extern const struct hw_driver *const __start_veneer_drivers[] __attribute__((weak, visibility("default")));
extern const struct hw_driver *const __stop_veneer_drivers[] __attribute__((weak, visibility("default")));

static bool id_is_exact(const struct hw_id *id)
{
	return id->vendor != HW_ANY && id->device != HW_ANY;
}

static bool id_matches(const struct hw_id *id, const struct pci_dev *pci)
{
	if (id->vendor != HW_ANY && id->vendor != pci->vendor)
		return false;
	if (id->device != HW_ANY && id->device != pci->device)
		return false;
	if (id->revision_max && (pci->revision < id->revision_min || pci->revision > id->revision_max))
		return false;
	return !((pci->class_code ^ id->class_code) & id->class_mask);
}

static const struct hw_id *match_driver(const struct hw_driver *drv, const struct pci_dev *pci, bool exact)
{
	for (unsigned i = 0; i < drv->nids; i++)
		if (id_is_exact(&drv->ids[i]) == exact && id_matches(&drv->ids[i], pci) &&
		    (!drv->fits || drv->fits(pci, &drv->ids[i])))
			return &drv->ids[i];
	return NULL;
}

static const struct hw_driver *match_pass(const struct pci_dev *pci, const struct hw_id **id, bool exact)
{
	for (const struct hw_driver *const *drv = __start_veneer_drivers; drv < __stop_veneer_drivers; drv++) {
		*id = match_driver(*drv, pci, exact);
		if (*id)
			return *drv;
	}
	return NULL;
}

/* An id that names the device has priority over an id that names a class, whatever the link order of the drivers. */
const struct hw_driver *hw_match(const struct pci_dev *pci, const struct hw_id **id)
{
	const struct hw_driver *drv = match_pass(pci, id, true);

	return drv ? drv : match_pass(pci, id, false);
}
