/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Disks.  The client (virtio/blk) gives requests to disk_submit().  hw/disk.c splits each request into commands within the
 * controller's limits (size, pieces, alignment, page rules), bounces data that no split makes acceptable, and queues commands
 * until a tag is free.  The controller drivers (hw/ahci, hw/nvme) implement struct disk_ops and get conforming commands only.
 *
 * Every request completes exactly once by done(), also on error, timeout and reset, unless disk_reset() forgets it.  done() is
 * called from disk_submit() (bad requests), or from the controller's poll or tick.  done() may submit requests.  Addresses are
 * physical, and the client has checked them.
 */
#ifndef VENEER_DISK_H
#define VENEER_DISK_H

#include <veneer/mem.h>
#include <veneer/sg.h>
#include <veneer/types.h>

#define DISK_MAX_SEGS	128u	/* pieces of one request: virtio-blk announces this number as seg_max */

enum disk_op { DISK_READ, DISK_WRITE, DISK_FLUSH, DISK_DISCARD, DISK_WRITE_ZEROES };

struct disk;

/* The client owns the request and must not change it before done(). */
struct disk_req {
	enum disk_op op;
	bool unmap;		/* DISK_WRITE_ZEROES: may deallocate */
	uint64_t lba;		/* in the disk's logical blocks; unused by FLUSH */
	uint32_t nblocks;	/* > 0, except for FLUSH */
	const struct sg *sg;	/* READ, WRITE: exactly nblocks * block_size bytes, lives until done() */
	unsigned nsg;		/* <= DISK_MAX_SEGS */

	/* Status 0; -ERR_IO: the device failed the request; -ERR_TIMEOUT; -ERR_NOTSUP; -ERR_INVAL: out of range; -ERR_ROFS. */
	void (*done)(struct disk_req *req, int status);

	/* for hw/disk.c, while the request is in flight */
	struct {
		struct disk_req *next;
		uint64_t issued_blocks;		/* blocks whose commands were started */
		unsigned inflight;		/* commands in the controller */
		int status;			/* the first failure */
	} priv;
};

/* The limits of a command, which hw/disk.c keeps. */
struct disk_limits {
	uint32_t max_bytes;	/* per command, a multiple of the block size */
	uint16_t max_segs;	/* pieces per command */
	uint32_t max_seg_len;	/* bytes per piece */
	uint32_t addr_align;	/* of each piece's address, a power of two (AHCI: 2) */
	uint32_t len_align;	/* of each piece's length (AHCI: 2) */
	uint32_t page_rule;	/* 0, or the NVMe memory page size: every piece but the first starts, and every piece but the
				   last ends, on such a boundary; the first may start anywhere that addr_align allows */
	uint64_t dma_mask;	/* the highest address that the controller reaches; pieces beyond are bounced */
	uint32_t max_discard_blocks, max_zero_blocks;	/* per command; 0 if the disk has no such command */
	uint16_t tags;		/* commands in flight at once, per queue */
};

/* One hardware command.  Owned by hw/disk.c; between start() and disk_cmd_done() by the driver. */
struct disk_cmd {
	enum disk_op op;
	bool unmap;
	uint64_t lba;
	uint32_t nblocks;
	const struct sg *sg;	/* valid until disk_cmd_done() */
	unsigned nsg;
	uint16_t tag;		/* 0..limits.tags-1, unique on the queue while in flight */
	uint64_t deadline_us;	/* set by hw/disk.c from the disk's timeout */
	void *req;		/* for hw/disk.c */
};

struct disk_ops {
	/*
	 * Put one command into the hardware's queue, without ringing.  Returns 0, or -ERR_BUSY (for example AHCI drains NCQ
	 * before a FLUSH, or a recovery runs): hw/disk.c then offers the command again after the next completion or tick.
	 * Never calls back.
	 */
	int (*start)(struct disk *disk, unsigned q, struct disk_cmd *cmd);
	void (*kick)(struct disk *disk, unsigned q);

	/*
	 * Forget every command of this disk: after the return the device does no DMA for them, and none of them is completed.
	 * Other disks of the same controller keep their commands: after a reset of the controller the driver submits these
	 * again.  Bounded.
	 */
	void (*abort_all)(struct disk *disk);

	/*
	 * True if the device has finished the commands that abort_all() dropped while disk.patient was set.  Reaps completions
	 * and checks deadlines, so that it becomes true at some time.  NULL if abort_all() always ends the commands.
	 */
	bool (*quiet)(struct disk *disk);

	/* Switch the volatile write cache on or off.  Returns 0 or a negative error.  NULL if the disk has no such switch. */
	int (*set_cache)(struct disk *disk, bool on);
};

