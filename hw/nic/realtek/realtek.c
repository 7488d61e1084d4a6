/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Driver of Realtek's gigabit family: reset, filter, link, interrupts.  Frames are in realtek_rings.c; the table of chips, PHY,
 * ERI, OCP and the chips' settings in realtek_chip.c.  Not used: the chip's checksums and TSO, several queues, wake-up.
 *
 * The three questions of docs/porting-a-nic.md.  How much can the chip write: the driver's own buffers have 2048 bytes each,
 * descriptors and RMS say 2040, and the chip rounds up to 8.  What does it keep when it is disabled: possibly descriptors that
 * it fetched; stop() resets.  Which completions are sure to interrupt: all, moderation is off.
 *
 * The chip sends a message when the first enabled cause rises.  A cause that rises between the read of ISR and its
 * acknowledgement would stay set and prevent every later message.  So each acknowledgement masks and unmasks the causes, which
 * makes a new edge of the causes that are still set.
 */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include <veneer/time.h>
#include "realtek.h"

#define RESET_US	10000u
#define LINE_TEST_US	1000u
#define TIMER_SOON	1024u	/* clocks of the bus: 31 us on PCI, 8 on PCI Express */

static void rtk_set_irq_mask(struct rtk *r, uint32_t mask)
{
	rtk_imr(r, mask);
	rtk_flush(r);
}

/* --- life --- */

/* Takes at most: gate 4 ms, FIFOs 8.4, reset 10, off 1, list 8.4. */
static int rtk_reset(struct nic *nic)
{
	struct rtk *r = rtk_of(nic);
	uint8_t cr = 0;

	rtk_set_irq_mask(r, 0);
	rtk_quiesce(r);
	wr8(r, RTK_CR, CR_RST);
	if (!wait_until(!((cr = rd8(r, RTK_CR)) & CR_RST), RESET_US)) {
		log_err("%s: reset does not end, CR %02x", nic->name, cr);
		return -ERR_TIMEOUT;
	}
	rtk_set_irq_mask(r, 0);
	wr32(r, RTK_TIMERINT, 0);
	rtk_isr_clear(r, ~0u);
	rtk_leave_oob(r);
	return 0;
}

static void rtk_setup(struct nic *nic)
{
	rtk_chip_setup(rtk_of(nic));
}

static void write_ring(struct rtk *r, uint32_t reg, volatile void *ring)
{
	uint64_t at = mem_phys((void *)ring);

	wr32(r, reg + 4, (uint32_t)(at >> 32));
	wr32(r, reg, (uint32_t)at);
}

/* RCR and TCR accept their thresholds only while receiver and transmitter are enabled (RTL8169: 5.7, 5.8). */
static void rtk_run(struct nic *nic, bool again)
{
	struct rtk *r = rtk_of(nic);

	rtk_rings_empty(r);
	dma_wmb();
	wr16(r, RTK_RMS, RTK_RX_LEN);
	write_ring(r, RTK_TNPDS, r->tx);
	write_ring(r, RTK_RDSAR, r->rx);
	rtk_flush(r);
	wr8(r, RTK_CR, CR_TE | CR_RE);
	wr32(r, RTK_RCR, r->rcr_fixed | r->rcr);
	wr32(r, RTK_TCR, TCR_MXDMA | TCR_IFG | (r->flags & CHIP_EVL ? TCR_AUTO_FIFO : 0));
	if (r->flags & CHIP_OCP)
		set32(r, RTK_MISC, MISC_GATE, 0);
	rtk_flush(r);
}

/* --- the filter --- */

/* The chip matches one unicast address: more addresses need AAP. */
static void rtk_filter_make(struct nic *nic, const struct nic_rx_filter *f)
{
	struct rtk *r = rtk_of(nic);
	unsigned turn = r->flags & CHIP_PCIE ? 63 - 7 : 0;	/* reverses the order of the bytes, but not of their bits */

	r->rcr = 0;
	r->mar[0] = r->mar[1] = 0;
	if (!f->nouni)
		r->rcr |= RCR_APM | (f->promisc || f->nmac ? RCR_AAP : 0);
	if (!f->nobcast)
		r->rcr |= RCR_AB;
	if (f->nomulti)
		return;
	r->rcr |= RCR_AM;
	if (f->promisc || f->allmulti || (f->nmcast && (r->flags & CHIP_ALLMULTI)))
		r->mar[0] = r->mar[1] = ~0u;
	for (unsigned i = 0; i < f->nmcast; i++) {
		unsigned h = nic_crc_hash(f->mcast[i]) ^ turn;

		r->mar[h / 32] |= BIT(h % 32);
	}
}

