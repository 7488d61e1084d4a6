/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/load/load*.c hv/exit/symbols.c hv/boot/memmap.c hv/cpu/vcpu.c */
/* Kernels of the Limine protocol, good ones and broken files. test_limine_machine.c has hv/load/limine_machine.c. */
#include "hv/load/limine.h"
#include "loader_machine.h"

#define LINKED		0xffffffff80000000ull
#define HHDM		0xffff800000000000ull
#define TEXT		0x1000u		/* in the file and the image, each a page: code, constants, data; and bss */
#define RODATA		0x2000u
#define DATA		0x3000u
#define IMAGE_SIZE	0x4000u		/* four pages, of which TEXT is the first */
#define PT_TYPE		0x40u		/* offset in the file: program headers */
#define COMMON		0xc7b1dd30df4c8b88, 0x0a82e883a194f07b
#define P		(1ull << 0)
#define W		(1ull << 1)
#define NX		(1ull << 63)
#define ADDR		0x000ffffffffff000ull
#define MAP_ID		0x67cf3d9d378a806f, 0xe304acdfc50c3c62
#define HHDM_ID		0x48dcf1cb8ad2b852, 0x63984e959a98244b
#define MP_ID		0x95a67b819a1b857e, 0xa0b61b723b6a73e0
#define MODULE_ID	0x3e7e279702be32af, 0xca1c4f3bd1280cee
#define PAGING_ID	0x95c1a0edab0944cb, 0xa4e5cb3842f7488a
#define STACK_ID	0x224ef0460a8e8926, 0xe1cb0fc25f46ea3d
#define ENTRY_ID	0x13d86c035a1cd3e1, 0x2b0caa89d8f3026a
#define FB_ID		0x9d5827dcd881dd75, 0xa3148604f6fab11b
#define RSDP_ID		0xc5e77b6b397e7b43, 0x27637845accdcf3c
#define SMBIOS_ID	0x9e9046f11e095391, 0xaa4a520fefbde5ee
#define EFI_ID		0x5ceba5163eaaf6d6, 0x0a6981610cf65fcc
#define EFI_MAP_ID	0x7df62a431d6872d5, 0xa4fcdfb3e57306c8

static uint32_t used;		/* bytes of the data that tags take */
static uint64_t linked;

static void w64(uint8_t *p, uint64_t v) { memcpy(p, &v, 8); }
static struct elf64_segment *segment(unsigned i) { return (struct elf64_segment *)(void *)(file + PT_TYPE) + i; }
static struct elf64_header *header(void) { return (struct elf64_header *)(void *)file; }

static uint32_t words(unsigned n, const uint64_t *w)
{
	uint32_t at = used;

	memcpy(file + DATA + at, w, n * 8);
	used += n * 8;
	return at;
}
#define TAG(...) words(sizeof((uint64_t[]){ __VA_ARGS__ }) / 8, (uint64_t[]){ __VA_ARGS__ })
/* Append a request with revision 0 and further words.  Return its offset in the data. */
#define ASK(...) TAG(COMMON, __VA_ARGS__)
static void start_marker(void) { TAG(0xf6b8f4b39de7d1ae, 0xfab91a6940fcb9cf, 0x785c6ed015d3e316, 0x181e920a7852b9d9); }
static void end_marker(void) { TAG(0xadc0e0531bb10d03, 0x9572709f31764c62); }
static uint32_t base(uint64_t revision) { return TAG(0xf9562b2d5c95a6c8, 0x6a7b384944536bdc, revision); }

/* Make a new kernel without tags. */
static void make(uint64_t at)
{
	static const uint32_t flags[3] = { 5, 4, 6 };

	linked = at;
	used = 0;
	memset(file, 0, sizeof(file));
	file_size = DATA + 0x1000;
	pattern(file + TEXT, 0x2000, 3);
	*header() = (struct elf64_header){
		.ident = { ELF_MAGIC, ELF_CLASS64, ELF_LITTLE, 1, { 0 }, at >= LINKED ? ELF_EXEC : ELF_DYN, ELF_X86_64, 1 },
		.entry = at + 0x10, .phoff = PT_TYPE, .phentsize = sizeof(struct elf64_segment), .phnum = 3 };
	for (unsigned i = 0; i < 3; i++)
		*segment(i) = (struct elf64_segment){ .type = ELF_PT_LOAD, .flags = flags[i], .offset = TEXT + 0x1000 * i,
			.vaddr = at + 0x1000 * i, .filesz = 0x1000, .memsz = i == 2 ? 0x2000 : 0x1000, .align = 0x1000 };
}

static void machine_facts(void)
{
	limine_facts = (struct limine_machine){ .ncpus = 3, .cpu = { { 4, 0, { 0x10000, 0x400 } }, { 5, 2, { 0x10000, 0x400 } },
		{ 6, 3, { 0x10000, 0x400 } } }, .bsp_apic_id = 0, .x2apic_there = true, .lapic = 0xfee00000,
		.tsc_hz = 2000000000, .date = 1700000000, .nx = true, .nioapics = 1, .ioapic = { 0xfec00000 } };
}

static int begin(void)
{
	b.nmodules = 0;
	module_at(0x700000, file, file_size, "kernel a line");
	return start();
}

static int run(void)
{
	reset_machine();
	machine_facts();
	return begin();
}

/* --- what the kernel sees --- */

static uint64_t entry_of(uint64_t addr)
{
	uint64_t e = regs.cr3;

	for (int shift = 39; ; shift -= 9) {
		e = r64((e & ADDR) + ((addr >> shift) & 511) * 8);
		if (!(e & P))
			return 0;
		if (shift == 12)
			return e;
		if (shift < 39 && (e & 0x80))
			return (e & ~0x1000ull) + (addr & 0x1ff000) + ((e & 0x1000) ? 0 : -0x80);
	}
}

