/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All of Intel's gigabit NICs behind nic_ops: probe, reset and set-up, interrupts.  The rings are in intel_tx.c and intel_rx.c;
 * address, filter and link in intel_mac.c.
 *
 * nic_stop() has to reset the MAC: it is not enough to switch receiver and transmitter off.  The chip keeps the descriptors
 * that it has fetched, and no document says how to drop them but by a reset.  Switched on again, the chip would write to memory
 * that the guest uses for something else by then.
 */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include "intel.h"

#define CTRL_UNWANTED		(CTRL_GIO_MASTER_OFF | CTRL_LRST | CTRL_ILOS | CTRL_FRCSPD | CTRL_FRCDPX | CTRL_RST | \
				 CTRL_RFCE | CTRL_TFCE | CTRL_VME | CTRL_PHY_RST)

/* --- reset and set-up --- */

static int intel_reset(struct nic *nic)
{
	struct intel_nic *n = to_intel(nic);

	return n->fam->reset(n);
}

/* Moderate reception by ITR alone: the receive timers have errata on most chips. */
static void moderate(struct intel_nic *n)
{
	intel_wr(n, REG_RDTR, 0);
	intel_wr(n, REG_RADV, 0);
	intel_wr(n, REG_TIDV, INTEL_TIDV);
	intel_wr(n, REG_TADV, INTEL_TADV);
	intel_wr(n, REG_ITR, INTEL_ITR);
}

static void intel_setup(struct nic *nic)
{
	struct intel_nic *n = to_intel(nic);

	intel_set(n, REG_CTRL, CTRL_UNWANTED, CTRL_SLU);
	intel_wr(n, REG_FCAL, 0);
	intel_wr(n, REG_FCAH, 0);
	intel_wr(n, REG_FCT, 0);
	intel_wr(n, REG_FCTTV, 0);
	if (!n->fam->eitr)
		moderate(n);
	intel_wr(n, REG_RXCSUM, RXCSUM_IPOFL | RXCSUM_TUOFL);
	n->fam->setup(n);
}

static void program_rings(struct intel_nic *n)
{
	uint64_t tx = mem_phys(n->tx.desc), rx = mem_phys(n->rx.desc);

	intel_wr(n, REG_TDBAL, (uint32_t)tx);
	intel_wr(n, REG_TDBAH, (uint32_t)(tx >> 32));
	intel_wr(n, REG_TDLEN, INTEL_RING_BYTES);
	intel_wr(n, REG_TDH, 0);
	intel_wr(n, REG_TDT, 0);
	intel_wr(n, REG_RDBAL, (uint32_t)rx);
	intel_wr(n, REG_RDBAH, (uint32_t)(rx >> 32));
	intel_wr(n, REG_RDLEN, INTEL_RING_BYTES);
	intel_wr(n, REG_RDH, 0);
	intel_wr(n, REG_RDT, 0);
}

/*
 * Segmentation has errata at 10 and 100 Mb/s, at least on PCI Express chips: other systems' drivers do not use segmentation at
 * these speeds. 82579, I217 and I218 are reported to hang now and then at 1000 Mb/s, too: after one hang segmentation stays
 * off.
 */
static void intel_allow_tso(struct nic *nic)
{
	to_intel(nic)->tx.tso = (nic->caps & NIC_CAP_TX_TSO) && !nic->count.tx_hangs && nic->seen.up && nic->seen.mbps >= 1000;
}

/* Set the chip up for the link's speed, or, if it is broken, at the run after its next reset. */
static void set_speed(struct intel_nic *n)
{
	struct nic *nic = &n->nic;
	bool same = n->set_up.mbps == nic->seen.mbps && n->set_up.full_duplex == nic->seen.full_duplex;

	if (!n->linked || !nic->seen.up || nic->broken || nic->shut || same)
		return;
	n->set_up = nic->seen;
	n->linked(n);
}

static void intel_link_changed(struct nic *nic)
{
	struct intel_nic *n = to_intel(nic);

	intel_allow_tso(nic);
	n->set_up.mbps = 0;
	set_speed(n);
}

