/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of the disk layer share: disk.c (requests and commands), disk_cut.c (cuts requests that are no single command,
 * copies what the controller cannot reach), disk_start.c (memory, windows, reads of the start).
 */
#ifndef HW_DISK_QUEUE_H
#define HW_DISK_QUEUE_H

#include <veneer/disk.h>

#define BOUNCE_CHUNK	4096u		/* no logical block is larger */

/* One command and what belongs to it. */
struct disk_slot {
	struct disk_cmd cmd;
	struct disk_req *req;		/* NULL while the slot is free */
	struct disk_queue *q;
	struct sg *sg;			/* q->sg_cap pieces */
	uint64_t skip;			/* where in the request's data the command begins, bytes */
	uint16_t first, nchunks;	/* bounce memory; nchunks 0 when the data goes directly */
};

struct req_list {
	struct disk_req *head, *tail;
};

struct disk_queue {
	struct disk *disk;
	unsigned index;
	struct disk_slot *slots;		/* limits.tags, the index is the tag */
	uint16_t *free;			/* a stack of free tags */
	unsigned nfree;
	struct disk_slot *parked;		/* built, refused with -ERR_BUSY */
	unsigned sg_cap;
	unsigned block_shift;		/* log2 of the block size */
	uint64_t deadline_us;		/* of what is started before the next kick */
	uint8_t *bounce;
	unsigned nchunks;
	uint32_t chunks_busy;		/* bit n: chunk n */
	struct req_list waiting, finished;
	bool finishing;			/* done() runs further up the stack */
	bool rings;			/* started, not kicked */
	bool completed;			/* a done() since disk_run() last told the client */
	unsigned outstanding;
};

struct disk_queues {
	unsigned n;
	bool counted;
	struct disk_queue q[];
};

/* Commands of @op hold at most so many blocks; 0: the disk has no such command. */
uint32_t disk_op_max_blocks(const struct disk *disk, enum disk_op op);

/* Make @s the next command of @req, as much of it as the limits allow.  False if bounce memory is out. */
bool disk_cut_next(struct disk_slot *s, struct disk_req *req);

/* The bounce memory of a slot that has some (nchunks), and its end. */
uint8_t *disk_slot_bounce(const struct disk_slot *s);
void disk_bounce_put(struct disk_queue *q, unsigned first, unsigned n);

/* Every command and request forgotten: nothing of this queue is with the driver. */
void disk_queue_forget(struct disk_queue *q);

#endif
