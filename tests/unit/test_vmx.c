/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/vmx/vmx_caps.c hv/vmx/vmx_event.c hv/mem/mtrr.c tests/unit/host/cpu.c */
/* Which processors VMX can use, and the reasons for the others; events that an exit interrupted; memory types. */
#include <string.h>
#include <veneer/err.h>
#include "host/cpu.h"
#include "host/host.h"
#include "hv/mem/mtrr.h"
#include "hv/vmx/vmx.h"

#define ALL	0xffffffffull

static unsigned retyped;

uint64_t phys_limit(void) { return 1ull << 36; }
void nested_retype(void) { retyped++; }

/* --- capabilities --- */

static void capable(void)
{
	host_cpu_reset();
	host_cpuid_set(1, (struct cpuid_regs){ .ecx = CPUID_VMX });
	host_msr_set(MSR_FEATURE_CONTROL, FEATURE_LOCK | FEATURE_VMX);
	host_msr_set(MSR_VMX_BASIC, BASIC_TRUE | 0x12);
	host_msr_set(MSR_VMX_TRUE_PINBASED, ALL << 32 | 0x16);
	host_msr_set(MSR_VMX_TRUE_PROCBASED, ALL << 32 | 0x04006172);
	host_msr_set(MSR_VMX_PROCBASED2, ALL << 32);
	host_msr_set(MSR_VMX_TRUE_EXIT, ALL << 32 | 0x36dfb);
	host_msr_set(MSR_VMX_TRUE_ENTRY, ALL << 32 | 0x11fb);
	host_msr_set(MSR_VMX_EPT_VPID, ~0ull);
	host_msr_set(MSR_VMX_MISC, MISC_WAIT_SIPI | 5);
	host_msr_set(MSR_VMX_CR0_FIXED0, CR0_PE | CR0_PG | BIT(5));
	host_msr_set(MSR_VMX_CR0_FIXED1, ALL);
	host_msr_set(MSR_VMX_CR4_FIXED0, CR4_VMXE);
	host_msr_set(MSR_VMX_CR4_FIXED1, ALL);
}

static void refused(const char *reason)
{
	struct vmx_caps c = { 0 };
	const char *why = "";

	CHECK_EQ(vmx_caps_read(&c, &why), -ERR_NOTSUP);
	if (!strstr(why, reason))
		host_fail(__FILE__, __LINE__, "'%s' is not in '%s'", reason, why);
}

TEST(a_processor_that_can)
{
	struct vmx_caps c = { 0 };
	const char *why = NULL;

	capable();
	CHECK_EQ(vmx_allowed(&why), 0);
	CHECK_EQ(vmx_caps_read(&c, &why), 0);
	CHECK_EQ(c.control[WORD_PIN], 0x16 | PIN_NMI | PIN_VIRTUAL_NMI | PIN_TIMER);
	CHECK(c.control[WORD_PROC2] & PROC2_VPID);
	CHECK(!(c.control[WORD_PROC] & (PROC_CR3_LOAD | PROC_HLT | PROC_NMI_WINDOW)));
	CHECK_EQ(c.timer_shift, 5);
	CHECK(c.wait_sipi);
	CHECK_EQ(c.revision, 0x12);
	CHECK(c.ept_1g);
	CHECK_EQ(vmx_cr0_owned(&c), BIT(5));
}

TEST(each_missing_control_is_named)
{
	capable();
	host_msr_set(MSR_VMX_TRUE_PINBASED, (ALL & ~(uint64_t)PIN_VIRTUAL_NMI) << 32 | 0x16);
	refused("lacks virtual NMIs");
	capable();
	host_msr_set(MSR_VMX_PROCBASED2, (ALL & ~(uint64_t)PROC2_UNRESTRICTED) << 32);
	refused("lacks unrestricted guests");
	capable();
	host_msr_set(MSR_VMX_TRUE_PROCBASED, (ALL & ~(uint64_t)PROC_SECONDARY) << 32);
	refused("lacks secondary controls");
	capable();
	host_msr_set(MSR_VMX_TRUE_PROCBASED, (ALL & ~(uint64_t)PROC_NMI_WINDOW) << 32);
	refused("lacks NMI-window exiting");
	capable();
	host_msr_set(MSR_VMX_EPT_VPID, ~EPT_WB);
	refused("write-back");
}

/* Without the true controls CR3 exits are "default 1": that processor is too old. */
TEST(a_control_that_cannot_be_switched_off)
{
	capable();
	host_msr_set(MSR_VMX_BASIC, 0x12);
	host_msr_set(MSR_VMX_PINBASED, ALL << 32 | 0x16);
	host_msr_set(MSR_VMX_PROCBASED, ALL << 32 | 0x0401e172);
	host_msr_set(MSR_VMX_EXIT, ALL << 32 | 0x36dff);
	host_msr_set(MSR_VMX_ENTRY, ALL << 32 | 0x11ff);
	refused("insists on CR3-load exiting");
}

