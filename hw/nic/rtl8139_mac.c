/* SPDX-License-Identifier: BSD-2-Clause */
/* RTL8139: address, filter, link. */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/string.h>
#include <veneer/time.h>
#include "rtl8139.h"

#define AUTOLOAD_US		20000u	/* the datasheet: 2 ms */

void rtl8139_config_unlock(struct rtl8139 *r)
{
	wr8(r, RTL_9346CR, FIELD_PREP(EEM, EEM_CONFIG));
}

void rtl8139_config_lock(struct rtl8139 *r)
{
	wr8(r, RTL_9346CR, FIELD_PREP(EEM, EEM_NORMAL));
}

/* --- address and filter --- */

static bool mac_valid(const uint8_t mac[6])
{
	static const uint8_t none[6];

	return !(mac[0] & 1) && memcmp(mac, none, 6);
}

static void mac_read(const struct rtl8139 *r, uint8_t mac[6])
{
	for (unsigned i = 0; i < 6; i++)
		mac[i] = rd8(r, RTL_IDR + i);
}

void rtl8139_address_write(struct rtl8139 *r)
{
	const uint8_t *m = r->mac;

	rtl8139_config_unlock(r);
	wr32(r, RTL_IDR, m[0] | (uint32_t)m[1] << 8 | (uint32_t)m[2] << 16 | (uint32_t)m[3] << 24);
	wr32(r, RTL_IDR + 4, m[4] | (uint32_t)m[5] << 8);
	rtl8139_config_lock(r);
	wr32(r, RTL_MAR, r->mar[0]);
	wr32(r, RTL_MAR + 4, r->mar[1]);
	flush_writes(r);
}

/* The hash is the top six bits of the address's Ethernet CRC. */
static unsigned hash_of(const uint8_t mac[6])
{
	uint32_t crc = ~0u;

	for (unsigned i = 0; i < 48; i++) {
		bool bit = (mac[i / 8] >> (i % 8) & 1) ^ crc >> 31;

		crc = crc << 1 ^ (bit ? 0x04c11db7u : 0);
	}
	return crc >> 26;
}

/* There is one exact address: further ones need AAP. */
void rtl8139_filter_make(struct rtl8139 *r, const struct nic_rx_filter *f)
{
	r->rcr = 0;
	r->mar[0] = r->mar[1] = 0;
	if (!f->nouni)
		r->rcr |= RCR_APM | (f->promisc || f->nmac ? RCR_AAP : 0);
	if (!f->nobcast)
		r->rcr |= RCR_AB;
	if (f->nomulti)
		return;
	r->rcr |= RCR_AM;
	if (f->promisc || f->allmulti)
		r->mar[0] = r->mar[1] = ~0u;
	for (unsigned i = 0; i < f->nmcast; i++) {
		unsigned h = hash_of(f->mcast[i]);

		r->mar[h / 32] |= BIT(h % 32);
	}
}

/* The chip has loaded its address at power-on; where it has none it is made to look into the EEPROM again. */
int rtl8139_read_mac(struct rtl8139 *r)
{
	uint8_t cr = 0;

	mac_read(r, r->nic.mac);
	if (!mac_valid(r->nic.mac)) {
		wr8(r, RTL_9346CR, FIELD_PREP(EEM, EEM_AUTOLOAD));
		if (!wait_until(!((cr = rd8(r, RTL_9346CR)) & EEM), AUTOLOAD_US))
			log_err("%s: the EEPROM is not read, 9346CR %02x", r->hw.name, cr);
		mac_read(r, r->nic.mac);
	}
	if (!mac_valid(r->nic.mac)) {
		log_err("%s: no valid MAC address (IDR %08x %08x)", r->hw.name, rd32(r, RTL_IDR), rd32(r, RTL_IDR + 4));
		return -ERR_INVAL;
	}
	memcpy(r->mac, r->nic.mac, 6);
	return 0;
}

/* --- link --- */

static bool full_duplex(const struct rtl8139 *r)
{
	uint16_t bmcr = rd16(r, RTL_BMCR), common;

	if (!(bmcr & BMCR_ANE))
		return bmcr & BMCR_FULL;
	/* A partner that does not negotiate is taken for half duplex (802.3, 28.2.3.1). */
	common = rd16(r, RTL_ANAR) & rd16(r, RTL_ANLPAR);
	if (common & AN_100_FULL)
		return true;
	return !(common & AN_100_HALF) && (common & AN_10_FULL);
}

void rtl8139_link(struct nic *nic, struct nic_link *out)
{
	struct rtl8139 *r = rtl8139_of(nic);
	uint8_t msr = rd8(r, RTL_MSR);

	memset(out, 0, sizeof(*out));
	out->up = !(msr & MSR_LINKB);
	if (!out->up)
		return;
	out->mbps = msr & MSR_SPEED_10 ? 10 : 100;
	out->full_duplex = full_duplex(r);
}

static bool link_differs(const struct nic_link *a, const struct nic_link *b)
{
	return a->up != b->up || a->mbps != b->mbps || a->full_duplex != b->full_duplex;
}

/* The cause comes for other reasons, too: only what differs is told. */
void rtl8139_link_look(struct rtl8139 *r)
{
	struct nic_link l;

	rtl8139_link(&r->nic, &l);
	if (!link_differs(&l, &r->seen))
		return;
	r->seen = l;
	if (l.up)
		log_info("%s: link up %u Mb/s %s duplex", r->hw.name, l.mbps, l.full_duplex ? "full" : "half");
	else
		log_info("%s: link down", r->hw.name);
	if (!l.up)
		rtl8139_hold_clock(r, false);	/* nothing is sent without a link, and that is no hang */
	if (r->nic.client && r->nic.client->link_changed)
		r->nic.client->link_changed(r->nic.client_ctx);
}
