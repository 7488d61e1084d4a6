/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nic_ops and hw_dev_ops for the RTL8139 (datasheet: see rtl8139_regs.h).
 *
 * The three questions of docs/porting-a-nic.md.  How much can the chip write: it writes to our own ring only, and at most one
 * frame of 4 KiB behind its end.  What does it remember when switched off: nothing of the client's; stop() resets all the
 * same, so that no frame goes out late.  Which completion is sure to ring: each, there is no moderation; the line stays
 * asserted while an enabled cause is set, so a poll has to see it low or make a new edge.
 */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include <veneer/time.h>
#include "rtl8139.h"

#define RESET_US		20000u
#define LINE_TEST_US		1000u
#define POLL_ROUNDS		16u	/* looks at ISR per poll */
#define TIMER_SOON		1024u	/* PCI clocks, 31 us */
#define TX_EARLY_FIRST		8u	/* 256 bytes */
#define ERR_CAUSES		(INT_RXOVW | INT_FOVW)

static struct rtl8139 *from_hw(struct hw_dev *hw)
{
	return container_of(hw, struct rtl8139, hw);
}

void rtl8139_set_irq_mask(struct rtl8139 *r, uint16_t mask)
{
	wr16(r, RTL_IMR, mask);
	flush_writes(r);
}

/* --- life --- */

static int reset_chip(struct rtl8139 *r)
{
	uint8_t cr = 0;

	rtl8139_set_irq_mask(r, 0);
	wr8(r, RTL_CR, CR_RST);
	if (!wait_until(!((cr = rd8(r, RTL_CR)) & CR_RST), RESET_US)) {
		log_err("%s: reset does not end, CR %02x", r->hw.name, cr);
		return -ERR_TIMEOUT;
	}
	rtl8139_set_irq_mask(r, 0);
	wr32(r, RTL_TIMERINT, 0);
	wr16(r, RTL_ISR, 0xffff);
	/* Firmware may have left a C+ chip in its other mode.  Written only then: a write alone switches emulated ones. */
	if ((r->quirks & RTL_Q_CPLUS) && r->pci->revision >= 0x20 && (rd16(r, RTL_CPCR) & (CPCR_TX | CPCR_RX)))
		wr16(r, RTL_CPCR, 0);
	return 0;
}

/* After a reset: everything but the rings, from the state that we remember. */
static void bring_up(struct rtl8139 *r)
{
	rtl8139_tx_forget(r);
	rtl8139_address_write(r);
	wr16(r, RTL_MULINT, rd16(r, RTL_MULINT) & (uint16_t)~MULINT_EARLY);
	if (r->irq_on)
		rtl8139_set_irq_mask(r, RTL_CAUSES);
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

static void run(struct rtl8139 *r)
{
	for (unsigned i = 0; i < RTL_TX_SLOTS; i++)
		wr32(r, RTL_TSAD(i), (uint32_t)mem_phys(r->tx + i * RTL_TX_BUF));
	rtl8139_rx_restart(r);
	wr32(r, RTL_TCR, RTL_TCR_FIXED);
	wr32(r, RTL_MPC, 0);
	flush_writes(r);
	r->running = true;
}

static int rtl_start(struct nic *nic)
{
	struct rtl8139 *r = rtl8139_of(nic);

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
	rtl8139_tx_forget(r);
	run(r);
	return 0;
}

static void rtl_stop(struct nic *nic)
{
	struct rtl8139 *r = rtl8139_of(nic);

	if (r->shut)
		return;
	r->running = false;
	r->recovering = false;
	rtl8139_hold_clock(r, false);
	if (reset_all(r))
		log_err("%s: stopped by taking it off the bus", r->hw.name);
	rtl8139_tx_forget(r);
}

/* --- interrupts --- */

static unsigned drain(struct rtl8139 *r)
{
	unsigned done = 0;

	if (r->running && !r->recovering) {
		done = rtl8139_rx_drain(r);
		done += rtl8139_tx_drain(r, false);
	}
	return done;
}

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
		rtl8139_tx_retry(r);
	if (causes & INT_TIMEOUT)
		wr32(r, RTL_TIMERINT, 0);
	if (causes & INT_PUN)
		rtl8139_link_look(r);
	if (causes & INT_SERR)
		log_err_once(r->serr_said, "%s: the chip reports a PCI error, status %04x", r->hw.name,
			     pci_read16(r->pci, PCI_STATUS));
}

