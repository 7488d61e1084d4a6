// SPDX-License-Identifier: BSD-2-Clause
/* The NVMe model: Identify, queues, features, logs, Abort and asynchronous events (NVM Express 1.4, 5). */
#include <stdio.h>
#include <string.h>
#include "nvme.h"

#define EVENT_TYPES	8u

static void put(uint8_t *to, size_t at, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		to[at + i] = (uint8_t)(value >> (8 * i));
}

/* Identify's texts have no terminator, and are padded with blanks. */
static void put_text(uint8_t *to, size_t at, size_t len, const char *text)
{
	memset(to + at, ' ', len);
	memcpy(to + at, text, strnlen(text, len));
}

struct nvme_space *nvme_find_space(struct nvme *n, uint32_t nsid)
{
	return nsid && nsid <= NVME_SPACES && n->space[nsid - 1].data ? &n->space[nsid - 1] : NULL;
}

/* --- Identify --- */

static void identify_controller(struct nvme *n, uint8_t *d)
{
	put(d, 0, n->m.pci.vendor, 2);
	put(d, 2, n->m.pci.subsys_vendor, 2);
	put_text(d, 4, 20, n->serial);
	put_text(d, 24, 40, "Model of an NVMe controller");
	put_text(d, 64, 8, "1");
	put(d, 77, n->mdts, 1);
	put(d, 78, 1, 2);			/* CNTLID */
	put(d, 80, 0x10400, 4);
	put(d, 92, 0x100, 4);			/* OAES: namespace attributes */
	put(d, 258, 3, 1);			/* ACL: 4 */
	put(d, 259, NVME_AER_LIMIT - 1, 1);
	put(d, 260, 3, 1);			/* one firmware slot, read-only */
	put(d, 261, 0, 1);
	put(d, 266, 343, 2);
	put(d, 268, 353, 2);
	put(d, 512, n->entry | n->entry << 4, 1);
	put(d, 513, 0x44, 1);
	put(d, 516, NVME_SPACES, 4);
	put(d, 520, 0x0c, 2);			/* Write Zeroes, Dataset Management */
	put(d, 525, n->write_cache ? 1 : 0, 1);
	snprintf((char *)d + 768, 256, "nqn.2026-01.invalid.model:%s", n->serial);
}

static void identify_space(const struct nvme_space *s, uint8_t *d)
{
	put(d, 0, s->blocks, 8);
	put(d, 8, s->blocks, 8);
	put(d, 16, s->blocks, 8);
	put(d, 27, s->kind == NVME_META ? 2 : 0, 1);	/* MC: in a buffer of its own */
	put(d, 128, (s->kind == NVME_META ? 8u : 0) | s->shift << 16, 4);
}

static void list_spaces(struct nvme *n, uint32_t after, int csi, uint8_t *d)
{
	unsigned at = 0;

	for (uint32_t nsid = 1; nsid <= NVME_SPACES; nsid++) {
		const struct nvme_space *s = nvme_find_space(n, nsid);

		if (s && nsid > after && (csi < 0 || csi == (s->kind == NVME_ZONED ? 2 : 0)))
			put(d, 4 * at++, nsid, 4);
	}
}

static void describe_space(const struct nvme_space *s, uint32_t nsid, uint8_t *d)
{
	put(d, 0, 3, 1);			/* NIDT 3h: a UUID */
	put(d, 1, 16, 1);
	put(d, 4, 0x4d4f44454c000000ull | nsid, 8);
	put(d, 12, nsid, 8);
	put(d, 20, 4, 1);			/* NIDT 4h: the command set */
	put(d, 21, 1, 1);
	put(d, 24, s->kind == NVME_ZONED ? 2 : 0, 1);
}

static unsigned identify(struct nvme *n, const struct nvme_command *c)
{
	static uint8_t d[NVME_PAGE];
	struct nvme_space *s = nvme_find_space(n, c->nsid);
	unsigned cns = c->dw[0] & 0xff, csi = c->dw[1] >> 24;

	memset(d, 0, sizeof(d));
	switch (cns) {
	case 0x00:
		/* A namespace of another command set has no structure of the NVM command set; an invalid number fails. */
		if (!c->nsid || c->nsid > NVME_SPACES)
			return NVME_NAMESPACE;
		if (s && s->kind == NVME_ZONED)
			return NVME_COMMAND_SET;
		if (s)
			identify_space(s, d);
		break;
	case 0x01:
		identify_controller(n, d);
		break;
	case 0x02:
		if (c->nsid >= 0xfffffffe)
			return NVME_NAMESPACE;
		list_spaces(n, c->nsid, -1, d);
		break;
	case 0x03:
		if (!s)
			return NVME_NAMESPACE;
		describe_space(s, c->nsid, d);
		break;
	case 0x05:
		if (!s)
			return NVME_NAMESPACE;
		if (csi == 2 && s->kind != NVME_ZONED)
			return NVME_COMMAND_SET;
		if (csi == 2)
			put(d, 2816, 0x4000, 8);	/* zones of 16384 blocks */
		break;
	case 0x06:
		break;					/* the structure is all zeros */
	case 0x07:
		list_spaces(n, c->nsid, (int)csi, d);
		break;
	case 0x08:
		if (!s)
			return NVME_NAMESPACE;
		put(d, 14, 1, 1);			/* NSTAT: ready */
		break;
	default:
		return NVME_FIELD;
	}
	return nvme_transfer(n, c, d, sizeof(d), true);
}

