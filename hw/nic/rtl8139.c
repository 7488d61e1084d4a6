/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nic_ops and hw_dev_ops for the RTL8139 (datasheet: see rtl8139_regs.h).
 *
 * The three questions of docs/porting-a-nic.md.  How much can the chip write: it writes to our own ring only, and at most one
 * frame of 4 KiB behind its end.  What does it remember when switched off: nothing of the client's; stop() resets all the
 * same, so that no frame goes out late.  Which completion is sure to ring: each, there is no moderation; the line stays
 * asserted while an enabled cause is set, so a poll has to see it low or make a new edge.
 *
 * Emulated chips set the receive pointers back at each write to RCR, silicon where RE rises.  So RCR is written with RE just
 * risen and at no other time: rx_restart().
 */
#include <veneer/clock.h>
#include <veneer/counters.h>
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include <veneer/time.h>
#include "rtl8139.h"

#define RESET_US		20000u
#define AUTOLOAD_US		20000u	/* the datasheet: 2 ms */
#define RX_OFF_US		1000u
#define LINE_TEST_US		1000u
#define POLL_ROUNDS		16u	/* looks at ISR per poll */
#define RX_BUDGET		256u	/* frames per poll */
#define FRAME_PADDED		60u
#define TIMER_SOON		1024u	/* PCI clocks, 31 us */
#define CAPR_LAG		16u
#define TX_EARLY_FIRST		8u	/* 256 bytes */
#define TX_EARLY_STEP		8u
#define TX_EARLY_MOST		63u	/* 2016 bytes: more than a frame has, less than the FIFO holds */
#define RCR_FIXED		(RCR_WRAP | RCR_MXDMA | FIELD_PREP(RCR_RBLEN, RTL_RX_LEN) | RCR_RXFTH)
#define TCR_FIXED		(TCR_IFG | FIELD_PREP(TCR_MXDMA, 6u))
#define ERR_CAUSES		(INT_RXOVW | INT_FOVW)

static struct rtl8139 *from_nic(struct nic *nic)
{
	return container_of(nic, struct rtl8139, nic);
}

static struct rtl8139 *from_hw(struct hw_dev *hw)
{
	return container_of(hw, struct rtl8139, hw);
}

static uint8_t rd8(const struct rtl8139 *r, uint32_t reg) { return mmio_read8(r->regs + reg); }
static uint16_t rd16(const struct rtl8139 *r, uint32_t reg) { return mmio_read16(r->regs + reg); }
static uint32_t rd32(const struct rtl8139 *r, uint32_t reg) { return mmio_read32(r->regs + reg); }
static void wr8(struct rtl8139 *r, uint32_t reg, uint8_t v) { mmio_write8(r->regs + reg, v); }
static void wr16(struct rtl8139 *r, uint32_t reg, uint16_t v) { mmio_write16(r->regs + reg, v); }
static void wr32(struct rtl8139 *r, uint32_t reg, uint32_t v) { mmio_write32(r->regs + reg, v); }

/* Push posted writes out: a read from the same chip that has no effect. */
static void flush_writes(const struct rtl8139 *r)
{
	(void)rd8(r, RTL_CR);
}

/* The clock is held only while a client waits for room, so that a transmitter that hangs then is found. */
static void hold_clock(struct rtl8139 *r, bool hold)
{
	if (r->clock_held == hold)
		return;
	r->clock_held = hold;
	if (hold)
		clock_hold();
	else
		clock_release();
}

static void set_irq_mask(struct rtl8139 *r, uint16_t mask)
{
	wr16(r, RTL_IMR, mask);
	flush_writes(r);
}

/* CONFIG registers, and on some revisions the addresses, take writes between the two. */
static void config_unlock(struct rtl8139 *r) { wr8(r, RTL_9346CR, FIELD_PREP(EEM, EEM_CONFIG)); }
static void config_lock(struct rtl8139 *r) { wr8(r, RTL_9346CR, FIELD_PREP(EEM, EEM_NORMAL)); }

/* --- address and filter --- */

