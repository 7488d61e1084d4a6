/* SPDX-License-Identifier: BSD-2-Clause */
/* hv's own view of memory: heap, host page tables, nested page tables, the map of guest RAM. */
#ifndef HV_MEM_INTERNAL_H
#define HV_MEM_INTERNAL_H

#include <veneer/types.h>
#include "hv/boot/bootinfo.h"

extern char veneer_start[], veneer_rodata[], veneer_relro[], veneer_data[], veneer_heap[], veneer_end[];

void heap_init(void *base, size_t size);
uint64_t heap_in_use(void);

/* --- trees of page tables, host's and nested alike --- */

/* What a mapping allows. */
#define MAP_R	BIT(0)
#define MAP_W	BIT(1)
#define MAP_X	BIT(2)
#define MAP_UC	BIT(3)
#define MAP_TYPE	GENMASK(6, 4)	/* enum cache_type; of formats with typed entries */

/* As MTRRs and EPT number them (SDM vol. 3, 12.11). */
enum cache_type { CACHE_UC = 0, CACHE_WC = 1, CACHE_WT = 4, CACHE_WP = 5, CACHE_WB = 6 };

/* How a vendor encodes it.  Bit 7 marks a large leaf and bits 0-2 all zero an absent entry in every format known. */
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

/* Both 4 KiB aligned; all of [base, base + size), with the largest pages that fit; map 0 unmaps.  0 or -ERR_NOMEM. */
int pt_set(struct pt_tree *t, uint64_t base, uint64_t size, unsigned map);
/* The leaf entry that covers @addr, 0 when absent. */
uint64_t pt_get(const struct pt_tree *t, uint64_t addr);
/* The first leaf that ends behind *@addr: its entry, with *@addr and *@size made its own.  0 when there is none. */
uint64_t pt_next(const struct pt_tree *t, uint64_t *addr, uint64_t *size);
/* The one page at @addr shows @phys instead of itself; @map as above.  0 or -ERR_NOMEM. */
int pt_redirect(struct pt_tree *t, uint64_t addr, uint64_t phys, unsigned map);
int pt_tree_init(struct pt_tree *t, const struct pt_format *format, bool pages_1g);

extern const struct pt_format pt_format_x86;

/* --- host --- */

/* Build and load the W^X tables: all of [0, top), Veneer's image by section, page 0 absent. */
int paging_init(const struct boot_info *b);
uint64_t host_root(void);

/*
 * The first page of physical memory, which is absent at address 0: where real mode has its vectors and a BIOS its data, and
 * boot loaders some buffers.  NULL when there is no memory for tables.
 */
uint8_t *paging_first_page(void);

/* --- nested paging --- */

/* Everything identity-mapped but Veneer's own range.  @format and the use of 1 GiB pages from the vendor. */
int nested_init(const struct boot_info *b, const struct pt_format *format, bool pages_1g);
uint64_t nested_root(void);

/*
 * Take [gpa, gpa + size) away from the guest, or give it back; make it read-only, or writable again.  No processor runs the
 * guest meanwhile, and each flushes before it does again (hv/cpu/smp.h).  0 or -ERR_NOMEM.
 */
int nested_hide(uint64_t gpa, uint64_t size);
int nested_show(uint64_t gpa, uint64_t size);
int nested_readonly(uint64_t gpa, uint64_t size);
int nested_writable(uint64_t gpa, uint64_t size);
bool nested_is_hidden(uint64_t gpa);

/* Map what lies beyond the RAM on first use; hidden ranges in the same block stay hidden.  0, or -ERR_NOMEM. */
int nested_map_on_demand(uint64_t gpa);

/* The memory types have changed: all that is mapped gets its new one, in smaller pages where it has to be. */
void nested_retype(void);

/* --- memory type range registers: a copy that is the guest's (mtrr.c) --- */

#define MSR_MTRR_PHYS_FIRST	0x200u		/* base and mask in turn */
#define MSR_MTRR_PHYS_LAST	0x21fu
#define MSR_MTRR_FIX64K		0x250u
#define MSR_MTRR_FIX16K		0x258u		/* 2 of them */
#define MSR_MTRR_FIX4K		0x268u		/* 8 */
#define MSR_MTRR_DEF_TYPE	0x2ffu

/* Start with what firmware set up. */
void mtrr_init(void);
/* The type at @gpa, and in *@end how far it reaches at least. */
unsigned mtrr_type(uint64_t gpa, uint64_t *end);
/* The guest's accesses; false is #GP. */
bool mtrr_read(uint32_t msr, uint64_t *value);
bool mtrr_write(uint32_t msr, uint64_t value);

/* --- guest RAM --- */

void gmem_init(const struct boot_info *b);
uint64_t gmem_top(void);		/* end of the highest RAM range */
uint64_t phys_limit(void);		/* 1 << physical address bits, 48 at most */

#endif
