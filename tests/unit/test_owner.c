/* SPDX-License-Identifier: BSD-2-Clause */
/* Ownership of a controller: one owner at a time, no post is lost, and a post never waits. */
#include <pthread.h>
#include <string.h>
#include <veneer/owner.h>
#include "host/host.h"
#include "hv/cpu/owner.c"

#define THREADS	4u
#define POSTS	3000u

static struct owner owner;
static struct owner_work works[2];
static uint32_t submitted[THREADS];	/* written by the thread before it posts */
static uint32_t served[THREADS];	/* written by the owner: posts that the last run saw */
static uint32_t inside;			/* as owner */
static bool two_inside, untrue;
static unsigned runs;
static __thread uint32_t ran_here;

static void enter(void)
{
	if (__atomic_fetch_add(&inside, 1, __ATOMIC_SEQ_CST))
		two_inside = true;
}

static void leave(void)
{
	__atomic_fetch_sub(&inside, 1, __ATOMIC_SEQ_CST);
}

static void run(void *ctx, uint32_t bits)
{
	enter();
	runs++;
	for (unsigned i = 0; i < THREADS; i++)
		if (bits & BIT(i))
			served[i] = __atomic_load_n(&submitted[i], __ATOMIC_SEQ_CST);
	ran_here |= bits;
	leave();
}

static void start(void)
{
	memset(&owner, 0, sizeof(owner));
	memset(submitted, 0, sizeof(submitted));
	memset(served, 0, sizeof(served));
	runs = inside = 0;
	two_inside = untrue = false;
	for (unsigned i = 0; i < 2; i++) {
		works[i] = (struct owner_work){ .run = run, .nbits = THREADS };
		owner_add(&owner, &works[i]);
	}
}

TEST(a_post_runs_at_once_when_it_is_free)
{
	start();
	submitted[1] = 7;
	CHECK(owner_post(&owner, &works[0], BIT(1)));
	CHECK(runs == 1 && served[1] == 7);
}

TEST(a_post_while_it_is_owned_runs_when_it_is_let_go)
{
	start();
	owner_acquire(&owner);
	submitted[0] = submitted[2] = 1;
	CHECK(!owner_post(&owner, &works[0], BIT(0)));
	CHECK(!owner_post(&owner, &works[0], BIT(2)));
	CHECK_EQ(runs, 0);
	owner_release(&owner);
	CHECK(runs == 1 && served[0] == 1 && served[2] == 1);
}

/* What the doorbell looks at after the post is not known yet. */
TEST(a_post_that_another_processor_has_taken_did_not_run_here)
{
	start();
	owner.pending = 0;
	CHECK(!drain(&owner, BIT(1)));
	owner.pending = BIT(2);
	CHECK(!drain(&owner, BIT(1)));
	CHECK_EQ(runs, 1);
}

static unsigned again;

static void run_and_post(void *ctx, uint32_t bits)
{
	if (again++ < 3)
		owner_post(&owner, &works[1], bits);
}

static uint32_t last_bits[3];
static void note_bits(void *ctx, uint32_t bits) { *(uint32_t *)ctx |= bits; }

/* All share one word: no work may see another's bits. */
TEST(each_work_gets_its_own_bits)
{
	static struct owner_work w[3];

	memset(&owner, 0, sizeof(owner));
	for (unsigned i = 0; i < 3; i++) {
		w[i] = (struct owner_work){ .run = note_bits, .ctx = &last_bits[i], .nbits = i == 1 ? 32 : i == 2 ? 31 : 0 };
		owner_add(&owner, &w[i]);
	}
	owner_acquire(&owner);
	owner_post(&owner, &w[0], 1);
	owner_post(&owner, &w[1], BIT(31) | 1);
	owner_post(&owner, &w[2], BIT(30));
	owner_release(&owner);
	CHECK(last_bits[0] == 1 && last_bits[1] == (BIT(31) | 1) && last_bits[2] == BIT(30) && !owner.pending);
}

TEST(work_may_post)
{
	start();
	again = 0;
	works[1].run = run_and_post;
	CHECK(owner_post(&owner, &works[1], 1));
	CHECK_EQ(again, 4);
}

/* --- posts without end --- */

static unsigned handed;
void smp_hand_on(void) { __atomic_fetch_add(&handed, 1, __ATOMIC_SEQ_CST); }

static void run_and_post_always(void *ctx, uint32_t bits)
{
	again++;
	if (again < 1000)
		owner_post(&owner, &works[0], 1);
}

/* Another processor continues the rest, and this one returns to the guest. */
TEST(work_that_always_posts_is_handed_on)
{
	start();
	again = handed = 0;
	works[0].run = run_and_post_always;
	CHECK(!owner_post(&owner, &works[0], 1));
	CHECK(again < 10 && handed == 1 && owner.pending);
	owner_continue();
	CHECK(again < 20 && handed == 2);
	owner_acquire(&owner);
	owner_release(&owner);
	CHECK(again < 30 && handed == 3);
	while (owner.pending)
		owner_continue();
	CHECK_EQ(again, 1000);
	owner_continue();
	CHECK_EQ(again, 1000);
}

static void take_up(void)
{
	if (__atomic_exchange_n(&handed, 0, __ATOMIC_SEQ_CST))
		owner_continue();
}

static void *poster(void *arg)
{
	unsigned self = (unsigned)(uintptr_t)arg;

	for (unsigned i = 0; i < POSTS; i++) {
		__atomic_fetch_add(&submitted[self], 1, __ATOMIC_SEQ_CST);
		ran_here = 0;
		/* Another thread may have taken the bit right after the post. */
		if (owner_post(&owner, &works[i & 1], BIT(self)) && !(ran_here & BIT(self)))
			untrue = true;
		take_up();
		if (i % 16)
			continue;
		owner_acquire(&owner);
		enter();
		leave();
		owner_release(&owner);
	}
	return NULL;
}

TEST(many_at_once_lose_nothing)
{
	pthread_t t[THREADS];

	start();
	handed = 0;
	for (unsigned i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, poster, (void *)(uintptr_t)i), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	/* Run what was handed on last, and nothing else: work that is not served by now is lost. */
	while (handed)
		take_up();
	CHECK(!two_inside && !untrue);
	for (unsigned i = 0; i < THREADS; i++)
		CHECK(submitted[i] == POSTS && served[i] == POSTS);
	CHECK(!owner.pending);
}

TEST_MAIN
