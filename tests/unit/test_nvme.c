/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hw/nvme/nvme*.c hw/disk.c hw/disk_cut.c hw/disk_start.c hv/lib/sg.c tests/unit/nvme_model.c */
/* The NVMe driver: start, data, write cache, interrupts, resets, aborts, shutdown.  Events and Identify: other files. */
#include "nvme_fixture.h"

TEST(comes_up)
{
	start_two();
	CHECK(!strcmp(dev->name, "nvme0") && !strcmp(d1->name, "nvme0n1") && !strcmp(d2->name, "nvme0n3"));
	CHECK(!strcmp(d1->serial, "S?R 1") && !strcmp(d1->model, "Model") && !strcmp(d1->firmware, "FW1"));
	CHECK_EQ(d1->nblocks, MODEL_BLOCKS);
	CHECK_EQ(d1->block_size, 512);
	CHECK_EQ(d2->block_size, 4096);
	CHECK_EQ(d2->index, 3);
	CHECK(d2->hw_read_only && !d1->hw_read_only);
	CHECK(d1->write_cache && d1->can_set_cache && d1->flush);
	CHECK_EQ(d1->phys_exp, 3);
	CHECK_EQ(d1->min_io_blocks, 16);
	CHECK_EQ(d1->opt_io_blocks, 64);
	CHECK_EQ(d2->opt_io_blocks, 32);
	CHECK_EQ(d1->limits.max_bytes, 128 * 1024);
	CHECK_EQ(d1->limits.tags, 31);
	CHECK(host_log_has("namespace 2 left out"));
	CHECK(host_heap_used() < 2 * 65536 + 300 * 1024);	/* each disk has a bounce buffer of 64 KiB */
}

TEST(takes_over_from_firmware)
{
	new_machine();
	model_firmware_enabled();
	model.off_delay_us = 1200 * MS;
	model.rdy_delay_us = 1900 * MS;
	CHECK_EQ(probe(), 0);
	CHECK_EQ(model.resets, 1);
}

TEST(waits_for_firmware_that_is_just_enabling)
{
	new_machine();
	model_firmware_enabled();
	model.csts = 0;
	model.event_us = host_now_us + 300 * MS;
	CHECK_EQ(probe(), 0);
}

static void expect_failure(const char *log)
{
	CHECK(probe() < 0);
	CHECK(host_log_has(log));
	CHECK_EQ(host_heap_used(), 0);
	CHECK(!(pci_read16(&pci, PCI_COMMAND) & PCI_CMD_MASTER));
}

TEST(start_failures_leave_nothing)
{
	new_machine();
	host_time_hook = run_coarsely;
	model.never_ready = true;
	expect_failure("CSTS.RDY = 1 awaited");
	model_init(&pci);
	model_firmware_enabled();
	model.never_off = true;
	expect_failure("CSTS.RDY = 0 awaited");
	model_init(&pci);
	model.cfs_on_enable = true;
	expect_failure("fatal status while it was enabled");
	model_init(&pci);
	model.removed = true;
	expect_failure("all ones");
	model_init(&pci);
	model.fail_admin = 0x06;
	expect_failure("Identify Controller");
	model_init(&pci);
	model.fail_admin = 0x05;
	expect_failure("Create I/O Completion Queue failed");
	model_init(&pci);
	model.hang_admin = 0x01;
	expect_failure("creating the I/O queues, step 2");
	model_init(&pci);
	model.hang_admin = 0x06;
	expect_failure("Identify Controller not completed");
	model_init(&pci);
	model.cntrltype = 3;
	expect_failure("controller type 3");
	model_init(&pci);
	model.no_namespaces = true;
	expect_failure("no usable namespace");
	model_init(&pci);
	model.cap ^= 1ull << 37;
	expect_failure("no disks");
	model_init(&pci);
	pci.bar[0].size = 0x1000;
	expect_failure("nvme0");
}

TEST(each_allocation_may_fail)
{
	unsigned at = 0, partly = 0;
	int err;

	new_machine();
	do {
		size_t before = host_heap_used();

		model_init(&pci);
		host_heap_fail_at(++at);
		err = probe();
		CHECK(err == 0 || err == -ERR_NOMEM);
		if (err)
			CHECK_EQ(host_heap_used(), before);
		if (err || dev->ndisk == 2)
			continue;
		/* There is no memory for one namespace; the other is a disk. */
		struct io *io = io_rw(0, d1, DISK_READ, 3, 1, 0);

		partly++;
		CHECK(dev->ndisk == 1 && host_log_has("left out: no memory"));
		run(10 * MS);
		CHECK(io->done == 1 && io->status == 0);
	} while (err || dev->ndisk < 2);
	CHECK(at > 12 && partly > 3);
}

