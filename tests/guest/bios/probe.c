/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * In real mode, calls Veneer's BIOS services as boot loaders do, and as nobody should.  The host (tests/vm/bios.bats) has made
 * three disks; unless something else is there, 32-bit word n of a disk is the disk's pattern + n:
 * 	80h	64 MiB, SATA, writable: this program, and the pattern from sector 64 on
 * 	81h	64 MiB, NVMe, read-only: the pattern
 * 	82h	9 GiB, SATA, read-only: the pattern in 64 sectors from 16450528 on (the end of cylinder 1023) and in the last 64
 * A disk with sectors of 4096 bytes has no number.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "../lib/bare.h"

#define PATTERN(drive)	(((drive) - 0x80 + 1) << 28)
#define WRITTEN		0x5a000000u
#define SECTORS_80	131072u
#define SECTORS_82	18874368u
#define CHS_END		16450560u	/* 1024 cylinders of 255 heads of 63 sectors */

#define BUFFER		0xe000u		/* 8 KiB of segment 0 */
#define HIGH_SEG	0x2000u		/* 64 KiB and more for large transfers */
#define FLAT		0x300000u	/* address above 1 MiB */
#define MARK		((volatile uint32_t *)0x4f0)	/* "intra-application": survives INT 19h */
#define MARK_AGAIN	0x4e494741u
#define CF		1u
#define IF		0x200u
#define SMAP		0x534d4150u
#define UPPER		0xa5a50000u

struct regs {
	uint32_t eax, ebx, ecx, edx, esi, edi, ebp, eflags;
	uint16_t ds, es;
};

struct packet {
	uint8_t size, reserved;
	uint16_t count, off, seg;
	uint64_t lba, flat;
} __attribute__((packed, aligned(8)));

struct e820 {
	uint64_t base, size;
	uint32_t type;
} __attribute__((packed));

struct regs regs;
extern uint16_t entry_dx, entry_ss, entry_cs, entry_sp;
extern uint32_t stack_lost;
extern volatile uint8_t tick_status;
uint8_t tick_buffer[512];

void bios_int(uint32_t vector);
void bios_main(void);
void bios_tick(void);
void tick_entry(void);
void tick_read(void);
void unreal(void);
uint32_t protected16(uint32_t at);

static struct packet packet;
static struct e820 map[64];
static uint32_t nmap;
static volatile uint32_t ticks;
static volatile uint32_t tick_calls, tick_strange;
static volatile bool nested, ending;

/* --- memory --- */

static uint32_t peek(uint16_t seg, uint32_t off)
{
	uint32_t v;

	__asm__ volatile("movw %1, %%fs; movl %%fs:(%2), %0" : "=r"(v) : "r"(seg), "r"(off));
	return v;
}

static void poke(uint16_t seg, uint32_t off, uint32_t v)
{
	__asm__ volatile("movw %0, %%fs; movl %1, %%fs:(%2)" : : "r"(seg), "r"(v), "r"(off) : "memory");
}

/* Read with DS beyond 64 KiB, after unreal(). */
static uint32_t peek_far(uint32_t at)
{
	uint32_t v;

	unreal();
	__asm__ volatile("movl (%1), %0" : "=r"(v) : "r"(at));
	return v;
}

/* --- calls --- */

static bool carry(void) { return regs.eflags & CF; }
static uint8_t ah(void) { return (uint8_t)(regs.eax >> 8); }
static uint16_t low(uint32_t r) { return (uint16_t)r; }

/* Call INT 13h with segments 0.  Return the status, with CF in bit 8. */
static uint32_t int13(uint16_t ax, uint16_t bx, uint16_t cx, uint16_t dx)
{
	regs = (struct regs){
		.eax = UPPER | ax, .ebx = UPPER | bx, .ecx = UPPER | cx, .edx = UPPER | dx,
		.esi = UPPER | (uint16_t)(uint32_t)&packet, .edi = 0xd1d1d1d1, .ebp = 0xb0b0b0b0, .eflags = IF | 2,
		.es = regs.es
	};
	bios_int(0x13);
	return ah() | (carry() ? 0x100 : 0);
}