static uint64_t phys_of(uint64_t virt) { return (entry_of(virt) & ADDR) + (virt & 0xfff); }
static uint64_t stub(uint32_t off) { return r64(regs.rip - LIMINE_STUB_CODE + off); }

/* Return word @i of the response to the request at @at in the data; 0: no response. */
static uint64_t slid(void) { return linked >= LINKED ? linked : linked + LINKED; }
static uint64_t response(uint32_t at)
{
	uint64_t p = r64(phys_of(slid() + DATA - TEXT + at + 40));

	return p ? p - HHDM : 0;
}
static uint64_t answer(uint32_t at, unsigned i)
{
	CHECK(response(at));
	return r64(response(at) + 8 * i);
}
static const char *string(uint64_t pointer) { return text(pointer - HHDM); }

static void refused(const char *line)
{
	host_log_clear();
	CHECK(run() < 0);
	if (!host_log_has(line))
		host_fail(__FILE__, __LINE__, "no line with \"%s\"", line);
	CHECK_EQ(host_heap_used(), 0);
}

TEST(a_kernel_of_revision_3)
{
	uint32_t tag, loader, line, firmware, hhdm, addr, date, tsc, unknown, stack, entry;

	make(LINKED);
	tag = base(3);
	loader = ASK(0xf55038d8e2a1202f, 0x279426fcf5f59740, 0, 0);
	line = ASK(0x4b161536e598651e, 0xb390ad4a2f1f303a, 0, 0);
	firmware = ASK(0x8c2f75d90bef28a8, 0x7045a4688eac00c3, 0, 0);
	hhdm = ASK(HHDM_ID, 0, 0);
	addr = ASK(0x71ba76863cc55f63, 0xb2644a48c516a487, 0, 0);
	date = ASK(0x502746e184c088aa, 0xfbc5ec83e6327893, 0, 0);
	tsc = ASK(0x10f2ee1d87d195e4, 0xf747a2b78f6ddb31, 0, 0);
	unknown = ASK(1, 2, 0, 0x1234);
	stack = ASK(STACK_ID, 0, 0, 0x21001);
	entry = ASK(ENTRY_ID, 0, 0, LINKED + 0x40);
	CHECK_EQ(run(), 0);
	CHECK_EQ(host_heap_used(), 0);
	CHECK(host_log_has("Limine base revision 3, 10 requests, at 0xffffffff80000000"));
	/* The image is not relocated; zeros follow the file's part. */
	for (unsigned i = 0; i < 3; i++)
		CHECK(!memcmp(machine + phys_of(LINKED + 0x1000 * i), file + TEXT + 0x1000 * i, i < 2 ? 0x1000 : 8));
	for (unsigned i = 0; i < 0x1000; i++)
		CHECK_EQ(machine[phys_of(LINKED + 0x3000) + i], 0);
	CHECK_EQ(entry_of(LINKED) & (P | W | NX), P);
	CHECK_EQ(entry_of(LINKED + 0x1000) & (P | W | NX), P | NX);
	CHECK_EQ(entry_of(LINKED + 0x2000) & (P | W | NX), P | W | NX);
	CHECK_EQ(entry_of(LINKED + IMAGE_SIZE), 0);
	CHECK_EQ(r64(phys_of(LINKED + 0x2000 + tag + 8)), 3);
	CHECK_EQ(r64(phys_of(LINKED + 0x2000 + tag + 16)), 0);
	CHECK(!strcmp(string(answer(loader, 1)), "Veneer") && !strcmp(string(answer(loader, 2)), veneer_version));
	CHECK(!strcmp(string(answer(line, 1)), "a line"));
	CHECK_EQ(answer(firmware, 1), 0);
	CHECK_EQ(answer(hhdm, 1), HHDM);
	CHECK_EQ(answer(addr, 1), phys_of(LINKED));
	CHECK_EQ(answer(addr, 2), LINKED);
	CHECK_EQ(answer(date, 1), 1700000000);
	CHECK_EQ(answer(tsc, 1), 2000000000);
	CHECK_EQ(r64(phys_of(LINKED + 0x2000 + unknown + 40)), 0x1234);
	CHECK(response(stack) && response(entry));
	/* The state of the processor. */
	CHECK_EQ(regs.cr0, CR0_PE | CR0_PG | CR0_WP | CR0_ET);
	CHECK_EQ(regs.cr4, CR4_PAE);
	CHECK_EQ(regs.efer, EFER_LME | EFER_LMA | EFER_NXE);
	CHECK_EQ(regs.seg[SEG_CS].selector, 0x28);
	CHECK_EQ(regs.seg[SEG_CS].attr & (SEG_ATTR_DB | SEG_ATTR_L), SEG_ATTR_L);
	CHECK_EQ(regs.seg[SEG_SS].selector, 0x30);
	CHECK_EQ(regs.gdtr.limit, 55);
	CHECK_EQ(r64(regs.gdtr.base - HHDM + 0x28) >> 40, 0x00af9b);
	CHECK_EQ(stub(LS_ENTRY), LINKED + 0x40);
	CHECK_EQ(stub(LS_STACK), regs.gpr[GPR_RSP]);
	CHECK_EQ(regs.gpr[GPR_RSP] % 16, 0);
	for (uint64_t n = 0x22000; n; n -= 0x1000)
		CHECK_EQ(phys_of(regs.gpr[GPR_RSP] - n), regs.gpr[GPR_RSP] - n - HHDM);
	CHECK_EQ(stub(LS_CR3) & 0xffffffff, regs.cr3);
	CHECK_EQ(stub(LS_MP), 0);
	CHECK_EQ(stub(LS_LVT) & 0xffffffff, 0);
	CHECK_EQ(stub(LS_NIOAPICS) & 0xffffffff, 1);
	CHECK_EQ(phys_of(regs.rip), regs.rip);
}

