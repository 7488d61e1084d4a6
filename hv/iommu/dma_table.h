/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Page tables of IOMMUs: VT-d's second-level tables (VT-d 4.1, 3.7 and 9.8) and AMD's host page tables (AMD I/O Virtualization
 * 3.08, 2.2.3).  What is mapped is mapped to itself, readable and writable.  Start only.
 */
#ifndef HV_DMA_TABLE_H
#define HV_DMA_TABLE_H

#include <veneer/types.h>

#define DMA_LEVELS	4u			/* of the tables as they are built: 256 TiB */

/* Pages side by side, zeroed, from which all tables of the units come: concealed devices must not reach them. */
struct dma_arena {
	uint8_t *base;
	unsigned used, pages;
};

/* The next @n pages, side by side; NULL if the arena has fewer left. */
void *dma_arena_take(struct dma_arena *a, unsigned n);

/* A vendor's entries; 0 is absent in both. */
struct dma_format {
	uint64_t (*leaf)(uint64_t phys, unsigned level);
	uint64_t (*table)(uint64_t phys, unsigned level);	/* @level of the entry, one more than the table's */
	bool (*is_table)(uint64_t entry, unsigned level);
};
extern const struct dma_format dma_format_vtd, dma_format_amdvi;

struct dma_table {
	const struct dma_format *format;
	struct dma_arena *arena;
	uint64_t *root;				/* DMA_LEVELS levels */
	unsigned largest;			/* the highest level of a leaf: 1 for 4 KiB, 2 for 2 MiB, 3 for 1 GiB */
};

/* 0 or -ERR_NOMEM. */
int dma_table_init(struct dma_table *t, const struct dma_format *format, struct dma_arena *arena, unsigned largest);

/*
 * Map (or unmap) [@base, @base + @size), both 4 KiB aligned, with the largest pages that fit.  A unit may walk the table
 * meanwhile: an entry changes by a single store, and a new table is complete before an entry points to it.  The caller flushes
 * what the units have cached.  0; -ERR_NOMEM if the arena is empty: a part of the range has changed.
 */
int dma_table_set(struct dma_table *t, uint64_t base, uint64_t size, bool map);

/* The root of a walk of @levels levels, 3 or 4; with 3 only what lies below 512 GiB is reached. */
uint64_t dma_table_root(const struct dma_table *t, unsigned levels);

/*
 * The pages that a table of [0, @top) takes, if its mapping changes at the @n addresses @edge (any order, any may come again):
 * exact, but for tables of which everything is absent, which are counted, too.
 */
uint64_t dma_table_pages(const uint64_t *edge, unsigned n, uint64_t top, unsigned largest);

#endif
