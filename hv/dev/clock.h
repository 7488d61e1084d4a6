/* SPDX-License-Identifier: BSD-2-Clause */
/* The exit loop's side of <veneer/clock.h>. */
#ifndef HV_CLOCK_H
#define HV_CLOCK_H

#include <veneer/types.h>

struct cpu;

/* Before each entry: whether the guest's interrupts are to exit on this processor. */
bool clock_wanted(struct cpu *c);

/*
 * After each exit: call the registered ticks when a millisecond has passed and somebody holds the clock, or, if the exit was
 * the clock's own, somebody watches.
 */
void clock_check(bool own_exit);

#endif
