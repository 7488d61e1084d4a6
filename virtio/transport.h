/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio device on PCI: what the two device types share.
 *
 *   transport.c   status, features, queues, reset, interrupts
 *   legacy.c      the registers in BAR0             modern.c   those in BAR4
 *   msix.c        table and pending bits in BAR1    pci_config.c   the configuration space, and where the BARs lie
 *
 *   access.c      takes the controller's owner around each access, but for kicks
 *
 * Registers are lenient where drivers in the field are sloppy (docs/guests): an access concerns the register at its first
 * byte, whatever its width, as on the device those drivers were written against.
 */
#ifndef VIRTIO_TRANSPORT_H
#define VIRTIO_TRANSPORT_H

#include <veneer/io.h>
#include <veneer/owner.h>
#include <veneer/pci.h>
#include <veneer/types.h>
#include <veneer/virtio.h>
#include "queue.h"

#define VIRTIO_MAX_QUEUES	3u
#define VIRTIO_MSIX_VECTORS	4u
#define VIRTIO_CFG_MAX		64u
#define VIRTIO_TYPE_STATE_MAX	1024u
#define VIRTIO_RUN_MAX		VIRTQ_MAX_SIZE	/* chains that one run serves: all of them if no other processor adds some */
#define VIRTIO_MAX_COMPLAINTS	16u	/* lines in the log about what the guest does, per device; violations are counted */

struct trap;

/* A device type. */
struct virtio_type {
	uint16_t id;			/* VIRTIO_ID_*; the PCI and subsystem ids follow from it */
	uint32_t class_code;		/* 24 bits */
	unsigned nqueues;
	uint32_t io_size;		/* of BAR0 */
	unsigned cfg_len;
	unsigned early;			/* BIT(q): queues that drivers of the legacy interface use before DRIVER_OK */

	/* The driver is ready: features and queues stand.  Negative when the device cannot: it then needs a reset. */
	int (*start)(struct virtio_dev *dev);

	/*
	 * Stop all DMA to the guest and forget its requests.  Only after start().  With @patient DMA may go on for a while: the
	 * guest reads status 0 when stopped() is true.
	 */
	void (*stop)(struct virtio_dev *dev, bool patient);
	bool (*stopped)(struct virtio_dev *dev);	/* NULL: stop() always ends it */

	/* Back to the defaults that stand before a driver comes; queues are reset already. */
	void (*reset)(struct virtio_dev *dev);

	/*
	 * Queue @q was kicked, or has just become live.  Bounded, however fast the guest refills the queue: serves
	 * VIRTIO_RUN_MAX chains or fewer, then says virtio_run_again().
	 */
	void (*run)(struct virtio_dev *dev, unsigned q);

	/* Before the guest reads the device configuration.  May be NULL. */
	void (*config_refresh)(struct virtio_dev *dev);

	/* The guest writes the device configuration. */
	void (*config_write)(struct virtio_dev *dev, uint32_t off, unsigned width, uint32_t v);
};

/* All of the transport that outlives a snapshot, without the queues: plain data. */
struct virtio_state {
	uint64_t driver_features;	/* as accepted: masked with what is offered */
	uint64_t refused;		/* asked for without having been offered: FEATURES_OK will not stick */
	uint32_t device_select, driver_select;	/* feature windows */
	uint16_t queue_select;
	uint16_t config_vector;
	uint8_t status;
	uint8_t isr;
	uint8_t generation;
	uint8_t running;		/* start() succeeded */
	uint8_t pba;			/* pending vectors */
	uint8_t msi_held;		/* a plain MSI waits for the bus master bit */
	uint8_t pad[6];
	uint8_t msix[VIRTIO_MSIX_VECTORS * MSIX_ENTRY_SIZE];
	uint8_t pci[256];		/* configuration space */
	uint8_t cfg[VIRTIO_CFG_MAX];	/* device configuration */
};

enum virtio_bar { VIRTIO_BAR_IO, VIRTIO_BAR_MSIX, VIRTIO_BAR_MODERN, VIRTIO_NBARS };

/* Where a BAR's trap is. */
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
	uint64_t offered;		/* features; ANY_LAYOUT and VERSION_1 are shown by one interface each */
	struct virtio_state st;
	struct virtq *vq;		/* type->nqueues of them */
	void *type_state;		/* the type's own part of a snapshot: plain data, may be NULL */
	uint32_t type_state_size;	/* <= VIRTIO_TYPE_STATE_MAX */
	bool resetting;			/* a reset waits for stopped(): the status is not 0 yet */
	bool broken;			/* a violation: nothing is served until the guest resets */
	enum intx_state intx_state;
	unsigned complaints;
	struct owner *owner;
	struct owner_work kicks;	/* BIT(q); LEGACY_KICK(q) */
	void (*intx)(void *ctx, enum intx_state state);
	void *intx_ctx;
	uint16_t bdf;
	bool modern_only;
	uint8_t pci_mask[256];		/* bits of st.pci that the guest can write */
	struct virtio_bar_trap bar[VIRTIO_NBARS];
	uint64_t cnt_kicks, cnt_resets, cnt_violations, cnt_config_interrupts;
};

/*
 * Set @dev up (type, offered and vq filled in by the caller) and make it answer for place->bdf.
 * 0, or negative with a log line: nothing answers then, and the caller frees @dev and its queues.
 */
