/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: virtio/net/net.c virtio/net/tx.c virtio/net/tso.c virtio/net/rx.c virtio/net/ctrl.c virtio/transport.c */
/* sources: virtio/pci_config.c virtio/msix.c virtio/legacy.c virtio/modern.c virtio/queue.c hv/lib/sg.c */
/* sources: virtio/access.c tests/unit/host/twin.c hw/nic/nic.c hw/nic/intel/intel.c hw/nic/intel/intel_tx.c */
/* sources: hw/nic/intel/intel_rx.c hw/nic/intel/intel_mac.c hw/nic/intel/intel_phy.c hw/nic/intel/igb.c */
/* sources: hw/nic/intel/igb_desc.c hw/nic/intel/igb_pci.c hw/nic/intel/igc.c hw/nic/intel/igc_pci.c */
/* sources: tests/models/model.c tests/models/igc.c tests/models/igc_phy.c tests/models/igc_rings.c */
/* sources: tests/models/igc_offload.c tests/models/pch.c tests/models/pch_phy.c */
/* sources: virtio/net/merge.c hw/nic/intel/intel_rx_long.c */
/* An I225 that hangs, behind virtio-net. */
#include "host/twin.h"
#include "virtio/net/net.h"
#include "igc_fixture.h"

static unsigned msis_seen;
static bool settled;

static void net_chip(void)
{
	make("i225");
	msis_seen = 0;
	settled = false;
}

static bool net_rings(void)
{
	bool rang;

	/* The first interrupt is for the link, which came up during the probe. */
	if (!settled)
		hw->ops->poll(hw);
	settled = true;
	rang = c->msis != msis_seen;
	msis_seen = c->msis;
	return rang;
}

static void net_up(void);
static void net_poll(void);
static void net_send(bool kick_always);
static unsigned net_done(void);
static void net_wait(unsigned ms);
static void net_works(void);

/* The chip sends no message while the cause of the lost one is unread: the poll that makes up for it reads the cause. */
TEST(messages_come_again_after_a_lost_one)
{
	net_up();
	(void)net_rings();
	net_send(false);
	CHECK(net_rings());		/* but no processor gets it */
	CHECK_EQ(net_done(), 0);
	net_wait(60);
	CHECK_EQ(net_done(), 1);
	net_send(false);
	CHECK(net_rings());
}

TEST(a_fatal_error_of_the_chip_is_a_reset)
{
	net_up();
	*reg(I_ICR) |= I_INT_FER;
	CHECK(hw->ops->poll(hw) != 0);
	CHECK_EQ(nic->count.recoveries, 1);
	CHECK(host_log_has("the chip reports an error: reset"));
	net_works();
}

#include "nic_net.c"
