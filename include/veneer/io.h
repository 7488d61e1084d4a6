/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Device registers and memory ordering.
 *
 *   uint8_t  mmio_read8(const volatile void *reg);      void mmio_write8(volatile void *reg, uint8_t v);
 *   ... 16, 32, 64 bits alike; a 64-bit access is one bus access: use it only where the device's manual allows it.
 *   uint8_t  pio_read8(uint16_t port);                  void pio_write8(uint16_t port, uint8_t v);   ... 16, 32
 *
 * MMIO writes are posted: read a register of the same device back where the order against time matters.
 *
 *   dma_wmb()   stores to memory before it are visible to a device before stores (also to MMIO) after it
 *   dma_rmb()   loads before it are done before loads after it (owner bit first, then the descriptor)
 *   full_mb()   a full fence, also store -> load (the EVENT_IDX handshake needs it)
 *   cpu_relax() a hint inside a spin
 *
 * Host unit tests put another <asm/io.h> first on the include path, which calls register models.
 */
#ifndef VENEER_IO_H
#define VENEER_IO_H

#include <veneer/types.h>
#include <asm/io.h>

#endif
