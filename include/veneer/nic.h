/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Network controllers: the functions that a client calls, the functions that a driver implements, and the core between them
 * (hw/nic/nic.c).
 *
 * The core has the code that all NICs share: state (started, stopped, broken, shut down), tokens, checks of frames, the poll
 * loop, the link that the client knows, the watch over the transmitter, counters.  A driver has registers and descriptors.
 *
 * Tokens belong to the client; core and drivers do not interpret them.  Each token returns exactly once, by tx_done() in the
 * order of nic_tx() or by rx_done(), unless nic_stop() forgets the token.  Memory given with nic_tx() or nic_rx_post() belongs
 * to the device until its token returns or nic_stop() has returned.
 *
 * Every call of the data path has a queue index; today's drivers have queue 0 only.  All calls, in both directions, come from
 * the processor that owns the controller (<veneer/owner.h>), one at a time.
 */
#ifndef VENEER_NIC_H
#define VENEER_NIC_H

#include <veneer/hwdev.h>
#include <veneer/sg.h>
#include <veneer/types.h>

#define NIC_MAX_FRAGS	20u	/* the maximum of pieces of one frame to send */
#define NIC_FRAME_MIN	14u	/* an Ethernet header; shorter frames are refused */
#define NIC_FRAME_MAX	1518u	/* 1500 bytes of payload, header, one VLAN tag; no FCS: a chip that writes it needs 1522 */
#define NIC_FRAME_JUMBO	9018u	/* the same with 9000 bytes of payload: the longest that any driver allows */
#define NIC_RX_PART	2048u	/* if frames may be longer than NIC_FRAME_MAX: what a chip writes into one buffer, at most */
#define NIC_RX_PARTS	((NIC_FRAME_JUMBO + NIC_RX_PART - 1) / NIC_RX_PART)
#define NIC_TSO_MAX	(65535u + 18u)	/* a frame that the NIC segments */
#define NIC_MAX_MACS	15u	/* exact unicast filters beyond the NIC's own address */
#define NIC_MAX_QUEUES	1u	/* of each direction; the client has as many */
#define NIC_LATE_US	20000u	/* without progress for this time: drain the rings, because an interrupt may be lost */
#define NIC_RECOVER_US	1000000u	/* minimum time between two resets on the chip's request (nic_want_recovery()) */
#define NIC_HANG_US	2000000u	/* without progress for this time, with a link: the transmitter hangs */
#define NIC_LAZY_FRAMES	8u	/* nic.lazy: of so many frames in flight at least one interrupts promptly */
#define NIC_EAGER_FRAMES	64u	/* frames that all interrupt promptly, after one for which somebody has waited */

struct nic;

/* nic_tx.flags */
#define NIC_TX_CSUM	BIT(0)	/* fill in a checksum: from csum_start to the end, stored at csum_start + csum_offset */
#define NIC_TX_TSO	BIT(1)	/* with NIC_TX_CSUM, needs NIC_CAP_TX_TSO: segment this TCP frame, see struct nic_tx */
#define NIC_TX_IPV6	BIT(2)	/* with NIC_TX_TSO, needs NIC_CAP_TX_TSO6: IPv6, not IPv4 */
#define NIC_TSO_PULL	4u	/* bytes of payload in the piece that holds the headers */

