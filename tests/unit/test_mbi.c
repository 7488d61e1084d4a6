/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/boot/mbi.c hv/boot/memmap.c */
/* The boot loader's multiboot2 information: memory maps, modules, ACPI and SMBIOS tables, and damaged information. */
#include <string.h>
#include <veneer/err.h>
#include "host/host.h"
#include "hv/boot/bootinfo.h"
#include "hv/boot/multiboot2.h"

static struct boot_info b;
static uint8_t info[131072];
static uint32_t used;

/* --- a builder of multiboot2 information --- */

static void begin(void) { memset(info, 0xcc, sizeof(info)); used = 8; }

static void tag(uint32_t type, const void *data, uint32_t size)
{
	uint32_t head[2] = { type, size + 8 };

	memcpy(info + used, head, 8);
	if (size)
		memcpy(info + used + 8, data, size);
	used = ALIGN_UP(used + 8 + size, 8);
}

static int finish(void)
{
	uint32_t head[2];

	tag(MB2_TAG_END, NULL, 0);
	head[0] = used;
	head[1] = 0;
	memcpy(info, head, 8);
	return boot_info_parse(&b, info);
}

struct entry { uint64_t base, len; uint32_t type, zero; };

static void mmap_tag(const struct entry *e, unsigned n, uint32_t stride)
{
	static uint8_t buf[65536];
	uint32_t head[2] = { stride, 0 };

	memset(buf, 0xee, sizeof(buf));
	memcpy(buf, head, 8);
	for (unsigned i = 0; i < n; i++)
		memcpy(buf + 8 + i * stride, &e[i], sizeof(*e));
	tag(MB2_TAG_MMAP, buf, 8 + n * stride);
}

static void module_tag(uint32_t start, uint32_t end, const char *line)
{
	uint8_t buf[4096];
	uint32_t head[2] = { start, end };

	memcpy(buf, head, 8);
	memcpy(buf + 8, line, strlen(line) + 1);
	tag(MB2_TAG_MODULE, buf, 9 + (uint32_t)strlen(line));
}

static const struct entry pc[] = {
	{ 0, 0x9fc00, 1 }, { 0x9fc00, 0x400, 2 }, { 0xf0000, 0x10000, 2 },
	{ 0x100000, 0x3fee0000, 1 }, { 0x3ffe0000, 0x20000, 3 }, { 0xfffc0000, 0x40000, 2 }, { 0x100000000, 0x40000000, 1 },
};

static void check_range(unsigned i, uint64_t base, uint64_t end, enum mem_type type)
{
	CHECK(i < b.nranges);
	CHECK_EQ(b.range[i].base, base);
	CHECK_EQ(b.range[i].base + b.range[i].size, end);
	CHECK_EQ(b.range[i].type, type);
}

static void check_sane(void)
{
	for (unsigned i = 0; i < b.nranges; i++) {
		CHECK(b.range[i].size);
		CHECK(b.range[i].base + b.range[i].size > b.range[i].base);
		if (i)
			CHECK(b.range[i - 1].base + b.range[i - 1].size <= b.range[i].base);
		if (b.range[i].type == MEM_USABLE)
			CHECK(IS_ALIGNED(b.range[i].base | b.range[i].size, PAGE_SIZE));
	}
}

