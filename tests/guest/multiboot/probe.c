/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks everything that a loader gives: registers, the image, command line, modules, memory map, screen, sections, ACPI and
 * EFI.  The code runs at any address: it has no pointers in tables.  The command line says what to expect: screen=text,
 * screen=rgb or screen=none; efi; bios (a boot device); grub (a native start).  The modules' lines are "pattern NUMBER SIZE",
 * hexadecimal, and 32-bit word n of each is NUMBER + n.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "../lib/bare.h"

#define LINKED		0x100000u
#define MB1_BOOTED	0x2badb002u
#define MB2_BOOTED	0x36d76289u
#define PVH_MAGIC	0x336ec578u
#define EFLAGS_IF	0x200u
#define MAX_MODULES	4
#define MAX_RANGES	128
#define FB_RGB		1
#define FB_TEXT		2
#define BSS_WORDS	20000u

struct range { uint64_t base, size; uint32_t type; };
struct span { uint32_t start, end; };

/* Hidden, so addressed relative to the code, not by a table that nobody relocates. */
extern char image_start[] __attribute__((visibility("hidden"))), bss_end[] __attribute__((visibility("hidden")));

void mb_main(uint32_t magic, uint32_t info, uint32_t moved, uint32_t eflags);
void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);

static struct range range[MAX_RANGES];
static struct span module[MAX_MODULES], taken;	/* taken: the loader's information */
static uint32_t nranges, nmodules;
static const char *cmdline = "";
static uint32_t bss[BSS_WORDS];
static volatile uint32_t data = 0x600df00d;

/* --- the basics --- */

void *memcpy(void *to, const void *from, size_t n)
{
	void *at = to;

	__asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(n) : : "memory");
	return to;
}

void *memset(void *to, int c, size_t n)
{
	void *at = to;

	__asm__ volatile("rep stosb" : "+D"(at), "+c"(n) : "a"(c) : "memory");
	return to;
}

static bool starts(const char *s, const char *with)
{
	for (; *with; s++, with++)
		if (*s != *with)
			return false;
	return true;
}

static bool option(const char *name)
{
	for (const char *s = cmdline; *s; s++)
		if (starts(s, name))
			return true;
	return false;
}

