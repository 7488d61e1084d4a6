// SPDX-License-Identifier: BSD-2-Clause
/*
 * The network cards of PCH chipsets: the registers that the rest of the family has not, or has for something else; the NVM in
 * the chipset's flash (in BAR 1, of an I219 in BAR 0), the software flag, the management engine, LANPHYPC.  The PHY is in
 * pch_phy.c, all else in igc.c.
 *
 * Not: writing to the flash, wake-up, proxies, latencies (LTR), the second receive queue, time stamps.
 */
#include <string.h>
#include "igc.h"

enum {
	STRAP = 0x0c, FEXTNVM6 = 0x10, FEXTNVM4 = 0x24, FEXTNVM = 0x28, KMRN = 0x34, TIPG = 0x410,
	EXTCNF = 0xf00, H2ME = 0x5b50,
	FWSM = 0x5b54, SYNC = 0x5b5c, FFLT_DBG = 0x5f04, FLASH_I219 = 0xe000, FLASH_SIZE = 0x100,
	/* in the flash's registers */
	GFPREG = 0x00, HSFSTS = 0x04, FADDR = 0x08, FDATA = 0x10,
};

#define CTRL_OVERRIDE	0x00010000u	/* of LANPHYPC, by the next bit */
#define CTRL_VALUE	0x00020000u
#define EXT_LPCD	0x00000004u	/* CTRL_EXT: the PHY has its power again */
#define EXT_SMBUS	0x00000800u
#define STATUS_DONE	0x00000200u	/* the PHY is set up after a reset */
#define STATUS_PHYRA	0x00000400u
#define FLAG		0x20u
#define NVM_CONFIG	0x08000000u	/* FEXTNVM: software sets the PHY up */
#define FWSM_RESETS	0x0040u
#define FWSM_ULP	0x0400u
#define FWSM_VALID	0x8000u
#define FWSM_ENGINE	0x01000000u
#define H2ME_ULP	0x0800u
#define H2ME_ENFORCE	0x1000u
#define KMRN_READ	0x00200000u
#define PLL_CLK		0x0100u		/* FEXTNVM6 */
#define DMA_CLK		0x1000u		/* FFLT_DBG: never gated */
#define BEACON_8US	7u		/* FEXTNVM4 */
#define SECTOR		0x00020001u	/* GFPREG: two banks of 4 KiB, from 4 KiB on */
#define FLASH_BASE	0x1000u
#define STRAP_8K	(1u << 1)
#define FLASH_GO	0x0001u
#define FLASH_CYCLE	0x0006u
#define FLASH_DONE	0x0001u
#define FLASH_ERROR	0x0002u
#define FLASH_CLEARED	0x0007u		/* by a 1 */
#define FLASH_VALID	0x4000u
#define QUIET_US	15000u		/* datasheets say 20 ms */
#define PULSE_US	10u
#define ENGINE_ULP_US	20000u
#define TROUBLES	256u

static bool is_i219(const struct igc *c) { return c->chip->pch >= PCH_I219; }
bool pch_has_flag(const struct igc *c) { return igc_get(c, EXTCNF) & FLAG; }

/* --- the flash --- */

static uint8_t flash_byte(const struct igc *c, uint32_t at)
{
	return at / 2 < IGC_NVM ? (uint8_t)(c->nvm[at / 2] >> 8 * (at & 1)) : 0xff;
}

static void flash_cycle(struct igc *c, uint16_t ctl)
{
	uint32_t at = c->pch.flash[FADDR / 4] - (is_i219(c) ? 0 : FLASH_BASE), data = 0;

	if (ctl & FLASH_CYCLE) {
		igc_broken(c, "the flash is written or erased, HSFCTL %04x", ctl);
		c->pch.flash[HSFSTS / 4] |= FLASH_ERROR;
		return;
	}
	for (unsigned i = 0; i <= (ctl >> 8 & 3u); i++)
		data |= (uint32_t)flash_byte(c, at + i) << 8 * i;
	c->pch.flash[FDATA / 4] = data;
	c->pch.flash[HSFSTS / 4] |= FLASH_DONE;
}

