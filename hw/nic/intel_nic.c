/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nic_ops and hw_dev_ops for all of Intel's gigabit NICs.
 *
 * stop() always resets the MAC.  Switching receiver and transmitter off is not enough: the chip keeps descriptors that it has
 * fetched, no document says how to drop them otherwise, and when switched on again it would write to memory that
 * the guest has long given to something else.
 */
#include <veneer/clock.h>
#include <veneer/counters.h>
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include <veneer/time.h>
#include "intel.h"

#define POLL_ROUNDS		16u	/* looks at ICR per poll of a level-triggered line */
#define TAIL_TRIES		10u
#define CTRL_UNWANTED		(CTRL_GIO_MASTER_OFF | CTRL_LRST | CTRL_ILOS | CTRL_FRCSPD | CTRL_FRCDPX | CTRL_RST | \
				 CTRL_RFCE | CTRL_TFCE | CTRL_VME | CTRL_PHY_RST)

static struct intel_nic *from_nic(struct nic *nic)
{
	return container_of(nic, struct intel_nic, nic);
}

static struct intel_nic *from_hw(struct hw_dev *hw)
{
	return container_of(hw, struct intel_nic, hw);
}

/* The clock is held only while a client waits for room, so that a transmitter that hangs then is found. */
static void hold_clock(struct intel_nic *n, bool hold)
{
	if (n->clock_held == hold)
		return;
	n->clock_held = hold;
	if (hold)
		clock_hold();
	else
		clock_release();
}

/* --- tails --- */

/*
 * On PCH chipsets a write may get lost while the management engine is at the registers.  intel_wr() waits for it; a tail is
 * read back, too, and written again.  Bounded to some milliseconds; a tail that is still wrong is written with the next
 * kick or tick.
 */
static bool write_tail_checked(struct intel_nic *n, uint32_t reg, uint32_t tail)
{
	for (unsigned i = 0; i < TAIL_TRIES; i++) {
		intel_wr(n, reg, tail);
		if (intel_rd(n, reg) == tail)
			return true;
	}
	hold_clock(n, true);
	log_err_once(n->tail_said, "%s: ring tail %#x does not take the value %u (%u read), FWSM %08x", n->hw.name, reg, tail,
		     intel_rd(n, reg), intel_rd(n, REG_FWSM));
	return false;
}

static void write_tail(struct intel_nic *n, uint32_t reg, uint16_t tail, uint16_t *kicked)
{
	if (tail == *kicked)
		return;
	dma_wmb();
	if (!n->me_arbiter)
		intel_wr(n, reg, tail);
	else if (!write_tail_checked(n, reg, tail))
		return;
	*kicked = tail;
}

static void intel_tx_kick(struct nic *nic, unsigned q)
{
	struct intel_nic *n = from_nic(nic);

	if (n->running && !n->recovering)
		write_tail(n, REG_TDT, n->tx.tail, &n->tx.kicked);
}

static void intel_rx_kick(struct nic *nic, unsigned q)
{
	struct intel_nic *n = from_nic(nic);

	if (n->running && !n->recovering)
		write_tail(n, REG_RDT, n->rx.tail, &n->rx.kicked);
}

/* --- segmentation --- */

/*
 * There are errata of segmentation at 10 and 100 Mb/s, surely of PCI Express chips: the drivers of other systems do without it
 * there.  82579, I217 and I218 are reported to hang now and then at a gigabit, too, until it is off: one hang is enough.
 */
static void allow_tso(struct intel_nic *n, const struct nic_link *l)
{
	n->tx.tso = (n->nic.caps & NIC_CAP_TX_TSO) && !n->count.tx_hangs && l->up && l->mbps >= 1000;
}

/* --- life --- */

/* ITR alone moderates reception; the receive timers have errata on most chips. */
static void moderate(struct intel_nic *n)
{
	intel_wr(n, REG_RDTR, 0);
	intel_wr(n, REG_RADV, 0);
	intel_wr(n, REG_TIDV, INTEL_TIDV);
	intel_wr(n, REG_TADV, INTEL_TADV);
	intel_wr(n, REG_ITR, INTEL_ITR);
}

