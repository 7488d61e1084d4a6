/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/dev/hpet.c hv/dev/hpet_state.c hv/dev/pmtimer.c */
/* Save and load of an HPET and of the PM timer: in place, into another machine, after some time; foreign states. */
#include <string.h>
#include <veneer/counters.h>
#include <veneer/err.h>
#include <veneer/mem.h>
#include <veneer/state.h>
#include <veneer/time.h>
#include "host/host.h"
#include "hv/dev/acpi.h"
#include "hv/dev/hpet.h"
#include "hv/dev/hpet_state.h"
#include "hv/dev/pmtimer.h"
#include "hv/dev/trap.h"
#include "hv/mem/nested.h"
#include "hv/state/state.h"
#include "state_fixture.h"

#define BLOCK		0xfed00000u
#define CAP		((uint64_t)10000000 << 32 | BIT(15) | BIT(13) | 2 << 8 | 1)	/* 100 MHz, three comparators */
#define T_CAN		(0x00f00000ull << 32 | BIT(15) | BIT(5))
#define PM_PORT		0x608u

struct acpi_info acpi;

/* --- the chip: matches and periods as the specification has them; time stands still --- */

static struct { uint64_t config, counter; struct { uint64_t config, match, period, message; } timer[3]; } chip;
static unsigned writes;

static uint64_t *reg_at(uint32_t off)
{
	static uint64_t cap, none;

	if (off < 0x100) {
		cap = CAP;
		none = 0;
		return off < 8 ? &cap : off < 0x18 && off >= 0x10 ? &chip.config : off >= 0xf0 ? &chip.counter : &none;
	}
	off -= 0x100;
	CHECK(off / 0x20 < 3);
	switch (off % 0x20 / 8) {
	case 0: return &chip.timer[off / 0x20].config;
	case 1: return &chip.timer[off / 0x20].match;
	case 2: return &chip.timer[off / 0x20].message;
	}
	none = 0;
	return &none;
}

static uint64_t chip_read(void *ctx, uint32_t off, unsigned width)
{
	CHECK((width == 4 || width == 8) && off % width == 0);
	if (off >= 0x400)
		return ~0ull;
	if (off >= 0x160 && off < 0x400)
		return 0;
	return *reg_at(off & ~7u) >> (off % 8 * 8) & (width == 8 ? ~0ull : 0xffffffffull);
}

static void chip_write(void *ctx, uint32_t off, unsigned width, uint64_t v)
{
	unsigned n = (off - 0x100) / 0x20;
	uint64_t *r = reg_at(off & ~7u);

	writes++;
	if (width == 4) {
		CHECK_EQ(off, 0x12c);		/* the guest's own */
		*r = (uint32_t)*r | v << 32;
		return;
	}
	if (off == 0xf0)
		CHECK(!(chip.config & 1));
	if (off < 0x100 || off % 0x20 == 0x10) {
		*r = v;
	} else if (off % 0x20 == 0) {
		*r = v & 0xffffffffull & ~T_CAN ? (v & ~T_CAN) | T_CAN | BIT(4) : T_CAN | BIT(4);
	} else {
		bool periodic = chip.timer[n].config & BIT(3), set = chip.timer[n].config & BIT(6);

		if (!periodic || set)
			chip.timer[n].match = v;
		if (periodic)
			chip.timer[n].period = v;
		chip.timer[n].config &= ~(uint64_t)BIT(6);
	}
}

static const struct host_model model = { chip_read, chip_write };

static uint32_t pm;
static uint64_t pm_in(void *ctx, uint32_t off, unsigned width) { return pm; }
static const struct host_model pm_model = { pm_in, NULL };

/* --- what it needs --- */

