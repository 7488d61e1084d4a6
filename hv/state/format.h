/* SPDX-License-Identifier: BSD-2-Clause */
/* The layout of a saved state (docs/state-format.md).  All numbers are little-endian. */
#ifndef HV_STATE_FORMAT_H
#define HV_STATE_FORMAT_H

#include <veneer/types.h>

#define STATE_MAGIC	0x74535265656e6556ull	/* "VeneeRSt" */
#define STATE_VERSION	1u
#define STATE_X86_64	1u
#define STATE_ALIGN	16u			/* of each section's header and of the end */

struct state_header {
	uint64_t magic;
	uint32_t version;
	uint32_t arch;
	uint64_t length;		/* of all, in bytes */
	uint32_t sections;
	uint32_t crc;			/* CRC-32 of all, with 0 in this field */
};

struct state_section {
	char name[16];			/* ended and filled up with zeros */
	uint16_t version;
	uint16_t flags;
	uint32_t reserved;		/* 0 */
	uint64_t length;		/* of the data behind this header, without the zeros that fill up to STATE_ALIGN */
};

/* A machine that does not know this section must refuse the state.  Others may skip the section. */
#define STATE_NEEDED	BIT(0)

_Static_assert(sizeof(struct state_header) % STATE_ALIGN == 0 && sizeof(struct state_section) % STATE_ALIGN == 0,
	       "sections are aligned");

#endif