/* After a reset: everything but the rings, from the state that we remember. */
static void bring_up(struct intel_nic *n)
{
	intel_set(n, REG_CTRL, CTRL_UNWANTED, CTRL_SLU);
	intel_wr(n, REG_FCAL, 0);
	intel_wr(n, REG_FCAH, 0);
	intel_wr(n, REG_FCT, 0);
	intel_wr(n, REG_FCTTV, 0);
	if (!n->fam->eitr)
		moderate(n);
	intel_wr(n, REG_RXCSUM, RXCSUM_IPOFL | RXCSUM_TUOFL);
	n->fam->setup(n);
	intel_filter_write(n);
	intel_wr(n, REG_RCTL, intel_rctl(n));
	if (n->irq_on)
		intel_wr(n, REG_IMS, INTEL_CAUSES);
	intel_flush(n);
}

/* Reset, or where even that fails take the bus away from the device.  Afterwards there is no DMA. */
static int reset_all(struct intel_nic *n)
{
	int err = n->fam->reset(n);

	n->broken = err != 0;
	if (err) {
		pci_master_off(n->pci);
		return err;
	}
	bring_up(n);
	return 0;
}

static void program_rings(struct intel_nic *n)
{
	uint64_t tx = mem_phys(n->tx.desc), rx = mem_phys(n->rx.desc);
	uint32_t bytes = INTEL_RING_SIZE * sizeof(struct intel_desc);

	intel_wr(n, REG_TDBAL, (uint32_t)tx);
	intel_wr(n, REG_TDBAH, (uint32_t)(tx >> 32));
	intel_wr(n, REG_TDLEN, bytes);
	intel_wr(n, REG_TDH, 0);
	intel_wr(n, REG_TDT, 0);
	intel_wr(n, REG_RDBAL, (uint32_t)rx);
	intel_wr(n, REG_RDBAH, (uint32_t)(rx >> 32));
	intel_wr(n, REG_RDLEN, bytes);
	intel_wr(n, REG_RDH, 0);
	intel_wr(n, REG_RDT, 0);
}

static void run(struct intel_nic *n)
{
	struct nic_link l;

	program_rings(n);
	if (n->fam->queues_on)
		n->fam->queues_on(n);
	intel_set(n, REG_TCTL, TCTL_CT | TCTL_COLD,
		  TCTL_EN | TCTL_PSP | TCTL_RTLC | FIELD_PREP(TCTL_CT, TCTL_CT_DEFAULT) | FIELD_PREP(TCTL_COLD, TCTL_COLD_FD));
	intel_wr(n, REG_RCTL, intel_rctl(n) | RCTL_EN);
	intel_flush(n);
	n->rx_skip = false;
	n->tx_watched = false;
	intel_link_read(n, &l);
	allow_tso(n, &l);
	n->running = true;
}

static int intel_start(struct nic *nic)
{
	struct intel_nic *n = from_nic(nic);

	if (n->shut)
		return -ERR_NODEV;
	if (n->broken) {
		pci_enable(n->pci);
		int err = reset_all(n);

		if (err) {
			log_err("%s: cannot start: %s", n->hw.name, err_name(err));
			return err;
		}
	}
	intel_tx_forget(&n->tx);
	intel_rx_forget(&n->rx);
	run(n);
	return 0;
}

static void intel_stop(struct nic *nic)
{
	struct intel_nic *n = from_nic(nic);

	if (n->shut)
		return;
	n->running = false;
	n->recovering = false;
	hold_clock(n, false);
	if (reset_all(n))
		log_err("%s: stopped by taking it off the bus", n->hw.name);
	intel_tx_forget(&n->tx);
	intel_rx_forget(&n->rx);
}

/* --- data path --- */

static void intel_tx_wait(struct nic *nic, unsigned q)
{
	struct intel_nic *n = from_nic(nic);

	if (n->running && !n->clock_held)
		hold_clock(n, intel_rd(n, REG_STATUS) & STATUS_LU);
}

