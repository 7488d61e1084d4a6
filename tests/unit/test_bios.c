/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/bios/bios_disk.c hv/bios/bios_memory.c */
/* INT 13h and INT 15h as a guest calls them, with any values in its registers and packets. */
#include <string.h>
#include <veneer/conceal.h>
#include <veneer/err.h>
#include <veneer/gmem.h>
#include "host/host.h"
#include "hv/bios/bios.h"
#include "hv/load/load_plan.h"

#define RAM		0x200000ull	/* the megabyte of real mode, with its hole, and a second megabyte */
#define HOLE		0xa0000ull
#define HOLE_END	0x100000ull
#define BLOCKS		0x8000ull	/* of drive 80h */
#define SMAP		0x534d4150u

static uint8_t ram[RAM];
static uint64_t gpr[GPR_COUNT];
static struct bios_call call = { .gpr = gpr };
static struct boot_info info;

/* --- the fake disks: what is written can be read, and a transfer takes as many polls as the test says --- */

static struct bootdisk disk[] = {
	{ "a", "A", "SA", 0x0100, 512, BLOCKS, true },
	{ "k", "4K", "SK", 0x0108, 4096, 100, true },
	{ "b", "B", "SB", PCI_BDF(2, 31, 5), 512, 0x100000000ull, false },
};
static unsigned more;			/* further disks, copies of the first */
static uint8_t medium[BLOCKS * 512];
static int busy, answer;		/* polls until the completion; -1: no request */
static unsigned begun, wait_polls;
static struct sg seen[128];
static unsigned nseen;
static bool direct_low;

static bool bootdisk_get(unsigned n, struct bootdisk *out)
{
	if (n >= ARRAY_SIZE(disk) + more)
		return false;
	*out = disk[n < ARRAY_SIZE(disk) ? n : 0];
	return true;
}

static bool in_ram(uint64_t a, uint64_t n)
{
	return n <= RAM && a < RAM && n <= RAM - a && (a + n <= HOLE || a >= HOLE_END);
}

bool gmem_valid(uint64_t a, uint64_t n) { return a >= PAGE_SIZE && in_ram(a, n); }

static uint8_t *reach(uint64_t a)
{
	if (a < RAM) {
		direct_low |= a < PAGE_SIZE;
		return ram + a;
	}
	return (uint8_t *)(uintptr_t)a;
}

static int bootdisk_begin(unsigned n, bool write, uint64_t lba, uint32_t nblocks, const struct sg *sg, unsigned nsg)
{
	uint64_t at = lba * 512, bytes = 0;

	if (busy >= 0)
		return -ERR_BUSY;
	if (write && !disk[n].writable)
		return -ERR_ROFS;
	CHECK(nsg && nsg <= 128);
	for (unsigned i = 0; i < nsg; i++) {
		if (sg[i].addr < RAM)
			CHECK(gmem_valid(sg[i].addr, sg[i].len));
		seen[i] = sg[i];
		bytes += sg[i].len;
		for (uint32_t k = 0; k < sg[i].len && n == 0 && !answer; k++, at++) {
			if (write)
				medium[at] = *reach(sg[i].addr + k);
			else
				*reach(sg[i].addr + k) = medium[at];
		}
	}
	nseen = nsg;
	CHECK_EQ(bytes, (uint64_t)nblocks * 512);
	CHECK(lba < disk[n].nblocks && nblocks <= disk[n].nblocks - lba);
	busy = (int)wait_polls;
	begun++;
	return 0;
}

static int bootdisk_result(void)
{
	if (busy < 0)
		return -ERR_INVAL;
	if (busy-- > 0)
		return -ERR_BUSY;
	busy = -1;
	return answer;
}

static const struct bootdisk_ops disk_ops = { .get = bootdisk_get, .begin = bootdisk_begin, .result = bootdisk_result };
static const struct composition parts = { .bootdisk = &disk_ops };

COMPOSITION(parts);

bool bios_copy_in(void *dst, uint64_t a, size_t n)
{
	if (n && !in_ram(a, n))
		return false;
	if (n)
		memcpy(dst, ram + a, n);
	return true;
}

bool bios_copy_out(uint64_t a, const void *src, size_t n)
{
	if (n && !in_ram(a, n))
		return false;
	if (n)
		memcpy(ram + a, src, n);
	return true;
}

