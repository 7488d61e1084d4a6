/* SPDX-License-Identifier: BSD-2-Clause */
/* Real PCI: configuration accesses by 0xCF8 and ECAM, enumeration, BAR sizes. */
#include <veneer/err.h>
#include <veneer/io.h>
#include <veneer/lock.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include <veneer/time.h>
#include "hv/dev/acpi.h"
#include "hv/pci/pci.h"
#include "hv/dev/ports.h"

#define CONFIG_ADDRESS	0xcf8
#define CONFIG_DATA	0xcfc
#define CONFIG_ENABLE	BIT(31)

#define ROM_SIZED	0xfffff800u
#define EXT_CAP_FIRST	0x100u

#define PM_CTRL		4
#define  PM_STATE	GENMASK(1, 0)

static struct lock ports;		/* address and data are two accesses */

/* Grows as needed, for any number of functions.  The first chunk is static: it needs no heap. */
#define CHUNK		32u
struct chunk {
	struct chunk *next;
	struct pci_dev dev[CHUNK];
};
static struct chunk first, *last = &first;
static unsigned nfunctions;
static bool ecam_mapped;

uint64_t pci_ecam_page(uint16_t bdf)
{
	for (unsigned i = 0; i < acpi.necam; i++)
		if (!acpi.ecam[i].segment && PCI_BUS(bdf) >= acpi.ecam[i].bus_first && PCI_BUS(bdf) <= acpi.ecam[i].bus_last)
			return acpi.ecam[i].addr + ((uint64_t)bdf << 12);
	return 0;
}

static volatile uint8_t *ecam_reg(uint16_t bdf, uint16_t off)
{
	uint64_t page = pci_ecam_page(bdf);

	return page && ecam_mapped ? (volatile uint8_t *)(uintptr_t)page + off : NULL;
}

static uint32_t ecam_read(uint16_t bdf, uint16_t off, unsigned width)
{
	volatile uint8_t *reg = ecam_reg(bdf, off);

	if (!reg)
		return ~0u;
	return width == 1 ? mmio_read8(reg) : width == 2 ? mmio_read16(reg) : mmio_read32(reg);
}

uint32_t pci_port_read(uint32_t address, uint16_t port, unsigned width)
{
	lock_acquire(&ports);
	pio_write32(CONFIG_ADDRESS, address);
	uint32_t v = port_in(port, width);
	lock_release(&ports);
	return v;
}

void pci_port_write(uint32_t address, uint16_t port, unsigned width, uint32_t v)
{
	lock_acquire(&ports);
	pio_write32(CONFIG_ADDRESS, address);
	port_out(port, width, v);
	lock_release(&ports);
}

uint32_t pci_cfg_read(uint16_t bdf, uint16_t off, unsigned width)
{
	if (off >= 256)
		return ecam_read(bdf, off, width);
	return pci_port_read(CONFIG_ENABLE | (uint32_t)bdf << 8 | (off & 0xfcu), (uint16_t)(CONFIG_DATA + (off & 3)), width);
}

void pci_cfg_write(uint16_t bdf, uint16_t off, unsigned width, uint32_t v)
{
	uint16_t port = (uint16_t)(CONFIG_DATA + (off & 3));

	if (off >= 256) {
		volatile uint8_t *reg = ecam_reg(bdf, off);

		if (reg && width == 1)
			mmio_write8(reg, (uint8_t)v);
		else if (reg && width == 2)
			mmio_write16(reg, (uint16_t)v);
		else if (reg)
			mmio_write32(reg, v);
		return;
	}
	pci_port_write(CONFIG_ENABLE | (uint32_t)bdf << 8 | (off & 0xfcu), port, width, v);
}

uint8_t pci_read8(const struct pci_dev *d, uint16_t off) { return (uint8_t)pci_cfg_read(d->bdf, off, 1); }
uint16_t pci_read16(const struct pci_dev *d, uint16_t off) { return (uint16_t)pci_cfg_read(d->bdf, off, 2); }
uint32_t pci_read32(const struct pci_dev *d, uint16_t off) { return pci_cfg_read(d->bdf, off, 4); }
void pci_write8(const struct pci_dev *d, uint16_t off, uint8_t v) { pci_cfg_write(d->bdf, off, 1, v); }
void pci_write16(const struct pci_dev *d, uint16_t off, uint16_t v) { pci_cfg_write(d->bdf, off, 2, v); }
void pci_write32(const struct pci_dev *d, uint16_t off, uint32_t v) { pci_cfg_write(d->bdf, off, 4, v); }

