/* SPDX-License-Identifier: BSD-2-Clause */
/* The PIT, which is the guest's: its state, and the watch for what cannot be read back (CONFIG_STATE, veneer,state). */
#ifndef HV_PIT_H
#define HV_PIT_H

/* Watch the ports until the power-off, and make the PIT a part of <veneer/state.h>, by @add.  Start only. */
struct state_part;
void pit_keep(void (*add)(struct state_part *part));

#endif
