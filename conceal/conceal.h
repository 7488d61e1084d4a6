/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of conceal/ share. */
#ifndef CONCEAL_H
#define CONCEAL_H

#include <veneer/config.h>
#include <veneer/hwdev.h>

/* What becomes of one PCI network or storage function. */
enum fate {
	FATE_IGNORE,		/* neither network nor storage */
	FATE_CONCEAL,		/* a driver of this build takes it */
	FATE_LEAVE,		/* the configuration leaves it to the guest */
	FATE_UNSUPPORTED,	/* no driver: the guest sees it as it is */
	FATE_REFUSED,		/* the same of a RAID or VMD function, which no rule leaves to the guest: the start stops */
};

struct verdict {
	enum fate fate;
	const struct hw_driver *driver;
	const struct hw_id *id;
	const struct config_rule *rule;		/* NULL: the default */
};

/* Decide.  A rule of the configuration that matches counts as used. */
struct verdict decide(const struct pci_dev *pci);

/* The same, and say so in one log line. */
struct verdict classify(const struct pci_dev *pci);

/* Why a network or storage function has no driver, and what can be done about it. */
const char *no_driver_hint(const struct pci_dev *pci);

/*
 * Take a function out of the guest's reach: its configuration space (until a twin answers there), its memory and I/O BARs,
 * and the bridges above against changes.  0 or negative after a log line.
 */
int hide_function(const struct pci_dev *pci);

/*
 * Whether Veneer itself starts from @disk: it has a partition with the installer's name, or one that the command line names
 * (config.own_partition).  Before window_place().
 */
bool window_own_disk(struct disk *disk);

/*
 * Cut @disk to the window that @rule (may be NULL) names.  A whole disk that is Veneer's @own is not *@writable.
 * 0, or negative after a log line: the guest must not get the disk, and the start ends.
 */
int window_place(struct disk *disk, const struct config_rule *rule, bool own, bool *writable);

/*
 * Whether each device number that a rule asks for is free, and each device number and MAC address for one controller.
 * @verdict of @n functions, by pci_get()'s index.  0 or -ERR_INVAL after a line that names the property.
 */
int slot_check(const struct verdict *verdict, unsigned n);
bool slot_wanted(unsigned slot);

/*
 * Decide about every function, by decide() or classify(), and whether the rules fit the machine's devices: nothing is touched.
 * 0 or -ERR_INVAL after a line for each rule that does not fit.
 */
typedef struct verdict (*verdict_fn)(const struct pci_dev *pci);
int rules_check(verdict_fn look);

/* The members of struct composition (<veneer/conceal.h>). */
int conceal_start(void);
int conceal_check(void);
uint64_t conceal_need(void);
void conceal_shutdown(void);

#endif
