/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The chips 82576, I350, I210 and I211.  Veneer uses their first queue and one MSI, with the causes of ICR. Veneer changes no
 * setting of management firmware (MANC, ASF, wake-up), and of the PHY only the power switch.
 *
 * A client's receive buffer may have 1518 bytes only, but SRRCTL counts KiB: the chip takes each buffer for 2048 bytes.  So the
 * frame has to bound the write.  While RCTL.LPE is clear the chip receives no frame longer than 1522 bytes on the wire (with
 * one VLAN tag; CTRL_EXT.EXT_VLAN, which would allow two, is cleared); while SBP is clear, no broken frame; and SECRC strips
 * the FCS. 1518 bytes are left.  RLPML, which counts only if LPE is set, is 1522 as well, since its reset value allows jumbo
 * frames.  If the client asks for longer frames LPE is set: each of its buffers then has 2048 bytes.
 *
 * Like all NICs of the family, a chip that is switched off keeps the descriptors that it has fetched: stop() resets the chip.
 *
 * Every completion interrupts: the chip writes each descriptor back as soon as the descriptor is done (WTHRESH 1), and the
 * write-back sets the cause.  EITR only delays the message, by 50 us at most.
 *
 * An emulated 82576 interrupts for a sent frame only if IVAR0 names a vector, and never reports that it has read its EEPROM.
 * I350, I210 and I211 were tried on our own model, which Linux's igb drives; nothing on silicon.
 */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/time.h>
#include "intel.h"
#include "igb_regs.h"

#define RESET_US	5000u
#define RESET_END_US	20000u
#define AUTO_READ_US	100000u
#define QUEUE_US	1000u
#define SMBI_US		50000u
#define SWESMBI_US	50000u
#define SYNC_US		250000u
#define SYNC_PAUSE_US	5000u
#define INTERVAL_US	50u
#define FRAME_ON_WIRE	(NIC_FRAME_MAX + 4u)
#define VET_VLAN	0x81008100u	/* outer and inner */

/* --- reset --- */

int igb_reset(struct intel_nic *n)
{
	bool says_read = intel_rd(n, REG_EECD) & EECD_AUTO_RD;
	uint32_t r = 0;

	intel_units_off(n);
	intel_wr(n, REG_EIMC, ~0u);
	intel_master_off(n);
	/* Do not reset the PHY: that keeps the link, and firmware's settings. */
	intel_set(n, REG_CTRL, CTRL_PHY_RST, CTRL_RST);
	delay_us(RESET_US);
	if (!wait_until(!((r = intel_rd(n, REG_CTRL)) & CTRL_RST), RESET_END_US)) {
		log_err("%s: reset does not end, CTRL %08x", n->nic.name, r);
		intel_dump(n);
		return -ERR_TIMEOUT;
	}
	if (says_read && !wait_until((r = intel_rd(n, REG_EECD)) & EECD_AUTO_RD, AUTO_READ_US))
		log_warn("%s: EEPROM is not read after reset, EEC %08x", n->nic.name, r);
	intel_units_off(n);
	intel_wr(n, REG_EIMC, ~0u);
	(void)intel_rd(n, REG_ICR);
	return 0;
}

/* --- the PHY, shared with firmware and with the drivers of the other ports --- */

/*
 * Return the bit of our port, whose number may differ from that of the PCI function.  Ports 0 and 1: bits 1 and 2; 2 and 3
 * (I350): 5 and 6.
 */
static uint32_t phy_bit(const struct intel_nic *n)
{
	unsigned port = FIELD_GET(STATUS_LAN_ID, intel_rd(n, REG_STATUS));

	return BIT(port < 2 ? 1 + port : 3 + port);
}

static bool swesmbi_request(struct intel_nic *n, uint32_t *r)
{
	intel_set(n, REG_SWSM, 0, SWSM_SWESMBI);
	*r = intel_rd(n, REG_SWSM);
	return *r & SWSM_SWESMBI;
}

static void swsm_give(struct intel_nic *n)
{
	intel_set(n, REG_SWSM, SWSM_SMBI | SWSM_SWESMBI, 0);
}

/* Acquire the semaphore that guards SW_FW_SYNC. */
static int swsm_take(struct intel_nic *n)
{
	uint32_t r = 0;

	/* No owner holds the semaphore for long: if it stays set, a driver ended without releasing it. */
	if (!wait_until(!((r = intel_rd(n, REG_SWSM)) & SWSM_SMBI), SMBI_US))
		log_warn("%s: the drivers' semaphore was left taken, SWSM %08x", n->nic.name, r);
	if (wait_until(swesmbi_request(n, &r), SWESMBI_US))
		return 0;
	log_warn("%s: firmware does not give its semaphore, SWSM %08x", n->nic.name, r);
	swsm_give(n);
	return -ERR_TIMEOUT;
}

/* 1: acquired; 0: not yet; negative: an error. */
static int sync_request(struct intel_nic *n, uint32_t mine, uint32_t *r)
{
	int err = swsm_take(n);

	if (err)
		return err;
	*r = intel_rd(n, REG_SW_FW_SYNC);
	bool got = !(*r & (mine | mine << SYNC_FW_SHIFT));

	if (got)
		intel_wr(n, REG_SW_FW_SYNC, *r | mine);
	swsm_give(n);
	intel_flush(n);
	if (!got)
		delay_us(SYNC_PAUSE_US);
	return got;
}

