/* SPDX-License-Identifier: BSD-2-Clause */
/* Load kernels of the Multiboot2 Specification 2.0.  What both multiboot versions share is in load_plan.c. */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/string.h>
#include "hv/load/elf.h"
#include "hv/boot/multiboot2.h"
#include "hv/exit/symbols.h"

#define ULL(x)	((unsigned long long)(x))

/* The contents of the header's tags. */
struct wishes {
	uint64_t off;			/* of the header in the file */
	bool has_address, has_entry, relocatable, efi_entry;
	uint32_t header_addr, load_addr, load_end, bss_end;
	uint32_t entry;
	uint32_t min, max, align, preference;
	struct screen_wish screen;
};

struct header_tag {
	uint16_t type, flags;
	uint32_t size;
};


/* --- the header --- */

static int64_t find_header(const struct guest_image *img, struct mb2_header *h)
{
	uint64_t limit = MIN(img->size, (uint64_t)MB2_SEARCH);

	for (uint64_t off = 0; off + sizeof(*h) <= limit; off += MB2_ALIGN) {
		memcpy(h, img->data + off, sizeof(*h));
		if (h->magic == MB2_HEADER_MAGIC && !(h->magic + h->arch + h->length + h->checksum))
			return (int64_t)off;
	}
	return -1;
}

static bool detect_multiboot2(const struct guest_image *img)
{
	struct mb2_header h;

	return find_header(img, &h) >= 0;
}

static uint32_t word(const uint8_t *tag, uint32_t size, uint32_t off)
{
	uint32_t v = 0;

	if (off + sizeof(v) <= size)
		memcpy(&v, tag + off, sizeof(v));
	return v;
}

/* Veneer must know every tag that is requested, but need not have it (a machine may have no framebuffer). */
static int check_request(const uint8_t *tag, uint32_t size, bool optional)
{
	for (uint32_t off = 8; off + 4 <= size; off += 4) {
		uint32_t type = word(tag, size, off);

		if (type <= MB2_TAG_LAST || optional)
			continue;
		log_err("guest: the multiboot2 header requires information of the unknown type %u", type);
		return -ERR_NOTSUP;
	}
	return 0;
}

static int check_relocatable(const struct wishes *w)
{
	if (w->align && !(w->align & (w->align - 1)) && w->max > w->min)
		return 0;
	log_err("guest: the multiboot2 header's relocatable tag is wrong: min %#x, max %#x, alignment %#x", w->min, w->max,
		w->align);
	return -ERR_INVAL;
}

/* 3.1.9: whether the kernel needs a console, and whether it supports the text screen. */
static void read_console(struct screen_wish *s, uint32_t flags)
{
	s->any_required = flags & MB2_CONSOLE_REQUIRED;
	s->text = flags & MB2_CONSOLE_TEXT;
}

/* 3.1.10. */
static void read_framebuffer(struct screen_wish *s, const uint8_t *tag, uint32_t size, bool optional)
{
	s->graphics = true;
	s->graphics_required = !optional;
	s->width = word(tag, size, 8);
	s->height = word(tag, size, 12);
	s->depth = word(tag, size, 16);
}

static int read_tag(const struct header_tag *t, const uint8_t *tag, struct wishes *w)
{
	bool optional = t->flags & MB2_HDR_OPTIONAL;

	switch (t->type) {
	case MB2_HDR_REQUEST:
		return check_request(tag, t->size, optional);
	case MB2_HDR_ADDRESS:
		w->has_address = true;
		w->header_addr = word(tag, t->size, 8);
		w->load_addr = word(tag, t->size, 12);
		w->load_end = word(tag, t->size, 16);
		w->bss_end = word(tag, t->size, 20);
		return 0;
	case MB2_HDR_ENTRY:
		w->has_entry = true;
		w->entry = word(tag, t->size, 8);
		return 0;
	case MB2_HDR_RELOCATABLE:
		w->relocatable = true;
		w->min = word(tag, t->size, 8);
		w->max = word(tag, t->size, 12);
		w->align = word(tag, t->size, 16);
		w->preference = word(tag, t->size, 20);
		return check_relocatable(w);
	case MB2_HDR_ENTRY_EFI32:
	case MB2_HDR_ENTRY_EFI64:
		w->efi_entry = true;
		return 0;
	case MB2_HDR_CONSOLE:
		read_console(&w->screen, word(tag, t->size, 8));
		return 0;
	case MB2_HDR_FRAMEBUFFER:
		read_framebuffer(&w->screen, tag, t->size, optional);
		return 0;
	case MB2_HDR_MODULE_ALIGN:	/* all modules are page-aligned */
	case MB2_HDR_EFI_BS:		/* the kernel also has an entry without boot services, or is refused below */
		return 0;
	default:
		if (optional)
			return 0;
		log_err("guest: the multiboot2 header has a required tag of the unknown type %u", t->type);
		return -ERR_NOTSUP;
	}
}

