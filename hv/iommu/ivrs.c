/* SPDX-License-Identifier: BSD-2-Clause */
/* AMD's table of I/O virtualization units (AMD I/O Virtualization Technology 3.08, 5.2). */
#include <veneer/log.h>
#include "hv/iommu/iommu.h"
#include "hv/iommu/iommu_regs.h"

struct block {
	const uint8_t *p;
	uint32_t at, len;	/* at: in the table, for messages */
	uint8_t type;
};

/* The first of a range whose end has not come yet. */
struct range {
	bool open;
	uint16_t first, alias;
};

/* The length of a device entry with @left bytes behind its beginning; 0: cannot be. */
static unsigned entry_length(const uint8_t *e, uint32_t left)
{
	unsigned len = e[0] < IVHD_DEV_VARIABLE ? 4u << (e[0] >> 6) : 0;

	if (e[0] == IVHD_DEV_ACPI && left >= ACPI_UID)
		len = ACPI_UID + e[ACPI_UID_LENGTH];
	return len <= left ? len : 0;
}

static void add_special(struct iommu_info *info, const uint8_t *e)
{
	uint16_t bdf = (uint16_t)iommu_field(e, SPECIAL_BDF, 2);
	bool hpet = e[SPECIAL_VARIETY] == SPECIAL_HPET;
	struct iommu_scope *s;

	if (!hpet && e[SPECIAL_VARIETY] != SPECIAL_IOAPIC)
		return;
	s = iommu_add_scope(info, hpet ? IOMMU_HPET : IOMMU_IOAPIC, bdf, bdf);
	if (s)
		s->id = e[SPECIAL_HANDLE];
}

static void add_functions(struct iommu_info *info, uint16_t first, uint16_t last, uint16_t alias)
{
	struct iommu_scope *s = iommu_add_scope(info, IOMMU_FUNCTIONS, first, last);

	if (s)
		s->alias = alias;
}

static void end_range(struct iommu_info *info, struct range *r, uint16_t last)
{
	if (!r->open || last < r->first) {
		log_warn("acpi: IVRS: a range of functions ends at %#x and begins nowhere: left out", last);
		info->broken = true;
	} else if (!r->first && last == 0xffff) {
		iommu_add_scope(info, IOMMU_ALL, 0, last);
	} else {
		add_functions(info, r->first, last, r->alias);
	}
	r->open = false;
}

static void read_entry(struct iommu_info *info, const uint8_t *e, struct range *r)
{
	uint16_t bdf = (uint16_t)iommu_field(e, 1, 2);

	switch (e[0]) {
	case IVHD_DEV_ALL:
		iommu_add_scope(info, IOMMU_ALL, 0, 0xffff);
		break;
	case IVHD_DEV_ONE:
	case IVHD_DEV_EXT:
		add_functions(info, bdf, bdf, 0);
		break;
	case IVHD_DEV_ALIAS:
		add_functions(info, bdf, bdf, (uint16_t)iommu_field(e, ALIAS_ID, 2));
		break;
	case IVHD_DEV_START:
	case IVHD_DEV_EXT_START:
		*r = (struct range){ true, bdf, 0 };
		break;
	case IVHD_DEV_ALIAS_START:
		*r = (struct range){ true, bdf, (uint16_t)iommu_field(e, ALIAS_ID, 2) };
		break;
	case IVHD_DEV_END:
		end_range(info, r, bdf);
		break;
	case IVHD_DEV_SPECIAL:
		add_special(info, e);
		break;
	case IVHD_DEV_ACPI:
		iommu_add_scope(info, IOMMU_ACPI, bdf, bdf);
		break;
	}
}

static void read_entries(struct iommu_info *info, const struct block *b, uint32_t off)
{
	struct range r = { 0 };

	while (off < b->len) {
		const uint8_t *e = b->p + off;
		unsigned len = entry_length(e, b->len - off);

		if (!len) {
			log_warn("acpi: IVRS: block of type %#x at %#x: device entry of type %u at %#x does not fit in %u "
				 "bytes left: the rest is left out", b->type, b->at, e[0], b->at + off, b->len - off);
			info->broken = true;
			break;
		}
		read_entry(info, e, &r);
		off += len;
	}
	if (r.open) {
		log_warn("acpi: IVRS: block of type %#x at %#x: the range from %#x on does not end: left out", b->type, b->at,
			 r.first);
		info->broken = true;
	}
}

