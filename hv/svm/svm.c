/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AMD SVM behind vcpu_ops (AMD APM vol. 2, chapter 15).  GIF stays 0 from the first entry on; it is set for a moment at the
 * exit of an NMI or SMI, so that the host takes what is pending; the handler of NMIs only counts.
 */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include "hv/cpu/entry.h"
#include "hv/cpu/features.h"
#include "hv/cpu/percpu.h"
#include "hv/cpu/vcpu.h"
#include "hv/emul/walk.h"
#include "hv/mem/nested.h"
#include "hv/mem/paging.h"
#include "hv/mem/ptree.h"
#include "hv/svm/svm.h"
#include "hv/dev/trap.h"
#include "hv/x86.h"

#define IOPM_SIZE	(3 * PAGE_SIZE)
#define MSRPM_SIZE	(2 * PAGE_SIZE)

#define INSN_STI	0xfb

#define LEAF_HYPERVISOR	0x40000000u
#define QEMU_SIGNATURE	0x54474354u	/* EBX: "TCGT", of TCGTCGTCGTCG */

/* One permission map for all processors: what is trapped on one is trapped on each. */
static uint8_t *iopm, *msrpm;

void svm_enter(uint64_t gpr[GPR_COUNT], uint64_t vmcb, uint64_t host);

static struct svm_vcpu *svm(struct vcpu *v)
{
	return container_of(v, struct svm_vcpu, v);
}

/* --- switching on --- */

static int svm_probe(const char **why)
{
	struct cpuid_regs ext = cpuid(0x80000000, 0);

	if (ext.eax < CPUID_SVM || !(cpuid(0x80000001, 0).ecx & BIT(2)))
		return -ERR_NODEV;
	if (rdmsr(MSR_VM_CR) & VM_CR_SVMDIS) {
		*why = (cpuid(CPUID_SVM, 0).edx & SVM_EDX_SVML) ?
			"SVM is switched off by the firmware: enable \"SVM Mode\" (\"Virtualization\") in its setup" :
			"SVM is switched off by the firmware and cannot be switched on";
		return -ERR_NOTSUP;
	}
	if (!(cpuid(CPUID_SVM, 0).edx & SVM_EDX_NP)) {
		*why = "this processor's SVM has no nested paging, which Veneer needs";
		return -ERR_NOTSUP;
	}
	return 0;
}

static int svm_cpu_on(void)
{
	char *hsave = mem_alloc(2 * PAGE_SIZE, PAGE_SIZE), *host_vmcb = hsave + PAGE_SIZE;

	if (!hsave)
		return -ERR_NOMEM;
	this_cpu()->vendor = host_vmcb;
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME);
	wrmsr(MSR_VM_HSAVE_PA, mem_phys(hsave));
	/*
	 * Turn INIT into #SX (15.28), so that it cannot reset this processor without Veneer, and disable A20 masking (15.30.1),
	 * which would make the processor read the VMCB at another address.  Emulators ignore both bits.
	 */
	wrmsr(MSR_VM_CR, rdmsr(MSR_VM_CR) | VM_CR_R_INIT | VM_CR_DIS_A20M);
	__asm__ volatile("clgi" : : : "memory");
	__asm__ volatile("vmsave %0" : : "a"(mem_phys(host_vmcb)) : "memory");
	return 0;
}

static void svm_cpu_off(void)
{
	__asm__ volatile("stgi" : : : "memory");
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~EFER_SVME);
}

/* --- a vCPU --- */

static uint64_t nested_leaf(unsigned map)
{
	/* The nested table walk counts as a user access (15.25.5). */
	return pt_format_x86.leaf(map) | BIT64(2);
}

static const struct pt_format nested_format = { 0x27, nested_leaf };

static bool svm_nested_1g(void)
{
	return cpuid(0x80000001, 0).edx & BIT(26);
}

