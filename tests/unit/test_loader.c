/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/load/load*.c hv/exit/symbols.c hv/boot/memmap.c hv/cpu/vcpu.c */
/* Load plans, and Multiboot 1 and 2 kernels: ELF files, headers, tags, and damaged files. */
#include "hv/load/elf.h"
#include "hv/boot/multiboot2.h"
#include "loader_machine.h"

static struct load_plan plan;

/* --- plans --- */

/*
 * Random moves between overlapping ranges: every destination must get the contents that its source had before the first move.
 */
TEST(moves_in_any_order)
{
	static uint8_t before[0x400000];

	srand(7);
	for (unsigned round = 0; round < 300; round++) {
		unsigned n = 2 + (unsigned)rand() % 12, unit = 0x1000u << (rand() % 3), slots = 0x100000 / unit;
		uint8_t taken[256] = { 0 };

		reset_machine();
		pattern(machine + 0x200000, sizeof(before), round);
		memcpy(before, machine + 0x200000, sizeof(before));
		load_plan_init(&plan, &b);
		for (unsigned i = 0; i < n; i++) {
			unsigned d = (unsigned)rand() % slots;
			uint64_t dst = 0x200000 + (uint64_t)d * unit, len = unit - (unsigned)rand() % 100;

			if (taken[d]++)
				continue;
			CHECK_EQ(load_claim(&plan, dst, len, "a piece"), 0);
			if (rand() % 5)
				CHECK_EQ(load_copy(&plan, dst, 0x200000 + (uint64_t)rand() % (0x100000 - unit), len, "a"), 0);
			else
				CHECK_EQ(load_fill(&plan, dst, len, "a piece"), 0);
		}
		struct load_plan want = plan;

		/* The plan may move sources aside to any place but onto a source that is still to be read. */
		module_at(0x200000, NULL, 0x100000 + unit, "sources");
		CHECK_EQ(load_plan_run(&plan), 0);
		for (unsigned i = 0; i < want.nmoves; i++) {
			struct load_move *m = &want.move[i];

			for (uint64_t k = 0; k < m->len; k++)
				if (machine[m->dst + k] != (m->fill ? 0 : before[m->src - 0x200000 + k]))
					host_fail(__FILE__, __LINE__, "round %u move %u byte %llu", round, i,
						  (unsigned long long)k);
		}
	}
}

TEST(a_circle_without_room_is_reported)
{
	reset_machine();
	b.range[2].size = 0x200000;	/* 1 to 3 MiB */
	module_at(0x100000, NULL, 0x200000, "all of it");
	load_plan_init(&plan, &b);
	CHECK_EQ(load_claim(&plan, 0x100000, 0x200000, "both"), 0);
	CHECK_EQ(load_copy(&plan, 0x100000, 0x200000, 0x100000, "one"), 0);
	CHECK_EQ(load_copy(&plan, 0x200000, 0x100000, 0x100000, "two"), 0);
	CHECK_EQ(load_plan_run(&plan), -ERR_NOMEM);
	CHECK(host_log_has("no free memory to move one aside"));
}

TEST(claims_name_what_is_in_the_way)
{
	reset_machine();
	load_plan_init(&plan, &b);
	CHECK_EQ(load_claim(&plan, 0x200000, 0x1000, "the kernel"), 0);
	CHECK_EQ(load_claim(&plan, 0x200fff, 0x1000, "the initrd"), -ERR_INVAL);
	CHECK(host_log_has("the initrd needs 0x200fff-0x201fff, where the kernel is (0x200000-0x201000)"));
	CHECK_EQ(load_claim(&plan, SELF - 0x1000, 0x2000, "the kernel"), -ERR_INVAL);
	CHECK(host_log_has("where Veneer's own memory is"));
	CHECK_EQ(load_claim(&plan, MACHINE - 0x1000, 0x1000, "the kernel"), -ERR_INVAL);
	CHECK(host_log_has("where ACPI tables is"));
	CHECK_EQ(load_claim(&plan, 0xb8000, 0x1000, "the kernel"), -ERR_INVAL);
	CHECK(host_log_has("where an address without memory is"));
	CHECK_EQ(load_claim(&plan, 0x800, 0x100, "the kernel"), -ERR_INVAL);
	CHECK(host_log_has("the BIOS's vectors and data"));
	CHECK_EQ(load_claim(&plan, EBDA, 0x100, "the kernel"), -ERR_INVAL);
	CHECK(host_log_has("the extended BIOS data area"));
	CHECK_EQ(load_claim(&plan, ~0ull - 5, 0x100, "the kernel"), -ERR_INVAL);
	CHECK_EQ(load_copy(&plan, 0xb8000, 0x200000, 16, "bad"), 0);
	CHECK_EQ(load_plan_run(&plan), -ERR_FAULT);
}