#define ERROR(status)	(0x100u | (status))

static uint16_t far_segment;

/* Read or write by cylinder, head and sector; the buffer is in segment far_segment. */
static uint32_t chs(uint16_t ax, uint16_t bx, uint32_t cylinder, uint32_t head, uint32_t sector, uint8_t drive)
{
	regs.es = far_segment;
	return int13(ax, bx, (uint16_t)(cylinder << 8 | (cylinder >> 2 & 0xc0) | sector), (uint16_t)(head << 8 | drive));
}

static uint32_t edd(uint8_t function, uint8_t drive, uint64_t lba, uint16_t count, uint16_t seg, uint16_t off)
{
	packet = (struct packet){ 16, 0, count, off, seg, lba, 0 };
	regs.es = 0;
	return int13((uint16_t)(function << 8), 0, 0, drive);
}

static uint32_t edd_flat(uint8_t function, uint8_t drive, uint64_t lba, uint16_t count, uint64_t flat)
{
	packet = (struct packet){ 24, 0, count, 0xffff, 0xffff, lba, flat };
	regs.es = 0;
	return int13((uint16_t)(function << 8), 0, 0, drive);
}

static void clear(uint16_t seg, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes; i += 4)
		poke((uint16_t)(seg + (i >> 4 & 0xff00)), i & 0xfff, 0xeeeeeeee);
}

/* True if the @count sectors at @seg:0 are the pattern's from @lba on. */
static bool holds(uint16_t seg, uint32_t count, uint32_t lba, uint32_t pattern)
{
	for (uint32_t i = 0; i < count * 128; i++)
		if (peek((uint16_t)(seg + (i >> 2 & 0xff00)), i * 4 & 0xfff) != pattern + lba * 128 + i)
			return false;
	return true;
}

static void fill(uint16_t seg, uint32_t count, uint32_t lba, uint32_t pattern)
{
	for (uint32_t i = 0; i < count * 128; i++)
		poke((uint16_t)(seg + (i >> 2 & 0xff00)), i * 4 & 0xfff, pattern + lba * 128 + i);
}

/* --- INT 13h: what drives there are --- */

static void test_start(void)
{
	check(entry_dx & 0xff, 0x80, "start: DL is the boot drive");
	check(entry_cs, 0, "start: at 0000:7c00");
	check(*(volatile uint16_t *)0x7dfe, 0xaa55, "start: the boot sector is at 7c00h");
	check(*(volatile uint8_t *)0x475, 3, "start: the BIOS data says three hard disks");
}

static void test_drives(void)
{
	check(int13(0x0800, 0, 0, 0x80), 0, "geometry: drive 80h");
	check(low(regs.ecx), 129 << 8 | 63, "geometry: 130 cylinders of 63 sectors");
	check(low(regs.edx), 15 << 8 | 3, "geometry: 16 heads, three drives");
	check(int13(0x0800, 0, 0, 0x82), 0, "geometry: drive 82h");
	check(low(regs.ecx), 0xffff, "geometry: 1024 cylinders at most");
	check(low(regs.edx), 254 << 8 | 3, "geometry: 255 heads");
	check(int13(0x1500, 0, 0, 0x82) & 0x1ff, 3, "type: a hard disk");
	check(low(regs.ecx) << 16 | low(regs.edx), SECTORS_82, "type: its sectors");
	check(int13(0x4100, 0x55aa, 0, 0x81), 0x30, "extensions: EDD 3.0");
	check(low(regs.ebx), 0xaa55, "extensions: signature");
	check(low(regs.ecx), 5, "extensions: packets and parameters");
	check(int13(0x4100, 0x55ab, 0, 0x80), ERROR(1), "extensions: wrong signature");
}

