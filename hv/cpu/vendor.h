/* SPDX-License-Identifier: BSD-2-Clause */
/* The processor vendors behind vcpu_ops, and the exit loop above them. */
#ifndef HV_VENDOR_H
#define HV_VENDOR_H

#include <veneer/vcpu.h>

extern const struct vcpu_ops svm_ops, vmx_ops;

/* The vendor of this machine; set once by vendor_choose(). */
extern const struct vcpu_ops *vendor;

/* Choose by probe().  0, or -ERR_NOTSUP after a line for the user. */
int vendor_choose(void);

/* Register the counters of exits. */
void exit_init(void);

/* Run the guest on this processor for ever. */
NORETURN void exit_loop(void);

/* exit handlers of their own files */
void exit_cpuid(struct vcpu *v);
bool exit_xsetbv(struct vcpu *v);	/* false: #GP */
bool exit_rdmsr(struct vcpu *v);	/* false: #GP */
bool exit_wrmsr(struct vcpu *v);

/*
 * Emulate the instruction at RIP, which touched memory that Veneer answers for (mmio.c).  @gpa is what the processor reported.
 */
void exit_mmio(struct vcpu *v, const struct vmexit *x);

/* A port access by IN, OUT, INS, OUTS. */
void exit_pio(struct vcpu *v, const struct vmexit *x);

/* RIP behind the current instruction: the processor's or the decoder's; 0 when neither knows. */
uint64_t exit_next_rip(struct vcpu *v, const struct vmexit *x);

/* Copy guest memory by linear address; bytes copied before a page was absent or not RAM. */
unsigned guest_read_linear(const struct vcpu_regs *r, uint64_t linear, void *buf, unsigned len);

/* The same from the current instruction on, by the code segment's base where the mode has one. */
unsigned guest_read_code(const struct vcpu_regs *r, void *buf, unsigned len);

/* Linear to guest-physical through the guest's own tables; false when absent. */
bool guest_translate(const struct vcpu_regs *r, uint64_t linear, uint64_t *gpa);

/* The same, and each table's entry on the way, from the top; the last one is where it ended. */
struct guest_walk_step { uint64_t gpa, entry; bool ram; };	/* @ram: not so, and there was nothing to read */
struct guest_walk {
	unsigned n;
	struct guest_walk_step step[5];
};
bool guest_walk(const struct vcpu_regs *r, uint64_t linear, uint64_t *gpa, struct guest_walk *w);

/* The guest is dead: a report on serial and screen (docs/debugging.md), then what the configuration says. */
NORETURN void guest_crash(struct vcpu *v, const struct vmexit *x, const char *why);
/* The state at a #DF, for the report of a triple fault that follows (the VMCB is undefined after SHUTDOWN). */
void guest_crash_remember(struct vcpu *v, const struct vmexit *x);

extern uint64_t exit_count[EXIT_KINDS];

#endif
