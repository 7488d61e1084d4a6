/* SPDX-License-Identifier: BSD-2-Clause */
/* The units that the tables name: looked at, switched off, hidden.  What they are used for is confine.c's. */
#include <veneer/err.h>
#include <veneer/gmem.h>
#include <veneer/io.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include <veneer/time.h>
#include <veneer/vpci.h>
#include "hv/dev/acpi.h"
#include "hv/mem/nested.h"
#include "hv/boot/own.h"
#include "hv/mem/paging.h"
#include "hv/mem/ram.h"
#include "hv/pci/pci.h"
#include "hv/iommu/confine.h"
#include "hv/iommu/iommu.h"
#include "hv/iommu/iommu_regs.h"

#define MAX_COVERS	160u

static struct iommu_info info;

uint64_t iommu_field(const uint8_t *at, unsigned off, unsigned width)
{
	uint64_t v = 0;

	memcpy(&v, at + off, width);
	return v;
}

/* --- what the parsers found --- */

/* @used counts on, so that this is said once. */
static bool is_full(struct iommu_info *i, unsigned used, unsigned max, const char *what)
{
	if (used < max)
		return false;
	if (!i->broken)
		log_warn("iommu: the tables name more than %u %s: the rest is left out", max, what);
	i->broken = true;
	return true;
}

struct iommu_scope *iommu_add_scope(struct iommu_info *i, enum iommu_what what, uint16_t first, uint16_t last)
{
	if (is_full(i, i->nscopes, IOMMU_MAX_SCOPES, "devices"))
		return NULL;
	i->scope[i->nscopes] = (struct iommu_scope){ .what = what, .first = first, .last = last };
	return &i->scope[i->nscopes++];
}

/* Registers lie where no RAM, no Veneer and no interrupt controller is: else reading and hiding them would do harm. */
static bool is_register_place(uint64_t base, uint64_t size)
{
	if (!base || !IS_ALIGNED(base, (uint64_t)PAGE_SIZE) || base + size < base || base + size > phys_limit())
		return false;
	if (base < 0x100000 || (base < 0xfef00000 && base + size > 0xfee00000) ||
	    (base < 0xfec10000 && base + size > 0xfec00000))
		return false;
	for (uint64_t p = base; p < base + size; p += PAGE_SIZE)
		if (gmem_valid(p, 1) || own_memory(p))
			return false;
	return true;
}

bool iommu_check_unit(struct iommu_info *i, const struct iommu_unit *unit)
{
	if (is_register_place(unit->base, unit->size ?: AMDVI_SIZE))
		return true;
	log_warn("acpi: %s: a unit at %#lx, where no registers can be: left out", unit->kind == IOMMU_VTD ? "DMAR" : "IVRS",
		 unit->base);
	i->broken = true;
	return false;
}

struct iommu_unit *iommu_add_unit(struct iommu_info *i, const struct iommu_unit *unit)
{
	if (!iommu_check_unit(i, unit))
		return NULL;
	if (is_full(i, i->nunits, IOMMU_MAX_UNITS, "units")) {
		i->units_left_out = true;
		return NULL;
	}
	i->unit[i->nunits] = *unit;
	return &i->unit[i->nunits++];
}

struct iommu_region *iommu_add_region(struct iommu_info *i, const struct iommu_region *region)
{
	if (region->end <= region->base) {
		log_warn("acpi: reserved memory from %#lx to %#lx in DMAR or IVRS: left out", region->base, region->end);
		i->broken = true;
		return NULL;
	}
	if (is_full(i, i->nregions, IOMMU_MAX_REGIONS, "reserved ranges"))
		return NULL;
	i->region[i->nregions] = *region;
	return &i->region[i->nregions++];
}

/* --- for people --- */

static void describe_one(const struct iommu_scope *s, char *buf, size_t size)
{
	switch (s->what) {
	case IOMMU_ALL:
		fmt_string(buf, size, "all that no other names");
		break;
	case IOMMU_FUNCTIONS:
		if (s->first == s->last)
			fmt_string(buf, size, PCI_FMT, PCI_ARGS(s->first));
		else
			fmt_string(buf, size, PCI_FMT "-" PCI_FMT, PCI_ARGS(s->first), PCI_ARGS(s->last));
		break;
	case IOMMU_BRIDGE:
		fmt_string(buf, size, PCI_FMT " and below", PCI_ARGS(s->first));
		break;
	case IOMMU_IOAPIC:
		fmt_string(buf, size, "I/O APIC %u (" PCI_FMT ")", s->id, PCI_ARGS(s->first));
		break;
	case IOMMU_HPET:
		fmt_string(buf, size, "HPET %u (" PCI_FMT ")", s->id, PCI_ARGS(s->first));
		break;
	case IOMMU_ACPI:
		fmt_string(buf, size, "ACPI device " PCI_FMT, PCI_ARGS(s->first));
		break;
	}
}

