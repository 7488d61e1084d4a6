/* SPDX-License-Identifier: BSD-2-Clause */
/* For probes of a single file, which may run in real mode: ports, COM1, and results in the form of guest.h. */
#ifndef BARE_H
#define BARE_H

#include <stdbool.h>
#include <stdint.h>

#define DEBUG_EXIT	0xf4

static uint32_t passed, failed;

static inline void outb(uint16_t port, uint8_t v) { __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port)); }
static inline void outl(uint16_t port, uint32_t v) { __asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port)); }

static inline uint8_t inb(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline void putc(char c)
{
	while (!(inb(0x3fd) & 0x20))
		;
	outb(0x3f8, (uint8_t)c);
}

static inline void print(const char *s)
{
	for (; *s; s++) {
		if (*s == '\n')
			putc('\r');
		putc(*s);
	}
}

static inline void print_hex(uint32_t v)
{
	for (int shift = 28; shift >= 0; shift -= 4)
		putc("0123456789abcdef"[v >> shift & 15]);
}

static inline void print_decimal(uint32_t v)
{
	if (v >= 10)
		print_decimal(v / 10);
	putc((char)('0' + v % 10));
}

static inline bool check(uint32_t got, uint32_t expected, const char *name)
{
	bool good = got == expected;

	print(good ? "PASS " : "FAIL ");
	print(name);
	if (!good) {
		print(": got ");
		print_hex(got);
		print(" expected ");
		print_hex(expected);
	}
	print("\n");
	passed += good;
	failed += !good;
	return good;
}

static inline bool check_true(bool good, const char *name)
{
	return check(good, true, name);
}

#endif
