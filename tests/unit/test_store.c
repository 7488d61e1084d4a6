/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/state/store.c hv/lib/crc32.c */
/*
 * Two snapshots on a disk in memory.  When the power fails its cache loses any of the sectors that were written since the last
 * flush: whatever is lost, the last good snapshot is still there.
 */
#include <stdlib.h>
#include <string.h>
#include <veneer/crc32.h>
#include <veneer/err.h>
#include "host/host.h"
#include "hv/state/store.h"

#define SECTOR		512u
#define SIZE		(400u << 10)
#define FOREVER		1000000u

static uint8_t now[SIZE], stable[SIZE];		/* as the disk answers, and what is on the medium */
static uint8_t dirty[SIZE / SECTOR];		/* sectors in the cache */
static uint8_t buffer[STORE_BUFFER];
static unsigned writes, flushes, writes_left, reads_left;
static bool power;				/* off: nothing happens any more */
static bool refuses;				/* writes_left 0: -ERR_IO, not the power */
static unsigned bad_flush, bad_flushes;		/* so many flushes fail, behind so many good ones */

static int disk_read(void *ctx, uint64_t block, void *buf, uint32_t n)
{
	const struct state_medium *m = ctx;

	CHECK(n && block < m->nblocks && n <= m->nblocks - block);
	if (!reads_left--)
		return -ERR_IO;
	memcpy(buf, now + block * m->block_size, (size_t)n * m->block_size);
	return 0;
}

static int disk_write(void *ctx, uint64_t block, const void *buf, uint32_t n)
{
	const struct state_medium *m = ctx;
	uint64_t at = block * m->block_size, bytes = (uint64_t)n * m->block_size;

	CHECK(n && block < m->nblocks && n <= m->nblocks - block);
	if (!power || !writes_left) {
		power &= refuses;
		return refuses ? -ERR_IO : 0;
	}
	writes_left--;
	writes++;
	memcpy(now + at, buf, bytes);
	memset(dirty + at / SECTOR, 1, bytes / SECTOR);
	return 0;
}

static int disk_flush(void *ctx)
{
	if (!power)
		return 0;
	flushes++;
	if (flushes > bad_flush && flushes <= bad_flush + bad_flushes)
		return -ERR_IO;
	memcpy(stable, now, SIZE);
	memset(dirty, 0, sizeof(dirty));
	return 0;
}

static struct state_medium medium = { .read = disk_read, .write = disk_write, .flush = disk_flush, .ctx = &medium };

static void disk_new(uint32_t block_size, unsigned size)
{
	memset(now, 0xe5, SIZE);
	memset(stable, 0xe5, SIZE);
	memset(dirty, 0, sizeof(dirty));
	medium.block_size = block_size;
	medium.nblocks = size / block_size;
	writes_left = reads_left = FOREVER;
	writes = flushes = bad_flushes = 0;
	power = true;
	refuses = false;
}

/* What was not flushed is lost, or not. */
static void disk_power_cut(void)
{
	for (unsigned i = 0; i < SIZE / SECTOR; i++)
		if (dirty[i] && (rand() & 1))
			memcpy(stable + i * SECTOR, now + i * SECTOR, SECTOR);
	memcpy(now, stable, SIZE);
	memset(dirty, 0, sizeof(dirty));
	power = true;
	writes_left = reads_left = FOREVER;
}

static uint8_t byte_of(unsigned seed, unsigned i)
{
	return (uint8_t)(seed * 31 + i * 7 + (i >> 8) * 13);
}

/* A snapshot of @n bytes, written in pieces of odd sizes. */
static int save(struct store *s, unsigned seed, unsigned n)
{
	uint8_t piece[5003];
	int err = store_begin(s);

	for (unsigned at = 0; at < n && !err; ) {
		unsigned len = MIN(n - at, 1 + (at * 37 + seed) % (unsigned)sizeof(piece));

		for (unsigned i = 0; i < len; i++)
			piece[i] = byte_of(seed, at + i);
		err = store_put(s, piece, len);
		at += len;
	}
	return err ?: store_end(s);
}

/* True if the snapshot of @slot is the one that save(@seed, @n) wrote. */
static bool is(struct store *s, int slot, unsigned seed, unsigned n)
{
	uint8_t piece[777];

	if (slot < 0 || s->h[slot].length != n)
		return false;
	store_first(s, (unsigned)slot);
	for (unsigned at = 0; at < n; ) {
		unsigned len = MIN(n - at, (unsigned)sizeof(piece));

		if (store_get(s, piece, len))
			return false;
		for (unsigned i = 0; i < len; i++)
			if (piece[i] != byte_of(seed, at + i))
				return false;
		at += len;
	}
	return !store_check(s);
}

static struct store open_store(void)
{
	struct store s;

	CHECK_EQ(store_open(&s, &medium, buffer), 0);
	return s;
}

