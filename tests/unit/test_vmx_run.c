/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/vmx/vmx_event.c tests/unit/host/cpu.c */
/* One run of the guest on VMX: the kinds of exits, re-injection of events, and the wait for a SIPI. */
#include <string.h>
#include "host/cpu.h"
#include "host/host.h"
#include "hv/vmx/vmx.c"
#include "vmx_fixture.h"

#define EVENT(type, vector)	(EVENT_INFO_VALID | FIELD_PREP(EVENT_INFO_TYPE, type) | (vector))
#define RIP		0x1000u
#define LENGTH		3u

extern __thread struct cpu host_cpu;

static struct vmx_vcpu s;
static struct vmexit x;
static unsigned entries, explained;
static struct vmx_task task;
static const char *task_why;

int vmx_caps_read(struct vmx_caps *c, const char **why) { return 0; }
int vmx_allowed(const char **why) { return 0; }
void vmx_vmcs_controls(const struct vmx_caps *c, uint64_t eptp, uint64_t io, uint64_t msr) { }
void vmx_vmcs_host(void) { }
void vmx_vmcs_guest(void) { }
void vmx_get_state(struct vcpu_regs *r) { }
void vmx_get_mode(struct vcpu_regs *r) { }
void vmx_get_segment(enum seg i, struct vcpu_seg *out) { }
void vmx_set_state(const struct vmx_caps *c, const struct vcpu_regs *r) { }
void vmx_explain(uint32_t reason, uint32_t error) { explained++; }
const char *vmx_task_switch(struct vcpu_regs *r, const struct vmx_task *t)
{
	task = *t;
	r->rip = 0x9000;
	return task_why;
}
const struct pt_format vmx_ept_format;

/* The fake processor: how each entry ends, and the VMCS at its beginning. */
static struct entry {
	int how;
	uint32_t reason, event;		/* event: injected by the entry */
	uint64_t activity, blocking, proc, pin;
} plan[4];

int vmx_enter(uint64_t gpr[GPR_COUNT], bool launched, uint64_t nmis)
{
	struct entry *e = &plan[entries++];

	CHECK(entries <= ARRAY_SIZE(plan));
	e->event = (uint32_t)vmcs[VMCS_ENTRY_EVENT];
	e->activity = vmcs[VMCS_GUEST_ACTIVITY];
	e->blocking = vmcs[VMCS_GUEST_BLOCKING];
	e->proc = vmcs[VMCS_PROC_CTLS];
	e->pin = vmcs[VMCS_PIN_CTLS];
	if (e->how == VMX_NMI)
		host_cpu.nmi_count++;
	if (e->how == VMX_EXITED) {
		vmcs[VMCS_EXIT_REASON] = e->reason;
		/* An entry clears the event's valid bit (28.2). */
		vmcs[VMCS_ENTRY_EVENT] &= ~(uint64_t)EVENT_INFO_VALID;
	}
	return e->how;
}

static void start(void)
{
	memset(vmcs, 0, sizeof(vmcs));
	memset(plan, 0, sizeof(plan));
	memset(&s, 0, sizeof(s));
	memset(&caps, 0, sizeof(caps));
	caps.wait_sipi = true;
	caps.control[WORD_PROC] = vmcs[VMCS_PROC_CTLS] = PROC_SECONDARY;
	vmcs[VMCS_PIN_CTLS] = PIN_NMI | PIN_VIRTUAL_NMI;
	vmcs[VMCS_GUEST_CR0] = CR0_PE;
	vmcs[VMCS_GUEST_RIP] = s.v.rip = RIP;
	vmcs[VMCS_GUEST_RFLAGS] = s.v.rflags = BIT(1) | RFLAGS_IF;
	vmcs[VMCS_EXIT_INSN_LEN] = LENGTH;
	host_cpu.v = &s.v;
	host_cpu.nmi_count = host_cpu.nmis_reported = 5;
	entries = explained = 0;
}

static enum vmexit_kind run(uint32_t reason)
{
	entries = 0;
	plan[0].reason = reason;
	vmx_run(&s.v, &x);
	CHECK_EQ(entries, 1);
	return x.kind;
}

