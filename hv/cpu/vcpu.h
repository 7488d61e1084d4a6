/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One virtual CPU, and what SVM and VMX must give alike.  hv/exit/exit.c sees this header and no vendor.
 */
#ifndef HV_VCPU_H
#define HV_VCPU_H

#include <veneer/types.h>

enum gpr { GPR_RAX, GPR_RCX, GPR_RDX, GPR_RBX, GPR_RSP, GPR_RBP, GPR_RSI, GPR_RDI,
	   GPR_R8, GPR_R9, GPR_R10, GPR_R11, GPR_R12, GPR_R13, GPR_R14, GPR_R15, GPR_COUNT };

/* Numbered as x86 segment overrides are. */
enum seg { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_LDTR, SEG_TR, SEG_COUNT };

struct vcpu_seg {
	uint16_t selector;
	uint16_t attr;		/* descriptor bits 40-47 in 0-7, 52-55 in 8-11, as in the VMCB (APM vol. 2, 15.5.1) */
	uint32_t limit;
	uint64_t base;
};

#define SEG_ATTR_L	BIT(9)
#define SEG_ATTR_DB	BIT(10)

#define RFLAGS_CF	BIT(0)
#define RFLAGS_PF	BIT(2)
#define RFLAGS_AF	BIT(4)
#define RFLAGS_ZF	BIT(6)
#define RFLAGS_SF	BIT(7)
#define RFLAGS_TF	BIT(8)
#define RFLAGS_IF	BIT(9)
#define RFLAGS_DF	BIT(10)
#define RFLAGS_OF	BIT(11)
#define RFLAGS_RF	BIT(16)
#define RFLAGS_VM	BIT(17)

#define CR0_PE		BIT(0)
#define CR0_ET		BIT(4)
#define CR0_WP		BIT(16)
#define CR0_NW		BIT(29)
#define CR0_CD		BIT(30)
#define CR0_PG		BIT(31)
#define CR4_PSE		BIT(4)
#define CR4_PAE		BIT(5)
#define CR4_LA57	BIT(12)
#define CR4_VMXE	BIT(13)
#define CR4_SMXE	BIT(14)
#define CR4_PCIDE	BIT(17)
#define CR4_OSXSAVE	BIT(18)
#define CR4_PKE		BIT(22)
#define CR4_CET		BIT(23)
#define EFER_SCE	BIT(0)
#define EFER_LME	BIT(8)
#define EFER_LMA	BIT(10)
#define EFER_NXE	BIT(11)
#define EFER_SVME	BIT(12)
#define EFER_FFXSR	BIT(14)
#define EFER_TCE	BIT(15)
#define EFER_AUTOIBRS	BIT(21)

/* The guest's state as neutral code sees it: loaded from the vendor's structure on demand, by vcpu_ops. */
struct vcpu_regs {
	uint64_t gpr[GPR_COUNT];
	uint64_t rip, rflags;
	uint64_t cr0, cr2, cr3, cr4, efer;
	struct vcpu_seg seg[SEG_COUNT];
	struct { uint64_t base; uint16_t limit; } gdtr, idtr;
	uint8_t cpl;
};

enum vmexit_kind {
	EXIT_INVALID,		/* the entry itself failed: the vendor has said how, get() tells the state */
	EXIT_NMI,
	EXIT_INTR,		/* a physical interrupt, pending, not taken */
	EXIT_CLOCK,		/* the vendor's own timer, while the clock is held */
	EXIT_CPUID,
	EXIT_RDMSR, EXIT_WRMSR,
	EXIT_PIO,
	EXIT_NPF,		/* nested page fault or EPT violation */
	EXIT_HYPERCALL,
	EXIT_SHUTDOWN,
	EXIT_UD,		/* an instruction that this guest does not have */
	EXIT_INVD, EXIT_XSETBV,
	EXIT_IRET,		/* the guest leaves its NMI handler */
	EXIT_WINDOW,		/* the guest can take an interrupt: interrupt_window() asked for it */
	EXIT_CR,		/* a control register write that the vendor has answered already */
	EXIT_TASK_SWITCH,	/* by a TSS or task gate, in 32-bit mode: the vendor has done it, or says why it cannot */
	EXIT_INIT,		/* an INIT came that the processor handed over: it has not been reset */
	EXIT_DOUBLE_FAULT,	/* the guest's #DF, before its handler: the last moment its state is whole */
	EXIT_EXCEPTION,		/* the guest's, intercepted that a loop of it in the processor ends: to be injected as it is */
	EXIT_OTHER,
	EXIT_KINDS
};