/* --- queues --- */

static unsigned create_cq(struct nvme *n, const struct nvme_command *c)
{
	unsigned id = c->dw[0] & 0xffff, size = (c->dw[0] >> 16) + 1;

	if (!id || id > n->queues || n->cq[id].size)
		return NVME_QID_INVALID;
	if (!n->granted)
		nvme_broken(n, "completion queue %u before Set Features 07h", id);
	if (size < 2 || size > NVME_DEPTH)
		return NVME_SIZE_INVALID;
	if (!(c->dw[1] & 1) || (c->prp[0] & (NVME_PAGE - 1)))
		return NVME_FIELD;
	if (c->dw[1] >> 16)
		return NVME_VECTOR_INVALID;
	if ((n->cc >> 20 & 15) != 4)
		nvme_broken(n, "completion queue %u with CC.IOCQES %u", id, n->cc >> 20 & 15);
	n->cq[id] = (struct nvme_queue) { .addr = c->prp[0], .size = size, .phase = true, .irq = c->dw[1] & 2 };
	return NVME_OK;
}

static unsigned create_sq(struct nvme *n, const struct nvme_command *c)
{
	unsigned id = c->dw[0] & 0xffff, size = (c->dw[0] >> 16) + 1, cq = c->dw[1] >> 16;

	if (!id || id > n->queues || n->sq[id].size)
		return NVME_QID_INVALID;
	if (!cq || cq > n->queues || !n->cq[cq].size)
		return NVME_CQ_INVALID;
	if (size < 2 || size > NVME_DEPTH)
		return NVME_SIZE_INVALID;
	if (!(c->dw[1] & 1) || (c->prp[0] & (NVME_PAGE - 1)))
		return NVME_FIELD;
	if ((n->cc >> 16 & 15) != n->entry)
		nvme_broken(n, "submission queue %u with CC.IOSQES %u, Identify says %u", id, n->cc >> 16 & 15, n->entry);
	n->sq[id] = (struct nvme_queue) { .addr = c->prp[0], .size = size, .cq = cq };
	n->cq[cq].cq++;
	return NVME_OK;
}

/* Complete the queue's outstanding commands as aborted by the deletion (1.4, 5.6). */
static unsigned delete_sq(struct nvme *n, unsigned id)
{
	if (!id || id >= NVME_QUEUES || !n->sq[id].size)
		return NVME_QID_INVALID;
	for (unsigned i = 0; i < NVME_HELD; i++)
		if (n->held[i].used && n->held[i].sq == id) {
			n->held[i].used = false;
			nvme_complete(n, id, n->held[i].id, 0, 0x008);
		}
	n->cq[n->sq[id].cq].cq--;
	n->sq[id].size = 0;
	return NVME_OK;
}

static unsigned delete_cq(struct nvme *n, unsigned id)
{
	if (!id || id >= NVME_QUEUES || !n->cq[id].size)
		return NVME_QID_INVALID;
	if (n->cq[id].cq) {
		nvme_broken(n, "completion queue %u deleted before its submission queue", id);
		return NVME_DELETE_INVALID;
	}
	n->cq[id].size = 0;
	return NVME_OK;
}

/* --- features --- */

static unsigned set_features(struct nvme *n, const struct nvme_command *c, uint32_t *result)
{
	unsigned sqs = c->dw[1] & 0xffff, cqs = c->dw[1] >> 16;

	switch (c->dw[0] & 0xff) {
	case 0x06:
		if (c->dw[1] & 1 && !n->write_cache)
			return NVME_FIELD;
		return NVME_OK;
	case 0x07:
		if (sqs == 0xffff || cqs == 0xffff)
			return NVME_FIELD;
		if (n->sq[1].size || n->cq[1].size)
			nvme_broken(n, "Set Features 07h after a queue was made");
		n->granted = n->queues;
		*result = (n->queues - 1) | (n->queues - 1) << 16;
		return NVME_OK;
	case 0x0b:
		n->event_config = c->dw[1];
		return NVME_OK;
	case 0x01: case 0x02: case 0x04: case 0x05: case 0x08: case 0x09: case 0x0a:
		return NVME_OK;
	}
	return NVME_FIELD;
}