static void test_parameters(void)
{
	static uint8_t buffer[128] __attribute__((aligned(4)));
	static const struct { uint16_t room, size; } sizes[] = { { 26, 26 }, { 29, 26 }, { 30, 30 }, { 65, 30 }, { 66, 66 },
								 { 128, 66 } };
	uint8_t sum = 0;

	for (uint32_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (uint32_t k = 0; k < sizeof(buffer); k++)
			buffer[k] = 0xee;
		*(uint16_t *)buffer = sizes[i].room;
		regs = (struct regs){ .eax = 0x4800, .edx = 0x82, .esi = (uint16_t)(uint32_t)buffer, .eflags = IF | 2 };
		bios_int(0x13);
		check(ah() | (carry() ? 0x100 : 0), 0, "parameters: drive 82h");
		check(*(uint16_t *)buffer, sizes[i].size, "parameters: their size");
		check(buffer[sizes[i].size], 0xee, "parameters: nothing behind them");
	}
	check(*(uint32_t *)(buffer + 16), SECTORS_82, "parameters: sectors");
	check(*(uint32_t *)(buffer + 20), 0, "parameters: sectors, upper half");
	check(*(uint16_t *)(buffer + 24), 512, "parameters: bytes in a sector");
	check(*(uint16_t *)(buffer + 30), 0xbedd, "parameters: path signature");
	check(*(uint32_t *)(buffer + 36), 0x20494350, "parameters: on PCI");
	/* 00:1f.2's second port: the sibling function after it. */
	check(buffer[48] | buffer[49] << 8, 0x1f00, "parameters: bus and device");
	for (uint32_t k = 30; k < 66; k++)
		sum = (uint8_t)(sum + buffer[k]);
	check(sum, 0, "parameters: checksum of the path");
	*(uint16_t *)buffer = 25;
	regs = (struct regs){ .eax = 0x4800, .edx = 0x82, .esi = (uint16_t)(uint32_t)buffer, .eflags = IF | 2 };
	bios_int(0x13);
	check(ah() | (carry() ? 0x100 : 0), ERROR(1), "parameters: no room");
}

/* Return the command register of a drive's virtio function. */
static uint32_t command_register(uint32_t drive)
{
	static uint8_t buffer[66] __attribute__((aligned(4)));
	uint32_t v;

	*(uint16_t *)buffer = sizeof(buffer);
	regs = (struct regs){ .eax = 0x4800, .edx = drive, .esi = (uint16_t)(uint32_t)buffer, .eflags = IF | 2 };
	bios_int(0x13);
	outl(0xcf8, 0x80000004u | (uint32_t)buffer[48] << 16 | (uint32_t)buffer[49] << 11 | (uint32_t)buffer[50] << 8);
	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"((uint16_t)0xcfc));
	return v & 7;
}

/* As after firmware: only the controller from which it started is bus master. */
static void test_bus_master(void)
{
	check(command_register(0x80), 7, "bus master: the boot disk's function");
	check(command_register(0x81), 3, "bus master: another controller's");
	check(command_register(0x82), 3, "bus master: another disk's");
}

static void test_wrong_drives(void)
{
	static const uint8_t functions[] = { 0x02, 0x03, 0x04, 0x08, 0x15, 0x41, 0x42, 0x43, 0x44, 0x47, 0x48 };

	for (uint32_t i = 0; i < sizeof(functions); i++) {
		packet = (struct packet){ 16, 0, 1, BUFFER, 0, 64, 0 };
		check(int13((uint16_t)(functions[i] << 8 | 1), 0x55aa, 1, 0x83), ERROR(1), "drive 83h: there is none");
	}
	check(int13(0x0201, BUFFER, 1, 0xdf), ERROR(1), "drive dfh: there is none");
	int13(0x0800, 0, 0, 0x00);
	check_true(true, "drive 00h: the BIOS answers");
	check_true(int13(0x4100, 0x55aa, 0, 0xe5) & 0x100, "drive e5h: the BIOS knows none");
}

