/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/vmx/vmx_event.c hv/vmx/vmx_caps.c hv/vmx/vmx_task.c hv/emul/walk.c hv/cpu/vcpu.c tests/unit/host/cpu.c */
/* sources: efi/segment.c hv/efi/efi_state.c */
/*
 * Check the VMCS before each entry by the manual's rules (SDM vol. 3, chapter 27, as in vmx_check.c), over random lives of a
 * guest: any state at an exit, INIT and SIPI, events, NMIs, windows, the clock, interrupted deliveries, and task switches by
 * descriptors and TSSs of any contents.  Not checked: the host's part of the VMCS, which comes from the real processor.
 */
#include <string.h>
#include "host/cpu.h"
#include "host/firmware_state.h"
#include "host/host.h"
#include "host/rnd.h"
#include "hv/x86.h"
#define read_cr2()	cr2
#define write_cr2(v)	(cr2 = (v))
static uint64_t cr2;
#define vmx_vmcs_host	vmx_vmcs_host_real
#include "hv/vmx/vmx_vmcs.c"
#undef vmx_vmcs_host
#undef EXCEPTION_DF
void vmx_vmcs_host(void);
#include "hv/vmx/vmx.c"
#include "hv/vmx/vmx_check.c"
#include "vmx_fixture.h"

#define LIVES		300u
#define STEPS		200u
#define ALL		0xffffffffull
#define GDT		0x1000u
#define TSS		0x2000u
#define PAGES		8u

extern __thread struct cpu host_cpu;

static uint64_t ram;
static unsigned nentries, injected, switched;

uint64_t phys_limit(void) { return 1ull << 40; }

void vmx_vmcs_host(void)
{
	vmcs[VMCS_HOST_CR0] = CR0_PE | CR0_PG | BIT(5);
	vmcs[VMCS_HOST_CR4] = CR4_VMXE | CR4_PAE;
	vmcs[VMCS_HOST_PAT] = PAT_RESET;
	vmcs[VMCS_HOST_EFER] = EFER_LME | EFER_LMA;
	vmcs[VMCS_HOST_CS_SEL] = 8;
	vmcs[VMCS_HOST_TR_SEL] = 0x18;
}

static void processor(void)
{
	host_cpu_reset();
	host_cpuid_set(0x80000008, (struct cpuid_regs){ .eax = 48 << 8 | 48 });
	host_msr_set(MSR_VMX_MISC, MISC_HLT | MISC_SHUTDOWN | MISC_WAIT_SIPI | 5);
	host_msr_set(MSR_VMX_BASIC, BASIC_TRUE | 0x12);
	host_msr_set(MSR_VMX_TRUE_PINBASED, ALL << 32 | 0x16);
	host_msr_set(MSR_VMX_TRUE_PROCBASED, ALL << 32 | 0x04006172);
	host_msr_set(MSR_VMX_PROCBASED2, ALL << 32);
	host_msr_set(MSR_VMX_TRUE_EXIT, ALL << 32 | 0x36dfb);
	host_msr_set(MSR_VMX_TRUE_ENTRY, ALL << 32 | 0x11fb);
	host_msr_set(MSR_VMX_EPT_VPID, ~0ull);
	host_msr_set(MSR_VMX_CR0_FIXED0, CR0_PE | CR0_PG | BIT(5));
	host_msr_set(MSR_VMX_CR0_FIXED1, ALL);
	host_msr_set(MSR_VMX_CR4_FIXED0, CR4_VMXE);
	host_msr_set(MSR_VMX_CR4_FIXED1, ALL);
}

static void segment_is(unsigned i, uint32_t r, uint32_t limit)
{
	vmcs[VMCS_GUEST_ES_RIGHTS + i * VMCS_SEG_STEP] = r;
	vmcs[VMCS_GUEST_ES_LIMIT + i * VMCS_SEG_STEP] = limit;
}

