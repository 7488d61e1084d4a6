/* SPDX-License-Identifier: BSD-2-Clause */
/* Configuration space as the guest sees it, by ports and by ECAM (PCI 3.0, 3.2.2.3.2; PCI Express 4.0, 7.2.2). */
#include <veneer/err.h>
#include <veneer/lock.h>
#include <veneer/log.h>
#include <veneer/vpci.h>
#include "hv/dev/power.h"
#include "hv/pci/pci.h"
#include "hv/dev/ports.h"
#include "hv/dev/trap.h"

#define CONFIG_ADDRESS		0xcf8
#define CONFIG_DATA		0xcfc
#define RESET_CONTROL		0xcf9
#define  RESET_CPU		BIT(2)
#define CONFIG_ENABLE		BIT(31)

#define MAX_FUNCTIONS		96u

struct vfunction {
	uint16_t bdf;
	const struct vpci_ops *ops;	/* NULL: hidden */
	void *ctx;
};

static struct vfunction table[MAX_FUNCTIONS];
static unsigned ntable;
static uint32_t address;		/* the guest's 0xCF8 */

static struct vfunction *lookup(uint16_t bdf)
{
	for (unsigned i = 0; i < ntable; i++)
		if (table[i].bdf == bdf)
			return &table[i];
	return NULL;
}

static uint32_t mask_of(unsigned width)
{
	return width == 4 ? ~0u : (1u << (8 * width)) - 1;
}

static uint32_t function_read(const struct vfunction *f, uint16_t off, unsigned width)
{
	if (!f->ops)
		return mask_of(width);
	return f->ops->read(f->ctx, off, width) & mask_of(width);
}

static void function_write(const struct vfunction *f, uint16_t off, unsigned width, uint32_t v)
{
	if (f->ops)
		f->ops->write(f->ctx, off, width, v & mask_of(width));
}

/* --- ECAM: one trapped page a function --- */

static uint64_t ecam_read(void *ctx, uint32_t off, unsigned width)
{
	uint64_t v = 0;

	/* Whatever the width and alignment, dword by dword and never across one. */
	for (unsigned done = 0; done < width; ) {
		unsigned n = MIN(width - done, 4 - ((off + done) & 3));

		if (n == 3)
			n = (off + done) & 1 ? 1 : 2;
		v |= (uint64_t)function_read(ctx, (uint16_t)(off + done), n) << (8 * done);
		done += n;
	}
	return v;
}

static void ecam_write(void *ctx, uint32_t off, unsigned width, uint64_t value)
{
	for (unsigned done = 0; done < width; ) {
		unsigned n = MIN(width - done, 4 - ((off + done) & 3));

		if (n == 3)
			n = (off + done) & 1 ? 1 : 2;
		function_write(ctx, (uint16_t)(off + done), n, (uint32_t)(value >> (8 * done)));
		done += n;
	}
}

static const struct trap_ops ecam_ops = { ecam_read, ecam_write };

int vpci_set(uint16_t bdf, const struct vpci_ops *ops, void *ctx)
{
	struct vfunction *f = lookup(bdf);

	if (f) {
		f->ops = ops;
		f->ctx = ctx;
		return 0;
	}
	if (ntable == MAX_FUNCTIONS) {
		log_err("pci " PCI_FMT ": no room to hide another function", PCI_ARGS(bdf));
		return -ERR_NOMEM;
	}
	f = &table[ntable];
	f->bdf = bdf;
	f->ops = ops;
	f->ctx = ctx;
	uint64_t page = pci_ecam_page(bdf);
	if (page) {
		struct trap *t = trap_new_mmio("ecam", PAGE_SIZE, &ecam_ops, f);

		if (!t || trap_place(t, page))
			return -ERR_NOMEM;
	}
	ntable++;
	return 0;
}

/* --- what stays the machine's own, but not the guest's to change --- */

/*
 * Host bridges and the fabric hold the memory map itself (PCIEXBAR, TOLUD, PAM, SMRAM, AMD's SMN index and data): a guest could
 * move MMIO over Veneer.  No guest needs to write there.
 */
static bool write_denied(uint16_t bdf)
{
	const struct pci_dev *d;

	for (unsigned i = 0; (d = pci_get(i)); i++)
		if (d->bdf == bdf)
			return d->class_code >> 8 == 0x0600;
	return false;
}

static uint32_t frozen_read(void *ctx, uint16_t off, unsigned width)
{
	const struct pci_dev *d = ctx;

	return pci_cfg_read(d->bdf, off, width);
}

