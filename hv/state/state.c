/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The list of the parts that have state, and the format around their data (docs/state-format.md): sections, versions, checksum.
 * What a section's data mean is its part's.
 */
#include <veneer/crc32.h>
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/owner.h>
#include <veneer/string.h>
#include "hv/state/format.h"
#include "hv/state/state.h"
#include "hv/x86.h"

static struct state_part *first, **end = &first;
static uint64_t rest_tsc, delta;
static bool before_ram;

void state_add(struct state_part *part)
{
	part->next = NULL;
	*end = part;
	end = &part->next;
	segment_use(part->ops->save);
}

/* True for the first part of each owner: several twins share a controller. */
static bool has_own(const struct state_part *p)
{
	const struct state_part *q = first;

	while (q->owner != p->owner)
		q = q->next;
	return p->owner && q == p;
}

/* No other code waits for an owner while it has one, so that the order does not matter. */
void state_hold(void)
{
	for (const struct state_part *p = first; p; p = p->next)
		if (has_own(p))
			owner_acquire(p->owner);
}

void state_let_go(void)
{
	for (const struct state_part *p = first; p; p = p->next)
		if (has_own(p))
			owner_release(p->owner);
}

uint64_t state_tsc(void)
{
	return rest_tsc;
}

void state_set_delta(uint64_t cycles)
{
	delta = cycles;
}

uint64_t state_delta(void)
{
	return delta;
}

uint64_t state_age(void)
{
	return rdtsc() - rest_tsc + delta;
}

void state_rest(uint32_t us)
{
	rest_tsc = rdtsc();
	delta = 0;
	for (const struct state_part *p = first; p; p = p->next)
		p->ops->rest(p->ctx, us);
}

void state_go_on(void)
{
	for (const struct state_part *p = first; p; p = p->next)
		p->ops->go_on(p->ctx);
}

void state_scribble(void)
{
	for (const struct state_part *p = first; p; p = p->next)
		if (p->ops->scribble)
			p->ops->scribble(p->ctx);
}

static uint32_t state_crc(const struct state_header *h, uint64_t len)
{
	struct state_header head = *h;

	head.crc = 0;
	return crc32(crc32(0, &head, sizeof(head)), h + 1, len - sizeof(head));
}

/* --- save --- */

static uint64_t section_size(uint64_t data)
{
	return sizeof(struct state_section) + ALIGN_UP(data, (uint64_t)STATE_ALIGN);
}

uint64_t state_size(void)
{
	uint64_t sum = sizeof(struct state_header);

	for (const struct state_part *p = first; p; p = p->next)
		sum += section_size(p->size);
	return sum;
}

static void section_save(const struct state_part *p, struct state_section *s)
{
	uint8_t *data = (uint8_t *)(s + 1);

	memset(s, 0, section_size(p->size));
	memcpy(s->name, p->name, strnlen(p->name, sizeof(s->name) - 1));
	s->version = p->version;
	s->flags = STATE_NEEDED;
	s->length = p->size;
	p->ops->save(p->ctx, data);
}

void state_save(void *to)
{
	struct state_header *h = to;
	uint8_t *at = (uint8_t *)(h + 1);

	*h = (struct state_header){ .magic = STATE_MAGIC, .version = STATE_VERSION, .arch = STATE_X86_64 };
	for (const struct state_part *p = first; p; p = p->next) {
		section_save(p, (struct state_section *)(void *)at);
		at += section_size(p->size);
		h->sections++;
	}
	h->length = (uint64_t)(at - (uint8_t *)to);
	h->crc = state_crc(h, h->length);
}

/* --- load --- */

static int header_check(const struct state_header *h, uint64_t len)
{
	const char *why = NULL;

	if (len < sizeof(*h) || h->magic != STATE_MAGIC)
		why = "not a saved state";
	else if (h->version != STATE_VERSION || h->arch != STATE_X86_64)
		why = "of an unknown version or architecture";
	else if (h->length != len || len % STATE_ALIGN)
		why = "cut off";
	else if (h->crc != state_crc(h, len))
		why = "damaged: the checksum differs";
	if (!why)
		return 0;
	log_err("state: refused: %s", why);
	return -ERR_INVAL;
}

static const struct state_part *part_of(const struct state_section *s)
{
	const struct state_part *p = first;

	while (p && strcmp(p->name, s->name))
		p = p->next;
	return p;
}

/* NULL, or what is wrong with a section that section_at() has found. */
static const char *section_check(const struct state_section *s)
{
	const uint8_t *data = (const uint8_t *)(s + 1);
	const struct state_part *p;
	size_t name = strlen(s->name);

	if (!all_zero(s->name + name, sizeof(s->name) - name))
		return "its name is not ended by zeros";
	if ((s->flags & ~STATE_NEEDED) || s->reserved)
		return "unknown flags";
	if (!all_zero(data + s->length, section_size(s->length) - sizeof(*s) - s->length))
		return "bytes that are not in use";
	p = part_of(s);
	if (!p)
		return s->flags & STATE_NEEDED ? "this machine has no such device" : NULL;
	if (s->version != p->version)
		return "an unknown version";
	if (s->length != p->size)
		return "an impossible length";
	return p->ops->bad(p->ctx, data);
}

/* The section at @at, of @left bytes; NULL if the bytes hold none. */
static const struct state_section *section_at(const uint8_t *at, uint64_t left)
{
	const struct state_section *s = (const void *)at;

	if (left < sizeof(*s) || s->length > left - sizeof(*s) || section_size(s->length) > left ||
	    strnlen(s->name, sizeof(s->name)) == sizeof(s->name))
		return NULL;
	return s;
}

/* Look for @p's section once: each part needs exactly one. */
static const struct state_section *section_of(const struct state_part *p, const struct state_header *h)
{
	const uint8_t *at = (const uint8_t *)(h + 1);
	const struct state_section *s, *found = NULL;

	for (unsigned i = 0; i < h->sections; i++, at += section_size(s->length)) {
		s = (const void *)at;
		if (strcmp(s->name, p->name))
			continue;
		if (found)
			return NULL;
		found = s;
	}
	return found;
}

static int sections_check(const struct state_header *h)
{
	const uint8_t *at = (const uint8_t *)(h + 1), *stop = (const uint8_t *)h + h->length;

	for (unsigned i = 0; i < h->sections; i++) {
		const struct state_section *s = section_at(at, (uint64_t)(stop - at));
		const char *why = s ? section_check(s) : NULL;

		if (!s || why) {
			log_err("state: refused: section %u%s%s: %s", i, s ? ", " : "", s ? s->name : "",
				why ?: "longer than the state");
			return -ERR_INVAL;
		}
		at += section_size(s->length);
	}
	if (at != stop) {
		log_err("state: refused: bytes behind its last section");
		return -ERR_INVAL;
	}
	for (const struct state_part *p = first; p; p = p->next)
		if (!section_of(p, h)) {
			log_err("state: refused: it has no section %s, or two", p->name);
			return -ERR_INVAL;
		}
	return 0;
}

bool state_has_ram(void)
{
	return !before_ram;
}

int state_check(const void *from, uint64_t len)
{
	const struct state_header *h = from;
	int err;

	before_ram = true;
	err = header_check(h, len) ?: sections_check(h);
	before_ram = false;
	return err;
}

int state_load(const void *from, uint64_t len)
{
	const struct state_header *h = from;
	int err = header_check(h, len) ?: sections_check(h);

	for (const struct state_part *p = err ? NULL : first; p; p = p->next)
		p->ops->load(p->ctx, section_of(p, h) + 1);
	return err;
}
