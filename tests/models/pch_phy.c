// SPDX-License-Identifier: BSD-2-Clause
/*
 * The PHYs beside PCH chipsets: MII's registers at address 2, pages from 768 on at address 1 by register 31, the registers for
 * wake-up behind page 800, the extended management interface (EMI) behind registers 16 and 17.  Awake the PHY is reached by PCI
 * Express signals; asleep, in ultra low power (ULP), by SMBus; MAC and PHY must agree which.  Negotiation is in igc_phy.c.
 *
 * Not: what the settings do to signals; an end of ULP by the cable.
 */
#include <string.h>
#include "igc.h"

#define OP_WRITE	0x04000000u
#define OP_READ		0x08000000u
#define ERROR		0x40000000u
#define MDIC_US		30u
#define AT_PAGES	1u
#define AT_MII		2u
#define PAGE_SELECT	31u
#define PAGE_WAKE	800u
#define WAKE_AT		17u
#define WAKE_DATA	18u
#define EMI_AT		16u
#define EMI_DATA	17u
#define LINK_STATUS	26u
#define  LINK_UP	0x1040u		/* and negotiated */
#define OEM_PAGE	768u
#define OEM		25u
#define  OEM_10		0x0004u
#define  OEM_NO_1000	0x0040u
#define  OEM_RESTART	0x0400u
#define SMB_PAGE	769u
#define SMB		23u
#define  SMB_FORCE	0x0001u
#define PM_PAGE		770u
#define PM		17u
#define  PM_K1		0x4000u
#define ULP_PAGE	779u
#define ULP		16u
#define  ULP_START	0x0001u
#define  ULP_WHY	0x1d74u		/* all that keeps the PHY there */
#define  ULP_TO_SMBUS	0x0100u
#define EXT_SMBUS	0x00000800u
#define RESET_US	5000u
#define DONE_US		10000u
#define POWER_US	20000u
#define LPCD_US		10000u

static uint16_t *page(struct igc *c, unsigned number, unsigned reg)
{
	return &c->pch.page[number - PCH_PAGE_FIRST][reg];
}

uint16_t pch_page(const struct igc *c, unsigned number, unsigned reg)
{
	return c->pch.page[number - PCH_PAGE_FIRST][reg];
}

bool pch_k1(const struct igc *c) { return pch_page(c, PM_PAGE, PM) & PM_K1; }

unsigned pch_most(const struct igc *c)
{
	uint16_t oem = pch_page(c, OEM_PAGE, OEM);

	return oem & OEM_10 ? 10 : oem & OEM_NO_1000 ? 100 : 1000;
}

bool pch_phy_awake(const struct igc *c)
{
	return !c->pch.power_off && !c->pch.lost && !c->pch.ulp && igc_now(c) >= c->pch.ready_us;
}

static bool reached(const struct igc *c)
{
	bool by_smbus = igc_get(c, I_CTRL_EXT) & EXT_SMBUS;

	return !c->pch.power_off && !c->pch.lost && igc_now(c) >= c->pch.ready_us && by_smbus == c->pch.smbus;
}

/* The PHY begins anew, and is not there for a while. */
static void restart(struct igc *c, uint64_t us)
{
	uint16_t ulp = pch_page(c, ULP_PAGE, ULP);

	igc_phy_defaults(c);
	memset(c->pch.page, 0, sizeof(c->pch.page));
	memset(c->pch.low, 0, sizeof(c->pch.low));
	c->pch.page_at = 0;
	*page(c, PM_PAGE, PM) = PM_K1;
	if (c->pch.ulp)
		*page(c, ULP_PAGE, ULP) = ulp;
	c->pch.ready_us = igc_now(c) + us;
	c->pch.done_us = c->pch.ready_us + DONE_US;
	c->link_us = c->pch.ready_us + c->autoneg_us;
}

void pch_phy_reset(struct igc *c)
{
	if (c->pch.ulp && c->pch.ulp_ends)
		c->pch.ulp = c->pch.smbus = c->pch.ulp_ends = false;
	else if (c->pch.ulp)
		c->pch.smbus = pch_page(c, ULP_PAGE, ULP) & ULP_TO_SMBUS;
	restart(c, RESET_US);
	c->pch.phyra = true;
	c->phy_resets++;
}

