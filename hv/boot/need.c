/* SPDX-License-Identifier: BSD-2-Clause */
#include <veneer/string.h>
#include "hv/boot/bootinfo.h"
#include "hv/boot/need.h"

uint64_t need_later(const struct boot_info *b, unsigned ncpus)
{
	uint64_t loader = NEED_LOADER + b->efi_map_size + b->nranges * sizeof(b->range[0]);

	for (unsigned i = 0; i < b->nmodules; i++)
		loader += strlen(b->module[i].cmdline) + 64;
	return loader + (uint64_t)ncpus * NEED_CPU + NEED_TABLES;
}
