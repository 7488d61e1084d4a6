/* SPDX-License-Identifier: BSD-2-Clause */
/* Doorbells as the exit loop sees them. */
#ifndef HV_DOORBELL_H
#define HV_DOORBELL_H

#include <veneer/types.h>

void doorbell_init(void);

/*
 * An NMI came to this processor: poll every device that rings here.  True when it is explained: something had work, or another
 * processor has it in hand, or a credit stood for it.  False: it is the guest's own.
 */
bool doorbell_ring(void);

/* Any device rings by an IOAPIC pin, so that the IOAPIC page and the 8259's masks must be watched. */
bool doorbell_uses_pins(void);

#endif