void pch_phy_power(struct igc *c, bool on)
{
	c->pch.lpcd_us = on ? igc_now(c) + LPCD_US : MODEL_NEVER;
	if (!on)
		return;
	c->pch.lost = c->pch.ulp = c->pch.smbus = c->pch.ulp_ends = false;
	restart(c, POWER_US);
	c->pch.power_cycles++;
}

static uint16_t read_mii(struct igc *c, unsigned reg)
{
	unsigned mbps = igc_speed(c);
	uint16_t *p;

	if (reg < 16)
		return igc_mii_read(c, reg);
	if (reg == EMI_DATA) {
		p = igc_mmd(c, IGC_EMI, c->pch.low[EMI_AT]);
		return p ? *p : 0;
	}
	if (reg == LINK_STATUS)
		return igc_phy_has_link(c) ? (uint16_t)(LINK_UP | (mbps == 1000 ? 0x0200 : mbps == 100 ? 0x0100 : 0)) : 0;
	return c->pch.low[reg];
}

static void write_mii(struct igc *c, unsigned reg, uint16_t value)
{
	uint16_t *p;

	if (reg < 16)
		igc_mii_write(c, reg, value);
	else if (reg != EMI_DATA)
		c->pch.low[reg] = value;
	else if ((p = igc_mmd(c, IGC_EMI, c->pch.low[EMI_AT])))
		*p = value;
}

/* Of the page that is selected; the first by 0, not by its number.  0: there is none. */
static unsigned page_number(struct igc *c)
{
	unsigned number = c->pch.page_at >> 5;

	if (!number)
		return PCH_PAGE_FIRST;
	if (number > PCH_PAGE_FIRST && number < PCH_PAGE_FIRST + PCH_PAGES)
		return number;
	igc_broken(c, "page %u of the PHY", number);
	return 0;
}

static uint16_t read_page(struct igc *c, unsigned reg)
{
	unsigned number;

	if (reg == PAGE_SELECT)
		return c->pch.page_at;
	if (reg < 16)
		return igc_mii_read(c, reg);
	number = page_number(c);
	if (number == PAGE_WAKE && reg == WAKE_DATA)
		return c->pch.wuc[*page(c, PAGE_WAKE, WAKE_AT) & 0xff];
	return number ? *page(c, number, reg) : 0;
}

static void write_page(struct igc *c, unsigned reg, uint16_t value)
{
	unsigned number;

	if (reg == PAGE_SELECT) {
		c->pch.page_at = value;
		return;
	}
	if (reg < 16) {
		igc_mii_write(c, reg, value);
		return;
	}
	number = page_number(c);
	if (!number)
		return;
	*page(c, number, reg) = value;
	if (number == PAGE_WAKE && reg == WAKE_DATA) {
		c->pch.wuc[*page(c, PAGE_WAKE, WAKE_AT) & 0xff] = value;
	} else if (number == OEM_PAGE && reg == OEM && (value & OEM_RESTART)) {
		*page(c, number, reg) &= (uint16_t)~OEM_RESTART;
		igc_negotiate(c);
	} else if (number == SMB_PAGE && reg == SMB) {
		c->pch.smbus = value & SMB_FORCE;
	} else if (number == ULP_PAGE && reg == ULP && (value & ULP_START)) {
		c->pch.ulp_ends = !(value & ULP_WHY);	/* with the next reset of the PHY */
	}
}

void pch_mdic(struct igc *c, uint32_t v)
{
	unsigned reg = v >> 16 & 31, addr = v >> 21 & 31;
	uint32_t out = v & ~(0xf0000000u | OP_WRITE | OP_READ);

	if (!pch_has_flag(c))
		igc_broken(c, "MDIC %08x without the software flag", v);
	if (igc_now(c) < c->mdic_us && !c->phy_dead)
		igc_broken(c, "MDIC %08x is written while it is busy", v);
	c->mdic_us = c->phy_dead ? MODEL_NEVER : igc_now(c) + MDIC_US;
	if (!reached(c) || (addr != AT_PAGES && addr != AT_MII))
		out |= ERROR;
	else if (v & OP_WRITE)
		(addr == AT_MII ? write_mii : write_page)(c, reg, (uint16_t)v);
	else
		out = (out & 0xffff0000) | (addr == AT_MII ? read_mii : read_page)(c, reg);
	*igc_r(c, I_MDIC) = out;
	(void)igc_phy_run(c);
}
