/* SPDX-License-Identifier: BSD-2-Clause */
/* The partition of snapshots on a concealed disk (CONFIG_STATE). */
#ifndef CONCEAL_MEDIUM_H
#define CONCEAL_MEDIUM_H

#include <veneer/hwdev.h>
#include <veneer/partition.h>

/* Look for the partition on the whole of @disk: before window_place().  False if there is none that can be used. */
bool window_state(struct disk *disk, struct partition *out);

/*
 * After window_place(): snapshots go to @part of @disk, unless the guest sees a part of it, or another disk has such a
 * partition, too.  Logs what is the case.
 */
void medium_offer(struct disk *disk, const struct partition *part);

/* All disks have been seen. */
void medium_settle(void);

/* Tell hv/state of a disk for which there is a twin.  @disk lives for ever. */
void medium_disk(const char *twin, struct disk *disk, bool writable);

#endif
