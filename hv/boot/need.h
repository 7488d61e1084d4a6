/* SPDX-License-Identifier: BSD-2-Clause */
/* Upper bounds in bytes of the heap that Veneer's own parts use; the real use is within a fifth. */
#ifndef HV_BOOT_NEED_H
#define HV_BOOT_NEED_H

#include <veneer/types.h>

struct boot_info;

#define NEED_IMAGE		(896u << 10)	/* text, data and tables of fixed size: veneer.lds checks it */
#define NEED_BASE		(160u << 10)	/* bitmaps, stacks, copies, page tables of a small machine */
#define NEED_CPU		(32u << 10)	/* each processor but the first: ap.c, and the vendor's structures */
#define NEED_LOADER		(96u << 10)	/* what the guest's loader builds, less what follows */
#define NEED_TABLES		(256u << 10)	/* page tables that the running guest makes necessary */
#define NEED_GIB		8192u		/* page tables for each GiB without 1 GiB pages, Veneer's and nested */
#define NEED_IOMMU		(256u << 10)	/* tables of VT-d with pages of 2 MiB, for veneer-hwcheck: the start counts */

/* The parts of Veneer's memory, in bytes; the guest sees none of it.  conceal/ computes @devices; @later: need_later(). */
struct need {
	uint64_t tables, devices, iommu, later;
};
uint64_t need_sum(const struct need *n);

/* One line: the sum and its parts. */
void need_say(const struct need *n, const char *prefix);

/* Return the bytes that are needed after the devices' start: for @ncpus processors, the loader, and the running guest. */
uint64_t need_later(const struct boot_info *b, unsigned ncpus);

#endif
