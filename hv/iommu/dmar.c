/* SPDX-License-Identifier: BSD-2-Clause */
/* Intel's table of DMA remapping units (VT-d 4.1, chapter 8). */
#include <veneer/log.h>
#include <veneer/string.h>
#include "hv/pci/pci.h"
#include "hv/iommu/iommu.h"
#include "hv/iommu/iommu_regs.h"

#define SECONDARY_BUS	0x19
#define HEADER_BRIDGE	1

/* One structure of the table. */
struct piece {
	const uint8_t *p;
	uint32_t at, len;	/* at: in the table, for messages */
	unsigned type;
};

/* A path from a bus downwards: every hop but the last is a bridge.  False where one is not there. */
static bool follow(const uint8_t *scope, unsigned len, uint16_t *bdf)
{
	unsigned bus = scope[SCOPE_BUS];

	for (unsigned at = SCOPE_PATH; ; at += 2) {
		*bdf = PCI_BDF(bus, scope[at] & 31, scope[at + 1] & 7);
		if (at + 4 > len)
			return true;
		if ((pci_cfg_read(*bdf, PCI_HEADER_TYPE, 1) & 0x7f) != HEADER_BRIDGE)
			return false;
		unsigned next = pci_cfg_read(*bdf, SECONDARY_BUS, 1) & 0xff;
		if (next <= bus)
			return false;
		bus = next;
	}
}

static void add_scope(struct iommu_info *info, const uint8_t *s, unsigned len)
{
	static const enum iommu_what what[] = {
		[SCOPE_ENDPOINT] = IOMMU_FUNCTIONS, [SCOPE_BRIDGE] = IOMMU_BRIDGE, [SCOPE_IOAPIC] = IOMMU_IOAPIC,
		[SCOPE_HPET] = IOMMU_HPET, [SCOPE_ACPI] = IOMMU_ACPI,
	};
	uint16_t bdf;

	if (s[0] < SCOPE_ENDPOINT || s[0] > SCOPE_ACPI) {
		log_debug("acpi: DMAR: device scope of the unknown type %u left out", s[0]);
		return;
	}
	/* Firmware lists slots that are empty. */
	if (!follow(s, len, &bdf)) {
		log_debug("acpi: DMAR: a path from bus %u leads through " PCI_FMT ", which is no bridge: left out",
			  s[SCOPE_BUS], PCI_ARGS(bdf));
		return;
	}
	struct iommu_scope *scope = iommu_add_scope(info, what[s[0]], bdf, bdf);

	if (scope)
		scope->id = s[SCOPE_ID];
}

/* The number of scopes that @info took over. */
static unsigned read_scopes(const struct piece *d, uint32_t off, struct iommu_info *info, bool keep)
{
	unsigned before = info->nscopes;

	while (off < d->len) {
		const uint8_t *s = d->p + off;
		unsigned len = off + 2 <= d->len ? s[1] : 0;

		if (len < SCOPE_MIN || len & 1 || len > d->len - off) {
			log_warn("acpi: DMAR: structure of type %u at %#x: device scope at %#x has length %u of %u bytes left: "
				 "the rest is left out", d->type, d->at, d->at + off, len, d->len - off);
			info->broken = true;
			break;
		}
		if (keep)
			add_scope(info, s, len);
		off += len;
	}
	return info->nscopes - before;
}

static void read_drhd(const struct piece *d, struct iommu_info *info)
{
	struct iommu_unit u = {
		.kind = IOMMU_VTD, .base = iommu_field(d->p, DRHD_BASE, 8),
		.segment = (uint16_t)iommu_field(d->p, DRHD_SEGMENT, 2),
		.size = (uint64_t)PAGE_SIZE << FIELD_GET(DRHD_SIZE_PAGES, (unsigned)d->p[DRHD_SIZE]), .scope = info->nscopes,
	};
	struct iommu_unit *unit = iommu_add_unit(info, &u);

	if (!unit)
		return;
	unit->nscopes = read_scopes(d, DRHD_SCOPES, info, true);
	if (d->p[DRHD_FLAGS] & DRHD_ALL && iommu_add_scope(info, IOMMU_ALL, 0, 0xffff))
		unit->nscopes++;
}