static bool mac_valid(const uint8_t mac[6])
{
	static const uint8_t none[6];

	return !(mac[0] & 1) && memcmp(mac, none, 6);
}

static void mac_read(const struct rtl8139 *r, uint8_t mac[6])
{
	for (unsigned i = 0; i < 6; i++)
		mac[i] = rd8(r, RTL_IDR + i);
}

static void address_write(struct rtl8139 *r)
{
	const uint8_t *m = r->mac;

	config_unlock(r);
	wr32(r, RTL_IDR, m[0] | (uint32_t)m[1] << 8 | (uint32_t)m[2] << 16 | (uint32_t)m[3] << 24);
	wr32(r, RTL_IDR + 4, m[4] | (uint32_t)m[5] << 8);
	config_lock(r);
	wr32(r, RTL_MAR, r->mar[0]);
	wr32(r, RTL_MAR + 4, r->mar[1]);
	flush_writes(r);
}

/* The hash is the top six bits of the address's Ethernet CRC. */
static unsigned hash_of(const uint8_t mac[6])
{
	uint32_t crc = ~0u;

	for (unsigned i = 0; i < 48; i++) {
		bool bit = (mac[i / 8] >> (i % 8) & 1) ^ crc >> 31;

		crc = crc << 1 ^ (bit ? 0x04c11db7u : 0);
	}
	return crc >> 26;
}

/* There is one exact address: further ones need AAP. */
static void filter_make(struct rtl8139 *r, const struct nic_rx_filter *f)
{
	r->rcr = 0;
	r->mar[0] = r->mar[1] = 0;
	if (!f->nouni)
		r->rcr |= RCR_APM | (f->promisc || f->nmac ? RCR_AAP : 0);
	if (!f->nobcast)
		r->rcr |= RCR_AB;
	if (f->nomulti)
		return;
	r->rcr |= RCR_AM;
	if (f->promisc || f->allmulti)
		r->mar[0] = r->mar[1] = ~0u;
	for (unsigned i = 0; i < f->nmcast; i++) {
		unsigned h = hash_of(f->mcast[i]);

		r->mar[h / 32] |= BIT(h % 32);
	}
}

/* --- link --- */

static bool full_duplex(const struct rtl8139 *r)
{
	uint16_t bmcr = rd16(r, RTL_BMCR), common;

	if (!(bmcr & BMCR_ANE))
		return bmcr & BMCR_FULL;
	/* A partner that does not negotiate is taken for half duplex (802.3, 28.2.3.1). */
	common = rd16(r, RTL_ANAR) & rd16(r, RTL_ANLPAR);
	if (common & AN_100_FULL)
		return true;
	return !(common & AN_100_HALF) && (common & AN_10_FULL);
}

static void rtl_link(struct nic *nic, struct nic_link *out)
{
	struct rtl8139 *r = from_nic(nic);
	uint8_t msr = rd8(r, RTL_MSR);

	memset(out, 0, sizeof(*out));
	out->up = !(msr & MSR_LINKB);
	if (!out->up)
		return;
	out->mbps = msr & MSR_SPEED_10 ? 10 : 100;
	out->full_duplex = full_duplex(r);
}

static bool link_differs(const struct nic_link *a, const struct nic_link *b)
{
	return a->up != b->up || a->mbps != b->mbps || a->full_duplex != b->full_duplex;
}

/* The cause comes for other reasons, too: only what differs is told. */
static void link_look(struct rtl8139 *r)
{
	struct nic_link l;

	rtl_link(&r->nic, &l);
	if (!link_differs(&l, &r->seen))
		return;
	r->seen = l;
	if (l.up)
		log_info("%s: link up %u Mb/s %s duplex", r->hw.name, l.mbps, l.full_duplex ? "full" : "half");
	else
		log_info("%s: link down", r->hw.name);
	if (!l.up)
		hold_clock(r, false);	/* nothing is sent without a link, and that is no hang */
	if (r->nic.client && r->nic.client->link_changed)
		r->nic.client->link_changed(r->nic.client_ctx);
}

/* --- life --- */

