/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Linked with one driver's id table for the host, prints it: the option that switches the driver on (argv[1]), kind, driver,
 * vendor, device, class, mask, how far it was tried, model; separated by tabs, numbers in hexadecimal, "*" for any.
 */
#include <stdio.h>
#include <veneer/hwdev.h>

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
	printf("\t%06x\t%06x\t%s\t%s\n", id->class_code, id->class_mask, id->emulated ? "emulated" : "never", id->model);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	for (const struct hw_driver *const *d = __start_veneer_drivers; d < __stop_veneer_drivers; d++)
		for (unsigned i = 0; i < (*d)->nids; i++)
			print(argv[1], *d, &(*d)->ids[i]);
	return 0;
}