TEST(old_controller_without_namespace_list)
{
	new_machine();
	model.vs = 0x00010000;
	CHECK_EQ(probe(), 0);
	CHECK_EQ(dev->ndisk, 2);
	CHECK_EQ(d2->index, 3);
}

TEST(delay_quirk)
{
	uint64_t before;

	new_machine();
	before = host_now_us;
	CHECK_EQ(probe_as(0x144d, 0xa821), 0);
	CHECK(host_now_us - before >= 2300 * MS);
}

TEST(small_queues_strides_and_pages)
{
	new_machine();
	model.cap = (model.cap & ~0xffffull) | 1;	/* two entries */
	model.cap |= 3ull << 32;			/* doorbells 32 bytes apart */
	model.cap |= 1ull << 48 | 1ull << 52;		/* 8 KiB pages at least */
	CHECK_EQ(probe(), 0);
	CHECK_EQ(d1->limits.tags, 1);
	CHECK_EQ(d1->limits.page_rule, 8192);
	CHECK_EQ(d1->limits.max_bytes, 256 * 1024);
	fill_ram(0, 0x40000, 5);
	struct io *a = io_rw(0, d1, DISK_WRITE, 0, 512, 0);
	struct io *b = io_rw(1, d2, DISK_READ, 0, 8, 0x100000);

	run(20 * MS);
	CHECK(a->done == 1 && a->status == 0 && b->done == 1 && b->status == 0);
	CHECK(!memcmp(model_data(1), (void *)(uintptr_t)ram, 0x40000));
	dev->ops->shutdown(dev);
	CHECK_EQ(model.flushes, 2);
}

/* --- data --- */

TEST(writes_and_reads_every_shape)
{
	static const struct { uint32_t off, len; } shape[][4] = {
		{ { 0, 512 } }, { { 0xe00, 512 } }, { { 0xffc, 512 } }, { { 4, 8192 } }, { { 0, 4096 } }, { { 0, 8192 } },
		{ { 0, 12288 } }, { { 0x800, 0x800 }, { 0x4000, 0x1000 }, { 0x9000, 0x200 } }, { { 0xc, 0x20000 } },
		{ { 0x3f4, 0xc0c }, { 0x7000, 0x3f4 } }, { { 0x10000, 0x20000 } }, { { 0x14, 0x40000 } },
		{ { 1, 4096 } }, { { 0x123, 0x100 }, { 0x6001, 0x300 } }, { { 0x100, 0x1000 }, { 0x8100, 0x1000 } },
	};

	start_two();
	for (unsigned i = 0; i < ARRAY_SIZE(shape); i++) {
		for (unsigned pass = 0; pass < 2; pass++) {
			struct io *io = io_new(0, pass ? DISK_READ : DISK_WRITE, 16 + i, 0);
			uint32_t bytes = 0;

			for (unsigned k = 0; k < 4 && shape[i][k].len; k++) {
				if (!pass)
					fill_ram(shape[i][k].off, shape[i][k].len, i + k);
				io_piece(io, shape[i][k].off + pass * 0x200000, shape[i][k].len);
				bytes += shape[i][k].len;
			}
			io->req.nblocks = bytes / 512;
			disk_submit(d1, 0, &io->req);
			disk_kick(d1, 0);
			run(20 * MS);
			CHECK_EQ(io->done, 1);
			CHECK_EQ(io->status, 0);
		}
		for (unsigned k = 0; k < 4 && shape[i][k].len; k++)
			CHECK(!memcmp((void *)(uintptr_t)(ram + shape[i][k].off),
				      (void *)(uintptr_t)(ram + 0x200000 + shape[i][k].off), shape[i][k].len));
	}
}

