/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest memory by linear address, through the guest's own page tables. */
#ifndef HV_WALK_H
#define HV_WALK_H

#include "hv/cpu/vcpu.h"

/*
 * Memory within one page that the guest's processor itself reads (or writes) at @gpa: page tables, instructions, descriptors,
 * operands of port instructions.  Unlike gmem_ptr() page 0 is there, and to read, what is reserved below 4 GiB: firmware's code
 * and ROM.  NULL for what is hidden, trapped, or not mapped in the host.
 */
void *guest_memory(uint64_t gpa, unsigned len, bool write);

/* Copy guest memory by linear address; bytes copied before a page was absent or had no guest_memory(). */
unsigned guest_read_linear(const struct vcpu_regs *r, uint64_t linear, void *buf, unsigned len);

/* The same from the current instruction on, by the code segment's base where the mode has one. */
unsigned guest_read_code(const struct vcpu_regs *r, void *buf, unsigned len);

/* Linear to guest-physical through the guest's own tables; false when absent. */
bool guest_translate(const struct vcpu_regs *r, uint64_t linear, uint64_t *gpa);

/* The same, and each table's entry on the way, from the top; the last one is where it ended. */
struct guest_walk_step { uint64_t gpa, entry; bool ram; };	/* @ram: not so, and there was nothing to read */
struct guest_walk {
	unsigned n;
	struct guest_walk_step step[5];
};
bool guest_walk(const struct vcpu_regs *r, uint64_t linear, uint64_t *gpa, struct guest_walk *w);

#endif
