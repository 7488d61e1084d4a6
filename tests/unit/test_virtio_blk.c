/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: virtio/blk/blk.c virtio/blk/request.c virtio/transport.c virtio/pci_config.c virtio/msix.c virtio/legacy.c */
/* sources: virtio/modern.c virtio/queue.c hv/lib/sg.c hw/disk.c hw/disk_cut.c hw/disk_start.c virtio/access.c */
/* sources: tests/unit/host/twin.c */
/* virtio-blk over a fake drive: requests, flushes, the write cache, errors, resets. */
#include <veneer/owner.h>
#include "blk_fixture.h"

TEST(configuration)
{
	up(NO_EVENT);
	CHECK_EQ(cfg_read(0, 4), 0x10011af4);
	CHECK_EQ(cfg_read(8, 4), 0x01000000);
	CHECK_EQ(cfg(BLKCFG_CAPACITY, 8), BLOCKS);
	CHECK_EQ(cfg(BLKCFG_SEG_MAX, 4), 128);
	CHECK_EQ(cfg(BLKCFG_SIZE_MAX, 4), 1 << 22);
	CHECK_EQ(cfg(BLKCFG_BLK_SIZE, 4), 512);
	CHECK_EQ(cfg(BLKCFG_PHYS_EXP, 1), 3);
	CHECK_EQ(cfg(BLKCFG_WRITEBACK, 1), 1);
	CHECK_EQ(cfg(BLKCFG_MAX_DISCARD, 4), 1024);
	CHECK_EQ(cfg(BLKCFG_MAX_ZEROES, 4), 512);
	CHECK_EQ(cfg(BLKCFG_ZEROES_UNMAP, 1), 1);
	CHECK_EQ(guest_in(TWIN_IO, 4), 0x38000000 | BIT(1) | BIT(2) | BIT(6) | BIT(9) | BIT(10) | BIT(11) | BIT(13) | BIT(14));
	CHECK_EQ(guest_in(TWIN_IO + 20, 4), BLOCKS);
}

TEST(a_disk_that_changes_its_size)
{
	up(NO_EVENT);
	unsigned generation = vb->dev.st.generation;

	hw.disk.nblocks = BLOCKS / 2;
	hw.disk.client_resized(&hw.disk);
	CHECK_EQ(cfg(BLKCFG_CAPACITY, 8), BLOCKS / 2);
	CHECK(vb->dev.cnt_config_interrupts == 1 && vb->dev.st.generation != generation);
	quick(VIRTIO_BLK_T_IN, BLOCKS / 2 - 1, 512, true);
	CHECK_EQ(*status, 0);
	quick(VIRTIO_BLK_T_IN, BLOCKS / 2, 512, true);
	CHECK_EQ(*status, 1);
}

TEST(reads_and_writes_in_any_framing)
{
	static const unsigned cuts[][3] = { { 16, 0, 0 }, { 3, 16, 200 }, { 16, 270, 300 }, { 8, 20, 600 } };

	for (unsigned i = 0; i < ARRAY_SIZE(cuts); i++) {
		struct piece p[8];
		unsigned n = 0, at = 0;
		uint32_t len;

		up(NO_EVENT);
		/* One contiguous piece: header, 1024 bytes, status. */
		*(struct virtio_blk_hdr *)(void *)mem = (struct virtio_blk_hdr) { .type = VIRTIO_BLK_T_OUT, .sector = 7 };
		for (unsigned k = 16; k < 1040; k++)
			mem[k] = (uint8_t)(k ^ i);
		for (unsigned k = 0; k < 3; k++)
			if (cuts[i][k]) {
				p[n++] = (struct piece) { mem + at, cuts[i][k] - at };
				at = cuts[i][k];
			}
		p[n++] = (struct piece) { mem + at, 1040 - at };
		p[n++] = (struct piece) { mem + 1040, 1, true };
		mem[1040] = 0xaa;
		ring_add(&ring, p, n);
		modern_kick(0);
		CHECK_EQ(mem[1040], 0xaa);
		CHECK_EQ(twin_clock_holds, 1);
		CHECK_EQ(hw.kicks, 1);
		complete(1, 0);
		CHECK_EQ(mem[1040], VIRTIO_BLK_S_OK);
		CHECK_EQ(twin_clock_holds, 0);
		CHECK_EQ(memcmp(hw.data + 7 * 512, mem + 16, 1024), 0);
		CHECK(ring_take(&ring, NULL, &len));
		CHECK_EQ(len, 1);

		/* A read: the status follows the data in the last piece. */
		memset(mem + 4096, 0, 2048);
		mem[4096 + 1024] = 0xaa;
		*hdr = (struct virtio_blk_hdr) { .type = VIRTIO_BLK_T_IN, .sector = 7 };
		ring_add(&ring, (struct piece[]) { { hdr, 16 }, { mem + 4096, cuts[i][0], true },
						   { mem + 4096 + cuts[i][0], 1025 - cuts[i][0], true } }, 3);
		modern_kick(0);
		complete(hw.ncmd, 0);
		CHECK_EQ(memcmp(mem + 4096, mem + 16, 1024), 0);
		CHECK_EQ(mem[4096 + 1024], VIRTIO_BLK_S_OK);
		CHECK(ring_take(&ring, NULL, &len));
		CHECK_EQ(len, 1025);
		host_guest_ram_drop();
	}
}

