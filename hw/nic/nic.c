/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The NIC core: the code that all network controllers share, between a client (<veneer/nic.h>, first half) and a driver
 * (second half).  Registers and descriptors are the drivers'.
 *
 * How the core finds a transmitter that hangs.  A client disables kicks while frames are in flight, and a chip that hangs does
 * not interrupt, so no call would reach the core again.  Therefore the clock watches each NIC (<veneer/clock.h>) from a kick
 * until a poll finds no frame in flight: the next interrupt that the guest takes causes an exit, and nic_tick() checks how long
 * there has been no progress.  After NIC_LATE_US the core polls, because an interrupt may be lost, and holds the clock, so that
 * all processors tick; after NIC_HANG_US it resets the chip.  If a guest takes no interrupts but kicks, its kicks call
 * nic_look().
 *
 * How the core finds a lost interrupt of frames that kicks and ticks have returned (nic.lazy).  No frame in flight grows old
 * then, but the cause stays unread, and such a chip need not interrupt again, not even for received frames.  So the watch stays
 * on after such a return, too, until the next poll, and after NIC_LATE_US the core polls (nic.unheard).
 */
#include <veneer/clock.h>
#include <veneer/counters.h>
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/nic.h>
#include <veneer/string.h>
#include <veneer/time.h>

#define POLL_ROUNDS	16u	/* reads of the causes per poll of a level-triggered line */
#define BUDGET		256u
#define RECOVERIES_SAID	8u	/* resets on a chip's request that are logged */

static void recover_if_wanted(struct nic *nic);

static struct nic *from_hw(struct hw_dev *hw)
{
	return container_of(hw, struct nic, hw);
}

bool nic_mac_valid(const uint8_t mac[6])
{
	static const uint8_t zero[6];

	return !(mac[0] & 1) && memcmp(mac, zero, 6) != 0;
}

unsigned nic_crc_hash(const uint8_t mac[6])
{
	uint32_t crc = ~0u;

	for (unsigned i = 0; i < 48; i++) {
		bool bit = (mac[i / 8] >> (i % 8) & 1) ^ crc >> 31;

		crc = crc << 1 ^ (bit ? 0x04c11db7u : 0);
	}
	return crc >> 26;
}

/* --- the watch --- */

static void nic_hold_clock(struct nic *nic, bool hold)
{
	if (nic->clock_held == hold)
		return;
	nic->clock_held = hold;
	if (hold)
		clock_hold();
	else
		clock_release();
}

static bool under_way(const struct nic *nic)
{
	bool some = false;

	for (unsigned q = 0; q < nic->nqueues; q++)
		some |= !nic_tx_empty(nic, q);
	return some;
}

void nic_want_tick(struct nic *nic)
{
	nic_hold_clock(nic, true);
}

/* Frames whose interrupt is still to come are watched without a link, too: the chip has sent them. */
static void watch_set(struct nic *nic)
{
	*nic->watch = !nic_runs(nic) ? 0 : nic->unheard ? 1 : under_way(nic) ? nic->watchable : 0;
}

/* After completions: keep the watch while it is needed, and release the clock if it was held for a late frame. */
static void watch_update(struct nic *nic, uint64_t packets_before)
{
	watch_set(nic);
	if (nic->clock_held && !nic->recover && nic->count.tx_packets != packets_before)
		nic_hold_clock(nic, false);
}

static RARE void forget_tokens(struct nic *nic)
{
	for (unsigned q = 0; q < nic->nqueues; q++) {
		struct nic_txq *t = &nic->txq[q];

		t->sent = t->kicked = t->done = t->prompt = t->eager = t->at_tick = 0;
		t->watched = false;
	}
	nic->recover = nic->unheard = false;
	*nic->watch = 0;
}

/* --- life --- */

/* Reset the chip; if the reset fails, disable bus mastering.  After the return there is no DMA. */
static RARE int reset_chip(struct nic *nic)
{
	bool was_broken = nic->broken;
	int err = nic->ops->reset(nic);

	nic->broken = err != 0;
	if (err) {
		pci_master_off(nic->hw.pci);
		return err;
	}
	if (was_broken)
		pci_enable(nic->hw.pci);
	nic->ops->setup(nic);
	nic->ops->filter_write(nic);
	if (nic_rings(nic))
		nic->ops->irq(nic, true);
	return 0;
}

