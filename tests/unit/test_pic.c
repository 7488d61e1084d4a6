/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/irq/pic.c */
/*
 * The virtual part of the 8259s, merged with a model of the real ones: priorities, which interrupt an EOI ends, what the guest
 * reads.
 */
#include <veneer/counters.h>
#include <veneer/trap.h>
#include "host/host.h"
#include "hv/irq/pic.h"
#include "hv/dev/trap.h"

/* --- the chips: as much of 8259A as the code uses --- */

static struct chip { uint8_t irr, isr, imr, base, icw_left, select; unsigned eois; } chip[2];

static int best(uint8_t set) { return set ? __builtin_ctz(set) : -1; }

static uint64_t chip_read(void *ctx, uint32_t off, unsigned width)
{
	struct chip *c = ctx;

	CHECK_EQ(width, 1);
	return off ? c->imr : c->select == 3 ? c->isr : c->irr;
}

static void chip_write(void *ctx, uint32_t off, unsigned width, uint64_t v)
{
	struct chip *c = ctx;

	CHECK_EQ(width, 1);
	if (off && c->icw_left) {
		if (c->icw_left-- == 3)
			c->base = (uint8_t)v;
	} else if (off) {
		c->imr = (uint8_t)v;
	} else if (v & 0x10) {
		*c = (struct chip){ .icw_left = 3, .irr = c->irr };
	} else if (v & 0x08) {
		if ((v & 3) >= 2)
			c->select = v & 3;
	} else if (v & 0x20) {
		int n = v & 0x40 ? (int)(v & 7) : best(c->isr);

		c->eois++;
		if (n >= 0)
			c->isr &= (uint8_t)~BIT(n);
	}
}

static const struct host_model model = { chip_read, chip_write };

static uint8_t elcr[2];
static uint64_t elcr_read(void *ctx, uint32_t off, unsigned width) { CHECK_EQ(width, 1); return elcr[off]; }
static void elcr_write(void *ctx, uint32_t off, unsigned width, uint64_t v) { CHECK_EQ(width, 1); elcr[off] = (uint8_t)v; }
static const struct host_model elcr_model = { elcr_read, elcr_write };

/* Take a real interrupt, as the processor does.  Return its line, or -1 if none is let through. */
static int real_interrupt(void)
{
	int s = best(chip[1].irr & (uint8_t)~chip[1].imr), m;

	if (s >= 0 && best(chip[1].isr) >= 0 && best(chip[1].isr) <= s)
		s = -1;
	m = best((uint8_t)((chip[0].irr & ~4) | (s >= 0 ? 4 : 0)) & (uint8_t)~chip[0].imr);
	if (m < 0 || (best(chip[0].isr) >= 0 && best(chip[0].isr) <= m))
		return -1;
	chip[0].isr |= (uint8_t)BIT(m);
	if (m != 2)
		return m;
	chip[1].isr |= (uint8_t)BIT(s);
	return 8 + s;
}

/* --- the traps --- */

struct trap { const struct trap_ops *ops; void *ctx; bool on; };
static struct trap traps[5];	/* for each chip: both ports; for each chip: the mask register only; ELCR */
static unsigned ntraps;
#define ELCR_TRAP	4

struct trap *trap_new_pio(const char *name, uint32_t size, const struct trap_ops *ops, void *ctx)
{
	CHECK(ntraps < 5 && size == (ntraps == 1 || ntraps == 3 ? 1 : 2));
	traps[ntraps].ops = ops;
	traps[ntraps].ctx = ctx;
	return &traps[ntraps++];
}

int trap_place_system(struct trap *t, uint64_t base)
{
	static const uint16_t bases[] = { 0x20, 0x21, 0xa0, 0xa1, 0x4d0 };

	CHECK_EQ(base, bases[t - traps]);
	t->on = true;
	return 0;
}

void trap_remove(struct trap *t) { t->on = false; }

/* Return the trap of a port; NULL: the chip answers.  Never both. */
static struct trap *trap_at(uint16_t port, uint32_t *off)
{
	struct trap *t = &traps[port >= 0xa0 ? 2 : 0];

	CHECK(t[0].on != t[1].on);
	*off = t->on ? port & 1 : 0;
	return t->on ? t : port & 1 ? t + 1 : NULL;
}

static void out(uint16_t port, uint8_t v)
{
	uint32_t off;
	struct trap *t = trap_at(port, &off);

	if (t)
		t->ops->write(t->ctx, off, 1, v);
	else
		chip_write(&chip[port >= 0xa0], 0, 1, v);
}

static uint8_t in(uint16_t port)
{
	uint32_t off;
	struct trap *t = trap_at(port, &off);

	return (uint8_t)(t ? t->ops->read(t->ctx, off, 1) : chip_read(&chip[port >= 0xa0], 0, 1));
}

