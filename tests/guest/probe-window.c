/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A driver that tries to access more of a disk than its window.  Inside the window every sector begins with 'W' (written by the
 * test) and is writable; outside, nothing can be read, written, discarded or zeroed, by any numbers.  The test compares the
 * disk afterwards on the host.
 * Options: disks=N block devices; for each sectors0=N first0=N (sectors1 ...): the window's size, and its beginning on the real
 * disk, in sectors of 512 bytes.
 */
#include "vio.h"

#define F_BLK_FLUSH	(1ull << 9)
#define BLK_FLUSH	4
#define BLK_DISCARD	11
#define BLK_ZEROES	13
#define CHUNK		(64u * 512)
#define SECTORS(n)	((n) * 512u)

const char probe_name[] = "probe-window";

static uint8_t buf[CHUNK] __attribute__((aligned(4096)));

struct range_req { uint64_t sector; uint32_t count, flags; } __attribute__((packed));

static uint64_t capacity(struct vio *v)
{
	uint32_t low, high;

	if (v->transport == VIO_LEGACY) {
		low = inl(v->io + L_CONFIG);
		high = inl(v->io + L_CONFIG + 4);
	} else {
		low = read32(v->config);
		high = read32(v->config + 4);
	}
	return (uint64_t)high << 32 | low;
}

/* Count the bytes of the buffer that are not @c. */
static uint32_t others(uint8_t c, uint32_t len)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < len; i++)
		n += buf[i] != c;
	return n;
}

static void refused(struct vio *v, uint64_t sector, uint32_t sectors, const char *what)
{
	static const uint32_t ranged[] = { BLK_DISCARD, BLK_ZEROES };

	if (sectors <= CHUNK / 512) {
		memset(buf, 0x5a, CHUNK);
		check(vio_blk(v, BLK_IN, sector, buf, SECTORS(sectors)) > BLK_S_OK, true, "%s: read %s", vio_name(v), what);
		check(others(0x5a, CHUNK), 0, "%s: read %s leaves the buffer alone", vio_name(v), what);
		check(vio_blk(v, BLK_OUT, sector, buf, SECTORS(sectors)) > BLK_S_OK, true, "%s: write %s", vio_name(v), what);
	}
	for (unsigned int i = 0; i < 2; i++) {
		struct range_req *r = (void *)buf;

		for (uint32_t flags = 0; flags < 2; flags++) {
			*r = (struct range_req){ sector, sectors, flags };
			check(vio_blk(v, ranged[i], 0, r, sizeof(*r)) > BLK_S_OK, true, "%s: %s %s", vio_name(v),
			      i ? "zero" : "discard", what);
		}
	}
}

/* Two ranges in one request, the second outside of the window: only one range is allowed, so neither may be carried out. */
static void two_ranges(struct vio *v, uint64_t size)
{
	struct range_req *r = (void *)buf;

	r[0] = (struct range_req){ 0, 8, 0 };
	r[1] = (struct range_req){ size, 8, 0 };
	check(vio_blk(v, BLK_DISCARD, 0, r, 2 * sizeof(*r)) > BLK_S_OK, true, "%s: discard two ranges", vio_name(v));
	check(vio_blk(v, BLK_ZEROES, 0, r, 2 * sizeof(*r)) > BLK_S_OK, true, "%s: zero two ranges", vio_name(v));
	check(vio_blk(v, BLK_DISCARD, 0, r, sizeof(*r) - 1) > BLK_S_OK, true, "%s: discard a part of a range", vio_name(v));
}

