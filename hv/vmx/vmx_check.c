/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A failed VM entry reports an error number, but not the field.  This file repeats the checks of the SDM (vol. 3, chapter 27)
 * and logs each field that fails one.  vmx_no_check.c is the short form for builds without VMX_CHECK.
 */
#include <veneer/log.h>
#include <veneer/string.h>
#include "hv/vmx/vmx.h"
#include "hv/vmx/vmx_insn.h"
#include "hv/x86.h"

#define INSN_ERROR_CONTROLS	7u	/* VM-instruction errors (31.4) */
#define INSN_ERROR_HOST		8u
#define HAVE_ERROR_CODES	0x00227d00u	/* 8, 10 to 14, 17, 21 */
#define EFER_KNOWN		(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)
#define DEBUGCTL_BTF		BIT(1)
#define DEBUGCTL_KNOWN		0xffc7u		/* bus-lock detection, bit 2, on some processors only */
#define PENDING_DB_BS		BIT(14)
#define PENDING_DB_ENABLED	BIT(12)
#define PENDING_DB_RTM		BIT(16)
#define PENDING_DB_KNOWN	0x1580fu	/* bus-lock detection, bit 11, on some processors only */
#define PDPTE_RESERVED		0x1e6u
#define RIGHTS_RESERVED		0xfffe0f00u
#define TYPE_CODE		BIT(3)
#define SELECTOR_TI		BIT(2)
#define VECTOR_DB		1u
#define VECTOR_MC		18u

enum entry_part { CONTROLS = INSN_ERROR_CONTROLS, HOST = INSN_ERROR_HOST, GUEST = REASON_BAD_GUEST };

/* --- helpers --- */

static uint64_t get(uint32_t field) { return vmcs_read(field); }
static bool controls_have(uint32_t word, uint32_t bit) { return get(word) & bit; }
static bool guest_long(void) { return controls_have(VMCS_ENTRY_CTLS, ENTRY_CTL_IA32E); }
static bool guest_v86(void) { return get(VMCS_GUEST_RFLAGS) & RFLAGS_VM; }
static bool guest_paging(void) { return get(VMCS_GUEST_CR0) & CR0_PG; }
static bool guest_real(void) { return !(get(VMCS_GUEST_CR0) & CR0_PE); }
static bool guest_unrestricted(void) { return controls_have(VMCS_PROC2_CTLS, PROC2_UNRESTRICTED); }
static uint32_t event(void) { return (uint32_t)get(VMCS_ENTRY_EVENT); }
static uint32_t rights(unsigned i) { return (uint32_t)get(VMCS_GUEST_ES_RIGHTS + i * VMCS_SEG_STEP); }
static unsigned dpl(unsigned i) { return FIELD_GET(RIGHTS_DPL, rights(i)); }

static bool beyond_phys(uint64_t a)
{
	return a >> (cpuid(0x80000008, 0).eax & 0xff);
}

/* Canonical for the processor's widest linear addresses, in any mode. */
static bool canonical(uint64_t a)
{
	unsigned spare = 64 - (cpuid(0x80000008, 0).eax >> 8 & 0xff);

	return (uint64_t)((int64_t)(a << spare) >> spare) == a;
}

static bool bad_page(uint32_t field)
{
	return !IS_ALIGNED(get(field), (uint64_t)PAGE_SIZE) || beyond_phys(get(field));
}

static bool bad_word(uint32_t field, uint32_t msr, uint32_t true_msr)
{
	uint64_t cap = rdmsr(rdmsr(MSR_VMX_BASIC) & BASIC_TRUE ? true_msr : msr), v = get(field);

	return (v & (uint32_t)cap) != (uint32_t)cap || (v & ~(cap >> 32));
}

static bool bad_fixed(uint32_t field, uint64_t fixed0, uint64_t fixed1)
{
	return (get(field) & fixed0) != fixed0 || (get(field) & ~fixed1);
}

static bool bad_pat(uint32_t field)
{
	for (unsigned i = 0; i < 64; i += 8) {
		unsigned type = get(field) >> i & 0xff;

		if (type > 7 || type == 2 || type == 3)
			return true;
	}
	return false;
}

static bool event_is(unsigned type)
{
	return (event() & EVENT_INFO_VALID) && FIELD_GET(EVENT_INFO_TYPE, event()) == type;
}

/* --- controls (27.2.1) --- */

