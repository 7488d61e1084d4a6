/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state of the RTC (MC146818 and its successors): the index register, which cannot be read, rate, interrupts and alarm.
 * Not the time, which is right in every machine, and never the CMOS RAM, which is the machine's firmware's.
 *
 * Reading register C clears its flags, and the interrupt line falls.  The rest reads it, and Veneer gives the flags to the
 * guest at its next read.  The interrupt itself is in the state of the 8259s, which come to rest before and so have seen the
 * line, or of the local APIC.
 */
#include <veneer/counters.h>
#include <veneer/io.h>
#include <veneer/log.h>
#include <veneer/state.h>
#include <veneer/string.h>
#include <veneer/time.h>
#include <veneer/trap.h>
#include "hv/dev/rtc.h"
#include "hv/dev/trap.h"

#define INDEX		0x70u
#define  NO_NMI		BIT(7)
#define DATA		0x71u
#define ALARM(n)	((uint8_t)(1 + 2 * (n)))	/* seconds, minutes, hours */
#define ALARMS		3u
#define REG_A		0x0au
#define  UPDATES	BIT(7)		/* read-only: the time changes now or soon */
#define  UPDATE_US	3000u		/* an update takes 2.2 ms */
#define REG_B		0x0bu
#define  FORM		(BIT(2) | BIT(1))	/* binary; 24 hours */
#define REG_C		0x0cu
#define  FLAGS		GENMASK(7, 4)

/* The section's data: plain. */
struct rtc_image {
	uint8_t selected;		/* as written: NO_NMI, too */
	uint8_t a, b;
	uint8_t flags;			/* of register C, which the guest has not read yet */
	uint8_t alarm[ALARMS];
	uint8_t zero[9];
};

static uint8_t selected, flags;
static uint64_t cnt_accesses;

/* --- the chip; the guest's index and its NMI bit stay --- */

static uint8_t rtc_read(uint8_t reg)
{
	uint8_t v;

	pio_write8(INDEX, reg | (selected & NO_NMI));
	v = pio_read8(DATA);
	pio_write8(INDEX, selected);
	return v;
}

static void rtc_write(uint8_t reg, uint8_t v)
{
	pio_write8(INDEX, reg | (selected & NO_NMI));
	pio_write8(DATA, v);
	pio_write8(INDEX, selected);
}

static void put(uint8_t reg, uint8_t v)
{
	static bool said;

	if (rtc_read(reg) == v)
		return;
	if (!wait_until(!(rtc_read(REG_A) & UPDATES), UPDATE_US))
		log_err_once(said, "rtc: an update does not end: register A %#x", rtc_read(REG_A));
	rtc_write(reg, v);
}

/* --- the guest's accesses --- */

static uint8_t read_byte(uint32_t off)
{
	uint8_t v = pio_read8((uint16_t)(INDEX + off));

	if (off && (selected & ~NO_NMI) == REG_C) {
		v |= flags;
		flags = 0;
	}
	return v;
}

static void write_byte(uint32_t off, uint8_t v)
{
	if (!off)
		selected = v;
	pio_write8((uint16_t)(INDEX + off), v);
}

/* A wider access is one to each port: ISA has 8 bits here. */
static uint64_t ports_read(void *ctx, uint32_t off, unsigned width)
{
	uint64_t v = 0;

	(void)ctx;
	cnt_accesses++;
	for (unsigned i = 0; i < width; i++)
		v |= (uint64_t)(off + i < 2 ? read_byte(off + i) : 0xff) << (8 * i);
	return v;
}

static void ports_write(void *ctx, uint32_t off, unsigned width, uint64_t value)
{
	(void)ctx;
	cnt_accesses++;
	for (unsigned i = 0; i < width && off + i < 2; i++)
		write_byte(off + i, (uint8_t)(value >> (8 * i)));
}

static const struct trap_ops trap_ops = { ports_read, ports_write };

/* --- save and load --- */

static void part_rest(void *ctx, uint32_t us)
{
	(void)ctx, (void)us;
	flags |= rtc_read(REG_C) & FLAGS;
}

static void part_go_on(void *ctx) { (void)ctx; }

static void part_save(void *ctx, void *to)
{
	struct rtc_image *out = to;

	(void)ctx;
	*out = (struct rtc_image){
		.selected = selected, .flags = flags, .a = rtc_read(REG_A) & (uint8_t)~UPDATES, .b = rtc_read(REG_B),
	};
	for (unsigned n = 0; n < ALARMS; n++)
		out->alarm[n] = rtc_read(ALARM(n));
}

static const char *part_bad(void *ctx, const void *from)
{
	const struct rtc_image *in = from;

	(void)ctx;
	/* The machine's own time would be read wrongly. */
	if ((in->b ^ rtc_read(REG_B)) & FORM)
		return "a clock that counts in another form";
	if (in->a & UPDATES)
		return "an impossible register";
	return (in->flags & ~FLAGS) || !all_zero(in->zero, sizeof(in->zero)) ? "bytes that are not in use" : NULL;
}

/* B last: it allows the interrupts. */
static void part_load(void *ctx, const void *from)
{
	const struct rtc_image *in = from;

	(void)ctx;
	for (unsigned n = 0; n < ALARMS; n++)
		put(ALARM(n), in->alarm[n]);
	if ((rtc_read(REG_A) & (uint8_t)~UPDATES) != in->a)
		put(REG_A, in->a);
	put(REG_B, in->b);
	flags = in->flags;
	selected = in->selected;
	pio_write8(INDEX, selected);
}

/* For the test: what loses no interrupt. */
static void part_scribble(void *ctx)
{
	(void)ctx;
	flags ^= FLAGS;
	selected ^= 0x5a;
	pio_write8(INDEX, selected);
}

static const struct state_ops ops = {
	.rest = part_rest, .save = part_save, .bad = part_bad, .load = part_load, .go_on = part_go_on,
	.scribble = IS_ENABLED(CONFIG_STATE_TEST) ? part_scribble : NULL,
};

void rtc_keep(void (*add)(struct state_part *part))
{
	static struct state_part part = { .name = "rtc", .version = 1, .size = sizeof(struct rtc_image), .ops = &ops };
	struct trap *t = trap_new_pio("rtc", 2, &trap_ops, NULL);

	counter_register("rtc", "accesses", &cnt_accesses);
	if (!t || trap_place_system(t, INDEX))
		log_err("rtc: cannot be watched");
	add(&part);
}
