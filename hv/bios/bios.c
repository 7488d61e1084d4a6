/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest on the machine's BIOS: choose the disk that it starts from, place the stub in its memory, and answer the stub's
 * calls. INT 13h itself is bios_disk.c's, INT 15h bios_memory.c's, the stub bios_stub.S.
 */
#include <veneer/conceal.h>
#include <veneer/config.h>
#include <veneer/err.h>
#include <veneer/gmem.h>
#include <veneer/lock.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include "hv/bios/bios.h"
#include "hv/boot/bootinfo.h"
#include "hv/cpu/vcpu.h"
#include "hv/load/loader.h"
#include "hv/cpu/percpu.h"
#include "hv/mem/paging.h"

#define SIGNATURE		510u	/* of a boot sector: 55 aa */
#define PARAMETER_BLOCK		3u
#define PARAMETER_BLOCK_END	0x65u	/* with GRUB's number of the boot drive */
#define PARTITION_TABLE		446u
#define PARTITION_SIZE		16u
#define PARTITION_LBA		8u	/* in an entry */
#define DRIVE_HD		0x80u
#define DRIVE_CD		0xe0u
#define SEG_ATTR_CODE16		0x09b	/* present, code, readable, accessed; 16-bit, byte granular */
#define SEG_ATTR_DATA16		0x093
#define REAL_LIMIT		0xffff
#define CALL_SIZE		3u
#define LOW_MIN_KIB		256u
#define LOW_MAX_KIB		640u

/* bios_stub.S */
extern const char bios_stub[], bios_stub_end[], bios_stub_data[], bios_stub_start[];
extern const char bios_call13[], bios_poll13[], bios_call15[], bios_call18[];
extern const char bios_done[], bios_failed[], bios_wait[], bios_chain13[];

/* At bios_stub_data. */
struct stub_data {
	uint16_t memory_kib;
	uint16_t entry_ip, entry_cs, sp, ss, ds;
	uint8_t drives, set_text, kernel, zero;
} PACKED;

static uint64_t stub_at;		/* 0: no such guest */
static uint8_t *first_page;
static uint16_t memory_kib;
static uint8_t ndrives;

/* Held while a call is answered.  No call waits for a disk with the lock held: the stub asks again. */
static struct lock lock;

/* --- guest memory --- */

static uint8_t *piece(uint64_t gpa, size_t len)
{
	return gpa < PAGE_SIZE ? first_page + gpa : gmem_ptr(gpa, len);
}

bool bios_copy_in(void *dst, uint64_t gpa, size_t len)
{
	for (size_t n; len; len -= n, gpa += n, dst = (uint8_t *)dst + n) {
		n = MIN(len, PAGE_SIZE - (gpa & (PAGE_SIZE - 1)));
		const uint8_t *p = piece(gpa, n);

		if (!p)
			return false;
		memcpy(dst, p, n);
	}
	return true;
}

bool bios_copy_out(uint64_t gpa, const void *src, size_t len)
{
	for (size_t n; len; len -= n, gpa += n, src = (const uint8_t *)src + n) {
		n = MIN(len, PAGE_SIZE - (gpa & (PAGE_SIZE - 1)));
		uint8_t *p = piece(gpa, n);

		if (!p)
			return false;
		memcpy(p, src, n);
	}
	return true;
}

/* --- the disk to start from --- */

static bool bootable(const uint8_t *sector)
{
	return sector[SIGNATURE] == 0x55 && sector[SIGNATURE + 1] == 0xaa;
}

/* Boot sectors keep variables among the file system's parameters: leave these bytes out of the comparison. */
static bool same_sector(const uint8_t *a, const uint8_t *b)
{
	return !memcmp(a, b, PARAMETER_BLOCK) &&
	       !memcmp(a + PARAMETER_BLOCK_END, b + PARAMETER_BLOCK_END, BIOS_SECTOR - PARAMETER_BLOCK_END);
}

/*
 * True if GRUB, and so Veneer, was started from this disk.  The sector that the BIOS, or the MBR's code, loaded to 7C00h is
 * still there: the first sector of the disk, or of one of its primary partitions.  A copy of that disk is taken for it, too.
 */
static bool is_own(const struct boot_info *b, unsigned n, const uint8_t *mbr)
{
	uint8_t sector[BIOS_SECTOR] ALIGNED(16);

	if (same_sector(mbr, b->boot_sector))
		return true;
	for (unsigned i = 0; i < 4; i++) {
		uint32_t lba;

		memcpy(&lba, mbr + PARTITION_TABLE + i * PARTITION_SIZE + PARTITION_LBA, sizeof(lba));
		if (lba && !composition()->bootdisk->read(n, lba, 1, sector) && same_sector(sector, b->boot_sector))
			return true;
	}
	return false;
}

/* True if the boot loader came from a hard disk, but its sector is no longer in memory. */
static bool own_unknown(const struct boot_info *b)
{
	bool other = b->has_bootdev && (b->bootdev < DRIVE_HD || (b->bootdev >= DRIVE_CD && b->bootdev <= 0xff));

	return !bootable(b->boot_sector) && !other;
}