static void run_chip(struct nic *nic, bool again)
{
	nic->ops->run(nic, again);
	nic->state = NIC_RUNS;
}

RARE int nic_start(struct nic *nic)
{
	int err = 0;

	if (nic->shut)
		return -ERR_NODEV;
	if (nic->broken)
		err = reset_chip(nic);
	if (err) {
		log_err("%s: cannot start: %s", nic->name, err_name(err));
		return err;
	}
	forget_tokens(nic);
	nic->starts++;
	run_chip(nic, false);
	return 0;
}

RARE void nic_stop(struct nic *nic)
{
	if (nic->shut)
		return;
	nic->state = NIC_STOPPED;
	nic_hold_clock(nic, false);
	if (reset_chip(nic))
		log_err("%s: stopped by disabling its bus mastering", nic->name);
	forget_tokens(nic);
}

static RARE void nic_shutdown(struct hw_dev *hw)
{
	struct nic *nic = from_hw(hw);

	if (nic->shut)
		return;
	nic->state = NIC_STOPPED;
	nic->shut = true;
	nic->irq_on = false;
	nic_hold_clock(nic, false);
	forget_tokens(nic);
	(void)nic->ops->reset(nic);
	if (nic->ops->close)
		nic->ops->close(nic);
	pci_master_off(hw->pci);
}

/* --- sending --- */

/* Most frames: one piece, sent as it is. */
static bool frame_is_plain(const struct nic *nic, const struct nic_tx *pkt)
{
	const struct sg *s = pkt->frag;
	uint32_t len = pkt->len;

	return pkt->nfrag == 1 && !pkt->flags && len - NIC_FRAME_MIN <= NIC_FRAME_MAX - NIC_FRAME_MIN && s->len == len &&
	       s->addr <= nic->dma_mask && len - 1 <= nic->dma_mask - s->addr;
}

static __attribute__((noinline)) bool frame_good(const struct nic *nic, const struct nic_tx *pkt)
{
	uint64_t mask = nic->dma_mask;
	uint32_t left = pkt->len;

	if (pkt->nfrag < 1 || pkt->nfrag > NIC_MAX_FRAGS || left < NIC_FRAME_MIN)
		return false;
	if (pkt->flags) {
		if (!(nic->caps & NIC_CAP_TX_CSUM) || (uint32_t)pkt->csum_start + pkt->csum_offset + 2 > left)
			return false;
		if ((pkt->flags & NIC_TX_TSO) && !(nic->caps & (pkt->flags & NIC_TX_IPV6 ? NIC_CAP_TX_TSO6 : NIC_CAP_TX_TSO)))
			return false;
	}
	if (left > (pkt->flags & NIC_TX_TSO ? NIC_TSO_MAX : nic->frame_max))
		return false;
	for (const struct sg *s = pkt->frag, *end = s + pkt->nfrag; s < end; s++) {
		if (!s->len || s->len > left || s->addr > mask || s->len - 1 > mask - s->addr)
			return false;
		left -= s->len;
	}
	return !left;
}

void nic_tx_wait(struct nic *nic, unsigned q)
{
	/* Without a link the chip sends nothing, which is not a hang. */
	if (nic_runs(nic) && !nic_tx_empty(nic, q))
		nic_hold_clock(nic, nic->seen.up);
}

/* Keep this code out of the path of accepted frames. */
static int __attribute__((noinline)) nic_refused(struct nic *nic, unsigned q, const struct nic_tx *pkt, int err)
{
	if (err == -ERR_BUSY) {
		nic->count.tx_busy++;
		nic_tx_wait(nic, q);
	} else {
		nic->count.tx_invalid += !(pkt->flags & NIC_TX_TSO);
	}
	return err;
}

