/* SPDX-License-Identifier: BSD-2-Clause */
/* x86-64 accessors behind <veneer/io.h>.  Register pages are mapped uncached, so the compiler is the only reorderer. */
#ifndef ASM_IO_H
#define ASM_IO_H

#include <veneer/types.h>

#define DEFINE_ACCESS(bits, suffix) \
	static inline uint##bits##_t mmio_read##bits(const volatile void *reg) \
	{ \
		uint##bits##_t v; \
		__asm__ volatile("mov" suffix " %1, %0" : "=r"(v) : "m"(*(const volatile uint##bits##_t *)reg) : "memory"); \
		return v; \
	} \
	static inline void mmio_write##bits(volatile void *reg, uint##bits##_t v) \
	{ \
		__asm__ volatile("mov" suffix " %0, %1" : : "r"(v), "m"(*(volatile uint##bits##_t *)reg) : "memory"); \
	}

DEFINE_ACCESS(8, "b")
DEFINE_ACCESS(16, "w")
DEFINE_ACCESS(32, "l")
DEFINE_ACCESS(64, "q")
#undef DEFINE_ACCESS

#define DEFINE_PORT(bits, suffix) \
	static inline uint##bits##_t pio_read##bits(uint16_t port) \
	{ \
		uint##bits##_t v; \
		__asm__ volatile("in" suffix " %1, %0" : "=a"(v) : "Nd"(port) : "memory"); \
		return v; \
	} \
	static inline void pio_write##bits(uint16_t port, uint##bits##_t v) \
	{ \
		__asm__ volatile("out" suffix " %0, %1" : : "a"(v), "Nd"(port) : "memory"); \
	}

DEFINE_PORT(8, "b")
DEFINE_PORT(16, "w")
DEFINE_PORT(32, "l")
#undef DEFINE_PORT

/* x86 keeps stores in order and loads in order on write-back memory (SDM vol. 3, 9.2.2): a compiler fence is enough. */
static inline void dma_wmb(void) { __asm__ volatile("" : : : "memory"); }
static inline void dma_rmb(void) { __asm__ volatile("" : : : "memory"); }
static inline void full_mb(void) { __asm__ volatile("mfence" : : : "memory"); }
static inline void cpu_relax(void) { __asm__ volatile("pause" : : : "memory"); }

#endif
