/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest of a virtio device whose acts are the input's bytes: accesses to the registers of both interfaces, to MSI-X's table
 * and to configuration space, memory contents, and, so that inputs reach deep, rings that are set up and chains that are well
 * formed.  Addresses in the input are offsets into the guest's RAM, for its place differs from run to run.
 */
#ifndef FUZZ_VIRTIO_OPS_H
#define FUZZ_VIRTIO_OPS_H

#include <veneer/pci.h>
#include "tests/fuzz/fuzz.h"
#include "host/twin.h"

#define RAM		0x20000u
#define RING(r)		(ram + (r) * 0x4000u)	/* of the ring that bring_up() sets up: table, avail, used */
#define RING_AVAIL	0x1000u
#define RING_USED	0x2000u
#define DATA		0x10000u		/* the rest of the RAM */
#define MAX_OPS		400u

static uint8_t *ram;
static unsigned nrings;
static unsigned next_desc[3];
static void (*poll_hardware)(void);

static uint64_t any_address(void)
{
	uint16_t off = fuzz16();
	uint8_t kind = fuzz8();

	if (kind < 0xe0)
		return (uintptr_t)ram + (kind & 1) * 0x10000u + off;
	if (kind < 0xf0)
		return (uintptr_t)ram + RAM - off % 64;
	return kind < 0xf8 ? fuzz64() : 0 - (uint64_t)off;
}

static uint64_t any_value(void)
{
	uint8_t kind = fuzz8();

	return kind < 0x80 ? kind : kind < 0xc0 ? any_address() : kind < 0xe0 ? fuzz16() : fuzz64();
}

static struct vring_desc *any_table(void)
{
	uint8_t r = fuzz8();

	return (struct vring_desc *)(void *)(r < 0xf0 ? RING(r % 3) : ram + DATA + (r & 15) * 256);
}

static void op_desc(void)
{
	struct vring_desc *d = any_table() + fuzz8();

	d->addr = any_address();
	d->len = fuzz8() & 1 ? fuzz32() : fuzz16();
	d->flags = fuzz8();
	d->next = d->flags & 0x80 ? fuzz16() : fuzz8();
}

static void offer(unsigned r, uint16_t head)
{
	struct vring_avail *a = (struct vring_avail *)(void *)(RING(r) + RING_AVAIL);

	a->ring[a->idx % 256] = head;
	a->idx++;
}

/* The next descriptor of a chain on ring @r, with another one to follow or without. */
static void add_piece(unsigned r, uint64_t addr, uint32_t len, uint16_t flags)
{
	struct vring_desc *table = (struct vring_desc *)(void *)RING(r), *d = &table[next_desc[r]++ % 256];

	*d = (struct vring_desc){ addr, len, flags, (uint16_t)(next_desc[r] % 256) };
}

/* A chain that keeps the rules; its first piece's first bytes are the input's. */
static void op_chain(void)
{
	unsigned r = fuzz8() % nrings, shape = fuzz8(), n = 1 + shape % 5, writable = shape / 5 % (n + 1);
	uint16_t head = (uint16_t)(next_desc[r] % 256);

	for (unsigned i = 0; i < n; i++) {
		uint8_t *at = ram + DATA + fuzz16() % 0xe000u;
		uint32_t len = fuzz16() % 0x2000u;

		add_piece(r, (uintptr_t)at, len,
			  (uint16_t)((i >= n - writable ? VRING_DESC_WRITE : 0) | (i + 1 < n ? VRING_DESC_NEXT : 0)));
		if (!i) {
			uint32_t given = fuzz8() % 64u;

			fuzz_bytes(at, MIN(len, given));
		}
	}
	offer(r, head);
}

/* Break rules in one of the newest descriptors. */
static void op_spoil(void)
{
	unsigned r = fuzz8() % nrings, i = (next_desc[r] - 1 - fuzz8() % 8u) % 256;
	struct vring_desc *table = (struct vring_desc *)(void *)RING(r), *d = &table[i];

	switch (fuzz8() % 8) {
	case 0:
		d->flags |= VRING_DESC_NEXT;
		d->next = fuzz16();
		break;
	case 1:
		d->flags |= VRING_DESC_NEXT;
		d->next = (uint16_t)((i - fuzz8() % 4u) % 256);
		break;
	case 2:
		d->len = 0;
		break;
	case 3:
		d->flags ^= fuzz8();
		break;
	case 4:
		d->addr = any_address();
		break;
	case 5:
		d->len = fuzz32();
		break;
	case 6:
		d->addr = (uintptr_t)&table[fuzz8()];
		d->len = 16u * (fuzz8() % 16u);
		d->flags = VRING_DESC_INDIRECT;
		break;
	case 7:
		*d = (struct vring_desc){ d->addr, 0, VRING_DESC_NEXT, (uint16_t)i };
	}
}

static void op_memory(void)
{
	uint16_t off = fuzz16();

	fuzz_bytes(ram + (off & 1) * 0x10000u + (off & ~1u) % 0xff00u, fuzz8());
}

static unsigned any_width(void) { return 1u << fuzz8() % 4; }

static void op_access(void)
{
	uint8_t what = fuzz8();
	unsigned width = any_width(), off = fuzz16();

	switch (what % 7) {
	case 0:
		guest_write(TWIN_BAR4 + off % VIRTIO_BAR4_SIZE, width, any_value());
		break;
	case 1:
		guest_write(TWIN_BAR4 + off % 64, width, any_value());
		break;
	case 2:
		guest_read(TWIN_BAR4 + off % VIRTIO_BAR4_SIZE, width);
		break;
	case 3:
		guest_out((uint16_t)(TWIN_IO + off % 64), MIN(width, 4u), (uint32_t)any_value());
		break;
	case 4:
		guest_in((uint16_t)(TWIN_IO + off % 64), MIN(width, 4u));
		break;
	case 5:
		guest_write(TWIN_BAR1 + off % 4096, width, any_value());
		break;
	case 6:
		guest_read(TWIN_BAR1 + off % 4096, width);
	}
}