static void test_unknown(void)
{
	static const uint8_t functions[] = { 0x05, 0x06, 0x0a, 0x0b, 0x0e, 0x18, 0x45, 0x46, 0x49, 0x4e, 0x50, 0xff };
	static const uint8_t harmless[] = { 0x00, 0x09, 0x0c, 0x0d, 0x10, 0x11, 0x14 };

	for (uint32_t i = 0; i < sizeof(functions); i++)
		check(int13((uint16_t)(functions[i] << 8), 0, 1, 0x80), ERROR(1), "functions that there are not");
	check(int13(0x0100, 0, 1, 0x80), ERROR(1), "last status: the error's");
	for (uint32_t i = 0; i < sizeof(harmless); i++)
		check(int13((uint16_t)(harmless[i] << 8), 0, 1, 0x80), 0, "functions without effect");
	check(int13(0x0100, 0, 1, 0x80), 0, "last status: the success's");
}

/* --- transfers --- */

static void test_registers(void)
{
	far_segment = 0;
	clear(BUFFER >> 4, 1024);
	check(edd(0x42, 0x81, 100, 2, 0, BUFFER), 0, "registers: a read");
	check_true(holds(BUFFER >> 4, 2, 100, PATTERN(0x81)), "registers: its data");
	check(regs.eax >> 16, UPPER >> 16, "registers: upper half of EAX");
	check(regs.ebx, UPPER, "registers: EBX");
	check(regs.ecx, UPPER, "registers: ECX");
	check(regs.edx, UPPER | 0x81, "registers: EDX");
	check(regs.esi, UPPER | (uint16_t)(uint32_t)&packet, "registers: ESI");
	check(regs.edi, 0xd1d1d1d1, "registers: EDI");
	check(regs.ebp, 0xb0b0b0b0, "registers: EBP");
	check(regs.ds | regs.es, 0, "registers: DS and ES");
	check(stack_lost, 0, "registers: the stack");
	check(regs.eflags & IF, IF, "registers: interrupts stay on");
	check(packet.count, 2, "registers: the packet's count");
	regs = (struct regs){ .eax = 0x4200, .edx = 0x81, .esi = (uint16_t)(uint32_t)&packet, .eflags = 2 };
	bios_int(0x13);
	check(regs.eflags & (IF | CF), 0, "registers: interrupts stay off");
}

static void test_chs(void)
{
	far_segment = BUFFER >> 4;
	clear(far_segment, 8192);
	check(chs(0x0203, 0, 0, 1, 2, 0x80), 0, "cylinders: a read");
	check(low(regs.eax), 3, "cylinders: AL is the number of sectors");
	check_true(holds(far_segment, 3, 64, PATTERN(0x80)), "cylinders: head 1, sector 2 is block 64");
	check(chs(0x0205, 0, 70, 15, 60, 0x80), 0, "cylinders: over a track's and a cylinder's end");
	check_true(holds(far_segment, 5, (70 * 16 + 15) * 63 + 59, PATTERN(0x80)), "cylinders: its data");
	check(chs(0x0201, 0, 1023, 254, 63, 0x82), 0, "cylinders: the last that can be named");
	check_true(holds(far_segment, 1, CHS_END - 1, PATTERN(0x82)), "cylinders: its data");
	check(chs(0x0201, 0, 0, 0, 0, 0x80), ERROR(4), "cylinders: sector 0");
	check(low(regs.eax) & 0xff, 0, "cylinders: nothing was read");
	check(chs(0x0201, 0, 0, 16, 1, 0x80), ERROR(4), "cylinders: head 16");
	check(chs(0x0201, 0, 131, 0, 1, 0x80), ERROR(4), "cylinders: cylinder 131");
	check(chs(0x02ff, 0, 130, 0, 1, 0x80), ERROR(4), "cylinders: over the disk's end");
	check(chs(0x0200, 0, 1, 0, 1, 0x80), ERROR(1), "cylinders: no sectors");
	check(chs(0x04ff, 0, 1, 0, 1, 0x80), 0, "cylinders: verify");
	check(chs(0x0401, 0, 0, 16, 1, 0x80), ERROR(4), "cylinders: verify what is not");
	check(chs(0x0301, 0, 1, 0, 1, 0x82), ERROR(3), "cylinders: write to a read-only disk");
}

