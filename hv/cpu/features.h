/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The CPUID facts for Veneer's own decisions while the guest runs, as they were at the start: a guest, or firmware for it, may
 * find an MSR that changes a processor's CPUID.  The guest itself reads the processor's CPUID of the moment.
 */
#ifndef HV_FEATURES_H
#define HV_FEATURES_H

#include <veneer/types.h>

struct cpu_features {
	uint64_t efer;		/* bits of EFER that may be 1, without SVME */
	uint64_t xcr0;		/* bits of XCR0 that may be 1 */
	bool deadline;		/* the local APIC's timer has TSC deadlines */
	bool x2apic;
	bool pmi_masks;		/* Intel's silicon: an NMI of the performance counters masks their entry, a status says which */
	bool hypervisor;	/* another hypervisor or an emulator is underneath */
};

extern struct cpu_features features;

/* Call on the boot processor, before virtualization is switched on. */
void features_init(void);

#endif
