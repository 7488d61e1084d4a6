/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guest accesses to memory that Veneer emulates: twins' registers, ECAM pages, the local APIC while INIT and SIPI are watched,
 * the I/O APIC while Veneer uses one of its inputs, and hidden ranges, which read as ones and ignore writes.
 */
#include <veneer/err.h>
#include <veneer/gmem.h>
#include <veneer/io.h>
#include <veneer/log.h>
#include <veneer/string.h>
#include "hv/cpu/vcpu.h"
#include "hv/emul/access.h"
#include "hv/emul/emulate.h"
#include "hv/cpu/percpu.h"
#include "hv/emul/walk.h"
#include "hv/cpu/lapic.h"
#include "hv/dev/trap.h"
#include "hv/mem/nested.h"
#include "hv/mem/ram.h"

static bool is_lapic(uint64_t gpa)
{
	return ALIGN_DOWN(gpa, (uint64_t)PAGE_SIZE) == lapic_addr();
}

static void *ram_at(uint64_t gpa, unsigned len)
{
	return gpa < PAGE_SIZE ? guest_memory(gpa, len, true) : gmem_ptr(gpa, len);
}

static uint64_t phys_read(uint64_t gpa, unsigned len)
{
	uint32_t off;
	struct trap *t = trap_find_mmio(gpa, &off);
	volatile void *p = (volatile void *)(uintptr_t)gpa;
	const void *ram;
	uint64_t v = 0;

	if (t)
		return trap_read(t, off, len);
	if (nested_is_hidden(gpa))
		return ~0ull;
	ram = ram_at(gpa, len);
	/* Real memory and devices of the machine: only the other operand of a string move leads here. */
	if (ram) {
		memcpy(&v, ram, len);
		return v;
	}
	return len == 1 ? mmio_read8(p) : len == 2 ? mmio_read16(p) : len == 4 ? mmio_read32(p) : mmio_read64(p);
}

static void phys_write(uint64_t gpa, unsigned len, uint64_t v)
{
	uint32_t off;
	struct trap *t = trap_find_mmio(gpa, &off);
	volatile void *p = (volatile void *)(uintptr_t)gpa;
	void *ram;

	if (t)
		trap_write(t, off, len, v);
	else if (is_lapic(gpa))
		lapic_guest_write((uint32_t)(gpa & (PAGE_SIZE - 1)), len, (uint32_t)v);
	else if (nested_is_hidden(gpa))
		nested_stray_write(gpa);
	else if ((ram = ram_at(gpa, len)))
		memcpy(ram, &v, len);
	else if (len == 1)
		mmio_write8(p, (uint8_t)v);
	else if (len == 2)
		mmio_write16(p, (uint16_t)v);
	else if (len == 4)
		mmio_write32(p, (uint32_t)v);
	else
		mmio_write64(p, v);
}

/* Access only addresses that Veneer has mapped: below 4 GiB, or RAM. */
static bool reachable(uint64_t gpa, unsigned len)
{
	uint32_t off;

	if (gpa < 0x100000000ull)
		return true;
	return gmem_valid(gpa, len) || trap_find_mmio(gpa, &off) || nested_is_hidden(gpa);
}

static int operand_access(struct guest_operands *o, uint64_t linear, void *buf, unsigned len, bool write)
{
	uint64_t gpa, v = 0;

	/* Operands that cross a page are accessed byte by byte. */
	if ((linear & (PAGE_SIZE - 1)) + len > PAGE_SIZE) {
		for (unsigned i = 0; i < len; i++)
			if (operand_access(o, linear + i, (uint8_t *)buf + i, 1, write))
				return -ERR_FAULT;
		return 0;
	}
	if (!guest_operand(o, linear, len, write, &gpa) || !reachable(gpa, len))
		return -ERR_FAULT;
	if (write) {
		memcpy(&v, buf, len);
		phys_write(gpa, len, v);
	} else {
		v = phys_read(gpa, len);
		memcpy(buf, &v, len);
	}
	return 0;
}

int operand_read(void *ctx, uint64_t linear, void *buf, unsigned len)
{
	return operand_access(ctx, linear, buf, len, false);
}

