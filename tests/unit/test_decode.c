/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/emul/decode.c */
/* libs: -lZydis -lZycore */
/*
 * The decoder compared with Zydis over random encodings.  Each encoding that we accept is an instruction with the same meaning;
 * each instruction with a memory operand that decode.h promises, we accept.
 */
#include <string.h>
#include <Zydis/Zydis.h>
#include <veneer/err.h>
#include "host/host.h"
#include "hv/emul/decode.h"

#define ROUNDS		600000
#define SEED		0x5eed1234abcdull

static uint64_t rng_state = SEED;

static uint64_t rnd(void)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return rng_state;
}

static const struct { ZydisMnemonic zydis; enum insn_op op; } names[] = {
	{ ZYDIS_MNEMONIC_ADD, INSN_ADD }, { ZYDIS_MNEMONIC_OR, INSN_OR }, { ZYDIS_MNEMONIC_ADC, INSN_ADC },
	{ ZYDIS_MNEMONIC_SBB, INSN_SBB }, { ZYDIS_MNEMONIC_AND, INSN_AND }, { ZYDIS_MNEMONIC_SUB, INSN_SUB },
	{ ZYDIS_MNEMONIC_XOR, INSN_XOR }, { ZYDIS_MNEMONIC_CMP, INSN_CMP }, { ZYDIS_MNEMONIC_TEST, INSN_TEST },
	{ ZYDIS_MNEMONIC_MOV, INSN_MOV }, { ZYDIS_MNEMONIC_MOVNTI, INSN_MOV }, { ZYDIS_MNEMONIC_MOVZX, INSN_MOVZX },
	{ ZYDIS_MNEMONIC_MOVSX, INSN_MOVSX }, { ZYDIS_MNEMONIC_MOVSXD, INSN_MOVSX }, { ZYDIS_MNEMONIC_MOVBE, INSN_MOVBE },
	{ ZYDIS_MNEMONIC_XCHG, INSN_XCHG }, { ZYDIS_MNEMONIC_XADD, INSN_XADD }, { ZYDIS_MNEMONIC_CMPXCHG, INSN_CMPXCHG },
	{ ZYDIS_MNEMONIC_NOT, INSN_NOT }, { ZYDIS_MNEMONIC_NEG, INSN_NEG }, { ZYDIS_MNEMONIC_INC, INSN_INC },
	{ ZYDIS_MNEMONIC_DEC, INSN_DEC }, { ZYDIS_MNEMONIC_BT, INSN_BT }, { ZYDIS_MNEMONIC_BTS, INSN_BTS },
	{ ZYDIS_MNEMONIC_BTR, INSN_BTR }, { ZYDIS_MNEMONIC_BTC, INSN_BTC },
	{ ZYDIS_MNEMONIC_MOVSB, INSN_MOVS }, { ZYDIS_MNEMONIC_MOVSW, INSN_MOVS }, { ZYDIS_MNEMONIC_MOVSD, INSN_MOVS },
	{ ZYDIS_MNEMONIC_MOVSQ, INSN_MOVS }, { ZYDIS_MNEMONIC_STOSB, INSN_STOS }, { ZYDIS_MNEMONIC_STOSW, INSN_STOS },
	{ ZYDIS_MNEMONIC_STOSD, INSN_STOS }, { ZYDIS_MNEMONIC_STOSQ, INSN_STOS }, { ZYDIS_MNEMONIC_LODSB, INSN_LODS },
	{ ZYDIS_MNEMONIC_LODSW, INSN_LODS }, { ZYDIS_MNEMONIC_LODSD, INSN_LODS }, { ZYDIS_MNEMONIC_LODSQ, INSN_LODS },
	{ ZYDIS_MNEMONIC_INSB, INSN_INS }, { ZYDIS_MNEMONIC_INSW, INSN_INS }, { ZYDIS_MNEMONIC_INSD, INSN_INS },
	{ ZYDIS_MNEMONIC_OUTSB, INSN_OUTS }, { ZYDIS_MNEMONIC_OUTSW, INSN_OUTS }, { ZYDIS_MNEMONIC_OUTSD, INSN_OUTS },
	{ ZYDIS_MNEMONIC_IN, INSN_IN }, { ZYDIS_MNEMONIC_OUT, INSN_OUT }, { ZYDIS_MNEMONIC_CPUID, INSN_CPUID },
	{ ZYDIS_MNEMONIC_RDMSR, INSN_RDMSR }, { ZYDIS_MNEMONIC_WRMSR, INSN_WRMSR }, { ZYDIS_MNEMONIC_INVD, INSN_INVD },
	{ ZYDIS_MNEMONIC_XSETBV, INSN_XSETBV }, { ZYDIS_MNEMONIC_VMCALL, INSN_VMCALL },
	{ ZYDIS_MNEMONIC_VMMCALL, INSN_VMMCALL }, { ZYDIS_MNEMONIC_HLT, INSN_HLT },
};

