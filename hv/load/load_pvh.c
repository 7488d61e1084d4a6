/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Load kernels with a PVH entry: ELF files with a note that names a 32-bit entry point (Xen's public documentation, "x86/HVM
 * direct boot ABI").  A decompressed Linux kernel (vmlinux) and several unikernels have that note.
 */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/string.h>
#include "hv/load/elf.h"
#include "hv/exit/symbols.h"

#define NOTE_NAME	"Xen"
#define NOTE_PHYS32	18u		/* the entry's physical address */

struct note {
	uint32_t name_size, desc_size, type;
};

#define PVH_MAGIC	0x336ec578u
#define PVH_VERSION	1u		/* the one with a memory map */

struct pvh_start {
	uint32_t magic, version, flags, nmodules;
	uint64_t modules, cmdline, rsdp;
	uint64_t memmap;
	uint32_t nmemmap, reserved;
};

struct pvh_module {
	uint64_t addr, size, cmdline, reserved;
};

struct pvh_range {
	uint64_t base, size;
	uint32_t type, reserved;	/* E820's types */
};

#define TSS_LIMIT	0x67u


/* Return the entry that the notes at [off, off + size) of the file name, or 0. */
static uint64_t entry_in_notes(const struct guest_image *img, uint64_t off, uint64_t size)
{
	uint64_t end = off + size, entry = 0;
	struct note n;

	while (end - off >= sizeof(n)) {
		uint64_t name = off + sizeof(n), desc;

		memcpy(&n, img->data + off, sizeof(n));
		desc = name + ALIGN_UP((uint64_t)n.name_size, 4);
		off = desc + ALIGN_UP((uint64_t)n.desc_size, 4);
		if (desc > end || n.desc_size > end - desc)
			return 0;
		if (n.type == NOTE_PHYS32 && n.name_size == sizeof(NOTE_NAME) && (n.desc_size == 4 || n.desc_size == 8) &&
		    !memcmp(img->data + name, NOTE_NAME, sizeof(NOTE_NAME))) {
			memcpy(&entry, img->data + desc, n.desc_size);
			return entry;
		}
		if (off > end)
			return 0;
	}
	return 0;
}

static uint64_t find_entry(const struct guest_image *img)
{
	struct kernel_segment s;
	uint64_t entry = 0;

	for (unsigned i = 0; !entry && elf_note_segment(img, i, &s); i++)
		entry = entry_in_notes(img, s.offset, s.filesz);
	return entry;
}

static bool detect_pvh(const struct guest_image *img)
{
	return elf_detect(img) && find_entry(img);
}

static void add_modules(struct load_blob *o, struct pvh_start *start, const struct guest_image *img, const uint64_t *place)
{
	struct pvh_module m[BOOT_MAX_MODULES];

	memset(m, 0, sizeof(m));
	for (unsigned i = 0; i < img->nmodules; i++) {
		m[i].addr = place[i];
		m[i].size = img->module[i]->size;
		m[i].cmdline = o->gpa + blob_add_string(o, img->module[i]->cmdline);
	}
	start->nmodules = img->nmodules;
	if (img->nmodules)
		start->modules = o->gpa + blob_add(o, m, img->nmodules * (uint32_t)sizeof(m[0]), 8);
}

static void add_map(struct load_blob *o, struct pvh_start *start, const struct boot_info *b)
{
	start->memmap = o->gpa + blob_add(o, NULL, 0, 8);
	start->nmemmap = b->nranges;
	for (unsigned i = 0; i < b->nranges; i++) {
		struct pvh_range r = { b->range[i].base, b->range[i].size, (uint32_t)b->range[i].type, 0 };

		blob_add(o, &r, sizeof(r), 8);
	}
}

static void build_start(struct load_blob *o, const struct guest_image *img, const struct boot_info *b, const uint64_t *place)
{
	struct pvh_start start = { .magic = PVH_MAGIC, .version = PVH_VERSION, .rsdp = b->rsdp };

	blob_add(o, NULL, sizeof(start), 8);
	start.cmdline = o->gpa + blob_add_string(o, img->cmdline);
	add_modules(o, &start, img, place);
	add_map(o, &start, b);
	/* The guest cannot see Veneer's copy of the RSDP. */
	if (b->rsdp_size && b->rsdp == (uintptr_t)b->rsdp_copy)
		start.rsdp = o->gpa + blob_add(o, b->rsdp_copy, b->rsdp_size, 16);
	memcpy(o->buf, &start, sizeof(start));
}

static uint32_t start_size(const struct guest_image *img, const struct boot_info *b)
{
	uint32_t size = (uint32_t)sizeof(struct pvh_start) + (uint32_t)strlen(img->cmdline) + 128;

	for (unsigned i = 0; i < img->nmodules; i++)
		size += (uint32_t)strlen(img->module[i]->cmdline) + 1 + (uint32_t)sizeof(struct pvh_module);
	return size + b->nranges * (uint32_t)sizeof(struct pvh_range);
}

static int kernel_layout(const struct guest_image *img, struct kernel_layout *k)
{
	int err;

	memset(k, 0, sizeof(*k));
	err = elf_layout(img, k);
	k->entry = find_entry(img);
	return err ?: layout_check_entry(k);
}

static int load_pvh(const struct guest_image *img, struct boot_info *b, struct vcpu_regs *regs)
{
	const char *what = "the PVH start information";
	uint64_t place[BOOT_MAX_MODULES];
	struct kernel_layout k;
	struct load_blob info;
	int err = kernel_layout(img, &k);

	load_plan_init(&load_plan, b);
	err = err ?: layout_load(img, &k, &load_plan, 0);
	err = err ?: load_modules(&load_plan, img, k.end, place);
	err = err ?: blob_new(&info, &load_plan, start_size(img, b), what);
	if (err)
		return err;
	if (IS_ENABLED(CONFIG_CRASH_REPORT))
		symbols_keep(img, &k, 0);
	build_start(&info, img, b, place);
	err = blob_finish(&info, &load_plan, 0, what);
	regs->rip = k.entry;
	regs->gpr[GPR_RBX] = info.gpa;
	regs->seg[SEG_TR].limit = TSS_LIMIT;
	return err;
}

const struct guest_format guest_pvh = { .name = "PVH", .protocol = PROTOCOL_PVH, .detect = detect_pvh, .load = load_pvh };
