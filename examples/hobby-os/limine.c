/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hobby OS as a kernel of the Limine boot protocol: a 64-bit program that contains the hobby OS's file.  It puts the image,
 * and page tables that map the first 4 GiB one to one, into free memory, jumps there, copies the image to its link address, and
 * leaves 64-bit mode.  The hobby OS then starts as by PVH.
 */
#include <stdint.h>

#define COMMON		0xc7b1dd30df4c8b88, 0x0a82e883a194f07b
#define REQUEST		static volatile struct request __attribute__((used, aligned(8), section(".data")))
#define USABLE		0
#define INFO		0x1000		/* offset in that memory; the trampoline is at 0 */
#define CMDLINE		0x1100
#define TABLES		0x2000
#define IMAGE		0x8000
#define ENTRIES		512
#define PAGE_FLAGS	3u		/* present, writable */
#define LARGE		0x80u
#define PT_LOAD		1

struct request { uint64_t id[4], revision; volatile uint64_t *volatile response; };
struct range { uint64_t base, length, type; };
struct elf { uint8_t ident[24]; uint32_t entry, phoff, shoff, flags; uint16_t ehsize, phentsize, phnum; };
struct segment { uint32_t type, offset, vaddr, paddr, filesz, memsz, flags, align; };

static volatile uint64_t base_revision[3] __attribute__((used, aligned(8))) = { 0xf9562b2d5c95a6c8, 0x6a7b384944536bdc, 3 };
REQUEST map = { { COMMON, 0x67cf3d9d378a806f, 0xe304acdfc50c3c62 }, 0, 0 };
REQUEST hhdm = { { COMMON, 0x48dcf1cb8ad2b852, 0x63984e959a98244b }, 0, 0 };
REQUEST cmdline = { { COMMON, 0x4b161536e598651e, 0xb390ad4a2f1f303a }, 0, 0 };
REQUEST rsdp = { { COMMON, 0xc5e77b6b397e7b43, 0x27637845accdcf3c }, 0, 0 };

extern const uint8_t hobby_file[], tramp_start[], tramp_end[];
void limine_main(void);
void go_down(uint64_t place, uint64_t to, uint64_t size, uint64_t entry, uint64_t info);

static void copy(uint8_t *to, const uint8_t *from, uint64_t n)
{
	while (n--)
		*to++ = *from++;
}

/* Find @size bytes of free memory below 4 GiB and above @above, as high as possible.  Return 0 if there is none. */
static uint64_t find_place(uint64_t size, uint64_t above)
{
	struct range **list = (struct range **)map.response[2];
	uint64_t best = 0;

	for (uint64_t i = 0; i < map.response[1]; i++) {
		uint64_t end = list[i]->base + list[i]->length, at;

		if (list[i]->type != USABLE || list[i]->base >> 32 || end < size)
			continue;
		at = ((end >> 32 ? 1ull << 32 : end) - size) & ~0xfffull;
		if (at >= list[i]->base && at >= above && at > best)
			best = at;
	}
	return best;
}

static void make_tables(uint8_t *at, uint64_t place)
{
	uint64_t *t = (uint64_t *)(at + TABLES), *now, cr3;

	__asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
	now = (uint64_t *)(at - place + (cr3 & ~0xfffull));
	t[0] = (place + TABLES + 0x1000) | PAGE_FLAGS;
	/* This code runs in that memory until it jumps away. */
	t[ENTRIES - 1] = now[ENTRIES - 1];
	for (uint64_t i = 0; i < 4; i++)
		t[ENTRIES + i] = (place + TABLES + 0x2000 + i * 0x1000) | PAGE_FLAGS;
	for (uint64_t i = 0; i < 4 * ENTRIES; i++)
		t[2 * ENTRIES + i] = i << 21 | PAGE_FLAGS | LARGE;
}

void limine_main(void)
{
	const struct elf *e = (const struct elf *)hobby_file;
	const struct segment *s = (const struct segment *)(hobby_file + e->phoff);
	uint64_t low = ~0ull, high = 0, place, size;
	const char *line;
	uint8_t *at;

	if (base_revision[2] || !map.response || !hhdm.response)
		return;
	for (unsigned i = 0; i < e->phnum; i++) {
		if (s[i].type != PT_LOAD)
			continue;
		low = s[i].paddr < low ? s[i].paddr : low;
		high = s[i].paddr + s[i].memsz > high ? s[i].paddr + s[i].memsz : high;
	}
	size = IMAGE + high - low;
	place = find_place(size, high);
	if (!place)
		return;
	at = (uint8_t *)(hhdm.response[1] + place);
	for (uint64_t i = 0; i < size; i++)
		at[i] = 0;
	copy(at, tramp_start, (uint64_t)(tramp_end - tramp_start));
	make_tables(at, place);
	for (unsigned i = 0; i < e->phnum; i++)
		if (s[i].type == PT_LOAD)
			copy(at + IMAGE + s[i].paddr - low, hobby_file + s[i].offset, s[i].filesz);
	*(uint32_t *)(at + INFO) = 0x336ec578;
	*(uint64_t *)(at + INFO + 24) = place + CMDLINE;
	*(uint64_t *)(at + INFO + 32) = rsdp.response ? rsdp.response[1] : 0;	/* physical, in revision 3 */
	line = cmdline.response ? (const char *)cmdline.response[1] : "";
	for (unsigned i = 0; line[i] && i < TABLES - CMDLINE - 1; i++)
		at[CMDLINE + i] = (uint8_t)line[i];
	go_down(place, low, high - low, e->entry, place + INFO);
}
