// SPDX-License-Identifier: BSD-2-Clause
/*
 * The PHY in Realtek's gigabit chips: MII registers (IEEE 802.3, clause 22), pages by register 31, negotiation, which takes
 * time.  Unknown registers store their value.  Not here: EEE, cable tests, forced speeds that differ from the partner's.
 */
#include "mii.h"
#include "rtl8168.h"

#define GBSR_1000F	0x0800u
#define GBSR_OK		0x3000u		/* both receivers */
#define ESTATUS_1000	0x3000u

enum { MMD_DATA = 14, PAGE = 31 };

/* Registers of vendor's pages, by their address. */
#define AT_SPEED	0xa434u		/* of the link, on PHYs with OCP */
#define AT_ADV_2500	0xa5d4u		/* advertisement of 2.5 Gb/s */
#define  ADV_2500	0x0080u
#define  ADV_5000	0x0100u
#define AT_PARTNER_2500	0xa5d6u
#define  PARTNER_2500	0x0020u
#define  PARTNER_5000	0x0040u
#define AT_ABLE_2500	0xa616u
#define  ABLE_2500	0x2000u
#define  ABLE_5000	0x4000u

static uint16_t *mii(struct rtl8168 *c, unsigned reg)
{
	return &c->phy[(M_OCP_PHY + 2 * reg) / 2];
}

static uint16_t mii_now(const struct rtl8168 *c, unsigned reg)
{
	return c->phy[(M_OCP_PHY + 2 * reg) / 2];
}

static void negotiate(struct rtl8168 *c)
{
	c->link_us = rtl8168_now(c) + c->autoneg_us;
}

bool rtl8168_has_link(const struct rtl8168 *c)
{
	return c->cable && !c->phy_dead && !(mii_now(c, BMCR) & BMCR_PDOWN) && rtl8168_now(c) >= c->link_us;
}

static unsigned speed(const struct rtl8168 *c)
{
	unsigned most = c->chip->fast ? 100 : 1000;
	uint16_t fast = c->chip->g25 ? c->phy[AT_ADV_2500 / 2] : 0;

	if (c->chip->g50 && (fast & ADV_5000) && c->mbps >= 5000)
		return 5000;
	if ((fast & ADV_2500) && c->mbps >= 2500)
		return 2500;
	if (!(mii_now(c, GBCR) & GBCR_1000F) && most > 100)
		most = 100;
	if (!(mii_now(c, ANAR) & (AN_100F | AN_100H)) && most == 100)
		most = 10;
	return c->mbps < most ? c->mbps : most;
}

uint16_t rtl8168_phystatus(const struct rtl8168 *c)
{
	unsigned mbps = speed(c), full = c->partner_half && mbps < 1000 ? 0 : 0x01;

	if (!rtl8168_has_link(c))
		return 0;
	return (uint16_t)(0x02 | full | (mbps == 5000 ? 0x1000 : mbps == 2500 ? 0x400 : mbps == 1000 ? 0x10 :
					 mbps == 100 ? 0x08 : 0x04));
}

static void mii_reset(struct rtl8168 *c)
{
	*mii(c, BMCR) = BMCR_AN | (c->chip->fast ? 0x2100 : 0x0140);
	*mii(c, ANAR) = AN_10 | AN_100H | AN_100F;
	*mii(c, GBCR) = c->chip->fast ? 0 : GBCR_1000F;
	c->phy[AT_ADV_2500 / 2] = c->chip->g50 ? ADV_2500 | ADV_5000 : c->chip->g25 ? ADV_2500 : 0;
	c->phy_page = 0;
	negotiate(c);
}

void rtl8168_phy_power_on(struct rtl8168 *c)
{
	mii_reset(c);
	if (c->phy_off)
		*mii(c, BMCR) |= BMCR_PDOWN;
}

static void write_bmcr(struct rtl8168 *c, uint16_t value)
{
	uint16_t was = *mii(c, BMCR);

	if (value & BMCR_RESET) {
		mii_reset(c);
		return;
	}
	*mii(c, BMCR) = value & (uint16_t)~BMCR_ANRESTART;
	if (((was & BMCR_PDOWN) && !(value & BMCR_PDOWN)) || (value & BMCR_ANRESTART))
		negotiate(c);
	(void)rtl8168_phy_run(c);
}

