/* SPDX-License-Identifier: BSD-2-Clause */
/* Accesses to the machine's ports by a width known at run time only, for a guest's or a configuration access. */
#ifndef HV_PORTS_H
#define HV_PORTS_H

#include <veneer/io.h>

/* @width 1, 2 or 4. */
static inline uint32_t port_in(uint16_t port, unsigned width)
{
	return width == 1 ? pio_read8(port) : width == 2 ? pio_read16(port) : pio_read32(port);
}

static inline void port_out(uint16_t port, unsigned width, uint32_t v)
{
	if (width == 1)
		pio_write8(port, (uint8_t)v);
	else if (width == 2)
		pio_write16(port, (uint16_t)v);
	else
		pio_write32(port, v);
}

#endif
