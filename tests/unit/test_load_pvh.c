/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/load/load*.c hv/exit/symbols.c hv/boot/memmap.c hv/cpu/vcpu.c */
/* Loading of PVH kernels: the note, the start information, and damaged files. */
#include "hv/load/elf.h"
#include "loader_machine.h"

#define CODE	0x1000
#define NOTES	0x800

/*
 * Make a kernel of two segments: 1000h bytes of code and as many zeros at 2 MiB; and the notes, a foreign one, then the
 * entry's.
 */
static void make_kernel(bool is64, unsigned entry_bytes)
{
	uint32_t foreign[] = { 4, 3, 18, 0x00554e47, 0x00ffffff }, own[] = { 4, entry_bytes, 18, 0x006e6558, 0x200010, 0 };
	struct elf_ident id = { ELF_MAGIC, is64 ? ELF_CLASS64 : ELF_CLASS32, ELF_LITTLE, 1, { 0 }, ELF_EXEC,
				is64 ? ELF_X86_64 : ELF_386, 1 };
	uint32_t nsize = (uint32_t)sizeof(foreign) + 16 + entry_bytes;

	memset(file, 0, sizeof(file));
	file_size = CODE + 0x1000;
	pattern(file + CODE, 0x1000, 3);
	memcpy(file + NOTES, foreign, sizeof(foreign));
	memcpy(file + NOTES + sizeof(foreign), own, 16 + entry_bytes);
	if (is64) {
		struct elf64_segment s[2] = {
			{ .type = ELF_PT_NOTE, .offset = NOTES, .filesz = nsize, .memsz = nsize },
			{ .type = ELF_PT_LOAD, .offset = CODE, .vaddr = 0xffffffff80200000, .paddr = 0x200000,
			  .filesz = 0x1000, .memsz = 0x2000 },
		};
		struct elf64_header h = { .ident = id, .entry = 0xffffffff80200000, .phoff = sizeof(h),
					  .phentsize = sizeof(s[0]), .phnum = 2 };

		memcpy(file, &h, sizeof(h));
		memcpy(file + sizeof(h), s, sizeof(s));
	} else {
		struct elf32_segment s[2] = {
			{ .type = ELF_PT_LOAD, .offset = CODE, .vaddr = 0x200000, .paddr = 0x200000, .filesz = 0x1000,
			  .memsz = 0x2000 },
			{ .type = ELF_PT_NOTE, .offset = NOTES, .filesz = nsize, .memsz = nsize },
		};
		struct elf32_header h = { .ident = id, .entry = 0x200000, .phoff = sizeof(h), .phentsize = sizeof(s[0]),
					  .phnum = 2 };

		memcpy(file, &h, sizeof(h));
		memcpy(file + sizeof(h), s, sizeof(s));
	}
}

static void check_start(uint32_t entry)
{
	uint64_t info = regs.gpr[GPR_RBX], map, mods;

	check_flat32();
	CHECK_EQ(regs.rip, entry);
	CHECK_EQ(regs.seg[SEG_TR].limit, 0x67);
	CHECK(!memcmp(machine + 0x200000, file + CODE, 0x1000));
	for (unsigned i = 0; i < 0x1000; i++)
		CHECK_EQ(machine[0x201000 + i], 0);
	CHECK_EQ(r32(info), 0x336ec578);
	CHECK_EQ(r32(info + 4), 1);
	CHECK_EQ(r32(info + 8), 0);
	CHECK_EQ(r32(info + 12), 2);
	CHECK(!strcmp(text(r64(info + 24)), "a line"));
	mods = r64(info + 16);
	CHECK(!memcmp(machine + r64(mods), "one", 4) && r64(mods + 8) == 4);
	CHECK(!strcmp(text(r64(mods + 16)), "first module"));
	CHECK(!memcmp(machine + r64(mods + 32), "three", 6) && r64(mods + 40) == 0x3000);
	map = r64(info + 40);
	CHECK_EQ(r32(info + 48), b.nranges);
	for (unsigned i = 0; i < b.nranges; i++) {
		CHECK_EQ(r64(map + 24 * i), b.range[i].base);
		CHECK_EQ(r64(map + 24 * i + 8), b.range[i].size);
		CHECK_EQ(r32(map + 24 * i + 16), b.range[i].type);
	}
}

