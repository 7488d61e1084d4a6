/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parts of the driver that only the PCI Express chips need: 82574 and 82583, and the MACs inside PCH chipsets (82579, I217,
 * I218, I219).
 *
 * Not tried on silicon: everything for PCH, which was tried on our own model, which Linux's e1000e drives; the flush of rings
 * (INTEL_Q_FLUSH), which the model never asks for; and the MDIO ownership and GCR settings of the 82574, which emulators accept
 * without effect.
 */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/time.h>
#include "intel.h"

#define RESET_US		1000u
#define RESET_PCH_US		20000u
#define RESET_END_US		20000u
#define AUTO_READ_US		100000u
#define FLUSH_US		250u
#define FLUSH_LEN		512u
#define VET_VLAN		0x8100u

static bool flush_needed(const struct intel_nic *n)
{
	return pci_read16(n->nic.hw.pci, PCI_DESC_RING_STATUS) & DESC_RING_FLUSH;
}

/* Queue one more descriptor, without end of frame: this flushes the descriptors that are stuck in the chip. */
static void flush_tx(struct intel_nic *n)
{
	uint64_t ring = mem_phys(n->tx.desc);
	uint32_t tail = intel_rd(n, REG_TDT);

	if (intel_rd(n, REG_TDBAL) != (uint32_t)ring || intel_rd(n, REG_TDBAH) != (uint32_t)(ring >> 32) ||
	    tail >= INTEL_RING_SIZE) {
		/* The ring is the firmware's, and its memory may have another use by now. */
		intel_wr(n, REG_TDBAL, (uint32_t)ring);
		intel_wr(n, REG_TDBAH, (uint32_t)(ring >> 32));
		intel_wr(n, REG_TDLEN, INTEL_RING_SIZE * sizeof(struct intel_desc));
		intel_wr(n, REG_TDH, 0);
		intel_wr(n, REG_TDT, 0);
		tail = 0;
	}
	intel_set(n, REG_TCTL, 0, TCTL_EN);
	n->tx.desc[tail].q[0] = ring;
	n->tx.desc[tail].q[1] = FIELD_PREP(TXD_LENGTH, FLUSH_LEN) | TXD_IFCS;
	dma_wmb();
	intel_wr(n, REG_TDT, (tail + 1) % INTEL_RING_SIZE);
	intel_flush(n);
	delay_us(FLUSH_US);
	intel_set(n, REG_TCTL, TCTL_EN, 0);
}

static void flush_rx(struct intel_nic *n)
{
	intel_set(n, REG_RCTL, RCTL_EN, 0);
	intel_flush(n);
	delay_us(FLUSH_US);
	intel_set(n, REG_RXDCTL, RXDCTL_THRESHOLDS,
		  FIELD_PREP(RXDCTL_PTHRESH, 31) | FIELD_PREP(RXDCTL_HTHRESH, 1) | RXDCTL_GRAN);
	/* The thresholds take effect when the receiver is enabled. */
	intel_set(n, REG_RCTL, 0, RCTL_EN);
	intel_flush(n);
	delay_us(FLUSH_US);
	intel_set(n, REG_RCTL, RCTL_EN, 0);
}

static void flush_rings(struct intel_nic *n)
{
	if (!intel_quirk(n, INTEL_Q_FLUSH))
		return;
	intel_set(n, REG_FEXTNVM11, 0, FEXTNVM11_MULR_FIX_OFF);
	if (!intel_rd(n, REG_TDLEN) || !flush_needed(n))
		return;
	log_debug("%s: descriptors stuck, flushing", n->nic.name);
	flush_tx(n);
	if (flush_needed(n))
		flush_rx(n);
}

/* Do not reset the PHY: that keeps the link, and the management engine's settings in the PHY. */
static void pulse_reset(struct intel_nic *n)
{
	uint32_t ctrl = intel_rd(n, REG_CTRL) | CTRL_RST;

	(void)intel_swflag_take(n);	/* a failure is logged; reset nevertheless, to stop DMA */
	intel_wr(n, REG_CTRL, ctrl);
	/* On PCH a register access during the reset, even a read, hangs the chip. */
	delay_us(intel_quirk(n, INTEL_Q_PCH) ? RESET_PCH_US : RESET_US);
	intel_swflag_give(n);
}