/* The random encoding under test, to be printed if a check fails. */
static struct {
	uint8_t bytes[INSN_MAX_LEN];
	enum cpu_mode mode;
	ZydisDecodedInstruction z;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	bool z_valid;
} now;

static const char *now_text(void)
{
	static char text[80];
	char *p = text;

	p += sprintf(p, "%d-bit:", 16 << now.mode);
	for (unsigned i = 0; i < sizeof(now.bytes); i++)
		p += sprintf(p, " %02x", now.bytes[i]);
	return text;
}

#define AGREE(a, b) do { \
	long long a_ = (long long)(a), b_ = (long long)(b); \
	if (a_ != b_) \
		host_fail(__FILE__, __LINE__, "%s: %s = %#llx, Zydis says %#llx", now_text(), #a, a_, b_); \
	} while (0)

static int op_of(const ZydisDecodedInstruction *z)
{
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].zydis == z->mnemonic)
			return (int)names[i].op;
	return -1;
}

static void zydis_decode(void)
{
	static const ZydisMachineMode modes[] = { ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_MACHINE_MODE_LEGACY_32,
						  ZYDIS_MACHINE_MODE_LONG_64 };
	static const ZydisStackWidth stacks[] = { ZYDIS_STACK_WIDTH_16, ZYDIS_STACK_WIDTH_32, ZYDIS_STACK_WIDTH_64 };
	ZydisDecoder d;

	CHECK(ZYAN_SUCCESS(ZydisDecoderInit(&d, modes[now.mode], stacks[now.mode])));
	now.z_valid = ZYAN_SUCCESS(ZydisDecoderDecodeFull(&d, now.bytes, sizeof(now.bytes), &now.z, now.ops));
}

static const ZydisDecodedOperand *find_operand(ZydisOperandType type, unsigned nth)
{
	for (unsigned i = 0; i < now.z.operand_count; i++)
		if (now.ops[i].type == type && now.ops[i].visibility != ZYDIS_OPERAND_VISIBILITY_HIDDEN && nth-- == 0)
			return &now.ops[i];
	return NULL;
}

/* String instructions have hidden memory operands: that of RSI comes first. */
static const ZydisDecodedOperand *find_memory(bool is_read)
{
	for (unsigned i = 0; i < now.z.operand_count; i++) {
		bool read = now.ops[i].actions & ZYDIS_OPERAND_ACTION_MASK_READ;

		if (now.ops[i].type == ZYDIS_OPERAND_TYPE_MEMORY && read == is_read)
			return &now.ops[i];
	}
	return NULL;
}

static unsigned reg_number(ZydisRegister r)
{
	if (r == ZYDIS_REGISTER_NONE)
		return INSN_NO_REG;
	if (r == ZYDIS_REGISTER_RIP || r == ZYDIS_REGISTER_EIP)
		return INSN_RIP;
	if (ZydisRegisterGetClass(r) == ZYDIS_REGCLASS_GPR8 && r >= ZYDIS_REGISTER_AH && r <= ZYDIS_REGISTER_BH)
		return (unsigned)(r - ZYDIS_REGISTER_AH);
	if (ZydisRegisterGetClass(r) == ZYDIS_REGCLASS_GPR8 && r >= ZYDIS_REGISTER_SPL)
		return (unsigned)(r - ZYDIS_REGISTER_SPL) + 4;
	return (unsigned)ZydisRegisterGetId(r);
}

