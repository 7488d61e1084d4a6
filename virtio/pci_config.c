/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration space of a twin, and the traps behind its BARs.
 *
 * st.pci holds the bytes that reads return, pci_mask the bits that the guest can write; neither holds anything of the real
 * device.  After each write to the command register or a BAR the traps move to the addresses that these now decode.
 */
#include <veneer/err.h>
#include <veneer/intx.h>
#include <veneer/log.h>
#include <veneer/msi.h>
#include <veneer/pci.h>
#include <veneer/string.h>
#include <veneer/trap.h>
#include <veneer/vpci.h>
#include "transport.h"

/* The capabilities, in the order of their list. */
#define CAP_MSIX	0x40
#define CAP_COMMON	0x50
#define CAP_ISR		0x60
#define CAP_DEVICE	0x70
#define CAP_NOTIFY	0x80
#define CAP_WINDOW	0x98		/* 20 bytes; the last four are the window's data */
#define WINDOW_DATA	(CAP_WINDOW + VCAP_EXTRA)
#define CAP_MSI		0xb0

#define CACHE_LINE	0x0c
#define LATENCY		0x0d

static const unsigned bar_index[VIRTIO_NBARS] = { 0, 1, 4 };

static uint8_t *config_byte(struct virtio_dev *dev, unsigned off)
{
	return &dev->st.pci[off];
}

static uint32_t config_get(const struct virtio_dev *dev, unsigned off, unsigned width)
{
	return bytes_get(dev->st.pci, sizeof(dev->st.pci), off, width);
}

/* The same for 16 bits: every interrupt reads registers by this, so it has to be short. */
static uint16_t config_get16(const struct virtio_dev *dev, unsigned off)
{
	return (uint16_t)(dev->st.pci[off] | dev->st.pci[off + 1] << 8);
}

static void config_put(struct virtio_dev *dev, unsigned off, unsigned width, uint32_t v)
{
	bytes_set(dev->st.pci, sizeof(dev->st.pci), off, width, v);
}

static void config_writable(struct virtio_dev *dev, unsigned off, unsigned width, uint32_t mask)
{
	bytes_set(dev->pci_mask, sizeof(dev->pci_mask), off, width, mask);
}

uint16_t virtio_pci_command(const struct virtio_dev *dev)
{
	return config_get16(dev, PCI_COMMAND);
}

uint16_t virtio_msix_ctrl(const struct virtio_dev *dev)
{
	return config_get16(dev, CAP_MSIX + MSIX_CTRL);
}

/* A driver must not enable both MSI and MSI-X (PCI 3.0, 6.8); if it does, MSI-X is used. */
bool virtio_msi_on(const struct virtio_dev *dev)
{
	return (config_get16(dev, CAP_MSI + MSI_CTRL) & MSI_CTRL_ENABLE) && !virtio_msix_on(dev);
}

void virtio_msi_raise(struct virtio_dev *dev)
{
	dev->st.msi_held = !virtio_master_on(dev);
	if (dev->st.msi_held)
		return;
	dev->owner->msi_addr = config_get(dev, CAP_MSI + MSI_ADDR, 4);
	irq_send_msi(dev->owner->msi_addr, config_get(dev, CAP_MSI + MSI_DATA, 2));
}

/* Send the messages held while bus mastering was off, except an MSI whose cause the driver has since read from ISR. */
static void master_changed(struct virtio_dev *dev)
{
	if (!virtio_master_on(dev))
		return;
	virtio_msix_deliver(dev);
	if (dev->st.msi_held && dev->st.isr && virtio_msi_on(dev))
		virtio_msi_raise(dev);
	dev->st.msi_held = false;
}

void virtio_master_set(struct virtio_dev *dev)
{
	config_put(dev, PCI_COMMAND, 2, virtio_pci_command(dev) | PCI_CMD_MASTER);
	master_changed(dev);
}

/* --- the BARs --- */

/*
 * The address that a BAR decodes now; 0 if decoding is off, or the BAR was never set, lies beyond the last port, or holds all
 * ones (the driver is sizing it).
 */
static uint64_t bar_base(const struct virtio_dev *dev, enum virtio_bar i)
{
	bool io = i == VIRTIO_BAR_IO;
	uint32_t flags = io ? 3 : 15, size = dev->bar[i].size, v = config_get(dev, PCI_BAR(bar_index[i]), 4) & ~flags;

	if (!(virtio_pci_command(dev) & (io ? PCI_CMD_IO : PCI_CMD_MEM)))
		return 0;
	if (v == (uint32_t)-(int32_t)size || (io && v + size > 0x10000))
		return 0;
	return v;
}

