/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Intel VMX behind vcpu_ops (SDM vol.  3, chapters 24 to 31).  The host runs with interrupts disabled, but VMX has no GIF to
 * hold NMIs: an NMI that the host's handler takes is reported as an exit before the guest runs (vmx_entry.S).
 */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include <veneer/time.h>
#include "hv/cpu/entry.h"
#include "hv/cpu/percpu.h"
#include "hv/cpu/vcpu.h"
#include "hv/vmx/vmx.h"
#include "hv/vmx/vmx_entry.h"
#include "hv/vmx/vmx_insn.h"
#include "hv/dev/trap.h"
#include "hv/x86.h"

#define IO_BITMAPS	(2 * PAGE_SIZE)
#define TICK_US		1000u
#define CPUID_XSAVE	BIT(26)		/* 1h ECX */
#define EXCEPTION_DF	8u
#define DR7_LOCAL	0x155u		/* L0 to L3, LE */
#define DR7_GD		BIT(13)
#define DR6_B		GENMASK(3, 0)
#define DR6_BLD		BIT(11)
#define DR6_BD		BIT(13)
#define DR6_BS		BIT(14)
#define DR6_RTM		BIT(16)
#define DEBUGCTL_LBR	BIT(0)
#define DEBUGCTL_BTF	BIT(1)

static struct vmx_caps caps;

/* One MSR bitmap for all processors: what is trapped on one is trapped on each. */
static uint8_t *io_bitmaps, *msr_bitmap;

static struct vmx_vcpu *vmx(struct vcpu *v)
{
	return container_of(v, struct vmx_vcpu, v);
}

/* --- switching on --- */

static int vmx_probe(const char **why)
{
	int err = vmx_allowed(why);

	return err ? err : vmx_caps_read(&caps, why);
}

static int vmx_cpu_on(void)
{
	uint32_t *region = mem_alloc(PAGE_SIZE, PAGE_SIZE);
	uint64_t feature = rdmsr(MSR_FEATURE_CONTROL);
	struct cpu *c = this_cpu();

	if (!region)
		return -ERR_NOMEM;
	if (!(feature & FEATURE_LOCK))
		wrmsr(MSR_FEATURE_CONTROL, feature | FEATURE_LOCK | FEATURE_VMX);
	write_cr0((read_cr0() | caps.cr0_fixed0) & caps.cr0_fixed1);
	/* XSETBV exits and the host executes it, which needs OSXSAVE. */
	write_cr4(((read_cr4() | caps.cr4_fixed0) & caps.cr4_fixed1) | (cpuid(1, 0).ecx & CPUID_XSAVE ? CR4_OSXSAVE : 0));
	region[0] = caps.revision;
	if (!vmx_on(mem_phys(region))) {
		log_err("vmx: VMXON failed: FEATURE_CONTROL %#lx, CR0 %#lx, CR4 %#lx", rdmsr(MSR_FEATURE_CONTROL), read_cr0(),
			read_cr4());
		mem_free(region);
		return -ERR_NOTSUP;
	}
	c->window = (uintptr_t)vmx_window;
	c->window_left = (uintptr_t)vmx_window_left;
	c->window_size = (uint64_t)(vmx_window_end - vmx_window);
	return 0;
}

static void vmx_cpu_off(void)
{
	vmx_off();
	write_cr4(read_cr4() & ~(uint64_t)CR4_VMXE);
}

/* --- a vCPU --- */

static bool vmx_nested_1g(void)
{
	return caps.ept_1g;
}

static int make_maps(void)
{
	if (msr_bitmap)
		return 0;
	io_bitmaps = mem_alloc(IO_BITMAPS, PAGE_SIZE);
	msr_bitmap = mem_alloc(PAGE_SIZE, PAGE_SIZE);
	if (!io_bitmaps || !msr_bitmap)
		return -ERR_NOMEM;
	trap_set_io_bitmap(io_bitmaps);
	vmx_msr_policy(msr_bitmap);
	return 0;
}

