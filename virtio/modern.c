/* SPDX-License-Identifier: BSD-2-Clause */
/* The registers of the modern interface: memory in BAR4 (virtio 1.2, 4.1.4.3 to 4.1.4.6).  Their effects are in transport.c. */
#include <veneer/trap.h>
#include "transport.h"

/* The driver may lower a ring's size to any power of two; other values are ignored. */
static void queue_set_size(struct virtq *q, uint16_t n)
{
	if (n && n <= VIRTQ_MAX_SIZE && !(n & (n - 1)) && !q->live)
		q->st.size = n;
}

/* The value of the register that begins at @off; registers of a queue read 0 if the selected queue does not exist. */
static uint64_t queue_get(struct virtio_dev *dev, uint32_t off)
{
	const struct virtq *q = virtio_selected(dev);

	if (!q)
		return off == COMMON_QUEUE_VECTOR ? VIRTIO_NO_VECTOR : 0;
	switch (off) {
	case COMMON_QUEUE_SIZE:
		return q->st.size;
	case COMMON_QUEUE_VECTOR:
		return q->st.vector;
	case COMMON_QUEUE_ENABLE:
		return q->st.enabled;
	case COMMON_QUEUE_NOTIFY_OFF:
		return q->index;
	case COMMON_QUEUE_DESC:
		return q->st.desc;
	case COMMON_QUEUE_DRIVER:
		return q->st.avail;
	case COMMON_QUEUE_DEVICE:
		return q->st.used;
	}
	return 0;
}

static uint64_t common_get(struct virtio_dev *dev, uint32_t off)
{
	const struct virtio_state *st = &dev->st;

	switch (off) {
	case COMMON_DEVICE_FEATURE_SELECT:
		return st->device_select;
	case COMMON_DEVICE_FEATURE:
		return virtio_features_get(dev, st->device_select, false);
	case COMMON_DRIVER_FEATURE_SELECT:
		return st->driver_select;
	case COMMON_DRIVER_FEATURE:
		return st->driver_select < 2 ? (uint32_t)(st->driver_features >> (32 * st->driver_select)) : 0;
	case COMMON_CONFIG_VECTOR:
		return st->config_vector;
	case COMMON_NUM_QUEUES:
		return dev->type->nqueues;
	case COMMON_STATUS:
		return virtio_status_get(dev);
	case COMMON_GENERATION:
		return st->generation;
	case COMMON_QUEUE_SELECT:
		return st->queue_select;
	default:
		return queue_get(dev, off);
	}
}

static void queue_set(struct virtio_dev *dev, uint32_t off, uint64_t v)
{
	struct virtq *q = virtio_selected(dev);

	if (!q)
		return;
	switch (off) {
	case COMMON_QUEUE_SIZE:
		queue_set_size(q, (uint16_t)v);
		break;
	case COMMON_QUEUE_VECTOR:
		q->st.vector = virtio_vector(v & 0xffff);
		break;
	case COMMON_QUEUE_ENABLE:
		if (v & 1)
			virtio_queue_enable(dev, q);
		break;
	case COMMON_QUEUE_DESC:
		q->st.desc = v;
		break;
	case COMMON_QUEUE_DRIVER:
		q->st.avail = v;
		break;
	case COMMON_QUEUE_DEVICE:
		q->st.used = v;
		break;
	}
}

static void common_set(struct virtio_dev *dev, uint32_t off, uint64_t v)
{
	struct virtio_state *st = &dev->st;

	switch (off) {
	case COMMON_DEVICE_FEATURE_SELECT:
		st->device_select = (uint32_t)v;
		break;
	case COMMON_DRIVER_FEATURE_SELECT:
		st->driver_select = (uint32_t)v;
		break;
	case COMMON_DRIVER_FEATURE:
		virtio_features_set(dev, st->driver_select, (uint32_t)v);
		break;
	case COMMON_CONFIG_VECTOR:
		st->config_vector = virtio_vector(v & 0xffff);
		break;
	case COMMON_STATUS:
		virtio_status_set(dev, (uint8_t)v, true);
		break;
	case COMMON_QUEUE_SELECT:
		st->queue_select = (uint16_t)v;
		break;
	default:
		queue_set(dev, off, v);
	}
}

