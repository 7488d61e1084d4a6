/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio-net (virtio 1.2 section 5.1) on a struct nic.
 *
 * The hardware reads frames to send from the guest's own pages, and writes received frames into the guest's buffers.  If it
 * cannot (too many pieces, memory out of the device's reach, a receive buffer without one piece that holds the largest
 * frame), the frame is copied once through a pool of fixed size, and counted.
 *
 * If the driver has accepted MRG_RXBUF, or an MTU above 1500, no frame is received in place: a chip that splits frames fills
 * each buffer up to a size of its own, not the guest's, and begins at each buffer's first byte, but only the first buffer of a
 * frame has a header.  The NIC then holds buffers of the pool alone, and a frame that has arrived is copied into as many of the
 * guest's chains as it needs.
 */
#ifndef VIRTIO_NET_NET_H
#define VIRTIO_NET_NET_H

#include <veneer/counters.h>
#include <veneer/nic.h>
#include <veneer/string.h>
#include "../transport.h"

enum { VNET_RX, VNET_TX, VNET_CTRL, VNET_QUEUES };

#define VNET_BOUNCE_SIZE	2048u	/* bytes of a buffer; holds NIC_FRAME_MAX */
#define VNET_BOUNCE_JUMBO	10240u	/* of a buffer to send from, if the MTU is above 1500; holds NIC_FRAME_JUMBO */
#define VNET_RX_BOUNCE		64u
#define VNET_RX_LOOSE		128u	/* the same if MRG_RXBUF or a larger MTU is offered */
#define VNET_TX_BOUNCE		64u	/* with segmentation each frame in flight needs one, for its headers */
#define VNET_MERGE_CHAINS	32u	/* chains of one received frame */
#define VNET_MERGE_PIECES	64u	/* and their pieces, if the frame needs several chains */
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

_Static_assert(VNET_BOUNCE_SIZE >= NIC_RX_PART, "the NIC fills so much");
_Static_assert(VNET_TX_BOUNCE <= VNET_RX_LOOSE && VNET_RX_BOUNCE <= VNET_RX_LOOSE, "a pool counts as many");

/* A pool of buffers of equal size in Veneer's memory. */
struct vnet_pool {
	uint8_t *mem;
	uint32_t size;			/* bytes of a buffer */
	unsigned count, nfree;
	uint8_t free[VNET_RX_LOOSE];	/* a stack of indices */
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

/* The chains for one received frame: popped, not pushed yet. */
struct vnet_merge {
	unsigned n, npieces;
	struct {
		uint16_t head;
		bool carried;		/* for virtq_unpop() */
		uint32_t len;		/* bytes that the frame, with its header, has in this chain */
	} chain[VNET_MERGE_CHAINS];
	struct sg piece[VNET_MERGE_PIECES];	/* if there are several */
};

struct vnet {
	struct virtio_dev dev;
	struct nic *nic;
	struct vnet_state st;
	uint32_t hdr_len, frame_max;	/* by the features accepted at DRIVER_OK, */
	bool merge, loose;		/* and these: MRG_RXBUF; the NIC has buffers of the pool alone */
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
	struct vnet_merge merged;
	const struct vnet_merge_ops *merge_ops;	/* NULL: neither @merge nor @loose will ever be */

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

void vnet_pool_reset(struct vnet_pool *p);

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
	return p->mem + i * p->size;
}

static inline int vnet_pool_index(const struct vnet_pool *p, const uint8_t *buf)
{
	return (int)((size_t)(buf - p->mem) / p->size);
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
void vnet_rx_long(void *ctx, unsigned q, const struct nic_rx_part *part, unsigned n, uint32_t flags);
bool vnet_rx_frame(void *ctx, unsigned q, const void *frame, uint32_t len, uint32_t flags);

/* True if the driver's filter rejects this frame; the hardware's filter is coarser. */
static inline bool vnet_rx_unwanted(const struct vnet *vn, const uint8_t *frame)
{
	static const uint8_t bcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	if (!vn->soft_filter)
		return false;
	if (!(frame[0] & 1))
		return vn->st.nouni;
	return memcmp(frame, bcast, sizeof(bcast)) ? vn->st.nomulti : vn->st.nobcast;
}

/* The header of a received frame in @nbuffers chains: vn->hdr_len bytes. */
static inline void vnet_rx_header(const struct vnet *vn, uint8_t *to, uint32_t flags, unsigned nbuffers)
{
	struct virtio_net_hdr hdr = { .num_buffers = (uint16_t)nbuffers };

	if (vn->rx_csum && (flags & NIC_RX_CSUM_OK))
		hdr.flags = VIRTIO_NET_HDR_F_DATA_VALID;
	__builtin_memcpy(to, &hdr, VIRTIO_NET_HDR_LEGACY);
	if (vn->hdr_len == VIRTIO_NET_HDR_MODERN)
		__builtin_memcpy(to + VIRTIO_NET_HDR_LEGACY, &hdr.num_buffers, sizeof(hdr.num_buffers));
}

/* merge.c (CONFIG_NET_JUMBO), which is unmapped if no card has an MTU of its own: called by this table alone. */
struct vnet_merge_ops {
	void (*post)(struct vnet *vn);		/* with vn->loose: give the NIC all buffers of the pool that are free */
	void (*rx_long)(struct vnet *vn, const struct nic_rx_part *part, unsigned n, uint32_t flags);	/* the same */
	/* With vn->merge, from a NIC that copies.  False, and counted, if the guest's chains have no room. */
	bool (*rx_frame)(struct vnet *vn, const void *frame, uint32_t len, uint32_t flags);
};
extern const struct vnet_merge_ops vnet_merge_ops;

/* Reset the filter and the MAC address to their defaults; write them to the hardware. */
void vnet_filter_reset(struct vnet *vn);
void vnet_filter_apply(struct vnet *vn);
void vnet_set_mac(struct vnet *vn, const uint8_t mac[6]);

#endif