static struct vcpu *vmx_vcpu_new(uint64_t root)
{
	struct vmx_vcpu *s = mem_alloc(sizeof(*s), 64);

	if (!s || make_maps())
		return NULL;
	s->vmcs = mem_alloc(PAGE_SIZE, PAGE_SIZE);
	if (!s->vmcs)
		return NULL;
	s->vmcs[0] = caps.revision;
	if (!vmcs_clear(mem_phys(s->vmcs)) || !vmcs_load(mem_phys(s->vmcs))) {
		log_err("vmx: the VMCS at %#lx (revision %#x) cannot be loaded", mem_phys(s->vmcs), caps.revision);
		return NULL;
	}
	vmx_vmcs_controls(&caps, root, mem_phys(io_bitmaps), mem_phys(msr_bitmap));
	vmx_vmcs_host();
	vmx_vmcs_guest();
	this_cpu()->nmis_reported = this_cpu()->nmi_count;
	s->flush = true;
	return &s->v;
}

/* After INIT no event is pending or blocked (SDM vol. 3, table 10-1); the guest's PAT and SYSENTER MSRs keep their values. */
static void vmx_init_state(struct vcpu *v)
{
	struct vmx_vcpu *s = vmx(v);

	s->event = 0;
	s->nmi_wanted = false;
	vmcs_write(VMCS_ENTRY_EVENT, 0);
	vmcs_write(VMCS_GUEST_BLOCKING, 0);
	vmcs_write(VMCS_GUEST_PENDING_DB, 0);
	vmcs_write(VMCS_GUEST_DR7, 0x400);
	vmcs_write(VMCS_GUEST_DEBUGCTL, 0);
}

/* In VMX operation INIT never resets: it exits, or stays pending while the host runs (24.8). */
static bool vmx_init_is_safe(void)
{
	return true;
}

/* The host takes NMIs during the sleep; the caller handles these, so they are not reported as exits again. */
static void vmx_sleep(const volatile uint32_t *wake)
{
	host_sleep(wake);
	this_cpu()->nmis_reported = this_cpu()->nmi_count;
}

static void vmx_flush(struct vcpu *v)
{
	vmx(v)->flush = true;
}

static void vmx_get(struct vcpu *v, struct vcpu_regs *r)
{
	vcpu_get_gprs(v, r);
	vmx_get_state(r);
}

static void vmx_get_code(struct vcpu *v, struct vcpu_regs *r)
{
	vcpu_get_gprs(v, r);
	vmx_get_mode(r);
}

static void vmx_get_seg(struct vcpu *v, enum seg i, struct vcpu_seg *s)
{
	vmx_get_segment(i, s);
}

static void vmx_set(struct vcpu *v, const struct vcpu_regs *r)
{
	memcpy(v->gpr, r->gpr, sizeof(r->gpr));
	v->rip = r->rip;
	v->rflags = r->rflags;
	vmx_set_state(&caps, r);
	/* Control registers were changed without a MOV, so the TLB entries of this vCPU have not been flushed. */
	if (caps.control[WORD_PROC2] & PROC2_VPID)
		invvpid_all();
}

/* --- events --- */

static void set_event(struct vmx_vcpu *s, unsigned type, uint8_t vector)
{
	s->event = EVENT_INFO_VALID | FIELD_PREP(EVENT_INFO_TYPE, type) | vector;
}

static void vmx_inject_exception(struct vcpu *v, uint8_t vector, bool has_error, uint32_t error)
{
	struct vmx_vcpu *s = vmx(v);

	set_event(s, EVENT_TYPE_EXCEPTION, vector);
	/* The flags that a fault pushes keep an instruction breakpoint from coming again; the entry pushes what is there. */
	if (vector != VCPU_EVENT_DB && vector != VCPU_EVENT_DF)
		v->rflags |= RFLAGS_RF;
	/* In real mode exceptions have no error codes (27.2.1.3). */
	if (has_error && (vmcs_read(VMCS_GUEST_CR0) & CR0_PE)) {
		s->event |= EVENT_INFO_ERROR;
		s->error = error;
	}
}

