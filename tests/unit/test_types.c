/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: */
/* Fields, alignment and the other macros of <veneer/types.h>. */
#include <veneer/types.h>
#include "host/host.h"

#define FIELD	GENMASK(11, 4)
#define CONFIG_SOMETHING 1

TEST(fields_derive_their_shift)
{
	CHECK_EQ(FIELD_PREP(FIELD, 0xab), 0xab0);
	CHECK_EQ(FIELD_GET(FIELD, 0xfab0u), 0xab);
	CHECK_EQ(FIELD_PREP(FIELD, 0x1ab), 0xab0);
	CHECK_EQ(GENMASK64(63, 62), 3ull << 62);
}

TEST(is_enabled_is_an_expression)
{
	CHECK_EQ(IS_ENABLED(CONFIG_SOMETHING), 1);
	CHECK_EQ(IS_ENABLED(CONFIG_NOTHING), 0);
}

TEST(alignment)
{
	CHECK_EQ(ALIGN_UP(4097ull, 4096), 8192);
	CHECK_EQ(ALIGN_DOWN(4097ull, 4096), 4096);
	CHECK(IS_ALIGNED(8192u, 4096));
}

TEST_MAIN
