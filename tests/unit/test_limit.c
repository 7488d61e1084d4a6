/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/lib/limit.c */
/* A full table: one line each, and it is counted. */
#include <veneer/limit.h>
#include "host/host.h"

TEST(each_table_once)
{
	static char names[20][8];

	CHECK_EQ(limits_reached(), 0);
	limit_reached("doorbells", 64);
	CHECK(host_log_has("limit: this machine has more than 64 doorbells"));
	host_log_clear();
	limit_reached("doorbells", 64);
	CHECK(!host_log_has("doorbells"));
	CHECK_EQ(limits_reached(), 1);
	/* More tables than are remembered: they count. */
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(names[i], sizeof(names[i]), "t%u", i);
		limit_reached(names[i], i);
	}
	CHECK_EQ(limits_reached(), 1 + ARRAY_SIZE(names));
}

TEST_MAIN
