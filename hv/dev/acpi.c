/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ACPI tables that Veneer needs, read once at the start.  No AML is interpreted; tables are hidden from the guest by name
 * only.
 */
#include <veneer/io.h>
#include <veneer/limit.h>
#include <veneer/log.h>
#include <veneer/string.h>
#include "hv/dev/acpi.h"
#include "hv/mem/ram.h"

struct acpi_info acpi;

struct sdt {
	char signature[4];
	uint32_t length;
	uint8_t revision, checksum;
	char oem[6], oem_table[8];
	uint32_t oem_revision, creator, creator_revision;
} PACKED;

struct gas {
	uint8_t space, bits, offset, access;
	uint64_t addr;
} PACKED;

#define GAS_SPACE_MEMORY	0
#define GAS_SPACE_IO		1

#define MADT_LAPIC	0
#define MADT_IOAPIC	1
#define MADT_X2APIC	9
#define  MADT_ENABLED	BIT(0)

/* IA-PC HPET 1.0a, 3.2.4 */
#define HPET_BASE		40

/* FADT byte offsets (ACPI 6.4, 5.2.9) */
#define FADT_DSDT		40
#define FADT_PM1A_CNT		64
#define FADT_PM1B_CNT		68
#define FADT_PM_TMR		76
#define FADT_FLAGS		112
#define  FADT_TMR_VAL_EXT	BIT(8)
#define  FADT_RESET_REG_SUP	BIT(10)
#define  FADT_HW_REDUCED	BIT(20)
#define FADT_RESET_REG		116
#define FADT_RESET_VALUE	128
#define FADT_X_DSDT		140
#define FADT_X_PM1A_CNT		172
#define FADT_X_PM1B_CNT		184
#define FADT_SLEEP_CONTROL	244

#define MAX_TABLE	0x100000u

/* Tables may be unaligned: copy every field. */
static uint64_t field(const void *table, unsigned off, unsigned width)
{
	uint64_t v = 0;

	memcpy(&v, (const uint8_t *)table + off, width);
	return v;
}

/* Return the table at @addr, or NULL if its address or length is wrong.  A bad checksum gives only a warning. */
static const struct sdt *table_at(uint64_t addr)
{
	const struct sdt *t = (const struct sdt *)(uintptr_t)addr;
	uint64_t limit = MAX(gmem_top(), 1ull << 32);
	uint8_t sum = 0;

	/* Read only memory that the host has mapped.  Some firmware leaves entries of 0. */
	if (addr < PAGE_SIZE)
		return NULL;
	if (addr >= limit - sizeof(*t)) {
		log_warn("acpi: table at %#lx is behind all memory, left out", addr);
		return NULL;
	}
	if (t->length < sizeof(*t) || t->length > MAX_TABLE || t->length > limit - addr) {
		log_warn("acpi: table %.4s at %#lx has a length of %u, left out", t->signature, addr, t->length);
		/* The guest might still accept the table. */
		acpi.ecam_left_out |= !memcmp(t->signature, "MCFG", 4);
		return NULL;
	}
	for (uint32_t i = 0; i < t->length; i++)
		sum += ((const uint8_t *)t)[i];
	if (sum)
		log_warn("acpi: table %.4s at %#lx has a bad checksum, used all the same", t->signature, addr);
	if (acpi.ntables < ACPI_MAX_TABLES) {
		acpi.table[acpi.ntables].addr = addr;
		acpi.table[acpi.ntables++].len = t->length;
	}
	return t;
}

/* Add a processor once: some firmware lists it in both forms. */
static void add_cpu(uint32_t flags, uint32_t apic_id)
{
	if (!(flags & MADT_ENABLED))
		return;
	for (unsigned i = 0; i < acpi.ncpus && i < ACPI_MAX_CPUS; i++)
		if (acpi.cpu_id[i] == apic_id)
			return;
	if (acpi.ncpus < ACPI_MAX_CPUS)
		acpi.cpu_id[acpi.ncpus] = apic_id;
	else
		limit_reached("processors", ACPI_MAX_CPUS);
	acpi.ncpus++;
}

