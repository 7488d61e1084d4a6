/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who works on a controller.  One processor at a time owns a controller with all its twins, their queues and registers; there
 * is no lock below it, and none is needed by drivers and virtio.
 *
 * What may wait for its turn (a kick, a doorbell, a tick) is posted: bits are set, and whoever owns the controller, or is
 * free to, runs them.  Nobody spins for a post, and none is lost: an owner looks after it let go.  What needs an answer
 * (register reads, a reset) waits for its turn with owner_acquire().
 *
 * No processor is held here for long: it runs what is posted a few times at most; what is left then another processor of the
 * guest's takes up, or, if no other runs, the same one before it enters the guest.  So a run of work has to be bounded, too: if
 * a guest can refill what it serves, a run serves some and posts the rest.
 */
#ifndef VENEER_OWNER_H
#define VENEER_OWNER_H

#include <veneer/lock.h>
#include <veneer/types.h>

/* One kind of work.  @run gets all the bits that came together, as owner; it may post. */
struct owner_work {
	uint32_t bits;
	void (*run)(void *ctx, uint32_t bits);
	void *ctx;
	struct owner_work *next;
};

/* All zero is a good start. */
struct owner {
	struct lock lock;
	uint32_t pending;
	struct owner_work *works;
	struct owner *next;	/* of all that have work */
	uint32_t msi_addr;	/* where the last interrupt for the guest went: the doorbell follows */
};

/* Make @w (run and ctx set) known to @o, which lives for ever.  Start only. */
void owner_add(struct owner *o, struct owner_work *w);

/*
 * Run @w with @bits, now when @o is free, else as soon as its owner comes to it.  Any time, also as the owner: then it runs
 * after owner_release().  True when nothing of it is left to another processor.
 */
bool owner_post(struct owner *o, struct owner_work *w, uint32_t bits);

/* Wait for the turn; not as the owner.  Everything posted meanwhile has run when owner_release() returns, or has its owner. */
void owner_acquire(struct owner *o);
void owner_release(struct owner *o);

/* What another processor was about to leave (smp_hand_on() in hv/cpu/cpus.h).  Not as an owner. */
void owner_continue(void);

#endif
