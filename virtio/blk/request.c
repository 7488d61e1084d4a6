/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-blk requests, from the ring to the disk and back.  The disk layer splits and bounces (hw/disk_cut.c). */
#include <veneer/clock.h>
#include <veneer/err.h>
#include <veneer/string.h>
#include "blk.h"

static void list_init(struct vblk_list *l)
{
	l->first = NULL;
	l->end = &l->first;
}

static void vblk_list_add(struct vblk_list *l, struct vblk_req *r)
{
	r->next = NULL;
	*l->end = r;
	l->end = &r->next;
}

RARE void vblk_forget(struct vblk *vb)
{
	vb->free = NULL;
	for (unsigned i = vb->nreqs; i--; ) {
		vb->reqs[i].vb = vb;
		vb->reqs[i].next = vb->free;
		vb->free = &vb->reqs[i];
	}
	vb->inflight = 0;
	vb->flush_busy = vb->flush_due = false;
	list_init(&vb->unstable);
	list_init(&vb->flushing);
	if (vb->clock_held)
		clock_release();
	vb->clock_held = false;
}

/* --- completion --- */

/* Hold the clock while a request or our own flush is in flight: their deadlines need it. */
static void disk_work_begun(struct vblk *vb)
{
	vb->inflight++;
	if (vb->clock_held)
		return;
	vb->clock_held = true;
	clock_hold();
}

static void disk_work_ended(struct vblk *vb)
{
	if (--vb->inflight || !vb->clock_held)
		return;
	vb->clock_held = false;
	clock_release();
}

/* Write a request's status, free it, and push its chain.  The guest sees that at the next virtq_flush(). */
static void request_finish(struct vblk_req *r, int err)
{
	struct vblk *vb = r->vb;

	if (err)
		vb->cnt_errors++;
	*(volatile uint8_t *)r->status = !err ? VIRTIO_BLK_S_OK : err == -ERR_NOTSUP ? VIRTIO_BLK_S_UNSUPP : VIRTIO_BLK_S_IOERR;
	/* 2.7.8.2: used.len must not exceed the bytes written.  Of a failed request only the status is known to be written. */
	virtq_push(&vb->vq, r->head, (err ? 0 : r->data_len) + 1);
	r->next = vb->free;
	vb->free = r;
	disk_work_ended(vb);
}

static void request_done(struct disk_req *d, int err)
{
	struct vblk_req *r = container_of(d, struct vblk_req, disk);
	bool changes = d->op == DISK_WRITE || d->op == DISK_WRITE_ZEROES || d->op == DISK_DISCARD;

	if (!err && changes && r->vb->st.write_through) {
		vblk_list_add(&r->vb->unstable, r);
		return;
	}
	if (changes || (d->op == DISK_FLUSH && err))
		r->vb->st.cached = true;
	request_finish(r, err);
}

static RARE void flush_done(struct disk_req *d, int err)
{
	struct vblk *vb = container_of(d, struct vblk, flush);
	struct vblk_req *r = vb->flushing.first, *next;

	list_init(&vb->flushing);
	vb->flush_busy = false;
	if (err)
		vb->st.cached = true;
	for (; r; r = next) {
		next = r->next;
		request_finish(r, err);
	}
	disk_work_ended(vb);
}

/* Send one flush for all completed writes.  True if the caller has to kick the disk. */
static bool make_stable(struct vblk *vb)
{
	bool any = false;

	while ((vb->unstable.first || vb->flush_due) && !vb->flush_busy) {
		vb->flushing.first = vb->unstable.first;
		vb->flushing.end = vb->unstable.end;
		list_init(&vb->unstable);
		vb->flush_due = false;
		vb->st.cached = false;
		vb->flush_busy = true;
		disk_work_begun(vb);
		vb->flush = (struct disk_req){ .op = DISK_FLUSH, .done = flush_done };
		disk_submit(vb->disk, 0, &vb->flush);	/* may call flush_done() from inside */
		any = true;
	}
	return any;
}

/* --- submission --- */

/* Convert the guest's range of sectors to blocks of the disk, in the request.  False if the disk has no such blocks. */
static bool set_range(const struct vblk *vb, struct disk_req *d, uint64_t sector, uint64_t n)
{
	if (!n || sector > vb->capacity || n > vb->capacity - sector)
		return false;
	if ((sector | n) & (vb->sector_blocks - 1))
		return false;
	n >>= vb->sector_shift;
	d->lba = sector >> vb->sector_shift;
	d->nblocks = (uint32_t)n;
	return n <= UINT32_MAX;
}

/* Submit a read or write of the @bytes in @sg.  0 if the disk accepted it. */
static int request_transfer(struct vblk *vb, struct vblk_req *r, uint64_t sector, const struct sg *sg, unsigned nsg,
			    uint64_t bytes)
{
	if (r->disk.op == DISK_WRITE && !vb->writable)
		return -ERR_ROFS;
	if (nsg > DISK_MAX_SEGS || bytes % VIRTIO_BLK_SECTOR || !set_range(vb, &r->disk, sector, bytes / VIRTIO_BLK_SECTOR))
		return -ERR_INVAL;
	for (unsigned i = 0; i < nsg; i++)
		r->sg[i] = sg[i];
	r->disk.sg = r->sg;
	r->disk.nsg = nsg;
	if (r->disk.op == DISK_READ)
		r->data_len = (uint32_t)MIN(bytes, (uint64_t)UINT32_MAX - 1);
	disk_submit(vb->disk, 0, &r->disk);
	return 0;
}

