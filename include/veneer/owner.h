/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ownership of controllers.  One processor at a time owns a controller with all its twins, their queues and registers; drivers
 * and virtio therefore need no locks.
 *
 * Work that may wait (a kick, a doorbell, a tick) is posted as bits: the present owner runs it or, if there is none, the
 * processor that posted it.  No processor spins for a post, and no post is lost: an owner checks for posts after it has
 * released the controller.  Work that needs an answer (register reads, a reset) waits for the ownership by owner_acquire().
 *
 * No processor stays here for long: it runs posted work a few times at most.  Another processor of the guest then runs the rest
 * or, if no other runs, the same processor before it enters the guest.  So each run of work must be bounded, too: if the guest
 * can refill a queue while it is served, a run serves some entries and posts the rest.
 */
#ifndef VENEER_OWNER_H
#define VENEER_OWNER_H

#include <veneer/lock.h>
#include <veneer/types.h>

/* One kind of work.  @run gets all bits posted so far, and runs as the owner; it may post. */
struct owner_work {
	void (*run)(void *ctx, uint32_t bits);
	void *ctx;
	struct owner_work *next;
	uint8_t nbits;		/* how many bits it has, from bit 0 on; 0: one */
	uint8_t shift;		/* their place in owner.pending, by owner_add() */

	/*
	 * For the polling core (docs/exits.md), as owner; NULL: this work comes by posts only.
	 * peek: the bits to run now, by a look at memory, at no register.  OWNER_NO: this work cannot be polled now.  *@busy is
	 * set while something is under way.
	 * quiet: the device's own interrupts off (true) or on; false: that is impossible.  At least one work of a
	 * controller that is polled has it.
	 */
	uint32_t (*peek)(void *ctx, bool *busy);
	bool (*quiet)(void *ctx, bool on);
	uint32_t all;		/* what run() gets when polling begins and ends: all bits whose causes make no post meanwhile */
};

#define OWNER_NO	BIT(31)

/* All zero is a valid initial state. */
struct owner {
	struct lock lock;
	uint64_t pending;	/* shared: the posted bits of all works: one locked operation posts, one takes all */
	unsigned nbits;
	struct owner_work *works;
	struct owner *next;	/* of all that have work */
	uint32_t msi_addr;	/* the address of the last message to the guest: the doorbell follows it */
	bool polled;		/* as owner: kicks and the device's interrupts are off, the polling core looks */
	uint32_t traffic;	/* shared: the polling core is to begin */
	uint64_t again_us;	/* the controller could not be polled: do not try before this time */
	uint64_t found_us, looked_us;	/* the polling core's: when it last found something, and last read registers */
};

#define OWNER_BITS	64u	/* of all works together: a controller with 32 disks has 34 */

/* Add @w, with run, ctx and nbits set, to @o.  Both live for ever.  Start only.  A panic if @o has too few bits left. */
void owner_add(struct owner *o, struct owner_work *w);

/*
 * Run @w with @bits: now if @o is free, else as soon as its owner can.  Callable at any time; if the caller is the owner,
 * @w runs after owner_release().  True if all of the work has run here, and no part is left to another processor.
 */
bool owner_post(struct owner *o, struct owner_work *w, uint32_t bits);

/*
 * Wait for the ownership, which the caller must not have.  Nobody who has an owner may wait for another one; state_hold()
 * (hv/state/state.h) alone takes all.  After owner_release() posted work has run, or has an owner.
 */
void owner_acquire(struct owner *o);
void owner_release(struct owner *o);

/* There is traffic: the polling core, if there is one, takes it over.  Any time; call after the work itself. */
void owner_traffic(struct owner *o);

/* For the polling core: all owners; who hears of traffic.  Start only. */
struct owner *owner_first(void);
void owner_on_traffic(void (*fn)(void));

/* Run the work that another processor hands on (smp_hand_on() in hv/cpu/cpus.h).  Not as an owner. */
void owner_continue(void);

#endif
