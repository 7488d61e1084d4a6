/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the legacy and the modern PCI transport share: status, features, queues, interrupts, reset.  The registers
 * themselves are in legacy.c and modern.c.
 */
#include <veneer/counters.h>
#include <veneer/doorbell.h>
#include <veneer/err.h>
#include <veneer/intx.h>
#include <veneer/log.h>
#include <veneer/pci.h>
#include <veneer/string.h>
#include "transport.h"

uint32_t bytes_get(const uint8_t *buf, uint32_t size, uint32_t off, unsigned width)
{
	uint32_t v = 0;

	for (unsigned i = 0; i < width && i < 4; i++)
		if (off + i < size)
			v |= (uint32_t)buf[off + i] << (8 * i);
	return v;
}

void bytes_set(uint8_t *buf, uint32_t size, uint32_t off, unsigned width, uint32_t v)
{
	for (unsigned i = 0; i < width && i < 4; i++)
		if (off + i < size)
			buf[off + i] = (uint8_t)(v >> (8 * i));
}

uint64_t bytes_merge(uint64_t old, unsigned shift, unsigned width, uint64_t v)
{
	uint64_t mask = (width >= 8 ? ~0ull : BIT64(8 * width) - 1) << (8 * shift);

	return (old & ~mask) | ((v << (8 * shift)) & mask);
}

/* --- interrupts --- */

void virtio_intx_update(struct virtio_dev *dev)
{
	bool off = virtio_message_on(dev) || (virtio_pci_command(dev) & PCI_CMD_INTX_OFF);
	enum intx_state state = off ? INTX_OFF : dev->st.isr ? INTX_HIGH : INTX_LOW;

	if (state == dev->intx_state)
		return;
	dev->intx_state = state;
	if (dev->intx)
		dev->intx(dev->intx_ctx, state);
}

void virtio_interrupt(struct virtio_dev *dev, uint16_t vector, uint8_t isr)
{
	if (virtio_msix_on(dev)) {
		virtio_msix_raise(dev, vector);
		return;
	}
	dev->st.isr |= isr;
	if (virtio_msi_on(dev))
		virtio_msi_raise(dev);
	else
		virtio_intx_update(dev);
}

uint8_t virtio_isr_read(struct virtio_dev *dev)
{
	uint8_t v = dev->st.isr;

	dev->st.isr = 0;
	virtio_intx_update(dev);
	return v;
}

static void queue_interrupt(struct virtq *q)
{
	virtio_interrupt(q->dev, q->st.vector, VIRTIO_ISR_QUEUE);
}

static void config_interrupt(struct virtio_dev *dev)
{
	dev->cnt_config_interrupts++;
	virtio_interrupt(dev, dev->st.config_vector, VIRTIO_ISR_CONFIG);
}

void virtio_config_changed(struct virtio_dev *dev)
{
	dev->st.generation++;
	if (dev->st.running && !dev->broken)
		config_interrupt(dev);
}

/* --- errors --- */

/* 2.1.2: set DEVICE_NEEDS_RESET, and send a configuration interrupt if the driver has set DRIVER_OK. */
void virtio_needs_reset(struct virtio_dev *dev, const char *why)
{
	if (dev->broken)
		return;
	dev->broken = true;
	dev->cnt_violations++;
	if (virtio_may_complain(dev))
		log_err("%s: stopped until the guest resets it: %s", dev->name, why);
	for (unsigned i = 0; i < dev->type->nqueues; i++) {
		dev->vq[i].live = false;
		dev->vq[i].avail_idx = dev->vq[i].st.last_avail;
	}
	dev->st.status |= VIRTIO_STATUS_NEEDS_RESET;
	if (dev->st.status & VIRTIO_STATUS_DRIVER_OK)
		config_interrupt(dev);
}

static void queue_broken(struct virtq *q, const char *why)
{
	char line[96];

	fmt_string(line, sizeof(line), "queue %u: %s", q->index, why);
	virtio_needs_reset(q->dev, line);
}

static const struct virtq_host queue_host = { .broken = queue_broken, .interrupt = queue_interrupt };

/* --- features --- */

uint32_t virtio_features_get(const struct virtio_dev *dev, unsigned window, bool legacy)
{
	uint64_t f = dev->offered;

	if (!legacy)
		f &= ~VIRTIO_F_ANY_LAYOUT;
	return window < 2 ? (uint32_t)(f >> (32 * window)) : 0;
}

void virtio_features_set(struct virtio_dev *dev, unsigned window, uint32_t v)
{
	uint64_t all;

	if (window >= 2)
		return;
	all = bytes_merge(dev->st.driver_features | dev->st.refused, 4 * window, 4, v);
	dev->st.driver_features = all & dev->offered;
	dev->st.refused = all & ~dev->offered;
}

/* --- start, stop, reset --- */

static bool queue_start(struct virtio_dev *dev, struct virtq *q)
{
	return virtq_start(q, virtio_has(dev, VIRTIO_F_EVENT_IDX));
}

