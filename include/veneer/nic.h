/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A network controller: what a client calls, what a driver implements, and the core between them (hw/nic/nic.c).
 *
 * The core keeps what all NICs have alike: life (started, stopped, broken, shut), tokens, checks of frames, the poll loop, the
 * link as it was last told, the watch over the transmitter, counters.  A driver keeps registers and descriptors.
 *
 * Tokens are the client's; nobody looks into them.  Each comes back exactly once, by tx_done() in the order of nic_tx() or by
 * rx_done(), unless nic_stop() forgets it.  Memory given with nic_tx() or nic_rx_post() belongs to the device until its token
 * returns or nic_stop() has returned.
 *
 * A queue index goes with every call of the data path; today's drivers have queue 0 only.  All calls, in both directions, come
 * from the processor that owns the controller (<veneer/owner.h>), one at a time.
 */
#ifndef VENEER_NIC_H
#define VENEER_NIC_H

#include <veneer/hwdev.h>
#include <veneer/sg.h>
#include <veneer/types.h>

#define NIC_MAX_FRAGS	20u	/* pieces of one frame to send, at most */
#define NIC_FRAME_MIN	14u	/* an Ethernet header; shorter frames are refused */
#define NIC_FRAME_MAX	1518u	/* 1500 bytes of payload, header, one VLAN tag; no FCS: a chip that writes it needs 1522 */
#define NIC_TSO_MAX	(65535u + 18u)	/* a frame that the NIC cuts itself */
#define NIC_MAX_MACS	15u	/* exact unicast filters beyond the NIC's own address */
#define NIC_MAX_QUEUES	1u	/* of each direction; the client has as many */
#define NIC_LATE_US	20000u	/* without progress for so long: look whether a completion lost its interrupt */
#define NIC_RECOVER_US	1000000u	/* from one reset that a chip asked for to the next (nic_want_recovery()) */
#define NIC_HANG_US	2000000u	/* for so long, with a link: the transmitter hangs */

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
	uint16_t csum_start;	/* from the frame's first byte; only with NIC_TX_CSUM: */
	uint16_t csum_offset;	/* csum_start + csum_offset + 2 <= len */
	/*
	 * Only with NIC_TX_TSO, and made by the client.  The first piece holds all headers and NIC_TSO_PULL bytes of
	 * payload, of which there are more than @mss.  In the headers IPv4's total length and checksum, or IPv6's payload
	 * length, are 0, TCP's checksum is the sum of the pseudo header without a length, and CWR is clear: chips clear
	 * FIN and PSH where they must, and leave all other flags as they are (8254x SDM 3.5.9).
	 */
	uint8_t ip_start, hdr_len;	/* from the frame's first byte; TCP begins at csum_start */
	uint16_t mss;			/* payload of each frame but the last */
	void *token;
};

struct nic_link {
	bool up;
	bool full_duplex;
	uint32_t mbps;
};

/* What the receive filter lets through.  Addresses beyond what the hardware holds make the filter wider, never narrower. */
struct nic_rx_filter {
	bool promisc;			/* everything */
	bool allmulti;
	bool nobcast, nouni, nomulti;	/* drop these whatever the rest says; done in hardware where it can */
	unsigned nmac, nmcast;
	const uint8_t (*mac)[6];	/* extra unicast addresses */
	const uint8_t (*mcast)[6];
	const uint32_t *vlan;		/* bitmap of 4096 bits, or NULL: no VLAN filtering */
};

/* --- the client's side --- */

/* rx_done() flags */
#define NIC_RX_CSUM_OK	BIT(0)	/* the hardware has checked the TCP or UDP checksum, and the sum is right */

/* A callback may call every nic_ function below, nic_stop() among them. */
struct nic_client_ops {
	void (*tx_done)(void *ctx, unsigned q, void *token);

	/* A frame of @len bytes (without FCS) stands in the buffer.  Frames with errors never come here. */
	void (*rx_done)(void *ctx, unsigned q, void *token, uint32_t len, uint32_t flags);

	/*
	 * For NICs with NIC_CAP_RX_COPY only: a frame in the device's own ring, valid during the call.  Return false if
	 * the client has no buffer: the frame is then dropped, as hardware would.
	 */
	bool (*rx_frame)(void *ctx, unsigned q, const void *frame, uint32_t len, uint32_t flags);

	/* At the end of a poll in which any of the above was called: publish, interrupt once. */
	void (*flush)(void *ctx, unsigned q);

	/* The link went up or down; read the link with nic_link(). */
	void (*link_changed)(void *ctx);
};

/*
 * Empty rings, DMA on, receiver and transmitter running; filter and MAC as last set.  0, or negative with a log line.  After
 * the probe or nic_stop().  May be called inside an exit: some microseconds, after a failed reset as long as nic_stop().
 */
