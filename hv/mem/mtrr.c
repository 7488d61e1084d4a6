/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory type range registers (SDM vol. 3, 12.11; APM vol. 2, 7.7).  The guest accesses a copy; the real registers stay as
 * firmware set them, for they also give Veneer's own memory its types.  Under EPT the processor ignores the registers for the
 * guest: the copy sets the types of the nested tables.  Under AMD's nested paging the processor combines the real registers
 * with the guest's PAT (APM vol. 2, 15.25.8): the copy has no effect, and the guest only reads it back.
 */
#include <veneer/limit.h>
#include <veneer/log.h>
#include <veneer/string.h>
#include "hv/mem/mtrr.h"
#include "hv/mem/nested.h"
#include "hv/mem/ptree.h"
#include "hv/mem/ram.h"
#include "hv/x86.h"

#define CPUID_MTRR		BIT(12)		/* 1h EDX */
#define MSR_MTRR_CAP		0xfeu
#define  CAP_COUNT		GENMASK64(7, 0)
#define  CAP_FIXED		BIT64(8)
#define DEF_TYPE		GENMASK64(7, 0)
#define DEF_FIXED		BIT64(10)
#define DEF_ENABLE		BIT64(11)
#define MASK_VALID		BIT64(11)
#define MTRR_ADDR		GENMASK64(63, 12)

#define MAX_VAR			16u
#define FIXED_COUNT		11u
#define FIXED_END		0x100000ull
/* AMD's registers have more bits (RdMem, WrMem), which read as 0 once firmware has finished. */
#define FIXED_TYPES		0x0707070707070707ull

static struct {
	uint64_t def, fixed[FIXED_COUNT];
	struct { uint64_t base, mask; } var[MAX_VAR];
	unsigned nvar;
	bool has_fixed;
} mtrr;

static bool valid_type(uint64_t type)
{
	return type == CACHE_UC || type == CACHE_WC || type == CACHE_WT || type == CACHE_WP || type == CACHE_WB;
}

/* Return the address of a register's copy, NULL if there is no such register. */
static uint64_t *mtrr_reg(uint32_t msr)
{
	uint32_t n = msr - MSR_MTRR_PHYS_FIRST;

	if (msr == MSR_MTRR_DEF_TYPE)
		return &mtrr.def;
	if (n < 2 * mtrr.nvar)
		return n & 1 ? &mtrr.var[n / 2].mask : &mtrr.var[n / 2].base;
	if (!mtrr.has_fixed)
		return NULL;
	if (msr == MSR_MTRR_FIX64K)
		return &mtrr.fixed[0];
	if (msr - MSR_MTRR_FIX16K < 2)
		return &mtrr.fixed[1 + msr - MSR_MTRR_FIX16K];
	return msr - MSR_MTRR_FIX4K < 8 ? &mtrr.fixed[3 + msr - MSR_MTRR_FIX4K] : NULL;
}

static void copy_from_processor(uint32_t first, uint32_t count)
{
	for (uint32_t msr = first; msr < first + count; msr++)
		*mtrr_reg(msr) = rdmsr(msr);
}

void mtrr_init(void)
{
	uint64_t cap;

	memset(&mtrr, 0, sizeof(mtrr));
	if (!(cpuid(1, 0).edx & CPUID_MTRR)) {
		/* Without MTRRs the PAT alone decides, as it does if they say write-back. */
		mtrr.def = DEF_ENABLE | CACHE_WB;
		return;
	}
	cap = rdmsr(MSR_MTRR_CAP);
	/* If the copy lacked a register, the register's range would get another memory type. */
	if (FIELD_GET(CAP_COUNT, cap) > MAX_VAR)
		limit_reached("variable MTRRs", MAX_VAR);
	mtrr.nvar = (unsigned)MIN(FIELD_GET(CAP_COUNT, cap), MAX_VAR);
	mtrr.has_fixed = cap & CAP_FIXED;
	copy_from_processor(MSR_MTRR_DEF_TYPE, 1);
	copy_from_processor(MSR_MTRR_PHYS_FIRST, 2 * mtrr.nvar);
	if (!mtrr.has_fixed)
		return;
	copy_from_processor(MSR_MTRR_FIX64K, 1);
	copy_from_processor(MSR_MTRR_FIX16K, 2);
	copy_from_processor(MSR_MTRR_FIX4K, 8);
	for (unsigned i = 0; i < FIXED_COUNT; i++)
		mtrr.fixed[i] &= FIXED_TYPES;
}

