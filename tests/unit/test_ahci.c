/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hw/ahci/ahci.c hw/ahci/ahci_port.c hw/ahci/ahci_cmd.c hw/ahci/ahci_error.c hw/ahci/ahci_ident.c hw/ahci/ahci_pci.c hw/disk.c hw/sg.c hw/match.c */
#include <veneer/clock.h>
#include <veneer/disk.h>
#include <veneer/err.h>
#include <veneer/hwdev.h>
#include "host/host.h"
#include "host/ahci_model.h"

static struct pci_dev pci;
static struct hw_dev *dev;
static int holds;
static uint64_t buffers;	/* of guest RAM, handed out piece by piece */

void clock_hold(void) { holds++; }
void clock_release(void) { holds--; }

static void id_text(uint16_t *words, unsigned n, const char *s)
{
	for (unsigned i = 0; i < 2 * n; i++) {
		unsigned c = i < strlen(s) ? (unsigned char)s[i] : ' ';

		words[i / 2] = (uint16_t)(i & 1 ? words[i / 2] | c : c << 8);
	}
}

static void set_device(unsigned no, enum model_kind kind)
{
	struct model_port *p = &model.p[no];

	p->kind = kind;
	p->block = 512;
	p->cache = true;
	p->link_delay = 5000;
	p->ready_delay = 20000;
	p->media = (uint8_t *)(uintptr_t)host_guest_ram(MODEL_BLOCKS * 4096);
	for (unsigned i = 0; i < MODEL_BLOCKS * 512; i++)
		p->media[i] = (uint8_t)(i * 5 + i / 509 + no);
	id_text(&p->id[ID_SERIAL], 10, "  SER-0001");
	p->id[ID_SERIAL + 9] = (uint16_t)('A' + no);
	id_text(&p->id[ID_FIRMWARE], 4, "FW1.0");
	id_text(&p->id[ID_MODEL], 20, "Model Disk");
	p->id[ID_CAPS] = ID_CAPS_LBA | ID_CAPS_DMA;
	p->id[ID_SECTORS28] = MODEL_BLOCKS;
	p->id[ID_SECTORS48] = MODEL_BLOCKS;
	p->id[ID_QUEUE_DEPTH] = 31;
	p->id[ID_SATA_CAPS] = ID_SATA_NCQ;
	p->id[ID_CMD_SET1] = p->id[ID_CMD_ON1] = ID_CMD1_CACHE;
	p->id[ID_CMD_SET2] = 0x4000 | ID_CMD2_FLUSH_EXT | ID_CMD2_FLUSH | ID_CMD2_LBA48;
	p->id[ID_DSM] = ID_DSM_TRIM;
}

static void setup(void)
{
	memset(&model, 0, sizeof(model));
	model.cap = AHCI_CAP_S64A | AHCI_CAP_SNCQ | AHCI_CAP_SCLO | FIELD_PREP(AHCI_CAP_NCS, 31u) | (MODEL_PORTS - 1);
	model.pi = (1 << MODEL_PORTS) - 1;
	model.hr_delay = 500;
	for (unsigned i = 0; i < MODEL_PORTS; i++) {
		struct model_port *p = &model.p[i];

		for (unsigned b = 0; b < 4; b++)
			p->bad_lba[b] = NEVER;
		p->hang_lba = p->line_lba = NEVER;
		p->tfd = 0x7f;
	}
	set_device(0, MODEL_ATA);
	holds = 0;
	buffers = host_guest_ram(1 << 20);
	pci = (struct pci_dev) { .bdf = PCI_BDF(0, 31, 2), .vendor = 0x8086, .device = 0x2922, .class_code = 0x010601 };
	pci.bar[5].addr = host_mmio_new(0x100 + 0x80 * MODEL_PORTS, &model_ops, NULL);
	pci.bar[5].size = 0x100 + 0x80 * MODEL_PORTS;
	host_pci_config(&pci);
	host_time_hook = model_step;
}

