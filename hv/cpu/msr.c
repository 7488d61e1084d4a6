/* SPDX-License-Identifier: BSD-2-Clause */
/* MSRs that a guest may write, and what becomes of a write to any other (SDM vol. 4; APM vol. 2, appendix A). */
#include <veneer/lock.h>
#include <veneer/log.h>
#include "hv/cpu/msr.h"

#define MAX_SAID		32u
#define HYPERVISOR_FIRST	0x40000000u	/* of a hypervisor underneath: it writes to the addresses in some */
#define HYPERVISOR_LAST		0x4fffffffu

const struct msr_range msr_open[] = {
	{ 0x00, 0x01 },			/* machine check of the P5 */
	{ 0x33, 0x33 },			/* split locks */
	{ 0x48, 0x49 },			/* speculation */
	{ 0x8b, 0x8b },			/* the microcode's revision is read by a write before */
	{ 0xc1, 0xc8 },			/* counters */
	{ 0xe1, 0xe2 },			/* UMWAIT, C-states */
	{ 0xe7, 0xe8 },			/* MPERF, APERF */
	{ 0x10b, 0x10b }, { 0x10f, 0x10f }, { 0x122, 0x123 },	/* caches to flush, TSX, SRBDS */
	{ 0x140, 0x140 },		/* CPUID faulting, MWAIT in ring 3 */
	{ 0x174, 0x176 },		/* SYSENTER */
	{ 0x17a, 0x17b },		/* machine check */
	{ 0x186, 0x18d },		/* counters */
	{ 0x199, 0x19d },		/* P-states, clock modulation, thermal */
	{ 0x1a2, 0x1a2 }, { 0x1a4, 0x1a4 }, { 0x1a6, 0x1a7 }, { 0x1aa, 0x1aa },	/* temperature, prefetchers, counters, power */
	{ 0x1ad, 0x1b2 },		/* turbo, energy, the package's temperature */
	{ 0x1c4, 0x1c5 },		/* XFD */
	{ 0x1d9, 0x1d9 },		/* DEBUGCTL */
	{ 0x1fc, 0x1fc },		/* power */
	{ 0x277, 0x277 },		/* PAT; the vendors answer for MTRRs */
	{ 0x280, 0x29f },		/* machine check */
	{ 0x309, 0x30c }, { 0x329, 0x329 }, { 0x38d, 0x38d }, { 0x38f, 0x396 },	/* counters */
	{ 0x400, 0x47f },		/* machine check banks */
	{ 0x4c1, 0x4c8 }, { 0x4d0, 0x4d0 },	/* counters, machine check */
	{ 0x601, 0x67f },		/* power limits */
	{ 0x6a0, 0x6a8 },		/* CET */
	{ 0x6e0, 0x6e1 },		/* TSC deadline, PKRS */
	{ 0x770, 0x777 },		/* HWP */
	{ 0x800, 0x8ff },		/* x2APIC */
	{ 0xc8d, 0xd8f },		/* shares of caches and memory */
	{ 0xda0, 0xda0 }, { 0xdb0, 0xdb1 },	/* XSS, duty cycle */
	{ 0x1900, 0x1aff },		/* counters */
	{ 0xc0000081, 0xc0000084 }, { 0xc0000100, 0xc0000103 },	/* SYSCALL, FS, GS, TSC_AUX */
	{ 0, 0 },
};

static bool is_hypervisors(uint32_t msr)
{
	return msr >= HYPERVISOR_FIRST && msr <= HYPERVISOR_LAST;
}

bool msr_read_through(uint32_t msr, uint64_t *value)
{
	return !is_hypervisors(msr) && rdmsr_safe(msr, value);
}

/* True if a line about @msr is due: once for each MSR, for at most MAX_SAID of them. */
static bool is_new(uint32_t msr)
{
	static struct lock lock;
	static uint32_t said[MAX_SAID];
	static unsigned n;
	bool fresh = true;

	lock_acquire(&lock);
	for (unsigned i = 0; fresh && i < n; i++)
		fresh = said[i] != msr;
	fresh = fresh && n < MAX_SAID;
	if (fresh)
		said[n++] = msr;
	lock_release(&lock);
	return fresh;
}

bool msr_drop(uint32_t msr, uint64_t value)
{
	uint64_t now;

	if (!msr_read_through(msr, &now))
		return false;
	if (is_new(msr))
		log_warn("msr: the guest's write of %#lx to %#x (%#lx) is dropped", value, msr, now);
	return true;
}
