/* SPDX-License-Identifier: BSD-2-Clause */
/* Declarations that the files of hv/vmx share: capabilities, set-up of a VMCS, events, entry-failure report, MSRs. */
#ifndef HV_VMX_H
#define HV_VMX_H

#include "hv/cpu/vcpu.h"
#include "hv/mem/ptree.h"
#include "hv/vmx/vmx_regs.h"

/* --- vmx_caps.c --- */

enum vmx_word { WORD_PIN, WORD_PROC, WORD_PROC2, WORD_EXIT, WORD_ENTRY, WORD_COUNT };

struct vmx_caps {
	uint32_t control[WORD_COUNT];	/* for the VMCS: bits that the processor requires or Veneer uses */
	uint64_t cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
	uint32_t revision;
	uint8_t timer_shift;		/* the preemption timer counts changes of this TSC bit */
	bool ept_1g, invvpid;
	bool wait_sipi, halt;		/* the activity states */
};

/*
 * Check the capability MSRs for every control that Veneer uses.  0; or -ERR_NOTSUP with *@why naming the first control that is
 * missing, or that this processor cannot switch off.
 */
int vmx_caps_read(struct vmx_caps *c, const char **why);

/* 0 if firmware allows VMX, else -ERR_NOTSUP with *@why for the user. */
int vmx_allowed(const char **why);

/* CR0 bits that VMX fixes but a guest may want to change (not PE and PG: unrestricted guest). */
uint64_t vmx_cr0_owned(const struct vmx_caps *c);

/* vmx.c's, also for vmx_state.c. */
struct vmx_vcpu {
	struct vcpu v;			/* first */
	uint32_t *vmcs;
	uint32_t event, error;		/* for the next entry, 0: none */
	uint32_t windows;		/* PROC_NMI_WINDOW, PROC_INTR_WINDOW: in the VMCS */
	bool launched, nmi_wanted, window, timer;
	bool flush;			/* INVEPT at the next run */
};

/* --- vmx_vmcs.c: the VMCS that is loaded on this CPU --- */

void vmx_vmcs_controls(const struct vmx_caps *c, uint64_t eptp, uint64_t io_bitmaps, uint64_t msr_bitmap);
void vmx_vmcs_host(void);
void vmx_vmcs_guest(void);
void vmx_get_state(struct vcpu_regs *r);
void vmx_get_mode(struct vcpu_regs *r);		/* the part of vcpu_ops.get_code that is in the VMCS */
void vmx_get_segment(unsigned i, struct vcpu_seg *s);
void vmx_set_state(const struct vmx_caps *c, const struct vcpu_regs *r);

/* --- vmx_event.c --- */

/*
 * The VM-entry interruption information to re-inject the event that the exit interrupted; 0: none.  *@error is set if the event
 * has an error code, *@unblock_nmi if it is an NMI: NMI blocking has begun already and would make the entry fail.
 */
uint32_t vmx_interrupted_event(uint32_t vectoring, uint32_t vectoring_error, uint32_t *error, bool *unblock_nmi);

/* True if the exit interrupted an IRET that had ended NMI blocking: blocking has to be set again (28.2.3). */
bool vmx_iret_interrupted(uint32_t reason, uint32_t exit_event, uint64_t qualification, uint32_t vectoring);

/* --- vmx_task.c --- */

enum task_source { TASK_CALL, TASK_IRET, TASK_JMP, TASK_GATE };	/* as the exit qualification has them (28.2.1) */

struct vmx_task {
	uint16_t selector;		/* of the new TSS */
	enum task_source source;
	bool has_error;			/* TASK_GATE: an exception's */
	uint32_t error;
	uint64_t return_rip;		/* where the old task goes on */
};

/*
 * Switch the guest's task.  NULL, and *@r holds the new task's registers; or the reason of the failure, and *@r is unchanged,
 * but guest memory may have been written in part.  The caller clears DR7's local bits and updates NMI blocking.
 */
const char *vmx_task_switch(struct vcpu_regs *r, const struct vmx_task *t);

/* --- vmx_check.c --- */

/*
 * Log why an entry failed: a line for each field of the loaded VMCS that breaks a rule of chapter 27.  Without VMX_CHECK
 * vmx_no_check.c has this function: one line with the processor's error numbers.
 */
void vmx_explain(uint32_t reason, uint32_t insn_error);

/* --- vmx_msr.c --- */

/* Fill a 4 KiB MSR bitmap (25.6.9): the MSRs that a guest must not read or write exit. */
void vmx_msr_policy(uint8_t *bitmap);
void vmx_msr_trap(uint8_t *bitmap, uint32_t msr, bool read, bool write);
bool vmx_rdmsr(struct vcpu *v, uint32_t msr, uint64_t *value);
bool vmx_wrmsr(struct vcpu *v, uint32_t msr, uint64_t value);

extern const struct pt_format vmx_ept_format;

extern const struct vcpu_ops vmx_ops;

#endif