TEST(the_hardware_gets_the_guests_pages)
{
	up(NO_EVENT);
	request(VIRTIO_BLK_T_IN, 0, mem, 4096, true);
	modern_kick(0);
	CHECK_EQ(hw.cmd[0]->nsg, 1);
	CHECK_EQ(hw.cmd[0]->sg[0].addr, (uintptr_t)mem);
	CHECK_EQ(hw.cmd[0]->sg[0].len, 4096);
}

static void refuses(uint32_t type, uint64_t sector, uint32_t len, bool in, uint8_t want)
{
	quick(type, sector, len, in);
	CHECK_EQ(*status, want);
	CHECK_EQ(vb->inflight, 0);
	CHECK_EQ(twin_clock_holds, 0);
	CHECK_EQ(modern_status(), 15);
}

TEST(ranges_are_checked)
{
	up(NO_EVENT);
	refuses(VIRTIO_BLK_T_IN, BLOCKS - 1, 512, true, VIRTIO_BLK_S_OK);
	refuses(VIRTIO_BLK_T_IN, BLOCKS - 1, 1024, true, VIRTIO_BLK_S_IOERR);
	refuses(VIRTIO_BLK_T_IN, BLOCKS, 512, true, VIRTIO_BLK_S_IOERR);
	refuses(VIRTIO_BLK_T_OUT, ~0ull, 512, false, VIRTIO_BLK_S_IOERR);
	refuses(VIRTIO_BLK_T_OUT, ~0ull - 1, 1024, false, VIRTIO_BLK_S_IOERR);
	refuses(VIRTIO_BLK_T_IN, 0, 0, true, VIRTIO_BLK_S_IOERR);
	refuses(VIRTIO_BLK_T_IN, 0, 100, true, VIRTIO_BLK_S_IOERR);
	refuses(VIRTIO_BLK_T_OUT, 0, 513, false, VIRTIO_BLK_S_IOERR);
	refuses(2, 0, 512, true, VIRTIO_BLK_S_UNSUPP);
	refuses(0xffffffff, 0, 512, true, VIRTIO_BLK_S_UNSUPP);
}

TEST(large_blocks_are_not_cut)
{
	make_disk(4096);
	make(true);
	modern_up(&ring, 1, NO_EVENT, 256);
	CHECK_EQ(cfg(BLKCFG_CAPACITY, 8), BLOCKS);
	CHECK_EQ(cfg(BLKCFG_BLK_SIZE, 4), 4096);
	CHECK_EQ(cfg(BLKCFG_MAX_DISCARD, 4), 8192);
	CHECK_EQ(cfg(BLKCFG_DISCARD_ALIGN, 4), 8);
	refuses(VIRTIO_BLK_T_IN, 8, 8192, true, VIRTIO_BLK_S_OK);
	CHECK_EQ(hw.last_lba, 1);
	CHECK_EQ(hw.last_n, 2);
	refuses(VIRTIO_BLK_T_IN, 4, 4096, true, VIRTIO_BLK_S_IOERR);
	refuses(VIRTIO_BLK_T_IN, 8, 512, true, VIRTIO_BLK_S_IOERR);
}

