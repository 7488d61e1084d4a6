/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/load/limine_machine.c tests/unit/host/cpu.c */
/* The machine's data for a Limine kernel: processors from the MADT, NMI pins, the CMOS clock. */
#include <string.h>
#include "host/cpu.h"
#include "host/host.h"
#include "hv/cpu/cpus.h"
#include "hv/cpu/lapic.h"
#include "hv/load/limine.h"

struct acpi_info acpi;
struct cpu *cpus[MAX_CPUS];
unsigned ncpus;
static struct cpu cpu[4];
static struct limine_machine m;

uint32_t lapic_id(void) { return 3; }
uint32_t lapic_addr(void) { return 0xfee00000; }
bool lapic_x2apic(void) { return true; }
uint64_t time_cycles(uint32_t us) { return us * 1000ull; }

/* --- the CMOS clock --- */

static uint8_t cmos[128], chosen;
static unsigned reads, ticks_at;		/* a second is over after this number of reads */

static uint64_t cmos_read(void *ctx, uint32_t off, unsigned width)
{
	if (off && ticks_at && ++reads == ticks_at)
		cmos[0]++;
	return off ? cmos[chosen] : chosen;
}

static void cmos_write(void *ctx, uint32_t off, unsigned width, uint64_t v)
{
	CHECK_EQ(off, 0);
	chosen = v & 0x7f;
}

static void clock_says(uint8_t mode, const uint8_t t[6])
{
	static const uint8_t at[6] = { 9, 8, 7, 4, 2, 0 };	/* year, month, day, hour, minute, second */

	memset(cmos, 0, sizeof(cmos));
	cmos[0x0b] = mode;
	for (unsigned i = 0; i < 6; i++)
		cmos[at[i]] = t[i];
	limine_ask_machine(&m);
}
#define CLOCK(mode, ...) clock_says(mode, (const uint8_t[6]){ __VA_ARGS__ })

static uint8_t madt[256];
static uint32_t used;

static void entry(const void *e, uint8_t size)
{
	memcpy(madt + used, e, size);
	used += size;
}
#define ENTRY(...) entry((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void begin(void)
{
	static const struct host_model model = { cmos_read, cmos_write };

	host_cpu_reset();
	host_cpuid_set(1, (struct cpuid_regs){ .ecx = BIT(21) });
	host_cpuid_set(0x80000001, (struct cpuid_regs){ .edx = BIT(20) });
	host_pio_model(0x70, 2, &model, NULL);
	memset(&acpi, 0, sizeof(acpi));
	memset(cmos, 0, sizeof(cmos));
	reads = ticks_at = 0;
	ncpus = 4;
	for (unsigned i = 0; i < 4; i++) {
		cpus[i] = &cpu[i];
		cpu[i] = (struct cpu){ .apic_id = i == 3 ? 300 : 3 + i, .state = i ? CPU_WAITS : CPU_RUNS };
	}
	used = 44;
}

/* The last entry is nothing but a head; memory ends behind the table. */
TEST(entry_too_short_for_its_type)
{
	uint8_t *exact;

	begin();
	ENTRY(0, 8, 10, 3, 1, 0, 0, 0);
	ENTRY(0, 2);
	exact = malloc(used);
	memcpy(exact, madt, used);
	acpi.madt = (uintptr_t)exact;
	acpi.madt_len = used;
	limine_ask_machine(&m);
	free(exact);
	CHECK_EQ(m.ncpus, 1);
}

