/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decode the instruction that caused an exit: length, operation, operands.  Pure: no guest memory, no allocation.
 *
 * The decoder knows the instructions that access a device register by a memory operand, the port instructions, and the few
 * instructions without operands that exit (their length is all a caller needs).  It rejects register-only forms, which cannot
 * cause a memory trap, and VEX, EVEX and SSE.  Opcodes are those of the SDM volume 2, appendix A.
 */
#ifndef HV_CPU_DECODE_H
#define HV_CPU_DECODE_H

#include "hv/cpu/vcpu.h"

#define INSN_MAX_LEN	15

enum cpu_mode { MODE_16, MODE_32, MODE_64 };

/* The first eight are in the order of the opcodes' bits 3-5. */
enum insn_op {
	INSN_ADD, INSN_OR, INSN_ADC, INSN_SBB, INSN_AND, INSN_SUB, INSN_XOR, INSN_CMP,
	INSN_TEST,
	INSN_MOV,			/* also MOVNTI */
	INSN_MOVZX, INSN_MOVSX,		/* also MOVSXD */
	INSN_MOVBE,
	INSN_XCHG, INSN_XADD, INSN_CMPXCHG,
	INSN_NOT, INSN_NEG, INSN_INC, INSN_DEC,
	INSN_BT, INSN_BTS, INSN_BTR, INSN_BTC,
	INSN_MOVS, INSN_STOS, INSN_LODS,
	INSN_INS, INSN_OUTS,
	INSN_IN, INSN_OUT,
	INSN_CPUID, INSN_RDMSR, INSN_WRMSR, INSN_INVD, INSN_XSETBV, INSN_VMCALL, INSN_VMMCALL, INSN_HLT,
};

/* The operand beside the memory operand (or port). */
enum insn_operand { OPERAND_NONE, OPERAND_REG, OPERAND_IMM };

#define INSN_NO_REG	0xff	/* in base, index */
#define INSN_RIP	GPR_COUNT	/* in base: relative to the next instruction */

struct insn {
	uint8_t len;
	uint8_t op;		/* enum insn_op */
	uint8_t mode;		/* enum cpu_mode it was decoded for */
	uint8_t size;		/* bytes at the memory operand or port: 1, 2, 4, 8; 0: no such operand */
	uint8_t reg_size;	/* bytes of the register operand: differs from size for MOVZX and MOVSX only */
	uint8_t addr_size;	/* 2, 4, 8 */
	bool lock, rep;		/* rep: F2 or F3; has a meaning for string operations only */
	bool reads, writes;	/* the memory operand; MOVS: the source is read, the destination written */

	/* The memory operand: seg:[base + index * scale + disp].  Strings: that of RSI, or of RDI if RSI is not used. */
	uint8_t seg;		/* enum seg, after override; in 64-bit mode overrides by CS, DS, ES, SS are ignored */
	uint8_t base, index;	/* enum gpr, INSN_NO_REG or INSN_RIP */
	uint8_t scale;		/* 1, 2, 4, 8 */
	int64_t disp;

	uint8_t operand;	/* enum insn_operand */
	bool to_reg;		/* the register operand is the destination; of CMP: the minuend */
	bool high;		/* the register operand is AH, CH, DH, BH of reg 0-3 */
	uint8_t reg;		/* enum gpr */
	int64_t imm;		/* sign-extended; of INSN_IN and INSN_OUT: the port, unsigned (with OPERAND_REG it is in DX) */
};

/* The mode that the code segment gives. */
enum cpu_mode insn_mode(const struct vcpu_regs *regs);

/*
 * Decode the instruction at @bytes, which has @nbytes (more than INSN_MAX_LEN are ignored).
 * 0; -ERR_FAULT: the instruction continues beyond @nbytes; -ERR_NOTSUP: unknown or invalid.
 * *@out is valid only after 0.
 */
int insn_decode(struct insn *out, enum cpu_mode mode, const uint8_t *bytes, unsigned nbytes);

static inline bool insn_is_string(const struct insn *insn)
{
	return insn->op >= INSN_MOVS && insn->op <= INSN_OUTS;
}

/* The operation reads or writes a port, not only memory. */
static inline bool insn_is_port(const struct insn *insn)
{
	return insn->op >= INSN_INS && insn->op <= INSN_OUT;
}

#endif