TEST(a_snapshot_comes_back)
{
	static const unsigned sizes[] = { 0, 1, 4095, 4096, 4097, STORE_BUFFER - 1, STORE_BUFFER, STORE_BUFFER + 1, 150000 };

	for (uint32_t block = 512; block <= 4096; block *= 8)
		for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
			disk_new(block, SIZE);
			struct store s = open_store();

			CHECK_EQ(store_newest(&s, 0), -1);
			CHECK_EQ(save(&s, i, sizes[i]), 0);
			CHECK(is(&s, store_newest(&s, 0), i, sizes[i]));
			s = open_store();
			CHECK(is(&s, store_newest(&s, 0), i, sizes[i]));
			CHECK_EQ(store_newest(&s, 1), -1);
		}
}

TEST(the_last_two_stay)
{
	disk_new(512, SIZE);
	struct store s = open_store();

	for (unsigned i = 1; i < 6; i++) {
		CHECK_EQ(save(&s, i, 1000 * i), 0);
		s = open_store();
		CHECK(is(&s, store_newest(&s, 0), i, 1000 * i));
		CHECK(i == 1 ? store_newest(&s, 1) < 0 : is(&s, store_newest(&s, 1), i - 1, 1000 * (i - 1)));
		CHECK_EQ(store_newest(&s, 2), -1);
	}
}

/* The power fails behind each write of the second and of the third snapshot. */
TEST(a_power_cut_loses_nothing)
{
	for (unsigned cut = 0, whole = 0; !whole; cut++)
		for (unsigned try = 0; try < 8; try++) {
			disk_new(cut & 1 ? 4096 : 512, SIZE);
			struct store s = open_store();

			CHECK_EQ(save(&s, 1, 140000), 0);
			CHECK_EQ(save(&s, 2, 150000), 0);
			writes_left = cut;
			(void)save(&s, 3, 160000);
			whole = power;
			disk_power_cut();
			s = open_store();
			int slot = store_newest(&s, 0);

			CHECK(is(&s, slot, 3, 160000) || (!whole && is(&s, slot, 2, 150000)));
			CHECK_EQ(save(&s, 4, 70000), 0);
			s = open_store();
			CHECK(is(&s, store_newest(&s, 0), 4, 70000));
		}
}

TEST(data_are_flushed_before_the_header)
{
	disk_new(512, SIZE);
	struct store s = open_store();

	CHECK_EQ(save(&s, 1, 10), 0);
	CHECK_EQ(writes, 3);
	CHECK_EQ(flushes, 3);
}

TEST(an_error_at_each_write)
{
	for (unsigned n = 0; ; n++) {
		disk_new(512, SIZE);
		struct store s = open_store();

		CHECK_EQ(save(&s, 1, 150000), 0);
		writes_left = n;
		refuses = true;
		int err = save(&s, 2, 150000);

		writes_left = FOREVER;
		power = true;
		CHECK(err == 0 || err == -ERR_IO);
		CHECK(is(&s, store_newest(&s, 0), err ? 1 : 2, 150000));
		s = open_store();
		CHECK(is(&s, store_newest(&s, 0), err ? 1 : 2, 150000));
		if (!err)
			break;
	}
}

/* The header is in the cache when its flush fails: the guest goes on, so the header is taken back, or this is unsure. */
TEST(a_flush_that_fails)
{
	for (unsigned n = 0; n < 4; n++)
		for (unsigned more = 1; more <= 2; more++) {
			disk_new(512, SIZE);
			struct store s = open_store();

			bad_flush = n;
			bad_flushes = more;
			CHECK_EQ(save(&s, 1, 70000), n == 3 ? 0 : -ERR_IO);
			CHECK_EQ(s.unsure, n == 2 && more == 2);
			s = open_store();
			CHECK_EQ(store_newest(&s, 0) >= 0, n == 3);
			bad_flushes = 0;
			CHECK_EQ(save(&s, 2, 70000), 0);
			CHECK(!s.unsure && is(&s, store_newest(&s, 0), 2, 70000));
		}
}

/* The header's write fails, and so does the write that takes it back. */
TEST(a_write_of_the_header_that_fails)
{
	disk_new(512, SIZE);
	struct store s = open_store();

	writes_left = 3;
	refuses = true;
	CHECK_EQ(save(&s, 1, 70000), -ERR_IO);
	CHECK(s.unsure);
}

TEST(a_full_slot)
{
	disk_new(4096, SIZE);
	struct store s = open_store();
	unsigned most = (SIZE / STORE_BLOCK - 2) / 2 * STORE_BLOCK;

	CHECK_EQ(save(&s, 1, most), 0);
	CHECK_EQ(save(&s, 2, most + 1), -ERR_NOMEM);
	CHECK(is(&s, store_newest(&s, 0), 1, most));
	s = open_store();
	CHECK(is(&s, store_newest(&s, 0), 1, most));
	CHECK_EQ(save(&s, 3, most), 0);
	CHECK(is(&s, store_newest(&s, 0), 3, most));
}