static void vmx_inject_interrupt(struct vcpu *v, uint8_t vector)
{
	set_event(vmx(v), EVENT_TYPE_EXTINT, vector);
}

static void vmx_inject_nmi(struct vcpu *v)
{
	vmx(v)->nmi_wanted = true;
}

static bool vmx_can_interrupt(struct vcpu *v)
{
	return (v->rflags & RFLAGS_IF) && !vmx(v)->event &&
	       !(vmcs_read(VMCS_GUEST_BLOCKING) & (BLOCKING_STI | BLOCKING_MOV_SS));
}

static void vmx_interrupt_window(struct vcpu *v, bool on)
{
	vmx(v)->window = on;
}

static void place_windows(struct vmx_vcpu *s)
{
	uint32_t wanted = (s->nmi_wanted ? PROC_NMI_WINDOW : 0) | (s->window ? PROC_INTR_WINDOW : 0);

	if (wanted == s->windows)
		return;
	vmcs_write(VMCS_PROC_CTLS, caps.control[WORD_PROC] | wanted);
	s->windows = wanted;
}

/* With virtual NMIs the processor tracks NMI blocking: the injection begins it, the guest's IRET ends it. */
static void choose_event(struct vmx_vcpu *s)
{
	if (s->nmi_wanted && !s->event && !(vmcs_read(VMCS_GUEST_BLOCKING) & (BLOCKING_STI | BLOCKING_MOV_SS | BLOCKING_NMI))) {
		set_event(s, EVENT_TYPE_NMI, VCPU_EVENT_NMI);
		s->nmi_wanted = false;
	}
	place_windows(s);
	if (!s->event)
		return;
	vmcs_write(VMCS_ENTRY_EVENT, s->event);
	if (s->event & EVENT_INFO_ERROR)
		vmcs_write(VMCS_ENTRY_ERROR, s->error);
	/* A halted processor must not get an exception of an instruction (27.3.1.5): make it active. */
	if (FIELD_GET(EVENT_INFO_TYPE, s->event) == EVENT_TYPE_EXCEPTION)
		vmcs_write(VMCS_GUEST_ACTIVITY, ACTIVITY_ACTIVE);
	s->event = 0;
}

static void keep_interrupted_event(struct vmx_vcpu *s, uint32_t reason, const struct vmexit *x)
{
	uint32_t vectoring = (uint32_t)vmcs_read(VMCS_VECTORING), blocking;
	bool unblock, block = vmx_iret_interrupted(reason, (uint32_t)x->info2, x->info1, vectoring);

	if (vectoring & EVENT_INFO_VALID)
		s->event = vmx_interrupted_event(vectoring, (uint32_t)vmcs_read(VMCS_VECTORING_ERROR), &s->error, &unblock);
	else
		unblock = false;
	if (!unblock && !block)
		return;
	blocking = (uint32_t)vmcs_read(VMCS_GUEST_BLOCKING) & ~BLOCKING_NMI;
	vmcs_write(VMCS_GUEST_BLOCKING, blocking | (block ? BLOCKING_NMI : 0));
}

/* The exit by an NMI leaves NMIs blocked (28.3.5): an IRET unblocks them, and the host's handler takes one that is latched. */
static void unblock_nmis(void)
{
	uint64_t scratch;

	__asm__ volatile("movl %%ss, %k0; pushq %0; leaq 8(%%rsp), %0; pushq %0; pushfq\n\t"
			 "movl %%cs, %k0; pushq %0; leaq 1f(%%rip), %0; pushq %0; iretq\n1:"
			 : "=&r"(scratch) : : "cc", "memory");
}

/* --- the run --- */

