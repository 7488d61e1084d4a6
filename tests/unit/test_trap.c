/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/dev/trap.c hv/mem/nested.c hv/mem/mtrr.c hv/mem/ptree.c tests/unit/host/cpu.c */
/* Traps that one processor moves while it holds all others.  Where BARs may go is tested in test_vpci.c. */
#include "host/cpu.h"
#include "host/host.h"
#include "hv/boot/bootinfo.h"
#include "hv/dev/trap.h"
#include "hv/mem/nested.h"
#include "hv/mem/paging.h"
#include "hv/mem/ptree.h"
#include "hv/mem/ram.h"

uint64_t phys_limit(void) { return 1ull << 40; }
uint64_t gmem_top(void) { return 0x80000000; }

static uint64_t nothing_read(void *ctx, uint32_t off, unsigned width) { return 0; }
static void nothing_write(void *ctx, uint32_t off, unsigned width, uint64_t v) { }
static const struct trap_ops nothing = { nothing_read, nothing_write };

/* As hv/cpu/cpus.c's, whose lock would be waited for here. */
static unsigned pauses;
static bool paused;
void guest_pause(void) { CHECK(!paused); paused = true; pauses++; }
void guest_resume(void) { CHECK(paused); paused = false; }

TEST(traps_move_while_the_guest_is_held)
{
	static const struct boot_info boot = { .self_base = 0x7000000, .self_size = 0x400000 };
	struct trap *t = trap_new_mmio("bar", 0x1000, &nothing, NULL), *u = trap_new_pio("io", 64, &nothing, NULL);

	host_cpu_reset();
	CHECK_EQ(nested_init(&boot, &pt_format_x86, false), 0);
	nested_pause_by(guest_pause, guest_resume);
	CHECK_EQ(trap_place(t, 0xfeb00000) | trap_place(u, 0xc040), 0);
	pauses = 0;
	trap_hold();
	CHECK(paused);
	CHECK_EQ(trap_place(t, 0xfeb04000) | trap_place(u, 0xc080), 0);
	trap_remove(u);
	CHECK_EQ(trap_place(u, 0xc0c0), 0);
	CHECK(nested_is_hidden(0xfeb04000) && !nested_is_hidden(0xfeb00000));
	CHECK(paused && pauses == 1);
	trap_let_go();
	CHECK(!paused);
	/* All locks are free again. */
	trap_remove(t);
	trap_remove(u);
	CHECK(!paused && pauses > 1);
	nested_pause_by(NULL, NULL);
}

TEST_MAIN