/* Each register has 8 ranges: of 64 KiB, then of 16 KiB from 80000h on, then of 4 KiB from C0000h on (12.11.2.2). */
static unsigned fixed_type(uint64_t gpa, uint64_t *end)
{
	unsigned shift = gpa < 0x80000 ? 16 : gpa < 0xc0000 ? 14 : 12;
	uint64_t start = gpa < 0x80000 ? 0 : gpa < 0xc0000 ? 0x80000 : 0xc0000;
	unsigned first = gpa < 0x80000 ? 0 : gpa < 0xc0000 ? 1 : 3, n = (unsigned)((gpa - start) >> shift);

	*end = ALIGN_DOWN(gpa, 1ull << shift) + (1ull << shift);
	return mtrr.fixed[first + n / 8] >> 8 * (n % 8) & 0xff;
}

/* Return the type that counts if two ranges overlap (12.11.4.1); a case that the SDM leaves undefined is uncached here. */
static unsigned overlap_type(unsigned a, unsigned b)
{
	if (a == b)
		return a;
	return (a == CACHE_WT && b == CACHE_WB) || (a == CACHE_WB && b == CACHE_WT) ? CACHE_WT : CACHE_UC;
}

/* A mask with holes, which no system writes, counts as its lowest piece. */
static unsigned variable_type(uint64_t gpa, uint64_t *end)
{
	unsigned type = ~0u;

	for (unsigned i = 0; i < mtrr.nvar; i++) {
		uint64_t mask = mtrr.var[i].mask & MTRR_ADDR, size = mask & -mask, base = mtrr.var[i].base & mask;

		if (!(mtrr.var[i].mask & MASK_VALID) || !size)
			continue;
		if (gpa < base) {
			*end = MIN(*end, base);
		} else if (gpa - base < size) {
			unsigned mine = mtrr.var[i].base & DEF_TYPE;

			*end = MIN(*end, base + size);
			type = type == ~0u ? mine : overlap_type(type, mine);
		}
	}
	return type == ~0u ? (unsigned)(mtrr.def & DEF_TYPE) : type;
}

unsigned mtrr_type(uint64_t gpa, uint64_t *end)
{
	bool fixed = mtrr.has_fixed && (mtrr.def & DEF_FIXED);

	*end = ~0ull;
	if (!(mtrr.def & DEF_ENABLE))
		return CACHE_UC;
	if (fixed && gpa < FIXED_END)
		return fixed_type(gpa, end);
	return variable_type(gpa, end);
}

bool mtrr_read(uint32_t msr, uint64_t *value)
{
	const uint64_t *r = mtrr_reg(msr);

	if (r)
		*value = *r;
	return r;
}

/* False if the value has reserved bits or types: #GP, as on the processor (12.11.2). */
static bool valid(uint32_t msr, uint64_t value)
{
	uint64_t beyond = ~(phys_limit() - 1);

	if (msr == MSR_MTRR_DEF_TYPE)
		return valid_type(value & DEF_TYPE) && !(value & ~(DEF_TYPE | DEF_FIXED | DEF_ENABLE));
	if (msr < MSR_MTRR_FIX64K && (msr & 1))
		return !(value & beyond) && !(value & ~(MTRR_ADDR | MASK_VALID));
	if (msr < MSR_MTRR_FIX64K)
		return !(value & beyond) && valid_type(value & DEF_TYPE) && !(value & GENMASK64(11, 8));
	for (unsigned i = 0; i < 64; i += 8)
		if (!valid_type(value >> i & 0xff))
			return false;
	return true;
}

bool mtrr_write(uint32_t msr, uint64_t value)
{
	uint64_t *r = mtrr_reg(msr);

	if (!r || !valid(msr, value))
		return false;
	if (*r == value)
		return true;
	*r = value;
	/*
	 * Systems switch the MTRRs off while they write them, with caches off as well (12.11.7.2): change the nested tables
	 * when the MTRRs are on again.
	 */
	if (mtrr.def & DEF_ENABLE)
		nested_retype();
	return true;
}