static void test_packets(void)
{
	clear(HIGH_SEG, 0x11000);
	check(edd(0x42, 0x80, 1000, 127, HIGH_SEG, 0), 0, "packets: 127 sectors");
	check_true(holds(HIGH_SEG, 127, 1000, PATTERN(0x80)), "packets: their data");
	check(peek(HIGH_SEG, 127 * 512), 0xeeeeeeee, "packets: nothing behind it");
	check(edd(0x42, 0x80, 5000, 128, HIGH_SEG, 0), 0, "packets: 64 KiB");
	check_true(holds(HIGH_SEG, 128, 5000, PATTERN(0x80)), "packets: their data");
	check(peek(HIGH_SEG + 0x1000, 0), 0xeeeeeeee, "packets: nothing behind them");
	clear(HIGH_SEG, 0x11000);
	check(edd(0x42, 0x81, 7, 16, HIGH_SEG, 0xf000), 0, "packets: over a segment's and 64 KiB's end");
	check_true(holds(HIGH_SEG + 0xf00, 16, 7, PATTERN(0x81)), "packets: the buffer goes on behind");
	check(peek(HIGH_SEG, 0), 0xeeeeeeee, "packets: and not at the segment's beginning");
	check(edd(0x42, 0x82, SECTORS_82 - 2, 2, HIGH_SEG, 0), 0, "packets: the last sectors of 9 GiB");
	check_true(holds(HIGH_SEG, 2, SECTORS_82 - 2, PATTERN(0x82)), "packets: their data");
	check(edd(0x42, 0x80, 1000, 0, HIGH_SEG, 0), 0, "packets: no sectors");
	check(edd(0x44, 0x80, 1000, 512, 0, 0), 0, "packets: verify");
	check(edd(0x44, 0x80, SECTORS_80, 1, 0, 0), ERROR(4), "packets: verify what is not");
	check(edd(0x47, 0x80, SECTORS_80 - 1, 0, 0, 0), 0, "packets: seek");
	check(edd(0x47, 0x80, SECTORS_80, 0, 0, 0), ERROR(4), "packets: seek too far");
}

static void test_flat(void)
{
	check(edd_flat(0x42, 0x81, 300, 16, FLAT), 0, "linear address: 16 sectors to above 1 MiB");
	check(peek_far(FLAT), PATTERN(0x81) + 300 * 128, "linear address: the first word, by unreal mode");
	check(peek_far(FLAT + 8188), PATTERN(0x81) + 316 * 128 - 1, "linear address: the last one");
	check(protected16(FLAT + 512), PATTERN(0x81) + 301 * 128, "linear address: by 16-bit protected mode");
	packet.size = 16;
	check(int13(0x4200, 0, 0, 0x81), 0, "linear address: a short packet has none");
	check(packet.count, 16, "linear address: its count");
	check(peek(0xffff, 0xffff), PATTERN(0x81) + 300 * 128, "linear address: the far pointer held");
}

