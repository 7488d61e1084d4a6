/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shared by the tests of all NIC drivers: a client that records completions, a clock, and short forms of the contract's calls.
 * A test includes its chip's model, then this file, makes a chip behind a struct pci_dev and calls rig_probe().
 */
#ifndef NIC_RIG_H
#define NIC_RIG_H

#include <string.h>
#include <veneer/clock.h>
#include <veneer/err.h>
#include <veneer/nic.h>
#include "host/host.h"

static struct hw_dev *hw;
static struct nic *nic;
static int clock_holds;
static uint8_t rig_watch[16];
static unsigned rig_nwatch;
static void (*rig_time)(void);		/* time has passed: the chip does what needs no access to it; may be NULL */
static bool rig_no_watch;		/* clock_watch() has none left */

__attribute__((weak)) void clock_hold(void) { clock_holds++; }	/* twin.c has its own */
__attribute__((weak)) void clock_release(void) { clock_holds--; }
uint8_t *clock_watch(void) { return rig_no_watch ? NULL : &rig_watch[rig_nwatch++ % ARRAY_SIZE(rig_watch)]; }

/* True if a tick would come, by the conditions of hv/dev/clock.c. */
static inline bool clock_runs(void) { return clock_holds || *nic->watch; }

static struct {
	void *tx[4096], *rx[4096];
	uint32_t rx_len[4096], rx_flags[4096], rx_sum[4096];
	unsigned ntx, nrx, nlong, flushes, links;
	bool refuse;				/* refuse received frames, of a chip that copies them */
	void (*in_rx)(void), (*in_tx)(void);
} got;

static inline uint32_t sum_bytes(const uint8_t *p, uint32_t len)
{
	uint32_t s = len;

	while (len--)
		s = s * 31 + *p++;
	return s;
}

static void on_tx(void *ctx, unsigned q, void *token)
{
	got.tx[got.ntx++] = token;
	if (got.in_tx)
		got.in_tx();
}

static void on_rx(void *ctx, unsigned q, void *token, uint32_t len, uint32_t flags)
{
	got.rx_len[got.nrx] = len;
	got.rx_flags[got.nrx] = flags;
	got.rx[got.nrx++] = token;
	if (got.in_rx)
		got.in_rx();
}

static void on_long(void *ctx, unsigned q, const struct nic_rx_part *part, unsigned n, uint32_t flags)
{
	CHECK(n >= 2 && n <= NIC_RX_PARTS);
	for (unsigned i = 0; i < n; i++) {
		got.rx_len[got.nrx] = part[i].len;
		got.rx_flags[got.nrx] = flags;
		got.rx[got.nrx++] = part[i].token;
	}
	got.nlong++;
	if (got.in_rx)
		got.in_rx();
}

static bool on_frame(void *ctx, unsigned q, const void *frame, uint32_t len, uint32_t flags)
{
	CHECK_EQ(flags, 0);
	if (got.refuse)
		return false;
	got.rx_len[got.nrx] = len;
	got.rx_sum[got.nrx++] = sum_bytes(frame, len);
	if (got.in_rx)
		got.in_rx();
	return true;
}

static void on_flush(void *ctx, unsigned q) { got.flushes++; }
static void on_link(void *ctx) { got.links++; }

static const struct nic_client_ops rig_client = {
	.tx_done = on_tx, .rx_done = on_rx, .rx_long = on_long, .rx_frame = on_frame, .flush = on_flush,
	.link_changed = on_link,
};

extern const struct hw_driver *const __start_veneer_drivers[], *const __stop_veneer_drivers[];

/* Return the linked driver that has the device in its table. */
static inline const struct hw_driver *rig_find(uint16_t vendor, uint16_t device, const struct hw_id **id)
{
	for (const struct hw_driver *const *d = __start_veneer_drivers; d < __stop_veneer_drivers; d++)
		for (unsigned i = 0; i < (*d)->nids; i++)
			if ((*d)->ids[i].vendor == vendor && (*d)->ids[i].device == device) {
				*id = &(*d)->ids[i];
				return *d;
			}
	host_fail(__FILE__, __LINE__, "no driver for %04x:%04x", vendor, device);
}

/* Call before a chip is made: no completions yet, and nobody holds the clock. */
static inline void rig_reset(void)
{
	memset(&got, 0, sizeof(got));
	clock_holds = 0;
	hw = NULL;
	nic = NULL;
}

static inline int rig_probe(const struct pci_dev *pci)
{
	const struct hw_id *id;
	int err = rig_find(pci->vendor, pci->device, &id)->probe(pci, id, 0, &hw);

	nic = err ? NULL : hw->nic;
	if (nic)
		nic->client = &rig_client;
	return err;
}

static inline void rig_start(void)
{
	CHECK_EQ(nic_start(nic), 0);
	hw->ops->irq_enable(hw, true);
}

#define TOKEN(i) ((void *)(uintptr_t)(0x1000 + (i)))

static inline int send_at(uint64_t addr, uint32_t len, unsigned token)
{
	struct sg sg = { addr, len };
	struct nic_tx t = { .frag = &sg, .nfrag = 1, .len = len, .token = TOKEN(token) };

	return nic_tx(nic, 0, &t);
}

static inline void kick(void) { nic_tx_kick(nic, 0); }

/* For @ms milliseconds call a tick every 4 ms, as it comes while clock_runs(). */
static inline void tick(unsigned ms)
{
	for (unsigned i = 0; i < ms; i += 4) {
		host_now_us += 4000;
		if (rig_time)
			rig_time();
		hw->ops->tick(hw, host_now_us);
	}
}

/*
 * The same by the real rule: no tick comes unless the clock runs.  Return the milliseconds until the clock stopped, at most
 * @ms.
 */
static inline unsigned clock_turns(unsigned ms)
{
	unsigned i = 0;

	for (; i < ms && clock_runs(); i += 4)
		tick(4);
	return i;
}

#endif
