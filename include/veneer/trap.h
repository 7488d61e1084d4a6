/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guest accesses that Veneer answers itself: I/O ports and memory pages.
 *
 * A handler sees accesses of 1, 2, 4 or 8 bytes (8 for memory only) at the offset within its range, as the guest made
 * them: not split, perhaps not aligned.  An access that runs over the end of the range is cut off by the dispatcher.
 */
#ifndef VENEER_TRAP_H
#define VENEER_TRAP_H

#include <veneer/types.h>

struct trap_ops {
	uint64_t (*read)(void *ctx, uint32_t off, unsigned width);
	void (*write)(void *ctx, uint32_t off, unsigned width, uint64_t value);
	bool concurrent;	/* they do their own locking; all others are called one at a time (trap_serial) */
};

struct trap;
struct lock;

/*
 * Held around each call of handlers that are not concurrent, and around the configuration ports: chipset, interrupt
 * controllers, configuration space.  Outermost of all: handlers may take a controller's owner, and no owner takes this.
 */
extern struct lock trap_serial;

/*
 * Create a trap, disabled and nowhere.  @size for memory: a multiple of 4096; for ports: 1..65536.  NULL when the table is
 * full.  Start only; traps live for ever.
 */
struct trap *trap_new_mmio(const char *name, uint32_t size, const struct trap_ops *ops, void *ctx);
struct trap *trap_new_pio(const char *name, uint32_t size, const struct trap_ops *ops, void *ctx);

/*
 * Place the trap at @base (memory: page-aligned), or remove it.  Any time. -ERR_BUSY, and the trap is off, if the range has
 * another trap, is RAM or Veneer's, or has the page of the LAPIC or an IOAPIC.  If another trap has the range, this trap is
 * placed there once the other is removed, unless this one is placed or removed again meanwhile.
 */
int trap_place(struct trap *t, uint64_t base);
void trap_remove(struct trap *t);

#endif