static void test_wrong_packets(void)
{
	check(edd(0x42, 0x80, SECTORS_80, 1, 0, BUFFER), ERROR(4), "wrong packets: behind the last sector");
	check(packet.count, 0, "wrong packets: nothing was read");
	check(edd(0x42, 0x80, SECTORS_80 - 1, 2, 0, BUFFER), ERROR(4), "wrong packets: over the end");
	check(edd(0x42, 0x80, 0x100000040ull, 1, 0, BUFFER), ERROR(4), "wrong packets: beyond 32 bits");
	check(edd(0x42, 0x80, ~0ull, 2, 0, BUFFER), ERROR(4), "wrong packets: round the end");
	check(edd(0x42, 0x80, 64, 1, 0xf000, 0), ERROR(9), "wrong packets: into the BIOS");
	check(edd(0x42, 0x80, 64, 0xffff, 0x1000, 0), ERROR(9), "wrong packets: into the screen's memory");
	check(edd_flat(0x42, 0x80, 64, 1, 0x100000000ull), ERROR(9), "wrong packets: to where no memory is");
	check(edd_flat(0x42, 0x80, 64, 1, ~0ull - 100), ERROR(9), "wrong packets: round the end of memory");
	check(edd_flat(0x42, 0x80, 64, 1, 0xfee00000u), ERROR(9), "wrong packets: to the local APIC");
	packet = (struct packet){ 15, 0, 1, BUFFER, 0, 64, 0 };
	check(int13(0x4200, 0, 0, 0x80), ERROR(1), "wrong packets: too short");
	check(edd(0x43, 0x82, 64, 1, 0, BUFFER), ERROR(3), "wrong packets: write to a read-only disk");
	packet = (struct packet){ 16, 0, 1, BUFFER, 0, 64, 0 };
	check(int13(0x4302, 0, 0, 0x80), ERROR(1), "wrong packets: write with verify");
	check(edd(0x42, 0x80, 64, 1, 0, BUFFER), 0, "wrong packets: a good one after them");
	check_true(holds(BUFFER >> 4, 1, 64, PATTERN(0x80)), "wrong packets: its data");
}

/* Boot sectors use the page of the BIOS's data, to which Veneer's disks cannot transfer directly. */
static void test_first_page(void)
{
	check(edd(0x42, 0x81, 500, 5, 0, 0x600), 0, "first page: read over its end");
	check_true(holds(0x60, 5, 500, PATTERN(0x81)), "first page: the data");
	fill(0x60, 2, 3000, WRITTEN);
	check(edd(0x43, 0x80, 3000, 2, 0, 0x600), 0, "first page: written from");
}

/* The host checks the disk afterwards. */
static void test_writes(void)
{
	far_segment = HIGH_SEG;
	fill(HIGH_SEG, 5, (40 * 16 + 15) * 63 + 60, WRITTEN);
	check(chs(0x0305, 0, 40, 15, 61, 0x80), 0, "write: by cylinder, over a cylinder's end");
	check(low(regs.eax), 5, "write: AL is the number of sectors");
	fill(HIGH_SEG, 130, 60000, WRITTEN);
	check(edd(0x43, 0x80, 60000, 130, HIGH_SEG, 0), 0, "write: by packet, 65 KiB");
	fill(HIGH_SEG, 1, SECTORS_80 - 1, WRITTEN);
	check(edd(0x43, 0x80, SECTORS_80 - 1, 1, HIGH_SEG, 0), 0, "write: the last sector");
	clear(HIGH_SEG, 0x11000);
	check(edd_flat(0x42, 0x80, 60000, 130, FLAT), 0, "write: read back");
	check(edd_flat(0x43, 0x80, 62000, 1, FLAT), 0, "write: from above 1 MiB");
	check(edd(0x42, 0x80, 62000, 1, HIGH_SEG, 0), 0, "write: read back");
	check_true(holds(HIGH_SEG, 1, 60000, WRITTEN), "write: the data");
}

/* --- INT 15h --- */

static void get_map(void)
{
	regs = (struct regs){ 0 };
	do {
		regs.eax = 0xe820;
		regs.edx = SMAP;
		regs.ecx = 24;
		regs.edi = (uint32_t)&map[nmap];
		regs.eflags = IF | 2;
		bios_int(0x15);
		if (carry() || regs.eax != SMAP || regs.ecx != sizeof(struct e820))
			break;
		nmap++;
	} while (regs.ebx && nmap < 63);
	check_true(!carry() && !regs.ebx && nmap > 2, "memory map: read to its end");
}

static bool in_ram(uint64_t at)
{
	for (uint32_t i = 0; i < nmap; i++)
		if (map[i].type == 1 && at >= map[i].base && at < map[i].base + map[i].size)
			return true;
	return false;
}

/* The end of the RAM that begins at 1 MiB. */
static uint64_t first_end(void)
{
	for (uint32_t i = 0; i < nmap; i++)
		if (map[i].type == 1 && map[i].base == 0x100000)
			return map[i].base + map[i].size;
	return 0;
}