int nic_start(struct nic *nic);

/*
 * Stop receiver and transmitter: when this returns, no DMA of this NIC touches client memory any more, and all tokens are
 * forgotten without a callback.  Bounded by the driver's reset (some 30 ms); a chip that does not reset loses the bus.  The
 * link stays up if the hardware can.
 */
void nic_stop(struct nic *nic);

/*
 * Queue one frame.  0, or -ERR_BUSY if there is no room now (room comes with tx_done()), or -ERR_INVAL for a frame that this
 * hardware cannot send (or, with NIC_TX_TSO, not now).  Lengths, number, and reach of the pieces are checked here, once for all
 * drivers and clients.  Nothing is sent before nic_tx_kick().  tx_done() may come from inside.
 */
int nic_tx(struct nic *nic, unsigned q, const struct nic_tx *pkt);
void nic_tx_kick(struct nic *nic, unsigned q);	/* harmless if nothing was queued */

/* The client sends no more before a token returns, for lack of buffers and not of room here. */
void nic_tx_wait(struct nic *nic, unsigned q);

/*
 * The client was called for another reason while frames of its own are under way: look how old the oldest is.  For a guest
 * that kicks but takes no interrupts.  May call back.
 */
void nic_look(struct nic *nic);

/*
 * Give one receive buffer of @len >= NIC_FRAME_MAX bytes, contiguous.  0, or -ERR_BUSY if the ring is full, or -ERR_INVAL if
 * this hardware cannot write there (reach, alignment, a boundary): the client then gives a bounce buffer.  Buffers are
 * filled in the order in which they were given.
 */
int nic_rx_post(struct nic *nic, unsigned q, uint64_t addr, uint32_t len, void *token);
void nic_rx_kick(struct nic *nic, unsigned q);

void nic_link(struct nic *nic, struct nic_link *out);
void nic_set_mac(struct nic *nic, const uint8_t mac[6]);
void nic_set_filter(struct nic *nic, const struct nic_rx_filter *f);	/* the arrays are read during the call only */

/* --- the driver's side --- */

#define NIC_GONE	(~0u)	/* from ack(): the registers read as ones */

/* A counter of the driver's own, beside the core's: a uint64_t at @offset of the driver's structure. */
struct nic_counter {
	const char *name;
	uint32_t offset;
};

/* In the order in which a driver is written.  "May be NULL" is said where it holds. */
struct nic_ops {
	/*
	 * Start only.  Memory decoding is on, bus mastering is as firmware left it, all fields of the driver's structure are 0
	 * but for those of struct nic that the core sets.  Map the registers, allocate rings, reset(), read the permanent
	 * address into nic->mac (the core checks it), set the fields of struct nic marked "driver".  Sleeps as long as the
	 * chip needs.  0, or negative:
	 *   -ERR_NODEV	nothing is connected, or nothing answers
	 *   others	a failure, with a log line that says what
	 * Either way the function is hidden, and the guest gets no twin.  A chip that is not for this driver is refused by
	 * hw_driver.fits or a range of revisions, before anything is hidden: the guest keeps it.
	 */
	int (*attach)(struct nic *nic);

	/* After a failed probe: give back what attach() had allocated by then.  The device is off the bus. */
	void (*detach)(struct nic *nic);

	/*
	 * From any state to one without DMA and without interrupts, receiver and transmitter off.  0, or negative with a
	 * log line: the core then takes the bus away from the device.  Bounded to some 30 ms; runs inside exits, too.
	 */
	int (*reset)(struct nic *nic);

	/* After each reset(): what the chip wants besides rings, filter and address.  Bus mastering may be on from here. */
	void (*setup)(struct nic *nic);

	/*
	 * Rings empty, both units on.  @again: after a transmitter that hung; the receive buffers that the chip had are still
	 * its own, in their order, and are told to it here.
	 */
	void (*run)(struct nic *nic, bool again);

	/* At a shutdown, after reset(): what firmware wants to find.  May be NULL. */
	void (*close)(struct nic *nic);

	/* As nic_link(), from the chip.  Called often: from a status register, without a wait.  Down: all fields are 0. */
	void (*link)(struct nic *nic, struct nic_link *out);

	/*
	 * nic->seen is another link than before: for drivers that send otherwise at another speed.  Some microseconds; also
	 * called by the probe, before run().  May be NULL.
	 */
	void (*link_changed)(struct nic *nic);

