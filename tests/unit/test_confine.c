/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/iommu/confine.c hv/iommu/dma_table.c hv/iommu/vtd.c hv/iommu/vtd_switch.c hv/iommu/amdvi.c hv/iommu/fault.c */
/*
 * DMA confined by VT-d, over a model of a unit's registers (VT-d 4.1, chapter 11) that refuses a wrong order, and a walk of the
 * tables (3.4 and 3.7) that shares nothing with what built them.
 */
#include <string.h>
#include <veneer/clock.h>
#include <veneer/config.h>
#include <veneer/counters.h>
#include <veneer/err.h>
#include <veneer/gmem.h>
#include "host/host.h"
#include "hv/boot/own.h"
#include "hv/cpu/lapic.h"
#include "hv/dev/acpi.h"
#include "hv/iommu/confine.h"
#include "hv/mem/heap.h"
#include "hv/mem/ram.h"
#include "hv/pci/pci.h"
#include "hv/x86.h"

#define RAM_TOP		0x140000000ull		/* 4 GiB of RAM, one of them above 4 GiB */
#define OWN		0x7fc00000ull
#define OWN_END		0x80000000ull
#define IMAGE		(OWN + 0xc3000)
#define IMAGE_END	(OWN + 0x180000)
#define TABLES		(OWN + 0x200000)	/* page tables that were there before */
#define BAR		0xfeb14000ull
#define GIB		0x40000000ull

#define EDU		PCI_BDF(0, 4, 0)
#define NVME		PCI_BDF(0, 8, 0)
#define BRIDGE		PCI_BDF(0, 0x1e, 0)
#define OLD_NIC		PCI_BDF(6, 1, 0)
#define BRIDGE_BAR	0xfeb20000ull

struct acpi_info acpi = { .necam = 1, .ecam = { { 0xb0000000, 0, 0, 0xff } } };
struct config config;

static struct pci_dev pci[] = {
	{ .bdf = EDU, .parent = 0xffff, .bar = { { .addr = 0xfea00000, .size = 0x100000 } } },
	{ .bdf = NVME, .parent = 0xffff, .cap_exp = 0x40,
	  .bar = { { .addr = BAR, .size = 0x4000 }, { .addr = 0xc000, .io = true } } },
	{ .bdf = BRIDGE, .parent = 0xffff, .header_type = 1, .bar = { { .addr = BRIDGE_BAR, .size = 0x1000 } } },
	{ .bdf = OLD_NIC, .parent = BRIDGE },
	{ .bdf = PCI_BDF(6, 2, 0), .parent = BRIDGE },
};
static unsigned npci;
static bool concealed_bridge_too;

static struct pci_dev more[64];
const struct pci_dev *pci_get(unsigned n)
{
	return n >= npci ? NULL : n < ARRAY_SIZE(pci) ? &pci[n] : &more[n - ARRAY_SIZE(pci)];
}

static bool conceals(const struct pci_dev *d)
{
	return d->bdf == NVME || (concealed_bridge_too && d->bdf == OLD_NIC);
}

static unsigned ats_writes;
static uint8_t secondary = 6;
uint8_t pci_read8(const struct pci_dev *d, uint16_t off) { return off == PCI_SECONDARY ? secondary : 0; }
uint16_t pci_read16(const struct pci_dev *d, uint16_t off) { return 0; }
uint16_t pci_find_ext_cap(const struct pci_dev *d, uint16_t id) { return d->bdf == NVME ? id == 0x0f ? 0x100 : 0x200 : 0; }
void pci_write16(const struct pci_dev *d, uint16_t off, uint16_t v)
{
	CHECK(d->bdf == NVME && !v && (off == 0x106 || off == 0x204));
	ats_writes++;
}

static struct gmem_range ram[] = {
	{ 0x1000, 0x9ec00 }, { 0x100000, OWN - 0x100000 }, { OWN_END, 0xb0000000 - OWN_END }, { 4 * GIB, RAM_TOP - 4 * GIB },
};
static unsigned nram = ARRAY_SIZE(ram);
bool gmem_range(unsigned n, struct gmem_range *r)
{
	if (n < nram)
		*r = ram[n];
	return n < nram;
}
uint64_t gmem_top(void) { return ram[nram - 1].base + ram[nram - 1].size; }
uint64_t phys_limit(void) { return 1ull << 46; }

static uint64_t unnamed;
bool pci_space_held(unsigned n, uint64_t *base, uint64_t *size)
{
	*base = unnamed;
	*size = 0x4000000;
	return unnamed && !n;
}

/*
 * More pieces, of a page each, two of each 2 MiB.  None from 40000000h to 80000000h: there lie the registers of the unit, a
 * page of this program's (MAP_32BIT) at another place each time, which no device reaches either.
 */
