/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest that begins in real mode on the machine's own BIOS: a boot sector, or a kernel whose entry is 16-bit code.
 *
 * The BIOS stays in place.  Veneer answers only the calls that would show or touch what is not the guest's: INT 13h for hard
 * disks works on the virtual disks, INT 15h's memory sizes lack Veneer's range, INT 19h starts the boot disk.  A stub in
 * conventional memory (bios_stub.S) takes these vectors and calls Veneer by VMMCALL or VMCALL; Veneer recognizes the call by
 * its address.
 */
#ifndef HV_BIOS_H
#define HV_BIOS_H

#include "hv/boot/bootinfo.h"
#include "hv/cpu/vcpu.h"

#define BIOS_SECTOR	512u
#define BIOS_MAX_DRIVES	16u

/*
 * Choose the stub's place and the drives' numbers, and remove the place from @b's memory map.  Call after conceal_start(),
 * before any place is claimed.  @boot_disk: index of the disk that becomes drive 80h, or -1 for any.  0 or negative after a
 * line.
 */
int bios_prepare(struct boot_info *b, int boot_disk);

/* veneer,boot = "disk": find the disk, check it, put the stub into guest memory, and set @regs.  0 or negative after a line. */
int bios_start_disk(struct boot_info *b, struct vcpu_regs *regs);

/* The same for a kernel, after bios_prepare() and once the kernel is in place.  It starts at @cs:0 with @ds in DS, ES, SS. */
void bios_start_kernel(const struct boot_info *b, struct vcpu_regs *regs, uint16_t cs, uint16_t ds, uint16_t sp);

/*
 * Handle a VMMCALL or VMCALL: true if it was the stub's; the guest's state is set then.  Any processor may call; while a call
 * of one processor is open, the others get "busy".
 */
bool bios_hypercall(struct vcpu *v, const struct vcpu_regs *r);

/* --- among the files hv/bios/bios_*.c: call with the lock of bios.c held --- */

/* A call's registers.  The upper halves are the caller's and are kept. */
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

/*
 * Number the drives from 80h on, @boot_disk first.  Return the number of drives; 0 also without memory, after a line.  Once a
 * start.
 */
unsigned bios_disk_init(int boot_disk);
enum bios_next bios_int13(struct bios_call *c);
enum bios_next bios_int13_poll(struct bios_call *c);

/* @b must stay valid. */
void bios_memory_init(const struct boot_info *b);
enum bios_next bios_int15(struct bios_call *c);

/*
 * Guest memory as real mode uses it: gmem, and the first page.  A copy fails at the first byte that is neither; the bytes
 * before it have been copied.
 */
bool bios_copy_in(void *dst, uint64_t gpa, size_t len);
bool bios_copy_out(uint64_t gpa, const void *src, size_t len);

#endif
