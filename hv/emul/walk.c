/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Walks the guest's own page tables in software, to emulate an instruction and for the crash report (APM vol. 2, chapter 5).
 * The nested tables are hv/mem's.
 */
#include <veneer/err.h>
#include <veneer/gmem.h>
#include <veneer/string.h>
#include "hv/cpu/vcpu.h"
#include "hv/dev/trap.h"
#include "hv/emul/walk.h"
#include "hv/mem/nested.h"
#include "hv/mem/paging.h"

#define PTE_P		BIT64(0)
#define PTE_W		BIT64(1)
#define PTE_U		BIT64(2)
#define PTE_A		BIT64(5)
#define PTE_D		BIT64(6)
#define PTE_PS		BIT64(7)
#define PTE_ADDR	GENMASK64(51, 12)
#define BELOW_4G	0x100000000ull
#define WALKS		8u		/* while the entry changes */

#define PF_PRESENT	BIT(0)		/* error code of #PF */
#define PF_WRITE	BIT(1)
#define PF_USER		BIT(2)

/*
 * Memory that the guest must not reach is absent from its nested tables, or trapped.  Reads below 4 GiB are allowed, because
 * the guest's processor could make them; writes only to RAM, because a store to the local APIC would act as Veneer's own.
 */
void *guest_memory(uint64_t gpa, unsigned len, bool write)
{
	uint32_t off;

	if (gpa < PAGE_SIZE)
		return paging_first_page() + gpa;
	if (write || gmem_valid(gpa, len))
		return gmem_ptr(gpa, len);
	if (gpa >= BELOW_4G || len > BELOW_4G - gpa || nested_is_hidden(gpa) || trap_find_mmio(gpa, &off))
		return NULL;
	return (void *)(uintptr_t)gpa;
}

static bool read_entry(uint64_t gpa, unsigned width, uint64_t *e, struct guest_walk *w)
{
	const void *p = guest_memory(gpa, width, false);

	*e = 0;
	if (p)
		memcpy(e, p, width);
	if (w && w->n < ARRAY_SIZE(w->step))
		w->step[w->n++] = (struct guest_walk_step){ gpa, *e, p != NULL };
	return *e & PTE_P;
}

static bool walk_32(const struct vcpu_regs *r, uint32_t linear, uint64_t *gpa, struct guest_walk *w)
{
	uint64_t e;

	if (!read_entry((r->cr3 & 0xfffff000) + (linear >> 22) * 4, 4, &e, w))
		return false;
	if ((e & PTE_PS) && (r->cr4 & CR4_PSE)) {
		/* PSE-36: bits 20-13 are address bits 39-32. */
		*gpa = (e & 0xffc00000) | FIELD_GET(GENMASK64(20, 13), e) << 32 | (linear & 0x3fffff);
		return true;
	}
	if (!read_entry((e & 0xfffff000) + (linear >> 12 & 0x3ff) * 4, 4, &e, w))
		return false;
	*gpa = (e & 0xfffff000) | (linear & 0xfff);
	return true;
}

/* PAE and the long modes: 512 entries a table, @level tables from the top. */
static bool walk_64(uint64_t table, unsigned level, uint64_t linear, uint64_t *gpa, struct guest_walk *w)
{
	for (;; level--) {
		unsigned shift = 12 + 9 * (level - 1);
		uint64_t e;

		if (!read_entry(table + (linear >> shift & 511) * 8, 8, &e, w))
			return false;
		if (level == 1 || (level <= 3 && (e & PTE_PS))) {
			uint64_t offset = linear & ((1ull << shift) - 1);

			*gpa = (e & PTE_ADDR & ~((1ull << shift) - 1)) | offset;
			return true;
		}
		table = e & PTE_ADDR;
	}
}

bool guest_walk(const struct vcpu_regs *r, uint64_t linear, uint64_t *gpa, struct guest_walk *w)
{
	uint64_t e;

	if (w)
		w->n = 0;
	if (!(r->cr0 & CR0_PG)) {
		*gpa = linear & 0xffffffff;
		return true;
	}
	if (!(r->cr4 & CR4_PAE))
		return walk_32(r, (uint32_t)linear, gpa, w);
	if (r->efer & EFER_LMA)
		return walk_64(r->cr3 & PTE_ADDR, r->cr4 & CR4_LA57 ? 5 : 4, linear, gpa, w);
	/* PAE: four pointers, then two levels. */
	if (!read_entry((r->cr3 & 0xffffffe0) + (linear >> 30 & 3) * 8, 8, &e, w))
		return false;
	return walk_64(e & PTE_ADDR, 2, (uint32_t)linear, gpa, w);
}

