/* SPDX-License-Identifier: BSD-2-Clause */
/* Load kernels of the Multiboot Specification 0.6.96 (multiboot1).  What both multiboot versions share is in load_plan.c. */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/string.h>
#include "hv/load/elf.h"
#include "hv/exit/symbols.h"

/* The header, section 3.1. */
#define MB1_SEARCH		8192u
#define MB1_HEADER_MAGIC	0x1badb002u
#define MB1_BOOT_MAGIC		0x2badb002u
#define MB1_WANT_ALIGN		BIT(0)
#define MB1_WANT_MEMORY		BIT(1)
#define MB1_WANT_VIDEO		BIT(2)
#define MB1_MUST_KNOW		GENMASK(15, 0)
#define MB1_HAVE_ADDRESSES	BIT(16)

struct mb1_header {
	uint32_t magic, flags, checksum;
	uint32_t header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr;	/* with MB1_HAVE_ADDRESSES */
	uint32_t mode_type, width, height, depth;					/* with MB1_WANT_VIDEO */
};
#define MB1_SHORT_HEADER	12u
#define MB1_MODE_TEXT		1u	/* in mode_type; 0: linear graphics */

/* The information, section 3.3: the fields that each flag stands for. */
#define MB1_INFO_MEMORY		BIT(0)
#define MB1_INFO_BOOTDEV	BIT(1)
#define MB1_INFO_CMDLINE	BIT(2)
#define MB1_INFO_MODS		BIT(3)
#define MB1_INFO_ELF		BIT(5)
#define MB1_INFO_MMAP		BIT(6)
#define MB1_INFO_LOADER		BIT(9)
#define MB1_INFO_FRAMEBUFFER	BIT(12)

struct mb1_info {
	uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr;
	uint32_t elf_num, elf_size, elf_addr, elf_shndx;
	uint32_t mmap_length, mmap_addr, drives_length, drives_addr, config_table, boot_loader_name, apm_table;
	uint32_t vbe_control_info, vbe_mode_info;
	uint16_t vbe_mode, vbe_interface_seg, vbe_interface_off, vbe_interface_len;
	uint64_t framebuffer_addr;
	uint32_t framebuffer_pitch, framebuffer_width, framebuffer_height;
	uint8_t framebuffer_bpp, framebuffer_type, color_info[6];
} PACKED;

struct mb1_module {
	uint32_t start, end, string, reserved;
};

/* @size is without the field itself. */
struct mb1_mmap {
	uint32_t size;
	uint64_t base, length;
	uint32_t type;
} PACKED;


/* Return the header's offset in the file, or -1. */
static int64_t find_header(const struct guest_image *img, struct mb1_header *h)
{
	uint64_t limit = MIN(img->size, (uint64_t)MB1_SEARCH);

	for (uint64_t off = 0; off + MB1_SHORT_HEADER <= limit; off += 4) {
		memset(h, 0, sizeof(*h));
		memcpy(h, img->data + off, MB1_SHORT_HEADER);
		if (h->magic != MB1_HEADER_MAGIC || h->magic + h->flags + h->checksum)
			continue;
		memcpy(h, img->data + off, MIN(img->size - off, (uint64_t)sizeof(*h)));
		return (int64_t)off;
	}
	return -1;
}

static bool detect_multiboot1(const struct guest_image *img)
{
	struct mb1_header h;

	return find_header(img, &h) >= 0;
}

