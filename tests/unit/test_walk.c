/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/emul/walk.c */
/* The walk of the guest's own page tables in every format, and of tables that cannot be read. */
#include <string.h>
#include "host/host.h"
#include "hv/cpu/vcpu.h"
#include "hv/emul/walk.h"

#define P	1u
#define PS	0x80u
#define PAGES	16u

static uint64_t ram;

static uint64_t page(unsigned n) { return ram + n * (uint64_t)PAGE_SIZE; }

static void put64(unsigned table, unsigned i, uint64_t e) { memcpy((void *)(uintptr_t)(page(table) + i * 8), &e, 8); }
static void put32(unsigned table, unsigned i, uint32_t e) { memcpy((void *)(uintptr_t)(page(table) + i * 4), &e, 4); }

static struct vcpu_regs start(uint64_t cr4, uint64_t efer)
{
	ram = host_guest_ram(PAGES * PAGE_SIZE);
	memset((void *)(uintptr_t)ram, 0, PAGES * PAGE_SIZE);
	return (struct vcpu_regs){ .cr0 = CR0_PE | CR0_PG, .cr3 = page(0), .cr4 = cr4, .efer = efer };
}

static uint64_t must(const struct vcpu_regs *r, uint64_t linear)
{
	uint64_t gpa = ~0ull;

	if (!guest_translate(r, linear, &gpa))
		host_fail(__FILE__, __LINE__, "%#llx is absent", (unsigned long long)linear);
	return gpa;
}

static bool absent(const struct vcpu_regs *r, uint64_t linear)
{
	uint64_t gpa;

	return !guest_translate(r, linear, &gpa);
}

TEST(no_paging)
{
	struct vcpu_regs r = start(CR4_PAE, 0);

	r.cr0 = CR0_PE;
	CHECK_EQ(must(&r, 0x1fee00010ull), 0xfee00010);
}

TEST(bits_32)
{
	struct vcpu_regs r = start(0, 0);

	put32(0, 0x3ff, (uint32_t)page(1) | P);
	put32(1, 0x3fe, 0xfee00000 | P);
	CHECK_EQ(must(&r, 0xffffe123), 0xfee00123);
	CHECK(absent(&r, 0xffffd123));
	CHECK(absent(&r, 0x1000));
	/* PS counts only with CR4.PSE: without it the entry is a table. */
	put32(0, 1, 0x00800000 | 0x2000 | PS | P);
	CHECK(absent(&r, 0x00400000));
	r.cr4 = CR4_PSE;
	CHECK_EQ(must(&r, 0x00456789), 0x100856789ull);	/* PSE-36: bit 13 is address bit 32 */
}

TEST(pae)
{
	struct vcpu_regs r = start(CR4_PAE, 0);

	r.cr3 = page(0) | 0x20;		/* aligned to 32 bytes */
	put64(0, 4 + 3, page(1) | P);
	put64(1, 511, page(2) | P);
	put64(2, 511, 0x8000123456789000ull | P);
	CHECK_EQ(must(&r, 0xfffff321), 0x0000123456789321ull & GENMASK64(51, 0));
	put64(1, 0, 0x9000200000ull | PS | P);
	CHECK_EQ(must(&r, 0xc01abcde), 0x90003abcdeull);
	CHECK(absent(&r, 0x80000000));
	CHECK(absent(&r, 0xc0200000));
}

TEST(long_mode)
{
	struct vcpu_regs r = start(CR4_PAE, EFER_LMA | EFER_LME);

	r.cr3 |= 0x18;			/* PWT, PCD */
	put64(0, 511, page(1) | P | 7);
	put64(1, 510, page(2) | P);
	put64(2, 3, page(3) | P);
	put64(3, 5, BIT64(63) | 0xabc000 | P);
	CHECK_EQ(must(&r, 0xffffffff80605042ull), 0xabc042);
	put64(2, 4, 0xfee00000 | PS | P | BIT64(12));	/* bit 12 of a large page is PAT */
	CHECK_EQ(must(&r, 0xffffffff80812345ull), 0xfee12345);
	put64(1, 511, 0x4fc0000000ull | PS | P);
	CHECK_EQ(must(&r, 0xffffffffffffffffull), 0x4fffffffffull);
	CHECK(absent(&r, 0));
	/* PS is reserved in the top table. */
	put64(0, 0, 0x40000000 | PS | P);
	CHECK(absent(&r, 0x1000));
}

