// SPDX-License-Identifier: BSD-2-Clause
/*
 * The PHYs of these chips behind MDIC:  MII's registers (IEEE 802.3, clause 22), those of clause 45 by registers 13 and 14, the
 * pages of an I210's PHY by register 22, negotiation, which takes time.  The model reports an access by a driver that does not
 * own the bus by its bit in SW_FW_SYNC. Not here: EEE on the wire, cable tests, forced speeds.
 */
#include "igc.h"
#include "mii.h"

#define PAGE_SELECT	22u		/* I210 */
#define PLL_PAGE	252u
#define PLL_REG		14u
#define PLL_UNSET	0x00ffu
#define PLL_SET		0x0018u
#define GBSR_OK		0x3800u		/* both receivers, the partner's advertisement */
#define MMD_DATA	0xc000u		/* in register 13: register 14 has data */

enum { MMDAC = 13, MMDAAD };

#define AN_MMD		7u		/* clause 45's device for negotiation, and two of its registers */
#define AN_2500		32u
#define  AN_2500_OFFER	0x0080u
#define AN_2500_STATUS	33u
#define  AN_2500_PARTNER 0x0020u

#define MDIC_OP		0x0c000000u
#define MDIC_WRITE	0x04000000u
#define MDIC_READ	0x08000000u
#define MDIC_READY	0x10000000u
#define MDIC_ERROR	0x40000000u
#define MDIC_US		30u
#define PHPM_RST_COMP	0x0100u
#define PHY_RESET_US	200u

/* Return the stored register of clause 45; NULL: the table is full. */
uint16_t *igc_mmd(struct igc *c, unsigned dev, unsigned reg)
{
	for (unsigned i = 0; i < c->nmmd; i++)
		if (c->mmd[i].dev == dev && c->mmd[i].reg == reg)
			return &c->mmd[i].value;
	if (c->nmmd == IGC_MMD) {
		igc_broken(c, "more registers of the PHY than the model remembers: %u.%u", dev, reg);
		return NULL;
	}
	c->mmd[c->nmmd] = (struct igc_mmd) { (uint16_t)dev, (uint16_t)reg, 0 };
	return &c->mmd[c->nmmd++].value;
}

static bool offers_2500(const struct igc *c)
{
	for (unsigned i = 0; i < c->nmmd; i++)
		if (c->mmd[i].dev == AN_MMD && c->mmd[i].reg == AN_2500)
			return c->mmd[i].value & AN_2500_OFFER;
	return false;
}

bool igc_phy_has_link(const struct igc *c)
{
	if (igc_is(c, IGC_PCH) && !pch_phy_awake(c))
		return false;
	return c->cable && !c->phy_dead && !c->phy_in_reset && !(c->phy[BMCR] & BMCR_PDOWN) && igc_now(c) >= c->link_us;
}

bool igc_has_link(const struct igc *c)
{
	return igc_phy_has_link(c) && (igc_get(c, I_CTRL) & I_CTRL_SLU);
}

unsigned igc_speed(const struct igc *c)
{
	unsigned most = offers_2500(c) ? 2500 : 1000;

	if (most == 2500 && c->mbps >= 2500)
		return 2500;
	if (igc_is(c, IGC_PCH) && pch_most(c) < 1000)
		most = pch_most(c);
	else
		most = c->phy[GBCR] & GBCR_1000F ? 1000 : c->phy[ANAR] & (AN_100F | AN_100H) ? 100 : 10;
	return c->mbps < most ? c->mbps : most;
}

uint32_t igc_status(const struct igc *c)
{
	unsigned mbps = igc_speed(c);
	uint32_t full = c->partner_half && mbps < 1000 ? 0 : 1;

	if (!igc_has_link(c))
		return 0;
	return 2 | full | (mbps == 2500 ? I_STATUS_2500 | 0x80 : mbps == 1000 ? 0x80 : mbps == 100 ? 0x40 : 0);
}

void igc_negotiate(struct igc *c)
{
	c->link_us = igc_now(c) + c->autoneg_us;
}

void igc_phy_defaults(struct igc *c)
{
	c->nmmd = 0;
	c->phy[BMCR] = BMCR_AN | 0x0140;
	c->phy[ANAR] = 0x01 | 0x60 | AN_100H | AN_100F | AN_PAUSE;
	c->phy[GBCR] = GBCR_1000F;
	if (igc_is(c, IGC_I225))
		*igc_mmd(c, AN_MMD, AN_2500) = AN_2500_OFFER;
	igc_negotiate(c);
}

void igc_phy_power_on(struct igc *c)
{
	igc_phy_defaults(c);
	c->phy_in_reset = false;
	*igc_r(c, I_PHPM) = PHPM_RST_COMP;
	if (igc_is(c, IGC_PCH))
		pch_power_on(c);
	if (c->phy_off)
		c->phy[BMCR] |= BMCR_PDOWN;
}

/* The link goes down; PHPM tells the end of the reset. */
void igc_phy_reset(struct igc *c)
{
	igc_phy_defaults(c);
	c->phy_resets++;
	c->phy_reset_us = igc_now(c) + PHY_RESET_US;
	*igc_r(c, I_PHPM) &= ~PHPM_RST_COMP;
}

static uint16_t *behind(struct igc *c)
{
	return igc_mmd(c, c->phy[MMDAC] & 31, c->mmd_at);
}

