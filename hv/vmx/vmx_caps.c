/* SPDX-License-Identifier: BSD-2-Clause */
/* What this processor's VMX can do, by its capability MSRs (SDM vol. 3, appendix A), and what Veneer asks of it. */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/string.h>
#include "hv/vmx/vmx.h"
#include "hv/x86.h"

/* Why each is used is in docs/controls.md. */
enum use { REQUIRED, OPTIONAL, UNWANTED };

static const struct control {
	uint8_t word, use;
	uint32_t bit;
	const char *name;
} controls[] = {
	{ WORD_PIN, REQUIRED, PIN_NMI, "NMI exiting" },
	{ WORD_PIN, REQUIRED, PIN_VIRTUAL_NMI, "virtual NMIs" },
	{ WORD_PIN, REQUIRED, PIN_TIMER, "the VMX-preemption timer" },
	{ WORD_PIN, UNWANTED, PIN_EXTINT, "external-interrupt exiting" },
	{ WORD_PROC, REQUIRED, PROC_TSC_OFFSET, "TSC offsetting" },
	{ WORD_PROC, REQUIRED, PROC_IO_BITMAPS, "I/O bitmaps" },
	{ WORD_PROC, REQUIRED, PROC_MSR_BITMAPS, "MSR bitmaps" },
	{ WORD_PROC, REQUIRED, PROC_SECONDARY, "secondary controls" },
	{ WORD_PROC, UNWANTED, PROC_HLT, "HLT exiting" },
	{ WORD_PROC, UNWANTED, PROC_INVLPG, "INVLPG exiting" },
	{ WORD_PROC, UNWANTED, PROC_MWAIT, "MWAIT exiting" },
	{ WORD_PROC, UNWANTED, PROC_RDPMC, "RDPMC exiting" },
	{ WORD_PROC, UNWANTED, PROC_RDTSC, "RDTSC exiting" },
	{ WORD_PROC, UNWANTED, PROC_CR3_LOAD, "CR3-load exiting" },
	{ WORD_PROC, UNWANTED, PROC_CR3_STORE, "CR3-store exiting" },
	{ WORD_PROC, UNWANTED, PROC_CR8_LOAD, "CR8-load exiting" },
	{ WORD_PROC, UNWANTED, PROC_CR8_STORE, "CR8-store exiting" },
	{ WORD_PROC, UNWANTED, PROC_MOV_DR, "MOV-DR exiting" },
	{ WORD_PROC, UNWANTED, PROC_ALL_IO, "unconditional I/O exiting" },
	{ WORD_PROC, UNWANTED, PROC_MONITOR, "MONITOR exiting" },
	{ WORD_PROC, UNWANTED, PROC_PAUSE, "PAUSE exiting" },
	{ WORD_PROC2, REQUIRED, PROC2_EPT, "extended page tables" },
	{ WORD_PROC2, REQUIRED, PROC2_UNRESTRICTED, "unrestricted guests" },
	{ WORD_PROC2, OPTIONAL, PROC2_VPID, "VPID" },
	{ WORD_PROC2, OPTIONAL, PROC2_RDTSCP, "RDTSCP" },
	{ WORD_PROC2, OPTIONAL, PROC2_INVPCID, "INVPCID" },
	{ WORD_PROC2, OPTIONAL, PROC2_XSAVES, "XSAVES" },
	{ WORD_PROC2, OPTIONAL, PROC2_WAITPKG, "user wait and pause" },
	{ WORD_EXIT, REQUIRED, EXIT_CTL_SAVE_DEBUG, "saving of debug controls" },
	{ WORD_EXIT, REQUIRED, EXIT_CTL_HOST_64, "a 64-bit host" },
	{ WORD_EXIT, REQUIRED, EXIT_CTL_SAVE_PAT, "saving of the PAT" },
	{ WORD_EXIT, REQUIRED, EXIT_CTL_LOAD_PAT, "loading of the host's PAT" },
	{ WORD_EXIT, REQUIRED, EXIT_CTL_SAVE_EFER, "saving of EFER" },
	{ WORD_EXIT, REQUIRED, EXIT_CTL_LOAD_EFER, "loading of the host's EFER" },
	{ WORD_ENTRY, REQUIRED, ENTRY_CTL_LOAD_DEBUG, "loading of debug controls" },
	{ WORD_ENTRY, REQUIRED, ENTRY_CTL_LOAD_PAT, "loading of the guest's PAT" },
	{ WORD_ENTRY, REQUIRED, ENTRY_CTL_LOAD_EFER, "loading of the guest's EFER" },
};

/* Set only at times, or never changed: these controls have to exist, too. */
static const struct control switched[] = {
	{ WORD_PROC, REQUIRED, PROC_NMI_WINDOW, "NMI-window exiting" },
	{ WORD_PROC, REQUIRED, PROC_INTR_WINDOW, "interrupt-window exiting" },
	{ WORD_ENTRY, REQUIRED, ENTRY_CTL_IA32E, "64-bit guests" },
};

