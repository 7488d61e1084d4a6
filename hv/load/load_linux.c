/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Load Linux bzImage kernels, by the 64-bit entry if the kernel has one, else by the 32-bit entry (the kernel's
 * Documentation/arch/x86/boot.rst and zero-page.rst).  The 16-bit entry is load_real.c's.
 */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/string.h>
#include "hv/load/load_plan.h"

#define ULL(x)	((unsigned long long)(x))

/* The setup header; the offsets are the same in the file and in the zero page. */
#define HDR_SETUP_SECTS		0x1f1
#define HDR_SYSSIZE		0x1f4
#define HDR_BOOT_FLAG		0x1fe
#define HDR_LENGTH		0x201		/* bytes of the header behind 0x202 */
#define HDR_MAGIC		0x202
#define HDR_VERSION		0x206
#define HDR_LOADER		0x210
#define HDR_LOADFLAGS		0x211
#define  LOADED_HIGH		BIT(0)
#define  KEEP_SEGMENTS		BIT(6)
#define HDR_CODE32_START	0x214
#define HDR_RAMDISK_IMAGE	0x218
#define HDR_RAMDISK_SIZE	0x21c
#define HDR_CMDLINE		0x228
#define HDR_INITRD_MAX		0x22c
#define HDR_ALIGNMENT		0x230
#define HDR_RELOCATABLE		0x234
#define HDR_MIN_ALIGNMENT	0x235
#define HDR_XLOADFLAGS		0x236
#define  XLF_KERNEL_64		BIT(0)
#define  XLF_ABOVE_4G		BIT(1)
#define HDR_CMDLINE_SIZE	0x238
#define HDR_SETUP_DATA		0x250
#define HDR_PREF_ADDRESS	0x258
#define HDR_INIT_SIZE		0x260
#define HDR_MAX_END		0x290		/* the zero page's next field begins here */

/* The other fields of the zero page. */
#define ZP_ACPI_RSDP		0x070
#define ZP_EXT_RAMDISK_IMAGE	0x0c0
#define ZP_EFI_SIGNATURE	0x1c0
#define ZP_EFI_SYSTAB		0x1c4
#define ZP_EFI_DESC_SIZE	0x1c8
#define ZP_EFI_DESC_VERSION	0x1cc
#define ZP_EFI_MAP		0x1d0
#define ZP_EFI_MAP_SIZE		0x1d4
#define ZP_EFI_SYSTAB_HIGH	0x1d8
#define ZP_EFI_MAP_HIGH		0x1dc
#define ZP_ALT_MEM_K		0x1e0
#define ZP_E820_ENTRIES		0x1e8
#define ZP_E820			0x2d0
#define E820_MAX		128u
#define SETUP_E820_EXT		1u

/* struct screen_info, at the zero page's beginning. */
#define SCREEN_MODE		0x06
#define SCREEN_COLS		0x07
#define SCREEN_LINES		0x0e
#define SCREEN_IS_VGA		0x0f
#define  VIDEO_TYPE_VGA		0x01		/* text */
#define  VIDEO_TYPE_VLFB	0x23
#define  VIDEO_TYPE_EFI		0x70
#define SCREEN_POINTS		0x10
#define SCREEN_WIDTH		0x12
#define SCREEN_HEIGHT		0x14
#define SCREEN_DEPTH		0x16
#define SCREEN_BASE		0x18
#define SCREEN_SIZE		0x1c
#define SCREEN_PITCH		0x24
#define SCREEN_COLORS		0x26		/* size and position of red, green, blue and the rest */
#define SCREEN_CAPABILITIES	0x36
#define  SCREEN_64BIT_BASE	BIT(1)
#define SCREEN_EXT_BASE		0x3a

#define BOOT_CS			0x10
#define BOOT_DS			0x18
#define CODE64			0x00af9b000000ffffull
#define CODE32			0x00cf9b000000ffffull
#define DATA32			0x00cf93000000ffffull
#define SEG_ATTR_CODE64		0xa9b
#define ENTRY64			0x200		/* behind the kernel's beginning */

#define PTE_PRESENT		BIT(0)
#define PTE_WRITE		BIT(1)
#define PTE_LARGE		BIT(7)

struct linux_kernel {
	uint16_t version;
	uint64_t code, code_size;	/* the protected-mode part in the file */
	uint64_t init_size, align, min_align, pref;
	bool relocatable, entry64, above_4g;
	uint64_t initrd_end;		/* the initrd must end at or below this address */
	uint32_t cmdline_max;

