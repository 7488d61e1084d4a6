/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: tests/unit/host/cpu.c */
/* The report on a failed VM entry: the tests break each rule once, and the report names it; a sound VMCS breaks none. */
#include <string.h>
#include "host/cpu.h"
#include "host/host.h"
#include "hv/vmx/vmx_check.c"

#define ALL		0xffffffffull
#define PAT		0x0007040600070406ull
#define NOT_CANONICAL	(1ull << 47)
#define BEYOND		(1ull << 48)
#define EVENT(type, vector)	(EVENT_INFO_VALID | FIELD_PREP(EVENT_INFO_TYPE, type) | (vector))
#define LIMIT(seg)	(VMCS_GUEST_ES_LIMIT + (seg) * VMCS_SEG_STEP)
#define RIGHTS(seg)	(VMCS_GUEST_ES_RIGHTS + (seg) * VMCS_SEG_STEP)
#define SELECTOR(seg)	(VMCS_GUEST_ES_SEL + (seg) * VMCS_SEG_STEP)
#define BASE(seg)	(VMCS_GUEST_ES_BASE + (seg) * VMCS_SEG_STEP)

struct value { uint32_t field; uint64_t v; };

static uint64_t vmcs[0x7000];

uint64_t vmcs_read(uint32_t field) { return vmcs[field]; }

static void processor(void)
{
	host_cpu_reset();
	host_cpuid_set(0x80000008, (struct cpuid_regs){ .eax = 48 << 8 | 48 });
	host_msr_set(MSR_VMX_MISC, MISC_HLT | MISC_SHUTDOWN | MISC_WAIT_SIPI);
	host_msr_set(MSR_VMX_BASIC, BASIC_TRUE | 0x12);
	host_msr_set(MSR_VMX_TRUE_PINBASED, (ALL & ~BIT64(31)) << 32 | 0x16);
	host_msr_set(MSR_VMX_TRUE_PROCBASED, (ALL & ~BIT64(0)) << 32 | 0x04006172);
	host_msr_set(MSR_VMX_PROCBASED2, (ALL & ~BIT64(31)) << 32);
	host_msr_set(MSR_VMX_TRUE_EXIT, ALL << 32 | 0x36dfb);
	host_msr_set(MSR_VMX_TRUE_ENTRY, ALL << 32 | 0x11fb);
	host_msr_set(MSR_VMX_CR0_FIXED0, CR0_PE | CR0_PG | BIT(5));
	host_msr_set(MSR_VMX_CR0_FIXED1, ALL);
	host_msr_set(MSR_VMX_CR4_FIXED0, CR4_VMXE);
	host_msr_set(MSR_VMX_CR4_FIXED1, ALL & ~BIT64(31));
}

/* With LA57 linear addresses have 57 bits. */
static void wide(void) { host_cpuid_set(0x80000008, (struct cpuid_regs){ .eax = 57 << 8 | 48 }); }