static int reset_chip(struct rtl8139 *r)
{
	uint8_t cr = 0;

	set_irq_mask(r, 0);
	wr8(r, RTL_CR, CR_RST);
	if (!wait_until(!((cr = rd8(r, RTL_CR)) & CR_RST), RESET_US)) {
		log_err("%s: reset does not end, CR %02x", r->hw.name, cr);
		return -ERR_TIMEOUT;
	}
	set_irq_mask(r, 0);
	wr32(r, RTL_TIMERINT, 0);
	wr16(r, RTL_ISR, 0xffff);
	/* Firmware may have left a C+ chip in its other mode.  Written only then: a write alone switches emulated ones. */
	if ((r->id->quirks & RTL_Q_CPLUS) && r->pci->revision >= 0x20 && (rd16(r, RTL_CPCR) & (CPCR_TX | CPCR_RX)))
		wr16(r, RTL_CPCR, 0);
	return 0;
}

static void forget(struct rtl8139 *r)
{
	r->tx_head = r->tx_kicked = r->tx_tail = 0;
	memset(r->token, 0, sizeof(r->token));
	r->tx_watched = false;
}

/* After a reset: everything but the rings, from the state that we remember. */
static void bring_up(struct rtl8139 *r)
{
	forget(r);
	address_write(r);
	wr16(r, RTL_MULINT, rd16(r, RTL_MULINT) & (uint16_t)~MULINT_EARLY);
	if (r->irq_on)
		set_irq_mask(r, RTL_CAUSES);
}

/* Reset, or where even that fails take the bus away from the device.  Afterwards there is no DMA. */
static int reset_all(struct rtl8139 *r)
{
	int err = reset_chip(r);

	r->broken = err != 0;
	if (err) {
		pci_master_off(r->pci);
		return err;
	}
	bring_up(r);
	return 0;
}

/*
 * The receiver off and on again, the ring empty.  What was in it is lost; the transmitter goes on.  RCR takes its thresholds
 * only while RE is on.
 */
static void rx_restart(struct rtl8139 *r)
{
	uint8_t cr = 0;

	wr8(r, RTL_CR, CR_TE);
	if (!wait_until(!((cr = rd8(r, RTL_CR)) & CR_RE), RX_OFF_US))
		log_err("%s: the receiver does not stop, CR %02x", r->hw.name, cr);
	wr32(r, RTL_RBSTART, (uint32_t)mem_phys(r->rx));
	wr8(r, RTL_CR, CR_TE | CR_RE);
	wr32(r, RTL_RCR, RCR_FIXED | r->rcr);
	r->rx_at = 0;
	/* Written to an empty ring it makes an interrupt. */
	if (rd16(r, RTL_CAPR) != (uint16_t)(0u - CAPR_LAG))
		wr16(r, RTL_CAPR, (uint16_t)(0u - CAPR_LAG));
	flush_writes(r);
}

static void run(struct rtl8139 *r)
{
	for (unsigned i = 0; i < RTL_TX_SLOTS; i++)
		wr32(r, RTL_TSAD(i), (uint32_t)mem_phys(r->tx + i * RTL_TX_BUF));
	rx_restart(r);
	wr32(r, RTL_TCR, TCR_FIXED);
	wr32(r, RTL_MPC, 0);
	flush_writes(r);
	r->running = true;
}

static int rtl_start(struct nic *nic)
{
	struct rtl8139 *r = from_nic(nic);

	if (r->shut)
		return -ERR_NODEV;
	if (r->broken) {
		pci_enable(r->pci);
		int err = reset_all(r);

		if (err) {
			log_err("%s: cannot start: %s", r->hw.name, err_name(err));
			return err;
		}
	}
	forget(r);
	run(r);
	return 0;
}

static void rtl_stop(struct nic *nic)
{
	struct rtl8139 *r = from_nic(nic);

	if (r->shut)
		return;
	r->running = false;
	r->recovering = false;
	hold_clock(r, false);
	if (reset_all(r))
		log_err("%s: stopped by taking it off the bus", r->hw.name);
	forget(r);
}

/* --- transmit --- */

