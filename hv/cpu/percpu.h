/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each processor's own data.  this_cpu() finds them by the host's GS base, which every processor loads before anything else of
 * Veneer's runs on it: SVM restores GS with VMLOAD of the host's VMCB, VMX by HOST_GS_BASE (which the vendor's code sets to its
 * this_cpu()).  FS stays with the stack protector's canary.
 *
 * A field without a comment is the processor's own; others read and write a "shared" field, by __atomic_ builtins.
 */
#ifndef HV_PERCPU_H
#define HV_PERCPU_H

/* offsets that entry.S uses */
#define CPU_SELF		0
#define CPU_NMI_COUNT		8
#define CPU_INTR_VECTOR		16
#define CPU_INTR_WINDOW		24
#define CPU_INIT_SEEN		32
#define CPU_WINDOW		40
#define CPU_WINDOW_SIZE		48
#define CPU_WINDOW_LEFT		56

#ifndef __ASSEMBLER__

#include <veneer/types.h>
#include "hv/cpu/vcpu.h"
#include "hv/emul/decode.h"
#include "hv/x86.h"

#define MAX_CPUS	256u

struct tss {
	uint32_t zero0;
	uint64_t rsp[3], zero1, ist[7], zero2;
	uint16_t zero3, iopb;
} PACKED;

/* The state of a guest processor, as the guest sees it. */
enum cpu_state {
	CPU_RUNS,
	CPU_WAITS,		/* after INIT, for a SIPI */
	CPU_ABSENT,		/* not the guest's: INIT and SIPI for it do nothing */
};

/* cpu.requests: what others want of a processor; it checks them before each entry. */
#define REQ_FLUSH		BIT(0)	/* nested tables or bitmaps changed */
#define REQ_INIT		BIT(1)	/* the guest sent INIT */
#define REQ_NMI			BIT(2)	/* the guest sent an NMI */
#define REQ_SIPI		BIT(3)	/* the guest sent a start-up IPI: cpu.sipi */
#define REQ_CLOCK		BIT(4)	/* the clock is held: check whether interrupts have to exit */
#define REQ_LDR			BIT(5)	/* publish the logical id of the local APIC */
#define REQ_INTX		BIT(6)	/* publish whether interrupts of lines have ended: intx_answer() */
#define REQ_HOST_TLB		BIT(7)	/* Veneer's own page tables changed: host_flushed */
#define REQ_ID			BIT(8)	/* read the local APIC's id anew */
#define REQ_WORK		BIT(9)	/* continue posted work: owner_continue() */
#define REQ_STATE		BIT(12)	/* wait until the state has been saved or loaded: state_wait() */
#define REQ_POLL		BIT(11)	/* there is traffic to poll */
#define REQ_SENT		BIT(10)	/* a SIPI may have been sent while nobody watched: ipi_look_back() */

struct cpu {
	struct cpu *self;
	volatile uint64_t nmi_count;	/* NMIs that the host's handler took */
	uint64_t intr_vector, intr_window;
	volatile uint64_t init_seen;	/* #SX came while the host ran: an INIT that the processor redirected */
	/* An NMI that interrupts code in [window, window + window_size) goes on at window_left.  Size 0: none. */
	uint64_t window, window_size, window_left;

	unsigned index;			/* 0: the boot processor */
	uint32_t apic_id;		/* shared */
	struct vcpu *v;			/* NULL until cpu_on() and vcpu_new() ran here */
	void *vendor;			/* the vendor's own: SVM's host VMCB, VMX's region */
	uint8_t *exception_stacks;
	uint64_t stack;			/* ap.c: its top; not the boot processor's */
	uint64_t tsc_adjust;		/* the guest's TSC_ADJUST */
	uint64_t mismatch_rip;		/* mmio.c, pio.c */
	uint64_t insn_bytes[2];		/* mmio.c: the last instruction's first eight of fifteen bytes, and its last eight, */
	struct insn insn;		/* and what they mean */
	bool insn_kept;
	uint64_t late_poke_until;	/* smp.c: 0 for none */
	uint64_t nmi_us;		/* smp.c: when the guest was given one */
	uint64_t nmis_reported;		/* vmx.c: of nmi_count, those that were exits; each further one becomes an exit, too */
	bool pmi_given;			/* smp.c: for the entry of the performance counters that is masked */
	bool parked;			/* ap.c: it waits in the exit loop, and takes requests */
	bool started;			/* the guest has run here */
	bool polls;			/* poll.c: it is the polling core, while it does not run the guest */
	bool kept;			/* ap.c: by veneer,poll: the guest's SIPI is dropped with a line */
	bool apic_off;			/* lapic_mode.c: the guest has disabled its local APIC */
	bool ringing;			/* doorbell.c: in doorbell_ring() */
	bool intx_waits;		/* exit.c: for a line's interrupt the guest exits when it can take one */
	bool sent_interrupt;		/* msi.c: to some processor, since the exit loop last looked */
	uint32_t sipi_low, sipi_dest;	/* lapic.c: a SIPI of the guest's that this ICR held before Veneer used it; 0: none */
	bool df_seen;			/* crash.c: the guest's last #DF, with the state and the event in delivery */
	struct vcpu_regs df_regs;
	struct vcpu_event df_event;

	uint32_t requests;		/* shared: REQ_* */
	uint32_t in_guest;		/* shared: between smp_enter() and smp_left() */
	uint32_t poke;			/* shared: an NMI from another processor is on its way or latched */
	uint32_t state;			/* shared: enum cpu_state */
	uint32_t sipi;			/* shared: the vector of REQ_SIPI */
	uint32_t asleep;		/* shared: in vcpu_ops->sleep() */
	uint32_t in_round;		/* shared: poll.c: it may own a controller now, and soon does not */
	uint32_t x2apic;		/* shared: the guest has this processor in x2APIC mode */
	uint32_t init_taken;		/* shared: INIT came, and no SIPI since */
	uint32_t waits_itself;		/* shared: in vcpu_ops->wait_sipi(), where only real SIPIs reach it */
	uint32_t host_flushed;		/* shared: REQ_HOST_TLB was carried out */
	uint32_t clock_armed;		/* shared: its interrupts exit */
	uint32_t ldr, dfr;		/* shared: the local APIC's, as last seen */

	uint64_t gdt[5] ALIGNED(16);
	struct tss tss ALIGNED(16);
};

_Static_assert(offsetof(struct cpu, nmi_count) == CPU_NMI_COUNT, "entry.S");
_Static_assert(offsetof(struct cpu, intr_vector) == CPU_INTR_VECTOR, "entry.S");
_Static_assert(offsetof(struct cpu, intr_window) == CPU_INTR_WINDOW, "entry.S");
_Static_assert(offsetof(struct cpu, init_seen) == CPU_INIT_SEEN, "entry.S");
_Static_assert(offsetof(struct cpu, window) == CPU_WINDOW, "entry.S");
_Static_assert(offsetof(struct cpu, window_size) == CPU_WINDOW_SIZE, "entry.S");
_Static_assert(offsetof(struct cpu, window_left) == CPU_WINDOW_LEFT, "entry.S");

static inline struct cpu *this_cpu(void)
{
	return gs_self();
}

/* The known processors; cpus[0] is the boot processor. */
extern struct cpu *cpus[MAX_CPUS];
extern unsigned ncpus;

#endif
#endif
