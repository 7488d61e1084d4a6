// SPDX-License-Identifier: BSD-2-Clause
/* The AHCI model's disks: the commands of ATA8-ACS that drivers of a disk use, native queued ones among them. */
#include <stdio.h>
#include <string.h>
#include "ahci.h"

#define IDENTIFY_BYTES	512u
#define LOG_NCQ_ERROR	0x10u

/* A register FIS from the host (Serial ATA 3.0, 10.3.4) as the command's arguments. */
struct taskfile {
	uint8_t command, device;
	uint16_t features, count;
	uint64_t lba;
};

static struct taskfile parse(const uint8_t *f)
{
	uint64_t low = f[4] | f[5] << 8 | (uint64_t)f[6] << 16, high = f[8] | f[9] << 8 | (uint64_t)f[10] << 16;

	return (struct taskfile) {
		.command = f[2], .device = f[7], .features = (uint16_t)(f[3] | f[11] << 8),
		.count = (uint16_t)(f[12] | f[13] << 8), .lba = low | high << 24,
	};
}

bool ahci_is_queued(uint8_t command)
{
	return command == 0x60 || command == 0x61;
}

bool ahci_is_pio(uint8_t command)
{
	return command == 0xec || command == 0x20 || command == 0x24 || command == 0x30 || command == 0x34 || command == 0x2f;
}

/* --- data --- */

bool ahci_transfer(struct ahci *a, struct ahci_header *header, void *buf, size_t len, bool to_host)
{
	unsigned entries = header->flags >> 16;
	uint8_t *at = buf;

	if (!(header->flags & 0x40) == !to_host)
		ahci_broken(a, "the command header's W bit is %u", header->flags >> 6 & 1);
	for (unsigned i = 0; i < entries && len; i++) {
		uint32_t prd[4];
		const void *entry = a->m.host.dma(a->m.host.ctx, header->table + 0x80 + 16ull * i, sizeof(prd), false);
		uint64_t addr;
		size_t now;
		void *p;

		if (!entry)
			return false;
		memcpy(prd, entry, sizeof(prd));
		addr = prd[0] | (uint64_t)prd[1] << 32;
		now = (prd[3] & 0x3fffff) + 1;
		if (addr & 1 || now & 1)
			ahci_broken(a, "PRD %u: %zu bytes at %llx", i, now, (unsigned long long)addr);
		if (prd[1] && !a->addr64)
			ahci_broken(a, "PRD %u: %llx is beyond 4 GiB", i, (unsigned long long)addr);
		now = now < len ? now : len;
		p = a->m.host.dma(a->m.host.ctx, addr, now, to_host);
		if (!p)
			return false;
		if (to_host)
			memcpy(p, at, now);
		else
			memcpy(at, p, now);
		at += now;
		len -= now;
		header->prdbc += (uint32_t)now;
	}
	if (len)
		ahci_broken(a, "the PRD table is %zu bytes too short", len);
	return !len;
}

static enum ahci_end moved(bool done)
{
	return done ? AHCI_DONE : AHCI_NO_DMA;
}

static enum ahci_end refuse(struct ahci_disk *d, uint8_t error)
{
	d->error = error;
	return AHCI_FAILED;
}

/* --- IDENTIFY DEVICE --- */

static void put_text(uint16_t *to, unsigned words, const char *text)
{
	char padded[41];

	snprintf(padded, sizeof(padded), "%-*s", (int)words * 2, text);
	for (unsigned i = 0; i < words; i++)
		to[i] = (uint16_t)((uint8_t)padded[2 * i] << 8 | (uint8_t)padded[2 * i + 1]);
}

static void identify_features(const struct ahci *a, const struct ahci_disk *d, uint16_t *w)
{
	w[75] = (uint16_t)(a->slots - 1);
	w[76] = (uint16_t)(0x000e | (a->ncq ? 0x100 : 0));	/* 1.5 to 6 Gb/s */
	w[80] = 0x01f0;						/* ATA/ATAPI-4 to ATA8-ACS */
	w[82] = (uint16_t)(0x4040 | (a->write_cache ? 0x20 : 0));	/* NOP, look-ahead, write cache */
	w[83] = 0x7400;						/* FLUSH CACHE EXT, FLUSH CACHE, 48-bit addresses */
	w[84] = 0x4020;						/* general purpose logging */
	w[85] = (uint16_t)(0x4000 | (d->look_ahead ? 0x40 : 0) | (d->write_cache ? 0x20 : 0));
	w[86] = 0x3400;
	w[87] = 0x4020;
	w[88] = 0x003f;						/* Ultra DMA 0 to 5 */
	if ((d->mode & 0xf8) == 0x40)
		w[88] |= (uint16_t)(0x100u << (d->mode & 7));
}