static void rtk_filter_write(struct nic *nic)
{
	struct rtk *r = rtk_of(nic);

	rtk_write_mac(r, nic->addr);
	wr32(r, RTK_MAR + 4, r->mar[1]);
	wr32(r, RTK_MAR, r->mar[0]);
	if (nic_runs(nic))
		wr32(r, RTK_RCR, r->rcr_fixed | r->rcr);
	rtk_flush(r);
}

/* --- link --- */

static void rtk_link(struct nic *nic, struct nic_link *out)
{
	struct rtk *r = rtk_of(nic);
	uint32_t s = r->flags & CHIP_25 ? rd16(r, RTK_PHYSTATUS) : rd8(r, RTK_PHYSTATUS);

	memset(out, 0, sizeof(*out));
	out->up = (s & PHYSTATUS_LINK) && (s & 0xff) != 0xff;
	if (!out->up)
		return;
	out->mbps = s & PHYSTATUS_5000 ? 5000 : s & PHYSTATUS_2500 ? 2500 : s & PHYSTATUS_1000 ? 1000 :
		    s & PHYSTATUS_100 ? 100 : 10;
	out->full_duplex = (s & PHYSTATUS_FULL) || out->mbps >= 1000;
}

/* --- interrupts --- */

static uint32_t rtk_ack(struct nic *nic)
{
	struct rtk *r = rtk_of(nic);
	uint32_t isr = rtk_isr(r);

	if ((isr & 0xffff) == 0xffff && rd32(r, RTK_TCR) == ~0u)
		return NIC_GONE;
	isr &= rtk_causes(r);
	if (!isr)
		return 0;
	rtk_imr(r, 0);
	rtk_isr_clear(r, isr);
	if (nic_rings(nic))
		rtk_set_irq_mask(r, rtk_causes(r));
	return isr;
}

static void rtk_rare(struct nic *nic, uint32_t causes)
{
	struct rtk *r = rtk_of(nic);

	if (causes & INT_RDU)
		r->rx_overflows++;
	if (causes & INT_TIMEOUT)
		wr32(r, RTK_TIMERINT, 0);
	if (causes & INT_SERR)
		log_err_once(r->serr_said, "%s: the chip reports an error on the bus, PCI status %04x", nic->name,
			     pci_read16(nic->hw.pci, PCI_STATUS));
	/* The receiver may have stopped, which the watch of the transmitter does not notice. */
	if (causes & (INT_SERR | INT_FOVW))
		nic_want_recovery(nic);
}

/*
 * Send a lost message again: the cause stays set, and only a rise sends a message.  The read back pushes the message out before
 * this function returns, so that the message does not arrive after the causes are acknowledged.
 */
static bool rtk_tick(struct nic *nic)
{
	struct rtk *r = rtk_of(nic);

	if (nic_rings(nic) && (rtk_isr(r) & rtk_causes(r))) {
		rtk_set_irq_mask(r, 0);
		rtk_set_irq_mask(r, rtk_causes(r));
	}
	return false;
}

static void rtk_irq(struct nic *nic, bool on)
{
	struct rtk *r = rtk_of(nic);

	rtk_set_irq_mask(r, on ? rtk_causes(r) : 0);
}

static void timer_soon(struct rtk *r)
{
	wr32(r, RTK_TIMERINT, TIMER_SOON);
	wr32(r, RTK_TCTR, 0);
}

/* Masking and unmasking makes a new edge of causes that are still set; if none is set, the timer sets one. */
static void rtk_ring(struct nic *nic)
{
	struct rtk *r = rtk_of(nic);

	rtk_set_irq_mask(r, 0);
	timer_soon(r);
	rtk_set_irq_mask(r, rtk_causes(r));
}

static void rtk_intx_test(struct nic *nic, bool assert)
{
	struct rtk *r = rtk_of(nic);

	rtk_set_irq_mask(r, 0);
	wr32(r, RTK_TIMERINT, 0);
	rtk_isr_clear(r, INT_TIMEOUT);
	if (!assert) {
		rtk_flush(r);
		return;
	}
	timer_soon(r);
	rtk_set_irq_mask(r, INT_TIMEOUT);
	(void)wait_until(rtk_isr(r) & INT_TIMEOUT, LINE_TEST_US);
}

