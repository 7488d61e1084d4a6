/* SPDX-License-Identifier: BSD-2-Clause */
/* For test_nvme*.c: a machine with one NVMe controller that has two namespaces, and requests to this controller. */
#ifndef NVME_FIXTURE_H
#define NVME_FIXTURE_H

#include <string.h>
#include <veneer/disk.h>
#include <veneer/err.h>
#include <veneer/hwdev.h>
#include <veneer/mem.h>
#include <veneer/time.h>
#include "host/host.h"
#include "nvme_model.h"

extern const struct hw_driver *const __start_veneer_drivers[], *const __stop_veneer_drivers[];

static struct pci_dev pci;
static uint8_t *cfg;
static struct hw_dev *dev;
static struct disk *d1, *d2;
static uint64_t ram;		/* 4 MiB of fake guest memory */

/* Not every test program uses all of them. */
#define HELPER	__attribute__((unused)) static

#define RAM_SIZE	0x400000u
#define MS		1000u
#define SECOND		1000000u

/* --- helpers --- */

static const struct hw_id *id_for(uint16_t vendor, uint16_t device)
{
	const struct hw_driver *drv = __start_veneer_drivers[0];

	for (unsigned i = 0; i < drv->nids; i++)
		if (drv->ids[i].vendor == vendor && drv->ids[i].device == device)
			return &drv->ids[i];
	host_fail(__FILE__, __LINE__, "no such id");
}

static void new_machine(void)
{
	memset(&pci, 0, sizeof(pci));
	cfg = host_pci_config(&pci);
	pci.cap_msix = 0x40;
	cfg[0x43] = 0x80;		/* MSI-X enabled */
	model_init(&pci);
	ram = host_guest_ram(RAM_SIZE);
	host_time_hook = model_run;
	dev = NULL;
}

static int probe_as(uint16_t vendor, uint16_t device)
{
	int err = __start_veneer_drivers[0]->probe(&pci, id_for(vendor, device), 0, &dev);

	if (!err) {
		d1 = dev->disk[0];
		d2 = dev->ndisk > 1 ? dev->disk[1] : NULL;
	}
	return err;
}

static int probe(void) { return probe_as(HW_ANY, HW_ANY); }

HELPER void start_two(void)
{
	new_machine();
	CHECK_EQ(probe(), 0);
	CHECK_EQ(dev->ndisk, 2);
}

/* A request of the test. */
struct io {
	struct disk_req req;
	struct sg sg[DISK_MAX_SEGS];
	unsigned done;
	int status;
	uint64_t seen;		/* the first 8 bytes of the buffer at the completion */
};

static struct io ios[256];

static void io_done(struct disk_req *req, int status)
{
	struct io *io = container_of(req, struct io, req);

	io->done++;
	io->status = status;
	if (req->nsg)
		memcpy(&io->seen, (void *)(uintptr_t)io->sg[0].addr, 8);
}

static struct io *io_new(unsigned i, enum disk_op op, uint64_t lba, uint32_t nblocks)
{
	struct io *io = &ios[i];

	memset(io, 0, sizeof(*io));
	io->req.op = op;
	io->req.lba = lba;
	io->req.nblocks = nblocks;
	io->req.sg = io->sg;
	io->req.done = io_done;
	return io;
}

static void io_piece(struct io *io, uint64_t off, uint32_t len)
{
	io->sg[io->req.nsg].addr = ram + off;
	io->sg[io->req.nsg++].len = len;
}

HELPER struct io *io_rw(unsigned i, struct disk *d, enum disk_op op, uint64_t lba, uint32_t nblocks, uint64_t off)
{
	struct io *io = io_new(i, op, lba, nblocks);

	io_piece(io, off, nblocks * d->block_size);
	disk_submit(d, 0, &io->req);
	disk_kick(d, 0);
	return io;
}

/* Let @us microseconds pass in steps of a millisecond, with a tick in each, and a poll if the device has interrupted. */
HELPER void run(uint64_t us)
{
	for (uint64_t end = host_now_us + us; host_now_us < end; ) {
		host_now_us += MS;
		model_run();
		if (model.rang) {
			model.rang = false;
			dev->ops->poll(dev);
		}
		dev->ops->tick(dev, host_now_us);
	}
}

HELPER void fill_ram(uint64_t off, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)(uintptr_t)(ram + off))[i] = (uint8_t)(i * 31 + (i >> 9) * 7 + seed);
}

/* Make waits of 10 s cheap: time passes in steps of a millisecond. */
HELPER void run_coarsely(void)
{
	host_now_us += MS;
	model_run();
}

/* --- start --- */

#endif
