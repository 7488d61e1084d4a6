/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: */
/* The functions of hv/lib/string.c, under other names, compared with those of the C library. */
#define memcpy v_memcpy
#define memmove v_memmove
#define memset v_memset
#define memcmp v_memcmp
#define memchr v_memchr
#define strlen v_strlen
#define strnlen v_strnlen
#define strchr v_strchr
#define strrchr v_strrchr
#define strcmp v_strcmp
#define strncmp v_strncmp
#include "hv/lib/string.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef memchr
#undef strlen
#undef strnlen
#undef strchr
#undef strrchr
#undef strcmp
#undef strncmp
#include <string.h>
#include "host/host.h"

static uint8_t a[256], b[256];

static void fill(void)
{
	for (unsigned i = 0; i < sizeof(a); i++)
		a[i] = b[i] = (uint8_t)(i * 7 + 1);
}

TEST(memmove_in_every_overlap)
{
	for (unsigned n = 0; n < 70; n++) {
		for (unsigned d = 0; d < 80; d++) {
			fill();
			CHECK(v_memmove(a + d, a + 40, n) == a + d);
			memmove(b + d, b + 40, n);
			CHECK(!memcmp(a, b, sizeof(a)));
		}
	}
}

TEST(memcpy_and_memset)
{
	fill();
	CHECK(v_memcpy(a + 3, b + 100, 37) == a + 3);
	CHECK(!memcmp(a + 3, b + 100, 37));
	CHECK(a[2] == b[2] && a[40] == b[40]);
	CHECK(v_memset(a + 5, 0x1ab, 6) == a + 5);
	for (unsigned i = 5; i < 11; i++)
		CHECK_EQ(a[i], 0xab);
	CHECK(v_memset(a, 0, 0) == a);
	CHECK_EQ(a[0], b[0]);
}

static int sign(int v) { return v < 0 ? -1 : v > 0; }

TEST(comparisons)
{
	static const char *const word[] = { "", "a", "ab", "abc", "b", "\xff", "ab\x80" };

	for (unsigned i = 0; i < ARRAY_SIZE(word); i++) {
		for (unsigned j = 0; j < ARRAY_SIZE(word); j++) {
			CHECK_EQ(sign(v_strcmp(word[i], word[j])), sign(strcmp(word[i], word[j])));
			for (size_t n = 0; n < 5; n++)
				CHECK_EQ(sign(v_strncmp(word[i], word[j], n)), sign(strncmp(word[i], word[j], n)));
		}
	}
	CHECK_EQ(sign(v_memcmp("a\0b", "a\0c", 3)), -1);
	CHECK_EQ(v_memcmp("a\0b", "a\0c", 2), 0);
	CHECK_EQ(sign(v_memcmp("\xff", "\x01", 1)), 1);
}

TEST(searches)
{
	const char *s = "hello";

	CHECK_EQ(v_strlen(s), 5);
	CHECK_EQ(v_strnlen(s, 3), 3);
	CHECK_EQ(v_strnlen(s, 9), 5);
	CHECK(v_strchr(s, 'l') == s + 2 && v_strrchr(s, 'l') == s + 3);
	CHECK(v_strchr(s, 0) == s + 5 && v_strrchr(s, 0) == s + 5);
	CHECK(!v_strchr(s, 'z') && !v_strrchr(s, 'z'));
	CHECK(v_memchr(s, 'o', 5) == s + 4 && !v_memchr(s, 'o', 4));
}

TEST_MAIN