/* Return where the first capability is, or 0. */
static uint8_t first_cap(const struct pci_dev *dev)
{
	return pci_read16(dev, PCI_STATUS) & PCI_STATUS_CAPS ? pci_read8(dev, PCI_CAP_PTR) & 0xfc : 0;
}

uint8_t pci_find_cap(const struct pci_dev *dev, uint8_t id)
{
	uint8_t at = first_cap(dev);

	/* 48 capabilities fit at most: a loop ends. */
	for (unsigned n = 0; at >= 0x40 && n < 48; n++) {
		uint16_t head = pci_read16(dev, at);

		if ((head & 0xff) == id)
			return at;
		at = (head >> 8) & 0xfc;
	}
	return 0;
}

uint8_t pci_cap_at(const struct pci_dev *dev, uint16_t off, uint16_t *start)
{
	uint8_t at = first_cap(dev), id = 0;

	*start = 0;
	/* The list may be in any order. */
	for (unsigned n = 0; at >= 0x40 && n < 48; n++) {
		uint16_t head = pci_read16(dev, at);

		if (at <= off && at >= *start) {
			*start = at;
			id = (uint8_t)head;
		}
		at = (head >> 8) & 0xfc;
	}
	return id;
}

uint16_t pci_find_ext_cap(const struct pci_dev *dev, uint16_t id)
{
	uint16_t at = EXT_CAP_FIRST;

	for (unsigned n = 0; at >= EXT_CAP_FIRST && n < 960; n++) {
		uint32_t head = pci_cfg_read(dev->bdf, at, 4);

		if (!head || head == ~0u)
			break;
		if ((uint16_t)head == id)
			return at;
		at = (uint16_t)(head >> 20 & 0xffc);
	}
	return 0;
}

uint16_t pci_ext_cap_at(const struct pci_dev *dev, uint16_t off, uint16_t *start)
{
	uint16_t at = EXT_CAP_FIRST, id = 0;

	*start = 0;
	/* 960 of 4 bytes fit at most; the list may be in any order. */
	for (unsigned n = 0; at >= EXT_CAP_FIRST && n < 960; n++) {
		uint32_t head = pci_cfg_read(dev->bdf, at, 4);

		if (!head || head == ~0u)
			break;
		if (at <= off && at >= *start) {
			*start = at;
			id = (uint16_t)head;
		}
		at = (uint16_t)(head >> 20 & 0xffc);
	}
	return id;
}

/* Size a BAR: write ones and read back, with decoding disabled (PCI 3.0, 6.2.5.1). */
static void size_bar(struct pci_dev *d, unsigned n)
{
	struct pci_bar *b = &d->bar[n];
	uint32_t low = pci_read32(d, PCI_BAR(n)), high = 0, size_low, size_high = ~0u;

	b->io = low & 1;
	b->is64 = !b->io && (low & 6) == 4 && n < 5;
	uint32_t mask = b->io ? ~3u : ~15u;

	pci_write32(d, PCI_BAR(n), ~0u);
	size_low = pci_read32(d, PCI_BAR(n));
	pci_write32(d, PCI_BAR(n), low);
	if (b->is64) {
		high = pci_read32(d, PCI_BAR(n + 1));
		pci_write32(d, PCI_BAR(n + 1), ~0u);
		size_high = pci_read32(d, PCI_BAR(n + 1));
		pci_write32(d, PCI_BAR(n + 1), high);
	}
	if (!(size_low & mask) && !(b->is64 && size_high))
		return;
	uint64_t size = ~((uint64_t)size_high << 32 | (size_low & mask)) + 1;
	if (b->io)
		size &= 0xffff;
	b->size = size;
	b->addr = (uint64_t)high << 32 | (low & mask);
}