	/*
	 * One frame into the ring, whole or not at all.  The core has checked it, has stored its token as number
	 * txq[q].sent - 1 and takes it back if this returns -ERR_BUSY or -ERR_INVAL.  May call nic_tx_done() for older frames
	 * at any time, for this one once nothing can fail any more.  From memory that the chip does not reach (dma_mask) the
	 * core lets nothing through, and the client bounces: a driver needs no copy of its own for that.
	 */
	int (*tx)(struct nic *nic, unsigned q, const struct nic_tx *pkt);

	/* Tell the chip of the frames txq[q].kicked .. txq[q].sent, one at least; order memory first: dma_wmb(). */
	void (*tx_kick)(struct nic *nic, unsigned q);

	/* As nic_rx_post(), nic_rx_kick().  NULL with NIC_CAP_RX_COPY. */
	int (*rx_post)(struct nic *nic, unsigned q, uint64_t addr, uint32_t len, void *token);
	void (*rx_kick)(struct nic *nic, unsigned q);

	/*
	 * Read the causes of interrupts that are enabled and acknowledge them, before anything is drained, so that what comes
	 * later rings again.  A line must fall by this.  0 if this device did not interrupt, and while irq() is off: the NMI is
	 * then given to the guest, whose kernel takes it for a fault of the machine.  NIC_GONE.
	 */
	uint32_t (*ack)(struct nic *nic);

	/*
	 * Everything that is done goes to nic_rx_done(), nic_rx_frame() and nic_tx_done(), at most one ring's worth of each.
	 * Each may stop the NIC from inside, and start it again: look at nic_runs() before the ring is touched, and keep no
	 * index of a ring across the call.  Return how many went to the client, and set *@more if work was left.
	 */
	unsigned (*drain)(struct nic *nic, unsigned q, bool *more);

	/* After drain(): causes besides frames and link.  May be NULL. */
	void (*rare)(struct nic *nic, uint32_t causes);

	/* Interrupts on or off at the chip; the write has arrived when this returns. */
	void (*irq)(struct nic *nic, bool on);

	/* Make the chip interrupt once more, soon; a line that has not fallen needs a new edge (off and on). */
	void (*ring)(struct nic *nic);

	/*
	 * Assert the INTx line, which stays asserted, or withdraw it: by the chip's timer or software interrupt, with no other
	 * effect.  After attach() and before run(): both units are off and stay off.  Up to a millisecond; irq() follows.  NULL
	 * for chips that all have MSI: a chip without MSI and without this is not used.
	 */
	void (*intx_test)(struct nic *nic, bool assert);

	/*
	 * Make the driver's own form of a filter; then tell the chip that form and nic->addr.  The second also follows each
	 * reset, while both units are off: a chip whose filter is a frame of its own sends that in run().  An array of the
	 * filter may be NULL if its count is 0.  Inside an exit: some microseconds; may restart the receiver and lose frames.
	 */
	void (*filter_make)(struct nic *nic, const struct nic_rx_filter *f);
	void (*filter_write)(struct nic *nic);

	/* At each tick of the clock, before the core looks at the transmitter.  True: another tick is needed.  May be NULL. */
	bool (*tick)(struct nic *nic);

	/*
	 * The transmitter hangs and is about to be reset: say in @text what a reader of the log needs (the oldest descriptor,
	 * status registers), without a side effect.  80 bytes.
	 */
	void (*hung)(struct nic *nic, char *text, size_t size);

	const struct nic_counter *counter;	/* the driver's own, up to one with name NULL.  May be NULL */
};

/* nic.caps */
#define NIC_CAP_TX_CSUM		BIT(0)
#define NIC_CAP_RX_CSUM		BIT(1)
#define NIC_CAP_RX_COPY		BIT(2)	/* always copies: rx_post() is never called, rx_frame() is */
#define NIC_CAP_VLAN_FILTER	BIT(3)
#define NIC_CAP_TX_COPY		BIT(4)	/* tx() copies the frame: from any address, and for the client to count as copied */
#define NIC_CAP_TX_TSO		BIT(5)
#define NIC_CAP_TX_TSO6		BIT(6)

enum nic_state {
	NIC_STOPPED,
	NIC_RUNS,
	NIC_RECOVERS,		/* tokens are being given back, nothing is taken */
};

/* Frames since the last start, counted: taken, told to the chip, given back.  Frame n has the token n & mask. */
struct nic_txq {
	uint32_t sent, kicked, done;
	uint32_t mask;
	void **token;
	uint32_t seen;		/* done, at the last look */
	bool watched;
	uint64_t seen_us;	/* since when it stands */
};

struct nic_counts {
	uint64_t recoveries;	/* resets that a chip asked for */
	uint64_t tx_packets, tx_bytes, tx_busy, tx_invalid, tx_late, tx_hangs, rx_packets, rx_bytes, rx_dropped, polls;
};

