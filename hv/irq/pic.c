/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * 8259A: the initialization words come through the mask register's port, so this code follows their sequence.  In one chip the
 * lines have numbers 0 to 7; the rank of a line is its place in the order of priority, 0 first.
 */
#include <veneer/counters.h>
#include <veneer/io.h>
#include <veneer/log.h>
#include <veneer/trap.h>
#include "hv/irq/pic.h"
#include "hv/irq/pic_chip.h"
#include "hv/dev/trap.h"

struct pic pics[PICS] = {
	{ .port = 0x20, .base = 0x08, .icw3 = BIT(CASCADE), .icw1 = ICW1_PC, .icw4 = ICW4_PC, .lowest = 7,
	  .select = READ_REQUESTS },
	{ .port = 0xa0, .base = 0x70, .icw3 = CASCADE, .icw1 = ICW1_PC, .icw4 = ICW4_PC, .lowest = 7, .select = READ_REQUESTS },
};
static struct trap *elcr_trap;
static bool watched, kept;
static uint64_t cnt_accesses, cnt_delivered;

/* --- the chip --- */

uint8_t pic_real_read(struct pic *p, uint8_t select)
{
	if (p->real_select != select) {
		pio_write8(p->port, OCW3 | select);
		p->real_select = select;
	}
	return pio_read8(p->port);
}

uint16_t pic_requests(void)
{
	return (uint16_t)(pic_real_read(&pics[MASTER], READ_REQUESTS) | pic_real_read(&pics[SLAVE], READ_REQUESTS) << 8);
}

void pic_quiet(bool on)
{
	static uint8_t mask[2], level[2];

	for (unsigned i = 0; i < 2; i++) {
		if (on) {
			mask[i] = pio_read8(pics[i].port + 1);
			level[i] = pio_read8((uint16_t)(ELCR + i));
		}
		pio_write8(pics[i].port + 1, on ? 0xff : mask[i]);
		pio_write8((uint16_t)(ELCR + i), on ? level[i] | (uint8_t)(ELCR_LINES >> (8 * i)) : level[i]);
	}
}

/* --- priorities --- */

static unsigned rank(const struct pic *p, unsigned n)
{
	return (n - p->lowest - 1u) & 7;
}

/* Return the line of @set with the highest priority; -1: the set is empty. */
static int first(const struct pic *p, uint8_t set)
{
	for (unsigned r = 0; r < 8; r++) {
		unsigned n = (p->lowest + 1u + r) & 7;

		if (set & BIT(n))
			return (int)n;
	}
	return -1;
}

/*
 * Return the lines that a virtual interrupt in service holds back: the chip must not pass them on.  The master in special fully
 * nested mode holds back nothing that comes from the slave.
 */
static uint8_t held_back(const struct pic *p)
{
	int n = p->special ? -1 : first(p, p->service);
	uint8_t set = 0;

	if (n < 0)
		return 0;
	for (unsigned i = 0; i < 8; i++)
		if (rank(p, i) >= rank(p, (unsigned)n))
			set |= (uint8_t)BIT(i);
	if (p == &pics[MASTER] && n == CASCADE && (p->icw4 & ICW4_NESTED))
		set &= (uint8_t)~BIT(CASCADE);
	return set;
}

void pic_write_mask(struct pic *p)
{
	uint8_t mask = p->mask | p->forced | held_back(p);

	if (p->icw_left || mask == p->real_mask)
		return;
	p->real_mask = mask;
	pio_write8(p->port + 1, mask);
}

void pic_write_elcr(const struct pic *p)
{
	pio_write8((uint16_t)(ELCR + (p == &pics[SLAVE])), p->level | p->forced);
}

void pic_keep_masked(unsigned irq, bool on)
{
	struct pic *p = &pics[(irq & 15) / 8];
	uint8_t bit = (uint8_t)BIT(irq % 8);

	if (irq >= 16 || irq == CASCADE)
		return;
	p->forced = on ? p->forced | bit : p->forced & (uint8_t)~bit;
	if (!watched)
		return;
	pic_write_elcr(p);
	pic_write_mask(p);
}

