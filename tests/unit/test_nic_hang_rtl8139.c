/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: virtio/net/net.c virtio/net/tx.c virtio/net/tso.c virtio/net/rx.c virtio/net/ctrl.c virtio/transport.c */
/* sources: virtio/pci_config.c virtio/msix.c virtio/legacy.c virtio/modern.c virtio/queue.c hv/lib/sg.c */
/* sources: virtio/access.c tests/unit/host/twin.c hw/nic/nic.c */
/* sources: hw/nic/rtl8139/rtl8139.c hw/nic/rtl8139/rtl8139_rings.c hw/nic/rtl8139/rtl8139_pci.c virtio/net/merge.c */
/* An RTL8139 that hangs, behind virtio-net. */
#include "host/twin.h"
#include "virtio/net/net.h"
#include "rtl8139_fixture.h"

static void net_chip(void) { make(); }
static bool net_rings(void) { return c->line; }

#include "nic_net.c"
