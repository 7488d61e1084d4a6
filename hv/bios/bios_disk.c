/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * INT 13h for hard disks, answered from the virtual disks: the functions of the IBM BIOS, and of the Phoenix Enhanced Disk
 * Drive Specification 3.0.  Whatever the guest passes is read once and checked.  Diskettes stay the BIOS's.
 */
#include <veneer/conceal.h>
#include <veneer/err.h>
#include <veneer/gmem.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include "hv/bios/bios.h"

/* Status codes in AH. */
#define ST_OK		0x00
#define ST_PARAM	0x01	/* function, parameter or drive unknown */
#define ST_PROTECTED	0x03
#define ST_NOT_FOUND	0x04	/* no such sector */
#define ST_BOUNDARY	0x09	/* the buffer cannot be reached */
#define ST_READ		0x10
#define ST_TIMEOUT	0x80
#define ST_NOT_READY	0xaa
#define ST_WRITE	0xcc

#define FIRST_DRIVE	0x80u
#define FIRST_CD	0xe0u	/* numbers from here on are the BIOS's own */
#define SECTORS		63u	/* a track, by every translation that BIOSes use for disks of today */
#define VERIFY_MAX	(DISK_VERIFY_PIECES * PAGE_SIZE / BIOS_SECTOR)
#define DISK_VERIFY_PIECES 64u

struct drive {
	unsigned disk;			/* for bootdisk_ */
	uint16_t bdf, cylinders, heads;
	uint64_t nblocks;
	bool writable;
};

static struct drive drives[BIOS_MAX_DRIVES];
static unsigned ndrives;
static const struct bootdisk_ops *disks;
static uint8_t last_status;

/*
 * Bounce buffer for the first page, which drivers cannot reach, and for data that is only verified.  Of the heap, since an
 * IOMMU keeps devices away from Veneer's variables.
 */
static uint8_t *bounce;

/* The call that the stub polls for; and a call that ended before the stub asked, when an interrupt handler made its own. */
static struct poll {
	bool on, write;
	unsigned cpu;			/* the caller's */
	uint8_t count;			/* for AL; 0: not reported in AL */
	uint64_t low;			/* the part of the buffer in the first page, ... */
	uint32_t low_bytes;
	uint64_t packet;		/* ... and the disk address packet, 0: none */
	uint8_t status;			/* of the call that has ended */
} call, interrupted;

/* A packet of functions 42h to 47h. */
struct packet {
	uint8_t size, reserved;
	uint16_t count;
	uint16_t off, seg;
	uint64_t lba;
	uint64_t flat;
} PACKED;

#define PACKET_SIZE	16u
#define PACKET_FLAT	24u

/* The result of function 48h: EDD 3.0, table 12 and 13. */
struct parameters {
	uint16_t size, flags;
	uint32_t cylinders, heads, sectors;
	uint64_t total;
	uint16_t bytes;
	uint32_t config;		/* far pointer, all ones: none */
	uint16_t key;
	uint8_t path_size, reserved0;
	uint16_t reserved1;
	char bus[4], interface[8];
	uint8_t interface_path[8], device_path[8];
	uint8_t reserved2, sum;
} PACKED;

#define PARAMETERS_1	26u		/* up to bytes */
#define PARAMETERS_2	30u		/* up to config */
#define GEOMETRY_VALID	BIT(1)

/* --- drives --- */

/* "LBA assisted" translation: the fewest heads that keep the cylinders below 1024. */
static void set_geometry(struct drive *d)
{
	static const uint16_t heads[] = { 16, 32, 64, 128, 255 };
	unsigned i = 0;

	while (i < ARRAY_SIZE(heads) - 1 && d->nblocks / SECTORS / heads[i] > 1024)
		i++;
	d->heads = heads[i];
	d->cylinders = (uint16_t)MAX(MIN(d->nblocks / SECTORS / d->heads, 1024ull), 1ull);
}

static void add_drive(unsigned n)
{
	struct drive *d = &drives[ndrives];
	struct bootdisk b;

	if (!disks->get(n, &b))
		return;
	if (b.block_size != BIOS_SECTOR) {
		log_info("bios: %s has blocks of %u bytes: no BIOS drive", b.name, b.block_size);
		return;
	}
	if (ndrives == BIOS_MAX_DRIVES) {
		log_warn("bios: more than %u drives: %s is none", BIOS_MAX_DRIVES, b.name);
		return;
	}
	*d = (struct drive){ .disk = n, .bdf = b.bdf, .nblocks = b.nblocks, .writable = b.writable };
	set_geometry(d);
	log_info("bios: drive %xh is %s \"%s\" serial \"%s\", %u cylinders, %u heads", FIRST_DRIVE + ndrives, b.name, b.model,
		 b.serial, d->cylinders, d->heads);
	ndrives++;
}

