/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The NVMe driver's state, and the functions that its files share.
 *
 *   nvme_pci.c       matching, probe, taking apart
 *   nvme_identify.c  Identify data of the controller and its namespaces; makes disks of namespaces
 *   nvme.c           queues: commands in, completions out, interrupts
 *   nvme_event.c     asynchronous events: warnings, namespaces that change or go
 *   nvme_recover.c   the state machine that brings a controller up, again and again; deadlines; shutdown
 *
 * One I/O queue pair serves all namespaces.  A command identifier is the index of a slot; a slot keeps a copy of its
 * entry and its PRP list, so that a reset can put it into the queue again.
 *
 * Completions are reaped (completion queue -> slot -> list of finished slots) and delivered (disk_cmd_done()) in
 * separate steps: abort_all() and shutdown() must reap without calling a client.
 */
#ifndef NVME_H
#define NVME_H

#include <veneer/disk.h>
#include <veneer/hwdev.h>
#include "nvme_regs.h"

/* Quirks: flags in the ID table. */
#define NVME_Q_DELAY_RDY	BIT(0)	/* do not read CSTS.RDY for 2.3 s after a disable */
#define NVME_Q_STRIPE		BIT(1)	/* commands should not cross boundaries of the largest transfer */
#define NVME_Q_QDEPTH_2		BIT(2)	/* loses data with more than one command in the I/O queue */
#define NVME_Q_MQES_LIES	BIT(3)	/* CAP.MQES = 0 means 64 entries */
#define NVME_Q_MEDIUM_PRIO	BIT(4)	/* the I/O submission queue must have medium priority */
#define NVME_Q_NO_WRITE_ZEROES	BIT(5)	/* announces Write Zeroes, which does not work */
#define NVME_Q_NO_NS_LIST	BIT(6)	/* supports only CNS 0 and 1 */
#define NVME_Q_DRAINS		BIT(7)	/* the write of CC.EN = 0 does not return before all commands end, hung ones too */

#define NVME_MAX_DISKS		32u
#define NVME_IO_ENTRIES		64u
#define NVME_ADMIN_ENTRIES	16u
#define NVME_ADMIN_CMDS		5u	/* one each: event request, event step, Abort, Set Features, test of the line */
#define NVME_PRP_LIST		256u	/* entries; with PRP1 this is 1 MiB from any first offset */
#define NVME_MAX_BYTES		(NVME_PRP_LIST * 4096u)
#define NVME_NO_SLOT		0xffffu

#define NVME_ADMIN_US		10000000u	/* an admin command; no specification bounds it */
#define NVME_ABORT_US		1000000u	/* time for Abort before the controller is reset */
#define NVME_NOT_READY_US	100000u		/* pause before a command to a namespace that is not ready is repeated */
#define NVME_MAX_RESUBMITS	3u		/* resets after which a command is resubmitted: it may be their cause */
#define NVME_MAX_SILENCES	8u		/* admin commands without an answer, after which a start fails */

struct nvme;

struct nvme_queue {
	struct nvme_sqe *sq;
	volatile struct nvme_cqe *cq;
	volatile void *sq_db, *cq_db;
	uint16_t size;			/* entries of each */
	uint16_t tail, rung;		/* next entry to fill; tail as the controller knows it */
	uint16_t head, acked;		/* next entry to read; head as the controller knows it */
	uint32_t phase;			/* NVME_DW3_PHASE or 0: what a new entry carries */
};

/* One namespace. */
struct nvme_ns {
	struct disk disk;
	struct nvme *n;
	uint64_t nsze;			/* blocks of the namespace, of which the disk may be a window */
	uint32_t format;		/* the LBA format at the start */
	bool resized;			/* the client has not been told the new size yet */
	bool deac;			/* Write Zeroes may deallocate and still reads zeroes */
	bool fua;			/* the client wants no volatile cache: every write carries FUA */
	bool draining;			/* the hardware still has dropped commands: start nothing before they complete */
	bool flush_due, flushing;	/* the driver's own Flush, which makes all earlier writes stable */
};

enum nvme_slot_state {
	SLOT_FREE,
	SLOT_HW,			/* in the queue: the controller may do DMA for it */
	SLOT_HELD,			/* waits to be put into the queue again */
	SLOT_DONE,			/* finished, in the list of finished slots */
};

