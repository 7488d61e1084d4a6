/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hw/ahci/ahci*.c hw/disk.c hw/disk_cut.c hw/disk_start.c hv/lib/sg.c hw/match.c */
/* The AHCI driver without errors: start, commands, cache, interrupts, shutdown.  Errors are in test_ahci_error.c. */
#include "host/ahci_rig.h"

TEST(finds_a_disk_and_reads)
{
	setup();
	struct disk *d = start_disk();

	CHECK_EQ(dev->ndisk, 1);
	CHECK(!strcmp(d->name, "ahci0p0") && !strcmp(d->serial, "SER-0001         A"));
	CHECK(!strcmp(d->model, "Model Disk") && !strcmp(d->firmware, "FW1.0"));
	CHECK_EQ(d->nblocks, MODEL_BLOCKS);
	CHECK_EQ(d->limits.tags, 32);
	CHECK(d->write_cache && d->can_set_cache && d->flush);
	struct test_req *t = submit(d, 0, DISK_READ, 100, 16);

	CHECK_EQ(model.p[0].seen[ATA_READ_FPDMA], 0);
	disk_kick(d, 0);
	model_step();
	CHECK(model_line());
	/* One completion, no more: a second would count as a credit, which takes an NMI from the guest. */
	CHECK_EQ(dev->ops->poll(dev), 1);
	CHECK(!model_line());
	CHECK(read_ok(t, 0));
	CHECK_EQ(dev->ops->poll(dev), 0);
	CHECK_EQ(holds, 0);
}

TEST(writes_reach_the_disk)
{
	setup();
	struct disk *d = start_disk();
	struct test_req *t = submit(d, 0, DISK_WRITE, 7, 2);

	memset((void *)(uintptr_t)t->sg.addr, 0xa5, 1024);
	disk_kick(d, 0);
	ticks(1);
	CHECK_EQ(t->status, 0);
	CHECK(model.p[0].media[7 * 512] == 0xa5 && model.p[0].media[9 * 512 - 1] == 0xa5);
}

TEST(firmware_hands_over_and_leaves_ports_running)
{
	setup();
	uint64_t old = host_guest_ram(8192);

	model.cap2 = AHCI_CAP2_BOH;
	model.bohc = AHCI_BOHC_BOS;
	model.bios_busy = true;
	model.bohc_delay = 1500000;
	model.ghc = AHCI_GHC_AE | AHCI_GHC_IE;
	model.p[0].clb = (uint32_t)old;
	model.p[0].fb = (uint32_t)old + 4096;
	model.p[0].cmd = AHCI_PXCMD_ST | AHCI_PXCMD_CR | AHCI_PXCMD_FRE | AHCI_PXCMD_FR;
	model.p[0].cr_delay = 400000;
	model.pi_lost = true;
	CHECK_EQ(probe(), 0);
	CHECK(!host_log_has("hand over"));
	CHECK_EQ(model.pi, (1 << MODEL_PORTS) - 1);
	CHECK(!(model.bohc & AHCI_BOHC_BOS));
}

TEST(firmware_that_keeps_it_is_named)
{
	setup();
	model.cap2 = AHCI_CAP2_BOH;
	model.bohc = AHCI_BOHC_BOS;
	model.bohc_delay = 1ull << 40;
	uint64_t begin = host_now_us;

	CHECK_EQ(probe(), 0);
	CHECK(host_log_has("does not hand over"));
	CHECK(host_now_us - begin < 1500000);
}

TEST(other_devices_are_named_and_left_out)
{
	setup();
	set_device(1, MODEL_ATAPI);
	set_device(2, MODEL_PM);
	set_device(3, MODEL_ATA);
	CHECK_EQ(probe(), 0);
	CHECK_EQ(dev->ndisk, 2);
	CHECK(!strcmp(dev->disk[1]->name, "ahci0p3"));
	CHECK(host_log_has("ahci0p1: an ATAPI drive") && host_log_has("ahci0p2: a port multiplier"));
	CHECK(!(model.p[1].cmd & (AHCI_PXCMD_ST | AHCI_PXCMD_FRE)));
}

