/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the PHY beside a PCH chipset wants once, at the start, before the MAC's first reset.  A system before us, or
 * firmware, may have left the PHY in ultra low power (ULP), out of reach, at a slower speed, or with low power idle (EEE):
 * end all that.  Resets of the MAC leave the PHY alone, so that these settings last.
 *
 * Out of reach: LANPHYPC, a line from the chipset, switches the PHY's power off and on, unless the management engine forbids
 * to reset the PHY.  K1, the idle state between MAC and PHY: an 82579 loses frames with K1 at 100 and 1000 Mb/s; we switch
 * K1 off at all speeds and need no more setting at each change of the link.
 *
 * What depends on the speed of the link is in pch_speed.c.  Not done: LTR, which keeps the values of reset and NVM.  Tried
 * on our own model, which Linux's e1000e drives; never on silicon.
 */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/time.h>
#include "intel.h"

#define ULP_ENGINE_US		2500000u
#define PHY_RESET_PULSE_US	1000u
#define PHY_RESET_US		50000u
#define POWER_PULSE_US		20u
#define POWER_US		100000u
#define POWER_SETTLE_US		30000u
#define POWER_82579_US		50000u

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
	/* Whoever answers over SMBus has to be told, whether by this bit or by ULP itself he came there. */
	if (!err && (changed || (v & SMB_CTRL_FORCE))) {
		err = intel_phy_write(n, PHY_SMB_CTRL, (uint16_t)(v & ~SMB_CTRL_FORCE));
		changed = 1;
	}
	intel_set(n, REG_CTRL_EXT, CTRL_EXT_FORCE_SMBUS, 0);
	if (err)
		return err;
	err = ulp_clear(n);
	return err ? err : changed;
}

static void ulp_off(struct intel_nic *n)
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

/* --- a PHY out of reach --- */

static bool phy_answers(struct intel_nic *n)
{
	uint16_t v;

	return !intel_phy_read(n, PHY_ID1, &v) && v != 0xffff;
}

/* The PHY's power off and on.  82579 do not tell when it is back. */
static void power_cycle(struct intel_nic *n)
{
	uint32_t r = 0;

	intel_set(n, REG_FEXTNVM3, FEXTNVM3_COUNTER, FIELD_PREP(FEXTNVM3_COUNTER, FEXTNVM3_50MS));
	intel_set(n, REG_CTRL, CTRL_LANPHYPC, CTRL_LANPHYPC_OVERRIDE);
	intel_flush(n);
	delay_us(POWER_PULSE_US);
	intel_set(n, REG_CTRL, CTRL_LANPHYPC_OVERRIDE, 0);
	intel_flush(n);
	if (intel_quirk(n, INTEL_Q_82579)) {
		delay_us(POWER_82579_US);
		return;
	}
	if (!wait_until((r = intel_rd(n, REG_CTRL_EXT)) & CTRL_EXT_LPCD, POWER_US))
		log_warn("%s: no word that the PHY has its power again, CTRL_EXT %08x", n->nic.name, r);
	delay_us(POWER_SETTLE_US);
}

/* False: the PHY does not answer. */
static bool reach(struct intel_nic *n)
{
	uint32_t fwsm;

	if (phy_answers(n))
		return true;
	fwsm = intel_rd(n, REG_FWSM);
	if (!(fwsm & FWSM_RSPCIPHY)) {
		log_warn("%s: the PHY does not answer, and the management engine forbids to reset it, FWSM %08x", n->nic.name,
			 fwsm);
		return false;
	}
	log_info("%s: the PHY does not answer: switching its power", n->nic.name);
	power_cycle(n);
	/* That ends SMBus mode in the PHY. */
	intel_set(n, REG_CTRL_EXT, CTRL_EXT_FORCE_SMBUS, 0);
	if (phy_answers(n))
		return true;
	log_warn("%s: the PHY does not answer after its power was switched", n->nic.name);
	return false;
}

/* --- what the system before left --- */

static int clear_bits(struct intel_nic *n, uint32_t reg, uint16_t bits)
{
	uint16_t v;
	int err = intel_phy_read(n, reg, &v);

	return err || !(v & bits) ? err : intel_phy_write(n, reg, (uint16_t)(v & ~bits));
}

/* As a system leaves the PHY that goes to sleep and waits for a frame that wakes it. */
static int full_speed(struct intel_nic *n)
{
	uint16_t v, restart = intel_rd(n, REG_FWSM) & FWSM_RSPCIPHY ? OEM_AN_RESTART : 0;
	int err = intel_phy_read(n, PHY_OEM, &v);

	if (err || !(v & (OEM_LPLU | OEM_GBE_OFF)))
		return err;
	log_info("%s: PHY was kept to a slower link, OEM bits %04x", n->nic.name, v);
	return intel_phy_write(n, PHY_OEM, (uint16_t)((v & ~(OEM_LPLU | OEM_GBE_OFF)) | restart));
}

void pch_prepare(struct intel_nic *n)
{
	int err;

	if (!intel_quirk(n, INTEL_Q_PCH))
		return;
	n->linked = pch_at_speed;
	segment_use(pch_at_speed);
	ulp_off(n);
	if (intel_swflag_take(n))
		return;
	if (reach(n)) {
		err = clear_bits(n, PHY_LPI_CTRL, LPI_CTRL_ON);
		if (!err && intel_quirk(n, INTEL_Q_82579))
			err = clear_bits(n, PHY_PM_CTRL, PM_CTRL_K1);
		if (!err)
			err = full_speed(n);
		if (err)
			log_warn("%s: cannot set the PHY up: %s", n->nic.name, err_name(err));
	}
	intel_swflag_give(n);
}