/*
 * The guest changes a bit of CR0 that VMX owns (NE): set the read shadow to the new value and let the guest execute the
 * instruction again, which then does not exit.  CR4 exits only for bits that the guest's processor does not have.
 */
static enum vmexit_kind decode_cr(struct vmx_vcpu *s, uint32_t qualification)
{
	unsigned reg = qualification >> 8 & 0xf;
	uint64_t mask = vmcs_read(VMCS_CR0_MASK), value = s->v.gpr[reg];

	if (FIELD_GET(CR_QUAL_NUMBER, qualification) == 4)
		vmx_inject_exception(&s->v, VCPU_EVENT_GP, true, 0);
	else
		vmcs_write(VMCS_CR0_SHADOW, (vmcs_read(VMCS_CR0_SHADOW) & ~mask) | (value & mask));
	return EXIT_CR;
}

static uint64_t next_rip(const struct vmx_vcpu *s);

/* Write DR6 as the processor does before it delivers a #DB: the exit has not done so (28.2.1). */
static void debug_state(uint64_t causes)
{
	uint64_t dr6 = (read_dr6() & ~(uint64_t)DR6_B) | (causes & (DR6_B | DR6_BD | DR6_BS));

	/* For these two the field is 0. */
	write_dr6(dr6 & ~(causes & (DR6_BLD | DR6_RTM)));
	vmcs_write(VMCS_GUEST_DR7, vmcs_read(VMCS_GUEST_DR7) & ~(uint64_t)DR7_GD);
	vmcs_write(VMCS_GUEST_DEBUGCTL, vmcs_read(VMCS_GUEST_DEBUGCTL) & ~(uint64_t)(DEBUGCTL_LBR | DEBUGCTL_BTF));
}

static void end_shadow(void)
{
	uint32_t blocking = (uint32_t)vmcs_read(VMCS_GUEST_BLOCKING);

	if (blocking & (BLOCKING_STI | BLOCKING_MOV_SS))
		vmcs_write(VMCS_GUEST_BLOCKING, blocking & ~(BLOCKING_STI | BLOCKING_MOV_SS));
}

/* Decode an NMI or an intercepted exception.  Inject #DB and #AC unchanged; their delivery ends the shadow of an STI. */
static enum vmexit_kind decode_exception(struct vmx_vcpu *s, uint32_t info, struct vmexit *x)
{
	uint8_t vector = (uint8_t)FIELD_GET(EVENT_INFO_VECTOR, info);

	if (FIELD_GET(EVENT_INFO_TYPE, info) == EVENT_TYPE_NMI)
		return EXIT_NMI;
	if (vector == EXCEPTION_DF)
		return EXIT_DOUBLE_FAULT;
	if (vector != VCPU_EVENT_DB && vector != VCPU_EVENT_AC)
		return EXIT_OTHER;
	x->exception.vector = vector;
	x->exception.has_error = info & EVENT_INFO_ERROR;
	x->exception.error = x->exception.has_error ? (uint32_t)vmcs_read(VMCS_EXIT_ERROR) : 0;
	if (vector == VCPU_EVENT_DB)
		debug_state(x->info1);
	/* INT1: its handler's return address is behind the instruction. */
	if (FIELD_GET(EVENT_INFO_TYPE, info) == EVENT_TYPE_PRIV_SOFT)
		s->v.rip = next_rip(s);
	end_shadow();
	return EXIT_EXCEPTION;
}