static void add_ioapic(uint32_t addr, uint32_t gsi_base)
{
	if (acpi.nioapics == ACPI_MAX_IOAPICS) {
		limit_reached("I/O APICs", ACPI_MAX_IOAPICS);
		return;
	}
	acpi.ioapic[acpi.nioapics].addr = addr;
	acpi.ioapic[acpi.nioapics++].gsi_base = gsi_base;
}

static void parse_madt(const struct sdt *t)
{
	const uint8_t *p = (const uint8_t *)t;

	if (t->length < 44)
		return;
	acpi.ncpus = 0;
	acpi.lapic_addr = (uint32_t)field(t, 36, 4);
	for (uint32_t at = 44; at + 2 <= t->length && p[at + 1] >= 2 && at + p[at + 1] <= t->length; at += p[at + 1]) {
		const uint8_t *e = p + at;

		if (e[0] == MADT_LAPIC && e[1] >= 8)
			add_cpu((uint32_t)field(e, 4, 4), e[3]);
		else if (e[0] == MADT_X2APIC && e[1] >= 16)
			add_cpu((uint32_t)field(e, 8, 4), (uint32_t)field(e, 4, 4));
		else if (e[0] == MADT_IOAPIC && e[1] >= 12)
			add_ioapic((uint32_t)field(e, 4, 4), (uint32_t)field(e, 8, 4));
	}
}

static void parse_mcfg(const struct sdt *t)
{
	for (uint32_t at = 44; at + 16 <= t->length; at += 16) {
		const uint8_t *e = (const uint8_t *)t + at;

		/* The address is bus 0's, whatever the first bus is (PCI Firmware 3.0, 4.1.2). */
		if (e[10] > e[11] || !field(e, 0, 8) || !IS_ALIGNED(field(e, 0, 8), 1ull << 20) || field(e, 0, 8) >> 52)
			continue;
		if (acpi.necam == ACPI_MAX_ECAM) {
			limit_reached("ECAM ranges", ACPI_MAX_ECAM);
			acpi.ecam_left_out = true;
			return;
		}
		acpi.ecam[acpi.necam].addr = field(e, 0, 8);
		acpi.ecam[acpi.necam].segment = (uint16_t)field(e, 8, 2);
		acpi.ecam[acpi.necam].bus_first = e[10];
		acpi.ecam[acpi.necam++].bus_last = e[11];
	}
}

/* Read one AML integer: in _S5 firmware writes ZeroOp, OneOp or a byte constant (ACPI 6.4, 20.2.3). */
static bool aml_byte(const uint8_t **p, const uint8_t *end, uint8_t *out)
{
	if (*p < end && (**p == 0 || **p == 1)) {
		*out = *(*p)++;
		return true;
	}
	if (*p + 1 < end && **p == 0x0a) {
		*out = (*p)[1];
		*p += 2;
		return true;
	}
	return false;
}

/* Find Name (_S5, Package (n) { a, b, ... }) by its bytes, since Veneer interprets no AML. */
static void find_s5(const struct sdt *dsdt)
{
	const uint8_t *p = (const uint8_t *)dsdt + sizeof(*dsdt), *end = (const uint8_t *)dsdt + dsdt->length;

	/* _S5 may be the last object of the table. */
	for (; p + 6 < end; p++) {
		if (memcmp(p, "_S5_", 4) != 0 || p[4] != 0x12)
			continue;
		const uint8_t *q = p + 5;
		q += 1 + (*q >> 6);		/* package length */
		q++;				/* number of elements */
		if (aml_byte(&q, end, &acpi.s5_typ_a) && aml_byte(&q, end, &acpi.s5_typ_b)) {
			acpi.has_s5 = true;
			return;
		}
	}
	log_warn("acpi: no _S5 in the DSDT: a soft-off by the guest will not be recognized");
}