/* Return the line of @requests that the chip would pass on. */
static int passes(struct pic *p, uint8_t requests)
{
	int n = first(p, requests & (uint8_t)~p->mask);

	if (n < 0 || p->icw_left)
		return -1;
	uint8_t service = p->service | pic_real_read(p, READ_SERVICE);

	if (p->special)
		service &= (uint8_t)~p->mask;
	if (p == &pics[MASTER] && n == CASCADE && (p->icw4 & ICW4_NESTED))
		service &= (uint8_t)~BIT(CASCADE);
	int busy = first(p, service);

	return busy >= 0 && rank(p, (unsigned)busy) <= rank(p, (unsigned)n) ? -1 : n;
}

/* The virtual requests. */
static uint8_t wanted(const struct pic *p)
{
	return p->line | p->edge;
}

int pic_pending(void)
{
	struct pic *m = &pics[MASTER], *s = &pics[SLAVE];

	if (!watched || !(wanted(m) | wanted(s)))
		return -1;
	int low = wanted(s) ? passes(s, wanted(s)) : -1;
	int high = passes(m, wanted(m) | (low >= 0 ? BIT(CASCADE) : 0));

	if (high == CASCADE)
		return 8 + low;
	return high;
}

static void pic_enter(struct pic *p, unsigned n)
{
	p->edge &= (uint8_t)~BIT(n);
	if (!(p->icw4 & ICW4_AUTO_EOI))
		p->service |= (uint8_t)BIT(n);
	else if (p->rotate_auto)
		p->lowest = (uint8_t)n;
	pic_write_mask(p);
}

uint8_t pic_acknowledge(void)
{
	int irq = pic_pending();
	struct pic *p = &pics[irq >= 8];
	unsigned n = (unsigned)irq & 7;

	cnt_delivered++;
	pic_enter(p, n);
	if (p == &pics[SLAVE])
		pic_enter(&pics[MASTER], CASCADE);
	return (uint8_t)(p->base | n);
}

void pic_set_lines(uint16_t lines)
{
	pics[MASTER].line = (uint8_t)lines & (uint8_t)~BIT(CASCADE);
	pics[SLAVE].line = (uint8_t)(lines >> 8);
}

/* --- commands --- */

static void set_lowest(struct pic *p, unsigned n)
{
	p->lowest = (uint8_t)n;
	pio_write8(p->port, (uint8_t)(OCW2_SET_LOWEST | n));
}

/* Carry out an EOI: the virtual interrupt's, if one is in service at the line that the EOI ends, else the chip's. */
static void pic_end(struct pic *p, uint8_t v)
{
	uint8_t real = p->service || (v & OCW2_ROTATE) ? pic_real_read(p, READ_SERVICE) : 0;
	uint8_t service = p->service | real;
	int n = v & OCW2_SPECIFIC ? (int)(v & OCW2_LEVEL) : first(p, p->special ? service & (uint8_t)~p->mask : service);

	if (n < 0 || !(p->service & BIT(n))) {
		pio_write8(p->port, v);
		if (n >= 0 && (v & OCW2_ROTATE))
			p->lowest = (uint8_t)n;
		return;
	}
	p->service &= (uint8_t)~BIT(n);
	/* Both at once only at the cascade: the master has one bit for all lines of the slave. */
	if (real & BIT(n))
		pio_write8(p->port, (uint8_t)(OCW2_EOI | OCW2_SPECIFIC | n));
	if (v & OCW2_ROTATE)
		set_lowest(p, (unsigned)n);
	pic_write_mask(p);
}

static void write_ocw2(struct pic *p, uint8_t v)
{
	if (v & OCW2_EOI) {
		pic_end(p, v);
		return;
	}
	pio_write8(p->port, v);
	if (!(v & OCW2_SPECIFIC))
		p->rotate_auto = v & OCW2_ROTATE;
	else if (v & OCW2_ROTATE)
		p->lowest = v & OCW2_LEVEL;
}