uint32_t boot_info_mem_upper(const struct boot_info *b) { return b->range[1].size >> 10; }

/* --- calls --- */

static void setup(void)
{
	memset(gpr, 0xa5, sizeof(gpr));
	for (size_t i = 0; i < sizeof(medium); i++)
		medium[i] = (uint8_t)(i * 7 + (i >> 9));
	memset(ram, 0, sizeof(ram));
	busy = -1;
	answer = 0;
	begun = wait_polls = 0;
	direct_low = false;
	call.ds = call.es = 0;
	CHECK_EQ(bios_disk_init(0), 2);
}

static enum bios_next int13(uint16_t ax, uint16_t cx, uint16_t dx)
{
	enum bios_next next;

	bios_set16(&call, GPR_RAX, ax);
	bios_set16(&call, GPR_RCX, cx);
	bios_set16(&call, GPR_RDX, dx);
	next = bios_int13(&call);
	while (next == BIOS_WAIT)
		next = bios_int13_poll(&call);
	return next;
}

static uint16_t r16(enum gpr r) { return bios_r16(&call, r); }

#define FAILS(call_, status) do { CHECK_EQ(call_, BIOS_ERROR); CHECK_EQ(bios_ah(&call), status); } while (0)
#define WORKS(call_) do { CHECK_EQ(call_, BIOS_OK); CHECK_EQ(bios_ah(&call), 0); } while (0)

/* Write a disk address packet at 8000h. */
static void packet(uint8_t size, uint16_t count, uint32_t far, uint64_t lba, uint64_t flat)
{
	memset(ram + 0x8000, 0, 32);
	ram[0x8000] = size;
	memcpy(ram + 0x8002, &count, 2);
	memcpy(ram + 0x8004, &far, 4);
	memcpy(ram + 0x8008, &lba, 8);
	memcpy(ram + 0x8010, &flat, 8);
	call.ds = 0x8000;
	bios_set16(&call, GPR_RSI, 0);
}

static uint16_t packet_count(void) { return (uint16_t)(ram[0x8002] | ram[0x8003] << 8); }

TEST(read_and_write_by_cylinder)
{
	setup();
	wait_polls = 3;
	call.es = 0x7c00;
	bios_set16(&call, GPR_RBX, 0);
	WORKS(int13(0x0203, 0x0001, 0x0080));
	CHECK_EQ(r16(GPR_RAX), 3);
	CHECK(!memcmp(ram + 0x7c00, medium, 3 * 512));
	/* Cylinder 2, head 5, sector 9; the upper halves of the registers stay. */
	ram[0x7c00] = 0x77;
	WORKS(int13(0x0301, 0x0209, 0x0580));
	CHECK_EQ(gpr[GPR_RAX] >> 16, 0xa5a5a5a5a5a5);
	CHECK_EQ(medium[((2 * 16 + 5) * 63 + 8) * 512], 0x77);
	/* The upper two bits of the cylinder: 256, which is beyond this disk. */
	FAILS(int13(0x0301, 0x0049, 0x0080), 4);
}

TEST(cylinders_heads_and_sectors_that_are_not)
{
	setup();
	call.es = 0x7c00;
	bios_set16(&call, GPR_RBX, 0);
	FAILS(int13(0x0201, 0x0000, 0x0080), 4);	/* sector 0 */
	CHECK_EQ(r16(GPR_RAX) & 0xff, 0);
	FAILS(int13(0x0201, 0x0001, 0x1080), 4);	/* head 16 */
	FAILS(int13(0x0201, 0xffff, 0x0f80), 4);	/* cylinder 1023 */
	FAILS(int13(0x0200, 0x0001, 0x0080), 1);	/* no sectors */
	FAILS(int13(0x02ff, 0x2001, 0x0780), 4);	/* beyond the end */
	CHECK_EQ(begun, 0);
	/* Function 1 returns the last status; a success clears it. */
	FAILS(int13(0x0100, 0, 0x0080), 4);
	WORKS(int13(0x0000, 0, 0x0080));
	WORKS(int13(0x0100, 0, 0x0080));
}