static bool pin(void) { return bad_word(VMCS_PIN_CTLS, MSR_VMX_PINBASED, MSR_VMX_TRUE_PINBASED); }
static bool proc(void) { return bad_word(VMCS_PROC_CTLS, MSR_VMX_PROCBASED, MSR_VMX_TRUE_PROCBASED); }
static bool proc2(void) { return bad_word(VMCS_PROC2_CTLS, MSR_VMX_PROCBASED2, MSR_VMX_PROCBASED2); }
static bool exits(void) { return bad_word(VMCS_EXIT_CTLS, MSR_VMX_EXIT, MSR_VMX_TRUE_EXIT); }
static bool entries(void) { return bad_word(VMCS_ENTRY_CTLS, MSR_VMX_ENTRY, MSR_VMX_TRUE_ENTRY); }
static bool io_a(void) { return bad_page(VMCS_IO_BITMAP_A); }
static bool io_b(void) { return bad_page(VMCS_IO_BITMAP_B); }
static bool msrs(void) { return bad_page(VMCS_MSR_BITMAP); }
static bool targets(void) { return get(VMCS_CR3_TARGETS) > 4; }

static bool virtual_nmis(void)
{
	return !controls_have(VMCS_PIN_CTLS, PIN_NMI) && controls_have(VMCS_PIN_CTLS, PIN_VIRTUAL_NMI);
}

static bool nmi_window(void)
{
	return !controls_have(VMCS_PIN_CTLS, PIN_VIRTUAL_NMI) && controls_have(VMCS_PROC_CTLS, PROC_NMI_WINDOW);
}

static bool vpid(void)
{
	return controls_have(VMCS_PROC2_CTLS, PROC2_VPID) && !get(VMCS_VPID);
}

static bool unrestricted(void)
{
	return controls_have(VMCS_PROC2_CTLS, PROC2_UNRESTRICTED) && !controls_have(VMCS_PROC2_CTLS, PROC2_EPT);
}

static bool eptp(void)
{
	uint64_t p = get(VMCS_EPTP);

	return (p & 7) != EPTP_WB || (p & 0x38) != EPTP_4_LEVELS || (p & 0xf80) || beyond_phys(p);
}

static bool event_type(void)
{
	unsigned type = FIELD_GET(EVENT_INFO_TYPE, event()), vector = FIELD_GET(EVENT_INFO_VECTOR, event());

	if (!(event() & EVENT_INFO_VALID))
		return false;
	return type == 1 || type == 7 || (type == EVENT_TYPE_NMI && vector != 2) ||
	       (type == EVENT_TYPE_EXCEPTION && vector > 31) || (event() & GENMASK(30, 12));
}

static bool event_error(void)
{
	unsigned vector = FIELD_GET(EVENT_INFO_VECTOR, event());
	bool has = vector < 32 && (BIT(vector) & HAVE_ERROR_CODES) && (get(VMCS_GUEST_CR0) & CR0_PE);

	has = has && event_is(EVENT_TYPE_EXCEPTION);
	if (rdmsr(MSR_VMX_BASIC) & BASIC_ANY_ERROR_CODE)
		return false;
	return (event() & EVENT_INFO_VALID) && !!(event() & EVENT_INFO_ERROR) != has;
}

static bool event_code(void)
{
	return (event() & EVENT_INFO_VALID) && (event() & EVENT_INFO_ERROR) && get(VMCS_ENTRY_ERROR) & GENMASK(31, 16);
}

/* Software interrupts and exceptions need the length of their instruction. */
static bool event_length(void)
{
	bool soft = event_is(EVENT_TYPE_SOFT_INT) || event_is(EVENT_TYPE_PRIV_SOFT) || event_is(EVENT_TYPE_SOFT_EXC);
	uint64_t length = get(VMCS_ENTRY_INSN_LEN);

	return soft && (length > 15 || (!length && !(rdmsr(MSR_VMX_MISC) & MISC_LENGTH_0)));
}

/* --- the host's state (27.2.2 to 27.2.4) --- */