static void size_rom(struct pci_dev *d, uint16_t off)
{
	uint32_t old = pci_read32(d, off), size;

	pci_write32(d, off, ROM_SIZED);
	size = pci_read32(d, off) & ROM_SIZED;
	pci_write32(d, off, old);
	d->rom_size = size ? ~size + 1 : 0;
}

static void size_bars(struct pci_dev *d)
{
	unsigned n = d->header_type == 0 ? 6 : d->header_type == PCI_HEADER_BRIDGE ? 2 : d->header_type == PCI_HEADER_CARDBUS;
	uint16_t command = pci_read16(d, PCI_COMMAND);

	/* Do not size the BARs of host bridges: on some chipsets these registers decode RAM. */
	if (d->class_code >> 8 == 0x0600)
		return;
	pci_write16(d, PCI_COMMAND, command & (uint16_t)~(PCI_CMD_IO | PCI_CMD_MEM));
	for (unsigned i = 0; i < n; i += d->bar[i].is64 ? 2 : 1)
		size_bar(d, i);
	if (d->header_type != PCI_HEADER_CARDBUS)
		size_rom(d, d->header_type ? PCI_BRIDGE_ROM : PCI_ROM);
	pci_write16(d, PCI_COMMAND, command);
}

static struct pci_dev *new_function(void)
{
	if (nfunctions && nfunctions % CHUNK == 0 && !last->next) {
		last->next = mem_alloc(sizeof(*last), 8);
		if (!last->next)
			return NULL;
		last = last->next;
	}
	return &last->dev[nfunctions % CHUNK];
}

static int add_function(uint16_t bdf, bool sizes)
{
	struct pci_dev *d = new_function();

	if (!d) {
		log_err("pci " PCI_FMT ": no memory to record this function; %u are", PCI_ARGS(bdf), nfunctions);
		return -ERR_NOMEM;
	}
	d->bdf = bdf;
	d->vendor = pci_read16(d, PCI_VENDOR_ID);
	d->device = pci_read16(d, PCI_DEVICE_ID);
	d->revision = pci_read8(d, PCI_REVISION);
	d->class_code = pci_read32(d, PCI_REVISION) >> 8;
	d->header_type = pci_read8(d, PCI_HEADER_TYPE) & 0x7f;
	d->int_line = pci_read8(d, PCI_INT_LINE);
	d->int_pin = pci_read8(d, PCI_INT_PIN);
	d->parent = 0xffff;
	if (d->header_type == 0) {
		d->subsys_vendor = pci_read16(d, PCI_SUBSYS_VENDOR);
		d->subsys = pci_read16(d, PCI_SUBSYS_ID);
	}
	d->cap_pm = pci_find_cap(d, PCI_CAP_PM);
	d->cap_msi = pci_find_cap(d, PCI_CAP_MSI);
	d->cap_msix = pci_find_cap(d, PCI_CAP_MSIX);
	d->cap_exp = pci_find_cap(d, PCI_CAP_EXP);
	if (sizes)
		size_bars(d);
	nfunctions++;
	return 0;
}

/*
 * A single-function device may respond to all eight function numbers (PCI 3.0, 3.2.2.3.4), with the same header and BARs.  A
 * function with other BARs is a real one, whatever the header of function 0 says.
 */
static bool is_alias(uint16_t bdf)
{
	for (uint16_t off = 0; off < 0x40; off += 4)
		if (pci_cfg_read(bdf, off, 4) != pci_cfg_read(bdf & (uint16_t)~7u, off, 4))
			return false;
	return true;
}

/* Also behind a function 0 that is not there. */
static int scan_slot(unsigned bus, unsigned slot, bool sizes)
{
	bool single = false;
	int err = 0;

	for (unsigned fn = 0; !err && fn < 8; fn++) {
		uint16_t bdf = PCI_BDF(bus, slot, fn);

		if ((pci_cfg_read(bdf, PCI_VENDOR_ID, 2) & 0xffff) == 0xffff || (single && is_alias(bdf)))
			continue;
		err = add_function(bdf, sizes);
		if (!fn)
			single = !(pci_cfg_read(bdf, PCI_HEADER_TYPE, 1) & PCI_HEADER_MULTI);
	}
	return err;
}