TEST(what_a_drive_is)
{
	setup();
	WORKS(int13(0x0800, 0, 0x0080));
	CHECK_EQ(r16(GPR_RCX), 31 << 8 | 63);		/* 32 cylinders */
	CHECK_EQ(r16(GPR_RDX), 15 << 8 | 2);		/* 16 heads, two drives */
	WORKS(int13(0x0800, 0, 0x0081));
	CHECK_EQ(r16(GPR_RCX), 0xffff);			/* 1024 cylinders */
	CHECK_EQ(r16(GPR_RDX), 254 << 8 | 2);
	CHECK_EQ(int13(0x1500, 0, 0x0080), BIOS_OK);
	CHECK_EQ(bios_ah(&call), 3);
	CHECK_EQ((uint32_t)r16(GPR_RCX) << 16 | r16(GPR_RDX), BLOCKS);
	bios_set16(&call, GPR_RBX, 0x55aa);
	CHECK_EQ(int13(0x4100, 0, 0x0081), BIOS_OK);
	CHECK_EQ(r16(GPR_RBX), 0xaa55);
	CHECK_EQ(bios_ah(&call), 0x30);
	bios_set16(&call, GPR_RBX, 0x55ab);
	FAILS(int13(0x4100, 0, 0x0081), 1);
}

/* The BIOS has numbers for 16 disks; the log names the others. */
TEST(more_disks_than_drives)
{
	more = 14;
	CHECK_EQ(bios_disk_init(-1), 16);
	CHECK(!host_log_has("more than 16 drives"));
	more = 15;
	CHECK_EQ(bios_disk_init(-1), 16);
	CHECK(host_log_has("bios: more than 16 drives: a is none"));
	more = 0;
}

TEST(drives_that_are_not_ours)
{
	setup();
	CHECK_EQ(int13(0x0201, 1, 0x0000), BIOS_CHAIN);
	CHECK_EQ(int13(0x0201, 1, 0x007f), BIOS_CHAIN);
	CHECK_EQ(int13(0x4200, 1, 0x00e0), BIOS_CHAIN);
	FAILS(int13(0x0201, 1, 0x0082), 1);		/* a disk with blocks of 4096 bytes gets no number */
	FAILS(int13(0x0800, 1, 0x00df), 1);
	for (unsigned ah = 0x05; ah < 0x100; ah++)
		if (ah == 0x05 || ah == 0x0a || ah == 0x18 || ah == 0x45 || ah == 0x46 || ah >= 0x49)
			FAILS(int13((uint16_t)(ah << 8), 1, 0x0080), 1);
}

TEST(packets)
{
	setup();
	wait_polls = 2;
	packet(16, 5, 0x10000200, 100, 0);
	WORKS(int13(0x4200, 0, 0x0080));
	CHECK(!memcmp(ram + 0x10200, medium + 100 * 512, 5 * 512));
	packet(24, 2, 0xffffffff, 0x7ffe, 0x180000);
	WORKS(int13(0x4200, 0, 0x0080));
	CHECK(!memcmp(ram + 0x180000, medium + 0x7ffe * 512, 1024));
	memset(ram + 0x180000, 0x3c, 512);
	packet(24, 1, 0xffffffff, 9, 0x180000);
	WORKS(int13(0x4300, 0, 0x0080));
	CHECK_EQ(medium[9 * 512 + 511], 0x3c);
	CHECK_EQ(medium[10 * 512], (uint8_t)(10 * 512 * 7 + 10));
	packet(16, 0, 0x10000200, 100, 0);
	WORKS(int13(0x4200, 0, 0x0080));
	packet(16, 512, 0, 100, 0);
	WORKS(int13(0x4400, 0, 0x0080));	/* verify needs no buffer */
	packet(16, 0, 0, 0x7fff, 0);
	WORKS(int13(0x4700, 0, 0x0080));
}