/* --- the map, and what each revision maps --- */

static uint32_t map_at;

static unsigned type_at(uint64_t addr)
{
	for (uint64_t i = 0; i < answer(map_at, 1); i++) {
		uint64_t e = r64(answer(map_at, 2) - HHDM + 8 * i) - HHDM;

		if (addr >= r64(e) && addr - r64(e) < r64(e + 8))
			return (unsigned)r64(e + 16);
	}
	return 99;
}

static void check_map(void)
{
	uint64_t last = 0;

	for (uint64_t i = 0; i < answer(map_at, 1); i++) {
		uint64_t e = r64(answer(map_at, 2) - HHDM + 8 * i) - HHDM;

		CHECK(r64(e) >= last && r64(e + 8));
		last = r64(e) + r64(e + 8);
		if (r64(e + 16) == LIMINE_USABLE || r64(e + 16) == LIMINE_RECLAIMABLE)
			CHECK(!((r64(e) | r64(e + 8)) & 0xfff));
	}
}

/* Add a framebuffer whose last page has nothing else, and bad and non-volatile memory above. */
static void more_memory(void)
{
	range(0x2000000, 0x2100000, MEM_BAD);
	range(0x2100000, 0x2200000, MEM_NVS);
	range(0x2200000, 0x2300000, MEM_RESERVED);
	range(0x100000000, 0x100200000, MEM_RESERVED);
	range(0x140000000, 0x140200000, MEM_USABLE);
	b.has_fb = true;
	b.fb.addr = 0x2280000;
	b.fb.pitch = 3000;
	b.fb.width = 700;
	b.fb.height = 10;
	b.fb.bpp = 32;
	b.fb.type = 1;
}

TEST(what_each_revision_maps)
{
	/* page 1, hole below 4 GiB, reserved, ACPI, NVS, bad, reserved above 4 GiB, usable there. */
	static const uint64_t at[] = { 0x5000, 0xf0000000, 0x2200000, 0x1f00000, 0x2100000, 0x2000000, 0x100000000,
				       0x140000000 };
	static const char *const there[8] = { "11111111", "11111101", "11111101", "10000001", "10011001", "10011001",
					      "10011001", "10011001" };

	for (unsigned revision = 0; revision <= 7; revision++) {
		uint32_t tag = 0, fb;

		make(LINKED);
		if (revision)
			tag = base(revision);
		map_at = ASK(MAP_ID, 0, 0);
		fb = ASK(FB_ID, 0, 0);
		reset_machine();
		more_memory();
		machine_facts();
		host_log_clear();
		CHECK_EQ(begin(), 0);
		for (unsigned i = 0; i < ARRAY_SIZE(at); i++)
			if (!!entry_of(HHDM + at[i]) != (there[revision][i] == '1'))
				host_fail(__FILE__, __LINE__, "revision %u, %#llx", revision, (unsigned long long)at[i]);
		for (unsigned i = 0; i < ARRAY_SIZE(at); i++)
			if (entry_of(HHDM + at[i]))
				CHECK_EQ(entry_of(HHDM + at[i]) & (ADDR | W | 0x18 | 0x80 | NX), at[i] | W);
		/* Whole pages of the framebuffer are write-combining; nothing beyond it changes. */
		CHECK_EQ(entry_of(HHDM + 0x2280000) & 0x9b, 0x8b);
		CHECK_EQ(entry_of(HHDM + 0x2287000) & 0x9b, 0x8b);
		CHECK_EQ(entry_of(HHDM + 0x2288000) & 0x98, 0);
		CHECK_EQ(entry_of(0), 0);
		CHECK_EQ(!!entry_of(0x1000), 1);
		CHECK_EQ(!!entry_of(0x140000000), !revision);
		CHECK(entry_of(0xfee00000));
		check_map();
		CHECK_EQ(type_at(0), LIMINE_RESERVED);
		CHECK_EQ(type_at(0x5000), LIMINE_USABLE);
		CHECK_EQ(type_at(EBDA), LIMINE_RESERVED);
		CHECK_EQ(type_at(0x1f00000), LIMINE_ACPI);
		CHECK_EQ(type_at(0x2000000), LIMINE_BAD);
		CHECK_EQ(type_at(0x2100000), LIMINE_NVS);
		CHECK_EQ(type_at(0x2280000), LIMINE_FRAMEBUFFER);
		CHECK_EQ(type_at(0x2287fff), LIMINE_FRAMEBUFFER);
		CHECK_EQ(type_at(0x2288000), LIMINE_RESERVED);
		CHECK_EQ(type_at(SELF), LIMINE_RESERVED);
		CHECK_EQ(type_at(phys_of(LINKED)), LIMINE_EXECUTABLE);
		CHECK_EQ(type_at(regs.cr3), LIMINE_RECLAIMABLE);
		CHECK_EQ(type_at(regs.gpr[GPR_RSP] - HHDM - 1), LIMINE_RECLAIMABLE);
		CHECK_EQ(type_at(regs.rip), LIMINE_RECLAIMABLE);
		CHECK_EQ(type_at(0x700000), LIMINE_RECLAIMABLE);	/* the kernel's file */
		CHECK_EQ(type_at(response(map_at)), LIMINE_RECLAIMABLE);
		CHECK_EQ(stub(LS_LVT) & 1, revision >= 5);
		CHECK_EQ(answer(fb, 0), 1);
		CHECK_EQ(r64(r64(answer(fb, 2) - HHDM) - HHDM), 0x2280000 + HHDM);
		if (!revision)
			continue;
		CHECK_EQ(r64(phys_of(LINKED + 0x2000 + tag + 8)), MIN(revision, 6u));
		CHECK_EQ(r64(phys_of(LINKED + 0x2000 + tag + 16)), revision > 6 ? 7 : 0);
		CHECK_EQ(host_log_has("asks for base revision 7, and gets 6"), revision > 6);
	}
}

