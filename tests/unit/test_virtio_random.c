/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: virtio/net/net.c virtio/net/tx.c virtio/net/tso.c virtio/net/rx.c virtio/net/ctrl.c virtio/blk/blk.c */
/* sources: virtio/blk/request.c virtio/transport.c virtio/pci_config.c virtio/msix.c virtio/legacy.c virtio/modern.c */
/* sources: virtio/queue.c hv/lib/sg.c hw/disk.c hw/disk_cut.c hw/disk_start.c tests/unit/host/twin.c virtio/access.c */
/* sources: virtio/net/merge.c */
/*
 * A guest at random: random accesses to registers, random rings, memory that changes while the device reads it.  Addresses
 * outside of guest RAM fault (guard pages), counts are checked, and after a reset the device must work.
 */
#include <string.h>
#include <veneer/disk.h>
#include <veneer/err.h>
#include <veneer/gmem.h>
#include <veneer/nic.h>
#include "host/host.h"
#include "host/rnd.h"
#include "host/twin.h"
#include "virtio/blk/blk.h"
#include "virtio/net/net.h"

#define RAM		(1u << 20)
#define STEPS		60000u


/* --- hardware that holds on to what it gets and checks that it may --- */

static struct { uint64_t addr; uint32_t len; void *token; } rx[32];
static void *tx[32];
static unsigned nrx, ntx;
static struct nic nic;
static struct disk disk;
static struct disk_cmd *cmd[32];
static unsigned ncmd;
static const struct vnet *vn;
static const struct vblk *vb;
static uint8_t *ram;

static bool ours(uint64_t a, uint32_t len, const struct vnet_pool *p)
{
	return a >= (uintptr_t)p->mem && a + len <= (uintptr_t)p->mem + VNET_RX_BOUNCE * VNET_BOUNCE_SIZE;
}

int nic_start(struct nic *n) { nrx = ntx = 0; return 0; }
void nic_stop(struct nic *n) { nrx = ntx = 0; }

int nic_tx(struct nic *n, unsigned q, const struct nic_tx *p)
{
	CHECK(p->nfrag && p->nfrag <= NIC_MAX_FRAGS && p->len >= NIC_FRAME_MIN);
	CHECK(p->len <= (p->flags & NIC_TX_TSO ? NIC_TSO_MAX : NIC_FRAME_MAX));
	CHECK_EQ(sg_bytes(p->frag, p->nfrag), p->len);
	for (unsigned i = 0; i < p->nfrag; i++)
		CHECK(gmem_valid(p->frag[i].addr, p->frag[i].len) || ours(p->frag[i].addr, p->frag[i].len, &vn->tx_pool));
	if (ntx == 32)
		return -ERR_BUSY;
	if (!rnd(p->flags & NIC_TX_TSO ? 2 : 8) && p->nfrag > 1)
		return -ERR_INVAL;
	tx[ntx++] = p->token;
	return 0;
}

int nic_rx_post(struct nic *n, unsigned q, uint64_t addr, uint32_t len, void *token)
{
	CHECK(len >= NIC_FRAME_MAX);
	CHECK(gmem_valid(addr, len) || ours(addr, len, &vn->rx_pool));
	if (nrx == 32)
		return -ERR_BUSY;
	rx[nrx].addr = addr;
	rx[nrx].len = len;
	rx[nrx++].token = token;
	return 0;
}

void nic_tx_kick(struct nic *n, unsigned q) { }
void nic_rx_kick(struct nic *n, unsigned q) { }
void nic_tx_wait(struct nic *n, unsigned q) { }
unsigned nic_look(struct nic *n) { return 0; }
void nic_link(struct nic *n, struct nic_link *l) { l->up = rnd(2); }
void nic_set_mac(struct nic *n, const uint8_t mac[6]) { }

void nic_set_filter(struct nic *n, const struct nic_rx_filter *f)
{
	CHECK(f->nmac <= NIC_MAX_MACS && f->nmcast <= VNET_MCAST_MAX);
}

static void nic_poll(void)
{
	if (ntx) {
		void *token = tx[0];

		memmove(tx, tx + 1, --ntx * sizeof(tx[0]));
		nic.client->tx_done(nic.client_ctx, 0, token);
	}
	if (nrx) {
		uint32_t len = 14 + rnd(1505);
		void *token = rx[--nrx].token;

		memset((void *)(uintptr_t)rx[nrx].addr, 0x5a, len);
		nic.client->rx_done(nic.client_ctx, 0, token, len, rnd(2));
	}
	nic.client->flush(nic.client_ctx, 0);
	CHECK(vn->tx_inflight >= ntx && vn->rx_posted >= nrx);
	if (!rnd(50))
		nic.client->link_changed(nic.client_ctx);
}

