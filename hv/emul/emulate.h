/* SPDX-License-Identifier: BSD-2-Clause */
/* Execute a decoded instruction: its addresses and its effects.  Pure except for the caller's bus. */
#ifndef HV_CPU_EMULATE_H
#define HV_CPU_EMULATE_H

#include "hv/emul/decode.h"

#define INSN_REP_MAX	64

/*
 * The instruction's access to memory and ports.  The functions return 0, or a negative error, which ends the instruction.
 * @len is 1, 2, 4 or 8; an access may cross a page.  in/out may be NULL if no port instruction can come.
 */
struct insn_bus {
	int (*read)(void *ctx, uint64_t linear, void *buf, unsigned len);
	int (*write)(void *ctx, uint64_t linear, const void *buf, unsigned len);
	/* Check a memory operand before any access is made: 0, or an error.  NULL: read() and write() are the only checks. */
	int (*check)(void *ctx, uint64_t linear, unsigned len, bool write);
	int (*in)(void *ctx, uint16_t port, unsigned width, uint32_t *value);
	int (*out)(void *ctx, uint16_t port, unsigned width, uint32_t value);
	void *ctx;
	unsigned rep_max;	/* iterations of a repeated string operation in one call; 0: INSN_REP_MAX */
};

/*
 * The linear address of the memory operand; for strings, of the operand that insn->seg and insn->base name; for BT, BTS, BTR
 * and BTC with a bit offset in a register, of the word that holds the bit.  See insn_fault() for limits and canonical form.
 */
uint64_t insn_ea(const struct insn *insn, const struct vcpu_regs *regs);

/* String operations: seg:RSI and ES:RDI. */
uint64_t insn_ea_src(const struct insn *insn, const struct vcpu_regs *regs);
uint64_t insn_ea_dst(const struct insn *insn, const struct vcpu_regs *regs);

/*
 * Check the memory operands as the processor does before it translates them: segment present, type, limit, canonical form.  The
 * processor has checked the operand that it reported, but not the other operand of MOVS, not those of INS and OUTS, and not
 * those of later iterations; and another processor may have rewritten the instruction since.  Returns VCPU_EVENT_GP or
 * VCPU_EVENT_SS, both with error code 0, or 0.
 */
uint8_t insn_fault(const struct insn *insn, const struct vcpu_regs *regs);

/* The value of the operand beside the memory operand, register or immediate: what an INSN_MOV to memory stores. */
uint64_t insn_source(const struct insn *insn, const struct vcpu_regs *regs);

/* RIP behind the instruction. */
uint64_t insn_next_rip(const struct insn *insn, const struct vcpu_regs *regs);

/* The port of INSN_IN, INSN_OUT, INSN_INS, INSN_OUTS. */
uint16_t insn_port(const struct insn *insn, const struct vcpu_regs *regs);

/*
 * Execute the instruction on @regs and @bus.  Flags that the architecture leaves undefined keep their values; AF becomes 0
 * after a logical operation.  RFLAGS.RF is cleared; the caller raises the trap of RFLAGS.TF.
 *
 * A repeated string operation stops after bus->rep_max iterations; if more remain, RIP stays, so that the guest executes
 * the rest.  Otherwise RIP moves behind the instruction.
 *
 * 0; -ERR_NOTSUP for instructions without memory operand or port (CPUID and so on); -ERR_FAULT if insn_fault() of the present
 * @regs is not 0; or the error of the bus, with @regs unchanged except for completed iterations.  All operands of an
 * iteration pass bus->check() before the first access, so that an access with side effects is not made twice.
 */
int insn_execute(const struct insn *insn, struct vcpu_regs *regs, const struct insn_bus *bus);

#endif