TEST(no_disk_leaves_nothing)
{
	setup();
	model.p[0].kind = MODEL_NONE;
	CHECK_EQ(probe(), -ERR_NODEV);
	CHECK_EQ(host_heap_used(), 0);
	CHECK(!(pci_read16(&pci, PCI_COMMAND) & PCI_CMD_MASTER));
}

TEST(staggered_spin_up_and_slow_disks)
{
	setup();
	model.cap |= AHCI_CAP_SSS;
	set_device(2, MODEL_ATA);
	model.p[0].ready_delay = 12000000;
	model.p[2].link_delay = 700000;
	model.p[2].id[ID_SPECIFIC] = ID_SPECIFIC_SF_PARTIAL;
	CHECK_EQ(probe(), 0);
	CHECK_EQ(dev->ndisk, 2);
	CHECK_EQ(model.p[2].seen[ATA_SET_FEATURES], 1);
	CHECK_EQ(model.p[2].seen[ATA_IDENTIFY], 2);
}

/* Word 2 by ACS-3: must SET FEATURES spin the disk up, and is the present IDENTIFY data complete? */
TEST(power_up_in_standby)
{
	static const struct {
		uint16_t word;
		unsigned features, identify;
	} cases[] = { { 0x37c8, 1, 2 }, { 0x738c, 1, 1 }, { 0x8c73, 0, 2 }, { 0xc837, 0, 1 }, { 0, 0, 1 } };

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		setup();
		model.p[0].id[ID_SPECIFIC] = cases[i].word;
		CHECK_EQ(probe(), 0);
		CHECK_EQ(model.p[0].seen[ATA_SET_FEATURES], cases[i].features);
		CHECK_EQ(model.p[0].seen[ATA_IDENTIFY], cases[i].identify);
	}
}

/* Make waits of many seconds cheap. */
static void step_coarsely(void)
{
	host_now_us += 1000;
	model_step();
}

/* If the disk has told all about itself, the command to spin up is optional; a disk whose data are incomplete is left out. */
TEST(a_spin_up_that_fails)
{
	for (unsigned i = 0; i < 4; i++) {
		setup();
		host_time_hook = step_coarsely;
		model.p[0].id[ID_SPECIFIC] = i & 2 ? 0x37c8 : 0x738c;
		model.p[0].refuse_spin_up = !(i & 1);
		model.p[0].hang_spin_up = i & 1;
		CHECK_EQ(probe(), i & 2 ? -ERR_NODEV : 0);
		if (!(i & 2))
			CHECK(dev->ndisk == 1 && model.p[0].comresets == 1 && host_log_has("SET FEATURES (spin up) failed"));
	}
}

TEST(sb600_takes_255_blocks)
{
	setup();
	pci.vendor = 0x1002;
	pci.device = 0x4380;
	CHECK_EQ(probe(), 0);
	CHECK_EQ(dev->disk[0]->limits.max_bytes, 255 * 512);
	CHECK_EQ(dev->disk[0]->limits.dma_mask, 0xffffffff);
}

TEST(identify_gets_a_second_chance)
{
	setup();
	model.p[0].identify_fails_once = true;
	CHECK_EQ(probe(), 0);
	CHECK_EQ(model.p[0].comresets, 1);
}

TEST(hba_reset_that_does_not_end)
{
	setup();
	model.hr_delay = NEVER;
	CHECK_EQ(probe(), -ERR_TIMEOUT);
	CHECK(host_log_has("GHC 80000001"));
	CHECK_EQ(host_heap_used(), 0);
}

/*
 * Without memory for the controller or for its only disk, the probe fails and leaves nothing behind.  A port without a disk is
 * no failure.
 */
TEST(no_memory_leaves_nothing)
{
	unsigned n = 1, failed = 0;
	size_t used;

	for (; n < 40; n++) {
		size_t before = host_heap_used();

		setup();
		host_log_clear();
		host_heap_fail_at(n);
		int err = probe();

		host_heap_fail_at(0);
		used = host_heap_used() - before;
		if (!err && !host_log_has("no memory"))
			break;
		if (!err)
			continue;
		failed++;
		CHECK_EQ(err, -ERR_NOMEM);
		CHECK_EQ(used, 0);
		CHECK(!(pci_read16(&pci, PCI_COMMAND) & PCI_CMD_MASTER));
		host_guest_ram_drop();
	}
	CHECK_EQ(failed, 1 + 2 + 1 + 3);	/* the controller, the port, its tables, the disk */
	CHECK(n > 2 * MODEL_PORTS + failed - 2);
	CHECK(used < 256 * 1024);
}

