/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/pci/vpci.c hv/pci/guard.c hv/pci/vbridge.c hv/dev/trap.c */
/* sources: hv/mem/nested.c hv/mem/mtrr.c hv/mem/ptree.c hv/mem/gmem.c tests/unit/host/cpu.c */
/* Configuration space in memory that the chipset decodes, but the firmware's table does not name, is closed. */
#include <string.h>
#include <veneer/err.h>
#include <veneer/vpci.h>
#include "host/cpu.h"
#include "host/host.h"
#include "hv/boot/bootinfo.h"
#include "hv/dev/acpi.h"
#include "hv/dev/power.h"
#include "hv/dev/trap.h"
#include "hv/mem/nested.h"
#include "hv/mem/paging.h"
#include "hv/mem/ptree.h"
#include "hv/mem/ram.h"
#include "hv/pci/pci.h"

#define HOST	PCI_BDF(0, 0, 0)
#define OPEN	PCI_BDF(0, 6, 0)
#define ECAM	0xe0000000ull

struct acpi_info acpi;

static uint8_t config[256];		/* the host bridge's */
static struct pci_dev devices[] = { { .bdf = HOST, .class_code = 0x060000 }, { .bdf = OPEN, .class_code = 0x030000 } };

const struct pci_dev *pci_get(unsigned n) { return n < ARRAY_SIZE(devices) ? &devices[n] : NULL; }
uint64_t pci_ecam_page(uint16_t bdf) { return acpi.necam && PCI_BUS(bdf) < 2 ? ECAM + ((uint64_t)bdf << 12) : 0; }
uint32_t lapic_addr(void) { return 0xfee00000; }
void machine_stopping(void) { }
uint32_t pci_port_read(uint32_t address, uint16_t port, unsigned width) { return ~0u; }
void pci_port_write(uint32_t address, uint16_t port, unsigned width, uint32_t v) { }

uint32_t pci_cfg_read(uint16_t bdf, uint16_t off, unsigned width)
{
	uint32_t v = 0;

	CHECK_EQ(bdf, HOST);
	memcpy(&v, config + off, width);
	return v;
}

void pci_cfg_write(uint16_t bdf, uint16_t off, unsigned width, uint32_t v) { }
uint8_t pci_read8(const struct pci_dev *d, uint16_t off) { return (uint8_t)pci_cfg_read(d->bdf, off, 1); }
uint16_t pci_read16(const struct pci_dev *d, uint16_t off) { return (uint16_t)pci_cfg_read(d->bdf, off, 2); }
uint32_t pci_read32(const struct pci_dev *d, uint16_t off) { return pci_cfg_read(d->bdf, off, 4); }
uint16_t pci_ext_cap_at(const struct pci_dev *d, uint16_t off, uint16_t *at) { return 0; }
uint8_t pci_find_cap(const struct pci_dev *d, uint8_t id) { return 0; }
uint8_t pci_cap_at(const struct pci_dev *d, uint16_t off, uint16_t *at) { return 0; }

static struct boot_info boot = { .range = { { 0x100000, 0x7ff00000, MEM_USABLE } }, .nranges = 1,
				 .self_base = 0x7000000, .self_size = 0x400000 };

static uint64_t entry(uint64_t gpa)
{
	const struct pt_tree t = { &pt_format_x86, (uint64_t *)(uintptr_t)nested_root(), 2, 0 };

	return pt_get(&t, gpa);
}

static bool no_memory;

/* Start on a machine whose table names the first @necam of two ranges. */
static int start(unsigned necam)
{
	acpi = (struct acpi_info){ .necam = necam, .ecam = { { ECAM, 0, 0, 1 }, { 0xd0000000, 7, 0, 3 } } };
	gmem_init(&boot);
	CHECK_EQ(nested_init(&boot, &pt_format_x86, false), 0);
	if (no_memory)
		host_heap_fail_at(1);
	return vpci_init();
}

/* The page at PCIEXBAR: the host bridge's configuration space, or something else. */
static uint8_t shown[PAGE_SIZE];
static uint64_t mapped_at;
static unsigned shown_reads;

static uint64_t shown_read(void *ctx, uint32_t off, unsigned width)
{
	uint64_t v = 0;

	shown_reads++;
	memcpy(&v, shown + off, width);
	return v;
}

static void shown_write(void *ctx, uint32_t off, unsigned width, uint64_t v)
{
	host_fail(__FILE__, __LINE__, "a write to what is perhaps no configuration space");
}

volatile void *mem_map_mmio(uint64_t phys, uint64_t size)
{
	static const struct host_model model = { shown_read, shown_write };

	mapped_at = phys;
	return (volatile void *)(uintptr_t)host_mmio_new(size, &model, NULL);
}

static uint64_t space_held, space_size;

int pci_space_hold(uint64_t base, uint64_t size)
{
	space_held = base;
	space_size = size;
	return 0;
}

