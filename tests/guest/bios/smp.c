/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest in real mode with two processors.  The first reads drive 81h by INT 13h; the second reads the same disk by its legacy
 * virtio-blk registers, resets that device now and then, and calls INT 13h in between.  Both compare everything that they read:
 * 32-bit word n of the disk is the pattern of bios.bats for drive 81h + n.
 */
#include "../lib/bare.h"

#define PATTERN		0x20000000u
#define SECTORS		131072u
#define TRAMPOLINE	0xf000u
#define SIPI		(0x00004600u | TRAMPOLINE >> 12)
#define INIT		0x00004500u
#define OTHERS		(3u << 18)
#define LAPIC_ICR	0xfee00300u
#define DISK		0x80004000u	/* 00:08.0 for port CF8h */
#define RING_SEG	0x5000u		/* its queue, 256 entries */
#define AVAIL		4096u
#define USED		8192u
#define REQUEST_SEG	0x5400u		/* header, status, and at 512 the data of one request */
#define STATUS		16u
#define DATA		512u
#define BLOCKS		8u
#define BIOS_BUFFER	0x1000u		/* 64 KiB for each processor: segments 1000h and 2000h */
#define ROUNDS		300u

/* Shared by start.S and a caller of the BIOS; one for each processor. */
struct packet {
	uint8_t size, reserved;
	uint16_t count, off, seg;
	uint64_t lba;
} __attribute__((packed, aligned(8)));

void bios_main(void);
void unreal(void);
uint32_t read_sectors(struct packet *p);
void ap_main(void);
extern const uint8_t ap_code[], ap_code_end[];

static struct packet packets[2];
static volatile bool ap_runs, ap_done;
static volatile uint32_t wrong[2], busy[2], aborted[2], odd[2], good[2], kicks;
static uint16_t io;

static inline void outw(uint16_t port, uint16_t v) { __asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port)); }

