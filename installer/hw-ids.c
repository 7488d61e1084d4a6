/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Print one driver's id table, with which this program is linked for the host: the option of the driver (argv[1]), kind,
 * driver, vendor, device, class, mask, how far it was tried, model; separated by tabs, numbers in hexadecimal, "*" for any.
 *
 * First come two lines of kind "cost", bytes of Veneer's memory in decimal: for "veneer" the minimum, the needs of all
 * machines, of a start, of each processor, of each GiB without pages of 1 GiB, of an IOMMU; for the driver a controller
 * with 0, 1, 2 ... disks.
 *
 * Lines of kind "limit" have the sizes of the start's tables, with the words of its messages.
 */
#include <stdio.h>
#include <veneer/clock.h>
#include <veneer/hwdev.h>
#include "conceal/need.h"
#include "hv/boot/bootinfo.h"
#include "hv/boot/need.h"
#include "hv/boot/own.h"
#include "hv/dev/acpi.h"
#include "hv/iommu/iommu.h"
#include "hw/nvme/nvme.h"

#define MAX_DISKS	32u

extern const struct hw_driver *const __start_veneer_drivers[] __attribute__((weak));
extern const struct hw_driver *const __stop_veneer_drivers[] __attribute__((weak));

static void number(uint16_t v)
{
	if (v == HW_ANY)
		printf("\t*");
	else
		printf("\t%04x", v);
}

static void print(const char *option, const struct hw_driver *d, const struct hw_id *id)
{
	printf("%s\t%s\t%s", option, d->class == HW_NIC ? "nic" : "storage", d->name);
	number(id->vendor);
	number(id->device);
	printf("\t%06x\t%06x\t%s\t%s\n", id->class_code, id->class_mask,
	       id->emulated ? "emulated" : id->modelled ? "modelled" : "never", id->model);
}

/* By the number of disks; a card has none. */
static void print_costs(const char *option, const struct hw_driver *d)
{
	printf("%s\tcost\t%s", option, d->name);
	for (unsigned n = 0; n <= (d->class == HW_NIC ? 0 : MAX_DISKS); n++)
		printf("\t%llu", (unsigned long long)need_of(d, n));
	printf("\n");
}

static void print_limits(const char *option)
{
	static const struct { const char *what; unsigned max; } limits[] = {
		{ "processors", ACPI_MAX_CPUS },
		{ "I/O APICs", ACPI_MAX_IOAPICS },
		{ "ECAM ranges", ACPI_MAX_ECAM },
		{ "IOMMU units", IOMMU_MAX_UNITS },
		{ "ranges in the memory map", BOOT_MAX_RANGES },
		{ "controllers to conceal", MAX_DEVICES },
		{ "disks and cards", MAX_TWINS },
		{ "namespaces of one NVMe controller", NVME_MAX_DISKS },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(limits); i++)
		printf("%s\tlimit\t%s\t%u\n", option, limits[i].what, limits[i].max);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	printf("%s\tcost\tveneer\t%u\t%u\t%u\t%u\t%u\t%u\n", argv[1], OWN_MIN, NEED_IMAGE + NEED_BASE,
	       NEED_LOADER + NEED_TABLES, NEED_CPU, NEED_GIB, NEED_IOMMU);
	print_limits(argv[1]);
	for (const struct hw_driver *const *d = __start_veneer_drivers; d < __stop_veneer_drivers; d++) {
		print_costs(argv[1], *d);
		for (unsigned i = 0; i < (*d)->nids; i++)
			print(argv[1], *d, &(*d)->ids[i]);
	}
	return 0;
}