#define PIECES_LOW	0x10000000ull
#define LOW_BLOCKS	384u			/* up to 40000000h; the others follow from OWN_END on */
static unsigned pieces;
static uint64_t piece(unsigned n)
{
	unsigned block = n / 2;
	uint64_t base = block < LOW_BLOCKS ? PIECES_LOW : OWN_END - LOW_BLOCKS * 0x200000ull;

	return base + block * 0x200000ull + (n & 1 ? 0x100000 : 0x1000);
}

bool own_piece(unsigned n, uint64_t *base, uint64_t *size)
{
	*base = n ? piece(n - 1) : OWN;
	*size = n ? PAGE_SIZE : OWN_END - OWN;
	return n <= pieces;
}

void own_image(uint64_t *base, uint64_t *size)
{
	*base = IMAGE;
	*size = IMAGE_END - IMAGE;
}

static int (*take)(uint64_t base, uint64_t size);
void own_on_take(int (*fn)(uint64_t base, uint64_t size)) { take = fn; }

bool heap_pages(unsigned n, uint64_t *base, uint64_t *size)
{
	*base = TABLES + n * 0x10000;
	*size = PAGE_SIZE;
	return n < 3;
}

uint32_t lapic_id(void) { return 3; }
static void (*tick)(void *ctx, uint64_t now_us);
int clock_register(void (*fn)(void *ctx, uint64_t now_us), void *ctx)
{
	tick = fn;
	return 0;
}

static const uint64_t *faults;
void counter_register(const char *object, const char *what, const uint64_t *value)
{
	if (!strcmp(what, "faults"))
		faults = value;
}

static struct iommu_info info;
const struct iommu_info *iommu_found(void) { return &info; }

static unsigned replaced, offs;
int iommu_replace(unsigned n, const struct iommu_unit *u, int (*enable)(unsigned n, const struct iommu_unit *u))
{
	replaced++;
	return enable(n, u);
}

int iommu_off(void)
{
	offs++;
	return 0;
}

volatile uint8_t *iommu_reg(const struct iommu_unit *u, unsigned off) { return (volatile uint8_t *)(uintptr_t)u->base + off; }

/* --- the unit --- */

#define RECORDS		0x220u
#define NRECORDS	4u

static struct unit {
	uint32_t gsts, fsts, fectl, fedata, feaddr;
	uint64_t rtaddr, root, iqa, iqt;	/* root: what SRTP made of rtaddr */
	uint64_t record[NRECORDS][2];
	bool context_flushed, iotlb_flushed, written_back;
	unsigned flushes;
	uint32_t stuck;			/* bits of GSTS that do not follow */
	bool deaf;			/* no invalidation ends */
} units[2];
#define u0 (units[0])

void wbinvd(void) { units[0].written_back = units[1].written_back = true; }

static uint64_t cap, ecap;

static void run_queue(struct unit *m, uint64_t tail)
{
	const uint64_t *ring = (const uint64_t *)(uintptr_t)(m->iqa & ~0xfffull);

	CHECK(m->gsts & BIT(26));
	for (; m->iqt != tail && !m->deaf; m->iqt = (m->iqt + 16) % 4096) {
		const uint64_t *d = ring + m->iqt / 8;

		switch (d[0] & 15) {
		case 1:
			CHECK_EQ(d[0] >> 4 & 3, 1);
			m->context_flushed = true;
			break;
		case 2:
			CHECK(m->context_flushed && (d[0] >> 4 & 3) == 1);
			m->iotlb_flushed = true;
			m->flushes++;
			break;
		case 5:
			CHECK(d[0] & BIT(5) && d[1]);
			*(uint32_t *)(uintptr_t)d[1] = (uint32_t)(d[0] >> 32);
			break;
		default:
			host_fail(__FILE__, __LINE__, "descriptor %#llx", (unsigned long long)d[0]);
		}
	}
}

static void command(struct unit *m, uint32_t v)
{
	uint32_t change = (m->gsts & 0x96ffffff) ^ (v & 0x96ffffff);

	CHECK_EQ(__builtin_popcount(change) + __builtin_popcount(v & 0x69000000) > 1, false);
	if (v & BIT(30)) {
		CHECK(!(m->gsts & BIT(31)));
		m->root = m->rtaddr;
	}
	/* Firmware's tables and what is cached of them must be gone. */
	if (change & v & BIT(31))
		CHECK(m->gsts & BIT(30) && m->context_flushed && m->iotlb_flushed && (ecap & 1 || m->written_back));
	change &= ~m->stuck;
	m->gsts ^= change;
	m->gsts |= v & BIT(30) & ~m->stuck;
	m->gsts = v & BIT(27) & m->stuck ? m->gsts | BIT(27) : m->gsts;
}

