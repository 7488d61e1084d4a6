/* SPDX-License-Identifier: BSD-2-Clause */
/* What the pieces of VMX share: capabilities, the set-up of a VMCS, events, the entry-failure report, MSRs. */
#ifndef HV_VMX_H
#define HV_VMX_H

#include "hv/cpu/vcpu.h"
#include "hv/mem/ptree.h"
#include "hv/vmx/vmx_regs.h"

/* --- vmx_caps.c --- */

enum vmx_word { WORD_PIN, WORD_PROC, WORD_PROC2, WORD_EXIT, WORD_ENTRY, WORD_COUNT };

struct vmx_caps {
	uint32_t control[WORD_COUNT];	/* as they go into the VMCS: what the processor insists on and what Veneer uses */
	uint64_t cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
	uint32_t revision;
	uint8_t timer_shift;		/* the preemption timer counts bits of the TSC from this one on */
	bool ept_1g, invvpid;
	bool wait_sipi;			/* the activity state */
};

/*
 * Ask the capability MSRs for every control that Veneer uses.  0; or -ERR_NOTSUP with *@why naming the first that is missing,
 * or that this processor does not let go of.
 */
int vmx_caps_read(struct vmx_caps *c, const char **why);

/* Whether the firmware lets VMX be used: 0, or -ERR_NOTSUP with *@why for the user. */
int vmx_allowed(const char **why);

/* CR0 bits that must be what VMX wants but that a guest may set otherwise (PE and PG are free: unrestricted guest). */
uint64_t vmx_cr0_owned(const struct vmx_caps *c);

/* --- vmx_vmcs.c: the VMCS that is loaded on this CPU --- */

void vmx_vmcs_controls(const struct vmx_caps *c, uint64_t eptp, uint64_t io_bitmaps, uint64_t msr_bitmap);
void vmx_vmcs_host(void);
void vmx_vmcs_guest(void);
void vmx_get_state(struct vcpu_regs *r);
void vmx_set_state(const struct vmx_caps *c, const struct vcpu_regs *r);

/* --- vmx_event.c --- */

/*
 * What the exit interrupted has to go in again: for the VM-entry interruption information, 0 when nothing.  *@error is set
 * where it has an error code, *@unblock_nmi when it is an NMI, whose blocking has begun already and would hold it up.
 */
uint32_t vmx_interrupted_event(uint32_t vectoring, uint32_t vectoring_error, uint32_t *error, bool *unblock_nmi);

/* Whether the exit came out of an IRET that had ended NMI blocking, which has to begin again (28.2.3). */
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
 * Switch the guest's task: NULL with *@r the new task's registers, or why it cannot be done, with *@r as it was; then a part
 * of the guest's memory may have been written.  DR7's local bits and NMI blocking are the caller's.
 */
const char *vmx_task_switch(struct vcpu_regs *r, const struct vmx_task *t);

/* --- vmx_check.c --- */

/*
 * Why an entry failed: a line for each field that is against the rules of chapter 27, by the VMCS loaded.  In a build without
 * VMX_CHECK the weak one of vmx.c stands in: one line with the processor's numbers.
 */
void vmx_explain(uint32_t reason, uint32_t insn_error);

/* --- vmx_msr.c --- */

/* Bits of a 4 KiB MSR bitmap (25.6.9) for what a guest must not read or write. */
void vmx_msr_policy(uint8_t *bitmap);
void vmx_msr_trap(uint8_t *bitmap, uint32_t msr, bool read, bool write);
bool vmx_rdmsr(struct vcpu *v, uint32_t msr, uint64_t *value);
bool vmx_wrmsr(struct vcpu *v, uint32_t msr, uint64_t value);

extern const struct pt_format vmx_ept_format;

extern const struct vcpu_ops vmx_ops;

#endif
