/* SPDX-License-Identifier: BSD-2-Clause */
/* hv's side of <veneer/intx.h>: learn INTx lines at the start, deliver their interrupts at the end of each exit. */
#ifndef HV_INTX_H
#define HV_INTX_H

#include <veneer/hwdev.h>

/* The inputs that a line reaches; -1: none, or not known. */
struct intx_route {
	int pirq;		/* the chipset's PIRQ register, which then gives the irq */
	int irq;		/* input of the 8259s, and the I/O APIC input with that number */
	int gsi;		/* I/O APIC input with another number */
};

/*
 * Make @dev, whose messages are off, assert INTx, and find the inputs that it reaches (intx_learn.c).  False if @dev cannot
 * assert INTx, or no input shows the assertion.  @quiet: the caller has masked the inputs that are doorbells of other devices.
 */
bool intx_experiment(struct hw_dev *dev, struct intx_route *r);

/* Start only, after the PCI scan. */
void intx_init(void);

/* Learn the line of @dev's pin, keep it, and log it. */
void intx_learn(struct hw_dev *dev);

/*
 * Learn the line of @dev's pin, which becomes @dev's doorbell.  Return the I/O APIC input, which is armed, or a negative error.
 */
int intx_borrow(struct hw_dev *dev);

/* Before the guest runs, set the traps on the interrupt controllers that are needed now. */
void intx_start(void);

/*
 * Before each entry: raise the pending interrupts of the I/O APICs.  If the 8259s have an interrupt for this processor and
 * @can_take says that one can be injected now, acknowledge it and return its vector in *@vector, else -1.  True if an interrupt
 * has to wait until the guest can take it.
 */
bool intx_check(bool can_take, int *vector);

/* False: intx_check() would return false and give no vector. */
bool intx_wants_check(void);

/*
 * Call if none of our devices has work.  True if a device of the guest's asserts a line that is a doorbell: the guest's virtual
 * entry then interrupts until the line is deasserted.
 */
bool intx_look_foreign(void);

/* Answer REQ_INTX on this processor.  Call in the host, without a lock. */
void intx_answer(void);

/* Have the next entry look at the 8259s and all lines. */
void intx_look(void);

/* Call after the guest has written to the chipset's routing registers. */
void intx_rerouted(void);

#endif
