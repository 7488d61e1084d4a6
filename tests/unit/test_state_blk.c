/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: virtio/blk/blk.c virtio/blk/request.c virtio/blk/state.c virtio/transport.c virtio/pci_config.c virtio/msix.c */
/* sources: virtio/legacy.c virtio/modern.c virtio/queue.c virtio/state.c hv/lib/sg.c hw/disk.c hw/disk_cut.c */
/* sources: hw/disk_start.c virtio/access.c tests/unit/host/twin.c */
/* Save and load of virtio-blk: requests in flight, the cache's mode, and images that are damaged. */
#include <veneer/hwdev.h>
#include <veneer/owner.h>
#include "blk_fixture.h"

static struct hw_dev ctrl;
static unsigned polls, poll_completes;	/* a poll completes so many commands */

static unsigned poll(struct hw_dev *d)
{
	unsigned n = MIN(poll_completes, hw.ncmd);

	polls++;
	if (n)
		complete(n, 0);
	return n;
}

static const struct hw_dev_ops ctrl_ops = { .poll = poll };
static struct state_part *part;
void state_add(struct state_part *p) { part = p; }

static void keep(void)
{
	hw.disk.ctrl = &ctrl;
	ctrl.ops = &ctrl_ops;
	polls = poll_completes = 0;
	virtio_blk_keep(&vb->dev);
	CHECK(part == &vb->dev.part && part->size == sizeof(struct virtio_image));
}

static void start(uint64_t features)
{
	up(features);
	keep();
}

/* Save, and load into the same device; the image must come out again. */
static void in_place(void)
{
	struct virtio_image one, two;

	virtio_save(&vb->dev, &one);
	CHECK(!virtio_image_bad(&vb->dev, &one));
	virtio_load(&vb->dev, &one);
	virtio_save(&vb->dev, &two);
	CHECK(!memcmp(&one, &two, sizeof(one)));
}

TEST(requests_in_flight_end_before_the_save)
{
	start(NO_EVENT);
	poll_completes = 1;
	request(VIRTIO_BLK_T_OUT, 3, mem, 512, false);
	modern_kick(0);
	CHECK_EQ(hw.ncmd, 1);
	virtio_rest(&vb->dev, 1000);
	CHECK_EQ(*status, 0);
	CHECK_EQ(hw.aborts, 0);
	CHECK_EQ(hw.flushes, 1);	/* what the guest takes for written does not stay in the cache */
	CHECK(!vb->st.cached);
	CHECK_EQ(ring.used->idx, 1);
	CHECK_EQ(twin_clock_holds, 0);
	in_place();
	virtio_go_on(&vb->dev);
	quick(VIRTIO_BLK_T_IN, 3, 512, true);
	CHECK_EQ(*status, 0);
	CHECK_EQ(ring.used->idx, 2);
}

TEST(requests_that_do_not_end_are_served_again_exactly_once)
{
	start(NO_EVENT);
	memset(mem, 0x5a, 1024);
	request(VIRTIO_BLK_T_OUT, 3, mem, 512, false);
	modern_kick(0);
	virtio_rest(&vb->dev, 1000);
	CHECK(polls > 1);
	CHECK_EQ(hw.aborts, 1);
	CHECK_EQ(hw.ncmd, 0);
	CHECK_EQ(*status, 0xaa);
	CHECK_EQ(ring.used->idx, 0);
	in_place();
	CHECK_EQ(hw.ncmd, 0);
	virtio_go_on(&vb->dev);
	CHECK_EQ(hw.ncmd, 1);
	complete(1, 0);
	CHECK_EQ(*status, 0);
	CHECK_EQ(ring.used->idx, 1);
	CHECK_EQ(hw.data[3 * 512 + 5], 0x5a);
	quick(VIRTIO_BLK_T_FLUSH, 0, 0, false);
	CHECK_EQ(ring.used->idx, 2);
}

