/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The list of processors; how one processor makes another, or all others, leave the guest.
 *
 * A processor is either in the guest (between smp_enter() and smp_left()) or in the host.  To make a request, a processor sets
 * a bit in the other's requests and pokes the other: an NMI makes it leave the guest, and no processor enters with a request
 * pending.  So no processor waits for one that is in the host, whatever that one spins for.
 */
#ifndef HV_CPUS_H
#define HV_CPUS_H

#include "hv/cpu/percpu.h"

/* Call at the very start, on the boot processor: from here on this_cpu() works.  Panics if out of memory. */
void smp_boot_cpu(void);

/* Read the boot processor's APIC id, and make changes of nested tables pause the guest; once the local APIC can be read. */
void cpus_init(void);

/*
 * Handle the guest's write to the ICR on this processor, @dest as xAPIC or x2APIC mode has it.  True if the write has been
 * carried out: INIT and SIPI always, and NMIs, none of which is lost if they are emulated.
 */
bool ipi_guest_sends(uint32_t low, uint32_t dest, bool x2apic);

/*
 * The watch has begun after the guest's INIT: carry out the SIPI that this processor may have sent meanwhile.  Its ICR still
 * holds that command.
 */
void ipi_look_back(void);

/* Set the function to call after each emulated INIT, on the processor that sent the INIT.  No lock is held. */
void ipi_on_init(void (*fn)(void));

/* Return the guest's processor to which an MSI with this address goes; NULL if it is not known (yet). */
struct cpu *smp_find_target(uint32_t msi_addr);

/*
 * Call before running the guest.  False if there is a request: the processor has not entered, call smp_serve() first.  Waits
 * while guest_pause() holds.
 */
bool smp_enter(struct cpu *c);
void smp_left(struct cpu *c);

/* Make a request to @c, which may be this processor. */
void smp_request(struct cpu *c, uint32_t what);

/* The clock is now held: make processors that run the guest and do not look at its ticks begin to. */
void smp_want_clock(void);

/*
 * This processor has run enough posted work (<veneer/owner.h>): another processor that runs the guest continues the work, or,
 * if there is none, this processor before its next entry.
 */
void smp_hand_on(void);

/* Take back the flag of a poke: true if an NMI for it is on its way to @c or latched there. */
bool cpu_take_poke(struct cpu *c);

/* True if all were poked a short time ago, for any reason: an NMI without a cause may be this poke. */
bool cpu_was_poked_with_all(void);

/* Set the function that guest_pause() calls if a processor does not leave the guest in time. */
void cpus_on_silence(void (*fn)(void));

/*
 * Make all other processors leave the guest and stay out until guest_resume(), which makes each flush what it has cached of
 * the nested tables and bitmaps.  Locks may be held.  Bounded: if a processor does not leave, the guest ends with a report.
 */
void guest_pause(void);
void guest_resume(void);

/* With CONFIG_GHOST guest_resume() first calls @fn, after the change and while no processor runs the guest. */
void guest_on_change(void (*fn)(void));

/* After a change of Veneer's own page tables, before the guest runs: flush every processor's TLB.  Bounded. */
void smp_flush_host(void);

/*
 * Make the other processors leave the guest for ever.  Bounded; a processor that does not leave is ignored.  The others first
 * finish what they do in the host; if one of them calls this function, too, it stays here.  May be called any number of times,
 * also from a panic.
 */
void smp_stop_others(void);

/*
 * For a processor that drives devices without running the guest: call before each round of it, and with false after the last.
 * Does not return if another processor has stopped this one; smp_stop_others() waits for the end of the round.
 */
void smp_round(bool begins);

/* Load the descriptor tables of @c, with two stacks for exceptions, and GS (idt.c).  Call on the processor itself. */
#define EXCEPTION_STACKS	4608u
void cpu_tables_load(struct cpu *c, uint8_t *exception_stacks);

#endif
