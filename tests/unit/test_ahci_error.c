/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hw/ahci/ahci*.c hw/disk.c hw/disk_cut.c hw/disk_start.c hv/lib/sg.c hw/match.c */
/* The AHCI driver with errors, timeouts, resets, and removal. */
#include "host/ahci_rig.h"

/* Eight commands, of which that for LBA 3 fails: with the error log, without it, with a damaged log, and as QEMU reports it. */
static void one_bad_among(bool no_log, bool bad_log, bool sdb_only)
{
	setup();
	struct disk *d = start_disk();
	struct model_port *p = &model.p[0];

	p->no_log = no_log;
	p->bad_log = bad_log;
	p->sdb_only = p->keeps_ci = sdb_only;
	p->hold = true;
	p->bad_lba[0] = 3;
	for (unsigned i = 0; i < 8; i++)
		submit(d, i, DISK_READ, i, 1);
	disk_kick(d, 0);
	p->hold = false;
	ticks(200);
	for (unsigned i = 0; i < 8; i++) {
		CHECK_EQ(reqs[i].done, 1);
		CHECK_EQ(reqs[i].status, i == 3 ? -ERR_IO : 0);
		CHECK(i == 3 || read_ok(&reqs[i], 0));
	}
	CHECK(p->seen[ATA_READ_LOG_EXT] >= 1);
	CHECK_EQ(p->comresets, no_log ? p->comresets : 0);
	CHECK_EQ(holds, 0);
	/* the disk still works */
	submit(d, 0, DISK_READ, 9, 1);
	disk_kick(d, 0);
	ticks(2);
	CHECK(read_ok(&reqs[0], 0));
	CHECK(!d->gone);
}

TEST(ncq_error_with_log) { one_bad_among(false, false, false); CHECK_EQ(model.p[0].seen[ATA_READ_LOG_EXT], 1); }
TEST(ncq_error_without_log) { one_bad_among(true, false, false); CHECK(model.p[0].comresets >= 1); }
TEST(ncq_error_with_rotten_log) { one_bad_among(false, true, false); }
TEST(ncq_error_only_in_the_fis) { one_bad_among(true, false, true); }

TEST(several_bad_among_many)
{
	setup();
	struct disk *d = start_disk();

	model.p[0].hold = true;
	for (unsigned b = 0; b < 4; b++)
		model.p[0].bad_lba[b] = 5 + b * 7;
	for (unsigned i = 0; i < 32; i++)
		submit(d, i, DISK_READ, i, 1);
	disk_kick(d, 0);
	model.p[0].hold = false;
	ticks(50);
	for (unsigned i = 0; i < 32; i++)
		CHECK_EQ(reqs[i].status, (i >= 5 && (i - 5) % 7 == 0 && i <= 26) ? -ERR_IO : 0);
}

TEST(a_failed_write_is_never_retried)
{
	setup();
	struct disk *d = start_disk();

	model.p[0].bad_lba[0] = 40;
	submit(d, 0, DISK_WRITE, 40, 1);
	disk_kick(d, 0);
	ticks(20);
	CHECK_EQ(reqs[0].status, -ERR_IO);
	CHECK_EQ(model.p[0].seen[ATA_WRITE_FPDMA], 1);
}

TEST(plain_error_fails_its_command)
{
	setup();
	model.p[0].id[ID_SATA_CAPS] = 0;
	struct disk *d = start_disk();

	model.p[0].bad_lba[0] = 40;
	submit(d, 0, DISK_READ, 40, 1);
	submit(d, 1, DISK_READ, 41, 1);
	disk_kick(d, 0);
	ticks(20);
	CHECK_EQ(reqs[0].status, -ERR_IO);
	CHECK(read_ok(&reqs[1], 0));
	CHECK_EQ(model.p[0].seen[ATA_READ_LOG_EXT], 0);
}

