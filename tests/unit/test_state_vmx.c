/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/vmx/vmx_state.c tests/unit/host/cpu.c */
/* A processor's state that is in the VMCS, in MSRs that are live, and beside both. */
#include <string.h>
#include "host/cpu.h"
#include "host/host.h"
#include "hv/state/vcpu_state.h"
#include "hv/vmx/vmx.h"
#include "vmx_fixture.h"

#define KERNEL_GS_BASE	0xc0000102u

const struct vcpu_ops vmx_ops;
static struct vmx_vcpu s;

static void begin(void)
{
	static const uint32_t live[] = { 0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, KERNEL_GS_BASE };

	host_cpu_reset();
	memset(&s, 0, sizeof(s));
	memset(vmcs, 0, sizeof(vmcs));
	for (unsigned i = 0; i < ARRAY_SIZE(live); i++)
		host_msr_set(live[i], 0x1000 + i);
	vmcs[VMCS_GUEST_SYSENTER_EIP] = 0x2000;
	vmcs[VMCS_GUEST_PAT] = 0x0007040600070406ull;
	vmcs[VMCS_GUEST_DR7] = 0x455;
	host_dr6 = 0xffff0ff1;
	for (unsigned i = 0; i < 4; i++)
		vmcs[VMCS_GUEST_PDPTE0 + i * VMCS_PDPTE_STEP] = 0x3001 + i * 0x1000;
}

/* Save, spoil all of it, load, save. */
static struct vcpu_more again(void)
{
	struct vcpu_more first, then;

	vmx_state_ops.get(&s.v, &first);
	memset(vmcs, 0x33, sizeof(vmcs));
	host_msr_set(KERNEL_GS_BASE, 0x33);
	host_dr6 = 0x33;
	s.event = s.error = 0x33;
	s.nmi_wanted = !s.nmi_wanted;
	s.flush = false;
	vmx_state_ops.set(&s.v, &first);
	vmx_state_ops.get(&s.v, &then);
	CHECK(!memcmp(&first, &then, sizeof(first)));
	CHECK(s.flush);
	return then;
}

TEST(registers)
{
	struct vcpu_more r;

	begin();
	r = again();
	CHECK(r.msr[VCPU_STAR] == 0x1000 && r.msr[VCPU_SFMASK] == 0x1003 && r.msr[VCPU_KERNEL_GS_BASE] == 0x1004);
	CHECK(r.msr[VCPU_SYSENTER_EIP] == 0x2000 && r.dr7 == 0x455 && r.dr6 == 0xffff0ff1 && r.pdpte[3] == 0x6001);
	CHECK(host_msr(KERNEL_GS_BASE) == 0x1004 && vmcs[VMCS_GUEST_PDPTE0] == 0x3001 && !vmcs[VMCS_GUEST_ACTIVITY]);
}

/* vmx_set_state() has cleared the first, and made the processor active. */
TEST(blocking_and_activity)
{
	begin();
	vmcs[VMCS_GUEST_BLOCKING] = BLOCKING_MOV_SS | BLOCKING_NMI;
	vmcs[VMCS_GUEST_ACTIVITY] = ACTIVITY_HLT;
	vmcs[VMCS_GUEST_PENDING_DB] = BIT(14);
	s.nmi_wanted = true;
	CHECK_EQ(again().blocks, VCPU_BLOCK_MOV_SS | VCPU_BLOCK_NMI);
	CHECK_EQ(vmcs[VMCS_GUEST_BLOCKING], BLOCKING_MOV_SS | BLOCKING_NMI);
	CHECK_EQ(vmcs[VMCS_GUEST_ACTIVITY], ACTIVITY_HLT);
	CHECK_EQ(vmcs[VMCS_GUEST_PENDING_DB], BIT(14));
	CHECK(s.nmi_wanted);
}

TEST(events)
{
	struct vcpu_more r;
	uint32_t interrupt = EVENT_INFO_VALID | 0x41, fault = EVENT_INFO_VALID | EVENT_INFO_ERROR | 3u << 8 | 14;

	begin();
	s.event = interrupt;
	s.error = 7;			/* of an earlier event */
	r = again();
	CHECK(r.event && r.event_type == VCPU_TYPE_INTERRUPT && r.event_vector == 0x41 && !r.event_error);
	CHECK_EQ(s.event, interrupt);
	s.event = fault;
	s.error = 0x10;
	r = again();
	CHECK(r.event_type == VCPU_TYPE_EXCEPTION && r.event_has_error && r.event_error == 0x10);
	CHECK(s.event == fault && s.error == 0x10);
}

TEST_MAIN
