/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/iommu/iommu.c hv/iommu/dmar.c hv/iommu/ivrs.c hv/iommu/vtd_switch.c */
/* Tables of IOMMUs, whole, wrong and cut short; and the units' registers. */
#include <string.h>
#include <veneer/err.h>
#include <veneer/vpci.h>
#include "host/host.h"
#include "hv/dev/acpi.h"
#include "hv/mem/nested.h"
#include "hv/boot/own.h"
#include "hv/mem/paging.h"
#include "hv/mem/ram.h"
#include "hv/pci/pci.h"
#include "hv/iommu/confine.h"
#include "hv/iommu/iommu.h"

#define VTD_BASE	0xfed90000ull
#define GPU_BASE	0xfed91000ull

struct acpi_info acpi;
bool own_memory(uint64_t addr) { return false; }
uint64_t phys_limit(void) { return 1ull << 46; }

static unsigned tables_hidden, nhidden;
static struct { uint64_t base, size; } hidden[8];
static uint16_t gone = 0xffff;

void acpi_hide_tables(void) { tables_hidden++; }

int nested_hide(uint64_t gpa, uint64_t size)
{
	hidden[nhidden].base = gpa;
	hidden[nhidden++].size = size;
	return 0;
}

static unsigned nprotected;
int vpci_protect(uint64_t base, uint64_t size, bool io)
{
	CHECK(!io && hidden[nhidden - 1].base == base && hidden[nhidden - 1].size == size);
	nprotected++;
	return 0;
}

int vpci_set(uint16_t bdf, const struct vpci_ops *ops, void *ctx)
{
	CHECK(!ops && !ctx);
	gone = bdf;
	return 0;
}

/* A root port at 00:1c.0 with a switch below: bus 1 has an upstream bridge to bus 2, where 02:03.0 leads to bus 5. */
static const struct { uint16_t bdf; uint8_t secondary; } bridges[] = {
	{ PCI_BDF(0, 0x1c, 0), 1 }, { PCI_BDF(1, 0, 0), 2 }, { PCI_BDF(2, 3, 0), 5 }, { PCI_BDF(0, 0x1d, 0), 0 },
};

uint32_t pci_cfg_read(uint16_t bdf, uint16_t off, unsigned width)
{
	for (unsigned i = 0; i < ARRAY_SIZE(bridges); i++)
		if (bridges[i].bdf == bdf)
			return off == PCI_HEADER_TYPE ? 0x81 : bridges[i].secondary;
	return 0xff;
}

static struct pci_dev function = { .bdf = PCI_BDF(0, 0, 2) };
const struct pci_dev *pci_get(unsigned n) { return n ? NULL : &function; }

/* --- building tables --- */

static uint8_t t[4096];
static uint32_t len;
static struct iommu_info info;

static void put(uint64_t v, unsigned width)
{
	memcpy(t + len, &v, width);
	len += width;
}

static void begin(const char *name, uint64_t a, uint64_t b)
{
	memset(t, 0, sizeof(t));
	memcpy(t, name, 4);
	len = 36;
	put(a, 4);
	put(b, 8);
}

static void seal(void) { memcpy(t + 4, &len, 4); }

static void scope(unsigned type, unsigned id, unsigned bus, const char *path, unsigned hops)
{
	put(type, 1);
	put(6 + 2 * hops, 1);
	put(0, 2);
	put(id, 1);
	put(bus, 1);
	for (unsigned i = 0; i < 2 * hops; i++)
		put((uint8_t)path[i], 1);
}

static void structure(unsigned type, unsigned size, unsigned flags, unsigned segment)
{
	put(type, 2);
	put(size, 2);
	put(flags, 2);
	put(segment, 2);
}

