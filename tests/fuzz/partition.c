/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hw/partition.c hv/lib/fmt.c hv/lib/crc32.c tests/fuzz/lib/fuzz.c */
/* quick: 3000 */
/*
 * GPT and MBR.  A disk with a sound GPT of three partitions, or an empty disk, is patched as the input says; checksums are then
 * made right again, if the input wants, so that what lies behind the checks is reached.
 */
#include <veneer/err.h>
#include <veneer/partition.h>
#include "tests/fuzz/fuzz.h"

#define BLOCKS	256u
#define TABLE	(16u * 128u)	/* a small one: the checksum takes the time */

static uint8_t *media;
static uint32_t bs, bad_block;

static int read_block(void *ctx, uint64_t lba, void *out)
{
	CHECK(lba < BLOCKS);
	if (bad_block && lba == bad_block)
		return -ERR_IO;
	memcpy(out, media + lba * bs, bs);
	return 0;
}

static void put(uint8_t *p, uint64_t v, unsigned n) { memcpy(p, &v, n); }

static uint32_t table_blocks(void) { return MAX(TABLE / bs, 1u); }

static void make_gpt(unsigned at, unsigned other, unsigned entries)
{
	uint8_t *h = media + (size_t)at * bs, *e = media + (size_t)entries * bs;

	memcpy(h, "EFI PART\0\0\1\0\x5c", 13);
	put(h + 24, at, 8);
	put(h + 32, other, 8);
	put(h + 40, 2 + table_blocks(), 8);
	put(h + 48, BLOCKS - 2 - table_blocks(), 8);
	put(h + 72, entries, 8);
	put(h + 80, TABLE / 128, 4);
	put(h + 84, 128, 4);
	for (unsigned i = 0; i < 3; i++, e += 128) {
		memset(e, 0x11 + (int)i, 32);
		put(e + 32, 100 + 100 * i, 8);
		put(e + 40, 199 + 100 * i, 8);
		e[56] = (uint8_t)('a' + i);
	}
}

/* Both checksums of a header, over what it names, if that is there. */
static void seal(unsigned at)
{
	uint8_t *h = media + (size_t)at * bs;
	uint64_t first;
	uint32_t n, size, len;

	memcpy(&first, h + 72, 8);
	memcpy(&n, h + 80, 4);
	memcpy(&size, h + 84, 4);
	memcpy(&len, h + 12, 4);
	if (first < BLOCKS && (uint64_t)n * size <= (BLOCKS - first) * bs && n <= 128 && size <= 128)
		put(h + 88, fuzz_crc32(media + first * bs, (size_t)n * size), 4);
	put(h + 16, 0, 4);
	if (len <= bs)
		put(h + 16, fuzz_crc32(h, len), 4);
}

static void patch(void)
{
	static const unsigned places[] = { 0, 1, 2, BLOCKS - 1 };
	uint8_t where = fuzz8();
	unsigned lba = where < 0xf0 ? places[where % 4] : fuzz16() % BLOCKS, off = fuzz16() % 512, len = fuzz8() % 80u;

	fuzz_bytes(media + (size_t)lba * bs + off, MIN(len, 512 - off));
}

static void fuzz(void)
{
	uint8_t how = fuzz8(), number = fuzz8();
	struct partition_disk d = { .read = read_block, .block_size = how & 1 ? 4096 : 512, .nblocks = BLOCKS };
	char name[40] = "11111111-1111-1111-1111-111111111111";
	struct partition_want want = { .by = number % 3u, .number = number >> 2, .name = number & 0x80 ? name : "b" };
	struct partition out;
	const char *why = NULL;

	bs = d.block_size;
	media = calloc(BLOCKS, bs);
	void *buf = malloc(bs);

	if (how & 2) {
		make_gpt(1, BLOCKS - 1, 2);
		make_gpt(BLOCKS - 1, 1, BLOCKS - 1 - table_blocks());
		put(media + 446 + 4, 0xee, 1);
		put(media + 510, 0xaa55, 2);
	}
	bad_block = how & 4 ? fuzz16() % BLOCKS : 0;
	if (number & 0x40)
		fuzz_bytes(name, 36);
	for (unsigned i = 0; fuzz_left && i < 32; i++)
		patch();
	if (how & 8)
		seal(1);
	if (how & 16)
		seal(BLOCKS - 1);
	int result = partition_find(&d, &want, buf, &out, &why);

	CHECK(why != NULL);
	if (!result)
		CHECK(out.nblocks && out.first < BLOCKS && out.nblocks <= BLOCKS - out.first);
	else
		CHECK(result == -ERR_NODEV || result == -ERR_INVAL || result == -ERR_IO);
	free(buf);
	free(media);
}

FUZZ(fuzz)