static void intel_run(struct nic *nic, bool again)
{
	struct intel_nic *n = to_intel(nic);

	intel_tx_empty(n);
	if (again)
		intel_rx_renew(n);
	else
		intel_rx_empty(n);
	program_rings(n);
	if (n->fam->queues_on)
		n->fam->queues_on(n);
	intel_set(n, REG_TCTL, TCTL_CT | TCTL_COLD,
		  TCTL_EN | TCTL_PSP | TCTL_RTLC | FIELD_PREP(TCTL_CT, TCTL_CT_DEFAULT) | FIELD_PREP(TCTL_COLD, TCTL_COLD_FD));
	if (n->fam->pcie && nic->frame_max > NIC_FRAME_MAX)
		intel_wr(n, REG_RLPML, nic->frame_max + 4);	/* the FCS counts; 8254x have no such limit */
	intel_wr(n, REG_RCTL, intel_rctl(n) | RCTL_EN);
	intel_flush(n);
	intel_allow_tso(nic);
	set_speed(n);
	if (again)
		intel_rx_kick(nic, 0);
}

static void intel_close(struct nic *nic)
{
	struct intel_nic *n = to_intel(nic);

	if (n->fam->pcie)
		intel_set(n, REG_CTRL_EXT, CTRL_EXT_DRV_LOAD, 0);
	intel_flush(n);
}

/* --- interrupts --- */

/* The read acknowledges the causes and deasserts an INTx line. */
static uint32_t intel_ack(struct nic *nic)
{
	struct intel_nic *n = to_intel(nic);
	uint32_t icr = intel_rd(n, REG_ICR);

	return icr == ~0u ? NIC_GONE : icr & (INTEL_CAUSES | n->fam->error_causes);
}

static void intel_rare(struct nic *nic, uint32_t causes)
{
	if (causes & to_intel(nic)->fam->error_causes)
		nic_want_recovery(nic);
}

static unsigned intel_drain(struct nic *nic, unsigned q, bool *more)
{
	struct intel_nic *n = to_intel(nic);
	unsigned done = intel_rx_drain(n, more);

	return done + intel_tx_drain(n, more);
}

static bool intel_peek(struct nic *nic)
{
	struct intel_nic *n = to_intel(nic);

	return (n->rx.head != n->rx.tail && intel_rx_filled(n)) || (!nic_tx_empty(nic, 0) && intel_tx_sent(n));
}

static void intel_irq(struct nic *nic, bool on)
{
	struct intel_nic *n = to_intel(nic);

	if (on)
		intel_wr(n, REG_IMS, INTEL_CAUSES | n->fam->error_causes);
	else
		intel_wr(n, REG_IMC, ~0u);
	intel_flush(n);
}

/* An INTx line may have been asserted all the time: mask and unmask the causes to make a new edge. */
static void intel_ring(struct nic *nic)
{
	struct intel_nic *n = to_intel(nic);

	if (nic->level) {
		intel_irq(nic, false);
		intel_irq(nic, true);
	}
	intel_wr(n, REG_ICS, INT_RXT0 | INT_TXDW);
	intel_flush(n);
}

static void intel_intx_test(struct nic *nic, bool assert)
{
	struct intel_nic *n = to_intel(nic);

	if (assert) {
		intel_wr(n, REG_IMS, INT_LSC);
		intel_wr(n, REG_ICS, INT_LSC);
	} else {
		intel_wr(n, REG_IMC, ~0u);
		(void)intel_rd(n, REG_ICR);
	}
	intel_flush(n);
}

/* A write of a tail may have been lost: repeat it. */
static bool intel_tick(struct nic *nic)
{
	struct intel_nic *n = to_intel(nic);

	if (!n->me_arbiter || !nic_runs(nic))
		return false;
	intel_tx_kick(nic, 0);
	intel_rx_kick(nic, 0);
	return n->tx.told != n->tx.tail || n->rx.told != n->rx.tail;
}

static void intel_hung(struct nic *nic, char *text, size_t size)
{
	struct intel_nic *n = to_intel(nic);

	fmt_string(text, size, "at descriptor %u%s", n->tx.head, n->tx.tso ? ", no more segmentation" : "");
	intel_dump(n);
}