enum fitness { FIT, NO_READ, NOT_BOOTABLE, OWN };

static enum fitness fitness(const struct boot_info *b, unsigned n, const struct bootdisk *d, uint8_t *mbr)
{
	if (d->block_size != BIOS_SECTOR || composition()->bootdisk->read(n, 0, 1, mbr))
		return NO_READ;
	if (!bootable(mbr))
		return NOT_BOOTABLE;
	return d->own || is_own(b, n, mbr) ? OWN : FIT;
}

static int check_disk(const struct boot_info *b, unsigned n, const struct bootdisk *d)
{
	uint8_t mbr[BIOS_SECTOR] ALIGNED(16) = { 0 };

	switch (fitness(b, n, d, mbr)) {
	case FIT:
		return 0;
	case NO_READ:
		log_err("guest: the boot disk %s (serial \"%s\"): its first sector cannot be read, or has not 512 bytes (%u)",
			d->name, d->serial, d->block_size);
		break;
	case NOT_BOOTABLE:
		log_err("guest: the boot disk %s (serial \"%s\") has no boot sector: its first sector ends in %02x %02x, "
			"expected 55 aa", d->name, d->serial, mbr[SIGNATURE], mbr[SIGNATURE + 1]);
		break;
	case OWN:
		log_err("guest: the boot disk %s (serial \"%s\") is the one that Veneer started from: its boot sector would "
			"start Veneer again", d->name, d->serial);
		break;
	}
	return -ERR_INVAL;
}

/* List the serial numbers, for messages. */
static void list_disks(char *out, size_t size)
{
	struct bootdisk d;
	size_t n = 0;

	fmt_string(out, size, " none");
	for (unsigned i = 0; n < size && composition()->bootdisk->get(i, &d); i++)
		n += (size_t)fmt_string(out + n, size - n, " %s (%s)", d.serial, d.name);
}

/* Return the disk that the configuration names; if it names none, the only bootable disk.  -1 after a line. */
static int find_disk(const struct boot_info *b, struct bootdisk *d)
{
	uint8_t mbr[BIOS_SECTOR] ALIGNED(16);
	char list[160];
	int found = -1;

	for (unsigned i = 0; composition()->bootdisk->get(i, d); i++) {
		if (*config.boot_disk ? !config_same_serial(config.boot_disk, d->serial) : fitness(b, i, d, mbr) != FIT)
			continue;
		if (found < 0)
			found = (int)i;
		else if (!*config.boot_disk)
			goto several;
	}
	if (found >= 0 && composition()->bootdisk->get((unsigned)found, d))
		return found;
	list_disks(list, sizeof(list));
	if (*config.boot_disk)
		log_err("guest: no disk has the serial number \"%s\" (veneer,boot-disk); concealed are:%s", config.boot_disk,
			list);
	else
		log_err("guest: no disk to start from: none but Veneer's own has a boot sector; concealed are:%s", list);
	return -1;
several:
	list_disks(list, sizeof(list));
	log_err("guest: several disks can be started: name one by veneer,boot-disk; concealed are:%s", list);
	return -1;
}

/* --- the stub --- */

static uint32_t offset(const char *label)
{
	return (uint32_t)(label - bios_stub);
}

static int no_bios(const struct boot_info *b)
{
	if (!b->efi)
		return 0;
	log_err("guest: it begins in real mode on a BIOS, but this machine was started by UEFI: switch on legacy boot (CSM) in "
		"the firmware setup, give Veneer a kernel that needs no BIOS, or start Veneer by veneer.efi with 'boot disk'");
	return -ERR_NOTSUP;
}

/*
 * Find the last page below the BIOS's own data.  The memory map has no incomplete page there: it was trimmed, and only callers
 * of the BIOS use such memory.
 */
static int choose_place(struct boot_info *b)
{
	uint64_t top = (uint64_t)b->low_kib << 10, at;
	struct mem_range blocker;

	if (b->low_kib < LOW_MIN_KIB || b->low_kib > LOW_MAX_KIB) {
		log_err("guest: the BIOS says that there are %u KiB of conventional memory; expected %u to %u", b->low_kib,
			LOW_MIN_KIB, LOW_MAX_KIB);
		return -ERR_INVAL;
	}
	at = ALIGN_DOWN(top - offset(bios_stub_end), (uint64_t)PAGE_SIZE);
	if (boot_info_usable(b, at, PAGE_SIZE, &blocker) && boot_info_hide(b, at, PAGE_SIZE))
		return -ERR_NOMEM;
	memory_kib = (uint16_t)(at >> 10);
	stub_at = at;
	return 0;
}