	uint64_t place;			/* chosen */
	uint64_t initrd, initrd_size;
};


static uint64_t get(const struct guest_image *img, uint32_t off, unsigned bytes)
{
	uint64_t v = 0;

	if (off + bytes <= img->size)
		memcpy(&v, img->data + off, bytes);
	return v;
}

static bool detect_linux(const struct guest_image *img)
{
	return img->size >= 1024 && get(img, HDR_BOOT_FLAG, 2) == 0xaa55 && !memcmp(img->data + HDR_MAGIC, "HdrS", 4);
}

/* --- the header --- */

static int check_header(const struct guest_image *img, const struct linux_kernel *l)
{
	uint64_t stated = get(img, HDR_SYSSIZE, 4) * 16;

	if (l->version < 0x206) {
		log_err("guest: the Linux kernel has boot protocol %u.%02u; 2.06 (Linux 2.6.22) or later is needed",
			l->version >> 8, l->version & 0xff);
		return -ERR_NOTSUP;
	}
	if (!(get(img, HDR_LOADFLAGS, 1) & LOADED_HIGH)) {
		log_err("guest: the Linux kernel is a zImage; a bzImage is needed");
		return -ERR_NOTSUP;
	}
	if (l->code >= img->size || stated > img->size - l->code) {
		log_err("guest: the Linux kernel is cut off: %llu bytes of %llu", ULL(img->size), ULL(l->code + stated));
		return -ERR_INVAL;
	}
	if (l->relocatable && (!l->align || l->align & (l->align - 1))) {
		log_err("guest: the Linux kernel states a wrong alignment: %#llx", ULL(l->align));
		return -ERR_INVAL;
	}
	return 0;
}

static int read_header(const struct guest_image *img, struct linux_kernel *l)
{
	uint64_t sectors = get(img, HDR_SETUP_SECTS, 1), flags;
	unsigned shift = (unsigned)get(img, HDR_MIN_ALIGNMENT, 1);

	memset(l, 0, sizeof(*l));
	l->version = (uint16_t)get(img, HDR_VERSION, 2);
	flags = l->version >= 0x20c ? get(img, HDR_XLOADFLAGS, 2) : 0;
	l->code = ((sectors ? sectors : 4) + 1) * 512;
	l->code_size = img->size - MIN(l->code, img->size);
	l->align = get(img, HDR_ALIGNMENT, 4);
	l->relocatable = get(img, HDR_RELOCATABLE, 1);
	l->entry64 = flags & XLF_KERNEL_64;
	l->above_4g = flags & XLF_ABOVE_4G;
	l->initrd_end = get(img, HDR_INITRD_MAX, 4) + 1;
	l->cmdline_max = (uint32_t)get(img, HDR_CMDLINE_SIZE, 4);
	l->pref = LOAD_MIB;
	/* Before 2.10 a header did not hold the unpacked kernel's size. */
	l->init_size = 4 * l->code_size;
	if (l->version >= 0x20a) {
		l->pref = get(img, HDR_PREF_ADDRESS, 8);
		l->init_size = get(img, HDR_INIT_SIZE, 4);
		l->min_align = shift >= 12 && shift < 32 ? 1ull << shift : 0;
	}
	return check_header(img, l);
}

/* --- places --- */

/* The kernel unpacks itself from where it was loaded to the preferred address: claim both places. */
static int place_fixed(struct linux_kernel *l)
{
	uint64_t end = LOAD_MIB + l->code_size, run_end = l->pref + l->init_size;

	l->place = LOAD_MIB;
	if (run_end < l->pref) {
		log_err("guest: the Linux kernel states a wrong place to run: %#llx", ULL(l->pref));
		return -ERR_INVAL;
	}
	return load_claim(&load_plan, MIN(l->pref, LOAD_MIB), MAX(end, run_end) - MIN(l->pref, LOAD_MIB),
			  "the Linux kernel");
}

static int place_kernel(struct linux_kernel *l)
{
	const char *what = "the Linux kernel";
	uint64_t size = MAX(l->init_size, l->code_size);

	if (!l->relocatable)
		return place_fixed(l);
	l->place = l->pref;
	if (IS_ALIGNED(l->pref, l->align) && l->pref >= LOAD_MIB && l->pref < LOAD_4G && size <= LOAD_4G - l->pref &&
	    load_free(&load_plan, l->pref, size))
		return load_claim(&load_plan, l->pref, size, what);
	l->place = load_find(&load_plan, 0, size, MAX(l->align, (uint64_t)PAGE_SIZE), LOAD_MIB, LOAD_4G, what);
	if (!l->place && l->min_align)
		l->place = load_find(&load_plan, 0, size, l->min_align, LOAD_MIB, LOAD_4G, what);
	return l->place ? 0 : load_no_room(what, size, LOAD_4G);
}

