/* SPDX-License-Identifier: BSD-2-Clause */
/* MSI-X for virtio devices: table entry 0 for configuration changes, entry n + 1 for queue n. */
#include "virtio.h"

#define MSIX_CONTROL		2
#define MSIX_TABLE		4
#define MSIX_CONTROL_ENABLE	0x8000
#define MSIX_CONTROL_MASK_ALL	0x4000
#define MSIX_CONTROL_SIZE	0x07ff
#define MSI_ADDRESS		0xfee00000u
#define NO_VECTOR		0xffff

static void queue_interrupt(void *ctx)
{
	struct virtq *q = ctx;

	q->signalled = true;
}

static void config_interrupt(void *ctx)
{
	struct virtio_dev *d = ctx;

	d->config_changed = true;
}

static void set_entry(struct virtio_dev *d, unsigned int entry, uint8_t vector)
{
	volatile uint32_t *e = d->msix_table + 4 * entry;

	e[0] = MSI_ADDRESS | apic_id() << 12;
	e[1] = 0;
	e[2] = vector;		/* fixed, edge */
	e[3] = 0;		/* not masked */
}

int msix_enable(struct virtio_dev *d)
{
	uint8_t cap = pci_capability(d->bdf, PCI_CAP_MSIX, 0), vector;
	uint16_t control;
	uint32_t table;
	volatile uint8_t *bar;

	if (!cap) {
		printf("%s: no MSI-X\n", d->name);
		return -1;
	}
	control = pci_read16(d->bdf, cap + MSIX_CONTROL);
	table = pci_read32(d->bdf, cap + MSIX_TABLE);
	bar = pci_memory_bar(d->bdf, table & 7);
	if (!bar)
		return -1;
	d->msix_entries = (control & MSIX_CONTROL_SIZE) + 1;
	d->msix_table = (volatile uint32_t *)(bar + (table & ~7u));
	pci_write16(d->bdf, cap + MSIX_CONTROL, (control | MSIX_CONTROL_ENABLE) & ~MSIX_CONTROL_MASK_ALL);
	d->waits_for_interrupt = true;
	vector = irq_alloc(config_interrupt, d);
	set_entry(d, 0, vector);
	if (virtio_set_config_entry(d, 0) == NO_VECTOR) {
		printf("%s: MSI-X entry 0 refused\n", d->name);
		return -1;
	}
	return 0;
}

int msix_queue_vector(struct virtq *q)
{
	struct virtio_dev *d = q->dev;
	uint16_t entry = q->index + 1;
	uint8_t vector = irq_alloc(queue_interrupt, q);

	if (!vector || entry >= d->msix_entries) {
		printf("%s: queue %u gets no vector, the device has %u\n", d->name, q->index, d->msix_entries);
		return -1;
	}
	set_entry(d, entry, vector);
	if (virtio_set_queue_entry(d, q->index, entry) != entry) {
		printf("%s: queue %u: MSI-X entry %u refused\n", d->name, q->index, entry);
		return -1;
	}
	return 0;
}
