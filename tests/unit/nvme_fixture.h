/* SPDX-License-Identifier: BSD-2-Clause */
/* For test_nvme*.c: a machine with one NVMe controller that has two namespaces, and requests to this controller. */
#ifndef NVME_FIXTURE_H
#define NVME_FIXTURE_H

#include <string.h>
#include <veneer/disk.h>
#include <veneer/err.h>
#include <veneer/hwdev.h>
#include <veneer/mem.h>
#include <veneer/time.h>
#include "host/host.h"
#include "disk_requests.h"
#include "nvme_model.h"

extern const struct hw_driver *const __start_veneer_drivers[], *const __stop_veneer_drivers[];

static struct pci_dev pci;
static uint8_t *cfg;
static struct hw_dev *dev;
static struct disk *d1, *d2;

/* --- helpers --- */

static const struct hw_id *id_for(uint16_t vendor, uint16_t device)
{
	const struct hw_driver *drv = __start_veneer_drivers[0];

	for (unsigned i = 0; i < drv->nids; i++)
		if (drv->ids[i].vendor == vendor && drv->ids[i].device == device)
			return &drv->ids[i];
	host_fail(__FILE__, __LINE__, "no such id");
}

static void new_machine(void)
{
	memset(&pci, 0, sizeof(pci));
	cfg = host_pci_config(&pci);
	pci.cap_msix = 0x40;
	cfg[0x43] = 0x80;		/* MSI-X enabled */
	model_init(&pci);
	ram = host_guest_ram(RAM_SIZE);
	host_time_hook = model_run;
	dev = NULL;
}

static int probe_as(uint16_t vendor, uint16_t device)
{
	int err = __start_veneer_drivers[0]->probe(&pci, id_for(vendor, device), 0, &dev);

	if (!err) {
		d1 = dev->disk[0];
		d2 = dev->ndisk > 1 ? dev->disk[1] : NULL;
	}
	return err;
}

static int probe(void) { return probe_as(HW_ANY, HW_ANY); }

HELPER void start_two(void)
{
	new_machine();
	CHECK_EQ(probe(), 0);
	CHECK_EQ(dev->ndisk, 2);
}

/* Let @us microseconds pass in steps of a millisecond, with a tick in each, and a poll if the device has interrupted. */
HELPER void run(uint64_t us)
{
	for (uint64_t end = host_now_us + us; host_now_us < end; ) {
		host_now_us += MS;
		model_run();
		if (model.rang) {
			model.rang = false;
			dev->ops->poll(dev);
		}
		dev->ops->tick(dev, host_now_us);
	}
}

/* Make waits of 10 s cheap: time passes in steps of a millisecond. */
HELPER void run_coarsely(void)
{
	host_now_us += MS;
	model_run();
}

#endif