/* A unit is described once for each type of block that software may know: the highest says most. */
static struct iommu_unit *unit_for(struct iommu_info *info, const struct iommu_unit *u)
{
	for (unsigned i = 0; i < info->nunits; i++) {
		struct iommu_unit *old = &info->unit[i];

		if (old->kind != IOMMU_AMDVI || old->segment != u->segment || old->bdf != u->bdf)
			continue;
		if (u->type <= old->type || !iommu_check_unit(info, u))
			return NULL;
		*old = *u;
		return old;
	}
	return iommu_add_unit(info, u);
}

static void read_ivhd(struct iommu_info *info, const struct block *b)
{
	struct iommu_unit u = {
		.kind = IOMMU_AMDVI, .type = b->type, .flags = b->p[IVHD_FLAGS], .base = iommu_field(b->p, IVHD_BASE, 8),
		.segment = (uint16_t)iommu_field(b->p, IVHD_SEGMENT, 2), .bdf = (uint16_t)iommu_field(b->p, IVHD_BDF, 2),
		.scope = info->nscopes,
	};
	struct iommu_unit *unit = unit_for(info, &u);

	if (!unit)
		return;
	read_entries(info, b, b->type == IVHD_10 ? IVHD_10_ENTRIES : IVHD_ENTRIES);
	unit->nscopes = info->nscopes - unit->scope;
}

static void read_ivmd(struct iommu_info *info, const struct block *b)
{
	uint64_t base = iommu_field(b->p, IVMD_BASE, 8), bytes = iommu_field(b->p, IVMD_BYTES, 8);
	uint16_t first = (uint16_t)iommu_field(b->p, IVMD_BDF, 2), last = (uint16_t)iommu_field(b->p, IVMD_LAST, 2);
	struct iommu_region r = {
		.base = base, .end = base + bytes, .segment = (uint16_t)iommu_field(b->p, IVMD_SEGMENT, 2),
		.exclusion = b->p[IVMD_FLAGS] & IVMD_EXCLUSION, .scope = info->nscopes,
	};
	struct iommu_region *region = iommu_add_region(info, &r);

	if (!region)
		return;
	if (b->type == IVMD_ALL)
		iommu_add_scope(info, IOMMU_ALL, 0, 0xffff);
	else
		iommu_add_scope(info, IOMMU_FUNCTIONS, first, b->type == IVMD_ONE ? first : last);
	region->nscopes = info->nscopes - region->scope;
}

/* 0: a type that we do not know. */
static unsigned min_length(uint8_t type)
{
	switch (type) {
	case IVHD_10:
		return IVHD_10_ENTRIES;
	case IVHD_11:
	case IVHD_40:
		return IVHD_ENTRIES;
	case IVMD_ALL:
	case IVMD_ONE:
	case IVMD_RANGE:
		return IVMD_LENGTH;
	default:
		return 0;
	}
}

static void read_block(struct iommu_info *info, const struct block *b)
{
	unsigned min = min_length(b->type);

	if (!min) {
		log_debug("acpi: IVRS: block of the unknown type %#x at %#x passed over", b->type, b->at);
	} else if (b->len < min) {
		log_warn("acpi: IVRS: block of type %#x at %#x has length %u, less than %u: left out", b->type, b->at, b->len,
			 min);
		info->broken = true;
	} else if (min == IVMD_LENGTH) {
		read_ivmd(info, b);
	} else {
		read_ivhd(info, b);
	}
}

void ivrs_parse(const uint8_t *t, uint32_t len, struct iommu_info *info)
{
	if (len < IVRS_BLOCKS) {
		log_warn("acpi: IVRS: the table has length %u, less than %u: left out", len, IVRS_BLOCKS);
		info->broken = true;
		return;
	}
	info->dma_opt_in = iommu_field(t, IVRS_INFO, 4) & IVRS_PREBOOT;
	for (uint32_t at = IVRS_BLOCKS; at < len;) {
		struct block b = { .p = t + at, .at = at, .type = t[at] };

		if (len - at >= 4)
			b.len = (uint32_t)iommu_field(b.p, 2, 2);
		if (b.len < 4 || b.len > len - at) {
			log_warn("acpi: IVRS: block of type %#x at %#x has length %u of %u bytes left: the rest is left out",
				 b.type, at, b.len, len - at);
			info->broken = true;
			return;
		}
		read_block(info, &b);
		at += b.len;
	}
}