/* An exception or interrupt whose delivery an exit cut short. */
struct vcpu_event {
	bool valid, has_error;
	uint8_t vector;
	uint32_t error;
};

struct vmexit {
	enum vmexit_kind kind;
	uint64_t code, info1, info2;	/* the vendor's own, for messages */
	uint64_t next_rip;		/* 0: unknown, decode */
	union {
		struct { uint64_t gpa; bool write, fetch, walk; } npf;	/* walk: the processor read the guest's page tables */
		struct { uint16_t port; uint8_t width; bool in, string, rep; } pio;
		struct { uint8_t vector; bool has_error; uint32_t error; } exception;
		const char *cannot;	/* EXIT_TASK_SWITCH: NULL when it is done */
	};
	struct vcpu_event delivered;	/* what was on its way: EXIT_NPF, EXIT_DOUBLE_FAULT, EXIT_SHUTDOWN */
};

#define VCPU_EVENT_DB		1	/* as a vector */
#define VCPU_EVENT_NMI		2
#define VCPU_EVENT_UD		6
#define VCPU_EVENT_DF		8
#define VCPU_EVENT_GP		13
#define VCPU_EVENT_AC		17

/*
 * The part of a vCPU that every exit handler needs, always current between run()s and written back by run().
 * The vendor's structure begins with it.
 */
struct vcpu {
	uint64_t gpr[GPR_COUNT];
	uint64_t rip, rflags;
};

struct pt_format;

struct vcpu_ops {
	const char *name;		/* "AMD SVM" */
	uint8_t hypercall_byte;		/* the guest's hypercall instruction is 0f 01 and this */

	/*
	 * Whether this CPU can: 0; -ERR_NODEV where it is not this vendor's or too old; -ERR_NOTSUP with *@why for the user
	 * where something could be done about it ("switched off by the firmware: ...").
	 */
	int (*probe)(const char **why);

	/*
	 * Switch virtualization on for the calling CPU / off again.  cpu_on() comes once on each CPU, the boot CPU first and
	 * one at a time, with this_cpu() working; what it needs of its own it keeps in this_cpu()->vendor.  Afterwards the
	 * host's NMIs are held back (GIF = 0) or taken by a handler that counts in this_cpu()->nmi_count, and wake sleep().
	 * 0, or -ERR_NOMEM.
	 */
	int (*cpu_on)(void);
	void (*cpu_off)(void);

	/* The format of this vendor's nested page tables, and whether 1 GiB pages may be in them (after probe()). */
	const struct pt_format *nested_format;
	bool (*nested_1g)(void);

	/*
	 * The calling CPU's vCPU, its registers still to be set().  On that CPU, after cpu_on(), once.  NULL when out of
	 * memory. All other operations with a vCPU come on its own CPU only.
	 */
	struct vcpu *(*vcpu_new)(uint64_t nested_root);

	/*
	 * What INIT does beside the registers that set() sets (the caller does that): no event is pending, NMIs are not
	 * blocked, debug registers as after a reset.  Intercepts and the TSC's offset stay.
	 */
	void (*init_state)(struct vcpu *v);

	/*
	 * Whether a guest may send real INITs: the processor hands each over as EXIT_INIT (or, while the host runs, holds it or
	 * tells this_cpu()->init_seen) instead of resetting a CPU past Veneer.  Then the local APIC need not be watched once
	 * all CPUs run.  Of the calling CPU, after cpu_on().
	 */
	bool (*init_is_safe)(void);

	/*
	 * After EXIT_INIT: wait, in the processor's own state for this, until a SIPI comes, and say its vector; -ERR_NOTSUP
	 * where there is no such state.  NULL, too, where INIT is not handed over so.  Nothing of the guest's runs and no
	 * NMI is taken here: no doorbell may ring on this CPU, and what others want of it waits.
	 */
	int (*wait_sipi)(struct vcpu *v);

	/*
	 * Sleep in the host until an NMI comes, or return at once when *@wake is set.  One that comes between the look and the
	 * sleep ends it, too (host_sleep() in hv/cpu/entry.S does this).  The NMI is counted in this_cpu()->nmi_count and
	 * is not reported by run() again.
	 */
	void (*sleep)(const volatile uint32_t *wake);