/* --- probe --- */

static void describe(struct intel_nic *n)
{
	struct nic *nic = &n->nic;
	bool pcie = n->fam->pcie;

	nic->caps = NIC_CAP_TX_CSUM | NIC_CAP_RX_CSUM | NIC_CAP_VLAN_FILTER;
	/* With segmentation the first I219 overrun their buffers (INTEL_Q_SPT). 8254x do not segment IPv6. */
	if (!intel_quirk(n, INTEL_Q_SPT))
		nic->caps |= pcie ? NIC_CAP_TX_TSO | NIC_CAP_TX_TSO6 : NIC_CAP_TX_TSO;
	nic->rx_slots = INTEL_RING_SIZE - 1;
	nic->tx_slots = INTEL_RING_SIZE - 2;	/* one entry always stays free, one may hold a context */
	nic->level = n->fam->level;
	nic->lazy = !n->fam->eitr;
	nic->link_cause = INT_LSC;
	if (!intel_quirk(n, INTEL_Q_PCH | INTEL_Q_NO_JUMBO))
		nic->frame_limit = NIC_FRAME_JUMBO;
	/* On plain PCI, dual address cycles of 8254x are not reliable. */
	if (pcie || (intel_rd(n, REG_STATUS) & STATUS_PCIX))
		nic->dma_mask = ~0ull;
	n->tx.sentinel = !pcie;
	n->boundary = intel_quirk(n, INTEL_Q_64K) ? 0x10000 : 0;
}

START_ONLY_CODE int intel_attach(struct nic *nic, void (*prepare)(struct intel_nic *n))
{
	struct intel_nic *n = to_intel(nic);
	uint8_t before[6];
	int err;

	n->fam = nic->kind;
	err = intel_tx_alloc(n);
	if (!err)
		err = intel_rx_alloc(n);
	if (err)
		return err;
	n->regs = pci_map_bar(nic->hw.pci, 0, n->fam->space ? n->fam->space : REG_SPACE);
	if (!n->regs)
		return -ERR_NODEV;
	if (intel_rd(n, REG_STATUS) == ~0u) {
		log_err("%s: no answer, STATUS %08x", nic->name, ~0u);
		return -ERR_NODEV;
	}
	describe(n);
	intel_rar_read(n, 0, before);
	n->me_arbiter = intel_quirk(n, INTEL_Q_PCH) && (intel_rd(n, REG_FWSM) & FWSM_FW_VALID);
	if (prepare)
		prepare(n);
	err = n->fam->reset(n);
	if (err)
		return err;
	intel_mac_read(n, before);
	(void)intel_phy_power_up(n);	/* a failure is logged; a link may come up nevertheless */
	return 0;
}

START_ONLY_CODE static void intel_detach(struct nic *nic)
{
	struct intel_nic *n = to_intel(nic);

	mem_free(n->tx.desc);
	mem_free(n->rx.desc);
	mem_free(n->rx.slot);
}

static const struct nic_ops intel_ops = {
	.reset = intel_reset,
	.setup = intel_setup,
	.run = intel_run,
	.close = intel_close,
	.link = intel_link,
	.link_changed = intel_link_changed,
	.tx = intel_tx,
	.tx_kick = intel_tx_kick,
	.tx_reap = intel_tx_reap,
	.rx_post = intel_rx_post,
	.rx_kick = intel_rx_kick,
	.ack = intel_ack,
	.drain = intel_drain,
	.peek = intel_peek,
	.irq = intel_irq,
	.ring = intel_ring,
	.intx_test = intel_intx_test,
	.filter_make = intel_filter_make,
	.filter_write = intel_filter_write,
	.rare = intel_rare,
	.tick = intel_tick,
	.hung = intel_hung,
};

int intel_probe(const struct pci_dev *pci, const struct hw_id *id, unsigned unit, const struct intel_family *fam,
		int (*attach)(struct nic *nic), struct hw_dev **out)
{
	const struct nic_driver drv = { fam->name, sizeof(struct intel_nic), INTEL_RING_SIZE, attach, intel_detach, fam };

	return nic_probe(&drv, &intel_ops, pci, id, unit, out);
}
