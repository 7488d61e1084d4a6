/* SPDX-License-Identifier: BSD-2-Clause */
/* The map of guest RAM behind <veneer/gmem.h>. */
#ifndef HV_RAM_H
#define HV_RAM_H

#include <veneer/types.h>

struct boot_info;

void gmem_init(const struct boot_info *b);
struct gmem_range;
bool gmem_range(unsigned n, struct gmem_range *r);	/* range @n of the guest's RAM; false behind the last */
uint64_t gmem_top(void);		/* end of the highest RAM range */
uint64_t phys_limit(void);		/* 1 << physical address bits, 48 at most */

#endif
