/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The 8254x, NICs for PCI and PCI-X: their reset, and registers that PCI Express chips do not have or must not get.
 * Emulated 82540EM often ignore CTRL.RST, so nothing here or in intel.c relies on reset values.
 */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/time.h>
#include "intel.h"

#define SETTLE_US	10000u	/* outstanding bus transactions end */
#define RELOAD_US	20000u	/* EEPROM reload: 5 ms on most, 20 ms on 82541 */

/* Write CTRL by the access that this chip can complete although the write resets it. */
static void write_reset(struct intel_nic *n, uint32_t ctrl)
{
	if (intel_quirk(n, INTEL_Q_DUP_RESET)) {
		intel_wr(n, REG_CTRL_DUP, ctrl);
		return;
	}
	for (unsigned i = 0; intel_quirk(n, INTEL_Q_IO_RESET) && i < ARRAY_SIZE(n->nic.hw.pci->bar); i++) {
		const struct pci_bar *b = &n->nic.hw.pci->bar[i];

		if (b->io && b->addr && b->size >= 8) {
			pio_write32((uint16_t)b->addr, REG_CTRL);	/* IOADDR, then IODATA */
			pio_write32((uint16_t)(b->addr + 4), ctrl);
			return;
		}
	}
	intel_wr(n, REG_CTRL, ctrl);
}

static int e1000_reset(struct intel_nic *n)
{
	uint32_t ctrl = 0;

	intel_wr(n, REG_IMC, ~0u);
	intel_wr(n, REG_RCTL, 0);
	intel_wr(n, REG_TCTL, TCTL_PSP);
	intel_flush(n);
	delay_us(SETTLE_US);

	write_reset(n, intel_rd(n, REG_CTRL) | CTRL_RST);
	delay_us(RELOAD_US);
	if (!wait_until(!((ctrl = intel_rd(n, REG_CTRL)) & CTRL_RST), RELOAD_US)) {
		log_err("%s: reset does not end, CTRL %08x", n->nic.name, ctrl);
		intel_dump(n);
		return -ERR_TIMEOUT;
	}
	intel_wr(n, REG_IMC, ~0u);
	intel_wr(n, REG_RCTL, 0);
	(void)intel_rd(n, REG_ICR);
	return 0;
}

static void e1000_setup(struct intel_nic *n)
{
	intel_wr(n, REG_TIPG, TIPG_8254X_COPPER);
	intel_wr(n, REG_VET, 0x8100);
	intel_set(n, REG_MANC, MANC_ARP_EN, 0);
}

const struct intel_family e1000_family = {
	.name = "e1000",
	.level = true,
	.desc = &intel_desc_legacy,
	.rars = 15,		/* management firmware, if present, uses RAR 15 */
	.reset = e1000_reset,
	.setup = e1000_setup,
};
