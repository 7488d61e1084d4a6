/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PHY access through MDIC. On PCH chipsets a management engine shares the PHY: acquire the software flag first, and wake a PHY
 * that was left in ultra low power mode (ULP).  Called at probe only.
 *
 * Not done, because we have neither document nor board to check it by: toggling LANPHYPC for a PHY that does not answer; K1
 * (the MAC-PHY power state) and, on I217 and later, the inter-packet gap for each speed; EEE and LTR. These keep the values of
 * reset and NVM.
 */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/time.h>
#include "intel.h"

#define MDIC_TIMEOUT_US		10000u
#define SWFLAG_FREE_US		100000u
#define SWFLAG_TAKE_US		1000000u
#define ULP_ENGINE_US		2500000u
#define MDIO_TAKE_US		50000u
#define MDIO_RETRY_US		2000u
#define MDIC_PAUSE_US		100u
#define PHY_RESET_PULSE_US	1000u
#define PHY_RESET_US		50000u

#define PHY_ADDR		1u	/* 8254x, 82574; PCH: pages from 768 */
#define PHY_ADDR_PCH		2u	/* PCH: the lower pages */
#define PHY_PAGE_HIGH		768u

static unsigned phy_addr(const struct intel_nic *n, uint32_t reg)
{
	if (intel_quirk(n, INTEL_Q_PCH) && FIELD_GET(PHY_PAGE, reg) < PHY_PAGE_HIGH)
		return PHY_ADDR_PCH;
	return n->fam->phy_at_0 ? 0 : PHY_ADDR;
}

static int mdic(struct intel_nic *n, unsigned addr, unsigned reg, uint32_t op, uint16_t *v)
{
	uint32_t r = 0;

	intel_wr(n, REG_MDIC, FIELD_PREP(MDIC_PHY, addr) | FIELD_PREP(MDIC_REG, reg) | FIELD_PREP(MDIC_DATA, *v) | op);
	if (!wait_until((r = intel_rd(n, REG_MDIC)) & MDIC_READY, MDIC_TIMEOUT_US)) {
		log_warn("%s: PHY %u register %u did not answer within %u ms, MDIC %08x", n->nic.name, addr, reg,
			 MDIC_TIMEOUT_US / 1000, r);
		return -ERR_TIMEOUT;
	}
	/* Without the pause, the next transaction may return this one's data.  Check the register number of the answer, too. */
	if (intel_quirk(n, INTEL_Q_PCH))
		delay_us(MDIC_PAUSE_US);
	if ((r & MDIC_ERROR) || FIELD_GET(MDIC_REG, r) != reg)
		return -ERR_IO;
	*v = (uint16_t)FIELD_GET(MDIC_DATA, r);
	return 0;
}

/* Registers 0 to 15 are the same on every page, except on I210. */
static int phy_select(struct intel_nic *n, uint32_t reg)
{
	uint16_t page = (uint16_t)(reg & PHY_PAGE), number = (uint16_t)FIELD_GET(PHY_PAGE, reg);

	if (intel_quirk(n, INTEL_Q_I210))
		return mdic(n, phy_addr(n, reg), PHY_PAGE_SELECT_I210, MDIC_OP_WRITE, &number);
	if (FIELD_GET(PHY_REG, reg) < 16)
		return 0;
	return mdic(n, phy_addr(n, reg), PHY_PAGE_SELECT, MDIC_OP_WRITE, &page);
}

int intel_phy_read(struct intel_nic *n, uint32_t reg, uint16_t *v)
{
	int err = phy_select(n, reg);

	*v = 0;
	return err ? err : mdic(n, phy_addr(n, reg), FIELD_GET(PHY_REG, reg), MDIC_OP_READ, v);
}

int intel_phy_write(struct intel_nic *n, uint32_t reg, uint16_t v)
{
	int err = phy_select(n, reg);

	return err ? err : mdic(n, phy_addr(n, reg), FIELD_GET(PHY_REG, reg), MDIC_OP_WRITE, &v);
}

