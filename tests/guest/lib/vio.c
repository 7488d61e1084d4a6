/* SPDX-License-Identifier: BSD-2-Clause */
/* Virtio devices for probes, by the legacy and the modern interface.  Checks nothing; contract in vio.h. */
#include "vio.h"

#define REQUEST_MS	10000u	/* long, for a machine that is busy otherwise */

#define VENDOR_VIRTIO	0x1af4
#define LEGACY_ALIGN	4096u
#define CAP_TYPE	3
#define CAP_BAR		4
#define CAP_OFFSET	8
#define CAP_MULTIPLIER	16

struct vio vios[VIO_MAX];
unsigned int vio_count;

static uint8_t pool[VIO_MAX][VIO_QUEUES][VIO_QUEUE_BYTES] __attribute__((aligned(4096)));
static uint8_t data_pool[VIO_MAX][8192] __attribute__((aligned(4096)));

static uint8_t *cap_address(pci_bdf bdf, uint8_t cap)
{
	volatile uint8_t *bar = pci_memory_bar(bdf, pci_read8(bdf, cap + CAP_BAR));

	return bar ? (uint8_t *)bar + pci_read32(bdf, cap + CAP_OFFSET) : NULL;
}

static void find_modern(struct vio *v)
{
	uint8_t cap = 0;

	while ((cap = pci_capability(v->bdf, PCI_CAP_VENDOR, cap))) {
		switch (pci_read8(v->bdf, cap + CAP_TYPE)) {
		case 1:
			v->common = cap_address(v->bdf, cap);
			break;
		case 2:
			v->notify = cap_address(v->bdf, cap);
			v->notify_multiplier = pci_read32(v->bdf, cap + CAP_MULTIPLIER);
			break;
		case 3:
			v->isr = cap_address(v->bdf, cap);
			break;
		case 4:
			v->config = cap_address(v->bdf, cap);
			break;
		case 5:
			v->window_cap = cap;
			break;
		}
	}
}

void vio_look(struct vio *v)
{
	v->io = pci_io_bar(v->bdf, 0);
	find_modern(v);
}

static void found(pci_bdf bdf)
{
	struct vio *v = &vios[vio_count];
	uint16_t id = pci_read16(bdf, PCI_DEVICE);
	unsigned int type = id >= 0x1040 ? id - 0x1040u : pci_read16(bdf, PCI_SUBSYSTEM_ID);

	if (pci_read16(bdf, PCI_VENDOR) != VENDOR_VIRTIO || vio_count == VIO_MAX ||
	    (type != VIO_NET && type != VIO_BLK && type != VIO_ECHO))
		return;
	v->bdf = bdf;
	v->first_command = pci_read16(bdf, PCI_COMMAND);
	v->type = type;
	v->number = vio_count++;
	v->data = data_pool[v->number];
	pci_write16(bdf, PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_OFF);
	vio_look(v);
}

void vio_scan(void)
{
	pci_for_each(found);
}

static void put_hex(char **p, uint32_t v, int digits)
{
	while (digits--)
		*(*p)++ = "0123456789abcdef"[v >> (4 * digits) & 15];
}

const char *vio_name(const struct vio *v)
{
	static char name[2][24];
	static unsigned int turn;
	char *p = name[turn ^= 1];
	const char *rest = v->type == VIO_NET ? v->transport == VIO_LEGACY ? " net legacy" : " net modern" :
			   v->type == VIO_ECHO ? " echo" :
			   v->transport == VIO_LEGACY ? " blk legacy" : " blk modern";

	put_hex(&p, BUS(v->bdf), 2);
	*p++ = ':';
	put_hex(&p, DEVICE(v->bdf), 2);
	*p++ = '.';
	put_hex(&p, FUNCTION(v->bdf), 1);
	while ((*p++ = *rest++))
		;
	return name[turn];
}

bool vio_has(const struct vio *v, enum vio_transport t)
{
	return t == VIO_LEGACY ? v->io != 0 : v->common && v->notify && v->config && v->isr;
}

uint8_t vio_status(struct vio *v)
{
	return v->transport == VIO_LEGACY ? inb(v->io + L_STATUS) : read8(v->common + M_STATUS);
}

void vio_set_status(struct vio *v, uint8_t s)
{
	if (v->transport == VIO_LEGACY)
		outb(v->io + L_STATUS, s);
	else
		write8(v->common + M_STATUS, s);
}

