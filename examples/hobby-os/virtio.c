/* SPDX-License-Identifier: BSD-2-Clause */
/* Virtio 1.2 over PCI, section 4.1; the legacy interface by 4.1.4.10.  Split rings only (2.7). */
#include "virtio.h"

#define VENDOR_VIRTIO		0x1af4

/* Legacy registers, in BAR0. */
#define LEGACY_DEVICE_FEATURES	0
#define LEGACY_DRIVER_FEATURES	4
#define LEGACY_QUEUE_PFN	8
#define LEGACY_QUEUE_SIZE	12
#define LEGACY_QUEUE_SELECT	14
#define LEGACY_QUEUE_NOTIFY	16
#define LEGACY_STATUS		18
#define LEGACY_ISR		19
#define LEGACY_CONFIG_VECTOR	20	/* with MSI-X on, this and the next register precede the device configuration */
#define LEGACY_QUEUE_VECTOR	22
#define LEGACY_CONFIG		20
#define LEGACY_CONFIG_MSIX	24
#define LEGACY_ALIGN		4096u

/* The common structure of a modern device. */
#define COMMON_DEVICE_FEATURE_SELECT	0x00
#define COMMON_DEVICE_FEATURE		0x04
#define COMMON_DRIVER_FEATURE_SELECT	0x08
#define COMMON_DRIVER_FEATURE		0x0c
#define COMMON_CONFIG_VECTOR		0x10
#define COMMON_STATUS			0x14
#define COMMON_CONFIG_GENERATION	0x15
#define COMMON_QUEUE_SELECT		0x16
#define COMMON_QUEUE_SIZE		0x18
#define COMMON_QUEUE_VECTOR		0x1a
#define COMMON_QUEUE_ENABLE		0x1c
#define COMMON_QUEUE_NOTIFY_OFF		0x1e
#define COMMON_QUEUE_DESC		0x20
#define COMMON_QUEUE_DRIVER		0x28
#define COMMON_QUEUE_DEVICE		0x30

/* A capability: type, BAR, offset; the multiplier follows that of type 2. */
#define CAP_TYPE		3
#define CAP_BAR			4
#define CAP_OFFSET		8
#define CAP_MULTIPLIER		16
#define CAP_COMMON		1
#define CAP_NOTIFY		2
#define CAP_ISR			3
#define CAP_DEVICE		4

#define QUEUE_SIZE_MAX		256	/* the size that this driver sets if the interface allows */

enum virtio_transport virtio_transport;

static uint16_t common_read16(struct virtio_dev *d, uint32_t reg) { return *(volatile uint16_t *)(d->common + reg); }
static uint32_t common_read32(struct virtio_dev *d, uint32_t reg) { return *(volatile uint32_t *)(d->common + reg); }
static void common_write16(struct virtio_dev *d, uint32_t reg, uint16_t v) { *(volatile uint16_t *)(d->common + reg) = v; }
static void common_write32(struct virtio_dev *d, uint32_t reg, uint32_t v) { *(volatile uint32_t *)(d->common + reg) = v; }

static void common_write_pointer(struct virtio_dev *d, uint32_t reg, volatile void *p)
{
	common_write32(d, reg, (uint32_t)p);
	common_write32(d, reg + 4, 0);
}

bool virtio_match(pci_bdf bdf, unsigned int type)
{
	uint16_t device = pci_read16(bdf, PCI_DEVICE);

	if (pci_read16(bdf, PCI_VENDOR) != VENDOR_VIRTIO)
		return false;
	/* The id of modern-only devices is 0x1040 + type; transitional devices have the type in the subsystem id. */
	return device == 0x1040 + type || (device >= 0x1000 && device < 0x1040 && pci_read16(bdf, PCI_SUBSYSTEM_ID) == type);
}

uint8_t virtio_status(struct virtio_dev *d)
{
	return d->transport == VIRTIO_LEGACY ? inb(d->io + LEGACY_STATUS) : d->common[COMMON_STATUS];
}

