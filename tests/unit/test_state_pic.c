/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/irq/pic.c hv/irq/pic_state.c */
/* Save and load of the 8259s, ELCR and the routing of PCI's lines: into other chips, in place, and foreign states. */
#include <string.h>
#include <veneer/counters.h>
#include <veneer/state.h>
#include <veneer/trap.h>
#include "host/host.h"
#include "hv/dev/trap.h"
#include "hv/irq/intx.h"
#include "hv/irq/pic.h"
#include "hv/irq/pic_chip.h"
#include "hv/irq/pirq.h"
#include "state_fixture.h"

/* --- the chips: what commands they got --- */

static struct chip {
	uint8_t irr, isr, imr, word[4], words, left, select, lowest, ocw2;
	bool special;
	unsigned inits;
} chip[2];

static uint8_t elcr[2];

static uint64_t chip_read(void *ctx, uint32_t off, unsigned width)
{
	struct chip *c = ctx;

	CHECK(width == 1 && !c->left);
	return off ? c->imr : c->select == 3 ? c->isr : c->irr;
}

static void command(struct chip *c, uint8_t v)
{
	if (v & 0x10) {
		/* Edges are forgotten; a line that is level-triggered shows again. */
		*c = (struct chip){ .left = (uint8_t)(1 + !(v & 2) + (v & 1)), .word = { v }, .words = 1, .lowest = 7,
				    .irr = c->irr & elcr[c == &chip[1]], .inits = c->inits + 1 };
		return;
	}
	CHECK(!c->left);
	if (v & 0x08) {
		c->select = (v & 3) >= 2 ? v & 3 : c->select;
		c->special = v & 0x40 ? v & 0x20 : c->special;
	} else if ((v & 0xe0) == 0x60) {
		c->isr &= (uint8_t)~BIT(v & 7);
	} else if ((v & 0xe0) == 0xc0) {
		c->lowest = v & 7;
	} else {
		c->ocw2 = v;
	}
}

static void chip_write(void *ctx, uint32_t off, unsigned width, uint64_t v)
{
	struct chip *c = ctx;

	CHECK_EQ(width, 1);
	if (!off) {
		command(c, (uint8_t)v);
	} else if (c->left) {
		c->left--;
		c->word[c->words++] = (uint8_t)v;
	} else {
		c->imr = (uint8_t)v;
	}
}

static const struct host_model model = { chip_read, chip_write };
static uint64_t elcr_read(void *ctx, uint32_t off, unsigned width) { return elcr[off]; }
static void elcr_write(void *ctx, uint32_t off, unsigned width, uint64_t v) { elcr[off] = (uint8_t)v; }
static const struct host_model elcr_model = { elcr_read, elcr_write };

/* --- the guest's accesses --- */

struct trap { const struct trap_ops *ops; void *ctx; uint64_t at; };
static struct trap traps[8];
static unsigned ntraps;
struct trap *trap_new_pio(const char *name, uint32_t size, const struct trap_ops *ops, void *ctx)
{
	CHECK(ntraps < 8);
	traps[ntraps].ops = ops;
	traps[ntraps].ctx = ctx;
	return &traps[ntraps++];
}
int trap_place_system(struct trap *t, uint64_t base) { t->at = base; return 0; }
void trap_remove(struct trap *t) { t->at = 0; }

static struct trap *trap_of(uint16_t port)
{
	for (unsigned i = 0; i < ntraps; i++)
		if (traps[i].at == (port & ~1u))
			return &traps[i];
	host_fail(__FILE__, __LINE__, "port %#x is not watched", port);
}

static void out(uint16_t port, uint8_t v)
{
	struct trap *t = trap_of(port);

	t->ops->write(t->ctx, port & 1, 1, v);
}

static uint8_t in(uint16_t port)
{
	struct trap *t = trap_of(port);

	return (uint8_t)t->ops->read(t->ctx, port & 1, 1);
}

static uint8_t routes[PIRQ_MAX];
static unsigned looks;
void intx_look(void) { looks++; }
unsigned pirq_get(uint8_t out[PIRQ_MAX]) { memcpy(out, routes, PIRQ_MAX); return 4; }
void pirq_set(const uint8_t in[PIRQ_MAX]) { memcpy(routes, in, PIRQ_MAX); }

static void add(struct state_part *p) { part = p; }

