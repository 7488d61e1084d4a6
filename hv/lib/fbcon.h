/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Text on a linear framebuffer.  Video memory is uncached, so it is never read and lines do not move: after the last line the
 * text continues at the top, and a blank line separates the newest line from the oldest.  Each line is blanked before its first
 * character, so that it is readable wherever a guest has drawn meanwhile.
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
	uint32_t ink;			/* the pixel value of text; the background is 0 in every format */
	unsigned cols, rows, col, row;
};

/*
 * Map the framebuffer of @b by @map and blank it.  False if @b has no usable framebuffer: not RGB, a depth other than 15, 16,
 * 24 or 32, too small for text, or overlapping RAM.
 */
bool fbcon_init(struct fbcon *f, const struct boot_info *b, console_map_fn map);

/* Draw a character; newline ends the line, a character without a glyph becomes '?'. */
void fbcon_put(struct fbcon *f, char c);

#endif
