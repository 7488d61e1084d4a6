// SPDX-License-Identifier: BSD-2-Clause
/*
 * Realtek's gigabit family: registers, resets, interrupts, indirect registers (PHYAR, OCP, ERI, CSI, EPHY), out-of-band mode.
 * Rings are in rtl8168_rings.c, the PHY in rtl8168_phy.c.
 *
 * Out-of-band mode (8168G and later): after firmware, or after a system that shut down with wake-up, management owns the
 * receiver.  A bit of the MCU register tells this; frames reach the driver's ring only after the driver has cleared the bit and
 * rebuilt the list of the shared buffer (E8DEh bit 14 off, then bit 15 on, each followed by LINK_LIST_RDY).
 */
#include <string.h>
#include "rtl8168.h"

#define FLAG		0x80000000u
#define SLOW_US		2u
#define RESET_US	30u
#define LIST_US		120u
#define GATE_US		2000u		/* the driver waits this long before its reset */
#define OFF_US		1000u		/* ... and this long between CR and leaving out-of-band mode */
#define NOT_BUILT	MODEL_NEVER	/* rtl8168.list_us: E8DEh was not written yet */
#define LIST_OFF	0x4000u		/* in E8DEh */
#define LIST_BUILD	0x8000u
#define TCR_WRITABLE	0x030fff81u	/* all bits but the version and "empty" */

static const struct rtl8168_chip chips[] = {
	{ .name = "8169", .tcr = 0x18000000, .device = 0x8167, .revision = 0x10, .phy_id = 0x001cc910 },
	{ .name = "8169sce", .tcr = 0x98000000, .device = 0x8167, .revision = 0x10, .phy_id = 0x001cc910 },
	{ .name = "8169s", .tcr = 0x00800000, .device = 0x8169, .revision = 0x10, .phy_id = 0x001cc910, .cpcr14 = true },
	{ .name = "8110s", .tcr = 0x04000000, .device = 0x8169, .revision = 0x10, .phy_id = 0x001cc910, .cpcr14 = true },
	{ .name = "8168b", .tcr = 0x38000000, .device = 0x8168, .revision = 0x01, .phy_id = 0x001cc912, .pcie = true,
	  .msi = true },
	{ .name = "8168b1", .tcr = 0x30000000, .device = 0x8168, .revision = 0x01, .phy_id = 0x001cc912, .pcie = true,
	  .msi = true, .deaf_by_fovw = true },
	{ .name = "8168c", .tcr = 0x3c000000, .device = 0x8168, .revision = 0x02, .phy_id = 0x001cc912, .pcie = true,
	  .msi = true, .csum2 = true },
	{ .name = "8168d", .tcr = 0x28100000, .device = 0x8168, .revision = 0x03, .phy_id = 0x001cc912, .pcie = true,
	  .msi = true, .msix = true, .csum2 = true },
	{ .name = "8168evl", .tcr = 0x2c800000, .device = 0x8168, .revision = 0x06, .phy_id = 0x001cc915, .pcie = true,
	  .msi = true, .msix = true, .csum2 = true, .eri = true },
	{ .name = "8168f", .tcr = 0x48100000, .device = 0x8168, .revision = 0x09, .phy_id = 0x001cc915, .pcie = true,
	  .msi = true, .msix = true, .csum2 = true, .eri = true },
	{ .name = "8168g", .tcr = 0x4c000000, .device = 0x8168, .revision = 0x0c, .phy_id = 0x001cc800, .pcie = true,
	  .msi = true, .msix = true, .csum2 = true, .eri = true, .ocp = true },
	{ .name = "8168h", .tcr = 0x54100000, .device = 0x8168, .revision = 0x15, .phy_id = 0x001cc800, .pcie = true,
	  .msi = true, .msix = true, .csum2 = true, .eri = true, .ocp = true },
	{ .name = "8168m", .tcr = 0x6c000000, .device = 0x8168, .revision = 0x15, .phy_id = 0x001cc800, .pcie = true,
	  .msi = true, .msix = true, .csum2 = true, .eri = true, .ocp = true },
	{ .name = "8125a", .tcr = 0x60900000, .device = 0x8125, .revision = 0x04, .phy_id = 0x001cc800, .pcie = true,
	  .msi = true, .msix = true, .csum2 = true, .ocp = true, .g25 = true },
	{ .name = "8125b", .tcr = 0x64100000, .device = 0x8125, .revision = 0x05, .phy_id = 0x001cc840, .pcie = true,
	  .msi = true, .msix = true, .csum2 = true, .ocp = true, .g25 = true },
	{ .name = "8125d", .tcr = 0x68800000, .device = 0x8125, .revision = 0x0c, .phy_id = 0x001cc841, .pcie = true,
	  .msi = true, .msix = true, .csum2 = true, .ocp = true, .g25 = true },
	{ .name = "8126a", .tcr = 0x64a00000, .device = 0x8126, .revision = 0x01, .phy_id = 0x001cc862, .pcie = true,
	  .msi = true, .msix = true, .csum2 = true, .ocp = true, .g25 = true, .g50 = true },
	{ .name = "e3000", .tcr = 0x64100000, .device = 0x3000, .revision = 0x06, .phy_id = 0x001cc840, .pcie = true,
	  .msi = true, .msix = true, .csum2 = true, .ocp = true, .g25 = true },
	{ .name = "8106e", .tcr = 0x44800000, .device = 0x8136, .revision = 0x07, .phy_id = 0x001cc816, .pcie = true,
	  .msi = true, .msix = true, .csum2 = true, .eri = true, .fast = true },
	{ .name = "8402", .tcr = 0x44000000, .device = 0x8136, .revision = 0x06, .phy_id = 0x001cc816, .pcie = true,
	  .msi = true, .msix = true, .csum2 = true, .eri = true, .fast = true, .oob = true },
	{ .name = "8105e", .tcr = 0x40900000, .device = 0x8136, .revision = 0x05, .phy_id = 0x001cc815, .pcie = true,
	  .msi = true, .msix = true, .csum2 = true, .fast = true },
};

