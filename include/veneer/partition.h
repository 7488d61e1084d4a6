/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Partition tables, read only: GPT (UEFI 2.10 section 5.3), and an MBR with its logical partitions.  Nothing in them is
 * believed before its checksum, where there is one, and its bounds are checked.
 */
#ifndef VENEER_PARTITION_H
#define VENEER_PARTITION_H

#include <veneer/types.h>

struct partition_disk {
	/* One logical block to @buf.  0 or negative. */
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
 * Find a partition.  @buf: one block of scratch that read() can fill.  0; -ERR_NODEV the table has no such partition;
 * -ERR_INVAL it has it, or a damaged GPT has, but it cannot be used: several are called that, it is not inside the disk,
 * another one overlaps it; -ERR_IO the table is damaged; or read()'s error.  *@why then says in words what is wrong, for the
 * end of a line; also with 0, where a broken primary GPT was replaced by the backup at the disk's end.  Else it is empty.
 */
int partition_find(const struct partition_disk *d, const struct partition_want *want, void *buf, struct partition *out,
		   const char **why);

#endif
