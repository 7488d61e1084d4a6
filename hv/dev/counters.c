/* SPDX-License-Identifier: BSD-2-Clause */
#include <veneer/counters.h>
#include <veneer/hypercall.h>
#include <veneer/log.h>
#include "hv/dev/counters_internal.h"

#define MAX_COUNTERS	256u

static struct { const char *object, *what; const uint64_t *value; } table[MAX_COUNTERS];
static unsigned count;

void counter_register(const char *object, const char *what, const uint64_t *value)
{
	if (count == MAX_COUNTERS) {
		log_warn("counters: no room for %s.%s", object, what);
		return;
	}
	table[count].object = object;
	table[count].what = what;
	table[count++].value = value;
}

unsigned counters_count(void)
{
	return count;
}

bool counters_get(uint64_t index, struct veneer_counter *out)
{
	if (index >= count)
		return false;
	*out = (struct veneer_counter){ .value = *table[index].value };
	fmt_string(out->name, sizeof(out->name), "%s.%s", table[index].object, table[index].what);
	return true;
}
