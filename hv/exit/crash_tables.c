/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tables of a dead guest: descriptors, page tables, and why an exception could not be delivered (APM vol. 2, chapters 4,
 * 5 and 8).
 */
#include <veneer/log.h>
#include <veneer/string.h>
#include "hv/exit/symbols.h"
#include "hv/exit/crash.h"

#define VECTOR_DF	8u
#define VECTOR_PF	14u
#define NO_ADDRESS	(~0ull)

/* A selector, and an exception's error code that names one. */
#define SEL_INDEX	GENMASK(15, 3)
#define SEL_TI		BIT(2)
#define ERR_IDT		BIT(1)

#define DESC_TYPE	GENMASK64(43, 40)
#define DESC_S		BIT64(44)
#define DESC_DPL	GENMASK64(46, 45)
#define DESC_P		BIT64(47)
#define DESC_CODE	BIT64(43)

#define GATE_TASK	5u
#define GATE_IST	GENMASK(2, 0)

/* struct tss: the fields with the stacks for more privileged code. */
#define TSS_SP0		4u
#define TSS64_IST1	0x24u

static bool long_mode(const struct vcpu_regs *r)
{
	return r->efer & EFER_LMA;
}

/* --- descriptors --- */

/* Read the descriptor that a selector names.  NULL, or the reason why there is none. */
static const char *read_descriptor(const struct vcpu_regs *r, uint16_t selector, uint64_t *d)
{
	uint32_t at = selector & SEL_INDEX;
	bool local = selector & SEL_TI;
	uint64_t base = local ? r->seg[SEG_LDTR].base : r->gdtr.base;
	uint32_t limit = local ? r->seg[SEG_LDTR].limit : r->gdtr.limit;

	if (!at && !local)
		return "null";
	if (at + 7 > limit)
		return "beyond the table's limit";
	if (guest_read_linear(r, base + at, d, sizeof(*d)) != sizeof(*d))
		return "table not mapped";
	return NULL;
}

void crash_segments(const struct vcpu_regs *r)
{
	static const char *const name[SEG_COUNT] = { "es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr" };

	log_report("guest: seg   sel base             limit    atr descriptor");
	for (unsigned i = 0; i < SEG_COUNT; i++) {
		const struct vcpu_seg *s = &r->seg[i];
		uint64_t d = 0;
		const char *none = r->cr0 & CR0_PE ? read_descriptor(r, s->selector, &d) : "real mode";
		char text[20];

		fmt_string(text, sizeof(text), "%016lx", d);
		log_report("guest: %-4s %04x %016lx %08x %03x %s", name[i], s->selector, s->base, s->limit, s->attr,
			   none ? none : text);
	}
	log_report("guest: gdtr      %016lx %08x", r->gdtr.base, r->gdtr.limit);
	log_report("guest: idtr      %016lx %08x", r->idtr.base, r->idtr.limit);
}

/* --- page tables --- */

static const char *flags(uint64_t e, bool wide, char *out)
{
	static const struct { uint64_t bit; const char *name; } flag[] = {
		{ BIT64(0), " p" }, { BIT64(1), " w" }, { BIT64(2), " u" }, { BIT64(5), " a" }, { BIT64(6), " d" },
		{ BIT64(7), " ps" }, { BIT64(63), " nx" },
	};
	int at = 0;

	out[0] = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(flag); i++)
		if ((e & flag[i].bit) && (wide || i < ARRAY_SIZE(flag) - 1))
			at += fmt_string(out + at, 24 - (size_t)at, "%s", flag[i].name);
	return out;
}

