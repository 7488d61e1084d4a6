/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A network controller.  Implemented in hw/nic, used by virtio/net; bound by conceal.
 *
 * Tokens are the client's; the NIC never looks into them and returns each exactly once, by tx_done() in the order of tx() or by
 * rx_done(), unless stop() forgets it.  Memory given with tx() or rx_post() belongs to the device until its token returns or
 * stop() has returned.  A queue index goes with every data-path call; today's drivers have queue 0 only.  All calls come
 * from the processor that owns the controller (<veneer/owner.h>).  Client callbacks may call tx(), rx_post() and the kicks.
 */
#ifndef VENEER_NIC_H
#define VENEER_NIC_H

#include <veneer/sg.h>
#include <veneer/types.h>

#define NIC_MAX_FRAGS	20u	/* pieces of one frame to send, at most */
#define NIC_FRAME_MIN	14u	/* an Ethernet header; shorter frames are refused */
#define NIC_FRAME_MAX	1518u	/* 1500 bytes of payload, header, one VLAN tag; no FCS */
#define NIC_TSO_MAX	(65535u + 18u)	/* a frame that the NIC cuts itself */
#define NIC_MAX_MACS	15u	/* exact unicast filters beyond the NIC's own address */

struct nic;

/* nic_tx.flags */
#define NIC_TX_CSUM	BIT(0)	/* fill in a checksum: from csum_start to the end, stored at csum_start + csum_offset */
#define NIC_TX_TSO	BIT(1)	/* with NIC_TX_CSUM, NICs with NIC_CAP_TX_TSO: a TCP segment to be cut, see struct nic_tx */
#define NIC_TX_IPV6	BIT(2)	/* with NIC_TX_TSO: by IPv6, not IPv4; NICs with NIC_CAP_TX_TSO6 */
#define NIC_TSO_PULL	4u	/* bytes of payload in the headers' piece */

struct nic_tx {
	const struct sg *frag;	/* the array is the caller's and valid during the call only */
	unsigned nfrag;		/* 1..NIC_MAX_FRAGS */
	uint32_t len;		/* all of them together; NIC_FRAME_MIN..NIC_FRAME_MAX, or NIC_TSO_MAX with NIC_TX_TSO */
	uint32_t flags;
	uint16_t csum_start;	/* from the frame's first byte; only with NIC_TX_CSUM, checked by the client: */
	uint16_t csum_offset;	/* csum_start + csum_offset + 2 <= len */
	/*
	 * Only with NIC_TX_TSO, and checked by the client.  The first piece holds all headers and NIC_TSO_PULL bytes of
	 * payload, of which there are more than @mss.  In the headers IPv4's total length and checksum, or IPv6's payload
	 * length, are 0, TCP's checksum is the sum of the pseudo header without a length, and CWR is clear: chips clear
	 * FIN and PSH where they must, and leave all other flags as they are (8254x SDM 3.5.9).
	 */
	uint8_t ip_start, hdr_len;	/* from the frame's first byte; TCP begins at csum_start */
	uint16_t mss;			/* payload of each frame but the last */
	void *token;
};

/* rx_done() flags */
#define NIC_RX_CSUM_OK	BIT(0)	/* the hardware has checked the TCP or UDP checksum, and it is right */

struct nic_client_ops {
	void (*tx_done)(void *ctx, unsigned q, void *token);

	/* A frame of @len bytes (without FCS) stands in the buffer.  Frames with errors never come here. */
	void (*rx_done)(void *ctx, unsigned q, void *token, uint32_t len, uint32_t flags);

	/*
	 * For NICs with NIC_CAP_RX_COPY only: a frame in the device's own ring, valid during the call.  Returns false when
	 * the client has no buffer: the frame is then dropped by the device as hardware would.
	 */
	bool (*rx_frame)(void *ctx, unsigned q, const void *frame, uint32_t len, uint32_t flags);

	/* At the end of a poll in which any of the above was called: publish, interrupt once. */
	void (*flush)(void *ctx, unsigned q);