static uint8_t *tx_buf(const struct rtl8139 *r, unsigned slot)
{
	return r->tx + slot * RTL_TX_BUF;
}

static bool tx_good(const struct nic_tx *pkt)
{
	return pkt->nfrag >= 1 && pkt->nfrag <= NIC_MAX_FRAGS && pkt->len >= NIC_FRAME_MIN && pkt->len <= NIC_FRAME_MAX &&
	       !pkt->flags && sg_bytes(pkt->frag, pkt->nfrag) == pkt->len;
}

static int rtl_tx(struct nic *nic, unsigned q, const struct nic_tx *pkt)
{
	struct rtl8139 *r = from_nic(nic);
	unsigned slot = r->tx_tail % RTL_TX_SLOTS;

	if (!tx_good(pkt)) {
		r->count.tx_invalid++;
		return -ERR_INVAL;
	}
	if (!r->running || r->recovering || r->tx_tail - r->tx_head == RTL_TX_SLOTS) {
		r->count.tx_busy++;
		if (r->running && !r->clock_held)
			hold_clock(r, r->seen.up);
		return -ERR_BUSY;
	}
	sg_copy_from(pkt->frag, pkt->nfrag, 0, tx_buf(r, slot), pkt->len);
	/* The chip does not pad; what an earlier frame left in the buffer is nobody's business. */
	if (pkt->len < FRAME_PADDED)
		memset(tx_buf(r, slot) + pkt->len, 0, FRAME_PADDED - pkt->len);
	r->tx_len[slot] = (uint16_t)MAX(pkt->len, FRAME_PADDED);
	r->token[slot] = pkt->token;
	r->tx_tail++;
	r->count.tx_bytes += pkt->len;
	return 0;
}

static void rtl_tx_kick(struct nic *nic, unsigned q)
{
	struct rtl8139 *r = from_nic(nic);

	if (!r->running || r->recovering)
		return;
	dma_wmb();
	for (; r->tx_kicked != r->tx_tail; r->tx_kicked++) {
		unsigned slot = r->tx_kicked % RTL_TX_SLOTS;

		wr32(r, RTL_TSD(slot), FIELD_PREP(TSD_ERTXTH, r->tx_early) | r->tx_len[slot]);
	}
}

/* Sent, or as good as sent: a frame whose FIFO ran dry is not sent again by anybody. */
static bool tx_done(struct rtl8139 *r, unsigned slot)
{
	uint32_t tsd = rd32(r, RTL_TSD(slot));

	if (!(tsd & TSD_OWN) || !(tsd & (TSD_TOK | TSD_TUN)))
		return false;
	if (tsd & TSD_TUN) {
		r->count.tx_underruns++;
		r->tx_early = (uint8_t)MIN(r->tx_early + TX_EARLY_STEP, TX_EARLY_MOST);
	}
	return true;
}

/* Returns how many tokens went back; with @force all do. */
static unsigned tx_drain(struct rtl8139 *r, bool force)
{
	unsigned done = 0;

	while (r->tx_head != (force ? r->tx_tail : r->tx_kicked) && (force || tx_done(r, r->tx_head % RTL_TX_SLOTS))) {
		void *token = r->token[r->tx_head % RTL_TX_SLOTS];

		r->tx_head++;
		done++;
		r->count.tx_packets++;
		r->nic.client->tx_done(r->nic.client_ctx, 0, token);
	}
	if (done)
		hold_clock(r, false);
	return done;
}

/* Given up after 16 collisions: the chip stands until it is told to try the same frame again. */
static void tx_retry(struct rtl8139 *r)
{
	for (uint32_t i = r->tx_head; i != r->tx_kicked; i++) {
		if (!(rd32(r, RTL_TSD(i % RTL_TX_SLOTS)) & TSD_TABT))
			continue;
		r->count.tx_aborts++;
		wr32(r, RTL_TCR, TCR_FIXED | TCR_CLRABT);
		return;
	}
}

/* --- receive --- */