TEST(what_an_exit_becomes)
{
	static const struct { uint32_t reason; enum vmexit_kind kind; bool next; } exits[] = {
		{ REASON_TRIPLE_FAULT, EXIT_SHUTDOWN, false }, { REASON_INIT, EXIT_INIT, false },
		{ REASON_INTR_WINDOW, EXIT_WINDOW, false }, { REASON_NMI_WINDOW, EXIT_IRET, false },
		{ REASON_CPUID, EXIT_CPUID, true }, { REASON_GETSEC, EXIT_UD, true }, { REASON_INVD, EXIT_INVD, true },
		{ REASON_VMCALL, EXIT_HYPERCALL, true }, { REASON_VMXON, EXIT_UD, true }, { REASON_VMCLEAR, EXIT_UD, true },
		{ REASON_RDMSR, EXIT_RDMSR, true }, { REASON_WRMSR, EXIT_WRMSR, true }, { REASON_TIMER, EXIT_CLOCK, false },
		{ REASON_INVEPT, EXIT_UD, false }, { REASON_INVVPID, EXIT_UD, false }, { REASON_XSETBV, EXIT_XSETBV, true },
		{ REASON_SEAMCALL, EXIT_UD, false }, { REASON_TDCALL, EXIT_UD, false },
		{ REASON_EPT_MISCONFIG, EXIT_OTHER, false },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(exits); i++) {
		start();
		if (run(exits[i].reason) != exits[i].kind)
			host_fail(__FILE__, __LINE__, "exit reason %u became kind %d", exits[i].reason, x.kind);
		CHECK_EQ(x.next_rip, exits[i].next ? RIP + LENGTH : 0);
	}
}

/* Only if the linear address was translated the access was to an operand of the instruction. */
TEST(who_read_the_page)
{
	static const struct { uint32_t qualification; bool walk; } ways[] = {
		{ EPT_QUAL_LINEAR | EPT_QUAL_FINAL, false }, { EPT_QUAL_LINEAR, true }, { 0, true }, { EPT_QUAL_FINAL, true },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(ways); i++) {
		start();
		vmcs[VMCS_GUEST_PHYS_ADDR] = 0xfea00010;
		vmcs[VMCS_QUALIFICATION] = ways[i].qualification | EPT_QUAL_WRITE;
		CHECK_EQ(run(REASON_EPT_VIOLATION), EXIT_NPF);
		CHECK_EQ(x.npf.gpa, 0xfea00010);
		CHECK(x.npf.write && !x.npf.fetch);
		CHECK_EQ(x.npf.walk, ways[i].walk);
	}
}

/* --- events --- */

TEST(an_interrupted_delivery_goes_on)
{
	start();
	vmcs[VMCS_VECTORING] = EVENT(EVENT_TYPE_EXCEPTION, 14) | EVENT_INFO_ERROR;
	vmcs[VMCS_VECTORING_ERROR] = 2;
	vmcs[VMCS_QUALIFICATION] = EPT_QUAL_LINEAR;
	run(REASON_EPT_VIOLATION);
	vmcs[VMCS_VECTORING] = 0;
	run(REASON_CPUID);
	CHECK_EQ(plan[0].event, EVENT(EVENT_TYPE_EXCEPTION, 14) | EVENT_INFO_ERROR);
	CHECK_EQ(vmcs[VMCS_ENTRY_ERROR], 2);
	run(REASON_CPUID);
	CHECK(!(plan[0].event & EVENT_INFO_VALID));
}

/* An interrupted delivery of an NMI has begun NMI blocking; an IRET that faulted has ended it. */
TEST(blocking_of_nmis)
{
	start();
	vmcs[VMCS_GUEST_BLOCKING] = BLOCKING_NMI;
	vmcs[VMCS_VECTORING] = EVENT(EVENT_TYPE_NMI, 2);
	run(REASON_EPT_VIOLATION);
	CHECK_EQ(vmcs[VMCS_GUEST_BLOCKING], 0);
	vmcs[VMCS_VECTORING] = 0;
	run(REASON_CPUID);
	CHECK_EQ(plan[0].event, EVENT(EVENT_TYPE_NMI, 2));
	start();
	vmcs[VMCS_QUALIFICATION] = EPT_QUAL_LINEAR | EPT_QUAL_FINAL | EPT_QUAL_IRET;
	run(REASON_EPT_VIOLATION);
	CHECK_EQ(vmcs[VMCS_GUEST_BLOCKING], BLOCKING_NMI);
}

TEST(an_nmi_waits_for_its_window)
{
	start();
	vmcs[VMCS_GUEST_BLOCKING] = BLOCKING_NMI;
	vmx_inject_nmi(&s.v);
	run(REASON_CPUID);
	CHECK(!(plan[0].event & EVENT_INFO_VALID) && (plan[0].proc & PROC_NMI_WINDOW));
	/* The NMI window opens in the shadow of an STI. */
	vmcs[VMCS_GUEST_BLOCKING] = BLOCKING_STI;
	run(REASON_NMI_WINDOW);
	CHECK_EQ(vmcs[VMCS_GUEST_BLOCKING], 0);
	run(REASON_CPUID);
	CHECK_EQ(plan[0].event, EVENT(EVENT_TYPE_NMI, 2));
	CHECK(!(plan[0].proc & PROC_NMI_WINDOW));
}