int igb_phy_take(struct intel_nic *n)
{
	uint32_t r = 0, mine = phy_bit(n);
	int got = 0;

	if (wait_until((got = sync_request(n, mine, &r)) != 0, SYNC_US))
		return got < 0 ? got : 0;
	log_warn("%s: the PHY stays taken, SW_FW_SYNC %08x", n->nic.name, r);
	return -ERR_TIMEOUT;
}

void igb_phy_give(struct intel_nic *n)
{
	int err = swsm_take(n);		/* a failure is logged; clear our bit nevertheless */

	intel_set(n, REG_SW_FW_SYNC, phy_bit(n), 0);
	if (!err)
		swsm_give(n);
	intel_flush(n);
}

/*
 * At power-on an I210 without flash may fail to set up the clock of its PHY; the link then stays down.  The datasheet's
 * workaround resets the PHY with a changed autoload word while the function is in D3.  Without a board to try that on, only log
 * the failure.
 */
START_ONLY_CODE void igb_prepare(struct intel_nic *n)
{
	uint16_t v = 0;

	if (!intel_quirk(n, INTEL_Q_I210) || (intel_rd(n, REG_EECD) & EECD_FLASH_I210) || igb_phy_take(n))
		return;
	if (!intel_phy_read(n, PHY_PLL_FREQ, &v) && FIELD_GET(PLL_FREQ, v) == PLL_UNSET)
		log_err("%s: the PHY's clock did not come up (PLL frequency %04x): no link until the power was off",
			n->nic.name, v);
	igb_phy_give(n);
}

/* --- setup --- */

/*
 * Restart autonegotiation if the link is down and the PHY has not completed it.  An emulated 82576 loses its link in a reset,
 * and finds it again only by this restart.  On silicon the restart makes a PHY without a partner look for one again.
 */
static void negotiate(struct intel_nic *n)
{
	uint16_t control = 0, status = 0;

	if ((intel_rd(n, REG_STATUS) & STATUS_LU) || igb_phy_take(n))
		return;
	if (!intel_phy_read(n, PHY_BMSR, &status) && !(status & BMSR_AN_COMPLETE) && !intel_phy_read(n, PHY_BMCR, &control) &&
	    (control & BMCR_AN_ENABLE) && !(control & BMCR_POWER_DOWN))
		(void)intel_phy_write(n, PHY_BMCR, control | BMCR_AN_RESTART);
	igb_phy_give(n);
}

void igb_one_queue(struct intel_nic *n, uint32_t srrctl)
{
	/* A reset leaves queue 0 enabled; disable it while its ring registers are written. */
	intel_wr(n, REG_RXDCTL, 0);
	intel_wr(n, REG_TXDCTL, 0);
	/* A read of ICR must not mask the causes: the next cause has to send a new MSI. */
	intel_set(n, REG_CTRL_EXT, CTRL_EXT_IAME | CTRL_EXT_EXT_VLAN, CTRL_EXT_DRV_LOAD);
	intel_wr(n, REG_GPIE, 0);
	intel_wr(n, REG_IVAR0, FIELD_PREP(IVAR_RX0, IVAR_VALID) | FIELD_PREP(IVAR_TX0, IVAR_VALID));
	intel_wr(n, REG_EITR0, FIELD_PREP(EITR_INTERVAL, INTERVAL_US));
	intel_wr(n, REG_MRQC, 0);
	intel_wr(n, srrctl, SRRCTL_ONE_2K);
	intel_wr(n, REG_RLPML, FRAME_ON_WIRE);
}

static void igb_setup(struct intel_nic *n)
{
	igb_one_queue(n, REG_SRRCTL);
	intel_wr(n, REG_IAM, 0);
	intel_wr(n, REG_VET, VET_VLAN);
	intel_wr(n, REG_TDWBAL, 0);
	intel_wr(n, REG_TDWBAH, 0);
	negotiate(n);
}

/* The tail may be written after the enable bit reads as 1 (82576 datasheet 4.5, receive and transmit initialization). */
static void queue_on(struct intel_nic *n, uint32_t reg, const char *name)
{
	uint32_t r = 0;

	intel_wr(n, reg, FIELD_PREP(DCTL_PTHRESH, 8) | FIELD_PREP(DCTL_HTHRESH, 1) | FIELD_PREP(DCTL_WTHRESH, 1) | DCTL_ENABLE);
	if (!wait_until((r = intel_rd(n, reg)) & DCTL_ENABLE, QUEUE_US))
		log_err("%s: queue is not on within %u us, %s %08x", n->nic.name, QUEUE_US, name, r);
}

void igb_queues_on(struct intel_nic *n)
{
	queue_on(n, REG_TXDCTL, "TXDCTL");
	queue_on(n, REG_RXDCTL, "RXDCTL");
}

const struct intel_family igb_family = {
	.name = "igb",
	.pcie = true,
	.eitr = true,
	.rar_only = true,	/* the port's own address, from EEPROM, flash, or the fuses of an I210 or I211 */
	.error_causes = INT_FER | INT_DRSTA,
	.rx_reserved = 1,	/* bit 0: in the second quadword the chip returns DD there; here it must be 0, too */
	.desc = &intel_desc_advanced,
	.rars = 16,
	.reset = igb_reset,
	.setup = igb_setup,
	.queues_on = igb_queues_on,
	.phy_take = igb_phy_take,
	.phy_give = igb_phy_give,
};
