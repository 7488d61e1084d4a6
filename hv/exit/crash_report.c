/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The report on a dead guest, for the person who wrote the guest, in a build with CRASH_REPORT.  The most important lines come
 * last, so that they all fit on a text screen of 80 by 25.  The processor's tables are in crash_tables.c.
 */
#include <veneer/log.h>
#include <veneer/string.h>
#include "hv/emul/walk.h"
#include "hv/exit/symbols.h"
#include "hv/exit/crash.h"

#define MAX_FRAMES	7u		/* with the current function */
#define STACK_LINES	2u

static bool long_mode(const struct vcpu_regs *r)
{
	return r->efer & EFER_LMA;
}

unsigned crash_word(const struct vcpu_regs *r)
{
	if (long_mode(r) && (r->seg[SEG_CS].attr & SEG_ATTR_L))
		return 8;
	return r->seg[SEG_CS].attr & SEG_ATTR_DB ? 4 : 2;
}

const char *crash_place(uint64_t addr, bool ret, char *buf)
{
	uint32_t offset;
	const char *name = symbols_find(addr - ret, &offset);

	buf[0] = 0;
	if (name)
		fmt_string(buf, CRASH_PLACE_MAX, " %s+%#x", name, offset + ret);
	return buf;
}

static void print_registers(const struct vcpu_regs *r)
{
	static const char *const name[GPR_COUNT] = { "ax", "cx", "dx", "bx", "sp", "bp", "si", "di", "8 ", "9 ", "10", "11",
						     "12", "13", "14", "15" };
	unsigned n = long_mode(r) ? GPR_COUNT : GPR_R8, per_line = long_mode(r) ? 3 : 4;
	char line[96];
	int at = 0;

	for (unsigned i = 0; i < n; i++) {
		at += fmt_string(line + at, sizeof(line) - (size_t)at, long_mode(r) ? " r%s %016lx" : " e%s %08lx", name[i],
				 r->gpr[i]);
		if (i % per_line == per_line - 1 || i == n - 1) {
			log_report("guest:%s", line);
			at = 0;
		}
	}
	log_report("guest: cr0 %08lx cr2 %016lx cr3 %016lx", r->cr0, r->cr2, r->cr3);
	log_report("guest: cr4 %08lx efer %04lx rflags %08lx cpl %u, %u-bit code", r->cr4, r->efer, r->rflags, r->cpl,
		   8 * crash_word(r));
}

static void print_code(const struct vcpu_regs *r)
{
	uint8_t b[16];
	char line[64];
	unsigned n = guest_read_code(r, b, sizeof(b));

	for (unsigned i = 0; i < n; i++)
		fmt_string(line + 3 * i, sizeof(line) - 3 * i, " %02x", b[i]);
	if (n)
		log_report("guest: code%s", line);
	else
		log_report("guest: the code at rip cannot be read: no memory is mapped there");
}

/* Print the words on the stack, for code without frame pointers. */
static void print_stack(const struct vcpu_regs *r)
{
	unsigned word = crash_word(r), per_line = word == 8 ? 3 : 6;
	uint64_t sp = r->gpr[GPR_RSP], base = word == 8 ? 0 : r->seg[SEG_SS].base;

	if (word == 2)
		sp &= 0xffff;
	for (unsigned i = 0; i < STACK_LINES; i++) {
		char line[96];
		int at = 0;

		for (unsigned k = 0; k < per_line; k++, sp += word) {
			uint64_t w = 0;

			if (guest_read_linear(r, base + sp, &w, word) != word)
				break;
			at += fmt_string(line + at, sizeof(line) - (size_t)at,
					 word == 8 ? " %016lx" : word == 4 ? " %08lx" : " %04lx", w);
		}
		if (at)
			log_report("guest: %s%s", i ? "     " : "stack", line);
		else if (!i)
			log_report("guest: stack at %lx: no memory is mapped there", base + sp);
	}
}

/* Follow the frame pointers.  They lead upward: a chain that does not has ended, or is no chain. */
static void print_frames(const struct vcpu_regs *r)
{
	unsigned word = crash_word(r);
	uint64_t bp = r->gpr[GPR_RBP], base = word == 8 ? 0 : r->seg[SEG_SS].base, code = word == 8 ? 0 : r->seg[SEG_CS].base;
	char place[CRASH_PLACE_MAX];

	if (code)
		log_report("guest: #0 %04x:%08lx, linear %08lx%s", r->seg[SEG_CS].selector, r->rip, code + r->rip,
			   crash_place(code + r->rip, false, place));
	else
		log_report("guest: #0 rip %016lx%s", r->rip, crash_place(r->rip, false, place));
	if (word == 2)
		return;
	for (unsigned n = 1; n < MAX_FRAMES && bp; n++) {
		uint8_t b[16];
		uint64_t next = 0, ret = 0;

		if (guest_read_linear(r, base + bp, b, 2 * word) != 2 * word) {
			log_report("guest: #%u no memory is mapped at the frame pointer %lx", n, bp);
			return;
		}
		memcpy(&next, b, word);
		memcpy(&ret, b + word, word);
		log_report("guest: #%u     %016lx%s", n, ret, crash_place(ret, true, place));
		if (next <= bp)
			return;
		bp = next;
	}
}

void crash_report(const struct vcpu_regs *r, const struct vcpu_event *e)
{
	crash_segments(r);
	crash_walk(r);
	print_registers(r);
	print_code(r);
	print_stack(r);
	print_frames(r);
	crash_delivery(r, e);
}