int nic_tx(struct nic *nic, unsigned q, const struct nic_tx *pkt)
{
	struct nic_txq *t = &nic->txq[q];
	int err;

	if (!frame_is_plain(nic, pkt) && !frame_good(nic, pkt))
		return nic_refused(nic, q, pkt, -ERR_INVAL);
	if (!nic_runs(nic) || t->sent - t->done > t->mask)
		return nic_refused(nic, q, pkt, -ERR_BUSY);
	t->token[t->sent++ & t->mask] = pkt->token;
	nic->count.tx_bytes += pkt->len;
	err = nic->ops->tx(nic, q, pkt);
	if (!err)
		return 0;
	t->sent--;
	nic->count.tx_bytes -= pkt->len;
	return nic_refused(nic, q, pkt, err);
}

/*
 * Frames from number @before on have returned.  @late: none but a late event has returned them, so the sender may be one that
 * waits for the end of the few frames that it may have in flight: its next frames interrupt at once.  Let no number of the past
 * grow so old that it compares as one of the future.
 */
static void note_done(struct nic *nic, struct nic_txq *t, uint32_t before, bool late)
{
	nic->count.tx_packets += t->done - before;
	if (nic->lazy && late)
		t->eager = t->sent + NIC_EAGER_FRAMES;
	if ((int32_t)(t->eager - t->done) < 0)
		t->eager = t->done;
	if ((int32_t)(t->prompt - t->done) < 0)
		t->prompt = t->done;
}

/*
 * Return the tokens of frames that are sent although no interrupt has said so.  True if there were some.  @by_tick: if no frame
 * has returned in any other way since the last tick, the sender may wait for ticks.
 */
static bool __attribute__((noinline)) nic_reap(struct nic *nic, unsigned q, bool by_tick)
{
	struct nic_txq *t = &nic->txq[q];
	uint32_t before = t->done, starts = nic->starts;
	uint64_t packets = nic->count.tx_packets;
	bool late = by_tick && t->at_tick == before && !nic_tx_rings(nic, q);

	nic->ops->tx_reap(nic, q);
	if (!nic_runs(nic) || nic->starts != starts)
		return false;
	if (by_tick)
		t->at_tick = t->done;
	if (t->done == before)
		return false;
	note_done(nic, t, before, late);
	if (!nic->unheard)
		nic->unheard_us = time_us();
	nic->unheard = true;
	watch_update(nic, packets);
	return true;
}

void nic_tx_kick(struct nic *nic, unsigned q)
{
	struct nic_txq *t = &nic->txq[q];

	if (!nic_runs(nic) || t->kicked == t->sent)
		return;
	nic->ops->tx_kick(nic, q);
	t->kicked = t->sent;
	*nic->watch |= nic->watchable;
	if (nic->lazy)
		(void)nic_reap(nic, q, false);
}

/* --- receiving --- */

int nic_rx_post(struct nic *nic, unsigned q, uint64_t addr, uint32_t len, void *token)
{
	if (!nic_runs(nic))
		return -ERR_BUSY;
	if (len < nic->rx_room || addr > nic->dma_mask || nic->rx_room - 1 > nic->dma_mask - addr)
		return -ERR_INVAL;
	return nic->ops->rx_post(nic, q, addr, len, token);
}

void nic_rx_kick(struct nic *nic, unsigned q)
{
	if (nic_runs(nic))
		nic->ops->rx_kick(nic, q);
}

void nic_rx_frame(struct nic *nic, unsigned q, const void *frame, uint32_t len, uint32_t flags)
{
	if (len < NIC_FRAME_MIN || len > NIC_FRAME_MAX || !nic->client->rx_frame(nic->client_ctx, q, frame, len, flags)) {
		nic->count.rx_dropped++;
		return;
	}
	nic->count.rx_packets++;
	nic->count.rx_bytes += len;
}

/* --- polling --- */

static unsigned nic_drain(struct nic *nic, bool *more)
{
	unsigned done = 0, found;

	for (unsigned q = 0; q < nic->nqueues && nic_runs(nic); q++) {
		struct nic_txq *t = &nic->txq[q];
		uint32_t before = t->done, starts = nic->starts;
		bool rang = nic_tx_rings(nic, q);

		found = nic->ops->drain(nic, q, more);
		done += found;
		/* If the client stops and starts the NIC from a callback, the frame numbers restart at 0. */
		if (!nic_runs(nic) || nic->starts != starts)
			continue;
		/* Late: frames without a prompt one among them, and no frame received. */
		note_done(nic, t, before, !rang && found && found == t->done - before);
	}
	return done;
}