bool guest_translate(const struct vcpu_regs *r, uint64_t linear, uint64_t *gpa)
{
	return guest_walk(r, linear, gpa, NULL);
}

/* --- operands --- */

/* Whether the entries of @w let this privilege access the page.  The pointers of PAE paging have no such bits. */
static bool allowed(const struct vcpu_regs *r, const struct guest_walk *w, bool write)
{
	bool pointers = (r->cr4 & CR4_PAE) && !(r->efer & EFER_LMA);
	uint64_t all = PTE_W | PTE_U;

	for (unsigned i = pointers; i < w->n; i++)
		all &= w->step[i].entry;
	if (r->cpl == 3)
		return (all & PTE_U) && (!write || (all & PTE_W));
	if ((all & PTE_U) && (r->cr4 & CR4_SMAP) && !(r->rflags & RFLAGS_AC))
		return false;
	return !write || (all & PTE_W) || !(r->cr0 & CR0_WP);
}

/* Set the accessed and the dirty bit of the page's own entry, as long as it is the entry that was checked. */
static bool mark(const struct guest_walk_step *s, bool write)
{
	uint32_t is = (uint32_t)s->entry, to = is | PTE_A | (write ? PTE_D : 0);
	uint32_t *low = to == is ? NULL : guest_memory(s->gpa, sizeof(*low), true);

	return !low || __atomic_compare_exchange_n(low, &is, to, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/*
 * If another processor changes the entry meanwhile, as one that sets the same bits does, walk again.  A guest that changes the
 * entry all the time gets a fault, and looks for itself.
 */
static bool check_page(struct guest_operands *o, uint64_t linear, bool write, uint64_t *gpa)
{
	const struct vcpu_regs *r = o->regs;
	struct guest_walk w;
	bool present = false;

	for (unsigned i = 0; i < WALKS; i++) {
		present = guest_walk(r, linear, gpa, &w);
		if (!(r->cr0 & CR0_PG))
			return true;
		if (!present || !allowed(r, &w, write))
			break;
		if (mark(&w.step[w.n - 1], write))
			return true;
	}
	o->fault = true;
	o->error = (present ? PF_PRESENT : 0) | (write ? PF_WRITE : 0) | (r->cpl == 3 ? PF_USER : 0);
	o->addr = linear;
	return false;
}

static bool operand_page(struct guest_operands *o, uint64_t linear, bool write, uint64_t *gpa)
{
	uint64_t offset = linear & (PAGE_SIZE - 1), key = linear - offset + 1;
	struct guest_operand_page *p = &o->page[1];	/* what may be written may be read */

	if (!write && p->key != key)
		p = &o->page[0];
	if (p->key != key) {
		p->key = 0;
		if (!check_page(o, linear, write, &p->gpa))
			return false;
		p->key = key;
		p->gpa -= offset;
	}
	*gpa = p->gpa + offset;
	return true;
}

bool guest_operand(struct guest_operands *o, uint64_t linear, unsigned len, bool write, uint64_t *gpa)
{
	uint64_t last = linear + len - 1;

	/* The second page first, so that the first stays kept. */
	return ((linear ^ last) < PAGE_SIZE || operand_page(o, ALIGN_DOWN(last, (uint64_t)PAGE_SIZE), write, gpa)) &&
	       operand_page(o, linear, write, gpa);
}

int guest_operand_check(void *ctx, uint64_t linear, unsigned len, bool write)
{
	uint64_t gpa;

	return guest_operand(ctx, linear, len, write, &gpa) ? 0 : -ERR_FAULT;
}

unsigned guest_read_linear(const struct vcpu_regs *r, uint64_t linear, void *buf, unsigned len)
{
	unsigned done = 0;

	while (done < len) {
		uint64_t gpa, at = linear + done;
		unsigned n = MIN(len - done, PAGE_SIZE - (unsigned)(at & (PAGE_SIZE - 1)));
		const void *p;

		if (!guest_translate(r, at, &gpa))
			break;
		p = guest_memory(gpa, n, false);
		if (!p)
			break;
		memcpy((uint8_t *)buf + done, p, n);
		done += n;
	}
	return done;
}

unsigned guest_read_code(const struct vcpu_regs *r, void *buf, unsigned len)
{
	bool flat = (r->efer & EFER_LMA) && (r->seg[SEG_CS].attr & SEG_ATTR_L);

	return guest_read_linear(r, r->rip + (flat ? 0 : r->seg[SEG_CS].base), buf, len);
}
