/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One virtual CPU, and the interface that SVM and VMX both implement.  hv/exit/exit.c sees this header and no vendor.
 */
#ifndef HV_VCPU_H
#define HV_VCPU_H

#include <veneer/string.h>
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

#define SEG_ATTR_TYPE	GENMASK(3, 0)
#define  SEG_TYPE_CODE	BIT(3)
#define  SEG_TYPE_DOWN	BIT(2)	/* of data: expand-down */
#define  SEG_TYPE_RW	BIT(1)	/* data may be written, code read */
#define SEG_ATTR_P	BIT(7)
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
#define RFLAGS_AC	BIT(18)

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
#define CR4_SMAP	BIT(21)
#define CR4_PKE		BIT(22)
#define CR4_CET		BIT(23)
#define CR4_UINTR	BIT(25)
#define CR4_FRED	BIT64(32)
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
	EXIT_INVALID,		/* the VM entry itself failed: the vendor's code has logged how, get() gives the state */
	EXIT_NMI,
	EXIT_SMI,		/* the handler of an SMI has run: the vendor's code saw to that */
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
	EXIT_TASK_SWITCH,	/* by a TSS or task gate, in 32-bit mode: the vendor's code did it, or says why it cannot */
	EXIT_INIT,		/* an INIT that the processor handed over: the processor has not been reset */
	EXIT_DOUBLE_FAULT,	/* the guest's #DF, before its handler: the last moment at which the state is whole */
	EXIT_EXCEPTION,		/* intercepted to break a delivery loop in the processor: inject the exception unchanged */
	EXIT_OTHER,
	EXIT_KINDS
};

/* An exception or interrupt whose delivery was interrupted by an exit. */
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
		const char *cannot;	/* EXIT_TASK_SWITCH: NULL, or why the switch failed */
	};
	struct vcpu_event delivered;	/* the event in delivery: EXIT_NPF, EXIT_DOUBLE_FAULT, EXIT_SHUTDOWN */
};

#define VCPU_EVENT_DB		1	/* as a vector */
#define VCPU_EVENT_NMI		2
#define VCPU_EVENT_UD		6
#define VCPU_EVENT_DF		8
#define VCPU_EVENT_SS		12
#define VCPU_EVENT_GP		13
#define VCPU_EVENT_PF		14
#define VCPU_EVENT_AC		17

/*
 * The part of a vCPU that every exit handler needs, always current between run()s and written back by run().
 * The vendor's structure begins with it.
 */
struct vcpu {
	uint64_t gpr[GPR_COUNT];
	uint64_t rip, rflags;
};

/* The registers that are current in @v. */
static inline void vcpu_get_gprs(const struct vcpu *v, struct vcpu_regs *r)
{
	copy_words(r->gpr, v->gpr, GPR_COUNT);
	r->rip = v->rip;
	r->rflags = v->rflags;
}

struct pt_format;

struct vcpu_ops {
	const char *name;		/* "AMD SVM" */
	uint8_t hypercall_byte;		/* the guest's hypercall instruction is 0f 01 and this */

	/*
	 * Check this CPU: 0; -ERR_NODEV if it is another vendor's or too old; -ERR_NOTSUP, with *@why for the user, if the user
	 * could help ("switched off by the firmware: ...").
	 */
	int (*probe)(const char **why);

	/*
	 * Switch virtualization on for the calling CPU / off again.  cpu_on() is called once on each CPU, the boot CPU first
	 * and one at a time, when this_cpu() works; it keeps its own data in this_cpu()->vendor.  Afterwards the host's NMIs
	 * are held back (GIF = 0) or taken by a handler that counts in this_cpu()->nmi_count, and they wake sleep().
	 * 0, or -ERR_NOMEM.
	 */
	int (*cpu_on)(void);
	void (*cpu_off)(void);

	/* The format of this vendor's nested page tables, and whether 1 GiB pages may be in them (after probe()). */
	const struct pt_format *nested_format;
	bool (*nested_1g)(void);

	/*
	 * Create the calling CPU's vCPU; its registers are still to be set().  Once, after cpu_on().  NULL if out of memory.
	 * All other operations with a vCPU are called on its own CPU only.
	 */
	struct vcpu *(*vcpu_new)(uint64_t nested_root);

	/*
	 * Do what INIT does beside the registers, which the caller sets by set(): no event pending, NMIs not blocked, debug
	 * registers as after a reset.  Intercepts and the TSC's offset stay.
	 */
	void (*init_state)(struct vcpu *v);

	/*
	 * True if a guest may send real INITs: the processor hands each over as EXIT_INIT (or, while the host runs, holds it or
	 * sets this_cpu()->init_seen) instead of resetting a CPU without Veneer.  Then the local APIC need not be watched once
	 * all CPUs run.  For the calling CPU, after cpu_on().
	 */
	bool (*init_is_safe)(void);

	/*
	 * After EXIT_INIT: wait, in the processor's wait-for-SIPI state, until a SIPI comes, and return its vector; -ERR_NOTSUP
	 * if there is no such state.  NULL if INIT is not handed over in this way.  Meanwhile the guest does not run and no NMI
	 * is taken: no doorbell may ring on this CPU, and requests of others wait.
	 */
	int (*wait_sipi)(struct vcpu *v);

	/*
	 * Sleep in the host until an NMI comes, or return at once if *@wake is set.  An NMI between the check and the sleep
	 * ends the sleep, too (host_sleep() in hv/cpu/entry.S does this).  The NMI is counted in this_cpu()->nmi_count; run()
	 * does not report it again.
	 */
	void (*sleep)(const volatile uint32_t *wake);

