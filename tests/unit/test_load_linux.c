/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/load/load*.c hv/exit/symbols.c hv/boot/memmap.c hv/cpu/vcpu.c */
/* Loading of bzImages: places of kernel, initrd and boot parameters, and damaged files. */
#include "hv/boot/multiboot2.h"
#include "loader_machine.h"

static void w64(uint8_t *p, uint64_t v) { memcpy(p, &v, 8); }

#define SETUP	(5 * 512)

static void make_linux(uint16_t version, uint16_t xload)
{
	memset(file, 0, sizeof(file));
	file_size = SETUP + 0x8000;
	pattern(file + SETUP, 0x8000, 5);
	file[0x1f1] = 4;
	w32(file + 0x1f4, 0x800);
	file[0x1fe] = 0x55;
	file[0x1ff] = 0xaa;
	file[0x200] = 0xeb;
	file[0x201] = 0x66;
	memcpy(file + 0x202, "HdrS", 4);
	memcpy(file + 0x206, &version, 2);
	file[0x211] = 1 | 0x40;
	w32(file + 0x214, 0x100000);
	w32(file + 0x22c, 0x17fffff);			/* the initrd must end below 24 MiB */
	w32(file + 0x230, 0x200000);
	file[0x234] = 1;
	file[0x235] = 13;
	memcpy(file + 0x236, &xload, 2);
	w32(file + 0x238, 200);
	w64(file + 0x258, 0x1000000);
	w32(file + 0x260, 0x300000);
}

TEST(linux_64_bit)
{
	static uint8_t rd[3][0x3001];
	uint64_t zp, at, pt;

	reset_machine();
	make_linux(0x20f, 3);
	for (unsigned i = 0; i < 3; i++)
		pattern(rd[i], sizeof(rd[i]), 40 + i);
	module_at(0x1100000, file, file_size, "kernel console=ttyS0");	/* inside its own room */
	module_at(0x1004000, rd[0], 0x3001, "initrd");
	module_at(0x4000, rd[1], 0x1002, "more");
	module_at(0x300000, rd[2], 0x800, "more");
	b.rsdp = 0xf5a40;
	CHECK_EQ(start(), 0);
	CHECK(!memcmp(machine + 0x1000000, file + SETUP, 0x8000));
	CHECK_EQ(regs.rip, 0x1000200);
	zp = regs.gpr[GPR_RSI];
	CHECK(IS_ALIGNED(zp, 4096));
	CHECK_EQ(machine[zp + 0x1ef], 0);
	CHECK_EQ(machine[zp + 0x1f1], 4);
	CHECK_EQ(machine[zp + 0x210], 0xff);
	CHECK_EQ(machine[zp + 0x211], 1);
	CHECK_EQ(r32(zp + 0x214), 0x1000000);
	CHECK(!strcmp(text(r32(zp + 0x228)), "console=ttyS0"));
	CHECK_EQ(r64(zp + 0x70), 0xf5a40);
	CHECK_EQ(machine[zp + 0x06], 3);
	CHECK_EQ(machine[zp + 0x07], 80);
	CHECK_EQ(r64(zp + 0x250), 0);

	at = r32(zp + 0x218);
	CHECK_EQ(r32(zp + 0x21c), 0x3004 + 0x1004 + 0x800);
	CHECK(at + r32(zp + 0x21c) <= 0x1800000 && at + 0x10000 > 0x1800000 && IS_ALIGNED(at, 4096));
	CHECK(!memcmp(machine + at, rd[0], 0x3001));
	CHECK_EQ(r32(at + 0x3000) >> 8, 0);
	CHECK(!memcmp(machine + at + 0x3004, rd[1], 0x1002));
	CHECK(!memcmp(machine + at + 0x4008, rd[2], 0x800));

	CHECK_EQ(machine[zp + 0x1e8], b.nranges);
	for (unsigned i = 0; i < b.nranges; i++) {
		CHECK_EQ(r64(zp + 0x2d0 + 20 * i), b.range[i].base);
		CHECK_EQ(r64(zp + 0x2d0 + 20 * i + 8), b.range[i].size);
		CHECK_EQ(r32(zp + 0x2d0 + 20 * i + 16), b.range[i].type);
	}

	CHECK_EQ(regs.efer, EFER_LME | EFER_LMA);
	CHECK_EQ(regs.cr0 & (CR0_PE | CR0_PG), CR0_PE | CR0_PG);
	CHECK_EQ(regs.cr4, CR4_PAE);
	CHECK_EQ(regs.seg[SEG_CS].selector, 0x10);
	CHECK_EQ(regs.seg[SEG_DS].selector, 0x18);
	CHECK_EQ(regs.seg[SEG_CS].attr & (SEG_ATTR_L | SEG_ATTR_DB), SEG_ATTR_L);
	CHECK_EQ(r64(regs.gdtr.base + 0x10), 0x00af9b000000ffff);
	CHECK_EQ(r64(regs.gdtr.base + 0x18), 0x00cf93000000ffff);
	for (uint64_t a = 0; a < 0x100000000; a += 0x1ff000) {
		pt = r64((regs.cr3 & ~0xfffull) + 8 * (a >> 39));
		CHECK_EQ(pt & 0xfff, 3);
		pt = r64((pt & ~0xfffull) + 8 * (a >> 30 & 511));
		CHECK_EQ(pt & 0xfff, 3);
		pt = r64((pt & ~0xfffull) + 8 * (a >> 21 & 511));
		CHECK_EQ(pt, (a & ~0x1fffffull) | 0x83);
	}
	CHECK_EQ(host_heap_used(), 0);
}