TEST(hung_command_times_out_and_the_others_live)
{
	setup();
	set_device(1, MODEL_ATA);
	struct disk *d = start_disk();

	d->timeout_us = 1000000;
	model.p[0].hold = true;
	model.p[0].hang_lba = 2;
	for (unsigned i = 0; i < 6; i++)
		submit(d, i, DISK_READ, i, 1);
	disk_kick(d, 0);
	ticks(990);
	model.p[0].hang_lba = NEVER;
	model_complete(&model.p[0], 0);
	model_complete(&model.p[0], 1);
	model.p[0].hang_lba = 2;
	/* five commands are late; all are repeated, and only LBA 2 hangs again */
	ticks(30);
	CHECK_EQ(reqs[0].status, 0);
	CHECK_EQ(model.p[0].comresets, 1);
	CHECK(host_log_has("no answer to commands"));
	/* meanwhile the other port works */
	struct test_req *t = submit(dev->disk[1], 20, DISK_READ, 1, 1);

	disk_kick(dev->disk[1], 0);
	ticks(1);
	CHECK(read_ok(t, 1));
	model.p[0].hold = false;
	ticks(100);
	for (unsigned i = 2; i < 6; i++)
		CHECK_EQ(reqs[i].status, -ERR_TIMEOUT);
	CHECK_EQ(d->cnt_timeouts, 4);
	CHECK_EQ(holds, 0);
	submit(d, 0, DISK_READ, 9, 1);
	disk_kick(d, 0);
	ticks(2);
	CHECK(read_ok(&reqs[0], 0));
}

TEST(timeout_reissues_the_innocent)
{
	setup();
	struct disk *d = start_disk();

	d->timeout_us = 1000000;
	model.p[0].hold = true;
	submit(d, 0, DISK_WRITE, 0, 1);
	disk_kick(d, 0);
	ticks(500);
	submit(d, 1, DISK_READ, 1, 1);
	disk_kick(d, 0);
	ticks(600);
	model.p[0].hold = false;
	ticks(200);
	CHECK_EQ(reqs[0].status, -ERR_TIMEOUT);
	CHECK(read_ok(&reqs[1], 0));
	CHECK_EQ(model.p[0].seen[ATA_WRITE_FPDMA], 1);
	CHECK_EQ(model.p[0].seen[ATA_READ_FPDMA], 2);
}

TEST(engine_that_does_not_stop_costs_an_hba_reset)
{
	setup();
	set_device(1, MODEL_ATA);
	struct disk *d = start_disk();
	unsigned resets = model.hba_resets;

	d->timeout_us = 1000000;
	model.pi_lost = true;
	model.p[0].hold = model.p[1].hold = true;
	model.p[0].cr_delay = NEVER;
	submit(d, 0, DISK_READ, 0, 1);
	disk_kick(d, 0);
	ticks(900);
	submit(dev->disk[1], 1, DISK_READ, 5, 1);
	disk_kick(dev->disk[1], 0);
	ticks(200);
	CHECK_EQ(model.hba_resets, resets);
	ticks(450);
	CHECK_EQ(model.hba_resets, resets + 1);
	model.p[0].cr_delay = 0;
	model.p[0].hold = model.p[1].hold = false;
	ticks(200);
	CHECK_EQ(reqs[0].status, -ERR_TIMEOUT);
	CHECK(read_ok(&reqs[1], 1));
	CHECK_EQ(model.pi, (1 << MODEL_PORTS) - 1);
	CHECK_EQ(holds, 0);
	submit(d, 2, DISK_READ, 9, 1);
	disk_kick(d, 0);
	model_step();
	CHECK(model_line());
	ticks(1);
	CHECK(read_ok(&reqs[2], 0));
}

