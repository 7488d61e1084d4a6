/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of all counters, which the hypercall reads.  It holds no counter itself. */
#include <veneer/counters.h>
#include <veneer/hypercall.h>
#include <veneer/log.h>
#include "hv/lib/counters.h"

#define MAX_COUNTERS	1024u

/* tests/lib/counters reads these two, too. */
static struct { const char *object, *what; const uint64_t *value; } counters[MAX_COUNTERS];
static unsigned ncounters;

void counter_register(const char *object, const char *what, const uint64_t *value)
{
	static bool said;

	/* Nothing depends on a counter: without memory the machine still starts. */
	if (ncounters == MAX_COUNTERS) {
		if (!said)
			log_warn("counters: there is room for %u: %s.%s, and what comes later, cannot be read", MAX_COUNTERS,
				 object, what);
		said = true;
		return;
	}
	counters[ncounters].object = object;
	counters[ncounters].what = what;
	counters[ncounters++].value = value;
}

unsigned counters_count(void)
{
	return ncounters;
}

bool counters_get(uint64_t index, struct veneer_counter *out)
{
	if (index >= ncounters)
		return false;
	*out = (struct veneer_counter){ .value = *counters[index].value };
	fmt_string(out->name, sizeof(out->name), "%s.%s", counters[index].object, counters[index].what);
	return true;
}