void virtio_pci_place(struct virtio_dev *dev)
{
	for (unsigned i = 0; i < VIRTIO_NBARS; i++) {
		struct virtio_bar_trap *b = &dev->bar[i];
		uint64_t base = b->trap ? bar_base(dev, i) : 0;

		if (!b->trap || base == b->base)
			continue;
		b->base = base;
		if (!base)
			trap_remove(b->trap);
		else if (trap_place(b->trap, base) < 0 && virtio_may_complain(dev))
			log_warn("%s: BAR%u cannot be at %#llx: it is off until it is moved", dev->name, bar_index[i],
				 (unsigned long long)base);
	}
}

/* --- the window of capability type 5 (4.1.4.9) --- */

/* The trap operations of the BAR that the window selects; NULL if the window cannot make this access. */
static const struct trap_ops *window_target(struct virtio_dev *dev, uint32_t *off, unsigned *width)
{
	static const struct trap_ops *const ops[VIRTIO_NBARS] = {
		[VIRTIO_BAR_IO] = IS_ENABLED(CONFIG_VIRTIO_LEGACY) ? &virtio_legacy_ops : NULL,
		[VIRTIO_BAR_MSIX] = &virtio_msix_ops,
		[VIRTIO_BAR_MODERN] = IS_ENABLED(CONFIG_VIRTIO_MODERN) ? &virtio_modern_ops : NULL,
	};
	uint8_t bar = *config_byte(dev, CAP_WINDOW + VCAP_BAR);

	*off = config_get(dev, CAP_WINDOW + VCAP_OFFSET, 4);
	*width = config_get(dev, CAP_WINDOW + VCAP_LENGTH, 4);
	if (*width != 1 && *width != 2 && *width != 4)
		return NULL;
	for (unsigned i = 0; i < VIRTIO_NBARS; i++)
		if (bar_index[i] == bar && dev->bar[i].trap && *off < dev->bar[i].size && *width <= dev->bar[i].size - *off)
			return ops[i];
	return NULL;
}

static void window_read(struct virtio_dev *dev)
{
	unsigned width;
	uint32_t off;
	const struct trap_ops *ops = window_target(dev, &off, &width);

	config_put(dev, WINDOW_DATA, 4, ops ? (uint32_t)ops->read(dev, off, width) : 0);
}

static void window_write(struct virtio_dev *dev)
{
	unsigned width;
	uint32_t off;
	const struct trap_ops *ops = window_target(dev, &off, &width);

	if (ops)
		ops->write(dev, off, width, config_get(dev, WINDOW_DATA, 4) & width_mask(width));
}

/* --- accesses --- */

static bool access_touches(uint16_t off, unsigned width, unsigned start, unsigned len)
{
	return off < start + len && off + width > start;
}

static bool is_window(const struct virtio_dev *dev, uint16_t off, unsigned width)
{
	return IS_ENABLED(CONFIG_VIRTIO_MODERN) && access_touches(off, width, WINDOW_DATA, 4);
}

static uint32_t read_owned(struct virtio_dev *dev, uint16_t off, unsigned width)
{
	uint32_t v;

	/* Each access to the data field makes one access through the window: reading a dword by bytes makes four. */
	if (is_window(dev, off, width))
		window_read(dev);
	v = config_get(dev, off, width);
	if (access_touches(off, width, PCI_STATUS, 1) && dev->st.isr && !virtio_message_on(dev))
		v |= PCI_STATUS_INTX << (8 * (PCI_STATUS - off));
	return v;
}

static void write_owned(struct virtio_dev *dev, uint16_t off, unsigned width, uint32_t v)
{
	uint32_t mask = bytes_get(dev->pci_mask, sizeof(dev->pci_mask), off, width);

	if (off >= sizeof(dev->st.pci))
		return;
	config_put(dev, off, width, (config_get(dev, off, width) & ~mask) | (v & mask));
	if (access_touches(off, width, PCI_COMMAND, 2)) {
		virtio_pci_place(dev);
		virtio_intx_update(dev);
		master_changed(dev);
	}
	if (access_touches(off, width, PCI_BAR(0), 6 * 4))
		virtio_pci_place(dev);
	if (access_touches(off, width, CAP_MSIX + MSIX_CTRL, 2)) {
		virtio_intx_update(dev);
		virtio_msix_deliver(dev);
	}
	if (access_touches(off, width, CAP_MSI + MSI_CTRL, 2))
		virtio_intx_update(dev);
	if (is_window(dev, off, width))
		window_write(dev);
}

