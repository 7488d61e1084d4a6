/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parts of veneer.efi that know nothing of the firmware: the text of its configuration, the image of Veneer, and the
 * multiboot2 information.  All take bytes and give bytes; errors are texts for the user, NULL is success.
 */
#ifndef EFI_PARTS_H
#define EFI_PARTS_H

#include <veneer/efi_guest.h>
#include <veneer/types.h>

/* --- veneer.conf --- */

#define CONF_MAX_SIZE		65536u
#define CONF_MAX_MODULES	64u

struct conf {
	struct { char *file, *line; } module[CONF_MAX_MODULES];
	unsigned nmodules;
	char *veneer;			/* words for Veneer's own command line */
	char *hypervisor;		/* its file; NULL: veneer.elf beside this program */
	bool disk;			/* the firmware stays and starts a disk's loader */
	unsigned bad_line;		/* of the error */
};

/*
 * Parse the text [@text, @text + @size); the byte at @size is writable.  Lines are "module FILE WORDS...",
 * "veneer WORDS...", "hypervisor FILE", "boot disk", comments by '#', or empty.  The strings in @c lie in @text, which is
 * written to.  On an error @c->bad_line is the line's number.
 */
const char *conf_parse(struct conf *c, char *text, size_t size);

/*
 * Words for Veneer of the load options [@options, @options + @size), UTF-16: from the first word that begins with "--" on, in
 * printable ASCII; a shell puts the program's name in front of it, and a boot entry may hold bytes of any kind.  Write them to
 * [@out, @out + @room), with a zero.  False if they do not fit.
 */
bool conf_options(const uint16_t *options, size_t size, char *out, size_t room);

/* Join a directory and a file name, in [@out, @out + @room) as UTF-16 with backslashes.  False if there is no room. */
bool conf_path(const uint16_t *dir, const char *file, uint16_t *out, size_t room);

/* --- veneer.elf --- */

struct image {
	uint64_t base, size;		/* as linked: all segments, whole pages */
	uint32_t entry;			/* of 32-bit code, from base on */
};

/* Check the file [@file, @file + @size): a 64-bit ELF whose segments lie in the file, and at most IMAGE_MAX_SIZE in memory. */
#define IMAGE_MAX_SIZE		(16u << 20)
const char *image_check(struct image *img, const uint8_t *file, size_t size);

/* Put the segments of the checked @file into @img->size bytes at @to; what they leave is zero. */
void image_place(const struct image *img, const uint8_t *file, uint8_t *to);

/* --- the multiboot2 information --- */

struct info {
	uint8_t *buf;
	uint32_t room, used;
	bool overflow;			/* something had no room: the information is useless */
};

void info_begin(struct info *o, uint8_t *buf, uint32_t room);
void info_tag(struct info *o, uint32_t type, const void *data, uint32_t size);
void info_string(struct info *o, uint32_t type, const char *text);
void info_module(struct info *o, uint32_t start, uint32_t end, const char *line);

struct info_screen {
	uint64_t addr;
	uint32_t pitch, width, height;
	uint8_t pos[4], bits[4];	/* red, green, blue, reserved */
};

void info_screen(struct info *o, const struct info_screen *s);

/* Set the fields' places from masks of the bits of a pixel.  False if a colour's bits are none or not adjacent. */
bool info_masks(struct info_screen *s, const uint32_t mask[4]);

/* The firmware's memory map of @size bytes, as it is and as a map of E820's types. */
void info_memory(struct info *o, const uint8_t *map, uint32_t size, uint32_t desc_size, uint32_t version);

/* The bytes that info_memory() needs for a map of @size bytes. */
uint32_t info_memory_size(uint32_t size, uint32_t desc_size);

/* End tag and total size.  False if the information has no room. */
bool info_end(struct info *o);

/* Whole pages: code in [code, code_end), data in [code_end, end). */
struct part {
	uint64_t code, code_end, end;
};

/*
 * attributes.c: the firmware's memory attributes table [@table, @table + @size) (UEFI 2.9, section 4.6.4) into @to, with
 * @part's code read-only and executable, and @part's data writable and not executable.  The size in bytes; 0 if the table is
 * damaged or @room is too small.
 */
uint32_t attributes_with_part(const uint8_t *table, uint32_t size, const struct part *part, uint8_t *to, uint32_t room);

/* The size of the table at @table, by its head. */
uint32_t attributes_size(const uint8_t *table);

/* Room that is enough for each table of @size bytes. */
uint32_t attributes_room(uint32_t size);

/*
 * The table at @table, of any size and content, into [@to, @to + @room) with @part as above.  False: it is damaged, of an
 * unknown form or larger than @room, and at @to is a table without entries, by which a system takes all of the runtime memory
 * of type code as code that may be written to.  @room is at least 16 bytes.
 */
bool attributes_allow(const uint8_t *table, const struct part *part, uint8_t *to, uint32_t room);

/*
 * archive.c: the section ".veneer" of the PE image [@image, @image + @size), as it lies in memory; NULL if there is none, or
 * the headers are damaged.  Its contents are files: a line "SIZE NAME" in decimal and then SIZE bytes, each.
 */
const uint8_t *archive_section(const uint8_t *image, uint64_t size, uint32_t *length);

/* The bytes of the file @name, or NULL; *@size is the number of bytes. */
const uint8_t *archive_find(const uint8_t *archive, uint32_t length, const char *name, uint64_t *size);

/* segment.c: what the processor has of the segment @selector, by the GDT of @limit + 1 bytes; segment_task(): of TR. */
void segment_task(struct efi_launch_seg *s, uint16_t selector, const void *gdt, uint16_t limit);
void segment_state(struct efi_launch_seg *s, uint16_t selector, const void *gdt, uint16_t limit);

#endif
