/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/iommu/amdvi.c hv/iommu/dma_table.c hv/iommu/fault.c */
/*
 * AMD-Vi units over a model of their registers (AMD I/O Virtualization 3.08, 2.4, 2.5 and 3.4) that refuses a wrong order, and
 * a walk of the tables (2.2) that shares nothing with what built them.  What is mapped is test_confine.c's.
 */
#include <string.h>
#include <veneer/clock.h>
#include <veneer/counters.h>
#include <veneer/err.h>
#include <veneer/mem.h>
#include "host/host.h"
#include "hv/cpu/lapic.h"
#include "hv/iommu/confine.h"
#include "hv/pci/pci.h"

#define EDU	PCI_BDF(0, 4, 0)
#define NVME	PCI_BDF(1, 0, 0)
#define PAGES	64u
#define LAST	2u
#define GIB	0x40000000ull
#define OWN	0x7fc00000ull

static struct pci_dev function = { .bdf = PCI_BDF(0, 0, 2), .cap_msi = 0x50 };
static uint16_t msi_control;
static uint32_t msi_address, msi_data;
const struct pci_dev *pci_get(unsigned n) { return n ? NULL : &function; }
uint16_t pci_read16(const struct pci_dev *d, uint16_t off) { return off == 0x52 ? 0x80 | msi_control : 0; }

void pci_write16(const struct pci_dev *d, uint16_t off, uint16_t v)
{
	CHECK(off == 0x52 || off == 0x5c);
	*(off == 0x52 ? &msi_control : (uint16_t *)&msi_data) = v;
}

void pci_write32(const struct pci_dev *d, uint16_t off, uint32_t v)
{
	CHECK(off == 0x54 || (off == 0x58 && !v));
	msi_address = off == 0x54 ? v : msi_address;
}

uint32_t lapic_id(void) { return 3; }
int clock_register(void (*fn)(void *ctx, uint64_t now_us), void *ctx) { return 0; }
static const uint64_t *faults, *lost;
void counter_register(const char *object, const char *what, const uint64_t *value)
{
	*(strcmp(what, "lost") ? &faults : &lost) = value;
}
volatile uint8_t *iommu_reg(const struct iommu_unit *u, unsigned off) { return (volatile uint8_t *)(uintptr_t)u->base + off; }

/* --- the unit --- */

static struct unit {
	uint64_t devices, commands, events, control, status, head, tail, event_head, event_tail;
	unsigned flushed_devices, flushes;
	bool deaf, stuck, log_stuck;
} m;

static void run_commands(uint64_t tail)
{
	for (; m.head != tail && !m.deaf; m.head = (m.head + 16) % 4096) {
		const uint64_t *c = (const uint64_t *)(uintptr_t)((m.commands & GENMASK64(51, 12)) + m.head);

		switch (c[0] >> 60) {
		case 1:
			CHECK((c[0] & 7) == 1);
			*(uint64_t *)(uintptr_t)(c[0] & GENMASK64(51, 3)) = c[1];
			break;
		case 2:
			CHECK(!c[1] && !(c[0] & GENMASK64(59, 16)));
			m.flushed_devices++;
			break;
		case 3:
			CHECK_EQ(c[1], 0x7ffffffffffff003ull);
			m.flushes++;
			break;
		case 8:
			CHECK(c[0] << 4 == 0 && !c[1]);
			m.flushes += 2;
			break;
		default:
			host_fail(__FILE__, __LINE__, "command %#llx", (unsigned long long)c[0]);
		}
	}
}

static uint64_t model_read(void *ctx, uint32_t off, unsigned width)
{
	CHECK_EQ(width, 8);
	switch (off) {
	case 0x18: return m.control;
	case 0x2000: return m.head;
	case 0x2008: return m.tail;
	case 0x2020: return m.status | (m.control & BIT(2) || m.log_stuck ? 8 : 0) | (m.control & BIT(12) ? 16 : 0);
	}
	host_fail(__FILE__, __LINE__, "read of register %#x", off);
}

static void model_write(void *ctx, uint32_t off, unsigned width, uint64_t v)
{
	bool log = m.control & BIT(2), runs = m.control & BIT(12);

	CHECK_EQ(width, 8);
	switch (off) {
	/* The table may not change while the unit is on, nor buffers while they are in use (3.4.1 to 3.4.3). */
	case 0x00: CHECK(!(m.control & 1)); m.devices = v; return;
	case 0x08: CHECK(!runs && v >> 56 == 8); m.commands = v; m.head = m.tail = 0; return;
	case 0x10: CHECK(!log && v >> 56 == 8); m.events = v; m.event_head = m.event_tail = 0; return;
	case 0x18:
		CHECK(!(v & ~(uint64_t)(BIT(0) | BIT(1) | BIT(2) | BIT(3) | GENMASK(12, 5))) || !(v & 1));
		m.control = m.stuck ? v | (m.control & 1) : v;
		return;
	case 0x20: CHECK_EQ(v, 0); return;
	case 0x2000: CHECK(!runs && !v); m.head = 0; return;
	case 0x2008:
		m.tail = v;
		if (runs && m.control & 1)
			run_commands(v);
		return;
	case 0x2010: m.event_head = v; return;
	case 0x2018: CHECK(!log && !v); m.event_tail = 0; return;
	case 0x2020: m.status &= ~v; return;
	}
	host_fail(__FILE__, __LINE__, "write of %#llx to register %#x", (unsigned long long)v, off);
}