static int drive_start(struct disk *d, unsigned q, struct disk_cmd *c)
{
	for (unsigned i = 0; i < c->nsg; i++)
		CHECK(gmem_valid(c->sg[i].addr, c->sg[i].len) || c->nsg == 1);
	if (c->op != DISK_FLUSH)
		CHECK(c->nblocks && c->lba + c->nblocks <= d->nblocks);
	if (ncmd == 32 || !rnd(10))
		return -ERR_BUSY;
	cmd[ncmd++] = c;
	return 0;
}

static void drive_kick(struct disk *d, unsigned q) { }
static void drive_abort(struct disk *d) { ncmd = 0; }
static const struct disk_ops dops = { .start = drive_start, .kick = drive_kick, .abort_all = drive_abort };

static void drive_poll(void)
{
	for (unsigned n = rnd(4); n && ncmd; n--) {
		struct disk_cmd *c = cmd[--ncmd];

		disk_cmd_done(&disk, c, rnd(6) ? 0 : -ERR_IO);
	}
	disk_run(&disk);
	CHECK(twin_clock_holds == (vb->inflight ? 1 : 0));
	CHECK(vb->inflight <= VBLK_REQS);
}

/* --- the guest --- */

static uint64_t some_address(void)
{
	switch (rnd(12)) {
	case 0:
		return (uintptr_t)ram + RAM - rnd(40);
	case 1:
		return seed;
	case 2:
		return ~0ull - rnd(5000);
	default:
		return (uintptr_t)ram + 65536 + rnd(RAM - 65536 - 8192);
	}
}

static void some_desc(struct vring_desc *d, unsigned size)
{
	d->addr = rnd(4) ? (uintptr_t)ram + 65536 + 16 * rnd(50000) : some_address();
	d->len = rnd(4) ? (rnd(3) ? 512 * rnd(9) : rnd(2000)) : rnd(3) ? 16 * rnd(20) : (uint32_t)seed;
	d->flags = (uint16_t)(rnd(3) ? rnd(4) : rnd(8));
	d->next = (uint16_t)rnd(rnd(20) ? size : 65536);
}

/* Make a frame for segmentation at @data, and its virtio header. */
static void to_be_cut(uint8_t *h, uint8_t *data)
{
	bool v6 = rnd(2);
	unsigned tcp = v6 ? 54 : 34;

	memcpy(h, (uint8_t[]) { 1, v6 ? 4 : 1, 0, 0, (uint8_t)rnd(256), (uint8_t)rnd(6), (uint8_t)tcp, 0, 16, 0 }, 10);
	memcpy(data + 12, v6 ? (uint8_t[]) { 0x86, 0xdd, 0x60 } : (uint8_t[]) { 0x08, 0x00, 0x45 }, 3);
	if (!v6)
		data[23] = 6;
	data[tcp + 12] = (uint8_t)(0x50 + 16 * rnd(10));
}

/* Add a valid request, so that the code behind the checks runs, too. */
static void proper(struct ring *r, bool block)
{
	uint32_t *h = (uint32_t *)(void *)(ram + 65536 + 64 * rnd(1000));
	uint8_t *data = ram + 262144 + 512 * rnd(1000);

	memset(h, 0, 16);
	h[0] = block ? rnd(14) : 0;
	h[2] = rnd(2000);
	if (block)
		ring_add(r, (struct piece[]) { { h, 16 }, { data, 512 * rnd(4), h[0] != 1 }, { h + 8, 1, true } }, 3);
	else if (r->index == 2)
		ring_add(r, (struct piece[]) { { (uint8_t *)h + rnd(8), 2 }, { data, rnd(64) }, { h + 8, 1, true } }, 3);
	else if (r->index == 1 && rnd(2)) {
		to_be_cut((uint8_t *)h, data);
		ring_add(r, (struct piece[]) { { h, 12 }, { data, 80 + rnd(200) }, { data + 4096, 1 + rnd(30000) } }, 3);
	} else
		ring_add(r, (struct piece[]) { { h, 12, r->index == 0 }, { data, 14 + rnd(1600), r->index == 0 } }, 2);
}