int virtio_dev_init(struct virtio_dev *dev, const char *name, const struct virtio_place *place);

static inline bool virtio_has(const struct virtio_dev *dev, uint64_t feature)
{
	return dev->st.driver_features & feature;
}

/* The device configuration changed: tell the driver, when there is one. */
void virtio_config_changed(struct virtio_dev *dev);

/* Whether one more line about what the guest does may go to the log. */
static inline bool virtio_may_complain(struct virtio_dev *dev)
{
	return dev->complaints < VIRTIO_MAX_COMPLAINTS && ++dev->complaints;
}

/* The device or the driver went wrong: DEVICE_NEEDS_RESET; nothing is served until then. */
void virtio_needs_reset(struct virtio_dev *dev, const char *why);

/* Registers that both interfaces show. */
uint32_t virtio_features_get(const struct virtio_dev *dev, unsigned window, bool legacy);
void virtio_features_set(struct virtio_dev *dev, unsigned window, uint32_t v);
uint8_t virtio_status_get(struct virtio_dev *dev);	/* looks whether a reset is over */

/*
 * @patient: the driver reads the status until it is 0, as the modern interface demands (4.1.4.3.2).  Other drivers take their
 * memory back when the write of 0 returns.
 */
void virtio_status_set(struct virtio_dev *dev, uint8_t v, bool patient);
void virtio_reset_finish(struct virtio_dev *dev);	/* if a reset waits: now, whatever it costs */
struct virtq *virtio_selected(struct virtio_dev *dev);
void virtio_queue_enable(struct virtio_dev *dev, struct virtq *q);
#define LEGACY_KICK(q)	BIT(16 + (q))
void virtio_kick(struct virtio_dev *dev, unsigned index);		/* posted: any time, whoever is the owner */
void virtio_kick_legacy(struct virtio_dev *dev, unsigned index);
void virtio_run_again(struct virtio_dev *dev, unsigned index);		/* as owner, at the end of a run: there may be more */
uint16_t virtio_vector(uint32_t v);
uint8_t virtio_isr_read(struct virtio_dev *dev);
uint32_t virtio_config_read(struct virtio_dev *dev, uint32_t off, unsigned width);
void virtio_config_write(struct virtio_dev *dev, uint32_t off, unsigned width, uint32_t v);
void virtio_reset(struct virtio_dev *dev);

/* The INTx line follows ISR, MSI and MSI-X enable and the command register; call after any of them changed. */
void virtio_intx_update(struct virtio_dev *dev);

/* Little-endian bytes out of and into a plain buffer of @size; what lies beyond reads 0 and is not written. */
uint32_t bytes_get(const uint8_t *buf, uint32_t size, uint32_t off, unsigned width);
void bytes_set(uint8_t *buf, uint32_t size, uint32_t off, unsigned width, uint32_t v);

/* @old with the @width bytes from byte @shift on replaced by @v. */
uint64_t bytes_merge(uint64_t old, unsigned shift, unsigned width, uint64_t v);

/* Where the register that @off lies in begins; @starts ascends from 0. */
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
void virtio_pci_place(struct virtio_dev *dev);	/* put the traps where command register and BARs say */

static inline bool virtio_msix_on(const struct virtio_dev *dev)
{
	return virtio_msix_ctrl(dev) & MSIX_CTRL_ENABLE;
}

/*
 * A message is a memory write of the function's own: without Command bit 2 (bus master) it sends none, neither MSI nor MSI-X
 * (PCI 3.0, 6.2.2).  What is raised meanwhile pends and goes out when the bit is set.  Rings and INTx do not depend on the bit.
 */
static inline bool virtio_master_on(const struct virtio_dev *dev)
{
	return virtio_pci_command(dev) & PCI_CMD_MASTER;
}

/* Set the bit as if the guest had written it. */
void virtio_master_set(struct virtio_dev *dev);

/*
 * Plain MSI, for drivers that know no MSI-X: one message for everything, whatever the vectors say.  ISR is kept as with INTx,
 * for drivers that read it to learn why, but a message comes for each cause, for drivers that never do.
 */
bool virtio_msi_on(const struct virtio_dev *dev);
void virtio_msi_raise(struct virtio_dev *dev);

/* The device sends messages: its INTx line stays low. */
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
void virtio_msix_deliver(struct virtio_dev *dev);	/* what pends and is not masked any more */

/* legacy.c, modern.c: what stands in the BARs */
extern const struct trap_ops virtio_legacy_ops;
extern const struct trap_ops virtio_modern_ops;

/*
 * A device's state as one piece of plain data, for snapshot and migration.  The owner has let what is in flight end
 * or counts it as lost: busy heads are named in the queues, so that the one who loads can submit them again.
 */
#define VIRTIO_IMAGE_VERSION	1u

struct virtio_image {
	uint32_t version;
	uint16_t id;
	uint16_t nqueues;
	struct virtio_state dev;
	struct virtq_state q[VIRTIO_MAX_QUEUES];
	uint8_t type[VIRTIO_TYPE_STATE_MAX];
};

void virtio_save(const struct virtio_dev *dev, struct virtio_image *out);

/* Into a device that has been reset.  0, or -ERR_INVAL when the image is another kind's.  The type's start() is called. */
int virtio_load(struct virtio_dev *dev, const struct virtio_image *in);

#endif