TEST(exceptions_and_their_error_codes)
{
	start();
	vmcs[VMCS_GUEST_ACTIVITY] = ACTIVITY_HLT;
	vmx_inject_exception(&s.v, VCPU_EVENT_GP, true, 0);
	run(REASON_CPUID);
	CHECK_EQ(plan[0].event, EVENT(EVENT_TYPE_EXCEPTION, 13) | EVENT_INFO_ERROR);
	CHECK_EQ(plan[0].activity, ACTIVITY_ACTIVE);
	/* No error code in real mode. */
	vmcs[VMCS_GUEST_CR0] = 0;
	vmx_inject_exception(&s.v, VCPU_EVENT_GP, true, 0);
	run(REASON_CPUID);
	CHECK_EQ(plan[0].event, EVENT(EVENT_TYPE_EXCEPTION, 13));
}

/* Faults push RF, as on the processor; traps do not. */
TEST(a_fault_pushes_rf)
{
	start();
	vmx_inject_exception(&s.v, VCPU_EVENT_DB, false, 0);
	run(REASON_CPUID);
	CHECK(!(vmcs[VMCS_GUEST_RFLAGS] & RFLAGS_RF));
	vmx_inject_exception(&s.v, VCPU_EVENT_UD, false, 0);
	run(REASON_CPUID);
	CHECK(vmcs[VMCS_GUEST_RFLAGS] & RFLAGS_RF);
}

TEST(a_single_step_ends_behind_a_skipped_instruction)
{
	start();
	vmx_skip(&s.v, RIP + 2);
	CHECK_EQ(vmcs[VMCS_GUEST_PENDING_DB], 0);
	s.v.rflags |= RFLAGS_TF;
	vmcs[VMCS_GUEST_DEBUGCTL] = DEBUGCTL_BTF;
	vmx_skip(&s.v, RIP + 4);
	CHECK_EQ(vmcs[VMCS_GUEST_PENDING_DB], 0);
	vmcs[VMCS_GUEST_DEBUGCTL] = 0;
	vmcs[VMCS_GUEST_PENDING_DB] = 1;
	vmcs[VMCS_GUEST_BLOCKING] = BLOCKING_MOV_SS;
	vmx_skip(&s.v, RIP + 6);
	CHECK_EQ(vmcs[VMCS_GUEST_PENDING_DB], DR6_BS | 1);
	CHECK_EQ(vmcs[VMCS_GUEST_BLOCKING], 0);
	/* The end of a shadow alone does not make a trap pending. */
	vmcs[VMCS_GUEST_PENDING_DB] = 0;
	vmcs[VMCS_GUEST_BLOCKING] = BLOCKING_STI;
	vmcs[VMCS_GUEST_RFLAGS] = s.v.rflags;
	run(REASON_NMI_WINDOW);
	CHECK_EQ(vmcs[VMCS_GUEST_BLOCKING] | vmcs[VMCS_GUEST_PENDING_DB], 0);
}

/* The host took an NMI before the entry: run() reports an NMI exit, and the event stays pending. */
TEST(an_nmi_before_the_entry)
{
	start();
	vmx_inject_interrupt(&s.v, 0x30);
	plan[0].how = VMX_NMI;
	CHECK_EQ(run(0), EXIT_NMI);
	CHECK_EQ(host_cpu.nmis_reported, 6);
	CHECK(!vmx_can_interrupt(&s.v));
	plan[0].how = VMX_EXITED;
	run(REASON_CPUID);
	CHECK_EQ(plan[0].event, EVENT(EVENT_TYPE_EXTINT, 0x30));
}

TEST(an_entry_that_fails)
{
	start();
	CHECK_EQ(run(REASON_ENTRY_FAILED | REASON_BAD_GUEST), EXIT_INVALID);
	CHECK_EQ(explained, 1);
	plan[0].how = VMX_FAILED;
	vmcs[VMCS_INSN_ERROR] = 7;
	CHECK_EQ(run(0), EXIT_INVALID);
	CHECK_EQ(x.info2, 7);
	CHECK(!s.launched);
}

/* --- task switches --- */