static int e1000e_reset(struct intel_nic *n)
{
	uint32_t r = 0;

	intel_units_off(n);
	flush_rings(n);
	intel_master_off(n);
	pulse_reset(n);
	if (!wait_until(!((r = intel_rd(n, REG_CTRL)) & CTRL_RST), RESET_END_US)) {
		log_err("%s: reset does not end, CTRL %08x", n->nic.name, r);
		intel_dump(n);
		return -ERR_TIMEOUT;
	}
	if (intel_quirk(n, INTEL_Q_82574) && !wait_until((r = intel_rd(n, REG_EECD)) & EECD_AUTO_RD, AUTO_READ_US))
		log_warn("%s: EEPROM is not read after reset, EECD %08x", n->nic.name, r);
	intel_units_off(n);
	(void)intel_rd(n, REG_ICR);
	if (intel_quirk(n, INTEL_Q_PCH))
		intel_set(n, REG_KABGTXD, 0, KABGTXD_BGSQLBIAS);
	return 0;
}

static void setup_82574(struct intel_nic *n)
{
	/* Errata of the completion timeout and of the transmit unit; these bits have no name in the datasheet. */
	intel_set(n, REG_GCR, 0, GCR_82574_FIX);
	intel_set(n, REG_GCR2, 0, GCR2_82574_FIX);
	intel_set(n, REG_CTRL_EXT, BIT(23), BIT(22));
	intel_set(n, REG_CTRL, BIT(29), 0);
	intel_set(n, REG_TARC0, GENMASK(30, 27), BIT(26));
}

static void setup_pch(struct intel_nic *n)
{
	intel_set(n, REG_CTRL_EXT, 0, BIT(22) | CTRL_EXT_RO_DIS);
	intel_set(n, REG_TARC0, 0, BIT(23) | BIT(24) | BIT(26) | BIT(27));
	intel_set(n, REG_RFCTL, 0, RFCTL_NFSW_DIS | RFCTL_NFSR_DIS);
	/* Errata of lost frames and, on I218 for small chipsets, of DMA that stops while the PHY is idle at 1000 Mb/s. */
	if (!intel_quirk(n, INTEL_Q_82579))
		intel_set(n, REG_FEXTNVM4, 0, FEXTNVM4_BEACON_8US);
	if (intel_quirk(n, INTEL_Q_ULP) && !intel_quirk(n, INTEL_Q_FLUSH))
		intel_set(n, REG_FEXTNVM6, 0, FEXTNVM6_PLL_CLK);
	if (intel_quirk(n, INTEL_Q_TGP))
		intel_set(n, REG_FFLT_DBG, 0, FFLT_DBG_DMA_CLK);
	if (n->gap)
		intel_set(n, REG_TIPG, TIPG_IPGT, n->gap);
	if (intel_quirk(n, INTEL_Q_SPT)) {
		/* At most two requests in flight instead of three: a third can overrun the transmit buffer. */
		intel_set(n, REG_IOSFPC, 0, IOSFPC_HANG_FIX);
		intel_set(n, REG_TARC0, TARC0_REQUESTS, FIELD_PREP(TARC0_REQUESTS, 2));
	}
}

static void e1000e_setup(struct intel_nic *n)
{
	/* A read of ICR must not mask the causes: the next cause has to send a new MSI. */
	intel_set(n, REG_CTRL_EXT, CTRL_EXT_IAME, CTRL_EXT_DRV_LOAD);
	intel_wr(n, REG_IAM, 0);
	intel_wr(n, REG_VET, VET_VLAN);
	intel_set(n, REG_RFCTL, RFCTL_EXSTEN, 0);
	/* Prefetch up to 31 descriptors, and write each back as soon as it is done. */
	intel_set(n, REG_TXDCTL, TXDCTL_PTHRESH | TXDCTL_HTHRESH | TXDCTL_WTHRESH,
		  FIELD_PREP(TXDCTL_PTHRESH, 31) | FIELD_PREP(TXDCTL_HTHRESH, 1) | FIELD_PREP(TXDCTL_WTHRESH, 1) |
		  TXDCTL_GRAN | TXDCTL_COUNT_DESC);
	if (intel_quirk(n, INTEL_Q_82574))
		setup_82574(n);
	if (intel_quirk(n, INTEL_Q_PCH))
		setup_pch(n);
}

START_ONLY_CODE void e1000e_prepare(struct intel_nic *n)
{
	if (intel_quirk(n, INTEL_Q_82574))
		intel_aspm_off(n);
	pch_prepare(n);
}

const struct intel_family e1000e_family = {
	.name = "e1000e",
	.pcie = true,
	.desc = &intel_desc_legacy,
	.rars = 15,
	.rars_pch = 1,		/* the management engine owns RAR 1 and up, and may lock the shared ones */
	.reset = e1000e_reset,
	.setup = e1000e_setup,
};
