/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An idle guest must cause no exits: while it spins, while it is halted with one wake-up at the end, and while it is halted
 * with a timer of 100 Hz.  Options: seconds=N; hz=N, for the last case.
 */
#include "guest.h"

#define COUNTERS_MAX	256
#define HYPERCALL	"exit.hypercall"

const char probe_name[] = "probe-idle";

static struct veneer_counter before[COUNTERS_MAX];
static volatile uint32_t interrupts;
static void interrupt(void *ctx)
{
	interrupts++;
}

static unsigned int read_before(void)
{
	unsigned int n = veneer_counters();

	if (n > COUNTERS_MAX)
		n = COUNTERS_MAX;
	for (unsigned int i = 0; i < n; i++)
		veneer_counter(i, &before[i]);
	return n;
}

/*
 * Check that every exit.* counter is unchanged.  Between the two reads of exit.hypercall there are exactly @n calls: for the
 * counters behind it in the first round, and for those up to it in the second.
 */
static void check_after(unsigned int n, const char *what)
{
	struct veneer_counter now;
	unsigned int seen = 0;

	for (unsigned int i = 0; i < n; i++) {
		if (veneer_counter(i, &now) || strncmp(now.name, "exit.", 5))
			continue;
		seen++;
		check((uint32_t)(now.value - before[i].value), strcmp(now.name, HYPERCALL) ? 0 : n, "idle: %s: %s", what,
		      now.name);
	}
	check(seen > 1, true, "idle: %s: there are counters of exits", what);
}

static void halt_for(uint32_t seconds, uint32_t wanted)
{
	struct deadline end = deadline_in_ms(seconds * 1000 + 500);

	while (interrupts < wanted && !deadline_passed(end))
		__asm__ volatile("sti; hlt; cli");
}

void probe(void)
{
	uint32_t seconds = option_number("seconds", 2), hz = option_number("hz", 100);
	unsigned int n;

	apic_init();
	if (!check(veneer_counters() != 0, true, "idle: Veneer has counters"))
		return;
	n = read_before();
	delay_us(seconds * 1000000);
	check_after(n, "spinning");

	interrupts = 0;
	apic_timer_once(seconds * 1000, interrupt, NULL);
	n = read_before();
	halt_for(seconds, 1);
	check_after(n, "halted");
	check(interrupts, 1, "idle: halted: one timer interrupt");

	interrupts = 0;
	apic_timer_periodic(hz, interrupt, NULL);
	n = read_before();
	halt_for(seconds, seconds * hz);
	check_after(n, "with a periodic timer");
	apic_timer_stop();
	note("idle: %u timer interrupts in %u s", interrupts, seconds);
	check(interrupts >= seconds * hz * 9 / 10, true, "idle: the timer ticks");
}
