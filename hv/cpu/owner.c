/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ownership of a controller by one processor at a time, and work that others post to the owner (contract in
 * <veneer/owner.h>).
 */
#include <veneer/log.h>
#include <veneer/owner.h>
#include <veneer/time.h>
#include "hv/cpu/cpus.h"

/* How often a processor runs posted work before another processor continues it. */
#define ROUNDS	4u

static struct owner *owners;
static void (*on_traffic)(void);

static bool is_known(const struct owner *o)
{
	const struct owner *k = owners;

	while (k && k != o)
		k = k->next;
	return k;
}

void owner_add(struct owner *o, struct owner_work *w)
{
	if (!is_known(o)) {
		o->next = owners;
		owners = o;
	}
	w->nbits = MAX(w->nbits, 1);
	if (o->nbits + w->nbits > OWNER_BITS)
		panic("a controller has more kinds of work than %u bits", OWNER_BITS);
	w->shift = (uint8_t)o->nbits;
	o->nbits += w->nbits;
	w->next = o->works;
	o->works = w;
}

struct owner *owner_first(void)
{
	return owners;
}

void owner_on_traffic(void (*fn)(void))
{
	on_traffic = fn;
}

void owner_traffic(struct owner *o)
{
	uint64_t again = __atomic_load_n(&o->again_us, __ATOMIC_RELAXED);

	if (!on_traffic || __atomic_load_n(&o->polled, __ATOMIC_RELAXED) || (again && time_us() < again))
		return;
	if (!__atomic_exchange_n(&o->traffic, 1, __ATOMIC_SEQ_CST))
		on_traffic();
}

/* Return what has run. */
static uint64_t run_posted(struct owner *o)
{
	uint64_t all = __atomic_exchange_n(&o->pending, 0, __ATOMIC_SEQ_CST);

	for (struct owner_work *w = o->works; w; w = w->next) {
		uint32_t bits = (uint32_t)(all >> w->shift & (BIT64(w->nbits) - 1));

		if (bits)
			w->run(w->ctx, bits);
	}
	return all;
}

/*
 * A post sets bits in pending, then tries the lock; an owner frees the lock, then reads pending: one of the two sees the
 * other.  Free the lock after each round, so that a processor that waits for its turn gets it, however much is posted.  A guest
 * can post without end, by kicks on other processors or by chains that it adds to a ring that is being served: after some
 * rounds another processor has to leave the guest and continue the work, and this one enters the guest.
 *
 * True if all of @own has run here.  The owner may take it between the post and the first look at pending: nothing is pending
 * then, but the owner has perhaps not come to its end yet, and what it finds is not known here.
 */
static bool drain(struct owner *o, uint64_t own)
{
	for (unsigned left = ROUNDS; __atomic_load_n(&o->pending, __ATOMIC_SEQ_CST); left--) {
		if (!left) {
			smp_hand_on();
			return false;
		}
		if (!lock_try(&o->lock))
			return false;
		own &= ~run_posted(o);
		lock_release(&o->lock);
	}
	return !own;
}

bool owner_post(struct owner *o, struct owner_work *w, uint32_t bits)
{
	uint64_t own = (uint64_t)bits << w->shift;

	__atomic_fetch_or(&o->pending, own, __ATOMIC_SEQ_CST);
	return drain(o, own);
}

void owner_acquire(struct owner *o)
{
	lock_acquire(&o->lock);
}

void owner_release(struct owner *o)
{
	lock_release(&o->lock);
	drain(o, 0);
}

void owner_continue(void)
{
	for (struct owner *o = owners; o; o = o->next)
		drain(o, 0);
}