static void nic_flush(struct nic *nic)
{
	for (unsigned q = 0; q < nic->nqueues && nic_runs(nic); q++)
		nic->client->flush(nic->client_ctx, q);
}

static bool link_same(const struct nic_link *a, const struct nic_link *b)
{
	return a->up == b->up && a->mbps == b->mbps && a->full_duplex == b->full_duplex;
}

static void link_text(const struct nic_link *l, char *text, size_t size)
{
	if (l->up)
		fmt_string(text, size, "link up %u Mb/s %s duplex", l->mbps, l->full_duplex ? "full" : "half");
	else
		fmt_string(text, size, "link down");
}

/* Without a link the chip sends nothing: do not watch its frames, unless the link is polled, which the watch's tick does. */
static void note_link(struct nic *nic, const struct nic_link *l)
{
	nic->seen = *l;
	nic->watchable = l->up || !nic->link_cause;
	if (nic->ops->link_changed)
		nic->ops->link_changed(nic);
}

/* The link interrupt can come without a change of the link: report changes only. */
static RARE void look_at_link(struct nic *nic)
{
	struct nic_link l;
	char text[40];

	nic->ops->link(nic, &l);
	if (link_same(&l, &nic->seen))
		return;
	note_link(nic, &l);
	link_text(&l, text, sizeof(text));
	log_info("%s: %s", nic->name, text);
	/* Restart the deadline of frames that waited for the link. */
	for (unsigned q = 0; q < nic->nqueues; q++)
		nic->txq[q].watched = false;
	nic_hold_clock(nic, l.up && nic_runs(nic) && under_way(nic));
	watch_update(nic, nic->count.tx_packets);
	if (nic->client && nic->client->link_changed)
		nic->client->link_changed(nic->client_ctx);
}


/*
 * With MSI one read of the causes is enough: each cause that arises after the read sends a new message.  A level-triggered
 * line must be seen low, so read the causes until no enabled cause is left.
 */
static unsigned nic_poll(struct hw_dev *hw)
{
	struct nic *nic = from_hw(hw);
	unsigned done = 0, rounds = 0;
	uint64_t packets = nic->count.tx_packets;
	uint32_t causes, all = 0;
	bool more;

	nic->count.polls++;
	nic->unheard = false;
	do {
		causes = nic->ops->ack(nic);
		if (causes == NIC_GONE) {
			log_err_once(nic->gone_said, "%s: registers read all ones: the device is gone", nic->name);
			causes = 0;
		}
		all |= causes;
		more = false;
		done += nic_drain(nic, &more);
		if (nic->ops->rare)
			nic->ops->rare(nic, causes);
		if ((causes & nic->link_cause) || !nic->link_cause)
			look_at_link(nic);
	} while (nic->level && causes && ++rounds < POLL_ROUNDS && done < nic->budget);

	if (done)
		nic_flush(nic);
	watch_update(nic, packets);
	recover_if_wanted(nic);
	if (nic_rings(nic) && ((nic->level && causes) || more))
		nic->ops->ring(nic);
	/* Frames that a kick has returned may have sent a message of their own: their cause was unread until now. */
	if (nic->irq_on && all)
		done = MAX(done, nic->lazy && !(all & nic->link_cause) && (all & (all - 1)) ? 2u : 1u);
	return done;
}

static void nic_irq_enable(struct hw_dev *hw, bool on)
{
	struct nic *nic = from_hw(hw);

	nic->irq_on = on;
	nic->ops->irq(nic, nic_rings(nic));
}

/* The causes stay latched meanwhile; poll() reads and clears them. */
static RARE bool nic_mask(struct hw_dev *hw, bool on)
{
	struct nic *nic = from_hw(hw);

	if (!nic->ops->peek)
		return false;
	nic->masked = on;
	if (!nic->broken && !nic->shut)
		nic_irq_enable(hw, nic->irq_on);
	return true;
}