/* --- a builder of ELF files --- */

struct part { uint64_t vaddr, paddr, filesz, memsz; };

/* The file part of segment i begins at 0x2000 + i * 0x4000; a multiboot header fits at 0x1000. */
static void make_elf(bool is64, uint64_t entry, const struct part *s, unsigned n)
{
	struct elf_ident id = { .magic = ELF_MAGIC, .class = is64 ? ELF_CLASS64 : ELF_CLASS32, .data = ELF_LITTLE, .version = 1,
				.type = ELF_EXEC, .machine = is64 ? ELF_X86_64 : ELF_386, .version2 = 1 };
	struct elf64_header h64 = { .ident = id, .entry = entry, .phoff = 64, .phentsize = sizeof(struct elf64_segment),
				    .phnum = (uint16_t)n };
	struct elf32_header h32 = { .ident = id, .entry = (uint32_t)entry, .phoff = 64,
				    .phentsize = sizeof(struct elf32_segment), .phnum = (uint16_t)n };

	memset(file, 0, sizeof(file));
	if (is64)
		memcpy(file, &h64, sizeof(h64));
	else
		memcpy(file, &h32, sizeof(h32));
	file_size = 0x2000;
	for (unsigned i = 0; i < n; i++) {
		struct elf64_segment w = { .type = ELF_PT_LOAD, .offset = 0x2000 + i * 0x4000, .vaddr = s[i].vaddr,
					   .paddr = s[i].paddr, .filesz = s[i].filesz, .memsz = s[i].memsz };
		struct elf32_segment m = { .type = ELF_PT_LOAD, .offset = (uint32_t)w.offset, .vaddr = (uint32_t)w.vaddr,
					   .paddr = (uint32_t)w.paddr, .filesz = (uint32_t)w.filesz,
					   .memsz = (uint32_t)w.memsz };

		if (is64)
			memcpy(file + 64 + i * sizeof(w), &w, sizeof(w));
		else
			memcpy(file + 64 + i * sizeof(m), &m, sizeof(m));
		pattern(file + w.offset, s[i].filesz, i);
		file_size = w.offset + s[i].filesz;
	}
}

static void mb1_header(uint32_t flags, const uint32_t *addresses)
{
	w32(file + 0x1000, 0x1badb002);
	w32(file + 0x1004, flags);
	w32(file + 0x1008, 0u - 0x1badb002u - flags);
	if (addresses)
		memcpy(file + 0x100c, addresses, 20);
}

/* Tags are words: type | flags << 16, size, payload, padded by the caller. */
static void mb2_header(const uint32_t *tags, unsigned words)
{
	uint32_t size = 16 + words * 4 + 8, end[2] = { 0, 8 };

	w32(file + 0x1000, MB2_HEADER_MAGIC);
	w32(file + 0x1004, 0);
	w32(file + 0x1008, size);
	w32(file + 0x100c, 0u - MB2_HEADER_MAGIC - size);
	if (words)
		memcpy(file + 0x1010, tags, words * 4);
	memcpy(file + 0x1010 + words * 4, end, 8);
}

static const struct part two[] = { { 0x100000, 0x100000, 0x3000, 0x3000 }, { 0x104000, 0x104000, 0x1000, 0x9000 } };

static void check_segments(const struct part *s, unsigned n, uint64_t delta)
{
	for (unsigned i = 0; i < n; i++) {
		CHECK(!memcmp(machine + s[i].paddr + delta, file + 0x2000 + i * 0x4000, s[i].filesz));
		for (uint64_t k = s[i].filesz; k < s[i].memsz; k++)
			CHECK_EQ(machine[s[i].paddr + delta + k], 0);
	}
}

/* --- multiboot1 --- */