TEST(read_only_disks_stay_as_they_are)
{
	static uint8_t before[sizeof(hw.data)];

	make_disk(512);
	make(false);
	modern_up(&ring, 1, NO_EVENT & ~VIRTIO_BLK_F_RO, 256);	/* not negotiated */
	CHECK(guest_in(TWIN_IO, 4) & BIT(5));
	CHECK(!(guest_in(TWIN_IO, 4) & (BIT(13) | BIT(14))));
	memcpy(before, hw.data, sizeof(before));
	refuses(VIRTIO_BLK_T_OUT, 0, 512, false, VIRTIO_BLK_S_IOERR);
	*(struct virtio_blk_range *)(void *)mem = (struct virtio_blk_range) { 0, 8, 0 };
	refuses(VIRTIO_BLK_T_DISCARD, 0, 16, false, VIRTIO_BLK_S_IOERR);
	refuses(VIRTIO_BLK_T_WRITE_ZEROES, 0, 16, false, VIRTIO_BLK_S_IOERR);
	refuses(VIRTIO_BLK_T_IN, 0, 512, true, VIRTIO_BLK_S_OK);
	CHECK_EQ(hw.disk.cnt_commands, 1);
	CHECK_EQ(memcmp(before, hw.data, sizeof(before)), 0);
	make_disk(512);
	hw.disk.hw_read_only = true;
	make(true);
	CHECK(guest_in(TWIN_IO, 4) & BIT(5));
}

TEST(the_identity)
{
	up(NO_EVENT);
	memset(mem, 0xee, 32);
	refuses(VIRTIO_BLK_T_GET_ID, 0, 20, true, VIRTIO_BLK_S_OK);
	CHECK_EQ(memcmp(mem, "SERIAL-0123456789\0\0\0\xee", 21), 0);
	refuses(VIRTIO_BLK_T_GET_ID, 0, 4, true, VIRTIO_BLK_S_OK);
}

TEST(discard_and_write_zeroes)
{
	struct virtio_blk_range *r;

	up(NO_EVENT);
	r = (struct virtio_blk_range *)(void *)mem;
	r[0] = r[1] = (struct virtio_blk_range) { 8, 16, 0 };
	refuses(VIRTIO_BLK_T_DISCARD, 0, 16, false, VIRTIO_BLK_S_OK);
	CHECK_EQ(hw.last_op, DISK_DISCARD);
	CHECK_EQ(hw.last_n, 16);
	refuses(VIRTIO_BLK_T_DISCARD, 0, 32, false, VIRTIO_BLK_S_IOERR);
	refuses(VIRTIO_BLK_T_DISCARD, 0, 15, false, VIRTIO_BLK_S_IOERR);
	r->flags = 1;
	refuses(VIRTIO_BLK_T_DISCARD, 0, 16, false, VIRTIO_BLK_S_UNSUPP);
	refuses(VIRTIO_BLK_T_WRITE_ZEROES, 0, 16, false, VIRTIO_BLK_S_OK);
	CHECK(hw.last_unmap);
	CHECK_EQ(hw.data[8 * 512 + 5], 0);
	r->flags = 2;
	refuses(VIRTIO_BLK_T_WRITE_ZEROES, 0, 16, false, VIRTIO_BLK_S_UNSUPP);
	*r = (struct virtio_blk_range) { BLOCKS - 1, 2, 0 };
	refuses(VIRTIO_BLK_T_WRITE_ZEROES, 0, 16, false, VIRTIO_BLK_S_IOERR);
}

