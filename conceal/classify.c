/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decide the fate of each PCI function, check the configuration's rules against the machine, and print both (--check-only).
 * This file changes no device.
 */
#include <veneer/conceal.h>
#include <veneer/config.h>
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/pci.h>
#include <veneer/string.h>
#include "conceal/conceal.h"
#include "conceal/need.h"

#define CLASS_NET	0x02
#define CLASS_STORAGE	0x01
#define SUB_IDE		0x0101
#define SUB_RAID	0x0104
#define SUB_SATA	0x0106
#define SUB_NVM		0x0108
#define INTEL		0x8086
#define AMD		0x1022

/* RAID functions hide disks that Veneer would otherwise protect.  VMD functions have the RAID class, too. */
static bool hides_disks(const struct pci_dev *p)
{
	return p->class_code >> 8 == SUB_RAID;
}

/* Return why a storage function has no driver, and what the user can do about it. */
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


const char *no_driver_hint(const struct pci_dev *p)
{
	return p->class_code >> 16 == CLASS_NET ? "no driver in this build" : storage_hint(p);
}

struct verdict decide(const struct pci_dev *p)
{
	struct verdict v = { .fate = FATE_IGNORE };
	uint8_t class = (uint8_t)(p->class_code >> 16);
	enum config_action action = config.default_action;

	bool other = class != CLASS_NET && class != CLASS_STORAGE;

	/* Only the null device takes the place of another device. */
	if (other && !IS_ENABLED(CONFIG_VIRTIO_ECHO))
		return v;
	v.driver = p->header_type == 0 ? hw_match(p, &v.id) : NULL;
	if (other && (!v.driver || v.driver->class != HW_ECHO))
		return (struct verdict){ .fate = FATE_IGNORE };
	struct config_rule *rule = config_find_dev(&config, p);
	v.rule = rule;
	if (rule) {
		rule->used = true;
		if (rule->action != ACTION_DEFAULT)
			action = rule->action;
	}
	/* The default does not apply to them, because it does not know the disks behind them: each needs a rule. */
	if (!v.driver)
		v.fate = hides_disks(p) && !(rule && rule->action == ACTION_LEAVE) ? FATE_REFUSED : FATE_UNSUPPORTED;
	else
		v.fate = action == ACTION_LEAVE ? FATE_LEAVE : FATE_CONCEAL;
	return v;
}

struct verdict classify(const struct pci_dev *p)
{
	const char *what = p->class_code >> 16 == CLASS_NET ? "network" : "storage";
	struct verdict v = decide(p);

	switch (v.fate) {
	case FATE_IGNORE:
	case FATE_REFUSED:
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

/* --- places that rules ask for --- */

static int refuse(const struct config_rule *r, const char *what, uint16_t bdf)
{
	log_err("config: /policy/%s: veneer,slot = <%u>: %s " PCI_FMT, r->node, r->slot, what, PCI_ARGS(bdf));
	return -ERR_INVAL;
}

/* A hidden function counts, too: twins first take the places of their own devices. */
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

		/* The rule is for another machine, or names a disk's serial number, which is not known yet. */
		if (r->optional && !r->used && r->match != MATCH_SERIAL)
			continue;
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

/* --- "--check-only" --- */

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
	static const char *const sees[] = {
		[HW_NIC] = "concealed, the guest sees virtio-net", [HW_STORAGE] = "concealed, the guest sees virtio-blk",
		[HW_ECHO] = "concealed, the guest sees the null device",
	};
	struct verdict v = decide(p);

	if (v.fate == FATE_IGNORE || v.fate == FATE_REFUSED)
		return false;
	if (!v.driver) {
		log_info("check: " PCI_FMT " %04x:%04x: %s: left to the guest as it is", PCI_ARGS(p->bdf), p->vendor, p->device,
			 no_driver_hint(p));
		return false;
	}
	log_info("check: " PCI_FMT " %04x:%04x: driver %s (%s), %s: %s", PCI_ARGS(p->bdf), p->vendor, p->device, v.driver->name,
		 v.id->model, v.id->emulated ? "tried in emulation" :
		 v.id->modelled ? "some versions tried on a model that Linux drives" : "tried on models of unit tests only",
		 v.fate == FATE_LEAVE ? "left to the guest by the configuration" :
		 sees[v.driver->class]);
	say_shared(p, same_slot, "slot");
	log_info("check:   %s",
		 p->cap_msi || p->cap_msix ? "rings by message" : "has no message interrupts: rings by its line");
	say_shared(p, same_line, "interrupt line");
	if (v.driver->class == HW_STORAGE)
		log_info("check:   disks: unknown until the controller is started, which this check does not do");
	return v.fate == FATE_CONCEAL;
}


uint64_t conceal_need(void)
{
	const struct pci_dev *p;
	uint64_t sum = 0;

	for (unsigned i = 0; (p = pci_get(i)); i++) {
		struct verdict v = decide(p);

		if (v.fate != FATE_CONCEAL)
			continue;
		sum += need_of(v.driver, v.driver->count_disks ? v.driver->count_disks(p) : 1);
		if (v.driver->class == HW_NIC && v.rule && v.rule->mtu)
			sum += NEED_MTU;
	}
	return sum;
}

bool conceal_takes(const struct pci_dev *pci)
{
	return decide(pci).fate == FATE_CONCEAL;
}

int conceal_check(void)
{
	const struct pci_dev *p;
	int n = 0;

	for (unsigned i = 0; (p = pci_get(i)); i++)
		n += check(p);
	return rules_check(decide) ?: n;
}
