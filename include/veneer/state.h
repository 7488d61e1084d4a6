/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state of the machine as one piece of data (CONFIG_STATE; docs/state-format.md): each part of Veneer that holds some of
 * the guest's machine saves and loads its own.
 *
 * The order for all parts together: the guest's processors gathered (hv/smp/gather.h); all owners held; trap_hold(); rest();
 * save(), or bad() and then load(); go_on(); trap_let_go(); the owners released; the processors let go.  Between rest() and
 * go_on() nothing of the part changes, by itself or by another processor that is in the host, and no part writes to the
 * guest's memory.
 */
#ifndef VENEER_STATE_H
#define VENEER_STATE_H

#include <veneer/types.h>

struct owner;

/* A table that stays mapped. */
struct state_ops {
	/* Work in flight gets @us microseconds to end; what then remains becomes part of the state. */
	void (*rest)(void *ctx, uint32_t us);

	/* Write part->size bytes.  Equal states give equal bytes. */
	void (*save)(void *ctx, void *to);

	/* NULL, or why load() cannot take these part->size bytes, which may be anything.  Changes nothing. */
	const char *(*bad)(void *ctx, const void *from);

	/* Take bytes that are not bad.  Cannot fail; save() gives them back. */
	void (*load)(void *ctx, const void *from);

	/* CONFIG_STATE_TEST, at rest: change all that load() has to set.  NULL: nothing. */
	void (*scribble)(void *ctx);

	/* Let the part work again, as its state says. */
	void (*go_on)(void *ctx);
};

struct state_part {
	const char *name;		/* of the section: at most 15 characters, unlike all others */
	uint16_t version;		/* of the section's data */
	uint32_t size;			/* of the section's data */
	struct owner *owner;		/* held from before rest() until after go_on(); NULL: none */
	const struct state_ops *ops;
	void *ctx;
	struct state_part *next;	/* for hv/state */
};

/*
 * Where snapshots are: a range of blocks on a disk, which the guest does not see.  Called at rest, or at the start.  Each call
 * waits for the end of its request; bounded.  @block counts from the range's first; @buf is Veneer's own memory, @n not 0.
 * Return 0 or a negative error.
 */
struct state_medium {
	uint32_t block_size;		/* 512 to 4096 bytes */
	uint64_t nblocks;
	int (*read)(void *ctx, uint64_t block, void *buf, uint32_t n);
	int (*write)(void *ctx, uint64_t block, const void *buf, uint32_t n);
	int (*flush)(void *ctx);	/* what has been written is on the medium */
	int (*flush_guest)(void *ctx);	/* so is what the guest has written to any disk; a line names one that fails */
	void *ctx;
};

#define STATE_MAX_DISKS	32u		/* with more, snapshots are off */

/* The one partition of snapshots, which lives for ever.  Start only. */
void state_use_medium(const struct state_medium *m);

/* A disk of the guest's, as it stands in a snapshot.  A machine that goes on from the snapshot has the same ones. */
struct state_disk {
	char name[8], serial[24];	/* the twin's, and the real disk's; filled up with zeros */
	uint64_t first, nblocks;	/* what the guest sees of it */
	uint32_t block_size;
	uint32_t writable;		/* by the guest: 1 or 0 */
};

/* Start only. */
void state_add_disk(const struct state_disk *d);

/* False while bad() is asked before the guest's RAM has been loaded: what is in the RAM says nothing then. */
bool state_has_ram(void);

/* Add a part, which lives for ever.  Sections have the order of these calls.  Start only. */
void state_add(struct state_part *part);

#endif