static void meddle(struct ring *r, bool block)
{
	unsigned what = rnd(100);

	if (what < 60) {
		proper(r, block);
	} else if (what < 80) {
		some_desc(&r->desc[rnd(r->size)], r->size);
	} else if (what < 92) {
		some_desc((struct vring_desc *)(void *)(ram + 65536 + 16 * rnd(50000)), 64);
	} else if (what < 98) {
		ring_offer(r, rnd(rnd(50) ? r->size : 65536));
	} else if (what < 99) {
		r->avail->idx += (uint16_t)rnd(8);
	} else {
		*ring_used_event(r) = (uint16_t)seed;
	}
	if (!rnd(4))
		modern_kick(rnd(4));
}

static void some_access(void)
{
	static const uint8_t widths[] = { 1, 2, 4, 8 };
	unsigned width = widths[rnd(4)], off = rnd(2) ? rnd(64) : rnd(VIRTIO_BAR4_SIZE);
	uint64_t v = rnd(2) ? rnd(16) : some_address();

	switch (rnd(6)) {
	case 0:
		guest_write(TWIN_BAR4 + off, width, v);
		break;
	case 1:
		guest_read(TWIN_BAR4 + off, width);
		break;
	case 2:
		guest_out((uint16_t)(TWIN_IO + off % 64), MIN(width, 4u), (uint32_t)v);
		break;
	case 3:
		guest_in((uint16_t)(TWIN_IO + off % 64), MIN(width, 4u));
		break;
	case 4:
		guest_write(TWIN_BAR1 + off % 4096, width, v);
		break;
	case 5:
		off = ALIGN_DOWN(off % 4096, 4);
		cfg_read(off, 4);
		if (off >= 0x40 || off < 4)	/* the BARs stay where they are */
			cfg_write(off, 4, (uint32_t)v);
	}
}

static void session(bool block, unsigned nrings)
{
	struct ring r[3];

	for (unsigned i = 0; i < STEPS; i++) {
		if (i % 1500 == 0 || (modern_status() & VIRTIO_STATUS_NEEDS_RESET)) {
			host_guest_ram_drop();
			ram = guest_alloc(RAM);
			modern_up(r, nrings, rnd(2) ? ~0ull : ~VIRTIO_F_EVENT_IDX, 64);
			CHECK_EQ(modern_status(), 15);
		}
		meddle(&r[rnd(nrings)], block);
		if (!rnd(20))
			some_access();
		if (!rnd(3)) {
			if (block)
				drive_poll();
			else
				nic_poll();
		}
	}
}

TEST(net_survives)
{
	struct virtio_place place = twin_place();
	struct virtio_net_conf conf = { .nic = &nic };

	seed = 1;
	twin_reset();
	nic = (struct nic) { .name = "fake0", .dma_mask = ~0ull,
			     .caps = NIC_CAP_TX_CSUM | NIC_CAP_RX_CSUM | NIC_CAP_TX_TSO | NIC_CAP_TX_TSO6,
			     .nqueues = 1, .tx_slots = 32, .rx_slots = 32 };
	vn = container_of(virtio_net_new("net0", &conf, &place), struct vnet, dev);
	session(false, 3);
	CHECK(vn->cnt_tx_zero_copy > 500);
	CHECK(vn->cnt_rx_zero_copy > 500);
	CHECK(vn->cnt_rx_bounced > 50);
	CHECK(vn->cnt_tx_segments > 5000);
	CHECK(vn->cnt_tx_tso > 500);
	CHECK(vn->dev.cnt_violations > 100);
}

TEST(blk_survives)
{
	struct virtio_place place = twin_place();
	struct virtio_blk_conf conf = { .disk = &disk, .writable = true };

	seed = 2;
	twin_reset();
	ncmd = 0;
	disk = (struct disk) {
		.ops = &dops, .name = "fake0", .block_size = 512, .nblocks = 1500, .write_cache = true, .flush = true,
		.nqueues = 1,
		.limits = { .max_bytes = 65536, .max_segs = 16, .max_seg_len = 65536, .addr_align = 2, .len_align = 2,
			    .dma_mask = ~0ull, .max_discard_blocks = 100, .max_zero_blocks = 100, .tags = 8 },
	};
	CHECK_EQ(disk_init(&disk), 0);
	vb = container_of(virtio_blk_new("blk0", &conf, &place), struct vblk, dev);
	session(true, 1);
	CHECK(vb->cnt_reads > 500 && vb->cnt_writes > 500);
	CHECK(vb->dev.cnt_violations > 100);
}

TEST_MAIN
