/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The concealed disks as a firmware interface of Veneer's own reaches them (INT 13h; another firmware's block interface
 * would do the same).  They are the disks behind the virtio-blk twins, and stay those: requests from here and from the
 * twin may be under way at once, and the twin's reset drops ours like its own.
 *
 * One transfer at a time over all disks, since a BIOS does no more.  Calls come from any processor, but one at a time: the
 * firmware interface has a lock of its own.  The disk's controller is owned here for the moment, so not by the caller.
 * @n counts from 0 in the order in which the twins were made.
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
	bool own;				/* Veneer itself starts from it: never the guest's boot disk */
};

struct bootdisk_ops {
	/* Fill in what is known of the @n-th disk; false behind the last.  After composition.start(). */
	bool (*get)(unsigned n, struct bootdisk *out);

	/*
	 * Begin a transfer: all of @sg, which are physical addresses that have been checked and live until the end; a write is
	 * done when it is on stable media.  0; -ERR_BUSY while another one is not over; -ERR_ROFS, -ERR_INVAL (range),
	 * -ERR_NODEV.
	 */
	int (*begin)(unsigned n, bool write, uint64_t lba, uint32_t nblocks, const struct sg *sg, unsigned nsg);

	/*
	 * -ERR_BUSY while it runs, then once its result: 0, or as disk_req.done says, or -ERR_ABORTED when a reset of the twin
	 * took it along.  -ERR_INVAL when none was begun.  To be asked again and again: nothing else tells the end.
	 */
	int (*result)(void);

	/*
	 * The guest starts from the @n-th disk: its twin looks like a device that firmware has just read from, with the bus
	 * master bit set.  Start only.
	 */
	void (*booted)(unsigned n);

	/* The start only, after composition.start(): read into our own memory, and wait for it.  0 or negative. */
	int (*read)(unsigned n, uint64_t lba, uint32_t nblocks, void *buf);
};

#endif
