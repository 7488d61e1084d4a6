/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/dev/acpi.c */
/* The firmware's tables: whole, cut short, and with each byte wrong. */
#include <string.h>
#include "host/host.h"
#include "hv/dev/acpi.h"
#include "hv/mem/ram.h"

#define AREA	(4u << 20)	/* larger than any table's false length in these tests */
#define RSDP	0x100u
#define XSDT	0xa00u	/* the last table: zeros follow, into which a false length reaches */
#define MADT	0x300u
#define MCFG	0x500u
#define FADT	0x600u
#define DSDT	0x800u
#define HPETS	0x10000u
#define FADT_LEN	244u

static uint64_t ram;
static uint8_t *mem;

uint64_t gmem_top(void) { return 0x80000000; }

static void put(uint32_t off, uint64_t v, unsigned width) { memcpy(mem + off, &v, width); }

static void seal(uint32_t at)
{
	uint32_t len;
	uint8_t sum = 0;

	memcpy(&len, mem + at + 4, 4);
	mem[at + 9] = 0;
	for (uint32_t i = 0; i < len; i++)
		sum += mem[at + i];
	mem[at + 9] = (uint8_t)-sum;
}

static void table(uint32_t at, const char *sig, uint32_t len)
{
	memcpy(mem + at, sig, 4);
	put(at + 4, len, 4);
}

static void build_madt(void)
{
	uint32_t at = MADT + 44;

	put(MADT + 36, 0xfee00000, 4);
	for (unsigned i = 0; i < 4; i++, at += 8) {
		put(at, 0x0800, 2);
		put(at + 3, 2 * i, 1);
		put(at + 4, i < 3, 4);		/* the fourth is disabled */
	}
	/* An id beyond 8 bits, and a duplicate. */
	for (unsigned i = 0; i < 2; i++, at += 16) {
		put(at, 0x1009, 2);
		put(at + 4, i ? 2 : 0x123, 4);
		put(at + 8, 1, 4);
	}
	for (unsigned i = 0; i < 2; i++, at += 12) {
		put(at, 0x0c01, 2);
		put(at + 4, 0xfec00000 + i * 0x1000, 4);
		put(at + 8, i * 24, 4);
	}
	table(MADT, "APIC", at - MADT);
	seal(MADT);
}

static void build_mcfg(void)
{
	put(MCFG + 44, 0xe0000000, 8);
	put(MCFG + 44 + 11, 0xff, 1);
	put(MCFG + 60, 0x7000000000ull, 8);
	put(MCFG + 60 + 8, 1, 2);		/* segment 1: must be closed */
	put(MCFG + 60 + 11, 0xff, 1);
	table(MCFG, "MCFG", 76);
	seal(MCFG);
}

static void build_fadt(void)
{
	put(FADT + 40, 0x10, 4);		/* overridden by X_DSDT */
	put(FADT + 64, 0x1804, 4);
	put(FADT + 76, 0x1808, 4);
	put(FADT + 112, BIT(8) | BIT(10), 4);
	put(FADT + 116, 0x0801, 2);		/* I/O space, 8 bits */
	put(FADT + 120, 0xcf9, 8);
	put(FADT + 128, 6, 1);
	put(FADT + 140, ram + DSDT, 8);
	table(FADT, "FACP", FADT_LEN);
	seal(FADT);
	memcpy(mem + DSDT + 60, "\x08_S5_\x12\x06\x04\x0a\x05\x0a\x07\x00\x00", 14);
	table(DSDT, "DSDT", 100);
	seal(DSDT);
}

static void build(void)
{
	ram = host_guest_ram(AREA);
	mem = (uint8_t *)(uintptr_t)ram;
	memcpy(mem + RSDP, "RSD PTR ", 8);
	mem[RSDP + 15] = 2;
	put(RSDP + 20, 36, 4);
	put(RSDP + 24, ram + XSDT, 8);
	put(XSDT + 36, ram + MADT, 8);
	put(XSDT + 44, ram + MCFG, 8);
	put(XSDT + 52, ram + FADT, 8);
	table(XSDT, "XSDT", 60);
	build_madt();
	build_mcfg();
	build_fadt();
	seal(XSDT);
	memset(&acpi, 0, sizeof(acpi));
}

