/* SPDX-License-Identifier: BSD-2-Clause */
/* hv's side of PCI: enumeration, raw configuration accesses, free space for the twins' BARs, the guest's view. */
#ifndef HV_PCI_H
#define HV_PCI_H

#include <veneer/pci.h>

/* Raw configuration space of any function; @off aligned to @width.  Offsets from 256 on need ECAM, else they read as ones. */
uint32_t pci_cfg_read(uint16_t bdf, uint16_t off, unsigned width);
void pci_cfg_write(uint16_t bdf, uint16_t off, unsigned width, uint32_t v);

/* One access by the data ports with @address in the address register, whoever else wants the two. */
uint32_t pci_port_read(uint32_t address, uint16_t port, unsigned width);
void pci_port_write(uint32_t address, uint16_t port, unsigned width, uint32_t v);

/*
 * Find all functions of segment 0; with @sizes also the sizes of their BARs, which writes to the BARs for a moment.  0, or
 * -ERR_NOMEM after a log line: functions are missing then.
 */
int pci_init(bool sizes);

/* The last capability that begins at or before @off, and its offset; 0 if there is none. */
uint8_t pci_cap_at(const struct pci_dev *dev, uint16_t off, uint16_t *start);

/* The last extended capability that begins at or before @off, and its offset; 0 if there is none. */
uint16_t pci_ext_cap_at(const struct pci_dev *dev, uint16_t off, uint16_t *start);

struct boot_info;
void pci_space_init(const struct boot_info *b);

/*
 * Give no BAR a place in [@base, @base + @size): the chipset decodes these addresses, and no BAR and no table of firmware's
 * says so.  0, or -ERR_NOMEM after PCI_SPACE_HELD ranges.
 */
#define PCI_SPACE_HELD		4u
int pci_space_hold(uint64_t base, uint64_t size);

/* Range @n of these, from 0; false behind the last. */
bool pci_space_held(unsigned n, uint64_t *base, uint64_t *size);

/* The physical address of a function's ECAM page; 0 if there is none. */
uint64_t pci_ecam_page(uint16_t bdf);

/* A bridge that is left: it says that its bus numbers are fixed.  0 or -ERR_NOMEM. */
int vbridge_open(const struct pci_dev *dev);

/* True if the function is still the one found at the start; if not, close it and log a line.  Under trap_serial. */
bool vpci_is_itself(const struct pci_dev *dev);

/* True if the guest reaches the function at @bdf, with the limits that guard_write() has. */
bool vpci_is_left(uint16_t bdf);

/* True if @ops emulate the configuration space of @bdf. */
struct vpci_ops;
bool vpci_is(uint16_t bdf, const struct vpci_ops *ops);

/*
 * Open the functions that were found to the guest, close all others and the ECAM of other segments, freeze the host bridges,
 * trap the configuration ports.  0 or -ERR_NOMEM after a log line: the guest must not start.
 */
int vpci_init(void);

/*
 * Watch the registers of AMD's southbridges that hold bases, if this machine has one.  0 or -ERR_NOMEM: the guest must not
 * start.
 */
int fch_init(void);

/*
 * Watch the ports by which QEMU's configuration device accesses memory, if this machine has one.  Call after gmem_init().  0,
 * -ERR_NOMEM or -ERR_BUSY: the guest must not start.
 */
int fwcfg_init(void);

/* The guest's accesses to the ports.  Called by the exit handlers. */
uint32_t vpci_port_read(uint16_t port, unsigned width);
void vpci_port_write(uint16_t port, unsigned width, uint32_t v);

/*
 * The guest's write to a function that is left to it: what holds the machine together is held (guard.c), the rest reaches the
 * function.  @off and @width as vpci_ops have them.  Under trap_serial.
 */
void guard_init(void);
void guard_write(const struct pci_dev *dev, uint16_t off, unsigned width, uint32_t value);

#endif
