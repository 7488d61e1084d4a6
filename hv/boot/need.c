/* SPDX-License-Identifier: BSD-2-Clause */
/* The sum of the memory that Veneer needs on this machine (contract in need.h).  own.c takes the memory. */
#include <veneer/log.h>
#include <veneer/string.h>
#include "hv/boot/bootinfo.h"
#include "hv/boot/need.h"
#include "hv/boot/own.h"

uint64_t need_sum(const struct need *n)
{
	uint64_t sum = NEED_IMAGE + NEED_BASE + n->tables + n->devices + n->iommu + n->later;

	return MAX(ALIGN_UP(sum, (uint64_t)PAGE_SIZE), (uint64_t)OWN_MIN);
}

void need_say(const struct need *n, const char *prefix)
{
	log_info("%smemory: %lu KiB for this machine: devices %lu, processors and the guest's start %lu, page tables %lu, "
		 "IOMMU %lu, all else %u", prefix, need_sum(n) / 1024, n->devices / 1024, n->later / 1024, n->tables / 1024,
		 n->iommu / 1024,
		 (NEED_IMAGE + NEED_BASE) / 1024);
}

uint64_t need_later(const struct boot_info *b, unsigned ncpus)
{
	uint64_t loader = NEED_LOADER + b->efi_map_size + b->nranges * sizeof(b->range[0]);

	for (unsigned i = 0; i < b->nmodules; i++)
		loader += strlen(b->module[i].cmdline) + 64;
	return loader + (uint64_t)ncpus * NEED_CPU + NEED_TABLES;
}
