/* SPDX-License-Identifier: BSD-2-Clause */
/* The map of guest RAM behind <veneer/gmem.h>. */
#ifndef HV_RAM_H
#define HV_RAM_H

#include <veneer/types.h>

struct boot_info;

void gmem_init(const struct boot_info *b);
uint64_t gmem_top(void);		/* end of the highest RAM range */
uint64_t phys_limit(void);		/* 1 << physical address bits, 48 at most */

#endif
