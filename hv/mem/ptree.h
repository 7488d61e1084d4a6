/* SPDX-License-Identifier: BSD-2-Clause */
/* Trees of page tables, the host's and nested ones alike. */
#ifndef HV_PTREE_H
#define HV_PTREE_H

#include <veneer/types.h>

/* What a mapping allows. */
#define MAP_R	BIT(0)
#define MAP_W	BIT(1)
#define MAP_X	BIT(2)
#define MAP_UC	BIT(3)
#define MAP_TYPE	GENMASK(6, 4)	/* enum cache_type; for formats with typed entries */

/* As MTRRs and EPT number them (SDM vol. 3, 12.11). */
enum cache_type { CACHE_UC = 0, CACHE_WC = 1, CACHE_WT = 4, CACHE_WP = 5, CACHE_WB = 6 };

/* A vendor's encoding.  In every known format bit 7 marks a large leaf, and bits 0-2 all zero an absent entry. */
struct pt_format {
	uint64_t table;				/* bits of an entry that points to a table */
	uint64_t (*leaf)(unsigned map);		/* bits of a leaf, less the large bit */
	bool typed;				/* its leaves hold a memory type, and MAP_R, _W, _X as they are */
};

struct pt_tree {
	const struct pt_format *format;
	uint64_t *root;				/* 4 levels */
	unsigned max_level;			/* of a leaf: 2 for 2 MiB, 3 for 1 GiB */
	unsigned tables;			/* pages in use */
};

/* Map [base, base + size), both 4 KiB aligned, with the largest pages that fit; map 0 unmaps.  0 or -ERR_NOMEM. */
int pt_set(struct pt_tree *t, uint64_t base, uint64_t size, unsigned map);
/* Return the leaf entry that covers @addr, 0 if absent. */
uint64_t pt_get(const struct pt_tree *t, uint64_t addr);
/* Find the first leaf that ends behind *@addr: return its entry, and its place in *@addr and *@size.  0 if there is none. */
uint64_t pt_next(const struct pt_tree *t, uint64_t *addr, uint64_t *size);
/* Map the one page at @addr to @phys instead of itself; @map as above.  0 or -ERR_NOMEM. */
int pt_redirect(struct pt_tree *t, uint64_t addr, uint64_t phys, unsigned map);
/*
 * pt_share(): map the 2 MiB at @addr (aligned) by the 512 entries of @table, which other blocks may share.  Call pt_unshare()
 * before setting a page in such a block: it gives the block a copy of the table.  In a block that does not share @table,
 * pt_unshare() does nothing.  Both: 0 or -ERR_NOMEM.
 */
int pt_share(struct pt_tree *t, uint64_t addr, const uint64_t *table);
int pt_unshare(struct pt_tree *t, uint64_t addr, const uint64_t *table);
int pt_tree_init(struct pt_tree *t, const struct pt_format *format, bool pages_1g);

extern const struct pt_format pt_format_x86;

#endif
