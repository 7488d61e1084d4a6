/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Habits of sloppy drivers that a device must accept (docs/guests, rule 9): each function is one habit, seen in the field.
 * Every virtio device of the machine by both transports.  Option arp=1: a gateway 10.0.2.2 answers, so that reception is tried,
 * too.
 */
#include "vio.h"

#define MSIX_CONTROL		2
#define MSIX_TABLE		4
#define MSIX_ENABLE		0x8000
#define NO_VECTOR		0xffff
#define WINDOW_BAR		4
#define WINDOW_OFFSET		8
#define WINDOW_LENGTH		12
#define WINDOW_DATA		16
#define SECTOR			512u
#define SCRATCH_SECTOR		7u
#define GUARD			0xa5

const char probe_name[] = "probe-quirks";

/* A habit, tried on @v after a reset, with v->transport set. */
struct quirk {
	const char *name;
	bool (*fn)(struct vio *v);
	unsigned int type;		/* VIO_NET, VIO_BLK, or 0: both */
	bool modern_only;
};

static bool restart(struct vio *v)
{
	return vio_start(v, v->transport, 0);
}

static struct vioq *main_queue(struct vio *v)
{
	return &v->q[v->type == VIO_NET ? NET_TX : 0];
}

static bool queues(struct vio *v, uint16_t size)
{
	return vio_queue(v, 0, size) && (v->type == VIO_BLK || vio_queue(v, 1, size));
}

/* Put a good request into descriptors 0 to 2 and the avail ring, without a kick. */
static void lay_request(struct vio *v)
{
	struct vioq *q = main_queue(v);
	uint32_t n = vio_arp_frame(v, v->data + 64);

	memset(v->data, 0, 16);
	v->data[16] = 0xff;
	vio_desc_set(q, 0, (uint32_t)v->data, v->type == VIO_BLK ? 16 : vio_header_size(v), D_NEXT, 1);
	if (v->type == VIO_BLK)
		vio_desc_set(q, 1, (uint32_t)v->data + 4096, SECTOR, D_WRITE | D_NEXT, 2);
	else
		vio_desc_set(q, 1, (uint32_t)v->data + 64, n, 0, 0);
	vio_desc_set(q, 2, (uint32_t)v->data + 16, 1, D_WRITE, 0);
	vio_put(q, 0);
}

static bool comes_back(struct vio *v)
{
	uint32_t id, len;

	return vio_wait(main_queue(v), 1000, &id, &len) && id == 0 && (v->type == VIO_NET || v->data[16] == BLK_S_OK);
}

/* --- status, features, reset --- */

static bool without_bus_master(struct vio *v)
{
	uint16_t command = pci_read16(v->bdf, PCI_COMMAND);
	bool good;

	pci_write16(v->bdf, PCI_COMMAND, command & ~PCI_COMMAND_MASTER);
	good = restart(v) && vio_request(v) == 0;
	pci_write16(v->bdf, PCI_COMMAND, command);
	return good;
}

static bool without_bus_master_later(struct vio *v)
{
	uint16_t command = pci_read16(v->bdf, PCI_COMMAND);
	bool good = restart(v);

	pci_write16(v->bdf, PCI_COMMAND, command & ~PCI_COMMAND_MASTER);
	good = good && vio_request(v) == 0;
	pci_write16(v->bdf, PCI_COMMAND, command);
	return good;
}

/* Write the status as 1, 2, 4 instead of 1, 3, 7. */
static bool status_not_cumulative(struct vio *v)
{
	vio_set_status(v, S_ACKNOWLEDGE);
	vio_set_status(v, S_DRIVER);
	vio_set_features(v, 0);
	if (!queues(v, 0))
		return false;
	vio_set_status(v, S_DRIVER_OK);
	return vio_request(v) == 0;
}

static bool status_only_driver_ok(struct vio *v)
{
	if (!queues(v, 0))
		return false;
	vio_set_status(v, S_DRIVER_OK);
	return vio_request(v) == 0;
}