static unsigned seg_number(ZydisRegister r)
{
	static const ZydisRegister segs[] = { ZYDIS_REGISTER_ES, ZYDIS_REGISTER_CS, ZYDIS_REGISTER_SS,
					      ZYDIS_REGISTER_DS, ZYDIS_REGISTER_FS, ZYDIS_REGISTER_GS };

	for (unsigned i = 0; i < ARRAY_SIZE(segs); i++)
		if (segs[i] == r)
			return i;
	return 99;
}

static uint64_t mask_of(unsigned size)
{
	return size == 8 ? ~0ull : BIT64(8 * size) - 1;
}

/* In 64-bit mode ES, CS, SS and DS are equivalent. */
static unsigned seg_effect(unsigned seg)
{
	return now.mode == MODE_64 && seg < SEG_FS ? SEG_DS : seg;
}

/*
 * ModRM.mod 0 with SIB.base 5 has no base, whatever REX.B is (SDM vol. 2, table 2-5); Zydis 4.0 says R13 and no
 * displacement if the address size is 32.  test_emulate asks the processor.
 */
static bool zydis_base_wrong(const struct insn *insn)
{
	return insn->addr_size == 4 && now.mode == MODE_64 && now.z.raw.modrm.mod == 0 && now.z.raw.modrm.rm == 4 &&
	       now.z.raw.sib.base == 5 && now.z.raw.rex.B;
}

static void compare_address(const struct insn *insn, const ZydisDecodedOperandMem *m)
{
	uint64_t mask = mask_of(insn->addr_size);
	bool wrong = zydis_base_wrong(insn);

	AGREE(insn->base, wrong ? INSN_NO_REG : reg_number(m->base));
	AGREE(insn->index, reg_number(m->index));
	AGREE(insn->scale, m->scale && m->index ? m->scale : 1);
	AGREE((uint64_t)insn->disp & mask, (uint64_t)(wrong ? now.z.raw.disp.value : m->disp.value) & mask);
	AGREE(seg_effect(insn->seg), seg_effect(seg_number(m->segment)));
}

static void compare_memory(const struct insn *insn)
{
	bool has = insn->reads || insn->writes;
	const ZydisDecodedOperand *m = find_memory(insn->reads);

	AGREE(has, m != NULL);
	if (!m)
		return;
	AGREE(insn->size * 8, m->size);
	AGREE(insn->addr_size * 8, now.z.address_width);
	compare_address(insn, &m->mem);
	if (insn->op == INSN_MOVS) {
		const ZydisDecodedOperand *dst = find_memory(false);

		CHECK(dst && (dst->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE));
		AGREE(reg_number(dst->mem.base), GPR_RDI);
		AGREE(insn->writes, true);
	} else {
		AGREE(insn->reads, !!(m->actions & ZYDIS_OPERAND_ACTION_MASK_READ));
		AGREE(insn->writes, !!(m->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE));
	}
}

static void compare_other(const struct insn *insn)
{
	bool port_string = insn_is_string(insn) && insn_is_port(insn);
	const ZydisDecodedOperand *r = find_operand(ZYDIS_OPERAND_TYPE_REGISTER, 0);
	const ZydisDecodedOperand *i = find_operand(ZYDIS_OPERAND_TYPE_IMMEDIATE, 0);
	uint64_t mask;

	if (insn->operand == OPERAND_IMM) {
		CHECK(i);
		/* Zydis does not extend a bit number to the operand's size. */
		mask = insn->op >= INSN_BT && insn->op <= INSN_BTC ? 0xff : mask_of(insn->size);
		AGREE((uint64_t)insn->imm & mask, i->imm.value.u & mask);
	}
	if (insn->op == INSN_IN || insn->op == INSN_OUT || port_string || insn->operand != OPERAND_REG)
		return;
	CHECK(!i);
	if (!r) {	/* STOS, LODS: hidden */
		AGREE(insn->reg, GPR_RAX);
		return;
	}
	AGREE(insn->reg, reg_number(r->reg.value));
	AGREE(insn->reg_size * 8, r->size);
	AGREE(insn->high, r->reg.value >= ZYDIS_REGISTER_AH && r->reg.value <= ZYDIS_REGISTER_BH);
	AGREE(insn->to_reg, r == &now.ops[0]);
}

