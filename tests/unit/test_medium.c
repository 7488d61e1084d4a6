/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: conceal/medium.c hw/disk_rest.c hw/disk_start.c */
/* The partition of snapshots on a disk: when it is used, and its requests, which go to no other block. */
#include <string.h>
#include <veneer/disk.h>
#include <veneer/err.h>
#include <veneer/hwdev.h>
#include <veneer/state.h>
#include "conceal/medium.h"
#include "host/host.h"
#include "hw/disk_queue.h"

static struct hw_dev ctrl;
static struct disk disk, other;
static const struct state_medium *medium;
static struct state_disk told;
static struct disk_req *flying;
static unsigned submits, polls, resets, batches;
static uint64_t lba_seen, first_seen, blocks_seen;
static enum disk_op op_seen;
static int answer;
static bool silent, busy;
static struct disk *flushed;

static const struct state_medium *flush_guest_of;
void state_use_medium(const struct state_medium *m) { medium = flush_guest_of = m; }
void state_add_disk(const struct state_disk *d) { told = *d; }
unsigned disk_outstanding(const struct disk *d) { return busy; }
void disk_queue_forget(struct disk_queue *q) { }
void counter_register(const char *object, const char *name, const uint64_t *value) { }
void disk_kick(struct disk *d, unsigned q) { }
void disk_reset(struct disk *d) { flying = NULL; resets++; }
uint64_t time_us(void) { return host_now_us += 1000; }

void disk_submit(struct disk *d, unsigned q, struct disk_req *req)
{
	CHECK(!d->client_batch_end);
	submits++;
	flushed = d;
	op_seen = req->op;
	lba_seen = req->lba;
	first_seen = d->first_block;
	blocks_seen = d->nblocks;
	CHECK(req->op == DISK_FLUSH || sg_bytes(req->sg, req->nsg) == (uint64_t)req->nblocks * d->block_size);
	flying = req;
}

uint64_t sg_bytes(const struct sg *sg, unsigned n) { CHECK_EQ(n, 1); return sg->len; }

static unsigned poll(struct hw_dev *dev)
{
	struct disk_req *req = flying;

	polls++;
	if (silent || !req || polls % 3)
		return 0;
	flying = NULL;
	req->done(req, answer);
	return 1;
}

static const struct hw_dev_ops ops = { .poll = poll };

static void batch_end(struct disk *d) { batches++; }

static void setup(void)
{
	ctrl = (struct hw_dev){ .ops = &ops };
	disk = (struct disk){ .ctrl = &ctrl, .name = "fake0", .serial = "S1", .block_size = 512, .first_block = 1000,
			      .nblocks = 500, .write_cache = true, .flush = true, .timeout_us = 30000,
			      .client_batch_end = batch_end };
	other = disk;
	strcpy(other.name, "fake1");
	submits = polls = resets = 0;
	answer = 0;
	silent = busy = false;
}

/* Before the others: the partition is chosen once in a run. */
TEST(not_used)
{
	static const struct { uint64_t first, n; } seen[] = {
		{ 1000, 500 }, { 900, 101 }, { 1499, 1 }, { 0, 9999 }, { 1100, 2 },
	};

	setup();
	for (unsigned i = 0; i < ARRAY_SIZE(seen); i++) {
		host_log_clear();
		medium_offer(&disk, &(struct partition){ seen[i].first, seen[i].n });
		CHECK(host_log_has("fake0: its partition \"veneer-state\" is not used: the guest would see it"));
	}
	disk.hw_read_only = true;
	medium_offer(&disk, &(struct partition){ 2000, 100 });
	CHECK(host_log_has("the disk is read-only"));
	disk.hw_read_only = false;
	disk.flush = false;
	medium_offer(&disk, &(struct partition){ 2000, 100 });
	CHECK(host_log_has("no command to flush it"));
	medium_settle();
	CHECK(!medium);
}

