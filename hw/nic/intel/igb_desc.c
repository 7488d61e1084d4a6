/* SPDX-License-Identifier: BSD-2-Clause */
/* The advanced descriptors of 82576 and later. */
#include "igb_regs.h"
#include "intel.h"

#define ETH_HLEN	14u
#define IPLEN_MIN	20u
#define IPLEN_MAX	511u
#define MACLEN_MAX	127u
#define CSUM_TCP	16u
#define CSUM_UDP	6u

/*
 * Without segmentation the checksum begins at MACLEN + IPLEN, and the chip ignores the headers before.  The client does not say
 * where the IP header begins, so everything between the Ethernet header and the checksum's start counts as IP. The protocol
 * (L4T) tells the chip where to insert the checksum.
 */
static uint32_t mac_len(const struct nic_tx *pkt)
{
	return pkt->flags & NIC_TX_TSO ? pkt->ip_start : ETH_HLEN;
}

static bool adv_tx_can(const struct nic_tx *pkt)
{
	uint32_t mac = mac_len(pkt), ip = (uint32_t)pkt->csum_start - mac;

	if (pkt->csum_offset != CSUM_TCP && (pkt->csum_offset != CSUM_UDP || (pkt->flags & NIC_TX_TSO)))
		return false;
	return mac <= MACLEN_MAX && pkt->csum_start >= mac + IPLEN_MIN && ip <= IPLEN_MAX;
}

static void adv_tx_context(struct intel_desc *d, const struct nic_tx *pkt)
{
	uint32_t mac = mac_len(pkt);

	/* IDX stays 0: Veneer uses the first of the queue's two contexts. */
	d->q[0] = FIELD_PREP(ATXC_MACLEN, mac) | FIELD_PREP(ATXC_IPLEN, pkt->csum_start - mac);
	d->q[1] = FIELD_PREP(ATXD_DTYP, ATXD_DTYP_CONTEXT) | ATXD_DEXT |
		  FIELD_PREP(ATXC_L4T, pkt->csum_offset == CSUM_TCP ? ATXC_L4T_TCP : ATXC_L4T_UDP);
	if (!(pkt->flags & NIC_TX_TSO))
		return;
	d->q[1] |= FIELD_PREP(ATXC_L4LEN, pkt->hdr_len - pkt->csum_start) | FIELD_PREP(ATXC_MSS, pkt->mss);
	if (!(pkt->flags & NIC_TX_IPV6))
		d->q[1] |= ATXC_IPV4;
}

/* The chip reads PAYLEN and POPTS in a frame's first descriptor only. */
static void adv_tx_data(struct intel_desc *d, uint64_t addr, uint32_t len, uint32_t flags, const struct nic_tx *pkt)
{
	uint64_t cmd = FIELD_PREP(ATXD_LENGTH, len) | FIELD_PREP(ATXD_DTYP, ATXD_DTYP_DATA) | ATXD_DEXT | ATXD_IFCS;

	if (flags & INTEL_TX_LAST)
		cmd |= ATXD_EOP | ATXD_RS;
	if (flags & INTEL_TX_CSUM)
		cmd |= ATXD_TXSM;
	if (flags & INTEL_TX_IPSUM)
		cmd |= ATXD_IXSM;
	if (flags & INTEL_TX_TSE)
		cmd |= ATXD_TSE | FIELD_PREP(ATXD_PAYLEN, pkt->len - pkt->hdr_len);
	else
		cmd |= FIELD_PREP(ATXD_PAYLEN, MAX(pkt->len, INTEL_PAD_LEN));
	d->q[0] = addr;
	d->q[1] = cmd;
}

static void adv_rx_read(const struct intel_desc *d, struct intel_rx_status *s)
{
	uint64_t q = d->q[1];

	s->len = (uint32_t)FIELD_GET(ARXD_LENGTH, q);
	s->last = q & ARXD_EOP;
	s->bad = q & (ARXD_CE | ARXD_SE | ARXD_SEQ | ARXD_CXE | ARXD_RXE);
	s->csum_ok = (q & ARXD_L4CS) && !(q & (ARXD_L4E | ARXD_IPE));
}

const struct intel_desc_ops intel_desc_advanced = {
	.plain = FIELD_PREP(ATXD_DTYP, ATXD_DTYP_DATA) | ATXD_DEXT | ATXD_IFCS | ATXD_EOP | ATXD_RS,
	.plain_unit = 1 | FIELD_PREP(ATXD_PAYLEN, 1),
	.tx_dd = ATXD_DD,
	.rx_dd = ARXD_DD,	/* the driver writes this quadword, the header buffer's address, as 0: no such buffer is used */
	.tx_can = adv_tx_can,
	.tx_data = adv_tx_data,
	.tx_context = adv_tx_context,
	.rx_read = adv_rx_read,
};
