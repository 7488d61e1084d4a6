/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest's processors: how they start, what INIT, SIPI and NMIs do to them, how they wait. */
#ifndef HV_SMP_H
#define HV_SMP_H

#include "hv/cpu/cpus.h"

/* Register the counters. */
void smp_init(void);

/*
 * Start the other processors (ap.c), each with virtualization on and parked until the guest sends its SIPI.  Before the guest
 * is loaded, since a page below 1 MiB is borrowed.  Each calls @run, which does not return.  smp_unused_cpu(): there is one
 * that is not ours, which must get no INIT.
 */
struct boot_info;
void smp_start(const struct boot_info *b, void (*run)(void));
void smp_unused_cpu(void);

/*
 * Watch the guest's start-up requests, before it runs: emulated here (ipi.c), real ones would start processors outside Veneer.
 * Once all that the guest may have run, the watch ends where a later INIT is safe or the configuration takes the risk.
 * 0 or -ERR_NOMEM.
 */
int smp_watch(void);

/* EXIT_INIT. */
void smp_real_init(struct cpu *c);

/* Carry out what others want of this processor; does not return before it is to run the guest. */
void smp_serve(struct cpu *c);

/* This processor took an NMI: another's poke, a doorbell, or the guest's own, which it then gets. */
void smp_nmi(struct cpu *c);

/*
 * Of this processor, which runs no guest now: learn its APIC id anew, which the guest can write, and aim at the new one what
 * rings here.  Not as an owner of a device.
 */
void smp_look_at_id(struct cpu *c);

/* NMIs that were on their way to this processor may have been lost: what they were for is looked for. */
void smp_nmis_lost(struct cpu *c);

#endif
