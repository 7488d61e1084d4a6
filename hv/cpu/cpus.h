/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Several processors: who they are, how one makes another leave the guest, and how all of them do.
 *
 * A processor is either in the guest (between smp_enter() and smp_left()) or in the host.  What one wants of another
 * it writes into requests and pokes: an NMI makes the other leave the guest, and no processor enters with a request pending.
 * So nobody waits for a processor that is in the host, whatever that spins for.
 */
#ifndef HV_CPUS_H
#define HV_CPUS_H

#include "hv/cpu/percpu.h"

/* At the very start, on the boot processor: this_cpu() works from here on.  Panics when out of memory. */
void smp_boot_cpu(void);

/* Learn the boot processor's APIC id, and pause the guest when nested tables change; once the local APIC can be read. */
void cpus_init(void);

/*
 * A write to the ICR that the guest makes on this processor, @dest as xAPIC or x2APIC mode has it.  True when it has been
 * carried out: INIT and SIPI always, and NMIs, which come without fail where they are emulated.
 */
bool ipi_guest_sends(uint32_t low, uint32_t dest, bool x2apic);

/* What follows each INIT of the guest's that is carried out here, on the processor that sent it.  No lock is held. */
void ipi_on_init(void (*fn)(void));

/* The guest's processor on which an MSI with this address lands; NULL when it is not known (yet). */
struct cpu *smp_find_target(uint32_t msi_addr);

/*
 * About to run the guest.  False when there is a request: then nothing has begun, and smp_serve() comes first.  Waits while
 * guest_pause() holds.
 */
bool smp_enter(struct cpu *c);
void smp_left(struct cpu *c);

/* Want something of @c, which may be this processor. */
void smp_request(struct cpu *c, uint32_t what);

/* Somebody began to hold the clock: processors that run the guest and do not look at its ticks start to. */
void smp_want_clock(void);

/*
 * This processor has run enough of what others posted (<veneer/owner.h>): another one that runs the guest goes on with it, or
 * this one before its next entry if there is none.
 */
void smp_hand_on(void);

/* Take back the flag of a poke: true if an NMI for it is on its way to @c or latched there. */
bool cpu_take_poke(struct cpu *c);

/* Whether all were poked a short time ago, whatever they had been poked for: an NMI that nothing explains may be that. */
bool cpu_was_poked_with_all(void);

/* What guest_pause() ends in if a processor does not leave the guest in time. */
void cpus_on_silence(void (*fn)(void));

/*
 * Make all other processors leave the guest and stay out until guest_resume(), which makes each drop what it has cached of
 * the nested tables and bitmaps.  Locks may be held.  Bounded: a processor that does not come is the end of the guest, with
 * a report.
 */
void guest_pause(void);
void guest_resume(void);

/* Veneer's own page tables have changed, before the guest runs: every processor drops what its TLB has of them.  Bounded. */
void smp_flush_host(void);

/*
 * The end: the other processors leave the guest and never come back.  Bounded; those that do not come are ignored.  What they
 * do in the host they finish first; one of them that calls this, too, stays here.  Any number of times, also from a panic.
 */
void smp_stop_others(void);

/* Descriptor tables of @c with two stacks for exceptions, and GS (idt.c).  On the processor itself. */
#define EXCEPTION_STACKS	4608u
void cpu_tables_load(struct cpu *c, uint8_t *exception_stacks);

#endif