static struct rtl8168 *of(struct model *m)
{
	return (struct rtl8168 *)((char *)m - offsetof(struct rtl8168, m));
}

/* --- interrupts --- */

static unsigned isr_at(const struct rtl8168 *c) { return c->chip->g25 ? R_ISR_25 : R_ISR; }

static void irq(struct rtl8168 *c)
{
	unsigned width = c->chip->g25 ? 4 : 2;
	bool on = rtl8168_get(c, isr_at(c), width) & rtl8168_get(c, c->chip->g25 ? R_IMR_25 : R_IMR, width);

	/* In the other layout IMR and ISR have no effect. */
	if (c->chip->g25 && (c->r[R_INT_CFG0_25] & 1))
		on = false;

	if (on == c->irq_told)
		return;
	c->irq_told = on;
	if (on && c->lose_irqs) {
		c->lose_irqs--;
		return;
	}
	c->m.host.irq(c->m.host.ctx, on);
}

void rtl8168_cause(struct rtl8168 *c, uint16_t bits)
{
	rtl8168_put(c, isr_at(c), 2, rtl8168_get(c, isr_at(c), 2) | bits);
	irq(c);
}

/* TCTR counts bus clocks: 33 MHz, or 125 MHz on PCI Express. */
static uint64_t clocks(const struct rtl8168 *c)
{
	return (rtl8168_now(c) - c->timer_us) * (c->chip->pcie ? 125 : 33);
}

static uint64_t timer_end(const struct rtl8168 *c)
{
	uint32_t end = rtl8168_get(c, R_TIMERINT, 4);

	return c->timer_on && end ? c->timer_us + end / (c->chip->pcie ? 125 : 33) + 1 : MODEL_NEVER;
}

static void run(struct model *m)
{
	struct rtl8168 *c = of(m);
	uint64_t end;

	if (rtl8168_now(c) >= timer_end(c)) {
		c->timer_on = false;
		rtl8168_cause(c, M_INT_TIMEOUT);
	}
	m->wake_us = rtl8168_phy_run(c);
	end = timer_end(c);
	if (end < m->wake_us)
		m->wake_us = end;
	rtl8168_send(c);
}

