/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The 2.5 Gb/s chips I225 and I226, which are an I210 with another PHY: reset, semaphores, queues and descriptors are those of
 * igb.c, whose notes on receive buffers, fetched descriptors and completions hold here, too.  The differences: the PHY has
 * address 0 in MDIC; STATUS has a bit for 2.5 Gb/s; SRRCTL has another offset.  The registers of rings and ICR also answer at
 * the older chips' offsets, which iPXE uses as well.
 *
 * CTRL.RST resets neither EEE nor the sizes of the packet buffers, which a driver for time-sensitive networking changes.  New
 * sizes take effect with a reset, so they are written before it.  CTRL.DEV_RST would restore both, but no document says that it
 * keeps the link.  Low power idle is off, because chips and switches of the first years delayed frames with it; so is ASPM.
 *
 * Tried on our own model, which Linux's igc and iPXE drive; never on silicon.
 */
#include <veneer/time.h>
#include "intel.h"
#include "igb_regs.h"

static int igc_reset(struct intel_nic *n)
{
	intel_units_off(n);
	intel_wr(n, REG_RXPBS, RXPBS_DEFAULT);
	intel_wr(n, REG_TXPBS, TXPBS_DEFAULT);
	return igb_reset(n);
}

static void igc_setup(struct intel_nic *n)
{
	igb_one_queue(n, REG_SRRCTL_IGC);
	intel_set(n, REG_IPCNFG, IPCNFG_EEE, 0);
	intel_set(n, REG_EEER, EEER_LPI, 0);
	intel_set(n, REG_DMACR, DMACR_EN, 0);
}

const struct intel_family igc_family = {
	.name = "igc",
	.pcie = true,
	.eitr = true,
	.rar_only = true,
	.phy_at_0 = true,
	.has_2500 = true,
	.space = IGC_SPACE,
	.error_causes = INT_FER | INT_DRSTA,
	.rx_reserved = 1,
	.desc = &intel_desc_advanced,
	.rars = 16,
	.reset = igc_reset,
	.setup = igc_setup,
	.queues_on = igb_queues_on,
	.phy_take = igb_phy_take,
	.phy_give = igb_phy_give,
};