static uint16_t mmd_read(struct igc *c)
{
	bool partner = (c->phy[MMDAC] & 31) == AN_MMD && c->mmd_at == AN_2500_STATUS;
	uint16_t *p;

	if (!(c->phy[MMDAC] & MMD_DATA))
		return c->mmd_at;
	if (partner)
		return igc_phy_has_link(c) && c->mbps >= 2500 ? AN_2500_PARTNER : 0;
	p = behind(c);
	return p ? *p : 0;
}

/* What an I210's PHY has selected, but for the select itself. */
static unsigned page_of(const struct igc *c, unsigned reg)
{
	return igc_is(c, IGC_I210) && reg != PAGE_SELECT ? c->phy[PAGE_SELECT] & 0xff : 0;
}

static uint16_t page_read(struct igc *c, unsigned page, unsigned reg)
{
	uint16_t *p;

	if (page == PLL_PAGE && reg == PLL_REG)
		return c->pll_unset ? PLL_UNSET : PLL_SET;
	p = igc_mmd(c, IGC_PAGE | page, reg);
	return p ? *p : 0;
}

uint16_t igc_mii_read(struct igc *c, unsigned reg)
{
	bool up = igc_phy_has_link(c);

	if (page_of(c, reg))
		return page_read(c, page_of(c, reg), reg);
	switch (reg) {
	case BMSR: return (uint16_t)(BMSR_FIXED | (up ? BMSR_LINK | BMSR_AN_DONE : 0));
	case PHYID1: return (uint16_t)(c->chip->phy_id >> 16);
	case PHYID2: return (uint16_t)c->chip->phy_id;
	case ANLPAR: return up ? (uint16_t)(0x4001 | AN_10 | AN_PAUSE | (c->mbps >= 100 ? AN_100H | AN_100F : 0)) : 0;
	case ANER: return up ? 0x0f : 0x04;
	case GBSR: return up && c->mbps >= 1000 ? GBSR_OK : 0;
	case MMDAAD: return mmd_read(c);
	case ESTATUS: return 0x2000;
	}
	return c->phy[reg];
}

static void write_bmcr(struct igc *c, uint16_t value)
{
	uint16_t was = c->phy[BMCR];

	if (value & BMCR_RESET) {
		igc_phy_defaults(c);
		return;
	}
	c->phy[BMCR] = value & (uint16_t)~BMCR_ANRESTART;
	if (((was & BMCR_PDOWN) && !(value & BMCR_PDOWN)) || (value & BMCR_ANRESTART))
		igc_negotiate(c);
}

void igc_mii_write(struct igc *c, unsigned reg, uint16_t value)
{
	uint16_t *p;

	if (page_of(c, reg)) {
		p = igc_mmd(c, IGC_PAGE | page_of(c, reg), reg);
		if (p)
			*p = value;
	} else if (reg == BMCR) {
		write_bmcr(c, value);
	} else if (reg == MMDAAD && (c->phy[MMDAC] & MMD_DATA)) {
		p = behind(c);
		if (p)
			*p = value;
	} else if (reg == MMDAAD) {
		c->mmd_at = value;
	} else if (reg != BMSR && reg != PHYID1 && reg != PHYID2) {
		c->phy[reg] = value;
	}
}

void igc_mdic(struct igc *c, uint32_t v)
{
	/* An I210 and an I350 look at no address: MDICNFG has the one of a PHY outside. */
	unsigned reg = v >> 16 & 31, addr = igc_is(c, IGC_I225) ? v >> 21 & 31 : 0;
	uint32_t out = v & ~(MDIC_READY | MDIC_ERROR | MDIC_OP);

	if (!(igc_get(c, I_SW_FW_SYNC) & I_SYNC_PHY))
		igc_broken(c, "MDIC %08x without the PHY's bit in SW_FW_SYNC", v);
	if (igc_now(c) < c->mdic_us)
		igc_broken(c, "MDIC %08x is written while it is busy", v);
	c->mdic_us = c->phy_dead ? MODEL_NEVER : igc_now(c) + MDIC_US;
	if ((v & MDIC_OP) == MDIC_WRITE && !addr && !c->phy_in_reset)
		igc_mii_write(c, reg, (uint16_t)v);
	else if ((v & MDIC_OP) == MDIC_READ && !addr && !c->phy_in_reset)
		out = (out & 0xffff0000) | igc_mii_read(c, reg);
	else if (addr)
		out |= MDIC_ERROR;	/* no PHY at other addresses */
	*igc_r(c, I_MDIC) = out;
	(void)igc_phy_run(c);
}

uint64_t igc_phy_run(struct igc *c)
{
	bool up = igc_has_link(c);
	uint64_t next = !up && c->cable && !(c->phy[BMCR] & BMCR_PDOWN) && !c->phy_dead && igc_now(c) < c->link_us ?
			c->link_us : MODEL_NEVER;

	if (!(igc_get(c, I_PHPM) & PHPM_RST_COMP) && !c->phy_in_reset && igc_now(c) >= c->phy_reset_us)
		*igc_r(c, I_PHPM) |= PHPM_RST_COMP;
	if (up != c->link_told) {
		c->link_told = up;
		igc_cause(c, I_INT_LSC);
	}
	return next;
}

void igc_cable(struct igc *c, bool in)
{
	if (in && !c->cable)
		igc_negotiate(c);
	c->cable = in;
	c->m.ops->run(&c->m);
}