/* Get a register of one byte, in ports or in memory below 4 GiB, which the host has mapped. */
static void take_register(const struct sdt *t, unsigned off, uint16_t *port, uint32_t *addr)
{
	struct gas g;

	memcpy(&g, (const uint8_t *)t + off, sizeof(g));
	if (g.space == GAS_SPACE_IO && g.addr < 0x10000)
		*port = (uint16_t)g.addr;
	else if (g.space == GAS_SPACE_MEMORY && g.addr < 1ull << 32)
		*addr = (uint32_t)g.addr;
	else if (g.addr)
		log_warn("acpi: the register at %#lx of address space %u is not watched", g.addr, g.space);
}

/* Systems differ in which of the two fields they use if the fields disagree (ACPI 6.4, 5.2.9: the 64-bit one): take both. */
static void take_pm1(const struct sdt *t, unsigned off, uint16_t *port, unsigned n)
{
	uint16_t other = 0;

	if (t->length < off + sizeof(struct gas))
		return;
	take_register(t, off, &other, &acpi.pm1_addr[n]);
	if (!*port)
		*port = other;
	else if (other != *port)
		acpi.pm1_also[n] = other;
}

static void parse_fadt(const struct sdt *t)
{
	uint64_t dsdt = 0;
	uint32_t flags;

	if (t->length < FADT_FLAGS + 4)
		return;
	flags = (uint32_t)field(t, FADT_FLAGS, 4);
	acpi.pm1a_cnt = (uint16_t)field(t, FADT_PM1A_CNT, 4);
	acpi.pm1b_cnt = (uint16_t)field(t, FADT_PM1B_CNT, 4);
	take_pm1(t, FADT_X_PM1A_CNT, &acpi.pm1a_cnt, 0);
	take_pm1(t, FADT_X_PM1B_CNT, &acpi.pm1b_cnt, 1);
	acpi.pm_timer = (uint16_t)field(t, FADT_PM_TMR, 4);
	acpi.pm_timer_32bit = flags & FADT_TMR_VAL_EXT;
	if ((flags & FADT_RESET_REG_SUP) && t->length > FADT_RESET_VALUE) {
		take_register(t, FADT_RESET_REG, &acpi.reset_port, &acpi.reset_addr);
		acpi.reset_value = (uint8_t)field(t, FADT_RESET_VALUE, 1);
	}
	if ((flags & FADT_HW_REDUCED) && t->length >= FADT_SLEEP_CONTROL + sizeof(struct gas))
		take_register(t, FADT_SLEEP_CONTROL, &acpi.sleep_port, &acpi.sleep_addr);
	if (t->length >= FADT_X_DSDT + 8)
		dsdt = field(t, FADT_X_DSDT, 8);
	if (!dsdt)
		dsdt = field(t, FADT_DSDT, 4);
	const struct sdt *d = table_at(dsdt);
	if (d)
		find_s5(d);
}

/* Firmware may have a table for each block of comparators. */
static void add_hpet(const struct sdt *t)
{
	struct gas g;
	uint32_t page;

	if (t->length < HPET_BASE + sizeof(g))
		return;
	memcpy(&g, (const uint8_t *)t + HPET_BASE, sizeof(g));
	page = ALIGN_DOWN((uint32_t)g.addr, PAGE_SIZE);
	if (g.space != GAS_SPACE_MEMORY || g.addr >= 1ull << 32 || !page) {
		log_warn("acpi: the HPET at %#lx of address space %u is not watched", g.addr, g.space);
		return;
	}
	for (unsigned i = 0; i < acpi.nhpets; i++)
		if (acpi.hpet[i] == page)
			return;
	if (acpi.nhpets == ACPI_MAX_HPETS)
		limit_reached("HPETs", ACPI_MAX_HPETS);
	else
		acpi.hpet[acpi.nhpets++] = page;
}

