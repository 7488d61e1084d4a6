/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The test of save and load that a running guest makes (CONFIG_STATE_TEST): at each Nth exit all that state_save() knows is
 * saved, scribbled over, loaded and saved again, and the guest must not notice.  Not for machines in use.
 */
#include <veneer/counters.h>
#include <veneer/lock.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include "hv/cpu/vcpu.h"
#include "hv/dev/trap.h"
#include "hv/smp/gather.h"
#include "hv/state/state.h"

#define EVERY		CONFIG_STATE_TEST_EVERY
#define PATIENCE_US	100000u

static uint8_t *one, *two;
static uint64_t size;
static uint32_t exits;
static struct lock busy;
static uint64_t cnt_loads;

void state_test_start(void)
{
	size = state_size();
	one = mem_alloc(size, 16);
	two = mem_alloc(size, 16);
	if (!one || !two)
		panic("state: no memory to test %lu bytes", size);
	counter_register("state", "loads", &cnt_loads);
}

static void in_place(void)
{
	/* Each other time requests are cut off in flight, and served again. */
	state_rest(cnt_loads & 1 ? 0 : PATIENCE_US);
	state_save(one);
	state_scribble();
	if (state_load(one, size))
		panic("state: what was saved is refused");
	state_save(two);
	for (uint64_t i = 0; i < size; i++)
		if (one[i] != two[i])
			panic("state: byte %lu differs after a load: %#x, not %#x", i, two[i], one[i]);
	cnt_loads++;
	state_go_on();
}

/* A guest that looks for devices reads the configuration space a hundred thousand times: these exits are not counted. */
static bool is_search(const struct vmexit *x)
{
	return x->kind == EXIT_PIO && (x->pio.port & ~7) == 0xcf8;
}

/*
 * Nor is what a guest does at the 8259s for each interrupt: a load interrupts for each queue, and the guest would never come to
 * the end of it before the next load.
 */
static bool is_of_interrupt(const struct vmexit *x)
{
	return x->kind == EXIT_PIO && ((x->pio.port & ~1) == 0x20 || (x->pio.port & ~1) == 0xa0);
}

void state_test(const struct vmexit *x)
{
	if (is_search(x) || is_of_interrupt(x) || __atomic_add_fetch(&exits, 1, __ATOMIC_RELAXED) % EVERY || !lock_try(&busy))
		return;
	state_gather();
	state_hold();
	trap_hold();
	in_place();
	trap_let_go();
	state_let_go();
	state_scatter();
	lock_release(&busy);
}
