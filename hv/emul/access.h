/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest accesses to memory and ports that Veneer carries out in the guest's place. */
#ifndef HV_ACCESS_H
#define HV_ACCESS_H

#include "hv/cpu/vcpu.h"

/*
 * Emulate the instruction at RIP, which touched memory that Veneer answers for (mmio.c).  False if it was no instruction, but
 * the delivery of an event, which can read or write nothing there.
 */
bool exit_mmio(struct vcpu *v, const struct vmexit *x);

/* A port access by IN, OUT, INS, OUTS. */
void exit_pio(struct vcpu *v, const struct vmexit *x);

/* RIP behind the current instruction: the processor's or the decoder's; 0 when neither knows. */
uint64_t exit_next_rip(struct vcpu *v, const struct vmexit *x);

#endif
