/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Emulates the task switches of 32-bit guests, which always exit (SDM vol.  3, 26.4.2), by the rules of 8.3.  The processor has
 * checked the gate, the selector and the new TSS's type before the exit.  Faults in the new task (8.3, table 8-1), 16-bit TSSs
 * and the TSS's debug flag end the guest with a report: kernels do not use them.  Accessed and dirty bits of page tables are
 * not set.
 */
#include <veneer/string.h>
#include "hv/cpu/vcpu.h"
#include "hv/emul/walk.h"
#include "hv/mem/ram.h"
#include "hv/vmx/vmx.h"

#define SEL_RPL		3u
#define SEL_TI		BIT(2)
#define SEL_INDEX	GENMASK(15, 3)

/* Bytes 5 and 6 of a descriptor, as in vcpu_seg.attr. */
#define TYPE		GENMASK(3, 0)
#define TYPE_ACCESSED	BIT(0)
#define TYPE_WRITE	BIT(1)		/* of data; of code: readable */
#define TYPE_CONFORMING	BIT(2)
#define TYPE_CODE	BIT(3)
#define ATTR_S		BIT(4)
#define ATTR_DPL	GENMASK(6, 5)
#define ATTR_P		BIT(7)
#define ATTR_L		BIT(9)
#define ATTR_G		BIT(11)
#define TYPE_LDT	2u
#define TYPE_TSS	9u
#define TSS_BUSY	BIT(1)
#define DESC_RIGHTS	5u		/* the byte with type, DPL and P */

#define CR0_TS		BIT(3)
#define RFLAGS_NT	BIT(14)
#define RFLAGS_TASK	0x003f7fd5u	/* what a TSS can load */
#define V86_ATTR	0xf3u
#define TSS_TRAP	1u

struct tss {
	uint32_t link, stacks[6], cr3, eip, eflags;
	uint32_t gpr[8];		/* in the order of enum gpr */
	uint32_t seg[6];		/* in the order of enum seg */
	uint32_t ldt;
	uint16_t trap, iomap;
};

_Static_assert(sizeof(struct tss) == 104 && offsetof(struct tss, gpr) == 0x28 && offsetof(struct tss, ldt) == 0x60, "TSS");

/* --- the guest's memory, by linear address --- */

static bool write_linear(const struct vcpu_regs *r, uint64_t linear, const void *data, unsigned len)
{
	for (unsigned done = 0; done < len;) {
		uint64_t gpa, at = (uint32_t)(linear + done);
		unsigned n = MIN(len - done, PAGE_SIZE - (unsigned)(at & (PAGE_SIZE - 1)));
		void *p = guest_translate(r, at, &gpa) ? guest_memory(gpa, n, true) : NULL;

		if (!p)
			return false;
		memcpy(p, (const uint8_t *)data + done, n);
		done += n;
	}
	return true;
}

/* Atomic: another processor may read the descriptor while this one sets the busy bit. */
static bool mark_descriptor(const struct vcpu_regs *r, uint64_t desc, uint8_t set, uint8_t clear)
{
	uint64_t gpa;
	uint8_t *p = guest_translate(r, (uint32_t)(desc + DESC_RIGHTS), &gpa) ? guest_memory(gpa, 1, true) : NULL;

	if (!p)
		return false;
	if (set)
		__atomic_fetch_or(p, set, __ATOMIC_SEQ_CST);
	if (clear)
		__atomic_fetch_and(p, (uint8_t)~clear, __ATOMIC_SEQ_CST);
	return true;
}

/* Read the descriptor of @selector, and its address; false if there is none. */
static bool read_descriptor(const struct vcpu_regs *r, uint16_t selector, struct vcpu_seg *s, uint64_t *where)
{
	uint32_t at = selector & SEL_INDEX, limit = selector & SEL_TI ? r->seg[SEG_LDTR].limit : r->gdtr.limit;
	uint64_t base = selector & SEL_TI ? r->seg[SEG_LDTR].base : r->gdtr.base, d;

	if (!(selector & ~SEL_RPL) || at + 7 > limit || ((selector & SEL_TI) && !(r->seg[SEG_LDTR].attr & ATTR_P)))
		return false;
	*where = base + at;
	if (guest_read_linear(r, (uint32_t)*where, &d, sizeof(d)) != sizeof(d))
		return false;
	*s = (struct vcpu_seg){
		.selector = selector, .attr = (uint16_t)((d >> 40 & 0xff) | (d >> 44 & 0xf00)),
		.limit = (uint32_t)((d & 0xffff) | (d >> 32 & 0xf0000)), .base = (d >> 16 & 0xffffff) | (d >> 56) << 24,
	};
	if (s->attr & ATTR_G)
		s->limit = s->limit << 12 | 0xfff;
	return true;
}

