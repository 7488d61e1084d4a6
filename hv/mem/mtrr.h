/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory type range registers: the guest's copy. */
#ifndef HV_MTRR_H
#define HV_MTRR_H

#include <veneer/types.h>

#define MSR_MTRR_PHYS_FIRST	0x200u		/* base and mask in turn */
#define MSR_MTRR_PHYS_LAST	0x21fu
#define MSR_MTRR_FIX64K		0x250u
#define MSR_MTRR_FIX16K		0x258u		/* 2 of them */
#define MSR_MTRR_FIX4K		0x268u		/* 8 */
#define MSR_MTRR_DEF_TYPE	0x2ffu

/* Copy the registers as firmware has set them. */
void mtrr_init(void);
/* Return the type at @gpa, and in *@end an address up to which it holds. */
unsigned mtrr_type(uint64_t gpa, uint64_t *end);
/* The guest's accesses; false is #GP. */
bool mtrr_read(uint32_t msr, uint64_t *value);
bool mtrr_write(uint32_t msr, uint64_t value);

#endif
