/* SPDX-License-Identifier: BSD-2-Clause */
/* For the tests of virtio-net: a NIC core that keeps the frames and buffers it gets, and the device that uses this core. */
#ifndef NET_FIXTURE_H
#define NET_FIXTURE_H

#include <string.h>
#include <veneer/err.h>
#include <veneer/nic.h>
#include "host/host.h"
#include "host/twin.h"
#include "virtio/net/net.h"

#define SLOTS	100

static struct {
	struct nic nic;
	bool running, sync, link, no_rx;
	unsigned starts, stops, tx_kicks, tx_waits, rx_kicks, looks;
	unsigned ntx, room;
	void *tx_token[SLOTS];
	uint8_t frame[NIC_FRAME_JUMBO];
	struct nic_tx last;
	struct sg frag[NIC_MAX_FRAGS];
	uint8_t sent[SLOTS][NIC_FRAME_JUMBO];	/* in the order of sending, until the test takes them */
	uint32_t sent_len[SLOTS];
	unsigned nsent;
	bool one_piece, no_tso;			/* the NIC refuses frames of several pieces, or segmentation */
	uint8_t big[NIC_TSO_MAX];		/* the last frame to segment */
	unsigned nrx;
	struct { uint64_t addr; uint32_t len; void *token; } rx[SLOTS];
	uint32_t align;
	bool no_csum;				/* the NIC refuses to insert a checksum */
	struct nic_rx_filter filter;
	uint8_t mac[6], mcast0[6], mac0[6];
	bool vlan5;
	void (*refill)(void);			/* runs meanwhile, as the guest's other processor */
} hw;

int nic_start(struct nic *n)
{
	CHECK(!hw.running);
	hw.running = true;
	hw.starts++;
	return 0;
}

void nic_stop(struct nic *n)
{
	CHECK(hw.running);
	hw.running = false;
	hw.ntx = hw.nrx = 0;
	hw.stops++;
}

int nic_tx(struct nic *n, unsigned q, const struct nic_tx *p)
{
	CHECK(hw.running && p->nfrag);
	CHECK_EQ(sg_bytes(p->frag, p->nfrag), p->len);
	CHECK(p->len >= NIC_FRAME_MIN && p->len <= (p->flags & NIC_TX_TSO ? NIC_TSO_MAX : n->frame_max));
	/* The core refuses these, too. */
	if (p->nfrag > NIC_MAX_FRAGS)
		return -ERR_INVAL;
	for (unsigned i = 0; i < p->nfrag; i++)
		if (p->frag[i].addr + p->frag[i].len - 1 > hw.nic.dma_mask)
			return -ERR_INVAL;
	if (hw.ntx == hw.room)
		return -ERR_BUSY;
	if (hw.refill)
		hw.refill();
	if ((hw.align && p->frag[0].addr % hw.align) || (hw.one_piece && p->nfrag > 1))
		return -ERR_INVAL;
	if (hw.no_csum && (p->flags & NIC_TX_CSUM))
		return -ERR_INVAL;
	if (hw.no_tso && (p->flags & NIC_TX_TSO))
		return -ERR_INVAL;
	hw.last = *p;
	memcpy(hw.frag, p->frag, p->nfrag * sizeof(*p->frag));
	hw.tx_token[hw.ntx++] = p->token;
	if (p->flags & NIC_TX_TSO) {
		sg_copy_from(p->frag, p->nfrag, 0, hw.big, p->len);
		return 0;
	}
	sg_copy_from(p->frag, p->nfrag, 0, hw.frame, p->len);
	memcpy(hw.sent[hw.nsent % SLOTS], hw.frame, p->len);
	hw.sent_len[hw.nsent++ % SLOTS] = p->len;
	return 0;
}

static void tx_complete(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		hw.nic.client->tx_done(hw.nic.client_ctx, 0, hw.tx_token[i]);
	hw.ntx -= n;
	memmove(hw.tx_token, hw.tx_token + n, hw.ntx * sizeof(hw.tx_token[0]));
	hw.nic.client->flush(hw.nic.client_ctx, 0);
}

void nic_tx_kick(struct nic *n, unsigned q)
{
	hw.tx_kicks++;
	if (hw.sync)
		tx_complete(hw.ntx);
}

void nic_tx_wait(struct nic *n, unsigned q) { hw.tx_waits++; }

int nic_rx_post(struct nic *n, unsigned q, uint64_t addr, uint32_t len, void *token)
{
	CHECK(hw.running && len >= n->rx_room);
	if (hw.nrx == hw.nic.rx_slots)
		return -ERR_BUSY;
	if (hw.align && addr % hw.align)
		return -ERR_INVAL;
	if (hw.refill)
		hw.refill();
	hw.rx[hw.nrx].addr = addr;
	hw.rx[hw.nrx].len = len;
	hw.rx[hw.nrx++].token = token;
	return 0;
}

void nic_rx_kick(struct nic *n, unsigned q) { hw.rx_kicks++; }

void nic_link(struct nic *n, struct nic_link *l)
{
	*l = (struct nic_link) { .up = hw.link };
}

void nic_set_mac(struct nic *n, const uint8_t mac[6]) { memcpy(hw.mac, mac, 6); }

void nic_set_filter(struct nic *n, const struct nic_rx_filter *f)
{
	hw.filter = *f;
	if (hw.refill)
		hw.refill();
	if (f->nmac)
		memcpy(hw.mac0, f->mac[0], 6);
	if (f->nmcast)
		memcpy(hw.mcast0, f->mcast[0], 6);
	hw.vlan5 = f->vlan && f->vlan[0] & BIT(5);
}

unsigned nic_look(struct nic *n) { hw.looks++; return 0; }

/* --- the device --- */

static struct vnet *vn;
static struct ring rings[3];
static uint8_t *mem;
static uint8_t frame[1600];

static uint16_t net_mtu;		/* the next make(): the configuration's MTU */
static uint32_t net_limit;		/* and the longest frame of the NIC */

static void make(uint32_t caps)
{
	struct virtio_place place = twin_place();
	struct virtio_net_conf conf = { .nic = &hw.nic, .mtu = net_mtu };

	twin_reset();
	memset(&hw, 0, sizeof(hw));
	hw.nic = (struct nic) { .name = "fake0", .mac = { 2, 0, 0, 0, 0, 9 }, .caps = caps, .dma_mask = ~0ull,
				.nqueues = 1, .tx_slots = SLOTS, .rx_slots = 32,
				.frame_limit = net_limit ? net_limit : NIC_FRAME_MAX };
	hw.room = SLOTS;
	hw.link = true;
	struct virtio_dev *dev = virtio_net_new("net0", &conf, &place);

	CHECK(dev != NULL);
	vn = container_of(dev, struct vnet, dev);
	mem = guest_alloc(1 << 20);
	for (unsigned i = 0; i < sizeof(frame); i++)
		frame[i] = (uint8_t)(i * 7);
	frame[0] = 2;
}

#define NO_EVENT	(~0ull & ~VIRTIO_F_EVENT_IDX)
static inline void up(uint32_t caps) { make(caps); modern_up(rings, 3, NO_EVENT, 64); }

#endif
