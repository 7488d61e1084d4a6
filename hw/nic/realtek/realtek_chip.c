/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Realtek's gigabit family, chip by chip: the table of chips, indirect registers (PHY, ERI, OCP), the way out of out-of-band
 * mode, and settings that no datasheet explains.  Rings and interrupts are not here.
 *
 * The PHY keeps the settings of its straps and EEPROM: Realtek's patches for the PHY are optional firmware, and links come up
 * without them.
 */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/string.h>
#include <veneer/time.h>
#include "realtek.h"

#define PHY_US		500u
#define PHY_GAP_US	20u	/* between two accesses, by the datasheet */
#define ERI_US		5000u
#define FIFO_US		4200u
#define GATE_US		2000u	/* after closing the gate, and again before the reset */
#define OFF_US		1000u	/* from disabling the receiver to leaving out-of-band mode */
#define LIST_US		4200u
#define STOP_US		100u
#define READY_US	5000u

/* Unlimited bursts; thresholds as the public drivers set them. */
#define RCR_OLD		0xe700u		/* frames go to memory when they are complete */
#define RCR_PLAIN	0x8700u
#define RCR_MULTI	0xc700u
#define RCR_NEW		0xcf00u

#define RCR_25		0x40000700u
#define RCR_25B		0x40000f00u	/* and later */

#define PCIE64		(CHIP_PCIE | CHIP_DMA64)
#define OLD_FAST	CHIP_PCIE
#define NEW_FAST	(PCIE64 | CHIP_PM)
#define EVL		(PCIE64 | CHIP_PM | CHIP_EVL)
#define G_ON		(EVL | CHIP_MAC_ERI | CHIP_OCP)
#define ON_25		(PCIE64 | CHIP_PM | CHIP_OCP | CHIP_L1_2 | CHIP_25)
#define ON_26		(ON_25 | CHIP_26)

/*
 * The first match counts.  Chips with a management processor (8168DP, 8168EP, 8117, 8125BP), which shares the receiver, are
 * refused.
 */