struct nic_tx {
	const struct sg *frag;	/* the array belongs to the caller and is valid during the call only */
	unsigned nfrag;		/* 1..NIC_MAX_FRAGS */
	uint32_t len;		/* sum of their lengths; NIC_FRAME_MIN..nic.frame_max, or NIC_TSO_MAX with NIC_TX_TSO */
	uint32_t flags;
	uint16_t csum_start;	/* from the frame's first byte; only with NIC_TX_CSUM: */
	uint16_t csum_offset;	/* csum_start + csum_offset + 2 <= len */
	/*
	 * Only with NIC_TX_TSO.  The client makes the first piece: all headers and NIC_TSO_PULL bytes of payload; the payload
	 * is longer than @mss.  In the headers IPv4's total length and checksum, or IPv6's payload length, are 0, TCP's
	 * checksum is the sum of the pseudo header without a length, and CWR is clear: in the segments chips clear FIN and PSH
	 * as necessary, and keep all other flags (8254x SDM 3.5.9).
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

/* The receive filter.  If the hardware holds too few addresses, the filter passes more frames than asked for, never fewer. */
struct nic_rx_filter {
	bool promisc;			/* everything */
	bool allmulti;
	bool nobcast, nouni, nomulti;	/* drop these frames, whatever the other fields say; in hardware if possible */
	unsigned nmac, nmcast;
	const uint8_t (*mac)[6];	/* extra unicast addresses */
	const uint8_t (*mcast)[6];
	const uint32_t *vlan;		/* bitmap of 4096 bits, or NULL: no VLAN filtering */
};

/* --- the client's side --- */

/* rx_done() flags */
#define NIC_RX_CSUM_OK	BIT(0)	/* the hardware has checked the TCP or UDP checksum, and the sum is right */

/* A buffer that holds a part of a frame. */
struct nic_rx_part {
	void *token;
	uint32_t len;
};

/* A callback may call every nic_ function below, nic_stop() among them. */
struct nic_client_ops {
	void (*tx_done)(void *ctx, unsigned q, void *token);

	/* The buffer holds a frame of @len bytes (without FCS).  Frames with errors are never passed. */
	void (*rx_done)(void *ctx, unsigned q, void *token, uint32_t len, uint32_t flags);

	/*
	 * A frame of at most nic.frame_max bytes in @n = 2..NIC_RX_PARTS buffers, in this order.  Only if nic_set_frame_max()
	 * has allowed frames longer than NIC_FRAME_MAX; else may be NULL.
	 */
	void (*rx_long)(void *ctx, unsigned q, const struct nic_rx_part *part, unsigned n, uint32_t flags);

	/*
	 * For NICs with NIC_CAP_RX_COPY only: a frame in the device's own ring, valid during the call.  Returns false if the
	 * client has no buffer: the frame is then dropped, as hardware would drop it.
	 */
	bool (*rx_frame)(void *ctx, unsigned q, const void *frame, uint32_t len, uint32_t flags);

	/* Called at the end of a poll that called any function above: publish the frames, interrupt once. */
	void (*flush)(void *ctx, unsigned q);

	/* The link went up or down; read the link with nic_link(). */
	void (*link_changed)(void *ctx);
};

/*
 * Start with empty rings: enable DMA, receiver and transmitter; filter and MAC are those last set.  Returns 0, or a negative
 * error after a log line.  Call this after the probe or nic_stop(), also inside an exit: some microseconds, but after a failed
 * reset as long as nic_stop().
 */
int nic_start(struct nic *nic);

/*
 * Stop receiver and transmitter: after the return there is no DMA of this NIC to client memory, and all tokens are forgotten
 * without a callback.  Takes as long as the driver's reset (at most some 30 ms); if the chip does not reset, its bus mastering
 * is disabled.  The link stays up if the hardware allows.
 */
void nic_stop(struct nic *nic);

/*
 * Queue one frame.  Returns 0; -ERR_BUSY if there is no room now (tx_done() makes room); or -ERR_INVAL if this hardware cannot
 * send the frame (or, with NIC_TX_TSO, cannot send it now).  Checks lengths, number and addresses of the pieces once for all
 * drivers and clients.  The NIC sends nothing before nic_tx_kick().  May call tx_done().
 */
int nic_tx(struct nic *nic, unsigned q, const struct nic_tx *pkt);
/* Does nothing if no frame was queued.  May call tx_done() for frames that are sent; flush() does not follow. */
void nic_tx_kick(struct nic *nic, unsigned q);

/* The client has no buffers and sends no more frames before a token returns: hold the clock, so that a hang is found. */
void nic_tx_wait(struct nic *nic, unsigned q);

/*
 * Check the age of the oldest frame in flight, and of nic.unheard.  The client calls this if the guest kicks while frames are
 * in flight or nic.unheard is set: such a guest may take no interrupts.  May call the client back.  Returns the number of
 * completions and other causes that it found outside the doorbell: pass the number to doorbell_credit().
 */
unsigned nic_look(struct nic *nic);

/*
 * Post one contiguous receive buffer of @len >= nic.rx_room bytes.  Returns 0; -ERR_BUSY if the ring is full; or -ERR_INVAL
 * if this hardware cannot write to the address (out of reach, alignment, a boundary): the client then posts a bounce buffer.
 * The NIC fills buffers in the order in which they were posted.
 */
int nic_rx_post(struct nic *nic, unsigned q, uint64_t addr, uint32_t len, void *token);
void nic_rx_kick(struct nic *nic, unsigned q);

void nic_link(struct nic *nic, struct nic_link *out);
void nic_set_mac(struct nic *nic, const uint8_t mac[6]);
void nic_set_filter(struct nic *nic, const struct nic_rx_filter *f);	/* the arrays are read during the call only */

/* --- the driver's side --- */

#define NIC_GONE	(~0u)	/* returned by ack(): the registers read all ones */

/* A counter of the driver's own: a uint64_t at @offset of the driver's structure. */
struct nic_counter {
	const char *name;
	uint32_t offset;
};

/* In the order in which to write a driver.  Only operations marked "may be NULL" are optional. */
struct nic_ops {
	/*
	 * From any state, end DMA and interrupts, disable receiver and transmitter.  Returns 0, or a negative error after a
	 * log line: the core then disables bus mastering.  At most some 30 ms; also called inside exits.
	 */
	int (*reset)(struct nic *nic);