static void init_vmcb(struct vmcb *c, uint64_t ncr3)
{
	/*
	 * #DF is intercepted for the crash report, #SX for redirected INITs.  #DB and #AC because their delivery can raise them
	 * again (a breakpoint on the stack, a misaligned stack of ring 3): the processor would stay in the guest for ever, and
	 * hold NMIs back.
	 */
	c->exc_icpt = BIT(8) | BIT(30) | BIT(VCPU_EVENT_DB) | BIT(VCPU_EVENT_AC);
	c->intercept1 = ICPT_NMI | ICPT_INIT | ICPT_CPUID | ICPT_INVD | ICPT_INVLPGA | ICPT_IOIO | ICPT_MSR | ICPT_SHUTDOWN;
	c->intercept2 = ICPT_VMRUN | ICPT_VMMCALL | ICPT_VMLOAD | ICPT_VMSAVE | ICPT_STGI | ICPT_CLGI | ICPT_SKINIT;
	c->iopm = mem_phys(iopm);
	c->msrpm = mem_phys(msrpm);
	c->asid = 1;
	c->tlb_control = TLB_FLUSH_ALL;
	c->np_enable = 1;
	c->ncr3 = ncr3;
	c->gpat = 0x0007040600070406ull;	/* the reset value; the guest's PAT is its own under nested paging */
	c->dr6 = 0xffff0ff0;
	c->dr7 = 0x400;
	c->efer = EFER_SVME;
}

static int make_maps(void)
{
	if (msrpm)
		return 0;
	iopm = mem_alloc(IOPM_SIZE, PAGE_SIZE);
	msrpm = mem_alloc(MSRPM_SIZE, PAGE_SIZE);
	if (!iopm || !msrpm)
		return -ERR_NOMEM;
	trap_set_io_bitmap(iopm);
	svm_msr_policy(msrpm);
	return 0;
}

static struct vcpu *svm_vcpu_new(uint64_t root)
{
	struct svm_vcpu *s = mem_alloc(sizeof(*s), 64);

	if (!s || make_maps())
		return NULL;
	s->vmcb = mem_alloc(PAGE_SIZE, PAGE_SIZE);
	if (!s->vmcb)
		return NULL;
	init_vmcb(s->vmcb, root);
	s->nrips = cpuid(CPUID_SVM, 0).edx & SVM_EDX_NRIPS;
	s->decode = cpuid(CPUID_SVM, 0).edx & SVM_EDX_DECODE;
	s->emulated = cpuid(1, 0).ecx & CPUID_HYPERVISOR;
	s->qemu = s->emulated && cpuid(LEAF_HYPERVISOR, 0).ebx == QEMU_SIGNATURE;
	s->host_cr0 = read_cr0();
	svm_nmi_init(s, cpuid(CPUID_SVM, 0).edx & SVM_EDX_VNMI);
	/*
	 * QEMU runs the handler of an SMI inside the guest, where the handler's writes to EFER exit: let the SMI exit, and be
	 * taken by the host.  Silicon leaves the guest (15.13.3) and saves the guest's registers, where a handler of trapped
	 * I/O looks for them: intercept nothing there.
	 */
	if (s->qemu)
		s->vmcb->intercept1 |= ICPT_SMI;
	s->dirty_all = s->flush = true;
	return &s->v;
}

/* After INIT no event is pending or blocked, and the debug registers have their reset values (APM vol. 2, 14.1.3). */
static void svm_init_state(struct vcpu *v)
{
	struct svm_vcpu *s = svm(v);
	struct vmcb *c = s->vmcb;

	s->pending_event = 0;
	s->virtual = s->refused = false;
	c->intercept1 &= ~ICPT_VINTR;
	c->vintr = 0;
	svm_nmi_init(s, s->vnmi);
	c->shadow = 0;
	c->exitintinfo = 0;
	c->dr6 = 0xffff0ff0;
	c->dr7 = 0x400;
	s->dirty_all = true;
}

/*
 * True if R_INIT works.  Silicon turns INIT into #SX, which exits.  Emulators ignore the bit and reset the processor.  KVM
 * stores the bit but ignores it: the INIT exits, stays pending, and resets the processor at the next STGI.  So only silicon
 * counts.
 */