/* Requests that have a sector number but do not use it, and unknown types, with a sector outside of the window. */
static void no_place(struct vio *v, uint64_t size)
{
	static const uint32_t none[] = { 2, 3, 5, 7, 10, 12, 14, 15, 16, 17, 0x80000000, 0x80000001, 0xffffffff };
	uint32_t taken = 0;

	memset(buf, 0x5a, CHUNK);
	check(vio_blk(v, BLK_GET_ID, size, buf, CHUNK), BLK_S_OK, "%s: the id", vio_name(v));
	check(buf[0] != 0x5a, true, "%s: the id is there", vio_name(v));
	memset(buf, 0x5a, 20);
	check(others(0x5a, CHUNK), 0, "%s: and has 20 bytes", vio_name(v));
	check(vio_blk(v, BLK_FLUSH, ~0ull, buf, 512), BLK_S_OK, "%s: flush with a place", vio_name(v));
	for (unsigned int i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		taken += vio_blk(v, none[i], size, buf, CHUNK) <= BLK_S_OK;
	check(taken, 0, "%s: other types", vio_name(v));
}

/* Requests that begin or end outside of the window, or seem to be inside because a sum or product wraps. */
static void outside(struct vio *v, uint64_t size, uint64_t first)
{
	refused(v, size, 8, "the first behind the end");
	refused(v, size - 8, 16, "over the end");
	refused(v, size - 4, 8, "over the end, half a block of 4096 bytes in");
	refused(v, size + 8, 8, "further behind");
	refused(v, 0ull - 8, 8, "just below 2^64");
	refused(v, 0ull - 8, 16, "round 2^64 to the beginning");
	refused(v, 0ull - first, 8, "the real disk's first by a wrap");
	refused(v, 8 - first, 8, "the real disk's second by a wrap");
	refused(v, 1ull << 55, 8, "2^64 bytes");
	refused(v, 1ull << 61, 8, "2^61");
	refused(v, 1ull << 63, 8, "2^63");
	refused(v, (1ull << 32) + 0, 8, "2^32");
	refused(v, 0, 0xffffffff & ~7u, "the longest range");
	refused(v, 8, 0xfffffff8, "a range that wraps 32 bits");
	refused(v, size, 0, "nothing behind the end");
}

static void inside(struct vio *v, uint64_t size)
{
	uint32_t bad = 0, strange = 0;

	for (uint64_t at = 0; at < size; at += CHUNK / 512) {
		uint32_t n = size - at < CHUNK / 512 ? (uint32_t)(size - at) : CHUNK / 512;

		bad += vio_blk(v, BLK_IN, at, buf, SECTORS(n)) != BLK_S_OK;
		for (uint32_t i = 0; i < n; i++)
			strange += buf[SECTORS(i)] != 'W';
	}
	check(bad, 0, "%s: all can be read", vio_name(v));
	check(strange, 0, "%s: and all is the window's", vio_name(v));
}

static void fill(struct vio *v, uint64_t size)
{
	uint32_t bad = 0;

	memset(buf, 'G', CHUNK);
	for (uint64_t at = 0; at < size; at += CHUNK / 512) {
		uint32_t n = size - at < CHUNK / 512 ? (uint32_t)(size - at) : CHUNK / 512;

		bad += vio_blk(v, BLK_OUT, at, buf, SECTORS(n)) != BLK_S_OK;
	}
	check(bad, 0, "%s: all can be written", vio_name(v));
	check(vio_blk(v, BLK_FLUSH, 0, buf, 512), BLK_S_OK, "%s: flush", vio_name(v));
}

static void one_disk(struct vio *v, unsigned int n)
{
	static const char *const names[][2] = { { "sectors0", "first0" }, { "sectors1", "first1" }, { "sectors2", "first2" } };
	uint64_t size = n < 3 ? option_number(names[n][0], 0) : 0;
	uint64_t first = n < 3 ? option_number(names[n][1], 0) : 0;

	if (!check(size && first, true, "disk %u: options", n))
		return;
	for (unsigned int t = 0; t < 2; t++) {
		if (!check(vio_start(v, t ? VIO_MODERN : VIO_LEGACY, F_BLK_FLUSH), true, "%s: starts", vio_name(v)))
			continue;
		check((uint32_t)capacity(v), (uint32_t)size, "%s: capacity", vio_name(v));
		check((uint32_t)(capacity(v) >> 32), 0, "%s: capacity's upper half", vio_name(v));
		if (!t)
			inside(v, size);
		outside(v, size, first);
		two_ranges(v, size);
		no_place(v, size);
	}
	fill(v, size);
	vio_reset(v);
}

void probe(void)
{
	unsigned int n = 0;

	vio_scan();
	for (unsigned int i = 0; i < vio_count; i++)
		if (vios[i].type == VIO_BLK)
			one_disk(&vios[i], n++);
	check(n, option_number("disks", 1), "number of disks");
}