TEST(refuses_commands_that_break_the_page_rules)
{
	static const struct { uint32_t off, len; } bad[][2] = {
		{ { 2, 1024 } }, { { 0, 512 }, { 0x2000, 512 } }, { { 0, 0x1000 }, { 0x2004, 0x1000 } }, { { 0, 0x1000 } },
	};
	struct sg sg[2];
	struct disk_cmd cmd = { .op = DISK_READ, .sg = sg, .deadline_us = ~0ull };

	start_two();
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		cmd.nsg = 0;
		cmd.nblocks = 0;
		for (unsigned k = 0; k < 2 && bad[i][k].len; k++) {
			sg[k] = (struct sg) { ram + bad[i][k].off, bad[i][k].len };
			cmd.nsg++;
			cmd.nblocks += bad[i][k].len / 512;
		}
		cmd.nblocks += i == 3;		/* more blocks than the memory holds */
		CHECK_EQ(d1->ops->start(d1, 0, &cmd), -ERR_INVAL);
	}
	CHECK(host_log_has("breaks the rules"));
	sg[0] = (struct sg) { ram, 0x200000 };
	cmd.nsg = 1;
	cmd.nblocks = 0x200000 / 512;	/* more than a PRP list holds */
	CHECK_EQ(d1->ops->start(d1, 0, &cmd), -ERR_INVAL);
}

TEST(batches_and_wraps)
{
	unsigned rings;

	start_two();
	for (unsigned round = 0; round < 10; round++) {
		rings = model.sq_rings;
		for (unsigned i = 0; i < 100; i++) {
			struct io *io = io_new(i, DISK_WRITE, i, 1);

			fill_ram(i * 512, 512, i + round);
			io_piece(io, i * 512, 512);
			disk_submit(d1, 0, &io->req);
		}
		CHECK_EQ(model.sq_rings, rings);
		disk_kick(d1, 0);
		CHECK_EQ(model.sq_rings, rings + 1);
		run(20 * MS);
		for (unsigned i = 0; i < 100; i++)
			CHECK(ios[i].done == 1 && ios[i].status == 0);
		CHECK(!memcmp(model_data(1), (void *)(uintptr_t)ram, 100 * 512));
	}
	CHECK(!host_log_has("ignored"));
}

TEST(one_head_doorbell_a_poll)
{
	start_two();
	model.auto_ring = false;
	for (unsigned i = 0; i < 20; i++)
		io_rw(i, d1, DISK_READ, i, 1, i * 512);
	host_now_us += 10 * MS;
	model_run();
	unsigned heads = model.cq_rings;

	CHECK_EQ(dev->ops->poll(dev), 20);
	CHECK_EQ(model.cq_rings, heads + 1);
	CHECK_EQ(dev->ops->poll(dev), 0);
	CHECK_EQ(model.cq_rings, heads + 1);
}

TEST(other_commands)
{
	start_two();
	fill_ram(0, 4096, 3);
	io_rw(0, d1, DISK_WRITE, 0, 8, 0);
	run(5 * MS);
	struct io *wz = io_new(1, DISK_WRITE_ZEROES, 1, 2);

	wz->req.unmap = true;
	disk_submit(d1, 0, &wz->req);
	struct io *dsm = io_new(2, DISK_DISCARD, 50, 4000);

	disk_submit(d1, 0, &dsm->req);
	struct io *fl = io_new(3, DISK_FLUSH, 0, 0);

	disk_submit(d1, 0, &fl->req);
	disk_kick(d1, 0);
	run(20 * MS);
	CHECK(wz->done == 1 && !wz->status && dsm->done == 1 && !dsm->status && fl->done == 1 && !fl->status);
	CHECK_EQ(model_data(1)[512], 0);
	CHECK(model_data(1)[512 * 3 + 1] != 0);
	CHECK_EQ(model.deac, 1);
	CHECK_EQ(model.flushes, 1);
	CHECK_EQ(model.dsm_blocks, 4000);
	CHECK_EQ(model.dsms, 2);		/* DMRSL is 2048 */
}

TEST(no_optional_commands)
{
	new_machine();
	model.oncs = 0;
	model.vwc = 0;
	CHECK_EQ(probe(), 0);
	CHECK(!d1->limits.max_discard_blocks && !d1->limits.max_zero_blocks && !d1->can_set_cache && !d1->ops->set_cache);
	CHECK(!d1->write_cache && d1->flush);
}

static int status_of(unsigned nvme_status)
{
	struct io *io;

	model.fail_lba = 7;
	model.fail_status = nvme_status;
	io = io_rw(0, d1, DISK_WRITE, 7, 1, 0);
	run(5 * MS);
	CHECK_EQ(io->done, 1);
	return io->status;
}