/* 82574: while firmware owns the bus, a 1 written to the bit is dropped, not queued: write the bit again. */
static bool mdio_request(struct intel_nic *n, uint32_t *r)
{
	intel_set(n, REG_EXTCNF_CTRL, 0, EXTCNF_SWFLAG);
	*r = intel_rd(n, REG_EXTCNF_CTRL);
	if (!(*r & EXTCNF_SWFLAG))
		delay_us(MDIO_RETRY_US);
	return *r & EXTCNF_SWFLAG;
}

static int mdio_take(struct intel_nic *n)
{
	uint32_t r = 0;

	if (wait_until(mdio_request(n, &r), MDIO_TAKE_US))
		return 0;
	log_warn("%s: firmware does not give the MDIO bus, EXTCNF_CTRL %08x", n->nic.name, r);
	intel_wr(n, REG_EXTCNF_CTRL, r & ~EXTCNF_SWFLAG);
	return -ERR_TIMEOUT;
}

int intel_swflag_take(struct intel_nic *n)
{
	uint32_t r = 0;

	if (n->fam->phy_take)
		return n->fam->phy_take(n);
	if (intel_quirk(n, INTEL_Q_82574))
		return mdio_take(n);
	if (!intel_quirk(n, INTEL_Q_PCH))
		return 0;
	if (!wait_until(!((r = intel_rd(n, REG_EXTCNF_CTRL)) & EXTCNF_SWFLAG), SWFLAG_FREE_US)) {
		log_warn("%s: the software flag stays taken, EXTCNF_CTRL %08x", n->nic.name, r);
		return -ERR_TIMEOUT;
	}
	/* The bit reads as 1 only after firmware has granted it. */
	intel_set(n, REG_EXTCNF_CTRL, 0, EXTCNF_SWFLAG);
	if (wait_until((r = intel_rd(n, REG_EXTCNF_CTRL)) & EXTCNF_SWFLAG, SWFLAG_TAKE_US))
		return 0;
	log_warn("%s: firmware does not give the software flag, EXTCNF_CTRL %08x, FWSM %08x", n->nic.name, r,
		 intel_rd(n, REG_FWSM));
	intel_wr(n, REG_EXTCNF_CTRL, r & ~EXTCNF_SWFLAG);
	return -ERR_TIMEOUT;
}

void intel_swflag_give(struct intel_nic *n)
{
	if (n->fam->phy_give)
		n->fam->phy_give(n);
	if (!intel_quirk(n, INTEL_Q_PCH | INTEL_Q_82574))
		return;

	uint32_t r = intel_rd(n, REG_EXTCNF_CTRL);

	if (r & EXTCNF_SWFLAG)		/* a reset has already cleared it */
		intel_wr(n, REG_EXTCNF_CTRL, r & ~EXTCNF_SWFLAG);
}

/* The NIC's previous driver may have powered the PHY down; the link would then stay down. */
int intel_phy_power_up(struct intel_nic *n)
{
	uint16_t v;
	int err = intel_swflag_take(n);

	if (err)
		return err;
	err = intel_phy_read(n, PHY_BMCR, &v);
	if (!err && (v & BMCR_POWER_DOWN)) {
		log_info("%s: PHY was powered down, BMCR %04x", n->nic.name, v);
		err = intel_phy_write(n, PHY_BMCR, (uint16_t)((v & ~BMCR_POWER_DOWN) | BMCR_AN_ENABLE | BMCR_AN_RESTART));
	}
	intel_swflag_give(n);
	return err;
}