static int with_pciexbar(uint64_t reg, unsigned necam)
{
	host_cpu_reset();
	devices[0].vendor = 0x8086;
	memset(config, 0, sizeof(config));
	memcpy(config, &(uint32_t){ 0x8086 }, 4);
	memcpy(config + 0x60, &reg, 8);
	int err = start(necam);

	devices[0].vendor = 0;
	return err;
}

/* Without a table, PCIEXBAR counts if the host bridge's own page is at its address. */
TEST(ecam_of_intel_without_a_table)
{
	const unsigned buses_256 = 0, buses_64 = 2 << 1, on = 1;
	uint64_t reg = 0xc0000000 | buses_256 | on;
	uint32_t off;

	memset(shown, 0, sizeof(shown));
	memcpy(shown, &(uint32_t){ 0x8086 }, 4);
	memcpy(shown + 0x60, &reg, 8);
	CHECK_EQ(with_pciexbar(reg, 0), 0);
	CHECK_EQ(mapped_at, 0xc0000000);
	CHECK(nested_is_hidden(0xc0000000) && nested_is_hidden(0xcffff000) && !nested_is_hidden(0xd0000000));
	CHECK(trap_find_mmio(0xcff06000, &off) && off == 0xff06000);
	/* The table names another address. */
	CHECK_EQ(with_pciexbar(reg, 1), 0);
	CHECK(nested_is_hidden(0xc0000000) && nested_is_hidden(ECAM));
	/* Other registers at that offset: DRAM rows, an MSI capability. */
	for (unsigned at = 0; at < 0x68; at = at ? at + 1 : 0x60) {
		shown[at] ^= 0x80;
		CHECK_EQ(with_pciexbar(reg, 0), 0);
		CHECK(!nested_is_hidden(0xc0000000));
		shown[at] ^= 0x80;
	}
	/* An address in RAM, 0, or a disabled range is not read. */
	shown_reads = 0;
	CHECK_EQ(with_pciexbar(0x08000000 | on, 0), 0);
	CHECK_EQ(with_pciexbar(on, 0), 0);
	CHECK_EQ(with_pciexbar(0xc0000000 | buses_64, 0), 0);
	CHECK(!shown_reads && !nested_is_hidden(0xc0000000) && !nested_is_hidden(0x08000000) && !nested_is_hidden(0));
}

static int with_mmio_cfg(uint64_t reg, unsigned necam)
{
	host_cpu_reset();
	host_msr_set(0xc0010058, reg);
	return start(necam);
}

/* An MSR of AMD's processors has the decoded range, whatever the table names. */
TEST(ecam_of_amd_without_a_table)
{
	const unsigned buses_64 = 6 << 2, buses_512 = 9 << 2, on = 1;
	uint32_t off;

	CHECK_EQ(with_mmio_cfg(0xc0000000 | buses_64 | on, 0), 0);
	CHECK(nested_is_hidden(0xc0000000) && nested_is_hidden(0xc3fff000) && !nested_is_hidden(0xc4000000));
	CHECK(space_held == 0xc0000000 && space_size == 64 << 20);
	/* Reads give ones; writes reach the function's guard. */
	CHECK_EQ(*(uint64_t *)(uintptr_t)(entry(0xc0000000) & GENMASK64(51, 12)), ~0ull);
	CHECK_EQ(entry(0xc0000000) & 3, 1);
	CHECK(trap_find_mmio(0xc0106000, &off) && off == 0x106000);
	/* Disabled, or at address 0. */
	CHECK_EQ(with_mmio_cfg(0xc0000000 | buses_64, 0), 0);
	CHECK(!nested_is_hidden(0xc0000000));
	CHECK_EQ(with_mmio_cfg(buses_64 | on, 0), 0);
	CHECK(!nested_is_hidden(0));
	/* The table names buses 0 and 1 of them. */
	CHECK_EQ(with_mmio_cfg(ECAM | buses_64 | on, 1), 0);
	CHECK(nested_is_hidden(ECAM + (2 << 20)) && nested_is_hidden(ECAM + (63 << 20)));
	CHECK(!nested_is_hidden(ECAM + (64 << 20)));
	CHECK_EQ(entry(ECAM + (OPEN << 12)) & GENMASK64(51, 12), ECAM + (OPEN << 12));
	/* The table names another address. */
	CHECK_EQ(with_mmio_cfg(0xc0000000 | buses_64 | on, 1), 0);
	CHECK(nested_is_hidden(0xc0000000) && nested_is_hidden(ECAM));
	/* Another segment behind the first: closed, and without a trap. */
	CHECK_EQ(with_mmio_cfg(0xa0000000 | buses_512 | on, 0), 0);
	CHECK(nested_is_hidden(0xa0000000) && nested_is_hidden(0xbffff000) && !nested_is_hidden(0xc0000000));
	CHECK(trap_find_mmio(0xaffff000, &off) && !trap_find_mmio(0xb0000000, &off));
	/* Without memory the start stops. */
	no_memory = true;
	CHECK_EQ(with_mmio_cfg(0xc0000000 | buses_64 | on, 0), -ERR_NOMEM);
	no_memory = false;
}

TEST_MAIN
