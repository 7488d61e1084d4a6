/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Real controllers that Veneer drives, and the tables by which it finds their drivers.
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
	 * Handle the device's completions.  Called at the doorbell, and after an exit that may have found work.
	 * FIRST acknowledges the device's interrupt cause and drains afterwards, so that later completions interrupt again
	 * (an MSI is an edge).  Bounded by the sizes of the rings; a driver that stops with work left makes the device
	 * interrupt again.  Returns the number of completions, or 1 if there were none but the device reports another cause
	 * (link change, port change).  Returns 0 only if this device did not interrupt: an NMI that no
	 * device explains is given to the guest, whose kernel takes it for a fault of the machine (Linux: "NMI received for
	 * unknown reason").
	 */
	unsigned (*poll)(struct hw_dev *dev);

	/*
	 * For the polling core; both or neither.  peek(): true if poll() would find a completion, by a look at memory alone.
	 * It may miss what the device reports otherwise (errors, the link): poll() is called each millisecond, too.
	 * mask(): hold all interrupts of the device back, or let them out again, whatever irq_enable() says and through every
	 * reset; false: impossible.  The caller polls after the mask is off.  If MSI-X is on the caller masks the entry itself.
	 */
	bool (*peek)(struct hw_dev *dev);
	bool (*mask)(struct hw_dev *dev, bool on);

	/* Enable or disable interrupts at the device (not in PCI).  They are off after the probe; conceal enables them. */
	void (*irq_enable)(struct hw_dev *dev, bool on);

	/*
	 * Assert (or withdraw) the INTx line with no other effect: the caller learns to which input the line leads.  Start
	 * only.  May be NULL if all devices of the driver have MSI.  The caller sets the PCI INTx disable bit.
	 */
	void (*intx_test)(struct hw_dev *dev, bool assert);

	/*
	 * The clock: called at least at each guest tick while requests are outstanding (<veneer/clock.h>).  Checks
	 * deadlines and advances recovery.  Returns the number of completions whose messages may find nothing any more; a
	 * network card counts other causes that it read, too, and returns 0 if it read none.  May be NULL.
	 */
	unsigned (*tick)(struct hw_dev *dev, uint64_t now_us);

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
	bool echo;		/* no controller: the null device takes its place (CONFIG_VIRTIO_ECHO) */
	bool by_pin;		/* set by the driver in probe: messages are unreliable, use the INTx line if there is one */
	struct owner owner;	/* of the controller and its twins; drivers do not use it */
};

#define HW_ANY 0xffff

struct hw_id {
	uint16_t vendor, device;	/* HW_ANY matches all */
	uint32_t class_code, class_mask;	/* compared if class_mask != 0; 24 bits */
	const char *model;		/* for the log and veneer-hwcheck: "82574L" */
	uint32_t quirks;		/* the driver's own flags */
	bool emulated;			/* the tests run a guest through this very device, in emulation */
	bool modelled;			/* ... for some chips of this id on a model of our own, which Linux's driver accepts */
	uint8_t revision_min, revision_max;	/* compared if revision_max != 0, both included */
};

enum hw_class { HW_NIC, HW_STORAGE, HW_ECHO };	/* the last: CONFIG_VIRTIO_ECHO */

struct hw_driver {
	const char *name;		/* "e1000e" */
	enum hw_class class;
	const struct hw_id *ids;
	unsigned nids;

	/* Upper bounds of heap memory (MEM_COST()): of a controller, and of each disk with the memory of disk_init(). */
	uint32_t memory, disk_memory;
	uint16_t disk_tags;		/* maximum per disk or, with @shared_tags, of all disks of a controller together */
	bool shared_tags;

	/* Count the disks that the registers show, without a write.  NULL: one.  The probe may find more, and others. */
	unsigned (*count_disks)(const struct pci_dev *pci);

	/*
	 * For ids that several chips share: return false if this chip is not for this driver.  The device then stays the
	 * guest's, as if no line of the table had matched.  Reads @pci and configuration space, changes nothing, logs the
	 * reason in a debug line; called several times, before Veneer hides anything.  May be NULL.
	 */
	bool (*fits)(const struct pci_dev *pci, const struct hw_id *id);

	/*
	 * Take the controller over from any state in which firmware left it: reset and start it, with interrupts off.  The
	 * driver enables decoding and bus mastering.  On success sets *@out, which lives for ever.  On failure (negative) the
	 * device is quiet (no DMA, no interrupt), all memory is freed, and a log line names the reason.  The function stays
	 * hidden: -ERR_NODEV means that nothing is connected, other errors that the start failed.  @unit counts the devices of
	 * this driver from 0.  Start only: may busy-wait.
	 */
	int (*probe)(const struct pci_dev *pci, const struct hw_id *id, unsigned unit, struct hw_dev **out);
};

/* Put a pointer to the driver into the section that hw_match() searches. */
#define HW_DRIVER(drv) \
	static const struct hw_driver *const hw_driver_##drv __attribute__((used, section("veneer_drivers"))) = &drv

/* Return the driver of a device, and set the line of its table; NULL if there is none. */
const struct hw_driver *hw_match(const struct pci_dev *pci, const struct hw_id **id);

#endif