static bool svm_init_is_safe(void)
{
	return (rdmsr(MSR_VM_CR) & VM_CR_R_INIT) && !features.hypervisor;
}

/* Between two runs of the guest GIF is 0; set it only for the sleep. */
static void svm_sleep(const volatile uint32_t *wake)
{
	__asm__ volatile("stgi" : : : "memory");
	host_sleep(wake);
	__asm__ volatile("clgi" : : : "memory");
}

/* Let pending NMIs and SMIs in.  SMIs wait for GIF, too, and with them the whole machine. */
static void svm_breathe(void)
{
	__asm__ volatile("stgi; nop; clgi" : : : "memory");
}

static void svm_flush(struct vcpu *v)
{
	svm(v)->flush = svm(v)->dirty_all = true;
}

/* Segments have the VMCB's format and are copied: its first six, then LDTR and TR. */
_Static_assert(sizeof(struct vmcb_seg) == sizeof(struct vcpu_seg) &&
	       offsetof(struct vmcb_seg, attr) == offsetof(struct vcpu_seg, attr) &&
	       offsetof(struct vmcb_seg, limit) == offsetof(struct vcpu_seg, limit) &&
	       offsetof(struct vmcb_seg, base) == offsetof(struct vcpu_seg, base), "segments as in the VMCB");
_Static_assert(offsetof(struct vmcb, gs) - offsetof(struct vmcb, es) == SEG_GS * sizeof(struct vmcb_seg), "numbered alike");

static void svm_get_segment(struct vcpu *v, enum seg i, struct vcpu_seg *s)
{
	struct vmcb *c = svm(v)->vmcb;

	__builtin_memcpy(s, i == SEG_LDTR ? &c->ldtr : i == SEG_TR ? &c->tr : &c->es + i, sizeof(*s));
}

static void svm_get_code(struct vcpu *v, struct vcpu_regs *r)
{
	const struct vmcb *c = svm(v)->vmcb;

	vcpu_get_gprs(v, r);
	r->cr0 = c->cr0;
	r->cr3 = c->cr3;
	r->cr4 = c->cr4;
	r->efer = c->efer & ~(uint64_t)EFER_SVME;
	__builtin_memcpy(&r->seg[SEG_CS], &c->cs, sizeof(c->cs));
}

static void svm_get(struct vcpu *v, struct vcpu_regs *r)
{
	struct vmcb *c = svm(v)->vmcb;

	svm_get_code(v, r);
	r->cr2 = c->cr2;
	__builtin_memcpy(r->seg, &c->es, SEG_LDTR * sizeof(c->es));
	__builtin_memcpy(&r->seg[SEG_LDTR], &c->ldtr, sizeof(c->ldtr));
	__builtin_memcpy(&r->seg[SEG_TR], &c->tr, sizeof(c->tr));
	r->gdtr.base = c->gdtr.base;
	r->gdtr.limit = (uint16_t)c->gdtr.limit;
	r->idtr.base = c->idtr.base;
	r->idtr.limit = (uint16_t)c->idtr.limit;
	r->cpl = c->cpl;
}

static void svm_set(struct vcpu *v, const struct vcpu_regs *r)
{
	struct vmcb *c = svm(v)->vmcb;

	memcpy(v->gpr, r->gpr, sizeof(r->gpr));
	v->rip = r->rip;
	v->rflags = r->rflags;
	c->cr0 = r->cr0;
	c->cr2 = r->cr2;
	c->cr3 = r->cr3;
	c->cr4 = r->cr4;
	c->efer = r->efer | EFER_SVME;
	__builtin_memcpy(&c->es, r->seg, SEG_LDTR * sizeof(c->es));
	__builtin_memcpy(&c->ldtr, &r->seg[SEG_LDTR], sizeof(c->ldtr));
	__builtin_memcpy(&c->tr, &r->seg[SEG_TR], sizeof(c->tr));
	c->gdtr.base = r->gdtr.base;
	c->gdtr.limit = r->gdtr.limit;
	c->idtr.base = r->idtr.base;
	c->idtr.limit = r->idtr.limit;
	c->cpl = r->cpl;
	svm(v)->dirty_all = true;
}

