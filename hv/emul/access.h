/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest accesses to memory and ports that Veneer emulates. */
#ifndef HV_ACCESS_H
#define HV_ACCESS_H

#include "hv/cpu/vcpu.h"

/*
 * Emulate the instruction at RIP, which accessed memory that Veneer emulates (mmio.c).  False if not an instruction but the
 * delivery of an event made the access: no event can be delivered through such memory.
 */
bool exit_mmio(struct vcpu *v, const struct vmexit *x);

/* A port access by IN, OUT, INS, OUTS. */
void exit_pio(struct vcpu *v, const struct vmexit *x);

/* RIP behind the current instruction, from the processor or the decoder; 0 if neither knows. */
uint64_t exit_next_rip(struct vcpu *v, const struct vmexit *x);

#endif