static const struct rtk_chip chips[] = {
	{ 0x7cf, 0x64a, ON_26, RCR_25B, "8126A" },
	{ 0x7cf, 0x649, ON_26, RCR_25B, "8126A" },
	{ 0x7cf, 0x689, ON_25 | CHIP_25D, RCR_25B, "8125D" },
	{ 0x7cf, 0x688, ON_25 | CHIP_25D, RCR_25B, "8125D" },
	{ 0x7cf, 0x681, 0, 0, NULL },
	{ 0x7cf, 0x641, ON_25 | CHIP_25B, RCR_25B, "8125B" },
	{ 0x7cf, 0x609, ON_25, RCR_25, "8125A" },
	{ 0x7cf, 0x541, G_ON | CHIP_L1_2, RCR_NEW, "8168H" },
	{ 0x7cf, 0x6c0, G_ON | CHIP_L1_2, RCR_NEW, "8168M" },
	{ 0x7cf, 0x5c8, G_ON, RCR_NEW, "8411B" },
	{ 0x7cf, 0x509, G_ON, RCR_NEW, "8168GU" },
	{ 0x7cf, 0x4c0, G_ON, RCR_NEW, "8168G" },
	{ 0x7c8, 0x488, EVL | CHIP_MAC_ERI, RCR_MULTI, "8411" },
	{ 0x7cf, 0x481, EVL | CHIP_MAC_ERI, RCR_MULTI, "8168F" },
	{ 0x7cf, 0x480, EVL | CHIP_MAC_ERI | CHIP_ALLMULTI, RCR_MULTI, "8168F" },
	{ 0x7c8, 0x2c8, EVL | CHIP_MAC_BOTH, RCR_MULTI, "8168E-VL" },
	{ 0x7c8, 0x2c0, PCIE64 | CHIP_PM | CHIP_JUMBO_B, RCR_PLAIN, "8168E" },
	{ 0x7cf, 0x281, PCIE64 | CHIP_JUMBO_C, RCR_PLAIN, "8168D" },
	{ 0x7cf, 0x28a, 0, 0, NULL },
	{ 0x7cf, 0x28b, 0, 0, NULL },
	{ 0x7c8, 0x280, PCIE64 | CHIP_JUMBO_C, RCR_PLAIN, "8168D" },
	{ 0x7c8, 0x3c8, PCIE64 | CHIP_JUMBO_C, RCR_MULTI, "8168CP" },
	{ 0x7c8, 0x3c0, PCIE64 | CHIP_JUMBO_C, RCR_MULTI, "8168C" },
	{ 0x7c8, 0x380, CHIP_PCIE | CHIP_JUMBO_B, RCR_OLD, "8168B" },
	{ 0x7c8, 0x300, CHIP_PCIE | CHIP_FOVW, RCR_OLD, "8168B" },
	{ 0x7c8, 0x448, NEW_FAST | CHIP_8106 | CHIP_NDP, RCR_PLAIN, "8106E" },
	{ 0x7c8, 0x440, NEW_FAST | CHIP_8402, RCR_PLAIN, "8402" },
	{ 0x7c8, 0x408, PCIE64 | CHIP_NDP, RCR_PLAIN, "8105E" },
	{ 0x7cf, 0x240, OLD_FAST, RCR_OLD, "8401" },
	{ 0x7c8, 0x348, OLD_FAST, RCR_PLAIN, "8102E" },
	{ 0x7c8, 0x248, OLD_FAST, RCR_PLAIN, "8102E" },
	{ 0x7c8, 0x340, OLD_FAST, RCR_OLD, "8101E" },
	{ 0xfc8, 0x980, CHIP_PIN | CHIP_SC_E, RCR_OLD, "8169SC" },
	{ 0xfc8, 0x180, CHIP_PIN | CHIP_SC_D, RCR_OLD, "8169SC" },
	{ 0xfc8, 0x100, CHIP_PIN, RCR_OLD, "8169SB" },
	{ 0xfc8, 0x040, CHIP_PIN | CHIP_CPCR_14, RCR_OLD, "8110S" },
	{ 0xfc8, 0x008, CHIP_PIN | CHIP_CPCR_14, RCR_OLD, "8169S" },
};

int rtk_identify(struct rtk *r)
{
	uint32_t tcr = rd32(r, RTK_TCR), version = FIELD_GET(TCR_VERSION, tcr);

	for (unsigned i = 0; tcr != ~0u && i < ARRAY_SIZE(chips) && !r->chip; i++)
		if ((version & chips[i].mask) == chips[i].version)
			r->chip = &chips[i];
	if (!r->chip || !r->chip->name) {
		log_err("%s: TCR %08x: %s", r->nic.name, tcr, tcr == ~0u ? "no answer" : r->chip ?
			"a chip with a management processor, not supported" : "a version that this driver does not know");
		r->chip = NULL;
		return -ERR_NODEV;
	}
	/* The PCI id names another generation than TCR: do not access registers that may be missing. */
	if (!(r->chip->flags & CHIP_25) != !(r->nic.quirks & RTK_Q_25)) {
		log_err("%s: TCR %08x: not the chip that the PCI id names", r->nic.name, tcr);
		r->chip = NULL;
		return -ERR_NODEV;
	}
	r->flags = r->chip->flags;
	r->rcr_fixed = r->chip->rcr;
	return 0;
}

/* --- the PHY --- */

/* PHYAR and PHYOCP work alike: the flag inverts when the access is complete. */
static bool phy_wait(struct rtk *r, uint32_t reg, bool flag)
{
	uint32_t v = 0;
	bool done = wait_until(!((v = rd32(r, reg)) & PHYAR_FLAG) == !flag, PHY_US);

	if (!done)
		log_err("%s: the PHY does not answer, register %02x reads %08x", r->nic.name, reg, v);
	delay_us(PHY_GAP_US);
	return done;
}