/* The ring cannot be trusted any more: where the next header is, is known from the last one only. */
static void rx_lost(struct rtl8139 *r, uint16_t status, uint16_t len)
{
	r->count.rx_resets++;
	log_warn("%s: no frame at %#x of the ring (status %04x, length %u), CBR %04x: receiver restarted", r->hw.name, r->rx_at,
		 status, len, rd16(r, RTL_CBR));
	rx_restart(r);
}

static void rx_one(struct rtl8139 *r, const uint8_t *frame, uint32_t len)
{
	if (len < NIC_FRAME_MIN || len > NIC_FRAME_MAX || !r->nic.client->rx_frame(r->nic.client_ctx, 0, frame, len, 0)) {
		r->count.rx_dropped++;
		return;
	}
	r->count.rx_packets++;
	r->count.rx_bytes += len;
}

/* One frame out of the ring; false when there is none, or the ring had to be emptied. */
static bool rx_next(struct rtl8139 *r)
{
	uint16_t header[2];

	if (rd8(r, RTL_CR) & CR_BUFE)
		return false;
	dma_rmb();
	memcpy(header, r->rx + r->rx_at, sizeof(header));	/* once: the chip may write what it likes */
	if (header[1] == RX_UNFINISHED)
		return false;
	if (!(header[0] & RX_ROK) || (header[0] & RX_ERRORS) || header[1] < NIC_FRAME_MIN + RTL_FCS ||
	    header[1] > RTL_RX_LONGEST) {
		rx_lost(r, header[0], header[1]);
		return false;
	}
	rx_one(r, r->rx + r->rx_at + RX_HEADER, header[1] - RTL_FCS);
	if (!r->running)
		return false;		/* the client has stopped us from its callback */
	r->rx_at = ALIGN_UP(r->rx_at + RX_HEADER + header[1], 4u) % RTL_RX_RING;
	wr16(r, RTL_CAPR, (uint16_t)(r->rx_at - CAPR_LAG));
	return true;
}

static unsigned rx_drain(struct rtl8139 *r)
{
	unsigned n = 0;

	while (n < RX_BUDGET && rx_next(r))
		n++;
	return n;
}

static unsigned drain(struct rtl8139 *r)
{
	unsigned done = 0;

	if (r->running && !r->recovering) {
		done = rx_drain(r);
		done += tx_drain(r, false);
	}
	return done;
}

/* --- interrupts --- */

/*
 * Those that we enable, acknowledged.  An overflow is acknowledged after the ring has room again, or it comes back at once;
 * what arrived meanwhile has set ROK anew.
 */
static uint16_t take_causes(struct rtl8139 *r)
{
	uint16_t isr = rd16(r, RTL_ISR);

	if (isr == 0xffff && rd32(r, RTL_TCR) == ~0u) {
		log_err_once(r->gone_said, "%s: registers read all ones: the device is gone", r->hw.name);
		return 0;
	}
	isr &= RTL_CAUSES;
	if (isr & ~ERR_CAUSES)
		wr16(r, RTL_ISR, isr & (uint16_t)~ERR_CAUSES);
	return isr;
}

static void rare_causes(struct rtl8139 *r, uint16_t causes)
{
	if (causes & ERR_CAUSES) {
		r->count.rx_overflows++;
		wr16(r, RTL_ISR, ERR_CAUSES);
	}
	if (causes & INT_TER)
		tx_retry(r);
	if (causes & INT_TIMEOUT)
		wr32(r, RTL_TIMERINT, 0);
	if (causes & INT_PUN)
		link_look(r);
	if (causes & INT_SERR)
		log_err_once(r->serr_said, "%s: the chip reports a PCI error, status %04x", r->hw.name,
			     pci_read16(r->pci, PCI_STATUS));
}

/* Masking and unmasking makes a new edge of a line that has not fallen; the timer raises one that has. */
static void ring_again(struct rtl8139 *r)
{
	if (!r->irq_on)
		return;
	set_irq_mask(r, 0);
	wr32(r, RTL_TCTR, 0);
	wr32(r, RTL_TIMERINT, TIMER_SOON);
	set_irq_mask(r, RTL_CAUSES);
}