/* Masking and unmasking makes a new edge of a line that has not fallen; the timer raises one that has. */
static void ring_again(struct rtl8139 *r)
{
	if (!r->irq_on)
		return;
	rtl8139_set_irq_mask(r, 0);
	wr32(r, RTL_TCTR, 0);
	wr32(r, RTL_TIMERINT, TIMER_SOON);
	rtl8139_set_irq_mask(r, RTL_CAUSES);
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
	} while (causes && ++rounds < POLL_ROUNDS && done < RTL_RX_BUDGET);

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
	rtl8139_set_irq_mask(r, on ? RTL_CAUSES : 0);
}

/* No cause can be set by hand, but the timer needs nothing else to run. */
static void rtl_intx_test(struct hw_dev *hw, bool assert)
{
	struct rtl8139 *r = from_hw(hw);

	if (assert) {
		wr16(r, RTL_ISR, INT_TIMEOUT);
		wr32(r, RTL_TCTR, 0);
		wr32(r, RTL_TIMERINT, TIMER_SOON);
		rtl8139_set_irq_mask(r, INT_TIMEOUT);
		(void)wait_until(rd16(r, RTL_ISR) & INT_TIMEOUT, LINE_TEST_US);
		return;
	}
	rtl8139_set_irq_mask(r, 0);
	wr32(r, RTL_TIMERINT, 0);
	wr16(r, RTL_ISR, INT_TIMEOUT);
	rtl8139_set_irq_mask(r, r->irq_on ? RTL_CAUSES : 0);
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
	(void)rtl8139_tx_drain(r, true);
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
		rtl8139_hold_clock(r, false);
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
	rtl8139_hold_clock(r, false);
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
	struct rtl8139 *r = rtl8139_of(nic);

	memcpy(r->mac, mac, 6);
	if (!r->broken && !r->shut)
		rtl8139_address_write(r);
}

static void rtl_set_filter(struct nic *nic, const struct nic_rx_filter *f)
{
	struct rtl8139 *r = rtl8139_of(nic);
	uint32_t before = r->rcr;

	rtl8139_filter_make(r, f);
	if (r->broken || r->shut)
		return;
	rtl8139_address_write(r);
	if (r->running && r->rcr != before)
		rtl8139_rx_restart(r);
}

static const struct nic_ops rtl_nic_ops = {
	.start = rtl_start,
	.stop = rtl_stop,
	.tx = rtl8139_tx,
	.tx_kick = rtl8139_tx_kick,
	.rx_post = rtl_rx_post,
	.rx_kick = rtl_rx_kick,
	.link = rtl8139_link,
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

/* --- taking over --- */

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
	rtl8139_config_unlock(r);
	wr8(r, RTL_CONFIG1, config1 & (uint8_t)~(CONFIG1_PWRDN | CONFIG1_SLEEP));
	rtl8139_config_lock(r);
	flush_writes(r);
}

int rtl8139_take_over(struct rtl8139 *r)
{
	int err;

	describe(r);
	if (rd32(r, RTL_TCR) == ~0u) {
		log_err("%s: no answer, TCR %08x", r->hw.name, ~0u);
		return -ERR_NODEV;
	}
	wake(r);
	err = reset_chip(r);
	if (!err)
		err = rtl8139_read_mac(r);
	if (err)
		return err;
	r->tx_early = TX_EARLY_FIRST;
	r->rcr = RCR_APM | RCR_AB;
	bring_up(r);
	rtl8139_link(&r->nic, &r->seen);
	return 0;
}
