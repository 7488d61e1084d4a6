// SPDX-License-Identifier: BSD-2-Clause
/*
 * I210, I211, I350, I225 and I226, and what PCH's cards share with them: registers, resets, interrupts, semaphores, NVM,
 * options.  The PHY is in igc_phy.c, rings in igc_rings.c, checksums and segmentation in igc_offload.c, what is PCH's alone in
 * pch.c.
 *
 * Two resets: CTRL.RST keeps the sizes of the packet buffers, which a driver may have changed, and the settings of EEE;
 * CTRL.DEV_RST resets all but the PHY.  An I211, and an I210 without flash, have their address in memory that is written once
 * (iNVM: records, each of a word and its number).  Of an I350 the model has one port.
 *
 * Not here: time stamps, launch times and the scheduler (their registers store values only), moderation (each cause interrupts
 * at once), wake-up, virtual functions.
 */
#include <string.h>
#include "igc.h"

#define RESET_US	500u
#define READ_US		2000u
#define CTRL_EXT_IAME	0x08000000u
#define GPIE_NSICR	0x1u
#define EECD_SIZE	0x2800u		/* 2048 words, of which the model has the first 320 */
#define EERD_START	0x1u
#define EERD_DONE	0x2u
#define NVM_SUM		0xbabau
#define EEE_ON		0x00070000u	/* EEER: LPI in both directions, and with flow control */
#define EEE_OFFER	0x0000001cu	/* IPCNFG: at 100, 1000, 2500 */
#define PBS_SMALL	0x00000001u

/* Counters, which a read clears. */
enum {
	GPRC = 0x4074, BPRC = 0x4078, MPRC = 0x407c, GPTC = 0x4080, GORC = 0x4088, GOTC = 0x4090, TOR = 0x40c0,
	TOT = 0x40c8, TPR = 0x40d0, TPT = 0x40d4, MPTC = 0x40f0, BPTC = 0x40f4,
};

#define PHY_82579	0x01540090u
#define PHY_I217	0x015400a0u	/* and later */
#define PCH(name, device, kind) { name, device, 0x04, kind == PCH_82579 ? PHY_82579 : PHY_I217, IGC_PCH, true, kind }

