/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's accesses to MSRs that Veneer does not emulate: reads go through, writes only if a list allows them.  The vendors'
 * code has the maps by which the processor decides (svm_msr.c, vmx_msr.c).
 */
#ifndef HV_MSR_H
#define HV_MSR_H

#include <veneer/types.h>

struct msr_range { uint32_t first, last; };

/*
 * MSRs that a guest may write on every vendor, since a write affects only the guest (power, thermal and performance states,
 * machine checks, counters, PAT, CET, x2APIC).  Ends with an empty range.
 */
extern const struct msr_range msr_open[];

/* Set or read an MSR that may be missing, or may refuse the value: then false, and nothing has changed.  On any processor. */
bool rdmsr_safe(uint32_t msr, uint64_t *value);
bool wrmsr_safe(uint32_t msr, uint64_t value);

/* Handle a read that exits only because no map has a bit for it. */
bool msr_read_through(uint32_t msr, uint64_t *value);

/* Drop a write that no list allows, with one line for each MSR (the first 32).  False: there is no such MSR, #GP. */
bool msr_drop(uint32_t msr, uint64_t value);

#endif
