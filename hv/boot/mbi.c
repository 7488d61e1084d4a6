/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Copies the multiboot2 information (Multiboot2 Specification 2.0, section 3.6).  Operations on the memory map are in memmap.c.
 */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/string.h>
#include "hv/boot/bootinfo.h"
#include "hv/boot/multiboot2.h"

/* A tag's payload, bounded. */
struct tag {
	uint32_t type;
	const uint8_t *data;
	uint32_t size;
};

/*
 * The boot loader's memory map, the source of the ranges: entries in any order and number, possibly overlapping.  Without a
 * map: the two sizes that a BIOS had before E820.
 */
static struct {
	struct tag map;
	uint32_t stride;
	struct mem_range old[2];
	unsigned nold;
} raw;

static uint32_t get32(const struct tag *t, uint32_t off)
{
	uint32_t v = 0;

	if (off + sizeof(v) <= t->size)
		memcpy(&v, t->data + off, sizeof(v));
	return v;
}

static uint64_t get64(const struct tag *t, uint32_t off)
{
	return get32(t, off) | (uint64_t)get32(t, off + 4) << 32;
}

static void copy_string(char *dst, size_t room, const struct tag *t, uint32_t off, const char *what)
{
	size_t len = off < t->size ? strnlen((const char *)t->data + off, t->size - off) : 0;

	if (len >= room) {
		log_warn("boot: %s of %zu characters is cut to %zu", what, len, room - 1);
		len = room - 1;
	}
	if (len)
		memcpy(dst, t->data + off, len);
	dst[len] = 0;
}

static int parse_module(struct boot_info *b, const struct tag *t)
{
	struct boot_module *m = &b->module[b->nmodules];
	uint32_t start = get32(t, 0), end = get32(t, 4);

	if (b->nmodules == BOOT_MAX_MODULES) {
		log_err("boot: more than %u modules", BOOT_MAX_MODULES);
		return -ERR_INVAL;
	}
	if (end < start) {
		log_err("boot: module %u ends at %#x, before its start %#x", b->nmodules, end, start);
		return -ERR_INVAL;
	}
	m->addr = start;
	m->size = end - start;
	if (BOOT_MAX_TEXT - b->text_used < BOOT_MAX_CMDLINE) {
		log_err("boot: the command lines of %u modules are longer than the %u characters that there is room for",
			b->nmodules, BOOT_MAX_TEXT - BOOT_MAX_CMDLINE);
		return -ERR_INVAL;
	}
	copy_string(b->text + b->text_used, BOOT_MAX_CMDLINE, t, 8, "a module's command line");
	m->cmdline = b->text + b->text_used;
	b->text_used += (unsigned)strlen(m->cmdline) + 1;
	b->nmodules++;
	return 0;
}

static unsigned raw_count(void)
{
	if (!raw.stride)
		return raw.nold;
	return raw.map.size < 28 ? 0 : (raw.map.size - 28) / raw.stride + 1;
}

/* Entry @i; size 0 for none.  The last page of the address space is dropped, so that an end never overflows. */
static struct mem_range raw_get(unsigned i)
{
	struct mem_range r = { 0, 0, MEM_RESERVED };
	uint32_t off = 8 + i * raw.stride, type;

	if (!raw.stride)
		return raw.old[i];
	r.base = get64(&raw.map, off);
	if (r.base > ~0ull - PAGE_SIZE)
		return r;
	r.size = MIN(get64(&raw.map, off + 8), ALIGN_DOWN(~0ull, PAGE_SIZE) - r.base);
	type = get32(&raw.map, off + 16);
	if (type >= MEM_USABLE && type <= MEM_BAD)
		r.type = (enum mem_type)type;
	return r;
}

static int parse_mmap(const struct tag *t)
{
	uint32_t stride = get32(t, 0);

	if (stride < 20 || stride > 4096) {
		log_err("boot: memory map entries of %u bytes", stride);
		return -ERR_INVAL;
	}
	raw.map = *t;
	raw.stride = stride;
	return 0;
}

static void parse_framebuffer(struct boot_info *b, const struct tag *t)
{
	if (t->size < 22)
		return;
	b->has_fb = true;
	b->fb.addr = get64(t, 0);
	b->fb.pitch = get32(t, 8);
	b->fb.width = get32(t, 12);
	b->fb.height = get32(t, 16);
	b->fb.bpp = t->data[20];
	b->fb.type = t->data[21];
	if (b->fb.type != MB2_FB_RGB || t->size < 30)
		return;
	b->fb.red_pos = t->data[24];
	b->fb.red_size = t->data[25];
	b->fb.green_pos = t->data[26];
	b->fb.green_size = t->data[27];
	b->fb.blue_pos = t->data[28];
	b->fb.blue_size = t->data[29];
}

