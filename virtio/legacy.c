/* SPDX-License-Identifier: BSD-2-Clause */
/* The registers of the legacy interface: I/O ports in BAR0 (virtio 1.2, 4.1.4.10).  Their effects are in transport.c. */
#include <veneer/log.h>
#include <veneer/trap.h>
#include "transport.h"

static uint32_t config_base(const struct virtio_dev *dev)
{
	return virtio_msix_on(dev) ? LEGACY_CONFIG_MSIX : LEGACY_CONFIG;
}

/* 2.7.2: the three rings are contiguous; the used ring begins at the next multiple of the alignment. */
static void legacy_set_pfn(struct virtio_dev *dev, uint32_t pfn)
{
	struct virtq *q = virtio_selected(dev);

	if (!q)
		return;
	if (!pfn && (q->live || (dev->st.running && q->st.enabled))) {
		/*
		 * The driver takes its ring back without a reset: stop the device, so that nothing writes there any more.  A
		 * device that needs a reset has no live queue, but its hardware goes on.
		 */
		virtio_reset(dev);
		return;
	}
	if (q->live)
		return;
	q->st.desc = (uint64_t)pfn * VRING_LEGACY_ALIGN;
	q->st.avail = q->st.desc + (uint64_t)q->st.size * sizeof(struct vring_desc);
	q->st.used = ALIGN_UP(q->st.avail + sizeof(struct vring_avail) + (q->st.size + 1u) * sizeof(uint16_t),
			      VRING_LEGACY_ALIGN);
	q->st.enabled = 0;
	if (pfn)
		virtio_queue_enable(dev, q);
}

/* The value of the register that begins at @off; 0 if no register begins there. */
static uint32_t legacy_get(struct virtio_dev *dev, uint32_t off)
{
	struct virtq *q = virtio_selected(dev);

	switch (off) {
	case LEGACY_DEVICE_FEATURES:
		return virtio_features_get(dev, 0, true);
	case LEGACY_DRIVER_FEATURES:
		return (uint32_t)dev->st.driver_features;
	case LEGACY_QUEUE_PFN:
		return q ? (uint32_t)(q->st.desc / VRING_LEGACY_ALIGN) : 0;
	case LEGACY_QUEUE_SIZE:
		return q ? q->st.size : 0;
	case LEGACY_QUEUE_SELECT:
		return dev->st.queue_select;
	case LEGACY_STATUS:
		return virtio_status_get(dev);
	case LEGACY_ISR:
		return virtio_isr_read(dev);
	case LEGACY_CONFIG_VECTOR:
		return dev->st.config_vector;
	case LEGACY_QUEUE_VECTOR:
		return q ? q->st.vector : VIRTIO_NO_VECTOR;
	default:
		return 0;
	}
}

/*
 * Old drivers (Linux before 2.6.34) never set the bus master bit.  They were written against a device that sets the bit for the
 * driver when DRIVER is written; a driver that writes its bits one at a time may have nothing but DRIVER_OK.
 */
static bool driver_begins(const struct virtio_dev *dev, uint8_t v)
{
	if (v & VIRTIO_STATUS_FAILED)
		return false;
	if (v & VIRTIO_STATUS_DRIVER_OK)
		return !(dev->st.status & VIRTIO_STATUS_DRIVER_OK);
	return v & VIRTIO_STATUS_DRIVER;
}

static void legacy_set_status(struct virtio_dev *dev, uint8_t v)
{
	if (driver_begins(dev, v))
		virtio_master_set(dev);
	virtio_status_set(dev, v, false);
}

static void legacy_set(struct virtio_dev *dev, uint32_t off, uint32_t v)
{
	struct virtq *q = virtio_selected(dev);

	switch (off) {
	case LEGACY_DRIVER_FEATURES:
		virtio_features_set(dev, 0, v);
		break;
	case LEGACY_QUEUE_PFN:
		legacy_set_pfn(dev, v);
		break;
	case LEGACY_QUEUE_SELECT:
		dev->st.queue_select = (uint16_t)v;
		break;
	case LEGACY_QUEUE_NOTIFY:
		virtio_kick_legacy(dev, v & 0xffff);
		break;
	case LEGACY_STATUS:
		legacy_set_status(dev, (uint8_t)v);
		break;
	case LEGACY_CONFIG_VECTOR:
		dev->st.config_vector = virtio_vector(v & 0xffff);
		break;
	case LEGACY_QUEUE_VECTOR:
		if (q)
			q->st.vector = virtio_vector(v & 0xffff);
		break;
	}
}

static const uint8_t register_starts[] = {
	LEGACY_DEVICE_FEATURES, LEGACY_DRIVER_FEATURES, LEGACY_QUEUE_PFN, LEGACY_QUEUE_SIZE, LEGACY_QUEUE_SELECT,
	LEGACY_QUEUE_NOTIFY, LEGACY_STATUS, LEGACY_ISR, LEGACY_CONFIG_VECTOR, LEGACY_QUEUE_VECTOR,
};

static uint64_t legacy_read(void *ctx, uint32_t off, unsigned width)
{
	struct virtio_dev *dev = ctx;
	uint32_t start;

	if (off >= config_base(dev))
		return virtio_config_read(dev, off - config_base(dev), width);
	start = register_start(register_starts, ARRAY_SIZE(register_starts), off);
	return legacy_get(dev, start) >> (8 * (off - start)) & width_mask(width);
}

static void legacy_write(void *ctx, uint32_t off, unsigned width, uint64_t v)
{
	struct virtio_dev *dev = ctx;
	uint32_t start = register_start(register_starts, ARRAY_SIZE(register_starts), off);

	if (start != LEGACY_QUEUE_NOTIFY)	/* a kick comes without ownership of the device */
		virtio_reset_finish(dev);
	if (off >= config_base(dev))
		virtio_config_write(dev, off - config_base(dev), width, (uint32_t)v);
	else if (off == start && (off == LEGACY_QUEUE_NOTIFY || width >= 4))
		legacy_set(dev, off, (uint32_t)(v & width_mask(width)));
	else if (start != LEGACY_ISR)
		legacy_set(dev, start, (uint32_t)bytes_merge(legacy_get(dev, start), off - start, width, v));
}

const struct trap_ops virtio_legacy_ops = { .read = legacy_read, .write = legacy_write };