static void read_rmrr(const struct piece *d, struct iommu_info *info)
{
	struct iommu_region r = {
		.base = iommu_field(d->p, RMRR_BASE, 8), .end = iommu_field(d->p, RMRR_LIMIT, 8) + 1,
		.segment = (uint16_t)iommu_field(d->p, RMRR_SEGMENT, 2), .scope = info->nscopes,
	};
	struct iommu_region *region = iommu_add_region(info, &r);

	if (region)
		region->nscopes = read_scopes(d, RMRR_SCOPES, info, true);
}

/* What one needs once devices are confined: only looked through. */
static void check_andd(const struct piece *d, struct iommu_info *info)
{
	for (uint32_t i = ANDD_NAME; i < d->len; i++)
		if (!d->p[i])
			return;
	log_warn("acpi: DMAR: the name in the structure of type %u at %#x, length %u, does not end", d->type, d->at, d->len);
	info->broken = true;
}

static void read_piece(const struct piece *d, struct iommu_info *info)
{
	static const uint8_t min[] = {
		[DMAR_DRHD] = DRHD_SCOPES, [DMAR_RMRR] = RMRR_SCOPES, [DMAR_ATSR] = ATSR_SCOPES, [DMAR_RHSA] = RHSA_LENGTH,
		[DMAR_ANDD] = ANDD_NAME, [DMAR_SATC] = SATC_SCOPES, [DMAR_SIDP] = SIDP_SCOPES,
	};

	if (d->type >= ARRAY_SIZE(min)) {
		log_debug("acpi: DMAR: structure of the unknown type %u at %#x passed over", d->type, d->at);
		return;
	}
	if (d->len < min[d->type]) {
		log_warn("acpi: DMAR: structure of type %u at %#x has length %u, less than %u: left out", d->type, d->at,
			 d->len, min[d->type]);
		info->broken = true;
		return;
	}
	switch (d->type) {
	case DMAR_DRHD:
		read_drhd(d, info);
		break;
	case DMAR_RMRR:
		read_rmrr(d, info);
		break;
	case DMAR_ATSR:
		read_scopes(d, ATSR_SCOPES, info, false);
		break;
	case DMAR_ANDD:
		check_andd(d, info);
		break;
	case DMAR_SATC:
		read_scopes(d, SATC_SCOPES, info, false);
		break;
	}
}

void dmar_parse(const uint8_t *t, uint32_t len, struct iommu_info *info)
{
	if (len < DMAR_STRUCTURES) {
		log_warn("acpi: DMAR: the table has length %u, less than %u: left out", len, DMAR_STRUCTURES);
		info->broken = true;
		return;
	}
	info->width = (uint8_t)MIN(t[DMAR_WIDTH] + 1u, 64u);
	info->intr_remap = t[DMAR_FLAGS] & DMAR_INTR_REMAP;
	info->x2apic_opt_out = t[DMAR_FLAGS] & DMAR_X2APIC_OPT_OUT;
	info->dma_opt_in = t[DMAR_FLAGS] & DMAR_DMA_OPT_IN;
	for (uint32_t at = DMAR_STRUCTURES; at < len;) {
		struct piece d = { .p = t + at, .at = at };

		if (len - at >= 4) {
			d.type = (unsigned)iommu_field(d.p, 0, 2);
			d.len = (uint32_t)iommu_field(d.p, 2, 2);
		}
		if (d.len < 4 || d.len > len - at) {
			log_warn("acpi: DMAR: structure of type %u at %#x has length %u of %u bytes left: the rest is left out",
				 d.type, at, d.len, len - at);
			info->broken = true;
			return;
		}
		read_piece(&d, info);
		at += d.len;
	}
}