/* --- events --- */

static void svm_inject_exception(struct vcpu *v, uint8_t vector, bool has_error, uint32_t error)
{
	/* The flags that a fault pushes keep an instruction breakpoint from coming again. */
	if (vector != VCPU_EVENT_DB && vector != VCPU_EVENT_DF)
		v->rflags |= RFLAGS_RF;
	/* In real mode exceptions have no error codes. */
	has_error = has_error && (svm(v)->vmcb->cr0 & CR0_PE);
	svm(v)->pending_event = svm_event(EVENT_EXCEPTION, vector) |
		(has_error ? EVENT_HAS_ERROR | FIELD_PREP(EVENT_ERROR, error) : 0);
}

static void svm_inject_interrupt(struct vcpu *v, uint8_t vector)
{
	svm(v)->pending_event = svm_event(EVENT_INTR, vector);
}

static void svm_inject_nmi(struct vcpu *v)
{
	svm(v)->nmi_wanted = true;
}

/*
 * Re-inject the event whose delivery this exit interrupted (15.20).  Software interrupts are executed again instead: RIP still
 * points to the INT.  Emulators report type 3 for all events: use the vector to tell them apart.
 */
static void keep_interrupted_event(struct svm_vcpu *s)
{
	uint64_t e = s->vmcb->exitintinfo;
	uint8_t vector = (uint8_t)FIELD_GET(EVENT_VECTOR, e);
	unsigned type = (unsigned)FIELD_GET(EVENT_TYPE, e);

	if (!(e & EVENT_VALID) || type == EVENT_SOFT)
		return;
	if (type == EVENT_EXCEPTION && vector >= 32)
		e = svm_event(EVENT_INTR, vector);
	else if (vector == 2 && type != EVENT_INTR)
		e = svm_event(EVENT_NMI, 2);
	else if (type == EVENT_EXCEPTION && (vector == 3 || vector == 4))
		return;
	s->pending_event = e;
}

static bool svm_can_interrupt(struct vcpu *v)
{
	return (v->rflags & RFLAGS_IF) && !(svm(v)->vmcb->shadow & SHADOW_INTERRUPT) && !svm(v)->pending_event;
}

static void svm_interrupt_window(struct vcpu *v, bool on)
{
	svm(v)->window = on;
}

/*
 * Set the event and the interrupt window of the next entry.
 *
 * Interrupt window: a virtual interrupt that exits as soon as the guest could take it (15.21.4), at any TPR.
 *
 * QEMU delivers an injected interrupt (eventinj) a second time, whatever IF is, if one of its threads calls the processor
 * before the guest's handler has ended: its record of the vector stays.  So on QEMU the vector goes in as a virtual interrupt,
 * which the guest takes before its first instruction if IF is 1.  With a window this virtual interrupt exits, and is injected
 * then; a guest that cannot take it must not get it before.  (KVM is different: with an interrupt window of its own KVM reports
 * a virtual interrupt as pending that the guest has taken.)
 *
 * Physical interrupts exit meanwhile: QEMU loses a virtual interrupt if the guest takes a physical one first.
 */
static void choose_event(struct svm_vcpu *s)
{
	struct vmcb *c = s->vmcb;
	bool window = svm_nmi_before(s) || s->window;
	bool open = (s->v.rflags & RFLAGS_IF) && !(c->shadow & SHADOW_INTERRUPT);
	uint64_t event = s->pending_event;

	s->virtual = s->qemu && (event & EVENT_VALID) && FIELD_GET(EVENT_TYPE, event) == EVENT_INTR &&
		     !((s->refused || window) && open);
	if (window != !!(c->vintr & VINTR_IRQ)) {
		c->vintr ^= VINTR_IRQ | VINTR_IGN_TPR;
		c->intercept1 ^= ICPT_VINTR;
		c->clean &= ~(CLEAN_INTERCEPTS | CLEAN_VINTR);
	}
	if ((s->clock || window || s->virtual) != !!(c->intercept1 & ICPT_INTR)) {
		c->intercept1 ^= ICPT_INTR;
		c->clean &= ~CLEAN_INTERCEPTS;
	}
	if (s->virtual) {
		c->vintr &= ~VINTR_VECTOR;
		c->vintr |= VINTR_IRQ | VINTR_IGN_TPR | FIELD_PREP(VINTR_VECTOR, FIELD_GET(EVENT_VECTOR, event));
		c->clean &= ~CLEAN_VINTR;
	}
	c->eventinj = s->virtual ? 0 : event;
	s->pending_event = 0;
}

