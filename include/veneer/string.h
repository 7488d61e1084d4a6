/* SPDX-License-Identifier: BSD-2-Clause */
/* The string functions of a freestanding build, with the C standard's meaning, and all_zero(). */
#ifndef VENEER_STRING_H
#define VENEER_STRING_H

#include <stdbool.h>
#include <stddef.h>

void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int c, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);

#if !__STDC_HOSTED__
/* A length that the compiler knows becomes a few moves: REP is slow to begin. */
#define memcpy(dst, src, n)	__builtin_memcpy(dst, src, n)
#define memset(dst, c, n)	__builtin_memset(dst, c, n)
#endif

/* Copy @n words of eight bytes, also where the compiler optimizes for size: it would copy halves. */
static inline void copy_words(void *dst, const void *src, size_t n)
{
	__asm__ volatile ("rep movsq" : "+D" (dst), "+S" (src), "+c" (n) : : "memory");
}

/* True if the @n bytes at @p are 0: for what a format says is not in use. */
static inline bool all_zero(const void *p, size_t n)
{
	const unsigned char *b = p;

	while (n && !*b) {
		b++;
		n--;
	}
	return !n;
}

#endif