/* Fill the VMCS for a 64-bit guest with paging. */
static void sound(void)
{
	static const struct value values[] = {
		{ VMCS_PIN_CTLS, 0x16 | PIN_NMI | PIN_VIRTUAL_NMI }, { VMCS_PROC_CTLS, 0x04006172 | PROC_SECONDARY },
		{ VMCS_PROC2_CTLS, PROC2_EPT | PROC2_VPID | PROC2_UNRESTRICTED }, { VMCS_VPID, 1 },
		{ VMCS_EXIT_CTLS, 0x36dfb | EXIT_CTL_HOST_64 }, { VMCS_ENTRY_CTLS, 0x11fb | ENTRY_CTL_IA32E },
		{ VMCS_IO_BITMAP_A, 0x1000 }, { VMCS_IO_BITMAP_B, 0x2000 }, { VMCS_MSR_BITMAP, 0x3000 },
		{ VMCS_EPTP, 0x4000 | EPTP_WB | EPTP_4_LEVELS }, { VMCS_LINK_POINTER, ~0ull },
		{ VMCS_HOST_CR0, CR0_PE | CR0_PG | BIT(5) }, { VMCS_HOST_CR4, CR4_VMXE | CR4_PAE }, { VMCS_HOST_CR3, 0x5000 },
		{ VMCS_HOST_PAT, PAT }, { VMCS_HOST_EFER, EFER_LME | EFER_LMA }, { VMCS_HOST_CS_SEL, 8 },
		{ VMCS_HOST_TR_SEL, 0x18 }, { VMCS_HOST_RIP, 0x100000 },
		{ VMCS_GUEST_CR0, CR0_PE | CR0_PG | BIT(5) }, { VMCS_GUEST_CR4, CR4_VMXE | CR4_PAE },
		{ VMCS_GUEST_EFER, EFER_LME | EFER_LMA }, { VMCS_GUEST_PAT, PAT }, { VMCS_GUEST_RFLAGS, BIT(1) },
		{ VMCS_GUEST_RIP, 0x1000 }, { VMCS_GUEST_DR7, 0x400 },
		{ RIGHTS(SEG_TR), 0x8b }, { LIMIT(SEG_TR), 0x67 }, { RIGHTS(SEG_LDTR), RIGHTS_UNUSABLE },
	};

	processor();
	host_log_clear();
	memset(vmcs, 0, sizeof(vmcs));
	for (unsigned i = 0; i < ARRAY_SIZE(values); i++)
		vmcs[values[i].field] = values[i].v;
	for (unsigned i = 0; i <= SEG_GS; i++) {
		vmcs[RIGHTS(i)] = i == SEG_CS ? 0xa09b : 0xc093;
		vmcs[LIMIT(i)] = 0xffffffff;
	}
}

static void explain(unsigned part)
{
	vmx_explain(part == GUEST ? REASON_BAD_GUEST | REASON_ENTRY_FAILED : 0, part == GUEST ? 0 : part);
}

TEST(nothing_is_wrong)
{
	static const unsigned parts[] = { CONTROLS, HOST, GUEST };

	for (unsigned i = 0; i < ARRAY_SIZE(parts); i++) {
		sound();
		explain(parts[i]);
		CHECK(host_log_has("no field breaks a rule"));
	}
}

/* The guest is not in 64-bit mode. */
#define SHORT	{ VMCS_ENTRY_CTLS, 0x11fb }, { VMCS_GUEST_EFER, 0 }