TEST(multiboot1_elf)
{
	static uint8_t mod[0x2345];
	uint64_t info;

	reset_machine();
	memset(machine + 0x100000, 0xaa, 0x200000);
	make_elf(false, 0x100123, two, 2);
	mb1_header(7, NULL);
	pattern(mod, sizeof(mod), 99);
	module_at(0x200000, NULL, 100, "config");
	/* As GRUB loads: modules from 1 MiB on, where the kernel has to be. */
	module_at(0x101000, file, file_size, "kernel  a=1 b");
	module_at(0x110000, mod, sizeof(mod), "first \"x y\"");
	module_at(0x8000, mod, 0x1000, "second");
	b.has_bootdev = true;
	b.bootdev = 0x80;
	b.bootdev_part = 1;
	b.bootdev_sub = ~0u;
	b.has_fb = true;
	b.fb.addr = 0xfd000000;
	b.fb.width = 1024;
	b.fb.type = 1;
	b.fb.blue_size = 8;
	CHECK_EQ(start(), 0);
	check_segments(two, 2, 0);
	check_flat32();
	CHECK_EQ(regs.rip, 0x100123);
	CHECK_EQ(regs.gpr[GPR_RAX], 0x2badb002);
	info = regs.gpr[GPR_RBX];
	CHECK(gmem_valid(info, 116));
	CHECK_EQ(r32(info), 1 | 2 | 4 | 8 | 64 | 512 | 4096);
	CHECK_EQ(r32(info + 4), LOW_END / 1024);
	CHECK_EQ(r32(info + 8), (SELF - 0x100000) / 1024);
	CHECK_EQ(r32(info + 12), 0x8001ffff);
	CHECK(!strcmp(text(r32(info + 16)), "a=1 b"));
	CHECK(!strcmp(text(r32(info + 64)), "Veneer"));
	CHECK_EQ(r32(info + 20), 2);

	uint32_t mods = r32(info + 24), m0 = r32(mods), m1 = r32(mods + 16);
	CHECK(IS_ALIGNED(m0, 4096) && IS_ALIGNED(m1, 4096) && m1 >= 0x100000);
	CHECK_EQ(r32(mods + 4) - m0, sizeof(mod));
	CHECK(!memcmp(machine + m0, mod, sizeof(mod)));
	CHECK(!memcmp(machine + m1, mod, 0x1000));
	CHECK(!strcmp(text(r32(mods + 8)), "first \"x y\""));
	CHECK(!strcmp(text(r32(mods + 24)), "second"));
	CHECK_EQ(m0, 0x110000);		/* not moved */

	CHECK_EQ(r32(info + 44), 24 * b.nranges);
	for (unsigned i = 0; i < b.nranges; i++) {
		uint64_t e = r32(info + 48) + i * 24;

		CHECK_EQ(r32(e), 20);
		CHECK_EQ(r64(e + 4), b.range[i].base);
		CHECK_EQ(r64(e + 12), b.range[i].size);
		CHECK_EQ(r32(e + 20), b.range[i].type);
	}
	CHECK_EQ(r64(info + 88), 0xfd000000);
	CHECK_EQ(r32(info + 100), 1024);
	CHECK_EQ(machine[info + 109], 1);
	CHECK_EQ(machine[info + 115], 8);
	CHECK_EQ(host_heap_used(), 0);
}

TEST(multiboot1_higher_half_and_defaults)
{
	static const struct part high[] = { { 0xc0100000, 0x100000, 0x1000, 0x2000 } };

	reset_machine();
	make_elf(false, 0xc0100040, high, 1);
	mb1_header(0, NULL);
	module_at(0x400000, file, file_size, "");	/* recognized by its format */
	CHECK_EQ(start(), 0);
	CHECK_EQ(regs.rip, 0x100040);
	check_segments(high, 1, 0);
	CHECK(!strcmp(text(r32(regs.gpr[GPR_RBX] + 16)), "default args"));
	/* Some kernels give the entry as a physical address. */
	make_elf(false, 0x100080, high, 1);
	mb1_header(0, NULL);
	memcpy(machine + 0x400000, file, file_size);
	CHECK_EQ(start(), 0);
	CHECK_EQ(regs.rip, 0x100080);
	/* ELF64 files are entered in 32-bit mode, as GRUB does. */
	make_elf(true, 0xc0100040, high, 1);
	mb1_header(0, NULL);
	memcpy(machine + 0x400000, file, file_size);
	CHECK_EQ(start(), 0);
	CHECK_EQ(regs.rip, 0x100040);
	check_flat32();
}

