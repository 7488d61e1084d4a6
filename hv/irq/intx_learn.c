/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Experiments that find where a device's INTx line leads.  The device asserts and deasserts the line, while Veneer looks for a
 * request at the 8259s, for an edge at each I/O APIC input, and for the PIRQ register that removes the request.  intx.c uses
 * the result.
 *
 * The device's status register (PCI 2.3), or the request itself, shows that it asserts.  A missing request proves something
 * only while the device is known to assert: an emulator on a busy machine may assert late.
 */
#include <veneer/log.h>
#include <veneer/time.h>
#include "hv/irq/intx.h"
#include "hv/irq/ioapic.h"
#include "hv/irq/pic.h"
#include "hv/irq/pirq.h"

#define MAX_GSI		256u
#define NOT_PCI		0x0107u		/* timer, keyboard, cascade, clock: no PCI line reaches these */

/*
 * Silicon answers in microseconds, and each wait ends with the answer.  Without one the test is repeated twice, each time
 * slower.
 */
static const struct patience {
	uint32_t assert_us;		/* for the device */
	uint32_t follow_us;		/* for the controllers */
} patience[] = { { 50000, 200 }, { 500000, 5000 }, { 1000000, 50000 } };

struct experiment {
	struct hw_dev *dev;
	const struct patience *p;
	uint16_t before;		/* requests while the device does not assert */
	bool tells;			/* the device's status register has shown an assertion of the line */
	bool seen;			/* the status register or the 8259s have shown an assertion */
	bool missed;			/* earlier assertions were seen, a later one was not */
};

static bool in_status(const struct experiment *e)
{
	return pci_read16(e->dev->pci, PCI_STATUS) & PCI_STATUS_INTX;
}

static uint16_t new_requests(const struct experiment *e)
{
	return (uint16_t)(pic_requests() & ~e->before & ~NOT_PCI);
}

/* Assert the line.  True if the device is known to assert. */
static bool raise_line(struct experiment *e)
{
	e->before = pic_requests();
	e->dev->ops->intx_test(e->dev, true);
	(void)wait_until(in_status(e) || (!e->tells && new_requests(e)), e->p->assert_us);
	e->tells |= in_status(e);
	bool known = in_status(e) || (!e->tells && new_requests(e));

	e->missed |= e->seen && !known;
	e->seen |= known;
	return known;
}

/* For the I/O APIC, which detects edges.  If no register shows the device's assertion, only the caller's wait counts. */
static void set_line(void *ctx, bool level)
{
	struct experiment *e = ctx;

	if (level && e->seen)
		(void)raise_line(e);
	else
		e->dev->ops->intx_test(e->dev, level);
}

/* The 8259 requests that come and go with the line.  *@known is set if the device did assert. */
static uint16_t requests_of(struct experiment *e, bool *known)
{
	uint16_t up;

	*known = raise_line(e);
	(void)wait_until(new_requests(e), e->p->follow_us);
	up = new_requests(e);
	e->dev->ops->intx_test(e->dev, false);
	(void)wait_until(!(pic_requests() & up), e->p->follow_us);
	return up & (uint16_t)~pic_requests();
}

static int one_of(uint16_t set)
{
	return set && !(set & (set - 1)) ? __builtin_ctz(set) : -1;
}

static int find_irq(struct experiment *e)
{
	int irq = -1;

	for (unsigned i = 0; i < ARRAY_SIZE(patience) && irq < 0; i++) {
		bool known;

		e->p = &patience[i];
		uint16_t set = requests_of(e, &known);

		/* Measured twice: another device may have interrupted meanwhile. */
		irq = one_of(set ? set & requests_of(e, &known) : 0);
	}
	return irq;
}

/*
 * True if the request is absent while PIRQ @n is disconnected, and present otherwise.  That is proof if the device shows that
 * it asserted meanwhile; any other device may only have been late, so the experiment has to succeed twice.
 */
static bool leads(struct experiment *e, unsigned n, int irq)
{
	unsigned times = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(patience); i++) {
		bool known, back;

		e->p = &patience[i];
		pirq_disconnect(n, true);
		bool gone = !(requests_of(e, &known) & BIT(irq)), sure = known || !e->tells;

		pirq_disconnect(n, false);
		if (!gone)
			return false;
		back = requests_of(e, &known) & BIT(irq);
		times += sure && back;
		if (times == (e->tells ? 1 : 2))
			return true;
	}
	return false;
}

static int find_pirq(struct experiment *e, int irq)
{
	for (unsigned n = 0; n < 8; n++)
		if (pirq_real_irq(n) == irq && leads(e, n, irq))
			return (int)n;
	return -1;
}

/* The I/O APIC input that follows the line and has another number than the 8259's; -1: none. */
static int follower(struct experiment *e, int irq, bool *same)
{
	for (int gsi = MAX_GSI - 1; gsi >= 3; gsi--) {
		if (gsi == 8 || !ioapic_has((unsigned)gsi) || !ioapic_follows((unsigned)gsi, set_line, e, e->p->follow_us))
			continue;
		if (gsi != irq)
			return gsi;
		*same = true;
	}
	return -1;
}

static int find_gsi(struct experiment *e, int irq)
{
	bool same = false;
	int gsi = -1;

	/*
	 * Conclude that only the input with the 8259's number follows, if the device asserted while each of the others was
	 * tested.
	 */
	for (unsigned i = 0; i < ARRAY_SIZE(patience) && gsi < 0 && (!same || e->missed); i++) {
		e->p = &patience[i];
		e->missed = false;
		gsi = follower(e, irq, &same);
	}
	return gsi >= 0 ? gsi : same ? irq : -1;
}

bool intx_experiment(struct hw_dev *dev, struct intx_route *r)
{
	struct experiment e = { .dev = dev };

	*r = (struct intx_route){ -1, -1, -1 };
	pic_quiet(true);
	ioapic_quiet(true);
	r->irq = find_irq(&e);
	if (r->irq >= 0)
		r->pirq = find_pirq(&e, r->irq);
	r->gsi = find_gsi(&e, r->irq);
	/* Input @irq counts once. */
	if (r->gsi == r->irq)
		r->gsi = -1;
	ioapic_quiet(false);
	pic_quiet(false);
	return r->irq >= 0 || r->gsi >= 0;
}