static uint64_t model_read(void *ctx, uint32_t off, unsigned width)
{
	const struct unit *m = ctx;

	if (off >= RECORDS && off < RECORDS + sizeof(m->record))
		return m->record[(off - RECORDS) / 16][(off >> 3) & 1];
	switch (off) {
	case 0x1c: return m->gsts;
	case 0x28: return m->deaf ? BIT64(63) : 0;
	case 0x34: return m->fsts | (m->record[0][1] | m->record[1][1] | m->record[2][1] | m->record[3][1] ? 2 : 0) | 2 << 8;
	case 0x80: case 0x88: return m->iqt;
	case 0xf8: return 0;
	}
	host_fail(__FILE__, __LINE__, "read of register %#x, %u bytes", off, width);
}

static void model_write(void *ctx, uint32_t off, unsigned width, uint64_t v)
{
	struct unit *m = ctx;

	if (off >= RECORDS && off < RECORDS + sizeof(m->record)) {
		CHECK(width == 4 && (off & 15) == 12 && v == BIT(31));
		m->record[(off - RECORDS) / 16][1] = 0;
		return;
	}
	switch (off) {
	case 0x18: command(m, (uint32_t)v); return;
	case 0x20: m->rtaddr = v; return;
	case 0x28: CHECK_EQ(v, BIT64(63) | BIT64(61)); m->context_flushed = true; return;
	case 0x34: m->fsts &= ~(uint32_t)v; return;
	case 0x38: m->fectl = (uint32_t)v; return;
	case 0x3c: m->fedata = (uint32_t)v; return;
	case 0x40: m->feaddr = (uint32_t)v; return;
	case 0x44: CHECK_EQ(v, 0); return;
	case 0x88: if (m->gsts & BIT(26)) run_queue(m, v); else m->iqt = v; return;
	case 0x90: CHECK(!(m->gsts & BIT(26)) && !(v & 0xfff)); m->iqa = v; return;
	case 0xf8:
		CHECK((v & (BIT64(63) | BIT64(60))) == (BIT64(63) | BIT64(60)) && m->context_flushed);
		m->iotlb_flushed = true;
		m->flushes++;
		return;
	}
	host_fail(__FILE__, __LINE__, "write of %#llx to register %#x, %u bytes", (unsigned long long)v, off, width);
}

static const struct host_model model = { model_read, model_write };

/* --- the walk: what a request of @id to @addr gets; ~0 blocked --- */

#define BLOCKED	(~0ull)

static const uint64_t *at(uint64_t table) { return (const uint64_t *)(uintptr_t)(table & 0xffffffffff000ull); }

static uint64_t reach(uint16_t id, uint64_t addr)
{
	const uint64_t *root = at(u0.root) + 2 * (id >> 8), *context = at(root[0]) + 2 * (id & 0xff);

	if (!(root[0] & 1) || !(context[0] & 1))
		return BLOCKED;
	CHECK(!(context[0] & 0xc) && !(context[1] >> 24));	/* untranslated requests alone */
	unsigned levels = (context[1] & 7) + 2;
	const uint64_t *table = at(context[0]);

	CHECK(context[1] >> 8 == 1 || context[1] >> 8 == 2);
	if (addr >> (12 + 9 * levels))
		return BLOCKED;
	for (unsigned shift = 12 + 9 * (levels - 1);; shift -= 9) {
		uint64_t e = table[addr >> shift & 511];

		if ((e & 3) != 3) {
			CHECK_EQ(e, 0);
			return BLOCKED;
		}
		if (shift == 12 || e & 0x80) {
			/* 1 GiB and 2 MiB only where the capability has them. */
			CHECK(shift <= 21 || cap & BIT64(35));
			CHECK(shift <= 12 || cap & BIT64(34));
			CHECK_EQ(e & 0xffffffffff000ull & ((1ull << shift) - 1), 0);
			return (e & 0xffffffffff000ull) + (addr & ((1ull << shift) - 1));
		}
		table = at(e);
	}
}

static bool reaches(uint16_t id, uint64_t addr)
{
	uint64_t to = reach(id, addr);

	CHECK(to == addr || to == BLOCKED);
	return to == addr;
}

/* --- the machine --- */

static void machine(void)
{
	memset(units, 0, sizeof(units));
	memset(&info, 0, sizeof(info));
	cap = 2ull | BIT(10) | 47 << 16 | (uint64_t)RECORDS / 16 << 24 | 3ull << 34 | (NRECORDS - 1ull) << 40;
	ecap = 2 | 0xf << 8;
	info.unit[0] = (struct iommu_unit){ .kind = IOMMU_VTD, .size = 0x1000, .nscopes = 1 };
	info.unit[0].base = host_mmio_new(0x1000, &model, &units[0]);
	info.nunits = info.nscopes = 1;
	info.scope[0].what = IOMMU_ALL;
	config.iommu = DMA_AUTO;
	replaced = offs = pieces = 0;
	secondary = 6;
	npci = ARRAY_SIZE(pci);
	nram = ARRAY_SIZE(ram);
	ats_writes = 0;
	concealed_bridge_too = false;
	take = NULL;
	fault_watch_none();
	tick = NULL;
}

