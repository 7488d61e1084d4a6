/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: virtio/transport.c virtio/pci_config.c virtio/msix.c virtio/legacy.c virtio/modern.c virtio/queue.c hv/lib/sg.c */
/* sources: tests/unit/host/twin.c virtio/access.c tests/fuzz/lib/fuzz.c */
/* quick: 6000 */
/*
 * Virtqueues and the transport, both interfaces.  The device type behind them reads and writes all that a chain names, keeps
 * some chains back, and refuses to start or stops late now and then.
 */
#include <veneer/err.h>
#include <veneer/gmem.h>
#include "virtio/transport.h"
#include "virtio_ops.h"

static struct virtio_dev dev;
static struct virtq vqs[2];
static uint16_t kept[2][8];
static unsigned nkept[2];
static bool slow, refuse, running;

static int on_start(struct virtio_dev *d)
{
	CHECK(!running);
	running = !refuse;
	return refuse ? -ERR_IO : 0;
}

static void on_stop(struct virtio_dev *d, bool patient)
{
	/* Once more, without patience, if it has not come to an end. */
	CHECK(running || (!patient && slow));
	running = false;
	nkept[0] = nkept[1] = 0;
	if (!patient)
		slow = false;
}

static bool on_stopped(struct virtio_dev *d) { return !slow; }
static void on_reset(struct virtio_dev *d) { CHECK(!running); }

static void on_config_write(struct virtio_dev *d, uint32_t off, unsigned width, uint32_t v)
{
	bytes_set(d->st.cfg, 8, off, width, v);
}

static void touch(const struct virtq_chain *c)
{
	static volatile uint8_t byte UNUSED;
	uint64_t in = 0, out = 0;

	CHECK(c->nout + c->nin <= VIRTQ_MAX_SEGS);
	for (unsigned i = 0; i < c->nout; i++) {
		CHECK(c->out[i].len && gmem_valid(c->out[i].addr, c->out[i].len));
		byte ^= *(const uint8_t *)(uintptr_t)c->out[i].addr;
		byte ^= ((const uint8_t *)(uintptr_t)c->out[i].addr)[c->out[i].len - 1];
		out += c->out[i].len;
	}
	for (unsigned i = 0; i < c->nin; i++) {
		CHECK(c->in[i].len && gmem_valid(c->in[i].addr, c->in[i].len));
		*(uint8_t *)(uintptr_t)c->in[i].addr = byte;
		((uint8_t *)(uintptr_t)c->in[i].addr)[c->in[i].len - 1] = 0x5a;
		in += c->in[i].len;
	}
	CHECK_EQ(in, c->in_len);
	CHECK_EQ(out, c->out_len);
}

/* What 2.7.5 says of a chain that was accepted: offered, every index within its table, none twice. */
static void check_walk(const struct virtq *vq, uint16_t head)
{
	const struct vring_desc *table = vq->desc;
	unsigned n = vq->st.size, i = head, steps = 0;

	CHECK_EQ(vq->avail->ring[(uint16_t)(vq->st.last_avail - 1) % n], head);
	for (;;) {
		CHECK(i < n && steps++ < n);
		if (table[i].flags & VRING_DESC_INDIRECT) {
			CHECK(table == vq->desc && table[i].len % 16 == 0 && gmem_valid(table[i].addr, table[i].len));
			n = table[i].len / 16;
			table = (const struct vring_desc *)(uintptr_t)table[i].addr;
			i = steps = 0;
			continue;
		}
		if (!(table[i].flags & VRING_DESC_NEXT))
			break;
		i = table[i].next;
	}
}

static void on_run(struct virtio_dev *d, unsigned q)
{
	struct virtq *vq = &d->vq[q];
	struct virtq_chain *c = &vq->chain;
	unsigned n = 0;

	while (n < VIRTIO_RUN_MAX && virtq_pop(vq, c)) {
		n++;
		/* Another processor, if there is one, may have changed the chain since. */
		if (!host_gmem_hook)
			check_walk(vq, c->head);
		touch(c);
		if (c->head % 4 == 1 && nkept[q] < ARRAY_SIZE(kept[q]))
			kept[q][nkept[q]++] = c->head;
		else
			virtq_push(vq, c->head, (uint32_t)c->in_len);
	}
	virtq_flush(vq);
	if (n == VIRTIO_RUN_MAX)
		virtio_run_again(d, q);
}

static const struct virtio_type type = {
	.id = VIRTIO_ID_BLK, .class_code = 0x010000, .nqueues = 2, .io_size = 64, .cfg_len = 8, .early = BIT(1),
	.start = on_start, .stop = on_stop, .stopped = on_stopped, .reset = on_reset, .run = on_run,
	.config_write = on_config_write,
};

static void poll(void)
{
	uint8_t what = fuzz8();

	slow = what & 1;
	refuse = what & 2;
	for (unsigned q = 0; q < 2; q++) {
		struct virtq *vq = &vqs[q];

		if (what & 4 && nkept[q] && virtq_refetch(vq, kept[q][0], &vq->chain))
			touch(&vq->chain);
		while (what & 8 && nkept[q])
			virtq_push(vq, kept[q][--nkept[q]], 1);
		virtq_flush(vq);
		if (what & 16)
			virtq_kicks_off(vq);
		if (what & 32 && virtq_kicks_on(vq))
			virtio_run_again(&dev, q);
	}
	if (what & 64)
		virtio_config_changed(&dev);
	if (what & 128)
		host_now_us += 1000;
}

static void fuzz(void)
{
	struct virtio_place place = twin_place();
	uint8_t how = fuzz8();

	twin_reset();
	memset(&dev, 0, sizeof(dev));
	memset(vqs, 0, sizeof(vqs));
	memset(nkept, 0, sizeof(nkept));
	running = slow = refuse = false;
	dev.type = &type;
	dev.vq = vqs;
	dev.offered = BIT64(3) | VIRTIO_F_EVENT_IDX;
	place.modern_only = how & 1;
	CHECK_EQ(virtio_dev_init(&dev, "t0", &place), 0);
	guest_acts(2, poll);
	/* Whatever it was, a new driver finds a device that works. */
	slow = refuse = false;
	bring_up(false, ~0ull);
	CHECK_EQ(modern_status(), 15);
	((struct vring_desc *)(void *)RING(0))[0] = (struct vring_desc){ (uintptr_t)ram + DATA, 16, VRING_DESC_WRITE, 0 };
	offer(0, 0);
	modern_kick(0);
	CHECK_EQ(((struct vring_used *)(void *)(RING(0) + RING_USED))->idx, 1);
}

FUZZ(fuzz)
