/* SPDX-License-Identifier: BSD-2-Clause */
/* A kernel's function symbols (System V ABI, chapter 4, "Symbol Table"), copied and looked up; contract in symbols.h. */
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include "hv/exit/symbols.h"

#define SYM_NOTYPE	0u
#define SYM_FUNC	2u
#define SYM_TYPE	GENMASK(3, 0)
#define SECTION_EXEC	BIT(2)
#define NAME_MAX	63u
/* The greatest extent of a symbol without a size (from assembly). */
#define REACH		0x10000u

struct elf32_symbol {
	uint32_t name, value, size;
	uint8_t info, other;
	uint16_t section;
};

struct elf64_symbol {
	uint32_t name;
	uint8_t info, other;
	uint16_t section;
	uint64_t value, size;
};

struct symbol {
	uint64_t addr;
	uint32_t size, name;		/* the name's offset in names */
};

/* The tables in the kernel's file, valid while they are read. */
struct source {
	const struct guest_image *img;
	const struct kernel_layout *k;
	uint64_t symbols, nsymbols, strings, strings_size;
};

static struct symbol *table;
static uint32_t count;
static char *names;
static uint64_t moved, high;		/* the loader's delta; virtual less physical address of the kernel */

static bool in_file(const struct guest_image *img, uint64_t off, uint64_t len)
{
	return off <= img->size && len <= img->size - off;
}

/* Get section @i, widened; false if there is none or its content is not in the file. */
static bool get_section(const struct source *s, uint32_t i, struct elf64_section *w)
{
	const uint8_t *at = s->img->data + s->k->shoff + (uint64_t)i * s->k->shentsize;
	struct elf32_section n;

	if (i >= s->k->shnum)
		return false;
	if (s->k->elf64) {
		memcpy(w, at, sizeof(*w));
	} else {
		memcpy(&n, at, sizeof(n));
		*w = (struct elf64_section){ .type = n.type, .flags = n.flags, .offset = n.offset, .size = n.size,
					     .link = n.link };
	}
	return true;
}

static bool find_tables(struct source *s)
{
	uint32_t size = s->k->elf64 ? sizeof(struct elf64_symbol) : sizeof(struct elf32_symbol);
	struct elf64_section sym, str;

	for (uint32_t i = 0; get_section(s, i, &sym); i++) {
		if (sym.type != ELF_SYMTAB)
			continue;
		if (!in_file(s->img, sym.offset, sym.size) || !get_section(s, sym.link, &str) || str.type != ELF_STRTAB ||
		    !in_file(s->img, str.offset, str.size))
			return false;
		s->symbols = sym.offset;
		s->nsymbols = sym.size / size;
		s->strings = str.offset;
		s->strings_size = str.size;
		return true;
	}
	return false;
}

/* Get symbol @i, widened, and the length of its name; false if the symbol is no function. */
static bool get_function(const struct source *s, uint64_t i, struct elf64_symbol *w, size_t *len)
{
	const uint8_t *base = s->img->data + s->symbols;
	struct elf64_section in;
	struct elf32_symbol n;
	unsigned type;

	if (s->k->elf64) {
		memcpy(w, base + i * sizeof(*w), sizeof(*w));
	} else {
		memcpy(&n, base + i * sizeof(n), sizeof(n));
		*w = (struct elf64_symbol){ n.name, n.info, n.other, n.section, n.value, n.size };
	}
	type = w->info & SYM_TYPE;
	if (w->name >= s->strings_size || (type != SYM_FUNC && type != SYM_NOTYPE))
		return false;
	/* Labels of assembly have no type; in code they are as good as functions. */
	if (!get_section(s, w->section, &in) || !(in.flags & SECTION_EXEC))
		return false;
	*len = strnlen((const char *)s->img->data + s->strings + w->name,
		       MIN(s->strings_size - w->name, (uint64_t)NAME_MAX));
	return *len;
}

static void copy_functions(const struct source *s)
{
	uint32_t used = 0;
	struct elf64_symbol w;
	size_t len;

	count = 0;
	for (uint64_t i = 0; i < s->nsymbols; i++) {
		if (!get_function(s, i, &w, &len))
			continue;
		table[count++] = (struct symbol){ w.value, (uint32_t)MIN(w.size, 0xffffffffull), used };
		memcpy(names + used, s->img->data + s->strings + w.name, len);
		names[used + len] = 0;
		used += (uint32_t)len + 1;
	}
}

void symbols_keep(const struct guest_image *img, const struct kernel_layout *k, uint64_t delta)
{
	struct source s = { .img = img, .k = k };
	size_t functions = 0, text = 0, len, size;
	struct elf64_symbol w;

	mem_free(table);
	table = NULL;
	count = 0;
	moved = delta;
	high = k->nseg ? k->seg[0].vaddr - k->seg[0].paddr : 0;
	if (!find_tables(&s))
		return;
	for (uint64_t i = 0; i < s.nsymbols; i++) {
		if (!get_function(&s, i, &w, &len))
			continue;
		functions++;
		text += len + 1;
	}
	size = functions * sizeof(*table) + text;
	if (!functions)
		return;
	table = size <= SYMBOLS_MAX ? mem_alloc(size, 8) : NULL;
	if (!table) {
		log_info("guest: its %zu function names need %zu KiB: a crash report will have none", functions, size / 1024);
		return;
	}
	names = (char *)(table + functions);
	copy_functions(&s);
}

/* Find the last symbol that begins at or before @addr. */
static const struct symbol *nearest(uint64_t addr)
{
	const struct symbol *best = NULL;

	for (uint32_t i = 0; i < count; i++) {
		const struct symbol *t = &table[i];

		if (t->addr <= addr && (!best || t->addr > best->addr || (t->addr == best->addr && t->size > best->size)))
			best = t;
	}
	return best && addr - best->addr < (best->size ? best->size : REACH) ? best : NULL;
}

const char *symbols_find(uint64_t addr, uint32_t *offset)
{
	const struct symbol *s;

	addr -= moved;
	s = nearest(addr);
	if (!s) {
		addr += high;
		s = nearest(addr);
	}
	if (!s)
		return NULL;
	*offset = (uint32_t)(addr - s->addr);
	return names + s->name;
}
