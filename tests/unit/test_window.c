/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: conceal/window.c hw/partition.c hv/lib/fmt.c hv/lib/crc32.c */
/*
 * The part of a disk that a rule gives to the guest.  Partition tables are tested in test_partition.c, requests in test_disk.c.
 */
#include <string.h>
#include <veneer/config.h>
#include <veneer/disk.h>
#include <veneer/err.h>
#include "conceal/conceal.h"
#include "host/host.h"

struct config config;

static uint8_t mbr[512], inner[512];	/* of the disk, and of the window that begins at set_first */
static struct disk disk;
static int read_status, set_status;
static uint64_t set_first, set_n;

int disk_read_now(struct disk *d, uint64_t lba, void *buf, uint32_t n)
{
	CHECK(d == &disk && n == 1);
	memset(buf, 0, 512);
	if (!lba)
		memcpy(buf, d->first_block ? inner : mbr, sizeof(mbr));
	return read_status;
}

int disk_set_window(struct disk *d, uint64_t first, uint64_t n)
{
	set_first = first;
	set_n = n;
	return set_status;
}

static void setup(void)
{
	disk = (struct disk){ .name = "fake0", .model = "Model", .serial = "S1", .block_size = 512, .nblocks = 0x10000 };
	memset(mbr, 0, sizeof(mbr));
	mbr[510] = 0x55;
	mbr[511] = 0xaa;
	memcpy(mbr + 446 + 16, (uint8_t[]){ 0, 0, 0, 0, 0x83, 0, 0, 0, 0, 8, 0, 0, 0, 0x10, 0, 0 }, 16);
	read_status = set_status = 0;
	set_first = set_n = 0;
}

TEST(no_window)
{
	struct config_rule r = { .node = "r" };
	bool writable = true;

	setup();
	CHECK_EQ(window_place(&disk, &r, false, &writable), 0);
	CHECK_EQ(window_place(&disk, NULL, false, &writable), 0);
	CHECK(writable && !set_n);
	/* The boot disk cannot be determined: then none of our disks is the boot disk, since firmware has read ours. */
	read_status = -ERR_IO;
	CHECK_EQ(window_place(&disk, &r, false, &writable), 0);
	CHECK(writable);
	CHECK_EQ(host_heap_used(), 0);
}

TEST(own_disk)
{
	struct config_rule r = { .node = "r" };
	bool writable = true;

	setup();
	CHECK(!window_own_disk(&disk));
	strcpy(config.own_partition, "11111111-2222-3333-4444-555555555555,00000000-02");
	CHECK(window_own_disk(&disk));
	strcpy(config.own_partition, "00000000-02");
	CHECK(window_own_disk(&disk));
	strcpy(config.own_partition, "00000000-03,,00000000-01,");
	CHECK(!window_own_disk(&disk));
	/* A table with the partition, although it cannot be used as a window. */
	memcpy(mbr + 446, mbr + 446 + 16, 16);
	CHECK(window_own_disk(&disk));
	memset(mbr + 446, 0, 16);
	memset(config.own_partition, 'a', sizeof(config.own_partition) - 1);
	CHECK(!window_own_disk(&disk));
	config.own_partition[0] = 0;
	CHECK_EQ(window_place(&disk, &r, true, &writable), 0);
	CHECK(!writable && host_log_has("fake0: has the partition that Veneer starts from: it is read-only"));
	/* A window of the disk may be writable. */
	writable = true;
	r = (struct config_rule){ .node = "r", .window = WINDOW_NUMBER, .partition = 2 };
	CHECK_EQ(window_place(&disk, &r, true, &writable), 0);
	CHECK(writable && set_n == 0x1000);
	CHECK_EQ(host_heap_used(), 0);
}

/* The own disk is started by a window only, and not if the window has Veneer's partition, too. */
TEST(own_disk_by_a_window)
{
	struct config_rule r = { .node = "r" };

	setup();
	strcpy(config.own_partition, "00000000-02");
	CHECK(window_shows_own(&disk, NULL));
	CHECK(window_shows_own(&disk, &r));
	r.window = WINDOW_NUMBER;
	disk.first_block = 0x800;
	memset(inner, 0, sizeof(inner));
	CHECK(!window_shows_own(&disk, &r));
	memcpy(inner, mbr, sizeof(inner));
	CHECK(window_shows_own(&disk, &r));
	config.own_partition[0] = 0;
	CHECK_EQ(host_heap_used(), 0);
}

TEST(a_partition)
{
	struct config_rule r = { .node = "r", .window = WINDOW_NUMBER, .partition = 2 };
	bool writable = true;

	setup();
	CHECK_EQ(window_place(&disk, &r, false, &writable), 0);
	CHECK(writable && set_first == 0x800 && set_n == 0x1000);
	CHECK(host_log_has("fake0: the guest gets blocks 0x800 to 0x17ff of 0x10000"));
	r.partition = 3;
	CHECK_EQ(window_place(&disk, &r, false, &writable), -ERR_INVAL);
	CHECK(host_log_has("/policy/r: veneer,partition = <3>: expected a partition of fake0 \"Model\" serial \"S1\": there"));
	r.window = WINDOW_UUID;
	strcpy(r.part_name, "00000000-02");
	CHECK_EQ(window_place(&disk, &r, false, &writable), 0);
	r.window = WINDOW_LABEL;
	CHECK_EQ(window_place(&disk, &r, false, &writable), -ERR_INVAL);
	CHECK(host_log_has("\"PARTLABEL=00000000-02\""));
	read_status = -ERR_TIMEOUT;
	CHECK_EQ(window_place(&disk, &r, false, &writable), -ERR_INVAL);
	CHECK(host_log_has("cannot be read"));
	host_heap_fail_at(1);
	CHECK_EQ(window_place(&disk, &r, false, &writable), -ERR_INVAL);
	CHECK_EQ(host_heap_used(), 0);
}

TEST(blocks)
{
	struct config_rule r = { .node = "r", .window = WINDOW_BLOCKS, .window_first = 5, .window_blocks = 6 };
	bool writable = false;

	setup();
	CHECK_EQ(window_place(&disk, &r, false, &writable), 0);
	CHECK(set_first == 5 && set_n == 6 && !writable);
	set_status = -ERR_INVAL;
	CHECK_EQ(window_place(&disk, &r, false, &writable), -ERR_INVAL);
	CHECK(host_log_has("/policy/r: veneer,window = first block 0x5, 0x6 blocks: expected less, fake0 \"Model\" has 0x1"));
}

TEST_MAIN