struct disk {
	const struct disk_ops *ops;
	struct hw_dev *ctrl;
	char name[16];			/* "ahci0p1", "nvme0n1" */
	char serial[21], model[41], firmware[9];	/* trimmed, printable, terminated */
	unsigned index;			/* port or namespace number */
	uint32_t block_size;		/* logical: 512 or 4096 (any power of two 512..4096) */
	uint8_t phys_exp;		/* log2(logical blocks per physical block) */
	uint16_t align_offset;		/* first aligned logical block */
	uint32_t opt_io_blocks, min_io_blocks;	/* 0: unknown */
	uint64_t nblocks;		/* of the disk or, if there is one, of its window */
	uint64_t first_block;		/* of the window; 0 without a window.  See disk_set_window() */
	bool write_cache;		/* volatile cache present and on */
	bool can_set_cache;
	bool flush;			/* has a flush command */
	bool hw_read_only;		/* the device itself is write-protected */
	bool removable;
	bool gone;			/* hot-removed: every request fails with -ERR_NODEV */
	bool patient;			/* set by the client: abort_all() may return before quiet(), if that saves the disk */
	unsigned resets;		/* number of disk_reset() calls, each of which forgets the earlier requests */
	unsigned nqueues;
	struct disk_limits limits;
	uint32_t timeout_us;		/* deadline of a command; from the configuration, default 30 s */
	void *queue;			/* for hw/disk.c */

	/*
	 * Set by the client, may be NULL.  disk_run() calls this at the end of a poll or tick that completed requests, so that
	 * the client interrupts once per batch.  It may submit and kick.  Not called for a done() from inside disk_submit().
	 */
	void (*client_batch_end)(struct disk *disk);

	/* Set by the client, may be NULL: nblocks has changed.  From poll or tick, as the owner.  It may submit and kick. */
	void (*client_resized)(struct disk *disk);

	/* Set by the client, may be NULL: a firmware interface starts the guest from this disk.  Start only. */
	void (*client_booted)(struct disk *disk);
	void *client_ctx;

	uint64_t cnt_commands, cnt_splits, cnt_bounced, cnt_bounced_bytes, cnt_errors, cnt_timeouts;
};

/* The heap memory that disk_init() takes for one queue of @tags commands: see MEM_COST(). */
#define DISK_SLOT		160u
#define DISK_BOUNCE		65536u
#define DISK_MEMORY(tags)	(MEM_COST(512) + MEM_COST((tags) * (DISK_SLOT + DISK_MAX_SEGS * sizeof(struct sg))) + \
				 MEM_COST_PAGES(DISK_BOUNCE))

/* For drivers, at probe, when the fields above are set: allocate command and bounce memory.  Returns 0 or -ERR_NOMEM. */
int disk_init(struct disk *disk);
void disk_fini(struct disk *disk);	/* undoes disk_init() in an unwind */

/* Register the cnt_ fields under the disk's name, when the disk is sure to stay.  A second call does nothing. */
void disk_counters(struct disk *disk);

/* For drivers: complete a command, and start waiting ones.  Status as in disk_req.done. */
void disk_cmd_done(struct disk *disk, struct disk_cmd *cmd, int status);

/* For drivers, at the end of poll, tick or recovery: offer waiting commands again and kick. */
void disk_run(struct disk *disk);

/* For the client.  Rings nothing until disk_kick(). */
void disk_submit(struct disk *disk, unsigned q, struct disk_req *req);
void disk_kick(struct disk *disk, unsigned q);

/* For the client: drop all its requests without done(); see disk_ops.abort_all. */
void disk_reset(struct disk *disk);

/*
 * Make the disk a window: the blocks [@first, @first + @n).  hw/disk.c, and no other code, checks every request against this
 * range and adds @first.  Returns 0, or -ERR_INVAL if the range is empty or not inside the disk.  Call this once per disk,
 * while no request is outstanding.  A flush still flushes the whole disk.
 */
int disk_set_window(struct disk *disk, uint64_t first, uint64_t n);

/*
 * Read @n blocks to @buf, in Veneer's own memory, and wait by polling.  Start only, while the disk has no client or its client
 * is idle.  Returns 0 or a negative error; bounded by the disk's timeout.
 */
int disk_read_now(struct disk *disk, uint64_t lba, void *buf, uint32_t n);

/*
 * For snapshots (CONFIG_STATE): while the client has no request, make one to the blocks of @range, of the whole disk, and wait
 * by polling; @lba counts from the range's first.  @buf is Veneer's own memory.  Adds to *@found what the polls found.  Returns
 * 0 or a negative error; bounded by the disk's timeout.
 */
struct disk_range { uint64_t first, nblocks; };
int disk_at_rest(struct disk *disk, const struct disk_range *range, enum disk_op op, uint64_t lba, void *buf, uint32_t n,
		 unsigned *found);

/* After a disk_reset() with disk.patient: true if the client may reuse the memory of the dropped requests. */
static inline bool disk_quiet(struct disk *disk)
{
	return !disk->ops->quiet || disk->ops->quiet(disk);
}

/* Return the number of requests accepted and not yet done. */
unsigned disk_outstanding(const struct disk *disk);

#endif