TEST(tables_of_the_firmware)
{
	uint64_t runtime[5] = { 0 };
	uint32_t rsdp, sm, efi, map;

	for (unsigned revision = 2; revision <= 5; revision++) {
		uint64_t off = revision == 3 || revision == 4 ? 0 : HHDM;

		make(LINKED);
		base(revision);
		rsdp = ASK(RSDP_ID, 0, 0);
		sm = ASK(SMBIOS_ID, 0, 0);
		efi = ASK(EFI_ID, 0, 0);
		map = ASK(EFI_MAP_ID, 0, 0);
		map_at = ASK(MAP_ID, 0, 0);
		reset_machine();
		more_memory();
		machine_facts();
		b.efi = true;
		b.efi_systab = 0x2201000;
		b.rsdp = 0xf1230;		/* in no entry */
		b.rsdp_size = 36;
		b.smbios[1].entry = 0x2203010;
		b.smbios[1].entry_size = 0x18;
		b.smbios[1].table = 0x2205000;
		b.smbios[1].table_size = 0x1001;
		limine_facts.ntables = 1;
		limine_facts.table[0].addr = 0x2208ff0;
		limine_facts.table[0].len = 0x20;
		runtime[0] = 6;
		runtime[1] = 0x2201000;
		runtime[3] = 1;
		memcpy(b.efi_map, runtime, 40);
		b.efi_desc_size = 40;
		b.efi_map_size = 40 * 6;
		for (unsigned i = 1; i < 6; i++) {		/* loader's, boot services', free; not the guest's */
			const uint64_t d[5] = { i < 5 ? i : 7, i == 4 ? SELF - 0x2000 : 0x1000000 + i * 0x10000, 0, 4 };

			memcpy(b.efi_map + 40 * i, d, 40);
		}
		b.efi_desc_version = 1;
		CHECK_EQ(begin(), 0);
		check_map();
		CHECK_EQ(answer(rsdp, 1), 0xf1230 + (revision == 3 ? 0 : HHDM));
		CHECK_EQ(answer(sm, 1), 0);
		CHECK_EQ(answer(sm, 2), 0x2203010 + off);
		CHECK_EQ(answer(efi, 1), 0x2201000 + off);
		CHECK(!memcmp(machine + answer(map, 1) - HHDM, runtime, 40));
		CHECK_EQ(answer(map, 2), 240);
		for (unsigned i = 1; i < 6; i++)
			if (i != 4)
				CHECK_EQ(type_at(0x1003fff + i * 0x10000), i == 3 ? LIMINE_RECLAIMABLE : LIMINE_USABLE);
		CHECK_EQ(type_at(0x1034000), LIMINE_USABLE);
		CHECK_EQ(type_at(SELF - 1), LIMINE_RECLAIMABLE);
		CHECK_EQ(type_at(SELF), LIMINE_RESERVED);
		CHECK_EQ(answer(map, 3), 40);
		CHECK_EQ(answer(map, 4), 1);
		CHECK_EQ(type_at(0xf1000), revision >= 4 ? LIMINE_RESERVED_MAPPED : 99);
		CHECK_EQ(type_at(0x2209000), revision >= 4 ? LIMINE_RESERVED_MAPPED : LIMINE_RESERVED);
		CHECK_EQ(type_at(0x2201000), revision >= 5 ? LIMINE_RESERVED_MAPPED : LIMINE_RESERVED);
		CHECK_EQ(type_at(0x2206fff), revision >= 5 ? LIMINE_RESERVED_MAPPED : LIMINE_RESERVED);
		CHECK_EQ(type_at(0x2202000), LIMINE_RESERVED);
		CHECK_EQ(!!entry_of(HHDM + 0x2203000), revision == 2 || revision >= 5);
		CHECK_EQ(!!entry_of(HHDM + 0x2208000), revision != 3);
	}
	/* Only a copy of the RSDP: the guest gets one of its own.  No SMBIOS, no EFI: no answers. */
	reset_machine();
	machine_facts();
	memcpy(b.rsdp_copy, "RSD PTR 0123456789ab", 20);
	b.rsdp = (uintptr_t)b.rsdp_copy;
	b.rsdp_size = 20;
	CHECK_EQ(begin(), 0);
	CHECK(!memcmp(string(answer(rsdp, 1)), b.rsdp_copy, 20));
	CHECK(!response(sm) && !response(efi) && !response(map));
}

/* --- tags --- */

