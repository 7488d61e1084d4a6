/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: virtio/net/net.c virtio/net/tx.c virtio/net/tso.c virtio/net/rx.c virtio/net/ctrl.c virtio/transport.c */
/* sources: virtio/pci_config.c virtio/msix.c virtio/legacy.c virtio/modern.c virtio/queue.c hv/lib/sg.c */
/* sources: virtio/access.c tests/unit/host/twin.c hw/nic/nic.c */
/* sources: hw/nic/intel/intel.c hw/nic/intel/intel_tx.c hw/nic/intel/intel_rx.c hw/nic/intel/intel_desc.c */
/* sources: hw/nic/intel/intel_mac.c hw/nic/intel/intel_phy.c hw/nic/intel/e1000.c hw/nic/intel/e1000_pci.c */
/* sources: hw/nic/intel/e1000e.c hw/nic/intel/pch.c hw/nic/intel/pch_speed.c hw/nic/intel/e1000e_pci.c */
/* sources: hw/nic/intel/igb.c hw/nic/intel/igb_desc.c */
/* sources: hw/nic/intel/igb_pci.c virtio/net/merge.c hw/nic/intel/intel_rx_long.c */
/* An 82574 that hangs, behind virtio-net. */
#include "host/twin.h"
#include "virtio/net/net.h"
#include "intel_fixture.h"

static unsigned msis;

static void net_chip(void) { make(DEV_82574); msis = 0; }

static bool net_rings(void)
{
	bool rang = c->msis != msis;

	msis = c->msis;
	return rang;
}

#include "nic_net.c"
