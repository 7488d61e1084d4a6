/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading of partition tables: GPT (UEFI 2.10 section 5.3), and an MBR with its logical partitions.  Checksums, if the
 * table has any, and bounds are checked before use.
 */
#ifndef VENEER_PARTITION_H
#define VENEER_PARTITION_H

#include <veneer/types.h>

struct partition_disk {
	/* Read one logical block to @buf.  Returns 0 or a negative error. */
	int (*read)(void *ctx, uint64_t lba, void *buf);
	void *ctx;
	uint32_t block_size;		/* 512 to 4096 */
	uint64_t nblocks;
};

enum partition_by { PARTITION_NUMBER, PARTITION_UUID, PARTITION_LABEL };

struct partition_want {
	enum partition_by by;
	uint32_t number;		/* from 1 */
	const char *name;		/* the PARTUUID as Linux prints it, in either case; or the label, printable ASCII */
};

struct partition {
	uint64_t first, nblocks;	/* inside the disk, nblocks > 0 */
};

/*
 * Find a partition.  @buf is scratch memory for one block, which read() fills.  Returns 0; -ERR_NODEV if the table has no such
 * partition; -ERR_INVAL if the partition cannot be used (several have the name, it is not inside the disk, another partition
 * overlaps it, the GPT is damaged); -ERR_IO if the table is damaged; or read()'s error.  After an error *@why names the reason,
 * for the end of a log line; also after 0, if the backup at the disk's end replaced a damaged primary GPT.  Else *@why is
 * empty.
 */
int partition_find(const struct partition_disk *d, const struct partition_want *want, void *buf, struct partition *out,
		   const char **why);

#endif
