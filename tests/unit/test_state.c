/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/state/state.c hv/lib/crc32.c */
/* The format of a saved state: sections, versions, checksum; what is damaged, foreign or missing is refused with a line. */
#include <string.h>
#include <veneer/err.h>
#include <veneer/owner.h>
#include "host/host.h"
#include "hv/state/format.h"
#include "hv/state/state.h"

/* Two parts of plain bytes; 0xff as the first byte is bad. */
struct fake {
	struct state_part part;
	uint8_t data[40];
	unsigned rests, loads, goes;
};

static struct owner one, two;
static bool hold;		/* each call is to come with its part's owner held */

static bool is_held(const struct owner *o) { return o->lock.next != o->lock.serving; }

static struct fake *owned(void *ctx)
{
	struct fake *f = ctx;

	CHECK(!hold || !f->part.owner || is_held(f->part.owner));
	return f;
}

static void rest(void *ctx, uint32_t us) { owned(ctx)->rests += us; }
static void go_on(void *ctx) { owned(ctx)->goes++; }
static void save(void *ctx, void *to) { struct fake *f = owned(ctx); memcpy(to, f->data, f->part.size); }

static const char *bad(void *ctx, const void *from)
{
	(void)owned(ctx);
	return *(const uint8_t *)from == 0xff ? "it begins with ff" : NULL;
}

static void load(void *ctx, const void *from)
{
	struct fake *f = owned(ctx);

	memcpy(f->data, from, f->part.size);
	f->loads++;
}

static const struct state_ops ops = { .rest = rest, .save = save, .bad = bad, .load = load, .go_on = go_on };

#define PART(n, v, s) { .name = n, .version = v, .size = s, .ops = &ops }

static struct fake a = { .part = PART("a0", 1, 40) }, b = { .part = PART("b1", 7, 9) };
static uint64_t size;
static uint8_t image[512] __attribute__((aligned(16))), other[512] __attribute__((aligned(16)));

static void begin(void)
{
	static bool added;

	if (!added) {
		a.part.ctx = &a;
		b.part.ctx = &b;
		state_add(&a.part);
		state_add(&b.part);
		added = true;
	}
	a.rests = a.loads = a.goes = b.loads = 0;
	for (unsigned i = 0; i < 40; i++)
		a.data[i] = b.data[i] = (uint8_t)(i + 1);
	size = state_size();
	CHECK(size <= sizeof(image));
	memset(image, 0xee, sizeof(image));
	state_save(image);
	CHECK_EQ(image[size], 0xee);
}

static struct state_header *header(void) { return (struct state_header *)(void *)other; }
static struct state_section *section(void) { return (struct state_section *)(void *)(other + sizeof(struct state_header)); }