TEST(a_flush_of_ours_that_is_cut_off_is_not_forgotten)
{
	start(NO_EVENT);
	quick(VIRTIO_BLK_T_OUT, 3, 512, false);
	CHECK(vb->st.cached);
	virtio_rest(&vb->dev, 10);
	CHECK_EQ(hw.aborts, 1);
	CHECK(vb->st.cached);
	in_place();
	virtio_go_on(&vb->dev);
	CHECK(vb->st.cached);
}

TEST(new_requests_wait_until_the_device_goes_on)
{
	start(NO_EVENT);
	virtio_rest(&vb->dev, 0);
	request(VIRTIO_BLK_T_IN, 0, mem, 512, true);
	modern_kick(0);
	CHECK_EQ(hw.ncmd, 0);
	in_place();
	virtio_go_on(&vb->dev);		/* runs the queue although the kick is gone */
	CHECK_EQ(hw.ncmd, 1);
}

TEST(each_queue_interrupts_once_and_a_polling_driver_hears_nothing)
{
	start(NO_EVENT);
	virtio_rest(&vb->dev, 0);
	in_place();
	CHECK(!twin_line);
	virtio_go_on(&vb->dev);
	CHECK(twin_line);
	CHECK_EQ(guest_read(TWIN_BAR4 + BAR4_ISR, 1), VIRTIO_ISR_QUEUE);
	ring.avail->flags = VRING_AVAIL_NO_INTERRUPT;
	virtio_rest(&vb->dev, 0);
	in_place();
	virtio_go_on(&vb->dev);
	CHECK(!twin_line);
}

TEST(write_through_survives)
{
	start(NO_EVENT);
	guest_write(TWIN_BAR4 + BAR4_DEVICE + BLKCFG_WRITEBACK, 1, 0);
	CHECK(vb->st.write_through);
	virtio_rest(&vb->dev, 0);
	in_place();
	virtio_go_on(&vb->dev);
	CHECK(vb->st.write_through);
	CHECK_EQ(cfg(BLKCFG_WRITEBACK, 1), 0);
	request(VIRTIO_BLK_T_OUT, 3, mem, 512, false);
	modern_kick(0);
	complete(1, 0);
	CHECK_EQ(*status, 0xaa);	/* not before the flush */
	complete(1, 0);
	CHECK_EQ(*status, 0);
	CHECK_EQ(hw.flushes, 1);
}

TEST(a_device_that_nobody_drives_and_one_that_needs_a_reset)
{
	make_disk(512);
	make(true);
	keep();
	virtio_rest(&vb->dev, 1000);
	in_place();
	virtio_go_on(&vb->dev);
	CHECK_EQ(polls, 0);
	start(NO_EVENT);
	request(VIRTIO_BLK_T_IN, 0, mem, 512, true);
	modern_kick(0);
	ring_offer(&ring, 300 % 256);
	ring.avail->idx += 1000;
	modern_kick(0);
	CHECK(vb->dev.broken);
	virtio_rest(&vb->dev, 1000);
	CHECK_EQ(hw.aborts, 1);
	in_place();
	virtio_go_on(&vb->dev);
	CHECK(modern_status() & VIRTIO_STATUS_NEEDS_RESET);
	CHECK_EQ(hw.ncmd, 0);
	modern_up(&ring, 1, NO_EVENT, 256);
	quick(VIRTIO_BLK_T_IN, 0, 512, true);
	CHECK_EQ(*status, 0);
}

TEST(a_guest_that_has_spoiled_its_ring_unnoticed_is_saved_nevertheless)
{
	start(NO_EVENT);
	ring.avail->idx += 1000;
	CHECK(!vb->dev.broken);
	virtio_rest(&vb->dev, 0);
	CHECK(vb->dev.broken);
	in_place();
}