	/* After each reset(): write the registers besides rings, filter and address.  Bus mastering may be on from here. */
	void (*setup)(struct nic *nic);

	/*
	 * Empty the rings, enable receiver and transmitter.  @again: the transmitter hung, and the receive buffers that were
	 * posted still belong to the chip: give it them again, in their order.
	 */
	void (*run)(struct nic *nic, bool again);

	/* At a shutdown, after reset(): restore the state that firmware expects.  May be NULL. */
	void (*close)(struct nic *nic);

	/* As nic_link(), from a status register.  Called often; must not wait.  If the link is down, all fields are 0. */
	void (*link)(struct nic *nic, struct nic_link *out);

	/*
	 * nic->seen has changed: for drivers that set up the transmitter by the link's speed.  Some microseconds; the probe
	 * calls this, too, before run().  May be NULL.
	 */
	void (*link_changed)(struct nic *nic);

	/*
	 * Put one frame into the ring, whole or not at all.  The core has checked the frame and stored its token as number
	 * txq[q].sent - 1, and drops the token if this returns -ERR_BUSY or -ERR_INVAL.  May call nic_tx_done() for older
	 * frames at any time, for this frame only when nothing can fail any more.  The core refuses memory beyond dma_mask,
	 * and the client then bounces: the driver needs no copy for that.
	 */
	int (*tx)(struct nic *nic, unsigned q, const struct nic_tx *pkt);

	/* Tell the chip of the frames txq[q].kicked .. txq[q].sent, at least one; first order memory by dma_wmb(). */
	void (*tx_kick)(struct nic *nic, unsigned q);

	/* The part of drain() that calls nic_tx_done(), by a look at memory.  NULL if nic.lazy is never set. */
	void (*tx_reap)(struct nic *nic, unsigned q);

	/* As nic_rx_post() and nic_rx_kick().  NULL with NIC_CAP_RX_COPY. */
	int (*rx_post)(struct nic *nic, unsigned q, uint64_t addr, uint32_t len, void *token);
	void (*rx_kick)(struct nic *nic, unsigned q);

	/*
	 * Read and acknowledge the enabled causes of interrupts, before the drain, so that later causes interrupt again.  A
	 * line must fall by this.  Returns 0 if this device did not interrupt, and while irq() is off: the NMI is then given
	 * to the guest, whose kernel takes it for a fault of the machine.  Returns NIC_GONE if the registers read all ones.
	 */
	uint32_t (*ack)(struct nic *nic);

	/*
	 * Pass completed descriptors to nic_rx_done(), nic_rx_frame() and nic_tx_done(), at most one ring's worth of each.
	 * Each of these calls may stop the NIC and start it again: check nic_runs() before touching the ring, and keep no ring
	 * index across the call.  Returns the number passed to the client, and sets *@more if work is left.
	 */
	unsigned (*drain)(struct nic *nic, unsigned q, bool *more);