static const struct host_model model = { model_read, model_write };

/* --- the walk --- */

static const uint64_t *entry(uint16_t id)
{
	CHECK(id < ((m.devices & 0x1ff) + 1) * 128);
	return (const uint64_t *)(uintptr_t)(m.devices & GENMASK64(51, 12)) + 4 * id;
}

static bool reaches(uint16_t id, uint64_t addr)
{
	const uint64_t *e = entry(id);
	uint64_t table = e[0];
	unsigned level = table >> 9 & 7;

	/* An entry that is not valid would let everything pass; ATS is off; INTx and NMI messages pass. */
	CHECK((e[0] & 3) == 3 && !(e[1] & BIT64(32)) && (e[1] >> 40 & 3) == 2 && !(e[2] & 1) && (e[2] >> 56 & 7) == 7);
	if (!level) {
		CHECK(!(e[0] >> 61 & 3));
		return false;
	}
	CHECK((e[0] >> 61 & 3) == 3 && (e[1] & 0xffff));
	while (level) {
		unsigned shift = 12 + 9 * (level - 1), next;

		table = ((const uint64_t *)(uintptr_t)(table & GENMASK64(51, 12)))[addr >> shift & 511];
		if (!(table & 1)) {
			CHECK_EQ(table, 0);
			return false;
		}
		next = table >> 9 & 7;
		CHECK((table >> 61 & 3) == 3 && next < level);
		if (!next) {
			CHECK((table & GENMASK64(51, 12)) == (addr >> shift << shift) && level <= 3);
			return true;
		}
		level = next;
	}
	return false;
}

/* --- the machine --- */

static struct iommu_unit unit;
static struct dma_arena arena;
static struct dma_table table;

static void machine(void)
{
	memset(&m, 0, sizeof(m));
	msi_control = 0;
	unit = (struct iommu_unit){ .kind = IOMMU_AMDVI, .bdf = function.bdf, .size = 0x4000, .ecap = BIT(6), .flags = 0x0a };
	unit.base = host_mmio_new(0x4000, &model, NULL);
	arena = (struct dma_arena){ mem_alloc(PAGES * PAGE_SIZE, PAGE_SIZE), 0, PAGES };
	fault_watch_none();
	fault_counters();
}

static int go(void)
{
	struct dma_traits t = { .largest = 3, .levels = 4, .coherent = true };
	int err;

	CHECK(amdvi_ops.traits(0, &unit, 5 * GIB, &t) && t.largest == 3 && t.levels == 4 && t.coherent);
	CHECK_EQ(dma_table_init(&table, amdvi_ops.format, &arena, t.largest), 0);
	CHECK_EQ(dma_table_set(&table, 0, 5 * GIB, true), 0);
	CHECK_EQ(dma_table_set(&table, OWN, 0x1000, false), 0);
	unsigned before = arena.used;
	CHECK_EQ(amdvi_ops.begin(&arena, LAST), 0);
	CHECK_EQ(amdvi_ops.assign(EDU, DMA_GUEST, dma_table_root(&table, 4), 4), 0);
	err = amdvi_ops.enable(0, &unit, &arena);
	CHECK(arena.used - before <= amdvi_ops.pages(3, LAST, 1));
	return err;
}

TEST(devices_reach_what_their_table_maps)
{
	machine();
	CHECK_EQ(go(), 0);
	CHECK(m.control & 1 && m.flushes == 4 && m.flushed_devices == (LAST + 1) * 256);
	/* How the unit speaks with its bus is what the table says: PassPW and isochronous. */
	CHECK_EQ(m.control, BIT(0) | BIT(2) | BIT(3) | BIT(8) | BIT(10) | BIT(11) | BIT(12));
	CHECK(reaches(EDU, 0) && reaches(EDU, OWN - 1) && !reaches(EDU, OWN) && reaches(EDU, OWN + 0x1000));
	CHECK(reaches(EDU, 5 * GIB - 1) && !reaches(EDU, 5 * GIB));
	for (unsigned id = 0; id < (LAST + 1) * 256; id++)
		CHECK(id == EDU || !reaches((uint16_t)id, 0x1000));
	CHECK(amdvi_ops.domain_of(EDU) == DMA_GUEST && amdvi_ops.domain_of(NVME) == DMA_NONE);
	CHECK(amdvi_ops.domain_of(0x300) == DMA_NONE && amdvi_ops.assign(0x300, DMA_GUEST, 0, 4) == -ERR_NOMEM);
}