static bool features_after_queues(struct vio *v)
{
	vio_set_status(v, S_ACKNOWLEDGE | S_DRIVER);
	if (!queues(v, 0))
		return false;
	vio_set_features(v, 0);
	vio_go(v);
	return vio_request(v) == 0;
}

/* The header is then the legacy one, of 10 bytes. */
static bool modern_without_version_1(struct vio *v)
{
	vio_set_status(v, S_ACKNOWLEDGE | S_DRIVER);
	vio_set_features(v, 0);
	vio_set_status(v, S_ACKNOWLEDGE | S_DRIVER | S_FEATURES_OK);
	if (!(vio_status(v) & S_FEATURES_OK) || !queues(v, 0))
		return false;
	vio_go(v);
	return vio_request(v) == 0;
}

static bool reset_twice(struct vio *v)
{
	if (!restart(v))
		return false;
	vio_set_status(v, 0);
	vio_set_status(v, 0);
	return vio_status(v) == 0 && restart(v) && vio_request(v) == 0;
}

static bool reset_is_instant(struct vio *v)
{
	if (!restart(v) || vio_request(v))
		return false;
	vio_set_status(v, 0);
	return vio_status(v) == 0;
}

static uint32_t driver_features(struct vio *v)
{
	if (v->transport == VIO_LEGACY)
		return inl(v->io + L_DRIVER_FEATURES);
	write32(v->common + M_DRIVER_FEATURE_SELECT, 0);
	return read32(v->common + M_DRIVER_FEATURE);
}

static bool reset_clears(struct vio *v)
{
	if (!vio_start(v, v->transport, F_INDIRECT) || !driver_features(v))
		return false;
	vio_reset(v);
	if (driver_features(v))
		return false;
	if (v->transport == VIO_LEGACY) {
		outw(v->io + L_QUEUE_SELECT, 0);
		return inl(v->io + L_QUEUE_PFN) == 0;
	}
	write16(v->common + M_QUEUE_SELECT, 0);
	return read16(v->common + M_QUEUE_ENABLE) == 0 && read32(v->common + M_QUEUE_DESC) == 0;
}

/* A reset drops outstanding requests, and nothing is written later. */
static bool reset_under_load(struct vio *v)
{
	struct vioq *q = main_queue(v);

	for (unsigned int round = 0; round < 20; round++) {
		uint16_t seen;

		if (!restart(v))
			return false;
		lay_request(v);
		vio_kick(q);
		vio_set_status(v, 0);
		seen = q->used->idx;
		memset(v->data + 4096, GUARD, SECTOR);
		delay_us(5000);
		if (q->used->idx != seen || v->data[4096] != GUARD || v->data[4096 + SECTOR - 1] != GUARD)
			return false;
	}
	return restart(v) && vio_request(v) == 0;
}

/* --- notifications --- */

/* Buffers and kick first, DRIVER_OK afterwards: served nevertheless, without another kick. */
static bool kick_before_driver_ok(struct vio *v)
{
	if (!vio_begin(v, 0) || !queues(v, 0))
		return false;
	lay_request(v);
	vio_kick(main_queue(v));
	delay_us(2000);
	vio_go(v);
	return comes_back(v);
}

/* Make a request, notified by @kick. */
static bool request_with(struct vio *v, void (*kick)(struct vioq *q))
{
	if (!restart(v))
		return false;
	lay_request(v);
	kick(main_queue(v));
	return comes_back(v);
}

static void kick8(struct vioq *q)
{
	if (q->v->transport == VIO_LEGACY)
		outb(q->v->io + L_QUEUE_NOTIFY, q->index);
	else
		write8(q->notify, q->index);
}

static void kick32(struct vioq *q)
{
	if (q->v->transport == VIO_LEGACY)
		outl(q->v->io + L_QUEUE_NOTIFY, q->index);
	else
		write32(q->notify, q->index);
}