TEST(requests)
{
	uint8_t buf[1024];

	setup();
	medium_offer(&disk, &(struct partition){ 1500, 100 });
	medium_settle();
	CHECK(medium && medium->block_size == 512 && medium->nblocks == 100);
	CHECK_EQ(medium->read(medium->ctx, 7, buf, 2), 0);
	CHECK(op_seen == DISK_READ && lba_seen == 7 && first_seen == 1500 && blocks_seen == 100);
	CHECK_EQ(medium->write(medium->ctx, 9, buf, 2), 0);
	CHECK(op_seen == DISK_WRITE && lba_seen == 9);
	CHECK_EQ(medium->flush(medium->ctx), 0);
	CHECK(op_seen == DISK_FLUSH);
	answer = -ERR_IO;
	CHECK_EQ(medium->write(medium->ctx, 9, buf, 1), -ERR_IO);
	/* The guest's window and client are as before. */
	CHECK(disk.first_block == 1000 && disk.nblocks == 500 && disk.client_batch_end == batch_end && !batches);
	disk.flush = disk.write_cache = false;
	submits = 0;
	CHECK_EQ(medium->flush(medium->ctx), 0);
	CHECK_EQ(submits, 0);
}

TEST(a_disk_that_does_not_answer)
{
	uint8_t buf[512];

	setup();
	silent = true;
	CHECK_EQ(medium->read(medium->ctx, 0, buf, 1), -ERR_TIMEOUT);
	CHECK(resets == 1 && disk.first_block == 1000 && disk.client_batch_end == batch_end);
	CHECK(host_log_has("did not end within"));
	busy = true;
	submits = 0;
	CHECK_EQ(medium->read(medium->ctx, 0, buf, 1), -ERR_BUSY);
	CHECK_EQ(submits, 0);
}

TEST(two_partitions)
{
	setup();
	medium = NULL;
	medium_offer(&other, &(struct partition){ 1500, 100 });
	medium_settle();
	CHECK(!medium && host_log_has("several disks have a partition"));
}

TEST(what_the_snapshot_says_of_a_disk)
{
	setup();
	strcpy(disk.serial, "12345678901234567890");
	medium_disk("blk12", &disk, true);
	CHECK(!strcmp(told.name, "blk12") && !strcmp(told.serial, disk.serial));
	CHECK(told.first == 1000 && told.nblocks == 500 && told.block_size == 512 && told.writable == 1);
}

/* A flush for each disk whose writes may be in its cache, by the disk's own time; the first that fails ends it. */
TEST(the_caches_of_the_guests_disks)
{
	static struct disk more[STATE_MAX_DISKS + 1];
	static struct state_medium m;

	setup();
	m = *flush_guest_of;
	submits = 0;
	/* The disk of the test before. */
	CHECK_EQ(m.flush_guest(m.ctx), 0);
	CHECK(submits == 1 && flushed == &disk && op_seen == DISK_FLUSH && first_seen == 1000 && blocks_seen == 500);
	CHECK(disk.client_batch_end == batch_end && !batches);
	more[0] = more[1] = more[2] = disk;
	more[0].write_cache = more[1].flush = false;
	for (unsigned i = 0; i < 3; i++)
		medium_disk("blk", &more[i], i < 2);
	submits = 0;
	CHECK_EQ(m.flush_guest(m.ctx), 0);
	CHECK_EQ(submits, 1);
	medium_disk("blk", &other, true);
	strcpy(other.name, "fake1");
	CHECK_EQ(m.flush_guest(m.ctx), 0);
	CHECK(flushed == &other && submits == 3);
	answer = -ERR_IO;
	CHECK_EQ(m.flush_guest(m.ctx), -ERR_IO);
	CHECK(flushed == &disk && host_log_has("state: fake0 does not write its cache"));
	answer = 0;
	silent = true;
	CHECK_EQ(m.flush_guest(m.ctx), -ERR_TIMEOUT);
	silent = false;
	/* Any number: hv/state has switched snapshots off then. */
	for (unsigned i = 0; i < STATE_MAX_DISKS + 1; i++) {
		more[i] = disk;
		medium_disk("blk", &more[i], true);
	}
	submits = 0;
	CHECK_EQ(m.flush_guest(m.ctx), 0);
	CHECK_EQ(submits, STATE_MAX_DISKS);
}

TEST_MAIN