TEST(packets_of_a_hostile_guest)
{
	setup();
	packet(15, 1, 0x10000000, 0, 0);
	FAILS(int13(0x4200, 0, 0x0080), 1);
	packet(16, 1, 0x10000000, BLOCKS, 0);
	FAILS(int13(0x4200, 0, 0x0080), 4);
	CHECK_EQ(packet_count(), 0);
	packet(16, 1, 0x10000000, ~0ull, 0);
	FAILS(int13(0x4200, 0, 0x0080), 4);
	packet(16, 2, 0x10000000, 0x7fff, 0);
	FAILS(int13(0x4200, 0, 0x0080), 4);
	packet(16, 0xffff, 0x10000000, 0, 0);
	FAILS(int13(0x4200, 0, 0x0080), 4);
	packet(16, 0x7fff, 0x10000000, 0, 0);		/* runs into the hole */
	FAILS(int13(0x4200, 0, 0x0080), 9);
	packet(16, 1, 0xf0000000, 0, 0);		/* ROM */
	FAILS(int13(0x4200, 0, 0x0080), 9);
	packet(24, 1, 0xffffffff, 0, ~0ull);
	FAILS(int13(0x4200, 0, 0x0080), 9);
	packet(24, 1, 0xffffffff, 0, ~0ull - 511);
	FAILS(int13(0x4200, 0, 0x0080), 9);
	packet(24, 1, 0xffffffff, 0, RAM - 511);
	FAILS(int13(0x4300, 0, 0x0080), 9);
	packet(16, 1, 0xffffffff, 0, 0x180000);		/* this one is a far pointer, to above 1 MiB */
	WORKS(int13(0x4200, 0, 0x0080));
	CHECK(!memcmp(ram + 0x10ffef, medium, 512));
	packet(16, 513, 0, 0, 0);
	FAILS(int13(0x4400, 0, 0x0080), 1);		/* too many sectors to verify */
	packet(16, 1, 0x10000000, 0, 0);
	FAILS(int13(0x4302, 0, 0x0080), 1);		/* write and verify */
	call.ds = HOLE;
	FAILS(int13(0x4200, 0, 0x0080), 1);
	call.ds = HOLE - 8;
	FAILS(int13(0x4200, 0, 0x0080), 1);
	FAILS(int13(0x4700, 0, 0x0080), 1);
	FAILS(int13(0x4800, 0, 0x0080), 1);
	CHECK_EQ(begun, 1);
}

TEST(a_read_only_disk_is_not_written)
{
	setup();
	packet(16, 1, 0x10000000, 0, 0);
	FAILS(int13(0x4300, 0, 0x0081), 3);
	FAILS(int13(0x0301, 1, 0x0081), 3);
	CHECK_EQ(begun, 0);
	packet(16, 1, 0x10000000, 0xffffffff, 0);
	WORKS(int13(0x4200, 0, 0x0081));
}

/* Boot sectors move to 600h and read to 500h: into the first page, to which the disk's driver must not copy. */
TEST(the_first_page)
{
	setup();
	wait_polls = 1;
	packet(16, 8, 0x00000601, 3, 0);
	WORKS(int13(0x4200, 0, 0x0080));
	CHECK(!memcmp(ram + 0x601, medium + 3 * 512, 8 * 512));
	CHECK_EQ(nseen, 2);
	CHECK_EQ((seen[0].addr + seen[0].len) % PAGE_SIZE, 0);
	CHECK_EQ(seen[1].addr, PAGE_SIZE);
	memset(ram + 0x500, 0x5a, 512);
	call.es = 0;
	bios_set16(&call, GPR_RBX, 0x500);
	WORKS(int13(0x0301, 2, 0x0080));
	CHECK_EQ(medium[512], 0x5a);
	CHECK_EQ(medium[1023], 0x5a);
	CHECK(!direct_low);
}

TEST(errors_of_the_disk)
{
	static const struct { int err; uint8_t read, write; } map[] = {
		{ -ERR_IO, 0x10, 0xcc }, { -ERR_TIMEOUT, 0x80, 0x80 }, { -ERR_ABORTED, 0x80, 0x80 }, { -ERR_NODEV, 0xaa, 0xaa },
		{ -ERR_ROFS, 3, 3 }, { -ERR_NOMEM, 0x10, 0xcc },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(map); i++) {
		setup();
		answer = map[i].err;
		packet(16, 4, 0x10000000, 0, 0);
		FAILS(int13(0x4200, 0, 0x0080), map[i].read);
		CHECK_EQ(packet_count(), 0);
		packet(16, 4, 0x10000000, 0, 0);
		FAILS(int13(0x4300, 0, 0x0080), map[i].write);
	}
}