TEST(without_invvpid_nothing_is_tagged)
{
	struct vmx_caps c = { 0 };
	const char *why;

	capable();
	host_msr_set(MSR_VMX_EPT_VPID, ~EPT_INVVPID);
	CHECK_EQ(vmx_caps_read(&c, &why), 0);
	CHECK(!(c.control[WORD_PROC2] & PROC2_VPID));
}

TEST(firmware_decides)
{
	const char *why = "";

	capable();
	host_msr_set(MSR_FEATURE_CONTROL, FEATURE_LOCK);
	CHECK_EQ(vmx_allowed(&why), -ERR_NOTSUP);
	CHECK(strstr(why, "switched off and locked by the firmware"));
	host_msr_set(MSR_FEATURE_CONTROL, FEATURE_LOCK | FEATURE_VMX_IN_SMX);
	CHECK_EQ(vmx_allowed(&why), -ERR_NOTSUP);
	host_msr_set(MSR_FEATURE_CONTROL, 0);
	CHECK_EQ(vmx_allowed(&why), 0);
	host_cpuid_set(1, (struct cpuid_regs){ 0 });
	CHECK_EQ(vmx_allowed(&why), -ERR_NODEV);
}

/* --- events --- */

static uint32_t vectoring(unsigned type, unsigned vector, uint32_t more)
{
	return EVENT_INFO_VALID | FIELD_PREP(EVENT_INFO_TYPE, type) | vector | more;
}

TEST(interrupted_events_go_in_again)
{
	uint32_t error = 0;
	bool unblock;

	CHECK_EQ(vmx_interrupted_event(0x30, 0, &error, &unblock), 0);
	CHECK_EQ(vmx_interrupted_event(vectoring(EVENT_TYPE_EXTINT, 0x30, EVENT_INFO_IRET), 0, &error, &unblock),
		 vectoring(EVENT_TYPE_EXTINT, 0x30, 0));
	CHECK(!unblock);
	CHECK_EQ(vmx_interrupted_event(vectoring(EVENT_TYPE_EXCEPTION, 14, EVENT_INFO_ERROR), 6, &error, &unblock),
		 vectoring(EVENT_TYPE_EXCEPTION, 14, EVENT_INFO_ERROR));
	CHECK_EQ(error, 6);
	CHECK_EQ(vmx_interrupted_event(vectoring(EVENT_TYPE_NMI, 2, 0), 0, &error, &unblock), vectoring(EVENT_TYPE_NMI, 2, 0));
	CHECK(unblock);
	for (unsigned type = EVENT_TYPE_SOFT_INT; type <= EVENT_TYPE_SOFT_EXC; type++)
		CHECK_EQ(vmx_interrupted_event(vectoring(type, 3, 0), 0, &error, &unblock), 0);
}

TEST(blocking_comes_back_after_an_iret_that_faulted)
{
	CHECK(vmx_iret_interrupted(REASON_EPT_VIOLATION, 0, EPT_QUAL_IRET, 0));
	CHECK(!vmx_iret_interrupted(REASON_EPT_VIOLATION, 0, 0, 0));
	CHECK(!vmx_iret_interrupted(REASON_EPT_VIOLATION, 0, EPT_QUAL_IRET, vectoring(EVENT_TYPE_NMI, 2, 0)));
	CHECK(!vmx_iret_interrupted(REASON_CPUID, EVENT_INFO_IRET, EPT_QUAL_IRET, 0));
	CHECK(!vmx_iret_interrupted(REASON_EXCEPTION, vectoring(EVENT_TYPE_EXCEPTION, 8, EVENT_INFO_IRET), 0, 0));
	CHECK(vmx_iret_interrupted(REASON_EXCEPTION, vectoring(EVENT_TYPE_EXCEPTION, 13, EVENT_INFO_IRET), 0, 0));
}

/* --- memory types --- */

#define VAR(n)		(MSR_MTRR_PHYS_FIRST + 2 * (n))
#define ON		BIT64(11)
#define MASK(size)	(((1ull << 36) - (size)) | ON)

/* Two variable ranges, all that the fake processor has, and no fixed ranges. */
static void ranges(uint64_t def)
{
	host_cpu_reset();
	host_cpuid_set(1, (struct cpuid_regs){ .edx = BIT(12) });
	host_msr_set(0xfe, 2);
	host_msr_set(MSR_MTRR_DEF_TYPE, def);
	for (unsigned i = 0; i < 4; i++)
		host_msr_set(MSR_MTRR_PHYS_FIRST + i, 0);
	retyped = 0;
}

static void type_is(uint64_t gpa, unsigned type, uint64_t end)
{
	uint64_t e;

	CHECK_EQ(mtrr_type(gpa, &e), type);
	CHECK_EQ(e, end);
}