static uint32_t flash_read(const struct igc *c, uint32_t off, unsigned width)
{
	uint32_t v = off / 4 == GFPREG / 4 ? SECTOR : c->pch.flash[off / 4] | (off / 4 == HSFSTS / 4 ? FLASH_VALID : 0);

	return v >> 8 * (off & 3) & (width == 4 ? ~0u : (1u << 8 * width) - 1);
}

static void flash_write(struct igc *c, uint32_t off, unsigned width, uint32_t v)
{
	uint32_t *status = &c->pch.flash[HSFSTS / 4];

	if (off / 4 != HSFSTS / 4) {
		c->pch.flash[off / 4] = v;
		return;
	}
	/* Status and control are one register of 32 bits, which only chips before I219 take by halves. */
	if (width != 4 && (is_i219(c) || width != 2))
		igc_broken(c, "%u bytes of the flash's register %02x written", width, off);
	if (!(off & 2))
		*status &= ~(v & FLASH_CLEARED);
	if (width == 4 || (off & 2)) {
		uint16_t ctl = (uint16_t)(width == 4 ? v >> 16 : v);

		*status = (*status & 0xffff) | (uint32_t)(ctl & ~FLASH_GO) << 16;
		if (ctl & FLASH_GO)
			flash_cycle(c, ctl);
	}
}

/* Where in the flash's registers; false: elsewhere. */
static bool in_flash(const struct igc *c, unsigned bar, uint32_t *off)
{
	if (is_i219(c) && !bar && *off >= FLASH_I219 && *off < FLASH_I219 + FLASH_SIZE) {
		*off -= FLASH_I219;
		return true;
	}
	return !is_i219(c) && bar == 1 && *off < FLASH_SIZE;
}

/* --- registers --- */

static uint32_t read_fwsm(struct igc *c)
{
	struct pch *p = &c->pch;

	return (p->me_blocks ? 0 : FWSM_RESETS) | (p->me ? FWSM_VALID : 0) | (p->me && p->ulp ? FWSM_ULP : 0) |
	       (igc_now(c) < p->engine_until ? FWSM_ENGINE : 0);
}

/* Who asks for the flag gets it when firmware has given it back; the request stands. */
static uint32_t read_extcnf(struct igc *c)
{
	if (c->pch.asked && c->fw_has_phy) {
		c->fw_has_phy--;
	} else if (c->pch.asked) {
		c->pch.asked = false;
		*igc_r(c, EXTCNF) |= FLAG;
	}
	return igc_get(c, EXTCNF);
}

static void write_extcnf(struct igc *c, uint32_t v)
{
	bool had = pch_has_flag(c);

	*igc_r(c, EXTCNF) = (v & ~FLAG) | (v & FLAG && had ? FLAG : 0);
	c->pch.asked = (v & FLAG) && !had;
}

static void write_kmrn(struct igc *c, uint32_t v)
{
	if (!pch_has_flag(c))
		igc_broken(c, "KMRNCTRLSTA %08x without the software flag", v);
	if (v & KMRN_READ)
		c->pch.kmrn_read = c->pch.kmrn[v >> 16 & 31];
	else
		c->pch.kmrn[v >> 16 & 31] = (uint16_t)v;
}

static void write_h2me(struct igc *c, uint32_t v)
{
	*igc_r(c, H2ME) = v;
	if (c->pch.me && (v & H2ME_ENFORCE) && !(v & H2ME_ULP) && c->pch.ulp)
		c->pch.ulp_us = igc_now(c) + ENGINE_ULP_US;
}

uint32_t pch_status(struct igc *c)
{
	return (igc_now(c) >= c->pch.done_us ? STATUS_DONE : 0) | (c->pch.phyra ? STATUS_PHYRA : 0);
}