/* Section 3.1.3: the file is loaded in one piece, to the address that the header gives. */
static int address_layout(const struct guest_image *img, const struct mb1_header *h, uint64_t off, struct kernel_layout *k)
{
	uint64_t before = (uint64_t)h->header_addr - h->load_addr, start, len;

	if (h->header_addr < h->load_addr || before > off || (h->load_end_addr && h->load_end_addr < h->load_addr)) {
		log_err("guest: the multiboot1 header at %#llx of the file has wrong addresses: header %#x, load %#x, end %#x",
			(unsigned long long)off, h->header_addr, h->load_addr, h->load_end_addr);
		return -ERR_INVAL;
	}
	start = off - before;
	len = h->load_end_addr ? h->load_end_addr - h->load_addr : img->size - start;

	uint64_t memsz = h->bss_end_addr > h->load_addr ? MAX(len, (uint64_t)h->bss_end_addr - h->load_addr) : len;
	struct kernel_segment s = { h->load_addr, h->load_addr, start, len, memsz };

	k->entry = h->entry_addr;
	return layout_add(img, k, &s);
}

static int kernel_layout(const struct guest_image *img, struct kernel_layout *k)
{
	struct mb1_header h;
	int64_t off = find_header(img, &h);

	memset(k, 0, sizeof(*k));
	if (h.flags & MB1_MUST_KNOW & ~(MB1_WANT_ALIGN | MB1_WANT_MEMORY | MB1_WANT_VIDEO)) {
		log_err("guest: the multiboot1 header requires features %#x; known are bits 0 to 2", h.flags & MB1_MUST_KNOW);
		return -ERR_NOTSUP;
	}
	if (h.flags & MB1_HAVE_ADDRESSES)
		return address_layout(img, &h, (uint64_t)off, k);
	if (elf_detect(img))
		return elf_layout(img, k);
	log_err("guest: the multiboot1 kernel is no ELF file and its header gives no addresses");
	return -ERR_INVAL;
}

/* 3.1.4: the preferred mode.  This flag is one of the lower ones: the kernel must get a mode, but any mode will do. */
static int check_screen(const struct guest_image *img, const struct boot_info *b)
{
	struct mb1_header h;

	find_header(img, &h);
	if (!(h.flags & MB1_WANT_VIDEO))
		return 0;

	bool text = h.mode_type == MB1_MODE_TEXT;
	struct screen_wish w = {
		.graphics = !text, .graphics_required = !text, .text = text, .any_required = true, .width = h.width,
		.height = h.height, .depth = h.depth,
	};

	return load_check_screen(b, &w, "multiboot1");
}

static uint32_t gpa_of(const struct load_blob *o, uint32_t off)
{
	return (uint32_t)(o->gpa + off);
}

static void add_modules(struct load_blob *o, struct mb1_info *i, const struct guest_image *img, const uint64_t *place)
{
	struct mb1_module m[BOOT_MAX_MODULES];

	for (unsigned n = 0; n < img->nmodules; n++) {
		m[n].start = (uint32_t)place[n];
		m[n].end = (uint32_t)(place[n] + img->module[n]->size);
		m[n].string = gpa_of(o, blob_add_string(o, img->module[n]->cmdline));
		m[n].reserved = 0;
	}
	i->flags |= MB1_INFO_MODS;
	i->mods_count = img->nmodules;
	i->mods_addr = gpa_of(o, blob_add(o, m, img->nmodules * (uint32_t)sizeof(m[0]), 16));
}

static void add_mmap(struct load_blob *o, struct mb1_info *i, const struct boot_info *b)
{
	i->flags |= MB1_INFO_MEMORY | MB1_INFO_MMAP;
	i->mem_lower = boot_info_mem_lower(b);
	i->mem_upper = boot_info_mem_upper(b);
	i->mmap_addr = gpa_of(o, blob_add(o, NULL, 0, 8));
	for (unsigned n = 0; n < b->nranges; n++) {
		struct mb1_mmap e = { sizeof(e) - 4, b->range[n].base, b->range[n].size, (uint32_t)b->range[n].type };

		blob_add(o, &e, sizeof(e), 4);
	}
	i->mmap_length = b->nranges * (uint32_t)sizeof(struct mb1_mmap);
}