uint8_t vio_isr(struct vio *v)
{
	return v->transport == VIO_LEGACY ? inb(v->io + L_ISR) : read8(v->isr);
}

bool vio_reset(struct vio *v)
{
	struct deadline end = deadline_in_ms(REQUEST_MS);

	vio_set_status(v, 0);
	while (vio_status(v)) {
		if (deadline_passed(end))
			return false;
		pause();
	}
	return true;
}

bool vio_open(struct vio *v, enum vio_transport t)
{
	if (!vio_has(v, t))
		return false;
	v->transport = t;
	v->features = 0;
	memset(v->q, 0, sizeof(v->q));
	return vio_reset(v);
}

uint64_t vio_offered(struct vio *v)
{
	uint32_t low, high;

	if (v->transport == VIO_LEGACY)
		return inl(v->io + L_DEVICE_FEATURES);
	write32(v->common + M_DEVICE_FEATURE_SELECT, 0);
	low = read32(v->common + M_DEVICE_FEATURE);
	write32(v->common + M_DEVICE_FEATURE_SELECT, 1);
	high = read32(v->common + M_DEVICE_FEATURE);
	return (uint64_t)high << 32 | low;
}

void vio_set_features(struct vio *v, uint64_t f)
{
	v->features = f;
	if (v->transport == VIO_LEGACY) {
		outl(v->io + L_DRIVER_FEATURES, (uint32_t)f);
		return;
	}
	write32(v->common + M_DRIVER_FEATURE_SELECT, 0);
	write32(v->common + M_DRIVER_FEATURE, (uint32_t)f);
	write32(v->common + M_DRIVER_FEATURE_SELECT, 1);
	write32(v->common + M_DRIVER_FEATURE, f >> 32);
}

bool vio_begin(struct vio *v, uint64_t want)
{
	vio_set_status(v, S_ACKNOWLEDGE);
	vio_set_status(v, S_ACKNOWLEDGE | S_DRIVER);
	vio_set_features(v, vio_offered(v) & (v->transport == VIO_MODERN ? want | F_VERSION_1 : want));
	if (v->transport == VIO_LEGACY)
		return true;
	vio_set_status(v, S_ACKNOWLEDGE | S_DRIVER | S_FEATURES_OK);
	return vio_status(v) & S_FEATURES_OK;
}

bool vio_layout(struct vio *v, uint16_t index, uint16_t size)
{
	struct vioq *q = &v->q[index];
	uint8_t *p = pool[v->number][index];
	uint16_t most;

	if (v->transport == VIO_LEGACY) {
		outw(v->io + L_QUEUE_SELECT, index);
		most = inw(v->io + L_QUEUE_SIZE);
	} else {
		write16(v->common + M_QUEUE_SELECT, index);
		most = read16(v->common + M_QUEUE_SIZE);
		if (size)
			write16(v->common + M_QUEUE_SIZE, size);
		q->notify = v->notify + v->notify_multiplier * read16(v->common + M_QUEUE_NOTIFY_OFF);
	}
	q->v = v;
	q->index = index;
	q->size = size && v->transport == VIO_MODERN ? size : most;
	q->last_used = 0;
	if (!q->size || q->size > 1024)
		return false;
	memset(p, 0, VIO_QUEUE_BYTES);
	q->desc = (volatile struct vio_desc *)p;
	q->avail = (volatile struct vio_avail *)(p + 16 * q->size);
	q->used = (volatile struct vio_used *)(p + ((16 * q->size + 6 + 2 * q->size + LEGACY_ALIGN - 1) & ~(LEGACY_ALIGN - 1)));
	return true;
}

static void write_pointer(struct vio *v, uint32_t reg, uint64_t p)
{
	write32(v->common + reg, (uint32_t)p);
	write32(v->common + reg + 4, p >> 32);
}

void vio_set_queue(struct vio *v, uint16_t index, uint64_t desc, uint64_t avail, uint64_t used)
{
	if (v->transport == VIO_LEGACY) {
		outw(v->io + L_QUEUE_SELECT, index);
		outl(v->io + L_QUEUE_PFN, (uint32_t)(desc / LEGACY_ALIGN));
		return;
	}
	write16(v->common + M_QUEUE_SELECT, index);
	write_pointer(v, M_QUEUE_DESC, desc);
	write_pointer(v, M_QUEUE_DRIVER, avail);
	write_pointer(v, M_QUEUE_DEVICE, used);
	write16(v->common + M_QUEUE_ENABLE, 1);
}