static const struct igc_chip chips[] = {
	{ "i225lm", 0x15f2, 0x03, 0x67c9dc00, IGC_I225, false, 0 },
	{ "i225", 0x15f3, 0x03, 0x67c9dc00, IGC_I225, false, 0 },
	{ "i226lm", 0x125b, 0x04, 0x67c9dc10, IGC_I225, false, 0 },
	{ "i226", 0x125c, 0x04, 0x67c9dc10, IGC_I225, false, 0 },
	{ "i210", 0x1533, 0x03, 0x01410c00, IGC_I210, true, 0 },
	{ "i210-flashless", 0x157b, 0x03, 0x01410c00, IGC_I210, false, 0 },
	{ "i211", 0x1539, 0x03, 0x01410c00, IGC_I210, false, 0 },
	{ "i350", 0x1521, 0x01, 0x015403b0, IGC_I350, true, 0 },
	PCH("82579lm", 0x1502, PCH_82579), PCH("82579v", 0x1503, PCH_82579), PCH("i217lm", 0x153a, PCH_I217),
	PCH("i217v", 0x153b, PCH_I217), PCH("i218lm", 0x155a, PCH_I218LP), PCH("i218v", 0x1559, PCH_I218LP),
	PCH("i218lm2", 0x15a0, PCH_I217), PCH("i218v2", 0x15a1, PCH_I217), PCH("i218lm3", 0x15a2, PCH_I218LP),
	PCH("i218v3", 0x15a3, PCH_I218LP), PCH("i219lm", 0x156f, PCH_I219), PCH("i219v", 0x1570, PCH_I219),
	PCH("i219lm2", 0x15b7, PCH_I219), PCH("i219v2", 0x15b8, PCH_I219), PCH("i219lm3", 0x15b9, PCH_I219),
	PCH("i219lm4", 0x15d7, PCH_I219), PCH("i219v4", 0x15d8, PCH_I219), PCH("i219lm5", 0x15e3, PCH_I219),
	PCH("i219v5", 0x15d6, PCH_I219), PCH("i219lm6", 0x15bd, PCH_I219), PCH("i219v6", 0x15be, PCH_I219),
	PCH("i219lm7", 0x15bb, PCH_I219), PCH("i219v7", 0x15bc, PCH_I219), PCH("i219lm8", 0x15df, PCH_I219),
	PCH("i219v8", 0x15e0, PCH_I219), PCH("i219lm9", 0x15e1, PCH_I219), PCH("i219v9", 0x15e2, PCH_I219),
	PCH("i219lm10", 0x0d4e, PCH_I219), PCH("i219v10", 0x0d4f, PCH_I219), PCH("i219lm11", 0x0d4c, PCH_I219),
	PCH("i219v11", 0x0d4d, PCH_I219), PCH("i219lm12", 0x0d53, PCH_I219), PCH("i219v12", 0x0d55, PCH_I219),
	PCH("i219lm13", 0x15fb, PCH_I219T), PCH("i219v13", 0x15fc, PCH_I219T), PCH("i219lm14", 0x15f9, PCH_I219T),
	PCH("i219v14", 0x15fa, PCH_I219T), PCH("i219lm15", 0x15f4, PCH_I219T), PCH("i219v15", 0x15f5, PCH_I219T),
	PCH("i219lm16", 0x1a1e, PCH_I219T), PCH("i219v16", 0x1a1f, PCH_I219T), PCH("i219lm17", 0x1a1c, PCH_I219T),
	PCH("i219v17", 0x1a1d, PCH_I219T), PCH("i219lm18", 0x550a, PCH_I219T), PCH("i219v18", 0x550b, PCH_I219T),
	PCH("i219lm19", 0x550c, PCH_I219T), PCH("i219v19", 0x550d, PCH_I219T), PCH("i219lm20", 0x550e, PCH_I219T),
	PCH("i219v20", 0x550f, PCH_I219T), PCH("i219lm21", 0x5510, PCH_I219T), PCH("i219v21", 0x5511, PCH_I219T),
	PCH("i219lm22", 0x0dc7, PCH_I219T), PCH("i219v22", 0x0dc8, PCH_I219T), PCH("i219lm23", 0x0dc5, PCH_I219T),
	PCH("i219v23", 0x0dc6, PCH_I219T),
};

static struct igc *of(struct model *m)
{
	return (struct igc *)((char *)m - offsetof(struct igc, m));
}

/* --- interrupts --- */

static bool lost(struct igc *c)
{
	if (!c->lose_irqs)
		return false;
	c->lose_irqs--;
	return true;
}

static bool by_vectors(const struct igc *c) { return igc_get(c, I_GPIE) & I_GPIE_MSIX; }

/*
 * Send the message of each enabled cause in EICR that has not been sent.  The message may acknowledge its cause, and mask it.
 */
static void tell_vectors(struct igc *c)
{
	uint32_t *eicr = igc_r(c, I_EICR), *eims = igc_r(c, I_EIMS), rose = *eicr & *eims & ~c->eicr_told;

	for (unsigned i = 0; i < IGC_VECTORS; i++)
		if ((rose & (1u << i)) && !lost(c))
			c->m.host.vector(c->m.host.ctx, i);
	*eicr &= ~(rose & igc_get(c, I_EIAC));
	if (igc_get(c, I_GPIE) & I_GPIE_EIAME)
		*eims &= ~(rose & igc_get(c, I_EIAM));
	c->eicr_told = *eicr & *eims;
}