TEST(markers)
{
	uint32_t before, in, behind, early;

	make(LINKED);
	early = base(5);
	before = ASK(HHDM_ID, 0, 0);
	start_marker();
	base(2);
	in = ASK(HHDM_ID, 0, 0);
	end_marker();
	behind = ASK(HHDM_ID, 0, 0);
	start_marker();				/* too late: the first end marker counts */
	end_marker();
	CHECK_EQ(run(), 0);
	CHECK(!response(before) && response(in) && !response(behind));
	CHECK_EQ(r64(phys_of(LINKED + 0x2000 + early + 16)), 5);
	CHECK(host_log_has("2 tags before the start marker and 1 behind the end marker are not seen"));
	CHECK(host_log_has("Limine base revision 2, 1 requests"));
	/* Wrong markers, and a marker at the very end of the searched range. */
	make(LINKED);
	TAG(0xf6b8f4b39de7d1ae, 0xfab91a6940fcb9cf, 0x785c6ed015d3e316, 0x181e920a7852b9d8);
	in = ASK(HHDM_ID, 0, 0);
	TAG(0xadc0e0531bb10d03, 0x9572709f31764c63);
	behind = ASK(MAP_ID, 0, 0);
	used = 0xff0;
	end_marker();
	CHECK_EQ(run(), 0);
	CHECK(response(in) && response(behind));
}

TEST(tags_that_are_cut_off)
{
	/* The request's id is before bss, its response pointer in bss: the request is ignored. */
	make(LINKED);
	base(3);
	used = 0x1000 - 40;
	ASK(HHDM_ID, 0);
	CHECK_EQ(run(), 0);
	CHECK(host_log_has("1 requests"));
	CHECK_EQ(r64(phys_of(LINKED + 0x3000)), 0);
	make(LINKED);
	base(3);
	used = 0x1000 - 16;
	TAG(0xf9562b2d5c95a6c8, 0x6a7b384944536bdc);
	CHECK_EQ(run(), 0);
	used = 0x1000 - 16;
	TAG(COMMON);
	CHECK_EQ(run(), 0);
	CHECK(host_log_has("0 requests"));
}

TEST(too_much_is_refused)
{
	make(LINKED);
	base(3);
	base(3);
	refused("two base revision tags, at 0xffffffff80002000 and 0xffffffff80002018");
	make(LINKED);
	ASK(HHDM_ID, 0, 0);
	ASK(HHDM_ID, 1, 0);
	refused("makes the request 0x48dcf1cb8ad2b852 0x63984e959a98244b twice");
	make(LINKED);
	segment(2)->filesz = segment(2)->memsz = 0x2000;
	file_size += 0x1000;
	for (unsigned i = 0; i < 128; i++)
		ASK(7, i, 0, 0);
	CHECK_EQ(run(), 0);
	CHECK(host_log_has("128 requests"));
	ASK(7, 128, 0, 0);
	refused("makes more than 128 requests");
	make(LINKED);
	ASK(PAGING_ID, 1, 0, 0, 1, 1);
	refused("cannot do with less than five levels of page tables (minimum mode 1)");
	make(LINKED);
	ASK(PAGING_ID, 1, 0, 1, 0, 1);
	refused("a maximum (0) below its minimum (1)");
	make(LINKED);
	ASK(PAGING_ID, 0, 0, 1, 7, 7);		/* revision 0 has no minimum */
	CHECK_EQ(run(), 0);
	make(LINKED);
	ASK(STACK_ID, 0, 0, 1ull << 40);
	refused("asks for a stack of 0x10000000000 bytes; at most 0x4000000");
	make(LINKED);
	ASK(STACK_ID, 0, 0, 0x3000000);		/* more than the machine has */
	refused("no free place for the Limine tables");
	make(LINKED);
	ASK(ENTRY_ID, 0, 0, LINKED + 0x1000);
	refused("entry point 0xffffffff80001000 lies in none of its executable segments");
}

TEST(requests_in_a_section)
{
	struct elf64_section s[3] = { { 0 }, { .name = 1, .addr = LINKED + 0x1800 }, { .offset = 0x800, .size = 20 } };
	uint32_t in, out;

	make(LINKED);
	memcpy(file + 0x801, ".limine_reqs", 13);
	memcpy(file + 0x900, s, sizeof(s));
	header()->shoff = 0x900;
	header()->shnum = 3;
	header()->shentsize = sizeof(s[0]);
	header()->shstrndx = 2;
	in = ASK(HHDM_ID, 0, 0);
	out = ASK(MAP_ID, 0, 0);
	w64(file + RODATA + 0x800, LINKED + 0x2000 + in);
	w64(file + RODATA + 0x808, 0);
	CHECK_EQ(run(), 0);
	CHECK(response(in) && !response(out));
	w64(file + RODATA + 0x808, LINKED + 0x2000 + in + 4);
	refused("section .limine_reqs leads outside");
	w64(file + RODATA + 0x808, LINKED + 0x2ff0);
	refused("section .limine_reqs leads outside");
	w64(file + RODATA + 0x808, 0);
	base(1);				/* later revisions ignore it */
	CHECK_EQ(run(), 0);
	CHECK(response(in) && response(out));
}

/* --- files --- */