/* --- the new task's segments --- */

static bool load_ldt(struct vcpu_regs *r, uint16_t selector)
{
	uint64_t where;

	r->seg[SEG_LDTR] = (struct vcpu_seg){ .selector = selector };
	if (!(selector & ~SEL_RPL))
		return true;
	return !(selector & SEL_TI) && read_descriptor(r, selector, &r->seg[SEG_LDTR], &where) &&
	       (r->seg[SEG_LDTR].attr & (ATTR_P | ATTR_S | TYPE)) == (ATTR_P | TYPE_LDT);
}

static bool good_code(const struct vcpu_seg *s, unsigned cpl)
{
	unsigned dpl = FIELD_GET(ATTR_DPL, s->attr);

	return (s->attr & TYPE_CODE) && (s->attr & TYPE_CONFORMING ? dpl <= cpl : dpl == cpl);
}

static bool good_stack(const struct vcpu_seg *s, unsigned cpl)
{
	return (s->attr & (TYPE_CODE | TYPE_WRITE)) == TYPE_WRITE && FIELD_GET(ATTR_DPL, s->attr) == cpl &&
	       (s->selector & SEL_RPL) == cpl;
}

static bool good_data(const struct vcpu_seg *s, unsigned cpl)
{
	if (s->attr & TYPE_CODE) {
		if (!(s->attr & TYPE_WRITE))
			return false;
		if (s->attr & TYPE_CONFORMING)
			return true;
	}
	return FIELD_GET(ATTR_DPL, s->attr) >= MAX(cpl, s->selector & SEL_RPL);
}

static bool load_segment(struct vcpu_regs *r, unsigned i, uint16_t selector)
{
	struct vcpu_seg *s = &r->seg[i];
	uint64_t where;

	*s = (struct vcpu_seg){ .selector = selector };
	if (r->rflags & RFLAGS_VM) {
		*s = (struct vcpu_seg){ selector, V86_ATTR, 0xffff, (uint64_t)selector << 4 };
		return true;
	}
	if (!(selector & ~SEL_RPL) && i != SEG_CS && i != SEG_SS)
		return true;
	if (!read_descriptor(r, selector, s, &where) || (s->attr & (ATTR_P | ATTR_S)) != (ATTR_P | ATTR_S))
		return false;
	if (i == SEG_CS ? !good_code(s, r->cpl) : i == SEG_SS ? !good_stack(s, r->cpl) : !good_data(s, r->cpl))
		return false;
	if (!(s->attr & TYPE_ACCESSED) && !mark_descriptor(r, where, TYPE_ACCESSED, 0))
		return false;
	s->attr |= TYPE_ACCESSED;
	return true;
}

/* --- the switch --- */

/*
 * With PAE paging an entry fails for the PDPTEs for which a MOV to CR3 raises #GP (SDM vol. 3, 4.4.1).  PDPTEs that cannot be
 * read count as not present.
 */
static bool good_pointers(const struct vcpu_regs *r, uint32_t cr3)
{
	uint64_t reserved = GENMASK64(2, 1) | GENMASK64(8, 5) | ~(phys_limit() - 1);
	const uint64_t *pointer = guest_memory(cr3 & 0xffffffe0, 4 * sizeof(*pointer), false);

	if (!(r->cr0 & CR0_PG) || !(r->cr4 & CR4_PAE) || !pointer)
		return true;
	for (unsigned i = 0; i < 4; i++) {
		uint64_t e = pointer[i];

		if ((e & BIT64(0)) && (e & reserved))
			return false;
	}
	return true;
}

static void load_registers(struct vcpu_regs *r, const struct tss *t)
{
	if (r->cr0 & CR0_PG)
		r->cr3 = t->cr3;
	r->rip = t->eip;
	r->rflags = (t->eflags & RFLAGS_TASK) | BIT(1);
	for (unsigned i = 0; i < ARRAY_SIZE(t->gpr); i++)
		r->gpr[i] = t->gpr[i];
	r->cr0 |= CR0_TS;
	r->cpl = r->rflags & RFLAGS_VM ? 3 : t->seg[SEG_CS] & SEL_RPL;
}