/* Even a read during a reset hangs the chip. */
static void check_quiet(struct igc *c, uint32_t off)
{
	if (igc_now(c) < c->pch.quiet_us)
		igc_broken(c, "register %05x is touched during a reset", off);
}

bool pch_read(struct igc *c, unsigned bar, uint32_t off, unsigned width, uint32_t *v)
{
	check_quiet(c, off);
	if (in_flash(c, bar, &off)) {
		*v = flash_read(c, off, width);
		return true;
	}
	switch (bar ? ~0u : off) {
	case STRAP: *v = STRAP_8K; return true;
	case KMRN: *v = c->pch.kmrn_read; return true;
	case EXTCNF: *v = read_extcnf(c); return true;
	case FWSM: *v = read_fwsm(c); return true;
	case FEXTNVM6: case H2ME: case SYNC: *v = igc_get(c, off); return true;
	case I_CTRL_EXT: *v = igc_get(c, off) | (igc_now(c) >= c->pch.lpcd_us ? EXT_LPCD : 0); return true;
	}
	return false;
}

bool pch_write(struct igc *c, unsigned bar, uint32_t off, unsigned width, uint32_t v)
{
	check_quiet(c, off);
	if (in_flash(c, bar, &off)) {
		flash_write(c, off, width, v);
		return true;
	}
	if (bar)
		return false;
	/* The engine is at the registers: the write is lost. */
	if (igc_now(c) < c->pch.engine_until)
		return true;
	c->pch.engine_until = c->pch.engine_us ? igc_now(c) + c->pch.engine_us : 0;
	switch (off) {
	case STRAP: case FWSM: return true;
	case KMRN: write_kmrn(c, v); return true;
	case EXTCNF: write_extcnf(c, v); return true;
	case H2ME: write_h2me(c, v); return true;
	case I_MDIC: pch_mdic(c, v); return true;
	case FEXTNVM6: case SYNC: *igc_r(c, off) = v; return true;
	case I_STATUS:
		if (!(v & STATUS_DONE) && igc_now(c) >= c->pch.done_us)
			c->pch.done_us = MODEL_NEVER;
		c->pch.phyra &= !!(v & STATUS_PHYRA);
		return true;
	case I_CTRL_EXT: *igc_r(c, off) = v & ~EXT_LPCD; return true;
	}
	return false;
}

/* --- resets --- */

static void lanphypc(struct igc *c, bool low)
{
	if (low == c->pch.power_off)
		return;
	if (low && c->pch.me_blocks)
		igc_broken(c, "LANPHYPC while the engine forbids to reset the PHY");
	if (!low && igc_now(c) < c->pch.power_us + PULSE_US)
		igc_broken(c, "LANPHYPC is low for less than %u us", PULSE_US);
	c->pch.power_off = low;
	c->pch.power_us = igc_now(c);
	pch_phy_power(c, !low);
}

void pch_ctrl(struct igc *c, uint32_t was, uint32_t v)
{
	if ((v & ~was & I_CTRL_PHY_RST) && c->pch.me_blocks)
		igc_broken(c, "the PHY is reset, which the engine forbids");
	if ((v & I_CTRL_RST) && !pch_has_flag(c))
		igc_broken(c, "a reset without the software flag");
	lanphypc(c, (v & (CTRL_OVERRIDE | CTRL_VALUE)) == CTRL_OVERRIDE);
}

/* A reset of the MAC takes the flag back, and leaves how the PHY is reached. */
void pch_reset_done(struct igc *c, uint32_t ctrl)
{
	*igc_r(c, FEXTNVM) = NVM_CONFIG;
	c->pch.asked = false;
	c->pch.quiet_us = igc_now(c) + QUIET_US;
	if (ctrl & I_CTRL_PHY_RST)
		pch_phy_reset(c);
}

void pch_bus_reset(struct igc *c)
{
	*igc_r(c, FEXTNVM) = NVM_CONFIG;
	c->pch.quiet_us = 0;
	c->pch.asked = c->pch.power_off = false;
}

