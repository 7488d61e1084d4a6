/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory attributes table (UEFI 2.9, section 4.6.4), by which a system maps the firmware's runtime memory.  EDK II does not
 * know what is code in memory that holds no image of its own: the system would not execute it, or, as newer versions have all
 * of such memory read-only too, not write to the data.  Asks no firmware.
 */
#include <veneer/string.h>
#include "efi/parts.h"

#define READ_ONLY	0x20000ull
#define NO_EXECUTE	0x4000ull
#define MAX_TABLE	0x100000u

struct head {
	uint32_t version, entries, entry_size, flags;
};

struct entry {
	uint32_t type, zero;
	uint64_t phys, virt, pages, attributes;
};

struct out {
	uint8_t *at;
	uint32_t room, used, entries;
};

uint32_t attributes_size(const uint8_t *table)
{
	struct head h;

	memcpy(&h, table, sizeof(h));
	if (h.entry_size < sizeof(struct entry) || h.entry_size > 512 || h.entries > MAX_TABLE / h.entry_size)
		return 0;
	return (uint32_t)sizeof(h) + h.entries * h.entry_size;
}

uint32_t attributes_room(uint32_t size)
{
	return 4 * size;
}

enum kind {
	AS_IT_IS,
	PART_CODE,
	PART_DATA,
};

/* [@from, @to) of the entry at @entry, whose end is a newer version's. */
static bool put(struct out *o, const uint8_t *entry, uint32_t size, uint64_t from, uint64_t to, enum kind kind)
{
	struct entry e;

	if (from >= to)
		return true;
	if (size > o->room - o->used)
		return false;
	memcpy(&e, entry, sizeof(e));
	e.phys = from;
	e.pages = (to - from) >> 12;
	if (kind == PART_CODE)
		e.attributes = (e.attributes & ~NO_EXECUTE) | READ_ONLY;
	if (kind == PART_DATA)
		e.attributes = (e.attributes & ~READ_ONLY) | NO_EXECUTE;
	memcpy(o->at + o->used, entry, size);
	memcpy(o->at + o->used, &e, sizeof(e));
	o->used += size;
	o->entries++;
	return true;
}

uint32_t attributes_with_part(const uint8_t *table, uint32_t size, const struct part *part, uint8_t *to, uint32_t room)
{
	struct out o = { to, room, sizeof(struct head), 0 };
	struct head h;

	if (size < sizeof(h) || size != attributes_size(table) || room < sizeof(h))
		return 0;
	memcpy(&h, table, sizeof(h));
	for (uint32_t i = 0; i < h.entries; i++) {
		const uint8_t *entry = table + sizeof(h) + i * h.entry_size;
		uint64_t first, last;
		struct entry e;

		memcpy(&e, entry, sizeof(e));
		if (e.pages >> 52 || e.phys + (e.pages << 12) < e.phys)
			return 0;
		first = e.phys;
		last = e.phys + (e.pages << 12);
		if (!put(&o, entry, h.entry_size, first, MIN(last, part->code), AS_IT_IS) ||
		    !put(&o, entry, h.entry_size, MAX(first, part->code), MIN(last, part->code_end), PART_CODE) ||
		    !put(&o, entry, h.entry_size, MAX(first, part->code_end), MIN(last, part->end), PART_DATA) ||
		    !put(&o, entry, h.entry_size, MAX(first, part->end), last, AS_IT_IS))
			return 0;
	}
	h.entries = o.entries;
	memcpy(to, &h, sizeof(h));
	return o.used;
}

bool attributes_allow(const uint8_t *table, const struct part *part, uint8_t *to, uint32_t room)
{
	static const struct head empty = { 1, 0, sizeof(struct entry), 0 };
	uint32_t size = attributes_size(table);

	if (size && attributes_with_part(table, size, part, to, room))
		return true;
	memcpy(to, &empty, sizeof(empty));
	return false;
}
