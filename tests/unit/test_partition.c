/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hw/partition.c hv/lib/fmt.c hv/lib/crc32.c */
/* Reading of GPT and MBR.  The tables are made from the UEFI specification, independently of the code under test. */
#include <string.h>
#include <veneer/err.h>
#include <veneer/partition.h>
#include "host/host.h"

#define BLOCKS	4096u

static uint8_t *media, *buf;
static uint32_t bs;
static unsigned bad_block;		/* 0: none */
static struct partition_disk d;
static struct partition got;
static const char *why;

static int read_block(void *ctx, uint64_t lba, void *out)
{
	CHECK(ctx == &d && lba < BLOCKS);
	if (bad_block && lba == bad_block)
		return -ERR_IO;
	memcpy(out, media + lba * bs, bs);
	return 0;
}

static void put(uint8_t *p, uint64_t v, unsigned n)
{
	for (; n--; v >>= 8)
		*p++ = (uint8_t)v;
}

static uint32_t crc(const uint8_t *p, size_t n)
{
	uint32_t table[256], c = ~0u;

	for (uint32_t i = 0; i < 256; i++) {
		table[i] = i;
		for (int k = 0; k < 8; k++)
			table[i] = table[i] & 1 ? 0xedb88320u ^ table[i] >> 1 : table[i] >> 1;
	}
	while (n--)
		c = table[(c ^ *p++) & 255] ^ c >> 8;
	return ~c;
}

static uint8_t *header(unsigned lba) { return media + (size_t)lba * bs; }
static uint8_t *entry(unsigned n, unsigned lba) { return media + (size_t)lba * bs + 128 * (n - 1); }

static void seal(unsigned at, unsigned entries)
{
	uint8_t *h = header(at);

	put(h + 88, crc(media + (size_t)entries * bs, 128 * 128), 4);
	put(h + 16, 0, 4);
	put(h + 16, crc(h, 92), 4);
}

static void write_header(unsigned at, unsigned other, unsigned entries)
{
	uint8_t *h = header(at);
	uint32_t n = 128 * 128 / bs;

	memcpy(h, "EFI PART\0\0\1\0", 12);
	put(h + 12, 92, 4);
	put(h + 24, at, 8);
	put(h + 32, other, 8);
	put(h + 40, 2 + n, 8);
	put(h + 48, BLOCKS - 2 - n, 8);
	put(h + 72, entries, 8);
	put(h + 80, 128, 4);
	put(h + 84, 128, 4);
	seal(at, entries);
}

static void set_entry(unsigned n, uint64_t first, uint64_t last, const char *label)
{
	unsigned at[] = { 2, BLOCKS - 1 - 128 * 128 / bs };

	for (unsigned i = 0; i < 2; i++) {
		uint8_t *e = entry(n, at[i]);

		memset(e, 0x11, 16);
		for (unsigned k = 0; k < 16; k++)
			e[16 + k] = (uint8_t)(0xa0 + k + (n - 1) * 16);
		put(e + 32, first, 8);
		put(e + 40, last, 8);
		for (unsigned k = 0; label[k]; k++)
			put(e + 56 + 2 * k, (uint8_t)label[k], 2);
	}
	write_header(1, BLOCKS - 1, at[0]);
	write_header(BLOCKS - 1, 1, at[1]);
}

static void setup(uint32_t block_size)
{
	bs = block_size;
	bad_block = 0;
	free(media);
	free(buf);
	media = calloc(BLOCKS, bs);
	buf = malloc(bs);
	d = (struct partition_disk) { .read = read_block, .ctx = &d, .block_size = bs, .nblocks = BLOCKS };
	media[510] = 0x55;
	media[511] = 0xaa;
	media[446 + 4] = 0xee;
	set_entry(1, 100, 199, "one");
	set_entry(3, 200, 200, "a label of thirty-six characters ...");
	set_entry(128, 3000, 3500, "last");
}

static int by_number(uint32_t n)
{
	struct partition_want w = { .by = PARTITION_NUMBER, .number = n };

	return partition_find(&d, &w, buf, &got, &why);
}

static int by(enum partition_by how, const char *name)
{
	struct partition_want w = { .by = how, .name = name };

	return partition_find(&d, &w, buf, &got, &why);
}

TEST(found_by_number_label_and_uuid)
{
	for (unsigned i = 0; i < 2; i++) {
		setup(i ? 4096 : 512);
		CHECK_EQ(by_number(1), 0);
		CHECK(got.first == 100 && got.nblocks == 100 && !*why);
		CHECK_EQ(by(PARTITION_LABEL, "a label of thirty-six characters ..."), 0);
		CHECK(got.first == 200 && got.nblocks == 1);
		CHECK_EQ(by_number(128), 0);
		CHECK_EQ(got.nblocks, 501);
		CHECK_EQ(by(PARTITION_UUID, "a3a2A1a0-a5a4-a7a6-a8a9-aaabacadaeaf"), 0);
		CHECK_EQ(got.first, 100);
	}
}