/* Return all ones if the PHY does not answer. */
static uint16_t phy_read(struct rtk *r, unsigned reg)
{
	uint32_t at = r->flags & CHIP_OCP ? RTK_PHYOCP : RTK_PHYAR;

	wr32(r, at, r->flags & CHIP_OCP ? FIELD_PREP(OCP_ADDR, OCP_PHY / 2 + reg) : FIELD_PREP(PHYAR_REG, reg));
	return phy_wait(r, at, true) ? FIELD_GET(PHYAR_DATA, rd32(r, at)) : 0xffff;
}

static void phy_write(struct rtk *r, unsigned reg, uint16_t v)
{
	uint32_t at = r->flags & CHIP_OCP ? RTK_PHYOCP : RTK_PHYAR;

	wr32(r, at, PHYAR_FLAG | v |
	     (r->flags & CHIP_OCP ? FIELD_PREP(OCP_ADDR, OCP_PHY / 2 + reg) : FIELD_PREP(PHYAR_REG, reg)));
	(void)phy_wait(r, at, false);
}

/*
 * A system that shut down leaves the PHY at 10 Mb/s if it prepared for wake-up, else powered down.  Some firmware leaves
 * another page selected.  An RTL8211B gets no link before its MMD data is cleared.
 */
void rtk_phy_wake(struct rtk *r)
{
	uint16_t bmcr, anar, gbcr = 0, fast = r->flags & CHIP_26 ? ADV_2500 | ADV_5000 : ADV_2500;
	bool giga, changed, slow_25;

	if (!(r->flags & CHIP_OCP)) {
		phy_write(r, MII_PAGE, 0);
		phy_write(r, MII_MMD_DATA, 0);
	}
	bmcr = phy_read(r, MII_BMCR);
	anar = phy_read(r, MII_ANAR);
	if (bmcr == 0xffff || anar == 0xffff)
		return;
	giga = phy_read(r, MII_ESTATUS) & ESTATUS_1000_FULL;
	if (giga)
		gbcr = phy_read(r, MII_GBCR);
	slow_25 = (r->flags & CHIP_25) && (phy_read(r, PHY_ADV_2500) & fast) != fast;
	changed = slow_25 || (bmcr & BMCR_PDOWN) || !(bmcr & BMCR_AN) || (anar & ANAR_10_100) != ANAR_10_100 ||
		  (giga && !(gbcr & GBCR_1000_FULL));
	if (!changed)
		return;
	log_info("%s: the PHY was left off or slow (BMCR %04x, ANAR %04x): negotiating again", r->nic.name, bmcr, anar);
	phy_write(r, MII_ANAR, anar | ANAR_10_100);
	if (giga)
		phy_write(r, MII_GBCR, gbcr | GBCR_1000_FULL);
	if (slow_25)
		phy_write(r, PHY_ADV_2500, phy_read(r, PHY_ADV_2500) | fast);
	phy_write(r, MII_BMCR, (bmcr & (uint16_t)~BMCR_PDOWN) | BMCR_AN | BMCR_RESTART);
}

/* --- ERI and OCP --- */

/* After the first timeout do not use ERI again: a setup has a dozen accesses, and a guest may reset any number of times. */
static bool eri_wait(struct rtk *r, bool flag)
{
	uint32_t v = 0;

	r->eri_dead = !wait_until(!((v = rd32(r, RTK_ERIAR)) & ERIAR_FLAG) == !flag, ERI_US);
	if (r->eri_dead)
		log_err("%s: ERI does not answer, ERIAR %08x: not used from now on", r->nic.name, v);
	return !r->eri_dead;
}

static uint32_t eri_read(struct rtk *r, uint32_t addr)
{
	if (r->eri_dead)
		return 0;
	wr32(r, RTK_ERIAR, ERIAR_BYTES | addr);
	return eri_wait(r, true) ? rd32(r, RTK_ERIDR) : 0;
}

static void eri_write(struct rtk *r, uint32_t addr, uint32_t bytes, uint32_t v)
{
	if (r->eri_dead)
		return;
	wr32(r, RTK_ERIDR, v);
	wr32(r, RTK_ERIAR, ERIAR_FLAG | FIELD_PREP(ERIAR_BYTES, bytes) | addr);
	(void)eri_wait(r, false);
}