static uint32_t config_read(void *ctx, uint16_t off, unsigned width)
{
	struct virtio_dev *dev = ctx;

	owner_acquire(dev->owner);
	uint32_t v = read_owned(dev, off, width);
	owner_release(dev->owner);
	return v;
}

static void config_write(void *ctx, uint16_t off, unsigned width, uint32_t v)
{
	struct virtio_dev *dev = ctx;

	owner_acquire(dev->owner);
	write_owned(dev, off, width, v);
	owner_release(dev->owner);
}

static const struct vpci_ops config_ops = { .read = config_read, .write = config_write };

/* --- contents --- */

static void put_pci_header(struct virtio_dev *dev, const struct virtio_place *place)
{
	uint16_t id = dev->type->id;

	config_put(dev, PCI_VENDOR_ID, 2, VIRTIO_PCI_VENDOR);
	config_put(dev, PCI_DEVICE_ID, 2, (dev->modern_only ? VIRTIO_PCI_MODERN : VIRTIO_PCI_TRANSITIONAL) + id);
	config_put(dev, PCI_COMMAND, 2, place->command & (PCI_CMD_IO | PCI_CMD_MEM | PCI_CMD_MASTER | PCI_CMD_INTX_OFF));
	config_put(dev, PCI_STATUS, 2, PCI_STATUS_CAPS);
	config_put(dev, PCI_REVISION, 1, dev->modern_only ? 1 : 0);
	config_put(dev, PCI_CLASS, 3, dev->type->class_code);
	config_put(dev, PCI_HEADER_TYPE, 1, place->multifunction ? PCI_HEADER_MULTI : 0);
	config_put(dev, PCI_SUBSYS_VENDOR, 2, VIRTIO_PCI_VENDOR);
	config_put(dev, PCI_SUBSYS_ID, 2, dev->modern_only ? VIRTIO_PCI_MODERN_SUBSYS : id);
	config_put(dev, PCI_CAP_PTR, 1, CAP_MSIX);
	config_put(dev, PCI_INT_LINE, 1, place->int_line);
	config_put(dev, PCI_INT_PIN, 1, place->int_pin);

	config_writable(dev, PCI_COMMAND, 2, PCI_CMD_IO | PCI_CMD_MEM | PCI_CMD_MASTER | PCI_CMD_INTX_OFF);
	config_writable(dev, CACHE_LINE, 1, 0xff);
	config_writable(dev, LATENCY, 1, 0xff);
	config_writable(dev, PCI_INT_LINE, 1, 0xff);
}

static void put_bar(struct virtio_dev *dev, enum virtio_bar i, uint32_t base, uint32_t size)
{
	dev->bar[i].size = size;
	config_put(dev, PCI_BAR(bar_index[i]), 4, base | (i == VIRTIO_BAR_IO ? 1 : 0));
	config_writable(dev, PCI_BAR(bar_index[i]), 4, ~(size - 1));
}

static void put_vendor_cap(struct virtio_dev *dev, unsigned at, unsigned next, unsigned type, uint32_t offset, uint32_t len)
{
	bool extra = type == VIRTIO_CAP_NOTIFY || type == VIRTIO_CAP_PCI;

	config_put(dev, at, 1, PCI_CAP_VENDOR);
	config_put(dev, at + 1, 1, next);
	config_put(dev, at + VCAP_LEN, 1, VCAP_EXTRA + (extra ? 4 : 0));
	config_put(dev, at + VCAP_TYPE, 1, type);
	config_put(dev, at + VCAP_BAR, 1, bar_index[VIRTIO_BAR_MODERN]);
	config_put(dev, at + VCAP_OFFSET, 4, offset);
	config_put(dev, at + VCAP_LENGTH, 4, len);
}

/* MSI with one message and a 32-bit address: every driver that supports MSI supports this form. */
static void put_msi(struct virtio_dev *dev)
{
	config_put(dev, CAP_MSI, 1, PCI_CAP_MSI);
	config_writable(dev, CAP_MSI + MSI_CTRL, 2, MSI_CTRL_ENABLE);
	config_writable(dev, CAP_MSI + MSI_ADDR, 4, ~3u);
	config_writable(dev, CAP_MSI + MSI_DATA, 2, 0xffff);
}

