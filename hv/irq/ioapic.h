/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The I/O APICs belong to the guest, but for the inputs by which devices without MSI ring: the hardware's entry of such an
 * input sends an edge-triggered NMI, and the guest sees a virtual entry.  The global system interrupt (GSI) names an input.
 */
#ifndef HV_IOAPIC_H
#define HV_IOAPIC_H

#include <veneer/types.h>

/* 82093AA, 3.2.4 */
#define RTE_VECTOR		GENMASK(7, 0)
#define RTE_MODE		GENMASK(10, 8)
#define  RTE_MODE_LOWEST	1u
#define  RTE_MODE_NMI		4u
#define  RTE_MODE_INIT		5u
#define  RTE_MODE_EXTINT	7u
#define RTE_LOGICAL		BIT(11)
#define RTE_PENDING		BIT(12)
#define RTE_ACTIVE_LOW		BIT(13)
#define RTE_REMOTE_IRR		BIT(14)
#define RTE_LEVEL		BIT(15)
#define RTE_MASKED		BIT(16)
#define RTE_DEST		GENMASK(31, 24)	/* of the high half */

/* The guest's redirection entry. */
struct ioapic_entry {
	uint32_t low, high;
	bool real;		/* the chip's own entry, by which the chip delivers; else virtual */
};

void ioapic_init(void);
bool ioapic_has(unsigned gsi);

/* --- learning: start only --- */

/* Silence all inputs that Veneer has armed, or let them ring again. */
void ioapic_quiet(bool on);

/* Set the new APIC id of the boot processor, on which inputs ring. */
void ioapic_ring_at(uint32_t apic_id);

/* True if an input follows a line that @set raises and lowers: two edges, none between.  The input rings by NMI meanwhile. */
bool ioapic_follows(unsigned gsi, void (*set)(void *ctx, bool level), void *ctx, uint32_t patience_us);

/*
 * Make the guest's entry of this input virtual.  The chip's entry is masked, or rings this CPU by an edge-triggered NMI, active
 * low as PCI's lines are.  0 or -ERR_NOMEM.
 */
int ioapic_take(unsigned gsi, bool doorbell);
/* Give the input back to the guest, with the contents that its entry has now. */
void ioapic_release(unsigned gsi);

/* --- the guest's entries --- */

/* Trap the pages, so that the guest's entries can be read, or untrap them.  With virtual entries they stay trapped. */
void ioapic_watch(bool on);

/* Let no input send INIT, which would reset a processor past the watch on the local APIC; or allow INIT again. */
void ioapic_hold_inits(bool on);

/*
 * Note that an interrupt was sent to @c (NULL: unknown) as the guest's entry says.  If the entry is virtual, Remote IRR is set
 * until @c has ended the interrupt.  On @c itself, ioapic_answer() checks for the end, for another processor that reads the
 * entry (REQ_INTX).  Call both with trap_serial held.
 */
struct cpu;
void ioapic_sent(unsigned gsi, struct cpu *c);
void ioapic_answer(void);

/* Get the guest's entry, while watched.  False: there is no such input. */
bool ioapic_entry(unsigned gsi, struct ioapic_entry *out);

/*
 * End a level-triggered interrupt at the I/O APIC.  Its own EOI was lost, since an edge on the same vector cleared the level
 * mark in the local APIC.
 */
void ioapic_end(unsigned gsi);

/* CONFIG_STATE: make each I/O APIC, as the guest sees it, a part of <veneer/state.h>, by @add.  Start only.  0, -ERR_NOMEM. */
struct state_part;
int ioapic_keep(void (*add)(struct state_part *part));

/* True if an entry passes the 8259's interrupts on: the local APIC gets them as ExtINT. */
bool ioapic_passes_pic(void);

#endif