static int intel_tx(struct nic *nic, unsigned q, const struct nic_tx *pkt)
{
	struct intel_nic *n = from_nic(nic);
	int err = n->running && !n->recovering ? intel_tx_add(&n->tx, pkt) : -ERR_BUSY;

	if (!err) {
		n->count.tx_bytes += pkt->len;
	} else if (err == -ERR_INVAL) {
		n->count.tx_invalid += !(pkt->flags & NIC_TX_TSO);
	} else {
		n->count.tx_busy++;
		intel_tx_wait(nic, q);
	}
	return err;
}

static int intel_rx_post(struct nic *nic, unsigned q, uint64_t addr, uint32_t len, void *token)
{
	struct intel_nic *n = from_nic(nic);

	return n->running && !n->recovering ? intel_rx_add(&n->rx, addr, len, token) : -ERR_BUSY;
}

/* Returns how many tokens went back. */
static unsigned tx_drain(struct intel_nic *n, bool force)
{
	unsigned done = 0;
	void *token;

	for (; done < INTEL_RING_SIZE && intel_tx_take(&n->tx, force, &token); done++) {
		n->count.tx_packets++;
		n->nic.client->tx_done(n->nic.client_ctx, 0, token);
	}
	if (done)
		hold_clock(n, false);
	return done;
}

static bool rx_good(struct intel_nic *n, const struct intel_rx_slot *s, const struct intel_rx_status *st)
{
	bool whole = st->last && !n->rx_skip;

	n->rx_skip = !st->last;		/* a frame that began in this buffer is dropped to its end */
	if (whole && st->len > s->len)
		log_err_once(n->length_said, "%s: claims %u bytes in a buffer of %u", n->hw.name, st->len, s->len);
	return whole && !st->bad && st->len >= NIC_FRAME_MIN && st->len <= s->len;
}

/* A buffer with nothing for the client goes back to the chip: there is room, it was just taken out of the ring. */
static bool rx_one(struct intel_nic *n, const struct intel_rx_slot *s, const struct intel_rx_status *st)
{
	if (!rx_good(n, s, st)) {
		n->count.rx_dropped += st->last;
		(void)intel_rx_add(&n->rx, s->addr, s->len, s->token);
		return false;
	}
	n->count.rx_packets++;
	n->count.rx_bytes += st->len;
	n->nic.client->rx_done(n->nic.client_ctx, 0, s->token, st->len, st->csum_ok ? NIC_RX_CSUM_OK : 0);
	return true;
}

static unsigned rx_drain(struct intel_nic *n)
{
	struct intel_rx_status st;
	struct intel_rx_slot s;
	unsigned done = 0;

	for (unsigned i = 0; i < INTEL_RING_SIZE && intel_rx_take(&n->rx, &s, &st); i++)
		done += rx_one(n, &s, &st);
	intel_rx_kick(&n->nic, 0);
	return done;
}

static unsigned drain(struct intel_nic *n)
{
	unsigned done = 0;

	if (n->running && !n->recovering) {
		done = rx_drain(n);
		done += tx_drain(n, false);
	}
	return done;
}

/* --- interrupts --- */

static void link_changed(struct intel_nic *n)
{
	struct nic_link l;

	intel_link_read(n, &l);
	allow_tso(n, &l);
	if (l.up)
		log_info("%s: link up %u Mb/s %s duplex", n->hw.name, l.mbps, l.full_duplex ? "full" : "half");
	else
		log_info("%s: link down", n->hw.name);
	/* Nothing is sent without a link, and that is no hang.  What waits for it has its time from now on. */
	n->tx_watched = false;
	if (!l.up)
		hold_clock(n, false);
	else if (n->running && !intel_tx_empty(&n->tx))
		hold_clock(n, true);
	if (n->nic.client && n->nic.client->link_changed)
		n->nic.client->link_changed(n->nic.client_ctx);
}

/* Read the causes, which acknowledges them and lets an INTx line fall.  Those that we enable. */
static uint32_t take_causes(struct intel_nic *n)
{
	uint32_t icr = intel_rd(n, REG_ICR);

	if (icr == ~0u) {
		log_err_once(n->gone_said, "%s: registers read all ones: the device is gone", n->hw.name);
		return 0;
	}
	return icr & INTEL_CAUSES;
}

