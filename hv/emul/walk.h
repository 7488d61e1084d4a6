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

/* Translate a linear address through the guest's own tables, whoever may access the page.  False if it is not mapped. */
bool guest_translate(const struct vcpu_regs *r, uint64_t linear, uint64_t *gpa);

/*
 * The memory operands of one instruction.  Each page is translated and checked once, so that the check of the instruction and
 * its execution use the same translation.  Begin with { .regs = ... }.
 */
struct guest_operands {
	const struct vcpu_regs *regs;
	/* The last page that was read, and the last page that was written.  key: its linear address plus 1; 0: none. */
	struct guest_operand_page { uint64_t key, gpa; } page[2];
	bool fault;
	uint32_t error;			/* of #PF */
	uint64_t addr;			/* CR2 */
};

/*
 * Check an access to [@linear, @linear + @len), which may cross a page, as the processor checks a data access of the guest's
 * present privilege: present, U/S, R/W, CR0.WP, CR4.SMAP; and set the accessed and dirty bits of the pages (SDM vol. 3, 4.6 to
 * 4.8).  Protection keys are not looked at.  True with the address of the first byte in *@gpa; false with the fault in @o.
 */
bool guest_operand(struct guest_operands *o, uint64_t linear, unsigned len, bool write, uint64_t *gpa);

/* guest_operand() as the check() of an instruction's bus; @ctx is the struct guest_operands. */
int guest_operand_check(void *ctx, uint64_t linear, unsigned len, bool write);

/*
 * guest_translate() with the entry of each table on the way, from the top; the walk ended at the last one.  @ram false: that
 * entry was not read.
 */
struct guest_walk_step { uint64_t gpa, entry; bool ram; };
struct guest_walk {
	unsigned n;
	struct guest_walk_step step[5];
};
bool guest_walk(const struct vcpu_regs *r, uint64_t linear, uint64_t *gpa, struct guest_walk *w);

#endif
