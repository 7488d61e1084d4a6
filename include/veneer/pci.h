/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Real PCI functions, as the drivers in hw/ see them (PCI 3.0, PCI Express 4.0 chapter 7).
 * struct pci_dev is filled and owned by hv; drivers hold pointers to it for ever.
 */
#ifndef VENEER_PCI_H
#define VENEER_PCI_H

#include <veneer/types.h>

/* Bus, device and function in the usual 16 bits: bus << 8 | device << 3 | function.  Segment 0 only. */
#define PCI_BDF(bus, dev, fn)	((uint16_t)((bus) << 8 | (dev) << 3 | (fn)))
#define PCI_BUS(bdf)		((bdf) >> 8)
#define PCI_SLOT(bdf)		(((bdf) >> 3) & 31)
#define PCI_FN(bdf)		((bdf) & 7)
#define PCI_FMT			"%02x:%02x.%u"
#define PCI_ARGS(bdf)		PCI_BUS(bdf), PCI_SLOT(bdf), PCI_FN(bdf)

#define PCI_VENDOR_ID		0x00
#define PCI_DEVICE_ID		0x02
#define PCI_COMMAND		0x04
#define  PCI_CMD_IO		BIT(0)
#define  PCI_CMD_MEM		BIT(1)
#define  PCI_CMD_MASTER		BIT(2)
#define  PCI_CMD_INTX_OFF	BIT(10)
#define PCI_STATUS		0x06
#define  PCI_STATUS_INTX	BIT(3)
#define  PCI_STATUS_CAPS	BIT(4)
#define PCI_REVISION		0x08
#define PCI_CLASS		0x09		/* programming interface, subclass, class */
#define PCI_HEADER_TYPE		0x0e
#define  PCI_HEADER_BRIDGE	1
#define  PCI_HEADER_CARDBUS	2
#define  PCI_HEADER_MULTI	BIT(7)
#define PCI_BAR(n)		(0x10 + 4 * (n))
#define PCI_PRIMARY		0x18		/* of both kinds of bridge, as the two below */
#define PCI_SECONDARY		0x19
#define PCI_SUBORDINATE		0x1a
#define PCI_BRIDGE_ROM		0x38
#define PCI_SUBSYS_VENDOR	0x2c
#define PCI_SUBSYS_ID		0x2e
#define PCI_ROM			0x30
#define PCI_CAP_PTR		0x34
#define PCI_INT_LINE		0x3c
#define PCI_INT_PIN		0x3d

#define PCI_CAP_PM		0x01
#define PCI_CAP_MSI		0x05
#define PCI_CAP_HT		0x08
#define PCI_CAP_VENDOR		0x09
#define PCI_CAP_SHPC		0x0c
#define PCI_CAP_SSVID		0x0d
#define PCI_CAP_EXP		0x10
#define PCI_CAP_MSIX		0x11
#define PCI_CAP_SATA		0x12
#define PCI_CAP_EA		0x14
#define PCI_CAP_FPB		0x15

struct pci_bar {
	uint64_t addr;		/* 0 if unassigned */
	uint64_t size;		/* 0 if there is no such BAR */
	bool io;
	bool is64;		/* occupies the next index, too, which then has size 0 */
};

struct pci_dev {
	uint16_t bdf;
	uint16_t vendor, device;
	uint16_t subsys_vendor, subsys;
	uint8_t revision;
	uint32_t class_code;	/* 24 bits: class << 16 | subclass << 8 | programming interface */
	uint8_t header_type;	/* without the multifunction bit */
	uint8_t int_pin, int_line;
	struct pci_bar bar[6];
	uint32_t rom_size;	/* of the expansion ROM; 0 if there is none */
	uint8_t cap_pm, cap_msi, cap_msix, cap_exp;	/* config offsets, 0 if absent */
	uint16_t parent;	/* BDF of the bridge above; 0xffff on a root bus */
};

/* Real configuration space.  @off is aligned to the width.  Any CPU, also inside an exit. */
uint8_t pci_read8(const struct pci_dev *dev, uint16_t off);
uint16_t pci_read16(const struct pci_dev *dev, uint16_t off);
uint32_t pci_read32(const struct pci_dev *dev, uint16_t off);
void pci_write8(const struct pci_dev *dev, uint16_t off, uint8_t v);
void pci_write16(const struct pci_dev *dev, uint16_t off, uint16_t v);
void pci_write32(const struct pci_dev *dev, uint16_t off, uint32_t v);

/* Return the offset of the first capability @id, or 0.  The walk is bounded. */
uint8_t pci_find_cap(const struct pci_dev *dev, uint8_t id);

/* Return the offset of the first extended capability @id, or 0: none, or no ECAM.  The walk is bounded. */
uint16_t pci_find_ext_cap(const struct pci_dev *dev, uint16_t id);

/* Map memory BAR @n uncached.  NULL (with a log line) if it is not an assigned memory BAR, or is shorter than @min_size. */
volatile void *pci_map_bar(const struct pci_dev *dev, unsigned n, uint64_t min_size);

/* Enable decoding and bus mastering, without changing INTx; disable bus mastering. */
void pci_enable(const struct pci_dev *dev);
void pci_master_off(const struct pci_dev *dev);

/* Return the @n-th function found at the start, from 0; NULL if there are fewer. */
const struct pci_dev *pci_get(unsigned n);

/* Return the function at @bdf; NULL if none was found there. */
static inline const struct pci_dev *pci_find(uint16_t bdf)
{
	const struct pci_dev *d;

	for (unsigned i = 0; (d = pci_get(i)); i++)
		if (d->bdf == bdf)
			return d;
	return NULL;
}

static inline bool pci_is_bridge(const struct pci_dev *dev)
{
	return dev->header_type == PCI_HEADER_BRIDGE || dev->header_type == PCI_HEADER_CARDBUS;
}

/*
 * Reserve free space for a twin's BAR of @size (a power of two) on the bus of @bdf: a range without BARs, bridge windows
 * and RAM that the bridges above forward.  Return its address, or 0 if there is none.  Start only.
 */
uint64_t pci_alloc_bar(uint16_t bdf, bool io, uint32_t size);

/* Leave D1 to D3 by the power management capability, and wait the 10 ms of PCI PM 1.2 section 5.6.1.  Start only. */
void pci_power_on(const struct pci_dev *dev);

#endif
