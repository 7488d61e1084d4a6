/* SPDX-License-Identifier: BSD-2-Clause */
/* The lines of <veneer/intx.h> as hv sees them: learned at start, delivered at the end of each exit. */
#ifndef HV_INTX_H
#define HV_INTX_H

#include <veneer/hwdev.h>

/* Where a line leads; -1: nowhere, or not known. */
struct intx_route {
	int pirq;		/* of the chipset's registers, which then say the irq */
	int irq;		/* input of the 8259s, and the I/O APIC's input of that number */
	int gsi;		/* input of an I/O APIC by another number */
};

/*
 * Make @dev assert INTx and look where it lands (intx_learn.c).  Its messages are off.  False: it cannot, or nothing was seen.
 * @quiet: inputs that Veneer has armed for others do not ring meanwhile.
 */
bool intx_experiment(struct hw_dev *dev, struct intx_route *r);

/* Start, once PCI is known. */
void intx_init(void);

/* Learn and remember the line of @dev's pin; with a log line. */
void intx_learn(struct hw_dev *dev);

/* The same for a device that rings by it: the I/O APIC's input, armed, or negative. */
int intx_borrow(struct hw_dev *dev);

/* Before the guest runs: watch what has to be watched. */
void intx_start(void);

/*
 * Before each entry: raise what is to be raised at the I/O APIC.  An interrupt of the 8259s that is for this processor is
 * acknowledged where @can_take says that it can be injected now; then its vector is in *@vector, else -1.  True when another
 * one waits until the guest can take it.
 */
bool intx_check(bool can_take, int *vector);

/*
 * None of our devices has work: does a device of the guest's assert a line by which one of ours rings?  Its interrupts are then
 * raised by the guest's virtual entries until it withdraws.
 */
bool intx_look_foreign(void);

/* REQ_INTX on this processor, in the host and without a lock. */
void intx_answer(void);

/* The guest wrote the chipset's routing registers. */
void intx_rerouted(void);

#endif
