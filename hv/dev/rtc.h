/* SPDX-License-Identifier: BSD-2-Clause */
/* The RTC, which is the guest's: its state, and the watch for what cannot be read back (CONFIG_STATE, veneer,state). */
#ifndef HV_RTC_H
#define HV_RTC_H

/* Watch the ports until the power-off, and make the RTC a part of <veneer/state.h>, by @add.  Start only. */
struct state_part;
void rtc_keep(void (*add)(struct state_part *part));

#endif