TEST(a_bios_machine)
{
	uint32_t dev[3] = { 0x80, 0, ~0u };
	uint8_t rsdp[20] = "RSD PTR ";

	begin();
	tag(MB2_TAG_CMDLINE, "a b", 4);
	tag(MB2_TAG_LOADER, "GRUB 2.06", 10);
	module_tag(0x101000, 0x101234, "kernel root=/dev/vda");
	module_tag(0x102000, 0x202000, "initrd");
	tag(MB2_TAG_BOOTDEV, dev, 12);
	mmap_tag(pc, ARRAY_SIZE(pc), 24);
	tag(MB2_TAG_ACPI_OLD, rsdp, 20);
	tag(99, "whatever", 9);
	CHECK_EQ(finish(), 0);
	CHECK(!strcmp(b.cmdline, "a b") && !strcmp(b.loader_name, "GRUB 2.06"));
	CHECK_EQ(b.nmodules, 2);
	CHECK_EQ(b.module[0].addr, 0x101000);
	CHECK_EQ(b.module[0].size, 0x234);
	CHECK(!strcmp(b.module[0].cmdline, "kernel root=/dev/vda"));
	CHECK(!strcmp(b.module[1].cmdline, "initrd"));
	CHECK(b.has_bootdev && b.bootdev == 0x80 && b.bootdev_sub == ~0u);
	CHECK_EQ(b.nranges, 7);
	check_range(0, 0, 0x9f000, MEM_USABLE);
	check_range(1, 0x9fc00, 0xa0000, MEM_RESERVED);
	check_range(4, 0x3ffe0000, 0x40000000, MEM_ACPI);
	check_range(6, 0x100000000, 0x140000000, MEM_USABLE);
	CHECK_EQ(b.rsdp_size, 20);
	CHECK_EQ(b.rsdp, (uintptr_t)b.rsdp_copy);
	CHECK(!b.efi && !b.has_fb);
}

TEST(overlaps_and_odd_entries)
{
	static const struct entry e[] = {
		{ 0x500000, 0x100000, 0x14 },		/* unknown: reserved; on top of usable */
		{ 0x100000, 0x700000, 1 },
		{ 0x100000, 0, 2 },			/* empty */
		{ 0x280000, 0x100, 5 },			/* bad, inside */
		{ 0x300000, 0x1000, 3 }, { 0x300800, 0x1000, 4 },
		{ 0x1000, 0x100, 1 },			/* less than a page */
		{ 0x800000, 0x800000, 1 },		/* adjacent: one range */
		{ 0xfffffffffffff000, 0x2000, 1 },	/* wraps */
		{ 0xfffffffff0000000, 0xffffffffffffffff, 2 },
	};

	begin();
	mmap_tag(e, ARRAY_SIZE(e), 40);
	CHECK_EQ(finish(), 0);
	check_sane();
	check_range(0, 0x100000, 0x280000, MEM_USABLE);
	check_range(1, 0x280000, 0x280100, MEM_BAD);
	check_range(2, 0x281000, 0x300000, MEM_USABLE);
	check_range(3, 0x300000, 0x300800, MEM_ACPI);
	check_range(4, 0x300800, 0x301800, MEM_NVS);
	check_range(5, 0x302000, 0x500000, MEM_USABLE);
	check_range(6, 0x500000, 0x600000, MEM_RESERVED);
	check_range(7, 0x600000, 0x1000000, MEM_USABLE);
	check_range(8, 0xfffffffff0000000, 0xfffffffffffff000, MEM_RESERVED);
	CHECK_EQ(b.nranges, 9);
}

/*
 * As Limine 8.2 starts a multiboot2 kernel, by its sources: at most 256 ranges in the memory map and all of them in EFI's map,
 * modules right above the kernel's memory, in the order of the configuration, with their strings and no path.
 */
static int started_by_limine(uint64_t self, uint32_t modules, unsigned efi_entries)
{
	static uint8_t map[16 + 400 * 48];
	struct entry e[256];
	uint32_t head[2] = { 48, 1 };
	uint64_t systab = 0x20000;

	for (unsigned i = 0; i < 256; i++)
		e[i] = (struct entry){ 0x1000ull + i * 0x100000, 0xff000, i % 2 ? 1 : 2 };
	e[255] = (struct entry){ 0x40000000, 0x80000000, 1 };
	memset(map, 0, sizeof(map));
	memcpy(map, head, 8);
	for (unsigned i = 0; i < efi_entries; i++) {
		uint64_t d[5] = { i % 2 ? 7 : 0, 0x1000ull + i * 0x100000, 0, 0xff, 0 };

		if (i == efi_entries - 1)
			d[0] = 7, d[1] = 0x40000000, d[3] = 0x80000;
		memcpy(map + 8 + 48 * i, d, sizeof(d));
	}
	begin();
	tag(MB2_TAG_CMDLINE, "", 1);
	tag(MB2_TAG_LOADER, "Limine 8.2.0", 13);
	module_tag(modules, modules + 0x1234, "config");
	module_tag(modules + 0x2000, modules + 0x82000, "kernel root=/dev/vda");
	module_tag(modules + 0x82000, modules + 0x83000, "/initrd.img words");
	mmap_tag(e, 256, 24);
	tag(MB2_TAG_EFI64, &systab, 8);
	tag(MB2_TAG_EFI_MMAP, map, 8 + 48 * efi_entries);
	return finish() ?: boot_info_hide(&b, self, 0x200000);
}

