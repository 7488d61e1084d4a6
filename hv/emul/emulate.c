/* SPDX-License-Identifier: BSD-2-Clause */
/* Executes a decoded instruction on the caller's registers and bus.  It does not know vCPUs or devices. */
#include "hv/emul/emulate.h"
#include <veneer/err.h>

/* The register changes, which take effect after the memory accesses have succeeded. */
struct effect {
	uint64_t mem;			/* to write */
	uint64_t rflags;
	uint64_t reg_value;
	uint8_t reg, reg_size;		/* reg_size 0: no register changes */
	bool high;
};

static uint64_t size_mask(unsigned size)
{
	return size == 8 ? ~0ull : BIT64(8 * size) - 1;
}

static unsigned size_bits(unsigned size)
{
	return 8 * size;
}

static uint64_t sign_extend(uint64_t v, unsigned size)
{
	unsigned shift = 64 - size_bits(size);

	return (uint64_t)((int64_t)(v << shift) >> shift);
}

static uint64_t reg_read(const struct vcpu_regs *regs, unsigned reg, bool high, unsigned size)
{
	return (regs->gpr[reg] >> (high ? 8 : 0)) & size_mask(size);
}

/* As the processor does: a 4-byte write clears the upper half, 1- and 2-byte writes keep all other bits. */
static void reg_write(struct vcpu_regs *regs, unsigned reg, bool high, unsigned size, uint64_t v)
{
	uint64_t mask = size_mask(size == 4 ? 8 : size);
	unsigned shift = high ? 8 : 0;

	v &= size_mask(size);
	regs->gpr[reg] = (regs->gpr[reg] & ~(mask << shift)) | v << shift;
}

static uint64_t linear(const struct insn *insn, const struct vcpu_regs *regs, enum seg seg, uint64_t offset)
{
	offset &= size_mask(insn->addr_size);
	if (insn->mode == MODE_64)
		return seg == SEG_FS || seg == SEG_GS ? offset + regs->seg[seg].base : offset;
	return (uint32_t)(offset + regs->seg[seg].base);
}

/* A bit offset in a register counts from the operand's first bit, in both directions (SDM vol. 2, 3.1.1.9). */
static uint64_t bit_string_offset(const struct insn *insn, const struct vcpu_regs *regs)
{
	int64_t bit;

	if (insn->op < INSN_BT || insn->op > INSN_BTC || insn->operand != OPERAND_REG)
		return 0;
	bit = sign_extend(regs->gpr[insn->reg], insn->size);
	return (uint64_t)(bit >> (3 + __builtin_ctz(insn->size))) * insn->size;
}

/* The offset in the segment. */
static uint64_t effective(const struct insn *insn, const struct vcpu_regs *regs)
{
	uint64_t offset = insn->disp + bit_string_offset(insn, regs);

	if (insn->base == INSN_RIP)
		offset += insn_next_rip(insn, regs);
	else if (insn->base != INSN_NO_REG)
		offset += regs->gpr[insn->base];
	if (insn->index != INSN_NO_REG)
		offset += regs->gpr[insn->index] * insn->scale;
	return offset;
}

uint64_t insn_ea(const struct insn *insn, const struct vcpu_regs *regs)
{
	return linear(insn, regs, insn->seg, effective(insn, regs));
}

uint64_t insn_ea_src(const struct insn *insn, const struct vcpu_regs *regs)
{
	return linear(insn, regs, insn->seg, regs->gpr[GPR_RSI]);
}

uint64_t insn_ea_dst(const struct insn *insn, const struct vcpu_regs *regs)
{
	return linear(insn, regs, SEG_ES, regs->gpr[GPR_RDI]);
}

static bool uses_src(const struct insn *insn)
{
	return insn->op == INSN_MOVS || insn->op == INSN_LODS || insn->op == INSN_OUTS;
}

static bool uses_dst(const struct insn *insn)
{
	return insn->op == INSN_MOVS || insn->op == INSN_STOS || insn->op == INSN_INS;
}

