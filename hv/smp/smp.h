/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest's processors: how they start, what INIT, SIPI and NMIs do to them, how they wait. */
#ifndef HV_SMP_H
#define HV_SMP_H

#include "hv/cpu/cpus.h"

/* Register the counters. */
void smp_init(void);

/*
 * Start the other processors (ap.c), each with virtualization on and parked until the guest sends its SIPI.  Call before the
 * guest is loaded, since the start borrows a page below 1 MiB.  Each processor calls @run, which does not return.
 * smp_unused_cpu(): there is a processor that is not Veneer's, and must get no INIT.
 */
struct boot_info;
void smp_start(const struct boot_info *b, void (*run)(void));
void smp_unused_cpu(void);

/*
 * The same if the firmware stays and becomes the guest: the processors stay the firmware's, which hands over one after another
 * while the boot processor is in the guest already.  smp_expect(): make what they need.  0 or -ERR_NOMEM.  smp_adopt(): the
 * next processor that comes by ap_entry64 is the one with this APIC id, and gets the state of @state, which it calls itself;
 * -ERR_NODEV if there is no such processor, or it has come already.  smp_missing(): one has not come.
 */
int smp_expect(void (*run)(void));
int smp_adopt(uint32_t apic_id, void (*state)(struct vcpu_regs *regs));
bool smp_missing(void);

/*
 * Watch the guest's INITs and SIPIs.  They are emulated (ipi.c): real ones would start processors outside Veneer.  Once no
 * processor waits for a SIPI the watch ends if a later INIT is safe or the configuration takes the risk.  0 or -ERR_NOMEM.
 *
 * smp_watch_begin(): call before the guest runs.  If INIT is safe the watch waits for the first one: a one-processor guest on a
 * machine with several then has no exits for its local APIC.
 */
int smp_watch(void);
int smp_watch_begin(void);

/* EXIT_INIT. */
void smp_real_init(struct cpu *c);

/*
 * Set what a processor with cpu.polls does in the place of its sleep: returns false if there was nothing to do.  Also called
 * when the processor is to run the guest, or has had an INIT: it then ends its work.
 * smp_init_came(): such a processor calls it now and then; true if there is an INIT for it.
 */
void smp_on_idle(bool (*fn)(struct cpu *c));
bool smp_init_came(struct cpu *c);

/* Carry out what others request of this processor; return when it is to run the guest. */
void smp_serve(struct cpu *c);

/* Handle an NMI that this processor took: another's poke, a doorbell, or the guest's own, which the guest then gets. */
void smp_nmi(struct cpu *c);

/*
 * Read this processor's APIC id anew, which the guest can write, and aim the doorbells that ring here at the new id.  The
 * processor must not run the guest, nor own a device.
 */
void smp_look_at_id(struct cpu *c);

/* NMIs on their way to this processor may have been lost: look for their causes. */
void smp_nmis_lost(struct cpu *c);

#endif