TEST(multiboot1_addresses)
{
	/* The header is at load address + 0x800; 0x1800 bytes are loaded, bss ends at 0x5000. */
	uint32_t a[5] = { 0x300800, 0x300000, 0x301800, 0x305000, 0x300900 };

	reset_machine();
	memset(machine + 0x300000, 0x55, 0x10000);
	memset(file, 0, sizeof(file));
	pattern(file, 0x4000, 3);
	mb1_header(BIT(16) | 3, a);
	module_at(0x500000, file, 0x4000, "kernel");
	CHECK_EQ(start(), 0);
	CHECK(!memcmp(machine + 0x300000, file + 0x800, 0x1800));
	for (uint64_t i = 0x301800; i < 0x305000; i++)
		CHECK_EQ(machine[i], 0);
	CHECK_EQ(machine[0x305000], 0x55);
	CHECK_EQ(regs.rip, 0x300900);
	/* No end address: the whole file, no bss. */
	a[2] = a[3] = 0;
	mb1_header(BIT(16), a);
	memcpy(machine + 0x500000, file, 0x4000);
	CHECK_EQ(start(), 0);
	CHECK(!memcmp(machine + 0x300000, file + 0x800, 0x3800));
	CHECK_EQ(machine[0x305000], 0x55);
}

static void bad_addresses(uint32_t header, uint32_t load, uint32_t end, uint32_t bss, uint32_t entry, const char *line)
{
	uint32_t a[5] = { header, load, end, bss, entry };

	reset_machine();
	memset(file, 0, 0x4000);
	mb1_header(BIT(16), a);
	module_at(0x500000, file, 0x4000, "kernel");
	host_log_clear();
	CHECK(start() < 0);
	CHECK(host_log_has(line));
	CHECK_EQ(host_heap_used(), 0);
}

TEST(multiboot1_bad_addresses)
{
	bad_addresses(0x300000, 0x301000, 0, 0, 0x301000, "wrong addresses");
	bad_addresses(0x302000, 0x300000, 0, 0, 0x301000, "wrong addresses");
	bad_addresses(0x300800, 0x300000, 0x2ff000, 0, 0x301000, "wrong addresses");
	bad_addresses(0x300800, 0x300000, 0x310000, 0, 0x301000, "ends behind the end of the file");
	bad_addresses(0x300800, 0x300000, 0, 0, 0x400000, "entry point 0x400000 lies outside");
	bad_addresses(0x300800, 0x300000, 0, 0x7f000000, 0x301000, "the kernel needs 0x300000-0x7f000000, where");
	bad_addresses(0x1000800, 0x1000000, 0, (uint32_t)SELF + 0x1000, 0x1000000, "Veneer's own memory");
}

/* --- ELF files that are wrong --- */

static void bad_elf(void (*spoil)(void), const char *line)
{
	reset_machine();
	make_elf(false, 0x100123, two, 2);
	mb1_header(0, NULL);
	spoil();
	module_at(0x500000, file, file_size, "kernel");
	host_log_clear();
	CHECK(start() < 0);
	if (!host_log_has(line))
		host_fail(__FILE__, __LINE__, "no line with \"%s\"", line);
	CHECK_EQ(host_heap_used(), 0);
}

static struct elf32_segment *seg32(unsigned i) { return (void *)(file + 64 + i * sizeof(struct elf32_segment)); }
static void nothing(void) { }
static void truncated(void) { file_size -= 1; }
static void short_memory(void) { seg32(1)->memsz = 0xfff; }
static void overlapping(void) { seg32(1)->paddr = 0x102000; }
static void above_4g(void) { seg32(1)->paddr = 0xfffff000; }
static void over_veneer(void) { seg32(1)->paddr = (uint32_t)SELF; }
static void over_acpi(void) { seg32(1)->paddr = (uint32_t)MACHINE - 0x2000; seg32(1)->memsz = 0x1000; }
static void at_zero(void) { seg32(1)->paddr = 0; }
static void no_segments(void) { ((struct elf32_header *)(void *)file)->phnum = 0; }
static void many_segments(void) { ((struct elf32_header *)(void *)file)->phnum = 0xffff; }
static void no_machine(void) { ((struct elf32_header *)(void *)file)->ident.machine = 8; }
static void an_object(void) { ((struct elf32_header *)(void *)file)->ident.type = 1; }
static void big_endian(void) { ((struct elf32_header *)(void *)file)->ident.data = 2; }
static void no_class(void) { ((struct elf32_header *)(void *)file)->ident.class = 7; }
static void entry_outside(void) { ((struct elf32_header *)(void *)file)->entry = 0x10; }
static void headers_far(void) { ((struct elf32_header *)(void *)file)->phoff = 0xfffffff0; }
static void no_elf(void) { file[0] = 0; }
static void unknown_flag(void) { mb1_header(BIT(9), NULL); }