static bool go_need(void)
{
	info.unit[0].cap = cap;
	info.unit[0].ecap = ecap;
	return iommu_need(conceals, "");
}

static int go(void)
{
	return go_need() ? iommu_confine() : 1;
}

static void check_reach(void)
{
	static const uint64_t both[] = { 0x1000, 0x9f000, 0x100000, OWN - 1, OWN_END, 4 * GIB, RAM_TOP - 1 };

	for (unsigned i = 0; i < ARRAY_SIZE(both); i++)
		CHECK(reaches(EDU, both[i]) && reaches(NVME, both[i]));
	/* Veneer: nothing of it, or its heap without code, variables and the tables that were there. */
	for (uint64_t a = OWN; a < OWN_END; a += PAGE_SIZE) {
		bool table = a >= TABLES && a < TABLES + 0x30000 && !(a & 0xffff);

		CHECK(!reaches(EDU, a));
		CHECK_EQ(reaches(NVME, a), !(a >= IMAGE && a < IMAGE_END) && !table);
	}
	/* Registers: those of concealed devices, the chipset's and configuration space are out of reach. */
	CHECK(reaches(EDU, 0xfea00000) && reaches(EDU, BAR - 1) && !reaches(EDU, BAR) && !reaches(EDU, BAR + 0x3fff));
	CHECK(reaches(EDU, BAR + 0x4000) && reaches(EDU, 0xc000) && reaches(EDU, 0) && reaches(EDU, 0xafffffff));
	CHECK(!reaches(EDU, 0xb0000000) && !reaches(EDU, 0xbfffffff) && reaches(EDU, 0xc0000000));
	CHECK(reaches(EDU, 0xfebfffff) && !reaches(EDU, 0xfec00000) && !reaches(EDU, 0xfeefffff) && reaches(EDU, 0xff000000));
	CHECK(!reaches(NVME, 0) && !reaches(NVME, 0xfea00000) && !reaches(NVME, BAR) && !reaches(NVME, 0xb0000000));
	CHECK(!reaches(EDU, RAM_TOP) && !reaches(NVME, RAM_TOP));
	/* Functions that a device does not show go with it; what was not there is nowhere. */
	CHECK(reaches(EDU + 7, 0x1000) && !reaches(EDU + 7, OWN) && reaches(NVME + 1, OWN));
	CHECK(!reaches(PCI_BDF(0, 9, 0), 0x1000) && !reaches(PCI_BDF(7, 0, 0), 0x1000));
	/* A bridge to conventional PCI sends for what is behind it. */
	CHECK(reaches(PCI_BDF(6, 0, 0), 0x1000) && reaches(BRIDGE, 0x1000) && !reaches(BRIDGE, OWN));
}

static void check_count(void)
{
	unsigned used = 0, all = 1;

	for (unsigned n = 0; n < 20000 && all == 1; n++) {
		char text[64];

		snprintf(text, sizeof(text), " %u of %u pages of tables", n, n + 32);
		if (host_log_has(text)) {
			used = n;
			all = n + 32;
		}
	}
	/* Counted exactly, but for the spare pages. */
	CHECK(used && all == used + 32);
}

TEST(each_size_of_pages)
{
	for (unsigned sizes = 0; sizes < 3; sizes++) {
		machine();
		cap = (cap & ~(3ull << 34)) | (sizes > 1 ? 3ull : sizes) << 34;
		host_log_clear();
		CHECK_EQ(go(), 0);
		CHECK(u0.gsts & BIT(31));
		CHECK(host_log_has(sizes == 2 ? "pages of 1 GiB" : sizes == 1 ? "pages of 2 MiB" : "pages of 4 KiB"));
		check_reach();
		CHECK_EQ(ats_writes, 2);
	}
}

/* Found after the pages were counted. */
TEST(configuration_space_that_no_table_names)
{
	for (unsigned sizes = 0; sizes < 2; sizes++) {
		machine();
		cap = (cap & ~(3ull << 34)) | (sizes ? 3ull : 0) << 34;
		CHECK(go_need());
		unnamed = 0xc8000000;
		CHECK_EQ(iommu_confine(), 0);
		CHECK(reaches(EDU, 0xc7ffffff) && !reaches(EDU, 0xc8000000) && !reaches(EDU, 0xcbffffff));
		CHECK(reaches(EDU, 0xcc000000) && !reaches(NVME, 0xc8000000));
		unnamed = 0;
	}
}

TEST(pages_are_counted_before)
{
	machine();
	CHECK_EQ(go(), 0);
	check_count();
}

