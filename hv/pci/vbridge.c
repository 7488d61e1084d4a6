/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bridges as the guest sees them.  Each says by an Enhanced Allocation capability that its bus numbers are fixed, for a guest
 * that numbers buses anew (PCI Express 4.0, 7.8.5.2).  Of one above a concealed device what is read-only or status is the
 * hardware's, what can be written reads back, and nothing of that reaches the hardware (PCI-to-PCI Bridge 1.2, 3.2.5; PCI
 * Express 4.0, 7.5.3).
 */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/vpci.h>
#include "hv/mem/nested.h"
#include "hv/pci/pci.h"

#define SIZE	256u
#define EA_SIZE	8u

/* The capability that says which bus numbers are fixed. */
struct numbers {
	const struct pci_dev *dev;
	uint8_t at;			/* 0: there is no room for it */
	uint8_t bytes[EA_SIZE];
};

struct vbridge {
	const struct pci_dev *dev;
	struct numbers numbers;
	uint8_t value[SIZE];
	uint8_t ours[SIZE];		/* bits that come from @value */
	uint8_t writable[SIZE];		/* those of them that the guest sets */
};

/* --- fixed bus numbers --- */

/* How long a capability is at most: one that is not known here may be anything. */
static unsigned cap_size(const struct pci_dev *d, uint8_t at)
{
	switch (pci_read8(d, at)) {
	case PCI_CAP_PM:
	case PCI_CAP_SSVID:
	case PCI_CAP_SHPC:
		return 8;
	case PCI_CAP_MSI:
		return 24;
	case PCI_CAP_VENDOR:
		return pci_read8(d, at + 2u);
	case PCI_CAP_EXP:
		return 0x3c;
	case PCI_CAP_MSIX:
		return 12;
	default:
		return SIZE;
	}
}

/* Whether nothing of the function's is at @at: zeros, behind no capability's beginning. */
static bool is_vacant(const struct pci_dev *d, unsigned at)
{
	uint8_t cap = pci_read16(d, PCI_STATUS) & PCI_STATUS_CAPS ? pci_read8(d, PCI_CAP_PTR) & 0xfc : 0;

	for (unsigned n = 0; cap >= 0x40 && n < 48; n++) {
		if (cap < at + EA_SIZE && at < cap + cap_size(d, cap))
			return false;
		cap = pci_read8(d, cap + 1u) & 0xfc;
	}
	return !pci_read32(d, (uint16_t)at) && !pci_read32(d, (uint16_t)(at + 4));
}

static void find_numbers(struct numbers *e, const struct pci_dev *d)
{
	uint8_t secondary = pci_read8(d, PCI_SECONDARY), subordinate = pci_read8(d, PCI_SUBORDINATE);
	bool caps = pci_read16(d, PCI_STATUS) & PCI_STATUS_CAPS;

	e->dev = d;
	e->at = 0;
	if (d->header_type != PCI_HEADER_BRIDGE || !secondary || subordinate < secondary || pci_find_cap(d, PCI_CAP_EA))
		return;
	for (unsigned at = SIZE - EA_SIZE; !e->at && at >= 0x40; at -= EA_SIZE)
		if (is_vacant(d, at))
			e->at = (uint8_t)at;
	e->bytes[0] = PCI_CAP_EA;
	e->bytes[1] = caps ? pci_read8(d, PCI_CAP_PTR) & 0xfc : 0;
	e->bytes[4] = secondary;
	e->bytes[5] = subordinate;
}

static bool is_number(const struct numbers *e, unsigned off)
{
	return e->at && off >= e->at && off - e->at < EA_SIZE;
}