static unsigned rtl_poll(struct hw_dev *hw)
{
	struct rtl8139 *r = from_hw(hw);
	unsigned done = 0, rounds = 0;
	uint16_t causes, all = 0;

	r->count.polls++;
	do {
		causes = take_causes(r);
		all |= causes;
		done += drain(r);
		rare_causes(r, causes);
	} while (causes && ++rounds < POLL_ROUNDS && done < RX_BUDGET);

	if (done && r->running)
		r->nic.client->flush(r->nic.client_ctx, 0);
	if (causes || (r->running && !(rd8(r, RTL_CR) & CR_BUFE)))
		ring_again(r);
	return done ? done : r->irq_on && all;
}

static void rtl_irq_enable(struct hw_dev *hw, bool on)
{
	struct rtl8139 *r = from_hw(hw);

	r->irq_on = on;
	set_irq_mask(r, on ? RTL_CAUSES : 0);
}

/* No cause can be set by hand, but the timer needs nothing else to run. */
static void rtl_intx_test(struct hw_dev *hw, bool assert)
{
	struct rtl8139 *r = from_hw(hw);

	if (assert) {
		wr16(r, RTL_ISR, INT_TIMEOUT);
		wr32(r, RTL_TCTR, 0);
		wr32(r, RTL_TIMERINT, TIMER_SOON);
		set_irq_mask(r, INT_TIMEOUT);
		(void)wait_until(rd16(r, RTL_ISR) & INT_TIMEOUT, LINE_TEST_US);
		return;
	}
	set_irq_mask(r, 0);
	wr32(r, RTL_TIMERINT, 0);
	wr16(r, RTL_ISR, INT_TIMEOUT);
	set_irq_mask(r, r->irq_on ? RTL_CAUSES : 0);
}

/* --- a transmitter that hangs --- */

/* Reset; the frames that hung come back as sent (the network may lose frames). */
static void recover(struct rtl8139 *r)
{
	r->count.tx_hangs++;
	r->running = false;
	r->recovering = true;
	int err = reset_chip(r);

	r->broken = err != 0;
	if (err)
		pci_master_off(r->pci);
	(void)tx_drain(r, true);
	if (!r->recovering)
		return;		/* the client has stopped us from its callback */
	r->recovering = false;
	if (err) {
		log_err("%s: does not recover; stopped", r->hw.name);
	} else {
		bring_up(r);
		run(r);
	}
	r->nic.client->flush(r->nic.client_ctx, 0);
}

static void rtl_tick(struct hw_dev *hw, uint64_t now_us)
{
	struct rtl8139 *r = from_hw(hw);

	if (!r->running || r->tx_head == r->tx_kicked) {
		r->tx_watched = false;
		hold_clock(r, false);
		return;
	}
	if (!r->tx_watched || r->tx_seen != r->count.tx_packets) {
		r->tx_watched = true;
		r->tx_seen = r->count.tx_packets;
		r->tx_seen_us = now_us;
		return;
	}
	if (now_us - r->tx_seen_us < RTL_TX_HANG_US)
		return;
	r->tx_watched = false;
	if (rd8(r, RTL_MSR) & MSR_LINKB)
		return;		/* there is no link to send on */
	/* Everything that is done already, in case it was the interrupt that got lost. */
	if (drain(r)) {
		log_warn("%s: completions stood there without an interrupt", r->hw.name);
		r->nic.client->flush(r->nic.client_ctx, 0);
		return;
	}
	log_err("%s: transmitter hangs: TSD%u %08x, ISR %04x, CR %02x: reset", r->hw.name, r->tx_head % RTL_TX_SLOTS,
		rd32(r, RTL_TSD(r->tx_head % RTL_TX_SLOTS)), rd16(r, RTL_ISR), rd8(r, RTL_CR));
	recover(r);
}

static void rtl_shutdown(struct hw_dev *hw)
{
	struct rtl8139 *r = from_hw(hw);

	if (r->shut)
		return;
	r->running = false;
	r->shut = true;
	r->irq_on = false;
	hold_clock(r, false);
	(void)reset_chip(r);
	pci_master_off(r->pci);
}

/* --- control --- */

