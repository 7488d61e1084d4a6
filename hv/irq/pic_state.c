/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state of the 8259s, ELCR, and the routing of PCI's lines.  What cannot be read back is known by pic.c's watch, which then
 * stands until the power-off.
 *
 * The chip's in-service bits cannot be set: a load makes them virtual ones, until their EOI.  Nor can its requests: those of
 * edges become virtual, too, for an initialization forgets them; a level-triggered line shows its own again.  Requests that
 * come while all is at rest are in no state; a load keeps them.  A real 8259 drops even an edge's request if its line falls
 * before the processor takes the interrupt, and the rest of a device can make the line fall (rtc.c): what waited when the 8259s
 * came to rest is in the state, and becomes virtual if the chip has dropped it.
 */
#include <veneer/io.h>
#include <veneer/state.h>
#include <veneer/string.h>
#include "hv/irq/intx.h"
#include "hv/irq/pic.h"
#include "hv/irq/pic_chip.h"
#include "hv/irq/pirq.h"

#define WORDS_MAX	3u

/* The section's data: plain. */
struct chip_image {
	uint8_t icw1, base, icw3, icw4;
	uint8_t icw_left;		/* words of the initialization that are still to come */
	uint8_t mask, level;		/* level: ELCR's half */
	uint8_t lowest, select;		/* select: 2 requests, 3 in service */
	uint8_t special, rotate_auto, polled;
	uint8_t service;
	uint8_t requests;		/* of edge-triggered lines */
	uint8_t zero[2];
};

struct pic_image {
	struct chip_image chip[PICS];
	uint8_t routes[PIRQ_MAX];	/* PIRQ registers */
	uint32_t pirqs;			/* their number */
	uint32_t zero;
};

/* The requests that belong to the state, as the rest found them: what has come since is the chip's alone. */
static uint8_t own[PICS];

static unsigned words_of(uint8_t icw1)
{
	return 1u + !(icw1 & ICW1_SINGLE) + !!(icw1 & ICW1_NEEDS_ICW4);
}

static uint8_t elcr_lines(const struct pic *p)
{
	return (uint8_t)(ELCR_LINES >> (p == &pics[SLAVE] ? 8 : 0));
}

/* The chip's requests that no line shows again, and the virtual ones. */
static uint8_t edges_now(struct pic *p)
{
	uint8_t lines = p->level | p->forced | (p == &pics[MASTER] ? BIT(CASCADE) : 0);

	return p->icw_left ? 0 : (p->edge | pic_real_read(p, READ_REQUESTS)) & (uint8_t)~lines;
}

static void part_rest(void *ctx, uint32_t us)
{
	(void)ctx, (void)us;
	for (unsigned i = 0; i < PICS; i++)
		own[i] = edges_now(&pics[i]);
}

static void part_go_on(void *ctx)
{
	(void)ctx;
	for (unsigned i = 0; i < PICS; i++)
		if (!pics[i].icw_left)
			pics[i].edge |= own[i] & (uint8_t)~pic_real_read(&pics[i], READ_REQUESTS);
	intx_look();
}

static void chip_save(struct pic *p, struct chip_image *out)
{
	*out = (struct chip_image){
		.icw1 = p->icw1, .base = p->base, .icw3 = p->icw3, .icw4 = p->icw4, .icw_left = p->icw_left,
		.mask = p->mask, .level = p->level, .lowest = p->lowest, .select = p->select,
		.special = p->special, .rotate_auto = p->rotate_auto, .polled = p->polled,
		.requests = own[p == &pics[SLAVE]],
		.service = p->icw_left ? 0 : pic_real_read(p, READ_SERVICE) | p->service,
	};
}

static void part_save(void *ctx, void *to)
{
	struct pic_image *out = to;

	(void)ctx;
	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; i < PICS; i++)
		chip_save(&pics[i], &out->chip[i]);
	out->pirqs = pirq_get(out->routes);
}

static const char *chip_bad(const struct pic *p, const struct chip_image *in)
{
	uint8_t lines = (p == &pics[MASTER] ? BIT(CASCADE) : 0) | in->level;

	if (!(in->icw1 & ICW1_INIT) || (in->base & ~ICW2_BASE) || in->icw_left > words_of(in->icw1))
		return "an impossible initialization";
	if (in->lowest > 7 || in->select < READ_REQUESTS || in->select > READ_SERVICE || in->special > 1 ||
	    in->rotate_auto > 1 || in->polled > 1)
		return "an impossible mode";
	if ((in->level & ~elcr_lines(p)) || (in->requests & lines) || (in->icw_left && (in->requests | in->service)))
		return "impossible lines";
	return all_zero(in->zero, sizeof(in->zero)) ? NULL : "bytes that are not in use";
}

