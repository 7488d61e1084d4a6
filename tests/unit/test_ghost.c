/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/iommu/ghost.c */
/* The ghost check finds each kind of hole, and nothing if there is none: over tables that are written here, by entry. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <veneer/mem.h>
#include "host/host.h"
#include "hv/boot/own.h"
#include "hv/cpu/cpus.h"
#include "hv/dev/acpi.h"
#include "hv/dev/trap.h"
#include "hv/iommu/confine.h"
#include "hv/iommu/ghost.h"
#include "hv/mem/nested.h"
#include "hv/pci/pci.h"

#define GIB	0x40000000ull
#define OWN	0x600000ull		/* 2 MiB of Veneer's, the first page of them its image */
#define BAR	0x800000ull
#define LEFT	PCI_BDF(0, 4, 0)
#define HIDDEN	PCI_BDF(0, 8, 0)

struct acpi_info acpi;

static void *jump[5];
static char said[200];

/* panic() must not return: jump back into the test. */
void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(said, sizeof(said), fmt, ap);
	va_end(ap);
	__builtin_longjmp(jump, 1);
}

static const struct pci_dev pci[] = {
	{ .bdf = LEFT, .bar = { { .addr = 0x10000000, .size = PAGE_SIZE } } },
	{ .bdf = HIDDEN, .bar = { { .addr = BAR, .size = 0x2000 }, { .addr = 0xc000, .size = 16, .io = true } } },
};

/* More hidden functions, with a BAR each, from 4 GiB on or from port D000h on. */
static unsigned more;
static bool more_ports;

const struct pci_dev *pci_get(unsigned n)
{
	static struct pci_dev d;

	if (n < ARRAY_SIZE(pci))
		return &pci[n];
	n -= ARRAY_SIZE(pci);
	d = (struct pci_dev){ .bdf = (uint16_t)(PCI_BDF(1, 0, 0) + n) };
	d.bar[0] = (struct pci_bar){ .addr = more_ports ? 0xd000 + n * 16 : 4 * GIB + n * PAGE_SIZE,
				     .size = more_ports ? 16 : PAGE_SIZE, .io = more_ports };
	return n < more ? &d : NULL;
}

uint64_t pci_ecam_page(uint16_t bdf) { return 0; }

static uint16_t opened;
bool vpci_is_left(uint16_t bdf) { return bdf == LEFT || (opened && bdf == opened); }

bool own_piece(unsigned n, uint64_t *base, uint64_t *size)
{
	*base = OWN;
	*size = 0x200000;
	return !n;
}

void own_image(uint64_t *base, uint64_t *size)
{
	*base = OWN;
	*size = PAGE_SIZE;
}

static uint32_t lost_port;
bool trap_port_exits(uint16_t port)
{
	CHECK((port >= 0xcf8 && port < 0xd00) || (port >= 0xc000 && port < 0xc010) || (port >= 0xd000 && more_ports));
	return port != lost_port;
}

static void (*changed)(void);
void guest_on_change(void (*fn)(void)) { changed = fn; }

static struct iommu_info info;
const struct iommu_info *iommu_found(void) { return &info; }

/* --- three trees: a top table, one of 1 GiB, one of 2 MiB, and one of pages for the first 2 MiB of BAR --- */

struct tree { uint64_t *table[4]; };

static struct tree cpu, by_left, by_own;
static bool amd, confined;

uint64_t nested_root(void) { return mem_phys(cpu.table[0]); }

bool confine_root(enum dma_domain domain, uint64_t *root, unsigned *levels, bool *is_amd)
{
	*root = mem_phys(domain == DMA_GUEST ? by_left.table[0] : by_own.table[0]);
	*levels = 4;
	*is_amd = amd;
	return confined;
}

static uint64_t to_table(const uint64_t *t, unsigned level)
{
	return mem_phys(t) | (amd ? 1 | (uint64_t)level << 9 | 3ull << 61 : 3);
}

static uint64_t to_leaf(uint64_t addr, bool large) { return addr | (amd ? 1 | 3ull << 61 : large ? 0x83 : 3); }

/* The first GiB, but for Veneer and the hidden BAR. */
static void plant(struct tree *t, bool is_amd)
{
	bool was = amd;

	amd = is_amd;
	for (unsigned i = 0; i < 4; i++)
		t->table[i] = mem_alloc(PAGE_SIZE, PAGE_SIZE);
	t->table[0][0] = to_table(t->table[1], 3);
	t->table[1][0] = to_table(t->table[2], 2);
	for (unsigned i = 0; i < 512; i++)
		t->table[2][i] = i == OWN >> 21 ? 0 : i == BAR >> 21 ? to_table(t->table[3], 1) :
				 to_leaf((uint64_t)i << 21, true);
	for (unsigned i = 2; i < 512; i++)
		t->table[3][i] = to_leaf(BAR + i * PAGE_SIZE, false);
	amd = was;
}

static void machine(bool is_amd)
{
	amd = is_amd;
	confined = true;
	opened = 0;
	lost_port = more = 0;
	more_ports = false;
	memset(&info, 0, sizeof(info));
	plant(&cpu, false);
	plant(&by_left, amd);
	plant(&by_own, amd);
	by_own.table[2][OWN >> 21] = 0;
	said[0] = '\0';
	if (!__builtin_setjmp(jump))
		ghost_begin();
	CHECK_EQ(strlen(said), 0);
	CHECK(changed == ghost_check);
}

static bool finds(const char *text)
{
	said[0] = '\0';
	if (!__builtin_setjmp(jump))
		changed();
	return *text ? strstr(said, text) != NULL : !said[0];
}