TEST(bad_elf_files)
{
	bad_elf(truncated, "is the file complete?");
	bad_elf(short_memory, "more bytes in the file than in memory");
	bad_elf(overlapping, "the kernel needs 0x102000-0x10b000, where the kernel is");
	bad_elf(above_4g, "above 4 GiB");
	bad_elf(over_veneer, "Veneer's own memory");
	bad_elf(over_acpi, "ACPI tables");
	bad_elf(at_zero, "the BIOS's vectors and data");
	bad_elf(no_segments, "nothing to load");
	bad_elf(many_segments, "ends before the program headers");
	bad_elf(no_machine, "not for x86");
	bad_elf(an_object, "not an executable");
	bad_elf(big_endian, "not little-endian");
	bad_elf(no_class, "neither a 32-bit nor");
	bad_elf(entry_outside, "entry point 0x10 lies outside");
	bad_elf(headers_far, "ends before the program headers");
	bad_elf(no_elf, "no ELF file and its header gives no addresses");
	bad_elf(unknown_flag, "requires features 0x200");
}

/* --- multiboot2 --- */

static uint64_t find_tag(uint32_t type)
{
	uint64_t at = regs.gpr[GPR_RBX], end = at + r32(at);

	for (at += 8; at < end; at += ALIGN_UP(r32(at + 4), 8)) {
		if (r32(at) == type)
			return at;
		CHECK(r32(at + 4) >= 8);
	}
	return 0;
}

TEST(multiboot2_elf64_and_its_information)
{
	static const uint32_t tags[] = { 1, 16, 6, 21, 3, 12, 0x104010, 0, 6, 8, 5 | 1 << 16, 20, 1024, 768, 32, 0,
					 77 | 1 << 16, 8 };
	uint64_t t;

	reset_machine();
	make_elf(true, 0, two, 2);
	mb2_header(tags, ARRAY_SIZE(tags));
	module_at(0x101000, file, file_size, "kernel x");
	module_at(0x200000, "abc", 3, "m 1");
	b.efi = true;
	b.efi_systab = 0x123456789a;
	b.efi_map_size = 96;
	b.efi_desc_size = 48;
	b.efi_desc_version = 1;
	memset(b.efi_map, 0, 96);
	b.efi_map[0] = b.efi_map[48] = EFI_CONVENTIONAL;
	b.rsdp_size = 36;
	memcpy(b.rsdp_copy, "RSD PTR ", 8);
	b.has_fb = true;
	b.fb.type = 1;
	b.fb.addr = 0x8000000000;
	b.fb.blue_size = 5;
	CHECK_EQ(start(), 0);
	check_segments(two, 2, 0);
	check_flat32();
	CHECK_EQ(regs.rip, 0x104010);
	CHECK_EQ(regs.gpr[GPR_RAX], 0x36d76289);
	CHECK(IS_ALIGNED(regs.gpr[GPR_RBX], 8));
	CHECK(!strcmp(text(find_tag(1) + 8), "x"));
	CHECK(!strcmp(text(find_tag(2) + 8), "Veneer"));
	t = find_tag(3);
	CHECK(!strcmp(text(t + 16), "m 1"));
	CHECK_EQ(r32(t + 12) - r32(t + 8), 3);
	CHECK(!memcmp(machine + r32(t + 8), "abc", 3));
	t = find_tag(6);
	CHECK_EQ(r32(t + 4), 16 + 24 * b.nranges);
	CHECK_EQ(r32(t + 8), 24);
	CHECK_EQ(r64(t + 16 + 24 * 3), SELF);
	CHECK_EQ(r32(t + 16 + 24 * 3 + 16), MEM_RESERVED);
	CHECK_EQ(r32(find_tag(4) + 12), (SELF - 0x100000) / 1024);
	t = find_tag(8);
	CHECK_EQ(r64(t + 8), 0x8000000000);
	CHECK_EQ(r32(t + 4), 38);
	CHECK_EQ(machine[t + 37], 5);
	CHECK_EQ(r64(find_tag(12) + 8), 0x123456789a);
	CHECK_EQ(r32(find_tag(14) + 4), 28);
	CHECK_EQ(r32(find_tag(15) + 4), 44);
	t = find_tag(17);
	CHECK_EQ(r32(t + 4), 16 + 96);
	CHECK_EQ(r32(t + 8), 48);
	CHECK(!find_tag(21) && !find_tag(11) && !find_tag(5));
	CHECK_EQ(host_heap_used(), 0);
}