/* As a laptop's firmware writes it, and with what servers have. */
static void build_dmar(void)
{
	begin("DMAR", 38 | 7 << 8, 0);
	structure(0, 16 + 8, 0, 0);
	put(GPU_BASE, 8);
	scope(1, 0, 0, "\x02\x00", 1);
	structure(0, 16 + 8 + 8 + 8 + 12 + 8, 1 | 1 << 8, 0);
	put(VTD_BASE, 8);
	scope(3, 2, 0xf0, "\x1f\x00", 1);
	scope(4, 0, 0, "\x1f\x00", 1);
	scope(5, 1, 0, "\x15\x01", 1);
	scope(1, 0, 0, "\x1c\x00\x00\x00\x03\x00", 3);
	scope(2, 0, 0, "\x1c\x00", 1);
	structure(1, 24 + 8, 0, 0);
	put(0x7b800000, 8);
	put(0x7fffffff, 8);
	scope(1, 0, 0, "\x02\x00", 1);
	structure(2, 8 + 8, 0, 0);
	scope(2, 0, 0, "\x1c\x00", 1);
	structure(3, 20, 0, 0);
	put(VTD_BASE, 8);
	put(0, 4);
	structure(4, 8 + 6, 0, 0x0100);
	put(0x5c425300, 4);
	put(0x5f, 2);
	structure(5, 8 + 8, 0, 0);
	scope(1, 0, 0, "\x02\x00", 1);
	structure(6, 8 + 8, 0, 0);
	scope(1, 0, 0, "\x02\x00", 1);
	structure(77, 8, 0, 0);
	seal();
}

static void ivhd(unsigned type, unsigned size)
{
	put(type, 1);
	put(0, 1);
	put(size, 2);
	put(PCI_BDF(0, 0, 2), 2);
	put(0x40, 2);
	put(0xfeb80000, 8);
	put(0, 8);
	for (unsigned i = 0; type != 0x10 && i < 2; i++)
		put(0, 8);
}

static void entry(unsigned type, uint16_t bdf)
{
	put(type | (uint64_t)bdf << 8, 4);
}

static void build_ivrs(void)
{
	begin("IVRS", 2, 0);
	ivhd(0x10, 24 + 8);
	entry(3, 0);
	entry(4, PCI_BDF(0x1f, 0x1f, 7));
	ivhd(0x11, 40 + 4 + 4 + 4 + 8 + 8 + 8);
	entry(3, PCI_BDF(0, 2, 0));
	entry(4, PCI_BDF(0xff, 0x1f, 6));
	entry(2, PCI_BDF(0, 1, 0));
	entry(66, PCI_BDF(4, 8, 2));		/* an alias */
	put(PCI_BDF(4, 0, 0) << 8, 4);
	entry(72, 0);				/* I/O APIC 21h */
	put(0x21 | PCI_BDF(0, 0x14, 0) << 8 | 1 << 24, 4);
	entry(72, 0);				/* HPET 0 */
	put(PCI_BDF(0, 0x14, 0) << 8 | 2 << 24, 4);
	ivhd(0x40, 40 + 4 + 22 + 5);
	entry(1, 0);
	entry(240, PCI_BDF(0, 0x14, 5));
	put(0x303243454d41ull, 8);
	put(0, 8);
	put(0x0502, 2);
	put(0x5c5f5342, 4);
	put(0, 1);
	put(0x22 | 32 << 16, 4);
	put(PCI_BDF(1, 0, 0), 2);
	put(PCI_BDF(1, 0x1f, 7), 2);
	put(0, 8);
	put(0x9f000000, 8);
	put(0x1000000, 8);
	seal();
}

static void parse(void)
{
	bool amd = t[0] == 'I';

	memset(&info, 0, sizeof(info));
	host_log_clear();
	(amd ? ivrs_parse : dmar_parse)(t, len, &info);
}

static const char *covers(unsigned first, unsigned n)
{
	static char text[256];

	iommu_describe(&info, first, n, text, sizeof(text));
	return text;
}

static const char *unit_covers(unsigned n)
{
	return covers(info.unit[n].scope, info.unit[n].nscopes);
}

