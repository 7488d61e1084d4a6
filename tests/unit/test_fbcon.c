/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/lib/fbcon.c */
/* Text on framebuffers of every depth: glyphs, scrolling, and that nothing is written beside the visible pixels. */
#include <string.h>
#include <veneer/mem.h>
#include "host/host.h"
#include "hv/lib/fbcon.h"

#define FB_ADDR		0x4000000000ull		/* far above 4 GiB */
#define GUARD		4096u
#define POISON		0xa5

/* Each line of a glyph is the character's code; '?' is a full block. */
#define G(c)	{ c, c, c, c, c, c, c, c, c, c, c, c, c, c, c, c }
#define G4(c)	G(c), G(c + 1), G(c + 2), G(c + 3)
const uint8_t fbcon_font[FONT_GLYPHS][FONT_HEIGHT] = {
	G4(32), G4(36), G4(40), G4(44), G4(48), G4(52), G4(56), G(60), G(61), G(62), G(0xff), G4(64), G4(68), G4(72), G4(76),
	G4(80), G4(84), G4(88), G4(92), G4(96), G4(100), G4(104), G4(108), G4(112), G4(116), G4(120), G(124), G(125), G(126)
};

static struct boot_info boot;
static struct fbcon f;
static uint8_t *video;
static uint64_t mapped_size;
static bool refuse;

static volatile void *map_screen(uint64_t phys, uint64_t size)
{
	if (phys != FB_ADDR)
		host_fail(__FILE__, __LINE__, "mapped %#lx", phys);
	mapped_size = size;
	free(video);
	video = refuse ? NULL : malloc(size + GUARD);
	if (!video)
		return NULL;
	memset(video, POISON, size + GUARD);
	return video;
}

/* 40 columns and 4 lines, and 5 pixels more in each direction. */
static void machine(uint8_t bpp, uint32_t pitch)
{
	memset(&boot, 0, sizeof(boot));
	refuse = false;
	boot.has_fb = true;
	boot.fb.addr = FB_ADDR;
	boot.fb.pitch = pitch;
	boot.fb.width = 325;
	boot.fb.height = 69;
	boot.fb.bpp = bpp;
	boot.fb.type = 1;
	boot.fb.red_pos = bpp == 15 ? 10 : bpp == 16 ? 11 : 16;
	boot.fb.green_pos = bpp < 24 ? 5 : 8;
	boot.fb.red_size = boot.fb.blue_size = bpp < 24 ? 5 : 8;
	boot.fb.green_size = bpp == 16 ? 6 : boot.fb.red_size;
	boot.range[0].base = 0;
	boot.range[0].size = 0x80000000;
	boot.range[0].type = MEM_USABLE;
	boot.nranges = 1;
}

static void start(uint8_t bpp, uint32_t pitch)
{
	machine(bpp, pitch);
	CHECK(fbcon_init(&f, &boot, map_screen));
	CHECK_EQ(mapped_size, (uint64_t)pitch * 69);
	CHECK_EQ(f.cols, 40);
	CHECK_EQ(f.rows, 4);
}

static void put(const char *s)
{
	while (*s)
		fbcon_put(&f, *s++);
}

static uint32_t pixel(unsigned x, unsigned y)
{
	uint32_t v = 0;

	memcpy(&v, video + (size_t)y * boot.fb.pitch + x * f.bytes, f.bytes);
	return v;
}

static bool shows(unsigned col, unsigned row, uint8_t bits)
{
	for (unsigned y = 0; y < FONT_HEIGHT; y++)
		for (unsigned x = 0; x < FONT_WIDTH; x++)
			if (pixel(col * 8 + x, row * 16 + y) != (bits & 0x80 >> x ? f.ink : 0))
				return false;
	return true;
}

static bool line_blank(unsigned row)
{
	for (unsigned y = row * 16; y < row * 16 + 16; y++)
		for (unsigned x = 0; x < boot.fb.width; x++)
			if (pixel(x, y))
				return false;
	return true;
}

/* Memory that is not a visible pixel stays unchanged: the rest of each pitch, and what follows the last line. */
static void check_edges(void)
{
	for (unsigned y = 0; y < boot.fb.height; y++)
		for (uint32_t i = boot.fb.width * f.bytes; i < boot.fb.pitch; i++)
			CHECK_EQ(video[(size_t)y * boot.fb.pitch + i], POISON);
	for (unsigned i = 0; i < GUARD; i++)
		CHECK_EQ(video[mapped_size + i], POISON);
}

