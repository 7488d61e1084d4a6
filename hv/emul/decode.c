/* SPDX-License-Identifier: BSD-2-Clause */
/* Decodes one instruction: length, operands, operation.  It reads no guest state and executes nothing. */
#include "hv/emul/decode.h"
#include <veneer/err.h>
#include <veneer/string.h>

enum form {
	FORM_UNKNOWN,
	FORM_MR,		/* memory, register */
	FORM_RM,		/* register, memory */
	FORM_MI,		/* memory, immediate */
	FORM_M,			/* memory only */
	FORM_GROUP,		/* ModRM bits 3-5 choose within group[op] */
	FORM_ACC_MOFFS,		/* accumulator, absolute address */
	FORM_MOFFS_ACC,
	FORM_STRING,
	FORM_PORT_IMM, FORM_PORT_DX,
	FORM_PLAIN,		/* no operands that matter */
};

#define F_BYTE		BIT(0)	/* the operand is a byte */
#define F_IMM8		BIT(1)	/* the immediate is a byte whatever the operand size */
#define F_MEM8		BIT(2)	/* only the memory operand has this size */
#define F_MEM16		BIT(3)
#define F_MEM32		BIT(4)
#define F_NO_PREFIX	BIT(5)	/* another instruction, or none, with 66, F2 or F3 */
#define F_NO_REP	BIT(6)	/* another one, or none, with F2 or F3 */
#define F_NO_16		BIT(7)	/* no 16-bit form that all vendors agree on */
#define F_MIN32		BIT(8)	/* 32-bit operands also in 16-bit mode */

struct opcode {
	uint8_t op, form;
	uint16_t flags;
};

enum group { GROUP_1, GROUP_3, GROUP_5, GROUP_8, GROUP_11 };

static const struct opcode groups[][8] = {
	[GROUP_1] = { { INSN_ADD, FORM_MI }, { INSN_OR, FORM_MI }, { INSN_ADC, FORM_MI }, { INSN_SBB, FORM_MI },
		      { INSN_AND, FORM_MI }, { INSN_SUB, FORM_MI }, { INSN_XOR, FORM_MI }, { INSN_CMP, FORM_MI } },
	[GROUP_3] = { [0] = { INSN_TEST, FORM_MI }, [2] = { INSN_NOT, FORM_M }, [3] = { INSN_NEG, FORM_M } },
	[GROUP_5] = { [0] = { INSN_INC, FORM_M }, [1] = { INSN_DEC, FORM_M } },
	[GROUP_8] = { [4] = { INSN_BT, FORM_MI }, [5] = { INSN_BTS, FORM_MI },
		      [6] = { INSN_BTR, FORM_MI }, [7] = { INSN_BTC, FORM_MI } },
	[GROUP_11] = { [0] = { INSN_MOV, FORM_MI } },
};

/* Two opcodes, for bytes and for the operand size. */
#define PAIR(n, op, form)	[n] = { op, form, F_BYTE }, [(n) + 1] = { op, form }
#define ALU(n, op)		PAIR(n, op, FORM_MR), PAIR((n) + 2, op, FORM_RM)