static uint64_t base;
volatile void *mem_map_mmio(uint64_t phys, uint64_t size) { return (volatile void *)(uintptr_t)base; }
int nested_readonly(uint64_t gpa, uint64_t size) { return 0; }
static const struct trap_ops *hpet_ops, *pm_ops;
static void *hpet_ctx;
static unsigned pm_traps;
struct trap *trap_new_mmio(const char *name, uint32_t size, const struct trap_ops *o, void *c)
{
	hpet_ops = o;
	hpet_ctx = c;
	return (struct trap *)&hpet_ops;
}
struct trap *trap_new_pio(const char *name, uint32_t size, const struct trap_ops *o, void *c)
{
	pm_ops = o;
	return (struct trap *)&pm_ops;
}
void trap_place_mapped(struct trap *t, uint64_t at) { }
int trap_place_system(struct trap *t, uint64_t at) { CHECK_EQ(at, PM_PORT); pm_traps++; return 0; }

static uint64_t age, delta;
uint64_t state_age(void) { return age + delta; }
uint64_t state_delta(void) { return delta; }
uint64_t time_cycles(uint32_t us) { return us * 1000ull; }		/* 1 GHz */

static struct state_part *pm_part;
static void add(struct state_part *p) { *(strcmp(p->name, "pmtimer") ? &part : &pm_part) = p; }

static void put(uint32_t off, uint64_t v) { hpet_ops->write(hpet_ctx, off, 8, v); }

static void reset_chip(void)
{
	memset(&chip, 0, sizeof(chip));
	for (unsigned n = 0; n < 3; n++) {
		chip.timer[n].config = T_CAN | BIT(4);
		chip.timer[n].match = ~0ull;
	}
}

static void machine(void)
{
	base = host_mmio_new(4 * PAGE_SIZE, &model, NULL);
	host_pio_model(PM_PORT, 4, &pm_model, NULL);
	acpi = (struct acpi_info){ .nhpets = 1, .hpet = { BLOCK }, .pm_timer = PM_PORT };
	reset_chip();
	age = delta = 0;
	if (!part) {
		CHECK_EQ(hpet_init(), 0);
		hpets_keep(add);
		pmtimer_keep(add);
	}
	hpet_ctx = (void *)(uintptr_t)base;
	hpet_state_of(0, hpet_ctx);
	CHECK(part && !strcmp(part->name, "hpet0") && part->size == 32 + 3 * 32 && pm_part->size == 16);
}

/* Comparator 0: periodic, as Linux sets it; 1: one shot, of 32 bits; 2: a message, in the past. */
static void in_use(void)
{
	put(0x10, 0);
	put(0xf0, 500000);
	put(0x100, BIT(2) | BIT(3) | BIT(6) | 20 << 9);
	put(0x108, 700000);
	put(0x108, 300000);
	put(0x120, BIT(2) | BIT(8) | 21 << 9);
	hpet_ops->write(hpet_ctx, 0x12c, 4, 0);
	put(0x128, 600000);
	put(0x150, 0xfee00000ull << 32 | 0x41);
	put(0x140, BIT(2) | BIT(14));
	put(0x148, 400000);
	put(0x10, 3);
	CHECK(chip.timer[0].match == 700000 && chip.timer[0].period == 300000);
}

TEST(in_place_the_counter_goes_on)
{
	machine();
	in_use();
	age = 1000;
	rest();
	save();
	writes = 0;
	chip.counter = 550000;
	load();
	CHECK(!writes && chip.counter == 550000);
}

static void into_another(uint64_t cycles)
{
	machine();
	in_use();
	rest();
	save();
	reset_chip();
	rest();
	age = cycles;
	load();
	CHECK(chip.config == 3 && chip.counter == 500000 + cycles / 10);
	CHECK_EQ(chip.timer[0].period, 300000);
	CHECK_EQ(chip.timer[0].config & 0x7fff, BIT(2) | BIT(3) | BIT(4) | BIT(5) | 20 << 9);
	CHECK(chip.timer[2].match == 400000 && (chip.timer[2].config & BIT(14)));
	CHECK_EQ(chip.timer[2].message, 0xfee00000ull << 32 | 0x41);
}

