/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table by which hv calls conceal/, and with it the parts above hv.  The linker collects the pointers of COMPOSITION(); an
 * image has exactly one.
 */
#ifndef VENEER_CONCEAL_H
#define VENEER_CONCEAL_H

#include <veneer/bootdisk.h>

struct pci_dev;

struct composition {
	/*
	 * Name every PCI network and storage device in the log; take over those that the configuration selects, hide them, and
	 * make their twins.  After PCI enumeration, before the guest is loaded.  A device that cannot be taken over is hidden
	 * or left, as the log says, and the guest starts.  0; with nothing touched yet -ERR_NOMEM, when a device cannot be
	 * hidden, or -ERR_TIMEOUT, when an IOMMU does not let itself be switched off, or -ERR_NOTSUP, when DMA cannot be
	 * confined and has to be; -ERR_INVAL, with all devices
	 * stopped again and nothing written, when the configuration does not fit: a window its disk, a slot this machine.
	 */
	int (*start)(void);

	/*
	 * Log every PCI network and storage device, its driver, how far the driver was tried, what start() would do with the
	 * device, and which functions share its slot or interrupt line.  Touches no device.  Returns the number of devices that
	 * start() would conceal, or -ERR_INVAL after a line that names a rule of the configuration that does not fit these
	 * devices.
	 */
	int (*check)(void);

	/* Estimate the bytes of heap memory that start() will need, without a write to a device. */
	uint64_t (*need)(void);

	/* Whether start() will take this function over. */
	bool (*conceals)(const struct pci_dev *dev);

	/* Before the machine goes down: stop DMA and flush the disks of every controller.  Bounded. */
	void (*shutdown)(void);

	/* The disks behind the twins, for firmware interfaces. */
	const struct bootdisk_ops *bootdisk;
};

#define COMPOSITION(c)	static const struct composition *const composition_entry \
			__attribute__((section("veneer_composition"), used)) = &(c)

extern const struct composition *const __start_veneer_composition[] __attribute__((visibility("hidden")));

static inline const struct composition *composition(void)
{
	return __start_veneer_composition[0];
}

#endif
