/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest accesses to memory and ports that Veneer emulates. */
#ifndef HV_ACCESS_H
#define HV_ACCESS_H

#include "hv/cpu/vcpu.h"
#include "hv/emul/decode.h"
#include "hv/emul/walk.h"

/*
 * Emulate the instruction at RIP, which accessed memory that Veneer emulates (mmio.c).  False if not an instruction but the
 * delivery of an event made the access: no event can be delivered through such memory.
 */
bool exit_mmio(struct vcpu *v, const struct vmexit *x);

/*
 * read() and write() of an instruction's bus, @ctx its struct guest_operands: RAM, the machine's registers below 4 GiB, what
 * Veneer emulates, and ones in the place of what is hidden.  0, or -ERR_FAULT.
 */
int operand_read(void *ctx, uint64_t linear, void *buf, unsigned len);
int operand_write(void *ctx, uint64_t linear, const void *buf, unsigned len);

/*
 * After insn_execute() on @r, with its result @err: keep the registers, skip the instruction or inject its fault.  The
 * completed iterations of a string operation are kept: the guest executes the rest again, and takes the fault then.  False:
 * the operand is neither memory nor a register, and nothing was injected.
 */
bool operand_result(struct vcpu *v, struct vcpu_regs *r, const struct insn *insn, const struct guest_operands *o, int err);

/* The decoded instruction at @rip is not the one that exited.  True: let the guest execute it again.  False: so it did. */
bool operand_again(uint64_t rip);

/* A port access by IN, OUT, INS, OUTS. */
void exit_pio(struct vcpu *v, const struct vmexit *x);

/* RIP behind the current instruction, from the processor or the decoder; 0 if neither knows. */
uint64_t exit_next_rip(struct vcpu *v, const struct vmexit *x);

#endif