static int read_wishes(const struct guest_image *img, struct wishes *w)
{
	struct mb2_header h;
	int64_t at = find_header(img, &h);
	uint64_t off, end;

	memset(w, 0, sizeof(*w));
	w->off = (uint64_t)at;
	if (h.arch != MB2_ARCH_I386) {
		log_err("guest: the multiboot2 header is for architecture %u, not for x86 (0)", h.arch);
		return -ERR_NOTSUP;
	}
	end = w->off + h.length;
	if (h.length < sizeof(h) || end > MIN(img->size, (uint64_t)MB2_SEARCH)) {
		log_err("guest: the multiboot2 header at %#llx of the file has length %u, beyond the file's first 32 KiB",
			ULL(w->off), h.length);
		return -ERR_INVAL;
	}
	for (off = w->off + sizeof(h); off + sizeof(struct header_tag) <= end;) {
		struct header_tag t;
		int err;

		memcpy(&t, img->data + off, sizeof(t));
		if (t.type == MB2_HDR_END)
			return 0;
		if (t.size < sizeof(t) || t.size > end - off) {
			log_err("guest: the multiboot2 header's tag %u has length %u", t.type, t.size);
			return -ERR_INVAL;
		}
		err = read_tag(&t, img->data + off, w);
		if (err)
			return err;
		off += ALIGN_UP((uint64_t)t.size, 8);
	}
	log_err("guest: the multiboot2 header has no end tag");
	return -ERR_INVAL;
}

/* --- the layout --- */

/* The address tag (3.1.5): the file is loaded in one piece; with a load address of -1 from its beginning. */
static int address_layout(const struct guest_image *img, const struct wishes *w, struct kernel_layout *k)
{
	bool whole = w->load_addr == ~0u;
	uint64_t load = whole ? (uint64_t)w->header_addr - w->off : w->load_addr;
	uint64_t before = (uint64_t)w->header_addr - load, len;

	if (load > w->header_addr || before > w->off || (w->load_end && w->load_end < load)) {
		log_err("guest: the multiboot2 header at %#llx of the file has wrong addresses: header %#x, load %#x, end %#x",
			ULL(w->off), w->header_addr, w->load_addr, w->load_end);
		return -ERR_INVAL;
	}
	len = w->load_end ? w->load_end - load : img->size - (w->off - before);

	struct kernel_segment s = { load, load, w->off - before, len, w->bss_end > load ? MAX(len, w->bss_end - load) : len };

	if (!w->has_entry) {
		log_err("guest: the multiboot2 header gives addresses but no 32-bit entry point%s",
			w->efi_entry ? " (its EFI entry needs boot services, which have ended)" : "");
		return -ERR_NOTSUP;
	}
	return layout_add(img, k, &s);
}

static int kernel_layout(const struct guest_image *img, const struct wishes *w, struct kernel_layout *k)
{
	int err;

	memset(k, 0, sizeof(*k));
	if (w->has_address) {
		err = address_layout(img, w, k);
	} else if (elf_detect(img)) {
		err = elf_layout(img, k);
	} else {
		log_err("guest: the multiboot2 kernel is no ELF file and its header gives no addresses");
		err = -ERR_INVAL;
	}
	if (!err && w->has_entry)
		k->entry = w->entry;
	return err ?: layout_check_entry(k);
}

/* 3.1.14: min is the lowest start, max the highest end. */
static bool may_stay(const struct wishes *w, const struct kernel_layout *k)
{
	return k->base >= w->min && k->end - 1 <= w->max && !(k->base & (w->align - 1)) &&
	       w->preference != MB2_PREFER_HIGH && layout_fits(k, &load_plan, 0);
}

/*
 * Return how far to move the kernel from the address that it is linked for: 0 if that place is allowed and free, or if the
 * kernel cannot be moved (claiming the place then says what is in the way).
 */