static void vector_cause(struct igc *c, uint32_t entry)
{
	if (entry & 0x80)
		*igc_r(c, I_EICR) |= 1u << (entry & 31);
}

void igc_irq(struct igc *c)
{
	bool on = igc_get(c, I_ICR) & igc_get(c, I_IMS) & ~I_INT_ASSERTED, rose = on && !c->irq_told;

	if (by_vectors(c)) {
		c->irq_told = on;
		if (rose)
			vector_cause(c, igc_get(c, I_IVAR_MISC) >> 8 & 0xff);
		tell_vectors(c);
		return;
	}
	if (on == c->irq_told)
		return;
	/* If an interrupt is lost, its causes are, too: the next cause interrupts. */
	if (on && lost(c)) {
		*igc_r(c, I_ICR) &= ~igc_get(c, I_IMS);
		return;
	}
	c->irq_told = on;
	c->m.host.irq(c->m.host.ctx, on);
}

void igc_cause(struct igc *c, uint32_t bits)
{
	*igc_r(c, I_ICR) |= bits;
	igc_irq(c);
}

void igc_queue_cause(struct igc *c, unsigned queue, bool tx)
{
	if (!by_vectors(c)) {
		igc_cause(c, tx ? I_INT_TXDW : I_INT_RXDW);
		return;
	}
	vector_cause(c, igc_get(c, I_IVAR + 4 * (queue / 2)) >> (16 * (queue & 1) + (tx ? 8 : 0)) & 0xff);
	tell_vectors(c);
}

/* A read acknowledges: with NSICR always, else only if the cause has interrupted, or no cause is enabled. */
static uint32_t read_icr(struct igc *c)
{
	uint32_t icr = igc_get(c, I_ICR), asserted = icr & igc_get(c, I_IMS) ? I_INT_ASSERTED : 0;

	if ((igc_get(c, I_GPIE) & GPIE_NSICR) || asserted || !igc_get(c, I_IMS))
		*igc_r(c, I_ICR) = 0;
	if (asserted && (igc_get(c, I_CTRL_EXT) & CTRL_EXT_IAME))
		*igc_r(c, I_IMS) &= ~igc_get(c, I_IAM);
	igc_irq(c);
	return icr | asserted;
}

/* --- resets --- */

static void load_address(struct igc *c)
{
	if (c->no_autoload)
		return;
	memcpy(igc_r(c, I_RAL), c->mac, 4);
	*igc_r(c, I_RAH) = 0x80000000u | c->mac[4] | (uint32_t)c->mac[5] << 8;
}

/* The words of one port, with their sum. */
static void load_port(struct igc *c, uint16_t *words)
{
	uint16_t sum = 0;

	for (unsigned i = 0; i < 3; i++)
		words[i] = (uint16_t)(c->mac[2 * i] | c->mac[2 * i + 1] << 8);
	for (unsigned i = 0; i < 63; i++)
		sum = (uint16_t)(sum + words[i]);
	words[63] = (uint16_t)(NVM_SUM - sum);
}

/* An I350's four ports have theirs at 0, 80h, C0h and 100h. */
static void load_nvm(struct igc *c)
{
	/* PCH: the words say that they are valid, and have a sum */
	if (igc_is(c, IGC_PCH)) {
		c->nvm[0x03] = 0x0001;
		c->nvm[0x13] = 0x8000;
		c->nvm[0x19] = 0x0040;
	}
	load_port(c, c->nvm);
	for (unsigned at = 0x80; igc_is(c, IGC_I350) && at < IGC_NVM; at += 0x40)
		load_port(c, c->nvm + at);
}

static void reset_queues(struct igc *c)
{
	for (unsigned i = 0; i < IGC_QUEUES; i++)
		c->rx[i].on_us = c->tx[i].on_us = i ? MODEL_NEVER : 0;
	memset(c->context, 0, sizeof(c->context));
	c->busy = c->tx_stuck = c->dead = false;
}