static uint8_t three[0x3000];

static int start_with_modules(void)
{
	reset_machine();
	memcpy(three, "three", 6);
	/* The module is at the kernel's place: it moves. */
	module_at(0x200000, file, file_size, "kernel a line");
	module_at(0x700000, "one", 4, "first module");
	module_at(0x201000 + CODE, three, sizeof(three), "");
	return start();
}

TEST(pvh_64)
{
	uint64_t info;

	make_kernel(true, 4);
	CHECK_EQ(start_with_modules(), 0);
	check_start(0x200010);
	CHECK_EQ(r64(regs.gpr[GPR_RBX] + 32), 0);
	/* The kernel gets the address of the firmware's RSDP, or, if there is only our copy, a copy. */
	b.nmodules = 0;
	b.rsdp = 0xf1230;
	b.rsdp_size = 20;
	module_at(0x800000, file, file_size, "kernel");
	CHECK_EQ(start(), 0);
	CHECK_EQ(r64(regs.gpr[GPR_RBX] + 32), 0xf1230);
	memcpy(b.rsdp_copy, "RSD PTR 0123456789ab", 20);
	b.rsdp = (uintptr_t)b.rsdp_copy;
	memcpy(machine + 0x800000, file, file_size);
	CHECK_EQ(start(), 0);
	info = regs.gpr[GPR_RBX];
	CHECK(!memcmp(machine + r64(info + 32), b.rsdp_copy, 20));
	CHECK(!strcmp(text(r64(info + 24)), "default args"));
	CHECK_EQ(r32(info + 12), 0);
}

TEST(pvh_32_and_a_wide_entry)
{
	make_kernel(false, 8);
	CHECK_EQ(start_with_modules(), 0);
	check_start(0x200010);
}

static void refused(const char *line)
{
	host_log_clear();
	CHECK(start_with_modules() < 0);
	if (!host_log_has(line))
		host_fail(__FILE__, __LINE__, "no line with \"%s\"", line);
	CHECK_EQ(host_heap_used(), 0);
}

TEST(pvh_refused)
{
	make_kernel(true, 4);
	file[NOTES + 20 + 8] = 17;			/* another note */
	refused("is of no known format; this build starts [multiboot1] [multiboot2] [Linux bzImage] [PVH] [Limine]");
	make_kernel(true, 4);
	w32(file + NOTES + 20 + 16, 0x300000);
	refused("entry point 0x300000 lies outside");
	make_kernel(true, 4);
	w32(file + NOTES + 4, 0xfffffff0);		/* a note that leads out of the segment */
	refused("is of no known format");
	make_kernel(true, 4);
	w32(file + NOTES, 0xffffffff);
	refused("is of no known format");
	make_kernel(true, 4);
	host_heap_fail_at(1);
	refused("no memory of Veneer's own to build the PVH start information");
}

TEST(pvh_by_the_protocol_that_was_asked_for)
{
	make_kernel(true, 4);
	settings.protocol = PROTOCOL_LINUX32;
	refused("has no header of the protocol that veneer,boot-protocol asks for; \"auto\" would start it by PVH");
	settings.protocol = PROTOCOL_PVH;
	CHECK_EQ(start_with_modules(), 0);
	w32(file + 0x400, 0x1badb002);			/* a multiboot1 header, too */
	w32(file + 0x408, 0u - 0x1badb002u);
	CHECK_EQ(start_with_modules(), 0);
	CHECK_EQ(regs.gpr[GPR_RAX], 0);
	settings.protocol = PROTOCOL_AUTO;
	CHECK_EQ(start_with_modules(), 0);
	CHECK_EQ(regs.gpr[GPR_RAX], 0x2badb002);
}

TEST(pvh_flipped_or_cut)
{
	reset_machine();
	make_kernel(true, 4);
	flip_all(0, 0xb0);
	flip_all(NOTES, NOTES + 44);
	make_kernel(false, 4);
	flip_all(0, 0x80);
	cut_everywhere();
}

TEST_MAIN
