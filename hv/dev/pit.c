/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state of the PIT (8254), with a watch of its ports: reload values, half-written counts and latches cannot be read back.
 * The chip does all counting, here too; no emulation.
 *
 * What the guest latches is taken from the chip at once and kept here, and so is a count that the guest reads by halves: no
 * half-read state is ever in the chip.  Writes go to the chip as they are.
 *
 * A channel that is the same at the load as at the rest is not written and goes on counting, so that a load in place loses
 * nothing.  Else: mode 0 and 4 count the rest; 2 and 3 count the rest and then whole periods, since a count that is written
 * between takes effect with the next period.  Some emulators take it at once, and lose the phase.  In the low half of mode 3
 * the phase is lost, too, by less than a period.  Modes 1 and 5 wait for their gate, which software cannot raise at channels 0
 * and 1.
 */
#include <veneer/counters.h>
#include <veneer/io.h>
#include <veneer/log.h>
#include <veneer/state.h>
#include <veneer/string.h>
#include <veneer/time.h>
#include <veneer/trap.h>
#include "hv/dev/pit.h"
#include "hv/dev/trap.h"
#include "hv/state/state.h"

#define PIT		0x40u		/* three counts, and the control register behind */
#define CONTROL		3u
#define CHANNELS	3u
#define GATE		0x61u		/* channel 2's gate, and the speaker's: bits 0 and 1 */
#define  GATE_BITS	0x03u
#define  GATE_WRITTEN	0x0fu		/* bits 2, 3: checks of memory and I/O channels */

#define CHANNEL		GENMASK(7, 6)
#define  READ_BACK	3u
#define  NO_COUNT	BIT(5)		/* of the read-back command: 0 latches */
#define  NO_STATUS	BIT(4)
#define ACCESS		GENMASK(5, 4)
#define  LATCH		0u
#define  LOW_ONLY	1u
#define  HIGH_ONLY	2u
#define  BOTH		3u
#define MODE		GENMASK(3, 1)
#define BCD		BIT(0)
#define OUT		BIT(7)		/* of the status */
#define NULL_COUNT	BIT(6)

#define HZ		1193182u
#define CLOCK_US	2u		/* more than one period of the input, after which a count is loaded */
#define LATCHED_MAX	3u		/* status, low, high */

/* One channel: what is known, and the section's data.  Plain. */
struct channel {
	uint8_t control;		/* access, mode, BCD */
	uint8_t written;		/* 1: a count has followed the control word */
	uint16_t reload;		/* this count, 0: the largest */
	uint8_t half, low;		/* half: 1: the low byte of a count is written, the high one is not */
	uint8_t half_read;		/* 1: the guest has read the low byte of a count */
	uint8_t latched;		/* bytes that wait for the guest */
	uint8_t latch[LATCHED_MAX];
	/* At the rest: */
	uint8_t out;			/* the level of OUT */
	uint16_t count;
	uint8_t null_count;		/* 1: the count that was written has not been loaded yet */
	uint8_t has_status;		/* 1: latch[0] is a status */
};

struct pit_image {
	struct channel channel[CHANNELS];
	uint8_t gate;			/* port 61h */
	uint8_t zero[7];
};

static struct pit_image pit, at_rest;
static bool differs[CHANNELS];		/* between load() and go_on(): is to be written */
static uint64_t cnt_accesses;

static uint16_t port_of(unsigned n)
{
	return (uint16_t)(PIT + n);
}

static unsigned mode_of(const struct channel *c)
{
	unsigned mode = (unsigned)FIELD_GET(MODE, c->control);

	return mode > 5 ? mode - 4 : mode;
}

static unsigned access_of(const struct channel *c)
{
	return (unsigned)FIELD_GET(ACCESS, c->control);
}

/* --- the chip --- */

/* Read the count that is latched, or the present one. */
static uint16_t count_out(unsigned n)
{
	unsigned access = access_of(&pit.channel[n]);
	uint16_t v = 0;

	if (access != HIGH_ONLY)
		v = pio_read8(port_of(n));
	if (access != LOW_ONLY)
		v |= (uint16_t)(pio_read8(port_of(n)) << 8);
	return v;
}