static void initialize(uint8_t base, uint8_t icw4)
{
	for (unsigned i = 0; i < 2; i++) {
		uint16_t port = i ? 0xa0 : 0x20;

		out(port, 0x11);
		out((uint16_t)(port + 1), (uint8_t)(base + 8 * i));
		out((uint16_t)(port + 1), i ? 2 : 4);
		out((uint16_t)(port + 1), icw4);
	}
	CHECK(chip[0].base == base && chip[1].base == base + 8);
}

/* Start with a guest that has set its chips to 30h and 38h, with all lines unmasked. */
static void start(uint8_t icw4)
{
	pic_watch(false);
	elcr[0] = 0;
	elcr[1] = 0x0c;
	host_pio_model(0x4d0, 2, &elcr_model, NULL);
	for (unsigned i = 0; i < 2; i++) {
		chip[i] = (struct chip){ .imr = 0xff };
		host_pio_model((uint16_t)(i ? 0xa0 : 0x20), 2, &model, &chip[i]);
	}
	pic_watch(true);
	pic_set_lines(0);
	initialize(0x30, icw4);
	out(0x21, 0);
	out(0xa1, 0);
}

TEST(a_line_of_the_slave_is_acknowledged_and_ended)
{
	start(1);
	CHECK_EQ(pic_pending(), -1);
	pic_set_lines(BIT(11));
	CHECK_EQ(pic_pending(), 11);
	CHECK_EQ(pic_acknowledge(), 0x3b);
	/*
	 * In service: not raised again, although the line is high.  Both registers show the interrupt; the chips have nothing
	 * of it.
	 */
	CHECK_EQ(pic_pending(), -1);
	out(0xa0, 0x0b);
	CHECK_EQ(in(0xa0), BIT(3));
	out(0xa0, 0x0a);
	CHECK_EQ(in(0xa0), BIT(3));
	CHECK(!chip[0].isr && !chip[1].isr);
	/* Both EOIs end this interrupt. */
	out(0xa0, 0x20);
	out(0x20, 0x20);
	CHECK(!chip[0].eois && !chip[1].eois);
	CHECK_EQ(pic_pending(), 11);		/* the line is still high: again */
	pic_set_lines(0);
	CHECK_EQ(pic_pending(), -1);
}

TEST(masked_lines_wait)
{
	start(1);
	out(0xa1, BIT(3));
	pic_set_lines(BIT(11));
	CHECK_EQ(pic_pending(), -1);
	CHECK_EQ(in(0xa1), BIT(3));
	out(0xa1, 0);
	CHECK_EQ(pic_pending(), 11);
	out(0x21, BIT(2));
	CHECK_EQ(pic_pending(), -1);		/* the cascade */
	out(0x21, 0);
	CHECK_EQ(pic_pending(), 11);
	/* No interrupt comes during an initialization. */
	out(0xa0, 0x11);
	CHECK_EQ(pic_pending(), -1);
}

TEST(a_real_interrupt_in_service_holds_back_what_is_below)
{
	start(1);
	chip[0].irr = BIT(1);
	CHECK_EQ(real_interrupt(), 1);
	pic_set_lines(BIT(5) | BIT(0x0b));
	CHECK_EQ(pic_pending(), -1);
	pic_set_lines(BIT(0));
	CHECK_EQ(pic_pending(), 0);
	pic_set_lines(BIT(5));
	out(0x20, 0x20);
	CHECK_EQ(chip[0].eois, 1);
	CHECK_EQ(chip[0].isr, 0);
	CHECK_EQ(pic_pending(), 5);
}

/* The timer interrupts the handler of a virtual interrupt: the first EOI ends the timer's, the second the virtual interrupt. */
TEST(nested_eois_go_to_the_one_that_is_higher)
{
	start(1);
	pic_set_lines(BIT(11));
	pic_acknowledge();
	chip[0].irr = BIT(0);
	CHECK_EQ(real_interrupt(), 0);
	chip[0].irr = 0;
	out(0x20, 0x20);
	CHECK(chip[0].eois == 1 && !chip[0].isr);
	pic_set_lines(0);
	out(0xa0, 0x20);
	out(0x20, 0x20);
	CHECK(chip[0].eois == 1 && chip[1].eois == 0);
	/* And a virtual interrupt during a real one. */
	chip[0].irr = BIT(5);
	CHECK_EQ(real_interrupt(), 5);
	pic_set_lines(BIT(3));
	CHECK_EQ(pic_acknowledge(), 0x33);
	pic_set_lines(0);
	out(0x20, 0x20);
	CHECK_EQ(chip[0].isr, BIT(5));
	out(0x20, 0x20);
	CHECK_EQ(chip[0].isr, 0);
}

