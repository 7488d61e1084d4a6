/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RTL8139 driver (datasheet: see rtl8139_regs.h): reset, address, link, interrupts.  Frames are in rtl8139_rings.c.
 *
 * The three questions of docs/porting-a-nic.md.  How much can the chip write: it writes to the driver's own ring only, and at
 * most one frame of 4 KiB past its end.  What does it keep when it is disabled: nothing of the client's; stop() resets
 * nevertheless, so that no frame goes out late.  Which completions are sure to interrupt: all, there is no moderation; the
 * line stays asserted while an enabled cause is set, so a poll must see the line low or make a new edge.
 */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include <veneer/time.h>
#include "rtl8139.h"

#define RESET_US		20000u
#define LINE_TEST_US		1000u
#define AUTOLOAD_US		20000u	/* the datasheet: 2 ms */
#define TIMER_SOON		1024u	/* PCI clocks, 31 us */
#define TX_EARLY_FIRST		8u	/* 256 bytes */
#define ERR_CAUSES		(INT_RXOVW | INT_FOVW)

static void rtl_set_irq_mask(struct rtl8139 *r, uint16_t mask)
{
	wr16(r, RTL_IMR, mask);
	flush_writes(r);
}

/* Lock or unlock the CONFIG registers and, on some revisions, the station address: they accept writes only while unlocked. */
static void config_lock(struct rtl8139 *r, bool lock)
{
	wr8(r, RTL_9346CR, FIELD_PREP(EEM, lock ? EEM_NORMAL : EEM_CONFIG));
}

/* --- life --- */

static int rtl_reset(struct nic *nic)
{
	struct rtl8139 *r = rtl8139_of(nic);
	uint8_t cr = 0;

	rtl_set_irq_mask(r, 0);
	wr8(r, RTL_CR, CR_RST);
	if (!wait_until(!((cr = rd8(r, RTL_CR)) & CR_RST), RESET_US)) {
		log_err("%s: reset does not end, CR %02x", nic->name, cr);
		return -ERR_TIMEOUT;
	}
	rtl_set_irq_mask(r, 0);
	wr32(r, RTL_TIMERINT, 0);
	wr16(r, RTL_ISR, 0xffff);
	/* Firmware may have left a chip in C+ mode.  Write CPCR only then: any write switches an emulated chip to C+ mode. */
	if ((nic->quirks & RTL_Q_CPLUS) && nic->hw.pci->revision >= 0x20 && (rd16(r, RTL_CPCR) & (CPCR_TX | CPCR_RX)))
		wr16(r, RTL_CPCR, 0);
	return 0;
}

static void rtl_setup(struct nic *nic)
{
	struct rtl8139 *r = rtl8139_of(nic);

	wr16(r, RTL_MULINT, rd16(r, RTL_MULINT) & (uint16_t)~MULINT_EARLY);
}

static void rtl_run(struct nic *nic, bool again)
{
	struct rtl8139 *r = rtl8139_of(nic);

	for (unsigned i = 0; i < RTL_TX_SLOTS; i++)
		wr32(r, RTL_TSAD(i), (uint32_t)mem_phys(r->tx + i * RTL_TX_BUF));
	rtl8139_rx_restart(r);
	wr32(r, RTL_TCR, RTL_TCR_FIXED);
	wr32(r, RTL_MPC, 0);
	flush_writes(r);
}

/* --- address and filter --- */

static void mac_read(const struct rtl8139 *r, uint8_t mac[6])
{
	for (unsigned i = 0; i < 6; i++)
		mac[i] = rd8(r, RTL_IDR + i);
}

/* The chip loads its address from the EEPROM at power-on.  If the address is not valid, make the chip load it again. */
static int find_mac(struct rtl8139 *r)
{
	uint8_t cr = 0, *mac = r->nic.mac;

	mac_read(r, mac);
	if (!nic_mac_valid(mac)) {
		wr8(r, RTL_9346CR, FIELD_PREP(EEM, EEM_AUTOLOAD));
		if (!wait_until(!((cr = rd8(r, RTL_9346CR)) & EEM), AUTOLOAD_US))
			log_err("%s: the EEPROM is not loaded, 9346CR %02x", r->nic.name, cr);
		mac_read(r, mac);
	}
	if (nic_mac_valid(mac))
		return 0;
	log_err("%s: no valid MAC address (IDR %08x %08x)", r->nic.name, rd32(r, RTL_IDR), rd32(r, RTL_IDR + 4));
	return -ERR_INVAL;
}

