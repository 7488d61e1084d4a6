/* SPDX-License-Identifier: BSD-2-Clause */
/* The start log's list: every network and storage function, and what becomes of it. */
#include <veneer/log.h>
#include <veneer/pci.h>
#include "conceal/conceal_internal.h"

#define CLASS_NET	0x02
#define CLASS_STORAGE	0x01
#define SUB_IDE		0x0101
#define SUB_RAID	0x0104
#define SUB_SATA	0x0106
#define SUB_NVM		0x0108
#define INTEL		0x8086
#define AMD		0x1022

/* Why a storage function without a driver has none: what the user can do about it. */
static const char *storage_hint(const struct pci_dev *p)
{
	switch (p->class_code >> 8) {
	case SUB_RAID:
		if (p->vendor == INTEL)
			return "RAID or VMD mode: switch the controller to AHCI (and VMD off) in the firmware setup";
		if (p->vendor == AMD)
			return "RAID mode: switch the controller to AHCI in the firmware setup";
		return "a RAID controller: no driver";
	case SUB_IDE:
		return "IDE mode: switch the controller to AHCI if the firmware setup offers that";
	case SUB_SATA:
		return "a SATA controller without AHCI interface, or AHCI is not in this build";
	case SUB_NVM:
		return "NVMe is not in this build, or its interface is not NVM Express";
	default:
		return "no driver";
	}
}

static const struct hw_driver *driver_for(const struct pci_dev *p, const struct hw_id **id)
{
	const struct hw_driver *d = p->header_type == 0 ? hw_match(p, id) : NULL;

	return d;
}

const char *no_driver_hint(const struct pci_dev *p)
{
	return p->class_code >> 16 == CLASS_NET ? "no driver in this build" : storage_hint(p);
}

struct verdict decide(const struct pci_dev *p)
{
	struct verdict v = { .fate = FATE_IGNORE };
	uint8_t class = (uint8_t)(p->class_code >> 16);
	enum config_action action = config.default_action;

	if (class != CLASS_NET && class != CLASS_STORAGE)
		return v;
	v.driver = driver_for(p, &v.id);
	struct config_rule *rule = config_find_dev(&config, p);
	v.rule = rule;
	if (rule) {
		rule->used = true;
		if (rule->action != ACTION_DEFAULT)
			action = rule->action;
	}
	v.fate = !v.driver ? FATE_UNSUPPORTED : action == ACTION_LEAVE ? FATE_LEAVE : FATE_CONCEAL;
	return v;
}

struct verdict classify(const struct pci_dev *p)
{
	const char *what = p->class_code >> 16 == CLASS_NET ? "network" : "storage";
	struct verdict v = decide(p);

	switch (v.fate) {
	case FATE_IGNORE:
		break;
	case FATE_UNSUPPORTED:
		log_warn("pci " PCI_FMT ": %04x:%04x %s: %s: left to the guest as it is", PCI_ARGS(p->bdf), p->vendor,
			 p->device, what, no_driver_hint(p));
		break;
	case FATE_LEAVE:
		log_info("pci " PCI_FMT ": %04x:%04x %s: left to the guest by the configuration", PCI_ARGS(p->bdf), p->vendor,
			 p->device, v.id->model);
		break;
	case FATE_CONCEAL:
		log_info("pci " PCI_FMT ": %04x:%04x %s: taken over by %s", PCI_ARGS(p->bdf), p->vendor, p->device, v.id->model,
			 v.driver->name);
		break;
	}
	return v;
}
