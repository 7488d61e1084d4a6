/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The split virtqueue (virtio 1.2, 2.7): descriptor chains in, used elements out, every index and range checked.  No packet
 * here.
 */
#include <veneer/gmem.h>
#include <veneer/io.h>
#include <veneer/string.h>
#include "queue.h"

/*
 * The guest writes the rings while we read them: each access is one load or store of its full width, which the compiler may
 * not repeat.  virtq_start() has checked that avail and used are at even addresses; descriptors may be at any address.
 */
typedef uint64_t __attribute__((aligned(1), may_alias)) any64;

static uint16_t ring_load16(const uint16_t *p)
{
	return *(const volatile uint16_t *)p;
}

static void ring_store16(uint16_t *p, uint16_t v)
{
	*(volatile uint16_t *)p = v;
}

static void desc_fetch(struct vring_desc *d, const struct vring_desc *from)
{
	const volatile any64 *src = (const volatile any64 *)from;
	uint64_t second = src[1];

	d->addr = src[0];
	d->len = (uint32_t)second;
	d->flags = (uint16_t)(second >> 32);
	d->next = (uint16_t)(second >> 48);
}

static uint16_t *avail_event(struct virtq *q)
{
	return (uint16_t *)&q->used->ring[q->st.size];
}

static __attribute__((noinline)) bool queue_fail(struct virtq *q, const char *why)
{
	q->live = false;
	q->avail_idx = q->st.last_avail;
	q->host->broken(q, why);
	return false;
}

static const bool never;

RARE void virtq_reset(struct virtq *q)
{
	memset(&q->st, 0, sizeof(q->st));
	q->st.size = VIRTQ_MAX_SIZE;
	q->st.vector = VIRTIO_NO_VECTOR;
	q->live = false;
	q->event_idx = false;
	q->kicks_off = false;
	q->peeked = 0;
	q->held = q->popped_carried = false;
	q->carried = 0;
	if (!q->polled)
		q->polled = &never;
	q->avail_idx = 0;
	q->ram = (struct gmem_range){ 0, 0 };
	q->desc = NULL;
	q->avail = NULL;
	q->used = NULL;
}

/* The three rings in guest RAM; NULL, or what is wrong with their addresses. */
static RARE const char *rings_map(const struct virtq_state *st, const struct vring_desc **desc,
				   const struct vring_avail **avail, struct vring_used **used)
{
	uint64_t n = st->size;

	if (st->avail % 2 || st->used % 2)
		return "a ring at an odd address";
	*desc = gmem_ptr(st->desc, n * sizeof(**desc));
	*avail = gmem_ptr(st->avail, sizeof(**avail) + (n + 1) * sizeof((*avail)->ring[0]));
	*used = gmem_ptr(st->used, sizeof(**used) + n * sizeof((*used)->ring[0]) + sizeof(uint16_t));
	return *desc && *avail && *used ? NULL : "a ring outside guest RAM";
}

RARE const char *virtq_rings_bad(const struct virtq_state *st)
{
	const struct vring_desc *desc;
	const struct vring_avail *avail;
	struct vring_used *used;
	const char *bad = rings_map(st, &desc, &avail, &used);

	if (!bad && (uint16_t)(ring_load16(&avail->idx) - st->last_avail) > st->size)
		bad = "avail index beyond the queue";
	return bad;
}

RARE bool virtq_start(struct virtq *q, bool event_idx)
{
	const char *bad = rings_map(&q->st, &q->desc, &q->avail, &q->used);

	q->avail_idx = q->st.last_avail;
	if (bad)
		return queue_fail(q, bad);
	q->live = true;
	q->held = false;
	q->event_idx = event_idx;
	q->kicks_off = false;
	ring_store16(&q->used->flags, 0);
	if (event_idx)
		ring_store16(avail_event(q), q->st.last_avail);
	return true;
}

/* True if the guest has queued more chains. */
static bool queue_has_more(struct virtq *q)
{
	uint16_t idx;

	if (!q->live || (IS_ENABLED(CONFIG_STATE) && q->held))
		return false;
	if (IS_ENABLED(CONFIG_STATE) && q->carried)
		return true;
	idx = ring_load16(&q->avail->idx);
	if ((uint16_t)(idx - q->st.last_avail) > q->st.size)
		return queue_fail(q, "avail index beyond the queue");
	q->avail_idx = idx;
	dma_rmb();	/* read the index before the entries that it covers */
	return idx != q->st.last_avail;
}

/* True if a buffer is wholly guest RAM.  The range of the previous buffer is tried first: most buffers lie in the same one. */
static bool buffer_in_ram(struct virtq *q, uint64_t gpa, uint32_t len)
{
	return gmem_within(&q->ram, gpa, len) || gmem_find(gpa, len, &q->ram);
}

