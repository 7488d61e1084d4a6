/* SPDX-License-Identifier: BSD-2-Clause */
/* The multiboot2 information (Multiboot2 Specification 2.0, section 3.6) that Veneer gets, in a buffer of a stated size. */
#include <veneer/string.h>
#include "efi/parts.h"
#include "hv/boot/multiboot2.h"

#define E820_USABLE	1u
#define E820_RESERVED	2u
#define E820_ACPI	3u
#define E820_NVS	4u
#define E820_BAD	5u
#define E820_PMEM	7u

static void put(struct info *o, const void *data, uint32_t size)
{
	if (o->overflow || size > o->room - o->used) {
		o->overflow = true;
		return;
	}
	if (size)
		memcpy(o->buf + o->used, data, size);
	o->used += size;
}

static uint32_t begin_tag(struct info *o, uint32_t type)
{
	static const uint8_t zero[7];
	uint32_t head[2] = { type, 0 }, at;

	put(o, zero, -o->used & 7);
	at = o->used;
	put(o, head, sizeof(head));
	return at;
}

static void end_tag(struct info *o, uint32_t at)
{
	uint32_t size = o->used - at;

	if (!o->overflow)
		memcpy(o->buf + at + 4, &size, sizeof(size));
}

void info_begin(struct info *o, uint8_t *buf, uint32_t room)
{
	uint32_t head[2] = { 0, 0 };

	*o = (struct info){ buf, room, 0, false };
	put(o, head, sizeof(head));
}

void info_tag(struct info *o, uint32_t type, const void *data, uint32_t size)
{
	uint32_t at = begin_tag(o, type);

	put(o, data, size);
	end_tag(o, at);
}

void info_string(struct info *o, uint32_t type, const char *text)
{
	info_tag(o, type, text, (uint32_t)strlen(text) + 1);
}

void info_module(struct info *o, uint32_t start, uint32_t end, const char *line)
{
	uint32_t span[2] = { start, end }, at = begin_tag(o, MB2_TAG_MODULE);

	put(o, span, sizeof(span));
	put(o, line, (uint32_t)strlen(line) + 1);
	end_tag(o, at);
}

void info_screen(struct info *o, const struct info_screen *s)
{
	uint32_t size[3] = { s->pitch, s->width, s->height };
	uint8_t rest[10] = { 32, MB2_FB_RGB, 0, 0, s->pos[0], s->bits[0], s->pos[1], s->bits[1], s->pos[2], s->bits[2] };
	uint32_t at = begin_tag(o, MB2_TAG_FRAMEBUFFER);

	put(o, &s->addr, sizeof(s->addr));
	put(o, size, sizeof(size));
	put(o, rest, sizeof(rest));
	end_tag(o, at);
}

bool info_masks(struct info_screen *s, const uint32_t mask[4])
{
	for (unsigned i = 0; i < 4; i++) {
		uint32_t m = mask[i];
		uint8_t pos = 0, bits = 0;

		for (; m && !(m & 1); m >>= 1)
			pos++;
		for (; m & 1; m >>= 1)
			bits++;
		if (m || (!bits && i < 3))
			return false;
		s->pos[i] = pos;
		s->bits[i] = bits;
	}
	return true;
}

/* UEFI 2.9, section 7.2, EFI_MEMORY_TYPE; usable is what is free once boot services have ended. */
static uint32_t e820_type(uint32_t type)
{
	static const uint8_t types[] = {
		E820_RESERVED, E820_USABLE, E820_USABLE, E820_USABLE, E820_USABLE, E820_RESERVED, E820_RESERVED, E820_USABLE,
		E820_BAD, E820_ACPI, E820_NVS, E820_RESERVED, E820_RESERVED, E820_RESERVED, E820_PMEM,
	};

	return type < ARRAY_SIZE(types) ? types[type] : E820_RESERVED;
}

void info_memory(struct info *o, const uint8_t *map, uint32_t size, uint32_t desc_size, uint32_t version)
{
	uint32_t format[2] = { 24, 0 }, efi[2] = { desc_size, version }, at = begin_tag(o, MB2_TAG_MMAP);

	put(o, format, sizeof(format));
	for (uint32_t off = 0; off + desc_size <= size && !o->overflow; off += desc_size) {
		struct efi_desc d;

		memcpy(&d, map + off, sizeof(d));
		struct { uint64_t base, length; uint32_t type, zero; } e = { d.phys, d.pages << 12, e820_type(d.type), 0 };

		put(o, &e, sizeof(e));
	}
	end_tag(o, at);
	at = begin_tag(o, MB2_TAG_EFI_MMAP);
	put(o, efi, sizeof(efi));
	put(o, map, size);
	end_tag(o, at);
}

uint32_t info_memory_size(uint32_t size, uint32_t desc_size)
{
	return 48 + size + size / desc_size * 24;
}

bool info_end(struct info *o)
{
	info_tag(o, MB2_TAG_END, NULL, 0);
	if (o->overflow)
		return false;
	memcpy(o->buf, &o->used, sizeof(o->used));
	return true;
}
