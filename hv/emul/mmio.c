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

#define NO_PAGE		1ull

/* The accesses of one emulated instruction, through the bus callbacks. */
struct access {
	const struct vcpu_regs *regs;
	uint64_t linear, gpa;	/* a page translated for this instruction; none if linear is not page-aligned */
};

/* Translate each page once, so that the check of the instruction and its execution use the same translation. */
static bool translate(struct access *a, uint64_t linear, uint64_t *gpa)
{
	uint64_t offset = linear & (PAGE_SIZE - 1);

	if (linear - offset != a->linear) {
		if (!guest_translate(a->regs, linear - offset, &a->gpa)) {
			a->linear = NO_PAGE;
			return false;
		}
		a->linear = linear - offset;
	}
	*gpa = a->gpa + offset;
	return true;
}

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

static int mmio_bus_read(void *ctx, uint64_t linear, void *buf, unsigned len)
{
	struct access *a = ctx;
	uint64_t gpa, v;

	/* Operands that cross a page are accessed byte by byte. */
	if ((linear & (PAGE_SIZE - 1)) + len > PAGE_SIZE) {
		for (unsigned i = 0; i < len; i++)
			if (mmio_bus_read(ctx, linear + i, (uint8_t *)buf + i, 1))
				return -ERR_FAULT;
		return 0;
	}
	if (!translate(a, linear, &gpa) || !reachable(gpa, len))
		return -ERR_FAULT;
	v = phys_read(gpa, len);
	memcpy(buf, &v, len);
	return 0;
}

static int mmio_bus_write(void *ctx, uint64_t linear, const void *buf, unsigned len)
{
	struct access *a = ctx;
	uint64_t gpa, v = 0;

	if ((linear & (PAGE_SIZE - 1)) + len > PAGE_SIZE) {
		for (unsigned i = 0; i < len; i++)
			if (mmio_bus_write(ctx, linear + i, (const uint8_t *)buf + i, 1))
				return -ERR_FAULT;
		return 0;
	}
	if (!translate(a, linear, &gpa) || !reachable(gpa, len))
		return -ERR_FAULT;
	memcpy(&v, buf, len);
	phys_write(gpa, len, v);
	return 0;
}

static void refuse_access(struct vcpu *v, const struct vcpu_regs *r, uint64_t gpa, const uint8_t *b, unsigned n)
{
	static bool said;
	uint32_t off;
	struct trap *t = trap_find_mmio(gpa, &off);

	/* An unknown instruction on a twin's registers is logged; on a hidden range it is an error of the guest. */
	if (t && n)
		log_err_once(said, "guest: instruction not known at a device register: gpa %#lx rip %#lx: %02x %02x %02x %02x "
			     "%02x %02x %02x %02x", gpa, r->rip, b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]);
	vcpu_ops->inject_exception(v, VCPU_EVENT_GP, true, 0);
}

/* True if the instruction's operand is the address that the processor reported; else another processor has changed it. */
static bool same_address(struct access *a, const struct insn *insn, uint64_t gpa)
{
	const struct vcpu_regs *r = a->regs;
	uint64_t is;

	if (insn_is_string(insn)) {
		if (translate(a, insn_ea_dst(insn, r), &is) && ALIGN_DOWN(is ^ gpa, (uint64_t)PAGE_SIZE) == 0)
			return true;
		return translate(a, insn_ea_src(insn, r), &is) && ALIGN_DOWN(is ^ gpa, (uint64_t)PAGE_SIZE) == 0;
	}
	uint64_t ea = insn_ea(insn, r);

	if (translate(a, ea, &is) && ALIGN_DOWN(is ^ gpa, (uint64_t)PAGE_SIZE) == 0)
		return true;
	/* For an operand that crosses a page the processor may report the second page. */
	return translate(a, ea + insn->size - 1, &is) && ALIGN_DOWN(is ^ gpa, (uint64_t)PAGE_SIZE) == 0;
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

static void emulate(struct vcpu *v, const struct vmexit *x)
{
	struct vcpu_regs r;
	struct access a = { &r, NO_PAGE, 0 };
	/* A single step is over after one iteration. */
	unsigned rep_max = v->rflags & RFLAGS_TF ? 1 : 0;
	struct insn_bus bus = { .read = mmio_bus_read, .write = mmio_bus_write, .ctx = &a, .rep_max = rep_max };
	const struct insn *insn;
	uint8_t own[INSN_MAX_LEN + 1] = { 0 };
	const uint8_t *bytes = own;
	uint64_t *last = &this_cpu()->mismatch_rip;

	vcpu_ops->get(v, &r);
	unsigned n = vcpu_ops->insn_bytes(v, &bytes);
	if (!n) {
		bytes = own;
		n = guest_read_code(&r, own, INSN_MAX_LEN);
	}
	/* Only an instruction with a memory operand can have caused the exit. */
	insn = x->npf.fetch || x->npf.walk ? NULL : decode(insn_mode(&r), bytes, n);
	if (!insn || (!insn->reads && !insn->writes)) {
		refuse_access(v, &r, x->npf.gpa, bytes, n);
		return;
	}
	if (!same_address(&a, insn, x->npf.gpa)) {
		/*
		 * Another processor rewrote the instruction: let the guest execute it again.  If it comes back unchanged we
		 * decode it wrongly.
		 */
		if (*last == r.rip)
			refuse_access(v, &r, x->npf.gpa, bytes, n);
		*last = *last == r.rip ? 0 : r.rip;
		return;
	}
	int err = insn_execute(insn, &r, &bus);
	bool progress = !err || r.gpr[GPR_RCX] != v->gpr[GPR_RCX];

	/* Keep the completed iterations of a string move: the guest executes the rest again, and takes the fault itself. */
	memcpy(v->gpr, r.gpr, sizeof(v->gpr));
	uint8_t fault = err ? insn_fault(insn, &r) : 0;

	if (!progress && fault)
		vcpu_ops->inject_exception(v, fault, true, 0);
	else if (!progress)
		refuse_access(v, &r, x->npf.gpa, bytes, n);
	if (err)
		return;
	v->rflags = r.rflags;
	vcpu_ops->skip(v, r.rip);
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
	bool ours = trap_find_mmio(gpa, &off) || nested_is_hidden(gpa) || (is_lapic(gpa) && x->npf.write);

	if (ours && !x->delivered.valid)
		emulate(v, x);
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
