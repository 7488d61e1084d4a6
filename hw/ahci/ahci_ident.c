/* SPDX-License-Identifier: BSD-2-Clause */
/* Parse IDENTIFY DEVICE (ACS-3 section 7.12.7) into the disk's geometry, features and limits. */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/string.h>
#include "hw/ahci/ahci.h"

#define AHCI_MAX_BYTES	(4u << 20)	/* a longer command would only make the others wait */

/* ATA strings hold the first character in the high byte; blanks pad them on either side. */
static void id_string(char *dst, const uint16_t *words, unsigned nwords)
{
	unsigned n = 0;

	for (unsigned i = 0; i < 2 * nwords; i++) {
		char c = (char)(i & 1 ? words[i / 2] : words[i / 2] >> 8);

		if (c < ' ' || c > '~')
			c = ' ';
		if (n || c != ' ')
			dst[n++] = c;
	}
	while (n && dst[n - 1] == ' ')
		n--;
	dst[n] = 0;
}

static bool id_valid(uint16_t word)
{
	return FIELD_GET(ID_VALID, word) == ID_VALID_YES;
}

static uint64_t id_number(const uint16_t *words, unsigned n)
{
	uint64_t v = 0;

	while (n-- > 0)
		v = v << 16 | words[n];
	return v;
}

/* 512n: word 106 is silent.  512e: several logical blocks in a physical one.  4Kn: words 117-118. */
static int parse_geometry(struct ahci_port *p, const uint16_t *id)
{
	struct disk *d = &p->disk;
	uint16_t ss = id_valid(id[ID_SECTOR_SIZE]) ? id[ID_SECTOR_SIZE] : 0;
	uint64_t size = 512;

	if (ss & ID_SS_LARGE)
		size = 2 * id_number(&id[ID_LOGICAL_WORDS], 2);
	if (size < 512 || size > 4096 || (size & (size - 1))) {
		log_warn("%s: logical blocks of %llu bytes are not supported; left out", p->name, (unsigned long long)size);
		return -ERR_NOTSUP;
	}
	d->block_size = (uint32_t)size;
	if (ss & ID_SS_MULTIPLE)
		d->phys_exp = (uint8_t)FIELD_GET(ID_SS_EXP, ss);

	uint16_t per_phys = (uint16_t)BIT(d->phys_exp);

	/* The word is the offset of LBA 0 in its physical block; the first aligned LBA is the beginning of the next block. */
	if (id_valid(id[ID_ALIGNMENT])) {
		unsigned inside = FIELD_GET(ID_ALIGNMENT_OFFSET, id[ID_ALIGNMENT]) % per_phys;

		d->align_offset = (uint16_t)((per_phys - inside) % per_phys);
	}
	d->min_io_blocks = d->phys_exp ? per_phys : 0;
	d->nblocks = p->lba48 ? id_number(&id[ID_SECTORS48], 4) & ATA_TRIM_LBA : id_number(&id[ID_SECTORS28], 2);
	if (!d->nblocks) {
		log_warn("%s: reports no blocks; left out", p->name);
		return -ERR_NOTSUP;
	}
	return 0;
}

static void parse_features(struct ahci_port *p, const uint16_t *id)
{
	struct disk *d = &p->disk;
	bool valid = id_valid(id[ID_CMD_SET2]);

	p->flush_ext = valid && p->lba48 && (id[ID_CMD_SET2] & ID_CMD2_FLUSH_EXT);
	d->flush = p->flush_ext || (valid && (id[ID_CMD_SET2] & ID_CMD2_FLUSH));
	d->can_set_cache = id[ID_CMD_SET1] & ID_CMD1_CACHE;
	d->write_cache = d->can_set_cache && (id[ID_CMD_ON1] & ID_CMD1_CACHE);
	d->ops = d->can_set_cache ? &ahci_disk_ops : &ahci_disk_ops_fixed_cache;
	d->removable = id[ID_GENERAL] & ID_GENERAL_REMOVABLE;
}

static void parse_limits(struct ahci_port *p, const uint16_t *id)
{
	struct ahci *h = p->hba;
	struct disk_limits *l = &p->disk.limits;
	uint16_t sata = id[ID_SATA_CAPS] == 0xffff ? 0 : id[ID_SATA_CAPS];
	unsigned depth = FIELD_GET(ID_QUEUE_DEPTH_MASK, (uint32_t)id[ID_QUEUE_DEPTH]) + 1;

	p->ncq = p->lba48 && (sata & ID_SATA_NCQ) && (h->cap & AHCI_CAP_SNCQ) && !(h->quirks & AHCI_QUIRK_NO_NCQ);
	l->tags = p->ncq ? (uint16_t)MIN(depth, h->nslots) : 1;
	l->max_bytes = MIN(AHCI_MAX_BYTES, (p->lba48 ? 65536u : 256u) * p->disk.block_size);
	if (h->quirks & AHCI_QUIRK_255)
		l->max_bytes = MIN(l->max_bytes, 255 * p->disk.block_size);
	l->max_segs = DISK_MAX_SEGS;
	l->max_seg_len = AHCI_PRD_MAX;
	l->addr_align = 2;
	l->len_align = 2;
	l->dma_mask = h->dma_mask;
	if (p->lba48 && (id[ID_DSM] & ID_DSM_TRIM))
		l->max_discard_blocks = ATA_TRIM_RANGES * ATA_TRIM_RANGE_MAX;
}

int ahci_identify_parse(struct ahci_port *p, const uint16_t *id)
{
	struct disk *d = &p->disk;

	if ((id[ID_GENERAL] & ID_GENERAL_ATAPI) || !(id[ID_CAPS] & ID_CAPS_LBA) || !(id[ID_CAPS] & ID_CAPS_DMA)) {
		log_warn("%s: no LBA disk with DMA (words 0 %04x, 49 %04x); left out", p->name, id[ID_GENERAL], id[ID_CAPS]);
		return -ERR_NOTSUP;
	}
	id_string(d->serial, &id[ID_SERIAL], 10);
	id_string(d->firmware, &id[ID_FIRMWARE], 4);
	id_string(d->model, &id[ID_MODEL], 20);
	p->lba48 = id_valid(id[ID_CMD_SET2]) && (id[ID_CMD_SET2] & ID_CMD2_LBA48);
	d->index = p->no;
	d->nqueues = 1;
	d->ctrl = &p->hba->dev;
	memcpy(d->name, p->name, sizeof(d->name));
	if (parse_geometry(p, id))
		return -ERR_NOTSUP;
	parse_features(p, id);
	parse_limits(p, id);
	memcpy(p->identity, id, sizeof(p->identity));
	if (id[ID_SECURITY] & ID_SECURITY_LOCKED)
		log_warn("%s: locked by ATA security: reads and writes will fail", p->name);
	return 0;
}

bool ahci_identify_same(const struct ahci_port *p, const uint16_t *id)
{
	const uint16_t *old = p->identity;

	return !memcmp(&id[ID_SERIAL], &old[ID_SERIAL], 20) && !memcmp(&id[ID_MODEL], &old[ID_MODEL], 40) &&
	       !memcmp(&id[ID_SECTORS28], &old[ID_SECTORS28], 4) && !memcmp(&id[ID_SECTORS48], &old[ID_SECTORS48], 8) &&
	       id[ID_SECTOR_SIZE] == old[ID_SECTOR_SIZE];
}