/* After the exit: check whether the guest has taken the virtual interrupt. */
static void take_virtual_back(struct svm_vcpu *s)
{
	struct vmcb *c = s->vmcb;

	s->refused = false;
	if (!s->virtual)
		return;
	s->virtual = false;
	if (c->vintr & VINTR_IRQ) {
		s->refused = true;
		s->pending_event = svm_event(EVENT_INTR, (uint8_t)FIELD_GET(VINTR_VECTOR, c->vintr));
	}
	c->vintr &= ~(VINTR_IRQ | VINTR_IGN_TPR | VINTR_VECTOR);
	c->intercept1 &= ~ICPT_VINTR;
	c->clean &= ~(CLEAN_INTERCEPTS | CLEAN_VINTR);
}

/* --- the run --- */

static enum vmexit_kind kind_of(uint64_t code)
{
	switch (code) {
	case VMEXIT_NMI:		return EXIT_NMI;
	case VMEXIT_SMI:		return EXIT_SMI;
	case VMEXIT_INTR:		return EXIT_INTR;
	case VMEXIT_INIT:
	case VMEXIT_EXCP + 30:		return EXIT_INIT;
	case VMEXIT_EXCP + 8:		return EXIT_DOUBLE_FAULT;
	case VMEXIT_EXCP + VCPU_EVENT_DB:
	case VMEXIT_EXCP + VCPU_EVENT_AC:	return EXIT_EXCEPTION;
	case VMEXIT_CPUID:		return EXIT_CPUID;
	case VMEXIT_VINTR:		return EXIT_WINDOW;
	case VMEXIT_IRET:		return EXIT_IRET;
	case VMEXIT_INVD:		return EXIT_INVD;
	case VMEXIT_SHUTDOWN:		return EXIT_SHUTDOWN;
	case VMEXIT_VMMCALL:		return EXIT_HYPERCALL;
	case VMEXIT_INVLPGA:
	case VMEXIT_VMRUN:
	case VMEXIT_VMLOAD:
	case VMEXIT_VMSAVE:
	case VMEXIT_STGI:
	case VMEXIT_CLGI:
	case VMEXIT_SKINIT:		return EXIT_UD;
	default:			return EXIT_OTHER;
	}
}

static void decode_exit(struct svm_vcpu *s, struct vmexit *x)
{
	const struct vmcb *c = s->vmcb;
	uint64_t info = c->exitinfo1, event = c->exitintinfo;

	x->code = c->exitcode;
	x->info1 = info;
	x->info2 = c->exitinfo2;
	x->next_rip = s->nrips ? c->nrip : 0;
	if ((uint32_t)c->exitcode == VMEXIT_INVALID) {
		x->kind = EXIT_INVALID;
	} else if (c->exitcode == VMEXIT_IOIO) {
		x->kind = EXIT_PIO;
		x->pio.port = (uint16_t)FIELD_GET(IOIO_PORT, (uint32_t)info);
		x->pio.width = (uint8_t)FIELD_GET(IOIO_SZ, (uint32_t)info);
		x->pio.in = info & IOIO_IN;
		x->pio.string = info & IOIO_STR;
		x->pio.rep = info & IOIO_REP;
		x->next_rip = c->exitinfo2;
	} else if (c->exitcode == VMEXIT_NPF) {
		x->kind = EXIT_NPF;
		x->npf.gpa = c->exitinfo2;
		x->npf.write = info & NPF_WRITE;
		x->npf.fetch = info & NPF_FETCH;
		x->npf.walk = info & NPF_WALK;
	} else if (c->exitcode == VMEXIT_MSR) {
		x->kind = info ? EXIT_WRMSR : EXIT_RDMSR;
	} else {
		x->kind = kind_of(c->exitcode);
	}
	if (x->kind == EXIT_EXCEPTION) {
		x->exception.vector = (uint8_t)(c->exitcode - VMEXIT_EXCP);
		x->exception.has_error = x->exception.vector == VCPU_EVENT_AC;
		x->exception.error = (uint32_t)info;
	}
	x->delivered.valid = false;
	if (x->kind == EXIT_NPF || x->kind == EXIT_DOUBLE_FAULT || x->kind == EXIT_SHUTDOWN)
		x->delivered = (struct vcpu_event){
			.valid = event & EVENT_VALID, .has_error = event & EVENT_HAS_ERROR,
			.vector = (uint8_t)FIELD_GET(EVENT_VECTOR, event), .error = (uint32_t)FIELD_GET(EVENT_ERROR, event),
		};
}