/* Note the first table of its name. */
static void take_table(const struct sdt *t, uint64_t *addr, uint32_t *len)
{
	if (*addr)
		return;
	*addr = (uintptr_t)t;
	*len = t->length;
}

static void parse_table(uint64_t addr)
{
	const struct sdt *t = table_at(addr);

	if (!t)
		return;
	if (!memcmp(t->signature, "APIC", 4)) {
		take_table(t, &acpi.madt, &acpi.madt_len);
		parse_madt(t);
	}
	if (!memcmp(t->signature, "MCFG", 4))
		parse_mcfg(t);
	else if (!memcmp(t->signature, "FACP", 4))
		parse_fadt(t);
	else if (!memcmp(t->signature, "HPET", 4))
		add_hpet(t);
	else if (!memcmp(t->signature, "DMAR", 4))
		take_table(t, &acpi.dmar, &acpi.dmar_len);
	else if (!memcmp(t->signature, "IVRS", 4))
		take_table(t, &acpi.ivrs, &acpi.ivrs_len);
}

/* Call @fn for each entry of an RSDT (4 bytes) or XSDT (8 bytes). */
static void for_each(const struct sdt *root, unsigned width, void (*fn)(uint64_t addr))
{
	for (uint32_t at = sizeof(*root); at + width <= root->length; at += width)
		fn(field(root, at, width));
}

static const struct sdt *xsdt(const uint8_t *r)
{
	return r[15] >= 2 && field(r, 24, 8) ? table_at(field(r, 24, 8)) : NULL;
}

static const struct sdt *rsdt(const uint8_t *r)
{
	return table_at(field(r, 16, 4));
}

static const uint8_t *root_pointer;

void acpi_init(uint64_t rsdp)
{
	const struct sdt *root;

	root_pointer = (const uint8_t *)(uintptr_t)rsdp;
	acpi.ncpus = 1;
	acpi.lapic_addr = 0xfee00000;
	if (!rsdp) {
		log_warn("acpi: the boot loader handed over no RSDP: assuming one CPU, no ECAM, no IOAPIC");
		return;
	}
	if ((root = xsdt(root_pointer))) {
		for_each(root, 8, parse_table);
	} else if ((root = rsdt(root_pointer))) {
		for_each(root, 4, parse_table);
	} else {
		log_warn("acpi: no usable RSDT or XSDT");
		return;
	}
	log_info("acpi: %u CPUs, %u IOAPICs, %u ECAM ranges, PM timer %#x, PM1a %#x", acpi.ncpus, acpi.nioapics, acpi.necam,
		 acpi.pm_timer, acpi.pm1a_cnt);
}

/* Rename a table: names that begin with OEM belong to no specification (ACPI 6.4, table 5.6).  The checksum stays correct. */
static void rename_table(uint64_t addr)
{
	static const char name[4] = { 'O', 'E', 'M', 'V' };
	struct sdt *t = (struct sdt *)(uintptr_t)addr;

	if (addr < PAGE_SIZE || addr >= MAX(gmem_top(), 1ull << 32) - sizeof(*t))
		return;
	if (memcmp(t->signature, "DMAR", 4) != 0 && memcmp(t->signature, "IVRS", 4) != 0)
		return;
	bool kept = true;

	for (unsigned i = 0; i < sizeof(name); i++) {
		volatile char *c = &t->signature[i];

		t->checksum = (uint8_t)(t->checksum + (uint8_t)*c - (uint8_t)name[i]);
		*c = name[i];
		kept &= *c == name[i];
	}
	if (!kept)
		log_warn("acpi: the table at %#lx cannot be written: the guest finds the table, but no IOMMU", addr);
}

/* Follow both root tables: old systems use the RSDT even if there is an XSDT. */
void acpi_hide_tables(void)
{
	const struct sdt *root;

	if (!root_pointer)
		return;
	if ((root = xsdt(root_pointer)))
		for_each(root, 8, rename_table);
	if ((root = rsdt(root_pointer)))
		for_each(root, 4, rename_table);
}
