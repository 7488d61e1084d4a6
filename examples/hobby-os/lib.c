/* SPDX-License-Identifier: BSD-2-Clause */
/* The few functions of a C library that this system needs. */
#include "hobby.h"

#define ARENA_SIZE	(4u << 20)

static uint8_t arena[ARENA_SIZE] __attribute__((aligned(4096)));
static size_t arena_used;

void *memcpy(void *to, const void *from, size_t n)
{
	void *at = to;

	__asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(n) : : "memory");
	return to;
}

void *memmove(void *to, const void *from, size_t n)
{
	uint8_t *t = to;
	const uint8_t *f = from;

	if (t <= f || t >= f + n)
		return memcpy(to, from, n);
	while (n--)
		*(volatile uint8_t *)(t + n) = f[n];
	return to;
}

void *memset(void *to, int c, size_t n)
{
	void *at = to;

	__asm__ volatile("rep stosb" : "+D"(at), "+c"(n) : "a"(c) : "memory");
	return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;

	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

size_t strlen(const char *s)
{
	const volatile char *end = s;

	while (*end)
		end++;
	return (const char *)end - s;
}

int strcmp(const char *a, const char *b)
{
	return strncmp(a, b, (size_t)-1);
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n; n--, a++, b++) {
		if (*a != *b)
			return (uint8_t)*a - (uint8_t)*b;
		if (!*a)
			break;
	}
	return 0;
}

void *page_alloc(size_t bytes)
{
	size_t size = (bytes + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
	void *p = arena + arena_used;

	if (size > ARENA_SIZE - arena_used) {
		printf("memory: no room for %u bytes\n", size);
		return NULL;
	}
	arena_used += size;
	return p;
}

uint64_t divide(uint64_t n, uint32_t by, uint32_t *rem)
{
	uint32_t high = n >> 32, q_high = high / by, r = high % by, q_low;

	__asm__("divl %4" : "=a"(q_low), "=d"(r) : "a"((uint32_t)n), "1"(r), "r"(by) : "cc");
	if (rem)
		*rem = r;
	return (uint64_t)q_high << 32 | q_low;
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 99;
}

bool parse_number(const char *s, uint64_t *out)
{
	int base = 10;

	*out = 0;
	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
		base = 16;
		s += 2;
	}
	if (!*s)
		return false;
	for (; *s; s++) {
		if (digit_value(*s) >= base)
			return false;
		*out = *out * base + digit_value(*s);
	}
	return true;
}

bool parse_ip(const char *s, uint32_t *out)
{
	unsigned int part, value;

	*out = 0;
	for (part = 0; part < 4; part++) {
		if (digit_value(*s) > 9)
			return false;
		for (value = 0; digit_value(*s) <= 9 && value < 256; s++)
			value = value * 10 + digit_value(*s);
		if (value > 255 || *s != (part < 3 ? '.' : '\0'))
			return false;
		s++;
		*out = *out << 8 | value;
	}
	return true;
}

static void print_string(const char *s, int width)
{
	int n = strlen(s);

	for (; *s; s++)
		console_putc(*s);
	for (; n < width; n++)
		console_putc(' ');
}

static void print_number(uint64_t v, uint32_t base, bool negative, int width, char fill)
{
	char digits[24];
	int n = 0;
	uint32_t digit;

	do {
		v = divide(v, base, &digit);
		digits[n++] = "0123456789abcdef"[digit];
	} while (v);
	if (negative)
		digits[n++] = '-';
	for (; width > n; width--)
		console_putc(fill);
	while (n)
		console_putc(digits[--n]);
}

static void print_mac(const uint8_t *mac)
{
	for (int i = 0; i < 6; i++) {
		if (i)
			console_putc(':');
		print_number(mac[i], 16, false, 2, '0');
	}
}

static void print_ip(uint32_t ip)
{
	for (int shift = 24; shift >= 0; shift -= 8) {
		print_number(ip >> shift & 0xff, 10, false, 0, ' ');
		if (shift)
			console_putc('.');
	}
}

static void print_signed(int v, int width, char fill)
{
	print_number(v < 0 ? 0u - (unsigned int)v : (unsigned int)v, 10, v < 0, width, fill);
}

/* Format one conversion.  @conversion is the character after the width; @longlong is true after "ll". */
static void print_conversion(char conversion, bool longlong, int width, char fill, va_list *ap)
{
	switch (conversion) {
	case 'd':
		print_signed(va_arg(*ap, int), width, fill);
		break;
	case 'u':
	case 'x':
		print_number(longlong ? va_arg(*ap, uint64_t) : va_arg(*ap, uint32_t), conversion == 'u' ? 10 : 16, false,
			     width, fill);
		break;
	case 's':
		print_string(va_arg(*ap, const char *), width);
		break;
	case 'c':
		console_putc(va_arg(*ap, int));
		break;
	case 'I':
		print_ip(va_arg(*ap, uint32_t));
		break;
	case 'M':
		print_mac(va_arg(*ap, const uint8_t *));
		break;
	default:
		console_putc(conversion);
	}
}

void vprintf(const char *f, va_list ap)
{
	va_list rest;

	va_copy(rest, ap);
	for (; *f; f++) {
		int width = 0;
		char fill = ' ';
		bool longlong = false;

		if (*f != '%') {
			console_putc(*f);
			continue;
		}
		f++;
		if (*f == '0')
			fill = '0';
		for (; *f >= '0' && *f <= '9'; f++)
			width = width * 10 + (*f - '0');
		for (; *f == 'l'; f++)
			longlong = true;
		if (!*f)
			break;
		print_conversion(*f, longlong, width, fill, &rest);
	}
	va_end(rest);
}

void printf(const char *f, ...)
{
	va_list ap;

	va_start(ap, f);
	vprintf(f, ap);
	va_end(ap);
}