static void eri_set(struct rtk *r, uint32_t addr, uint32_t clear, uint32_t set)
{
	eri_write(r, addr, 15, (eri_read(r, addr) & ~clear) | set);
}

static uint16_t ocp_read(struct rtk *r, uint32_t addr)
{
	wr32(r, RTK_OCPDR, FIELD_PREP(OCP_ADDR, addr / 2));
	return FIELD_GET(OCP_DATA, rd32(r, RTK_OCPDR));
}

static void ocp_set(struct rtk *r, uint32_t addr, uint16_t clear, uint16_t set)
{
	uint16_t v = (ocp_read(r, addr) & (uint16_t)~clear) | set;

	wr32(r, RTK_OCPDR, OCP_FLAG | FIELD_PREP(OCP_ADDR, addr / 2) | v);
}

/* --- the address --- */

static void bytes_of(uint8_t *mac, uint32_t lo, uint32_t hi)
{
	for (unsigned i = 0; i < 6; i++)
		mac[i] = (uint8_t)((i < 4 ? lo >> (8 * i) : hi >> (8 * (i - 4))));
}

/* Prefer the other sources: IDR may still hold an address that an earlier system set. */
void rtk_read_mac(struct rtk *r, uint8_t mac[6])
{
	if (r->flags & CHIP_MAC_ERI) {
		uint32_t lo = eri_read(r, ERI_MAC);

		bytes_of(mac, lo, eri_read(r, ERI_MAC + 4));
		if (nic_mac_valid(mac))
			return;
	}
	if (r->flags & CHIP_25) {
		bytes_of(mac, rd32(r, RTK25_MAC), rd32(r, RTK25_MAC + 4));
		if (nic_mac_valid(mac))
			return;
	}
	bytes_of(mac, rd32(r, RTK_IDR), rd32(r, RTK_IDR + 4));
}

void rtk_write_mac(struct rtk *r, const uint8_t m[6])
{
	uint32_t lo = m[0] | (uint32_t)m[1] << 8 | (uint32_t)m[2] << 16 | (uint32_t)m[3] << 24, hi = m[4] | (uint32_t)m[5] << 8;

	/* The upper half first: the chip applies the address when the lower half is written. */
	rtk_lock(r, false);
	wr32(r, RTK_IDR + 4, hi);
	rtk_flush(r);
	wr32(r, RTK_IDR, lo);
	rtk_flush(r);
	rtk_lock(r, true);
	if (!(r->flags & CHIP_MAC_BOTH))
		return;
	eri_write(r, ERI_MAC, 15, lo);
	eri_write(r, ERI_MAC + 4, 15, hi);
	eri_write(r, ERI_MAC_COPY, 15, lo << 16);
	eri_write(r, ERI_MAC_COPY + 4, 15, lo >> 16 | hi << 16);
}

/* --- stopping, and the way out of out-of-band mode --- */

static void wait_empty(struct rtk *r)
{
	uint32_t tcr = 0;
	uint8_t mcu = 0;

	if (!(r->flags & CHIP_25) && !wait_until((tcr = rd32(r, RTK_TCR)) & TCR_EMPTY, FIFO_US))
		log_err_once(r->fifo_said, "%s: the transmitter does not run empty, TCR %08x", r->nic.name, tcr);
	if ((r->flags & CHIP_OCP) &&
	    !wait_until(((mcu = rd8(r, RTK_MCU)) & (MCU_TX_EMPTY | MCU_RX_EMPTY)) == (MCU_TX_EMPTY | MCU_RX_EMPTY), FIFO_US))
		log_err_once(r->fifo_said, "%s: the FIFOs do not run empty, MCU %02x", r->nic.name, mcu);
}