static void init(void)
{
	memset(&acpi, 0, sizeof(acpi));
	host_log_clear();
	acpi_init(ram + RSDP);
}

TEST(whole)
{
	build();
	init();
	CHECK(!host_log_has("checksum"));
	CHECK_EQ(acpi.ncpus, 4);
	CHECK(acpi.cpu_id[1] == 2 && acpi.cpu_id[2] == 4 && acpi.cpu_id[3] == 0x123);
	CHECK_EQ(acpi.nioapics, 2);
	CHECK(acpi.ioapic[1].addr == 0xfec01000 && acpi.ioapic[1].gsi_base == 24);
	CHECK_EQ(acpi.necam, 2);
	CHECK(acpi.ecam[0].addr == 0xe0000000 && acpi.ecam[0].bus_last == 255 && !acpi.ecam[0].segment);
	CHECK(acpi.ecam[1].addr == 0x7000000000ull && acpi.ecam[1].segment == 1 && !acpi.ecam_left_out);
	CHECK(acpi.pm1a_cnt == 0x1804 && acpi.pm_timer == 0x1808 && !acpi.pm1b_cnt);
	CHECK(acpi.reset_port == 0xcf9 && acpi.reset_value == 6);
	CHECK(acpi.has_s5 && acpi.s5_typ_a == 5 && acpi.s5_typ_b == 7);
}

/* PM1 control by the 64-bit fields: alone, another one, the same one, in memory. */
TEST(pm1_by_the_fields_of_64_bits)
{
	static const struct { uint16_t old, space; uint32_t x; uint16_t port, also; uint32_t addr; } row[] = {
		{ 0, 0x1001, 0x404, 0x404, 0, 0 }, { 0x1804, 0x1001, 0x404, 0x1804, 0x404, 0 },
		{ 0x1804, 0x1001, 0x1804, 0x1804, 0, 0 }, { 0x1804, 0x1000, 0xfed80804, 0x1804, 0, 0xfed80804 },
		{ 0, 0, 0, 0, 0, 0 },
	};

	build();
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++)
		for (unsigned b = 0; b < 2; b++) {
			put(FADT + 64 + 4 * b, row[i].old, 4);
			put(FADT + 172 + 12 * b, row[i].space, 2);
			put(FADT + 176 + 12 * b, row[i].x, 8);
			seal(FADT);
			init();
			CHECK_EQ(b ? acpi.pm1b_cnt : acpi.pm1a_cnt, row[i].port);
			CHECK_EQ(acpi.pm1_also[b], row[i].also);
			CHECK_EQ(acpi.pm1_addr[b], row[i].addr);
		}
}

/* Each page with an HPET once, and no more than there is room for; those that are not in memory below 4 GiB have a line. */
TEST(hpets)
{
	build();
	for (unsigned i = 0; i < 14; i++) {
		uint32_t t = HPETS + i * 64;

		put(t + 40, i == 13 ? 1 : 0, 1);
		put(t + 44, i == 12 ? 0x1fed00000ull : 0xfed00400ull + 0x1000 * (i ? i - 1 : 0), 8);
		table(t, "HPET", 56);
		seal(t);
		put(XSDT + 60 + 8 * i, ram + t, 8);
	}
	table(XSDT, "XSDT", 60 + 8 * 8);
	seal(XSDT);
	init();
	CHECK(acpi.nhpets == 7 && acpi.hpet[0] == 0xfed00000 && acpi.hpet[6] == 0xfed06000);
	CHECK(!host_log_has("limit: "));
	table(XSDT, "XSDT", 60 + 8 * 14);
	seal(XSDT);
	init();
	CHECK_EQ(acpi.nhpets, ACPI_MAX_HPETS);
	CHECK(host_log_has("limit: more than 8 HPETs"));
	CHECK(host_log_has("acpi: the HPET at 0x1fed00000 of address space 0 is not watched"));
	CHECK(host_log_has("of address space 1 is not watched"));
}

