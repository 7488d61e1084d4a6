/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The files that were signed together with this program: veneer-install puts them into a section of its own, ".veneer", and the
 * signature of the program covers them, so nothing here checks a hash.  Only bytes in memory: no firmware, no disk.
 */
#include <veneer/string.h>
#include "efi/parts.h"

/* The fields that are read (PE Format, "COFF File Header", "Optional Header", "Section Table"). */
#define DOS_PE_OFFSET		0x3cu
#define PE_SECTIONS		6u
#define PE_OPTIONAL_SIZE	20u
#define PE_OPTIONAL		24u
#define SECTION_SIZE		40u
#define SECTION_VIRTUAL_SIZE	8u
#define SECTION_ADDRESS		12u
#define MAX_SECTIONS		96u

static const char section_name[8] = ".veneer";

static uint32_t get(const uint8_t *p, unsigned bytes)
{
	uint32_t v = 0;

	memcpy(&v, p, bytes);
	return v;
}

const uint8_t *archive_section(const uint8_t *image, uint64_t size, uint32_t *length)
{
	uint32_t pe, n, table;

	if (size < 0x40)
		return NULL;
	pe = get(image + DOS_PE_OFFSET, 4);
	if (pe > size || size - pe < PE_OPTIONAL || memcmp(image + pe, "PE\0", 4))
		return NULL;
	n = get(image + pe + PE_SECTIONS, 2);
	table = pe + PE_OPTIONAL + get(image + pe + PE_OPTIONAL_SIZE, 2);
	if (n > MAX_SECTIONS || table > size || size - table < n * SECTION_SIZE)
		return NULL;
	for (const uint8_t *s = image + table; n--; s += SECTION_SIZE) {
		uint32_t at = get(s + SECTION_ADDRESS, 4);

		*length = get(s + SECTION_VIRTUAL_SIZE, 4);
		if (!memcmp(s, section_name, sizeof(section_name)))
			return at <= size && *length <= size - at ? image + at : NULL;
	}
	return NULL;
}

/* The decimal number at *@at, which ends with a space; false if there is none. */
static bool number(const uint8_t **at, const uint8_t *end, uint64_t *out)
{
	const uint8_t *p = *at;

	for (*out = 0; p < end && *p >= '0' && *p <= '9' && p - *at < 12; p++)
		*out = *out * 10 + (*p - '0');
	if (p == *at || p >= end || *p != ' ')
		return false;
	*at = p + 1;
	return true;
}

const uint8_t *archive_find(const uint8_t *archive, uint32_t length, const char *name, uint64_t *size)
{
	const uint8_t *at = archive, *end = archive + length;
	size_t want = strlen(name);

	while (at < end) {
		const uint8_t *line_end = memchr(at, '\n', (size_t)(end - at));

		if (!line_end || !number(&at, line_end, size))
			return NULL;
		if (*size > (uint64_t)(end - (line_end + 1)))
			return NULL;
		if ((size_t)(line_end - at) == want && !memcmp(at, name, want))
			return line_end + 1;
		at = line_end + 1 + *size;
	}
	return NULL;
}