/* False of a NIC that cannot be polled, too: nic_mask() refuses for it. */
static bool nic_peek(struct hw_dev *hw)
{
	struct nic *nic = from_hw(hw);

	return nic->ops->peek && nic_runs(nic) && nic->ops->peek(nic);
}

static void nic_intx_test(struct hw_dev *hw, bool assert)
{
	struct nic *nic = from_hw(hw);

	nic->ops->intx_test(nic, assert);
	if (!assert)
		nic->ops->irq(nic, nic->irq_on);
}

/* --- a transmitter that hangs --- */

/* Reset the chip, complete the frames in flight as sent (a network may lose frames), and post the receive buffers again. */
static RARE void nic_recover(struct nic *nic)
{
	nic->state = NIC_RECOVERS;
	int err = reset_chip(nic);

	for (unsigned q = 0; q < nic->nqueues; q++)
		while (nic->state == NIC_RECOVERS && !nic_tx_empty(nic, q)) {
			nic->count.tx_packets++;
			nic_tx_done(nic, q);
		}
	if (nic->state != NIC_RECOVERS)
		return;		/* the client has stopped the NIC from its callback */
	forget_tokens(nic);
	nic_hold_clock(nic, false);
	if (err) {
		nic->state = NIC_STOPPED;
		log_err("%s: does not recover; stopped", nic->name);
	} else {
		run_chip(nic, true);
	}
	for (unsigned q = 0; q < nic->nqueues; q++)
		nic->client->flush(nic->client_ctx, q);
}

/* True if the queue's oldest frame has been in flight for too long; its age is in *@age. */
static RARE bool nic_stands(struct nic *nic, struct nic_txq *t, uint64_t now_us, uint64_t *age)
{
	if (t->done == t->sent) {
		t->watched = false;
		return false;
	}
	if (!t->watched || t->seen != t->done) {
		t->watched = true;
		t->seen = t->done;
		t->seen_us = now_us;
	}
	*age = now_us - t->seen_us;
	return *age >= NIC_LATE_US;
}

static uint64_t nic_frames(const struct nic *nic)
{
	return nic->count.tx_packets + nic->count.rx_packets;
}

static unsigned nic_poll(struct hw_dev *hw);

static void note_late(struct nic *nic)
{
	nic->count.tx_late++;
	if (!nic->late_said)
		log_warn("%s: frames were completed without an interrupt", nic->name);
	nic->late_said = true;
}

/*
 * Kicks or ticks have returned frames, and no interrupt has come since: read the causes.  If there are none, the chip's timer
 * still runs, since each further frame starts it anew.
 */
static RARE unsigned listen(struct nic *nic)
{
	unsigned found = nic_poll(&nic->hw);

	if (found)
		note_late(nic);
	return found;
}

/*
 * No progress for a while: poll for a lost interrupt, check the link, and write the tail again.  The poll acknowledges the
 * causes: a chip whose message was lost need not send another one while the cause of the lost one is unread.  Return what the
 * poll found: the messages may still come.
 */
static RARE unsigned look_closer(struct nic *nic, unsigned q, uint64_t age)
{
	struct nic_txq *t = &nic->txq[q];
	uint64_t frames = nic_frames(nic);
	unsigned found;
	char text[80];

	look_at_link(nic);
	if (!nic->seen.up) {
		t->watched = false;
		return 0;
	}
	found = nic_poll(&nic->hw);
	if (nic_frames(nic) != frames) {
		note_late(nic);
		return found;
	}
	if (!nic_runs(nic) || t->kicked == t->done)
		return found;
	nic_hold_clock(nic, true);
	if (age < NIC_HANG_US)
		return found;
	t->watched = false;
	nic->ops->hung(nic, text, sizeof(text));
	log_err("%s: transmitter hangs: %s: reset", nic->name, text);
	nic->count.tx_hangs++;
	nic_recover(nic);
	return found + 1;
}

/*
 * Reset a chip that reported an error, but not too often: an error that recurs at once must not keep the guest from running.
 * The clock calls again.
 */