static bool host_cr0(void) { return bad_fixed(VMCS_HOST_CR0, rdmsr(MSR_VMX_CR0_FIXED0), rdmsr(MSR_VMX_CR0_FIXED1)); }
static bool host_cr4(void) { return bad_fixed(VMCS_HOST_CR4, rdmsr(MSR_VMX_CR4_FIXED0), rdmsr(MSR_VMX_CR4_FIXED1)); }
static bool host_cr3(void) { return beyond_phys(get(VMCS_HOST_CR3)); }
static bool host_pae(void) { return !(get(VMCS_HOST_CR4) & CR4_PAE); }
static bool host_64(void) { return !controls_have(VMCS_EXIT_CTLS, EXIT_CTL_HOST_64); }
static bool host_pat(void) { return bad_pat(VMCS_HOST_PAT); }
static bool host_efer(void) { return (get(VMCS_HOST_EFER) & (EFER_LME | EFER_LMA)) != (EFER_LME | EFER_LMA); }
static bool host_rip(void) { return !canonical(get(VMCS_HOST_RIP)); }
static bool host_cs(void) { return !get(VMCS_HOST_CS_SEL) || (get(VMCS_HOST_CS_SEL) & 7); }
static bool host_tr(void) { return !get(VMCS_HOST_TR_SEL) || (get(VMCS_HOST_TR_SEL) & 7); }

static bool host_selectors(void)
{
	uint32_t all = 0;

	for (uint32_t f = VMCS_HOST_ES_SEL; f <= VMCS_HOST_TR_SEL; f += 2)
		all |= (uint32_t)get(f);
	return all & 7;
}

static bool host_bases(void)
{
	for (uint32_t f = VMCS_HOST_FS_BASE; f <= VMCS_HOST_SYSENTER_EIP; f += 2)
		if (!canonical(get(f)))
			return true;
	return false;
}

/* --- the guest's state (27.3.1) --- */

static bool cr0(void)
{
	uint64_t free = guest_unrestricted() ? CR0_PE | CR0_PG : 0;

	return bad_fixed(VMCS_GUEST_CR0, rdmsr(MSR_VMX_CR0_FIXED0) & ~free, rdmsr(MSR_VMX_CR0_FIXED1));
}

static bool cr4(void) { return bad_fixed(VMCS_GUEST_CR4, rdmsr(MSR_VMX_CR4_FIXED0), rdmsr(MSR_VMX_CR4_FIXED1)); }
static bool cr0_paging(void) { return guest_paging() && guest_real(); }
static bool cr4_pcid(void) { return (get(VMCS_GUEST_CR4) & CR4_PCIDE) && !guest_long(); }
static bool cr4_cet(void) { return (get(VMCS_GUEST_CR4) & CR4_CET) && !(get(VMCS_GUEST_CR0) & CR0_WP); }
static bool cr3(void) { return beyond_phys(get(VMCS_GUEST_CR3)); }
static bool long_paging(void) { return guest_long() && (!guest_paging() || !(get(VMCS_GUEST_CR4) & CR4_PAE)); }
static bool dr7(void) { return get(VMCS_GUEST_DR7) >> 32; }
static bool debugctl(void) { return get(VMCS_GUEST_DEBUGCTL) & ~(uint64_t)DEBUGCTL_KNOWN; }
static bool sysenter_esp(void) { return !canonical(get(VMCS_GUEST_SYSENTER_ESP)); }
static bool sysenter_eip(void) { return !canonical(get(VMCS_GUEST_SYSENTER_EIP)); }
static bool pat(void) { return bad_pat(VMCS_GUEST_PAT); }
static bool efer_bits(void) { return get(VMCS_GUEST_EFER) & ~(uint64_t)EFER_KNOWN; }
static bool link(void) { return get(VMCS_LINK_POINTER) != ~0ull; }
static bool guest_is(uint64_t state) { return get(VMCS_GUEST_ACTIVITY) == state; }
static bool blocked(uint64_t bits) { return get(VMCS_GUEST_BLOCKING) & bits; }
static bool blocking_bits(void) { return get(VMCS_GUEST_BLOCKING) & ~0x1full; }
static bool blocking_both(void) { return blocked(BLOCKING_STI) && blocked(BLOCKING_MOV_SS); }
static bool blocking_sti(void) { return blocked(BLOCKING_STI) && !(get(VMCS_GUEST_RFLAGS) & RFLAGS_IF); }
static bool blocking_smi(void) { return blocked(BLOCKING_SMI); }
static bool gdtr(void) { return !canonical(get(VMCS_GUEST_GDTR_BASE)) || get(VMCS_GUEST_GDTR_LIMIT) >> 16; }
static bool idtr(void) { return !canonical(get(VMCS_GUEST_IDTR_BASE)) || get(VMCS_GUEST_IDTR_LIMIT) >> 16; }
static bool rflags(void) { return (get(VMCS_GUEST_RFLAGS) & 0xffffffffffc0802aull) != BIT(1); }
static bool rflags_vm(void) { return guest_v86() && (guest_long() || guest_real()); }
static bool rflags_if(void) { return event_is(EVENT_TYPE_EXTINT) && !(get(VMCS_GUEST_RFLAGS) & RFLAGS_IF); }