/* --- resets --- */

static void load_address(struct rtl8168 *c)
{
	memcpy(c->r + R_IDR, c->mac, 6);
	c->r[R_IDR + 6] = c->r[R_IDR + 7] = 0;
}

/* The reset by CR: resets rings and interrupts; addresses, configuration, PHY, OCP and ERI registers stay. */
static void soft_reset(struct rtl8168 *c)
{
	uint32_t misc = rtl8168_get(c, R_MISC, 4), cpcr = rtl8168_get(c, R_CPCR, 2);
	uint8_t keep[R_CONFIG5 - R_9346CR + 1], mcu = c->r[R_MCU], cfg0 = c->r[R_INT_CFG0_25];
	uint32_t cfg1 = rtl8168_get(c, R_INT_CFG1_25, 2);

	memcpy(keep, c->r + R_9346CR, sizeof(keep));
	memset(c->r + R_DTCCR, 0, sizeof(c->r) - R_DTCCR);
	memcpy(c->r + R_9346CR, keep, sizeof(keep));
	rtl8168_put(c, R_MISC, 4, misc);
	rtl8168_put(c, R_CPCR, 2, cpcr);
	c->r[R_MCU] = mcu;
	c->r[R_MTPS] = 0x3f;
	if (c->chip->g25) {
		memcpy(c->r + R_MAC_25, c->mac, 6);
		c->r[R_INT_CFG0_25] = cfg0;
		rtl8168_put(c, R_INT_CFG1_25, 2, cfg1);
	}
	if (c->chip->g50)
		c->r[R_D8_26] = 0x03;
	c->tx_at = c->rx_at = 0;
	c->polled = c->tx_stuck = c->timer_on = c->deaf = false;
	c->resets++;
	irq(c);
}

static void bus_reset(struct model *m)
{
	struct rtl8168 *c = of(m);

	memset(c->r, 0, sizeof(c->r));
	soft_reset(c);
	load_address(c);
	c->eri[0xe0 / 4] = rtl8168_get(c, R_IDR, 4);
	c->eri[0xe4 / 4] = rtl8168_get(c, R_IDR + 4, 4);
	c->phyar = c->phyocp = c->csiar = c->eriar = c->ephyar = (struct rtl8168_slow) { 0 };
	c->reset_us = c->gate_us = c->cr_us = 0;
	c->list_us = 0;
	if (c->chip->ocp && c->warm_oob) {
		c->r[R_MCU] = M_MCU_OOB;
		rtl8168_put(c, R_MISC, 4, M_MISC_GATE);
		c->mac_ocp[M_OCP_LIST / 2] = LIST_OFF;
		c->list_us = NOT_BUILT;
	}
	if (c->chip->oob && c->warm_oob)
		c->r[R_MCU] = M_MCU_OOB;
	c->resets = 0;
}

static void power_on(struct model *m)
{
	rtl8168_phy_power_on(of(m));
	bus_reset(m);
}

/* --- the slow paths --- */

static void slow_begin(struct rtl8168 *c, struct rtl8168_slow *s, const char *name, uint32_t before, uint32_t after)
{
	if (rtl8168_now(c) < s->done_us)
		rtl8168_broken(c, "%s is written while it is busy", name);
	*s = (struct rtl8168_slow) { rtl8168_now(c) + SLOW_US, before, after };
}

static uint32_t slow_read(struct rtl8168 *c, const struct rtl8168_slow *s)
{
	return rtl8168_now(c) < s->done_us ? s->before : s->after;
}

static void phyar(struct rtl8168 *c, uint32_t v)
{
	unsigned reg = v >> 16 & 31;

	if (v & FLAG)
		rtl8168_phy_write(c, reg, (uint16_t)v);
	slow_begin(c, &c->phyar, "PHYAR", v, v & FLAG ? v & ~FLAG : FLAG | reg << 16 | rtl8168_phy_read(c, reg));
	if (c->phy_dead)
		c->phyar.after = v;
}

