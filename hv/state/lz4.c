/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * LZ4's block format, after its specification.  No frames, no dictionaries, no levels.
 *
 * Why not the packaged liblz4.a: its one object with both functions has 56 KiB of code, keeps its stack canary at FS:28h, and
 * the FS base is the guest's here; it uses vector registers, which are the guest's, too; and it needs calloc() and free().
 */
#include <veneer/string.h>
#include "hv/state/lz4.h"

#define MIN_MATCH	4u
#define LAST_LITERALS	5u		/* the block ends with so many literals, */
#define LAST_MATCH	12u		/* and no match begins in the last bytes */
#define NIBBLE		15u		/* in a token: further bytes follow */

struct out {
	uint8_t *at, *end;
};

static uint32_t load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static unsigned hash(uint32_t v)
{
	return v * 2654435761u >> 21;
}

_Static_assert(LZ4_TABLE == 1u << 11, "hash() gives 11 bits");

/* The bytes that put_rest() writes. */
static unsigned rest_bytes(unsigned n)
{
	return n >= NIBBLE ? 1 + (n - NIBBLE) / 255 : 0;
}

/* What a nibble does not hold of a length. */
static void put_rest(struct out *o, unsigned n)
{
	if (n < NIBBLE)
		return;
	for (n -= NIBBLE; n >= 255; n -= 255)
		*o->at++ = 255;
	*o->at++ = (uint8_t)n;
}

/* One sequence: @n literals, then @len bytes (0: none, the end) from @distance back.  False if there is no room. */
static bool put(struct out *o, const uint8_t *literals, unsigned n, unsigned distance, unsigned len)
{
	unsigned match = len ? len - MIN_MATCH : 0;

	if ((size_t)(o->end - o->at) < 1 + rest_bytes(n) + n + (len ? 2 + rest_bytes(match) : 0))
		return false;
	*o->at++ = (uint8_t)(MIN(n, NIBBLE) << 4 | MIN(match, NIBBLE));
	put_rest(o, n);
	memcpy(o->at, literals, n);
	o->at += n;
	if (!len)
		return true;
	*o->at++ = (uint8_t)distance;
	*o->at++ = (uint8_t)(distance >> 8);
	put_rest(o, match);
	return true;
}

unsigned lz4_compress(uint16_t table[LZ4_TABLE], const uint8_t *in, unsigned n, uint8_t *out, unsigned room)
{
	struct out o = { out, out + room };
	unsigned done = 0;

	memset(table, 0, LZ4_TABLE * sizeof(table[0]));
	/* Where nothing repeats, look at fewer and fewer places. */
	for (unsigned i = 1; n > LAST_MATCH && i <= n - LAST_MATCH; i += 1 + (i - done) / 64) {
		uint32_t v = load32(in + i);
		unsigned slot = hash(v), from = table[slot], len = MIN_MATCH;

		table[slot] = (uint16_t)i;
		if (load32(in + from) != v)
			continue;
		while (i + len < n - LAST_LITERALS && in[from + len] == in[i + len])
			len++;
		if (!put(&o, in + done, i - done, i - from, len))
			return 0;
		done = i + len;
		i = done - 1;
	}
	return put(&o, in + done, n - done, 0, 0) ? (unsigned)(o.at - out) : 0;
}

struct in {
	const uint8_t *at, *end;
};

/* Add the rest of a length to *@n, if its nibble is full.  False if the block ends in it, or it is beyond @max. */
static bool take_rest(struct in *s, unsigned *n, unsigned max)
{
	uint8_t more = 255;

	if (*n < NIBBLE)
		return true;
	while (more == 255) {
		if (s->at == s->end || *n > max)
			return false;
		more = *s->at++;
		*n += more;
	}
	return true;
}

bool lz4_expand(const uint8_t *in, unsigned n, uint8_t *out, unsigned size)
{
	struct in s = { in, in + n };
	unsigned done = 0;

	while (s.at < s.end) {
		unsigned token = *s.at++, literals = token >> 4, len = token & NIBBLE, distance;

		if (!take_rest(&s, &literals, size) || literals > (size_t)(s.end - s.at) || literals > size - done)
			return false;
		memcpy(out + done, s.at, literals);
		done += literals;
		s.at += literals;
		if (s.at == s.end)
			return done == size;
		if (s.end - s.at < 2)
			return false;
		distance = s.at[0] | (unsigned)s.at[1] << 8;
		s.at += 2;
		if (!take_rest(&s, &len, size) || !distance || distance > done || len + MIN_MATCH > size - done)
			return false;
		/* The two may overlap: byte after byte. */
		for (len += MIN_MATCH; len; len--, done++)
			out[done] = out[done - distance];
	}
	return false;
}
