/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Declarations that the files of the disk layer share: disk.c (requests and commands), disk_cut.c (splits requests into
 * commands, bounces data), disk_start.c (memory, windows, reads at the start).
 */
#ifndef HW_DISK_QUEUE_H
#define HW_DISK_QUEUE_H

#include <veneer/disk.h>

#define BOUNCE_CHUNK	4096u		/* no logical block is larger */

/* One command, with its pieces and bounce memory. */
struct disk_slot {
	struct disk_cmd cmd;
	struct disk_req *req;		/* NULL while the slot is free */
	struct disk_queue *q;
	struct sg *sg;			/* q->sg_cap pieces */
	uint64_t skip;			/* bytes of the request's data before the command's */
	uint16_t first, nchunks;	/* bounce memory; nchunks is 0 if the data is transferred directly */
};

struct req_list {
	struct disk_req *head, *tail;
};

struct disk_queue {
	struct disk *disk;
	unsigned index;
	struct disk_slot *slots;		/* limits.tags of them; the index is the tag */
	uint16_t *free;			/* a stack of free tags */
	unsigned nfree;
	struct disk_slot *parked;		/* built, refused with -ERR_BUSY */
	unsigned sg_cap;
	unsigned block_shift;		/* log2 of the block size */
	uint64_t deadline_us;		/* of the commands that are started before the next kick */
	uint8_t *bounce;
	unsigned nchunks;
	uint32_t chunks_busy;		/* bit n: chunk n */
	struct req_list waiting, finished;
	bool finishing;			/* done() runs further up the stack */
	bool rings;			/* commands were started and not kicked */
	bool completed;			/* a done() was called since the last client_batch_end() */
	unsigned outstanding;
};

struct disk_queues {
	unsigned n;
	bool counted;
	struct disk_queue q[];
};

/* Return the maximum of blocks in a command of @op; 0 if the disk has no such command. */
uint32_t disk_op_max_blocks(const struct disk *disk, enum disk_op op);

/* Make @s the next command of @req, with as many blocks as the limits allow.  False if no bounce memory is free. */
bool disk_cut_next(struct disk_slot *s, struct disk_req *req);

/* Return the bounce memory of a slot that has some (nchunks is not 0). */
uint8_t *disk_slot_bounce(const struct disk_slot *s);
/* Free @n chunks of bounce memory. */
void disk_bounce_put(struct disk_queue *q, unsigned first, unsigned n);

/* Forget all commands and requests.  The driver has no command of this queue any more. */
void disk_queue_forget(struct disk_queue *q);

/* A request that the caller waits for. */
struct disk_waiter {
	struct disk_req req;		/* without done() */
	bool done;
	int status;
};

/*
 * Submit @w and wait for the end, at most twice the disk's timeout: then reset the disk, and say @what block was waited for.
 * Returns the request's status.  The caller owns the controller; *@found grows by the completions that it saw.
 */
int disk_wait(struct disk *disk, struct disk_waiter *w, const char *what, unsigned *found);

#endif