/* rx_post() is never called: frames are handed over by rx_frame(). */
static int rtl_rx_post(struct nic *nic, unsigned q, uint64_t addr, uint32_t len, void *token)
{
	return -ERR_INVAL;
}

static void rtl_rx_kick(struct nic *nic, unsigned q)
{
}

static void rtl_set_mac(struct nic *nic, const uint8_t mac[6])
{
	struct rtl8139 *r = from_nic(nic);

	memcpy(r->mac, mac, 6);
	if (!r->broken && !r->shut)
		address_write(r);
}

static void rtl_set_filter(struct nic *nic, const struct nic_rx_filter *f)
{
	struct rtl8139 *r = from_nic(nic);
	uint32_t before = r->rcr;

	filter_make(r, f);
	if (r->broken || r->shut)
		return;
	address_write(r);
	if (r->running && r->rcr != before)
		rx_restart(r);
}

static const struct nic_ops rtl_nic_ops = {
	.start = rtl_start,
	.stop = rtl_stop,
	.tx = rtl_tx,
	.tx_kick = rtl_tx_kick,
	.rx_post = rtl_rx_post,
	.rx_kick = rtl_rx_kick,
	.link = rtl_link,
	.set_mac = rtl_set_mac,
	.set_filter = rtl_set_filter,
};

static const struct hw_dev_ops rtl_hw_ops = {
	.poll = rtl_poll,
	.irq_enable = rtl_irq_enable,
	.intx_test = rtl_intx_test,
	.tick = rtl_tick,
	.shutdown = rtl_shutdown,
};

/* --- probe --- */

static void describe(struct rtl8139 *r)
{
	struct nic *nic = &r->nic;

	r->hw.ops = &rtl_hw_ops;
	r->hw.pci = r->pci;
	r->hw.nic = nic;
	nic->ops = &rtl_nic_ops;
	nic->name = r->hw.name;
	nic->caps = NIC_CAP_RX_COPY | NIC_CAP_TX_COPY;
	nic->dma_mask = ~0ull;		/* of the client's memory nothing is given to the chip */
	nic->nqueues = 1;
	nic->tx_slots = RTL_TX_SLOTS;
	nic->rx_slots = RTL_RX_RING / NIC_FRAME_MAX;
}

/* The oldest have their power saving in CONFIG1 and HLTCLK; later ones in the PCI capability alone. */
static void wake(struct rtl8139 *r)
{
	uint32_t version = rd32(r, RTL_TCR) & TCR_HWVER;
	uint8_t config1;

	if (version != HWVER_8139 && version != HWVER_8139A)
		return;
	wr8(r, RTL_HLTCLK, HLTCLK_RUN);
	config1 = rd8(r, RTL_CONFIG1);
	if (!(config1 & (CONFIG1_PWRDN | CONFIG1_SLEEP)))
		return;
	config_unlock(r);
	wr8(r, RTL_CONFIG1, config1 & (uint8_t)~(CONFIG1_PWRDN | CONFIG1_SLEEP));
	config_lock(r);
	flush_writes(r);
}

/* The chip has loaded its address at power-on; where it has none it is made to look into the EEPROM again. */
static int read_mac(struct rtl8139 *r)
{
	uint8_t cr = 0;

	mac_read(r, r->nic.mac);
	if (!mac_valid(r->nic.mac)) {
		wr8(r, RTL_9346CR, FIELD_PREP(EEM, EEM_AUTOLOAD));
		if (!wait_until(!((cr = rd8(r, RTL_9346CR)) & EEM), AUTOLOAD_US))
			log_err("%s: the EEPROM is not read, 9346CR %02x", r->hw.name, cr);
		mac_read(r, r->nic.mac);
	}
	if (!mac_valid(r->nic.mac)) {
		log_err("%s: no valid MAC address (IDR %08x %08x)", r->hw.name, rd32(r, RTL_IDR), rd32(r, RTL_IDR + 4));
		return -ERR_INVAL;
	}
	memcpy(r->mac, r->nic.mac, 6);
	return 0;
}

