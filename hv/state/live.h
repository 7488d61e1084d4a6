/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest's registers that are live in the host: those of vectors, which Veneer's own code never uses, and DR0 to DR3. */
#ifndef HV_STATE_LIVE_H
#define HV_STATE_LIVE_H

#include <veneer/types.h>

/* The area that XSAVE writes in its standard form (SDM vol. 1, 13.4); without XSAVE, FXSAVE's 512 bytes. */
#define VECTOR_ALIGN		64u
#define VECTOR_LEGACY		512u
#define VECTOR_HEADER		64u
#define  VECTOR_XCOMP		8u		/* in the header: XCOMP_BV, and all zeros behind */
#define VECTOR_MXCSR		24u		/* in the area */
#define VECTOR_MXCSR_MASK	28u

struct vector_facts {
	uint32_t size;			/* of the area */
	uint32_t mxcsr;			/* bits of MXCSR that may be 1 */
	bool xsave;
};

/* What this machine's processors have.  @area: NULL, or room for the size of the first call, aligned to VECTOR_ALIGN. */
void vector_facts(struct vector_facts *out, void *area);

/*
 * Save and load the calling processor's registers, all that it has, whatever the guest has enabled; and XCR0.  The area to load
 * must have passed the checks of hv/exit/cpu_state.c, or the processor raises #GP.
 */
uint64_t vector_save(const struct vector_facts *f, void *area);
void vector_load(const struct vector_facts *f, const void *area, uint64_t xcr0);

/* The addresses of breakpoints; an exit has switched all breakpoints off in DR7. */
void live_dr_get(uint64_t dr[4]);
void live_dr_set(const uint64_t dr[4]);

#endif
