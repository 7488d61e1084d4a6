/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio device on PCI: the part that virtio-net and virtio-blk share.
 *
 *   transport.c   status, features, queues, reset, interrupts
 *   legacy.c      the registers in BAR0             modern.c   the registers in BAR4
 *   msix.c        table and pending bits in BAR1    pci_config.c   the configuration space, and where the BARs lie
 *
 *   state.c       the state as plain data, for snapshot and migration
 *   access.c      takes the controller's ownership for each access except kicks
 *
 * Registers tolerate sloppy drivers (docs/guests.md): an access of any width goes to the register at its first byte, as on the
 * device that those drivers were written for.
 */
#ifndef VIRTIO_TRANSPORT_H
#define VIRTIO_TRANSPORT_H

#include <veneer/io.h>
#include <veneer/owner.h>
#include <veneer/pci.h>
#include <veneer/state.h>
#include <veneer/types.h>
#include <veneer/virtio.h>
#include "queue.h"

#define VIRTIO_MAX_QUEUES	3u
#define VIRTIO_MSIX_VECTORS	4u
#define VIRTIO_CFG_MAX		64u
#define VIRTIO_TYPE_STATE_MAX	1024u
#define VIRTIO_RUN_MAX		VIRTQ_MAX_SIZE	/* chains that one run serves: all of them if no other processor adds some */
#define VIRTIO_MAX_COMPLAINTS	16u	/* log lines about the guest's violations, per device; all are counted */

struct trap;

/* A device type. */
struct virtio_type {
	uint16_t id;			/* VIRTIO_ID_*; the PCI and subsystem ids follow from it */
	uint32_t class_code;		/* 24 bits */
	unsigned nqueues;
	uint32_t io_size;		/* of BAR0 */
	unsigned cfg_len;
	unsigned early;			/* BIT(q): queues that drivers of the legacy interface use before DRIVER_OK */

	/* DRIVER_OK: features and queues are final.  Negative if the device cannot start: it then needs a reset. */
	int (*start)(struct virtio_dev *dev);

	/*
	 * Stop all DMA to the guest and drop its requests.  Only after start().  With @patient DMA may continue after the
	 * return: the guest then reads status 0 only after stopped() has returned true.
	 */
	void (*stop)(struct virtio_dev *dev, bool patient);
	bool (*stopped)(struct virtio_dev *dev);	/* NULL: no DMA continues after stop() */

	/* Restore the defaults that a new driver expects.  The queues have been reset. */
	void (*reset)(struct virtio_dev *dev);

	/*
	 * Queue @q was kicked, or has just become live.  Bounded, however fast the guest refills the queue: serves
	 * VIRTIO_RUN_MAX chains or fewer, then says virtio_run_again().
	 */
	void (*run)(struct virtio_dev *dev, unsigned q);

	/* True while requests or frames are under way: completions will come. */
	bool (*busy)(struct virtio_dev *dev);

	/* Before the guest reads the device configuration.  May be NULL. */
	void (*config_refresh)(struct virtio_dev *dev);

	/* The guest writes the device configuration. */
	void (*config_write)(struct virtio_dev *dev, uint32_t off, unsigned width, uint32_t v);
};

/* The part of the transport that a snapshot saves, without the queues: plain data. */
struct virtio_state {
	uint64_t driver_features;	/* accepted and offered */
	uint64_t refused;		/* accepted but not offered: FEATURES_OK stays 0 */
	uint32_t device_select, driver_select;	/* feature windows */
	uint16_t queue_select;
	uint16_t config_vector;
	uint8_t status;
	uint8_t isr;
	uint8_t generation;
	uint8_t running;		/* start() succeeded */
	uint8_t pba;			/* pending vectors */
	uint8_t msi_held;		/* an MSI is held until the bus master bit is set */
	uint8_t pad[6];
	uint8_t msix[VIRTIO_MSIX_VECTORS * MSIX_ENTRY_SIZE];
	uint8_t pci[256];		/* configuration space */
	uint8_t cfg[VIRTIO_CFG_MAX];	/* device configuration */
};

enum virtio_bar { VIRTIO_BAR_IO, VIRTIO_BAR_MSIX, VIRTIO_BAR_MODERN, VIRTIO_NBARS };

/* A BAR's trap. */
struct virtio_bar_trap {
	struct trap *trap;		/* NULL: no such BAR */
	struct virtio_dev *dev;
	const struct trap_ops *ops;	/* as owner */
	uint32_t size;
	uint64_t base;			/* as asked for; 0 when off */
};