/* Go on to the reset even if the FIFOs do not run empty: a hung transmitter may be the reason for this call. */
void rtk_quiesce(struct rtk *r)
{
	set32(r, RTK_RCR, RCR_ACCEPT, 0);
	if (r->flags & CHIP_OCP) {
		set32(r, RTK_MISC, 0, MISC_GATE);
		rtk_flush(r);
		delay_us(GATE_US);
		if (r->flags & (CHIP_25B | CHIP_25D | CHIP_26))
			set8(r, RTK_CR, 0, CR_STOP);
		wait_empty(r);
		delay_us(GATE_US);
		return;
	}
	set8(r, RTK_CR, 0, CR_STOP);
	rtk_flush(r);
	if (r->flags & CHIP_EVL)
		wait_empty(r);
	else
		delay_us(STOP_US);
}

/* Go on after a timeout, as the public drivers do. */
static void list_wait(struct rtk *r)
{
	uint8_t mcu = 0;

	if (!wait_until((mcu = rd8(r, RTK_MCU)) & MCU_LIST_READY, LIST_US))
		log_err_once(r->list_said, "%s: the list of the shared buffer does not become ready, MCU %02x: going on",
			     r->nic.name, mcu);
}

/*
 * Management (out-of-band mode) shares the receiver's buffer.  To take the buffer over, release its list and let the chip build
 * the list again.  Otherwise the chip receives nothing after a warm start from a system or firmware that prepared for wake-up.
 */
void rtk_leave_oob(struct rtk *r)
{
	if (!(r->flags & CHIP_OCP))
		return;
	set8(r, RTK_CR, CR_TE | CR_RE, 0);
	rtk_flush(r);
	delay_us(OFF_US);
	set8(r, RTK_MCU, MCU_OOB, 0);
	ocp_set(r, OCP_LIST, LIST_OFF, 0);
	list_wait(r);
	if (r->flags & CHIP_25) {
		ocp_set(r, 0xc0aa, 0xffff, 0x07d0);
		ocp_set(r, 0xc0a6, 0xffff, 0x0150);
		ocp_set(r, 0xc01e, 0xffff, 0x5555);
	} else {
		ocp_set(r, OCP_LIST, 0, LIST_BUILD);
	}
	list_wait(r);
}

/* --- settings --- */

/* Set FIFOs and thresholds, by undocumented values on which the public drivers agree, and disable EEE. */
static void setup_g(struct rtk *r)
{
	eri_write(r, 0xc8, 15, 0x00080002);
	eri_write(r, 0xe8, 15, 0x00100006);
	eri_write(r, 0xcc, 1, 0x38);
	eri_write(r, 0xd0, 1, 0x48);
	eri_set(r, ERI_FILTER, BIT(0), 0);
	eri_set(r, ERI_FILTER, 0, BIT(0));
	eri_write(r, 0xc0, 3, 0);
	eri_write(r, 0xb8, 3, 0);
	eri_set(r, 0x2fc, 0x06, 0x01);
	eri_set(r, 0x1b0, BIT(12) | BIT(1) | BIT(0), 0);
	set8(r, RTK_CONFIG3, CONFIG3_L23, 0);
	if (r->flags & CHIP_L1_2)
		ocp_set(r, OCP_L1_2, 0x00ff, 0);
}

static void setup_evl(struct rtk *r)
{
	eri_write(r, 0xc0, 3, 0);
	eri_write(r, 0xb8, 15, 0);
	eri_write(r, 0xc8, 15, 0x00100002);
	eri_write(r, 0xe8, 15, 0x00100006);
	eri_set(r, 0x1d0, 0, r->flags & CHIP_MAC_BOTH ? BIT(1) : BIT(4) | BIT(1));
	eri_set(r, ERI_FILTER, BIT(0), 0);
	eri_set(r, ERI_FILTER, 0, BIT(0));
	eri_set(r, 0x1b0, BIT(1) | BIT(0), BIT(4));
	eri_write(r, 0xcc, 15, 0x00000050);
	eri_write(r, 0xd0, 15, r->flags & CHIP_MAC_BOTH ? 0x07ff0060 : 0x00000060);
	set8(r, RTK_MCU, MCU_OOB, 0);
	set8(r, RTK_DLLPR, 0, DLLPR_PFM);
	set32(r, RTK_MISC, 0, MISC_PWM);
}