static enum vmexit_kind kind_of(uint32_t reason)
{
	switch (reason) {
	case REASON_TRIPLE_FAULT:	return EXIT_SHUTDOWN;
	case REASON_INIT:		return EXIT_INIT;
	case REASON_INTR_WINDOW:	return EXIT_WINDOW;
	case REASON_NMI_WINDOW:		return EXIT_IRET;
	case REASON_TASK_SWITCH:	return EXIT_TASK_SWITCH;
	case REASON_CPUID:		return EXIT_CPUID;
	case REASON_INVD:		return EXIT_INVD;
	case REASON_VMCALL:		return EXIT_HYPERCALL;
	case REASON_RDMSR:		return EXIT_RDMSR;
	case REASON_WRMSR:		return EXIT_WRMSR;
	case REASON_TIMER:		return EXIT_CLOCK;
	case REASON_XSETBV:		return EXIT_XSETBV;
	case REASON_GETSEC:
	case REASON_INVEPT:
	case REASON_INVVPID:
	case REASON_SEAMCALL:
	case REASON_TDCALL:		return EXIT_UD;
	default:			break;
	}
	return reason >= REASON_VMCLEAR && reason <= REASON_VMXON ? EXIT_UD : EXIT_OTHER;
}

/* The length is valid if the instruction itself caused the exit (28.2.5). */
static uint64_t next_rip(const struct vmx_vcpu *s)
{
	uint64_t next = s->v.rip + vmcs_read(VMCS_EXIT_INSN_LEN);

	if (next >> 32 && !(vmcs_read(VMCS_GUEST_ES_RIGHTS + SEG_CS * VMCS_SEG_STEP) & RIGHTS_L))
		next = (uint32_t)next;
	return next;
}

static void decode_exit(struct vmx_vcpu *s, uint32_t reason, struct vmexit *x)
{
	uint64_t info = vmcs_read(VMCS_QUALIFICATION);

	x->code = reason;
	x->info1 = info;
	x->info2 = reason == REASON_EXCEPTION ? vmcs_read(VMCS_EXIT_EVENT) : 0;
	x->next_rip = 0;
	x->delivered.valid = false;
	if (reason == REASON_EPT_VIOLATION) {
		x->kind = EXIT_NPF;
		x->npf.gpa = vmcs_read(VMCS_GUEST_PHYS_ADDR);
		x->npf.write = info & EPT_QUAL_WRITE;
		x->npf.fetch = info & EPT_QUAL_FETCH;
		x->npf.walk = (info & (EPT_QUAL_LINEAR | EPT_QUAL_FINAL)) != (EPT_QUAL_LINEAR | EPT_QUAL_FINAL);
	} else if (reason == REASON_EXCEPTION) {
		x->kind = decode_exception(s, (uint32_t)x->info2, x);
	} else if (reason == REASON_IO) {
		x->kind = EXIT_PIO;
		x->pio.port = (uint16_t)FIELD_GET(IO_QUAL_PORT, (uint32_t)info);
		x->pio.width = (uint8_t)(FIELD_GET(IO_QUAL_SIZE, (uint32_t)info) + 1);
		x->pio.in = info & IO_QUAL_IN;
		x->pio.string = info & IO_QUAL_STRING;
		x->pio.rep = info & IO_QUAL_REP;
	} else if (reason == REASON_CR) {
		x->kind = decode_cr(s, (uint32_t)info);
	} else {
		x->kind = kind_of(reason);
	}
	if (x->kind == EXIT_NPF || x->kind == EXIT_DOUBLE_FAULT || x->kind == EXIT_SHUTDOWN) {
		uint32_t event = (uint32_t)vmcs_read(VMCS_VECTORING);

		x->delivered = (struct vcpu_event){
			.valid = event & EVENT_INFO_VALID, .has_error = event & EVENT_INFO_ERROR,
			.vector = (uint8_t)FIELD_GET(EVENT_INFO_VECTOR, event),
			.error = (uint32_t)vmcs_read(VMCS_VECTORING_ERROR),
		};
	}
	if ((reason >= REASON_CPUID && reason <= REASON_WRMSR) || reason == REASON_XSETBV)
		x->next_rip = next_rip(s);
}

/*
 * Emulate a task switch.  If a task gate was delivering an event, the switch completes its delivery.  A switch by an NMI blocks
 * NMIs, a switch by IRET unblocks them.
 */