void crash_walk(const struct vcpu_regs *r)
{
	struct guest_walk w;
	char text[24];
	uint64_t gpa;
	bool mapped;

	if (!(r->cr0 & CR0_PG)) {
		log_report("guest: paging is off");
		return;
	}
	mapped = guest_walk(r, r->cr2, &gpa, &w);
	for (unsigned i = 0; i < w.n; i++) {
		const struct guest_walk_step *s = &w.step[i];

		if (s->ram)
			log_report("guest: walk of cr2: %016lx holds %016lx%s", s->gpa, s->entry, flags(s->entry, true, text));
		else
			log_report("guest: walk of cr2: %016lx is not the guest's memory", s->gpa);
	}
	if (mapped)
		log_report("guest: cr2 %016lx is mapped to %016lx", r->cr2, gpa);
	else
		log_report("guest: cr2 %016lx is not mapped", r->cr2);
}

/* --- the delivery of an exception --- */

static const char *exception_name(unsigned vector, char *buf)
{
	static const char *const name[] = { "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "vector 9", "#TS",
					    "#NP", "#SS", "#GP", "#PF", "vector 15", "#MF", "#AC", "#MC", "#XM" };

	if (vector < ARRAY_SIZE(name))
		return name[vector];
	fmt_string(buf, 16, "vector %u", vector);
	return buf;
}

/* Explain an error code (APM vol. 2, 8.4). */
static void explain_error(unsigned vector, uint32_t e, char *out, size_t size)
{
	out[0] = 0;
	if (vector == VECTOR_PF)
		fmt_string(out, size, " (%s, %s%s%s%s)", e & BIT(4) ? "fetch" : e & BIT(1) ? "write" : "read",
			   e & BIT(0) ? "not allowed" : "page absent", e & BIT(2) ? ", user" : "",
			   e & BIT(3) ? ", reserved bit set" : "", e & BIT(5) ? ", protection key" : "");
	else if (vector >= 10 && vector <= 13 && (e & ERR_IDT))
		fmt_string(out, size, " (gate %u of the IDT)", e >> 3 & 0xff);
	else if (vector >= 10 && vector <= 13 && (e & 0xfffc))
		fmt_string(out, size, " (selector %04x)", e & 0xfffc);
}

struct gate {
	uint16_t selector;
	unsigned type, dpl, ist;
	bool present, system;		/* not @system: no gate at all */
	uint64_t offset;
};

/* Read a gate of the IDT.  NULL, or the reason why that fails. */
static const char *read_gate(const struct vcpu_regs *r, unsigned vector, struct gate *g)
{
	unsigned size = long_mode(r) ? 16 : 8, at = vector * size;
	uint32_t w[4] = { 0 };

	if (at + size - 1 > r->idtr.limit)
		return "lies beyond the IDT's limit";
	if (guest_read_linear(r, r->idtr.base + at, w, size) != size)
		return "lies where no memory is mapped";
	*g = (struct gate){ .selector = (uint16_t)(w[0] >> 16), .type = w[1] >> 8 & 15, .dpl = w[1] >> 13 & 3,
			    .ist = long_mode(r) ? w[1] & GATE_IST : 0, .present = w[1] & BIT(15), .system = !(w[1] & BIT(12)),
			    .offset = (w[0] & 0xffff) | (w[1] & 0xffff0000) | (uint64_t)w[2] << 32 };
	return NULL;
}

/* Find the stack that the handler gets; false if the field that names it cannot be read. */
static bool handler_stack(const struct vcpu_regs *r, const struct gate *g, unsigned cpl, uint64_t *sp)
{
	unsigned word = long_mode(r) ? 8 : 4;
	uint32_t off = g->ist ? TSS64_IST1 + 8 * (g->ist - 1) : TSS_SP0 + 8 * cpl;

	*sp = 0;
	if (!g->ist && cpl >= r->cpl) {
		*sp = r->gpr[GPR_RSP] + (long_mode(r) ? 0 : r->seg[SEG_SS].base);
		return true;
	}
	return off + word - 1 <= r->seg[SEG_TR].limit &&
	       guest_read_linear(r, r->seg[SEG_TR].base + off, sp, word) == word;
}