/* If memory for one port is missing, at any allocation, the other ports work. */
TEST(no_memory_for_one_port_costs_no_other)
{
	unsigned lonely = 0;

	for (unsigned n = 2; n < 40; n++) {
		host_guest_ram_drop();
		setup();
		set_device(1, MODEL_ATA);
		host_log_clear();
		host_heap_fail_at(n);
		CHECK_EQ(probe(), 0);
		host_heap_fail_at(0);
		if (!host_log_has("no memory"))
			break;
		CHECK(dev->ndisk >= 1);
		lonely += dev->ndisk == 1;
	}
	CHECK_EQ(lonely, 2 * (2 + 1 + 3));
}

TEST(geometry_512e_4kn_and_lba28)
{
	setup();
	model.p[0].id[ID_SECTOR_SIZE] = 0x4000 | ID_SS_MULTIPLE | 3;
	model.p[0].id[ID_ALIGNMENT] = 0x4000 | 1;
	set_device(1, MODEL_ATA);
	model.p[1].block = 4096;
	model.p[1].id[ID_SECTOR_SIZE] = 0x4000 | ID_SS_LARGE;
	model.p[1].id[ID_LOGICAL_WORDS] = 2048;
	set_device(2, MODEL_ATA);
	model.p[2].id[ID_CMD_SET2] = 0x4000 | ID_CMD2_FLUSH;
	model.p[2].id[ID_SECTORS48] = 0;
	CHECK_EQ(probe(), 0);
	CHECK_EQ(dev->disk[0]->phys_exp, 3);
	CHECK_EQ(dev->disk[0]->align_offset, 7);
	CHECK_EQ(dev->disk[1]->block_size, 4096);
	CHECK_EQ(dev->disk[2]->limits.tags, 1);
	CHECK_EQ(dev->disk[2]->limits.max_discard_blocks, 0);
	struct test_req *a = submit(dev->disk[1], 0, DISK_READ, 17, 3), *b = submit(dev->disk[2], 1, DISK_READ, 300, 256);

	disk_kick(dev->disk[1], 0);
	disk_kick(dev->disk[2], 0);
	ticks(2);
	CHECK(read_ok(a, 1) && read_ok(b, 2));
	CHECK_EQ(model.p[2].seen[ATA_READ_DMA], 1);
	submit(dev->disk[2], 2, DISK_FLUSH, 0, 0);
	disk_kick(dev->disk[2], 0);
	ticks(1);
	CHECK_EQ(reqs[2].status, 0);
	CHECK_EQ(model.p[2].seen[ATA_FLUSH], 1);
}

TEST(queue_depth_is_the_smaller)
{
	setup();
	model.cap = (model.cap & ~(AHCI_CAP_NCS | AHCI_CAP_S64A)) | FIELD_PREP(AHCI_CAP_NCS, 7u);
	set_device(1, MODEL_ATA);
	model.p[1].id[ID_QUEUE_DEPTH] = 3;
	set_device(2, MODEL_ATA);
	model.p[2].id[ID_SATA_CAPS] = 0xffff;
	CHECK_EQ(probe(), 0);
	CHECK_EQ(dev->disk[0]->limits.tags, 8);
	CHECK_EQ(dev->disk[1]->limits.tags, 4);
	CHECK_EQ(dev->disk[2]->limits.tags, 1);
	CHECK_EQ(dev->disk[0]->limits.dma_mask, 0xffffffff);
	submit(dev->disk[2], 0, DISK_READ, 0, 1);
	disk_kick(dev->disk[2], 0);
	ticks(1);
	CHECK(read_ok(&reqs[0], 2));
	CHECK_EQ(model.p[2].seen[ATA_READ_DMA_EXT], 1);
}

