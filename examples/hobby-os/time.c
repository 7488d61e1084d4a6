/* SPDX-License-Identifier: BSD-2-Clause */
/* Time by the time-stamp counter, whose frequency channel 2 of the PIT measures once. */
#include "hobby.h"

#define PIT_HZ		1193182u
#define PIT_CHANNEL2	0x42
#define PIT_MODE	0x43
#define PORT_B		0x61
#define PORT_B_GATE2	0x01
#define PORT_B_SPEAKER	0x02
#define PORT_B_OUT2	0x20

#define MEASURE_US	50000u
#define MEASURE_COUNT	(PIT_HZ / 20)
#define GIVE_UP_TICKS	8000000000ull		/* more than a second on every processor */

static uint32_t ticks_per_us = 2000;
static uint64_t start;

/* Return the ticks while channel 2 counts down once; 0 if it does not count. */
static uint64_t measure(void)
{
	uint64_t t0, t;

	outb(PORT_B, (inb(PORT_B) & ~PORT_B_SPEAKER) | PORT_B_GATE2);
	outb(PIT_MODE, 0xb0);			/* channel 2, both bytes, mode 0: OUT goes high at the end */
	outb(PIT_CHANNEL2, MEASURE_COUNT & 0xff);
	outb(PIT_CHANNEL2, MEASURE_COUNT >> 8);
	t0 = rdtsc();
	do {
		t = rdtsc() - t0;
		if (t > GIVE_UP_TICKS)
			return 0;
	} while (!(inb(PORT_B) & PORT_B_OUT2));
	return t;
}

void time_init(void)
{
	uint64_t ticks = measure();

	start = rdtsc();
	if (!ticks) {
		printf("time: the PIT does not count, assuming a time-stamp counter of %u MHz\n", ticks_per_us);
		return;
	}
	ticks_per_us = divide(ticks, MEASURE_US, NULL);
	if (!ticks_per_us)
		ticks_per_us = 1;
}

uint64_t time_us(void)
{
	return divide(rdtsc() - start, ticks_per_us, NULL);
}

void delay_us(uint32_t us)
{
	uint64_t end = rdtsc() + (uint64_t)us * ticks_per_us;

	while ((int64_t)(rdtsc() - end) < 0)
		pause();
}

struct deadline deadline_in_ms(uint32_t ms)
{
	return (struct deadline){ rdtsc() + (uint64_t)ms * 1000 * ticks_per_us };
}

bool deadline_passed(struct deadline d)
{
	return (int64_t)(rdtsc() - d.tsc) >= 0;
}
