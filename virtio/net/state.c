/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio-net's part of a saved state.  Receive buffers that the NIC held are given to it again.  No frame is sent twice: what
 * the NIC has not sent in time counts as sent, for networks may lose frames, but doubled ones end some simple protocols.
 */
#include <veneer/string.h>
#include "net.h"

/* Frames that have been taken from the ring go out, and the rest of one that is being cut. */
static void vnet_drain(struct virtio_dev *dev)
{
	virtq_hold(&to_vnet(dev)->vq[VNET_TX]);
}

static unsigned vnet_poll(struct virtio_dev *dev)
{
	struct nic *nic = to_vnet(dev)->nic;

	return nic->hw.ops->poll(&nic->hw);
}

static void vnet_halt(struct virtio_dev *dev)
{
	struct vnet *vn = to_vnet(dev);
	struct virtq *q = &vn->vq[VNET_TX];

	nic_stop(vn->nic);
	vnet_frames_forget(vn);
	for (unsigned head = 0; head < q->st.size; head++)
		if (q->st.busy[head])
			virtq_push(q, (uint16_t)head, 0);
}

static const char *vnet_check(const struct virtio_dev *dev, const struct virtio_image *in)
{
	const struct vnet_state *st = (const void *)in->type;
	const uint8_t *cfg = in->dev.cfg;

	if (st->nmac > NIC_MAX_MACS || st->nmcast > VNET_MCAST_MAX)
		return "more addresses than the filter holds";
	if ((st->promisc | st->allmulti | st->alluni | st->nomulti | st->nouni | st->nobcast | st->mac_overflow |
	     st->mcast_overflow) > 1)
		return "an impossible receive filter";
	if (memcmp(cfg + NETCFG_MAC, st->mac, sizeof(st->mac)))
		return "two different MAC addresses";
	if (bytes_get(cfg, NETCFG_SIZE, NETCFG_STATUS, 2) & ~VIRTIO_NET_S_LINK_UP)
		return "an impossible link state";
	/* What does not change while a device lives. */
	if (memcmp(cfg + NETCFG_STATUS + 2, dev->st.cfg + NETCFG_STATUS + 2, NETCFG_SIZE - NETCFG_STATUS - 2))
		return "another MTU or number of queues";
	return NULL;
}

static const struct virtio_state_ops vnet_state_ops = {
	.size = sizeof(struct vnet_state),
	.drain = vnet_drain,
	.poll = vnet_poll,
	.halt = vnet_halt,
	.check = vnet_check,
};

void virtio_net_keep(struct virtio_dev *dev)
{
	virtio_keep(dev, &vnet_state_ops);
}
