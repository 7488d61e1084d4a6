/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A model of Intel's gigabit NICs at the level of registers and descriptors in memory, as strict as the datasheets: the model
 * prefetches receive descriptors and drops them only in a reset, acknowledges causes as the family does, and fails the test on
 * an access that would hang or corrupt silicon.
 */
#ifndef INTEL_MODEL_H
#define INTEL_MODEL_H

#include <string.h>
#include <veneer/hwdev.h>
#include <veneer/nic.h>
#include "host/host.h"
#include "hw/nic/intel/igb_regs.h"
#include "hw/nic/intel/intel.h"

#define CHIP_SPACE	0x20000
#define PREFETCH	8u
#define MAX_SENT	1024

struct sent {
	uint32_t len;
	uint8_t data[NIC_FRAME_JUMBO + 64];
};

struct chip {
	/* which chip */
	bool pcie, pch, needs_mdio, eerd_old, boundary, io_reset, dup_reset;
	bool igb, i210, vfta_drops, never_says_read;
	uint8_t nvm_mac[6];
	uint16_t phy[3][32];			/* index: PHY address; paged has the registers of the pages */
	uint16_t paged[1024][32];
	/* faults */
	bool reset_stuck, master_stuck, no_autoload, eerd_dead, tx_hang, tx_lost_irq, mdic_dead, swflag_denied, gone;
	bool tx_stuck;				/* the transmitter stands until a reset */
	unsigned lose_tails;			/* the next writes of a tail to drop */
	unsigned mdio_refusals;			/* requests for the MDIO bus that firmware refuses */
	bool smbi_left, fw_keeps_swsm, queue_stuck;	/* igb */
	unsigned port;				/* igb: 0 or 1 */
	unsigned fw_has_phy;			/* igb: reads of SW_FW_SYNC until firmware releases the PHY */
	bool engine_busy;			/* for 10 us after each write the management engine accesses the registers */
	uint64_t engine_until;
	uint64_t rx_status;			/* status bits to add to each frame */
	uint32_t rx_claim;			/* if not 0, the length in the descriptor */
	bool rx_no_eop;
	bool jumbo;				/* the client has asked for long frames */
	unsigned rx_stop;			/* if not 0, a frame stops after so many buffers, until chip_receive_rest() */
	bool link, half;
	unsigned speed;
	/* state */
	uint32_t r[CHIP_SPACE / 4];
	uint64_t quiet_until;			/* a register access before this time fails the test */
	uint64_t cache[PREFETCH];
	unsigned ncached;
	uint8_t rest[16384];			/* the frame that has stopped */
	uint32_t rest_len, rest_at;
	uint32_t msi_pending, ioaddr, eerd;
	bool line, low_seen;
	uint64_t context, context1;
	uint8_t frame[NIC_TSO_MAX];
	uint32_t frame_len, first_len;
	uint32_t frame_cmd;			/* of the frame's first descriptor, as INTEL_TX_ bits */
	uint32_t frame_pay;			/* igb: PAYLEN */
	unsigned rx_looks, tx_looks;		/* igb: reads until the queue's enable bit is 1 */
	bool at_once;				/* DD is written within the write of the tail, as QEMU's chips do */
	bool timers;				/* frames with IDE interrupt by chip_late(), else at once */
	uint32_t lose;				/* the message of the next one of these causes is lost */
	bool tx_late;				/* all frames of this batch have IDE */
	uint64_t late_us;			/* the time of the late interrupt; 0: none */
	uint32_t written;			/* DD is written up to this descriptor */
	uint32_t vfta_last;
	unsigned vfta_count;
	bool after_tso;
	/* seen */
	unsigned resets, phy_resets, edges, msis, tdt_writes, rdt_writes, contexts, missed, descs, ulp_asked;
	uint64_t ulp_until;
	struct sent sent[MAX_SENT];
	unsigned nsent;
	struct pci_dev *pci;
	uint8_t *cfg;
	uint64_t bar;
};

static uint32_t *chip_reg(struct chip *c, uint32_t off) { return &c->r[off / 4]; }
#define R(off) (*chip_reg(c, off))

static bool chip_master(struct chip *c)
{
	return (c->cfg[PCI_COMMAND] & PCI_CMD_MASTER) && !(c->pcie && (R(REG_CTRL) & CTRL_GIO_MASTER_OFF));
}

static void chip_irq(struct chip *c)
{
	uint32_t causes = R(REG_ICR) & R(REG_IMS), lost = causes & c->lose;

	if (lost) {
		c->lose &= ~lost;
		c->msi_pending |= causes;
		c->line = c->line || !c->pcie;
		return;
	}

	if (c->pcie) {
		c->msi_pending &= causes;
		if (causes & ~c->msi_pending)
			c->msis++;
		c->msi_pending |= causes;
	} else {
		/* An I/O APIC detects an edge only if the line was low long enough: until the next access to the chip. */
		if (causes && !c->line)
			c->edges += c->low_seen;
		if (causes || c->line)
			c->low_seen = false;
		c->line = causes;
	}
}