TEST(whole_dmar)
{
	build_dmar();
	parse();
	CHECK(!info.broken && info.width == 39);
	CHECK(info.intr_remap && info.x2apic_opt_out && info.dma_opt_in);
	CHECK_EQ(info.nunits, 2);
	CHECK(info.unit[0].base == GPU_BASE && info.unit[0].size == 0x1000 && info.unit[0].kind == IOMMU_VTD);
	CHECK(info.unit[1].base == VTD_BASE && info.unit[1].size == 0x2000);
	CHECK(!strcmp(unit_covers(0), "00:02.0"));
	CHECK(!strcmp(unit_covers(1), "I/O APIC 2 (f0:1f.0), HPET 0 (00:1f.0), ACPI device 00:15.1, 02:03.0, "
		      "00:1c.0 and below, all that no other names"));
	CHECK_EQ(info.nregions, 1);
	CHECK(info.region[0].base == 0x7b800000 && info.region[0].end == 0x80000000);
	CHECK(!strcmp(covers(info.region[0].scope, info.region[0].nscopes), "00:02.0"));
}

TEST(path_that_leads_nowhere)
{
	build_dmar();
	/* The bridge at 00:1d.0 has no bus behind it; 00:1e.0 is none. */
	for (unsigned device = 0x1d; device <= 0x1e; device++) {
		t[48 + 24 + 16 + 24 + 6] = (uint8_t)device;
		parse();
		CHECK(!info.broken && info.nunits == 2 && info.unit[1].nscopes == 5);
		CHECK(host_log_has("no bridge"));
	}
}

TEST(whole_ivrs)
{
	build_ivrs();
	parse();
	CHECK(!info.broken && info.dma_opt_in);
	CHECK_EQ(info.nunits, 1);
	CHECK(info.unit[0].kind == IOMMU_AMDVI && info.unit[0].type == 0x40 && info.unit[0].base == 0xfeb80000);
	CHECK_EQ(info.unit[0].bdf, PCI_BDF(0, 0, 2));
	CHECK(!strcmp(unit_covers(0), "all that no other names, ACPI device 00:14.5"));
	CHECK_EQ(info.nregions, 1);
	CHECK(info.region[0].base == 0x9f000000 && info.region[0].end == 0xa0000000 && !info.region[0].exclusion);
	CHECK(!strcmp(covers(info.region[0].scope, info.region[0].nscopes), "01:00.0-01:1f.7"));
}

/* Firmware for older software: blocks of type 11h and 10h alone. */
TEST(ivhd_of_the_highest_type)
{
	build_ivrs();
	t[48 + 32 + 76] = 0x99;
	parse();
	CHECK(!info.broken && info.nunits == 1 && info.unit[0].type == 0x11);
	for (unsigned i = 0; i < info.nscopes; i++)
		CHECK_EQ(info.scope[i].alias, info.scope[i].first == PCI_BDF(4, 8, 2) ? PCI_BDF(4, 0, 0) : 0);
	CHECK(!strcmp(unit_covers(0), "00:02.0-ff:1f.6, 00:01.0, 04:08.2, I/O APIC 33 (00:14.0), HPET 0 (00:14.0)"));
	t[48 + 32] = 0x98;
	parse();
	CHECK(!info.broken && info.nunits == 1 && info.unit[0].type == 0x10);
	CHECK(!strcmp(unit_covers(0), "00:00.0-1f:1f.7"));
}

TEST(descriptions_that_are_cut)
{
	char text[64];

	build_dmar();
	parse();
	for (size_t size = sizeof("nothing"); size <= sizeof(text); size++) {
		memset(text, 'x', sizeof(text));
		iommu_describe(&info, info.unit[1].scope, info.unit[1].nscopes, text, size);
		CHECK(strlen(text) < size);
		CHECK(size < 40 || !strncmp(text, "I/O APIC 2 (f0:1f.0), ", 22));
		CHECK(size == sizeof(text) || text[size] == 'x');
	}
	CHECK(!strcmp(covers(0, 0), "nothing"));
}