TEST(error_statuses)
{
	unsigned before;

	start_two();
	run(3 * SECOND);			/* beyond CAP.TO */
	CHECK_EQ(status_of(0x001), -ERR_NOTSUP);
	CHECK_EQ(status_of(0x080), -ERR_INVAL);
	CHECK_EQ(status_of(0x020), -ERR_ROFS);
	CHECK_EQ(status_of(0x182), -ERR_ROFS);
	before = model.writes;
	CHECK_EQ(status_of(0x280), -ERR_IO);
	CHECK_EQ(model.writes, before + 1);	/* never retried */
	CHECK_EQ(status_of(0x007), -ERR_IO);
	CHECK_EQ(status_of(0x082), -ERR_IO);	/* if the controller has been ready for long */
	CHECK_EQ(d1->cnt_errors, 7);
}

TEST(namespace_not_ready_after_a_reset_is_asked_again)
{
	start_two();
	model.cfs = true;
	run(20 * MS);
	CHECK_EQ(model.resets, 1);
	model.not_ready_until_us = host_now_us + 450 * MS;
	struct io *io = io_rw(0, d1, DISK_READ, 7, 1, 0);

	run(300 * MS);
	CHECK_EQ(io->done, 0);
	run(400 * MS);
	CHECK(io->done == 1 && io->status == 0);
	CHECK(model.reads < 8);
}

TEST(ignores_completions_of_nothing)
{
	start_two();
	struct io *io = io_rw(0, d1, DISK_READ, 7, 1, 0);

	model_post_raw(1, 200, 1, 0);	/* no such slot */
	model_post_raw(1, 5, 1, 0);	/* a free slot */
	model_post_raw(1, 0, 9, 0);	/* another queue's */
	model_post_raw(0, 3, 0, 0);
	run(10 * MS);
	CHECK(io->done == 1 && io->status == 0);
	CHECK(host_log_has("completion without a command"));
	model_post_raw(1, 0, 1, 0x80);	/* the same completion again */
	run(10 * MS);
	CHECK_EQ(io->done, 1);
	CHECK(!host_log_has("completed twice"));
}

/* --- the write cache --- */

TEST(cache_off_is_honest)
{
	start_two();
	io_rw(0, d1, DISK_WRITE, 0, 1, 0);
	run(10 * MS);
	CHECK_EQ(model.fua, 0);
	CHECK_EQ(d1->ops->set_cache(d1, false), 0);
	CHECK(!d1->write_cache);
	struct io *io = io_rw(1, d1, DISK_WRITE, 1, 1, 0);

	CHECK_EQ(io->done, 0);
	run(20 * MS);
	CHECK(io->done == 1 && io->status == 0);
	CHECK_EQ(model.flushes, 1);
	CHECK_EQ(model.flushed_before_write, 1);
	CHECK_EQ(model.fua, 1);
	CHECK_EQ(model.vwc_on, 1);		/* the other disk needs the cache */
	CHECK_EQ(d2->ops->set_cache(d2, false), 0);
	run(20 * MS);
	CHECK_EQ(model.vwc_on, 0);
	model.cfs = true;			/* a reset restores the saved value */
	run(50 * MS);
	CHECK_EQ(model.resets, 1);
	CHECK_EQ(model.vwc_on, 0);
	CHECK_EQ(d1->ops->set_cache(d1, true), 0);
	io_rw(2, d1, DISK_WRITE, 2, 1, 0);
	run(20 * MS);
	CHECK_EQ(model.vwc_on, 1);
	CHECK_EQ(model.fua, 1);
}

TEST(cache_off_while_its_flush_runs)
{
	start_two();
	model.latency_us = 20 * MS;
	d1->ops->set_cache(d1, false);
	d1->ops->set_cache(d1, true);
	d1->ops->set_cache(d1, false);
	struct io *io = io_rw(0, d1, DISK_WRITE, 0, 1, 0);

	run(30 * MS);
	CHECK_EQ(model.flushes, 1);
	CHECK_EQ(model.writes, 0);
	run(60 * MS);
	CHECK_EQ(model.flushes, 2);
	CHECK_EQ(model.fua, 1);
	CHECK(io->done == 1 && io->status == 0);
	d2->ops->set_cache(d2, false);		/* this flush, and that of the shutdown */
	dev->ops->shutdown(dev);
	CHECK_EQ(model.flushes, 5);
}

/* --- interrupts --- */

TEST(msix_masks_are_not_touched)
{
	start_two();
	dev->ops->irq_enable(dev, true);
	dev->ops->irq_enable(dev, false);
	CHECK_EQ(model.int_writes, 0);
}

