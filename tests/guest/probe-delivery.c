/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's own interrupts come exactly once, not while interrupts are off, and not between STI and the next instruction;
 * also while Veneer delivers them, because a disk request is late.  The disk has to be so slow that a read takes seconds.
 */
#include "vio.h"

#define LAPIC		0xfee00000u
#define ICR_LOW		((void *)(LAPIC + 0x300))
#define ICR_HIGH	((void *)(LAPIC + 0x310))
#define ICR_FIXED	0x00004000u
#define ICR_NMI		0x00004400u
#define BIG		(1024u * 1024)
#define SPIN_US		3000u
#define ROUNDS		100u

const char probe_name[] = "probe-delivery";

static volatile uint32_t taken, inside, nested, behind, early;
static volatile bool again;

/* The timer interrupts again while this handler runs: the next handler must run after this one. */
static void slow_interrupt(void *ctx)
{
	taken++;
	nested += inside++ != 0;
	if (again)
		apic_timer_once(1, slow_interrupt, ctx);
	delay_us(SPIN_US);
	inside--;
}

static void self_interrupt(void *ctx)
{
	taken++;
	early += !behind;
}

static void count_nmi(void)
{
}

/* More than the disk's limit allows at once: the rest stays in flight. */
static bool slow_request(struct vio *v)
{
	struct vioq *q = &v->q[0];
	struct { uint32_t type, reserved; uint64_t sector; } *h = (void *)v->data;
	uint32_t id, len;

	if (!vio_start(v, VIO_MODERN, 0))
		return false;
	h->type = BLK_IN;
	vio_desc_set(q, 0, (uint32_t)h, 16, D_NEXT, 1);
	vio_desc_set(q, 1, (uint32_t)v->data + 4096, 4096, D_NEXT | D_WRITE, 2);
	vio_desc_set(q, 2, (uint32_t)v->data + 16, 1, D_WRITE, 0);
	for (unsigned int i = 0; i < BIG / 4096; i++) {
		vio_put(q, 0);
		vio_kick(q);
		if (!vio_wait(q, 500, &id, &len))
			return true;
	}
	return false;
}

static uint64_t intr_exits(void)
{
	struct veneer_counter c;

	for (unsigned int i = 0; i < veneer_counters(); i++)
		if (!veneer_counter(i, &c) && !strcmp(c.name, "exit.intr"))
			return c.value;
	return 0;
}

static void check_nesting(const char *when)
{
	struct deadline end = deadline_in_ms(60000);

	taken = nested = inside = 0;
	again = true;
	apic_timer_once(1, slow_interrupt, NULL);
	while (taken < ROUNDS && !deadline_passed(end))
		__asm__ volatile("sti; hlt; cli");
	again = false;
	apic_timer_stop();
	__asm__ volatile("sti; nop; nop; cli");		/* an interrupt that is pending */
	check(taken >= ROUNDS, true, "delivery: %s: the timer interrupts", when);
	check(nested, 0, "delivery: %s: none comes into a handler with interrupts off", when);
}

/* An NMI in between must not let the pending interrupt in: a HLT after it would then not wake up. */
static void check_shadow(uint8_t vector)
{
	struct deadline end = deadline_in_ms(60000);

	taken = early = 0;
	write32(ICR_HIGH, apic_id() << 24);
	for (uint32_t i = 1; i <= ROUNDS && !deadline_passed(end); i++) {
		behind = 0;
		__asm__ volatile("movl %2, (%0); movl %3, (%0); sti; incl %1; nop; cli"
				 : : "r"(ICR_LOW), "m"(behind), "r"(ICR_FIXED | vector), "r"(ICR_NMI) : "memory");
		delay_us(100);
		if (taken < i)
			__asm__ volatile("sti; nop; nop; cli");
	}
	check(taken, ROUNDS, "delivery: each interrupt to itself comes once");
	check(early, 0, "delivery: none comes between STI and the instruction behind it");
}

void probe(void)
{
	struct vio *disk = NULL;
	uint64_t exits;

	apic_init();
	nmi_handler = count_nmi;
	check_nesting("idle");
	check_shadow(irq_alloc(self_interrupt, NULL));
	vio_scan();
	for (unsigned int i = 0; i < vio_count && !disk; i++)
		if (vios[i].type == VIO_BLK)
			disk = &vios[i];
	if (!check(disk && slow_request(disk), true, "delivery: a disk request takes its time"))
		return;
	exits = intr_exits();
	check_nesting("with a request under way");
	check(intr_exits() - exits >= ROUNDS, true, "delivery: Veneer handed them over");
}