static void kick_often(struct vioq *q)
{
	for (unsigned int i = 0; i < 10; i++)
		vio_kick(q);
}

static bool notify_8_bits(struct vio *v) { return request_with(v, kick8); }
static bool notify_32_bits(struct vio *v) { return request_with(v, kick32); }
static bool notify_often(struct vio *v) { return request_with(v, kick_often); }

static bool notify_unknown_queue(struct vio *v)
{
	struct vioq odd = { .v = v, .index = 200, .notify = v->notify };

	if (!restart(v))
		return false;
	vio_kick(&odd);
	return vio_request(v) == 0 && !(vio_status(v) & S_NEEDS_RESET);
}

/* --- registers --- */

static bool isr_reads_clear(struct vio *v)
{
	if (!restart(v) || vio_request(v))
		return false;
	return (vio_isr(v) & 1) && vio_isr(v) == 0;
}

static bool isr_32_bits(struct vio *v)
{
	if (!restart(v) || vio_request(v))
		return false;
	return (read32(v->isr) & 1) && read32(v->isr) == 0;
}

/* Set the window into the BARs, for drivers that can access configuration space only. */
static void window(struct vio *v, uint8_t bar, uint32_t off, uint32_t len)
{
	pci_write32(v->bdf, v->window_cap + WINDOW_BAR, bar);
	pci_write32(v->bdf, v->window_cap + WINDOW_OFFSET, off);
	pci_write32(v->bdf, v->window_cap + WINDOW_LENGTH, len);
}

static uint32_t structure(struct vio *v, uint8_t type, uint8_t *bar)
{
	uint8_t cap = 0;

	while ((cap = pci_capability(v->bdf, PCI_CAP_VENDOR, cap)))
		if (pci_read8(v->bdf, cap + 3) == type) {
			*bar = pci_read8(v->bdf, cap + 4);
			return pci_read32(v->bdf, cap + 8);
		}
	return 0;
}

/* Kick as firmware that does not map BARs. */
static void kick_by_window(struct vioq *q)
{
	uint8_t bar = 0;
	uint32_t at = structure(q->v, 2, &bar) + (q->notify - q->v->notify);

	window(q->v, bar, at, 2);
	pci_write16(q->v->bdf, q->v->window_cap + WINDOW_DATA, q->index);
}

static bool window_of_4_bytes(struct vio *v, uint8_t bar, uint32_t common)
{
	for (unsigned int half = 0; half < 2; half++) {
		window(v, bar, common + M_DEVICE_FEATURE_SELECT, 4);
		pci_write32(v->bdf, v->window_cap + WINDOW_DATA, half);
		if (pci_read32(v->bdf, v->window_cap + WINDOW_DATA) != half)
			return false;
		window(v, bar, common + M_DEVICE_FEATURE, 4);
		uint32_t seen = pci_read32(v->bdf, v->window_cap + WINDOW_DATA);

		if (!seen || seen != read32(v->common + M_DEVICE_FEATURE))
			return false;
	}
	return true;
}

static bool config_window(struct vio *v)
{
	uint8_t bar = 0, seen;
	uint32_t common = structure(v, 1, &bar);

	if (!v->window_cap)
		return false;
	window(v, bar, common + M_STATUS, 1);
	outl(0xcf8, 0x80000000u | (uint32_t)v->bdf << 8 | ((v->window_cap + WINDOW_DATA) & 0xfc));
	outb(0xcfc, S_ACKNOWLEDGE);
	seen = vio_status(v);
	if (seen != S_ACKNOWLEDGE || pci_read8(v->bdf, v->window_cap + WINDOW_DATA) != S_ACKNOWLEDGE)
		return false;
	window(v, bar, common + M_NUM_QUEUES, 2);
	if (pci_read16(v->bdf, v->window_cap + WINDOW_DATA) != read16(v->common + M_NUM_QUEUES))
		return false;
	if (!window_of_4_bytes(v, bar, common))
		return false;
	window(v, bar, 0xfffffff0, 4);		/* far outside: any value, but no crash */
	pci_read32(v->bdf, v->window_cap + WINDOW_DATA);
	window(v, 5, 0, 3);
	pci_read32(v->bdf, v->window_cap + WINDOW_DATA);
	return request_with(v, kick_by_window) && vio_request(v) == 0;
}

