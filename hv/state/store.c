/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two slots behind two headers (contract in store.h).  A header says that its slot is good only after all data have been
 * flushed, and the other slot's header is not touched meanwhile.  This file knows no disk and not what the data mean.
 */
#include <veneer/crc32.h>
#include <veneer/err.h>
#include <veneer/string.h>
#include "hv/state/store.h"

#define HEADER		512u
#define POLY		0xc96c5795d7870f42ull	/* CRC-64 of XZ: ECMA-182, reflected */

_Static_assert(sizeof(struct store_header) == HEADER, "the header is a sector");

/* --- the sum --- */

static uint64_t sums[256];

static void sums_make(void)
{
	for (unsigned i = 0; i < 256; i++) {
		uint64_t v = i;

		for (unsigned bit = 0; bit < 8; bit++)
			v = v >> 1 ^ (v & 1 ? POLY : 0);
		sums[i] = v;
	}
}

static uint64_t sum_more(uint64_t sum, const uint8_t *p, uint64_t n)
{
	sum = ~sum;
	for (; n; n--)
		sum = sums[(uint8_t)sum ^ *p++] ^ sum >> 8;
	return ~sum;
}

/* --- blocks --- */

/* @at and @n are in bytes, multiples of STORE_BLOCK. */
static int blocks_read(struct store *s, uint64_t at, uint32_t n)
{
	uint32_t size = s->m->block_size;

	return s->m->read(s->m->ctx, at / size, s->buf, n / size);
}

static int blocks_write(struct store *s, uint64_t at, uint32_t n)
{
	uint32_t size = s->m->block_size;

	return s->m->write(s->m->ctx, at / size, s->buf, n / size);
}

static uint64_t slot_at(const struct store *s)
{
	return (uint64_t)STORE_SLOTS * STORE_BLOCK + s->slot * s->slot_size;
}

/* --- headers --- */

static uint32_t header_crc(const struct store_header *h)
{
	return crc32(0, h, offsetof(struct store_header, crc));
}

static bool header_ok(const struct store *s, const struct store_header *h)
{
	return h->magic == STORE_MAGIC && h->version == STORE_VERSION && h->crc == header_crc(h) &&
	       h->state >= STORE_WRITING && h->state <= STORE_USED && h->length <= s->slot_size &&
	       h->generation < UINT64_MAX && all_zero(h->zero, sizeof(h->zero));
}

static int header_write(struct store *s, unsigned slot, struct store_header h)
{
	int err;

	h.magic = STORE_MAGIC;
	h.version = STORE_VERSION;
	h.crc = header_crc(&h);
	memset(s->buf, 0, STORE_BLOCK);
	memcpy(s->buf, &h, sizeof(h));
	err = blocks_write(s, (uint64_t)slot * STORE_BLOCK, STORE_BLOCK) ?: s->m->flush(s->m->ctx);
	/* If that failed the header is this one or the old one. */
	if (!err)
		s->h[slot] = h;
	return err;
}

int store_open(struct store *s, const struct state_medium *m, uint8_t *buf)
{
	uint64_t blocks;

	memset(s, 0, sizeof(*s));
	s->m = m;
	s->buf = buf;
	sums_make();
	if (m->block_size < HEADER || m->block_size > STORE_BLOCK || (m->block_size & (m->block_size - 1)) ||
	    m->nblocks > UINT64_MAX / m->block_size)
		return -ERR_INVAL;
	blocks = m->nblocks * m->block_size / STORE_BLOCK;
	if (blocks * STORE_BLOCK < STORE_MIN)
		return -ERR_INVAL;
	s->slot_size = (blocks - STORE_SLOTS) / STORE_SLOTS * STORE_BLOCK;
	for (unsigned i = 0; i < STORE_SLOTS; i++) {
		int err = blocks_read(s, (uint64_t)i * STORE_BLOCK, STORE_BLOCK);

		if (err)
			return err;
		memcpy(&s->h[i], s->buf, sizeof(s->h[i]));
		if (!header_ok(s, &s->h[i]))
			memset(&s->h[i], 0, sizeof(s->h[i]));
	}
	return 0;
}

/* The header of the highest generation, STORE_WRITING aside. */
static unsigned highest(const struct store *s)
{
	return s->h[1].generation > s->h[0].generation;
}