static void phy_ocp(struct rtl8168 *c, uint32_t v)
{
	unsigned addr = v >> 15 & 0xfffe;

	if (v & FLAG)
		rtl8168_phy_ocp_write(c, addr, (uint16_t)v);
	slow_begin(c, &c->phyocp, "the PHY's OCP", v,
		   v & FLAG ? v & ~FLAG : FLAG | (v & 0x7fff0000) | rtl8168_phy_ocp_read(c, addr));
	if (c->phy_dead)
		c->phyocp.after = v;
}

static void mac_ocp(struct rtl8168 *c, uint32_t v)
{
	unsigned addr = v >> 15 & 0xfffe;

	if (!(v & FLAG)) {
		rtl8168_put(c, R_OCPDR, 4, c->mac_ocp[addr / 2]);
		return;
	}
	c->mac_ocp[addr / 2] = (uint16_t)v;
	if ((c->r[R_MCU] & M_MCU_OOB) || c->list_stuck || (c->mac_ocp[M_OCP_LIST / 2] & LIST_OFF))
		return;
	/* The driver's receiver has a list only after the driver has released the old list and then built a new one. */
	if (c->chip->g25 ? addr == M_OCP_BUILD_25 && (uint16_t)v == 0x5555 : addr == M_OCP_LIST && (v & LIST_BUILD))
		c->list_us = rtl8168_now(c) + LIST_US;
}

static uint8_t mcu(struct rtl8168 *c)
{
	uint16_t list = c->mac_ocp[M_OCP_LIST / 2];
	uint8_t v = c->r[R_MCU] & M_MCU_OOB;

	if (!(v & M_MCU_OOB) && !(list & LIST_OFF) && !c->list_stuck &&
	    (c->list_us == NOT_BUILT || rtl8168_now(c) >= c->list_us))
		v |= M_MCU_LIST_READY;
	if (rtl8168_tx_idle(c))
		v |= M_MCU_TX_EMPTY;
	return v | M_MCU_RX_EMPTY;
}

static void eriar(struct rtl8168 *c, uint32_t v)
{
	unsigned addr = v & 0xffc, bytes = v >> 12 & 15;
	uint32_t data = rtl8168_get(c, R_ERIDR, 4), mask = 0;

	for (unsigned i = 0; i < 4; i++)
		mask |= bytes & (1u << i) ? 0xffu << (8 * i) : 0;
	if (!mask)
		rtl8168_broken(c, "ERIAR %08x: no byte is chosen", v);
	/* Only registers of the MAC's type exist. */
	if ((v & FLAG) && !(v & 0x30000))
		c->eri[addr / 4] = (c->eri[addr / 4] & ~mask) | (data & mask);
	else if (!(v & FLAG))
		rtl8168_put(c, R_ERIDR, 4, v & 0x30000 ? 0 : c->eri[addr / 4]);
	slow_begin(c, &c->eriar, "ERIAR", v, v ^ FLAG);
	if (c->eri_dead)
		c->eriar.after = v;
}

static void csiar(struct rtl8168 *c, uint32_t v)
{
	if (v & FLAG)
		c->csi[(v & 0xffc) / 4] = rtl8168_get(c, R_CSIDR, 4);
	else
		rtl8168_put(c, R_CSIDR, 4, c->csi[(v & 0xffc) / 4]);
	slow_begin(c, &c->csiar, "CSIAR", v, v ^ FLAG);
}

static void ephyar(struct rtl8168 *c, uint32_t v)
{
	unsigned reg = v >> 16 & 0x7f;

	if (v & FLAG)
		c->ephy[reg] = (uint16_t)v;
	slow_begin(c, &c->ephyar, "EPHYAR", v, v & FLAG ? v & ~FLAG : FLAG | reg << 16 | c->ephy[reg]);
}

/* --- registers --- */