/* The chip matches one unicast address: more addresses need AAP. */
static void rtl_filter_make(struct nic *nic, const struct nic_rx_filter *f)
{
	struct rtl8139 *r = rtl8139_of(nic);

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
		unsigned h = nic_crc_hash(f->mcast[i]);

		r->mar[h / 32] |= BIT(h % 32);
	}
}

static void rtl_filter_write(struct nic *nic)
{
	struct rtl8139 *r = rtl8139_of(nic);
	const uint8_t *m = nic->addr;

	config_lock(r, false);
	wr32(r, RTL_IDR, m[0] | (uint32_t)m[1] << 8 | (uint32_t)m[2] << 16 | (uint32_t)m[3] << 24);
	wr32(r, RTL_IDR + 4, m[4] | (uint32_t)m[5] << 8);
	config_lock(r, true);
	wr32(r, RTL_MAR, r->mar[0]);
	wr32(r, RTL_MAR + 4, r->mar[1]);
	flush_writes(r);
	if (nic_runs(nic) && r->rcr != r->rcr_told)
		rtl8139_rx_restart(r);
}

/* --- link --- */

static bool full_duplex(const struct rtl8139 *r)
{
	uint16_t bmcr = rd16(r, RTL_BMCR), common;

	if (!(bmcr & BMCR_ANE))
		return bmcr & BMCR_FULL;
	/* If the link partner does not negotiate, assume half duplex (802.3, 28.2.3.1). */
	common = rd16(r, RTL_ANAR) & rd16(r, RTL_ANLPAR);
	if (common & AN_100_FULL)
		return true;
	return !(common & AN_100_HALF) && (common & AN_10_FULL);
}

static void rtl_link(struct nic *nic, struct nic_link *out)
{
	struct rtl8139 *r = rtl8139_of(nic);
	uint8_t msr = rd8(r, RTL_MSR);

	memset(out, 0, sizeof(*out));
	out->up = !(msr & MSR_LINKB);
	if (!out->up)
		return;
	out->mbps = msr & MSR_SPEED_10 ? 10 : 100;
	out->full_duplex = full_duplex(r);
}

/* --- interrupts --- */

/*
 * Return the enabled causes, and acknowledge all but an overflow: rtl_rare() acknowledges that after the ring has room again,
 * because before then it would recur at once.  A frame that arrives meanwhile sets ROK again.
 */
static uint32_t rtl_ack(struct nic *nic)
{
	struct rtl8139 *r = rtl8139_of(nic);
	uint16_t isr = rd16(r, RTL_ISR);

	if (isr == 0xffff && rd32(r, RTL_TCR) == ~0u)
		return NIC_GONE;
	isr &= RTL_CAUSES;
	if (isr & ~ERR_CAUSES)
		wr16(r, RTL_ISR, isr & (uint16_t)~ERR_CAUSES);
	return isr;
}

static void rtl_rare(struct nic *nic, uint32_t causes)
{
	struct rtl8139 *r = rtl8139_of(nic);

	if (causes & ERR_CAUSES) {
		r->rx_overflows++;
		wr16(r, RTL_ISR, ERR_CAUSES);
	}
	if (causes & INT_TER)
		rtl8139_tx_retry(r);
	if (causes & INT_TIMEOUT)
		wr32(r, RTL_TIMERINT, 0);
	if (causes & INT_SERR)
		log_err_once(r->serr_said, "%s: the chip reports a PCI error, status %04x", nic->name,
			     pci_read16(nic->hw.pci, PCI_STATUS));
}

/* If the line is still asserted, masking and unmasking makes a new edge; if the line has fallen, the timer raises it. */
static void rtl_ring(struct nic *nic)
{
	struct rtl8139 *r = rtl8139_of(nic);

	rtl_set_irq_mask(r, 0);
	wr32(r, RTL_TCTR, 0);
	wr32(r, RTL_TIMERINT, TIMER_SOON);
	rtl_set_irq_mask(r, RTL_CAUSES);
}

static void rtl_irq(struct nic *nic, bool on)
{
	rtl_set_irq_mask(rtl8139_of(nic), on ? RTL_CAUSES : 0);
}

/* Software cannot set a cause, but the timer can, and runs without receiver and transmitter. */
static void rtl_intx_test(struct nic *nic, bool assert)
{
	struct rtl8139 *r = rtl8139_of(nic);

	rtl_set_irq_mask(r, 0);
	wr16(r, RTL_ISR, INT_TIMEOUT);
	wr32(r, RTL_TCTR, 0);
	wr32(r, RTL_TIMERINT, assert ? TIMER_SOON : 0);
	if (!assert)
		return;
	rtl_set_irq_mask(r, INT_TIMEOUT);
	(void)wait_until(rd16(r, RTL_ISR) & INT_TIMEOUT, LINE_TEST_US);
}