static void compare_accepted(const struct insn *insn)
{
	if (!now.z_valid)
		host_fail(__FILE__, __LINE__, "%s: accepted as operation %u, invalid in Zydis", now_text(), insn->op);
	AGREE(insn->op, op_of(&now.z));
	AGREE(insn->len, now.z.length);
	AGREE(insn->lock, !!(now.z.attributes & ZYDIS_ATTRIB_HAS_LOCK));
	if (insn_is_string(insn) && (now.z.attributes & ZYDIS_ATTRIB_HAS_REP))
		AGREE(insn->rep, true);
	if (insn->op == INSN_IN || insn->op == INSN_OUT)
		AGREE(insn->size * 8, now.ops[insn->op == INSN_IN ? 0 : 1].size);
	compare_memory(insn);
	compare_other(insn);
}

/* True for encodings that decode.h leaves out on purpose, although the mnemonic is among ours. */
static bool left_out(void)
{
	const ZydisDecodedInstruction *z = &now.z;
	bool one = z->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT;

	if (z->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
		return true;
	if (one && (z->opcode == 0x8c || z->opcode == 0x8e || z->opcode == 0x82))	/* segment registers; alias */
		return true;
	if (one && z->opcode == 0x63 && z->operand_width == 16)
		return true;
	if (one && (z->opcode | 1) == 0xf7 && z->raw.modrm.reg == 1)	/* alias of TEST */
		return true;
	return z->mnemonic == ZYDIS_MNEMONIC_MOVSD && !one;		/* SSE2's namesake */
}

static bool has_memory(void)
{
	return find_memory(true) || find_memory(false);
}

static void compare_refused(int err)
{
	AGREE(err, -ERR_NOTSUP);	/* 15 bytes always suffice */
	if (now.z_valid && op_of(&now.z) >= 0 && has_memory() && !left_out())
		host_fail(__FILE__, __LINE__, "%s: not accepted, is a %s", now_text(),
			  ZydisMnemonicGetString(now.z.mnemonic));
}

/* Cut off anywhere, the instruction needs more bytes; with exactly its own bytes the result is the same. */
static void check_cut(const struct insn *insn)
{
	struct insn cut;

	for (unsigned n = 0; n < insn->len; n++)
		AGREE(insn_decode(&cut, now.mode, now.bytes, n), -ERR_FAULT);
	AGREE(insn_decode(&cut, now.mode, now.bytes, insn->len), 0);
	AGREE(memcmp(&cut, insn, sizeof(cut)), 0);
}

static void random_encoding(void)
{
	static const uint8_t prefixes[] = { 0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65 };
	static const uint8_t opcodes[] = {
		0x6c, 0x6d, 0x6e, 0x6f, 0x80, 0x81, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8b, 0xa0, 0xa1, 0xa2,
		0xa3, 0xa4, 0xa5, 0xaa, 0xab, 0xac, 0xad, 0xc6, 0xc7, 0xe4, 0xe5, 0xe6, 0xe7, 0xec, 0xed, 0xee, 0xef, 0xf6,
		0xf7, 0xfe, 0xff, 0x63, 0xf4,
	};
	static const uint8_t opcodes_0f[] = {
		0xa3, 0xab, 0xb3, 0xbb, 0xba, 0xb0, 0xb1, 0xb6, 0xb7, 0xbe, 0xbf, 0xc0, 0xc1, 0xc3, 0x38, 0x01, 0xa2, 0x30,
		0x32, 8,
	};
	unsigned n = 0, kind = rnd() % 8;
	bool rex = now.mode == MODE_64 || rnd() % 16 == 0;

	for (unsigned i = 0; i < sizeof(now.bytes); i++)
		now.bytes[i] = (uint8_t)(rnd() >> 13);
	for (unsigned k = rnd() % 32 ? rnd() % 4 : rnd() % 14; k && n < 14; k--)
		now.bytes[n++] = rnd() % 6 || !rex ? prefixes[rnd() % sizeof(prefixes)] : 0x40 | (rnd() >> 9 & 15);
	if (rex && rnd() % 2 && n < 14)
		now.bytes[n++] = 0x40 | (rnd() >> 9 & 15);
	if (n > 11 || kind == 0)
		return;
	if (kind < 3) {
		now.bytes[n++] = 0x0f;
		now.bytes[n++] = opcodes_0f[rnd() % sizeof(opcodes_0f)];
		if (now.bytes[n - 1] == 0x38)
			now.bytes[n++] = 0xf0 | (rnd() >> 9 & 1);
	} else if (kind < 4) {
		now.bytes[n++] = rnd() >> 9 & 0x3f;
	} else {
		now.bytes[n++] = opcodes[rnd() % sizeof(opcodes)];
	}
}

TEST(random_encodings_agree_with_zydis)
{
	unsigned accepted[3] = { 0 }, refused = 0;

	printf("seed %#llx\n", SEED);
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct insn insn;
		int err;

		now.mode = (enum cpu_mode)(i % 3);
		random_encoding();
		zydis_decode();
		err = insn_decode(&insn, now.mode, now.bytes, sizeof(now.bytes));
		if (err) {
			compare_refused(err);
			refused++;
		} else {
			compare_accepted(&insn);
			check_cut(&insn);
			accepted[now.mode]++;
		}
	}
	printf("accepted %u %u %u, refused %u\n", accepted[0], accepted[1], accepted[2], refused);
	for (unsigned m = 0; m < 3; m++)
		CHECK(accepted[m] > ROUNDS / 10);
	CHECK(refused > ROUNDS / 10);
}