/* The later 100 Mb/s chips.  On the 8402 set the FIFOs as setup_g() does; on the 8402 and 8106E disable EEE. */
static void setup_fast(struct rtk *r)
{
	set8(r, RTK_CONFIG3, CONFIG3_BEACON | CONFIG3_L23, 0);
	if (r->flags & CHIP_NDP)
		set8(r, RTK_MCU, 0, MCU_NDP | MCU_OOB_RESET);
	if (r->flags & CHIP_8402) {
		set8(r, RTK_MCU, MCU_OOB, 0);
		eri_write(r, 0xc8, 15, 0x00000002);
		eri_write(r, 0xe8, 15, 0x00000006);
		eri_set(r, ERI_FILTER, BIT(0), 0);
		eri_set(r, ERI_FILTER, 0, BIT(0));
		eri_write(r, 0xc0, 3, 0);
		eri_write(r, 0xb8, 3, 0);
	}
	if (r->flags & CHIP_8106)
		eri_write(r, 0x1d0, 3, 0);
	if (r->flags & (CHIP_8402 | CHIP_8106))
		eri_write(r, 0x1b0, 3, 0);
}

/* The purpose of RTK_SC_CLOCK is undocumented; the public drivers agree on its values. */
static void setup_pci(struct rtk *r)
{
	uint32_t clock = rd8(r, RTK_CONFIG2) & CONFIG2_66MHZ ? 0xff : 0;

	set8(r, RTK_CONFIG2, CONFIG2_MSI, 0);
	if (r->flags & (CHIP_SC_D | CHIP_SC_E))
		wr32(r, RTK_SC_CLOCK, (r->flags & CHIP_SC_D ? 0x000fff00u : 0x00ffff00u) | clock);
}

/*
 * RTL8125 and RTL8126: undocumented values, too.  They select the older chips' descriptors (EB58h) and disable L1.2 and EEE.
 * The PCI Express PHY keeps firmware's settings.
 */
static const struct { uint16_t addr, clear, set; } settings_25[] = {
	{ 0xd40a, 0x0010, 0 }, { 0xc140, 0xffff, 0xffff }, { 0xc142, 0xffff, 0xffff }, { 0xd3e2, 0x0fff, 0x03a9 },
	{ 0xd3e4, 0x00ff, 0 }, { 0xe860, 0, 0x0080 }, { 0xeb58, 0x0001, 0 }, { 0xc0b4, 0, 0x000c },
	{ 0xeb6a, 0x00ff, 0x0033 }, { 0xeb50, 0x03e0, 0x0040 }, { 0xe056, 0x00f0, 0x0030 }, { 0xe040, 0x1003, 0 },
	{ 0xea1c, 0x0003, 0x0001 }, { 0xe0c0, 0x4f0f, 0x4403 }, { 0xe052, 0x0080, 0x0068 }, { 0xd430, 0x0fff, 0x047f },
	{ 0xea1c, 0x0004, 0 }, { 0xeb54, 0, 0x0001 },
};

#define GEN3_RELATED	0x890u		/* in configuration space */
#define  GEN3_ZRXDC	BIT(0)

/* The link must not time out in L1.  Without ECAM the register keeps firmware's value. */
static void link_timeout_off(struct rtk *r)
{
	const struct pci_dev *pci = r->nic.hw.pci;
	uint8_t v = pci_read8(pci, GEN3_RELATED);

	if (v != 0xff && (v & GEN3_ZRXDC))
		pci_write8(pci, GEN3_RELATED, v & (uint8_t)~GEN3_ZRXDC);
}