static const char *check_indirect(const struct vring_desc *d)
{
	if (d->flags & VRING_DESC_NEXT)
		return "an indirect descriptor with a next one";
	if (!d->len || d->len % sizeof(*d) || d->len / sizeof(*d) > VIRTQ_MAX_SEGS)
		return "an indirect table of bad length";
	return NULL;
}

/* Copy the chain at @head, whose first descriptor is @d, into @c. */
static __attribute__((noinline)) const char *copy_pieces(struct virtq *q, uint16_t head, struct vring_desc d,
							 struct virtq_chain *c)
{
	const struct vring_desc *table = q->desc;
	unsigned n = q->st.size, left = n, i;
	struct sg *sg = c->sg, *in = NULL;
	uint64_t bytes = 0, out_len = 0;
	bool nested = false;	/* a flag: an indirect table may lie in the ring itself, so addresses tell nothing */

	for (;; desc_fetch(&d, &table[i])) {
		if (d.flags & VRING_DESC_INDIRECT) {
			const char *bad = nested ? "an indirect table in an indirect table" : check_indirect(&d);

			if (bad)
				return bad;
			table = gmem_ptr(d.addr, d.len);
			if (!table)
				return "an indirect table outside guest RAM";
			n = left = d.len / sizeof(d);
			nested = true;
			i = 0;
			continue;
		}
		if (d.len) {
			if (sg == c->sg + VIRTQ_MAX_SEGS)
				return "a chain of too many descriptors";
			if (!buffer_in_ram(q, d.addr, d.len))
				return "a buffer outside guest RAM";
			if (!(d.flags & VRING_DESC_WRITE)) {
				if (in)
					return "a readable descriptor after a writable one";
			} else if (!in) {
				in = sg;
				out_len = bytes;
			}
			bytes += d.len;
			sg->addr = d.addr;
			sg++->len = d.len;
		}
		if (!(d.flags & VRING_DESC_NEXT))
			break;
		i = d.next;
		if (i >= n)
			return "a next index outside the table";
		if (--left == 0)
			return "a chain that loops";
	}
	c->head = head;
	c->out = c->sg;
	if (!in) {
		in = sg;
		out_len = bytes;
	}
	c->in = in;
	c->nout = (uint16_t)(c->in - c->out);
	c->nin = (uint16_t)(sg - c->in);
	c->out_len = out_len;
	c->in_len = bytes - out_len;
	return NULL;
}

/* Copy a chain of one descriptor whose buffer lies in the same range of RAM as the one before: most frames.  Else false. */
static bool copy_one(const struct virtq *q, uint16_t head, const struct vring_desc *d, struct virtq_chain *c)
{
	bool in = d->flags & VRING_DESC_WRITE;

	if ((d->flags & (VRING_DESC_NEXT | VRING_DESC_INDIRECT)) || !d->len || !gmem_within(&q->ram, d->addr, d->len))
		return false;
	c->head = head;
	c->nout = !in;
	c->nin = in;
	c->out_len = in ? 0 : d->len;
	c->in_len = in ? d->len : 0;
	c->out = c->sg;
	c->in = in ? c->sg : c->sg + 1;
	c->sg[0] = (struct sg){ .addr = d->addr, .len = d->len };
	return true;
}

/* Read a chain that was popped before: all checks are repeated. */
static const char *copy_again(struct virtq *q, uint16_t head, struct virtq_chain *c)
{
	struct vring_desc d;

	desc_fetch(&d, &q->desc[head]);
	return copy_pieces(q, head, d, c);
}

void virtq_hold(struct virtq *q)
{
	q->held = true;
	q->avail_idx = q->st.last_avail;	/* virtq_pop() asks queue_has_more() next */
}

void virtq_carry(struct virtq *q)
{
	q->carried = q->carried_from = 0;
	for (unsigned i = 0; i < q->st.size; i++)
		if (q->st.busy[i]) {
			q->st.busy[i] = VIRTQ_CARRIED;
			q->carried++;
		}
}

static __attribute__((noinline)) bool pop_carried(struct virtq *q, struct virtq_chain *c)
{
	const char *bad;

	while (q->st.busy[q->carried_from] != VIRTQ_CARRIED)
		q->carried_from++;
	bad = copy_again(q, q->carried_from, c);
	if (bad)
		return queue_fail(q, bad);
	q->st.busy[q->carried_from] = 1;
	q->carried--;
	q->popped_carried = true;
	return true;
}