static void chip_cause(struct chip *c, uint32_t bits) { R(REG_ICR) |= bits; chip_irq(c); }

static void chip_reset(struct chip *c)
{
	uint32_t ext = R(REG_CTRL_EXT) & CTRL_EXT_FORCE_SMBUS, fwsm = R(REG_FWSM), swsm = R(REG_SWSM), sync = R(REG_SW_FW_SYNC);

	if (c->needs_mdio && !(R(REG_EXTCNF_CTRL) & EXTCNF_SWFLAG))
		host_fail(__FILE__, __LINE__, "reset of an 82574 without MDIO ownership");
	if (c->pch && !c->swflag_denied && !(R(REG_EXTCNF_CTRL) & EXTCNF_SWFLAG))
		host_fail(__FILE__, __LINE__, "reset of a PCH NIC without the software flag");
	if (pci_read16(c->pci, PCI_DESC_RING_STATUS) & DESC_RING_FLUSH)
		host_fail(__FILE__, __LINE__, "reset of an I219 with descriptors stuck");
	if (R(REG_CTRL) & CTRL_PHY_RST)
		host_fail(__FILE__, __LINE__, "the PHY is still held in reset");
	memset(c->r, 0, sizeof(c->r));
	R(REG_CTRL_EXT) = ext;
	R(REG_FWSM) = fwsm;
	R(REG_EECD) = c->never_says_read ? 0 : EECD_AUTO_RD;
	if (c->igb) {
		R(REG_SWSM) = swsm;
		R(REG_SW_FW_SYNC) = sync;
		R(REG_RXDCTL) = R(REG_TXDCTL) = DCTL_ENABLE;
		R(REG_RLPML) = 0x2600;
		R(REG_CTRL_EXT) |= CTRL_EXT_EXT_VLAN;	/* an EEPROM may set this */
	}
	if (!c->no_autoload) {
		memcpy(chip_reg(c, REG_RAL(0)), c->nvm_mac, 4);
		R(REG_RAH(0)) = c->nvm_mac[4] | c->nvm_mac[5] << 8 | RAH_AV;
	}
	c->ncached = 0;
	c->msi_pending = 0;
	c->line = false;
	c->frame_len = 0;
	c->tx_stuck = false;
	c->context = c->context1 = 0;
	c->written = 0;
	c->late_us = 0;
	c->resets++;
	if (c->pch)
		c->quiet_until = host_now_us + 20000;
}

static struct intel_desc *chip_desc(struct chip *c, uint32_t base, uint32_t index)
{
	uint64_t ring = R(base) | (uint64_t)R(base + 4) << 32;
	uint32_t len = R(base + 8);

	if ((ring & 15) || (len & 127) || !len || index >= len / 16)
		host_fail(__FILE__, __LINE__, "ring base %#llx length %u index %u", (unsigned long long)ring, len, index);
	return (struct intel_desc *)(uintptr_t)(ring + 16ull * index);
}

static uint32_t chip_next(struct chip *c, uint32_t base, uint32_t i) { return (i + 1) % (R(base + 8) / 16); }

static void chip_cross(struct chip *c, uint64_t addr, uint32_t len)
{
	if (c->boundary && (addr >> 16) != ((addr + len - 1) >> 16))
		host_fail(__FILE__, __LINE__, "%u bytes at %#llx cross 64 KiB", len, (unsigned long long)addr);
}

