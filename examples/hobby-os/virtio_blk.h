/* SPDX-License-Identifier: BSD-2-Clause */
/* Disks by virtio-blk.  Sectors here are the disk's own (512 or 4096 bytes). */
#ifndef HOBBY_VIRTIO_BLK_H
#define HOBBY_VIRTIO_BLK_H

#include "virtio.h"

#define DISKS_MAX		8
#define DISK_SLOTS		32		/* requests under way at once */
#define DISK_BUFFER		65536u		/* bytes in one request, at most */

enum disk_op { DISK_READ = 0, DISK_WRITE = 1, DISK_FLUSH = 4, DISK_GET_ID = 8 };

struct disk_header {
	uint32_t type, reserved;
	uint64_t sector;			/* of 512 bytes, whatever the disk's size */
};

struct disk_slot {
	struct disk_header header;
	uint8_t status;
	bool busy;
	uint64_t lba;
	uint32_t sectors;
	uint8_t *data;				/* DISK_BUFFER bytes */
};

struct disk {
	struct virtio_dev dev;
	uint64_t sectors;
	uint32_t sector_size;
	bool read_only;
	bool dead;				/* a request never completed: no more are made */
	char serial[21];
	struct disk_slot slots[DISK_SLOTS];
	uint8_t slot_of[1024];			/* by head of chain */
};

extern struct disk disks[DISKS_MAX];
extern unsigned int disk_count;

/* Bring up every virtio-blk device and print a line for each. */
void disk_init_all(void);
void disk_print(const struct disk *d);

/* A slot that is free, NULL when all @depth are under way. */
struct disk_slot *disk_slot(struct disk *d, unsigned int depth);
/* Start @op with slot->data.  0, or -1 after a message. */
int disk_submit(struct disk *d, struct disk_slot *s, enum disk_op op, uint64_t lba, uint32_t sectors);
/* A slot that has completed (status says how; its next use is the caller's), NULL (with a message) after 30 s without any. */
struct disk_slot *disk_wait(struct disk *d);
/* One request from start to end, with slots[0].  0, or -1 after a message such as "I/O error". */
int disk_request(struct disk *d, enum disk_op op, uint64_t lba, uint32_t sectors);
/* Print why @s failed.  True when it did. */
bool disk_failed(const struct disk *d, const struct disk_slot *s);

#endif