TEST(a_request_that_ended_in_the_run_that_found_a_bad_entry)
{
	start(NO_EVENT);
	request(VIRTIO_BLK_T_GET_ID, 0, mem, 20, true);
	ring_offer(&ring, 256);		/* outside the table */
	modern_kick(0);
	CHECK(vb->dev.broken);
	CHECK_EQ(*status, 0);
	CHECK_EQ(ring.used->idx, 0);
	virtio_rest(&vb->dev, 0);
	in_place();
	virtio_go_on(&vb->dev);
	CHECK_EQ(ring.used->idx, 0);
	CHECK(modern_status() & VIRTIO_STATUS_NEEDS_RESET);
	modern_up(&ring, 1, NO_EVENT, 256);
	quick(VIRTIO_BLK_T_IN, 0, 512, true);
	CHECK_EQ(*status, 0);
	CHECK_EQ(ring.used->idx, 1);
}

/* Every byte of a running device's image, each bit: the image is refused and nothing changes, or all of it is taken. */
TEST(damaged_images)
{
	struct virtio_image good, bad, out;
	unsigned refused = 0;

	start(NO_EVENT);
	request(VIRTIO_BLK_T_OUT, 3, mem, 512, false);
	modern_kick(0);
	virtio_rest(&vb->dev, 0);
	virtio_save(&vb->dev, &good);
	CHECK_EQ(good.q[0].busy[0], 1);
	for (unsigned bit = 0; bit < 8 * sizeof(good); bit++) {
		bad = good;
		((uint8_t *)&bad)[bit / 8] ^= (uint8_t)BIT(bit % 8);
		if (virtio_image_bad(&vb->dev, &bad)) {
			refused++;
			virtio_save(&vb->dev, &out);
			CHECK(!memcmp(&out, &good, sizeof(out)));
			continue;
		}
		virtio_load(&vb->dev, &bad);
		virtio_save(&vb->dev, &out);
		CHECK(!memcmp(&out, &bad, sizeof(out)));
		virtio_load(&vb->dev, &good);
	}
	CHECK(refused > 8 * sizeof(good) / 2);
	virtio_load(&vb->dev, &good);
	virtio_go_on(&vb->dev);
	complete(1, 0);
	CHECK_EQ(*status, 0);
}

static void refused(const struct virtio_image *in, const char *why)
{
	const char *bad = virtio_image_bad(&vb->dev, in);

	if (!bad || !strstr(bad, why))
		host_fail(__FILE__, __LINE__, "\"%s\" instead of \"%s\"", bad ?: "accepted", why);
}

TEST(images_of_other_devices)
{
	struct virtio_image good, in;

	start(NO_EVENT);
	virtio_rest(&vb->dev, 0);
	virtio_save(&vb->dev, &good);
#define WITH(change, why) do { in = good; change; refused(&in, why); } while (0)
	WITH(in.version++, "version");
	WITH(in.id = VIRTIO_ID_NET, "another type");
	WITH(in.dev.driver_features |= BIT64(60), "does not offer");
	WITH(in.dev.pci[PCI_DEVICE_ID]++, "configuration space");
	WITH(in.dev.msix[MSIX_ENTRY_CTRL + 1] = 1, "MSI-X entry");
	WITH(in.dev.config_vector = 9, "vector");
	WITH(in.dev.running = 2, "register");
	WITH(in.dev.status |= VIRTIO_STATUS_NEEDS_RESET, "needs a reset");
	WITH(in.dev.cfg[BLKCFG_CAPACITY] ^= 1, "another disk");
	WITH(in.q[0].size = 3, "size");
	WITH(in.q[0].busy[7] = 2, "busy");
	WITH(in.q[0].published++, "published");
	WITH(in.q[0].desc = 1, "outside guest RAM");
	WITH(in.q[1].size = 1, "not in use");
	WITH(in.type[0] = 2, "cache mode");
	WITH(in.type[0] = 1, "another disk");	/* write-through, but the configuration says writeback */
	WITH(in.type[900] = 1, "not in use");
}

TEST_MAIN