/* What the guest reads instead of @v. */
static uint32_t with_numbers(const struct numbers *e, uint16_t off, unsigned width, uint32_t v)
{
	for (unsigned i = 0; e->at && i < width; i++) {
		unsigned at = off + i, shift = 8 * i;

		if (is_number(e, at))
			v = (v & ~(0xffu << shift)) | (uint32_t)e->bytes[at - e->at] << shift;
		else if (at == PCI_CAP_PTR)
			v = (v & ~(0xffu << shift)) | (uint32_t)e->at << shift;
		else if (at == PCI_STATUS)
			v |= (uint32_t)PCI_STATUS_CAPS << shift;
	}
	return v;
}

static uint32_t open_read(void *ctx, uint16_t off, unsigned width)
{
	const struct numbers *e = ctx;

	return with_numbers(e, off, width, pci_cfg_read(e->dev->bdf, off, width));
}

static void open_write(void *ctx, uint16_t off, unsigned width, uint32_t value)
{
	const struct numbers *e = ctx;

	/* Eight bytes of their own: an access is wholly in them or wholly outside. */
	if (!is_number(e, off))
		guard_write(e->dev, off, width, value);
}

static const struct vpci_ops open_ops = { open_read, open_write, .left = true };

int vbridge_open(const struct pci_dev *dev)
{
	struct numbers found = { NULL, 0, { 0 } }, *e;

	find_numbers(&found, dev);
	if (!found.at)
		return 0;
	e = mem_alloc(sizeof(*e), 8);
	if (!e)
		return -ERR_NOMEM;
	*e = found;
	return vpci_set(dev->bdf, &open_ops, e);
}

/* --- above a concealed device --- */

static void set_bits(struct vbridge *b, unsigned off, uint32_t bits, unsigned width)
{
	for (unsigned i = 0; i < width && off + i < SIZE; i++)
		b->ours[off + i] = b->writable[off + i] = (uint8_t)(bits >> (8 * i));
}

/* As the guest shall always read them. */
static void fix(struct vbridge *b, unsigned off, uint8_t bits, uint8_t value)
{
	b->ours[off] |= bits;
	b->writable[off] &= (uint8_t)~bits;
	b->value[off] = (uint8_t)((b->value[off] & ~bits) | value);
}

static void set_bars(struct vbridge *b)
{
	const struct pci_dev *d = b->dev;

	for (unsigned n = 0; n < 2; n++) {
		const struct pci_bar *bar = &d->bar[n];

		if (!bar->size)
			continue;
		set_bits(b, PCI_BAR(n), (uint32_t)~(bar->size - 1) & (bar->io ? ~3u : ~15u), 4);
		if (bar->is64)
			set_bits(b, PCI_BAR(n + 1), (uint32_t)(~(bar->size - 1) >> 32), 4);
	}
	if (d->rom_size)
		set_bits(b, PCI_BRIDGE_ROM, (~(d->rom_size - 1) & ~0x7ffu) | 1, 4);
}

/* The kind of a window, in its low four bits, is the hardware's.  The bus numbers are not here. */
static void set_windows(struct vbridge *b)
{
	uint16_t io = pci_read16(b->dev, 0x1c);

	set_bits(b, 0x1c, 0xf0f0, 2);
	set_bits(b, 0x20, 0xfff0fff0, 4);
	set_bits(b, 0x24, 0xfff0fff0, 4);
	if ((pci_read8(b->dev, 0x24) & 15) == 1) {
		set_bits(b, 0x28, ~0u, 4);
		set_bits(b, 0x2c, ~0u, 4);
	}
	if ((io & 15) == 1)
		set_bits(b, 0x30, ~0u, 4);
}

static void set_msi(struct vbridge *b, unsigned at)
{
	uint16_t control = pci_read16(b->dev, (uint16_t)(at + 2));
	unsigned data = control & BIT(7) ? at + 12 : at + 8;

	set_bits(b, at + 2, 0x0071, 2);
	set_bits(b, at + 4, ~3u, 4);
	if (control & BIT(7))
		set_bits(b, at + 8, ~0u, 4);
	set_bits(b, data, 0xffff, 2);
	if (control & BIT(8))
		set_bits(b, data + 4, ~0u, 4);
}