bool virtq_pop(struct virtq *q, struct virtq_chain *c)
{
	struct vring_desc d;
	uint16_t head;

	if (q->st.last_avail == q->avail_idx) {
		if (!queue_has_more(q))
			return false;
		/* While some are carried avail_idx stays at last_avail, so every call comes here. */
		if (IS_ENABLED(CONFIG_STATE) && q->carried)
			return pop_carried(q, c);
		q->popped_carried = false;
	}
	head = ring_load16(&q->avail->ring[q->st.last_avail & (q->st.size - 1)]);
	if (head >= q->st.size)
		return queue_fail(q, "an avail entry outside the table");
	if (q->st.busy[head])
		return queue_fail(q, "a chain given twice");
	desc_fetch(&d, &q->desc[head]);
	if (!copy_one(q, head, &d, c)) {
		const char *bad = copy_pieces(q, head, d, c);

		if (bad)
			return queue_fail(q, bad);
	}
	q->st.busy[head] = 1;
	q->st.last_avail++;
	return true;
}

void virtq_unpop(struct virtq *q, const struct virtq_chain *c)
{
	if (IS_ENABLED(CONFIG_STATE) && q->popped_carried) {
		q->st.busy[c->head] = VIRTQ_CARRIED;
		q->carried++;
		q->carried_from = c->head;
		q->avail_idx = q->st.last_avail;	/* others may have been popped behind it, and given back, too */
		return;
	}
	q->st.busy[c->head] = 0;
	q->st.last_avail--;
	if (!q->live)	/* a chain behind this one has killed the queue: virtq_pop() must find nothing */
		q->avail_idx = q->st.last_avail;
}

RARE bool virtq_refetch(struct virtq *q, uint16_t head, struct virtq_chain *c)
{
	const char *bad;

	if (!q->live)
		return false;
	bad = copy_again(q, head, c);
	return bad ? queue_fail(q, bad) : true;
}

void virtq_push(struct virtq *q, uint16_t head, uint32_t len)
{
	struct vring_used_elem *e;

	if (!q->live)
		return;
	e = &q->used->ring[q->st.used_idx & (q->st.size - 1)];
	e->id = head;
	e->len = len;
	q->st.used_idx++;
	q->st.busy[head] = 0;
}

/* True if the guest wants an interrupt for the entries from @old to @new (2.7.7.2, 2.7.10). */
static bool interrupt_wanted(const struct virtq *q, uint16_t old, uint16_t new)
{
	if (q->event_idx)
		return (uint16_t)(new - ring_load16(&q->avail->ring[q->st.size]) - 1) < (uint16_t)(new - old);
	return !(ring_load16(&q->avail->flags) & VRING_AVAIL_NO_INTERRUPT);
}

void virtq_flush(struct virtq *q)
{
	uint16_t old = q->st.published, new = q->st.used_idx;

	if (old == new || !q->live)
		return;
	dma_wmb();	/* write data and entries before the index */
	ring_store16(&q->used->idx, new);
	q->st.published = new;
	full_mb();	/* write the index before reading used_event or flags: the guest writes these, then reads the index */
	if (!interrupt_wanted(q, old, new))
		return;
	q->cnt_interrupts++;
	q->host->interrupt(q);
}

/* Half of the numbers away from the guest's index, in both directions; moved before the index comes near. */
#define EVENT_AWAY	0x8000u
#define EVENT_NEAR	0x4000u

bool virtq_peek(struct virtq *q)
{
	uint16_t idx;

	if (!q->live)
		return false;
	idx = ring_load16(&q->avail->idx);
	if (idx == q->peeked)
		return false;
	q->peeked = idx;
	return true;
}

/* With EVENT_IDX the driver kicks when its index passes avail_event, which it does each 65536 chains. */
static void kicks_away(struct virtq *q)
{
	uint16_t away;

	if (!q->event_idx)
		return;
	away = (uint16_t)(ring_load16(avail_event(q)) - q->st.last_avail);
	if (away < EVENT_NEAR || away > EVENT_AWAY)
		ring_store16(avail_event(q), (uint16_t)(q->st.last_avail + EVENT_AWAY));
}

void virtq_kicks_off(struct virtq *q)
{
	if (q->live && *q->polled)
		kicks_away(q);
	if (q->kicks_off || !q->live)
		return;
	q->kicks_off = true;
	/* Nothing to do with EVENT_IDX: avail_event is behind the guest's index, so no kick comes until it is moved. */
	if (!q->event_idx)
		ring_store16(&q->used->flags, VRING_USED_NO_NOTIFY);
}

bool virtq_kicks_on(struct virtq *q)
{
	if (!q->live)
		return false;
	if (*q->polled) {
		virtq_kicks_off(q);
		return false;
	}
	/* Use the guest's index, not last_avail: a caller without room for the waiting chains wants a kick for the next one. */
	if (q->event_idx)
		ring_store16(avail_event(q), ring_load16(&q->avail->idx));
	else if (q->kicks_off)
		ring_store16(&q->used->flags, 0);
	q->kicks_off = false;
	full_mb();	/* write avail_event or flags before reading the index: the guest writes the index, then reads these */
	return queue_has_more(q);
}
