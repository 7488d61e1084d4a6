/* SPDX-License-Identifier: BSD-2-Clause */
/* Register accesses of the guest, one processor at a time: each takes the controller's ownership first.  Kicks do not. */
#include <veneer/trap.h>
#include "transport.h"

static uint64_t bar_read(void *ctx, uint32_t off, unsigned width)
{
	struct virtio_bar_trap *b = ctx;

	owner_acquire(b->dev->owner);
	uint64_t v = b->ops->read(b->dev, off, width);
	owner_release(b->dev->owner);
	return v;
}

/* True for the notify registers: they have no state, so a kick needs no ownership. */
static bool is_kick(const struct virtio_bar_trap *b, uint32_t off)
{
	if (IS_ENABLED(CONFIG_VIRTIO_MODERN) && b->ops == &virtio_modern_ops)
		return off >= BAR4_NOTIFY;
	return IS_ENABLED(CONFIG_VIRTIO_LEGACY) && b->ops == &virtio_legacy_ops && off == LEGACY_QUEUE_NOTIFY;
}

static void bar_write(void *ctx, uint32_t off, unsigned width, uint64_t v)
{
	struct virtio_bar_trap *b = ctx;

	if (is_kick(b, off)) {
		b->ops->write(b->dev, off, width, v);
		return;
	}
	owner_acquire(b->dev->owner);
	b->ops->write(b->dev, off, width, v);
	owner_release(b->dev->owner);
}

const struct trap_ops virtio_bar_ops = { .read = bar_read, .write = bar_write, .concurrent = true };
