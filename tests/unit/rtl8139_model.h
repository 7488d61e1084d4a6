/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A model of the RTL8139 in classic mode, from the datasheet: registers, the four transmit descriptors in their order, the
 * receive ring with WRAP, the timer, the line.  The model fails the test on an access that the datasheet forbids.
 */
#ifndef RTL8139_MODEL_H
#define RTL8139_MODEL_H

#include <string.h>
#include <veneer/hwdev.h>
#include <veneer/nic.h>
#include "host/host.h"
#include "hw/nic/rtl8139/rtl8139.h"

#define MAX_SENT	256
#define CLOCKS_PER_US	33u

struct sent {
	uint32_t len;
	uint8_t data[1792];
};

struct chip {
	/* which chip */
	uint32_t version;
	bool cplus_stays;		/* a reset leaves C+ mode on */
	bool emulated;			/* each write to RCR sets the receive pointers back */
	uint8_t eeprom_mac[6];
	bool link, slow, partner_half, partner_mute;
	/* faults */
	bool reset_stuck, gone, autoload_stuck, tx_hang, tx_stuck, tx_lost_irq;	/* tx_stuck: until a reset */
	unsigned aborts;		/* the next attempts to send that end with too many collisions */
	bool underrun;			/* underrun while the threshold is below half a KiB */
	uint16_t bad_status, bad_len;	/* if not 0: for the next frame's header */
	/* state */
	uint8_t r[RTL_REG_SPACE];
	uint32_t rx_w, rx_r;
	unsigned tx_at;
	bool tx_standing;		/* transmission aborted: waits for CLRABT */
	bool full;			/* the receive buffer has overflowed */
	uint64_t timer_zero;
	bool timer_fired;
	bool line, low_seen, sleeping;
	/* seen */
	unsigned resets, edges, retries, restarts, missed, tsd_writes, autoloads, cpcr_writes;
	struct sent sent[MAX_SENT];
	unsigned nsent;
	struct pci_dev *pci;
	uint8_t *cfg;
};

static uint32_t chip_get(const struct chip *c, uint32_t off, unsigned width)
{
	uint32_t v = 0;

	for (unsigned i = 0; i < width; i++)
		v |= (uint32_t)c->r[off + i] << (8 * i);
	return v;
}

static void chip_put(struct chip *c, uint32_t off, unsigned width, uint32_t v)
{
	for (unsigned i = 0; i < width; i++)
		c->r[off + i] = (uint8_t)(v >> (8 * i));
}

static bool chip_master(const struct chip *c)
{
	return c->cfg[PCI_COMMAND] & PCI_CMD_MASTER;
}

static void chip_irq(struct chip *c)
{
	bool on = chip_get(c, RTL_ISR, 2) & chip_get(c, RTL_IMR, 2);

	/* An I/O APIC detects an edge only if the line was low long enough: until the next access to the chip. */
	if (on && !c->line)
		c->edges += c->low_seen;
	if (on || c->line)
		c->low_seen = false;
	c->line = on;
}

static void chip_cause(struct chip *c, uint16_t bits)
{
	chip_put(c, RTL_ISR, 2, chip_get(c, RTL_ISR, 2) | bits);
	chip_irq(c);
}

static void chip_time(struct chip *c)
{
	uint32_t until = chip_get(c, RTL_TIMERINT, 4);

	if (!until || c->timer_fired || (host_now_us - c->timer_zero) * CLOCKS_PER_US < until)
		return;
	c->timer_fired = true;
	chip_cause(c, INT_TIMEOUT);
}

static void chip_rx_zero(struct chip *c)
{
	c->rx_w = c->rx_r = 0;
	c->full = false;
	chip_put(c, RTL_CAPR, 2, 0xfff0);
}