static bool efer_lma(void)
{
	uint64_t e = get(VMCS_GUEST_EFER);

	return !!(e & EFER_LMA) != guest_long() || (guest_paging() && !!(e & EFER_LMA) != !!(e & EFER_LME));
}

static bool rip(void)
{
	bool is64 = guest_long() && (rights(SEG_CS) & RIGHTS_L);

	return is64 ? !canonical(get(VMCS_GUEST_RIP)) : get(VMCS_GUEST_RIP) >> 32;
}

static bool blocking_event(void)
{
	if (event_is(EVENT_TYPE_EXTINT))
		return blocked(BLOCKING_STI | BLOCKING_MOV_SS);
	return event_is(EVENT_TYPE_NMI) && blocked(BLOCKING_MOV_SS | BLOCKING_NMI);
}

static bool activity(void)
{
	static const uint64_t has[] = { [ACTIVITY_HLT] = MISC_HLT, [ACTIVITY_SHUTDOWN] = MISC_SHUTDOWN,
					[ACTIVITY_WAIT_SIPI] = MISC_WAIT_SIPI };
	uint64_t state = get(VMCS_GUEST_ACTIVITY);

	return state > ACTIVITY_WAIT_SIPI || (state && !(rdmsr(MSR_VMX_MISC) & has[state]));
}

static bool activity_ring(void) { return guest_is(ACTIVITY_HLT) && dpl(SEG_SS); }
static bool activity_shadow(void) { return !guest_is(ACTIVITY_ACTIVE) && blocked(BLOCKING_STI | BLOCKING_MOV_SS); }

/* In an inactive state only some events may be injected. */
static bool activity_event(void)
{
	unsigned vector = FIELD_GET(EVENT_INFO_VECTOR, event());
	bool exception = event_is(EVENT_TYPE_EXCEPTION);

	if (!(event() & EVENT_INFO_VALID) || guest_is(ACTIVITY_ACTIVE))
		return false;
	if (guest_is(ACTIVITY_HLT))
		return !event_is(EVENT_TYPE_EXTINT) && !event_is(EVENT_TYPE_NMI) &&
		       !(exception && (vector == VECTOR_DB || vector == VECTOR_MC));
	return !guest_is(ACTIVITY_SHUTDOWN) || !(event_is(EVENT_TYPE_NMI) || (exception && vector == VECTOR_MC));
}

static bool pending_bits(void) { return get(VMCS_GUEST_PENDING_DB) & ~(uint64_t)PENDING_DB_KNOWN; }

/* In an interrupt shadow or halted, pending BS must be set if a single-step trap is due, and only then. */
static bool pending_step(void)
{
	bool due = (get(VMCS_GUEST_RFLAGS) & RFLAGS_TF) && !(get(VMCS_GUEST_DEBUGCTL) & DEBUGCTL_BTF);

	return (blocked(BLOCKING_STI | BLOCKING_MOV_SS) || guest_is(ACTIVITY_HLT)) &&
	       !!(get(VMCS_GUEST_PENDING_DB) & PENDING_DB_BS) != due;
}

static bool pending_rtm(void)
{
	uint64_t pending = get(VMCS_GUEST_PENDING_DB);

	return (pending & PENDING_DB_RTM) && (pending != (PENDING_DB_RTM | PENDING_DB_ENABLED) || blocked(BLOCKING_MOV_SS));
}

/* The four PDPTEs of PAE paging, which an entry with EPT loads from the VMCS (27.3.1.6). */
static bool bad_pdpte(unsigned i)
{
	uint64_t e = get(VMCS_GUEST_PDPTE0 + i * VMCS_PDPTE_STEP);
	bool pae = guest_paging() && (get(VMCS_GUEST_CR4) & CR4_PAE) && !guest_long();

	return pae && (e & 1) && ((e & PDPTE_RESERVED) || beyond_phys(e));
}