/* While the management engine runs, ask it to take the PHY out of ULP; software must not access the PHY for that. */
static void ulp_off_by_engine(struct intel_nic *n)
{
	uint32_t r = 0;

	intel_set(n, REG_H2ME, H2ME_ULP, H2ME_ENFORCE);
	if (!wait_until(!((r = intel_rd(n, REG_FWSM)) & FWSM_ULP_CFG_DONE), ULP_ENGINE_US))
		log_warn("%s: the management engine does not end ULP, FWSM %08x", n->nic.name, r);
	intel_set(n, REG_H2ME, H2ME_ENFORCE, 0);
}

/* On entering ULP, the hardware has disabled K1, the idle state between MAC and PHY: enable K1 again. */
static int k1_on(struct intel_nic *n)
{
	uint16_t v;
	int err = intel_phy_read(n, PHY_PM_CTRL, &v);

	return err ? err : intel_phy_write(n, PHY_PM_CTRL, v | PM_CTRL_K1);
}

static int ulp_clear(struct intel_nic *n)
{
	const uint16_t clear = ULP_IND | ULP_STICKY | ULP_INBAND_EXIT | ULP_WOL_HOST | ULP_RESET_TO_SMBUS | ULP_EN_LANPHYPC |
			       ULP_STICKY_ON_PERST | ULP_SMB_PERST_OFF;
	uint16_t v;
	int err = intel_phy_read(n, PHY_ULP_CONFIG1, &v);

	if (err || !(v & clear))
		return err;
	v &= (uint16_t)~clear;
	err = k1_on(n);
	if (!err)
		err = intel_phy_write(n, PHY_ULP_CONFIG1, v);
	if (!err)
		err = intel_phy_write(n, PHY_ULP_CONFIG1, v | ULP_START);
	intel_set(n, REG_FEXTNVM7, FEXTNVM7_SMB_PERST_OFF, 0);
	return err ? err : 1;
}

/* A PHY in ULP answers over SMBus only: switch MAC and PHY back to their fast interface.  Return 1 if something was changed. */
static int ulp_off_by_phy(struct intel_nic *n)
{
	uint16_t v;
	int changed = 0, err = intel_phy_read(n, PHY_SMB_CTRL, &v);

	if (err) {
		intel_set(n, REG_CTRL_EXT, 0, CTRL_EXT_FORCE_SMBUS);
		intel_flush(n);
		delay_us(PHY_RESET_US);
		err = intel_phy_read(n, PHY_SMB_CTRL, &v);
		changed = 1;
	}
	if (!err && (v & SMB_CTRL_FORCE)) {
		err = intel_phy_write(n, PHY_SMB_CTRL, (uint16_t)(v & ~SMB_CTRL_FORCE));
		changed = 1;
	}
	intel_set(n, REG_CTRL_EXT, CTRL_EXT_FORCE_SMBUS, 0);
	if (err)
		return err;
	err = ulp_clear(n);
	return err ? err : changed;
}

void intel_ulp_off(struct intel_nic *n)
{
	if (!intel_quirk(n, INTEL_Q_ULP))
		return;
	if (intel_rd(n, REG_FWSM) & FWSM_FW_VALID) {
		ulp_off_by_engine(n);
		return;
	}
	if (intel_swflag_take(n))
		return;

	int changed = ulp_off_by_phy(n);

	if (changed < 0)
		log_warn("%s: cannot reach the PHY to end ULP: %s", n->nic.name, err_name(changed));
	if (changed > 0 && !(intel_rd(n, REG_FWSM) & FWSM_RSPCIPHY)) {
		log_warn("%s: PHY left ULP, but resets of it are forbidden, FWSM %08x", n->nic.name, intel_rd(n, REG_FWSM));
	} else if (changed > 0) {
		/* The new mode takes effect with the next PHY reset.  The reset bit does not clear itself. */
		intel_set(n, REG_CTRL, 0, CTRL_PHY_RST);
		intel_flush(n);
		delay_us(PHY_RESET_PULSE_US);
		intel_set(n, REG_CTRL, CTRL_PHY_RST, 0);
		intel_flush(n);
		delay_us(PHY_RESET_US);
	}
	intel_swflag_give(n);
}
