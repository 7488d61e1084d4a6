/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/cpu/msr.c hv/svm/svm_msr.c hv/vmx/vmx_msr.c tests/unit/host/cpu.c */
/* Which MSRs a guest may write, by the maps of both vendors, and the effect of other writes and reads. */
#include <string.h>
#include "host/cpu.h"
#include "host/host.h"
#include "hv/cpu/msr.h"
#include "hv/mem/mtrr.h"
#include "hv/svm/svm.h"
#include "hv/vmx/vmx.h"

static unsigned mtrr_writes;
bool mtrr_read(uint32_t msr, uint64_t *value)
{
	*value = 0x1006;
	return msr != 0x21f;
}
bool mtrr_write(uint32_t msr, uint64_t value)
{
	mtrr_writes++;
	return msr != 0x21f;
}

static uint8_t map[2 * PAGE_SIZE];

static bool svm_exits(uint32_t msr, bool write)
{
	unsigned range = msr >= 0xc0010000 ? 2 : msr >= 0xc0000000, bit = range * 0x4000 + 2 * (msr & 0x1fff) + write;

	return map[bit / 8] >> bit % 8 & 1;
}

static bool vmx_exits(uint32_t msr, bool write)
{
	unsigned bit = (write ? 0x4000 : 0) + (msr >= 0xc0000000 ? 0x2000 : 0) + (msr & 0x1fff);

	return map[bit / 8] >> bit % 8 & 1;
}

/* Systems use these often, or do not work without them. */
static const uint32_t low[] = {
	0x48, 0x49, 0x8b, 0xc1, 0x174, 0x176, 0x17a, 0x186, 0x199, 0x19a, 0x19b, 0x1b0, 0x1d9, 0x277, 0x280, 0x38f, 0x400,
	0x47f, 0x610, 0x6e0, 0x774, 0x808, 0x80b, 0x830, 0xda0, 0xc0000081, 0xc0000084, 0xc0000100, 0xc0000102, 0xc0000103,
};
static const uint32_t amd[] = { 0xc0010000, 0xc0010044, 0xc0010062, 0xc0010064, 0xc0010200, 0xc00102b3, 0xc0011020,
				0xc0011029 };
/*
 * MSRs that move memory, hide CPUID leaves, record beyond an exit, load microcode, or give the processor an address to write
 * to.
 */
static const uint32_t closed[] = {
	0x79, 0x9b, 0x13c, 0x150, 0x1a0, 0x1c8, 0x1f2, 0x3f1, 0x3f6, 0x480, 0x4e0, 0x570, 0x600, 0x680, 0x6c0, 0x982, 0x14ce,
	0x1500, 0x17d0, 0x1b, 0x10, 0x3b, 0xc0000104, 0xc000010f,
};
static const uint32_t amd_closed[] = {
	0xc0010010, 0xc0010015, 0xc0010016, 0xc001001a, 0xc001001f, 0xc0010020, 0xc0010054, 0xc0010058, 0xc0010111, 0xc0010114,
	0xc0010117, 0xc0010132, 0xc00102f0, 0xc0011002, 0xc0011003, 0xc0011004, 0xc0011005,
};

TEST(lists_of_svm)
{
	svm_msr_policy(map);
	for (unsigned i = 0; i < ARRAY_SIZE(low); i++)
		CHECK(!svm_exits(low[i], true) && !svm_exits(low[i], false));
	for (unsigned i = 0; i < ARRAY_SIZE(amd); i++)
		CHECK(!svm_exits(amd[i], true) && !svm_exits(amd[i], false));
	for (unsigned i = 0; i < ARRAY_SIZE(closed); i++)
		CHECK(svm_exits(closed[i], true));
	for (unsigned i = 0; i < ARRAY_SIZE(amd_closed); i++)
		CHECK(svm_exits(amd_closed[i], true));
	CHECK(svm_exits(0xc0010114, false) && svm_exits(0xc0010117, false) && svm_exits(0x480, false));
	CHECK(svm_exits(0xc0000080, false) && !svm_exits(0x17d0, false) && !svm_exits(0xc0011005, false));
}

TEST(lists_of_vmx)
{
	memset(map, 0, sizeof(map));
	vmx_msr_policy(map);
	for (unsigned i = 0; i < ARRAY_SIZE(low); i++)
		CHECK(!vmx_exits(low[i], true) && !vmx_exits(low[i], false));
	for (unsigned i = 0; i < ARRAY_SIZE(closed); i++)
		CHECK(vmx_exits(closed[i], true));
	CHECK(vmx_exits(0x200, true) && vmx_exits(0x200, false) && vmx_exits(0x3a, false) && !vmx_exits(0x17d0, false));
}