TEST(pin_is_tested_and_edges_are_made)
{
	new_machine();
	cfg[0x43] = 0;
	CHECK_EQ(probe(), 0);
	CHECK(!model_line());
	dev->ops->intx_test(dev, true);
	run(0);
	host_now_us += 5 * MS;
	model_run();
	CHECK(model_line());
	dev->ops->intx_test(dev, false);
	CHECK(!model_line());
	io_rw(0, d1, DISK_READ, 0, 1, 0);
	host_now_us += 5 * MS;
	model_run();
	CHECK(!model_line());
	dev->ops->irq_enable(dev, true);
	CHECK(model_line());
	unsigned writes = model.int_writes;

	dev->ops->poll(dev);
	CHECK(!model_line());
	CHECK_EQ(model.int_writes, writes + 2);
	model.cfs = true;		/* a reset must not unmask the interrupt */
	dev->ops->irq_enable(dev, false);
	run(50 * MS);
	CHECK_EQ(model.intm, 1);
}

/* --- recovery --- */

TEST(abort_helps)
{
	start_two();
	model.hang_lba = 50;
	model.abort_mode = MODEL_ABORTS;
	struct io *bad = io_rw(0, d1, DISK_READ, 50, 1, 0);
	struct io *good = io_rw(1, d1, DISK_READ, 51, 1, 512);

	run(29 * SECOND);
	CHECK(good->done == 1 && good->status == 0 && bad->done == 0);
	run(2 * SECOND);
	CHECK(bad->done == 1 && bad->status == -ERR_TIMEOUT);
	CHECK_EQ(model.aborts, 1);
	CHECK_EQ(model.resets, 0);
	CHECK_EQ(d1->cnt_timeouts, 1);
	good = io_rw(1, d1, DISK_READ, 51, 1, 512);
	run(10 * MS);
	CHECK_EQ(good->done, 1);
}

/* The model overwrites a hung read's memory at the very last moment before CSTS.RDY becomes 0. */
static void hang_then_reset(enum model_abort mode)
{
	start_two();
	model.hang_lba = 50;
	model.abort_mode = mode;
	model.off_delay_us = 800 * MS;
	model.rdy_delay_us = 300 * MS;
	struct io *bad = io_rw(0, d1, DISK_READ, 50, 1, 0);

	run(20 * SECOND);
	model.latency_us = 60 * SECOND;		/* these are only slow */
	struct io *good = io_rw(1, d1, DISK_READ, 51, 1, 512);
	struct io *other = io_rw(2, d2, DISK_READ, 4, 1, 0x10000);

	run(9 * SECOND);
	model.latency_us = MS;
	CHECK(!bad->done && !good->done && !other->done);
	run(SECOND + 200 * MS + (mode == MODEL_ABORT_HANGS ? SECOND : 0));
	CHECK_EQ(model.resets, 1);
	CHECK_EQ(bad->done, 0);			/* CSTS.RDY is still 1 */
	run(2 * SECOND);
	CHECK(bad->done == 1 && bad->status == -ERR_TIMEOUT);
	CHECK_EQ(bad->seen, MODEL_SCRIBBLE);
	CHECK(good->done == 1 && good->status == 0 && other->done == 1 && other->status == 0);
	CHECK_EQ(model.aborts, 1);
	good = io_rw(1, d1, DISK_WRITE, 51, 1, 512);
	run(10 * MS);
	CHECK(good->done == 1 && good->status == 0);
}

TEST(each_hung_command_gets_its_abort)
{
	new_machine();
	model.cap = (model.cap & ~0xffffull) | 1;	/* one slot: always the same identifier */
	CHECK_EQ(probe(), 0);
	model.hang_lba = 50;
	model.abort_mode = MODEL_ABORTS;
	for (unsigned i = 1; i < 4; i++) {
		struct io *io = io_rw(0, d1, DISK_READ, 50, 1, 0);

		run(31 * SECOND);
		CHECK(io->done == 1 && io->status == -ERR_TIMEOUT);
		CHECK_EQ(model.aborts, i);
	}
	CHECK_EQ(model.resets, 0);
}

/* Between CC.EN = 0 and CSTS.RDY = 0 a write completes, and a read's deadline passes. */
TEST(innocent_commands_around_a_reset)
{
	start_two();
	model.hang_lba = 50;
	model.off_delay_us = 800 * MS;
	struct io *bad = io_rw(0, d1, DISK_READ, 50, 1, 0);

	run(500 * MS);
	model.latency_us = 60 * SECOND;
	struct io *late = io_rw(1, d1, DISK_READ, 51, 1, 512);

	run(29400 * MS);
	model.latency_us = 500 * MS;
	struct io *write = io_rw(2, d1, DISK_WRITE, 52, 1, 1024);

	run(2 * SECOND);
	CHECK(bad->done == 1 && bad->status == -ERR_TIMEOUT);
	CHECK(late->done == 1 && late->status == 0);
	CHECK(write->done == 1 && write->status == 0);
	CHECK_EQ(model.writes, 1);
	CHECK_EQ(model.resets, 1);
}

