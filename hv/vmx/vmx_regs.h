/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtual machine control structure and its neighbours (Intel SDM vol. 3, chapters 25 to 29, appendices A to C). */
#ifndef HV_VMX_REGS_H
#define HV_VMX_REGS_H

/* VMCS fields that assembly needs (appendix B) */
#define VMCS_HOST_RSP			0x6c14

#ifndef __ASSEMBLER__

#include <veneer/types.h>

#define CPUID_VMX			BIT(5)		/* 1h ECX */

#define  FEATURE_LOCK			BIT64(0)	/* MSR_FEATURE_CONTROL, appendix 24.7 */
#define  FEATURE_VMX_IN_SMX		BIT64(1)
#define  FEATURE_VMX			BIT64(2)
#define  FEATURE_LMCE			BIT64(20)

/* Capability MSRs (appendix A) */
#define MSR_VMX_BASIC			0x480u
#define  BASIC_REVISION			GENMASK64(30, 0)
#define  BASIC_TRUE			BIT64(55)
#define  BASIC_ANY_ERROR_CODE		BIT64(56)	/* entries do not check which exceptions have one */
#define MSR_VMX_PINBASED		0x481u
#define MSR_VMX_PROCBASED		0x482u
#define MSR_VMX_EXIT			0x483u
#define MSR_VMX_ENTRY			0x484u
#define MSR_VMX_MISC			0x485u
#define  MISC_TIMER_SHIFT		GENMASK64(4, 0)
#define  MISC_HLT			BIT64(6)
#define  MISC_SHUTDOWN			BIT64(7)
#define  MISC_WAIT_SIPI			BIT64(8)
#define  MISC_LENGTH_0			BIT64(30)	/* software events of no instruction may be injected */
#define MSR_VMX_CR0_FIXED0		0x486u
#define MSR_VMX_CR0_FIXED1		0x487u
#define MSR_VMX_CR4_FIXED0		0x488u
#define MSR_VMX_CR4_FIXED1		0x489u
#define MSR_VMX_PROCBASED2		0x48bu
#define MSR_VMX_EPT_VPID		0x48cu
#define  EPT_4_LEVELS			BIT64(6)
#define  EPT_WB				BIT64(14)
#define  EPT_2M				BIT64(16)
#define  EPT_1G				BIT64(17)
#define  EPT_INVEPT			BIT64(20)
#define  EPT_INVEPT_ALL			BIT64(26)
#define  EPT_INVVPID			BIT64(32)
#define  EPT_INVVPID_ALL		BIT64(42)
#define MSR_VMX_TRUE_PINBASED		0x48du
#define MSR_VMX_TRUE_PROCBASED		0x48eu
#define MSR_VMX_TRUE_EXIT		0x48fu
#define MSR_VMX_TRUE_ENTRY		0x490u
#define MSR_VMX_LAST			0x491u

/* Pin-based controls (25.6.1) */
#define PIN_EXTINT			BIT(0)
#define PIN_NMI				BIT(3)
#define PIN_VIRTUAL_NMI			BIT(5)
#define PIN_TIMER			BIT(6)
/* Primary processor-based controls (25.6.2) */
#define PROC_INTR_WINDOW		BIT(2)
#define PROC_TSC_OFFSET			BIT(3)
#define PROC_HLT			BIT(7)
#define PROC_INVLPG			BIT(9)
#define PROC_MWAIT			BIT(10)
#define PROC_RDPMC			BIT(11)
#define PROC_RDTSC			BIT(12)
#define PROC_CR3_LOAD			BIT(15)
#define PROC_CR3_STORE			BIT(16)
#define PROC_CR8_LOAD			BIT(19)
#define PROC_CR8_STORE			BIT(20)
#define PROC_NMI_WINDOW			BIT(22)
#define PROC_MOV_DR			BIT(23)
#define PROC_ALL_IO			BIT(24)
#define PROC_IO_BITMAPS			BIT(25)
#define PROC_MSR_BITMAPS		BIT(28)
#define PROC_MONITOR			BIT(29)
#define PROC_PAUSE			BIT(30)
#define PROC_SECONDARY			BIT(31)
/* Secondary processor-based controls (25.6.2) */
#define PROC2_EPT			BIT(1)
#define PROC2_RDTSCP			BIT(3)
#define PROC2_VPID			BIT(5)
#define PROC2_UNRESTRICTED		BIT(7)
#define PROC2_INVPCID			BIT(12)
#define PROC2_XSAVES			BIT(20)
#define PROC2_WAITPKG			BIT(26)
/* VM-exit controls (25.7.1) */
#define EXIT_CTL_SAVE_DEBUG		BIT(2)
#define EXIT_CTL_HOST_64		BIT(9)
#define EXIT_CTL_SAVE_PAT		BIT(18)
#define EXIT_CTL_LOAD_PAT		BIT(19)
#define EXIT_CTL_SAVE_EFER		BIT(20)
#define EXIT_CTL_LOAD_EFER		BIT(21)
/* VM-entry controls (25.8.1) */
#define ENTRY_CTL_LOAD_DEBUG		BIT(2)
#define ENTRY_CTL_IA32E			BIT(9)
#define ENTRY_CTL_LOAD_PAT		BIT(14)
#define ENTRY_CTL_LOAD_EFER		BIT(15)

