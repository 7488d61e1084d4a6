/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/dev/pit.c */
/* The PIT under Veneer's watch: what the guest reads; save, load in place and into another machine; foreign states. */
#include <string.h>
#include <veneer/counters.h>
#include <veneer/state.h>
#include <veneer/time.h>
#include <veneer/trap.h>
#include "host/host.h"
#include "hv/dev/pit.h"
#include "hv/dev/trap.h"
#include "hv/state/state.h"
#include "state_fixture.h"

#define LOG	16u

/* --- the chip: its counts are moved by the test --- */

static struct chan {
	uint8_t control, status;
	uint16_t count;
	uint8_t queue[3], queued;	/* latched */
	uint8_t wrote[LOG], writes;	/* since the control word */
} chan[3];
static uint8_t gate;
static unsigned writes;

static void queue(struct chan *c, uint8_t v) { CHECK(c->queued < 3); c->queue[c->queued++] = v; }

static void queue_count(struct chan *c)
{
	if ((c->control >> 4 & 3) != 2)
		queue(c, (uint8_t)c->count);
	if ((c->control >> 4 & 3) != 1)
		queue(c, (uint8_t)(c->count >> 8));
}

static uint64_t chip_read(void *ctx, uint32_t off, unsigned width)
{
	struct chan *c = &chan[off];
	uint8_t v;

	CHECK(width == 1 && off < 3 && c->queued);	/* Veneer reads nothing but what it has latched */
	v = c->queue[0];
	memmove(c->queue, c->queue + 1, 2);
	c->queued--;
	return v;
}

static void chip_write(void *ctx, uint32_t off, unsigned width, uint64_t v)
{
	CHECK_EQ(width, 1);
	writes += off < 3 || ((v & 0xc0) != 0xc0 && (v & 0x30));
	if (off < 3) {
		CHECK(chan[off].writes < LOG);
		chan[off].wrote[chan[off].writes++] = (uint8_t)v;
	} else if ((v & 0xc0) == 0xc0) {
		for (unsigned n = 0; n < 3; n++)
			if ((v & BIT(n + 1)) && !(v & 0x10))
				queue(&chan[n], chan[n].status | chan[n].control);
	} else if (!(v & 0x30)) {
		queue_count(&chan[v >> 6]);
	} else {
		chan[v >> 6] = (struct chan){ .control = v & 0x3f };
	}
}

static const struct host_model model = { chip_read, chip_write };
static uint64_t gate_read(void *ctx, uint32_t off, unsigned width) { return gate | 0x20; }
static void gate_write(void *ctx, uint32_t off, unsigned width, uint64_t v) { gate = (uint8_t)v; }
static const struct host_model gate_model = { gate_read, gate_write };

/* --- what it needs --- */

struct trap { const struct trap_ops *ops; };
static struct trap trap;
struct trap *trap_new_pio(const char *name, uint32_t size, const struct trap_ops *ops, void *ctx)
{
	CHECK(size == 4);
	trap.ops = ops;
	return &trap;
}
int trap_place_system(struct trap *t, uint64_t base) { CHECK(t == &trap && base == 0x40); return 0; }
static uint64_t age;
uint64_t state_age(void) { return age; }
uint64_t time_cycles(uint32_t us) { return us * 1000ull; }		/* 1 GHz */

static void out(uint16_t port, uint8_t v) { trap.ops->write(NULL, port - 0x40u, 1, v); }
static uint8_t in(uint16_t port) { return (uint8_t)trap.ops->read(NULL, port - 0x40u, 1); }

static void add(struct state_part *p) { part = p; }

static void machine(void)
{
	host_pio_model(0x40, 4, &model, NULL);
	host_pio_model(0x61, 1, &gate_model, NULL);
	memset(chan, 0, sizeof(chan));
	for (unsigned n = 0; n < 3; n++)
		chan[n] = (struct chan){ .control = 0x36, .count = 1234 };
	gate = 0;
	age = 0;
	if (!part)
		pit_keep(add);
	CHECK(!strcmp(part->name, "pit"));
	out(0x43, 0x34);
	out(0x40, 0x9c);
	out(0x40, 0x2e);		/* 11932: 100 Hz */
	out(0x43, 0x54);
	out(0x41, 0x12);
	out(0x43, 0xb6);
	out(0x42, 0x40);		/* half of a count */
	chan[0].count = 5000;
	chan[0].status = 0x80;
	chan[1].count = 7;
	chan[2].count = 0x300;
	gate = 3;
}

TEST(what_the_guest_reads)
{
	machine();
	CHECK(in(0x40) == (5000 & 0xff) && in(0x40) == 5000 >> 8);
	/* A latched count stays as it was, and a further latch does nothing. */
	out(0x43, 0x00);
	chan[0].count = 77;
	out(0x43, 0x00);
	CHECK(in(0x40) == (5000 & 0xff) && in(0x40) == 5000 >> 8 && in(0x40) == 77 && in(0x40) == 0);
	/* By read-back: the status comes first, even if the count was latched before. */
	out(0x43, 0x00);
	out(0x43, 0xe2);
	CHECK(in(0x40) == 0xb4 && in(0x40) == 77 && in(0x40) == 0);
	out(0x43, 0xc6);
	CHECK(in(0x40) == 0xb4 && in(0x40) == 77 && in(0x40) == 0);
	/* Channel 1 has one byte. */
	CHECK(in(0x41) == 0x14 && in(0x41) == 7);
	chan[0].count = 0x1234;
	CHECK_EQ(in(0x40), 0x34);
	chan[0].count = 0x5678;
	CHECK(in(0x40) == 0x56 && in(0x40) == 0x78);
	out(0x43, 0x34);		/* a control word ends all that */
	chan[0].count = 0x9abc;
	CHECK_EQ(in(0x40), 0xbc);
}