TEST(not_found)
{
	setup(512);
	CHECK_EQ(by_number(2), -ERR_NODEV);
	CHECK_EQ(by_number(129), -ERR_NODEV);
	CHECK_EQ(by(PARTITION_LABEL, "on"), -ERR_NODEV);
	CHECK_EQ(by(PARTITION_LABEL, "one2"), -ERR_NODEV);
	CHECK_EQ(by(PARTITION_LABEL, "a label of thirty-six characters ....."), -ERR_NODEV);
	CHECK_EQ(by(PARTITION_UUID, "a3a2a1a0-a5a4-a7a6-a8a9-aaabacadaeaf0"), -ERR_NODEV);
	CHECK(!strcmp(why, "there is no such partition"));
	memset(media, 0, BLOCKS * bs);
	CHECK_EQ(by_number(1), -ERR_NODEV);
	CHECK(!strcmp(why, "it has no partition table"));
	d.nblocks = 2;
	CHECK_EQ(by_number(1), -ERR_NODEV);
}

TEST(twice_the_same_label)
{
	setup(512);
	set_entry(2, 300, 400, "one");
	CHECK_EQ(by(PARTITION_LABEL, "one"), -ERR_INVAL);
	CHECK(!strcmp(why, "more than one partition has this name"));
}

/* With any broken byte of header or entries the backup is used; if both are broken there is no partition. */
TEST(broken_primary_then_backup)
{
	static const unsigned at[] = { 0, 8, 12, 16, 24, 40, 48, 72, 80, 84, 88, 91 };

	for (unsigned i = 0; i < ARRAY_SIZE(at); i++) {
		setup(512);
		header(1)[at[i]] ^= 1;
		CHECK_EQ(by_number(1), 0);
		CHECK(got.first == 100 && !strcmp(why, "its GPT is damaged, the backup at its end was used"));
		header(BLOCKS - 1)[at[i]] ^= 1;
		/* If only a checksum is wrong the entries are still visible: GRUB starts from such a disk. */
		int err = by_number(1);

		CHECK(err == -ERR_INVAL || (err == -ERR_IO && at[i] != 16 && at[i] != 88));
		CHECK(!strcmp(why, "its GPT is damaged, the backup at its end as well"));
		CHECK_EQ(by_number(2), -ERR_IO);
	}
	setup(512);
	entry(77, 2)[3] ^= 0x80;
	CHECK_EQ(by_number(1), 0);
	CHECK(*why);
	setup(512);
	bad_block = 1;
	CHECK_EQ(by_number(1), 0);
	bad_block = 2;
	CHECK_EQ(by_number(1), 0);
	bad_block = 0;
	put(entry(1, 2) + 32, 5, 8);	/* without a new checksum: the entry now overlaps the table */
	CHECK_EQ(by_number(1), 0);
	CHECK_EQ(got.first, 100);
}

