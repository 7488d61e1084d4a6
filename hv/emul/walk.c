/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Walks the guest's own page tables in software, to emulate an instruction and for the crash report (APM vol. 2, chapter 5).
 * The nested tables are hv/mem's.
 */
#include <veneer/gmem.h>
#include <veneer/string.h>
#include "hv/cpu/vcpu.h"
#include "hv/dev/trap.h"
#include "hv/emul/walk.h"
#include "hv/mem/nested.h"
#include "hv/mem/paging.h"

#define PTE_P		BIT64(0)
#define PTE_PS		BIT64(7)
#define PTE_ADDR	GENMASK64(51, 12)
#define BELOW_4G	0x100000000ull

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
