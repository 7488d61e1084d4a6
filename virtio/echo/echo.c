/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio-echo, the null device (CONFIG_VIRTIO_ECHO): one queue, whose chains complete at once.  The readable bytes of a chain
 * are copied to its writable ones, as many as both have, and 64 KiB at most: a run is bounded.  There is no hardware behind:
 * what a request costs here is the cost of the ring, the transport and the exits alone.  Modern interface only, no features of
 * its own, no configuration space.
 */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/sg.h>
#include <veneer/string.h>
#include "echo.h"

#define CLASS_OTHER	0xff0000u
#define MOST		65536u	/* bytes of a chain that are copied */

static void echo_chain(struct virtq *q, const struct virtq_chain *c)
{
	uint64_t want = MIN(MIN(c->out_len, c->in_len), (uint64_t)MOST), done = 0;
	uint8_t part[64];

	while (done < want) {
		uint64_t n = MIN(want - done, (uint64_t)sizeof(part));

		sg_copy_from(c->out, c->nout, done, part, n);
		done += sg_copy_to(c->in, c->nin, done, part, n);
	}
	virtq_push(q, c->head, (uint32_t)done);
}

static void echo_run(struct virtio_dev *dev, unsigned index)
{
	struct virtq *q = &dev->vq[index];
	unsigned left = VIRTIO_RUN_MAX;

	do {
		while (left && virtq_pop(q, &q->chain)) {
			echo_chain(q, &q->chain);
			left--;
		}
	} while (left && virtq_kicks_on(q));
	if (!left)
		virtio_run_again(dev, index);
	virtq_flush(q);
}

static int echo_start(struct virtio_dev *dev) { return 0; }
static void echo_stop(struct virtio_dev *dev, bool patient) { }
static void echo_reset(struct virtio_dev *dev) { }
static bool echo_busy(struct virtio_dev *dev) { return false; }
static void echo_config_write(struct virtio_dev *dev, uint32_t off, unsigned width, uint32_t v) { }

static const struct virtio_type echo_type = {
	.id = VIRTIO_ID_ECHO,
	.class_code = CLASS_OTHER,
	.nqueues = 1,
	.io_size = VIRTIO_BAR0_SIZE_NET,
	.start = echo_start,
	.stop = echo_stop,
	.reset = echo_reset,
	.run = echo_run,
	.busy = echo_busy,
	.config_write = echo_config_write,
};

struct virtio_dev *virtio_echo_new(const char *name, const struct virtio_place *place)
{
	struct vecho *e = mem_alloc(sizeof(*e), 64);

	if (!e)
		goto fail;
	e->dev.type = &echo_type;
	e->dev.vq = &e->vq;
	if (virtio_dev_init(&e->dev, name, place))
		goto fail_echo;
	return &e->dev;

fail_echo:
	mem_free(e);
fail:
	log_err("%s: cannot make the virtio-echo device", name);
	return NULL;
}
