/* SPDX-License-Identifier: BSD-2-Clause */
/* The MSI-X table and its pending bits (PCI 3.0, 6.8.2), in BAR1. */
#include <veneer/msi.h>
#include <veneer/trap.h>
#include "transport.h"

#define TABLE_SIZE	(VIRTIO_MSIX_VECTORS * MSIX_ENTRY_SIZE)

static uint8_t *msix_entry(struct virtio_dev *dev, unsigned vector)
{
	return dev->st.msix + vector * MSIX_ENTRY_SIZE;
}

void virtio_msix_init(struct virtio_dev *dev)
{
	for (unsigned i = 0; i < VIRTIO_MSIX_VECTORS; i++)
		msix_entry(dev, i)[MSIX_ENTRY_CTRL] = MSIX_ENTRY_MASKED;
}

static void msix_send(struct virtio_dev *dev, unsigned vector)
{
	const uint8_t *e = msix_entry(dev, vector);
	uint64_t addr = bytes_get(e, MSIX_ENTRY_SIZE, MSIX_ENTRY_ADDR, 4);

	dev->owner->msi_addr = (uint32_t)addr;
	addr |= (uint64_t)bytes_get(e, MSIX_ENTRY_SIZE, MSIX_ENTRY_ADDR + 4, 4) << 32;
	irq_send_msi(addr, bytes_get(e, MSIX_ENTRY_SIZE, MSIX_ENTRY_DATA, 4));
}

/* True if the vector cannot be sent now: masked by its entry or by the function, or the function is not a bus master. */
static bool msix_held(struct virtio_dev *dev, unsigned vector)
{
	return (virtio_msix_ctrl(dev) & MSIX_CTRL_FUNC_MASK) || !virtio_master_on(dev) ||
	       (msix_entry(dev, vector)[MSIX_ENTRY_CTRL] & MSIX_ENTRY_MASKED);
}

void virtio_msix_raise(struct virtio_dev *dev, uint16_t vector)
{
	if (vector >= VIRTIO_MSIX_VECTORS)
		return;
	if (msix_held(dev, vector))
		dev->st.pba |= (uint8_t)BIT(vector);
	else
		msix_send(dev, vector);
}

void virtio_msix_deliver(struct virtio_dev *dev)
{
	if (!dev->st.pba || !virtio_msix_on(dev))
		return;
	for (unsigned i = 0; i < VIRTIO_MSIX_VECTORS; i++) {
		if (!(dev->st.pba & BIT(i)) || msix_held(dev, i))
			continue;
		dev->st.pba &= (uint8_t)~BIT(i);
		msix_send(dev, i);
	}
}

static uint32_t msix_read32(struct virtio_dev *dev, uint32_t off, unsigned width)
{
	if (off < TABLE_SIZE)
		return bytes_get(dev->st.msix, TABLE_SIZE, off, width);
	if (off >= MSIX_PBA)
		return bytes_get(&dev->st.pba, 1, off - MSIX_PBA, width);
	return 0;
}

static uint64_t msix_read(void *ctx, uint32_t off, unsigned width)
{
	uint64_t v = msix_read32(ctx, off, MIN(width, 4u));

	if (width == 8)
		v |= (uint64_t)msix_read32(ctx, off + 4, 4) << 32;
	return v;
}

static void msix_write32(struct virtio_dev *dev, uint32_t off, unsigned width, uint32_t v)
{
	if (off >= TABLE_SIZE)
		return;
	bytes_set(dev->st.msix, TABLE_SIZE, off, width, v);
	/* Of the vector control word only the mask bit is implemented. */
	for (unsigned i = 0; i < VIRTIO_MSIX_VECTORS; i++) {
		uint8_t *ctrl = msix_entry(dev, i) + MSIX_ENTRY_CTRL;

		ctrl[0] &= MSIX_ENTRY_MASKED;
		ctrl[1] = ctrl[2] = ctrl[3] = 0;
	}
}

static void msix_write(void *ctx, uint32_t off, unsigned width, uint64_t v)
{
	msix_write32(ctx, off, MIN(width, 4u), (uint32_t)v);
	if (width == 8)
		msix_write32(ctx, off + 4, 4, (uint32_t)(v >> 32));
	virtio_msix_deliver(ctx);
}

const struct trap_ops virtio_msix_ops = { .read = msix_read, .write = msix_write };
