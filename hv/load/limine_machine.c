/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine's data for the Limine protocol: processors, I/O APICs, clocks.  Writes only the CMOS index to the machine. */
#include <veneer/io.h>
#include <veneer/string.h>
#include <veneer/time.h>
#include "hv/cpu/cpus.h"
#include "hv/cpu/lapic.h"
#include "hv/load/limine.h"
#include "hv/x86.h"

#define CPUID_X2APIC		BIT(21)		/* 1h ECX */
#define CPUID_NX		BIT(20)		/* 80000001h EDX */

/* ACPI 6.4, 5.2.12: entries of the MADT. */
#define MADT_LAPIC		0
#define MADT_LAPIC_NMI		4
#define MADT_X2APIC		9
#define MADT_X2APIC_NMI		10
#define MADT_FIRST		44u
#define FLAGS_POLARITY		GENMASK(1, 0)
#define FLAGS_TRIGGER		GENMASK(3, 2)
#define  FLAGS_LOW_LEVEL	3u
#define LVT_NMI			(FIELD_PREP(ICR_MODE, ICR_MODE_NMI) | LVT_MASKED)
#define LVT_ACTIVE_LOW		BIT(13)
#define LVT_LEVEL		BIT(15)

#define CMOS_INDEX		0x70
#define CMOS_DATA		0x71
#define CMOS_A			0x0a
#define  CMOS_UPDATING		BIT(7)
#define CMOS_B			0x0b
#define  CMOS_24H		BIT(1)
#define  CMOS_BINARY		BIT(2)
#define CMOS_UPDATE_US		10000u		/* an update takes 2 ms */

static uint32_t u32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Return the MADT's entry behind @at (0: the first); 0 if there is none. */
static uint32_t next_entry(const uint8_t *madt, uint32_t at)
{
	at = at ? at + madt[at + 1] : MADT_FIRST;
	return at + 2 <= acpi.madt_len && madt[at + 1] >= 2 && at + madt[at + 1] <= acpi.madt_len ? at : 0;
}

static void add_cpu(struct limine_machine *m, uint32_t uid, uint32_t apic_id)
{
	/* Only those that Veneer has and that wait: the boot processor, and the others if the build starts them. */
	for (unsigned i = 0; i < ncpus; i++) {
		if (cpus[i]->apic_id != apic_id || cpus[i]->state == CPU_ABSENT || m->ncpus == ACPI_MAX_CPUS)
			continue;
		m->cpu[m->ncpus].uid = uid;
		m->cpu[m->ncpus].apic_id = apic_id;
		m->cpu[m->ncpus].lint[0] = m->cpu[m->ncpus].lint[1] = LVT_MASKED;
		m->ncpus++;
		return;
	}
}

static bool listed(const struct limine_machine *m, uint32_t apic_id)
{
	for (unsigned i = 0; i < m->ncpus; i++)
		if (m->cpu[i].apic_id == apic_id)
			return true;
	return false;
}

static void read_cpus(struct limine_machine *m, const uint8_t *madt)
{
	for (uint32_t at = 0; (at = next_entry(madt, at));) {
		const uint8_t *e = madt + at;
		bool x2 = e[0] == MADT_X2APIC && e[1] >= 16;
		uint32_t id;

		if (!x2 && (e[0] != MADT_LAPIC || e[1] < 8))
			continue;
		id = x2 ? u32(e + 4) : e[3];
		if (!listed(m, id))
			add_cpu(m, x2 ? u32(e + 12) : e[2], id);
	}
}

/* Set the local interrupt pin to which an NMI source is wired, for one processor or all.  The kernel unmasks the pin. */
static void set_lint(struct limine_machine *m, uint32_t uid, bool all, uint16_t flags, unsigned pin)
{
	uint32_t lvt = LVT_NMI;

	if (FIELD_GET(FLAGS_POLARITY, flags) == FLAGS_LOW_LEVEL)
		lvt |= LVT_ACTIVE_LOW;
	if (FIELD_GET(FLAGS_TRIGGER, flags) == FLAGS_LOW_LEVEL)
		lvt |= LVT_LEVEL;
	for (unsigned i = 0; i < m->ncpus && pin < 2; i++)
		if (all || m->cpu[i].uid == uid)
			m->cpu[i].lint[pin] = lvt;
}