static void test_map(void)
{
	bool good = true;

	get_map();
	for (uint32_t i = 0; i < nmap; i++) {
		print("     ");
		print_hex((uint32_t)map[i].base);
		print(" + ");
		print_hex((uint32_t)map[i].size);
		print(map[i].type == 1 ? " RAM\n" : " other\n");
		for (uint32_t k = 0; k < i; k++)
			good = good && (map[k].base + map[k].size <= map[i].base || map[i].base + map[i].size <= map[k].base);
	}
	check_true(good, "memory map: no range in another");
	regs = (struct regs){ .eax = 0xe820, .edx = SMAP, .ecx = 24, .ebx = nmap, .edi = BUFFER, .eflags = 2 };
	bios_int(0x15);
	check(ah() | (carry() ? 0x100 : 0), ERROR(0x86), "memory map: nothing behind its end");
	regs = (struct regs){ .eax = 0xe820, .edx = SMAP + 1, .ecx = 24, .edi = BUFFER, .eflags = 2 };
	bios_int(0x15);
	check(ah() | (carry() ? 0x100 : 0), ERROR(0x86), "memory map: without SMAP");
	regs = (struct regs){ .eax = 0xe820, .edx = SMAP, .ecx = 19, .edi = BUFFER, .eflags = 2 };
	bios_int(0x15);
	check(ah() | (carry() ? 0x100 : 0), ERROR(0x86), "memory map: no room");
}

static void call15(uint32_t eax)
{
	regs = (struct regs){ .eax = eax, .eflags = IF | 2 };
	bios_int(0x15);
}

static void test_sizes(void)
{
	uint32_t kib = (uint32_t)(first_end() - 0x100000) >> 10, above = (kib - 15 * 1024) / 64;

	check_true(kib > 64 * 1024, "memory sizes: more than 64 MiB to speak of");
	call15(0xe801);
	check(carry(), false, "memory sizes: E801h");
	check(low(regs.eax) | low(regs.ebx) << 16, 15 * 1024 | above << 16, "memory sizes: E801h, AX and BX");
	check(low(regs.ecx) | low(regs.edx) << 16, 15 * 1024 | above << 16, "memory sizes: E801h, CX and DX");
	call15(0x8800);
	check(carry(), false, "memory sizes: 88h");
	check(low(regs.eax), 0xfc00, "memory sizes: 88h, its most");
	call15(0x8a00);
	check(low(regs.edx) << 16 | low(regs.eax), kib, "memory sizes: 8Ah");
	call15(0xda88);
	check((regs.ecx & 0xff) << 16 | low(regs.ebx), kib, "memory sizes: DA88h");
	regs = (struct regs){ .eflags = 2 };
	bios_int(0x12);
	check_true(low(regs.eax) < 640 && low(regs.eax) > 500, "memory sizes: conventional");
	check_true(in_ram((low(regs.eax) << 10) - 1), "memory sizes: its last byte is RAM");
	check_true(!in_ram(low(regs.eax) << 10), "memory sizes: Veneer's stub is not");
}

/* Memory that is missing behind the RAM is Veneer's. */
static void test_veneer(void)
{
	uint64_t end = first_end();
	bool taken = false;

	for (uint32_t i = 0; i < nmap; i++)
		taken = taken || (map[i].type == 1 && map[i].base == end);
	check_true(end && !taken, "Veneer: its range is no RAM");
	check(edd_flat(0x42, 0x80, 64, 1, end), ERROR(9), "Veneer: no read to its first page");
	check(edd_flat(0x42, 0x80, 64, 2, end - 512), ERROR(9), "Veneer: no read that reaches it");
	check(edd_flat(0x43, 0x80, 70000, 1, end + 0x200000), ERROR(9), "Veneer: no write from its middle");
	check(edd_flat(0x42, 0x80, 64, 1, end - 512), 0, "Veneer: the last sector below it");
}