struct vioq *vio_queue(struct vio *v, uint16_t index, uint16_t size)
{
	struct vioq *q = &v->q[index];

	if (!vio_layout(v, index, size))
		return NULL;
	vio_set_queue(v, index, (uint32_t)q->desc, (uint32_t)q->avail, (uint32_t)q->used);
	return q;
}

void vio_go(struct vio *v)
{
	vio_set_status(v, vio_status(v) | S_DRIVER_OK);
}

bool vio_start(struct vio *v, enum vio_transport t, uint64_t want)
{
	if (!vio_open(v, t) || !vio_begin(v, want) || !vio_queue(v, 0, 0) || (v->type == VIO_NET && !vio_queue(v, 1, 0)))
		return false;
	vio_go(v);
	return true;
}

void vio_desc_set(struct vioq *q, uint16_t i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	q->desc[i].addr = addr;
	q->desc[i].len = len;
	q->desc[i].flags = flags;
	q->desc[i].next = next;
}

void vio_put(struct vioq *q, uint16_t head)
{
	q->avail->ring[q->avail->idx % q->size] = head;
	barrier();
	q->avail->idx++;
	full_fence();
}

void vio_kick(struct vioq *q)
{
	if (q->v->transport == VIO_LEGACY)
		outw(q->v->io + L_QUEUE_NOTIFY, q->index);
	else
		write16(q->notify, q->index);
}

bool vio_wait(struct vioq *q, uint32_t ms, uint32_t *id, uint32_t *len)
{
	struct deadline end = deadline_in_ms(ms);

	while (q->used->idx == q->last_used) {
		if (deadline_passed(end))
			return false;
		pause();
	}
	barrier();
	*id = q->used->ring[q->last_used % q->size].id;
	*len = q->used->ring[q->last_used % q->size].len;
	q->last_used++;
	return true;
}

int vio_blk(struct vio *v, uint32_t type, uint64_t sector, void *data, uint32_t len)
{
	struct { uint32_t type, reserved; uint64_t sector; } *header = (void *)v->data;
	volatile uint8_t *status = v->data + 16;
	struct vioq *q = &v->q[0];
	uint32_t id, written;

	header->type = type;
	header->reserved = 0;
	header->sector = sector;
	*status = 0xff;
	vio_desc_set(q, 0, (uint32_t)header, 16, D_NEXT, 1);
	vio_desc_set(q, 1, (uint32_t)data, len, D_NEXT | (type == BLK_IN || type == BLK_GET_ID ? D_WRITE : 0), 2);
	vio_desc_set(q, 2, (uint32_t)status, 1, D_WRITE, 0);
	vio_put(q, 0);
	vio_kick(q);
	return vio_wait(q, REQUEST_MS, &id, &written) && id == 0 ? *status : -1;
}

uint32_t vio_arp_frame(struct vio *v, uint8_t *f)
{
	/* Who has 10.0.2.2?  Tell 10.0.2.15. */
	static const uint8_t arp[] = { 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 0x52, 0x54, 0, 0, 0, 0x99, 10, 0, 2, 15, 0, 0, 0, 0, 0, 0,
				       10, 0, 2, 2 };

	memset(f, 0xff, 6);
	memcpy(f + 6, arp + 10, 6);
	memcpy(f + 12, arp, sizeof(arp));
	memset(f + 12 + sizeof(arp), 0, 60 - 12 - sizeof(arp));
	return 60;
}

void vio_send(struct vio *v)
{
	struct vioq *q = &v->q[NET_TX];
	uint32_t n = vio_arp_frame(v, v->data + 64);

	memset(v->data, 0, 12);
	vio_desc_set(q, 0, (uint32_t)v->data, vio_header_size(v), D_NEXT, 1);
	vio_desc_set(q, 1, (uint32_t)v->data + 64, n, 0, 0);
	vio_put(q, 0);
	vio_kick(q);
}

int vio_tx(struct vio *v)
{
	uint32_t id, len;

	vio_send(v);
	return vio_wait(&v->q[NET_TX], REQUEST_MS, &id, &len) && id == 0 ? 0 : -1;
}

int vio_request(struct vio *v)
{
	return v->type == VIO_BLK ? vio_blk(v, BLK_IN, 0, v->data + 4096, 512) : vio_tx(v);
}
