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

#define VIRTQ_MAX_SIZE	256u	/* a larger size breaks drivers with static rings (docs/guests.md) */
#define VIRTQ_MAX_SEGS	256u	/* pieces of one chain, direct or indirect */

struct virtio_dev;
struct virtq;

struct virtq_chain {
	uint16_t head;
	uint16_t nout, nin;		/* device-readable and device-writable pieces */
	uint64_t out_len, in_len;	/* their bytes */
	struct sg *out, *in;		/* the two lists, both in @sg */
	struct sg sg[VIRTQ_MAX_SEGS];	/* readable pieces, then writable ones */
};

/* Callbacks of the device that has the queue. */
struct virtq_host {
	void (*broken)(struct virtq *q, const char *why);
	void (*interrupt)(struct virtq *q);
};

/* A head that was popped before a halt or a load, and whose chain virtq_pop() hands out again.  Saved as 1. */
#define VIRTQ_CARRIED	2u

/* The part of a queue that a snapshot saves: plain data, no pointers. */
struct virtq_state {
	uint64_t desc, avail, used;	/* guest-physical */
	uint16_t size;
	uint16_t vector;
	uint16_t last_avail;		/* next entry to take */
	uint16_t used_idx;		/* next entry to fill */
	uint16_t published;		/* the value of used->idx in guest memory */
	uint8_t enabled;
	uint8_t pad[5];
	uint8_t busy[VIRTQ_MAX_SIZE];	/* by head: popped and not pushed yet; VIRTQ_CARRIED: to be popped once more */
};

struct virtq {
	struct virtq_state st;
	const struct virtq_host *host;
	struct virtio_dev *dev;		/* for the callbacks; the queue code does not use it */
	unsigned index;
	bool live;			/* rings checked, device running */
	bool event_idx;
	bool kicks_off;
	const bool *polled;		/* somebody looks at the ring all the time: kicks stay off */
	uint16_t peeked;		/* the guest's avail->idx at the last virtq_peek() */
	uint16_t avail_idx;		/* the guest's avail->idx when it was last read */
	bool held;			/* virtq_hold() */
	bool popped_carried;		/* the last virtq_pop() gave a carried chain */
	uint16_t carried;		/* number of carried heads, */
	uint16_t carried_from;		/* all of them at or behind this one */
	struct gmem_range ram;		/* the range of RAM that held the last buffer */
	const struct vring_desc *desc;
	const struct vring_avail *avail;
	struct vring_used *used;
	uint64_t cnt_interrupts;
	struct virtq_chain chain;	/* scratch of the owner */
};

/* Back to the state after reset: not live, nothing set up, size VIRTQ_MAX_SIZE. */
void virtq_reset(struct virtq *q);

/*
 * Start the queue with the rings at st.desc, st.avail and st.used.  Returns false, after host->broken(), if they are not in
 * guest RAM or if avail or used is at an odd address.
 */
bool virtq_start(struct virtq *q, bool event_idx);

/* NULL, or why virtq_start() refuses these rings or their indices: for a state that comes from elsewhere. */
const char *virtq_rings_bad(const struct virtq_state *st);

/*
 * For a device that is brought to rest (CONFIG_STATE).  virtq_hold(): hand out no more chains, until the next virtq_start().
 * virtq_carry(), before virtq_start(): virtq_pop() hands out the chains that are busy now once more, before all others and in
 * no certain order, read and checked anew.
 */
void virtq_hold(struct virtq *q);
void virtq_carry(struct virtq *q);

/* Take the next chain into @c.  False if there is none (or the queue is dead). */
bool virtq_pop(struct virtq *q, struct virtq_chain *c);

/*
 * Undo the last virtq_pop(): the next one returns the same chain, read and checked again.  To undo several, the last one first,
 * set q->popped_carried to what it was after each of them.
 */
void virtq_unpop(struct virtq *q, const struct virtq_chain *c);

/* Read a chain again that was popped and not pushed.  The guest may have changed it: all checks are repeated. */
bool virtq_refetch(struct virtq *q, uint16_t head, struct virtq_chain *c);

/* Return a chain with @len bytes written.  The guest sees it at the next virtq_flush(). */
void virtq_push(struct virtq *q, uint16_t head, uint32_t len);

/* Publish the pushed chains, and send one interrupt if the guest wants it.  Cheap if nothing was pushed. */
void virtq_flush(struct virtq *q);

/*
 * Switch kicks off: the caller must look at the queue again without a kick.  On: true if the guest queued chains whose kicks
 * were suppressed; the caller must serve these.
 */
void virtq_kicks_off(struct virtq *q);
bool virtq_kicks_on(struct virtq *q);	/* while *q->polled: off, and false */

/* True if the guest has queued something since the last call. */
bool virtq_peek(struct virtq *q);

/* Copy the first @len bytes of the readable part of @c, which has at least as many.  Fast if they are in one piece. */
static inline void virtq_chain_read(const struct virtq_chain *c, void *buf, uint32_t len)
{
	if (c->out->len >= len)
		__builtin_memcpy(buf, (const void *)(uintptr_t)c->out->addr, len);
	else
		sg_copy_from(c->out, c->nout, 0, buf, len);
}

/* Drop the first @len bytes of the readable part of @c, which has at least as many.  Fast if the first piece has more. */
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
