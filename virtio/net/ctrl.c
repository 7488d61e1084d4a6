/* SPDX-License-Identifier: BSD-2-Clause */
/* The control virtqueue (virtio 1.2 section 5.1.6.5), and the receive filter that it sets. */
#include <veneer/err.h>
#include <veneer/string.h>
#include "net.h"

/*
 * Pass all frames until the driver sets a filter.  Most drivers do not know CTRL_RX; the device that they were written for
 * passes all frames then, and some of them use an address of their own or need multicast (IPv6).  They drop other frames
 * themselves.  Drivers with CTRL_RX set the filter before anything else.
 */
void vnet_filter_reset(struct vnet *vn)
{
	struct vnet_state fresh = { 0 };

	memcpy(fresh.default_mac, vn->st.default_mac, sizeof(fresh.default_mac));
	memcpy(fresh.mac, vn->st.default_mac, sizeof(fresh.mac));
	vn->st = fresh;
	memcpy(vn->dev.st.cfg + NETCFG_MAC, vn->st.mac, sizeof(vn->st.mac));
	vn->st.promisc = 1;
	vn->soft_filter = false;
}

void vnet_filter_apply(struct vnet *vn)
{
	const struct vnet_state *st = &vn->st;
	struct nic_rx_filter f = {
		.promisc = st->promisc || st->alluni || st->mac_overflow,
		.allmulti = st->allmulti || st->mcast_overflow,
		.nobcast = st->nobcast,
		.nouni = st->nouni,
		.nomulti = st->nomulti,
		.nmac = st->nmac,
		.nmcast = st->nmcast,
		.mac = st->macs,
		.mcast = st->mcast,
		.vlan = virtio_has(&vn->dev, VIRTIO_NET_F_CTRL_VLAN) ? st->vlan : NULL,
	};

	vn->soft_filter = st->nobcast || st->nouni || st->nomulti;
	nic_set_filter(vn->nic, &f);
}

void vnet_set_mac(struct vnet *vn, const uint8_t mac[6])
{
	memcpy(vn->st.mac, mac, sizeof(vn->st.mac));
	memcpy(vn->dev.st.cfg + NETCFG_MAC, mac, sizeof(vn->st.mac));
	nic_set_mac(vn->nic, mac);
}

/* Copy @len bytes of the command's data; false if the command has fewer. */
static bool command_data(const struct virtq_chain *c, uint64_t at, void *to, uint32_t len)
{
	return at + len <= c->out_len && sg_copy_from(c->out, c->nout, at, to, len) == len;
}

static bool set_rx_mode(struct vnet *vn, uint8_t cmd, const struct virtq_chain *c)
{
	uint8_t *const mode[] = {
		[CTRL_RX_PROMISC] = &vn->st.promisc, [CTRL_RX_ALLMULTI] = &vn->st.allmulti,
		[CTRL_RX_ALLUNI] = &vn->st.alluni, [CTRL_RX_NOMULTI] = &vn->st.nomulti,
		[CTRL_RX_NOUNI] = &vn->st.nouni, [CTRL_RX_NOBCAST] = &vn->st.nobcast,
	};
	uint8_t on;

	if (cmd >= ARRAY_SIZE(mode) || !command_data(c, 0, &on, sizeof(on)))
		return false;
	*mode[cmd] = on != 0;
	vnet_filter_apply(vn);
	return true;
}

/* The data is two tables, unicast and multicast: each a count and that many addresses. */
static bool set_mac_table(struct vnet *vn, const struct virtq_chain *c)
{
	struct vnet_state *st = &vn->st;
	uint32_t nmac, nmcast;
	uint64_t second;

	if (!command_data(c, 0, &nmac, sizeof(nmac)))
		return false;
	second = sizeof(nmac) + 6ull * nmac;
	if (!command_data(c, second, &nmcast, sizeof(nmcast)) || second + sizeof(nmcast) + 6ull * nmcast > c->out_len)
		return false;

	st->mac_overflow = nmac > NIC_MAX_MACS;
	st->nmac = st->mac_overflow ? 0 : (uint8_t)nmac;
	command_data(c, sizeof(nmac), st->macs, 6u * st->nmac);
	st->mcast_overflow = nmcast > VNET_MCAST_MAX;
	st->nmcast = st->mcast_overflow ? 0 : (uint8_t)nmcast;
	command_data(c, second + sizeof(nmcast), st->mcast, 6u * st->nmcast);
	vnet_filter_apply(vn);
	return true;
}

static bool set_mac(struct vnet *vn, uint8_t cmd, const struct virtq_chain *c)
{
	uint8_t mac[6];

	if (cmd == CTRL_MAC_TABLE_SET)
		return set_mac_table(vn, c);
	if (cmd != CTRL_MAC_ADDR_SET || !command_data(c, 0, mac, sizeof(mac)))
		return false;
	vnet_set_mac(vn, mac);
	return true;
}

static bool set_vlan(struct vnet *vn, uint8_t cmd, const struct virtq_chain *c)
{
	uint16_t id;

	if (cmd > CTRL_VLAN_DEL || !command_data(c, 0, &id, sizeof(id)) || id >= 4096)
		return false;
	if (cmd == CTRL_VLAN_ADD)
		vn->st.vlan[id / 32] |= BIT(id % 32);
	else
		vn->st.vlan[id / 32] &= ~BIT(id % 32);
	vnet_filter_apply(vn);
	return true;
}

static bool obey(struct vnet *vn, struct virtq_chain *c)
{
	uint8_t hdr[2];		/* class and command */

	if (!command_data(c, 0, hdr, sizeof(hdr)))
		return false;
	virtq_chain_skip(c, sizeof(hdr));
	switch (hdr[0]) {
	case VIRTIO_NET_CTRL_RX:
		return set_rx_mode(vn, hdr[1], c);
	case VIRTIO_NET_CTRL_MAC:
		return set_mac(vn, hdr[1], c);
	case VIRTIO_NET_CTRL_VLAN:
		return set_vlan(vn, hdr[1], c);
	}
	return false;
}

/* Each command can write all of the filter to the NIC: some hundred registers. */
#define RUN_MAX	16u

void vnet_ctrl_run(struct vnet *vn)
{
	struct virtq *q = &vn->vq[VNET_CTRL];
	struct virtq_chain *c = &q->chain;
	unsigned left = RUN_MAX;
	uint8_t ack;

	do {
		while (left && virtq_pop(q, c)) {
			ack = obey(vn, c) ? VIRTIO_NET_OK : VIRTIO_NET_ERR;
			virtq_push(q, c->head, (uint32_t)sg_copy_to(c->in, c->nin, 0, &ack, sizeof(ack)));
			left--;
		}
	} while (left && virtq_kicks_on(q));
	if (!left) {
		virtq_kicks_off(q);
		virtio_run_again(&vn->dev, VNET_CTRL);
	}
	virtq_flush(q);
}