TEST(a_unit_without_the_command_for_all)
{
	machine();
	unit.ecap = 0;
	CHECK_EQ(go(), 0);
	CHECK(m.flushed_devices == (LAST + 1) * 256 && m.flushes == 2);
	/* The ring of commands begins again. */
	for (unsigned i = 0; i < 20; i++)
		CHECK_EQ(amdvi_ops.flush(0, &unit), 0);
	CHECK_EQ(m.flushes, 42);
}

TEST(a_unit_of_another_segment)
{
	machine();
	unit.segment = 1;
	CHECK_EQ(go(), 0);
	CHECK(!(m.devices & 0x1ff) && !reaches(EDU, 0x1000) && host_log_has("iommu0: has no message"));
}

TEST(firmware_leaves_it_on)
{
	machine();
	m.control = BIT(0) | BIT(2) | BIT(12) | BIT(13) | BIT64(16);
	CHECK_EQ(go(), 0);
	CHECK(!(m.control & (BIT(13) | BIT64(16))) && reaches(EDU, 0));
}

TEST(units_that_do_not_follow)
{
	machine();
	m.control = 1;
	m.stuck = true;
	CHECK_EQ(go(), -ERR_TIMEOUT);
	CHECK(host_log_has("iommu0: translation is still on 1000 ms after it was switched off (control 0x1"));
	machine();
	m.deaf = true;
	CHECK_EQ(go(), -ERR_TIMEOUT);
	CHECK(host_log_has("iommu0: its caches are not flushed after 1000 ms (head 0, tail 0x810, status 0x18)"));
	CHECK_EQ(amdvi_ops.disable(0, &unit), 0);
	CHECK(!(m.control & 1));
	unsigned used = arena.used;

	machine();
	arena.pages = used - 1;
	CHECK_EQ(go(), -ERR_NOMEM);
	CHECK(!m.control);
}

/* --- faults --- */

static void event(uint16_t id, bool write, uint64_t addr)
{
	uint64_t *e = (uint64_t *)(uintptr_t)((m.events & GENMASK64(51, 12)) + m.event_tail);

	CHECK_EQ(e[0], 0);
	e[0] = 2ull << 60 | (write ? BIT64(53) : 0) | id;
	e[1] = addr;
	m.event_tail = (m.event_tail + 16) % 4096;
	m.status |= 2;
}

TEST(faults_are_named_once_and_counted)
{
	machine();
	CHECK_EQ(go(), 0);
	CHECK(msi_control == 0x81 && msi_address == 0xfee03000 && (uint16_t)msi_data == 0x400);
	uint64_t before = *faults;

	CHECK(!iommu_faults());
	event(EDU, true, OWN);
	event(NVME, false, GIB);
	event(EDU, true, OWN);
	CHECK(iommu_faults() && !iommu_faults());
	CHECK(host_log_has("iommu0: 00:04.0: DMA write at 0x7fc00000 refused: reason 0x2"));
	CHECK(host_log_has("iommu0: 01:00.0: DMA read at 0x40000000 refused: reason 0x2"));
	CHECK(*faults == before + 3 && m.event_head == 0x30 && !m.status);
	/* The message of what is taken when the units are aimed may still come. */
	event(EDU, true, OWN);
	iommu_aim(3);
	CHECK(iommu_faults() && !iommu_faults());
	before++;
	host_log_clear();
	for (unsigned i = 0; i < 300; i++) {
		event(EDU, true, OWN);
		CHECK(iommu_faults());
	}
	CHECK(*faults == before + 303 && m.event_head == m.event_tail && !host_log_has("DMA"));
}

/* The unit stops its log when the log is full, and keeps hold of it for a while. */
TEST(a_log_that_is_full)
{
	machine();
	CHECK_EQ(go(), 0);
	uint64_t before = *faults, were = *lost;

	for (unsigned i = 0; i < 256; i++)
		event(EDU, true, OWN);
	m.status |= 1;
	m.log_stuck = true;
	CHECK(iommu_faults());
	CHECK(*faults == before + 256 && *lost == were + 1 && !(m.control & BIT(2)) && m.status == 1);
	m.log_stuck = false;
	CHECK(iommu_faults() && !iommu_faults());
	CHECK(*lost == were + 1 && m.control & BIT(2) && !m.status && !m.event_tail);
	event(EDU, true, OWN);
	CHECK(iommu_faults() && *faults == before + 257);
	/* A device that goes on and on: the message stays off, the ticks look. */
	for (unsigned i = 0; i < 1100; i++) {
		event(EDU, true, OWN);
		iommu_faults();
	}
	CHECK(*faults == before + 1357 && !(m.control & BIT(3)) && m.control & BIT(2));
}

TEST(the_message_follows_the_processor)
{
	machine();
	CHECK_EQ(go(), 0);
	uint64_t before = *faults;

	event(EDU, true, OWN);
	iommu_aim(7);
	CHECK(msi_control == 0x81 && msi_address == 0xfee07000 && (uint16_t)msi_data == 0x400 && *faults == before + 1);
	/* A unit that has no message. */
	machine();
	unit.segment = 1;
	CHECK_EQ(go(), 0);
	msi_address = 0;
	iommu_aim(8);
	CHECK(!msi_address && !msi_control);
}

TEST_MAIN