static void draws(uint8_t bpp, uint32_t pitch, uint32_t ink)
{
	start(bpp, pitch);
	CHECK_EQ(f.ink, ink);
	for (unsigned row = 0; row < 4; row++)
		CHECK(line_blank(row));
	CHECK(!pixel(324, 68));
	put("AZ~ !\n");
	CHECK(shows(0, 0, 'A') && shows(1, 0, 'Z') && shows(2, 0, '~') && shows(3, 0, ' ') && shows(4, 0, '!'));
	CHECK(line_blank(1));
	check_edges();
}

TEST(depths)
{
	draws(32, 325 * 4, 0xbfbfbf);
	draws(32, 2048, 0xbfbfbf);
	draws(24, 325 * 3, 0xbfbfbf);
	draws(24, 1001, 0xbfbfbf);
	draws(16, 650, 23 << 11 | 47 << 5 | 23);
	draws(15, 651, 23 << 10 | 23 << 5 | 23);
}

TEST(blue_first)
{
	machine(32, 1300);
	boot.fb.red_pos = 0;
	boot.fb.blue_pos = 20;
	boot.fb.green_pos = 10;
	boot.fb.red_size = boot.fb.green_size = boot.fb.blue_size = 10;
	CHECK(fbcon_init(&f, &boot, map_screen));
	CHECK_EQ(f.ink, 767u << 20 | 767 << 10 | 767);
}

TEST(no_glyph)
{
	start(32, 1300);
	put("\x1f\x7f\x80\xff\t");
	for (unsigned i = 0; i < 5; i++)
		CHECK(shows(i, 0, 0xff));
}

TEST(long_line_wraps)
{
	start(32, 1300);
	for (unsigned i = 0; i < 41; i++)
		fbcon_put(&f, i < 40 ? 'A' : 'B');
	CHECK(shows(39, 0, 'A') && shows(0, 1, 'B'));
	check_edges();
}

TEST(bottom_goes_on_at_top)
{
	start(24, 1000);
	put("A\nB\nC\nD\n");
	CHECK(shows(0, 1, 'B') && shows(0, 2, 'C') && shows(0, 3, 'D'));
	CHECK(line_blank(0));
	put("E");
	/* The oldest line but one is still visible; a blank line separates new from old. */
	CHECK(shows(0, 0, 'E') && line_blank(1) && shows(0, 2, 'C') && shows(0, 3, 'D'));
	put("\n\nF");
	CHECK(shows(0, 0, 'E') && line_blank(1) && shows(0, 2, 'F') && line_blank(3));
	check_edges();
}

TEST(readable_on_what_the_guest_drew)
{
	start(32, 1300);
	put("A\n");
	memset(video, 0x77, mapped_size);
	put("B");
	CHECK(shows(0, 1, 'B') && shows(1, 1, 0) && line_blank(2));
	CHECK_EQ(pixel(0, 0), 0x77777777);
}

static void refused(void)
{
	f.base = NULL;
	mapped_size = 0;
	CHECK(!fbcon_init(&f, &boot, map_screen));
	CHECK(!f.base && !mapped_size);
}

#define REFUSED(change) do { machine(32, 1300); change; refused(); } while (0)

TEST(refused)
{
	REFUSED(boot.has_fb = false);
	REFUSED(boot.fb.type = 0);
	REFUSED(boot.fb.type = 2);
	REFUSED(boot.fb.bpp = 8);
	REFUSED(boot.fb.bpp = 33);
	REFUSED(boot.fb.bpp = 0);
	REFUSED(boot.fb.pitch = 1299);
	REFUSED(boot.fb.pitch = 0xffffffff);
	REFUSED(boot.fb.width = 319);
	REFUSED(boot.fb.width = 0x40000145; boot.fb.pitch = 0x514);
	REFUSED(boot.fb.height = 63);
	REFUSED(boot.fb.height = 0xffffffff);
	REFUSED(boot.fb.red_size = 0);
	REFUSED(boot.fb.green_size = 17);
	REFUSED(boot.fb.red_pos = 25);
	REFUSED(boot.fb.blue_pos = 255);
}

TEST(refused_on_ram)
{
	REFUSED(boot.fb.addr = 0);
	REFUSED(boot.fb.addr = 0x7ffff000);
	REFUSED(boot.fb.addr = ~0ull - 100);
	REFUSED(boot.range[0].base = FB_ADDR + 1300 * 69 - 1);
	/* The framebuffer is memory that firmware has reserved. */
	machine(32, 1300);
	boot.range[0].base = FB_ADDR;
	boot.range[0].type = MEM_RESERVED;
	CHECK(fbcon_init(&f, &boot, map_screen));
}

TEST(cannot_be_mapped)
{
	machine(32, 1300);
	refuse = true;
	f.base = NULL;
	CHECK(!fbcon_init(&f, &boot, map_screen));
	CHECK(!f.base);
}

TEST_MAIN