/* Return what is wrong with the gate or with its target, or NULL. */
static const char *gate_fault(const struct vcpu_regs *r, const struct gate *g, uint64_t *at)
{
	uint64_t d = 0, gpa, base = 0;

	if (!g->present)
		return "is not present";
	if (g->system && g->type == GATE_TASK)
		return "is a task gate";
	if (!g->system || (g->type & 6) != 6)
		return "is no interrupt or trap gate";
	if (read_descriptor(r, g->selector, &d))
		return "names a code segment that is not in the GDT";
	if (!(d & DESC_P) || !(d & DESC_S) || !(d & DESC_CODE))
		return "names a segment that is no present code segment";
	if (!long_mode(r))
		base = (d >> 16 & 0xffffff) | (d >> 32 & 0xff000000);
	*at = base + g->offset;
	if (!guest_translate(r, *at, &gpa))
		return "leads to a handler where no memory is mapped";
	if (!handler_stack(r, g, (unsigned)FIELD_GET(DESC_DPL, d), at))
		return "needs a stack that the TSS does not name";
	if (!guest_translate(r, *at - 1, &gpa))
		return "needs a stack where no memory is mapped";
	return NULL;
}

/* Print the target of a vector in real mode's interrupt table. */
static void explain_vector(const struct vcpu_regs *r, unsigned vector)
{
	char buf[16];
	const char *name = exception_name(vector, buf);
	uint16_t to[2];

	if (4 * vector + 3 > r->idtr.limit)
		log_report("guest: the vector of %s lies beyond the interrupt table's limit (%lx, limit %04x)", name,
			   r->idtr.base, r->idtr.limit);
	else if (guest_read_linear(r, r->idtr.base + 4 * vector, to, sizeof(to)) != sizeof(to))
		log_report("guest: the vector of %s lies where no memory is (%lx)", name, r->idtr.base);
	else
		log_report("guest: the vector of %s: %04x:%04x", name, to[1], to[0]);
}

static void explain_gate(const struct vcpu_regs *r, unsigned vector)
{
	char place[CRASH_PLACE_MAX], buf[16];
	const char *name = exception_name(vector, buf), *wrong;
	uint64_t at = NO_ADDRESS;
	struct gate g;

	if (!(r->cr0 & CR0_PE)) {
		explain_vector(r, vector);
		return;
	}
	wrong = read_gate(r, vector, &g);
	if (wrong) {
		log_report("guest: the gate of %s %s (%016lx, limit %04x)", name, wrong, r->idtr.base, r->idtr.limit);
		return;
	}
	log_report("guest: the gate of %s: %04x:%016lx type %x dpl %u ist %u%s", name, g.selector, g.offset, g.type, g.dpl,
		   g.ist, crash_place(g.offset, false, place));
	wrong = gate_fault(r, &g, &at);
	if (wrong && at != NO_ADDRESS)
		log_report("guest: the gate of %s %s: %lx", name, wrong, at);
	else if (wrong)
		log_report("guest: the gate of %s %s", name, wrong);
}

void crash_delivery(const struct vcpu_regs *r, const struct vcpu_event *e)
{
	char error[64], buf[16];

	if (e->valid && e->vector != VECTOR_DF) {
		explain_error(e->vector, e->error, error, sizeof(error));
		if (e->has_error)
			log_report("guest: %s with error %04x%s could not be delivered", exception_name(e->vector, buf),
				   e->error, error);
		else
			log_report("guest: %s could not be delivered", exception_name(e->vector, buf));
		/* A failed INT or other harmless event gives an error code that names the event's gate. */
		if (e->has_error && e->vector >= 10 && e->vector <= 13 && (e->error & ERR_IDT))
			explain_gate(r, e->error >> 3 & 0xff);
		explain_gate(r, e->vector);
	}
	log_report("guest: then #DF could not be delivered either");
	explain_gate(r, VECTOR_DF);
}