static void frozen_write(void *ctx, uint16_t off, unsigned width, uint32_t value)
{
	(void)ctx;
	(void)off;
	(void)width;
	(void)value;
}

static const struct vpci_ops frozen_ops = { frozen_read, frozen_write };

void vpci_freeze(const struct pci_dev *dev)
{
	if (!lookup(dev->bdf))
		vpci_set(dev->bdf, &frozen_ops, (void *)(uintptr_t)dev);
}

/* --- ports 0xCF8-0xCFF --- */

/* Bytes and words of 0xCF8-0xCFB are ordinary ports of the chipset; 0xCF9 is its reset control. */
static uint32_t address_read(uint16_t port, unsigned width)
{
	if (port == CONFIG_ADDRESS && width == 4)
		return address;
	return port_in(port, width);
}

static void address_write(uint16_t port, unsigned width, uint32_t v)
{
	if (port == CONFIG_ADDRESS && width == 4) {
		address = v;
		return;
	}
	uint32_t reset = port == RESET_CONTROL ? v : port == CONFIG_ADDRESS && width == 2 ? v >> 8 : 0;

	if (reset & RESET_CPU)
		machine_stopping();
	port_out(port, width, v);
}

static uint16_t data_offset(uint16_t port)
{
	return (uint16_t)((address & 0xfc) + (port & 3));
}

/* An access to the data port that would run over the dword ends at it. */
static unsigned clip(uint16_t port, unsigned width)
{
	return MIN(width, 4u - (port & 3));
}

/*
 * The function that the data port reaches, when that is ours.  For all others the guest's address goes into the chipset's
 * latch before each access, also one without the enable bit: there Veneer's own last address stands, of a hidden function.
 */
static struct vfunction *addressed(void)
{
	return address & CONFIG_ENABLE ? lookup((uint16_t)(address >> 8)) : NULL;
}

/* Such an access would reach the data port with whatever the latch holds. */
static bool crosses_into_data(uint16_t port, unsigned width)
{
	return port < CONFIG_DATA && port + width > CONFIG_DATA;
}

static uint32_t read_ports(uint16_t port, unsigned width)
{
	struct vfunction *f = addressed();

	if (crosses_into_data(port, width)) {
		uint32_t v = 0;

		for (unsigned i = 0; i < width; i++)
			v |= read_ports((uint16_t)(port + i), 1) << (8 * i);
		return v;
	}
	if (port < CONFIG_DATA)
		return address_read(port, width);
	if (!f) {
		return pci_port_read(address, port, width);
	}
	unsigned n = clip(port, width);
	uint16_t off = data_offset(port);
	uint32_t v = n == 3 ? function_read(f, off, 1) | function_read(f, (uint16_t)(off + 1), 2) << 8 :
		     function_read(f, off, n);

	return n == width ? v : (mask_of(width) & ~mask_of(n)) | v;
}

static void write_ports(uint16_t port, unsigned width, uint32_t v)
{
	struct vfunction *f = addressed();

	if (crosses_into_data(port, width)) {
		for (unsigned i = 0; i < width; i++)
			write_ports((uint16_t)(port + i), 1, v >> (8 * i) & 0xff);
		return;
	}
	if (port < CONFIG_DATA) {
		address_write(port, width, v);
		return;
	}
	if (!f) {
		if (!(address & CONFIG_ENABLE) || !write_denied((uint16_t)(address >> 8)))
			pci_port_write(address, port, width, v);
		return;
	}
	unsigned n = clip(port, width);

	if (n == 3) {
		function_write(f, data_offset(port), 1, v);
		function_write(f, (uint16_t)(data_offset(port) + 1), 2, v >> 8);
	} else {
		function_write(f, data_offset(port), n, v);
	}
}

uint32_t vpci_port_read(uint16_t port, unsigned width)
{
	lock_acquire(&trap_serial);
	uint32_t v = read_ports(port, width);
	lock_release(&trap_serial);
	return v;
}

void vpci_port_write(uint16_t port, unsigned width, uint32_t v)
{
	lock_acquire(&trap_serial);
	write_ports(port, width, v);
	lock_release(&trap_serial);
}

void vpci_init(void)
{
	const struct pci_dev *d;

	/* By ECAM a host bridge's page must exit, too, for its writes to be dropped. */
	for (unsigned i = 0; (d = pci_get(i)); i++)
		if (write_denied(d->bdf))
			vpci_freeze(d);
	trap_intercept_ports(CONFIG_ADDRESS, 8);
}