TEST(soft_off_at_the_end_of_its_table)
{
	build();
	memcpy(mem + DSDT + 60, "\x08_S5_\x12\x06\x04\x00\x00\x00\x00", 12);
	table(DSDT, "DSDT", 72);
	seal(DSDT);
	init();
	CHECK(acpi.has_s5 && acpi.s5_typ_a == 0 && acpi.s5_typ_b == 0);
}

/* The IOMMUs' tables are found, and renamed in RSDT and XSDT with a new checksum. */
TEST(tables_of_iommus)
{
	uint32_t copy = 0xb00, other = 0xc00, rsdt = 0xd00;

	build();
	put(RSDP + 16, ram + rsdt, 4);
	put(rsdt + 36, ram + MADT, 4);
	put(rsdt + 40, ram + copy, 4);		/* a copy of its own, as with some firmware */
	table(rsdt, "RSDT", 44);
	put(XSDT + 60, ram + other, 8);
	table(XSDT, "XSDT", 68);
	table(copy, "DMAR", 48);
	table(other, "IVRS", 56);
	seal(copy);
	seal(other);
	seal(rsdt);
	seal(XSDT);
	init();
	CHECK(acpi.ivrs == ram + other && acpi.ivrs_len == 56 && !acpi.dmar);
	acpi_hide_tables();
	CHECK(!memcmp(mem + copy, "OEMV", 4) && !memcmp(mem + other, "OEMV", 4) && !memcmp(mem + MADT, "APIC", 4));
	init();
	CHECK(!acpi.ivrs && !acpi.dmar && !host_log_has("checksum") && acpi.ncpus == 4);
	/* Pointers to nowhere. */
	put(XSDT + 60, ~0ull - 3, 8);
	put(rsdt + 40, 0x10, 4);
	acpi_hide_tables();
}

TEST(none)
{
	build();
	memset(&acpi, 0, sizeof(acpi));
	acpi_init(0);
	CHECK(acpi.ncpus == 1 && acpi.lapic_addr == 0xfee00000);
	CHECK(host_log_has("no RSDP"));
}

TEST(version_1_and_its_rsdt)
{
	build();
	mem[RSDP + 15] = 0;
	table(XSDT, "RSDT", 48);
	put(XSDT + 36, ram + MADT, 4);
	put(XSDT + 40, ram + FADT, 4);
	put(XSDT + 44, 0, 4);
	seal(XSDT);
	put(RSDP + 16, ram + XSDT, 4);
	init();
	CHECK_EQ(acpi.ncpus, 4);
	CHECK(acpi.has_s5);
}

TEST(pointers_to_nowhere)
{
	static const uint64_t odd[] = { 0, 1, 0xfff, 0xfffffff0, 0x100000000ull, ~0ull, ~0ull - 40 };

	for (unsigned i = 0; i < ARRAY_SIZE(odd); i++) {
		build();
		put(XSDT + 36, odd[i], 8);
		init();
		CHECK(acpi.ncpus == 1 && acpi.necam == 2);
		build();
		put(RSDP + 24, odd[i], 8);
		init();
		CHECK(acpi.ncpus == 1 && host_log_has("no usable RSDT"));
	}
}

TEST(mcfg_that_makes_no_sense)
{
	build();
	put(MCFG + 44 + 10, 0x10ff, 2);		/* buses 255 to 16 */
	init();
	CHECK(acpi.necam == 1 && acpi.ecam[0].segment == 1);
	build();
	put(MCFG + 44, 0xe0001000, 8);
	init();
	CHECK(acpi.necam == 1 && acpi.ecam[0].segment == 1);
}

/* One more of each than there is room for: a log line for each, and the start stops. */
TEST(more_than_there_is_room_for)
{
	const uint32_t big = 0x10000;
	uint32_t at = big + 44;

	build();
	for (unsigned i = 0; i <= ACPI_MAX_CPUS; i++, at += 16) {
		memset(mem + at, 0, 16);
		put(at, 0x1009, 2);
		put(at + 4, 0x1000 + i, 4);
		put(at + 8, 1, 4);
	}
	for (unsigned i = 0; i <= ACPI_MAX_IOAPICS; i++, at += 12) {
		memset(mem + at, 0, 12);
		put(at, 0x0c01, 2);
		put(at + 4, 0xfec00000 + i * 0x1000, 4);
		put(at + 8, i * 24, 4);
	}
	table(big, "APIC", at - big);
	seal(big);
	put(XSDT + 36, ram + big, 8);
	seal(XSDT);
	init();
	CHECK_EQ(acpi.nioapics, ACPI_MAX_IOAPICS);
	CHECK(host_log_has("limit: more than 64 I/O APICs"));
	CHECK(host_log_has("limit: more than 256 processors"));
}

