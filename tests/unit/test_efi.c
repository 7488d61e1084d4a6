/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: efi/conf.c efi/image.c efi/info.c hv/boot/mbi.c hv/boot/memmap.c */
/* The parts of veneer.efi that need no firmware.  Veneer's own parser reads the information that they build. */
#include <string.h>
#include "efi/parts.h"
#include "host/host.h"
#include "hv/boot/bootinfo.h"
#include "hv/boot/multiboot2.h"
#include "hv/load/elf.h"

static struct conf conf;

static const char *parse(const char *text)
{
	static char buf[8192];

	snprintf(buf, sizeof(buf), "%s", text);
	return conf_parse(&conf, buf, strlen(buf));
}

TEST(conf_lines)
{
	CHECK(!parse("# comment\r\n\r\n veneer  --check-only x \r\nmodule config.dtb config\r\n"
		     "\tmodule  os.elf   kernel  net=dhcp  x=\"a b\"  \nmodule initrd"));
	CHECK_EQ(conf.nmodules, 3);
	CHECK(!strcmp(conf.veneer, "--check-only x"));
	CHECK(!strcmp(conf.module[0].file, "config.dtb") && !strcmp(conf.module[0].line, "config"));
	CHECK(!strcmp(conf.module[1].file, "os.elf") && !strcmp(conf.module[1].line, "kernel  net=dhcp  x=\"a b\""));
	CHECK(!strcmp(conf.module[2].file, "initrd") && !strcmp(conf.module[2].line, ""));
}

TEST(conf_names_the_hypervisor)
{
	CHECK(!parse("module a\n") && !conf.hypervisor && !conf.disk);
	CHECK(!parse("boot disk\nhypervisor  ../../veneer.elf \r\nmodule a\n"));
	CHECK(conf.disk && !strcmp(conf.hypervisor, "../../veneer.elf"));
}