/* Choose a state of the processor, with the matching fields of an exit. */
static void guest_is_anywhere(void)
{
	static const uint32_t code[] = { 0x9b, 0xc09b, 0xa09b };
	unsigned mode = rnd(4);
	uint64_t cr0_bits = BIT(5) | CR0_ET | (rnd(4) ? 0 : CR0_CD) | (rnd(2) ? CR0_WP : 0);

	vmcs[VMCS_GUEST_CR0] = cr0_bits | (mode ? CR0_PE : 0) | (mode > 1 ? CR0_PG : 0);
	vmcs[VMCS_GUEST_CR4] = CR4_VMXE | (mode == 3 ? CR4_PAE : 0);
	vmcs[VMCS_GUEST_EFER] = mode == 3 ? EFER_LME | EFER_LMA | EFER_NXE : 0;
	vmcs[VMCS_ENTRY_CTLS] &= ~(uint64_t)ENTRY_CTL_IA32E;
	vmcs[VMCS_ENTRY_CTLS] |= mode == 3 ? ENTRY_CTL_IA32E : 0;
	vmcs[VMCS_GUEST_CR3] = ram;
	for (unsigned i = 0; i < SEG_LDTR; i++)
		segment_is(i, i == SEG_CS ? code[mode == 3 ? 2 : !!mode] : 0xc093, i == SEG_CS && !mode ? 0xffff : ~0u);
	segment_is(SEG_TR, 0x8b, 0x67);
	segment_is(SEG_LDTR, rnd(2) ? 0x82 : RIGHTS_UNUSABLE, 0xffff);
}

static void any_event_interrupted(void)
{
	static const uint8_t with_code[] = { 8, 10, 11, 12, 13, 14, 17 }, without[] = { 0, 1, 5, 6, 7, 16, 18, 19 };
	bool real = !(vmcs[VMCS_GUEST_CR0] & CR0_PE);

	/* The delivery has ended the shadow of STI and MOV SS, and cleared pending traps. */
	vmcs[VMCS_GUEST_BLOCKING] &= BLOCKING_NMI;
	vmcs[VMCS_GUEST_PENDING_DB] = 0;
	switch (rnd(4)) {
	case 0:
		vmcs[VMCS_GUEST_RFLAGS] |= RFLAGS_IF;
		vmcs[VMCS_VECTORING] = EVENT_INFO_VALID | (16 + rnd(240));
		break;
	case 1:
		/* The delivery of an NMI has begun NMI blocking. */
		vmcs[VMCS_VECTORING] = EVENT_INFO_VALID | FIELD_PREP(EVENT_INFO_TYPE, EVENT_TYPE_NMI) | 2;
		vmcs[VMCS_GUEST_BLOCKING] |= BLOCKING_NMI;
		break;
	case 2:
		vmcs[VMCS_VECTORING] = EVENT_INFO_VALID | FIELD_PREP(EVENT_INFO_TYPE, EVENT_TYPE_EXCEPTION) |
			(real || rnd(2) ? without[rnd(8)] : with_code[rnd(7)] | EVENT_INFO_ERROR);
		break;
	default:
		vmcs[VMCS_VECTORING] = EVENT_INFO_VALID | FIELD_PREP(EVENT_INFO_TYPE, EVENT_TYPE_SOFT_INT) | rnd(256);
	}
	if (rnd(2))
		vmcs[VMCS_VECTORING] |= EVENT_INFO_IRET;		/* undefined at an exit */
	vmcs[VMCS_VECTORING_ERROR] = rnd(0x10000);
}

static uint32_t any_reason(void)
{
	static const uint32_t reasons[] = {
		REASON_CPUID, REASON_RDMSR, REASON_WRMSR, REASON_IO, REASON_EPT_VIOLATION, REASON_EPT_VIOLATION,
		REASON_INTR_WINDOW, REASON_NMI_WINDOW, REASON_TIMER, REASON_EXCEPTION, REASON_TASK_SWITCH
	};

	return reasons[rnd(ARRAY_SIZE(reasons))];
}

