/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/svm/svm.c hv/svm/svm_msr.c hv/svm/svm_nmi.c hv/svm/svm_check.c hv/cpu/msr.c hv/cpu/vcpu.c hv/exit/msr.c */
/* sources: hv/cpu/features.c tests/unit/host/cpu.c tests/unit/host/vmcb_rules.c */
/* sources: efi/segment.c hv/efi/efi_state.c */
/*
 * Check the VMCB before each VMRUN by the manual's rules, over random lives of a guest: any state at an exit, INIT and SIPI,
 * writes of EFER, events, NMIs, windows, the clock, and interrupted deliveries.
 */
#include <string.h>
#include <veneer/doorbell.h>
#include <veneer/time.h>
#include "host/cpu.h"
#include "host/firmware_state.h"
#include "host/host.h"
#include "host/rnd.h"
#include "host/vmcb_rules.h"
#include "hv/cpu/entry.h"
#include "hv/cpu/features.h"
#include "hv/cpu/lapic.h"
#include "hv/dev/trap.h"
#include "hv/emul/walk.h"
#include "hv/exit/exit.h"
#include "hv/mem/ptree.h"
#include "hv/svm/svm.h"

#define LIVES		400u
#define STEPS		250u
#define PHYS_BITS	48u
#define TCG		0x54474354u

static struct vmcb *box;
static unsigned entries, injected, nmis, steps;

/* Stand-ins for what svm.c calls around an entry. */
void svm_enter(uint64_t gpr[GPR_COUNT], uint64_t vmcb, uint64_t host);
void host_sleep(const volatile uint32_t *wake) { }
int intr_acknowledge(void) { return -1; }
void trap_set_io_bitmap(uint8_t *map) { }
unsigned guest_read_code(const struct vcpu_regs *r, void *buf, unsigned len) { return 0; }
const struct pt_format pt_format_x86;
bool mtrr_read(uint32_t msr, uint64_t *value) { return false; }
bool mtrr_write(uint32_t msr, uint64_t value) { return false; }
uint64_t lapic_guest_base_read(void) { return 0; }
bool lapic_guest_base_write(uint64_t v) { return false; }
bool lapic_guest_x2apic_icr(uint64_t v) { return false; }

/* Choose a mode of the processor, with or without paging. */
static void any_mode(uint64_t *cr0, uint64_t *cr4, uint64_t *efer, struct vcpu_seg *cs)
{
	static const uint16_t code[] = { 0x9b, 0xc9b, 0xa9b };	/* 16, 32, 64 bits */
	unsigned mode = rnd(4);

	*cr0 = CR0_ET | (rnd(2) ? CR0_WP : 0) | (rnd(4) ? 0 : CR0_CD | (rnd(2) ? CR0_NW : 0));
	*cr4 = rnd(2) ? CR4_PSE : 0;
	*efer = rnd(2) ? EFER_SCE | EFER_NXE : 0;
	if (mode)
		*cr0 |= CR0_PE;
	if (mode == 2)
		*cr0 |= CR0_PG;
	if (mode == 3) {
		*cr0 |= CR0_PG;
		*cr4 |= CR4_PAE | (rnd(2) ? CR4_LA57 : 0);
		*efer |= EFER_LME | EFER_LMA;
	}
	*cs = (struct vcpu_seg){ .attr = code[mode == 3 ? rnd(3) : mode ? rnd(2) : 0], .limit = ~0u };
}

/*
 * Let the guest run: it exits with other registers, during the delivery of an event or not.  Never by an NMI, since a host
 * program cannot execute the STGI and CLGI after it.
 */
static void guest_runs(void)
{
	static const uint64_t exits[] = {
		VMEXIT_CPUID, VMEXIT_INTR, VMEXIT_VINTR, VMEXIT_IRET, VMEXIT_NPF, VMEXIT_IOIO, VMEXIT_MSR,
		VMEXIT_EXCP + 1, VMEXIT_EXCP + 17, VMEXIT_EXCP + 13, VMEXIT_EXCP + 14, VMEXIT_EXCP + 8, VMEXIT_VMMCALL
	};
	static const uint8_t with_code[] = { 8, 10, 11, 12, 13, 14, 17 }, without[] = { 0, 1, 3, 4, 5, 6, 7, 16, 18, 19 };

	if (!rnd(6)) {
		uint64_t cr0, cr4, efer;
		struct vcpu_seg cs;

		any_mode(&cr0, &cr4, &efer, &cs);
		box->cr0 = cr0;
		box->cr4 = cr4;
		box->efer = efer | EFER_SVME;
		box->cs.attr = cs.attr;
	}
	box->rflags = BIT(1) | (rnd(2) ? RFLAGS_IF : 0) | (rnd(8) ? 0 : RFLAGS_TF);
	box->rip = rnd(4) ? 0x1000 : rnd(1000000);
	box->dr6 = 0xffff0ff0 | (rnd(3) ? 0 : DR6_BS);
	box->shadow = rnd(8) ? 0 : SHADOW_INTERRUPT;
	if (rnd(2))
		box->vintr &= ~(VINTR_IRQ | VINTR_NMI);
	box->exitcode = exits[rnd(ARRAY_SIZE(exits))];
	/* Without paging there is no #PF. */
	if (box->exitcode == VMEXIT_EXCP + 14 && !(box->cr0 & CR0_PG))
		box->exitcode--;
	box->exitinfo1 = rnd64();
	box->exitinfo2 = rnd64();
	box->exitintinfo = rnd64() & ~EVENT_VALID;
	if (box->exitcode != VMEXIT_NPF || rnd(2))
		return;
	switch (rnd(4)) {
	case 0:
		/* Physical interrupts wait during the step over an IRET. */
		if (box->vintr & VINTR_MASKING)
			break;
		box->rflags |= RFLAGS_IF;
		box->exitintinfo = svm_event(EVENT_INTR, (uint8_t)(16 + rnd(240)));
		break;
	case 1:
		box->exitintinfo = svm_event(EVENT_NMI, 2);
		break;
	case 2:
		box->exitintinfo = svm_event(EVENT_EXCEPTION, without[rnd(ARRAY_SIZE(without))]);
		if (rnd(2) && box->cr0 & CR0_PE)
			box->exitintinfo = svm_event(EVENT_EXCEPTION, with_code[rnd(ARRAY_SIZE(with_code))]) | EVENT_HAS_ERROR;
		break;
	case 3:
		box->exitintinfo = svm_event(EVENT_SOFT, (uint8_t)rnd(256));
	}
}

