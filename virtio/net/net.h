/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio-net (virtio 1.2 section 5.1) on a struct nic.
 *
 * The hardware reads frames to send from the guest's own pages, and writes received frames into the guest's buffers.  If it
 * cannot (too many pieces, memory out of the device's reach, a receive buffer without one piece that holds the largest
 * frame), the frame is copied once through a pool of fixed size, and counted.
 */
#ifndef VIRTIO_NET_NET_H
#define VIRTIO_NET_NET_H

#include <veneer/counters.h>
#include <veneer/nic.h>
#include "../transport.h"

enum { VNET_RX, VNET_TX, VNET_CTRL, VNET_QUEUES };

#define VNET_BOUNCE_SIZE	2048u	/* bytes of a buffer; holds NIC_FRAME_MAX */
#define VNET_RX_BOUNCE		64u
#define VNET_TX_BOUNCE		64u	/* with segmentation each frame in flight needs one, for its headers */
#define VNET_TSO_HDR		192u	/* header bytes of a frame to be segmented: Ethernet, IP and TCP with all options */
#define VNET_MCAST_MAX		64u	/* with more addresses the filter passes all multicast */

/* The receive filter, set by control commands: plain data, part of a snapshot. */
struct vnet_state {
	uint8_t default_mac[6];		/* after a reset */
	uint8_t mac[6];
	uint8_t promisc, allmulti, alluni, nomulti, nouni, nobcast;
	uint8_t mac_overflow, mcast_overflow;	/* the driver named more than the tables hold */
	uint8_t nmac, nmcast;
	uint8_t macs[NIC_MAX_MACS][6];
	uint8_t mcast[VNET_MCAST_MAX][6];
	uint32_t vlan[4096 / 32];
};
_Static_assert(sizeof(struct vnet_state) <= VIRTIO_TYPE_STATE_MAX, "must fit into an image");

_Static_assert(VNET_TX_BOUNCE <= VNET_RX_BOUNCE, "a pool counts as many");

/* A pool of buffers of equal size in Veneer's memory. */
struct vnet_pool {
	uint8_t *mem;
	unsigned nfree;
	uint8_t free[VNET_RX_BOUNCE];	/* a stack of indices */
};

/* The frame that is being segmented; its chain is in the transmit queue's scratch chain. */
struct vnet_tso {
	bool active;
	bool v6;
	uint32_t ip, tcp, hdr_len;	/* offsets of these headers, and the length of all headers */
	uint32_t mss;			/* payload of each segment but the last */
	uint32_t payload, sent;		/* payload bytes: all, and those given to the NIC */
	uint32_t count;			/* segments given to the NIC */
	uint32_t sum;			/* sum of the pseudo header without the length */
	bool cut;			/* segmented here, not by the NIC */
	uint32_t piece, piece_off;	/* position in the chain of the next segment's payload */
	uint8_t hdr[VNET_TSO_HDR];
};

/* A receive buffer that the NIC holds; its token points here. */
struct vnet_rx_slot {
	uint8_t *hdr;		/* zero copy: the guest's header */
	uint8_t *buf;		/* where the NIC writes the frame: guest RAM, or a buffer of the pool */
	uint32_t room;
	uint16_t head;
	bool bounce;
};

struct vnet {
	struct virtio_dev dev;
	struct nic *nic;
	struct vnet_state st;
	uint32_t hdr_len;		/* by the features accepted at DRIVER_OK */
	bool tx_csum, rx_csum;
	bool soft_filter;		/* the filter drops some frames in software */
	bool tx_running, rx_running;	/* set while the queue is served: the NIC may call back from inside */

	unsigned tx_inflight;
	struct vnet_pool tx_pool;
	struct vnet_tso tso;

	unsigned rx_posted, rx_low;
	unsigned rx_useless;		/* chains without room for a frame, in this poll */
	struct vnet_rx_slot rx_slot[VIRTQ_MAX_SIZE];	/* by head */
	struct vnet_pool rx_pool;

	uint64_t cnt_tx_zero_copy, cnt_tx_bounced, cnt_tx_bounced_bytes, cnt_tx_dropped, cnt_tx_tso, cnt_tx_segments;
	struct histogram at_kick;	/* frames in flight at a kick of the transmit queue */
	struct histogram taken;		/* frames that a run of that queue found */
	uint64_t cnt_rx_zero_copy, cnt_rx_bounced, cnt_rx_bounced_bytes, cnt_rx_dropped;

	struct virtq vq[VNET_QUEUES];
};

static inline struct vnet *to_vnet(struct virtio_dev *dev)
{
	return container_of(dev, struct vnet, dev);
}

void vnet_pool_reset(struct vnet_pool *p, unsigned n);

/* Forget all frames and buffers that the NIC had, after its stop. */
void vnet_frames_forget(struct vnet *vn);

/* A buffer's index, or -1. */
static inline int vnet_pool_get(struct vnet_pool *p)
{
	return p->nfree ? p->free[--p->nfree] : -1;
}

static inline void vnet_pool_put(struct vnet_pool *p, unsigned i)
{
	p->free[p->nfree++] = (uint8_t)i;
}

/* Take a buffer of the transmit pool; -1: none is free until a frame in flight completes. */
int vnet_tx_buf(struct vnet *vn);

static inline uint8_t *vnet_pool_buf(const struct vnet_pool *p, unsigned i)
{
	return p->mem + i * VNET_BOUNCE_SIZE;
}

static inline int vnet_pool_index(const struct vnet_pool *p, const uint8_t *buf)
{
	return (int)((buf - p->mem) / VNET_BOUNCE_SIZE);
}

/* True if the NIC can address all of a piece. */
static inline bool vnet_reaches(const struct nic *nic, uint64_t addr, uint32_t len)
{
	return addr + len - 1 <= nic->dma_mask;
}

static inline void vnet_count_copied(struct vnet *vn, uint32_t len)
{
	vn->cnt_tx_bounced++;
	vn->cnt_tx_bounced_bytes += len;
}

/* Make the token of nic_tx(): the chain that completes with this frame, or -1, and the buffer of the pool it uses, or -1. */
static inline void *vnet_tx_token(int head, int buf)
{
	return (void *)((uintptr_t)(head + 1) | (uintptr_t)(buf + 1) << 16);
}

/* Serve a queue, after a kick or at the end of a poll. */
void vnet_tx_run(struct vnet *vn);
void vnet_rx_run(struct vnet *vn);
void vnet_ctrl_run(struct vnet *vn);

/*
 * tso.c.  begin(): prepare to segment @c, whose virtio header has been dropped, as @h asks; false if that is impossible.
 * run(): give the NIC as many segments as it has room for.  0: all of them, the chain completes with the last; -ERR_BUSY:
 * vn->tso.active stays set, run again; any other error: nothing was sent, and the caller returns the chain.
 */
bool vnet_tso_begin(struct vnet *vn, const struct virtq_chain *c, const struct virtio_net_hdr *h);
int vnet_tso_run(struct vnet *vn, struct virtq *q, const struct virtq_chain *c);

/* The NIC's callbacks. */
void vnet_tx_done(void *ctx, unsigned q, void *token);
void vnet_rx_done(void *ctx, unsigned q, void *token, uint32_t len, uint32_t flags);
bool vnet_rx_frame(void *ctx, unsigned q, const void *frame, uint32_t len, uint32_t flags);

/* Reset the filter and the MAC address to their defaults; write them to the hardware. */
void vnet_filter_reset(struct vnet *vn);
void vnet_filter_apply(struct vnet *vn);
void vnet_set_mac(struct vnet *vn, const uint8_t mac[6]);

#endif