/*
 * More came than one poll may take: ring again.  An INTx line may never have fallen meanwhile: masking and unmasking makes
 * the new edge.
 */
static void ring_again(struct intel_nic *n)
{
	if (!n->irq_on)
		return;
	if (n->fam->level) {
		intel_wr(n, REG_IMC, ~0u);
		intel_flush(n);
		intel_wr(n, REG_IMS, INTEL_CAUSES);
	}
	intel_wr(n, REG_ICS, INT_RXT0 | INT_TXDW);
	intel_flush(n);
}

static bool work_left(const struct intel_nic *n)
{
	return n->running && !n->recovering && (intel_rx_ready(&n->rx) || intel_tx_ready(&n->tx));
}

/*
 * For an MSI one look at the causes is enough: it is a new message whenever a cause comes after the read.  A level
 * must have been seen low, so ICR is read until no enabled cause is left.
 */
static unsigned intel_poll(struct hw_dev *hw)
{
	struct intel_nic *n = from_hw(hw);
	unsigned done = 0, rounds = 0;
	uint32_t causes, all = 0;

	n->count.polls++;
	do {
		causes = take_causes(n);
		all |= causes;
		done += drain(n);
		if (causes & INT_LSC)
			link_changed(n);
	} while (n->fam->level && causes && ++rounds < POLL_ROUNDS && done < INTEL_RING_SIZE);

	if (done && n->running)
		n->nic.client->flush(n->nic.client_ctx, 0);
	if ((n->fam->level && causes) || work_left(n))
		ring_again(n);
	return done ? done : n->irq_on && all;
}

static void intel_irq_enable(struct hw_dev *hw, bool on)
{
	struct intel_nic *n = from_hw(hw);

	n->irq_on = on;
	if (on)
		intel_wr(n, REG_IMS, INTEL_CAUSES);
	else
		intel_wr(n, REG_IMC, ~0u);
	intel_flush(n);
}

static void intel_intx_test(struct hw_dev *hw, bool assert)
{
	struct intel_nic *n = from_hw(hw);

	if (assert) {
		intel_wr(n, REG_IMS, INT_LSC);
		intel_wr(n, REG_ICS, INT_LSC);
	} else {
		intel_wr(n, REG_IMC, ~0u);
		(void)intel_rd(n, REG_ICR);
		if (n->irq_on)
			intel_wr(n, REG_IMS, INTEL_CAUSES);
	}
	intel_flush(n);
}

/* --- a transmitter that hangs --- */

/* Reset; the frames that hung come back as sent (the network may lose frames), the receive buffers are given again. */
static void recover(struct intel_nic *n)
{
	n->count.tx_hangs++;
	n->running = false;
	n->recovering = true;
	int err = reset_all(n);

	(void)tx_drain(n, true);
	if (!n->recovering)
		return;		/* the client has stopped us from its callback */
	n->recovering = false;
	intel_tx_forget(&n->tx);
	if (err) {
		log_err("%s: does not recover; stopped", n->hw.name);
	} else {
		intel_rx_renew(&n->rx);
		run(n);
		intel_rx_kick(&n->nic, 0);
	}
	n->nic.client->flush(n->nic.client_ctx, 0);
}

static void intel_tick(struct hw_dev *hw, uint64_t now_us)
{
	struct intel_nic *n = from_hw(hw);

	if (n->me_arbiter) {		/* a tail may have got lost */
		intel_tx_kick(&n->nic, 0);
		intel_rx_kick(&n->nic, 0);
	}
	if (!n->running || intel_tx_empty(&n->tx)) {
		n->tx_watched = false;
		if (n->rx.kicked == n->rx.tail)
			hold_clock(n, false);
		return;
	}
	if (!n->tx_watched || n->tx_seen != n->count.tx_packets) {
		n->tx_watched = true;
		n->tx_seen = n->count.tx_packets;
		n->tx_seen_us = now_us;
		return;
	}
	if (now_us - n->tx_seen_us < INTEL_TX_HANG_US)
		return;
	n->tx_watched = false;
	if (n->tx.kicked == n->tx.head || !(intel_rd(n, REG_STATUS) & STATUS_LU))
		return;		/* nothing was kicked, or there is no link to send on */
	/* Everything that is done already, in case it was the interrupt that got lost. */
	if (drain(n)) {
		log_warn("%s: completions stood there without an interrupt", n->hw.name);
		n->nic.client->flush(n->nic.client_ctx, 0);
		return;
	}
	log_err("%s: transmitter hangs at descriptor %u: reset%s", n->hw.name, n->tx.head,
		n->tx.tso ? ", and no more segmentation" : "");
	intel_dump(n);
	recover(n);
}

