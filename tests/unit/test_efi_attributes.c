/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: efi/attributes.c */
/* The memory attributes table with the code and the data of a program that came later. */
#include <string.h>
#include "host/host.h"
#include "efi/parts.h"

#define DATA	0x8000000000004000ull		/* runtime, not executable */
#define CODE	0x8000000000020000ull		/* runtime, read-only */
#define CLOSED	0x8000000000024000ull		/* both: what newer EDK II says of memory without an image */
#define OPEN	0x8000000000000000ull

struct entry { uint32_t type, zero; uint64_t phys, virt, pages, attributes, more; };
static struct table { uint32_t version, n, size, flags; struct entry e[16]; } in, out;
static uint32_t size;

static void entry(uint64_t phys, uint64_t pages, uint64_t attributes)
{
	in.e[in.n++] = (struct entry){ 5, 0, phys, 0, pages, attributes, 77 };
	size = 16 + in.n * (uint32_t)sizeof(in.e[0]);
}

static void setup(void)
{
	in = (struct table){ .version = 2, .size = sizeof(in.e[0]), .flags = 9 };
	memset(&out, 0xee, sizeof(out));
	entry(0x1000, 1, CODE);
	entry(0x10000, 16, DATA);
	entry(0x40000, 1, DATA);
}

static uint32_t with_part(uint64_t code, uint64_t code_end, uint64_t end)
{
	const struct part part = { code, code_end, end };

	return attributes_with_part((const uint8_t *)&in, size, &part, (uint8_t *)&out, sizeof(out));
}

static uint32_t with_code(uint64_t code, uint64_t end)
{
	return with_part(code, end, end);
}

static bool is(unsigned i, uint64_t phys, uint64_t pages, uint64_t attributes)
{
	return out.e[i].type == 5 && out.e[i].phys == phys && out.e[i].pages == pages && out.e[i].attributes == attributes &&
	       out.e[i].more == 77;
}

TEST(in_the_middle_of_an_entry)
{
	setup();
	CHECK_EQ(with_code(0x12000, 0x13000), 16 + 5 * sizeof(in.e[0]));
	CHECK(out.version == 2 && out.n == 5 && out.size == sizeof(in.e[0]) && out.flags == 9);
	CHECK(is(0, 0x1000, 1, CODE) && is(1, 0x10000, 2, DATA) && is(2, 0x12000, 1, CODE) && is(3, 0x13000, 13, DATA));
	CHECK(is(4, 0x40000, 1, DATA));
}

TEST(the_data_can_be_written)
{
	static const uint64_t firmwares[] = { CLOSED, CODE, DATA, OPEN };

	for (unsigned i = 0; i < ARRAY_SIZE(firmwares); i++) {
		setup();
		in.e[1].attributes = firmwares[i];
		CHECK_EQ(with_part(0x12000, 0x13000, 0x15000), 16 + 6 * sizeof(in.e[0]));
		CHECK(out.n == 6 && is(0, 0x1000, 1, CODE) && is(1, 0x10000, 2, firmwares[i]) && is(2, 0x12000, 1, CODE) &&
		      is(3, 0x13000, 2, DATA) && is(4, 0x15000, 11, firmwares[i]) && is(5, 0x40000, 1, DATA));
	}
	/* An entry of its own. */
	setup();
	in.e[1].attributes = CLOSED;
	with_part(0x10000, 0x1f000, 0x20000);
	CHECK(out.n == 4 && is(1, 0x10000, 15, CODE) && is(2, 0x1f000, 1, DATA) && is(3, 0x40000, 1, DATA));
}

TEST(at_the_edges)
{
	setup();
	with_code(0x10000, 0x20000);
	CHECK(out.n == 3 && is(1, 0x10000, 16, CODE));
	setup();
	with_code(0x10000, 0x11000);
	CHECK(out.n == 4 && is(1, 0x10000, 1, CODE) && is(2, 0x11000, 15, DATA));
	/* Over the ends of two entries. */
	setup();
	entry(0x20000, 4, DATA);
	with_code(0x1f000, 0x21000);
	CHECK(out.n == 6 && is(1, 0x10000, 15, DATA) && is(2, 0x1f000, 1, CODE) && is(4, 0x20000, 1, CODE) &&
	      is(5, 0x21000, 3, DATA));
	/* In no entry: as it was. */
	setup();
	CHECK_EQ(with_code(0x2000, 0x4000), size);
	CHECK(!memcmp(&in, &out, size));
}

TEST(damaged_tables_and_little_room)
{
	const struct part part = { 0x12000, 0x13000, 0x14000 };

	setup();
	for (uint32_t room = 0; room < 16 + 6 * sizeof(in.e[0]); room++)
		CHECK(!attributes_with_part((const uint8_t *)&in, size, &part, (uint8_t *)&out, room));
	/* One entry becomes four. */
	CHECK(attributes_room(16 + sizeof(in.e[0])) >= 16 + 4 * sizeof(in.e[0]));
	CHECK(!attributes_with_part((const uint8_t *)&in, size - 1, &part, (uint8_t *)&out, sizeof(out)));
	CHECK(!attributes_with_part((const uint8_t *)&in, 8, &part, (uint8_t *)&out, sizeof(out)));
	in.e[1].pages = 1ull << 52;
	CHECK(!with_code(0x12000, 0x13000));
	in.e[1].pages = 1ull << 51;
	in.e[1].phys = ~0xfffull;
	CHECK(!with_code(0x12000, 0x13000));
	setup();
	in.size = 39;
	CHECK(!attributes_size((const uint8_t *)&in) && !with_code(0x12000, 0x13000));
	in.size = 513;
	CHECK(!attributes_size((const uint8_t *)&in));
	in.size = 48;
	in.n = ~0u;
	CHECK(!attributes_size((const uint8_t *)&in));
	setup();
	in.n = 0;
	size = 16;
	CHECK_EQ(with_code(0x12000, 0x13000), 16);
}

TEST_MAIN
