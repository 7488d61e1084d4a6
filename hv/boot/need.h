/* SPDX-License-Identifier: BSD-2-Clause */
/* What Veneer's own parts take of the heap, in bytes; bounds, met within a fifth. */
#ifndef HV_BOOT_NEED_H
#define HV_BOOT_NEED_H

#include <veneer/types.h>

struct boot_info;

#define NEED_BASE		(160u << 10)	/* bitmaps, stacks, copies, page tables of a small machine */
#define NEED_CPU		(32u << 10)	/* each processor but the first: ap.c, and the vendor's structures */
#define NEED_LOADER		(96u << 10)	/* what the guest's loader builds, less what follows */
#define NEED_TABLES		(256u << 10)	/* page tables that the running guest makes necessary */
#define NEED_GIB		8192u		/* page tables for each GiB without 1 GiB pages, Veneer's and nested */

/* For what comes after the devices' start: @ncpus processors, the loader, the guest's life. */
uint64_t need_later(const struct boot_info *b, unsigned ncpus);

#endif
