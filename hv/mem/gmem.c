/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest RAM, as a sorted table of ranges; the last hit is tried first, since a guest's buffers lie together. */
#include <veneer/gmem.h>
#include <veneer/log.h>
#include "hv/boot/bootinfo.h"
#include "hv/mem/ram.h"
#include "hv/x86.h"

static struct gmem_range ram[BOOT_MAX_RANGES];
static unsigned nram, last;

/* Neighbours are joined, so that a buffer may lie across two entries of the firmware's map. */
void gmem_init(const struct boot_info *b)
{
	nram = last = 0;
	for (unsigned i = 0; i < b->nranges; i++) {
		/* Page 0 is absent from our own tables: nothing that a guest points to may lie there. */
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

uint64_t gmem_top(void)
{
	return nram ? ram[nram - 1].base + ram[nram - 1].size : 0;
}

uint64_t phys_limit(void)
{
	unsigned bits = cpuid(0x80000000, 0).eax >= 0x80000008 ? cpuid(0x80000008, 0).eax & 0xff : 36;

	/* Four levels of nested tables reach no further. */
	return 1ull << MIN(bits, 48u);
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