unsigned bios_disk_init(int boot_disk)
{
	struct bootdisk b;

	disks = composition()->bootdisk;
	ndrives = 0;
	call.on = interrupted.on = false;
	last_status = ST_OK;
	bounce = mem_alloc(PAGE_SIZE, PAGE_SIZE);
	if (!bounce) {
		log_err("guest: no memory for the BIOS's disks");
		return 0;
	}
	if (boot_disk >= 0)
		add_drive((unsigned)boot_disk);
	for (unsigned n = 0; disks->get(n, &b); n++)
		if (boot_disk < 0 || n != (unsigned)boot_disk)
			add_drive(n);
	return ndrives;
}

/* --- results --- */

static enum bios_next call_result(struct bios_call *c, uint8_t status)
{
	last_status = status;
	bios_set_ah(c, status);
	return status ? BIOS_ERROR : BIOS_OK;
}

static uint8_t status_of(int err, bool write)
{
	switch (err) {
	case 0:
		return ST_OK;
	case -ERR_ROFS:
		return ST_PROTECTED;
	case -ERR_INVAL:
		return ST_NOT_FOUND;
	case -ERR_BUSY:
	case -ERR_NODEV:
		return ST_NOT_READY;
	case -ERR_TIMEOUT:
	case -ERR_ABORTED:
		return ST_TIMEOUT;
	default:
		return write ? ST_WRITE : ST_READ;
	}
}

/* Report the number of sectors that were transferred, in AL or in the packet. */
static enum bios_next call_finish(struct bios_call *c, struct poll *p, uint8_t status)
{
	uint16_t none = 0;

	p->on = false;
	if (p->count)
		bios_set16(c, GPR_RAX, status ? 0 : p->count);
	if (p->packet && status)
		bios_copy_out(p->packet + offsetof(struct packet, count), &none, sizeof(none));
	return call_result(c, status);
}

/* --- transfers --- */

enum op { READ, WRITE, VERIFY };

struct transfer {
	enum op op;
	uint64_t lba, buffer;
	uint32_t count;
	uint8_t al;			/* as in call */
	uint64_t packet;
};

/* Return the number of pieces of a buffer; 0 if it is not guest memory. */
static unsigned buffer_pieces(uint64_t addr, uint64_t len, struct sg *sg)
{
	uint64_t low = addr < PAGE_SIZE ? MIN(len, PAGE_SIZE - addr) : 0;
	unsigned n = 0;

	if (len - low && !gmem_valid(addr + low, len - low))
		return 0;
	call.low = addr;
	call.low_bytes = (uint32_t)low;
	if (low)
		sg[n++] = (struct sg){ mem_phys(bounce) + addr, (uint32_t)low };
	if (len - low)
		sg[n++] = (struct sg){ addr + low, (uint32_t)(len - low) };
	return n;
}

/* Verify: read, and drop the data. */
static unsigned verify_pieces(uint64_t len, struct sg *sg)
{
	unsigned n = 0;

	call.low_bytes = 0;
	for (; len; n++) {
		sg[n] = (struct sg){ mem_phys(bounce), (uint32_t)MIN(len, PAGE_SIZE) };
		len -= sg[n].len;
	}
	return n;
}

static enum bios_next request_begin(struct bios_call *c, const struct drive *d, const struct transfer *t)
{
	struct sg sg[DISK_VERIFY_PIECES];
	bool write = t->op == WRITE;
	unsigned n;
	int err;

	call.write = write;
	call.cpu = c->cpu;
	call.count = t->al;
	call.packet = t->packet;
	if (t->lba >= d->nblocks || t->count > d->nblocks - t->lba)
		return call_finish(c, &call, ST_NOT_FOUND);
	if (write && !d->writable)
		return call_finish(c, &call, ST_PROTECTED);
	if (t->op == VERIFY && t->count > VERIFY_MAX)
		return call_finish(c, &call, ST_PARAM);
	if (!t->count)
		return call_finish(c, &call, ST_OK);
	n = t->op == VERIFY ? verify_pieces((uint64_t)t->count * BIOS_SECTOR, sg) :
	    buffer_pieces(t->buffer, (uint64_t)t->count * BIOS_SECTOR, sg);
	if (!n || (write && !bios_copy_in(bounce + (call.low & (PAGE_SIZE - 1)), call.low, call.low_bytes)))
		return call_finish(c, &call, ST_BOUNDARY);
	err = disks->begin(d->disk, write, t->lba, t->count, sg, n);
	if (err)
		return call_finish(c, &call, status_of(err, write));
	call.on = true;
	return bios_int13_poll(c);
}

