/* SPDX-License-Identifier: BSD-2-Clause */
/* CPUID as it was at the start (contract in features.h).  The guest's CPUID is hv/exit/cpuid.c. */
#include "hv/cpu/features.h"
#include "hv/cpu/vcpu.h"
#include "hv/x86.h"

/* Leaf 1, ECX */
#define F_X2APIC	BIT(21)
#define F_DEADLINE	BIT(24)
#define F_XSAVE		BIT(26)

#define INTEL_EBX	0x756e6547u	/* "Genu" */
#define PERF_VERSION	GENMASK(7, 0)	/* leaf Ah, EAX; from 2 on there is the status */

struct cpu_features features;

/* Without LMSLE: newer processors lack it, and hypervisors never had it. */
static uint64_t efer_bits(void)
{
	uint32_t max = cpuid(0x80000000, 0).eax;
	struct cpuid_regs c = cpuid(0x80000001, 0);
	uint64_t known = EFER_SCE | EFER_LME | EFER_LMA;

	if (c.edx & BIT(20))
		known |= EFER_NXE;
	if (c.edx & BIT(25))
		known |= EFER_FFXSR;
	if (c.ecx & BIT(17))
		known |= EFER_TCE;
	if (max >= 0x80000021 && (cpuid(0x80000021, 0).eax & BIT(8)))
		known |= EFER_AUTOIBRS;
	return known;
}

void features_init(void)
{
	uint32_t ecx = cpuid(1, 0).ecx;
	struct cpuid_regs xsave = cpuid(0xd, 0), first = cpuid(0, 0);
	bool intel = first.ebx == INTEL_EBX && first.eax >= 0xa;

	features = (struct cpu_features){
		.efer = efer_bits(),
		.xcr0 = ecx & F_XSAVE ? xsave.eax | (uint64_t)xsave.edx << 32 : 0,
		.deadline = ecx & F_DEADLINE,
		.x2apic = ecx & F_X2APIC,
		.pmi_masks = intel && !(ecx & CPUID_HYPERVISOR) && FIELD_GET(PERF_VERSION, cpuid(0xa, 0).eax) >= 2,
		.hypervisor = ecx & CPUID_HYPERVISOR,
	};
}