static void reset_chips(void)
{
	memset(chip, 0, sizeof(chip));
	chip[0].lowest = chip[1].lowest = 7;
	memset(elcr, 0, sizeof(elcr));
	memset(routes, 0, sizeof(routes));
}

static void initialize(uint8_t base)
{
	for (unsigned i = 0; i < 2; i++) {
		uint16_t port = i ? 0xa0 : 0x20;

		out(port, 0x11);
		out((uint16_t)(port + 1), (uint8_t)(base + 8 * i));
		out((uint16_t)(port + 1), i ? 2 : 4);
		out((uint16_t)(port + 1), 1);
	}
}

static void machine(void)
{
	host_pio_model(ELCR, 2, &elcr_model, NULL);
	host_pio_model(0x20, 2, &model, &chip[0]);
	host_pio_model(0xa0, 2, &model, &chip[1]);
	reset_chips();
	if (!part)
		pic_keep(add);
	CHECK(!strcmp(part->name, "pic"));
	pic_watch(false);		/* has no effect any more */
	pic_set_lines(0);
	initialize(0x30);
	out(0x4d0, 0);
	out(0x4d1, 0);
}

/* As a guest has it: line 4 in service, 0 and 5 wait. */
static void in_use(void)
{
	out(0x21, 0x02);
	out(0xa1, 0xf0);
	out(0x4d1, 0x0c);
	out(0x20, 0xc0 | 2);		/* rotation: 3 is first */
	out(0x20, 0x0b);
	out(0xa0, 0x80);		/* rotate at automatic ends */
	out(0xa0, 0x68);		/* special mask mode */
	chip[0].isr = BIT(4);
	chip[0].irr = BIT(0) | BIT(5) | BIT(2);
	chip[1].irr = BIT(2) | BIT(3);	/* level-triggered */
	routes[0] = 0x0a;
	routes[3] = 0x80;
}

TEST(chips_that_another_guest_has_initialized)
{
	machine();
	in_use();
	rest();
	save();
	reset_chips();
	initialize(0x50);
	out(0x4d1, 0);
	rest();
	looks = 0;
	load();
	part->ops->go_on(NULL);
	CHECK_EQ(looks, 1);
	for (unsigned i = 0; i < 2; i++) {
		const uint8_t words[4] = { 0x11, (uint8_t)(0x30 + 8 * i), i ? 2 : 4, 1 };

		CHECK(chip[i].words == 4 && !memcmp(chip[i].word, words, 4));
	}
	CHECK(chip[0].lowest == 2 && chip[1].ocw2 == 0x80 && chip[1].special && !chip[0].special);
	CHECK(elcr[1] == 0x0c && routes[0] == 0x0a && routes[3] == 0x80);
	/* In service: 4, and what is below it stays masked in the chip.  The guest reads all of this. */
	CHECK_EQ(chip[0].imr, (0x02 | BIT(4) | BIT(5) | BIT(6) | BIT(7) | BIT(0) | BIT(1) | BIT(2)));
	CHECK(in(0x21) == 0x02 && in(0xa1) == 0xf0 && in(0x20) == BIT(4));
	out(0x20, 0x0a);
	CHECK_EQ(in(0x20), (BIT(0) | BIT(5)));
	/* The edges come after the end of 4: 5 is before 0 by the rotation. */
	CHECK_EQ(pic_pending(), -1);
	CHECK(pic_has_edges());
	out(0x20, 0x20);
	CHECK_EQ(pic_pending(), 5);
	CHECK_EQ(pic_acknowledge(), 0x35);
	out(0x20, 0x20);
	CHECK_EQ(pic_acknowledge(), 0x30);
	out(0x20, 0x20);
	CHECK(pic_pending() == -1 && !pic_has_edges() && chip[0].imr == 0x02);
}

TEST(in_place_nothing_is_written_that_loses_an_edge)
{
	unsigned inits;

	machine();
	in_use();
	rest();
	save();
	inits = chip[0].inits;
	chip[0].irr |= BIT(6);		/* it has come since */
	load();
	CHECK(chip[0].inits == inits && !pic_has_edges() && chip[0].isr == BIT(4) && chip[0].irr & BIT(6));
	/* A load that has to initialize the chip keeps all edges as virtual ones. */
	pics[0].base ^= 8;
	load();
	CHECK(chip[0].inits == inits + 1 && !chip[0].isr && pic_has_edges());
	out(0x20, 0x20);
	CHECK_EQ(pic_acknowledge(), 0x35);
	out(0x20, 0x20);
	CHECK_EQ(pic_acknowledge(), 0x36);
	out(0x20, 0x20);
	CHECK_EQ(pic_acknowledge(), 0x30);
	out(0x20, 0x20);
	CHECK(!pic_has_edges());
}

