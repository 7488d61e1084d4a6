/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that Veneer answers for: twins' registers, ECAM pages, the local APIC while INIT and SIPI are watched, the IOAPIC
 * while a pin is borrowed, and hidden ranges, which read as ones and ignore writes.
 */
#include <veneer/err.h>
#include <veneer/gmem.h>
#include <veneer/io.h>
#include <veneer/log.h>
#include <veneer/string.h>
#include "hv/cpu/emulate.h"
#include "hv/cpu/percpu.h"
#include "hv/cpu/vendor.h"
#include "hv/dev/lapic.h"
#include "hv/dev/trap_internal.h"
#include "hv/mem/mem_internal.h"

/* One access of an emulated instruction, through the bus callbacks. */
struct access {
	const struct vcpu_regs *regs;
};

static bool is_lapic(uint64_t gpa)
{
	return ALIGN_DOWN(gpa, (uint64_t)PAGE_SIZE) == lapic_addr();
}

static uint64_t phys_read(uint64_t gpa, unsigned len)
{
	uint32_t off;
	struct trap *t = trap_find_mmio(gpa, &off);
	volatile void *p = (volatile void *)(uintptr_t)gpa;
	const void *ram = gmem_ptr(gpa, len);
	uint64_t v = 0;

	if (t)
		return trap_read(t, off, len);
	if (nested_is_hidden(gpa))
		return ~0ull;
	/* The machine's own: reached only as the other operand of a string move. */
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
	void *ram = gmem_ptr(gpa, len);

	if (t)
		trap_write(t, off, len, v);
	else if (is_lapic(gpa))
		lapic_guest_write((uint32_t)(gpa & (PAGE_SIZE - 1)), len, (uint32_t)v);
	else if (nested_is_hidden(gpa))
		return;
	else if (ram)
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

/* Only addresses that the host has mapped are touched: below 4 GiB but for page 0, or RAM. */
static bool reachable(uint64_t gpa, unsigned len)
{
	uint32_t off;

	if (gpa < 0x100000000ull)
		return gpa >= PAGE_SIZE;
	return gmem_valid(gpa, len) || trap_find_mmio(gpa, &off) || nested_is_hidden(gpa);
}

static int bus_read(void *ctx, uint64_t linear, void *buf, unsigned len)
{
	const struct access *a = ctx;
	uint64_t gpa, v;

	/* Page-crossing operands come byte by byte. */
	if ((linear & (PAGE_SIZE - 1)) + len > PAGE_SIZE) {
		for (unsigned i = 0; i < len; i++)
			if (bus_read(ctx, linear + i, (uint8_t *)buf + i, 1))
				return -ERR_FAULT;
		return 0;
	}
	if (!guest_translate(a->regs, linear, &gpa) || !reachable(gpa, len))
		return -ERR_FAULT;
	v = phys_read(gpa, len);
	memcpy(buf, &v, len);
	return 0;
}

static int bus_write(void *ctx, uint64_t linear, const void *buf, unsigned len)
{
	const struct access *a = ctx;
	uint64_t gpa, v = 0;

	if ((linear & (PAGE_SIZE - 1)) + len > PAGE_SIZE) {
		for (unsigned i = 0; i < len; i++)
			if (bus_write(ctx, linear + i, (const uint8_t *)buf + i, 1))
				return -ERR_FAULT;
		return 0;
	}
	if (!guest_translate(a->regs, linear, &gpa) || !reachable(gpa, len))
		return -ERR_FAULT;
	memcpy(&v, buf, len);
	phys_write(gpa, len, v);
	return 0;
}

static void refuse(struct vcpu *v, const struct vcpu_regs *r, uint64_t gpa, const uint8_t *b, unsigned n)
{
	static bool said;
	uint32_t off;
	struct trap *t = trap_find_mmio(gpa, &off);

	/* On a twin's registers an unknown instruction is a report; on a hidden range it is the guest's fault alone. */
	if (t && n)
		log_err_once(said, "guest: instruction not known at a device register: gpa %#lx rip %#lx: %02x %02x %02x %02x "
			     "%02x %02x %02x %02x", gpa, r->rip, b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]);
	vendor->inject_exception(v, VCPU_EVENT_GP, true, 0);
}

/* Whether the instruction's operand is the address that the processor reported: else it was changed under us. */
static bool same_address(const struct insn *insn, const struct vcpu_regs *r, uint64_t gpa)
{
	uint64_t a;

	if (insn_is_string(insn)) {
		if (guest_translate(r, insn_ea_dst(insn, r), &a) && ALIGN_DOWN(a ^ gpa, (uint64_t)PAGE_SIZE) == 0)
			return true;
		return guest_translate(r, insn_ea_src(insn, r), &a) && ALIGN_DOWN(a ^ gpa, (uint64_t)PAGE_SIZE) == 0;
	}
	uint64_t ea = insn_ea(insn, r);

	if (guest_translate(r, ea, &a) && ALIGN_DOWN(a ^ gpa, (uint64_t)PAGE_SIZE) == 0)
		return true;
	/* An operand across the page's end faults on its second half. */
	return guest_translate(r, ea + insn->size - 1, &a) && ALIGN_DOWN(a ^ gpa, (uint64_t)PAGE_SIZE) == 0;
}

static void emulate(struct vcpu *v, const struct vmexit *x)
{
	struct vcpu_regs r;
	struct access a = { &r };
	struct insn_bus bus = { .read = bus_read, .write = bus_write, .ctx = &a };
	struct insn insn;
	uint8_t own[INSN_MAX_LEN + 1] = { 0 };
	const uint8_t *bytes = own;
	uint64_t *last = &this_cpu()->mismatch_rip;

	vendor->get(v, &r);
	unsigned n = vendor->insn_bytes(v, &bytes);
	if (!n) {
		bytes = own;
		n = guest_read_code(&r, own, INSN_MAX_LEN);
	}
	/* Only what has a memory operand has an address to compare, and can be the cause. */
	if (x->npf.fetch || x->npf.walk || insn_decode(&insn, insn_mode(&r), bytes, n) || (!insn.reads && !insn.writes)) {
		refuse(v, &r, x->npf.gpa, bytes, n);
		return;
	}
	if (!same_address(&insn, &r, x->npf.gpa)) {
		/* Execute again: another CPU rewrote the instruction.  The same twice is a form that we read wrongly. */
		if (*last == r.rip)
			refuse(v, &r, x->npf.gpa, bytes, n);
		*last = *last == r.rip ? 0 : r.rip;
		return;
	}
	int err = insn_execute(&insn, &r, &bus);
	bool progress = !err || r.gpr[GPR_RCX] != v->gpr[GPR_RCX];

	/* What a string move has done is done: the rest is executed again, and meets its own fault. */
	memcpy(v->gpr, r.gpr, sizeof(v->gpr));
	if (!progress)
		refuse(v, &r, x->npf.gpa, bytes, n);
	if (err)
		return;
	v->rflags = r.rflags;
	vendor->skip(v, r.rip);
}

void exit_mmio(struct vcpu *v, const struct vmexit *x)
{
	uint64_t gpa = x->npf.gpa;
	uint32_t off;

	if (trap_find_mmio(gpa, &off) || nested_is_hidden(gpa) || (is_lapic(gpa) && x->npf.write)) {
		emulate(v, x);
		return;
	}
	if (gpa >= phys_limit() || nested_map_on_demand(gpa))
		vendor->inject_exception(v, VCPU_EVENT_GP, true, 0);
}