TEST(conf_errors_name_the_line)
{
	static const struct { const char *text; unsigned line; } bad[] = {
		{ "module a\nmodul b\n", 2 }, { "\n\nmodule\n", 3 }, { "veneer\nveneer x\nmodule a", 2 }, { "", 0 },
		{ "hypervisor\nmodule a", 1 }, { "hypervisor a\nhypervisor b\nmodule a", 2 },
		{ "# module a\n", 0 }, { "modules a", 1 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK(parse(bad[i].text));
		CHECK_EQ(conf.bad_line, bad[i].line);
	}
	char zero[] = "module a\0b\nmodule c\n";

	CHECK(conf_parse(&conf, zero, sizeof(zero) - 1));
	CHECK_EQ(conf.bad_line, 1);
}

TEST(conf_table_is_full)
{
	static char text[4096];
	size_t used = 0;

	for (unsigned i = 0; i < CONF_MAX_MODULES; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "module m%u\n", i);
	CHECK(!parse(text));
	CHECK_EQ(conf.nmodules, CONF_MAX_MODULES);
	snprintf(text + used, sizeof(text) - used, "module more\n");
	CHECK(parse(text));
	CHECK_EQ(conf.bad_line, CONF_MAX_MODULES + 1);
}

static const char *options(const uint16_t *text, size_t chars, size_t room)
{
	static char out[64];

	return conf_options(text, chars * 2, out, room) ? out : NULL;
}

TEST(options_are_words_for_veneer)
{
	static const uint16_t shell[] = u"fs0:\\veneer.efi --check-only x", plain[] = u"--a b";
	static const uint16_t binary[] = { 0x1234, '-', '-', 0, 7 }, name[] = u"veneer.efi";
	static const uint16_t cut[] = { '-', '-', 'a', 0xffff, 'b' };

	CHECK(!strcmp(options(shell, ARRAY_SIZE(shell), 64), "--check-only x"));
	CHECK(!strcmp(options(plain, ARRAY_SIZE(plain) - 1, 64), "--a b"));
	CHECK(!strcmp(options(binary, ARRAY_SIZE(binary), 64), ""));
	CHECK(!strcmp(options(name, ARRAY_SIZE(name), 64), ""));
	CHECK(!strcmp(options(cut, ARRAY_SIZE(cut), 64), "--a"));
	CHECK(!strcmp(options(NULL, 0, 64), ""));
	CHECK(!strcmp(options(plain, ARRAY_SIZE(plain), 6), "--a b"));
	CHECK(!options(plain, ARRAY_SIZE(plain), 5));
}

TEST(paths)
{
	static const struct { const uint16_t *dir; const char *file; const uint16_t *want; } ok[] = {
		{ u"\\EFI\\BOOT\\", "a/b", u"\\EFI\\BOOT\\a\\b" }, { u"\\EFI", "a", u"\\EFI\\a" }, { u"", "/x/y", u"\\x\\y" },
		{ u"", "a", u"a" }, { u"\\", "/a", u"\\a" },
	};
	uint16_t out[16];

	for (unsigned i = 0; i < ARRAY_SIZE(ok); i++) {
		unsigned n = 0;

		CHECK(conf_path(ok[i].dir, ok[i].file, out, ARRAY_SIZE(out)));
		for (; ok[i].want[n]; n++)
			CHECK_EQ(out[n], ok[i].want[n]);
		CHECK_EQ(out[n], 0);
	}
	CHECK(conf_path(u"\\1234567890", "abc", out, ARRAY_SIZE(out)));
	CHECK(!conf_path(u"\\1234567890", "abcd", out, ARRAY_SIZE(out)));
	CHECK(!conf_path(u"\\12345678901234567890", "", out, ARRAY_SIZE(out)));
}

/* --- the image --- */

static struct {
	struct elf64_header h;
	struct elf64_segment s[2];
	uint8_t data[64];
} elf;

static void good_elf(void)
{
	memset(&elf, 0, sizeof(elf));
	elf.h.ident = (struct elf_ident){ .magic = ELF_MAGIC, .class = ELF_CLASS64, .machine = ELF_X86_64 };
	elf.h.phoff = sizeof(elf.h);
	elf.h.phentsize = sizeof(elf.s[0]);
	elf.h.phnum = 2;
	elf.h.entry = 0x200010;
	elf.s[0] = (struct elf64_segment){ .type = ELF_PT_LOAD, .offset = sizeof(elf) - 64, .vaddr = 0x200000, .filesz = 32,
					   .memsz = 32 };
	elf.s[1] = (struct elf64_segment){ .type = ELF_PT_LOAD, .offset = sizeof(elf) - 32, .vaddr = 0x201000, .filesz = 32,
					   .memsz = 0x1800 };
	memset(elf.data, 0xaa, 32);
	memset(elf.data + 32, 0xbb, 32);
}

TEST(image_is_placed)
{
	static uint8_t mem[0x3000 + 1];
	struct image img;

	good_elf();
	memset(mem, 0xcc, sizeof(mem));
	CHECK(!image_check(&img, (const uint8_t *)&elf, sizeof(elf)));
	CHECK_EQ(img.base, 0x200000);
	CHECK_EQ(img.size, 0x3000);
	CHECK_EQ(img.entry, 0x10);
	image_place(&img, (const uint8_t *)&elf, mem);
	CHECK(mem[0] == 0xaa && mem[31] == 0xaa && !mem[32] && mem[0x1000] == 0xbb && mem[0x101f] == 0xbb && !mem[0x1020]);
	CHECK(!mem[0x2fff] && mem[0x3000] == 0xcc);
}

TEST(images_that_lie)
{
	struct image img;
	const uint8_t *file = (const uint8_t *)&elf;

#define REFUSED(change) do { good_elf(); change; CHECK(image_check(&img, file, sizeof(elf))); } while (0)
	REFUSED(elf.h.ident.magic++);
	REFUSED(elf.h.ident.class = ELF_CLASS32);
	REFUSED(elf.h.ident.machine = ELF_386);
	REFUSED(elf.h.phentsize--);
	REFUSED(elf.h.phoff = ~0ull);
	REFUSED(elf.h.phoff = sizeof(elf) - 8);
	REFUSED(elf.h.phnum = 0xffff);
	REFUSED(elf.h.phnum = 0);
	REFUSED(elf.h.entry = 0x1fffff);
	REFUSED(elf.h.entry = 0x203000);
	REFUSED(elf.s[0].offset = ~0ull);
	REFUSED(elf.s[1].offset++);
	REFUSED(elf.s[1].filesz = ~0ull);
	REFUSED(elf.s[1].memsz = 31);
	REFUSED(elf.s[1].memsz = ~0ull);
	REFUSED(elf.s[1].memsz = IMAGE_MAX_SIZE);
	REFUSED(elf.s[1].vaddr = ~0ull);
	REFUSED(elf.s[1].vaddr = 0x1ff000);
	good_elf();
	CHECK(image_check(&img, file, sizeof(elf.h) - 1));
}

/* --- the information --- */

static struct boot_info boot;
static struct info o;
static uint8_t buf[16384];

#define STRIDE	48u

static void put_desc(uint8_t *map, unsigned i, uint32_t type, uint64_t phys, uint64_t pages)
{
	struct efi_desc d = { .type = type, .phys = phys, .pages = pages };

	memset(map + (size_t)i * STRIDE, 0xee, STRIDE);
	memcpy(map + (size_t)i * STRIDE, &d, sizeof(d));
}

TEST(veneer_reads_what_it_is_told)
{
	uint64_t table = 0x1f9ee018;
	struct info_screen s = { 0x80000000, 5120, 1280, 800, { 16, 8, 0, 24 }, { 8, 8, 8, 8 } };
	uint8_t rsdp[36] = "RSD PTR ", map[6 * STRIDE];

	info_begin(&o, buf, sizeof(buf));
	info_string(&o, MB2_TAG_CMDLINE, "--check-only");
	info_string(&o, MB2_TAG_LOADER, "veneer.efi");
	info_tag(&o, MB2_TAG_EFI64, &table, sizeof(table));
	info_tag(&o, MB2_TAG_ACPI_NEW, rsdp, sizeof(rsdp));
	info_screen(&o, &s);
	info_module(&o, 0x100000, 0x100003, "config");
	info_module(&o, 0x200000, 0x280000, "kernel a b");
	put_desc(map, 0, EFI_CONVENTIONAL, 0, 0xa0);
	put_desc(map, 1, EFI_LOADER_DATA, 0x100000, 0x700);
	put_desc(map, 2, EFI_RESERVED, 0x800000, 8);
	put_desc(map, 3, 4, 0x808000, 8);		/* boot services data: free once they have ended */
	put_desc(map, 4, 9, 0x810000, 1);		/* ACPI reclaim */
	put_desc(map, 5, 77, 0x820000, 1);		/* unknown */
	info_memory(&o, map, sizeof(map), STRIDE, 1);
	CHECK(info_end(&o));
	CHECK_EQ(boot_info_parse(&boot, buf), 0);
	CHECK(!strcmp(boot.cmdline, "--check-only") && !strcmp(boot.loader_name, "veneer.efi"));
	CHECK(boot.efi && !boot.efi32 && boot.efi_systab == table && boot.rsdp_size == 36);
	CHECK(boot.has_fb && boot.fb.addr == 0x80000000 && boot.fb.width == 1280 && boot.fb.red_pos == 16);
	CHECK_EQ(boot.nmodules, 2);
	CHECK(boot.module[1].addr == 0x200000 && boot.module[1].size == 0x80000);
	CHECK(!strcmp(boot.module[1].cmdline, "kernel a b"));
	CHECK(boot.efi_map_size == sizeof(map) && boot.efi_desc_size == STRIDE && boot.efi_desc_version == 1);

	static const struct mem_range want[] = {
		{ 0, 0xa0000, MEM_USABLE }, { 0x100000, 0x700000, MEM_USABLE }, { 0x800000, 0x8000, MEM_RESERVED },
		{ 0x808000, 0x8000, MEM_USABLE }, { 0x810000, 0x1000, MEM_ACPI }, { 0x820000, 0x1000, MEM_RESERVED },
	};

	CHECK_EQ(boot.nranges, ARRAY_SIZE(want));
	for (unsigned i = 0; i < ARRAY_SIZE(want); i++)
		CHECK(boot.range[i].base == want[i].base && boot.range[i].size == want[i].size &&
		      boot.range[i].type == want[i].type);
}

/* @n entries of which none can be merged with the next: boot services' memory and runtime memory in turn. */
static int parse_entries(unsigned n)
{
	static uint8_t map[1400 * STRIDE], large[1400 * (STRIDE + 24) + 256];

	for (unsigned i = 0; i < n; i++)
		put_desc(map, i, i % 2 ? 6 : i % 4 ? 3 : EFI_CONVENTIONAL, 0x100000 + i * 0x1000ull, 1);
	info_begin(&o, large, info_memory_size(n * STRIDE, STRIDE) + 16);
	info_memory(&o, map, n * STRIDE, STRIDE, 1);
	CHECK(info_end(&o));
	return boot_info_parse(&boot, large);
}

TEST(memory_maps_of_many_entries)
{
	static const unsigned good[] = { 126, 300, 1000, BOOT_MAX_RANGES };

	for (unsigned i = 0; i < ARRAY_SIZE(good); i++) {
		CHECK_EQ(parse_entries(good[i]), 0);
		CHECK(boot.nranges == good[i] && boot.efi_map_size == good[i] * STRIDE);
		CHECK(boot.range[299 % good[i]].base == 0x100000 + 299 % good[i] * 0x1000ull);
	}
	/* Full: refused, not cut off. */
	CHECK(parse_entries(BOOT_MAX_RANGES + 1));
	CHECK(parse_entries(BOOT_MAX_EFI_MAP / STRIDE));
}

/* With any size of the buffer: too little room is an error at the end, and nothing is written beyond it. */
TEST(information_without_room)
{
	uint8_t map[3 * STRIDE];

	put_desc(map, 0, EFI_CONVENTIONAL, 0, 16);
	put_desc(map, 1, EFI_RESERVED, 0x100000, 16);
	put_desc(map, 2, EFI_CONVENTIONAL, 0x200000, 16);
	for (uint32_t room = 0; ; room++) {
		memset(buf, 0xcc, sizeof(buf));
		info_begin(&o, buf, room);
		info_string(&o, MB2_TAG_LOADER, "veneer.efi");
		info_memory(&o, map, sizeof(map), STRIDE, 1);
		bool ok = info_end(&o);

		CHECK_EQ(buf[room], 0xcc);
		if (!ok)
			continue;
		CHECK_EQ(o.used, room);
		CHECK(room <= 8 + 24 + info_memory_size(sizeof(map), STRIDE) + 8);
		CHECK_EQ(boot_info_parse(&boot, buf), 0);
		return;
	}
}

TEST(masks_of_a_pixel)
{
	static const uint32_t rgb565[4] = { 0xf800, 0x07e0, 0x001f, 0 };
	static const uint32_t hole[4] = { 0xf0f, 0x10, 0x20, 0 }, none[4] = { 1, 2, 0, 0 };
	struct info_screen s;

	CHECK(info_masks(&s, rgb565));
	CHECK(s.pos[0] == 11 && s.bits[0] == 5 && s.pos[1] == 5 && s.bits[1] == 6 && s.pos[2] == 0 && s.bits[2] == 5);
	CHECK(!info_masks(&s, hole));
	CHECK(!info_masks(&s, none));
}

TEST_MAIN