static uint16_t partner(const struct rtl8168 *c)
{
	if (!rtl8168_has_link(c))
		return 0;
	return (uint16_t)(0x4001 | AN_10 | AN_PAUSE | (c->mbps >= 100 ? AN_100H | (c->partner_half ? 0 : AN_100F) : 0));
}

static uint16_t speed_word(unsigned mbps)
{
	return mbps == 5000 ? 0x0228 : mbps == 2500 ? 0x0218 : mbps == 1000 ? 0x0028 : mbps == 100 ? 0x0018 : 0x0008;
}

uint16_t rtl8168_phy_ocp_read(struct rtl8168 *c, unsigned addr)
{
	bool up = rtl8168_has_link(c);

	if (c->phy_dead)
		return 0xffff;
	if (addr == AT_SPEED)
		return up ? speed_word(speed(c)) : 0;
	if (addr == AT_ABLE_2500)
		return c->chip->g50 ? ABLE_2500 | ABLE_5000 : c->chip->g25 ? ABLE_2500 : 0;
	if (addr == AT_PARTNER_2500)
		return up && c->mbps >= 2500 ? PARTNER_2500 | (c->mbps >= 5000 ? PARTNER_5000 : 0) : 0;
	if (addr < M_OCP_PHY || addr >= M_OCP_PHY + 2 * 16)
		return c->phy[addr / 2];
	switch ((addr - M_OCP_PHY) / 2) {
	case BMSR: return (uint16_t)(BMSR_FIXED ^ (c->chip->fast ? 0x0100 : 0)) | (up ? BMSR_LINK | BMSR_AN_DONE : 0);
	case PHYID1: return (uint16_t)(c->chip->phy_id >> 16);
	case PHYID2: return (uint16_t)c->chip->phy_id;
	case ANLPAR: return partner(c);
	case ANER: return up ? 0x0f : 0x04;
	case GBSR: return up && c->mbps >= 1000 ? GBSR_1000F | GBSR_OK : 0;
	case ESTATUS: return c->chip->fast ? 0 : ESTATUS_1000;
	case MMD_DATA: return c->chip->g25 ? 0 : c->phy[addr / 2];	/* no MMDs: Linux knows a PHY inside a chip by that */
	}
	return c->phy[addr / 2];
}

void rtl8168_phy_ocp_write(struct rtl8168 *c, unsigned addr, uint16_t value)
{
	if (c->phy_dead)
		return;
	if (addr == M_OCP_PHY + 2 * BMCR)
		write_bmcr(c, value);
	else
		c->phy[addr / 2] = value;
}

/* Page 0 has the MII registers, each other page registers 16 to 23 of its own. */
static unsigned address(const struct rtl8168 *c, unsigned reg)
{
	if (!c->phy_page)
		return M_OCP_PHY + 2 * reg;
	return ((c->phy_page << 4) + 2 * (reg & 15)) & 0xfffe;
}

uint16_t rtl8168_phy_read(struct rtl8168 *c, unsigned reg)
{
	return reg == PAGE ? (uint16_t)c->phy_page : rtl8168_phy_ocp_read(c, address(c, reg));
}

void rtl8168_phy_write(struct rtl8168 *c, unsigned reg, uint16_t value)
{
	if (reg == PAGE)
		c->phy_page = value & 0xfff;
	else
		rtl8168_phy_ocp_write(c, address(c, reg), value);
}

uint64_t rtl8168_phy_run(struct rtl8168 *c)
{
	bool up = rtl8168_has_link(c);

	if (up != c->link_told) {
		c->link_told = up;
		rtl8168_cause(c, M_INT_LINK);
	}
	return !up && c->cable && !(*mii(c, BMCR) & BMCR_PDOWN) && !c->phy_dead ? c->link_us : MODEL_NEVER;
}

void rtl8168_cable(struct rtl8168 *c, bool in)
{
	if (in && !c->cable)
		negotiate(c);
	c->cable = in;
	c->m.ops->run(&c->m);
}