/* No slot of such a bridge is for the guest to switch: none is said to be hot-pluggable. */
static void set_express(struct vbridge *b, unsigned at)
{
	set_bits(b, at + 0x08, 0x7fff, 2);		/* device control */
	set_bits(b, at + 0x10, 0x0fdf, 2);		/* link control without "retrain" */
	set_bits(b, at + 0x18, 0x1fff, 2);		/* slot control */
	set_bits(b, at + 0x1c, 0x001f, 2);		/* root control */
	set_bits(b, at + 0x28, 0xffff, 2);
	set_bits(b, at + 0x30, 0xffff, 2);
	if (at + 0x17 < SIZE) {
		fix(b, at + 0x14, 0x7f, 0);	/* slot capabilities: buttons, controllers, indicators, surprise, capable */
		fix(b, at + 0x16, 0x06, 0x04);	/* no lock; no "command completed" */
	}
}

static void set_caps(struct vbridge *b)
{
	const struct pci_dev *d = b->dev;

	if (d->cap_pm)
		set_bits(b, d->cap_pm + 4, 0x0103, 2);
	if (d->cap_msi)
		set_msi(b, d->cap_msi);
	if (d->cap_msix)
		set_bits(b, d->cap_msix + 2, 0xc000, 2);
	if (d->cap_exp)
		set_express(b, d->cap_exp);
}

static uint32_t shown_read(void *ctx, uint16_t off, unsigned width)
{
	const struct vbridge *b = ctx;
	uint32_t v = pci_cfg_read(b->dev->bdf, off, width);

	for (unsigned i = 0; i < width && off + i < SIZE; i++) {
		uint32_t ours = (uint32_t)b->ours[off + i] << (8 * i);

		v = (v & ~ours) | ((uint32_t)b->value[off + i] << (8 * i) & ours);
	}
	return with_numbers(&b->numbers, off, width, v);
}

static void shown_write(void *ctx, uint16_t off, unsigned width, uint32_t value)
{
	struct vbridge *b = ctx;

	for (unsigned i = 0; i < width && off + i < SIZE; i++) {
		uint8_t bits = b->writable[off + i];

		b->value[off + i] = (uint8_t)((b->value[off + i] & ~bits) | (value >> (8 * i) & bits));
	}
}

static const struct vpci_ops shown_ops = { shown_read, shown_write };

/* A switch has registers there that move its ports, a bridge those of its slots' power. */
static int hide_registers(const struct pci_dev *d)
{
	int err = 0;

	for (unsigned n = 0; !err && n < 2; n++) {
		const struct pci_bar *bar = &d->bar[n];
		uint64_t base = ALIGN_DOWN(bar->addr, (uint64_t)PAGE_SIZE);

		if (bar->size && bar->addr && !bar->io)
			err = nested_hide(base, ALIGN_UP(bar->addr + bar->size, (uint64_t)PAGE_SIZE) - base);
	}
	return err;
}

int vpci_freeze(const struct pci_dev *dev)
{
	struct vbridge *b;

	if (vpci_is(dev->bdf, &shown_ops))
		return 0;
	b = mem_alloc(sizeof(*b), 8);
	if (!b || hide_registers(dev))
		return -ERR_NOMEM;
	b->dev = dev;
	find_numbers(&b->numbers, dev);
	for (unsigned off = 0; off < SIZE; off += 4) {
		uint32_t v = pci_read32(dev, (uint16_t)off);

		for (unsigned i = 0; i < 4; i++)
			b->value[off + i] = (uint8_t)(v >> (8 * i));
	}
	set_bits(b, PCI_COMMAND, 0x0547, 2);
	set_bits(b, 0x0c, 0xff, 1);
	set_bits(b, PCI_INT_LINE, 0xff, 1);
	set_bits(b, 0x3e, 0x0bff, 2);		/* bridge control, but the timer's status */
	set_bars(b);
	set_windows(b);
	set_caps(b);
	return vpci_set(dev->bdf, &shown_ops, b);
}