static void read_nmis(struct limine_machine *m, const uint8_t *madt)
{
	for (uint32_t at = 0; (at = next_entry(madt, at));) {
		const uint8_t *e = madt + at;

		if (e[0] == MADT_LAPIC_NMI && e[1] >= 6)
			set_lint(m, e[2], e[2] == 0xff, (uint16_t)(e[3] | e[4] << 8), e[5]);
		else if (e[0] == MADT_X2APIC_NMI && e[1] >= 9)
			set_lint(m, u32(e + 4), u32(e + 4) == ~0u, (uint16_t)(e[2] | e[3] << 8), e[8]);
	}
}

static uint8_t cmos(uint8_t index)
{
	pio_write8(CMOS_INDEX, index);
	return pio_read8(CMOS_DATA);
}

static void read_clock(uint8_t t[6])
{
	static const uint8_t from[6] = { 0, 2, 4, 7, 8, 9 };	/* second, minute, hour, day, month, year */

	wait_until(!(cmos(CMOS_A) & CMOS_UPDATING), CMOS_UPDATE_US);
	for (unsigned i = 0; i < sizeof(from); i++)
		t[i] = cmos(from[i]);
}

/* Days from 1970 to the first of March of @year, and from there by months of 30.6 days. */
static int64_t days(int64_t year, int64_t month, int64_t day)
{
	int64_t y = month <= 2 ? year - 1 : year, m = month <= 2 ? month + 9 : month - 3;

	return y * 365 + y / 4 - y / 100 + y / 400 + (m * 306 + 5) / 10 + day - 1 - 719468;
}

/* Return the date of the CMOS clock, taken as UTC; 0 if there is no valid date.  Read until two readings agree. */
static int64_t read_date(void)
{
	uint8_t t[6], again[6], mode = cmos(CMOS_B), pm;

	for (unsigned tries = 0; ; tries++) {
		read_clock(t);
		read_clock(again);
		if (!memcmp(t, again, sizeof(t)))
			break;
		if (tries == 4)
			return 0;
	}
	pm = !(mode & CMOS_24H) && (t[2] & 0x80);
	t[2] &= (mode & CMOS_24H) ? 0xff : 0x7f;
	for (unsigned i = 0; i < sizeof(t) && !(mode & CMOS_BINARY); i++)
		t[i] = (uint8_t)((t[i] >> 4) * 10 + (t[i] & 15));
	if (!(mode & CMOS_24H))
		t[2] = (uint8_t)(t[2] % 12 + (pm ? 12 : 0));
	if (t[0] > 59 || t[1] > 59 || t[2] > 23 || !t[3] || t[3] > 31 || !t[4] || t[4] > 12 || t[5] > 99)
		return 0;
	return days(t[5] < 70 ? 2000 + t[5] : 1900 + t[5], t[4], t[3]) * 86400 + t[2] * 3600 + t[1] * 60 + t[0];
}

void limine_ask_machine(struct limine_machine *m)
{
	const uint8_t *madt = (const uint8_t *)(uintptr_t)acpi.madt;

	memset(m, 0, sizeof(*m));
	m->bsp_apic_id = lapic_id();
	if (madt) {
		read_cpus(m, madt);
		read_nmis(m, madt);
	}
	if (!listed(m, m->bsp_apic_id) && m->ncpus < ACPI_MAX_CPUS)
		add_cpu(m, 0, m->bsp_apic_id);
	m->x2apic_there = cpuid(1, 0).ecx & CPUID_X2APIC;
	m->x2apic_on = lapic_x2apic();
	m->nx = cpuid(0x80000001, 0).edx & CPUID_NX;
	m->lapic = lapic_addr();
	m->tsc_hz = time_cycles(1000000);
	m->date = read_date();
	m->nioapics = acpi.nioapics;
	for (unsigned i = 0; i < acpi.nioapics; i++)
		m->ioapic[i] = acpi.ioapic[i].addr;
	m->ntables = acpi.ntables;
	for (unsigned i = 0; i < acpi.ntables; i++) {
		m->table[i].addr = acpi.table[i].addr;
		m->table[i].len = acpi.table[i].len;
	}
}