int operand_write(void *ctx, uint64_t linear, const void *buf, unsigned len)
{
	return operand_access(ctx, linear, (void *)(uintptr_t)buf, len, true);
}

bool operand_again(uint64_t rip)
{
	uint64_t *last = &this_cpu()->mismatch_rip;
	bool again = *last != rip;

	*last = again ? rip : 0;
	return again;
}

bool operand_result(struct vcpu *v, struct vcpu_regs *r, const struct insn *insn, const struct guest_operands *o, int err)
{
	bool progress = r->gpr[GPR_RCX] != v->gpr[GPR_RCX];
	uint8_t fault = err ? insn_fault(insn, r) : 0;

	memcpy(v->gpr, r->gpr, sizeof(v->gpr));
	if (!err) {
		v->rflags = r->rflags;
		vcpu_ops->skip(v, r->rip);
	} else if (progress) {
		return true;
	} else if (fault) {
		vcpu_ops->inject_exception(v, fault, true, 0);
	} else if (o->fault) {
		r->cr2 = o->addr;
		vcpu_ops->set(v, r);
		vcpu_ops->inject_exception(v, VCPU_EVENT_PF, true, o->error);
	} else {
		return false;
	}
	return true;
}

static void refuse_access(struct vcpu *v, uint64_t rip, uint64_t gpa, const uint8_t *b, unsigned n)
{
	static bool said;
	uint32_t off;
	struct trap *t = trap_find_mmio(gpa, &off);
	uint64_t first;

	__builtin_memcpy(&first, b, sizeof(first));
	first = __builtin_bswap64(first);
	/* An unknown instruction on a twin's registers is logged; on a hidden range it is an error of the guest. */
	if (t && n)
		log_err_once(said, "guest: instruction not known at a device register: gpa %#lx rip %#lx, its bytes %016lx",
			     gpa, rip, first);
	vcpu_ops->inject_exception(v, VCPU_EVENT_GP, true, 0);
}

/* True if an operand of the instruction lies in the page that the processor reported, or may not be accessed at all. */
static bool in_page(struct guest_operands *o, uint64_t linear, bool write, uint64_t gpa)
{
	uint64_t is;

	return !guest_operand(o, linear, 1, write, &is) || ALIGN_DOWN(is ^ gpa, (uint64_t)PAGE_SIZE) == 0;
}

/* True if the instruction's operand is the address that the processor reported; else another processor has changed it. */
static bool same_address(struct guest_operands *o, const struct insn *insn, uint64_t gpa)
{
	const struct vcpu_regs *r = o->regs;
	uint64_t ea;

	if (insn_is_string(insn))
		return (insn->writes && in_page(o, insn_ea_dst(insn, r), true, gpa)) ||
		       (insn->reads && in_page(o, insn_ea_src(insn, r), false, gpa));
	ea = insn_ea(insn, r);
	/* For an operand that crosses a page the processor may report the second page. */
	return in_page(o, ea, insn->writes, gpa) || in_page(o, ea + insn->size - 1, insn->writes, gpa);
}

/*
 * Decode the current instruction.  A guest accesses a register from few places, and the result depends only on the bytes and
 * the mode, so the last result is cached with its bytes.  NULL if the decoder does not know the instruction.
 */
static const struct insn *decode(enum cpu_mode mode, const uint8_t *bytes, unsigned n)
{
	struct cpu *c = this_cpu();
	uint64_t key[2] = { 0, 0 };
	bool whole = n >= INSN_MAX_LEN;

	if (whole) {
		__builtin_memcpy(&key[0], bytes, 8);
		__builtin_memcpy(&key[1], bytes + INSN_MAX_LEN - 8, 8);
		if (c->insn_kept && c->insn.mode == mode && key[0] == c->insn_bytes[0] && key[1] == c->insn_bytes[1])
			return &c->insn;
	}
	bool ok = !insn_decode(&c->insn, mode, bytes, n);

	c->insn_kept = ok && whole;
	c->insn_bytes[0] = key[0];
	c->insn_bytes[1] = key[1];
	return ok ? &c->insn : NULL;
}

/*
 * Carry out a store by MOV to a trap, as a kick is.  The processor has translated the only operand, and reports its address:
 * believe the address, and walk no tables.  Only the place in the page is compared: if it differs, another processor has
 * rewritten the instruction since.  False: no such store, or one that faults.
 */
