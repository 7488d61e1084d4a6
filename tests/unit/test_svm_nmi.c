/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/svm/svm_nmi.c */
/* The guest's NMIs on SVM: blocked until the guest has executed an IRET; the guest does not notice the single step over it. */
#include <string.h>
#include "host/host.h"
#include "hv/svm/svm.h"

#define IRET	0x1000u
#define BEHIND	0x5000u
#define FLAGS	0x46u
#define CAUSES	(DR6_B | DR6_BD | DR6_BS | DR6_BT)

static struct vmcb vmcb;
static struct svm_vcpu s;
static struct vmexit x;
static uint32_t exceptions;

static void start(bool vnmi)
{
	memset(&vmcb, 0, sizeof(vmcb));
	vmcb.exc_icpt = exceptions = BIT(8) | BIT(30) | BIT(1) | BIT(17);
	vmcb.dr6 = 0xffff0ff0;
	vmcb.dr7 = 0x400;
	vmcb.cr0 = CR0_PE;
	vmcb.clean = CLEAN_ALL;
	s = (struct svm_vcpu){ .vmcb = &vmcb, .v = { .rip = 0x2000, .rflags = FLAGS } };
	svm_nmi_init(&s, vnmi);
}

/* Enter as svm_run() does.  True if an NMI was injected. */
static bool entry(void)
{
	uint32_t before[2] = { vmcb.exc_icpt, vmcb.intercept1 };
	uint64_t vintr = vmcb.vintr, event;

	(void)svm_nmi_before(&s);
	if (before[0] != vmcb.exc_icpt || before[1] != vmcb.intercept1)
		CHECK(!(vmcb.clean & CLEAN_INTERCEPTS));
	if (vintr != vmcb.vintr)
		CHECK(!(vmcb.clean & CLEAN_VINTR));
	event = s.pending_event;
	s.pending_event = 0;
	CHECK(!s.stepping || !event);
	return event == svm_event(EVENT_NMI, 2);
}

static void leave(uint64_t code)
{
	vmcb.exitcode = code;
	vmcb.clean = CLEAN_ALL;
	x = (struct vmexit){ .kind = EXIT_OTHER };
	svm_nmi_after(&s, &x);
	CHECK_EQ(vmcb.exc_icpt, exceptions);
	CHECK(!(vmcb.vintr & VINTR_MASKING));
	CHECK(!s.stepping);
}

/* The guest has taken an NMI, a second is held, and the handler's IRET has exited. */
static void at_iret(void)
{
	start(false);
	s.nmi_wanted = true;
	CHECK(entry());
	CHECK(vmcb.intercept1 & ICPT_IRET);
	leave(VMEXIT_NMI);
	s.nmi_wanted = true;
	CHECK(!entry());
	CHECK(vmcb.intercept1 & ICPT_IRET);
	s.v.rip = IRET;
	leave(VMEXIT_IRET);
}

static void step(void)
{
	CHECK(!entry());
	CHECK(s.stepping);
	CHECK(s.v.rflags & RFLAGS_TF);
	CHECK(vmcb.vintr & VINTR_MASKING);
	CHECK(!(vmcb.intercept1 & ICPT_IRET));
	CHECK(!(vmcb.dr6 & CAUSES));
	CHECK(!(vmcb.clean & CLEAN_DR));
}

/* The IRET has been executed and loaded @flags. */
static void stepped(uint64_t flags)
{
	s.v.rip = BEHIND;
	s.v.rflags = flags;
	vmcb.dr6 |= DR6_BS;
	leave(VMEXIT_EXCP + 1);
	CHECK_EQ(x.kind, EXIT_IRET);
}

TEST(one_waits_until_the_iret_is_executed)
{
	at_iret();
	step();
	stepped(FLAGS);
	CHECK_EQ(s.v.rflags, FLAGS);
	CHECK_EQ(vmcb.dr6, 0xffff0ff0);
	CHECK(entry());
	leave(VMEXIT_NMI);
	CHECK(!entry());
}

/* No NMI is held: no single step, and the next NMI is injected once the guest is behind the IRET. */
TEST(no_step_without_need)
{
	start(false);
	s.nmi_wanted = true;
	CHECK(entry());
	s.v.rip = IRET;
	leave(VMEXIT_IRET);
	CHECK(!entry());
	CHECK(!s.stepping && !(vmcb.intercept1 & ICPT_IRET));
	s.v.rip = BEHIND;
	leave(VMEXIT_NMI);
	s.nmi_wanted = true;
	CHECK(entry());
}

TEST(other_exits_before_the_iret)
{
	static const uint64_t codes[] = { VMEXIT_NMI, VMEXIT_NPF, VMEXIT_VINTR, VMEXIT_EXCP + 30 };

	at_iret();
	for (unsigned i = 0; i < ARRAY_SIZE(codes); i++) {
		step();
		leave(codes[i]);
		CHECK_EQ(s.v.rflags, FLAGS);
		CHECK_EQ(vmcb.dr6, 0xffff0ff0);
		CHECK_EQ(x.kind, EXIT_OTHER);
	}
	/* An interrupt is injected at the IRET: the IRET of its handler ends the blocking. */
	s.pending_event = svm_event(EVENT_INTR, 0x40);
	CHECK(!entry());
	CHECK(!s.stepping && (vmcb.intercept1 & ICPT_IRET));
	s.v.rip = 0x9000;
	leave(VMEXIT_IRET);
	CHECK(!entry());
	CHECK(s.stepping);
}

