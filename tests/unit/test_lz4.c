/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/state/lz4.c */
/* libs: -llz4 */
/* The block codec against liblz4: each expands what the other compresses; what is damaged stays inside its buffers. */
#include <lz4.h>
#include <stdlib.h>
#include <string.h>
#include "host/host.h"
#include "hv/state/lz4.h"

#define MOST	65535u

static uint16_t table[LZ4_TABLE];
static uint8_t in[MOST], *packed, *out;
static unsigned room;

/* In memory of exact sizes, so that the sanitizer sees a byte beyond. */
static void resize(unsigned n, unsigned bytes)
{
	free(packed);
	free(out);
	room = bytes;
	packed = malloc(bytes ? bytes : 1);
	out = malloc(n ? n : 1);
}

static void both_ways(unsigned n)
{
	unsigned bound = (unsigned)LZ4_compressBound((int)n), len;

	resize(n, bound);
	len = lz4_compress(table, in, n, packed, room);
	CHECK(len);
	CHECK_EQ(LZ4_decompress_safe((char *)packed, (char *)out, (int)len, (int)n), (int)n);
	CHECK(!memcmp(in, out, n));
	memset(out, 0x55, n);
	CHECK(lz4_expand(packed, len, out, n));
	CHECK(!memcmp(in, out, n));
	/* Exactly so much room is enough, and one byte less is not. */
	resize(n, len);
	CHECK_EQ(lz4_compress(table, in, n, packed, len), len);
	resize(n, len - 1);
	CHECK_EQ(lz4_compress(table, in, n, packed, len - 1), 0);

	resize(n, bound);
	len = (unsigned)LZ4_compress_default((char *)in, (char *)packed, (int)n, (int)bound);
	CHECK(lz4_expand(packed, len, out, n));
	CHECK(!memcmp(in, out, n));
}

static void fill(unsigned kind, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		in[i] = kind == 0 ? 0 : kind == 1 ? (uint8_t)rand() : kind == 2 ? (uint8_t)(i / 97) :
			kind == 3 ? "the quick brown fox "[i % 20] : (uint8_t)(rand() % 3 ? 7 : rand());
}

TEST(each_expands_the_others)
{
	static const unsigned sizes[] = { 1, 4, 5, 12, 13, 14, 17, 31, 64, 255, 256, 270, 285, 1000, 3072, 4095, 4096, MOST };

	for (unsigned kind = 0; kind < 5; kind++)
		for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
			fill(kind, sizes[i]);
			both_ways(sizes[i]);
		}
}

/* Literals and matches of all lengths around the ones that need further bytes. */
TEST(all_lengths)
{
	for (unsigned literals = 0; literals < 300; literals += literals < 20 ? 1 : 47)
		for (unsigned len = 4; len < 560; len += len < 24 ? 1 : 17) {
			unsigned n = 16 + literals + len + 12;

			fill(1, n);
			memcpy(in + 16 + literals, in, 16);
			for (unsigned i = 16; i < len; i++)
				in[16 + literals + i] = in[i % 16];
			both_ways(n);
		}
}

TEST(pages_become_small)
{
	resize(4096, 4096);
	memset(in, 0x5a, 4096);
	CHECK(lz4_compress(table, in, 4096, packed, room) < 32);
	fill(3, 4096);
	CHECK(lz4_compress(table, in, 4096, packed, room) < 64);
	fill(1, 4096);
	CHECK_EQ(lz4_compress(table, in, 4096, packed, 4095), 0);
}

/* Each cut, each wrong size and random damage: no byte beyond the buffers, and never more than the size. */
TEST(damage)
{
	unsigned len;

	fill(4, 4096);
	resize(4096, 5000);
	len = lz4_compress(table, in, 4096, packed, room);
	uint8_t *whole = malloc(len);

	memcpy(whole, packed, len);
	for (unsigned cut = 0; cut < len; cut++) {
		resize(4096, cut);
		memcpy(packed, whole, cut);
		CHECK(!lz4_expand(packed, cut, out, 4096));
	}
	for (unsigned size = 4000; size < 4200; size++) {
		resize(size, len);
		memcpy(packed, whole, len);
		CHECK_EQ(lz4_expand(packed, len, out, size), size == 4096);
	}
	for (unsigned try = 0; try < 20000; try++) {
		resize(4096, len);
		memcpy(packed, whole, len);
		for (unsigned i = 0; i <= try % 4; i++)
			packed[(unsigned)rand() % len] = (uint8_t)rand();
		(void)lz4_expand(packed, len, out, 4096);
	}
	free(whole);
	/* A match before the beginning, at no distance; a length that never ends. */
	static const uint8_t before[] = { 0x10, 'a', 2, 0 }, nowhere[] = { 0x10, 'a', 0, 0 };

	resize(64, 64);
	CHECK(!lz4_expand(before, sizeof(before), out, 64));
	CHECK(!lz4_expand(nowhere, sizeof(nowhere), out, 64));
	memset(packed, 255, 64);
	CHECK(!lz4_expand(packed, 64, out, 64));
	free(packed);
	free(out);
	packed = out = NULL;
}

TEST_MAIN