TEST(a_flush_is_a_flush)
{
	up(NO_EVENT);
	*hdr = (struct virtio_blk_hdr) { .type = VIRTIO_BLK_T_FLUSH };
	ring_add(&ring, (struct piece[]) { { hdr, 16 }, { status, 1, true } }, 2);
	modern_kick(0);
	CHECK_EQ(*status, 0xaa);
	complete(1, 0);
	CHECK_EQ(*status, VIRTIO_BLK_S_OK);
	CHECK_EQ(hw.flushes, 1);
	ring_add(&ring, (struct piece[]) { { hdr, 16 }, { status, 1, true } }, 2);
	modern_kick(0);
	complete(1, -ERR_TIMEOUT);
	CHECK_EQ(*status, VIRTIO_BLK_S_IOERR);
}

TEST(errors_reach_the_guest)
{
	up(NO_EVENT);
	request(VIRTIO_BLK_T_OUT, 0, mem, 512, false);
	modern_kick(0);
	complete(1, -ERR_IO);
	CHECK_EQ(*status, VIRTIO_BLK_S_IOERR);
	hw.disk.gone = true;
	refuses(VIRTIO_BLK_T_IN, 0, 512, true, VIRTIO_BLK_S_IOERR);
	CHECK_EQ(vb->cnt_errors, 2);
}

/* Writes of a driver that does not negotiate FLUSH. */
TEST(without_flush_a_write_is_stable_when_done)
{
	make_disk(512);
	make(true);
	legacy_up(&ring, 1, 0);
	for (unsigned i = 0; i < 3; i++) {
		*hdr = (struct virtio_blk_hdr) { .type = VIRTIO_BLK_T_OUT, .sector = 5 };
		mem[i] = (uint8_t)(0x40 + i);
		ring_add(&ring, (struct piece[]) { { hdr, 16 }, { mem, 512 }, { status, 1, true } }, 3);
	}
	guest_out(TWIN_IO + LEGACY_QUEUE_NOTIFY, 2, 0);
	CHECK_EQ(cfg(BLKCFG_WRITEBACK, 1), 0);
	complete(2, 0);
	CHECK_EQ(*status, 0xaa);
	CHECK_EQ(ring.used->idx, 0);
	complete(1, 0);			/* the third write; the flush for the first two is queued or in flight */
	while (hw.ncmd) {
		CHECK_EQ(hw.cmd[0]->op, DISK_FLUSH);
		complete(1, 0);
	}
	CHECK_EQ(ring.used->idx, 3);
	CHECK_EQ(*status, VIRTIO_BLK_S_OK);
	CHECK_EQ(hw.flushes, 2);
	CHECK_EQ(memcmp(hw.stable + 5 * 512, mem, 512), 0);
	CHECK_EQ(twin_clock_holds, 0);
	/* If the flush fails the write fails. */
	*hdr = (struct virtio_blk_hdr) { .type = VIRTIO_BLK_T_OUT, .sector = 5 };
	ring_add(&ring, (struct piece[]) { { hdr, 16 }, { mem, 512 }, { status, 1, true } }, 3);
	guest_out(TWIN_IO + LEGACY_QUEUE_NOTIFY, 2, 0);
	complete(1, 0);
	complete(1, -ERR_IO);
	CHECK_EQ(*status, VIRTIO_BLK_S_IOERR);
}