/* Reset; registers that are not listed here are cleared. */
static void reset(struct igc *c, bool all)
{
	static const uint32_t stays[] = { I_PHPM, I_MDIC, I_SWSM, I_SW_FW_SYNC, I_RXPBS, I_TXPBS, I_EEER, I_IPCNFG };
	uint32_t kept[sizeof(stays) / sizeof(*stays)];
	size_t n = all ? 2 : sizeof(stays) / sizeof(*stays);
	uint32_t smbus = igc_get(c, I_CTRL_EXT) & 0x800;

	for (size_t i = 0; i < n; i++)
		kept[i] = igc_get(c, stays[i]);
	memset(c->r, 0, sizeof(c->r));
	*igc_r(c, I_RXPBS) = igc_is(c, IGC_I350) ? 0 : I_RXPBS_DEFAULT;
	*igc_r(c, I_TXPBS) = I_TXPBS_DEFAULT;
	*igc_r(c, I_EEER) = EEE_ON;
	*igc_r(c, I_IPCNFG) = EEE_OFFER;
	for (size_t i = 0; i < n; i++)
		*igc_r(c, stays[i]) = kept[i];
	load_address(c);
	reset_queues(c);
	c->resets++;
	c->reset_us = igc_now(c) + RESET_US;
	c->read_us = igc_now(c) + READ_US;
	c->eicr_told = 0;
	*igc_r(c, I_ICR) = all && !igc_is(c, IGC_PCH) ? I_INT_DRSTA : 0;
	if (igc_is(c, IGC_PCH))
		*igc_r(c, I_CTRL_EXT) = smbus;
	igc_irq(c);
}

static void bus_reset(struct model *m)
{
	struct igc *c = of(m);

	reset(c, true);
	*igc_r(c, I_SWSM) = c->swsm_left ? I_SWSM_SMBI : 0;
	if (c->pbs_left)
		*igc_r(c, I_RXPBS) = *igc_r(c, I_TXPBS) = PBS_SMALL;
	if (igc_is(c, IGC_PCH))
		pch_bus_reset(c);
	c->resets = 0;
}

static void power_on(struct model *m)
{
	struct igc *c = of(m);

	load_nvm(c);
	memset(c->r, 0, sizeof(c->r));
	igc_phy_power_on(c);
	bus_reset(m);
}

static void run(struct model *m)
{
	struct igc *c = of(m);

	if (igc_is(c, IGC_PCH))
		pch_run(c);
	m->wake_us = igc_phy_run(c);
	igc_send(c);
}

/* --- counters --- */

static void add(struct igc *c, uint32_t off, uint64_t n)
{
	uint64_t sum = igc_get(c, off) + (uint64_t)igc_get(c, off + 4) * 0x100000000u + n;

	*igc_r(c, off) = (uint32_t)sum;
	*igc_r(c, off + 4) = (uint32_t)(sum >> 32);
}

void igc_count(struct igc *c, bool out, const uint8_t *frame, size_t len)
{
	static const uint8_t all[6] = { 255, 255, 255, 255, 255, 255 };

	++*igc_r(c, out ? GPTC : GPRC);
	++*igc_r(c, out ? TPT : TPR);
	add(c, out ? GOTC : GORC, len + 4);
	add(c, out ? TOT : TOR, len + 4);
	if (!memcmp(frame, all, 6))
		++*igc_r(c, out ? BPTC : BPRC);
	else if (frame[0] & 1)
		++*igc_r(c, out ? MPTC : MPRC);
}

/* --- registers --- */

/* Older chips have 100h for each ring. */
static uint32_t ring_place(uint32_t off, uint32_t old, uint32_t to, unsigned rings)
{
	uint32_t reg = off % 0x100;

	return off >= old && off < old + 0x100 * rings && reg < 0x40 ? to + (off - old) / 0x100 * 0x40 + reg : off;
}