void svm_enter(uint64_t gpr[GPR_COUNT], uint64_t vmcb, uint64_t host)
{
	const char *why = vmcb_rule_broken(box, PHYS_BITS);

	if (why)
		host_fail("VMRUN", (int)entries, "%s: CR0 %#lx CR4 %#lx EFER %#lx event %#lx", why, box->cr0, box->cr4,
			  box->efer, box->eventinj);
	entries++;
	injected += !!(box->eventinj & EVENT_VALID);
	nmis += FIELD_GET(EVENT_TYPE, box->eventinj) == EVENT_NMI;
	steps += !!(box->rflags & RFLAGS_TF);
	box->eventinj = 0;
	guest_runs();
}

/* Set the state after INIT and a SIPI, as hv/smp does. */
static void started(struct vcpu *v)
{
	struct vcpu_regs old, r = { .rflags = BIT(1) };

	svm_ops.get(v, &old);
	for (unsigned i = 0; i < SEG_COUNT; i++)
		r.seg[i] = (struct vcpu_seg){ .limit = 0xffff, .attr = 0x93 };
	r.seg[SEG_CS].attr = 0x9b;
	r.cr0 = CR0_ET | (old.cr0 & (CR0_CD | CR0_NW));
	svm_ops.init_state(v);
	svm_ops.set(v, &r);
}

static void write_efer(struct vcpu *v)
{
	uint64_t value = rnd(2) ? rnd64() : rnd(2) ? rnd(1u << 16) : BIT(rnd(22));

	v->gpr[GPR_RCX] = MSR_EFER;
	v->gpr[GPR_RAX] = (uint32_t)value;
	v->gpr[GPR_RDX] = value >> 32;
	exit_wrmsr(v);
}

static void one_act(struct vcpu *v)
{
	struct vcpu_regs r;

	switch (rnd(12)) {
	case 0:
		svm_ops.inject_nmi(v);
		break;
	case 1:
		if (svm_ops.can_interrupt(v))
			svm_ops.inject_interrupt(v, (uint8_t)(16 + rnd(240)));
		break;
	case 2:
		svm_ops.inject_exception(v, VCPU_EVENT_UD, false, 0);
		break;
	case 3:
		svm_ops.inject_exception(v, VCPU_EVENT_GP, true, 0);
		break;
	case 4:
		svm_ops.interrupt_window(v, rnd(2));
		break;
	case 5:
		svm_ops.clock_exits(v, rnd(2));
		break;
	case 6:
		if (!rnd(5))
			started(v);
		break;
	case 7:
		write_efer(v);
		break;
	case 8:
		svm_ops.skip(v, v->rip + 2);
		break;
	case 9:
		svm_ops.flush(v);
		break;
	case 10:
		svm_ops.get(v, &r);
		svm_ops.set(v, &r);
		break;
	case 11:
		svm_ops.set_tsc_offset(v, rnd64());
	}
}

static void processor(unsigned kind)
{
	host_cpu_reset();
	host_cpuid_set(0x80000001, (struct cpuid_regs){ .ecx = BIT(2), .edx = BIT(11) | BIT(20) | BIT(25) | BIT(29) });
	host_cpuid_set(1, (struct cpuid_regs){ .ecx = kind & 1 ? CPUID_HYPERVISOR : 0 });
	host_cpuid_set(0x40000000, (struct cpuid_regs){ .ebx = kind & 2 ? TCG : 0 });
	host_cpuid_set(CPUID_SVM, (struct cpuid_regs){
		.edx = SVM_EDX_NP | (kind & 4 ? SVM_EDX_VNMI : 0) | (kind & 8 ? SVM_EDX_NRIPS : 0) });
	host_msr_set(MSR_EFER, EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE | EFER_SVME);
	features_init();
	vcpu_ops = &svm_ops;
}

