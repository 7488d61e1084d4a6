/* SPDX-License-Identifier: BSD-2-Clause */
/* PCI configuration space by the ports CF8 and CFC. */
#ifndef HOBBY_PCI_H
#define HOBBY_PCI_H

#include "hobby.h"

#define PCI_VENDOR		0x00
#define PCI_DEVICE		0x02
#define PCI_COMMAND		0x04
#define PCI_STATUS		0x06
#define PCI_CLASS		0x08		/* with the revision in the low byte */
#define PCI_HEADER_TYPE		0x0e
#define PCI_BAR0		0x10
#define PCI_SUBSYSTEM_ID	0x2e
#define PCI_CAPABILITIES	0x34
#define PCI_INTERRUPT_LINE	0x3c

#define PCI_COMMAND_IO		0x0001
#define PCI_COMMAND_MEMORY	0x0002
#define PCI_COMMAND_MASTER	0x0004
#define PCI_COMMAND_INTX_OFF	0x0400
#define PCI_STATUS_CAPABILITIES	0x0010

#define PCI_CAP_MSI		0x05
#define PCI_CAP_VENDOR		0x09
#define PCI_CAP_MSIX		0x11

/* bus << 8 | device << 3 | function. */
typedef uint16_t pci_bdf;

#define BUS(bdf)	((bdf) >> 8)
#define DEVICE(bdf)	((bdf) >> 3 & 31)
#define FUNCTION(bdf)	((bdf) & 7)

uint8_t pci_read8(pci_bdf bdf, uint8_t off);
uint16_t pci_read16(pci_bdf bdf, uint8_t off);
uint32_t pci_read32(pci_bdf bdf, uint8_t off);
void pci_write16(pci_bdf bdf, uint8_t off, uint16_t v);
void pci_write32(pci_bdf bdf, uint8_t off, uint32_t v);

/* Call @fn for every function of every bus. */
void pci_for_each(void (*fn)(pci_bdf bdf));

/* Return the next capability @id after @after (0: the first); 0 if there is none. */
uint8_t pci_capability(pci_bdf bdf, uint8_t id, uint8_t after);

/* Return the address in memory BAR @n; NULL (with a message) if a 32-bit pointer cannot reach it. */
volatile uint8_t *pci_memory_bar(pci_bdf bdf, unsigned int n);
/* Return the port in BAR @n, or 0. */
uint16_t pci_io_bar(pci_bdf bdf, unsigned int n);

/* Print "00:02.0 1af4:1000 020000". */
void pci_print(pci_bdf bdf);

#endif