static void decode_task_switch(struct vmx_vcpu *s, uint32_t qualification, struct vmexit *x)
{
	uint32_t vectoring = (uint32_t)vmcs_read(VMCS_VECTORING), type = FIELD_GET(EVENT_INFO_TYPE, vectoring);
	uint64_t blocking = vmcs_read(VMCS_GUEST_BLOCKING) & BLOCKING_NMI;
	struct vmx_task t = {
		.selector = (uint16_t)FIELD_GET(TASK_QUAL_SELECTOR, qualification),
		.source = FIELD_GET(TASK_QUAL_SOURCE, qualification), .return_rip = s->v.rip,
	};
	bool event = t.source == TASK_GATE && (vectoring & EVENT_INFO_VALID);
	struct vcpu_regs r;

	/* If an instruction (also INT) caused the switch, the exit has its length. */
	if (!event || type >= EVENT_TYPE_SOFT_INT)
		t.return_rip = next_rip(s);
	if (event && (vectoring & EVENT_INFO_ERROR)) {
		t.has_error = true;
		t.error = (uint32_t)vmcs_read(VMCS_VECTORING_ERROR);
	}
	vmx_get(&s->v, &r);
	x->cannot = vmx_task_switch(&r, &t);
	if (x->cannot)
		return;
	vmx_set(&s->v, &r);
	if (event && type == EVENT_TYPE_NMI)
		blocking = BLOCKING_NMI;
	else if (t.source == TASK_IRET)
		blocking = 0;
	vmcs_write(VMCS_GUEST_BLOCKING, blocking);
	vmcs_write(VMCS_GUEST_PENDING_DB, 0);
	vmcs_write(VMCS_GUEST_DR7, vmcs_read(VMCS_GUEST_DR7) & ~(uint64_t)DR7_LOCAL);
}

/* The host took an NMI before the entry: the guest has not run, and the event to inject stays pending. */
static void nmi_before_entry(struct vmx_vcpu *s, struct vmexit *x)
{
	uint32_t event = (uint32_t)vmcs_read(VMCS_ENTRY_EVENT);

	this_cpu()->nmis_reported = this_cpu()->nmi_count;
	if (event & EVENT_INFO_VALID) {
		s->event = event;
		vmcs_write(VMCS_ENTRY_EVENT, 0);
	}
	*x = (struct vmexit){ .kind = EXIT_NMI };
}

static void entry_failed(struct vmx_vcpu *s, uint32_t reason, uint32_t error, struct vmexit *x)
{
	vmx_explain(reason, error);
	*x = (struct vmexit){ .kind = EXIT_INVALID, .code = reason, .info1 = vmcs_read(VMCS_QUALIFICATION), .info2 = error };
}

/*
 * The trap of a single step is lost with the instruction that exits: make the trap pending (27.7.3).  Not seen in emulators:
 * Bochs steps once more by itself.
 */
static void vmx_skip(struct vcpu *v, uint64_t next)
{
	v->rip = next;
	end_shadow();
	if ((v->rflags & RFLAGS_TF) && !(vmcs_read(VMCS_GUEST_DEBUGCTL) & DEBUGCTL_BTF))
		vmcs_write(VMCS_GUEST_PENDING_DB, vmcs_read(VMCS_GUEST_PENDING_DB) | DR6_BS);
}

/* VMX_EXITED, VMX_FAILED or VMX_NMI, as vmx_enter(). */
static int enter_once(struct vmx_vcpu *s)
{
	vmcs_write(VMCS_GUEST_RSP, s->v.gpr[GPR_RSP]);
	vmcs_write(VMCS_GUEST_RIP, s->v.rip);
	vmcs_write(VMCS_GUEST_RFLAGS, s->v.rflags);
	return vmx_enter(s->v.gpr, s->launched, this_cpu()->nmis_reported);
}