TEST(a_start_by_limine)
{
	static const unsigned entries[] = { 256, 268, 312, 400 };

	for (unsigned k = 0; k < ARRAY_SIZE(entries); k++) {
		CHECK_EQ(started_by_limine(0x50000000, 0x50200000, entries[k]), 0);
		CHECK_EQ(b.nmodules, 3);
		CHECK(!strcmp(b.loader_name, "Limine 8.2.0"));
		CHECK(!strcmp(b.module[0].cmdline, "config") && !strcmp(b.module[1].cmdline, "kernel root=/dev/vda"));
		CHECK_EQ(b.module[1].addr, 0x50202000);
		CHECK_EQ(b.module[1].size, 0x80000);
		CHECK_EQ(b.self_base, 0x50000000);
		CHECK(b.nranges > 250);
		check_sane();
		/* Memory that is taken later overlaps neither modules nor Veneer. */
		CHECK_EQ(boot_info_find(&b, 0x10000, 0x1000, 0x50000000, 1ull << 32, NULL, 0), 0x50283000);
	}
	/* With Veneer at the very end of the 32-bit addresses, there is no place above: the tag's end has wrapped. */
	CHECK(started_by_limine(0x50000000, 0xfffff000, 256) < 0);
	CHECK(host_log_has("boot: module 0"));
}

TEST(without_a_map)
{
	uint32_t mem[2] = { 639, 0x10000 };

	begin();
	tag(MB2_TAG_MEMINFO, mem, 8);
	CHECK_EQ(finish(), 0);
	check_range(0, 0, 0x9f000, MEM_USABLE);
	check_range(1, 0x100000, 0x4100000, MEM_USABLE);
	begin();
	mmap_tag(pc, ARRAY_SIZE(pc), 24);
	tag(MB2_TAG_MEMINFO, mem, 8);
	CHECK_EQ(finish(), 0);
	CHECK_EQ(b.nranges, 7);
	begin();
	CHECK_EQ(finish(), -ERR_INVAL);
	CHECK(host_log_has("no memory map with usable memory"));
}