TEST(linux_32_bit_and_framebuffer)
{
	uint64_t zp;

	reset_machine();
	make_linux(0x20a, 0);
	module_at(0x1800000, file, file_size, "kernel");
	module_at(0x700000, NULL, 0x5000, "initrd");
	memcpy(machine + 0x700000, "initrd", 6);
	b.has_fb = true;
	b.fb.type = 1;
	b.fb.addr = 0x18fd000000;
	b.fb.width = 1280;
	b.fb.height = 720;
	b.fb.pitch = 5120;
	b.fb.bpp = 32;
	b.fb.red_size = b.fb.green_size = b.fb.blue_size = 8;
	b.fb.red_pos = 16;
	b.fb.green_pos = 8;
	b.efi = true;
	b.efi_systab = 0x987654321;
	b.efi_desc_size = 48;
	b.efi_map_size = 48;
	memset(b.efi_map, 0, 48);
	b.efi_map[0] = EFI_CONVENTIONAL;
	CHECK_EQ(start(), 0);
	check_flat32();
	CHECK_EQ(regs.rip, 0x1000000);
	CHECK_EQ(r64(regs.gdtr.base + 0x10), 0x00cf9b000000ffff);
	zp = regs.gpr[GPR_RSI];
	CHECK_EQ(r32(zp + 0x218), 0x700000);		/* not moved */
	CHECK(!memcmp(machine + 0x700000, "initrd", 6));
	CHECK(!strcmp(text(r32(zp + 0x228)), "default args"));
	CHECK_EQ(machine[zp + 0x0f], 0x70);
	CHECK_EQ(r32(zp + 0x12), 1280 | 720 << 16);
	CHECK_EQ(r32(zp + 0x18), 0xfd000000);
	CHECK_EQ(r32(zp + 0x3a), 0x18);
	CHECK_EQ(r32(zp + 0x1c), 5120 * 720);
	CHECK(!memcmp(machine + zp + 0x26, "\x08\x10\x08\x08\x08\x00\x08\x18", 8));
	CHECK(!memcmp(machine + zp + 0x1c0, "EL64", 4));
	CHECK_EQ(r32(zp + 0x1c4), 0x87654321);
	CHECK_EQ(r32(zp + 0x1d8), 9);
	CHECK_EQ(r32(zp + 0x1d4), 48);
	CHECK_EQ(machine[r32(zp + 0x1d0)], EFI_CONVENTIONAL);
}

TEST(linux_by_the_32_bit_entry_on_request)
{
	reset_machine();
	make_linux(0x20f, 3);
	module_at(0x110000, file, file_size, "kernel");
	settings.protocol = PROTOCOL_LINUX32;
	CHECK_EQ(start(), 0);
	settings.protocol = PROTOCOL_AUTO;
	check_flat32();
	CHECK_EQ(regs.rip, 0x1000000);
	CHECK_EQ(r64(regs.gdtr.base + 0x10), 0x00cf9b000000ffff);
	CHECK_EQ(regs.gpr[GPR_RBP] | regs.gpr[GPR_RDI] | regs.gpr[GPR_RBX], 0);
}

TEST(linux_where_there_is_room)
{
	reset_machine();
	b.range[3].base = 0x1100000;			/* the preferred place is in use */
	b.range[2].size = 0x1000000;
	b.self_base = 0x1100000;
	make_linux(0x20f, 3);
	module_at(0x110000, file, file_size, "kernel");
	CHECK_EQ(start(), 0);
	CHECK_EQ(regs.rip, 0x200200);
	w32(file + 0x260, 0xff0000);			/* too large for its alignment: the smaller alignment fits */
	w32(file + 0x230, 0x1000000);
	memcpy(machine + 0x110000, file, file_size);
	CHECK_EQ(start(), 0);
	CHECK_EQ(regs.rip, 0x100200);
	w32(file + 0x260, 0x40000000);
	memcpy(machine + 0x110000, file, file_size);
	CHECK_EQ(start(), -ERR_NOMEM);
	CHECK(host_log_has("no free place for the Linux kernel: 0x40000000 bytes"));
	file[0x234] = 0;				/* not relocatable */
	w32(file + 0x260, 0x300000);
	memcpy(machine + 0x110000, file, file_size);
	CHECK(start() < 0);
	CHECK(host_log_has("Veneer's own memory"));
	w64(file + 0x258, 0x400000);
	memcpy(machine + 0x110000, file, file_size);
	CHECK_EQ(start(), 0);
	CHECK_EQ(regs.rip, 0x100200);
}