static struct pci_dev *function(unsigned n)
{
	struct chunk *c = &first;

	for (; n >= CHUNK; n -= CHUNK)
		c = c->next;
	return &c->dev[n];
}

static void find_parents(void)
{
	const struct pci_dev *d;

	for (unsigned i = 0; (d = pci_get(i)); i++) {
		if (!pci_is_bridge(d))
			continue;
		uint8_t secondary = pci_read8(d, PCI_SECONDARY);

		/*
		 * A secondary bus has a higher number than its primary; else the bridge is not configured, and following it
		 * could loop.
		 */
		for (unsigned k = 0; secondary > PCI_BUS(d->bdf) && k < nfunctions; k++)
			if (PCI_BUS(function(k)->bdf) == secondary)
				function(k)->parent = d->bdf;
	}
}

int pci_init(bool sizes)
{
	int err = 0;

	memset(&first, 0, sizeof(first));
	last = &first;
	nfunctions = 0;
	ecam_mapped = acpi.necam;
	for (unsigned i = 0; i < acpi.necam; i++) {
		uint64_t from = acpi.ecam[i].bus_first, to = acpi.ecam[i].bus_last;

		if (!acpi.ecam[i].segment && !mem_map_mmio(acpi.ecam[i].addr + (from << 20), (to - from + 1) << 20))
			ecam_mapped = false;
	}
	/* Scan all buses: only AML tells the numbers of peer root bridges. */
	for (unsigned bus = 0; bus < 256; bus++)
		for (unsigned slot = 0; !err && slot < 32; slot++)
			err = scan_slot(bus, slot, sizes);
	find_parents();
	log_info("pci: %u functions", nfunctions);
	return err;
}

const struct pci_dev *pci_get(unsigned n)
{
	return n < nfunctions ? function(n) : NULL;
}

volatile void *pci_map_bar(const struct pci_dev *dev, unsigned n, uint64_t min_size)
{
	const struct pci_bar *b = &dev->bar[n];

	if (!b->addr || b->io || b->size < min_size) {
		log_err("pci " PCI_FMT ": BAR%u is not the memory this driver needs: %s at %#lx, %#lx bytes, %#lx wanted",
			PCI_ARGS(dev->bdf), n, b->io ? "I/O" : "memory", b->addr, b->size, min_size);
		return NULL;
	}
	volatile void *p = mem_map_mmio(b->addr, b->size);
	if (!p)
		log_err("pci " PCI_FMT ": cannot map BAR%u at %#lx", PCI_ARGS(dev->bdf), n, b->addr);
	return p;
}

void pci_enable(const struct pci_dev *dev)
{
	pci_write16(dev, PCI_COMMAND, pci_read16(dev, PCI_COMMAND) | PCI_CMD_IO | PCI_CMD_MEM | PCI_CMD_MASTER);
}

void pci_master_off(const struct pci_dev *dev)
{
	pci_write16(dev, PCI_COMMAND, pci_read16(dev, PCI_COMMAND) & (uint16_t)~PCI_CMD_MASTER);
}

/* D3hot to D0 may be a reset, which clears them (PCI PM 1.2, 5.4.1). */
static void restore_bars(const struct pci_dev *dev)
{
	for (unsigned n = 0; n < 6; n++) {
		const struct pci_bar *b = &dev->bar[n];

		if (!b->size)
			continue;
		pci_write32(dev, PCI_BAR(n), (uint32_t)b->addr);
		if (b->is64)
			pci_write32(dev, PCI_BAR(n + 1), (uint32_t)(b->addr >> 32));
	}
}

void pci_power_on(const struct pci_dev *dev)
{
	if (!dev->cap_pm)
		return;
	uint16_t pmcsr = pci_read16(dev, dev->cap_pm + PM_CTRL);

	if (!(pmcsr & PM_STATE))
		return;
	log_info("pci " PCI_FMT ": waking from D%u", PCI_ARGS(dev->bdf), (unsigned)(pmcsr & PM_STATE));
	pci_write16(dev, dev->cap_pm + PM_CTRL, pmcsr & (uint16_t)~PM_STATE);
	delay_us(10000);
	restore_bars(dev);
}
