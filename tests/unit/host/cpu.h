/* SPDX-License-Identifier: BSD-2-Clause */
/* The fake processor of the unit tests: CPUID, MSRs, and the symbols around Veneer's image. */
#ifndef HOST_CPU_H
#define HOST_CPU_H

#include "hv/x86.h"

/* Set the answer for a leaf (any sub-leaf); leaves that were not set read as zeros.  Leaf 80000000h starts as 80000021h. */
void host_cpuid_set(uint32_t leaf, struct cpuid_regs r);

/* Make an MSR exist.  Access to any other MSR fails the test, as its #GP would stop Veneer. */
void host_msr_set(uint32_t msr, uint64_t v);
uint64_t host_msr(uint32_t msr);
extern unsigned host_wrmsrs;
extern uint64_t host_cr2, host_dr6, host_xcr0;

/* Set the processor back: no MSR exists. */
void host_cpu_reset(void);

#endif
