/* SPDX-License-Identifier: BSD-2-Clause */
/* Ethernet by virtio-net: sends and receives whole frames. */
#ifndef HOBBY_VIRTIO_NET_H
#define HOBBY_VIRTIO_NET_H

#include "virtio.h"

#define FRAME_MAX	1514u
#define NICS_MAX	4
#define RX_BUFFERS	64
#define TX_BUFFERS	32

struct nic {
	struct virtio_dev dev;
	uint8_t mac[6];
	uint32_t header_size;
	uint8_t (*rx)[2048], (*tx)[2048];	/* header and frame; rx[n] belongs to the chain rx_of[head] */
	uint8_t rx_of[1024], tx_of[1024];
	bool tx_busy[TX_BUFFERS];
	uint64_t sent, received;
};

extern struct nic nics[NICS_MAX];
extern unsigned int nic_count;

/* Bring up every virtio-net device. */
void nic_init_all(void);
bool nic_link_up(struct nic *n);
/* Print a change of the link, if the device has interrupted for one. */
void nic_watch(struct nic *n);
/* Copy @frame and send it.  0, or -1 (with a message) if the device accepts no frame within a second. */
int nic_send(struct nic *n, const void *frame, uint32_t len);
/* Copy the next received frame to @frame (2048 bytes).  Return its length, or 0 if there is none. */
uint32_t nic_receive(struct nic *n, void *frame);

#endif
