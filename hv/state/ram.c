/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's RAM to and from a store (contract in ram.h), page by page in ascending order.  Nobody else may use the RAM
 * meanwhile.
 */
#include <veneer/err.h>
#include <veneer/gmem.h>
#include <veneer/string.h>
#include "hv/mem/paging.h"
#include "hv/mem/ram.h"
#include "hv/smp/gather.h"
#include "hv/state/ram.h"

/* A walk over all pages; all zero is its beginning. */
struct walk {
	struct gmem_range r;
	unsigned next;			/* range */
	uint64_t gpa;
	uint32_t bytes;			/* at gpa; 0: before the first page */
};

static bool walk_on(struct walk *w)
{
	bool first = !w->bytes && !w->next;

	w->gpa += w->bytes;
	if (first) {
		w->bytes = PAGE_SIZE;
		return true;
	}
	while (w->gpa == w->r.base + w->r.size || !w->next) {
		if (!gmem_range(w->next++, &w->r))
			return false;
		w->gpa = w->r.base;
	}
	w->bytes = (uint32_t)MIN(PAGE_SIZE - w->gpa % PAGE_SIZE, w->r.base + w->r.size - w->gpa);
	return true;
}

/* Page 0 is not in Veneer's tables at its own address. */
static uint8_t *page_at(const struct walk *w)
{
	return w->gpa ? (uint8_t *)(uintptr_t)w->gpa : paging_first_page();
}

static bool is_zero(const uint8_t *p, uint32_t n)
{
	uint64_t v;

	while (n >= sizeof(v)) {
		memcpy(&v, p, sizeof(v));
		if (v)
			return false;
		p += sizeof(v);
		n -= sizeof(v);
	}
	return all_zero(p, n);
}

static int page_save(struct store *s, struct ram_scratch *w, const struct walk *at)
{
	const uint8_t *from = page_at(at), *out = w->packed;
	unsigned stored = lz4_compress(w->table, from, at->bytes, w->packed, at->bytes - 1);
	struct ram_page p = { .gpa = at->gpa, .bytes = (uint16_t)at->bytes };

	if (!stored) {
		stored = at->bytes;
		out = from;
	}
	p.stored = (uint16_t)stored;
	return store_put(s, &p, sizeof(p)) ?: store_put(s, out, stored);
}

int ram_save(struct store *s, struct ram_scratch *w, uint64_t *pages)
{
	const struct ram_page end = { .gpa = RAM_END };
	struct walk at = { 0 };
	int err = 0;

	*pages = 0;
	while (!err && walk_on(&at)) {
		state_breathe();
		if (is_zero(page_at(&at), at.bytes))
			continue;
		err = page_save(s, w, &at);
		++*pages;
	}
	return err ?: store_put(s, &end, sizeof(end));
}

/* Read a page behind its header @p to @to. */
static int page_load(struct store *s, struct ram_scratch *w, const struct ram_page *p, uint8_t *to)
{
	int err;

	if (!p->stored || p->stored > p->bytes || p->zero)
		return -ERR_INVAL;
	if (p->stored == p->bytes)
		return store_get(s, to, p->stored);
	err = store_get(s, w->packed, p->stored);
	if (err)
		return err;
	return lz4_expand(w->packed, p->stored, to, p->bytes) ? 0 : -ERR_INVAL;
}

int ram_load(struct store *s, struct ram_scratch *w, bool load)
{
	struct walk at = { 0 };
	struct ram_page p;
	int err = store_get(s, &p, sizeof(p));

	while (!err && walk_on(&at)) {
		uint8_t *to = load ? page_at(&at) : w->page;

		if (p.gpa != at.gpa) {
			if (load && !is_zero(to, at.bytes))
				memset(to, 0, at.bytes);
			continue;
		}
		if (p.bytes != at.bytes)
			return -ERR_INVAL;
		err = page_load(s, w, &p, to) ?: store_get(s, &p, sizeof(p));
	}
	if (!err && (p.gpa != RAM_END || p.bytes || p.stored || p.zero))
		err = -ERR_INVAL;
	return err;
}
