/* SPDX-License-Identifier: BSD-2-Clause */
/* Veneer's interface for guests: detection by CPUID, counters and log by hypercalls. */
#include "veneer.h"

#define CPUID_HYPERVISOR	0x40000000u
#define COUNTERS_MAX		512

static uint64_t marked[COUNTERS_MAX];

/* Call CPUID once only: it exits. */
static bool cpu_is_amd(void)
{
	static uint32_t r[4];

	if (!r[1])
		cpuid(0, r);
	return r[1] == 0x68747541 || r[1] == 0x6f677948;	/* "Auth", "Hygo" */
}

bool veneer_present(void)
{
	uint32_t r[4];

	cpuid(CPUID_HYPERVISOR, r);
	return !memcmp(r + 1, "VeneerVeneer", 12);
}

/* @b and @c are arguments and results. */
static int32_t call(uint32_t function, uint32_t *b, uint32_t *c)
{
	uint32_t a = VENEER_CALL | function;

	if (cpu_is_amd())
		__asm__ volatile("vmmcall" : "+a"(a), "+b"(*b), "+c"(*c) : : "memory");
	else
		__asm__ volatile("vmcall" : "+a"(a), "+b"(*b), "+c"(*c) : : "memory");
	return (int32_t)a;
}

unsigned int veneer_counters(void)
{
	uint32_t version = 0, counters = 0;

	if (!veneer_present() || call(VENEER_CALL_VERSION, &version, &counters))
		return 0;
	return counters;
}

int veneer_counter(unsigned int index, struct veneer_counter *out)
{
	uint32_t b = index, c = (uint32_t)out;

	return call(VENEER_CALL_COUNTER, &b, &c) ? -1 : 0;
}

void veneer_print_log(void)
{
	static char text[4096];
	uint32_t at = 0;

	for (;;) {
		uint32_t b = at, c = (uint32_t)text;

		if (call(VENEER_CALL_LOG, &b, &c) || !b || b > sizeof(text))
			return;
		for (uint32_t i = 0; i < b; i++)
			console_putc(text[i]);
		at += b;
	}
}

int veneer_snapshot(void)
{
	uint32_t b = 0, c = 0;
	int32_t err = call(VENEER_CALL_SNAPSHOT, &b, &c);

	return err || b ? err : -1;
}

void veneer_mark(void)
{
	unsigned int n = veneer_counters();
	struct veneer_counter counter;

	for (unsigned int i = 0; i < n && i < COUNTERS_MAX; i++)
		marked[i] = veneer_counter(i, &counter) ? 0 : counter.value;
}

void veneer_print_changes(const char *what)
{
	unsigned int n = veneer_counters();
	struct veneer_counter counter;

	for (unsigned int i = 0; i < n && i < COUNTERS_MAX; i++)
		if (!veneer_counter(i, &counter) && counter.value != marked[i])
			printf("%s: %s +%llu\n", what, counter.name, counter.value - marked[i]);
}