/* Return the offset of a register that also answers at an older chip's offset. */
static uint32_t place(const struct igc *c, uint32_t off)
{
	unsigned rings = igc_is(c, IGC_I225) ? 1 : IGC_QUEUES;

	switch (off) {
	case I_ICR_OLD: return I_ICR;
	case I_ICS_OLD: return I_ICS;
	case I_IMS_OLD: return I_IMS;
	case I_IMC_OLD: return I_IMC;
	case I_IAM_OLD: return I_IAM;
	case I_EERD_OLD: return igc_is(c, IGC_I210) || igc_is(c, IGC_I350) ? I_EERD : off;
	}
	off = ring_place(off, I_RX_OLD, I_RX, rings);
	return ring_place(off, I_TX_OLD, I_TX, rings);
}

/* Return the queue to which a register belongs; NULL: none of this kind. */
static struct igc_queue *queue_of(struct igc *c, uint32_t off, uint32_t kind)
{
	if (off >= I_RX && off < I_RX + 0x40 * IGC_QUEUES && (off & 0x3f) == kind)
		return &c->rx[(off - I_RX) / 0x40];
	if (off >= I_TX && off < I_TX + 0x40 * IGC_QUEUES && (off & 0x3f) == kind)
		return &c->tx[(off - I_TX) / 0x40];
	return NULL;
}

static uint32_t read_eecd(struct igc *c)
{
	return EECD_SIZE | (c->flash ? I_EECD_FLASH : 0) |
	       (!c->never_read && igc_now(c) >= c->read_us ? I_EECD_AUTO_RD : 0);
}

static uint32_t read_status(struct igc *c)
{
	uint32_t master = igc_master(c) || c->master_stuck ? I_STATUS_MASTER : 0;

	return igc_status(c) | master | (igc_is(c, IGC_PCH) ? pch_status(c) : 0);
}

/* A record of a word: its kind, its number, its value.  There are three, for the address. */
static uint32_t read_invm(const struct igc *c, unsigned i)
{
	return igc_is(c, IGC_I210) && !c->flash && i < 3 ? 1u | i << 9 | (uint32_t)c->nvm[i] << 16 : 0;
}

static uint32_t read_mdic(struct igc *c)
{
	return igc_get(c, I_MDIC) | (igc_now(c) >= c->mdic_us ? 0x10000000u : 0);
}

/* A read acquires the drivers' semaphore if it is free. */
static uint32_t read_swsm(struct igc *c)
{
	uint32_t v = igc_get(c, I_SWSM);

	*igc_r(c, I_SWSM) |= I_SWSM_SMBI;
	return v;
}

static uint32_t read_sync(struct igc *c)
{
	uint32_t v = igc_get(c, I_SW_FW_SYNC);

	if (!c->fw_has_phy)
		return v;
	c->fw_has_phy--;
	return v | I_SYNC_PHY << 16;
}

static uint32_t read_reg(struct model *m, unsigned bar, uint32_t off, unsigned width)
{
	struct igc *c = of(m);
	uint32_t v;

	if (c->gone)
		return ~0u;
	if (igc_is(c, IGC_PCH) && pch_read(c, bar, off, width, &v))
		return v;
	if (bar || off + width > I_SPACE)
		return 0;
	if (width != 4 || off % 4) {
		igc_broken(c, "%u bytes of register %05x read", width, off);
		return 0;
	}
	run(m);
	off = place(c, off);
	v = igc_get(c, off);
	if (off >= I_STATS && off < I_STATS_END) {
		*igc_r(c, off) = 0;
		return v;
	}
	if (off >= I_INVM && off < I_INVM_END)
		return read_invm(c, (off - I_INVM) / 4);
	if (queue_of(c, off, RING_DCTL) && !igc_is(c, IGC_PCH))
		return v | (igc_queue_on(c, queue_of(c, off, RING_DCTL)) ? I_DCTL_ENABLE : 0);
	switch (off) {
	case I_CTRL: return v | (c->reset_stuck || igc_now(c) < c->reset_us ? v & (I_CTRL_RST | I_CTRL_DEV_RST) : 0);
	case I_STATUS: return read_status(c);
	case I_EECD: return read_eecd(c);
	case I_MDIC: return read_mdic(c);
	case I_ICR: return read_icr(c);
	case I_IMC: case I_ICS: case I_EIMC: case I_EICS: return 0;
	case I_CFG_DONE: return igc_now(c) >= c->read_us ? I_CFG_DONE_PORT0 : 0;
	case I_SWSM: return read_swsm(c);
	case I_SW_FW_SYNC: return read_sync(c);
	}
	return v;
}