	/*
	 * The nested tables, the I/O bitmap or the MSR bitmap changed (all are common to all vCPUs): the next run() uses
	 * nothing that the processor has cached of them (SVM: TLB and clean bits; VMX: INVEPT).
	 */
	void (*flush)(struct vcpu *v);

	/* Read and write all guest registers.  set() marks all of them dirty. */
	void (*get)(struct vcpu *v, struct vcpu_regs *out);
	void (*set)(struct vcpu *v, const struct vcpu_regs *in);

	/*
	 * Run the guest until its next exit.  An NMI that came at any time since the last look at this_cpu()->requests ends
	 * the run at once: with GIF = 0 it is pending and exits; without a GIF the host's handler took it, and run() has to
	 * find that nmi_count moved, in the end by an entry that exits (preemption timer 0, NMI window).  Either way it is
	 * EXIT_NMI, once for each NMI that the processor took.
	 */
	void (*run)(struct vcpu *v, struct vmexit *out);

	/* Inject an exception (with error code 0 where it has one) at the coming entry. */
	void (*inject_exception)(struct vcpu *v, uint8_t vector, bool has_error, uint32_t error);
	/* Inject an external interrupt that has been acknowledged at its controller, the physical or the virtual one. */
	void (*inject_interrupt)(struct vcpu *v, uint8_t vector);
	/*
	 * Whether inject_interrupt() may be called now for an interrupt that could as well wait: RFLAGS.IF is 1, no interrupt
	 * shadow (STI, MOV SS), and nothing else goes in at the coming entry.  TPR does not matter: it is as with ExtINT.
	 */
	bool (*can_interrupt)(struct vcpu *v);
	/*
	 * While on, the guest exits (EXIT_WINDOW) before the first instruction at which can_interrupt() holds; also out of HLT
	 * with IF = 1.  SVM: a virtual interrupt with its intercept; VMX: interrupt-window exiting.  It stays on until it is
	 * switched off, and then exits again at once where nothing was injected.
	 */
	void (*interrupt_window)(struct vcpu *v, bool on);
	/* Deliver an NMI when the guest can take one. */
	void (*inject_nmi)(struct vcpu *v);

	/* Make EXIT_INTR or EXIT_CLOCK come about every millisecond as long as the guest lets it, or not. */
	void (*clock_exits)(struct vcpu *v, bool on);
	bool clock_is_intr;	/* with EXIT_INTR: every physical interrupt exits meanwhile */

	/*
	 * Acknowledge the physical interrupt that is pending at its controller, after EXIT_INTR or any time in the host; its
	 * vector, or -1 when there is none.  NMIs that come meanwhile are counted in this_cpu()->nmi_count.
	 */
	int (*acknowledge_interrupt)(void);

	/* Skip the current instruction: set RIP and end the interrupt shadow. */
	void (*skip)(struct vcpu *v, uint64_t next_rip);

	/* Instruction bytes that the processor gave with the exit; 0 when it gave none. */
	unsigned (*insn_bytes)(struct vcpu *v, const uint8_t **bytes);

	/* MSRs that are not alike on all vendors, and that exited.  False: #GP. */
	bool (*rdmsr)(struct vcpu *v, uint32_t msr, uint64_t *value);
	bool (*wrmsr)(struct vcpu *v, uint32_t msr, uint64_t value);

	/* Let writes to an MSR exit (or not), on all CPUs: each after its next flush(). */
	void (*trap_msr_write)(uint32_t msr, bool on);

	/* Guest TSC = host TSC + offset. */
	uint64_t (*get_tsc_offset)(struct vcpu *v);
	void (*set_tsc_offset)(struct vcpu *v, uint64_t offset);
};

/* The vendor of this machine: vcpu_choose() sets it once, before any processor but the first runs. */
extern const struct vcpu_ops *vcpu_ops;

/*
 * A firmware interface's, set at the start, else NULL: asked about each hypercall first.  True: it was its own, and the guest
 * goes on behind it or where this has sent it.
 */
extern bool (*vcpu_own_hypercall)(struct vcpu *v, const struct vcpu_regs *r);

/* The state multiboot asks for: paging off, flat 4 GiB segments, A20 on, interrupts off. */
void vcpu_flat32(struct vcpu_regs *regs);

#endif