TEST(hostile_information)
{
	static struct entry many[BOOT_MAX_RANGES + 1];

	begin();
	mmap_tag(pc, ARRAY_SIZE(pc), 8);
	CHECK_EQ(finish(), -ERR_INVAL);
	CHECK(host_log_has("memory map entries of 8 bytes"));

	begin();
	module_tag(0x2000, 0x1000, "x");
	CHECK_EQ(finish(), -ERR_INVAL);
	CHECK(host_log_has("before its start 0x2000"));

	begin();
	for (unsigned i = 0; i <= BOOT_MAX_MODULES; i++)
		module_tag(0x1000, 0x2000, "x");
	CHECK_EQ(finish(), -ERR_INVAL);
	CHECK(host_log_has("more than 64 modules"));

	for (unsigned i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = (struct entry){ i * 0x10000, 0x1000, 1 + i % 2 };
	begin();
	mmap_tag(many, ARRAY_SIZE(many), 24);
	CHECK_EQ(finish(), -ERR_INVAL);
	CHECK(host_log_has("more than 1024 ranges"));
	host_log_clear();

	/* One fewer fits exactly. */
	begin();
	mmap_tag(many, BOOT_MAX_RANGES, 24);
	CHECK_EQ(finish(), 0);
	CHECK_EQ(b.nranges, BOOT_MAX_RANGES);

	/* Fewer entries than the limit, whose overlaps make more ranges than the limit. */
	for (unsigned i = 0; i < BOOT_MAX_RANGES; i++)
		many[i] = (struct entry){ 0x10000 + i * 0x10000, 0x1000, 2 };
	many[0] = (struct entry){ 0, 0x10000000, 1 };
	begin();
	mmap_tag(many, BOOT_MAX_RANGES, 24);
	CHECK_EQ(finish(), -ERR_INVAL);
	CHECK(host_log_has("more than 1024 ranges"));

	static char text[3000];
	memset(text, 'x', sizeof(text) - 1);
	begin();
	tag(MB2_TAG_CMDLINE, text, sizeof(text));
	module_tag(0x1000, 0x2000, text);
	mmap_tag(pc, ARRAY_SIZE(pc), 24);
	CHECK_EQ(finish(), 0);
	CHECK_EQ(strlen(b.cmdline), BOOT_MAX_CMDLINE - 1);
	CHECK_EQ(strlen(b.module[0].cmdline), BOOT_MAX_CMDLINE - 1);
	CHECK(host_log_has("is cut to"));

	/* Few modules with long strings: 17 fill the buffer. */
	begin();
	for (unsigned i = 0; i < 18; i++)
		module_tag(0x1000, 0x2000, text);
	mmap_tag(pc, ARRAY_SIZE(pc), 24);
	CHECK_EQ(finish(), -ERR_INVAL);
	CHECK(host_log_has("the command lines of 17 modules are longer than the 16384 characters"));
}

/* Real EFI maps have 312 entries and more; adjacent entries of one type are one range. */
TEST(many_entries)
{
	static struct entry many[2000];

	for (unsigned i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = (struct entry){ 0x100000 + i * 0x1000ull, 0x1000, i % 10 ? 1 : 2 };
	begin();
	mmap_tag(many, ARRAY_SIZE(many), 24);
	CHECK_EQ(finish(), 0);
	CHECK_EQ(b.nranges, 400);
	CHECK_EQ(b.range[399].base + b.range[399].size, 0x100000 + 2000 * 0x1000);
}

/* The parser survives each prefix and each flipped byte: ASan guards a heap copy of exactly total_size bytes. */
TEST(truncated_and_flipped)
{
	uint32_t fb[8] = { 0xfd000000, 0, 4096, 1024, 768, 0x0120, 0x08080810, 0x0800 };
	uint32_t efi[2 + 12] = { 48, 1, 7, 0, 0x100000 };

	begin();
	tag(MB2_TAG_CMDLINE, "cmdline", 8);
	module_tag(0x101000, 0x102000, "kernel");
	mmap_tag(pc, ARRAY_SIZE(pc), 24);
	tag(MB2_TAG_FRAMEBUFFER, fb, 31);
	tag(MB2_TAG_EFI64, fb, 8);
	tag(MB2_TAG_EFI_MMAP, efi, sizeof(efi));
	tag(MB2_TAG_ACPI_NEW, "RSD PTR 1234567890123456789012345678", 36);
	CHECK_EQ(finish(), 0);
	CHECK(b.efi && b.has_fb && b.efi_map_size == 48 && b.rsdp_size == 36);
	CHECK_EQ(b.fb.width, 1024);
	CHECK_EQ(b.fb.bpp, 32);
	CHECK_EQ(b.fb.red_pos, 16);

	uint32_t total = used;
	for (uint32_t n = 8; n < total; n++) {
		uint8_t *p = malloc(n);
		memcpy(p, info, n);
		memcpy(p, &n, 4);
		CHECK_EQ(boot_info_parse(&b, p), -ERR_INVAL);
		free(p);
	}
	for (uint32_t at = 8; at < total; at++) {
		static const uint8_t flip[] = { 0xff, 0x80, 0x01, 0x10 };
		for (unsigned k = 0; k < 4; k++) {
			uint8_t *p = malloc(total);
			memcpy(p, info, total);
			p[at] ^= flip[k];
			if (!boot_info_parse(&b, p))
				check_sane();
			free(p);
		}
	}
}

TEST(hiding_a_range)
{
	begin();
	mmap_tag(pc, ARRAY_SIZE(pc), 24);
	CHECK_EQ(finish(), 0);
	CHECK_EQ(boot_info_hide(&b, 0x3fc00000, 0x400000), -ERR_INVAL);	/* runs into ACPI */
	CHECK_EQ(boot_info_hide(&b, 0xe0000, 0x1000), -ERR_INVAL);		/* a hole */
	CHECK_EQ(boot_info_hide(&b, 0x200800, 0x1000), -ERR_INVAL);
	CHECK_EQ(boot_info_hide(&b, 0x200000, 0), -ERR_INVAL);
	CHECK_EQ(boot_info_hide(&b, 0xfffffffffffff000, 0x2000), -ERR_INVAL);
	CHECK_EQ(b.nranges, 7);
	CHECK_EQ(b.self_size, 0);
	CHECK_EQ(boot_info_hide(&b, 0x3f800000, 0x400000), 0);
	check_range(3, 0x100000, 0x3f800000, MEM_USABLE);
	check_range(4, 0x3f800000, 0x3fc00000, MEM_RESERVED);
	check_range(5, 0x3fc00000, 0x3ffe0000, MEM_USABLE);
	CHECK_EQ(b.nranges, 9);
	CHECK_EQ(boot_info_hide(&b, 0x3f900000, 0x1000), -ERR_INVAL);
	CHECK_EQ(boot_info_hide(&b, 0x8000, 0x1000), 0);
	CHECK_EQ(b.self_base, 0x3f800000);
	CHECK_EQ(b.self_size, 0x400000);
	CHECK_EQ(boot_info_hide(&b, 0x100000, 0x3f700000), 0);			/* a whole range */
	check_sane();
}

static const struct efi_desc efi_map[] = {
	{ EFI_CONVENTIONAL, 0, 0, 0, 0xa0, 15 },
	{ EFI_CONVENTIONAL, 0, 0x100000, 0, 0x700, 15 },
	{ EFI_LOADER_DATA, 0, 0x800000, 0, 0x800, 15 },
	{ 4, 0, 0x1000000, 0, 0x1000, 15 },			/* boot services data */
	{ EFI_CONVENTIONAL, 0, 0x2000000, 0, 0x1dfe0, 15 },
};

static void efi_machine(void)
{
	uint8_t buf[8 + 48 * ARRAY_SIZE(efi_map)];
	uint32_t head[2] = { 48, 1 };

	memset(buf, 0, sizeof(buf));
	memcpy(buf, head, 8);
	for (unsigned i = 0; i < ARRAY_SIZE(efi_map); i++)
		memcpy(buf + 8 + 48 * i, &efi_map[i], sizeof(efi_map[i]));
	begin();
	mmap_tag(pc, ARRAY_SIZE(pc), 24);
	tag(MB2_TAG_EFI64, "\0\0\0\1\0\0\0\0", 8);
	tag(MB2_TAG_EFI_MMAP, buf, sizeof(buf));
	CHECK_EQ(finish(), 0);
}

static void check_efi(unsigned i, uint32_t type, uint64_t base, uint64_t end)
{
	struct efi_desc d;

	CHECK((i + 1) * b.efi_desc_size <= b.efi_map_size);
	memcpy(&d, b.efi_map + i * b.efi_desc_size, sizeof(d));
	CHECK_EQ(d.type, type);
	CHECK_EQ(d.phys, base);
	CHECK_EQ(d.phys + d.pages * 4096, end);
	CHECK_EQ(d.attr, 15);
}

TEST(hiding_in_the_efi_map)
{
	efi_machine();
	CHECK_EQ(b.efi_systab, 0x1000000);
	CHECK_EQ(boot_info_hide(&b, 0x1800000, 0x1000), -ERR_INVAL);
	CHECK(host_log_has("EFI memory of type 4 at 0x1000000"));
	CHECK_EQ(boot_info_hide(&b, 0x700000, 0x200000), 0);		/* across two descriptors */
	CHECK_EQ(b.efi_map_size, 48 * 7);
	check_efi(1, EFI_CONVENTIONAL, 0x100000, 0x700000);
	check_efi(2, EFI_RESERVED, 0x700000, 0x800000);
	check_efi(3, EFI_RESERVED, 0x800000, 0x900000);
	check_efi(4, EFI_LOADER_DATA, 0x900000, 0x1000000);
	CHECK_EQ(boot_info_hide(&b, 0x10000000, 0x400000), 0);		/* inside one */
	CHECK_EQ(b.efi_map_size, 48 * 9);
	check_efi(6, EFI_CONVENTIONAL, 0x2000000, 0x10000000);
	check_efi(7, EFI_RESERVED, 0x10000000, 0x10400000);
	check_efi(8, EFI_CONVENTIONAL, 0x10400000, 0x1ffe0000);
}

TEST(an_efi_map_too_long)
{
	static uint8_t buf[8 + BOOT_MAX_EFI_MAP];
	uint32_t head[2] = { 48, 1 };

	memcpy(buf, head, 8);
	begin();
	mmap_tag(pc, ARRAY_SIZE(pc), 24);
	tag(MB2_TAG_EFI_MMAP, buf, sizeof(buf));
	CHECK_EQ(finish(), -ERR_INVAL);
	CHECK(host_log_has("boot: EFI memory map of 1365 entries, 65520 bytes: there is room for 65344 bytes"));
}

TEST(finding_room)
{
	struct mem_range avoid = { 0x10000000, 0x1000000, MEM_USABLE };

	begin();
	module_tag(0x100000, 0x280001, "x");
	module_tag(0x300000, 0x300000, "empty");
	mmap_tag(pc, ARRAY_SIZE(pc), 24);
	CHECK_EQ(finish(), 0);
	CHECK_EQ(boot_info_find(&b, 0x1000, 0x1000, 0, ~0ull, NULL, 0), 0x1000);
	CHECK_EQ(boot_info_find(&b, 0x1000, 0x1000, 0x100000, ~0ull, NULL, 0), 0x281000);
	CHECK_EQ(boot_info_find(&b, 0x1000, 0x200000, 0x100000, ~0ull, NULL, 0), 0x400000);
	CHECK_EQ(boot_info_find(&b, 0x10000000, 0x1000, 0x100000, 0x100000000, &avoid, 1), 0x11000000);
	CHECK_EQ(boot_info_find(&b, 0x40000000, 0x1000, 0, 0x100000000, NULL, 0), 0);
	CHECK_EQ(boot_info_find(&b, 0x40000000, 0x1000, 0, ~0ull, NULL, 0), 0x100000000);
	CHECK_EQ(boot_info_find(&b, 0x40001000, 0x1000, 0, ~0ull, NULL, 0), 0);
	CHECK_EQ(boot_info_find(&b, ~0ull, 0x1000, 0, ~0ull, NULL, 0), 0);
	CHECK_EQ(boot_info_find(&b, 0x1000, 1ull << 63, 0, ~0ull, NULL, 0), 0);
	CHECK_EQ(boot_info_find(&b, 0, 0x1000, 0, ~0ull, NULL, 0), 0);
	CHECK_EQ(boot_info_find_as(&b, BOOT_FIND_HIGH, 0x1000, 0x1000, 0, 0x100000000, NULL, 0), 0x3ffdf000);
	CHECK_EQ(boot_info_find_as(&b, BOOT_FIND_HIGH, 0x1000, 0x1000, 0, 0x300000, NULL, 0), 0x2ff000);
	CHECK_EQ(boot_info_find_as(&b, BOOT_FIND_HIGH, 0x100000, 0x1000, 0, 0x300000, NULL, 0), 0);
	CHECK_EQ(boot_info_find_as(&b, BOOT_FIND_HIGH | BOOT_FIND_OVER_MODULES, 0x100000, 0x1000, 0, 0x300000, NULL, 0),
		 0x200000);
	efi_machine();
	CHECK_EQ(boot_info_find(&b, 0x1000000, 0x1000, 0x100000, ~0ull, NULL, 0), 0x2000000);
}

TEST(what_is_in_the_way)
{
	struct mem_range r;

	begin();
	mmap_tag(pc, ARRAY_SIZE(pc), 24);
	CHECK_EQ(finish(), 0);
	CHECK(boot_info_usable(&b, 0x100000, 0x3fee0000, &r));
	CHECK(!boot_info_usable(&b, 0x100000, 0x3fee0001, &r));
	CHECK_EQ(r.type, MEM_ACPI);
	CHECK(!boot_info_usable(&b, 0x9e000, 0x2000, &r));
	CHECK_EQ(r.type, 0);
	CHECK_EQ(r.base, 0x9f000);
	CHECK(!boot_info_usable(&b, ~0ull - 10, 100, &r));
	CHECK(!boot_info_usable(&b, 0x200000000, 0x1000, &r));
	CHECK_EQ(r.base, 0x200000000);
}

static uint8_t low[0x100000];

static void put_rsdp(uint8_t *p, uint8_t revision)
{
	uint8_t sum = 0;

	memset(p, 0x11, 36);
	memcpy(p, "RSD PTR ", 8);
	p[15] = revision;
	p[8] = 0;
	for (unsigned i = 0; i < 20; i++)
		sum = (uint8_t)(sum + p[i]);
	p[8] = (uint8_t)-sum;
}

TEST(the_rsdp_of_a_bios)
{
	memset(low, 0, sizeof(low));
	low[0x40e] = 0xc0;
	low[0x40f] = 0x9f;
	put_rsdp(low + 0xf5a40, 0);
	memcpy(low + 0x9fc10, "RSD PTR ", 8);		/* no checksum */
	low[0x9fc18] = 1;
	begin();
	mmap_tag(pc, ARRAY_SIZE(pc), 24);
	tag(MB2_TAG_ACPI_OLD, low + 0xf5a40, 20);
	CHECK_EQ(finish(), 0);
	boot_info_find_rsdp(&b, low);
	CHECK_EQ(b.ebda, 0x9fc00);
	CHECK_EQ(b.rsdp, 0xf5a40);
	low[0xf5a40 + 16]++;				/* not the RSDP that the boot loader passed */
	low[0xf5a40 + 8]--;
	CHECK_EQ(boot_info_parse(&b, info), 0);
	boot_info_find_rsdp(&b, low);
	CHECK_EQ(b.rsdp, (uintptr_t)b.rsdp_copy);
	put_rsdp(low + 0x9fc20, 2);			/* the boot loader passed none: the first valid RSDP */
	memset(&b.rsdp_copy, 0, sizeof(b.rsdp_copy));
	b.rsdp_size = 0;
	boot_info_find_rsdp(&b, low);
	CHECK_EQ(b.rsdp, 0x9fc20);
	CHECK_EQ(b.rsdp_size, 36);
}

static void put_smbios(uint8_t *at, bool wide, uint8_t size)
{
	memset(at, 0, 0x20);
	memcpy(at, wide ? "_SM3_" : "_SM_", wide ? 5 : 4);
	at[wide ? 6 : 5] = size;
	if (wide) {
		memcpy(at + 0x0c, &(uint32_t){ 0x1234 }, 4);
		memcpy(at + 0x10, &(uint64_t){ 0xe1000 }, 8);
	} else {
		memcpy(at + 0x16, &(uint16_t){ 0x234 }, 2);
		memcpy(at + 0x18, &(uint32_t){ 0xe2000 }, 4);
	}
	for (unsigned i = 0, sum = 0; i < size; i++) {
		sum += at[i];
		at[wide ? 5 : 4] = (uint8_t)-(i + 1 == size ? sum : 0);
	}
}

TEST(smbios_of_a_bios)
{
	memset(low, 0, sizeof(low));
	put_smbios(low + 0xf0010, false, 0x1f);
	put_smbios(low + 0xf0100, true, 0x18);
	low[0xf0108]++;					/* wrong checksum */
	put_smbios(low + 0xf0200, true, 0x18);
	put_smbios(low + 0xf0300, true, 0x18);		/* the first is valid */
	begin();
	mmap_tag(pc, ARRAY_SIZE(pc), 24);
	CHECK_EQ(finish(), 0);
	boot_info_find_rsdp(&b, low);
	CHECK_EQ(b.smbios[0].entry, 0xf0010);
	CHECK_EQ(b.smbios[0].entry_size, 0x1f);
	CHECK_EQ(b.smbios[0].table, 0xe2000);
	CHECK_EQ(b.smbios[0].table_size, 0x234);
	CHECK_EQ(b.smbios[1].entry, 0xf0200);
	CHECK_EQ(b.smbios[1].table, 0xe1000);
	CHECK_EQ(b.smbios[1].table_size, 0x1234);
	put_smbios(low + 0xf0010, false, 0x40);		/* too long, too short */
	put_smbios(low + 0xf0200, true, 0x10);
	put_smbios(low + 0xf0300, true, 0xff);
	CHECK_EQ(boot_info_parse(&b, info), 0);
	boot_info_find_rsdp(&b, low);
	CHECK(!b.smbios[0].entry && !b.smbios[1].entry);
}

TEST(the_rsdp_of_efi)
{
	static const uint8_t guid[16] = { 0x71, 0xe8, 0x68, 0x88, 0xf1, 0xe4, 0xd3, 0x11,
					  0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81 };
	static const uint8_t smbios3[16] = { 0x44, 0x15, 0xfd, 0xf2, 0x94, 0x97, 0x2c, 0x4a,
					     0x99, 0x2e, 0xe5, 0xbb, 0xcf, 0x20, 0xe3, 0x94 };
	uint64_t systab = 0x20000, table = 0x21000, count = 2, rsdp = 0x22014, smbios = 0x23000;

	memset(low, 0, sizeof(low));
	memcpy(low + systab, "IBI SYST", 8);
	memcpy(low + systab + 0x68, &count, 8);
	memcpy(low + systab + 0x70, &table, 8);
	memcpy(low + table + 24, guid, 16);
	memcpy(low + table + 40, &rsdp, 8);
	memcpy(low + table, smbios3, 16);
	memcpy(low + table + 16, &smbios, 8);
	put_smbios(low + smbios, true, 0x18);
	put_rsdp(low + rsdp, 2);
	begin();
	mmap_tag(pc, ARRAY_SIZE(pc), 24);
	tag(MB2_TAG_EFI64, &systab, 8);
	CHECK_EQ(finish(), 0);
	boot_info_find_rsdp(&b, low);
	CHECK_EQ(b.rsdp, rsdp);
	CHECK_EQ(b.rsdp_size, 36);
	CHECK_EQ(b.smbios[1].entry, smbios);
	/* Pointers outside of memory are not followed. */
	for (unsigned k = 0; k < 3; k++) {
		static const unsigned where[] = { 0x21000 + 40, 0x20000 + 0x70, 0x20000 + 0x68 };
		uint64_t wild = 0x7000000000000000;

		CHECK_EQ(boot_info_parse(&b, info), 0);
		memcpy(low + where[k], &wild, 8);
		boot_info_find_rsdp(&b, low);
		CHECK_EQ(b.rsdp, 0);
	}
	CHECK_EQ(boot_info_parse(&b, info), 0);
	b.efi_systab = 0x7000000000000000;
	boot_info_find_rsdp(&b, low);
	CHECK_EQ(b.rsdp, 0);
}

TEST_MAIN
