/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/dev/rtc.c */
/* The RTC under Veneer's watch: index and flags; save, load, foreign states; the CMOS RAM and the time stay untouched. */
#include <string.h>
#include <veneer/counters.h>
#include <veneer/state.h>
#include <veneer/trap.h>
#include "host/host.h"
#include "hv/dev/rtc.h"
#include "hv/dev/trap.h"
#include "state_fixture.h"

static uint8_t reg[128], selected;
static unsigned updates, writes;	/* updates: so often register A shows one */

static uint64_t chip_read(void *ctx, uint32_t off, unsigned width)
{
	uint8_t r = selected & 0x7f, v = reg[r];

	CHECK_EQ(width, 1);
	if (!off)
		return 0xff;
	if (r == 0x0a && updates && updates--)
		v |= 0x80;
	if (r == 0x0c)
		reg[r] = 0;
	return v;
}

static void chip_write(void *ctx, uint32_t off, unsigned width, uint64_t v)
{
	uint8_t r = selected & 0x7f;

	CHECK_EQ(width, 1);
	if (!off) {
		selected = (uint8_t)v;
		return;
	}
	CHECK(!updates);
	writes++;
	reg[r] = (uint8_t)v;
}

static const struct host_model model = { chip_read, chip_write };

struct trap { const struct trap_ops *ops; };
static struct trap trap;
struct trap *trap_new_pio(const char *name, uint32_t size, const struct trap_ops *ops, void *ctx)
{
	CHECK(size == 2);
	trap.ops = ops;
	return &trap;
}
int trap_place_system(struct trap *t, uint64_t base) { CHECK(t == &trap && base == 0x70); return 0; }

static void out(uint16_t port, uint8_t v) { trap.ops->write(NULL, port - 0x70u, 1, v); }
static uint8_t in(uint16_t port) { return (uint8_t)trap.ops->read(NULL, port - 0x70u, 1); }

static void add(struct state_part *p) { part = p; }

static void machine(void)
{
	host_pio_model(0x70, 2, &model, NULL);
	memset(reg, 0x11, sizeof(reg));
	reg[0x0a] = 0x26;
	reg[0x0b] = 0x02;
	reg[0x0c] = 0;
	updates = 0;
	if (!part)
		rtc_keep(add);
	CHECK(!strcmp(part->name, "rtc") && part->size == 16);
	out(0x70, 0x0c);
	(void)in(0x71);
}

TEST(between_two_instructions_and_with_flags_that_were_not_read)
{
	uint8_t ram[128];

	machine();
	reg[1] = 0x59;
	reg[3] = 0x58;
	reg[5] = 0x23;
	reg[0x0a] = 0x2f;
	reg[0x0b] = 0x62;
	reg[0x0c] = 0xc0;
	out(0x70, 0x8c);
	rest();
	save();
	CHECK(selected == 0x8c && !reg[0x0c]);
	/* Another machine, in the middle of an update. */
	machine();
	memset(reg + 0x0e, 0x77, sizeof(reg) - 0x0e);
	reg[0] = 0x33;
	out(0x70, 0x05);
	rest();
	memcpy(ram, reg, sizeof(ram));
	updates = 5;
	load();
	part->ops->go_on(NULL);
	CHECK(reg[1] == 0x59 && reg[3] == 0x58 && reg[5] == 0x23 && reg[0x0a] == 0x2f && reg[0x0b] == 0x62);
	CHECK(!memcmp(ram + 0x0e, reg + 0x0e, sizeof(ram) - 0x0e) && reg[0] == 0x33 && reg[2] == 0x11);
	CHECK_EQ(selected, 0x8c);
	reg[0x0c] = 0x10;
	CHECK_EQ(in(0x71), 0xd0);
	CHECK_EQ(in(0x71), 0);
}

TEST(in_place_nothing_is_written)
{
	machine();
	out(0x70, 0x30);
	rest();
	save();
	writes = 0;
	load();
	CHECK(!writes && selected == 0x30);
	out(0x71, 0x99);
	CHECK(writes == 1 && reg[0x30] == 0x99 && in(0x71) == 0x99);
}

TEST(what_does_not_fit_is_refused)
{
	machine();
	rest();
	save();
	writes = 0;
	refused(2, 0x06, "a clock that counts in another form");
	refused(2, 0x00, "a clock that counts in another form");
	refused(1, 0xa6, "an impossible register");
	refused(3, 0x01, "bytes that are not in use");
	refused(7, 0x01, "bytes that are not in use");
	refused(15, 0x01, "bytes that are not in use");
	CHECK(!writes);
}

TEST_MAIN
