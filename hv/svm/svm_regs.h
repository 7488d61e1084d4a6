/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtual machine control block and its neighbours (AMD APM vol. 2, chapter 15 and appendix B). */
#ifndef HV_SVM_REGS_H
#define HV_SVM_REGS_H

#define MSR_VM_CR		0xc0010114
#define  VM_CR_R_INIT		0x02
#define  VM_CR_DIS_A20M		0x04
#define  VM_CR_LOCK		0x08
#define  VM_CR_SVMDIS		0x10
#define MSR_VM_HSAVE_PA		0xc0010117
#define MSR_IGNNE		0xc0010115u
#define MSR_AMD_FIRST		0xc0010000u	/* the second range of the permission map */
#define MSR_AMD_LAST		0xc0011fffu

#define CPUID_SVM		0x8000000a
#define  SVM_EDX_NP		0x00000001
#define  SVM_EDX_SVML		0x00000004
#define  SVM_EDX_NRIPS		0x00000008
#define  SVM_EDX_DECODE		0x00000080
#define  SVM_EDX_VNMI		0x02000000

/* VMCB offsets that assembly needs */
#define VMCB_RFLAGS		0x570
#define VMCB_RIP		0x578
#define VMCB_RSP		0x5d8
#define VMCB_RAX		0x5f8

#ifndef __ASSEMBLER__

#include <veneer/types.h>

/* vmcb.intercept1 */
#define ICPT_INTR		BIT(0)
#define ICPT_NMI		BIT(1)
#define ICPT_SMI		BIT(2)
#define ICPT_INIT		BIT(3)
#define ICPT_VINTR		BIT(4)
#define ICPT_CPUID		BIT(18)
#define ICPT_IRET		BIT(20)
#define ICPT_INVD		BIT(22)
#define ICPT_INVLPGA		BIT(26)
#define ICPT_IOIO		BIT(27)
#define ICPT_MSR		BIT(28)
#define ICPT_SHUTDOWN		BIT(31)
/* vmcb.intercept2 */
#define ICPT_VMRUN		BIT(0)
#define ICPT_VMMCALL		BIT(1)
#define ICPT_VMLOAD		BIT(2)
#define ICPT_VMSAVE		BIT(3)
#define ICPT_STGI		BIT(4)
#define ICPT_CLGI		BIT(5)
#define ICPT_SKINIT		BIT(6)

#define VMEXIT_EXCP		0x40u	/* + vector */
#define VMEXIT_INTR		0x60u
#define VMEXIT_NMI		0x61u
#define VMEXIT_SMI		0x62u
#define VMEXIT_INIT		0x63u
#define VMEXIT_VINTR		0x64u
#define VMEXIT_CPUID		0x72u
#define VMEXIT_IRET		0x74u
#define VMEXIT_INVD		0x76u
#define VMEXIT_INVLPGA		0x7au
#define VMEXIT_IOIO		0x7bu
#define VMEXIT_MSR		0x7cu
#define VMEXIT_SHUTDOWN		0x7fu
#define VMEXIT_VMRUN		0x80u
#define VMEXIT_VMMCALL		0x81u
#define VMEXIT_VMLOAD		0x82u
#define VMEXIT_VMSAVE		0x83u
#define VMEXIT_STGI		0x84u
#define VMEXIT_CLGI		0x85u
#define VMEXIT_SKINIT		0x86u
#define VMEXIT_NPF		0x400u
#define VMEXIT_INVALID		0xffffffffu	/* -1; emulators give only the low half */

/* exitinfo1 of IOIO (15.10.2) */
#define IOIO_IN			BIT(0)
#define IOIO_STR		BIT(2)
#define IOIO_REP		BIT(3)
#define IOIO_SZ			GENMASK(6, 4)	/* 1, 2, 4 */
#define IOIO_PORT		GENMASK(31, 16)

/* exitinfo1 of NPF (15.25.6) */
#define NPF_WRITE		BIT(1)
#define NPF_FETCH		BIT(4)
#define NPF_WALK		BIT64(33)

/* exitintinfo, eventinj (15.20) */
#define EVENT_VECTOR		GENMASK64(7, 0)
#define EVENT_TYPE		GENMASK64(10, 8)
#define  EVENT_INTR		0u
#define  EVENT_NMI		2u
#define  EVENT_EXCEPTION	3u
#define  EVENT_SOFT		4u
#define EVENT_HAS_ERROR		BIT64(11)
#define EVENT_VALID		BIT64(31)
#define EVENT_ERROR		GENMASK64(63, 32)