static const uint8_t register_starts[] = {
	COMMON_DEVICE_FEATURE_SELECT, COMMON_DEVICE_FEATURE, COMMON_DRIVER_FEATURE_SELECT, COMMON_DRIVER_FEATURE,
	COMMON_CONFIG_VECTOR, COMMON_NUM_QUEUES, COMMON_STATUS, COMMON_GENERATION, COMMON_QUEUE_SELECT, COMMON_QUEUE_SIZE,
	COMMON_QUEUE_VECTOR, COMMON_QUEUE_ENABLE, COMMON_QUEUE_NOTIFY_OFF, COMMON_QUEUE_DESC, COMMON_QUEUE_DRIVER,
	COMMON_QUEUE_DEVICE,
};

static uint32_t modern_read32(struct virtio_dev *dev, uint32_t off, unsigned width)
{
	uint32_t part = off % BAR4_PART_SIZE, start;

	switch (off - part) {
	case BAR4_COMMON:
		if (part >= COMMON_SIZE)
			return 0;
		start = register_start(register_starts, ARRAY_SIZE(register_starts), part);
		return (uint32_t)(common_get(dev, start) >> (8 * (part - start))) & width_mask(width);
	case BAR4_ISR:
		return part == 0 ? virtio_isr_read(dev) : 0;
	case BAR4_DEVICE:
		return virtio_config_read(dev, part, width);
	default:
		return 0;
	}
}

/*
 * Both the address and the value name the queue.  Some drivers get only one of the two right: kick the queues that either
 * names; a spurious kick is harmless.
 */
static void modern_notify(struct virtio_dev *dev, uint32_t part, unsigned width, uint32_t v)
{
	uint32_t q = part / NOTIFY_MULTIPLIER;

	v &= width == 1 ? 0xff : 0xffff;
	virtio_kick(dev, q);
	if (q == 0 && v != 0)
		virtio_kick(dev, v);
}

static void common_write(struct virtio_dev *dev, uint32_t part, unsigned width, uint32_t v)
{
	uint32_t start;

	if (part >= COMMON_SIZE)
		return;
	start = register_start(register_starts, ARRAY_SIZE(register_starts), part);
	/* The driver writes without having read status 0, so it did not wait for the reset: finish the reset first. */
	if (start != COMMON_STATUS)
		virtio_reset_finish(dev);
	common_set(dev, start, bytes_merge(common_get(dev, start), part - start, width, v));
}

static void modern_write32(struct virtio_dev *dev, uint32_t off, unsigned width, uint32_t v)
{
	uint32_t part = off % BAR4_PART_SIZE;

	switch (off - part) {
	case BAR4_COMMON:
		common_write(dev, part, width, v);
		break;
	case BAR4_DEVICE:
		virtio_config_write(dev, part, width, v);
		break;
	case BAR4_NOTIFY:
		modern_notify(dev, part, width, v);
		break;
	}
}

/* An 8-byte access is two 4-byte accesses, the lower address first. */
static uint64_t modern_read(void *ctx, uint32_t off, unsigned width)
{
	uint64_t v = modern_read32(ctx, off, MIN(width, 4u));

	if (width == 8)
		v |= (uint64_t)modern_read32(ctx, off + 4, 4) << 32;
	return v;
}

static void modern_write(void *ctx, uint32_t off, unsigned width, uint64_t v)
{
	modern_write32(ctx, off, MIN(width, 4u), (uint32_t)v);
	if (width == 8 && off < BAR4_NOTIFY)
		modern_write32(ctx, off + 4, 4, (uint32_t)(v >> 32));
}

const struct trap_ops virtio_modern_ops = { .read = modern_read, .write = modern_write };
