/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtio-net device: make, start, stop, and its configuration space.  Frames are in rx.c and tx.c. */
#include <veneer/doorbell.h>
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include "net.h"

#define CLASS_ETHERNET	0x020000u
#define OVERHEAD	18u		/* of a frame over the MTU: header and VLAN tag */
#define MTU		(NIC_FRAME_MAX - OVERHEAD)

void vnet_pool_reset(struct vnet_pool *p)
{
	p->nfree = 0;
	for (unsigned n = p->count; n;)
		vnet_pool_put(p, --n);
}

static void read_link(struct vnet *vn)
{
	struct nic_link link = { 0 };

	nic_link(vn->nic, &link);
	bytes_set(vn->dev.st.cfg, NETCFG_SIZE, NETCFG_STATUS, 2, link.up ? VIRTIO_NET_S_LINK_UP : 0);
}

static void link_changed(void *ctx)
{
	struct vnet *vn = ctx;

	read_link(vn);
	virtio_config_changed(&vn->dev);
}

/* At the end of a poll, publish received and sent frames, then refill the NIC from the guest's rings. */
static void flush(void *ctx, unsigned queue)
{
	struct vnet *vn = ctx;

	virtq_flush(&vn->vq[VNET_RX]);
	vn->rx_useless = 0;
	vnet_rx_run(vn);
	vnet_tx_run(vn);
}

static const struct nic_client_ops client_ops = {
	.tx_done = vnet_tx_done,
	.rx_done = vnet_rx_done,
	.rx_long = IS_ENABLED(CONFIG_NET_JUMBO) ? vnet_rx_long : NULL,
	.rx_frame = vnet_rx_frame,
	.flush = flush,
	.link_changed = link_changed,
};

void vnet_frames_forget(struct vnet *vn)
{
	vn->tx_inflight = 0;
	vn->rx_posted = 0;
	vn->tso.active = false;
	vnet_pool_reset(&vn->tx_pool);
	vnet_pool_reset(&vn->rx_pool);
}

/* What the accepted features mean.  A driver that does not know the MTU has buffers for 1500 bytes. */
static void apply_features(struct vnet *vn)
{
	struct virtio_dev *dev = &vn->dev;

	vn->merge = virtio_has(dev, VIRTIO_NET_F_MRG_RXBUF);
	vn->hdr_len = vn->merge || virtio_has(dev, VIRTIO_F_VERSION_1) ? VIRTIO_NET_HDR_MODERN : VIRTIO_NET_HDR_LEGACY;
	vn->frame_max = NIC_FRAME_MAX;
	if (virtio_has(dev, VIRTIO_NET_F_MTU))
		vn->frame_max = bytes_get(dev->st.cfg, NETCFG_SIZE, NETCFG_MTU, 2) + OVERHEAD;
	vn->loose = (vn->merge || vn->frame_max > NIC_FRAME_MAX) && !(vn->nic->caps & NIC_CAP_RX_COPY);
	vn->tx_csum = virtio_has(dev, VIRTIO_NET_F_CSUM);
	vn->rx_csum = virtio_has(dev, VIRTIO_NET_F_GUEST_CSUM);
}

static int vnet_start(struct virtio_dev *dev)
{
	struct vnet *vn = to_vnet(dev);
	struct nic *nic = vn->nic;

	apply_features(vn);
	vn->rx_low = MAX(MIN(nic->rx_slots, vn->vq[VNET_RX].st.size) / 2, 1u);
	vnet_frames_forget(vn);
	nic_set_frame_max(nic, vn->frame_max);
	nic_set_mac(nic, vn->st.mac);
	vnet_filter_apply(vn);
	read_link(vn);
	return nic_start(nic);
}

static void vnet_stop(struct virtio_dev *dev, bool patient)
{
	struct vnet *vn = to_vnet(dev);

	nic_stop(vn->nic);
	vnet_frames_forget(vn);
}

static void vnet_reset(struct virtio_dev *dev)
{
	struct vnet *vn = to_vnet(dev);

	vnet_filter_reset(vn);
	read_link(vn);
}

static void vnet_run(struct virtio_dev *dev, unsigned q)
{
	struct vnet *vn = to_vnet(dev);

	if (q == VNET_TX)
		histogram_add(&vn->at_kick, vn->tx_inflight);
	/* The frames in flight may hang, or a message may be lost.  The messages may be on their way, too. */
	if (q == VNET_TX && (vn->tx_inflight || vn->nic->unheard)) {
		unsigned found = nic_look(vn->nic);

		if (found && !dev->owner->polled)
			doorbell_credit(dev->owner, found);
	}
	if (q == VNET_TX)
		vnet_tx_run(vn);
	else if (q == VNET_RX)
		vnet_rx_run(vn);
	else
		vnet_ctrl_run(vn);
}

/* Report the link at the start: a driver may wait for it.  link_changed() reports later changes. */
static void vnet_config_refresh(struct virtio_dev *dev)
{
	if (!dev->st.running)
		read_link(to_vnet(dev));
}

/* Only the MAC address can be written, by legacy drivers, byte by byte (5.1.4.1). */
static void vnet_config_write(struct virtio_dev *dev, uint32_t off, unsigned width, uint32_t v)
{
	struct vnet *vn = to_vnet(dev);
	uint8_t mac[6];

	if (virtio_has(dev, VIRTIO_F_VERSION_1 | VIRTIO_NET_F_CTRL_MAC_ADDR))
		return;
	memcpy(mac, vn->st.mac, sizeof(mac));
	bytes_set(mac, sizeof(mac), off - NETCFG_MAC, width, v);
	if (memcmp(mac, vn->st.mac, sizeof(mac)))
		vnet_set_mac(vn, mac);
}

