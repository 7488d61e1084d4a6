/* SPDX-License-Identifier: BSD-2-Clause */
/* The VMCS's set-up: controls, the host's state, the guest's (SDM vol. 3, chapter 25; each control: docs/controls.md). */
#include <veneer/string.h>
#include "hv/emul/walk.h"
#include "hv/vmx/vmx.h"
#include "hv/vmx/vmx_entry.h"
#include "hv/vmx/vmx_insn.h"
#include "hv/x86.h"

#define PAT_RESET	0x0007040600070406ull
#define EXCEPTION_DF	8
#define SELECTOR_MASK	0xfff8u		/* host selectors: RPL and TI must be 0 (27.2.3) */

/* Descriptor tables as SGDT and SIDT store them; the padding aligns the address. */
struct table {
	uint16_t padding[3], limit;
	uint64_t base;
};

static uint64_t ept_leaf(unsigned map)
{
	uint64_t e = FIELD_PREP(EPT_TYPE, FIELD_GET(MAP_TYPE, map));

	/* "Ignore PAT" stays 0: the guest's PAT applies, as on a machine without Veneer (29.3.7). */
	return e | (map & MAP_R ? BIT64(0) : 0) | (map & MAP_W ? BIT64(1) : 0) | (map & MAP_X ? BIT64(2) : 0);
}

const struct pt_format vmx_ept_format = { EPT_RWX, ept_leaf, .typed = true };

void vmx_vmcs_controls(const struct vmx_caps *c, uint64_t eptp, uint64_t io_bitmaps, uint64_t msr_bitmap)
{
	vmcs_write(VMCS_PIN_CTLS, c->control[WORD_PIN] & ~PIN_TIMER);	/* the clock switches the timer on */
	vmcs_write(VMCS_PROC_CTLS, c->control[WORD_PROC]);
	vmcs_write(VMCS_PROC2_CTLS, c->control[WORD_PROC2]);
	vmcs_write(VMCS_EXIT_CTLS, c->control[WORD_EXIT]);
	vmcs_write(VMCS_ENTRY_CTLS, c->control[WORD_ENTRY]);
	vmcs_write(VMCS_EXCEPTION_BITMAP, BIT(EXCEPTION_DF) | BIT(VCPU_EVENT_DB) | BIT(VCPU_EVENT_AC));
	vmcs_write(VMCS_PF_MASK, 0);
	vmcs_write(VMCS_PF_MATCH, 0);
	vmcs_write(VMCS_CR3_TARGETS, 0);
	vmcs_write(VMCS_EXIT_MSR_STORES, 0);
	vmcs_write(VMCS_EXIT_MSR_LOADS, 0);
	vmcs_write(VMCS_ENTRY_MSR_LOADS, 0);
	vmcs_write(VMCS_ENTRY_EVENT, 0);
	vmcs_write(VMCS_IO_BITMAP_A, io_bitmaps);
	vmcs_write(VMCS_IO_BITMAP_B, io_bitmaps + PAGE_SIZE);
	vmcs_write(VMCS_MSR_BITMAP, msr_bitmap);
	vmcs_write(VMCS_TSC_OFFSET, 0);
	vmcs_write(VMCS_EPTP, eptp | EPTP_WB | EPTP_4_LEVELS);
	vmcs_write(VMCS_LINK_POINTER, ~0ull);
	if (c->control[WORD_PROC2] & PROC2_VPID)
		vmcs_write(VMCS_VPID, 1);
	if (c->control[WORD_PROC2] & PROC2_XSAVES)
		vmcs_write(VMCS_XSS_BITMAP, 0);
	/* A guest's write that changes an owned bit exits.  Hidden are VMX, SMX, and what CPUID hides (hv/exit/cpuid.c). */
	vmcs_write(VMCS_CR0_MASK, vmx_cr0_owned(c));
	vmcs_write(VMCS_CR4_MASK, c->cr4_fixed0 | CR4_VMXE | CR4_SMXE | CR4_UINTR | CR4_FRED);
}

