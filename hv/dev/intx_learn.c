/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Experiments at start: a device raises and lowers its INTx line, and we look for a request at the 8259s, an edge at each input
 * of the I/O APICs, and which register of the chipset's routing takes the request away.
 */
#include <veneer/log.h>
#include <veneer/time.h>
#include "hv/dev/intx.h"
#include "hv/dev/ioapic.h"
#include "hv/dev/pic.h"
#include "hv/dev/pirq.h"

#define VISIBLE_US	50000u
#define SETTLE_US	200u
#define MAX_GSI		256u
#define NOT_PCI		0x0107u		/* timer, keyboard, cascade, clock: their edges would only confuse */

struct experiment {
	struct hw_dev *dev;
	uint16_t before;		/* requests without the device's */
	bool visible;			/* it shows when the device asserts */
};

/*
 * Up: until it shows, in the device's status register (PCI 2.3) or at the 8259s, for an emulator may take its time.  Where it
 * never shows, the caller's patience is all there is.
 */
static void set_line(void *ctx, bool level)
{
	struct experiment *e = ctx;

	e->dev->ops->intx_test(e->dev, level);
	if (level && e->visible)
		(void)wait_until((pci_read16(e->dev->pci, PCI_STATUS) & PCI_STATUS_INTX) || (pic_requests() & ~e->before),
				 VISIBLE_US);
}

static bool settles(uint16_t now, uint16_t before)
{
	return (now & ~before & ~NOT_PCI) != 0;
}

/* The requests that come up with the line. */
static uint16_t requests_of(struct experiment *e)
{
	uint16_t up;

	e->before = pic_requests();
	set_line(e, true);
	(void)wait_until(settles(pic_requests(), e->before), SETTLE_US);
	up = (uint16_t)(pic_requests() & ~e->before & ~NOT_PCI);
	e->dev->ops->intx_test(e->dev, false);
	delay_us(SETTLE_US);
	return up;
}

static int one_of(uint16_t set)
{
	return set && !(set & (set - 1)) ? __builtin_ctz(set) : -1;
}

static int find_irq(struct experiment *e)
{
	uint16_t set;

	e->visible = true;
	set = requests_of(e);
	/* Twice: another device may have come in between. */
	return one_of(set ? set & requests_of(e) : 0);
}

/* The register of the routing without which the 8259s see nothing. */
static int find_pirq(struct experiment *e, int irq)
{
	for (unsigned n = 0; n < 8; n++) {
		if (pirq_real_irq(n) != irq)
			continue;
		pirq_disconnect(n, true);
		bool gone = !(requests_of(e) & BIT(irq));

		pirq_disconnect(n, false);
		if (gone)
			return (int)n;
	}
	return -1;
}

/* An input that follows and has another number than the 8259's. -1: none. */
static int find_gsi(struct experiment *e, int irq, uint32_t patience_us, bool *same)
{
	for (int gsi = MAX_GSI - 1; gsi >= 3; gsi--) {
		if (gsi == 8 || !ioapic_has((unsigned)gsi) || !ioapic_follows((unsigned)gsi, set_line, e, patience_us))
			continue;
		if (gsi != irq)
			return gsi;
		*same = true;
	}
	return -1;
}

bool intx_experiment(struct hw_dev *dev, struct intx_route *r)
{
	/* Silicon answers in microseconds.  An emulator on a busy machine may not: once more, and once more, slower. */
	static const uint32_t patience_us[] = { SETTLE_US, 5000, 50000 };
	struct experiment e = { .dev = dev };
	bool same = false;

	*r = (struct intx_route){ -1, -1, -1 };
	pic_mask_all(true);
	ioapic_quiet(true);
	r->irq = find_irq(&e);
	if (r->irq >= 0)
		r->pirq = find_pirq(&e, r->irq);
	dev->ops->intx_test(dev, true);
	e.visible = r->irq >= 0 || wait_until(pci_read16(dev->pci, PCI_STATUS) & PCI_STATUS_INTX, VISIBLE_US);
	dev->ops->intx_test(dev, false);
	for (unsigned i = 0; i < ARRAY_SIZE(patience_us) && r->gsi < 0 && !same; i++)
		r->gsi = find_gsi(&e, r->irq, patience_us[i], &same);
	ioapic_quiet(false);
	pic_mask_all(false);
	return r->irq >= 0 || r->gsi >= 0;
}