static RARE void recover_if_wanted(struct nic *nic)
{
	uint64_t now_us;

	if (!nic->recover || !nic_runs(nic))
		return;
	now_us = time_us();
	if (nic->recovered_us && now_us - nic->recovered_us < NIC_RECOVER_US) {
		nic_hold_clock(nic, true);
		return;
	}
	nic->recover = false;
	nic->recovered_us = now_us;
	nic->count.recoveries++;
	if (nic->count.recoveries <= RECOVERIES_SAID)
		log_warn("%s: the chip reports an error: reset", nic->name);
	nic_recover(nic);
}

static RARE unsigned nic_watch(struct nic *nic, uint64_t now_us, bool by_tick)
{
	unsigned found = 0;
	bool some = false;
	uint64_t age;

	for (unsigned q = 0; nic->lazy && q < nic->nqueues && nic_runs(nic); q++)
		some |= nic_reap(nic, q, by_tick);
	if (some)
		nic_flush(nic);
	if (nic_runs(nic) && nic->unheard && now_us >= nic->unheard_us + NIC_LATE_US)
		found = listen(nic);
	for (unsigned q = 0; q < nic->nqueues; q++)
		if (nic_runs(nic) && nic_stands(nic, &nic->txq[q], now_us, &age))
			found += look_closer(nic, q, age);
	watch_set(nic);
	return found;
}

/*
 * Return what polls and resets found.  A frame that was returned by a look at memory does not count: its cause is unread, so
 * the poll at its message finds that.
 */
static RARE unsigned nic_tick(struct hw_dev *hw, uint64_t now_us)
{
	struct nic *nic = from_hw(hw);
	uint64_t recoveries = nic->count.recoveries;
	unsigned found;

	bool again = nic->ops->tick && nic->ops->tick(nic);

	if (!nic->link_cause)
		look_at_link(nic);
	found = nic_watch(nic, now_us, true);
	recover_if_wanted(nic);
	if (!again && !nic->recover && !*nic->watch)
		nic_hold_clock(nic, false);
	return found + (nic->count.recoveries != recoveries);
}

unsigned nic_look(struct nic *nic)
{
	return nic_watch(nic, time_us(), false);
}

/* --- control --- */

void nic_link(struct nic *nic, struct nic_link *out)
{
	nic->ops->link(nic, out);
	if (!link_same(out, &nic->seen))
		note_link(nic, out);
}

/* Write the filter now, or, if the chip is broken or shut down, at its next reset. */
static void filter_write(struct nic *nic)
{
	if (!nic->broken && !nic->shut)
		nic->ops->filter_write(nic);
}

void nic_set_mac(struct nic *nic, const uint8_t mac[6])
{
	memcpy(nic->addr, mac, 6);
	filter_write(nic);
}

void nic_set_filter(struct nic *nic, const struct nic_rx_filter *f)
{
	nic->ops->filter_make(nic, f);
	filter_write(nic);
}

/* --- probe --- */

static const struct hw_dev_ops nic_msi_ops = {
	.poll = nic_poll,
	.peek = nic_peek,
	.mask = nic_mask,
	.irq_enable = nic_irq_enable,
	.tick = nic_tick,
	.shutdown = nic_shutdown,
};

static const struct hw_dev_ops nic_line_ops = {
	.poll = nic_poll,
	.peek = nic_peek,
	.mask = nic_mask,
	.irq_enable = nic_irq_enable,
	.intx_test = nic_intx_test,
	.tick = nic_tick,
	.shutdown = nic_shutdown,
};

static const struct nic_counter nic_counters[] = {
	{ "tx_packets", offsetof(struct nic, count.tx_packets) },
	{ "tx_bytes", offsetof(struct nic, count.tx_bytes) },
	{ "tx_busy", offsetof(struct nic, count.tx_busy) },
	{ "tx_invalid", offsetof(struct nic, count.tx_invalid) },
	{ "tx_late", offsetof(struct nic, count.tx_late) },
	{ "tx_hangs", offsetof(struct nic, count.tx_hangs) },
	{ "recoveries", offsetof(struct nic, count.recoveries) },
	{ "rx_packets", offsetof(struct nic, count.rx_packets) },
	{ "rx_bytes", offsetof(struct nic, count.rx_bytes) },
	{ "rx_dropped", offsetof(struct nic, count.rx_dropped) },
	{ "polls", offsetof(struct nic, count.polls) },
	{ NULL },
};

