/* SPDX-License-Identifier: BSD-2-Clause */
/* Four-level page tables of any vendor's format: long mode's, nested paging's, EPT's (APM vol. 2, 5.3 and 15.25). */
#include <veneer/err.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include "hv/mem/ptree.h"

#define PT_ADDR		GENMASK64(51, 12)
#define PT_LARGE	BIT64(7)
#define PT_PRESENT	7ull

#define X86_P		BIT64(0)
#define X86_W		BIT64(1)
#define X86_U		BIT64(2)
#define X86_PWT		BIT64(3)
#define X86_PCD		BIT64(4)
#define X86_A		BIT64(5)
#define X86_D		BIT64(6)
#define X86_NX		BIT64(63)

static uint64_t x86_leaf(unsigned map)
{
	uint64_t e = X86_P | X86_A | X86_D;

	if (map & MAP_W)
		e |= X86_W;
	if (!(map & MAP_X))
		e |= X86_NX;
	if (map & MAP_UC)
		e |= X86_PCD | X86_PWT;
	return e;
}

const struct pt_format pt_format_x86 = { X86_P | X86_W | X86_A, x86_leaf };

static uint64_t level_size(unsigned level)
{
	return 1ull << (12 + 9 * (level - 1));
}

static unsigned level_index(uint64_t addr, unsigned level)
{
	return (addr >> (12 + 9 * (level - 1))) & 511;
}

static uint64_t *new_table(struct pt_tree *t)
{
	uint64_t *p = mem_alloc(PAGE_SIZE, PAGE_SIZE);

	if (p)
		t->tables++;
	return p;
}

int pt_tree_init(struct pt_tree *t, const struct pt_format *format, bool pages_1g)
{
	t->format = format;
	t->max_level = pages_1g ? 3 : 2;
	t->tables = 0;
	t->root = new_table(t);
	return t->root ? 0 : -ERR_NOMEM;
}

static bool is_table(uint64_t e, unsigned level)
{
	return (e & PT_PRESENT) && level > 1 && !(e & PT_LARGE);
}

/* Replace a large leaf (or an absent entry) by a table that maps the same with smaller pages. */
static uint64_t *split(struct pt_tree *t, uint64_t *entry, unsigned level)
{
	uint64_t e = *entry, *table = new_table(t);

	if (!table)
		return NULL;
	if (e & PT_PRESENT) {
		uint64_t step = level_size(level - 1), bits = e & ~(PT_ADDR | PT_LARGE);

		if (level - 1 > 1)
			bits |= PT_LARGE;
		for (unsigned i = 0; i < 512; i++)
			table[i] = ((e & PT_ADDR) + i * step) | bits;
	}
	*entry = mem_phys(table) | t->format->table;
	return table;
}

/* Set one leaf at @addr, as large as alignment and @left allow.  Return its size, 0 if out of memory. */
static uint64_t set_one(struct pt_tree *t, uint64_t addr, uint64_t left, unsigned map)
{
	uint64_t *table = t->root;

	for (unsigned level = 4; ; level--) {
		uint64_t *entry = &table[level_index(addr, level)], size = level_size(level);
		bool fits = IS_ALIGNED(addr, size) && left >= size;

		if (level == 1 || (level <= t->max_level && fits && !is_table(*entry, level))) {
			*entry = map ? addr | t->format->leaf(map) | (level > 1 ? PT_LARGE : 0) : 0;
			return size;
		}
		if (!is_table(*entry, level)) {
			if (!map && !(*entry & PT_PRESENT) && level <= 3)
				return MIN(size - (addr & (size - 1)), left);
			table = split(t, entry, level);
			if (!table)
				return 0;
		} else {
			table = (uint64_t *)(uintptr_t)(*entry & PT_ADDR);
		}
	}
}

int pt_set(struct pt_tree *t, uint64_t base, uint64_t size, unsigned map)
{
	while (size) {
		uint64_t done = set_one(t, base, size, map);

		if (!done)
			return -ERR_NOMEM;
		base += done;
		size -= done;
	}
	return 0;
}

uint64_t pt_next(const struct pt_tree *t, uint64_t *addr, uint64_t *size)
{
	uint64_t a = *addr;

	while (a < level_size(5)) {
		const uint64_t *table = t->root;
		unsigned level = 4;
		uint64_t e;

		while (is_table(e = table[level_index(a, level)], level)) {
			table = (const uint64_t *)(uintptr_t)(e & PT_ADDR);
			level--;
		}
		a = ALIGN_DOWN(a, level_size(level));
		if (e & PT_PRESENT) {
			*addr = a;
			*size = level_size(level);
			return e;
		}
		a += level_size(level);
	}
	return 0;
}

/* NULL if an entry above is absent. */
static uint64_t *find_leaf(const struct pt_tree *t, uint64_t addr)
{
	uint64_t *table = t->root;

	for (unsigned level = 4; level; level--) {
		uint64_t *e = &table[level_index(addr, level)];

		if (!(*e & PT_PRESENT))
			return NULL;
		if (!is_table(*e, level))
			return e;
		table = (uint64_t *)(uintptr_t)(*e & PT_ADDR);
	}
	return NULL;
}

uint64_t pt_get(const struct pt_tree *t, uint64_t addr)
{
	const uint64_t *e = find_leaf(t, addr);

	return e ? *e : 0;
}

int pt_redirect(struct pt_tree *t, uint64_t addr, uint64_t phys, unsigned map)
{
	int err = pt_set(t, addr, PAGE_SIZE, map);

	if (!err)
		*find_leaf(t, addr) = phys | t->format->leaf(map);
	return err;
}

/* Return the entry of 2 MiB that covers @addr; allocate missing tables above it.  NULL if out of memory. */
static uint64_t *block_entry(struct pt_tree *t, uint64_t addr)
{
	uint64_t *table = t->root;

	for (unsigned level = 4; level > 2; level--) {
		uint64_t *e = &table[level_index(addr, level)];

		table = is_table(*e, level) ? (uint64_t *)(uintptr_t)(*e & PT_ADDR) : split(t, e, level);
		if (!table)
			return NULL;
	}
	return &table[level_index(addr, 2)];
}

int pt_share(struct pt_tree *t, uint64_t addr, const uint64_t *table)
{
	uint64_t *e = block_entry(t, addr);

	if (!e)
		return -ERR_NOMEM;
	*e = mem_phys(table) | t->format->table;
	return 0;
}

int pt_unshare(struct pt_tree *t, uint64_t addr, const uint64_t *table)
{
	uint64_t *e = block_entry(t, addr), *own;

	if (!e)
		return -ERR_NOMEM;
	if (!is_table(*e, 2) || (*e & PT_ADDR) != mem_phys(table))
		return 0;
	own = new_table(t);
	if (!own)
		return -ERR_NOMEM;
	memcpy(own, table, PAGE_SIZE);
	*e = mem_phys(own) | t->format->table;
	return 0;
}
