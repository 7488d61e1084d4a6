/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Load kernels of Linux's boot protocol that have only the 16-bit entry: they name no load address for 32-bit code (iPXE's
 * ipxe.lkrn), or must be loaded below 1 MiB (zImage).  The kernel's Documentation/arch/x86/boot.rst, "Loading the rest of the
 * kernel" and "Running the kernel".  The BIOS calls that such a kernel makes are hv/bios's.
 */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/string.h>
#include "hv/bios/bios.h"
#include "hv/load/load_plan.h"

#define ULL(x)	((unsigned long long)(x))

#define HDR_SETUP_SECTS		0x1f1
#define HDR_BOOT_FLAG		0x1fe
#define HDR_MAGIC		0x202
#define HDR_VERSION		0x206
#define HDR_LOADER		0x210
#define HDR_LOADFLAGS		0x211
#define  LOADED_HIGH		BIT(0)
#define  CAN_USE_HEAP		BIT(7)
#define HDR_CODE32_START	0x214
#define HDR_RAMDISK_IMAGE	0x218
#define HDR_RAMDISK_SIZE	0x21c
#define HDR_HEAP_END		0x224		/* less 0x200 */
#define HDR_CMDLINE		0x228

#define LOW_PLACE		0x10000u	/* of a zImage's code */
#define SEGMENT_SIZE		0x10000u	/* setup code, heap, stack, and behind that the command line */
#define STACK_TOP		0xe000u
#define SETUP_MAX		0x9000u
#define ENTRY_PARAGRAPHS	0x20u


static uint32_t get(const struct guest_image *img, uint32_t off, unsigned bytes)
{
	uint32_t v = 0;

	memcpy(&v, img->data + off, bytes);
	return v;
}

static void set(uint8_t *setup, uint32_t off, uint64_t v, unsigned bytes)
{
	memcpy(setup + off, &v, bytes);
}

static bool detect_real(const struct guest_image *img)
{
	return img->size >= 1024 && get(img, HDR_BOOT_FLAG, 2) == 0xaa55 && !memcmp(img->data + HDR_MAGIC, "HdrS", 4) &&
	       (!get(img, HDR_CODE32_START, 4) || !(get(img, HDR_LOADFLAGS, 1) & LOADED_HIGH));
}

static int check(const struct guest_image *img, uint32_t setup_size)
{
	uint32_t version = get(img, HDR_VERSION, 2);

	if (version < 0x202) {
		log_err("guest: the real-mode kernel has boot protocol %u.%02u; 2.02 or later is needed", version >> 8,
			version & 0xff);
		return -ERR_NOTSUP;
	}
	if (setup_size > SETUP_MAX || img->size <= setup_size) {
		log_err("guest: the real-mode kernel of %llu bytes cannot have setup code of %u", ULL(img->size), setup_size);
		return -ERR_INVAL;
	}
	if (strlen(img->cmdline) >= SEGMENT_SIZE - STACK_TOP - 1 || img->nmodules > 1) {
		log_err("guest: the real-mode kernel takes a command line of %u characters and one module, not %zu and %u",
			SEGMENT_SIZE - STACK_TOP - 2, strlen(img->cmdline), img->nmodules);
		return -ERR_INVAL;
	}
	return 0;
}

/* The protected-mode part, whatever its address. */
static int place_code(const struct guest_image *img, uint32_t setup_size)
{
	uint64_t at = get(img, HDR_LOADFLAGS, 1) & LOADED_HIGH ? LOAD_MIB : LOW_PLACE, size = img->size - setup_size;
	const char *what = "the real-mode kernel";

	return load_claim(&load_plan, at, size, what) ?: load_copy(&load_plan, at, img->addr + setup_size, size, what);
}

static int place_initrd(const struct guest_image *img, uint64_t *at)
{
	const char *what = "the initrd";
	uint64_t size = img->nmodules ? img->module[0]->size : 0;

	*at = 0;
	if (!size)
		return 0;
	*at = load_find(&load_plan, BOOT_FIND_HIGH, size, PAGE_SIZE, LOAD_MIB, LOAD_4G / 4, what);
	return *at ? load_copy(&load_plan, *at, img->module[0]->addr, size, what) : load_no_room(what, size, LOAD_4G / 4);
}

static void fill_setup(struct load_blob *o, const struct guest_image *img, uint32_t setup_size, uint64_t initrd)
{
	blob_add(o, img->data, setup_size, 1);
	blob_add(o, NULL, STACK_TOP - setup_size, 1);
	blob_add_string(o, img->cmdline);
	if (o->overflow)
		return;
	set(o->buf, HDR_LOADER, 0xff, 1);	/* without a number of its own */
	set(o->buf, HDR_LOADFLAGS, get(img, HDR_LOADFLAGS, 1) | CAN_USE_HEAP, 1);
	set(o->buf, HDR_RAMDISK_IMAGE, initrd, 4);
	set(o->buf, HDR_RAMDISK_SIZE, initrd ? img->module[0]->size : 0, 4);
	set(o->buf, HDR_HEAP_END, STACK_TOP - 0x200, 2);
	set(o->buf, HDR_CMDLINE, o->gpa + STACK_TOP, 4);
}

static int load_real(const struct guest_image *img, struct boot_info *b, struct vcpu_regs *regs)
{
	uint32_t sectors = get(img, HDR_SETUP_SECTS, 1), setup_size = ((sectors ? sectors : 4) + 1) * BIOS_SECTOR;
	const char *what = "the real-mode kernel's setup code";
	struct load_blob o;
	uint64_t initrd;
	int err = check(img, setup_size) ?: bios_prepare(b, -1);

	if (err)
		return err;
	load_plan_init(&load_plan, b);
	err = place_code(img, setup_size) ?: place_initrd(img, &initrd) ?: blob_new(&o, &load_plan, SEGMENT_SIZE, what);
	if (err)
		return err;
	fill_setup(&o, img, setup_size, initrd);
	if (o.gpa >= LOAD_LOW_END)
		err = load_no_room(what, SEGMENT_SIZE, LOAD_LOW_END);
	err = blob_finish(&o, &load_plan, err, what);
	if (!err)
		bios_start_kernel(b, regs, (uint16_t)((o.gpa >> 4) + ENTRY_PARAGRAPHS), (uint16_t)(o.gpa >> 4), STACK_TOP);
	return err;
}

const struct guest_format guest_real = {
	.name = "real-mode", .protocol = PROTOCOL_LINUX, .detect = detect_real, .load = load_real
};
