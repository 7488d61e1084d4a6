/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A clock without a timer of its own (docs/boot-flow.md).  While some code holds the clock, the guest's own interrupts exit
 * (SVM) or the preemption timer runs (VMX), and every registered tick is called, at most once per millisecond.  While no code
 * holds it, nothing is intercepted, and an idle guest causes no exit.
 *
 * Callable on any processor, outside NMI handlers.  Holds nest.  Ticks come on any processor, and post work for controllers.
 */
#ifndef VENEER_CLOCK_H
#define VENEER_CLOCK_H

#include <veneer/types.h>

void clock_hold(void);
void clock_release(void);

/*
 * A cheap hold of the clock, for work that mostly ends within microseconds.  Returns a byte, now 0, which the caller sets by a
 * plain store while work is in flight.  While such a byte is set, each processor that exits enters the guest again with its
 * clock running; no processor is interrupted for that, and ticks come only with the clock's own exits, so a set byte costs
 * nothing else.  The caller keeps the byte for ever.  Returns NULL after limit_reached() if all CLOCK_WATCHES are in use: one
 * for each controller that can be concealed.  Start only.
 */
#define CLOCK_WATCHES	64u
uint8_t *clock_watch(void);

/* Register @tick for ever.  Returns 0 or -ERR_NOMEM.  Start only. */
int clock_register(void (*tick)(void *ctx, uint64_t now_us), void *ctx);

#endif