static int choose_place(const struct wishes *w, const struct kernel_layout *k, uint64_t *delta)
{
	uint64_t size = k->end - k->base, at;
	unsigned how = w->preference == MB2_PREFER_HIGH ? BOOT_FIND_HIGH : 0;

	*delta = 0;
	if (!w->relocatable || may_stay(w, k))
		return 0;
	at = load_find(&load_plan, how, size, MAX(w->align, PAGE_SIZE), MAX((uint64_t)w->min, LOAD_MIB),
		       (uint64_t)w->max + 1, "the kernel");
	if (!at) {
		log_err("guest: no free place for the relocatable kernel: %#llx bytes, aligned to %#x, in %#x-%#x", ULL(size),
			w->align, w->min, w->max);
		return -ERR_NOMEM;
	}
	/* Only the total size was needed: the segments claim their own parts. */
	load_plan.nclaims--;
	*delta = at - k->base;
	log_info("guest: the kernel is moved from %#llx to %#llx", ULL(k->base), ULL(at));
	return 0;
}

/* --- the information --- */

/* Begin a tag; end_tag() sets its size. */
static uint32_t begin_tag(struct load_blob *o, uint32_t type)
{
	uint32_t head[2] = { type, 0 };

	return blob_add(o, head, sizeof(head), 8);
}

static void end_tag(struct load_blob *o, uint32_t at)
{
	uint32_t size = o->used - at;

	if (!o->overflow)
		memcpy(o->buf + at + 4, &size, sizeof(size));
}

static void add_tag(struct load_blob *o, uint32_t type, const void *data, uint32_t size)
{
	uint32_t at = begin_tag(o, type);

	blob_add(o, data, size, 1);
	end_tag(o, at);
}

static void add_modules(struct load_blob *o, const struct guest_image *img, const uint64_t *place)
{
	for (unsigned i = 0; i < img->nmodules; i++) {
		const struct boot_module *m = img->module[i];
		uint32_t span[2] = { (uint32_t)place[i], (uint32_t)(place[i] + m->size) };
		uint32_t at = begin_tag(o, MB2_TAG_MODULE);

		blob_add(o, span, sizeof(span), 4);
		blob_add_string(o, m->cmdline);
		end_tag(o, at);
	}
}

static void add_memory(struct load_blob *o, const struct boot_info *b)
{
	uint32_t basic[2] = { boot_info_mem_lower(b), boot_info_mem_upper(b) }, format[2] = { 24, 0 }, at;

	add_tag(o, MB2_TAG_MEMINFO, basic, sizeof(basic));
	at = begin_tag(o, MB2_TAG_MMAP);
	blob_add(o, format, sizeof(format), 4);
	for (unsigned i = 0; i < b->nranges; i++) {
		struct { uint64_t base, length; uint32_t type, zero; } e = {
			b->range[i].base, b->range[i].size, (uint32_t)b->range[i].type, 0
		};

		blob_add(o, &e, sizeof(e), 8);
	}
	end_tag(o, at);
}

static void add_framebuffer(struct load_blob *o, const struct boot_info *b)
{
	uint32_t size[3] = { b->fb.pitch, b->fb.width, b->fb.height };
	uint8_t rest[10] = { b->fb.bpp, b->fb.type, 0, 0, b->fb.red_pos, b->fb.red_size, b->fb.green_pos, b->fb.green_size,
			     b->fb.blue_pos, b->fb.blue_size };
	uint32_t at;

	if (!b->has_fb)
		return;
	at = begin_tag(o, MB2_TAG_FRAMEBUFFER);
	blob_add(o, &b->fb.addr, sizeof(b->fb.addr), 4);
	blob_add(o, size, sizeof(size), 4);
	blob_add(o, rest, b->fb.type == MB2_FB_RGB ? 10 : 4, 1);
	end_tag(o, at);
}