/* Values that break a rule in a sound VMCS, and the rule that breaks with it inevitably. */
static const struct {
	bool (*rule)(void);
	struct value set[4];
	bool (*also)(void);
} breaks[] = {
	{ pin, { { VMCS_PIN_CTLS, 0 } }, NULL },
	{ pin, { { VMCS_PIN_CTLS, 0x16 | PIN_NMI | BIT(31) } }, NULL },
	{ proc, { { VMCS_PROC_CTLS, 0x04006173 } }, NULL },
	{ proc2, { { VMCS_PROC2_CTLS, PROC2_EPT | BIT(31) } }, NULL },
	{ exits, { { VMCS_EXIT_CTLS, 0x36dfa } }, NULL },
	{ entries, { { VMCS_ENTRY_CTLS, 0x11fa } }, NULL },
	{ targets, { { VMCS_CR3_TARGETS, 5 } }, NULL },
	{ io_a, { { VMCS_IO_BITMAP_A, 0x1001 } }, NULL },
	{ io_b, { { VMCS_IO_BITMAP_B, BEYOND } }, NULL },
	{ msrs, { { VMCS_MSR_BITMAP, 8 } }, NULL },
	{ virtual_nmis, { { VMCS_PIN_CTLS, 0x16 | PIN_VIRTUAL_NMI } }, NULL },
	{ nmi_window, { { VMCS_PIN_CTLS, 0x16 }, { VMCS_PROC_CTLS, 0x04006172 | PROC_NMI_WINDOW } }, NULL },
	{ vpid, { { VMCS_VPID, 0 } }, NULL },
	{ unrestricted, { { VMCS_PROC2_CTLS, PROC2_UNRESTRICTED } }, NULL },
	{ eptp, { { VMCS_EPTP, 0x4000 | EPTP_4_LEVELS } }, NULL },
	{ eptp, { { VMCS_EPTP, 0x4000 | EPTP_WB } }, NULL },
	{ eptp, { { VMCS_EPTP, BEYOND | EPTP_WB | EPTP_4_LEVELS } }, NULL },
	{ event_type, { { VMCS_ENTRY_EVENT, EVENT(1, 0x30) } }, NULL },
	{ event_type, { { VMCS_ENTRY_EVENT, EVENT(EVENT_TYPE_NMI, 3) } }, NULL },
	{ event_type, { { VMCS_ENTRY_EVENT, EVENT(EVENT_TYPE_EXCEPTION, 32) } }, NULL },
	{ event_type, { { VMCS_ENTRY_EVENT, EVENT(EVENT_TYPE_EXTINT, 0x30) | EVENT_INFO_IRET } }, NULL },
	{ event_error, { { VMCS_ENTRY_EVENT, EVENT(EVENT_TYPE_EXCEPTION, 13) } }, NULL },
	{ event_error, { { VMCS_ENTRY_EVENT, EVENT(EVENT_TYPE_EXCEPTION, 6) | EVENT_INFO_ERROR } }, NULL },
	{ event_error, { { VMCS_ENTRY_EVENT, EVENT(EVENT_TYPE_EXCEPTION, 13) | EVENT_INFO_ERROR },
			 { VMCS_GUEST_CR0, BIT(5) } }, NULL },
	{ event_code, { { VMCS_ENTRY_EVENT, EVENT(EVENT_TYPE_EXCEPTION, 13) | EVENT_INFO_ERROR },
			{ VMCS_ENTRY_ERROR, 0x10000 } }, NULL },
	{ event_length, { { VMCS_ENTRY_EVENT, EVENT(EVENT_TYPE_SOFT_INT, 0x80) } }, NULL },
	{ event_length, { { VMCS_ENTRY_EVENT, EVENT(EVENT_TYPE_SOFT_EXC, 3) }, { VMCS_ENTRY_INSN_LEN, 16 } }, NULL },
	{ host_cr0, { { VMCS_HOST_CR0, CR0_PE | CR0_PG } }, NULL },
	{ host_cr4, { { VMCS_HOST_CR4, CR4_PAE } }, NULL },
	{ host_cr3, { { VMCS_HOST_CR3, BEYOND } }, NULL },
	{ host_pae, { { VMCS_HOST_CR4, CR4_VMXE } }, NULL },
	{ host_64, { { VMCS_EXIT_CTLS, 0x36dfb } }, NULL },
	{ host_pat, { { VMCS_HOST_PAT, 0x0207040600070406ull } }, NULL },
	{ host_efer, { { VMCS_HOST_EFER, EFER_LME } }, NULL },
	{ host_cs, { { VMCS_HOST_CS_SEL, 0 } }, NULL },
	{ host_cs, { { VMCS_HOST_CS_SEL, 9 } }, host_selectors },
	{ host_tr, { { VMCS_HOST_TR_SEL, 0 } }, NULL },
	{ host_selectors, { { VMCS_HOST_GS_SEL, 0x14 } }, NULL },
	{ host_bases, { { VMCS_HOST_IDTR_BASE, NOT_CANONICAL } }, NULL },
	{ host_rip, { { VMCS_HOST_RIP, NOT_CANONICAL } }, NULL },
	{ cr0, { { VMCS_GUEST_CR0, CR0_PE | CR0_PG } }, NULL },
	{ cr0_paging, { { VMCS_GUEST_CR0, CR0_PG | BIT(5) } }, NULL },
	{ cr4, { { VMCS_GUEST_CR4, CR4_PAE } }, NULL },
	{ cr4_pcid, { { VMCS_GUEST_CR4, CR4_VMXE | CR4_PAE | CR4_PCIDE }, SHORT }, NULL },
	{ cr4_cet, { { VMCS_GUEST_CR4, CR4_VMXE | CR4_PAE | CR4_CET } }, NULL },
	{ cr3, { { VMCS_GUEST_CR3, BEYOND } }, NULL },
	{ long_paging, { { VMCS_GUEST_CR4, CR4_VMXE } }, NULL },
	{ long_paging, { { VMCS_GUEST_CR0, CR0_PE | BIT(5) } }, NULL },
	{ dr7, { { VMCS_GUEST_DR7, 1ull << 32 } }, NULL },
	{ debugctl, { { VMCS_GUEST_DEBUGCTL, BIT(3) } }, NULL },
	{ sysenter_esp, { { VMCS_GUEST_SYSENTER_ESP, NOT_CANONICAL } }, NULL },
	{ sysenter_eip, { { VMCS_GUEST_SYSENTER_EIP, NOT_CANONICAL } }, NULL },
	{ pat, { { VMCS_GUEST_PAT, 0x03 } }, NULL },
	{ efer_bits, { { VMCS_GUEST_EFER, EFER_LME | EFER_LMA | EFER_SVME } }, NULL },
	{ efer_lma, { { VMCS_GUEST_EFER, 0 } }, NULL },
	{ gdtr, { { VMCS_GUEST_GDTR_LIMIT, 0x10000 } }, NULL },
	{ idtr, { { VMCS_GUEST_IDTR_BASE, NOT_CANONICAL } }, NULL },
	{ rip, { { VMCS_GUEST_RIP, NOT_CANONICAL } }, NULL },
	{ rip, { { VMCS_GUEST_RIP, 1ull << 32 }, { RIGHTS(SEG_CS), 0xc09b } }, NULL },
	{ rflags, { { VMCS_GUEST_RFLAGS, 0 } }, NULL },
	{ rflags, { { VMCS_GUEST_RFLAGS, BIT(1) | BIT(3) } }, NULL },
	{ rflags_vm, { { VMCS_GUEST_RFLAGS, BIT(1) | RFLAGS_VM } }, NULL },
	{ rflags_if, { { VMCS_ENTRY_EVENT, EVENT(EVENT_TYPE_EXTINT, 0x30) } }, NULL },
	{ activity, { { VMCS_GUEST_ACTIVITY, ACTIVITY_WAIT_SIPI + 1 } }, NULL },
	{ activity_event, { { VMCS_GUEST_ACTIVITY, ACTIVITY_HLT },
			    { VMCS_ENTRY_EVENT, EVENT(EVENT_TYPE_EXCEPTION, 6) } }, NULL },
	{ activity_event, { { VMCS_GUEST_ACTIVITY, ACTIVITY_SHUTDOWN }, { VMCS_GUEST_RFLAGS, BIT(1) | RFLAGS_IF },
			    { VMCS_ENTRY_EVENT, EVENT(EVENT_TYPE_EXTINT, 0x30) } }, NULL },
	{ activity_event, { { VMCS_GUEST_ACTIVITY, ACTIVITY_WAIT_SIPI },
			    { VMCS_ENTRY_EVENT, EVENT(EVENT_TYPE_NMI, 2) } }, NULL },
	{ activity_ring, { { VMCS_GUEST_ACTIVITY, ACTIVITY_HLT }, { RIGHTS(SEG_SS), 0xc0f3 } }, NULL },
	{ activity_shadow, { { VMCS_GUEST_ACTIVITY, ACTIVITY_HLT }, { VMCS_GUEST_BLOCKING, BLOCKING_MOV_SS } }, NULL },
	{ blocking_bits, { { VMCS_GUEST_BLOCKING, 0x20 } }, NULL },
	{ blocking_both, { { VMCS_GUEST_BLOCKING, BLOCKING_STI | BLOCKING_MOV_SS },
			   { VMCS_GUEST_RFLAGS, BIT(1) | RFLAGS_IF } }, NULL },
	{ blocking_sti, { { VMCS_GUEST_BLOCKING, BLOCKING_STI } }, NULL },
	{ blocking_smi, { { VMCS_GUEST_BLOCKING, BLOCKING_SMI } }, NULL },
	{ blocking_event, { { VMCS_GUEST_BLOCKING, BLOCKING_STI }, { VMCS_GUEST_RFLAGS, BIT(1) | RFLAGS_IF },
			    { VMCS_ENTRY_EVENT, EVENT(EVENT_TYPE_EXTINT, 0x30) } }, NULL },
	{ blocking_event, { { VMCS_GUEST_BLOCKING, BLOCKING_NMI },
			    { VMCS_ENTRY_EVENT, EVENT(EVENT_TYPE_NMI, 2) } }, NULL },
	{ pending_bits, { { VMCS_GUEST_PENDING_DB, BIT(5) } }, NULL },
	{ pending_step, { { VMCS_GUEST_PENDING_DB, PENDING_DB_BS }, { VMCS_GUEST_BLOCKING, BLOCKING_MOV_SS } }, NULL },
	{ pending_step, { { VMCS_GUEST_RFLAGS, BIT(1) | RFLAGS_TF }, { VMCS_GUEST_BLOCKING, BLOCKING_MOV_SS } }, NULL },
	{ pending_step, { { VMCS_GUEST_RFLAGS, BIT(1) | RFLAGS_TF }, { VMCS_GUEST_BLOCKING, BLOCKING_MOV_SS },
			  { VMCS_GUEST_PENDING_DB, PENDING_DB_BS }, { VMCS_GUEST_DEBUGCTL, DEBUGCTL_BTF } }, NULL },
	{ pending_step, { { VMCS_GUEST_ACTIVITY, ACTIVITY_HLT }, { VMCS_GUEST_PENDING_DB, PENDING_DB_BS } }, NULL },
	{ pending_rtm, { { VMCS_GUEST_PENDING_DB, PENDING_DB_RTM } }, NULL },
	{ pending_rtm, { { VMCS_GUEST_PENDING_DB, PENDING_DB_RTM | PENDING_DB_ENABLED },
			 { VMCS_GUEST_BLOCKING, BLOCKING_MOV_SS } }, NULL },
	{ pdpte0, { { VMCS_GUEST_PDPTE0, 3 }, SHORT }, NULL },
	{ pdpte1, { { VMCS_GUEST_PDPTE1, 0x20001 | BEYOND }, SHORT }, NULL },
	{ pdpte2, { { VMCS_GUEST_PDPTE2, 0x21 }, SHORT }, NULL },
	{ pdpte3, { { VMCS_GUEST_PDPTE3, 0x101 }, SHORT }, NULL },
	{ link, { { VMCS_LINK_POINTER, 0x1000 } }, NULL },
};