/* --- the checks of a memory operand (SDM vol. 3, 5.3 and 5.5; APM vol. 2, 4.12) --- */

static bool canonical(const struct vcpu_regs *regs, uint64_t addr)
{
	unsigned unused = regs->cr4 & CR4_LA57 ? 7 : 16;

	return (uint64_t)((int64_t)(addr << unused) >> unused) == addr;
}

/* Real mode and virtual-8086 mode know limits, but no types. */
static bool has_types(const struct vcpu_regs *regs)
{
	return (regs->cr0 & CR0_PE) && !(regs->rflags & RFLAGS_VM);
}

static bool may_access(const struct vcpu_regs *regs, const struct vcpu_seg *s, bool write)
{
	bool code = s->attr & SEG_TYPE_CODE;

	if (!has_types(regs))
		return true;
	if (!(s->attr & SEG_ATTR_P))		/* a null selector */
		return false;
	return write ? !code && (s->attr & SEG_TYPE_RW) : !code || (s->attr & SEG_TYPE_RW);
}

static bool in_limit(const struct vcpu_regs *regs, const struct vcpu_seg *s, uint64_t offset, unsigned size)
{
	uint64_t last = offset + size - 1;

	if (has_types(regs) && (s->attr & (SEG_TYPE_CODE | SEG_TYPE_DOWN)) == SEG_TYPE_DOWN)
		return offset > s->limit && last <= (s->attr & SEG_ATTR_DB ? 0xffffffffu : 0xffffu);
	/* Addresses wrap in a flat segment. */
	return s->limit == 0xffffffff || last <= s->limit;
}

static uint8_t operand_fault(const struct insn *insn, const struct vcpu_regs *regs, enum seg seg, uint64_t offset, bool write)
{
	const struct vcpu_seg *s = &regs->seg[seg];
	uint64_t addr = linear(insn, regs, seg, offset);
	bool good;

	offset &= size_mask(insn->addr_size);
	if (insn->mode == MODE_64)
		good = canonical(regs, addr) && canonical(regs, addr + insn->size - 1);
	else
		good = may_access(regs, s, write) && in_limit(regs, s, offset, insn->size);
	return good ? 0 : seg == SEG_SS ? VCPU_EVENT_SS : VCPU_EVENT_GP;
}

uint8_t insn_fault(const struct insn *insn, const struct vcpu_regs *regs)
{
	uint8_t fault = 0;

	if (!insn_is_string(insn))
		return insn->reads || insn->writes ?
		       operand_fault(insn, regs, insn->seg, effective(insn, regs), insn->writes) : 0;
	if (insn->rep && !reg_read(regs, GPR_RCX, false, insn->addr_size))
		return 0;
	if (uses_src(insn))
		fault = operand_fault(insn, regs, insn->seg, regs->gpr[GPR_RSI], false);
	if (!fault && uses_dst(insn))
		fault = operand_fault(insn, regs, SEG_ES, regs->gpr[GPR_RDI], true);
	return fault;
}

uint64_t insn_next_rip(const struct insn *insn, const struct vcpu_regs *regs)
{
	uint64_t rip = regs->rip + insn->len;

	return insn->mode == MODE_64 ? rip : (uint32_t)rip;
}

uint16_t insn_port(const struct insn *insn, const struct vcpu_regs *regs)
{
	return insn->operand == OPERAND_IMM ? (uint64_t)insn->imm : regs->gpr[GPR_RDX];
}

static void alu_set_flag(uint64_t *rflags, uint64_t flag, bool on)
{
	*rflags = on ? *rflags | flag : *rflags & ~flag;
}

static void set_result_flags(uint64_t *rflags, uint64_t r, unsigned size)
{
	alu_set_flag(rflags, RFLAGS_ZF, !(r & size_mask(size)));
	alu_set_flag(rflags, RFLAGS_SF, r >> (size_bits(size) - 1) & 1);
	alu_set_flag(rflags, RFLAGS_PF, !__builtin_parity(r & 0xff));
}

