/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the fuzzers share: the input's bytes, and one run.  The loop over inputs is libFuzzer's, or that of replay.c, which runs
 * each input in a process of its own.
 */
#include "tests/fuzz/fuzz.h"

/* By state.lds; absent where replay.c is linked. */
extern char fuzz_state_start[] __attribute__((weak)), fuzz_state_end[] __attribute__((weak));

/* ASan's; absent where it is not linked. */
void __asan_poison_memory_region(void const volatile *at, size_t size) __attribute__((weak));
void __asan_unpoison_memory_region(void const volatile *at, size_t size) __attribute__((weak));

const uint8_t *fuzz_at;
size_t fuzz_left;

static uint8_t *rest;

uint64_t fuzz_int(unsigned width)
{
	uint64_t v = 0;

	fuzz_bytes(&v, width);
	return v;
}

size_t fuzz_bytes(void *to, size_t len)
{
	size_t n = MIN(len, fuzz_left);

	if (n)
		memcpy(to, fuzz_at, n);
	fuzz_at += n;
	fuzz_left -= n;
	return n;
}

uint8_t *fuzz_rest(size_t *size)
{
	free(rest);
	*size = fuzz_left;
	rest = malloc(fuzz_left ? fuzz_left : 1);
	if (!rest)
		abort();
	fuzz_bytes(rest, fuzz_left);
	return rest;
}

uint32_t fuzz_crc32(const uint8_t *p, size_t n)
{
	uint32_t c = ~0u;

	while (n--) {
		c ^= *p++;
		for (int k = 0; k < 8; k++)
			c = c & 1 ? 0xedb88320u ^ c >> 1 : c >> 1;
	}
	return ~c;
}

void fuzz_poison(void *at, size_t size)
{
	if (__asan_poison_memory_region)
		__asan_poison_memory_region(at, size);
}

void fuzz_unpoison(void *at, size_t size)
{
	if (__asan_unpoison_memory_region)
		__asan_unpoison_memory_region(at, size);
}

/* Copy past ASan, which guards the room between the variables. */
static void copy(char *to, const char *from, size_t n)
{
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}

/* The variables of all sources become what they were before the first input. */
static void set_back(void)
{
	static char *first;
	size_t n = (size_t)((uintptr_t)fuzz_state_end - (uintptr_t)fuzz_state_start);

	if (!n)
		return;
	if (first) {
		copy(fuzz_state_start, first, n);
		return;
	}
	first = malloc(n);
	if (!first)
		abort();
	copy(first, fuzz_state_start, n);
}

void fuzz_run(const uint8_t *data, size_t size, void (*fn)(void))
{
	fuzz_at = data;
	fuzz_left = size;
	host_clear();
	set_back();
	if (!host_try(fn)) {
		fflush(stdout);
		abort();
	}
	free(rest);
	rest = NULL;
}
