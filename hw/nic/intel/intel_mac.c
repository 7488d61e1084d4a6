/* SPDX-License-Identifier: BSD-2-Clause */
/* Address, receive filter, link and register dumps: the parts of the MAC that work alike on all of Intel's gigabit NICs. */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/string.h>
#include <veneer/time.h>
#include "intel.h"

#define EERD_TIMEOUT_US	100000u
#define ARBITER_WAIT_US	500u
#define MASTER_OFF_US	80000u
#define SETTLE_US	10000u
#define VFTA_TRIES	10u

void intel_arbiter_wait(const struct intel_nic *n)
{
	uint32_t r;

	(void)wait_until(!((r = intel_rd(n, REG_FWSM)) & FWSM_PCIM2PCI) || r == ~0u, ARBITER_WAIT_US);
}

/* --- before a reset --- */

void intel_units_off(struct intel_nic *n)
{
	intel_wr(n, REG_IMC, ~0u);
	intel_set(n, REG_RCTL, RCTL_EN, 0);
	intel_set(n, REG_TCTL, TCTL_EN, 0);
	intel_flush(n);
}

/* Stop the chip's bus requests, and wait until the last is completed. */
void intel_master_off(struct intel_nic *n)
{
	uint32_t status = 0;

	intel_set(n, REG_CTRL, CTRL_RST | CTRL_PHY_RST, CTRL_GIO_MASTER_OFF);
	if (wait_until(!((status = intel_rd(n, REG_STATUS)) & STATUS_GIO_MASTER), MASTER_OFF_US))
		return;
	log_warn("%s: bus requests do not end within %u ms, STATUS %08x; resetting all the same", n->nic.name,
		 MASTER_OFF_US / 1000, status);
	delay_us(SETTLE_US);
}

/*
 * The 82574 can stop receiving or sending if its PCI Express link may enter L0s or L1, which firmware often enables; an I226
 * loses throughput, because leaving L1 takes time.  Only the device's side is switched off: the device requests L1.  The
 * upstream port controls L0s of the other direction, which stays unchanged.
 */
START_ONLY_CODE void intel_aspm_off(struct intel_nic *n)
{
	uint16_t at = n->nic.hw.pci->cap_exp + EXP_LINK_CONTROL;
	uint16_t v = n->nic.hw.pci->cap_exp ? pci_read16(n->nic.hw.pci, at) : 0;

	if (!(v & LINK_ASPM))
		return;
	pci_write16(n->nic.hw.pci, at, (uint16_t)(v & ~LINK_ASPM));
	log_info("%s: ASPM off, Link Control was %04x", n->nic.name, v);
}

/* --- the permanent address --- */

static unsigned rars(const struct intel_nic *n)
{
	return intel_quirk(n, INTEL_Q_PCH) ? n->fam->rars_pch : n->fam->rars;
}

unsigned intel_mta_words(const struct intel_nic *n)
{
	return intel_quirk(n, INTEL_Q_PCH) ? MTA_WORDS_PCH : MTA_WORDS;
}

void intel_rar_read(const struct intel_nic *n, unsigned i, uint8_t mac[6])
{
	uint32_t low = intel_rd(n, REG_RAL(i)), high = intel_rd(n, REG_RAH(i));

	for (unsigned b = 0; b < 4; b++)
		mac[b] = (uint8_t)(low >> 8 * b);
	mac[4] = (uint8_t)high;
	mac[5] = (uint8_t)(high >> 8);
}

static int eerd(struct intel_nic *n, unsigned word, uint16_t *v)
{
	bool old = intel_quirk(n, INTEL_Q_EERD_8254X);
	uint32_t addr = old ? FIELD_PREP(EERD_ADDR_8254X, word) : FIELD_PREP(EERD_ADDR, word);
	uint32_t done = old ? EERD_DONE_8254X : EERD_DONE, r = 0;

	intel_wr(n, REG_EERD, addr | EERD_START);
	if (!wait_until((r = intel_rd(n, REG_EERD)) & done, EERD_TIMEOUT_US)) {
		log_warn("%s: EEPROM word %u not read within %u ms, EERD %08x", n->nic.name, word, EERD_TIMEOUT_US / 1000, r);
		return -ERR_TIMEOUT;
	}
	*v = (uint16_t)FIELD_GET(EERD_DATA, r);
	return 0;
}

