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
 * Whole pages of the image: not there any more; or plain memory, after that.  All of the image again as it was at the start.
 * Who takes something away flushes afterwards, every processor's TLB.  0 or -ERR_NOMEM.
 */
int paging_unmap(uint64_t base, uint64_t size);
int paging_map_plain(uint64_t base, uint64_t size);
int paging_map_image(void);
bool paging_is_mapped(uint64_t addr);

/*
 * The first page of physical memory, which is absent at address 0: where real mode has its vectors and a BIOS its data, and
 * boot loaders some buffers.
 */
uint8_t *paging_first_page(void);

#endif
