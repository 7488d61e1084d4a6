/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An NVMe controller as a model, by the NVM Express base specification 1.4 (and TP 4056/4053 for command sets and zones in
 * Identify).  Beyond QEMU's own controller, on request: asynchronous events, Abort, commands that never complete, one queue
 * only, submission entries of 128 bytes, namespaces that are zoned or have metadata, a subsystem reset, a long CAP.TO.
 *
 * nvme.c has the registers and the queues, nvme_admin.c the admin commands, nvme_io.c data and the I/O commands.
 */
#ifndef NVME_MODEL_H
#define NVME_MODEL_H

#include "model.h"

#define NVME_PAGE	4096u
#define NVME_QUEUES	5u		/* with the admin queue */
#define NVME_DEPTH	256u		/* largest I/O queue */
#define NVME_SPACES	4u
#define NVME_HELD	64u		/* commands held back, with Asynchronous Event Requests */
#define NVME_AER_LIMIT	4u
#define NVME_EVENTS	8u

enum nvme_kind { NVME_NVM, NVME_ZONED, NVME_META };

struct nvme_space {
	uint8_t *data;			/* the caller's; NULL: no such namespace */
	uint64_t blocks;
	unsigned shift;			/* log2 of the block size */
	enum nvme_kind kind;
};

struct nvme_queue {
	uint64_t addr;
	uint32_t size, head, tail;	/* size 0: no such queue */
	unsigned cq;			/* its completion queue; completion queue: its submission queues */
	bool phase, irq;
};

struct nvme_command {
	uint8_t opcode, flags;
	uint16_t id;
	uint32_t nsid;
	uint64_t reserved, metadata, prp[2];
	uint32_t dw[6];			/* 10 to 15 */
};

struct nvme_held {
	bool used, event;
	unsigned sq;
	uint16_t id;
};

struct nvme {
	struct model m;
	struct nvme_space space[NVME_SPACES];
	struct nvme_queue sq[NVME_QUEUES], cq[NVME_QUEUES];
	struct nvme_held held[NVME_HELD];
	uint32_t event[NVME_EVENTS];	/* events that wait for a request: dword 0 of the completion */
	unsigned nevents, events_masked;
	uint32_t cc, csts, intms, aqa;
	uint64_t asq, acq;
	uint64_t ready_us, shutdown_us;	/* time at which CSTS follows CC; MODEL_NEVER: no change is pending */
	uint64_t overdue_us;		/* the end of CAP.TO after a change of CC.EN */
	unsigned granted;		/* I/O queues granted by Set Features; 0: not requested yet */
	uint32_t event_config, changed;	/* changed: bits by namespace */
	bool write_cache;

	/* Options and faults. */
	char serial[21];
	unsigned queues, ready_ms, timeout, mdts, entry;	/* timeout: CAP.TO; mdts; entry: log2 of a submission entry */
	/* Numbers of the next I/O commands to hold, or to fail with status 281h, and of the next messages to lose. */
	unsigned hold, fail, lose_irqs;
	unsigned warning;			/* critical warning: first byte of the health log */
	/* stuck: CSTS.RDY never follows CC.EN.  gone: pulled.  subsystem: can be reset as a whole.  no_abort: Abort fails. */
	bool stuck, fatal, gone, subsystem, no_abort;
};

void nvme_init(struct nvme *n);

static inline struct nvme *nvme_of(struct model *m)
{
	return (struct nvme *)((char *)m - offsetof(struct nvme, m));
}

#define nvme_broken(chip, ...)	model_broken(&(chip)->m, __VA_ARGS__)

/* Status of a completion: type and code, without the phase (1.4, 4.6.1). */
#define NVME_OK			0x000u
#define NVME_OPCODE		0x001u
#define NVME_FIELD		0x002u
#define NVME_TRANSFER		0x004u
#define NVME_ABORTED		0x007u
#define NVME_NAMESPACE		0x00bu
#define NVME_COMMAND_SET	0x02cu
#define NVME_RANGE		0x080u
#define NVME_CQ_INVALID		0x100u
#define NVME_QID_INVALID	0x101u
#define NVME_SIZE_INVALID	0x102u
#define NVME_AER_EXCEEDED	0x105u
#define NVME_VECTOR_INVALID	0x108u
#define NVME_LOG_INVALID	0x109u
#define NVME_DELETE_INVALID	0x10cu
#define NVME_UNRECOVERED	0x281u
#define NVME_LATER		0xffffu		/* the command completes later */

void nvme_complete(struct nvme *n, unsigned sq, uint16_t id, uint32_t result, unsigned status);
unsigned nvme_admin(struct nvme *n, const struct nvme_command *c, uint32_t *result);
unsigned nvme_io(struct nvme *n, unsigned sq, const struct nvme_command *c);

/* Copy @len bytes between @buf and the memory of the command's PRPs.  Return a status. */
unsigned nvme_transfer(struct nvme *n, const struct nvme_command *c, void *buf, size_t len, bool to_host);

/* Hold a command back.  False if there is no room. */
bool nvme_hold(struct nvme *n, unsigned sq, uint16_t id, bool event);
/* Report waiting events by completing held requests. */
void nvme_report_events(struct nvme *n);
/* Return a namespace by its number, or NULL. */
struct nvme_space *nvme_find_space(struct nvme *n, uint32_t nsid);

#endif