void virtio_start(struct virtio_dev *dev)
{
	unsigned n = dev->type->nqueues;

	for (unsigned i = 0; i < n; i++)
		if (dev->vq[i].st.enabled && !queue_start(dev, &dev->vq[i]))
			return;
	if (dev->type->start(dev) < 0) {
		virtio_needs_reset(dev, "the hardware did not start");
		return;
	}
	dev->st.running = true;
	for (unsigned i = 0; i < n && !dev->broken; i++)
		dev->type->run(dev, i);
}

/* The device has stopped: it no longer accesses the guest's memory. */
static void reset_done(struct virtio_dev *dev)
{
	struct virtio_state *st = &dev->st;

	/* Doorbell NMIs may still be on their way for work that the stop has discarded. */
	doorbell_credit(dev->owner, 2);
	dev->resetting = false;
	dev->resting = false;
	dev->broken = false;
	st->driver_features = st->refused = 0;
	st->device_select = st->driver_select = 0;
	st->queue_select = 0;
	st->config_vector = VIRTIO_NO_VECTOR;
	st->isr = 0;
	st->pba = 0;
	st->msi_held = false;
	for (unsigned i = 0; i < dev->type->nqueues; i++)
		virtq_reset(&dev->vq[i]);
	dev->type->reset(dev);
	virtio_intx_update(dev);
	st->status = 0;
}

static bool device_stopped(struct virtio_dev *dev)
{
	return !dev->type->stopped || dev->type->stopped(dev);
}

static void reset_begin(struct virtio_dev *dev, bool patient)
{
	bool was_running = dev->st.running;

	dev->cnt_resets++;
	if (was_running && !dev->resting)
		dev->type->stop(dev, patient);
	dev->st.running = false;
	for (unsigned i = 0; i < dev->type->nqueues; i++)
		dev->vq[i].live = false;
	dev->resetting = patient && was_running && !dev->resting && !device_stopped(dev);
	if (!dev->resetting)
		reset_done(dev);
}

void virtio_reset_finish(struct virtio_dev *dev)
{
	if (!dev->resetting)
		return;
	if (!device_stopped(dev))
		dev->type->stop(dev, false);
	reset_done(dev);
}

void virtio_reset(struct virtio_dev *dev)
{
	if (dev->resetting)
		virtio_reset_finish(dev);
	else
		reset_begin(dev, false);
}

uint8_t virtio_status_get(struct virtio_dev *dev)
{
	if (dev->resetting && device_stopped(dev))
		reset_done(dev);
	return dev->st.status;
}

/* True if this status comes from a new driver that did not reset the device, as after a soft reboot. */
static bool starts_over(uint8_t before, uint8_t now)
{
	return (before & VIRTIO_STATUS_DRIVER_OK) && !(now & (VIRTIO_STATUS_DRIVER_OK | VIRTIO_STATUS_FAILED));
}

/*
 * Accept the bits in any order, also written one at a time (1, 2, 4).  FEATURES_OK stays 0 if the driver accepted a feature
 * that was not offered (2.2.2); VERSION_1 is not required.
 */
void virtio_status_set(struct virtio_dev *dev, uint8_t v, bool patient)
{
	struct virtio_state *st = &dev->st;

	if (!v && !dev->resetting) {
		reset_begin(dev, patient);
		return;
	}
	if (!v && patient) {
		(void)virtio_status_get(dev);
		return;
	}
	virtio_reset_finish(dev);
	if (!v)
		return;
	if (starts_over(st->status, v))
		virtio_reset(dev);
	if ((v & VIRTIO_STATUS_FEATURES_OK) && st->refused) {
		if (virtio_may_complain(dev))
			log_warn("%s: the guest took features that are not offered: %#llx", dev->name,
				 (unsigned long long)st->refused);
		v &= (uint8_t)~VIRTIO_STATUS_FEATURES_OK;
	}
	st->status = v | (st->status & VIRTIO_STATUS_NEEDS_RESET);
	if ((v & VIRTIO_STATUS_DRIVER_OK) && !st->running && !dev->broken)
		virtio_start(dev);
}

/* --- queues --- */

struct virtq *virtio_selected(struct virtio_dev *dev)
{
	return dev->st.queue_select < dev->type->nqueues ? &dev->vq[dev->st.queue_select] : NULL;
}

void virtio_queue_enable(struct virtio_dev *dev, struct virtq *q)
{
	q->st.enabled = true;
	if (!dev->st.running || dev->broken || q->live)
		return;
	if (queue_start(dev, q))
		dev->type->run(dev, q->index);
}


void virtio_kick(struct virtio_dev *dev, unsigned index)
{
	counter_add(&dev->cnt_kicks, 1);
	if (index >= dev->type->nqueues)
		return;
	owner_post(dev->owner, &dev->kicks, BIT(index));
	owner_traffic(dev->owner);
}

/* Posted by the owner itself: others that wait for it have their turn first. */
void virtio_run_again(struct virtio_dev *dev, unsigned index)
{
	owner_post(dev->owner, &dev->kicks, BIT(index));
}

/*
 * Drivers older than virtio 1.0 send requests before they set DRIVER_OK (3.1.2): Linux before 3.17 reads the partition table,
 * FreeBSD before 10 the serial number.  The first kick of such a queue starts the device.
 */