static void set_status(struct virtio_dev *d, uint8_t v)
{
	if (d->transport == VIRTIO_LEGACY)
		outb(d->io + LEGACY_STATUS, v);
	else
		d->common[COMMON_STATUS] = v;
}

uint8_t virtio_isr(struct virtio_dev *d)
{
	return d->transport == VIRTIO_LEGACY ? inb(d->io + LEGACY_ISR) : *d->isr;
}

void virtio_fail(struct virtio_dev *d)
{
	intx_forget(d);
	set_status(d, virtio_status(d) | STATUS_FAILED);
}

static int find_modern(struct virtio_dev *d)
{
	for (uint8_t cap = pci_capability(d->bdf, PCI_CAP_VENDOR, 0); cap; cap = pci_capability(d->bdf, PCI_CAP_VENDOR, cap)) {
		uint8_t type = pci_read8(d->bdf, cap + CAP_TYPE);
		volatile uint8_t *at;

		if (type < CAP_COMMON || type > CAP_DEVICE)
			continue;
		at = pci_memory_bar(d->bdf, pci_read8(d->bdf, cap + CAP_BAR));
		if (!at)
			return -1;
		at += pci_read32(d->bdf, cap + CAP_OFFSET);
		if (type == CAP_COMMON && !d->common)
			d->common = at;
		if (type == CAP_ISR && !d->isr)
			d->isr = at;
		if (type == CAP_DEVICE && !d->config)
			d->config = at;
		if (type == CAP_NOTIFY && !d->notify) {
			d->notify = at;
			d->notify_multiplier = pci_read32(d->bdf, cap + CAP_MULTIPLIER);
		}
	}
	return d->common && d->isr && d->config && d->notify ? 0 : -1;
}

int virtio_reset(struct virtio_dev *d)
{
	struct deadline end = deadline_in_ms(2000);

	set_status(d, 0);
	while (virtio_status(d)) {
		if (deadline_passed(end)) {
			printf("%s: no reset within 2 s, status %02x\n", d->name, virtio_status(d));
			return -1;
		}
		irq_wait();
	}
	return 0;
}

int virtio_find(struct virtio_dev *d, pci_bdf bdf)
{
	d->bdf = bdf;
	d->transport = virtio_transport;
	pci_write16(bdf, PCI_COMMAND, pci_read16(bdf, PCI_COMMAND) | PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
		    PCI_COMMAND_INTX_OFF);
	d->io = pci_io_bar(bdf, 0);
	if (d->transport == VIRTIO_LEGACY && !d->io) {
		printf("%s: no legacy registers at %02x:%02x.%x\n", d->name, BUS(bdf), DEVICE(bdf), FUNCTION(bdf));
		return -1;
	}
	if (d->transport == VIRTIO_MODERN && find_modern(d)) {
		printf("%s: no modern registers at %02x:%02x.%x\n", d->name, BUS(bdf), DEVICE(bdf), FUNCTION(bdf));
		return -1;
	}
	return virtio_reset(d);
}

static uint64_t offered(struct virtio_dev *d)
{
	uint32_t low, high;

	if (d->transport == VIRTIO_LEGACY)
		return inl(d->io + LEGACY_DEVICE_FEATURES);
	common_write32(d, COMMON_DEVICE_FEATURE_SELECT, 0);
	low = common_read32(d, COMMON_DEVICE_FEATURE);
	common_write32(d, COMMON_DEVICE_FEATURE_SELECT, 1);
	high = common_read32(d, COMMON_DEVICE_FEATURE);
	return (uint64_t)high << 32 | low;
}

static int agree_modern(struct virtio_dev *d)
{
	if (!(d->features & VIRTIO_F_VERSION_1)) {
		printf("%s: a modern device that offers no VERSION_1\n", d->name);
		return -1;
	}
	common_write32(d, COMMON_DRIVER_FEATURE_SELECT, 0);
	common_write32(d, COMMON_DRIVER_FEATURE, (uint32_t)d->features);
	common_write32(d, COMMON_DRIVER_FEATURE_SELECT, 1);
	common_write32(d, COMMON_DRIVER_FEATURE, d->features >> 32);
	set_status(d, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK);
	if (virtio_status(d) & STATUS_FEATURES_OK)
		return 0;
	printf("%s: the device refuses the features %llx\n", d->name, d->features);
	return -1;
}

