/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a PCH chipset's MAC and PHY (82579, I217, I218, I219) want at each speed, after each change of the link: the gap between
 * frames, the receive latency of the PHY, the clock that K1 gates, the distance between the pointers of a FIFO.  The public
 * drivers agree on the values, and few of the registers have a name.  Not here: what the PHY wants once, at the start (pch.c).
 *
 * A reset of the MAC forgets the gap alone.
 */
#include <veneer/err.h>
#include <veneer/log.h>
#include "intel.h"

static int phy_set(struct intel_nic *n, uint32_t reg, uint16_t clear, uint16_t set)
{
	uint16_t v;
	int err = intel_phy_read(n, reg, &v);

	return err ? err : intel_phy_write(n, reg, (uint16_t)((v & ~clear) | set));
}

/* The extended management interface: a register's number, then its value. */
static int emi_write(struct intel_nic *n, uint16_t reg, uint16_t v)
{
	int err = intel_phy_write(n, PHY_EMI_AT, reg);

	return err ? err : intel_phy_write(n, PHY_EMI_DATA, v);
}

/* Time for the clock to start when K1 ends.  Meteor Lake's I219 need more of it at 1000 Mb/s. */
static uint16_t clock_gate(const struct intel_nic *n, bool giga)
{
	return !giga ? CLOCK_GATE_SLOW : intel_quirk(n, INTEL_Q_MTL) ? CLOCK_GATE_MTL : CLOCK_GATE_GIGA;
}

/* An I219's FIFO; at 1000 Mb/s firmware's larger distance stays. */
static int set_distance(struct intel_nic *n, bool giga)
{
	uint16_t v;
	int err;

	if (!giga)
		return intel_phy_write(n, PHY_DISTANCE, DISTANCE_SLOW);
	err = intel_phy_read(n, PHY_DISTANCE, &v);
	if (err || FIELD_GET(DISTANCE, v) >= DISTANCE_GIGA)
		return err;
	return intel_phy_write(n, PHY_DISTANCE, (uint16_t)((v & ~DISTANCE) | FIELD_PREP(DISTANCE, DISTANCE_GIGA)));
}

static int set_phy(struct intel_nic *n, bool giga, bool slowest)
{
	int err;

	if (intel_quirk(n, INTEL_Q_82579))
		return emi_write(n, EMI_RX_82579, !slowest);
	err = emi_write(n, EMI_RX_I217, !slowest);
	if (!err)
		err = phy_set(n, PHY_CLOCK_GATE, CLOCK_GATE, clock_gate(n, giga));
	if (!err && giga)
		err = phy_set(n, PHY_PM_CTRL, 0, PM_CTRL_CLK_REQ);
	return !err && intel_quirk(n, INTEL_Q_FLUSH) ? set_distance(n, giga) : err;
}

/* At 10 Mb/s half duplex some chips send so soon after a frame that most frames collide. */
void pch_at_speed(struct intel_nic *n)
{
	const struct nic_link *l = &n->nic.seen;
	bool giga = l->mbps >= 1000, slowest = l->mbps == 10 && !l->full_duplex;
	int err;

	n->gap = slowest ? IPGT_SLOWEST : intel_quirk(n, INTEL_Q_FLUSH) && l->full_duplex && !giga ? IPGT_I219 : IPGT;
	intel_set(n, REG_TIPG, TIPG_IPGT, n->gap);
	if (intel_swflag_take(n))
		return;
	err = set_phy(n, giga, slowest);
	if (err)
		log_warn("%s: cannot set the PHY up for %u Mb/s: %s", n->nic.name, l->mbps, err_name(err));
	intel_swflag_give(n);
}