/* Check what has to hold for any contents of the tables. */
static void check_sane(void)
{
	CHECK(acpi.nioapics <= ACPI_MAX_IOAPICS && acpi.necam <= ACPI_MAX_ECAM);
	for (unsigned i = 0; i < acpi.necam; i++) {
		CHECK(acpi.ecam[i].bus_first <= acpi.ecam[i].bus_last && acpi.ecam[i].addr);
		CHECK(IS_ALIGNED(acpi.ecam[i].addr, 1ull << 20));
	}
}

static bool is_pointer(uint32_t off)
{
	return (off >= RSDP + 16 && off < RSDP + 36) || (off >= XSDT + 36 && off < XSDT + 60) ||
	       (off >= FADT + 40 && off < FADT + 44) || (off >= FADT + 140 && off < FADT + 148);
}

TEST(each_byte_wrong)
{
	static const uint8_t flips[] = { 0x01, 0x02, 0x10, 0x80, 0xff };

	build();
	for (uint32_t off = RSDP; off < XSDT + 60; off++) {
		if (is_pointer(off) || off == RSDP + 15)
			continue;
		for (unsigned i = 0; i < ARRAY_SIZE(flips); i++) {
			mem[off] ^= flips[i];
			init();
			check_sane();
			mem[off] ^= flips[i];
		}
	}
	init();
	CHECK(acpi.ncpus == 4 && acpi.has_s5);
}

/* If the address of configuration space is not known the start stops: the guest would find the space open. */
TEST(a_table_of_configuration_space_that_cannot_be_read)
{
	static const uint32_t bad[] = { 0, 35, 0x100001, 0xffffffff };

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		build();
		put(MADT + 4, bad[i], 4);
		init();
		CHECK(!acpi.ecam_left_out && host_log_has("acpi: table APIC at"));
		build();
		put(MCFG + 4, bad[i], 4);
		init();
		CHECK(acpi.ecam_left_out && host_log_has("acpi: table MCFG at"));
	}
	build();
	put(XSDT + 44, 1ull << 50, 8);
	init();
	CHECK(host_log_has("is behind all memory, left out"));
	put(XSDT + 44, 0, 8);
	init();
	CHECK(!host_log_has("left out"));
}

/* A table of each length right before unmapped memory: nothing may read beyond its end. */
TEST(cut_short)
{
	static const struct { uint32_t at, len; unsigned slot; } cut[] = {
		{ MADT, 116, 36 }, { MCFG, 76, 44 }, { FADT, FADT_LEN, 52 },
	};

	for (unsigned t = 0; t < ARRAY_SIZE(cut); t++) {
		build();
		uint64_t edge = host_guest_ram(PAGE_SIZE) + PAGE_SIZE;
		for (uint32_t len = 36; len <= cut[t].len; len++) {
			uint8_t *p = (uint8_t *)(uintptr_t)(edge - len);

			memcpy(p, mem + cut[t].at, len);
			memcpy(p + 4, &len, 4);
			put(XSDT + cut[t].slot, edge - len, 8);
			init();
			check_sane();
		}
	}
}

TEST(s5_at_the_end_of_the_dsdt)
{
	build();
	for (uint32_t len = 36; len < 80; len++) {
		uint64_t edge = host_guest_ram(PAGE_SIZE) + PAGE_SIZE;
		uint8_t *p = (uint8_t *)(uintptr_t)(edge - len);

		memcpy(p, mem + DSDT, len);
		memcpy(p + 4, &len, 4);
		put(FADT + 140, edge - len, 8);
		init();
		/* The two types end at 72; two more elements follow in any package that firmware writes. */
		CHECK(!acpi.has_s5 || len >= 72);
		CHECK(acpi.has_s5 || len < 74);
		host_guest_ram_drop();
		build();
	}
}

TEST_MAIN
