/* SPDX-License-Identifier: BSD-2-Clause */
/* Tables that are full: one log line for each, and a count (contract in <veneer/limit.h>).  The start stops elsewhere. */
#include <veneer/limit.h>
#include <veneer/log.h>
#include <veneer/string.h>

static const char *said[32];
static unsigned count;

void limit_reached(const char *what, unsigned max)
{
	for (unsigned i = 0; i < count && i < ARRAY_SIZE(said); i++)
		if (!strcmp(said[i], what))
			return;
	if (count < ARRAY_SIZE(said)) {
		said[count] = what;
		log_err("limit: this machine has more than %u %s, and this build no room for them", max, what);
	}
	count++;
}

unsigned limits_reached(void)
{
	return count;
}