struct nvme_slot {
	struct nvme_sqe sqe;
	struct nvme_ns *ns;
	struct disk_cmd *cmd;		/* NULL: the driver's own Flush, or dropped by its client */
	uint64_t *prp;			/* NVME_PRP_LIST entries, not crossing a page */
	uint64_t deadline_us;
	uint64_t not_before_us;		/* SLOT_HELD */
	int status;			/* SLOT_DONE */
	enum nvme_slot_state state;
	uint8_t resubmits;
	bool own;			/* the driver's Flush */
	bool timed_out;
};

/* An admin command in flight; done() may submit others. */
struct nvme_admin {
	void (*done)(struct nvme *n, unsigned status, uint32_t dw0);	/* NULL: free */
	uint64_t deadline_us;
};

enum nvme_state {
	NVME_DISABLING,			/* CC.EN is 0, CSTS.RDY = 0 is awaited */
	NVME_ENABLING,			/* CC.EN is 1, CSTS.RDY = 1 is awaited */
	NVME_SETUP,			/* admin commands create the I/O queues */
	NVME_LIVE,
	NVME_STOPPED,			/* by shutdown() */
	NVME_GONE,			/* removed or beyond recovery */
};

struct nvme {
	struct hw_dev dev;
	volatile uint8_t *regs;
	uint64_t cap;
	uint32_t vs, quirks, page_size, cc;
	uint64_t ready_us;		/* the maximum time for a change of CSTS.RDY, from CAP.TO */
	struct nvme_queue admin, io;
	struct nvme_admin admin_cmd[NVME_ADMIN_CMDS];
	void *id_buf;			/* 4 KiB for Identify data or a log page, one at a time */

	struct nvme_slot *slot;
	unsigned nslots;
	unsigned next_slot;		/* first slot of the search for a free one: the identifier that is unused for longest */
	uint64_t *prp_mem;
	uint16_t finished[NVME_IO_ENTRIES];	/* ring of SLOT_DONE slots */
	unsigned fin_head, fin_tail;

	enum nvme_state state;
	unsigned setup_step;
	uint32_t skip_steps;		/* bit per optional step of NVME_SETUP that got no answer */
	uint64_t check_after_us, state_deadline_us;
	uint64_t settled_us;		/* until then commands that fail with Namespace Not Ready are repeated */
	bool master_is_off;
	bool was_live;
	bool offer;			/* a start() was refused: offer the disks to submit again */
	struct {
		uint16_t cid;		/* NVME_NO_SLOT: none */
		bool busy;		/* the Abort command is in flight */
		uint64_t until_us;
	} abort;
	struct {
		uint32_t due;		/* bit per disk: its namespace is to be identified again */
		unsigned count, lines;
		bool busy;		/* the commands that follow an event are in flight */
		bool off;		/* one of them got no answer: request no more events */
	} event;
	struct {
		bool done;
		unsigned status;
		uint32_t dw0;
		unsigned silences;
	} sync;				/* nvme_admin_sync() */
	bool vwc, vwc_due, vwc_busy;	/* has a volatile write cache; Set Features is due; is in flight */
	bool irq_on, irq_pin, irq_msix, masked;
	bool said_bad_cqe, said_bad_prp;

	uint64_t max_bytes;		/* of one command, from MDTS */
	uint32_t rtd3e_us, nn, oaes;
	unsigned left_out;		/* number of namespaces that are not used as disks */
	bool no_descriptors;		/* Identify for namespace identification descriptors got no answer */
	bool no_memory;			/* a namespace was left out for lack of memory */
	uint16_t oncs;
	uint32_t dsm_blocks;		/* of one Dataset Management command, 0: no limit */
	uint64_t zero_bytes;		/* of one Write Zeroes command */
	char serial[21], model[41], firmware[9];
	struct nvme_ns *ns[NVME_MAX_DISKS];
	struct disk *disks[NVME_MAX_DISKS];
};

static inline struct nvme *nvme_of(struct hw_dev *dev)
{
	return container_of(dev, struct nvme, dev);
}

/* --- nvme.c --- */

extern const struct disk_ops nvme_disk_ops, nvme_disk_ops_nocache;

uint32_t nvme_read(const struct nvme *n, uint32_t reg);
void nvme_write(struct nvme *n, uint32_t reg, uint32_t v);
uint64_t nvme_read_64(const struct nvme *n, uint32_t reg);
void nvme_write_64(struct nvme *n, uint32_t reg, uint64_t v);

/* Empty both rings of a queue pair; the controller must be disabled or not know the pair yet. */
void nvme_queue_clear(struct nvme_queue *q);

