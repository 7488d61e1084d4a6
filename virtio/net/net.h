/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio-net (virtio 1.2 section 5.1) on a struct nic.
 *
 * Frames to send go to the hardware from the guest's own pages; received ones are written by the hardware into the
 * guest's buffers.  Where that cannot be (too many pieces, out of the device's reach, a receive buffer without one
 * piece that holds the largest frame) a frame is copied once, by way of a bounded pool, and counted.
 */
#ifndef VIRTIO_NET_NET_H
#define VIRTIO_NET_NET_H

#include <veneer/nic.h>
#include "../transport.h"

enum { VNET_RX, VNET_TX, VNET_CTRL, VNET_QUEUES };

#define VNET_BOUNCE_SIZE	2048u	/* of one buffer; holds NIC_FRAME_MAX */
#define VNET_RX_BOUNCE		64u
#define VNET_TX_BOUNCE		64u	/* with segmentation each frame on its way has one, for its headers */
#define VNET_TSO_HDR		192u	/* of a frame to be cut: Ethernet, IP and TCP with all their options fit */
#define VNET_MCAST_MAX		64u	/* more make the filter pass all multicast */

/* What a driver set by control commands: plain data, part of a snapshot. */
struct vnet_state {
	uint8_t mac[6];
	uint8_t promisc, allmulti, alluni, nomulti, nouni, nobcast;
	uint8_t mac_overflow, mcast_overflow;	/* the driver named more than the tables hold */
	uint8_t nmac, nmcast;
	uint8_t macs[NIC_MAX_MACS][6];
	uint8_t mcast[VNET_MCAST_MAX][6];
	uint8_t pad[2];
	uint32_t vlan[4096 / 32];
};
_Static_assert(sizeof(struct vnet_state) <= VIRTIO_TYPE_STATE_MAX, "must fit into an image");

_Static_assert(VNET_TX_BOUNCE <= VNET_RX_BOUNCE, "a pool counts as many");

/* Equal buffers of our own memory. */
struct vnet_pool {
	uint8_t *mem;
	unsigned nfree;
	uint8_t free[VNET_RX_BOUNCE];	/* a stack of indices */
};

/* A frame that is being cut; its chain is the transmit queue's scratch one. */
struct vnet_tso {
	bool active;
	bool v6;
	uint32_t ip, tcp, hdr_len;	/* where these headers begin, and all end */
	uint32_t mss;			/* payload of each segment but the last */
	uint32_t payload, sent;		/* bytes in all, and given to the NIC */
	uint32_t count;			/* segments given to the NIC */
	uint32_t sum;			/* of the pseudo header without the length */
	bool cut;			/* here, not by the NIC */
	uint32_t piece, piece_off;	/* of the chain, where the next segment's payload begins */
	uint8_t hdr[VNET_TSO_HDR];
};

/* A receive buffer that the NIC has; the token. */
struct vnet_rx_slot {
	uint8_t *hdr;		/* zero copy: the guest's header */
	uint8_t *buf;		/* where the frame will stand: in guest RAM, or a buffer of the pool */
	uint32_t room;
	uint16_t head;
	bool bounce;
};

struct vnet {
	struct virtio_dev dev;
	struct nic *nic;
	struct vnet_state st;
	uint8_t default_mac[6];
	uint32_t hdr_len;		/* by the features as they stood at DRIVER_OK */
	bool tx_csum, rx_csum;
	bool soft_filter;		/* some kind of frame is to be dropped here */
	bool tx_running, rx_running;	/* against coming in again from inside the NIC */

	unsigned tx_inflight;
	struct vnet_pool tx_pool;
	struct vnet_tso tso;

	unsigned rx_posted, rx_low;
	unsigned rx_useless;		/* chains without room for a frame, in this poll */
	struct vnet_rx_slot rx_slot[VIRTQ_MAX_SIZE];	/* by head */
	struct vnet_pool rx_pool;

	uint64_t cnt_tx_zero_copy, cnt_tx_bounced, cnt_tx_bounced_bytes, cnt_tx_dropped, cnt_tx_tso, cnt_tx_segments;
	uint64_t cnt_rx_zero_copy, cnt_rx_bounced, cnt_rx_bounced_bytes, cnt_rx_dropped;

	struct virtq vq[VNET_QUEUES];
};

static inline struct vnet *to_vnet(struct virtio_dev *dev)
{
	return container_of(dev, struct vnet, dev);
}

void vnet_pool_reset(struct vnet_pool *p, unsigned n);

/* A buffer's index, or -1. */
static inline int vnet_pool_get(struct vnet_pool *p)
{
	return p->nfree ? p->free[--p->nfree] : -1;
}

static inline void vnet_pool_put(struct vnet_pool *p, unsigned i)
{
	p->free[p->nfree++] = (uint8_t)i;
}

/* Of the transmit pool; -1: there is none before a frame comes back. */
int vnet_tx_buf(struct vnet *vn);

static inline uint8_t *vnet_pool_buf(const struct vnet_pool *p, unsigned i)
{
	return p->mem + i * VNET_BOUNCE_SIZE;
}

static inline int vnet_pool_index(const struct vnet_pool *p, const uint8_t *buf)
{
	return (int)((buf - p->mem) / VNET_BOUNCE_SIZE);
}

/* Whether the NIC reaches all of a piece. */
static inline bool vnet_reaches(const struct nic *nic, uint64_t addr, uint32_t len)
{
	return addr + len - 1 <= nic->dma_mask;
}

static inline void vnet_count_copied(struct vnet *vn, uint32_t len)
{
	vn->cnt_tx_bounced++;
	vn->cnt_tx_bounced_bytes += len;
}

/* What nic_tx carries: the chain that ends with this frame, or -1, and the buffer of the pool that goes with it, or -1. */
static inline void *vnet_tx_token(int head, int buf)
{
	return (void *)((uintptr_t)(head + 1) | (uintptr_t)(buf + 1) << 16);
}

/* Serve a queue: what a kick asks for, and what the end of a poll makes possible. */
void vnet_tx_run(struct vnet *vn);
void vnet_rx_run(struct vnet *vn);
void vnet_ctrl_run(struct vnet *vn);

/*
 * tso.c.  begin(): @c, without its virtio header, is to be cut as @h says; false when it cannot be.  run(): give the NIC what
 * it has room for.  0: all of it, the chain comes back with its last frame; -ERR_BUSY: vn->tso.active stays, to be run again;
 * else nothing was sent, and the chain is the caller's.
 */
bool vnet_tso_begin(struct vnet *vn, const struct virtq_chain *c, const struct virtio_net_hdr *h);
int vnet_tso_run(struct vnet *vn, struct virtq *q, const struct virtq_chain *c);

/* The NIC's callbacks. */
void vnet_tx_done(void *ctx, unsigned q, void *token);
void vnet_rx_done(void *ctx, unsigned q, void *token, uint32_t len, uint32_t flags);
bool vnet_rx_frame(void *ctx, unsigned q, const void *frame, uint32_t len, uint32_t flags);

/* The filter and the address as they stand after a reset; and to the hardware. */
void vnet_filter_reset(struct vnet *vn);
void vnet_filter_apply(struct vnet *vn);
void vnet_set_mac(struct vnet *vn, const uint8_t mac[6]);

#endif
