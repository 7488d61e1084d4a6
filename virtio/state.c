/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A device's state as plain data: bring the device to rest, save, check, load, go on (contract in transport.h).  The types' own
 * parts are in net/state.c and blk/state.c; the file around the data is hv/state's.
 */
#include <veneer/doorbell.h>
#include <veneer/string.h>
#include <veneer/time.h>
#include "transport.h"

/* --- rest and go on --- */

/*
 * What is pushed is published first: a queue that turns out to be bad ends all of them.  What a device that is broken did not
 * publish the guest never sees, for it has to reset the device.
 */
static void queues_rest(struct virtio_dev *dev)
{
	unsigned n = dev->type->nqueues;

	for (unsigned i = 0; i < n; i++)
		virtq_flush(&dev->vq[i]);
	for (unsigned i = 0; i < n; i++) {
		const char *bad = dev->vq[i].live ? virtq_rings_bad(&dev->vq[i].st) : NULL;

		/* The next run would find it; a state with such a queue is refused. */
		if (bad)
			virtio_needs_reset(dev, bad);
	}
	for (unsigned i = 0; i < n; i++) {
		struct virtq *q = &dev->vq[i];

		q->live = false;
		q->avail_idx = q->st.last_avail;
		if (dev->broken)
			q->st.used_idx = q->st.published;
	}
}

void virtio_rest(struct virtio_dev *dev, uint32_t us)
{
	uint64_t end = time_us() + us;
	unsigned n = 0;

	virtio_reset_finish(dev);
	if (!dev->st.running || dev->resting)
		return;
	if (us && !dev->broken)
		dev->state->drain(dev);
	/* Poll once at least: the NIC's stop would lose frames that have been received already. */
	for (;;) {
		n += dev->state->poll(dev);
		if (dev->broken || time_us() >= end)
			break;
		dev->state->drain(dev);
		if (!dev->type->busy(dev))
			break;
		delay_us(1);
	}
	dev->state->halt(dev);
	/* NMIs may still be on their way, for what this poll has found and for what the halt has discarded. */
	doorbell_credit(dev->owner, n + 2);
	queues_rest(dev);
	/* A device that waits for the guest's reset does not go on. */
	dev->st.running = !dev->broken;
	dev->resting = !dev->broken;
}

/* A driver that has switched interrupts off by the flag looks at the ring after it has switched them on. */
static bool wants_interrupt(const struct virtq *q)
{
	return q->live && (q->event_idx || !(*(const volatile uint16_t *)&q->avail->flags & VRING_AVAIL_NO_INTERRUPT));
}

void virtio_go_on(struct virtio_dev *dev)
{
	uint8_t cfg[VIRTIO_CFG_MAX];

	if (!dev->resting)
		return;
	dev->resting = false;
	dev->st.running = false;
	memcpy(cfg, dev->st.cfg, sizeof(cfg));
	for (unsigned i = 0; i < dev->type->nqueues; i++)
		virtq_carry(&dev->vq[i]);
	virtio_start(dev);
	if (dev->broken)
		return;
	doorbell_credit(dev->owner, dev->state->poll(dev) + 1);
	if (memcmp(cfg, dev->st.cfg, sizeof(cfg)))
		virtio_config_changed(dev);
	for (unsigned i = 0; i < dev->type->nqueues; i++)
		if (wants_interrupt(&dev->vq[i]))
			virtio_interrupt(dev, dev->vq[i].st.vector, VIRTIO_ISR_QUEUE);
	virtio_msix_deliver(dev);
}

/* --- save and load --- */

void virtio_save(const struct virtio_dev *dev, struct virtio_image *out)
{
	memset(out, 0, sizeof(*out));
	out->version = VIRTIO_IMAGE_VERSION;
	out->id = dev->type->id;
	out->nqueues = (uint16_t)dev->type->nqueues;
	out->dev = dev->st;
	for (unsigned i = 0; i < dev->type->nqueues; i++) {
		out->q[i] = dev->vq[i].st;
		for (unsigned head = 0; head < VIRTQ_MAX_SIZE; head++)
			out->q[i].busy[head] = out->q[i].busy[head] != 0;
	}
	memcpy(out->type, dev->type_state, dev->state->size);
}

static const char *pci_bad(const struct virtio_dev *dev, const struct virtio_state *st)
{
	for (unsigned i = 0; i < sizeof(st->pci); i++)
		if ((st->pci[i] ^ dev->st.pci[i]) & ~dev->pci_mask[i])
			return "the configuration space is another device's";
	for (unsigned i = 0; i < VIRTIO_MSIX_VECTORS; i++) {
		const uint8_t *control = st->msix + i * MSIX_ENTRY_SIZE + MSIX_ENTRY_CTRL;

		if ((control[0] & ~MSIX_ENTRY_MASKED) || !all_zero(control + 1, 3))
			return "an MSI-X entry with unknown bits";
	}
	return NULL;
}

