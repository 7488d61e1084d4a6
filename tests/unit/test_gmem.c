/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/mem/gmem.c tests/unit/host/cpu.c */
/*
 * The limit of guest-physical addresses: below the bits that select memory encryption, by which memory would appear a second
 * time.
 */
#include "host/cpu.h"
#include "host/host.h"
#include "hv/boot/bootinfo.h"
#include "hv/mem/ram.h"

static uint64_t limit(void)
{
	static const struct boot_info none;

	gmem_init(&none);
	return phys_limit();
}

TEST(plain)
{
	host_cpu_reset();
	CHECK_EQ(limit(), 1ull << 48);
	host_cpuid_set(0x80000008, (struct cpuid_regs){ .eax = 52 });
	CHECK_EQ(limit(), 1ull << 48);
	host_cpuid_set(0x80000008, (struct cpuid_regs){ .eax = 39 });
	CHECK_EQ(limit(), 1ull << 39);
	/* The limit stays as it was at the start. */
	host_cpuid_set(0x80000008, (struct cpuid_regs){ .eax = 52 });
	CHECK_EQ(phys_limit(), 1ull << 39);
}

TEST(the_c_bit)
{
	host_cpu_reset();
	host_cpuid_set(0x8000001f, (struct cpuid_regs){ .eax = 3, .ebx = 47 | 5 << 6 });
	host_msr_set(0xc0010010, 0);
	CHECK_EQ(limit(), 1ull << 47);
	host_msr_set(0xc0010010, BIT64(23));
	CHECK_EQ(limit(), 1ull << 43);
	host_cpuid_set(0x8000001f, (struct cpuid_regs){ .ebx = 47 });
	CHECK_EQ(limit(), 1ull << 48);
}

TEST(key_ids)
{
	host_cpu_reset();
	host_cpuid_set(0, (struct cpuid_regs){ .eax = 7 });
	host_cpuid_set(7, (struct cpuid_regs){ .ecx = BIT(13) });
	host_cpuid_set(0x80000008, (struct cpuid_regs){ .eax = 46 });
	host_msr_set(0x982, 6ull << 32 | 3);
	CHECK_EQ(limit(), 1ull << 40);
}

TEST_MAIN