static int eeprom_mac(struct intel_nic *n, uint8_t mac[6])
{
	for (unsigned i = 0; i < 3; i++) {
		uint16_t v;
		int err = eerd(n, i, &v);

		if (err)
			return err;
		mac[2 * i] = (uint8_t)v;
		mac[2 * i + 1] = (uint8_t)(v >> 8);
	}
	if (PCI_FN(n->nic.hw.pci->bdf) == 1 && !intel_quirk(n, INTEL_Q_PCH))
		mac[5] ^= 1;	/* the second port of a dual 82546 shares the EEPROM */
	return nic_mac_valid(mac) ? 0 : -ERR_INVAL;
}

/*
 * A reset loads RAR 0 from the NVM. If it did not, read the EEPROM; if that fails, too, use the address that firmware had set
 * up.
 */
void intel_mac_read(struct intel_nic *n, const uint8_t before[6])
{
	uint8_t *mac = n->nic.mac;

	intel_rar_read(n, 0, mac);
	if ((intel_rd(n, REG_RAH(0)) & RAH_AV) && nic_mac_valid(mac))
		return;
	if (n->fam->rar_only || intel_quirk(n, INTEL_Q_PCH) || eeprom_mac(n, mac))
		memcpy(mac, before, 6);
}

/* --- receive filter --- */

/* With MO 0 the hash is the top 12 bits of the address as sent (10 on PCH, whose table has 1024 bits): 8254x SDM 13.5.1. */
static void mta_add(const struct intel_nic *n, uint32_t *mta, const uint8_t mac[6])
{
	unsigned words = intel_mta_words(n), shift = words == MTA_WORDS ? 4 : 2;
	unsigned hash = ((unsigned)mac[4] >> (8 - shift) | (unsigned)mac[5] << shift) & (words * 32 - 1);

	mta[hash / 32] |= BIT(hash % 32);
}

static void filter_unicast(const struct intel_nic *n, struct intel_filter *out, const struct nic_rx_filter *f)
{
	if (f->nouni)
		return;
	out->own = true;
	if (f->promisc || f->nmac > rars(n) - 1) {
		out->rctl |= RCTL_UPE;
		return;
	}
	out->nmac = f->nmac;
	for (unsigned i = 0; i < f->nmac; i++)
		memcpy(out->mac[i], f->mac[i], 6);
}

void intel_filter_make(struct nic *nic, const struct nic_rx_filter *f)
{
	struct intel_nic *n = to_intel(nic);
	struct intel_filter *out = &n->filter;

	memset(out, 0, sizeof(*out));
	filter_unicast(n, out, f);
	if (!f->nobcast)
		out->rctl |= RCTL_BAM;
	if (!f->nomulti && (f->promisc || f->allmulti))
		out->rctl |= RCTL_MPE;
	else if (!f->nomulti)
		for (unsigned i = 0; i < f->nmcast; i++)
			mta_add(n, out->mta, f->mcast[i]);
	if (f->vlan && !f->promisc) {
		out->rctl |= RCTL_VFE;
		memcpy(out->vfta, f->vlan, sizeof(out->vfta));
	}
}

static void rar_write(struct intel_nic *n, unsigned i, const uint8_t mac[6], bool valid)
{
	uint32_t low = mac[0] | (uint32_t)mac[1] << 8 | (uint32_t)mac[2] << 16 | (uint32_t)mac[3] << 24;
	uint32_t high = mac[4] | (uint32_t)mac[5] << 8 | (valid ? RAH_AV : 0);

	if (intel_rd(n, REG_RAL(i)) == low && intel_rd(n, REG_RAH(i)) == high)
		return;
	/*
	 * Mark the register invalid while it changes.  Read between the writes: a bridge may combine writes to neighbouring
	 * registers.
	 */
	intel_wr(n, REG_RAH(i), 0);
	intel_flush(n);
	intel_wr(n, REG_RAL(i), low);
	intel_flush(n);
	intel_wr(n, REG_RAH(i), high);
	intel_flush(n);
}

