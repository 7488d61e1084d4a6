/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: virtio/net/net.c virtio/net/tx.c virtio/net/tso.c virtio/net/rx.c virtio/net/ctrl.c virtio/transport.c */
/* sources: virtio/pci_config.c virtio/msix.c virtio/legacy.c virtio/modern.c virtio/queue.c hv/lib/sg.c */
/* sources: virtio/access.c tests/unit/host/twin.c hw/nic/nic.c hw/nic/realtek/realtek.c hw/nic/realtek/realtek_chip.c */
/* sources: hw/nic/realtek/realtek_rings.c hw/nic/realtek/realtek_pci.c */
/* sources: tests/models/model.c tests/models/rtl8168.c tests/models/rtl8168_phy.c tests/models/rtl8168_rings.c */
/* sources: virtio/net/merge.c */
/* An RTL8168H behind virtio-net whose transmitter or receiver hangs. */
#include "host/twin.h"
#include "virtio/net/net.h"
#include "realtek_fixture.h"

static unsigned edges_seen;
static const char *net_name;		/* NULL: 8168H */

static void net_chip(void)
{
	make(net_name ? net_name : "8168h");
	edges_seen = 0;
}

static bool net_rings(void)
{
	unsigned before = edges_seen;

	edges_seen = c->edges;
	return edges_seen != before;
}

static void net_up(void);
static void net_poll(void);
static void net_wait(unsigned ms);
static void net_works(void);
static bool net_clock_runs(void);

static bool hears(void)
{
	static uint8_t frame[100] = { 255, 255, 255, 255, 255, 255 };

	return chip_receive(frame, sizeof(frame));
}

static void bus_error(void)
{
	c->no_dma = true;
	(void)hears();
	c->no_dma = false;
	CHECK(!hears());
}

/* The guest only receives, so the watch on the transmitter would not notice the hang. */
TEST(a_receiver_that_an_error_on_the_bus_stopped_is_reset)
{
	net_name = NULL;
	net_up();
	CHECK(hears());
	net_poll();
	bus_error();
	net_poll();
	CHECK(hears());
	CHECK(host_log_has("realtek0: the chip reports an error: reset"));
	CHECK_EQ(nic->count.recoveries, 1);
	net_works();
}

/* An error that returns at once causes one reset a second; the clock runs until then, and stops afterwards. */
TEST(resets_that_a_chip_asks_for_are_not_too_often)
{
	unsigned before;

	net_up();
	bus_error();
	net_poll();
	net_wait(20);
	before = c->m.resets;
	for (unsigned i = 0; i < 5; i++) {
		bus_error();
		net_poll();
		net_wait(20);
	}
	CHECK_EQ(c->m.resets, before);
	CHECK(net_clock_runs());
	net_wait(1000);
	CHECK_EQ(c->m.resets, before + 1);
	CHECK(hears());
	net_poll();
	CHECK(!net_clock_runs());
	/* The guest's own reset comes first: no other reset is needed. */
	net_up();
	bus_error();
	net_poll();
	bus_error();
	net_poll();
	CHECK(net_clock_runs());
	nic_stop(nic);
	CHECK(!net_clock_runs());
}

TEST(the_first_8168b_is_deaf_after_its_fifo_ran_over_and_is_reset)
{
	net_name = "8168b1";
	net_up();
	while (hears())
		;
	CHECK(c->m.missed);
	net_poll();
	CHECK(hears());
	net_name = NULL;
}

#include "nic_net.c"