static const struct opcode one_byte[256] = {
	ALU(0x00, INSN_ADD), ALU(0x08, INSN_OR), ALU(0x10, INSN_ADC), ALU(0x18, INSN_SBB),
	ALU(0x20, INSN_AND), ALU(0x28, INSN_SUB), ALU(0x30, INSN_XOR), ALU(0x38, INSN_CMP),
	[0x63] = { INSN_MOVSX, FORM_RM, F_MEM32 | F_NO_16 },	/* in 64-bit mode only: see find_opcode() */
	PAIR(0x6c, INSN_INS, FORM_STRING),
	PAIR(0x6e, INSN_OUTS, FORM_STRING),
	PAIR(0x80, GROUP_1, FORM_GROUP),
	[0x83] = { GROUP_1, FORM_GROUP, F_IMM8 },
	PAIR(0x84, INSN_TEST, FORM_MR),
	PAIR(0x86, INSN_XCHG, FORM_MR),
	PAIR(0x88, INSN_MOV, FORM_MR),
	PAIR(0x8a, INSN_MOV, FORM_RM),
	PAIR(0xa0, INSN_MOV, FORM_ACC_MOFFS),
	PAIR(0xa2, INSN_MOV, FORM_MOFFS_ACC),
	PAIR(0xa4, INSN_MOVS, FORM_STRING),
	PAIR(0xaa, INSN_STOS, FORM_STRING),
	PAIR(0xac, INSN_LODS, FORM_STRING),
	PAIR(0xc6, GROUP_11, FORM_GROUP),
	PAIR(0xe4, INSN_IN, FORM_PORT_IMM),
	PAIR(0xe6, INSN_OUT, FORM_PORT_IMM),
	PAIR(0xec, INSN_IN, FORM_PORT_DX),
	PAIR(0xee, INSN_OUT, FORM_PORT_DX),
	[0xf4] = { INSN_HLT, FORM_PLAIN },
	PAIR(0xf6, GROUP_3, FORM_GROUP),
	PAIR(0xfe, GROUP_5, FORM_GROUP),
};

static const struct opcode map_0f[256] = {
	[0x08] = { INSN_INVD, FORM_PLAIN },
	[0x30] = { INSN_WRMSR, FORM_PLAIN },
	[0x32] = { INSN_RDMSR, FORM_PLAIN },
	[0xa2] = { INSN_CPUID, FORM_PLAIN },
	[0xa3] = { INSN_BT, FORM_MR },
	[0xab] = { INSN_BTS, FORM_MR },
	[0xb3] = { INSN_BTR, FORM_MR },
	[0xbb] = { INSN_BTC, FORM_MR },
	[0xba] = { GROUP_8, FORM_GROUP, F_IMM8 },
	PAIR(0xb0, INSN_CMPXCHG, FORM_MR),
	[0xb6] = { INSN_MOVZX, FORM_RM, F_MEM8 },
	[0xb7] = { INSN_MOVZX, FORM_RM, F_MEM16 },
	[0xbe] = { INSN_MOVSX, FORM_RM, F_MEM8 },
	[0xbf] = { INSN_MOVSX, FORM_RM, F_MEM16 },
	PAIR(0xc0, INSN_XADD, FORM_MR),
	[0xc3] = { INSN_MOV, FORM_MR, F_NO_PREFIX | F_MIN32 },
};

static const struct opcode map_0f38[256] = {
	[0xf0] = { INSN_MOVBE, FORM_RM, F_NO_REP },
	[0xf1] = { INSN_MOVBE, FORM_MR, F_NO_REP },
};

struct decoder {
	const uint8_t *bytes;
	unsigned nbytes, pos;
	int err;			/* sticky */
	bool op_size, addr_size;	/* 66, 67 */
	uint8_t rex;			/* 0: none */
	uint8_t seg;			/* SEG_COUNT: no override */
};

#define REX_W	BIT(3)
#define REX_R	BIT(2)
#define REX_X	BIT(1)
#define REX_B	BIT(0)

static unsigned rex_bit(const struct decoder *d, uint8_t bit)
{
	return d->rex & bit ? 8 : 0;
}

/* The next @size bytes, little-endian, zero-extended. */
static uint64_t fetch(struct decoder *d, unsigned size)
{
	uint64_t v = 0;

	if (d->err || d->nbytes - d->pos < size) {
		/* The bytes end inside the instruction.  If all 15 were there, it is longer than an instruction may be. */
		if (!d->err)
			d->err = d->nbytes < INSN_MAX_LEN ? -ERR_FAULT : -ERR_NOTSUP;
		return 0;
	}
	for (unsigned i = 0; i < size; i++)
		v |= (uint64_t)d->bytes[d->pos++] << (8 * i);
	return v;
}

static int64_t fetch_signed(struct decoder *d, unsigned size)
{
	uint64_t v = fetch(d, size);

	switch (size) {
	case 1:
		return (int8_t)v;
	case 2:
		return (int16_t)v;
	case 4:
		return (int32_t)v;
	}
	return (int64_t)v;
}