/* Return the width of a register; 0 if accesses may have any width. */
static unsigned width_of(const struct rtl8168 *c, uint32_t off)
{
	if (c->chip->g25 && (off == R_IMR_25 || off == R_ISR_25))
		return 4;
	if (c->chip->g25 && (off == R_TPPOLL_25 || off == R_INT_CFG1_25))
		return 2;
	if (c->chip->g25 && off == R_INT_CFG0_25)
		return 1;
	switch (off) {
	case R_CR: case R_TPPOLL: case R_9346CR: case R_PHYSTATUS: case R_MCU:
		return 1;
	case R_IMR: case R_ISR: case R_RMS: case R_CPCR:
		return 2;
	case R_TNPDS: case R_TNPDS + 4: case R_TCR: case R_RCR: case R_TCTR: case R_TIMERINT: case R_PHYAR: case R_CSIDR:
	case R_CSIAR: case R_ERIDR: case R_ERIAR: case R_EPHYAR: case R_OCPDR: case R_PHYOCP: case R_RDSAR: case R_RDSAR + 4:
	case R_MISC:
		return 4;
	}
	return 0;
}

static uint32_t read_reg(struct model *m, unsigned bar, uint32_t off, unsigned width)
{
	struct rtl8168 *c = of(m);

	(void)bar;
	if (c->gone)
		return ~0u;
	if (off + width > sizeof(c->r))
		return 0;
	run(m);
	if (c->chip->g25 && (off == R_IMR_25 || off == R_ISR_25))
		return rtl8168_get(c, off, width);
	if (c->chip->g25 && off == R_EMPTY_25)
		return 0x0103;
	switch (off) {
	case R_CR: return c->r[R_CR] | (rtl8168_now(c) < c->reset_us || c->reset_stuck ? c->r[R_CR] & M_CR_RST : 0);
	case R_TCR: return c->chip->tcr | rtl8168_get(c, R_TCR, 4) | (c->chip->eri && rtl8168_tx_idle(c) ? M_TCR_EMPTY : 0);
	case R_TPPOLL: return c->polled ? M_POLL_NPQ : 0;
	case R_PHYSTATUS: return width == 1 ? (uint8_t)rtl8168_phystatus(c) : rtl8168_phystatus(c);
	case R_PHYAR: return slow_read(c, &c->phyar);
	case R_PHYOCP: return slow_read(c, &c->phyocp);
	case R_CSIAR: return slow_read(c, &c->csiar);
	case R_ERIAR: return slow_read(c, &c->eriar);
	case R_EPHYAR: return slow_read(c, &c->ephyar);
	case R_MCU: return c->chip->ocp ? mcu(c) : c->r[R_MCU];
	case R_EFUSEAR: return FLAG | 0xff;
	case R_TCTR: return (uint32_t)clocks(c);
	}
	return rtl8168_get(c, off, width);
}

static void write_cr(struct rtl8168 *c, uint8_t v)
{
	c->cr_us = rtl8168_now(c);
	if (v & M_CR_RST) {
		if (c->chip->ocp && c->gate_us) {
			c->gate_to_reset_us = c->cr_us - c->gate_us;
			if (c->gate_to_reset_us < GATE_US)
				rtl8168_broken(c, "a reset %u us after the gate was closed", (unsigned)c->gate_to_reset_us);
		}
		if (c->reset_stuck) {
			c->r[R_CR] |= M_CR_RST;
			return;
		}
		soft_reset(c);
		c->reset_us = rtl8168_now(c) + RESET_US;
		return;
	}
	if ((v & (M_CR_TE | M_CR_RE)) && ((c->r[R_TNPDS] | c->r[R_RDSAR]) & 0xff))
		rtl8168_broken(c, "a ring is not at a multiple of 256");
	c->r[R_CR] = v & (0x80 | M_CR_TE | M_CR_RE);
}

static void poll(struct rtl8168 *c)
{
	if (!(c->r[R_CR] & M_CR_TE))
		rtl8168_broken(c, "TPPoll with the transmitter off");
	if (c->lose_polls)
		c->lose_polls--;
	else
		c->polled = true;
}

static void write_poll(struct rtl8168 *c, uint8_t v)
{
	if (v & M_POLL_SWI)
		rtl8168_cause(c, M_INT_SWI);
	if (v & M_POLL_NPQ)
		poll(c);
}