/* Other functions are the machine's own BIOS: a move of memory by protected mode, a table, the clock. */
static void test_bios(void)
{
	static uint64_t gdt[6];
	static volatile uint32_t to[4];

	gdt[2] = 0x00cf93000000ffffull | (uint64_t)(FLAT & 0xffffff) << 16;
	gdt[3] = 0x00cf93000000ffffull | (uint64_t)((uint32_t)to & 0xffffff) << 16;
	regs = (struct regs){ .eax = 0x8700, .ecx = sizeof(to) / 2, .esi = (uint32_t)gdt, .eflags = IF | 2 };
	bios_int(0x15);
	check(carry(), false, "the BIOS: moves memory");
	check(to[1], WRITTEN + 60000 * 128 + 1, "the BIOS: it moved it");
	call15(0xc000);
	check(carry(), false, "the BIOS: has its table");
	regs = (struct regs){ .eax = 0x0f00, .eflags = IF | 2 };
	bios_int(0x10);
	check(regs.eax & 0xff, 3, "the BIOS: text mode");
}

/* --- interrupts --- */

void bios_tick(void)
{
	ticks++;
	if (ending && ticks > 36) {
		print("probe-bios: ");
		print_decimal(passed);
		print(" passed, ");
		print_decimal(failed);
		print(" failed\n");
		outl(DEBUG_EXIT, failed || !passed);
	}
	if (!nested)
		return;
	nested = false;
	tick_read();
	tick_calls++;
	tick_strange += tick_status != 0xaa && tick_status;
	nested = true;
}

static void set_timer(uint16_t divisor)
{
	outb(0x43, 0x34);
	outb(0x40, (uint8_t)divisor);
	outb(0x40, (uint8_t)(divisor >> 8));
}

static void hook(void)
{
	*(volatile uint32_t *)(0x1c * 4) = (uint32_t)tick_entry;
}

/*
 * The timer's handler reads, too, and harms no read in flight; most reads are done by then, but nobody has polled for them yet.
 */
static void test_nested(void)
{
	uint32_t good = 0, i;

	hook();
	set_timer(1193);
	nested = true;
	for (i = 0; i < 8000 && tick_calls < 2000; i++) {
		uint32_t lba = 64 + i % 4000 * 16;

		poke(HIGH_SEG, 127 * 512 - 4, 0);
		good += !edd(0x42, 0x81, lba, 127, HIGH_SEG, 0) &&
			peek(HIGH_SEG, 127 * 512 - 4) == PATTERN(0x81) + (lba + 127) * 128 - 1;
	}
	nested = false;
	set_timer(0);
	check(good, i, "nested calls: all reads were right");
	check_true(ticks > 0, "nested calls: the timer ran");
	check_true(tick_calls > 0, "nested calls: its handler read");
	check(tick_strange, 0, "nested calls: it was told that the disks are busy, or nothing");
}

/* --- the order --- */

/* Started by INT 19h: give up by INT 18h; only the timer's handler still runs afterwards. */
static void again(void)
{
	passed = MARK[1];
	failed = MARK[2];
	MARK[0] = 0;
	check(entry_dx & 0xff, 0x80, "INT 19h: starts the boot sector again");
	ending = true;
	hook();
	regs.eflags = IF | 2;
	bios_int(0x18);
	print("FAIL INT 18h: came back\n");
	outl(DEBUG_EXIT, 1);
}

void bios_main(void)
{
	if (MARK[0] == MARK_AGAIN)
		again();
	print("\nprobe-bios: starts\n");
	test_start();
	test_drives();
	test_parameters();
	test_bus_master();
	test_wrong_drives();
	test_unknown();
	test_registers();
	test_chs();
	test_packets();
	test_flat();
	test_wrong_packets();
	test_first_page();
	test_writes();
	test_map();
	test_sizes();
	test_veneer();
	test_bios();
	test_nested();
	MARK[1] = passed;
	MARK[2] = failed;
	MARK[0] = MARK_AGAIN;
	bios_int(0x19);
}
