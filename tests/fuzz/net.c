/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: virtio/net/net.c virtio/net/tx.c virtio/net/tso.c virtio/net/rx.c virtio/net/ctrl.c virtio/transport.c */
/* sources: virtio/pci_config.c virtio/msix.c virtio/legacy.c virtio/modern.c virtio/queue.c hv/lib/sg.c */
/* sources: tests/unit/host/twin.c virtio/access.c tests/fuzz/lib/fuzz.c virtio/net/merge.c */
/* quick: 6000 */
/* virtio-net, in front of a NIC core that is full, refuses, completes and receives as the input says. */
#include <veneer/err.h>
#include <veneer/gmem.h>
#include <veneer/nic.h>
#include "virtio/net/net.h"
#include "virtio_ops.h"

#define SLOTS	32u

static struct { uint64_t addr; uint32_t len; void *token; } rx[SLOTS];
static void *tx[SLOTS];
static unsigned nrx, ntx, nsent;
static struct nic nic;
static const struct vnet *vn;
static bool running;
static uint8_t mood;

int nic_start(struct nic *n) { CHECK(!running); running = true; nrx = ntx = 0; return 0; }
void nic_stop(struct nic *n) { CHECK(running); running = false; nrx = ntx = 0; }

static bool may(uint64_t addr, uint32_t len, const struct vnet_pool *p)
{
	return gmem_valid(addr, len) || (addr >= (uintptr_t)p->mem &&
					 addr + len <= (uintptr_t)p->mem + p->count * p->size);
}

int nic_tx(struct nic *n, unsigned q, const struct nic_tx *p)
{
	static volatile uint8_t sum UNUSED;

	CHECK(running && p->nfrag && p->nfrag <= NIC_MAX_FRAGS && p->len >= NIC_FRAME_MIN);
	CHECK(p->len <= (p->flags & NIC_TX_TSO ? NIC_TSO_MAX : n->frame_max));
	CHECK_EQ(sg_bytes(p->frag, p->nfrag), p->len);
	for (unsigned i = 0; i < p->nfrag; i++) {
		CHECK(may(p->frag[i].addr, p->frag[i].len, &vn->tx_pool));
		sum ^= ((const uint8_t *)(uintptr_t)p->frag[i].addr)[p->frag[i].len - 1];
	}
	if (ntx == SLOTS || mood & 1)
		return -ERR_BUSY;
	if ((mood & 2 && p->nfrag > 1) || (mood & 4 && p->flags & NIC_TX_TSO) || (mood & 8 && p->flags & NIC_TX_CSUM))
		return -ERR_INVAL;
	tx[ntx++] = p->token;
	nsent++;
	return 0;
}

int nic_rx_post(struct nic *n, unsigned q, uint64_t addr, uint32_t len, void *token)
{
	CHECK(running && len >= n->rx_room && may(addr, len, &vn->rx_pool));
	if (nrx == SLOTS)
		return -ERR_BUSY;
	if (mood & 16 && addr % 8)
		return -ERR_INVAL;
	rx[nrx].addr = addr;
	rx[nrx].len = len;
	rx[nrx++].token = token;
	return 0;
}

void nic_tx_kick(struct nic *n, unsigned q) { }
void nic_rx_kick(struct nic *n, unsigned q) { }
void nic_tx_wait(struct nic *n, unsigned q) { }
unsigned nic_look(struct nic *n) { return 0; }
void nic_link(struct nic *n, struct nic_link *l) { l->up = mood & 32; }
void nic_set_mac(struct nic *n, const uint8_t mac[6]) { }

void nic_set_filter(struct nic *n, const struct nic_rx_filter *f)
{
	CHECK(f->nmac <= NIC_MAX_MACS && f->nmcast <= VNET_MCAST_MAX);
}

static void sent(void)
{
	void *token = tx[0];

	memmove(tx, tx + 1, --ntx * sizeof(tx[0]));
	nic.client->tx_done(nic.client_ctx, 0, token);
}

static void received(uint32_t len)
{
	void *token = rx[--nrx].token;

	memset((void *)(uintptr_t)rx[nrx].addr, 0x5a, len);
	nic.client->rx_done(nic.client_ctx, 0, token, len, mood & 64 ? NIC_RX_CSUM_OK : 0);
}

/* A frame in several buffers. */
static void received_long(uint32_t len)
{
	struct nic_rx_part part[NIC_RX_PARTS];
	unsigned n = 0;

	for (uint32_t left = len; left; left -= part[n++].len) {
		part[n] = (struct nic_rx_part){ rx[--nrx].token, MIN(left, NIC_RX_PART) };
		memset((void *)(uintptr_t)rx[nrx].addr, 0xa5, part[n].len);
	}
	nic.client->rx_long(nic.client_ctx, 0, part, n, 0);
}

static void poll(void)
{
	uint8_t what = fuzz8();

	if (what & 1)
		mood = fuzz8();
	if (what & 2 && ntx)
		sent();
	if (what & 4)
		while (ntx)
			sent();
	if (what & 8 && nrx)
		received(14 + fuzz16() % 1505u);
	if (what & 32 && nrx >= NIC_RX_PARTS && nic.frame_max > NIC_FRAME_MAX)
		received_long(NIC_RX_PART + 1 + fuzz16() % (nic.frame_max - NIC_RX_PART));
	if (nic.client)
		nic.client->flush(nic.client_ctx, 0);
	if (what & 16 && nic.client)
		nic.client->link_changed(nic.client_ctx);
	CHECK(vn->tx_inflight >= ntx && vn->rx_posted >= nrx);
	CHECK(!vn->loose || vn->rx_posted + vn->rx_pool.nfree == vn->rx_pool.count);
}

static void fuzz(void)
{
	struct virtio_place place = twin_place();
	struct virtio_net_conf conf = { .nic = &nic };
	uint8_t how = fuzz8();
	struct virtio_dev *d;

	twin_reset();
	running = false;
	nrx = ntx = nsent = 0;
	mood = 0;
	nic = (struct nic) { .name = "fake0", .dma_mask = how & 16 ? ~0u : ~0ull,
			     .caps = how & 15, .nqueues = 1, .tx_slots = SLOTS, .rx_slots = SLOTS,
			     .frame_limit = how & NIC_CAP_RX_COPY ? NIC_FRAME_MAX : NIC_FRAME_JUMBO };
	conf.mtu = how & 32 ? 9000 : 0;
	d = virtio_net_new("net0", &conf, &place);
	CHECK(d != NULL);
	vn = container_of(d, struct vnet, dev);
	guest_acts(3, poll);
	/* Whatever it was, a new driver sends a frame. */
	mood = 0;
	nsent = 0;
	bring_up(false, VIRTIO_F_VERSION_1);
	CHECK_EQ(modern_status(), 15);
	((struct vring_desc *)(void *)RING(1))[0] = (struct vring_desc){ (uintptr_t)ram + DATA, 12 + 60, 0, 0 };
	memset(ram + DATA, 0, 12);
	offer(1, 0);
	modern_kick(1);
	CHECK_EQ(nsent, 1);
	sent();
	nic.client->flush(nic.client_ctx, 0);
	CHECK_EQ(((struct vring_used *)(void *)(RING(1) + RING_USED))->idx, 1);
}

FUZZ(fuzz)