/* The host's state is this processor's present state; vmx_enter() sets the stack pointer. */
void vmx_vmcs_host(void)
{
	struct table gdtr = { 0 }, idtr = { 0 };
	uint16_t tr, cs, ss;
	const uint64_t *tss;

	__asm__ volatile("sgdt %0" : "=m"(gdtr.limit), "=m"(gdtr.base));
	__asm__ volatile("sidt %0" : "=m"(idtr.limit), "=m"(idtr.base));
	__asm__ volatile("str %0" : "=r"(tr));
	__asm__ volatile("movw %%cs, %0" : "=r"(cs));
	__asm__ volatile("movw %%ss, %0" : "=r"(ss));
	tss = (const uint64_t *)(uintptr_t)(gdtr.base + (tr & SELECTOR_MASK));
	vmcs_write(VMCS_HOST_CR0, read_cr0());
	vmcs_write(VMCS_HOST_CR3, read_cr3());
	vmcs_write(VMCS_HOST_CR4, read_cr4());
	vmcs_write(VMCS_HOST_EFER, rdmsr(MSR_EFER));
	vmcs_write(VMCS_HOST_PAT, rdmsr(MSR_PAT));
	vmcs_write(VMCS_HOST_CS_SEL, cs & SELECTOR_MASK);
	vmcs_write(VMCS_HOST_SS_SEL, ss & SELECTOR_MASK);
	vmcs_write(VMCS_HOST_DS_SEL, ss & SELECTOR_MASK);
	vmcs_write(VMCS_HOST_ES_SEL, ss & SELECTOR_MASK);
	vmcs_write(VMCS_HOST_FS_SEL, 0);
	vmcs_write(VMCS_HOST_GS_SEL, 0);
	vmcs_write(VMCS_HOST_TR_SEL, tr & SELECTOR_MASK);
	vmcs_write(VMCS_HOST_FS_BASE, rdmsr(MSR_FS_BASE));
	vmcs_write(VMCS_HOST_GS_BASE, rdmsr(MSR_GS_BASE));
	vmcs_write(VMCS_HOST_TR_BASE, (tss[0] >> 16 & 0xffffff) | (tss[0] >> 56) << 24 | tss[1] << 32);
	vmcs_write(VMCS_HOST_GDTR_BASE, gdtr.base);
	vmcs_write(VMCS_HOST_IDTR_BASE, idtr.base);
	vmcs_write(VMCS_HOST_SYSENTER_CS, 0);
	vmcs_write(VMCS_HOST_SYSENTER_ESP, 0);
	vmcs_write(VMCS_HOST_SYSENTER_EIP, 0);
	vmcs_write(VMCS_HOST_RIP, (uintptr_t)vmx_exited);
}

void vmx_vmcs_guest(void)
{
	vmcs_write(VMCS_GUEST_PAT, PAT_RESET);
	vmcs_write(VMCS_GUEST_DEBUGCTL, 0);
	vmcs_write(VMCS_GUEST_DR7, 0x400);
	vmcs_write(VMCS_GUEST_SYSENTER_CS, 0);
	vmcs_write(VMCS_GUEST_SYSENTER_ESP, 0);
	vmcs_write(VMCS_GUEST_SYSENTER_EIP, 0);
	vmcs_write(VMCS_GUEST_PENDING_DB, 0);
	vmcs_write(VMCS_GUEST_BLOCKING, 0);
}

void vmx_get_segment(unsigned i, struct vcpu_seg *s)
{
	uint32_t rights = (uint32_t)vmcs_read(VMCS_GUEST_ES_RIGHTS + i * VMCS_SEG_STEP);

	s->selector = (uint16_t)vmcs_read(VMCS_GUEST_ES_SEL + i * VMCS_SEG_STEP);
	s->limit = (uint32_t)vmcs_read(VMCS_GUEST_ES_LIMIT + i * VMCS_SEG_STEP);
	s->base = vmcs_read(VMCS_GUEST_ES_BASE + i * VMCS_SEG_STEP);
	s->attr = (uint16_t)((rights & 0xff) | (rights >> 4 & 0xf00));
	if (rights & RIGHTS_UNUSABLE)
		s->attr &= (uint16_t)~RIGHTS_P;
}

static void set_segment(unsigned i, const struct vcpu_seg *s)
{
	uint32_t rights = (s->attr & 0xffu) | (s->attr & 0xf00u) << 4;

	vmcs_write(VMCS_GUEST_ES_SEL + i * VMCS_SEG_STEP, s->selector);
	vmcs_write(VMCS_GUEST_ES_LIMIT + i * VMCS_SEG_STEP, s->limit);
	vmcs_write(VMCS_GUEST_ES_BASE + i * VMCS_SEG_STEP, s->base);
	/* The DPL of SS is the privilege level, also if SS is unusable. */
	vmcs_write(VMCS_GUEST_ES_RIGHTS + i * VMCS_SEG_STEP, rights & RIGHTS_P ? rights : rights | RIGHTS_UNUSABLE);
}

/* A control register as the guest sees it. */
static uint64_t seen(uint32_t reg, uint32_t mask, uint32_t shadow)
{
	uint64_t m = vmcs_read(mask);

	return (vmcs_read(reg) & ~m) | (vmcs_read(shadow) & m);
}

