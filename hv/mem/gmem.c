/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest RAM, as a sorted table of ranges.  A lookup tries the last hit first, since a guest's buffers lie together. */
#include <veneer/gmem.h>
#include <veneer/log.h>
#include "hv/boot/bootinfo.h"
#include "hv/mem/ram.h"
#include "hv/x86.h"

#define ENCRYPTS		(BIT(0) | BIT(1))	/* 8000001Fh EAX: SME, SEV */
#define C_BIT			GENMASK(5, 0)		/* EBX */
#define C_BIT_TAKES		GENMASK(11, 6)
#define MSR_SYSCFG		0xc0010010u
#define  SYSCFG_SME		BIT64(23)
#define CPUID_TME		BIT(13)			/* 7h ECX */
#define MSR_TME_ACTIVATE	0x982u
#define  TME_KEY_BITS		GENMASK64(35, 32)

static struct gmem_range ram[BOOT_MAX_RANGES];
static unsigned nram, last;
static unsigned bits;		/* of phys_limit(), 0: not known yet */

/* Join adjacent ranges, so that a buffer may cross from one entry of the firmware's map into the next. */
void gmem_init(const struct boot_info *b)
{
	nram = last = bits = 0;
	for (unsigned i = 0; i < b->nranges; i++) {
		/* Page 0 is absent from Veneer's own tables: no guest buffer may lie there. */
		uint64_t base = MAX(b->range[i].base, (uint64_t)PAGE_SIZE), end = b->range[i].base + b->range[i].size;

		if (b->range[i].type != MEM_USABLE && b->range[i].type != MEM_ACPI)
			continue;
		if (end <= base)
			continue;
		if (nram && ram[nram - 1].base + ram[nram - 1].size == base)
			ram[nram - 1].size += end - base;
		else
			ram[nram++] = (struct gmem_range){ base, end - base };
	}
}

bool gmem_range(unsigned n, struct gmem_range *r)
{
	if (n >= nram)
		return false;
	*r = ram[n];
	return true;
}

uint64_t gmem_top(void)
{
	return nram ? ram[nram - 1].base + ram[nram - 1].size : 0;
}

/*
 * Some processors have, above the bits that address memory, bits that select the encryption of the memory.  With these bits
 * set the same memory has a second address, where it reads as noise and writes corrupt it.  AMD: the C bit, and the address
 * bits that SME takes (APM vol. 2, 7.10.1); Intel: key ids (MSR IA32_TME_ACTIVATE, SDM vol. 4).
 */
static unsigned address_bits(void)
{
	uint32_t max = cpuid(0x80000000, 0).eax;
	unsigned n = max >= 0x80000008 ? cpuid(0x80000008, 0).eax & 0xff : 36;

	if (max >= 0x8000001f && (cpuid(0x8000001f, 0).eax & ENCRYPTS)) {
		uint32_t ebx = cpuid(0x8000001f, 0).ebx;

		if (rdmsr(MSR_SYSCFG) & SYSCFG_SME)
			n -= MIN((unsigned)FIELD_GET(C_BIT_TAKES, ebx), n - 32);
		n = MIN(n, MAX((unsigned)FIELD_GET(C_BIT, ebx), 32u));
	}
	if (cpuid(0, 0).eax >= 7 && (cpuid(7, 0).ecx & CPUID_TME))
		n -= MIN((unsigned)FIELD_GET(TME_KEY_BITS, rdmsr(MSR_TME_ACTIVATE)), n - 32);
	/* Four levels of nested tables map no more. */
	return MIN(n, 48u);
}

/* The limit as it was at the start, whatever the guest may do to CPUID. */
uint64_t phys_limit(void)
{
	if (!bits)
		bits = address_bits();
	return 1ull << bits;
}

bool gmem_find(uint64_t gpa, uint64_t len, struct gmem_range *r)
{
	unsigned hit = __atomic_load_n(&last, __ATOMIC_RELAXED);

	if (!gmem_within(&ram[hit], gpa, len)) {
		for (hit = 0; hit < nram && !gmem_within(&ram[hit], gpa, len); hit++)
			;
		if (hit == nram)
			return false;
		__atomic_store_n(&last, hit, __ATOMIC_RELAXED);
	}
	*r = ram[hit];
	return true;
}

bool gmem_valid(uint64_t gpa, uint64_t len)
{
	struct gmem_range r;

	return gmem_find(gpa, len, &r);
}

void *gmem_ptr(uint64_t gpa, uint64_t len)
{
	return gmem_valid(gpa, len) ? (void *)(uintptr_t)gpa : NULL;
}
