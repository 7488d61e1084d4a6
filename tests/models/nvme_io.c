// SPDX-License-Identifier: BSD-2-Clause
/* The NVMe model: data transfers by PRP lists, and the NVM command set (NVM Express 1.4, 4.3 and 6). */
#include <string.h>
#include "nvme.h"

#define LIST_ENTRIES	(NVME_PAGE / 8)

struct walk {
	struct nvme *n;
	const struct nvme_command *c;
	uint64_t list;			/* the entry after the current one; 0: PRP entry 2 is data */
	uint64_t page;
	size_t left;
};

static bool read_entry(struct walk *w, uint64_t at, uint64_t *to)
{
	const void *p = w->n->m.host.dma(w->n->m.host.ctx, at, 8, false);

	if (p)
		memcpy(to, p, 8);
	return p;
}

/*
 * Go to the next page, by PRP entry 2 or the list.  The last entry of a full page of the list points to the list's next page.
 */
static unsigned next_page(struct walk *w)
{
	uint64_t entry;

	if (!w->list) {
		w->page = w->c->prp[1];
	} else {
		if (!read_entry(w, w->list, &entry))
			return NVME_TRANSFER;
		if ((w->list & (NVME_PAGE - 1)) == NVME_PAGE - 8 && w->left > NVME_PAGE) {
			if (entry & (NVME_PAGE - 1))
				nvme_broken(w->n, "a PRP list goes on at %llx, no page", (unsigned long long)entry);
			w->list = entry;
			if (!read_entry(w, w->list, &entry))
				return NVME_TRANSFER;
		}
		w->list += 8;
		w->page = entry;
	}
	if (w->page & (NVME_PAGE - 1))
		nvme_broken(w->n, "command %02x: a PRP entry %llx with an offset", w->c->opcode, (unsigned long long)w->page);
	return NVME_OK;
}

unsigned nvme_transfer(struct nvme *n, const struct nvme_command *c, void *buf, size_t len, bool to_host)
{
	size_t part = NVME_PAGE - (c->prp[0] & (NVME_PAGE - 1));
	struct walk w = { .n = n, .c = c, .page = c->prp[0], .left = len };
	uint8_t *at = buf;

	if (c->prp[0] & 3)
		nvme_broken(n, "command %02x: PRP entry 1 is %llx", c->opcode, (unsigned long long)c->prp[0]);
	if (len > part + NVME_PAGE) {
		w.list = c->prp[1];
		if (w.list & 7)
			nvme_broken(n, "command %02x: the PRP list is at %llx", c->opcode, (unsigned long long)w.list);
	}
	for (bool first = true; w.left; first = false) {
		unsigned status = first ? NVME_OK : next_page(&w);
		size_t now = first ? part : NVME_PAGE;
		void *p;

		if (status)
			return status;
		now = now < w.left ? now : w.left;
		p = n->m.host.dma(n->m.host.ctx, w.page, now, to_host);
		if (!p)
			return NVME_TRANSFER;
		if (to_host)
			memcpy(p, at, now);
		else
			memcpy(at, p, now);
		at += now;
		w.left -= now;
	}
	return NVME_OK;
}

/* Find the blocks of a command.  False if some are beyond the namespace, which is a driver's fault. */
static bool named_blocks(struct nvme *n, const struct nvme_command *c, const struct nvme_space *s, uint64_t *first,
			 uint64_t *count)
{
	*first = c->dw[0] | (uint64_t)c->dw[1] << 32;
	*count = (c->dw[2] & 0xffff) + 1;
	if (*first < s->blocks && *count <= s->blocks - *first)
		return true;
	nvme_broken(n, "command %02x: blocks %llu to %llu of %llu", c->opcode, (unsigned long long)*first,
		    (unsigned long long)(*first + *count), (unsigned long long)s->blocks);
	return false;
}

static unsigned move_blocks(struct nvme *n, const struct nvme_command *c, struct nvme_space *s, bool to_host)
{
	uint64_t first, count;

	if (!named_blocks(n, c, s, &first, &count))
		return NVME_RANGE;
	if (n->mdts && (count << s->shift) > (uint64_t)NVME_PAGE << n->mdts) {
		nvme_broken(n, "command %02x: %llu blocks are more than MDTS allows", c->opcode, (unsigned long long)count);
		return NVME_FIELD;
	}
	return nvme_transfer(n, c, s->data + (first << s->shift), count << s->shift, to_host);
}

static unsigned write_zeroes(struct nvme *n, const struct nvme_command *c, struct nvme_space *s)
{
	uint64_t first, count;

	if (!named_blocks(n, c, s, &first, &count))
		return NVME_RANGE;
	memset(s->data + (first << s->shift), 0, count << s->shift);
	return NVME_OK;
}

/* Dataset Management: check the ranges.  Deallocated blocks read as zeros. */
static unsigned dataset(struct nvme *n, const struct nvme_command *c, struct nvme_space *s)
{
	struct { uint32_t attributes, count; uint64_t first; } range[256];
	unsigned ranges = (c->dw[0] & 0xff) + 1, status = nvme_transfer(n, c, range, ranges * sizeof(range[0]), false);

	for (unsigned i = 0; !status && i < ranges; i++) {
		if (range[i].first > s->blocks || range[i].count > s->blocks - range[i].first)
			return NVME_RANGE;
		if (c->dw[1] & 4)
			memset(s->data + (range[i].first << s->shift), 0, (uint64_t)range[i].count << s->shift);
	}
	return status;
}

unsigned nvme_io(struct nvme *n, unsigned sq, const struct nvme_command *c)
{
	struct nvme_space *s = nvme_find_space(n, c->nsid);

	if (model_planned(&n->hold) && nvme_hold(n, sq, c->id, false))
		return NVME_LATER;
	if (model_planned(&n->fail))
		return NVME_UNRECOVERED;
	if (!s && !(c->opcode == 0x00 && c->nsid == ~0u))
		return NVME_NAMESPACE;
	if (s && s->kind != NVME_NVM)
		nvme_broken(n, "command %02x for namespace %u, which is %s", c->opcode, c->nsid,
			    s->kind == NVME_ZONED ? "zoned" : "one with metadata");
	switch (c->opcode) {
	case 0x00: return NVME_OK;
	case 0x01: return move_blocks(n, c, s, false);
	case 0x02: return move_blocks(n, c, s, true);
	case 0x08: return write_zeroes(n, c, s);
	case 0x09: return dataset(n, c, s);
	}
	nvme_broken(n, "I/O command %02x, which Identify does not offer", c->opcode);
	return NVME_OPCODE;
}