TEST(abort_refused_then_reset) { hang_then_reset(MODEL_NOT_ABORTED); }
TEST(abort_hangs_then_reset) { hang_then_reset(MODEL_ABORT_HANGS); }

TEST(many_hang_together)
{
	start_two();
	model.hang_all = true;
	for (unsigned i = 0; i < 200; i++)
		io_rw(i, d1, DISK_READ, i, 1, i * 512);
	run(29 * SECOND);
	model.hang_all = false;
	run(3 * SECOND);
	for (unsigned i = 0; i < 200; i++)
		CHECK(ios[i].done == 1 && ios[i].status == (i < 31 ? -ERR_TIMEOUT : 0));
	CHECK_EQ(model.resets, 1);
	CHECK_EQ(disk_outstanding(d1), 0);
}

TEST(completions_posted_before_the_reset_stand)
{
	start_two();
	model.auto_ring = false;
	struct io *io = io_rw(0, d1, DISK_WRITE, 9, 1, 0);

	host_now_us += MS;
	model_run();
	unsigned writes = model.writes;

	model.cfs = true;
	dev->ops->tick(dev, host_now_us);
	run(50 * MS);
	CHECK(io->done == 1 && io->status == 0);
	CHECK_EQ(model.writes, writes);
}

TEST(fatal_status_resets)
{
	start_two();
	model.latency_us = SECOND;
	struct io *io = io_rw(0, d1, DISK_READ, 1, 1, 0);

	run(10 * MS);
	model.cfs = true;
	model.latency_us = MS;
	run(50 * MS);
	CHECK(host_log_has("fatal status"));
	CHECK(io->done == 1 && io->status == 0);
	CHECK_EQ(model.resets, 1);
}

TEST(a_command_that_kills_the_controller_ends)
{
	start_two();
	model.cfs_lba = 60;
	struct io *io = io_rw(0, d1, DISK_READ, 60, 1, 0);

	run(SECOND);
	CHECK(io->done == 1 && io->status == -ERR_IO);
	CHECK_EQ(model.resets, 4);
	io = io_rw(0, d1, DISK_READ, 1, 1, 0);
	run(10 * MS);
	CHECK(io->done == 1 && io->status == 0);
}

static void reset_fails(void)
{
	struct io *bad = io_rw(0, d1, DISK_READ, 50, 1, 0);
	struct io *other, *waiting;

	run(29 * SECOND);
	model.latency_us = 60 * SECOND;
	other = io_rw(1, d2, DISK_READ, 4, 1, 0x10000);
	run(10 * SECOND);
	waiting = io_rw(2, d1, DISK_READ, 1, 1, 0);
	run(40 * SECOND);
	CHECK(bad->done == 1 && bad->status == -ERR_TIMEOUT);
	CHECK(other->done == 1 && other->status == -ERR_NODEV);
	CHECK(waiting->done == 1 && waiting->status == -ERR_NODEV);
	CHECK(d1->gone && d2->gone);
	CHECK(!(pci_read16(&pci, PCI_COMMAND) & PCI_CMD_MASTER));
	waiting = io_rw(2, d1, DISK_READ, 1, 1, 0);
	CHECK(waiting->done == 1 && waiting->status == -ERR_NODEV);
	dev->ops->poll(dev);
	dev->ops->shutdown(dev);
}

TEST(reset_never_off) { start_two(); model.hang_lba = 50; model.never_off = true; reset_fails(); }
TEST(reset_never_ready) { start_two(); model.hang_lba = 50; model.never_ready = true; reset_fails(); }
TEST(reset_fatal) { start_two(); model.hang_lba = 50; model.cfs_on_enable = true; reset_fails(); }
TEST(reset_setup_fails) { start_two(); model.hang_lba = 50; model.fail_admin = 0x01; reset_fails(); }
TEST(reset_setup_hangs) { start_two(); model.hang_lba = 50; model.hang_admin = 0x05; reset_fails(); }

TEST(controller_that_drains_is_not_disabled)
{
	new_machine();
	CHECK_EQ(probe_as(0x1b36, 0x0010), 0);
	model.hang_lba = 50;
	reset_fails();
	CHECK_EQ(model.resets, 0);
}