struct virtio_dev {
	const struct virtio_type *type;
	const char *name;
	uint64_t offered;		/* features; only legacy offers ANY_LAYOUT, only modern VERSION_1 */
	struct virtio_state st;
	struct virtq *vq;		/* type->nqueues of them */
	void *type_state;		/* the part of a snapshot that the type saves: plain data */
	const struct virtio_state_ops *state;	/* NULL: not in CONFIG_STATE's build */
	struct state_part part;
	bool resting;			/* virtio_rest(): the hardware is stopped although st.running is set */
	bool resetting;			/* resetting: the status stays nonzero until stopped() returns true */
	bool broken;			/* after a violation: no queue is served until the guest resets the device */
	enum intx_state intx_state;
	unsigned complaints;
	struct owner *owner;
	struct owner_work kicks;	/* BIT(q) */
	uint32_t legacy_kicks;		/* shared: BIT(q), set by virtio_kick_legacy() before it posts, until the next run */
	void (*intx)(void *ctx, enum intx_state state);
	void *intx_ctx;
	uint16_t bdf;
	bool modern_only;
	uint8_t pci_mask[256];		/* bits of st.pci that the guest can write */
	struct virtio_bar_trap bar[VIRTIO_NBARS];
	uint64_t cnt_kicks, cnt_resets, cnt_violations, cnt_config_interrupts;
};

/*
 * Set @dev up (the caller has filled in type, offered and vq) and register it at place->bdf.
 * 0, or negative with a log line: nothing is registered then, and the caller frees @dev and its queues.
 */
int virtio_dev_init(struct virtio_dev *dev, const char *name, const struct virtio_place *place);

static inline bool virtio_has(const struct virtio_dev *dev, uint64_t feature)
{
	return dev->st.driver_features & feature;
}

/* The device configuration changed: notify the driver, if one runs. */
void virtio_config_changed(struct virtio_dev *dev);

/* True if the log may have one more line about the guest's violations. */
static inline bool virtio_may_complain(struct virtio_dev *dev)
{
	return dev->complaints < VIRTIO_MAX_COMPLAINTS && ++dev->complaints;
}

/* Set DEVICE_NEEDS_RESET after an error of device or driver; no queue is served until the reset. */
void virtio_needs_reset(struct virtio_dev *dev, const char *why);

/* Registers that both interfaces have. */
uint32_t virtio_features_get(const struct virtio_dev *dev, unsigned window, bool legacy);
void virtio_features_set(struct virtio_dev *dev, unsigned window, uint32_t v);
uint8_t virtio_status_get(struct virtio_dev *dev);	/* completes a reset that has finished */

/*
 * @patient: the driver polls the status until it is 0, as the modern interface requires (4.1.4.3.2).  Other drivers reuse their
 * memory as soon as the write of 0 returns.
 */
void virtio_status_set(struct virtio_dev *dev, uint8_t v, bool patient);
void virtio_reset_finish(struct virtio_dev *dev);	/* complete a pending reset now, however long it takes */
struct virtq *virtio_selected(struct virtio_dev *dev);
void virtio_queue_enable(struct virtio_dev *dev, struct virtq *q);
void virtio_kick(struct virtio_dev *dev, unsigned index);		/* posted: any time, with or without ownership */
void virtio_kick_legacy(struct virtio_dev *dev, unsigned index);
void virtio_run_again(struct virtio_dev *dev, unsigned index);		/* as owner, at the end of a run: there may be more */
uint16_t virtio_vector(uint32_t v);
uint8_t virtio_isr_read(struct virtio_dev *dev);
uint32_t virtio_config_read(struct virtio_dev *dev, uint32_t off, unsigned width);
void virtio_config_write(struct virtio_dev *dev, uint32_t off, unsigned width, uint32_t v);
void virtio_reset(struct virtio_dev *dev);

/* DRIVER_OK, or the same again after a halt: start the device, then serve every queue: the driver may have kicked before. */
void virtio_start(struct virtio_dev *dev);

/* Interrupt the guest: by message @vector, or by the line and these bits of ISR. */
void virtio_interrupt(struct virtio_dev *dev, uint16_t vector, uint8_t isr);

/* Update the INTx line; call after a change of ISR, MSI enable, MSI-X enable or the command register. */
void virtio_intx_update(struct virtio_dev *dev);

/* Read and write little-endian values in a buffer of @size bytes; beyond its end reads give 0 and writes are dropped. */
uint32_t bytes_get(const uint8_t *buf, uint32_t size, uint32_t off, unsigned width);
void bytes_set(uint8_t *buf, uint32_t size, uint32_t off, unsigned width, uint32_t v);

/* @old with the @width bytes from byte @shift on replaced by @v. */
uint64_t bytes_merge(uint64_t old, unsigned shift, unsigned width, uint64_t v);

/* The start of the register that contains @off; @starts ascends from 0. */
static inline uint32_t register_start(const uint8_t *starts, unsigned n, uint32_t off)
{
	while (starts[--n] > off)
		;
	return starts[n];
}

static inline uint32_t width_mask(unsigned width)
{
	return width >= 4 ? ~0u : BIT(8 * width) - 1;
}