void pch_power_on(struct igc *c)
{
	struct pch *p = &c->pch;

	pch_phy_power(c, true);
	p->ready_us = p->lpcd_us = p->done_us = 0;
	p->phyra = false;
	p->power_cycles = p->troubled = 0;
	p->ulp = p->smbus = p->ulp_left;
	p->lost = p->phy_lost;
	p->ulp_us = MODEL_NEVER;
	if (p->ulp_left)
		p->page[779 - PCH_PAGE_FIRST][16] = 0x0114;
	if (p->lplu_left)
		p->page[0][25] = 0x0004;
}

void pch_run(struct igc *c)
{
	struct pch *p = &c->pch;

	if (!p->ulp || igc_now(c) < p->ulp_us)
		return;
	p->ulp = p->smbus = false;
	p->ulp_us = MODEL_NEVER;
	igc_negotiate(c);
}

/* --- errata --- */

#define IPGT		0x3ffu		/* TIPG */
#define RX_82579	0x3412u		/* EMI */
#define RX_I217		0xb20cu
#define GATE_PAGE	772u
#define GATE		28u
#define GATE_VALUE	0x7ffu
#define CLK_REQ		0x0200u		/* beside K1 */
#define DISTANCE_PAGE	776u
#define DISTANCE	20u

/* What public drivers set at each speed. */
static const char *speed_trouble(struct igc *c)
{
	unsigned mbps = igc_speed(c), gate = pch_page(c, GATE_PAGE, GATE) & GATE_VALUE;
	unsigned distance = pch_page(c, DISTANCE_PAGE, DISTANCE);
	bool half = c->partner_half && mbps < 1000, slowest = half && mbps == 10, giga = mbps == 1000;
	const uint16_t *rx = igc_mmd(c, IGC_EMI, c->chip->pch == PCH_82579 ? RX_82579 : RX_I217);
	uint32_t gap = slowest ? 0xff : c->chip->pch >= PCH_I219 && !half && !giga ? 12 : 8;

	if ((igc_get(c, TIPG) & IPGT) != gap)
		return "another gap between frames than this speed wants";
	if (!rx || *rx != !slowest)
		return "another receive latency than this speed wants";
	if (c->chip->pch < PCH_I217)
		return NULL;
	if (giga ? gate != 0xfa && gate != 0x1d5 : gate != 0x3e8)
		return "another clock gate than this speed wants";
	if (giga && !(pch_page(c, 770, 17) & CLK_REQ))
		return "K1 without its clock request at 1000 Mb/s";
	if (c->chip->pch >= PCH_I219 && (giga ? (distance >> 2 & 0x3ff) < 0x18 : distance != 0xc023))
		return "another distance of pointers than this speed wants";
	return NULL;
}

static const char *trouble(struct igc *c)
{
	if (c->chip->pch == PCH_82579 && pch_k1(c) && igc_speed(c) >= 100)
		return "K1 on at 100 Mb/s or more, where an 82579 loses frames";
	if (c->chip->pch >= PCH_I217 && (igc_get(c, FEXTNVM4) & BEACON_8US) != BEACON_8US)
		return "another beacon duration than 8 us, with which an I217 loses frames";
	if (c->chip->pch == PCH_I218LP && pch_k1(c) && igc_speed(c) == 1000 && !(igc_get(c, FEXTNVM6) & PLL_CLK))
		return "K1 on at 1000 Mb/s without the clock request, where an I218 stops its DMA";
	if (c->chip->pch == PCH_I219T && !(igc_get(c, FFLT_DBG) & DMA_CLK))
		return "the DMA clock gated, when an I219 from (13) on loses frames";
	return speed_trouble(c);
}

/* A driver may take its time after the link has come. */
void pch_received(struct igc *c)
{
	const char *what = trouble(c);

	if (what && ++c->pch.troubled == TROUBLES)
		igc_broken(c, "%u frames with %s", TROUBLES, what);
}
