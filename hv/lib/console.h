/* SPDX-License-Identifier: BSD-2-Clause */
/* The console: a serial port and the screen. */
#ifndef HV_CONSOLE_H
#define HV_CONSOLE_H

#include <veneer/types.h>

struct boot_info;
struct config;

/* Map @size bytes of video memory at a physical address; NULL if page tables run out. */
typedef volatile void *(*console_map_fn)(uint64_t phys, uint64_t size);

/*
 * console_early() starts the serial port only.  console_init() starts the consoles of @c; call it with Veneer's own page tables
 * loaded, and again after a change of @c.
 */
void console_early(const struct config *c);
void console_init(const struct config *c, const struct boot_info *b, console_map_fn map);
/* The guest may use the serial port from now on, and may have switched its FIFO off: write one character at a time. */
void console_share(void);
void console_write(const char *s, size_t len);

/* True if a key (not the mouse's data) or a character on the serial port was waiting; it is consumed. */
bool console_key(void);

#endif