static int start_mb2(const uint32_t *tags, unsigned words)
{
	mb2_header(tags, words);
	b.nmodules = 0;
	module_at(0x500000, file, file_size, "kernel");
	host_log_clear();
	return start();
}

TEST(multiboot2_relocatable)
{
	uint32_t tag[] = { 10, 24, 0x100000, 0x1ffffff, 0x100000, 1 };

	reset_machine();
	make_elf(false, 0x100123, two, 2);
	CHECK_EQ(start_mb2(tag, 6), 0);			/* the fixed place is free */
	CHECK_EQ(regs.rip, 0x100123);
	CHECK_EQ(r32(find_tag(21) + 8), 0x100000);

	tag[2] = tag[4] = 0x200000;

	static const struct part taken[] = { { SELF - 0x1000, SELF - 0x1000, 0x1000, 0x3000 },
					     { SELF + 0x4000, SELF + 0x4000, 0x800, 0x800 } };
	reset_machine();
	make_elf(false, SELF, taken, 2);
	CHECK_EQ(start_mb2(tag, 6), 0);
	CHECK_EQ(regs.rip, 0x201000);
	check_segments(taken, 2, 0x200000 - (SELF - 0x1000));
	CHECK_EQ(r32(find_tag(21) + 8), 0x200000);

	reset_machine();
	make_elf(false, 0x100123, two, 2);
	tag[2] = 0x400000;				/* free, but outside of the allowed range */
	CHECK_EQ(start_mb2(tag, 6), 0);
	CHECK_EQ(r32(find_tag(21) + 8), 0x400000);
	CHECK_EQ(regs.rip, 0x400123);
	tag[2] = 0x200000;

	reset_machine();
	make_elf(false, SELF, taken, 2);
	tag[5] = 2;					/* highest */
	CHECK_EQ(start_mb2(tag, 6), 0);
	CHECK_EQ(r32(find_tag(21) + 8), SELF - 0x200000);

	tag[2] = 0x1b00000;
	tag[4] = 0x1000000;				/* no such place */
	CHECK(start_mb2(tag, 6) < 0);
	CHECK(host_log_has("no free place for the relocatable kernel"));
	tag[4] = 3;
	CHECK(start_mb2(tag, 6) < 0);
	CHECK(host_log_has("relocatable tag is wrong"));
	CHECK(start_mb2(tag, 0) < 0);			/* not relocatable: the error says why */
	CHECK(host_log_has("Veneer's own memory"));
}

static int screen(bool has_fb, uint8_t type, const uint32_t *tags, unsigned words)
{
	reset_machine();
	make_elf(false, 0x100123, two, 2);
	b.has_fb = has_fb;
	b.fb.type = type;
	b.fb.width = 800;
	b.fb.height = 600;
	b.fb.bpp = 32;
	return start_mb2(tags, words);
}

/* The boot loader has set the screen's mode: a difference is logged, an impossible requirement stops the start. */
TEST(multiboot2_screens)
{
	uint32_t fb[] = { 5, 20, 1024, 768, 32, 0 }, console[] = { 4, 12, 3, 0 };

	CHECK_EQ(screen(true, 1, fb, 6), 0);
	CHECK(host_log_has("asks for 1024x768, 32 bits: the boot loader chose 800x600, 32 bits"));
	CHECK(screen(true, 2, fb, 6) < 0);
	CHECK(host_log_has("requires a framebuffer (1024x768, 32 bits), and this machine started with a text screen: set gfx"));
	CHECK(screen(false, 0, fb, 6) < 0);
	fb[0] |= 1 << 16;
	CHECK_EQ(screen(true, 2, fb, 6), 0);
	CHECK(host_log_has("asks for a framebuffer (1024x768, 32 bits): there is a text screen"));
	fb[2] = 800;
	fb[3] = fb[4] = 0;
	CHECK_EQ(screen(true, 1, fb, 6), 0);
	CHECK(!host_log_has("the boot loader chose"));
	/* "At least one supported console", which is text only. */
	CHECK_EQ(screen(true, 2, console, 4), 0);
	CHECK(!host_log_has("screen"));
	CHECK(screen(true, 1, console, 4) < 0);
	CHECK(host_log_has("requires a screen that the kernel understands (text), and this machine started with a frame"));
	console[2] = 2;
	CHECK_EQ(screen(true, 1, console, 4), 0);
}