void vmx_get_mode(struct vcpu_regs *r)
{
	r->cr0 = seen(VMCS_GUEST_CR0, VMCS_CR0_MASK, VMCS_CR0_SHADOW);
	r->cr3 = vmcs_read(VMCS_GUEST_CR3);
	r->cr4 = seen(VMCS_GUEST_CR4, VMCS_CR4_MASK, VMCS_CR4_SHADOW);
	r->efer = vmcs_read(VMCS_GUEST_EFER);
	vmx_get_segment(SEG_CS, &r->seg[SEG_CS]);
}

void vmx_get_state(struct vcpu_regs *r)
{
	vmx_get_mode(r);
	r->cr2 = read_cr2();
	for (unsigned i = 0; i < SEG_COUNT; i++)
		vmx_get_segment(i, &r->seg[i]);
	r->gdtr.base = vmcs_read(VMCS_GUEST_GDTR_BASE);
	r->gdtr.limit = (uint16_t)vmcs_read(VMCS_GUEST_GDTR_LIMIT);
	r->idtr.base = vmcs_read(VMCS_GUEST_IDTR_BASE);
	r->idtr.limit = (uint16_t)vmcs_read(VMCS_GUEST_IDTR_LIMIT);
	/* The privilege level is SS's (25.4.1), in all modes. */
	r->cpl = (uint8_t)FIELD_GET(RIGHTS_DPL, (uint32_t)vmcs_read(VMCS_GUEST_ES_RIGHTS + SEG_SS * VMCS_SEG_STEP));
}

/*
 * With EPT an entry loads the four PDPTEs of PAE paging from the VMCS, not from memory (27.3.2.4).  Read them from memory only
 * when paging or CR3 changes, as the processor does: the guest may since have written values there with which an entry fails.
 */
static bool takes_pdptes(const struct vcpu_regs *r, const struct vcpu_regs *old)
{
	bool pae = (r->cr0 & CR0_PG) && (r->cr4 & CR4_PAE) && !(r->efer & EFER_LMA);

	return pae && (r->cr3 != old->cr3 || ((r->cr0 ^ old->cr0) & CR0_PG) || ((r->cr4 ^ old->cr4) & CR4_PAE) ||
		       (old->efer & EFER_LMA));
}

static void set_pdptes(const struct vcpu_regs *r)
{
	const uint64_t *table = guest_memory(r->cr3 & 0xffffffe0, 32, false);

	for (unsigned i = 0; i < 4; i++)
		vmcs_write(VMCS_GUEST_PDPTE0 + i * VMCS_PDPTE_STEP, table ? table[i] : 0);
}

void vmx_set_state(const struct vmx_caps *c, const struct vcpu_regs *r)
{
	uint32_t entry = (uint32_t)vmcs_read(VMCS_ENTRY_CTLS) & ~ENTRY_CTL_IA32E;
	uint64_t fixed0 = c->cr0_fixed0 & ~(uint64_t)(CR0_PE | CR0_PG);
	struct vcpu_regs old = {
		.cr0 = vmcs_read(VMCS_GUEST_CR0), .cr3 = vmcs_read(VMCS_GUEST_CR3), .cr4 = vmcs_read(VMCS_GUEST_CR4),
		.efer = vmcs_read(VMCS_GUEST_EFER),
	};

	vmcs_write(VMCS_GUEST_CR0, (r->cr0 | fixed0) & c->cr0_fixed1);
	vmcs_write(VMCS_CR0_SHADOW, r->cr0);
	write_cr2(r->cr2);
	vmcs_write(VMCS_GUEST_CR3, r->cr3);
	vmcs_write(VMCS_GUEST_CR4, (r->cr4 | c->cr4_fixed0) & c->cr4_fixed1);
	vmcs_write(VMCS_CR4_SHADOW, r->cr4);
	vmcs_write(VMCS_GUEST_EFER, r->efer);
	vmcs_write(VMCS_ENTRY_CTLS, entry | (r->efer & EFER_LMA ? ENTRY_CTL_IA32E : 0));
	for (unsigned i = 0; i < SEG_COUNT; i++)
		set_segment(i, &r->seg[i]);
	vmcs_write(VMCS_GUEST_GDTR_BASE, r->gdtr.base);
	vmcs_write(VMCS_GUEST_GDTR_LIMIT, r->gdtr.limit);
	vmcs_write(VMCS_GUEST_IDTR_BASE, r->idtr.base);
	vmcs_write(VMCS_GUEST_IDTR_LIMIT, r->idtr.limit);
	/* A guest that writes EFER in its NMI handler stays in the handler. */
	vmcs_write(VMCS_GUEST_BLOCKING, vmcs_read(VMCS_GUEST_BLOCKING) & BLOCKING_NMI);
	vmcs_write(VMCS_GUEST_ACTIVITY, ACTIVITY_ACTIVE);
	if (takes_pdptes(r, &old))
		set_pdptes(r);
}