static void vmx_run(struct vcpu *v, struct vmexit *x)
{
	struct vmx_vcpu *s = vmx(v);
	uint32_t reason;
	int how;

	if (s->flush)
		invept_all();
	s->flush = false;
	choose_event(s);
	how = enter_once(s);
	if (how == VMX_NMI) {
		nmi_before_entry(s, x);
		return;
	}
	reason = how == VMX_EXITED ? (uint32_t)vmcs_read(VMCS_EXIT_REASON) : 0;
	if (how == VMX_FAILED || (reason & REASON_ENTRY_FAILED)) {
		entry_failed(s, reason, how == VMX_FAILED ? (uint32_t)vmcs_read(VMCS_INSN_ERROR) : 0, x);
		return;
	}
	s->launched = true;
	v->gpr[GPR_RSP] = vmcs_read(VMCS_GUEST_RSP);
	v->rip = vmcs_read(VMCS_GUEST_RIP);
	v->rflags = vmcs_read(VMCS_GUEST_RFLAGS);
	reason &= REASON_BASIC;
	decode_exit(s, reason, x);
	if (reason == REASON_TASK_SWITCH)
		decode_task_switch(s, (uint32_t)x->info1, x);
	else if (reason != REASON_CR)
		keep_interrupted_event(s, reason, x);
	if (x->kind == EXIT_NMI)
		unblock_nmis();
	/* If the NMI window opens in the shadow of an STI, the entry may fail (27.3.1.5): clear the shadow. */
	if (reason == REASON_NMI_WINDOW)
		end_shadow();
}

static void set_timer(uint64_t ticks, bool on)
{
	uint32_t controls = (uint32_t)vmcs_read(VMCS_PIN_CTLS) & ~PIN_TIMER;

	vmcs_write(VMCS_PIN_CTLS, controls | (on ? PIN_TIMER : 0));
	vmcs_write(VMCS_TIMER, ticks);
}

/* The preemption timer restarts at each entry, so its exits are at least a millisecond apart. */
static void vmx_clock_exits(struct vcpu *v, bool on)
{
	struct vmx_vcpu *s = vmx(v);

	if (s->timer == on)
		return;
	set_timer(MIN(time_cycles(TICK_US) >> caps.timer_shift, 0xffffffffull), on);
	s->timer = on;
}

/*
 * In the wait-for-SIPI state only a SIPI exits; all other events except SMI stay pending (26.6.2 and 28.2).  The host's handler
 * takes a pending NMI right after the exit.  Not seen in emulators: Bochs keeps an INIT pending that has exited.
 */
static int vmx_wait_sipi(struct vcpu *v)
{
	struct vmx_vcpu *s = vmx(v);
	uint32_t reason;
	int how;

	if (!caps.wait_sipi)
		return -ERR_NOTSUP;
	vmx_init_state(v);
	vmx_clock_exits(v, false);
	s->window = false;
	place_windows(s);
	vmcs_write(VMCS_GUEST_ACTIVITY, ACTIVITY_WAIT_SIPI);
	do {
		this_cpu()->nmis_reported = this_cpu()->nmi_count;
		how = enter_once(s);
	} while (how == VMX_NMI);
	s->launched |= how == VMX_EXITED;
	reason = how == VMX_EXITED ? (uint32_t)vmcs_read(VMCS_EXIT_REASON) : 0;
	if (reason != REASON_SIPI) {
		vmx_explain(reason, how == VMX_FAILED ? (uint32_t)vmcs_read(VMCS_INSN_ERROR) : 0);
		log_err("cpu %u: waited for a SIPI and got exit %#x: now SIPIs are emulated", this_cpu()->index, reason);
		vmcs_write(VMCS_GUEST_ACTIVITY, ACTIVITY_ACTIVE);
		return -ERR_NOTSUP;
	}
	this_cpu()->nmis_reported = this_cpu()->nmi_count;
	return vmcs_read(VMCS_QUALIFICATION) & SIPI_QUAL_VECTOR;
}

