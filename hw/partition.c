/* SPDX-License-Identifier: BSD-2-Clause */
/* Read MBR and GPT to find a partition by number, label or UUID.  This file writes nothing and knows no file system. */
#include <veneer/crc32.h>
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/partition.h>
#include <veneer/string.h>

/* The GPT header and its entries: offsets. */
#define HDR_SIGNATURE	0
#define HDR_SIZE	12
#define HDR_CRC		16
#define HDR_MY_LBA	24
#define HDR_FIRST	40
#define HDR_LAST	48
#define HDR_ENTRIES	72
#define HDR_COUNT	80
#define HDR_ENTRY_SIZE	84
#define HDR_ENTRIES_CRC	88
#define HDR_MIN_SIZE	92u
#define ENTRY_TYPE	0
#define ENTRY_UUID	16
#define ENTRY_FIRST	32
#define ENTRY_LAST	40
#define ENTRY_NAME	56
#define ENTRY_SIZE	128u
#define LABEL_CHARS	36u
#define MAX_ENTRIES	1024u

#define MBR_DISK_ID	440
#define MBR_ENTRIES	446
#define MBR_MAGIC	510
#define MBR_PROTECTIVE	0xee
#define MAX_LOGICAL	256u		/* tables of logical partitions to follow: their chain may be a circle */

/*
 * The table is scanned twice: the first pass finds the wanted partition, the second finds others that overlap it.  A write to
 * such a partition would damage the other.
 */
struct scan {
	const struct partition_disk *d;
	const struct partition_want *want;
	uint8_t *buf;
	const char **why;
	uint64_t usable_first, usable_last, entries;
	uint32_t count, entry_size, entries_crc;
	bool sound;				/* the GPT header's checksum is right */
	bool second;				/* this is the second pass */
	unsigned hits, number;			/* first pass: matching partitions, and the last one's number, */
	uint64_t first, last, low, high;	/* blocks, and the bounds that its table sets */
	bool overlap;				/* second pass: another partition overlaps */
	bool unread, endless;			/* incomplete scan: a block cannot be read; too many tables */
};

static uint64_t le(const uint8_t *p, unsigned bytes)
{
	uint64_t v = 0;

	while (bytes--)
		v = v << 8 | p[bytes];
	return v;
}

static int fail(struct scan *s, int err, const char *why)
{
	*s->why = why;
	return err;
}

static void see(struct scan *s, unsigned number, bool wanted, uint64_t first, uint64_t last)
{
	if (s->second) {
		s->overlap |= number != s->number && first <= s->last && last >= s->first;
	} else if (wanted) {
		s->hits++;
		s->number = number;
		s->first = first;
		s->last = last;
		s->low = s->usable_first;
		s->high = s->usable_last;
	}
}