/* An interrupt handler calls INT 13h during a call, and a caller never returns for its result. */
TEST(calls_within_calls)
{
	setup();
	wait_polls = 5;
	packet(16, 1, 0x10000000, 0, 0);
	bios_set16(&call, GPR_RAX, 0x4200);
	bios_set16(&call, GPR_RDX, 0x0080);
	CHECK_EQ(bios_int13(&call), BIOS_WAIT);
	FAILS(int13(0x0201, 1, 0x0080), 0xaa);
	for (unsigned i = 0; i < 3; i++)
		FAILS(int13(0x0000, 1, 0x0080), 0xaa);
	WORKS(int13(0x0000, 1, 0x0080));
	WORKS(bios_int13_poll(&call));		/* the caller returned */
	FAILS(bios_int13_poll(&call), 0xaa);
	CHECK_EQ(begun, 1);
}

/* The request is done when the handler calls; the handler reads and writes; the caller asks afterwards. */
TEST(a_result_waits_for_its_caller)
{
	setup();
	wait_polls = 1;
	packet(16, 4, 0x00000600, 7, 0);
	bios_set16(&call, GPR_RAX, 0x4200);
	bios_set16(&call, GPR_RDX, 0x0080);
	CHECK_EQ(bios_int13(&call), BIOS_WAIT);
	busy = 0;
	call.es = 0x7c00;
	bios_set16(&call, GPR_RBX, 0);
	WORKS(int13(0x0201, 9, 0x0080));
	CHECK(!memcmp(ram + 0x7c00, medium + 8 * 512, 512));
	CHECK(!memcmp(ram + 0x600, medium + 7 * 512, 4 * 512));
	memset(ram + 0x600, 0, 512);
	bios_set16(&call, GPR_RAX, 0x4200);
	WORKS(bios_int13_poll(&call));
	CHECK_EQ(ram[0x600], 0);		/* later data stays */
	CHECK_EQ(packet_count(), 4);
	FAILS(bios_int13_poll(&call), 0xaa);
	/* A request that fails, whose caller never asks. */
	for (unsigned i = 0; i < 3; i++) {
		wait_polls = 1;
		answer = -ERR_IO;
		bios_set16(&call, GPR_RAX, 0x4200);
		CHECK_EQ(bios_int13(&call), BIOS_WAIT);
		FAILS(int13(0x0201, 0x0000, 0x0080), 4);
	}
	FAILS(bios_int13_poll(&call), 0x10);
	CHECK_EQ(packet_count(), 0);
	FAILS(bios_int13_poll(&call), 0xaa);
}

TEST(parameters_of_a_drive)
{
	uint16_t size;

	setup();
	for (unsigned room = 0; room < 100; room++) {
		memset(ram + 0x9000, 0xee, 128);
		memcpy(ram + 0x9000, &room, 2);
		call.ds = 0x9000;
		bios_set16(&call, GPR_RSI, 0);
		if (room < 26) {
			FAILS(int13(0x4800, 0, 0x0081), 1);
			continue;
		}
		WORKS(int13(0x4800, 0, 0x0081));
		memcpy(&size, ram + 0x9000, 2);
		CHECK(size <= room && size == (room < 30 ? 26 : room < 66 ? 30 : 66));
		CHECK_EQ(ram[0x9000 + size], 0xee);
		CHECK(!memcmp(ram + 0x9010, "\0\0\0\0\1\0\0\0\0\2", 10));
	}
	uint8_t sum = 0;

	for (unsigned i = 30; i < 66; i++)
		sum = (uint8_t)(sum + ram[0x9000 + i]);
	CHECK_EQ(sum, 0);
	CHECK(!memcmp(ram + 0x9000 + 36, "PCI SCSI    \2\37\5", 15));
	call.ds = HOLE - 26;
	*(uint16_t *)(void *)(ram + HOLE - 26) = 30;
	FAILS(int13(0x4800, 0, 0x0080), 9);
}

/* --- INT 15h --- */

static void map(void)
{
	info.nranges = 3;
	info.range[0] = (struct mem_range){ 0, 0x9f000, MEM_USABLE };
	info.range[1] = (struct mem_range){ 0x100000, 0x4000000, MEM_USABLE };
	info.range[2] = (struct mem_range){ 0x4100000, 0x400000, MEM_RESERVED };
	bios_memory_init(&info);
}

static enum bios_next int15(uint32_t eax)
{
	gpr[GPR_RAX] = eax;
	return bios_int15(&call);
}