/* --- what is wrong is said, with the place --- */

static void expect(const char *line)
{
	parse();
	CHECK(info.broken);
	if (!host_log_has(line))
		host_fail(__FILE__, __LINE__, "no line: %s", line);
}

TEST(broken_dmar)
{
	build_dmar();
	t[50] = 0;
	expect("DMAR: structure of type 0 at 0x30 has length 0 of 206 bytes left");
	CHECK_EQ(info.nunits, 0);
	build_dmar();
	t[50] = 3;
	expect("length 3 of");
	build_dmar();
	t[51] = 0x10;
	expect("length 4120 of");
	build_dmar();
	t[50] = 15;
	expect("DMAR: structure of type 0 at 0x30 has length 15, less than 16");
	build_dmar();
	t[65] = 0;				/* the first scope's length */
	expect("structure of type 0 at 0x30: device scope at 0x40 has length 0 of 8 bytes left");
	CHECK_EQ(info.nunits, 2);		/* the units themselves stay known */
	build_dmar();
	t[65] = 10;
	expect("device scope at 0x40 has length 10 of 8");
	build_dmar();
	len = 47;
	expect("the table has length 47, less than 48");
}

TEST(units_and_regions_that_cannot_be)
{
	static const uint64_t odd[] = { 0, 1, 0x1000, 0xfee00000, 0xfec00000, 1ull << 46, ~0xfffull, 0xfed90001 };

	for (unsigned i = 0; i < ARRAY_SIZE(odd); i++) {
		build_dmar();
		memcpy(t + 56, &odd[i], 8);
		expect("where no registers can be");
		CHECK_EQ(info.nunits, 1);
	}
	build_dmar();
	uint64_t ram = host_guest_ram(1 << 20);
	memcpy(t + 56, &ram, 8);
	expect("where no registers can be");
	build_ivrs();
	memset(t + len - 8, 0, 8);
	expect("reserved memory from 0x9f000000 to 0x9f000000");
	CHECK_EQ(info.nregions, 0);
	build_ivrs();
	memset(t + len - 8, 0xff, 8);
	expect("reserved memory");
}

TEST(broken_ivrs)
{
	uint32_t second = 48 + 32, third = second + 76;

	build_ivrs();
	t[50] = 3;
	expect("IVRS: block of type 0x10 at 0x30 has length 3 of");
	build_ivrs();
	t[50] = 20;
	expect("IVRS: block of type 0x10 at 0x30 has length 20, less than 24");
	build_ivrs();
	t[second + 40 + 28] = 130;		/* 16 bytes of 8 */
	expect("device entry of type 130 at 0x94 does not fit in 8 bytes left");
	build_ivrs();
	t[second + 40 + 12] = 72 | 128;
	expect("block of type 0x11 at 0x50: device entry of type 200");
	build_ivrs();
	t[third + 44 + 21] = 6;			/* a name longer than its entry */
	expect("device entry of type 240");
	build_ivrs();
	t[third + 44] = 241;
	expect("device entry of type 241");
	build_ivrs();
	t[second + 44] = 0;			/* no end of the range */
	expect("the range from 0x10 on does not end");
	build_ivrs();
	t[second + 40] = 0;			/* no beginning */
	expect("ends at 0xfffe and begins nowhere");
}

TEST(more_than_there_is_room_for)
{
	begin("DMAR", 38, 0);
	for (unsigned i = 0; i < IOMMU_MAX_UNITS + 1; i++) {
		structure(0, 16, 0, 0);
		put(0xf0000000 + i * 0x1000, 8);
	}
	seal();
	expect("more than 32 units");
	CHECK(info.nunits == IOMMU_MAX_UNITS && info.units_left_out);
	begin("DMAR", 38, 0);
	structure(0, 16 + 8 * 300, 0, 0);
	put(VTD_BASE, 8);
	for (unsigned i = 0; i < 300; i++)
		scope(1, 0, 0, "\x02\x00", 1);
	seal();
	parse();
	CHECK_EQ(info.unit[0].nscopes, 300);
	(dmar_parse)(t, len, &info);
	CHECK(info.broken && info.nscopes == IOMMU_MAX_SCOPES && host_log_has("more than 512 devices"));
}

