/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides what devices reach by DMA, builds the tables, and has the units switched on (vtd.c, amdvi.c).  Of the start alone:
 * the tables stand once the guest runs.
 *
 * Two domains.  A device that stays the guest's reaches all memory and all registers below the end of the RAM, but for
 * Veneer's memory, the memory BARs of concealed devices and of bridges above them, configuration space, and the block of
 * interrupt controllers and chipset registers below 4 GiB.  Concealed devices share one domain: the guest's RAM, and Veneer's
 * heap without the pages that were allocated before the first of these devices started (page tables, the units' tables), for
 * the heap holds rings and bounce buffers.  Not the image: Veneer's code, constants and variables.  A domain for each device
 * would need a heap for each.
 *
 * A requester id that no function of the start sends is in no domain: a function that comes later is blocked.
 */
#include <veneer/config.h>
#include <veneer/err.h>
#include <veneer/gmem.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/pci.h>
#include "hv/boot/bootinfo.h"
#include "hv/boot/own.h"
#include "hv/dev/acpi.h"
#include "hv/iommu/confine.h"
#include "hv/mem/heap.h"
#include "hv/mem/ram.h"
#include "hv/pci/pci.h"
#include "hv/x86.h"

#define GIB		0x40000000ull
#define FOUR_GIB	(4 * GIB)
/* I/O APICs, HPET, the units' own registers, and the range that units take for interrupt messages (VT-d 4.1, 3.14). */
#define CHIPSET		0xfec00000ull
#define CHIPSET_SIZE	0x400000ull
#define MAX_EDGES	2048u
/* Pages for what the start takes later: each range splits two entries of each level. */
#define SPARE_PAGES	(16u + PCI_SPACE_HELD * 4)
#define EXT_ATS		0x0f
#define  ATS_CONTROL	6
#define EXT_PRI		0x13
#define  PRI_CONTROL	4
#define EXP_TYPE	GENMASK(7, 4)
#define EXP_BRIDGE	7u			/* from PCI Express to PCI */

static const struct dma_ops *ops START_ONLY;
static struct dma_traits traits START_ONLY;
static struct dma_arena arena START_ONLY;
static struct dma_table table[DMA_DOMAINS] START_ONLY;
static iommu_conceals_fn *conceals START_ONLY;
static uint64_t pages_needed START_ONLY, top START_ONLY;
static unsigned last_bus START_ONLY;		/* with an id that the tables have */
static bool refused_region[IOMMU_MAX_REGIONS] START_ONLY;

/* QEMU's virtio devices access memory past its IOMMUs, unless they offer VIRTIO_F_ACCESS_PLATFORM (iommu_platform=on). */
#define VIRTIO_VENDOR	0x1af4
#define VIRTIO_FIRST	0x1000
#define VIRTIO_LAST	0x107f

/* --- who is covered by what --- */

static bool is_below(const struct pci_dev *d, uint16_t bridge)
{
	for (unsigned n = 0; d && n < 256; n++) {
		if (d->bdf == bridge)
			return true;
		d = d->parent == 0xffff ? NULL : pci_find(d->parent);
	}
	return false;
}

/* Whether the scopes name this function.  IOMMU_ALL counts: what others name is covered, too. */
static bool scopes_name(const struct iommu_info *info, unsigned scope, unsigned n, const struct pci_dev *d)
{
	for (const struct iommu_scope *s = &info->scope[scope]; n--; s++) {
		if (s->what == IOMMU_ALL || (s->what == IOMMU_BRIDGE && is_below(d, s->first)))
			return true;
		if (s->what == IOMMU_FUNCTIONS && d->bdf >= s->first && d->bdf <= s->last)
			return true;
	}
	return false;
}

static bool is_covered(const struct iommu_info *info, const struct pci_dev *d)
{
	for (unsigned i = 0; i < info->nunits; i++) {
		const struct iommu_unit *u = &info->unit[i];

		if (!u->dead && !u->segment && scopes_name(info, u->scope, u->nscopes, d))
			return true;
	}
	return false;
}

static bool any_concealed(void)
{
	const struct pci_dev *d;

	for (unsigned i = 0; (d = pci_get(i)); i++)
		if (conceals(d))
			return true;
	return false;
}

/* --- what the domains map: each span in turn, later ones over earlier ones --- */

typedef int span_fn(void *ctx, uint64_t base, uint64_t end, bool map);

static int span(span_fn *fn, void *ctx, uint64_t base, uint64_t end, bool map)
{
	base = ALIGN_DOWN(base, (uint64_t)PAGE_SIZE);
	end = ALIGN_UP(end, (uint64_t)PAGE_SIZE);
	return end > base ? fn(ctx, base, end, map) : 0;
}

static int own_spans(span_fn *fn, void *ctx, bool map)
{
	uint64_t base, size;
	int err = 0;

	for (unsigned i = 0; !err && own_piece(i, &base, &size); i++)
		err = span(fn, ctx, base, base + size, map);
	return err;
}

/* Memory that firmware goes on to use: of all devices, or of those that are concealed. */
static int region_spans(span_fn *fn, void *ctx, bool all)
{
	const struct iommu_info *info = iommu_found();
	const struct pci_dev *d;
	int err = 0;

	for (unsigned i = 0; !err && i < info->nregions; i++) {
		const struct iommu_region *r = &info->region[i];
		bool wanted = all;

		for (unsigned k = 0; !wanted && (d = pci_get(k)); k++)
			wanted = conceals(d) && scopes_name(info, r->scope, r->nscopes, d);
		if (wanted && !refused_region[i])
			err = span(fn, ctx, r->base, r->end, true);
	}
	return err;
}

/* Concealed devices, and the bridges above them, whose registers the guest's processors do not reach either. */
static bool has_hidden_registers(const struct pci_dev *d)
{
	const struct pci_dev *below;
	bool hidden = conceals(d);

	for (unsigned i = 0; !hidden && pci_is_bridge(d) && (below = pci_get(i)); i++)
		hidden = conceals(below) && is_below(below, d->bdf);
	return hidden;
}

static int bar_spans(span_fn *fn, void *ctx)
{
	const struct pci_dev *d;
	int err = 0;

	for (unsigned i = 0; (d = pci_get(i)); i++)
		for (unsigned n = 0; !err && n < 6 && has_hidden_registers(d); n++) {
			const struct pci_bar *b = &d->bar[n];

			/* A mere check does not ask for sizes. */
			if (b->addr && !b->io)
				err = span(fn, ctx, b->addr, b->addr + MAX(b->size, (uint64_t)PAGE_SIZE), false);
		}
	return err;
}

static int guest_spans(span_fn *fn, void *ctx)
{
	const struct iommu_info *info = iommu_found();
	uint64_t base, size;
	int err = span(fn, ctx, 0, top, true) ?: region_spans(fn, ctx, true) ?:
		  span(fn, ctx, CHIPSET, CHIPSET + CHIPSET_SIZE, false) ?: bar_spans(fn, ctx) ?: own_spans(fn, ctx, false);

	for (unsigned i = 0; !err && i < acpi.necam; i++) {
		uint64_t at = acpi.ecam[i].addr;

		err = span(fn, ctx, at + ((uint64_t)acpi.ecam[i].bus_first << 20),
			   at + ((acpi.ecam[i].bus_last + 1ull) << 20), false);
	}
	/* Configuration space that no table names.  When memory is counted, it has not been found yet: SPARE_PAGES. */
	for (unsigned i = 0; !err && pci_space_held(i, &base, &size); i++)
		err = span(fn, ctx, base, base + size, false);
	for (unsigned i = 0; !err && i < info->nunits; i++)
		err = span(fn, ctx, info->unit[i].base, info->unit[i].base + info->unit[i].size, false);
	return err;
}

static int concealed_spans(span_fn *fn, void *ctx)
{
	struct gmem_range r;
	uint64_t base, size;
	int err = 0;

	for (unsigned i = 0; !err && gmem_range(i, &r); i++)
		err = span(fn, ctx, r.base, r.base + r.size, true);
	err = err ?: region_spans(fn, ctx, false) ?: own_spans(fn, ctx, true);
	own_image(&base, &size);
	if (!err)
		err = span(fn, ctx, base, base + size, false);
	for (unsigned i = 0; !err && heap_pages(i, &base, &size); i++)
		err = span(fn, ctx, base, base + size, false);
	return err;
}

static int domain_spans(enum dma_domain domain, span_fn *fn, void *ctx)
{
	return domain == DMA_GUEST ? guest_spans(fn, ctx) : concealed_spans(fn, ctx);
}

/* --- memory, before anything is taken --- */

struct edges {
	uint64_t *at, top;
	unsigned n, left_out;
};

static int add_edges(void *ctx, uint64_t base, uint64_t end, bool map)
{
	struct edges *e = ctx;

	e->top = MAX(e->top, end);
	if (e->n + 2 > MAX_EDGES) {
		e->left_out += 2;
		return 0;
	}
	e->at[e->n++] = base;
	e->at[e->n++] = end;
	return 0;
}

/* Bound the pages of both tables; 0 if there is no memory to count. */
static uint64_t count_pages(void)
{
	struct edges e = { .at = mem_alloc(MAX_EDGES * sizeof(*e.at), 64) };
	uint64_t sum = 0;

	for (enum dma_domain d = DMA_GUEST; e.at && d < DMA_DOMAINS; d++) {
		e.n = e.left_out = 0;
		e.top = 0;
		domain_spans(d, add_edges, &e);
		sum += dma_table_pages(e.at, e.n, e.top, traits.largest) + (DMA_LEVELS - 2) * (uint64_t)e.left_out;
	}
	mem_free(e.at);
	return sum;
}

/* Return the number of buses with ids, and find last_bus. */
static unsigned count_buses(void)
{
	const struct iommu_info *info = iommu_found();
	const struct pci_dev *d;
	uint8_t seen[256] = { 0 };
	unsigned buses = 0;

	for (unsigned i = 0; (d = pci_get(i)); i++) {
		seen[PCI_BUS(d->bdf)] = 1;
		if (pci_is_bridge(d))
			seen[pci_read8(d, PCI_SECONDARY)] = 1;
	}
	last_bus = 0;
	/* I/O APICs and HPETs send their messages by ids that are no function's: AMD's table has to have entries for them. */
	for (const struct iommu_scope *s = info->scope; s < info->scope + info->nscopes; s++) {
		seen[PCI_BUS(s->first)] |= s->what == IOMMU_ACPI;
		seen[PCI_BUS(s->alias)] = 1;
		if (s->what >= IOMMU_IOAPIC)
			last_bus = MAX(last_bus, (unsigned)PCI_BUS(s->first));
	}
	for (unsigned i = 0; i < 256; i++) {
		buses += seen[i];
		last_bus = seen[i] ? MAX(i, last_bus) : last_bus;
	}
	return buses;
}

static void check_regions(const char *prefix)
{
	const struct iommu_info *info = iommu_found();
	uint64_t base, size;

	for (unsigned i = 0; i < info->nregions; i++) {
		const struct iommu_region *r = &info->region[i];
		const char *why = r->segment ? "of another segment" : r->end > MIN(phys_limit(), 1ull << 48) ? "no address" :
				  r->base < CHIPSET + CHIPSET_SIZE && r->end > CHIPSET ? "the chipset's registers" : NULL;

		for (unsigned k = 0; !why && own_piece(k, &base, &size); k++)
			if (r->base < base + size && r->end > base)
				why = "in Veneer's memory";
		refused_region[i] = why;
		if (why)
			log_warn("%siommu: firmware would go on to use %#lx-%#lx: refused, %s", prefix, r->base, r->end - 1,
				 why);
	}
}

static const struct dma_ops *ops_of(const struct iommu_unit *u)
{
	return u->kind == IOMMU_VTD ? &vtd_ops : &amdvi_ops;
}

/* What all units that answer have in common. */
static bool find_traits(void)
{
	const struct iommu_info *info = iommu_found();
	bool usable = true;
	unsigned alive = 0;

	ops = NULL;
	traits = (struct dma_traits){ .largest = 3, .levels = 4, .widths = ~0u, .coherent = true };
	top = ALIGN_UP(MAX(gmem_top(), FOUR_GIB), GIB);
	for (unsigned i = 0; i < info->nunits; i++) {
		const struct iommu_unit *u = &info->unit[i];

		if (u->dead)
			continue;
		/* Machines have units of one kind. */
		if (ops && ops != ops_of(u))
			return false;
		ops = ops_of(u);
		usable &= ops->traits(i, u, top, &traits);
		alive++;
	}
	return usable && alive;
}

static uint64_t low_memory(void)
{
	struct gmem_range r;
	uint64_t sum = 0;

	for (unsigned i = 0; gmem_range(i, &r); i++)
		if (r.base < FOUR_GIB)
			sum += MIN(r.size, FOUR_GIB - r.base);
	return sum;
}

uint64_t iommu_need(iommu_conceals_fn *fn, const char *prefix)
{
	conceals = fn;
	pages_needed = 0;
	arena = (struct dma_arena){ 0 };
	if (config.iommu == DMA_OFF || !iommu_found()->nunits || (config.iommu == DMA_AUTO && !any_concealed()))
		return 0;
	if (!find_traits()) {
		log_warn("%siommu: cannot confine DMA", prefix);
		return 0;
	}
	check_regions(prefix);
	unsigned buses = count_buses();
	uint64_t tables = count_pages(), sum = tables + SPARE_PAGES + ops->pages(buses, last_bus, iommu_found()->nunits);

	/* Tables lie below 4 GiB, as all that is Veneer's. */
	if (!tables || sum > low_memory() / 4 / PAGE_SIZE) {
		log_warn("%siommu: not used: its tables (%lu KiB, for it has no pages of %s) would take more than a quarter of "
			 "the %lu KiB below 4 GiB", prefix, sum * PAGE_SIZE / 1024, traits.largest == 1 ? "2 MiB" : "1 GiB",
			 low_memory() / 1024);
		return 0;
	}
	pages_needed = sum;
	return MEM_COST_PAGES(sum * PAGE_SIZE);
}

/* --- tables --- */

static int set_span(void *ctx, uint64_t base, uint64_t end, bool map)
{
	return dma_table_set(ctx, base, end - base, map);
}

static int build_tables(void)
{
	int err = 0;

	arena = (struct dma_arena){ mem_alloc(pages_needed * PAGE_SIZE, PAGE_SIZE), 0, (unsigned)pages_needed };
	if (!arena.base)
		return -ERR_NOMEM;
	for (enum dma_domain d = DMA_GUEST; !err && d < DMA_DOMAINS; d++)
		err = dma_table_init(&table[d], ops->format, &arena, traits.largest) ?: domain_spans(d, set_span, &table[d]);
	return err;
}

static int assign(uint16_t id, enum dma_domain domain)
{
	return ops->assign(id, domain, dma_table_root(&table[domain], traits.levels), traits.levels);
}

/*
 * A bridge to conventional PCI sends for the devices behind it, as function 0 of the bus below, or if it is one of conventional
 * PCI itself, as itself (PCI Express to PCI Bridge 1.0, 2.3).  Concealed devices have to work: what shares their id shares
 * their domain.
 */
static int assign_alias(uint16_t id, enum dma_domain domain, const struct pci_dev *d)
{
	enum dma_domain was = ops->domain_of(id);

	if (was != DMA_NONE && was != domain) {
		log_warn("pci " PCI_FMT ": shares the requester id " PCI_FMT " with a %s device: both reach Veneer's heap by "
			 "DMA", PCI_ARGS(d->bdf), PCI_ARGS(id), domain == DMA_GUEST ? "concealed" : "left");
		domain = DMA_OWN;
	}
	return assign(id, domain);
}

static int assign_bridges(const struct pci_dev *d, enum dma_domain domain)
{
	int err = 0;

	for (const struct pci_dev *b = d; !err && b->parent != 0xffff;) {
		b = pci_find(b->parent);
		if (!b)
			break;
		unsigned type = b->cap_exp ? (unsigned)FIELD_GET(EXP_TYPE, pci_read16(b, b->cap_exp + 2u)) : 0;

		if (b->cap_exp && type != EXP_BRIDGE)
			continue;
		err = assign_alias(PCI_BDF(pci_read8(b, PCI_SECONDARY), 0, 0), domain, d);
		if (!err && !b->cap_exp)
			err = assign_alias(b->bdf, domain, d);
	}
	return err;
}

/*
 * The functions that a device does not show send for its function 0: phantom functions (PCI Express 4.0, 7.5.3.3), and
 * controllers that use a wrong function number.
 */
static int assign_phantoms(const struct pci_dev *d, enum dma_domain domain)
{
	int err = 0;

	if (PCI_FN(d->bdf) || pci_is_bridge(d))
		return 0;
	for (unsigned fn = 1; !err && fn < 8; fn++)
		if (!pci_find((uint16_t)(d->bdf | fn)))
			err = assign((uint16_t)(d->bdf | fn), domain);
	return err;
}

/* AMD's table names the id by which the unit knows a function, if that is not the function's own. */
static int assign_other_id(const struct pci_dev *d, enum dma_domain domain)
{
	const struct iommu_info *info = iommu_found();
	int err = 0;

	for (const struct iommu_scope *s = info->scope; !err && s < info->scope + info->nscopes; s++)
		if (s->alias && d->bdf >= s->first && d->bdf <= s->last)
			err = assign_alias(s->alias, domain, d);
	return err;
}

/* A device that asks for translations itself would get errors: its requests go by the table like all others. */
static void ats_off(const struct pci_dev *d)
{
	uint16_t at = d->cap_exp ? pci_find_ext_cap(d, EXT_ATS) : 0;

	if (at)
		pci_write16(d, at + ATS_CONTROL, 0);
	at = d->cap_exp ? pci_find_ext_cap(d, EXT_PRI) : 0;
	if (at)
		pci_write16(d, at + PRI_CONTROL, 0);
}

static int assign_devices(void)
{
	const struct iommu_info *info = iommu_found();
	const struct pci_dev *d;
	int err = 0;

	for (unsigned i = 0; !err && i < info->nscopes; i++)
		if (info->scope[i].what == IOMMU_ACPI)
			err = assign(info->scope[i].first, DMA_GUEST);
	for (unsigned i = 0; !err && (d = pci_get(i)); i++) {
		enum dma_domain domain = conceals(d) ? DMA_OWN : DMA_GUEST;

		ats_off(d);
		err = assign_alias(d->bdf, domain, d) ?: assign_phantoms(d, domain) ?: assign_bridges(d, domain) ?:
		      assign_other_id(d, domain);
		if (domain == DMA_GUEST && d->vendor == VIRTIO_VENDOR && d->device >= VIRTIO_FIRST && d->device <= VIRTIO_LAST)
			log_warn("pci " PCI_FMT ": virtio: QEMU confines its DMA only with iommu_platform=on",
				 PCI_ARGS(d->bdf));
		if (!is_covered(info, d)) {
			log_warn("pci " PCI_FMT ": no IOMMU covers it: its DMA is not confined", PCI_ARGS(d->bdf));
			err = err ?: config.iommu == DMA_REQUIRE ? -ERR_NOTSUP : 0;
		}
	}
	return err;
}

/* The tables as this processor, the only one that runs, sees them: into memory. */
static void write_back(void)
{
	if (!traits.coherent)
		wbinvd();
}

static int each_unit(int (*fn)(unsigned n, const struct iommu_unit *u))
{
	const struct iommu_info *info = iommu_found();
	int err = 0;

	for (unsigned i = 0; i < info->nunits; i++)
		if (!info->unit[i].dead)
			err = err ?: fn(i, &info->unit[i]);
	return err;
}

static int enable(unsigned n, const struct iommu_unit *u)
{
	return ops->enable(n, u, &arena);
}

static int take_unit(unsigned n, const struct iommu_unit *u)
{
	return iommu_replace(n, u, enable);
}

/* Memory that Veneer takes while its devices start is the guest's until then: no device of the guest's reaches it any more. */
START_ONLY_CODE static int own_took(uint64_t base, uint64_t size)
{
	int err = dma_table_set(&table[DMA_GUEST], base, size, false);

	write_back();
	err = err ?: each_unit(ops->flush);
	if (err)
		log_err("iommu: %#lx+%#lx cannot be taken from the guest's devices (%s)", base, size, err_name(err));
	return err;
}

static int confine(void)
{
	int err = build_tables() ?: ops->begin(&arena, last_bus) ?: assign_devices();

	if (err)
		return err;
	write_back();
	err = each_unit(take_unit);
	if (err) {
		fault_watch_none();
		return each_unit(ops->disable) ? -ERR_TIMEOUT : -ERR_IO;
	}
	fault_counters();
	own_on_take(own_took);
	log_info("iommu: DMA is confined: the guest's devices do not reach Veneer's memory, concealed devices the guest's RAM "
		 "and Veneer's heap alone; pages of %s at most, %u of %u pages of tables in use",
		 traits.largest == 3 ? "1 GiB" : traits.largest == 2 ? "2 MiB" : "4 KiB", arena.used, arena.pages);
	return 0;
}

bool confine_root(enum dma_domain domain, uint64_t *root, unsigned *levels, bool *amd)
{
	if (!arena.base)
		return false;
	*levels = traits.levels;
	*root = dma_table_root(&table[domain], traits.levels);
	*amd = ops == &amdvi_ops;
	return true;
}

int iommu_confine(void)
{
	int err = -ERR_NOTSUP;

	if (config.iommu != DMA_OFF && pages_needed)
		err = confine();
	if (!err || err == -ERR_TIMEOUT)
		return err;
	mem_free(arena.base);
	arena.base = NULL;
	if (config.iommu == DMA_REQUIRE) {
		log_err("iommu: veneer,iommu = \"require\": DMA cannot be confined on this machine (%s)", err_name(err));
		return -ERR_NOTSUP;
	}
	/* iommu_init() has said that there is none. */
	if (iommu_found()->nunits)
		log_warn("iommu: %s: devices that are left to the guest can reach all memory by DMA, Veneer's too",
			 config.iommu == DMA_OFF ? "off by the configuration" : "not used");
	return iommu_off();
}
