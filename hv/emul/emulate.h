/* SPDX-License-Identifier: BSD-2-Clause */
/* What a decoded instruction does: its addresses and its effects.  Pure but for the bus that the caller brings. */
#ifndef HV_CPU_EMULATE_H
#define HV_CPU_EMULATE_H

#include "hv/emul/decode.h"

#define INSN_REP_MAX	64

/*
 * The world as the instruction sees it.  Functions return 0 or a negative error, which ends the instruction.
 * @len is 1, 2, 4 or 8; an access may cross a page.  in/out may be NULL where no port instruction can come.
 */
struct insn_bus {
	int (*read)(void *ctx, uint64_t linear, void *buf, unsigned len);
	int (*write)(void *ctx, uint64_t linear, const void *buf, unsigned len);
	int (*in)(void *ctx, uint16_t port, unsigned width, uint32_t *value);
	int (*out)(void *ctx, uint16_t port, unsigned width, uint32_t value);
	void *ctx;
	unsigned rep_max;	/* iterations of a repeated string operation in one call; 0: INSN_REP_MAX */
};

/*
 * The linear address of the memory operand, of strings the one that insn->seg and insn->base name.  With BT and its
 * kin in register form it is the address of the word that holds the bit.  Segment limits and canonical form are not
 * looked at: the processor did so before it reported the access.
 */
uint64_t insn_ea(const struct insn *insn, const struct vcpu_regs *regs);

/* String operations: seg:RSI and ES:RDI. */
uint64_t insn_ea_src(const struct insn *insn, const struct vcpu_regs *regs);
uint64_t insn_ea_dst(const struct insn *insn, const struct vcpu_regs *regs);

/* RIP behind the instruction. */
uint64_t insn_next_rip(const struct insn *insn, const struct vcpu_regs *regs);

/* The port of INSN_IN, INSN_OUT, INSN_INS, INSN_OUTS. */
uint16_t insn_port(const struct insn *insn, const struct vcpu_regs *regs);

/*
 * Do all that the instruction does, to @regs and over @bus.  Flags that the architecture leaves undefined stay as they
 * were, AF after a logical operation becomes 0.  RFLAGS.RF is cleared; a trap by RFLAGS.TF is the caller's to raise.
 *
 * A repeated string operation stops after bus->rep_max iterations; if more remain RIP stays, so that the guest executes
 * the rest.  In all other cases RIP moves behind the instruction.
 *
 * 0; -ERR_NOTSUP for instructions without memory operand or port (CPUID and so on); or what the bus returned, with
 * @regs unchanged but for the iterations that were complete.  A read-modify-write whose write failed has read, though.
 */
int insn_execute(const struct insn *insn, struct vcpu_regs *regs, const struct insn_bus *bus);

#endif