/* --- whatever the bytes are --- */

static void check_sane(void)
{
	CHECK(info.nunits <= IOMMU_MAX_UNITS && info.nregions <= IOMMU_MAX_REGIONS && info.nscopes <= IOMMU_MAX_SCOPES);
	for (unsigned i = 0; i < info.nunits; i++) {
		CHECK(info.unit[i].scope + info.unit[i].nscopes <= info.nscopes);
		CHECK(info.unit[i].base >= 0x100000 && IS_ALIGNED(info.unit[i].base, 0x1000ull));
		unit_covers(i);
	}
	for (unsigned i = 0; i < info.nregions; i++) {
		CHECK(info.region[i].scope + info.region[i].nscopes <= info.nscopes);
		CHECK(info.region[i].base < info.region[i].end);
	}
}

/* The table ends where memory does: nothing behind may be read. */
static void parse_at_the_edge(uint64_t edge, uint32_t n)
{
	uint8_t *p = (uint8_t *)(uintptr_t)(edge - n);
	bool amd = t[0] == 'I';

	memcpy(p, t, n);
	memset(&info, 0, sizeof(info));
	host_log_clear();
	(amd ? ivrs_parse : dmar_parse)(p, n, &info);
	check_sane();
}

TEST(each_length)
{
	uint64_t edge = host_guest_ram(PAGE_SIZE) + PAGE_SIZE;

	for (unsigned amd = 0; amd < 2; amd++) {
		(amd ? build_ivrs : build_dmar)();
		for (uint32_t n = 36; n <= len; n++)
			parse_at_the_edge(edge, n);
		CHECK(!info.broken);
	}
}

TEST(each_byte_wrong)
{
	uint64_t edge = host_guest_ram(PAGE_SIZE) + PAGE_SIZE;

	for (unsigned amd = 0; amd < 2; amd++) {
		(amd ? build_ivrs : build_dmar)();
		for (uint32_t at = 36; at < len; at++) {
			uint8_t old = t[at];

			for (unsigned v = 0; v < 256; v++) {
				t[at] = (uint8_t)v;
				parse_at_the_edge(edge, len);
			}
			t[at] = old;
		}
	}
}

TEST(random_tables)
{
	uint64_t edge = host_guest_ram(PAGE_SIZE) + PAGE_SIZE;

	srand(1);
	for (unsigned round = 0; round < 60000; round++) {
		(round & 1 ? build_ivrs : build_dmar)();
		for (unsigned n = 1 + (unsigned)rand() % 12; n; n--)
			t[36 + (unsigned)rand() % (len - 36)] = (uint8_t)(rand() % 3 ? rand() : rand() % 80);
		parse_at_the_edge(edge, 36 + (unsigned)rand() % (len - 35));
	}
}

/* --- the registers --- */

struct vtd { uint32_t gsts, pmen, version; bool stuck; unsigned commands; uint64_t cap; };

static uint64_t vtd_read(void *ctx, uint32_t off, unsigned width)
{
	const struct vtd *v = ctx;

	CHECK_EQ(width, off == 8 || off == 0x10 ? 8 : 4);
	switch (off) {
	case 0: return v->version;
	case 8: return v->cap;
	case 0x10: return 0x100 << 8 | 8;	/* the IOTLB's registers at 0x1000 */
	case 0x1c: return v->gsts;
	case 0x64: return v->pmen;
	}
	host_fail(__FILE__, __LINE__, "read of VT-d register %#x", off);
}

