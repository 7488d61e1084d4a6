/* SPDX-License-Identifier: BSD-2-Clause */
/* For tests of disk drivers: requests, and the memory that the requests name. */
#ifndef DISK_REQUESTS_H
#define DISK_REQUESTS_H

#include <string.h>
#include <veneer/disk.h>
#include "host/host.h"

/* Not every test program uses all of them. */
#define HELPER	__attribute__((unused)) static

#define RAM_SIZE	0x400000u
#define MS		1000u
#define SECOND		1000000u

static uint64_t ram;		/* 4 MiB of fake guest memory; the test's start allocates it */

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

HELPER void fill_ram(uint64_t off, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)(uintptr_t)(ram + off))[i] = (uint8_t)(i * 31 + (i >> 9) * 7 + seed);
}

#endif