static uint64_t initrd_length(const struct guest_image *img)
{
	uint64_t size = 0;

	for (unsigned i = 0; i < img->nmodules; i++)
		size = ALIGN_UP(size, 4) + img->module[i]->size;
	return size;
}

/* Leave a single module where it lies if Linux can use it there: a big initrd need not be copied. */
static bool stays(const struct guest_image *img, const struct linux_kernel *l)
{
	uint64_t at = img->module[0]->addr;

	return img->nmodules == 1 && IS_ALIGNED(at, PAGE_SIZE) && at >= LOAD_MIB && at + l->initrd_size <= l->initrd_end &&
	       load_free(&load_plan, at, l->initrd_size);
}

static int place_initrd(const struct guest_image *img, struct linux_kernel *l)
{
	const char *what = "the initrd";

	l->initrd_size = initrd_length(img);
	if (!l->initrd_size)
		return 0;
	if (stays(img, l)) {
		l->initrd = img->module[0]->addr;
		return load_claim(&load_plan, l->initrd, l->initrd_size, what);
	}
	l->initrd = load_find(&load_plan, BOOT_FIND_HIGH, l->initrd_size, PAGE_SIZE, LOAD_MIB, MIN(l->initrd_end, LOAD_4G),
			      what);
	if (!l->initrd && l->above_4g)
		l->initrd = load_find(&load_plan, 0, l->initrd_size, PAGE_SIZE, LOAD_4G, ~0ull, what);
	return l->initrd ? 0 : load_no_room(what, l->initrd_size, l->initrd_end);
}

/* Linux takes several archives one after the other as one initrd; each begins at a multiple of 4, with zeros between. */
static int load_initrd(const struct guest_image *img, const struct linux_kernel *l)
{
	uint64_t off = 0;

	for (unsigned i = 0; i < img->nmodules; i++) {
		uint64_t pad = ALIGN_UP(off, 4) - off, size = img->module[i]->size;
		int err = load_fill(&load_plan, l->initrd + off, pad, "the initrd's padding");

		off += pad;
		err = err ?: load_copy(&load_plan, l->initrd + off, img->module[i]->addr, size, "the initrd");
		if (err)
			return err;
		off += size;
	}
	return 0;
}

/* --- the zero page --- */

static void set(uint8_t *zp, uint32_t off, uint64_t v, unsigned bytes)
{
	memcpy(zp + off, &v, bytes);
}

static void copy_header(uint8_t *zp, const struct guest_image *img)
{
	uint32_t end = MIN(HDR_MAGIC + (uint32_t)get(img, HDR_LENGTH, 1), (uint32_t)HDR_MAX_END);

	memcpy(zp + HDR_SETUP_SECTS, img->data + HDR_SETUP_SECTS, end - HDR_SETUP_SECTS);
}

static void fill_text(uint8_t *zp, uint64_t cols, uint64_t lines)
{
	set(zp, SCREEN_MODE, 3, 1);
	set(zp, SCREEN_COLS, cols, 1);
	set(zp, SCREEN_LINES, lines, 1);
	set(zp, SCREEN_IS_VGA, VIDEO_TYPE_VGA, 1);
	set(zp, SCREEN_POINTS, 16, 2);
}

static void fill_linear(uint8_t *zp, const struct boot_info *b)
{
	uint64_t bytes = (uint64_t)b->fb.pitch * b->fb.height;
	uint8_t used = (uint8_t)(b->fb.red_size + b->fb.green_size + b->fb.blue_size);
	const uint8_t colors[8] = { b->fb.red_size, b->fb.red_pos, b->fb.green_size, b->fb.green_pos, b->fb.blue_size,
				    b->fb.blue_pos, (uint8_t)(b->fb.bpp > used ? b->fb.bpp - used : 0),
				    b->fb.bpp > used ? used : 0 };

	set(zp, SCREEN_IS_VGA, b->efi ? VIDEO_TYPE_EFI : VIDEO_TYPE_VLFB, 1);
	set(zp, SCREEN_WIDTH, b->fb.width, 2);
	set(zp, SCREEN_HEIGHT, b->fb.height, 2);
	set(zp, SCREEN_DEPTH, b->fb.bpp, 2);
	set(zp, SCREEN_BASE, b->fb.addr, 4);
	set(zp, SCREEN_EXT_BASE, b->fb.addr >> 32, 4);
	set(zp, SCREEN_CAPABILITIES, b->fb.addr >> 32 ? SCREEN_64BIT_BASE : 0, 4);
	/* VESA counts in units of 64 KiB, EFI in bytes. */
	set(zp, SCREEN_SIZE, b->efi ? bytes : DIV_ROUND_UP(bytes, 65536), 4);
	set(zp, SCREEN_PITCH, b->fb.pitch, 2);
	memcpy(zp + SCREEN_COLORS, colors, sizeof(colors));
}