TEST(queued_commands_complete_in_any_order)
{
	setup();
	struct disk *d = start_disk();

	model.p[0].hold = true;
	for (unsigned i = 0; i < 40; i++)
		submit(d, i, DISK_READ, i * 8, 8);
	disk_kick(d, 0);
	CHECK_EQ(model.p[0].pending, ~0u);
	for (unsigned i = 0; i < 32; i += 2)
		model_complete(&model.p[0], i);
	CHECK(model_line());
	dev->ops->poll(dev);
	unsigned n = 0;

	for (unsigned i = 0; i < 40; i++)
		n += reqs[i].done;
	CHECK_EQ(n, 16);
	model.p[0].hold = false;
	ticks(3);
	for (unsigned i = 0; i < 40; i++)
		CHECK(read_ok(&reqs[i], 0));
}

TEST(a_flush_is_not_starved_and_not_mixed)
{
	setup();
	struct disk *d = start_disk();

	model.p[0].hold = true;
	for (unsigned i = 0; i < 4; i++)
		submit(d, i, DISK_READ, i, 1);
	submit(d, 4, DISK_FLUSH, 0, 0);
	for (unsigned i = 5; i < 10; i++)
		submit(d, i, DISK_READ, i, 1);
	disk_kick(d, 0);
	CHECK_EQ(model.p[0].ncommands, 1 + 4);		/* with IDENTIFY */
	for (unsigned slot = 0; slot < 32; slot++)
		model_complete(&model.p[0], slot);
	dev->ops->poll(dev);
	CHECK_EQ(model.p[0].last_command, ATA_FLUSH_EXT);
	CHECK_EQ(model.p[0].ncommands, 1 + 5);
	model.p[0].hold = false;
	ticks(2);
	for (unsigned i = 0; i < 10; i++)
		CHECK(reqs[i].done == 1 && !reqs[i].status);
}

TEST(trim)
{
	setup();
	struct disk *d = start_disk();

	d->nblocks = 1ull << 40;
	submit(d, 0, DISK_DISCARD, 1000, 70000);
	disk_kick(d, 0);
	ticks(1);
	CHECK_EQ(reqs[0].status, 0);
	CHECK_EQ(model.p[0].trim_lba, 1000);
	CHECK_EQ(model.p[0].trim_count, 70000);
	CHECK_EQ(d->limits.max_zero_blocks, 0);
}

TEST(cache_is_switched_in_turn)
{
	setup();
	struct disk *d = start_disk();

	model.p[0].hold = true;
	submit(d, 0, DISK_WRITE, 0, 1);
	disk_kick(d, 0);
	CHECK_EQ(d->ops->set_cache(d, false), 0);
	CHECK(d->write_cache);			/* from the disk's IDENTIFY */
	CHECK_EQ(holds, 1);
	submit(d, 1, DISK_WRITE, 1, 1);
	disk_kick(d, 0);
	model_complete(&model.p[0], 31);
	for (unsigned slot = 0; slot < 32; slot++)
		model_complete(&model.p[0], slot);
	dev->ops->poll(dev);
	CHECK_EQ(reqs[0].status, 0);
	CHECK_EQ(model.p[0].last_command, ATA_SET_FEATURES);
	model.p[0].hold = false;
	ticks(3);
	CHECK(!model.p[0].cache && !d->write_cache);
	CHECK_EQ(reqs[1].status, 0);
	CHECK_EQ(holds, 0);
	/* A COMRESET switches the disk's write cache on again, so the driver switches it off again. */
	model_link_reset(&model.p[0]);
	CHECK(model.p[0].cache);
	ticks(200);
	CHECK(!model.p[0].cache);
}

TEST(cache_that_stays_on_makes_writes_fua)
{
	setup();
	struct disk *d = start_disk();

	model.p[0].refuse_cache = true;
	CHECK_EQ(d->ops->set_cache(d, false), 0);
	ticks(20);
	CHECK(d->write_cache && host_log_has("cannot be turned off"));
	submit(d, 0, DISK_WRITE, 0, 1);
	disk_kick(d, 0);
	ticks(2);
	CHECK_EQ(reqs[0].status, 0);
	CHECK(model.p[0].last_device & ATA_DEV_FUA);
}

