/* SPDX-License-Identifier: BSD-2-Clause */
/* Host-test accessors behind <veneer/io.h>: out of line, so that register models answer (tests/unit/host/host.h). */
#ifndef ASM_IO_H
#define ASM_IO_H

#include <sched.h>
#include <veneer/types.h>

#define DECLARE_ACCESS(bits) \
	uint##bits##_t mmio_read##bits(const volatile void *reg); \
	void mmio_write##bits(volatile void *reg, uint##bits##_t v);
DECLARE_ACCESS(8)
DECLARE_ACCESS(16)
DECLARE_ACCESS(32)
DECLARE_ACCESS(64)
#undef DECLARE_ACCESS

#define DECLARE_PORT(bits) \
	uint##bits##_t pio_read##bits(uint16_t port); \
	void pio_write##bits(uint16_t port, uint##bits##_t v);
DECLARE_PORT(8)
DECLARE_PORT(16)
DECLARE_PORT(32)
#undef DECLARE_PORT

static inline void dma_wmb(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
static inline void dma_rmb(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
static inline void full_mb(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
/* Threads of a test may be more than the processors: who waits lets the other run. */
static inline void cpu_relax(void) { sched_yield(); }

#endif
