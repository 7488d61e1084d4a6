/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state of the HPETs (IA-PC HPET 1.0a).  All can be read but the periods, which are what the guest wrote to a comparator
 * last; hpet.c sees all writes.  Periods that firmware has set are not known: such a comparator gets its next match alone.
 *
 * A load that finds the state of the rest writes nothing: the counter goes on.  Else the counter is halted, set, and goes on
 * with the time that has passed; a match that has passed meanwhile comes soon, for a comparator behind the counter would wait
 * until the counter wraps.  Comparators are written as 64 bits: after reset their upper halves are ones.  Not in the state:
 * which level-triggered interrupts are active.
 */
#include <veneer/io.h>
#include <veneer/log.h>
#include <veneer/state.h>
#include <veneer/string.h>
#include <veneer/time.h>
#include "hv/dev/acpi.h"
#include "hv/dev/hpet.h"
#include "hv/dev/hpet_state.h"
#include "hv/state/state.h"

#define CAP		0x000u
#define  CAP_TIMERS	GENMASK(12, 8)		/* less one */
#define  CAP_64		BIT(13)
#define  CAP_LEGACY	BIT(15)
#define  CAP_FEMTO	GENMASK64(63, 32)	/* the counter's period */
#define CONFIG		0x010u
#define  CONFIG_ENABLE	BIT(0)
#define  CONFIG_LEGACY	BIT(1)
#define COUNTER		0x0f0u
#define TIMER(n)	(0x100u + 0x20u * (n))
#define  T_CONFIG	0x00u
#define   T_ENABLE	BIT(2)
#define   T_PERIODIC	BIT(3)
#define   T_64		BIT(5)
#define   T_SET		BIT(6)			/* the next write sets the match; reads as 0 */
#define   T_32MODE	BIT(8)
#define   T_ROUTE	GENMASK(13, 9)
#define   T_FSB		BIT(14)
#define   T_WRITTEN	(BIT(1) | T_ENABLE | T_PERIODIC | T_32MODE | T_ROUTE | T_FSB)
#define   T_FIXED	(BIT64(4) | T_64 | BIT64(15) | GENMASK64(63, 32))	/* what it can */
#define  T_MATCH	0x08u
#define  T_MESSAGE	0x10u
#define TIMERS		32u
#define SOON_US		100u
#define FEMTO_A_MS	1000000000000ull
#define FEMTO_MAX	0x05f5e100u		/* 2.3.4 */

/* The section's data: plain. */
struct timer_image {
	uint64_t config, match, period, message;	/* period: as written last; 0: not known */
};

struct hpet_image {
	uint64_t cap, config, counter;
	uint64_t zero;
	struct timer_image timer[];
};

struct hpet {
	struct state_part part;
	char name[16];
	volatile uint8_t *reg;
	unsigned timers;
	uint64_t period[TIMERS];
	struct { struct hpet_image head; struct timer_image timer[TIMERS]; } rest;
};

static struct hpet hpets[ACPI_MAX_HPETS];

/* --- the chip --- */

static uint64_t get(const struct hpet *h, uint32_t off)
{
	return mmio_read64(h->reg + off);
}

static void put(const struct hpet *h, uint32_t off, uint64_t v)
{
	mmio_write64(h->reg + off, v);
}

/* Some chipsets read two halves one after the other. */
static uint64_t counter_now(const struct hpet *h)
{
	uint32_t high, again, low;

	if (!(get(h, CAP) & CAP_64))
		return mmio_read32(h->reg + COUNTER);
	again = mmio_read32(h->reg + COUNTER + 4);
	do {
		high = again;
		low = mmio_read32(h->reg + COUNTER);
		again = mmio_read32(h->reg + COUNTER + 4);
	} while (high != again);
	return (uint64_t)high << 32 | low;
}

/* The counter's ticks in these cycles of the TSC. */
static uint64_t ticks(const struct hpet *h, uint64_t cycles)
{
	uint64_t ms = cycles / time_cycles(1000), rest = cycles % time_cycles(1000), femto = FIELD_GET(CAP_FEMTO, get(h, CAP));
	uint64_t a_ms = FEMTO_A_MS / MAX(femto, 1ull);

	return ms * a_ms + rest * a_ms / time_cycles(1000);
}

void hpet_state_of(unsigned i, volatile uint8_t *reg)
{
	hpets[i].reg = reg;
}

