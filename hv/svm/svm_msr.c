/* SPDX-License-Identifier: BSD-2-Clause */
/* MSRs on AMD: the guest finds SVM disabled and locked, and cannot move RAM, MMIO or SMM (APM vol. 2, chapter 15). */
#include <veneer/string.h>
#include "hv/cpu/msr.h"
#include "hv/mem/mtrr.h"
#include "hv/svm/svm.h"
#include "hv/x86.h"

#define MSR_VMX_FIRST	0x480u
#define MSR_VMX_LAST	0x491u
#define MAP_SIZE	0x1800u
#define ALL_WRITES	0xaa		/* of four MSRs a byte */

/* The permission map (15.11): two bits an MSR, read then write. */
static int msrpm_bit(uint32_t msr)
{
	if (msr < 0x2000)
		return (int)(msr * 2);
	if (msr >= 0xc0000000 && msr < 0xc0002000)
		return (int)(0x800 * 8 + (msr - 0xc0000000) * 2);
	if (msr >= 0xc0010000 && msr < 0xc0012000)
		return (int)(0x1000 * 8 + (msr - 0xc0010000) * 2);
	return -1;
}

void svm_msr_trap(uint8_t *map, uint32_t msr, bool read, bool write)
{
	int bit = msrpm_bit(msr);

	if (bit < 0)
		return;
	map[bit / 8] = (uint8_t)((map[bit / 8] & ~(3u << (bit % 8))) | ((unsigned)read | (unsigned)write << 1) << (bit % 8));
}

/* AMD's MSRs that a guest may write; the common ones are in msr_open. */
static const struct msr_range open[] = {
	{ 0xc0000108, 0xc0000108 },	/* prefetchers */
	{ 0xc0000300, 0xc0000303 }, { 0xc0010000, 0xc0010007 }, { 0xc0010200, 0xc001020b }, { 0xc0010230, 0xc001023b },
	{ 0xc0010240, 0xc0010247 },	/* counters */
	{ 0xc0000408, 0xc000040f }, { 0xc0010044, 0xc001004a }, { 0xc0010400, 0xc001043f },	/* machine check */
	{ 0xc0010062, 0xc001006b }, { 0xc0010070, 0xc0010071 }, { 0xc00102b1, 0xc00102b1 }, { 0xc00102b3, 0xc00102b3 },
					/* P-states, CPPC */
	{ 0xc0011020, 0xc0011023 }, { 0xc0011028, 0xc001102e }, { 0xc00110e2, 0xc00110e3 },	/* errata, speculation */
	{ 0xc0011030, 0xc001103d },	/* instruction-based sampling */
	{ 0, 0 },
};

/* Not covered by the map: banks of scalable machine check. */
#define SMCA_FIRST	0xc0002000u
#define SMCA_LAST	0xc0002fffu

/* MSRs that a guest must not read: SVM's enable and keys, and Intel's VMX, which an emulated processor may have. */
static const struct msr_range secret[] = {
	{ MSR_VM_CR, MSR_VM_CR }, { MSR_IGNNE, MSR_IGNNE }, { 0xc0010116, MSR_VM_HSAVE_PA }, { 0xc0010118, 0xc001011a },
	{ MSR_VMX_FIRST, MSR_VMX_LAST }, { 0, 0 },
};

/* Ignore writes here without a log line: RAM, MMIO and SMM stay where firmware put them. */
static const struct msr_range silent[] = {
	{ 0xc0010010, 0xc0010010 }, { 0xc0010015, 0xc001001a }, { 0xc001001d, 0xc001001d }, { 0xc0010020, 0xc0010020 },
	{ 0xc0010058, 0xc0010058 }, { 0xc0010111, 0xc0010113 }, { 0, 0 },
};

/* The guest's are a copy. */
static const struct msr_range mtrrs[] = {
	{ MSR_MTRR_PHYS_FIRST, MSR_MTRR_PHYS_LAST }, { MSR_MTRR_FIX64K, MSR_MTRR_FIX64K },
	{ MSR_MTRR_FIX16K, MSR_MTRR_FIX16K + 1 }, { MSR_MTRR_FIX4K, MSR_MTRR_FIX4K + 7 },
	{ MSR_MTRR_DEF_TYPE, MSR_MTRR_DEF_TYPE }, { 0, 0 },
};

static bool in(const struct msr_range *r, uint32_t msr)
{
	for (; r->last; r++)
		if (msr >= r->first && msr <= r->last)
			return true;
	return false;
}

static void msrpm_set(uint8_t *map, const struct msr_range *r, bool read, bool write)
{
	for (; r->last; r++)
		for (uint32_t msr = r->first; msr <= r->last; msr++)
			svm_msr_trap(map, msr, read, write);
}

/* Writes exit unless a list allows them; reads exit only if a list forbids them. */
void svm_msr_policy(uint8_t *map)
{
	static const struct msr_range answered[] = {
		{ MSR_EFER, MSR_EFER }, { MSR_TSC_ADJUST, MSR_TSC_ADJUST }, { MSR_APIC_BASE, MSR_APIC_BASE }, { 0, 0 },
	};

	memset(map, ALL_WRITES, MAP_SIZE);
	msrpm_set(map, msr_open, false, false);
	msrpm_set(map, open, false, false);
	msrpm_set(map, secret, true, true);
	msrpm_set(map, answered, true, true);
	msrpm_set(map, mtrrs, true, true);
}

bool svm_rdmsr(struct vcpu *v, uint32_t msr, uint64_t *value)
{
	/* SVM is disabled and locked: the guest cannot enable it. */
	if (msr == MSR_VM_CR)
		*value = VM_CR_SVMDIS | VM_CR_LOCK;
	else if (msr == MSR_IGNNE)
		*value = 0;
	else if (in(mtrrs, msr))
		return mtrr_read(msr, value);
	else
		return !in(secret, msr) && msr_read_through(msr, value);
	return true;
}

bool svm_wrmsr(struct vcpu *v, uint32_t msr, uint64_t value)
{
	if (msr == MSR_IGNNE || in(silent, msr))
		return true;
	if (in(secret, msr))
		return false;
	if (in(mtrrs, msr))
		return mtrr_write(msr, value);
	if (msr >= SMCA_FIRST && msr <= SMCA_LAST)
		return wrmsr_safe(msr, value);
	return msr_drop(msr, value);
}
