/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/svm/svm.c hv/svm/svm_msr.c hv/svm/svm_nmi.c hv/svm/svm_check.c hv/cpu/msr.c */
/* sources: hv/cpu/features.c tests/unit/host/cpu.c */
/* SVM with a fake entry, which records its input and exits as the test says. */
#include "host/cpu.h"
#include "host/host.h"
#include "hv/cpu/entry.h"
#include "hv/cpu/features.h"
#include "hv/dev/trap.h"
#include "hv/emul/walk.h"
#include "hv/mem/ptree.h"
#include "hv/svm/svm.h"

/* Stand-ins for what svm.c calls around an entry. */
void svm_enter(uint64_t gpr[GPR_COUNT], uint64_t vmcb, uint64_t host);
static struct { uint64_t eventinj, vintr; uint32_t intercepts; } in;
static bool taken;		/* the guest takes a virtual interrupt before it exits */
static uint64_t leaves;		/* the exit's code */
static struct vmcb *box;

void svm_enter(uint64_t gpr[GPR_COUNT], uint64_t vmcb, uint64_t host)
{
	in.eventinj = box->eventinj;
	in.vintr = box->vintr;
	in.intercepts = box->intercept1;
	box->eventinj = box->exitintinfo = 0;
	box->exitcode = leaves;
	if (taken && (box->vintr & VINTR_IRQ)) {
		box->vintr &= ~VINTR_IRQ;
		box->rflags &= ~RFLAGS_IF;
	}
}

void host_sleep(const volatile uint32_t *wake) { }
int intr_acknowledge(void) { return -1; }
void trap_set_io_bitmap(uint8_t *map) { }
unsigned guest_read_code(const struct vcpu_regs *r, void *buf, unsigned len) { return 0; }
const struct pt_format pt_format_x86;
bool mtrr_read(uint32_t msr, uint64_t *value) { return false; }
bool mtrr_write(uint32_t msr, uint64_t value) { return false; }

/* KVM also keeps R_INIT, but resets a processor at INIT nevertheless. */
TEST(init_is_safe_on_silicon_that_keeps_the_bit)
{
	static const struct { uint32_t ecx; uint64_t vm_cr; bool safe; } c[] = {
		{ 0, VM_CR_R_INIT, true }, { 0, 0, false },
		{ CPUID_HYPERVISOR, VM_CR_R_INIT, false }, { CPUID_HYPERVISOR, 0, false },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(c); i++) {
		host_cpuid_set(1, (struct cpuid_regs){ .ecx = c[i].ecx });
		features_init();
		host_msr_set(MSR_VM_CR, c[i].vm_cr);
		CHECK_EQ(svm_ops.init_is_safe(), c[i].safe);
	}
}

/* --- interrupts for the guest --- */

#define VECTOR	0x28u
#define CODE	0x1000u

static struct vmexit x;

static struct vcpu *vcpu_on(uint32_t signature)
{
	host_cpuid_set(1, (struct cpuid_regs){ .ecx = signature ? CPUID_HYPERVISOR : 0 });
	host_cpuid_set(0x40000000, (struct cpuid_regs){ .ebx = signature });
	struct vcpu *v = svm_ops.vcpu_new(0x1000);

	CHECK(v != NULL);
	box = container_of(v, struct svm_vcpu, v)->vmcb;
	v->rip = CODE;
	v->rflags = RFLAGS_IF | BIT(1);
	leaves = VMEXIT_CPUID;
	taken = true;
	return v;
}

static bool went_virtual(void)
{
	return !in.eventinj && (in.vintr & VINTR_IRQ) && (in.vintr & VINTR_IGN_TPR) &&
	       FIELD_GET(VINTR_VECTOR, in.vintr) == VECTOR && !(in.intercepts & ICPT_VINTR);
}

static bool went_injected(void)
{
	return in.eventinj == svm_event(EVENT_INTR, VECTOR) && !(in.vintr & VINTR_IRQ);
}

TEST(an_interrupt_is_injected_on_silicon_and_on_kvm)
{
	static const uint32_t signatures[] = { 0, 0x4b4d564b };

	for (unsigned i = 0; i < 2; i++) {
		struct vcpu *v = vcpu_on(signatures[i]);

		svm_ops.inject_interrupt(v, VECTOR);
		svm_ops.run(v, &x);
		CHECK(went_injected());
		CHECK(!(in.intercepts & ICPT_INTR));
		v->rflags |= RFLAGS_IF;
		CHECK(svm_ops.can_interrupt(v));
	}
}