TEST(segments_that_are_refused)
{
	make(0x100000);
	header()->ident.type = ELF_EXEC;
	base(3);
	refused("is linked for 0x100000-0x104000: a Limine kernel lies at or above 0xffffffff80000000, or is relocatable");
	make(LINKED);
	base(3);
	segment(0)->filesz = 0x1001;
	refused("has more bytes in the file than in memory");
	make(LINKED);
	base(3);
	segment(1)->vaddr = LINKED + 0xfff;
	refused("segments at 0xffffffff80000000 and 0xffffffff80000fff overlap");
	make(LINKED);
	base(3);
	segment(2)->memsz = 0x80000000;
	refused("ends behind the last address");
	make(LINKED);
	base(3);
	segment(2)->memsz = 0x4000000;
	refused("no free place for the kernel");
	make(LINKED);
	base(3);
	segment(1)->align = 0x3000;
	refused("alignment of 0x3000");
	make(LINKED);
	base(3);
	for (unsigned i = 0; i < 3; i++)
		segment(i)->memsz = 0;
	refused("has nothing to load");
	/* Tags in a part that is not loaded do not count. */
	make(LINKED);
	base(3);
	segment(2)->type = ELF_PT_NOTE;
	refused("of no known format");
	make(LINKED);
	base(3);
	file_size = DATA + 0xf00;
	refused("ends behind the end of the file");
	make(LINKED);
	base(3);
	header()->phnum = 65;
	for (unsigned i = 3; i < 65; i++)
		*segment(i) = (struct elf64_segment){ .type = ELF_PT_LOAD, .vaddr = LINKED + 0x4000 + i * 0x1000,
						      .memsz = 0x1000 };
	refused("is one more than can be loaded");
	make(LINKED);
	base(3);
	host_heap_fail_at(1);
	refused("no memory of Veneer's own for the kernel's memory map");
}

/* Magic, architecture, length, sum; the end tag. */
static void multiboot2_header(void)
{
	static const uint32_t w[6] = { 0xe85250d6, 0, 24, -(0xe85250d6 + 24), 0, 8 };

	memcpy(file + TEXT, w, sizeof(w));
}

/* A 64-bit kernel of another protocol, at 1 MiB, that contains the words of the tags, as a boot loader does. */
TEST(tags_in_a_kernel_of_multiboot)
{
	make(0x100000);
	header()->ident.type = ELF_EXEC;
	for (unsigned i = 0; i < 3; i++)
		segment(i)->paddr = segment(i)->vaddr;
	base(3);
	ASK(HHDM_ID, 0, 0);
	multiboot2_header();
	host_log_clear();
	CHECK_EQ(run(), 0);
	CHECK(!host_log_has("Limine"));
	CHECK_EQ(regs.rip, 0x100010);
	/* At the address of a Limine kernel it is a Limine kernel. */
	make(LINKED);
	base(3);
	multiboot2_header();
	host_log_clear();
	CHECK_EQ(run(), 0);
	CHECK(host_log_has("Limine base revision 3"));
}

TEST(pages_that_segments_share)
{
	make(LINKED);
	base(3);
	segment(0)->filesz = segment(0)->memsz = 0x800;
	segment(1)->vaddr = LINKED + 0x800;
	segment(1)->filesz = 0x700;		/* constants and code in the first page, then a gap */
	segment(1)->memsz = 0x700;
	CHECK_EQ(run(), 0);
	CHECK_EQ(entry_of(LINKED) & (P | W | NX), P);
	CHECK_EQ(machine[phys_of(LINKED + 0xf00)], 0);
	CHECK(!memcmp(machine + phys_of(LINKED + 0x800), file + RODATA, 0x700));
	CHECK_EQ(entry_of(LINKED + 0x1000), 0);
	limine_facts.nx = false;
	CHECK_EQ(begin(), 0);
	CHECK_EQ(entry_of(LINKED + 0x2000) & (P | W | NX), P | W);
	CHECK_EQ(regs.efer, EFER_LME | EFER_LMA);
}

static void rela(uint32_t at, uint64_t where, uint64_t info, uint64_t addend)
{
	w64(file + RODATA + at, where);
	w64(file + RODATA + at + 8, info);
	w64(file + RODATA + at + 16, addend);
}

/* Make a relocatable kernel: a table in the constants, the dynamic segment in the data. */
static void make_relocatable(void)
{
	make(0);
	base(3);
	header()->phnum = 4;
	*segment(3) = (struct elf64_segment){ .type = 2, .vaddr = 0x2800, .memsz = 0x100 };
	for (unsigned i = 0; i < 8; i++) {
		static const uint64_t d[16] = { 7, 0x1000, 8, 72, 9, 24, 6, 0x1200, 36, 0x1100, 35, 16, 1, 5, 0, 0 };

		w64(file + DATA + 0x800 + 16 * i, d[2 * i]);
		w64(file + DATA + 0x808 + 16 * i, d[2 * i + 1]);
	}
	rela(0, 0x2900, 8, 0x1234);
	rela(24, 0x2908, 1ull << 32 | 6, 0);
	rela(48, 0x2910, 1ull << 32 | 1, 0x10);
	w64(file + DATA + 0x918, 0x40);
	w64(file + DATA + 0x928, 0x48);
	w64(file + RODATA + 0x100, 0x2918);
	w64(file + RODATA + 0x108, 1 | 2 << 1);		/* the second word behind it */
	memset(file + RODATA + 0x200, 0, 48);
	file[RODATA + 0x200 + 24 + 6] = 1;
	w64(file + RODATA + 0x200 + 24 + 8, 0x500);
}