static bool vnet_busy(struct virtio_dev *dev)
{
	return to_vnet(dev)->tx_inflight;
}

static const struct virtio_type net_type = {
	.id = VIRTIO_ID_NET,
	.class_code = CLASS_ETHERNET,
	.nqueues = VNET_QUEUES,
	.io_size = VIRTIO_BAR0_SIZE_NET,
	.cfg_len = NETCFG_SIZE,
	.early = BIT(VNET_CTRL),
	.start = vnet_start,
	.stop = vnet_stop,
	.reset = vnet_reset,
	.run = vnet_run,
	.busy = vnet_busy,
	.config_refresh = vnet_config_refresh,
	.config_write = vnet_config_write,
};

static uint64_t net_features(const struct nic *nic)
{
	uint64_t f = VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS | VIRTIO_NET_F_MTU | VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_RX |
		     VIRTIO_NET_F_CTRL_RX_EXTRA | VIRTIO_NET_F_CTRL_VLAN | VIRTIO_NET_F_CTRL_MAC_ADDR;

	if (nic->caps & NIC_CAP_TX_CSUM)
		f |= VIRTIO_NET_F_CSUM;
	if (nic->caps & NIC_CAP_TX_TSO)
		f |= VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_ECN;
	if (nic->caps & NIC_CAP_TX_TSO6)
		f |= VIRTIO_NET_F_HOST_TSO6;
	if (nic->caps & NIC_CAP_RX_CSUM)
		f |= VIRTIO_NET_F_GUEST_CSUM;
	return f;
}

static void net_counters(const struct vnet *vn, const char *name)
{
	counter_register(name, "tx_zero_copy", &vn->cnt_tx_zero_copy);
	counter_register(name, "tx_bounced", &vn->cnt_tx_bounced);
	counter_register(name, "tx_bounced_bytes", &vn->cnt_tx_bounced_bytes);
	counter_register(name, "tx_dropped", &vn->cnt_tx_dropped);
	counter_register(name, "tx_tso", &vn->cnt_tx_tso);
	counter_register(name, "tx_segments", &vn->cnt_tx_segments);
	histogram_register(name, "tx_kick_at", &vn->at_kick);
	histogram_register(name, "tx_taken", &vn->taken);
	counter_register(name, "rx_zero_copy", &vn->cnt_rx_zero_copy);
	counter_register(name, "rx_bounced", &vn->cnt_rx_bounced);
	counter_register(name, "rx_bounced_bytes", &vn->cnt_rx_bounced_bytes);
	counter_register(name, "rx_dropped", &vn->cnt_rx_dropped);
}

/* The MTU to offer. */
static uint32_t net_mtu(const char *name, const struct virtio_net_conf *conf)
{
	uint32_t limit = conf->nic->frame_limit - OVERHEAD;

	if (conf->mtu <= MTU)
		return MTU;
	if (conf->mtu > limit)
		log_warn("%s: %s has no frames for an MTU of %u: %u", name, conf->nic->name, conf->mtu, limit);
	return MIN(conf->mtu, limit);
}

static void net_setup(struct vnet *vn, const struct virtio_net_conf *conf, uint32_t mtu)
{
	uint8_t *cfg = vn->dev.st.cfg;

	vn->nic = conf->nic;
	memcpy(vn->st.default_mac, conf->mac ? conf->mac : conf->nic->mac, sizeof(vn->st.default_mac));
	vn->dev.type = &net_type;
	vn->dev.vq = vn->vq;
	vn->dev.offered = net_features(conf->nic) | (conf->mtu ? VIRTIO_NET_F_MRG_RXBUF : 0);
	vn->dev.type_state = &vn->st;
	bytes_set(cfg, NETCFG_SIZE, NETCFG_MAX_PAIRS, 2, 1);
	bytes_set(cfg, NETCFG_SIZE, NETCFG_MTU, 2, mtu);
}

static int pool_make(struct vnet_pool *p, unsigned count, uint32_t size)
{
	p->mem = mem_alloc(count * size, VNET_BOUNCE_SIZE);
	p->size = size;
	p->count = count;
	return p->mem ? 0 : -ERR_NOMEM;
}

struct virtio_dev *virtio_net_new(const char *name, const struct virtio_net_conf *conf, const struct virtio_place *place)
{
	bool copies = conf->nic->caps & NIC_CAP_RX_COPY;
	uint32_t mtu = net_mtu(name, conf);
	struct vnet *vn;

	vn = mem_alloc(sizeof(*vn), 64);
	if (!vn)
		goto fail;
	if (pool_make(&vn->tx_pool, VNET_TX_BOUNCE, mtu > MTU ? VNET_BOUNCE_JUMBO : VNET_BOUNCE_SIZE))
		goto fail_vn;
	if (!copies && pool_make(&vn->rx_pool, conf->mtu ? VNET_RX_LOOSE : VNET_RX_BOUNCE, VNET_BOUNCE_SIZE))
		goto fail_tx_pool;
	net_setup(vn, conf, mtu);
	if (virtio_dev_init(&vn->dev, name, place))
		goto fail_rx_pool;
	conf->nic->client_ctx = vn;
	conf->nic->client = &client_ops;
	net_counters(vn, name);
	if (IS_ENABLED(CONFIG_NET_JUMBO) && conf->mtu) {
		vn->merge_ops = &vnet_merge_ops;
		segment_use(vnet_merge_ops.post);
	}
	return &vn->dev;

fail_rx_pool:
	mem_free(vn->rx_pool.mem);
fail_tx_pool:
	mem_free(vn->tx_pool.mem);
fail_vn:
	mem_free(vn);
fail:
	log_err("%s: cannot make the virtio-net device", name);
	return NULL;
}
