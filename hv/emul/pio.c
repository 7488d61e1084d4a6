/* SPDX-License-Identifier: BSD-2-Clause */
/* Port accesses that exit: configuration ports, twins' legacy registers, sleep and reset. */
#include <veneer/err.h>
#include <veneer/io.h>
#include <veneer/log.h>
#include <veneer/string.h>
#include "hv/cpu/percpu.h"
#include "hv/cpu/vcpu.h"
#include "hv/emul/access.h"
#include "hv/emul/emulate.h"
#include "hv/emul/walk.h"
#include "hv/pci/pci.h"
#include "hv/dev/ports.h"
#include "hv/dev/power.h"
#include "hv/dev/trap.h"

#define CONFIG_FIRST	0xcf8
#define CONFIG_LAST	0xcff

/* True if an access begins at a port that is not trapped and extends into one that is: then each byte is accessed by itself. */
static bool runs_into(uint16_t port, unsigned width)
{
	uint32_t off;

	if (trap_find_pio(port, &off) || trap_port_is_fixed(port))
		return false;
	for (unsigned i = 1; i < width; i++)
		if (trap_find_pio((uint16_t)(port + i), &off) || trap_port_is_fixed((uint16_t)(port + i)))
			return true;
	return false;
}

static uint32_t port_read(uint16_t port, unsigned width);
static void port_write(uint16_t port, unsigned width, uint32_t value);

static uint32_t read_bytes(uint16_t port, unsigned width)
{
	uint32_t v = 0;

	for (unsigned i = 0; i < width; i++)
		v |= port_read((uint16_t)(port + i), 1) << (8 * i);
	return v;
}

static void write_bytes(uint16_t port, unsigned width, uint32_t value)
{
	for (unsigned i = 0; i < width; i++)
		port_write((uint16_t)(port + i), 1, value >> (8 * i) & 0xff);
}

static uint32_t port_read(uint16_t port, unsigned width)
{
	uint32_t off;
	struct trap *t = trap_find_pio(port, &off);

	if (runs_into(port, width))
		return read_bytes(port, width);
	if (t)
		return (uint32_t)trap_read(t, off, width);
	if (port >= CONFIG_FIRST && port <= CONFIG_LAST)
		return vpci_port_read(port, width);
	return port_in(port, width);
}

static void port_write(uint16_t port, unsigned width, uint32_t value)
{
	uint32_t off;
	struct trap *t = trap_find_pio(port, &off);

	if (runs_into(port, width))
		write_bytes(port, width, value);
	else if (t)
		trap_write(t, off, width, value);
	else if (port >= CONFIG_FIRST && port <= CONFIG_LAST)
		vpci_port_write(port, width, value);
	else if (!power_port_write(port, width, value))
		return;
	else
		port_out(port, width, value);
}

/* --- string forms: decoded in software, since emulated processors do not report address size and segment --- */

static int bus_in(void *ctx, uint16_t port, unsigned width, uint32_t *value)
{
	*value = port_read(port, width);
	return 0;
}

static int bus_out(void *ctx, uint16_t port, unsigned width, uint32_t value)
{
	port_write(port, width, value);
	return 0;
}

/* True if @insn is the access that the processor has checked against the guest's privileges, and that exited. */
static bool is_the_exits(const struct insn *insn, const struct vcpu_regs *r, const struct vmexit *x)
{
	bool in = insn->op == INSN_IN || insn->op == INSN_INS;

	return in == x->pio.in && insn_is_string(insn) == x->pio.string && insn->size == x->pio.width &&
	       insn_port(insn, r) == x->pio.port;
}

static void string_io(struct vcpu *v, const struct vmexit *x)
{
	struct vcpu_regs r;
	struct guest_operands o = { .regs = &r };
	/* A single step is over after one iteration. */
	struct insn_bus bus = {
		operand_read, operand_write, guest_operand_check, bus_in, bus_out, &o, v->rflags & RFLAGS_TF ? 1 : 0
	};
	uint8_t bytes[INSN_MAX_LEN];
	struct insn insn;

	vcpu_ops->get(v, &r);
	unsigned n = guest_read_code(&r, bytes, sizeof(bytes));

	if (insn_decode(&insn, insn_mode(&r), bytes, n) || !insn_is_port(&insn)) {
		vcpu_ops->inject_exception(v, VCPU_EVENT_GP, true, 0);
		return;
	}
	/*
	 * Another processor has rewritten the instruction, perhaps to a port that this program may not access: let the guest
	 * execute it again.  If it comes back unchanged, we decode it wrongly.
	 */
	if (!is_the_exits(&insn, &r, x) ? !operand_again(r.rip) :
	    !operand_result(v, &r, &insn, &o, insn_execute(&insn, &r, &bus)))
		vcpu_ops->inject_exception(v, VCPU_EVENT_GP, true, 0);
}

void exit_pio(struct vcpu *v, const struct vmexit *x)
{
	unsigned width = x->pio.width;
	uint64_t mask = width == 4 ? 0xffffffffull : (1ull << (8 * width)) - 1;

	if (x->pio.string || !x->next_rip) {
		string_io(v, x);
		return;
	}
	if (x->pio.in) {
		uint64_t value = port_read(x->pio.port, width) & mask;

		/* A 32-bit result clears the upper half of RAX, narrower ones keep the other bits. */
		v->gpr[GPR_RAX] = width == 4 ? value : (v->gpr[GPR_RAX] & ~mask) | value;
	} else {
		port_write(x->pio.port, width, (uint32_t)(v->gpr[GPR_RAX] & mask));
	}
	vcpu_ops->skip(v, x->next_rip);
}
