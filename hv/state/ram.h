/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest's RAM in a snapshot (docs/state-format.md): page 0 and all of gmem, without the pages that hold zeros. */
#ifndef HV_STATE_RAM_H
#define HV_STATE_RAM_H

#include "hv/state/lz4.h"
#include "hv/state/store.h"

/* In front of each page. */
struct ram_page {
	uint64_t gpa;			/* RAM_END: no page follows */
	uint16_t bytes;			/* up to the end of the page, or of the range */
	uint16_t stored;		/* equal to @bytes: as they are; less: compressed */
	uint32_t zero;
};

#define RAM_END		UINT64_MAX

/* Scratch memory. */
struct ram_scratch {
	uint16_t table[LZ4_TABLE];
	uint8_t packed[PAGE_SIZE], page[PAGE_SIZE];
};

/* Write all pages.  0 or the store's error.  @pages: those that are not zero. */
int ram_save(struct store *s, struct ram_scratch *w, uint64_t *pages);

/*
 * Read what ram_save() wrote.  Without @load: only look whether all of it is there and is this machine's.  With @load: into the
 * guest's RAM.  0; -ERR_INVAL: it is not; or the store's error.
 */
int ram_load(struct store *s, struct ram_scratch *w, bool load);

#endif