static void life(unsigned n)
{
	struct vcpu_regs r;
	struct vmexit x;
	struct vcpu *v;

	seed = n + 1;
	processor(n);
	v = svm_ops.vcpu_new(0x1000);
	CHECK(v != NULL);
	box = container_of(v, struct svm_vcpu, v)->vmcb;
	vcpu_flat32(&r);
	svm_ops.set(v, &r);
	for (unsigned i = 0; i < STEPS; i++) {
		for (unsigned k = rnd(4); k; k--)
			one_act(v);
		svm_ops.run(v, &x);
		if (x.kind == EXIT_EXCEPTION)
			svm_ops.inject_exception(v, x.exception.vector, x.exception.has_error, x.exception.error);
		if (x.kind == EXIT_DOUBLE_FAULT)
			svm_ops.inject_exception(v, VCPU_EVENT_DF, true, 0);
	}
}

TEST(every_entry_keeps_the_rules)
{
	for (unsigned n = 0; n < LIVES; n++) {
		life(n);
		host_clear();
	}
	CHECK_EQ(entries, LIVES * STEPS);
	CHECK(injected > 20000 && nmis > 3000 && steps > 3000);
}

/* The firmware goes on as the guest: its state breaks no rule, and is what veneer.efi said. */
TEST(the_firmware_as_guest)
{
	struct vcpu_regs r, got = { 0 };
	struct vmexit x;
	struct vcpu *v;

	processor(0);
	v = svm_ops.vcpu_new(0x1000);
	box = container_of(v, struct svm_vcpu, v)->vmcb;
	firmware_state(&r);
	svm_ops.set(v, &r);
	svm_ops.get(v, &got);
	CHECK(!memcmp(&got, &r, offsetof(struct vcpu_regs, gdtr)) && got.gdtr.base == r.gdtr.base &&
	      got.gdtr.limit == r.gdtr.limit && got.idtr.base == r.idtr.base && got.idtr.limit == r.idtr.limit && !got.cpl);
	CHECK(box->cs.attr == 0xa9b && box->ss.attr == 0xc93 && box->ss.limit == ~0u && !box->gs.attr && box->tr.attr == 0x8b);
	CHECK(box->efer == (0xd00 | EFER_SVME) && box->cr0 == 0x80010033);
	svm_ops.run(v, &x);
	host_clear();
}

/* Break each rule once. */
TEST(each_rule_is_known)
{
	struct vmexit x;
	struct vcpu *v;
	struct vcpu_regs r;
	struct vmcb good, c;

	processor(0);
	v = svm_ops.vcpu_new(0x1000);
	box = container_of(v, struct svm_vcpu, v)->vmcb;
	vcpu_flat32(&r);
	svm_ops.set(v, &r);
	svm_ops.run(v, &x);
	svm_ops.set(v, &r);
	good = *box;
	good.eventinj = 0;
	CHECK(!vmcb_rule_broken(&good, PHYS_BITS));
#define BREAKS(field, value) do { \
	c = good; c.field = value; \
	if (!vmcb_rule_broken(&c, PHYS_BITS)) \
		host_fail(__FILE__, __LINE__, "%s = %s breaks no rule", #field, #value); \
	} while (0)
	BREAKS(efer, 0);
	BREAKS(efer, EFER_SVME | BIT(1));
	BREAKS(cr0, CR0_NW);
	BREAKS(cr0, 1ull << 32);
	BREAKS(cr3, 1ull << PHYS_BITS);
	BREAKS(cr4, CR4_VMXE);
	BREAKS(cr4, CR4_CET);
	BREAKS(dr6, 1ull << 32);
	BREAKS(dr7, 1ull << 32);
	BREAKS(intercept2, 0);
	BREAKS(iopm, (1ull << PHYS_BITS) - PAGE_SIZE);
	BREAKS(msrpm, (1ull << PHYS_BITS) - PAGE_SIZE);
	BREAKS(asid, 0);
	BREAKS(ncr3, 0x1001);
	BREAKS(eventinj, svm_event(1, 0x30));
	BREAKS(eventinj, svm_event(EVENT_EXCEPTION, 2));
	BREAKS(eventinj, svm_event(EVENT_EXCEPTION, 13));
	BREAKS(eventinj, svm_event(EVENT_EXCEPTION, 6) | EVENT_HAS_ERROR);
	good.rflags &= ~RFLAGS_IF;
	BREAKS(eventinj, svm_event(EVENT_INTR, 0x30));
	good.efer |= EFER_LME;
	good.cr0 |= CR0_PG;
	BREAKS(cr4, 0);
	good.cr4 = CR4_PAE;
	CHECK(!vmcb_rule_broken(&good, PHYS_BITS));
	BREAKS(cr0, CR0_PG);
	BREAKS(cs.attr, SEG_ATTR_L | SEG_ATTR_DB);
}

TEST_MAIN
