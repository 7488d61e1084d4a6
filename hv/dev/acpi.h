/* SPDX-License-Identifier: BSD-2-Clause */
/* The few facts that Veneer takes from the firmware's ACPI tables (ACPI 6.4).  The guest keeps the tables, except IOMMUs'. */
#ifndef HV_ACPI_H
#define HV_ACPI_H

#include <veneer/types.h>

#define ACPI_MAX_CPUS		256u
#define ACPI_MAX_IOAPICS	64u
#define ACPI_MAX_ECAM		32u
#define ACPI_MAX_TABLES		96u
#define ACPI_MAX_HPETS		8u

struct acpi_info {
	unsigned ncpus;				/* enabled processors in the MADT; 1 without one */
	uint32_t cpu_id[ACPI_MAX_CPUS];		/* APIC ids of the first ACPI_MAX_CPUS; none without a MADT */
	unsigned nioapics;
	struct { uint32_t addr, gsi_base; } ioapic[ACPI_MAX_IOAPICS];
	uint32_t lapic_addr;
	unsigned necam;
	struct { uint64_t addr; uint16_t segment; uint8_t bus_first, bus_last; } ecam[ACPI_MAX_ECAM];
	bool ecam_left_out;			/* the MCFG names more ranges, or is broken: the guest must not start */
	uint16_t pm_timer;			/* port, 0 when absent */
	bool pm_timer_32bit;
	uint16_t pm1a_cnt, pm1b_cnt;		/* ports, 0 when absent */
	uint16_t pm1_also[2];			/* ports of the FADT's 64-bit fields for the two, if they are others */
	uint32_t pm1_addr[2];			/* the same, if in memory */
	bool has_s5;
	uint8_t s5_typ_a, s5_typ_b;		/* SLP_TYP for soft off, from the DSDT */
	uint16_t reset_port;			/* FADT reset register, if in I/O space; else 0 */
	uint32_t reset_addr;			/* the same, if in memory; else 0 */
	uint16_t sleep_port;			/* sleep control register of hardware-reduced ACPI */
	uint32_t sleep_addr;
	uint8_t reset_value;
	uint64_t dmar, ivrs;			/* tables of IOMMUs, which hv/iommu reads; 0 if absent */
	uint32_t dmar_len, ivrs_len;
	uint64_t madt;
	uint32_t madt_len;
	unsigned nhpets;
	uint32_t hpet[ACPI_MAX_HPETS];		/* pages with an HPET; each once */
	unsigned ntables;			/* all tables that were found, root tables and DSDT too, as far as they fit */
	struct { uint64_t addr; uint32_t len; } table[ACPI_MAX_TABLES];
};

extern struct acpi_info acpi;

/* Walk the tables from the RSDP at @rsdp (0: none).  Bad tables are skipped with a line in the log. */
void acpi_init(uint64_t rsdp);

/*
 * Rename the tables of IOMMUs so that no operating system recognizes them, however it finds them.  If a table cannot be
 * written, a line says so.  Call once, after acpi_init().
 */
void acpi_hide_tables(void);

#endif