void iommu_describe(const struct iommu_info *i, unsigned scope, unsigned n, char *buf, size_t size)
{
	size_t used = 0;
	char one[40];

	fmt_string(buf, size, "nothing");
	for (unsigned k = 0; k < n; k++) {
		describe_one(&i->scope[scope + k], one, sizeof(one));
		/* The last one cut off would be a wrong one. */
		if (used + strlen(one) + sizeof(", , ...") > size) {
			fmt_string(buf + used, size - used, ", ...");
			return;
		}
		used += (size_t)fmt_string(buf + used, size - used, "%s%s", k ? ", " : "", one);
	}
}

/* --- the units' registers --- */

volatile uint8_t *iommu_reg(const struct iommu_unit *u, unsigned off)
{
	return (volatile uint8_t *)(uintptr_t)u->base + off;
}

/* The last registers may lie behind the pages that the table says. */
static void look_at_vtd(struct iommu_unit *u)
{
	u->version = mmio_read32(iommu_reg(u, VTD_VER));
	if (!u->version || u->version == ~0u) {
		u->dead = true;
		return;
	}
	u->cap = mmio_read64(iommu_reg(u, VTD_CAP));
	u->ecap = mmio_read64(iommu_reg(u, VTD_ECAP));
	u->size = MAX(u->size, ALIGN_UP(vtd_end(u->cap, u->ecap), (uint64_t)PAGE_SIZE));
}

static void look_at_amdvi(struct iommu_unit *u)
{
	const struct pci_dev *d = u->segment ? NULL : pci_find(u->bdf);
	uint8_t cap = d ? pci_find_cap(d, PCI_CAP_SECURE) : 0;

	u->size = AMDVI_SIZE;
	u->cap = cap ? pci_read32(d, cap) : 0;
	if (mmio_read64(iommu_reg(u, AMDVI_CONTROL)) == ~0ull) {
		u->dead = true;
		return;
	}
	if (u->cap & AMDVI_CAP_EFR)
		u->ecap = mmio_read64(iommu_reg(u, AMDVI_EFR));
	if (u->ecap & AMDVI_EFR_PC)
		u->size = AMDVI_SIZE_PC;
}

static bool look_at(struct iommu_unit *u)
{
	uint64_t least = u->size ?: AMDVI_SIZE;

	/* What is read lies in these. */
	if (!mem_map_mmio(u->base, least))
		u->dead = true;
	else if (u->kind == IOMMU_VTD)
		look_at_vtd(u);
	else
		look_at_amdvi(u);
	/* What the registers say of their own size is checked as the table was.  VT-d does not confine DMA without them all. */
	if (!is_register_place(u->base, u->size) ||
	    (u->kind == IOMMU_VTD && u->size > least && !mem_map_mmio(u->base, u->size)))
		u->size = least;
	return !u->dead;
}

/* What firmware has left on: devices do not reach all memory then. */
static const char *left_on(const struct iommu_unit *u)
{
	if (u->dead)
		return NULL;
	if (u->kind == IOMMU_AMDVI)
		return mmio_read64(iommu_reg(u, AMDVI_CONTROL)) & AMDVI_ENABLE ? "translation" : NULL;
	uint32_t gsts = mmio_read32(iommu_reg(u, VTD_GSTS));

	if (gsts & VTD_TE)
		return "translation";
	if (gsts & VTD_IRE)
		return "interrupt remapping";
	if (u->cap & (VTD_CAP_PLMR | VTD_CAP_PHMR) && mmio_read32(iommu_reg(u, VTD_PMEN)) & VTD_PMEN_PRS)
		return "protected memory";
	return NULL;
}

static void say_unit(const char *prefix, unsigned n, const struct iommu_unit *u)
{
	char name[48], covers[MAX_COVERS];

	if (u->kind == IOMMU_VTD)
		fmt_string(name, sizeof(name), "VT-d %u.%u", (unsigned)FIELD_GET(VTD_VER_MAJOR, u->version),
			   (unsigned)FIELD_GET(VTD_VER_MINOR, u->version));
	else
		fmt_string(name, sizeof(name), "AMD-Vi (" PCI_FMT ")", PCI_ARGS(u->bdf));
	iommu_describe(&info, u->scope, u->nscopes, covers, sizeof(covers));
	if (u->dead)
		log_warn("%siommu%u: %s at %#lx does not answer", prefix, n, u->kind == IOMMU_VTD ? "VT-d" : name, u->base);
	else
		log_info("%siommu%u: %s at %#lx, segment %u, capabilities %#lx %#lx, covers %s", prefix, n, name,
			 u->base, u->segment, u->cap, u->ecap, covers);
	const char *on = left_on(u);
	if (on)
		log_warn("%siommu%u: firmware has left %s on: Veneer switches it off when it takes over a device", prefix,
			 n, on);
}

static void say_regions(const char *prefix)
{
	char covers[MAX_COVERS];

	for (unsigned i = 0; i < info.nregions; i++) {
		const struct iommu_region *r = &info.region[i];

		iommu_describe(&info, r->scope, r->nscopes, covers, sizeof(covers));
		log_info("%siommu: firmware goes on to use %#lx-%#lx by %s%s", prefix, r->base, r->end - 1, covers,
			 r->exclusion ? ", untranslated" : "");
	}
}

