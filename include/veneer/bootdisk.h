/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The concealed disks for Veneer's firmware interfaces (INT 13h; another firmware's block interface would be served the same
 * way).  These are the disks behind the virtio-blk twins: requests from here and from a twin may be in flight at once, and the
 * twin's reset drops both.
 *
 * There is one transfer at a time for all disks, because a BIOS makes no more.  Calls come from any processor, but one at
 * a time: the firmware interface has a lock of its own.  The calls take the ownership of the disk's controller, so the
 * caller must not have it.  @n counts from 0 in the order in which the twins were made.
 */
#ifndef VENEER_BOOTDISK_H
#define VENEER_BOOTDISK_H

#include <veneer/sg.h>
#include <veneer/types.h>

struct bootdisk {
	const char *name, *model, *serial;	/* of the disk: "ahci0p1" ... */
	uint16_t bdf;				/* the twin's */
	uint32_t block_size;
	uint64_t nblocks;
	bool writable;
	bool own;				/* Veneer's loader is what the guest sees on it: never its boot disk */
};

struct bootdisk_ops {
	/* Describe the @n-th disk; false if there are fewer.  After composition.start(). */
	bool (*get)(unsigned n, struct bootdisk *out);

	/*
	 * Begin a transfer of all of @sg: checked physical addresses, which live until the end.  A write ends when the
	 * data are on stable media.  Returns 0; -ERR_BUSY while another transfer is in flight; -ERR_ROFS, -ERR_INVAL
	 * (range), -ERR_NODEV.
	 */
	int (*begin)(unsigned n, bool write, uint64_t lba, uint32_t nblocks, const struct sg *sg, unsigned nsg);

	/*
	 * Return -ERR_BUSY while the transfer runs, then once its result: 0, a status of disk_req.done, or -ERR_ABORTED if
	 * a reset of the twin dropped it.  Return -ERR_INVAL if no transfer was begun.  The caller must poll: there is no
	 * other signal.
	 */
	int (*result)(void);

	/*
	 * The guest starts from the @n-th disk: set the bus master bit of its twin, as firmware does for a device that it
	 * reads.  Start only.
	 */
	void (*booted)(unsigned n);

	/* Read into Veneer's own memory, and wait.  Returns 0 or a negative error.  Start only, after composition.start(). */
	int (*read)(unsigned n, uint64_t lba, uint32_t nblocks, void *buf);
};

#endif