	/*
	 * As sleep(), on a processor that the guest has never started, and an INIT ends the sleep, too: this_cpu()->init_seen
	 * is set then.  NULL: sleep() does that.  -ERR_NOTSUP: the processor cannot sleep so, and has not slept.
	 */
	int (*park)(struct vcpu *v, const volatile uint32_t *wake);

	/*
	 * A processor that stays in the host for long lets in what it holds back there (SVM: SMI, #MC, #SX, by GIF).  NULL:
	 * nothing is held back.  park() with a @wake of NULL does not sleep, and looks for an INIT.
	 */
	void (*breathe)(void);

	/*
	 * Call after a change of the nested tables, the I/O bitmap or the MSR bitmap (which all vCPUs share): the next run()
	 * uses nothing that the processor has cached of them (SVM: TLB and clean bits; VMX: INVEPT).
	 */
	void (*flush)(struct vcpu *v);

	/* Read and write all guest registers.  set() marks all of them dirty. */
	void (*get)(struct vcpu *v, struct vcpu_regs *out);
	void (*set)(struct vcpu *v, const struct vcpu_regs *in);

	/*
	 * Parts of get(), for exits that come often.  get_code(): what a walk of the guest's tables, the decoder and a read of
	 * the code at RIP need: gpr, rip, rflags, cr0, cr3, cr4, efer, CS.  The rest of *@out does not change.
	 */
	void (*get_code)(struct vcpu *v, struct vcpu_regs *out);
	void (*get_segment)(struct vcpu *v, enum seg i, struct vcpu_seg *out);

	/*
	 * Run the guest until its next exit.  An NMI that came at any time since the last check of this_cpu()->requests ends
	 * the run at once: with GIF = 0 it is pending and exits; without a GIF the host's handler took it, and run() has to
	 * notice the change of nmi_count, at the latest by an entry that exits (preemption timer 0, NMI window).  In both cases
	 * run() returns EXIT_NMI, once for each NMI that the processor took.
	 */
	void (*run)(struct vcpu *v, struct vmexit *out);

	/* Inject an exception (with error code 0 if it has one) at the next entry. */
	void (*inject_exception)(struct vcpu *v, uint8_t vector, bool has_error, uint32_t error);
	/* Inject an external interrupt that has been acknowledged at its controller, physical or virtual. */
	void (*inject_interrupt)(struct vcpu *v, uint8_t vector);
	/*
	 * True if inject_interrupt() may be called now for an interrupt that can wait: RFLAGS.IF is 1, no interrupt shadow
	 * (STI, MOV SS), and no other event is injected at the next entry.  TPR does not matter, as with ExtINT.
	 */
	bool (*can_interrupt)(struct vcpu *v);
	/*
	 * While on, the guest exits (EXIT_WINDOW) before the first instruction at which can_interrupt() holds; also out of HLT
	 * with IF = 1.  SVM: a virtual interrupt with its intercept; VMX: interrupt-window exiting.  The window stays on
	 * until switched off: if nothing was injected, the guest exits again at once.
	 */
	void (*interrupt_window)(struct vcpu *v, bool on);
	/* Deliver an NMI when the guest can take one. */
	void (*inject_nmi)(struct vcpu *v);

	/* Make EXIT_INTR or EXIT_CLOCK come about every millisecond, as long as the guest allows it, or switch that off. */
	void (*clock_exits)(struct vcpu *v, bool on);
	bool clock_is_intr;	/* by EXIT_INTR: meanwhile every physical interrupt exits */

	/*
	 * Acknowledge the physical interrupt that is pending at its controller, after EXIT_INTR or any time in the host.
	 * Return its vector, or -1 if there is none.  NMIs that come meanwhile are counted in this_cpu()->nmi_count.
	 */
	int (*acknowledge_interrupt)(void);

	/* Skip the current instruction: set RIP and end the interrupt shadow. */
	void (*skip)(struct vcpu *v, uint64_t next_rip);

	/* Get the instruction bytes that the processor gave with the exit; 0 if it gave none. */
	unsigned (*insn_bytes)(struct vcpu *v, const uint8_t **bytes);

	/* Handle an exit by an MSR that differs between vendors.  False: #GP. */
	bool (*rdmsr)(struct vcpu *v, uint32_t msr, uint64_t *value);
	bool (*wrmsr)(struct vcpu *v, uint32_t msr, uint64_t value);

	/* Let writes to an MSR exit (or not), on all CPUs; for each CPU after its next flush(). */
	void (*trap_msr_write)(uint32_t msr, bool on);

	/* Guest TSC = host TSC + offset. */
	uint64_t (*get_tsc_offset)(struct vcpu *v);
	void (*set_tsc_offset)(struct vcpu *v, uint64_t offset);
};

/* The vendor of this machine: vcpu_choose() sets it once, before any processor but the boot processor runs. */
extern const struct vcpu_ops *vcpu_ops;

/*
 * The handler of a firmware interface, set at the start, else NULL.  It gets each hypercall first.  True: the hypercall was the
 * interface's own, and the guest goes on behind it or where the handler has sent it.
 */
extern bool (*vcpu_own_hypercall)(struct vcpu *v, const struct vcpu_regs *r);

/* Set the state that multiboot demands: paging off, flat 4 GiB segments, A20 on, interrupts off. */
void vcpu_flat32(struct vcpu_regs *regs);

#endif