/* 64-bit mode ignores CS, DS, ES and SS overrides, also after an FS or GS override. */
static void override(struct decoder *d, const struct insn *insn, enum seg seg)
{
	if (insn->mode != MODE_64 || seg == SEG_FS || seg == SEG_GS)
		d->seg = seg;
}

static bool legacy_prefix(struct decoder *d, struct insn *insn, uint8_t b)
{
	switch (b) {
	case 0x26: case 0x2e: case 0x36: case 0x3e:
		override(d, insn, (enum seg)(b >> 3 & 3));
		return true;
	case 0x64: case 0x65:
		override(d, insn, b == 0x64 ? SEG_FS : SEG_GS);
		return true;
	case 0x66:
		d->op_size = true;
		return true;
	case 0x67:
		d->addr_size = true;
		return true;
	case 0xf0:
		insn->lock = true;
		return true;
	case 0xf2: case 0xf3:
		insn->rep = true;
		return true;
	}
	return false;
}

/* Consume the prefixes; returns the first opcode byte. A REX prefix counts only as the last of them. */
static uint8_t decode_prefixes(struct decoder *d, struct insn *insn)
{
	while (!d->err) {
		uint8_t b = fetch(d, 1);

		if (insn->mode == MODE_64 && (b & 0xf0) == 0x40)
			d->rex = b;
		else if (legacy_prefix(d, insn, b))
			d->rex = 0;
		else
			return b;
	}
	return 0;
}

static void set_sizes(const struct decoder *d, struct insn *insn)
{
	switch (insn->mode) {
	case MODE_16:
		insn->size = d->op_size ? 4 : 2;
		insn->addr_size = d->addr_size ? 4 : 2;
		break;
	case MODE_32:
		insn->size = d->op_size ? 2 : 4;
		insn->addr_size = d->addr_size ? 2 : 4;
		break;
	case MODE_64:
		insn->size = d->rex & REX_W ? 8 : d->op_size ? 2 : 4;
		insn->addr_size = d->addr_size ? 4 : 8;
		break;
	}
}

/* 0F 01: only the three instructions of this group that exit; for these the ModRM byte is a third opcode byte. */
static struct opcode find_0f01(struct decoder *d)
{
	switch (fetch(d, 1)) {
	case 0xc1:
		return (struct opcode){ INSN_VMCALL, FORM_PLAIN, F_NO_PREFIX };
	case 0xd1:
		return (struct opcode){ INSN_XSETBV, FORM_PLAIN, F_NO_PREFIX };
	case 0xd9:
		return (struct opcode){ INSN_VMMCALL, FORM_PLAIN, F_NO_PREFIX };
	}
	return (struct opcode){ 0, FORM_UNKNOWN };
}

static struct opcode find_opcode(struct decoder *d, const struct insn *insn, uint8_t b)
{
	const struct opcode unknown = { 0, FORM_UNKNOWN };

	if (b == 0x63 && insn->mode != MODE_64)		/* ARPL */
		return unknown;
	if (b != 0x0f)
		return one_byte[b];
	b = fetch(d, 1);
	if (b == 0x01)
		return find_0f01(d);
	if (b == 0x38)
		return map_0f38[fetch(d, 1)];
	return d->err ? unknown : map_0f[b];
}

static void set_base(struct insn *insn, uint8_t base)
{
	insn->base = base;
	if (base == GPR_RSP || base == GPR_RBP)
		insn->seg = SEG_SS;
}

/* SDM volume 2, table 2-1. */
static void decode_mem16(struct decoder *d, struct insn *insn, unsigned mod, unsigned rm)
{
	static const uint8_t base[8] = { GPR_RBX, GPR_RBX, GPR_RBP, GPR_RBP, GPR_RSI, GPR_RDI, GPR_RBP, GPR_RBX };

	if (mod == 0 && rm == 6) {
		insn->disp = fetch_signed(d, 2);
		return;
	}
	set_base(insn, base[rm]);
	if (rm < 4)
		insn->index = rm & 1 ? GPR_RDI : GPR_RSI;
	if (mod)
		insn->disp = fetch_signed(d, mod);
}

