/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest RAM, as a sorted table of ranges; the last hit is tried first, since a guest's buffers lie together. */
#include <veneer/gmem.h>
#include <veneer/log.h>
#include "hv/mem/mem_internal.h"
#include "hv/x86.h"

static struct { uint64_t base, end; } ram[BOOT_MAX_RANGES];
static unsigned nram, last;

/* Neighbours are joined, so that a buffer may lie across two entries of the firmware's map. */
void gmem_init(const struct boot_info *b)
{
	for (unsigned i = 0; i < b->nranges; i++) {
		/* Page 0 is absent from our own tables: nothing that a guest points to may lie there. */
		uint64_t base = MAX(b->range[i].base, (uint64_t)PAGE_SIZE), end = b->range[i].base + b->range[i].size;

		if (b->range[i].type != MEM_USABLE && b->range[i].type != MEM_ACPI)
			continue;
		if (end <= base)
			continue;
		if (nram && ram[nram - 1].end == base)
			ram[nram - 1].end = end;
		else {
			ram[nram].base = base;
			ram[nram++].end = end;
		}
	}
}

uint64_t gmem_top(void)
{
	return nram ? ram[nram - 1].end : 0;
}

uint64_t phys_limit(void)
{
	unsigned bits = cpuid(0x80000000, 0).eax >= 0x80000008 ? cpuid(0x80000008, 0).eax & 0xff : 36;

	/* Four levels of nested tables reach no further. */
	return 1ull << MIN(bits, 48u);
}

static bool in_range(unsigned i, uint64_t gpa, uint64_t len)
{
	return gpa >= ram[i].base && gpa < ram[i].end && len <= ram[i].end - gpa;
}

bool gmem_valid(uint64_t gpa, uint64_t len)
{
	if (nram && in_range(last, gpa, len))
		return true;
	for (unsigned i = 0; i < nram; i++) {
		if (in_range(i, gpa, len)) {
			last = i;
			return true;
		}
	}
	return false;
}

void *gmem_ptr(uint64_t gpa, uint64_t len)
{
	return gmem_valid(gpa, len) ? (void *)(uintptr_t)gpa : NULL;
}