	/* The link went up or down; read it with link(). */
	void (*link_changed)(void *ctx);
};

struct nic_link {
	bool up;
	bool full_duplex;
	uint32_t mbps;
};

/* What the receive filter lets through.  Addresses beyond what the hardware holds make it wider, never narrower. */
struct nic_rx_filter {
	bool promisc;			/* everything */
	bool allmulti;
	bool nobcast, nouni, nomulti;	/* drop these whatever the rest says; done in hardware where it can */
	unsigned nmac, nmcast;
	const uint8_t (*mac)[6];	/* extra unicast addresses */
	const uint8_t (*mcast)[6];
	const uint32_t *vlan;		/* bitmap of 4096 bits, or NULL: no VLAN filtering */
};

struct nic_ops {
	/*
	 * Rings empty, DMA on, receiver and transmitter running.  After probe or stop().  Filter and MAC are as last
	 * set.  0 or negative with a log line.  May be called inside an exit: bounded to some microseconds.
	 */
	int (*start)(struct nic *nic);

	/*
	 * Stop receiver and transmitter; when it returns, no DMA of this NIC touches client memory any more and all tokens are
	 * forgotten without a callback.  Bounded; escalates to a controller reset when the rings do not stop.  The link
	 * stays up where the hardware can.
	 */
	void (*stop)(struct nic *nic);

	/*
	 * Queue one frame.  0, or -ERR_BUSY when the ring has no room for it now (room comes with tx_done()), or
	 * -ERR_INVAL for a frame that this hardware cannot send (or, with NIC_TX_TSO, not now).  Nothing is sent before
	 * tx_kick().
	 */
	int (*tx)(struct nic *nic, unsigned q, const struct nic_tx *pkt);
	void (*tx_kick)(struct nic *nic, unsigned q);

	/*
	 * The client sends no more before a token returns, for lack of buffers and not of room here: a transmitter that hangs
	 * must be found all the same, as after -ERR_BUSY.  NULL where the room ends before any client's buffers do.
	 */
	void (*tx_wait)(struct nic *nic, unsigned q);

	/*
	 * Give one receive buffer of @len >= NIC_FRAME_MAX bytes, contiguous.  0, or -ERR_BUSY when the ring is full, or
	 * -ERR_INVAL when this hardware cannot write there (alignment, a boundary it may not cross): the client then gives a
	 * bounce buffer.  Buffers are filled in the order in which they were given.
	 */
	int (*rx_post)(struct nic *nic, unsigned q, uint64_t addr, uint32_t len, void *token);
	void (*rx_kick)(struct nic *nic, unsigned q);

	void (*link)(struct nic *nic, struct nic_link *out);
	void (*set_mac)(struct nic *nic, const uint8_t mac[6]);
	void (*set_filter)(struct nic *nic, const struct nic_rx_filter *f);	/* copies what it needs */
};

/* nic.caps */
#define NIC_CAP_TX_CSUM		BIT(0)
#define NIC_CAP_RX_CSUM		BIT(1)
#define NIC_CAP_RX_COPY		BIT(2)	/* always copies: rx_post() is never called, rx_frame() is */
#define NIC_CAP_VLAN_FILTER	BIT(3)
#define NIC_CAP_TX_TSO		BIT(5)
#define NIC_CAP_TX_TSO6		BIT(6)
#define NIC_CAP_TX_COPY		BIT(4)	/* tx() copies the frame: from any address, and for the client to count as copied */

struct nic {
	const struct nic_ops *ops;
	const char *name;		/* the hw_dev's */
	uint8_t mac[6];			/* the permanent address, read at probe */
	uint32_t caps;
	uint64_t dma_mask;		/* highest address the device reaches, as a mask */
	unsigned nqueues;
	unsigned tx_slots, rx_slots;	/* per queue: frames of one fragment that fit, buffers that fit */
	const struct nic_client_ops *client;	/* set by the client before start() */
	void *client_ctx;
};

#endif
