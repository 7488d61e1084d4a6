/* SPDX-License-Identifier: BSD-2-Clause */
/* The ACPI PM timer, which is the guest's: its state (CONFIG_STATE). */
#ifndef HV_PMTIMER_H
#define HV_PMTIMER_H

/* Make the PM timer, if there is one, a part of <veneer/state.h>, by @add.  Start only. */
struct state_part;
void pmtimer_keep(void (*add)(struct state_part *part));

#endif
