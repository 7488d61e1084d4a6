/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The I/O APICs belong to the guest, but for inputs by which devices without MSI ring: there the hardware has an edge-triggered
 * NMI, and the guest sees a virtual entry.  Inputs are named by their global system interrupt (GSI).
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
	bool real;		/* it is the chip's, which delivers by it, too; else virtual */
};

void ioapic_init(void);
bool ioapic_has(unsigned gsi);

/* --- learning: start only --- */

/* No input that Veneer has armed rings, or they do again. */
void ioapic_quiet(bool on);

/* The boot processor, on which inputs ring, has another APIC id. */
void ioapic_ring_at(uint32_t apic_id);

/* Whether an input follows a line that @set raises and lowers: two edges, none between. It rings by NMI meanwhile. */
bool ioapic_follows(unsigned gsi, void (*set)(void *ctx, bool level), void *ctx, uint32_t patience_us);

/*
 * From now on the guest's entry of this input is virtual; in the chip it is masked, or rings this CPU by an edge-triggered NMI,
 * active low as PCI's lines are.  0 or -ERR_NOMEM.
 */
int ioapic_take(unsigned gsi, bool doorbell);
/* The input is the guest's again, with what its entry says now. */
void ioapic_release(unsigned gsi);

/* --- the guest's entries --- */

/* Trap the pages, so that the entries can be read, or not.  With virtual entries they stay trapped. */
void ioapic_watch(bool on);

/* Let no input send INIT, by which a processor would be reset past the watch on the local APIC; or again. */
void ioapic_hold_inits(bool on);

/*
 * An interrupt went out to @c (NULL: nobody knows to which) as the guest's entry says.  Where that is virtual, Remote IRR is
 * set until @c has ended it.  On @c itself ioapic_answer() looks whether it has, for another processor that reads the entry
 * (REQ_INTX).  Both with trap_serial held.
 */
struct cpu;
void ioapic_sent(unsigned gsi, struct cpu *c);
void ioapic_answer(void);

/* The guest's entry, while watched.  False: there is no such input. */
bool ioapic_entry(unsigned gsi, struct ioapic_entry *out);

/*
 * A level-triggered interrupt of the chip's lost its end, since an edge on the same vector cleared the mark in the local
 * APIC: end it at the I/O APIC.
 */
void ioapic_end(unsigned gsi);

/* An entry passes the 8259's interrupts on: the local APIC gets them as ExtINT. */
bool ioapic_passes_pic(void);

#endif
