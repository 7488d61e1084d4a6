/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/cpu/entry.S: host exception, NMI and interrupt entries. */
#ifndef HV_ENTRY_H
#define HV_ENTRY_H

#define TRAP_STUB_SIZE		16

#define DEBUG_EXIT_CRASH	120	/* the guest died */
#define DEBUG_EXIT_PANIC	121	/* Veneer did */

#ifndef __ASSEMBLER__

#include <veneer/types.h>

extern char veneer_start[];
extern const char trap_stubs[], nmi_entry[], sx_entry[];

struct trap_frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
	uint64_t vector, error, rip, cs, rflags, rsp, ss;
};

void host_exception(const struct trap_frame *f);

#endif
#endif