static void write_ctrl(struct igc *c, uint32_t v)
{
	uint32_t was = igc_get(c, I_CTRL);

	if (igc_is(c, IGC_PCH))
		pch_ctrl(c, was, v);
	if (v & (I_CTRL_RST | I_CTRL_DEV_RST)) {
		if ((igc_get(c, I_RCTL) | igc_get(c, I_TCTL)) & I_EN)
			igc_broken(c, "a reset with receiver or transmitter on");
		if (read_status(c) & I_STATUS_MASTER & ~(c->master_stuck ? I_STATUS_MASTER : 0))
			igc_broken(c, "a reset with bus requests allowed");
		if (c->reset_stuck)
			*igc_r(c, I_CTRL) = v;
		else
			reset(c, v & I_CTRL_DEV_RST);
		if (igc_is(c, IGC_PCH))
			pch_reset_done(c, v);
		return;
	}
	*igc_r(c, I_CTRL) = v;
	c->phy_in_reset = v & I_CTRL_PHY_RST;
	if ((was & ~v) & I_CTRL_PHY_RST)
		(igc_is(c, IGC_PCH) ? pch_phy_reset : igc_phy_reset)(c);
}

static void write_swsm(struct igc *c, uint32_t v)
{
	if ((v & I_SWSM_SWESMBI) && c->fw_has_swsm) {
		c->fw_has_swsm--;
		v &= ~I_SWSM_SWESMBI;
	}
	*igc_r(c, I_SWSM) = v & (I_SWSM_SMBI | I_SWSM_SWESMBI);
}

static void write_sync(struct igc *c, uint32_t v)
{
	if (!(igc_get(c, I_SWSM) & I_SWSM_SWESMBI))
		igc_broken(c, "SW_FW_SYNC %08x without SWESMBI", v);
	*igc_r(c, I_SW_FW_SYNC) = v & 0xffff;
}

static void write_eerd(struct igc *c, uint32_t v)
{
	unsigned word = v >> 2 & 0x3fff;

	bool there = word < IGC_NVM && (c->flash || igc_is(c, IGC_I225));

	if (v & EERD_START)
		*igc_r(c, I_EERD) = (v & 0xfffc) | EERD_DONE | (there ? (uint32_t)c->nvm[word] << 16 : 0xffff0000);
}

static void write_dctl(struct igc *c, struct igc_queue *q, uint32_t off, uint32_t v)
{
	bool on = v & I_DCTL_ENABLE;

	*igc_r(c, off) = v & ~I_DCTL_ENABLE;
	if (!on)
		q->on_us = MODEL_NEVER;
	else if (q->on_us == MODEL_NEVER && !c->queue_stuck)
		q->on_us = igc_now(c) + 10;
}

