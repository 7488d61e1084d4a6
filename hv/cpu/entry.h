/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/cpu/entry.S: host exception, NMI and interrupt entries. */
#ifndef HV_ENTRY_H
#define HV_ENTRY_H

#define TRAP_STUB_SIZE		8

#ifndef __ASSEMBLER__

#include <veneer/types.h>

extern char veneer_start[];
extern const char trap_stubs[], nmi_entry[], sx_entry[];

struct trap_frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
	uint64_t vector, error, rip, cs, rflags, rsp, ss;
};

/* Fill the table of handlers of Veneer's own exceptions, one for all processors. */
void idt_init(void);

/* Let one pending physical interrupt in and return its vector, or -1 if none was pending. */
int intr_acknowledge(void);

/* Sleep in the host until an NMI comes, unless *@wake is set. */
void host_sleep(const volatile uint32_t *wake);

void host_exception(const struct trap_frame *f);

#endif
#endif