TEST(three_levels_and_registers_instead_of_a_queue)
{
	machine();
	cap = (cap & ~(uint64_t)BIT(10)) | BIT(9) | BIT(4);
	ecap = 1 | 0xf << 8;
	CHECK_EQ(go(), 0);
	CHECK(u0.flushes == 1 && !u0.written_back && !u0.iqa);
	check_reach();
	CHECK_EQ(at(at(u0.root)[0])[2 * EDU + 1] & 7, 1);
}

TEST(firmware_leaves_its_queue)
{
	machine();
	u0.gsts = BIT(26);
	u0.iqa = 0x5000;
	u0.fsts = 0x71;
	CHECK_EQ(go(), 0);
	CHECK(u0.iqa != 0x5000 && !u0.fsts);
	check_reach();
}

TEST(memory_that_is_taken_later)
{
	machine();
	CHECK_EQ(go(), 0);
	CHECK(take && reaches(EDU, 0x7f000000) && u0.flushes == 1);
	u0.written_back = false;
	CHECK_EQ(take(0x7f000000, 0x81000), 0);
	CHECK(u0.flushes == 2 && u0.written_back);
	CHECK(!reaches(EDU, 0x7f000000) && !reaches(EDU, 0x7f080fff) && reaches(EDU, 0x7f081000) && reaches(NVME, 0x7f000000));
	/* Until there are no pages for tables: the range then is nobody's. */
	int err = 0;

	for (uint64_t a = 0x10000000; !err && a < 0x20000000; a += 0x200000)
		err = take(a + PAGE_SIZE, PAGE_SIZE);
	CHECK_EQ(err, -ERR_NOMEM);
	CHECK(host_log_has("cannot be taken from the guest's devices"));
	u0.deaf = true;
	CHECK_EQ(take(0x7f000000, PAGE_SIZE), -ERR_TIMEOUT);
}

static void fails(uint32_t stuck, bool deaf, const char *line)
{
	for (unsigned require = 0; require < 2; require++) {
		size_t used = host_heap_used();

		machine();
		config.iommu = require ? DMA_REQUIRE : DMA_AUTO;
		u0.stuck = stuck;
		u0.deaf = deaf;
		host_log_clear();
		CHECK_EQ(go(), require ? -ERR_NOTSUP : 0);
		CHECK(host_log_has(line) && !(u0.gsts & BIT(31)) && !take && !iommu_faults());
		CHECK(host_log_has(require ? "veneer,iommu = \"require\"" : "not used: devices that are left"));
		CHECK_EQ(host_heap_used(), used);
	}
}

TEST(units_that_do_not_follow)
{
	fails(BIT(30), false, "the root table is still off 1000 ms after it was switched on");
	fails(BIT(26), false, "the invalidation queue is still off");
	fails(BIT(31), false, "translation is still off");
	fails(0, true, "its caches are not flushed after 1000 ms (queue head 0, tail 0, FSTS 0x200)");
}

TEST(registers_that_do_not_follow)
{
	machine();
	ecap = 0xf << 8;
	cap |= BIT(4);
	u0.deaf = true;
	CHECK_EQ(go(), 0);
	CHECK(host_log_has("its context cache is not flushed after 1000 ms (register 0x28: 0x8000000000000000)"));
	machine();
	cap |= BIT(4);
	u0.stuck = BIT(27);
	CHECK_EQ(go(), 0);
	CHECK(host_log_has("the flush of the write buffer is still"));
}

static void stick(void) { units[0].stuck = BIT(31); }

/* Two units, the second of which does not start, and the first of which does not stop then. */
TEST(a_unit_that_is_half_on)
{
	machine();
	info.unit[1] = info.unit[0];
	info.nunits = 2;
	info.unit[1].base = host_mmio_new(0x1000, &model, &units[1]);
	info.unit[1].cap = info.unit[0].cap = cap;
	info.unit[1].ecap = info.unit[0].ecap = ecap;
	CHECK(iommu_need(conceals, ""));
	units[1].deaf = true;
	CHECK_EQ(iommu_confine(), 0);
	CHECK(!(units[0].gsts & BIT(31)) && !(units[1].gsts & BIT(31)) && host_log_has("iommu1: its caches are not flushed"));
	host_time_hook = stick;
	CHECK(iommu_need(conceals, ""));
	CHECK_EQ(iommu_confine(), -ERR_TIMEOUT);
	CHECK(host_log_has("iommu0: translation is still on 1000 ms after it was switched off"));
}