/* Reset the chip; IDR and MAR stay. */
static void chip_reset(struct chip *c)
{
	uint32_t cpcr = c->cplus_stays ? chip_get(c, RTL_CPCR, 2) : 0;

	memset(c->r + RTL_TSD(0), 0, RTL_REG_SPACE - RTL_TSD(0));
	chip_put(c, RTL_CPCR, 2, cpcr);
	for (unsigned i = 0; i < RTL_TX_SLOTS; i++)
		chip_put(c, RTL_TSD(i), 4, TSD_OWN);
	chip_put(c, RTL_MULINT, 2, 0x0fff);
	chip_put(c, RTL_BMCR, 2, BMCR_ANE);
	chip_put(c, RTL_ANAR, 2, AN_100_FULL | AN_100_HALF | AN_10_FULL | 0x21);
	chip_rx_zero(c);
	c->tx_at = 0;
	c->tx_standing = c->tx_stuck = false;
	c->timer_fired = false;
	c->resets++;
	chip_irq(c);
}

/* --- transmit --- */

static void chip_send_one(struct chip *c, uint32_t tsd)
{
	struct sent *s = &c->sent[c->nsent < MAX_SENT ? c->nsent++ : MAX_SENT - 1];

	s->len = tsd & TSD_SIZE;
	memcpy(s->data, (void *)(uintptr_t)chip_get(c, RTL_TSAD(c->tx_at), 4), s->len);
}

static void chip_send(struct chip *c)
{
	uint16_t causes = 0;

	while (!c->tx_standing && chip_master(c) && (c->r[RTL_CR] & CR_TE) && !c->tx_hang && !c->tx_stuck && c->link) {
		uint32_t tsd = chip_get(c, RTL_TSD(c->tx_at), 4), end = TSD_OWN;

		if (tsd & TSD_OWN)
			break;
		if (c->aborts) {
			c->aborts--;
			c->tx_standing = true;
			end |= TSD_TABT;
			causes |= INT_TER;
		} else if (c->underrun && FIELD_GET(TSD_ERTXTH, tsd) < 16) {
			end |= TSD_TUN;
			causes |= INT_TER;
		} else {
			chip_send_one(c, tsd);
			end |= TSD_TOK;
			causes |= INT_TOK;
		}
		chip_put(c, RTL_TSD(c->tx_at), 4, tsd | end);
		if (!c->tx_standing)
			c->tx_at = (c->tx_at + 1) % RTL_TX_SLOTS;
	}
	if (causes && !c->tx_lost_irq)
		chip_cause(c, causes);
}

static void chip_tsd(struct chip *c, unsigned n, uint32_t v)
{
	uint32_t addr = chip_get(c, RTL_TSAD(n), 4);

	if (!(chip_get(c, RTL_TSD(n), 4) & TSD_OWN))
		host_fail(__FILE__, __LINE__, "TSD%u written while it is the chip's", n);
	if ((v & TSD_OWN) || (v & TSD_SIZE) < 60 || (v & TSD_SIZE) > 1792 || (addr & 3) || !addr)
		host_fail(__FILE__, __LINE__, "TSD%u %08x, TSAD %08x", n, v, addr);
	if (!(c->r[RTL_CR] & CR_TE))
		host_fail(__FILE__, __LINE__, "TSD%u written with the transmitter off", n);
	c->tsd_writes++;
	chip_put(c, RTL_TSD(n), 4, v);
	chip_send(c);
}

/* --- receive --- */

