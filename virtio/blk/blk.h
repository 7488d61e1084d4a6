/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio-blk (virtio 1.2 section 5.2) on a struct disk.
 *
 * A request's pieces go to the disk as the guest gave them.  At most vblk.nreqs requests are in flight; further chains
 * wait in the ring, which is read again at the end of each batch.
 */
#ifndef VIRTIO_BLK_BLK_H
#define VIRTIO_BLK_BLK_H

#include <veneer/counters.h>
#include <veneer/disk.h>
#include "../transport.h"

/* More requests than the disk has tags would only wait here instead of in the ring.  Each takes 2 KiB for its pieces. */
#define VBLK_REQS		64u
#define VBLK_REQS_MIN		8u
#define VBLK_KICKS_OFF_AT	4u	/* with fewer requests in flight kicks stay on, so that each request starts at once */

struct vblk;

/* A request in flight. */
struct vblk_req {
	struct disk_req disk;
	struct vblk *vb;
	struct vblk_req *next;		/* free, or waiting for a flush */
	uint8_t *status;		/* in guest RAM */
	uint32_t data_len;		/* bytes of data that the guest gets if the request succeeds */
	uint16_t head;
	struct sg sg[DISK_MAX_SEGS];
};

struct vblk_list {
	struct vblk_req *first;
	struct vblk_req **end;
};

/* Plain data, part of a snapshot. */
struct vblk_state {
	uint8_t write_through;	/* a write completes only when it is on stable media: a flush follows each batch of writes */
	uint8_t cached;		/* completed writes exist that no flush was sent for */
	uint8_t pad[6];
};

struct vblk {
	struct virtio_dev dev;
	struct disk *disk;
	struct vblk_state st;
	bool writable;
	bool running;		/* set while the ring is served: the disk may call back from inside */
	bool clock_held;
	unsigned inflight;
	uint32_t sector_blocks;	/* sectors of 512 bytes in a logical block: */
	unsigned sector_shift;	/* and log2 of that */
	uint64_t capacity;	/* in sectors */
	struct vblk_req *free;
	struct vblk_req *reqs;
	unsigned nreqs;

	/* Completed writes that are not stable yet, and those of them that the running flush covers. */
	struct vblk_list unstable, flushing;
	struct disk_req flush;
	bool flush_busy;
	bool flush_due;		/* a flush is due for completed writes, because the cache mode changed or a halt comes */

	uint64_t cnt_reads, cnt_writes, cnt_flushes, cnt_other, cnt_errors;
	struct histogram at_kick;	/* requests in flight at a kick */
	struct histogram taken;		/* requests that a run of the ring found */
	struct virtq vq;
};

static inline struct vblk *to_vblk(struct virtio_dev *dev)
{
	return container_of(dev, struct vblk, dev);
}

/* request.c: serve the ring. */
void vblk_run(struct vblk *vb);

/* request.c: drop every request, after the disk has dropped them. */
void vblk_forget(struct vblk *vb);

/* request.c: disk.client_batch_end. */
void vblk_batch_end(struct disk *disk);

#endif
