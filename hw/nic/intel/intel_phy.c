/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PHY access through MDIC. On PCH chipsets a management engine shares the PHY: acquire the software flag first.  What a PCH
 * chipset's PHY wants at the start is in pch.c.
 */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/time.h>
#include "intel.h"

#define MDIC_TIMEOUT_US		10000u
#define SWFLAG_FREE_US		100000u
#define SWFLAG_TAKE_US		1000000u
#define MDIO_TAKE_US		50000u
#define MDIO_RETRY_US		2000u
#define MDIC_PAUSE_US		100u

#define PHY_ADDR		1u	/* 8254x, 82574; PCH: pages from 768 */
#define PHY_ADDR_PCH		2u	/* PCH: the lower pages */
#define PHY_PAGE_HIGH		768u	/* is selected as page 0 */

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
	if (number == PHY_PAGE_HIGH)
		page = 0;
	/* PCH: the page select is at the address of the pages, for the lower registers, too. */
	return mdic(n, intel_quirk(n, INTEL_Q_PCH) ? PHY_ADDR : phy_addr(n, reg), PHY_PAGE_SELECT, MDIC_OP_WRITE, &page);
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