static void intel_shutdown(struct hw_dev *hw)
{
	struct intel_nic *n = from_hw(hw);

	if (n->shut)
		return;
	n->running = false;
	n->shut = true;
	n->irq_on = false;
	hold_clock(n, false);
	(void)n->fam->reset(n);
	if (n->fam->pcie)
		intel_set(n, REG_CTRL_EXT, CTRL_EXT_DRV_LOAD, 0);
	intel_flush(n);
	pci_master_off(n->pci);
}

/* --- control --- */

static void intel_link(struct nic *nic, struct nic_link *out)
{
	intel_link_read(from_nic(nic), out);
}

static void filter_apply(struct intel_nic *n)
{
	if (n->broken || n->shut)
		return;		/* written by the next reset */
	intel_filter_write(n);

	/* Only when it changes: an emulated 82540EM receives nothing for a second after each write to RCTL. */
	uint32_t rctl = intel_rctl(n) | (n->running ? RCTL_EN : 0);

	if (intel_rd(n, REG_RCTL) != rctl)
		intel_wr(n, REG_RCTL, rctl);
	intel_flush(n);
}

static void intel_set_mac(struct nic *nic, const uint8_t mac[6])
{
	struct intel_nic *n = from_nic(nic);

	memcpy(n->mac, mac, 6);
	filter_apply(n);
}

static void intel_set_filter(struct nic *nic, const struct nic_rx_filter *f)
{
	struct intel_nic *n = from_nic(nic);

	intel_filter_make(n, &n->filter, f);
	filter_apply(n);
}

static const struct nic_ops intel_nic_ops = {
	.start = intel_start,
	.stop = intel_stop,
	.tx = intel_tx,
	.tx_kick = intel_tx_kick,
	.tx_wait = intel_tx_wait,
	.rx_post = intel_rx_post,
	.rx_kick = intel_rx_kick,
	.link = intel_link,
	.set_mac = intel_set_mac,
	.set_filter = intel_set_filter,
};

static const struct hw_dev_ops intel_hw_ops = {
	.poll = intel_poll,
	.irq_enable = intel_irq_enable,
	.intx_test = intel_intx_test,
	.tick = intel_tick,
	.shutdown = intel_shutdown,
};

/* --- probe --- */

static void describe(struct intel_nic *n)
{
	struct nic *nic = &n->nic;

	n->hw.ops = &intel_hw_ops;
	n->hw.pci = n->pci;
	n->hw.nic = nic;
	nic->ops = &intel_nic_ops;
	nic->name = n->hw.name;
	nic->caps = NIC_CAP_TX_CSUM | NIC_CAP_RX_CSUM | NIC_CAP_VLAN_FILTER;
	/* The first I219 overrun their buffers with it (INTEL_Q_SPT); 8254x do not know IPv6's. */
	if (!intel_quirk(n, INTEL_Q_SPT))
		nic->caps |= n->fam->pcie ? NIC_CAP_TX_TSO | NIC_CAP_TX_TSO6 : NIC_CAP_TX_TSO;
	n->tx.sentinel = !n->fam->pcie;
	nic->nqueues = 1;
	nic->rx_slots = INTEL_RING_SIZE - 1;
	nic->tx_slots = INTEL_RING_SIZE - 2;	/* one entry stays free, one is for a context */
	/* On plain PCI, 8254x cannot be trusted with dual address cycles. */
	nic->dma_mask = n->fam->pcie || (intel_rd(n, REG_STATUS) & STATUS_PCIX) ? ~0ull : 0xffffffffull;
	n->tx.dma_mask = n->rx.dma_mask = nic->dma_mask;
	n->tx.boundary = n->rx.boundary = intel_quirk(n, INTEL_Q_64K) ? 0x10000 : 0;
	n->rx.reserved = n->fam->rx_reserved;
}