static bool pdpte0(void) { return bad_pdpte(0); }
static bool pdpte1(void) { return bad_pdpte(1); }
static bool pdpte2(void) { return bad_pdpte(2); }
static bool pdpte3(void) { return bad_pdpte(3); }

/* --- the guest's segments (27.3.1.2) --- */

static const char *v86_rule(unsigned i)
{
	if (rights(i) != 0xf3 || get(VMCS_GUEST_ES_LIMIT + i * VMCS_SEG_STEP) != 0xffff)
		return "virtual-8086 mode wants rights f3h and limit ffffh";
	if (get(VMCS_GUEST_ES_BASE + i * VMCS_SEG_STEP) != get(VMCS_GUEST_ES_SEL + i * VMCS_SEG_STEP) << 4)
		return "in virtual-8086 mode its base is 16 times the selector";
	return NULL;
}

static const char *cs_rule(uint32_t r)
{
	uint32_t type = r & RIGHTS_TYPE;

	if (!(type & 1) || (!(type & TYPE_CODE) && (type != 3 || !guest_unrestricted())))
		return "it must be an accessed code segment, or accessed and writable data";
	if (type == 3 && dpl(SEG_CS))
		return "as a data segment it must have DPL 0";
	if (type == 9 || type == 11 ? dpl(SEG_CS) != dpl(SEG_SS) : dpl(SEG_CS) > dpl(SEG_SS))
		return "its DPL must be that of SS, or not above it for a conforming segment";
	if (guest_long() && (r & RIGHTS_L) && (r & RIGHTS_DB))
		return "L and D must not both be 1";
	return NULL;
}

static const char *ss_rule(uint32_t r)
{
	if (!(r & RIGHTS_UNUSABLE) && (r & RIGHTS_TYPE) != 3 && (r & RIGHTS_TYPE) != 7)
		return "it must be an accessed and writable data segment";
	if (dpl(SEG_SS) && ((rights(SEG_CS) & RIGHTS_TYPE) == 3 || guest_real()))
		return "its DPL must be 0 in real mode, or where CS is a data segment";
	if (!guest_unrestricted() && dpl(SEG_SS) != (get(VMCS_GUEST_SS_SEL) & 3))
		return "its DPL and RPL must be the same";
	return NULL;
}

static const char *data_rule(unsigned i, uint32_t r)
{
	uint32_t type = r & RIGHTS_TYPE;

	if (!(type & 1) || ((type & TYPE_CODE) && !(type & 2)))
		return "it must be an accessed data segment or readable code";
	if (!guest_unrestricted() && type < 12 && dpl(i) < (get(VMCS_GUEST_ES_SEL + i * VMCS_SEG_STEP) & 3))
		return "its DPL must not be below its RPL";
	return NULL;
}

static const char *system_rule(unsigned i, uint32_t r)
{
	uint32_t type = r & RIGHTS_TYPE;

	if (i == SEG_LDTR && ((r & RIGHTS_S) || type != 2))
		return "it must be an LDT";
	if (i == SEG_TR && ((r & RIGHTS_S) || (type != 11 && (type != 3 || guest_long()))))
		return "it must be a busy TSS";
	return get(VMCS_GUEST_ES_SEL + i * VMCS_SEG_STEP) & SELECTOR_TI ? "its selector must not name the LDT" : NULL;
}

/* Checks of every usable segment. */
static const char *common_rule(unsigned i, uint32_t r)
{
	uint32_t limit = (uint32_t)get(VMCS_GUEST_ES_LIMIT + i * VMCS_SEG_STEP);
	uint64_t base = get(VMCS_GUEST_ES_BASE + i * VMCS_SEG_STEP);

	if (i < SEG_FS && base >> 32)
		return "its base has more than 32 bits";
	if (i == SEG_LDTR && !canonical(base))
		return "its base is not canonical";
	if (!(r & RIGHTS_P))
		return "it must be present";
	if (r & RIGHTS_RESERVED)
		return "reserved bits of its rights";
	if (((limit & 0xfff) != 0xfff && (r & RIGHTS_G)) || (limit >> 20 && !(r & RIGHTS_G)))
		return "its limit and its granularity disagree";
	if (i < SEG_LDTR && !(r & RIGHTS_S))
		return "it must be a code or data segment";
	return NULL;
}

