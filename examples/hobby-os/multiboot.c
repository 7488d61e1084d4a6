/* SPDX-License-Identifier: BSD-2-Clause */
/* Read the loader's information, by multiboot 1 or 2 or PVH: the command line, the text screen, the ACPI pointer. */
#include "hobby.h"

#define MB1_BOOTED		0x2badb002
#define MB2_BOOTED		0x36d76289

#define MB1_HAS_CMDLINE		(1u << 2)
#define MB1_HAS_FRAMEBUFFER	(1u << 12)
#define MB1_CMDLINE		16
#define MB1_FRAMEBUFFER_TYPE	109
#define FRAMEBUFFER_TEXT	2

#define MB2_TAG_END		0
#define MB2_TAG_CMDLINE		1
#define MB2_TAG_FRAMEBUFFER	8
#define MB2_TAG_RSDP_V1		14
#define MB2_TAG_RSDP_V2		15
#define MB2_FRAMEBUFFER_TYPE	29

#define PVH_MAGIC		0x336ec578
#define PVH_CMDLINE		24
#define PVH_RSDP		32

struct mb2_tag {
	uint32_t type, size;
};

struct boot boot;

static void set_cmdline(const char *s)
{
	size_t n = strlen(s);

	if (n >= sizeof(boot.cmdline))
		n = sizeof(boot.cmdline) - 1;
	memcpy(boot.cmdline, s, n);
}

static void parse_mb1(const uint8_t *info)
{
	uint32_t flags = *(const uint32_t *)info;

	if (flags & MB1_HAS_CMDLINE)
		set_cmdline((const char *)*(const uint32_t *)(info + MB1_CMDLINE));
	if (flags & MB1_HAS_FRAMEBUFFER)
		boot.text_screen = info[MB1_FRAMEBUFFER_TYPE] == FRAMEBUFFER_TEXT;
}

static void parse_mb2(const uint8_t *info)
{
	const uint8_t *end = info + *(const uint32_t *)info;
	const struct mb2_tag *tag;

	for (info += 8; info + sizeof(*tag) <= end; info += (tag->size + 7) & ~7u) {
		tag = (const struct mb2_tag *)info;
		if (tag->type == MB2_TAG_END || tag->size < sizeof(*tag))
			return;
		if (tag->type == MB2_TAG_CMDLINE)
			set_cmdline((const char *)(tag + 1));
		else if (tag->type == MB2_TAG_FRAMEBUFFER)
			boot.text_screen = info[MB2_FRAMEBUFFER_TYPE] == FRAMEBUFFER_TEXT;
		else if (tag->type == MB2_TAG_RSDP_V1 || tag->type == MB2_TAG_RSDP_V2)
			boot.rsdp = (uint32_t)(tag + 1);
	}
}

/* PVH's addresses have 64 bits; here they are below 4 GiB. */
static void parse_pvh(const uint8_t *info)
{
	const char *cmdline = (const char *)*(const uint32_t *)(info + PVH_CMDLINE);

	if (cmdline)
		set_cmdline(cmdline);
	boot.rsdp = *(const uint32_t *)(info + PVH_RSDP);
}

bool boot_parse(uint32_t magic, uint32_t info)
{
	boot.text_screen = true;	/* a loader that does not tell was started by a BIOS */
	if (magic == MB1_BOOTED)
		parse_mb1((const uint8_t *)info);
	else if (magic == MB2_BOOTED)
		parse_mb2((const uint8_t *)info);
	else if (magic == PVH_MAGIC && *(const uint32_t *)info == PVH_MAGIC)
		parse_pvh((const uint8_t *)info);
	else
		return false;
	return true;
}

/* Copy the word at @s without its quotes to @word; blanks within quotes belong to the word.  Return the text after it. */
static const char *next_word(const char *s, char *word)
{
	char quote = 0;

	while (*s == ' ')
		s++;
	for (; *s && (quote || *s != ' '); s++) {
		if (quote ? *s == quote : *s == '"' || *s == '\'')
			quote = quote ? 0 : *s;
		else
			*word++ = *s;
	}
	*word = '\0';
	return s;
}

const char *boot_option(const char *name)
{
	static char word[sizeof(boot.cmdline)];
	const char *s = boot.cmdline;
	size_t n = strlen(name);

	while (*s) {
		s = next_word(s, word);
		if (!strncmp(word, name, n) && word[n] == '=')
			return word + n + 1;
	}
	return NULL;
}