/* Written independently of the driver: the first six bits of the CRC, in the order of the wire. */
static unsigned chip_hash(const uint8_t *mac)
{
	uint32_t crc = ~0u;
	unsigned h = 0;

	for (unsigned i = 0; i < 6; i++) {
		crc ^= mac[i];
		for (unsigned k = 0; k < 8; k++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	for (unsigned i = 0; i < 6; i++)
		h |= (crc >> i & 1) << (5 - i);
	return h;
}

static bool chip_accepts(struct chip *c, const uint8_t *f)
{
	static const uint8_t bcast[6] = { 255, 255, 255, 255, 255, 255 };
	uint32_t rcr = chip_get(c, RTL_RCR, 4);

	if (!memcmp(f, bcast, 6))
		return rcr & RCR_AB;
	if (f[0] & 1) {
		unsigned h = chip_hash(f);

		return (rcr & RCR_AM) && (c->r[RTL_MAR + h / 8] & BIT(h % 8));
	}
	return (rcr & RCR_AAP) || ((rcr & RCR_APM) && !memcmp(f, c->r + RTL_IDR, 6));
}

/* Receive a frame from the wire.  True if the chip wrote it to memory. */
static inline bool chip_receive(struct chip *c, const void *frame, uint32_t len)
{
	uint32_t rcr = chip_get(c, RTL_RCR, 4), size = 8192u << FIELD_GET(RCR_RBLEN, rcr);
	uint32_t total = ALIGN_UP(RX_HEADER + len + RTL_FCS, 4u), used = (c->rx_w + size - c->rx_r) % size;
	uint8_t *at = (uint8_t *)(uintptr_t)(chip_get(c, RTL_RBSTART, 4)) + c->rx_w;
	uint16_t header[2] = { RX_ROK, (uint16_t)(len + RTL_FCS) };

	if (!(c->r[RTL_CR] & CR_RE) || !chip_master(c) || !chip_accepts(c, frame))
		return false;
	if (!(rcr & RCR_WRAP) || (rcr & (RCR_AER | RCR_AR)))
		host_fail(__FILE__, __LINE__, "RCR %08x", rcr);
	if (used + total >= size - 16) {
		c->missed++;
		c->full = true;
		chip_cause(c, INT_RXOVW | INT_FOVW);
		return false;
	}
	if (c->bad_status || c->bad_len) {
		header[0] = c->bad_status;
		header[1] = c->bad_len;
		c->bad_status = c->bad_len = 0;
	}
	memcpy(at, header, sizeof(header));
	memcpy(at + RX_HEADER, frame, len);
	memset(at + RX_HEADER + len, 0xfc, RTL_FCS);
	c->rx_w = (c->rx_w + total) % size;
	chip_cause(c, INT_ROK);
	return true;
}

static void chip_capr(struct chip *c, uint16_t v)
{
	uint32_t size = 8192u << FIELD_GET(RCR_RBLEN, chip_get(c, RTL_RCR, 4)), to = (uint16_t)(v + 16u) % size;
	uint32_t used = (c->rx_w + size - c->rx_r) % size;

	if ((v & 3) || (to + size - c->rx_r) % size > used)
		host_fail(__FILE__, __LINE__, "CAPR %04x: from %#x, written up to %#x", v, c->rx_r, c->rx_w);
	if (c->rx_r == c->rx_w)
		chip_cause(c, INT_PUN);
	c->rx_r = to;
	if (used != (c->rx_w + size - to) % size)
		c->full = false;
	chip_put(c, RTL_CAPR, 2, v);
}

static inline void chip_link(struct chip *c, bool up) { c->link = up; chip_cause(c, INT_PUN); chip_send(c); }

/* --- registers --- */

static unsigned chip_width(uint32_t off)
{
	switch (off) {
	case RTL_CR: case RTL_9346CR: case RTL_CONFIG1: case RTL_MSR: case RTL_HLTCLK:
		return 1;
	case RTL_CAPR: case RTL_CBR: case RTL_IMR: case RTL_ISR: case RTL_MULINT: case RTL_BMCR: case RTL_BMSR: case RTL_ANAR:
	case RTL_ANLPAR: case RTL_CPCR:
		return 2;
	}
	return 4;
}

static uint64_t chip_read(void *ctx, uint32_t off, unsigned width)
{
	struct chip *c = ctx;

	if (c->gone)
		return ~0ull;
	if (width != chip_width(off) && off >= RTL_TSD(0))
		host_fail(__FILE__, __LINE__, "register %#x read by %u bytes", off, width);
	c->low_seen |= !c->line;
	chip_time(c);
	switch (off) {
	case RTL_CR:
		return c->r[RTL_CR] | (c->rx_r == c->rx_w ? CR_BUFE : 0);
	case RTL_CBR:
		return c->rx_w;
	case RTL_TCR:
		return chip_get(c, RTL_TCR, 4) | c->version;
	case RTL_MSR:
		return (c->link ? 0 : MSR_LINKB) | (c->slow ? MSR_SPEED_10 : 0);
	case RTL_BMSR:
		return c->link && !c->partner_mute ? BMSR_AN_DONE | 4 : 0;
	case RTL_ANLPAR:
		return c->partner_mute ? 0 : c->partner_half ? AN_100_HALF : c->slow ? AN_10_FULL : AN_100_FULL | AN_100_HALF;
	}
	return chip_get(c, off, width);
}

static void chip_write_cr(struct chip *c, uint8_t v)
{
	if (v & CR_RST) {
		if (c->reset_stuck)
			c->r[RTL_CR] |= CR_RST;
		else
			chip_reset(c);
		return;
	}
	if ((v & CR_RE) && !(c->r[RTL_CR] & CR_RE) && !c->emulated) {
		chip_rx_zero(c);
		c->restarts++;
	}
	c->r[RTL_CR] = v & (CR_RE | CR_TE);
	chip_send(c);
}

static void chip_9346(struct chip *c, uint8_t v)
{
	c->r[RTL_9346CR] = v;
	if (FIELD_GET(EEM, v) != EEM_AUTOLOAD || c->autoload_stuck)
		return;
	c->autoloads++;
	memcpy(c->r + RTL_IDR, c->eeprom_mac, 6);
	c->r[RTL_9346CR] = 0;
}

static void chip_rcr(struct chip *c, uint32_t v)
{
	if (!(c->r[RTL_CR] & CR_RE))
		host_fail(__FILE__, __LINE__, "RCR written with the receiver off: its thresholds are not taken");
	chip_put(c, RTL_RCR, 4, v);
	if (c->emulated) {
		chip_rx_zero(c);
		c->restarts++;
	} else if (c->rx_w) {
		host_fail(__FILE__, __LINE__, "RCR written while frames arrive");
	}
}

static void chip_tcr(struct chip *c, uint32_t v)
{
	if (!(c->r[RTL_CR] & CR_TE))
		host_fail(__FILE__, __LINE__, "TCR written with the transmitter off");
	if ((v & TCR_CLRABT) && !c->tx_standing)
		host_fail(__FILE__, __LINE__, "CLRABT without an abort");
	chip_put(c, RTL_TCR, 4, v & ~(TCR_CLRABT | TCR_HWVER));
	if (v & TCR_CLRABT) {
		c->retries++;
		c->tx_standing = false;
		chip_put(c, RTL_TSD(c->tx_at), 4, chip_get(c, RTL_TSD(c->tx_at), 4) & ~(TSD_OWN | TSD_TABT));
		chip_send(c);
	}
}

static void chip_isr(struct chip *c, uint16_t v)
{
	chip_put(c, RTL_ISR, 2, chip_get(c, RTL_ISR, 2) & (uint16_t)~v);
	if (c->full)
		chip_put(c, RTL_ISR, 2, chip_get(c, RTL_ISR, 2) | INT_RXOVW | INT_FOVW);
	chip_irq(c);
}

static void chip_write(void *ctx, uint32_t off, unsigned width, uint64_t value)
{
	struct chip *c = ctx;
	uint32_t v = (uint32_t)value;

	if (width != chip_width(off))
		host_fail(__FILE__, __LINE__, "register %#x written by %u bytes", off, width);
	c->low_seen |= !c->line;
	chip_time(c);
	if ((off < RTL_MAR || off == RTL_CONFIG1) && FIELD_GET(EEM, c->r[RTL_9346CR]) != EEM_CONFIG)
		host_fail(__FILE__, __LINE__, "register %#x written while locked", off);
	if (off >= RTL_TSD(0) && off < RTL_TSD(RTL_TX_SLOTS)) {
		chip_tsd(c, (off - RTL_TSD(0)) / 4, v);
		return;
	}
	switch (off) {
	case RTL_CR: chip_write_cr(c, (uint8_t)v); return;
	case RTL_RCR: chip_rcr(c, v); return;
	case RTL_TCR: chip_tcr(c, v); return;
	case RTL_ISR: chip_isr(c, (uint16_t)v); return;
	case RTL_CAPR: chip_capr(c, (uint16_t)v); return;
	case RTL_9346CR: chip_9346(c, (uint8_t)v); return;
	case RTL_TCTR: c->timer_zero = host_now_us; c->timer_fired = false; return;
	case RTL_CPCR: c->cpcr_writes++; break;
	case RTL_HLTCLK: c->sleeping = v != HLTCLK_RUN; return;
	}
	chip_put(c, off, width, v);
	if (off == RTL_IMR)
		chip_irq(c);
}

static const struct host_model chip_model = { chip_read, chip_write };

#endif