/* The first member of a driver's structure.  Fields are the core's unless marked. */
struct nic {
	struct hw_dev hw;
	const struct nic_ops *ops;
	const void *kind;		/* of struct nic_driver */
	uint32_t quirks;		/* hw_id.quirks: the id tables are not mapped once the guest runs */
	const char *name;		/* hw.name */
	char detail[24];		/* driver, may be empty: for the line that announces the NIC, ", version 12" */
	uint8_t mac[6];			/* driver: the permanent address */
	uint8_t addr[6];		/* as last set by the client */
	uint32_t caps;			/* driver */
	uint64_t dma_mask;		/* driver: highest address the device reaches, as a mask; preset to 4 GiB */
	unsigned nqueues;		/* preset to 1 */
	unsigned tx_slots, rx_slots;	/* driver, per queue: frames of one fragment that fit, buffers that fit */
	uint32_t link_cause;		/* driver: of ack(); 0: the link is looked at in each poll and tick */
	bool level;			/* driver: rings by a line, which must fall before it rings again */
	unsigned budget;		/* driver: completions after which a poll ends and rings again; preset to 256 */

	enum nic_state state;
	bool irq_on;
	bool broken;			/* a reset failed: bus mastering is off */
	bool shut;			/* for good */
	bool clock_held;
	uint32_t starts;
	bool gone_said, length_said, late_said;
	bool recover;			/* nic_want_recovery() was called */
	uint64_t recovered_us;		/* when that last led to a reset; 0: never */
	uint8_t *watch;			/* <veneer/clock.h>: not 0 while frames are under way, and there is a link */
	uint8_t watchable;		/* what to set it to: 0 while the link is down and will interrupt when it returns */
	struct nic_link seen;		/* as last told, by link_changed() or nic_link() */
	struct nic_txq txq[NIC_MAX_QUEUES];
	struct nic_counts count;
	const struct nic_client_ops *client;	/* set by the client before nic_start(); NULL before */
	void *client_ctx;
};

struct nic_driver {
	const char *prefix;		/* of the name, before the unit number: "e1000e", "rtl8139-" */
	size_t size;			/* of the driver's structure, whose first member is a struct nic */
	unsigned tx_tokens;		/* per queue: a power of two, no fewer than frames that can be under way */
	const struct nic_ops *ops;
	const void *kind;		/* the driver's own, for one whose drivers share their ops */
};

/* The whole of hw_driver.probe.  See nic_ops.attach. */
int nic_probe(const struct nic_driver *drv, const struct pci_dev *pci, const struct hw_id *id, unsigned unit,
	      struct hw_dev **out);

static inline bool nic_runs(const struct nic *nic)
{
	return nic->state == NIC_RUNS;
}

static inline bool nic_tx_empty(const struct nic *nic, unsigned q)
{
	return nic->txq[q].done == nic->txq[q].sent;
}

/*
 * The chip says that it, or its receiver, works no more, which nobody else would notice: reset it at the end of this poll, or
 * NIC_RECOVER_US after the last such reset.  Nothing for a NIC that does not run.  From rare() and tick().
 */
static inline void nic_want_recovery(struct nic *nic)
{
	nic->recover = nic->state == NIC_RUNS;
}

/* The oldest frame under way is sent, or as good as sent.  From drain() and tx(). */
static inline void nic_tx_done(struct nic *nic, unsigned q)
{
	struct nic_txq *t = &nic->txq[q];

	nic->client->tx_done(nic->client_ctx, q, t->token[t->done++ & t->mask]);
}

/*
 * A frame of @len bytes stands in the buffer of @room bytes with @token.  False if that cannot be: the buffer is the driver's
 * to give to the chip again.
 */
static inline bool nic_rx_done(struct nic *nic, unsigned q, void *token, uint32_t room, uint32_t len, uint32_t flags)
{
	if (len < NIC_FRAME_MIN || len > room)
		return false;
	nic->count.rx_packets++;
	nic->count.rx_bytes += len;
	nic->client->rx_done(nic->client_ctx, q, token, len, flags);
	return true;
}

/* A frame in the chip's own ring, with NIC_CAP_RX_COPY.  What has no length of a frame, or finds no buffer, is dropped. */
void nic_rx_frame(struct nic *nic, unsigned q, const void *frame, uint32_t len, uint32_t flags);

/* Hold the clock until tick() says that no tick is needed, and the frames under way are done. */
void nic_want_tick(struct nic *nic);

/* Neither a group address nor zero. */
bool nic_mac_valid(const uint8_t mac[6]);

/* The top six bits of an address's Ethernet CRC: the multicast hash of many chips. */
unsigned nic_crc_hash(const uint8_t mac[6]);

#endif