static void register_counters(struct intel_nic *n)
{
	const char *name = n->hw.name;

	counter_register(name, "tx_packets", &n->count.tx_packets);
	counter_register(name, "tx_bytes", &n->count.tx_bytes);
	counter_register(name, "tx_busy", &n->count.tx_busy);
	counter_register(name, "tx_invalid", &n->count.tx_invalid);
	counter_register(name, "tx_hangs", &n->count.tx_hangs);
	counter_register(name, "rx_packets", &n->count.rx_packets);
	counter_register(name, "rx_bytes", &n->count.rx_bytes);
	counter_register(name, "rx_dropped", &n->count.rx_dropped);
	counter_register(name, "polls", &n->count.polls);
}

static int take_over(struct intel_nic *n)
{
	uint32_t status = intel_rd(n, REG_STATUS);
	uint8_t before[6];
	int err;

	if (status == ~0u) {
		log_err("%s: no answer, STATUS %08x", n->hw.name, status);
		return -ERR_NODEV;
	}
	intel_rar_read(n, 0, before);
	n->me_arbiter = intel_quirk(n, INTEL_Q_PCH) && (intel_rd(n, REG_FWSM) & FWSM_FW_VALID);
	if (n->fam->prepare)
		n->fam->prepare(n);
	err = n->fam->reset(n);
	if (!err)
		err = intel_mac_read(n, before);
	if (err)
		return err;
	intel_filter_default(&n->filter);
	bring_up(n);
	(void)intel_phy_power_up(n);	/* it has logged what fails; a link may come all the same */
	return 0;
}

static void announce(const struct intel_nic *n, const struct hw_id *id)
{
	const uint8_t *m = n->nic.mac;
	struct nic_link l;
	char link[40] = "link down";

	intel_link_read(n, &l);
	if (l.up)
		fmt_string(link, sizeof(link), "link up %u Mb/s %s duplex", l.mbps, l.full_duplex ? "full" : "half");
	log_info("%s: %s at " PCI_FMT ", MAC %02x:%02x:%02x:%02x:%02x:%02x, %s", n->hw.name, id->model,
		 PCI_ARGS(n->pci->bdf), m[0], m[1], m[2], m[3], m[4], m[5], link);
}

int intel_probe(const struct pci_dev *pci, const struct hw_id *id, unsigned unit, const struct intel_family *fam,
		struct hw_dev **out)
{
	struct intel_nic *n = mem_alloc(sizeof(*n), 64);
	int err = -ERR_NOMEM;

	if (!n)
		goto no_memory;
	n->pci = pci;
	n->quirks = id->quirks;
	n->fam = fam;
	fmt_string(n->hw.name, sizeof(n->hw.name), "%s%u", fam->name, unit);
	if (intel_tx_alloc(&n->tx, fam->desc))
		goto free_nic;
	if (intel_rx_alloc(&n->rx, fam->desc))
		goto free_tx;
	err = -ERR_NODEV;
	pci_power_on(pci);
	n->regs = pci_map_bar(pci, 0, REG_SPACE);
	if (!n->regs)
		goto free_rx;
	pci_enable(pci);
	describe(n);
	err = take_over(n);
	if (err)
		goto quiet;
	register_counters(n);
	announce(n, id);
	*out = &n->hw;
	return 0;

quiet:
	intel_wr(n, REG_IMC, ~0u);
	intel_flush(n);
	pci_master_off(pci);
free_rx:
	intel_rx_free(&n->rx);
free_tx:
	intel_tx_free(&n->tx);
free_nic:
	mem_free(n);
no_memory:
	log_err("%s%u: %s at " PCI_FMT " not taken over: %s", fam->name, unit, id->model, PCI_ARGS(pci->bdf), err_name(err));
	return err;
}
