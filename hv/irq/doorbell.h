/* SPDX-License-Identifier: BSD-2-Clause */
/* Doorbells: what the exit loop and the code for processors call. */
#ifndef HV_DOORBELL_H
#define HV_DOORBELL_H

#include <veneer/types.h>

void doorbell_init(void);

/*
 * Handle an NMI of this processor: poll every device that interrupts this processor.  True if the NMI is explained: a device
 * had work, another processor is polling one, a device of the guest's asserts a line shared with one of ours, or work done
 * earlier accounts for it (a credit).  False: the NMI is the guest's own.
 */
bool doorbell_ring(void);

/*
 * Ask @explains, too, about an NMI that no device explains: true if it does; call @aim_at if the boot processor, to which such
 * NMIs go, has a new APIC id.  Start only.
 */
void doorbell_also(bool (*explains)(void), void (*aim_at)(uint32_t id));

/*
 * The calling processor @cpu, which is not the boot processor and runs no guest, is about to stop taking NMIs: move its bells
 * to the boot processor.  The caller must own no device.
 */
void doorbell_leave(uint32_t cpu);

/* The calling processor @cpu has a new APIC id: aim its bells at that id.  The caller must own no device. */
void doorbell_aim(uint32_t cpu);

/* Poll every device on a pin: edges may have been lost while an input was moved. */
void doorbell_look(void);

#endif