static const struct { uint64_t bit; const char *name; } ept_features[] = {
	{ EPT_4_LEVELS, "extended page tables of 4 levels" },
	{ EPT_WB, "extended page tables in write-back memory" },
	{ EPT_2M, "2 MiB pages in extended page tables" },
	{ EPT_INVEPT, "INVEPT" },
	{ EPT_INVEPT_ALL, "INVEPT of all contexts" },
};

static char text[112];

static int refuse(const char **why, const char *before, const char *name, const char *after)
{
	fmt_string(text, sizeof(text), "%s%s%s", before, name, after);
	*why = text;
	return -ERR_NOTSUP;
}

/* The low half has the bits that must be 1, the high half those that may be 1 (A.3 to A.5). */
static void read_words(uint64_t word[WORD_COUNT])
{
	bool exact = rdmsr(MSR_VMX_BASIC) & BASIC_TRUE;

	word[WORD_PIN] = rdmsr(exact ? MSR_VMX_TRUE_PINBASED : MSR_VMX_PINBASED);
	word[WORD_PROC] = rdmsr(exact ? MSR_VMX_TRUE_PROCBASED : MSR_VMX_PROCBASED);
	word[WORD_EXIT] = rdmsr(exact ? MSR_VMX_TRUE_EXIT : MSR_VMX_EXIT);
	word[WORD_ENTRY] = rdmsr(exact ? MSR_VMX_TRUE_ENTRY : MSR_VMX_ENTRY);
	word[WORD_PROC2] = word[WORD_PROC] >> 32 & PROC_SECONDARY ? rdmsr(MSR_VMX_PROCBASED2) : 0;
}

static int choose_controls(struct vmx_caps *c, const char **why)
{
	uint64_t word[WORD_COUNT];

	read_words(word);
	for (unsigned i = 0; i < WORD_COUNT; i++)
		c->control[i] = (uint32_t)word[i];
	for (unsigned i = 0; i < ARRAY_SIZE(controls); i++) {
		const struct control *k = &controls[i];
		bool may = word[k->word] >> 32 & k->bit, must = word[k->word] & k->bit;

		if (k->use == UNWANTED && must)
			return refuse(why, "this processor's VMX insists on ", k->name, ", which Veneer does without");
		if (k->use == REQUIRED && !may)
			return refuse(why, "this processor's VMX lacks ", k->name, ", which Veneer needs");
		if (k->use != UNWANTED && may)
			c->control[k->word] |= k->bit;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(switched); i++)
		if (!(word[switched[i].word] >> 32 & switched[i].bit))
			return refuse(why, "this processor's VMX lacks ", switched[i].name, ", which Veneer needs");
	return 0;
}

int vmx_caps_read(struct vmx_caps *c, const char **why)
{
	int err = choose_controls(c, why);
	uint64_t ept;

	if (err)
		return err;
	ept = rdmsr(MSR_VMX_EPT_VPID);
	for (unsigned i = 0; i < ARRAY_SIZE(ept_features); i++)
		if (!(ept & ept_features[i].bit))
			return refuse(why, "this processor's VMX lacks ", ept_features[i].name, ", which Veneer needs");
	c->ept_1g = ept & EPT_1G;
	c->invvpid = (ept & EPT_INVVPID) && (ept & EPT_INVVPID_ALL);
	/* Tagged TLB entries need INVVPID.  Without it use no VPID: then every entry and exit flushes the TLB. */
	if (!c->invvpid)
		c->control[WORD_PROC2] &= ~PROC2_VPID;
	c->revision = (uint32_t)FIELD_GET(BASIC_REVISION, rdmsr(MSR_VMX_BASIC));
	c->timer_shift = (uint8_t)FIELD_GET(MISC_TIMER_SHIFT, rdmsr(MSR_VMX_MISC));
	c->wait_sipi = rdmsr(MSR_VMX_MISC) & MISC_WAIT_SIPI;
	c->halt = rdmsr(MSR_VMX_MISC) & MISC_HLT;
	c->cr0_fixed0 = rdmsr(MSR_VMX_CR0_FIXED0);
	c->cr0_fixed1 = rdmsr(MSR_VMX_CR0_FIXED1);
	c->cr4_fixed0 = rdmsr(MSR_VMX_CR4_FIXED0);
	c->cr4_fixed1 = rdmsr(MSR_VMX_CR4_FIXED1);
	return 0;
}

int vmx_allowed(const char **why)
{
	uint64_t feature;

	if (!(cpuid(1, 0).ecx & CPUID_VMX))
		return -ERR_NODEV;
	feature = rdmsr(MSR_FEATURE_CONTROL);
	if (!(feature & FEATURE_LOCK) || (feature & FEATURE_VMX))
		return 0;
	*why = "VT-x is switched off and locked by the firmware: enable \"Intel Virtualization Technology\" (\"VT-x\", "
		"\"VMX\") in its setup";
	return -ERR_NOTSUP;
}

uint64_t vmx_cr0_owned(const struct vmx_caps *c)
{
	return (c->cr0_fixed0 & ~(uint64_t)(CR0_PE | CR0_PG)) | (~c->cr0_fixed1 & 0xffffffff);
}
