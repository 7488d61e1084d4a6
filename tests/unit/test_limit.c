/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/lib/limit.c hv/lib/counters.c */
/* A full table: one line for each table, and a count. */
#include <veneer/counters.h>
#include <veneer/limit.h>
#include "host/host.h"
#include "hv/lib/counters.h"

TEST(each_table_once)
{
	static char names[40][8];

	CHECK_EQ(limits_reached(), 0);
	limit_reached("doorbells", 64);
	CHECK(host_log_has("limit: this machine has more than 64 doorbells"));
	host_log_clear();
	limit_reached("doorbells", 64);
	CHECK(!host_log_has("doorbells"));
	CHECK_EQ(limits_reached(), 1);
	/* More tables than limit.c has names for: they are counted. */
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(names[i], sizeof(names[i]), "t%u", i);
		limit_reached(names[i], i);
	}
	CHECK_EQ(limits_reached(), 1 + ARRAY_SIZE(names));
}

/* Too many counters cause a line and nothing else: counters are for people. */
TEST(counters_that_have_no_room)
{
	static uint64_t value;
	unsigned before = limits_reached(), most;

	for (unsigned i = 0; i < 5000; i++)
		counter_register("blk0", "reads", &value);
	most = counters_count();
	CHECK_EQ(most, 1024);
	CHECK(host_log_has("counters: there is room for 1024: blk0.reads"));
	host_log_clear();
	counter_register("blk1", "reads", &value);
	CHECK(!host_log_has("counters") && counters_count() == most);
	CHECK_EQ(limits_reached(), before);
}

TEST_MAIN
