/* SPDX-License-Identifier: BSD-2-Clause */
/* The section of a processor's local APIC (docs/state-format.md), and its part of <veneer/state.h> (CONFIG_STATE). */
#ifndef HV_SMP_LAPIC_STATE_H
#define HV_SMP_LAPIC_STATE_H

#include <veneer/types.h>

#define LAPIC_IMAGE_VERSION	1u
#define LAPIC_LVTS		7u

/* lapic_image.mode */
#define LAPIC_IMAGE_RESET	0u	/* its processor waits for a real SIPI, and all else is 0 */
#define LAPIC_IMAGE_OFF		1u	/* by IA32_APIC_BASE; all else is 0 */
#define LAPIC_IMAGE_XAPIC	2u
#define LAPIC_IMAGE_X2APIC	3u

/* Plain data. */
struct lapic_image {
	uint32_t mode;
	uint32_t last_lvt;		/* as the version register has it */
	uint32_t svr, tpr;
	uint32_t ldr, dfr, icr_high;	/* x2APIC: 0 */
	uint32_t divide, initial;	/* of the timer */
	uint32_t lvt[LAPIC_LVTS];	/* by the table in lapic_state.c */
	uint32_t isr[8], irr[8];
	uint32_t rate;			/* counts at a divisor of 1 in 2^24 cycles of the TSC */
	uint32_t zero;
	uint64_t left;			/* counts to the timer's next expiry at the rest; 0: it does not count */
	uint64_t deadline;		/* in the guest's TSC; 0: none */
};

/*
 * Make each processor's local APIC a part, by @add; after the processors, whose TSC comes first, and before what sends
 * interrupts.  Measures the timer of the calling processor, for some milliseconds.  Start only.  0, -ERR_NOMEM.
 */
struct state_part;
int lapics_keep(void (*add)(struct state_part *part));

/*
 * Call before each entry: true if the guest's interrupts have to exit on this processor, since a periodic timer counts down
 * what was left of a period.  After that the whole period is set here.
 */
struct cpu;
bool lapic_state_waits(const struct cpu *c);

/* @c, which calls this, has taken NMIs during a gathering, and no exit will tell. */
void lapic_state_nmis(struct cpu *c);

/*
 * Call between exits, outside of a gathering: look after NMIs that came during a gathering, or were lost while a load changed
 * the APIC's mode.
 */
void lapic_state_settle(struct cpu *c);

#endif
