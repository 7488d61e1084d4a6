/* SPDX-License-Identifier: BSD-2-Clause */
/* The fake processor of the unit tests (contract in cpu.h). */
#include "host/host.h"
#include "host/cpu.h"
#include "hv/cpu/msr.h"
#include "hv/cpu/percpu.h"

#define MAX_LEAVES	32
#define MAX_MSRS	64

static struct { uint32_t leaf; struct cpuid_regs r; } leaves[MAX_LEAVES];
static unsigned nleaves;
static struct { uint32_t msr; uint64_t v; } msrs[MAX_MSRS];
static unsigned nmsrs;

unsigned host_wrmsrs;

/* Each thread is a processor. */
__thread struct cpu host_cpu;

void *gs_self(void)
{
	return &host_cpu;
}

/* No other processor runs the guest. */
__attribute__((weak)) void smp_stop_others(void) { }
__attribute__((weak)) void guest_pause(void) { }
__attribute__((weak)) void guest_resume(void) { }
__attribute__((weak)) void state_wait(struct cpu *c) { }
__attribute__((weak)) void lapic_state_nmis(struct cpu *c) { }
__attribute__((weak)) void lapic_state_settle(struct cpu *c) { }

/* Veneer's image: two pages. */
__asm__(".data\n.balign 4096\n.globl veneer_start\nveneer_start: .skip 8192\n.globl veneer_end\nveneer_end: .skip 8\n.text");

extern char veneer_start[], veneer_end[];
bool own_memory(uint64_t addr);

__attribute__((weak)) bool own_memory(uint64_t addr)
{
	return addr >= (uintptr_t)veneer_start && addr < (uintptr_t)veneer_end;
}

void host_cpu_reset(void)
{
	nleaves = nmsrs = host_wrmsrs = 0;
	host_cpuid_set(0x80000000, (struct cpuid_regs){ .eax = 0x80000021 });
	host_cpuid_set(0x80000008, (struct cpuid_regs){ .eax = 48 });
}

void host_cpuid_set(uint32_t leaf, struct cpuid_regs r)
{
	unsigned i = 0;

	while (i < nleaves && leaves[i].leaf != leaf)
		i++;
	if (i == MAX_LEAVES)
		abort();
	nleaves = MAX(nleaves, i + 1);
	leaves[i].leaf = leaf;
	leaves[i].r = r;
}

struct cpuid_regs cpuid(uint32_t leaf, uint32_t sub)
{
	(void)sub;
	for (unsigned i = 0; i < nleaves; i++)
		if (leaves[i].leaf == leaf)
			return leaves[i].r;
	return (struct cpuid_regs){ 0 };
}

static uint64_t *find_msr(uint32_t msr)
{
	for (unsigned i = 0; i < nmsrs; i++)
		if (msrs[i].msr == msr)
			return &msrs[i].v;
	return NULL;
}

void host_msr_set(uint32_t msr, uint64_t v)
{
	uint64_t *p = find_msr(msr);

	if (!p && nmsrs == MAX_MSRS)
		abort();
	if (!p) {
		msrs[nmsrs].msr = msr;
		p = &msrs[nmsrs++].v;
	}
	*p = v;
}

uint64_t host_msr(uint32_t msr)
{
	return rdmsr(msr);
}

uint64_t rdmsr(uint32_t msr)
{
	uint64_t *p = find_msr(msr);

	if (!p)
		host_fail("rdmsr", 0, "MSR %#x: #GP in the host", msr);
	return *p;
}

bool rdmsr_safe(uint32_t msr, uint64_t *v)
{
	uint64_t *p = find_msr(msr);

	if (p)
		*v = *p;
	return p;
}

bool wrmsr_safe(uint32_t msr, uint64_t v)
{
	if (!find_msr(msr))
		return false;
	wrmsr(msr, v);
	return true;
}

void wrmsr(uint32_t msr, uint64_t v)
{
	uint64_t *p = find_msr(msr);

	if (!p)
		host_fail("wrmsr", 0, "MSR %#x = %#llx: #GP in the host", msr, (unsigned long long)v);
	*p = v;
	host_wrmsrs++;
}

uint64_t read_cr0(void) { return CR0_PG; }
void write_cr0(uint64_t v) { (void)v; }
void write_cr3(uint64_t v) { (void)v; }
void wbinvd(void) { }
uint64_t host_cr2;
uint64_t read_cr2(void) { return host_cr2; }
void write_cr2(uint64_t v) { host_cr2 = v; }
uint64_t host_dr6 = 0xffff0ff0;
uint64_t read_dr6(void) { return host_dr6; }
void write_dr6(uint64_t v) { host_dr6 = v; }
uint64_t host_xcr0 = 1;
void xsetbv(uint32_t reg, uint64_t v) { host_xcr0 = reg ? ~0ull : v; }
void halt_forever(void) { host_fail("halt", 0, "the machine halted"); }
