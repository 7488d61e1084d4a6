/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest memory by linear address, through the guest's own page tables. */
#ifndef HV_WALK_H
#define HV_WALK_H

#include "hv/cpu/vcpu.h"

/*
 * Access memory within one page at @gpa as the guest's processor does: page tables, instructions, descriptors, operands of port
 * instructions.  Unlike gmem_ptr() this includes page 0 and, for reads, reserved memory below 4 GiB (firmware, ROM).  NULL if
 * the memory is hidden, trapped, or not mapped in Veneer.
 */
void *guest_memory(uint64_t gpa, unsigned len, bool write);

/*
 * Copy guest memory by linear address.  Returns the bytes copied; fewer than asked if a page is absent or has no
 * guest_memory().
 */
unsigned guest_read_linear(const struct vcpu_regs *r, uint64_t linear, void *buf, unsigned len);

/* The same from RIP on, with the base of CS in the modes that use it. */
unsigned guest_read_code(const struct vcpu_regs *r, void *buf, unsigned len);

/* Translate a linear to a guest-physical address through the guest's own tables; false if not mapped. */
bool guest_translate(const struct vcpu_regs *r, uint64_t linear, uint64_t *gpa);

/*
 * The same, with the entry of each table on the way, from the top; the walk ended at the last one.  @ram false: that entry was
 * not read.
 */
struct guest_walk_step { uint64_t gpa, entry; bool ram; };
struct guest_walk {
	unsigned n;
	struct guest_walk_step step[5];
};
bool guest_walk(const struct vcpu_regs *r, uint64_t linear, uint64_t *gpa, struct guest_walk *w);

#endif
