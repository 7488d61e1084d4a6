/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * On an Intel processor: all is as on a processor without VMX, SMX, Intel PT and debug store.  Operations that VMX cannot let
 * through (XSETBV, INVD, CR0.NE, PAE's pointers, MTRRs) work as on a bare machine.
 */
#include "guest.h"

#define MSR_FEATURE_CONTROL	0x3a
#define MSR_SMM_MONITOR		0x9b
#define MSR_MTRR_CAP		0xfe
#define MSR_MTRR_BASE(n)	(0x200 + 2 * (n))
#define MSR_MTRR_DEF_TYPE	0x2ff
#define MSR_VMX_FIRST		0x480
#define MSR_VMX_LAST		0x491
#define MSR_PEBS_ENABLE		0x3f1
#define MSR_DS_AREA		0x600
#define MSR_TSC			0x10
#define MSR_TSC_DEADLINE	0x6e0
#define LVT_TIMER		((void *)0xfee00320)
#define LVT_DEADLINE		0x40000u
#define LVT_MASKED		0x10000u
#define MSR_PT_FIRST		0x570
#define MSR_PT_LAST		0x587
#define CR0_NE			(1u << 5)
#define CR0_PG			(1u << 31)
#define CR4_PAE			(1u << 5)
#define CR4_PGE			(1u << 7)
#define CR4_VMXE		(1u << 13)
#define CR4_SMXE		(1u << 14)
#define CR4_OSXSAVE		(1u << 18)

const char probe_name[] = "probe-vmx";

static uint32_t read_cr0(void) { uint32_t v; __asm__ volatile("movl %%cr0, %0" : "=r"(v)); return v; }
static uint32_t read_cr4(void) { uint32_t v; __asm__ volatile("movl %%cr4, %0" : "=r"(v)); return v; }
static int try_cr0(uint32_t v) { return TRY("movl %%eax, %%cr0", "a"(v) : "memory"); }
static int try_cr4(uint32_t v) { return TRY("movl %%eax, %%cr4", "a"(v) : "memory"); }

static bool is_intel(void)
{
	uint32_t r[4];

	cpuid(0, r);
	return !memcmp(&r[1], "Genu", 4) && !memcmp(&r[3], "ineI", 4) && !memcmp(&r[2], "ntel", 4);
}

static void check_cpuid(void)
{
	uint32_t r[4];

	cpuid(1, r);
	check(r[2] & (1u << 5 | 1u << 6), 0, "vmx: CPUID shows neither VMX nor SMX");
	check(r[2] >> 31, 1, "vmx: CPUID says that there is a hypervisor");
	check(r[3] >> 21 & 1 || r[2] & (1u << 2 | 1u << 4), 0, "vmx: CPUID shows no debug store");
	cpuid(7, r);
	check(r[1] >> 25 & 1, 0, "vmx: CPUID shows no Intel PT");
	cpuid(0x14, r);
	check(r[0] | r[1] | r[2] | r[3], 0, "vmx: CPUID's leaf of Intel PT is empty");
}

static void check_instructions(void)
{
	static uint32_t operand[4];

	check(TRY(".byte 0xf3, 0x0f, 0xc7, 0x30", "a"(operand) : "memory"), TRAP_UD, "vmx: VMXON");
	check(TRY(".byte 0x66, 0x0f, 0xc7, 0x30", "a"(operand) : "memory"), TRAP_UD, "vmx: VMCLEAR");
	check(TRY(".byte 0x0f, 0xc7, 0x30", "a"(operand) : "memory"), TRAP_UD, "vmx: VMPTRLD");
	check(TRY(".byte 0x0f, 0xc7, 0x38", "a"(operand) : "memory"), TRAP_UD, "vmx: VMPTRST");
	check(TRY(".byte 0x0f, 0x78, 0xc8", "a"(0), "c"(0) : "memory"), TRAP_UD, "vmx: VMREAD");
	check(TRY(".byte 0x0f, 0x79, 0xc8", "a"(0), "c"(0) : "memory"), TRAP_UD, "vmx: VMWRITE");
	check(TRY(".byte 0x0f, 0x01, 0xc2", "a"(0) : "memory"), TRAP_UD, "vmx: VMLAUNCH");
	check(TRY(".byte 0x0f, 0x01, 0xc3", "a"(0) : "memory"), TRAP_UD, "vmx: VMRESUME");
	check(TRY(".byte 0x0f, 0x01, 0xc4", "a"(0) : "memory"), TRAP_UD, "vmx: VMXOFF");
	check(TRY(".byte 0x0f, 0x01, 0xd4", "a"(0), "c"(0) : "memory"), TRAP_UD, "vmx: VMFUNC");
	check(TRY(".byte 0x66, 0x0f, 0x38, 0x80, 0x08", "a"(operand), "c"(1) : "memory"), TRAP_UD, "vmx: INVEPT");
	check(TRY(".byte 0x66, 0x0f, 0x38, 0x81, 0x08", "a"(operand), "c"(1) : "memory"), TRAP_UD, "vmx: INVVPID");
	check(TRY(".byte 0x0f, 0x37", "a"(0), "b"(0) : "memory"), TRAP_UD, "vmx: GETSEC");
	check(TRY(".byte 0x0f, 0x01, 0xd9", "a"(0) : "memory"), TRAP_UD, "vmx: VMMCALL");
	if (veneer_present())
		check(TRY("invd", "a"(0) : "memory"), (uint32_t)NO_TRAP, "vmx: INVD");
}

static void check_msrs(void)
{
	uint32_t reads = 0, writes = 0;
	uint64_t v = 0;

	for (uint32_t msr = MSR_VMX_FIRST; msr <= MSR_VMX_LAST; msr++) {
		reads += try_rdmsr(msr, &v);
		writes += try_wrmsr(msr, 0);
	}
	check(reads + writes, 0, "vmx: the capability MSRs are not there");
	reads = writes = 0;
	for (uint32_t msr = MSR_PT_FIRST; msr <= MSR_PT_LAST; msr++) {
		reads += try_rdmsr(msr, &v);
		writes += try_wrmsr(msr, 0);
	}
	check(reads + writes, 0, "vmx: the MSRs of Intel PT are not there");
	check(try_rdmsr(MSR_DS_AREA, &v) || try_wrmsr(MSR_DS_AREA, 0) || try_wrmsr(MSR_PEBS_ENABLE, 1), false,
	      "vmx: the MSRs of the debug store are not there");
	check(try_rdmsr(MSR_SMM_MONITOR, &v) || try_wrmsr(MSR_SMM_MONITOR, 0), false, "vmx: IA32_SMM_MONITOR_CTL is not there");
	/* A processor with VMX disabled and locked has this MSR. */
	if (try_rdmsr(MSR_FEATURE_CONTROL, &v))
		check((uint32_t)v & 7, 1, "vmx: IA32_FEATURE_CONTROL is locked with VMX off");
	check(try_wrmsr(MSR_FEATURE_CONTROL, 5), false, "vmx: IA32_FEATURE_CONTROL cannot be written");
	check(try_rdmsr(0x40000000, &v) || try_rdmsr(0x2000, &v) || try_wrmsr(0xc0010015, 0), false,
	      "vmx: MSRs outside the bitmap are not there");
	check(try_rdmsr(0x10, &v), true, "vmx: other MSRs are there");
}

static void check_control_registers(void)
{
	uint32_t cr0 = read_cr0(), cr4 = read_cr4();

	check(cr4 & (CR4_VMXE | CR4_SMXE), 0, "vmx: CR4 reads without VMXE and SMXE");
	check(try_cr4(cr4 | CR4_VMXE), TRAP_GP, "vmx: CR4.VMXE cannot be set");
	check(try_cr4(cr4 | CR4_SMXE), TRAP_GP, "vmx: CR4.SMXE cannot be set");
	check(read_cr4(), cr4, "vmx: CR4 is as it was");
	check(try_cr4(cr4 ^ CR4_PGE), (uint32_t)NO_TRAP, "vmx: another bit of CR4 can be changed");
	check(read_cr4(), cr4 ^ CR4_PGE, "vmx: CR4 is as it was written");
	try_cr4(cr4);
	check(try_cr0(cr0 ^ CR0_NE), (uint32_t)NO_TRAP, "vmx: CR0.NE can be changed");
	check(read_cr0(), cr0 ^ CR0_NE, "vmx: CR0.NE is as it was written");
	check(try_cr0(cr0), (uint32_t)NO_TRAP, "vmx: CR0.NE can be changed back");
	check(read_cr0(), cr0, "vmx: CR0 is as before");
}

static int try_xsetbv(uint32_t reg, uint32_t value)
{
	return TRY(".byte 0x0f, 0x01, 0xd1", "a"(value), "d"(0), "c"(reg) : "memory");
}

static void check_xsetbv(void)
{
	uint32_t cr4 = read_cr4(), r[4], low, high, avx;

	cpuid(1, r);
	if (!(r[2] & 1u << 26)) {
		skip("vmx: no XSAVE");
		return;
	}
	avx = r[2] >> 28 & 1;
	try_cr4(cr4 & ~CR4_OSXSAVE);
	cpuid(1, r);
	check(r[2] >> 27 & 1, 0, "vmx: CPUID's OSXSAVE without CR4.OSXSAVE");
	check(try_xsetbv(0, 3), TRAP_UD, "vmx: XSETBV without CR4.OSXSAVE");
	try_cr4(cr4 | CR4_OSXSAVE);
	cpuid(1, r);
	check(r[2] >> 27 & 1, 1, "vmx: CPUID's OSXSAVE with CR4.OSXSAVE");
	check(try_xsetbv(0, 3), (uint32_t)NO_TRAP, "vmx: XSETBV of x87 and SSE");
	__asm__ volatile(".byte 0x0f, 0x01, 0xd0" : "=a"(low), "=d"(high) : "c"(0));
	check(low, 3, "vmx: XGETBV reads it");
	check(try_xsetbv(0, 2), TRAP_GP, "vmx: XSETBV without x87");
	check(try_xsetbv(0, 5), TRAP_GP, "vmx: XSETBV of AVX without SSE");
	check(try_xsetbv(0, ~0u), TRAP_GP, "vmx: XSETBV of bits that do not exist");
	check(try_xsetbv(1, 3), TRAP_GP, "vmx: XSETBV of another register");
	if (avx)
		check(try_xsetbv(0, 7), (uint32_t)NO_TRAP, "vmx: XSETBV of AVX");
	try_xsetbv(0, 1);
	try_cr4(cr4);
}

/* The guest's MTRRs read back as written; one covers memory that is unused here. */
static void check_mtrrs(void)
{
	uint64_t cap = 0, base = 0, mask = 0, def = 0, v = 0;
	uint32_t last;

	if (!try_rdmsr(MSR_MTRR_CAP, &cap) || !(cap & 0xff)) {
		skip("vmx: no MTRRs");
		return;
	}
	last = MSR_MTRR_BASE((uint32_t)(cap & 0xff) - 1);
	try_rdmsr(last, &base);
	try_rdmsr(last + 1, &mask);
	check(try_wrmsr(last + 1, 0), true, "vmx: an MTRR can be switched off");
	check(try_wrmsr(last, 0xd0000006), true, "vmx: an MTRR's base can be written");
	check(try_rdmsr(last, &v) && v == 0xd0000006, true, "vmx: an MTRR's base reads back");
	check(try_wrmsr(last + 1, 0xffff0800), true, "vmx: an MTRR can be switched on");
	check(try_rdmsr(last + 1, &v) && v == 0xffff0800, true, "vmx: an MTRR's mask reads back");
	check(try_wrmsr(last, 0xd0000002), false, "vmx: an MTRR with a type that does not exist is refused");
	check(try_wrmsr(last, 1ull << 60), false, "vmx: an MTRR beyond the physical addresses is refused");
	check(try_wrmsr(last, base) && try_wrmsr(last + 1, mask), true, "vmx: an MTRR can be put back");
	try_rdmsr(MSR_MTRR_DEF_TYPE, &def);
	check(try_wrmsr(MSR_MTRR_DEF_TYPE, def), true, "vmx: the default type can be written");
	check(try_wrmsr(last + 2, 0), false, "vmx: an MTRR that does not exist is refused");
}

/* Identity mapping by the four pointers that VMX keeps in the VMCS. */
static void check_pae(void)
{
	static uint64_t directory[4][512] __attribute__((aligned(4096))), pointers[4] __attribute__((aligned(32)));
	uint32_t cr0 = read_cr0(), cr4 = read_cr4(), cr3, r[4];
	volatile uint32_t word = 0x12345678;

	for (uint32_t i = 0; i < 2048; i++)
		directory[i / 512][i % 512] = (uint64_t)i << 21 | 0x83;
	for (uint32_t i = 0; i < 4; i++)
		pointers[i] = (uint32_t)directory[i] | 1;
	__asm__ volatile("movl %%cr3, %0" : "=r"(cr3));
	__asm__ volatile("movl %0, %%cr3" : : "r"(pointers) : "memory");
	check(try_cr4(cr4 | CR4_PAE), (uint32_t)NO_TRAP, "vmx: PAE can be switched on");
	check(try_cr0(cr0 | CR0_PG), (uint32_t)NO_TRAP, "vmx: PAE paging can be switched on");
	cpuid(0, r);
	check(word, 0x12345678, "vmx: memory is there under PAE paging, after an exit");
	check(pci_read32(0, 0) != ~0u, true, "vmx: and configuration space");
	check(try_cr0((cr0 | CR0_PG) ^ CR0_NE), (uint32_t)NO_TRAP, "vmx: CR0.NE can be changed under PAE paging");
	check(word, 0x12345678, "vmx: memory is there after that");
	try_cr0(cr0);
	try_cr4(cr4);
	__asm__ volatile("movl %0, %%cr3" : : "r"(cr3) : "memory");
}

static volatile uint32_t deadlines;

static void on_deadline(void *ctx)
{
	(void)ctx;
	deadlines++;
}

/* Wait until the TSC has this value.  Return the number of timer interrupts meanwhile. */
static uint32_t deadlines_until(uint64_t tsc)
{
	uint32_t before = deadlines;

	while (rdtsc() < tsc)
		pause();
	return deadlines - before;
}

/* The local APIC timer's deadline is compared with the guest's TSC, whatever the guest has written to the TSC. */
static void check_deadline(const char *how, uint64_t ahead)
{
	uint64_t before = rdtsc(), deadline;

	check(try_wrmsr(MSR_TSC, before + ahead), true, "vmx: %s: the TSC can be written", how);
	deadline = rdtsc() + 20000000;
	check(deadline - before >= ahead, true, "vmx: %s: it goes on from there", how);
	check(try_wrmsr(MSR_TSC_DEADLINE, deadline), true, "vmx: %s: the timer's deadline can be set", how);
	check(deadlines_until(deadline - 5000000), 0, "vmx: %s: it does not come before its time", how);
	check(deadlines_until(deadline + 100000000), 1, "vmx: %s: and then it comes", how);
	/* A write to the TSC moves it towards a deadline that is set. */
	try_wrmsr(MSR_TSC_DEADLINE, rdtsc() + (1ull << 40) + 20000000);
	try_wrmsr(MSR_TSC, rdtsc() + (1ull << 40));
	check(deadlines_until(rdtsc() + 100000000), 1, "vmx: %s: one that is set comes nearer with the TSC", how);
	try_wrmsr(MSR_TSC, before);
}

static void check_deadlines(void)
{
	uint32_t r[4];

	cpuid(1, r);
	if (!(r[2] & 1u << 24)) {
		skip("vmx: no TSC deadline");
		return;
	}
	apic_init();
	write32(LVT_TIMER, LVT_DEADLINE | irq_alloc(on_deadline, NULL));
	__asm__ volatile("sti");
	check_deadline("TSC as it was", 0);
	check_deadline("TSC far ahead", 1ull << 44);
	__asm__ volatile("cli");
	write32(LVT_TIMER, LVT_MASKED);
}

static void check_veneer_memory(void)
{
	volatile uint32_t *p;
	struct range r;

	if (!veneer_range(&r)) {
		skip("vmx: Veneer's memory is not known");
		return;
	}
	for (uint32_t i = 0; i < 4; i++) {
		p = (volatile uint32_t *)((uint32_t)r.start + i * (((uint32_t)r.end - (uint32_t)r.start) / 4));
		*p = 0;
		check(*p, ~0u, "vmx: Veneer's memory at %x reads as ones", (uint32_t)p);
	}
}

void probe(void)
{
	if (!is_intel()) {
		check(false, true, "vmx: this is an Intel processor");
		return;
	}
	check_cpuid();
	check_instructions();
	check_msrs();
	check_control_registers();
	check_xsetbv();
	check_mtrrs();
	check_pae();
	check_deadlines();
	check_veneer_memory();
	check(veneer_counters() != 0, true, "vmx: Veneer lives on");
}
