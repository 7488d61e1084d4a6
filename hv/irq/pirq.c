/* SPDX-License-Identifier: BSD-2-Clause */
/* The chipsets' PIRQ registers, which connect PCI interrupt lines to inputs of the 8259s.  intx_learn.c learns the pins. */
#include <veneer/log.h>
#include <veneer/vpci.h>
#include "hv/irq/intx.h"
#include "hv/pci/pci.h"
#include "hv/irq/pirq.h"

#define CLASS_ISA_BRIDGE	0x0601
#define INTEL			0x8086

/* PIRQRC[A:D] of PIIX3 (82371SB, 2.2.6) and of ICH's LPC bridge, whose PIRQ[E:H] follow (82801IB, 13.1.18). */
#define PIRQ_A_D		0x60u
#define PIRQ_E_H		0x68u
#define PIRQ_GROUP		4u
#define PIRQ_OFF		BIT(7)
#define PIRQ_IRQ		GENMASK(3, 0)
#define INPUTS			0xdef8u	/* to which a line may be routed: not timer, keyboard, cascade, clock, coprocessor */

static const struct pci_dev *bridge;
static unsigned count;
static uint8_t kept[PIRQ_MAX];
static uint8_t shown[PIRQ_MAX];		/* what the guest wrote */
static uint32_t connected;		/* lines that must not be disconnected */
static bool frozen;

static uint16_t pirq_reg(unsigned n)
{
	return (uint16_t)(n < PIRQ_GROUP ? PIRQ_A_D + n : PIRQ_E_H + n - PIRQ_GROUP);
}

static bool is_piix(const struct pci_dev *d)
{
	return d->device == 0x122e || d->device == 0x7000 || d->device == 0x7110;
}

unsigned pirq_init(void)
{
	const struct pci_dev *d;
	bool any = false;

	for (unsigned i = 0; !bridge && (d = pci_get(i)); i++)
		if (d->class_code >> 8 == CLASS_ISA_BRIDGE && d->vendor == INTEL)
			bridge = d;
	if (!bridge)
		return 0;
	count = is_piix(bridge) ? PIRQ_GROUP : PIRQ_MAX;
	/* From the 100 series on the registers are elsewhere, and these read as zero. */
	for (unsigned n = 0; n < count; n++) {
		shown[n] = pci_read8(bridge, pirq_reg(n));
		any |= shown[n] != 0;
	}
	if (!any)
		count = 0;
	return count;
}

static int irq_of(uint8_t v)
{
	unsigned irq = FIELD_GET(PIRQ_IRQ, v);

	return (v & PIRQ_OFF) || !(INPUTS & BIT(irq)) ? -1 : (int)irq;
}

int pirq_irq(unsigned n)
{
	return n < count ? irq_of(shown[n]) : -1;
}

int pirq_real_irq(unsigned n)
{
	return n < count ? irq_of(pci_read8(bridge, pirq_reg(n))) : -1;
}

void pirq_disconnect(unsigned n, bool on)
{
	if (n >= count)
		return;
	if (on)
		kept[n] = pci_read8(bridge, pirq_reg(n));
	pci_write8(bridge, pirq_reg(n), on ? PIRQ_OFF : kept[n]);
}

void pirq_keep(int n)
{
	if (n < 0)
		frozen = true;
	else
		connected |= BIT(n);
}

/* --- the guest's accesses --- */

/* Return the line whose register is at @off, -1: none. */
static int line_at(uint16_t off)
{
	for (unsigned n = 0; n < count; n++)
		if (pirq_reg(n) == off)
			return (int)n;
	return -1;
}

static uint32_t bridge_read(void *ctx, uint16_t off, unsigned width)
{
	uint32_t v = pci_cfg_read(bridge->bdf, off, width);

	for (unsigned i = 0; i < width; i++) {
		int n = line_at((uint16_t)(off + i));

		if (n >= 0)
			v = (v & ~(0xffu << (8 * i))) | (uint32_t)shown[n] << (8 * i);
	}
	return v;
}

static void route(unsigned n, uint8_t v)
{
	shown[n] = v;
	if (!frozen && (irq_of(v) >= 0 || !(connected & BIT(n))))
		pci_cfg_write(bridge->bdf, pirq_reg(n), 1, v);
}

static void bridge_write(void *ctx, uint16_t off, unsigned width, uint32_t value)
{
	bool routes = false;

	for (unsigned i = 0; i < width; i++)
		routes |= line_at((uint16_t)(off + i)) >= 0;
	if (!routes) {
		guard_write(bridge, off, width, value);
		return;
	}
	/* Four of these registers share a dword that has no others. */
	for (unsigned i = 0; i < width; i++) {
		int n = line_at((uint16_t)(off + i));

		if (n >= 0)
			route((unsigned)n, (uint8_t)(value >> (8 * i)));
	}
	intx_rerouted();
}

static const struct vpci_ops bridge_ops = { bridge_read, bridge_write };

void pirq_watch(void)
{
	if (bridge && count && vpci_set(bridge->bdf, &bridge_ops, NULL))
		log_err("pci " PCI_FMT ": its interrupt routing cannot be watched", PCI_ARGS(bridge->bdf));
}

/* --- the state (CONFIG_STATE) --- */

unsigned pirq_get(uint8_t routes[PIRQ_MAX])
{
	for (unsigned n = 0; n < PIRQ_MAX; n++)
		routes[n] = n < count ? shown[n] : 0;
	return count;
}

void pirq_set(const uint8_t routes[PIRQ_MAX])
{
	bool any = false;

	for (unsigned n = 0; n < count; n++) {
		if (routes[n] == shown[n])
			continue;
		route(n, routes[n]);
		any = true;
	}
	if (any)
		intx_rerouted();
}
