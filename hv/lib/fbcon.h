/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Text on a linear framebuffer.  Video memory is uncached, so it is never read and nothing moves: behind the last line the
 * text goes on at the top, and one blank line separates the newest line from the oldest.  Each line blanks itself before its
 * first character, so that it can be read wherever a guest has drawn meanwhile.
 */
#ifndef HV_FBCON_H
#define HV_FBCON_H

#include <veneer/types.h>
#include "hv/boot/bootinfo.h"
#include "hv/lib/console.h"

#define FONT_WIDTH	8u
#define FONT_HEIGHT	16u
#define FONT_FIRST	32
#define FONT_GLYPHS	95u

/* ASCII 32 to 126, a byte per line of pixels, bit 7 leftmost; made by scripts/psf-to-c. */
extern const uint8_t fbcon_font[FONT_GLYPHS][FONT_HEIGHT];

struct fbcon {
	volatile uint8_t *base;
	uint32_t pitch, width;		/* of a line of pixels: bytes, pixels */
	unsigned bytes;			/* of a pixel */
	uint32_t ink;			/* the pixel value of text; that of the ground is 0 in every format */
	unsigned cols, rows, col, row;
};

/*
 * Map the framebuffer of @b by @map and blank it.  False when @b has none that can be drawn on: not RGB, a depth
 * other than 15, 16, 24 or 32, too small for text, or not clear of the RAM.
 */
bool fbcon_init(struct fbcon *f, const struct boot_info *b, console_map_fn map);

/* One character; newline ends the line, what has no glyph is drawn as '?'. */
void fbcon_put(struct fbcon *f, char c);

#endif