/*
 * VMRUN loads the interrupt shadow of an STI (15.21.5), but QEMU's does not: the guest would take an interrupt before the HLT
 * that this interrupt should end.  In QEMU let the guest execute the STI again.
 */
static void redo_sti(struct svm_vcpu *s)
{
	struct vcpu_regs r;
	uint8_t byte;

	if (!s->emulated || !(s->vmcb->shadow & SHADOW_INTERRUPT) || !(s->v.rflags & RFLAGS_IF))
		return;
	svm_get(&s->v, &r);
	r.rip--;
	if (guest_read_code(&r, &byte, 1) != 1 || byte != INSN_STI)
		return;
	s->v.rip--;
	s->v.rflags &= ~RFLAGS_IF;
	s->vmcb->shadow = 0;
}

/*
 * Keep the guest's state, for an entry that may fail.  An entry does not if all that the processor checks (15.5.1) is as at the
 * last one, which most entries are.
 */
static void keep_state(struct svm_vcpu *s)
{
	const struct vmcb *c = s->vmcb;
	const uint64_t now[] = { c->cr0, c->cr3, c->cr4, c->efer, c->dr6, c->dr7, c->cs.attr };
	uint64_t changed = s->dirty_all;

	_Static_assert(sizeof(now) == sizeof(s->entered_by), "one for each");
	for (unsigned i = 0; i < ARRAY_SIZE(now); i++)
		changed |= now[i] ^ s->entered_by[i];
	if (!changed)
		return;
	copy_words(s->entered_by, now, ARRAY_SIZE(now));
	copy_words(s->entered, &c->es, sizeof(s->entered) / 8);
}

static void svm_run(struct vcpu *v, struct vmexit *x)
{
	struct svm_vcpu *s = svm(v);
	struct vmcb *c = s->vmcb;
	uint64_t nmis;

	/*
	 * The guest has one ASID: flush all of it after a change of the nested tables.  Emulators flush at every entry, silicon
	 * only here.
	 */
	c->tlb_control = s->flush ? TLB_FLUSH_ALL : TLB_FLUSH_NONE;
	s->flush = false;
	if (s->dirty_all)
		c->clean = 0;
	choose_event(s);
	c->rax = v->gpr[GPR_RAX];
	c->rsp = v->gpr[GPR_RSP];
	c->rip = v->rip;
	c->rflags = v->rflags;
	if (s->emulated)
		keep_state(s);
	svm_enter(v->gpr, mem_phys(c), mem_phys(this_cpu()->vendor));
	/*
	 * An exit loads the host's CR0, CR4 and EFER.  QEMU loads CR0 first, and leaves PG at 0 if the guest has EFER.LME
	 * without CR4.PAE; then the host runs without paging, and the next entry would have no nested paging.
	 */
	if (read_cr0() != s->host_cr0)
		write_cr0(s->host_cr0);
	if ((uint32_t)c->exitcode == VMEXIT_INVALID) {
		/*
		 * Silicon leaves the state save area unchanged; QEMU overwrites it with the host's state if it finds the error
		 * early.  QEMU also ends a running guest with VMEXIT_INVALID if the guest sets a reserved bit of CR4; silicon
		 * raises #GP.
		 */
		if (s->emulated && c->rip - mem_phys(veneer_start) < (uint64_t)(veneer_end - veneer_start))
			memcpy(&c->es, s->entered, sizeof(s->entered));
		svm_explain(c);
	}
	v->gpr[GPR_RAX] = c->rax;
	v->gpr[GPR_RSP] = c->rsp;
	v->rip = c->rip;
	v->rflags = c->rflags;
	s->dirty_all = false;
	c->clean = CLEAN_ALL;
	decode_exit(s, x);
	take_virtual_back(s);
	keep_interrupted_event(s);
	svm_nmi_after(s, x);
	if (x->kind != EXIT_NMI && x->kind != EXIT_SMI)
		return;
	nmis = this_cpu()->nmi_count;
	svm_breathe();
	/* An NMI came with the SMI, and the host's handler has only counted it: look for who sent it. */
	if (x->kind == EXIT_SMI && this_cpu()->nmi_count != nmis)
		x->kind = EXIT_NMI;
	redo_sti(s);
}