	/* True if drain() would find something, by a look at memory alone.  NULL: the NIC is not polled. */
	bool (*peek)(struct nic *nic);

	/* After drain(): handle causes besides frames and link.  May be NULL. */
	void (*rare)(struct nic *nic, uint32_t causes);

	/* Enable or disable the interrupts at the chip; the write has reached the chip at the return. */
	void (*irq)(struct nic *nic, bool on);

	/* Make the chip interrupt again, soon.  If its line is still asserted, make a new edge (off and on). */
	void (*ring)(struct nic *nic);

	/*
	 * Assert the INTx line, which stays asserted, or withdraw it: by the chip's timer or software interrupt, with no other
	 * effect.  Called after attach() and before run(): receiver and transmitter are off and stay off.  Up to a millisecond;
	 * irq() follows.  NULL if all chips have MSI: a chip without MSI is not used if this is NULL.
	 */
	void (*intx_test)(struct nic *nic, bool assert);

	/*
	 * filter_make() converts a filter to the driver's form; an array of the filter may be NULL if its count is 0.
	 * filter_write() writes that form and nic->addr to the chip, also after each reset, while receiver and transmitter are
	 * off: if the chip takes its filter as a frame, send that frame in run().  Called inside exits: some microseconds; may
	 * restart the receiver and lose frames.
	 */
	void (*filter_make)(struct nic *nic, const struct nic_rx_filter *f);
	void (*filter_write)(struct nic *nic);

	/* At each tick of the clock, before the core checks the transmitter.  True if another tick is needed.  May be NULL. */
	bool (*tick)(struct nic *nic);

	/*
	 * The transmitter hangs and is about to be reset: write the oldest descriptor and status registers into @text, for the
	 * log, without a side effect.  @size is 80.
	 */
	void (*hung)(struct nic *nic, char *text, size_t size);

	const struct nic_counter *counter;	/* the driver's counters; the last has name NULL.  May be NULL */
};

/* nic.caps */
#define NIC_CAP_TX_CSUM		BIT(0)
#define NIC_CAP_RX_CSUM		BIT(1)
#define NIC_CAP_RX_COPY		BIT(2)	/* the driver copies every received frame: rx_frame(), never rx_post() */
#define NIC_CAP_VLAN_FILTER	BIT(3)
#define NIC_CAP_TX_COPY		BIT(4)	/* tx() copies every frame, from any address; the client counts the frame as copied */
#define NIC_CAP_TX_TSO		BIT(5)
#define NIC_CAP_TX_TSO6		BIT(6)

enum nic_state {
	NIC_STOPPED,
	NIC_RUNS,
	NIC_RECOVERS,		/* tokens are being returned, no frame is accepted */
};

/* Numbers of frames since the last start: accepted, known to the chip, returned.  Frame n has token[n & mask]. */
struct nic_txq {
	uint32_t sent, kicked, done;
	uint32_t prompt;	/* the last frame that interrupts promptly, counted from 1 as sent is; at most done: none */
	uint32_t eager;		/* all frames up to this one do */
	uint32_t at_tick;	/* the value of done at the last tick */
	uint32_t mask;
	void **token;
	uint32_t seen;		/* the value of done at the last check */
	bool watched;
	uint64_t seen_us;	/* the time since which done has this value */
};

struct nic_counts {
	uint64_t recoveries;	/* resets on the chip's request */
	uint64_t tx_packets, tx_bytes, tx_busy, tx_invalid, tx_late, tx_hangs, rx_packets, rx_bytes, rx_dropped, polls;
};

/* The first member of a driver's structure.  The core sets all fields but those marked "driver". */
struct nic {
	struct hw_dev hw;
	const struct nic_ops *ops;
	const void *kind;		/* nic_driver.kind */
	uint32_t quirks;		/* copy of hw_id.quirks: the id tables are unmapped when the guest runs */
	const char *name;		/* hw.name */
	char detail[24];		/* driver: end of the line that announces the NIC, like ", version 12"; may be empty */
	uint8_t mac[6];			/* driver: the permanent address */
	uint8_t addr[6];		/* the address that the client set last */
	uint32_t caps;			/* driver */
	uint64_t dma_mask;		/* driver: the highest address that the device reaches; preset to 4 GiB - 1 */
	uint32_t frame_limit;		/* driver: the longest frame that the chip can carry; preset to NIC_FRAME_MAX */
	uint32_t frame_max;		/* the longest frame from the next nic_start() on; see nic_set_frame_max() */
	uint32_t rx_room;		/* the bytes that the chip may write into one receive buffer */
	unsigned nqueues;		/* preset to 1 */
	unsigned tx_slots, rx_slots;	/* driver, per queue: frames of one fragment that fit, buffers that fit */
	uint32_t link_cause;		/* driver: bits of ack(); 0: the core reads the link in each poll and tick */
	bool level;			/* driver: interrupts by a line, which must fall before it can interrupt again */
	/*
	 * Driver: the chip can delay the interrupt of a frame by a timer of its own.  Then only frames for which
	 * nic_tx_is_prompt() is true interrupt at once: the sender's next kick or the next received frame finds the others.
	 */
	bool lazy;
	unsigned budget;		/* driver: completions after which a poll ends and calls ring(); preset to 256 */