static const struct rule *rule_of(bool (*broken)(void))
{
	for (unsigned i = 0; i < ARRAY_SIZE(rules); i++)
		if (rules[i].broken == broken)
			return &rules[i];
	host_fail(__FILE__, __LINE__, "a rule that is not in the table");
}

static bool provoked(bool (*rule)(void))
{
	for (unsigned i = 0; i < ARRAY_SIZE(breaks); i++)
		if (breaks[i].rule == rule)
			return true;
	return false;
}

/* Check that the report has this rule, with its field's name and text, and no other rule of the same part. */
static void check_break(unsigned i)
{
	const struct rule *r = rule_of(breaks[i].rule);
	char line[200];

	sound();
	/* Field 0 exists; it is always the first. */
	for (unsigned k = 0; k < ARRAY_SIZE(breaks[i].set) && (!k || breaks[i].set[k].field); k++)
		vmcs[breaks[i].set[k].field] = breaks[i].set[k].v;
	for (unsigned k = 0; k < ARRAY_SIZE(rules); k++) {
		bool expected = &rules[k] == r || rules[k].broken == breaks[i].also;

		if (rules[k].part == r->part && rules[k].broken() != expected)
			host_fail(__FILE__, __LINE__, "break %u of \"%s\": \"%s\" is %d", i, r->text, rules[k].text, !expected);
	}
	explain(r->part);
	snprintf(line, sizeof(line), "vmx: %s is 0x%llx: %s", field_name(r->field), (unsigned long long)vmcs[r->field],
		 r->text);
	if (!host_log_has(line) && vmcs[r->field])
		host_fail(__FILE__, __LINE__, "not in the log: %s", line);
	CHECK(host_log_has(r->text));
	CHECK(!host_log_has("no field breaks a rule"));
}

