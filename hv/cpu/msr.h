/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a guest may do to the MSRs that are not Veneer's to answer for: reads go through, writes where a list says so.  The
 * vendors have the maps by which the processor decides (svm_msr.c, vmx_msr.c).
 */
#ifndef HV_MSR_H
#define HV_MSR_H

#include <veneer/types.h>

struct msr_range { uint32_t first, last; };

/*
 * Writable on every vendor: what the processor does by them it does to the guest (power, thermal and performance states,
 * machine checks, counters, PAT, CET, x2APIC).  Ends with an empty range.
 */
extern const struct msr_range msr_open[];

/* Set or read an MSR that may not be there, or not take the value: false, and nothing has happened.  On any processor. */
bool rdmsr_safe(uint32_t msr, uint64_t *value);
bool wrmsr_safe(uint32_t msr, uint64_t value);

/* A read that exits only because no map has a bit for it. */
bool msr_read_through(uint32_t msr, uint64_t *value);

/* A write that no list allows: lost, with one line for each MSR (the first 32).  False: there is no such MSR, #GP. */
bool msr_drop(uint32_t msr, uint64_t value);

#endif