/* Report a change of a ring's registers while its queue is enabled. */
static void check_ring(struct igc *c, uint32_t off, uint32_t v)
{
	bool tx = off >= I_TX;
	uint32_t kind = off & 0x3f, ring = off - kind;
	struct igc_queue *q = tx ? &c->tx[(ring - I_TX) / 0x40] : &c->rx[(ring - I_RX) / 0x40];
	bool works = igc_queue_on(c, q) && (igc_get(c, tx ? I_TCTL : I_RCTL) & I_EN);

	if (works && (kind == RING_BAL || kind == RING_BAH || kind == RING_LEN || kind == RING_HEAD) && v != igc_get(c, off))
		igc_broken(c, "register %05x of a queue that works is set to %08x", off, v);
	if ((kind == RING_LEN && v % 128) || (kind == RING_BAL && v % 128))
		igc_broken(c, "register %05x: %08x is no multiple of 128", off, v);
	if (kind == RING_TAIL && v && v >= igc_get(c, ring + RING_LEN) / 16)
		igc_broken(c, "the tail %05x is %u, the ring's length %u", off, v, igc_get(c, ring + RING_LEN) / 16);
	if (kind == RING_TAIL && v && !igc_queue_on(c, q))
		igc_broken(c, "the tail %05x is %u before the queue is on", off, v);
}

static bool is_ring(uint32_t off)
{
	return (off >= I_RX && off < I_RX + 0x40 * IGC_QUEUES) || (off >= I_TX && off < I_TX + 0x40 * IGC_QUEUES);
}

static bool tail_lost(struct igc *c, uint32_t off)
{
	if (off < I_TX || (off & 0x3f) != RING_TAIL || !c->lose_tails)
		return false;
	c->lose_tails--;
	return true;
}

/* True if the write is handled here; false if the register only stores its value. */
static bool write_special(struct igc *c, uint32_t off, uint32_t v)
{
	switch (off) {
	case I_CTRL: write_ctrl(c, v); return true;
	case I_STATUS: case I_EECD: return true;
	case I_MDIC: igc_mdic(c, v); return true;
	case I_PHPM: *igc_r(c, off) = (igc_get(c, off) & 0x100) | (v & ~0x100u); return true;
	case I_ICR: *igc_r(c, off) &= ~v; return true;
	case I_ICS: *igc_r(c, I_ICR) |= v; return true;
	case I_IMS: *igc_r(c, off) |= v; return true;
	case I_IMC: *igc_r(c, I_IMS) &= ~v; return true;
	case I_EICR: *igc_r(c, off) &= ~v; c->eicr_told &= ~v; return true;
	case I_EICS: *igc_r(c, I_EICR) |= v; return true;
	case I_EIMS: *igc_r(c, off) |= v; return true;
	case I_EIMC: *igc_r(c, I_EIMS) &= ~v; c->eicr_told &= ~v; return true;
	case I_SWSM: write_swsm(c, v); return true;
	case I_SW_FW_SYNC: write_sync(c, v); return true;
	case I_EERD: write_eerd(c, v); return true;
	}
	return false;
}

static void write_reg(struct model *m, unsigned bar, uint32_t off, unsigned width, uint32_t value)
{
	struct igc *c = of(m);

	if (c->gone)
		return;
	if (igc_is(c, IGC_PCH) && pch_write(c, bar, off, width, value)) {
		run(m);
		return;
	}
	if (bar || off + width > I_SPACE)
		return;
	if (width != 4 || off % 4) {
		igc_broken(c, "%u bytes of register %05x written", width, off);
		return;
	}
	off = place(c, off);
	if (is_ring(off))
		check_ring(c, off, value);
	if (queue_of(c, off, RING_DCTL) && !igc_is(c, IGC_PCH))
		write_dctl(c, queue_of(c, off, RING_DCTL), off, value);
	else if (!tail_lost(c, off) && !write_special(c, off, value))
		*igc_r(c, off) = value;
	igc_irq(c);
	run(m);
}

static void receive(struct model *m, const uint8_t *frame, size_t len)
{
	igc_receive(of(m), frame, len);
}

static bool paused(struct model *m)
{
	return igc_rx_full(of(m));
}

/* --- options --- */