static volatile uint32_t *msix_table(struct vio *v, uint8_t cap)
{
	uint32_t where = pci_read32(v->bdf, cap + MSIX_TABLE);
	volatile uint8_t *bar = pci_memory_bar(v->bdf, where & 7);

	return bar ? (volatile uint32_t *)(bar + (where & ~7u)) : NULL;
}

/* The legacy configuration moves from +20 to +24 while MSI-X is on. */
static bool legacy_config_moves(struct vio *v)
{
	uint8_t cap = pci_capability(v->bdf, PCI_CAP_MSIX, 0);
	uint16_t control;
	uint32_t before, at_20, at_24, after;

	if (!cap || v->transport != VIO_LEGACY)
		return v->transport == VIO_MODERN;
	control = pci_read16(v->bdf, cap + MSIX_CONTROL);
	before = inl(v->io + L_CONFIG);
	pci_write16(v->bdf, cap + MSIX_CONTROL, control | MSIX_ENABLE);
	at_24 = inl(v->io + L_CONFIG_MSIX);
	outw(v->io + L_CONFIG, 0);
	at_20 = inw(v->io + L_CONFIG);
	outw(v->io + L_CONFIG, NO_VECTOR);
	pci_write16(v->bdf, cap + MSIX_CONTROL, control & ~MSIX_ENABLE);
	after = inl(v->io + L_CONFIG);
	return at_24 == before && after == before && at_20 == 0;
}

/* Vectors and table entries read back as written; a vector beyond the table reads as "no vector". */
static bool vectors_read_back(struct vio *v)
{
	uint8_t cap = pci_capability(v->bdf, PCI_CAP_MSIX, 0);
	uint16_t control, entries;
	volatile uint32_t *table;
	bool good;

	if (!cap)
		return false;
	control = pci_read16(v->bdf, cap + MSIX_CONTROL);
	entries = (control & 0x7ff) + 1;
	table = msix_table(v, cap);
	if (!table || v->transport == VIO_LEGACY)
		return table != NULL;
	pci_write16(v->bdf, cap + MSIX_CONTROL, control | MSIX_ENABLE);
	for (uint16_t i = 0; i < entries; i++) {
		table[4 * i] = 0xfee00000;
		table[4 * i + 2] = 0x50 + i;
		table[4 * i + 3] = 1;
	}
	good = table[4 * (entries - 1) + 2] == 0x50u + entries - 1 && table[1] == 0 && (table[3] & 1);
	write16(v->common + M_QUEUE_SELECT, 0);
	write16(v->common + M_QUEUE_VECTOR, entries - 1);
	good = good && read16(v->common + M_QUEUE_VECTOR) == entries - 1;
	write16(v->common + M_QUEUE_VECTOR, entries);
	good = good && read16(v->common + M_QUEUE_VECTOR) == NO_VECTOR;
	pci_write16(v->bdf, cap + MSIX_CONTROL, control & ~MSIX_ENABLE);
	return good;
}

static bool common_in_all_widths(struct vio *v)
{
	uint32_t features;
	bool good;

	write8(v->common + M_DEVICE_FEATURE_SELECT, 1);
	features = read32(v->common + M_DEVICE_FEATURE);
	write32(v->common + M_DEVICE_FEATURE_SELECT, 1);
	good = features == read32(v->common + M_DEVICE_FEATURE) && (features & 1);
	good = good && read16(v->common + M_DEVICE_FEATURE) == (features & 0xffff);
	good = good && read8(v->common + M_DEVICE_FEATURE) == (features & 0xff);
	write16(v->common + M_QUEUE_SELECT, 0);
	good = good && read32(v->common + M_STATUS) >> 16 == 0;
	good = good && read8(v->common + M_QUEUE_SIZE) == (read16(v->common + M_QUEUE_SIZE) & 0xff);
	return good && restart(v) && vio_request(v) == 0;
}