static bool store_plainly(struct vcpu *v, const struct vmexit *x, const struct insn *insn, struct vcpu_regs *r, struct trap *t,
			  uint32_t off)
{
	unsigned place = (unsigned)x->npf.gpa & (PAGE_SIZE - 1);

	if (!x->npf.write || insn->op != INSN_MOV || !insn->writes || place + insn->size > PAGE_SIZE)
		return false;
	if (insn->mode != MODE_64 || insn->seg >= SEG_FS)
		vcpu_ops->get_segment(v, insn->seg, &r->seg[insn->seg]);
	if ((insn_ea(insn, r) & (PAGE_SIZE - 1)) != place || insn_fault(insn, r))
		return false;
	trap_write(t, off, insn->size, insn_source(insn, r));
	v->rflags &= ~(uint64_t)RFLAGS_RF;
	vcpu_ops->skip(v, insn_next_rip(insn, r));
	return true;
}

/* False: the instruction is not the one that exited, again, or its operand is neither memory nor a register. */
static bool emulate_any(struct vcpu *v, const struct vmexit *x, const struct insn *insn)
{
	struct vcpu_regs r;
	struct guest_operands o = { .regs = &r };
	/* A single step is over after one iteration. */
	unsigned rep_max = v->rflags & RFLAGS_TF ? 1 : 0;
	struct insn_bus bus = { .read = operand_read, .write = operand_write, .check = guest_operand_check, .ctx = &o,
				.rep_max = rep_max };

	vcpu_ops->get(v, &r);
	return !same_address(&o, insn, x->npf.gpa) ? operand_again(r.rip) :
	       operand_result(v, &r, insn, &o, insn_execute(insn, &r, &bus));
}

/* @t: the trap at the address, and the offset in it; NULL: none. */
static void emulate(struct vcpu *v, const struct vmexit *x, struct trap *t, uint32_t off)
{
	struct vcpu_regs r;
	const struct insn *insn;
	uint8_t own[INSN_MAX_LEN + 1];
	const uint8_t *bytes = own;

	vcpu_ops->get_code(v, &r);
	unsigned n = vcpu_ops->insn_bytes(v, &bytes);
	if (!n) {
		__builtin_memset(own, 0, sizeof(own));
		bytes = own;
		n = guest_read_code(&r, own, INSN_MAX_LEN);
	}
	/* Only an instruction with a memory operand can have caused the exit. */
	insn = x->npf.fetch || x->npf.walk ? NULL : decode(insn_mode(&r), bytes, n);
	if (insn && t && store_plainly(v, x, insn, &r, t, off))
		return;
	/* If it comes back unchanged we decode it wrongly. */
	if (!insn || (!insn->reads && !insn->writes) || !emulate_any(v, x, insn))
		refuse_access(v, r.rip, x->npf.gpa, bytes, n);
}

/* The delivery of an event made the access, not an instruction. */
static bool refuse_unless_delivery(struct vcpu *v, const struct vmexit *x)
{
	if (!x->delivered.valid)
		vcpu_ops->inject_exception(v, VCPU_EVENT_GP, true, 0);
	return !x->delivered.valid;
}

bool exit_mmio(struct vcpu *v, const struct vmexit *x)
{
	uint64_t gpa = x->npf.gpa;
	uint32_t off;
	struct trap *t = trap_find_mmio(gpa, &off);
	bool ours = t || nested_is_hidden(gpa) || (is_lapic(gpa) && x->npf.write);

	if (ours && !x->delivered.valid)
		emulate(v, x, t, off);
	else if (ours || gpa >= phys_limit() || nested_map_on_demand(gpa))
		return refuse_unless_delivery(v, x);
	return true;
}

uint64_t exit_next_rip(struct vcpu *v, const struct vmexit *x)
{
	uint8_t bytes[INSN_MAX_LEN];
	struct vcpu_regs r;
	struct insn insn;

	if (x->next_rip)
		return x->next_rip;
	vcpu_ops->get(v, &r);
	unsigned n = guest_read_code(&r, bytes, sizeof(bytes));
	if (insn_decode(&insn, insn_mode(&r), bytes, n))
		return 0;
	return r.rip + insn.len;
}
