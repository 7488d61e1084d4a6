/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two snapshots on a partition, of which one stays whole while the other is written (docs/state-format.md).  What is in them
 * is the caller's.
 *
 * Writing: store_begin(), store_put()..., store_end().  Reading: store_first(), store_get()..., store_check().  One at a time.
 */
#ifndef HV_STATE_STORE_H
#define HV_STATE_STORE_H

#include <veneer/state.h>

#define STORE_BLOCK	4096u
#define STORE_BUFFER	65536u		/* bytes that a store writes or reads at once */
#define STORE_SLOTS	2u
#define STORE_MAGIC	0x74536e5365656e56ull	/* "VneeSnSt" */
#define STORE_VERSION	1u
#define STORE_MIN	((STORE_SLOTS + 2ull * STORE_SLOTS) * STORE_BLOCK)	/* bytes of the smallest partition */

enum store_state { STORE_WRITING = 1, STORE_GOOD, STORE_USED };

/* The first 512 bytes of block 0 and of block 1, for slot 0 and slot 1: a sector is written wholly or not at all. */
struct store_header {
	uint64_t magic;
	uint32_t version;
	uint32_t state;			/* enum store_state */
	uint64_t generation;		/* the newest snapshot's is the highest; STORE_WRITING: 0 */
	uint64_t length;		/* of the data, in bytes */
	uint64_t sum;			/* CRC-64 of the data */
	uint8_t zero[468];
	uint32_t crc;			/* CRC-32 of the header before this field */
};

struct store {
	const struct state_medium *m;
	uint8_t *buf;			/* STORE_BUFFER bytes */
	struct store_header h[STORE_SLOTS];	/* all zero: the slot has no valid header */
	unsigned slot;			/* being written or read */
	uint64_t slot_size;		/* bytes */
	uint64_t pos;			/* bytes of the slot that are written, or in the buffer and before */
	uint64_t sum;
	uint32_t fill, at;		/* bytes in the buffer, and taken of them */
	int err;			/* the first */
	bool unsure;			/* store_end() failed, and the snapshot may be good on the medium all the same */
};

/*
 * Read the headers of @m, by @buf of STORE_BUFFER bytes, which both live as long as @s.  0; -ERR_INVAL: too small, or blocks
 * that are no power of two from 512 to 4096; or read()'s error.
 */
int store_open(struct store *s, const struct state_medium *m, uint8_t *buf);

/* The newest good snapshot's slot, or the one before (@n 1), or -1.  A newest one that is used makes all older ones useless. */
int store_newest(const struct store *s, unsigned n);

/*
 * Write a snapshot into the slot that is not the newest good one's.  After an error, which all further calls return, too, that
 * one is as it was, and the new one is not good, unless store.unsure is set.  -ERR_NOMEM: the slot is full.
 */
int store_begin(struct store *s);
int store_put(struct store *s, const void *data, uint64_t n);
int store_end(struct store *s);

/* Read the data of @slot, which store_newest() gave, from the first byte.  -ERR_INVAL: there are not so many. */
void store_first(struct store *s, unsigned slot);
int store_get(struct store *s, void *to, uint64_t n);

/* Read what is left.  0 if all data are as they were written, -ERR_INVAL if not. */
int store_check(struct store *s);

/* No snapshot is good any more: the guest goes on, and what it writes to its disks does not fit to them. */
int store_use(struct store *s);

#endif
