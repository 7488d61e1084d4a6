/* SPDX-License-Identifier: BSD-2-Clause */
/* How Veneer stops: panic() of <veneer/log.h>, and the exit code for an emulator. */
#ifndef HV_PANIC_H
#define HV_PANIC_H

#include <veneer/types.h>

#define DEBUG_EXIT_CRASH	120	/* the guest died */
#define DEBUG_EXIT_PANIC	121	/* Veneer did */

/* @stop_others halts the other processors: panic() calls it before the first line.  NULL (the start): there are none. */
void panic_init(void (*stop_others)(void));

/* The I/O port of an isa-debug-exit device; 0: none. */
void debug_exit_init(uint16_t port);
void debug_exit(uint8_t value);

#endif