void intel_filter_write(struct nic *nic)
{
	static const uint8_t none[6];
	struct intel_nic *n = to_intel(nic);
	const struct intel_filter *f = &n->filter;
	uint32_t rctl = intel_rctl(n) | (nic_runs(nic) ? RCTL_EN : 0);

	rar_write(n, 0, nic->addr, f->own);
	for (unsigned i = 1; i < rars(n); i++) {
		bool used = i <= f->nmac;

		rar_write(n, i, used ? f->mac[i - 1] : none, used);
	}
	for (unsigned i = 0; i < intel_mta_words(n); i++)
		intel_wr(n, REG_MTA(i), f->mta[i]);
	/* An I350 may drop such a write; other systems' drivers write each ten times. */
	for (unsigned i = 0, tries = intel_quirk(n, INTEL_Q_VFTA) ? VFTA_TRIES : 1; i < VFTA_WORDS * tries; i++)
		intel_wr(n, REG_VFTA(i / tries), f->vfta[i / tries]);
	/* Write RCTL only if its value changes: an emulated 82540EM receives nothing for a second after each write. */
	if (intel_rd(n, REG_RCTL) != rctl)
		intel_wr(n, REG_RCTL, rctl);
	intel_flush(n);
}

uint32_t intel_rctl(const struct intel_nic *n)
{
	uint32_t jumbo = n->nic.frame_max > NIC_FRAME_MAX ? RCTL_LPE : 0;

	/* Without SECRC the chip writes the FCS to memory, too, if necessary into the next buffer. */
	return RCTL_SECRC | jumbo | FIELD_PREP(RCTL_BSIZE, RCTL_BSIZE_2048) | FIELD_PREP(RCTL_MO, 0) | n->filter.rctl;
}

/* --- link --- */

void intel_link(struct nic *nic, struct nic_link *out)
{
	static const uint16_t speed[4] = { 10, 100, 1000, 1000 };
	uint32_t status = intel_rd(to_intel(nic), REG_STATUS);

	memset(out, 0, sizeof(*out));
	if (status == ~0u || !(status & STATUS_LU))
		return;
	out->up = true;
	out->full_duplex = status & STATUS_FD;
	out->mbps = speed[FIELD_GET(STATUS_SPEED, status)];
	if (to_intel(nic)->fam->has_2500 && (status & STATUS_2500))
		out->mbps = 2500;
}

/* --- dumps --- */

static const struct intel_bit ctrl_bits[] = CTRL_BITS, status_bits[] = STATUS_BITS, ext_bits[] = CTRL_EXT_BITS,
	int_bits[] = INT_BITS, rctl_bits[] = RCTL_BITS, tctl_bits[] = TCTL_BITS, fwsm_bits[] = FWSM_BITS;

static const struct {
	const char *name;
	uint32_t reg;
	const struct intel_bit *bits;
	unsigned nbits;
	bool pch;
} dump_regs[] = {
	{ "CTRL", REG_CTRL, ctrl_bits, ARRAY_SIZE(ctrl_bits) },
	{ "STATUS", REG_STATUS, status_bits, ARRAY_SIZE(status_bits) },
	{ "CTRL_EXT", REG_CTRL_EXT, ext_bits, ARRAY_SIZE(ext_bits) },
	{ "IMS", REG_IMS, int_bits, ARRAY_SIZE(int_bits) },	/* not ICR: a read acknowledges */
	{ "RCTL", REG_RCTL, rctl_bits, ARRAY_SIZE(rctl_bits) },
	{ "TCTL", REG_TCTL, tctl_bits, ARRAY_SIZE(tctl_bits) },
	{ "TDH", REG_TDH }, { "TDT", REG_TDT }, { "RDH", REG_RDH }, { "RDT", REG_RDT },
	{ "FWSM", REG_FWSM, fwsm_bits, ARRAY_SIZE(fwsm_bits), true },
};

static void bit_names(char *buf, size_t size, uint32_t v, const struct intel_bit *bits, unsigned n)
{
	size_t at = 0;

	buf[0] = 0;
	for (unsigned i = 0; i < n && at < size; i++)
		if (v & bits[i].mask)
			at += (size_t)fmt_string(buf + at, size - at, " %s", bits[i].name);
}

void intel_dump(const struct intel_nic *n)
{
	char names[96];

	for (unsigned i = 0; i < ARRAY_SIZE(dump_regs); i++) {
		if (dump_regs[i].pch && !intel_quirk(n, INTEL_Q_PCH))
			continue;
		uint32_t v = intel_rd(n, dump_regs[i].reg);

		bit_names(names, sizeof(names), v, dump_regs[i].bits, dump_regs[i].nbits);
		log_warn("%s: %s %08x%s", n->nic.name, dump_regs[i].name, v, names);
	}
}