/* bytes, 64-bit mode; the ModRM byte is the memory form [rbx + disp8]. */
#define MODRM(reg)	(0x43 | (reg) << 3), 0x10
static const struct { enum insn_op op; uint8_t size; uint8_t bytes[12]; } must[] = {
	{ INSN_MOV, 1, { 0x88, MODRM(1) } }, { INSN_MOV, 4, { 0x89, MODRM(1) } },
	{ INSN_MOV, 2, { 0x66, 0x89, MODRM(1) } }, { INSN_MOV, 8, { 0x48, 0x89, MODRM(1) } },
	{ INSN_MOV, 1, { 0x8a, MODRM(1) } }, { INSN_MOV, 4, { 0x8b, MODRM(1) } },
	{ INSN_MOV, 1, { 0xc6, MODRM(0), 1 } }, { INSN_MOV, 4, { 0xc7, MODRM(0), 1, 2, 3, 4 } },
	{ INSN_MOV, 2, { 0x66, 0xc7, MODRM(0), 1, 2 } }, { INSN_MOV, 8, { 0x48, 0xc7, MODRM(0), 1, 2, 3, 4 } },
	{ INSN_MOV, 1, { 0xa0 } }, { INSN_MOV, 4, { 0xa1 } }, { INSN_MOV, 1, { 0xa2 } },
	{ INSN_MOV, 8, { 0x48, 0xa3 } }, { INSN_MOV, 4, { 0x0f, 0xc3, MODRM(1) } },
	{ INSN_MOV, 8, { 0x48, 0x0f, 0xc3, MODRM(1) } }, { INSN_MOVZX, 1, { 0x0f, 0xb6, MODRM(1) } },
	{ INSN_MOVZX, 2, { 0x0f, 0xb7, MODRM(1) } }, { INSN_MOVSX, 1, { 0x0f, 0xbe, MODRM(1) } },
	{ INSN_MOVSX, 2, { 0x48, 0x0f, 0xbf, MODRM(1) } }, { INSN_MOVSX, 4, { 0x48, 0x63, MODRM(1) } },
	{ INSN_MOVBE, 4, { 0x0f, 0x38, 0xf0, MODRM(1) } }, { INSN_MOVBE, 4, { 0x0f, 0x38, 0xf1, MODRM(1) } },
	{ INSN_AND, 4, { 0x83, MODRM(4), 0xfe } }, { INSN_OR, 4, { 0x81, MODRM(1), 1, 0, 0, 0 } },
	{ INSN_XOR, 1, { 0x80, MODRM(6), 1 } }, { INSN_ADD, 4, { 0x01, MODRM(1) } },
	{ INSN_SUB, 4, { 0x2b, MODRM(1) } }, { INSN_ADC, 1, { 0x10, MODRM(1) } }, { INSN_SBB, 1, { 0x1a, MODRM(1) } },
	{ INSN_CMP, 1, { 0x80, MODRM(7), 1 } }, { INSN_CMP, 4, { 0x39, MODRM(1) } },
	{ INSN_OR, 4, { 0xf0, 0x09, MODRM(1) } }, { INSN_TEST, 1, { 0xf6, MODRM(0), 1 } },
	{ INSN_TEST, 4, { 0xf7, MODRM(0), 1, 0, 0, 0 } }, { INSN_TEST, 1, { 0x84, MODRM(1) } },
	{ INSN_TEST, 4, { 0x85, MODRM(1) } }, { INSN_NOT, 4, { 0xf7, MODRM(2) } }, { INSN_NEG, 1, { 0xf6, MODRM(3) } },
	{ INSN_INC, 4, { 0xff, MODRM(0) } }, { INSN_DEC, 1, { 0xfe, MODRM(1) } }, { INSN_XCHG, 4, { 0x87, MODRM(1) } },
	{ INSN_XCHG, 1, { 0xf0, 0x86, MODRM(1) } }, { INSN_XADD, 4, { 0xf0, 0x0f, 0xc1, MODRM(1) } },
	{ INSN_CMPXCHG, 8, { 0xf0, 0x48, 0x0f, 0xb1, MODRM(1) } }, { INSN_BT, 4, { 0x0f, 0xa3, MODRM(1) } },
	{ INSN_BTS, 4, { 0x0f, 0xab, MODRM(1) } }, { INSN_BTR, 4, { 0x0f, 0xb3, MODRM(1) } },
	{ INSN_BTC, 4, { 0x0f, 0xbb, MODRM(1) } }, { INSN_BT, 4, { 0x0f, 0xba, MODRM(4), 3 } },
	{ INSN_BTS, 4, { 0x0f, 0xba, MODRM(5), 3 } }, { INSN_BTR, 2, { 0x66, 0x0f, 0xba, MODRM(6), 3 } },
	{ INSN_BTC, 4, { 0x0f, 0xba, MODRM(7), 3 } }, { INSN_MOVS, 1, { 0xf3, 0xa4 } },
	{ INSN_MOVS, 8, { 0xf3, 0x48, 0xa5 } }, { INSN_STOS, 1, { 0xaa } }, { INSN_STOS, 4, { 0xf3, 0xab } },
	{ INSN_LODS, 1, { 0xac } }, { INSN_LODS, 4, { 0xad } }, { INSN_INS, 1, { 0x6c } },
	{ INSN_INS, 2, { 0xf3, 0x66, 0x6d } }, { INSN_OUTS, 1, { 0x6e } }, { INSN_OUTS, 4, { 0xf3, 0x6f } },
	{ INSN_OUTS, 4, { 0x48, 0x6f } }, { INSN_IN, 1, { 0xe4, 0x60 } }, { INSN_IN, 4, { 0xed } },
	{ INSN_OUT, 2, { 0x66, 0xef } }, { INSN_OUT, 1, { 0xe6, 0x80 } }, { INSN_CPUID, 0, { 0x0f, 0xa2 } },
	{ INSN_RDMSR, 0, { 0x0f, 0x32 } }, { INSN_WRMSR, 0, { 0x0f, 0x30 } }, { INSN_INVD, 0, { 0x0f, 0x08 } },
	{ INSN_XSETBV, 0, { 0x0f, 0x01, 0xd1 } }, { INSN_VMCALL, 0, { 0x0f, 0x01, 0xc1 } },
	{ INSN_VMMCALL, 0, { 0x0f, 0x01, 0xd9 } }, { INSN_HLT, 0, { 0xf4 } },
};