/* True if a 32-bit displacement replaces the base. */
static bool decode_sib(struct decoder *d, struct insn *insn, unsigned mod)
{
	uint8_t sib = fetch(d, 1);
	unsigned index = (sib >> 3 & 7) | rex_bit(d, REX_X);

	if (index != GPR_RSP) {
		insn->index = index;
		insn->scale = 1 << (sib >> 6);
	}
	if (mod == 0 && (sib & 7) == 5)
		return true;
	set_base(insn, (sib & 7) | rex_bit(d, REX_B));
	return false;
}

/* SDM volume 2, tables 2-2 and 2-3; 2.2.1.6 for RIP. */
static void decode_mem32(struct decoder *d, struct insn *insn, unsigned mod, unsigned rm)
{
	bool disp32 = mod == 2;

	if (rm == 4) {
		disp32 |= decode_sib(d, insn, mod);
	} else if (mod == 0 && rm == 5) {
		disp32 = true;
		if (insn->mode == MODE_64)
			insn->base = INSN_RIP;
	} else {
		set_base(insn, rm | rex_bit(d, REX_B));
	}
	if (disp32)
		insn->disp = fetch_signed(d, 4);
	else if (mod == 1)
		insn->disp = fetch_signed(d, 1);
}

static void decode_mem(struct decoder *d, struct insn *insn, uint8_t modrm)
{
	if (insn->addr_size == 2)
		decode_mem16(d, insn, modrm >> 6, modrm & 7);
	else
		decode_mem32(d, insn, modrm >> 6, modrm & 7);
}

static void set_reg(const struct decoder *d, struct insn *insn, unsigned reg)
{
	insn->operand = OPERAND_REG;
	insn->reg = reg;
	insn->high = insn->reg_size == 1 && !d->rex && reg >= 4;
	if (insn->high)
		insn->reg -= 4;
}

static void fetch_imm(struct decoder *d, struct insn *insn, uint16_t flags)
{
	insn->operand = OPERAND_IMM;
	insn->imm = fetch_signed(d, flags & F_IMM8 ? 1 : MIN(insn->size, 4));
}

/* Forms with a ModRM byte, already fetched. */
static int decode_modrm(struct decoder *d, struct insn *insn, struct opcode o, uint8_t modrm)
{
	unsigned reg = modrm >> 3 & 7;

	if (modrm >> 6 == 3)		/* no memory operand */
		return -ERR_NOTSUP;
	if (o.form == FORM_GROUP) {
		uint16_t flags = o.flags;

		o = groups[o.op][reg];
		o.flags |= flags;
	}
	if (o.form == FORM_UNKNOWN)
		return -ERR_NOTSUP;
	insn->op = o.op;
	decode_mem(d, insn, modrm);
	if (o.form == FORM_MI) {
		fetch_imm(d, insn, o.flags);
	} else if (o.form != FORM_M) {
		insn->to_reg = o.form == FORM_RM;
		set_reg(d, insn, reg | rex_bit(d, REX_R));
	}
	return 0;
}

static void decode_string(const struct decoder *d, struct insn *insn)
{
	bool source = insn->op == INSN_MOVS || insn->op == INSN_LODS || insn->op == INSN_OUTS;

	insn->base = source ? GPR_RSI : GPR_RDI;
	if (!source)
		insn->seg = SEG_ES;		/* not to be overridden */
	else if (d->seg != SEG_COUNT)
		insn->seg = d->seg;
	if (insn_is_port(insn))
		insn->size = MIN(insn->size, 4);	/* ports have no 64 bits */
	insn->reg_size = insn->size;
	if (insn->op == INSN_STOS || insn->op == INSN_LODS) {
		insn->operand = OPERAND_REG;
		insn->reg = GPR_RAX;
		insn->to_reg = insn->op == INSN_LODS;
	}
}

static void decode_port(struct decoder *d, struct insn *insn, bool imm)
{
	insn->size = MIN(insn->size, 4);
	insn->reg_size = insn->size;
	insn->reg = GPR_RAX;
	insn->to_reg = insn->op == INSN_IN;
	insn->operand = imm ? OPERAND_IMM : OPERAND_REG;
	if (imm)
		insn->imm = fetch(d, 1);
}