static void setup_25(struct rtk *r)
{
	bool fewer = r->flags & (CHIP_25B | CHIP_26);
	uint32_t end = RTK25_MITIGATE + (fewer ? 0x80 : 0x100);

	/* Another system's driver may have selected the other layout of the causes, in which IMR and ISR have no effect. */
	wr8(r, RTK25_INT_CFG0, 0);
	set8(r, RTK_CONFIG3, CONFIG3_L23, 0);
	for (uint32_t reg = RTK25_MITIGATE; reg < end; reg += 4)
		wr32(r, reg, 0);
	if (fewer)
		wr16(r, RTK25_INT_CFG1, 0);
	if (r->flags & CHIP_26) {
		link_timeout_off(r);
		set8(r, RTK26_D8, BIT(1), 0);
		ocp_set(r, 0xea1c, 0x0300, 0);
	}
	wr16(r, 0x382, 0x221b);
	wr8(r, 0x4500, 0);
	wr16(r, 0x4800, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(settings_25); i++)
		ocp_set(r, settings_25[i].addr, settings_25[i].clear, settings_25[i].set);
	delay_us(1);
	ocp_set(r, 0xeb54, 0x0001, 0);
	ocp_set(r, 0xe614, 0x0700, r->flags & CHIP_25B ? 0x0200 : r->flags & CHIP_25D ? 0x0300 : 0x0400);
	ocp_set(r, 0xe63e, 0x0c30, r->flags & CHIP_25B ? 0 : 0x0020);
	ocp_set(r, OCP_L1_2, 0x00ff, 0);
	wr16(r, 0x1880, rd16(r, 0x1880) & (uint16_t)~0x0030u);
	ocp_set(r, 0xe098, 0xffff, 0xc302);
	if (!wait_until(!(ocp_read(r, OCP_READY) & OCP_NOT_YET), READY_US))
		log_err_once(r->ready_said, "%s: OCP %04x stays %04x", r->nic.name, OCP_READY, ocp_read(r, OCP_READY));
}

/* A receiver loses frames while the link leaves L1: disable ASPM and clock requests, in the chip and in its PCI capability. */
static void power_saving_off(struct rtk *r)
{
	const struct pci_dev *pci = r->nic.hw.pci;
	uint16_t at = pci->cap_exp + 16u;

	if (r->flags & CHIP_PM) {
		set8(r, RTK_CONFIG5, CONFIG5_ASPM, 0);
		set8(r, RTK_CONFIG2, CONFIG2_CLKREQ, 0);
	}
	if (pci->cap_exp)
		pci_write16(pci, at, pci_read16(pci, at) & (uint16_t)~0x0103u);	/* link control: ASPM, clock request */
}

void rtk_chip_setup(struct rtk *r)
{
	rtk_lock(r, false);
	wr16(r, RTK_CPCR, (rd16(r, RTK_CPCR) & CPCR_NORMAL) | (r->flags & CHIP_PCIE ? 0 : CPCR_MULRW) |
	     (r->flags & CHIP_CPCR_14 ? CPCR_14 : 0));
	if (!(r->flags & CHIP_25))
		wr8(r, RTK_MTPS, r->flags & CHIP_EVL ? 0x27 : 0x3f);
	if (r->flags & CHIP_25)
		setup_25(r);
	else if (r->flags & CHIP_OCP)
		setup_g(r);
	else if (r->flags & CHIP_EVL)
		setup_evl(r);
	else if (r->flags & (CHIP_8402 | CHIP_NDP))
		setup_fast(r);
	else if (r->flags & CHIP_PCIE)
		set8(r, RTK_CONFIG3, CONFIG3_BEACON, 0);
	else
		setup_pci(r);
	if (r->flags & (CHIP_JUMBO_B | CHIP_JUMBO_C)) {
		set8(r, RTK_CONFIG3, CONFIG3_JUMBO, 0);
		set8(r, RTK_CONFIG4, r->flags & CHIP_JUMBO_B ? CONFIG4_JUMBO_B : CONFIG4_JUMBO_C, 0);
	}
	power_saving_off(r);
	rtk_lock(r, true);
	if (!(r->flags & CHIP_25))
		wr16(r, RTK_MITIGATE, 0);
	rtk_flush(r);
}