/* DR6 (13.1.1.3) and DR7 */
#define DR6_B			GENMASK64(3, 0)
#define DR6_BD			BIT64(13)
#define DR6_BS			BIT64(14)
#define DR6_BT			BIT64(15)
#define DR7_ENABLED(i)		(3ull << (2 * (i)))

/* vmcb.shadow (15.21.5) */
#define SHADOW_INTERRUPT	BIT64(0)

/* vmcb.vintr (15.21.4) */
#define VINTR_IRQ		BIT64(8)
#define VINTR_NMI		BIT64(11)	/* one is pending (15.21.10) */
#define VINTR_NMI_MASK		BIT64(12)	/* they are blocked */
#define VINTR_IGN_TPR		BIT64(20)
#define VINTR_MASKING		BIT64(24)	/* physical interrupts wait, as the host's IF is 0 */
#define VINTR_NMI_ENABLE	BIT64(26)
#define VINTR_VECTOR		GENMASK64(39, 32)

#define TLB_FLUSH_NONE		0
#define TLB_FLUSH_ALL		1

/* vmcb.clean (15.15.1): a set bit allows the processor to use its cached copy */
#define CLEAN_INTERCEPTS	BIT(0)
#define CLEAN_VINTR		BIT(3)
#define CLEAN_DR		BIT(6)
#define CLEAN_CR2		BIT(9)
#define CLEAN_ALL		0x3ffu

struct vmcb_seg {
	uint16_t selector, attr;
	uint32_t limit;
	uint64_t base;
} PACKED;

struct vmcb {
	uint32_t cr_icpt, dr_icpt, exc_icpt, intercept1, intercept2, intercept3;
	uint8_t reserved0[0x3c - 0x18];
	uint16_t pause_threshold, pause_count;
	uint64_t iopm, msrpm, tsc_offset;
	uint32_t asid;
	uint8_t tlb_control, reserved1[3];
	uint64_t vintr, shadow, exitcode, exitinfo1, exitinfo2, exitintinfo, np_enable;
	uint64_t avic_bar, ghcb, eventinj, ncr3, lbr;
	uint32_t clean, reserved2;
	uint64_t nrip;
	uint8_t nbytes, bytes[15];
	uint8_t reserved3[0x400 - 0xe0];
	/* State save area (table B-2) */
	struct vmcb_seg es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
	uint8_t reserved4[0x4cb - 0x4a0];
	uint8_t cpl;
	uint32_t reserved5;
	uint64_t efer;
	uint8_t reserved6[0x548 - 0x4d8];
	uint64_t cr4, cr3, cr0, dr7, dr6, rflags, rip;
	uint8_t reserved7[0x5d8 - 0x580];
	uint64_t rsp, s_cet, ssp, isst, rax;
	uint64_t star, lstar, cstar, sfmask, kernel_gs_base, sysenter_cs, sysenter_esp, sysenter_eip, cr2;
	uint8_t reserved8[0x668 - 0x648];
	uint64_t gpat;
	uint8_t reserved9[0x1000 - 0x670];
} PACKED;

_Static_assert(offsetof(struct vmcb, iopm) == 0x40, "VMCB");
_Static_assert(offsetof(struct vmcb, exitcode) == 0x70, "VMCB");
_Static_assert(offsetof(struct vmcb, ncr3) == 0xb0, "VMCB");
_Static_assert(offsetof(struct vmcb, nrip) == 0xc8, "VMCB");
_Static_assert(offsetof(struct vmcb, es) == 0x400, "VMCB");
_Static_assert(offsetof(struct vmcb, efer) == 0x4d0, "VMCB");
_Static_assert(offsetof(struct vmcb, rflags) == VMCB_RFLAGS, "VMCB");
_Static_assert(offsetof(struct vmcb, rip) == VMCB_RIP, "VMCB");
_Static_assert(offsetof(struct vmcb, rsp) == VMCB_RSP, "VMCB");
_Static_assert(offsetof(struct vmcb, rax) == VMCB_RAX, "VMCB");
_Static_assert(offsetof(struct vmcb, cr2) == 0x640, "VMCB");
_Static_assert(offsetof(struct vmcb, gpat) == 0x668, "VMCB");
_Static_assert(sizeof(struct vmcb) == 4096, "VMCB");

#endif
#endif