static void add_firmware(struct load_blob *o, const struct boot_info *b)
{
	uint32_t format[2] = { b->efi_desc_size, b->efi_desc_version };
	uint32_t dev[3] = { b->bootdev, b->bootdev_part, b->bootdev_sub };
	uint32_t systab32 = (uint32_t)b->efi_systab, at;

	if (b->has_bootdev)
		add_tag(o, MB2_TAG_BOOTDEV, dev, sizeof(dev));
	/* The first 20 bytes of a newer RSDP are an older one. */
	if (b->rsdp_size)
		add_tag(o, MB2_TAG_ACPI_OLD, b->rsdp_copy, 20);
	if (b->rsdp_size > 20)
		add_tag(o, MB2_TAG_ACPI_NEW, b->rsdp_copy, b->rsdp_size);
	if (b->efi && b->efi32)
		add_tag(o, MB2_TAG_EFI32, &systab32, sizeof(systab32));
	else if (b->efi)
		add_tag(o, MB2_TAG_EFI64, &b->efi_systab, sizeof(b->efi_systab));
	if (!b->efi_map_size)
		return;
	at = begin_tag(o, MB2_TAG_EFI_MMAP);
	blob_add(o, format, sizeof(format), 4);
	blob_add(o, b->efi_map, b->efi_map_size, 1);
	end_tag(o, at);
}

/* 3.6.7, as GRUB writes and kernels read it: the three numbers are 32-bit words. */
static void add_sections(struct load_blob *o, const struct guest_image *img, const struct kernel_layout *k)
{
	uint32_t head[3] = { k->shnum, k->shentsize, k->shstrndx }, at, table;

	if (!k->shnum)
		return;
	at = begin_tag(o, MB2_TAG_ELF_SECTIONS);
	blob_add(o, head, sizeof(head), 4);
	layout_sections(img, k, &load_plan, o, &table);
	end_tag(o, at);
}

static uint32_t info_size(const struct guest_image *img, const struct boot_info *b, const struct kernel_layout *k)
{
	uint32_t size = 512 + (uint32_t)strlen(img->cmdline);

	for (unsigned i = 0; i < img->nmodules; i++)
		size += (uint32_t)strlen(img->module[i]->cmdline) + 32;
	return size + b->nranges * 24 + b->efi_map_size + k->shnum * k->shentsize;
}

static void build_info(struct load_blob *o, const struct guest_image *img, const struct boot_info *b, const struct wishes *w,
		       const struct kernel_layout *k, const uint64_t *place, uint64_t delta)
{
	uint32_t base = (uint32_t)(k->base + delta);

	blob_add(o, NULL, 8, 8);
	add_tag(o, MB2_TAG_CMDLINE, img->cmdline, (uint32_t)strlen(img->cmdline) + 1);
	add_tag(o, MB2_TAG_LOADER, "Veneer", sizeof("Veneer"));
	add_modules(o, img, place);
	add_memory(o, b);
	add_framebuffer(o, b);
	add_firmware(o, b);
	add_sections(o, img, k);
	if (w->relocatable)
		add_tag(o, MB2_TAG_LOAD_BASE, &base, sizeof(base));
	add_tag(o, MB2_TAG_END, NULL, 0);
	if (!o->overflow)
		memcpy(o->buf, &o->used, sizeof(o->used));
}

static int load_multiboot2(const struct guest_image *img, struct boot_info *b, struct vcpu_regs *regs)
{
	const char *what = "the multiboot2 information";
	uint64_t place[BOOT_MAX_MODULES], delta = 0;
	struct kernel_layout k;
	struct load_blob info;
	struct wishes w;
	int err;

	load_plan_init(&load_plan, b);
	err = read_wishes(img, &w) ?: load_check_screen(b, &w.screen, "multiboot2") ?: kernel_layout(img, &w, &k);
	err = err ?: choose_place(&w, &k, &delta);
	err = err ?: layout_load(img, &k, &load_plan, delta);
	err = err ?: load_modules(&load_plan, img, k.end + delta, place);
	err = err ?: blob_new(&info, &load_plan, info_size(img, b, &k), what);
	if (err)
		return err;
	if (IS_ENABLED(CONFIG_CRASH_REPORT))
		symbols_keep(img, &k, delta);
	build_info(&info, img, b, &w, &k, place, delta);
	err = blob_finish(&info, &load_plan, 0, what);
	regs->rip = k.entry + delta;
	regs->gpr[GPR_RAX] = MB2_BOOT_MAGIC;
	regs->gpr[GPR_RBX] = info.gpa;
	return err;
}

const struct guest_format guest_multiboot2 = {
	.name = "multiboot2", .protocol = PROTOCOL_MULTIBOOT2, .detect = detect_multiboot2, .load = load_multiboot2
};