/* QEMU would run the handler of an SMI inside the guest.  On silicon and KVM that handler needs the guest's registers. */
TEST(smis_exit_on_qemu_only)
{
	static const struct { uint32_t signature; bool exits; } c[] = {
		{ 0, false }, { 0x4b4d564b, false }, { 0x54474354, true },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(c); i++) {
		struct vcpu *v = vcpu_on(c[i].signature);

		svm_ops.run(v, &x);
		CHECK_EQ(!!(in.intercepts & ICPT_SMI), c[i].exits);
		/* Still after an INIT. */
		svm_ops.init_state(v);
		svm_ops.run(v, &x);
		CHECK_EQ(!!(in.intercepts & ICPT_SMI), c[i].exits);
	}
}

/* QEMU would deliver an injected interrupt twice. */
TEST(an_interrupt_is_virtual_on_qemu)
{
	struct vcpu *v = vcpu_on(0x54474354);

	svm_ops.inject_interrupt(v, VECTOR);
	svm_ops.run(v, &x);
	CHECK(went_virtual());
	/* The guest must not take a physical interrupt first: QEMU would then lose the virtual one. */
	CHECK(in.intercepts & ICPT_INTR);
	svm_ops.run(v, &x);
	CHECK_EQ(in.eventinj, 0);
	CHECK_EQ(in.vintr, 0);
	CHECK(!(in.intercepts & ICPT_INTR));
}

TEST(a_virtual_interrupt_that_was_not_taken_is_injected)
{
	struct vcpu *v = vcpu_on(0x54474354);

	svm_ops.inject_interrupt(v, VECTOR);
	taken = false;
	leaves = VMEXIT_INTR;
	svm_ops.run(v, &x);
	CHECK(went_virtual());
	/* The physical interrupt that caused the exit is not acknowledged meanwhile. */
	CHECK(!svm_ops.can_interrupt(v));
	svm_ops.run(v, &x);
	CHECK(went_injected());
	svm_ops.run(v, &x);
	CHECK_EQ(in.eventinj, 0);
	CHECK(svm_ops.can_interrupt(v));
}

/* A fault occurs in the delivery: its handler runs with IF = 0, and the interrupt waits until the handler has ended. */
TEST(a_virtual_interrupt_is_not_injected_where_the_guest_cannot_take_it)
{
	struct vcpu *v = vcpu_on(0x54474354);

	svm_ops.inject_interrupt(v, VECTOR);
	taken = false;
	svm_ops.run(v, &x);
	v->rflags &= ~RFLAGS_IF;
	svm_ops.run(v, &x);
	CHECK(went_virtual());
	taken = true;
	v->rflags |= RFLAGS_IF;
	svm_ops.run(v, &x);
	CHECK(went_injected());
}

/* The same with an open interrupt window: injection would not wait for the guest's IF. */
TEST(a_window_does_not_make_a_refused_interrupt_come_too_early)
{
	struct vcpu *v = vcpu_on(0x54474354);

	svm_ops.inject_interrupt(v, VECTOR);
	taken = false;
	svm_ops.run(v, &x);
	v->rflags &= ~RFLAGS_IF;
	svm_ops.interrupt_window(v, true);
	svm_ops.run(v, &x);
	CHECK_EQ(in.eventinj, 0);
	CHECK((in.vintr & VINTR_IRQ) && (in.intercepts & ICPT_VINTR));
	/* The guest can take interrupts now; another interrupt waits. */
	v->rflags |= RFLAGS_IF;
	leaves = VMEXIT_VINTR;
	svm_ops.run(v, &x);
	CHECK_EQ(in.eventinj, svm_event(EVENT_INTR, VECTOR));
	CHECK((in.vintr & VINTR_IRQ) && (in.intercepts & ICPT_VINTR));
	svm_ops.interrupt_window(v, false);
	svm_ops.run(v, &x);
	CHECK_EQ(in.eventinj, 0);
	CHECK(!(in.vintr & VINTR_IRQ) && !(in.intercepts & ICPT_VINTR));
}

/* The interrupt window needs the virtual interrupt, too. */
TEST(a_window_leaves_the_vector_to_injection)
{
	struct vcpu *v = vcpu_on(0x54474354);

	svm_ops.interrupt_window(v, true);
	svm_ops.inject_interrupt(v, VECTOR);
	taken = false;
	svm_ops.run(v, &x);
	CHECK_EQ(in.eventinj, svm_event(EVENT_INTR, VECTOR));
	CHECK(in.vintr & VINTR_IRQ);
	CHECK(in.intercepts & ICPT_VINTR);
	svm_ops.interrupt_window(v, false);
	svm_ops.run(v, &x);
	CHECK_EQ(in.vintr & VINTR_IRQ, 0);
}

TEST_MAIN