static void register_counters(const struct nic *nic, const struct nic_counter *c)
{
	for (; c && c->name; c++)
		counter_register(nic->name, c->name, (const uint64_t *)(const void *)((const char *)nic + c->offset));
}

static void nic_announce(const struct nic *nic, const struct hw_id *id)
{
	const uint8_t *m = nic->mac;
	char text[40];

	link_text(&nic->seen, text, sizeof(text));
	log_info("%s: %s at " PCI_FMT "%s, MAC %02x:%02x:%02x:%02x:%02x:%02x, %s", nic->name, id->model,
		 PCI_ARGS(nic->hw.pci->bdf), nic->detail, m[0], m[1], m[2], m[3], m[4], m[5], text);
}


static int take_over(const struct nic_driver *drv, struct nic *nic)
{
	struct nic_link l;
	int err = drv->attach(nic);

	if (err)
		return err;
	if (!nic_mac_valid(nic->mac)) {
		const uint8_t *m = nic->mac;

		log_err("%s: no valid MAC address: %02x:%02x:%02x:%02x:%02x:%02x", nic->name, m[0], m[1], m[2], m[3], m[4],
			m[5]);
		return -ERR_INVAL;
	}
	nic->watch = clock_watch();
	if (!nic->watch)
		return -ERR_NOMEM;
	memcpy(nic->addr, nic->mac, 6);
	nic->ops->filter_make(nic, &(struct nic_rx_filter){ 0 });
	nic->ops->setup(nic);
	nic->ops->filter_write(nic);
	pci_enable(nic->hw.pci);
	nic->ops->link(nic, &l);
	note_link(nic, &l);
	return 0;
}

static void fill_in(struct nic *nic, const struct nic_driver *drv, const struct nic_ops *ops, const struct pci_dev *pci,
		    const struct hw_id *id)
{
	nic->ops = ops;
	nic->kind = drv->kind;
	nic->quirks = id->quirks;
	nic->hw.ops = ops->intx_test ? &nic_line_ops : &nic_msi_ops;
	nic->hw.pci = pci;
	nic->hw.nic = nic;
	nic->name = nic->hw.name;
	nic->dma_mask = 0xffffffffull;
	nic->frame_limit = NIC_FRAME_MAX;
	nic_set_frame_max(nic, NIC_FRAME_MAX);
	nic->nqueues = 1;
	nic->budget = BUDGET;
	nic->txq[0].mask = drv->tx_tokens - 1;
}

int nic_probe(const struct nic_driver *drv, const struct nic_ops *ops, const struct pci_dev *pci, const struct hw_id *id,
	      unsigned unit, struct hw_dev **out)
{
	struct nic *nic = mem_alloc(drv->size, 64);
	int err = -ERR_NOMEM;

	if (!nic)
		goto failed;
	fill_in(nic, drv, ops, pci, id);
	fmt_string(nic->hw.name, sizeof(nic->hw.name), "%s%u", drv->prefix, unit);
	nic->txq[0].token = mem_alloc(drv->tx_tokens * sizeof(void *), 16);
	if (!nic->txq[0].token)
		goto free_nic;
	pci_power_on(pci);
	/* Enable decoding, but leave bus mastering unchanged: until the reset the chip may still use firmware's rings. */
	pci_write16(pci, PCI_COMMAND, pci_read16(pci, PCI_COMMAND) | PCI_CMD_IO | PCI_CMD_MEM);
	err = take_over(drv, nic);
	if (err)
		goto off;
	/* hw.ops are the core's functions and refer to no driver, so name the driver's part of the image here. */
	segment_use(nic->ops->drain);
	register_counters(nic, nic_counters);
	register_counters(nic, nic->ops->counter);
	nic_announce(nic, id);
	*out = &nic->hw;
	return 0;

off:
	pci_master_off(pci);
	drv->detach(nic);
	mem_free(nic->txq[0].token);
free_nic:
	mem_free(nic);
failed:
	log_err("%s%u: %s at " PCI_FMT " not taken over: %s", drv->prefix, unit, id->model, PCI_ARGS(pci->bdf), err_name(err));
	return err;
}
