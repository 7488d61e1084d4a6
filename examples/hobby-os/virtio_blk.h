/* SPDX-License-Identifier: BSD-2-Clause */
/* Disks by virtio-blk.  Sectors are the disk's logical blocks (512 or 4096 bytes). */
#ifndef HOBBY_VIRTIO_BLK_H
#define HOBBY_VIRTIO_BLK_H

#include "virtio.h"

#define DISKS_MAX		8
#define DISK_SLOTS		32		/* maximum of requests in flight */
#define DISK_BUFFER		65536u		/* maximum of bytes in one request */

enum disk_op { DISK_READ = 0, DISK_WRITE = 1, DISK_FLUSH = 4, DISK_GET_ID = 8 };

struct disk_header {
	uint32_t type, reserved;
	uint64_t sector;			/* in units of 512 bytes, for every disk */
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
	bool dead;				/* a request never completed: make no more */
	char serial[21];
	struct disk_slot slots[DISK_SLOTS];
	uint8_t slot_of[1024];			/* by head of chain */
};

extern struct disk disks[DISKS_MAX];
extern unsigned int disk_count;

/* Bring up every virtio-blk device and print a line for each. */
void disk_init_all(void);
void disk_print(const struct disk *d);

/* Return a free slot; NULL if @depth requests are in flight. */
struct disk_slot *disk_slot(struct disk *d, unsigned int depth);
/* Start @op with slot->data.  0, or -1 after a message. */
int disk_submit(struct disk *d, struct disk_slot *s, enum disk_op op, uint64_t lba, uint32_t sectors);
/* Wait for a completed slot, which the caller may reuse; NULL (with a message) after 30 s without a completion. */
struct disk_slot *disk_wait(struct disk *d);
/* Make one request and wait for its end, with slots[0].  0, or -1 after a message such as "I/O error". */
int disk_request(struct disk *d, enum disk_op op, uint64_t lba, uint32_t sectors);
/* True if @s failed; prints the reason. */
bool disk_failed(const struct disk *d, const struct disk_slot *s);

#endif