/* One bit changes with each command; the one-shot bits are not written back. */
static void vtd_write(void *ctx, uint32_t off, unsigned width, uint64_t value)
{
	struct vtd *v = ctx;

	CHECK_EQ(width, 4);
	if (off == 0x64) {
		v->pmen = value & BIT(31) ? (uint32_t)value : v->stuck ? v->pmen : 0;
		return;
	}
	CHECK_EQ(off, 0x18);
	CHECK(!(value & ~0x96ffffffu));
	CHECK_EQ(__builtin_popcount((v->gsts & 0x96ffffff) ^ (uint32_t)value), 1);
	v->commands++;
	if (!v->stuck)
		v->gsts = (v->gsts & ~0x96ffffffu) | (uint32_t)value;
}

static uint64_t amd_read(void *ctx, uint32_t off, unsigned width)
{
	uint64_t *control = ctx;

	CHECK(width == 8 && (off == 0x18 || off == 0x30));
	return off == 0x18 ? *control : BIT(9);
}

static void amd_write(void *ctx, uint32_t off, unsigned width, uint64_t v)
{
	CHECK(width == 8 && off == 0x18);
	*(uint64_t *)ctx = v;
}

static const struct host_model vtd_model = { vtd_read, vtd_write }, amd_model = { amd_read, amd_write };

static void start(struct vtd *v)
{
	uint64_t base = host_mmio_new(0x2000, &vtd_model, v);

	nhidden = tables_hidden = 0;
	gone = 0xffff;
	memset(&acpi, 0, sizeof(acpi));
	begin("DMAR", 38, 0);
	structure(0, 16, 1, 0);
	put(base, 8);
	seal();
	acpi.dmar = (uintptr_t)t;
	acpi.dmar_len = len;
	iommu_init("");
	CHECK(!v->commands);
}

TEST(vtd_that_is_off)
{
	struct vtd v = { .version = 0x10, .gsts = BIT(30) | BIT(26), .cap = BIT(5) };

	start(&v);
	CHECK(host_log_has("iommu0: VT-d 1.0 at") && host_log_has("covers all that no other names\n"));
	CHECK(!host_log_has("firmware has left"));
	CHECK_EQ(iommu_hide() ?: iommu_off(), 0);
	CHECK(v.commands == 0 && tables_hidden == 1 && nhidden == 1 && hidden[0].size == 0x2000);
}

TEST(vtd_that_firmware_left_on)
{
	struct vtd v = { .version = 0x40, .gsts = BIT(31) | BIT(30) | BIT(26) | BIT(25) | BIT(24), .cap = BIT(5),
			 .pmen = BIT(31) | BIT(0) };

	start(&v);
	CHECK(host_log_has("firmware has left translation on"));
	CHECK_EQ(iommu_hide() ?: iommu_off(), 0);
	CHECK(v.gsts == (BIT(30) | BIT(26) | BIT(24)) && v.pmen == 0 && v.commands == 2);
	CHECK(host_log_has("translation is off now"));
}

TEST(protected_memory_alone)
{
	struct vtd v = { .version = 0x10, .cap = BIT(6), .pmen = BIT(31) | BIT(0) };

	start(&v);
	CHECK(host_log_has("firmware has left protected memory on"));
	CHECK_EQ(iommu_hide() ?: iommu_off(), 0);
	CHECK_EQ(v.pmen, 0);
	/* Where the capability has no such registers, what is read there means nothing. */
	v = (struct vtd){ .version = 0x10, .pmen = 1, .stuck = true };
	start(&v);
	CHECK_EQ(iommu_hide() ?: iommu_off(), 0);
}

/* Veneer's translation comes at once after firmware's, and memory that firmware has protected stays so until then. */
static const struct vtd *replaced;
static unsigned enabled;
static int enable_error;
static int enable(unsigned n, const struct iommu_unit *u)
{
	CHECK(n == 0 && u->kind == IOMMU_VTD);
	CHECK(!(replaced->gsts & (BIT(31) | BIT(25))) && replaced->pmen == (BIT(31) | BIT(0)) && !host_log_has("is off now"));
	enabled++;
	return enable_error;
}

