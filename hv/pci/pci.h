/* SPDX-License-Identifier: BSD-2-Clause */
/* hv's side of PCI: enumeration, raw configuration accesses, free space for the twins' BARs, the guest's view. */
#ifndef HV_PCI_H
#define HV_PCI_H

#include <veneer/pci.h>

#define PCI_MAX_FUNCTIONS	192u

/* Raw configuration space, any function; @off aligned to @width.  Offsets from 256 on need ECAM and read as ones without. */
uint32_t pci_cfg_read(uint16_t bdf, uint16_t off, unsigned width);
void pci_cfg_write(uint16_t bdf, uint16_t off, unsigned width, uint32_t v);

/* One access by the data ports with @address in the address register, whoever else wants the two. */
uint32_t pci_port_read(uint32_t address, uint16_t port, unsigned width);
void pci_port_write(uint32_t address, uint16_t port, unsigned width, uint32_t v);

/* Find all functions of segment 0; with @sizes also the sizes of their BARs, which writes to the BARs for a moment. */
void pci_init(bool sizes);

struct boot_info;
void pci_space_init(const struct boot_info *b);

/* The physical address of the ECAM page of a function, 0 when there is none. */
uint64_t pci_ecam_page(uint16_t bdf);

/* Trap the configuration ports, and answer them.  Called by the exit handlers. */
void vpci_init(void);
uint32_t vpci_port_read(uint16_t port, unsigned width);
void vpci_port_write(uint16_t port, unsigned width, uint32_t v);

#endif