TEST(types_end_at_the_edges)
{
	ranges(ON | CACHE_WB);
	host_msr_set(VAR(0), 0xc0000000 | CACHE_UC);
	host_msr_set(VAR(0) + 1, MASK(0x40000000));
	host_msr_set(VAR(1), 0xd0000000 | CACHE_WC);
	host_msr_set(VAR(1) + 1, MASK(0x100000));
	mtrr_init();
	type_is(0, CACHE_WB, 0xc0000000);
	type_is(0xc0000000, CACHE_UC, 0xd0000000);
	/* Uncached wins. */
	type_is(0xd0000000, CACHE_UC, 0xd0100000);
	type_is(0xd0100000, CACHE_UC, 0x100000000);
	type_is(0x100000000, CACHE_WB, ~0ull);
}

/* More variable ranges than the table holds: these ranges would get another type. */
TEST(more_ranges_than_are_kept)
{
	host_cpu_reset();
	host_cpuid_set(1, (struct cpuid_regs){ .edx = BIT(12) });
	host_msr_set(0x2ff, ON | CACHE_WB);
	for (unsigned i = 0; i < 16; i++) {
		host_msr_set(VAR(i), 0);
		host_msr_set(VAR(i) + 1, 0);
	}
	host_msr_set(0xfe, 16);
	mtrr_init();
	CHECK(!host_log_has("limit: "));
	host_msr_set(0xfe, 17);
	mtrr_init();
	CHECK(host_log_has("limit: more than 16 variable MTRRs"));
}

TEST(overlaps)
{
	ranges(ON | CACHE_UC);
	host_msr_set(VAR(0), 0 | CACHE_WB);
	host_msr_set(VAR(0) + 1, MASK(0x80000000));
	host_msr_set(VAR(1), 0x100000 | CACHE_WT);
	host_msr_set(VAR(1) + 1, MASK(0x100000));
	mtrr_init();
	type_is(0, CACHE_WB, 0x100000);
	type_is(0x180000, CACHE_WT, 0x200000);
	type_is(0x200000, CACHE_WB, 0x80000000);
	type_is(0x80000000, CACHE_UC, ~0ull);
}

TEST(switched_off_all_is_uncached)
{
	ranges(CACHE_WB);
	mtrr_init();
	type_is(0, CACHE_UC, ~0ull);
}

/* Fixed ranges of 64, 16 and 4 KiB; above 1 MiB the variable ranges count. */
TEST(fixed_ranges)
{
	host_cpu_reset();
	host_cpuid_set(1, (struct cpuid_regs){ .edx = BIT(12) });
	host_msr_set(0xfe, BIT(8));
	host_msr_set(MSR_MTRR_DEF_TYPE, ON | BIT(10) | CACHE_WB);
	host_msr_set(MSR_MTRR_FIX64K, 0x0606060606060606);
	host_msr_set(MSR_MTRR_FIX16K, 0x0606060606060606);
	host_msr_set(MSR_MTRR_FIX16K + 1, 0);
	for (unsigned i = 0; i < 8; i++)
		host_msr_set(MSR_MTRR_FIX4K + i, i == 7 ? 0x0500000000000000 : 0);
	mtrr_init();
	type_is(0x70000, CACHE_WB, 0x80000);
	type_is(0x9c000, CACHE_WB, 0xa0000);
	type_is(0xa0000, CACHE_UC, 0xa4000);
	type_is(0xc0000, CACHE_UC, 0xc1000);
	type_is(0xff000, CACHE_WP, 0x100000);
	type_is(0x100000, CACHE_WB, ~0ull);
}

TEST(the_guest_writes_a_copy)
{
	uint64_t v = 0;

	ranges(ON | CACHE_WB);
	mtrr_init();
	CHECK(mtrr_write(VAR(0), 0xe0000000 | CACHE_WC) && mtrr_write(VAR(0) + 1, MASK(0x1000000)));
	CHECK_EQ(host_wrmsrs, 0);
	CHECK_EQ(retyped, 2);
	CHECK(mtrr_read(VAR(0), &v));
	CHECK_EQ(v, 0xe0000000 | CACHE_WC);
	type_is(0xe0000000, CACHE_WC, 0xe1000000);
	/* The same value again is no change; while MTRRs are disabled the tables stay. */
	CHECK(mtrr_write(VAR(0), 0xe0000000 | CACHE_WC));
	CHECK(mtrr_write(MSR_MTRR_DEF_TYPE, CACHE_WB) && mtrr_write(VAR(1), CACHE_UC));
	CHECK_EQ(retyped, 2);
	CHECK(mtrr_write(MSR_MTRR_DEF_TYPE, ON | CACHE_WB));
	CHECK_EQ(retyped, 3);
}

TEST(what_the_processor_would_refuse)
{
	ranges(ON | CACHE_WB);
	mtrr_init();
	CHECK(!mtrr_write(VAR(0), 2));
	CHECK(!mtrr_write(VAR(0), 1ull << 36));
	CHECK(!mtrr_write(VAR(0) + 1, 1));
	CHECK(!mtrr_write(MSR_MTRR_DEF_TYPE, ON | 7));
	CHECK(!mtrr_write(VAR(2), 0));
	CHECK(!mtrr_write(MSR_MTRR_FIX64K, 0));
	CHECK_EQ(retyped, 0);
}

TEST_MAIN