static void writes(bool (*wr)(struct vcpu *, uint32_t, uint64_t), bool (*rd)(struct vcpu *, uint32_t, uint64_t *))
{
	uint64_t v;

	host_cpu_reset();
	host_msr_set(0x17d0, 5);
	host_msr_set(0x40000000, 5);
	CHECK(wr(NULL, 0x17d0, 0x1234) && host_msr(0x17d0) == 5 && host_log_has("write of 0x1234 to 0x17d0"));
	host_log_clear();
	CHECK(wr(NULL, 0x17d0, 0x5678) && !host_log_has("0x17d0"));
	/* A missing MSR, and one of a hypervisor underneath. */
	CHECK(!wr(NULL, 0x17d1, 0) && !rd(NULL, 0x17d1, &v));
	CHECK(!wr(NULL, 0x40000000, 0) && !rd(NULL, 0x40000000, &v));
	CHECK_EQ(host_wrmsrs, 0);
}

TEST(other_writes)
{
	uint64_t v;

	writes(vmx_wrmsr, vmx_rdmsr);
	host_log_clear();
	host_cpu_reset();
	host_msr_set(0xc0002003, 9);
	/* Intel's processors have no MSR there, although emulators may. */
	CHECK(!vmx_rdmsr(NULL, 0xc0002003, &v) && !vmx_wrmsr(NULL, 0xc0002003, 8));
	CHECK(svm_rdmsr(NULL, 0xc0002003, &v) && v == 9);
	CHECK(svm_wrmsr(NULL, 0xc0002003, 8) && host_msr(0xc0002003) == 8);
	CHECK(!svm_rdmsr(NULL, 0xc0010117, &v) && !svm_wrmsr(NULL, 0xc0010117, 0));
}

/* The processor's MTRRs are also Veneer's: they stay, whatever the guest writes. */
TEST(mtrrs_are_a_copy)
{
	static const uint32_t mtrr[] = { 0x200, 0x20f, 0x21e, 0x250, 0x258, 0x259, 0x268, 0x26f, 0x2ff };
	uint64_t v;

	host_cpu_reset();
	mtrr_writes = 0;
	svm_msr_policy(map);
	for (unsigned i = 0; i < ARRAY_SIZE(mtrr); i++) {
		CHECK(svm_exits(mtrr[i], true) && svm_exits(mtrr[i], false));
		CHECK(svm_wrmsr(NULL, mtrr[i], 6) && svm_rdmsr(NULL, mtrr[i], &v) && v == 0x1006);
	}
	CHECK(!svm_wrmsr(NULL, 0x21f, 0) && !svm_rdmsr(NULL, 0x21f, &v));
	vmx_msr_policy(map);
	for (unsigned i = 0; i < ARRAY_SIZE(mtrr); i++)
		CHECK(vmx_exits(mtrr[i], true) && vmx_exits(mtrr[i], false));
	CHECK(mtrr_writes == ARRAY_SIZE(mtrr) + 1 && !host_wrmsrs);
}

TEST(misc_enable)
{
	host_cpu_reset();
	host_msr_set(0x1a0, BIT64(34) | 1);
	CHECK(vmx_wrmsr(NULL, 0x1a0, BIT64(34) | BIT64(22) | BIT64(18)));
	CHECK_EQ(host_msr(0x1a0), BIT64(34) | BIT64(18));
	CHECK(vmx_wrmsr(NULL, 0x1a0, BIT64(18)));
	CHECK(vmx_wrmsr(NULL, 0x1a0, BIT64(34)));
	CHECK_EQ(host_msr(0x1a0), 0);
}

/* Once the table of logged MSRs is full, writes are still dropped. */
TEST(no_room_for_another_line)
{
	host_cpu_reset();
	for (uint32_t msr = 0x1000; msr < 0x1040; msr++) {
		if (msr % 0x20 == 0)
			host_cpu_reset();
		host_msr_set(msr, 1);
		CHECK(msr_drop(msr, 2));
	}
	CHECK(host_log_has("0x1000") && !host_log_has("0x103f"));
	CHECK_EQ(host_wrmsrs, 0);
}

TEST_MAIN
