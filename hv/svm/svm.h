/* SPDX-License-Identifier: BSD-2-Clause */
/* Declarations that the files of hv/svm share. */
#ifndef HV_SVM_H
#define HV_SVM_H

#include "hv/cpu/vcpu.h"
#include "hv/svm/svm_regs.h"

/* From the segments to CR2. */
#define SVM_SAVE_SIZE	(offsetof(struct vmcb, gpat) - offsetof(struct vmcb, es))

/* The guest's NMI blocking (svm_nmi.c). */
enum svm_nmi {
	SVM_NMI_OPEN,
	SVM_NMI_BLOCKED,		/* in its handler, until an IRET exits */
	SVM_NMI_IRET,			/* that has exited, at iret_rip, and has still to be executed */
};

struct svm_vcpu {
	struct vcpu v;			/* first */
	struct vmcb *vmcb;
	uint64_t pending_event;		/* for eventinj */
	enum svm_nmi nmi;
	bool nmi_wanted;		/* one of the guest's own waits */
	bool vnmi;			/* the processor has NMI virtualization; the rest is unused */
	bool stepping;			/* this entry runs one instruction, the IRET */
	uint64_t iret_rip;
	uint32_t step_icpt;
	uint64_t step_flags, step_dr6;	/* the guest's RFLAGS and DR6 before the step */
	bool window;			/* exit as soon as the guest can take an interrupt */
	bool clock;			/* physical interrupts exit */
	uint64_t host_cr0;
	bool emulated;			/* no silicon underneath: redo_sti(), entered */
	bool qemu;			/* nor KVM: choose_event() */
	bool virtual;			/* the vector in vmcb.vintr is one that the guest shall take with this entry */
	bool refused;			/* at the last entry it did not */
	uint8_t entered[SVM_SAVE_SIZE];	/* the guest's state before an entry, of emulators, */
	uint64_t entered_by[7];		/* and what of it the processor checks */
	bool nrips, decode;
	bool dirty_all;
	bool flush;			/* the TLB, at the next run */
};

/* --- svm_check.c --- */

/* Log why an entry failed: a line for each field of the state save area that breaks a rule of APM vol. 2, 15.5.1. */
void svm_explain(const struct vmcb *c);

static inline uint64_t svm_event(unsigned type, uint8_t vector)
{
	return EVENT_VALID | FIELD_PREP(EVENT_TYPE, type) | vector;
}

/* --- svm_nmi.c: the guest's own NMIs --- */

/* None wanted, none blocked.  @vnmi: CPUID has NMI virtualization. */
void svm_nmi_init(struct svm_vcpu *s, bool vnmi);
/*
 * Before each entry, when v.rip, v.rflags and pending_event are what goes in: injects an NMI, or prepares the exit at which it
 * can be done.  True: exit as soon as interrupts are on, too.
 */
bool svm_nmi_before(struct svm_vcpu *s);
/*
 * After each exit, with @x decoded and an interrupted event in pending_event.  Exits that belong to a step become EXIT_IRET;
 * v.rflags, DR6 and the intercepts are the guest's again.
 */
void svm_nmi_after(struct svm_vcpu *s, struct vmexit *x);

/* --- svm_msr.c --- */

/* Bits of the permission map for what a guest must not read or write. */
void svm_msr_policy(uint8_t *map);
void svm_msr_trap(uint8_t *map, uint32_t msr, bool read, bool write);
bool svm_rdmsr(struct vcpu *v, uint32_t msr, uint64_t *value);
bool svm_wrmsr(struct vcpu *v, uint32_t msr, uint64_t value);

extern const struct vcpu_ops svm_ops;

#endif
