/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The client of the disk with the partition of snapshots.  It works only at rest, when the twin's own client has no request, so
 * that the disk needs no second client.
 */
#include <veneer/disk.h>
#include <veneer/doorbell.h>
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/state.h>
#include <veneer/string.h>
#include "conceal/medium.h"

static struct {
	struct disk *disk;		/* NULL: none */
	struct disk_range range;
	bool several;
} at;

/* Disks of the guest's whose writes may be in a cache. */
static struct disk *cached[STATE_MAX_DISKS];
static unsigned ncached;

static int at_rest(struct disk *disk, const struct disk_range *range, enum disk_op op, uint64_t block, void *buf, uint32_t n)
{
	unsigned found = 0;
	int err = disk_at_rest(disk, range, op, block, buf, n, &found);

	/* Their NMIs are still to come. */
	doorbell_credit(&disk->ctrl->owner, found);
	return err;
}

static int medium_read(void *ctx, uint64_t block, void *buf, uint32_t n)
{
	return at_rest(at.disk, &at.range, DISK_READ, block, buf, n);
}

static int medium_write(void *ctx, uint64_t block, const void *buf, uint32_t n)
{
	return at_rest(at.disk, &at.range, DISK_WRITE, block, (void *)(uintptr_t)buf, n);
}

static int medium_flush(void *ctx)
{
	/* A disk that has a cache and no flush command is refused below. */
	return at.disk->flush ? at_rest(at.disk, &at.range, DISK_FLUSH, 0, NULL, 0) : 0;
}

/* The twins' own flushes get little time at the rest; these get the disk's. */
static int medium_flush_guest(void *ctx)
{
	int err = 0;

	for (unsigned i = 0; i < ncached && !err; i++) {
		struct disk *disk = cached[i];
		struct disk_range range = { disk->first_block, disk->nblocks };

		err = at_rest(disk, &range, DISK_FLUSH, 0, NULL, 0);
		if (err)
			log_err("state: %s does not write its cache (%s)", disk->name, err_name(err));
	}
	return err;
}

_Static_assert(sizeof(((struct state_disk *)0)->serial) >= sizeof(((struct disk *)0)->serial), "the end is in both");

static struct state_medium medium = {
	.read = medium_read, .write = medium_write, .flush = medium_flush, .flush_guest = medium_flush_guest,
};

void medium_offer(struct disk *disk, const struct partition *part)
{
	const char *why = NULL;

	if (part->first < disk->first_block + disk->nblocks && disk->first_block < part->first + part->nblocks)
		why = "the guest would see it: give the guest another partition (veneer,partition)";
	else if (disk->hw_read_only)
		why = "the disk is read-only";
	else if (disk->write_cache && !disk->flush)
		why = "the disk has a cache and no command to flush it";
	if (why) {
		log_warn("%s: its partition \"veneer-state\" is not used: %s", disk->name, why);
		return;
	}
	at.several = at.disk;
	at.disk = disk;
	at.range = (struct disk_range){ part->first, part->nblocks };
}

void medium_settle(void)
{
	if (!at.disk)
		return;
	if (at.several) {
		log_err("state: several disks have a partition \"veneer-state\": none is used");
		return;
	}
	medium.block_size = at.disk->block_size;
	medium.nblocks = at.range.nblocks;
	state_use_medium(&medium);
	log_info("state: snapshots go to %s, blocks %#lx to %#lx", at.disk->name, at.range.first,
		 at.range.first + at.range.nblocks - 1);
}

void medium_disk(const char *twin, struct disk *disk, bool writable)
{
	struct state_disk d = {
		.first = disk->first_block, .nblocks = disk->nblocks, .block_size = disk->block_size, .writable = writable,
	};

	memcpy(d.name, twin, strnlen(twin, sizeof(d.name) - 1));
	memcpy(d.serial, disk->serial, strlen(disk->serial));
	/* With more disks than the table holds there are no snapshots. */
	if (writable && disk->write_cache && disk->flush && ncached < STATE_MAX_DISKS)
		cached[ncached++] = disk;
	state_add_disk(&d);
}