/* Linux before 3.18 reads the partition table and waits for the data before it sets DRIVER_OK. */
TEST(a_legacy_driver_may_wait_for_an_answer_before_driver_ok)
{
	make_disk(512);
	make(true);
	guest_out(TWIN_IO + LEGACY_STATUS, 1, 3);
	guest_out(TWIN_IO + LEGACY_DRIVER_FEATURES, 4, (uint32_t)VIRTIO_BLK_F_FLUSH);
	ring_new(&ring, 0, 256);
	guest_out(TWIN_IO + LEGACY_QUEUE_PFN, 4, (uint32_t)((uintptr_t)ring.desc / 4096));
	request(VIRTIO_BLK_T_IN, 3, mem, 512, true);
	guest_out(TWIN_IO + LEGACY_QUEUE_NOTIFY, 2, 0);
	CHECK_EQ(hw.ncmd, 1);
	complete(hw.ncmd, 0);
	CHECK_EQ(*status, VIRTIO_BLK_S_OK);
	CHECK_EQ(ring.used->idx, 1);
	guest_out(TWIN_IO + LEGACY_STATUS, 1, 7);
	CHECK_EQ(guest_in(TWIN_IO + LEGACY_STATUS, 1), 7);
	request(VIRTIO_BLK_T_IN, 4, mem, 512, true);
	guest_out(TWIN_IO + LEGACY_QUEUE_NOTIFY, 2, 0);
	complete(hw.ncmd, 0);
	CHECK_EQ(ring.used->idx, 2);
	/* Not by the modern interface (2.1.2), and not before the driver has set DRIVER. */
	guest_out(TWIN_IO + LEGACY_STATUS, 1, 0);
	CHECK_EQ(hw.aborts, 1);
	guest_out(TWIN_IO + LEGACY_QUEUE_PFN, 4, (uint32_t)((uintptr_t)ring.desc / 4096));
	guest_out(TWIN_IO + LEGACY_QUEUE_NOTIFY, 2, 0);
	CHECK_EQ(hw.ncmd, 0);
	guest_out(TWIN_IO + LEGACY_STATUS, 1, 3);
	modern_kick(0);
	CHECK_EQ(hw.ncmd, 0);
}

TEST(the_cache_mode_can_be_chosen)
{
	up(NO_EVENT);
	guest_write(TWIN_BAR4 + BAR4_DEVICE + BLKCFG_WRITEBACK, 1, 0);
	CHECK_EQ(cfg(BLKCFG_WRITEBACK, 1), 0);
	quick(VIRTIO_BLK_T_OUT, 0, 512, false);
	CHECK_EQ(*status, 0xaa);
	complete(1, 0);
	CHECK_EQ(*status, VIRTIO_BLK_S_OK);
	guest_write(TWIN_BAR4 + BAR4_DEVICE + BLKCFG_WRITEBACK, 1, 1);
	quick(VIRTIO_BLK_T_OUT, 0, 512, false);
	CHECK_EQ(*status, VIRTIO_BLK_S_OK);
	CHECK_EQ(hw.flushes, 1);
}

/* A driver that switches the cache off sends no more flushes, not even for its earlier writes. */
TEST(what_was_written_before_the_cache_went_off_becomes_stable)
{
	up(NO_EVENT);
	memset(mem, 0x5a, 512);
	quick(VIRTIO_BLK_T_OUT, 9, 512, false);
	CHECK_EQ(*status, VIRTIO_BLK_S_OK);
	CHECK_EQ(hw.flushes, 0);
	guest_write(TWIN_BAR4 + BAR4_DEVICE + BLKCFG_WRITEBACK, 1, 0);
	CHECK_EQ(hw.ncmd, 1);
	CHECK_EQ(twin_clock_holds, 1);
	/* A write meanwhile causes another flush. */
	request(VIRTIO_BLK_T_OUT, 10, mem, 512, false);
	modern_kick(0);
	complete(1, 0);
	CHECK_EQ(hw.flushes, 1);
	CHECK_EQ(memcmp(hw.stable + 9 * 512, mem, 512), 0);
	CHECK_EQ(*status, 0xaa);
	while (hw.ncmd)
		complete(hw.ncmd, 0);
	CHECK_EQ(hw.flushes, 2);
	CHECK_EQ(*status, VIRTIO_BLK_S_OK);
	CHECK_EQ(twin_clock_holds, 0);
	CHECK_EQ(vb->inflight, 0);
	/* Without a write there is no flush; a reset drops a flush in flight. */
	guest_write(TWIN_BAR4 + BAR4_DEVICE + BLKCFG_WRITEBACK, 1, 1);
	guest_write(TWIN_BAR4 + BAR4_DEVICE + BLKCFG_WRITEBACK, 1, 0);
	CHECK_EQ(hw.ncmd, 0);
	guest_write(TWIN_BAR4 + BAR4_DEVICE + BLKCFG_WRITEBACK, 1, 1);
	quick(VIRTIO_BLK_T_OUT, 9, 512, false);
	guest_write(TWIN_BAR4 + BAR4_DEVICE + BLKCFG_WRITEBACK, 1, 0);
	CHECK_EQ(hw.ncmd, 1);
	guest_write(TWIN_BAR4 + COMMON_STATUS, 1, 0);
	CHECK_EQ(twin_clock_holds, 0);
}