/* Choose blocking and activity state: an instruction cannot exit in a halted guest. */
static void guest_waits_or_not(uint32_t reason)
{
	uint64_t flags = BIT(1) | (rnd(2) ? RFLAGS_IF : 0) | (rnd(6) ? 0 : RFLAGS_TF);
	bool halted = (reason == REASON_INTR_WINDOW || reason == REASON_NMI_WINDOW || reason == REASON_TIMER) && !rnd(3);

	vmcs[VMCS_GUEST_RFLAGS] = flags;
	vmcs[VMCS_GUEST_ACTIVITY] = halted ? ACTIVITY_HLT : ACTIVITY_ACTIVE;
	vmcs[VMCS_GUEST_BLOCKING] = rnd(4) ? 0 : BLOCKING_NMI;
	if (!halted && !rnd(5))
		vmcs[VMCS_GUEST_BLOCKING] |= flags & RFLAGS_IF ? BLOCKING_STI : BLOCKING_MOV_SS;
	if (reason == REASON_NMI_WINDOW)
		vmcs[VMCS_GUEST_BLOCKING] &= ~(uint64_t)(BLOCKING_NMI | BLOCKING_MOV_SS);
	if (reason == REASON_INTR_WINDOW) {
		vmcs[VMCS_GUEST_RFLAGS] |= RFLAGS_IF;
		vmcs[VMCS_GUEST_BLOCKING] &= BLOCKING_NMI;
	}
	vmcs[VMCS_GUEST_PENDING_DB] = 0;
	if ((halted || vmcs[VMCS_GUEST_BLOCKING] & 3) && flags & RFLAGS_TF)
		vmcs[VMCS_GUEST_PENDING_DB] = PENDING_DB_BS;
}

/* Make segments of every kind, and a TSS that loads any of them. */
static void make_task(void)
{
	static const uint64_t descriptors[] = {
		0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00cffb000000ffff, 0x00cff3000000ffff, 0x00cf9e000000ffff,
		0x00cf91000000ffff, 0x000092000000ffff, 0x00cf97000000ffff, 0x00af9b000000ffff, 0x000082000000000f, 0,
	};
	uint64_t *gdt = (uint64_t *)(uintptr_t)(ram + GDT), base = ram + TSS;
	uint32_t *tss = (uint32_t *)(uintptr_t)(ram + TSS);

	for (unsigned i = 3; i < 32; i++)
		gdt[i] = descriptors[rnd(ARRAY_SIZE(descriptors))];
	gdt[1] = 0x67 | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24) << 56;
	base += 0x100;
	gdt[2] = 0x67 | (base & 0xffffff) << 16 | 0x8bull << 40 | (base >> 24) << 56;
	for (unsigned i = 0; i < 26; i++)
		tss[i] = rnd(~0u);
	tss[7] = ram;
	tss[9] = rnd(4) ? 2 | (rnd(2) ? 0x200 : 0) : rnd(~0u);
	for (unsigned i = 18; i < 24; i++)
		tss[i] = rnd(6) ? 8 * (3 + rnd(8)) | (rnd(4) ? 0 : 3) : 0;
	/* In two cases of three, selectors that can be loaded. */
	if (rnd(3)) {
		gdt[3] = descriptors[0];
		gdt[4] = descriptors[1];
		for (unsigned i = 18; i < 24; i++)
			tss[i] = i == 19 ? 24 : rnd(2) ? 32 : 0;
		tss[20] = 32;
		tss[24] = 0;
	}
	tss[24] = rnd(2) ? 0 : 8 * (3 + rnd(8));
	tss[25] = 0;
	vmcs[VMCS_GUEST_GDTR_BASE] = ram + GDT;
	vmcs[VMCS_GUEST_GDTR_LIMIT] = 255;
	vmcs[VMCS_GUEST_ES_SEL + SEG_TR * VMCS_SEG_STEP] = 16;
	vmcs[VMCS_GUEST_ES_BASE + SEG_TR * VMCS_SEG_STEP] = ram + TSS + 0x100;
	vmcs[VMCS_QUALIFICATION] = 8 | FIELD_PREP(TASK_QUAL_SOURCE, TASK_JMP);
}