static inline uint32_t inl(uint16_t port)
{
	uint32_t v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static uint32_t peek(uint16_t seg, uint32_t off)
{
	uint32_t v;

	__asm__ volatile("movw %1, %%fs; movl %%fs:(%2), %0" : "=r"(v) : "r"(seg), "r"(off) : "memory");
	return v;
}

static void poke(uint16_t seg, uint32_t off, uint32_t v)
{
	__asm__ volatile("movw %0, %%fs; movl %1, %%fs:(%2)" : : "r"(seg), "r"(v), "r"(off) : "memory");
}

static void store(uint32_t at, uint32_t v)
{
	unreal();
	__asm__ volatile("movl %0, (%1)" : : "r"(v), "r"(at) : "memory");
}

static bool holds(uint16_t seg, uint32_t off, uint32_t sectors, uint32_t lba)
{
	for (uint32_t i = 0; i < sectors * 128; i++)
		if (peek(seg, off + i * 4) != PATTERN + lba * 128 + i)
			return false;
	return true;
}

/* --- INT 13h --- */

/* Repeat the call while the other processor's is in progress, or if a reset has cancelled it. */
static void by_bios(unsigned int cpu, uint32_t lba)
{
	uint16_t seg = (uint16_t)(BIOS_BUFFER * (cpu + 1));
	uint32_t status;

	packets[cpu] = (struct packet){ 16, 0, 16, 0, seg, lba };
	poke(seg, 16 * 512 - 4, 0);
	status = read_sectors(&packets[cpu]);
	if (status == 0xaa)
		busy[cpu]++;
	else if (status == 0x80)
		aborted[cpu]++;
	else if (status)
		odd[cpu]++;
	else if (holds(seg, 0, 16, lba))
		good[cpu]++;
	else
		wrong[cpu]++;
}

/* --- the second processor: virtio-blk, legacy --- */

static void device_up(void)
{
	outb(io + 18, 0);
	for (uint32_t i = 0; i < 3 * 4096; i += 4)
		poke(RING_SEG, i, 0);
	outb(io + 18, 1);
	outb(io + 18, 3);
	outl(io + 4, 0);
	outw(io + 14, 0);
	outl(io + 8, RING_SEG >> 8);
	outb(io + 18, 7);
}

static void descriptor(uint32_t i, uint32_t addr, uint32_t len, uint32_t flags)
{
	poke(RING_SEG, i * 16, addr);
	poke(RING_SEG, i * 16 + 4, 0);
	poke(RING_SEG, i * 16 + 8, len);
	poke(RING_SEG, i * 16 + 12, flags | (i + 1) << 16);
}

static void by_virtio(uint32_t lba)
{
	uint32_t next = (peek(RING_SEG, AVAIL) >> 16) + 1;

	poke(REQUEST_SEG, 0, 0);
	poke(REQUEST_SEG, 4, 0);
	poke(REQUEST_SEG, 8, lba);
	poke(REQUEST_SEG, 12, 0);
	poke(REQUEST_SEG, STATUS, 0xff);
	descriptor(0, REQUEST_SEG << 4, 16, 1);
	descriptor(1, (REQUEST_SEG << 4) + DATA, BLOCKS * 512, 3);
	descriptor(2, (REQUEST_SEG << 4) + STATUS, 1, 2);
	/* All entries of the ring stay 0, the head. */
	__asm__ volatile("" : : : "memory");
	poke(RING_SEG, AVAIL, next << 16 | 1);
	outw(io + 16, 0);
	kicks++;
	while (peek(RING_SEG, USED) >> 16 != (next & 0xffff))
		__asm__ volatile("pause");
	if (peek(REQUEST_SEG, STATUS) & 0xff)
		odd[1]++;
	else if (!holds(REQUEST_SEG, DATA, BLOCKS, lba))
		wrong[1]++;
}

void ap_main(void)
{
	ap_runs = true;
	device_up();
	for (uint32_t i = 0; i < ROUNDS; i++) {
		if (i % 16 == 15)
			device_up();
		by_virtio(i * 37 % (SECTORS - BLOCKS));
		if (i % 4 == 0)
			by_bios(1, i * 53 % (SECTORS - 16));
	}
	ap_done = true;
	for (;;)
		__asm__ volatile("cli; hlt");
}

/* --- the first one --- */

static void delay(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		inb(0x80);
}

static void start_other(void)
{
	for (uint32_t i = 0; i < (uint32_t)(ap_code_end - ap_code); i++)
		*(volatile uint8_t *)(TRAMPOLINE + i) = ap_code[i];
	store(LAPIC_ICR, INIT | OTHERS);
	delay(20000);
	store(LAPIC_ICR, SIPI | OTHERS);
	for (uint32_t i = 0; i < 100000 && !ap_runs; i++)
		delay(100);
}

void bios_main(void)
{
	print("\nprobe-bios-smp: starts\n");
	outl(0xcf8, DISK | 4);
	outl(0xcfc, 7);
	outl(0xcf8, DISK | 0x10);
	io = (uint16_t)(inl(0xcfc) & ~3u);
	check_true(io != 0, "the disk has registers");
	start_other();
	check_true(ap_runs, "the second processor runs");
	for (uint32_t i = 0; ap_runs && !ap_done; i++)
		by_bios(0, i * 71 % (SECTORS - 16));
	for (unsigned int cpu = 0; cpu < 2; cpu++) {
		check(wrong[cpu], 0, "all data is right");
		check(odd[cpu], 0, "no error but busy or aborted");
		check_true(good[cpu] > 10, "reads by INT 13h");
		print("     good, busy, aborted: ");
		print_decimal(good[cpu]);
		print(" ");
		print_decimal(busy[cpu]);
		print(" ");
		print_decimal(aborted[cpu]);
		print("\n");
	}
	check(kicks, ROUNDS, "reads by virtio");
	print("probe-bios-smp: ");
	print_decimal(passed);
	print(" passed, ");
	print_decimal(failed);
	print(" failed\n");
	outl(DEBUG_EXIT, failed || !passed);
	for (;;)
		__asm__ volatile("cli; hlt");
}