TEST(units_that_cannot_be_used)
{
	machine();
	cap &= ~(uint64_t)BIT(10);
	CHECK_EQ(go(), 1);
	CHECK(host_log_has("no tables of three or four levels") && host_log_has("cannot confine DMA"));
	CHECK_EQ(iommu_confine(), 0);
	CHECK(host_log_has("not used: devices that are left"));
	machine();
	cap = (cap & ~(63ull << 16)) | 31 << 16;
	CHECK_EQ(go(), 1);
	CHECK(host_log_has("addresses too short"));
	machine();
	info.unit[0].dead = true;
	config.iommu = DMA_REQUIRE;
	CHECK_EQ(go(), 1);
	CHECK_EQ(iommu_confine(), -ERR_NOTSUP);
	/* None at all, off, and a start that drives nothing. */
	machine();
	info.nunits = 0;
	CHECK_EQ(go(), 1);
	machine();
	config.iommu = DMA_OFF;
	CHECK_EQ(go(), 1);
	CHECK_EQ(iommu_confine(), 0);
	CHECK(host_log_has("off by the configuration") && !u0.gsts);
	machine();
	npci = 1;
	CHECK_EQ(go(), 1);
	config.iommu = DMA_REQUIRE;
	CHECK_EQ(go(), 0);
	CHECK(reaches(EDU, 0x1000) && !reaches(EDU, OWN));
}

/* 4 KiB pages take 2 MiB for each GiB, in each domain; those of 2 MiB next to nothing. */
TEST(too_little_memory_for_the_tables)
{
	struct gmem_range was = ram[1];

	machine();
	ram[1].size = 0x1000000;
	nram = 2;
	cap &= ~(3ull << 34);
	CHECK_EQ(go(), 1);
	CHECK(host_log_has("for it has no pages of 2 MiB) would take more than a quarter of"));
	machine();
	nram = 2;
	CHECK_EQ(go(), 0);
	ram[1] = was;
}

TEST(no_memory)
{
	for (unsigned n = 1; n < 3; n++) {
		size_t used = host_heap_used();

		machine();
		host_heap_fail_at(n);
		CHECK_EQ(go(), n == 1);
		CHECK(!u0.gsts);
		CHECK_EQ(host_heap_used(), used);
	}
}

/* What does not fit stops the confinement before a unit is touched. */
static void does_not_fit(void (*grow)(void))
{
	for (unsigned require = 0; require < 2; require++) {
		size_t used = host_heap_used();

		machine();
		config.iommu = require ? DMA_REQUIRE : DMA_AUTO;
		CHECK(go_need());
		grow();
		host_log_clear();
		CHECK_EQ(iommu_confine(), require ? -ERR_NOTSUP : 0);
		CHECK(!u0.gsts && !replaced && offs == !require && !take && host_heap_used() == used);
		CHECK(host_log_has(require ? "DMA cannot be confined on this machine" : "not used: devices that are left"));
	}
}

static void more_buses(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(more); i++)
		more[i].bdf = PCI_BDF(100 + i, 0, 0);
	npci = ARRAY_SIZE(pci) + ARRAY_SIZE(more);
}

TEST(more_buses_than_were_counted)
{
	does_not_fit(more_buses);
	/* Counted, they fit. */
	machine();
	more_buses();
	CHECK_EQ(go(), 0);
	CHECK(reaches(more[63].bdf, 0x1000) && !reaches(more[63].bdf, OWN));
}

static void more_pieces(void) { pieces = 1500; }

/* 3000 places at which the mapping changes, of which 2048 are remembered: the others count as if none shared a table. */
TEST(more_edges_than_are_remembered)
{
	does_not_fit(more_pieces);
	for (unsigned sizes = 0; sizes < 3; sizes++) {
		machine();
		cap = (cap & ~(3ull << 34)) | (sizes > 1 ? 3ull : sizes) << 34;
		more_pieces();
		CHECK_EQ(go(), 0);
		for (unsigned i = 0; i < pieces; i++)
			CHECK(!reaches(EDU, piece(i)) && reaches(EDU, piece(i) - 1) && reaches(EDU, piece(i) + PAGE_SIZE));
		CHECK(reaches(NVME, piece(0)) && reaches(NVME, piece(pieces - 1)));
	}
}

static void region(unsigned i, uint64_t base, uint64_t end, uint16_t first)
{
	info.region[i] = (struct iommu_region){ .base = base, .end = end, .scope = info.nscopes, .nscopes = 1 };
	info.scope[info.nscopes++] = (struct iommu_scope){ IOMMU_FUNCTIONS, first, first, 0 };
	info.nregions = i + 1;
}