TEST(linux_with_a_long_map)
{
	uint64_t zp, ext;

	reset_machine();
	for (unsigned i = 0; i < 140; i++)
		range(0x10000000 + i * 0x10000ull, 0x10001000 + i * 0x10000ull, MEM_RESERVED);
	make_linux(0x20f, 3);
	module_at(0x110000, file, file_size, "kernel");
	CHECK_EQ(start(), 0);
	zp = regs.gpr[GPR_RSI];
	CHECK_EQ(machine[zp + 0x1e8], 128);
	ext = r64(zp + 0x250);
	CHECK_EQ(r64(ext), 0);
	CHECK_EQ(r32(ext + 8), 1);
	CHECK_EQ(r32(ext + 12), 20 * (b.nranges - 128));
	CHECK_EQ(r64(ext + 16), b.range[128].base);
	CHECK_EQ(r64(ext + 16 + 20 * (b.nranges - 129)), b.range[b.nranges - 1].base);
}

static void bad_linux(const char *line)
{
	reset_machine();
	module_at(0x110000, file, file_size, "kernel and a command line");
	module_at(0x700000, NULL, 0x5000, "initrd");
	host_log_clear();
	CHECK(start() < 0);
	if (!host_log_has(line))
		host_fail(__FILE__, __LINE__, "no line with \"%s\"", line);
	CHECK_EQ(host_heap_used(), 0);
}

TEST(linux_refused)
{
	make_linux(0x205, 0);
	bad_linux("boot protocol 2.05; 2.06");
	make_linux(0x20f, 3);
	file_size = SETUP + 0x4000;
	bad_linux("is cut off");
	make_linux(0x20f, 3);
	w32(file + 0x238, 10);
	bad_linux("has 18 characters, this Linux kernel takes 10");
	make_linux(0x20f, 3);
	w32(file + 0x230, 3);
	bad_linux("wrong alignment: 0x3");
	make_linux(0x20f, 0);
	w32(file + 0x22c, 0x100fff);
	bad_linux("no free place for the initrd: 0x5000 bytes in one piece below 0x101000");
}

/* ipxe.lkrn and a zImage: they give no address for 32-bit code, or one below 1 MiB. */
TEST(real_mode)
{
	static uint8_t script[0x100];
	uint64_t base;

	for (unsigned low = 0; low < 2; low++) {
		reset_machine();
		memset(&real, 0, sizeof(real));
		make_linux(0x207, 0);
		if (low)
			file[0x211] = 0;
		else
			w32(file + 0x214, 0);
		pattern(script, sizeof(script), 3);
		module_at(0x300000, file, file_size, "kernel dhcp && chain x");
		module_at(0x100800, script, sizeof(script), "script");
		CHECK_EQ(start(), 0);
		CHECK(real.prepared);
		base = (uint64_t)real.ds << 4;
		CHECK(base >= 0x10000 && base + 0x10000 <= 0x90000);
		CHECK_EQ(real.cs, real.ds + 0x20);
		CHECK(!memcmp(machine + (low ? 0x10000 : 0x100000), file + SETUP, 0x8000));
		CHECK(!memcmp(machine + base + 0x238, file + 0x238, SETUP - 0x238));
		CHECK_EQ(machine[base + 0x210], 0xff);
		CHECK_EQ(machine[base + 0x211], (low ? 0 : 0x41) | 0x80);
		CHECK(!strcmp(text(r32(base + 0x228)), "dhcp && chain x"));
		CHECK_EQ(r32(base + 0x228) - base, real.sp);
		CHECK(!memcmp(machine + r32(base + 0x218), script, sizeof(script)));
		CHECK_EQ(r32(base + 0x21c), sizeof(script));
		CHECK_EQ(host_heap_used(), 0);
	}
}

TEST(real_mode_refused)
{
	make_linux(0x201, 0);
	w32(file + 0x214, 0);
	reset_machine();
	module_at(0x300000, file, file_size, "kernel");
	CHECK(start() < 0 && host_log_has("boot protocol 2.01"));
	make_linux(0x207, 0);
	w32(file + 0x214, 0);
	reset_machine();
	b.efi = true;
	module_at(0x300000, file, file_size, "kernel");
	CHECK(start() < 0);
	file[0x1f1] = 200;
	reset_machine();
	module_at(0x300000, file, file_size, "kernel");
	CHECK(start() < 0 && host_log_has("setup code of 102912"));
	make_linux(0x207, 0);
	w32(file + 0x214, 0);
	reset_machine();
	flip_all(0x1f0, 0x240);
}

TEST(linux_without_heap)
{
	make_linux(0x20f, 3);
	host_heap_fail_at(1);
	bad_linux("no memory of Veneer's own to build the zero page");
}

TEST(linux_flipped_or_cut)
{
	reset_machine();
	make_linux(0x20f, 3);
	flip_all(0x1f0, 0x270);
	cut_everywhere();
}

TEST_MAIN