/* A checksum that fits, made bit by bit. */
static void seal(uint64_t len)
{
	uint32_t crc = ~0u;

	header()->length = len;
	header()->crc = 0;
	for (uint64_t i = 0; i < len; i++) {
		crc ^= other[i];
		for (unsigned k = 0; k < 8; k++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	header()->crc = ~crc;
}

static void refused(uint64_t len, const char *why)
{
	host_log_clear();
	CHECK_EQ(state_load(other, len), -ERR_INVAL);
	if (!host_log_has(why))
		host_fail(__FILE__, __LINE__, "no line has \"%s\"", why);
	CHECK(!a.loads && !b.loads);
}

TEST(saved_and_loaded)
{
	begin();
	memset(a.data, 0, sizeof(a.data));
	memset(b.data, 0, sizeof(b.data));
	CHECK_EQ(state_load(image, size), 0);
	CHECK(a.data[39] == 40 && b.data[8] == 9);
	state_save(other);
	CHECK(!memcmp(image, other, size));
	state_rest(5);
	state_go_on();
	CHECK(a.rests == 5 && a.goes == 1);
}

TEST(every_bit_is_covered)
{
	begin();
	for (unsigned i = 0; i < 8 * size; i++) {
		memcpy(other, image, size);
		other[i / 8] ^= (uint8_t)BIT(i % 8);
		refused(size, "state: refused: ");
	}
	for (unsigned n = 0; n < size; n++) {
		memcpy(other, image, n);
		refused(n, "state: refused: ");
	}
}

#define WITH(change, why) do { memcpy(other, image, size); change; seal(size); refused(size, why); } while (0)

TEST(a_good_checksum_does_not_help)
{
	begin();
	WITH(header()->version++, "unknown version or architecture");
	WITH(header()->arch++, "unknown version or architecture");
	WITH(header()->sections = 3, "longer than the state");
	WITH(header()->sections = 1, "behind its last section");
	WITH(section()->version = 2, "section 0, a0: an unknown version");
	WITH(section()->length = 41, "an impossible length");
	WITH(section()->length = ~0ull, "longer than the state");
	WITH(section()->length = ~0ull - 40, "longer than the state");
	WITH(section()->flags |= 2, "unknown flags");
	WITH(section()->reserved = 1, "unknown flags");
	WITH(section()->name[5] = 'x', "not ended by zeros");
	WITH(memset(section()->name, 'x', 16), "longer than the state");
	WITH(section()->name[0] = 'z', "section 0, z0: this machine has no such device");
	WITH(memcpy(section()->name, "b1", 2); section()->version = 7; section()->length = 9, "b1: bytes that are not in use");
	WITH(*(uint8_t *)(section() + 1) = 0xff, "section 0, a0: it begins with ff");
	WITH(((uint8_t *)(section() + 1))[40] = 1, "not in use");
	CHECK_EQ(state_load(image, size), 0);
}

TEST(a_section_that_does_not_matter_is_skipped_and_one_of_ours_is_required)
{
	struct state_section *s;

	begin();
	memcpy(other, image, size);
	s = (struct state_section *)(void *)(other + size);
	memset(s, 0, sizeof(*s) + 16);
	memcpy(s->name, "note", 4);
	s->length = 3;
	header()->sections++;
	seal(size + sizeof(*s) + 16);
	CHECK_EQ(state_load(other, size + sizeof(*s) + 16), 0);
	CHECK(a.loads == 1 && b.loads == 1);
	a.loads = b.loads = 0;
	s->flags = STATE_NEEDED;
	seal(size + sizeof(*s) + 16);
	refused(size + sizeof(*s) + 16, "note: this machine has no such device");
	/* The same name twice, and none. */
	memset(s, 0, sizeof(*s) + 16);
	memcpy(s->name, "b1", 2);
	s->version = 7;
	s->length = 9;
	seal(size + sizeof(*s) + 16);
	refused(size + sizeof(*s) + 16, "no section b1, or two");
	memcpy(other, image, size);
	memcpy(section()->name, "c9", 2);
	section()->flags = 0;
	seal(size);
	refused(size, "no section a0, or two");
}

static unsigned runs;
static void run(void *ctx, uint32_t bits) { runs++; }

/* Two twins of one controller, another controller, and a part that has none. */
TEST(all_owners_are_held_from_rest_to_go_on)
{
	static struct fake c = { .part = PART("c2", 1, 8) }, d = { .part = PART("d3", 1, 8) };
	static struct owner_work work = { .run = run };

	begin();
	c.part.ctx = &c;
	d.part.ctx = &d;
	state_add(&c.part);
	state_add(&d.part);
	owner_add(&one, &work);
	a.part.owner = c.part.owner = &one;
	b.part.owner = &two;
	size = state_size();
	CHECK(size <= sizeof(image));
	hold = true;
	state_hold();
	state_rest(5);
	state_save(image);
	/* Another processor's kick. */
	CHECK(!owner_post(&one, &work, 1));
	CHECK_EQ(state_load(image, size), 0);
	state_go_on();
	CHECK(!runs && is_held(&one) && is_held(&two));
	state_let_go();
	hold = false;
	CHECK(runs == 1 && !is_held(&one) && !is_held(&two));
	CHECK(c.rests == 5 && c.loads == 1 && c.goes == 1 && d.goes == 1);
}

TEST_MAIN