/*
 * Submit and ring an admin command, with a CID filled in here.  @done is called when the command completes, from poll or tick,
 * but never if a reset ends the command.  Returns 0 or -ERR_BUSY.
 */
int nvme_admin_submit(struct nvme *n, struct nvme_sqe *sqe, void (*done)(struct nvme *n, unsigned status, uint32_t dw0));

/*
 * Submit and wait.  Returns 0, -ERR_IO (with @n->sync.status) or -ERR_TIMEOUT; an error is logged with @what.  If the command
 * gets no answer, reset the controller, so that the command can neither write to memory nor complete later.  Then send it once
 * more; an optional command fails with -ERR_IO instead.  So -ERR_TIMEOUT means that the controller is broken.  Start only,
 * before the I/O queues are created.
 */
int nvme_admin_sync(struct nvme *n, struct nvme_sqe *sqe, const char *what);
int nvme_admin_optional(struct nvme *n, struct nvme_sqe *sqe, const char *what);

/* Take completions from both queues.  Calls no client.  Returns their number. */
unsigned nvme_reap(struct nvme *n);

/* The same for the I/O queue of a disabled controller, without writing doorbells. */
void nvme_reap_disabled(struct nvme *n);

/* Call disk_cmd_done() for every finished slot.  Returns their number. */
unsigned nvme_deliver(struct nvme *n);

/* Finish a slot with @status: nvme_deliver() delivers it. */
void nvme_slot_finish(struct nvme *n, struct nvme_slot *s, int status);

/* Put a slot into the queue; ring the queue. */
void nvme_slot_push(struct nvme *n, struct nvme_slot *s);
void nvme_ring(struct nvme_queue *q);

/* Submit the driver's own commands that are due: Flush and Set Features for set_cache. */
void nvme_background(struct nvme *n);

/* Set Features (Volatile Write Cache) to what the clients want now. */
int nvme_send_vwc(struct nvme *n, void (*done)(struct nvme *n, unsigned status, uint32_t dw0));

/* Report changes to the clients, and offer every disk to submit waiting commands. */
void nvme_run_disks(struct nvme *n);

unsigned nvme_poll(struct hw_dev *dev);
void nvme_irq_enable(struct hw_dev *dev, bool on);
bool nvme_peek(struct hw_dev *dev);
bool nvme_mask(struct hw_dev *dev, bool on);
void nvme_intx_test(struct hw_dev *dev, bool assert);

/* --- nvme_event.c --- */

/* Request the next event.  The controller is live or about to be, and has no event request. */
void nvme_event_request(struct nvme *n);

/* Set Features (Asynchronous Event Configuration): select the events to report. */
int nvme_send_events(struct nvme *n, void (*done)(struct nvme *n, unsigned status, uint32_t dw0));

/* --- nvme_recover.c --- */

/* Clear CC.EN and restart the state machine. */
void nvme_disable(struct nvme *n, uint64_t now);

/* Advance the state machine if its condition is met.  Never waits. */
void nvme_advance(struct nvme *n, uint64_t now);

/* Advance until @state.  Returns 0, or a negative error that the state machine has logged.  Start only. */
int nvme_wait_state(struct nvme *n, enum nvme_state state);

/* Send the next command of NVME_SETUP. */
void nvme_setup_next(struct nvme *n);

/* Give the controller up: end its DMA and fail every command. */
void nvme_give_up(struct nvme *n);

void nvme_abort_all(struct disk *disk);
bool nvme_quiet(struct disk *disk);
unsigned nvme_tick(struct hw_dev *dev, uint64_t now);
void nvme_shutdown(struct hw_dev *dev);

/* --- nvme_identify.c --- */

/* Return the LBA format that a namespace uses; 0, which has no valid block size, if its list has no such format. */
uint32_t nvme_lba_format(const struct nvme_id_ns *id);

/* Submit Identify into n->id_buf, at run time; see nvme_admin_submit(). */
int nvme_identify_later(struct nvme *n, uint32_t cns, uint32_t nsid,
			void (*done)(struct nvme *n, unsigned status, uint32_t dw0));

/* Identify the controller and fill in its fields of @n.  The admin queue is enabled. */
int nvme_identify_ctrl(struct nvme *n);

/*
 * Make a disk of each usable namespace, without disk_init(); log why a namespace is left out.  Returns 0, -ERR_NODEV if no
 * namespace is usable, -ERR_NOMEM if there is no memory for any, or -ERR_TIMEOUT if the controller does not answer.
 */
int nvme_scan(struct nvme *n);

#endif