static const char *registers_bad(const struct virtio_dev *dev, const struct virtio_state *st)
{
	unsigned cfg_len = dev->type->cfg_len;

	if ((st->driver_features & ~dev->offered) || (st->refused & dev->offered))
		return "the driver accepted features that this device does not offer";
	if (virtio_vector(st->config_vector) != st->config_vector || st->pba >= BIT(VIRTIO_MSIX_VECTORS))
		return "an MSI-X vector that does not exist";
	if ((st->isr & ~(VIRTIO_ISR_QUEUE | VIRTIO_ISR_CONFIG)) || st->msi_held > 1 || st->running > 1)
		return "an impossible register";
	if (st->running && (st->status & VIRTIO_STATUS_NEEDS_RESET))
		return "a device that runs and needs a reset";
	if (!all_zero(st->pad, sizeof(st->pad)) || !all_zero(st->cfg + cfg_len, sizeof(st->cfg) - cfg_len))
		return "bytes that are not in use";
	return pci_bad(dev, st);
}

static const char *queue_bad(const struct virtio_state *st, const struct virtq_state *q)
{
	bool busy = false;

	if (!q->size || q->size > VIRTQ_MAX_SIZE || (q->size & (q->size - 1)))
		return "an impossible queue size";
	if (virtio_vector(q->vector) != q->vector)
		return "an MSI-X vector that does not exist";
	if (q->enabled > 1 || !all_zero(q->pad, sizeof(q->pad)))
		return "an impossible register of a queue";
	if (q->published != q->used_idx)
		return "used entries that were not published";
	for (unsigned head = 0; head < VIRTQ_MAX_SIZE; head++) {
		if (q->busy[head] > (head < q->size))
			return "a busy chain outside the queue";
		busy |= q->busy[head];
	}
	if (busy && (!st->running || !q->enabled) && !(st->status & VIRTIO_STATUS_NEEDS_RESET))
		return "a busy chain in a queue that does not run";
	return st->running && q->enabled && state_has_ram() ? virtq_rings_bad(q) : NULL;
}

const char *virtio_image_bad(const struct virtio_dev *dev, const struct virtio_image *in)
{
	const char *bad;

	if (in->version != VIRTIO_IMAGE_VERSION)
		return "an unknown version";
	if (in->id != dev->type->id || in->nqueues != dev->type->nqueues)
		return "another type of device";
	bad = registers_bad(dev, &in->dev);
	for (unsigned i = 0; i < in->nqueues && !bad; i++)
		bad = queue_bad(&in->dev, &in->q[i]);
	if (bad)
		return bad;
	if (!all_zero(&in->q[in->nqueues], (VIRTIO_MAX_QUEUES - in->nqueues) * sizeof(in->q[0])) ||
	    !all_zero(in->type + dev->state->size, sizeof(in->type) - dev->state->size))
		return "bytes that are not in use";
	return dev->state->check(dev, in);
}

void virtio_load(struct virtio_dev *dev, const struct virtio_image *in)
{
	dev->st = in->dev;
	for (unsigned i = 0; i < dev->type->nqueues; i++) {
		virtq_reset(&dev->vq[i]);
		dev->vq[i].st = in->q[i];
	}
	memcpy(dev->type_state, in->type, dev->state->size);
	dev->broken = dev->st.status & VIRTIO_STATUS_NEEDS_RESET;
	dev->resting = dev->st.running;
	virtio_pci_place(dev);
	virtio_intx_update(dev);
}

/* --- as a part of <veneer/state.h> --- */

static void part_rest(void *ctx, uint32_t us)
{
	virtio_rest(ctx, us);
}

static void part_save(void *ctx, void *to)
{
	virtio_save(ctx, to);
}

static const char *part_bad(void *ctx, const void *from)
{
	return virtio_image_bad(ctx, from);
}

static void part_load(void *ctx, const void *from)
{
	virtio_load(ctx, from);
}

/* The BARs decode nothing, so that the load has to place them.  What does not belong to the guest stays: loads compare it. */
static void part_scribble(void *ctx)
{
	struct virtio_dev *dev = ctx;
	struct virtio_state old = dev->st;

	memset(dev->st.pci + PCI_COMMAND, 0, 2);
	virtio_pci_place(dev);
	memset(&dev->st, 0xa5, sizeof(dev->st));
	memcpy(dev->st.pci, old.pci, sizeof(old.pci));
	memcpy(dev->st.cfg, old.cfg, sizeof(old.cfg));
	for (unsigned i = 0; i < dev->type->nqueues; i++)
		memset(&dev->vq[i].st, 0xa5, sizeof(dev->vq[i].st));
}

static void part_go_on(void *ctx)
{
	virtio_go_on(ctx);
}

static const struct state_ops part_ops = {
	.rest = part_rest,
	.save = part_save,
	.bad = part_bad,
	.load = part_load,
	.scribble = IS_ENABLED(CONFIG_STATE_TEST) ? part_scribble : NULL,
	.go_on = part_go_on,
};

void virtio_keep(struct virtio_dev *dev, const struct virtio_state_ops *ops)
{
	dev->state = ops;
	dev->part = (struct state_part){
		.name = dev->name, .version = VIRTIO_IMAGE_VERSION, .size = sizeof(struct virtio_image), .owner = dev->owner,
		.ops = &part_ops, .ctx = dev,
	};
	state_add(&dev->part);
}
