/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Compares the nested tables, the IOMMUs' tables, the I/O bitmap and the table of PCI functions with a plain list of what is
 * hidden from whom.  It walks the tables as the hardware does, and shares no code with what fills them.  It changes nothing,
 * and is no part of a normal build.
 */
#include <veneer/limit.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/pci.h>
#include "hv/boot/own.h"
#include "hv/cpu/cpus.h"
#include "hv/dev/acpi.h"
#include "hv/dev/trap.h"
#include "hv/iommu/confine.h"
#include "hv/iommu/ghost.h"
#include "hv/mem/nested.h"
#include "hv/pci/pci.h"

#define MAX_RANGES	512u
#define MAX_PORTS	64u
#define FUNCTIONS	0x10000u
#define ADDR		GENMASK64(51, 12)
#define LARGE		BIT64(7)
#define AMD_NEXT	GENMASK64(11, 9)

/* Who must not reach a range. */
#define FROM_CPUS	BIT(0)		/* the guest's processors */
#define FROM_LEFT	BIT(1)		/* DMA of the guest's devices */
#define FROM_OWN	BIT(2)		/* DMA of concealed devices */

struct space {
	const char *who;
	unsigned whom;
	uint64_t root;
	unsigned levels;
	bool amd;			/* AMD's IOMMU: an entry says the level of the next table */
};

struct leaf { uint64_t entry, to, size; };

static struct { uint64_t base, end; unsigned whom; } range[MAX_RANGES];
static unsigned nranges;
static struct { uint32_t base, end; } ports[MAX_PORTS];
static unsigned nports;
static struct space space[3];
static unsigned nspaces;
static uint8_t left[FUNCTIONS / 8];	/* the guest's functions; none may come */

static void add(uint64_t base, uint64_t size, unsigned whom)
{
	if (nranges == MAX_RANGES) {
		limit_reached("ranges that the ghost check knows", MAX_RANGES);
		return;
	}
	range[nranges].base = ALIGN_DOWN(base, (uint64_t)PAGE_SIZE);
	range[nranges].end = ALIGN_UP(base + size, (uint64_t)PAGE_SIZE);
	range[nranges++].whom = whom;
}

static void add_ports(uint32_t base, uint32_t n)
{
	if (nports == MAX_PORTS) {
		limit_reached("ports that the ghost check knows", MAX_PORTS);
		return;
	}
	ports[nports].base = base;
	ports[nports++].end = base + n;
}

/* --- the walk --- */

static unsigned shift_of(unsigned level)
{
	return 12 + 9 * (level - 1);
}

/* The level of the table that an entry of @level points to; 0: the entry is a leaf. */
static unsigned next_level(const struct space *s, uint64_t e, unsigned level)
{
	return s->amd ? (unsigned)FIELD_GET(AMD_NEXT, e) : level > 1 && !(e & LARGE) ? level - 1 : 0;
}

/* Find what translates @addr: false if nothing does.  @l->size: of the leaf, or of the absent entry, from @addr on. */
static bool look(const struct space *s, uint64_t addr, struct leaf *l)
{
	const uint64_t *table = (const uint64_t *)(uintptr_t)s->root;

	for (unsigned level = s->levels, next;; level = next) {
		uint64_t e = table[addr >> shift_of(level) & 511], size = 1ull << shift_of(level);
		bool present = e & 7;

		next = present ? next_level(s, e, level) : 0;
		l->size = size - (addr & (size - 1));
		if (!present)
			return false;
		if (next >= level)
			panic("ghost: %s: the entry %#lx of level %u for %#lx leads upward", s->who, e, level, addr);
		if (!next) {
			l->entry = e;
			l->to = (e & ADDR & ~(size - 1)) + (addr & (size - 1));
			return true;
		}
		table = (const uint64_t *)(uintptr_t)(e & ADDR);
	}
}

/* A page of ones that cannot be written is nothing that is hidden: bit 1 allows writes in all formats of nested tables. */
static bool shows_ones(const struct space *s, const struct leaf *l)
{
	const uint64_t *p = (const uint64_t *)(uintptr_t)(l->to & ADDR);

	if (s->whom != FROM_CPUS || l->entry & BIT64(1) || l->size > PAGE_SIZE)
		return false;
	for (unsigned i = 0; i < PAGE_SIZE / sizeof(*p); i++)
		if (p[i] != ~0ull)
			return false;
	return true;
}

/* The page that was found to be one of ones in this check. */
static uint64_t ones;