void hpet_state_wrote(const volatile uint8_t *at, unsigned width, uint64_t value)
{
	for (struct hpet *h = hpets; h < hpets + ACPI_MAX_HPETS; h++) {
		uint64_t off = (uint64_t)(at - h->reg), n = (off - TIMER(0)) / 0x20, in = (off - TIMER(0)) % 0x20;

		if (!h->reg || off < TIMER(0) || n >= h->timers || (in & ~4ull) != T_MATCH)
			continue;
		if (width == 8)
			h->period[n] = value;
		else if (in & 4)
			h->period[n] = (uint32_t)h->period[n] | value << 32;
		else
			h->period[n] = (h->period[n] & ~0xffffffffull) | (uint32_t)value;
	}
}

/* --- save --- */

static void timer_save(const struct hpet *h, unsigned n, struct timer_image *out)
{
	out->config = get(h, TIMER(n) + T_CONFIG) & (T_WRITTEN | T_FIXED);
	out->match = get(h, TIMER(n) + T_MATCH);
	out->period = h->period[n];
	out->message = get(h, TIMER(n) + T_MESSAGE);
}

static void part_rest(void *ctx, uint32_t us)
{
	struct hpet *h = ctx;
	struct hpet_image *out = &h->rest.head;

	(void)us;
	memset(&h->rest, 0, sizeof(h->rest));
	out->cap = get(h, CAP);
	out->config = get(h, CONFIG) & (CONFIG_ENABLE | CONFIG_LEGACY);
	/* At the moment of the rest, as the TSC. */
	out->counter = counter_now(h) - (out->config & CONFIG_ENABLE ? ticks(h, state_age()) : 0);
	if (!(out->cap & CAP_64))
		out->counter = (uint32_t)out->counter;
	for (unsigned n = 0; n < h->timers; n++)
		timer_save(h, n, &h->rest.timer[n]);
}

static void part_go_on(void *ctx) { (void)ctx; }

static void part_save(void *ctx, void *to)
{
	const struct hpet *h = ctx;
	struct timer_image *out = ((struct hpet_image *)to)->timer;

	memcpy(to, &h->rest, h->part.size);
	/* What a test's load has to set is looked at anew; a periodic match goes on. */
	for (unsigned n = 0; n < h->timers; n++)
		out[n].period = h->period[n];
}

/* --- load --- */

static const char *timer_bad(const struct hpet *h, unsigned n, const struct timer_image *in)
{
	uint64_t own = get(h, TIMER(n) + T_CONFIG), route = FIELD_GET(T_ROUTE, in->config);

	if ((in->config ^ own) & T_FIXED)
		return "a comparator that can do something else";
	if ((in->config & ~(T_WRITTEN | T_FIXED)) || ((in->config & T_PERIODIC) && !(own & BIT(4))) ||
	    ((in->config & T_FSB) && !(own & BIT(15))))
		return "an impossible comparator";
	if (route && !(own >> 32 & BIT(route)))
		return "an interrupt that the comparator cannot send";
	if ((in->config & T_FSB) && !hpet_message_is_good((uint32_t)in->message, (uint32_t)(in->message >> 32)))
		return "a message that no guest may send";
	return NULL;
}

static const char *part_bad(void *ctx, const void *from)
{
	const struct hpet *h = ctx;
	const struct hpet_image *in = from;
	uint64_t cap = get(h, CAP), own = FIELD_GET(CAP_FEMTO, cap), its = FIELD_GET(CAP_FEMTO, in->cap);
	const char *why = NULL;

	if (((cap ^ in->cap) & (CAP_TIMERS | CAP_64 | CAP_LEGACY)) || MAX(own, its) - MIN(own, its) > own / 200)
		return "another HPET";
	if ((in->config & ~(uint64_t)(CONFIG_ENABLE | CONFIG_LEGACY)) ||
	    ((in->config & CONFIG_LEGACY) && !(cap & CAP_LEGACY)) ||
	    (!(cap & CAP_64) && in->counter >> 32) || in->zero)
		return "an impossible register";
	for (unsigned n = 0; n < h->timers && !why; n++)
		why = timer_bad(h, n, &in->timer[n]);
	return why;
}

