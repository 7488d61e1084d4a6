/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * NMIs that the guest sends itself, beside Veneer's doorbells: blocked from the delivery to the next IRET, one kept meanwhile,
 * none invented, and none lost but those that Veneer counts.  Options: exact, if Veneer notices each NMI's sending; disk, for
 * the doorbells of a disk, which come before the guest sees its request done: a card's may come later, and be one with an NMI
 * of the guest's; rounds=N.
 */
#include "vio.h"

#define LAPIC		0xfee00000u
#define ICR_LOW		((void *)(LAPIC + 0x300))
#define ICR_HIGH	((void *)(LAPIC + 0x310))
#define ICR_NMI		0x00004400u
#define ICR_PENDING	0x1000u
#define WAIT_MS		20u
#define EFLAGS_TF	0x100u
#define DR6_BS		0x4000u
#define NO_SELECTOR	0x7f8		/* behind the end of the GDT */

const char probe_name[] = "probe-nmi";

enum what { NOTHING, SEND, SEND_AND_IRET, SEND_AND_STEP, SEND_AND_FAULT };

static volatile uint32_t taken, depth, nested, during;
static volatile enum what inside;

static void send_nmi(void)
{
	struct deadline end = deadline_in_ms(1000);

	write32(ICR_HIGH, apic_id() << 24);
	write32(ICR_LOW, ICR_NMI);
	while ((read32(ICR_LOW) & ICR_PENDING) && !deadline_passed(end))
		pause();
}

static void wait_taken(uint32_t n)
{
	struct deadline end = deadline_in_ms(WAIT_MS);

	while (taken < n && !deadline_passed(end))
		pause();
}

/* The guest single-steps an IRET: one #DB, after it. */
static void iret_stepped(void)
{
	trap_last.vector = NO_TRAP;
	__asm__ volatile("movl %0, %%dr6" : : "r"(0));
	__asm__ volatile("movl $1f, trap_resume; pushfl; popl %%eax; pushl %%eax; pushl %%cs; pushl $1f; orl %0, %%eax;"
			 "pushl %%eax; popfl; iret\n1:\tmovl $0, trap_resume" : : "i"(EFLAGS_TF) : "eax", "memory");
}

static void iret_faults(void)
{
	trap_last.vector = NO_TRAP;
	__asm__ volatile("movl $1f, trap_resume; movl %%esp, %%ebx; pushfl; pushl %0; pushl $1f; iret\n"
			 "1:\tmovl %%ebx, %%esp; movl $0, trap_resume" : : "i"(NO_SELECTOR) : "ebx", "memory");
}

static void on_nmi(void)
{
	enum what what = inside;
	uint32_t before = ++taken;

	inside = NOTHING;
	nested += depth++ != 0;
	if (what != NOTHING) {
		send_nmi();
		send_nmi();
		delay_us(2000);
		during = taken - before;
	}
	if (what == SEND_AND_IRET)
		TRY("ud2", "r"(0));
	else if (what == SEND_AND_STEP)
		iret_stepped();
	else if (what == SEND_AND_FAULT)
		iret_faults();
	if (what > SEND)
		delay_us(2000);
	depth--;
}

/* Send an NMI, and more from its handler as @what says. */
static void burst(enum what what)
{
	uint32_t before = taken;

	nested = during = 0;
	inside = what;
	send_nmi();
	wait_taken(before + 1 + (what != NOTHING));
	delay_us(5000);
}

static void check_blocking(void)
{
	uint32_t before = taken;

	burst(NOTHING);
	check(taken - before, 1, "nmi: one that is sent is taken once");
	__asm__ volatile("sti");
	burst(NOTHING);
	__asm__ volatile("cli");
	check(taken - before, 2, "nmi: and with interrupts on");
	before = taken;
	burst(SEND);
	check(during, 0, "nmi: none comes before the handler's IRET");
	check(nested, 0, "nmi: none is nested");
	check(taken - before, 2, "nmi: of two that come meanwhile one is kept");
	before = taken;
	burst(SEND_AND_IRET);
	check(during, 0, "nmi: blocked until an IRET");
	check(nested, 1, "nmi: the IRET of an exception in the handler ends the blocking");
	check(taken - before, 2, "nmi: the kept one came then");
}

/*
 * Veneer may step over the IRET to notice its end: the guest's own stepping must still work, and a fault of the IRET must look
 * the same.
 */
static void check_irets(void)
{
	uint32_t before = taken, dr6;

	burst(SEND_AND_STEP);
	__asm__ volatile("movl %%dr6, %0" : "=r"(dr6));
	check(taken - before, 2, "nmi: the kept one came also when the guest single-steps its IRET");
	check(trap_last.vector, TRAP_DB, "nmi: which the guest's #DB sees");
	check(dr6 & DR6_BS, DR6_BS, "nmi: with its cause");
	before = taken;
	__asm__ volatile("movl %0, %%dr6" : : "r"(0));
	burst(SEND_AND_FAULT);
	__asm__ volatile("movl %%dr6, %0" : "=r"(dr6));
	check(taken - before, 2, "nmi: and when the IRET faults");
	check(trap_last.vector, TRAP_GP, "nmi: which is a #GP");
	check(trap_last.error, NO_SELECTOR, "nmi: for its selector");
	check(trap_last.eflags & EFLAGS_TF, 0, "nmi: that shows no step");
	check(dr6 & DR6_BS, 0, "nmi: nor does DR6");
}

static uint32_t credited(void)
{
	struct veneer_counter c;

	for (unsigned int i = 0; i < veneer_counters(); i++)
		if (!veneer_counter(i, &c) && !strcmp(c.name, "doorbell.credited"))
			return (uint32_t)c.value;
	return 0;
}

/* In each round send a frame or a request, whose completion is a doorbell, and an NMI. */
static void check_beside_doorbells(struct vio *v, uint32_t rounds)
{
	uint32_t before = taken, counted = credited(), bad = 0, lost;

	if (!check(vio_start(v, VIO_MODERN, v->type == VIO_NET ? F_NET_MAC : 0), true, "nmi: %s starts", vio_name(v)))
		return;
	nested = 0;
	for (uint32_t i = 0; i < rounds; i++) {
		uint32_t n = taken;

		bad += vio_request(v) != 0;
		send_nmi();
		wait_taken(n + 1);
	}
	delay_us(100000);
	counted = credited() - counted;
	lost = rounds - (taken - before);
	note("nmi: %u sent beside doorbells, %u taken, %u credited to doorbells", rounds, taken - before, counted);
	check(bad, 0, "nmi: all requests are carried out");
	check(taken - before <= rounds, true, "nmi: none is made up");
	check(nested, 0, "nmi: none is nested beside doorbells");
	check(lost <= counted, true, "nmi: none is lost that is not counted");
	if (option_present("exact"))
		check(lost, 0, "nmi: none is lost");
}

void probe(void)
{
	uint32_t rounds = option_number("rounds", 100);
	unsigned int type = option_present("disk") ? VIO_BLK : VIO_NET;
	struct vio *v = NULL;

	apic_init();
	nmi_handler = on_nmi;
	/* For half a second after the devices' start an NMI may be taken for a late doorbell. */
	delay_us(1000000);
	check_blocking();
	check_irets();
	vio_scan();
	for (unsigned int i = 0; i < vio_count && !v; i++)
		if (vios[i].type == type)
			v = &vios[i];
	if (v)
		check_beside_doorbells(v, rounds);
	else
		skip("nmi: no such device");
}