static enum vmexit_kind switch_task(unsigned source, uint32_t vectoring, uint64_t blocking)
{
	start();
	vmcs[VMCS_QUALIFICATION] = FIELD_PREP(TASK_QUAL_SOURCE, source) | 0x20;
	vmcs[VMCS_VECTORING] = vectoring;
	vmcs[VMCS_VECTORING_ERROR] = 0x7f8;
	vmcs[VMCS_GUEST_BLOCKING] = blocking | BLOCKING_STI;
	vmcs[VMCS_GUEST_DR7] = 0x4ff;
	CHECK_EQ(run(REASON_TASK_SWITCH), EXIT_TASK_SWITCH);
	CHECK_EQ(task.selector, 0x20);
	CHECK_EQ(task.source, source);
	return x.kind;
}

TEST(a_task_switch)
{
	switch_task(TASK_CALL, 0, BLOCKING_NMI);
	CHECK(!x.cannot && !task.has_error);
	CHECK_EQ(task.return_rip, RIP + LENGTH);
	CHECK_EQ(s.v.rip, 0x9000);
	CHECK_EQ(vmcs[VMCS_GUEST_BLOCKING], BLOCKING_NMI);
	CHECK_EQ(vmcs[VMCS_GUEST_DR7], 0x4aa);
	switch_task(TASK_IRET, 0, BLOCKING_NMI);
	CHECK_EQ(vmcs[VMCS_GUEST_BLOCKING], 0);
}

/* A task gate has delivered the event, which is not injected again. */
TEST(an_event_by_a_task_gate)
{
	switch_task(TASK_GATE, EVENT(EVENT_TYPE_EXCEPTION, 13) | EVENT_INFO_ERROR, 0);
	CHECK(task.has_error && task.error == 0x7f8);
	CHECK_EQ(task.return_rip, RIP);
	CHECK_EQ(vmcs[VMCS_GUEST_BLOCKING], 0);
	run(REASON_CPUID);
	CHECK(!(plan[0].event & EVENT_INFO_VALID));
	switch_task(TASK_GATE, EVENT(EVENT_TYPE_SOFT_INT, 0x30), 0);
	CHECK(!task.has_error);
	CHECK_EQ(task.return_rip, RIP + LENGTH);
	switch_task(TASK_GATE, EVENT(EVENT_TYPE_NMI, 2), 0);
	CHECK_EQ(task.return_rip, RIP);
	CHECK_EQ(vmcs[VMCS_GUEST_BLOCKING], BLOCKING_NMI);
}

TEST(a_task_switch_that_cannot_be)
{
	task_why = "a reason";
	switch_task(TASK_JMP, 0, 0);
	CHECK(!strcmp(x.cannot, "a reason"));
	CHECK_EQ(s.v.rip, RIP);
	task_why = NULL;
}

/* --- INIT and SIPI --- */

/* An INIT at any time becomes EXIT_INIT, and a pending event is kept until the reset. */
TEST(init)
{
	start();
	vmcs[VMCS_GUEST_ACTIVITY] = ACTIVITY_HLT;
	CHECK_EQ(run(REASON_INIT), EXIT_INIT);
	CHECK_EQ(x.next_rip, 0);
	CHECK(vmx_init_is_safe());
}

TEST(waiting_for_a_sipi)
{
	start();
	/* A guest in its NMI handler, with an event, both windows and the timer on. */
	vmcs[VMCS_GUEST_BLOCKING] = BLOCKING_NMI;
	vmcs[VMCS_GUEST_PENDING_DB] = BIT(14);
	set_event(&s, EVENT_TYPE_EXTINT, 0x30);
	vmx_inject_nmi(&s.v);
	vmx_interrupt_window(&s.v, true);
	vmx_clock_exits(&s.v, true);
	place_windows(&s);
	plan[0].how = plan[1].how = VMX_NMI;
	plan[2].reason = REASON_SIPI;
	vmcs[VMCS_QUALIFICATION] = 0x9a;
	CHECK_EQ(vmx_wait_sipi(&s.v), 0x9a);
	CHECK_EQ(entries, 3);
	for (unsigned i = 0; i < 3; i++) {
		CHECK_EQ(plan[i].activity, ACTIVITY_WAIT_SIPI);
		CHECK_EQ(plan[i].blocking, 0);
		CHECK_EQ(plan[i].event, 0);
		CHECK(!(plan[i].proc & (PROC_NMI_WINDOW | PROC_INTR_WINDOW)) && !(plan[i].pin & PIN_TIMER));
	}
	CHECK_EQ(vmcs[VMCS_GUEST_PENDING_DB], 0);
	/* The NMIs that came meanwhile count as reported, and cause no exits. */
	CHECK_EQ(host_cpu.nmis_reported, host_cpu.nmi_count);
}