static unsigned get_features(struct nvme *n, const struct nvme_command *c, uint32_t *result)
{
	switch (c->dw[0] & 0xff) {
	case 0x06: *result = n->write_cache; return n->write_cache ? NVME_OK : NVME_FIELD;
	case 0x07: *result = (n->queues - 1) | (n->queues - 1) << 16; return NVME_OK;
	case 0x0b: *result = n->event_config; return NVME_OK;
	case 0x01: case 0x02: case 0x04: case 0x05: case 0x08: case 0x09: case 0x0a: return NVME_OK;
	}
	return NVME_FIELD;
}

/* --- logs, events --- */

static unsigned get_log(struct nvme *n, const struct nvme_command *c)
{
	static uint8_t d[NVME_PAGE];
	uint64_t dwords = (c->dw[0] >> 16) + 1 + ((uint64_t)(c->dw[1] & 0xffff) << 16), at = 0;
	unsigned id = c->dw[0] & 0xff;

	memset(d, 0, sizeof(d));
	if (dwords * 4 > sizeof(d) || c->dw[2] || c->dw[3])
		return NVME_FIELD;
	switch (id) {
	case 0x01:
		break;
	case 0x02:
		put(d, 0, n->warning, 1);
		put(d, 1, 300, 2);
		put(d, 3, 100, 1);
		put(d, 4, 10, 1);
		break;
	case 0x03:
		put(d, 0, 1, 1);
		put_text(d, 8, 8, "1");
		break;
	case 0x04:
		for (uint32_t nsid = 1; nsid <= NVME_SPACES; nsid++)
			if (n->changed >> nsid & 1)
				put(d, 4 * at++, nsid, 4);
		n->changed = 0;
		break;
	default:
		return NVME_LOG_INVALID;
	}
	/* A type of event that was reported is masked until its log page is read without RAE (1.4, 5.2). */
	if (!(c->dw[0] & 0x8000))
		n->events_masked &= ~(id == 4 ? 1u << 2 : id == 2 ? 1u << 1 : id == 1 ? 1u << 0 : 0);
	return nvme_transfer(n, c, d, dwords * 4, true);
}

void nvme_report_events(struct nvme *n)
{
	for (unsigned i = 0; i < n->nevents; i++) {
		unsigned type = n->event[i] & (EVENT_TYPES - 1);
		struct nvme_held *to = NULL;

		for (unsigned h = 0; h < NVME_HELD && !to; h++)
			if (n->held[h].used && n->held[h].event)
				to = &n->held[h];
		if (!to)
			return;
		if (n->events_masked >> type & 1)
			continue;
		to->used = false;
		n->events_masked |= 1u << type;
		nvme_complete(n, 0, to->id, n->event[i], NVME_OK);
		memmove(&n->event[i], &n->event[i + 1], (--n->nevents - i) * sizeof(n->event[0]));
		i--;
	}
}

bool nvme_hold(struct nvme *n, unsigned sq, uint16_t id, bool event)
{
	unsigned events = 0;

	for (unsigned i = 0; i < NVME_HELD; i++)
		events += n->held[i].used && n->held[i].event;
	if (event && events == NVME_AER_LIMIT)
		return false;
	for (unsigned i = 0; i < NVME_HELD; i++)
		if (!n->held[i].used) {
			n->held[i] = (struct nvme_held) { .used = true, .event = event, .sq = sq, .id = id };
			return true;
		}
	return false;
}

/* Bit 0 of the result: the command was not aborted, because it is complete or unknown. */
static unsigned abort_command(struct nvme *n, const struct nvme_command *c, uint32_t *result)
{
	unsigned sq = c->dw[0] & 0xffff, id = c->dw[0] >> 16;

	*result = 1;
	for (unsigned i = 0; i < NVME_HELD && !n->no_abort; i++)
		if (n->held[i].used && n->held[i].sq == sq && n->held[i].id == id) {
			n->held[i].used = false;
			*result = 0;
			nvme_complete(n, sq, (uint16_t)id, 0, NVME_ABORTED);
		}
	return NVME_OK;
}

unsigned nvme_admin(struct nvme *n, const struct nvme_command *c, uint32_t *result)
{
	switch (c->opcode) {
	case 0x00: return delete_sq(n, c->dw[0] & 0xffff);
	case 0x01: return create_sq(n, c);
	case 0x02: return get_log(n, c);
	case 0x04: return delete_cq(n, c->dw[0] & 0xffff);
	case 0x05: return create_cq(n, c);
	case 0x06: return identify(n, c);
	case 0x08: return abort_command(n, c, result);
	case 0x09: return set_features(n, c, result);
	case 0x0a: return get_features(n, c, result);
	case 0x0c: return nvme_hold(n, 0, c->id, true) ? NVME_LATER : NVME_AER_EXCEEDED;
	}
	return NVME_OPCODE;
}