void virtio_kick_legacy(struct virtio_dev *dev, unsigned index)
{
	if (index < dev->type->nqueues)
		__atomic_fetch_or(&dev->legacy_kicks, BIT(index), __ATOMIC_SEQ_CST);
	virtio_kick(dev, index);
}

static void start_early(struct virtio_dev *dev, unsigned index)
{
	const struct virtio_state *st = &dev->st;

	if ((dev->type->early & BIT(index)) && dev->vq[index].st.enabled && st->status && !st->running && !dev->broken &&
	    !dev->resetting)
		virtio_start(dev);
}

/* As owner: run each kicked queue once, no matter how many kicks came. */
static void run_kicked(void *ctx, uint32_t bits)
{
	struct virtio_dev *dev = ctx;
	uint32_t legacy = __atomic_load_n(&dev->legacy_kicks, __ATOMIC_RELAXED);

	if (legacy)
		legacy = __atomic_exchange_n(&dev->legacy_kicks, 0, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < dev->type->nqueues; i++) {
		if (legacy & BIT(i))
			start_early(dev, i);
		if ((bits & BIT(i)) && dev->vq[i].live && dev->st.running)
			dev->type->run(dev, i);
	}
}

/*
 * For the polling core.  An INTx line's state changes by registers of the guest's interrupt controllers, which exit: leave such
 * a device to its doorbell.
 */
static uint32_t peek_kicks(void *ctx, bool *busy)
{
	struct virtio_dev *dev = ctx;
	uint32_t bits = 0;

	if (!dev->st.running)
		return 0;
	if (!virtio_message_on(dev))
		return OWNER_NO;
	for (unsigned i = 0; i < dev->type->nqueues; i++)
		if (virtq_peek(&dev->vq[i]))
			bits |= BIT(i);
	*busy |= dev->type->busy(dev);
	return bits;
}

/* 4.1.5.1.2: a vector that does not exist reads back as NO_VECTOR. */
uint16_t virtio_vector(uint32_t v)
{
	return (uint16_t)(v < VIRTIO_MSIX_VECTORS ? v : VIRTIO_NO_VECTOR);
}

/* --- device configuration --- */

uint32_t virtio_config_read(struct virtio_dev *dev, uint32_t off, unsigned width)
{
	if (dev->type->config_refresh)
		dev->type->config_refresh(dev);
	return bytes_get(dev->st.cfg, dev->type->cfg_len, off, width);
}

void virtio_config_write(struct virtio_dev *dev, uint32_t off, unsigned width, uint32_t v)
{
	if (off < dev->type->cfg_len)
		dev->type->config_write(dev, off, width, v);
}

/* --- start --- */

static void device_counters(struct virtio_dev *dev)
{
	static const char *const interrupts[VIRTIO_MAX_QUEUES] = { "q0_interrupts", "q1_interrupts", "q2_interrupts" };

	counter_register(dev->name, "kicks", &dev->cnt_kicks);
	counter_register(dev->name, "resets", &dev->cnt_resets);
	counter_register(dev->name, "violations", &dev->cnt_violations);
	counter_register(dev->name, "config_interrupts", &dev->cnt_config_interrupts);
	for (unsigned i = 0; i < dev->type->nqueues; i++)
		counter_register(dev->name, interrupts[i], &dev->vq[i].cnt_interrupts);
}

int virtio_dev_init(struct virtio_dev *dev, const char *name, const struct virtio_place *place)
{
	int err;

	dev->name = name;
	dev->bdf = place->bdf;
	dev->owner = place->owner;
	dev->intx = place->int_pin ? place->intx : NULL;
	dev->intx_ctx = place->intx_ctx;
	dev->intx_state = INTX_LOW;
	dev->modern_only = place->modern_only || !IS_ENABLED(CONFIG_VIRTIO_LEGACY);
	dev->st.config_vector = VIRTIO_NO_VECTOR;
	dev->offered |= VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX;
	if (!dev->modern_only)
		dev->offered |= VIRTIO_F_ANY_LAYOUT;
	if (IS_ENABLED(CONFIG_VIRTIO_MODERN))
		dev->offered |= VIRTIO_F_VERSION_1;
	for (unsigned i = 0; i < dev->type->nqueues; i++) {
		dev->vq[i].host = &queue_host;
		dev->vq[i].dev = dev;
		dev->vq[i].index = i;
		dev->vq[i].polled = &dev->owner->polled;
		virtq_reset(&dev->vq[i]);
	}
	virtio_msix_init(dev);
	dev->type->reset(dev);
	err = virtio_pci_init(dev, place);
	if (err)
		return err;
	dev->kicks.run = run_kicked;
	dev->kicks.ctx = dev;
	dev->kicks.nbits = (uint8_t)dev->type->nqueues;
	dev->kicks.peek = peek_kicks;
	dev->kicks.all = BIT(dev->type->nqueues) - 1;
	owner_add(dev->owner, &dev->kicks);
	virtio_intx_update(dev);
	device_counters(dev);
	return 0;
}