/* Use the newer of the two RSDP tags, in any order (ACPI 6.4 table 5.3: 20 bytes; 36 since ACPI 2.0). */
static void parse_rsdp(struct boot_info *b, const struct tag *t)
{
	uint8_t size = t->type == MB2_TAG_ACPI_NEW ? 36 : 20;

	if (t->size < size || size < b->rsdp_size || memcmp(t->data, "RSD PTR ", 8))
		return;
	memcpy(b->rsdp_copy, t->data, size);
	b->rsdp_size = size;
	b->rsdp = (uintptr_t)b->rsdp_copy;
}

static int parse_efi_map(struct boot_info *b, const struct tag *t)
{
	uint32_t desc = get32(t, 0), size = t->size < 8 ? 0 : t->size - 8;

	if (desc < EFI_DESC_MIN || desc > 512 || desc % 8) {
		log_warn("boot: EFI memory map with descriptors of %u bytes: ignored", desc);
		return 0;
	}
	size -= size % desc;
	/* Hiding Veneer can split one descriptor into three, and so can a trampoline page. */
	if (size > sizeof(b->efi_map) - 4 * desc) {
		log_err("boot: EFI memory map of %u entries, %u bytes: there is room for %u bytes", size / desc, size,
			(unsigned)sizeof(b->efi_map) - 4 * desc);
		return -ERR_INVAL;
	}
	memcpy(b->efi_map, t->data + 8, size);
	b->efi_map_size = size;
	b->efi_desc_size = desc;
	b->efi_desc_version = get32(t, 4);
	return 0;
}

static void parse_small(struct boot_info *b, const struct tag *t)
{
	switch (t->type) {
	case MB2_TAG_CMDLINE:
		copy_string(b->cmdline, sizeof(b->cmdline), t, 0, "the command line");
		break;
	case MB2_TAG_LOADER:
		copy_string(b->loader_name, sizeof(b->loader_name), t, 0, "the boot loader's name");
		break;
	case MB2_TAG_BOOTDEV:
		b->has_bootdev = t->size >= 12;
		b->bootdev = get32(t, 0);
		b->bootdev_part = get32(t, 4);
		b->bootdev_sub = get32(t, 8);
		break;
	case EFI_LAUNCH_TAG:
		if (t->size >= sizeof(b->launch))
			memcpy(&b->launch, t->data, sizeof(b->launch));
		break;
	case MB2_TAG_EFI32:
		b->efi = b->efi32 = true;
		b->efi_systab = get32(t, 0);
		break;
	case MB2_TAG_EFI64:
		b->efi = true;
		b->efi_systab = get64(t, 0);
		break;
	default:
		break;
	}
}

static void parse_meminfo(const struct tag *t)
{
	if (raw.nold)
		return;
	raw.old[0] = (struct mem_range){ 0, (uint64_t)get32(t, 0) << 10, MEM_USABLE };
	raw.old[1] = (struct mem_range){ 1 << 20, (uint64_t)get32(t, 4) << 10, MEM_USABLE };
	raw.nold = 2;
}

static int parse_tag(struct boot_info *b, const struct tag *t)
{
	switch (t->type) {
	case MB2_TAG_MODULE:
		return parse_module(b, t);
	case MB2_TAG_MMAP:
		return parse_mmap(t);
	case MB2_TAG_MEMINFO:
		parse_meminfo(t);
		return 0;
	case MB2_TAG_FRAMEBUFFER:
		parse_framebuffer(b, t);
		return 0;
	case MB2_TAG_ACPI_OLD:
	case MB2_TAG_ACPI_NEW:
		parse_rsdp(b, t);
		return 0;
	case MB2_TAG_EFI_MMAP:
		return parse_efi_map(b, t);
	default:
		parse_small(b, t);
		return 0;
	}
}

