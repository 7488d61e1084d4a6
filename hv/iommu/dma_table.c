/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Builds the IOMMUs' page tables, of either vendor's format.  What they map is decided in confine.c; cached translations are
 * the units' matter (vtd.c, amdvi.c).
 */
#include <veneer/err.h>
#include <veneer/io.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include "hv/iommu/dma_table.h"

#define ENTRIES		512u
#define ADDR		GENMASK64(51, 12)

/* VT-d 4.1, 9.8: a leaf above level 1 has bit 7. */
#define VTD_R		BIT64(0)
#define VTD_W		BIT64(1)
#define VTD_LARGE	BIT64(7)

static uint64_t vtd_leaf(uint64_t phys, unsigned level)
{
	return phys | VTD_R | VTD_W | (level > 1 ? VTD_LARGE : 0);
}

static uint64_t vtd_table(uint64_t phys, unsigned level)
{
	return phys | VTD_R | VTD_W;
}

static bool vtd_is_table(uint64_t e, unsigned level)
{
	return e && level > 1 && !(e & VTD_LARGE);
}

const struct dma_format dma_format_vtd = { vtd_leaf, vtd_table, vtd_is_table };

/* AMD 3.08, 2.2.3: the level of the table that an entry points to, 0 for a leaf of its level's own size. */
#define AMD_PR		BIT64(0)
#define AMD_NEXT	GENMASK64(11, 9)
#define AMD_FC		BIT64(60)		/* snoop, whatever the device says */
#define AMD_IR		BIT64(61)
#define AMD_IW		BIT64(62)

static uint64_t amd_leaf(uint64_t phys, unsigned level)
{
	return phys | AMD_PR | AMD_FC | AMD_IR | AMD_IW;
}

static uint64_t amd_table(uint64_t phys, unsigned level)
{
	return phys | AMD_PR | AMD_IR | AMD_IW | FIELD_PREP(AMD_NEXT, level - 1);
}

static bool amd_is_table(uint64_t e, unsigned level)
{
	return e & AMD_NEXT;
}

const struct dma_format dma_format_amdvi = { amd_leaf, amd_table, amd_is_table };

void *dma_arena_take(struct dma_arena *a, unsigned n)
{
	if (n > a->pages - a->used)
		return NULL;
	a->used += n;
	return a->base + (uint64_t)(a->used - n) * PAGE_SIZE;
}

static unsigned level_shift(unsigned level)
{
	return 12 + 9 * (level - 1);
}

static uint64_t level_size(unsigned level)
{
	return 1ull << level_shift(level);
}

static uint64_t *table_of(uint64_t e)
{
	return (uint64_t *)(uintptr_t)(e & ADDR);
}

int dma_table_init(struct dma_table *t, const struct dma_format *format, struct dma_arena *arena, unsigned largest)
{
	*t = (struct dma_table){ format, arena, dma_arena_take(arena, 1), largest };
	return t->root ? 0 : -ERR_NOMEM;
}

/* Put a table below the entry @e of @level: it maps what the leaf there mapped, or nothing. */
static uint64_t *split(struct dma_table *t, uint64_t *e, unsigned level)
{
	uint64_t *table = dma_arena_take(t->arena, 1), step = level_size(level - 1);

	if (!table)
		return NULL;
	for (unsigned i = 0; *e && i < ENTRIES; i++)
		table[i] = t->format->leaf((*e & ADDR) + i * step, level - 1);
	dma_wmb();
	*(volatile uint64_t *)e = t->format->table(mem_phys(table), level);
	return table;
}

/* Set one leaf at @addr, as large as alignment and @left allow.  The size that is done; 0 if there is no page for a table. */
static uint64_t set_one(struct dma_table *t, uint64_t addr, uint64_t left, bool map)
{
	uint64_t *table = t->root;

	for (unsigned level = DMA_LEVELS; table; level--) {
		uint64_t *e = &table[addr >> level_shift(level) & (ENTRIES - 1)], size = level_size(level);
		bool is_table = t->format->is_table(*e, level);

		if (level <= t->largest && !is_table && IS_ALIGNED(addr, size) && left >= size) {
			*(volatile uint64_t *)e = map ? t->format->leaf(addr, level) : 0;
			return size;
		}
		if (!map && !*e)
			return MIN(size - (addr & (size - 1)), left);
		table = is_table ? table_of(*e) : split(t, e, level);
	}
	return 0;
}

int dma_table_set(struct dma_table *t, uint64_t base, uint64_t size, bool map)
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

uint64_t dma_table_root(const struct dma_table *t, unsigned levels)
{
	return levels == DMA_LEVELS ? mem_phys(t->root) : t->root[0] & ADDR;
}

/* Whether an earlier edge lies in the same block of @level as edge @i, both inside of the block. */
static bool seen(const uint64_t *edge, unsigned i, unsigned level)
{
	for (unsigned k = 0; k < i; k++)
		if (edge[k] >> level_shift(level) == edge[i] >> level_shift(level) && !IS_ALIGNED(edge[k], level_size(level)))
			return true;
	return false;
}

uint64_t dma_table_pages(const uint64_t *edge, unsigned n, uint64_t top, unsigned largest)
{
	uint64_t sum = 1;

	/* A table for each block of @level: below a level that has no leaves everywhere, else only around edges. */
	for (unsigned level = DMA_LEVELS; level > 1; level--) {
		if (level > largest) {
			sum += DIV_ROUND_UP(top, level_size(level));
			continue;
		}
		for (unsigned i = 0; i < n; i++)
			sum += !IS_ALIGNED(edge[i], level_size(level)) && !seen(edge, i, level);
	}
	return sum;
}