#define CPUS	"the guest's processors: "
#define DEVICES	"DMA of the guest's devices: "
#define OWN_DMA	"DMA of concealed devices: "

/* Each entry in turn is wrong, and is right again. */
static void wrong(struct tree *t, unsigned level, unsigned at, uint64_t entry, const char *text)
{
	uint64_t was = t->table[level][at];

	t->table[level][at] = entry;
	CHECK(finds(text));
	t->table[level][at] = was;
	CHECK(finds(""));
}

TEST(holes_in_each_tree)
{
	for (unsigned i = 0; i < 2; i++) {
		machine(i);
		CHECK(finds(""));
		wrong(&cpu, 2, OWN >> 21, OWN | 0x83, CPUS "0x600000+0x200000 is within reach, and 0x600000-0x7fffff");
		wrong(&cpu, 3, 1, (BAR + PAGE_SIZE) | 3, "the guest's processors: 0x801000+0x1000 is within reach");
		wrong(&cpu, 1, 0, 0x83, "the guest's processors: 0+0x40000000 is within reach");
		wrong(&by_left, 2, OWN >> 21, to_leaf(OWN, true), DEVICES "0x600000+0x200000 is within reach");
		wrong(&by_left, 3, 0, to_leaf(BAR, false), "DMA of the guest's devices: 0x800000+0x1000 is within reach");
		/* Veneer's heap is the concealed devices', the image and the registers are not. */
		wrong(&by_own, 2, OWN >> 21, to_leaf(OWN, true), OWN_DMA "0x600000+0x200000 is within reach");
		wrong(&by_own, 3, 1, to_leaf(BAR + PAGE_SIZE, false), OWN_DMA "0x801000+0x1000 is within reach");
		/* Something else in its place. */
		wrong(&cpu, 3, 5, OWN | 3, "the guest's processors: 0x805000 shows 0x600000");
		wrong(&by_left, 3, 5, to_leaf(OWN, false), "DMA of the guest's devices: 0x805000 shows 0x600000");
	}
}

TEST(a_page_of_ones)
{
	uint64_t *ones = mem_alloc(PAGE_SIZE, PAGE_SIZE);

	machine(false);
	memset(ones, 0xff, PAGE_SIZE);
	for (unsigned i = 0; i < 2; i++)
		cpu.table[3][i] = mem_phys(ones) | 1;
	CHECK(finds(""));
	wrong(&cpu, 3, 1, mem_phys(ones) | 3, "0x801000 shows");
	ones[511] = 0;
	CHECK(finds("0x800000 shows"));
	/* No device gets ones: its access is refused. */
	ones[511] = ~0ull;
	wrong(&by_left, 3, 1, mem_phys(ones) | 1, "DMA of the guest's devices: 0x801000 shows");
}

TEST(ports_and_functions)
{
	machine(false);
	lost_port = 0xc00f;
	CHECK(finds("the port 0xc00f does not exit"));
	lost_port = 0xcfc;
	CHECK(finds("the port 0xcfc does not exit"));
	lost_port = 0;
	opened = HIDDEN;
	CHECK(finds("pci 00:08.0 has become the guest's"));
	opened = PCI_BDF(9, 0, 0);
	CHECK(finds("pci 09:00.0 has become the guest's"));
	opened = 0;
	CHECK(finds(""));
}

TEST(a_table_that_leads_upward)
{
	machine(true);
	wrong(&by_left, 2, 7, to_table(by_left.table[1], 3), "leads upward");
}

/* A hole that is there at the start. */
TEST(at_the_start)
{
	machine(false);
	cpu.table[2][OWN >> 21] = OWN | 0x83;
	if (!__builtin_setjmp(jump))
		ghost_begin();
	CHECK(strstr(said, "the guest's processors: 0x600000+"));
	/* Without confinement there is one tree. */
	machine(false);
	confined = false;
	if (!__builtin_setjmp(jump))
		ghost_begin();
	CHECK(host_log_has("compared with 1 trees"));
}

static void begin_with(unsigned functions, bool with_ports)
{
	more = functions;
	more_ports = with_ports;
	said[0] = '\0';
	if (!__builtin_setjmp(jump))
		ghost_begin();
	CHECK_EQ(strlen(said), 0);
}

/* The three ranges of machine(), and one for each function: what has no room is said, and what is in the table is checked. */
TEST(the_table_of_ranges_is_full)
{
	machine(false);
	begin_with(512 - 3, false);
	CHECK(!host_log_has("limit: "));
	CHECK(host_log_has("ghost: 512 ranges"));
	begin_with(512 - 3 + 1, false);
	CHECK(host_log_has("limit: more than 512 ranges that the ghost check knows"));
	wrong(&cpu, 1, 4, 4 * GIB | 0x83, CPUS "0x100000000+0x40000000 is within reach");
	wrong(&cpu, 2, OWN >> 21, OWN | 0x83, CPUS "0x600000+0x200000 is within reach");
}

/* The hidden function's ports and CF8h to CFFh, and one run for each further function. */
TEST(the_table_of_ports_is_full)
{
	machine(false);
	begin_with(64 - 2, true);
	CHECK(!host_log_has("limit: "));
	CHECK(host_log_has("and 64 runs of ports"));
	begin_with(64 - 2 + 1, true);
	CHECK(host_log_has("limit: more than 64 ports that the ghost check knows"));
	lost_port = 0xd000;
	CHECK(finds("the port 0xd000 does not exit"));
}

TEST_MAIN