TEST(promised_instructions_are_accepted)
{
	bool seen[INSN_HLT + 1] = { false };

	for (unsigned i = 0; i < ARRAY_SIZE(must); i++) {
		struct insn insn;

		memset(now.bytes, 0, sizeof(now.bytes));
		memcpy(now.bytes, must[i].bytes, sizeof(must[i].bytes));
		now.mode = MODE_64;
		zydis_decode();
		AGREE(insn_decode(&insn, now.mode, now.bytes, sizeof(now.bytes)), 0);
		AGREE(insn.op, must[i].op);
		AGREE(insn.size, must[i].size);
		compare_accepted(&insn);
		seen[insn.op] = true;
	}
	for (unsigned op = 0; op <= INSN_HLT; op++)
		CHECK(seen[op]);
}

static int decode(enum cpu_mode mode, struct insn *insn, const void *bytes, unsigned n)
{
	uint8_t buf[INSN_MAX_LEN + 1] = { 0 };

	memcpy(buf, bytes, n);
	return insn_decode(insn, mode, buf, n);
}

TEST(what_is_not_promised_is_refused)
{
	static const struct { uint8_t n, bytes[15]; } no[] = {
		{ 2, { 0x8b, 0xc1 } },					/* no memory operand */
		{ 3, { 0xf0, 0x89, 0x03 } },				/* LOCK MOV */
		{ 3, { 0xf0, 0x03, 0x03 } },				/* LOCK ADD with the register as destination */
		{ 4, { 0xf0, 0x80, 0x3b, 0x01 } },			/* LOCK CMP */
		{ 3, { 0x0f, 0x10, 0x03 } }, { 4, { 0x66, 0x0f, 0x6f, 0x03 } },	/* SSE */
		{ 5, { 0xc5, 0xf8, 0x10, 0x03, 0 } },			/* VEX */
		{ 2, { 0xff, 0x33 } }, { 2, { 0x8f, 0x03 } }, { 2, { 0x8c, 0x03 } },	/* PUSH, POP, segment register */
		{ 3, { 0x66, 0x63, 0x03 } }, { 4, { 0xf3, 0x0f, 0xc3, 0x03 } },
		{ 2, { 0xc7, 0xf8 } }, { 1, { 0x90 } }, { 3, { 0x0f, 0xc7, 0x0b } },
		{ 5, { 0xf2, 0x0f, 0x38, 0xf0, 0x03 } },		/* CRC32 */
	};
	struct insn insn;

	for (unsigned i = 0; i < ARRAY_SIZE(no); i++)
		CHECK_EQ(decode(MODE_64, &insn, no[i].bytes, no[i].n), -ERR_NOTSUP);
	CHECK_EQ(decode(MODE_32, &insn, "\x63\x03", 2), -ERR_NOTSUP);	/* ARPL */
}