int bios_prepare(struct boot_info *b, int boot_disk)
{
	int err = no_bios(b) ?: choose_place(b);

	if (err)
		return err;
	first_page = paging_first_page();
	ndrives = (uint8_t)bios_disk_init(boot_disk);
	if (boot_disk >= 0 && !ndrives)
		return -ERR_NOMEM;
	bios_memory_init(b);
	segment_use(bios_hypercall);
	vcpu_own_hypercall = bios_hypercall;
	return 0;
}

/* The last byte of the processor's hypercall instruction. */
static void patch_calls(uint8_t *stub)
{
	const char *const call[] = { bios_call13, bios_poll13, bios_call15, bios_call18 };

	for (unsigned i = 0; i < ARRAY_SIZE(call); i++)
		stub[offset(call[i]) + CALL_SIZE - 1] = vcpu_ops->hypercall_byte;
}

static void set_regs(struct vcpu_regs *regs)
{
	uint16_t selector = (uint16_t)(stub_at >> 4);

	vcpu_flat32(regs);
	for (unsigned i = SEG_ES; i <= SEG_GS; i++)
		regs->seg[i] = (struct vcpu_seg){ .attr = SEG_ATTR_DATA16, .limit = REAL_LIMIT };
	regs->seg[SEG_CS] = (struct vcpu_seg){ selector, SEG_ATTR_CODE16, REAL_LIMIT, stub_at };
	regs->cr0 &= ~(uint64_t)CR0_PE;
	regs->idtr.limit = 0x3ff;
	regs->rip = offset(bios_stub_start);
}

static void install(const struct boot_info *b, struct stub_data *data, struct vcpu_regs *regs)
{
	uint8_t *stub = (uint8_t *)(uintptr_t)stub_at;

	data->memory_kib = memory_kib;
	data->drives = ndrives;
	data->set_text = !b->has_fb || b->fb.type != 2;
	memcpy(stub, bios_stub, offset(bios_stub_end));
	memcpy(stub + offset(bios_stub_data), data, sizeof(*data));
	patch_calls(stub);
	set_regs(regs);
	log_info("bios: services at %#lx, %u KiB of conventional memory, %u drives", stub_at, memory_kib, ndrives);
}

int bios_start_disk(struct boot_info *b, struct vcpu_regs *regs)
{
	struct stub_data data = { 0 };
	struct bootdisk d;
	int err = no_bios(b), n;

	if (err)
		return err;
	if (own_unknown(b)) {
		log_err("guest: which disk Veneer was started from cannot be told: no boot sector is left at 7c00h; start GRUB "
			"from a disk's boot sector or from a CD");
		return -ERR_NOTSUP;
	}
	n = find_disk(b, &d);
	err = n < 0 ? -ERR_NODEV : check_disk(b, (unsigned)n, &d);
	err = err ?: bios_prepare(b, n);
	if (err)
		return err;
	composition()->bootdisk->booted((unsigned)n);
	log_info("guest: the boot sector of %s (serial \"%s\")", d.name, d.serial);
	install(b, &data, regs);
	return 0;
}

void bios_start_kernel(const struct boot_info *b, struct vcpu_regs *regs, uint16_t cs, uint16_t ds, uint16_t sp)
{
	struct stub_data data = { .entry_cs = cs, .ss = ds, .ds = ds, .sp = sp, .kernel = 1 };

	install(b, &data, regs);
}

/* --- calls --- */

static const char *next_label(enum bios_next next)
{
	switch (next) {
	case BIOS_OK:
		return bios_done;
	case BIOS_WAIT:
		return bios_wait;
	case BIOS_CHAIN:
		return bios_chain13;
	default:
		return bios_failed;
	}
}

static void gave_up(void)
{
	static bool said;

	log_err_once(said, "guest: it found nothing to start (INT 18h); it waits for a reset");
}

/* Answer the stub's call at @off, and set how the stub goes on.  False if there is no call at @off. */
static bool answer(struct bios_call *c, uint64_t off, enum bios_next *next)
{
	if (off == offset(bios_call13))
		*next = bios_int13(c);
	else if (off == offset(bios_poll13))
		*next = bios_int13_poll(c);
	else if (off == offset(bios_call15))
		*next = bios_int15(c);
	else
		return false;
	return true;
}

bool bios_hypercall(struct vcpu *v, const struct vcpu_regs *r)
{
	struct bios_call c = { v->gpr, r->seg[SEG_DS].base, r->seg[SEG_ES].base, this_cpu()->index };
	uint64_t off = r->seg[SEG_CS].base + r->rip - stub_at;
	enum bios_next next;
	bool known;

	/* Real mode only: a virtual-8086 task of the guest's operating system must not reach the disks. */
	if (!stub_at || (r->cr0 & CR0_PE))
		return false;
	if (off == offset(bios_call18)) {
		gave_up();
		vcpu_ops->skip(v, r->rip + CALL_SIZE);
		return true;
	}
	lock_acquire(&lock);
	known = answer(&c, off, &next);
	lock_release(&lock);
	/* Relative, since another CS may address the same place. */
	if (known)
		vcpu_ops->skip(v, r->rip - off + offset(next_label(next)));
	return known;
}