/*
 * Fields: encodings (appendix B) and names, from which the enum and the messages are made.
 * ES, CS ... TR and their limits, rights and bases follow each other at a distance of 2, in the order of enum vmcs_seg.
 */
#define VMCS_FIELDS(F) \
	F(VPID,			0x0000, "virtual-processor identifier") \
	F(GUEST_ES_SEL,		0x0800, "guest ES selector") \
	F(GUEST_SS_SEL,		0x0804, "guest SS selector") \
	F(GUEST_TR_SEL,		0x080e, "guest TR selector") \
	F(HOST_ES_SEL,		0x0c00, "host ES selector") \
	F(HOST_CS_SEL,		0x0c02, "host CS selector") \
	F(HOST_SS_SEL,		0x0c04, "host SS selector") \
	F(HOST_DS_SEL,		0x0c06, "host DS selector") \
	F(HOST_FS_SEL,		0x0c08, "host FS selector") \
	F(HOST_GS_SEL,		0x0c0a, "host GS selector") \
	F(HOST_TR_SEL,		0x0c0c, "host TR selector") \
	F(IO_BITMAP_A,		0x2000, "address of I/O bitmap A") \
	F(IO_BITMAP_B,		0x2002, "address of I/O bitmap B") \
	F(MSR_BITMAP,		0x2004, "address of MSR bitmaps") \
	F(TSC_OFFSET,		0x2010, "TSC offset") \
	F(EPTP,			0x201a, "EPT pointer") \
	F(XSS_BITMAP,		0x202c, "XSS-exiting bitmap") \
	F(GUEST_PHYS_ADDR,	0x2400, "guest-physical address") \
	F(LINK_POINTER,		0x2800, "VMCS link pointer") \
	F(GUEST_DEBUGCTL,	0x2802, "guest IA32_DEBUGCTL") \
	F(GUEST_PAT,		0x2804, "guest IA32_PAT") \
	F(GUEST_EFER,		0x2806, "guest IA32_EFER") \
	F(GUEST_PDPTE0,		0x280a, "guest PDPTE0") \
	F(GUEST_PDPTE1,		0x280c, "guest PDPTE1") \
	F(GUEST_PDPTE2,		0x280e, "guest PDPTE2") \
	F(GUEST_PDPTE3,		0x2810, "guest PDPTE3") \
	F(HOST_PAT,		0x2c00, "host IA32_PAT") \
	F(HOST_EFER,		0x2c02, "host IA32_EFER") \
	F(PIN_CTLS,		0x4000, "pin-based controls") \
	F(PROC_CTLS,		0x4002, "primary processor-based controls") \
	F(EXCEPTION_BITMAP,	0x4004, "exception bitmap") \
	F(PF_MASK,		0x4006, "page-fault error-code mask") \
	F(PF_MATCH,		0x4008, "page-fault error-code match") \
	F(CR3_TARGETS,		0x400a, "CR3-target count") \
	F(EXIT_CTLS,		0x400c, "VM-exit controls") \
	F(EXIT_MSR_STORES,	0x400e, "VM-exit MSR-store count") \
	F(EXIT_MSR_LOADS,	0x4010, "VM-exit MSR-load count") \
	F(ENTRY_CTLS,		0x4012, "VM-entry controls") \
	F(ENTRY_MSR_LOADS,	0x4014, "VM-entry MSR-load count") \
	F(ENTRY_EVENT,		0x4016, "VM-entry interruption information") \
	F(ENTRY_ERROR,		0x4018, "VM-entry exception error code") \
	F(ENTRY_INSN_LEN,	0x401a, "VM-entry instruction length") \
	F(PROC2_CTLS,		0x401e, "secondary processor-based controls") \
	F(INSN_ERROR,		0x4400, "VM-instruction error") \
	F(EXIT_REASON,		0x4402, "exit reason") \
	F(EXIT_EVENT,		0x4404, "VM-exit interruption information") \
	F(EXIT_ERROR,		0x4406, "VM-exit interruption error code") \
	F(VECTORING,		0x4408, "IDT-vectoring information") \
	F(VECTORING_ERROR,	0x440a, "IDT-vectoring error code") \
	F(EXIT_INSN_LEN,	0x440c, "VM-exit instruction length") \
	F(GUEST_ES_LIMIT,	0x4800, "guest ES limit") \
	F(GUEST_GDTR_LIMIT,	0x4810, "guest GDTR limit") \
	F(GUEST_IDTR_LIMIT,	0x4812, "guest IDTR limit") \
	F(GUEST_ES_RIGHTS,	0x4814, "guest ES access rights") \
	F(GUEST_BLOCKING,	0x4824, "guest interruptibility state") \
	F(GUEST_ACTIVITY,	0x4826, "guest activity state") \
	F(GUEST_SYSENTER_CS,	0x482a, "guest IA32_SYSENTER_CS") \
	F(TIMER,		0x482e, "VMX-preemption timer value") \
	F(HOST_SYSENTER_CS,	0x4c00, "host IA32_SYSENTER_CS") \
	F(CR0_MASK,		0x6000, "CR0 guest/host mask") \
	F(CR4_MASK,		0x6002, "CR4 guest/host mask") \
	F(CR0_SHADOW,		0x6004, "CR0 read shadow") \
	F(CR4_SHADOW,		0x6006, "CR4 read shadow") \
	F(QUALIFICATION,	0x6400, "exit qualification") \
	F(GUEST_LINEAR,		0x640a, "guest-linear address") \
	F(GUEST_CR0,		0x6800, "guest CR0") \
	F(GUEST_CR3,		0x6802, "guest CR3") \
	F(GUEST_CR4,		0x6804, "guest CR4") \
	F(GUEST_ES_BASE,	0x6806, "guest ES base") \
	F(GUEST_GDTR_BASE,	0x6816, "guest GDTR base") \
	F(GUEST_IDTR_BASE,	0x6818, "guest IDTR base") \
	F(GUEST_DR7,		0x681a, "guest DR7") \
	F(GUEST_RSP,		0x681c, "guest RSP") \
	F(GUEST_RIP,		0x681e, "guest RIP") \
	F(GUEST_RFLAGS,		0x6820, "guest RFLAGS") \
	F(GUEST_PENDING_DB,	0x6822, "guest pending debug exceptions") \
	F(GUEST_SYSENTER_ESP,	0x6824, "guest IA32_SYSENTER_ESP") \
	F(GUEST_SYSENTER_EIP,	0x6826, "guest IA32_SYSENTER_EIP") \
	F(HOST_CR0,		0x6c00, "host CR0") \
	F(HOST_CR3,		0x6c02, "host CR3") \
	F(HOST_CR4,		0x6c04, "host CR4") \
	F(HOST_FS_BASE,		0x6c06, "host FS base") \
	F(HOST_GS_BASE,		0x6c08, "host GS base") \
	F(HOST_TR_BASE,		0x6c0a, "host TR base") \
	F(HOST_GDTR_BASE,	0x6c0c, "host GDTR base") \
	F(HOST_IDTR_BASE,	0x6c0e, "host IDTR base") \
	F(HOST_SYSENTER_ESP,	0x6c10, "host IA32_SYSENTER_ESP") \
	F(HOST_SYSENTER_EIP,	0x6c12, "host IA32_SYSENTER_EIP") \
	F(HOST_RIP,		0x6c16, "host RIP")

