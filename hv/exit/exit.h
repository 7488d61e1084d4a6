/* SPDX-License-Identifier: BSD-2-Clause */
/* The exit loop, its counters, and the exits that have files of their own. */
#ifndef HV_EXIT_H
#define HV_EXIT_H

#include "hv/cpu/vcpu.h"

/* The end of the start, on the boot processor: drop what only the start needs, and exit_loop(). */
NORETURN void exit_run_guest(void);

/* Run the guest on this processor for ever. */
NORETURN void exit_loop(void);

/* exit handlers of their own files */
void exit_cpuid(struct vcpu *v);
bool exit_xsetbv(struct vcpu *v);

/* True if the processor accepts @value for XCR0 (SDM vol. 1, 13.3): in the host the write must not fault. */
bool xcr0_valid(uint64_t value);	/* false: #GP */
bool exit_rdmsr(struct vcpu *v);	/* false: #GP */
bool exit_wrmsr(struct vcpu *v);

/* Set this processor's offset of the guest's TSC; a deadline of the local APIC moves along. */
void exit_set_tsc_offset(struct vcpu *v, uint64_t offset);

/* The guest is dead: a report on serial and screen (docs/debugging.md), then what the configuration says. */
NORETURN void guest_crash(struct vcpu *v, const struct vmexit *x, const char *why);
/*
 * The same, if another processor does not leave the guest, whatever locks this one holds: the report is about this processor,
 * and the devices are not shut down.
 */
NORETURN void guest_crash_silent(void);
/* The state at a #DF, for the report of a triple fault that follows (the VMCB is undefined after SHUTDOWN). */
void guest_crash_remember(struct vcpu *v, const struct vmexit *x);

/* Register exit.*.  Start only: before the devices, whose counters may fill the table. */
void exit_counters(void);

extern uint64_t exit_count[EXIT_KINDS];

#endif