TEST(relocation)
{
	uint32_t hhdm;

	make_relocatable();
	hhdm = ASK(HHDM_ID, 0, 0);
	CHECK_EQ(run(), 0);
	CHECK_EQ(answer(hhdm, 1), HHDM);
	CHECK_EQ(stub(LS_ENTRY), LINKED + 0x10);
	CHECK_EQ(r64(phys_of(LINKED + 0x2900)), LINKED + 0x1234);
	CHECK_EQ(r64(phys_of(LINKED + 0x2908)), LINKED + 0x500);
	CHECK_EQ(r64(phys_of(LINKED + 0x2910)), LINKED + 0x510);
	CHECK_EQ(r64(phys_of(LINKED + 0x2918)), LINKED + 0x40);
	CHECK_EQ(r64(phys_of(LINKED + 0x2920)), 0);
	CHECK_EQ(r64(phys_of(LINKED + 0x2928)), LINKED + 0x48);
	make_relocatable();
	rela(0, 0x3ff9, 8, 0);
	refused("a place outside of the image (0x3ff9)");
	make_relocatable();
	rela(0, 0x2900, 37, 0);
	refused("a type that a kernel does not have (0x25)");
	make_relocatable();
	rela(0, 0x2900, 6, 0);
	refused("a symbol that the file does not define (0)");
	make_relocatable();
	rela(0, 0x2900, 0x10000000ull << 32 | 6, 0);
	refused("a symbol that the file does not define (0x10000000)");
	make_relocatable();
	w64(file + DATA + 0x808, 0x4000);
	refused("a table outside of the image (0x4000)");
	make_relocatable();
	w64(file + RODATA + 0x100, 0x7000);
	refused("a place outside of the image (0x7000)");
	make_relocatable();
	segment(3)->vaddr = 0x4000;
	refused("a table outside of the image (0x4000)");
}

static uint8_t second[0x3000];

static const char *file_path(uint32_t at, unsigned i) { return string(r64(r64(answer(at, 2) - HHDM + 8 * i) - HHDM + 24)); }
static const char *file_string(uint32_t at, unsigned i) { return string(r64(r64(answer(at, 2) - HHDM + 8 * i) - HHDM + 32)); }

static int begin_with_modules(void)
{
	reset_machine();
	machine_facts();
	memcpy(second, "second", 7);
	b.nmodules = 0;
	module_at(0x700000, file, file_size, "kernel a line");
	module_at(0x100123, "one", 4, "/boot/one.bin its string");	/* moved: not page-aligned */
	module_at(0x800000, second, sizeof(second), "/boot/mods/two.bin");
	module_at(0x900000, "three", 6, "only a string");
	return start();
}

TEST(modules_and_the_file)
{
	uint32_t m, self;
	uint64_t f;

	make(LINKED);
	base(3);
	m = ASK(MODULE_ID, 1, 0, 1, LINKED + 0x2800);
	self = ASK(0xad97e90e83f1ed67, 0x31eb5d1c5ff23b69, 0, 0);
	map_at = ASK(MAP_ID, 0, 0);
	w64(file + DATA + 0x800, LINKED + 0x2810);
	w64(file + DATA + 0x810, LINKED + 0x2840);
	w64(file + DATA + 0x818, LINKED + 0x2850);
	w64(file + DATA + 0x820, 1);
	strcpy((char *)file + DATA + 0x840, "./mods/two.bin");
	strcpy((char *)file + DATA + 0x850, "inner");
	CHECK_EQ(begin_with_modules(), 0);
	CHECK_EQ(answer(m, 0), 1);
	CHECK_EQ(answer(m, 1), 3);
	CHECK(!strcmp(file_path(m, 0), "/boot/mods/two.bin") && !strcmp(file_string(m, 0), "inner"));
	CHECK(!strcmp(file_path(m, 1), "/boot/one.bin") && !strcmp(file_string(m, 1), "its string"));
	CHECK(!strcmp(file_path(m, 2), "/module2") && !strcmp(file_string(m, 2), "only a string"));
	for (unsigned i = 0; i < 3; i++) {
		f = r64(answer(m, 2) - HHDM + 8 * i) - HHDM;
		CHECK_EQ(r64(f + 8) % 0x1000, 0);
		CHECK_EQ(type_at(r64(f + 8) - HHDM), LIMINE_EXECUTABLE);
	}
	CHECK(!memcmp(string(r64(f + 8)), "three", 6) && r64(f + 16) == 6);
	f = answer(self, 1) - HHDM;
	CHECK(!memcmp(string(r64(f + 8)), file, DATA) && r64(f + 16) == file_size);
	CHECK(!strcmp(string(r64(f + 32)), "a line"));
	/* A path with the file's hash, then with an invalid hash. */
	strcpy((char *)file + DATA + 0x8a0, "two.bin#");
	memset(file + DATA + 0x8a8, 'F', 128);
	w64(file + DATA + 0x810, LINKED + 0x28a0);
	CHECK_EQ(begin_with_modules(), 0);
	CHECK(!strcmp(file_path(m, 0), "/boot/mods/two.bin") && !strcmp(file_string(m, 0), "inner"));
	file[DATA + 0x8a8] = 'g';
	CHECK(begin_with_modules() < 0);
	w64(file + DATA + 0x810, LINKED + 0x2840);
	/* A missing module: refused if it is required, else left out. */
	strcpy((char *)file + DATA + 0x840, "o.bin");
	host_log_clear();
	CHECK(begin_with_modules() < 0);
	CHECK(host_log_has("requires the module \"o.bin\": no module's line begins with that path"));
	w64(file + DATA + 0x820, 0);
	CHECK_EQ(begin_with_modules(), 0);
	CHECK_EQ(answer(m, 1), 3);
	/* Pointers out of the image, a string without an end, a count without end. */
	w64(file + DATA + 0x810, LINKED + 0x7000);
	host_log_clear();
	CHECK(begin_with_modules() < 0);
	CHECK(host_log_has("internal module 0 of 1 is not in its image"));
	w64(file + DATA + 0x810, LINKED + 0x2ffe);
	file[DATA + 0xffe] = file[DATA + 0xfff] = 'x';
	CHECK(begin_with_modules() < 0);
	w64(file + DATA + 0x810, LINKED + 0x2840);
	w64(file + DATA + m + 48, ~0ull);
	CHECK(begin_with_modules() < 0);
	CHECK_EQ(host_heap_used(), 0);
	/* No module: no response. */
	w64(file + DATA + m + 48, 0);
	CHECK_EQ(run(), 0);
	CHECK(!response(m));
}

