/* SPDX-License-Identifier: BSD-2-Clause */
/* PCI configuration space by ports CF8h and CFCh: the list of functions, capabilities, BARs.  No bridges. */
#include "pci.h"

#define CONFIG_ADDRESS	0xcf8
#define CONFIG_DATA	0xcfc
#define BAR_IO		1u
#define BAR_64BIT	4u

static uint16_t select(pci_bdf bdf, uint8_t off)
{
	outl(CONFIG_ADDRESS, 0x80000000u | (uint32_t)bdf << 8 | (off & 0xfc));
	return CONFIG_DATA + (off & 3);
}

uint8_t pci_read8(pci_bdf bdf, uint8_t off) { return inb(select(bdf, off)); }
uint16_t pci_read16(pci_bdf bdf, uint8_t off) { return inw(select(bdf, off)); }
uint32_t pci_read32(pci_bdf bdf, uint8_t off) { return inl(select(bdf, off)); }
void pci_write16(pci_bdf bdf, uint8_t off, uint16_t v) { outw(select(bdf, off), v); }
void pci_write32(pci_bdf bdf, uint8_t off, uint32_t v) { outl(select(bdf, off), v); }

void pci_for_each(void (*fn)(pci_bdf bdf))
{
	uint32_t bdf = 0;

	while (bdf < 0x10000) {
		bool present = pci_read16(bdf, PCI_VENDOR) != 0xffff;

		if (present)
			fn(bdf);
		/* A device without function 0 has no functions; a device without the multifunction bit has only function 0. */
		if (!FUNCTION(bdf) && (!present || !(pci_read8(bdf, PCI_HEADER_TYPE) & 0x80)))
			bdf += 8;
		else
			bdf++;
	}
}

uint8_t pci_capability(pci_bdf bdf, uint8_t id, uint8_t after)
{
	uint8_t at;

	if (!(pci_read16(bdf, PCI_STATUS) & PCI_STATUS_CAPABILITIES))
		return 0;
	at = pci_read8(bdf, after ? after + 1 : PCI_CAPABILITIES) & 0xfc;
	for (unsigned int n = 0; at && n < 48; n++) {		/* at most 48 fit: a longer list is a circle */
		if (pci_read8(bdf, at) == id)
			return at;
		at = pci_read8(bdf, at + 1) & 0xfc;
	}
	return 0;
}

volatile uint8_t *pci_memory_bar(pci_bdf bdf, unsigned int n)
{
	uint32_t bar = pci_read32(bdf, PCI_BAR0 + 4 * n);

	if (!(bar & BAR_IO) && (bar & BAR_64BIT) && pci_read32(bdf, PCI_BAR0 + 4 * n + 4)) {
		printf("pci %02x:%02x.%x: BAR%u lies above 4 GiB\n", BUS(bdf), DEVICE(bdf), FUNCTION(bdf), n);
		return NULL;
	}
	if ((bar & BAR_IO) || !(bar & ~0xfu)) {
		printf("pci %02x:%02x.%x: BAR%u is no memory BAR with an address: %08x\n", BUS(bdf), DEVICE(bdf), FUNCTION(bdf),
		       n, bar);
		return NULL;
	}
	return (volatile uint8_t *)(bar & ~0xfu);
}

uint16_t pci_io_bar(pci_bdf bdf, unsigned int n)
{
	uint32_t bar = pci_read32(bdf, PCI_BAR0 + 4 * n);

	return bar & BAR_IO ? bar & 0xfffc : 0;
}

void pci_print(pci_bdf bdf)
{
	uint32_t id = pci_read32(bdf, PCI_VENDOR);

	printf("%02x:%02x.%x %04x:%04x %06x\n", BUS(bdf), DEVICE(bdf), FUNCTION(bdf), id & 0xffff, id >> 16,
	       pci_read32(bdf, PCI_CLASS) >> 8);
}