static int take_over(struct rtl8139 *r)
{
	int err;

	if (rd32(r, RTL_TCR) == ~0u) {
		log_err("%s: no answer, TCR %08x", r->hw.name, ~0u);
		return -ERR_NODEV;
	}
	wake(r);
	err = reset_chip(r);
	if (!err)
		err = read_mac(r);
	if (err)
		return err;
	r->tx_early = TX_EARLY_FIRST;
	r->rcr = RCR_APM | RCR_AB;
	bring_up(r);
	rtl_link(&r->nic, &r->seen);
	return 0;
}

static void register_counters(struct rtl8139 *r)
{
	const char *name = r->hw.name;

	counter_register(name, "tx_packets", &r->count.tx_packets);
	counter_register(name, "tx_bytes", &r->count.tx_bytes);
	counter_register(name, "tx_busy", &r->count.tx_busy);
	counter_register(name, "tx_invalid", &r->count.tx_invalid);
	counter_register(name, "tx_underruns", &r->count.tx_underruns);
	counter_register(name, "tx_aborts", &r->count.tx_aborts);
	counter_register(name, "tx_hangs", &r->count.tx_hangs);
	counter_register(name, "rx_packets", &r->count.rx_packets);
	counter_register(name, "rx_bytes", &r->count.rx_bytes);
	counter_register(name, "rx_dropped", &r->count.rx_dropped);
	counter_register(name, "rx_overflows", &r->count.rx_overflows);
	counter_register(name, "rx_resets", &r->count.rx_resets);
	counter_register(name, "polls", &r->count.polls);
}

static void announce(const struct rtl8139 *r)
{
	const struct nic_link *l = &r->seen;
	const uint8_t *m = r->nic.mac;
	char link[40] = "link down";

	if (l->up)
		fmt_string(link, sizeof(link), "link up %u Mb/s %s duplex", l->mbps, l->full_duplex ? "full" : "half");
	log_info("%s: %s at " PCI_FMT ", version %08x, MAC %02x:%02x:%02x:%02x:%02x:%02x, %s", r->hw.name, r->id->model,
		 PCI_ARGS(r->pci->bdf), rd32(r, RTL_TCR) & TCR_HWVER, m[0], m[1], m[2], m[3], m[4], m[5], link);
}

/* Registers are behind an I/O BAR and a memory BAR, in this order; which index the second has differs among clones. */
static volatile uint8_t *map_registers(const struct pci_dev *pci)
{
	for (unsigned i = 0; i < ARRAY_SIZE(pci->bar); i++)
		if (!pci->bar[i].io && pci->bar[i].size)
			return pci_map_bar(pci, i, RTL_REG_SPACE);
	return NULL;
}

int rtl8139_probe(const struct pci_dev *pci, const struct hw_id *id, unsigned unit, struct hw_dev **out)
{
	struct rtl8139 *r = mem_alloc(sizeof(*r), 64);
	int err = -ERR_NOMEM;

	if (!r)
		goto no_memory;
	r->pci = pci;
	r->id = id;
	fmt_string(r->hw.name, sizeof(r->hw.name), "rtl8139-%u", unit);
	r->rx = mem_alloc(RTL_RX_ROOM, 256);
	if (!r->rx)
		goto free_nic;
	r->tx = mem_alloc(RTL_TX_SLOTS * RTL_TX_BUF, 256);
	if (!r->tx)
		goto free_rx;
	err = -ERR_NODEV;
	pci_power_on(pci);
	r->regs = map_registers(pci);
	if (!r->regs)
		goto free_tx;
	pci_enable(pci);
	describe(r);
	err = take_over(r);
	if (err)
		goto quiet;
	register_counters(r);
	announce(r);
	*out = &r->hw;
	return 0;

quiet:
	set_irq_mask(r, 0);
	pci_master_off(pci);
free_tx:
	mem_free(r->tx);
free_rx:
	mem_free(r->rx);
free_nic:
	mem_free(r);
no_memory:
	log_err("rtl8139-%u: %s at " PCI_FMT " not taken over: %s", unit, id->model, PCI_ARGS(pci->bdf), err_name(err));
	return err;
}
