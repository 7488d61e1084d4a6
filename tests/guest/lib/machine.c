/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine by the descriptions of firmware and loader: memory map, ECAM. */
#include "guest.h"

#define MB1_BOOTED		0x2badb002
#define MB1_HAS_MMAP		(1u << 6)
#define MB1_MMAP_LENGTH		44
#define MB1_MMAP_ADDRESS	48
#define MB2_TAG_MMAP		6
#define RAM_USABLE		1

#define RANGES_MAX		64
#define VENEER_SIZE_MIN		(2u << 20)
#define VENEER_SIZE_MAX		(8u << 20)
#define VENEER_LOWEST		(16u << 20)

#define MCFG_FIRST		44		/* base 8, segment 2, first and last bus */

static struct { struct range r; bool usable; } map[RANGES_MAX];
static unsigned int map_count;
static volatile uint8_t *ecam_base;
static uint8_t ecam_first, ecam_last;

static void map_add(uint64_t base, uint64_t length, uint32_t type)
{
	unsigned int at = map_count;

	if (map_count == RANGES_MAX || !length)
		return;
	for (; at && map[at - 1].r.start > base; at--)	/* sorted */
		map[at] = map[at - 1];
	map[at].r.start = base;
	map[at].r.end = base + length;
	map[at].usable = type == RAM_USABLE;
	map_count++;
}

static void map_mb1(const uint8_t *info)
{
	const uint8_t *p, *end;

	if (!(*(const uint32_t *)info & MB1_HAS_MMAP))
		return;
	p = (const uint8_t *)*(const uint32_t *)(info + MB1_MMAP_ADDRESS);
	end = p + *(const uint32_t *)(info + MB1_MMAP_LENGTH);
	for (; p < end; p += *(const uint32_t *)p + 4)	/* an entry's size does not count itself */
		map_add(*(const uint64_t *)(p + 4), *(const uint64_t *)(p + 12), *(const uint32_t *)(p + 20));
}

static void map_mb2(const uint8_t *info)
{
	const uint8_t *end = info + *(const uint32_t *)info;

	for (info += 8; info + 8 <= end && *(const uint32_t *)info; info += (*(const uint32_t *)(info + 4) + 7) & ~7u) {
		uint32_t size = *(const uint32_t *)(info + 4), entry = *(const uint32_t *)(info + 8);

		if (size < 8)
			return;
		if (*(const uint32_t *)info != MB2_TAG_MMAP || entry < 20)
			continue;
		for (uint32_t at = 16; at + entry <= size; at += entry)
			map_add(*(const uint64_t *)(info + at), *(const uint64_t *)(info + at + 8),
				*(const uint32_t *)(info + at + 16));
	}
}

bool usable_ram(unsigned int n, struct range *out)
{
	for (unsigned int i = 0; i < map_count; i++)
		if (map[i].usable && !n--) {
			*out = map[i].r;
			return true;
		}
	return false;
}

static bool veneer_sized(uint64_t start, uint64_t end)
{
	return end - start >= VENEER_SIZE_MIN && end - start <= VENEER_SIZE_MAX;
}

/* Veneer's range is missing in the map, or reserved.  In both cases it begins at the end of usable memory. */
static bool veneer_missing(struct range *out)
{
	for (unsigned int i = 0; i < map_count; i++) {
		uint64_t start = map[i].r.end, end = i + 1 < map_count ? map[i + 1].r.start : 0;

		if (!map[i].usable || start < VENEER_LOWEST || start >> 32 || !end)
			continue;
		if (end == start && !map[i + 1].usable)
			end = map[i + 1].r.end;
		if (end > start && veneer_sized(start, end)) {
			*out = (struct range){ start, end };
			return true;
		}
	}
	return false;
}

bool veneer_range(struct range *out)
{
	const char *v = boot_option("veneer");
	uint32_t start, end;

	if (!v)
		return veneer_missing(out);
	if (!take_hex(&v, &start) || *v++ != '-' || !take_hex(&v, &end) || end <= start)
		return false;
	*out = (struct range){ start, end };
	return true;
}

uint64_t hole_above_4g(void)
{
	uint64_t top = 1ull << 32;

	for (unsigned int i = 0; i < map_count; i++)
		if (map[i].r.end > top)
			top = map[i].r.end;
	return top + (16ull << 30);
}

volatile uint8_t *ecam(pci_bdf bdf, uint32_t off)
{
	if (!ecam_base || BUS(bdf) < ecam_first || BUS(bdf) > ecam_last)
		return NULL;
	return ecam_base + ((uint32_t)bdf << 12 | off);
}

uint32_t ecam_last_bus(void)
{
	return ecam_last;
}

static void find_ecam(void)
{
	const uint8_t *mcfg = acpi_table("MCFG");

	if (!mcfg || *(const uint32_t *)(mcfg + 4) < MCFG_FIRST + 16 || *(const uint32_t *)(mcfg + MCFG_FIRST + 4))
		return;
	ecam_base = (volatile uint8_t *)*(const uint32_t *)(mcfg + MCFG_FIRST);
	ecam_first = mcfg[MCFG_FIRST + 10];
	ecam_last = mcfg[MCFG_FIRST + 11];
}

void machine_init(uint32_t magic, uint32_t info)
{
	if (magic == MB1_BOOTED)
		map_mb1((const uint8_t *)info);
	else
		map_mb2((const uint8_t *)info);
	find_ecam();
	for (unsigned int i = 0; i < map_count; i++)
		note("memory %08llx-%08llx %s", map[i].r.start, map[i].r.end, map[i].usable ? "usable" : "reserved");
}