/* The next match for a counter that was at @was and is at @now; modulo 2^32 for a comparator of so many bits. */
static uint64_t next_match(const struct hpet *h, const struct timer_image *in, uint64_t was, uint64_t now)
{
	uint64_t mask = (in->config & T_64) && !(in->config & T_32MODE) ? ~0ull : 0xffffffffull;
	uint64_t left = (in->match - was) & mask, gone = (now - was) & mask, soon = ticks(h, time_cycles(SOON_US));

	/* More than half of all ahead: it lies behind, and has matched. */
	if (left > mask / 2 || gone + soon < left)
		return in->match & mask;
	if ((in->config & T_PERIODIC) && (in->period & mask))
		return (in->match + ((gone + soon - left) / (in->period & mask) + 1) * (in->period & mask)) & mask;
	return (now + soon) & mask;
}

static void timer_load(struct hpet *h, unsigned n, const struct timer_image *in, uint64_t was, uint64_t now)
{
	uint64_t config = in->config & (T_WRITTEN & ~(uint64_t)T_ENABLE);

	/* The message before its switch; with T_SET the match first, and then the period. */
	put(h, TIMER(n) + T_CONFIG, config & ~(uint64_t)T_FSB);
	if (in->config & BIT64(15))
		put(h, TIMER(n) + T_MESSAGE, in->message);
	put(h, TIMER(n) + T_CONFIG, config | (config & T_PERIODIC ? T_SET : 0));
	put(h, TIMER(n) + T_MATCH, next_match(h, in, was, now));
	if ((config & T_PERIODIC) && in->period)
		put(h, TIMER(n) + T_MATCH, in->period);
	put(h, TIMER(n) + T_CONFIG, in->config & T_WRITTEN);
}

static bool in_chip(const struct hpet *h, const struct hpet_image *in)
{
	struct timer_image now;

	if (memcmp(&h->rest, in, h->part.size) || ((get(h, CONFIG) ^ in->config) & (CONFIG_ENABLE | CONFIG_LEGACY)))
		return false;
	for (unsigned n = 0; n < h->timers; n++) {
		timer_save(h, n, &now);
		if (now.config != in->timer[n].config)
			return false;
	}
	return true;
}

static void part_load(void *ctx, const void *from)
{
	struct hpet *h = ctx;
	const struct hpet_image *in = from;
	bool same = in_chip(h, in);
	uint64_t gone;

	for (unsigned n = 0; n < h->timers; n++)
		h->period[n] = in->timer[n].period;
	memcpy(&h->rest, in, h->part.size);
	if (same)
		return;
	put(h, CONFIG, 0);
	/* A comparator with its own interrupt routed would match on the way. */
	for (unsigned n = 0; n < h->timers; n++)
		put(h, TIMER(n) + T_CONFIG, 0);
	gone = in->config & CONFIG_ENABLE ? ticks(h, state_age()) : 0;
	put(h, COUNTER, in->counter + gone);
	for (unsigned n = 0; n < h->timers; n++)
		timer_load(h, n, &in->timer[n], in->counter, in->counter + gone);
	put(h, CONFIG, in->config);
}

/* For the test: the periods alone.  A counter that is halted loses some ticks, and with them its distance to the TSC. */
static void part_scribble(void *ctx)
{
	struct hpet *h = ctx;

	for (unsigned n = 0; n < h->timers; n++)
		h->period[n] ^= 0x5a5a;
}

static const struct state_ops ops = {
	.rest = part_rest, .save = part_save, .bad = part_bad, .load = part_load, .go_on = part_go_on,
	.scribble = IS_ENABLED(CONFIG_STATE_TEST) ? part_scribble : NULL,
};

void hpets_keep(void (*add)(struct state_part *part))
{
	for (unsigned i = 0; i < acpi.nhpets; i++) {
		struct hpet *h = &hpets[i];

		/* Some tables name an HPET that firmware has switched off, or one further in the page. */
		if (!h->reg || !FIELD_GET(CAP_FEMTO, get(h, CAP)) ||
		    FIELD_GET(CAP_FEMTO, get(h, CAP)) > FEMTO_MAX)
			continue;
		h->timers = (unsigned)FIELD_GET(CAP_TIMERS, get(h, CAP)) + 1;
		fmt_string(h->name, sizeof(h->name), "hpet%u", i);
		h->part = (struct state_part){
			.name = h->name, .version = 1, .ops = &ops, .ctx = h,
			.size = (uint32_t)(sizeof(struct hpet_image) + h->timers * sizeof(struct timer_image)),
		};
		add(&h->part);
	}
}
