/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio device on PCI, by its legacy registers (ports in BAR0) or by the modern capabilities, and its queues.
 *
 * A driver calls virtio_find(), virtio_start(), virtq_init() for its queues, virtio_go(); then virtq_add() and virtq_kick() to
 * give buffers to the device, virtq_done() to get them back.
 */
#ifndef HOBBY_VIRTIO_H
#define HOBBY_VIRTIO_H

#include "pci.h"

enum virtio_transport { VIRTIO_LEGACY, VIRTIO_MODERN };
extern enum virtio_transport virtio_transport;		/* from the command line */

#define VIRTIO_TYPE_NET		1
#define VIRTIO_TYPE_BLK		2

#define VIRTIO_F_VERSION_1	(1ull << 32)

#define STATUS_ACKNOWLEDGE	0x01
#define STATUS_DRIVER		0x02
#define STATUS_DRIVER_OK	0x04
#define STATUS_FEATURES_OK	0x08
#define STATUS_NEEDS_RESET	0x40
#define STATUS_FAILED		0x80

struct vring_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

#define DESC_NEXT	1
#define DESC_WRITE	2

struct vring_avail {
	uint16_t flags, idx, ring[];
};

struct vring_used {
	uint16_t flags, idx;
	struct { uint32_t id, len; } ring[];
};

#define USED_NO_NOTIFY	1

struct virtio_dev;

struct virtq {
	struct virtio_dev *dev;
	uint16_t index, size;
	uint16_t free_head, free_count;
	uint16_t last_used;
	volatile struct vring_desc *desc;
	volatile struct vring_avail *avail;
	volatile struct vring_used *used;
	volatile uint16_t *notify;		/* modern */
	volatile bool signalled;		/* an interrupt came since the ring was last found empty */
};

#define VIRTIO_QUEUES	3

struct virtio_dev {
	char name[8];
	pci_bdf bdf;
	enum virtio_transport transport;
	uint64_t features;			/* the negotiated features */
	uint16_t io;				/* legacy */
	volatile uint8_t *common, *isr, *config, *notify;	/* modern */
	uint32_t notify_multiplier;
	bool waits_for_interrupt;		/* read rings only after an interrupt */
	volatile uint32_t *msix_table;		/* NULL: MSI-X is off */
	unsigned int msix_entries;
	volatile bool config_changed;
	struct virtq vq[VIRTIO_QUEUES];
};

/* True if this is a virtio device of @type. */
bool virtio_match(pci_bdf bdf, unsigned int type);

/* Find the registers, reset the device.  0, or -1 after a message. */
int virtio_find(struct virtio_dev *d, pci_bdf bdf);

/* Accept the features of @wanted that the device offers.  0, or -1 after a message. */
int virtio_start(struct virtio_dev *d, uint64_t wanted);

/* Make queue @index.  0, or -1 after a message. */
int virtq_init(struct virtio_dev *d, uint16_t index);

/* Set DRIVER_OK: the device starts. */
void virtio_go(struct virtio_dev *d);

/* Reset: the device no longer accesses memory.  0, or -1 after a message. */
int virtio_reset(struct virtio_dev *d);

/* Give up on a device. */
void virtio_fail(struct virtio_dev *d);

uint8_t virtio_status(struct virtio_dev *d);

/* Read the device configuration. */
uint8_t virtio_config8(struct virtio_dev *d, uint32_t off);
uint16_t virtio_config16(struct virtio_dev *d, uint32_t off);
uint32_t virtio_config32(struct virtio_dev *d, uint32_t off);
uint64_t virtio_config64(struct virtio_dev *d, uint32_t off);

struct virtq_buf {
	const void *addr;
	uint32_t len;
	bool device_writes;
};

/* Give the device a chain of @n buffers.  Return its head, which virtq_done() will return, too, or -1 if the ring is full. */
int virtq_add(struct virtq *q, const struct virtq_buf *bufs, unsigned int n);
/* Notify the device, unless it needs no notification. */
void virtq_kick(struct virtq *q);
/* Return the head of a completed chain, or -1.  @len: bytes that the device wrote. */
int virtq_done(struct virtq *q, uint32_t *len);

/* Read the cause of the interrupt (1: a queue, 2: the configuration); the read clears it and withdraws INTx. */
uint8_t virtio_isr(struct virtio_dev *d);

/* intx.c: let the device interrupt by its line: 0, or -1 after a message.  Forget a device that the driver gives up. */
int intx_enable(struct virtio_dev *d);
void intx_forget(struct virtio_dev *d);

/* msix.c: route changes of the configuration / a queue to a vector of its own.  0, or -1 after a message. */
int msix_enable(struct virtio_dev *d);
int msix_queue_vector(struct virtq *q);

/* virtio.c, for msix.c: write the table entry of a queue / of configuration changes; return the value read back. */
uint16_t virtio_set_queue_entry(struct virtio_dev *d, uint16_t index, uint16_t entry);
uint16_t virtio_set_config_entry(struct virtio_dev *d, uint16_t entry);

#endif