TEST(into_another_machine)
{
	into_another(0);
	CHECK(chip.timer[0].match == 700000 && chip.timer[1].match == 600000);
	/* The next state has the period, too. */
	rest();
	save();
	reset_chip();
	rest();
	load();
	CHECK_EQ(chip.timer[0].period, 300000);
}

/* 50 ms are 5000000 ticks. */
TEST(matches_that_have_passed_come_soon)
{
	into_another(50000000);
	CHECK(chip.timer[0].match > 5500000 && chip.timer[0].match <= 5500000 + 310000);
	CHECK_EQ((chip.timer[0].match - 700000) % 300000, 0);
	CHECK(chip.timer[1].match > 5500000 && chip.timer[1].match <= 5510000);
}

TEST(a_halted_counter_stands)
{
	machine();
	in_use();
	put(0x10, 0);
	rest();
	save();
	reset_chip();
	rest();
	age = 50000000;
	load();
	CHECK(chip.counter == 500000 && !chip.config && chip.timer[1].match == 600000);
}

static void refused64(unsigned at, uint64_t v, const char *why)
{
	refused_bytes(at, &v, sizeof(v), why);
}

TEST(what_does_not_fit_is_refused)
{
	machine();
	in_use();
	rest();
	save();
	writes = 0;
	CHECK(!part->ops->bad(part->ctx, one));
	refused64(0, CAP + BIT(8), "another HPET");
	refused64(0, CAP & ~(uint64_t)BIT(13), "another HPET");
	refused64(0, CAP + (100000ull << 32), "another HPET");
	refused64(8, 4, "an impossible register");
	refused64(24, 1, "an impossible register");
	refused64(32, BIT(4), "a comparator that can do something else");
	refused64(32, T_CAN | BIT(4) | BIT(6), "an impossible comparator");
	refused64(32, T_CAN | BIT(4) | 3 << 9, "an interrupt that the comparator cannot send");
	refused64(32, T_CAN | BIT(4) | BIT(14), "a message that no guest may send");
	refused64(96 + 24, 0xfee00000ull << 32 | 0x541, "a message that no guest may send");
	CHECK(!writes);
}

static uint64_t guest_reads(void) { return pm_ops->read(NULL, 0, 4); }

TEST(the_pm_timer_has_an_offset_once_it_needs_one)
{
	machine();
	pm = 0x123456;
	pm_part->ops->rest(NULL, 0);
	pm_part->ops->save(NULL, one);
	pm = 0x123999;
	pm_part->ops->load(NULL, one);
	pm_part->ops->save(NULL, two);
	CHECK(!memcmp(one, two, 16) && !pm_traps);
	/* Another machine: the value goes on from the state's, and wraps. */
	pm = 0xfffff0;
	pm_part->ops->rest(NULL, 0);
	pm_part->ops->load(NULL, one);
	pm_part->ops->save(NULL, two);
	CHECK(!memcmp(one, two, 16) && pm_traps == 1);
	CHECK_EQ(guest_reads(), 0x123456);
	pm = 0x10;
	CHECK(guest_reads() == 0x123476 && pm_ops->read(NULL, 1, 1) == 0x34 && pm_ops->read(NULL, 0, 2) == 0x3476);
	/* A second away, and what has passed since the moment of the rest. */
	age = 1000000000;
	pm_part->ops->rest(NULL, 0);
	pm_part->ops->save(NULL, one);
	CHECK_EQ(*(uint32_t *)(void *)(one + 4), (0x123476u - 3579545u) & 0xffffff);
	delta = 1000000000;
	age = 0;
	pm_part->ops->load(NULL, one);
	CHECK(pm_traps == 1 && guest_reads() == ((0x123476u + 3579545u) & 0xffffff));
	delta = 0;
	one[0] = 32;
	CHECK(!strcmp(pm_part->ops->bad(NULL, one), "a timer of another size"));
	one[0] = 24;
	CHECK(!pm_part->ops->bad(NULL, one));
	one[7] = 1;
	CHECK(!strcmp(pm_part->ops->bad(NULL, one), "bytes that are not in use"));
}

TEST_MAIN