static void set_carries(uint64_t *rflags, uint64_t carry, uint64_t overflow, uint64_t aux, unsigned size)
{
	unsigned top = size_bits(size) - 1;

	alu_set_flag(rflags, RFLAGS_CF, carry >> top & 1);
	alu_set_flag(rflags, RFLAGS_OF, overflow >> top & 1);
	alu_set_flag(rflags, RFLAGS_AF, aux >> 4 & 1);
}

static uint64_t alu_add(uint64_t a, uint64_t b, bool carry, unsigned size, uint64_t *rflags)
{
	uint64_t r = a + b + carry;

	set_carries(rflags, (a & b) | ((a | b) & ~r), (a ^ r) & (b ^ r), a ^ b ^ r, size);
	set_result_flags(rflags, r, size);
	return r;
}

static uint64_t sub(uint64_t a, uint64_t b, bool borrow, unsigned size, uint64_t *rflags)
{
	uint64_t r = a - b - borrow;

	set_carries(rflags, (~a & b) | (~(a ^ b) & r), (a ^ b) & (a ^ r), a ^ b ^ r, size);
	set_result_flags(rflags, r, size);
	return r;
}

static uint64_t logic(uint64_t r, unsigned size, uint64_t *rflags)
{
	*rflags &= ~(uint64_t)(RFLAGS_CF | RFLAGS_OF | RFLAGS_AF);
	set_result_flags(rflags, r, size);
	return r;
}

static uint64_t alu(enum insn_op op, uint64_t a, uint64_t b, unsigned size, uint64_t *rflags)
{
	bool carry = *rflags & RFLAGS_CF;

	switch (op) {
	case INSN_ADD:
		return alu_add(a, b, false, size, rflags);
	case INSN_ADC:
		return alu_add(a, b, carry, size, rflags);
	case INSN_SUB: case INSN_CMP:
		return sub(a, b, false, size, rflags);
	case INSN_SBB:
		return sub(a, b, carry, size, rflags);
	case INSN_OR:
		return logic(a | b, size, rflags);
	case INSN_XOR:
		return logic(a ^ b, size, rflags);
	default:	/* AND, TEST */
		return logic(a & b, size, rflags);
	}
}

static uint64_t unary(enum insn_op op, uint64_t v, unsigned size, uint64_t *rflags)
{
	uint64_t carry = *rflags & RFLAGS_CF;

	switch (op) {
	case INSN_NEG:
		return sub(0, v, false, size, rflags);
	case INSN_INC:
		v = alu_add(v, 1, false, size, rflags);
		break;
	case INSN_DEC:
		v = sub(v, 1, false, size, rflags);
		break;
	default:	/* NOT: no flags */
		return ~v;
	}
	*rflags = (*rflags & ~(uint64_t)RFLAGS_CF) | carry;	/* INC and DEC leave it */
	return v;
}

static uint64_t bit_op(enum insn_op op, uint64_t v, uint64_t operand, unsigned size, uint64_t *rflags)
{
	uint64_t bit = BIT64(operand & (size_bits(size) - 1));

	alu_set_flag(rflags, RFLAGS_CF, v & bit);
	switch (op) {
	case INSN_BTS:
		return v | bit;
	case INSN_BTR:
		return v & ~bit;
	case INSN_BTC:
		return v ^ bit;
	default:
		return v;
	}
}

static void to_reg(struct effect *e, const struct insn *insn, uint64_t v)
{
	e->reg = insn->reg;
	e->high = insn->high;
	e->reg_size = insn->reg_size;
	e->reg_value = v;
}

/* If the comparison fails, write the old value back, as the processor does. */
static void cmpxchg(struct effect *e, const struct insn *insn, const struct vcpu_regs *regs, uint64_t old, uint64_t src)
{
	uint64_t acc = reg_read(regs, GPR_RAX, false, insn->size);

	sub(acc, old, false, insn->size, &e->rflags);
	if (acc == old) {
		e->mem = src;
		return;
	}
	e->mem = old;
	e->reg = GPR_RAX;
	e->reg_size = insn->size;
	e->reg_value = old;
}

