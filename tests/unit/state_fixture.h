/* SPDX-License-Identifier: BSD-2-Clause */
/* For the tests of one part of a saved state: save it, load it and save it again, and try bytes that do not fit. */
#ifndef STATE_FIXTURE_H
#define STATE_FIXTURE_H

#include <string.h>
#include <veneer/state.h>
#include "host/host.h"

#define UNTOUCHED	0xa5

static struct state_part *part;		/* set by the test */
static uint8_t one[256] __attribute__((aligned(16))), two[256] __attribute__((aligned(16)));

static void rest(void)
{
	part->ops->rest(part->ctx, 0);
}

/* Save to @one, and to nothing behind what the part needs. */
static void save(void)
{
	CHECK(part->size <= sizeof(one));
	memset(one, UNTOUCHED, sizeof(one));
	part->ops->save(part->ctx, one);
	for (size_t i = part->size; i < sizeof(one); i++)
		CHECK_EQ(one[i], UNTOUCHED);
}

static void load(void)
{
	const char *why = part->ops->bad(part->ctx, one);

	if (why)
		host_fail(__FILE__, __LINE__, "refused: %s", why);
	part->ops->load(part->ctx, one);
	part->ops->save(part->ctx, two);
	CHECK(!memcmp(one, two, part->size));
}

/* What is in @one, with @n other bytes at @at, is refused as @why says. */
static void refused_bytes(unsigned at, const void *v, size_t n, const char *why)
{
	const char *got;

	memcpy(two, one, part->size);
	memcpy(two + at, v, n);
	got = part->ops->bad(part->ctx, two);
	if (!got || strcmp(got, why))
		host_fail(__FILE__, __LINE__, "bytes at %u: %s", at, got ?: "taken");
}

static inline void refused(unsigned at, uint8_t v, const char *why)
{
	refused_bytes(at, &v, sizeof(v), why);
}

#endif
