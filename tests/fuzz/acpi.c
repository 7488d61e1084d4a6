/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/dev/acpi.c hv/load/limine_machine.c tests/unit/host/cpu.c tests/fuzz/lib/fuzz.c */
/* quick: 5000 */
/*
 * The firmware's tables from the RSDP on: a list of tables, each with its signature, length and body from the input, at places
 * that the root table names.  Checksums are right and lengths true unless the input says otherwise.  On a machine all addresses
 * below 4 GiB can be read; here only those of the tables and of what follows them can, so pointers lead there or behind 4 GiB.
 * acpi_hide_tables() reads whatever the second root table names: it is not called here.
 */
#include "tests/fuzz/fuzz.h"
#include "host/cpu.h"
#include "hv/cpu/cpus.h"
#include "hv/cpu/lapic.h"
#include "hv/dev/acpi.h"
#include "hv/load/limine.h"
#include "hv/mem/ram.h"

#define AREA	0x8000u
#define ROOT	0x40u
#define TABLES	0x400u
#define GAP	64u
#define OTHER	0x10000u		/* memory without tables, behind the tables */
#define LONGEST	(1u << 20)	/* a table */

static uint8_t *mem;
static struct limine_machine machine;

static struct cpu processor;
struct cpu *cpus[MAX_CPUS] = { &processor };
unsigned ncpus = 1;
uint32_t lapic_id(void) { return 0; }
uint32_t lapic_addr(void) { return 0xfee00000; }
bool lapic_x2apic(void) { return true; }
uint64_t time_cycles(uint32_t us) { return us * 1000ull; }
uint64_t gmem_top(void) { return 0x80000000; }

static void put(uint32_t off, uint64_t v, unsigned width) { memcpy(mem + off, &v, width); }

static void seal(uint32_t at, uint32_t len, uint32_t sum_at)
{
	uint8_t sum = 0;

	if (len > AREA - at)
		return;
	mem[at + sum_at] = 0;
	for (uint32_t i = 0; i < len; i++)
		sum += mem[at + i];
	mem[at + sum_at] = (uint8_t)-sum;
}

/* What no table covers by its own length is poisoned: a parser that reads on behind its table is found. */
static uint32_t begin[25], ntables;

static void poison_gaps(void)
{
	uint64_t covered = TABLES;

	for (unsigned i = 0; i < ntables; i++) {
		uint32_t len;

		if (begin[i] > covered)
			fuzz_poison(mem + covered, begin[i] - covered);
		memcpy(&len, mem + begin[i] + 4, 4);
		covered = MAX(covered, begin[i] + (uint64_t)MAX(len, 36u));
	}
	if (covered < AREA)
		fuzz_poison(mem + covered, AREA - covered);
}

/* One table at @at; returns its size, with a gap behind. */
static uint32_t table(uint32_t at)
{
	static const char *const names[] = { "APIC", "MCFG", "FACP", "DSDT", "DMAR", "IVRS", "XSDT", "SSDT" };
	uint8_t name = fuzz8(), flags = fuzz8();
	uint32_t len = 36u + fuzz16() % 2048u;

	bool fadt = name % ARRAY_SIZE(names) == 2;

	len = MIN(len, AREA - at);
	if (fadt)
		len = MAX(len, 160u);
	fuzz_bytes(mem + at + 36, len > 36 ? len - 36 : 0);
	memcpy(mem + at, names[name % ARRAY_SIZE(names)], 4);
	put(at + 4, flags & 1 ? fuzz32() : len, 4);
	/* A FADT's pointers to the DSDT: to the next table, or to where no memory is. */
	if (fadt) {
		put(at + 40, flags & 2 ? (uintptr_t)mem + ALIGN_UP(at + len, 4u) + GAP : flags & 8 ? ~0u : 0, 4);
		put(at + 140, flags & 16 ? (uintptr_t)mem + ALIGN_UP(at + len, 4u) + GAP : flags & 32 ? ~0ull << 32 : 0, 8);
	}
	if (!(flags & 4))
		seal(at, len, 9);
	begin[ntables++] = at;
	return ALIGN_UP(len, 4u) + GAP;
}

/* A pointer that leads to no table: to any bytes, or behind all memory. */
static uint64_t odd_pointer(void)
{
	uint16_t off = fuzz16();

	if (off < 36 || off & 1)
		return ~0ull - off % 36u;
	fuzz_bytes(mem + AREA + off, 64);
	return (uintptr_t)mem + AREA + off;
}

static void fuzz(void)
{
	uint8_t how = fuzz8();
	uint32_t at = TABLES, n = 0, width = how & 1 ? 4 : 8;
	bool old = how & 1;

	host_cpu_reset();
	mem = (uint8_t *)(uintptr_t)host_guest_ram(AREA + OTHER + LONGEST);
	while (fuzz_left && n < 24 && at + 256 < AREA) {
		put(ROOT + 36 + n++ * width, (uintptr_t)mem + at, width);
		at += table(at);
	}
	if (how & 2)
		put(ROOT + 36 + n++ * width, odd_pointer(), width);
	memcpy(mem + ROOT, old ? "RSDT" : "XSDT", 4);
	put(ROOT + 4, how & 4 ? fuzz8() % (36 + n * width + 1) : 36 + n * width, 4);
	seal(ROOT, 36 + n * width, 9);
	memcpy(mem, "RSD PTR ", 8);
	mem[15] = old ? 0 : 2;
	put(16, (uintptr_t)mem + ROOT, 4);
	put(20, 36, 4);
	put(24, (uintptr_t)mem + ROOT, 8);
	seal(0, 20, 8);
	seal(0, 36, 32);
	memset(&acpi, 0, sizeof(acpi));
	/* The last FADT may lead to where no table is. */
	begin[ntables++] = at;
	poison_gaps();
	acpi_init((uintptr_t)mem);
	CHECK(acpi.nioapics <= ACPI_MAX_IOAPICS && acpi.necam <= ACPI_MAX_ECAM && acpi.ntables <= ACPI_MAX_TABLES);
	for (unsigned i = 0; i < acpi.necam; i++)
		CHECK(acpi.ecam[i].bus_first <= acpi.ecam[i].bus_last && IS_ALIGNED(acpi.ecam[i].addr, 1u << 20));
	limine_ask_machine(&machine);
	fuzz_unpoison(mem, AREA);
}

FUZZ(fuzz)