/* Once the guest goes on none of two good ones is resumed; if the power fails in between, at worst the newest one is. */
TEST(used_snapshots)
{
	for (unsigned cut = 0; cut < 3; cut++) {
		disk_new(512, SIZE);
		struct store s = open_store();

		CHECK_EQ(save(&s, 1, 1000), 0);
		CHECK_EQ(save(&s, 2, 2000), 0);
		writes_left = cut;
		CHECK_EQ(store_use(&s), 0);
		disk_power_cut();
		s = open_store();
		CHECK(cut ? store_newest(&s, 0) < 0 : is(&s, store_newest(&s, 0), 2, 2000));
		CHECK_EQ(store_use(&s), 0);
		s = open_store();
		CHECK_EQ(store_newest(&s, 0), -1);
		CHECK_EQ(save(&s, 3, 3000), 0);
		CHECK(is(&s, store_newest(&s, 0), 3, 3000));
		CHECK_EQ(store_newest(&s, 1), -1);
	}
}

/* A bit of a header: the other snapshot.  A bit of the data: told by store_check(), and the other snapshot is there. */
TEST(damage)
{
	disk_new(512, SIZE);
	struct store s = open_store();

	CHECK_EQ(save(&s, 1, 70000), 0);
	CHECK_EQ(save(&s, 2, 70000), 0);
	unsigned slot = (unsigned)store_newest(&s, 0);

	for (unsigned bit = 0; bit < 8 * 512; bit++) {
		now[slot * STORE_BLOCK + bit / 8] ^= (uint8_t)(1u << bit % 8);
		s = open_store();
		CHECK_EQ(store_newest(&s, 0), (int)!slot);
		CHECK_EQ(store_newest(&s, 1), -1);
		now[slot * STORE_BLOCK + bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	s = open_store();
	for (unsigned at = 0; at < 70000; at += 1234) {
		uint8_t *p = &now[2 * STORE_BLOCK + slot * s.slot_size + at];

		*p ^= 16;
		store_first(&s, slot);
		CHECK_EQ(store_check(&s), -ERR_INVAL);
		*p ^= 16;
	}
	CHECK(is(&s, (int)slot, 2, 70000));
	CHECK(is(&s, store_newest(&s, 1), 1, 70000));
}

/* Foreign, of a later version, with an unknown state, a length beyond the slot, bytes not in use: each with a right CRC. */
TEST(foreign_headers)
{
	for (unsigned what = 0; what < 6; what++) {
		disk_new(512, SIZE);
		struct store s = open_store();

		CHECK_EQ(save(&s, 1, 70000), 0);
		unsigned slot = (unsigned)store_newest(&s, 0);
		struct store_header h = s.h[slot];

		h.magic ^= what == 0;
		h.version += what == 1;
		h.state = what == 2 ? STORE_USED + 1 : h.state;
		h.length = what == 3 ? s.slot_size + 1 : h.length;
		h.zero[3] = what == 4;
		h.generation = what == 5 ? UINT64_MAX : h.generation;
		h.crc = crc32(0, &h, offsetof(struct store_header, crc));
		memcpy(now + slot * STORE_BLOCK, &h, sizeof(h));
		s = open_store();
		CHECK_EQ(store_newest(&s, 0), -1);
	}
}

TEST(more_than_there_is)
{
	uint8_t b[10];

	disk_new(512, SIZE);
	struct store s = open_store();

	CHECK_EQ(save(&s, 1, 5), 0);
	store_first(&s, (unsigned)store_newest(&s, 0));
	CHECK_EQ(store_get(&s, b, 6), -ERR_INVAL);
	CHECK_EQ(store_get(&s, b, 1), -ERR_INVAL);
	CHECK_EQ(store_check(&s), 0);
}

TEST(read_errors)
{
	disk_new(512, SIZE);
	struct store s = open_store();

	CHECK_EQ(save(&s, 1, 150000), 0);
	for (unsigned n = 0; n < 2; n++) {
		reads_left = n;
		CHECK_EQ(store_open(&s, &medium, buffer), -ERR_IO);
	}
	reads_left = FOREVER;
	s = open_store();
	for (unsigned n = 0; n < 3; n++) {
		reads_left = n;
		store_first(&s, (unsigned)store_newest(&s, 0));
		CHECK_EQ(store_check(&s), -ERR_IO);
	}
}

TEST(impossible_media)
{
	static const struct { uint32_t block; unsigned size; int err; } bad[] = {
		{ 256, SIZE, -ERR_INVAL }, { 8192, SIZE, -ERR_INVAL }, { 1536, SIZE, -ERR_INVAL },
		{ 512, STORE_MIN - 512, -ERR_INVAL }, { 512, 0, -ERR_INVAL }, { 512, STORE_MIN, 0 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		struct store s;

		disk_new(bad[i].block, bad[i].size);
		CHECK_EQ(store_open(&s, &medium, buffer), bad[i].err);
	}
	disk_new(512, SIZE);
	medium.nblocks = UINT64_MAX;
	struct store s;

	CHECK_EQ(store_open(&s, &medium, buffer), -ERR_INVAL);
}

TEST_MAIN
