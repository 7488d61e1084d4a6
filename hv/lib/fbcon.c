/* SPDX-License-Identifier: BSD-2-Clause */
/* Text on a linear framebuffer: drawing only, no scrolling (contract in fbcon.h). */
#include "hv/lib/fbcon.h"

#define MAX_SIDE	16384u

/* A pitch may be odd. */
typedef uint64_t any_u64 __attribute__((aligned(1), may_alias));
typedef uint32_t any_u32 __attribute__((aligned(1), may_alias));
typedef uint16_t any_u16 __attribute__((aligned(1), may_alias));

static void put_pixel(const struct fbcon *f, volatile uint8_t *p, uint32_t v)
{
	switch (f->bytes) {
	case 2:
		*(volatile any_u16 *)p = (uint16_t)v;
		break;
	case 3:
		p[0] = (uint8_t)v;
		p[1] = (uint8_t)(v >> 8);
		p[2] = (uint8_t)(v >> 16);
		break;
	default:
		*(volatile any_u32 *)p = v;
	}
}

static void blank(const struct fbcon *f, unsigned first, unsigned lines)
{
	uint32_t len = f->width * f->bytes;

	for (unsigned y = first; y < first + lines; y++) {
		volatile uint8_t *p = f->base + (size_t)y * f->pitch;
		uint32_t i = 0;

		for (; i + 8 <= len; i += 8)
			*(volatile any_u64 *)(p + i) = 0;
		for (; i < len; i++)
			p[i] = 0;
	}
}

static void draw(const struct fbcon *f, char c)
{
	const uint8_t *glyph = fbcon_font[(c < FONT_FIRST || c >= FONT_FIRST + (int)FONT_GLYPHS ? '?' : c) - FONT_FIRST];
	volatile uint8_t *line = f->base + (size_t)f->row * FONT_HEIGHT * f->pitch + (size_t)f->col * FONT_WIDTH * f->bytes;

	for (unsigned y = 0; y < FONT_HEIGHT; y++, line += f->pitch)
		for (unsigned x = 0; x < FONT_WIDTH; x++)
			put_pixel(f, line + x * f->bytes, glyph[y] & 0x80 >> x ? f->ink : 0);
}

static void next_line(struct fbcon *f)
{
	f->col = 0;
	f->row = (f->row + 1) % f->rows;
}

void fbcon_put(struct fbcon *f, char c)
{
	if (!f->col) {
		blank(f, f->row * FONT_HEIGHT, FONT_HEIGHT);
		blank(f, (f->row + 1) % f->rows * FONT_HEIGHT, FONT_HEIGHT);
	}
	if (c != '\n') {
		draw(f, c);
		f->col++;
	}
	if (c == '\n' || f->col == f->cols)
		next_line(f);
}

/* Three quarters of a color's full strength: light gray. */
static uint32_t strength(uint8_t pos, uint8_t size)
{
	return (((1u << size) - 1) * 3 / 4) << pos;
}

static bool color_ok(uint8_t pos, uint8_t size, uint8_t bpp)
{
	return size && size <= 16 && pos + size <= bpp;
}

static bool format_ok(const struct boot_info *b)
{
	uint32_t bytes = (b->fb.bpp + 7u) / 8;

	if (!b->has_fb || b->fb.type != 1 || bytes < 2 || bytes > 4 || b->fb.bpp < 15)
		return false;
	if (b->fb.width < 40 * FONT_WIDTH || b->fb.width > MAX_SIDE || b->fb.height < 4 * FONT_HEIGHT ||
	    b->fb.height > MAX_SIDE)
		return false;
	return b->fb.pitch >= b->fb.width * bytes && b->fb.pitch <= MAX_SIDE * 8 &&
	       color_ok(b->fb.red_pos, b->fb.red_size, b->fb.bpp) && color_ok(b->fb.green_pos, b->fb.green_size, b->fb.bpp) &&
	       color_ok(b->fb.blue_pos, b->fb.blue_size, b->fb.bpp);
}

/* A wrong address must not overwrite memory. */
static bool clear_of_ram(const struct boot_info *b, uint64_t size)
{
	if (!b->fb.addr || b->fb.addr + size < size)
		return false;
	for (unsigned i = 0; i < b->nranges; i++) {
		const struct mem_range *r = &b->range[i];

		if (r->type == MEM_USABLE && r->base < b->fb.addr + size && b->fb.addr < r->base + r->size)
			return false;
	}
	return true;
}

bool fbcon_init(struct fbcon *f, const struct boot_info *b, console_map_fn map)
{
	uint64_t size = (uint64_t)b->fb.pitch * b->fb.height;

	if (!format_ok(b) || !clear_of_ram(b, size))
		return false;
	*f = (struct fbcon){
		.base = map(b->fb.addr, size),
		.pitch = b->fb.pitch,
		.width = b->fb.width,
		.bytes = (b->fb.bpp + 7u) / 8,
		.ink = strength(b->fb.red_pos, b->fb.red_size) | strength(b->fb.green_pos, b->fb.green_size) |
		       strength(b->fb.blue_pos, b->fb.blue_size),
		.cols = b->fb.width / FONT_WIDTH,
		.rows = b->fb.height / FONT_HEIGHT,
	};
	if (!f->base)
		return false;
	blank(f, 0, b->fb.height);
	return true;
}