static void write_tcr(struct rtl8168 *c, uint32_t v)
{
	rtl8168_put(c, R_TCR, 4, v & TCR_WRITABLE);
}

/* The MAC's counters: Linux orders a dump to memory; the model counts nothing. */
static void write_counters(struct rtl8168 *c, uint32_t v)
{
	uint64_t addr = (v & ~63u) | (uint64_t)rtl8168_get(c, R_DTCCR + 4, 4) << 32;
	void *p = (v & 8) && rtl8168_master(c) ? c->m.host.dma(c->m.host.ctx, addr, 64, true) : NULL;

	if (p)
		memset(p, 0, 64);
	rtl8168_put(c, R_DTCCR, 4, v & ~0x9u);
}

static bool locked(const struct rtl8168 *c, uint32_t off)
{
	return (off < R_MAR || (off >= R_CONFIG0 && off <= R_CONFIG5)) && (c->r[R_9346CR] & 0xc0) != 0xc0;
}

/* Like write_special(), for the RTL8125 only. */
static bool write_25(struct rtl8168 *c, uint32_t off, uint32_t v)
{
	switch (off) {
	case R_IMR_25: rtl8168_put(c, off, 4, v); return true;
	case R_ISR_25: rtl8168_put(c, off, 4, rtl8168_get(c, off, 4) & ~v); return true;
	case R_TPPOLL_25:
		if (v & 1)
			poll(c);
		return true;
	}
	return false;
}

/* True if the write is handled here; false if the register only stores its value. */
static bool write_special(struct rtl8168 *c, uint32_t off, uint32_t v)
{
	if (c->chip->g25 && write_25(c, off, v))
		return true;
	c->astray += ((c->chip->g25 && c->chip->revision == 5) || c->chip->g50) && off >= 0xa80 && off < 0xb00;
	switch (off) {
	case R_DTCCR: write_counters(c, v); return true;
	case R_CR: write_cr(c, (uint8_t)v); return true;
	case R_TPPOLL: write_poll(c, (uint8_t)v); return true;
	case R_ISR: rtl8168_put(c, R_ISR, 2, rtl8168_get(c, R_ISR, 2) & ~v); return true;
	case R_TCR: write_tcr(c, v); return true;
	case R_TCTR: c->timer_us = rtl8168_now(c); c->timer_on = true; return true;
	case R_PHYAR: phyar(c, v); return true;
	case R_PHYSTATUS: return true;
	case R_CSIAR: csiar(c, v); return true;
	case R_ERIAR: eriar(c, v); return true;
	case R_EPHYAR: ephyar(c, v); return true;
	case R_EFUSEAR: return true;
	case R_OCPDR:
		if (c->chip->ocp)
			mac_ocp(c, v);
		return c->chip->ocp;
	case R_PHYOCP:
		if (c->chip->ocp)
			phy_ocp(c, v);
		return c->chip->ocp;
	case R_MISC:
		if (!(v & M_MISC_GATE))
			c->gate_us = 0;
		else if (!(rtl8168_get(c, R_MISC, 4) & M_MISC_GATE))
			c->gate_us = rtl8168_now(c);
		break;
	case R_MCU:
		if (c->chip->ocp && (c->r[R_MCU] & ~v & M_MCU_OOB) && rtl8168_now(c) < c->cr_us + OFF_US)
			rtl8168_broken(c, "out-of-band mode is left %u us after CR was written",
				       (unsigned)(rtl8168_now(c) - c->cr_us));
		break;
	case R_TIMERINT: c->timer_on = clocks(c) < v; break;	/* it matches when TCTR gets there */
	}
	return false;
}

static void write_reg(struct model *m, unsigned bar, uint32_t off, unsigned width, uint32_t value)
{
	struct rtl8168 *c = of(m);

	(void)bar;
	if (c->gone || off + width > sizeof(c->r))
		return;
	if (width_of(c, off) && width != width_of(c, off))
		rtl8168_broken(c, "register %02x written by %u bytes", off, width);
	if (locked(c, off)) {
		rtl8168_broken(c, "register %02x written while locked", off);
		return;
	}
	if (!write_special(c, off, value))
		rtl8168_put(c, off, width, value);
	irq(c);
	run(m);
}

