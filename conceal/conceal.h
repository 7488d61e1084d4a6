/* SPDX-License-Identifier: BSD-2-Clause */
/* Declarations that the files of conceal/ share. */
#ifndef CONCEAL_H
#define CONCEAL_H

#include <veneer/config.h>
#include <veneer/hwdev.h>

/* The fate of one PCI function. */
enum fate {
	FATE_IGNORE,		/* neither network nor storage */
	FATE_CONCEAL,		/* a driver of this build takes it */
	FATE_LEAVE,		/* the configuration leaves it to the guest */
	FATE_UNSUPPORTED,	/* no driver: the guest sees the real function */
	FATE_REFUSED,		/* no driver for a RAID or VMD function, and no rule leaves it to the guest: the start stops */
};

struct verdict {
	enum fate fate;
	const struct hw_driver *driver;
	const struct hw_id *id;
	const struct config_rule *rule;		/* NULL: the default */
};

/* Decide.  A rule of the configuration that matches counts as used. */
struct verdict decide(const struct pci_dev *pci);

/* The same, and log the fate in one line. */
struct verdict classify(const struct pci_dev *pci);

/* Return why a network or storage function has no driver, and what the user can do about it. */
const char *no_driver_hint(const struct pci_dev *pci);

/*
 * Take a function out of the guest's reach: hide its configuration space (until a twin answers there) and its memory and I/O
 * BARs, and freeze the bridges above.  Returns 0, or a negative error after a log line.
 */
int hide_function(const struct pci_dev *pci);

/*
 * True if Veneer itself starts from @disk: the disk has a partition with the installer's label, or one that the command line
 * names (config.own_partition).  Call this before window_place().
 */
bool window_own_disk(struct disk *disk);

/*
 * Cut @disk to the window that @rule (may be NULL) names.  Clears *@writable for a whole disk that Veneer starts from (@own).
 * Returns 0, or a negative error after a log line: the guest must not get the disk, and the start ends.
 */
int window_place(struct disk *disk, const struct config_rule *rule, bool own, bool *writable);

/*
 * After window_place(), for a disk that Veneer starts from: true if the guest sees Veneer's partition on it, so that its boot
 * loader would be Veneer's.  The guest may start from a window that lies beside that partition: a PC with one disk needs that.
 */
bool window_shows_own(struct disk *disk, const struct config_rule *rule);

/*
 * Check that each device number that a rule names is free, and that each device number and MAC address is for one controller.
 * @verdict has @n functions, by pci_get()'s index.  Returns 0, or -ERR_INVAL after a log line that names the property.
 */
int slot_check(const struct verdict *verdict, unsigned n);
bool slot_wanted(unsigned slot);

/*
 * Decide about every function, by decide() or classify(), and check that the rules fit the machine's devices.  Changes no
 * device.  Returns 0, or -ERR_INVAL after a log line for each rule that does not fit.
 */
typedef struct verdict (*verdict_fn)(const struct pci_dev *pci);
int rules_check(verdict_fn look);

/* The members of struct composition (<veneer/conceal.h>). */
int conceal_start(void);
int conceal_check(void);
uint64_t conceal_need(void);
bool conceal_takes(const struct pci_dev *pci);
void conceal_shutdown(void);

#endif
