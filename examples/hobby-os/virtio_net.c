/* SPDX-License-Identifier: BSD-2-Clause */
/* Virtio 1.2 section 5.1.  No offloads: headers are sent as zeros, and received headers are skipped. */
#include "virtio_net.h"

#define NET_F_MAC		(1ull << 5)
#define NET_F_STATUS		(1ull << 16)
#define NET_CONFIG_MAC		0
#define NET_CONFIG_STATUS	6
#define NET_STATUS_LINK_UP	1

#define QUEUE_RX		0
#define QUEUE_TX		1

/* The last field, num_buffers, exists only with VERSION_1 (or MRG_RXBUF). */
#define HEADER_LEGACY		10u
#define HEADER_MODERN		12u

struct nic nics[NICS_MAX];
unsigned int nic_count;

/* Put header and frame into separate descriptors, as the legacy interface requires without ANY_LAYOUT. */
static void give_rx(struct nic *n, unsigned int i)
{
	struct virtq_buf bufs[2] = { { n->rx[i], n->header_size, true },
				     { n->rx[i] + n->header_size, sizeof(n->rx[i]) - n->header_size, true } };
	int head = virtq_add(&n->dev.vq[QUEUE_RX], bufs, 2);

	if (head >= 0)
		n->rx_of[head] = i;
}

static void reclaim_tx(struct nic *n)
{
	uint32_t len;
	int head;

	while ((head = virtq_done(&n->dev.vq[QUEUE_TX], &len)) >= 0)
		n->tx_busy[n->tx_of[head]] = false;
}

static int free_tx(struct nic *n)
{
	reclaim_tx(n);
	for (int i = 0; i < TX_BUFFERS; i++)
		if (!n->tx_busy[i])
			return i;
	return -1;
}

int nic_send(struct nic *n, const void *frame, uint32_t len)
{
	struct deadline end = deadline_in_ms(1000);
	struct virtq_buf bufs[2];
	int i, head;

	while ((i = free_tx(n)) < 0) {
		if (deadline_passed(end)) {
			printf("%s: no transmit completes within 1 s, status %02x\n", n->dev.name, virtio_status(&n->dev));
			return -1;
		}
		irq_wait();
	}
	if (len > FRAME_MAX)
		return -1;
	memset(n->tx[i], 0, n->header_size);
	memcpy(n->tx[i] + n->header_size, frame, len);
	bufs[0] = (struct virtq_buf){ n->tx[i], n->header_size, false };
	bufs[1] = (struct virtq_buf){ n->tx[i] + n->header_size, len, false };
	head = virtq_add(&n->dev.vq[QUEUE_TX], bufs, 2);
	if (head < 0)
		return -1;
	n->tx_of[head] = i;
	n->tx_busy[i] = true;
	n->sent++;
	virtq_kick(&n->dev.vq[QUEUE_TX]);
	return 0;
}

uint32_t nic_receive(struct nic *n, void *frame)
{
	uint32_t len;
	int head = virtq_done(&n->dev.vq[QUEUE_RX], &len);
	unsigned int i;

	if (head < 0)
		return 0;
	i = n->rx_of[head];
	if (len <= n->header_size || len > sizeof(n->rx[i])) {
		printf("%s: a received frame of %u bytes\n", n->dev.name, len);
		len = n->header_size;
	}
	len -= n->header_size;
	memcpy(frame, n->rx[i] + n->header_size, len);
	give_rx(n, i);
	virtq_kick(&n->dev.vq[QUEUE_RX]);
	n->received++;
	return len;
}

bool nic_link_up(struct nic *n)
{
	return !(n->dev.features & NET_F_STATUS) || (virtio_config16(&n->dev, NET_CONFIG_STATUS) & NET_STATUS_LINK_UP);
}

void nic_watch(struct nic *n)
{
	if (!n->dev.config_changed)
		return;
	n->dev.config_changed = false;
	printf("%s: link %s\n", n->dev.name, nic_link_up(n) ? "up" : "down");
}

static int nic_init(struct nic *n, pci_bdf bdf)
{
	struct virtio_dev *d = &n->dev;

	if (virtio_find(d, bdf) || virtio_start(d, NET_F_MAC | NET_F_STATUS) || virtq_init(d, QUEUE_RX) ||
	    virtq_init(d, QUEUE_TX))
		return -1;
	if (d->vq[QUEUE_RX].size > ARRAY_SIZE(n->rx_of) || d->vq[QUEUE_TX].size > ARRAY_SIZE(n->tx_of)) {
		printf("%s: a ring of more than %u\n", d->name, ARRAY_SIZE(n->rx_of));
		return -1;
	}
	n->header_size = d->features & VIRTIO_F_VERSION_1 ? HEADER_MODERN : HEADER_LEGACY;
	for (unsigned int i = 0; i < 6; i++)
		n->mac[i] = d->features & NET_F_MAC ? virtio_config8(d, NET_CONFIG_MAC + i) : 2 + nic_count;
	n->rx = page_alloc(RX_BUFFERS * sizeof(*n->rx));
	n->tx = page_alloc(TX_BUFFERS * sizeof(*n->tx));
	if (!n->rx || !n->tx)
		return -1;
	virtio_go(d);
	for (unsigned int i = 0; i < RX_BUFFERS && i < d->vq[QUEUE_RX].size / 2u; i++)
		give_rx(n, i);
	virtq_kick(&d->vq[QUEUE_RX]);
	return 0;
}

static void nic_found(pci_bdf bdf)
{
	struct nic *n = &nics[nic_count];

	if (!virtio_match(bdf, VIRTIO_TYPE_NET))
		return;
	if (nic_count == NICS_MAX) {
		printf("net: more than %u NICs\n", NICS_MAX);
		return;
	}
	memcpy(n->dev.name, "net0", 5);
	n->dev.name[3] += nic_count;
	if (nic_init(n, bdf)) {
		if (n->dev.common || n->dev.io)
			virtio_fail(&n->dev);
		memset(n, 0, sizeof(*n));
		return;
	}
	nic_count++;
}

void nic_init_all(void)
{
	pci_for_each(nic_found);
}