	enum nic_state state;
	bool irq_on;
	bool masked;		/* for the polling core, whatever irq_on says */
	bool broken;			/* a reset failed: bus mastering is off */
	bool shut;			/* shut down for good */
	bool clock_held;
	uint32_t starts;
	bool gone_said, length_said, late_said;
	bool recover;			/* nic_want_recovery() was called */
	bool unheard;			/* frames were returned by tx_reap(), and no poll has read the causes since */
	uint64_t unheard_us;		/* the time of the first of them */
	uint64_t recovered_us;		/* time of the last reset on the chip's request; 0: never */
	uint8_t *watch;			/* <veneer/clock.h>: not 0 with @unheard, or frames in flight and a link */
	uint8_t watchable;		/* the value for *watch: 0 while the link is down and will interrupt when it returns */
	struct nic_link seen;		/* the link last reported, by link_changed() or nic_link() */
	struct nic_txq txq[NIC_MAX_QUEUES];
	struct nic_counts count;
	const struct nic_client_ops *client;	/* set by the client before nic_start(); NULL before */
	void *client_ctx;
};

struct nic_driver {
	const char *prefix;		/* the name before the unit number: "e1000e", "rtl8139-" */
	size_t size;			/* size of the driver's structure, whose first member is a struct nic */
	unsigned tx_tokens;		/* per queue: a power of two, at least the number of frames that can be in flight */
	/*
	 * Map the registers, allocate the rings, reset(), read the permanent address into nic->mac (the core checks it), set
	 * the fields of struct nic marked "driver".  Start only; may wait as long as the chip needs.  At the call memory
	 * decoding is on, bus mastering is as firmware left it, and all fields of the driver's structure are 0 except the
	 * fields of struct nic that the core sets.  Returns 0, or a negative error:
	 *   -ERR_NODEV	nothing is connected, or the chip does not answer
	 *   others	a failure, after a log line that names it
	 * After any error the function is hidden, and the guest gets no twin.  To refuse a chip that is not for this driver,
	 * use hw_driver.fits or a range of revisions: the core then hides nothing, and the guest keeps the chip.
	 */
	int (*attach)(struct nic *nic);

	/* After a failed probe: free the memory that attach() had allocated.  Bus mastering is off. */
	void (*detach)(struct nic *nic);

