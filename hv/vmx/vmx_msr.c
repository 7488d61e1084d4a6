/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MSRs on Intel.  The guest finds VMX disabled and locked, no Intel PT, whose output goes to host-physical addresses, and no
 * PEBS, which would continue during an exit.  MTRRs are shadowed: the memory types of the extended page tables come from them.
 */
#include "hv/mem/mtrr.h"
#include <veneer/string.h>
#include "hv/cpu/msr.h"
#include "hv/vmx/vmx.h"
#include "hv/x86.h"

#define MSR_MISC_ENABLE		0x1a0u
#define  MISC_LIMIT_CPUID	BIT64(22)
#define  MISC_NO_XD		BIT64(34)
#define WRITES			2048u		/* offset of the two maps of writes in the bitmap, and their size */

enum { GP, NATIVE, IGNORED, ANSWERED };

static const struct rule {
	uint32_t first, last;
	uint8_t read, write;
} rules[] = {
	{ MSR_TSC, MSR_TSC, NATIVE, ANSWERED },
	{ MSR_APIC_BASE, MSR_APIC_BASE, ANSWERED, ANSWERED },
	{ MSR_FEATURE_CONTROL, MSR_FEATURE_CONTROL, ANSWERED, GP },
	{ MSR_TSC_ADJUST, MSR_TSC_ADJUST, ANSWERED, ANSWERED },
	{ MSR_MISC_ENABLE, MSR_MISC_ENABLE, NATIVE, ANSWERED },
	{ MSR_UCODE_TRIGGER, MSR_UCODE_TRIGGER, NATIVE, IGNORED },
	{ MSR_SMM_MONITOR, MSR_SMM_MONITOR, GP, GP },
	{ MSR_SMRR_BASE, MSR_SMRR_MASK, NATIVE, GP },
	{ MSR_MTRR_PHYS_FIRST, MSR_MTRR_PHYS_LAST, ANSWERED, ANSWERED },
	{ MSR_MTRR_FIX64K, MSR_MTRR_FIX64K, ANSWERED, ANSWERED },
	{ MSR_MTRR_FIX16K, MSR_MTRR_FIX16K + 1, ANSWERED, ANSWERED },
	{ MSR_MTRR_FIX4K, MSR_MTRR_FIX4K + 7, ANSWERED, ANSWERED },
	{ MSR_MTRR_DEF_TYPE, MSR_MTRR_DEF_TYPE, ANSWERED, ANSWERED },
	{ MSR_PEBS_ENABLE, MSR_PEBS_ENABLE, GP, GP },
	{ MSR_PEBS_BASE, MSR_PEBS_INDEX, GP, GP },
	{ MSR_VMX_BASIC, MSR_VMX_LAST, GP, GP },
	{ MSR_PT_FIRST, MSR_PT_LAST, GP, GP },
	{ MSR_DS_AREA, MSR_DS_AREA, GP, GP },
};

static const struct rule *msr_rule(uint32_t msr)
{
	for (unsigned i = 0; i < ARRAY_SIZE(rules); i++)
		if (msr >= rules[i].first && msr <= rules[i].last)
			return &rules[i];
	return NULL;
}

static void set_bit(uint8_t *map, unsigned bit, bool on)
{
	map[bit / 8] = (uint8_t)((map[bit / 8] & ~BIT(bit % 8)) | (unsigned)on << bit % 8);
}

/* True if the bitmap covers the MSR.  Intel's processors have no others, though emulators may. */
static bool in_bitmap(uint32_t msr)
{
	return !(msr & 0x3fffe000) && (!(msr >> 30) || msr >> 30 == 3);
}

/* Four maps of 1 KiB: reads of 0-1FFFh, of C0000000h-C0001FFFh, then writes.  All other MSRs exit (25.6.9). */
void vmx_msr_trap(uint8_t *bitmap, uint32_t msr, bool read, bool write)
{
	uint8_t *map = bitmap + (msr >= 0xc0000000 ? 1024 : 0);

	if (!in_bitmap(msr))
		return;
	set_bit(map, msr & 0x1fff, read);
	set_bit(map + 2048, msr & 0x1fff, write);
}

/* Writes exit unless msr_open lists the MSR; reads exit only if a rule says so. */
void vmx_msr_policy(uint8_t *bitmap)
{
	memset(bitmap + WRITES, 0xff, WRITES);
	for (const struct msr_range *r = msr_open; r->last; r++)
		for (uint32_t msr = r->first; msr <= r->last; msr++)
			vmx_msr_trap(bitmap, msr, false, false);
	for (unsigned i = 0; i < ARRAY_SIZE(rules); i++)
		for (uint32_t msr = rules[i].first; msr <= rules[i].last; msr++)
			vmx_msr_trap(bitmap, msr, rules[i].read != NATIVE, rules[i].write != NATIVE);
}

/* Called for the MSRs that hv/exit/msr.c does not handle. */
bool vmx_rdmsr(struct vcpu *v, uint32_t msr, uint64_t *value)
{
	const struct rule *r = msr_rule(msr);

	if (!r || r->read != ANSWERED)
		return false;
	if (msr == MSR_FEATURE_CONTROL) {
		/* Locked, with nothing enabled; LMCE is passed through. */
		*value = FEATURE_LOCK | (rdmsr(MSR_FEATURE_CONTROL) & FEATURE_LMCE);
		return true;
	}
	return mtrr_read(msr, value);
}

/*
 * Bit 22 would hide the CPUID leaves above 3, and bit 34 would disable NX, which makes the host's page tables and EFER invalid.
 * The guest may clear these bits if firmware has set them, but not set them.
 */
static bool write_misc_enable(uint64_t value)
{
	return wrmsr_safe(MSR_MISC_ENABLE, value & (rdmsr(MSR_MISC_ENABLE) | ~(MISC_LIMIT_CPUID | MISC_NO_XD)));
}

bool vmx_wrmsr(struct vcpu *v, uint32_t msr, uint64_t value)
{
	const struct rule *r = msr_rule(msr);

	if (!r)
		return in_bitmap(msr) && msr_drop(msr, value);
	if (r->write == IGNORED)
		return true;
	if (r->write != ANSWERED)
		return false;
	return msr == MSR_MISC_ENABLE ? write_misc_enable(value) : mtrr_write(msr, value);
}
