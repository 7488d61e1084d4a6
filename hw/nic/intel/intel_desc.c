/* SPDX-License-Identifier: BSD-2-Clause */
/* The descriptors of 8254x, 8257x, ICH and PCH: extended transmit, legacy receive.  Those of igb: igb_desc.c. */
#include "intel.h"

#define CSUM_OFFSET_TCP	16u
#define IP4_SUM		10u

static bool legacy_tx_can(const struct nic_tx *pkt)
{
	return (uint32_t)pkt->csum_start + pkt->csum_offset <= TXC_CSUM_REACH;
}

static void legacy_tx_data(struct intel_desc *d, uint64_t addr, uint32_t len, uint32_t flags, const struct nic_tx *pkt)
{
	uint64_t cmd = FIELD_PREP(TXD_LENGTH, len) | FIELD_PREP(TXD_DTYP, TXD_DTYP_DATA) | TXD_DEXT | TXD_IFCS;

	if (flags & INTEL_TX_LAST)
		cmd |= TXD_EOP | TXD_RS;
	if (flags & INTEL_TX_LATE)
		cmd |= TXD_IDE;
	if (flags & INTEL_TX_CSUM)
		cmd |= TXD_TXSM;
	if (flags & INTEL_TX_TSE)
		cmd |= TXD_TSE;
	if (flags & INTEL_TX_IPSUM)
		cmd |= TXD_IXSM;
	d->q[0] = addr;
	d->q[1] = cmd;
}

static void legacy_tx_context(struct intel_desc *d, const struct nic_tx *pkt)
{
	uint32_t start = pkt->csum_start, at = start + pkt->csum_offset, ip = pkt->ip_start;

	d->q[0] = FIELD_PREP(TXC_TUCSS, start) | FIELD_PREP(TXC_TUCSO, at) | FIELD_PREP(TXC_TUCSE, 0);
	d->q[1] = FIELD_PREP(TXD_DTYP, TXD_DTYP_CONTEXT) | TXD_DEXT | (pkt->csum_offset == CSUM_OFFSET_TCP ? TXD_TUCMD_TCP : 0);
	if (!(pkt->flags & NIC_TX_TSO))
		return;
	d->q[0] |= FIELD_PREP(TXC_IPCSS, ip) | FIELD_PREP(TXC_IPCSO, ip + IP4_SUM);
	d->q[1] |= TXD_TSE | FIELD_PREP(TXD_LENGTH, pkt->len - pkt->hdr_len) | FIELD_PREP(TXC_HDRLEN, pkt->hdr_len) |
		   FIELD_PREP(TXC_MSS, pkt->mss);
	if (!(pkt->flags & NIC_TX_IPV6)) {
		d->q[0] |= FIELD_PREP(TXC_IPCSE, start - 1);
		d->q[1] |= TXD_TUCMD_IP;
	}
}

static void legacy_rx_read(const struct intel_desc *d, struct intel_rx_status *s)
{
	uint64_t q = d->q[1];

	s->len = (uint32_t)FIELD_GET(RXD_LENGTH, q);
	s->last = q & RXD_EOP;
	s->bad = q & (RXD_CE | RXD_SE | RXD_SEQ | RXD_CXE | RXD_RXE);
	s->csum_ok = (q & RXD_TCPCS) && !(q & (RXD_IXSM | RXD_TCPE | RXD_IPE));
}

const struct intel_desc_ops intel_desc_legacy = {
	.plain = FIELD_PREP(TXD_DTYP, TXD_DTYP_DATA) | TXD_DEXT | TXD_IFCS | TXD_EOP | TXD_RS,
	.plain_unit = 1,
	.late = TXD_IDE,
	.tx_dd = TXD_DD,
	.rx_dd = RXD_DD,
	.tx_can = legacy_tx_can,
	.tx_data = legacy_tx_data,
	.tx_context = legacy_tx_context,
	.rx_read = legacy_rx_read,
};