TEST(what_the_state_does_not_have_is_dropped)
{
	machine();
	in_use();
	rest();
	save();
	chip[0].isr = BIT(6);
	chip[0].irr |= BIT(7);
	rest();
	load();
	CHECK(!chip[0].isr && !(chip[0].irr & BIT(7)));
	out(0x20, 0x20);
	CHECK_EQ(pic_acknowledge(), 0x35);
}

TEST(in_the_middle_of_an_initialization)
{
	machine();
	in_use();
	out(0x20, 0x11);
	out(0x21, 0x60);
	CHECK_EQ(chip[0].left, 2);
	rest();
	save();
	reset_chips();
	chip[0].left = chip[0].words = 0;
	pics[0].icw_left = 0;
	rest();
	load();
	CHECK(chip[0].left == 2 && chip[0].word[1] == 0x60);
	out(0x21, 4);
	out(0x21, 1);
	out(0x21, 0xfe);
	CHECK(!chip[0].left && chip[0].imr == 0xfe && chip[0].word[3] == 1);
}

/* The RTC's rest reads its register C, and line 8 falls: a real chip forgets the request. */
TEST(a_line_that_falls_at_rest)
{
	machine();
	in_use();
	chip[0].isr = 0;
	chip[1].irr |= BIT(0);
	rest();
	chip[1].irr &= (uint8_t)~BIT(0);
	save();
	part->ops->go_on(NULL);
	CHECK(pic_has_edges());
	CHECK_EQ(pic_pending(), 8);
	CHECK_EQ(pic_acknowledge(), 0x38);
	out(0xa0, 0x60);
	CHECK(!pic_has_edges());
	/* What the chip still has, or what has come since, is no second request. */
	rest();
	chip[1].irr |= BIT(1);
	part->ops->go_on(NULL);
	CHECK(!pic_has_edges());
	/* Another machine has it, too. */
	reset_chips();
	initialize(0x30);
	rest();
	load();
	part->ops->go_on(NULL);
	CHECK_EQ(pics[1].edge, BIT(0));
}

/* The offsets are the format's. */
enum {
	ICW1, BASE, ICW3, ICW4, LEFT, MASK, LEVEL, LOWEST, SELECT, SPECIAL, ROTATE, POLLED, SERVICE, REQUESTS, ZERO, CHIP = 16,
	ROUTES = 32, PIRQS = 40, PAD = 44,
};

TEST(what_does_not_fit_is_refused)
{
	struct chip was[2];

	machine();
	in_use();
	rest();
	save();
	memcpy(was, chip, sizeof(chip));
	CHECK(!part->ops->bad(NULL, one) && part->size == 48);
	refused(ICW1, 1, "an impossible initialization");
	refused(BASE, 0x31, "an impossible initialization");
	refused(LEFT, 4, "an impossible initialization");
	refused(LOWEST, 8, "an impossible mode");
	refused(SELECT, 1, "an impossible mode");
	refused(CHIP + SELECT, 4, "an impossible mode");
	refused(SPECIAL, 2, "an impossible mode");
	refused(ROTATE, 2, "an impossible mode");
	refused(CHIP + POLLED, 2, "an impossible mode");
	refused(LEVEL, 1, "impossible lines");
	refused(CHIP + LEVEL, 1, "impossible lines");
	refused(REQUESTS, 4, "impossible lines");
	refused(CHIP + REQUESTS, 4, "impossible lines");
	refused(LEFT, 1, "impossible lines");
	refused(ZERO, 1, "bytes that are not in use");
	refused(PIRQS, 8, "another chipset's routing of PCI's lines");
	refused(ROUTES + 4, 1, "bytes that are not in use");
	refused(PAD, 1, "bytes that are not in use");
	CHECK(!memcmp(was, chip, sizeof(chip)));
}

TEST_MAIN