TEST(memory_that_firmware_goes_on_to_use)
{
	machine();
	region(0, 0xa0000000, 0xa0010000, EDU);
	region(1, 0xf0000000, 0xf0001000, NVME);			/* reserved memory: no RAM of the guest's */
	region(2, RAM_TOP + 0x123000, RAM_TOP + 0x125000, EDU);		/* above all that is mapped */
	region(3, IMAGE - 0x1000, IMAGE + 0x1000, EDU);
	region(4, 0xfee00000, 0xfee01000, NVME);
	region(5, 0x1000, 0x2000, NVME);
	info.region[5].segment = 1;
	region(6, 1ull << 46, (1ull << 46) + 0x1000, EDU);
	CHECK_EQ(go(), 0);
	CHECK(host_log_has("to use 0x7fcc2000-0x7fcc3fff: refused, in Veneer's memory"));
	CHECK(host_log_has("to use 0xfee00000-0xfee00fff: refused, the chipset's registers"));
	CHECK(host_log_has("to use 0x1000-0x1fff: refused, of another segment"));
	CHECK(host_log_has("refused, no address") && !host_log_has("0xa0000000"));
	CHECK(reaches(EDU, 0xa0000000) && reaches(EDU, 0xf0000000) && reaches(NVME, 0xf0000fff) && !reaches(NVME, 0xf0001000));
	CHECK(!reaches(EDU, RAM_TOP + 0x122fff) && reaches(EDU, RAM_TOP + 0x123000) && !reaches(EDU, RAM_TOP + 0x125000));
	CHECK(!reaches(NVME, RAM_TOP + 0x123000) && !reaches(NVME, 0xfee00000) && !reaches(EDU, IMAGE - 1));
	check_count();
}

TEST(one_requester_id_for_two)
{
	machine();
	concealed_bridge_too = true;
	CHECK_EQ(go(), 0);
	CHECK(host_log_has("pci 06:02.0: shares the requester id 06:00.0 with a concealed device"));
	/* The registers of the bridge above it are hidden, too. */
	CHECK(!reaches(EDU, BRIDGE_BAR) && !reaches(OLD_NIC, BRIDGE_BAR));
	/* The one that is concealed works. */
	CHECK(reaches(OLD_NIC, OWN) && reaches(PCI_BDF(6, 0, 0), OWN) && !reaches(PCI_BDF(6, 2, 0), OWN));
}

TEST(virtio_devices_of_an_emulator)
{
	machine();
	pci[0].vendor = pci[1].vendor = pci[3].vendor = 0x1af4;
	pci[0].device = pci[1].device = 0x1001;
	pci[3].device = 0x1110;
	CHECK_EQ(go(), 0);
	pci[0].vendor = pci[1].vendor = pci[3].vendor = 0;
	pci[0].device = pci[1].device = pci[3].device = 0;
	CHECK(host_log_has("pci 00:04.0: virtio: QEMU confines its DMA only with iommu_platform=on"));
	CHECK(!host_log_has("pci 00:08.0: virtio") && !host_log_has("pci 06:00.0: virtio"));
}

TEST(functions_that_no_unit_covers)
{
	machine();
	info.scope[0] = (struct iommu_scope){ IOMMU_FUNCTIONS, NVME, NVME, 0 };
	info.scope[1] = (struct iommu_scope){ IOMMU_BRIDGE, BRIDGE, BRIDGE, 0 };
	info.scope[2] = (struct iommu_scope){ IOMMU_ACPI, PCI_BDF(0, 0x15, 1), PCI_BDF(0, 0x15, 1), 0 };
	info.nscopes = info.unit[0].nscopes = 3;
	CHECK_EQ(go(), 0);
	CHECK(host_log_has("pci 00:04.0: no IOMMU covers it") && !host_log_has("pci 00:08.0: no") && !host_log_has("pci 06:"));
	CHECK(reaches(PCI_BDF(0, 0x15, 1), 0x1000) && !reaches(PCI_BDF(0, 0x15, 1), OWN));
	machine();
	info.scope[0] = (struct iommu_scope){ IOMMU_FUNCTIONS, NVME, NVME, 0 };
	config.iommu = DMA_REQUIRE;
	CHECK_EQ(go(), -ERR_NOTSUP);
	CHECK(!u0.gsts);
}

/* The table says that the unit takes one function's requests for another's. */
TEST(another_id)
{
	machine();
	info.scope[1] = (struct iommu_scope){ .what = IOMMU_FUNCTIONS, .first = NVME, .last = NVME, .alias = PCI_BDF(9, 0, 0) };
	info.nscopes = 2;
	CHECK_EQ(go(), 0);
	CHECK(reaches(PCI_BDF(9, 0, 0), OWN) && reaches(NVME, OWN) && !reaches(PCI_BDF(9, 0, 1), 0x1000));
}

TEST(registers_where_none_can_be)
{
	uint64_t was = cap;

	machine();
	host_log_clear();
	cap = (was & ~0x3ff000000ull) | 0x100ull << 24;
	CHECK_EQ(go(), 1);
	CHECK(host_log_has("iommu0: registers where none can be"));
	cap = was;
}