static const char *load_segments(struct vcpu_regs *r, const struct tss *t)
{
	static const char *const why[] = {
		"a task switch to a TSS whose ES cannot be loaded", "a task switch to a TSS whose CS cannot be loaded",
		"a task switch to a TSS whose SS cannot be loaded", "a task switch to a TSS whose DS cannot be loaded",
		"a task switch to a TSS whose FS cannot be loaded", "a task switch to a TSS whose GS cannot be loaded",
	};
	static const uint8_t order[] = { SEG_CS, SEG_SS, SEG_ES, SEG_DS, SEG_FS, SEG_GS };

	if (!load_ldt(r, (uint16_t)t->ldt))
		return "a task switch to a TSS whose LDT cannot be loaded";
	for (unsigned i = 0; i < ARRAY_SIZE(order); i++)
		if (!load_segment(r, order[i], (uint16_t)t->seg[order[i]]))
			return why[order[i]];
	return NULL;
}

static bool push_error(struct vcpu_regs *r, uint32_t error)
{
	uint64_t mask = r->seg[SEG_SS].attr & SEG_ATTR_DB ? 0xffffffff : 0xffff, sp = (r->gpr[GPR_RSP] - 4) & mask;

	r->gpr[GPR_RSP] = (r->gpr[GPR_RSP] & ~mask) | sp;
	return write_linear(r, r->seg[SEG_SS].base + sp, &error, sizeof(error));
}

/* Save EIP to the segment selectors in the old TSS; its CR3 and LDT selector are not written. */
static bool save_old(const struct vcpu_regs *r, const struct vmx_task *t)
{
	struct tss old = { .eip = (uint32_t)t->return_rip, .eflags = (uint32_t)r->rflags };
	uint32_t first = offsetof(struct tss, eip);

	if (t->source == TASK_IRET)
		old.eflags &= ~RFLAGS_NT;
	for (unsigned i = 0; i < ARRAY_SIZE(old.gpr); i++)
		old.gpr[i] = (uint32_t)r->gpr[i];
	for (unsigned i = 0; i < ARRAY_SIZE(old.seg); i++)
		old.seg[i] = r->seg[i].selector;
	return write_linear(r, r->seg[SEG_TR].base + first, (uint8_t *)&old + first, offsetof(struct tss, ldt) - first);
}

/* Read and check the new TSS and its descriptor: another processor may have changed them since the exit. */
static const char *read_new(const struct vcpu_regs *r, const struct vmx_task *t, struct vcpu_seg *tr, uint64_t *where,
			    struct tss *new)
{
	unsigned type = TYPE_TSS | (t->source == TASK_IRET ? TSS_BUSY : 0);

	if ((r->seg[SEG_TR].attr & TYPE) != (TYPE_TSS | TSS_BUSY) || r->seg[SEG_TR].limit < sizeof(*new) - 1)
		return "a task switch from a TSS of 16 bits";
	if ((t->selector & SEL_TI) || !read_descriptor(r, t->selector, tr, where))
		return "a task switch to a TSS whose descriptor cannot be read";
	if ((tr->attr & (TYPE | ATTR_S | ATTR_P)) != (type | ATTR_P) || tr->limit < sizeof(*new) - 1)
		return "a task switch to what is no TSS of 32 bits, or in the wrong state";
	if (guest_read_linear(r, tr->base, new, sizeof(*new)) != sizeof(*new))
		return "a task switch to a TSS that is not in memory";
	if (new->trap & TSS_TRAP)
		return "a task switch to a TSS with the debug flag";
	if (!good_pointers(r, new->cr3))
		return "a task switch to a TSS whose CR3 points at page directory pointers with reserved bits";
	return NULL;
}

const char *vmx_task_switch(struct vcpu_regs *r, const struct vmx_task *t)
{
	bool nested = t->source == TASK_CALL || t->source == TASK_GATE;
	uint32_t link = r->seg[SEG_TR].selector, old_at = link & SEL_INDEX;
	struct vcpu_regs n = *r;
	struct tss new;
	uint64_t where;
	const char *why = read_new(r, t, &n.seg[SEG_TR], &where, &new);

	if (why)
		return why;
	load_registers(&n, &new);
	why = load_segments(&n, &new);
	if (why)
		return why;
	if (t->has_error && !push_error(&n, t->error))
		return "a task switch with an error code, to a TSS whose stack is not in memory";
	if (!save_old(r, t) || (nested && !write_linear(r, n.seg[SEG_TR].base, &link, sizeof(uint16_t))))
		return "a task switch from or to a TSS that is not in memory";
	if (!nested && (old_at + 7 > r->gdtr.limit || !mark_descriptor(r, r->gdtr.base + old_at, 0, TSS_BUSY)))
		return "a task switch from a TSS whose descriptor cannot be written";
	if (t->source != TASK_IRET && !mark_descriptor(r, where, TSS_BUSY, 0))
		return "a task switch to a TSS whose descriptor cannot be written";
	if (nested)
		n.rflags |= RFLAGS_NT;
	n.seg[SEG_TR].attr |= TSS_BUSY;
	*r = n;
	return NULL;
}