TEST(intx_test_moves_the_line_only)
{
	setup();
	CHECK_EQ(probe(), 0);
	CHECK(!model_line());
	for (unsigned i = 0; i < 3; i++) {
		dev->ops->intx_test(dev, true);
		CHECK(model_line());
		dev->ops->intx_test(dev, false);
		CHECK(!model_line());
	}
	dev->ops->irq_enable(dev, true);
	CHECK(!model_line());
	model.p[0].hold = true;
	submit(dev->disk[0], 0, DISK_READ, 0, 1);
	disk_kick(dev->disk[0], 0);
	model_complete(&model.p[0], 31);
	for (unsigned slot = 0; slot < 32; slot++)
		model_complete(&model.p[0], slot);
	CHECK(model_line());
	dev->ops->irq_enable(dev, false);
	CHECK(!model_line());
	dev->ops->irq_enable(dev, true);
	CHECK(model_line());		/* a pending cause is kept */
}

/* Queued and single commands announce their ends in memory; the mask outlasts irq_enable(). */
TEST(masked_and_peeked_at)
{
	setup();
	struct disk *d = start_disk();

	dev->ops->irq_enable(dev, true);
	CHECK(dev->ops->mask(dev, true) && !(model.ghc & AHCI_GHC_IE));
	dev->ops->irq_enable(dev, true);
	CHECK(!(model.ghc & AHCI_GHC_IE));
	dev->ops->poll(dev);
	model.p[0].hold = true;
	for (unsigned i = 0; i < 2; i++)
		submit(d, i, DISK_READ, i * 8, 8);
	disk_kick(d, 0);
	CHECK(!dev->ops->peek(dev));
	for (unsigned i = 0; i < 2; i++) {
		model_complete(&model.p[0], i);
		unsigned reads = host_accesses;

		CHECK(dev->ops->peek(dev));
		CHECK_EQ(host_accesses, reads);
		dev->ops->poll(dev);
		CHECK(!dev->ops->peek(dev));
		CHECK_EQ(reqs[0].done + reqs[1].done, i + 1);
	}
	submit(d, 2, DISK_FLUSH, 0, 0);
	disk_kick(d, 0);
	CHECK(!dev->ops->peek(dev));
	model_complete(&model.p[0], (unsigned)__builtin_ctz(model.p[0].pending));
	CHECK(dev->ops->peek(dev));
	dev->ops->poll(dev);
	CHECK(reqs[2].done && !dev->ops->peek(dev));
	CHECK(dev->ops->mask(dev, false) && (model.ghc & AHCI_GHC_IE));
}

TEST(shutdown_flushes_and_stops)
{
	setup();
	struct disk *d = start_disk();

	dev->ops->shutdown(dev);
	CHECK_EQ(model.p[0].seen[ATA_FLUSH_EXT], 1);
	CHECK_EQ(model.p[0].seen[ATA_STANDBY_IMMEDIATE], 1);
	CHECK(!(model.p[0].cmd & (AHCI_PXCMD_ST | AHCI_PXCMD_CR | AHCI_PXCMD_FRE)));
	CHECK(!(model.ghc & AHCI_GHC_IE));
	dev->ops->shutdown(dev);
	CHECK_EQ(model.p[0].seen[ATA_FLUSH_EXT], 1);
	submit(d, 0, DISK_READ, 0, 1);
	CHECK_EQ(reqs[0].status, -ERR_NODEV);
}

TEST(shutdown_with_a_hung_command_is_bounded)
{
	setup();
	struct disk *d = start_disk();

	model.p[0].hold = true;
	submit(d, 0, DISK_READ, 0, 1);
	disk_kick(d, 0);
	uint64_t begin = host_now_us;

	dev->ops->shutdown(dev);
	CHECK(host_now_us - begin < 7000000);
	CHECK(host_log_has("without a flush"));
	CHECK(!(model.p[0].cmd & AHCI_PXCMD_CR));
}

TEST(class_matches_any_vendor)
{
	setup();
	pci.vendor = 0x1234;
	pci.device = 0x5678;
	CHECK_EQ(probe(), 0);
	pci.class_code = 0x010400;
	const struct hw_id *id;

	CHECK(hw_match(&pci, &id) == NULL);
	pci.vendor = 0x8086;
	pci.device = 0x2922;
	CHECK(hw_match(&pci, &id) == NULL);
}

TEST_MAIN
