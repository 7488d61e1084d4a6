/* SPDX-License-Identifier: BSD-2-Clause */
/* VMX instructions (SDM vol. 3, chapter 31).  Unit tests replace them by functions. */
#ifndef HV_VMX_INSN_H
#define HV_VMX_INSN_H

#include "hv/vmx/vmx_regs.h"

static inline uint64_t vmcs_read(uint32_t field)
{
	uint64_t v;

	__asm__ volatile("vmread %1, %0" : "=r"(v) : "r"((uint64_t)field) : "cc");
	return v;
}

static inline void vmcs_write(uint32_t field, uint64_t v)
{
	__asm__ volatile("vmwrite %1, %0" : : "r"((uint64_t)field), "r"(v) : "cc", "memory");
}

/* These fail with CF or ZF set. */
static inline bool vmx_on(uint64_t region)
{
	bool bad;

	__asm__ volatile("vmxon %1" : "=@ccbe"(bad) : "m"(region) : "memory");
	return !bad;
}

static inline void vmx_off(void) { __asm__ volatile("vmxoff" : : : "cc", "memory"); }

static inline bool vmcs_clear(uint64_t vmcs)
{
	bool bad;

	__asm__ volatile("vmclear %1" : "=@ccbe"(bad) : "m"(vmcs) : "memory");
	return !bad;
}

static inline bool vmcs_load(uint64_t vmcs)
{
	bool bad;

	__asm__ volatile("vmptrld %1" : "=@ccbe"(bad) : "m"(vmcs) : "memory");
	return !bad;
}

#define INVALIDATE_ALL	2ull

static inline void invept_all(void)
{
	struct { uint64_t eptp, zero; } what = { 0, 0 };

	__asm__ volatile("invept %0, %1" : : "m"(what), "r"(INVALIDATE_ALL) : "cc", "memory");
}

static inline void invvpid_all(void)
{
	struct { uint64_t vpid, linear; } what = { 0, 0 };

	__asm__ volatile("invvpid %0, %1" : : "m"(what), "r"(INVALIDATE_ALL) : "cc", "memory");
}

#endif