void iommu_init(const char *prefix)
{
	memset(&info, 0, sizeof(info));
	if (acpi.dmar)
		dmar_parse((const uint8_t *)(uintptr_t)acpi.dmar, acpi.dmar_len, &info);
	if (acpi.ivrs)
		ivrs_parse((const uint8_t *)(uintptr_t)acpi.ivrs, acpi.ivrs_len, &info);
	for (unsigned i = 0; i < info.nunits; i++) {
		look_at(&info.unit[i]);
		say_unit(prefix, i, &info.unit[i]);
	}
	say_regions(prefix);
	if (!info.nunits)
		log_warn("%siommu: none: devices that are left to the guest can reach all memory by DMA, Veneer's too", prefix);
}

const struct iommu_info *iommu_found(void)
{
	return &info;
}

/* --- off, and hidden --- */

static int vtd_off(unsigned n, const struct iommu_unit *u, uint32_t bit, const char *what)
{
	return mmio_read32(iommu_reg(u, VTD_GSTS)) & bit ? vtd_switch(n, u, bit, false, what) : 0;
}

static int vtd_unprotect(unsigned n, const struct iommu_unit *u)
{
	uint32_t pmen;

	if (!(u->cap & (VTD_CAP_PLMR | VTD_CAP_PHMR)))
		return 0;
	pmen = mmio_read32(iommu_reg(u, VTD_PMEN));
	if (!(pmen & (VTD_PMEN_EPM | VTD_PMEN_PRS)))
		return 0;
	mmio_write32(iommu_reg(u, VTD_PMEN), pmen & ~VTD_PMEN_EPM);
	if (wait_until(!((pmen = mmio_read32(iommu_reg(u, VTD_PMEN))) & VTD_PMEN_PRS), DMA_WAIT_US))
		return 0;
	log_err("iommu%u: memory is still protected %u ms after that was switched off (PMEN %#x)", n, DMA_WAIT_US / 1000, pmen);
	return -ERR_TIMEOUT;
}

static int amdvi_off(unsigned n, const struct iommu_unit *u)
{
	uint64_t control = mmio_read64(iommu_reg(u, AMDVI_CONTROL));

	if (!(control & AMDVI_ENABLE))
		return 0;
	mmio_write64(iommu_reg(u, AMDVI_CONTROL), control & ~(uint64_t)AMDVI_ENABLE);
	if (wait_until(!((control = mmio_read64(iommu_reg(u, AMDVI_CONTROL))) & AMDVI_ENABLE), DMA_WAIT_US))
		return 0;
	log_err("iommu%u: translation is still on %u ms after it was switched off (control %#lx)", n, DMA_WAIT_US / 1000,
		control);
	return -ERR_TIMEOUT;
}

/* What reads tables of firmware's. */
static int translation_off(unsigned n, const struct iommu_unit *u)
{
	return u->kind == IOMMU_AMDVI ? amdvi_off(n, u) :
	       vtd_off(n, u, VTD_TE, "translation") ?: vtd_off(n, u, VTD_IRE, "interrupt remapping");
}

int iommu_replace(unsigned n, const struct iommu_unit *u, int (*enable)(unsigned n, const struct iommu_unit *u))
{
	const char *on = left_on(u);
	int err;

	if (u->dead)
		return 0;
	/* No line before the end: a line takes milliseconds. */
	err = translation_off(n, u) ?: enable ? enable(n, u) : 0;
	if (!err && u->kind == IOMMU_VTD)
		err = vtd_unprotect(n, u);
	if (!err && on)
		log_info("iommu%u: %s is off now%s", n, on, enable ? ": Veneer's translation is on" : "");
	return err;
}

int iommu_off(void)
{
	int err = 0;

	for (unsigned i = 0; !err && i < info.nunits; i++)
		err = iommu_replace(i, &info.unit[i], NULL);
	return err;
}

static int hide_unit(const struct iommu_unit *u)
{
	int err = nested_hide(u->base, u->size) ?: vpci_protect(u->base, u->size, false);

	if (!err && u->kind == IOMMU_AMDVI && !u->segment && pci_find(u->bdf))
		err = vpci_set(u->bdf, NULL, NULL);
	return err;
}

int iommu_hide(void)
{
	if (!acpi.dmar && !acpi.ivrs)
		return 0;
	if (info.units_left_out) {
		log_err("iommu: more than %u units: the guest would get those that are left out", IOMMU_MAX_UNITS);
		return -ERR_NOMEM;
	}
	for (unsigned i = 0; i < info.nunits; i++) {
		int err = hide_unit(&info.unit[i]);

		if (err)
			return err;
	}
	acpi_hide_tables();
	if (info.broken)
		log_warn("iommu: the tables are broken: a unit that they do not name stays in the guest's reach");
	log_info("iommu: hidden from the guest");
	if (!IS_ENABLED(CONFIG_IOMMU))
		log_warn("iommu: not used by this build: devices that are left to the guest can reach all memory by DMA, "
			 "Veneer's too");
	return 0;
}