static uint32_t take_hex(const char **s)
{
	uint32_t v = 0;

	while (**s == ' ')
		(*s)++;
	for (;; (*s)++) {
		char c = **s;

		if (c >= '0' && c <= '9')
			v = v << 4 | (uint32_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (uint32_t)(c - 'a' + 10);
		else
			return v;
	}
}

static uint32_t word(uint32_t at) { return *(volatile uint32_t *)at; }
static uint64_t quad(uint32_t at) { return word(at) | (uint64_t)word(at + 4) << 32; }

/* --- what all protocols give --- */

static void set_cmdline(uint32_t at)
{
	cmdline = (const char *)at;
	print("     cmdline: <");
	print(cmdline);
	print(">\n");
}

static void add_range(uint64_t base, uint64_t size, uint32_t type)
{
	if (nranges < MAX_RANGES)
		range[nranges++] = (struct range){ base, size, type };
}

static void add_module(uint32_t start, uint32_t end, const char *line)
{
	uint32_t pattern, size, i = 0;

	if (!check_true(nmodules < MAX_MODULES && starts(line, "pattern "), "module: its line"))
		return;
	line += 8;
	pattern = take_hex(&line);
	size = take_hex(&line);
	check(end - start, size, "module: its size");
	check(start & 4095, 0, "module: on a page");
	while (i < size / 4 && word(start + i * 4) == pattern + i)
		i++;
	check(i, size / 4, "module: its words");
	module[nmodules++] = (struct span){ start, end };
}

static bool overlap(struct span a, struct span b)
{
	return a.start < b.end && b.start < a.end;
}

static bool in_ram(struct span s)
{
	for (uint32_t i = 0; i < nranges; i++)
		if (range[i].type == 1 && s.start >= range[i].base && s.end <= range[i].base + range[i].size)
			return true;
	return false;
}

static void check_places(void)
{
	struct span kernel = { (uint32_t)image_start, (uint32_t)bss_end };
	bool good = true, ram = in_ram(kernel) && in_ram(taken);

	for (uint32_t i = 0; i < nmodules; i++) {
		good = good && !overlap(module[i], kernel) && !overlap(module[i], taken);
		ram = ram && in_ram(module[i]);
		for (uint32_t k = 0; k < i; k++)
			good = good && !overlap(module[i], module[k]);
	}
	check_true(good && !overlap(kernel, taken), "places: nothing over another");
	check_true(ram, "places: all in RAM, by the map");
	check(nmodules, 2, "modules: two");
}

static void check_map(void)
{
	bool good = nranges > 2;
	uint64_t ram = 0;

	for (uint32_t i = 0; i < nranges; i++) {
		ram += range[i].type == 1 ? range[i].size : 0;
		good = good && range[i].size && range[i].type;
		for (uint32_t k = 0; k < i; k++)
			good = good && (range[k].base + range[k].size <= range[i].base ||
					range[i].base + range[i].size <= range[k].base);
	}
	check_true(good, "memory map: whole, no range in another");
	check_true(ram > 480u << 20 && ram < 512u << 20, "memory map: 512 MiB less some");
	print("     RAM in KiB: ");
	print_decimal((uint32_t)(ram >> 10));
	print("\n");
}

static void check_self(uint32_t moved, uint32_t eflags)
{
	uint32_t cr0, i = 0;

	__asm__ volatile("movl %%cr0, %0" : "=r"(cr0));
	check(cr0 & 0x80000001, 1, "entry: protected mode, no paging");
	check(eflags & EFLAGS_IF, 0, "entry: interrupts off");
	check((uint32_t)image_start, LINKED + moved, "entry: where it is");
	check(data, 0x600df00d, "entry: initialized data");
	while (i < BSS_WORDS && !((volatile uint32_t *)bss)[i])
		i++;
	check(i, BSS_WORDS, "entry: the rest is zero");
}

static void check_screen(uint64_t at, uint32_t pitch, uint32_t width, uint32_t height, uint32_t bpp, uint32_t type)
{
	volatile uint32_t *pixel = (volatile uint32_t *)(uint32_t)at;

	print("     screen: ");
	print_decimal(width);
	print("x");
	print_decimal(height);
	print("x");
	print_decimal(bpp);
	print("\n");
	if (option("screen=rgb")) {
		check(type, FB_RGB, "screen: pixels");
		check_true(width >= 640 && height >= 480 && pitch >= width * bpp / 8 && at && !(at >> 32), "screen: its size");
		pixel[17] = 0x00a5c3e1;
		check(pixel[17] & 0xffffff, 0xa5c3e1, "screen: what is drawn is there");
	} else {
		check(type, FB_TEXT, "screen: text");
		check((uint32_t)at, 0xb8000, "screen: at b8000h");
		check(width << 16 | height, 80 << 16 | 25, "screen: 80 columns, 25 lines");
		check(pitch, 160, "screen: 160 bytes a line");
	}
}

#ifndef FLAT
/* Check the section headers, of @size bytes, at @at: they have each section's present address. */
static void check_sections(uint32_t at, uint32_t number, uint32_t size, uint32_t names)
{
	uint32_t strings, text = 0, loaded = 0;

	if (!check_true(number > 3 && size == 40 && names < number, "sections: their headers"))
		return;
	strings = word(at + names * size + 12);
	for (uint32_t i = 1; i < number; i++) {
		const char *name = (const char *)strings + word(at + i * size);

		loaded += word(at + i * size + 12) != 0;
		if (starts(name, ".text"))
			text = word(at + i * size + 12);
	}
	check(loaded, number - 1, "sections: each is somewhere");
	/* The linked address, also after a move, as with GRUB. */
	check(text, LINKED, "sections: .text is found by its name");
}

#endif

static void check_rsdp(uint32_t at, uint32_t size)
{
	uint8_t sum = 0;

	check_true(starts((const char *)at, "RSD PTR "), "RSDP: its name");
	for (uint32_t i = 0; i < size; i++)
		sum = (uint8_t)(sum + *(volatile uint8_t *)(at + i));
	check(sum, 0, "RSDP: its checksum");
}

/* --- multiboot1 --- */

#define MB1_CHECK_FLAG(bit, name) check_true(word(info) & 1u << (bit), "multiboot1: there is " name)

static void check_mb1(uint32_t info)
{
	taken = (struct span){ info, info + 116 };
	if (MB1_CHECK_FLAG(2, "a command line"))
		set_cmdline(word(info + 16));
	if (MB1_CHECK_FLAG(0, "a memory size")) {
		check_true(word(info + 4) > 500 && word(info + 4) <= 640, "multiboot1: lower memory");
		/* Up to the first hole, which is below 16 MiB with UEFI. */
		check_true(word(info + 8) > (option("efi") ? 4u : 400u) * 1024 && word(info + 8) < 512 * 1024,
			   "multiboot1: upper memory");
	}
	if (option("bios"))
		MB1_CHECK_FLAG(1, "a boot device");
	if (MB1_CHECK_FLAG(3, "modules"))
		for (uint32_t i = 0, m = word(info + 24); i < word(info + 20); i++, m += 16)
			add_module(word(m), word(m + 4), (const char *)word(m + 8));
	if (MB1_CHECK_FLAG(6, "a memory map"))
		for (uint32_t m = word(info + 48), end = m + word(info + 44); m < end; m += word(m) + 4)
			add_range(quad(m + 4), quad(m + 12), word(m + 20));
	if (MB1_CHECK_FLAG(9, "the loader's name"))
		check_true(starts((const char *)word(info + 64), option("grub") ? "GRUB " : "Veneer"), "multiboot1: that name");
#ifdef FLAT
	check(word(info) >> 4 & 3, 0, "multiboot1: no sections");
#else
	if (MB1_CHECK_FLAG(5, "a table of sections"))
		check_sections(word(info + 36), word(info + 28), word(info + 32), word(info + 40));
#endif
	if (option("screen=none"))
		return;
	if (MB1_CHECK_FLAG(12, "a screen"))
		check_screen(quad(info + 88), word(info + 96), word(info + 100), word(info + 104), word(info + 108) & 0xff,
			     word(info + 108) >> 8 & 0xff);
}

/* --- multiboot2 --- */

static uint32_t tag_count(uint32_t info, uint32_t type, uint32_t *last)
{
	uint32_t n = 0;

	for (uint32_t t = info + 8; t < info + word(info) && word(t + 4) >= 8; t += (word(t + 4) + 7) & ~7u) {
		if (word(t) == type) {
			*last = t;
			n++;
		}
		if (!word(t))
			break;
	}
	return n;
}

/* Find the tag, which must occur once. */
static uint32_t tag(uint32_t info, uint32_t type, const char *name)
{
	uint32_t at = 0;

	return check(tag_count(info, type, &at), 1, name) ? at : 0;
}

static void check_mb2_firmware(uint32_t info)
{
	uint32_t t, at = 0;

	if (option("bios"))
		tag(info, 5, "multiboot2: boot device");
	t = tag_count(info, 15, &at) ? at : 0;
	if (t)
		check_rsdp(t + 8, word(t + 28));
	else if ((t = tag(info, 14, "multiboot2: RSDP")))
		check_rsdp(t + 8, 20);
	if (!option("efi")) {
		check(tag_count(info, 12, &at) + tag_count(info, 17, &at), 0, "multiboot2: nothing of EFI");
		return;
	}
	t = tag(info, 12, "multiboot2: EFI system table");
	if (t)
		check_true(starts((const char *)word(t + 8), "IBI SYST"), "multiboot2: it is one");
	t = tag(info, 17, "multiboot2: EFI memory map");
	if (t) {
		check_true(word(t + 8) >= 40 && word(t + 12) == 1, "multiboot2: its descriptors");
		check((word(t + 4) - 16) % word(t + 8), 0, "multiboot2: all of them");
	}
	check(tag_count(info, 18, &at), 0, "multiboot2: boot services have ended");
}

static void check_mb2_base(uint32_t info, uint32_t moved)
{
	uint32_t at = 0;

	if (tag_count(info, 21, &at))
		check(word(at + 8), LINKED + moved, "multiboot2: load address");
#ifdef RELOCATABLE
	tag(info, 21, "multiboot2: load address is told");
	check((LINKED + moved) & 0x1fffff, 0, "multiboot2: moved, on 2 MiB");
	check_true(LINKED + moved >= 0x4000000 && (uint32_t)bss_end <= 0x10000000, "multiboot2: moved to where it may be");
#else
	check(moved, 0, "multiboot2: not moved");
#endif
}

static void check_mb2(uint32_t info, uint32_t moved)
{
	uint32_t t, at = 0;

	taken = (struct span){ info, info + word(info) };
	check(info & 7, 0, "multiboot2: information is aligned");
	check(tag_count(info, 0, &at), 1, "multiboot2: it has an end");
	check(at + 8, info + word(info), "multiboot2: which is its end");
	if ((t = tag(info, 1, "multiboot2: command line")))
		set_cmdline(t + 8);
	if ((t = tag(info, 2, "multiboot2: the loader's name")))
		check_true(starts((const char *)t + 8, option("grub") ? "GRUB " : "Veneer"), "multiboot2: that name");
	for (t = info + 8; word(t); t += (word(t + 4) + 7) & ~7u)
		if (word(t) == 3)
			add_module(word(t + 8), word(t + 12), (const char *)t + 16);
	if ((t = tag(info, 4, "multiboot2: memory size")))
		check_true(word(t + 8) > 500 && word(t + 8) <= 640 && word(t + 12) > 6 * 1024 && word(t + 12) < 512 * 1024,
			   "multiboot2: that size");
	if ((t = tag(info, 6, "multiboot2: memory map")))
		for (uint32_t m = t + 16; m + 24 <= t + word(t + 4); m += word(t + 8))
			add_range(quad(m), quad(m + 8), word(m + 16));
#ifdef FLAT
	if (!option("grub"))
		check(tag_count(info, 9, &at), 0, "multiboot2: no sections");
#else
	if ((t = tag(info, 9, "multiboot2: sections")))
		check_sections(t + 20, word(t + 8), word(t + 12), word(t + 16));
#endif
	if (!option("screen=none") && (t = tag(info, 8, "multiboot2: screen")))
		check_screen(quad(t + 8), word(t + 16), word(t + 20), word(t + 24), word(t + 28) & 0xff,
			     word(t + 28) >> 8 & 0xff);
	check_mb2_firmware(info);
	check_mb2_base(info, moved);
}

/* --- PVH --- */

static void check_pvh(uint32_t info)
{
	taken = (struct span){ info, info + 56 };
	if (!check(word(info), PVH_MAGIC, "PVH: start information") || !check(word(info + 4), 1, "PVH: version 1"))
		return;
	set_cmdline((uint32_t)quad(info + 24));
	for (uint32_t i = 0, m = (uint32_t)quad(info + 16); i < word(info + 12); i++, m += 32)
		add_module((uint32_t)quad(m), (uint32_t)(quad(m) + quad(m + 8)), (const char *)(uint32_t)quad(m + 16));
	for (uint32_t i = 0, m = (uint32_t)quad(info + 40); i < word(info + 48); i++, m += 24)
		add_range(quad(m), quad(m + 8), word(m + 16));
	check_rsdp((uint32_t)quad(info + 32), 20);
}

void mb_main(uint32_t magic, uint32_t info, uint32_t moved, uint32_t eflags)
{
	print("\nprobe-multiboot: starts\n");
	check_self(moved, eflags);
	if (magic == MB1_BOOTED)
		check_mb1(info);
	else if (magic == MB2_BOOTED)
		check_mb2(info, moved);
	else if (magic == PVH_MAGIC)
		check_pvh(info);
	else
		check(magic, 0, "entry: magic number");
	check_map();
	check_places();
	print("probe-multiboot: ");
	print_decimal(passed);
	print(" passed, ");
	print_decimal(failed);
	print(" failed\n");
	outl(DEBUG_EXIT, failed || !passed);
}
