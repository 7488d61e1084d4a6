/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parts of the report on a dead guest.  All data are the guest's and may be garbage: each read goes through
 * guest_read_linear() or guest_walk(), each loop has a bound.
 */
#ifndef HV_CRASH_H
#define HV_CRASH_H

#include "hv/exit/exit.h"
#include "hv/emul/walk.h"

/* Print the whole report. */
void crash_report(const struct vcpu_regs *r, const struct vcpu_event *e);

/* Return the word size of @r's mode in bytes: 8 in 64-bit code, 4 in 32-bit code, else 2. */
unsigned crash_word(const struct vcpu_regs *r);

/* " name+0x12" for an address in the kernel, "" elsewhere.  @ret: it is a return address, so the call lies before it. */
#define CRASH_PLACE_MAX	80u
const char *crash_place(uint64_t addr, bool ret, char *buf);

/* Print the segment registers with the descriptors that they name; print the page walk of CR2. */
void crash_segments(const struct vcpu_regs *r);
void crash_walk(const struct vcpu_regs *r);

/* Print the event that was delivered last (@e, from the processor), and why its delivery and #DF's failed. */
void crash_delivery(const struct vcpu_regs *r, const struct vcpu_event *e);

#endif