static void exec_move(struct effect *e, const struct insn *insn, uint64_t old, uint64_t src)
{
	unsigned swap_shift = 64 - size_bits(insn->size);

	if (insn->op == INSN_MOVBE) {
		old = __builtin_bswap64(old) >> swap_shift;
		src = __builtin_bswap64(src) >> swap_shift;
	} else if (insn->op == INSN_MOVSX) {
		old = sign_extend(old, insn->size);
	}
	if (insn->to_reg)
		to_reg(e, insn, old);
	else
		e->mem = src;
}

/* Two-operand arithmetic, in both directions; CMP and TEST change only the flags. */
static void arithmetic(struct effect *e, const struct insn *insn, uint64_t old, uint64_t src)
{
	if (!insn->to_reg)
		e->mem = alu(insn->op, old, src, insn->size, &e->rflags);
	else if (insn->op == INSN_CMP)
		alu(insn->op, src, old, insn->size, &e->rflags);
	else
		to_reg(e, insn, alu(insn->op, src, old, insn->size, &e->rflags));
}

/* The operand beside the memory operand. */
uint64_t insn_source(const struct insn *insn, const struct vcpu_regs *regs)
{
	return insn->operand == OPERAND_REG ? reg_read(regs, insn->reg, insn->high, insn->reg_size) :
	       insn->imm & size_mask(insn->size);
}

static void compute(struct effect *e, const struct insn *insn, const struct vcpu_regs *regs, uint64_t old)
{
	uint64_t src = insn_source(insn, regs);

	switch (insn->op) {
	case INSN_MOV: case INSN_MOVZX: case INSN_MOVSX: case INSN_MOVBE:
		exec_move(e, insn, old, src);
		break;
	case INSN_XCHG:
		e->mem = src;
		to_reg(e, insn, old);
		break;
	case INSN_XADD:
		e->mem = alu_add(old, src, false, insn->size, &e->rflags);
		to_reg(e, insn, old);
		break;
	case INSN_CMPXCHG:
		cmpxchg(e, insn, regs, old, src);
		break;
	case INSN_NOT: case INSN_NEG: case INSN_INC: case INSN_DEC:
		e->mem = unary(insn->op, old, insn->size, &e->rflags);
		break;
	case INSN_BT: case INSN_BTS: case INSN_BTR: case INSN_BTC:
		e->mem = bit_op(insn->op, old, src, insn->size, &e->rflags);
		break;
	default:
		arithmetic(e, insn, old, src);
	}
}

static void insn_finish(const struct insn *insn, struct vcpu_regs *regs)
{
	regs->rip = insn_next_rip(insn, regs);
	regs->rflags &= ~(uint64_t)RFLAGS_RF;
}

static int operand_check(const struct insn_bus *bus, uint64_t linear, unsigned size, bool write)
{
	return bus->check ? bus->check(bus->ctx, linear, size, write) : 0;
}

static int execute_memory(const struct insn *insn, struct vcpu_regs *regs, const struct insn_bus *bus)
{
	struct effect e = { .rflags = regs->rflags };
	uint64_t ea = insn_ea(insn, regs), old = 0;
	int err;

	if (insn_fault(insn, regs))
		return -ERR_FAULT;
	err = operand_check(bus, ea, insn->size, insn->writes);
	if (err)
		return err;
	if (insn->reads) {
		err = bus->read(bus->ctx, ea, &old, insn->size);
		if (err)
			return err;
	}
	compute(&e, insn, regs, old);
	if (insn->writes) {
		err = bus->write(bus->ctx, ea, &e.mem, insn->size);
		if (err)
			return err;
	}
	if (e.reg_size)
		reg_write(regs, e.reg, e.high, e.reg_size, e.reg_value);
	regs->rflags = e.rflags;
	insn_finish(insn, regs);
	return 0;
}

