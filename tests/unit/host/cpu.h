/* SPDX-License-Identifier: BSD-2-Clause */
/* The processor that hv's sources meet under the unit tests: CPUID, MSRs, and what lies around Veneer's image. */
#ifndef HOST_CPU_H
#define HOST_CPU_H

#include "hv/x86.h"

/* Set the answer for a leaf (any sub-leaf); leaves that were not set read as zeros.  Leaf 80000000h starts as 80000021h. */
void host_cpuid_set(uint32_t leaf, struct cpuid_regs r);

/* Make an MSR exist.  Access to any other fails the test, as the #GP would stop Veneer. */
void host_msr_set(uint32_t msr, uint64_t v);
uint64_t host_msr(uint32_t msr);
extern unsigned host_wrmsrs;
extern uint64_t host_cr2, host_dr6, host_xcr0;

/* Back to a processor with no MSR at all. */
void host_cpu_reset(void);

#endif