static void write_ocw3(struct pic *p, uint8_t v)
{
	unsigned special = FIELD_GET(OCW3_SPECIAL, v);

	if (special == SPECIAL_ON || special == SPECIAL_OFF) {
		p->special = special == SPECIAL_ON;
		pio_write8(p->port, (uint8_t)(OCW3 | FIELD_PREP(OCW3_SPECIAL, special)));
		pic_write_mask(p);
	}
	if (FIELD_GET(OCW3_READ, v) >= READ_REQUESTS)
		p->select = (uint8_t)FIELD_GET(OCW3_READ, v);
	p->polled = v & OCW3_POLL;
}

void pic_begin_words(struct pic *p, uint8_t v)
{
	p->icw_left = (uint8_t)(1 + !(v & ICW1_SINGLE) + !!(v & ICW1_NEEDS_ICW4));
	p->icw1 = v;
	p->icw4 = 0;
	p->service = p->edge = 0;
	p->lowest = 7;
	p->select = READ_REQUESTS;
	p->special = p->rotate_auto = p->polled = false;
	p->real_select = 0;
}

static void pic_take_word(struct pic *p, uint8_t v)
{
	unsigned all = 1u + !(p->icw1 & ICW1_SINGLE) + !!(p->icw1 & ICW1_NEEDS_ICW4);

	if (p->icw_left == all)
		p->base = v & ICW2_BASE;
	else if (p->icw_left == 1 && (p->icw1 & ICW1_NEEDS_ICW4))
		p->icw4 = v;
	else
		p->icw3 = v;
	/* The sequence clears the mask register in the chip. */
	if (!--p->icw_left)
		p->mask = p->real_mask = 0;
}

static void write_icw1(struct pic *p, uint8_t v)
{
	pic_begin_words(p, v);
	pio_write8(p->port, v);
}

static void write_icw(struct pic *p, uint8_t v)
{
	pio_write8(p->port + 1, v);
	pic_take_word(p, v);
	pic_write_mask(p);
}

static void write_byte(struct pic *p, uint32_t off, uint8_t v)
{
	if (off && p->icw_left) {
		write_icw(p, v);
	} else if (off) {
		p->mask = v;
		pic_write_mask(p);
	} else if (v & ICW1_INIT) {
		write_icw1(p, v);
	} else if (v & OCW3) {
		write_ocw3(p, v);
	} else {
		write_ocw2(p, v);
	}
}

/* --- the guest's view --- */

/* Answer the poll command, which acknowledges as the processor would. */
static uint8_t poll(struct pic *p)
{
	int n = passes(p, wanted(p));

	p->polled = false;
	if (n >= 0 && first(p, wanted(p) | (pic_real_read(p, READ_REQUESTS) & (uint8_t)~p->mask)) == n) {
		pic_enter(p, (unsigned)n);
		return (uint8_t)(0x80 | n);
	}
	pio_write8(p->port, OCW3 | OCW3_POLL);
	return pio_read8(p->port);
}

static uint8_t read_status(struct pic *p)
{
	if (p->polled)
		return poll(p);
	if (p->select == READ_SERVICE)
		return pic_real_read(p, READ_SERVICE) | p->service;
	return pic_real_read(p, READ_REQUESTS) | wanted(p);
}

/* A wider access is an access to each port: ISA has 8 bits here. */
static uint64_t pic_read(void *ctx, uint32_t off, unsigned width)
{
	struct pic *p = ctx;

	cnt_accesses++;
	if (off)
		return p->mask;
	return read_status(p) | (width > 1 ? (uint32_t)p->mask << 8 : 0);
}

static void pic_write(void *ctx, uint32_t off, unsigned width, uint64_t value)
{
	cnt_accesses++;
	for (unsigned i = 0; i < width && off + i < 2; i++)
		write_byte(ctx, off + i, (uint8_t)(value >> (8 * i)));
}

static const struct trap_ops pic_ops = { pic_read, pic_write };

static uint64_t elcr_read(void *ctx, uint32_t off, unsigned width)
{
	return width > 1 ? (uint32_t)(pics[MASTER].level | pics[SLAVE].level << 8) : pics[off].level;
}