static int decode_operands(struct decoder *d, struct insn *insn, struct opcode o)
{
	uint8_t modrm;

	switch (o.form) {
	case FORM_UNKNOWN:
		return -ERR_NOTSUP;
	case FORM_PLAIN:
		insn->size = insn->reg_size = 0;
		return 0;
	case FORM_STRING:
		decode_string(d, insn);
		return 0;
	case FORM_PORT_IMM: case FORM_PORT_DX:
		decode_port(d, insn, o.form == FORM_PORT_IMM);
		return 0;
	case FORM_ACC_MOFFS: case FORM_MOFFS_ACC:
		insn->disp = fetch(d, insn->addr_size);
		insn->to_reg = o.form == FORM_ACC_MOFFS;
		set_reg(d, insn, GPR_RAX);
		break;
	default:
		modrm = fetch(d, 1);
		if (d->err)
			return d->err;
		if (decode_modrm(d, insn, o, modrm))
			return -ERR_NOTSUP;
	}
	if (d->seg != SEG_COUNT)
		insn->seg = d->seg;
	return 0;
}

static void set_access(struct insn *insn)
{
	switch (insn->op) {
	case INSN_CMP: case INSN_TEST: case INSN_BT: case INSN_MOVZX: case INSN_MOVSX: case INSN_LODS: case INSN_OUTS:
		insn->reads = true;
		break;
	case INSN_STOS: case INSN_INS:
		insn->writes = true;
		break;
	case INSN_MOV: case INSN_MOVBE:
		insn->reads = insn->to_reg;
		insn->writes = !insn->to_reg;
		break;
	default:
		if (insn->op >= INSN_IN)
			break;
		insn->reads = true;
		insn->writes = !insn->to_reg;
	}
}

static bool prefixes_fit(const struct decoder *d, const struct insn *insn, uint16_t flags)
{
	if ((flags & F_NO_PREFIX) && (insn->rep || d->op_size))
		return false;
	if ((flags & F_NO_REP) && insn->rep)
		return false;
	if ((flags & F_NO_16) && insn->reg_size == 2)
		return false;
	/* LOCK raises #UD on any instruction but a read-modify-write. */
	return !insn->lock || (insn->reads && insn->writes && insn->op != INSN_MOVS);
}

int insn_decode(struct insn *out, enum cpu_mode mode, const uint8_t *bytes, unsigned nbytes)
{
	struct decoder d = { .bytes = bytes, .nbytes = MIN(nbytes, INSN_MAX_LEN), .seg = SEG_COUNT };
	struct opcode o;
	int err;

	*out = (struct insn){ .mode = mode, .seg = SEG_DS, .base = INSN_NO_REG, .index = INSN_NO_REG, .scale = 1 };
	o = find_opcode(&d, out, decode_prefixes(&d, out));
	if (d.err)
		return d.err;
	set_sizes(&d, out);
	if (o.flags & F_BYTE)
		out->size = 1;
	if (o.flags & F_MIN32)
		out->size = MAX(out->size, 4);
	out->reg_size = out->size;
	if (o.flags & (F_MEM8 | F_MEM16 | F_MEM32))
		out->size = o.flags & F_MEM8 ? 1 : o.flags & F_MEM16 ? 2 : 4;
	out->op = o.op;
	err = decode_operands(&d, out, o);
	if (err || d.err)
		return err ? err : d.err;
	set_access(out);
	if (!prefixes_fit(&d, out, o.flags))
		return -ERR_NOTSUP;
	out->len = d.pos;
	return 0;
}

enum cpu_mode insn_mode(const struct vcpu_regs *regs)
{
	uint16_t attr = regs->seg[SEG_CS].attr;

	if ((regs->efer & EFER_LMA) && (attr & SEG_ATTR_L))
		return MODE_64;
	if (regs->rflags & RFLAGS_VM)
		return MODE_16;
	/* Also with CR0.PE clear: the D bit stays in force until CS is loaded again. */
	return attr & SEG_ATTR_DB ? MODE_32 : MODE_16;
}