static void svm_trap_msr_write(uint32_t msr, bool on)
{
	svm_msr_trap(msrpm, msr, false, on);
}

/* The guest's own timer is the clock: its interrupts exit. */
static void svm_clock_exits(struct vcpu *v, bool on)
{
	svm(v)->clock = on;
}

static void svm_skip(struct vcpu *v, uint64_t next_rip)
{
	v->rip = next_rip;
	svm(v)->vmcb->shadow = 0;
}

static unsigned svm_insn_bytes(struct vcpu *v, const uint8_t **bytes)
{
	struct vmcb *c = svm(v)->vmcb;

	if (!svm(v)->decode || c->exitcode != VMEXIT_NPF)
		return 0;
	*bytes = c->bytes;
	return MIN(c->nbytes, sizeof(c->bytes));
}

static uint64_t svm_get_tsc_offset(struct vcpu *v)
{
	return svm(v)->vmcb->tsc_offset;
}

static void svm_set_tsc_offset(struct vcpu *v, uint64_t offset)
{
	svm(v)->vmcb->tsc_offset = offset;
	svm(v)->dirty_all = true;
}

/* INTR exits come with GIF = 0: to take the interrupt set GIF and IF for a moment. */
static int svm_acknowledge_interrupt(void)
{
	int vector;

	__asm__ volatile("stgi" : : : "memory");
	vector = intr_acknowledge();
	__asm__ volatile("clgi" : : : "memory");
	return vector;
}

const struct vcpu_ops svm_ops = {
	.name = "AMD SVM",
	.hypercall_byte = 0xd9,		/* VMMCALL */
	.probe = svm_probe,
	.cpu_on = svm_cpu_on,
	.cpu_off = svm_cpu_off,
	.nested_format = &nested_format,
	.nested_1g = svm_nested_1g,
	.vcpu_new = svm_vcpu_new,
	.init_state = svm_init_state,
	.init_is_safe = svm_init_is_safe,
	.sleep = svm_sleep,
	.breathe = svm_breathe,
	.flush = svm_flush,
	.get = svm_get,
	.set = svm_set,
	.get_code = svm_get_code,
	.get_segment = svm_get_segment,
	.run = svm_run,
	.inject_exception = svm_inject_exception,
	.inject_interrupt = svm_inject_interrupt,
	.can_interrupt = svm_can_interrupt,
	.interrupt_window = svm_interrupt_window,
	.inject_nmi = svm_inject_nmi,
	.clock_exits = svm_clock_exits,
	.clock_is_intr = true,
	.acknowledge_interrupt = svm_acknowledge_interrupt,
	.skip = svm_skip,
	.insn_bytes = svm_insn_bytes,
	.rdmsr = svm_rdmsr,
	.wrmsr = svm_wrmsr,
	.trap_msr_write = svm_trap_msr_write,
	.get_tsc_offset = svm_get_tsc_offset,
	.set_tsc_offset = svm_set_tsc_offset,
};