static bool set(struct model *m, const char *name, const char *value)
{
	static const struct model_option options[] = {
		MODEL_SWITCH(igc, "flash", flash, ~0u), MODEL_SWITCH(igc, "phy-off", phy_off, ~0u),
		MODEL_SWITCH(igc, "half", partner_half, ~0u), MODEL_SWITCH(igc, "reset-stuck", reset_stuck, ~0u),
		MODEL_SWITCH(igc, "gone", gone, ~0u), MODEL_SWITCH(igc, "tx-hang", tx_hang, ~0u),
		MODEL_SWITCH(igc, "tx-stuck", tx_stuck, ~0u), MODEL_SWITCH(igc, "swsm-left", swsm_left, ~0u),
		MODEL_SWITCH(igc, "pbs-left", pbs_left, ~0u), MODEL_SWITCH(igc, "me", pch.me, ~0u),
		MODEL_SWITCH(igc, "me-blocks", pch.me_blocks, ~0u), MODEL_SWITCH(igc, "ulp-left", pch.ulp_left, ~0u),
		MODEL_SWITCH(igc, "phy-lost", pch.phy_lost, ~0u), MODEL_SWITCH(igc, "lplu-left", pch.lplu_left, ~0u),
		MODEL_NUMBER(igc, "engine-us", pch.engine_us, 100000u), MODEL_SWITCH(igc, "pll-unset", pll_unset, ~0u),
		MODEL_NUMBER(igc, "mbps", mbps, ~0u), MODEL_NUMBER(igc, "lose-irqs", lose_irqs, ~0u),
		MODEL_NUMBER(igc, "lose-tails", lose_tails, ~0u), MODEL_NUMBER(igc, "fw-has-phy", fw_has_phy, ~0u),
	};
	struct igc *c = of(m);
	unsigned n;

	if (!strcmp(name, "mac"))
		return model_mac(value, c->mac);
	if (!model_number(value, &n))
		return false;
	if (!strcmp(name, "link"))
		igc_cable(c, n);
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

static void make_pch(struct igc *c)
{
	c->m.pci = (struct model_pci) {
		.vendor = 0x8086, .device = c->chip->device, .subsys_vendor = 0x8086, .subsys = 0x0000,
		.revision = c->chip->revision, .class_code = 0x020000, .msi = true,
		.bar = { [0] = { .size = I_SPACE }, [1] = { .size = c->chip->pch >= PCH_I219 ? 0 : 4096 } },
	};
}

static void make_pci(struct igc *c)
{
	c->m.pci = (struct model_pci) {
		.vendor = 0x8086, .device = c->chip->device, .subsys_vendor = 0x8086, .subsys = 0x0000,
		.revision = c->chip->revision, .class_code = 0x020000, .msi = true, .pcie = true,
		.msix_vectors = IGC_VECTORS, .msix_bar = 3,
		.bar = { [0] = { .size = igc_is(c, IGC_I225) ? 1u << 20 : I_SPACE }, [3] = { .size = 16384 } },
	};
}

bool igc_init(struct igc *c, const char *chip)
{
	static const uint8_t mac[6] = { 0x52, 0x54, 0x00, 0x02, 0x25, 0x01 };

	memset(c, 0, sizeof(*c));
	for (size_t i = 0; i < sizeof(chips) / sizeof(*chips); i++)
		if (!strcmp(chip, chips[i].name))
			c->chip = &chips[i];
	if (!c->chip)
		return false;
	c->m.ops = &ops;
	c->m.wake_us = MODEL_NEVER;
	c->cable = true;
	c->mbps = igc_is(c, IGC_I225) ? 2500 : 1000;
	c->flash = c->chip->flash;
	c->autoneg_us = 2000;
	memcpy(c->mac, mac, 6);
	if (igc_is(c, IGC_PCH))
		make_pch(c);
	else
		make_pci(c);
	return true;
}

struct model *model_igc(const char *chip)
{
	static struct igc c;

	return igc_init(&c, chip) ? &c.m : NULL;
}