static void receive(struct model *m, const uint8_t *frame, size_t len)
{
	rtl8168_receive(of(m), frame, len);
}

static bool paused(struct model *m)
{
	return rtl8168_rx_full(of(m));
}

/* --- options --- */

static bool set(struct model *m, const char *name, const char *value)
{
	static const struct model_option options[] = {
		MODEL_SWITCH(rtl8168, "oob", warm_oob, ~0u), MODEL_SWITCH(rtl8168, "phy-off", phy_off, ~0u),
		MODEL_SWITCH(rtl8168, "half", partner_half, ~0u), MODEL_SWITCH(rtl8168, "reset-stuck", reset_stuck, ~0u),
		MODEL_SWITCH(rtl8168, "gone", gone, ~0u), MODEL_SWITCH(rtl8168, "tx-hang", tx_hang, ~0u),
		MODEL_SWITCH(rtl8168, "tx-stuck", tx_stuck, ~0u),
		MODEL_NUMBER(rtl8168, "mbps", mbps, ~0u), MODEL_NUMBER(rtl8168, "lose-irqs", lose_irqs, ~0u),
		MODEL_NUMBER(rtl8168, "lose-polls", lose_polls, ~0u),
	};
	struct rtl8168 *c = of(m);
	unsigned n;

	if (!strcmp(name, "mac"))
		return model_mac(value, c->mac);
	if (!model_number(value, &n))
		return false;
	if (!strcmp(name, "link"))
		rtl8168_cable(c, n);
	else if (!strcmp(name, "autoneg-ms"))
		c->autoneg_us = 1000ull * n;
	else
		return model_set(c, options, sizeof(options) / sizeof(*options), name, n);
	return true;
}

static const struct model_ops ops = {
	.power_on = power_on, .reset = bus_reset, .read = read_reg, .write = write_reg, .paused = paused, .receive = receive,
	.run = run, .set = set,
};

static void make_pci(struct rtl8168 *c)
{
	struct model_pci *p = &c->m.pci;

	*p = (struct model_pci) {
		.vendor = 0x10ec, .device = c->chip->device, .subsys_vendor = 0x10ec, .subsys = 0x0123,
		.revision = c->chip->revision, .class_code = 0x020000, .msi = c->chip->msi, .pcie = c->chip->pcie,
		.msix_vectors = c->chip->msix ? 4 : 0, .msix_bar = 4,
	};
	p->bar[0] = (struct model_bar) { .size = 256, .io = true };
	if (c->chip->pcie)
		p->bar[2] = (struct model_bar) { .size = c->chip->g25 ? 65536 : 4096, .is64 = true };
	else
		p->bar[1] = (struct model_bar) { .size = 256 };
	if (c->chip->msix)
		p->bar[4] = (struct model_bar) { .size = 16384, .is64 = true, .prefetch = true };
}

bool rtl8168_init(struct rtl8168 *c, const char *chip)
{
	static const uint8_t mac[6] = { 0x52, 0x54, 0x00, 0x81, 0x68, 0x01 };

	memset(c, 0, sizeof(*c));
	for (size_t i = 0; i < sizeof(chips) / sizeof(*chips); i++)
		if (!strcmp(chip, chips[i].name))
			c->chip = &chips[i];
	if (!c->chip)
		return false;
	c->m.ops = &ops;
	c->m.wake_us = MODEL_NEVER;
	c->cable = true;
	c->mbps = c->chip->g50 ? 5000 : 2500;
	/* On a wire some seconds.  Linux resets an RTL8125 if its link goes down, and may miss a link that returns sooner. */
	c->autoneg_us = c->chip->g25 ? 500000 : 2000;
	memcpy(c->mac, mac, 6);
	make_pci(c);
	return true;
}

struct model *model_rtl8168(const char *chip)
{
	static struct rtl8168 c;

	return rtl8168_init(&c, chip) ? &c.m : NULL;
}