/* A virtual line is level-triggered whatever the guest writes here; a line by which a device rings must be so in the chip. */
static void elcr_write(void *ctx, uint32_t off, unsigned width, uint64_t value)
{
	for (unsigned i = 0; i < width && off + i < 2; i++) {
		pics[off + i].level = (uint8_t)(value >> (8 * i)) & (uint8_t)(ELCR_LINES >> (8 * (off + i)));
		pic_write_elcr(&pics[off + i]);
	}
}

static const struct trap_ops elcr_ops = { elcr_read, elcr_write };

/*
 * While the chips are the guest's alone, Veneer does not see its commands (an EOI with each interrupt); yet a later line needs
 * the vectors of an initialization.  A mask reads back as written, the words of an initialization do not: the mask register is
 * 0 from ICW1 on, and can be read in between.  Assume ICW1 as on every PC: cascaded, with ICW4.
 */
static void words_write(void *ctx, uint32_t off, unsigned width, uint64_t value)
{
	struct pic *p = ctx;
	uint8_t v = (uint8_t)value, now;

	cnt_accesses++;
	pio_write8(p->port + 1, v);
	now = pio_read8(p->port + 1);
	if (v && v == now) {
		p->icw_left = 0;
		return;
	}
	if (v && !p->icw_left)
		pic_begin_words(p, ICW1_INIT | ICW1_NEEDS_ICW4);
	if (p->icw_left)
		pic_take_word(p, v);
}

static uint64_t words_read(void *ctx, uint32_t off, unsigned width)
{
	const struct pic *p = ctx;

	cnt_accesses++;
	return pio_read8(p->port + 1);
}

static const struct trap_ops words_ops = { words_read, words_write };

static void watch_elcr(void)
{
	if (!elcr_trap)
		elcr_trap = trap_new_pio("elcr", 2, &elcr_ops, NULL);
	if (!elcr_trap || trap_place_system(elcr_trap, ELCR))
		log_err("8259: ELCR cannot be watched");
	for (unsigned i = 0; i < ARRAY_SIZE(pics); i++) {
		pics[i].level = pio_read8((uint16_t)(ELCR + i));
		pic_write_elcr(&pics[i]);
	}
}

static void pic_watch_chip(struct pic *p)
{
	if (!p->trap && p == &pics[MASTER]) {
		counter_register("8259", "accesses", &cnt_accesses);
		counter_register("8259", "delivered", &cnt_delivered);
	}
	if (!p->trap)
		p->trap = trap_new_pio("8259", 2, &pic_ops, p);
	if (!p->words)
		p->words = trap_new_pio("8259 words", 1, &words_ops, p);
	else
		trap_remove(p->words);
	if (!p->trap || trap_place_system(p->trap, p->port))
		log_err("8259 at %#x: cannot be watched", p->port);
	p->mask = p->real_mask = pio_read8(p->port + 1);
	p->real_select = 0;
	pic_write_mask(p);
}

/* Leave the chip to the guest alone, without virtual lines. */
static void leave(struct pic *p)
{
	p->line = p->service = p->edge = 0;
	pic_write_mask(p);
	/* Not in the middle of an initialization: the chip would take the command for a word of it, or end it. */
	if (!p->icw_left)
		(void)pic_real_read(p, p->select);
	trap_remove(p->trap);
	if (!p->words || trap_place_system(p->words, p->port + 1u))
		log_err("8259 at %#x: its initialization cannot be watched", p->port);
}

void pic_watch(bool on)
{
	on |= kept;
	if (on == watched)
		return;
	watched = on;
	for (unsigned i = 0; i < ARRAY_SIZE(pics); i++) {
		if (on)
			pic_watch_chip(&pics[i]);
		else if (pics[i].trap)
			leave(&pics[i]);
	}
	if (on)
		watch_elcr();
	else if (elcr_trap)
		trap_remove(elcr_trap);
}

void pic_keep_watched(void)
{
	kept = true;
	pic_watch(true);
}

bool pic_has_edges(void)
{
	return pics[MASTER].edge | pics[SLAVE].edge;
}