TEST(processors_of_the_madt)
{
	begin();
	acpi.nioapics = 1;
	acpi.ioapic[0].addr = 0xfec00000;
	ENTRY(0, 8, 10, 3, 1, 0, 0, 0);
	ENTRY(0, 8, 11, 4, 1, 0, 0, 0);
	ENTRY(0, 8, 12, 9, 1, 0, 0, 0);					/* unknown to Veneer */
	ENTRY(9, 16, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 77, 0, 0, 0);	/* the second processor, as an x2APIC entry */
	ENTRY(9, 16, 0, 0, 44, 1, 0, 0, 1, 0, 0, 0, 13, 0, 0, 0);
	ENTRY(0, 8, 14, 5, 1, 0, 0, 0);
	ENTRY(4, 6, 0xff, 5, 0, 1);					/* all: LINT1, high, edge */
	ENTRY(4, 6, 10, 15, 0, 0);					/* one: LINT0, low, level */
	ENTRY(10, 12, 3, 0, 13, 0, 0, 0, 0, 0, 0, 0);			/* LINT0, low; "conforms" is edge */
	ENTRY(4, 6, 11, 0, 0, 2);					/* no such pin */
	cpu[2].state = CPU_ABSENT;
	acpi.madt = (uintptr_t)madt;
	acpi.madt_len = used;
	limine_ask_machine(&m);
	CHECK_EQ(m.ncpus, 3);
	CHECK_EQ(m.cpu[0].uid, 10);
	CHECK_EQ(m.cpu[0].apic_id, 3);
	CHECK_EQ(m.cpu[1].uid, 11);
	CHECK_EQ(m.cpu[2].uid, 13);
	CHECK_EQ(m.cpu[2].apic_id, 300);
	CHECK_EQ(m.cpu[0].lint[0], 0x10400 | BIT(13) | BIT(15));
	CHECK_EQ(m.cpu[0].lint[1], 0x10400);
	CHECK_EQ(m.cpu[1].lint[0], LVT_MASKED);
	CHECK_EQ(m.cpu[2].lint[0], 0x10400 | BIT(13));
	CHECK_EQ(m.bsp_apic_id, 3);
	CHECK(m.x2apic_there && m.x2apic_on && m.nx);
	CHECK_EQ(m.tsc_hz, 1000000000);
	CHECK(m.nioapics == 1 && m.ioapic[0] == 0xfec00000);
	/* Cut off at any place: whole entries count, nothing beyond the end is read. */
	for (uint32_t n = 44; n <= used; n++) {
		uint8_t *copy = malloc(n);

		memcpy(copy, madt, n);
		acpi.madt = (uintptr_t)copy;
		acpi.madt_len = n;
		limine_ask_machine(&m);
		CHECK(m.ncpus >= 1 && m.ncpus <= 3);
		free(copy);
	}
	/* An entry of length 0 ends the table.  Without a table there is the boot processor. */
	madt[44 + 9] = 0;
	acpi.madt = (uintptr_t)madt;
	acpi.madt_len = used;
	limine_ask_machine(&m);
	CHECK_EQ(m.ncpus, 1);
	acpi.madt = 0;
	limine_ask_machine(&m);
	CHECK(m.ncpus == 1 && m.cpu[0].apic_id == 3);
}

TEST(the_clock)
{
	begin();
	CLOCK(0x02, 0x24, 0x02, 0x29, 0x12, 0x34, 0x56);	/* BCD, 24 hours */
	CHECK_EQ(m.date, 1709210096);
	CLOCK(0x06, 24, 2, 29, 12, 34, 56);			/* binary */
	CHECK_EQ(m.date, 1709210096);
	CLOCK(0x00, 0x24, 0x02, 0x29, 0x92, 0x34, 0x56);	/* 12 hours: 12 pm */
	CHECK_EQ(m.date, 1709210096);
	CLOCK(0x04, 24, 2, 29, 12, 34, 56);			/* 12 am */
	CHECK_EQ(m.date, 1709210096 - 12 * 3600);
	CLOCK(0x04, 24, 2, 29, 0x81, 34, 56);			/* 1 pm */
	CHECK_EQ(m.date, 1709210096 + 3600);
	CLOCK(0x06, 70, 1, 1, 0, 0, 0);
	CHECK_EQ(m.date, 0);
	CLOCK(0x06, 0, 3, 1, 0, 0, 0);
	CHECK_EQ(m.date, 951868800);
	CLOCK(0x06, 99, 12, 31, 23, 59, 59);
	CHECK_EQ(m.date, 946684799);
	/* Invalid dates. */
	CLOCK(0x06, 24, 13, 1, 0, 0, 0);
	CHECK_EQ(m.date, 0);
	CLOCK(0x06, 24, 0, 1, 0, 0, 0);
	CHECK_EQ(m.date, 0);
	CLOCK(0x06, 24, 1, 32, 0, 0, 0);
	CHECK_EQ(m.date, 0);
	CLOCK(0x06, 24, 1, 1, 24, 0, 0);
	CHECK_EQ(m.date, 0);
	memset(cmos, 0xff, sizeof(cmos));			/* no clock at all: "updating" for ever */
	limine_ask_machine(&m);
	CHECK_EQ(m.date, 0);
	/* A second ends between two readings: the clock is read again. */
	ticks_at = 9;
	CLOCK(0x06, 24, 2, 29, 12, 34, 55);
	CHECK_EQ(m.date, 1709210096);
}

TEST_MAIN