static const char *segment_rule(unsigned i)
{
	uint32_t r = rights(i);
	const char *rule;

	if (guest_v86() && i < SEG_LDTR)
		return v86_rule(i);
	/* Checks of usable and unusable segments. */
	if ((i == SEG_FS || i == SEG_GS || i == SEG_TR) && !canonical(get(VMCS_GUEST_ES_BASE + i * VMCS_SEG_STEP)))
		return "its base is not canonical";
	if (i == SEG_TR && (r & RIGHTS_UNUSABLE))
		return "it must be usable";
	if (!(r & RIGHTS_UNUSABLE) || i == SEG_CS) {
		rule = common_rule(i, r);
		if (rule)
			return rule;
	}
	if (i == SEG_CS)
		return cs_rule(r);
	if (i == SEG_SS)
		return ss_rule(r);
	if (r & RIGHTS_UNUSABLE)
		return NULL;
	return i < SEG_LDTR ? data_rule(i, r) : system_rule(i, r);
}

/* --- the table --- */

static const struct rule {
	uint8_t part;
	uint32_t field;
	bool (*broken)(void);
	const char *text;
} rules[] = {
	{ CONTROLS, VMCS_PIN_CTLS, pin, "the processor does not allow these bits (A.3.1)" },
	{ CONTROLS, VMCS_PROC_CTLS, proc, "the processor does not allow these bits (A.3.2)" },
	{ CONTROLS, VMCS_PROC2_CTLS, proc2, "the processor does not allow these bits (A.3.3)" },
	{ CONTROLS, VMCS_EXIT_CTLS, exits, "the processor does not allow these bits (A.4)" },
	{ CONTROLS, VMCS_ENTRY_CTLS, entries, "the processor does not allow these bits (A.5)" },
	{ CONTROLS, VMCS_CR3_TARGETS, targets, "at most 4 (27.2.1.1)" },
	{ CONTROLS, VMCS_IO_BITMAP_A, io_a, "must be a page of RAM (27.2.1.1)" },
	{ CONTROLS, VMCS_IO_BITMAP_B, io_b, "must be a page of RAM (27.2.1.1)" },
	{ CONTROLS, VMCS_MSR_BITMAP, msrs, "must be a page of RAM (27.2.1.1)" },
	{ CONTROLS, VMCS_PIN_CTLS, virtual_nmis, "virtual NMIs need NMI exiting (27.2.1.1)" },
	{ CONTROLS, VMCS_PROC_CTLS, nmi_window, "NMI-window exiting needs virtual NMIs (27.2.1.1)" },
	{ CONTROLS, VMCS_VPID, vpid, "must not be 0 (27.2.1.1)" },
	{ CONTROLS, VMCS_PROC2_CTLS, unrestricted, "unrestricted guest needs EPT (27.2.1.1)" },
	{ CONTROLS, VMCS_EPTP, eptp, "memory type, levels or reserved bits (27.2.1.1)" },
	{ CONTROLS, VMCS_ENTRY_EVENT, event_type, "type and vector do not go together (27.2.1.3)" },
	{ CONTROLS, VMCS_ENTRY_EVENT, event_error, "this event has (or has not) an error code (27.2.1.3)" },
	{ CONTROLS, VMCS_ENTRY_ERROR, event_code, "bits 31-16 must be 0 (27.2.1.3)" },
	{ CONTROLS, VMCS_ENTRY_INSN_LEN, event_length, "1 to 15, for a software interrupt or exception (27.2.1.3)" },
	{ HOST, VMCS_HOST_CR0, host_cr0, "bits that VMX fixes (27.2.2)" },
	{ HOST, VMCS_HOST_CR4, host_cr4, "bits that VMX fixes (27.2.2)" },
	{ HOST, VMCS_HOST_CR3, host_cr3, "beyond the physical addresses (27.2.2)" },
	{ HOST, VMCS_HOST_CR4, host_pae, "PAE must be 1 (27.2.4)" },
	{ HOST, VMCS_EXIT_CTLS, host_64, "a host in 64-bit mode needs \"host address-space size\" (27.2.4)" },
	{ HOST, VMCS_HOST_PAT, host_pat, "a memory type that does not exist (27.2.2)" },
	{ HOST, VMCS_HOST_EFER, host_efer, "LME and LMA must be 1 (27.2.2)" },
	{ HOST, VMCS_HOST_CS_SEL, host_cs, "must not be 0, nor have RPL or TI (27.2.3)" },
	{ HOST, VMCS_HOST_TR_SEL, host_tr, "must not be 0, nor have RPL or TI (27.2.3)" },
	{ HOST, VMCS_HOST_ES_SEL, host_selectors, "this or another host selector has RPL or TI (27.2.3)" },
	{ HOST, VMCS_HOST_FS_BASE, host_bases, "this or another host base is not canonical (27.2.3)" },
	{ HOST, VMCS_HOST_RIP, host_rip, "not canonical (27.2.4)" },
	{ GUEST, VMCS_GUEST_CR0, cr0, "bits that VMX fixes (27.3.1.1)" },
	{ GUEST, VMCS_GUEST_CR0, cr0_paging, "PG needs PE (27.3.1.1)" },
	{ GUEST, VMCS_GUEST_CR4, cr4, "bits that VMX fixes (27.3.1.1)" },
	{ GUEST, VMCS_GUEST_CR4, cr4_pcid, "PCIDE needs a 64-bit guest (27.3.1.1)" },
	{ GUEST, VMCS_GUEST_CR4, cr4_cet, "CET needs CR0.WP (27.3.1.1)" },
	{ GUEST, VMCS_GUEST_CR3, cr3, "beyond the physical addresses (27.3.1.1)" },
	{ GUEST, VMCS_ENTRY_CTLS, long_paging, "a 64-bit guest needs CR0.PG and CR4.PAE (27.3.1.1)" },
	{ GUEST, VMCS_GUEST_DR7, dr7, "bits 63-32 must be 0 (27.3.1.1)" },
	{ GUEST, VMCS_GUEST_DEBUGCTL, debugctl, "reserved bits (27.3.1.1)" },
	{ GUEST, VMCS_GUEST_SYSENTER_ESP, sysenter_esp, "not canonical (27.3.1.1)" },
	{ GUEST, VMCS_GUEST_SYSENTER_EIP, sysenter_eip, "not canonical (27.3.1.1)" },
	{ GUEST, VMCS_GUEST_PAT, pat, "a memory type that does not exist (27.3.1.1)" },
	{ GUEST, VMCS_GUEST_EFER, efer_bits, "reserved bits (27.3.1.1)" },
	{ GUEST, VMCS_GUEST_EFER, efer_lma, "LMA must be as the entry control, and as LME under paging (27.3.1.1)" },
	{ GUEST, VMCS_GUEST_GDTR_BASE, gdtr, "base not canonical, or limit of more than 16 bits (27.3.1.3)" },
	{ GUEST, VMCS_GUEST_IDTR_BASE, idtr, "base not canonical, or limit of more than 16 bits (27.3.1.3)" },
	{ GUEST, VMCS_GUEST_RIP, rip, "not canonical, or more than 32 bits outside 64-bit mode (27.3.1.4)" },
	{ GUEST, VMCS_GUEST_RFLAGS, rflags, "bit 1 must be 1, the reserved ones 0 (27.3.1.4)" },
	{ GUEST, VMCS_GUEST_RFLAGS, rflags_vm, "VM needs protected mode without 64 bits (27.3.1.4)" },
	{ GUEST, VMCS_GUEST_RFLAGS, rflags_if, "IF must be 1 where an interrupt is injected (27.3.1.4)" },
	{ GUEST, VMCS_GUEST_ACTIVITY, activity, "no such state (27.3.1.5)" },
	{ GUEST, VMCS_GUEST_ACTIVITY, activity_ring, "only ring 0 halts (27.3.1.5)" },
	{ GUEST, VMCS_GUEST_ACTIVITY, activity_shadow, "active, where STI or MOV SS blocks (27.3.1.5)" },
	{ GUEST, VMCS_GUEST_ACTIVITY, activity_event, "the injected event does not end this state (27.3.1.5)" },
	{ GUEST, VMCS_GUEST_BLOCKING, blocking_bits, "reserved bits (27.3.1.5)" },
	{ GUEST, VMCS_GUEST_BLOCKING, blocking_both, "by STI and by MOV SS at once (27.3.1.5)" },
	{ GUEST, VMCS_GUEST_BLOCKING, blocking_sti, "by STI with RFLAGS.IF 0 (27.3.1.5)" },
	{ GUEST, VMCS_GUEST_BLOCKING, blocking_smi, "by SMI outside of SMM (27.3.1.5)" },
	{ GUEST, VMCS_GUEST_BLOCKING, blocking_event, "the injected event is blocked (27.3.1.5)" },
	{ GUEST, VMCS_GUEST_PENDING_DB, pending_bits, "reserved bits (27.3.1.5)" },
	{ GUEST, VMCS_GUEST_PENDING_DB, pending_step, "BS must be as TF and DEBUGCTL.BTF say, where traps wait (27.3.1.5)" },
	{ GUEST, VMCS_GUEST_PENDING_DB, pending_rtm, "RTM stands alone with bit 12, and without MOV SS (27.3.1.5)" },
	{ GUEST, VMCS_LINK_POINTER, link, "must be all ones (27.3.1.5)" },
	{ GUEST, VMCS_GUEST_PDPTE0, pdpte0, "reserved bits (27.3.1.6)" },
	{ GUEST, VMCS_GUEST_PDPTE1, pdpte1, "reserved bits (27.3.1.6)" },
	{ GUEST, VMCS_GUEST_PDPTE2, pdpte2, "reserved bits (27.3.1.6)" },
	{ GUEST, VMCS_GUEST_PDPTE3, pdpte3, "reserved bits (27.3.1.6)" },
};

