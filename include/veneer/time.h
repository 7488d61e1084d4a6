/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Time, from the TSC, calibrated once at start against the ACPI PM timer or the PIT.
 *
 * Busy waits belong to the start alone: once the guest runs, a wait longer than a few microseconds inside an exit
 * is a state machine that advances at doorbells and clock ticks (<veneer/clock.h>).
 */
#ifndef VENEER_TIME_H
#define VENEER_TIME_H

#include <veneer/types.h>

/* Calibrate, by the ACPI PM timer at port @pm_timer, or by the PIT if that is 0.  hv's start calls it. */
void time_init(uint16_t pm_timer);

/* Return the TSC cycles of @us microseconds. */
uint64_t time_cycles(uint32_t us);

/* Return the microseconds since some moment before the start.  Monotonic. */
uint64_t time_us(void);

/* Busy-wait at least @us microseconds. */
void delay_us(uint32_t us);

/*
 * Wait until @cond is true or @us microseconds have passed.  The value is true if @cond became true.  @cond is evaluated once
 * more after the deadline, so that a long SMI does not cause a false timeout.
 */
#define wait_until(cond, us) \
	({ \
		uint64_t wait_end_ = time_us() + (us); \
		bool wait_ok_; \
		while (!(wait_ok_ = (cond)) && time_us() < wait_end_) \
			delay_us(1); \
		wait_ok_ || (cond); \
	})

#endif
