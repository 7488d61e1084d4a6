/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/lib/fmt.c */
/* Formatting, compared with the C library's. */
#include <limits.h>
#include <string.h>
#include <veneer/err.h>
#include <veneer/log.h>
#include "host/host.h"

static char ours[300], theirs[300];

/* The C library is the reference: same text, same length. */
#define SAME(...) do { \
	int n_ = fmt_string(ours, sizeof(ours), __VA_ARGS__), m_ = snprintf(theirs, sizeof(theirs), __VA_ARGS__); \
	if (strcmp(ours, theirs) || n_ != m_) \
		host_fail(__FILE__, __LINE__, "\"%s\" (%d), expected \"%s\" (%d)", ours, n_, theirs, m_); \
	} while (0)

TEST(integers)
{
	SAME("%d %i %u", 0, -1, 7u);
	SAME("%d %d", INT_MIN, INT_MAX);
	SAME("%lld %llu", LLONG_MIN, ULLONG_MAX);
	SAME("%ld %lu %zu", LONG_MIN, ULONG_MAX, SIZE_MAX);
	SAME("%x %X %llx %lX", 0xbeefu, 0xBEEFu, 0x123456789abcdefull, 0xfedcba9876543210ul);
	SAME("%#x %#x %#llx", 0u, 0x10u, 0x8000000000000000ull);
	SAME("%hhx %hx %hhd %hd", 0x1ff, 0x1ffff & 0xffff, -1, -2);
	SAME("%x", -1);
}

TEST(widths)
{
	SAME("[%5d] [%-5d] [%05d] [%05d] [%5d]", 42, 42, 42, -42, -42);
	SAME("[%2d] [%08x] [%-8x] [%8x] [%#010x] [%#10x]", 12345, 0xabcu, 0xabcu, 0xabcu, 0xabcu, 0xabcu);
	SAME("[%016llx] [%4u] [%-4u]", 0x1234ull, 99u, 99u);
	SAME("[%*d] [%*d]", 6, 1, -6, 1);
	SAME("%02x:%02x.%u", 0, 31, 7);
}

TEST(strings)
{
	SAME("[%s] [%8s] [%-8s] [%.2s] [%5.1s] [%.0s]", "abc", "abc", "abc", "abc", "abc", "abc");
	SAME("%c%c %3c%-3c|%%", 'a', 'b', 'c', 'd');
	SAME("%.*s", 3, "abcdef");
	SAME("no conversions at all");
	SAME("%s", "");
}

TEST(precision_needs_no_terminator)
{
	char *raw = malloc(4);

	memcpy(raw, "wxyz", 4);
	CHECK_EQ(fmt_string(ours, sizeof(ours), "%.4s|%.*s", raw, 2, raw), 7);
	CHECK(!strcmp(ours, "wxyz|wx"));
	free(raw);
}

TEST(pointers_and_null)
{
	fmt_string(ours, sizeof(ours), "%p %p", (void *)0x1234, NULL);
	CHECK(!strcmp(ours, "0x1234 0x0"));
	const char *volatile none = NULL;
	fmt_string(ours, sizeof(ours), "%s", none);
	CHECK(!strcmp(ours, "(null)"));
}

/* Every size from 0 on: no write past the end, always terminated, the full length returned. */
TEST(small_buffers)
{
	for (size_t size = 0; size < 24; size++) {
		char *buf = malloc(size ? size : 1);
		int n = fmt_string(buf, size, "value %d is %s", 1234, "long");

		CHECK_EQ(n, 18);
		if (size) {
			CHECK_EQ(strlen(buf), MIN(size - 1, 18));
			CHECK(!strncmp(buf, "value 1234 is long", strlen(buf)));
		}
		free(buf);
	}
}

static void bad(const char *fmt, const char *want)
{
	int (*volatile f)(char *, size_t, const char *, ...) = fmt_string;

	f(ours, sizeof(ours), fmt, 5);
	if (strcmp(ours, want))
		host_fail(__FILE__, __LINE__, "\"%s\" gave \"%s\", expected \"%s\"", fmt, ours, want);
}

TEST(unknown_conversions_stay)
{
	bad("%q!", "%q!");
	bad("100%", "100%");
	bad("%-08", "%-08");
	bad("%ll", "%ll");
	bad("%q %d", "%q 5");
}

TEST(error_names)
{
	CHECK(!strcmp(err_name(-ERR_TIMEOUT), "timeout"));
	CHECK(!strcmp(err_name(ERR_TIMEOUT), "timeout"));
	CHECK(!strcmp(err_name(99), "unknown error"));
	CHECK(!strcmp(err_name(INT_MIN), "unknown error"));
	for (int e = 1; e <= ERR_ABORTED; e++)
		CHECK(err_name(-e) && strlen(err_name(-e)) > 3);
}

TEST_MAIN