/*
 * In root operation INIT is blocked, and would not end a HLT; in the halted guest INIT exits at once, and so does an NMI (25.2,
 * 26.6.2).  The guest has IF = 0: its physical interrupts wait.  The host's handler has not seen an NMI that exits: count it.
 * Without @wake the entry exits by the timer, if not by an INIT, which has priority.
 */
static int vmx_park(struct vcpu *v, const volatile uint32_t *wake)
{
	struct vmx_vcpu *s = vmx(v);
	struct cpu *c = this_cpu();
	uint32_t reason;
	int how;

	if (!caps.halt)
		return -ERR_NOTSUP;
	vmcs_write(VMCS_GUEST_ACTIVITY, ACTIVITY_HLT);
	vmx_clock_exits(v, false);
	if (!wake)
		set_timer(0, true);
	c->nmis_reported = c->nmi_count;
	how = wake && *wake ? VMX_NMI : enter_once(s);
	if (!wake)
		set_timer(0, false);
	vmcs_write(VMCS_GUEST_ACTIVITY, ACTIVITY_ACTIVE);
	s->launched |= how == VMX_EXITED;
	reason = how == VMX_EXITED ? (uint32_t)vmcs_read(VMCS_EXIT_REASON) : 0;
	if (how == VMX_NMI || reason == REASON_INIT || reason == REASON_TIMER) {
		c->init_seen |= reason == REASON_INIT;
	} else if (how == VMX_EXITED && reason == REASON_EXCEPTION) {
		c->nmi_count++;
		unblock_nmis();
	} else {
		vmx_explain(reason, how == VMX_FAILED ? (uint32_t)vmcs_read(VMCS_INSN_ERROR) : 0);
		log_err("cpu %u: parked: exit %#x", c->index, reason);
		return -ERR_NOTSUP;
	}
	c->nmis_reported = c->nmi_count;
	return 0;
}

/* VMX does not report instruction bytes. */
static unsigned vmx_insn_bytes(struct vcpu *v, const uint8_t **bytes)
{
	return 0;
}

static void vmx_trap_msr_write(uint32_t msr, bool on)
{
	vmx_msr_trap(msr_bitmap, msr, false, on);
}

static uint64_t vmx_get_tsc_offset(struct vcpu *v)
{
	return vmcs_read(VMCS_TSC_OFFSET);
}

static void vmx_set_tsc_offset(struct vcpu *v, uint64_t offset)
{
	vmcs_write(VMCS_TSC_OFFSET, offset);
}

const struct vcpu_ops vmx_ops = {
	.name = "Intel VMX",
	.hypercall_byte = 0xc1,		/* VMCALL */
	.probe = vmx_probe,
	.cpu_on = vmx_cpu_on,
	.cpu_off = vmx_cpu_off,
	.nested_format = &vmx_ept_format,
	.nested_1g = vmx_nested_1g,
	.vcpu_new = vmx_vcpu_new,
	.init_state = vmx_init_state,
	.init_is_safe = vmx_init_is_safe,
	.wait_sipi = vmx_wait_sipi,
	.sleep = vmx_sleep,
	.park = vmx_park,
	.flush = vmx_flush,
	.get = vmx_get,
	.set = vmx_set,
	.get_code = vmx_get_code,
	.get_segment = vmx_get_seg,
	.run = vmx_run,
	.inject_exception = vmx_inject_exception,
	.inject_interrupt = vmx_inject_interrupt,
	.can_interrupt = vmx_can_interrupt,
	.interrupt_window = vmx_interrupt_window,
	.inject_nmi = vmx_inject_nmi,
	.clock_exits = vmx_clock_exits,
	.acknowledge_interrupt = intr_acknowledge,
	.skip = vmx_skip,
	.insn_bytes = vmx_insn_bytes,
	.trap_msr_write = vmx_trap_msr_write,
	.rdmsr = vmx_rdmsr,
	.wrmsr = vmx_wrmsr,
	.get_tsc_offset = vmx_get_tsc_offset,
	.set_tsc_offset = vmx_set_tsc_offset,
};