TEST(a_batch_interrupts_once_and_kicks_go_off_at_depth)
{
	up(NO_EVENT);
	for (unsigned i = 0; i < 80; i++)
		request(VIRTIO_BLK_T_IN, i, mem, 512, true);
	modern_kick(0);
	CHECK_EQ(vb->inflight, VBLK_REQS);	/* the others wait in the ring */
	CHECK_EQ(ring.used->flags, VRING_USED_NO_NOTIFY);
	CHECK_EQ(hw.kicks, 1);
	complete(20, 0);
	CHECK_EQ(vb->vq.cnt_interrupts, 1);
	CHECK_EQ(ring.used->idx, 20);
	CHECK_EQ(vb->inflight, 60);
	while (hw.ncmd)
		complete(hw.ncmd, 0);
	CHECK_EQ(ring.used->idx, 80);
	CHECK_EQ(ring.used->flags, 0);
	CHECK_EQ(twin_clock_holds, 0);
	request(VIRTIO_BLK_T_IN, 0, mem, 512, true);
	modern_kick(0);
	CHECK_EQ(ring.used->flags, 0);		/* with one in flight a second begins at once */
}

/* Each bucket from its least value on: 0, 1, 2, 4, 8, 16. */
TEST(what_is_in_flight_at_a_kick_is_counted)
{
	static const unsigned bucket[] = { 0, 1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 5, 5, 5, 5 };
	struct histogram wanted = { { 0 } };

	up(NO_EVENT);
	memset(&vb->at_kick, 0, sizeof(vb->at_kick));
	memset(&vb->taken, 0, sizeof(vb->taken));
	for (unsigned i = 0; i < ARRAY_SIZE(bucket); i++) {
		request(VIRTIO_BLK_T_IN, i, mem, 512, true);
		modern_kick(0);
		wanted.n[bucket[i]]++;
	}
	CHECK(!memcmp(&vb->at_kick, &wanted, sizeof(wanted)));
	CHECK_EQ(vb->taken.n[1], ARRAY_SIZE(bucket));
	for (unsigned i = 0; i < 9; i++)
		request(VIRTIO_BLK_T_IN, i, mem, 512, true);
	modern_kick(0);
	CHECK_EQ(vb->at_kick.n[5], wanted.n[5] + 1);
	CHECK_EQ(vb->taken.n[4], 1);
	while (hw.ncmd)
		complete(hw.ncmd, 0);
	/* The ends find an empty ring: that is no run. */
	CHECK_EQ(vb->taken.n[0], 0);
}

TEST(too_many_pieces)
{
	struct vring_desc *t;

	up(NO_EVENT);
	t = (struct vring_desc *)(void *)(mem + 65536);
	*hdr = (struct virtio_blk_hdr) { .type = VIRTIO_BLK_T_IN };
	for (unsigned n = 128; n <= 256; n += 128) {
		t[0] = (struct vring_desc) { (uintptr_t)hdr, 16, VRING_DESC_NEXT, 1 };
		for (unsigned i = 1; i <= n; i++)
			t[i] = (struct vring_desc) { (uintptr_t)mem, 512 * 128 / n, VRING_DESC_NEXT | VRING_DESC_WRITE,
						     (uint16_t)(i + 1) };
		if (n == 256)
			t[254].flags = VRING_DESC_WRITE;
		else
			t[n + 1] = (struct vring_desc) { (uintptr_t)status, 1, VRING_DESC_WRITE, 0 };
		*status = 0xaa;
		ring.desc[n % 256] = (struct vring_desc) { (uintptr_t)t, MIN(n + 2, 256u) * 16, VRING_DESC_INDIRECT, 0 };
		ring_offer(&ring, n % 256);
		modern_kick(0);
		if (hw.ncmd)
			complete(hw.ncmd, 0);
	}
	CHECK_EQ(ring.used->idx, 2);
	CHECK_EQ(vb->cnt_errors, 1);
	CHECK_EQ(modern_status(), 15);
}

