/* SPDX-License-Identifier: BSD-2-Clause */
/* The I/O APIC: each input has an entry with a vector and a destination processor. */
#include "hobby.h"

#define MADT_ENTRIES	44
#define MADT_IOAPIC	1
#define MADT_OVERRIDE	2
#define DEFAULT_BASE	0xfec00000u

#define SELECT		0x00		/* selects a register ... */
#define WINDOW		0x10		/* ... which is then here */
#define VERSION		0x01
#define ENTRY(n)	(0x10 + 2 * (n))
#define LEVEL		0x8000
#define ACTIVE_LOW	0x2000
#define MASKED		0x10000

static volatile uint8_t *base;
static uint32_t first_gsi, inputs;

static uint32_t io_read(uint32_t reg)
{
	*(volatile uint32_t *)(base + SELECT) = reg;
	return *(volatile uint32_t *)(base + WINDOW);
}

static void io_write(uint32_t reg, uint32_t v)
{
	*(volatile uint32_t *)(base + SELECT) = reg;
	*(volatile uint32_t *)(base + WINDOW) = v;
}

static uint32_t field(const uint8_t *p, unsigned int bytes)
{
	uint32_t v = 0;

	memcpy(&v, p, bytes);
	return v;
}

/* Return the next entry of @type in the MADT after @after (NULL: the first). */
static const uint8_t *madt_entry(const uint8_t *madt, uint8_t type, const uint8_t *after)
{
	const uint8_t *p = after ? after + after[1] : madt + MADT_ENTRIES, *end = madt + field(madt + 4, 4);

	for (; p + 2 <= end && p[1] >= 2; p += p[1])
		if (p[0] == type)
			return p;
	return NULL;
}

/* Find the chip whose inputs begin at 0, and mask all inputs. */
void ioapic_init(void)
{
	const uint8_t *madt = acpi_table("APIC"), *e = NULL;

	base = (volatile uint8_t *)DEFAULT_BASE;
	while (madt && (e = madt_entry(madt, MADT_IOAPIC, e)) && field(e + 8, 4))
		;
	if (e) {
		base = (volatile uint8_t *)field(e + 4, 4);
		first_gsi = field(e + 8, 4);
	}
	inputs = (io_read(VERSION) >> 16 & 0xff) + 1;
	for (uint32_t i = 0; i < inputs; i++)
		io_write(ENTRY(i), MASKED);
}

/* PCI lines are level-triggered and active low, except inputs below 16 for which firmware names another polarity. */
static uint32_t trigger(uint8_t line)
{
	const uint8_t *madt = acpi_table("APIC"), *e = NULL;

	while (madt && (e = madt_entry(madt, MADT_OVERRIDE, e)))
		if (e[3] == line)
			return LEVEL | ((field(e + 8, 2) & 3) == 1 ? 0 : ACTIVE_LOW);
	return LEVEL | ACTIVE_LOW;
}

int ioapic_route(uint8_t line, uint8_t vector)
{
	if (line >= inputs) {
		printf("ioapic: no input %u, there are %u\n", line, inputs);
		return -1;
	}
	io_write(ENTRY(line) + 1, apic_id() << 24);
	io_write(ENTRY(line), trigger(line) | vector);
	return 0;
}
