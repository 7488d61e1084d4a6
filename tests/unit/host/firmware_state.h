/* SPDX-License-Identifier: BSD-2-Clause */
/* For the tests of VM entries: the state in which OVMF starts a program, as veneer.efi hands it over. */
#ifndef FIRMWARE_STATE_H
#define FIRMWARE_STATE_H

#include "efi/parts.h"
#include "hv/efi/efi.h"

static inline void firmware_state(struct vcpu_regs *r)
{
	/* The descriptors' accessed bits are clear, as in a table in ROM. */
	static const uint64_t gdt[] = {
		0, 0x00cf92000000ffff, 0x00cf9a000000ffff, 0x00cf92000000ffff, 0x00cf9a000000ffff, 0, 0x00cf92000000ffff,
		0x00af9a000000ffff,
	};
	/* ES, CS, SS, DS, FS, GS; GS has a null selector. */
	static const uint16_t selector[6] = { 0x30, 0x38, 0x30, 0x30, 0x30, 0 };
	struct efi_launch l = {
		.version = EFI_LAUNCH_VERSION, .size = sizeof(l), .rsp = 0x1fe9b000, .rip = 0x1e8d1000, .cr0 = 0x80010033,
		.cr3 = 0x1fc01000, .cr4 = 0x668, .efer = 0xd00, .gdt_base = 0x1f9ee698, .gdt_limit = sizeof(gdt) - 1,
		.idt_base = 0x1f5e6018, .idt_limit = 0xfff,
		.seg[6] = { .attr = 0x82, .limit = 0xffff }, .seg[7] = { .attr = 0x8b, .limit = 0xffff },
	};

	for (unsigned i = 0; i < 6; i++)
		segment_state(&l.seg[i], selector[i], gdt, sizeof(gdt) - 1);
	efi_first_state(&l, r);
}

#endif
