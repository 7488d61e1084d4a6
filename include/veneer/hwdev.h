/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A real controller that Veneer drives, and how a driver is found for it.
 *
 * A driver defines one const struct hw_driver and names it with HW_DRIVER(); Kconfig decides whether its object is
 * linked.  A controller gives either one NIC or any number of disks.  All calls come from the processor that owns
 * the controller (<veneer/owner.h>), one at a time, never nested, never from an NMI handler.
 */
#ifndef VENEER_HWDEV_H
#define VENEER_HWDEV_H

#include <veneer/owner.h>
#include <veneer/pci.h>
#include <veneer/types.h>

struct hw_dev;
struct nic;
struct disk;

struct hw_dev_ops {
	/*
	 * Look at the device and complete what is done.  Called at the doorbell and after an exit that may have
	 * found work.  Acknowledges the device's interrupt cause FIRST and drains afterwards, so that what comes
	 * later rings again (an MSI is an edge).  Bounded by the sizes of the rings; a driver that stops with work left
	 * makes the device interrupt again.  Returns the number of completions, or 1 when there were none but the device says
	 * that it interrupted (link change, port change).  Returns 0 only if this device did not interrupt: an NMI that no
	 * device explains is given to the guest, whose kernel takes it for a fault of the machine (Linux: "NMI received for
	 * unknown reason").
	 */
	unsigned (*poll)(struct hw_dev *dev);

	/* Interrupts of the device on or off, at the device (not in PCI).  Off at probe; conceal switches them on. */
	void (*irq_enable)(struct hw_dev *dev, bool on);

	/*
	 * Assert (or withdraw) the INTx line with no other effect, to learn where it lands.  Start only, may be
	 * NULL for drivers whose devices all have MSI.  The PCI INTx disable bit is the caller's business.
	 */
	void (*intx_test)(struct hw_dev *dev, bool assert);

	/*
	 * The clock: called at least at each guest tick while requests are outstanding (<veneer/clock.h>).  Checks
	 * deadlines and advances recovery.  May be NULL.
	 */
	void (*tick)(struct hw_dev *dev, uint64_t now_us);

	/* Stop all DMA, flush disks, for a power-off or reset of the machine.  Bounded.  May be called twice. */
	void (*shutdown)(struct hw_dev *dev);
};

struct hw_dev {
	const struct hw_dev_ops *ops;
	const struct pci_dev *pci;
	char name[16];		/* "e1000e0", "ahci0", "nvme1": the object of the log lines */
	struct nic *nic;	/* a network controller's one NIC, else NULL */
	struct disk **disk;	/* a storage controller's disks, in the order of port or namespace */
	unsigned ndisk;
	bool by_pin;		/* driver, in probe: do not trust its messages, ring by its INTx line if there is one */
	struct owner owner;	/* of the controller and its twins; drivers need not look at it */
};

#define HW_ANY 0xffff

struct hw_id {
	uint16_t vendor, device;	/* HW_ANY matches all */
	uint32_t class_code, class_mask;	/* compared when class_mask != 0; 24 bits */
	const char *model;		/* for the log and the README's table: "82574L" */
	uint32_t quirks;		/* the driver's own flags, applied at one commented spot */
	bool emulated;			/* the tests run a guest through this very device, in emulation */
	bool modelled;			/* ... for some chips of this id on a model of our own, which Linux's driver accepts */
	uint8_t revision_min, revision_max;	/* compared when revision_max != 0, both included */
};

enum hw_class { HW_NIC, HW_STORAGE };

struct hw_driver {
	const char *name;		/* "e1000e" */
	enum hw_class class;
	const struct hw_id *ids;
	unsigned nids;

	/* The most that it takes of the heap (MEM_COST()): a controller, and each disk with what disk_init() takes. */
	uint32_t memory, disk_memory;
	uint16_t disk_tags;		/* of a disk, at most; @shared_tags: of all disks of a controller together */
	bool shared_tags;

	/* Disks that a look at the registers shows; nothing is written.  NULL: one.  start() may find more, and others. */
	unsigned (*count_disks)(const struct pci_dev *pci);

	/*
	 * For ids that several chips share: false if this one is not for this driver.  The device then stays the guest's, as if
	 * no line of the table had matched.  Looks at @pci and at configuration space, touches nothing, says why in a
	 * debug line; called several times, before anything is hidden.  May be NULL.
	 */
	bool (*fits)(const struct pci_dev *pci, const struct hw_id *id);

	/*
	 * Take the controller over: from whatever state firmware left it in, to reset, started and with interrupts off.
	 * Decoding and bus mastering are the driver's to enable.  On success *@out is set and lives for ever; on
	 * failure (negative) the device is quiet (no DMA, no interrupt), all memory is given back, and a line has
	 * said why.  The function stays hidden: -ERR_NODEV says "nothing is connected", others that the start failed.
	 * @unit numbers the devices of this driver from 0.  Start only: may busy-wait.
	 */
	int (*probe)(const struct pci_dev *pci, const struct hw_id *id, unsigned unit, struct hw_dev **out);
};

/* Put into its own section; hw_drivers() walks it. */
#define HW_DRIVER(drv) \
	static const struct hw_driver *const hw_driver_##drv __attribute__((used, section("veneer_drivers"))) = &drv

/* The driver and the table line for a device, or NULL. */
const struct hw_driver *hw_match(const struct pci_dev *pci, const struct hw_id **id);

#endif