/* The drive and its three partition levels from the top byte down; 0xff: none.  multiboot2 has a word for each. */
static void add_bootdev(struct mb1_info *i, const struct boot_info *b)
{
	if (!b->has_bootdev)
		return;
	i->flags |= MB1_INFO_BOOTDEV;
	i->boot_device = b->bootdev << 24 | (b->bootdev_part & 0xff) << 16 | (b->bootdev_sub & 0xff) << 8 | 0xff;
}

static void add_framebuffer(struct mb1_info *i, const struct boot_info *b)
{
	const uint8_t color[6] = { b->fb.red_pos, b->fb.red_size, b->fb.green_pos, b->fb.green_size, b->fb.blue_pos,
				   b->fb.blue_size };

	if (!b->has_fb)
		return;
	i->flags |= MB1_INFO_FRAMEBUFFER;
	i->framebuffer_addr = b->fb.addr;
	i->framebuffer_pitch = b->fb.pitch;
	i->framebuffer_width = b->fb.width;
	i->framebuffer_height = b->fb.height;
	i->framebuffer_bpp = b->fb.bpp;
	i->framebuffer_type = b->fb.type;
	memcpy(i->color_info, color, sizeof(color));
}

static uint32_t info_size(const struct guest_image *img, const struct boot_info *b, const struct kernel_layout *k)
{
	uint32_t size = (uint32_t)sizeof(struct mb1_info) + (uint32_t)strlen(img->cmdline) + 64;

	for (unsigned i = 0; i < img->nmodules; i++)
		size += (uint32_t)strlen(img->module[i]->cmdline) + 1 + (uint32_t)sizeof(struct mb1_module);
	return size + b->nranges * (uint32_t)sizeof(struct mb1_mmap) + k->shnum * k->shentsize;
}

static void build_info(struct load_blob *o, const struct guest_image *img, const struct boot_info *b,
		       const struct kernel_layout *k, const uint64_t *place)
{
	struct mb1_info i = { .flags = MB1_INFO_CMDLINE | MB1_INFO_LOADER };
	uint32_t sections = 0;

	blob_add(o, NULL, sizeof(i), 8);
	i.cmdline = gpa_of(o, blob_add_string(o, img->cmdline));
	i.boot_loader_name = gpa_of(o, blob_add_string(o, "Veneer"));
	add_modules(o, &i, img, place);
	add_mmap(o, &i, b);
	add_bootdev(&i, b);
	add_framebuffer(&i, b);
	if (layout_sections(img, k, &load_plan, o, &sections)) {
		i.flags |= MB1_INFO_ELF;
		i.elf_num = k->shnum;
		i.elf_size = k->shentsize;
		i.elf_addr = gpa_of(o, sections);
		i.elf_shndx = k->shstrndx;
	}
	memcpy(o->buf, &i, sizeof(i));
}

static int load_multiboot1(const struct guest_image *img, struct boot_info *b, struct vcpu_regs *regs)
{
	const char *what = "the multiboot1 information";
	uint64_t place[BOOT_MAX_MODULES];
	struct kernel_layout k;
	struct load_blob info;
	int err = check_screen(img, b) ?: kernel_layout(img, &k) ?: layout_check_entry(&k);

	load_plan_init(&load_plan, b);
	err = err ?: layout_load(img, &k, &load_plan, 0);
	err = err ?: load_modules(&load_plan, img, k.end, place);
	err = err ?: blob_new(&info, &load_plan, info_size(img, b, &k), what);
	if (err)
		return err;
	if (IS_ENABLED(CONFIG_CRASH_REPORT))
		symbols_keep(img, &k, 0);
	build_info(&info, img, b, &k, place);
	err = blob_finish(&info, &load_plan, 0, what);
	regs->rip = k.entry;
	regs->gpr[GPR_RAX] = MB1_BOOT_MAGIC;
	regs->gpr[GPR_RBX] = info.gpa;
	return err;
}

const struct guest_format guest_multiboot1 = {
	.name = "multiboot1", .protocol = PROTOCOL_MULTIBOOT1, .detect = detect_multiboot1, .load = load_multiboot1
};
