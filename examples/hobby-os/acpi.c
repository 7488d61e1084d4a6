/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Power off without an AML interpreter: the FADT names the PM1 ports, and a search through the bytes of the DSDT finds the
 * sleep type for S5: every firmware writes the package \_S5 in the same way.
 */
#include "hobby.h"

#define FADT_DSDT		40
#define FADT_SMI_COMMAND	48
#define FADT_ACPI_ENABLE	52
#define FADT_PM1A_CONTROL	64
#define FADT_PM1B_CONTROL	68
#define PM1_SCI_ENABLE		0x0001
#define PM1_SLEEP_ENABLE	0x2000

#define AML_ZERO		0x00
#define AML_BYTE_PREFIX		0x0a
#define AML_PACKAGE		0x12

static uint32_t read32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static const uint8_t *find_rsdp_in(uint32_t from, uint32_t to)
{
	for (; from < to; from += 16)
		if (!memcmp((const void *)from, "RSD PTR ", 8))
			return (const uint8_t *)from;
	return NULL;
}

static const uint8_t *find_rsdp(void)
{
	const volatile uint16_t *ebda_segment = (const volatile uint16_t *)0x40e;
	const uint8_t *rsdp;
	uint32_t ebda;

	if (boot.rsdp)
		return (const uint8_t *)boot.rsdp;
	__asm__("" : "+r"(ebda_segment));	/* a fixed low address is no null pointer with an offset */
	ebda = (uint32_t)*ebda_segment << 4;
	rsdp = ebda >= 0x80000 ? find_rsdp_in(ebda, ebda + 1024) : NULL;
	return rsdp ? rsdp : find_rsdp_in(0xe0000, 0x100000);
}

const uint8_t *acpi_table(const char *signature)
{
	const uint8_t *rsdp = find_rsdp(), *rsdt;
	uint32_t length;

	if (!rsdp)
		return NULL;
	rsdt = (const uint8_t *)read32(rsdp + 16);
	if (!rsdt || memcmp(rsdt, "RSDT", 4))
		return NULL;
	length = read32(rsdt + 4);
	for (uint32_t at = 36; at + 4 <= length; at += 4) {
		const uint8_t *table = (const uint8_t *)read32(rsdt + at);

		if (!memcmp(table, signature, 4))
			return table;
	}
	return NULL;
}

/* The elements of \_S5 are bytes, with or without a prefix. */
static uint8_t package_byte(const uint8_t **p)
{
	if (**p == AML_BYTE_PREFIX)
		(*p)++;
	return *(*p)++;
}

static bool find_s5(const uint8_t *dsdt, uint8_t *type_a, uint8_t *type_b)
{
	uint32_t length = read32(dsdt + 4);

	/* The shortest package, which may end the table: name, package, its length and count, two elements. */
	for (uint32_t at = 36; at + 9 <= length; at++) {
		const uint8_t *p = dsdt + at;

		if (memcmp(p, "_S5_", 4) || p[4] != AML_PACKAGE)
			continue;
		p += 5;
		p += (*p >> 6) + 1;	/* package length: the top two bits count its further bytes */
		p++;			/* number of elements */
		*type_a = package_byte(&p);
		*type_b = package_byte(&p);
		return true;
	}
	return false;
}

static void acpi_enable(const uint8_t *fadt, uint16_t control)
{
	uint16_t command = read32(fadt + FADT_SMI_COMMAND);
	struct deadline end = deadline_in_ms(3000);

	if ((inw(control) & PM1_SCI_ENABLE) || !command || !fadt[FADT_ACPI_ENABLE])
		return;
	outb(command, fadt[FADT_ACPI_ENABLE]);
	while (!(inw(control) & PM1_SCI_ENABLE) && !deadline_passed(end))
		pause();
}

void acpi_poweroff(void)
{
	const uint8_t *fadt = acpi_table("FACP"), *dsdt = fadt ? (const uint8_t *)read32(fadt + FADT_DSDT) : NULL;
	uint16_t control_a, control_b;
	uint8_t type_a, type_b;

	if (!fadt || !dsdt || !find_s5(dsdt, &type_a, &type_b)) {
		printf("acpi: no %s\n", !fadt ? "FADT" : "\\_S5 in the DSDT");
		return;
	}
	control_a = read32(fadt + FADT_PM1A_CONTROL);
	control_b = read32(fadt + FADT_PM1B_CONTROL);
	acpi_enable(fadt, control_a);
	outw(control_a, PM1_SLEEP_ENABLE | type_a << 10);
	if (control_b)
		outw(control_b, PM1_SLEEP_ENABLE | type_b << 10);
	delay_us(1000000);
	printf("acpi: still here a second after %04x to port %04x\n", PM1_SLEEP_ENABLE | type_a << 10, control_a);
}
