/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Virtio devices, as conceal makes them (virtio 1.2; legacy interface by its sections 4.1.4.10 and 2.7.3 and by the rules of
 * docs/guests).  A device is a type (net or blk) behind the PCI transport; the transport answers in the twin's
 * configuration space and in its BARs and owns the queues.
 *
 *   BAR0 I/O: legacy registers            (absent when modern_only)
 *   BAR1 32-bit memory, 4 KiB: MSI-X table at 0, PBA at 0x800
 *   BAR4 32-bit memory, 16 KiB: common 0x0000, ISR 0x1000, device 0x2000, notify 0x3000 (multiplier 4)
 */
#ifndef VENEER_VIRTIO_H
#define VENEER_VIRTIO_H

#include <veneer/intx.h>
#include <veneer/types.h>

struct nic;
struct disk;
struct owner;
struct virtio_dev;

#define VIRTIO_BAR0_SIZE_NET	64u
#define VIRTIO_BAR0_SIZE_BLK	128u
#define VIRTIO_BAR1_SIZE	4096u
#define VIRTIO_BAR4_SIZE	16384u

/* Where and how a twin shows itself. */
struct virtio_place {
	uint16_t bdf;
	bool modern_only;
	bool multifunction;		/* header type bit 7 */
	uint16_t io_base;		/* BAR0, aligned to its size; 0 with modern_only */
	uint32_t bar1, bar4;		/* aligned to their sizes, in a window that the bridges above forward */
	uint8_t int_line, int_pin;	/* 0x3c, 0x3d; pin 0 when the function has none */
	uint16_t command;		/* the command register as firmware leaves it (decoding on, no bus master) */

	struct owner *owner;		/* of the controller behind: held for each access but kicks, which are posted */

	/*
	 * The INTx pin: called at each change of its state, which begins low.  High while ISR is not 0; off with MSI-X or the
	 * command register's INTx disable.  NULL: nothing is delivered, and only the status register (bit 3) shows ISR.
	 */
	void (*intx)(void *ctx, enum intx_state state);
	void *intx_ctx;
};

struct virtio_net_conf {
	struct nic *nic;
	const uint8_t *mac;		/* overrides the NIC's own when not NULL */
	/*
	 * 1500 to 9000: the MTU that is offered, or less if the NIC cannot; then MRG_RXBUF is offered, too.  0: 1500, and no
	 * MRG_RXBUF.
	 */
	uint16_t mtu;
};

struct virtio_blk_conf {
	struct disk *disk;
	bool writable;
};

/*
 * Make a device, register its counters, configuration space (vpci_set) and BAR traps.  NULL with a log line on failure.
 * Start only; devices live for ever.
 */
struct virtio_dev *virtio_net_new(const char *name, const struct virtio_net_conf *conf, const struct virtio_place *place);
struct virtio_dev *virtio_blk_new(const char *name, const struct virtio_blk_conf *conf, const struct virtio_place *place);
struct virtio_dev *virtio_echo_new(const char *name, const struct virtio_place *place);	/* CONFIG_VIRTIO_ECHO */

/*
 * Make the device's state a part of <veneer/state.h>, under its name (CONFIG_STATE).  Once, after its _new().  Start only.
 */
void virtio_net_keep(struct virtio_dev *dev);
void virtio_blk_keep(struct virtio_dev *dev);

#endif