static int port_in(const struct insn *insn, const struct vcpu_regs *regs, const struct insn_bus *bus, uint32_t *v)
{
	if (!bus->in)
		return -ERR_NOTSUP;
	return bus->in(bus->ctx, insn_port(insn, regs), insn->size, v);
}

static int port_out(const struct insn *insn, const struct vcpu_regs *regs, const struct insn_bus *bus, uint32_t v)
{
	if (!bus->out)
		return -ERR_NOTSUP;
	return bus->out(bus->ctx, insn_port(insn, regs), insn->size, v & size_mask(insn->size));
}

static int execute_port(const struct insn *insn, struct vcpu_regs *regs, const struct insn_bus *bus)
{
	uint32_t v = 0;
	int err;

	if (insn->op == INSN_OUT)
		err = port_out(insn, regs, bus, regs->gpr[GPR_RAX]);
	else
		err = port_in(insn, regs, bus, &v);
	if (err)
		return err;
	if (insn->op == INSN_IN)
		reg_write(regs, GPR_RAX, false, insn->size, v);
	insn_finish(insn, regs);
	return 0;
}

/* Transfer the data of one iteration; the registers advance only after it has succeeded. */
static int string_transfer(const struct insn *insn, struct vcpu_regs *regs, const struct insn_bus *bus)
{
	uint64_t v = regs->gpr[GPR_RAX];
	uint32_t port_value = 0;
	int err = uses_dst(insn) ? operand_check(bus, insn_ea_dst(insn, regs), insn->size, true) : 0;

	if (err)
		return err;
	if (uses_src(insn)) {
		err = operand_check(bus, insn_ea_src(insn, regs), insn->size, false) ?:
		      bus->read(bus->ctx, insn_ea_src(insn, regs), &v, insn->size);
	} else if (insn->op == INSN_INS) {
		err = port_in(insn, regs, bus, &port_value);
		v = port_value;
	}
	if (err)
		return err;
	if (uses_dst(insn))
		err = bus->write(bus->ctx, insn_ea_dst(insn, regs), &v, insn->size);
	else if (insn->op == INSN_OUTS)
		err = port_out(insn, regs, bus, v);
	if (!err && insn->op == INSN_LODS)
		reg_write(regs, GPR_RAX, false, insn->size, v);
	return err;
}

static void string_advance(const struct insn *insn, struct vcpu_regs *regs, enum gpr reg, int64_t by)
{
	reg_write(regs, reg, false, insn->addr_size, regs->gpr[reg] + by);
}

static int execute_string(const struct insn *insn, struct vcpu_regs *regs, const struct insn_bus *bus)
{
	int64_t step = regs->rflags & RFLAGS_DF ? -(int64_t)insn->size : insn->size;
	unsigned left = bus->rep_max ? bus->rep_max : INSN_REP_MAX;

	while (!insn->rep || reg_read(regs, GPR_RCX, false, insn->addr_size)) {
		int err;

		if (insn->rep && !left--)
			return 0;
		if (insn_fault(insn, regs))
			return -ERR_FAULT;
		err = string_transfer(insn, regs, bus);
		if (err)
			return err;
		if (uses_src(insn))
			string_advance(insn, regs, GPR_RSI, step);
		if (uses_dst(insn))
			string_advance(insn, regs, GPR_RDI, step);
		if (!insn->rep)
			break;
		string_advance(insn, regs, GPR_RCX, -1);
	}
	insn_finish(insn, regs);
	return 0;
}

int insn_execute(const struct insn *insn, struct vcpu_regs *regs, const struct insn_bus *bus)
{
	if (insn_is_string(insn))
		return execute_string(insn, regs, bus);
	if (insn_is_port(insn))
		return execute_port(insn, regs, bus);
	if (!insn->reads && !insn->writes)
		return -ERR_NOTSUP;
	return execute_memory(insn, regs, bus);
}
