/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: virtio/echo/echo.c virtio/transport.c virtio/pci_config.c virtio/msix.c virtio/legacy.c virtio/modern.c */
/* sources: virtio/queue.c hv/lib/sg.c virtio/access.c tests/unit/host/twin.c */
/* virtio-echo: chains of any form come back at once, with as many bytes as both parts have. */
#include <string.h>
#include <veneer/owner.h>
#include "host/host.h"
#include "host/twin.h"
#include "virtio/echo/echo.h"

static struct ring ring;
static struct vecho *echo;
static uint8_t *out, *in;

static void up(void)
{
	struct virtio_place place = twin_place();

	twin_reset();
	place.modern_only = true;
	place.io_base = 0;
	echo = container_of(virtio_echo_new("echo0", &place), struct vecho, dev);
	modern_up(&ring, 1, ~0ull, 64);
	out = guest_alloc(4096);
	in = guest_alloc(4096);
	for (unsigned i = 0; i < 4096; i++)
		out[i] = (uint8_t)(i * 7 + 1);
	memset(in, 0xee, 4096);
}

static uint32_t answer(const struct piece *p, unsigned n)
{
	unsigned head = ring_add(&ring, p, n), got;
	uint32_t len = ~0u;

	modern_kick(0);
	CHECK(ring_take(&ring, &got, &len) && got == head);
	return len;
}

TEST(what_it_is)
{
	up();
	CHECK_EQ(cfg_read(0, 4), 0x107f1af4);
	CHECK_EQ(cfg_read(8, 4), 0xff000001);
	CHECK(modern_status() & VIRTIO_STATUS_DRIVER_OK);
}

TEST(bytes_come_back)
{
	up();
	CHECK_EQ(answer((struct piece[]) { { out, 1000, false }, { in, 1000, true } }, 2), 1000);
	CHECK(!memcmp(in, out, 1000) && in[1000] == 0xee);
	/* In pieces of other sizes. */
	memset(in, 0xee, 4096);
	CHECK_EQ(answer((struct piece[]) {
		{ out, 1, false }, { out + 1, 299, false }, { in, 63, true }, { in + 63, 500, true } }, 4), 300);
	CHECK(!memcmp(in, out, 300) && in[300] == 0xee);
}

TEST(the_shorter_part_counts)
{
	up();
	CHECK_EQ(answer((struct piece[]) { { out, 100, false } }, 1), 0);
	CHECK_EQ(answer((struct piece[]) { { in, 100, true } }, 1), 0);
	CHECK(in[0] == 0xee);
	CHECK_EQ(answer((struct piece[]) { { out, 200, false }, { in, 70, true } }, 2), 70);
	CHECK(!memcmp(in, out, 70) && in[70] == 0xee);
}

/* The same memory may be there many times. */
TEST(a_chain_is_bounded)
{
	struct piece p[64];

	up();
	for (unsigned i = 0; i < 64; i++)
		p[i] = (struct piece) { i < 32 ? out : in, 4096, i >= 32 };
	CHECK_EQ(answer(p, 64), 65536);
}

TEST(a_batch_interrupts_once)
{
	unsigned before, got;
	uint32_t len;

	up();
	before = twin_msis;
	for (unsigned i = 0; i < 10; i++)
		ring_add(&ring, (struct piece[]) { { out, 8, false }, { in + 8 * i, 8, true } }, 2);
	modern_kick(0);
	for (unsigned i = 0; i < 10; i++)
		CHECK(ring_take(&ring, &got, &len) && len == 8);
	CHECK(!ring_take(&ring, &got, &len) && twin_msis - before <= 1);
}

TEST(chains_out_of_memory_break_the_device_alone)
{
	up();
	ring_add(&ring, (struct piece[]) { { (void *)(uintptr_t)~0xfffull, 16, false } }, 1);
	modern_kick(0);
	CHECK(echo->dev.broken && (modern_status() & VIRTIO_STATUS_NEEDS_RESET));
}

TEST_MAIN
