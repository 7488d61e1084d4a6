/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: tests/unit/host/cpu.c */
/* The guest's registers: set() and get() of the VMCS. */
#include <string.h>
#include "host/cpu.h"
#include "host/host.h"
#include "hv/vmx/vmx_vmcs.c"

static uint64_t vmcs[0x7000];
static struct vmx_caps caps;

uint64_t vmcs_read(uint32_t field) { return vmcs[field]; }
void vmcs_write(uint32_t field, uint64_t v) { vmcs[field] = v; }
uint64_t vmx_cr0_owned(const struct vmx_caps *c) { return BIT(5); }
void *guest_memory(uint64_t gpa, unsigned len, bool write) { return NULL; }
const char vmx_exited[1];

static struct vcpu_regs start(void)
{
	struct vcpu_regs r = { .cr0 = CR0_PE, .cr2 = 0x1234, .rflags = BIT(1) };

	memset(vmcs, 0, sizeof(vmcs));
	caps = (struct vmx_caps){ .cr0_fixed0 = BIT(5) | CR0_PE | CR0_PG, .cr0_fixed1 = ~0u, .cr4_fixed0 = CR4_VMXE,
				  .cr4_fixed1 = ~0ull };
	vmx_vmcs_controls(&caps, 0, 0, 0);
	vmx_vmcs_guest();
	for (unsigned i = 0; i < SEG_LDTR; i++)
		r.seg[i] = (struct vcpu_seg){ 0x10, 0xc93, ~0u, 0x1000 * i };
	return r;
}

TEST(what_is_set_is_got)
{
	struct vcpu_regs r = start(), got = { .rflags = BIT(1) };

	r.seg[SEG_SS].attr = 0x60;		/* unusable, ring 3 */
	r.cpl = 3;
	vmx_set_state(&caps, &r);
	CHECK_EQ(host_cr2, 0x1234);
	CHECK_EQ(vmcs[VMCS_GUEST_CR0], CR0_PE | BIT(5));
	CHECK(vmcs[VMCS_GUEST_ES_RIGHTS + SEG_SS * VMCS_SEG_STEP] & RIGHTS_UNUSABLE);
	vmx_get_state(&got);
	CHECK(!memcmp(&got, &r, sizeof(r)));
}

/* A guest writes EFER in its NMI handler; a BIOS call in the shadow of an STI returns with interrupts off. */
TEST(set_keeps_nmis_blocked_and_ends_shadows)
{
	struct vcpu_regs r = start();

	CHECK_EQ(vmcs[VMCS_GUEST_BLOCKING], 0);
	vmcs[VMCS_GUEST_BLOCKING] = BLOCKING_NMI | BLOCKING_STI;
	vmcs[VMCS_GUEST_ACTIVITY] = ACTIVITY_HLT;
	vmx_set_state(&caps, &r);
	CHECK_EQ(vmcs[VMCS_GUEST_BLOCKING], BLOCKING_NMI);
	CHECK_EQ(vmcs[VMCS_GUEST_ACTIVITY], ACTIVITY_ACTIVE);
}

/* A guest cannot enable features that CPUID hides: the write exits, and raises #GP. */
TEST(bits_of_cr4_that_the_guest_has_not)
{
	start();
	CHECK_EQ(vmcs[VMCS_CR4_MASK], CR4_VMXE | CR4_SMXE | BIT(25) | BIT64(32));
}

TEST_MAIN
