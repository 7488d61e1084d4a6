/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest that begins in real mode on the machine's own BIOS: a boot sector, or a kernel whose entry is 16-bit code.
 *
 * The BIOS stays as it is, but for what would show or touch what is not the guest's: INT 13h is answered for hard disks from
 * the virtual disks, INT 15h's memory sizes come without Veneer's range, INT 19h starts the boot disk.  A stub in
 * conventional memory (bios_stub.S) has these vectors and asks Veneer by VMMCALL or VMCALL; Veneer knows the call by its
 * address.
 */
#ifndef HV_BIOS_H
#define HV_BIOS_H

#include "hv/boot/bootinfo.h"
#include "hv/cpu/vcpu.h"

#define BIOS_SECTOR	512u
#define BIOS_MAX_DRIVES	16u

/*
 * Choose the stub's place and the drives' numbers, and take the place out of @b's memory map.  After conceal_start(), before
 * any place is claimed.  @boot_disk: index of the disk that becomes drive 80h, or -1: any.  0 or negative after a line.
 */
int bios_prepare(struct boot_info *b, int boot_disk);

/* veneer,boot = "disk": find the disk, check it, put the stub into guest memory, and set @regs.  0 or negative after a line. */
int bios_start_disk(struct boot_info *b, struct vcpu_regs *regs);

/* The same for a kernel: after bios_prepare(), with everything in its place.  It begins at @cs:0 with DS and the rest @ds. */
void bios_start_kernel(const struct boot_info *b, struct vcpu_regs *regs, uint16_t cs, uint16_t ds, uint16_t sp);

/*
 * A VMMCALL or VMCALL: true when it was the stub's, and the guest goes on where it should.  From any processor; while the call
 * of one is under way others are told that the disks are busy.
 */
bool bios_hypercall(struct vcpu *v, const struct vcpu_regs *r);

/* --- among the files hv/boot/bios_*.c: under the lock of bios.c --- */

/* A call's registers.  Upper halves are the caller's and stay. */
struct bios_call {
	uint64_t *gpr;
	uint64_t ds, es;	/* bases */
	unsigned cpu;
};

static inline uint16_t bios_r16(const struct bios_call *c, enum gpr r)
{
	return (uint16_t)c->gpr[r];
}

static inline void bios_set16(const struct bios_call *c, enum gpr r, uint16_t v)
{
	c->gpr[r] = (c->gpr[r] & ~0xffffull) | v;
}

static inline uint8_t bios_ah(const struct bios_call *c)
{
	return (uint8_t)(c->gpr[GPR_RAX] >> 8);
}

static inline void bios_set_ah(const struct bios_call *c, uint8_t v)
{
	c->gpr[GPR_RAX] = (c->gpr[GPR_RAX] & ~0xff00ull) | (uint64_t)v << 8;
}

/* How the stub goes on. */
enum bios_next {
	BIOS_OK,	/* return with CF clear */
	BIOS_ERROR,	/* return with CF set */
	BIOS_WAIT,	/* let interrupts in, then poll */
	BIOS_CHAIN,	/* to the machine's own handler */
};

/* Give the drive numbers from 80h on: @boot_disk first.  The number of drives. */
unsigned bios_disk_init(int boot_disk);
enum bios_next bios_int13(struct bios_call *c);
enum bios_next bios_int13_poll(struct bios_call *c);

/* @b lives on. */
void bios_memory_init(const struct boot_info *b);
enum bios_next bios_int15(struct bios_call *c);

/*
 * Guest memory as real mode uses it: gmem, and the first page.  Copies fail when a byte is none of that; what was before it
 * has been copied then.
 */
bool bios_copy_in(void *dst, uint64_t gpa, size_t len);
bool bios_copy_out(uint64_t gpa, const void *src, size_t len);

#endif