static void leave(void)
{
	uint32_t reason = any_reason();
	bool legacy;

	/* A task switch may leave segments of virtual-8086 mode: leave that mode again. */
	if (vmcs[VMCS_EXIT_REASON] == REASON_TASK_SWITCH || !rnd(5))
		guest_is_anywhere();
	guest_waits_or_not(reason);
	legacy = (vmcs[VMCS_GUEST_CR0] & (CR0_PE | CR0_PG)) == CR0_PE;
	if (reason == REASON_TASK_SWITCH && !legacy)
		reason = REASON_CPUID;
	vmcs[VMCS_QUALIFICATION] = rnd(~0u);
	vmcs[VMCS_VECTORING] = 0;
	if (reason == REASON_EPT_VIOLATION && rnd(2))
		any_event_interrupted();
	if (reason == REASON_EXCEPTION)
		vmcs[VMCS_EXIT_EVENT] = EVENT_INFO_VALID | FIELD_PREP(EVENT_INFO_TYPE, EVENT_TYPE_EXCEPTION) |
			(rnd(2) ? 1 : vmcs[VMCS_GUEST_CR0] & CR0_PE ? 17 | EVENT_INFO_ERROR : 1);
	if (reason == REASON_TASK_SWITCH)
		make_task();
	vmcs[VMCS_EXIT_REASON] = reason;
	vmcs[VMCS_EXIT_INSN_LEN] = 1 + rnd(15);
	vmcs[VMCS_GUEST_RIP] = rnd(1 << 20);
	vmcs[VMCS_ENTRY_EVENT] &= ~(uint64_t)EVENT_INFO_VALID;	/* an entry clears the valid bit (28.2) */
}

static void check_rules(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(rules); i++)
		if (rules[i].broken())
			host_fail("VM entry", (int)nentries, "%s is %#lx: %s (reason %lu before)", field_name(rules[i].field),
				  vmcs[rules[i].field], rules[i].text, vmcs[VMCS_EXIT_REASON]);
	for (unsigned i = 0; i < SEG_COUNT; i++)
		if (segment_rule(i))
			host_fail("VM entry", (int)nentries, "segment %u: %s: rights %#x limit %#lx (reason %lu before)", i,
				  segment_rule(i), rights(i), vmcs[VMCS_GUEST_ES_LIMIT + i * VMCS_SEG_STEP],
				  vmcs[VMCS_EXIT_REASON]);
}

int vmx_enter(uint64_t gpr[GPR_COUNT], bool launched, uint64_t nmis)
{
	check_rules();
	nentries++;
	injected += !!(vmcs[VMCS_ENTRY_EVENT] & EVENT_INFO_VALID);
	/* The host took an NMI before the entry: the guest has not run. */
	if (!rnd(20)) {
		host_cpu.nmi_count++;
		return VMX_NMI;
	}
	leave();
	return VMX_EXITED;
}

/* Set the state after INIT and a SIPI, as hv/smp does. */
static void started(struct vcpu *v)
{
	struct vcpu_regs old, r = { .rflags = BIT(1) };

	vmx_ops.get(v, &old);
	for (unsigned i = 0; i < SEG_COUNT; i++)
		r.seg[i] = (struct vcpu_seg){ .limit = 0xffff, .attr = 0x93 };
	r.seg[SEG_CS].attr = 0x9b;
	r.seg[SEG_LDTR].attr = 0x82;
	r.seg[SEG_TR].attr = 0x8b;
	r.cr0 = CR0_ET | (old.cr0 & (CR0_CD | CR0_NW));
	vmx_ops.init_state(v);
	vmx_ops.set(v, &r);
}

static void one_act(struct vcpu *v)
{
	switch (rnd(9)) {
	case 0:
		vmx_ops.inject_nmi(v);
		break;
	case 1:
		if (vmx_ops.can_interrupt(v))
			vmx_ops.inject_interrupt(v, (uint8_t)(16 + rnd(240)));
		break;
	case 2:
		vmx_ops.interrupt_window(v, rnd(2));
		break;
	case 3:
		vmx_ops.clock_exits(v, rnd(2));
		break;
	case 4:
		if (!rnd(5))
			started(v);
		break;
	default:
		break;
	}
}