/* Good checksums over invalid values. */
TEST(sealed_nonsense)
{
	static const struct { unsigned off; uint64_t v; unsigned n; } bad[] = {
		{ 72, ~0ull, 8 }, { 72, 0, 8 }, { 72, BLOCKS, 8 }, { 80, 0, 4 }, { 80, 0xffffffff, 4 }, { 84, 0, 4 },
		{ 84, 127, 4 }, { 84, 192, 4 }, { 84, 1u << 31, 4 }, { 40, ~0ull, 8 }, { 48, ~0ull, 8 }, { 48, 1, 8 },
		{ 12, 91, 4 }, { 12, 0xffffffff, 4 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		setup(512);
		memset(header(BLOCKS - 1), 0, 512);
		put(header(1) + bad[i].off, bad[i].v, bad[i].n);
		put(header(1) + 16, 0, 4);
		put(header(1) + 16, crc(header(1), 92), 4);
		CHECK_EQ(by_number(1), -ERR_IO);
	}
}

TEST(partitions_outside_of_the_disk)
{
	static const uint64_t bad[][2] = {
		{ 1, 50 }, { 100, BLOCKS }, { 100, ~0ull }, { 200, 100 }, { ~0ull, ~0ull }, { 0, 0 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		setup(512);
		set_entry(5, bad[i][0], bad[i][1], "bad");
		CHECK_EQ(by_number(5), -ERR_INVAL);
		set_entry(5, bad[i][0] == 100 ? 3600 : bad[i][0], bad[i][1], "bad");
		CHECK_EQ(by_number(1), 0);
	}
}

/* A guest's writes to one partition would damage the other. */
TEST(partitions_that_overlap)
{
	static const uint64_t over[][2] = { { 50, 100 }, { 199, 199 }, { 40, 400 }, { 120, 130 }, { 100, 199 } };

	for (unsigned i = 0; i < ARRAY_SIZE(over); i++) {
		setup(512);
		set_entry(5, over[i][0], over[i][1], "over");
		CHECK_EQ(by_number(1), -ERR_INVAL);
		CHECK(!strcmp(why, "another partition overlaps it"));
		CHECK_EQ(by(PARTITION_LABEL, "over"), -ERR_INVAL);
		CHECK_EQ(by_number(128), 0);
	}
	setup(512);
	set_entry(5, 50, 99, "beside");
	CHECK_EQ(by_number(1), 0);
}

static void mbr_entry(unsigned n, uint8_t type, uint32_t first, uint32_t count)
{
	uint8_t *e = media + 446 + 16 * (n - 1);

	e[4] = type;
	put(e + 8, first, 4);
	put(e + 12, count, 4);
}

TEST(mbr)
{
	setup(512);
	put(media + 440, 0xdeadbeef, 4);
	mbr_entry(1, 0x83, 64, 100);
	media[446] = 0x80;
	CHECK_EQ(by(PARTITION_UUID, "deadbeef-04"), -ERR_NODEV);
	mbr_entry(2, 0x0f, 200, 100);
	mbr_entry(3, 0x83, BLOCKS - 1, 2);
	/* A GPT without a protective MBR is a left-over. */
	CHECK_EQ(by_number(1), 0);
	CHECK(got.first == 64 && got.nblocks == 100);
	CHECK_EQ(by(PARTITION_UUID, "DEADBEEF-01"), 0);
	CHECK_EQ(by(PARTITION_LABEL, "one"), -ERR_NODEV);
	CHECK_EQ(by_number(2), -ERR_INVAL);
	CHECK_EQ(by_number(3), -ERR_INVAL);
	CHECK_EQ(by_number(4), -ERR_NODEV);
	/* Here the extended partition does not begin with a table. */
	CHECK_EQ(by_number(5), -ERR_IO);
	mbr_entry(4, 0x83, 170, 31);
	CHECK_EQ(by_number(4), -ERR_INVAL);
	CHECK(!strcmp(why, "another partition overlaps it"));
	mbr_entry(4, 0x83, 170, 30);
	CHECK_EQ(by_number(4), 0);
	mbr_entry(4, 0x83, 163, 2);
	CHECK_EQ(by_number(1), -ERR_INVAL);
	mbr_entry(4, 0, 0, 0);
	/* A FAT boot sector has the same signature, and code in the place of the entries. */
	media[446] = 0x33;
	CHECK_EQ(by_number(1), -ERR_NODEV);
	media[510] = 0;
	CHECK_EQ(by_number(1), -ERR_NODEV);
}

/*
 * Write a table of the extended partition: the logical partition is relative to this table, the next table relative to the
 * first.
 */
static void ebr(unsigned at, unsigned first, unsigned count, unsigned next)
{
	uint8_t *b = media + (size_t)at * bs;

	memset(b, 0, 512);
	put(b + 510, 0xaa55, 2);
	b[446 + 4] = 0x83;
	put(b + 446 + 8, first, 4);
	put(b + 446 + 12, count, 4);
	if (next) {
		b[462 + 4] = 0x05;
		put(b + 462 + 8, next, 4);
		put(b + 462 + 12, 1, 4);
	}
}

TEST(logical_partitions)
{
	for (unsigned i = 0; i < 2; i++) {
		setup(i ? 4096 : 512);
		put(media + 440, 0xdeadbeef, 4);
		mbr_entry(1, 0x83, 64, 100);
		mbr_entry(2, 0x0f, 1000, 900);
		ebr(1000, 10, 90, 100);
		ebr(1100, 20, 30, 500);
		ebr(1500, 1, 399, 0);
		CHECK_EQ(by_number(1), 0);
		CHECK_EQ(by_number(5), 0);
		CHECK(got.first == 1010 && got.nblocks == 90);
		CHECK_EQ(by(PARTITION_UUID, "DEADBEEF-06"), 0);
		CHECK(got.first == 1120 && got.nblocks == 30);
		CHECK_EQ(by_number(7), 0);
		CHECK(got.first == 1501 && got.nblocks == 399);
		CHECK_EQ(by_number(8), -ERR_NODEV);
		CHECK_EQ(by_number(4), -ERR_NODEV);
		CHECK_EQ(by_number(2), -ERR_INVAL);
		/*
		 * Partitions beyond the extended partition's end and before its beginning, empty tables, a table without a
		 * signature.
		 */
		ebr(1500, 1, 400, 0);
		CHECK_EQ(by_number(7), -ERR_INVAL);
		ebr(1500, 0xffffffff, 2, 0);
		CHECK_EQ(by_number(7), -ERR_INVAL);
		ebr(1100, 20, 0, 500);
		CHECK_EQ(by_number(6), -ERR_INVAL);
		media[1100 * bs + 511] = 0;
		CHECK_EQ(by_number(6), -ERR_IO);
		CHECK(strstr(why, "damaged"));
		CHECK_EQ(by_number(5), 0);
		/* A chain that leaves the partition, and a circular one. */
		ebr(1100, 20, 30, 900);
		CHECK_EQ(by_number(7), -ERR_IO);
		CHECK(strstr(why, "leads out"));
		ebr(1100, 20, 30, 100);
		CHECK_EQ(by_number(6), -ERR_INVAL);
		CHECK(!strcmp(why, "another partition overlaps it"));
		CHECK_EQ(by_number(1000), -ERR_NODEV);
		bad_block = 1100;
		CHECK_EQ(by_number(6), -ERR_IO);
	}
}

/* A partition that was not read may overlap: the guest does not get the partition asked for. */
TEST(logical_partitions_that_are_not_all_seen)
{
	setup(512);
	mbr_entry(1, 0x83, 64, 100);
	mbr_entry(2, 0x0f, 1000, 900);
	for (unsigned i = 0; i < 256; i++)
		ebr(1000 + 2 * i, 1, 1, i < 255 ? 2 * (i + 1) : 0);
	CHECK_EQ(by_number(5), 0);
	CHECK_EQ(by_number(260), 0);
	CHECK_EQ(got.first, 1001 + 2 * 255);
	/* One more: the last, which is not read, overlaps the first. */
	ebr(1000 + 2 * 255, 1, 1, 2 * 256);
	ebr(1000 + 2 * 256, (unsigned)-511, 1, 0);
	CHECK_EQ(by_number(5), -ERR_INVAL);
	CHECK(strstr(why, "more than 256 logical partitions"));
	CHECK_EQ(by_number(1), 0);
	CHECK_EQ(by_number(999), -ERR_NODEV);
	/* A table behind the wanted partition cannot be read. */
	ebr(1000 + 2 * 255, 1, 1, 0);
	bad_block = 1000 + 2 * 100;
	CHECK_EQ(by_number(5), -ERR_IO);
	CHECK(strstr(why, "cannot be read"));
	CHECK_EQ(by_number(1), 0);
	bad_block = 0;
	CHECK_EQ(by_number(5), 0);
}

/* Numbers as in Linux (block/partitions/msdos.c): an entry of type 0 counts, random bytes in the last two entries do not. */
TEST(logical_partitions_as_linux_counts_them)
{
	uint8_t *b;

	setup(512);
	put(media + 440, 0xdeadbeef, 4);
	mbr_entry(1, 0, 64, 100);
	mbr_entry(2, 0x0f, 1000, 900);
	mbr_entry(3, 0x05, 2000, 900);
	ebr(1000, 10, 80, 100);
	b = media + 1000 * bs + 446;
	memset(b + 32, 0x4e, 32);
	ebr(1100, 20, 30, 0);
	b = media + 1100 * bs + 446;
	b[4] = 0;
	/* Inside of the table's range or not. */
	b[32 + 4] = b[48 + 4] = 0x83;
	put(b + 32 + 8, 60, 4);
	put(b + 32 + 12, 10, 4);
	ebr(2000, 10, 20, 0);
	CHECK_EQ(by_number(1), 0);
	CHECK_EQ(got.first, 64);
	CHECK_EQ(by_number(5), 0);
	CHECK_EQ(got.first, 1010);
	CHECK_EQ(by_number(6), 0);
	CHECK_EQ(got.first, 1120);
	/* The link gives the second table a range of 1 block: partitions beyond it do not count. */
	CHECK_EQ(by_number(7), 0);
	CHECK_EQ(got.first, 2010);
	put(media + 1000 * bs + 462 + 12, 70, 4);
	CHECK_EQ(by_number(7), 0);
	CHECK_EQ(got.first, 1160);
	CHECK_EQ(by(PARTITION_UUID, "deadbeef-08"), 0);
	CHECK_EQ(got.first, 2010);
	/* The table is good up to the wanted partition. */
	media[2000 * bs + 511] = 0;
	CHECK_EQ(by_number(7), 0);
	CHECK(!*why);
	CHECK_EQ(by_number(8), -ERR_IO);
}

TEST_MAIN