static bool writes_past_the_structure(struct vio *v)
{
	if (!restart(v))
		return false;
	for (uint32_t off = 0x40; off < 0x100; off += 4)
		write32(v->common + off, 0xdeadbeef);
	return vio_request(v) == 0;
}

/* --- queues --- */

static bool queue_of(struct vio *v, uint16_t size)
{
	if (!vio_begin(v, 0) || !queues(v, size))
		return false;
	write16(v->common + M_QUEUE_SELECT, 0);
	if (read16(v->common + M_QUEUE_SIZE) != size)
		return false;
	vio_go(v);
	for (unsigned int i = 0; i < 3u * size; i++)
		if (vio_request(v))
			return false;
	return true;
}

static bool queue_of_16(struct vio *v) { return queue_of(v, 16); }
static bool queue_of_64(struct vio *v) { return queue_of(v, 64); }

static bool queue_size_is_256(struct vio *v)
{
	return vio_layout(v, 0, 0) && v->q[0].size == 256;
}

static bool queue_beyond_the_last(struct vio *v)
{
	if (v->transport == VIO_LEGACY) {
		outw(v->io + L_QUEUE_SELECT, 77);
		return inw(v->io + L_QUEUE_SIZE) == 0 && inl(v->io + L_QUEUE_PFN) == 0;
	}
	write16(v->common + M_QUEUE_SELECT, 77);
	return read16(v->common + M_QUEUE_SIZE) == 0;
}

/* Three times past the ring's end; past the wrap of the 16-bit index would take minutes. */
static bool around_the_ring(struct vio *v)
{
	if (!restart(v))
		return false;
	for (unsigned int i = 0; i < 3u * 256 + 5; i++)
		if (vio_request(v))
			return false;
	return true;
}

static bool without_interrupts(struct vio *v)
{
	if (!restart(v))
		return false;
	main_queue(v)->avail->flags = 1;	/* NO_INTERRUPT */
	return vio_request(v) == 0;
}

/* --- framing --- */

/* Make a chain of pieces with these lengths, of consecutive bytes at @p, from descriptor @i on. */
static uint16_t chain(struct vioq *q, uint16_t i, uint8_t *p, const uint32_t *pieces, uint16_t flags)
{
	for (; *pieces; p += *pieces++, i++)
		vio_desc_set(q, i, (uint32_t)p, *pieces, flags | D_NEXT, i + 1);
	return i;
}

static bool send_chain(struct vioq *q, uint16_t n)
{
	uint32_t id, len;

	q->desc[n - 1].flags &= ~D_NEXT;
	vio_put(q, 0);
	vio_kick(q);
	return vio_wait(q, 1000, &id, &len) && id == 0;
}

/* Write and read one sector in pieces; the status may share the last piece of a read. */
static bool blk_framed(struct vio *v, const uint32_t *header, const uint32_t *data, bool joined)
{
	struct vioq *q = &v->q[0];
	uint8_t *area = v->data, *payload = v->data + 16, *status = payload + SECTOR;
	uint16_t n;

	if (!restart(v))
		return false;
	memset(area, 0, 16);
	area[8] = SCRATCH_SECTOR;
	n = chain(q, 0, area, header, 0);
	n = chain(q, n, payload, data, D_WRITE);
	if (joined)
		q->desc[n - 1].len++;
	else
		vio_desc_set(q, n++, (uint32_t)status, 1, D_WRITE, 0);
	memset(payload, GUARD, SECTOR + 1);
	if (!send_chain(q, n) || *status)
		return false;
	/* Read in one piece, the sector must have the same contents. */
	memcpy(v->data + 1024, payload, SECTOR);
	return vio_blk(v, BLK_IN, SCRATCH_SECTOR, v->data + 4096, SECTOR) == 0 &&
	       !memcmp(v->data + 1024, v->data + 4096, SECTOR);
}