static uint16_t count_now(unsigned n)
{
	pio_write8(PIT + CONTROL, (uint8_t)FIELD_PREP(CHANNEL, n));
	return count_out(n);
}

static uint8_t status_now(unsigned n)
{
	pio_write8(PIT + CONTROL, (uint8_t)(FIELD_PREP(CHANNEL, READ_BACK) | NO_COUNT | BIT(n + 1)));
	return pio_read8(port_of(n));
}

/* --- the guest's accesses --- */

static void keep_count(struct channel *c, uint16_t v)
{
	if (access_of(c) != HIGH_ONLY)
		c->latch[c->latched++] = (uint8_t)v;
	if (access_of(c) != LOW_ONLY)
		c->latch[c->latched++] = (uint8_t)(v >> 8);
}

/* What is latched and has not been read stands: later commands do nothing.  A status is read first, whichever came first. */
static void latch(unsigned n, bool status, bool count)
{
	struct channel *c = &pit.channel[n];

	if (count && c->latched == c->has_status)
		keep_count(c, count_now(n));
	if (!status || c->has_status)
		return;
	c->latch[2] = c->latch[1];
	c->latch[1] = c->latch[0];
	c->latch[0] = status_now(n);
	c->has_status = 1;
	c->latched++;
}

static void write_control(uint8_t v)
{
	unsigned n = (unsigned)FIELD_GET(CHANNEL, v);

	if (n == READ_BACK) {
		for (unsigned i = 0; i < CHANNELS; i++)
			if (v & BIT(i + 1))
				latch(i, !(v & NO_STATUS), !(v & NO_COUNT));
	} else if (FIELD_GET(ACCESS, v) == LATCH) {
		latch(n, false, true);
	} else {
		pit.channel[n] = (struct channel){ .control = v & (uint8_t)~CHANNEL };
		pio_write8(PIT + CONTROL, v);
	}
}

static void write_count(unsigned n, uint8_t v)
{
	struct channel *c = &pit.channel[n];
	bool whole = access_of(c) != BOTH || c->half;

	pio_write8(port_of(n), v);
	if (!whole) {
		c->low = v;
	} else {
		c->reload = (uint16_t)(access_of(c) == LOW_ONLY ? v : v << 8 | c->low);
		c->written = 1;
		c->low = 0;
	}
	c->half = !whole;
}

static void write_byte(uint32_t off, uint8_t v)
{
	if (off == CONTROL)
		write_control(v);
	else
		write_count(off, v);
}

static uint8_t read_byte(uint32_t off)
{
	struct channel *c = &pit.channel[off];
	uint16_t count;
	uint8_t v;

	if (off == CONTROL)
		return pio_read8(PIT + CONTROL);
	if (c->latched) {
		v = c->latch[0];
		c->latch[0] = c->latch[1];
		c->latch[1] = c->latch[2];
		c->latch[2] = 0;
		c->latched--;
		c->has_status = 0;
		return v;
	}
	count = count_now(off);
	if (access_of(c) == BOTH)
		c->half_read = !c->half_read;
	return access_of(c) == HIGH_ONLY || (access_of(c) == BOTH && !c->half_read) ? (uint8_t)(count >> 8) : (uint8_t)count;
}

/* A wider access is one to each port: ISA has 8 bits here. */
static uint64_t pit_read(void *ctx, uint32_t off, unsigned width)
{
	uint64_t v = 0;

	(void)ctx;
	cnt_accesses++;
	for (unsigned i = 0; i < width; i++)
		v |= (uint64_t)(off + i <= CONTROL ? read_byte(off + i) : 0xff) << (8 * i);
	return v;
}

static void pit_write(void *ctx, uint32_t off, unsigned width, uint64_t value)
{
	(void)ctx;
	cnt_accesses++;
	for (unsigned i = 0; i < width && off + i <= CONTROL; i++)
		write_byte(off + i, (uint8_t)(value >> (8 * i)));
}

static const struct trap_ops trap_ops = { pit_read, pit_write };

/* --- save --- */