TEST(each_rule_is_named)
{
	for (unsigned i = 0; i < ARRAY_SIZE(breaks); i++)
		check_break(i);
	for (unsigned i = 0; i < ARRAY_SIZE(rules); i++)
		if (!provoked(rules[i].broken))
			host_fail(__FILE__, __LINE__, "nothing breaks: %s", rules[i].text);
}

TEST(each_field_has_a_name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(rules); i++)
		CHECK(strcmp(field_name(rules[i].field), "field") != 0);
}

TEST(segments)
{
	/* A processor without unrestricted guests. */
	static const struct value old = { VMCS_PROC2_CTLS, PROC2_EPT };
	static const struct { const char *text; struct value set[4]; } wrong[] = {
		{ "guest FS: its base is not canonical", { { BASE(SEG_FS), NOT_CANONICAL } } },
		{ "guest GS: its base is not canonical",
			{ { BASE(SEG_GS), NOT_CANONICAL }, { RIGHTS(SEG_GS), RIGHTS_UNUSABLE } } },
		{ "guest LDTR: its base is not canonical", { { BASE(SEG_LDTR), NOT_CANONICAL }, { RIGHTS(SEG_LDTR), 0x82 } } },
		{ "guest DS: its base has more than 32 bits", { { BASE(SEG_DS), 1ull << 32 } } },
		{ "guest CS: it must be present", { { RIGHTS(SEG_CS), RIGHTS_UNUSABLE } } },
		{ "guest DS: it must be present", { { RIGHTS(SEG_DS), 0xc013 } } },
		{ "guest TR: it must be usable", { { RIGHTS(SEG_TR), RIGHTS_UNUSABLE } } },
		{ "guest ES: reserved bits of its rights", { { RIGHTS(SEG_ES), 0xc193 } } },
		{ "guest ES: its limit and its granularity disagree", { { LIMIT(SEG_ES), 0xfffff000 } } },
		{ "guest TR: its limit and its granularity disagree", { { LIMIT(SEG_TR), 0x100000 } } },
		{ "guest TR: it must be a busy TSS", { { RIGHTS(SEG_TR), 0x89 } } },
		{ "guest TR: it must be a busy TSS", { { RIGHTS(SEG_TR), 0x83 } } },
		{ "guest TR: its selector must not name the LDT", { { VMCS_GUEST_TR_SEL, 12 } } },
		{ "guest LDTR: it must be an LDT", { { RIGHTS(SEG_LDTR), 0x8b } } },
		{ "guest LDTR: its selector must not name the LDT", { { RIGHTS(SEG_LDTR), 0x82 }, { SELECTOR(SEG_LDTR), 4 } } },
		{ "guest SS: it must be an accessed and writable data segment", { { RIGHTS(SEG_SS), 0xc092 } } },
		{ "guest SS: it must be an accessed and writable data segment", { { RIGHTS(SEG_SS), 0xc091 } } },
		{ "guest SS: its DPL must be 0 in real mode", { { RIGHTS(SEG_SS), 0xc0f3 }, { VMCS_GUEST_CR0, BIT(5) } } },
		{ "guest SS: its DPL must be 0 in real mode",
			{ { RIGHTS(SEG_SS), 0x100e0 }, { VMCS_GUEST_CR0, BIT(5) } } },
		{ "guest SS: its DPL and RPL must be the same", { { VMCS_GUEST_SS_SEL, 3 }, old } },
		{ "guest DS: it must be a code or data segment", { { RIGHTS(SEG_DS), 0xc083 } } },
		{ "guest DS: it must be an accessed data segment", { { RIGHTS(SEG_DS), 0xc092 } } },
		{ "guest DS: it must be an accessed data segment", { { RIGHTS(SEG_DS), 0xc099 } } },
		{ "guest DS: its DPL must not be below its RPL", { { SELECTOR(SEG_DS), 3 }, old } },
		{ "guest CS: it must be an accessed code segment", { { RIGHTS(SEG_CS), 0xa09a } } },
		{ "guest CS: it must be an accessed code segment", { { RIGHTS(SEG_CS), 0xa093 }, old } },
		{ "guest CS: as a data segment it must have DPL 0", { { RIGHTS(SEG_CS), 0xa0f3 } } },
		{ "guest CS: its DPL must be that of SS", { { RIGHTS(SEG_CS), 0xa0fb } } },
		{ "guest CS: its DPL must be that of SS", { { RIGHTS(SEG_CS), 0xa0ff } } },
		{ "guest CS: L and D must not both be 1", { { RIGHTS(SEG_CS), 0xe09b } } },
		{ "guest GS: virtual-8086 mode wants rights f3h", { { VMCS_GUEST_RFLAGS, BIT(1) | RFLAGS_VM } } },
		{ "guest GS: in virtual-8086 mode its base is 16 times", { { VMCS_GUEST_RFLAGS, BIT(1) | RFLAGS_VM },
			{ RIGHTS(SEG_GS), 0xf3 }, { LIMIT(SEG_GS), 0xffff }, { BASE(SEG_GS), 0x10 } } },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
		sound();
		for (unsigned k = 0; k < ARRAY_SIZE(wrong[i].set) && wrong[i].set[k].field; k++)
			vmcs[wrong[i].set[k].field] = wrong[i].set[k].v;
		explain(GUEST);
		if (!host_log_has(wrong[i].text))
			host_fail(__FILE__, __LINE__, "not in the log: %s", wrong[i].text);
	}
	/* ES, SS, DS, FS, GS and LDTR may be unusable. */
	sound();
	for (unsigned i = 0; i <= SEG_GS; i++)
		if (i != SEG_CS)
			vmcs[RIGHTS(i)] = RIGHTS_UNUSABLE;
	explain(GUEST);
	CHECK(host_log_has("no field breaks a rule"));
	/* Real mode on a processor with unrestricted guests: CS may be a data segment. */
	sound();
	vmcs[VMCS_GUEST_CR0] = BIT(5);
	vmcs[VMCS_ENTRY_CTLS] = 0x11fb;
	vmcs[VMCS_GUEST_EFER] = 0;
	for (unsigned i = 0; i <= SEG_GS; i++) {
		vmcs[RIGHTS(i)] = 0x93;
		vmcs[LIMIT(i)] = 0xffff;
	}
	explain(GUEST);
	CHECK(host_log_has("no field breaks a rule"));
}