TEST(dead_controller_fails_everything)
{
	setup();
	struct disk *d = start_disk();

	d->timeout_us = 100000;
	model.p[0].hold = true;
	model.p[0].cr_delay = NEVER;
	model.hr_delay = NEVER;
	submit(d, 0, DISK_READ, 0, 1);
	disk_kick(d, 0);
	ticks(2000);
	CHECK_EQ(reqs[0].done, 1);
	CHECK(d->gone);
	CHECK(!(pci_read16(&pci, PCI_COMMAND) & PCI_CMD_MASTER));
	submit(d, 1, DISK_READ, 0, 1);
	CHECK_EQ(reqs[1].status, -ERR_NODEV);
	CHECK_EQ(holds, 0);
}

TEST(transport_error_is_retried_once)
{
	setup();
	struct disk *d = start_disk();

	model.p[0].line_lba = 3;
	for (unsigned i = 0; i < 5; i++)
		submit(d, i, DISK_READ, i, 1);
	disk_kick(d, 0);
	ticks(500);
	for (unsigned i = 0; i < 5; i++)
		CHECK_EQ(reqs[i].status, i == 3 ? -ERR_IO : 0);
	CHECK(model.p[0].comresets <= 4);
}

TEST(hot_removal)
{
	setup();
	set_device(1, MODEL_ATA);
	struct disk *d = start_disk();

	model.p[0].hold = true;
	submit(d, 0, DISK_READ, 0, 1);
	submit(d, 1, DISK_FLUSH, 0, 0);
	disk_kick(d, 0);
	model.p[0].kind = MODEL_NONE;
	model.p[0].pending = 0;
	model.p[0].serr |= BIT(16);
	model_update_is();
	CHECK(model_line());
	ticks(1100);
	CHECK_EQ(reqs[0].status, -ERR_NODEV);
	CHECK_EQ(reqs[1].status, -ERR_NODEV);
	CHECK(d->gone && !dev->disk[1]->gone);
	CHECK_EQ(holds, 0);
	CHECK_EQ(disk_outstanding(d), 0);
}

TEST(another_disk_in_the_same_place_gets_nothing)
{
	setup();
	struct disk *d = start_disk();

	model.p[0].hold = true;
	submit(d, 0, DISK_WRITE, 0, 1);
	disk_kick(d, 0);
	unsigned writes = model.p[0].seen[ATA_WRITE_FPDMA];

	model.p[0].id[ID_SERIAL + 3]++;
	model_link_reset(&model.p[0]);
	model.p[0].sact = 0;			/* the same bits of a controller are no completion */
	model.p[0].hold = false;
	ticks(200);
	CHECK_EQ(reqs[0].status, -ERR_NODEV);
	CHECK_EQ(model.p[0].seen[ATA_WRITE_FPDMA], writes);
	CHECK(d->gone && host_log_has("another disk answers"));
}

TEST(controller_pulled)
{
	setup();
	struct disk *d = start_disk();

	model.p[0].hold = true;
	submit(d, 0, DISK_READ, 0, 1);
	disk_kick(d, 0);
	model.gone = true;
	dev->ops->tick(dev, host_now_us);
	CHECK_EQ(reqs[0].status, -ERR_NODEV);
	CHECK(d->gone);
}

/* The controller does not answer, and its bridge then reads as zeros. */
TEST(controller_pulled_that_reads_as_zeroes)
{
	setup();
	struct disk *d = start_disk();

	model.p[0].hold = true;
	submit(d, 0, DISK_READ, 0, 1);
	disk_kick(d, 0);
	model.gone = model.reads_zeroes = true;
	pci_write16(&pci, PCI_VENDOR_ID, 0xffff);
	dev->ops->tick(dev, host_now_us);
	CHECK_EQ(reqs[0].status, -ERR_NODEV);
	CHECK(d->gone);
}