static void check_leaf(const struct space *s, uint64_t addr, const struct leaf *l)
{
	if (l->to != addr) {
		if ((l->to == ones && !(l->entry & BIT64(1))) || shows_ones(s, l)) {
			ones = l->to;
			return;
		}
		panic("ghost: %s: %#lx shows %#lx", s->who, addr, l->to);
	}
	for (unsigned i = 0; i < nranges; i++)
		if (range[i].whom & s->whom && range[i].base < addr + l->size && range[i].end > addr)
			panic("ghost: %s: %#lx+%#lx is within reach, and %#lx-%#lx is hidden", s->who, addr, l->size,
			      range[i].base, range[i].end - 1);
}

static void check_space(const struct space *s)
{
	uint64_t top = 1ull << shift_of(s->levels + 1);
	struct leaf l;

	ones = 1;
	for (uint64_t addr = 0; addr < top; addr += l.size)
		if (look(s, addr, &l))
			check_leaf(s, addr, &l);
}

static void check_ports(void)
{
	for (unsigned i = 0; i < nports; i++)
		for (uint32_t p = ports[i].base; p < ports[i].end; p++)
			if (!trap_port_exits((uint16_t)p))
				panic("ghost: the port %#x does not exit", p);
}

static void check_functions(void)
{
	for (uint32_t bdf = 0; bdf < FUNCTIONS; bdf++)
		if (!(left[bdf / 8] >> (bdf % 8) & 1) && vpci_is_left((uint16_t)bdf))
			panic("ghost: pci " PCI_FMT " has become the guest's", PCI_ARGS(bdf));
}

void ghost_check(void)
{
	for (unsigned i = 0; i < nspaces; i++)
		check_space(&space[i]);
	check_ports();
	check_functions();
}

/* --- the list --- */

static void add_function(const struct pci_dev *d)
{
	for (unsigned n = 0; n < 6; n++) {
		const struct pci_bar *b = &d->bar[n];

		if (b->addr && b->io)
			add_ports((uint32_t)b->addr, (uint32_t)b->size);
		else if (b->addr)
			add(b->addr, b->size, FROM_CPUS | FROM_LEFT | FROM_OWN);
	}
	if (pci_ecam_page(d->bdf))
		add(pci_ecam_page(d->bdf), PAGE_SIZE, FROM_CPUS);
}

static void add_functions(void)
{
	const struct pci_dev *d;

	for (unsigned i = 0; (d = pci_get(i)); i++) {
		if (vpci_is_left(d->bdf))
			left[d->bdf / 8] |= (uint8_t)(1u << (d->bdf % 8));
		else
			add_function(d);
	}
	for (unsigned i = 0; i < acpi.necam; i++)
		add(acpi.ecam[i].addr + ((uint64_t)acpi.ecam[i].bus_first << 20),
		    (acpi.ecam[i].bus_last - acpi.ecam[i].bus_first + 1ull) << 20, FROM_LEFT | FROM_OWN);
}

static void add_own(void)
{
	uint64_t base, size;

	for (unsigned i = 0; own_piece(i, &base, &size); i++)
		add(base, size, FROM_CPUS | FROM_LEFT);
	own_image(&base, &size);
	add(base, size, FROM_OWN);
}

static void add_units(void)
{
	const struct iommu_info *info = iommu_found();

	for (unsigned i = 0; i < info->nunits; i++)
		add(info->unit[i].base, info->unit[i].size, FROM_CPUS | FROM_LEFT | FROM_OWN);
}

static void add_dma(const char *who, unsigned whom, enum dma_domain domain)
{
	struct space *s = &space[nspaces];

	*s = (struct space){ .who = who, .whom = whom };
	if (IS_ENABLED(CONFIG_IOMMU) && confine_root(domain, &s->root, &s->levels, &s->amd))
		nspaces++;
}

void ghost_begin(void)
{
	static const char by_cpu[] = "the guest's processors", by_left[] = "DMA of the guest's devices",
			  by_own[] = "DMA of concealed devices";

	nranges = nports = 0;
	space[0] = (struct space){ .who = by_cpu, .whom = FROM_CPUS, .root = nested_root(), .levels = 4 };
	nspaces = 1;
	add_dma(by_left, FROM_LEFT, DMA_GUEST);
	add_dma(by_own, FROM_OWN, DMA_OWN);
	add_own();
	add_functions();
	/* If Veneer drives nothing, the units are the guest's. */
	if (nspaces > 1)
		add_units();
	add_ports(0xcf8, 8);
	ghost_check();
	guest_on_change(ghost_check);
	log_info("ghost: %u ranges and %u runs of ports are compared with %u trees of tables after each change", nranges,
		 nports, nspaces);
}
