/* SPDX-License-Identifier: BSD-2-Clause */
/* The dispatcher's side of <veneer/trap.h>, for the exit handlers. */
#ifndef HV_TRAP_H
#define HV_TRAP_H

#include <veneer/trap.h>

/* Find the trap that answers at a guest-physical address or port, and the offset in it; NULL: none. */
struct trap *trap_find_mmio(uint64_t gpa, uint32_t *off);
struct trap *trap_find_pio(uint16_t port, uint32_t *off);

/* Read or write by the trap.  An access across the trap's end is cut: the rest reads as ones, and writes to it are lost. */
uint64_t trap_read(struct trap *t, uint32_t off, unsigned width);
void trap_write(struct trap *t, uint32_t off, unsigned width, uint64_t value);

/* As trap_place(), for the pages of the interrupt controllers, where no BAR may go. */
int trap_place_system(struct trap *t, uint64_t base);
/* Place a memory trap for ever at @base, for accesses that exit there; the caller keeps the nested mapping. */
void trap_place_mapped(struct trap *t, uint64_t base);

/*
 * CONFIG_STATE: keep all processors out of the guest, and all others from changing traps and nested pages, until trap_let_go();
 * this processor may change both meanwhile.  Owners may be held, trap_serial not.  Not after guest_pause(): who changes a trap
 * has the locks of these tables when it begins to wait for a pause.
 */
void trap_hold(void);
void trap_let_go(void);

/* Set the ports' intercept bitmap, which the vendor's code gives to the processor (4 KiB for 64 Ki ports, 3 pages with SVM). */
void trap_set_io_bitmap(uint8_t *bitmap);
/* Let ports without a trap exit for ever; the exit handlers know them.  No BAR may go there. */
void trap_intercept_ports(uint16_t base, unsigned n);
bool trap_port_is_fixed(uint16_t port);
/* Whether the bitmap has the processor exit at @port. */
bool trap_port_exits(uint16_t port);

#endif
