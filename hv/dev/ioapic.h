/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The IOAPIC belongs to the guest, but for the pins by which devices without MSI ring.  Such a pin is an edge-triggered NMI in
 * the hardware, and an ordinary entry in the view that the guest gets; the 8259's line of the device stays masked.
 */
#ifndef HV_IOAPIC_H
#define HV_IOAPIC_H

#include <veneer/hwdev.h>

void ioapic_init(void);

/* Find out where @dev's INTx lands, by asserting it, and borrow that pin.  The GSI, or negative.  Start only. */
int ioapic_learn_pin(struct hw_dev *dev);

/* Watch the IOAPIC pages and the 8259 when a pin is borrowed.  Before the guest runs. */
void ioapic_watch(void);

/*
 * A ring that none of our devices explains: when a pin is borrowed it may be of a device of the guest's on the same line. Its
 * virtual entry is then delivered.  True when it was.
 */
bool ioapic_forward_shared(void);

#endif