TEST(an_iret_that_faults)
{
	static const uint8_t vectors[] = { 6, 10, 11, 12, 13, 14, 17, 21 };

	for (unsigned i = 0; i < ARRAY_SIZE(vectors); i++) {
		uint64_t event = svm_event(EVENT_EXCEPTION, vectors[i]);

		at_iret();
		vmcb.cr2 = 1;
		step();
		vmcb.exitinfo1 = 0x7f8;
		vmcb.exitinfo2 = 0xdead000;
		leave(VMEXIT_EXCP + vectors[i]);
		CHECK_EQ(s.v.rflags, FLAGS);
		CHECK_EQ(x.kind, EXIT_IRET);
		CHECK_EQ(s.pending_event, vectors[i] == 6 ? event : (event | EVENT_HAS_ERROR | 0x7f8ull << 32));
		CHECK_EQ(vmcb.cr2, vectors[i] == 14 ? 0xdead000u : 1u);
		CHECK(vectors[i] != 14 || !(vmcb.clean & CLEAN_CR2));
		/* NMIs stay blocked until the fault's handler returns. */
		CHECK(!entry());
		CHECK(!s.stepping && (vmcb.intercept1 & ICPT_IRET));
	}
}

TEST(an_iret_that_faults_in_real_mode_has_no_error_code)
{
	at_iret();
	vmcb.cr0 = 0;
	step();
	vmcb.exitinfo1 = 0x7f8;
	leave(VMEXIT_EXCP + 13);
	CHECK_EQ(s.pending_event, svm_event(EVENT_EXCEPTION, 13));
}

TEST(the_guests_own_debugging)
{
	/* The guest single-steps, too: its #DB comes first, then the NMI, at the IRET of the #DB's handler or with IF = 1. */
	at_iret();
	s.v.rflags |= RFLAGS_TF;
	step();
	stepped(FLAGS);
	CHECK_EQ(vmcb.dr6, 0xffff0ff0 | DR6_BS);
	CHECK_EQ(s.pending_event, svm_event(EVENT_EXCEPTION, 1));
	CHECK(svm_nmi_before(&s));
	CHECK(vmcb.intercept1 & ICPT_IRET);
	s.pending_event = 0;
	s.v.rip = 0x7000;
	leave(VMEXIT_IRET);
	CHECK(entry());
	/* The IRET returns to code that the guest single-steps: the #DB comes after the next instruction. */
	at_iret();
	step();
	stepped(FLAGS | RFLAGS_TF);
	CHECK_EQ(vmcb.dr6, 0xffff0ff0);
	CHECK_EQ(s.v.rflags, FLAGS | RFLAGS_TF);
	CHECK(entry());
	/* A data breakpoint on the stack; breakpoint 1 is not enabled. */
	at_iret();
	vmcb.dr7 = 0x401;
	vmcb.dr6 |= BIT(2);
	step();
	vmcb.dr6 |= 3;
	stepped(FLAGS);
	CHECK_EQ(vmcb.dr6, 0xffff0ff5);
	CHECK_EQ(s.pending_event, svm_event(EVENT_EXCEPTION, 1));
	/* An instruction breakpoint at the IRET, which is not executed. */
	at_iret();
	vmcb.dr7 = 0x401;
	step();
	vmcb.dr6 |= 1;
	leave(VMEXIT_EXCP + 1);
	CHECK_EQ(s.v.rflags, FLAGS);
	CHECK_EQ(vmcb.dr6, 0xffff0ff1);
	CHECK_EQ(s.pending_event, svm_event(EVENT_EXCEPTION, 1));
	CHECK(!entry());
	CHECK(vmcb.intercept1 & ICPT_IRET);
}

TEST(another_event_goes_first)
{
	start(false);
	s.nmi_wanted = true;
	s.pending_event = svm_event(EVENT_EXCEPTION, 14);
	CHECK(svm_nmi_before(&s));
	CHECK(s.nmi_wanted && (vmcb.intercept1 & ICPT_IRET));
	s.pending_event = 0;
	leave(VMEXIT_VINTR);
	CHECK(entry());
}

TEST(a_processor_that_keeps_account_itself)
{
	start(true);
	CHECK(vmcb.vintr & VINTR_NMI_ENABLE);
	s.nmi_wanted = true;
	s.pending_event = svm_event(EVENT_EXCEPTION, 14);
	CHECK(!svm_nmi_before(&s));
	CHECK(vmcb.vintr & VINTR_NMI);
	CHECK(!(vmcb.clean & CLEAN_VINTR));
	CHECK(!s.nmi_wanted && !(vmcb.intercept1 & ICPT_IRET));
	CHECK_EQ(s.pending_event, svm_event(EVENT_EXCEPTION, 14));
	svm_nmi_init(&s, true);
	CHECK_EQ(vmcb.vintr, VINTR_NMI_ENABLE);
}

TEST_MAIN
