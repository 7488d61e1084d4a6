/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: virtio/net/net.c virtio/net/tx.c virtio/net/tso.c virtio/net/rx.c virtio/net/ctrl.c virtio/transport.c */
/* sources: virtio/pci_config.c virtio/msix.c virtio/legacy.c virtio/modern.c virtio/queue.c hv/lib/sg.c */
/* sources: virtio/access.c tests/unit/host/twin.c hw/nic/nic.c hw/nic/realtek/realtek.c hw/nic/realtek/realtek_chip.c */
/* sources: hw/nic/realtek/realtek_rings.c hw/nic/realtek/realtek_pci.c */
/* sources: tests/models/rtl8168.c tests/models/rtl8168_phy.c tests/models/rtl8168_rings.c */
/* An RTL8168H that hangs, behind virtio-net. */
#include "host/twin.h"
#include "virtio/net/net.h"
#include "realtek_fixture.h"

static unsigned edges_seen;

static void net_chip(void)
{
	make("8168h");
	edges_seen = 0;
}

static bool net_rings(void)
{
	unsigned before = edges_seen;

	edges_seen = c->edges;
	return edges_seen != before;
}

#include "nic_net.c"