static void rtk_hung(struct nic *nic, char *text, size_t size)
{
	struct rtk *r = rtk_of(nic);
	unsigned slot = nic->txq[0].done % RTK_TX_SLOTS;

	fmt_string(text, size, "descriptor %u %08x, ISR %04x, CR %02x, TCR %08x", slot, r->tx[slot].opts, rtk_isr(r),
		   rd8(r, RTK_CR), rd32(r, RTK_TCR));
}

/* --- taking over --- */

/* The registers are behind an I/O BAR and, at an index that differs by generation, a memory BAR; MSI-X has a third BAR. */
static volatile uint8_t *rtk_map_registers(const struct nic *nic)
{
	const struct pci_dev *pci = nic->hw.pci;

	for (unsigned i = 0; i < ARRAY_SIZE(pci->bar); i++)
		if (!pci->bar[i].io && pci->bar[i].size)
			return pci_map_bar(pci, i, nic->quirks & RTK_Q_25 ? RTK25_REG_SPACE : RTK_REG_SPACE);
	return NULL;
}

static int get_memory(struct rtk *r)
{
	r->tx = mem_alloc(RTK_RING_BYTES(RTK_TX_SLOTS), 256);
	r->rx = mem_alloc(RTK_RING_BYTES(RTK_RX_SLOTS), 256);
	r->tx_buf = mem_alloc(RTK_TX_SLOTS * RTK_TX_BUF, 64);
	r->rx_buf = mem_alloc(RTK_RX_SLOTS * RTK_RX_BUF, 64);
	return r->tx && r->rx && r->tx_buf && r->rx_buf ? 0 : -ERR_NOMEM;
}

START_ONLY_CODE int rtk_attach(struct nic *nic)
{
	struct rtk *r = rtk_of(nic);
	int err = get_memory(r);

	if (err)
		return err;
	r->regs = rtk_map_registers(nic);
	if (!r->regs)
		return -ERR_NODEV;
	err = rtk_identify(r);
	if (!err)
		err = rtk_reset(nic);
	if (err)
		return err;
	rtk_phy_wake(r);
	rtk_read_mac(r, nic->mac);
	nic->caps = NIC_CAP_RX_COPY;
	nic->dma_mask = r->flags & CHIP_DMA64 ? ~0ull : 0xffffffffull;
	nic->tx_slots = RTK_TX_SLOTS;
	nic->rx_slots = RTK_RX_SLOTS;
	nic->link_cause = INT_LINK;
	nic->hw.by_pin = r->flags & CHIP_PIN;
	nic->level = nic->hw.by_pin || (!nic->hw.pci->cap_msi && !nic->hw.pci->cap_msix);
	fmt_string(nic->detail, sizeof(nic->detail), ", %s (%03x)", r->chip->name, FIELD_GET(TCR_VERSION, rd32(r, RTK_TCR)));
	r->chip = NULL;
	return 0;
}

START_ONLY_CODE void rtk_detach(struct nic *nic)
{
	struct rtk *r = rtk_of(nic);

	mem_free((void *)r->tx);
	mem_free((void *)r->rx);
	mem_free(r->tx_buf);
	mem_free(r->rx_buf);
}

static const struct nic_counter rtk_counters[] = {
	{ "rx_overflows", offsetof(struct rtk, rx_overflows) },
	{ "tx_copied", offsetof(struct rtk, tx_copied) },
	{ NULL },
};

const struct nic_ops rtk_ops = {
	.reset = rtk_reset,
	.setup = rtk_setup,
	.run = rtk_run,
	.link = rtk_link,
	.tx = rtk_tx,
	.tx_kick = rtk_tx_kick,
	.ack = rtk_ack,
	.drain = rtk_drain,
	.peek = rtk_peek,
	.rare = rtk_rare,
	.irq = rtk_irq,
	.ring = rtk_ring,
	.intx_test = rtk_intx_test,
	.filter_make = rtk_filter_make,
	.filter_write = rtk_filter_write,
	.tick = rtk_tick,
	.hung = rtk_hung,
	.counter = rtk_counters,
};
