/* SPDX-License-Identifier: BSD-2-Clause */
/* The modelled controller with a started driver, for test_ahci*.c; each includes this file once. */
#ifndef AHCI_RIG_H
#define AHCI_RIG_H

#include <veneer/clock.h>
#include <veneer/disk.h>
#include <veneer/err.h>
#include <veneer/hwdev.h>
#include "host/host.h"
#include "host/ahci_model.h"

static struct pci_dev pci;
static struct hw_dev *dev;
static int holds;
static uint64_t buffers;	/* next free address of guest RAM */

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

/* Let @ms milliseconds pass, with a tick in each; the device works in between. */
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

#endif