TEST(requests_without_header_or_status)
{
	up(NO_EVENT);
	ring_add(&ring, (struct piece[]) { { hdr, 16 } }, 1);
	modern_kick(0);
	CHECK(modern_status() & VIRTIO_STATUS_NEEDS_RESET);
	modern_up(&ring, 1, NO_EVENT, 256);
	ring_add(&ring, (struct piece[]) { { hdr, 15 }, { status, 1, true } }, 2);
	modern_kick(0);
	CHECK(modern_status() & VIRTIO_STATUS_NEEDS_RESET);
	CHECK(host_log_has("without header or status"));
}

TEST(reset_forgets_what_is_in_flight)
{
	up(NO_EVENT);
	for (unsigned i = 0; i < 10; i++)
		request(VIRTIO_BLK_T_IN, i, mem, 512, true);
	modern_kick(0);
	guest_write(TWIN_BAR4 + COMMON_STATUS, 1, 0);
	CHECK_EQ(modern_status(), 0);
	CHECK_EQ(hw.aborts, 1);
	CHECK_EQ(twin_clock_holds, 0);
	CHECK_EQ(disk_outstanding(&hw.disk), 0);
	CHECK_EQ(*status, 0xaa);
	modern_up(&ring, 1, NO_EVENT, 256);
	quick(VIRTIO_BLK_T_IN, 0, 512, true);
	CHECK_EQ(*status, VIRTIO_BLK_S_OK);
	CHECK_EQ(ring.used->idx, 1);
}

TEST(a_violation_with_requests_in_flight)
{
	up(NO_EVENT);
	for (unsigned i = 0; i < 4; i++)
		request(VIRTIO_BLK_T_IN, i, mem, 512, true);
	modern_kick(0);
	ring.avail->idx += 1000;
	modern_kick(0);
	CHECK(modern_status() & VIRTIO_STATUS_NEEDS_RESET);
	complete(4, 0);
	CHECK_EQ(ring.used->idx, 0);
	CHECK_EQ(vb->inflight, 0);
	CHECK_EQ(twin_clock_holds, 0);
}

TEST(nothing_stays_allocated_when_making_fails)
{
	struct virtio_place place = twin_place();
	struct virtio_blk_conf conf = { .disk = &hw.disk };
	unsigned n = 1;

	make_disk(512);
	size_t before = host_heap_used();

	for (;; n++) {
		twin_reset();
		host_heap_fail_at(n);
		if (virtio_blk_new("blk1", &conf, &place))
			break;
		CHECK_EQ(host_heap_used(), before);
		CHECK(host_log_has("blk1: cannot make the virtio-blk device"));
	}
	CHECK_EQ(n, 3);
}

TEST_MAIN

TEST(the_boot_disk_is_a_bus_master)
{
	make_disk(512);
	make(true);
	cfg_write(PCI_COMMAND, 2, PCI_CMD_IO | PCI_CMD_MEM);
	hw.disk.client_booted(&hw.disk);
	CHECK_EQ(cfg_read(PCI_COMMAND, 2), 7);
}

/* Return the length of the next used entry; check that the status is @want. */
static uint32_t used_len(uint8_t want)
{
	uint32_t len = 0;

	CHECK(ring_take(&ring, NULL, &len));
	CHECK_EQ(*status, want);
	return len;
}