TEST(what_is_below_a_virtual_one_is_held_back_in_the_chip)
{
	start(1);
	pic_set_lines(BIT(11));
	pic_acknowledge();
	chip[0].irr = BIT(5);
	chip[1].irr = BIT(3) | BIT(6);
	CHECK_EQ(real_interrupt(), -1);
	CHECK_EQ(in(0x21), 0);			/* invisible to the guest */
	pic_set_lines(0);
	out(0xa0, 0x63);			/* specific */
	out(0x20, 0x62);
	CHECK_EQ(real_interrupt(), 11);
	out(0xa0, 0x63);
	out(0x20, 0x62);
	CHECK(chip[1].eois == 1 && chip[0].eois == 1 && !chip[0].isr && !chip[1].isr);
}

TEST(automatic_eoi)
{
	start(3);
	pic_set_lines(BIT(11));
	CHECK_EQ(pic_acknowledge(), 0x3b);
	CHECK_EQ(pic_pending(), 11);
	out(0xa0, 0x0b);
	CHECK_EQ(in(0xa0), 0);
}

TEST(rotation)
{
	start(1);
	out(0x20, 0xc4);			/* line 4 has the lowest priority, 5 the highest */
	pic_set_lines(BIT(1) | BIT(5));
	CHECK_EQ(pic_pending(), 5);
	CHECK_EQ(pic_acknowledge(), 0x35);
	CHECK_EQ(pic_pending(), -1);
	out(0x20, 0xa0);			/* EOI with rotation: 5 has the lowest priority now */
	CHECK_EQ(pic_pending(), 1);
	/* An initialization restores the usual order. */
	start(1);
	pic_set_lines(BIT(1) | BIT(5));
	CHECK_EQ(pic_pending(), 1);
}

TEST(special_mask_mode)
{
	start(1);
	pic_set_lines(BIT(3));
	pic_acknowledge();
	pic_set_lines(BIT(5));
	CHECK_EQ(pic_pending(), -1);
	out(0x21, BIT(3));
	CHECK_EQ(pic_pending(), -1);
	out(0x20, 0x68);
	CHECK_EQ(pic_pending(), 5);
	out(0x20, 0x48);
	CHECK_EQ(pic_pending(), -1);
}

TEST(polling)
{
	start(1);
	pic_set_lines(BIT(5));
	out(0x20, 0x0c);
	CHECK_EQ(in(0x20), 0x85);
	CHECK_EQ(pic_pending(), -1);
	out(0x20, 0x20);
	CHECK_EQ(chip[0].eois, 0);
	CHECK_EQ(pic_pending(), 5);
}

TEST(a_doorbells_line_stays_masked_in_the_chip)
{
	start(1);
	pic_keep_masked(11, true);
	CHECK_EQ(chip[1].imr, BIT(3));
	CHECK_EQ(in(0xa1), 0);
	out(0xa1, 0xf7);
	CHECK_EQ(chip[1].imr, 0xff);
	CHECK_EQ(in(0xa1), 0xf7);
	/* The guest sees the virtual line only. */
	pic_set_lines(BIT(11));
	CHECK_EQ(pic_pending(), 11);
	pic_keep_masked(11, false);
	CHECK_EQ(chip[1].imr, 0xf7);
	pic_keep_masked(2, true);		/* never the cascade */
	CHECK_EQ(chip[0].imr, 0);
}

TEST(a_doorbells_line_stays_a_level_in_the_chip)
{
	const struct trap *t = &traps[ELCR_TRAP];

	elcr[0] = elcr[1] = 0;
	start(1);
	CHECK(t->on);
	pic_keep_masked(11, true);
	t->ops->write(t->ctx, 1, 1, 0x12);	/* edge-triggered, except 9 and 12 */
	CHECK_EQ(t->ops->read(t->ctx, 1, 1), 0x12);
	CHECK(elcr[0] == 0 && elcr[1] == 0x1a);
	t->ops->write(t->ctx, 0, 2, 0xffff);
	CHECK_EQ(t->ops->read(t->ctx, 0, 2), 0xdef8);
	CHECK(elcr[0] == 0xf8 && elcr[1] == 0xde);
	t->ops->write(t->ctx, 0, 2, 0x0020);
	CHECK(elcr[0] == 0x20 && elcr[1] == 0x08 && t->ops->read(t->ctx, 0, 2) == 0x0020);
	pic_keep_masked(11, false);
	CHECK(elcr[0] == 0x20 && elcr[1] == 0);
	pic_watch(false);
	CHECK(!t->on);
}

