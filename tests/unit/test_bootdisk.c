/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: virtio/blk/bootdisk.c */
/* The one transfer of a firmware interface: begin, poll, flush, and cancellation by a twin's reset. */
#include <string.h>
#include <veneer/bootdisk.h>
#include <veneer/clock.h>
#include <veneer/disk.h>
#include <veneer/err.h>
#include <veneer/hwdev.h>
#include "virtio/blk/bootdisk.h"
#include "host/host.h"

static struct disk disk[2];
static struct hw_dev ctrl[2];
static struct disk_req *with;		/* the request that the disk has */
static int held, submits, last_op;

void clock_hold(void) { held++; }
void clock_release(void) { held--; }
void disk_kick(struct disk *d, unsigned q) { }
int disk_read_now(struct disk *d, uint64_t lba, void *buf, uint32_t n) { return d == &disk[1] ? 0 : -ERR_IO; }

void disk_submit(struct disk *d, unsigned q, struct disk_req *r)
{
	/* The caller owns this controller, and no other. */
	CHECK(d->ctrl->owner.lock.next == d->ctrl->owner.lock.serving + 1);
	CHECK(ctrl[d == disk].owner.lock.next == ctrl[d == disk].owner.lock.serving);
	with = r;
	last_op = r->op;
	submits++;
}

static void ends(int status)
{
	struct disk_req *r = with;

	with = NULL;
	r->done(r, status);
}

static const struct sg sg = { 0x1000, 512 };

static void setup(void)
{
	static bool added;

	disk[0] = (struct disk){ .name = "a", .serial = "SA", .block_size = 512, .nblocks = 100, .write_cache = true };
	disk[0].flush = true;
	disk[0].ctrl = &ctrl[0];
	disk[1] = (struct disk){ .name = "b", .serial = "SB", .block_size = 4096, .nblocks = 50, .hw_read_only = true,
				 .ctrl = &ctrl[1] };
	if (!added) {
		bootdisk_add(&disk[0], 0x0100, true, false);
		bootdisk_add(&disk[1], 0x0108, true, true);
	}
	added = true;
	submits = 0;
}

TEST(what_disks_there_are)
{
	struct bootdisk b;

	setup();
	CHECK(bootdisk_ops.get(0, &b) && b.writable && !b.own && b.bdf == 0x0100 && b.nblocks == 100);
	CHECK(bootdisk_ops.get(1, &b) && !b.writable && b.own && b.block_size == 4096);
	CHECK(!bootdisk_ops.get(2, &b));
	CHECK_EQ(bootdisk_ops.read(1, 0, 1, &b), 0);
	CHECK_EQ(bootdisk_ops.read(0, 0, 1, &b), -ERR_IO);
	CHECK_EQ(bootdisk_ops.read(2, 0, 1, &b), -ERR_NODEV);
}

TEST(one_transfer_at_a_time)
{
	setup();
	CHECK_EQ(bootdisk_ops.result(), -ERR_INVAL);
	CHECK_EQ(bootdisk_ops.begin(2, false, 0, 1, &sg, 1), -ERR_NODEV);
	CHECK_EQ(bootdisk_ops.begin(1, true, 0, 1, &sg, 1), -ERR_ROFS);
	CHECK_EQ(bootdisk_ops.begin(0, false, 0, 1, &sg, 0), -ERR_INVAL);
	CHECK_EQ(submits, 0);
	CHECK_EQ(bootdisk_ops.begin(0, false, 7, 1, &sg, 1), 0);
	CHECK_EQ(with->lba, 7);
	CHECK_EQ(held, 1);
	CHECK_EQ(bootdisk_ops.begin(1, false, 0, 1, &sg, 1), -ERR_BUSY);
	CHECK_EQ(bootdisk_ops.result(), -ERR_BUSY);
	ends(0);
	CHECK_EQ(bootdisk_ops.result(), 0);
	CHECK_EQ(held, 0);
	CHECK_EQ(bootdisk_ops.result(), -ERR_INVAL);
	CHECK_EQ(submits, 1);
}

TEST(a_write_is_flushed_before_it_is_done)
{
	setup();
	CHECK_EQ(bootdisk_ops.begin(0, true, 7, 1, &sg, 1), 0);
	ends(0);
	CHECK_EQ(bootdisk_ops.result(), -ERR_BUSY);
	CHECK_EQ(last_op, DISK_FLUSH);
	ends(-ERR_IO);
	CHECK_EQ(bootdisk_ops.result(), -ERR_IO);
	/* A write that failed needs no flush. */
	CHECK_EQ(bootdisk_ops.begin(0, true, 7, 1, &sg, 1), 0);
	ends(-ERR_IO);
	CHECK_EQ(bootdisk_ops.result(), -ERR_IO);
	CHECK_EQ(submits, 3);
	CHECK_EQ(held, 0);
}

TEST(the_reset_of_a_twin_takes_it_along)
{
	setup();
	CHECK_EQ(bootdisk_ops.begin(0, true, 7, 1, &sg, 1), 0);
	disk[0].resets++;
	CHECK_EQ(bootdisk_ops.result(), -ERR_ABORTED);
	CHECK_EQ(held, 0);
	CHECK_EQ(submits, 1);
	CHECK_EQ(bootdisk_ops.begin(0, false, 7, 1, &sg, 1), 0);
	ends(0);
	CHECK_EQ(bootdisk_ops.result(), 0);
}

TEST_MAIN

static unsigned boots;
static void on_booted(struct disk *d) { CHECK(d == &disk[0]); boots++; }

TEST(the_twin_hears_that_the_guest_starts_from_its_disk)
{
	setup();
	disk[0].client_booted = on_booted;
	bootdisk_ops.booted(1);		/* disk without such a client */
	bootdisk_ops.booted(7);
	CHECK_EQ(boots, 0);
	bootdisk_ops.booted(0);
	CHECK_EQ(boots, 1);
}
