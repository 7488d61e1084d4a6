/* SPDX-License-Identifier: BSD-2-Clause */
/* MSRs on AMD: a guest finds SVM switched off and locked, and moves neither RAM nor MMIO nor SMM (APM vol. 2, chapter 15). */
#include "hv/svm/svm.h"
#include "hv/x86.h"

#define MSR_VMX_FIRST	0x480u
#define MSR_VMX_LAST	0x491u

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

/*
 * What a guest must not read (its own switch of SVM) or must not write (where RAM, MMIO and SMM are): APM vol. 2, appendix A.
 */
void svm_msr_policy(uint8_t *map)
{
	static const uint32_t both[] = { MSR_EFER, MSR_VM_CR, MSR_VM_HSAVE_PA, 0xc0010115, 0xc0010116, 0xc0010118, 0xc0010119,
		0xc001011a, MSR_TSC_ADJUST, MSR_APIC_BASE };
	static const uint32_t writes[] = { MSR_TSC, 0xc0010010, 0xc0010015, 0xc0010016,
		0xc0010017, 0xc0010018, 0xc0010019, 0xc001001a, 0xc001001d, 0xc0010020, 0xc0010058, 0xc0010111, 0xc0010112,
		0xc0010113 };

	for (unsigned i = 0; i < ARRAY_SIZE(both); i++)
		svm_msr_trap(map, both[i], true, true);
	for (unsigned i = 0; i < ARRAY_SIZE(writes); i++)
		svm_msr_trap(map, writes[i], false, true);
	/* Intel's; an emulated AMD processor may answer all the same. */
	for (uint32_t msr = MSR_VMX_FIRST; msr <= MSR_VMX_LAST; msr++)
		svm_msr_trap(map, msr, true, true);
}

bool svm_rdmsr(struct vcpu *v, uint32_t msr, uint64_t *value)
{
	/* Switched off and locked: there is nothing to switch on. */
	if (msr == MSR_VM_CR)
		*value = VM_CR_SVMDIS | VM_CR_LOCK;
	else if (msr == MSR_IGNNE)
		*value = 0;
	else
		return false;
	return true;
}

/* SYSCFG, TOP_MEM, IORRs, SMM and microcode: as if written.  Anything outside the map is not there. */
bool svm_wrmsr(struct vcpu *v, uint32_t msr, uint64_t value)
{
	return msr != MSR_VM_CR && msr != MSR_VM_HSAVE_PA && msr >= MSR_AMD_FIRST && msr <= MSR_AMD_LAST;
}