TEST(multiboot1_screens)
{
	uint32_t header[] = { 0, 0, 0, 0, 0 }, mode[] = { 0, 1024, 768, 32 };

	for (unsigned i = 0; i < 4; i++) {		/* text or graphics wanted, text or graphics there */
		reset_machine();
		make_elf(false, 0x100123, two, 2);
		mb1_header(7, header);
		mode[0] = i & 1;
		memcpy(file + 0x1020, mode, sizeof(mode));
		module_at(0x500000, file, file_size, "kernel");
		b.has_fb = true;
		b.fb.type = i & 2 ? 2 : 1;
		b.fb.width = 1024;
		b.fb.height = 768;
		b.fb.bpp = 32;
		host_log_clear();
		CHECK_EQ(start() == 0, i == 0 || i == 3);
		CHECK(host_log_has("the multiboot1 header requires") == (i == 1 || i == 2));
	}
}

TEST(multiboot2_addresses)
{
	uint32_t tags[] = { 2, 24, 0x301000, 0x300000, 0x304000, 0x308000, 3, 12, 0x300040, 0 };

	reset_machine();
	memset(machine + 0x300000, 0x55, 0x10000);
	memset(file, 0, sizeof(file));
	pattern(file, 0x1000, 3);
	file_size = 0x5000;
	CHECK_EQ(start_mb2(tags, 10), 0);
	CHECK(!memcmp(machine + 0x300000, file, 0x4000));
	CHECK_EQ(machine[0x307fff], 0);
	CHECK_EQ(machine[0x308000], 0x55);
	CHECK_EQ(regs.rip, 0x300040);
	tags[3] = ~0u;					/* from the file's beginning */
	CHECK_EQ(start_mb2(tags, 10), 0);
	CHECK(!memcmp(machine + 0x300000, file, 0x4000));
	CHECK(start_mb2(tags, 6) < 0);
	CHECK(host_log_has("no 32-bit entry point"));
	tags[6] = 9;					/* an EFI entry alone */
	CHECK(start_mb2(tags, 10) < 0);
	CHECK(host_log_has("needs boot services"));
	tags[3] = 0x302000;
	CHECK(start_mb2(tags, 10) < 0);
	CHECK(host_log_has("wrong addresses"));
}

TEST(multiboot2_bad_headers)
{
	static const uint32_t request[] = { 1, 16, 6, 22 }, unknown[] = { 99, 8 }, size[] = { 1, 4 }, big[] = { 1, 4000 };

	reset_machine();
	make_elf(false, 0x100123, two, 2);
	CHECK(start_mb2(request, 4) < 0);
	CHECK(host_log_has("information of the unknown type 22"));
	CHECK(start_mb2(unknown, 2) < 0);
	CHECK(host_log_has("required tag of the unknown type 99"));
	CHECK(start_mb2(size, 2) < 0);
	CHECK(host_log_has("tag 1 has length 4"));
	CHECK(start_mb2(big, 2) < 0);
	CHECK(host_log_has("tag 1 has length 4000"));
}

