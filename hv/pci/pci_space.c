/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finds free address space for the BARs of twins.  The guest's operating system must expect the bus to decode it: inside the
 * windows of the bridge above or, on a root bus, among firmware's assignments, since only AML has the root's windows.
 */
#include <veneer/err.h>
#include <veneer/gmem.h>
#include <veneer/limit.h>
#include <veneer/log.h>
#include "hv/boot/bootinfo.h"
#include "hv/dev/acpi.h"
#include "hv/pci/pci.h"

#define MAX_GIVEN	512u
#define BRIDGE_IO	0x1c
#define BRIDGE_MEM	0x20
#define BRIDGE_PREF	0x24

struct window { uint64_t base, end; };		/* [base, end) */

static struct { uint64_t base; uint32_t size; bool io; } given[MAX_GIVEN];
static unsigned ngiven;

static struct { uint64_t base, size; } held[PCI_SPACE_HELD];
static unsigned nheld;

static const struct boot_info *map;

void pci_space_init(const struct boot_info *b)
{
	map = b;
	nheld = 0;
}

int pci_space_hold(uint64_t base, uint64_t size)
{
	if (nheld == PCI_SPACE_HELD)
		return -ERR_NOMEM;
	held[nheld].base = base;
	held[nheld++].size = size;
	return 0;
}

bool pci_space_held(unsigned n, uint64_t *base, uint64_t *size)
{
	if (n >= nheld)
		return false;
	*base = held[n].base;
	*size = held[n].size;
	return true;
}

static bool overlaps(uint64_t a, uint64_t alen, uint64_t b, uint64_t blen)
{
	return a < b + blen && b < a + alen;
}

static struct window bridge_window(const struct pci_dev *bridge, bool io)
{
	struct window w = { 0, 0 };

	if (io) {
		uint16_t v = pci_read16(bridge, BRIDGE_IO);

		w.base = (uint64_t)(v & 0xf0) << 8;
		w.end = ((uint64_t)(v >> 8 & 0xf0) << 8) + 0x1000;
	} else {
		uint32_t v = pci_read32(bridge, BRIDGE_MEM);

		w.base = (uint64_t)(v & 0xfff0) << 16;
		w.end = ((uint64_t)(v >> 16 & 0xfff0) << 16) + 0x100000;
	}
	if (w.end <= w.base || !w.base)
		w.base = w.end = 0;
	return w;
}

static bool bar_conflict(uint64_t base, uint32_t size, bool io)
{
	const struct pci_dev *d;

	for (unsigned i = 0; (d = pci_get(i)); i++)
		for (unsigned n = 0; n < 6; n++)
			if (d->bar[n].size && d->bar[n].addr && d->bar[n].io == io &&
			    overlaps(base, size, d->bar[n].addr, d->bar[n].size))
				return true;
	for (unsigned i = 0; i < ngiven; i++)
		if (given[i].io == io && overlaps(base, size, given[i].base, given[i].size))
			return true;
	return false;
}

/* Windows of bridges on the same bus are taken: the bridges forward these addresses. */
static bool window_conflict(uint16_t bdf, uint64_t base, uint32_t size, bool io)
{
	const struct pci_dev *d;

	for (unsigned i = 0; (d = pci_get(i)); i++) {
		if (d->header_type != 1 || PCI_BUS(d->bdf) != PCI_BUS(bdf))
			continue;
		struct window w = bridge_window(d, io);
		if (w.end && overlaps(base, size, w.base, w.end - w.base))
			return true;
		uint32_t pref = pci_read32(d, BRIDGE_PREF);
		uint64_t pbase = (uint64_t)(pref & 0xfff0) << 16, pend = ((uint64_t)(pref >> 16 & 0xfff0) << 16) + 0x100000;
		if (!io && pend > pbase && pbase && overlaps(base, size, pbase, pend - pbase))
			return true;
	}
	return false;
}

static bool memory_conflict(uint64_t base, uint32_t size)
{
	for (unsigned i = 0; map && i < map->nranges; i++)
		if (overlaps(base, size, map->range[i].base, map->range[i].size))
			return true;
	for (unsigned i = 0; i < acpi.necam; i++)
		if (overlaps(base, size, acpi.ecam[i].addr, 256ull << 20))
			return true;
	for (unsigned i = 0; i < nheld; i++)
		if (overlaps(base, size, held[i].base, held[i].size))
			return true;
	return false;
}

static bool is_free(uint16_t bdf, uint64_t base, uint32_t size, bool io)
{
	return !bar_conflict(base, size, io) && !window_conflict(bdf, base, size, io) && (io || !memory_conflict(base, size));
}

/* On a root bus: from the lowest assigned BAR to the end of the highest one's neighbourhood. */
static struct window root_window(uint16_t bdf, bool io)
{
	struct window w = { ~0ull, 0 };
	const struct pci_dev *d;

	for (unsigned i = 0; (d = pci_get(i)); i++) {
		for (unsigned n = 0; n < 6; n++) {
			const struct pci_bar *b = &d->bar[n];

			if (PCI_BUS(d->bdf) != PCI_BUS(bdf) || !b->size || b->io != io || !b->addr)
				continue;
			if (b->addr + b->size > 0xfec00000 || (io && b->addr < 0x1000))
				continue;
			w.base = MIN(w.base, b->addr);
			w.end = MAX(w.end, b->addr + b->size);
		}
	}
	if (io) {
		/*
		 * Firmware assigns I/O upwards from some base; the rest of the port space above 0xc000 is the root's nearly
		 * everywhere.
		 */
		w.base = MIN(w.base, 0xc000ull);
		w.end = 0x10000;
	} else if (!w.end) {
		w.base = 0xfe000000;
		w.end = 0xfec00000;
	} else {
		w.base = ALIGN_DOWN(w.base, 0x1000000ull);
		w.end = MIN(ALIGN_UP(w.end, 0x100000ull), 0xfec00000ull);
	}
	return w;
}

static uint64_t search(uint16_t bdf, struct window w, uint32_t size, bool io)
{
	uint64_t step = io ? size : MAX(size, PAGE_SIZE);

	/* Search downwards from the assigned BARs: addresses next to these are inside the root's window. */
	for (uint64_t at = ALIGN_DOWN(w.end - size, (uint64_t)step); at >= w.base && at + size <= w.end; at -= step) {
		if (is_free(bdf, at, size, io))
			return at;
		if (at < step)
			break;
	}
	return 0;
}

uint64_t pci_alloc_bar(uint16_t bdf, bool io, uint32_t size)
{
	const struct pci_dev *d, *self = NULL, *bridge = NULL;
	struct window w;

	for (unsigned i = 0; (d = pci_get(i)); i++)
		if (PCI_BUS(d->bdf) == PCI_BUS(bdf) && PCI_SLOT(d->bdf) == PCI_SLOT(bdf))
			self = d;
	for (unsigned i = 0; self && self->parent != 0xffff && (d = pci_get(i)); i++)
		if (d->bdf == self->parent)
			bridge = d;
	if (bridge) {
		w = bridge_window(bridge, io);
		if (!w.end)
			return 0;
	} else {
		w = root_window(bdf, io);
	}
	if (ngiven == MAX_GIVEN)
		limit_reached("BARs of twins", MAX_GIVEN);
	uint64_t at = ngiven < MAX_GIVEN ? search(bdf, w, size, io) : 0;
	if (at) {
		given[ngiven].base = at;
		given[ngiven].size = size;
		given[ngiven++].io = io;
	}
	return at;
}