TEST(firmwares_translation_is_replaced)
{
	struct vtd v = { .version = 0x40, .gsts = BIT(31) | BIT(30) | BIT(25), .cap = BIT(5), .pmen = BIT(31) | BIT(0) };

	start(&v);
	host_log_clear();
	replaced = &v;
	CHECK_EQ(iommu_hide(), 0);
	CHECK(v.commands == 0 && v.gsts & BIT(31) && v.pmen);
	enable_error = -ERR_NOMEM;
	CHECK_EQ(iommu_replace(0, iommu_found()->unit, enable), -ERR_NOMEM);
	CHECK(enabled == 1 && v.pmen && !host_log_has("is off now"));
	v.gsts |= BIT(31);
	enable_error = 0;
	CHECK_EQ(iommu_replace(0, iommu_found()->unit, enable), 0);
	CHECK(enabled == 2 && !v.pmen && host_log_has("iommu0: translation is off now: Veneer's translation is on"));
	/* A unit that does not stop is not touched further. */
	v.gsts |= BIT(31);
	v.stuck = true;
	CHECK_EQ(iommu_replace(0, iommu_found()->unit, enable), -ERR_TIMEOUT);
	CHECK_EQ(enabled, 2);
}

TEST(vtd_that_does_not_stop)
{
	struct vtd v = { .version = 0x10, .gsts = BIT(31), .stuck = true };

	start(&v);
	CHECK_EQ(iommu_off(), -ERR_TIMEOUT);
	CHECK(host_log_has("translation is still on 1000 ms after") && !tables_hidden);
	v = (struct vtd){ .version = 0x10, .cap = BIT(5), .pmen = BIT(31) | 1, .stuck = true };
	start(&v);
	CHECK_EQ(iommu_off(), -ERR_TIMEOUT);
	CHECK(host_log_has("memory is still protected"));
}

TEST(vtd_that_does_not_answer)
{
	struct vtd v = { .version = ~0u, .gsts = ~0u, .pmen = ~0u };

	start(&v);
	CHECK(host_log_has("does not answer"));
	CHECK_EQ(iommu_hide() ?: iommu_off(), 0);
	CHECK(v.commands == 0 && nhidden == 1 && tables_hidden == 1);
}

TEST(amdvi)
{
	uint64_t control = 0x1005, base = host_mmio_new(0x4000, &amd_model, &control);
	uint8_t *c = host_pci_config(&function);

	c[PCI_CAP_PTR] = 0x40;
	c[0x40] = 0x0f;
	c[0x43] = 0x08;				/* it has an EFR */
	nhidden = tables_hidden = 0;
	memset(&acpi, 0, sizeof(acpi));
	begin("IVRS", 0, 0);
	ivhd(0x10, 28);
	memcpy(t + len - 16, &base, 8);
	put(1, 4);
	seal();
	acpi.ivrs = (uintptr_t)t;
	acpi.ivrs_len = len;
	iommu_init("check: ");
	CHECK(host_log_has("check: iommu0: AMD-Vi (00:00.2) at") && host_log_has("firmware has left translation on"));
	CHECK_EQ(control, 0x1005);
	CHECK_EQ(iommu_hide() ?: iommu_off(), 0);
	CHECK(control == 0x1004 && gone == PCI_BDF(0, 0, 2) && tables_hidden == 1);
	CHECK(nhidden == 1 && hidden[0].base == base && hidden[0].size == 0x80000);
}

TEST(none)
{
	memset(&acpi, 0, sizeof(acpi));
	nhidden = tables_hidden = 0;
	iommu_init("");
	CHECK(host_log_has("iommu: none"));
	CHECK_EQ(iommu_hide() ?: iommu_off(), 0);
	CHECK(!nhidden && !tables_hidden);
}

TEST_MAIN
