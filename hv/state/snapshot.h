/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A snapshot of the running guest on a partition, and the start that goes on from it (CONFIG_STATE, veneer,state).
 *
 * A guest that writes to its disks after a snapshot makes it useless: then its memory does not fit to the disks.  So a snapshot
 * ends with the machine switched off, unless no disk is writable; once a guest has started anew with a disk that it can write
 * to, no snapshot is good any more.  A resume makes all useless, also if no disk is writable: two guests that go on from one
 * snapshot would have the same keys and give the same random numbers.
 */
#ifndef HV_STATE_SNAPSHOT_H
#define HV_STATE_SNAPSHOT_H

#include <veneer/types.h>

struct vcpu;

/* The heap that snapshot_start() takes, less what it takes for each processor. */
#define SNAPSHOT_NEED		(320u << 10)
#define SNAPSHOT_NEED_CPU	(16u << 10)

/*
 * All parts have been added.  Take memory, and look at the partition.  What prevents snapshots gets a line, and they are off.
 * With @resume: look for a snapshot that this machine can go on from.  True if there is one.  Nothing is written.  Start only.
 */
bool snapshot_start(bool resume);

/*
 * After true, and when all is ready for the guest's first instruction: load.  Does not return if that fails: what was checked
 * has changed since.  Start only.
 */
void snapshot_resume(void);

/*
 * The guest starts anew: drop what does not fit to its disks then, also if snapshots are off.  False after a line if a snapshot
 * stays that can be resumed: the guest must not start.  Start only.
 */
bool snapshot_forget(void);

/*
 * VENEER_CALL_SNAPSHOT of <veneer/hypercall.h>, on the guest's behalf: note the wish.  0, or a negative error: there will be no
 * snapshot.  Then snapshot_run() on the same processor, between this exit and the next.
 */
int64_t snapshot_ask(uint64_t flags);
void snapshot_run(struct vcpu *v);

#endif