/* pci_config.c */
int virtio_pci_init(struct virtio_dev *dev, const struct virtio_place *place);
uint16_t virtio_pci_command(const struct virtio_dev *dev);
uint16_t virtio_msix_ctrl(const struct virtio_dev *dev);
void virtio_pci_place(struct virtio_dev *dev);	/* move the traps to the addresses that command register and BARs decode */

static inline bool virtio_msix_on(const struct virtio_dev *dev)
{
	return virtio_msix_ctrl(dev) & MSIX_CTRL_ENABLE;
}

/*
 * An MSI or MSI-X message is a memory write by the function, so it needs Command bit 2, bus master (PCI 3.0, 6.2.2).
 * Interrupts raised while the bit is 0 stay pending and are sent when it is set.  Rings and INTx do not depend on the bit.
 */
static inline bool virtio_master_on(const struct virtio_dev *dev)
{
	return virtio_pci_command(dev) & PCI_CMD_MASTER;
}

/* Set the bit as if the guest had written it. */
void virtio_master_set(struct virtio_dev *dev);

/*
 * MSI, for drivers without MSI-X: one message for all causes; the queues' vectors are ignored.  ISR is set as with INTx for
 * drivers that read the cause there; each cause sends a message, also if ISR was not read, for drivers that never read it.
 */
bool virtio_msi_on(const struct virtio_dev *dev);
void virtio_msi_raise(struct virtio_dev *dev);

/* True if the device interrupts by messages: its INTx line then stays deasserted. */
static inline bool virtio_message_on(const struct virtio_dev *dev)
{
	return virtio_msix_on(dev) || virtio_msi_on(dev);
}

/* access.c: what the traps of the BARs call */
extern const struct trap_ops virtio_bar_ops;

/* msix.c */
extern const struct trap_ops virtio_msix_ops;
void virtio_msix_init(struct virtio_dev *dev);
void virtio_msix_raise(struct virtio_dev *dev, uint16_t vector);
void virtio_msix_deliver(struct virtio_dev *dev);	/* send the vectors that are pending and no longer masked */

/* legacy.c, modern.c: the registers in the BARs */
extern const struct trap_ops virtio_legacy_ops;
extern const struct trap_ops virtio_modern_ops;

/*
 * The state of a device as one piece of plain data, for snapshot and migration (state.c, CONFIG_STATE; docs/state-format.md).
 * All of this is called with ownership of the controller.
 */
#define VIRTIO_IMAGE_VERSION	2u

struct virtio_image {
	uint32_t version;
	uint16_t id;
	uint16_t nqueues;
	struct virtio_state dev;
	struct virtq_state q[VIRTIO_MAX_QUEUES];
	uint8_t type[VIRTIO_TYPE_STATE_MAX];
};

/* What a device's type adds; the type's file state.c has it. */
struct virtio_state_ops {
	uint32_t size;			/* of the type's plain data at dev->type_state, <= VIRTIO_TYPE_STATE_MAX */

	/*
	 * At first and after each poll: hold the queues whose requests are to come to an end, and start what has to end with
	 * these.
	 */
	void (*drain)(struct virtio_dev *dev);

	/* Poll the controller.  Returns what hw_dev_ops.poll() returned. */
	unsigned (*poll)(struct virtio_dev *dev);

	/* Stop all DMA.  Push the chains that must not be served twice; all others stay busy, and are served again. */
	void (*halt)(struct virtio_dev *dev);

	/* NULL, or what in the image is impossible for this device.  Changes nothing. */
	const char *(*check)(const struct virtio_dev *dev, const struct virtio_image *in);
};

/*
 * Bring the device to rest: requests and frames in flight get @us microseconds to end, then DMA is stopped.  The queues are
 * dead and the busy heads name what has not ended, until virtio_go_on() or a reset by the guest.  A reset that is pending is
 * finished.
 */
void virtio_rest(struct virtio_dev *dev, uint32_t us);

/* Save the state of a device at rest, or one that does not run. */
void virtio_save(const struct virtio_dev *dev, struct virtio_image *out);

/* NULL, or why virtio_load() must not be called.  Looks at the guest's memory, which has to be loaded before. */
const char *virtio_image_bad(const struct virtio_dev *dev, const struct virtio_image *in);

/* Load an image that is not bad into a device at rest, which stays at rest.  virtio_save() then gives the same image. */
void virtio_load(struct virtio_dev *dev, const struct virtio_image *in);

/*
 * Go on, as the state says: start the hardware, run each queue, busy heads first, poll the controller, and interrupt once for
 * each queue and for the configuration if that has changed (the link).
 */
void virtio_go_on(struct virtio_dev *dev);

/* For the types: make @dev a part of <veneer/state.h>.  Start only. */
void virtio_keep(struct virtio_dev *dev, const struct virtio_state_ops *ops);

#endif