TEST(reset_of_a_twin_stops_dma_and_forgets)
{
	setup();
	set_device(1, MODEL_ATA);
	struct disk *d = start_disk();

	model.p[0].hold = model.p[1].hold = true;
	model.p[0].cr_delay = 200;
	for (unsigned i = 0; i < 40; i++)
		submit(d, i, DISK_READ, i, 1);
	disk_kick(d, 0);
	submit(dev->disk[1], 50, DISK_READ, 5, 1);
	disk_kick(dev->disk[1], 0);
	uint64_t begin = host_now_us;

	disk_reset(d);
	CHECK(host_now_us - begin < 5000);
	CHECK_EQ(model.p[0].pending, 0);
	CHECK(!(model.p[0].cmd & AHCI_PXCMD_CR));
	for (unsigned i = 0; i < 40; i++)
		CHECK_EQ(reqs[i].done, 0);
	CHECK_EQ(holds, 1);
	struct test_req *t = submit(d, 0, DISK_READ, 77, 2);	/* fails at once, while the port recovers */

	disk_kick(d, 0);
	model.p[0].hold = model.p[1].hold = false;
	ticks(100);
	CHECK(read_ok(t, 0));
	CHECK(read_ok(&reqs[50], 1));
	CHECK_EQ(holds, 0);
	/* With nothing in flight, the port is not touched. */
	unsigned comresets = model.p[0].comresets;

	disk_reset(d);
	CHECK_EQ(model.p[0].comresets, comresets);
}

TEST(reset_of_a_twin_with_a_stuck_engine)
{
	setup();
	set_device(1, MODEL_ATA);
	struct disk *d = start_disk();

	model.p[0].hold = model.p[1].hold = true;
	model.p[0].cr_delay = NEVER;
	submit(d, 0, DISK_READ, 0, 1);
	submit(dev->disk[1], 1, DISK_READ, 5, 1);
	disk_kick(d, 0);
	disk_kick(dev->disk[1], 0);
	uint64_t begin = host_now_us;

	disk_reset(d);
	CHECK(host_now_us - begin < 1100000);
	CHECK_EQ(model.p[0].pending, 0);
	CHECK_EQ(model.hba_resets, 2);
	model.p[0].cr_delay = 0;
	model.p[0].hold = model.p[1].hold = false;
	ticks(100);
	CHECK_EQ(reqs[0].done, 0);
	CHECK(read_ok(&reqs[1], 1));
}

TEST(stale_commands_do_not_start_again)
{
	setup();
	struct disk *d = start_disk();

	model.p[0].keeps_ci = true;
	model.p[0].hang_flush = true;
	submit(d, 0, DISK_FLUSH, 0, 0);
	disk_kick(d, 0);
	ticks(2);
	CHECK(model.p[0].ci != 0);
	disk_reset(d);
	ticks(100);
	CHECK_EQ(model.p[0].ci, 0);
	model.p[0].hang_flush = false;
	submit(d, 1, DISK_READ, 1, 1);
	disk_kick(d, 0);
	ticks(2);
	CHECK(read_ok(&reqs[1], 0));
	CHECK_EQ(model.p[0].seen[ATA_FLUSH_EXT], 1);
}

static void reset_in_done(struct disk_req *r, int status)
{
	on_done(r, status);
	disk_reset(dev->disk[0]);
}

TEST(done_may_reset_the_disk)
{
	setup();
	struct disk *d = start_disk();

	model.p[0].hold = true;
	for (unsigned i = 0; i < 6; i++)
		submit(d, i, DISK_READ, i, 1);
	reqs[0].r.done = reqs[1].r.done = reset_in_done;
	disk_kick(d, 0);
	for (unsigned slot = 0; slot < 32; slot++)
		if ((model.p[0].pending & BIT(slot)) && model_fis(&model.p[0], slot)->lba0 < 3)
			model_complete(&model.p[0], slot);
	model.p[0].hold = false;
	ticks(100);
	unsigned n = 0;

	for (unsigned i = 0; i < 6; i++)
		n += reqs[i].done;
	CHECK(n >= 1 && n <= 3);
	CHECK_EQ(disk_outstanding(d), 0);
	CHECK_EQ(holds, 0);
}

TEST_MAIN