static enum ahci_end identify(struct ahci *a, unsigned port, struct ahci_header *header)
{
	struct ahci_disk *d = &a->port[port].disk;
	uint16_t w[IDENTIFY_BYTES / 2] = { 0 };
	uint64_t small = d->blocks < 0x0fffffff ? d->blocks : 0x0fffffff;
	uint8_t sum = 0xa5, bytes[IDENTIFY_BYTES];
	char serial[AHCI_SERIAL + 1];

	/* The first disk has the adapter's serial number, the others a suffix. */
	if (port)
		snprintf(serial, sizeof(serial), "%.18s-%u", a->serial, port % 10);
	else
		snprintf(serial, sizeof(serial), "%s", a->serial);
	w[0] = 0x0040;
	put_text(w + 10, 10, serial);
	put_text(w + 23, 4, "1.0");
	put_text(w + 27, 20, "MODEL DISK");
	w[47] = 0x8010;
	w[49] = 0x0f00;			/* DMA, LBA, IORDY */
	w[50] = 0x4000;
	w[53] = 6;			/* words 64 to 70, and 88 */
	w[60] = (uint16_t)small;
	w[61] = (uint16_t)(small >> 16);
	w[63] = 0x0007;
	w[64] = 3;
	for (unsigned i = 65; i < 69; i++)
		w[i] = 120;
	identify_features(a, d, w);
	for (unsigned i = 0; i < 4; i++)
		w[100 + i] = (uint16_t)(d->blocks >> 16 * i);
	if (d->sector > 512) {
		w[106] = 0x5000;	/* a logical sector of more than 256 words */
		w[117] = (uint16_t)(d->sector / 2);
	}
	w[119] = w[120] = 0x4000;
	w[217] = 1;			/* not rotating */
	w[222] = 0x107f;
	memcpy(bytes, w, sizeof(bytes));
	bytes[510] = 0xa5;
	for (unsigned i = 0; i < 511; i++)
		sum = (uint8_t)(sum + (i == 510 ? 0 : bytes[i]));
	bytes[511] = (uint8_t)-sum;
	return moved(ahci_transfer(a, header, bytes, sizeof(bytes), true));
}

/* --- blocks --- */

/* The blocks of a command of 28 or 48 bits; a count of 0 is the most.  False: not all are on the disk. */
static bool blocks_of(const struct ahci_disk *d, const struct taskfile *t, bool ext, uint64_t *first, uint64_t *count)
{
	if (ext) {
		*first = t->lba;
		*count = t->count ? t->count : 65536;
	} else {
		*first = (t->lba & 0xffffff) | (uint64_t)(t->device & 15) << 24;
		*count = (t->count & 0xff) ? t->count & 0xff : 256;
	}
	return *first < d->blocks && *count <= d->blocks - *first;
}

static enum ahci_end move_blocks(struct ahci *a, struct ahci_disk *d, struct ahci_header *header, const struct taskfile *t,
				 bool ext, bool to_host)
{
	uint64_t first, count;

	if (!(t->device & 0x40))
		ahci_broken(a, "command %02x: no LBA bit", t->command);
	if (!blocks_of(d, t, ext, &first, &count)) {
		ahci_broken(a, "command %02x: blocks %llu to %llu of %llu", t->command, (unsigned long long)first,
			    (unsigned long long)(first + count), (unsigned long long)d->blocks);
		return refuse(d, ATA_IDNF);
	}
	return moved(ahci_transfer(a, header, d->data + first * d->sector, count * d->sector, to_host));
}

static enum ahci_end verify(struct ahci_disk *d, const struct taskfile *t, bool ext)
{
	uint64_t first, count;

	return blocks_of(d, t, ext, &first, &count) ? AHCI_DONE : refuse(d, ATA_IDNF);
}

/* A queued command has its count in Features and its tag in Count (Serial ATA 3.0, 13.6.4). */
static enum ahci_end queued(struct ahci *a, unsigned port, unsigned slot, struct ahci_header *header, struct taskfile t)
{
	struct ahci_disk *d = &a->port[port].disk;

