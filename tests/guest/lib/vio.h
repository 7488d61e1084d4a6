/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Virtio for probes: a probe can write any register and any ring entry, also wrongly.  Rings are in a fixed pool for each
 * device, and begin anew with every vio_open().
 */
#ifndef VIO_H
#define VIO_H

#include "guest.h"

#define VIO_NET			1
#define VIO_BLK			2
#define VIO_ECHO		63	/* the null device, in builds of Veneer that have it */

enum vio_transport { VIO_LEGACY, VIO_MODERN };

/* Legacy registers in BAR0. */
#define L_DEVICE_FEATURES	0
#define L_DRIVER_FEATURES	4
#define L_QUEUE_PFN		8
#define L_QUEUE_SIZE		12
#define L_QUEUE_SELECT		14
#define L_QUEUE_NOTIFY		16
#define L_STATUS		18
#define L_ISR			19
#define L_CONFIG		20
#define L_CONFIG_VECTOR		20		/* these two with MSI-X enabled */
#define L_QUEUE_VECTOR		22
#define L_CONFIG_MSIX		24

/* The common structure. */
#define M_DEVICE_FEATURE_SELECT	0x00
#define M_DEVICE_FEATURE	0x04
#define M_DRIVER_FEATURE_SELECT	0x08
#define M_DRIVER_FEATURE	0x0c
#define M_CONFIG_VECTOR		0x10
#define M_NUM_QUEUES		0x12
#define M_STATUS		0x14
#define M_QUEUE_SELECT		0x16
#define M_QUEUE_SIZE		0x18
#define M_QUEUE_VECTOR		0x1a
#define M_QUEUE_ENABLE		0x1c
#define M_QUEUE_NOTIFY_OFF	0x1e
#define M_QUEUE_DESC		0x20
#define M_QUEUE_DRIVER		0x28
#define M_QUEUE_DEVICE		0x30

#define S_ACKNOWLEDGE		0x01
#define S_DRIVER		0x02
#define S_DRIVER_OK		0x04
#define S_FEATURES_OK		0x08
#define S_NEEDS_RESET		0x40

#define F_BLK_RO		(1ull << 5)
#define F_NET_MAC		(1ull << 5)
#define F_INDIRECT		(1ull << 28)
#define F_VERSION_1		(1ull << 32)

#define D_NEXT			1
#define D_WRITE			2
#define D_INDIRECT		4

#define BLK_IN			0
#define BLK_GET_ID		8
#define BLK_OUT			1
#define BLK_S_OK		0
#define NET_RX			0
#define NET_TX			1

#define VIO_MAX			12
#define VIO_QUEUES		3
#define VIO_QUEUE_BYTES		32768u		/* of the pool, for 1024 entries */

struct vio_desc { uint64_t addr; uint32_t len; uint16_t flags, next; };
struct vio_avail { uint16_t flags, idx, ring[]; };
struct vio_used { uint16_t flags, idx; struct { uint32_t id, len; } ring[]; };

struct vio;

struct vioq {
	struct vio *v;
	uint16_t index, size, last_used;
	volatile struct vio_desc *desc;
	volatile struct vio_avail *avail;
	volatile struct vio_used *used;
	volatile uint8_t *notify;
};

struct vio {
	pci_bdf bdf;
	uint16_t first_command;			/* the command register before vio_scan() wrote it */
	unsigned int type, number;		/* VIO_NET, VIO_BLK or VIO_ECHO; index in vios[] */
	enum vio_transport transport;
	uint16_t io;
	volatile uint8_t *common, *isr, *config, *notify;
	uint32_t notify_multiplier;
	uint8_t window_cap;			/* of type 5 */
	uint64_t features;
	struct vioq q[VIO_QUEUES];
	uint8_t *data;				/* 8 KiB for headers and buffers */
};

extern struct vio vios[VIO_MAX];
extern unsigned int vio_count;

void vio_scan(void);
const char *vio_name(const struct vio *v);	/* "00:02.0 net legacy", valid until the next call */
bool vio_has(const struct vio *v, enum vio_transport t);

/* Read the addresses of the registers again, after a move of a BAR. */
void vio_look(struct vio *v);

/* Choose a transport and reset.  False if the device lacks the transport, or the reset does not end within ten seconds. */
bool vio_open(struct vio *v, enum vio_transport t);
bool vio_reset(struct vio *v);
uint8_t vio_status(struct vio *v);
void vio_set_status(struct vio *v, uint8_t s);
uint64_t vio_offered(struct vio *v);
void vio_set_features(struct vio *v, uint64_t f);
uint8_t vio_isr(struct vio *v);

/* Set ACKNOWLEDGE, DRIVER, those features of @want that are offered (VERSION_1 with the modern interface), FEATURES_OK. */
bool vio_begin(struct vio *v, uint64_t want);
/* Lay out a queue of @size entries (0: the device's size) in the pool; vio_queue() gives it to the device. */
bool vio_layout(struct vio *v, uint16_t index, uint16_t size);
struct vioq *vio_queue(struct vio *v, uint16_t index, uint16_t size);
void vio_set_queue(struct vio *v, uint16_t index, uint64_t desc, uint64_t avail, uint64_t used);
void vio_go(struct vio *v);
/* Do all steps: open, begin, the queues of this type, DRIVER_OK. */
bool vio_start(struct vio *v, enum vio_transport t, uint64_t want);

void vio_desc_set(struct vioq *q, uint16_t i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next);
void vio_put(struct vioq *q, uint16_t head);
void vio_kick(struct vioq *q);
/* Wait for the next used entry. */
bool vio_wait(struct vioq *q, uint32_t ms, uint32_t *id, uint32_t *len);

static inline uint32_t vio_header_size(const struct vio *v) { return v->features & F_VERSION_1 ? 12 : 10; }

/* Do a good block request with descriptors 0 to 2.  Return its status, or -1 after ten seconds. */
int vio_blk(struct vio *v, uint32_t type, uint64_t sector, void *data, uint32_t len);
/* Send a good frame (an ARP request) with descriptors 0 and 1.  Return 0, or -1 after ten seconds. vio_send() does not wait. */
int vio_tx(struct vio *v);
void vio_send(struct vio *v);
/* Make the frame that vio_tx() sends, for other framings.  Return its length. */
uint32_t vio_arp_frame(struct vio *v, uint8_t *frame);
/* Do a good request of the device's type, on a device that is set up.  Return 0 if it succeeded. */
int vio_request(struct vio *v);

#endif