static void part_rest(void *ctx, uint32_t us)
{
	(void)ctx, (void)us;
	pit.gate = pio_read8(GATE) & GATE_WRITTEN;
	at_rest = pit;
	for (unsigned n = 0; n < CHANNELS; n++) {
		struct channel *c = &at_rest.channel[n];
		uint8_t status = status_now(n);

		c->out = !!(status & OUT);
		c->null_count = !!(status & NULL_COUNT);
		c->count = count_now(n);
		differs[n] = false;
	}
}

/* What the guest has written is looked at anew, so that a test sees what a load has set. */
static void part_save(void *ctx, void *to)
{
	struct pit_image *out = to;

	(void)ctx;
	*out = pit;
	for (unsigned n = 0; n < CHANNELS; n++) {
		out->channel[n].out = at_rest.channel[n].out;
		out->channel[n].null_count = at_rest.channel[n].null_count;
		out->channel[n].count = at_rest.channel[n].count;
	}
}

/* --- load --- */

static bool is_bcd(uint16_t v)
{
	for (; v; v >>= 4)
		if ((v & 0xf) > 9)
			return false;
	return true;
}

static const char *channel_bad(const struct channel *c)
{
	unsigned least = access_of(c);

	if ((c->control & CHANNEL) || least == LATCH)
		return "an impossible control word";
	if ((c->control & BCD) && !(is_bcd(c->reload) && is_bcd(c->count)))
		return "a count that is no decimal number";
	if (c->written > 1 || c->half > 1 || c->half_read > 1 || c->out > 1 || c->null_count > 1 || c->latched > LATCHED_MAX ||
	    c->has_status > 1 || (c->has_status && !c->latched) || (c->latched == LATCHED_MAX && !c->has_status) ||
	    (least != BOTH && (c->half || c->half_read)) || (!c->half && c->low) || (!c->written && c->reload))
		return "an impossible channel";
	return !all_zero(c->latch + c->latched, LATCHED_MAX - c->latched) ? "bytes that are not in use" : NULL;
}

static const char *part_bad(void *ctx, const void *from)
{
	const struct pit_image *in = from;
	const char *why = NULL;

	(void)ctx;
	for (unsigned n = 0; n < CHANNELS && !why; n++)
		why = channel_bad(&in->channel[n]);
	if (!why && ((in->gate & ~GATE_WRITTEN) || !all_zero(in->zero, sizeof(in->zero))))
		why = "bytes that are not in use";
	return why;
}

/* Of the chip's own: a channel that has counted from another count, or to another one at the rest, is set anew. */
static bool same_in_chip(const struct channel *a, const struct channel *b)
{
	return a->control == b->control && a->written == b->written && a->reload == b->reload && a->half == b->half &&
	       a->low == b->low && a->out == b->out && a->count == b->count && a->null_count == b->null_count;
}

static void part_load(void *ctx, const void *from)
{
	const struct pit_image *in = from;

	(void)ctx;
	for (unsigned n = 0; n < CHANNELS; n++)
		differs[n] |= !same_in_chip(&at_rest.channel[n], &in->channel[n]) ||
			      pit.channel[n].control != in->channel[n].control;
	if ((pio_read8(GATE) & GATE_WRITTEN) != in->gate)
		pio_write8(GATE, in->gate);
	pit = at_rest = *in;
}

static unsigned from_bcd(uint16_t v)
{
	return (v & 0xf) + (v >> 4 & 0xf) * 10 + (v >> 8 & 0xf) * 100 + (v >> 12) * 1000u;
}

static uint16_t to_bcd(unsigned v)
{
	return (uint16_t)(v % 10 | v / 10 % 10 << 4 | v / 100 % 10 << 8 | v / 1000 % 10 << 12);
}

/* The clocks of a count in the register: 0 is the largest. */
static unsigned clocks_of(const struct channel *c, uint16_t count)
{
	return (c->control & BCD ? from_bcd(count) : count) ?: (c->control & BCD ? 10000u : 65536u);
}

static uint16_t count_of(const struct channel *c, unsigned clocks)
{
	return c->control & BCD ? to_bcd(clocks % 10000) : (uint16_t)clocks;
}