/* Two units have one table: what each of them can walk decides how many levels it has. */
static void widths(uint64_t first, uint64_t second, unsigned levels)
{
	for (unsigned swap = 0; swap < 2; swap++) {
		machine();
		info.unit[1] = info.unit[0];
		info.nunits = 2;
		info.unit[1].base = host_mmio_new(0x1000, &model, &units[1]);
		info.unit[0].ecap = info.unit[1].ecap = ecap;
		info.unit[swap].cap = (cap & ~0x1f00ull) | first;
		info.unit[!swap].cap = (cap & ~0x1f00ull) | second;
		host_log_clear();
		CHECK_EQ(!!iommu_need(conceals, ""), !!levels);
		CHECK_EQ(host_log_has("or not those of the units before"), !levels);
		if (!levels)
			continue;
		CHECK_EQ(iommu_confine(), 0);
		CHECK(units[1].gsts & BIT(31) && replaced == 2 && !offs);
		CHECK_EQ((at(at(u0.root)[0])[2 * EDU + 1] & 7) + 2, levels);
		check_reach();
	}
}

TEST(units_of_several_widths)
{
	widths(BIT(9) | BIT(10), BIT(10), 4);
	widths(BIT(9) | BIT(10), BIT(9), 3);
	widths(BIT(9) | BIT(10) | BIT(11), BIT(9) | BIT(10), 4);
	widths(BIT(10), BIT(9), 0);
}

TEST(units_of_two_kinds)
{
	machine();
	info.unit[1] = (struct iommu_unit){ .kind = IOMMU_AMDVI, .base = info.unit[0].base };
	info.nunits = 2;
	host_log_clear();
	CHECK_EQ(go(), 1);
	CHECK(host_log_has("iommu: cannot confine DMA"));
}

/* Nothing of another segment is the guest's. */
TEST(a_unit_of_another_segment)
{
	machine();
	info.unit[0].segment = 1;
	CHECK_EQ(go(), 0);
	CHECK(u0.gsts & BIT(31) && !reaches(EDU, 0x1000) && host_log_has("no IOMMU covers it"));
}

TEST(off_is_switched_off)
{
	machine();
	config.iommu = DMA_OFF;
	CHECK(go() == 1 && iommu_confine() == 0);
	CHECK(offs == 1 && !replaced);
	machine();
	CHECK_EQ(go(), 0);
	CHECK(replaced == 1 && !offs);
}

/* --- faults --- */

static void fault(unsigned i, uint16_t id, bool write, uint64_t addr)
{
	u0.record[i][0] = addr;
	u0.record[i][1] = BIT64(63) | (write ? 0 : BIT64(62)) | 5ull << 32 | id;
}

TEST(faults_are_named_once_and_counted)
{
	machine();
	CHECK(!iommu_faults());
	CHECK_EQ(go(), 0);
	CHECK(u0.fedata == 0x400 && u0.feaddr == 0xfee03000 && !u0.fectl && tick);
	CHECK(!iommu_faults());
	uint64_t before = *faults;

	fault(1, EDU, true, IMAGE);
	fault(3, PCI_BDF(6, 2, 0), false, BAR);
	CHECK(iommu_faults());
	CHECK(host_log_has("iommu0: 00:04.0: DMA write at 0x7fcc3000 refused: reason 0x5"));
	CHECK(host_log_has("iommu0: 06:02.0: DMA read at 0xfeb14000 refused: reason 0x5"));
	CHECK(*faults == before + 2 && !iommu_faults());
	host_log_clear();
	fault(0, EDU, true, OWN);
	u0.fsts = 1;
	tick(NULL, 0);
	CHECK(*faults == before + 3 && !u0.fsts && !host_log_has("DMA"));
	/* The message of what a tick took comes later, or not at all. */
	CHECK(iommu_faults() && !iommu_faults());
	fault(0, EDU, true, OWN);
	tick(NULL, 0);
	host_now_us += 100000;
	CHECK(!iommu_faults());
	/* So may the message of what is taken when the units are aimed. */
	fault(0, EDU, true, OWN);
	iommu_aim(3);
	CHECK(iommu_faults() && !iommu_faults());
	before++;
	/* A table of devices that is full, and a device that does not end. */
	for (unsigned i = 0; i < 40; i++) {
		fault(i % 4, (uint16_t)(0x1000 + i), true, 0);
		iommu_faults();
	}
	CHECK(host_log_has("iommu0: 10:03.5: DMA") && !host_log_has("10:03.6"));
	CHECK(*faults == before + 44 && !u0.fectl);
	for (unsigned i = 0; i < 1024; i++) {
		fault(2, EDU, true, 0);
		CHECK(iommu_faults());
	}
	CHECK(*faults == before + 1068 && u0.fectl == BIT(31));
}

/* The guest has given the boot processor another APIC id. */
TEST(the_message_follows_the_processor)
{
	machine();
	iommu_aim(7);
	CHECK_EQ(go(), 0);
	CHECK_EQ(u0.feaddr, 0xfee03000);
	uint64_t before = *faults;

	/* Its message went to the old id. */
	fault(0, EDU, true, OWN);
	iommu_aim(7);
	CHECK(u0.feaddr == 0xfee07000 && *faults == before + 1);
	iommu_aim(0x100);
	CHECK_EQ(u0.feaddr, 0xfee07000);
}

TEST_MAIN