static int probe(void)
{
	const struct hw_id *id = NULL;
	const struct hw_driver *drv = hw_match(&pci, &id);

	CHECK(drv != NULL && drv->class == HW_STORAGE);
	dev = NULL;
	return drv->probe(&pci, id, 0, &dev);
}

static struct disk *start_disk(void)
{
	CHECK_EQ(probe(), 0);
	dev->ops->irq_enable(dev, true);
	return dev->disk[0];
}

struct test_req {
	struct disk_req r;
	struct sg sg;
	int status;
	unsigned done;
};
static struct test_req reqs[64];

static void on_done(struct disk_req *r, int status)
{
	struct test_req *t = container_of(r, struct test_req, r);

	t->status = status;
	t->done++;
}

static struct test_req *submit(struct disk *d, unsigned i, enum disk_op op, uint64_t lba, uint32_t n)
{
	struct test_req *t = &reqs[i];

	memset(t, 0, sizeof(*t));
	t->status = 99;
	t->r = (struct disk_req) { .op = op, .lba = lba, .nblocks = n, .done = on_done };
	if (op == DISK_READ || op == DISK_WRITE) {
		t->sg = (struct sg) { buffers, n * d->block_size };
		buffers += t->sg.len;
		t->r.sg = &t->sg;
		t->r.nsg = 1;
	}
	disk_submit(d, 0, &t->r);
	return t;
}

/* @ms ticks of a millisecond; the device works in between. */
static void ticks(unsigned ms)
{
	for (unsigned i = 0; i < ms; i++) {
		host_now_us += 1000;
		model_step();
		if (model_line())
			dev->ops->poll(dev);
		dev->ops->tick(dev, host_now_us);
	}
}

static bool read_ok(const struct test_req *t, unsigned port)
{
	return t->done == 1 && !t->status &&
	       !memcmp((void *)(uintptr_t)t->sg.addr, model.p[port].media + t->r.lba * model.p[port].block, t->sg.len);
}

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
	CHECK(dev->ops->poll(dev) >= 1);
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

TEST(no_memory_leaves_nothing)
{
	unsigned n = 1;

	for (; n < 40; n++) {
		setup();
		host_heap_fail_at(n);
		int err = probe();

		host_heap_fail_at(0);
		if (!err)
			break;
		CHECK_EQ(err, -ERR_NOMEM);
		CHECK_EQ(host_heap_used(), 0);
		CHECK(!(pci_read16(&pci, PCI_COMMAND) & PCI_CMD_MASTER));
		host_guest_ram_drop();
	}
	CHECK_EQ(n, 1 + 2 * MODEL_PORTS + 1 + 3 + 1);
	CHECK(host_heap_used() < 256 * 1024);
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

/* Eight commands, lba 3 is bad: by the log, without a log, with a rotten log, and as QEMU reports it. */
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
	/* and it works on */
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
	/* five late; of these only lba 2 hangs again, but all of them had their time */
	ticks(30);
	CHECK_EQ(reqs[0].status, 0);
	CHECK_EQ(model.p[0].comresets, 1);
	CHECK(host_log_has("no answer to commands"));
	/* the other port carries on meanwhile */
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
	model.p[0].sact = 0;			/* if a controller did that, it is no completion */
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
	struct test_req *t = submit(d, 0, DISK_READ, 77, 2);	/* at once, while the port recovers */

	disk_kick(d, 0);
	model.p[0].hold = model.p[1].hold = false;
	ticks(100);
	CHECK(read_ok(t, 0));
	CHECK(read_ok(&reqs[50], 1));
	CHECK_EQ(holds, 0);
	/* Nothing in flight: nothing is touched. */
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

TEST(cache_is_switched_in_turn)
{
	setup();
	struct disk *d = start_disk();

	model.p[0].hold = true;
	submit(d, 0, DISK_WRITE, 0, 1);
	disk_kick(d, 0);
	CHECK_EQ(d->ops->set_cache(d, false), 0);
	CHECK(d->write_cache);			/* until the disk says so */
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
	/* A COMRESET turns it on again in the disk, so the driver turns it off again. */
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
	CHECK(model_line());		/* a pending cause survives */
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
