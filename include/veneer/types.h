/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Base types and the field accessors that every register header uses.
 *
 * A register field has exactly one definition: its mask.  FIELD_GET() and FIELD_PREP() derive the shift from it.
 */
#ifndef VENEER_TYPES_H
#define VENEER_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BIT(n)			(1u << (n))
#define BIT64(n)		(1ull << (n))
#define GENMASK(hi, lo)		((~0u >> (31 - (hi))) & (~0u << (lo)))
#define GENMASK64(hi, lo)	((~0ull >> (63 - (hi))) & (~0ull << (lo)))

#define FIELD_GET(mask, reg)	(((reg) & (mask)) >> __builtin_ctzll(mask))
#define FIELD_PREP(mask, val)	(((__typeof__(mask))(val) << __builtin_ctzll(mask)) & (mask))

/* A function for size, not for speed as the rest of its file may be (HOT in the Makefile), and not in line. */
#define RARE	__attribute__((noinline, cold))

#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)		((a) < (b) ? (a) : (b))
#define MAX(a, b)		((a) > (b) ? (a) : (b))
#define ALIGN_DOWN(x, a)	((x) & ~((__typeof__(x))(a) - 1))
#define ALIGN_UP(x, a)		ALIGN_DOWN((x) + ((__typeof__(x))(a) - 1), a)
#define IS_ALIGNED(x, a)	(((x) & ((__typeof__(x))(a) - 1)) == 0)
#define DIV_ROUND_UP(n, d)	(((n) + (d) - 1) / (d))

#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))

#define PACKED			__attribute__((packed))
#define ALIGNED(n)		__attribute__((aligned(n)))
#define NORETURN		__attribute__((noreturn))
/* Data that only the start needs, although the start keeps pointers to it: unmapped before the guest runs. */
#define START_ONLY		__attribute__((section(".bss.start_only")))
/* A function whose address only the start keeps. */
#define START_ONLY_CODE		__attribute__((section(".text.start_only")))
/* A constant table, with pointers in it, of the same kind. */
#define START_ONLY_TABLE	__attribute__((section(".data.rel.ro.start_only")))
#define UNUSED			__attribute__((unused))
#define PRINTF_LIKE(f, a)	__attribute__((format(printf, f, a)))

/*
 * IS_ENABLED(CONFIG_X): 1 when the Kconfig symbol is set, 0 otherwise, usable in plain C conditions, so that
 * both arms are compiled in every build.
 */
#define VENEER_ARG_1			0,
#define VENEER_SECOND(a, b, ...)	b
#define VENEER_IS_SET(arg1_or_junk)	VENEER_SECOND(arg1_or_junk 1, 0, 0)
#define VENEER_IS_ENABLED(value)	VENEER_IS_SET(VENEER_ARG_##value)
#define VENEER_EXPAND(value)		VENEER_IS_ENABLED(value)
#define IS_ENABLED(symbol)		VENEER_EXPAND(symbol)

#define PAGE_SIZE	4096u

#endif
