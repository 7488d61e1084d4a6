/* SPDX-License-Identifier: BSD-2-Clause */
/* Time from the TSC.  Calibrated against the ACPI PM timer (3.579545 MHz) or, without one, the PIT's channel 2. */
#include <veneer/io.h>
#include <veneer/log.h>
#include <veneer/time.h>
#include "hv/x86.h"

#define PM_TIMER_HZ	3579545u
#define PIT_HZ		1193182u
#define PIT_CH2		0x42
#define PIT_MODE	0x43
#define PIT_GATE	0x61
#define  GATE_ON	BIT(0)
#define  SPEAKER_ON	BIT(1)
#define  GATE_OUT	BIT(5)

#define CALIBRATE_MS	10u

static uint64_t tsc_per_ms = 1000000;	/* until calibrated: 1 GHz */
static uint64_t us_per_tsc_32 = (1000ull << 32) / 1000000;	/* microseconds per cycle, 32.32 fixed point */

static uint32_t pm_ticks(uint16_t port)
{
	return pio_read32(port) & 0xffffff;	/* 24 bits are always there */
}

/* Return the TSC cycles in CALIBRATE_MS by the PM timer; 0 if the timer does not run. */
static uint64_t calibrate_pm(uint16_t port)
{
	uint32_t ticks = PM_TIMER_HZ / 1000 * CALIBRATE_MS, start = pm_ticks(port), now = start;
	uint64_t tsc = rdtsc();

	for (unsigned guard = 0; ((now - start) & 0xffffff) < ticks; guard++) {
		if (guard > 10000000)
			return 0;
		now = pm_ticks(port);
	}
	return (rdtsc() - tsc) * ticks / ((now - start) & 0xffffff);
}

static uint64_t calibrate_pit(void)
{
	uint16_t count = PIT_HZ / 1000 * CALIBRATE_MS;
	uint8_t gate = pio_read8(PIT_GATE);

	pio_write8(PIT_GATE, (uint8_t)((gate & ~SPEAKER_ON) | GATE_ON));
	pio_write8(PIT_MODE, 0xb0);		/* channel 2, mode 0: output rises at the end of the count */
	pio_write8(PIT_CH2, (uint8_t)count);
	pio_write8(PIT_CH2, (uint8_t)(count >> 8));
	uint64_t tsc = rdtsc();
	for (unsigned guard = 0; !(pio_read8(PIT_GATE) & GATE_OUT); guard++)
		if (guard > 10000000)
			return 0;
	tsc = rdtsc() - tsc;
	pio_write8(PIT_GATE, gate);
	return tsc;
}

void time_init(uint16_t pm_timer)
{
	uint64_t cycles = pm_timer ? calibrate_pm(pm_timer) : 0;
	const char *by = "the ACPI PM timer";

	if (!cycles) {
		cycles = calibrate_pit();
		by = "the PIT";
	}
	if (!cycles) {
		log_warn("time: neither PM timer nor PIT moves: assuming a TSC of 1 GHz");
		return;
	}
	tsc_per_ms = cycles / CALIBRATE_MS;
	us_per_tsc_32 = (1000ull << 32) / tsc_per_ms;
	log_info("time: TSC %lu.%03lu MHz by %s", tsc_per_ms / 1000, tsc_per_ms % 1000, by);
}

uint64_t time_us(void)
{
	return (uint64_t)((unsigned __int128)rdtsc() * us_per_tsc_32 >> 32);
}

uint64_t time_cycles(uint32_t us)
{
	return us * tsc_per_ms / 1000;
}

void delay_us(uint32_t us)
{
	uint64_t start = rdtsc(), cycles = time_cycles(us);

	while (rdtsc() - start < cycles)
		cpu_relax();
}