static void chip_sum(uint8_t *f, uint32_t from, uint32_t to, uint32_t at)
{
	uint32_t sum = 0;

	for (uint32_t i = from; i < to; i++)
		sum += (i - from) & 1 ? f[i] : f[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	f[at] = (uint8_t)(~sum >> 8);
	f[at + 1] = (uint8_t)~sum;
}

/* The contents of a context, in either format. */
struct offload {
	uint32_t hdr, mss, pay, ip, tcp, sum_at;
	bool v4, good;
};

static struct offload chip_offload(struct chip *c)
{
	uint64_t a = c->context, b = c->context1;
	uint32_t mac = FIELD_GET(ATXC_MACLEN, a), tcp = mac + FIELD_GET(ATXC_IPLEN, a);
	bool is_tcp = FIELD_GET(ATXC_L4T, b) == ATXC_L4T_TCP;

	if (!c->igb)
		return (struct offload) { FIELD_GET(TXC_HDRLEN, b), FIELD_GET(TXC_MSS, b), FIELD_GET(TXD_LENGTH, b),
			FIELD_GET(TXC_IPCSS, a), FIELD_GET(TXC_TUCSS, a), FIELD_GET(TXC_TUCSO, a), b & TXD_TUCMD_IP,
			(b & TXD_TSE) && (b & TXD_TUCMD_TCP) && FIELD_GET(TXC_TUCSO, a) == FIELD_GET(TXC_TUCSS, a) + 16 &&
			(!(b & TXD_TUCMD_IP) || FIELD_GET(TXC_IPCSE, a) == FIELD_GET(TXC_TUCSS, a) - 1) };
	return (struct offload) { tcp + FIELD_GET(ATXC_L4LEN, b), FIELD_GET(ATXC_MSS, b), c->frame_pay, mac, tcp,
		tcp + (is_tcp ? 16 : 6), b & ATXC_IPV4, is_tcp };
}

static void chip_csum(struct chip *c)
{
	struct offload o = chip_offload(c);

	if ((!c->igb && FIELD_GET(TXC_TUCSE, c->context)) || o.sum_at + 2 > c->frame_len || (c->igb && !c->context1))
		host_fail(__FILE__, __LINE__, "checksum context %#llx", (unsigned long long)c->context);
	chip_sum(c->frame, o.tcp, c->frame_len, o.sum_at);
}

static void chip_record(struct chip *c, const uint8_t *f, uint32_t len)
{
	if (c->nsent == MAX_SENT)
		return;
	c->sent[c->nsent].len = len;
	memcpy(c->sent[c->nsent++].data, f, MIN(len, sizeof(c->sent[0].data)));
}

static void chip_add16(uint8_t *p, uint32_t n)
{
	n += (uint32_t)(p[0] << 8 | p[1]);
	n = (n & 0xffff) + (n >> 16);
	p[0] = (uint8_t)(n >> 8);
	p[1] = (uint8_t)n;
}

/* Segment a frame: 8254x SDM 3.5, 82574 datasheet 7.3, 82576 datasheet 7.2.4. */
static void chip_cut(struct chip *c)
{
	struct offload o = chip_offload(c);
	uint32_t hdr = o.hdr, mss = o.mss, pay = o.pay, ip = o.ip, tcp = o.tcp, sum_at = o.sum_at;
	bool v4 = o.v4;
	uint8_t f[NIC_FRAME_JUMBO];

	if (!o.good || !(c->frame_cmd & INTEL_TX_CSUM) ||
	    v4 != !!(c->frame_cmd & INTEL_TX_IPSUM) || hdr + pay != c->frame_len || c->first_len < MIN(hdr + 4, c->frame_len) ||
	    hdr + mss > sizeof(f))
		host_fail(__FILE__, __LINE__, "segmentation context %#llx %#llx, %u bytes, the first piece %u",
			  (unsigned long long)c->context, (unsigned long long)c->context1, c->frame_len, c->first_len);
	for (uint32_t off = 0, i = 0; off < pay; off += mss, i++) {
		uint32_t n = MIN(mss, pay - off), len = hdr + n, seq;

		memcpy(f, c->frame, hdr);
		memcpy(f + hdr, c->frame + hdr + off, n);
		if (v4) {
			chip_add16(f + ip + 2, len - ip);
			f[ip + 4] = (uint8_t)(((c->frame[ip + 4] << 8 | c->frame[ip + 5]) + i) >> 8);
			f[ip + 5] = (uint8_t)(c->frame[ip + 5] + i);
			chip_sum(f, ip, tcp, ip + 10);
		} else {
			chip_add16(f + ip + 4, len - ip - 40);
		}
		seq = ((uint32_t)f[tcp + 4] << 24 | f[tcp + 5] << 16 | f[tcp + 6] << 8 | f[tcp + 7]) + off;
		for (unsigned k = 0; k < 4; k++)
			f[tcp + 4 + k] = (uint8_t)(seq >> (24 - 8 * k));
		if (off + n < pay)
			f[tcp + 13] &= (uint8_t)~9;
		chip_add16(f + sum_at, len - tcp);
		chip_sum(f, tcp, len, sum_at);
		chip_record(c, f, len);
	}
}

/* Check the workaround of the errata: a last piece that is too long would be written back before it is read. */
static void chip_sentinel(struct chip *c, uint32_t len)
{
	bool tso = c->frame_cmd & INTEL_TX_TSE;

	if (!c->pcie && (tso || c->after_tso) && len > 8)
		host_fail(__FILE__, __LINE__, "the last piece has %u bytes", len);
	c->after_tso = tso;
}

/* Return a descriptor's bits, in either format, as INTEL_TX_ bits.  A bit that must be 0 fails the test. */
static uint32_t chip_flags(struct chip *c, uint64_t q)
{
	if (!c->igb)
		return (q & TXD_EOP ? INTEL_TX_LAST : 0) | (q & TXD_TXSM ? INTEL_TX_CSUM : 0) |
		       (q & TXD_IXSM ? INTEL_TX_IPSUM : 0) | (q & TXD_TSE ? INTEL_TX_TSE : 0);
	if (!(q & ATXD_DEXT) || FIELD_GET(ATXD_DTYP, q) != ATXD_DTYP_DATA || (q & ~(ATXD_LENGTH | ATXD_DTYP | ATXD_EOP |
	    ATXD_IFCS | ATXD_RS | ATXD_DEXT | ATXD_TSE | ATXD_IXSM | ATXD_TXSM | ATXD_PAYLEN)))
		host_fail(__FILE__, __LINE__, "data descriptor %#llx", (unsigned long long)q);
	return (q & ATXD_EOP ? INTEL_TX_LAST : 0) | (q & ATXD_TXSM ? INTEL_TX_CSUM : 0) |
	       (q & ATXD_IXSM ? INTEL_TX_IPSUM : 0) | (q & ATXD_TSE ? INTEL_TX_TSE : 0);
}

static bool chip_is_context(struct chip *c, uint64_t q)
{
	if (!(q & TXD_DEXT))
		return false;
	return FIELD_GET(TXD_DTYP, q) == (c->igb ? ATXD_DTYP_CONTEXT : TXD_DTYP_CONTEXT);
}

static void chip_frame_out(struct chip *c, uint32_t last_len)
{
	chip_sentinel(c, last_len);
	if (c->igb && !(c->frame_cmd & INTEL_TX_TSE) && c->frame_pay != c->frame_len)
		host_fail(__FILE__, __LINE__, "PAYLEN %u in a frame of %u bytes", c->frame_pay, c->frame_len);
	if (c->frame_cmd & INTEL_TX_TSE) {
		chip_cut(c);
	} else {
		if (c->frame_cmd & INTEL_TX_CSUM)
			chip_csum(c);
		chip_record(c, c->frame, c->frame_len);
	}
	c->frame_len = 0;
}

static void chip_send_one(struct chip *c, struct intel_desc *d)
{
	uint64_t q = d->q[1];
	uint32_t len = c->igb ? FIELD_GET(ATXD_LENGTH, q) : FIELD_GET(TXD_LENGTH, q), flags;

	c->descs++;
	if (chip_is_context(c, q)) {
		c->context = d->q[0];
		c->context1 = q;
		c->contexts++;
		return;
	}
	flags = chip_flags(c, q);
	if (!len || c->frame_len + len > sizeof(c->frame))
		host_fail(__FILE__, __LINE__, "data descriptor of %u bytes", len);
	chip_cross(c, d->q[0], len);
	if (!c->frame_len) {
		c->frame_cmd = flags;
		c->frame_pay = (uint32_t)FIELD_GET(ATXD_PAYLEN, q);
		c->first_len = len;
	}
	/* RS and IDE are set in the last descriptor only. */
	if (((flags ^ c->frame_cmd) & INTEL_TX_TSE) || !(q & TXD_RS) != !(flags & INTEL_TX_LAST) ||
	    (!c->igb && (q & TXD_IDE) && !(q & TXD_RS)))
		host_fail(__FILE__, __LINE__, "command %#llx in a frame that began with flags %#x", (unsigned long long)q,
			  c->frame_cmd);
	if ((flags & INTEL_TX_TSE) && len > MIN(4096u, 4 * chip_offload(c).mss))
		host_fail(__FILE__, __LINE__, "%u bytes in a piece: more than the FIFO is sure to hold", len);
	memcpy(c->frame + c->frame_len, (void *)(uintptr_t)d->q[0], len);
	c->frame_len += len;
	if (flags & INTEL_TX_LAST) {
		if (c->frame_len < 17 || !(q & TXD_IFCS))
			host_fail(__FILE__, __LINE__, "frame of %u bytes, command %#llx", c->frame_len, (unsigned long long)q);
		chip_frame_out(c, len);
	}
	if (c->igb || !(q & TXD_IDE))
		c->tx_late = false;
}

/*
 * Write DD to the descriptors that are sent.  The chip does so some time after the tail's write: here when time passes, the
 * timer runs out, a frame is received or, with c->timers, another one is sent, and at the latest when ICR is read.
 */
static void chip_write_back(struct chip *c)
{
	for (; c->written != R(REG_TDH); c->written = chip_next(c, REG_TDBAL, c->written)) {
		struct intel_desc *d = chip_desc(c, REG_TDBAL, c->written);
		uint64_t q = d->q[1];

		if (chip_is_context(c, q) || !(q & TXD_RS))
			continue;
		d->q[1] = c->igb ? ATXD_DD : q | TXD_DD;	/* igb overwrites the whole quadword */
		if (c->igb)
			d->q[0] = 0x5555;
	}
}

/* With c->timers: the time has come for the interrupts of frames with IDE. */
static inline void chip_late(struct chip *c)
{
	if (!c->late_us || host_now_us < c->late_us)
		return;
	c->late_us = 0;
	chip_write_back(c);
	chip_cause(c, INT_TXDW | INT_TXQE);
}

/* igb: a queue interrupts only if its IVAR entry is valid. */
static bool chip_rings(struct chip *c, uint32_t entry)
{
	return !c->igb || ((R(REG_IVAR0) & entry & (IVAR_VALID * 0x101)) && !(R(REG_GPIE) & GPIE_MULTIPLE_MSIX));
}

static void chip_send(struct chip *c)
{
	bool some = false;

	c->tx_late = c->timers;
	if (!(R(REG_TCTL) & TCTL_EN) || !chip_master(c) || c->tx_hang || c->tx_stuck || !c->link)
		return;
	if (c->igb && (!(R(REG_TXDCTL) & DCTL_ENABLE) || (R(REG_TDWBAL) & 1)))
		return;
	for (; R(REG_TDH) != R(REG_TDT); some = true) {
		chip_send_one(c, chip_desc(c, REG_TDBAL, R(REG_TDH)));
		R(REG_TDH) = chip_next(c, REG_TDBAL, R(REG_TDH));
	}
	if (c->at_once)
		chip_write_back(c);
	if (some && c->tx_late) {
		c->late_us = host_now_us + R(REG_TIDV) * 1024 / 1000;
	} else if (some && chip_rings(c, IVAR_TX0)) {
		c->lose |= c->tx_lost_irq ? INT_TXDW : 0;
		chip_cause(c, INT_TXDW | INT_TXQE);
	}
	/* the ring of an I219 is no longer stuck */
	c->cfg[PCI_DESC_RING_STATUS + 1] = 0;
}

static void chip_prefetch(struct chip *c)
{
	if (!(R(REG_RCTL) & RCTL_EN) || !chip_master(c) || (c->igb && !(R(REG_RXDCTL) & DCTL_ENABLE)))
		return;
	uint32_t i = R(REG_RDH);

	for (unsigned k = 0; k < PREFETCH && i != R(REG_RDT); k++, i = chip_next(c, REG_RDBAL, i))
		if (k >= c->ncached)
			c->cache[c->ncached++] = chip_desc(c, REG_RDBAL, i)->q[0];
}

static bool chip_accepts(struct chip *c, const uint8_t *f)
{
	static const uint8_t bcast[6] = { 255, 255, 255, 255, 255, 255 };
	uint32_t rctl = R(REG_RCTL);

	if (f[12] == 0x81 && f[13] == 0 && (rctl & RCTL_VFE)) {
		unsigned vid = (f[14] & 15) << 8 | f[15];

		if (!(R(REG_VFTA(vid / 32)) & BIT(vid % 32)))
			return false;
	}
	if (!memcmp(f, bcast, 6) && (rctl & RCTL_BAM))
		return true;
	if (f[0] & 1) {
		unsigned h = c->pch ? ((f[4] | f[5] << 8) >> 6) & 0x3ff : ((f[4] | f[5] << 8) >> 4) & 0xfff;

		return (rctl & RCTL_MPE) || (R(REG_MTA(h / 32)) & BIT(h % 32));
	}
	for (unsigned i = 0; i < 16; i++)
		if ((R(REG_RAH(i)) & RAH_AV) && !memcmp(chip_reg(c, REG_RAL(i)), f, 4) &&
		    (R(REG_RAH(i)) & RAH_ADDR) == (uint32_t)(f[4] | f[5] << 8))
			return true;
	return rctl & RCTL_UPE;
}

/* igb: SRRCTL has the buffer's size in KiB only: check that other registers bound the longest frame. */
static void chip_check_bounds(struct chip *c)
{
	uint32_t srrctl = R(REG_SRRCTL), longest = R(REG_RCTL) & RCTL_LPE ? NIC_FRAME_JUMBO : NIC_FRAME_MAX;

	if (FIELD_GET(SRRCTL_BSIZEPACKET, srrctl) != 2 || FIELD_GET(SRRCTL_DESCTYPE, srrctl) != SRRCTL_ADV_ONE ||
	    R(REG_RLPML) > longest + 4 || (R(REG_CTRL_EXT) & CTRL_EXT_EXT_VLAN) || R(REG_MRQC))
		host_fail(__FILE__, __LINE__, "SRRCTL %08x RLPML %u CTRL_EXT %08x MRQC %08x", srrctl, R(REG_RLPML),
			  R(REG_CTRL_EXT), R(REG_MRQC));
	if (c->cache[0] & 1)
		host_fail(__FILE__, __LINE__, "buffer at %#llx: bit 0 is reserved", (unsigned long long)c->cache[0]);
}

static uint64_t chip_rx_written(struct chip *c, uint32_t len, bool eop)
{
	/* The bits of errors say something in the last descriptor only; in the others they are set here. */
	uint64_t errors = c->igb ? ARXD_CE | ARXD_SE | ARXD_SEQ | ARXD_CXE | ARXD_RXE :
				   RXD_CE | RXD_SE | RXD_SEQ | RXD_CXE | RXD_RXE;
	uint64_t status = eop ? c->rx_status : c->rx_status | errors;

	eop &= !c->rx_no_eop;
	if (c->igb)
		return FIELD_PREP(ARXD_LENGTH, len) | ARXD_DD | (eop ? ARXD_EOP : 0) | status;
	return len | RXD_DD | (eop ? RXD_EOP : 0) | status;
}

/* The longest frame that the chip receives, without FCS. */
static uint32_t chip_rx_max(struct chip *c)
{
	if (!(R(REG_RCTL) & RCTL_LPE))
		return NIC_FRAME_MAX;
	return (c->pcie ? R(REG_RLPML) : 16384) - 4;
}

/* Write a part of a frame into the next buffer: at most 2048 bytes, the size in RCTL and SRRCTL. */
static uint32_t chip_rx_part(struct chip *c, const uint8_t *frame, uint32_t left)
{
	uint32_t n = MIN(left, 2048u);

	chip_cross(c, c->cache[0], R(REG_RCTL) & RCTL_LPE ? 2048 : NIC_FRAME_MAX);
	if (c->igb)
		chip_check_bounds(c);
	memcpy((void *)(uintptr_t)c->cache[0], frame, n);
	memmove(c->cache, c->cache + 1, --c->ncached * sizeof(c->cache[0]));
	struct intel_desc *d = chip_desc(c, REG_RDBAL, R(REG_RDH));

	if (c->igb && d->q[1])
		host_fail(__FILE__, __LINE__, "the header buffer's address is %#llx", (unsigned long long)d->q[1]);
	if (c->igb)
		d->q[0] = 0x5555;
	d->q[1] = chip_rx_written(c, c->rx_claim ? c->rx_claim : n, n == left);
	R(REG_RDH) = chip_next(c, REG_RDBAL, R(REG_RDH));
	chip_prefetch(c);
	return n;
}

static inline void chip_receive_rest(struct chip *c)
{
	for (unsigned i = 0; c->rest_at < c->rest_len; i++) {
		if (c->rx_stop && i == c->rx_stop)
			return;
		c->rest_at += chip_rx_part(c, c->rest + c->rest_at, c->rest_len - c->rest_at);
	}
	chip_write_back(c);
	if (chip_rings(c, IVAR_RX0))
		chip_cause(c, INT_RXT0);
}

/* Receive a frame from the wire.  True if the chip wrote it to memory. */
static inline bool chip_receive(struct chip *c, const void *frame, uint32_t len)
{
	if (!(R(REG_RCTL) & RCTL_EN) || !chip_master(c) || !chip_accepts(c, frame))
		return false;
	if (!(R(REG_RCTL) & RCTL_SECRC) || (R(REG_RCTL) & ((c->jumbo ? 0 : RCTL_LPE) | RCTL_SBP | RCTL_BSIZE)))
		host_fail(__FILE__, __LINE__, "RCTL %08x lets the chip write beyond a buffer", R(REG_RCTL));
	if (len > chip_rx_max(c))
		return false;
	chip_prefetch(c);
	if (c->ncached < (len + 2047) / 2048) {
		c->missed++;
		return false;
	}
	memcpy(c->rest, frame, len);
	c->rest_len = len;
	c->rest_at = 0;
	chip_receive_rest(c);
	return true;
}

static inline void chip_link(struct chip *c, bool up) { c->link = up; chip_cause(c, INT_LSC); chip_send(c); }

static uint16_t *chip_phy(struct chip *c, uint32_t v)
{
	unsigned addr = FIELD_GET(MDIC_PHY, v), reg = FIELD_GET(MDIC_REG, v);

	if (addr < 1 || addr > (c->pch ? 2u : 1u))
		host_fail(__FILE__, __LINE__, "no PHY at address %u", addr);
	/* At address 1 page 768 is selected by 0, the next by their numbers. */
	if (c->pch && reg == PHY_PAGE_SELECT && (!FIELD_GET(MDIC_DATA, v) || FIELD_GET(MDIC_DATA, v) >> 5 > 768) != (addr == 1))
		host_fail(__FILE__, __LINE__, "page %u at PHY address %u", FIELD_GET(MDIC_DATA, v) >> 5, addr);
	if (c->i210 && reg != PHY_PAGE_SELECT_I210 && c->phy[1][PHY_PAGE_SELECT_I210])
		return &c->paged[c->phy[1][PHY_PAGE_SELECT_I210]][reg];
	if (c->pch && reg > 15 && reg != PHY_PAGE_SELECT)
		return &c->paged[addr == 1 && !c->phy[1][PHY_PAGE_SELECT] ? 768 : c->phy[addr][PHY_PAGE_SELECT] >> 5][reg];
	return &c->phy[addr][reg];
}

static void chip_mdic(struct chip *c, uint32_t v)
{
	if (c->mdic_dead)
		return;
	if ((c->pch || c->needs_mdio) && !(R(REG_EXTCNF_CTRL) & EXTCNF_SWFLAG))
		host_fail(__FILE__, __LINE__, "MDIC without ownership");
	if (c->igb && !(R(REG_SW_FW_SYNC) & BIT(1 + c->port)))
		host_fail(__FILE__, __LINE__, "MDIC without the PHY's semaphore");
	if (R(REG_CTRL) & CTRL_PHY_RST)
		host_fail(__FILE__, __LINE__, "MDIC while the PHY is held in reset");
	if (v & MDIC_OP_WRITE)
		*chip_phy(c, v) = (uint16_t)v;
	R(REG_MDIC) = (v & ~MDIC_DATA) | *chip_phy(c, v) | MDIC_READY;
}

/* True if the chip lacks this register: igb has no ITR, RDTR, RADV, TIDV and TADV. */
static bool chip_lacks(const struct chip *c, uint32_t off)
{
	return c->igb && (off == REG_ITR || off == REG_RDTR || off == REG_RADV || off == REG_TIDV || off == REG_TADV);
}

static uint32_t chip_igb_read(struct chip *c, uint32_t off, uint32_t v)
{
	unsigned *looks = off == REG_RXDCTL ? &c->rx_looks : &c->tx_looks;

	switch (off) {
	case REG_RXDCTL:
	case REG_TXDCTL:
		if (c->queue_stuck || (*looks && (*looks)--))
			return v & ~DCTL_ENABLE;
		break;
	case REG_SWSM:
		R(off) |= SWSM_SMBI;	/* a read of 0 acquires the semaphore */
		break;
	case REG_SW_FW_SYNC:
		if (c->fw_has_phy) {
			c->fw_has_phy--;
			return v | BIT(1 + c->port) << SYNC_FW_SHIFT;
		}
		break;
	}
	return v;
}

/* A queue must be off while its ring's registers are written, and must read as on before its tail is. */
static void chip_queue_check(struct chip *c, uint32_t off, uint32_t v)
{
	bool rx = off < REG_TDBAL, on = R(rx ? REG_RXDCTL : REG_TXDCTL) & DCTL_ENABLE;
	unsigned looks = rx ? c->rx_looks : c->tx_looks;

	switch (off) {
	case REG_RDBAL: case REG_RDBAH: case REG_RDLEN: case REG_SRRCTL: case REG_TDBAL: case REG_TDBAH: case REG_TDLEN:
		if (on)
			host_fail(__FILE__, __LINE__, "register %#x written while the queue is on", off);
		break;
	case REG_RDT: case REG_TDT:
		if (v && !c->queue_stuck && (!on || looks))
			host_fail(__FILE__, __LINE__, "tail %#x written while the queue is not on", off);
		break;
	}
}

/* True if the write needs nothing else. */
static bool chip_igb_write(struct chip *c, uint32_t off, uint32_t v)
{
	chip_queue_check(c, off, v);
	switch (off) {
	case REG_RXDCTL:
		c->rx_looks = v & DCTL_ENABLE ? 2 : 0;
		break;
	case REG_TXDCTL:
		c->tx_looks = v & DCTL_ENABLE ? 2 : 0;
		break;
	case REG_SWSM:
		R(off) = c->fw_keeps_swsm ? v & ~SWSM_SWESMBI : v;
		return true;
	case REG_SW_FW_SYNC:
		if ((R(REG_SWSM) & (SWSM_SMBI | SWSM_SWESMBI)) != (SWSM_SMBI | SWSM_SWESMBI) && !c->fw_keeps_swsm)
			host_fail(__FILE__, __LINE__, "SW_FW_SYNC written without the semaphore");
		break;
	}
	if (c->vfta_drops && off >= REG_VFTA(0) && off < REG_VFTA(VFTA_WORDS)) {
		c->vfta_count = off == c->vfta_last ? c->vfta_count + 1 : 1;
		c->vfta_last = off;
		return c->vfta_count < 10;
	}
	return false;
}

static uint64_t chip_read(void *ctx, uint32_t off, unsigned width)
{
	struct chip *c = ctx;
	uint32_t v = R(off);

	if (host_now_us < c->quiet_until)
		host_fail(__FILE__, __LINE__, "register %#x read while the chip resets", off);
	if (width != 4)
		host_fail(__FILE__, __LINE__, "access of %u bytes", width);
	if (chip_lacks(c, off))
		host_fail(__FILE__, __LINE__, "register %#x read, which is not there", off);
	if (c->gone)
		return 0xffffffff;
	if (c->igb)
		v = chip_igb_read(c, off, v);
	c->low_seen |= !c->line;
	switch (off) {
	case REG_STATUS:
		v = (c->link ? STATUS_LU : 0) | (c->half ? 0 : STATUS_FD) | FIELD_PREP(STATUS_SPEED, c->speed);
		if (c->igb)
			v |= FIELD_PREP(STATUS_LAN_ID, c->port);
		if (c->pcie && (c->master_stuck || !(R(REG_CTRL) & CTRL_GIO_MASTER_OFF)))
			v |= STATUS_GIO_MASTER;
		return v;
	case REG_ICR:
		chip_write_back(c);
		if (c->pcie && (v & R(REG_IMS)))
			v |= INT_ASSERTED;
		if (!c->pcie || !R(REG_IMS) || (v & INT_ASSERTED))
			R(REG_ICR) = 0;
		chip_irq(c);
		return v;
	case REG_EERD:
		if (!c->eerd_dead)
			R(off) |= c->eerd_old ? EERD_DONE_8254X : EERD_DONE;
		return v;
	case REG_FWSM:
		if (c->engine_until > host_now_us)
			v |= FWSM_PCIM2PCI;
		return c->ulp_until > host_now_us ? v | FWSM_ULP_CFG_DONE : v;
	}
	return v;
}

static void chip_write_ctrl(struct chip *c, uint32_t v)
{
	if (v & CTRL_PHY_RST) {
		c->phy_resets++;
		if (!(R(REG_FWSM) & FWSM_RSPCIPHY))
			host_fail(__FILE__, __LINE__, "PHY reset that the management engine forbids");
	}
	R(REG_CTRL) = v;
	if ((v & CTRL_RST) && !c->reset_stuck)
		chip_reset(c);
}

static void chip_eerd(struct chip *c, uint32_t v)
{
	unsigned word = c->eerd_old ? FIELD_GET(EERD_ADDR_8254X, v) : FIELD_GET(EERD_ADDR, v);

	if (!(v & EERD_START) || word > 2)
		host_fail(__FILE__, __LINE__, "EERD %08x", v);
	R(REG_EERD) = (v & 0xffff) | (uint32_t)(c->nvm_mac[2 * word] | c->nvm_mac[2 * word + 1] << 8) << 16;
}

static bool chip_loses(struct chip *c)
{
	if (!c->lose_tails)
		return false;
	c->lose_tails--;
	return true;
}

static void chip_write(void *ctx, uint32_t off, unsigned width, uint64_t value)
{
	struct chip *c = ctx;
	uint32_t v = (uint32_t)value;

	if (host_now_us < c->quiet_until || width != 4)
		host_fail(__FILE__, __LINE__, "register %#x written while the chip resets, or with width %u", off, width);
	if (c->engine_busy) {
		if (c->engine_until > host_now_us)
			host_fail(__FILE__, __LINE__, "register %#x written while the engine is at the registers", off);
		c->engine_until = host_now_us + 10;
	}
	c->low_seen |= !c->line;
	if (chip_lacks(c, off))
		host_fail(__FILE__, __LINE__, "register %#x written, which is not there", off);
	if (c->igb && chip_igb_write(c, off, v))
		return;
	switch (off) {
	case REG_CTRL:
		if ((v & CTRL_RST) && (c->io_reset || c->dup_reset))
			host_fail(__FILE__, __LINE__, "this chip does not survive a reset through CTRL");
		chip_write_ctrl(c, v);
		return;
	case REG_CTRL_DUP:
		if (!c->dup_reset)
			host_fail(__FILE__, __LINE__, "there is no CTRL_DUP here");
		chip_write_ctrl(c, v);
		return;
	case REG_ICS:
		chip_cause(c, v);
		return;
	case REG_IMS:
		R(REG_IMS) |= v;
		chip_irq(c);
		return;
	case REG_IMC:
		R(REG_IMS) &= ~v;
		chip_irq(c);
		return;
	case REG_EERD:
		chip_eerd(c, v);
		return;
	case REG_MDIC:
		R(REG_MDIC) = v;
		chip_mdic(c, v);
		return;
	case REG_EXTCNF_CTRL:
		if ((v & EXTCNF_SWFLAG) && c->mdio_refusals) {
			c->mdio_refusals--;
			v &= ~EXTCNF_SWFLAG;
		}
		R(off) = c->swflag_denied ? v & ~EXTCNF_SWFLAG : v;
		return;
	case REG_TXDCTL:
		if (!c->igb && (v & TXDCTL_PTHRESH) && !(v & TXDCTL_HTHRESH))
			host_fail(__FILE__, __LINE__, "TXDCTL %08x: PTHRESH without HTHRESH", v);
		R(off) = v;
		return;
	case REG_H2ME:
		if ((v & H2ME_ENFORCE) && !(v & H2ME_ULP)) {
			c->ulp_asked++;
			c->ulp_until = host_now_us + 1000;
		}
		R(off) = v;
		return;
	case REG_TDT:
		if (chip_loses(c))
			return;
		R(off) = v;
		c->tdt_writes++;
		if (c->timers)
			chip_write_back(c);
		chip_send(c);
		return;
	case REG_RDT:
		if (chip_loses(c))
			return;
		R(off) = v;
		c->rdt_writes++;
		chip_prefetch(c);
		return;
	}
	R(off) = v;
}

static uint64_t chip_io_read(void *ctx, uint32_t off, unsigned width) { return 0; }

static void chip_io_write(void *ctx, uint32_t off, unsigned width, uint64_t v)
{
	struct chip *c = ctx;

	if (off == 0)
		c->ioaddr = (uint32_t)v;
	else if (off == 4 && c->ioaddr == REG_CTRL)
		chip_write_ctrl(c, (uint32_t)v);
}

#undef R

static const struct host_model chip_model = { chip_read, chip_write };
static const struct host_model chip_io_model = { chip_io_read, chip_io_write };

#endif
