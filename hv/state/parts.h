/* SPDX-License-Identifier: BSD-2-Clause */
/* The data of a snapshot, for snapshot.c and resume.c (docs/state-format.md). */
#ifndef HV_STATE_PARTS_H
#define HV_STATE_PARTS_H

#include <veneer/gmem.h>
#include <veneer/pci.h>
#include <veneer/state.h>
#include "hv/state/ram.h"
#include "hv/state/store.h"

#define SNAPSHOT_VERSION	1u

/* Classes of PCI functions, and with the subclass (PCI Code and ID Assignment 1.11). */
#define CLASS_STORAGE		0x01u
#define CLASS_NETWORK		0x02u
#define CLASS_MULTIMEDIA	0x04u
#define CLASS_WIRELESS		0x0du
#define CLASS_SD_HOST		0x0805u
#define CLASS_FIREWIRE		0x0c00u

/*
 * The data begin with this: what must be equal on the machine that goes on.  Then @nranges of RAM, @ndisks, @parts bytes by
 * state_save(), and the pages.
 */
struct snapshot_head {
	uint32_t version;
	uint32_t bytes;			/* of this, the ranges and the disks */
	uint32_t nranges, ndisks;
	uint64_t parts;
	uint64_t zero;
};

struct snapshot {
	bool on;
	bool writable;			/* the guest can write to a disk */
	struct store store;
	struct ram_scratch *scratch;
	struct snapshot_head *head;	/* this machine's */
	void *parts;			/* head->parts bytes, aligned to 16 */
	unsigned nmasters;
	bool *masters;			/* by pci_get()'s index: the function mastered the bus at the start */
};

extern struct snapshot snapshot;

/* True if a function that is no bridge masters the bus. */
static inline bool is_master(const struct pci_dev *d)
{
	uint16_t command = pci_read16(d, PCI_COMMAND);

	return !pci_is_bridge(d) && command != 0xffff && (command & PCI_CMD_MASTER);
}

#endif