	if (!a->ncq)
		return refuse(d, ATA_ABRT);
	if (t.count >> 3 != slot)
		ahci_broken(a, "queued command %02x in slot %u has tag %u", t.command, slot, t.count >> 3);
	t.count = t.features;
	return move_blocks(a, d, header, &t, true, t.command == 0x60);
}

/* --- the rest --- */

static enum ahci_end set_features(struct ahci_disk *d, const struct taskfile *t, bool has_cache)
{
	switch (t->features & 0xff) {
	case 0x03:
		d->mode = t->count & 0xff;
		return AHCI_DONE;
	case 0x02: case 0x82:
		if (!has_cache)
			break;
		d->write_cache = !(t->features & 0x80);
		return AHCI_DONE;
	case 0x55: case 0xaa:
		d->look_ahead = t->features & 0x80;
		return AHCI_DONE;
	}
	return refuse(d, ATA_ABRT);
}

/* Log directory, and log 10h: the queued command that failed (Serial ATA 3.0, 13.7.1). */
static enum ahci_end read_log(struct ahci *a, struct ahci_disk *d, struct ahci_header *header, const struct taskfile *t)
{
	uint8_t page[512] = { 0 }, sum = 0;

	if (t->count != 1 || ((t->lba & 0xff) && (t->lba & 0xff) != LOG_NCQ_ERROR))
		return refuse(d, ATA_ABRT);
	if (!(t->lba & 0xff)) {
		page[0] = 1;
		page[2 * LOG_NCQ_ERROR] = 1;
	} else {
		page[0] = d->ncq_error ? d->ncq_tag : 0x80;
		page[2] = ATA_DRDY | ATA_ERR;
		page[3] = d->ncq_reason;
		for (unsigned i = 0; i < 3; i++) {
			page[4 + i] = (uint8_t)(d->ncq_lba >> 8 * i);
			page[8 + i] = (uint8_t)(d->ncq_lba >> (24 + 8 * i));
		}
		d->ncq_error = false;
		for (unsigned i = 0; i < 511; i++)
			sum = (uint8_t)(sum + page[i]);
		page[511] = (uint8_t)-sum;
	}
	return moved(ahci_transfer(a, header, page, sizeof(page), true));
}

static bool moves_data(uint8_t command)
{
	return ahci_is_queued(command) || command == 0xc8 || command == 0xca || command == 0x25 || command == 0x35 ||
	       command == 0xea || command == 0xe7;
}

static enum ahci_end carry_out(struct ahci *a, unsigned port, unsigned slot, struct ahci_header *header,
			       const struct taskfile *t)
{
	struct ahci_disk *d = &a->port[port].disk;

	switch (t->command) {
	case 0xec: return identify(a, port, header);
	case 0xef: return set_features(d, t, a->write_cache);
	case 0x2f: case 0x47: return read_log(a, d, header, t);
	case 0x60: case 0x61: return queued(a, port, slot, header, *t);
	case 0x20: case 0xc8: return move_blocks(a, d, header, t, false, true);
	case 0x24: case 0x25: return move_blocks(a, d, header, t, true, true);
	case 0x30: case 0xca: return move_blocks(a, d, header, t, false, false);
	case 0x34: case 0x35: case 0x3d: return move_blocks(a, d, header, t, true, false);
	case 0x40: return verify(d, t, false);
	case 0x42: return verify(d, t, true);
	case 0xe7: case 0xea: case 0xe0: case 0xe1: case 0xe3: return AHCI_DONE;
	}
	return refuse(d, ATA_ABRT);
}

enum ahci_end ahci_ata(struct ahci *a, unsigned port, unsigned slot, struct ahci_header *header, const uint8_t fis[20])
{
	struct ahci_disk *d = &a->port[port].disk;
	struct taskfile t = parse(fis);
	enum ahci_end end;

	d->error = 0;
	if (moves_data(t.command) && model_planned(&a->hold))
		return AHCI_LATER;
	if (d->ncq_error && !((t.command == 0x2f || t.command == 0x47) && (t.lba & 0xff) == LOG_NCQ_ERROR))
		return refuse(d, ATA_ABRT);
	if (moves_data(t.command) && model_planned(&a->fail))
		end = refuse(d, ATA_UNC);
	else
		end = carry_out(a, port, slot, header, &t);
	if (end == AHCI_FAILED && ahci_is_queued(t.command)) {
		d->ncq_error = true;
		d->ncq_tag = (uint8_t)slot;
		d->ncq_reason = d->error;
		d->ncq_lba = t.lba;
	}
	return end;
}