TEST(removal)
{
	start_two();
	model.latency_us = SECOND;
	struct io *a = io_rw(0, d1, DISK_READ, 1, 1, 0);
	struct io *b = io_rw(1, d2, DISK_READ, 1, 1, 4096);

	model.removed = true;
	run(5 * MS);
	CHECK(a->done == 1 && a->status == -ERR_NODEV && b->done == 1 && b->status == -ERR_NODEV);
	CHECK(d1->gone && d2->gone && host_log_has("removed"));
	CHECK_EQ(disk_outstanding(d1), 0);
}

/* Some machines read zeros from a missing device: configuration space distinguishes that from a disabled controller. */
TEST(removal_that_reads_as_zeroes)
{
	start_two();
	model.latency_us = SECOND;
	struct io *a = io_rw(0, d1, DISK_READ, 1, 1, 0);

	model.removed = model.reads_zeroes = true;
	memset(cfg, 0xff, 4);
	run(5 * MS);
	CHECK(a->done == 1 && a->status == -ERR_NODEV && d1->gone && host_log_has("removed"));
}

/* The controller is present but has lost its state: it is initialized again, and no command is lost. */
TEST(power_lost_for_a_moment)
{
	start_two();
	model.latency_us = SECOND;
	struct io *a = io_rw(0, d1, DISK_WRITE, 1, 1, 0);
	struct io *b = io_rw(1, d2, DISK_READ, 1, 1, 4096);

	run(5 * MS);
	model_power_cycle();
	model.latency_us = MS;
	run(SECOND);
	CHECK(a->done == 1 && a->status == 0 && b->done == 1 && b->status == 0);
	CHECK(!d1->gone && host_log_has("no longer ready") && host_log_has("2 commands sent again"));
}

/* --- abort_all --- */

TEST(abort_all_idle_and_draining)
{
	uint64_t before;

	start_two();
	before = host_now_us;
	disk_reset(d1);
	CHECK_EQ(host_now_us, before);
	model.latency_us = 30 * MS;
	struct io *a = io_rw(0, d1, DISK_READ, 1, 1, 0);
	struct io *b = io_rw(1, d2, DISK_READ, 1, 1, 4096);

	disk_reset(d1);
	CHECK_EQ(b->done, 0);			/* no callback during the call */
	CHECK(host_now_us - before < 100 * MS);
	run(50 * MS);
	CHECK(a->done == 0 && b->done == 1 && b->status == 0);
	CHECK_EQ(model.resets, 0);
	CHECK_EQ(disk_outstanding(d1), 0);
	a = io_rw(0, d1, DISK_READ, 1, 1, 0);
	run(50 * MS);
	CHECK_EQ(a->done, 1);
}

static void abort_all_hung(uint64_t off_delay, bool master)
{
	start_two();
	model.hang_lba = 50;
	struct io *a = io_rw(0, d1, DISK_READ, 50, 1, 0);

	run(10 * MS);
	model.latency_us = 60 * SECOND;
	struct io *b = io_rw(1, d2, DISK_READ, 1, 1, 4096);

	run(10 * MS);
	model.latency_us = MS;
	model.off_delay_us = off_delay;
	uint64_t before = host_now_us;

	disk_reset(d1);
	CHECK(host_now_us - before < 600 * MS);
	CHECK_EQ(!!(pci_read16(&pci, PCI_COMMAND) & PCI_CMD_MASTER), master);
	memset((void *)(uintptr_t)ram, 0x5a, 512);	/* the guest uses the memory again */
	CHECK_EQ(a->done, 0);
	struct io *c = io_rw(2, d1, DISK_READ, 3, 1, 8192);

	run(3 * SECOND);
	CHECK_EQ(a->done, 0);
	CHECK(b->done == 1 && b->status == 0 && c->done == 1 && c->status == 0);
	CHECK_EQ(((uint8_t *)(uintptr_t)ram)[0], 0x5a);
	CHECK_EQ(model.resets, 1);
	CHECK(pci_read16(&pci, PCI_COMMAND) & PCI_CMD_MASTER);
}

TEST(abort_all_resets) { abort_all_hung(100 * MS, true); }
TEST(abort_all_does_not_wait_for_a_slow_reset) { abort_all_hung(1500 * MS, false); }