/* As hv/pci gives them: aligned within a dword. */
static void op_config(void)
{
	unsigned width = 1u << fuzz8() % 3, off = fuzz16() % 4096u & ~(width - 1);

	if (fuzz8() & 1)
		cfg_read(off, width);
	else
		cfg_write(off, width, (uint32_t)any_value() & (width == 4 ? ~0u : (1u << 8 * width) - 1));
}

static void common(unsigned off, unsigned width, uint64_t v) { guest_write(TWIN_BAR4 + off, width, v); }

static void bring_up_legacy(uint32_t features)
{
	guest_out(TWIN_IO + LEGACY_STATUS, 1, 0);
	guest_out(TWIN_IO + LEGACY_STATUS, 1, 3);
	guest_out(TWIN_IO + LEGACY_DRIVER_FEATURES, 4, features & (uint32_t)guest_in(TWIN_IO, 4));
	for (unsigned i = 0; i < nrings; i++) {
		guest_out(TWIN_IO + LEGACY_QUEUE_SELECT, 2, i);
		guest_out(TWIN_IO + LEGACY_QUEUE_PFN, 4, (uint32_t)((uintptr_t)RING(i) / 4096));
	}
	guest_out(TWIN_IO + LEGACY_STATUS, 1, 7);
}

static void bring_up_modern(uint64_t features)
{
	common(COMMON_STATUS, 1, 0);
	common(COMMON_STATUS, 1, 3);
	for (unsigned w = 0; w < 2; w++) {
		common(COMMON_DEVICE_FEATURE_SELECT, 4, w);
		common(COMMON_DRIVER_FEATURE_SELECT, 4, w);
		common(COMMON_DRIVER_FEATURE, 4, guest_read(TWIN_BAR4 + COMMON_DEVICE_FEATURE, 4) & (features >> (32 * w)));
	}
	common(COMMON_STATUS, 1, 11);
	for (unsigned i = 0; i < nrings; i++) {
		common(COMMON_QUEUE_SELECT, 2, i);
		common(COMMON_QUEUE_SIZE, 2, 256);
		common(COMMON_QUEUE_DESC, 8, (uintptr_t)RING(i));
		common(COMMON_QUEUE_DRIVER, 8, (uintptr_t)RING(i) + RING_AVAIL);
		common(COMMON_QUEUE_DEVICE, 8, (uintptr_t)RING(i) + RING_USED);
		common(COMMON_QUEUE_ENABLE, 2, 1);
	}
	common(COMMON_STATUS, 1, 15);
}

/* Back to BARs that are where they were at the start; a device that waits for its DMA to end gets the time. */
static void bring_up(bool legacy, uint64_t features)
{
	cfg_write(PCI_COMMAND, 2, 7);
	cfg_write(PCI_BAR(0), 4, TWIN_IO);
	cfg_write(PCI_BAR(1), 4, TWIN_BAR1);
	cfg_write(PCI_BAR(4), 4, TWIN_BAR4);
	memset(ram, 0, DATA);
	memset(next_desc, 0, sizeof(next_desc));
	if (legacy)
		bring_up_legacy((uint32_t)features);
	else
		bring_up_modern(features);
}

static void one_op(void)
{
	uint8_t op = fuzz8();
	unsigned r;

	if (op >= 14 * 16) {
		op_spoil();
		return;
	}
	switch (op % 14) {
	case 0:
		op_desc();
		break;
	case 1:
		r = fuzz8();
		offer(r % nrings, r & 0x80 ? fuzz16() : fuzz8());
		break;
	case 2:
	case 3:
	case 4:
		op_chain();
		break;
	case 5:
	case 6:
		modern_kick(fuzz8() % 4);
		break;
	case 7:
		op_access();
		break;
	case 8:
		op_config();
		break;
	case 9:
		op_memory();
		break;
	case 10:
	case 11:
		poll_hardware();
		break;
	case 12:
		/* used_event, or the index itself. */
		r = fuzz8();
		*(uint16_t *)(void *)(RING(r % nrings) + RING_AVAIL + (r & 0x80 ? 2 : 4 + 512)) = fuzz16();
		break;
	case 13:
		r = fuzz8();
		bring_up(r & 1, fuzz64() | (r & 2 ? ~0ull : 0));
	}
}

/* The guest's other processor, while the device looks for a buffer. */
static void meddle(void)
{
	uint16_t off;

	if (fuzz8() & 3)
		return;
	off = fuzz16();
	*(uint16_t *)(void *)(ram + off * 2u % RAM) = fuzz16();
}

/* The whole of the guest: the device has been made. */
static void guest_acts(unsigned rings, void (*poll)(void))
{
	uint8_t how = fuzz8();

	ram = guest_alloc(RAM);
	nrings = rings;
	poll_hardware = poll;
	if (how & 0x80)
		host_gmem_hook = meddle;
	if (!(how & 0x40))
		bring_up(how & 1, how & 2 ? ~0ull : fuzz64());
	for (unsigned n = 0; fuzz_left && n < MAX_OPS; n++)
		one_op();
	host_gmem_hook = NULL;
}

#endif
