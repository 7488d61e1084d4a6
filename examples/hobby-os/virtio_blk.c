/* SPDX-License-Identifier: BSD-2-Clause */
/* Virtio 1.2 section 5.2. */
#include "virtio_blk.h"

#define BLK_F_RO		(1ull << 5)
#define BLK_F_BLK_SIZE		(1ull << 6)
#define BLK_F_FLUSH		(1ull << 9)
#define BLK_CONFIG_CAPACITY	0
#define BLK_CONFIG_BLK_SIZE	20

#define BLK_S_OK		0
#define BLK_S_IOERR		1
#define BLK_S_UNSUPP		2
#define STATUS_PENDING		0xff

#define GET_ID_LENGTH		20u
#define WAIT_MS			30000

struct disk disks[DISKS_MAX];
unsigned int disk_count;

/* Slot n of every disk uses buffer n: the commands work with one disk at a time. */
static uint8_t buffers[DISK_SLOTS][DISK_BUFFER] __attribute__((aligned(4096)));

struct disk_slot *disk_slot(struct disk *d, unsigned int depth)
{
	for (unsigned int i = 0; i < depth && i < DISK_SLOTS; i++)
		if (!d->slots[i].busy)
			return &d->slots[i];
	return NULL;
}

static const char *op_name(uint32_t op)
{
	return op == DISK_READ ? "read" : op == DISK_WRITE ? "write" : op == DISK_FLUSH ? "flush" : "get id";
}

int disk_submit(struct disk *d, struct disk_slot *s, enum disk_op op, uint64_t lba, uint32_t sectors)
{
	uint32_t bytes = op == DISK_GET_ID ? GET_ID_LENGTH : sectors * d->sector_size;
	struct virtq_buf bufs[3] = { { &s->header, sizeof(s->header), false } };
	unsigned int n = 1;
	int head;

	if (d->dead) {
		printf("%s: has been given up\n", d->dev.name);
		return -1;
	}
	s->header.type = op;
	s->header.sector = lba * (d->sector_size / 512);
	s->status = STATUS_PENDING;
	s->lba = lba;
	s->sectors = sectors;
	if (bytes)
		bufs[n++] = (struct virtq_buf){ s->data, bytes, op != DISK_WRITE };
	bufs[n++] = (struct virtq_buf){ &s->status, 1, true };
	head = virtq_add(&d->dev.vq[0], bufs, n);
	if (head < 0) {
		printf("%s: the ring is full\n", d->dev.name);
		return -1;
	}
	d->slot_of[head] = s - d->slots;
	s->busy = true;
	virtq_kick(&d->dev.vq[0]);
	return 0;
}

struct disk_slot *disk_wait(struct disk *d)
{
	struct deadline end = deadline_in_ms(WAIT_MS);
	struct disk_slot *s;
	uint32_t len;
	int head;

	while ((head = virtq_done(&d->dev.vq[0], &len)) < 0) {
		if (deadline_passed(end)) {
			printf("%s: no request completes within %u s, status %02x; giving it up\n", d->dev.name, WAIT_MS / 1000,
			       virtio_status(&d->dev));
			virtio_reset(&d->dev);	/* stop writes to the buffers */
			d->dead = true;
			return NULL;
		}
		irq_wait();
	}
	s = &d->slots[d->slot_of[head]];
	s->busy = false;
	return s;
}

bool disk_failed(const struct disk *d, const struct disk_slot *s)
{
	uint8_t status = *(const volatile uint8_t *)&s->status;

	if (status == BLK_S_OK)
		return false;
	printf("%s: %s of %u sectors at %llu: ", d->dev.name, op_name(s->header.type), s->sectors, s->lba);
	if (status == BLK_S_IOERR)
		printf("I/O error\n");
	else if (status == BLK_S_UNSUPP)
		printf("not supported\n");
	else
		printf("odd status %02x\n", status);
	return true;
}

int disk_request(struct disk *d, enum disk_op op, uint64_t lba, uint32_t sectors)
{
	struct disk_slot *s;

	if (disk_submit(d, &d->slots[0], op, lba, sectors))
		return -1;
	s = disk_wait(d);
	return s && !disk_failed(d, s) ? 0 : -1;
}

void disk_print(const struct disk *d)
{
	printf("%s: %llu sectors of %u bytes, %s, serial %s\n", d->dev.name, d->sectors, d->sector_size,
	       d->read_only ? "read-only" : "writable", d->serial[0] ? d->serial : "none");
}

static void get_serial(struct disk *d)
{
	if (disk_request(d, DISK_GET_ID, 0, 0))
		return;
	memcpy(d->serial, d->slots[0].data, GET_ID_LENGTH);	/* without a final zero if it has 20 characters */
	for (char *c = d->serial; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
}

static int disk_init(struct disk *d, pci_bdf bdf)
{
	uint64_t capacity;

	if (virtio_find(&d->dev, bdf) || virtio_start(&d->dev, BLK_F_RO | BLK_F_BLK_SIZE | BLK_F_FLUSH) ||
	    virtq_init(&d->dev, 0))
		return -1;
	if (d->dev.vq[0].size > ARRAY_SIZE(d->slot_of)) {
		printf("%s: a ring of more than %u\n", d->dev.name, ARRAY_SIZE(d->slot_of));
		return -1;
	}
	for (unsigned int i = 0; i < DISK_SLOTS; i++)
		d->slots[i].data = buffers[i];
	d->sector_size = d->dev.features & BLK_F_BLK_SIZE ? virtio_config32(&d->dev, BLK_CONFIG_BLK_SIZE) : 512;
	if (d->sector_size < 512 || d->sector_size > DISK_BUFFER || d->sector_size % 512) {
		printf("%s: sectors of %u bytes\n", d->dev.name, d->sector_size);
		return -1;
	}
	capacity = virtio_config64(&d->dev, BLK_CONFIG_CAPACITY);
	d->sectors = divide(capacity, d->sector_size / 512, NULL);
	d->read_only = d->dev.features & BLK_F_RO;
	virtio_go(&d->dev);
	get_serial(d);
	return 0;
}

static void disk_found(pci_bdf bdf)
{
	struct disk *d = &disks[disk_count];

	if (!virtio_match(bdf, VIRTIO_TYPE_BLK))
		return;
	if (disk_count == DISKS_MAX) {
		printf("disk: more than %u disks\n", DISKS_MAX);
		return;
	}
	memcpy(d->dev.name, "disk0", 6);
	d->dev.name[4] += disk_count;
	if (disk_init(d, bdf)) {
		if (d->dev.common || d->dev.io)
			virtio_fail(&d->dev);
		memset(d, 0, sizeof(*d));
		return;
	}
	disk_count++;
	disk_print(d);
}

void disk_init_all(void)
{
	pci_for_each(disk_found);
}