TEST(quiet_while_lines_are_learned)
{
	start(1);
	pic_watch(false);
	chip[0].imr = 0x12;
	pic_quiet(true);
	CHECK(chip[0].imr == 0xff && chip[1].imr == 0xff && elcr[0] == 0xf8 && elcr[1] == 0xde);
	pic_quiet(false);
	CHECK(chip[0].imr == 0x12 && chip[1].imr == 0 && elcr[0] == 0 && elcr[1] == 0x0c);
}

TEST(given_back_and_taken_again)
{
	start(1);
	pic_set_lines(BIT(11));
	pic_acknowledge();
	out(0xa0, 0x0b);
	pic_watch(false);
	CHECK(!traps[0].on && !traps[2].on);
	CHECK(!chip[0].imr && !chip[1].imr && chip[1].select == 3);
	chip[1].imr = 0x40;
	pic_watch(true);
	CHECK_EQ(in(0xa1), 0x40);
	pic_set_lines(BIT(11));
	CHECK_EQ(pic_acknowledge(), 0x3b);
}

/*
 * The guest uses MSI-X first and lines afterwards; in between it initializes its chips.  It always reads the masks that it
 * wrote.
 */
TEST(vectors_are_learned_while_the_chips_are_the_guests)
{
	static const uint8_t masks[] = { 0xff, 0xfb, 0, 0x30, 0x40, 4, 1, 0 };

	start(1);
	pic_watch(false);
	for (unsigned i = 0; i < sizeof(masks); i++) {
		out(0x21, masks[i]);
		CHECK(in(0x21) == masks[i] && chip[0].imr == masks[i]);
	}
	initialize(0x50, 3);
	CHECK(!chip[0].icw_left && !chip[1].icw_left && !chip[0].imr);
	for (unsigned i = 0; i < sizeof(masks); i++) {
		out(0xa1, masks[i]);
		CHECK(in(0xa1) == masks[i] && chip[1].imr == masks[i]);
	}
	pic_watch(true);
	pic_set_lines(BIT(11) | BIT(1));
	CHECK_EQ(pic_acknowledge(), 0x51);
	pic_set_lines(BIT(11));
	CHECK_EQ(pic_acknowledge(), 0x5b);
	CHECK_EQ(pic_pending(), 11);		/* automatic EOI, by ICW4 */
	/* And again. */
	pic_watch(false);
	initialize(0x68, 1);
	out(0x21, 0);
	out(0xa1, 0);
	pic_watch(true);
	pic_set_lines(BIT(11));
	CHECK_EQ(pic_acknowledge(), 0x73);
	CHECK_EQ(pic_pending(), -1);
}

TEST(commands_are_not_watched_while_the_chips_are_the_guests)
{
	uint32_t off;

	start(1);
	pic_watch(false);
	CHECK(!trap_at(0x20, &off) && !trap_at(0xa0, &off) && !traps[ELCR_TRAP].on);
	CHECK(trap_at(0x21, &off) == &traps[1] && trap_at(0xa1, &off) == &traps[3]);
}

/* The watch begins or ends during an initialization, but not right after ICW1, which by itself cannot be noticed. */
TEST(an_initialization_is_watched_in_part)
{
	for (unsigned words = 0; words <= 4; words++) {
		static const struct { uint16_t port; uint8_t v; } seq[] = {
			{ 0x20, 0x11 }, { 0x21, 0x58 }, { 0x21, 4 }, { 0x21, 1 },
		};

		for (unsigned on = words == 1; on < 2; on++) {
			start(1);
			pic_watch(on);
			for (unsigned i = 0; i < 4; i++) {
				if (i == words)
					pic_watch(!on);
				out(seq[i].port, seq[i].v);
			}
			CHECK(!chip[0].icw_left && chip[0].base == 0x58);
			out(0x21, 0xf0);
			CHECK(chip[0].imr == 0xf0 && in(0x21) == 0xf0);
			pic_watch(true);
			pic_set_lines(BIT(3));
			CHECK_EQ(pic_pending(), 3);
			CHECK_EQ(pic_acknowledge(), 0x5b);
		}
	}
}

/* An initialization without ICW4, which no PC's guest does: the mask that follows is not an initialization word. */
TEST(a_short_initialization_is_over_with_a_mask)
{
	start(1);
	pic_watch(false);
	out(0x20, 0x11);
	chip[0].icw_left = 1;
	out(0x21, 0x58);
	out(0x21, 0xf0);
	CHECK_EQ(chip[0].imr, 0xf0);
	pic_watch(true);
	out(0x21, 0xe0);
	CHECK(chip[0].imr == 0xe0 && in(0x21) == 0xe0);
}

TEST_MAIN