TEST(elf_sections_are_handed_over)
{
	struct elf32_section s[6] = {
		{ 0 }, { .type = 1, .addr = 0x100000, .size = 16 },
		{ .type = ELF_SYMTAB, .offset = 0x2100, .size = 0x200 },
		{ .type = ELF_STRTAB, .offset = 0xfffffff0, .size = 0x200 },
		{ .type = 1, .offset = 0x2000, .size = 0x80 },	/* debugging information */
		{ .type = ELF_NOBITS, .offset = 0x2000, .size = 0x80 },
	};
	uint64_t t;

	reset_machine();
	make_elf(false, 0x100123, two, 2);
	((struct elf32_header *)(void *)file)->shoff = 0x1800;
	((struct elf32_header *)(void *)file)->shnum = 6;
	((struct elf32_header *)(void *)file)->shentsize = sizeof(s[0]);
	((struct elf32_header *)(void *)file)->shstrndx = 3;
	memcpy(file + 0x1800, s, sizeof(s));
	CHECK_EQ(start_mb2(NULL, 0), 0);
	t = find_tag(9);
	CHECK_EQ(r32(t + 8), 6);
	CHECK_EQ(r32(t + 12), 40);
	CHECK_EQ(r32(t + 16), 3);
	CHECK_EQ(r32(t + 20 + 40 + 12), 0x100000);
	CHECK(r32(t + 20 + 80 + 12) >= 0x100000);
	CHECK(!memcmp(machine + r32(t + 20 + 80 + 12), file + 0x2100, 0x200));
	CHECK_EQ(r32(t + 20 + 120 + 12), 0);		/* not in the file, so not passed to the kernel */
	CHECK(!memcmp(machine + r32(t + 20 + 160 + 12), file + 0x2000, 0x80));
	CHECK_EQ(r32(t + 20 + 200 + 12), 0);

	memset(file + 0x1000, 0, 64);
	mb1_header(0, NULL);
	b.nmodules = 0;
	module_at(0x500000, file, file_size, "kernel");
	CHECK_EQ(start(), 0);
	t = regs.gpr[GPR_RBX];
	CHECK(r32(t) & BIT(5));
	CHECK_EQ(r32(t + 28), 6);
	CHECK_EQ(r32(r32(t + 36) + 40 + 12), 0x100000);
}

/* --- which module is what --- */

TEST(modules_are_told_apart)
{
	reset_machine();
	CHECK(!loader_find_config(&b));
	CHECK(start() < 0);
	CHECK(host_log_has("none of the 0 modules"));
	module_at(0x200000, NULL, 100, "kernelx");
	module_at(0x201000, NULL, 100, "configuration");
	CHECK(!loader_find_config(&b));
	CHECK(start() < 0);
	CHECK(host_log_has("none of the 2 modules"));
	module_at(0x202000, "\x7f" "ELF and so on", 14, " kernel");
	CHECK(loader_find_config(&b) == NULL);
	module_at(0x203000, NULL, 100, " config");
	CHECK(loader_find_config(&b) == &b.module[3]);
	CHECK_EQ(start(), -ERR_NOTSUP);
	CHECK(host_log_has("14 bytes, beginning 7f 45 4c 46 20 61 6e 64"));
	CHECK(host_log_has("[multiboot1] [multiboot2] [Linux bzImage]"));
	b.module[0].addr = SELF + 0x1000;
	CHECK_EQ(start(), -ERR_INVAL);
	CHECK(host_log_has("module 0 at 0x1c01000 overlaps Veneer's own memory"));
}

/* --- no memory of our own; anything at all in the headers --- */

TEST(without_heap)
{
	host_heap_fail_at(1);
	bad_elf(nothing, "no memory of Veneer's own to build the multiboot1");
	reset_machine();
	make_elf(false, 0x100123, two, 2);
	host_heap_fail_at(1);
	CHECK(start_mb2(NULL, 0) < 0);
	CHECK_EQ(host_heap_used(), 0);
}

TEST(flipped_headers)
{
	static const uint32_t tags[] = { 10, 24, 0x200000, 0x1ffffff, 0x200000, 1, 2, 24, 0x301000, 0x300000, 0x302000,
					 0x308000, 3, 12, 0x300040, 0 };
	static const uint32_t a[5] = { 0x301000, 0x300000, 0x301800, 0x305000, 0x300900 };

	reset_machine();
	make_elf(false, 0x100123, two, 2);
	mb1_header(0, NULL);
	flip_all(0, 64 + 2 * sizeof(struct elf32_segment));
	make_elf(true, 0x100123, two, 2);
	mb2_header(tags, 6);
	flip_all(0, 64 + 2 * sizeof(struct elf64_segment));
	flip_all(0x1000, 0x1040);
	mb2_header(tags, 16);
	flip_all(0x1000, 0x1060);
	memset(file + 0x1000, 0, 0x100);
	mb1_header(BIT(16), a);
	flip_all(0x1000, 0x1020);
}

TEST(truncated_files)
{
	reset_machine();
	for (unsigned kind = 0; kind < 2; kind++) {
		make_elf(kind, 0x100123, two, 2);
		if (kind == 0)
			mb1_header(0, NULL);
		if (kind == 1)
			mb2_header(NULL, 0);
		cut_everywhere();
	}
}

TEST_MAIN