TEST(five_levels)
{
	struct vcpu_regs r = start(CR4_PAE | CR4_LA57, EFER_LMA | EFER_LME);

	put64(0, 0x101, page(1) | P);
	put64(1, 2, page(2) | P);
	put64(2, 3, 0xc0000000 | PS | P);
	CHECK_EQ(must(&r, 0x101ull << 48 | 2ull << 39 | 3ull << 30 | 0x1234), 0xc0001234);
	CHECK(absent(&r, 2ull << 39 | 3ull << 30));
}

TEST(tables_outside_ram)
{
	struct vcpu_regs r = start(CR4_PAE, EFER_LMA | EFER_LME);
	static const uint64_t odd[] = { 0, 0xfee00000, 0xb8000, 0xfffffffff000, 0x7fffffff000 };

	for (unsigned i = 0; i < ARRAY_SIZE(odd); i++) {
		put64(0, 0, odd[i] | P);
		CHECK(absent(&r, 0x1000));
		struct vcpu_regs top = r;
		top.cr3 = odd[i];
		CHECK(absent(&top, 0x1000));
		top.cr4 = 0;
		CHECK(absent(&top, 0x1000));
		top.cr4 = CR4_PAE;
		top.efer = 0;
		CHECK(absent(&top, 0x1000));
	}
	/* A table that points to itself: the walk ends. */
	put64(0, 0, page(0) | P);
	CHECK_EQ(must(&r, 0x18), page(0) | 0x18);
}

TEST(bytes_across_pages)
{
	struct vcpu_regs r = start(CR4_PAE, 0);
	uint8_t b[15], *first = (uint8_t *)(uintptr_t)page(5), *second = (uint8_t *)(uintptr_t)page(4);

	put64(0, 0, page(1) | P);
	put64(1, 0, page(2) | P);
	put64(2, 0, page(5) | P);
	put64(2, 1, page(4) | P);
	memset(first, 0x11, PAGE_SIZE);
	memset(second, 0x22, PAGE_SIZE);
	CHECK_EQ(guest_read_linear(&r, 0xffa, b, 15), 15);
	CHECK(b[0] == 0x11 && b[5] == 0x11 && b[6] == 0x22 && b[14] == 0x22);
	CHECK_EQ(guest_read_linear(&r, 0x1ffa, b, 15), 6);
	CHECK_EQ(guest_read_linear(&r, 0x2000, b, 15), 0);
	put64(2, 1, 0xfee00000 | P);
	CHECK_EQ(guest_read_linear(&r, 0xffa, b, 15), 6);
}

/* --- the guest's other processor, at each look-up of guest memory --- */

static unsigned lookups, hit_at;	/* from this look-up on; 0: at no one */
static uint64_t flips, sets, clears;	/* bits of the page's own entry */

static void other_cpu(void)
{
	uint64_t *e = (uint64_t *)(uintptr_t)page(2);

	if (!hit_at || ++lookups < hit_at)
		return;
	*e = ((*e | sets) & ~clears) ^ flips;
}

static bool access_beside(unsigned at, struct guest_operands *o)
{
	uint64_t gpa = 0;

	put64(0, 0, page(1) | 7);
	put64(1, 0, page(2) | 7);
	put64(2, 0, page(5) | 7);
	lookups = 0;
	hit_at = at;
	host_gmem_hook = other_cpu;
	bool good = guest_operand(o, 0x10, 8, true, &gpa);
	host_gmem_hook = NULL;
	CHECK(!good || gpa == page(5) + 0x10);
	return good;
}

TEST(another_processor_sets_the_same_bits)
{
	struct vcpu_regs r = start(CR4_PAE, 0);
	uint64_t e;

	flips = clears = 0;
	sets = 0x60;			/* A and D */
	for (unsigned at = 0; at < 12; at++) {
		struct guest_operands o = { .regs = &r };

		CHECK(access_beside(at, &o));
		memcpy(&e, (void *)(uintptr_t)page(2), 8);
		CHECK_EQ(e & 0x60, 0x60);
	}
}

TEST(another_processor_forbids_the_access_or_changes_the_entry_all_the_time)
{
	struct vcpu_regs r = start(CR4_PAE, 0);
	unsigned faults = 0;

	r.cpl = 3;
	flips = sets = 0;
	clears = 2;			/* W */
	for (unsigned at = 1; at < 12; at++) {
		struct guest_operands o = { .regs = &r };

		if (access_beside(at, &o))
			continue;
		CHECK_EQ(o.error, 7);
		faults++;
	}
	CHECK(faults > 0);
	struct guest_operands o = { .regs = &r };

	clears = 0;
	flips = 0x200;			/* the system's own bit */
	CHECK(!access_beside(1, &o));
	CHECK(o.fault && o.error == 7 && lookups < 100);
}

TEST_MAIN