/* The clocks that have passed since the state's moment, or the largest number. */
static uint64_t clocks_gone(void)
{
	uint64_t hz = time_cycles(1000000);

	return state_age() / hz * HZ + state_age() % hz * HZ / hz;
}

/* A count that the chip's access mode cannot write whole is written next to it: no guest reads more of it. */
static void put_count(unsigned n, const struct channel *c, uint16_t count)
{
	unsigned access = access_of(c);

	if (access == LOW_ONLY && !(count & 0xff))
		count = 1;
	if (access == HIGH_ONLY && !(count >> 8))
		count = 0x100;
	if (access != HIGH_ONLY)
		pio_write8(port_of(n), (uint8_t)count);
	if (access != LOW_ONLY)
		pio_write8(port_of(n), (uint8_t)(count >> 8));
}

/* What is left of a count at @c->count; 2 at least, for modes 2 and 3 take no 1. */
static uint16_t rest_of(const struct channel *c)
{
	uint64_t gone = clocks_gone() * (mode_of(c) == 3 ? 2 : 1);
	unsigned left = clocks_of(c, c->count), whole = clocks_of(c, c->reload);

	if (mode_of(c) == 2 || mode_of(c) == 3)
		left = gone < left ? left - (unsigned)gone : whole - (unsigned)((gone - left) % whole);
	else
		left = gone < left ? left - (unsigned)gone : 1;
	return count_of(c, MAX(left, 2u));
}

/* A one-shot whose end has come is started with a short count: its OUT goes high once more, as an interrupt too many. */
static void set_count(unsigned n, const struct channel *c)
{
	unsigned mode = mode_of(c);

	if (mode == 1 || mode == 5) {
		put_count(n, c, c->reload);
		return;
	}
	put_count(n, c, (mode == 0 && c->out) ? count_of(c, 2) : c->null_count ? c->reload : rest_of(c));
	if (mode != 2 && mode != 3)
		return;
	delay_us(CLOCK_US);
	put_count(n, c, c->reload);
}

static void part_go_on(void *ctx)
{
	(void)ctx;
	for (unsigned n = 0; n < CHANNELS; n++) {
		const struct channel *c = &pit.channel[n];

		if (!differs[n])
			continue;
		pio_write8(PIT + CONTROL, (uint8_t)(FIELD_PREP(CHANNEL, n) | c->control));
		if (c->written)
			set_count(n, c);
		if (c->half)
			pio_write8(port_of(n), c->low);
		differs[n] = false;
	}
}

/* For the test: what is in Veneer alone, and channel 1, which refreshed memory once. */
static void part_scribble(void *ctx)
{
	(void)ctx;
	for (unsigned n = 0; n < CHANNELS; n++) {
		pit.channel[n].latched ^= 1;
		pit.channel[n].latch[0] ^= 0x5a;
		pit.channel[n].half_read ^= 1;
		pit.channel[n].reload ^= 0x5a5a;
	}
	pit.channel[1].control ^= BCD;
}

static const struct state_ops ops = {
	.rest = part_rest, .save = part_save, .bad = part_bad, .load = part_load, .go_on = part_go_on,
	.scribble = IS_ENABLED(CONFIG_STATE_TEST) ? part_scribble : NULL,
};

/* What firmware has set: modes can be read, a count not, which is the largest on every PC. */
static void look(void)
{
	for (unsigned n = 0; n < CHANNELS; n++) {
		uint8_t status = status_now(n) & (uint8_t)(ACCESS | MODE | BCD);

		if (FIELD_GET(ACCESS, status) == LATCH)
			status |= (uint8_t)FIELD_PREP(ACCESS, BOTH);
		pit.channel[n] = (struct channel){ .control = status, .written = 1 };
	}
}

void pit_keep(void (*add)(struct state_part *part))
{
	static struct state_part part = { .name = "pit", .version = 1, .size = sizeof(struct pit_image), .ops = &ops };
	struct trap *t = trap_new_pio("pit", CONTROL + 1, &trap_ops, NULL);

	look();
	counter_register("pit", "accesses", &cnt_accesses);
	if (!t || trap_place_system(t, PIT))
		log_err("pit: cannot be watched");
	add(&part);
}