TEST(the_memory_map)
{
	uint64_t got[2];
	uint32_t type;

	setup();
	map();
	call.es = 0x20000;
	gpr[GPR_RBX] = 0;
	for (unsigned i = 0; i < 3; i++) {
		gpr[GPR_RDX] = SMAP;
		gpr[GPR_RCX] = 24;
		bios_set16(&call, GPR_RDI, 0x10);
		CHECK_EQ(int15(0xe820), BIOS_OK);
		CHECK_EQ(gpr[GPR_RAX], SMAP);
		CHECK_EQ(gpr[GPR_RCX], 20);
		CHECK_EQ(gpr[GPR_RBX], i < 2 ? i + 1 : 0);
		memcpy(got, ram + 0x20010, 16);
		memcpy(&type, ram + 0x20020, 4);
		CHECK(got[0] == info.range[i].base && got[1] == info.range[i].size && type == (uint32_t)info.range[i].type);
		CHECK_EQ(ram[0x20024], 0);
	}
	gpr[GPR_RBX] = 3;
	FAILS(int15(0xe820), 0x86);
	gpr[GPR_RBX] = 0xffffffff;
	FAILS(int15(0xe820), 0x86);
	gpr[GPR_RBX] = 0;
	gpr[GPR_RCX] = 19;
	FAILS(int15(0xe820), 0x86);
	gpr[GPR_RCX] = 20;
	gpr[GPR_RDX] = SMAP + 1;
	FAILS(int15(0xe820), 0x86);
	gpr[GPR_RDX] = SMAP;
	call.es = HOLE - 0x20;
	FAILS(int15(0xe820), 0x86);
}

TEST(the_older_sizes)
{
	setup();
	map();
	CHECK_EQ(int15(0xe801), BIOS_OK);
	CHECK_EQ(r16(GPR_RAX), 15 * 1024);
	CHECK_EQ(r16(GPR_RCX), 15 * 1024);
	CHECK_EQ(r16(GPR_RBX), 49 * 16);
	CHECK_EQ(r16(GPR_RDX), 49 * 16);
	CHECK_EQ(int15(0xe881), BIOS_OK);
	CHECK_EQ(gpr[GPR_RBX], 49 * 16);
	CHECK_EQ(int15(0x8800), BIOS_OK);
	CHECK_EQ(r16(GPR_RAX), 0xfc00);
	CHECK_EQ(int15(0x8a00), BIOS_OK);
	CHECK_EQ((uint32_t)r16(GPR_RDX) << 16 | r16(GPR_RAX), 0x10000);
	CHECK_EQ(int15(0xda88), BIOS_OK);
	CHECK_EQ((gpr[GPR_RCX] & 0xff) << 16 | r16(GPR_RBX), 0x10000);
	FAILS(int15(0x8700), 0x86);
}

/* Another processor calls: the call is served, or returns "busy".  Each caller gets its own result only. */
TEST(calls_of_two_processors)
{
	setup();
	wait_polls = 5;
	packet(16, 4, 0x00000600, 7, 0);
	bios_set16(&call, GPR_RAX, 0x4200);
	bios_set16(&call, GPR_RDX, 0x0080);
	CHECK_EQ(bios_int13(&call), BIOS_WAIT);
	call.cpu = 1;
	FAILS(int13(0x0201, 9, 0x0080), 0xaa);
	FAILS(bios_int13_poll(&call), 0xaa);
	/* The first caller's request is done: the data is written now, and the caller gets the result when it asks. */
	busy = 0;
	call.es = 0x7c00;
	bios_set16(&call, GPR_RBX, 0);
	wait_polls = 1;
	bios_set16(&call, GPR_RAX, 0x0201);
	bios_set16(&call, GPR_RCX, 9);
	CHECK_EQ(bios_int13(&call), BIOS_WAIT);
	CHECK(!memcmp(ram + 0x600, medium + 7 * 512, 4 * 512));
	call.cpu = 0;
	WORKS(bios_int13_poll(&call));
	CHECK_EQ(packet_count(), 4);
	FAILS(bios_int13_poll(&call), 0xaa);
	call.cpu = 1;
	busy = 0;
	WORKS(bios_int13_poll(&call));
	CHECK(!memcmp(ram + 0x7c00, medium + 8 * 512, 512));
	call.cpu = 0;
}

TEST_MAIN
