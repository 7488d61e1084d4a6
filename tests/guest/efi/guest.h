/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For EFI applications that are guests: reports on COM1, past the firmware's console, which mixes escape sequences in; the
 * end of the run by QEMU's isa-debug-exit; and device paths.
 */
#ifndef GUEST_EFI_GUEST_H
#define GUEST_EFI_GUEST_H

#include <efi.h>
#include <stdbool.h>
#include <stdint.h>

static inline void out8(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t in8(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline void say(const char *text)
{
	for (; *text; text++) {
		for (unsigned tries = 0; !(in8(0x3fd) & 0x20) && tries < 100000; tries++)
			;
		out8(0x3f8, (uint8_t)*text);
	}
}

static inline void say_count(const char *name, uint64_t n)
{
	char digits[21];
	unsigned at = sizeof(digits) - 1;

	digits[at] = 0;
	do {
		digits[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	say(name);
	say(" ");
	say(digits + at);
}

static inline bool same(const void *a, const void *b, UINTN size)
{
	for (UINTN i = 0; i < size; i++)
		if (((const uint8_t *)a)[i] != ((const uint8_t *)b)[i])
			return false;
	return true;
}

static inline UINTN node_size(const EFI_DEVICE_PATH *p)
{
	return p->Length[0] | (UINTN)p->Length[1] << 8;
}

static inline const EFI_DEVICE_PATH *next_node(const EFI_DEVICE_PATH *p)
{
	return (const void *)((const uint8_t *)p + node_size(p));
}

static inline void finish(uint8_t code)
{
	out8(0xf4, code);
}

#endif