	const void *kind;		/* data of the driver's own, for drivers that share their ops */
};

/*
 * The whole of hw_driver.probe.  See nic_driver.attach.  @ops is no part of @drv, since @drv and its functions are unmapped
 * before the guest runs (START_ONLY_TABLE, START_ONLY_CODE).
 */
int nic_probe(const struct nic_driver *drv, const struct nic_ops *ops, const struct pci_dev *pci, const struct hw_id *id,
	      unsigned unit, struct hw_dev **out);

static inline bool nic_runs(const struct nic *nic)
{
	return nic->state == NIC_RUNS;
}

/* For drivers that unmask causes anew: true if the chip may interrupt. */
static inline bool nic_rings(const struct nic *nic)
{
	return nic->irq_on && !nic->masked;
}

static inline bool nic_tx_empty(const struct nic *nic, unsigned q)
{
	return nic->txq[q].done == nic->txq[q].sent;
}

/*
 * For tx() of a driver with nic.lazy: true if the frame has to interrupt promptly, because many are in flight and the client
 * may have stopped kicks.  nic_tx_prompt() notes that it will, when nothing can fail any more.  So among NIC_LAZY_FRAMES in
 * flight there is a prompt one.
 */
static inline bool nic_tx_is_prompt(const struct nic *nic, unsigned q)
{
	const struct nic_txq *t = &nic->txq[q];

	if ((int32_t)(t->eager - t->sent) >= 0)
		return true;
	return t->sent - t->done >= NIC_LAZY_FRAMES && t->sent - t->prompt >= NIC_LAZY_FRAMES;
}

static inline void nic_tx_prompt(struct nic *nic, unsigned q)
{
	nic->txq[q].prompt = nic->txq[q].sent;
}

/*
 * For the client, while frames are in flight: true if one of them interrupts as soon as it is sent, so that flush() is called
 * soon.  If not, flush() may come milliseconds late: kicks have to be on.
 */
static inline bool nic_tx_rings(const struct nic *nic, unsigned q)
{
	return !nic->lazy || (int32_t)(nic->txq[q].prompt - nic->txq[q].done) > 0;
}

/*
 * The chip reports that it, or its receiver, has stopped, which the core cannot notice: reset the chip at the end of this poll,
 * or NIC_RECOVER_US after the last such reset.  Does nothing if the NIC does not run.  Call this from rare() and tick().
 */
static inline void nic_want_recovery(struct nic *nic)
{
	nic->recover = nic->state == NIC_RUNS;
}

/*
 * For the client, while the NIC is stopped: frames of up to @max bytes are sent and received, NIC_FRAME_MAX..nic.frame_limit.
 * A driver's run() sets the chip up for nic.frame_max.  If it is above NIC_FRAME_MAX, a frame may take several buffers, each of
 * which needs NIC_RX_PART bytes.
 */
static inline void nic_set_frame_max(struct nic *nic, uint32_t max)
{
	nic->frame_max = max;
	nic->rx_room = max > NIC_FRAME_MAX ? NIC_RX_PART : NIC_FRAME_MAX;
}

/* Return the token of the oldest frame in flight: it was sent, or never will be.  Call this from drain() and tx(). */
static inline void nic_tx_done(struct nic *nic, unsigned q)
{
	struct nic_txq *t = &nic->txq[q];

	nic->client->tx_done(nic->client_ctx, q, t->token[t->done++ & t->mask]);
}

/*
 * Pass a received frame of @len bytes in the buffer of @room bytes with @token to the client.  False if @len is impossible: the
 * driver then gives the buffer to the chip again.
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

/*
 * Pass a frame in @n = 2..NIC_RX_PARTS buffers, each filled within its bounds, to the client.  False if the frame is longer
 * than nic.frame_max: the driver then gives all these buffers to the chip again.
 */
static inline bool nic_rx_long(struct nic *nic, unsigned q, const struct nic_rx_part *part, unsigned n, uint32_t flags)
{
	uint32_t len = 0;

	for (unsigned i = 0; i < n; i++)
		len += part[i].len;
	if (len > nic->frame_max)
		return false;
	nic->count.rx_packets++;
	nic->count.rx_bytes += len;
	nic->client->rx_long(nic->client_ctx, q, part, n, flags);
	return true;
}

/* With NIC_CAP_RX_COPY: pass a frame in the driver's ring to the client, or drop it: impossible @len, or no buffer is free. */
void nic_rx_frame(struct nic *nic, unsigned q, const void *frame, uint32_t len, uint32_t flags);

/* Hold the clock until tick() returns false and no frame is in flight. */
void nic_want_tick(struct nic *nic);

/* True if the address is neither a group address nor zero. */
bool nic_mac_valid(const uint8_t mac[6]);

/* Return the top six bits of an address's Ethernet CRC: the multicast hash of many chips. */
unsigned nic_crc_hash(const uint8_t mac[6]);

#endif
