/* SPDX-License-Identifier: BSD-2-Clause */
/* Veneer's own page tables. */
#ifndef HV_PAGING_H
#define HV_PAGING_H

#include <veneer/types.h>

struct boot_info;

/* Where the linker script has put the parts of the image. */
extern char veneer_start[], veneer_rodata[], veneer_relro[], veneer_data[], veneer_heap[], veneer_end[];

/* Build and load the W^X tables: all of [0, top), Veneer's image by section, page 0 absent. */
int paging_init(const struct boot_info *b);
uint64_t host_root(void);

/*
 * Unmap whole pages of the image; map unmapped pages as plain memory; map all of the image again as it was at the start.
 * After an unmap the caller flushes every processor's TLB.  0 or -ERR_NOMEM.
 */
int paging_unmap(uint64_t base, uint64_t size);
int paging_map_plain(uint64_t base, uint64_t size);
int paging_map_image(void);
bool paging_is_mapped(uint64_t addr);

/*
 * Return a mapping of the first page of physical memory, which is absent at address 0.  The page holds the vectors of real
 * mode, the BIOS's data and some boot loaders' buffers.
 */
uint8_t *paging_first_page(void);

#endif