TEST(abort_all_during_a_reset)
{
	start_two();
	model.latency_us = 60 * SECOND;
	model.off_delay_us = 400 * MS;
	struct io *a = io_rw(0, d1, DISK_READ, 1, 1, 0);
	struct io *b = io_rw(1, d2, DISK_READ, 1, 1, 4096);

	run(10 * MS);
	model.latency_us = MS;
	model.cfs = true;
	run(10 * MS);
	disk_reset(d1);
	memset((void *)(uintptr_t)ram, 0x5a, 512);
	run(SECOND);
	CHECK(a->done == 0 && b->done == 1 && b->status == 0);
	CHECK_EQ(((uint8_t *)(uintptr_t)ram)[0], 0x5a);
}

TEST(abort_all_on_a_controller_that_drains)
{
	new_machine();
	CHECK_EQ(probe_as(0x1b36, 0x0010), 0);
	model.hang_lba = 50;
	io_rw(0, d1, DISK_READ, 50, 1, 0);
	run(10 * MS);
	disk_reset(d1);
	CHECK(d1->gone && !(pci_read16(&pci, PCI_COMMAND) & PCI_CMD_MASTER));
	CHECK_EQ(model.resets, 0);
	run(10 * MS);
	CHECK_EQ(ios[0].done, 0);
}

/* A client that can wait: the disk stays, and nothing new starts before the cancelled command has ended. */
TEST(a_patient_client_waits_for_a_controller_that_drains)
{
	new_machine();
	CHECK_EQ(probe_as(0x1b36, 0x0010), 0);
	model.latency_us = 20 * SECOND;
	io_rw(0, d1, DISK_READ, 50, 1, 0);
	model.latency_us = MS;
	d1->patient = true;
	disk_reset(d1);
	CHECK(!d1->gone && !disk_quiet(d1) && disk_quiet(d2));
	struct io *next = io_rw(1, d1, DISK_READ, 51, 1, 512);
	struct io *other = io_rw(2, d2, DISK_READ, 4, 1, 0x10000);

	run(10 * SECOND);
	CHECK(!disk_quiet(d1) && !next->done && other->done == 1 && other->status == 0);
	run(11 * SECOND);
	CHECK(disk_quiet(d1) && !d1->gone && !ios[0].done);
	CHECK(next->done == 1 && next->status == 0);
	CHECK_EQ(model.resets, 0);
}

/* The client waits no longer than the command's deadline, even if time passes only by its polls. */
TEST(patience_ends_with_the_deadline)
{
	new_machine();
	CHECK_EQ(probe_as(0x1b36, 0x0010), 0);
	model.hang_lba = 50;
	model.abort_mode = MODEL_ABORT_HANGS;
	io_rw(0, d1, DISK_READ, 50, 1, 0);
	d1->patient = true;
	disk_reset(d1);
	for (unsigned i = 0; i < 40 && !disk_quiet(d1); i++) {
		host_now_us += SECOND;
		model_run();
	}
	CHECK(disk_quiet(d1) && d1->gone);
	CHECK(!(pci_read16(&pci, PCI_COMMAND) & PCI_CMD_MASTER));
	CHECK_EQ(ios[0].done, 0);
}

/* --- shutdown --- */

TEST(shutdown_flushes_and_tells)
{
	start_two();
	model.latency_us = 20 * MS;
	for (unsigned i = 0; i < 31; i++)
		io_rw(i, d1, DISK_WRITE, i, 1, i * 512);
	dev->ops->shutdown(dev);
	CHECK_EQ(model.writes, 31);
	CHECK_EQ(model.flushes, 2);
	CHECK_EQ(model.shutdowns, 1);
	CHECK(!(pci_read16(&pci, PCI_COMMAND) & PCI_CMD_MASTER));
	dev->ops->shutdown(dev);
	CHECK_EQ(model.shutdowns, 1);
	CHECK_EQ(d1->ops->start(d1, 0, &(struct disk_cmd) { .op = DISK_FLUSH }), -ERR_BUSY);
}

TEST(shutdown_is_bounded)
{
	uint64_t before;

	start_two();
	model.never_shut = true;
	before = host_now_us;
	dev->ops->shutdown(dev);
	CHECK(host_now_us - before < 10 * SECOND);
	CHECK(host_log_has("CSTS.SHST = 2 awaited"));
	start_two();
	model.hang_all = true;
	io_rw(0, d1, DISK_WRITE, 1, 1, 0);
	before = host_now_us;
	dev->ops->shutdown(dev);
	CHECK(host_now_us - before < 10 * SECOND);
	CHECK(!(pci_read16(&pci, PCI_COMMAND) & PCI_CMD_MASTER));
}

TEST_MAIN
