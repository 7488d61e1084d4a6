/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk.  The client (virtio/blk) hands requests to disk_submit(); hw/disk.c cuts each into commands that the
 * controller can do (size, pieces, alignment, page rules), bounces what no cut can help, queues what has no tag yet; the
 * controller drivers (hw/ahci, hw/nvme) implement struct disk_ops and see conforming commands only.
 *
 * Every request completes exactly once by done(), also on error, timeout and reset, unless disk_reset() forgets it.
 * done() may come from inside disk_submit() (bad requests), disk_poll of the controller, or its tick.  done() may
 * submit again.  Guest and client addresses are physical and already checked.
 */
#ifndef VENEER_DISK_H
#define VENEER_DISK_H

#include <veneer/mem.h>
#include <veneer/sg.h>
#include <veneer/types.h>

#define DISK_MAX_SEGS	128u	/* pieces of one request: what virtio-blk announces as seg_max */

enum disk_op { DISK_READ, DISK_WRITE, DISK_FLUSH, DISK_DISCARD, DISK_WRITE_ZEROES };

struct disk;

/* Owned by the client, who keeps it unchanged until done(). */
struct disk_req {
	enum disk_op op;
	bool unmap;		/* DISK_WRITE_ZEROES: may deallocate */
	uint64_t lba;		/* in the disk's logical blocks; unused by FLUSH */
	uint32_t nblocks;	/* > 0 but for FLUSH */
	const struct sg *sg;	/* READ, WRITE: exactly nblocks * block_size bytes, lives until done() */
	unsigned nsg;		/* <= DISK_MAX_SEGS */

	/* 0; -ERR_IO the device failed it; -ERR_TIMEOUT; -ERR_NOTSUP; -ERR_INVAL out of range; -ERR_ROFS. */
	void (*done)(struct disk_req *req, int status);

	/* hw/disk.c's own, while the request is in flight */
	struct {
		struct disk_req *next;
		uint64_t issued_blocks;		/* cut into commands so far */
		unsigned inflight;		/* commands in the controller */
		int status;			/* the first failure */
	} priv;
};

/* What a command may look like.  hw/disk.c guarantees it. */
struct disk_limits {
	uint32_t max_bytes;	/* per command, a multiple of the block size */
	uint16_t max_segs;	/* pieces per command */
	uint32_t max_seg_len;	/* bytes per piece */
	uint32_t addr_align;	/* of each piece's address, a power of two (AHCI: 2) */
	uint32_t len_align;	/* of each piece's length (AHCI: 2) */
	uint32_t page_rule;	/* 0, or the NVMe memory page size: every piece but the first starts, and every piece but the
				   last ends, on such a boundary; the first may start anywhere that addr_align allows */
	uint64_t dma_mask;	/* highest address reached, as a mask; pieces beyond are bounced */
	uint32_t max_discard_blocks, max_zero_blocks;	/* per command; 0 when the disk has no such command */
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
	void *req;		/* hw/disk.c's own */
};

struct disk_ops {
	/*
	 * Put one command into the hardware's queue, not rung yet.  0, or -ERR_BUSY (it will be offered again after the next
	 * completion or tick: e.g. AHCI drains NCQ before a FLUSH, or a recovery runs).  Never calls back from inside.
	 */
	int (*start)(struct disk *disk, unsigned q, struct disk_cmd *cmd);
	void (*kick)(struct disk *disk, unsigned q);

	/*
	 * Forget every command of this disk: when it returns, the device does no DMA for them any more and none of
	 * them will be completed.  Other disks of the same controller keep their commands (resubmitted by the driver where
	 * the controller had to be reset).  Bounded.
	 */
	void (*abort_all)(struct disk *disk);

	/*
	 * Whether the device is done with the commands that abort_all() made it forget while disk.patient was set.  Takes
	 * completions and looks at deadlines, so that asking comes to an end.  NULL: abort_all() has always ended them.
	 */
	bool (*quiet)(struct disk *disk);