/* Inject the event that hv/exit would inject after this exit. */
static void answer(struct vcpu *v, const struct vmexit *x)
{
	bool instruction = x->kind == EXIT_CPUID || x->kind == EXIT_RDMSR || x->kind == EXIT_WRMSR;

	if (x->kind == EXIT_EXCEPTION)
		vmx_ops.inject_exception(v, x->exception.vector, x->exception.has_error, x->exception.error);
	else if (instruction && rnd(3))
		vmx_ops.skip(v, x->next_rip);
	else if (instruction)
		vmx_ops.inject_exception(v, VCPU_EVENT_GP, true, 0);
	switched += x->kind == EXIT_TASK_SWITCH && !x->cannot;
}

static void step(struct vcpu *v)
{
	struct vmexit x;

	for (unsigned k = rnd(4); k; k--)
		one_act(v);
	vmx_ops.run(v, &x);
	/* A task switch that fails ends the guest: begin another life. */
	if (x.kind == EXIT_TASK_SWITCH && x.cannot)
		started(v);
	else
		answer(v, &x);
}

static void life(unsigned n)
{
	struct vcpu_regs r;
	const char *why;
	struct vcpu *v;

	seed = n + 1;
	memset(vmcs, 0, sizeof(vmcs));
	processor();
	ram = host_guest_ram(PAGES * PAGE_SIZE);
	msr_bitmap = NULL;
	CHECK_EQ(vmx_caps_read(&caps, &why), 0);
	v = vmx_ops.vcpu_new(0x1000);
	CHECK(v != NULL);
	host_cpu.v = v;
	vcpu_flat32(&r);
	vmx_ops.set(v, &r);
	for (unsigned i = 0; i < STEPS; i++)
		step(v);
}

TEST(every_entry_keeps_the_rules)
{
	for (unsigned n = 0; n < LIVES; n++) {
		life(n);
		host_clear();
	}
	CHECK_EQ(nentries, LIVES * STEPS);
	CHECK(injected > 20000 && switched > 200);
}

/* The firmware goes on as the guest: its state breaks no rule, and reads back as veneer.efi said. */
TEST(the_firmware_as_guest)
{
	struct vcpu_regs r, got = { 0 };
	const char *why;
	struct vmexit x;
	struct vcpu *v;

	memset(vmcs, 0, sizeof(vmcs));
	processor();
	msr_bitmap = NULL;
	CHECK_EQ(vmx_caps_read(&caps, &why), 0);
	v = vmx_ops.vcpu_new(0x1000);
	firmware_state(&r);
	vmx_ops.set(v, &r);
	vmx_ops.get(v, &got);
	CHECK(!memcmp(&got, &r, offsetof(struct vcpu_regs, gdtr)) && got.gdtr.base == r.gdtr.base &&
	      got.gdtr.limit == r.gdtr.limit && got.idtr.base == r.idtr.base && got.idtr.limit == r.idtr.limit && !got.cpl);
	CHECK_EQ(vmcs[VMCS_GUEST_ES_RIGHTS + SEG_CS * VMCS_SEG_STEP], 0xa09b);
	CHECK_EQ(vmcs[VMCS_GUEST_ES_RIGHTS + SEG_SS * VMCS_SEG_STEP], 0xc093);
	CHECK(vmcs[VMCS_GUEST_ES_RIGHTS + SEG_GS * VMCS_SEG_STEP] & RIGHTS_UNUSABLE);
	CHECK(vmcs[VMCS_ENTRY_CTLS] & ENTRY_CTL_IA32E);
	CHECK(!(vmcs[VMCS_CR4_SHADOW] & CR4_VMXE) && vmcs[VMCS_GUEST_CR4] & CR4_VMXE);
	vmx_ops.run(v, &x);
	host_clear();
}

TEST_MAIN