TEST(processors)
{
	uint64_t list, cpu[3];
	uint32_t mp;

	for (unsigned x2 = 0; x2 < 2; x2++) {
		make(LINKED);
		base(5);
		mp = ASK(MP_ID, 0, 0, x2);
		CHECK_EQ(run(), 0);
		CHECK_EQ(answer(mp, 1), x2);		/* flags; the boot processor's id is 0 */
		CHECK_EQ(answer(mp, 2), 3);
		list = answer(mp, 3) - HHDM;
		for (unsigned i = 0; i < 3; i++) {
			cpu[i] = r64(list + 8 * i) - HHDM;
			CHECK_EQ(r32(cpu[i]), 4 + i);
			CHECK_EQ(r32(cpu[i] + 4), i ? i + 1 : 0);
			CHECK_EQ(r64(cpu[i] + 16), 0);
		}
		CHECK_EQ(r64(cpu[0] + 8), 0);
		CHECK_EQ(r64(cpu[2] + 8) - r64(cpu[1] + 8), 0x10000);
		CHECK_EQ(phys_of(r64(cpu[1] + 8) - 0x10000), r64(cpu[1] + 8) - 0x10000 - HHDM);
		CHECK_EQ(stub(LS_MP), response(mp) + HHDM);
		CHECK_EQ(stub(LS_APIC_MODE) & 0xffffffff, x2 ? LIMINE_APIC_X2APIC : LIMINE_APIC_KEEP);
		CHECK_EQ(r64(stub(LS_LINT) - HHDM + 8), 0x40000010000);
		CHECK_EQ(stub(LS_LINT_NOW), 0x40000010000);
	}
	/*
	 * Firmware has switched x2APIC mode on: back to xAPIC mode, unless the kernel asks for x2APIC mode or an id needs it.
	 */
	make(LINKED);
	base(3);
	ASK(MP_ID, 0, 0, 0);
	reset_machine();
	machine_facts();
	limine_facts.x2apic_on = true;
	CHECK_EQ(begin(), 0);
	CHECK_EQ(stub(LS_APIC_MODE) & 0xffffffff, LIMINE_APIC_XAPIC);
	limine_facts.cpu[2].apic_id = 300;
	host_log_clear();
	CHECK(begin() < 0);
	CHECK(host_log_has("does not ask for x2APIC mode, without which processors of APIC id 255 and above"));
	make(LINKED);
	base(3);
	CHECK_EQ(begin(), 0);
	CHECK_EQ(stub(LS_APIC_MODE) & 0xffffffff, LIMINE_APIC_KEEP);
}

/* With each size of memory something finds no place: a line, and no start. */
TEST(little_memory)
{
	bool loaded = false;
	unsigned failed = 0;

	make(LINKED);
	base(3);
	ASK(MP_ID, 0, 0, 0);
	ASK(MODULE_ID, 0, 0);
	ASK(MAP_ID, 0, 0);
	ASK(FB_ID, 0, 0);
	for (uint64_t end = 0x104000; end < 0x300000 && !loaded; end += 0x7000) {
		reset_machine();
		machine_facts();
		b.range[2].size = end - b.range[2].base;
		b.nmodules = 0;
		module_at((uintptr_t)file, NULL, file_size, "kernel");
		host_log_clear();
		loaded = !start();
		failed += !loaded;
		CHECK(loaded || host_log_has("guest: no free place for"));
		CHECK_EQ(host_heap_used(), 0);
	}
	CHECK(loaded && failed > 5);
}

TEST(a_map_of_many_entries)
{
	make(LINKED);
	base(4);
	map_at = ASK(MAP_ID, 0, 0);
	reset_machine();
	machine_facts();
	while (b.nranges < 1000)
		range(0x10000000 + b.nranges * 0x3000ull, 0x10000000 + b.nranges * 0x3000ull + 0x1000, MEM_NVS);
	CHECK_EQ(begin(), 0);
	check_map();
	CHECK(answer(map_at, 1) > 1000);
	/* Memory above the reach of four levels. */
	range(1ull << 46, (1ull << 46) + 0x1000, MEM_NVS);
	host_log_clear();
	CHECK(begin() < 0);
	CHECK(host_log_has("memory at 0x400000000000 is higher than four levels of page tables can map directly"));
}

TEST(no_clock_no_screen)
{
	uint32_t date, fb;

	make(LINKED);
	date = ASK(0x502746e184c088aa, 0xfbc5ec83e6327893, 0, 0);
	fb = ASK(FB_ID, 0, 0);
	reset_machine();
	machine_facts();
	limine_facts.date = 0;
	CHECK_EQ(begin(), 0);
	CHECK(!response(date) && !response(fb));
	CHECK(host_log_has("the CMOS clock tells no date"));
	CHECK(host_log_has("asks for a framebuffer: this machine started without one"));
}

TEST(limine_flipped_or_cut)
{
	reset_machine();
	machine_facts();
	make_relocatable();
	ASK(MODULE_ID, 1, 0, 1, 0x2810);
	ASK(MP_ID, 0, 0, 0);
	ASK(MAP_ID, 0, 0);
	flip_all(0, PT_TYPE + 4 * 56);
	flip_all(RODATA, RODATA + 72);
	flip_all(RODATA + 0x100, RODATA + 0x110);
	flip_all(DATA, DATA + used);
	flip_all(DATA + 0x800, DATA + 0x870);
	make(LINKED);
	base(3);
	ASK(MAP_ID, 0, 0);
	cut_everywhere();
}

TEST_MAIN