/* Complete the call whose request ended with this status. */
static uint8_t outcome(int err)
{
	if (!err && !call.write && call.low_bytes && !bios_copy_out(call.low, bounce + call.low, call.low_bytes))
		return ST_BOUNDARY;
	return status_of(err, call.write);
}

enum bios_next bios_int13_poll(struct bios_call *c)
{
	int err;

	/* The interrupt handler's own call has ended. */
	if (!(call.on && call.cpu == c->cpu))
		return interrupted.on && interrupted.cpu == c->cpu ? call_finish(c, &interrupted, interrupted.status) :
			call_result(c, ST_NOT_READY);
	err = disks->result();
	return err == -ERR_BUSY ? BIOS_WAIT : call_finish(c, &call, outcome(err));
}

/*
 * Take a new call while another is open: from an interrupt handler, from another processor, or because a caller never came
 * back.  False while the disk still works on the open call.  A finished result is kept for its caller, who asks after the
 * handler has returned; of several such callers the last one gets the result, the others get "not ready".
 */
static bool make_room(void)
{
	int err = call.on ? disks->result() : 0;

	if (err == -ERR_BUSY)
		return false;
	if (call.on) {
		call.status = outcome(err);
		interrupted = call;
		call.on = false;
	}
	return true;
}

/* CH and two bits of CL: the cylinder; the rest of CL: the sector, from 1; DH: the head. */
static enum bios_next chs(struct bios_call *c, const struct drive *d, enum op op)
{
	uint16_t cx = bios_r16(c, GPR_RCX);
	uint32_t cylinder = cx >> 8 | (cx & 0xc0u) << 2, sector = cx & 0x3f, head = bios_r16(c, GPR_RDX) >> 8;
	struct transfer t = { .op = op, .count = (uint8_t)c->gpr[GPR_RAX], .buffer = c->es + bios_r16(c, GPR_RBX) };

	if (!t.count)
		return call_result(c, ST_PARAM);
	t.al = (uint8_t)t.count;
	if (!sector || head >= d->heads || cylinder > d->cylinders) {
		bios_set16(c, GPR_RAX, 0);
		return call_result(c, ST_NOT_FOUND);
	}
	t.lba = ((uint64_t)cylinder * d->heads + head) * SECTORS + sector - 1;
	return request_begin(c, d, &t);
}

/* EDD 3.0, 4.2: the buffer is a far pointer; if that is all ones and the packet is long enough, a linear address. */
static enum bios_next lba(struct bios_call *c, const struct drive *d, enum op op)
{
	struct transfer t = { .op = op, .packet = c->ds + bios_r16(c, GPR_RSI) };
	struct packet p = { 0 };

	if (!bios_copy_in(&p, t.packet, PACKET_SIZE) || p.size < PACKET_SIZE)
		return call_result(c, ST_PARAM);
	t.lba = p.lba;
	t.count = p.count;
	t.buffer = ((uint64_t)p.seg << 4) + p.off;
	if (p.seg == 0xffff && p.off == 0xffff && p.size >= PACKET_FLAT) {
		if (!bios_copy_in(&p.flat, t.packet + PACKET_SIZE, sizeof(p.flat)))
			return call_result(c, ST_PARAM);
		t.buffer = p.flat;
	}
	return request_begin(c, d, &t);
}

static enum bios_next seek(struct bios_call *c, const struct drive *d)
{
	struct packet p = { 0 };

	if (!bios_copy_in(&p, c->ds + bios_r16(c, GPR_RSI), PACKET_SIZE) || p.size < PACKET_SIZE)
		return call_result(c, ST_PARAM);
	return call_result(c, p.lba < d->nblocks ? ST_OK : ST_NOT_FOUND);
}

/* --- the description of a drive --- */

static enum bios_next geometry(struct bios_call *c, const struct drive *d)
{
	unsigned last = d->cylinders - 1u;

	bios_set16(c, GPR_RCX, (uint16_t)(last << 8 | (last >> 2 & 0xc0) | SECTORS));
	bios_set16(c, GPR_RDX, (uint16_t)((d->heads - 1u) << 8 | ndrives));
	bios_set16(c, GPR_RAX, 0);
	return call_result(c, ST_OK);
}

static enum bios_next type(struct bios_call *c, const struct drive *d)
{
	uint32_t n = (uint32_t)MIN(d->nblocks, 0xffffffffull);

