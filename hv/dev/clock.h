/* SPDX-License-Identifier: BSD-2-Clause */
/* The exit loop's side of <veneer/clock.h>. */
#ifndef HV_CLOCK_H
#define HV_CLOCK_H

#include <veneer/types.h>

struct cpu;

/* Call before each entry: true if the guest's interrupts have to exit on this processor. */
bool clock_wanted(struct cpu *c);

/*
 * Call after each exit: calls the registered ticks if a millisecond has passed and the clock is held, or, after an exit of the
 * clock's own, if there is a watch.
 */
void clock_check(bool own_exit);

/* The calling processor, which does not run the guest, will call clock_check(true) all the time; or it stops doing so. */
void clock_by_poller(bool on);

#endif
