/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's registers that stay in the processor at an exit: those of vectors, by XSAVE and XRSTOR, and DR0 to DR3.
 *
 * The host's CR4 is what the boot loader left, without OSXSAVE in general, and XCR0 is the guest's, who can have used SSE with
 * an XCR0 of 1: for the moment of the instruction both allow all that the processor has.  No code of Veneer's uses vector
 * registers itself (-mgeneral-regs-only).
 */
#include <veneer/string.h>
#include "hv/cpu/features.h"
#include "hv/cpu/msr.h"
#include "hv/cpu/vcpu.h"
#include "hv/state/live.h"
#include "hv/x86.h"

#define CR4_OSFXSR	BIT(9)
#define CPUID_XSAVE	BIT(26)		/* 1h ECX */
#define CR0_EM_TS	(BIT(2) | BIT(3))
#define LEAF_XSAVE	0xdu
#define MXCSR_MASK	0xffbfu		/* if the processor gives none (SDM vol. 1, 11.6.6) */

#define MSR_XFD		0x1c4u		/* state that raises #NM (SDM vol. 1, 13.14) */
#define XCR0_TILES	BIT64(18)

struct allowed { uint64_t cr0, cr4, xcr0, xfd; };

static uint64_t xgetbv(void)
{
	uint32_t lo, hi;

	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return lo | (uint64_t)hi << 32;
}

static struct allowed allow(const struct vector_facts *f)
{
	struct allowed a = { .cr0 = read_cr0(), .cr4 = read_cr4(), .xcr0 = 1 };

	write_cr0(a.cr0 & ~(uint64_t)CR0_EM_TS);
	write_cr4(a.cr4 | CR4_OSFXSR | (f->xsave ? CR4_OSXSAVE : 0));
	if (!f->xsave)
		return a;
	a.xcr0 = xgetbv();
	xsetbv(0, features.xcr0);
	if ((features.xcr0 & XCR0_TILES) && rdmsr_safe(MSR_XFD, &a.xfd) && a.xfd)
		(void)wrmsr_safe(MSR_XFD, 0);
	return a;
}

static void forbid(const struct vector_facts *f, const struct allowed *a)
{
	if (a->xfd)
		(void)wrmsr_safe(MSR_XFD, a->xfd);
	if (f->xsave)
		xsetbv(0, a->xcr0);
	write_cr4(a->cr4);
	write_cr0(a->cr0);
}

uint64_t vector_save(const struct vector_facts *f, void *area)
{
	struct allowed a = allow(f);

	/* What is in its initial state is not written. */
	memset(area, 0, f->size);
	if (f->xsave)
		__asm__ volatile("xsave64 (%0)" : : "r"(area), "a"(~0u), "d"(~0u) : "memory");
	else
		__asm__ volatile("fxsave64 (%0)" : : "r"(area) : "memory");
	forbid(f, &a);
	return a.xcr0;
}

void vector_load(const struct vector_facts *f, const void *area, uint64_t xcr0)
{
	struct allowed a = allow(f);

	if (f->xsave)
		__asm__ volatile("xrstor64 (%0)" : : "r"(area), "a"(~0u), "d"(~0u) : "memory");
	else
		__asm__ volatile("fxrstor64 (%0)" : : "r"(area) : "memory");
	a.xcr0 = xcr0;
	forbid(f, &a);
}

void vector_facts(struct vector_facts *out, void *area)
{
	uint32_t mask = 0;

	out->xsave = (cpuid(1, 0).ecx & CPUID_XSAVE) && features.xcr0;
	/* ECX: for all that the processor has, whatever XCR0 is. */
	out->size = out->xsave ? cpuid(LEAF_XSAVE, 0).ecx : VECTOR_LEGACY;
	out->mxcsr = MXCSR_MASK;
	if (!area)
		return;
	(void)vector_save(out, area);
	memcpy(&mask, (const char *)area + VECTOR_MXCSR_MASK, sizeof(mask));
	if (mask)
		out->mxcsr = mask;
}

void live_dr_get(uint64_t dr[4])
{
	__asm__ volatile("mov %%dr0, %0; mov %%dr1, %1; mov %%dr2, %2; mov %%dr3, %3"
			 : "=r"(dr[0]), "=r"(dr[1]), "=r"(dr[2]), "=r"(dr[3]));
}

void live_dr_set(const uint64_t dr[4])
{
	__asm__ volatile("mov %0, %%dr0; mov %1, %%dr1; mov %2, %%dr2; mov %3, %%dr3"
			 : : "r"(dr[0]), "r"(dr[1]), "r"(dr[2]), "r"(dr[3]));
}
