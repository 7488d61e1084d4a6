/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The clock that needs no timer of its own (docs/boot-flow.md): while anybody holds it, the guest's own interrupts exit
 * (SVM) or the preemption timer runs (VMX), and every registered tick is called, at most once a millisecond.
 * With nobody holding it nothing is intercepted and an idle guest causes no exit.
 *
 * Any processor, outside NMI handlers.  Holds nest; ticks come on any processor, and post what they want of a controller.
 */
#ifndef VENEER_CLOCK_H
#define VENEER_CLOCK_H

#include <veneer/types.h>

void clock_hold(void);
void clock_release(void);

/*
 * The quiet way to hold the clock, for work that mostly ends by itself within microseconds: a byte, 0 now, that its owner sets
 * while something is under way, with a plain store.  While one is set each processor that exits enters the guest again with its
 * clock running; none is called for it, and ticks come with the clock's own exits only, so that a set byte costs nothing but
 * those.  The byte is the caller's for ever.  NULL after limit_reached() if all CLOCK_WATCHES are given away.  Start only.
 */
#define CLOCK_WATCHES	16u
uint8_t *clock_watch(void);

/* @tick is called for ever; 0 or -ERR_NOMEM.  Start only. */
int clock_register(void (*tick)(void *ctx, uint64_t now_us), void *ctx);

#endif