TEST(in_place_the_chip_goes_on)
{
	machine();
	out(0x43, 0xc2);
	(void)in(0x40);			/* of status and count */
	(void)in(0x41);
	rest();
	save();
	writes = 0;
	chan[0].count = 4000;
	load();
	part->ops->go_on(NULL);
	CHECK(!writes && in(0x40) == (5000 & 0xff) && in(0x40) == 5000 >> 8 && in(0x40) == (4000 & 0xff));
}

static bool wrote(unsigned n, const char *bytes, unsigned len)
{
	return chan[n].writes == len && !memcmp(chan[n].wrote, bytes, len);
}

TEST(into_another_machine)
{
	machine();
	rest();
	save();
	for (unsigned n = 0; n < 3; n++)
		out(0x43, (uint8_t)(n << 6 | 0x30));
	out(0x42, 0x11);
	gate = 0;
	rest();
	load();
	age = 1000000;			/* 1 ms: 1193 clocks */
	part->ops->go_on(NULL);
	/* The rest, and then the period. */
	CHECK(chan[0].control == 0x34 && wrote(0, "\xdf\x0e\x9c\x2e", 4));
	/* Periods have passed; and a count of one byte. */
	CHECK(chan[1].control == 0x14 && chan[1].writes == 2 && chan[1].wrote[1] == 0x12 && chan[1].wrote[0] <= 0x12);
	/* Half of a count, after a control word alone. */
	CHECK(chan[2].control == 0x36 && wrote(2, "\x40", 1) && (gate & 3) == 3);
	out(0x42, 0x01);
	rest();
	save();
	CHECK_EQ(one[2 * 16 + 2] | one[2 * 16 + 3] << 8, 0x140);
}

TEST(one_shots)
{
	machine();
	out(0x43, 0x30);
	out(0x40, 0);
	out(0x40, 0x80);
	chan[0].count = 0x4000;
	rest();
	save();
	out(0x43, 0x34);
	rest();
	load();
	age = 1000000;
	part->ops->go_on(NULL);
	CHECK(chan[0].control == 0x30 && wrote(0, "\x57\x3b", 2));
	/* One whose end comes meanwhile ends at once; so does one that had ended. */
	out(0x43, 0x34);
	age = 0;
	rest();
	load();
	age = 1ull << 40;
	part->ops->go_on(NULL);
	CHECK(wrote(0, "\x02\x00", 2));
	chan[0].count = 0xff00;
	chan[0].status = 0x80;
	age = 0;
	rest();
	save();
	out(0x43, 0x34);
	rest();
	load();
	part->ops->go_on(NULL);
	CHECK(chan[0].control == 0x30 && wrote(0, "\x02\x00", 2));
	/* Decimal numbers; mode 5 waits for its gate. */
	out(0x43, 0x31);
	out(0x40, 0x00);
	out(0x40, 0x90);
	chan[0].count = 0x5000;
	out(0x43, 0xba);
	out(0x42, 1);
	out(0x42, 2);
	rest();
	save();
	out(0x43, 0x34);
	out(0x43, 0xb0);
	rest();
	load();
	age = 1000000;
	part->ops->go_on(NULL);
	CHECK(wrote(0, "\x07\x38", 2) && chan[2].control == 0x3a && wrote(2, "\1\2", 2));
}

/* The offsets are the format's, of channel 0. */
enum {
	CONTROL, WRITTEN, RELOAD, HALF = 4, LOW, HALF_READ, LATCHED, LATCH_0, OUT = 11, COUNT, NULL_COUNT = 14, HAS_STATUS,
	GATE = 48, ZERO,
};

TEST(what_does_not_fit_is_refused)
{
	machine();
	rest();
	save();
	CHECK(part->size == 56 && !part->ops->bad(NULL, one));
	writes = 0;
	refused(CONTROL, 0x74, "an impossible control word");
	refused(CONTROL, 0x04, "an impossible control word");
	refused(CONTROL, 0x35, "a count that is no decimal number");
	refused(WRITTEN, 2, "an impossible channel");
	refused(WRITTEN, 0, "an impossible channel");
	refused(HALF, 2, "an impossible channel");
	refused(LOW, 1, "an impossible channel");
	refused(HALF_READ, 2, "an impossible channel");
	refused(LATCHED, 4, "an impossible channel");
	refused(LATCHED, 3, "an impossible channel");
	refused(HAS_STATUS, 1, "an impossible channel");
	refused(LATCH_0, 1, "bytes that are not in use");
	refused(OUT, 2, "an impossible channel");
	refused(NULL_COUNT, 2, "an impossible channel");
	refused(16 + HALF, 1, "an impossible channel");
	refused(GATE, 0x10, "bytes that are not in use");
	refused(ZERO, 1, "bytes that are not in use");
	CHECK(!writes);
}

TEST_MAIN