static void rtl_hung(struct nic *nic, char *text, size_t size)
{
	struct rtl8139 *r = rtl8139_of(nic);
	unsigned slot = nic->txq[0].done % RTL_TX_SLOTS;

	fmt_string(text, size, "TSD%u %08x, ISR %04x, CR %02x", slot, rd32(r, RTL_TSD(slot)), rd16(r, RTL_ISR), rd8(r, RTL_CR));
}

/* --- taking over --- */

/* End power saving.  The 8139 and 8139A have it in CONFIG1 and HLTCLK, later chips in the PCI capability only. */
static void rtl_wake(struct rtl8139 *r)
{
	uint32_t version = rd32(r, RTL_TCR) & TCR_HWVER;
	uint8_t config1;

	if (version != HWVER_8139 && version != HWVER_8139A)
		return;
	wr8(r, RTL_HLTCLK, HLTCLK_RUN);
	config1 = rd8(r, RTL_CONFIG1);
	if (!(config1 & (CONFIG1_PWRDN | CONFIG1_SLEEP)))
		return;
	config_lock(r, false);
	wr8(r, RTL_CONFIG1, config1 & (uint8_t)~(CONFIG1_PWRDN | CONFIG1_SLEEP));
	config_lock(r, true);
	flush_writes(r);
}

/* The registers are behind an I/O BAR and, at an index that differs among clones, a memory BAR. */
static volatile uint8_t *rtl_map_registers(const struct pci_dev *pci)
{
	for (unsigned i = 0; i < ARRAY_SIZE(pci->bar); i++)
		if (!pci->bar[i].io && pci->bar[i].size)
			return pci_map_bar(pci, i, RTL_REG_SPACE);
	return NULL;
}

START_ONLY_CODE int rtl8139_attach(struct nic *nic)
{
	struct rtl8139 *r = rtl8139_of(nic);
	int err;

	r->rx = mem_alloc(RTL_RX_ROOM, 256);
	r->tx = mem_alloc(RTL_TX_SLOTS * RTL_TX_BUF, 256);
	if (!r->rx || !r->tx)
		return -ERR_NOMEM;
	r->regs = rtl_map_registers(nic->hw.pci);
	if (!r->regs)
		return -ERR_NODEV;
	if (rd32(r, RTL_TCR) == ~0u) {
		log_err("%s: no answer, TCR %08x", nic->name, ~0u);
		return -ERR_NODEV;
	}
	rtl_wake(r);
	err = rtl_reset(nic);
	if (!err)
		err = find_mac(r);
	nic->caps = NIC_CAP_RX_COPY | NIC_CAP_TX_COPY;
	nic->dma_mask = ~0ull;		/* the chip never accesses the client's memory */
	nic->tx_slots = RTL_TX_SLOTS;
	nic->rx_slots = RTL_RX_RING / NIC_FRAME_MAX;
	nic->link_cause = INT_PUN;
	nic->level = true;
	r->tx_early = TX_EARLY_FIRST;
	fmt_string(nic->detail, sizeof(nic->detail), ", version %08x", rd32(r, RTL_TCR) & TCR_HWVER);
	return err;
}

START_ONLY_CODE void rtl8139_detach(struct nic *nic)
{
	mem_free(rtl8139_of(nic)->rx);
	mem_free(rtl8139_of(nic)->tx);
}

static const struct nic_counter rtl_counters[] = {
	{ "tx_underruns", offsetof(struct rtl8139, tx_underruns) },
	{ "tx_aborts", offsetof(struct rtl8139, tx_aborts) },
	{ "rx_overflows", offsetof(struct rtl8139, rx_overflows) },
	{ "rx_resets", offsetof(struct rtl8139, rx_resets) },
	{ NULL },
};

const struct nic_ops rtl8139_ops = {
	.reset = rtl_reset,
	.setup = rtl_setup,
	.run = rtl_run,
	.link = rtl_link,
	.tx = rtl8139_tx,
	.tx_kick = rtl8139_tx_kick,
	.ack = rtl_ack,
	.drain = rtl8139_drain,
	.rare = rtl_rare,
	.irq = rtl_irq,
	.ring = rtl_ring,
	.intx_test = rtl_intx_test,
	.filter_make = rtl_filter_make,
	.filter_write = rtl_filter_write,
	.hung = rtl_hung,
	.counter = rtl_counters,
};