static void fill_screen(uint8_t *zp, const struct boot_info *b)
{
	if (b->has_fb && b->fb.type == 1)
		fill_linear(zp, b);
	else if (b->has_fb && b->fb.type == 2)
		fill_text(zp, b->fb.width, b->fb.height);
	else if (!b->efi)
		fill_text(zp, 80, 25);
}

static void fill_efi(uint8_t *zp, struct load_blob *o, const struct boot_info *b)
{
	uint64_t map;

	if (!b->efi || !b->efi_map_size)
		return;
	map = o->gpa + blob_add(o, b->efi_map, b->efi_map_size, PAGE_SIZE);
	memcpy(zp + ZP_EFI_SIGNATURE, b->efi32 ? "EL32" : "EL64", 4);
	set(zp, ZP_EFI_SYSTAB, b->efi_systab, 4);
	set(zp, ZP_EFI_SYSTAB_HIGH, b->efi_systab >> 32, 4);
	set(zp, ZP_EFI_DESC_SIZE, b->efi_desc_size, 4);
	set(zp, ZP_EFI_DESC_VERSION, b->efi_desc_version, 4);
	set(zp, ZP_EFI_MAP, map, 4);
	set(zp, ZP_EFI_MAP_HIGH, map >> 32, 4);
	set(zp, ZP_EFI_MAP_SIZE, b->efi_map_size, 4);
}

struct e820_entry {
	uint64_t base, size;
	uint32_t type;
} PACKED;

/* The zero page holds 128 entries; further entries go into an element of the setup_data list. */
static void fill_e820(uint8_t *zp, struct load_blob *o, const struct boot_info *b)
{
	struct { uint64_t next; uint32_t type, len; } head = { 0, SETUP_E820_EXT, 0 };
	uint32_t more = b->nranges > E820_MAX ? b->nranges - E820_MAX : 0;

	set(zp, ZP_E820_ENTRIES, MIN(b->nranges, E820_MAX), 1);
	set(zp, ZP_ALT_MEM_K, boot_info_mem_upper(b), 4);
	set(zp, HDR_SETUP_DATA, 0, 8);
	if (more) {
		head.len = more * (uint32_t)sizeof(struct e820_entry);
		set(zp, HDR_SETUP_DATA, o->gpa + blob_add(o, &head, sizeof(head), 16), 8);
	}
	for (unsigned i = 0; i < b->nranges; i++) {
		struct e820_entry e = { b->range[i].base, b->range[i].size, (uint32_t)b->range[i].type };

		if (i < E820_MAX)
			memcpy(zp + ZP_E820 + i * sizeof(e), &e, sizeof(e));
		else
			blob_add(o, &e, sizeof(e), 1);
	}
}

static void fill_zero_page(uint8_t *zp, struct load_blob *o, const struct guest_image *img, const struct boot_info *b,
			   const struct linux_kernel *l)
{
	copy_header(zp, img);
	set(zp, HDR_LOADER, 0xff, 1);	/* a boot loader without a number of its own */
	set(zp, HDR_LOADFLAGS, (get(img, HDR_LOADFLAGS, 1) | LOADED_HIGH) & ~(uint64_t)KEEP_SEGMENTS, 1);
	set(zp, HDR_CODE32_START, l->place, 4);
	set(zp, HDR_RAMDISK_IMAGE, l->initrd, 4);
	set(zp, HDR_RAMDISK_SIZE, l->initrd_size, 4);
	set(zp, ZP_EXT_RAMDISK_IMAGE, l->initrd >> 32, 4);
	set(zp, ZP_EXT_RAMDISK_IMAGE + 4, l->initrd_size >> 32, 4);
	set(zp, HDR_CMDLINE, o->gpa + blob_add_string(o, img->cmdline), 4);
	/* The guest cannot see Veneer's copy of the RSDP; without an address Linux searches for the RSDP itself. */
	if (b->rsdp != (uintptr_t)b->rsdp_copy)
		set(zp, ZP_ACPI_RSDP, b->rsdp, 8);
	fill_screen(zp, b);
	fill_efi(zp, o, b);
	fill_e820(zp, o, b);
}