static const char *field_name(uint32_t field)
{
#define NAME(id, encoding, text)	{ encoding, text },
	static const struct { uint32_t field; const char *name; } names[] = { VMCS_FIELDS(NAME) };
#undef NAME

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].field == field)
			return names[i].name;
	return "field";
}

static unsigned explain_segments(void)
{
	static const char *const name[SEG_COUNT] = { "ES", "CS", "SS", "DS", "FS", "GS", "LDTR", "TR" };
	unsigned found = 0;

	for (unsigned i = 0; i < SEG_COUNT; i++) {
		const char *rule = segment_rule(i);

		if (!rule)
			continue;
		found++;
		log_err("vmx: guest %s: %s (27.3.1.2): selector %#lx base %#lx limit %#lx rights %#x", name[i], rule,
			get(VMCS_GUEST_ES_SEL + i * VMCS_SEG_STEP), get(VMCS_GUEST_ES_BASE + i * VMCS_SEG_STEP),
			get(VMCS_GUEST_ES_LIMIT + i * VMCS_SEG_STEP), rights(i));
	}
	return found;
}

/* VM-instruction errors of the entries (31.4). */
static const char *error_text(uint32_t error)
{
	switch (error) {
	case 4:	return "VMLAUNCH of a VMCS that has been launched";
	case 5:	return "VMRESUME of a VMCS that has not been launched";
	case 6:	return "VMRESUME after VMXOFF";
	case 7:	return "a control field";
	case 8:	return "a field of the host's state";
	case 26: return "events are blocked by MOV SS";
	default: return "see SDM vol. 3, 31.4";
	}
}