static void put_caps(struct virtio_dev *dev)
{
	bool modern = IS_ENABLED(CONFIG_VIRTIO_MODERN);
	unsigned bir = bar_index[VIRTIO_BAR_MSIX];

	config_put(dev, CAP_MSIX, 1, PCI_CAP_MSIX);
	config_put(dev, CAP_MSIX + 1, 1, modern ? CAP_COMMON : CAP_MSI);
	config_put(dev, CAP_MSIX + MSIX_CTRL, 2, VIRTIO_MSIX_VECTORS - 1);
	config_put(dev, CAP_MSIX + 4, 4, bir);
	config_put(dev, CAP_MSIX + 8, 4, MSIX_PBA | bir);
	config_writable(dev, CAP_MSIX + MSIX_CTRL, 2, MSIX_CTRL_ENABLE | MSIX_CTRL_FUNC_MASK);
	put_msi(dev);
	if (!modern)
		return;

	put_vendor_cap(dev, CAP_COMMON, CAP_ISR, VIRTIO_CAP_COMMON, BAR4_COMMON, BAR4_PART_SIZE);
	put_vendor_cap(dev, CAP_ISR, CAP_DEVICE, VIRTIO_CAP_ISR, BAR4_ISR, BAR4_PART_SIZE);
	put_vendor_cap(dev, CAP_DEVICE, CAP_NOTIFY, VIRTIO_CAP_DEVICE, BAR4_DEVICE, BAR4_PART_SIZE);
	put_vendor_cap(dev, CAP_NOTIFY, CAP_WINDOW, VIRTIO_CAP_NOTIFY, BAR4_NOTIFY, BAR4_PART_SIZE);
	config_put(dev, CAP_NOTIFY + VCAP_EXTRA, 4, NOTIFY_MULTIPLIER);
	put_vendor_cap(dev, CAP_WINDOW, CAP_MSI, VIRTIO_CAP_PCI, 0, 0);
	config_put(dev, CAP_WINDOW + VCAP_BAR, 1, 0);
	config_writable(dev, CAP_WINDOW + VCAP_BAR, 1, 0xff);
	config_writable(dev, CAP_WINDOW + VCAP_OFFSET, 4, ~0u);
	config_writable(dev, CAP_WINDOW + VCAP_LENGTH, 4, ~0u);
	config_writable(dev, WINDOW_DATA, 4, ~0u);
}

static int make_traps(struct virtio_dev *dev, const struct virtio_place *place)
{
	struct virtio_bar_trap *b = dev->bar;

	for (unsigned i = 0; i < VIRTIO_NBARS; i++)
		b[i].dev = dev;
	if (IS_ENABLED(CONFIG_VIRTIO_LEGACY) && !dev->modern_only) {
		put_bar(dev, VIRTIO_BAR_IO, place->io_base, dev->type->io_size);
		b[VIRTIO_BAR_IO].ops = &virtio_legacy_ops;
		b[VIRTIO_BAR_IO].trap = trap_new_pio(dev->name, dev->type->io_size, &virtio_bar_ops, &b[VIRTIO_BAR_IO]);
		if (!b[VIRTIO_BAR_IO].trap)
			return -ERR_NOMEM;
	}
	put_bar(dev, VIRTIO_BAR_MSIX, place->bar1, VIRTIO_BAR1_SIZE);
	b[VIRTIO_BAR_MSIX].ops = &virtio_msix_ops;
	b[VIRTIO_BAR_MSIX].trap = trap_new_mmio(dev->name, VIRTIO_BAR1_SIZE, &virtio_bar_ops, &b[VIRTIO_BAR_MSIX]);
	if (!b[VIRTIO_BAR_MSIX].trap)
		return -ERR_NOMEM;
	if (IS_ENABLED(CONFIG_VIRTIO_MODERN)) {
		put_bar(dev, VIRTIO_BAR_MODERN, place->bar4, VIRTIO_BAR4_SIZE);
		b[VIRTIO_BAR_MODERN].ops = &virtio_modern_ops;
		b[VIRTIO_BAR_MODERN].trap = trap_new_mmio(dev->name, VIRTIO_BAR4_SIZE, &virtio_bar_ops, &b[VIRTIO_BAR_MODERN]);
		if (!b[VIRTIO_BAR_MODERN].trap)
			return -ERR_NOMEM;
	}
	return 0;
}

int virtio_pci_init(struct virtio_dev *dev, const struct virtio_place *place)
{
	int err;

	if (dev->modern_only && !IS_ENABLED(CONFIG_VIRTIO_MODERN)) {
		log_err("%s: the device must be modern-only, but this build has no modern interface", dev->name);
		return -ERR_NOTSUP;
	}
	put_pci_header(dev, place);
	put_caps(dev);
	err = make_traps(dev, place);
	if (!err)
		err = vpci_set(place->bdf, &config_ops, dev);
	if (err) {
		log_err("%s: no room for its registers (%s)", dev->name, err_name(err));
		return err;
	}
	virtio_pci_place(dev);
	return 0;
}
