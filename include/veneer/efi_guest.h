/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Between veneer.efi and Veneer when the firmware stays and becomes the guest: what veneer.efi hands over beside the multiboot2
 * information, and the calls by which it reaches the disks from inside the guest.
 */
#ifndef VENEER_EFI_GUEST_H
#define VENEER_EFI_GUEST_H

#include <veneer/types.h>

/* A private tag of the multiboot2 information: a struct efi_launch. */
#define EFI_LAUNCH_TAG		0x564e4546u
#define EFI_LAUNCH_VERSION	2

/* In veneer.efi and in veneer.elf: the installer refuses a pair in which the words differ. */
#define EFI_LAUNCH_WORD_(v)	"launch-version=" #v
#define EFI_LAUNCH_WORD(v)	EFI_LAUNCH_WORD_(v)
#define EFI_LAUNCH_MARK		EFI_LAUNCH_WORD(EFI_LAUNCH_VERSION)

/* As in the VMCB: descriptor bits 40-47 in attr 0-7, 52-55 in 8-11. */
struct efi_launch_seg {
	uint16_t selector, attr;
	uint32_t limit;
	uint64_t base;
};

/* The guest's first state: that of veneer.efi itself, behind its call of Veneer. */
struct efi_launch {
	uint32_t version, size;
	uint64_t pool, pool_size;	/* reserved memory, the image at its beginning: all that Veneer may take */
	uint64_t call;			/* the address of the only instruction whose hypercalls are answered */
	uint64_t rsp, rip;		/* the other registers that a call keeps are on the stack */
	uint64_t cr0, cr3, cr4, efer;
	uint64_t gdt_base, idt_base;
	uint16_t gdt_limit, idt_limit;
	struct efi_launch_seg seg[8];	/* ES, CS, SS, DS, FS, GS, LDTR, TR */
};

/*
 * CPU and CPUS come first: no other call is answered before the firmware has no processor of its own any more.
 *
 * Calls: RAX the function, RBX, RCX, RDX, RSI arguments; RAX is the result, negated errors as <veneer/err.h> has them.
 *   CPU    RBX the APIC id of another processor, RCX the address of a struct efi_launch, which that processor fills in before
 *          it goes to the 32-bit address that is the result: paging off, flat segments, EDI that address.  One at a time
 *   CPUS   all other processors have come: 0; -ERR_TIMEOUT if one is missing
 *   DISK   RBX disk, RCX address of a struct efi_disk, which is filled in; -ERR_NODEV behind the last
 *   BEGIN  RBX disk, bit 32: write; RCX first block, RDX blocks, RSI buffer; one transfer at a time, of EFI_CALL_MAX bytes
 *   POLL   -ERR_BUSY while the transfer runs, then once its result.  A write is then on stable media
 *   PATH   RCX address of EFI_PATH_MAX characters: of the loader, as configured; empty: the default
 *   POLICY 1 if the guest's boot entries are the machine's own, 0 if they are a copy
 *   END    boot services end: nothing but STOP is answered any more
 *   STOP   from any place in ring 0, at any time: the machine is about to be reset.  The other processors and the devices have
 *          stopped, what the disks held back is on stable media
 */
enum efi_call {
	EFI_CALL_CPU = 0x56450000, EFI_CALL_CPUS, EFI_CALL_DISK, EFI_CALL_BEGIN, EFI_CALL_POLL, EFI_CALL_PATH, EFI_CALL_POLICY,
	EFI_CALL_END, EFI_CALL_STOP
};

#define EFI_CALL_MAX		0x100000u
#define EFI_CALL_WRITE		(1ull << 32)
#define EFI_PATH_MAX		128u	/* with the 0 at its end */

struct efi_disk {
	uint64_t nblocks;
	uint32_t block_size;
	uint16_t bdf;
	uint8_t writable, start;	/* start: the guest may be started from it */
	char name[16], serial[48];
};

#endif