/* How an entry fails because of the guest's state (27.8). */
static const char *qualification_text(uint32_t reason, uint64_t qualification)
{
	static const char *const guest[] = { [2] = ": the PDPTEs", [3] = ": an NMI injected in the shadow of STI",
					     [4] = ": the VMCS link pointer" };

	if (reason == REASON_BAD_MSR_LOAD)
		return ": the MSR of that entry in the list";
	if (reason == REASON_MCE_AT_ENTRY)
		return ": a machine check during the entry";
	return reason == GUEST && qualification < ARRAY_SIZE(guest) && guest[qualification] ? guest[qualification] : "";
}

void vmx_explain(uint32_t reason, uint32_t insn_error)
{
	unsigned part = insn_error ? insn_error : reason & REASON_BASIC, found = 0;
	uint64_t qualification = get(VMCS_QUALIFICATION);

	if (insn_error)
		log_err("vmx: the processor refused the VM entry: VM-instruction error %u: %s", insn_error,
			error_text(insn_error));
	else
		log_err("vmx: the VM entry failed: exit reason %u, qualification %#lx%s", part, qualification,
			qualification_text(part, qualification));
	for (unsigned i = 0; i < ARRAY_SIZE(rules); i++) {
		if (rules[i].part != part || !rules[i].broken())
			continue;
		found++;
		log_err("vmx: %s is %#lx: %s", field_name(rules[i].field), get(rules[i].field), rules[i].text);
	}
	if (part == GUEST)
		found += explain_segments();
	if (!found)
		log_err("vmx: no field breaks a rule that Veneer knows");
}