int virtio_start(struct virtio_dev *d, uint64_t wanted)
{
	set_status(d, STATUS_ACKNOWLEDGE);
	set_status(d, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
	d->features = offered(d) & (d->transport == VIRTIO_MODERN ? wanted | VIRTIO_F_VERSION_1 : wanted);
	if (d->transport == VIRTIO_LEGACY)
		outl(d->io + LEGACY_DRIVER_FEATURES, (uint32_t)d->features);
	else if (agree_modern(d))
		return -1;
	if (irq_mode == IRQ_MSIX)
		return msix_enable(d);
	return irq_mode == IRQ_POLL ? 0 : intx_enable(d);
}

void virtio_go(struct virtio_dev *d)
{
	set_status(d, virtio_status(d) | STATUS_DRIVER_OK);
}

/* Allocate one block of memory in the legacy layout; a modern device gets the three addresses. */
static int lay_out(struct virtq *q)
{
	uint32_t first = sizeof(struct vring_desc) * q->size + sizeof(struct vring_avail) + 2 * q->size + 2;
	uint32_t used = (first + LEGACY_ALIGN - 1) & ~(LEGACY_ALIGN - 1);
	uint8_t *p = page_alloc(used + sizeof(struct vring_used) + 8 * q->size + 2);

	if (!p)
		return -1;
	q->desc = (volatile struct vring_desc *)p;
	q->avail = (volatile struct vring_avail *)(p + sizeof(struct vring_desc) * q->size);
	q->used = (volatile struct vring_used *)(p + used);
	for (uint16_t i = 0; i < q->size; i++)
		q->desc[i].next = i + 1;
	q->free_count = q->size;
	return 0;
}

static int init_legacy(struct virtio_dev *d, struct virtq *q)
{
	outw(d->io + LEGACY_QUEUE_SELECT, q->index);
	q->size = inw(d->io + LEGACY_QUEUE_SIZE);
	if (!q->size || lay_out(q))
		return -1;
	outl(d->io + LEGACY_QUEUE_PFN, (uint32_t)q->desc / LEGACY_ALIGN);
	return 0;
}

static int init_modern(struct virtio_dev *d, struct virtq *q)
{
	common_write16(d, COMMON_QUEUE_SELECT, q->index);
	q->size = common_read16(d, COMMON_QUEUE_SIZE);
	if (q->size > QUEUE_SIZE_MAX)
		q->size = QUEUE_SIZE_MAX;
	if (!q->size || lay_out(q))
		return -1;
	common_write16(d, COMMON_QUEUE_SIZE, q->size);
	common_write_pointer(d, COMMON_QUEUE_DESC, q->desc);
	common_write_pointer(d, COMMON_QUEUE_DRIVER, q->avail);
	common_write_pointer(d, COMMON_QUEUE_DEVICE, q->used);
	q->notify = (volatile uint16_t *)(d->notify + d->notify_multiplier * common_read16(d, COMMON_QUEUE_NOTIFY_OFF));
	common_write16(d, COMMON_QUEUE_ENABLE, 1);
	return 0;
}

int virtq_init(struct virtio_dev *d, uint16_t index)
{
	struct virtq *q = &d->vq[index];

	q->dev = d;
	q->index = index;
	if (d->transport == VIRTIO_LEGACY ? init_legacy(d, q) : init_modern(d, q)) {
		printf("%s: no queue %u (size %u)\n", d->name, index, q->size);
		return -1;
	}
	return d->msix_table ? msix_queue_vector(q) : 0;
}

uint16_t virtio_set_queue_entry(struct virtio_dev *d, uint16_t index, uint16_t entry)
{
	if (d->transport == VIRTIO_LEGACY) {
		outw(d->io + LEGACY_QUEUE_SELECT, index);
		outw(d->io + LEGACY_QUEUE_VECTOR, entry);
		return inw(d->io + LEGACY_QUEUE_VECTOR);
	}
	common_write16(d, COMMON_QUEUE_SELECT, index);
	common_write16(d, COMMON_QUEUE_VECTOR, entry);
	return common_read16(d, COMMON_QUEUE_VECTOR);
}

uint16_t virtio_set_config_entry(struct virtio_dev *d, uint16_t entry)
{
	if (d->transport == VIRTIO_LEGACY) {
		outw(d->io + LEGACY_CONFIG_VECTOR, entry);
		return inw(d->io + LEGACY_CONFIG_VECTOR);
	}
	common_write16(d, COMMON_CONFIG_VECTOR, entry);
	return common_read16(d, COMMON_CONFIG_VECTOR);
}

static uint16_t legacy_config(struct virtio_dev *d, uint32_t off)
{
	return d->io + (d->msix_table ? LEGACY_CONFIG_MSIX : LEGACY_CONFIG) + off;
}

uint8_t virtio_config8(struct virtio_dev *d, uint32_t off)
{
	return d->transport == VIRTIO_LEGACY ? inb(legacy_config(d, off)) : d->config[off];
}

uint16_t virtio_config16(struct virtio_dev *d, uint32_t off)
{
	return d->transport == VIRTIO_LEGACY ? inw(legacy_config(d, off)) : *(volatile uint16_t *)(d->config + off);
}

uint32_t virtio_config32(struct virtio_dev *d, uint32_t off)
{
	return d->transport == VIRTIO_LEGACY ? inl(legacy_config(d, off)) : *(volatile uint32_t *)(d->config + off);
}

uint64_t virtio_config64(struct virtio_dev *d, uint32_t off)
{
	return (uint64_t)virtio_config32(d, off + 4) << 32 | virtio_config32(d, off);
}

int virtq_add(struct virtq *q, const struct virtq_buf *bufs, unsigned int n)
{
	uint16_t head = q->free_head, at = head, last = head;

	if (n > q->free_count)
		return -1;
	for (unsigned int i = 0; i < n; i++) {
		q->desc[at].addr = (uint32_t)bufs[i].addr;
		q->desc[at].len = bufs[i].len;
		q->desc[at].flags = (bufs[i].device_writes ? DESC_WRITE : 0) | (i + 1 < n ? DESC_NEXT : 0);
		last = at;
		at = q->desc[at].next;
	}
	q->free_head = q->desc[last].next;
	q->free_count -= n;
	q->avail->ring[q->avail->idx % q->size] = head;
	barrier();			/* x86 keeps the order of stores, the compiler may not */
	q->avail->idx++;
	return head;
}

void virtq_kick(struct virtq *q)
{
	full_fence();			/* store the new idx before reading the flag */
	if (q->used->flags & USED_NO_NOTIFY)
		return;
	if (q->dev->transport == VIRTIO_LEGACY)
		outw(q->dev->io + LEGACY_QUEUE_NOTIFY, q->index);
	else
		*q->notify = q->index;
}

static void free_chain(struct virtq *q, uint16_t head)
{
	uint16_t at = head;

	q->free_count++;
	while (q->desc[at].flags & DESC_NEXT) {
		at = q->desc[at].next;
		q->free_count++;
	}
	q->desc[at].next = q->free_head;
	q->free_head = head;
}

int virtq_done(struct virtq *q, uint32_t *len)
{
	uint32_t head;

	/* With interrupts, read the ring only after an interrupt: a device that sends none must not go unnoticed. */
	if (q->dev->waits_for_interrupt && !q->signalled)
		return -1;
	if (q->last_used == q->used->idx) {
		q->signalled = false;
		full_fence();
		if (q->last_used == q->used->idx)
			return -1;
		q->signalled = true;
	}
	barrier();
	head = q->used->ring[q->last_used % q->size].id;
	*len = q->used->ring[q->last_used % q->size].len;
	q->last_used++;
	if (head >= q->size) {
		printf("%s: queue %u gave back %u of %u\n", q->dev->name, q->index, head, q->size);
		return -1;
	}
	free_chain(q, head);
	return head;
}