TEST(addresses_as_wide_as_the_processors)
{
	sound();
	wide();
	vmcs[VMCS_GUEST_RIP] = NOT_CANONICAL;
	explain(GUEST);
	CHECK(host_log_has("no field breaks a rule"));
}

/* Newer processors do not check which exceptions may have an error code. */
TEST(error_codes_at_will)
{
	sound();
	vmcs[VMCS_ENTRY_EVENT] = EVENT(EVENT_TYPE_EXCEPTION, 13);
	host_msr_set(MSR_VMX_BASIC, BASIC_TRUE | BASIC_ANY_ERROR_CODE | 0x12);
	explain(CONTROLS);
	CHECK(host_log_has("no field breaks a rule"));
}

TEST(what_the_processor_said)
{
	sound();
	vmcs[VMCS_QUALIFICATION] = 3;
	vmx_explain(REASON_ENTRY_FAILED | REASON_BAD_MSR_LOAD, 0);
	CHECK(host_log_has("the VM entry failed: exit reason 34, qualification 0x3"));
	vmx_explain(0, 5);
	CHECK(host_log_has("refused the VM entry: VM-instruction error 5: VMRESUME of a VMCS that has not been launched"));
	vmcs[VMCS_QUALIFICATION] = 2;
	vmx_explain(REASON_ENTRY_FAILED | REASON_BAD_GUEST, 0);
	CHECK(host_log_has("exit reason 33, qualification 0x2: the PDPTEs"));
}

TEST_MAIN