int store_newest(const struct store *s, unsigned n)
{
	unsigned slot = highest(s);

	if (s->h[slot].state != STORE_GOOD)
		return -1;
	if (n)
		slot = !slot;
	return n < STORE_SLOTS && s->h[slot].state == STORE_GOOD ? (int)slot : -1;
}

int store_use(struct store *s)
{
	unsigned first = highest(s);
	int err = 0;

	/* The newest first: if the power fails behind it, the older one is no more resumed than with both. */
	for (unsigned i = 0; i < STORE_SLOTS && !err; i++) {
		unsigned slot = first ^ i;
		struct store_header h = s->h[slot];

		if (h.state != STORE_GOOD)
			continue;
		h.state = STORE_USED;
		err = header_write(s, slot, h);
	}
	return err;
}

/* --- writing --- */

int store_begin(struct store *s)
{
	s->slot = !highest(s);
	s->unsure = false;
	s->pos = s->sum = 0;
	s->fill = 0;
	s->err = header_write(s, s->slot, (struct store_header){ .state = STORE_WRITING });
	return s->err;
}

/* Write the buffer, filled up with zeros. */
static void write_out(struct store *s)
{
	uint32_t n = ALIGN_UP(s->fill, STORE_BLOCK);

	memset(s->buf + s->fill, 0, n - s->fill);
	if (s->pos > s->slot_size)
		s->err = -ERR_NOMEM;
	if (!s->err && n)
		s->err = blocks_write(s, slot_at(s) + s->pos - s->fill, n);
	s->fill = 0;
}

int store_put(struct store *s, const void *data, uint64_t n)
{
	const uint8_t *p = data;

	while (n && !s->err) {
		uint32_t now = (uint32_t)MIN(n, (uint64_t)(STORE_BUFFER - s->fill));

		memcpy(s->buf + s->fill, p, now);
		s->sum = sum_more(s->sum, p, now);
		s->fill += now;
		s->pos += now;
		p += now;
		n -= now;
		if (s->fill == STORE_BUFFER)
			write_out(s);
	}
	return s->err;
}

int store_end(struct store *s)
{
	struct store_header h = {
		.state = STORE_GOOD, .generation = s->h[!s->slot].generation + 1, .length = s->pos, .sum = s->sum,
	};

	if (!s->err)
		write_out(s);
	if (!s->err)
		s->err = s->m->flush(s->m->ctx);
	if (s->err)
		return s->err;
	s->err = header_write(s, s->slot, h);
	/* The write or the flush failed, and the header may be there.  The guest goes on after an error: take it back. */
	if (s->err)
		s->unsure = header_write(s, s->slot, (struct store_header){ .state = STORE_WRITING });
	return s->err;
}

/* --- reading --- */

void store_first(struct store *s, unsigned slot)
{
	s->slot = slot;
	s->pos = s->sum = 0;
	s->fill = s->at = 0;
	s->err = 0;
}

/* Read the next piece of the data. */
static void read_in(struct store *s)
{
	uint64_t left = s->h[s->slot].length - s->pos;
	uint32_t n = (uint32_t)MIN(left, (uint64_t)STORE_BUFFER);

	if (!n)
		s->err = -ERR_INVAL;
	else
		s->err = blocks_read(s, slot_at(s) + s->pos, ALIGN_UP(n, STORE_BLOCK));
	if (s->err)
		return;
	s->sum = sum_more(s->sum, s->buf, n);
	s->pos += n;
	s->fill = n;
	s->at = 0;
}

int store_get(struct store *s, void *to, uint64_t n)
{
	uint8_t *p = to;

	while (n && !s->err) {
		uint32_t now = (uint32_t)MIN(n, (uint64_t)(s->fill - s->at));

		memcpy(p, s->buf + s->at, now);
		s->at += now;
		p += now;
		n -= now;
		if (n)
			read_in(s);
	}
	return s->err;
}

int store_check(struct store *s)
{
	const struct store_header *h = &s->h[s->slot];

	/* The data may have been too short for a reader who believed a damaged length in them. */
	if (s->err == -ERR_INVAL)
		s->err = 0;
	while (!s->err && s->pos < h->length)
		read_in(s);
	if (!s->err && s->sum != h->sum)
		s->err = -ERR_INVAL;
	return s->err;
}