static bool blk_header_split(struct vio *v)
{
	static const uint32_t ones[] = { 1, 15, 0 }, halves[] = { 4, 4, 8, 0 }, bytes[] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 7, 0 };
	static const uint32_t whole[] = { SECTOR, 0 };

	return blk_framed(v, ones, whole, false) && blk_framed(v, halves, whole, false) && blk_framed(v, bytes, whole, false);
}

static bool blk_data_split(struct vio *v)
{
	static const uint32_t header[] = { 16, 0 }, odd[] = { 1, 200, 3, 308, 0 }, even[] = { 100, 412, 0 };

	return blk_framed(v, header, odd, false) && blk_framed(v, header, even, false);
}

static bool blk_status_joined(struct vio *v)
{
	static const uint32_t header[] = { 16, 0 }, whole[] = { SECTOR, 0 }, odd[] = { 17, 495, 0 };

	return blk_framed(v, header, whole, true) && blk_framed(v, header, odd, true);
}

/* Header and data of a write in one descriptor; a read-only disk must return an error. */
static bool blk_write_merged(struct vio *v)
{
	struct vioq *q = &v->q[0];
	bool read_only = vio_offered(v) & F_BLK_RO;
	uint8_t *area = v->data, *status = v->data + 2048;

	if (!vio_start(v, v->transport, F_BLK_RO) || vio_blk(v, BLK_IN, SCRATCH_SECTOR, v->data + 4096, SECTOR))
		return false;
	memset(area, 0, 16);
	area[0] = BLK_OUT;
	area[8] = SCRATCH_SECTOR;
	memcpy(area + 16, v->data + 4096, SECTOR);	/* the present contents, so the disk does not change */
	*status = 0xff;
	vio_desc_set(q, 0, (uint32_t)area, 16 + SECTOR, D_NEXT, 1);
	vio_desc_set(q, 1, (uint32_t)status, 1, D_WRITE, 0);
	return send_chain(q, 2) && *status == (read_only ? 1 : 0);
}

static bool tx_framed(struct vio *v, const uint32_t *pieces)
{
	uint32_t header;
	uint16_t last;

	if (!restart(v))
		return false;
	header = vio_header_size(v);
	memset(v->data, 0, header);
	vio_arp_frame(v, v->data + header);
	last = chain(&v->q[NET_TX], 0, v->data, pieces, 0);
	return send_chain(&v->q[NET_TX], last);
}

/* Framings of 60 bytes of a frame behind a header of 10 or 12 bytes. */
static bool net_merged_and_split(struct vio *v)
{
	uint32_t h = v->transport == VIO_MODERN ? 12 : 10;
	const uint32_t merged[] = { h + 60, 0 }, split[] = { 3, h - 3, 60, 0 }, across[] = { h - 2, 12, 50, 0 };
	const uint32_t into_frame[] = { h + 14, 46, 0 }, small[] = { 1, h - 1, 1, 13, 20, 26, 0 };

	return tx_framed(v, merged) && tx_framed(v, split) && tx_framed(v, across) && tx_framed(v, into_frame) &&
	       tx_framed(v, small);
}

/* An ARP answer must arrive; the first piece of the receive chain has @first bytes. */
static bool rx_framed(struct vio *v, uint32_t first)
{
	struct vioq *q = &v->q[NET_RX];
	uint8_t *area = v->data + 4096;
	uint32_t id, len, header;

	if (!restart(v))
		return false;
	header = vio_header_size(v);
	memset(area, 0, 2048);
	vio_desc_set(q, 0, (uint32_t)area, first, D_WRITE | D_NEXT, 1);
	vio_desc_set(q, 1, (uint32_t)area + first, 1600 - first, D_WRITE, 0);
	vio_put(q, 0);
	vio_kick(q);
	return vio_tx(v) == 0 && vio_wait(q, 2000, &id, &len) && id == 0 && len >= header + 42 && area[header + 12] == 8;
}