static const char *part_bad(void *ctx, const void *from)
{
	const struct pic_image *in = from;
	uint8_t routes[PIRQ_MAX];

	(void)ctx;
	if (in->pirqs != pirq_get(routes))
		return "another chipset's routing of PCI's lines";
	if (in->zero || !all_zero(in->routes + in->pirqs, PIRQ_MAX - in->pirqs))
		return "bytes that are not in use";
	return chip_bad(&pics[MASTER], &in->chip[MASTER]) ?: chip_bad(&pics[SLAVE], &in->chip[SLAVE]);
}

/* The words that the chip has had so far.  It forgets its mask, priorities and modes, what is in service, and edges. */
static void initialize(struct pic *p, const struct chip_image *in)
{
	uint8_t word[WORDS_MAX] = { in->base };
	unsigned n = 1, had = words_of(in->icw1) - in->icw_left;

	if (!(in->icw1 & ICW1_SINGLE))
		word[n++] = in->icw3;
	if (in->icw1 & ICW1_NEEDS_ICW4)
		word[n++] = in->icw4;
	pic_begin_words(p, in->icw1);
	pio_write8(p->port, in->icw1);
	for (unsigned i = 0; i < had; i++)
		pio_write8(p->port + 1, word[i]);
	p->base = in->base;
	p->icw3 = in->icw3;
	p->icw4 = in->icw4;
	p->icw_left = in->icw_left;
	p->real_mask = 0;
}

static bool has_words(const struct pic *p, const struct chip_image *in)
{
	return p->icw1 == in->icw1 && p->base == in->base && p->icw3 == in->icw3 && p->icw4 == in->icw4 &&
	       p->icw_left == in->icw_left;
}

static void set_modes(struct pic *p, const struct chip_image *in)
{
	uint8_t special = in->special ? SPECIAL_ON : SPECIAL_OFF;

	p->special = in->special;
	p->rotate_auto = in->rotate_auto;
	p->lowest = in->lowest;
	if (p->icw_left)
		return;
	pio_write8(p->port, (uint8_t)(OCW3 | FIELD_PREP(OCW3_SPECIAL, special)));
	pio_write8(p->port, in->rotate_auto ? OCW2_ROTATE : 0);
	pio_write8(p->port, (uint8_t)(OCW2_SET_LOWEST | in->lowest));
}

/* What the chip has in service and the state has not is ended; what the chip lacks becomes virtual. */
static void set_service(struct pic *p, uint8_t service)
{
	uint8_t real = p->icw_left ? 0 : pic_real_read(p, READ_SERVICE);

	for (unsigned n = 0; n < 8; n++)
		if (real & ~service & BIT(n))
			pio_write8(p->port, (uint8_t)(OCW2_EOI | OCW2_SPECIFIC | n));
	p->service = service & (uint8_t)~real;
}

static void chip_load(struct pic *p, const struct chip_image *in)
{
	uint8_t *mine = &own[p == &pics[SLAVE]], now = edges_now(p), new = now & (uint8_t)~*mine;

	/* Nothing else makes the chip forget an edge that the state does not have. */
	if (!has_words(p, in) || (now & *mine & ~p->edge & ~in->requests)) {
		initialize(p, in);
		p->edge = new;
	}
	p->level = in->level;
	pic_write_elcr(p);
	p->mask = in->mask;
	p->select = in->select;
	p->polled = in->polled;
	*mine = in->requests;
	if (p->icw_left)
		return;
	set_modes(p, in);
	set_service(p, in->service);
	p->edge = (p->edge & new) | (in->requests & (uint8_t)~pic_real_read(p, READ_REQUESTS));
	pic_write_mask(p);
}

static void part_load(void *ctx, const void *from)
{
	const struct pic_image *in = from;

	(void)ctx;
	for (unsigned i = 0; i < PICS; i++)
		chip_load(&pics[i], &in->chip[i]);
	pirq_set(in->routes);
}

/* For the test: the chips are initialized anew, and nothing is lost by that. */
static void part_scribble(void *ctx)
{
	(void)ctx;
	for (struct pic *p = pics; p < pics + PICS; p++) {
		p->base ^= 8;
		p->lowest ^= 5;
		p->select ^= READ_REQUESTS ^ READ_SERVICE;
		p->special = !p->special;
		p->polled = !p->polled;
		p->mask ^= 0x5a;
	}
}

static const struct state_ops ops = {
	.rest = part_rest, .save = part_save, .bad = part_bad, .load = part_load, .go_on = part_go_on,
	.scribble = IS_ENABLED(CONFIG_STATE_TEST) ? part_scribble : NULL,
};

void pic_keep(void (*add)(struct state_part *part))
{
	static struct state_part part = { .name = "pic", .version = 1, .size = sizeof(struct pic_image), .ops = &ops };

	pic_keep_watched();
	add(&part);
}