TEST(length_limit)
{
	uint8_t b[16];
	struct insn insn;

	memset(b, 0x66, sizeof(b));
	memcpy(b + 13, "\x8b\x03", 2);				/* 13 prefixes: 15 bytes */
	CHECK_EQ(insn_decode(&insn, MODE_32, b, 15), 0);
	CHECK_EQ(insn.len, 15);
	CHECK_EQ(insn_decode(&insn, MODE_32, b, 14), -ERR_FAULT);
	memcpy(b + 13, "\x66\x8b\x03", 3);			/* 16 bytes */
	CHECK_EQ(insn_decode(&insn, MODE_32, b, 16), -ERR_NOTSUP);
	CHECK_EQ(insn_decode(&insn, MODE_32, b, 14), -ERR_FAULT);
	memset(b, 0x66, sizeof(b));
	CHECK_EQ(insn_decode(&insn, MODE_64, b, 15), -ERR_NOTSUP);
	CHECK_EQ(insn_decode(&insn, MODE_64, b, 0), -ERR_FAULT);
}

TEST(mode_from_the_code_segment)
{
	struct vcpu_regs r = { 0 };

	CHECK_EQ(insn_mode(&r), MODE_16);
	r.seg[SEG_CS].attr = SEG_ATTR_DB;
	CHECK_EQ(insn_mode(&r), MODE_32);
	r.rflags = RFLAGS_VM;
	CHECK_EQ(insn_mode(&r), MODE_16);
	r.rflags = 0;
	r.efer = EFER_LMA;
	CHECK_EQ(insn_mode(&r), MODE_32);		/* compatibility mode */
	r.seg[SEG_CS].attr = SEG_ATTR_L;
	CHECK_EQ(insn_mode(&r), MODE_64);
	r.efer = 0;
	CHECK_EQ(insn_mode(&r), MODE_16);		/* outside long mode L is ignored */
}

TEST_MAIN
