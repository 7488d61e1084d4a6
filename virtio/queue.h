/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Split virtqueues (virtio 1.2 section 2.7), device side.
 *
 * A chain is read from guest memory once, checked, and handed out as a private copy: every piece lies wholly in
 * guest RAM, readable pieces come first, nothing loops.  A violation calls host->broken() once; the queue is dead from
 * then on and every call finds it empty.
 *
 * A queue is worked on by the owner of its controller alone (<veneer/owner.h>).
 */
#ifndef VIRTIO_QUEUE_H
#define VIRTIO_QUEUE_H

#include <veneer/gmem.h>
#include <veneer/sg.h>
#include <veneer/types.h>
#include "virtio_regs.h"

#define VIRTQ_MAX_SIZE	256u	/* more breaks drivers that have static rings (docs/guests) */
#define VIRTQ_MAX_SEGS	256u	/* pieces of one chain, direct or indirect */

struct virtio_dev;
struct virtq;

struct virtq_chain {
	uint16_t head;
	uint16_t nout, nin;		/* pieces the device reads, pieces it writes */
	uint64_t out_len, in_len;	/* bytes of each kind */
	struct sg *out, *in;		/* the pieces of each kind */
	struct sg sg[VIRTQ_MAX_SEGS];	/* where they stand: readable ones, then writable ones */
};

/* What is behind the queue. */
struct virtq_host {
	void (*broken)(struct virtq *q, const char *why);
	void (*interrupt)(struct virtq *q);
};

/* All of a queue that outlives a snapshot: plain data, no pointers. */
struct virtq_state {
	uint64_t desc, avail, used;	/* guest-physical */
	uint16_t size;
	uint16_t vector;
	uint16_t last_avail;		/* next entry to take */
	uint16_t used_idx;		/* next entry to fill */
	uint16_t published;		/* what the guest sees as used->idx */
	uint8_t enabled;
	uint8_t pad[5];
	uint8_t busy[VIRTQ_MAX_SIZE];	/* by head: taken and not yet returned */
};

struct virtq {
	struct virtq_state st;
	const struct virtq_host *host;
	struct virtio_dev *dev;		/* the host's, not looked into here */
	unsigned index;
	bool live;			/* rings checked, device running */
	bool event_idx;
	bool kicks_off;
	uint16_t avail_idx;		/* the guest's, as last read */
	struct gmem_range ram;		/* where the last buffer lay */
	const struct vring_desc *desc;
	const struct vring_avail *avail;
	struct vring_used *used;
	uint64_t cnt_interrupts;
	struct virtq_chain chain;	/* scratch of the owner */
};

/* Back to the state after reset: not live, nothing set up, size VIRTQ_MAX_SIZE. */
void virtq_reset(struct virtq *q);

/*
 * Begin to work with the rings at st.desc, st.avail and st.used.  Returns false, after host->broken(), when they are not
 * guest RAM or when avail or used are at an odd address.
 */
bool virtq_start(struct virtq *q, bool event_idx);

/* Take the next chain into @c.  False when there is none (or the queue is dead). */
bool virtq_pop(struct virtq *q, struct virtq_chain *c);

/* Put the chain that virtq_pop() gave last back to be the next one.  It is read and checked anew then. */
void virtq_unpop(struct virtq *q, const struct virtq_chain *c);

/* Read a chain again that was popped and not pushed.  It may have changed, and is checked as at first. */
bool virtq_refetch(struct virtq *q, uint16_t head, struct virtq_chain *c);

/* Return a chain with @len bytes written.  The guest sees it at the next virtq_flush(). */
void virtq_push(struct virtq *q, uint16_t head, uint32_t len);

/* Publish what was pushed, and interrupt once where the guest wants it.  Cheap when there is nothing. */
void virtq_flush(struct virtq *q);

/*
 * Kicks.  Off: the caller promises to look at the queue again without one.  On: returns true when chains came
 * in meanwhile whose kick was suppressed; the caller must serve them.
 */
void virtq_kicks_off(struct virtq *q);
bool virtq_kicks_on(struct virtq *q);

/* Copy the first @len bytes of the readable part of @c, which has at least as many; mostly they are in one piece. */
static inline void virtq_chain_read(const struct virtq_chain *c, void *buf, uint32_t len)
{
	if (c->out->len >= len)
		__builtin_memcpy(buf, (const void *)(uintptr_t)c->out->addr, len);
	else
		sg_copy_from(c->out, c->nout, 0, buf, len);
}

/* Drop the first @len bytes of the readable part of @c, which has at least as many; mostly more are in the first piece. */
static inline void virtq_chain_skip(struct virtq_chain *c, uint32_t len)
{
	c->out_len -= len;
	for (; c->nout && len >= c->out->len; c->nout--, c->out++)
		len -= c->out->len;
	if (!len)
		return;
	c->out->addr += len;
	c->out->len -= len;
}

#endif