#define VMCS_ENUM(name, encoding, text)	VMCS_##name = (encoding),
enum vmcs_field { VMCS_FIELDS(VMCS_ENUM) };
#undef VMCS_ENUM

#define VMCS_SEG_STEP		2u
#define VMCS_PDPTE_STEP		2u

/* Access rights (25.4.1) */
#define RIGHTS_TYPE		GENMASK(3, 0)
#define RIGHTS_S		BIT(4)
#define RIGHTS_DPL		GENMASK(6, 5)
#define RIGHTS_P		BIT(7)
#define RIGHTS_L		BIT(13)
#define RIGHTS_DB		BIT(14)
#define RIGHTS_G		BIT(15)
#define RIGHTS_UNUSABLE		BIT(16)

/* Interruptibility state (25.4.2) */
#define BLOCKING_STI		BIT(0)
#define BLOCKING_MOV_SS		BIT(1)
#define BLOCKING_SMI		BIT(2)
#define BLOCKING_NMI		BIT(3)

#define ACTIVITY_ACTIVE		0u
#define ACTIVITY_HLT		1u
#define ACTIVITY_SHUTDOWN	2u
#define ACTIVITY_WAIT_SIPI	3u

/* Interruption information of entry and exit, and IDT-vectoring information (25.8.3, 25.9.2, 25.9.3) */
#define EVENT_INFO_VECTOR	GENMASK(7, 0)
#define EVENT_INFO_TYPE		GENMASK(10, 8)
#define  EVENT_TYPE_EXTINT	0u
#define  EVENT_TYPE_NMI		2u
#define  EVENT_TYPE_EXCEPTION	3u
#define  EVENT_TYPE_SOFT_INT	4u
#define  EVENT_TYPE_PRIV_SOFT	5u
#define  EVENT_TYPE_SOFT_EXC	6u
#define EVENT_INFO_ERROR	BIT(11)
#define EVENT_INFO_IRET		BIT(12)		/* exits: NMI unblocking due to IRET */
#define EVENT_INFO_VALID	BIT(31)