/* Read the tag at *@off and move *@off behind it.  1; 0 at the end tag; negative: malformed. */
static int next_tag(const uint8_t *info, uint32_t total, uint32_t *off, struct tag *t)
{
	uint32_t head[2];

	if (*off > total || total - *off < sizeof(head)) {
		log_err("boot: multiboot2 information of %u bytes has no end tag", total);
		return -ERR_INVAL;
	}
	memcpy(head, info + *off, sizeof(head));
	if (head[0] == MB2_TAG_END)
		return 0;
	if (head[1] < sizeof(head) || head[1] > total - *off) {
		log_err("boot: multiboot2 information: tag %u at %#x has length %u of %u", head[0], *off, head[1],
			total - *off);
		return -ERR_INVAL;
	}
	t->type = head[0];
	t->data = info + *off + sizeof(head);
	t->size = head[1] - (uint32_t)sizeof(head);
	*off += MIN(ALIGN_UP((uint64_t)head[1], 8), total - *off);
	return 1;
}

/* Rank of a type: if entries overlap, the type of the highest rank counts. */
static unsigned strength(enum mem_type type)
{
	static const uint8_t order[] = { [MEM_USABLE] = 1, [MEM_ACPI] = 2, [MEM_NVS] = 3, [MEM_RESERVED] = 4, [MEM_BAD] = 5 };

	return order[type];
}

/* The type of the highest rank at @at (0: no entry covers it), and in *@end the next address where that may change. */
static unsigned type_at(uint64_t at, uint64_t *end)
{
	unsigned type = 0;

	*end = ~0ull;
	for (unsigned i = 0; i < raw_count(); i++) {
		struct mem_range r = raw_get(i);
		uint64_t stop = r.base + r.size;

		if (!r.size)
			continue;
		if (r.base > at) {
			*end = MIN(*end, r.base);
		} else if (stop > at) {
			*end = MIN(*end, stop);
			if (!type || strength(r.type) > strength((enum mem_type)type))
				type = r.type;
		}
	}
	return type;
}

/* Append to the sorted map; adjacent ranges of one type are joined.  False if the map is full. */
static bool append(struct boot_info *b, uint64_t base, uint64_t end, enum mem_type type)
{
	struct mem_range *last = b->nranges ? &b->range[b->nranges - 1] : NULL;

	if (base >= end)
		return true;
	if (last && last->type == type && last->base + last->size == base) {
		last->size += end - base;
		return true;
	}
	if (b->nranges == BOOT_MAX_RANGES)
		return false;
	b->range[b->nranges++] = (struct mem_range){ base, end - base, type };
	return true;
}

/* Round usable memory to whole pages, the unit of the guest and of nested paging. */
static void trim_usable(struct boot_info *b)
{
	unsigned n = 0;

	for (unsigned i = 0; i < b->nranges; i++) {
		struct mem_range r = b->range[i];

		if (r.type == MEM_USABLE) {
			uint64_t base = ALIGN_UP(r.base, PAGE_SIZE), end = ALIGN_DOWN(r.base + r.size, PAGE_SIZE);

			if (base >= end)
				continue;
			r.base = base;
			r.size = end - base;
		}
		b->range[n++] = r;
	}
	b->nranges = n;
}

static int build_ranges(struct boot_info *b)
{
	uint64_t at = 0, end;

	b->nranges = 0;
	do {
		unsigned type = type_at(at, &end);

		if (type && !append(b, at, end, (enum mem_type)type)) {
			log_err("boot: the memory map has more than %u ranges", BOOT_MAX_RANGES);
			return -ERR_INVAL;
		}
		at = end;
	} while (end != ~0ull);
	trim_usable(b);
	for (unsigned i = 0; i < b->nranges; i++)
		if (b->range[i].type == MEM_USABLE)
			return 0;
	log_err("boot: the boot loader gave no memory map with usable memory");
	return -ERR_INVAL;
}

static int parse_all(struct boot_info *b, const uint8_t *info, uint32_t total)
{
	uint32_t off = 8;
	struct tag t;
	int more;

	memset(&raw, 0, sizeof(raw));
	while ((more = next_tag(info, total, &off, &t)) > 0) {
		int err = parse_tag(b, &t);

		if (err)
			return err;
	}
	return more;
}

int boot_info_parse(struct boot_info *b, const void *info)
{
	uint32_t total;
	int err;

	memset(b, 0, sizeof(*b));
	memcpy(&total, info, sizeof(total));
	err = total < 16 ? -ERR_INVAL : 0;
	if (err)
		log_err("boot: multiboot2 information of %u bytes", total);
	return err ?: parse_all(b, info, total) ?: build_ranges(b);
}