static bool net_receive_framings(struct vio *v)
{
	if (!option_present("arp"))
		return true;
	return rx_framed(v, v->transport == VIO_MODERN ? 12 : 10) && rx_framed(v, 4) && rx_framed(v, 26) && rx_framed(v, 200);
}

static const struct quirk quirks[] = {
	{ "bus master off", without_bus_master, 0, false },
	{ "bus master off after the start", without_bus_master_later, 0, false },
	{ "status 1, 2, 4", status_not_cumulative, 0, false },
	{ "no status but DRIVER_OK", status_only_driver_ok, 0, false },
	{ "features after the queues", features_after_queues, 0, false },
	{ "FEATURES_OK without VERSION_1", modern_without_version_1, 0, true },
	{ "reset twice", reset_twice, 0, false },
	{ "reset at once", reset_is_instant, 0, false },
	{ "reset clears features and queues", reset_clears, 0, false },
	{ "reset with a request under way", reset_under_load, 0, false },
	{ "kick before DRIVER_OK", kick_before_driver_ok, 0, false },
	{ "8-bit notify", notify_8_bits, 0, false },
	{ "32-bit notify", notify_32_bits, 0, false },
	{ "ten kicks for one request", notify_often, 0, false },
	{ "kick of a queue that is not there", notify_unknown_queue, 0, false },
	{ "ISR reads clear", isr_reads_clear, 0, false },
	{ "ISR by 32 bits", isr_32_bits, 0, true },
	{ "configuration window", config_window, 0, true },
	{ "legacy configuration at +20 and +24", legacy_config_moves, 0, false },
	{ "vectors read back", vectors_read_back, 0, false },
	{ "common structure in all widths", common_in_all_widths, 0, true },
	{ "writes past the common structure", writes_past_the_structure, 0, true },
	{ "queue of 16", queue_of_16, 0, true },
	{ "queue of 64", queue_of_64, 0, true },
	{ "queues have 256 entries", queue_size_is_256, 0, false },
	{ "a queue beyond the last", queue_beyond_the_last, 0, false },
	{ "around the ring", around_the_ring, 0, false },
	{ "interrupts not wanted", without_interrupts, 0, false },
	{ "header split", blk_header_split, VIO_BLK, false },
	{ "data split", blk_data_split, VIO_BLK, false },
	{ "status joined to the data", blk_status_joined, VIO_BLK, false },
	{ "header joined to the data of a write", blk_write_merged, VIO_BLK, false },
	{ "frame merged and split", net_merged_and_split, VIO_NET, false },
	{ "receiving, merged and split", net_receive_framings, VIO_NET, false },
};

static void run(struct vio *v, enum vio_transport t, const struct quirk *k)
{
	if ((k->type && k->type != v->type) || (k->modern_only && t == VIO_LEGACY))
		return;
	if (!check(vio_open(v, t), true, "quirks: %s: %s: reset before", vio_name(v), k->name))
		return;
	check(k->fn(v), true, "quirks: %s: %s", vio_name(v), k->name);
	v->transport = t;
	vio_reset(v);
}

void probe(void)
{
	vio_scan();
	check(vio_count != 0, true, "quirks: there are devices");
	for (unsigned int i = 0; i < vio_count; i++)
		for (enum vio_transport t = VIO_LEGACY; t <= VIO_MODERN; t++) {
			if (!vio_has(&vios[i], t)) {
				skip("quirks: %02x:%02x.%x has no %s registers", BUS(vios[i].bdf), DEVICE(vios[i].bdf),
				     FUNCTION(vios[i].bdf), t == VIO_LEGACY ? "legacy" : "modern");
				continue;
			}
			vios[i].transport = t;
			for (unsigned int k = 0; k < ARRAY_SIZE(quirks); k++)
				run(&vios[i], t, &quirks[k]);
		}
}