/* Exit reasons (appendix C) */
#define REASON_ENTRY_FAILED	BIT(31)
#define REASON_BASIC		GENMASK(15, 0)
#define REASON_EXCEPTION	0u
#define REASON_TRIPLE_FAULT	2u
#define REASON_INIT		3u
#define REASON_SIPI		4u
#define REASON_INTR_WINDOW	7u
#define REASON_NMI_WINDOW	8u
#define REASON_TASK_SWITCH	9u
#define REASON_CPUID		10u
#define REASON_GETSEC		11u
#define REASON_INVD		13u
#define REASON_VMCALL		18u
#define REASON_VMCLEAR		19u
#define REASON_VMXON		27u
#define REASON_CR		28u
#define REASON_IO		30u
#define REASON_RDMSR		31u
#define REASON_WRMSR		32u
#define REASON_BAD_GUEST	33u
#define REASON_BAD_MSR_LOAD	34u
#define REASON_MCE_AT_ENTRY	41u
#define REASON_EPT_VIOLATION	48u
#define REASON_EPT_MISCONFIG	49u
#define REASON_INVEPT		50u
#define REASON_TIMER		52u
#define REASON_INVVPID		53u
#define REASON_XSETBV		55u
#define REASON_SEAMCALL		76u		/* TDX */
#define REASON_TDCALL		77u

/* Exit qualifications (28.2.1) */
#define SIPI_QUAL_VECTOR	0xff
#define IO_QUAL_SIZE		GENMASK(2, 0)	/* less one */
#define IO_QUAL_IN		BIT(3)
#define IO_QUAL_STRING		BIT(4)
#define IO_QUAL_REP		BIT(5)
#define IO_QUAL_PORT		GENMASK(31, 16)
#define CR_QUAL_NUMBER		GENMASK(3, 0)
#define EPT_QUAL_WRITE		BIT(1)
#define EPT_QUAL_FETCH		BIT(2)
#define EPT_QUAL_LINEAR		BIT(7)		/* by a linear address; not: PDPTEs are loaded */
#define EPT_QUAL_FINAL		BIT(8)		/* the translation itself, not an entry of the guest's tables */
#define EPT_QUAL_IRET		BIT(12)
#define TASK_QUAL_SELECTOR	GENMASK(15, 0)
#define TASK_QUAL_SOURCE	GENMASK(31, 30)

/* EPT pointer and entries (25.6.11, 29.3.2) */
#define EPTP_WB			6ull
#define EPTP_4_LEVELS		(3ull << 3)
#define EPT_RWX			7ull
#define EPT_TYPE		GENMASK64(5, 3)

#define MSR_SMM_MONITOR		0x9bu
#define MSR_UCODE_TRIGGER	0x79u
#define MSR_SMRR_BASE		0x1f2u
#define MSR_SMRR_MASK		0x1f3u
#define MSR_DEBUGCTL		0x1d9u
#define MSR_PEBS_ENABLE		0x3f1u		/* PEBS: vol. 3, 20.6.2.4; architectural: 20.3.1 */
#define MSR_PEBS_BASE		0x3f4u
#define MSR_PEBS_INDEX		0x3f5u
#define MSR_DS_AREA		0x600u
#define MSR_PT_FIRST		0x560u		/* Intel PT: output base to address ranges (33.2.8) */
#define MSR_PT_LAST		0x58fu

#endif
#endif
