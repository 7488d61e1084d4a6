/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio-blk (virtio 1.2 section 5.2) on a struct disk.
 *
 * A request's pieces go to the disk as the guest gave them.  At most vblk.nreqs are with the disk; further chains
 * wait in the ring, which is looked at again at each end of a batch.
 */
#ifndef VIRTIO_BLK_BLK_H
#define VIRTIO_BLK_BLK_H

#include <veneer/disk.h>
#include "../transport.h"

/* More requests than the disk has tags would wait here instead of in the ring.  The pieces of one take 2 KiB. */
#define VBLK_REQS		64u
#define VBLK_REQS_MIN		8u
#define VBLK_KICKS_OFF_AT	4u	/* requests in flight; with fewer each is begun at once, for the latency */

struct vblk;

/* A request with the disk. */
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

struct vblk {
	struct virtio_dev dev;
	struct disk *disk;
	bool writable;
	bool write_through;	/* a write is done when it is on stable media: a flush follows each batch of writes */
	bool running;		/* against coming in again from inside the disk */
	bool clock_held;
	unsigned inflight;
	uint32_t sector_blocks;	/* sectors of 512 bytes in a logical block: */
	unsigned sector_shift;	/* and log2 of that */
	uint64_t capacity;	/* in sectors */
	struct vblk_req *free;
	struct vblk_req *reqs;
	unsigned nreqs;

	/* Writes that are done but not stable, and those among them that the running flush covers. */
	struct vblk_list unstable, flushing;
	struct disk_req flush;
	bool flush_busy;
	bool flush_due;		/* for writes that are done already: the cache mode changed behind them */
	bool cached;		/* writes are done that no flush was sent for */

	uint64_t cnt_reads, cnt_writes, cnt_flushes, cnt_other, cnt_errors;
	struct virtq vq;
};

static inline struct vblk *to_vblk(struct virtio_dev *dev)
{
	return container_of(dev, struct vblk, dev);
}

/* request.c: serve the ring. */
void vblk_run(struct vblk *vb);

/* request.c: every request forgotten; the disk knows none of them any more. */
void vblk_forget(struct vblk *vb);

/* request.c: disk.client_batch_end. */
void vblk_batch_end(struct disk *disk);

#endif