/* A disk without a cache has nothing to flush, and every write is stable already. */
static int request_flush(struct vblk *vb, struct vblk_req *r)
{
	if (!vb->disk->flush) {
		if (vb->disk->write_cache)
			return -ERR_NOTSUP;
		request_finish(r, 0);
		return 0;
	}
	r->disk.op = DISK_FLUSH;
	vb->st.cached = false;
	disk_submit(vb->disk, 0, &r->disk);
	return 0;
}

static int request_get_id(struct vblk *vb, struct vblk_req *r, const struct virtq_chain *c)
{
	char id[VIRTIO_BLK_ID_BYTES] = { 0 };

	memcpy(id, vb->disk->serial, strnlen(vb->disk->serial, sizeof(id)));
	r->data_len = (uint32_t)sg_copy_to(c->in, c->nin, 0, id, MIN(c->in_len, (uint64_t)sizeof(id)));
	request_finish(r, 0);
	return 0;
}

/* DISCARD and WRITE_ZEROES, of the one range that max_discard_seg and max_write_zeroes_seg allow (5.2.6). */
static RARE int request_range(struct vblk *vb, struct vblk_req *r, const struct virtq_chain *c, uint32_t max, bool zeroes)
{
	struct virtio_blk_range seg;

	if (!max)
		return -ERR_NOTSUP;
	if (!vb->writable)
		return -ERR_ROFS;
	if (c->out_len != sizeof(seg))
		return -ERR_INVAL;
	sg_copy_from(c->out, c->nout, 0, &seg, sizeof(seg));
	if (seg.flags & ~(zeroes ? VIRTIO_BLK_RANGE_UNMAP : 0u))
		return -ERR_NOTSUP;
	if (!set_range(vb, &r->disk, seg.sector, seg.num_sectors))
		return -ERR_INVAL;
	r->disk.unmap = seg.flags & VIRTIO_BLK_RANGE_UNMAP;
	disk_submit(vb->disk, 0, &r->disk);
	return 0;
}

/* Start the chain's request, or complete it with an error. */
static void request_serve(struct vblk *vb, struct virtq_chain *c)
{
	struct vblk_req *r = vb->free;
	struct virtio_blk_hdr hdr;
	int err = -ERR_NOTSUP;
	struct sg *last;

	if (!c->nin || c->out_len < sizeof(hdr)) {
		virtio_needs_reset(&vb->dev, "a block request without header or status");
		return;
	}
	virtq_chain_read(c, &hdr, sizeof(hdr));
	virtq_chain_skip(c, sizeof(hdr));
	/* The last writable byte is the status; the rest of the writable pieces is data. */
	last = &c->in[c->nin - 1];
	c->in_len--;
	if (--last->len == 0)
		c->nin--;

	vb->free = r->next;
	disk_work_begun(vb);
	r->head = c->head;
	r->data_len = 0;
	r->disk.done = request_done;
	r->status = (uint8_t *)(uintptr_t)(last->addr + last->len);
	r->disk.unmap = false;
	r->disk.sg = NULL;
	r->disk.nsg = 0;
	r->disk.lba = 0;
	r->disk.nblocks = 0;
	switch (hdr.type) {
	case VIRTIO_BLK_T_IN:
		vb->cnt_reads++;
		r->disk.op = DISK_READ;
		err = request_transfer(vb, r, hdr.sector, c->in, c->nin, c->in_len);
		break;
	case VIRTIO_BLK_T_OUT:
		vb->cnt_writes++;
		r->disk.op = DISK_WRITE;
		err = request_transfer(vb, r, hdr.sector, c->out, c->nout, c->out_len);
		break;
	case VIRTIO_BLK_T_FLUSH:
		vb->cnt_flushes++;
		err = request_flush(vb, r);
		break;
	case VIRTIO_BLK_T_GET_ID:
		vb->cnt_other++;
		err = request_get_id(vb, r, c);
		break;
	case VIRTIO_BLK_T_DISCARD:
		vb->cnt_other++;
		r->disk.op = DISK_DISCARD;
		err = request_range(vb, r, c, vb->disk->limits.max_discard_blocks, false);
		break;
	case VIRTIO_BLK_T_WRITE_ZEROES:
		vb->cnt_other++;
		r->disk.op = DISK_WRITE_ZEROES;
		err = request_range(vb, r, c, vb->disk->limits.max_zero_blocks, true);
		break;
	default:
		vb->cnt_other++;
	}
	if (err)
		request_finish(r, err);
}

/*
 * With many requests in flight kicks are off: each completion serves the ring again.  With few, kicks are on, so that a new
 * request need not wait for a completion; switching them on requires one more look at the ring.
 */
void vblk_run(struct vblk *vb)
{
	struct virtq *q = &vb->vq;
	unsigned left = VIRTIO_RUN_MAX;
	bool kick = false;

	if (vb->running)
		return;
	vb->running = true;
	do {
		while (left && vb->free && virtq_pop(q, &q->chain)) {
			request_serve(vb, &q->chain);
			kick = true;
			left--;
		}
		kick |= make_stable(vb);
	} while (left && vb->inflight < VBLK_KICKS_OFF_AT && virtq_kicks_on(q));
	/* Requests that need no disk, and those that are refused, end at once. */
	if (!left && vb->inflight < VBLK_KICKS_OFF_AT)
		virtio_run_again(&vb->dev, 0);
	if (!left || vb->inflight >= VBLK_KICKS_OFF_AT)
		virtq_kicks_off(q);
	if (kick)
		disk_kick(vb->disk, 0);
	if (left != VIRTIO_RUN_MAX)
		histogram_add(&vb->taken, VIRTIO_RUN_MAX - left);
	virtq_flush(q);
	vb->running = false;
}

void vblk_batch_end(struct disk *disk)
{
	struct vblk *vb = disk->client_ctx;

	if (vb->dev.st.running)
		vblk_run(vb);
}