	bios_set16(c, GPR_RCX, (uint16_t)(n >> 16));
	bios_set16(c, GPR_RDX, (uint16_t)n);
	call_result(c, ST_OK);
	bios_set_ah(c, 3);		/* a hard disk */
	return BIOS_OK;
}

static enum bios_next extensions(struct bios_call *c)
{
	if (bios_r16(c, GPR_RBX) != 0x55aa)
		return call_result(c, ST_PARAM);
	bios_set16(c, GPR_RBX, 0xaa55);
	bios_set16(c, GPR_RCX, BIT(0) | BIT(2));	/* access by packets; function 48h.  No removable media */
	call_result(c, ST_OK);
	bios_set_ah(c, 0x30);		/* EDD 3.0 */
	return BIOS_OK;
}

static void set_path(struct parameters *p, const struct drive *d)
{
	p->key = 0xbedd;
	p->path_size = (uint8_t)(sizeof(*p) - offsetof(struct parameters, key));
	memcpy(p->bus, "PCI ", 4);
	memcpy(p->interface, "SCSI    ", 8);	/* the list knows no virtio */
	p->interface_path[0] = (uint8_t)(d->bdf >> 8);
	p->interface_path[1] = (uint8_t)(d->bdf >> 3 & 31);
	p->interface_path[2] = (uint8_t)(d->bdf & 7);
	for (const uint8_t *b = (const uint8_t *)&p->key; b < &p->sum; b++)
		p->sum = (uint8_t)(p->sum - *b);
}

static enum bios_next parameters(struct bios_call *c, const struct drive *d)
{
	uint64_t at = c->ds + bios_r16(c, GPR_RSI);
	struct parameters p = { .flags = GEOMETRY_VALID, .heads = d->heads, .sectors = SECTORS, .total = d->nblocks,
				.bytes = BIOS_SECTOR, .config = 0xffffffff };
	uint16_t room;

	if (!bios_copy_in(&room, at, sizeof(room)) || room < PARAMETERS_1)
		return call_result(c, ST_PARAM);
	p.size = room < PARAMETERS_2 ? PARAMETERS_1 : room < sizeof(p) ? PARAMETERS_2 : sizeof(p);
	p.cylinders = (uint32_t)MIN(d->nblocks / SECTORS / d->heads, 16383ull);
	set_path(&p, d);
	return call_result(c, bios_copy_out(at, &p, p.size) ? ST_OK : ST_BOUNDARY);
}

/* --- the call --- */

static enum bios_next extended(struct bios_call *c, const struct drive *d)
{
	switch (bios_ah(c)) {
	case 0x41:
		return extensions(c);
	case 0x42:
		return lba(c, d, READ);
	case 0x43:
		/* AL = 2 asks for a write with verify. */
		return (uint8_t)c->gpr[GPR_RAX] > 1 ? call_result(c, ST_PARAM) : lba(c, d, WRITE);
	case 0x44:
		return lba(c, d, VERIFY);
	case 0x47:
		return seek(c, d);
	case 0x48:
		return parameters(c, d);
	default:
		return call_result(c, ST_PARAM);
	}
}

static enum bios_next classic(struct bios_call *c, const struct drive *d)
{
	switch (bios_ah(c)) {
	case 0x01:
		bios_set_ah(c, last_status);
		return last_status ? BIOS_ERROR : BIOS_OK;
	case 0x02:
		return chs(c, d, READ);
	case 0x03:
		return chs(c, d, WRITE);
	case 0x04:
		return chs(c, d, VERIFY);
	case 0x08:
		return geometry(c, d);
	case 0x15:
		return type(c, d);
	case 0x00:	/* reset, set parameters, seek, reset, ready?, recalibrate, diagnose */
	case 0x09:
	case 0x0c:
	case 0x0d:
	case 0x10:
	case 0x11:
	case 0x14:
		return call_result(c, ST_OK);
	default:
		return call_result(c, ST_PARAM);
	}
}

enum bios_next bios_int13(struct bios_call *c)
{
	uint8_t number = (uint8_t)c->gpr[GPR_RDX];
	unsigned n = number - FIRST_DRIVE;

	if (number < FIRST_DRIVE)
		return BIOS_CHAIN;
	if (n >= ndrives)
		return number >= FIRST_CD ? BIOS_CHAIN : call_result(c, ST_PARAM);
	if (!make_room())
		return call_result(c, ST_NOT_READY);
	return bios_ah(c) >= 0x40 ? extended(c, &drives[n]) : classic(c, &drives[n]);
}
