/* SPDX-License-Identifier: BSD-2-Clause */
/* Doorbells as the exit loop sees them. */
#ifndef HV_DOORBELL_H
#define HV_DOORBELL_H

#include <veneer/types.h>

void doorbell_init(void);

/*
 * An NMI came to this processor: poll every device that rings here.  True when it is explained: something had work, another
 * processor has it in hand, a device of the guest's asserts a line by which one of ours rings, or a credit stood for it.
 * False: it is the guest's own.
 */
bool doorbell_ring(void);

/*
 * The processor @cpu, which is the calling one and not the boot processor, is about to take no more NMIs, and runs no guest:
 * what rings there rings on the boot processor from now on.  Not as an owner.
 */
void doorbell_leave(uint32_t cpu);

/* The processor @cpu, which is the calling one, has another APIC id: what rings there is aimed anew.  Not as an owner. */
void doorbell_aim(uint32_t cpu);

/* Edges may have been lost while an input was moved: poll every device that rings by one. */
void doorbell_look(void);

#endif
