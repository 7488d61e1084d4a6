/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The string functions that a freestanding build must bring along.
 *
 * KEEP_LOOP stands in every loop that a compiler could recognize as one of these very functions and replace by a call
 * to it, which would then call itself for ever.
 */
#include <veneer/string.h>
#include <veneer/types.h>

#define KEEP_LOOP()	__asm__ volatile ("" : : : "memory")

/* Upwards, which REP MOVSB does at the full speed of the memory on every processor since about 2013. */
void *(memcpy)(void *dst, const void *src, size_t n)
{
	void *d = dst;

	__asm__ volatile ("rep movsb" : "+D" (d), "+S" (src), "+c" (n) : : "memory");
	return dst;
}

/* Downwards by words and not by STD: a doorbell NMI may come at any moment, and its handler expects DF clear. */
static void copy_down(uint8_t *d, const uint8_t *s, size_t n)
{
	while (n >= sizeof(uint64_t)) {
		uint64_t v;

		n -= sizeof(v);
		__builtin_memcpy(&v, s + n, sizeof(v));
		__builtin_memcpy(d + n, &v, sizeof(v));
		KEEP_LOOP();
	}
	while (n) {
		n--;
		d[n] = s[n];
		KEEP_LOOP();
	}
}

void *memmove(void *dst, const void *src, size_t n)
{
	if ((uintptr_t)dst - (uintptr_t)src >= n)
		return memcpy(dst, src, n);
	copy_down(dst, src, n);
	return dst;
}

void *(memset)(void *dst, int c, size_t n)
{
	void *d = dst;

	__asm__ volatile ("rep stosb" : "+D" (d), "+c" (n) : "a" (c) : "memory");
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;

	for (; n; n--, x++, y++) {
		if (*x != *y)
			return *x - *y;
		KEEP_LOOP();
	}
	return 0;
}

void *memchr(const void *s, int c, size_t n)
{
	for (const uint8_t *p = s; n; n--, p++) {
		if (*p == (uint8_t)c)
			return (void *)(uintptr_t)p;
		KEEP_LOOP();
	}
	return NULL;
}

size_t strnlen(const char *s, size_t n)
{
	size_t len = 0;

	while (len < n && s[len]) {
		len++;
		KEEP_LOOP();
	}
	return len;
}

size_t strlen(const char *s)
{
	return strnlen(s, SIZE_MAX);
}

char *strchr(const char *s, int c)
{
	for (;; s++) {
		if (*s == (char)c)
			return (char *)(uintptr_t)s;
		if (!*s)
			return NULL;
		KEEP_LOOP();
	}
}

char *strrchr(const char *s, int c)
{
	const char *found = NULL;

	for (;; s++) {
		if (*s == (char)c)
			found = s;
		if (!*s)
			return (char *)(uintptr_t)found;
		KEEP_LOOP();
	}
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n; n--, a++, b++) {
		if (*a != *b)
			return (uint8_t)*a - (uint8_t)*b;
		if (!*a)
			return 0;
		KEEP_LOOP();
	}
	return 0;
}

int strcmp(const char *a, const char *b)
{
	return strncmp(a, b, SIZE_MAX);
}