/* --- the state at the entry --- */

/* Map 4 GiB one to one; return the address of the PML4. */
static uint64_t build_tables(struct load_blob *o)
{
	uint32_t at = blob_add(o, NULL, 6 * PAGE_SIZE, PAGE_SIZE);
	uint64_t *table = (uint64_t *)(void *)(o->buf + at), flags = PTE_PRESENT | PTE_WRITE;

	if (o->overflow)
		return 0;
	table[0] = (o->gpa + at + PAGE_SIZE) | flags;
	for (unsigned i = 0; i < 4; i++)
		table[512 + i] = (o->gpa + at + (2 + i) * PAGE_SIZE) | flags;
	for (unsigned i = 0; i < 2048; i++)
		table[1024 + i] = (uint64_t)i << 21 | flags | PTE_LARGE;
	return o->gpa + at;
}

static void set_regs(struct vcpu_regs *regs, struct load_blob *o, const struct linux_kernel *l, uint64_t zp)
{
	const uint64_t gdt[] = { 0, 0, l->entry64 ? CODE64 : CODE32, DATA32 };

	regs->gdtr.base = o->gpa + blob_add(o, gdt, sizeof(gdt), 16);
	regs->gdtr.limit = sizeof(gdt) - 1;
	regs->gpr[GPR_RSI] = zp;
	regs->rip = l->place;
	for (unsigned i = SEG_ES; i <= SEG_GS; i++)
		regs->seg[i].selector = i == SEG_CS ? BOOT_CS : BOOT_DS;
	if (!l->entry64)
		return;
	regs->rip = l->place + ENTRY64;
	regs->cr3 = build_tables(o);
	regs->cr4 = CR4_PAE;
	regs->cr0 |= CR0_PG;
	regs->efer = EFER_LME | EFER_LMA;
	regs->seg[SEG_CS].attr = SEG_ATTR_CODE64;
}

static int check_cmdline(const struct guest_image *img, const struct linux_kernel *l)
{
	if (strlen(img->cmdline) <= l->cmdline_max)
		return 0;
	log_err("guest: the command line has %zu characters, this Linux kernel takes %u", strlen(img->cmdline), l->cmdline_max);
	return -ERR_INVAL;
}

static int load_by(const struct guest_image *img, struct boot_info *b, struct vcpu_regs *regs, bool entry32)
{
	const char *what = "the zero page and tables";
	uint32_t size = 10 * PAGE_SIZE + b->efi_map_size + b->nranges * (uint32_t)sizeof(struct e820_entry) +
			(uint32_t)strlen(img->cmdline), zp;
	struct linux_kernel l;
	struct load_blob o;
	int err = read_header(img, &l) ?: check_cmdline(img, &l);

	l.entry64 = l.entry64 && !entry32;
	load_plan_init(&load_plan, b);
	err = err ?: place_kernel(&l);
	err = err ?: load_copy(&load_plan, l.place, img->addr + l.code, l.code_size, "the Linux kernel");
	err = err ?: place_initrd(img, &l);
	err = err ?: load_initrd(img, &l);
	err = err ?: blob_new(&o, &load_plan, size, what);
	if (err)
		return err;
	zp = blob_add(&o, NULL, PAGE_SIZE, PAGE_SIZE);
	fill_zero_page(o.buf + zp, &o, img, b, &l);
	set_regs(regs, &o, &l, o.gpa + zp);
	log_info("guest: Linux %u.%02u protocol, %s entry, kernel at %#llx, initrd %#llx+%#llx", l.version >> 8,
		  l.version & 0xff, l.entry64 ? "64-bit" : "32-bit", ULL(l.place), ULL(l.initrd), ULL(l.initrd_size));
	return blob_finish(&o, &load_plan, 0, what);
}

static int load_linux(const struct guest_image *img, struct boot_info *b, struct vcpu_regs *regs)
{
	return load_by(img, b, regs, false);
}

static int load_linux32(const struct guest_image *img, struct boot_info *b, struct vcpu_regs *regs)
{
	return load_by(img, b, regs, true);
}

const struct guest_format guest_linux = {
	.name = "Linux bzImage", .protocol = PROTOCOL_LINUX, .detect = detect_linux, .load = load_linux
};
const struct guest_format guest_linux32 = {
	.name = "Linux bzImage", .protocol = PROTOCOL_LINUX32, .detect = detect_linux, .load = load_linux32
};