/* The used length is never more than the device has written, however large the driver's buffers are (2.7.8.2). */
TEST(used_length_is_what_was_written)
{
	up(NO_EVENT);
	quick(VIRTIO_BLK_T_GET_ID, 0, 512, true);
	CHECK_EQ(used_len(VIRTIO_BLK_S_OK), VIRTIO_BLK_ID_BYTES + 1);
	quick(VIRTIO_BLK_T_GET_ID, 0, 7, true);
	CHECK_EQ(used_len(VIRTIO_BLK_S_OK), 8);
	quick(VIRTIO_BLK_T_IN, 0, 1024, true);
	CHECK_EQ(used_len(VIRTIO_BLK_S_OK), 1025);
	request(VIRTIO_BLK_T_IN, 0, mem, 1024, true);
	modern_kick(0);
	complete(1, -ERR_IO);
	CHECK_EQ(used_len(VIRTIO_BLK_S_IOERR), 1);
	quick(VIRTIO_BLK_T_IN, 0, 100, true);			/* no sectors */
	CHECK_EQ(used_len(VIRTIO_BLK_S_IOERR), 1);
	quick(VIRTIO_BLK_T_IN, vb->capacity, 512, true);
	CHECK_EQ(used_len(VIRTIO_BLK_S_IOERR), 1);
	quick(VIRTIO_BLK_T_OUT, 0, 512, false);
	CHECK_EQ(used_len(VIRTIO_BLK_S_OK), 1);
	quick(VIRTIO_BLK_T_FLUSH, 0, 4096, true);		/* a buffer that the device does not fill */
	CHECK_EQ(used_len(VIRTIO_BLK_S_OK), 1);
	quick(99, 0, 512, true);
	CHECK_EQ(used_len(VIRTIO_BLK_S_UNSUPP), 1);
	quick(VIRTIO_BLK_T_DISCARD, 0, 512, true);
	CHECK_EQ(used_len(VIRTIO_BLK_S_IOERR), 1);
}

static unsigned refills;

/* As the guest's other processor, add another request while this one is handled. */
static void refill(void)
{
	if (ring.avail->idx == vb->vq.st.last_avail + 1 && refills++ < 5000)
		ring_add(&ring, (struct piece[]) { { mem, 16 }, { mem + 64, 512, true }, { status, 1, true } }, 3);
}

/* Requests that need no disk, or are refused, complete at once. */
TEST(requests_that_come_as_fast_as_they_are_done)
{
	up(NO_EVENT);
	*(struct virtio_blk_hdr *)(void *)mem = (struct virtio_blk_hdr) { .type = 99 };
	refills = host_handed_on = 0;
	request(VIRTIO_BLK_T_GET_ID, 0, mem + 64, 20, true);
	host_gmem_hook = refill;
	modern_kick(0);
	/* Not all in one run: another processor continues with the rest. */
	CHECK(ring.used->idx < 2000 && host_handed_on == 1);
	CHECK_EQ(ring.used->flags, VRING_USED_NO_NOTIFY);
	for (unsigned before = 0; before != host_handed_on; ) {
		before = host_handed_on;
		owner_continue();
	}
	host_gmem_hook = NULL;
	CHECK_EQ(ring.used->idx, 5001);
	CHECK_EQ(ring.used->flags, 0);
	CHECK_EQ(vb->inflight, 0);
}

static bool drive_busy;
static void drive_forgets(struct disk *d) { hw.ncmd = 0; hw.aborts++; drive_busy = d->patient; }
static bool drive_quiet(struct disk *d) { return !drive_busy; }

/* Status reads as 0 once the drive no longer accesses the guest's memory. */
TEST(a_busy_drive_holds_the_reset)
{
	static const struct disk_ops slow = { .start = drive_start, .kick = drive_kick, .abort_all = drive_forgets,
					      .quiet = drive_quiet };

	up(NO_EVENT);
	hw.disk.ops = &slow;
	request(VIRTIO_BLK_T_IN, 0, mem, 512, true);
	modern_kick(0);
	guest_write(TWIN_BAR4 + COMMON_STATUS, 1, 0);
	CHECK(modern_status() != 0 && hw.aborts == 1);
	drive_busy = false;
	CHECK_EQ(modern_status(), 0);
	modern_up(&ring, 1, NO_EVENT, 256);
	request(VIRTIO_BLK_T_IN, 0, mem, 512, true);
	modern_kick(0);
	CHECK_EQ(hw.ncmd, 1);
	guest_out(TWIN_IO + LEGACY_STATUS, 1, 0);		/* a legacy driver does not poll the status */
	CHECK(guest_in(TWIN_IO + LEGACY_STATUS, 1) == 0 && hw.aborts == 2 && !hw.disk.patient);
}
