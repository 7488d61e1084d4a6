/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state of the ACPI PM timer, which cannot be written: once a load has brought another value, its port stays trapped,
 * and the guest reads the chip's value with an offset.  Until then the port is the guest's.
 */
#include <veneer/counters.h>
#include <veneer/io.h>
#include <veneer/log.h>
#include <veneer/state.h>
#include <veneer/time.h>
#include <veneer/trap.h>
#include "hv/dev/acpi.h"
#include "hv/dev/pmtimer.h"
#include "hv/dev/ports.h"
#include "hv/dev/trap.h"
#include "hv/state/state.h"

#define HZ	3579545u

/* The section's data: plain. */
struct pmtimer_image {
	uint32_t bits;			/* 24 or 32 */
	uint32_t value;			/* at the rest */
	uint64_t zero;
};

static struct trap *trap;
static uint32_t offset;			/* what the guest reads more than the chip has */
static uint32_t at_rest, offset_at_rest;
static bool trapped;
static uint64_t cnt_accesses;

static uint32_t mask(void)
{
	return acpi.pm_timer_32bit ? ~0u : 0xffffffu;
}

static uint64_t pm_read(void *ctx, uint32_t off, unsigned width)
{
	(void)ctx;
	cnt_accesses++;
	return ((pio_read32(acpi.pm_timer) + offset) & mask()) >> (8 * off) & (width == 4 ? ~0u : BIT(8 * width) - 1);
}

static void pm_write(void *ctx, uint32_t off, unsigned width, uint64_t v)
{
	(void)ctx;
	port_out((uint16_t)(acpi.pm_timer + off), width, (uint32_t)v);
}

static const struct trap_ops trap_ops = { pm_read, pm_write };

static uint32_t clocks(uint64_t cycles)
{
	uint64_t hz = time_cycles(1000000);

	return (uint32_t)(cycles / hz * HZ + cycles % hz * HZ / hz);
}

/* The value at the moment to which the TSC refers, too. */
static void part_rest(void *ctx, uint32_t us)
{
	(void)ctx, (void)us;
	offset_at_rest = offset;
	at_rest = pio_read32(acpi.pm_timer) + offset - clocks(state_age());
}

static void part_go_on(void *ctx) { (void)ctx; }

static void part_save(void *ctx, void *to)
{
	uint32_t moved = offset - offset_at_rest - clocks(state_delta());

	(void)ctx;
	*(struct pmtimer_image *)to = (struct pmtimer_image){
		.bits = acpi.pm_timer_32bit ? 32 : 24, .value = (at_rest + moved) & mask(),
	};
}

static const char *part_bad(void *ctx, const void *from)
{
	const struct pmtimer_image *in = from;

	(void)ctx;
	if (in->bits != (acpi.pm_timer_32bit ? 32u : 24u))
		return "a timer of another size";
	return (in->value & ~mask()) || in->zero ? "bytes that are not in use" : NULL;
}

static void part_load(void *ctx, const void *from)
{
	const struct pmtimer_image *in = from;

	(void)ctx;
	offset = (offset_at_rest + in->value - at_rest + clocks(state_delta())) & mask();
	if (!offset || trapped)
		return;
	trapped = true;
	if (!trap || trap_place_system(trap, acpi.pm_timer))
		log_err("pmtimer: cannot be watched: its value jumps");
}

static void part_scribble(void *ctx)
{
	(void)ctx;
	offset ^= 0x5a5a;
}

static const struct state_ops ops = {
	.rest = part_rest, .save = part_save, .bad = part_bad, .load = part_load, .go_on = part_go_on,
	.scribble = IS_ENABLED(CONFIG_STATE_TEST) ? part_scribble : NULL,
};

void pmtimer_keep(void (*add)(struct state_part *part))
{
	static struct state_part part = { .name = "pmtimer", .version = 1, .size = sizeof(struct pmtimer_image), .ops = &ops };

	if (!acpi.pm_timer)
		return;
	trap = trap_new_pio("pmtimer", 4, &trap_ops, NULL);
	counter_register("pmtimer", "accesses", &cnt_accesses);
	add(&part);
}