	/* Volatile write cache on or off.  0 or negative.  NULL when the disk cannot. */
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
	uint32_t opt_io_blocks, min_io_blocks;	/* 0 unknown */
	uint64_t nblocks;		/* of the window, where there is one */
	uint64_t first_block;		/* of the window; 0: the disk begins where it begins.  See disk_set_window() */
	bool write_cache;		/* volatile cache present and on */
	bool can_set_cache;
	bool flush;			/* has a flush command */
	bool hw_read_only;		/* the device itself says so */
	bool removable;
	bool gone;			/* hot-removed: everything fails with -ERR_NODEV */
	bool patient;			/* the client's: abort_all() may return before quiet(), if that spares the disk */
	unsigned resets;		/* disk_reset()s: what was submitted before one is forgotten */
	unsigned nqueues;
	struct disk_limits limits;
	uint32_t timeout_us;		/* deadline of a command; from the configuration, 30 s when that is silent */
	void *queue;			/* hw/disk.c's own */

	/*
	 * The client's, may be NULL: called by disk_run() at the end of a poll or tick in which requests completed, so that the
	 * client interrupts once per batch.  It may submit and kick.  A done() from inside disk_submit() needs no such
	 * call: the client knows.
	 */
	void (*client_batch_end)(struct disk *disk);

	/* The client's, may be NULL: nblocks has changed.  From poll or tick, as the owner.  It may submit and kick. */
	void (*client_resized)(struct disk *disk);

	/* The client's, may be NULL: a firmware interface starts the guest from this disk.  Start only. */
	void (*client_booted)(struct disk *disk);
	void *client_ctx;

	uint64_t cnt_commands, cnt_splits, cnt_bounced, cnt_bounced_bytes, cnt_errors, cnt_timeouts;
};

/* What disk_init() takes of the heap, for one queue of @tags commands: see MEM_COST(). */
#define DISK_SLOT		160u
#define DISK_BOUNCE		65536u
#define DISK_MEMORY(tags)	(MEM_COST(512) + MEM_COST((tags) * (DISK_SLOT + DISK_MAX_SEGS * sizeof(struct sg))) + \
				 MEM_COST_PAGES(DISK_BOUNCE))

/* For drivers, at probe, after the fields above are set: allocates command and bounce memory.  0 or -ERR_NOMEM. */
int disk_init(struct disk *disk);
void disk_fini(struct disk *disk);	/* undoes disk_init() in an unwind */

/* Register the cnt_ fields under the disk's name, once the disk is there for good.  A second call does nothing. */
void disk_counters(struct disk *disk);

/* For drivers: a command is over.  Status as in disk_req.done.  Completes, and starts what waits. */
void disk_cmd_done(struct disk *disk, struct disk_cmd *cmd, int status);

/* For drivers, at the end of poll, tick or recovery: offer waiting commands again and kick. */
void disk_run(struct disk *disk);

/* For the client.  Rings nothing until disk_kick(). */
void disk_submit(struct disk *disk, unsigned q, struct disk_req *req);
void disk_kick(struct disk *disk, unsigned q);

/* For the client: drop all its requests without done(); see disk_ops.abort_all. */
void disk_reset(struct disk *disk);

/*
 * From now on the disk is [@first, @first + @n) of what it was: every request of every client is checked against that and
 * moved by @first, here and nowhere else.  0, or -ERR_INVAL when that is not inside the disk or empty.  Once per disk, while
 * nothing is outstanding.  Flushes still concern the whole disk.
 */
int disk_set_window(struct disk *disk, uint64_t first, uint64_t n);

/*
 * Read @n blocks and wait for them by polling.  For the start, while the disk has no client or its client is idle;
 * @buf is our own memory.  0 or negative; bounded by the disk's timeout.
 */
int disk_read_now(struct disk *disk, uint64_t lba, void *buf, uint32_t n);

/* After a disk_reset() with disk.patient: whether the memory of the dropped requests is the client's again. */
static inline bool disk_quiet(struct disk *disk)
{
	return !disk->ops->quiet || disk->ops->quiet(disk);
}

/* Requests accepted and not yet done; the client's clock depends on it. */
unsigned disk_outstanding(const struct disk *disk);

#endif