TEST(where_there_is_no_such_state)
{
	start();
	caps.wait_sipi = false;
	CHECK_EQ(vmx_wait_sipi(&s.v), -ERR_NOTSUP);
	CHECK_EQ(entries, 0);
}

TEST(another_exit_than_a_sipis)
{
	start();
	plan[0].reason = REASON_ENTRY_FAILED | REASON_BAD_GUEST;
	CHECK_EQ(vmx_wait_sipi(&s.v), -ERR_NOTSUP);
	CHECK_EQ(explained, 1);
	CHECK_EQ(vmcs[VMCS_GUEST_ACTIVITY], ACTIVITY_ACTIVE);
}

/* Halted in the guest, with interrupts off: an INIT sets init_seen, an NMI counts as if the host had taken it. */
TEST(parked)
{
	uint32_t wake = 0;

	start();
	caps.halt = true;
	s.v.rflags = BIT(1);
	plan[0].reason = REASON_INIT;
	CHECK_EQ(vmx_park(&s.v, &wake), 0);
	CHECK(host_cpu.init_seen && host_cpu.nmi_count == 5 && plan[0].activity == ACTIVITY_HLT);
	CHECK_EQ(vmcs[VMCS_GUEST_ACTIVITY], ACTIVITY_ACTIVE);
	host_cpu.init_seen = 0;
	plan[1].reason = REASON_EXCEPTION;
	CHECK_EQ(vmx_park(&s.v, &wake), 0);
	CHECK(!host_cpu.init_seen && host_cpu.nmi_count == 6 && host_cpu.nmis_reported == 6);
	/* An NMI before the entry prevents the sleep; so does a request. */
	plan[2].how = VMX_NMI;
	CHECK_EQ(vmx_park(&s.v, &wake), 0);
	CHECK(host_cpu.nmi_count == 7 && host_cpu.nmis_reported == 7);
	wake = 1;
	CHECK_EQ(vmx_park(&s.v, &wake), 0);
	CHECK_EQ(entries, 3);
	wake = 0;
	plan[3].reason = REASON_ENTRY_FAILED | REASON_BAD_GUEST;
	CHECK_EQ(vmx_park(&s.v, &wake), -ERR_NOTSUP);
	CHECK_EQ(explained, 1);
	caps.halt = false;
	CHECK_EQ(vmx_park(&s.v, &wake), -ERR_NOTSUP);
	CHECK_EQ(entries, 4);
}

/* #DB and #AC are injected unchanged; DR6 and DR7 are as after the processor's own delivery of #DB. */
TEST(exceptions_that_may_loop)
{
	start();
	host_dr6 = 0xffff0ff0 | BIT(1);
	vmcs[VMCS_GUEST_DR7] = 0x400 | BIT(13);
	vmcs[VMCS_GUEST_DEBUGCTL] = 3;
	vmcs[VMCS_GUEST_BLOCKING] = BLOCKING_STI;
	vmcs[VMCS_EXIT_EVENT] = EVENT(EVENT_TYPE_EXCEPTION, 1);
	vmcs[VMCS_QUALIFICATION] = BIT(0) | BIT(14);
	CHECK_EQ(run(REASON_EXCEPTION), EXIT_EXCEPTION);
	CHECK(x.exception.vector == 1 && !x.exception.has_error && s.v.rip == RIP);
	CHECK_EQ(host_dr6, 0xffff0ff0 | BIT(0) | BIT(14));
	CHECK(vmcs[VMCS_GUEST_DR7] == 0x400 && !vmcs[VMCS_GUEST_DEBUGCTL] && !vmcs[VMCS_GUEST_BLOCKING]);
	/* INT1 */
	start();
	vmcs[VMCS_EXIT_EVENT] = EVENT(EVENT_TYPE_PRIV_SOFT, 1);
	CHECK_EQ(run(REASON_EXCEPTION), EXIT_EXCEPTION);
	CHECK_EQ(s.v.rip, RIP + LENGTH);
	start();
	vmcs[VMCS_EXIT_EVENT] = EVENT(EVENT_TYPE_EXCEPTION, 17) | EVENT_INFO_ERROR;
	CHECK_EQ(run(REASON_EXCEPTION), EXIT_EXCEPTION);
	CHECK(x.exception.vector == 17 && x.exception.has_error && !x.exception.error);
}

TEST_MAIN