static int scan_read(struct scan *s, uint64_t lba)
{
	int err = s->d->read(s->d->ctx, lba, s->buf);

	s->unread |= err;
	return err ? fail(s, err, "its partition table cannot be read") : 0;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool same_uuid(const char *a, const char *b)
{
	for (; *a && lower(*a) == lower(*b); a++, b++)
		;
	return !*a && !*b;
}

/* --- GPT --- */

/* Read the header at @lba into @s.  True if its fields are usable, even if its checksum is wrong: GRUB checks none. */
static bool read_header(struct scan *s, uint64_t lba)
{
	uint8_t *h = s->buf;

	if (scan_read(s, lba) || memcmp(h + HDR_SIGNATURE, "EFI PART", 8))
		return false;
	uint32_t size = (uint32_t)le(h + HDR_SIZE, 4), crc = (uint32_t)le(h + HDR_CRC, 4);

	if (size < HDR_MIN_SIZE || size > s->d->block_size || le(h + HDR_MY_LBA, 8) != lba)
		return false;
	memset(h + HDR_CRC, 0, 4);
	s->sound = crc32(0, h, size) == crc;
	s->usable_first = le(h + HDR_FIRST, 8);
	s->usable_last = le(h + HDR_LAST, 8);
	s->entries = le(h + HDR_ENTRIES, 8);
	s->count = (uint32_t)le(h + HDR_COUNT, 4);
	s->entry_size = (uint32_t)le(h + HDR_ENTRY_SIZE, 4);
	s->entries_crc = (uint32_t)le(h + HDR_ENTRIES_CRC, 4);
	return s->usable_first <= s->usable_last && s->usable_last < s->d->nblocks && s->count && s->count <= MAX_ENTRIES &&
	       s->entry_size >= ENTRY_SIZE && s->entry_size <= s->d->block_size &&
	       !(s->entry_size & (s->entry_size - 1)) && s->entries >= 1 && s->entries < s->d->nblocks;
}

/* All fields of a GUID but the last two are little endian (UEFI 2.10, appendix A). */
static void uuid_text(const uint8_t *u, char *out, size_t size)
{
	fmt_string(out, size, "%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x", (unsigned)le(u, 4), (unsigned)le(u + 4, 2),
		   (unsigned)le(u + 6, 2), u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
}

static bool same_label(const uint8_t *name, const char *want)
{
	for (unsigned i = 0; i < LABEL_CHARS; i++) {
		uint64_t c = le(name + 2 * i, 2);

		if (c != (uint8_t)want[i])
			return false;
		if (!c)
			return true;
	}
	return !want[LABEL_CHARS];
}

static bool wanted(const struct partition_want *w, const uint8_t *entry, uint32_t number)
{
	char uuid[40];

	switch (w->by) {
	case PARTITION_NUMBER:
		return w->number == number;
	case PARTITION_UUID:
		uuid_text(entry + ENTRY_UUID, uuid, sizeof(uuid));
		return same_uuid(uuid, w->name);
	case PARTITION_LABEL:
		return same_label(entry + ENTRY_NAME, w->name);
	}
	return false;
}

static void look_at_entry(struct scan *s, const uint8_t *entry, uint32_t number)
{
	if (!all_zero(entry + ENTRY_TYPE, 16))
		see(s, number, wanted(s->want, entry, number), le(entry + ENTRY_FIRST, 8), le(entry + ENTRY_LAST, 8));
}

/* Scan all entries.  True if their checksum is the one that the header names. */
static bool read_entries(struct scan *s)
{
	uint32_t per_block = s->d->block_size / s->entry_size, crc = 0;

	for (uint32_t i = 0; i < s->count; i++) {
		uint64_t block = s->entries + i / per_block;

		if (i % per_block == 0 && (block >= s->d->nblocks || scan_read(s, block)))
			return false;
		const uint8_t *entry = s->buf + (size_t)(i % per_block) * s->entry_size;

		crc = crc32(crc, entry, s->entry_size);
		look_at_entry(s, entry, i + 1);
	}
	return crc == s->entries_crc;
}

static int check_hit(struct scan *s, struct partition *out)
{
	if (!s->hits)
		return fail(s, -ERR_NODEV, "there is no such partition");
	if (s->hits > 1)
		return fail(s, -ERR_INVAL, "more than one partition has this name");
	if (s->first < s->low || s->last > s->high || s->first > s->last)
		return fail(s, -ERR_INVAL, "the partition's bounds are not inside the disk's usable blocks, or its extended "
					   "partition");
	if (s->overlap)
		return fail(s, -ERR_INVAL, "another partition overlaps it");
	out->first = s->first;
	out->nblocks = s->last - s->first + 1;
	return 0;
}

static int find_gpt(struct scan *s, struct partition *out)
{
	uint64_t at[] = { 1, s->d->nblocks - 1 };
	unsigned hits = 0;

	for (unsigned i = 0; i < 2; i++) {
		s->hits = 0;
		if (read_header(s, at[i]) && read_entries(s) && s->sound) {
			s->second = true;
			if (!read_entries(s))
				return fail(s, -ERR_IO, "its partition table cannot be read twice with the same result");
			*s->why = i ? "its GPT is damaged, the backup at its end was used" : "";
			return check_hit(s, out);
		}
		hits += s->hits;
	}
	return fail(s, hits ? -ERR_INVAL : -ERR_IO, "its GPT is damaged, the backup at its end as well");
}

/* --- MBR --- */

static bool has_magic(const uint8_t *b)
{
	return b[MBR_MAGIC] == 0x55 && b[MBR_MAGIC + 1] == 0xaa;
}

/*
 * True for a partition table, false for the boot sector of a file system: in a table the first byte of each entry is 80h
 * (active) or 0.
 */
static bool is_mbr(const uint8_t *b)
{
	for (unsigned i = 0; i < 4; i++)
		if (b[MBR_ENTRIES + 16 * i] & 0x7f)
			return false;
	return has_magic(b);
}

static bool is_protective(const uint8_t *b)
{
	for (unsigned i = 0; i < 4; i++)
		if (b[MBR_ENTRIES + 16 * i + 4] == MBR_PROTECTIVE)
			return true;
	return false;
}

static bool wanted_mbr(const struct partition_want *w, uint32_t disk_id, unsigned number)
{
	char uuid[16];

	fmt_string(uuid, sizeof(uuid), "%08x-%02x", disk_id, number);
	return w->by == PARTITION_NUMBER ? w->number == number : w->by == PARTITION_UUID && same_uuid(uuid, w->name);
}

static bool is_extended(uint8_t type)
{
	return type == 0x05 || type == 0x0f || type == 0x85;
}

/*
 * Scan the logical partitions, numbered from *@number on: a chain of tables in the extended partition at @base.  A partition's
 * start is relative to its table, the next table's address to @base.  Skip the entries that Linux skips, so that the numbers
 * agree: the third and fourth entry, which may be random bytes, count only if they lie inside the bounds.
 */
static int read_logical(struct scan *s, uint32_t disk_id, uint64_t base, uint64_t size, unsigned *number)
{
	const uint8_t *b = s->buf;
	uint64_t next = base, room = size;

	s->usable_first = base + 1;
	s->usable_last = base + size - 1;
	for (unsigned hops = 0; next && hops < MAX_LOGICAL; hops++) {
		uint64_t at = next, next_room = 0;
		int err = scan_read(s, at);

		if (err)
			return err;
		if (!has_magic(b))
			return fail(s, -ERR_IO, "a table of its logical partitions is damaged");
		next = 0;
		for (unsigned i = 0; i < 4; i++) {
			const uint8_t *entry = b + MBR_ENTRIES + 16 * i;
			uint64_t first = le(entry + 8, 4), n = le(entry + 12, 4);

			if (n && is_extended(entry[4]) && !next) {
				next = base + first;
				next_room = n;
			}
			if (!n || is_extended(entry[4]) || (i >= 2 && (first + n > room || at + first + n > base + size)))
				continue;
			see(s, *number, wanted_mbr(s->want, disk_id, *number), at + first, at + first + n - 1);
			(*number)++;
		}
		room = next_room;
		if (next && (next <= base || next - base >= size))
			return fail(s, -ERR_IO, "a table of its logical partitions leads out of the extended partition");
	}
	s->endless |= next;
	return 0;
}

static bool is_primary(const struct partition_want *w)
{
	return w->by == PARTITION_NUMBER && w->number < 5;
}

/* Scan all partitions of an MBR once: the four primary ones, and the logical ones, numbered from 5 on. */
static int read_mbr(struct scan *s)
{
	uint8_t primary[64];
	uint32_t disk_id = (uint32_t)le(s->buf + MBR_DISK_ID, 4);
	unsigned logical = 5;

	memcpy(primary, s->buf + MBR_ENTRIES, sizeof(primary));
	for (unsigned i = 0; i < 4; i++) {
		const uint8_t *entry = primary + 16 * i;
		uint64_t first = le(entry + 8, 4), n = le(entry + 12, 4);

		if (!n)
			continue;
		s->usable_first = 1;
		s->usable_last = s->d->nblocks - 1;
		if (!is_extended(entry[4])) {
			see(s, i + 1, wanted_mbr(s->want, disk_id, i + 1), first, first + n - 1);
			continue;
		}
		if (!s->second && wanted_mbr(s->want, disk_id, i + 1))
			return fail(s, -ERR_INVAL, "that is an extended partition: give the number of a logical one");
		if (!first || first >= s->d->nblocks || (!s->second && (s->hits || is_primary(s->want))))
			continue;
		int err = read_logical(s, disk_id, first, MIN(n, s->d->nblocks - first), &logical);

		if (err && !s->hits)
			return err;
		if (s->number < 5)
			see(s, i + 1, false, first, first + n - 1);
	}
	return 0;
}

static int find_mbr(struct scan *s, struct partition *out)
{
	int err;

	if (s->want->by == PARTITION_LABEL)
		return check_hit(s, out);
	err = read_mbr(s);
	if (err)
		return err;
	s->second = true;
	err = scan_read(s, 0);
	if (err)
		return err;
	/*
	 * Ignore damaged tables: Linux finds no partitions there, either.  But a table that was not read may hold a partition
	 * that overlaps a logical one.  The primary partitions were compared with the whole extended partition.
	 */
	read_mbr(s);
	if (s->number >= 5 && s->unread)
		return fail(s, -ERR_IO, "a table of its logical partitions cannot be read");
	if (s->number >= 5 && s->endless && !s->overlap)
		return fail(s, -ERR_INVAL, "it has more than 256 logical partitions, or the chain of their tables is a circle");
	*s->why = "";
	return check_hit(s, out);
}

int partition_find(const struct partition_disk *d, const struct partition_want *want, void *buf, struct partition *out,
		   const char **why)
{
	struct scan s = { .d = d, .want = want, .buf = buf, .why = why };
	int err;

	*why = "";
	if (d->nblocks < 3 || d->block_size < 512)
		return fail(&s, -ERR_NODEV, "it is too small for a partition table");
	err = scan_read(&s, 0);
	if (err)
		return err;
	/* Like Linux, accept a GPT only behind a protective MBR: an earlier use of the disk may have left a GPT at its end. */
	if (!is_mbr(buf))
		return fail(&s, -ERR_NODEV, "it has no partition table");
	return is_protective(buf) ? find_gpt(&s, out) : find_mbr(&s, out);
}
